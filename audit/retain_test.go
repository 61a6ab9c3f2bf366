package audit_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/attribproxy/attribproxy/audit"
)

func dirSize(t testing.TB, dir string) int64 {
	t.Helper()
	var total int64
	for _, path := range segments(t, dir) {
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // retention took it just now
		}
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
	}
	return total
}

// One long stream under a size limit: its beginning goes, with a gap line, and
// what is left verifies.
func TestRetainBytes(t *testing.T) {
	o := options(t)
	o.SegmentBytes, o.RetainBytes = 4000, 30_000
	j := open(t, o)
	for i := range 200 {
		record(t, j, event(i))
		if size := dirSize(t, o.Dir); size > o.RetainBytes+3*o.SegmentBytes {
			t.Fatalf("after event %d the journal has %d bytes", i, size)
		}
	}
	ids := requests(t, o.Dir)
	closeJournal(t, j)
	if len(ids) < 10 || len(ids) > 40 || ids[len(ids)-1] != "request-199" {
		t.Errorf("%d events are left, the last %s", len(ids), ids[len(ids)-1])
	}
	for i, id := range ids { // the newest, without a hole
		if want := fmt.Sprintf("request-%d", 200-len(ids)+i); id != want {
			t.Fatalf("got %s, want %s", id, want)
		}
	}
	mustPass(t, o)
	// A theft among the rest is still found.
	if err := os.Remove(segments(t, o.Dir)[0]); err != nil {
		t.Fatal(err)
	}
	if verify(t, o).OK() {
		t.Error("a segment deleted by hand passes for retention")
	}
}

// Many short streams, as pipelines leave them: the oldest go as a whole, and
// the gap lines about them do not pile up.
func TestRetainWholeEpochs(t *testing.T) {
	o := options(t)
	o.RetainBytes = 30_000
	const runs = 60
	for n := range runs {
		audit.SweepNow(o)
		j := open(t, o)
		for i := range 3 {
			record(t, j, event(n*3+i))
		}
		closeJournal(t, j)
	}
	if size := dirSize(t, o.Dir); size > o.RetainBytes+10_000 {
		t.Errorf("the journal has %d bytes", size)
	}
	r := mustPass(t, o)
	if r.Epochs < 3 || r.Epochs > 12 {
		t.Errorf("%d epochs are left", r.Epochs)
	}
	var last audit.Event
	lines := 0
	for e := range audit.Read(o.Dir, audit.Filter{Kinds: []audit.Kind{audit.KindGap}}) {
		last = e
		lines++
	}
	if lines > 2*r.Epochs || last.GapEpochs < runs/2 {
		t.Errorf("%d gap lines in %d streams", lines, r.Epochs)
	}
	if last.Reason != audit.GapRetention || last.GapEpoch == 0 || last.GapEpochs == 0 || last.Count == 0 || last.SHA256 == "" {
		t.Errorf("the last gap line: %+v", last)
	}
	ids := requests(t, o.Dir)
	if ids[len(ids)-1] != fmt.Sprintf("request-%d", runs*3-1) {
		t.Errorf("the last event is %s", ids[len(ids)-1])
	}
}

// A head that was kept elsewhere is still recognised when the lines up to it
// were deleted.
func TestRetainKeepsHeads(t *testing.T) {
	o := options(t)
	j := open(t, o)
	record(t, j, event(0))
	closeJournal(t, j)
	head := j.Head()
	old := time.Now().Add(-48 * time.Hour)
	if err := os.Chtimes(segments(t, o.Dir)[0], old, old); err != nil {
		t.Fatal(err)
	}
	o.RetainAge = 24 * time.Hour
	audit.TrustClock(o, time.Now())
	j = open(t, o)
	record(t, j, event(1))
	waitFor(t, "the old stream to go", func() bool { return len(segments(t, o.Dir)) == 1 })
	closeJournal(t, j)
	if diff := cmp.Diff([]string{"request-1"}, requests(t, o.Dir)); diff != "" {
		t.Error(diff)
	}
	r, err := audit.Verify(o.Dir, audit.VerifyOptions{Key: publicKey(t, o), Head: head.Hash})
	if err != nil || !r.OK() || r.HeadFound != "1/2" {
		t.Errorf("%+v, %v", r, err)
	}
	if diff := cmp.Diff([]audit.Gap{{Epoch: 2, Seq: r.Gaps[0].Seq, Reason: audit.GapRetention, Count: 2}}, r.Gaps); diff != "" {
		t.Error(diff)
	}
}

// Nobody deletes what a live writer holds, or what was not closed yet, and
// whoever stops in the middle of deleting leaves no fault.
func TestRetainSpares(t *testing.T) {
	o := options(t)
	o.SegmentBytes = 3000
	live := open(t, o)
	for i := range 10 {
		record(t, live, event(i))
	}
	before := len(segments(t, o.Dir))
	o.RetainBytes = 1
	audit.SweepNow(o)
	j := open(t, o)
	record(t, j, event(10))
	record(t, j, event(11))
	record(t, j, event(12))
	closeJournal(t, j)
	own := 0
	for _, path := range segments(t, o.Dir) {
		if strings.Contains(path, "00000002-") {
			own++
		}
	}
	if got := len(segments(t, o.Dir)) - own; got != before {
		t.Errorf("%d of the live writer's %d segments are left", got, before)
	}
	record(t, live, event(13))
	closeJournal(t, live)
	mustPass(t, o)
}

// Torn bytes go with their segment.
func TestRetainTakesTornBytes(t *testing.T) {
	o := options(t)
	closeJournal(t, open(t, o))
	torn := segments(t, o.Dir)[0] + ".torn"
	writeFile(t, torn, "x")
	o.RetainBytes = 1
	j := open(t, o)
	waitFor(t, "the old stream to go", func() bool { return len(segments(t, o.Dir)) == 1 })
	closeJournal(t, j)
	if left, _ := filepath.Glob(filepath.Join(o.Dir, "*.torn")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	mustPass(t, o)
}

// A segment is sealed when it is old, also when nothing more comes.
func TestSegmentAge(t *testing.T) {
	o := options(t)
	o.SegmentAge = 20 * time.Millisecond
	j := open(t, o)
	record(t, j, event(0))
	waitFor(t, "the segment to be sealed", func() bool { return len(segments(t, o.Dir)) == 2 })
	waitFor(t, "the seal", func() bool { return j.Head().Seq == 2 })
	if r := mustPass(t, o); r.Seals != 1 {
		t.Errorf("report %+v", r)
	}
	record(t, j, event(1))
	closeJournal(t, j)
	mustPass(t, o)
}
