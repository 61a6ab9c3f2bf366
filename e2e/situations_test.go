package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/attribproxy/attribproxy/audit"
	"github.com/attribproxy/attribproxy/internal/fakecloud"
)

// TestClientsRetryThroughTheProxy: ARM throttles a write, then asks for a new
// token in the middle of a session. Both answers pass unchanged, so the SDK
// does what it must: it waits, signs in anew and sends the PUT again. Each
// attempt is a PUT of its own, tagged and on record.
func TestClientsRetryThroughTheProxy(t *testing.T) {
	t.Parallel()
	argv := []string{must(t, goClient)}
	turns <- struct{}{}
	defer func() { <-turns }()

	s := newSandbox(t)
	put := fakecloud.Match(http.MethodPut, "/subscriptions/*/resourcegroups/*")
	s.cloud.Inject(put, fakecloud.First(1, fakecloud.Challenge()))
	s.cloud.Inject(put, fakecloud.First(1, fakecloud.Throttle(1))) // asked first
	r := s.underRun(t, argv)

	var sent []int
	tokens := map[string]bool{}
	for _, q := range r.requests {
		if put(q) {
			sent = append(sent, q.Status)
			tokens[q.Header.Get("Authorization")] = true
			if ua := q.Header.Get("User-Agent"); strings.Count(ua, token) != 1 || !strings.HasSuffix(ua, " "+token) {
				t.Errorf("an attempt answered %d carries %q", q.Status, ua)
			}
		}
	}
	want := []int{http.StatusTooManyRequests, http.StatusUnauthorized, http.StatusCreated}
	if diff := cmp.Diff(want, sent); diff != "" {
		t.Errorf("attempts (-want +got):\n%s", diff)
	}
	if len(tokens) != 2 {
		t.Errorf("%d tokens were used, want a new one after the challenge", len(tokens))
	}
	var recorded []int
	for e, err := range audit.Read(r.journal, audit.Filter{Types: []string{"Microsoft.Resources/resourceGroups"}, Methods: []string{http.MethodPut}}) {
		if err != nil {
			t.Fatal(err)
		}
		recorded = append(recorded, e.Status)
	}
	if diff := cmp.Diff(want, recorded); diff != "" {
		t.Errorf("the journal (-want +got):\n%s", diff)
	}
}

// TestRunBehindAnotherProxy: the user's HTTPS_PROXY, a company's say, becomes
// attribproxy's own way out, for ARM and for every other host. Only that proxy
// knows where the cloud is.
func TestRunBehindAnotherProxy(t *testing.T) {
	t.Parallel()
	for _, c := range clients() {
		if c.name != "curl-h1" && c.name != "python-sdk" {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			argv := c.command(t)
			turns <- struct{}{}
			defer func() { <-turns }()
			direct := runDirect(t, c, argv)
			s := newSandbox(t, c.hosts...)
			company := startTunnel(t, s.cloud)
			r := s.underRunWith(t, settings{}, []string{"HTTPS_PROXY=" + company.url()}, argv)
			check(t, c, direct, r)
			if strays := company.strays(); len(strays) > 0 {
				t.Errorf("the company's proxy was also asked for %v", strays)
			}
		})
	}
}
