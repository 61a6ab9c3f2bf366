//go:build unix

package audit_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/sys/unix"

	"github.com/attribproxy/attribproxy/audit"
)

// strangers make something at path that is no file, and say what it is.
var strangers = map[string]func(path string) error{
	"a named pipe": func(path string) error { return unix.Mkfifo(path, 0o600) },
	"a directory":  func(path string) error { return os.Mkdir(path, 0o700) },
	// The second reads without end, the third as a sound journal.
	"a symbolic link":                  func(path string) error { return os.Symlink("nowhere", path) },
	"a symbolic link to /dev/zero":     func(path string) error { return os.Symlink("/dev/zero", path) },
	"a symbolic link to first segment": func(path string) error { return os.Symlink("00000001-0001.jsonl", path) },
}

// kindOf is how messages call it.
func kindOf(stranger string) string {
	kind, _, _ := strings.Cut(stranger, " to ")
	return "not a regular file but " + kind
}

// within fails the test when f hangs.
func within(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatalf("%s hangs", what)
	}
}

// told is what readers say: requests and damage, in order.
func told(e *audit.Event, err error) string {
	if err == nil {
		return e.ClientRequestID
	}
	var bad *audit.LineError
	if errors.As(err, &bad) && bad.Offset == 0 {
		return "damaged: " + bad.Error()
	}
	return "failed: " + err.Error()
}

// What has a segment's name and is no file is told of and passed over, by
// whoever reads, and by a journal that opens beside it.
func TestStrangers(t *testing.T) {
	const name = "00000002-0001.jsonl"
	for what, put := range strangers {
		t.Run(what, func(t *testing.T) {
			o := options(t)
			core, logs := observer.New(zap.WarnLevel)
			o.Logger = zap.New(core)
			j := open(t, o)
			record(t, j, event(0))
			closeJournal(t, j)
			if err := put(filepath.Join(o.Dir, name)); err != nil {
				t.Fatal(err)
			}
			damaged := "damaged: " + name + ": " + kindOf(what)
			want := []string{damaged, "request-0"}

			within(t, "Read", func() {
				var got []string
				for e, err := range audit.Read(o.Dir, audit.Filter{}) {
					got = append(got, told(&e, err))
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("Read: %s", diff)
				}
			})
			within(t, "Latest", func() {
				var got []string
				for e, err := range audit.Latest(o.Dir, audit.Filter{}, 5) {
					got = append(got, told(&e, err))
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("Latest: %s", diff)
				}
			})
			within(t, "Lookup", func() {
				if e, _, err := audit.Lookup(o.Dir, 0, 1); err != nil || e.Epoch != 1 {
					t.Errorf("Lookup of the latest: epoch %d, %v", e.Epoch, err)
				}
				if _, _, err := audit.Lookup(o.Dir, 2, 1); !errors.Is(err, audit.ErrNotFound) || !strings.Contains(err.Error(), kindOf(what)) {
					t.Errorf("Lookup of what should be there: %v", err)
				}
			})
			within(t, "Verify", func() { onlyFault(t, o, name, kindOf(what)) })

			within(t, "Open", func() {
				o.RetainBytes = 1 // retention looks at everything too
				j := open(t, o)
				if epoch := j.Head().Epoch; epoch != 3 {
					t.Errorf("claimed epoch %d, want 3", epoch)
				}
				record(t, j, event(1))
				closeJournal(t, j)
			})
			if n := logs.FilterMessageSnippet("is no file; passed over").Len(); n != 1 {
				t.Errorf("%d warnings about it, want 1: %v", n, logs.All())
			}
			if _, err := os.Lstat(filepath.Join(o.Dir, name)); err != nil {
				t.Errorf("it was touched: %v", err)
			}
			within(t, "Verify", func() { onlyFault(t, o, name, kindOf(what)) })
		})
	}
}

func onlyFault(t *testing.T, o audit.Options, file, message string) {
	t.Helper()
	var got []string
	for _, f := range verify(t, o).Faults {
		got = append(got, f.String())
	}
	if diff := cmp.Diff([]string{file + ": " + message}, got); diff != "" {
		t.Errorf("faults: %s", diff)
	}
}

// Follow says it once, however often it looks, and goes on.
func TestStrangerFollowed(t *testing.T) {
	for what, put := range strangers {
		t.Run(what, func(t *testing.T) {
			o := options(t)
			j := open(t, o)
			record(t, j, event(0))
			if err := put(filepath.Join(o.Dir, "00000001-0002.jsonl")); err != nil {
				t.Fatal(err)
			}
			poll := make(chan time.Time)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			go func() {
				defer cancel()
				for n := 1; n < 4; n++ {
					if err := j.Record(event(n)).Wait(ctx); err != nil {
						t.Error(err)
					}
					for range 2 { // the second is taken when the look of the first is over
						select {
						case poll <- time.Time{}:
						case <-ctx.Done():
							t.Error("Follow hangs")
							return
						}
					}
				}
			}()
			var got []string
			for e, err := range audit.Follow(ctx, o.Dir, audit.Filter{}, audit.FollowOptions{Poll: poll, Past: -1}) {
				got = append(got, told(&e, err))
			}
			want := []string{"damaged: 00000001-0002.jsonl: " + kindOf(what), "request-0", "request-1", "request-2", "request-3"}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			closeJournal(t, j)
		})
	}
}

// A segment that was replaced is a fault, and recovery does not cover it up.
func TestSegmentReplaced(t *testing.T) {
	for what, put := range strangers {
		for _, replaced := range []int{1, 2, 3} {
			t.Run(fmt.Sprintf("%s/segment %d", what, replaced), func(t *testing.T) {
				if replaced == 1 && strings.HasSuffix(what, "first segment") {
					t.Skip("it would be a link to itself")
				}
				o := options(t)
				o.SegmentBytes = 1 // a segment for each event
				j := open(t, o)
				record(t, j, event(0))
				record(t, j, event(1))
				closeJournal(t, j) // the third holds the final seal only
				path := segments(t, o.Dir)[replaced-1]
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
				if err := put(path); err != nil {
					t.Fatal(err)
				}
				within(t, "the journal", func() {
					closeJournal(t, open(t, o))
					var want, got []string
					for i, id := range []string{"request-0", "request-1"} {
						if i+1 != replaced {
							want = append(want, id)
						}
					}
					for e, err := range audit.Read(o.Dir, audit.Filter{}) {
						if err == nil {
							got = append(got, e.ClientRequestID)
						}
					}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Error(diff)
					}
					about := 0
					for _, f := range verify(t, o).Faults {
						if f.File == filepath.Base(path) && f.Message == kindOf(what) {
							about++
						}
					}
					if about != 1 {
						t.Errorf("%d faults speak of it, want 1", about)
					}
				})
			})
		}
	}
}

// The journal's own files in the directory can be pipes and links as well.
func TestStrangeNotes(t *testing.T) {
	for what, put := range strangers {
		for _, name := range []string{".maintenance.json", ".claim.lock", ".sweep.lock"} {
			t.Run(what+"/"+name, func(t *testing.T) {
				o := options(t)
				if err := os.MkdirAll(o.Dir, 0o700); err != nil {
					t.Fatal(err)
				}
				if err := put(filepath.Join(o.Dir, name)); err != nil {
					t.Fatal(err)
				}
				o.RetainBytes = 1
				within(t, "Open", func() {
					j, err := audit.Open(o)
					if name == ".claim.lock" {
						if err == nil || !strings.Contains(err.Error(), kindOf(what)) {
							t.Errorf("Open: %v", err)
						}
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
					record(t, j, event(0))
					closeJournal(t, j)
				})
			})
		}
	}
}
