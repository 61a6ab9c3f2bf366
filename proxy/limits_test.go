package proxy_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/attribproxy/attribproxy/proxy"
)

// Whatever a client leaves unfinished is ended by a deadline.
func TestDeadlines(t *testing.T) {
	hello := clientHello(t, armHost)
	tests := map[string]func(w *world) net.Conn{
		"silence":               func(w *world) net.Conn { return w.dial() },
		"half a CONNECT":        func(w *world) net.Conn { return send(w.dial(), "CONNECT "+armHost) },
		"silence after CONNECT": func(w *world) net.Conn { return w.connect(armHost + ":443") },
		"half a ClientHello":    func(w *world) net.Conn { return send(w.connect(armHost+":443"), string(hello[:len(hello)/2])) },
		"silence after TLS":     func(w *world) net.Conn { return w.tls(armHost+":443", armHost) },
		"half a header": func(w *world) net.Conn {
			return send(w.tls(armHost+":443", armHost), "PUT /x HTTP/1.1\r\nHost: "+armHost+"\r\nX-Ha")
		},
		"silence between requests": func(w *world) net.Conn {
			h := w.h1()
			h.do("GET /x HTTP/1.1\r\nHost: " + armHost + "\r\n\r\n")
			return h.c
		},
		"h2 without a request": func(w *world) net.Conn {
			c := w.h2()
			preface(t, c)
			return c
		},
		"h2 with half a header": func(w *world) net.Conn {
			c := w.h2()
			fr := preface(t, c)
			_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82}})
			return c
		},
	}
	for name, open := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, nil, shortLimits)
			c := open(w)
			if _, err := io.Copy(io.Discard, c); errors.Is(err, errTimeout(err)) {
				t.Errorf("the connection was still open: %v", err)
			}
			w.forgotten()
		})
	}
}

// errTimeout returns err where it is the test's own deadline.
func errTimeout(err error) error {
	var n net.Error
	if errors.As(err, &n) && n.Timeout() {
		return err
	}
	return io.ErrNoProgress // which err is not
}

func send(c net.Conn, s string) net.Conn {
	_, _ = io.WriteString(c, s)
	return c
}

// h2 is an intercepted connection on which h2 was agreed and nothing said.
func (w *world) h2() *tls.Conn {
	w.t.Helper()
	c := tls.Client(w.connect(armHost+":443"), &tls.Config{ServerName: armHost, RootCAs: w.ca.pool(), NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS12})
	if err := c.HandshakeContext(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	return c
}

func preface(t testing.TB, c net.Conn) *http2.Framer {
	t.Helper()
	fr := http2.NewFramer(c, c)
	_, _ = io.WriteString(c, http2.ClientPreface)
	if err := fr.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	return fr
}

// 32 MiB of header are refused without being kept.
func TestHugeHeaders(t *testing.T) {
	const size = 32 << 20
	w := start(t, nil)
	w.h1().do("GET /warm HTTP/1.1\r\nHost: " + armHost + "\r\n\r\n")
	flat := func(t *testing.T, f func()) {
		t.Helper()
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		if grown := int64(after.TotalAlloc - before.TotalAlloc); grown > size/2 {
			t.Errorf("%d MiB were allocated", grown>>20)
		}
	}
	line := []byte("X-Filler: " + strings.Repeat("x", 1000) + "\r\n")
	overHTTP1 := func(t *testing.T, c net.Conn, line1 string) {
		flat(t, func() {
			go func() {
				_, _ = io.WriteString(c, line1+" HTTP/1.1\r\nHost: "+armHost+"\r\n")
				for n := 0; n < size; n += len(line) {
					if _, err := c.Write(line); err != nil {
						return
					}
				}
			}()
			b, _ := io.ReadAll(c)
			if !bytes.HasPrefix(b, []byte("HTTP/1.1 431 ")) {
				t.Errorf("%.100q", b)
			}
		})
	}
	t.Run("CONNECT", func(t *testing.T) { overHTTP1(t, w.dial(), "CONNECT "+armHost+":443") })
	t.Run("http/1.1", func(t *testing.T) { overHTTP1(t, w.tls(armHost+":443", armHost), "GET /x") })
	t.Run("h2", func(t *testing.T) {
		flat(t, func() {
			c := w.h2()
			fr := preface(t, c)
			go func() {
				var block bytes.Buffer
				enc := hpack.NewEncoder(&block)
				for _, f := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", armHost}, {":path", "/x"}} {
					_ = enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
				}
				if fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndStream: true, BlockFragment: block.Bytes()}) != nil {
					return
				}
				for n := 0; n < size; n += block.Len() {
					block.Reset()
					for range 15 {
						_ = enc.WriteField(hpack.HeaderField{Name: "x-filler", Value: string(line[10:1010]), Sensitive: true})
					}
					if fr.WriteContinuation(1, n+block.Len() >= size, block.Bytes()) != nil {
						return
					}
				}
			}()
			// net/http stops reading such a block and ends the connection.
			_, err := io.Copy(io.Discard, c)
			if errors.Is(err, errTimeout(err)) {
				t.Error("the connection was still open")
			}
		})
	})
	t.Run("h2, a header just too large", func(t *testing.T) {
		w := start(t, nil, func(o *proxy.Options) { o.Limits.HeaderBytes = 8 << 10 })
		c := w.h2()
		fr := preface(t, c)
		var block bytes.Buffer
		enc := hpack.NewEncoder(&block)
		fields := [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", armHost}, {":path", "/x"}}
		for range 12 {
			fields = append(fields, [2]string{"x-filler", strings.Repeat("~", 1000)})
		}
		for _, f := range fields {
			_ = enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1], Sensitive: true})
		}
		_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndStream: true, EndHeaders: true, BlockFragment: block.Bytes()})
		fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
		for {
			f, err := fr.ReadFrame()
			if err != nil {
				t.Fatal(err)
			}
			if h, ok := f.(*http2.MetaHeadersFrame); ok {
				if h.PseudoValue("status") != "431" {
					t.Errorf("%v", h.Fields)
				}
				return
			}
		}
	})
	if len(w.requests()) != 1 || len(w.events.all()) != 0 {
		t.Errorf("%d requests, %d events", len(w.requests()), len(w.events.all()))
	}
}

// What the HTTP parser refuses never reaches us, but it is counted.
func TestMalformedRequestsAreCounted(t *testing.T) {
	reg := prometheus.NewRegistry()
	w := start(t, nil, func(o *proxy.Options) { o.Reg = reg })
	for i, request := range []string{
		"GET / HTTP/9.9\r\n\r\n", "G E T\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		"PUT / HTTP/1.1\r\nHost: " + armHost + "\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
		"PUT / HTTP/1.1\r\nHost: " + armHost + "\r\nTransfer-Encoding: cow\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: " + armHost + "\r\nX : y\r\n\r\n",
	} {
		c := w.tls(armHost+":443", armHost)
		_, _ = io.WriteString(c, request)
		b, _ := io.ReadAll(c)
		if !bytes.HasPrefix(b, []byte("HTTP/1.")) || bytes.Contains(b, []byte(" 200 ")) {
			t.Errorf("%q: %q", request, b)
		}
		c.Close()
		eventually(t, "it is counted", func() bool { return metric(t, reg, "attribproxy_malformed_requests_total") == float64(i+1) })
	}
	w.h1().do("GET /x HTTP/1.1\r\nHost: " + armHost + "\r\nConnection: close\r\n\r\n")
	w.tls(armHost+":443", armHost).Close() // a connection without any request
	w.forgotten()
	if n := metric(t, reg, "attribproxy_malformed_requests_total"); n != 7 {
		t.Errorf("%v after sound requests", n)
	}
	if len(w.requests()) != 1 {
		t.Errorf("the origin saw %d requests", len(w.requests()))
	}
}

// metric sums a metric over its labels.
func metric(t testing.TB, reg *prometheus.Registry, name string) (sum float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

// Gauges come back to nothing.
func TestOpenGauges(t *testing.T) {
	reg := prometheus.NewRegistry()
	w, echo := start(t, nil, func(o *proxy.Options) { o.Reg = reg }), echoServer(t)
	a, b := w.connect(echo.Addr().String()), w.tls(armHost+":443", armHost)
	if x, y := metric(t, reg, "attribproxy_open_tunnels"), metric(t, reg, "attribproxy_open_intercepted_connections"); x != 1 || y != 1 {
		t.Errorf("%v tunnels, %v intercepted", x, y)
	}
	a.Close()
	b.Close()
	w.forgotten()
	if x, y := metric(t, reg, "attribproxy_open_tunnels"), metric(t, reg, "attribproxy_open_intercepted_connections"); x+y != 0 {
		t.Errorf("%v tunnels, %v intercepted", x, y)
	}
	if resp, _ := do(t, w.client(true), http.MethodGet, armURL+"/x", ""); resp.StatusCode != 200 {
		t.Error(resp.Status)
	}
}
