package audit

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// flushBytes is the most that is written between two syncs, and so the most
// that a power cut can leave half-written.
const flushBytes = 4 << 20

// chain is the state of a stream after a line.
type chain struct {
	seq   uint64    // of the line; 0 before the first
	hash  string    // of the line; zeroHash before the first
	first uint64    // seq of the first line in the current segment; 0 while it is empty
	time  time.Time // of the line
}

// stream writes the lines of one epoch. It belongs to one goroutine.
//
// add collects lines, flush puts them on disk or takes all of them back: what
// chain says is always what stands in the file.
type stream struct {
	dir    string
	source string
	epoch  uint64
	key    sealKey
	now    func() time.Time
	wrap   func(segmentFile) segmentFile // tests put faults here; may be nil

	anchor *fileLock // on the stream's first remaining segment, while it lives
	lowest uint64    // number of that segment

	file   segmentFile
	number uint64    // of the current segment
	opened time.Time // when the current segment got its first line
	off    int64     // end of the last line in the file
	dirty  bool      // there may be bytes beyond off
	next   *os.File  // the following segment, when a rotation failed after creating it

	chain   chain
	flushed chain
	buf     []byte
	enc     *lineEncoder
}

func (s *stream) wrapFile(f *os.File) segmentFile {
	if s.wrap != nil {
		return s.wrap(osFile{f})
	}
	return osFile{f}
}

// add numbers and chains e and appends its line to what flush will write.
func (s *stream) add(e *Event) error {
	e.V, e.Source, e.Epoch, e.Seq, e.Prev = SchemaVersion, s.source, s.epoch, s.chain.seq+1, s.chain.hash
	if e.Kind == KindSeal {
		s.key.sign(e)
	}
	start := len(s.buf)
	buf, err := s.enc.append(s.buf, e)
	if err != nil {
		return err
	}
	s.buf = buf
	s.chain.seq = e.Seq
	s.chain.hash = hashLine(buf[start : len(buf)-1])
	s.chain.time = e.Time
	if s.chain.first == 0 {
		s.chain.first = e.Seq
		s.opened = s.now()
	}
	return nil
}

// flush writes what was added with one write and one sync. When it fails,
// nothing of it is in the stream and the chain stands where it stood before.
func (s *stream) flush() error {
	if len(s.buf) == 0 {
		return nil
	}
	err := s.trim()
	if err == nil {
		err = s.write()
	}
	if err != nil {
		s.discard()
		return err
	}
	s.off += int64(len(s.buf))
	s.flushed = s.chain
	s.reset()
	return nil
}

func (s *stream) write() error {
	s.dirty = true
	n, err := s.file.WriteAt(s.buf, s.off)
	if err == nil && n < len(s.buf) {
		err = io.ErrShortWrite
	}
	if err == nil {
		// After a failed sync the kernel may call the pages clean although
		// they never reached the disk (https://lwn.net/Articles/752063/), so
		// the lines are cut off and never synced again.
		err = s.file.Sync()
	}
	if err != nil {
		return errors.Join(err, s.trim())
	}
	s.dirty = false
	return nil
}

// trim cuts off what a failed write may have left.
func (s *stream) trim() error {
	if !s.dirty {
		return nil
	}
	if err := s.file.Truncate(s.off); err != nil {
		return fmt.Errorf("cutting off a failed write: %w", err)
	}
	s.dirty = false
	return nil
}

// discard takes back what was added since the last flush.
func (s *stream) discard() {
	s.chain = s.flushed
	s.reset()
}

func (s *stream) reset() {
	s.buf = s.buf[:0]
	if cap(s.buf) > 2*flushBytes {
		s.buf = nil
	}
}

// seal adds the signed last line of the current segment and flushes.
//
// A seal's time is that of the line before it (absent when there is none): the
// signature covers everything else in the line, and a time of its own could
// be changed without trace where nothing follows.
func (s *stream) seal(final bool) error {
	first := s.chain.first
	if first == 0 {
		first = s.chain.seq + 1
	}
	if err := s.add(&Event{
		Kind: KindSeal, Time: s.chain.time,
		Segment: s.number, First: first, Last: s.chain.seq + 1, Final: final,
	}); err != nil {
		return err
	}
	return s.flush()
}

// rotate seals the current segment and begins the next. The next file is on
// disk before the seal: a last segment whose seal is not final and that has no
// successor is proof of a deletion. When rotate fails the current segment
// goes on.
func (s *stream) rotate() error {
	if s.next == nil {
		f, err := createSegment(s.dir, segmentID{s.epoch, s.number + 1})
		if err != nil {
			return fmt.Errorf("beginning a segment: %w", err)
		}
		s.next = f
	}
	if err := s.seal(false); err != nil {
		return fmt.Errorf("sealing a segment: %w", err)
	}
	closeErr := s.file.Close()
	s.file, s.next = s.wrapFile(s.next), nil
	s.number++
	s.off = 0
	s.chain.first, s.flushed.first = 0, 0
	if closeErr != nil {
		return fmt.Errorf("closing a sealed segment: %w", closeErr)
	}
	return nil
}

// close seals the stream for good and gives it up.
func (s *stream) close() error {
	err := s.dropNext()
	if err == nil {
		err = s.seal(true)
	}
	err = errors.Join(err, s.file.Close())
	s.anchor.unlock()
	if err != nil {
		return fmt.Errorf("sealing the stream: %w", err)
	}
	return nil
}

// dropNext deletes the empty segment that a failed rotation left: nothing may
// follow a final seal. The seal that the rotation tried to write must be off the
// disk first, or it would stand there without its successor.
func (s *stream) dropNext() error {
	if s.next == nil {
		return nil
	}
	s.next.Close()
	s.next = nil
	if err := s.trim(); err != nil {
		return err
	}
	if err := s.file.Sync(); err != nil {
		return err
	}
	return os.Remove(segmentID{s.epoch, s.number + 1}.path(s.dir))
}
