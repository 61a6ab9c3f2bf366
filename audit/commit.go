package audit

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"
)

// item is one queued event; seq is where an intent's number goes.
type item struct {
	event Event
	seq   *uint64
}

// batch is the events that one group commit serves. Whoever queued one of
// them waits for done.
type batch struct {
	items []item
	done  chan struct{}
	// Set before done is closed: err is the fate of the items from failed on.
	failed int
	err    error
}

func newBatch(items []item) *batch { return &batch{items: items, done: make(chan struct{})} }

// receipt is one item's claim on its batch.
type receipt struct {
	batch *batch
	index int
}

func (r receipt) Wait(ctx context.Context) error {
	select {
	case <-r.batch.done:
	default:
		select {
		case <-r.batch.done:
		case <-ctx.Done():
			return fmt.Errorf("waiting for the journal: %w", context.Cause(ctx))
		}
	}
	if r.batch.err != nil && r.index >= r.batch.failed {
		return fmt.Errorf("writing to the journal: %w", r.batch.err)
	}
	return nil
}

// settled is a receipt whose fate is known at once.
type settled struct{ err error }

func (s settled) Wait(context.Context) error { return s.err }

const (
	housekeepingInterval = time.Minute
	// gatherBestEffort is how long events for which nobody waits are
	// gathered, to save syncs.
	gatherBestEffort = 20 * time.Millisecond
	// lossLogInterval keeps a failing disk from filling the log too.
	lossLogInterval = time.Second
)

// committer is the state of the one goroutine that writes.
type committer struct {
	*Journal
	sizeLimit  int64     // off at which the segment is rotated
	lost       uint64    // requests lost to write errors, not yet in a gap line
	lossLogged time.Time // when a loss was last logged
	unlogged   uint64    // losses since then
	nextSweep  time.Time
	gaps       []Event // the retention gaps of this process's last sweep
	// A clock that is not believed was logged.
	clockWarned bool
}

// run commits until the journal is closed.
func (j *Journal) run() {
	defer close(j.done)
	c := &committer{Journal: j, sizeLimit: j.o.SegmentBytes, nextSweep: firstSweep(j.o)}
	timer := time.NewTimer(0) // retention once at the start
	defer timer.Stop()
	for {
		select {
		case <-j.wake:
			c.gather()
		case <-timer.C:
		}
		b, dropped, closed := j.take()
		if len(b.items) > 0 || dropped > 0 || c.lost > 0 {
			c.commit(b, dropped)
		}
		if closed {
			// Whatever was queued before closed was set is in b.
			c.finish()
			return
		}
		c.housekeeping()
		if c.lost > 0 || c.pendingDrops() {
			timer.Reset(j.o.retry)
		} else {
			timer.Reset(min(housekeepingInterval, j.o.SegmentAge))
		}
	}
}

// gather waits a little for more events when nobody waits for these.
func (c *committer) gather() {
	if c.o.Guarantee != GuaranteeBestEffort {
		return
	}
	c.mu.Lock()
	urgent := c.closed || c.stats.Queued > c.o.QueueEvents/2
	c.mu.Unlock()
	if !urgent {
		time.Sleep(gatherBestEffort)
	}
}

// take removes what is queued.
func (j *Journal) take() (b *batch, dropped uint64, closed bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	b, dropped = j.filling, j.dropped
	j.filling, j.spare, j.dropped = newBatch(j.spare), nil, 0
	return b, dropped, j.closed
}

func (j *Journal) pendingDrops() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.dropped > 0
}

// commit writes gap lines for what is missing and then the batch's events.
func (c *committer) commit(b *batch, dropped uint64) {
	start := time.Now()
	before := c.stream.flushed.seq
	committed, err := c.write(b.items, dropped)
	if err != nil {
		b.failed, b.err = committed, err
		c.fail(b.items[committed:], err)
	}
	c.settle(b, err)
	if c.o.ObserveCommit != nil {
		c.o.ObserveCommit(int(c.stream.flushed.seq-before), time.Since(start), err)
	}
}

// write puts the items on disk, in more than one flush where a segment ends
// in between, and returns how many of them are there.
func (c *committer) write(items []item, dropped uint64) (committed int, err error) {
	s := c.stream
	if err := c.addGaps(dropped); err != nil {
		s.discard()
		c.restoreDrops(dropped)
		return 0, err
	}
	gaps := len(s.buf) > 0
	flush := func(end int) error {
		if err := s.flush(); err != nil {
			if gaps {
				c.restoreDrops(dropped)
			}
			return err
		}
		if gaps {
			c.reportGaps(dropped)
			gaps = false
		}
		c.publish(items[committed:end])
		committed = end
		return nil
	}
	for i := range items {
		if err := s.add(&items[i].event); err != nil {
			s.discard()
			return committed, err
		}
		full := s.off+int64(len(s.buf)) >= c.sizeLimit
		if full || len(s.buf) >= flushBytes {
			if err := flush(i + 1); err != nil {
				return committed, err
			}
			if full {
				c.rotate()
			}
		}
	}
	return committed, flush(len(items))
}

// addGaps adds a line for each kind of loss that no line speaks of yet.
func (c *committer) addGaps(dropped uint64) error {
	now := c.o.Now()
	for _, gap := range []struct {
		reason string
		count  uint64
	}{{GapWriteError, c.lost}, {GapOverflow, dropped}} {
		if gap.count == 0 {
			continue
		}
		if err := c.stream.add(&Event{Kind: KindGap, Time: now, Reason: gap.reason, Count: gap.count}); err != nil {
			return err
		}
	}
	return nil
}

// restoreDrops puts back what did not get into a gap line.
func (c *committer) restoreDrops(dropped uint64) {
	c.mu.Lock()
	c.dropped += dropped
	c.mu.Unlock()
}

// reportGaps logs the losses whose gap lines are on disk now.
func (c *committer) reportGaps(dropped uint64) {
	if c.lost > 0 {
		c.o.Logger.Warn("the journal can be written again; the events lost meanwhile have a gap line",
			zap.Uint64("lost", c.lost))
		c.lost, c.unlogged = 0, 0
	}
	if dropped > 0 {
		c.o.Logger.Error("the journal's queue was full: events were dropped", zap.Uint64("dropped", dropped))
	}
}

// publish tells observers and intents of lines that are on disk.
func (c *committer) publish(items []item) {
	for i := range items {
		e := &items[i].event
		if seq := items[i].seq; seq != nil {
			*seq = e.Seq
		}
		if c.o.Observe != nil && e.Kind == KindRequest {
			c.o.Observe(*e)
		}
	}
}

// fail counts and logs what was lost. An intent is no loss: its request is
// refused and recorded as such.
func (c *committer) fail(items []item, err error) {
	var lost uint64
	for i := range items {
		if items[i].event.Kind == KindRequest {
			lost++
		}
	}
	c.lost += lost
	c.unlogged += lost
	c.mu.Lock()
	c.stats.Lost += lost
	c.mu.Unlock()
	if lost == 0 && c.health != nil {
		return // a retry, or an intent once more: nothing new
	}
	if now := time.Now(); now.Sub(c.lossLogged) >= lossLogInterval {
		c.o.Logger.Error("the journal cannot be written: events are lost",
			zap.Uint64("lost", c.unlogged), zap.Error(err))
		c.lossLogged, c.unlogged = now, 0
	}
}

// settle makes the outcome known and recycles the batch's memory.
func (c *committer) settle(b *batch, err error) {
	items := b.items
	b.items = nil
	c.mu.Lock()
	c.stats.Queued -= len(items)
	c.health = err
	if err == nil {
		c.stats.Commits++
	}
	c.updateHead()
	c.mu.Unlock()
	close(b.done)

	clear(items)
	if cap(items) <= defaultQueueBestEffort {
		c.mu.Lock()
		c.spare = items[:0]
		c.mu.Unlock()
	}
}

// updateHead publishes the end of the chain; the caller holds mu.
func (c *committer) updateHead() {
	at := c.stream.flushed
	c.stats.Lines = at.seq
	c.head.Seq, c.head.Hash = at.seq, at.hash
}

// rotate begins a new segment, or gives the current one more room when that
// fails.
func (c *committer) rotate() {
	err := c.stream.rotate()
	if err != nil {
		c.o.Logger.Warn("the journal's segment cannot be rotated; it goes on", zap.Error(err))
		c.sizeLimit = c.stream.off + c.o.SegmentBytes
		c.stream.opened = c.o.Now()
	} else {
		c.sizeLimit = c.o.SegmentBytes
		c.nextSweep = time.Time{}
	}
	c.mu.Lock()
	c.updateHead()
	c.mu.Unlock()
}

// housekeeping rotates by age and applies retention.
func (c *committer) housekeeping() {
	now := c.o.Now()
	if c.stream.chain.first != 0 && now.Sub(c.stream.opened) >= c.o.SegmentAge {
		c.rotate()
	}
	// A sweep further off than that was set by a clock that was ahead.
	if !now.Before(c.nextSweep) || c.nextSweep.Sub(now) > sweepInterval {
		c.nextSweep = now.Add(sweepInterval)
		c.sweep()
		c.mu.Lock()
		c.updateHead()
		c.mu.Unlock()
	}
}

// finish seals the stream.
func (c *committer) finish() {
	err := c.stream.close()
	if err != nil {
		c.o.Logger.Error("the journal could not be sealed", zap.Error(err))
		err = fmt.Errorf("closing the journal: %w", err)
	}
	if c.lost > 0 {
		err = fmt.Errorf("closing the journal: %d events were lost: %w", c.lost, c.health)
	}
	c.mu.Lock()
	c.updateHead()
	c.closeErr = err
	c.mu.Unlock()
}
