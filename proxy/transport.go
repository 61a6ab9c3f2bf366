package proxy

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/url"
	"time"
)

// maxResponseHead bounds the head of a response; ARM's are a few KiB.
const maxResponseHead = 1 << 20

// upstreamIdle is how long a pooled connection may rest. Short, because a PUT
// on a connection that the origin closes at that moment fails (it is never
// sent twice by us).
const upstreamIdle = 30 * time.Second

// newTransport returns the pooled transport for intercepted hosts: HTTP/1.1,
// which is cheaper than HTTP/2 and has no shared fate between requests. It
// never reads the environment: the proxy would find itself there.
func newTransport(o Options, d *dialer) *http.Transport {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:       d.proxyForRequest,
		DialContext: d.forTransport,
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
		OnProxyConnectResponse: checkProxyConnect,
	}
}

// proxyForRequest is http.Transport's Proxy. Behind an upstream proxy the
// guard sees no address of the target, so literals are held against it here.
func (d *dialer) proxyForRequest(r *http.Request) (*url.URL, error) {
	via, err := d.pick(r.URL)
	if via == nil || err != nil {
		return nil, err
	}
	return via, d.checkLiteral(r.URL.Host)
}

// checkProxyConnect turns an upstream proxy's refusal into an error that says
// who refused.
func checkProxyConnect(_ context.Context, via *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	return &UpstreamProxyError{Authority: canonicalAuthority(via), Status: resp.StatusCode}
}
