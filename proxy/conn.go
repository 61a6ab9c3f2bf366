package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

// clientConn is a client's connection after CONNECT. It is known to the
// server until it is closed, because http.Server forgets hijacked
// connections, and it gives back the bytes that came right behind CONNECT,
// which goproxy would throw away.
type clientConn struct {
	net.Conn
	srv       *Server
	authority string        // of the CONNECT request, "host:port", normalised
	host      string        // of authority
	early     *bytes.Reader // bytes received behind the CONNECT head
	tunnel    bool          // a blind tunnel, whose first bytes are looked at
	heads     atomic.Int64  // request heads begun, for intercepted HTTP/1.1 connections
	requests  atomic.Int64  // those that reached our handler
	process   processLookup
	closed    sync.Once
}

// Read gives the early bytes first.
func (c *clientConn) Read(p []byte) (int, error) {
	if c.early.Len() > 0 {
		return c.early.Read(p)
	}
	return c.Conn.Read(p)
}

// Close closes the connection and forgets it.
func (c *clientConn) Close() error {
	c.closed.Do(func() { c.srv.conns.remove(c) })
	return c.Conn.Close()
}

// CloseRead and CloseWrite let goproxy close a tunnel by halves.
func (c *clientConn) CloseRead() error {
	if h, ok := c.Conn.(halfCloser); ok {
		return h.CloseRead()
	}
	return nil
}

// CloseWrite says that no more bytes follow in the client's direction.
func (c *clientConn) CloseWrite() error {
	if h, ok := c.Conn.(halfCloser); ok {
		return h.CloseWrite()
	}
	return c.Conn.Close()
}

// WriteTo carries a tunnel's client-to-target direction: the first bytes are
// looked at as they pass, the rest is left to the kernel (splice) where both
// ends are TCP.
func (c *clientConn) WriteTo(w io.Writer) (int64, error) {
	var n int64
	if c.tunnel {
		var err error
		n, err = c.watchHello(w)
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return n, err
		}
	}
	for c.early.Len() > 0 {
		m, err := c.early.WriteTo(w)
		n += m
		if err != nil {
			return n, err
		}
	}
	m, err := io.Copy(w, c.Conn)
	return n + m, err
}

// ReadFrom carries the other direction, by splice as well.
func (c *clientConn) ReadFrom(r io.Reader) (int64, error) {
	if rf, ok := c.Conn.(io.ReaderFrom); ok {
		return rf.ReadFrom(r)
	}
	return io.Copy(struct{ io.Writer }{c.Conn}, r)
}

// hijackWriter hands goproxy a clientConn when it hijacks.
type hijackWriter struct {
	http.ResponseWriter
	srv             *Server
	authority, host string
	tunnel          bool
	conn            *clientConn // once hijacked
}

// Unwrap lets http.ResponseController reach the server's own writer.
func (w *hijackWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush implements http.Flusher, which goproxy asks for.
func (w *hijackWriter) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

// Hijack implements http.Hijacker.
func (w *hijackWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	raw, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	early := make([]byte, rw.Reader.Buffered())
	_, _ = io.ReadFull(rw.Reader, early)
	w.conn = &clientConn{
		Conn: raw, srv: w.srv, authority: w.authority, host: w.host, tunnel: w.tunnel,
		early: bytes.NewReader(early),
	}
	w.srv.conns.add(w.conn)
	return w.conn, rw, nil
}

// connSet is the connections that http.Server no longer knows of.
type connSet struct {
	mu    sync.Mutex
	conns map[*clientConn]struct{}
	empty chan struct{} // closed and replaced whenever the last one goes
}

func newConnSet() *connSet {
	return &connSet{conns: map[*clientConn]struct{}{}, empty: make(chan struct{})}
}

func (s *connSet) add(c *clientConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c] = struct{}{}
}

func (s *connSet) remove(c *clientConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if len(s.conns) == 0 {
		close(s.empty)
		s.empty = make(chan struct{})
	}
}

// count returns how many connections are open: blind tunnels, intercepted.
func (s *connSet) count() (tunnels, intercepted int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		if c.tunnel {
			tunnels++
		} else {
			intercepted++
		}
	}
	return tunnels, intercepted
}

// wait returns a channel that is closed when no connection is left; nil when
// none is left now.
func (s *connSet) wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.conns) == 0 {
		return nil
	}
	return s.empty
}

func (s *connSet) closeAll() {
	s.mu.Lock()
	all := make([]*clientConn, 0, len(s.conns))
	for c := range s.conns {
		all = append(all, c)
	}
	s.mu.Unlock()
	for _, c := range all {
		_ = c.Close()
	}
}
