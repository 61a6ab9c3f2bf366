// Package console is the admin listener: a dashboard, a list of the recorded
// events, a live tail, downloads, health, readiness and metrics.
//
// It shows and never changes anything. What it shows comes in as functions and
// as an index of the journal, so that it knows neither the proxy nor the
// configuration. Pages are made on the server out of embedded files; they work
// without a script, but for the live tail, and load nothing from other hosts.
// Everything that came over the network reaches a page as text: through
// html/template, or as the text of a node.
package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"

	"github.com/attribproxy/attribproxy/audit/store"
)

// Options say what the console serves. Listener is required.
type Options struct {
	// Listener is where it listens; the server closes it.
	Listener net.Listener
	// Token is asked for on every page but the probes, as a bearer token or as
	// a Basic password. Required unless Listener is on loopback.
	Token string
	// Gatherer holds the metrics; nil serves none.
	Gatherer prometheus.Gatherer
	// Ready returns nil when the proxy can do its work, else why it cannot;
	// nil means always ready. Its answer is good for a second.
	Ready func(context.Context) error
	// Store opens the index that pages are made from. It is called when the
	// first page is asked for, and again after an error. The server closes
	// the store. Without it there are probes and metrics alone.
	Store func(context.Context) (store.Store, error)
	// Update brings a store up to date with the journal; nil for a store that
	// somebody else fills, which then has no live tail.
	Update func(context.Context, store.Store) error
	// Source is what reports say they are about, such as the journal's directory.
	Source string
	// Rules returns what is in force; nil has no page for it.
	Rules func() (Rules, error)
	// Build is shown at the foot of each page.
	Build Build
	// Logger hears of pages that cannot be made; nil means silence.
	Logger *zap.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Server is a running admin listener.
type Server struct {
	o      Options
	log    *zap.Logger
	now    func() time.Time
	pages  *pages
	index  *index
	hub    *hub
	http   *http.Server
	addr   net.Addr
	ctx    context.Context // the life of the server, not of a call
	cancel context.CancelFunc
	done   chan struct{}
}

// ErrTokenRequired says that a listener that others can reach has no token.
var ErrTokenRequired = errors.New("an admin listener beyond loopback needs a token")

// New starts serving. After an error the listener is still open.
//
//	GET /healthz  200 while the process lives
//	GET /readyz   200 when the proxy can do its work, else 503 and why
//	GET /metrics  Prometheus text format
//	GET /         the dashboard, from which everything else is linked
func New(o Options) (*Server, error) {
	if o.Token == "" && !isLoopback(o.Listener.Addr()) {
		return nil, fmt.Errorf("listening on %s: %w", o.Listener.Addr(), ErrTokenRequired)
	}
	s := &Server{o: o, log: o.Logger, now: o.Now, addr: o.Listener.Addr(), done: make(chan struct{})}
	if s.log == nil {
		s.log = zap.NewNop()
	}
	if s.now == nil {
		s.now = time.Now
	}
	var err error
	if s.pages, err = parsePages(); err != nil {
		return nil, err
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.http = &http.Server{
		Handler:           guard(s.routes(), o.Token),
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: 16 << 10,
	}
	go func() { defer close(s.done); _ = s.http.Serve(o.Listener) }()
	return s, nil
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { text(w, http.StatusOK, "ok") })
	ready := once{ask: s.o.Ready, now: s.now}
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := ready.answer(r.Context()); err != nil {
			text(w, http.StatusServiceUnavailable, "not ready: "+err.Error())
			return
		}
		text(w, http.StatusOK, "ready")
	})
	if s.o.Gatherer != nil {
		mux.Handle("GET /metrics", promhttp.HandlerFor(s.o.Gatherer, promhttp.HandlerOpts{}))
	}
	if s.o.Store == nil {
		return mux
	}
	s.index = newIndex(s.ctx, s.o, s.log)
	mux.Handle("GET /assets/", assets())
	mux.HandleFunc("GET /{$}", s.serveOverview(&ready))
	mux.HandleFunc("GET /events", s.serveList)
	mux.HandleFunc("GET /events/{source}/{epoch}/{seq}", s.serveEvent)
	mux.HandleFunc("GET /reports", s.serveReports)
	mux.HandleFunc("GET /reports/{file}", s.serveDownload)
	if s.o.Update != nil {
		s.hub = newHub(s.ctx, s.index)
		mux.HandleFunc("GET /live", s.serveLive)
		mux.HandleFunc("GET /live/stream", s.serveTail)
	}
	if s.o.Rules != nil {
		mux.HandleFunc("GET /rules", s.serveRules)
	}
	mux.HandleFunc("GET /", s.serveMissing)
	return mux
}

// URL is the address a browser takes.
func (s *Server) URL() string { return "http://" + s.addr.String() }

// Close stops serving and cuts what is open.
func (s *Server) Close() error {
	s.cancel()
	err := s.http.Close()
	<-s.done
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	if s.hub != nil {
		s.hub.done.Wait()
	}
	if s.index != nil {
		s.index.close()
	}
	if err != nil {
		return fmt.Errorf("closing the admin listener: %w", err)
	}
	return nil
}

func text(w http.ResponseWriter, status int, s string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, s+"\n")
}
