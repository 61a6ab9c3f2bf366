//go:build unix

package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const apiVersion = "?api-version=2021-04-01"

func TestRunTagsAndSummarizes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := s.run("run", "--config", s.config("exclude:\n  - name: opted-out\n    match: {resourceGroups: [rg-secret]}\n"+ruleYAML("contoso-platform", testID)),
		"--", s.client(), armURL+"rg-1"+apiVersion, armURL+"rg-2"+apiVersion, armURL+"rg-secret"+apiVersion)
	if r.code != 0 || r.stdout != "201\n201\n201\n" {
		t.Fatalf("exit code %d, stdout %q\n%s", r.code, r.stdout, r.stderr)
	}
	if diff := cmp.Diff([]string{"armclient/1.0 " + testID, "armclient/1.0 " + testID, "armclient/1.0"}, s.userAgents()); diff != "" {
		t.Error(diff)
	}
	want := "attribproxy: 3 ARM writes: 2 attributed (contoso-platform), 1 excluded (opted-out) · journal " + filepath.Join(s.state, "audit") + " · epoch 1 · head "
	if !strings.HasPrefix(r.stderr, want) {
		t.Errorf("summary %q, want %q…", r.stderr, want)
	}
	if n := len(s.journal()); n != 3 {
		t.Errorf("%d events on record, want 3", n)
	}
	left, err := filepath.Glob(filepath.Join(s.state, "run", "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestRunModes(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		args   []string
		rules  bool
		ua     string
		others string
		want   string // in the summary
		sent   string
	}{
		"an ID is enough":                {args: []string{"--id", testID[4:]}, sent: "armclient/1.0 " + testID, want: "1 attributed (command-line)"},
		"two IDs":                        {args: []string{"--id", testID, "--id", otherID}, sent: "armclient/1.0 " + testID + " " + otherID, want: "1 attributed"},
		"observe changes nothing":        {args: []string{"--id", testID, "--observe"}, sent: "armclient/1.0", want: "1 would-attribute (command-line)"},
		"rules of the file":              {rules: true, sent: "armclient/1.0 " + testID, want: "1 attributed (contoso)"},
		"another ID is there":            {args: []string{"--id", testID}, ua: " " + otherID, sent: "armclient/1.0 " + otherID + " " + testID, want: "carried another tracking ID already"},
		"the ID is there already":        {args: []string{"--id", testID}, ua: " " + strings.ToUpper(testID), sent: "armclient/1.0 " + strings.ToUpper(testID), want: "1 already-attributed"},
		"a file without rules tags none": {sent: "armclient/1.0", want: "1 no-rule"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			more := ""
			if tc.rules {
				more = ruleYAML("contoso", testID)
			}
			s.env = append(s.env, "ARMCLIENT_UA="+tc.ua)
			args := append([]string{"run", "--config", s.config(more)}, tc.args...)
			r := s.run(append(args, "--", s.client(), armURL+"rg-1"+apiVersion)...)
			if r.code != 0 {
				t.Fatalf("exit code %d\n%s", r.code, r.stderr)
			}
			if diff := cmp.Diff([]string{tc.sent}, s.userAgents()); diff != "" {
				t.Error(diff)
			}
			if !strings.Contains(r.stderr, tc.want) {
				t.Errorf("stderr %q lacks %q", r.stderr, tc.want)
			}
		})
	}
}

// Without an ID and without a configuration nothing is changed.
func TestRunObservesByDefault(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.env = append(s.env,
		"ATTRIBPROXY_UPSTREAM_ROOTS="+filepath.Join(s.dir, "cloud-ca.pem"),
		"ATTRIBPROXY_UPSTREAM_RESOLVE="+strings.Join(s.cloud.Resolve(), ","),
		"ATTRIBPROXY_UPSTREAM_ALLOW=127.0.0.0/8")
	r := s.run("run", s.client(), armURL+"rg-1"+apiVersion)
	if r.code != 0 || !strings.Contains(r.stderr, "1 ARM write: 1 no-rule") {
		t.Fatalf("exit code %d\n%s", r.code, r.stderr)
	}
	if events := s.journal(); len(events) != 1 || events[0].Mode != "observe" {
		t.Errorf("journal %+v", events)
	}
}

func TestRunExitCodes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	plain := s.file("not-executable", "#!/bin/sh\n")
	for name, tc := range map[string]struct {
		args []string
		code int
		says string
	}{
		"success":         {args: []string{"--", "true"}, code: 0, says: "0 ARM writes"},
		"the child's own": {args: []string{"--", "sh", "-c", "exit 42"}, code: 42, says: "0 ARM writes"},
		"a signal":        {args: []string{"--", "sh", "-c", "kill -KILL $$"}, code: 128 + 9},
		"not found":       {args: []string{"--", "no-such-program-here"}, code: 127, says: "no-such-program-here"},
		"not executable":  {args: []string{"--", plain}, code: 126, says: "permission denied"},
		"a directory":     {args: []string{"--", "/"}, code: 126, says: "directory"},
		"no command":      {args: nil, code: 2, says: "hint: put the command behind --"},
		"bad ID":          {args: []string{"--id", "pid-pid-x", "--", "true"}, code: 1, says: "pid-pid-"},
		"unknown flag":    {args: []string{"--nope", "--", "true"}, code: 2, says: "hint: see 'attribproxy run --help'"},
		"its own flags":   {args: []string{"sh", "-c", "exit 7"}, code: 7},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := s.run(append([]string{"run"}, tc.args...)...)
			if r.code != tc.code || !strings.Contains(r.stderr, tc.says) {
				t.Errorf("exit code %d, want %d\n%s", r.code, tc.code, r.stderr)
			}
		})
	}
}

func TestRunPassesStreamsThrough(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	cmd := s.command("run", "--", "sh", "-c", "cat; echo complaint >&2")
	var out, errOut strings.Builder
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader("from stdin\n"), &out, &errOut
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if out.String() != "from stdin\n" || !strings.HasPrefix(errOut.String(), "complaint\nattribproxy: 0 ARM writes") {
		t.Errorf("stdout %q, stderr %q", out.String(), errOut.String())
	}
}

func TestRunHandsSignalsOn(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			p := s.start("run", "--", s.program("signalclient"))
			p.await("waiting", 1)
			if err := p.cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if code := p.exit(); code != 5 || !strings.Contains(p.stderr(), "caught "+sig.String()) {
				t.Errorf("exit code %d\n%s", code, p.stderr())
			}
		})
	}
}

// A run that cannot keep its record does not start the command.
func TestRunRefusesWithoutJournal(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	marker := filepath.Join(s.dir, "started")
	r := s.run("run", "--audit-dir", s.file("a-file", ""), "--", "touch", marker)
	if r.code != exitFailed || !strings.Contains(r.stderr, "opening the journal") || !strings.Contains(r.stderr, "hint: ") {
		t.Errorf("exit code %d\n%s", r.code, r.stderr)
	}
	if _, err := os.Stat(marker); !os.IsNotExist(err) {
		t.Error("the command was started")
	}
}

func TestRunSweepsAfterSIGKILL(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.start("run", "--", s.program("signalclient"))
	p.await("waiting", 1)
	dirs, err := filepath.Glob(filepath.Join(s.state, "run", "run-*"))
	if err != nil || len(dirs) != 1 {
		t.Fatalf("the run's directories: %v, %v", dirs, err)
	}
	// The next start leaves a living run alone …
	if r := s.run("run", "--", "true"); r.code != 0 {
		t.Fatalf("exit code %d\n%s", r.code, r.stderr)
	}
	if _, err := os.Stat(dirs[0]); err != nil {
		t.Fatal(err)
	}
	child := childOf(t, p.cmd.Process.Pid)
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Kill() // it holds our end of its stderr
	p.exit()
	// … and removes a dead one's.
	if r := s.run("run", "--", "true"); r.code != 0 {
		t.Fatalf("exit code %d\n%s", r.code, r.stderr)
	}
	if _, err := os.Stat(dirs[0]); !os.IsNotExist(err) {
		t.Errorf("left behind: %v", err)
	}
}

// childOf is the only child of a process.
func childOf(t *testing.T, pid int) *os.Process {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	tasks, globErr := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil || globErr != nil {
		t.Skipf("finding the child needs Linux's /proc: %v %v", err, globErr)
	}
	for _, task := range tasks {
		if more, err := os.ReadFile(task); err == nil {
			b = append(b, more...)
		}
	}
	var child int
	if _, err := fmt.Sscan(string(b), &child); err != nil {
		t.Fatalf("no child in %q: %v", b, err)
	}
	proc, err := os.FindProcess(child)
	if err != nil {
		t.Fatal(err)
	}
	return proc
}

func TestTenRunsAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	file, client := s.config(ruleYAML("contoso", testID)), s.client()
	const runs = 10
	var all sync.WaitGroup
	for i := range runs {
		all.Go(func() {
			r := s.run("run", "--config", file, "--", client, fmt.Sprintf("%srg-%d-a%s", armURL, i, apiVersion), fmt.Sprintf("%srg-%d-b%s", armURL, i, apiVersion))
			if r.code != 0 {
				t.Errorf("exit code %d\n%s", r.code, r.stderr)
			}
		})
	}
	all.Wait()
	epochs := map[uint64]int{}
	for _, e := range s.journal() {
		epochs[e.Epoch]++
		if e.Outcome != "attributed" || e.Status != http.StatusCreated {
			t.Errorf("event %+v", e)
		}
	}
	if len(epochs) != runs {
		t.Errorf("%d streams, want %d: %v", len(epochs), runs, epochs)
	}
	for epoch, n := range epochs {
		if n != 2 {
			t.Errorf("stream %d has %d writes, want 2", epoch, n)
		}
	}
}

// An HTTPS_PROXY that is set already becomes the upstream proxy, credentials
// included, and its NO_PROXY holds for the proxy alone.
func TestRunGoesThroughTheProxyThatIsSet(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	corp := newCorporateProxy(t, s.cloud.Addr())
	s.env = append(s.env, "HTTPS_PROXY=http://build:s3cr3t@"+corp.addr, "ATTRIBPROXY_UPSTREAM_ROOTS="+filepath.Join(s.dir, "cloud-ca.pem"))
	r := s.run("run", "--id", testID, "--", s.client(), armURL+"rg-1"+apiVersion)
	if r.code != 0 {
		t.Fatalf("exit code %d\n%s", r.code, r.stderr)
	}
	if diff := cmp.Diff([]string{"armclient/1.0 " + testID}, s.userAgents()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"management.azure.com:443 Basic YnVpbGQ6czNjcjN0"}, corp.seen()); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(r.stderr, "s3cr3t") {
		t.Errorf("the password is shown:\n%s", r.stderr)
	}
}

// A shell that uses a serve on the same state directory: the run goes past it.
func TestRunGoesPastItsOwnServe(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	file := s.config(ruleYAML("contoso", testID))
	_, info := s.serve("--config", file)
	s.env = append(s.env, "HTTPS_PROXY="+info.Proxy)
	r := s.run("run", "--config", file, "--id", otherID, "--", s.client(), armURL+"rg-1"+apiVersion)
	if r.code != 0 || !strings.Contains(r.stderr, "goes past it") {
		t.Fatalf("exit code %d\n%s", r.code, r.stderr)
	}
	if diff := cmp.Diff([]string{"armclient/1.0 " + otherID}, s.userAgents()); diff != "" {
		t.Error(diff)
	}
}

// corporateProxy is a CONNECT proxy that sends everything to one address.
type corporateProxy struct {
	addr string
	mu   sync.Mutex
	got  []string
}

func (p *corporateProxy) seen() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.got...)
}

func newCorporateProxy(t *testing.T, target string) *corporateProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &corporateProxy{addr: l.Addr().String()}
	var conns sync.WaitGroup
	srv := &http.Server{ReadHeaderTimeout: waitLong, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.got = append(p.got, r.Host+" "+r.Header.Get("Proxy-Authorization"))
		p.mu.Unlock()
		origin, err := net.Dial("tcp", target)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		client, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			origin.Close()
			return
		}
		_, _ = io.WriteString(client, "HTTP/1.1 200 OK\r\n\r\n")
		conns.Go(func() { _, _ = io.Copy(origin, rw.Reader); origin.Close() })
		conns.Go(func() { _, _ = io.Copy(client, origin); client.Close() })
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }()
	t.Cleanup(func() { srv.Close(); <-done; conns.Wait() })
	return p
}
