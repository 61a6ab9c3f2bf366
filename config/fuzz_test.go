package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/attribproxy/attribproxy/config"
)

// FuzzLoad: no file makes Load panic or fail without a fault that says where,
// and what loads is shown in a form that loads again as the same.
func FuzzLoad(f *testing.F) {
	seeds, err := filepath.Glob(filepath.Join("testdata", "bad", "*.yaml"))
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range append(seeds, filepath.Join("..", "config.example.yaml")) {
		content, err := os.ReadFile(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	f.Add([]byte("{\"mode\": \"observe\"}"))
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("labels: [\"#\", \"\\u2028\", ' : ', '- x']"))
	f.Add([]byte("? [complex, key]\n: x"))
	f.Add([]byte("!!binary x: !!float y"))
	f.Fuzz(func(t *testing.T, content []byte) {
		src := config.Source{
			File: "config.yaml", Dir: "/dir", Env: []string{"HOME=/home", "USERPROFILE=/home"}, GOOS: "linux",
			ReadFile: func(string) ([]byte, error) { return content, nil },
		}
		loaded, err := config.Resolve(src)
		var faulty *config.Error
		if err != nil {
			if !errors.As(err, &faulty) || len(faulty.Faults) == 0 {
				t.Fatalf("an error without faults: %v", err)
			}
			for _, fault := range faulty.Faults {
				if fault.Where == "" || fault.Message == "" {
					t.Fatalf("a fault without place or message: %+v", fault)
				}
			}
			return
		}
		if loaded.Config.Redacted().Upstream.Proxy != loaded.Config.Upstream.Proxy {
			return // shown without its password, it is another one
		}
		shown, err := loaded.YAML()
		if err != nil {
			t.Fatal(err)
		}
		content = shown
		again, err := config.Resolve(src)
		if err != nil {
			t.Fatalf("%v, from what was shown:\n%s", err, shown)
		}
		if diff := cmp.Diff(loaded.Config, again.Config); diff != "" {
			t.Fatal(diff)
		}
	})
}
