//go:build unix

package guarantee_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attribproxy/attribproxy/audit"
)

// pump sends n writes from several clients at once, each of which must be
// answered, and returns their IDs.
func pump(t *testing.T, s *site, d *daemon, n int) (ids []string) {
	t.Helper()
	const workers = 6
	var mu sync.Mutex
	var all sync.WaitGroup
	for w := range workers {
		c := s.newClient(t, w%2 == 0, w%3 == 0)
		c.use(t, d)
		r := rand.New(rand.NewPCG(uint64(w), uint64(n)))
		all.Go(func() {
			for range n / workers {
				id := newID(r)
				if _, err := c.write(t.Context(), pickMethod(r), id); err != nil {
					t.Errorf("a write was not answered: %v", err)
					return
				}
				mu.Lock()
				ids = append(ids, id)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return ids
}

// follower reads along while the journal is written.
type follower struct {
	cancel context.CancelFunc
	done   chan struct{}
	events []audit.Event
	errs   []error
}

func follow(t *testing.T, dir string) *follower {
	ctx, cancel := context.WithCancel(t.Context())
	f := &follower{cancel: cancel, done: make(chan struct{})}
	tick := time.NewTicker(5 * time.Millisecond)
	kinds := []audit.Kind{audit.KindRequest, audit.KindIntent, audit.KindGap, audit.KindSeal}
	go func() {
		defer close(f.done)
		defer tick.Stop()
		for e, err := range audit.Follow(ctx, dir, audit.Filter{Kinds: kinds}, audit.FollowOptions{Poll: tick.C, Past: -1}) {
			if err != nil {
				f.errs = append(f.errs, err)
				continue
			}
			f.events = append(f.events, e)
			if e.Kind == audit.KindSeal && e.Final {
				return
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-f.done })
	return f
}

// wait waits for the final seal.
func (f *follower) wait(t *testing.T) []audit.Event {
	t.Helper()
	select {
	case <-f.done:
	case <-time.After(patience):
		f.cancel()
		<-f.done
		t.Error("the follower did not see the final seal")
	}
	for _, err := range f.errs {
		t.Errorf("following: %v", err)
	}
	return f.events
}

// verifying runs `audit verify` over and over beside the writer; stop returns
// how often.
func verifying(t *testing.T, s *site) (stop func() int) {
	quit, done := make(chan struct{}), make(chan struct{})
	n := 0
	go func() {
		defer close(done)
		for {
			code, stdout, stderr := s.run(t, "audit", "verify", s.journal, "--key", s.publicKey())
			switch {
			case code == 1 && strings.Contains(stderr, "being changed by somebody else"): // it tried ten times
			case code != 0:
				t.Errorf("audit verify beside the writer: exit code %d\n%s%s", code, stdout, stderr)
				return
			default:
				n++
			}
			select {
			case <-quit:
				return
			default:
			}
		}
	}()
	return sync.OnceValue(func() int { close(quit); <-done; return n })
}

// requestIDs are the IDs of the requests among events, in their order.
func requestIDs(events []audit.Event) (ids []string) {
	for _, e := range events {
		if e.Kind == audit.KindRequest {
			ids = append(ids, e.ClientRequestID)
		}
	}
	return ids
}

// Hundreds of segments under load, with a reader and verify beside: each write
// is there once, and the lines of the stream come in order.
func TestRotation(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]any{"guarantee": "strict", "segmentBytes": "4KiB"})
	d := s.serve(t)
	f := follow(t, s.journal)
	stop := verifying(t, s)
	defer stop()
	sent := pump(t, s, d, 1200)
	verified := stop()
	if code := d.stop(t); code != 0 {
		t.Errorf("exit code %d:\n%s", code, d.said())
	}
	seen := f.wait(t)
	for i, e := range seen {
		if e.Seq != uint64(i+1) {
			t.Fatalf("the follower saw line %d in place of %d", e.Seq, i+1)
		}
	}
	stored := requestIDs(s.events(t))
	if !slices.Equal(requestIDs(seen), stored) {
		t.Error("the follower saw other requests than are on record, or in another order")
	}
	slices.Sort(stored)
	slices.Sort(sent)
	if !slices.Equal(sent, stored) {
		t.Errorf("%d writes answered, %d on record, and not the same", len(sent), len(stored))
	}
	report := s.verify(t)
	if report.Segments < 100 || len(report.Gaps) > 0 || len(report.OpenTails) > 0 {
		t.Errorf("%d segments, gaps %v, open %v", report.Segments, report.Gaps, report.OpenTails)
	}
	t.Logf("%d writes in %d segments; audit verify passed %d times beside the writer", len(sent), report.Segments, verified)
}

// Retention deletes while the journal is written, followed and verified: what
// is gone is a beginning that a gap line declares, and nothing else is.
func TestRetention(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]any{"guarantee": "durable", "segmentBytes": "4KiB", "retainBytes": "64KiB"})
	d := s.serve(t)
	f := follow(t, s.journal)
	stop := verifying(t, s)
	defer stop()
	sent := pump(t, s, d, 900)
	verified := stop()
	if code := d.stop(t); code != 0 {
		t.Errorf("exit code %d:\n%s", code, d.said())
	}
	for i, seen := 0, f.wait(t); i+1 < len(seen); i++ {
		if seen[i+1].Seq <= seen[i].Seq {
			t.Fatalf("the follower saw line %d behind line %d", seen[i+1].Seq, seen[i].Seq)
		}
	}
	answered := map[string]bool{}
	for _, id := range sent {
		answered[id] = true
	}
	var gone, first uint64
	kept := 0
	for _, e := range s.events(t) {
		if first == 0 {
			first = e.Seq
		}
		switch e.Kind {
		case audit.KindGap:
			if e.Reason != audit.GapRetention || e.First != 1 {
				t.Errorf("gap %+v", e)
			}
			gone = max(gone, e.Last)
		case audit.KindRequest:
			kept++
			if !answered[e.ClientRequestID] {
				t.Errorf("request %s is on record twice, or was never sent", e.ID())
			}
			delete(answered, e.ClientRequestID)
		}
	}
	if gone == 0 || first != gone+1 {
		t.Errorf("the journal begins with line %d, its gap lines say that those up to %d were deleted", first, gone)
	}
	report := s.verify(t)
	if report.Segments > 30 {
		t.Errorf("%d segments are left", report.Segments)
	}
	t.Logf("%d writes, %d kept in %d segments, lines 1 to %d deleted; audit verify passed %d times beside the writer", len(sent), kept, report.Segments, gone, verified)
}
