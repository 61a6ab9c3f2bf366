package console

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/attribproxy/attribproxy/audit/store"
)

// patience is how long a page waits for the index to come up to date. After
// that it shows what there is and says so.
const patience = 700 * time.Millisecond

// index opens the store when it is first needed and keeps it up to date, with
// one update at a time. A store that failed is given up, and the next page
// opens it anew: its file may be deleted at any time.
type index struct {
	open   func(context.Context) (store.Store, error)
	update func(context.Context, store.Store) error
	log    *zap.Logger
	ctx    context.Context // the life of the server, not of a call
	work   sync.WaitGroup

	mu      sync.Mutex
	current *held
	opening *opening
}

// held is an open store. It is closed when nobody uses it any more.
type held struct {
	store   store.Store
	users   int
	given   bool // up; under index.mu, as users is
	running *update
}

// opening is one attempt to open the store.
type opening struct {
	done chan struct{}
	err  error
}

// update is one run of an update.
type update struct {
	done chan struct{}
	err  error
}

func newIndex(ctx context.Context, o Options, log *zap.Logger) *index {
	return &index{ctx: ctx, open: o.Store, update: o.Update, log: log}
}

// lease is a store for one page; done must be called at its end.
type lease struct {
	store.Store
	Behind bool  // an update is still under way
	Err    error // the last update failed
	done   func()
	fail   func() // the store gave an error: open it anew
}

// fresh returns the store, up to date as of the call if that takes no longer
// than the patience of a page.
func (x *index) fresh(ctx context.Context) (*lease, error) {
	h, err := x.take(ctx)
	if err != nil {
		return nil, err
	}
	l := &lease{Store: h.store, done: sync.OnceFunc(func() { x.release(h) }), fail: func() { x.giveUp(h) }}
	if x.update == nil {
		return l, nil
	}
	limit := time.NewTimer(patience)
	defer limit.Stop()
	// A run that was under way may have passed over what was written just
	// before this call; the one after it has not.
	for range 2 {
		run, joined := x.run(h)
		select {
		case <-run.done:
			if run.err != nil {
				l.Err = run.err
				x.giveUp(h)
				return l, nil
			}
			if !joined {
				return l, nil
			}
		case <-limit.C:
			l.Behind = true
			return l, nil
		case <-ctx.Done():
			l.done()
			return nil, ctx.Err()
		}
	}
	return l, nil
}

// take opens the store unless it is open.
func (x *index) take(ctx context.Context) (*held, error) {
	for {
		x.mu.Lock()
		if h := x.current; h != nil {
			h.users++
			x.mu.Unlock()
			return h, nil
		}
		o := x.opening
		if o == nil {
			o = &opening{done: make(chan struct{})}
			x.opening = o
			x.work.Add(1)
			go x.openStore(o)
		}
		x.mu.Unlock()
		select {
		case <-o.done:
			if o.err != nil {
				return nil, o.err
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (x *index) openStore(o *opening) {
	defer x.work.Done()
	st, err := x.open(x.ctx)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.opening = nil
	if o.err = err; err == nil {
		x.current = &held{store: st}
	}
	close(o.done)
}

func (x *index) release(h *held) {
	x.mu.Lock()
	h.users--
	last := h.given && h.users == 0
	x.mu.Unlock()
	if last {
		x.closeStore(h)
	}
}

// giveUp makes the next page open the store anew.
func (x *index) giveUp(h *held) {
	x.mu.Lock()
	first := !h.given
	h.given = true
	if x.current == h {
		x.current = nil
	}
	last := first && h.users == 0
	x.mu.Unlock()
	if last {
		x.closeStore(h)
	}
}

func (x *index) closeStore(h *held) {
	if err := h.store.Close(); err != nil {
		x.log.Warn("the index could not be closed", zap.Error(err))
	}
}

// run starts an update, or joins the one under way.
func (x *index) run(h *held) (u *update, joined bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if h.running != nil {
		return h.running, true
	}
	u = &update{done: make(chan struct{})}
	h.running = u
	h.users++
	x.work.Add(1)
	go func() {
		defer x.work.Done()
		u.err = x.updateStore(h.store)
		x.mu.Lock()
		h.running = nil
		x.mu.Unlock()
		close(u.done)
		x.release(h)
	}()
	return u, false
}

// updateStore keeps a fault of the index from ending the process, whose first
// work is the proxy's.
func (x *index) updateStore(st store.Store) (err error) {
	defer func() {
		if v := recover(); v != nil {
			x.log.Error("the index broke down", zap.Any("panic", v), zap.ByteString("stack", debug.Stack()))
			err = fmt.Errorf("the index broke down: %v", v)
		}
	}()
	return x.update(x.ctx, st)
}

// close waits for what is under way, which the server's end has cut short.
func (x *index) close() {
	x.work.Wait()
	x.mu.Lock()
	h := x.current
	x.mu.Unlock()
	if h != nil {
		x.giveUp(h)
	}
}
