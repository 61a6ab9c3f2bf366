package proxy_test

import (
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/attribproxy/attribproxy/proxy"
)

func TestClientProcess(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		var asked atomic.Int32
		var mu sync.Mutex
		var client, own netip.AddrPort
		w := start(t, nil, func(o *proxy.Options) {
			o.ClientProcess = func(c, p netip.AddrPort) string {
				asked.Add(1)
				mu.Lock()
				defer mu.Unlock()
				client, own = c, p
				return "/srv/deploy.sh"
			}
		})
		c := w.client(h2)
		do(t, c, http.MethodGet, "https://"+armHost+putPath, "")
		if asked.Load() != 0 {
			t.Errorf("h2 %t: a read was looked up", h2)
		}
		var requests sync.WaitGroup
		do(t, c, http.MethodPut, "https://"+armHost+putPath, "{}")
		for range 4 {
			if h2 { // on one connection
				requests.Go(func() { do(t, c, http.MethodPut, "https://"+armHost+putPath, "{}") })
			} else {
				do(t, c, http.MethodPut, "https://"+armHost+putPath, "{}")
			}
		}
		requests.Wait()
		for _, e := range w.events.await(t, 5) {
			if e.Process != "/srv/deploy.sh" {
				t.Errorf("h2 %t: process %q", h2, e.Process)
			}
		}
		if n := asked.Load(); n != 1 {
			t.Errorf("h2 %t: looked up %d times for one connection", h2, n)
		}
		mu.Lock()
		if !client.Addr().IsLoopback() || client.Port() == 0 || own.String() != w.addr {
			t.Errorf("h2 %t: asked for %v at %v, want %s", h2, client, own, w.addr)
		}
		mu.Unlock()
	}
}

// Who does not find the process, or fails, costs nothing but the name.
func TestClientProcessFails(t *testing.T) {
	w := start(t, nil, func(o *proxy.Options) {
		o.ClientProcess = func(netip.AddrPort, netip.AddrPort) string { panic("oh") }
	})
	resp, _ := do(t, w.client(false), http.MethodPut, "https://"+armHost+putPath, "{}")
	if e := w.events.await(t, 1)[0]; resp.StatusCode != http.StatusOK || e.Process != "" || e.Status != http.StatusOK {
		t.Errorf("%s, %+v", resp.Status, e)
	}
}

// A refusal is on record with who asked.
func TestClientProcessOfARefusal(t *testing.T) {
	w := start(t, nil, func(o *proxy.Options) {
		o.ClientProcess = func(netip.AddrPort, netip.AddrPort) string { return "/usr/bin/curl" }
	})
	c := w.tls(armHost+":443", armHost)
	raw(t, c, "GET / HTTP/1.1\r\nHost: other.example\r\n\r\n")
	if e := w.events.await(t, 1)[0]; e.Outcome != "rejected" || e.Process != "/usr/bin/curl" {
		t.Errorf("%+v", e)
	}
}

// So is who goes past; a tunnel that does not is not looked up.
func TestClientProcessOfABypass(t *testing.T) {
	var asked atomic.Int32
	w := start(t, nil, func(o *proxy.Options) {
		o.ClientProcess = func(netip.AddrPort, netip.AddrPort) string { asked.Add(1); return "/usr/bin/curl" }
	})
	for _, name := range []string{"login.microsoftonline.com", armHost} {
		c := w.connect(w.origin.Addr().String())
		if _, err := c.Write(clientHello(t, name)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1)); err != nil { // the origin's answer: the hello has passed
			t.Fatal(err)
		}
		if n := asked.Load(); name != armHost && n != 0 {
			t.Errorf("%s was looked up", name)
		}
	}
	if e := w.events.await(t, 1)[0]; e.Outcome != "bypass" || e.Process != "/usr/bin/curl" {
		t.Errorf("%+v", e)
	}
}
