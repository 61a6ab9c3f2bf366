package config_test

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/attribproxy/attribproxy/config"
)

var update = flag.Bool("update", false, "rewrite the golden error texts")

// Each file of testdata/bad holds one kind of mistake; beside it stands what the
// user is told.
func TestBadFiles(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "bad", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			t.Parallel()
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			_, err = config.Load(config.Source{
				File: "config.yaml", Dir: dir, Env: []string{"HOME=" + dir, "USERPROFILE=" + dir},
				ReadFile: func(name string) ([]byte, error) {
					if filepath.Base(name) == "config.yaml" {
						return content, nil
					}
					return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
				},
			})
			var faulty *config.Error
			if !errors.As(err, &faulty) {
				t.Fatalf("got %v, want faults", err)
			}
			if strings.Contains(err.Error(), "s3cr") {
				t.Errorf("a secret is shown: %v", err)
			}
			for _, f := range faulty.Faults {
				if f.Message == "" || f.Remedy == "" {
					t.Errorf("no message or no remedy: %+v", f)
				}
			}
			got := strings.ReplaceAll(err.Error(), dir+string(filepath.Separator), "") + "\n"
			golden := strings.TrimSuffix(file, ".yaml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
