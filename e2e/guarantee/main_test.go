//go:build unix

package guarantee_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

// binDir holds the program that is tested, for the length of the run.
var binDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "attribproxy-guarantee-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "making a directory for the program:", err)
		os.Exit(1)
	}
	binDir = dir
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// attribproxy is the program under test: the one that E2E_ATTRIBPROXY names,
// else it is built once.
var attribproxy = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("E2E_ATTRIBPROXY"); path != "" {
		return filepath.Abs(path)
	}
	// go test remembers results by the files that the test looked at.
	if err := filepath.WalkDir("../..", func(path string, _ fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".go" {
			_, err = os.Stat(path)
		}
		return err
	}); err != nil {
		return "", err
	}
	out := filepath.Join(binDir, "attribproxy")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", out, "./cmd/attribproxy")
	cmd.Dir = "../.." // the module's top; a test runs in its package's folder
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the program: %w\n%s", err, text)
	}
	return out, nil
})

// missing ends a test that lacks something: skipped on a developer's machine, a
// failure in CI, where a skipped test would go unseen.
func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("CI is set, so nothing may be skipped: "+format, args...)
	}
	t.Skipf(format, args...)
}
