// Package fakecloud is an Azure Resource Manager and a Microsoft Entra sign-in
// of our own, on loopback, over TLS: what tests, benchmarks and the demo drive
// real clients against.
//
// It answers well enough that the Azure CLI and the Azure SDKs sign in with a
// service principal, create resource groups and deployments, poll them and end
// with success, and it keeps every request exactly as it came in. It checks
// nothing of a caller's identity and must never be reachable from elsewhere.
package fakecloud

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// The identities that the fake cloud hands out. Any other tenant, client ID or
// subscription is accepted too: they only make a convenient default.
const (
	TenantID       = "0f7ba1ab-52f9-4b6f-8c19-3c9f2f6d7a10"
	SubscriptionID = "5d8c1a52-9f0e-4b53-9c0a-7f3fd0c1e2b4"
	ClientID       = "c0ffee00-4a1b-4f6e-9d2e-2b7a1f8e6c33"
	ClientSecret   = "not-a-secret" // accepted like any other non-empty one
)

// DefaultARMHost is the name of the public cloud's Resource Manager.
const DefaultARMHost = "management.azure.com"

// signInHosts are the names that clients of the public cloud ask for tokens
// and for instance discovery.
var signInHosts = []string{"login.microsoftonline.com", "login.microsoft.com", "login.windows.net", "sts.windows.net"}

// Options says what the fake cloud plays. The zero value is the public cloud.
type Options struct {
	// Hosts are the names that are ARM. Default: management.azure.com.
	Hosts []string
	// Others are further names that Resolve maps to the fake cloud. They take
	// any request and answer 200 or, to a PUT, 201: a storage account, say.
	Others []string
	// Polls is how many times a long-running operation answers "Running" (or
	// 202) before it is done. Default 1; -1 for none.
	Polls int
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// Cloud is a running fake cloud. All methods may be called at any time, also
// after Close, from several goroutines.
type Cloud struct {
	opts  Options
	ca    *authority
	ln    net.Listener
	srv   *http.Server
	done  chan struct{}
	close sync.Once
	err   error

	logMu    sync.Mutex
	requests []*Request
	changed  chan struct{} // closed and replaced when requests grows
	hooks    []*hook
	issued   map[string]bool // tokens

	mu    sync.Mutex // held while an ARM request is answered
	state *state
}

// Start listens on a free loopback port and serves until Close.
func Start(o Options) (*Cloud, error) {
	if len(o.Hosts) == 0 {
		o.Hosts = []string{DefaultARMHost}
	}
	switch {
	case o.Polls == 0:
		o.Polls = 1
	case o.Polls < 0:
		o.Polls = 0
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	ca, err := newAuthority(o.Now)
	if err != nil {
		return nil, fmt.Errorf("making the test CA: %w", err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	c := &Cloud{opts: o, ca: ca, ln: ln, done: make(chan struct{}), changed: make(chan struct{}), issued: map[string]bool{}, state: newState()}
	c.srv = &http.Server{
		Handler:           http.HandlerFunc(c.serve),
		ReadHeaderTimeout: 30 * time.Second,
		// A client that refuses our certificate is a test's business; it sees it itself.
		ErrorLog:  log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.certificate},
	}
	go func() {
		defer close(c.done)
		if err := c.srv.ServeTLS(ln, "", ""); !errors.Is(err, http.ErrServerClosed) {
			c.err = fmt.Errorf("serving: %w", err)
		}
	}()
	return c, nil
}

func (c *Cloud) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := hello.ServerName
	if name == "" {
		name = c.opts.Hosts[0]
	}
	return c.ca.leaf(name)
}

// Addr is where the fake cloud listens: "127.0.0.1:PORT".
func (c *Cloud) Addr() string { return c.ln.Addr().String() }

// CAPEM is the certificate of the CA that signs the leaf of every name.
func (c *Cloud) CAPEM() []byte { return slices.Clone(c.ca.pem) }

// Names are all host names that the fake cloud plays.
func (c *Cloud) Names() []string {
	return slices.Concat(c.opts.Hosts, signInHosts, c.opts.Others)
}

// Resolve gives one entry per name, "host:443:127.0.0.1:PORT", in the form of
// curl's --connect-to and of upstream.resolve.
func (c *Cloud) Resolve() []string {
	var out []string
	for _, name := range c.Names() {
		out = append(out, name+":443:"+c.Addr())
	}
	return out
}

// IsARM reports whether host, as a request names it, is one of Options.Hosts.
func (c *Cloud) IsARM(host string) bool {
	return slices.Contains(c.opts.Hosts, canonicalHost(host))
}

// Close ends all connections and returns when nothing of the fake cloud runs.
func (c *Cloud) Close() error {
	c.close.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		// Idle connections close in peace; what is still busy is cut off.
		if err := c.srv.Shutdown(ctx); err != nil {
			_ = c.srv.Close()
		}
		<-c.done
	})
	return c.err
}

func canonicalHost(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
