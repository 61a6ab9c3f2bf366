//go:build unix

package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/attribproxy/attribproxy/config"
)

// What has no end is not read to its end.
func TestEndlessFiles(t *testing.T) {
	_, err := config.Load(config.Source{File: "/dev/zero", Env: []string{"HOME=" + t.TempDir()}})
	if err == nil || !strings.Contains(err.Error(), "a configuration may have") {
		t.Errorf("a config file without end: %v", err)
	}
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte("upstream: {roots: /dev/zero}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = config.Load(config.Source{File: file, Env: []string{"HOME=" + t.TempDir()}})
	if err == nil || !strings.Contains(err.Error(), "upstream.roots") {
		t.Errorf("roots without end: %v", err)
	}
}

func TestWhatCanBeReadAgain(t *testing.T) {
	dir := t.TempDir()
	for name, tc := range map[string]struct {
		content    string
		pipe       bool
		rereadable bool
		blank      bool
	}{
		"a file":       {content: "mode: observe\n", rereadable: true},
		"a blank file": {content: "\n  \n", rereadable: true, blank: true},
		"a pipe":       {content: "mode: observe\n", pipe: true},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
			if tc.pipe {
				if err := syscall.Mkfifo(path, 0o600); err != nil {
					t.Fatal(err)
				}
				written := make(chan error, 1)
				go func() { written <- os.WriteFile(path, []byte(tc.content), 0o600) }()
				defer func() {
					if err := <-written; err != nil {
						t.Error(err)
					}
				}()
			} else if err := os.WriteFile(path, []byte(tc.content), 0o600); err != nil {
				t.Fatal(err)
			}
			loaded, err := config.Resolve(config.Source{File: path, Env: []string{"HOME=" + dir}})
			if err != nil {
				t.Fatal(err)
			}
			if loaded.Rereadable != tc.rereadable || loaded.Blank != tc.blank {
				t.Errorf("rereadable %v, blank %v", loaded.Rereadable, loaded.Blank)
			}
		})
	}
}
