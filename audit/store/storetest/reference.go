package storetest

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/attribproxy/attribproxy/audit"
	"github.com/attribproxy/attribproxy/audit/store"
)

// Reference is a store that keeps lists in memory and does everything in the
// plainest way: what the others must agree with.
type Reference struct {
	mu        sync.Mutex
	events    []audit.Event
	answered  map[key]bool // intents whose outcome came
	positions []store.Position
}

type key struct {
	source     string
	epoch, seq uint64
}

// NewReference returns an empty store.
func NewReference() *Reference { return &Reference{answered: map[key]bool{}} }

var _ store.Store = (*Reference)(nil)

// Append implements [store.Store].
func (r *Reference) Append(_ context.Context, events []audit.Event, reached ...store.Position) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range events {
		k := key{e.Source, e.Epoch, e.Seq}
		if e.Kind == audit.KindSeal || e.Kind == audit.KindIntent && r.answered[k] ||
			slices.ContainsFunc(r.events, func(o audit.Event) bool { return key{o.Source, o.Epoch, o.Seq} == k }) {
			continue
		}
		if e.Kind == audit.KindRequest && e.Intent > 0 {
			r.answered[key{e.Source, e.Epoch, e.Intent}] = true
			r.events = slices.DeleteFunc(r.events, func(o audit.Event) bool {
				return o.Kind == audit.KindIntent && key{o.Source, o.Epoch, o.Seq} == key{e.Source, e.Epoch, e.Intent}
			})
		}
		r.events = append(r.events, e)
	}
	for _, p := range reached {
		r.positions = slices.DeleteFunc(r.positions, func(o store.Position) bool { return samePlace(o, p) })
		r.positions = append(r.positions, p)
	}
	return nil
}

func samePlace(a, b store.Position) bool {
	return a.Epoch == b.Epoch && a.Segment == b.Segment
}

// Positions implements [store.Store].
func (r *Reference) Positions(context.Context) ([]store.Position, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.SortedFunc(slices.Values(r.positions), func(a, b store.Position) int {
		return cmp.Or(cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.Segment, b.Segment))
	}), nil
}

// Forget implements [store.Store].
func (r *Reference) Forget(_ context.Context, gone ...store.Position) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range gone {
		r.positions = slices.DeleteFunc(r.positions, func(o store.Position) bool { return samePlace(o, p) })
		r.events = slices.DeleteFunc(r.events, func(e audit.Event) bool {
			if e.Source != p.Source || e.Epoch != p.Epoch || e.Seq < p.First || e.Seq > p.Last || p.First == 0 {
				return false
			}
			if e.Intent > 0 {
				delete(r.answered, key{e.Source, e.Epoch, e.Intent})
			}
			return true
		})
	}
	return nil
}

// Events implements [store.Store].
func (r *Reference) Events(_ context.Context, q store.Query, page store.Page) ([]audit.Event, store.Cursor, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	newestFirst := func(a, b audit.Event) int {
		return -cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.Seq, b.Seq))
	}
	found := []audit.Event{}
	for _, e := range r.events {
		after := page.After
		behind := after.IsZero() || newestFirst(e, audit.Event{Time: after.Time, Source: after.Source, Epoch: after.Epoch, Seq: after.Seq}) > 0
		if behind && q.Match(&e) {
			found = append(found, e)
		}
	}
	slices.SortFunc(found, newestFirst)
	limit := page.Limit
	if limit <= 0 {
		limit = store.DefaultLimit
	}
	if len(found) <= limit {
		return found, store.Cursor{}, nil
	}
	last := found[limit-1]
	return found[:limit], store.Cursor{Time: last.Time, Source: last.Source, Epoch: last.Epoch, Seq: last.Seq}, nil
}

// Event implements [store.Store].
func (r *Reference) Event(_ context.Context, source string, epoch, seq uint64) (audit.Event, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if (key{e.Source, e.Epoch, e.Seq}) == (key{source, epoch, seq}) {
			return e, nil
		}
	}
	return audit.Event{}, fmt.Errorf("looking for an event: %w", store.ErrNotFound)
}

// Coverage implements [store.Store].
func (r *Reference) Coverage(_ context.Context, q store.Query, by ...store.Dimension) ([]store.Group, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	onlyDay := !slices.ContainsFunc(by, func(d store.Dimension) bool { return d != store.ByDay })
	groups := map[string]*store.Group{}
	spellings := map[string][]string{} // of the values in a group, one list a dimension, joined
	for _, e := range r.events {
		class := classOf(&e)
		gap := e.Kind == audit.KindGap
		match := q
		match.Text = ""
		match.Kinds = []audit.Kind{audit.KindRequest, audit.KindIntent}
		if gap {
			match = store.Query{Filter: audit.Filter{Kinds: []audit.Kind{audit.KindGap}, Since: q.Since, Until: q.Until}}
		}
		if class == store.ClassNone || gap && !onlyDay || !match.Match(&e) {
			continue
		}
		seen := map[string]bool{}
		for _, values := range combinations(&e, by) {
			folded := make([]string, len(values))
			for i, v := range values {
				folded[i] = v
				switch by[i] {
				case store.ByID, store.BySubscription, store.ByResourceGroup, store.ByResourceType:
					folded[i] = strings.ToLower(v)
				}
			}
			k := strings.Join(folded, "\x00")
			if seen[k] {
				continue
			}
			seen[k] = true
			if groups[k] == nil {
				groups[k] = &store.Group{}
			}
			groups[k].Counts.Add(class, besideOther(&e), 1)
			if gap {
				if n := &groups[k].Counts.Missing; *n > math.MaxUint64-e.Count {
					*n = math.MaxUint64
				} else {
					*n += e.Count
				}
			}
			spellings[k] = append(spellings[k], strings.Join(values, "\x00"))
		}
	}
	if len(by) == 0 && len(groups) == 0 {
		return []store.Group{{Values: []string{}}}, nil
	}
	found := []store.Group{}
	for k, g := range groups {
		g.Values = make([]string, len(by))
		for i := range by {
			g.Values[i] = usual(spellings[k], i)
		}
		found = append(found, *g)
	}
	slices.SortFunc(found, func(a, b store.Group) int {
		lower := func(g store.Group) string { return strings.ToLower(strings.Join(g.Values, "\x00")) }
		return cmp.Or(cmp.Compare(lower(a), lower(b)), slices.Compare(a.Values, b.Values))
	})
	return found, nil
}

// usual is how most events spell the value of dimension i.
func usual(spellings []string, i int) string {
	counts := map[string]int{}
	for _, s := range spellings {
		counts[strings.Split(s, "\x00")[i]]++
	}
	best := ""
	for v, n := range counts {
		if n > counts[best] || n == counts[best] && v < best {
			best = v
		}
	}
	return best
}

// combinations returns all groups that e belongs to.
func combinations(e *audit.Event, by []store.Dimension) [][]string {
	if len(by) == 0 {
		return [][]string{{}}
	}
	var all [][]string
	for _, rest := range combinations(e, by[1:]) {
		for _, v := range values(e, by[0]) {
			all = append(all, append([]string{v}, rest...))
		}
	}
	return all
}

func values(e *audit.Event, d store.Dimension) []string {
	var list []string
	switch d {
	case store.ByDay:
		return []string{e.Time.UTC().Format(time.DateOnly)}
	case store.ByRule:
		return []string{e.Rule}
	case store.ByTool:
		return []string{e.Tool}
	case store.BySubscription:
		return []string{e.Subscription}
	case store.ByResourceGroup:
		return []string{e.ResourceGroup}
	case store.ByResourceType:
		return []string{e.ResourceType}
	case store.ByProcess:
		return []string{e.Process}
	case store.ByOutcome:
		return []string{e.Outcome}
	case store.ByStatus:
		if e.Status != 0 {
			return []string{fmt.Sprint(e.Status)}
		}
	case store.ByID:
		list = trackingIDs(e)
	case store.ByLabel:
		list = e.Labels
	default:
		for _, label := range e.Labels {
			if v, ok := strings.CutPrefix(label, d.LabelName()+"="); ok {
				list = append(list, v)
			}
		}
	}
	if len(list) == 0 {
		return []string{""}
	}
	return list
}

// Tables implements [store.Store].
func (r *Reference) Tables(ctx context.Context, q store.Query, by ...[]store.Dimension) ([][]store.Group, error) {
	var tables [][]store.Group
	for _, dimensions := range by {
		groups, err := r.Coverage(ctx, q, dimensions...)
		if err != nil {
			return nil, err
		}
		tables = append(tables, groups)
	}
	return tables, nil
}

// Close implements [store.Store].
func (r *Reference) Close() error { return nil }
