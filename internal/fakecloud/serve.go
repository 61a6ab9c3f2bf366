package fakecloud

import (
	"compress/gzip"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// serve records a request, gives hooks their turn and answers as the host that
// it is for.
func (c *Cloud) serve(w http.ResponseWriter, r *http.Request) {
	rec := c.record(r)
	if rec.BodyErr != nil {
		return // the client broke off
	}
	host := canonicalHost(r.Host)
	arm := c.IsARM(host)
	if arm {
		c.requestIDs(w.Header(), r)
	}
	zw := &zipped{ResponseWriter: w, on: wantsGzip(r), sending: func(status int) { c.answered(rec, status, w.Header()) }}
	defer zw.finish()
	switch {
	case c.hooked(*rec, zw, r):
	case arm:
		c.serveARM(zw, r)
	case slices.Contains(signInHosts, host):
		c.serveSignIn(zw, r)
	default:
		status := http.StatusOK
		if r.Method == http.MethodPut {
			status = http.StatusCreated
		}
		writeJSON(zw, status, object{"host": host, "method": r.Method})
	}
}

// requestIDs sets the fields by which ARM's support finds a request.
// https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling
func (c *Cloud) requestIDs(h http.Header, r *http.Request) {
	correlation := r.Header.Get("X-Ms-Correlation-Request-Id")
	if correlation == "" {
		correlation = uuid.NewString()
	}
	request := uuid.NewString()
	h.Set("X-Ms-Request-Id", request)
	h.Set("X-Ms-Correlation-Request-Id", correlation)
	h.Set("X-Ms-Routing-Request-Id", "FAKECLOUD:"+c.opts.Now().UTC().Format("20060102T150405Z")+":"+request)
	if id := r.Header.Get("X-Ms-Client-Request-Id"); id != "" && strings.EqualFold(r.Header.Get("X-Ms-Return-Client-Request-Id"), "true") {
		h.Set("X-Ms-Client-Request-Id", id)
	}
	kind := "writes"
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		kind = "reads"
	case http.MethodDelete:
		kind = "deletes"
	}
	h.Set("X-Ms-Ratelimit-Remaining-Subscription-"+kind, "1199")
	h.Set("Cache-Control", "no-cache")
	h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	h.Set("X-Content-Type-Options", "nosniff")
}

type object = map[string]any

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // only our own values get here
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// writeError answers in the shape of
// https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors
func writeError(w http.ResponseWriter, status int, code, message string) {
	writeJSON(w, status, object{"error": object{"code": code, "message": message}})
}

// wantsGzip reports whether the client accepts gzip (RFC 9110, section 12.5.3).
func wantsGzip(r *http.Request) bool {
	for _, field := range r.Header.Values("Accept-Encoding") {
		for item := range strings.SplitSeq(field, ",") {
			coding, params, _ := strings.Cut(item, ";")
			if !strings.EqualFold(strings.TrimSpace(coding), "gzip") {
				continue
			}
			q, ok := strings.CutPrefix(strings.TrimSpace(params), "q=")
			weight, err := strconv.ParseFloat(q, 64)
			return !ok || err != nil || weight > 0
		}
	}
	return false
}

// zipped compresses an answer with a body when the client asked for it, as ARM
// does. It holds the head until it knows that there is a body.
type zipped struct {
	http.ResponseWriter
	on     bool
	status int // announced, not yet sent; 0 for none
	sent   bool
	gz     *gzip.Writer

	sending func(status int) // called just before the head goes out
}

func (z *zipped) WriteHeader(status int) {
	switch {
	case status < 200:
		z.ResponseWriter.WriteHeader(status)
	case z.status == 0 && !z.sent:
		z.status = status
	}
}

func (z *zipped) send(body bool) {
	if z.sent {
		return
	}
	z.sent = true
	h := z.Header()
	z.on = z.on && body && h.Get("Content-Encoding") == "" && h.Get("Content-Length") == ""
	if z.on {
		h.Set("Content-Encoding", "gzip")
		h.Add("Vary", "Accept-Encoding")
		z.gz = gzip.NewWriter(z.ResponseWriter)
	}
	if z.status == 0 {
		z.status = http.StatusOK
	}
	z.sending(z.status)
	z.ResponseWriter.WriteHeader(z.status)
}

func (z *zipped) Write(p []byte) (int, error) {
	z.send(true)
	if z.on {
		return z.gz.Write(p)
	}
	return z.ResponseWriter.Write(p)
}

// FlushError serves http.ResponseController.
func (z *zipped) FlushError() error {
	z.send(true)
	if z.on {
		if err := z.gz.Flush(); err != nil {
			return err
		}
	}
	return http.NewResponseController(z.ResponseWriter).Flush()
}

// Unwrap lets http.ResponseController reach the connection.
func (z *zipped) Unwrap() http.ResponseWriter { return z.ResponseWriter }

func (z *zipped) finish() {
	z.send(false)
	if z.gz != nil {
		_ = z.gz.Close() // a client that has gone is its own business
	}
}
