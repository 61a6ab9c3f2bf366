//go:build unix

package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/attribproxy/attribproxy/internal/fakecloud"
)

func TestServeTagsRecordsAndStops(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p, info := s.serve("--config", s.config(ruleYAML("contoso", testID)))
	if info.PID != p.cmd.Process.Pid || info.Epoch != 1 || info.Source == "" || info.Admin != "" || info.CA != filepath.Join(s.state, "ca.pem") {
		t.Errorf("ready file %+v", info)
	}
	if status := s.put(s.via(info), "rg-1"); status != http.StatusCreated {
		t.Errorf("PUT answered %d", status)
	}
	if diff := cmp.Diff([]string{"test/1 " + testID}, s.userAgents()); diff != "" {
		t.Error(diff)
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := p.exit(); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.stderr())
	}
	if _, err := os.Stat(readyPath(s.state)); !os.IsNotExist(err) {
		t.Errorf("the ready file is still there: %v", err)
	}
	events := s.journal()
	if len(events) != 1 || events[0].Outcome != "attributed" || events[0].Rule != "contoso" || events[0].Status != http.StatusCreated || events[0].ResourceGroup != "rg-1" {
		t.Errorf("journal %+v", events)
	}
}

func TestServeDrains(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	arrived, release := make(chan struct{}), make(chan struct{})
	s.cloud.Inject(fakecloud.Match(http.MethodPut, "*/*/*/*/*"), func(http.ResponseWriter, *http.Request) bool {
		close(arrived)
		<-release
		return false
	})
	p, info := s.serve("--config", s.config(ruleYAML("contoso", testID)))
	type answer struct {
		status int
		err    error
	}
	answered := make(chan answer, 1)
	client := s.via(info)
	go func() {
		status, err := s.tryPut(client, "rg-slow")
		answered <- answer{status, err}
	}()
	<-arrived
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.await(`"msg":"stopping`, 1)
	close(release)
	if a := <-answered; a.err != nil || a.status != http.StatusCreated {
		t.Errorf("the request under way got %d, %v", a.status, a.err)
	}
	if code := p.exit(); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.stderr())
	}
	if events := s.journal(); len(events) != 1 || events[0].Status != http.StatusCreated {
		t.Errorf("journal %+v", events)
	}
}

func TestServeSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	arrived, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	s.cloud.Inject(nil, func(http.ResponseWriter, *http.Request) bool {
		close(arrived)
		<-release
		return false
	})
	p, info := s.serve("--config", s.config(ruleYAML("contoso", testID)+"drain: 10m\n"))
	cut := make(chan error, 1)
	client := s.via(info)
	go func() {
		_, err := s.tryPut(client, "rg-stuck")
		cut <- err
	}()
	<-arrived
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGTERM} {
		if err := p.cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		p.await(`"msg":"stopping`, 1)
	}
	if code := p.exit(); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.stderr())
	}
	if err := <-cut; err == nil {
		t.Error("the request under way was answered")
	}
	events := s.journal()
	if len(events) != 1 || events[0].Status != 0 || events[0].Error == "" {
		t.Errorf("journal %+v", events)
	}
}

func TestServeReload(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	file := s.config(ruleYAML("first", testID))
	p, info := s.serve("--config", file)
	client := s.via(info)
	hangUp := func() {
		t.Helper()
		if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	s.put(client, "rg-1")

	s.config(ruleYAML("second", otherID))
	hangUp()
	p.await(`"msg":"reloaded"`, 1)
	s.put(client, "rg-2")

	// A faulty file keeps the rules, and says why once although it stays.
	s.config("rules:\n  - name: broken\n    trackingIds: [eb7927c8-dd66-43e1-b0cf-c346a422063]\n")
	p.await("rules[0].trackingIds[0]", 1)
	s.put(client, "rg-3")

	// A key that needs a restart refuses the whole file.
	s.config("drain: 1s\n" + ruleYAML("third", testID))
	p.await("these keys need a restart", 1)
	s.put(client, "rg-4")

	// The file's change alone is enough, by a swapped link as well.
	next := s.file("next.yaml", s.yaml(ruleYAML("fourth", testID)))
	if err := os.Symlink(next, file+".link"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".link", file); err != nil {
		t.Fatal(err)
	}
	p.await(`"msg":"reloaded"`, 2)
	s.put(client, "rg-5")

	if n := strings.Count(p.stderr(), "rules[0].trackingIds[0]"); n != 1 {
		t.Errorf("the fault was reported %d times", n)
	}
	want := []string{"test/1 " + testID, "test/1 " + otherID, "test/1 " + otherID, "test/1 " + otherID, "test/1 " + testID}
	if diff := cmp.Diff(want, s.userAgents()); diff != "" {
		t.Error(diff)
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.exit()
	hashes := map[string]bool{}
	var rules []string
	for _, e := range s.journal() {
		rules = append(rules, e.Rule)
		hashes[e.ConfigHash] = true
	}
	if diff := cmp.Diff([]string{"first", "second", "second", "second", "fourth"}, rules); diff != "" {
		t.Error(diff)
	}
	if len(hashes) != 3 {
		t.Errorf("%d config hashes on record, want 3", len(hashes))
	}
}

// A file that loses its content, however that comes, drops no exclude.
func TestServeKeepsRulesThatCannotBeReadAgain(t *testing.T) {
	t.Parallel()
	rules := "exclude:\n  - name: opted-out\n    match: {resourceGroups: [rg-secret]}\n" + ruleYAML("contoso", testID)
	for name, lose := range map[string]func(t *testing.T, s *site) (config string, lost func()){
		"emptied": func(t *testing.T, s *site) (string, func()) {
			file := s.config(rules)
			return file, func() { s.file("config.yaml", " \n") }
		},
		"deleted": func(t *testing.T, s *site) (string, func()) {
			file := s.config(rules)
			return file, func() {
				if err := os.Remove(file); err != nil {
					t.Fatal(err)
				}
			}
		},
		"a pipe": func(t *testing.T, s *site) (string, func()) {
			path := filepath.Join(s.dir, "pipe")
			if err := syscall.Mkfifo(path, 0o600); err != nil {
				t.Fatal(err)
			}
			go func() { _ = os.WriteFile(path, []byte(s.yaml(rules)), 0o600) }()
			return path, func() {}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.env = append(s.env, "ATTRIBPROXY_DRAIN=1s")
			file, lost := lose(t, s)
			p, info := s.serve("--config", file)
			lost()
			if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
			p.await("the old rules stay in force", 1)
			client := s.via(info)
			s.put(client, "rg-1")
			s.put(client, "rg-secret")
			if diff := cmp.Diff([]string{"test/1 " + testID, "test/1"}, s.userAgents()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestServeRefusesASecondOne(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	file := s.config("")
	s.serve("--config", file)
	r := s.run("serve", "--config", file)
	if r.code != exitFailed || !strings.Contains(r.stderr, "another serve is running") || !strings.Contains(r.stderr, "hint: ") {
		t.Errorf("exit code %d\n%s", r.code, r.stderr)
	}
}

func TestServeWithoutRulesWarns(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p, info := s.serve("--config", s.config(""))
	if !strings.Contains(p.stderr(), `"level":"warn"`) || !strings.Contains(p.stderr(), "none is tagged") {
		t.Errorf("no warning:\n%s", p.stderr())
	}
	s.put(s.via(info), "rg-1")
	if diff := cmp.Diff([]string{"test/1"}, s.userAgents()); diff != "" {
		t.Error(diff)
	}
}

func TestServeAdmin(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, info := s.serve("--config", s.config(ruleYAML("contoso", testID)), "--admin", "127.0.0.1:0")
	s.put(s.via(info), "rg-1")
	for path, wants := range map[string][]string{
		"/healthz": {"ok"},
		"/readyz":  {"ready"},
		"/metrics": {
			`attribproxy_requests_total{method="PUT",outcome="attributed",status="2xx"} 1`,
			`attribproxy_coverage_writes_total{part="attributed"} 1`,
			`attribproxy_journal_commit_duration_seconds_count{result="ok"} 1`,
			`attribproxy_journal_lines_total 1`, `attribproxy_journal_writable 1`, `attribproxy_build_info{`, `process_open_fds`, `go_goroutines`,
		},
		"/":                          {"1 tagged of 1 eligible"},
		"/events":                    {"rg-1"},
		"/rules":                     {"contoso", testID[4:]},
		"/reports/report.json":       {`"attributed"`},
		"/events?outcome=no-rule":    {"No event matches"},
		"/events?group=RG-1&rule=c*": {"rg-1"},
	} {
		status, body := get(t, info.Admin+path)
		for _, want := range wants {
			if status != http.StatusOK || !strings.Contains(body, want) {
				t.Errorf("%s: %d, without %q: %s", path, status, want, body)
			}
		}
	}
	// No client reaches the admin pages through the proxy.
	resp, err := s.via(info).Get(info.Admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("through the proxy the admin listener answered %d", resp.StatusCode)
	}
}

func TestServeHostsChanged(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p, _ := s.serve("--config", s.config(""))
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.exit()
	r := s.run("serve", "--config", s.config("intercept: {clouds: [public, china]}\n"))
	if r.code != exitFailed || !strings.Contains(r.stderr, "ca rotate") {
		t.Errorf("exit code %d\n%s", r.code, r.stderr)
	}
}
