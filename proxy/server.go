package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elazarl/goproxy"
	"go.uber.org/zap"
)

// ErrServerClosed is returned by Serve after Shutdown or Close.
var ErrServerClosed = http.ErrServerClosed

// Server is one proxy on one listener.
type Server struct {
	opts      Options
	hosts     map[string]struct{} // intercepted
	log       *zap.Logger
	dialer    *dialer
	transport *http.Transport // to intercepted hosts
	plain     *http.Transport // for plain-HTTP forward requests
	front     *http.Server    // what clients connect to; goproxy is its handler
	inner     *http.Server    // speaks h2 and http/1.1 inside intercepted connections
	handover  *handover       // front's connections on their way to inner
	conns     *connSet
	metrics   *metrics
	own       atomic.Pointer[[]netip.AddrPort]
	draining  atomic.Bool
	innerDone sync.WaitGroup

	ctx       context.Context // of every request; ends with Close
	cancel    context.CancelFunc
	mu        sync.Mutex
	closed    bool
	exchanges sync.WaitGroup // begun under mu, and not once closed
}

// New checks the options and builds a server; it opens nothing.
func New(o Options) (*Server, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{opts: o, log: o.Logger, conns: newConnSet(), hosts: make(map[string]struct{}, len(o.Intercept))}
	for _, h := range o.Intercept {
		s.hosts[h] = struct{}{}
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	own := o.Own
	s.own.Store(&own)
	s.metrics, err = newMetrics(o.Reg, s.conns)
	if err != nil {
		return nil, fmt.Errorf("registering the proxy's metrics: %w", err)
	}
	s.dialer, err = newDialer(o, &guard{allow: o.Upstream.Allow, own: func() []netip.AddrPort { return *s.own.Load() }})
	if err != nil {
		return nil, err
	}
	s.transport = newTransport(o, s.dialer.tunnel)
	s.plain = newTransport(o, s.dialer.plain)
	s.plain.Proxy = s.dialer.plainProxy

	engine := goproxy.NewProxyHttpServer()
	s.setUpGate(engine)
	s.front = &http.Server{
		Handler:           s.frontHandler(engine),
		BaseContext:       func(net.Listener) context.Context { return s.ctx },
		ReadHeaderTimeout: o.Limits.ClientHead,
		IdleTimeout:       o.Limits.ClientIdle,
		MaxHeaderBytes:    o.Limits.HeaderBytes,
		ErrorLog:          httpErrorLog(o.Logger.Named("front")),

		DisableGeneralOptionsHandler: true,
	}
	s.handover = newHandover()
	s.inner = s.newInnerServer()
	return s, nil
}

// intercepts reports whether TLS with host, normalised, is opened.
func (s *Server) intercepts(host string) bool {
	_, ok := s.hosts[host]
	return ok
}

// Serve accepts clients on l until Shutdown or Close, and then returns
// ErrServerClosed. It may be called once.
func (s *Server) Serve(l net.Listener) error {
	if addr, err := netip.ParseAddrPort(l.Addr().String()); err == nil {
		own := append([]netip.AddrPort{netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())}, s.opts.Own...)
		s.own.Store(&own)
	}
	s.handover.addr = l.Addr()
	s.innerDone.Go(func() {
		if err := s.inner.Serve(s.handover); err != nil && !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("the server inside intercepted connections ended", zap.Error(err))
		}
	})
	return s.front.Serve(l)
}

// Shutdown stops taking connections and waits until the requests under way
// are answered and the tunnels are closed by their clients, or ctx ends. What
// is still open then is cut, and ctx's error returned.
func (s *Server) Shutdown(ctx context.Context) error {
	s.draining.Store(true)
	inner := make(chan error, 1)
	go func() { inner <- s.inner.Shutdown(ctx) }()
	err := s.front.Shutdown(ctx)
	if innerErr := <-inner; err == nil {
		err = innerErr
	}
	if open := s.conns.wait(); open != nil {
		select {
		case <-open:
		case <-ctx.Done():
			if err == nil {
				err = ctx.Err()
			}
		}
	}
	if closeErr := s.Close(); err == nil {
		err = closeErr
	}
	return err
}

// Close cuts everything at once. When it returns, the last event has been
// given to the Recorder.
func (s *Server) Close() error {
	s.draining.Store(true)
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	err := errors.Join(s.front.Close(), s.inner.Close())
	s.handover.close()
	s.conns.closeAll()
	s.innerDone.Wait()
	s.exchanges.Wait()
	s.transport.CloseIdleConnections()
	s.plain.CloseIdleConnections()
	return err
}

// begin counts in what may yet record an event, so that Close waits for it;
// false when it is too late for one.
func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.exchanges.Add(1)
	return true
}

// Open returns how many tunnels and intercepted connections there are.
func (s *Server) Open() (tunnels, intercepted int) { return s.conns.count() }

// handover is the listener of the inner server: connections reach it from
// the gate instead of from the network.
type handover struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
	addr  net.Addr
}

func newHandover() *handover {
	return &handover{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (h *handover) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

// pass gives c to the inner server; false when that no longer takes any.
func (h *handover) pass(c net.Conn) bool {
	select {
	case h.conns <- c:
		return true
	case <-h.done:
		return false
	}
}

func (h *handover) close()         { h.once.Do(func() { close(h.done) }) }
func (h *handover) Close() error   { h.close(); return nil }
func (h *handover) Addr() net.Addr { return h.addr }

// writeTimeout bounds the few bytes written to a client outside of any
// http.Server.
const writeTimeout = 10 * time.Second
