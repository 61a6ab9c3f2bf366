package store

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/attribproxy/attribproxy/audit"
)

// FollowOptions say how a journal is followed.
type FollowOptions struct {
	// Damaged hears of each line that cannot be read; it is passed over. May
	// be nil.
	Damaged func(error)
	// BatchEvents is how many events are added in one transaction; 0 means 8192.
	BatchEvents int
}

// exclusive is a store that several processes may try to bring up to date.
type exclusive interface {
	locked(ctx context.Context, f func() error) error
}

// Follow brings a store up to date with the journal in dir, which may be
// written to meanwhile, and returns. Afterwards the store holds what a new one
// would: what was added since the last time is read, what retention has deleted
// is removed, and a stream that is not what it was is read again.
func Follow(ctx context.Context, dir string, s Store, o FollowOptions) error {
	if o.BatchEvents <= 0 {
		o.BatchEvents = 8192
	}
	f := follower{dir: dir, store: s, o: o}
	follow := func() error { return f.follow(ctx) }
	var err error
	if e, ok := s.(exclusive); ok {
		err = e.locked(ctx, follow)
	} else {
		err = follow()
	}
	if err != nil {
		return fmt.Errorf("following the journal: %w", err)
	}
	return nil
}

type follower struct {
	dir   string
	store Store
	o     FollowOptions
}

func (f *follower) follow(ctx context.Context) error {
	known, err := f.store.Positions(ctx)
	if err != nil {
		return err
	}
	files, err := listFiles(f.dir)
	if err != nil {
		return err
	}
	p := newPlan(f.dir, known, files)
	if err := p.make(); err != nil {
		return err
	}
	if len(p.forget) > 0 {
		if err := f.store.Forget(ctx, p.forget...); err != nil {
			return err
		}
	}
	return f.read(ctx, p.read)
}

// batch is what goes into one transaction.
type batch struct {
	events  []audit.Event
	reached []Position
	damaged []error
}

// read reads the segments in one goroutine and adds their events in another.
func (f *follower) read(ctx context.Context, segments []segment) error {
	if len(segments) == 0 {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	batches := make(chan *batch, 2)
	failed := make(chan error, 1)
	go func() {
		defer close(batches)
		failed <- f.parse(ctx, segments, batches)
	}()
	var err error
	for b := range batches {
		if err != nil {
			continue
		}
		for _, damage := range b.damaged {
			if f.o.Damaged != nil {
				f.o.Damaged(damage)
			}
		}
		if err = f.store.Append(ctx, b.events, b.reached...); err != nil {
			cancel()
		}
	}
	cancel()
	if read := <-failed; err == nil {
		err = read
	}
	return err
}

// parse reads all segments into batches.
func (f *follower) parse(ctx context.Context, segments []segment, to chan<- *batch) error {
	b := &batch{}
	send := func() error {
		select {
		case to <- b:
		case <-ctx.Done():
			return ctx.Err()
		}
		b = &batch{events: make([]audit.Event, 0, f.o.BatchEvents)}
		return nil
	}
	for i := range segments {
		if err := f.parseSegment(&segments[i], &b, send); err != nil {
			return err
		}
	}
	return send()
}

// parseSegment adds the whole lines of a segment to batches, up to the size it
// had when the plan was made.
func (f *follower) parseSegment(s *segment, b **batch, send func() error) error {
	file, err := os.Open(filepath.Join(f.dir, s.name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // retention was quicker
	}
	if err != nil {
		return err
	}
	defer file.Close()
	lines := newLines(io.NewSectionReader(file, s.at.Offset, s.size-s.at.Offset))
	at, moved := s.at, false
	var last []byte // line
	note := func() {
		if moved {
			at.Hash = lineHash(last)
			(*b).reached = append((*b).reached, at)
			moved = false
		}
	}
	for {
		line, n, err := lines.next()
		if errors.Is(err, io.EOF) {
			note()
			return nil
		}
		if err != nil {
			return err
		}
		at.Offset += n
		moved, last = true, append(last[:0], line...)
		e, err := parse(line)
		if err != nil {
			(*b).damaged = append((*b).damaged, &audit.LineError{File: s.name, Offset: at.Offset, Err: err})
			at.Damaged++
			continue
		}
		if at.First == 0 {
			at.Source, at.First = e.Source, e.Seq
		}
		at.Last = max(at.Last, e.Seq)
		at.Sealed = at.Sealed || e.Kind == audit.KindSeal
		(*b).events = append((*b).events, e)
		if len((*b).events) >= f.o.BatchEvents {
			note()
			if err := send(); err != nil {
				return err
			}
		}
	}
}

func lineHash(line []byte) string {
	sum := sha256.Sum256(line)
	return hex.EncodeToString(sum[:])
}

// lines reads whole lines.
type lines struct {
	r   *bufio.Reader
	buf []byte
}

func newLines(r io.Reader) *lines { return &lines{r: bufio.NewReaderSize(r, 256<<10)} }

// next returns the next line without its LF, and its length with it. What
// follows the last LF is none yet. Of a line that is longer than any event only
// the beginning comes back.
func (l *lines) next() (line []byte, n int64, err error) {
	l.buf = l.buf[:0]
	for {
		part, err := l.r.ReadSlice('\n')
		n += int64(len(part))
		if err == nil && n == int64(len(part)) {
			return part[:len(part)-1], n, nil
		}
		if len(l.buf) <= audit.MaxLineBytes {
			l.buf = append(l.buf, part...)
		}
		switch {
		case err == nil:
			return bytes.TrimSuffix(l.buf, []byte("\n")), n, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, 0, err
		}
	}
}

// Damaged returns how many lines of the journal could not be read when it was
// followed: what they recorded is in no answer.
func Damaged(ctx context.Context, s Store) (lines uint64, err error) {
	positions, err := s.Positions(ctx)
	for _, p := range positions {
		lines += p.Damaged
	}
	return lines, err
}
