package console_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/attribproxy/attribproxy/console"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	reg := prometheus.NewRegistry()
	count := prometheus.NewCounter(prometheus.CounterOpts{Name: "attribproxy_test_total", Help: "a test"})
	reg.MustRegister(count)
	count.Inc()
	var notReady error
	s := console.New(console.Options{Listener: l, Gatherer: reg, Ready: func(context.Context) error { return notReady }})
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	get := func(method, path, host string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(context.Background(), method, s.URL()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if host != "" {
			req.Host = host
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
	for _, tc := range []struct {
		name, method, path, host string
		notReady                 error
		status                   int
		body                     string
	}{
		{name: "alive", method: "GET", path: "/healthz", status: 200, body: "ok"},
		{name: "ready", method: "GET", path: "/readyz", status: 200, body: "ready"},
		{name: "not ready", method: "GET", path: "/readyz", notReady: errors.New("the journal cannot be written"), status: 503, body: "not ready: the journal cannot be written"},
		{name: "metrics", method: "GET", path: "/metrics", status: 200, body: "attribproxy_test_total 1"},
		{name: "a name that resolves to us", method: "GET", path: "/metrics", host: "evil.example:8643", status: 403, body: "by its address"},
		{name: "localhost", method: "GET", path: "/healthz", host: "localhost:8643", status: 200, body: "ok"},
		{name: "IPv6", method: "GET", path: "/healthz", host: "[::1]:8643", status: 200, body: "ok"},
		{name: "nothing is changed here", method: "POST", path: "/readyz", status: 405, body: "Method Not Allowed"},
		{name: "unknown", method: "GET", path: "/nope", status: 404, body: "not found"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			notReady = tc.notReady
			status, body := get(tc.method, tc.path, tc.host)
			if status != tc.status || !strings.Contains(body, tc.body) {
				t.Errorf("%d %q, want %d %q", status, body, tc.status, tc.body)
			}
		})
	}
}
