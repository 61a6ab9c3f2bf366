package proxy

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// requestTarget is the target of a request in origin form, exactly as it was
// on the wire.
func requestTarget(r *http.Request) string {
	t := r.RequestURI
	if strings.HasPrefix(t, "/") || t == "*" {
		return t
	}
	// Absolute form, which a server must accept (RFC 9112 §3.2.2).
	_, rest, ok := strings.Cut(t, "://")
	if !ok {
		return r.URL.RequestURI()
	}
	i := strings.IndexAny(rest, "/?")
	switch {
	case i < 0:
		return "/"
	case rest[i] == '?':
		return "/" + rest[i:]
	}
	return rest[i:]
}

// upstreamURL builds the URL that makes net/http send target as it is. URL
// re-encodes what it does not like in a path (|, [, ]) unless the path is
// opaque; an opaque one must not begin with //, so those take the other way.
func upstreamURL(authority, target string, parsed *url.URL) *url.URL {
	path, query, hasQuery := strings.Cut(target, "?")
	u := &url.URL{Scheme: "https", Host: strings.TrimSuffix(authority, ":"+httpsPort), RawQuery: query, ForceQuery: hasQuery && query == ""}
	if strings.HasPrefix(path, "//") {
		u.Path, u.RawPath = parsed.Path, parsed.RawPath
	} else {
		u.Opaque = path
	}
	return u
}

// forward sends the request on and the response back.
func (x *exchange) forward(target string) {
	out := x.outgoing(target)
	ctx, cancel := context.WithCancel(x.r.Context())
	defer cancel()
	informational := &informational{x: x}
	var sent atomic.Bool
	trace := &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }, Got1xxResponse: informational.pass}
	if x.up != nil && x.r.Header.Get("Expect") != "" {
		x.up.over = ctx.Done()
		trace.GotFirstResponseByte = func() { x.up.answered.Store(true) }
		trace.Got100Continue = func() { x.up.answered.Store(false) }
	}
	ctx = httptrace.WithClientTrace(ctx, trace)
	resp, err := x.s.transport.RoundTrip(out.WithContext(ctx))
	informational.stop()
	if err != nil {
		x.upstreamFailed(err, sent.Load())
		return
	}
	defer resp.Body.Close()
	if id := correlationValue(resp.Header, headerCorrelationID); id != "" {
		x.event.CorrelationID = id
	}
	x.event.RequestID = correlationValue(resp.Header, headerRequestID)
	if resp.StatusCode == http.StatusSwitchingProtocols {
		x.upgrade(out, resp)
		return
	}
	x.respond(resp)
}

// outgoing builds the request for the origin: the client's, with the
// User-Agent decided upon and without the hop-by-hop fields.
func (x *exchange) outgoing(target string) *http.Request {
	out := new(http.Request)
	*out = *x.r
	out.RequestURI = ""
	out.URL = upstreamURL(x.conn.authority, target, x.r.URL)
	if out.Host == "" {
		out.Host = out.URL.Host
	}
	out.Header = forwardHeader(x.r.Header)
	if x.decision.Rewrite {
		out.Header["User-Agent"] = []string{x.decision.UserAgent}
	} else {
		setUserAgent(out.Header, x.r.Header["User-Agent"])
	}
	out.Close, out.TransferEncoding = false, nil
	if x.r.ContentLength == 0 || x.r.Body == nil || x.r.Body == http.NoBody {
		out.Body = http.NoBody
	} else {
		x.up = &countedBody{ReadCloser: x.r.Body, look: x.lookAt()}
		out.Body = x.up
	}
	// Trailer is one map for both requests: its values arrive only when the
	// body has been read. Trailers need chunks.
	if len(x.r.Trailer) > 0 {
		out.ContentLength = -1
	}
	switch {
	case out.ContentLength < 0:
		out.TransferEncoding = []string{"chunked"} // or net/http first waits to see whether a DELETE has a body
	case out.Body == http.NoBody && len(x.r.Header["Content-Length"]) > 0:
		out.TransferEncoding = []string{"identity"} // or net/http drops the Content-Length: 0 of a DELETE
	}
	return out
}

// upstreamFailed answers for an origin that gave no response.
func (x *exchange) upstreamFailed(err error, sent bool) {
	switch {
	case x.cancelled():
		// Nobody is there to be answered; the record says what happened.
		x.abort(0, codeCancelled)
	case x.up != nil && x.up.garbled.Load():
		x.fail(failure{http.StatusBadRequest, codeBadRequest, "the body of the request could not be read to its end."})
	default:
		f := upstreamFailure(err, x.conn.authority, sent)
		if f.code == codeForbidden {
			x.refuse(f)
			return
		}
		x.fail(f)
	}
}

// informational passes 1xx responses on, as long as the round trip lasts. Not
// 100 Continue: the transport reads the body when the origin has said it, and
// the first read makes net/http say it to the client. Saying it here as well
// would be a second time and a race for the connection, as would be any other
// 1xx at that moment: those are dropped.
type informational struct {
	mu   sync.Mutex
	x    *exchange
	over bool
}

func (i *informational) pass(code int, header textproto.MIMEHeader) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	expecting := false
	if up := i.x.up; up != nil {
		up.answered.Store(false)
		expecting = up.over != nil && !up.begun.Load()
	}
	if i.over || code == http.StatusContinue || expecting || !i.x.r.ProtoAtLeast(1, 1) {
		return nil
	}
	h := i.x.w.Header()
	for name, values := range header {
		h[name] = values
	}
	i.x.w.WriteHeader(code)
	clear(h)
	return nil
}

func (i *informational) stop() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.over = true
}

// copyBuffers are shared by all responses.
var copyBuffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// respond sends the response to the client and holds its end until the event
// is safe, so that a client that has its answer has its record.
func (x *exchange) respond(resp *http.Response) {
	h := x.w.Header()
	copyResponseHeader(h, resp)
	for name := range resp.Trailer {
		h.Add("Trailer", name)
	}
	x.answerEarly()
	switch {
	case x.r.Method == http.MethodHead, resp.StatusCode == http.StatusNoContent,
		resp.StatusCode == http.StatusNotModified, resp.ContentLength == 0:
		x.settleAndWait(resp.StatusCode, "")
		x.writeHead(resp.StatusCode)
	case resp.ContentLength > 0:
		x.copyBody(resp, resp.ContentLength)
	default:
		x.copyUnknown(resp)
	}
}

func (x *exchange) writeHead(status int) {
	x.headSent = true
	x.w.WriteHeader(status)
}

// copyUnknown copies a body whose end only its end shows, and holds that:
// the caller's return is what sends it.
func (x *exchange) copyUnknown(resp *http.Response) {
	h := x.w.Header()
	if x.r.ProtoMajor == 1 && x.r.ProtoMinor > 0 {
		h["Transfer-Encoding"] = []string{"chunked"} // as it came; net/http would give a small body a Content-Length
	}
	announced := maps.Clone(resp.Trailer)
	x.copyBody(resp, -1)
	x.settleAndWait(resp.StatusCode, "")
	if len(resp.Trailer) > 0 {
		// Chunking must have begun, or net/http computes a length and drops
		// the trailers.
		_ = http.NewResponseController(x.w).Flush()
	}
	for name, values := range resp.Trailer {
		if _, ok := announced[name]; !ok {
			name = http.TrailerPrefix + name
		}
		h[name] = values
	}
}

// headPatience is how long the head of a response waits for the first bytes
// of its body, so that both go out in one write.
const headPatience = 5 * time.Millisecond

// firstRead reads the first bytes of a body. The head goes out without them
// when they take their time.
func firstRead(body io.Reader, buf []byte, w *http.ResponseController) (int, error) {
	var mu sync.Mutex
	arrived := false
	timer := time.AfterFunc(headPatience, func() {
		mu.Lock()
		defer mu.Unlock()
		if !arrived {
			_ = w.Flush()
		}
	})
	defer timer.Stop()
	n, err := body.Read(buf)
	mu.Lock()
	defer mu.Unlock()
	arrived = true
	return n, err
}

// copyBody copies what comes as it comes, and holds the final buffer where
// length tells it; -1 is an unknown length.
func (x *exchange) copyBody(resp *http.Response, length int64) {
	buf := copyBuffers.Get().(*[32 << 10]byte)
	defer copyBuffers.Put(buf)
	flusher := http.NewResponseController(x.w)
	x.writeHead(resp.StatusCode)
	for first := true; ; first = false {
		var n int
		var readErr error
		if first {
			n, readErr = firstRead(resp.Body, buf[:], flusher)
		} else {
			n, readErr = resp.Body.Read(buf[:])
		}
		x.down += int64(n)
		complete := length >= 0 && x.down >= length
		if complete {
			x.settleAndWait(resp.StatusCode, "")
		}
		if n > 0 {
			if _, err := x.w.Write(buf[:n]); err != nil {
				x.abort(resp.StatusCode, codeCancelled)
			}
		}
		switch {
		case complete, readErr != nil && errors.Is(readErr, io.EOF) && length < 0:
			return
		case readErr != nil:
			x.responseBroken(resp.StatusCode, readErr)
		}
		if err := flusher.Flush(); err != nil {
			x.abort(resp.StatusCode, codeCancelled)
		}
	}
}

// responseBroken ends a response that upstream did not complete.
func (x *exchange) responseBroken(status int, err error) {
	code := codeResponseBroken
	if x.cancelled() || errors.Is(err, context.Canceled) {
		code = codeCancelled
	} else {
		x.s.metrics.failures.WithLabelValues(code).Inc()
	}
	x.abort(status, code)
}
