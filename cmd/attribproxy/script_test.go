package main

import (
	"context"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite the golden parts of testdata/script")

// TestMain lets the test binary be attribproxy itself, so that scripts run the
// real program in a process of its own, race detector included.
func TestMain(m *testing.M) {
	programs := map[string]func(){
		"testjournal":   testJournal,
		"legacyjournal": legacyJournal,
		"attribproxy": func() {
			os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ()))
		},
	}
	maps.Copy(programs, clientPrograms())
	testscript.Main(m, programs)
}

// TestScript runs every script of testdata/script. Each has a directory of its
// own with an empty home and empty XDG directories; nothing of the machine's
// environment but PATH reaches it.
func TestScript(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               emptyHome,
	})
}

// emptyHome gives a script a home directory with nothing in it.
func emptyHome(env *testscript.Env) error {
	for name, dir := range map[string]string{
		"HOME":            "home",
		"USERPROFILE":     "home",
		"XDG_CONFIG_HOME": filepath.Join("home", ".config"),
		"XDG_STATE_HOME":  filepath.Join("home", ".local", "state"),
		"XDG_CACHE_HOME":  filepath.Join("home", ".cache"),
		"XDG_RUNTIME_DIR": "run",
		"LOCALAPPDATA":    filepath.Join("home", "AppData", "Local"),
		"APPDATA":         filepath.Join("home", "AppData", "Roaming"),
	} {
		path := filepath.Join(env.WorkDir, dir)
		if err := os.MkdirAll(path, 0o700); err != nil {
			return err
		}
		env.Setenv(name, path)
	}
	return nil
}
