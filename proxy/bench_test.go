package proxy_test

import (
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/attribproxy/attribproxy/proxy"
)

func quiet(o *proxy.Options) { o.Logger = zap.NewNop() }

func benchOrigin(rw http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	rw.Header()["Content-Type"] = []string{"application/json"}
	_, _ = io.WriteString(rw, `{"properties":{"provisioningState":"Succeeded"}}`)
}

func benchPut(b *testing.B, c *http.Client, body string) {
	b.Helper()
	req, _ := http.NewRequestWithContext(b.Context(), http.MethodPut, armURL+putPath, strings.NewReader(body))
	req.Header.Set("User-Agent", "AZURECLI/2.61.0 (DEB) azsdk-python-core/1.28.0 Python/3.11.8")
	resp, err := c.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
}

// BenchmarkPut is a write on connections that are kept.
func BenchmarkPut(b *testing.B) {
	body := strings.Repeat("x", 2000)
	for name, h2 := range map[string]bool{"http1": false, "h2": true} {
		b.Run(name, func(b *testing.B) {
			w := start(b, benchOrigin, quiet)
			c := w.client(h2)
			c.Transport.(*http.Transport).MaxIdleConnsPerHost = 64
			benchPut(b, c, body)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					benchPut(b, c, body)
				}
			})
		})
	}
}

// BenchmarkNewConnection is CONNECT, a TLS handshake and one write.
func BenchmarkNewConnection(b *testing.B) {
	w := start(b, benchOrigin, quiet)
	b.ReportAllocs()
	for b.Loop() {
		c := w.client(false)
		benchPut(b, c, "x")
		c.CloseIdleConnections()
	}
}

// BenchmarkTunnel moves a MiB through a blind tunnel and back.
func BenchmarkTunnel(b *testing.B) {
	w, echo := start(b, nil, quiet), echoServer(b)
	c := w.connect(echo.Addr().String())
	buf := make([]byte, 1<<20)
	b.SetBytes(2 << 20)
	for b.Loop() {
		go func() { _, _ = c.Write(buf) }()
		if _, err := io.ReadFull(c, buf); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDirect is BenchmarkPut without the proxy, to compare with.
func BenchmarkDirect(b *testing.B) {
	w := start(b, benchOrigin, quiet)
	c := &http.Client{Transport: &http.Transport{
		DialTLSContext:      (&tls.Dialer{Config: &tls.Config{ServerName: armHost, RootCAs: w.originCA.pool(), MinVersion: tls.VersionTLS12}}).DialContext,
		MaxIdleConnsPerHost: 64, Proxy: nil,
	}}
	b.Cleanup(c.CloseIdleConnections)
	target := "https://" + w.origin.Addr().String() + putPath
	body := strings.Repeat("x", 2000)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			req, _ := http.NewRequestWithContext(b.Context(), http.MethodPut, target, strings.NewReader(body))
			req.Host = armHost
			resp, err := c.Do(req)
			if err != nil {
				b.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	})
}
