package e2e_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// binDir holds what the tests build, for the length of the run.
var binDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "attribproxy-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "making a directory for binaries:", err)
		os.Exit(1)
	}
	binDir = dir
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// attribproxy is the program under test: the one that E2E_ATTRIBPROXY names, a
// released one say, else it is built once.
var attribproxy = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("E2E_ATTRIBPROXY"); path != "" {
		return filepath.Abs(path)
	}
	return build("./cmd/attribproxy", "attribproxy")
})

// goClient is the client made of the Azure SDK for Go, built once.
var goClient = sync.OnceValues(func() (string, error) { return build("./e2e/clients/go", "goclient") })

func build(pkg, name string) (string, error) {
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	out := filepath.Join(binDir, name)
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", out, pkg)
	cmd.Dir = ".." // the module's top; a test runs in its package's folder
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w\n%s", pkg, err, text)
	}
	return out, nil
}

// nodeModules fetches the packages of clients/js/package-lock.json once. A
// failure is a missing tool: there may be no network.
var nodeModules = sync.OnceValue(func() error {
	const dir = "clients/js"
	lock, err := os.Stat(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return err
	}
	// npm writes this file last; it is newer than the lock it was made from.
	if done, err := os.Stat(filepath.Join(dir, "node_modules", ".package-lock.json")); err == nil && done.ModTime().After(lock.ModTime()) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts")
	cmd.Dir = dir
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w\n%s", err, text)
	}
	return nil
})

// must gives the value of a thing that is built, or ends the test.
func must(t *testing.T, f func() (string, error)) string {
	t.Helper()
	s, err := f()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// missing ends a test that lacks a tool: skipped on a developer's machine, a
// failure in CI, where a skipped test would go unseen.
func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("CI is set, so nothing may be skipped: "+format, args...)
	}
	t.Skipf(format, args...)
}

// need looks a program up or ends the test.
func need(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, "%s is not installed", name)
	}
	return path
}

// needPython finds a Python that can import the given modules: the system's
// first, as Debian's packages are of no use to any other.
func needPython(t *testing.T, modules string) string {
	t.Helper()
	for _, name := range []string{"/usr/bin/python3", "python3", "python"} {
		if path, err := exec.LookPath(name); err == nil && exec.Command(path, "-c", "import "+modules).Run() == nil {
			return path
		}
	}
	missing(t, "no Python with %s (Debian: python3-requests, python3-azure)", modules)
	return ""
}
