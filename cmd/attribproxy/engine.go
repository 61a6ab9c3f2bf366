package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/attribproxy/attribproxy/attribution"
	"github.com/attribproxy/attribproxy/audit"
	"github.com/attribproxy/attribproxy/certs"
	"github.com/attribproxy/attribproxy/config"
	"github.com/attribproxy/attribproxy/console"
	"github.com/attribproxy/attribproxy/internal/clientproc"
	"github.com/attribproxy/attribproxy/proxy"
)

// engine is a proxy with its CA and its journal, as serve and run both need
// it.
type engine struct {
	cfg       *config.Config
	log       *zap.Logger
	authority *certs.Authority
	base      certs.Base
	extra     [][]byte // upstream.roots, trusted by us and by our clients
	bundles   certs.Bundles
	journal   *audit.Journal
	server    *proxy.Server
	listener  net.Listener
	registry  *prometheus.Registry
	metrics   *console.JournalMetrics
	rules     atomic.Pointer[proxy.Rules]
	ci        []string // labels of the CI job
	served    chan error
}

// engineOptions are what serve and run do differently.
type engineOptions struct {
	cfg       *config.Config
	log       *zap.Logger
	authority func(certs.Options) (*certs.Authority, error)
	bundles   string // directory for the files that clients trust; must exist
	observe   func(audit.Event)
	own       []netip.AddrPort // further listeners of this process
}

// startEngine opens the journal, makes ready what clients trust, and listens
// only then: no proxy without its record. After an error nothing is left open.
func (a *app) startEngine(o engineOptions) (_ *engine, err error) {
	e := &engine{cfg: o.cfg, log: o.log, registry: prometheus.NewRegistry(), ci: ciLabels(a.getenv), served: make(chan error, 1)}
	if err := e.setRules(o.cfg); err != nil {
		return nil, err
	}
	if e.metrics, err = console.NewJournalMetrics(e.registry); err != nil {
		return nil, fmt.Errorf("registering the metrics: %w", err)
	}
	// The journal waits for the disk and the certificates for the processor:
	// a start that people wait for does both at once.
	var opening errgroup.Group
	opening.Go(func() error { return e.openJournal(o.observe) })
	opening.Go(func() error { return e.prepareTrust(a, o) })
	err = opening.Wait()
	defer func() {
		if err != nil && e.journal != nil {
			err = errors.Join(err, e.journal.Close())
		}
	}()
	if err != nil {
		return nil, err
	}
	e.server, err = e.newServer(o.own)
	if err != nil {
		return nil, err
	}
	e.listener, err = (&net.ListenConfig{}).Listen(context.Background(), "tcp", o.cfg.Listen)
	if err != nil {
		return nil, withHint(fmt.Errorf("listening for clients: %w", err), "name another address with --listen, for instance 127.0.0.1:0")
	}
	go func() { e.served <- e.server.Serve(e.listener) }()
	return e, nil
}

// makeStateDir makes the state directory, which every engine needs.
func makeStateDir(cfg *config.Config) error {
	if err := os.MkdirAll(cfg.StateDir, 0o700); err != nil {
		return withHint(fmt.Errorf("making the state directory: %w", err), "name a directory you can write to with --state-dir or $ATTRIBPROXY_STATE_DIR")
	}
	return nil
}

// prepareTrust finds the roots, makes the CA and writes what clients trust.
func (e *engine) prepareTrust(a *app, o engineOptions) error {
	if err := e.findRoots(a); err != nil {
		return err
	}
	var err error
	e.authority, err = o.authority(certs.Options{Hosts: o.cfg.InterceptHosts()})
	if err != nil {
		return withRemedy(fmt.Errorf("preparing the CA: %w", err))
	}
	e.bundles, err = certs.WriteBundles(o.bundles, e.authority, e.base, e.extra...)
	if err != nil {
		return fmt.Errorf("writing the bundles for clients: %w", err)
	}
	return nil
}

// setRules compiles the rules of a configuration and puts them into force.
func (e *engine) setRules(cfg *config.Config) error {
	policy, faults := cfg.Policy()
	if len(faults) > 0 { // a loaded configuration has none
		return fmt.Errorf("compiling the rules: %s: %s", faults[0].Path, faults[0].Message)
	}
	e.rules.Store(&proxy.Rules{
		Policy: policy, Mode: attribution.Mode(cfg.Mode), Labels: withCILabels(cfg.Labels, e.ci), ConfigHash: cfg.Hash(),
	})
	return nil
}

// findRoots reads the roots that clients and the upstream transport trust.
func (e *engine) findRoots(a *app) error {
	base, err := certs.FindBase(a.getenv, nil, e.cfg.StateDir)
	if err != nil {
		return withRemedy(fmt.Errorf("finding the roots that clients trust: %w", err))
	}
	e.base = base
	if base.Embedded {
		e.log.Warn("this machine has no root certificates; Mozilla's, as built into attribproxy, are used")
	}
	if e.cfg.Upstream.Roots == "" {
		return nil
	}
	pem, err := os.ReadFile(e.cfg.Upstream.Roots)
	if err != nil {
		return withHint(fmt.Errorf("reading upstream.roots: %w", err), "name a PEM file with certificates, or leave the key out")
	}
	if !x509.NewCertPool().AppendCertsFromPEM(pem) {
		return withHint(fmt.Errorf("upstream.roots: %s holds no certificate", e.cfg.Upstream.Roots), "name a PEM file with certificates, or leave the key out")
	}
	e.extra = append(e.extra, pem)
	return nil
}

// openJournal opens the journal of the configuration.
func (e *engine) openJournal(observe func(audit.Event)) error {
	cfg := e.cfg
	source := cfg.Audit.Source
	if source == "" {
		var err error
		if source, err = audit.SourceName(cfg.StateDir); err != nil {
			return withHint(err, "name the source in audit.source")
		}
	}
	j, err := audit.Open(audit.Options{
		Dir: cfg.Audit.Dir, Source: source, KeyFile: filepath.Join(cfg.StateDir, sealKeyFile),
		Guarantee:    audit.Guarantee(cfg.Audit.Guarantee),
		SegmentBytes: int64(cfg.Audit.SegmentBytes), SegmentAge: cfg.Audit.SegmentAge.D(),
		RetainAge: cfg.Audit.RetainAge.D(), RetainBytes: int64(cfg.Audit.RetainBytes),
		Logger: e.log.Named("journal"), ObserveCommit: e.metrics.ObserveCommit,
		Observe: func(event audit.Event) {
			e.metrics.Observe(event)
			if observe != nil {
				observe(event)
			}
		},
	})
	if err != nil {
		return withHint(fmt.Errorf("opening the journal: %w", err), "nothing is sent without a record; make %s writable or name another directory with --audit-dir", cfg.Audit.Dir)
	}
	e.journal = j
	return nil
}

// sealKeyFile holds the key that signs the journal's seals, in the state
// directory.
const sealKeyFile = "seal-key.pem"

func (e *engine) newServer(own []netip.AddrPort) (*proxy.Server, error) {
	roots, err := e.base.Pool()
	if err != nil {
		return nil, err
	}
	for _, pem := range e.extra {
		roots.AppendCertsFromPEM(pem)
	}
	up := e.cfg.Upstream
	via, err := up.ProxyURL()
	if err != nil {
		return nil, err
	}
	return proxy.New(proxy.Options{
		Intercept: e.cfg.InterceptHosts(),
		TLSConfig: e.authority.TLSConfig,
		Rules:     e.rules.Load,
		Recorder:  e.journal,
		Upstream: proxy.Upstream{
			Roots: roots, Proxy: via, NoProxy: up.NoProxy, Resolve: up.Resolve, Allow: up.AllowedNetworks(),
		},
		Bypass:        proxy.Bypass(e.cfg.Intercept.Bypass),
		Own:           own,
		ClientProcess: new(clientproc.Finder).Find,
		Logger:        e.log.Named("proxy"),
		Reg:           e.registry,
	})
}

// proxyURL is what goes into HTTPS_PROXY.
func (e *engine) proxyURL() string { return "http://" + e.listener.Addr().String() }

// stop drains the proxy until ctx ends and then closes the journal, in this
// order: what was answered is on record.
func (e *engine) stop(ctx context.Context) error {
	err := e.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		e.log.Warn("connections were cut at the end of the drain time")
		err = nil
	}
	if ended := <-e.served; err == nil && !errors.Is(ended, proxy.ErrServerClosed) {
		err = fmt.Errorf("the proxy ended: %w", ended)
	}
	if closeErr := e.journal.Close(); closeErr != nil {
		err = errors.Join(err, fmt.Errorf("closing the journal: %w", closeErr))
	}
	return err
}

// remedied is an error that says itself how to mend it.
type remedied interface {
	error
	Remedy() string
}

// withRemedy makes the hint of an error out of the remedy it brings along.
func withRemedy(err error) error {
	var r remedied
	if errors.As(err, &r) {
		return withHint(err, "%s", r.Remedy())
	}
	return err
}
