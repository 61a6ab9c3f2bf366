package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/http/httpproxy"

	"github.com/attribproxy/attribproxy/arm"
)

// dialer makes every connection of the proxy to the outside: for tunnels, for
// intercepted hosts and for plain HTTP.
type dialer struct {
	guard    *guard
	guarded  *net.Dialer // refuses what the guard refuses
	toProxy  *net.Dialer // for the upstream proxy's own address, which is exempt
	rewrites []rewrite
	upstream Upstream
	pick     func(*url.URL) (*url.URL, error) // httpproxy's choice; nil URL is direct
	proxyTLS *tls.Config
	limits   Limits
}

// rewrite is one entry of Upstream.Resolve.
type rewrite struct{ host, port, toHost, toPort string }

func newDialer(o Options, g *guard) (*dialer, error) {
	d := &dialer{guard: g, upstream: o.Upstream, limits: o.Limits}
	base := *o.Dialer
	if base.Timeout == 0 {
		base.Timeout = o.Limits.Dial
	}
	guarded, toProxy := base, base
	guarded.Control, guarded.ControlContext = g.control, nil // the latter would win
	d.guarded, d.toProxy = &guarded, &toProxy
	for _, entry := range o.Upstream.Resolve {
		r, err := parseResolve(entry)
		if err != nil {
			return nil, fmt.Errorf("proxy.Options.Upstream.Resolve: %w", err)
		}
		d.rewrites = append(d.rewrites, r)
	}
	d.pick = func(*url.URL) (*url.URL, error) { return nil, nil }
	if p := o.Upstream.Proxy; p != nil {
		env := httpproxy.Config{HTTPProxy: p.String(), HTTPSProxy: p.String(), NoProxy: strings.Join(o.Upstream.NoProxy, ",")}
		d.pick = env.ProxyFunc()
		d.proxyTLS = &tls.Config{RootCAs: o.Upstream.Roots, ServerName: p.Hostname(), MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	}
	return d, nil
}

// parseResolve reads "host:port:address:port"; IPv6 addresses in brackets.
func parseResolve(entry string) (rewrite, error) {
	bad := fmt.Errorf("%q is not host:port:address:port", entry)
	rest := entry
	field := func(last bool) (string, bool) {
		if strings.HasPrefix(rest, "[") {
			end := strings.IndexByte(rest, ']')
			if end < 0 {
				return "", false
			}
			v := rest[1:end]
			rest = rest[end+1:]
			if last {
				return v, rest == ""
			}
			if !strings.HasPrefix(rest, ":") {
				return "", false
			}
			rest = rest[1:]
			return v, true
		}
		if last {
			v := rest
			rest = ""
			return v, !strings.Contains(v, ":")
		}
		v, after, ok := strings.Cut(rest, ":")
		rest = after
		return v, ok
	}
	var f [4]string
	for i := range f {
		v, ok := field(i == 3)
		if !ok {
			return rewrite{}, bad
		}
		f[i] = v
	}
	if f[2] == "" || f[3] == "" {
		return rewrite{}, bad
	}
	if f[0] != "" {
		h, err := arm.NormalizeHost(f[0])
		if err != nil {
			return rewrite{}, fmt.Errorf("%w: %w", bad, err)
		}
		f[0] = h
	}
	return rewrite{f[0], f[1], f[2], f[3]}, nil
}

// direct connects to addr ("host:port") without any upstream proxy, through
// the resolve entries and the guard.
func (d *dialer) direct(ctx context.Context, network, addr string) (net.Conn, error) {
	return d.guarded.DialContext(ctx, network, d.rewritten(addr))
}

func (d *dialer) rewritten(addr string) string {
	if len(d.rewrites) == 0 {
		return addr
	}
	host, port, err := arm.SplitAuthority(addr, "")
	if err != nil {
		return addr // the dialer says what is wrong with it
	}
	for _, r := range d.rewrites {
		if (r.host == "" || r.host == host) && (r.port == "" || r.port == port) {
			return net.JoinHostPort(r.toHost, r.toPort)
		}
	}
	return addr
}

// plain serves the transport for plain HTTP, which asks for the upstream
// proxy's address where one is used and for the origin's where none is. The
// server refuses requests aimed at the upstream proxy itself, so that a client
// cannot make use of the exemption.
func (d *dialer) plain(ctx context.Context, network, addr string) (net.Conn, error) {
	if p := d.upstream.Proxy; p != nil && arm.SameAuthority(addr, canonicalAuthority(p), "") {
		return d.dialProxy(ctx, network)
	}
	return d.direct(ctx, network, addr)
}

func (d *dialer) dialProxy(ctx context.Context, network string) (net.Conn, error) {
	c, err := d.toProxy.DialContext(ctx, network, canonicalAuthority(d.upstream.Proxy))
	if err != nil {
		return nil, &UpstreamProxyError{Authority: canonicalAuthority(d.upstream.Proxy), Err: err}
	}
	if addr, err := netip.ParseAddrPort(c.RemoteAddr().String()); err == nil && d.guard.isOwn(netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())) {
		c.Close()
		return nil, &ForbiddenError{addr, "the upstream proxy is this proxy itself: requests would go round in a circle"}
	}
	return c, nil
}

// plainProxy is the Proxy of the transport for plain HTTP. Behind an upstream
// proxy the guard sees no address of the target, so literals are held against
// it here.
func (d *dialer) plainProxy(r *http.Request) (*url.URL, error) {
	via, err := d.pick(r.URL)
	if via == nil || err != nil {
		return nil, err
	}
	return via, d.checkLiteral(r.URL.Host, "80")
}

// tunnel connects to the target of CONNECT or to an intercepted host, through
// the upstream proxy where one applies.
func (d *dialer) tunnel(ctx context.Context, network, authority string) (net.Conn, error) {
	via, err := d.pick(&url.URL{Scheme: "https", Host: authority})
	if err != nil {
		return nil, fmt.Errorf("choosing the upstream proxy: %w", err)
	}
	if via == nil {
		return d.direct(ctx, network, authority)
	}
	if err := d.checkLiteral(authority, httpsPort); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, d.limits.Dial+d.limits.Handshake)
	defer cancel()
	c, err := d.dialProxy(ctx, network)
	if err != nil {
		return nil, err
	}
	out, err := d.connectThrough(ctx, c, via, authority)
	if err != nil {
		c.Close()
		return nil, err
	}
	return out, nil
}

// checkLiteral holds a name that another proxy will resolve against the
// guard, as far as that can be done: IP literals and localhost.
func (d *dialer) checkLiteral(authority, defaultPort string) error {
	host, port, err := arm.SplitAuthority(authority, defaultPort)
	if err != nil {
		return err
	}
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		host = "127.0.0.1"
	}
	addr, err := netip.ParseAddrPort(net.JoinHostPort(host, port))
	if err != nil {
		return nil // a name: only the upstream proxy knows its address
	}
	return d.guard.check(addr)
}

// connectThrough asks the proxy at the other end of c for a tunnel.
func (d *dialer) connectThrough(ctx context.Context, c net.Conn, via *url.URL, authority string) (net.Conn, error) {
	fail := func(err error) error {
		return &UpstreamProxyError{Authority: canonicalAuthority(via), Err: err}
	}
	raw := c
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if via.Scheme == "https" {
		t := tls.Client(c, d.proxyTLS)
		if err := t.HandshakeContext(ctx); err != nil {
			return nil, fail(err)
		}
		c = tlsHalfCloser{t}
	}
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: authority}, Host: authority, Header: http.Header{"User-Agent": nil}}
	if auth := basicAuth(via.User); auth != "" {
		req.Header.Set("Proxy-Authorization", auth)
	}
	if err := req.Write(c); err != nil {
		return nil, fail(err)
	}
	br := bufio.NewReader(io.LimitReader(c, maxResponseHead))
	resp, err := http.ReadResponse(br, req) //nolint:bodyclose // a 200 has no body, and of any other the connection is closed
	if err != nil {
		return nil, fail(err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, &UpstreamProxyError{Authority: canonicalAuthority(via), Status: resp.StatusCode}
	}
	if !stop() {
		return nil, fail(context.Cause(ctx))
	}
	if n := br.Buffered(); n > 0 {
		early, _ := br.Peek(n)
		return &earlyConn{halfCloser: c.(halfCloser), early: bytes.NewReader(bytes.Clone(early))}, nil
	}
	return c, nil
}

// canonicalAuthority is a proxy URL's host and port, the port spelled out.
func canonicalAuthority(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

func basicAuth(u *url.Userinfo) string {
	if u == nil {
		return ""
	}
	password, _ := u.Password()
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(u.Username()+":"+password))
}

// UpstreamProxyError is a failure of the proxy that the configuration or the
// environment told us to go through. Status is its answer to CONNECT, 0 when
// there was none.
type UpstreamProxyError struct {
	Authority string
	Status    int
	Err       error
}

func (e *UpstreamProxyError) Error() string {
	if e.Status != 0 {
		return fmt.Sprintf("upstream proxy %s answered CONNECT with status %d", e.Authority, e.Status)
	}
	return fmt.Sprintf("connecting through upstream proxy %s: %v", e.Authority, e.Err)
}

func (e *UpstreamProxyError) Unwrap() error { return e.Err }

// halfCloser is a connection whose two directions close apart, which goproxy
// wants of both ends of a tunnel.
type halfCloser interface {
	net.Conn
	CloseWrite() error
	CloseRead() error
}

// tlsHalfCloser gives a TLS connection the CloseRead it lacks: TLS has no
// such thing, and nothing needs to be said to the peer.
type tlsHalfCloser struct{ *tls.Conn }

func (tlsHalfCloser) CloseRead() error { return nil }

// earlyConn first reads the bytes that came together with the answer to
// CONNECT.
type earlyConn struct {
	halfCloser
	early *bytes.Reader
}

func (c *earlyConn) Read(p []byte) (int, error) {
	if c.early.Len() > 0 {
		return c.early.Read(p)
	}
	return c.halfCloser.Read(p)
}
