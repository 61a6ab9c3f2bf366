package certs_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/attribproxy/attribproxy/certs"
)

// helperDir, when set, makes the test binary load or create the CA there and
// say which one it got: the second process of some tests.
const helperDir = "CERTS_TEST_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperDir); dir != "" {
		os.Exit(helper(dir))
	}
	goleak.VerifyTestMain(m)
}

func helper(dir string) int {
	io.Copy(io.Discard, os.Stdin) // the starting gun: all begin when it closes
	a, err := certs.LoadOrCreate(dir, certs.Options{Hosts: []string{"management.azure.com"}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Print(a.Fingerprint())
	return 0
}

var oneHost = certs.Options{Hosts: []string{"management.azure.com"}}

func stored(t *testing.T, dir string, o certs.Options) *certs.Authority {
	t.Helper()
	a, err := certs.LoadOrCreate(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestTheSameCAIsFoundAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "attribproxy")
	first := stored(t, dir, certs.Options{Hosts: []string{"management.usgovcloudapi.net", "management.azure.com"}})
	again := stored(t, dir, certs.Options{Hosts: []string{"management.azure.com", "management.azure.com", "management.usgovcloudapi.net"}})
	if first.Fingerprint() != again.Fingerprint() {
		t.Error("another CA at the second start")
	}
	if err := verify(first, shownLeaf(t, again, "management.azure.com"), "management.azure.com", time.Now()); err != nil {
		t.Errorf("a leaf of the second start under the root of the first: %v", err)
	}
	inspected, err := certs.Inspect(dir)
	if err != nil {
		t.Fatal(err)
	}
	if inspected.Fingerprint() != first.Fingerprint() || inspected.RootSubject() != first.RootSubject() || inspected.IssuerSubject() != first.IssuerSubject() {
		t.Error("Inspect shows another CA")
	}
	if _, err := inspected.TLSConfig("management.azure.com"); err == nil {
		t.Error("an inspected CA serves")
	}
}

func TestFilesAndModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	stored(t, dir, oneHost)
	got := map[string]fs.FileMode{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		got[e.Name()] = info.Mode().Perm()
	}
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no modes")
	}
	// Nothing else is left over, and there is no key of the root.
	want := map[string]fs.FileMode{"ca.pem": 0o644, "ca-issuer.pem": 0o644, "ca-key.pem": 0o600, "ca.lock": 0o600}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory has mode %v (%v)", info.Mode().Perm(), err)
	}
}

func TestKeyOpenToOthersIsRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no modes")
	}
	dir := filepath.Join(t.TempDir(), "it's here")
	stored(t, dir, oneHost)
	key := filepath.Join(dir, certs.KeyFile)
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o620, 0o602, 0o644, 0o777} {
		if err := os.Chmod(key, mode); err != nil {
			t.Fatal(err)
		}
		_, err := certs.LoadOrCreate(dir, oneHost)
		var open *certs.KeyPermissionError
		if !errors.As(err, &open) {
			t.Fatalf("mode %04o: %v", mode, err)
		}
		if open.Path != key || open.Mode.Perm() != mode {
			t.Errorf("%04o: the error tells of %s, %v", mode, open.Path, open.Mode)
		}
		// The command in the message is good as it stands.
		_, remedy, ok := strings.Cut(err.Error(), ": ")
		if !ok || !strings.HasPrefix(remedy, "chmod 600 ") {
			t.Fatalf("%04o: %v", mode, err)
		}
		if out, err := exec.Command("sh", "-c", remedy).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", remedy, err, out)
		}
		stored(t, dir, oneHost)
	}
}

func TestChangedHostsAreRefused(t *testing.T) {
	dir := t.TempDir()
	old := stored(t, dir, oneHost)
	_, err := certs.LoadOrCreate(dir, certs.Options{Hosts: []string{"management.azure.com", "management.usgovcloudapi.net"}})
	if !errors.Is(err, certs.ErrHostsChanged) {
		t.Fatal(err)
	}
	var changed *certs.HostsChangedError
	if !errors.As(err, &changed) {
		t.Fatal(err)
	}
	want := &certs.HostsChangedError{Dir: dir, Old: []string{"management.azure.com"}, New: []string{"management.azure.com", "management.usgovcloudapi.net"}}
	if d := cmp.Diff(want, changed); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if !strings.Contains(changed.Remedy(), "attribproxy ca rotate") || !strings.Contains(err.Error(), "management.usgovcloudapi.net") {
		t.Errorf("%v; %s", err, changed.Remedy())
	}
	if again := stored(t, dir, oneHost); again.Fingerprint() != old.Fingerprint() {
		t.Error("the CA was replaced")
	}
}

func TestRotate(t *testing.T) {
	dir := t.TempDir()
	old := stored(t, dir, oneHost)
	other := certs.Options{Hosts: []string{"management.usgovcloudapi.net"}}
	made, err := certs.Rotate(dir, other)
	if err != nil {
		t.Fatal(err)
	}
	if made.Fingerprint() == old.Fingerprint() {
		t.Error("the same CA after rotation")
	}
	if made.RootSubject() == old.RootSubject() || made.IssuerSubject() == old.IssuerSubject() {
		t.Error("the new CA has the names of the old one")
	}
	if loaded := stored(t, dir, other); loaded.Fingerprint() != made.Fingerprint() {
		t.Error("the rotated CA was not stored")
	}
	// A process that still runs goes on with what it has.
	if err := verify(old, shownLeaf(t, old, "management.azure.com"), "management.azure.com", time.Now()); err != nil {
		t.Error(err)
	}
}

func TestExpiredCAIsRefusedAtLoad(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	o := certs.Options{Hosts: oneHost.Hosts, Now: c.Now}
	stored(t, dir, o)
	c.move(729 * day)
	stored(t, dir, o)
	c.move(2 * day)
	_, err := certs.LoadOrCreate(dir, o)
	var expired *certs.ExpiredError
	if !errors.As(err, &expired) || !strings.Contains(expired.Remedy(), "attribproxy ca rotate") {
		t.Fatal(err)
	}
	if !strings.Contains(err.Error(), "2028-11-21") {
		t.Errorf("%v", err)
	}
	if _, err := certs.Inspect(dir); err != nil {
		t.Errorf("an expired CA cannot be shown: %v", err)
	}
	if _, err := certs.Rotate(dir, o); err != nil {
		t.Fatal(err)
	}
	stored(t, dir, o)
}

// What is half there or does not fit is told, and left as it is.
func TestDamagedCAIsRefusedAndKept(t *testing.T) {
	spare := t.TempDir()
	stored(t, spare, oneHost)
	remove := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	cut := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			info, err := os.Stat(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(filepath.Join(dir, name), info.Size()/2); err != nil {
				t.Fatal(err)
			}
		}
	}
	empty := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.Truncate(filepath.Join(dir, name), 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	swap := func(names ...string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			for _, name := range names {
				copyFile(t, filepath.Join(spare, name), filepath.Join(dir, name))
			}
		}
	}
	put := func(name, from string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { copyFile(t, filepath.Join(dir, from), filepath.Join(dir, name)) }
	}
	corporate := func(t *testing.T, dir string) {
		s := unconstrained(t)
		if err := os.WriteFile(filepath.Join(dir, certs.RootFile), s.rootPEM(), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, certs.IssuerFile), encode([][]byte{s.issuer.Raw}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name   string
		damage func(*testing.T, string)
		says   string
	}{
		{"no root", remove("ca.pem"), "missing ca.pem"},
		{"no issuer", remove("ca-issuer.pem"), "missing ca-issuer.pem"},
		{"no key", remove("ca-key.pem"), "missing ca-key.pem"},
		{"half a root", cut("ca.pem"), "ca.pem is not one whole PEM block"},
		{"half an issuer", cut("ca-issuer.pem"), "ca-issuer.pem is not one whole PEM block"},
		{"half a key", cut("ca-key.pem"), "ca-key.pem is not one whole PEM block"},
		{"empty key", empty("ca-key.pem"), "ca-key.pem is not one whole PEM block"},
		{"another root", swap("ca.pem"), "ca-issuer.pem was not signed by ca.pem"},
		{"another issuer", swap("ca-issuer.pem"), "ca-issuer.pem was not signed by ca.pem"},
		{"another key", swap("ca-key.pem"), "ca-key.pem is not the key of ca-issuer.pem"},
		{"another issuer with its key", swap("ca-issuer.pem", "ca-key.pem"), "ca-issuer.pem was not signed by ca.pem"},
		{"a certificate for a key", put("ca-key.pem", "ca.pem"), "ca-key.pem is not one whole PEM block"},
		{"the issuer for a root", put("ca.pem", "ca-issuer.pem"), "ca.pem is no root"},
		{"the root for an issuer", put("ca-issuer.pem", "ca.pem"), "ca-issuer.pem may sign further CAs"},
		{"a corporate CA", corporate, "is not constrained to the intercepted hosts"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			stored(t, dir, oneHost)
			test.damage(t, dir)
			before := content(t, dir)
			_, err := certs.LoadOrCreate(dir, oneHost)
			var damaged *certs.DamagedError
			if !errors.As(err, &damaged) {
				t.Fatalf("got %v", err)
			}
			if !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), dir) {
				t.Errorf("%q does not say %q", err, test.says)
			}
			if !strings.Contains(damaged.Remedy(), "attribproxy ca rotate") {
				t.Errorf("remedy %q", damaged.Remedy())
			}
			if d := cmp.Diff(before, content(t, dir)); d != "" {
				t.Errorf("the files changed:\n%s", d)
			}
			if _, err := certs.Rotate(dir, oneHost); err != nil {
				t.Fatal(err)
			}
			stored(t, dir, oneHost)
		})
	}
}

func TestInspectWithoutACA(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	if _, err := certs.Inspect(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Error("Inspect made the directory")
	}
}

// A CA that is mounted read-only, as a secret, is good to load.
func TestReadOnlyDirectory(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no modes")
	}
	dir := t.TempDir()
	stored(t, dir, oneHost)
	if err := os.Remove(filepath.Join(dir, "ca.lock")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(dir, 0o700) })
	stored(t, dir, oneHost)
	if _, err := os.Stat(filepath.Join(dir, "ca.lock")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("loading wrote to the directory")
	}
}

func TestProcessesStartingAtOnceShareOneCA(t *testing.T) {
	for round := range 3 {
		dir := filepath.Join(t.TempDir(), "state")
		type process struct {
			cmd   *exec.Cmd
			start io.Closer
			out   strings.Builder
			err   strings.Builder
		}
		processes := make([]*process, 6)
		for i := range processes {
			p := &process{cmd: exec.Command(os.Args[0])}
			p.cmd.Env = append(os.Environ(), helperDir+"="+dir)
			p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.err
			start, err := p.cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			p.start = start
			if err := p.cmd.Start(); err != nil {
				t.Fatal(err)
			}
			processes[i] = p
		}
		for _, p := range processes {
			p.start.Close()
		}
		var got []string
		for _, p := range processes {
			if err := p.cmd.Wait(); err != nil {
				t.Errorf("round %d: %v: %s", round, err, p.err.String())
			}
			got = append(got, p.out.String())
		}
		slices.Sort(got)
		if one := slices.Compact(got); len(one) != 1 || one[0] != stored(t, dir, oneHost).Fingerprint() {
			t.Errorf("round %d: processes got the CAs %q", round, one)
		}
	}
}

// A process that loads while another rotates gets the old CA or the new one.
func TestLoadDuringRotation(t *testing.T) {
	dir := t.TempDir()
	stored(t, dir, oneHost)
	done := make(chan error, 1)
	go func() {
		for range 20 {
			if _, err := certs.Rotate(dir, oneHost); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for {
		stored(t, dir, oneHost)
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			return
		default:
		}
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, name := range []string{certs.RootFile, certs.IssuerFile, certs.KeyFile} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		out[name] = string(data)
	}
	return out
}
