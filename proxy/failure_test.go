package proxy_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/attribproxy/attribproxy/proxy"
)

// resolver answers every question for an A record with the given address, or
// that the name does not exist when it is empty; "silent" never answers.
func resolver(address string) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		client, server := net.Pipe()
		if address == "silent" { // net's resolver waits for seconds after everybody has gone
			_ = server.SetReadDeadline(time.Now().Add(400 * time.Millisecond))
		}
		go func() {
			defer server.Close()
			buf := make([]byte, 514) // a stream: two bytes of length first
			for {
				if _, err := io.ReadFull(server, buf[:2]); err != nil {
					return
				}
				n := int(buf[0])<<8 | int(buf[1])
				if _, err := io.ReadFull(server, buf[:n]); err != nil {
					return
				}
				if address == "silent" {
					continue
				}
				var m dnsmessage.Message
				if m.Unpack(buf[:n]) != nil {
					return
				}
				m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
				if q := m.Questions[0]; address == "" {
					m.RCode = dnsmessage.RCodeNameError
				} else if ip := net.ParseIP(address).To4(); q.Type == dnsmessage.TypeA {
					m.Answers = []dnsmessage.Resource{{
						Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1},
						Body:   &dnsmessage.AResource{A: [4]byte(ip)},
					}}
				}
				b, err := m.Pack()
				if err != nil {
					return
				}
				if _, err := server.Write(append([]byte{byte(len(b) >> 8), byte(len(b))}, b...)); err != nil {
					return
				}
			}
		}()
		return client, nil
	}}
}

// resolving lets names be resolved by r, without any resolve entry.
func resolving(r *net.Resolver) func(*proxy.Options) {
	return func(o *proxy.Options) {
		o.Upstream.Resolve = nil
		o.Dialer = &net.Dialer{Resolver: r}
	}
}

func TestUpstreamFailures(t *testing.T) {
	type behaviour func(w *world) func(net.Conn)
	serveTLS := func(config func(w *world) *tls.Config, then func(c *tls.Conn)) behaviour {
		return func(w *world) func(net.Conn) {
			conf := config(w)
			return func(c net.Conn) {
				s := tls.Server(c, conf)
				if s.HandshakeContext(context.Background()) == nil && then != nil {
					_, _ = readHead(bufio.NewReader(s))
					then(s)
				}
				_, _ = io.Copy(io.Discard, c)
			}
		}
	}
	good := func(w *world) *tls.Config { return w.leafFor(w.originCA, armHost, time.Hour) }
	head := func(bytes string) behaviour {
		return serveTLS(good, func(c *tls.Conn) { _, _ = io.WriteString(c, bytes); c.Close() })
	}
	const unsent, started = "Nothing was sent", "may have been started"
	tests := []struct {
		name    string
		origin  behaviour // nil: nobody listens
		tune    func(*proxy.Options)
		status  int
		code    string
		message []string
	}{
		{name: "refused", status: 502, code: "AttribProxyUpstreamUnreachable", message: []string{"refused", unsent}},
		{name: "no such name", tune: resolving(resolver("")), status: 502, code: "AttribProxyUpstreamUnreachable", message: []string{"resolved", unsent}},
		{name: "DNS is silent", tune: resolving(resolver("silent")), status: 504, code: "AttribProxyUpstreamTimeout", message: []string{unsent}},
		{name: "a name for a forbidden address", tune: resolving(resolver("169.254.169.254")), status: 403, code: "AttribProxyDestinationForbidden", message: []string{"link-local"}},
		{
			name: "untrusted", status: 502, code: "AttribProxyUpstreamTLSFailed", message: []string{"not trusted", "upstream.roots", unsent},
			origin: serveTLS(func(w *world) *tls.Config { return w.leafFor(w.ca, armHost, time.Hour) }, nil),
		},
		{
			name: "wrong name", status: 502, code: "AttribProxyUpstreamTLSFailed", message: []string{"another name", unsent},
			origin: serveTLS(func(w *world) *tls.Config { return w.leafFor(w.originCA, "vault.azure.net", time.Hour) }, nil),
		},
		{
			name: "expired", status: 502, code: "AttribProxyUpstreamTLSFailed", message: []string{"expired", unsent},
			origin: serveTLS(func(w *world) *tls.Config { return w.leafFor(w.originCA, armHost, -time.Minute) }, nil),
		},
		{
			name: "plain text", status: 502, code: "AttribProxyUpstreamTLSFailed", message: []string{"does not speak TLS", unsent},
			origin: func(*world) func(net.Conn) {
				return func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") }
			},
		},
		{
			name: "alert", status: 502, code: "AttribProxyUpstreamTLSFailed", message: []string{"alert", "handshake failure", unsent},
			origin: func(*world) func(net.Conn) {
				return func(c net.Conn) { _, _ = c.Write([]byte{21, 3, 3, 0, 2, 2, 40}); _, _ = io.Copy(io.Discard, c) }
			},
		},
		{
			name: "TLS 1.1 only", status: 502, code: "AttribProxyUpstreamTLSFailed", message: []string{"protocol version", unsent},
			origin: serveTLS(func(w *world) *tls.Config {
				c := w.leafFor(w.originCA, armHost, time.Hour)
				c.MinVersion, c.MaxVersion = tls.VersionTLS11, tls.VersionTLS11
				return c
			}, nil),
		},
		{
			name: "a silent handshake", tune: shortLimits, status: 504, code: "AttribProxyUpstreamTimeout", message: []string{unsent},
			origin: func(*world) func(net.Conn) { return func(c net.Conn) { _, _ = io.Copy(io.Discard, c) } },
		},
		{
			name: "a reset in the handshake", status: 502, code: "AttribProxyUpstreamUnreachable", message: []string{unsent},
			origin: func(*world) func(net.Conn) { return func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) } },
		},
		{name: "no response", origin: head(""), status: 502, code: "AttribProxyUpstreamUnreachable", message: []string{started}},
		{name: "half a head", origin: head("HTTP/1.1 200 OK\r\nContent-"), status: 502, code: "AttribProxyUpstreamUnreachable", message: []string{started}},
		{name: "a malformed status line", origin: head("HTTP/1.1 s3cret\r\n\r\n"), status: 502, code: "AttribProxyUpstreamUnreachable", message: []string{started}},
		{name: "an endless head", origin: head("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 2<<20)), status: 502, code: "AttribProxyUpstreamUnreachable", message: []string{started}},
		{name: "a protocol not asked for", origin: head("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"), status: 502, code: "AttribProxyUpstreamResponseIncomplete"},
		{
			name: "a response that does not come", tune: shortLimits, origin: serveTLS(good, func(c *tls.Conn) { _, _ = io.Copy(io.Discard, c) }), status: 504,
			code: "AttribProxyUpstreamTimeout", message: []string{started},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			protocols(t, func(t *testing.T, h2 bool) {
				w := &world{t: t, ca: newAuthority(t, "proxy CA"), originCA: newAuthority(t, "origin CA"), events: newMemory()}
				w.origin = listen(t)
				if tt.origin == nil {
					w.origin.Close()
				} else {
					serveConns(t, w.origin, tt.origin(w))
				}
				tune := []func(*proxy.Options){}
				if tt.tune != nil {
					tune = append(tune, tt.tune)
				}
				if tt.name == "DNS is silent" {
					tune = append(tune, shortLimits)
				}
				w.startProxy(tune...)
				resp, body := do(t, w.client(h2), http.MethodPut, armURL+putPath, "body", "User-Agent", "x/1")
				wantOwn(t, resp, body, tt.status, tt.code)
				for _, m := range tt.message {
					if !strings.Contains(body, m) {
						t.Errorf("%q is not in %s", m, body)
					}
				}
				if strings.Contains(body, "s3cret") || strings.Contains(body, "127.0.0.1") {
					t.Errorf("tells too much: %s", body)
				}
				e := w.events.await(t, 1)[0]
				outcome := "attributed"
				if tt.status == http.StatusForbidden {
					outcome = "rejected"
				}
				if e.Outcome != outcome || e.Error != tt.code || e.Status != 0 || e.ResourceGroup != "rg-demo" {
					t.Errorf("event %+v", e)
				}
			})
		})
	}
}

// leafFor is a server's certificate for host, good for d.
func (w *world) leafFor(a *authority, host string, d time.Duration) *tls.Config {
	w.t.Helper()
	c, err := a.leaf(host, time.Now().Add(d))
	if err != nil {
		w.t.Fatal(err)
	}
	c.NextProtos = nil
	return c
}

// A response cut short by the origin is cut for the client, and never looks
// whole.
func TestTruncatedResponse(t *testing.T) {
	for name, response := range map[string]string{
		"length":  "Content-Length: 100\r\n\r\nonly this",
		"nothing": "Content-Length: 100\r\n\r\n",
		"chunks":  "Transfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			protocols(t, func(t *testing.T, h2 bool) {
				w := startRaw(t, func(c net.Conn, r *bufio.Reader) {
					if _, err := readHead(r); err == nil {
						_, _ = io.WriteString(c, "HTTP/1.1 201 Created\r\n"+response)
					}
				})
				req, _ := http.NewRequestWithContext(t.Context(), http.MethodPut, armURL+putPath, nil)
				resp, err := w.client(h2).Do(req)
				if err == nil {
					_, err = io.ReadAll(resp.Body)
					resp.Body.Close()
				}
				if err == nil {
					t.Error("the client saw a whole response")
				}
				e := w.events.await(t, 1)[0]
				if e.Status != 201 || e.Error != "AttribProxyUpstreamResponseIncomplete" {
					t.Errorf("event %+v", e)
				}
			})
		})
	}
}

// A panic costs one request, and its value is in no answer.
func TestPanicCostsOneRequest(t *testing.T) {
	protocols(t, func(t *testing.T, h2 bool) {
		w := start(t, nil, panicOnce)
		client := w.client(h2)
		resp, body := do(t, client, http.MethodPut, armURL+putPath, "body")
		wantOwn(t, resp, body, http.StatusInternalServerError, "AttribProxyInternalError")
		if strings.Contains(body, "s3cret") {
			t.Errorf("%s", body)
		}
		if resp, body := do(t, client, http.MethodPut, armURL+putPath, "body"); resp.StatusCode != 200 {
			t.Errorf("the next request: %s %s", resp.Status, body)
		}
		events := w.events.await(t, 2)
		if e := events[0]; e.Error != "AttribProxyInternalError" || e.Outcome != "rejected" {
			t.Errorf("event %+v", e)
		}
		if n := len(w.requests()); n != 1 {
			t.Errorf("the origin saw %d requests", n)
		}
	})
}

// A panic in the gate costs one connection, which is closed.
func TestPanicInTheGate(t *testing.T) {
	w := start(t, nil, panicOnce)
	c := w.dial()
	_, _ = io.WriteString(c, "CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: x\r\n\r\n")
	if b, err := io.ReadAll(c); strings.Contains(string(b), "200") || errors.Is(err, net.ErrClosed) {
		t.Errorf("%q %v", b, err)
	}
	w.forgotten()
}

func TestNoCertificateForAHost(t *testing.T) {
	w := start(t, nil, func(o *proxy.Options) {
		o.TLSConfig = func(string) (*tls.Config, error) { return nil, errors.New("s3cret key file") }
	})
	resp, body := raw(t, w.dial(), "CONNECT "+armHost+":443 HTTP/1.1\r\nHost: x\r\n\r\n")
	wantOwn(t, resp, body, http.StatusInternalServerError, "AttribProxyInternalError")
	if strings.Contains(body, "s3cret") {
		t.Error(body)
	}
	w.events.await(t, 1)
	w.forgotten()
}

// A malformed body is the client's fault, and is told so.
func TestMalformedRequestBody(t *testing.T) {
	w := start(t, nil)
	w.handler = func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }
	resp, body := w.h1().do("PUT " + putPath + " HTTP/1.1\r\nHost: " + armHost + "\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n")
	wantOwn(t, resp, body, http.StatusBadRequest, "AttribProxyBadRequest")
	if e := w.events.await(t, 1)[0]; e.Error != "AttribProxyBadRequest" {
		t.Errorf("event %+v", e)
	}
}

// The rules in force are asked for at each request.
func TestRulesSwapBetweenRequests(t *testing.T) {
	var rule atomic.Pointer[proxy.Rules]
	w := start(t, nil, func(o *proxy.Options) {
		rule.Store(o.Rules())
		o.Rules = rule.Load
	})
	h := w.h1()
	const put = "PUT " + putPath + " HTTP/1.1\r\nHost: " + armHost + "\r\nUser-Agent: x/1\r\nContent-Length: 0\r\n\r\n"
	h.do(put)
	rule.Store(rules(t, "observe")())
	h.do(put)
	got := w.requests()
	if a, b := got[0].Header.Get("User-Agent"), got[1].Header.Get("User-Agent"); a != "x/1 "+testID || b != "x/1" {
		t.Errorf("%q, then %q", a, b)
	}
	events := w.events.await(t, 2)
	if events[0].Mode != "enforce" || events[1].Mode != "observe" || events[1].Outcome != "would-attribute" {
		t.Errorf("%+v", events)
	}
}
