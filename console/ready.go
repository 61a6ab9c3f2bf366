package console

import (
	"context"
	"sync"
	"time"
)

// readyFor is how long an answer about readiness is good: a probe costs a
// handshake, and nobody is to make the proxy busy by asking.
const readyFor = time.Second

// once asks a question at most once in a while, for however many who want to
// know.
type once struct {
	ask func(context.Context) error
	now func() time.Time

	mu    sync.Mutex
	asked time.Time
	last  error
}

func (o *once) answer(ctx context.Context) error {
	if o.ask == nil {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if age := o.now().Sub(o.asked); !o.asked.IsZero() && age >= 0 && age < readyFor {
		return o.last
	}
	// One who goes away must not leave his own end as the answer for all.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	o.last = o.ask(ctx)
	o.asked = o.now()
	return o.last
}
