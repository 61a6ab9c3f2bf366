package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/attribproxy/attribproxy/internal/fakecloud"
)

// The comparison is what the other tests stand on, so it is shown to see each
// thing that a proxy could do wrong.
func TestCompareSeesEachFault(t *testing.T) {
	const id = "pid-7f3a9c52-1d84-4e6b-9a0f-2c5e8b7d4161"
	isARM := func(host string) bool { return host == "arm" }
	request := func(method, host string, change func(*fakecloud.Request)) []fakecloud.Request {
		r := fakecloud.Request{
			Method: method, Host: host, RequestURI: "/x?api-version=1", Body: []byte("body"),
			Header: http.Header{"User-Agent": {"tool/1"}, "Accept": {"*/*"}, "Date": {"now"}},
		}
		if change != nil {
			change(&r)
		}
		return []fakecloud.Request{r}
	}
	ua := func(values ...string) func(*fakecloud.Request) {
		return func(r *fakecloud.Request) { r.Header["User-Agent"] = values }
	}
	none := func(r *fakecloud.Request) { delete(r.Header, "User-Agent") }
	header := func(name, value string) func(*fakecloud.Request) {
		return func(r *fakecloud.Request) {
			r.Header.Set("User-Agent", "tool/1 "+id)
			r.Header.Set(name, value)
		}
	}
	for _, c := range []struct {
		name            string
		direct, proxied []fakecloud.Request
		want            string // in the one fault; "" for none
	}{
		{"tagged", request("PUT", "arm", nil), request("PUT", "arm", ua("tool/1 "+id)), ""},
		{"had none", request("PUT", "arm", none), request("PUT", "arm", ua(id)), ""},
		{"had it", request("PUT", "arm", ua("tool/1 "+id)), request("PUT", "arm", ua("tool/1 "+id)), ""},
		{"read", request("GET", "arm", nil), request("GET", "arm", nil), ""},
		{"varying value", request("PUT", "arm", nil), request("PUT", "arm", header("Date", "later")), ""},
		{"hop-by-hop", request("PUT", "arm", nil), request("PUT", "arm", header("Proxy-Connection", "keep-alive")), ""},
		{"untagged", request("PUT", "arm", nil), request("PUT", "arm", nil), "once and at its end"},
		{"twice", request("PUT", "arm", nil), request("PUT", "arm", ua("tool/1 "+id+" "+id)), "once and at its end"},
		{"in front", request("PUT", "arm", nil), request("PUT", "arm", ua(id+" tool/1")), "once and at its end"},
		{"two fields", request("PUT", "arm", nil), request("PUT", "arm", ua("tool/1", id)), "want one"},
		{"other tool", request("PUT", "arm", nil), request("PUT", "arm", ua("tool/2 "+id)), `want "tool/1 pid-`},
		{"tagged read", request("GET", "arm", nil), request("GET", "arm", ua("tool/1 "+id)), "only an ARM PUT may change"},
		{"tagged stranger", request("PUT", "blob", nil), request("PUT", "blob", ua("tool/1 "+id)), "only an ARM PUT may change"},
		{"invented", request("GET", "arm", none), request("GET", "arm", ua("Go-http-client/1.1")), "only an ARM PUT may change"},
		{"emptied", request("GET", "arm", none), request("GET", "arm", ua("")), "only an ARM PUT may change"},
		{"field added", request("PUT", "arm", nil), request("PUT", "arm", header("Via", "1.1 us")), "Via"},
		{"field lost", request("GET", "arm", nil), request("GET", "arm", func(r *fakecloud.Request) { r.Header.Del("Accept") }), "Accept"},
		{"varying field lost", request("GET", "arm", nil), request("GET", "arm", func(r *fakecloud.Request) { r.Header.Del("Date") }), "Date"},
		{"body", request("GET", "arm", nil), request("GET", "arm", func(r *fakecloud.Request) { r.Body = []byte("BODY") }), "Body"},
		{"target", request("GET", "arm", nil), request("GET", "arm", func(r *fakecloud.Request) { r.RequestURI = "/X" }), "Target"},
		{"lost", request("GET", "arm", nil), nil, "1 requests by itself, 0 through"},
		{"repeated", nil, request("GET", "arm", nil), "0 requests by itself, 1 through"},
	} {
		faults := compare(c.direct, c.proxied, isARM, id, []string{"Date"})
		switch {
		case c.want == "" && len(faults) > 0:
			t.Errorf("%s: %s", c.name, faults)
		case c.want != "" && (len(faults) != 1 || !strings.Contains(faults[0], c.want)):
			t.Errorf("%s: found %q, want one fault with %q", c.name, faults, c.want)
		}
	}
}
