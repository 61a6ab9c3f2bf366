package proxy_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
)

// Requests sent without waiting for answers are answered in order.
func TestPipelining(t *testing.T) {
	w := start(t, nil)
	w.handler = func(rw http.ResponseWriter, r *http.Request) {
		w.note(r)
		_, _ = io.WriteString(rw, r.URL.Path)
	}
	h := w.h1()
	h.send("PUT /a HTTP/1.1\r\nHost: %[1]s\r\nContent-Length: 1\r\n\r\nxGET /b HTTP/1.1\r\nHost: %[1]s\r\n\r\nGET /c HTTP/1.1\r\nHost: %[1]s\r\n\r\n", armHost)
	for _, want := range []string{"/a", "/b", "/c"} {
		resp := h.response("GET")
		if body, _ := io.ReadAll(resp.Body); string(body) != want {
			t.Errorf("%q, want %q", body, want)
		}
	}
}

// Many requests on one connection of the client's use one of ours.
func TestUpstreamConnectionIsReused(t *testing.T) {
	protocols(t, func(t *testing.T, h2 bool) {
		conns := map[string]int{}
		w := start(t, nil)
		w.handler = func(rw http.ResponseWriter, r *http.Request) {
			conns[r.RemoteAddr]++ // one request at a time
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(rw, "ok")
		}
		c := w.client(h2)
		for range 200 {
			do(t, c, http.MethodPut, armURL+putPath, "x")
		}
		if len(conns) != 1 {
			t.Errorf("%d upstream connections", len(conns))
		}
		if _, n := w.server.Open(); n != 1 {
			t.Errorf("%d client connections", n)
		}
	})
}

// A connection that rested works on, also when the origin has closed its own.
func TestIdleConnectionSurvivesTheOrigins(t *testing.T) {
	protocols(t, func(t *testing.T, h2 bool) {
		closed := make(chan struct{}, 10)
		w := startRaw(t, func(c net.Conn, r *bufio.Reader) { // one answer per connection
			if _, err := readHead(r); err != nil {
				return
			}
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			c.Close()
			closed <- struct{}{}
		})
		client := w.client(h2)
		for range 3 {
			if _, body := do(t, client, http.MethodGet, armURL+"/x", ""); body != "ok" {
				t.Errorf("%q", body)
			}
			await(t, "the origin's close", closed)
		}
		if _, n := w.server.Open(); n != 1 {
			t.Errorf("%d client connections", n)
		}
	})
}
