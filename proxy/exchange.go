package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/attribproxy/attribproxy/arm"
	"github.com/attribproxy/attribproxy/attribution"
	"github.com/attribproxy/attribproxy/audit"
)

// exchange is one request inside an intercepted connection, from its head to
// the event that says what became of it.
type exchange struct {
	s    *Server
	w    http.ResponseWriter
	r    *http.Request
	conn *clientConn

	target   arm.Target
	decision attribution.Decision
	event    audit.Event
	recorded bool // the method is one that is put on record
	settled  bool // the event has been recorded
	headSent bool
	up       *countedBody // nil without a request body
	down     int64        // body bytes for the client
}

// recordedMethod tells which methods are put on record; reads are counted in
// metrics alone.
func recordedMethod(method string) bool {
	switch method {
	case http.MethodPut, http.MethodPatch, http.MethodPost, http.MethodDelete:
		return true
	}
	return false
}

// serveIntercepted is the handler of the inner server.
func (s *Server) serveIntercepted(w http.ResponseWriter, r *http.Request) {
	conn, ok := r.Context().Value(connKey{}).(*clientConn)
	if !ok { // only without our ConnContext, which newInnerServer always sets
		panic(http.ErrAbortHandler)
	}
	conn.requests.Add(1)
	if !s.begin() {
		panic(http.ErrAbortHandler)
	}
	defer s.exchanges.Done()
	x := &exchange{s: s, w: w, r: r, conn: conn, recorded: recordedMethod(r.Method), event: audit.Event{
		Time: s.opts.Now(), Kind: audit.KindRequest, Method: r.Method, Host: conn.host, Client: clientIP(r.RemoteAddr),
	}}
	defer x.recover()
	x.serve()
}

func (x *exchange) serve() {
	if why := x.misdirected(); why != "" {
		x.refuse(failure{
			http.StatusMisdirectedRequest, codeMisdirected,
			why + ". Open a connection of its own for each host.",
		})
		return
	}
	if x.r.Method == http.MethodConnect {
		x.refuse(failure{
			http.StatusMethodNotAllowed, codeMethod,
			"CONNECT is not possible inside a connection to Azure Resource Manager.",
		})
		return
	}
	target := requestTarget(x.r)
	if x.recorded {
		x.decide(target)
		if err := x.s.opts.Recorder.Intent(x.r.Context(), &x.event); err != nil {
			x.refuse(failure{
				http.StatusServiceUnavailable, codeJournal,
				"attribproxy cannot write its audit journal and has sent nothing, as audit.guarantee is strict. Make room or repair the disk, and send the request again.",
			})
			return
		}
	}
	x.forward(target)
}

// misdirected compares the three names a request goes by: that of CONNECT,
// the SNI where one was sent, and the inner authority. A difference would let
// a client reach another host under the rules and the record of this one.
func (x *exchange) misdirected() string {
	if sni := x.r.TLS.ServerName; sni != "" && sni != x.conn.host {
		if n, err := arm.NormalizeHost(sni); err != nil || n != x.conn.host {
			return "the TLS server name is not the host of CONNECT, " + x.conn.host
		}
	}
	// HTTP/1.0 may come without a Host; there is nothing to contradict then.
	if h := x.r.Host; h != "" && h+":"+httpsPort != x.conn.authority && !arm.SameAuthority(h, x.conn.authority, httpsPort) {
		return "the Host of the request is not the host of CONNECT, " + x.conn.authority
	}
	return ""
}

// describe puts into the event what is known of the request.
func (x *exchange) describe(target string, rules *Rules) {
	x.conn.findProcess()
	x.target = arm.ParseTarget(x.r.Method, target)
	t := &x.target
	e := &x.event
	e.Path, e.APIVersion = t.Path, t.APIVersion
	e.Scope, e.Subscription, e.ResourceGroup = string(t.Scope), t.Subscription, t.ResourceGroup
	e.ResourceType, e.ResourceName, e.Deployment = t.ResourceType, t.ResourceName, t.Deployment
	e.UAIn = strings.Join(x.r.Header["User-Agent"], " ")
	e.ClientRequestID = correlationValue(x.r.Header, headerClientRequestID)
	e.CorrelationID = correlationValue(x.r.Header, headerCorrelationID)
	e.Mode, e.Labels, e.ConfigHash = string(rules.Mode), rules.Labels, rules.ConfigHash
}

// decide asks the rules and puts the decision into the event.
func (x *exchange) decide(target string) {
	rules := x.s.opts.Rules()
	x.describe(target, rules)
	x.decision = rules.Policy.Decide(attribution.Facts{
		Method: x.r.Method, Host: x.conn.host, Target: x.target, UserAgent: x.r.Header["User-Agent"],
	})
	d, e := &x.decision, &x.event
	e.Outcome, e.Reason, e.Rule, e.IDs, e.Tool = string(d.Outcome), d.Reason, d.Rule, d.IDs, d.Tool
	if d.Rewrite {
		e.UAOut = d.UserAgent
	}
	if len(d.Conflicts) > 0 {
		x.s.log.Warn("another tracking ID was there already; perhaps only one is read",
			zap.String("rule", d.Rule), zap.Strings("ids", d.IDs), zap.Strings("other", d.Conflicts), zap.String("path", e.Path))
	}
}

// settle records the event, once. status is ARM's, 0 when it gave none;
// problem is one of our codes or "". The returned receipt is nil when there
// is nothing to wait for.
func (x *exchange) settle(status int, problem string) audit.Receipt {
	if x.settled {
		return nil
	}
	x.settled = true
	took := x.s.opts.Now().Sub(x.event.Time)
	x.s.metrics.request(x, status, took)
	if !x.recorded {
		return nil
	}
	e := &x.event
	e.Status, e.Error = status, problem
	e.DurationMS = float64(took.Microseconds()) / 1000
	e.BytesDown = x.down
	if x.up != nil {
		e.BytesUp = x.up.n.Load()
	}
	e.Process = x.conn.processName()
	inner := x.looked()
	first := x.s.record(*e)
	if len(inner) == 0 {
		return first
	}
	all := receipts{first}
	for _, e := range inner {
		all = append(all, x.s.record(e))
	}
	return all
}

// settleAndWait records the event and waits until it is safe.
func (x *exchange) settleAndWait(status int, problem string) {
	if receipt := x.settle(status, problem); receipt != nil {
		x.s.await(x.r.Context(), receipt)
	}
}

// refuse answers with a refusal of ours, which is on record whatever the
// method.
func (x *exchange) refuse(f failure) {
	x.recorded = true
	if x.event.Path == "" {
		x.describe(requestTarget(x.r), x.s.opts.Rules())
		x.event.Tool = arm.RecognizeTool(x.event.UAIn)
	}
	x.event.Outcome, x.event.Reason = string(attribution.OutcomeRejected), f.message
	x.event.Rule, x.event.IDs, x.event.UAOut = "", nil, ""
	x.fail(f)
}

// fail answers with f once the event is safe.
func (x *exchange) fail(f failure) {
	x.s.metrics.failures.WithLabelValues(f.code).Inc()
	x.s.log.Warn("request not answered by ARM", zap.String("code", f.code), zap.String("method", x.r.Method), zap.String("host", x.conn.host), zap.String("message", f.message))
	x.settleAndWait(0, f.code)
	x.headSent = true
	clear(x.w.Header())
	x.answerEarly()
	f.write(x.w)
}

// answerEarly lets an answer out although the client may still be sending:
// net/http would first read the rest of the body. That is right for a short
// one, as it saves the connection. Of a longer one the end may be far, and
// the connection is of no use after the answer.
func (x *exchange) answerEarly() {
	const short = 64 << 10
	if x.r.ProtoMajor != 1 || !x.uploading() || x.r.ContentLength > 0 && x.r.ContentLength <= short {
		return
	}
	_ = http.NewResponseController(x.w).EnableFullDuplex()
	x.w.Header()["Connection"] = []string{"close"}
}

// uploading reports whether the end of the request body is yet to be read.
func (x *exchange) uploading() bool {
	if x.up != nil {
		return !x.up.ended.Load()
	}
	return x.r.ContentLength != 0
}

// abort cuts the response: its head is out and its body cannot be completed.
func (x *exchange) abort(status int, problem string) {
	x.settle(status, problem)
	panic(http.ErrAbortHandler)
}

// recover keeps a panic from costing more than this request.
func (x *exchange) recover() {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler { //nolint:errorlint // the sentinel is compared as net/http does
		panic(p)
	}
	x.s.logPanic("panic while serving a request", p)
	if x.event.Outcome == "" {
		x.event.Outcome, x.event.Reason = string(attribution.OutcomeRejected), "attribproxy failed before the rules were asked"
	}
	if x.headSent {
		x.abort(0, codeInternal)
	}
	x.fail(failure{http.StatusInternalServerError, codeInternal, "attribproxy failed on this request; its log says where. Other requests are not affected."})
}

// logPanic counts and logs a panic. Its value may hold anything, so that only
// a runtime error's words are logged.
func (s *Server) logPanic(where string, p any) {
	what := "a value"
	var re runtime.Error
	if err, ok := p.(error); ok && errors.As(err, &re) {
		what = re.Error()
	}
	s.metrics.panics.Inc()
	s.log.Error(where, zap.String("panic", what), zap.ByteString("stack", debug.Stack()))
}

// record sends an event to the recorder and the log.
func (s *Server) record(e audit.Event) audit.Receipt {
	if ce := s.log.Check(zap.InfoLevel, "write"); ce != nil {
		ce.Write(zap.Inline(&e))
	}
	return s.opts.Recorder.Record(e)
}

// connectEvent begins an event for what happens outside of an intercepted
// connection.
func (s *Server) connectEvent(authority, client string) audit.Event {
	rules := s.opts.Rules()
	host, _, err := arm.SplitAuthority(authority, httpsPort)
	if err != nil {
		host = "" // it may be anything
	}
	return audit.Event{
		Time: s.opts.Now(), Kind: audit.KindRequest, Method: http.MethodConnect, Host: host, Client: clientIP(client),
		Mode: string(rules.Mode), Labels: rules.Labels, ConfigHash: rules.ConfigHash,
	}
}

// recordRefusal records e as refused with f, and waits until that is safe.
func (s *Server) recordRefusal(ctx context.Context, e audit.Event, f failure) {
	e.Outcome, e.Reason, e.Error = string(attribution.OutcomeRejected), f.message, f.code
	s.metrics.failures.WithLabelValues(f.code).Inc()
	s.await(ctx, s.record(e))
}

// await waits until an event is as safe as the journal's guarantee asks. A
// loss is the journal's to report; the answer goes out all the same.
func (s *Server) await(ctx context.Context, r audit.Receipt) {
	if err := r.Wait(ctx); err != nil && ctx.Err() == nil {
		s.metrics.unrecorded.Inc()
	}
}

// clientIP is a client's address without its port; IPv4 addresses without the
// IPv6 form that a dual-stack listener gives them.
func clientIP(remote string) string {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return ""
	}
	return ap.Addr().Unmap().String()
}

// countedBody counts a request body as it leaves, and remembers whether it
// was begun, came to its end, or broke by a fault of the client's: one that
// went away or one that sent what is no body.
type countedBody struct {
	io.ReadCloser
	n                           atomic.Int64
	begun, ended, gone, garbled atomic.Bool

	// Where the client waits for 100 Continue: the origin began to answer
	// without having said it, and the end of the exchange. The transport
	// would send the body all the same to keep its connection.
	answered atomic.Bool
	over     <-chan struct{}

	look *bodyLook // nil where nobody looks
}

func (b *countedBody) Read(p []byte) (int, error) {
	if b.answered.Load() && !b.begun.Load() {
		<-b.over
		return 0, errAnswered
	}
	n, err := b.ReadCloser.Read(p)
	b.n.Add(int64(n))
	b.begun.Store(true)
	if n > 0 && b.look != nil {
		b.look.see(p[:n])
	}
	var netErr net.Error
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		b.ended.Store(true)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &netErr):
		b.gone.Store(true)
	case errors.Is(err, http.ErrBodyReadAfterClose): // the answer is out
	default:
		b.garbled.Store(true)
	}
	return n, err
}

// errAnswered keeps a body with a client that has its answer already.
var errAnswered = errors.New("answered without the body")

// cancelled reports whether the client went away.
func (x *exchange) cancelled() bool {
	return x.r.Context().Err() != nil || x.up != nil && x.up.gone.Load()
}
