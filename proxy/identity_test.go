package proxy_test

import (
	"net/http"
	"strings"
	"testing"
)

// The three names of a request, CONNECT's, the SNI and the inner authority,
// must be one host; how it is spelt does not matter.
func TestOneHostByEveryName(t *testing.T) {
	const upper = "MANAGEMENT.Azure.COM"
	tests := []struct {
		name, connect, sni, request string
		status                      int
	}{
		{"plain", armHost + ":443", armHost, "PUT /x HTTP/1.1\r\nHost: " + armHost, 200},
		{"upper case everywhere", upper + ":443", upper, "PUT /x HTTP/1.1\r\nHost: " + upper, 200},
		{"a port in Host", armHost + ":443", armHost, "PUT /x HTTP/1.1\r\nHost: " + armHost + ":443", 200},
		{"a trailing dot in CONNECT", armHost + ".:443", armHost, "PUT /x HTTP/1.1\r\nHost: " + armHost, 200},
		{"a trailing dot in Host", armHost + ":443", armHost, "PUT /x HTTP/1.1\r\nHost: " + armHost + ".", 200},
		{"all at once", upper + ".:443", armHost, "PUT /x HTTP/1.1\r\nHost: " + upper + ".:443", 200},
		{"no SNI", armHost + ":443", "", "PUT /x HTTP/1.1\r\nHost: " + armHost, 200},
		{"absolute form", armHost + ":443", armHost, "PUT https://" + armHost + "/x HTTP/1.1\r\nHost: " + armHost, 200},
		{"absolute form decides over Host", armHost + ":443", armHost, "PUT https://" + armHost + "/x HTTP/1.1\r\nHost: other.example", 200},
		{"another Host", armHost + ":443", armHost, "PUT /x HTTP/1.1\r\nHost: vault.azure.net", 421},
		{"another absolute form", armHost + ":443", armHost, "PUT https://vault.azure.net/x HTTP/1.1\r\nHost: " + armHost, 421},
		{"another port", armHost + ":443", armHost, "PUT /x HTTP/1.1\r\nHost: " + armHost + ":8443", 421},
		{"another port in CONNECT", armHost + ":8443", armHost, "PUT /x HTTP/1.1\r\nHost: " + armHost, 421},
		{"a host below", armHost + ":443", armHost, "PUT /x HTTP/1.1\r\nHost: x." + armHost, 421},
		{"another SNI", armHost + ":443", "vault.azure.net", "PUT /x HTTP/1.1\r\nHost: " + armHost, 421},
		{"a read to another Host", armHost + ":443", armHost, "GET /x HTTP/1.1\r\nHost: vault.azure.net", 421},
	}
	w := start(t, nil)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before, seenBefore := len(w.events.all()), len(w.requests())
			c := w.tls(tt.connect, tt.sni)
			resp, body := raw(t, c, tt.request+"\r\nContent-Length: 0\r\n\r\n")
			if tt.status == 200 {
				if resp.StatusCode != 200 || len(w.requests()) != seenBefore+1 {
					t.Fatalf("%s %s", resp.Status, body)
				}
			} else {
				wantOwn(t, resp, body, 421, "AttribProxyMisdirectedRequest")
				if len(w.requests()) != seenBefore {
					t.Error("it reached the origin")
				}
			}
			e := w.events.await(t, before+1)[before]
			if e.Host != armHost || e.Path != "/x" || tt.status == 421 && (e.Outcome != "rejected" || e.Error != "AttribProxyMisdirectedRequest" || e.UAOut != "" || e.Status != 0) {
				t.Errorf("event %+v", e)
			}
		})
	}
	t.Run("h2", func(t *testing.T) {
		before := len(w.events.all())
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPut, armURL+"/x", nil)
		req.Host = "vault.azure.net"
		resp, err := w.client(true).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 421 || resp.ProtoMajor != 2 {
			t.Errorf("%s %s", resp.Proto, resp.Status)
		}
		w.events.await(t, before+1)
	})
}

func TestConnectAuthority(t *testing.T) {
	w := start(t, nil)
	for _, target := range []string{
		armHost, armHost + ":", armHost + ":0", armHost + ":65536", armHost + ":x", ":443", "user:s3cret@" + armHost + ":443",
		armHost + ":443/path", "::1:443", "2130706433:443", "0x7f.1:443", "a..b:443", "[fe80::1%25eth0]:443", "/x",
	} {
		t.Run(target, func(t *testing.T) {
			before := len(w.events.all())
			resp, body := raw(t, w.dial(), "CONNECT "+target+" HTTP/1.1\r\nHost: "+armHost+"\r\n\r\n")
			if resp.Header.Get("X-Attribproxy-Error") == "" && resp.StatusCode == http.StatusBadRequest {
				return // net/http's parser refused it
			}
			wantOwn(t, resp, body, http.StatusBadRequest, "AttribProxyBadAuthority")
			e := w.events.await(t, before+1)[before]
			if e.Outcome != "rejected" || e.Error != "AttribProxyBadAuthority" || e.Method != "CONNECT" || strings.Contains(e.Host+e.Reason, "s3cret") {
				t.Errorf("event %+v", e)
			}
		})
	}
	if len(w.requests()) != 0 {
		t.Error("something reached the origin")
	}
}

func TestConnectInside(t *testing.T) {
	w := start(t, nil)
	resp, body := raw(t, w.tls(armHost+":443", armHost), "CONNECT "+armHost+":443 HTTP/1.1\r\nHost: "+armHost+":443\r\n\r\n")
	wantOwn(t, resp, body, http.StatusMethodNotAllowed, "AttribProxyMethodNotAllowed")
	w.events.await(t, 1)
}

// What is sent to the proxy as if it were the origin gets an answer that
// helps.
func TestNotAProxyRequest(t *testing.T) {
	w := start(t, nil)
	for _, line := range []string{"GET / HTTP/1.1", "PUT " + putPath + " HTTP/1.1", "OPTIONS * HTTP/1.1"} {
		resp, body := raw(t, w.dial(), line+"\r\nHost: "+w.addr+"\r\nContent-Length: 0\r\n\r\n")
		wantOwn(t, resp, body, http.StatusBadRequest, "AttribProxyNotAProxyRequest")
		if !strings.Contains(body, "HTTPS_PROXY") {
			t.Errorf("%s", body)
		}
	}
}
