// Package console is the admin listener: health, readiness and metrics. It
// shows and never changes anything. What it shows comes in as functions, so
// that it knows neither the proxy nor the configuration.
package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Options say what the console serves. Listener is required.
type Options struct {
	// Listener is where it listens; the server closes it.
	Listener net.Listener
	// Gatherer holds the metrics; nil serves none.
	Gatherer prometheus.Gatherer
	// Ready returns nil when the proxy can do its work, else why it cannot;
	// nil means always ready.
	Ready func(context.Context) error
}

// Server is a running admin listener.
type Server struct {
	http *http.Server
	addr net.Addr
	done chan struct{}
}

// New starts serving.
//
//	GET /healthz  200 while the process lives
//	GET /readyz   200 when the proxy can do its work, else 503 and why
//	GET /metrics  Prometheus text format
func New(o Options) *Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { text(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if o.Ready != nil {
			if err := o.Ready(r.Context()); err != nil {
				text(w, http.StatusServiceUnavailable, "not ready: "+err.Error())
				return
			}
		}
		text(w, http.StatusOK, "ready")
	})
	if o.Gatherer != nil {
		mux.Handle("GET /metrics", promhttp.HandlerFor(o.Gatherer, promhttp.HandlerOpts{}))
	}
	s := &Server{addr: o.Listener.Addr(), done: make(chan struct{})}
	s.http = &http.Server{
		Handler:           onlyByAddress(mux),
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: 16 << 10,
	}
	go func() { defer close(s.done); _ = s.http.Serve(o.Listener) }()
	return s
}

// URL is the address a browser takes.
func (s *Server) URL() string { return "http://" + s.addr.String() }

// Close stops serving and cuts what is open.
func (s *Server) Close() error {
	err := s.http.Close()
	<-s.done
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("closing the admin listener: %w", err)
	}
	return nil
}

// onlyByAddress answers requests whose Host is an address or localhost. A web
// page that points a name of its own at 127.0.0.1 (DNS rebinding) sends that
// name, and is refused.
func onlyByAddress(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if len(host) > 1 && host[0] == '[' && host[len(host)-1] == ']' {
			host = host[1 : len(host)-1]
		}
		if _, err := netip.ParseAddr(host); err != nil && host != "localhost" {
			text(w, http.StatusForbidden, "call this listener by its address, not by a name")
			return
		}
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func text(w http.ResponseWriter, status int, s string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, s+"\n")
}
