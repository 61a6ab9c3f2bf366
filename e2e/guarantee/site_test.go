//go:build unix

package guarantee_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/attribproxy/attribproxy/audit"
	"github.com/attribproxy/attribproxy/internal/fakecloud"
)

// patience is how long anything may take that should happen soon.
const patience = 30 * time.Second

// site is a fake cloud, a state directory and a configuration.
type site struct {
	cloud   *fakecloud.Cloud
	program string
	dir     string
	journal string
	config  string
}

// newSite prepares a site; audit is the audit section of the configuration,
// but for dir.
func newSite(t *testing.T, settings map[string]any) *site {
	t.Helper()
	program, err := attribproxy()
	if err != nil {
		t.Fatal(err)
	}
	cloud, err := fakecloud.Start(fakecloud.Options{Polls: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cloud.Close(); err != nil {
			t.Errorf("closing the fake cloud: %v", err)
		}
	})
	s := &site{cloud: cloud, program: program, dir: t.TempDir()}
	s.journal = filepath.Join(s.dir, "journal")
	s.config = filepath.Join(s.dir, "attribproxy.json")
	roots := filepath.Join(s.dir, "cloud-ca.pem")
	section := map[string]any{"dir": s.journal, "source": "guarantee"}
	for k, v := range settings {
		section[k] = v
	}
	config, err := json.Marshal(map[string]any{ // which is YAML
		"listen": "127.0.0.1:0", "admin": "127.0.0.1:0", "stateDir": s.state(), "log": map[string]any{"format": "json"},
		"upstream": map[string]any{"roots": roots, "allow": []string{"127.0.0.0/8"}, "resolve": cloud.Resolve()},
		"rules":    []any{map[string]any{"name": "contoso", "trackingIds": []string{"7f3a9c52-1d84-4e6b-9a0f-2c5e8b7d4161"}}},
		"audit":    section, "drain": "5s",
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(s.config, config, 0o600), os.WriteFile(roots, cloud.CAPEM(), 0o600)); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *site) state() string { return filepath.Join(s.dir, "state") }

func (s *site) publicKey() string { return filepath.Join(s.state(), "seal-key.pem.pub") }

func (s *site) command(args ...string) *exec.Cmd {
	cmd := exec.Command(s.program, args...)
	cmd.Dir = s.dir
	cmd.Env = []string{"HOME=" + s.dir, "PATH=" + os.Getenv("PATH")}
	return cmd
}

// run runs another verb to its end.
func (s *site) run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := s.command(args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// verify holds the journal against the public key; there must be no fault.
func (s *site) verify(t *testing.T) audit.Report {
	t.Helper()
	key, err := audit.ReadPublicKey(s.publicKey())
	if err != nil {
		t.Fatal(err)
	}
	report, err := audit.Verify(s.journal, audit.VerifyOptions{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range report.Faults {
		t.Errorf("verify: %s", f)
	}
	return report
}

// events reads the whole journal.
func (s *site) events(t *testing.T) []audit.Event {
	t.Helper()
	var events []audit.Event
	kinds := []audit.Kind{audit.KindRequest, audit.KindIntent, audit.KindGap, audit.KindSeal}
	for e, err := range audit.Read(s.journal, audit.Filter{Kinds: kinds}) {
		if err != nil {
			t.Fatalf("reading the journal: %v", err)
		}
		events = append(events, e)
	}
	return events
}

// daemon is one run of serve.
type daemon struct {
	cmd   *exec.Cmd
	ready chan struct{} // closed when it takes connections
	done  chan struct{} // closed when it has ended

	mu     sync.Mutex
	log    []string // the latest lines
	losses int      // lines that speak of lost events

	// Known when ready.
	Proxy string `json:"proxy"`
	Admin string `json:"admin"`
	Epoch uint64 `json:"epoch"`
}

// start starts serve and returns at once.
func (s *site) start(t *testing.T) *daemon {
	t.Helper()
	d := &daemon{cmd: s.command("serve", "--config", s.config), ready: make(chan struct{}), done: make(chan struct{})}
	stderr, err := d.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(d.done)
		d.read(stderr)
		_ = d.cmd.Wait()
	}()
	t.Cleanup(d.kill)
	return d
}

// serve starts serve and returns when it is ready.
func (s *site) serve(t *testing.T) *daemon {
	t.Helper()
	d := s.start(t)
	d.await(t)
	return d
}

func (d *daemon) read(stderr io.Reader) {
	isReady := false
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		line := lines.Bytes()
		d.mu.Lock()
		if bytes.Contains(line, []byte("events are lost")) {
			d.losses++
		}
		if !bytes.Contains(line, []byte(`"msg":"write"`)) {
			d.log = append(d.log[max(0, len(d.log)-40):], string(line))
		}
		d.mu.Unlock()
		if !isReady && bytes.Contains(line, []byte(`"msg":"ready"`)) {
			if err := json.Unmarshal(line, d); err != nil {
				continue
			}
			isReady = true
			close(d.ready)
		}
	}
}

func (d *daemon) said() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.log, "\n")
}

func (d *daemon) saidLoss() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.losses > 0
}

func (d *daemon) await(t *testing.T) {
	t.Helper()
	select {
	case <-d.ready:
	case <-d.done:
		t.Fatalf("serve ended before it was ready:\n%s", d.said())
	case <-time.After(patience):
		t.Fatalf("serve was not ready after %s:\n%s", patience, d.said())
	}
}

// kill is kill -9.
func (d *daemon) kill() {
	_ = d.cmd.Process.Kill()
	<-d.done
}

// stop ends it as an operator would and returns the exit code.
func (d *daemon) stop(t *testing.T) int {
	t.Helper()
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.done:
	case <-time.After(patience):
		t.Errorf("serve did not end in %s:\n%s", patience, d.said())
		d.kill()
	}
	return d.cmd.ProcessState.ExitCode()
}

// get fetches an admin page.
func (d *daemon) get(t *testing.T, path string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.Admin+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// metric reads one figure without labels; a missing one is 0.
func (d *daemon) metric(t *testing.T, name string) float64 {
	t.Helper()
	_, text := d.get(t, "/metrics")
	for line := range strings.Lines(text) {
		var value float64
		if n, _ := fmt.Sscanf(line, name+" %g", &value); n == 1 {
			return value
		}
	}
	return 0
}

// eventually polls a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		<-tick.C
	}
}
