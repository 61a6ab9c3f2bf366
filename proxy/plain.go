package proxy

import (
	"errors"
	"io"
	"net/http"

	"github.com/elazarl/goproxy"
	"go.uber.org/zap"

	"github.com/attribproxy/attribproxy/arm"
)

// plainRequest looks at a request that came to the proxy in absolute form,
// outside of any tunnel. Plain HTTP to an intercepted host would carry a
// token in clear text and is refused; for other hosts it passes.
func (s *Server) plainRequest(r *http.Request, ctx *goproxy.ProxyCtx) (*http.Request, *http.Response) {
	host, port, err := arm.SplitAuthority(r.URL.Host, "80")
	refuse := func(f failure) (*http.Request, *http.Response) {
		e := s.connectEvent(r.URL.Host, r.RemoteAddr)
		e.Method, e.Path = r.Method, r.URL.EscapedPath()
		s.recordRefusal(r.Context(), e, f)
		return r, f.response(r)
	}
	switch {
	case err != nil:
		return refuse(failure{http.StatusBadRequest, codeBadAuthority, "the request names no usable host."})
	case s.intercepts(host):
		return refuse(failure{
			http.StatusForbidden, codePlainHTTP,
			"attribproxy does not send requests for " + host + " without TLS: a token would travel in clear text. Use https:// and set HTTPS_PROXY.",
		})
	case r.URL.Scheme != "http":
		return refuse(failure{
			http.StatusBadRequest, codeBadRequest,
			"attribproxy forwards http:// requests only; https:// goes through CONNECT.",
		})
	case s.draining.Load():
		return r, failure{http.StatusServiceUnavailable, codeDraining, "attribproxy is shutting down."}.response(r)
	}
	if p := s.opts.Upstream.Proxy; p != nil && arm.SameAuthority(r.URL.Host, canonicalAuthority(p), "80") {
		return refuse(failure{http.StatusForbidden, codeForbidden, "attribproxy does not take requests to its own upstream proxy, port " + port + "."})
	}
	s.metrics.plain.Inc()
	r.Header = forwardHeader(r.Header)
	setUserAgent(r.Header, r.Header["User-Agent"])
	ctx.RoundTripper = goproxy.RoundTripperFunc(s.plainRoundTrip)
	return r, nil
}

// plainRoundTrip marks the body of a response so that one cut short by the
// origin is cut for the client too: goproxy would end it as if it were whole.
func (s *Server) plainRoundTrip(r *http.Request, _ *goproxy.ProxyCtx) (*http.Response, error) {
	resp, err := s.plain.RoundTrip(r)
	if err == nil && resp.StatusCode != http.StatusSwitchingProtocols {
		resp.Body = cutBody{resp.Body}
	}
	return resp, err
}

// cutBody ends the handler that reads it, and with it the client's connection,
// when the body breaks.
type cutBody struct{ io.ReadCloser }

func (b cutBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		panic(http.ErrAbortHandler)
	}
	return n, err
}

// plainResponse answers a plain request whose origin did not.
func (s *Server) plainResponse(resp *http.Response, ctx *goproxy.ProxyCtx) *http.Response {
	switch {
	case resp == nil:
		f := upstreamFailure(ctx.Error, ctx.Req.URL.Host, true)
		s.log.Warn("plain request failed", zap.String("authority", ctx.Req.URL.Host), zap.String("code", f.code))
		if f.code == codeForbidden {
			s.recordRefusal(ctx.Req.Context(), s.connectEvent(ctx.Req.URL.Host, ctx.Req.RemoteAddr), f)
		} else {
			s.metrics.failures.WithLabelValues(f.code).Inc()
		}
		return f.response(ctx.Req)
	case ctx.RoundTripper == nil: // a refusal of ours
	case resp.StatusCode != http.StatusSwitchingProtocols:
		h := make(http.Header, len(resp.Header)+2)
		copyResponseHeader(h, resp)
		resp.Header = h
	}
	return resp
}
