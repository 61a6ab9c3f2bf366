package main

import (
	"io"
	"maps"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/attribproxy/attribproxy/certs"
	"github.com/attribproxy/attribproxy/config"
	"github.com/attribproxy/attribproxy/console"
)

// testDaemon is what serve starts, in this process.
func testDaemon(t *testing.T) *daemonRun {
	t.Helper()
	a := &app{stderr: io.Discard, env: []string{"HOME=" + t.TempDir()}}
	loaded, err := config.Resolve(config.Source{Env: a.env, Flags: map[string]string{"stateDir": t.TempDir(), "listen": "127.0.0.1:0", "admin": ""}})
	if err != nil {
		t.Fatal(err)
	}
	d := &daemonRun{app: a, cfg: loaded.Config, loaded: loaded, log: zap.NewNop()}
	d.engine, err = a.startEngine(engineOptions{
		cfg: d.cfg, log: d.log, bundles: d.cfg.StateDir,
		authority: func(o certs.Options) (*certs.Authority, error) { return certs.LoadOrCreate(d.cfg.StateDir, o) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.engine.stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
	return d
}

// TestMetricsAreDocumented holds docs/metrics.md against the registry.
func TestMetricsAreDocumented(t *testing.T) {
	d := testDaemon(t)
	if err := d.registerMetrics(console.Build{Version: "v1"}); err != nil {
		t.Fatal(err)
	}
	descs := make(chan *prometheus.Desc)
	go func() { d.engine.registry.Describe(descs); close(descs) }()
	metric := regexp.MustCompile(`fqName: "(attribproxy_[^"]*)".*constLabels: {([^}]*)}, variableLabels: {([^}]*)}`)
	registered := map[string]string{}
	for desc := range descs {
		m := metric.FindStringSubmatch(desc.String())
		if m == nil {
			continue
		}
		labels := strings.FieldsFunc(m[3], func(r rune) bool { return r == ',' || r == ' ' })
		for _, pair := range strings.FieldsFunc(m[2], func(r rune) bool { return r == ',' }) {
			name, _, _ := strings.Cut(pair, "=")
			labels = append(labels, name)
		}
		slices.Sort(labels)
		registered[m[1]] = strings.Join(labels, " ")
	}
	doc, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(attribproxy_[a-z_]+)` \\| (?:counter|gauge|histogram) \\|([^|]*)\\|").FindAllStringSubmatch(string(doc), -1) {
		labels := strings.FieldsFunc(row[2], func(r rune) bool { return strings.ContainsRune("`, ", r) })
		slices.Sort(labels)
		documented[row[1]] = strings.Join(labels, " ")
	}
	if diff := cmp.Diff(registered, documented); diff != "" {
		t.Errorf("registered (-) and documented (+):\n%s", diff)
	}
	if len(registered) < 15 {
		t.Errorf("only %q are registered", slices.Collect(maps.Keys(registered)))
	}
}

func TestReady(t *testing.T) {
	d := testDaemon(t)
	if err := d.ready(t.Context()); err != nil {
		t.Fatalf("not ready: %v", err)
	}
	// A listener that somebody else answers on is found out.
	stranger, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	go func() {
		for {
			conn, err := stranger.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("HTTP/1.1 200 OK\r\n\r\n"))
			_ = conn.Close()
		}
	}()
	ours := d.engine.listener
	d.engine.listener = stranger
	if err := d.ready(t.Context()); err == nil || !strings.Contains(err.Error(), "its own client") {
		t.Errorf("a stranger answers, and the proxy says %v", err)
	}
	d.engine.listener = ours
	if err := d.engine.journal.Close(); err != nil {
		t.Fatal(err)
	}
	if err := d.ready(t.Context()); err == nil || !strings.Contains(err.Error(), "journal") {
		t.Errorf("the journal is closed, and the proxy says %v", err)
	}
}
