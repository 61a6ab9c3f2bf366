// Package storetest is the suite that every implementation of store.Store
// passes, and a plain one that the others are held against.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/attribproxy/attribproxy/audit"
	"github.com/attribproxy/attribproxy/audit/store"
)

// Run tests a kind of store. Open returns a new, empty one; the suite closes it.
func Run(t *testing.T, open func(testing.TB) store.Store) {
	t.Run("Fidelity", func(t *testing.T) { fidelity(t, open(t)) })
	t.Run("Pages", func(t *testing.T) { pages(t, open(t)) })
	t.Run("Repetition", func(t *testing.T) { repetition(t, open(t)) })
	t.Run("Unknown", func(t *testing.T) { unknown(t, open) })
	t.Run("Coverage", func(t *testing.T) { coverage(t, open) })
	t.Run("Classes", func(t *testing.T) { classes(t, open) })
	t.Run("HugeGaps", func(t *testing.T) { hugeGaps(t, open) })
	t.Run("Dimensions", func(t *testing.T) { dimensions(t, open(t)) })
	t.Run("Gaps", func(t *testing.T) { gaps(t, open(t)) })
	t.Run("Forget", func(t *testing.T) { forget(t, open(t)) })
	t.Run("Atomic", func(t *testing.T) { atomic(t, open(t)) })
	t.Run("SameAnswers", func(t *testing.T) { sameAnswers(t, open) })
}

// Event is a request of the stream (host-1, 1), answered with 201 and tagged.
func Event(seq uint64, change ...func(*audit.Event)) audit.Event {
	e := audit.Event{
		V: audit.SchemaVersion, Source: "host-1", Epoch: 1, Seq: seq, Prev: fmt.Sprintf("%064x", seq),
		Time: time.Date(2026, 3, 1, 12, 0, 0, int(seq), time.UTC), Kind: audit.KindRequest,
		Outcome: "attributed", Reason: "rule matched", Rule: "contoso", IDs: []string{pid}, Mode: "enforce",
		Method: "PUT", Host: "management.azure.com", Path: "/subscriptions/s/resourceGroups/rg", Subscription: "s", ResourceGroup: "rg",
		ResourceType: "Microsoft.Resources/resourceGroups", Tool: "azure-cli", UAIn: "AZURECLI/2.61.0", UAOut: "AZURECLI/2.61.0 " + pid,
		Status: 201,
	}
	for _, f := range change {
		f(&e)
	}
	return e
}

const (
	pid   = "pid-b6addd8f-5ff4-4fc0-a2b5-0ec7861106c4"
	other = "pid-3f2504e0-4f89-41d3-9a0c-0305e82c3301"
)

func add(t testing.TB, s store.Store, events ...audit.Event) {
	t.Helper()
	if err := s.Append(context.Background(), events); err != nil {
		t.Fatal(err)
	}
}

func closing(t testing.TB, s store.Store) {
	t.Helper()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// all reads a list page by page.
func all(t failer, s store.Store, q store.Query, limit int) []audit.Event {
	t.Helper()
	var events []audit.Event
	page := store.Page{Limit: limit}
	for {
		part, next, err := s.Events(context.Background(), q, page)
		if err != nil {
			t.Fatal(err)
		}
		if len(part) > limit {
			t.Fatalf("a page of %d events, %d were asked for", len(part), limit)
		}
		events = append(events, part...)
		if next.IsZero() {
			return events
		}
		if len(part) == 0 {
			t.Fatal("an empty page has a next one")
		}
		again, ok := store.ParseCursor(next.String())
		if !ok || again != next {
			t.Fatalf("cursor %q reads as %+v", next, again)
		}
		page.After = next
	}
}

// failer is what testing.T and rapid.T share.
type failer interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func everyKind() store.Query {
	return store.Query{Filter: audit.Filter{Kinds: []audit.Kind{audit.KindRequest, audit.KindIntent, audit.KindGap, audit.KindSeal}}}
}

// Every field of an event comes back.
func fidelity(t *testing.T, s store.Store) {
	closing(t, s)
	full := Event(1, func(e *audit.Event) {
		e.Reason = "quotes \" and \\ and \x00\x1b[31m\u2028\u202e and 漢字"
		e.IDs, e.TemplateIDs, e.Labels = []string{pid, other}, []string{other}, []string{"team=a b", "x=y=z", ""}
		e.APIVersion, e.Scope, e.ResourceName, e.Deployment = "2024-07-01", "resourceGroup", "parent/child", "main"
		e.Client, e.Process, e.Error, e.ConfigHash = "127.0.0.1", "/usr/bin/az", "AttribProxyX", "9f86"
		e.ClientRequestID, e.CorrelationID, e.RequestID = "a", "b", "c"
		e.DurationMS, e.BytesUp, e.BytesDown, e.Intent = 0.125, 1<<40, 1<<62, 77
	})
	empty := audit.Event{V: 1, Source: "host-1", Epoch: 1, Seq: 2, Prev: full.Prev, Kind: audit.KindRequest, Time: time.Unix(0, 0).UTC()}
	gap := audit.Event{
		V: 1, Source: "host-1", Epoch: 1, Seq: 3, Prev: full.Prev, Kind: audit.KindGap, Time: full.Time, Reason: audit.GapRetention,
		Count: 17, First: 1, Last: 17, SHA256: full.Prev, GapEpoch: 3, GapEpochs: 2,
	}
	intent := Event(4, func(e *audit.Event) { e.Kind, e.Status = audit.KindIntent, 0 })
	seal := audit.Event{V: 1, Source: "host-1", Epoch: 1, Seq: 5, Prev: full.Prev, Kind: audit.KindSeal, Segment: 1, Sig: "x"}
	add(t, s, full, empty, gap, intent, seal)
	for _, want := range []audit.Event{full, empty, gap, intent} {
		got, err := s.Event(context.Background(), want.Source, want.Epoch, want.Seq)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", want.ID(), diff)
		}
	}
	for _, k := range []key{{"host-1", 1, 5}, {"host-1", 1, 6}, {"host-1", 2, 1}, {"host-2", 1, 1}, {"host-1", 1, 1 << 60}} {
		if e, err := s.Event(context.Background(), k.source, k.epoch, k.seq); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%v: %s, %v", k, e.ID(), err)
		}
	}
	if diff := cmp.Diff([]audit.Event{intent, gap, full, empty}, all(t, s, everyKind(), 10)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]audit.Event{full, empty}, all(t, s, store.Query{}, 10)); diff != "" {
		t.Errorf("requests alone: %s", diff)
	}
}

// Pages join without a hole and without a repetition, although times are equal
// and events are added meanwhile.
func pages(t *testing.T, s store.Store) {
	closing(t, s)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var want []string
	for _, stream := range []key{{"b", 1, 0}, {"a", 2, 0}, {"a", 1, 0}} { // not in the order of the list
		for seq := range uint64(5) {
			add(t, s, Event(seq+1, func(e *audit.Event) { e.Source, e.Epoch, e.Time = stream.source, stream.epoch, at }))
			want = append(want, fmt.Sprintf("%s/%d/%d", stream.source, stream.epoch, seq+1))
		}
	}
	slices.Sort(want)
	slices.Reverse(want)
	for limit := 1; limit <= 16; limit++ {
		var got []string
		for _, e := range all(t, s, store.Query{}, limit) {
			got = append(got, fmt.Sprintf("%s/%d/%d", e.Source, e.Epoch, e.Seq))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("pages of %d: %s", limit, diff)
		}
	}
	first, next, err := s.Events(context.Background(), store.Query{}, store.Page{Limit: 3})
	if err != nil {
		t.Fatal(err)
	}
	add(t, s, Event(6, func(e *audit.Event) { e.Source, e.Time = "b", at.Add(1) }))
	second, _, err := s.Events(context.Background(), store.Query{}, store.Page{Limit: 3, After: next})
	if err != nil || len(second) != 3 || second[0].Seq != first[2].Seq-1 {
		t.Errorf("the page after %s is %v, %v", first[2].ID(), second, err)
	}
}

// What is added again counts once.
func repetition(t *testing.T, s store.Store) {
	closing(t, s)
	batch := []audit.Event{Event(1), Event(2), Event(4, func(e *audit.Event) { e.Kind = audit.KindGap; e.Count = 3; e.Reason = audit.GapOverflow })}
	for range 3 {
		add(t, s, batch...)
	}
	add(t, s, append(batch, Event(5), Event(5))...)
	add(t, s, Event(3)) // late
	total := totals(t, s, store.Query{})
	if total.Attributed != 4 || total.Gaps != 1 || total.Missing != 3 {
		t.Errorf("%+v", total)
	}
	if n := len(all(t, s, everyKind(), 100)); n != 5 {
		t.Errorf("%d events", n)
	}
}

func totals(t failer, s store.Store, q store.Query) store.Counts {
	t.Helper()
	groups, err := s.Coverage(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	if len(groups) != 1 || len(groups[0].Values) != 0 {
		t.Fatalf("without dimensions there are the groups %v", groups)
	}
	return groups[0].Counts
}

// An intent reads unknown until its outcome comes, whatever the order and
// however often.
func unknown(t *testing.T, open func(testing.TB) store.Store) {
	intent := Event(1, func(e *audit.Event) { e.Kind, e.Status = audit.KindIntent, 0 })
	outcome := Event(2, func(e *audit.Event) { e.Intent = 1 })
	elsewhere := Event(2, func(e *audit.Event) { e.Epoch, e.Intent = 2, 1 })
	for name, c := range map[string]struct {
		batches [][]audit.Event
		unknown uint64
	}{
		"no outcome":               {[][]audit.Event{{intent}}, 1},
		"no outcome, said twice":   {[][]audit.Event{{intent}, {intent}}, 1},
		"outcome at once":          {[][]audit.Event{{intent, outcome}}, 0},
		"outcome later":            {[][]audit.Event{{intent}, {outcome}}, 0},
		"all of it twice":          {[][]audit.Event{{intent, outcome}, {intent, outcome}}, 0},
		"the intent again":         {[][]audit.Event{{intent, outcome}, {intent}}, 0},
		"outcome of another epoch": {[][]audit.Event{{intent}, {elsewhere}}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			closing(t, s)
			for _, b := range c.batches {
				add(t, s, b...)
			}
			if got := totals(t, s, store.Query{}); got.Unknown != c.unknown {
				t.Errorf("%+v", got)
			}
			q := store.Query{Filter: audit.Filter{Kinds: []audit.Kind{audit.KindIntent}}}
			if got := all(t, s, q, 10); len(got) != int(c.unknown) {
				t.Errorf("list: %v", got)
			}
			byDay, err := s.Coverage(context.Background(), store.Query{}, store.ByDay)
			if err != nil || len(byDay) != 1 || byDay[0].Counts.Unknown != c.unknown {
				t.Errorf("by day: %v, %v", byDay, err)
			}
		})
	}
}

// The formula: of what ARM answered with 2xx, the tagged through all but the
// excluded, the not eligible and batches.
func coverage(t *testing.T, open func(testing.TB) store.Store) {
	outcome := func(name string, status int, templateIDs ...string) func(uint64) audit.Event {
		return func(seq uint64) audit.Event {
			return Event(seq, func(e *audit.Event) { e.Outcome, e.Status, e.TemplateIDs = name, status, templateIDs })
		}
	}
	for name, c := range map[string]struct {
		events []func(uint64) audit.Event
		want   string // tagged/eligible, "none" without any
	}{
		"nothing":          {nil, "none"},
		"tagged each way":  {[]func(uint64) audit.Event{outcome("attributed", 201), outcome("already-attributed", 200), outcome("replaced", 202), outcome("no-rule", 200)}, "3/4"},
		"by template only": {[]func(uint64) audit.Event{outcome("no-rule", 200, pid), outcome("conflict-kept", 200, pid), outcome("would-attribute", 200, pid), outcome("no-rule", 200)}, "1/4"},
		"left out": {[]func(uint64) audit.Event{
			outcome("excluded", 200), outcome("not-eligible", 200), outcome("batch", 200), outcome("attributed", 200),
			outcome("excluded", 200, pid), outcome("not-eligible", 200, pid), outcome("batch", 200, pid),
		}, "1/1"},
		"a write inside a batch":                    {[]func(uint64) audit.Event{outcome("batch", 200), outcome("batch", 0), outcome("attributed", 200)}, "1/1"},
		"inside of a batch":                         {[]func(uint64) audit.Event{outcome("batch", 200), outcome("batch", 0), outcome("batch", 403)}, "none"},
		"nothing else":                              {[]func(uint64) audit.Event{outcome("excluded", 200), outcome("not-eligible", 204), outcome("batch", 200)}, "none"},
		"not answered with 2xx":                     {[]func(uint64) audit.Event{outcome("attributed", 403), outcome("attributed", 0), outcome("attributed", 199), outcome("attributed", 300), outcome("no-rule", 500)}, "none"},
		"would-attribute is not":                    {[]func(uint64) audit.Event{outcome("would-attribute", 201), outcome("attributed", 201)}, "1/2"},
		"conflict-kept is not":                      {[]func(uint64) audit.Event{outcome("conflict-kept", 201), outcome("attributed", 201)}, "1/2"},
		"rejected, bypass":                          {[]func(uint64) audit.Event{outcome("rejected", 0), outcome("bypass", 0), outcome("attributed", 201)}, "1/1"},
		"an outcome of the future, with a template": {[]func(uint64) audit.Event{outcome("anointed", 200, pid)}, "0/1"},
		"an outcome of the future":                  {[]func(uint64) audit.Event{outcome("anointed", 200), outcome("attributed", 201)}, "1/2"},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			closing(t, s)
			for i, e := range c.events {
				add(t, s, e(uint64(i+1)))
			}
			got := totals(t, s, store.Query{})
			text := "none"
			if _, ok := got.Coverage(); ok {
				text = fmt.Sprintf("%d/%d", got.Tagged(), got.Eligible())
			}
			if text != c.want {
				t.Errorf("coverage %s, want %s: %+v", text, c.want, got)
			}
			if got.Requests() != uint64(len(c.events)) {
				t.Errorf("%d requests of %d: %+v", got.Requests(), len(c.events), got)
			}
		})
	}
}

// An event counts once in each of its groups; names that ARM compares without
// case are one group, spelled as most events do.
func dimensions(t *testing.T, s store.Store) {
	closing(t, s)
	add(t, s,
		Event(1, func(e *audit.Event) { e.ResourceGroup, e.Labels = "RG-A", []string{"team=a", "team=b", "team=a"} }),
		Event(2, func(e *audit.Event) { e.ResourceGroup, e.IDs = "rg-a", []string{pid, other} }),
		Event(3, func(e *audit.Event) { e.ResourceGroup, e.IDs = "rg-a", []string{other, "PID" + other[3:]} }),
		Event(4, func(e *audit.Event) {
			e.Outcome, e.IDs, e.TemplateIDs, e.Time = "no-rule", nil, []string{other}, e.Time.Add(24*time.Hour)
		}),
		Event(5, func(e *audit.Event) {
			e.Outcome, e.IDs, e.UAOut, e.UAIn = "already-attributed", []string{pid}, "", other+" "+pid
		}),
	)
	for by, want := range map[store.Dimension][]string{
		store.ByResourceGroup: {"rg 2/2", "rg-a 3/3"},
		store.ByID:            {other + " 3/3", pid + " 3/3"},
		store.ByDay:           {"2026-03-01 4/4", "2026-03-02 1/1"},
		store.ByLabel:         {" 4/4", "team=a 1/1", "team=b 1/1"},
		"label:team":          {" 4/4", "a 1/1", "b 1/1"},
		"label:none":          {" 5/5"},
		store.ByStatus:        {"201 5/5"},
		store.ByProcess:       {" 5/5"},
	} {
		groups, err := s.Coverage(context.Background(), store.Query{}, by)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, g := range groups {
			got = append(got, fmt.Sprintf("%s %d/%d", g.Values[0], g.Counts.Tagged(), g.Counts.Eligible()))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("by %s: %s", by, diff)
		}
	}
	if got := totals(t, s, store.Query{}); got.BesideOther != 3 {
		t.Errorf("%d tagged beside another ID", got.BesideOther)
	}
}

// Gaps count in the total and by day, whatever else is selected, and retention
// is none.
func gaps(t *testing.T, s store.Store) {
	closing(t, s)
	gap := func(seq uint64, reason string, count uint64) audit.Event {
		return Event(seq, func(e *audit.Event) {
			*e = audit.Event{V: 1, Source: e.Source, Epoch: 1, Seq: seq, Prev: e.Prev, Time: e.Time, Kind: audit.KindGap, Reason: reason, Count: count}
		})
	}
	add(t, s, Event(1), gap(2, audit.GapOverflow, 4), gap(3, audit.GapUncleanStop, 0), gap(4, audit.GapRetention, 99))
	for _, q := range []store.Query{{}, {Processes: []string{"none"}}, {Filter: audit.Filter{Tools: []string{"curl"}}}} {
		if got := totals(t, s, q); got.Gaps != 2 || got.Missing != 4 {
			t.Errorf("%+v: %+v", q, got)
		}
	}
	later := store.Query{Filter: audit.Filter{Since: Event(4).Time}}
	if got := totals(t, s, later); got.Gaps != 0 || got.Missing != 0 {
		t.Errorf("later: %+v", got)
	}
	for by, want := range map[store.Dimension]int{store.ByDay: 2, store.ByRule: 0} {
		groups, err := s.Coverage(context.Background(), store.Query{}, by)
		if err != nil || len(groups) != 1 || groups[0].Counts.Gaps != uint64(want) {
			t.Errorf("by %s: %v, %v", by, groups, err)
		}
	}
}

// A gap says itself how many events are missing; no number breaks a report.
func hugeGaps(t *testing.T, open func(testing.TB) store.Store) {
	for name, c := range map[string]struct {
		counts []uint64
		want   uint64
	}{
		"one":   {[]uint64{math.MaxUint64}, math.MaxUint64},
		"two":   {[]uint64{math.MaxInt64, math.MaxInt64}, math.MaxUint64 - 1},
		"three": {[]uint64{math.MaxInt64, math.MaxInt64, math.MaxInt64}, math.MaxUint64},
	} {
		for _, apart := range []time.Duration{0, 24 * time.Hour} { // on one day, on several
			t.Run(fmt.Sprint(name, apart), func(t *testing.T) {
				s := open(t)
				closing(t, s)
				for i, n := range c.counts {
					add(t, s, Event(uint64(i+1), func(e *audit.Event) {
						*e = audit.Event{
							V: 1, Source: e.Source, Epoch: 1, Seq: e.Seq, Prev: e.Prev, Time: e.Time.Add(time.Duration(i) * apart),
							Kind: audit.KindGap, Reason: audit.GapOverflow, Count: n,
						}
					}))
				}
				if got := totals(t, s, store.Query{}); got.Gaps != uint64(len(c.counts)) || got.Missing != c.want {
					t.Errorf("%d gaps, %d missing, want %d", got.Gaps, got.Missing, c.want)
				}
			})
		}
	}
}

// Each outcome that ARM answered counts as one thing, and an ID in the template
// makes a difference only where no rule matched.
func classes(t *testing.T, open func(testing.TB) store.Store) {
	for outcome, want := range map[string][2]store.Counts{ // without and with IDs in the template
		"attributed":         {{Attributed: 1}, {Attributed: 1}},
		"already-attributed": {{AlreadyAttributed: 1}, {AlreadyAttributed: 1}},
		"replaced":           {{Replaced: 1}, {Replaced: 1}},
		"conflict-kept":      {{ConflictKept: 1}, {ConflictKept: 1}},
		"would-attribute":    {{WouldAttribute: 1}, {WouldAttribute: 1}},
		"excluded":           {{Excluded: 1}, {Excluded: 1}},
		"no-rule":            {{NoRule: 1}, {TemplateOnly: 1}},
		"not-eligible":       {{NotEligible: 1}, {NotEligible: 1}},
		"batch":              {{Batch: 1}, {Batch: 1}},
		"rejected":           {{Rejected: 1}, {Rejected: 1}},
		"bypass":             {{Bypass: 1}, {Bypass: 1}},
	} {
		for i, ids := range [][]string{nil, {pid}} {
			s := open(t)
			closing(t, s)
			add(t, s, Event(1, func(e *audit.Event) { e.Outcome, e.TemplateIDs, e.UAOut, e.UAIn = outcome, ids, "", "" }))
			if diff := cmp.Diff(want[i], totals(t, s, store.Query{})); diff != "" {
				t.Errorf("%s, template %v: %s", outcome, ids, diff)
			}
		}
	}
}

// What is forgotten is gone from every answer, and can be added again.
func forget(t *testing.T, s store.Store) {
	closing(t, s)
	ctx := context.Background()
	var events []audit.Event
	for seq := range uint64(20) {
		events = append(events, Event(seq+1, func(e *audit.Event) { e.Rule = fmt.Sprint("rule-", seq%3); e.Labels = []string{fmt.Sprint("n=", seq)} }))
	}
	first := store.Position{Source: "host-1", Epoch: 1, Segment: 1, First: 1, Last: 10, Offset: 100, Hash: "a", Sealed: true}
	second := store.Position{Source: "host-1", Epoch: 1, Segment: 2, First: 11, Last: 20, Offset: 90, Hash: "b"}
	if err := s.Append(ctx, events, first, second); err != nil {
		t.Fatal(err)
	}
	check := func(want int, positions ...store.Position) {
		t.Helper()
		if got := totals(t, s, store.Query{}); got.Attributed != uint64(want) {
			t.Errorf("%d events are counted, want %d", got.Attributed, want)
		}
		if got := all(t, s, everyKind(), 100); len(got) != want {
			t.Errorf("%d events are listed, want %d", len(got), want)
		}
		got, err := s.Positions(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(positions, got); diff != "" {
			t.Error(diff)
		}
	}
	check(20, first, second)
	if err := s.Forget(ctx, first); err != nil {
		t.Fatal(err)
	}
	check(10, second)
	if err := s.Forget(ctx, second); err != nil {
		t.Fatal(err)
	}
	check(0)
	if err := s.Append(ctx, events, first, second); err != nil {
		t.Fatal(err)
	}
	check(20, first, second)
}

// A batch that cannot be added leaves nothing.
func atomic(t *testing.T, s store.Store) {
	closing(t, s)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = s.Append(ctx, []audit.Event{Event(1)}, store.Position{Source: "host-1", Epoch: 1, Segment: 1, First: 1, Last: 1})
	listed := len(all(t, s, everyKind(), 10))
	positions, err := s.Positions(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if counted := totals(t, s, store.Query{}).Requests(); int(counted) != listed || len(positions) != listed {
		t.Errorf("%d counted, %d listed, %d positions", counted, listed, len(positions))
	}
	add(t, s, Event(1), Event(2))
	if got := totals(t, s, store.Query{}).Attributed; got != 2 {
		t.Errorf("%d events after a failure", got)
	}
}

// Whatever is added and forgotten, every question has the same answer as from
// the reference.
func sameAnswers(t *testing.T, open func(testing.TB) store.Store) {
	rapid.Check(t, func(rt *rapid.T) {
		s, ref := open(t), NewReference()
		defer s.Close()
		ctx := context.Background()
		both := func(f func(store.Store) error) {
			for _, s := range []store.Store{s, ref} {
				if err := f(s); err != nil {
					rt.Fatal(err)
				}
			}
		}
		next := map[key]uint64{}
		for range rapid.IntRange(1, 6).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"add", "add", "add", "forget"}).Draw(rt, "step") {
			case "add":
				batch := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) audit.Event { return drawEvent(rt, next) }), 1, 40).Draw(rt, "events")
				both(func(s store.Store) error { return s.Append(ctx, batch) })
			case "forget":
				p := store.Position{Source: drawSource(rt), Epoch: 1, Segment: 1, First: 1, Last: rapid.Uint64Range(1, 30).Draw(rt, "last")}
				both(func(s store.Store) error { return s.Forget(ctx, p) })
			}
		}
		for range 4 {
			q := drawQuery(rt)
			limit := rapid.IntRange(1, 50).Draw(rt, "limit")
			if diff := cmp.Diff(all(rt, ref, q, limit), all(rt, s, q, limit)); diff != "" {
				rt.Fatalf("events of %+v: %s", q, diff)
			}
			by := drawDimensions(rt)
			want, _ := ref.Tables(ctx, q, by...)
			got, err := s.Tables(ctx, q, by...)
			if err != nil {
				rt.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				rt.Fatalf("%v of %+v: %s", by, q, diff)
			}
		}
	})
}
