package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/attribproxy/attribproxy/audit/store"

	"github.com/attribproxy/attribproxy/config"
	"github.com/attribproxy/attribproxy/console"
)

// indexFile is the index of the journal, in the state directory. It can be
// deleted at any time.
const indexFile = "index.db"

// startAdmin serves the admin pages.
func (d *daemonRun) startAdmin(l net.Listener) (*console.Server, error) {
	info, _ := debug.ReadBuildInfo()
	v := versionOf(info)
	build := console.Build{Version: v.Version, Commit: v.Commit, Go: v.Go}
	if err := d.registerMetrics(build); err != nil {
		return nil, fmt.Errorf("registering the metrics: %w", err)
	}
	return console.New(console.Options{
		Listener: l, Gatherer: d.engine.registry, Ready: d.ready, Rules: d.shownRules,
		Store: func(ctx context.Context) (store.Store, error) {
			return store.OpenSQLite(ctx, filepath.Join(d.cfg.StateDir, indexFile))
		},
		Update: func(ctx context.Context, s store.Store) error {
			return store.Follow(ctx, d.cfg.Audit.Dir, s, store.FollowOptions{})
		},
		Source: d.cfg.Audit.Dir, Build: build, Logger: d.log.Named("admin"),
	})
}

// registerMetrics adds to the proxy's own figures those of the journal, the CA
// and the process.
func (d *daemonRun) registerMetrics(build console.Build) error {
	reg := d.engine.registry
	authority := d.engine.authority
	expiry := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: console.Namespace, Name: "ca_expiry_timestamp_seconds", Help: "When the CA ends, in seconds since 1970.",
	}, func() float64 { return float64(authority.NotAfter().Unix()) })
	return errors.Join(
		d.engine.metrics.Watch(reg, d.engine.journal), console.RegisterBuild(reg, build), reg.Register(expiry),
		reg.Register(collectors.NewGoCollector()), reg.Register(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})),
	)
}

// shownRules is what is in force, without secrets.
func (d *daemonRun) shownRules() (console.Rules, error) {
	d.reloading.Lock()
	loaded := d.loaded
	d.reloading.Unlock()
	yaml, err := loaded.YAML()
	if err != nil {
		return console.Rules{}, fmt.Errorf("writing the configuration: %w", err)
	}
	cfg := loaded.Config
	r := console.Rules{Mode: cfg.Mode, Hash: cfg.Hash(), File: loaded.File, YAML: string(yaml)}
	for _, e := range cfg.Exclude {
		r.Excludes = append(r.Excludes, console.Rule{Name: e.Name, Match: conditions(e.Match)})
	}
	for _, rule := range cfg.Rules {
		onOther := rule.OnOtherID
		if onOther == "" {
			onOther = "append"
		}
		// Without methods a rule is about PUTs.
		if len(rule.Match.Methods) == 0 {
			rule.Match.Methods = []string{http.MethodPut}
		}
		r.Rules = append(r.Rules, console.Rule{Name: rule.Name, Match: conditions(rule.Match), IDs: rule.TrackingIDs, OnOtherID: onOther})
	}
	return r, nil
}

func conditions(m config.Match) []console.Condition {
	var all []console.Condition
	for _, c := range []console.Condition{
		{Field: "methods", Values: m.Methods},
		{Field: "subscriptions", Values: m.Subscriptions},
		{Field: "resourceGroups", Values: m.ResourceGroups},
		{Field: "resourceTypes", Values: m.ResourceTypes},
		{Field: "tools", Values: m.Tools},
	} {
		if len(c.Values) > 0 {
			all = append(all, c)
		}
	}
	return all
}

// ready is the admin listener's readiness: the journal can be written, and a
// client that trusts our CA gets through our listener to the first intercepted
// host, as far as TLS goes. Nothing is sent to Azure.
func (d *daemonRun) ready(ctx context.Context) error {
	if err := d.engine.journal.Healthy(); err != nil {
		return fmt.Errorf("the journal cannot be written: %w", err)
	}
	if err := d.engine.handshake(ctx); err != nil {
		return fmt.Errorf("the proxy does not answer its own client: %w", err)
	}
	return nil
}

// handshakeLimit bounds the handshake of a probe.
const handshakeLimit = 3 * time.Second

func (e *engine) handshake(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, handshakeLimit)
	defer cancel()
	hosts := e.cfg.InterceptHosts()
	if len(hosts) == 0 {
		return nil
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", e.listener.Addr().String())
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	target := net.JoinHostPort(hosts[0], "443")
	if _, err := fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, target); err != nil {
		return err
	}
	answer := bufio.NewReader(conn)
	resp, err := http.ReadResponse(answer, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("CONNECT %s: %s", target, resp.Status)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(e.authority.RootPEM())
	// The proxy speaks only after the client has: nothing is left in answer.
	client := tls.Client(conn, &tls.Config{RootCAs: roots, ServerName: hosts[0], MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}})
	if err := client.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("TLS with %s: %w", hosts[0], err)
	}
	return nil
}
