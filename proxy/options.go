package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/attribproxy/attribproxy/arm"
	"github.com/attribproxy/attribproxy/attribution"
	"github.com/attribproxy/attribproxy/audit"
)

// Recorder takes the events of the proxy. *audit.Journal is one.
type Recorder interface {
	// Intent is called before a recorded method leaves. An error means that
	// nothing may be sent; the client gets a 503.
	Intent(ctx context.Context, e *audit.Event) error
	// Record takes an event whose outcome is known. It does not wait for the
	// disk; the receipt does.
	Record(e audit.Event) audit.Receipt
}

// Rules is what a reload replaces, as one value.
type Rules struct {
	Policy     *attribution.Policy
	Mode       attribution.Mode
	Labels     []string
	ConfigHash string
}

// Bypass says what becomes of a tunnel in which a client starts TLS with an
// intercepted host, for instance after CONNECT to that host's IP address.
type Bypass string

// The two ways to treat a bypass. Either way it is on record.
const (
	BypassRecord Bypass = "record" // the default: the tunnel goes on untouched
	BypassRefuse Bypass = "refuse" // the tunnel is closed before the ClientHello leaves
)

// Upstream says how the proxy reaches the outside.
type Upstream struct {
	// Roots are the certificate authorities trusted for intercepted hosts and
	// for an https upstream proxy. Required: there is no switch to skip
	// verification.
	Roots *x509.CertPool
	// Proxy is another proxy to go through (http or https, Basic credentials
	// in the user part); nil goes direct.
	Proxy *url.URL
	// NoProxy lists the hosts reached without Proxy, in the form of the
	// NO_PROXY variable's entries.
	NoProxy []string
	// Resolve holds "host:port:address:port" entries as curl's --connect-to:
	// a connection to host:port is made to address:port instead. An empty
	// host or port matches any. IPv6 addresses stand in brackets.
	Resolve []string
	// Allow exempts networks from the destination guard.
	Allow []netip.Prefix
}

// Limits bound time and size. A zero field takes the default named beside it.
type Limits struct {
	ClientHead     time.Duration // a request head or TLS handshake from a client: 30 s
	ClientIdle     time.Duration // an intercepted keep-alive connection without a request: 15 min
	Dial           time.Duration // a TCP connection to the outside: 15 s
	Handshake      time.Duration // a TLS handshake with the outside: 15 s
	ResponseHead   time.Duration // from the last byte of a request to the head of its response: 5 min
	ExpectContinue time.Duration // how long a body waits for the origin's 100 Continue: 5 s
	HeaderBytes    int           // a request head: 256 KiB
}

// Options is all that New needs. Intercept, TLSConfig, Rules, Recorder and
// Upstream.Roots are required.
type Options struct {
	// Intercept lists the hosts whose TLS is opened, without ports.
	Intercept []string
	// TLSConfig returns the server side's configuration for an intercepted
	// host, offering h2 and http/1.1. It is called once per connection and
	// should return a cached value.
	TLSConfig func(host string) (*tls.Config, error)
	// Rules returns the rules in force; called once per request.
	Rules    func() *Rules
	Recorder Recorder
	// ClientProcess names the program at the client's end of a connection, ""
	// if it cannot be found; nil never asks. It is called at most once per
	// connection, beside its first recorded request, or at a bypass.
	ClientProcess func(client, proxy netip.AddrPort) string
	Upstream      Upstream
	Bypass        Bypass
	// Own lists further addresses of this process (the admin listener) that
	// no client may reach through the proxy. The listener given to Serve is
	// always among them.
	Own    []netip.AddrPort
	Limits Limits
	Logger *zap.Logger           // nil logs nothing
	Reg    prometheus.Registerer // nil registers nothing
	Now    func() time.Time      // nil is time.Now
	// Dialer makes the connections to the outside; nil is the zero one. Its
	// Control and ControlContext give way to the destination guard, and a
	// Timeout of zero is Limits.Dial.
	Dialer *net.Dialer
}

// withDefaults returns a complete copy, or every fault at once.
func (o Options) withDefaults() (Options, error) {
	var faults []error
	require := func(ok bool, what string) {
		if !ok {
			faults = append(faults, fmt.Errorf("proxy.Options.%s is required", what))
		}
	}
	require(len(o.Intercept) > 0, "Intercept")
	require(o.TLSConfig != nil, "TLSConfig")
	require(o.Rules != nil, "Rules")
	require(o.Recorder != nil, "Recorder")
	require(o.Upstream.Roots != nil, "Upstream.Roots")
	hosts := make([]string, 0, len(o.Intercept))
	for _, h := range o.Intercept {
		n, err := arm.NormalizeHost(h)
		if err != nil {
			faults = append(faults, fmt.Errorf("proxy.Options.Intercept: %q: %w", h, err))
			continue
		}
		hosts = append(hosts, n)
	}
	o.Intercept = hosts
	switch o.Bypass {
	case "":
		o.Bypass = BypassRecord
	case BypassRecord, BypassRefuse:
	default:
		faults = append(faults, fmt.Errorf("proxy.Options.Bypass: %q is neither record nor refuse", o.Bypass))
	}
	if p := o.Upstream.Proxy; p != nil && (p.Scheme != "http" && p.Scheme != "https" || p.Hostname() == "") {
		faults = append(faults, fmt.Errorf("proxy.Options.Upstream.Proxy: %s is not an http:// or https:// URL with a host", p.Redacted()))
	}
	if len(faults) > 0 {
		return o, errors.Join(faults...)
	}
	l := &o.Limits
	orDefault(&l.ClientHead, 30*time.Second)
	orDefault(&l.ClientIdle, 15*time.Minute)
	orDefault(&l.Dial, 15*time.Second)
	orDefault(&l.Handshake, 15*time.Second)
	orDefault(&l.ResponseHead, 5*time.Minute)
	orDefault(&l.ExpectContinue, 5*time.Second)
	orDefault(&l.HeaderBytes, 256<<10)
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Reg == nil {
		o.Reg = prometheus.NewRegistry()
	}
	if o.Dialer == nil {
		o.Dialer = &net.Dialer{}
	}
	return o, nil
}

func orDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}
