package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/attribproxy/attribproxy/audit"
	"github.com/attribproxy/attribproxy/audit/store"
	"github.com/attribproxy/attribproxy/audit/store/storetest"
)

func journalOptions(t testing.TB) audit.Options {
	t.Helper()
	state := t.TempDir()
	return audit.Options{
		Dir: filepath.Join(state, "audit"), Source: "host-1", KeyFile: filepath.Join(state, "seal-key.pem"),
		SegmentBytes: 4 << 10,
	}
}

func openJournal(t testing.TB, o audit.Options) *audit.Journal {
	t.Helper()
	j, err := audit.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// record writes n requests.
func record(t testing.TB, j *audit.Journal, from, n int) {
	t.Helper()
	for i := range n {
		e := storetest.Event(1)
		e.Time = time.Date(2026, 3, 1, 0, from+i, 0, 0, time.UTC)
		e.ResourceName = fmt.Sprint("vm", from+i)
		e.Labels = []string{fmt.Sprint("build=", (from+i)/10)}
		if err := j.Record(e).Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func closeJournal(t testing.TB, j *audit.Journal) {
	t.Helper()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// follow brings s up to date; lines that cannot be read are returned.
func follow(t testing.TB, dir string, s store.Store) (damaged []error) {
	t.Helper()
	err := store.Follow(t.Context(), dir, s, store.FollowOptions{BatchEvents: 7, Damaged: func(err error) { damaged = append(damaged, err) }})
	if err != nil {
		t.Fatal(err)
	}
	return damaged
}

// answers is what a store says about everything.
type answers struct {
	Events []string
	Tables [][]store.Group
}

func ask(t testing.TB, s store.Store) answers {
	t.Helper()
	var a answers
	kinds := []audit.Kind{audit.KindRequest, audit.KindIntent, audit.KindGap}
	events, _, err := s.Events(t.Context(), store.Query{Filter: audit.Filter{Kinds: kinds}}, store.Page{Limit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		line, err := e.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		a.Events = append(a.Events, string(line))
	}
	var by [][]store.Dimension
	for _, d := range store.Dimensions() {
		by = append(by, []store.Dimension{d})
	}
	if a.Tables, err = s.Tables(t.Context(), store.Query{}, by...); err != nil {
		t.Fatal(err)
	}
	return a
}

// sameAsNew holds an index that followed against one that is built now, and
// returns how many events there are.
func sameAsNew(t testing.TB, dir string, followed store.Store) int {
	t.Helper()
	fresh := index(t, filepath.Join(t.TempDir(), "index.db"))
	follow(t, dir, fresh)
	want, got := ask(t, fresh), ask(t, followed)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("a new index says otherwise: %s", diff)
	}
	return len(got.Events)
}

// An index that follows step by step, through segments, streams and processes
// that come and go, says what a new one says.
func TestFollow(t *testing.T) {
	o := journalOptions(t)
	path := filepath.Join(filepath.Dir(o.Dir), "index.db")
	s := index(t, path)
	n := 0
	for stream := range 3 {
		j := openJournal(t, o)
		for range 4 {
			record(t, j, n, 13)
			n += 13
			if damaged := follow(t, o.Dir, s); len(damaged) > 0 {
				t.Fatal(damaged)
			}
			if got := sameAsNew(t, o.Dir, s); got != n {
				t.Fatalf("stream %d: %d events, want %d", stream, got, n)
			}
		}
		closeJournal(t, j)
	}
	follow(t, o.Dir, s)
	follow(t, o.Dir, s) // nothing new
	if got := sameAsNew(t, o.Dir, s); got != n {
		t.Fatalf("%d events, want %d", got, n)
	}
	// Another process goes on where this one stood.
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := index(t, path)
	before, err := again.Positions(t.Context())
	if err != nil || len(before) == 0 {
		t.Fatal(before, err)
	}
	follow(t, o.Dir, again)
	if got := sameAsNew(t, o.Dir, again); got != n {
		t.Fatalf("%d events, want %d", got, n)
	}
}

// What retention deletes is gone from the index.
func TestFollowRetention(t *testing.T) {
	o := journalOptions(t)
	s := index(t, filepath.Join(filepath.Dir(o.Dir), "index.db"))
	j := openJournal(t, o)
	record(t, j, 0, 60)
	closeJournal(t, j)
	follow(t, o.Dir, s)
	o.RetainBytes = 12 << 10
	o.Now = func() time.Time { return time.Now().Add(2 * time.Hour) } // retention is applied once an hour
	j = openJournal(t, o)
	record(t, j, 60, 30)
	closeJournal(t, j)
	follow(t, o.Dir, s)
	if got := sameAsNew(t, o.Dir, s); got >= 90 || got == 0 {
		t.Errorf("%d events: nothing was deleted, or all", got)
	}
	// A part of a stream, and then the stream, as an administrator might.
	files, err := filepath.Glob(filepath.Join(o.Dir, "*.jsonl"))
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		follow(t, o.Dir, s)
		sameAsNew(t, o.Dir, s)
	}
	if got := ask(t, s); len(got.Events) > 0 {
		t.Errorf("%d events of a journal that is gone", len(got.Events))
	}
}

// Whatever happens to a journal, the index becomes what it is now.
func TestFollowOddities(t *testing.T) {
	edit := func(name string, change func([]byte) []byte) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			path := filepath.Join(dir, name)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, change(data), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, happens := range map[string]func(t *testing.T, dir string){
		"a segment in the middle is lost": func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "00000001-0002.jsonl")); err != nil {
				t.Fatal(err)
			}
		},
		"a segment is cut":   edit("00000001-0003.jsonl", func(b []byte) []byte { return b[:len(b)/2] }),
		"a segment is empty": edit("00000001-0003.jsonl", func([]byte) []byte { return nil }),
		"lines are inserted": edit("00000001-0002.jsonl", func(b []byte) []byte { return append(b, b...) }),
		"rubbish is added":   edit("00000001-0002.jsonl", func(b []byte) []byte { return append(b, "rubbish\n{}\n"...) }),
		"another journal stands there": func(t *testing.T, dir string) {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			o := journalOptions(t)
			o.Dir, o.Source = dir, "host-2"
			j := openJournal(t, o)
			record(t, j, 500, 17)
			closeJournal(t, j)
		},
		"another journal of the same name": func(t *testing.T, dir string) {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			o := journalOptions(t)
			o.Dir = dir
			j := openJournal(t, o)
			record(t, j, 500, 70)
			closeJournal(t, j)
		},
		"nothing but rubbish": edit("00000001-0003.jsonl", func([]byte) []byte { return []byte("rubbish\nrubbish\n") }),
		"other files": func(t *testing.T, dir string) {
			for _, name := range []string{"00000000-0001.jsonl", "1-1.jsonl", "x.jsonl", "00000009-0001.jsonl.torn"} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte("rubbish\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Mkdir(filepath.Join(dir, "00000009-0002.jsonl"), 0o700); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := journalOptions(t)
			s := index(t, filepath.Join(t.TempDir(), "index.db"))
			j := openJournal(t, o)
			record(t, j, 0, 50)
			closeJournal(t, j)
			follow(t, o.Dir, s)
			happens(t, o.Dir)
			follow(t, o.Dir, s)
			sameAsNew(t, o.Dir, s)
		})
	}
}

// A writer takes lines back that it could not sync, and writes others in their
// place.
func TestFollowTakenBack(t *testing.T) {
	dir := t.TempDir()
	s := index(t, filepath.Join(t.TempDir(), "index.db"))
	if _, err := storetest.Generate(dir, 20, 1); err != nil {
		t.Fatal(err)
	}
	follow(t, dir, s)
	path := filepath.Join(dir, "00000001-0001.jsonl")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := storetest.Generate(dir, 30, 2); err != nil { // other times, other hashes
		t.Fatal(err)
	}
	other, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for size := len(data) - 10; size < len(other); size += 997 {
		if err := os.WriteFile(path, other[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		follow(t, dir, s)
		sameAsNew(t, dir, s)
	}
}

// A line that cannot be read is told and passed over; one that is not whole is
// waited for.
func TestFollowDamaged(t *testing.T) {
	dir := t.TempDir()
	s := index(t, filepath.Join(t.TempDir(), "index.db"))
	if _, err := storetest.Generate(dir, 3, 1); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "00000001-0001.jsonl")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for size := range whole {
		if size%41 != 0 {
			continue
		}
		if err := os.WriteFile(path, whole[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		if damaged := follow(t, dir, s); len(damaged) > 0 {
			t.Fatal(damaged)
		}
	}
	if err := os.WriteFile(path, append(whole, "rubbish\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	var line *audit.LineError
	if damaged := follow(t, dir, s); len(damaged) != 1 || !errors.As(damaged[0], &line) || line.File != filepath.Base(path) {
		t.Errorf("%v", damaged)
	}
	if got := sameAsNew(t, dir, s); got != 3 {
		t.Errorf("%d events", got)
	}
	follow(t, dir, s)
	if n, err := store.Damaged(t.Context(), s); err != nil || n != 1 {
		t.Errorf("%d damaged lines, %v", n, err)
	}
	if err := store.Follow(t.Context(), filepath.Join(dir, "none"), s, store.FollowOptions{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a journal that is not there: %v", err)
	}
}

// Several processes follow and ask while a writer writes.
func TestFollowConcurrently(t *testing.T) {
	o := journalOptions(t)
	path := filepath.Join(filepath.Dir(o.Dir), "index.db")
	j := openJournal(t, o)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			s, err := store.OpenSQLite(context.WithoutCancel(ctx), path) // as another process would
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			for last := uint64(0); ctx.Err() == nil; {
				if err := store.Follow(context.WithoutCancel(ctx), o.Dir, s, store.FollowOptions{BatchEvents: 5}); err != nil {
					t.Error(err)
					return
				}
				groups, err := s.Coverage(context.WithoutCancel(ctx), store.Query{})
				if err != nil || groups[0].Counts.Attributed < last {
					t.Error(groups, last, err)
					return
				}
				last = groups[0].Counts.Attributed
			}
		})
	}
	record(t, j, 0, 400)
	cancel()
	wg.Wait()
	closeJournal(t, j)
	s := index(t, path)
	follow(t, o.Dir, s)
	if got := sameAsNew(t, o.Dir, s); got != 400 {
		t.Errorf("%d events", got)
	}
}

// An index that cannot be used is made anew: it is only an index.
func TestOpenAgain(t *testing.T) {
	o := journalOptions(t)
	j := openJournal(t, o)
	record(t, j, 0, 20)
	closeJournal(t, j)
	for name, harm := range map[string]func(t *testing.T, path string) error{
		"deleted": func(_ *testing.T, path string) error { return os.Remove(path) },
		"no index": func(_ *testing.T, path string) error {
			return os.WriteFile(path, []byte("a letter to my aunt, long enough for a header"), 0o600)
		},
		"emptied":   func(_ *testing.T, path string) error { return os.Truncate(path, 0) },
		"cut":       func(_ *testing.T, path string) error { return os.Truncate(path, 5000) },
		"untouched": func(*testing.T, string) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "an index?#%41.db")
			s := index(t, path)
			follow(t, o.Dir, s)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if err := harm(t, path); err != nil {
				t.Fatal(err)
			}
			again := index(t, path)
			follow(t, o.Dir, again)
			if got := sameAsNew(t, o.Dir, again); got != 20 {
				t.Errorf("%d events", got)
			}
			info, err := os.Stat(path)
			if err != nil || info.Mode().Perm()&0o077 != 0 && os.PathSeparator == '/' {
				t.Errorf("%v, %v", info, err)
			}
		})
	}
	if _, err := store.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "none", "index.db")); err == nil {
		t.Error("an index in a directory that is not there")
	}
}
