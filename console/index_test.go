package console_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/attribproxy/attribproxy/audit/store"
	"github.com/attribproxy/attribproxy/console"
)

func TestPageDoesNotWaitForALongUpdate(t *testing.T) {
	release := make(chan struct{})
	s := newSite(t, func(o *console.Options) {
		update := o.Update
		o.Update = func(ctx context.Context, st store.Store) error {
			select {
			case <-release:
			case <-ctx.Done():
				return ctx.Err()
			}
			return update(ctx, st)
		}
	})
	s.record(event(0))
	status, body, _ := s.get("/events")
	if status != 200 || !strings.Contains(body, "is being brought up to date") || !strings.Contains(body, `http-equiv="refresh"`) || strings.Contains(body, "<tbody>") {
		t.Errorf("while the index is behind: %d %s", status, body)
	}
	close(release)
	if _, body, _ := s.get("/events"); strings.Contains(body, "is being brought up to date") || !strings.Contains(body, "<tbody>") {
		t.Errorf("afterwards: %s", body)
	}
}

// A download is never less than all.
func TestDownloadWaitsForTheIndex(t *testing.T) {
	s := newSite(t, func(o *console.Options) {
		update := o.Update
		var slow atomic.Bool
		o.Update = func(ctx context.Context, st store.Store) error {
			if slow.CompareAndSwap(false, true) {
				select {
				case <-time.After(1500 * time.Millisecond):
				case <-ctx.Done():
				}
			}
			return update(ctx, st)
		}
	})
	s.record(events(30)...)
	if status, body, _ := s.get("/reports/report.json"); status != 200 || !strings.Contains(strings.ReplaceAll(body, " ", ""), `"requests":30`) {
		t.Errorf("%d %.300s", status, body)
	}
}

func TestIndexThatFailsIsOpenedAnew(t *testing.T) {
	var opened atomic.Int32
	var fault atomic.Pointer[error]
	s := newSite(t, func(o *console.Options) {
		open, update := o.Store, o.Update
		o.Store = func(ctx context.Context) (store.Store, error) {
			if opened.Add(1) == 1 {
				return nil, errors.New("no room for an index")
			}
			return open(ctx)
		}
		o.Update = func(ctx context.Context, st store.Store) error {
			if err := fault.Swap(nil); err != nil {
				if *err == nil {
					panic("a bug in the index")
				}
				return *err
			}
			return update(ctx, st)
		}
	})
	s.record(event(0))
	look := func(when string, wantStatus int, want string) {
		t.Helper()
		if status, body, _ := s.get("/events"); status != wantStatus || !strings.Contains(body, want) {
			t.Errorf("%s: %d, want %d with %q: %s", when, status, wantStatus, want, body)
		}
	}
	look("it cannot be opened", 503, "no room for an index")
	look("it can", 200, "<tbody>")
	err := errors.New("disk I/O error")
	fault.Store(&err)
	look("the update fails", 200, "the latest events may be missing: disk I/O error")
	look("after that", 200, "<tbody>")
	var bug error
	fault.Store(&bug)
	look("the update panics", 200, "a bug in the index")
	look("after that", 200, "<tbody>")
	if n := opened.Load(); n != 4 {
		t.Errorf("opened %d times, want 4", n)
	}
}

// The index can be deleted at any time, also while it is in use.
func TestIndexIsDeleted(t *testing.T) {
	s := newSite(t, nil)
	s.record(events(20)...)
	s.get("/")
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(filepath.Join(s.dir, "index.db"+suffix)); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Skipf("this system does not let go of an open file: %v", err)
		}
	}
	s.record(event(20))
	until := time.Now().Add(20 * time.Second)
	for {
		status, body, _ := s.get("/events")
		if status == 200 && strings.Count(body, `<td class="time">`) == 21 && !strings.Contains(body, `class="note"`) {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("%d %s", status, body)
		}
		<-time.After(10 * time.Millisecond)
	}
}

func TestTooManyFollowers(t *testing.T) {
	s := newSite(t, nil)
	for range console.TailReaders {
		s.follow(t, "/live/stream")
	}
	if status, body, _ := s.get("/live/stream"); status != 503 || !strings.Contains(body, "too many") {
		t.Errorf("%d %s", status, body)
	}
}

// Who follows does not hold up the end.
func TestCloseEndsFollowers(t *testing.T) {
	s := newSite(t, nil)
	s.record(event(0))
	tail := s.follow(t, "/live/stream")
	tail.ids(1)
	if err := s.server.Close(); err != nil {
		t.Fatal(err)
	}
	for tail.lines.Scan() { // to the end
	}
}
