package audit_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/attribproxy/attribproxy/audit"
)

// However many events wait while the disk is busy: one write and one sync
// serve all of them.
func TestGroupCommit(t *testing.T) {
	const waiting = 50
	var writes, syncs atomic.Int64
	busy, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	o := options(t)
	var commits []int // of the committer until Close
	o.ObserveCommit = func(lines int, _ time.Duration, _ error) { commits = append(commits, lines) }
	j := open(t, o.WithFaults(time.Millisecond, func(f audit.SegmentFile) audit.SegmentFile {
		return &faultyFile{
			SegmentFile: f,
			write:       func([]byte) (int, error) { writes.Add(1); return 0, nil },
			sync: func() error {
				syncs.Add(1)
				once.Do(func() { close(busy); <-release })
				return nil
			},
		}
	}))
	receipts := []audit.Receipt{j.Record(event(0))}
	<-busy
	for i := range waiting {
		receipts = append(receipts, j.Record(event(i+1)))
	}
	if w, s := writes.Load(), syncs.Load(); w != 1 || s != 1 {
		t.Errorf("%d writes and %d syncs while the disk is busy, want one of each", w, s)
	}
	close(release)
	for i, r := range receipts {
		if err := r.Wait(context.Background()); err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
	}
	if w, s := writes.Load(), syncs.Load(); w != 2 || s != 2 {
		t.Errorf("%d writes and %d syncs for 1 event and %d that waited, want two of each", w, s, waiting)
	}
	closeJournal(t, j)
	if diff := cmp.Diff([]int{1, waiting}, commits); diff != "" {
		t.Errorf("lines of each commit: %s", diff)
	}
	if n := len(requests(t, o.Dir)); n != waiting+1 {
		t.Errorf("%d events on disk, want %d", n, waiting+1)
	}
	mustPass(t, o)
}
