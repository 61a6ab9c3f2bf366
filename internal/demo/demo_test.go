package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// TestMain lets the test program be the Go client, as the demo itself is.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "-"+sendFlag {
		main()
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func TestDemo(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	t.Setenv("TMP", temp)                         // Windows
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1") // must not lead the demo astray
	t.Setenv("ATTRIBPROXY_MODE", "observe")
	const id = "7f3a9c52-1d84-4e6b-9a0f-2c5e8b7d4161"
	for _, args := range [][]string{{"-id", id}, {"-id", id, "-go-client"}} {
		var out, errs bytes.Buffer
		if err := run(t.Context(), args, &out, &errs); err != nil {
			t.Fatalf("%v: %v\n%s%s", args, err, &out, &errs)
		}
		for _, want := range []string{"User-Agent: ", " pid-" + id + "\n", "attributed", "…/resourcegroups/demo", "audit verify"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%v: the demo does not show %q:\n%s", args, want, &out)
			}
		}
	}
	left, err := filepath.Glob(filepath.Join(temp, "attribproxy*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
