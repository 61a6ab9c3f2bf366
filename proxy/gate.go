package proxy

import (
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/elazarl/goproxy"
	"go.uber.org/zap"

	"github.com/attribproxy/attribproxy/arm"
)

// httpsPort is the port of a CONNECT or Host without one.
const httpsPort = "443"

// setUpGate gives goproxy its part: the reject path, the tunnel for hosts
// that are not intercepted, and plain-HTTP forwarding.
func (s *Server) setUpGate(engine *goproxy.ProxyHttpServer) {
	engine.Logger = goproxyLog{s.log.Named("goproxy")}
	engine.Tr = s.plain
	engine.ConnectDial = nil // its default reads HTTPS_PROXY and would find us there
	engine.ConnectDialWithReq = func(r *http.Request, network, addr string) (net.Conn, error) {
		return s.dialer.tunnel(r.Context(), network, addr)
	}
	engine.KeepAcceptEncoding = true
	engine.ConnectionErrHandler = s.tunnelFailed
	engine.NonproxyHandler = http.HandlerFunc(s.notAProxyRequest)
	engine.OnRequest().HandleConnectFunc(s.gate)
	engine.OnRequest().DoFunc(s.plainRequest)
	engine.OnResponse().DoFunc(s.plainResponse)
}

// frontHandler wraps goproxy so that a hijacked connection is tracked and
// keeps the bytes sent right behind CONNECT.
func (s *Server) frontHandler(engine http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.begin() {
			panic(http.ErrAbortHandler)
		}
		defer s.exchanges.Done()
		if r.Method != http.MethodConnect {
			hw := &hijackWriter{ResponseWriter: w, srv: s, authority: r.URL.Host, tunnel: true}
			engine.ServeHTTP(hw, r)
			if hw.conn != nil { // a WebSocket in clear text, which goproxy leaves open
				hw.conn.Close()
			}
			return
		}
		host, port, err := connectAuthority(r)
		if err != nil {
			s.refuseConnect(r, failure{
				http.StatusBadRequest, codeBadAuthority,
				"the target of CONNECT is not host:port.",
			}).write(w)
			return
		}
		hw := &hijackWriter{
			ResponseWriter: w, srv: s,
			authority: net.JoinHostPort(host, port), host: host, tunnel: !s.intercepts(host),
		}
		defer func() {
			if p := recover(); p != nil { // http.Server closes no hijacked connection
				s.logPanic("panic while serving CONNECT", p)
				if hw.conn != nil {
					hw.conn.Close()
				}
				panic(http.ErrAbortHandler)
			}
		}()
		engine.ServeHTTP(hw, r)
	})
}

// connectAuthority reads the target of CONNECT, which must name its port
// (RFC 9110 §9.3.6).
func connectAuthority(r *http.Request) (host, port string, err error) {
	// RequestURI, as URL.Host has lost any user information and path.
	host, port, err = arm.SplitAuthority(r.RequestURI, "")
	if err == nil && port == "" {
		err = errors.New("no port")
	}
	return host, port, err
}

// gate decides what becomes of a CONNECT: interception, tunnel or refusal.
func (s *Server) gate(_ string, ctx *goproxy.ProxyCtx) (*goproxy.ConnectAction, string) {
	host, port, err := connectAuthority(ctx.Req)
	authority := net.JoinHostPort(host, port)
	switch {
	case err != nil: // the front has answered it already
		return &goproxy.ConnectAction{Action: goproxy.ConnectReject}, authority
	case s.draining.Load():
		ctx.Resp = s.refuseConnect(ctx.Req, failure{
			http.StatusServiceUnavailable, codeDraining,
			"attribproxy is shutting down; send the request again when it is back.",
		}).response(ctx.Req)
		return &goproxy.ConnectAction{Action: goproxy.ConnectReject}, authority
	case s.intercepts(host):
		return &goproxy.ConnectAction{Action: goproxy.ConnectHijack, Hijack: s.intercept}, authority
	}
	s.metrics.tunnels.Inc()
	return &goproxy.ConnectAction{Action: goproxy.ConnectAccept}, authority
}

// refuseConnect puts a refused CONNECT on record and returns the answer.
func (s *Server) refuseConnect(r *http.Request, f failure) failure {
	s.recordRefusal(r.Context(), s.connectEvent(r.URL.Host, r.RemoteAddr), f)
	return f
}

// tunnelFailed answers a CONNECT whose target could not be reached.
func (s *Server) tunnelFailed(w io.Writer, ctx *goproxy.ProxyCtx, err error) {
	f := upstreamFailure(err, ctx.Req.URL.Host, false)
	if f.code == codeForbidden {
		s.refuseConnect(ctx.Req, f)
	} else {
		s.metrics.failures.WithLabelValues(f.code).Inc()
		s.log.Warn("tunnel could not be opened", zap.String("authority", ctx.Req.URL.Host), zap.String("code", f.code), zap.String("message", f.message))
	}
	if c, ok := w.(net.Conn); ok {
		_ = c.SetWriteDeadline(time.Now().Add(writeTimeout))
	}
	_ = f.response(ctx.Req).Write(w)
}

// notAProxyRequest answers a request that was sent to us as if we were the
// origin.
func (s *Server) notAProxyRequest(w http.ResponseWriter, _ *http.Request) {
	s.metrics.failures.WithLabelValues(codeNotAProxyCall).Inc()
	failure{
		http.StatusBadRequest, codeNotAProxyCall,
		"this is attribproxy, an HTTP proxy, and not a web server. Point HTTPS_PROXY at it; 'attribproxy env' prints what to set.",
	}.write(w)
}
