package proxy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// plainOrigin is an HTTP origin without TLS; heads gets what it receives.
func plainOrigin(t testing.TB, serve func(c net.Conn, r *bufio.Reader, head string)) string {
	t.Helper()
	l := listen(t)
	serveConns(t, l, func(c net.Conn) {
		r := bufio.NewReader(c)
		if head, err := readHead(r); err == nil {
			serve(c, r, head)
		}
	})
	return l.Addr().String()
}

func TestPlainHTTPForward(t *testing.T) {
	t.Run("heads", func(t *testing.T) {
		heads := make(chan string, 1)
		addr := plainOrigin(t, func(c net.Conn, _ *bufio.Reader, head string) {
			heads <- head
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nX-A: 1\r\nX-A: 2\r\nConnection: X-Hop\r\nX-Hop: 1\r\nContent-Length: 2\r\n\r\nok")
		})
		w := start(t, nil)
		resp, body := raw(t, w.dial(), "GET http://"+addr+"/a%2Fb?q=%20 HTTP/1.1\r\nHost: "+addr+
			"\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic eA==\r\nAccept-Encoding: br\r\nX-B: 1\r\n\r\n")
		if diff := cmp.Diff(http.Header{"X-A": {"1", "2"}, "Content-Length": {"2"}}, resp.Header); diff != "" || body != "ok" {
			t.Errorf("%q %s", body, diff)
		}
		got := strings.Split(strings.TrimSuffix(await(t, "the head", heads), "\r\n\r\n"), "\r\n")
		want := []string{"GET /a%2Fb?q=%20 HTTP/1.1", "Host: " + addr, "Accept-Encoding: br", "X-B: 1"}
		if diff := cmp.Diff(want, append(got[:2:2], sorted(got[2:])...)); diff != "" {
			t.Error(diff)
		}
		if n := len(w.events.all()); n != 0 {
			t.Errorf("%d events", n)
		}
	})
	t.Run("bodies and trailers", func(t *testing.T) {
		srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			sum, n := digest(t, r.Body)
			rw.Header().Set("Trailer", "X-Sum")
			_, _ = io.Copy(rw, noise(4, 1<<20))
			rw.Header().Set("X-Sum", fmt.Sprint(sum, n, r.Trailer.Get("X-Up")))
		}))
		t.Cleanup(srv.Close)
		w := start(t, nil)
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL, struct{ io.Reader }{noise(3, 1<<20)})
		req.Trailer = http.Header{"X-Up": {"sent"}}
		resp, err := w.client(false).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		want, _ := digest(t, noise(4, 1<<20))
		if got, n := digest(t, resp.Body); got != want || n != 1<<20 {
			t.Errorf("%d bytes down", n)
		}
		up, _ := digest(t, noise(3, 1<<20))
		if diff := cmp.Diff(fmt.Sprint(up, 1<<20, "sent"), resp.Trailer.Get("X-Sum")); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("HEAD", func(t *testing.T) {
		addr := plainOrigin(t, func(c net.Conn, _ *bufio.Reader, _ string) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n")
		})
		w := start(t, nil)
		if resp, _ := raw(t, w.dial(), "HEAD http://"+addr+"/ HTTP/1.1\r\nHost: x\r\n\r\n"); resp.ContentLength != 1234 {
			t.Errorf("%+v", resp)
		}
	})
	for name, response := range map[string]string{"length": "Content-Length: 100\r\n\r\npart", "chunks": "Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n"} {
		t.Run("cut short/"+name, func(t *testing.T) {
			addr := plainOrigin(t, func(c net.Conn, _ *bufio.Reader, _ string) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n"+response) })
			w := start(t, nil)
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr, nil)
			resp, err := w.client(false).Do(req)
			if err == nil {
				_, err = io.ReadAll(resp.Body)
				resp.Body.Close()
			}
			if err == nil {
				t.Error("the client saw a whole response")
			}
		})
	}
	t.Run("WebSocket", func(t *testing.T) {
		addr := plainOrigin(t, func(c net.Conn, r *bufio.Reader, _ string) {
			_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			_, _ = io.Copy(c, r)
		})
		w := start(t, nil)
		c := w.dial()
		_, _ = fmt.Fprintf(c, "GET http://%s/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly ", addr)
		r := bufio.NewReader(c)
		if head, err := readHead(r); err != nil || !strings.HasPrefix(head, "HTTP/1.1 101 ") {
			t.Fatalf("%q %v", head, err)
		}
		_, _ = io.WriteString(c, "late\n")
		if line, _ := r.ReadString('\n'); line != "early late\n" {
			t.Errorf("%q", line)
		}
		c.Close()
		w.forgotten()
	})
	t.Run("unreachable", func(t *testing.T) {
		l := listen(t)
		l.Close()
		w := start(t, nil)
		resp, body := plainTo("http://"+l.Addr().String()+"/")(t, w)
		wantOwn(t, resp, body, http.StatusBadGateway, "AttribProxyUpstreamUnreachable")
	})
	t.Run("a disconnect reaches the origin", func(t *testing.T) {
		began, ended := make(chan struct{}, 1), make(chan struct{}, 1)
		addr := plainOrigin(t, func(_ net.Conn, r *bufio.Reader, _ string) {
			began <- struct{}{}
			_, _ = io.Copy(io.Discard, r)
			ended <- struct{}{}
		})
		w := start(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr, nil)
		go func() {
			<-began
			cancel()
		}()
		if resp, err := w.client(false).Do(req); err == nil {
			resp.Body.Close()
			t.Error("an answer came")
		}
		within(t, ended)
	})
}

func TestPlainHTTPRefusals(t *testing.T) {
	tests := []struct {
		target string
		status int
		code   string
		host   string
	}{
		{"http://" + armHost + "/subscriptions/1?code=s3cret", 403, "AttribProxyPlainHTTPRefused", armHost},
		{"http://MANAGEMENT.azure.com.:80/subscriptions/1", 403, "AttribProxyPlainHTTPRefused", armHost},
		{"https://" + armHost + "/subscriptions/1", 403, "AttribProxyPlainHTTPRefused", armHost},
		{"https://www.example/x", 400, "AttribProxyBadRequest", "www.example"},
		{"ftp://www.example/x", 400, "AttribProxyBadRequest", "www.example"},
		{"http://a..b/x", 400, "AttribProxyBadAuthority", ""},
	}
	for _, tt := range tests {
		t.Run(tt.target, func(t *testing.T) {
			w := start(t, nil)
			resp, body := raw(t, w.dial(), "PUT "+tt.target+" HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
			wantOwn(t, resp, body, tt.status, tt.code)
			e := w.events.await(t, 1)[0]
			if e.Outcome != "rejected" || e.Error != tt.code || e.Method != "PUT" || e.Host != tt.host || strings.Contains(e.Path+e.Reason, "s3cret") {
				t.Errorf("event %+v", e)
			}
			if len(w.requests()) != 0 {
				t.Error("it reached the origin")
			}
		})
	}
}
