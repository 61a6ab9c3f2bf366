package proxy

import (
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// forwardHeader returns the fields of a request that go on to the origin: all
// but the hop-by-hop ones. An upgrade that the client asks for is asked for
// again. The values are shared with h.
func forwardHeader(h http.Header) http.Header {
	out := make(http.Header, len(h)+1)
	drop := hopByHop(h)
	for name, values := range h {
		if len(drop) == 0 || !slices.Contains(drop, name) {
			out[name] = values
		}
	}
	if len(drop) == 0 {
		return out
	}
	if httpguts.HeaderValuesContainsToken(h["Te"], "trailers") {
		out["Te"] = []string{"trailers"}
	}
	if up := upgradeType(h); up != "" {
		out["Connection"] = []string{"Upgrade"}
		out["Upgrade"] = []string{up}
	}
	return out
}

// upgradeType is the protocol that Connection: Upgrade asks for, or "".
func upgradeType(h http.Header) string {
	if !httpguts.HeaderValuesContainsToken(h["Connection"], "Upgrade") {
		return ""
	}
	return h.Get("Upgrade")
}

// setUserAgent sets the field as it is to be sent. Without a value the key is
// present and nil, which keeps net/http from adding a User-Agent of its own;
// several fields become one, as net/http would send the first alone.
func setUserAgent(h http.Header, values []string) {
	switch len(values) {
	case 0:
		h["User-Agent"] = nil
	case 1:
		h["User-Agent"] = values
	default:
		h["User-Agent"] = []string{strings.Join(values, " ")}
	}
}

// copyResponseHeader copies what of a response goes back to the client, and
// keeps net/http from adding fields that the origin did not send.
func copyResponseHeader(dst http.Header, resp *http.Response) {
	drop := hopByHop(resp.Header)
	for name, values := range resp.Header {
		if len(drop) == 0 || !slices.Contains(drop, name) {
			dst[name] = values
		}
	}
	for _, name := range [...]string{"Date", "Content-Type"} {
		if _, ok := dst[name]; !ok {
			dst[name] = nil
		}
	}
}

// correlation headers of ARM.
// https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling
const (
	headerClientRequestID = "X-Ms-Client-Request-Id"
	headerCorrelationID   = "X-Ms-Correlation-Request-Id"
	headerRequestID       = "X-Ms-Request-Id"
)

// maxIDLength bounds a correlation ID on record; ARM's are GUIDs, with a
// region before them at times.
const maxIDLength = 100

// correlationValue returns a correlation ID if it looks like one. Anything
// else a client puts there may be a secret and stays out of the record.
func correlationValue(h http.Header, name string) string {
	v := h[name]
	if len(v) == 0 || v[0] == "" || len(v[0]) > maxIDLength {
		return ""
	}
	for _, c := range []byte(v[0]) {
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', strings.IndexByte("-_.:{}", c) >= 0:
		default:
			return ""
		}
	}
	return v[0]
}

// hopByHopHeaders concern one connection only (RFC 9110 §7.6.1), with the
// two that are not in the standard but are in use.
var hopByHopHeaders = [...]string{
	"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// hopByHop returns the canonical names in h that end at this hop: the known
// ones and those that Connection lists.
func hopByHop(h http.Header) []string {
	var names []string
	for _, v := range h["Connection"] {
		for name := range strings.SplitSeq(v, ",") {
			if name = http.CanonicalHeaderKey(strings.TrimSpace(name)); name != "" {
				names = append(names, name)
			}
		}
	}
	for _, name := range hopByHopHeaders {
		if _, ok := h[name]; ok {
			names = append(names, name)
		}
	}
	return names
}
