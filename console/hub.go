package console

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/attribproxy/attribproxy/audit"
	"github.com/attribproxy/attribproxy/audit/store"
)

const (
	// tailKeeps is how many events a page gets to see that has just come.
	tailKeeps = 100
	// tailBuffer is how far a slow reader may fall behind before it is cut
	// off; its browser comes back and is told what it has missed.
	tailBuffer = 256
	// tailPoll is how often the journal is looked at.
	tailPoll = 300 * time.Millisecond
	// tailReaders bounds the pages that follow at a time.
	tailReaders = 64
)

// hub follows the journal once, however many pages look on. It starts with the
// first of them, where the index stands.
type hub struct {
	index *index
	ctx   context.Context // the life of the server, not of a call
	done  sync.WaitGroup

	mu      sync.Mutex
	started bool
	latest  []audit.Event // the last ones, oldest first
	readers map[chan audit.Event]bool
}

func newHub(ctx context.Context, x *index) *hub {
	return &hub{ctx: ctx, index: x, readers: map[chan audit.Event]bool{}}
}

// run feeds the readers until the server ends. When it cannot go on it cuts
// them off, and starts anew when one of them comes back.
func (h *hub) run() {
	defer h.done.Done()
	_ = h.followIndex()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.started = false
	for c := range h.readers {
		h.drop(c)
	}
}

func (h *hub) followIndex() error {
	// While the index is being built there is nothing to follow yet.
	st, err := h.index.fresh(h.ctx)
	for err == nil && st.Behind {
		st.done()
		st, err = h.index.fresh(h.ctx)
	}
	if err != nil {
		return err
	}
	defer st.done()
	if st.Err != nil {
		return st.Err
	}
	// The positions first: an event that comes between is then seen twice,
	// and passed over, and not missed.
	from, err := st.Positions(h.ctx)
	if err != nil {
		return err
	}
	past, _, err := st.Events(h.ctx, store.Query{Filter: audit.Filter{Kinds: tailKinds()}}, store.Page{Limit: tailKeeps})
	if err != nil {
		return err
	}
	for i := len(past) - 1; i >= 0; i-- {
		h.publish(past[i])
	}
	st.done()
	t := &tail{positions: map[segment]store.Position{}, publish: h.publish}
	if err := t.Append(h.ctx, nil, from...); err != nil {
		return err
	}
	poll := time.NewTicker(tailPoll)
	defer poll.Stop()
	for {
		if err := h.index.updateStore(t); err != nil {
			return err
		}
		select {
		case <-poll.C:
		case <-h.ctx.Done():
			return h.ctx.Err()
		}
	}
}

// tailKinds are the kinds of events that a tail shows.
func tailKinds() []audit.Kind { return []audit.Kind{audit.KindRequest, audit.KindGap} }

type segment struct{ epoch, number uint64 }

// tail is a store that keeps nothing but how far it is, and hands events on.
// Brought up to date like an index, it reads the journal from there on.
type tail struct {
	store.Store // never asked questions
	positions   map[segment]store.Position
	publish     func(audit.Event)
}

func (t *tail) Append(_ context.Context, events []audit.Event, reached ...store.Position) error {
	for _, e := range events {
		if slices.Contains(tailKinds(), e.Kind) {
			t.publish(e)
		}
	}
	for _, p := range reached {
		t.positions[segment{p.Epoch, p.Segment}] = p
	}
	return nil
}

func (t *tail) Positions(context.Context) ([]store.Position, error) {
	all := slices.Collect(maps.Values(t.positions))
	slices.SortFunc(all, func(a, b store.Position) int {
		return cmp.Or(cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.Segment, b.Segment))
	})
	return all, nil
}

func (t *tail) Forget(_ context.Context, gone ...store.Position) error {
	for _, p := range gone {
		delete(t.positions, segment{p.Epoch, p.Segment})
	}
	return nil
}

func (t *tail) Close() error { return nil }

func (h *hub) publish(e audit.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if slices.ContainsFunc(h.latest, func(l audit.Event) bool { return l.Source == e.Source && l.Epoch == e.Epoch && l.Seq == e.Seq }) {
		return
	}
	if len(h.latest) == tailKeeps {
		copy(h.latest, h.latest[1:])
		h.latest = h.latest[:tailKeeps-1]
	}
	h.latest = append(h.latest, e)
	for c := range h.readers {
		select {
		case c <- e:
		default:
			h.drop(c)
		}
	}
}

// drop ends a reader; h.mu is held.
func (h *hub) drop(c chan audit.Event) {
	delete(h.readers, c)
	close(c)
}

// join returns what came last and a channel with what comes; nil when there
// are too many readers.
func (h *hub) join() (past []audit.Event, next chan audit.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.readers) >= tailReaders || h.ctx.Err() != nil {
		return nil, nil
	}
	if !h.started {
		h.started = true
		h.done.Add(1)
		go h.run()
	}
	next = make(chan audit.Event, tailBuffer)
	h.readers[next] = true
	return append([]audit.Event(nil), h.latest...), next
}

func (h *hub) leave(c chan audit.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.readers[c] {
		h.drop(c)
	}
}
