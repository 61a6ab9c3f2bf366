package proxy

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// maxResponseHead bounds the head of a response; ARM's are a few KiB.
const maxResponseHead = 1 << 20

// upstreamIdle is how long a pooled connection may rest. Short, because a PUT
// on a connection that the origin closes at that moment fails (it is never
// sent twice by us).
const upstreamIdle = 30 * time.Second

// newTransport returns a pooled transport: HTTP/1.1, which is cheaper than
// HTTP/2 and has no shared fate between requests. It never reads the
// environment: the proxy would find itself there.
func newTransport(o Options, dial func(ctx context.Context, network, addr string) (net.Conn, error)) *http.Transport {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &http.Transport{
		DialContext: dial,
		Protocols:   &protocols,
		TLSClientConfig: &tls.Config{
			RootCAs:            o.Upstream.Roots,
			MinVersion:         tls.VersionTLS12,
			ClientSessionCache: tls.NewLRUClientSessionCache(64),
		},
		TLSHandshakeTimeout:    o.Limits.Handshake,
		DisableCompression:     true,
		MaxIdleConns:           1024,
		MaxIdleConnsPerHost:    256,
		IdleConnTimeout:        upstreamIdle,
		ResponseHeaderTimeout:  o.Limits.ResponseHead,
		ExpectContinueTimeout:  o.Limits.ExpectContinue,
		MaxResponseHeaderBytes: maxResponseHead,
	}
}
