package proxy_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attribproxy/attribproxy/proxy"
)

// protocols runs a test over both protocols a client can speak inside an
// intercepted connection.
func protocols(t *testing.T, f func(t *testing.T, h2 bool)) {
	t.Helper()
	t.Run("http/1.1", func(t *testing.T) { f(t, false) })
	t.Run("h2", func(t *testing.T) { f(t, true) })
}

// serveConns runs serve for each connection of l until the test ends.
func serveConns(t testing.TB, l net.Listener, serve func(net.Conn)) {
	t.Helper()
	var wg sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.SetDeadline(time.Now().Add(waitLong))
			mu.Lock()
			open[c] = true
			mu.Unlock()
			wg.Go(func() {
				serve(c)
				c.Close()
				mu.Lock()
				delete(open, c)
				mu.Unlock()
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for c := range open {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
}

// startRaw runs a proxy whose origin is serve, which gets each connection of
// the proxy's with TLS already on it.
func startRaw(t testing.TB, serve func(c net.Conn, r *bufio.Reader), tune ...func(*proxy.Options)) *world {
	t.Helper()
	w := &world{t: t, ca: newAuthority(t, "proxy CA"), originCA: newAuthority(t, "origin CA"), events: newMemory()}
	config, err := w.originCA.config(armHost)
	if err != nil {
		t.Fatal(err)
	}
	config = config.Clone()
	config.NextProtos = nil
	w.origin = listen(t)
	serveConns(t, tls.NewListener(w.origin, config), func(c net.Conn) { serve(c, bufio.NewReader(c)) })
	w.startProxy(tune...)
	return w
}

// readHead reads one request head as it came over the wire.
func readHead(r *bufio.Reader) (string, error) {
	var head strings.Builder
	for {
		line, err := r.ReadString('\n')
		head.WriteString(line)
		if err != nil || line == "\r\n" {
			return head.String(), err
		}
	}
}

// answerEach answers each request on a connection with one response; reply
// gets the head and says what to write. Bodies must not be sent to it.
func answerEach(reply func(head string) string) func(net.Conn, *bufio.Reader) {
	return func(c net.Conn, r *bufio.Reader) {
		for {
			head, err := readHead(r)
			if err != nil {
				return
			}
			if _, err := io.WriteString(c, reply(head)); err != nil {
				return
			}
		}
	}
}

// echoServer answers everything with the bytes it got, half-close included.
func echoServer(t testing.TB) net.Listener {
	t.Helper()
	l := listen(t)
	serveConns(t, l, func(c net.Conn) { _, _ = io.Copy(c, c) })
	return l
}

// eventually waits until cond holds. Only for what gives no signal to wait on.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), waitLong)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not within %s", what, waitLong)
		case <-tick.C:
		}
	}
}

// await receives from ch within the deadline.
func await[T any](t testing.TB, what string, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(waitLong):
		t.Fatalf("%s: nothing within %s", what, waitLong)
	}
	panic("not reached")
}

// wantOwn checks that a response is the proxy's own: status, code in header
// and body, ARM's shape.
func wantOwn(t testing.TB, resp *http.Response, body string, status int, code string) {
	t.Helper()
	if resp.StatusCode != status || resp.Header.Get(proxy.ErrorHeader) != code {
		t.Errorf("got %d with %s %q, want %d %s", resp.StatusCode, proxy.ErrorHeader, resp.Header.Get(proxy.ErrorHeader), status, code)
	}
	e, err := armError(body)
	if err != nil || e.Code != code || e.Message == "" {
		t.Errorf("not ARM's shape: %q (%v)", body, err)
	}
	if ct := resp.Header.Get("Content-Type"); ct != "application/json; charset=utf-8" {
		t.Errorf("Content-Type %q", ct)
	}
}

// request writes a request on an intercepted HTTP/1.1 connection and reads
// the response's head; the body stays in the reader.
type h1 struct {
	t testing.TB
	c net.Conn
	r *bufio.Reader
}

func (w *world) h1() *h1 {
	c := w.tls(armHost+":443", armHost)
	return &h1{w.t, c, bufio.NewReader(c)}
}

func (h *h1) send(format string, args ...any) {
	h.t.Helper()
	if _, err := fmt.Fprintf(h.c, format, args...); err != nil {
		h.t.Fatal(err)
	}
}

func (h *h1) response(method string) *http.Response {
	h.t.Helper()
	resp, err := http.ReadResponse(h.r, &http.Request{Method: method})
	if err != nil {
		h.t.Fatal(err)
	}
	return resp
}

// do is one whole exchange.
func (h *h1) do(request string) (*http.Response, string) {
	h.t.Helper()
	h.send("%s", request)
	method, _, _ := strings.Cut(request, " ")
	resp := h.response(method)
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return resp, string(body)
}
