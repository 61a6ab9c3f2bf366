package e2e_test

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/attribproxy/attribproxy/internal/fakecloud"
)

// wire is a request made comparable between two runs of a client.
type wire struct {
	Method, Host, Target string
	Header               http.Header // without User-Agent
	Body                 string
}

// perRun finds what is made up anew in each run and stands in targets or forms:
// the names of long-running operations, which a client has from the cloud, and
// the request ID that MSAL for JavaScript also sends as a parameter.
var perRun = regexp.MustCompile(`(?i)(/operation(?:statuses|results)/|[?&](?:t|client-request-id)=)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// comparable leaves out what may differ: the values (never the presence) of the
// fields in vary, and the hop-by-hop fields of RFC 9110, section 7.6.1, which
// belong to a connection and not to the request.
func comparable(r fakecloud.Request, vary []string) wire {
	h := r.Header.Clone()
	for _, name := range []string{"User-Agent", "Connection", "Proxy-Connection", "Keep-Alive", "Te", "Transfer-Encoding", "Upgrade"} {
		h.Del(name)
	}
	for _, name := range vary {
		for i := range h[http.CanonicalHeaderKey(name)] {
			h[http.CanonicalHeaderKey(name)][i] = "(varies)"
		}
	}
	return wire{
		Method: r.Method, Host: r.Host,
		Target: perRun.ReplaceAllString(r.RequestURI, "$1(varies)"),
		Header: h, Body: perRun.ReplaceAllString(string(r.Body), "$1(varies)"),
	}
}

// compare holds what came through the proxy against what the client sends by
// itself and lists every difference but the one that is wanted: the ID at the
// end of the only User-Agent of a PUT to ARM.
func compare(direct, proxied []fakecloud.Request, isARM func(host string) bool, id string, vary []string) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	if len(direct) != len(proxied) {
		fault("the client sends %d requests by itself, %d through the proxy", len(direct), len(proxied))
	}
	for i := range min(len(direct), len(proxied)) {
		d, p := direct[i], proxied[i]
		name := fmt.Sprintf("request %d, %s %s%s", i+1, p.Method, p.Host, p.RequestURI)
		if diff := cmp.Diff(comparable(d, vary), comparable(p, vary)); diff != "" {
			fault("%s differs (-direct +proxied):\n%s", name, diff)
		}
		before, after := d.Header["User-Agent"], p.Header["User-Agent"]
		if p.Method != http.MethodPut || !isARM(p.Host) {
			if !slices.Equal(before, after) {
				fault("%s: User-Agent became %q from %q; only an ARM PUT may change", name, after, before)
			}
			continue
		}
		if len(after) != 1 || strings.Count(strings.ToLower(after[0]), strings.ToLower(id)) != 1 || !strings.HasSuffix(after[0], id) {
			fault("%s: User-Agent is %q; want one, with %s once and at its end", name, after, id)
			continue
		}
		want := strings.Join(before, " ")
		if !strings.Contains(want, id) {
			want = strings.TrimSpace(want + " " + id)
		}
		if after[0] != want {
			fault("%s: User-Agent is %q, want %q", name, after[0], want)
		}
	}
	return faults
}
