package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/attribproxy/attribproxy/proxy"
)

func TestGuard(t *testing.T) {
	const own = "127.0.0.1:8642"
	allow := func(prefixes ...string) (out []netip.Prefix) {
		for _, p := range prefixes {
			out = append(out, netip.MustParsePrefix(p))
		}
		return out
	}
	tests := []struct {
		addr  string
		allow []netip.Prefix
		own   string
		want  string // part of the reason; "" passes
	}{
		{addr: "20.1.2.3:443"},
		{addr: "10.0.0.1:443"}, // Private Link and corporate networks are ordinary
		{addr: "[2603:1030::1]:443"},
		{addr: "[fd00::1]:443"},
		{addr: "127.0.0.1:443", want: "loopback"},
		{addr: "127.9.9.9:443", want: "loopback"},
		{addr: "[::1]:443", want: "loopback"},
		{addr: "[::ffff:127.0.0.1]:443", want: "loopback"},
		{addr: "[::127.0.0.1]:443", want: "loopback"},
		{addr: "[64:ff9b::7f00:1]:443", want: "loopback"},
		{addr: "[2002:7f00:1::]:443", want: "loopback"},
		{addr: "169.254.169.254:80", want: "link-local"},
		{addr: "[::ffff:169.254.169.254]:80", want: "link-local"},
		{addr: "[64:ff9b::a9fe:a9fe]:80", want: "link-local"},
		{addr: "[64:ff9b:1::a9fe:a9fe]:80", want: "link-local"},
		{addr: "[64:ff9b:1:a9fe:a9:fe00::]:80", want: "link-local"},
		{addr: "[64:ff9b:1:00a9:fe:a9fe::]:80", want: "link-local"},
		{addr: "[64:ff9b:1:0:a9:fea9:fe00:0]:80", want: "link-local"},
		{addr: "[64:ff9b::1401:203]:443"},
		{addr: "[2002:a9fe:a9fe::1]:80", want: "link-local"},
		{addr: "[fe80::1%eth0]:80", want: "link-local"},
		{addr: "168.63.129.16:80", want: "metadata"},
		{addr: "[::ffff:168.63.129.16]:80", want: "metadata"},
		{addr: "[fd00:ec2::254]:80", want: "metadata"},
		{addr: "0.0.0.0:443", want: "unspecified"},
		{addr: "0.1.2.3:443", want: "unspecified"},
		{addr: "[::]:443", want: "unspecified"},
		{addr: "[::ffff:0.0.0.0]:443", want: "unspecified"},
		{addr: "224.0.0.1:443", want: "multicast"},
		{addr: "[ff02::1]:443", want: "multicast"},
		{addr: "255.255.255.255:443", want: "broadcast"},
		{addr: "127.0.0.1:443", allow: allow("127.0.0.0/8")},
		{addr: "[::ffff:127.0.0.1]:443", allow: allow("127.0.0.0/8")},
		{addr: "[::1]:443", allow: allow("127.0.0.0/8"), want: "loopback"},
		{addr: "169.254.169.254:80", allow: allow("169.254.169.254/32")},
		{addr: "[64:ff9b::a9fe:a9fe]:80", allow: allow("169.254.169.254/32"), want: "link-local"},
		{addr: own, allow: allow("0.0.0.0/0"), want: "itself"},
		{addr: "[::ffff:127.0.0.1]:8642", allow: allow("0.0.0.0/0", "::/0"), want: "itself"},
		{addr: "[64:ff9b::7f00:1]:8642", allow: allow("0.0.0.0/0", "::/0"), want: "itself"},
		{addr: "0.0.0.0:8642", allow: allow("0.0.0.0/0"), want: "itself"},
		{addr: "[::]:8642", allow: allow("::/0"), want: "itself"},
		{addr: "127.0.0.1:8642", own: "[::]:8642", allow: allow("0.0.0.0/0"), want: "itself"},
		{addr: "127.0.0.1:8642", own: "0.0.0.0:8642", allow: allow("0.0.0.0/0"), want: "itself"},
		{addr: "203.0.113.7:8642", own: "0.0.0.0:8642"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.addr, tt.allow, tt.own), func(t *testing.T) {
			if tt.own == "" {
				tt.own = own
			}
			err := proxy.Check(tt.allow, []netip.AddrPort{netip.MustParseAddrPort(tt.own)}, netip.MustParseAddrPort(tt.addr))
			var forbidden *proxy.ForbiddenError
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tt.want != "" && (!errors.As(err, &forbidden) || !strings.Contains(forbidden.Why, tt.want)):
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func nothingAllowed(o *proxy.Options) { o.Upstream.Allow = nil }

// The guard looks at what a name resolves to, on every way out.
func TestGuardOnEveryWayOut(t *testing.T) {
	tests := []struct {
		name string
		tune []func(*proxy.Options)
		send func(t *testing.T, w *world) (*http.Response, string)
		host string
	}{
		{"CONNECT to an address", nil, connectTo("169.254.169.254:443"), "169.254.169.254"},
		{"CONNECT to an IPv6 address", nil, connectTo("[::ffff:169.254.169.254]:80"), "169.254.169.254"},
		{"CONNECT to a name", []func(*proxy.Options){resolving(resolver("169.254.169.254"))}, connectTo("rebind.example:443"), "rebind.example"},
		{"CONNECT past a control function of the caller's", []func(*proxy.Options){nothingAllowed, func(o *proxy.Options) {
			o.Dialer = &net.Dialer{ControlContext: func(context.Context, string, string, syscall.RawConn) error { return nil }}
		}}, connectTo("127.0.0.1:22"), "127.0.0.1"},
		{"CONNECT to loopback", []func(*proxy.Options){nothingAllowed}, connectTo("127.0.0.1:22"), "127.0.0.1"},
		{"an intercepted host", []func(*proxy.Options){resolving(resolver("168.63.129.16"))}, func(t *testing.T, w *world) (*http.Response, string) {
			return do(t, w.client(true), http.MethodGet, armURL+"/x", "")
		}, armHost},
		{"plain HTTP to an address", nil, plainTo("http://169.254.169.254/metadata/instance?api-version=1"), "169.254.169.254"},
		{"plain HTTP to a name", []func(*proxy.Options){resolving(resolver("169.254.169.254"))}, plainTo("http://rebind.example/"), "rebind.example"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := start(t, nil, tt.tune...)
			resp, body := tt.send(t, w)
			wantOwn(t, resp, body, http.StatusForbidden, "AttribProxyDestinationForbidden")
			e := w.events.await(t, 1)[0]
			if e.Outcome != "rejected" || e.Error != "AttribProxyDestinationForbidden" || e.Host != tt.host || e.Reason == "" {
				t.Errorf("event %+v", e)
			}
		})
	}
}

func connectTo(target string) func(*testing.T, *world) (*http.Response, string) {
	return func(t *testing.T, w *world) (*http.Response, string) {
		t.Helper()
		return raw(t, w.dial(), "CONNECT "+target+" HTTP/1.1\r\nHost: "+target+"\r\n\r\n")
	}
}

func plainTo(target string) func(*testing.T, *world) (*http.Response, string) {
	return func(t *testing.T, w *world) (*http.Response, string) {
		t.Helper()
		return raw(t, w.dial(), "GET "+target+" HTTP/1.1\r\nHost: x\r\n\r\n")
	}
}

// The proxy is never its own client, however it is told to.
func TestNoLoops(t *testing.T) {
	t.Run("CONNECT to itself", func(t *testing.T) {
		w := start(t, nil)
		resp, body := connectTo(w.addr)(t, w)
		wantOwn(t, resp, body, http.StatusForbidden, "AttribProxyDestinationForbidden")
		w.events.await(t, 1)
	})
	t.Run("plain HTTP to itself", func(t *testing.T) {
		w := start(t, nil)
		resp, body := plainTo("http://"+w.addr+"/")(t, w)
		wantOwn(t, resp, body, http.StatusForbidden, "AttribProxyDestinationForbidden")
	})
	t.Run("the admin listener", func(t *testing.T) {
		admin := echoServer(t)
		w := start(t, nil, func(o *proxy.Options) { o.Own = []netip.AddrPort{netip.MustParseAddrPort(admin.Addr().String())} })
		resp, body := connectTo(admin.Addr().String())(t, w)
		wantOwn(t, resp, body, http.StatusForbidden, "AttribProxyDestinationForbidden")
	})
	// The proxy's port is known only once it listens: listen first.
	onItself := func(t *testing.T, tune func(o *proxy.Options, addr string)) *world {
		l := listen(t)
		return startOn(t, l, func(o *proxy.Options) { tune(o, l.Addr().String()) })
	}
	t.Run("a resolve entry", func(t *testing.T) {
		w := onItself(t, func(o *proxy.Options, addr string) { o.Upstream.Resolve = []string{armHost + "::" + addr} })
		resp, body := do(t, w.client(false), http.MethodPut, armURL+putPath, "x")
		wantOwn(t, resp, body, http.StatusForbidden, "AttribProxyDestinationForbidden")
		if e := w.events.await(t, 1)[0]; e.Error != "AttribProxyDestinationForbidden" {
			t.Errorf("event %+v", e)
		}
	})
	t.Run("the upstream proxy", func(t *testing.T) {
		w := onItself(t, func(o *proxy.Options, addr string) { o.Upstream.Proxy = mustURL(t, "http://"+addr) })
		for name, send := range map[string]func(*testing.T, *world) (*http.Response, string){
			"tunnel": connectTo("login.example:443"), "plain": plainTo("http://www.example/"),
			"intercepted": func(t *testing.T, w *world) (*http.Response, string) {
				return do(t, w.client(false), http.MethodPut, armURL+putPath, "x")
			},
		} {
			resp, body := send(t, w)
			if wantOwn(t, resp, body, http.StatusForbidden, "AttribProxyDestinationForbidden"); !strings.Contains(body, "circle") {
				t.Errorf("%s: %s", name, body)
			}
		}
	})
}

// startOn is start on a listener of the test's choice.
func startOn(t testing.TB, l net.Listener, tune ...func(*proxy.Options)) *world {
	t.Helper()
	w := &world{t: t, ca: newAuthority(t, "proxy CA"), originCA: newAuthority(t, "origin CA"), events: newMemory(), listener: l}
	w.origin = echoServer(t)
	w.startProxy(tune...)
	return w
}
