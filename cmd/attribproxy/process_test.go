//go:build unix

package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/term"

	"github.com/attribproxy/attribproxy/audit"
	"github.com/attribproxy/attribproxy/internal/fakecloud"
)

// waitLong is the deadline of conditions that should hold at once.
const waitLong = 30 * time.Second

const (
	testID  = "pid-3f2c9a5e-7d14-4b8a-9c6e-1a2b3c4d5e6f"
	otherID = "pid-9e8d7c6b-5a49-4c3b-8d2e-1f0a9b8c7d6e"
	armURL  = "https://management.azure.com/subscriptions/" + fakecloud.SubscriptionID + "/resourcegroups/"
)

// clientPrograms are further programs that the test binary can be.
func clientPrograms() map[string]func() {
	return map[string]func(){"armclient": armClient, "signalclient": signalClient}
}

// armClient is a client program for the tests: it sends each URL a PUT, as a
// Go program in this environment would, and prints the status.
func armClient() {
	code := 0
	for _, target := range os.Args[1:] {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodPut, target, strings.NewReader(`{"location":"westeurope"}`))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		req.Header.Set("User-Agent", "armclient/1.0"+os.Getenv("ARMCLIENT_UA"))
		req.Header.Set("Authorization", "Bearer "+os.Getenv("ARMCLIENT_TOKEN"))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
			continue
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		fmt.Println(resp.StatusCode)
	}
	os.Exit(code)
}

// signalClient is a client program that says which signals it gets, and exits
// with 5 after as many as its argument says, or one.
func signalClient() {
	want := 1
	if len(os.Args) > 1 {
		want, _ = strconv.Atoi(os.Args[1])
	}
	got := make(chan os.Signal, 8)
	signal.Notify(got, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1)
	where := ""
	if term.IsTerminal(int(os.Stdin.Fd())) {
		where = " at a terminal"
	}
	fmt.Fprintln(os.Stderr, "waiting"+where)
	for range want {
		fmt.Fprintln(os.Stderr, "caught", <-got)
	}
	os.Exit(5)
}

// site is a home of its own with a fake cloud, for whole processes.
type site struct {
	t     *testing.T
	cloud *fakecloud.Cloud
	dir   string
	state string
	env   []string
}

func newSite(t *testing.T) *site {
	t.Helper()
	cloud, err := fakecloud.Start(fakecloud.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cloud.Close(); err != nil {
			t.Errorf("closing the fake cloud: %v", err)
		}
	})
	s := &site{t: t, cloud: cloud, dir: t.TempDir()}
	s.state = filepath.Join(s.dir, "state")
	s.file("cloud-ca.pem", string(cloud.CAPEM()))
	s.env = []string{"HOME=" + s.dir, "XDG_CONFIG_HOME=" + s.dir, "PATH=" + os.Getenv("PATH"), "ATTRIBPROXY_STATE_DIR=" + s.state, "ARMCLIENT_TOKEN=" + cloud.Token()}
	return s
}

// file writes a file below the site's directory and returns its path.
func (s *site) file(name, content string) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// config writes a configuration that reaches the fake cloud, with more YAML
// appended.
func (s *site) config(more string) string {
	s.t.Helper()
	return s.file("config.yaml", s.yaml(more))
}

func (s *site) yaml(more string) string {
	return "admin: \"\"\nlisten: 127.0.0.1:0\nlog: {format: json}\nupstream:\n  roots: cloud-ca.pem\n  allow: [127.0.0.0/8]\n  resolve: [" +
		strings.Join(s.cloud.Resolve(), ", ") + "]\n" + more
}

func ruleYAML(name, id string) string {
	return fmt.Sprintf("rules:\n  - name: %s\n    trackingIds: [%s]\n", name, id)
}

// command is the program itself, in a process of its own.
func (s *site) command(args ...string) *exec.Cmd {
	s.t.Helper()
	self, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	return &exec.Cmd{
		Path: self, Args: append([]string{"attribproxy"}, args...), Env: s.env, Dir: s.dir,
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true}, // so that its children can be ended with it
	}
}

// client is the path of armClient.
func (s *site) client() string { return s.program("armclient") }

// program is the test binary under another name, which makes it a program of
// TestMain's.
func (s *site) program(name string) string {
	s.t.Helper()
	self, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	path := filepath.Join(s.dir, name)
	if err := os.Symlink(self, path); err != nil && !errors.Is(err, os.ErrExist) {
		s.t.Fatal(err)
	}
	return path
}

// result is how a process ended.
type result struct {
	code           int
	stdout, stderr string
}

// run runs a command line to its end.
func (s *site) run(args ...string) result {
	s.t.Helper()
	var out, errOut strings.Builder
	cmd := s.command(args...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errOut.String()}
}

// process is a running program whose stderr is read line by line.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	mu   sync.Mutex
	text strings.Builder
	grew chan struct{}
	done chan struct{}
}

func (s *site) start(args ...string) *process {
	s.t.Helper()
	p := &process{t: s.t, cmd: s.command(args...), grew: make(chan struct{}), done: make(chan struct{})}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			p.mu.Lock()
			p.text.WriteString(lines.Text() + "\n")
			close(p.grew)
			p.grew = make(chan struct{})
			p.mu.Unlock()
		}
		_ = p.cmd.Wait()
	}()
	s.t.Cleanup(func() {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.done
	})
	return p
}

// stderr is what was written so far.
func (p *process) stderr() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// await waits until stderr holds text n times.
func (p *process) await(text string, n int) {
	p.t.Helper()
	deadline := time.After(waitLong)
	for {
		p.mu.Lock()
		all, grew := p.text.String(), p.grew
		p.mu.Unlock()
		if strings.Count(all, text) >= n {
			return
		}
		select {
		case <-grew:
		case <-p.done:
			if strings.Count(p.stderr(), text) < n {
				p.t.Fatalf("ended without saying %q %d times:\n%s", text, n, p.stderr())
			}
			return
		case <-deadline:
			p.t.Fatalf("did not say %q %d times in %s:\n%s", text, n, waitLong, all)
		}
	}
}

// exit waits for the end and returns the exit code.
func (p *process) exit() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(waitLong):
		p.t.Fatalf("still running after %s:\n%s", waitLong, p.stderr())
	}
	return p.cmd.ProcessState.ExitCode()
}

// serve starts the daemon and waits until it is ready.
func (s *site) serve(args ...string) (*process, readyInfo) {
	s.t.Helper()
	p := s.start(append([]string{"serve"}, args...)...)
	p.await(`"msg":"ready"`, 1)
	info, err := readReady(s.state)
	if err != nil {
		s.t.Fatal(err)
	}
	return p, info
}

// via is an HTTP client that goes through a running serve.
func (s *site) via(info readyInfo) *http.Client {
	s.t.Helper()
	pem, err := os.ReadFile(info.CA)
	if err != nil {
		s.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	u, err := url.Parse(info.Proxy)
	if err != nil {
		s.t.Fatal(err)
	}
	tr := &http.Transport{Proxy: http.ProxyURL(u), TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	s.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: waitLong}
}

// put sends one PUT for a resource group.
func (s *site) put(c *http.Client, group string) int {
	s.t.Helper()
	status, err := s.tryPut(c, group)
	if err != nil {
		s.t.Fatal(err)
	}
	return status
}

func (s *site) tryPut(c *http.Client, group string) (int, error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPut, armURL+group+"?api-version=2021-04-01", strings.NewReader(`{"location":"westeurope"}`))
	if err != nil {
		return 0, err
	}
	req.Header.Set("User-Agent", "test/1")
	req.Header.Set("Authorization", "Bearer "+s.cloud.Token())
	resp, err := c.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// userAgents are those of the PUTs that reached the cloud.
func (s *site) userAgents() []string {
	var uas []string
	for _, r := range s.cloud.Requests() {
		if r.Method == http.MethodPut {
			uas = append(uas, strings.Join(r.Header["User-Agent"], "|"))
		}
	}
	return uas
}

// journal is every request event on record, after verifying the journal.
func (s *site) journal() []audit.Event {
	s.t.Helper()
	dir := filepath.Join(s.state, "audit")
	report, err := audit.Verify(dir, audit.VerifyOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	if len(report.Faults) > 0 {
		s.t.Errorf("the journal has faults: %+v", report.Faults)
	}
	var events []audit.Event
	for e, err := range audit.Read(dir, audit.Filter{}) {
		if err != nil {
			s.t.Fatal(err)
		}
		if e.Kind == audit.KindRequest {
			events = append(events, e)
		}
	}
	return events
}

// get fetches an admin page.
func get(t *testing.T, target string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: waitLong}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}
