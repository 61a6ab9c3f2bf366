package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/attribproxy/attribproxy/audit"
	"github.com/attribproxy/attribproxy/proxy"
)

// canary marks what must be stored, printed and sent on nowhere. Each place
// adds a word of its own, so that a find says where it came from.
const canary = "CANARYs3cret"

// secretHeaders are fields whose values are none of our business: those that
// are known to hold secrets, those that nobody knows, and those that we keep
// when they look like what they should be.
var secretHeaders = map[string]string{
	"Authorization":                    "Bearer " + canary + "-authorization",
	"X-Ms-Authorization-Auxiliary":     "Bearer " + canary + "-auxiliary",
	"X-Ms-Policy-External-Evaluations": canary + "-policy",
	"Cookie":                           "session=" + canary + "-cookie",
	"Proxy-Authorization":              "Basic " + canary + "-proxy",
	"X-Ms-Client-Request-Id":           canary + "-" + strings.Repeat("token", 40),
	"X-Ms-Correlation-Request-Id":      "Bearer " + canary + "-correlation",
	"Referer":                          "https://portal/?code=" + canary + "-referer",
	"X-Unknown":                        canary + "-unknown",
	"Commandname":                      "az " + canary + "-command",
	"X-Forwarded-For":                  canary + "-forwarded",
	"Content-Type":                     canary + "/type",
	"If-Match":                         `"` + canary + `-etag"`,
	"Ocp-Apim-Subscription-Key":        canary + "-key",
	"X-Http-Method-Override":           canary,
	"Traceparent":                      canary + "-trace",
	"Upgrade-Insecure-Requests":        canary + "-upgrade",
	"X-" + canary:                      "1",
	"Azure-Asyncoperation":             "https://x/?t=" + canary + "-async",
	"Location":                         "https://x/?t=" + canary + "-location",
	"Www-Authenticate":                 `Bearer claims="` + canary + `-claims"`,
	"X-Ms-Routing-Request-Id":          "Bearer " + canary + "-routing",
	"Set-Cookie":                       "session=" + canary + "-setcookie",
	"X-Ms-Request-Id":                  "Bearer " + canary + "-requestid",
}

// witness collects everything the proxy writes down.
type witness struct {
	memory *memory
	reg    *prometheus.Registry
	mu     sync.Mutex
	log    bytes.Buffer
	told   []string // answers of the proxy's own
}

func (w *witness) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(p)
}

func (w *witness) tune(o *proxy.Options) {
	w.reg = prometheus.NewRegistry()
	o.Reg = w.reg
	o.Logger = zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewDevelopmentEncoderConfig()), zapcore.AddSync(w), zap.DebugLevel))
}

// answer keeps a response for the search if it is the proxy's own.
func (w *witness) answer(resp *http.Response, err error) {
	if err != nil || resp == nil {
		return
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if resp.Header.Get(proxy.ErrorHeader) != "" {
		w.told = append(w.told, fmt.Sprint(resp.Header, string(body)))
	}
}

// search fails the test if a canary, plain or in base64, is anywhere.
func (w *witness) search(t *testing.T) {
	t.Helper()
	places := map[string]string{"answers": strings.Join(w.told, "\n")}
	w.mu.Lock()
	places["log"] = w.log.String()
	w.mu.Unlock()
	for _, e := range w.memory.all() {
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		places["events"] += string(b) + "\n"
	}
	families, err := w.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var metrics bytes.Buffer
	for _, f := range families {
		metrics.WriteString(f.String() + "\n")
	}
	places["metrics"] = metrics.String()
	for place, text := range places {
		for _, form := range []string{canary, url.QueryEscape(canary), base64.StdEncoding.EncodeToString([]byte(canary))[:12]} {
			if i := strings.Index(strings.ToLower(text), strings.ToLower(form)); i >= 0 {
				t.Errorf("%s: …%s…", place, text[max(0, i-200):min(len(text), i+80)])
			}
		}
	}
	if places["metrics"] == "" {
		t.Error("no metrics at all: the search proves nothing")
	}
}

// TestCanary sends secrets wherever a client, an origin or an operator can
// put them, through every kind of traffic and failure, and looks for them in
// everything the proxy writes down.
func TestCanary(t *testing.T) {
	origin := func(answer string) func(net.Conn, *bufio.Reader) {
		return func(c net.Conn, r *bufio.Reader) {
			if _, err := readHead(r); err == nil {
				_, _ = io.WriteString(c, answer)
			}
		}
	}
	var fields strings.Builder
	for name, value := range secretHeaders {
		fields.WriteString(name + ": " + value + "\r\n")
	}
	sound := origin("HTTP/1.1 200 OK\r\n" + fields.String() + "Content-Length: 12\r\n\r\n" + canary)
	put := func(method, target string) string {
		return method + " " + target + " HTTP/1.1\r\nHost: " + armHost + "\r\n" + fields.String() + "User-Agent: az/1\r\nContent-Length: 12\r\n\r\n" + canary
	}
	inside := func(request string) func(*testing.T, *world, *witness) {
		return func(t *testing.T, w *world, wit *witness) {
			h := w.h1()
			h.send("%s", request)
			wit.answer(http.ReadResponse(h.r, nil))
		}
	}
	outside := func(request string) func(*testing.T, *world, *witness) {
		return func(t *testing.T, w *world, wit *witness) {
			c := w.dial()
			_, _ = io.WriteString(c, request)
			wit.answer(http.ReadResponse(bufio.NewReader(c), &http.Request{Method: http.MethodConnect}))
		}
	}
	panicking := func(v any) func(*proxy.Options) {
		return func(o *proxy.Options) { o.Rules = func() *proxy.Rules { panic(v) } }
	}
	withQuery := putPath + "&sig=" + canary + "&api-version=" + canary + "!"
	tests := []struct {
		name   string
		origin func(net.Conn, *bufio.Reader)
		tune   func(*proxy.Options)
		send   func(*testing.T, *world, *witness)
	}{
		{"a write", sound, nil, inside(put("PUT", withQuery))},
		{"a read", sound, nil, inside(put("GET", withQuery))},
		{"a write to a malformed target", sound, nil, inside(put("PUT", "/%?"+canary))},
		{"a fragment", sound, nil, inside(put("DELETE", "/x?a#"+canary))},
		{"absolute form with user information", sound, nil, inside(put("PUT", "https://u:"+canary+"@"+armHost+"/x?"+canary))},
		{"another host", sound, nil, inside(strings.Replace(put("PUT", withQuery), "Host: "+armHost, "Host: "+canary+".example", 1))},
		{"another absolute form", sound, nil, inside(put("PUT", "https://"+canary+".example/x?"+canary))},
		{"CONNECT inside", sound, nil, inside("CONNECT " + canary + ".example:443 HTTP/1.1\r\nHost: " + armHost + "\r\n\r\n")},
		{"a malformed request", sound, nil, inside("PUT /x HTTP/1.1\r\nHost: " + canary + "\r\n" + canary + "\r\n\r\n")},
		{"a malformed body", sound, nil, inside("PUT /x HTTP/1.1\r\nHost: " + armHost + "\r\nTransfer-Encoding: chunked\r\n\r\n" + canary + "\r\n")},
		{"a malformed status line", origin("HTTP/1.1 " + canary + "\r\n\r\n"), nil, inside(put("PUT", withQuery))},
		{"a malformed header of the origin's", origin("HTTP/1.1 200 OK\r\n" + canary + "\r\n\r\n"), nil, inside(put("PUT", withQuery))},
		{"a malformed length", origin("HTTP/1.1 200 OK\r\nContent-Length: " + canary + "\r\n\r\n"), nil, inside(put("PUT", withQuery))},
		{"a malformed encoding", origin("HTTP/1.1 200 OK\r\nTransfer-Encoding: " + canary + "\r\n\r\n"), nil, inside(put("PUT", withQuery))},
		{"a malformed chunk", origin("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + canary + "\r\n"), nil, inside(put("PUT", withQuery))},
		{"a cut response", origin("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + canary), nil, inside(put("PUT", withQuery))},
		{"an unknown protocol", origin("HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: " + canary + "\r\n\r\n"), nil, inside(put("PUT", withQuery))},
		{"no origin", func(c net.Conn, _ *bufio.Reader) { c.Close() }, nil, inside(put("PUT", withQuery))},
		{"a panic with a string", sound, panicking(canary), inside(put("PUT", withQuery))},
		{"a panic with an error", sound, panicking(errors.New(canary)), inside(put("PUT", withQuery))},
		{"a panic in the gate", sound, panicking(canary), outside("CONNECT u:" + canary + "@x HTTP/1.1\r\nHost: x\r\n\r\n")},
		{"a journal that fails", sound, func(o *proxy.Options) {
			m := newMemory()
			m.intent = func(*audit.Event) error { return errors.New(canary) }
			m.wait = func(context.Context) error { return errors.New(canary) }
			o.Recorder = m
		}, inside(put("PUT", withQuery))},
		{"CONNECT with fields", sound, nil, outside("CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: x\r\n" + fields.String() + "\r\n")},
		{"CONNECT with user information", sound, nil, outside("CONNECT u:" + canary + "@x:443 HTTP/1.1\r\nHost: x\r\n\r\n")},
		{"CONNECT to nonsense", sound, nil, outside("CONNECT " + canary + "..x:443 HTTP/1.1\r\nHost: x\r\n\r\n")},
		{"plain HTTP to ARM", sound, nil, outside("PUT http://" + armHost + "/x?code=" + canary + " HTTP/1.1\r\nHost: x\r\n" + fields.String() + "\r\n")},
		{"plain HTTP to nobody", sound, nil, outside("PUT http://u:" + canary + "@127.0.0.1:1/" + canary + "?code=" + canary + " HTTP/1.1\r\nHost: x\r\n" + fields.String() + "\r\n")},
		{"plain HTTP to nonsense", sound, nil, outside("GET http://" + canary + "..x/ HTTP/1.1\r\nHost: x\r\n\r\n")},
		{"to the proxy itself", sound, nil, outside("GET /" + canary + " HTTP/1.1\r\nHost: " + canary + "\r\n" + fields.String() + "\r\n")},
		{"gibberish", sound, nil, outside(canary + "\r\n\r\n")},
		{"an upstream proxy that cannot be reached", sound, func(o *proxy.Options) {
			o.Upstream.Proxy = &url.URL{Scheme: "http", User: url.UserPassword("u", canary), Host: "127.0.0.1:1"}
		}, inside(put("PUT", withQuery))},
		{"a tunnel to that proxy", sound, func(o *proxy.Options) {
			o.Upstream.Proxy = &url.URL{Scheme: "https", User: url.UserPassword("u", canary), Host: "127.0.0.1:1"}
		}, outside("CONNECT login.example:443 HTTP/1.1\r\nHost: x\r\n\r\n")},
		{"not TLS", sound, nil, func(_ *testing.T, w *world, _ *witness) {
			c := w.connect(armHost + ":443")
			_, _ = io.WriteString(c, "PUT /"+canary+" HTTP/1.1\r\n\r\n")
			_, _ = io.Copy(io.Discard, c)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wit := &witness{}
			tune := []func(*proxy.Options){wit.tune}
			if tt.tune != nil {
				tune = append(tune, tt.tune)
			}
			w := startRaw(t, tt.origin, tune...)
			wit.memory = w.events
			tt.send(t, w, wit)
			_ = w.server.Close() // everything is written down now
			wit.search(t)
		})
	}
	t.Run("an upstream proxy that answers", func(t *testing.T) {
		for _, answer := range []string{"HTTP/1.1 407 " + canary + "\r\nProxy-Authenticate: Basic realm=" + canary + "\r\n\r\n" + canary, canary + "\r\n\r\n", "HTTP/1.1 200 OK\r\n" + canary + "\r\n\r\n"} {
			wit := &witness{}
			w := viaCorporate(t, "http", &corporate{answer: answer}, func(o *proxy.Options) { o.Upstream.Proxy.User = url.UserPassword(canary, canary) }, wit.tune)
			wit.memory = w.events
			inside(put("PUT", withQuery))(t, w, wit)
			outside("CONNECT login.example:443 HTTP/1.1\r\nHost: x\r\n\r\n")(t, w, wit)
			_ = w.server.Close()
			wit.search(t)
		}
	})
	t.Run("options that are wrong", func(t *testing.T) {
		_, err := proxy.New(proxy.Options{Upstream: proxy.Upstream{Proxy: &url.URL{Scheme: "socks5", User: url.UserPassword("u", canary), Host: "x"}}})
		if err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("%v", err)
		}
	})
}
