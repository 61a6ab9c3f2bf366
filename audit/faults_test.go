package audit_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"pgregory.net/rapid"

	"github.com/attribproxy/attribproxy/audit"
)

// faultyFile puts functions before a segment file's methods; nil means none.
type faultyFile struct {
	audit.SegmentFile
	write    func(p []byte) (short int, err error) // err: write only that many bytes
	sync     func() error
	truncate func() error
}

func (f *faultyFile) WriteAt(p []byte, off int64) (int, error) {
	if f.write != nil {
		if short, err := f.write(p); err != nil {
			n, _ := f.SegmentFile.WriteAt(p[:short], off)
			return n, err
		}
	}
	return f.SegmentFile.WriteAt(p, off)
}

func (f *faultyFile) Sync() error {
	if f.sync != nil {
		if err := f.sync(); err != nil {
			return err
		}
	}
	return f.SegmentFile.Sync()
}

func (f *faultyFile) Truncate(size int64) error {
	if f.truncate != nil {
		if err := f.truncate(); err != nil {
			return err
		}
	}
	return f.SegmentFile.Truncate(size)
}

// Each fault: the waiter hears of it, the journal says that it is unhealthy
// and recovers by itself, the loss stands in a gap line, the chain holds.
func TestWriteErrors(t *testing.T) {
	var failing, truncates atomic.Bool
	fault := func(err error) error {
		if failing.Load() {
			return err
		}
		return nil
	}
	for name, wrap := range map[string]func(audit.SegmentFile) audit.SegmentFile{
		"EIO": func(f audit.SegmentFile) audit.SegmentFile {
			return &faultyFile{SegmentFile: f, write: func([]byte) (int, error) { return 0, fault(syscall.EIO) }}
		},
		"ENOSPC after half": func(f audit.SegmentFile) audit.SegmentFile {
			return &faultyFile{SegmentFile: f, write: func(p []byte) (int, error) { return len(p) / 2, fault(syscall.ENOSPC) }}
		},
		"ENOSPC after a whole line": func(f audit.SegmentFile) audit.SegmentFile {
			return &faultyFile{SegmentFile: f, write: func(p []byte) (int, error) {
				return strings.IndexByte(string(p), '\n') + 1, fault(syscall.ENOSPC)
			}}
		},
		"short write": func(f audit.SegmentFile) audit.SegmentFile {
			return &faultyFile{SegmentFile: f, write: func(p []byte) (int, error) { return len(p) - 1, fault(io.ErrShortWrite) }}
		},
		"sync": func(f audit.SegmentFile) audit.SegmentFile {
			return &faultyFile{SegmentFile: f, sync: func() error { return fault(syscall.EIO) }}
		},
		"sync and truncate": func(f audit.SegmentFile) audit.SegmentFile {
			return &faultyFile{
				SegmentFile: f, sync: func() error { return fault(syscall.EIO) },
				truncate: func() error { truncates.Store(true); return fault(syscall.EROFS) },
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			failing.Store(false)
			o := options(t)
			core, logs := observer.New(zap.InfoLevel)
			o.Logger = zap.New(core)
			var observed []string
			o.Observe = func(e audit.Event) { observed = append(observed, e.ClientRequestID) }
			j := open(t, o.WithFaults(time.Millisecond, wrap))
			record(t, j, event(0))
			record(t, j, event(1))
			failing.Store(true)
			for i := 2; i < 5; i++ {
				if err := j.Record(event(i)).Wait(context.Background()); err == nil {
					t.Errorf("event %d: the receipt hides the loss", i)
				}
			}
			if j.Healthy() == nil {
				t.Error("Healthy hides the fault")
			}
			if head := j.Head(); head.Seq != 2 {
				t.Errorf("the head is at %d, want 2", head.Seq)
			}
			if lost := j.Stats().Lost; lost != 3 {
				t.Errorf("%d lost, want 3", lost)
			}
			failing.Store(false)
			waitFor(t, "the journal to recover by itself", func() bool { return j.Healthy() == nil })
			record(t, j, event(5))
			closeJournal(t, j)
			if diff := cmp.Diff([]string{"request-0", "request-1", "request-5"}, requests(t, o.Dir)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]string{"request-0", "request-1", "request-5"}, observed); diff != "" {
				t.Errorf("observed: %s", diff)
			}
			if diff := cmp.Diff([]string{"write-error 3"}, gaps(t, o.Dir)); diff != "" {
				t.Error(diff)
			}
			if logs.FilterMessageSnippet("events are lost").Len() == 0 {
				t.Error("the loss was not logged")
			}
			mustPass(t, o)
		})
	}
	if !truncates.Load() {
		t.Error("no failed write was cut off")
	}
}

// Strict: no intent on disk, no permission to send.
func TestStrictRefusesOnWriteError(t *testing.T) {
	o := options(t)
	o.Guarantee = audit.GuaranteeStrict
	var failing atomic.Bool
	j := open(t, o.WithFaults(time.Millisecond, func(f audit.SegmentFile) audit.SegmentFile {
		return &faultyFile{SegmentFile: f, write: func([]byte) (int, error) {
			if failing.Load() {
				return 0, syscall.ENOSPC
			}
			return 0, nil
		}}
	}))
	failing.Store(true)
	e := event(1)
	if err := j.Intent(context.Background(), &e); !errors.Is(err, syscall.ENOSPC) || e.Intent != 0 {
		t.Errorf("Intent on a full disk: %v, seq %d", err, e.Intent)
	}
	failing.Store(false)
	if err := j.Intent(context.Background(), &e); err != nil || e.Intent != 1 {
		t.Errorf("Intent when there is room again: %v, seq %d", err, e.Intent)
	}
	closeJournal(t, j)
	if got := gaps(t, o.Dir); len(got) != 0 {
		t.Errorf("a refused request is no loss, but there are gaps: %v", got)
	}
}

// A journal that cannot be sealed says so, and the next one closes it.
func TestCloseFails(t *testing.T) {
	o := options(t)
	var failing atomic.Bool
	j := open(t, o.WithFaults(time.Millisecond, func(f audit.SegmentFile) audit.SegmentFile {
		return &faultyFile{SegmentFile: f, sync: func() error {
			if failing.Load() {
				return syscall.EIO
			}
			return nil
		}}
	}))
	record(t, j, event(0))
	failing.Store(true)
	lost := j.Record(event(1))
	if err := j.Close(); !errors.Is(err, syscall.EIO) {
		t.Errorf("Close returned %v", err)
	}
	if err := lost.Wait(context.Background()); err == nil {
		t.Error("the lost event's receipt hides it")
	}
	if r := mustPass(t, o); len(r.OpenTails) != 1 {
		t.Errorf("open tails: %+v", r.OpenTails)
	}
	closeJournal(t, open(t, o))
	if diff := cmp.Diff([]string{"unclean-stop 0"}, gaps(t, o.Dir)); diff != "" {
		t.Error(diff)
	}
	mustPass(t, o)
}

// Faults at random: whatever a receipt promised is there, in order; what it
// refused is counted.
func TestRandomFaults(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		o := options(t)
		o.SegmentBytes = int64(rapid.IntRange(500, 20_000).Draw(rt, "segment bytes"))
		faults := rapid.SliceOfN(rapid.IntRange(0, 9), 20, 100).Draw(rt, "faults")
		var mu sync.Mutex
		step := 0
		fault := func(which int) error {
			mu.Lock()
			defer mu.Unlock()
			step++
			if step < len(faults) && faults[step] == which {
				return syscall.EIO
			}
			return nil
		}
		j := open(t, o.WithFaults(time.Microsecond, func(f audit.SegmentFile) audit.SegmentFile {
			return &faultyFile{
				SegmentFile: f,
				write:       func(p []byte) (int, error) { return len(p) / 3, fault(1) },
				sync:        func() error { return fault(2) },
				truncate:    func() error { return fault(3) },
			}
		}))
		var promised []string
		refused := 0
		for i := range 30 {
			if j.Record(event(i)).Wait(context.Background()) == nil {
				promised = append(promised, fmt.Sprintf("request-%d", i))
			} else {
				refused++
			}
		}
		err := j.Close()
		if err != nil {
			closeJournal(t, open(t, o)) // recovers
		}
		got := requests(t, o.Dir)
		if err == nil && !slices.Equal(got, promised) {
			rt.Fatalf("promised %v, found %v", promised, got)
		}
		var counted int
		for _, g := range gaps(t, o.Dir) {
			var n int
			fmt.Sscanf(g, "write-error %d", &n)
			counted += n
		}
		if err == nil && counted != refused {
			rt.Fatalf("%d refused, %d in gap lines", refused, counted)
		}
		if r := verify(t, o); !r.OK() {
			rt.Fatalf("faults: %v", r.Faults)
		}
	})
}

// waitFor polls a condition.
func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		<-tick.C
	}
}
