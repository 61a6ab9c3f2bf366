package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// wire runs a proxy in front of an origin that reports each request head as
// it came, and answers 200.
func wire(t testing.TB) (*world, <-chan string) {
	t.Helper()
	heads := make(chan string, 100)
	w := startRaw(t, func(c net.Conn, r *bufio.Reader) {
		for {
			head, err := readHead(r)
			if err != nil {
				return
			}
			heads <- head
			if strings.Contains(strings.ToLower(head), "content-length: 4\r\n") {
				_, _ = io.ReadFull(r, make([]byte, 4))
			}
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	})
	return w, heads
}

func TestTargetsArriveAsSent(t *testing.T) {
	w, heads := wire(t)
	tests := []struct{ sent, want string }{ // want is "" for what was sent
		{"/a|b[c]%2Fd", ""},
		{"/%7e~%7E/%2f%2F", ""},
		{"/a%zz", "400"},
		{"/sub/x?", ""},
		{"/?", ""},
		{"/x?a=%20+&b=|[]{}\"'", ""},
		{"//double//slash/", ""},
		{"//x%2Fy?q=1", ""},
		{"/a;b=c,d@e:f!$&'()*+=", ""},
		{"/%E2%82%AC/€", ""},
		{"/x?y?z=/a//b", ""},
		{"/a/../b/./c", ""},
		{"/a#b", ""},
		{"/x^`{}<>", ""},
		{"/" + strings.Repeat("p/", 2000) + "?" + strings.Repeat("q=%2F&", 5000), ""},
		{"https://" + armHost, "/"},
		{"https://" + armHost + "?q", "/?q"},
		{"https://" + armHost + "/a|b?", "/a|b?"},
		{"https://" + armHost + ":443//x", "//x"},
		{"*", ""},
	}
	for i, tt := range tests {
		t.Run(fmt.Sprintf("%d %.20s", i, tt.sent), func(t *testing.T) {
			resp, _ := w.h1().do("OPTIONS " + tt.sent + " HTTP/1.1\r\nHost: " + armHost + "\r\n\r\n")
			want := tt.want
			if want == "" {
				want = tt.sent
			}
			if want == "400" {
				if resp.StatusCode != 400 {
					t.Errorf("%s", resp.Status)
				}
				return
			}
			line, _, _ := strings.Cut(await(t, "the head", heads), "\r\n")
			if diff := cmp.Diff("OPTIONS "+want+" HTTP/1.1", line); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("h2", func(t *testing.T) {
		client := w.client(true)
		for _, target := range []string{"/a|b[c]%2Fd?x=[|]", "/%7e/€?", "/a//b%2f"} {
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, armURL, nil)
			path, query, hasQuery := strings.Cut(target, "?")
			req.URL = &url.URL{Scheme: "https", Host: armHost, Opaque: path, RawQuery: query, ForceQuery: hasQuery}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			line, _, _ := strings.Cut(await(t, "the head", heads), "\r\n")
			if diff := cmp.Diff("GET "+target+" HTTP/1.1", line); diff != "" {
				t.Error(diff)
			}
		}
	})
}

// Nothing is added to a request head and nothing lost but what belongs to the
// hop; the User-Agent alone changes, on writes alone.
func TestRequestHeadsArriveAsSent(t *testing.T) {
	ua := "User-Agent: "
	tests := []struct {
		name, method  string
		fields, extra []string // sent; want where it differs is fields without extra
		want          []string
	}{
		{name: "a read without User-Agent", method: "GET", want: []string{}},
		{name: "a read with an empty one", method: "GET", fields: []string{ua}, want: []string{}},
		{name: "a read with a User-Agent", method: "GET", fields: []string{ua + "curl/8"}},
		{name: "a read with several", method: "GET", fields: []string{ua + "a/1", ua + "b/2"}, want: []string{ua + "a/1 b/2"}},
		{name: "a write without User-Agent", method: "PUT", fields: []string{"Content-Length: 0"}, want: []string{"Content-Length: 0", ua + testID}},
		{name: "a write with an empty one", method: "PUT", fields: []string{"Content-Length: 0", ua}, want: []string{"Content-Length: 0", ua + testID}},
		{name: "a write with several", method: "PUT", fields: []string{"Content-Length: 4", ua + "a/1", ua + "b/2"}, want: []string{"Content-Length: 4", ua + "a/1 b/2 " + testID}},
		{name: "a delete is not tagged", method: "DELETE", fields: []string{"Content-Length: 0", ua + "x/1"}},
		{name: "a delete without a length", method: "DELETE", fields: []string{ua + "x/1"}},
		{name: "a post", method: "POST", fields: []string{"Content-Length: 4", ua + "x/1"}},
		{
			name: "values and duplicates", method: "GET",
			fields: []string{"X-A: 1", "X-A: 2", "X-A: 1", "X-Odd:  a  b\t\"c\" ", "Cookie: a=b; c=d", "Accept-Encoding: br, gzip;q=0", "Accept: */*", "Via: 1.1 corp", "X-Forwarded-For: 1.2.3.4", "Authorization: Bearer x", "If-None-Match: *"},
			want:   []string{"X-A: 1", "X-A: 2", "X-A: 1", "X-Odd: a  b\t\"c\"", "Cookie: a=b; c=d", "Accept-Encoding: br, gzip;q=0", "Accept: */*", "Via: 1.1 corp", "X-Forwarded-For: 1.2.3.4", "Authorization: Bearer x", "If-None-Match: *"},
		},
		{
			name: "hop-by-hop fields go", method: "GET", fields: []string{"X-Stays: 1"},
			extra: []string{"Proxy-Connection: keep-alive", "Connection: keep-alive, X-Hop", "X-Hop: 1", "Keep-Alive: 5", "Proxy-Authorization: Basic eA==", "TE: gzip"},
		},
		{name: "TE: trailers stays", method: "GET", fields: []string{"Te: trailers"}, extra: []string{"Connection: TE"}},
		{name: "Connection cannot take the User-Agent away", method: "GET", fields: []string{ua + "x/1"}, extra: []string{"Connection: User-Agent"}},
	}
	w, heads := wire(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body := ""
			if slices.Contains(tt.fields, "Content-Length: 4") {
				body = "body"
			}
			sent := strings.Join(append(slices.Clone(tt.fields), tt.extra...), "\r\n")
			if sent != "" {
				sent += "\r\n"
			}
			resp, _ := w.h1().do(tt.method + " /x HTTP/1.1\r\nHost: " + armHost + "\r\n" + sent + "\r\n" + body)
			if resp.StatusCode != 200 {
				t.Fatal(resp.Status)
			}
			want := tt.want
			if want == nil {
				want = tt.fields
			}
			got := strings.Split(strings.TrimSuffix(await(t, "the head", heads), "\r\n\r\n"), "\r\n")
			if diff := cmp.Diff([]string{tt.method + " /x HTTP/1.1", "Host: " + armHost}, got[:2]); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(sorted(want), sorted(got[2:])); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func sorted(s []string) []string {
	s = slices.Clone(s)
	slices.SortStableFunc(s, func(a, b string) int {
		x, _, _ := strings.Cut(a, ":")
		y, _, _ := strings.Cut(b, ":")
		return strings.Compare(strings.ToLower(x), strings.ToLower(y))
	})
	return s
}

func TestConnectionClose(t *testing.T) {
	w, heads := wire(t)
	h := w.h1()
	resp, _ := h.do("PUT /x HTTP/1.1\r\nHost: " + armHost + "\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
	if !resp.Close {
		t.Errorf("%+v", resp.Header)
	}
	if head := await(t, "the head", heads); strings.Contains(head, "Connection:") {
		t.Errorf("passed on: %q", head)
	}
	if b, err := h.r.ReadByte(); err == nil {
		t.Errorf("%q after the end", b)
	}
	eventually(t, "the connection is forgotten", func() bool { _, n := w.server.Open(); return n == 0 })
}

func TestHTTP10Client(t *testing.T) {
	for name, origin := range map[string]string{"length": "Content-Length: 2\r\n\r\nok", "chunks": "Transfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n"} {
		t.Run(name, func(t *testing.T) {
			w := startRaw(t, answerEach(func(string) string { return "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n" + origin }))
			resp, body := w.h1().do("GET /x HTTP/1.0\r\n\r\n") // without even a Host
			if resp.StatusCode != 200 || body != "ok" || len(resp.TransferEncoding) > 0 {
				t.Errorf("%s %v %q", resp.Status, resp.TransferEncoding, body)
			}
		})
	}
}
