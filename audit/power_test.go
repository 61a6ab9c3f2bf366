package audit_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/attribproxy/attribproxy/audit"
)

const page = 4096

// disk is what would be left of a journal's segments after a power cut: what
// was synced, and of the rest any pages.
type disk struct {
	mu       sync.Mutex
	segments []*diskSegment // in the order of their numbers
	syncs    int            // until the power fails
}

// diskSegment is one file: what is safe, and what was written since.
type diskSegment struct {
	audit.SegmentFile
	disk    *disk
	safe    []byte
	written []byte // the whole file as the process sees it
}

func (d *disk) wrap(f audit.SegmentFile) audit.SegmentFile {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := &diskSegment{SegmentFile: f, disk: d}
	d.segments = append(d.segments, s)
	return s
}

func (s *diskSegment) WriteAt(p []byte, off int64) (int, error) {
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	if s.disk.syncs <= 0 {
		return 0, syscall.EIO
	}
	if need := int(off) + len(p); need > len(s.written) {
		s.written = append(s.written, make([]byte, need-len(s.written))...)
	}
	copy(s.written[off:], p)
	return s.SegmentFile.WriteAt(p, off)
}

func (s *diskSegment) Sync() error {
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	if s.disk.syncs--; s.disk.syncs <= 0 {
		return syscall.EIO
	}
	s.safe = slices.Clone(s.written)
	return nil
}

func (s *diskSegment) Truncate(int64) error { return syscall.EIO } // the power is gone by then

// remains returns what is found after the cut; survives says of each page that
// was written since the last sync whether it reached the disk.
func (s *diskSegment) remains(survives func() bool) []byte {
	found := slices.Clone(s.safe)
	for at := len(s.safe) / page * page; at < len(s.written); at += page {
		if !survives() {
			continue
		}
		end := min(at+page, len(s.written))
		if end > len(found) {
			found = append(found, make([]byte, end-len(found))...)
		}
		copy(found[at:end], s.written[at:end])
	}
	return found
}

// The power fails at any sync, and any of the pages on the way reach the disk:
// every event that was promised is there, in order, and after recovery nothing
// is wrong with the journal.
func TestPowerCut(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		o := options(t)
		o.SegmentBytes = int64(rapid.IntRange(2000, 60_000).Draw(rt, "segment bytes"))
		d := &disk{syncs: rapid.IntRange(1, 25).Draw(rt, "syncs")}
		j := open(t, o.WithFaults(time.Hour, d.wrap))
		var promised []string
		for round := 0; ; round++ {
			n := rapid.IntRange(1, 12).Draw(rt, "events")
			var receipts []audit.Receipt
			for i := range n {
				receipts = append(receipts, j.Record(event(round*100+i)))
			}
			failed := false
			for i, r := range receipts {
				if r.Wait(context.Background()) != nil {
					failed = true
					continue
				}
				promised = append(promised, fmt.Sprintf("request-%d", round*100+i))
			}
			if failed {
				break
			}
		}
		j.Close() // whose files are not those that are looked at from here on

		after := o
		after.Dir = t.TempDir()
		survives := func() bool { return rapid.Bool().Draw(rt, "survives") }
		for i, path := range segments(t, o.Dir) {
			var left []byte
			if i < len(d.segments) {
				left = d.segments[i].remains(survives)
			}
			if err := os.WriteFile(filepath.Join(after.Dir, filepath.Base(path)), left, 0o600); err != nil {
				rt.Fatal(err)
			}
		}
		closeJournal(t, open(t, after))
		if r := verify(t, after); !r.OK() || len(r.OpenTails) > 0 {
			rt.Fatalf("faults %v, open tails %v", r.Faults, r.OpenTails)
		}
		found := requests(t, after.Dir)
		if len(found) < len(promised) || !slices.Equal(found[:len(promised)], promised) {
			rt.Fatalf("promised %v, found %v", promised, found)
		}
	})
}
