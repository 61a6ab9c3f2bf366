package fakecloud

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"time"
)

// Request is one request exactly as it arrived, apart from the order and the
// letter case of header names, which HTTP gives no meaning.
type Request struct {
	Time       time.Time // when its head was read
	Method     string
	Host       string      // the Host field or :authority
	RequestURI string      // the request target, never re-encoded
	Proto      string      // "HTTP/1.1" or "HTTP/2.0"
	Header     http.Header // all fields but Host; a field sent twice has two values
	// Body is the body without its transfer coding. It is what had arrived when
	// a client broke off.
	Body             []byte
	ContentLength    int64 // as announced, -1 for unknown
	TransferEncoding []string
	Trailer          http.Header
	SNI              string // the name in the ClientHello, "" for none
	RemoteAddr       string
	BodyErr          error // why the body could not be read to its end

	// Status and RequestID (x-ms-request-id, ARM only) are what was answered;
	// zero until then.
	Status    int
	RequestID string
}

// Requests gives everything received so far, in the order of arrival of the
// last byte.
func (c *Cloud) Requests() []Request {
	c.logMu.Lock()
	defer c.logMu.Unlock()
	out := make([]Request, len(c.requests))
	for i, r := range c.requests {
		out[i] = *r
	}
	return out
}

// Wait returns when at least n requests for which keep is true (nil: any)
// came in, or gives the context's error.
func (c *Cloud) Wait(ctx context.Context, n int, keep func(Request) bool) ([]Request, error) {
	for {
		c.logMu.Lock()
		var got []Request
		for _, r := range c.requests {
			if keep == nil || keep(*r) {
				got = append(got, *r)
			}
		}
		changed := c.changed
		c.logMu.Unlock()
		if len(got) >= n {
			return got, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return got, ctx.Err()
		}
	}
}

// Reset forgets the requests and all that they created, so that one fake cloud
// serves several runs of a client one after the other. Hooks stay.
func (c *Cloud) Reset() {
	c.logMu.Lock()
	c.requests = nil
	c.logMu.Unlock()
	c.mu.Lock()
	c.state = newState()
	c.mu.Unlock()
}

// record reads the body and keeps the request.
func (c *Cloud) record(r *http.Request) *Request {
	rec := &Request{
		Time: c.opts.Now(), Method: r.Method, Host: r.Host, RequestURI: r.RequestURI, Proto: r.Proto,
		Header: r.Header.Clone(), ContentLength: r.ContentLength,
		TransferEncoding: slices.Clone(r.TransferEncoding), RemoteAddr: r.RemoteAddr,
	}
	if r.TLS != nil {
		rec.SNI = r.TLS.ServerName
	}
	rec.Body, rec.BodyErr = io.ReadAll(r.Body)
	rec.Trailer = r.Trailer.Clone()
	r.Body = io.NopCloser(bytes.NewReader(rec.Body))
	c.logMu.Lock()
	c.requests = append(c.requests, rec)
	close(c.changed)
	c.changed = make(chan struct{})
	c.logMu.Unlock()
	return rec
}

// answered notes the answer beside the request.
func (c *Cloud) answered(rec *Request, status int, h http.Header) {
	c.logMu.Lock()
	defer c.logMu.Unlock()
	rec.Status, rec.RequestID = status, h.Get("X-Ms-Request-Id")
}
