package audit_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/attribproxy/attribproxy/audit"
)

// The format, checked by hand and not with the package's own reader.
func TestFormat(t *testing.T) {
	o := options(t)
	j := open(t, o)
	for i := range 3 {
		record(t, j, event(i))
	}
	head := j.Head()
	closeJournal(t, j)

	path := filepath.Join(o.Dir, "00000001-0001.jsonl")
	lines := readLines(t, path)
	if len(lines) != 4 {
		t.Fatalf("got %d lines, want 3 events and a seal", len(lines))
	}
	prev := strings.Repeat("0", 64)
	for i, line := range lines {
		var got struct {
			V          int
			Source     string
			Epoch, Seq int
			Prev, Kind string
		}
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatal(err)
		}
		if got.V != 1 || got.Source != o.Source || got.Epoch != 1 || got.Seq != i+1 || got.Prev != prev {
			t.Errorf("line %d: %+v, want prev %s", i+1, got, prev)
		}
		prev = sha(line)
		if i == 2 && head.Hash != prev {
			t.Errorf("Head is %s, want %s", head.Hash, prev)
		}
	}
	if !strings.Contains(lines[0], `"time":"2026-03-01T12:00:00.000000000Z"`) {
		t.Errorf("no RFC 3339 time with nanoseconds in %s", lines[0])
	}
	if got := j.Head(); got.Seq != 4 || got.Hash != prev {
		t.Errorf("after Close the head is %+v, want the seal", got)
	}

	var seal struct {
		Segment, First, Last int
		Final                bool
		Prev                 string
		KeyID                string `json:"key_id"`
		Sig                  string
	}
	if err := json.Unmarshal([]byte(lines[3]), &seal); err != nil {
		t.Fatal(err)
	}
	key := publicKey(t, o)
	text := fmt.Sprintf("attribproxy-seal-v1\n%s\n1\n1\n1\n4\ntrue\n%s\n", o.Source, sha(lines[2]))
	sig, err := base64.StdEncoding.DecodeString(seal.Sig)
	if err != nil || !ed25519.Verify(key, []byte(text), sig) {
		t.Errorf("the signature does not cover %q", text)
	}
	if seal.KeyID != audit.KeyID(key) || seal.Segment != 1 || seal.First != 1 || seal.Last != 4 || !seal.Final {
		t.Errorf("seal %+v", seal)
	}
	mustPass(t, o)
}

func TestFileModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no mode bits")
	}
	o := options(t)
	closeJournal(t, open(t, o))
	for path, want := range map[string]os.FileMode{
		o.Dir: fs.ModeDir | 0o700,
		filepath.Join(o.Dir, "00000001-0001.jsonl"): 0o600,
		o.KeyFile: 0o600,
	} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", path, info.Mode(), want)
		}
	}
	if err := os.Chmod(o.KeyFile, 0o640); err != nil {
		t.Fatal(err)
	}
	_, err := audit.Open(o)
	var permission *audit.KeyPermissionError
	if !errors.As(err, &permission) || !strings.Contains(err.Error(), "chmod 600 "+o.KeyFile) {
		t.Errorf("a key that others can read gives %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	for name, change := range map[string]func(*audit.Options){
		"no directory":      func(o *audit.Options) { o.Dir = "" },
		"no source":         func(o *audit.Options) { o.Source = "" },
		"newline in source": func(o *audit.Options) { o.Source = "a\nb" },
		"long source":       func(o *audit.Options) { o.Source = strings.Repeat("x", 200) },
		"no key":            func(o *audit.Options) { o.KeyFile = "" },
		"unknown guarantee": func(o *audit.Options) { o.Guarantee = "perhaps" },
		"negative size":     func(o *audit.Options) { o.SegmentBytes = -1 },
		"file as directory": func(o *audit.Options) { o.Dir = os.Args[0] },
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t)
			change(&o)
			if j, err := audit.Open(o); err == nil {
				j.Close()
				t.Error("no error")
			}
		})
	}
}

// What was recorded comes back as it was.
func TestRoundTrip(t *testing.T) {
	o := options(t)
	j := open(t, o)
	want := event(7)
	want.TemplateIDs = []string{"pid-a", "pid-b"}
	want.Deployment, want.Process, want.Error = "main", "/usr/bin/az", "upstream unreachable"
	want.Reason = "quotes \" and \\ and control \x00\x1b[31m\u2028\u202e and 漢字"
	record(t, j, want)
	closeJournal(t, j)
	got, hash, err := audit.Lookup(o.Dir, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	want.V, want.Source, want.Epoch, want.Seq, want.Kind = 1, o.Source, 1, 1, audit.KindRequest
	want.Prev = strings.Repeat("0", 64)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	line := readLines(t, segments(t, o.Dir)[0])[0]
	if hash != sha(line) {
		t.Errorf("hash %s, want %s", hash, sha(line))
	}
	if i := strings.IndexFunc(line, func(r rune) bool { return r < ' ' }); i >= 0 {
		t.Errorf("control character in the line at %d", i)
	}
	if _, _, err := audit.Lookup(o.Dir, 0, 3); !errors.Is(err, audit.ErrNotFound) {
		t.Errorf("looking for a line that is not there gives %v", err)
	}
}

// A durable receipt means that a reader finds the event on disk at once.
func TestDurable(t *testing.T) {
	o := options(t)
	j := open(t, o)
	defer closeJournal(t, j)
	for i := range 20 {
		record(t, j, event(i))
		lines := readLines(t, filepath.Join(o.Dir, "00000001-0001.jsonl"))
		if len(lines) != i+1 || !strings.Contains(lines[i], fmt.Sprintf(`"request-%d"`, i)) {
			t.Fatalf("after %d receipts the file holds %d lines", i+1, len(lines))
		}
	}
}

// Many writers at once: every event once, each writer's in its own order, and
// observers see them in the order of the file.
func TestConcurrentWriters(t *testing.T) {
	const writers, each = 16, 50
	o := options(t)
	o.SegmentBytes = 64 << 10 // several segments
	var observed []string     // the committer alone calls Observe
	o.Observe = func(e audit.Event) { observed = append(observed, e.ClientRequestID) }
	var commits atomic.Int64
	o.ObserveCommit = func(int, time.Duration, error) { commits.Add(1) }
	j := open(t, o)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if err := j.Record(event(w*1000 + i)).Wait(context.Background()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if s := j.Stats(); s.Queued != 0 || s.Dropped != 0 || s.Lost != 0 || s.Commits == 0 || s.Lines < writers*each {
		t.Errorf("stats %+v", s)
	}
	closeJournal(t, j)
	if n := commits.Load(); n < 1 || n > writers*each {
		t.Errorf("%d commits were observed", n)
	}
	ids := requests(t, o.Dir)
	inFile := slices.Clone(ids)
	var want []string
	next := map[int]int{}
	for _, id := range ids {
		var n int
		fmt.Sscanf(id, "request-%d", &n)
		if w := n / 1000; n%1000 != next[w] {
			t.Fatalf("writer %d: event %d came when %d was due", w, n%1000, next[w])
		}
		next[n/1000]++
	}
	for w := range writers {
		for i := range each {
			want = append(want, fmt.Sprintf("request-%d", w*1000+i))
		}
	}
	if diff := cmp.Diff(want, ids, cmpopts.SortSlices(strings.Compare)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(inFile, observed); diff != "" {
		t.Errorf("observed in another order than written: %s", diff)
	}
	if n := len(segments(t, o.Dir)); n < 5 {
		t.Errorf("%d segments, want several", n)
	}
	mustPass(t, o)
}

// Intents exist under the strict guarantee only, and are on disk when Intent
// returns.
func TestIntent(t *testing.T) {
	for _, guarantee := range []audit.Guarantee{audit.GuaranteeDurable, audit.GuaranteeStrict, audit.GuaranteeBestEffort} {
		t.Run(string(guarantee), func(t *testing.T) {
			o := options(t)
			o.Guarantee = guarantee
			j := open(t, o)
			e := event(1)
			e.Status = 0
			if err := j.Intent(context.Background(), &e); err != nil {
				t.Fatal(err)
			}
			var onDisk []string
			if data, err := os.ReadFile(segments(t, o.Dir)[0]); err == nil && len(data) > 0 {
				onDisk = strings.Split(strings.TrimSpace(string(data)), "\n")
			}
			e.Status = 201
			j.Record(e)
			closeJournal(t, j)
			if guarantee != audit.GuaranteeStrict {
				if e.Intent != 0 || len(onDisk) != 0 {
					t.Errorf("intent %d, %d lines on disk; want none", e.Intent, len(onDisk))
				}
				return
			}
			if len(onDisk) != 1 || !strings.Contains(onDisk[0], `"kind":"intent"`) {
				t.Fatalf("on disk when Intent returned: %q", onDisk)
			}
			outcome, _, err := audit.Lookup(o.Dir, 1, 2)
			if err != nil {
				t.Fatal(err)
			}
			if e.Intent != 1 || outcome.Intent != 1 || outcome.Kind != audit.KindRequest {
				t.Errorf("the outcome does not name its intent: %+v", outcome)
			}
		})
	}
}

func TestWaitGivesUpWithItsContext(t *testing.T) {
	o := options(t)
	hold := make(chan struct{})
	j := open(t, o.WithFaults(0, func(f audit.SegmentFile) audit.SegmentFile {
		return &faultyFile{SegmentFile: f, sync: func() error { <-hold; return nil }}
	}))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r := j.Record(event(1))
	if err := r.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait returned %v", err)
	}
	close(hold)
	if err := r.Wait(context.Background()); err != nil {
		t.Errorf("the event was written all the same, Wait returned %v", err)
	}
	if err := r.Wait(ctx); err != nil {
		t.Errorf("a settled receipt with a dead context returned %v", err)
	}
	closeJournal(t, j)
}

func TestAfterClose(t *testing.T) {
	o := options(t)
	o.Guarantee = audit.GuaranteeStrict
	j := open(t, o)
	closeJournal(t, j)
	closeJournal(t, j)
	if err := j.Record(event(1)).Wait(context.Background()); !errors.Is(err, audit.ErrClosed) {
		t.Errorf("Record after Close: %v", err)
	}
	e := event(1)
	if err := j.Intent(context.Background(), &e); !errors.Is(err, audit.ErrClosed) {
		t.Errorf("Intent after Close: %v", err)
	}
	if err := j.Healthy(); !errors.Is(err, audit.ErrClosed) {
		t.Errorf("Healthy after Close: %v", err)
	}
}

// What was recorded before Close is written, waited for or not.
func TestCloseCommitsTheQueue(t *testing.T) {
	for _, guarantee := range []audit.Guarantee{audit.GuaranteeDurable, audit.GuaranteeBestEffort} {
		o := options(t)
		o.Guarantee = guarantee
		j := open(t, o)
		for i := range 500 {
			j.Record(event(i))
		}
		closeJournal(t, j)
		if n := len(requests(t, o.Dir)); n != 500 {
			t.Errorf("%s: %d of 500 events", guarantee, n)
		}
	}
}

// A full queue drops, counts, and says so in the journal.
func TestOverflow(t *testing.T) {
	o := options(t)
	o.Guarantee, o.QueueEvents = audit.GuaranteeBestEffort, 10
	hold := make(chan struct{})
	j := open(t, o.WithFaults(0, func(f audit.SegmentFile) audit.SegmentFile {
		return &faultyFile{SegmentFile: f, sync: func() error { <-hold; return nil }}
	}))
	for i := range 100 {
		if err := j.Record(event(i)).Wait(context.Background()); err != nil {
			t.Errorf("best effort made the caller wait: %v", err)
		}
	}
	dropped := j.Stats().Dropped
	if dropped != 90 {
		t.Errorf("%d were dropped, want 90", dropped)
	}
	close(hold)
	closeJournal(t, j)
	declared := 0
	for _, g := range gaps(t, o.Dir) {
		n := 0
		fmt.Sscanf(g, "overflow %d", &n)
		declared += n
	}
	if declared != 90 {
		t.Errorf("%d are declared in gap lines, want 90", declared)
	}
	if n := len(requests(t, o.Dir)); n != 10 {
		t.Errorf("%d events were kept, want 10", n)
	}
	mustPass(t, o)

	o.Guarantee = audit.GuaranteeDurable
	hold = make(chan struct{})
	j = open(t, o.WithFaults(0, func(f audit.SegmentFile) audit.SegmentFile {
		return &faultyFile{SegmentFile: f, sync: func() error { <-hold; return nil }}
	}))
	var refused int
	for i := range 20 {
		r := j.Record(event(i))
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if errors.Is(r.Wait(ctx), audit.ErrQueueFull) {
			refused++
		}
	}
	close(hold)
	closeJournal(t, j)
	if refused != 10 {
		t.Errorf("durable: %d were told of the full queue, want 10", refused)
	}
}

// The clock may go back; seq may not.
func TestClockGoesBack(t *testing.T) {
	o := options(t)
	var now atomic.Int64
	now.Store(time.Now().UnixNano())
	o.Now = func() time.Time { return time.Unix(0, now.Load()) }
	o.SegmentBytes = 4 << 10
	o.RetainAge = 400 * 24 * time.Hour
	j := open(t, o)
	for i := range 40 {
		e := event(i)
		e.Time = o.Now()
		record(t, j, e)
		if i%2 == 0 {
			now.Add(-int64(1000 * time.Hour))
		} else {
			now.Add(int64(900 * time.Hour))
		}
	}
	closeJournal(t, j)
	if n := len(requests(t, o.Dir)); n != 40 {
		t.Errorf("%d of 40 events", n)
	}
	mustPass(t, o)
}
