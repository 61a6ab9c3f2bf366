package proxy_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"

	"github.com/attribproxy/attribproxy/proxy"
)

// forgotten waits until the server knows of no connection any more.
func (w *world) forgotten() {
	w.t.Helper()
	eventually(w.t, "all connections are forgotten", func() bool { a, b := w.server.Open(); return a+b == 0 })
}

func TestTunnelIsBlind(t *testing.T) {
	const size = 8 << 20
	l := listen(t)
	got := make(chan string, 1)
	serveConns(t, l, func(c net.Conn) {
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			_, _ = io.Copy(c, noise(2, size))
			_ = c.(*net.TCPConn).CloseWrite()
		}()
		sum, n := digest(t, c)
		<-sent // the connection is closed on return, and the other direction may be faster
		got <- fmt.Sprint(sum, n)
	})
	w := start(t, nil)
	c := w.connect(l.Addr().String())
	go func() { _, _ = io.Copy(c, noise(1, size)); _ = c.(*net.TCPConn).CloseWrite() }()
	down, n := digest(t, c)
	if want, _ := digest(t, noise(2, size)); down != want || n != size {
		t.Errorf("%d bytes down, sum %s, want %s", n, down, want)
	}
	want, _ := digest(t, noise(1, size))
	if up := await(t, "the target's sum", got); up != fmt.Sprint(want, size) {
		t.Errorf("up %s, want %s", up, want)
	}
	w.forgotten()
	if len(w.events.all()) != 0 {
		t.Errorf("events of a tunnel: %+v", w.events.all())
	}
}

// One side's end leaves the other direction open.
func TestTunnelHalfClose(t *testing.T) {
	t.Run("the client's", func(t *testing.T) {
		l := listen(t)
		serveConns(t, l, func(c net.Conn) {
			b, _ := io.ReadAll(c)
			_, _ = fmt.Fprintf(c, "got %s", b)
		})
		w := start(t, nil)
		c := w.connect(l.Addr().String())
		_, _ = io.WriteString(c, "question")
		_ = c.(*net.TCPConn).CloseWrite()
		if b, err := io.ReadAll(c); string(b) != "got question" || err != nil {
			t.Errorf("%q %v", b, err)
		}
		w.forgotten()
	})
	t.Run("the target's", func(t *testing.T) {
		l, got := listen(t), make(chan string, 1)
		serveConns(t, l, func(c net.Conn) {
			_, _ = io.WriteString(c, "hello")
			_ = c.(*net.TCPConn).CloseWrite()
			b, _ := io.ReadAll(c)
			got <- string(b)
		})
		w := start(t, nil)
		c := w.connect(l.Addr().String())
		if b, err := io.ReadAll(c); string(b) != "hello" || err != nil {
			t.Errorf("%q %v", b, err)
		}
		_, _ = io.WriteString(c, "late")
		_ = c.(*net.TCPConn).CloseWrite()
		if b := await(t, "the late bytes", got); b != "late" {
			t.Errorf("%q", b)
		}
		w.forgotten()
	})
}

// A TLS server behind a tunnel shows its own certificate, never one of ours.
func TestTunnelShowsTheTargetsCertificate(t *testing.T) {
	w := start(t, nil)
	l := listen(t)
	config, err := w.originCA.config("login.microsoftonline.com")
	if err != nil {
		t.Fatal(err)
	}
	serveConns(t, tls.NewListener(l, config), func(c net.Conn) { _ = c.(*tls.Conn).HandshakeContext(t.Context()) })
	c := tls.Client(w.connect(l.Addr().String()), &tls.Config{ServerName: "login.microsoftonline.com", RootCAs: w.originCA.pool(), MinVersion: tls.VersionTLS12})
	if err := c.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := c.ConnectionState().PeerCertificates[0]; !bytes.Equal(got.Raw, config.Certificates[0].Certificate[0]) {
		t.Errorf("got a certificate of %s", got.Issuer)
	}
}

// Bytes that come in one packet with CONNECT are part of what follows.
func TestBytesBehindConnect(t *testing.T) {
	t.Run("tunnel", func(t *testing.T) {
		w, echo := start(t, nil), echoServer(t)
		c := w.dial()
		fmt.Fprintf(c, "CONNECT %[1]s HTTP/1.1\r\nHost: %[1]s\r\n\r\nearly ", echo.Addr())
		r := bufio.NewReader(c)
		resp, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect}) //nolint:bodyclose // none
		if err != nil || resp.StatusCode != 200 {
			t.Fatal(resp, err)
		}
		_, _ = io.WriteString(c, "late")
		_ = c.(*net.TCPConn).CloseWrite()
		if b, _ := io.ReadAll(r); string(b) != "early late" {
			t.Errorf("%q", b)
		}
	})
	t.Run("intercepted", func(t *testing.T) {
		w := start(t, nil)
		c := &prefixed{Conn: w.dial(), prefix: fmt.Sprintf("CONNECT %[1]s:443 HTTP/1.1\r\nHost: %[1]s\r\n\r\n", armHost)}
		// The ClientHello leaves with CONNECT; the answer to CONNECT is taken
		// off before TLS reads.
		h := w.handshake(c, armHost)
		if resp, body := raw(t, h, "PUT /x HTTP/1.1\r\nHost: "+armHost+"\r\nContent-Length: 0\r\n\r\n"); resp.StatusCode != 200 {
			t.Errorf("%s %s", resp.Status, body)
		}
	})
}

// prefixed sends prefix together with the first bytes, and takes the head of
// the answer off.
type prefixed struct {
	net.Conn
	prefix string
	read   bool
}

func (p *prefixed) Write(b []byte) (int, error) {
	if p.prefix == "" {
		return p.Conn.Write(b)
	}
	_, err := p.Conn.Write(append([]byte(p.prefix), b...))
	p.prefix = ""
	return len(b), err
}

func (p *prefixed) Read(b []byte) (int, error) {
	if !p.read {
		p.read = true
		if _, err := readHead(bufio.NewReaderSize(oneByte{p.Conn}, 16)); err != nil {
			return 0, err
		}
	}
	return p.Conn.Read(b)
}

func TestTunnelToAnUnreachableTarget(t *testing.T) {
	l := listen(t)
	target := l.Addr().String()
	l.Close()
	w := start(t, nil)
	resp, body := raw(t, w.dial(), "CONNECT "+target+" HTTP/1.1\r\nHost: x\r\n\r\n")
	wantOwn(t, resp, body, http.StatusBadGateway, "AttribProxyUpstreamUnreachable")
	w.forgotten()
}

func TestIPv6Literal(t *testing.T) {
	l6, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip("this machine has no IPv6 loopback: ", err)
	}
	serveConns(t, l6, func(c net.Conn) { _, _ = io.Copy(c, c) })
	for _, target := range []string{l6.Addr().String(), "[::1]:443"} {
		w := start(t, nil, func(o *proxy.Options) {
			o.Upstream.Resolve = append(o.Upstream.Resolve, "[::1]:443:"+l6.Addr().String())
			o.Upstream.Allow = append(o.Upstream.Allow, netip.MustParsePrefix("::1/128"))
		})
		c := w.connect(target)
		_, _ = io.WriteString(c, "six")
		_ = c.(*net.TCPConn).CloseWrite()
		if b, err := io.ReadAll(c); string(b) != "six" || err != nil {
			t.Errorf("%s: %q %v", target, b, err)
		}
	}
}

// An idle tunnel outlives every deadline of the proxy's.
func TestIdleTunnelSurvives(t *testing.T) {
	w, echo := start(t, nil, shortLimits), echoServer(t)
	c := w.connect(echo.Addr().String())
	idle := w.dial() // which the same deadlines end
	_, _ = io.Copy(io.Discard, idle)
	h := w.connect(armHost + ":443")
	_, _ = io.Copy(io.Discard, h)
	_, _ = io.WriteString(c, "still here")
	_ = c.(*net.TCPConn).CloseWrite()
	if b, err := io.ReadAll(c); string(b) != "still here" || err != nil {
		t.Errorf("%q %v", b, err)
	}
}
