package audit_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/attribproxy/attribproxy/audit"
)

// Streams are merged by time.
func TestReadMerges(t *testing.T) {
	o := options(t)
	o.SegmentBytes = 3000
	a, b := open(t, o), open(t, o)
	for i := range 20 {
		if i%3 == 0 {
			record(t, a, event(i))
		} else {
			record(t, b, event(i))
		}
	}
	closeJournal(t, a)
	c := open(t, o)
	record(t, c, event(20))
	closeJournal(t, open(t, o)) // one with nothing but a seal
	var want []string
	for i := range 21 {
		want = append(want, fmt.Sprintf("request-%d", i))
	}
	if diff := cmp.Diff(want, requests(t, o.Dir)); diff != "" {
		t.Error(diff)
	}
	for e := range audit.Read(o.Dir, audit.Filter{}) { // stopping early is fine
		if e.ClientRequestID == "request-5" {
			break
		}
	}
	closeJournal(t, b)
	closeJournal(t, c)
}

// A torn tail is passed over, a damaged line is an error and not the end.
func TestReadTolerates(t *testing.T) {
	o := options(t)
	j := open(t, o)
	for i := range 4 {
		record(t, j, event(i))
	}
	path := segments(t, o.Dir)[0]
	editLines(t, path, func(l []string) []string { l[1] = l[1][:50]; return l })
	appendTo(t, path, `{"v":1,"sour`)
	var got []string
	for e, err := range audit.Read(o.Dir, audit.Filter{}) {
		var bad *audit.LineError
		switch {
		case errors.As(err, &bad):
			got = append(got, "damaged "+bad.File)
		case err != nil:
			t.Fatal(err)
		default:
			got = append(got, e.ClientRequestID)
		}
	}
	if diff := cmp.Diff([]string{"request-0", "damaged 00000001-0001.jsonl", "request-2", "request-3"}, got); diff != "" {
		t.Error(diff)
	}
	j.Close() // on a file that was rewritten under its hands
	for _, err := range audit.Read(filepath.Join(o.Dir, "nowhere"), audit.Filter{}) {
		if !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a directory that is not there: %v", err)
		}
	}
}

// Follow yields what is there, then what comes, across segments and streams,
// also when a line is read half-written.
func TestFollow(t *testing.T) {
	o := options(t)
	o.SegmentBytes = 3000
	j := open(t, o)
	record(t, j, event(0))
	poll := make(chan time.Time)
	ctx, cancel := context.WithCancel(context.Background())
	got := make(chan string)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for e, err := range audit.Follow(ctx, o.Dir, audit.Filter{}, audit.FollowOptions{Poll: poll, Past: -1}) {
			if err != nil {
				t.Error(err)
			}
			got <- e.ClientRequestID
		}
	}()
	expect := func(n int) {
		t.Helper()
		for {
			select {
			case poll <- time.Time{}:
			case id := <-got:
				if want := fmt.Sprintf("request-%d", n); id != want {
					t.Fatalf("got %s, want %s", id, want)
				}
				return
			case <-time.After(10 * time.Second):
				t.Fatalf("request-%d never came", n)
			}
		}
	}
	expect(0)
	for i := 1; i < 12; i++ {
		record(t, j, event(i))
		expect(i)
	}
	k := open(t, o)
	record(t, k, event(12))
	expect(12)
	closeJournal(t, j)
	record(t, k, event(13))
	expect(13)
	closeJournal(t, k)

	// Another writer, seen in the middle of a line.
	lines := readLines(t, segments(t, o.Dir)[0])
	half := strings.Replace(lines[0], "request-0", "request-14", 1)
	path := filepath.Join(o.Dir, "00000003-0001.jsonl")
	writeFile(t, path, half[:100])
	poll <- time.Time{}
	poll <- time.Time{}
	appendTo(t, path, half[100:]+"\n")
	expect(14)
	cancel()
	<-ended
}

// Whoever follows says how much of the past is wanted.
func TestPast(t *testing.T) {
	o := options(t)
	j := open(t, o)
	for i := range 7 {
		record(t, j, event(i))
	}
	closeJournal(t, j)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for n, want := range map[int][]string{
		-1: {"request-0", "request-1", "request-2", "request-3", "request-4", "request-5", "request-6"},
		0:  nil,
		1:  {"request-6"},
		3:  {"request-4", "request-5", "request-6"},
		7:  {"request-0", "request-1", "request-2", "request-3", "request-4", "request-5", "request-6"},
		9:  {"request-0", "request-1", "request-2", "request-3", "request-4", "request-5", "request-6"},
	} {
		var followed, latest []string
		for e := range audit.Follow(ended, o.Dir, audit.Filter{}, audit.FollowOptions{Past: n}) {
			followed = append(followed, e.ClientRequestID)
		}
		if diff := cmp.Diff(want, followed); diff != "" {
			t.Errorf("%d: %s", n, diff)
		}
		for e := range audit.Latest(o.Dir, audit.Filter{}, n) {
			latest = append(latest, e.ClientRequestID)
		}
		if diff := cmp.Diff(want, latest); n >= 0 && diff != "" {
			t.Errorf("latest %d: %s", n, diff)
		}
	}
}

func TestFilter(t *testing.T) {
	e := event(1)
	e.Kind = audit.KindRequest
	at := e.Time
	for name, tc := range map[string]struct {
		f    audit.Filter
		want bool
	}{
		"empty":              {audit.Filter{}, true},
		"other kinds":        {audit.Filter{Kinds: []audit.Kind{audit.KindGap, audit.KindSeal}}, false},
		"outcome":            {audit.Filter{Outcomes: []string{"no-rule", "attributed"}}, true},
		"other outcome":      {audit.Filter{Outcomes: []string{"no-rule"}}, false},
		"rule without case":  {audit.Filter{Rules: []string{"CONTOSO-platform"}}, true},
		"tool":               {audit.Filter{Tools: []string{"azure-*"}}, true},
		"other tool":         {audit.Filter{Tools: []string{"azure"}}, false},
		"subscription":       {audit.Filter{Subscriptions: []string{"1B2C3D4E-*"}}, true},
		"type":               {audit.Filter{Types: []string{"microsoft.compute/*"}}, true},
		"type in the middle": {audit.Filter{Types: []string{"*compute*machines"}}, true},
		"type, too long":     {audit.Filter{Types: []string{"*machines*machines"}}, false},
		"type, overlapping":  {audit.Filter{Types: []string{"microsoft.compute/virtualmachines*s"}}, false},
		"any type":           {audit.Filter{Types: []string{"*"}}, true},
		"method":             {audit.Filter{Methods: []string{"put"}}, true},
		"all at once":        {audit.Filter{Methods: []string{"put"}, Rules: []string{"x"}}, false},
		"since, inclusive":   {audit.Filter{Since: at}, true},
		"since later":        {audit.Filter{Since: at.Add(1)}, false},
		"until, exclusive":   {audit.Filter{Until: at}, false},
		"until later":        {audit.Filter{Until: at.Add(1)}, true},
	} {
		if got := tc.f.Match(&e); got != tc.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestLookup(t *testing.T) {
	o := options(t)
	o.SegmentBytes = 3000
	for range 2 {
		j := open(t, o)
		for i := range 10 {
			record(t, j, event(i))
		}
		closeJournal(t, j)
	}
	for _, epoch := range []uint64{0, 1, 2} {
		e, hash, err := audit.Lookup(o.Dir, epoch, 9)
		if want := max(epoch, 1+epoch/2); err != nil || e.Seq != 9 || epoch != 0 && e.Epoch != want || epoch == 0 && e.Epoch != 2 || len(hash) != 64 {
			t.Errorf("epoch %d: %s, %v", epoch, e.ID(), err)
		}
	}
	if _, _, err := audit.Lookup(o.Dir, 7, 1); !errors.Is(err, audit.ErrNotFound) {
		t.Errorf("epoch 7: %v", err)
	}
	if _, _, err := audit.Lookup(t.TempDir(), 0, 1); !errors.Is(err, audit.ErrNotFound) {
		t.Errorf("an empty directory: %v", err)
	}
	if ids := requests(t, o.Dir); !slices.Contains(ids, "request-9") {
		t.Error("request-9 is not there")
	}
}
