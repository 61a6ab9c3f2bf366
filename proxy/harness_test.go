package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/attribproxy/attribproxy/attribution"
	"github.com/attribproxy/attribproxy/audit"
	"github.com/attribproxy/attribproxy/proxy"
)

const (
	armHost  = "management.azure.com"
	testID   = "pid-3f2c9a5e-7d14-4b8a-9c6e-1a2b3c4d5e6f"
	putPath  = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg-demo/providers/Microsoft.Storage/storageAccounts/acct?api-version=2023-01-01"
	waitLong = 10 * time.Second // the deadline of conditions that should hold at once
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// authority is a test CA with leaves for any name.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	mu   sync.Mutex
	made map[string]*tls.Config
}

func newAuthority(t testing.TB, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert: cert, key: key, made: map[string]*tls.Config{}}
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// config is a server's TLS for a host, offering h2 and http/1.1.
func (a *authority) config(host string) (*tls.Config, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.made[host]; c != nil {
		return c, nil
	}
	c, err := a.leaf(host, time.Now().Add(12*time.Hour))
	if err != nil {
		return nil, err
	}
	a.made[host] = c
	return c, nil
}

func (a *authority) leaf(host string, end time.Time) (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now().Add(-time.Hour), NotAfter: end}
	if ip := net.ParseIP(host); ip != nil {
		tmpl.IPAddresses = []net.IP{ip}
	} else {
		tmpl.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		NextProtos:   []string{"h2", "http/1.1"}, MinVersion: tls.VersionTLS12,
	}, nil
}

// memory is a Recorder that keeps events, and can refuse or delay them.
type memory struct {
	mu     sync.Mutex
	events []audit.Event
	grew   chan struct{}
	intent func(*audit.Event) error
	wait   func(context.Context) error
}

func newMemory() *memory { return &memory{grew: make(chan struct{})} }

func (m *memory) Intent(_ context.Context, e *audit.Event) error {
	if m.intent != nil {
		return m.intent(e)
	}
	return nil
}

func (m *memory) Record(e audit.Event) audit.Receipt {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.events = append(m.events, e)
	close(m.grew)
	m.grew = make(chan struct{})
	return receipt(func(ctx context.Context) error {
		if m.wait != nil {
			return m.wait(ctx)
		}
		return nil
	})
}

type receipt func(context.Context) error

func (r receipt) Wait(ctx context.Context) error { return r(ctx) }

func (m *memory) all() []audit.Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]audit.Event(nil), m.events...)
}

// await returns the events once there are n.
func (m *memory) await(t testing.TB, n int) []audit.Event {
	t.Helper()
	deadline := time.After(waitLong)
	for {
		m.mu.Lock()
		events, grew := append([]audit.Event(nil), m.events...), m.grew
		m.mu.Unlock()
		if len(events) >= n {
			return events
		}
		select {
		case <-grew:
		case <-deadline:
			t.Fatalf("%d events after %s, want %d: %+v", len(events), waitLong, n, events)
		}
	}
}

// seen is one request as the origin got it.
type seen struct {
	Method, URI, Host, Proto string
	Header                   http.Header
	Trailer                  http.Header
	Body                     string
}

// world is a proxy with an origin behind it, on loopback.
type world struct {
	t        testing.TB
	ca       *authority // the proxy's, which clients trust
	originCA *authority
	origin   net.Listener
	listener net.Listener // the proxy's; nil makes one
	addr     string       // of the proxy
	server   *proxy.Server
	events   *memory
	handler  http.HandlerFunc

	mu   sync.Mutex
	reqs []seen
}

// start runs a proxy that tags every PUT and sends management.azure.com to an
// origin of the test's. handler nil answers 200 with a small body.
func start(t testing.TB, handler http.HandlerFunc, tune ...func(*proxy.Options)) *world {
	t.Helper()
	w := &world{t: t, ca: newAuthority(t, "proxy CA"), originCA: newAuthority(t, "origin CA"), events: newMemory(), handler: handler}
	w.origin = listen(t)
	srv := &http.Server{Handler: http.HandlerFunc(w.serveOrigin), ReadHeaderTimeout: waitLong}
	config, err := w.originCA.config(armHost)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(tls.NewListener(w.origin, config)) }()
	t.Cleanup(func() { srv.Close(); <-done })
	w.startProxy(tune...)
	return w
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (w *world) startProxy(tune ...func(*proxy.Options)) {
	t := w.t
	t.Helper()
	o := proxy.Options{
		Intercept: []string{armHost},
		TLSConfig: w.ca.config,
		Rules:     rules(t, attribution.ModeEnforce),
		Recorder:  w.events,
		Upstream: proxy.Upstream{
			Roots:   w.originCA.pool(),
			Resolve: []string{armHost + ":443:" + w.origin.Addr().String()},
			Allow:   []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},
		},
		Logger: testLogger(t),
	}
	for _, f := range tune {
		f(&o)
	}
	s, err := proxy.New(o)
	if err != nil {
		t.Fatal(err)
	}
	l := w.listener
	if l == nil {
		l = listen(t)
	}
	w.addr, w.server = l.Addr().String(), s
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Errorf("closing the proxy: %v", err)
		}
		if err := <-done; !errors.Is(err, proxy.ErrServerClosed) {
			t.Errorf("Serve returned %v", err)
		}
	})
}

// testLogger logs to the test, as long as that runs: goproxy's goroutines say
// a last word after their connections are closed.
func testLogger(t testing.TB) *zap.Logger {
	l := &lastWord{t: t}
	t.Cleanup(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.t = nil
	})
	return zap.New(zapcore.NewCore(zapcore.NewConsoleEncoder(zap.NewDevelopmentEncoderConfig()), l, zap.DebugLevel))
}

type lastWord struct {
	mu sync.Mutex
	t  testing.TB
}

func (l *lastWord) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.t != nil {
		l.t.Logf("%s", bytes.TrimSpace(p))
	}
	return len(p), nil
}

func (l *lastWord) Sync() error { return nil }

// rules is one rule that tags every PUT.
func rules(t testing.TB, mode attribution.Mode) func() *proxy.Rules {
	t.Helper()
	p, faults := attribution.Compile(mode, []attribution.Rule{{Name: "all", TrackingIDs: []string{testID}}}, nil)
	if len(faults) > 0 {
		t.Fatalf("compiling rules: %+v", faults)
	}
	r := &proxy.Rules{Policy: p, Mode: mode, Labels: []string{"team=test"}, ConfigHash: "c0ffee"}
	return func() *proxy.Rules { return r }
}

func (w *world) serveOrigin(rw http.ResponseWriter, r *http.Request) {
	if w.handler != nil {
		w.handler(rw, r)
		return
	}
	w.note(r)
	rw.Header().Set("X-Ms-Request-Id", "req-1")
	rw.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(rw, `{"ok":true}`)
}

// note keeps a request for the test to look at.
func (w *world) note(r *http.Request) seen {
	body, _ := io.ReadAll(r.Body)
	s := seen{r.Method, r.RequestURI, r.Host, r.Proto, r.Header.Clone(), r.Trailer.Clone(), string(body)}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reqs = append(w.reqs, s)
	return s
}

func (w *world) requests() []seen {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]seen(nil), w.reqs...)
}

// client is an http.Client that goes through the proxy.
func (w *world) client(h2 bool) *http.Client {
	tr := &http.Transport{
		Proxy:              http.ProxyURL(&url.URL{Scheme: "http", Host: w.addr}),
		TLSClientConfig:    &tls.Config{RootCAs: w.ca.pool(), MinVersion: tls.VersionTLS12},
		DisableCompression: true, ForceAttemptHTTP2: h2,
	}
	if !h2 {
		tr.TLSClientConfig.NextProtos = []string{"http/1.1"}
	}
	w.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// dial is a raw connection to the proxy with a deadline.
func (w *world) dial() net.Conn {
	w.t.Helper()
	c, err := net.Dial("tcp", w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(waitLong))
	return c
}

// connect sends CONNECT and returns the connection behind the 200.
func (w *world) connect(target string) net.Conn {
	w.t.Helper()
	c := w.dial()
	fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, target)
	resp, err := http.ReadResponse(bufio.NewReaderSize(oneByte{c}, 16), &http.Request{Method: http.MethodConnect})
	if err != nil {
		w.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(resp.Body)
		w.t.Fatalf("CONNECT %s: %s %s", target, resp.Status, body)
	}
	return c
}

// oneByte keeps a reader from taking more than it was asked for.
type oneByte struct{ io.Reader }

func (o oneByte) Read(p []byte) (int, error) { return o.Reader.Read(p[:1]) }

// tls is an intercepted connection that speaks HTTP/1.1.
func (w *world) tls(target, sni string) *tls.Conn {
	w.t.Helper()
	return w.handshake(w.connect(target), sni)
}

func (w *world) handshake(c net.Conn, sni string) *tls.Conn {
	w.t.Helper()
	t := tls.Client(c, &tls.Config{ServerName: sni, InsecureSkipVerify: sni != armHost, RootCAs: w.ca.pool(), MinVersion: tls.VersionTLS12}) //nolint:gosec // tests of wrong names must get past verification
	if err := t.Handshake(); err != nil {
		w.t.Fatalf("handshake as %q: %v", sni, err)
	}
	return t
}

// raw writes a request as it stands and reads one response.
func raw(t testing.TB, c net.Conn, request string) (*http.Response, string) {
	t.Helper()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodConnect && resp.StatusCode == http.StatusOK {
		return resp, "" // what follows is the tunnel
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// do sends a request and returns status and body.
func do(t testing.TB, c *http.Client, method, target, body string, header ...string) (*http.Response, string) {
	t.Helper()
	var rd io.Reader
	if body != "" {
		rd = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(context.Background(), method, target, rd)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: reading the body: %v", method, target, err)
	}
	return resp, string(b)
}
