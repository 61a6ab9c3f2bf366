package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/attribproxy/attribproxy/internal/fakecloud"
)

// result is one run of a client through attribproxy.
type result struct {
	*sandbox
	requests []fakecloud.Request // what reached the cloud
	journal  string              // the journal's directory, its process gone
	stderr   string              // of attribproxy run and the client
}

// settings are the config that the tests vary.
type settings struct {
	resolve bool // find the fake cloud without asking anybody
	rules   bool // tag every PUT; `run --id` needs none
}

// writeConfig writes a config file and gives the journal's directory.
func (s *sandbox) writeConfig(t *testing.T, with settings) (path, journal string) {
	t.Helper()
	journal = filepath.Join(s.dir, "journal")
	// JSON is YAML, and quotes Windows paths well.
	upstream := map[string]any{"roots": s.base, "allow": []string{"127.0.0.0/8"}}
	config := map[string]any{
		"listen": "127.0.0.1:0", "admin": "", "stateDir": filepath.Join(s.dir, "state"),
		"upstream": upstream,
		"audit":    map[string]any{"dir": journal, "source": "e2e"},
	}
	if with.resolve {
		upstream["resolve"] = s.cloud.Resolve()
	}
	if with.rules {
		config["rules"] = []any{map[string]any{"name": "contoso", "trackingIds": []string{trackingID}}}
	}
	text, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(s.dir, "attribproxy.yaml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, journal
}

// underRun runs the client as `attribproxy run --id ID -- CLIENT`.
func (s *sandbox) underRun(t *testing.T, argv []string) result {
	t.Helper()
	return s.underRunWith(t, settings{resolve: true}, nil, argv)
}

// underRunWith is underRun with other settings and more in the environment.
func (s *sandbox) underRunWith(t *testing.T, with settings, env, argv []string) result {
	t.Helper()
	program := must(t, attribproxy)
	config, journal := s.writeConfig(t, with)
	_, stderr := s.exec(t, env, slices.Concat([]string{program, "run", "--id", trackingID, "--config", config, "--"}, argv))
	return result{sandbox: s, requests: s.cloud.Requests(), journal: journal, stderr: stderr}
}

// throughServe runs the client in a shell that took its variables from
// `attribproxy env`, with `attribproxy serve` beside it.
func (s *sandbox) throughServe(t *testing.T, argv []string) result {
	t.Helper()
	program, sh := must(t, attribproxy), need(t, "sh")
	config, journal := s.writeConfig(t, settings{resolve: true, rules: true})
	stop := s.serve(t, program, config)
	_, stderr := s.exec(t, nil, slices.Concat([]string{
		sh, "-c", `vars=$("$0" env --shell bash --config "$1") && eval "$vars" && shift && exec "$@"`, program, config,
	}, argv))
	stop()
	return result{sandbox: s, requests: s.cloud.Requests(), journal: journal, stderr: stderr}
}

// serve starts the daemon and returns when it is ready. stop ends it as an
// operator would and checks that it ends well.
func (s *sandbox) serve(t *testing.T, program, config string) (stop func()) {
	t.Helper()
	var log bytes.Buffer
	cmd := exec.Command(program, "serve", "--config", config)
	cmd.Env = s.env
	cmd.Dir = s.dir
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	running := true
	stop = func() {
		if !running {
			return
		}
		running = false
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("attribproxy serve: %v\n%s", err, &log)
			}
		case <-time.After(30 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
			t.Errorf("attribproxy serve did not end 30 s after the interrupt\n%s", &log)
		}
	}
	t.Cleanup(stop)

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			running = false
			t.Fatalf("attribproxy serve ended at once: %v\n%s", err, &log)
		case <-ctx.Done():
			t.Fatalf("attribproxy serve is not ready after 30 s")
		case <-tick.C:
			if ready(filepath.Join(s.dir, "state", "serve.json")) {
				return stop
			}
		}
	}
}

// ready reports whether the ready file names a proxy.
func ready(path string) bool {
	text, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	var file struct{ Proxy string }
	return json.Unmarshal(text, &file) == nil && file.Proxy != ""
}

// attribproxy runs another verb and gives its output.
func (s *sandbox) attribproxy(t *testing.T, args ...string) string {
	t.Helper()
	out, _ := s.exec(t, nil, append([]string{must(t, attribproxy)}, args...))
	return out
}

// leftovers lists what attribproxy should have removed: what it put into the
// temporary directory, and the private directory of a run.
func (s *sandbox) leftovers(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, pattern := range []string{"tmp/*attribproxy*", "state/run/*"} {
		found, err := filepath.Glob(filepath.Join(s.dir, filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, found...)
	}
	return out
}
