//go:build unix

package guarantee_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/attribproxy/attribproxy/audit"
)

// seed is this run's, or that of the run to repeat.
func seed(t *testing.T) uint64 {
	t.Helper()
	n := uint64(time.Now().UnixNano())
	if s := os.Getenv("GUARANTEE_SEED"); s != "" {
		var err error
		if n, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("GUARANTEE_SEED: %v", err)
		}
	}
	t.Logf("GUARANTEE_SEED=%d", n)
	return n
}

// load is several clients that write all the time through whichever serve runs.
type load struct {
	ctx      context.Context
	answered atomic.Int64
	workers  sync.WaitGroup

	mu      sync.Mutex
	next    chan struct{}     // closed when another serve is ready
	answers map[string]answer // of complete answers, by ID
	broken  int               // writes that were not answered
}

// begin starts the workers; each client serves two of them, so that they share
// connections. They wait for the first resume.
func begin(ctx context.Context, r *rand.Rand, clients ...*client) *load {
	l := &load{ctx: ctx, next: make(chan struct{}), answers: map[string]answer{}}
	for _, c := range clients {
		for range 2 {
			own := rand.New(rand.NewPCG(r.Uint64(), 1))
			l.workers.Go(func() { l.work(c, own) })
		}
	}
	return l
}

func (l *load) work(c *client, r *rand.Rand) {
	for l.await() {
		for {
			id := newID(r)
			a, err := c.write(l.ctx, pickMethod(r), id)
			l.mu.Lock()
			if err == nil {
				l.answers[id] = a
			} else {
				l.broken++
			}
			l.mu.Unlock()
			if err != nil {
				break // it was killed: wait for the next
			}
			l.answered.Add(1)
		}
	}
}

// await waits for the next serve.
func (l *load) await() bool {
	l.mu.Lock()
	next := l.next
	l.mu.Unlock()
	select {
	case <-next:
		return l.ctx.Err() == nil
	case <-l.ctx.Done():
		return false
	}
}

// resume lets the workers write.
func (l *load) resume() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.next)
	l.next = make(chan struct{})
}

// Killed at random moments under load, again and again, on one state directory;
// then every write is reconciled by its ID.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("takes most of a minute")
	}
	for _, c := range []struct {
		guarantee string
		kills     int
	}{{"durable", 110}, {"strict", 90}} {
		t.Run(c.guarantee, func(t *testing.T) {
			t.Parallel()
			testKill(t, c.guarantee, c.kills)
		})
	}
}

func testKill(t *testing.T, guarantee string, kills int) {
	r := rand.New(rand.NewPCG(seed(t), uint64(kills)))
	s := newSite(t, map[string]any{"guarantee": guarantee, "segmentBytes": "64KiB"})
	clean := map[uint64]bool{}
	first := s.serve(t) // makes the CA
	clean[first.Epoch] = true
	if code := first.stop(t); code != 0 {
		t.Fatalf("exit code %d:\n%s", code, first.said())
	}
	clients := []*client{s.newClient(t, false, false), s.newClient(t, false, true), s.newClient(t, true, false)}
	ctx, cancel := context.WithCancel(t.Context())
	l := begin(ctx, r, clients...)
	defer func() { cancel(); l.resume(); l.workers.Wait() }()

	early := 0
	for round := range kills {
		d := s.start(t)
		if r.IntN(8) == 0 { // while it starts and recovers what the last one left
			early++
			select {
			case <-time.After(time.Duration(r.IntN(60_000)) * time.Microsecond):
			case <-d.ready:
			}
			d.kill()
			continue
		}
		d.await(t)
		for _, c := range clients {
			c.use(t, d)
		}
		// A moment that depends on the work that was done, and some more.
		enough := l.answered.Load() + int64(r.IntN(60))
		more := time.Duration(r.IntN(3000)) * time.Microsecond
		l.resume()
		eventually(t, "answers in round "+strconv.Itoa(round), func() bool { return l.answered.Load() >= enough })
		<-time.After(more)
		d.kill()
	}
	last := s.serve(t)
	clean[last.Epoch] = true
	cancel()
	l.resume()
	l.workers.Wait()
	if code := last.stop(t); code != 0 {
		t.Errorf("exit code %d:\n%s", code, last.said())
	}
	t.Logf("%d kills, %d of them during the start; %d writes answered, %d not", kills, early, len(l.answers), l.broken)
	checkStops(t, s, clean)
	reconcile(t, s, l, guarantee)
}

// checkStops: no fault, no open end, and each epoch that was killed says so.
func checkStops(t *testing.T, s *site, clean map[uint64]bool) {
	t.Helper()
	report := s.verify(t)
	if len(report.OpenTails) > 0 {
		t.Errorf("streams were left open: %+v", report.OpenTails)
	}
	unclean := map[uint64]bool{}
	for _, g := range report.Gaps {
		switch g.Reason {
		case audit.GapUncleanStop:
			unclean[g.Epoch] = true
		case audit.GapTorn:
		default:
			t.Errorf("gap %s in %d/%d", g.Reason, g.Epoch, g.Seq)
		}
	}
	for epoch := range uint64(report.Epochs) {
		if epoch++; unclean[epoch] == clean[epoch] {
			t.Errorf("epoch %d: closed %v, gap unclean-stop %v", epoch, clean[epoch], unclean[epoch])
		}
	}
	t.Logf("%d epochs, %d with gap unclean-stop; %d segments, %d lines, no fault", report.Epochs, len(unclean), report.Segments, report.Lines)
}

// reconcile holds three accounts against each other: the clients', the cloud's
// and the journal's.
func reconcile(t *testing.T, s *site, l *load, guarantee string) {
	t.Helper()
	requests, intents := map[string]audit.Event{}, map[string]audit.Event{}
	for _, e := range s.events(t) {
		into := requests
		switch e.Kind {
		case audit.KindIntent:
			into = intents
		case audit.KindRequest:
		default:
			continue
		}
		if _, twice := into[e.ClientRequestID]; twice {
			t.Errorf("%s %s is on record twice", e.Kind, e.ClientRequestID)
		}
		into[e.ClientRequestID] = e
	}
	reached := s.reached()
	for id, n := range reached {
		if n > 1 {
			t.Errorf("write %s reached the cloud %d times", id, n)
		}
	}
	for id, a := range l.answers {
		e, ok := requests[id]
		switch {
		case !ok:
			t.Errorf("write %s was answered with %d and is not on record", id, a.status)
		case a.own != "":
			t.Errorf("write %s was answered by attribproxy: %s", id, a.body)
		case e.Status != a.status:
			t.Errorf("write %s was answered with %d, on record is %d", id, a.status, e.Status)
		case reached[id] == 0:
			t.Errorf("write %s was answered and never reached the cloud", id)
		}
	}
	unrecorded := 0
	for id := range reached {
		if _, ok := requests[id]; !ok {
			unrecorded++
			if _, ok := intents[id]; !ok && guarantee == "strict" {
				t.Errorf("write %s reached the cloud without an intent", id)
			}
		}
	}
	var unknown []string
	for id, intent := range intents {
		if e, ok := requests[id]; !ok {
			unknown = append(unknown, id)
		} else if e.Intent != intent.Seq || e.Epoch != intent.Epoch {
			t.Errorf("request %s names intent %d, its own is %s", e.ID(), e.Intent, intent.ID())
		}
	}
	slices.Sort(unknown)
	if diff := cmp.Diff(unknown, listUnknown(t, s)); diff != "" {
		t.Errorf("intents without an outcome (-journal +audit list --outcome unknown):\n%s", diff)
	}
	if guarantee == "strict" && len(unknown) == 0 {
		t.Error("no intent was left without an outcome: the kills did not hit")
	}
	if len(l.answers) == 0 || len(reached) == 0 {
		t.Error("nothing was written")
	}
	t.Logf("reconciled %d writes in the cloud, %d requests and %d intents on record; %d in the cloud without outcome on record, %d unknown",
		len(reached), len(requests), len(intents), unrecorded, len(unknown))
}

// listUnknown is what the command line shows as unknown.
func listUnknown(t *testing.T, s *site) []string {
	t.Helper()
	code, stdout, stderr := s.run(t, "audit", "list", "--audit-dir", s.journal, "--outcome", "unknown", "--output", "json")
	if code != 0 {
		t.Fatalf("audit list: exit code %d\n%s", code, stderr)
	}
	var ids []string
	for line := range strings.Lines(stdout) {
		var e struct {
			Kind, Outcome string
			ID            string `json:"client_request_id"`
			Epoch, Seq    uint64
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if e.Kind != "intent" || e.Outcome != audit.OutcomeUnknown {
			t.Errorf("listed as unknown: %s", line)
		}
		if len(ids) == 0 {
			event := fmt.Sprintf("%d/%d", e.Epoch, e.Seq)
			if code, shown, stderr := s.run(t, "audit", "show", event, "--audit-dir", s.journal); code != 0 || !strings.Contains(shown, "unknown: whether it was sent") {
				t.Errorf("audit show %s: exit code %d\n%s%s", event, code, shown, stderr)
			}
		}
		ids = append(ids, e.ID)
	}
	slices.Sort(ids)
	return ids
}
