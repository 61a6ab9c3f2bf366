package config_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/attribproxy/attribproxy/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWatch(t *testing.T) {
	t.Parallel()
	gone := errors.New("gone")
	type step struct {
		content string
		err     error
		looks   int
	}
	for name, tt := range map[string]struct {
		steps []step
		want  int
	}{
		"no change":                     {[]step{{"a", nil, 3}}, 0},
		"one change is told once":       {[]step{{"b", nil, 5}}, 1},
		"each change":                   {[]step{{"b", nil, 2}, {"c", nil, 2}, {"a", nil, 2}}, 3},
		"a file that goes":              {[]step{{"", gone, 4}}, 1},
		"a file that goes and comes":    {[]step{{"", gone, 2}, {"b", nil, 2}}, 2},
		"and comes back as it was":      {[]step{{"", gone, 2}, {"a", nil, 2}}, 2},
		"half written for one look":     {[]step{{"b, half", nil, 1}, {"b, whole", nil, 3}}, 1},
		"gone for one look":             {[]step{{"", gone, 1}, {"a", nil, 3}}, 0},
		"changed back before believing": {[]step{{"b", nil, 1}, {"a", nil, 3}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				content, readErr, changes := "a", error(nil), 0
				ticks := make(chan time.Time)
				w := config.Watching{Ticks: ticks, ReadFile: func(string) ([]byte, error) { return []byte(content), readErr }}
				ctx, cancel := context.WithCancel(t.Context())
				go config.Watch(ctx, "config.yaml", time.Hour, w, func() { changes++ })
				synctest.Wait()
				for _, s := range tt.steps {
					content, readErr = s.content, s.err
					for range s.looks {
						ticks <- time.Time{}
						synctest.Wait()
					}
				}
				cancel()
				synctest.Wait()
				if changes != tt.want {
					t.Errorf("told of %d changes, want %d", changes, tt.want)
				}
			})
		})
	}
}

// What changed between loading and watching is a change.
func TestWatchKnowsWhatWasLoaded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sum := sha256.Sum256([]byte("old"))
		changed := make(chan struct{}, 1)
		ctx, cancel := context.WithCancel(t.Context())
		defer synctest.Wait()
		defer cancel()
		w := config.Watching{Seen: hex.EncodeToString(sum[:]), ReadFile: func(string) ([]byte, error) { return []byte("new"), nil }}
		go config.Watch(ctx, "config.yaml", 2*time.Second, w, func() { changed <- struct{}{} })
		select {
		case <-changed:
		case <-time.After(5 * time.Second): // of the bubble's clock
			t.Error("the change was missed, or found later than after two looks")
		}
	})
}

// A ConfigMap's file is a link to a link; an update swaps the one in between:
// https://kubernetes.io/docs/concepts/configuration/configmap/#mounted-configmaps-are-updated-automatically
func TestWatchSeesAConfigMapChange(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	version := func(name, content string) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name, "config.yaml"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(name, filepath.Join(dir, "..tmp")); err != nil {
			t.Skip("no symbolic links here:", err)
		}
		if err := os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	version("..1", "mode: observe\n")
	path := filepath.Join(dir, "config.yaml")
	if err := os.Symlink(filepath.Join("..data", "config.yaml"), path); err != nil {
		t.Fatal(err)
	}
	loaded, err := config.Resolve(config.Source{File: path, Env: []string{"HOME=" + dir, "USERPROFILE=" + dir}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	changed, done := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(done)
		config.Watch(ctx, loaded.File, time.Millisecond, config.Watching{Seen: loaded.Digest}, func() { changed <- struct{}{} })
	}()
	version("..2", "mode: enforce\n")
	select {
	case <-changed:
	case <-time.After(30 * time.Second):
		t.Error("the change was not seen")
	}
	cancel()
	<-done
}
