package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/attribproxy/attribproxy/arm"
	"github.com/attribproxy/attribproxy/attribution"
	"github.com/attribproxy/attribproxy/audit"
)

// bodyLook looks at a request body as it streams by: what markers a template
// holds, what writes a batch carries. It keeps those and nothing else.
type bodyLook struct {
	mu       sync.Mutex // the transport may still read when the event is made
	template *arm.TemplateScanner
	batch    *arm.BatchScanner
	broken   func(any) // is told of a panic
}

// lookAt gives the look at the request's body; nil where nothing is looked for.
func (x *exchange) lookAt() *bodyLook {
	template := x.target.TakesTemplate(x.r.Method)
	batch := x.target.Operation == arm.OperationBatch
	if !template && !batch || encoded(x.r.Header) {
		return nil
	}
	l := &bodyLook{broken: func(p any) { x.s.logPanic("panic while looking at a body, which went on all the same", p) }}
	if template {
		l.template = arm.NewTemplateScanner()
	} else {
		l.batch = arm.NewBatchScanner()
	}
	return l
}

// encoded reports whether a body cannot be read as it stands.
func encoded(h http.Header) bool {
	for _, v := range h["Content-Encoding"] {
		if v = strings.TrimSpace(v); v != "" && !strings.EqualFold(v, "identity") {
			return true
		}
	}
	return false
}

// see looks at the next piece. Whatever is wrong in it must not cost the
// request: this runs in the transport's goroutine.
func (l *bodyLook) see(p []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer func() {
		if v := recover(); v != nil {
			l.template, l.batch = nil, nil
			l.broken(v)
		}
	}()
	switch {
	case l.template != nil:
		_, _ = l.template.Write(p)
	case l.batch != nil:
		_, _ = l.batch.Write(p)
	}
}

// looked puts what was seen of the body into the event, and gives the events of
// the writes inside of a batch.
func (x *exchange) looked() []audit.Event {
	if x.up == nil || x.up.look == nil {
		if x.event.Outcome == string(attribution.OutcomeBatch) && encoded(x.r.Header) {
			x.event.Reason += "; its body is encoded and was not looked at"
		}
		return nil
	}
	l := x.up.look
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.template != nil:
		r := l.template.Result()
		x.event.TemplateIDs = r.IDs
		if !r.Complete && x.up.ended.Load() {
			x.event.Reason += "; its template could not be looked at to the end"
		}
	case l.batch != nil:
		r := l.batch.Result()
		x.event.Reason += carried(r)
		return x.innerEvents(r.Writes)
	}
	return nil
}

// carried says how many writes a batch held.
func carried(r arm.BatchResult) string {
	all := len(r.Writes) + r.Omitted
	if all == 0 && !r.Complete {
		return ""
	}
	least, noun, on := "", "writes", ""
	if !r.Complete {
		least = "at least "
	}
	if all == 1 {
		noun = "write"
	}
	if r.Omitted > 0 {
		on = fmt.Sprintf(", of which %d are on record", len(r.Writes))
	}
	return fmt.Sprintf("; it carried %s%d %s%s", least, all, noun, on)
}

// innerEvents are the events of the writes inside of a batch. They have no
// status, as ARM's answers to them stand in a body, which is not looked at;
// but if ARM refused the batch, that was the answer to each.
func (x *exchange) innerEvents(writes []arm.BatchWrite) []audit.Event {
	events := make([]audit.Event, 0, len(writes))
	status := x.event.Status
	if status >= 200 && status <= 299 {
		status = 0
	}
	for _, w := range writes {
		outer := &x.event
		t := w.Target
		events = append(events, audit.Event{
			Time: outer.Time, Kind: audit.KindRequest,
			Outcome: string(attribution.OutcomeBatch), Reason: "carried inside a batch, whose body is never changed",
			Mode: outer.Mode, Method: w.Method, Host: outer.Host, Path: t.Path, APIVersion: t.APIVersion,
			Scope: string(t.Scope), Subscription: t.Subscription, ResourceGroup: t.ResourceGroup,
			ResourceType: t.ResourceType, ResourceName: t.ResourceName, Deployment: t.Deployment,
			Tool: outer.Tool, Client: outer.Client, Process: outer.Process, Labels: outer.Labels,
			ClientRequestID: outer.ClientRequestID, CorrelationID: outer.CorrelationID, RequestID: outer.RequestID,
			Status: status, Error: outer.Error, ConfigHash: outer.ConfigHash,
		})
	}
	return events
}

// receipts are as safe as the least of them.
type receipts []audit.Receipt

// Wait implements audit.Receipt.
func (r receipts) Wait(ctx context.Context) error {
	var failed []error
	for _, one := range r {
		if err := one.Wait(ctx); err != nil {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}
