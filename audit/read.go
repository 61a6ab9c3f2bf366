package audit

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"slices"
	"time"
)

// Read yields the selected events of all streams in dir, merged by time;
// events of one stream keep their order. A line that cannot be read is
// yielded as an error, and reading goes on after it; a last line without LF
// is passed over, for it is being written, or was when the writer died.
func Read(dir string, f Filter) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		r := reader{dir: dir, filter: f, streams: map[uint64]*cursor{}}
		defer r.close()
		r.round(yield)
	}
}

// FollowOptions say how to follow a journal.
type FollowOptions struct {
	// Poll makes Follow look for more each time it delivers a value.
	Poll <-chan time.Time
	// Past is how many of the events that are there already are yielded, the
	// latest ones; negative means all.
	Past int
}

// Follow yields events as they are written, until ctx ends.
func Follow(ctx context.Context, dir string, f Filter, o FollowOptions) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		r := reader{dir: dir, filter: f, streams: map[uint64]*cursor{}}
		defer r.close()
		if !r.past(o.Past, yield) {
			return
		}
		for {
			select {
			case <-ctx.Done():
				return
			case <-o.Poll:
			}
			if !r.round(yield) {
				return
			}
		}
	}
}

// past is a round that yields only the last n events, and every error.
func (r *reader) past(n int, yield func(Event, error) bool) bool {
	if n < 0 {
		return r.round(yield)
	}
	var ring []Event
	next := 0
	if !r.round(func(e Event, err error) bool {
		switch {
		case err != nil:
			return yield(e, err)
		case len(ring) < n:
			ring = append(ring, e)
		case n > 0:
			ring[next] = e
			next = (next + 1) % n
		}
		return true
	}) {
		return false
	}
	for i := range ring {
		if !yield(ring[(next+i)%len(ring)], nil) {
			return false
		}
	}
	return true
}

// Latest yields the last n of the events that Read yields.
func Latest(dir string, f Filter, n int) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		r := reader{dir: dir, filter: f, streams: map[uint64]*cursor{}}
		defer r.close()
		r.past(max(n, 0), yield)
	}
}

// ErrNotFound says that no line has the number asked for.
var ErrNotFound = errors.New("no such event")

// Lookup returns one line of one stream and its hash; epoch 0 means the
// latest.
func Lookup(dir string, epoch, seq uint64) (e Event, hash string, err error) {
	ids, strangers, err := listSegments(dir)
	if err != nil {
		return Event{}, "", err
	}
	if len(ids) > 0 && epoch == 0 {
		epoch = ids[len(ids)-1].epoch
	}
	c := cursor{dir: dir, id: segmentID{epoch: epoch}}
	defer c.close()
	for {
		e, ok, err := c.next()
		var bad *LineError
		switch {
		case errors.As(err, &bad):
			continue
		case err != nil:
			return Event{}, "", err
		case !ok || e.Seq > seq:
			err := fmt.Errorf("looking up %d/%d: %w", epoch, seq, ErrNotFound)
			for _, s := range strangers {
				if s.epoch == epoch {
					return Event{}, "", fmt.Errorf("%w, perhaps because of %w", err, s.err())
				}
			}
			return Event{}, "", err
		case e.Seq == seq:
			return e, hashLine(c.line), nil
		}
	}
}

// LineError is a line that cannot be read, or, without an offset, a whole
// segment that cannot, as it is no file. Verify says more about it.
type LineError struct {
	File   string // name within the directory
	Offset int64  // where the line ends; 0 for a whole segment
	Err    error
}

func (e *LineError) Error() string {
	if e.Offset == 0 {
		return fmt.Sprintf("%s: %v", e.File, e.Err)
	}
	return fmt.Sprintf("%s, line ending at byte %d: %v", e.File, e.Offset, e.Err)
}

func (e *LineError) Unwrap() error { return e.Err }

// reader merges the streams of a directory.
type reader struct {
	dir     string
	filter  Filter
	streams map[uint64]*cursor
	pairs   *pairing           // for Outcomes, else nil
	strange map[segmentID]bool // those told of
}

func (r *reader) close() {
	for _, c := range r.streams {
		c.close()
	}
}

// round yields all that is there now and was not yielded before; it reports
// whether the caller wants more.
func (r *reader) round(yield func(Event, error) bool) bool {
	ids, strangers, err := listSegments(r.dir)
	if err != nil {
		return yield(Event{}, err)
	}
	if !r.tell(strangers, yield) {
		return false
	}
	for _, segments := range byEpoch(ids) {
		if id := segments[0]; r.streams[id.epoch] == nil {
			r.streams[id.epoch] = &cursor{dir: r.dir, id: segmentID{epoch: id.epoch}}
		}
	}
	// Streams are opened only when their time has come: there may be
	// thousands, and few overlap.
	var waiting []*cursor
	for _, c := range r.streams {
		if c.done {
			continue
		}
		if !c.started() {
			c.at = c.begins()
		}
		waiting = append(waiting, c)
	}
	slices.SortFunc(waiting, cursorOrder)
	var active cursorHeap
	for len(waiting) > 0 || len(active) > 0 {
		if len(active) == 0 || len(waiting) > 0 && cursorOrder(waiting[0], active[0]) <= 0 {
			c := waiting[0]
			waiting = waiting[1:]
			if !r.advance(c, yield) {
				return false
			}
			if c.ready {
				heap.Push(&active, c)
			}
			continue
		}
		c := active[0]
		if e := c.event; r.selects(&e) && !yield(e, nil) {
			return false
		}
		c.ready = false
		if !r.advance(c, yield) {
			return false
		}
		if c.ready {
			heap.Fix(&active, 0)
		} else {
			heap.Pop(&active)
		}
	}
	return true
}

// advance reads a cursor's next event, if there is one.
func (r *reader) advance(c *cursor, yield func(Event, error) bool) bool {
	for {
		e, ok, err := c.next()
		if err == nil {
			if ok {
				c.event, c.at, c.ready = e, e.Time, true
			}
			return true
		}
		if !yield(Event{}, err) {
			return false
		}
		var bad *LineError
		if !errors.As(err, &bad) {
			c.close()
			c.done = true
			return true
		}
	}
}

// cursor is a place in one stream.
type cursor struct {
	dir   string
	id    segmentID // the segment; number 0 before the first
	file  *os.File
	lines *lineReader
	done  bool // the final seal was read
	ended bool // a seal was read: the stream goes on in the next segment

	line []byte // the line last read, until the next is

	event Event // the next one, when ready
	ready bool
	at    time.Time // of the event last read, or of the first there is
}

func cursorOrder(a, b *cursor) int {
	return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.id.epoch, b.id.epoch))
}

func (c *cursor) started() bool { return c.id.number > 0 }

func (c *cursor) close() {
	if c.file != nil {
		c.file.Close()
		c.file = nil
	}
}

// begins returns the time of the stream's first line, zero when it has none.
func (c *cursor) begins() time.Time {
	segments, err := listEpochFrom(c.dir, c.id)
	if err != nil || len(segments) == 0 {
		return time.Time{}
	}
	line, err := firstLine(segments[0].path(c.dir))
	if err != nil {
		return time.Time{}
	}
	e, _ := ParseLine(line)
	return e.Time
}

// listEpochFrom returns the segments of a stream behind the given one.
func listEpochFrom(dir string, after segmentID) ([]segmentID, error) {
	// The next number is nearly always there: no need to list.
	if next := (segmentID{after.epoch, after.number + 1}); exists(next.path(dir)) {
		return []segmentID{next}, nil
	}
	segments, err := listEpoch(dir, after.epoch)
	return slices.DeleteFunc(segments, func(id segmentID) bool { return id.number <= after.number }), err
}

// next returns the next line; ok is false when there is none yet.
func (c *cursor) next() (e Event, ok bool, err error) {
	for !c.done {
		if c.file == nil || c.ended {
			moved, err := c.move()
			if err != nil || !moved {
				return Event{}, false, err
			}
		}
		line, err := c.lines.next()
		if errors.Is(err, errLongLine) {
			if err := c.lines.skip(); err != nil {
				return Event{}, false, c.rewind(err)
			}
			return Event{}, false, &LineError{c.id.file(), c.lines.off, errLongLine}
		}
		if err != nil {
			if err := c.rewind(err); err != nil {
				return Event{}, false, err
			}
			// A damaged stream may lack the seal at the end of a segment.
			if moved, err := c.moveOnDamage(); err != nil || !moved {
				return Event{}, false, err
			}
			continue
		}
		c.line = line
		if e, err = ParseLine(line); err != nil {
			return Event{}, false, &LineError{c.id.file(), c.lines.off, err}
		}
		if e.Kind == KindSeal {
			c.ended, c.done = true, e.Final
			if e.Final {
				c.close()
			}
		}
		return e, true, nil
	}
	return Event{}, false, nil
}

// rewind goes back to the end of the last whole line, so that the rest is
// read when it is there. A real error comes back.
func (c *cursor) rewind(err error) error {
	if !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading %s: %w", c.id.file(), err)
	}
	if _, err := c.file.Seek(c.lines.off, io.SeekStart); err != nil {
		return fmt.Errorf("reading %s: %w", c.id.file(), err)
	}
	c.lines.r.Reset(c.file)
	return nil
}

// move opens the next segment, if there is one.
func (c *cursor) move() (bool, error) {
	segments, err := listEpochFrom(c.dir, c.id)
	if err != nil || len(segments) == 0 {
		return false, err
	}
	f, err := openRegular(segments[0].path(c.dir), os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotRegular) {
		return false, nil // retention took it, or it was replaced; list again later
	}
	if err != nil {
		return false, fmt.Errorf("reading the journal: %w", err)
	}
	c.close()
	c.file, c.id, c.ended = f, segments[0], false
	c.lines = newLineReader(f)
	return true, nil
}

// moveOnDamage goes on to the next segment when that holds anything.
func (c *cursor) moveOnDamage() (bool, error) {
	next := segmentID{c.id.epoch, c.id.number + 1}
	info, err := statRegular(next.path(c.dir))
	if err != nil || info.Size() == 0 {
		return false, nil
	}
	// The seal is written before the next segment's first line: unless it is
	// there by now, it never will be.
	if endsWithSeal(c.id.path(c.dir)) {
		if info, err := c.file.Stat(); err == nil && info.Size() > c.lines.off {
			return true, nil // read it first
		}
	}
	return c.move()
}

// cursorHeap orders cursors by the time of their next event.
type cursorHeap []*cursor

func (h cursorHeap) Len() int           { return len(h) }
func (h cursorHeap) Less(i, j int) bool { return cursorOrder(h[i], h[j]) < 0 }
func (h cursorHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *cursorHeap) Push(x any)        { *h = append(*h, x.(*cursor)) }
func (h *cursorHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
