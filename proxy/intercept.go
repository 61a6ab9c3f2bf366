package proxy

import (
	"context"
	"crypto/tls"
	"log"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/elazarl/goproxy"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// newInnerServer builds the one server that all intercepted connections share.
func (s *Server) newInnerServer() *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	return &http.Server{
		Handler:           http.HandlerFunc(s.serveIntercepted),
		BaseContext:       func(net.Listener) context.Context { return s.ctx },
		Protocols:         &protocols,
		ReadHeaderTimeout: s.opts.Limits.ClientHead, // bounds the TLS handshake as well
		IdleTimeout:       s.opts.Limits.ClientIdle,
		MaxHeaderBytes:    s.opts.Limits.HeaderBytes,
		ErrorLog:          httpErrorLog(s.log.Named("intercept")),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if t, ok := c.(*tls.Conn); ok {
				if cc, ok := t.NetConn().(*clientConn); ok {
					return context.WithValue(ctx, connKey{}, cc)
				}
			}
			return ctx
		},
		ConnState: s.countParserRefusals,

		DisableGeneralOptionsHandler: true, // OPTIONS * is the origin's to answer
	}
}

type connKey struct{}

// intercept answers CONNECT and gives the connection to the inner server,
// which performs the TLS handshake in a goroutine of its own.
func (s *Server) intercept(r *http.Request, client net.Conn, _ *goproxy.ProxyCtx) {
	c, ok := client.(*clientConn)
	if !ok { // only without our hijackWriter, which frontHandler always sets
		client.Close()
		return
	}
	config, err := s.opts.TLSConfig(c.host)
	if err != nil {
		s.log.Error("no certificate for an intercepted host", zap.String("host", c.host), zap.Error(err))
		f := s.refuseConnect(r, failure{
			http.StatusInternalServerError, codeInternal,
			"attribproxy has no certificate for " + c.host + "; see its log.",
		})
		_ = f.response(r).Write(c)
		c.Close()
		return
	}
	_ = c.SetWriteDeadline(time.Now().Add(writeTimeout))
	if _, err := c.Write([]byte("HTTP/1.1 200 Connection established\r\n\r\n")); err != nil {
		c.Close()
		return
	}
	_ = c.SetWriteDeadline(time.Time{})
	s.metrics.intercepted.Inc()
	if !s.handover.pass(tls.Server(c, config)) {
		c.Close()
	}
}

// countParserRefusals counts connections that end inside a request head: what
// http.Server refuses by itself (400, 431) reaches no handler of ours.
func (s *Server) countParserRefusals(conn net.Conn, state http.ConnState) {
	t, ok := conn.(*tls.Conn)
	if !ok {
		return
	}
	c, ok := t.NetConn().(*clientConn)
	if !ok {
		return
	}
	switch state {
	case http.StateActive:
		c.heads.Add(1)
	case http.StateClosed:
		if t.ConnectionState().NegotiatedProtocol != "h2" && c.heads.Load() > c.requests.Load() {
			s.metrics.parserRefusals.Inc()
		}
	}
}

// goproxyLog passes goproxy's own messages on at debug level. Their arguments
// can hold URLs, so only the shape of a message is kept.
type goproxyLog struct{ log *zap.Logger }

func (l goproxyLog) Printf(format string, _ ...any) {
	if l.log.Core().Enabled(zapcore.DebugLevel) {
		l.log.Debug("goproxy", zap.String("message", strings.TrimSpace(format)))
	}
}

// httpErrorLog turns http.Server's messages into log entries. A client that
// does not trust our CA is the failure people meet first, so it is named.
func httpErrorLog(l *zap.Logger) *log.Logger {
	return log.New(httpErrors{l}, "", 0)
}

type httpErrors struct{ log *zap.Logger }

func (h httpErrors) Write(p []byte) (int, error) {
	msg := strings.TrimSpace(string(p))
	switch {
	case strings.Contains(msg, "unknown certificate"), strings.Contains(msg, "bad certificate"):
		h.log.Warn("a client does not trust attribproxy's CA", zap.String("hint", "give the client the variables that 'attribproxy env' prints"))
	case strings.HasPrefix(msg, "http: TLS handshake error"):
		h.log.Debug("TLS handshake with a client failed")
	case strings.HasPrefix(msg, "http: panic serving"):
		h.log.Error("panic while serving a request")
	default:
		h.log.Debug("http server message")
	}
	return len(p), nil
}
