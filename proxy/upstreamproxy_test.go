package proxy_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/attribproxy/attribproxy/proxy"
)

func mustURL(t testing.TB, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// corporate is another proxy on the way out. Every name leads to target.
type corporate struct {
	target, answer string // answer in place of 200; "silent" is none
	early          string // sent in one packet with the 200
	addr           string
	mu             sync.Mutex
	heads          []string
}

func (p *corporate) all() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.heads...)
}

func (p *corporate) serve(c net.Conn) {
	r := bufio.NewReader(c)
	head, err := readHead(r)
	if err != nil {
		return
	}
	p.mu.Lock()
	p.heads = append(p.heads, head)
	p.mu.Unlock()
	switch {
	case p.answer == "silent":
		_, _ = io.Copy(io.Discard, r)
	case p.answer != "":
		_, _ = io.WriteString(c, p.answer)
	case !strings.HasPrefix(head, "CONNECT "):
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ncorp")
	default:
		out, err := net.Dial("tcp", p.target)
		if err != nil {
			return
		}
		defer out.Close()
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"+p.early)
		go func() { _, _ = io.Copy(out, r); _ = out.(*net.TCPConn).CloseWrite() }()
		_, _ = io.Copy(c, out)
	}
}

const corpPassword = "p%40ss:w0rd-s3cret" // p@ss:w0rd-s3cret

// viaCorporate is a proxy behind another; scheme is how they speak.
func viaCorporate(t testing.TB, scheme string, p *corporate, tune ...func(*proxy.Options)) *world {
	t.Helper()
	l := listen(t)
	p.addr = l.Addr().String()
	ca := newAuthority(t, "corporate CA")
	config, err := ca.leaf("127.0.0.1", ca.cert.NotAfter)
	if err != nil {
		t.Fatal(err)
	}
	config.NextProtos = nil
	if scheme == "https" {
		l = tls.NewListener(l, config)
	}
	serveConns(t, l, p.serve)
	set := func(o *proxy.Options) {
		o.Upstream.Proxy = mustURL(t, scheme+"://user:"+corpPassword+"@"+l.Addr().String())
		o.Upstream.Resolve = nil
		o.Upstream.Allow = nil // the proxy's own address needs none
		o.Upstream.Roots.AddCert(ca.cert)
	}
	w := start(t, nil, append([]func(*proxy.Options){set}, tune...)...)
	if p.target == "" {
		p.target = w.origin.Addr().String()
	}
	return w
}

// ways are the three kinds of traffic that go through an upstream proxy.
var ways = map[string]func(*testing.T, *world) (*http.Response, string){
	"intercepted": func(t *testing.T, w *world) (*http.Response, string) {
		return do(t, w.client(false), http.MethodPut, armURL+putPath, "x")
	},
	"tunnel": connectTo("login.example:443"),
	"plain":  plainTo("http://www.example/x"),
}

func TestUpstreamProxy(t *testing.T) {
	const auth = "\r\nProxy-Authorization: Basic dXNlcjpwQHNzOncwcmQtczNjcmV0\r\n"
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			p := &corporate{}
			w := viaCorporate(t, scheme, p)
			for name, send := range ways {
				before := len(p.all())
				resp, body := send(t, w)
				if resp.StatusCode != 200 || name == "intercepted" && body != `{"ok":true}` || name == "plain" && body != "corp" {
					t.Errorf("%s: %s %q", name, resp.Status, body)
				}
				want := map[string]string{
					"intercepted": "CONNECT " + armHost + ":443 HTTP/1.1\r\n", "tunnel": "CONNECT login.example:443 HTTP/1.1\r\n", "plain": "GET http://www.example/x HTTP/1.1\r\n",
				}[name]
				if heads := p.all()[before:]; len(heads) != 1 || !strings.HasPrefix(heads[0], want) || !strings.Contains(heads[0], auth) || strings.Contains(heads[0], "User-Agent") {
					t.Errorf("%s: the upstream proxy got %q", name, heads)
				}
			}
		})
	}
}

// A tunnel through another proxy is as blind as a direct one.
func TestTunnelThroughUpstreamProxy(t *testing.T) {
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			p := &corporate{target: echoServer(t).Addr().String(), early: "early "}
			w := viaCorporate(t, scheme, p)
			c := w.connect("login.example:443")
			const size = 1 << 20
			go func() { _, _ = io.Copy(c, noise(7, size)); _ = c.(*net.TCPConn).CloseWrite() }()
			want, _ := digest(t, io.MultiReader(strings.NewReader("early "), noise(7, size)))
			if got, n := digest(t, c); got != want || n != size+6 {
				t.Errorf("%d bytes", n)
			}
			w.forgotten()
		})
	}
}

func TestUpstreamProxyFailures(t *testing.T) {
	tests := []struct {
		name, answer string
		status       int
		code         string
		message      string
	}{
		{"wants credentials", "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=s3cret\r\nContent-Length: 6\r\n\r\ns3cret", 502, "AttribProxyUpstreamProxyFailed", "407"},
		{"refuses", "HTTP/1.1 403 s3cret\r\nContent-Length: 100000\r\n\r\ns3cret", 502, "AttribProxyUpstreamProxyFailed", "403"},
		{"fails", "HTTP/1.1 502 Bad Gateway\r\n\r\n", 502, "AttribProxyUpstreamProxyFailed", "502"},
		{"speaks gibberish", "s3cret\r\n\r\n", 502, "AttribProxyUpstreamProxyFailed", "no usable response"},
		{"never ends", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("s3cret", 1<<19), 502, "AttribProxyUpstreamProxyFailed", ""},
		{"is silent", "silent", 504, "AttribProxyUpstreamProxyFailed", "in time"},
		{"hangs up", "\x00", 502, "AttribProxyUpstreamProxyFailed", ""},
	}
	for _, tt := range tests {
		for way, send := range ways {
			if way == "plain" && tt.name != "is silent" && tt.name != "speaks gibberish" {
				continue // its answer is the response
			}
			t.Run(tt.name+"/"+way, func(t *testing.T) {
				tune := shortLimits
				if tt.name == "never ends" {
					tune = func(*proxy.Options) {}
				}
				w := viaCorporate(t, "http", &corporate{answer: tt.answer}, tune)
				resp, body := send(t, w)
				code := tt.code
				if way == "plain" { // net/http's error does not say which hop was silent
					code = resp.Header.Get(proxy.ErrorHeader)
				}
				wantOwn(t, resp, body, tt.status, code)
				if !strings.Contains(body, tt.message) || strings.Contains(body, "s3cret") || !strings.Contains(body, "upstream proxy 127.0.0.1:") && way != "plain" {
					t.Errorf("%s", body)
				}
				if way == "intercepted" {
					if e := w.events.await(t, 1)[0]; e.Error != tt.code || strings.Contains(fmt.Sprintf("%+v", e), "s3cret") {
						t.Errorf("event %+v", e)
					}
				}
			})
		}
	}
	t.Run("cannot be reached", func(t *testing.T) {
		l := listen(t)
		l.Close()
		w := start(t, nil, func(o *proxy.Options) { o.Upstream.Proxy = mustURL(t, "http://u:s3cret@"+l.Addr().String()) })
		for _, send := range ways {
			resp, body := send(t, w)
			wantOwn(t, resp, body, http.StatusBadGateway, "AttribProxyUpstreamProxyFailed")
			if strings.Contains(body, "s3cret") || !strings.Contains(body, "refused") {
				t.Errorf("%s", body)
			}
		}
	})
}

func TestNoProxy(t *testing.T) {
	p := &corporate{}
	w := viaCorporate(t, "http", p)
	direct := start(t, nil, func(o *proxy.Options) {
		o.Upstream.Proxy = mustURL(t, "http://127.0.0.1:1")
		o.Upstream.NoProxy = []string{"azure.com", "www.example"}
	})
	if resp, body := do(t, direct.client(false), http.MethodPut, armURL+putPath, "x"); resp.StatusCode != 200 {
		t.Errorf("%s %s", resp.Status, body)
	}
	if resp, body := plainTo("http://www.example/")(t, direct); strings.Contains(body, "upstream proxy") {
		t.Errorf("%s %s", resp.Status, body)
	}
	// Loopback is always reached directly, and is then the guard's to judge.
	resp, body := connectTo("127.0.0.1:9")(t, w)
	wantOwn(t, resp, body, http.StatusForbidden, "AttribProxyDestinationForbidden")
	if len(p.all()) != 0 {
		t.Errorf("the upstream proxy got %q", p.all())
	}
}

// What the guard can tell by the name alone is not left to another proxy.
func TestGuardBehindUpstreamProxy(t *testing.T) {
	p := &corporate{}
	w := viaCorporate(t, "http", p)
	for _, send := range []func(*testing.T, *world) (*http.Response, string){
		connectTo("169.254.169.254:80"), connectTo("[::ffff:169.254.169.254]:80"), connectTo("x.localhost:80"),
		plainTo("http://169.254.169.254/metadata"), plainTo("http://168.63.129.16/"), plainTo("http://x.localhost/"),
	} {
		resp, body := send(t, w)
		wantOwn(t, resp, body, http.StatusForbidden, "AttribProxyDestinationForbidden")
	}
	resp, body := plainTo("http://"+p.addr+"/")(t, w)
	if resp.StatusCode < 400 {
		t.Errorf("a request to the upstream proxy itself: %s %s", resp.Status, body)
	}
	if len(p.all()) != 0 {
		t.Errorf("the upstream proxy got %q", p.all())
	}
}
