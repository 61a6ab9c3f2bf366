package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// streamCheck walks the lines of one stream.
type streamCheck struct {
	*verifier
	id      segmentID // the segment being read
	source  string    // of the stream, once a line named it
	at      segmentID // where the last line stands
	seq     uint64    // of the last line
	prev    string    // its hash; "" when unknown
	strange bool      // the last line is of another stream
	hole    bool      // segments are missing before the next line
	first   uint64    // seq of the segment's first line
	last    Event     // the last line, when it could be read
	sealed  bool      // the last line is a seal
	after   uint64    // lines since the last seal
	enc     *lineEncoder
}

func (c *streamCheck) fault(seq uint64, format string, args ...any) {
	c.faultAt(c.id, seq, format, args...)
}

func (c *streamCheck) faultAt(id segmentID, seq uint64, format string, args ...any) {
	c.add(Fault{
		File: id.file(), Epoch: id.epoch, Segment: id.number, Seq: seq,
		Message: fmt.Sprintf(format, args...),
	})
}

// epoch checks one stream. The list says what was there at first; a live
// writer may have begun more segments since.
func (v *verifier) epoch(segments []segmentID) error {
	v.report.Epochs++
	c := &streamCheck{verifier: v, prev: zeroHash, enc: newLineEncoder()}
	if segments[0].number > 1 {
		c.prev = ""
	}
	var torn int64
	for i := 0; i < len(segments); i++ {
		if i > 0 {
			joined, err := c.join(segments[i], torn)
			if err != nil {
				return err
			}
			if !joined {
				continue
			}
		}
		c.id = segments[i]
		var err error
		if torn, err = c.segment(i == 0 && c.id.number > 1); err != nil {
			return err
		}
		last := i == len(segments)-1
		// The writer makes the next file before it seals this one.
		if next := (segmentID{c.id.epoch, c.id.number + 1}); last && c.sealed && exists(next.path(v.dir)) {
			segments = append(slices.Clone(segments), next)
		}
	}
	switch {
	case !c.sealed:
		v.report.OpenTails = append(v.report.OpenTails, OpenTail{
			File: c.id.file(), Epoch: c.id.epoch, Unsealed: c.after, Torn: torn,
		})
	case !c.last.Final:
		c.fault(c.seq, "the seal is not final, but the next segment is missing")
	case torn > 0:
		c.fault(c.seq, "%d bytes follow the final seal", torn)
	}
	return nil
}

func endsWithSeal(path string) bool {
	line, err := lastLine(path)
	if err != nil {
		return false
	}
	e, err := ParseLine(line)
	return err == nil && e.Kind == KindSeal
}

// join checks the border between the last segment read and the next; it
// reports whether the next is to be read.
func (c *streamCheck) join(next segmentID, torn int64) (bool, error) {
	if !c.sealed {
		// A segment is created before the one before it gets its seal.
		if info, err := statRegular(next.path(c.dir)); err == nil && info.Size() == 0 {
			return false, nil
		}
		// The seal is there before the next segment's first line is: looked
		// for in this order, it was written since the segment was read, or
		// never. Or retention has taken the segment.
		if before := c.id.path(c.dir); endsWithSeal(before) || !exists(before) {
			return false, errVanished
		}
	}
	switch {
	case !c.sealed:
		c.fault(c.seq, "the segment does not end with a seal")
	case c.last.Final:
		c.fault(c.seq, "the final seal is followed by another segment")
	case torn > 0:
		c.fault(c.seq, "%d bytes follow the seal", torn)
	}
	if want := c.id.number + 1; next.number != want {
		c.faultAt(next, 0, "segment %d is missing before this one", want)
		c.prev, c.last, c.hole = "", Event{}, true
	}
	return true, nil
}

// segment reads one file; torn is the number of bytes after its last line.
func (c *streamCheck) segment(beginning bool) (torn int64, err error) {
	f, err := openRegular(c.id.path(c.dir), os.O_RDONLY, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	c.report.Segments++
	c.first, c.sealed = 0, false
	lines := newLineReader(f)
	for {
		line, err := lines.next()
		if errors.Is(err, io.EOF) {
			if beginning { // not one line to tell
				c.beginnings = append(c.beginnings, beginningOf(c.id, 0, ""))
			}
			return int64(len(line)), nil
		}
		if errors.Is(err, errLongLine) {
			c.fault(c.seq+1, "the line is longer than any event")
			if err := lines.skip(); err != nil && !errors.Is(err, io.EOF) {
				return 0, err
			}
			c.advance(c.seq+1, "", Event{})
			continue
		}
		if err != nil {
			return 0, err
		}
		if c.sealed && c.first != 0 {
			c.fault(c.seq+1, "a line follows the seal of its segment")
		}
		c.line(line, &beginning)
	}
}

func beginningOf(id segmentID, seq uint64, prev string) beginning {
	return beginning{id: id, seq: seq, prev: prev}
}

// line checks one line against what came before it.
func (c *streamCheck) line(line []byte, beginning *bool) {
	c.report.Lines++
	hash := hashLine(line)
	if hash == c.o.Head {
		c.report.HeadFound = fmt.Sprintf("%d/%d", c.id.epoch, c.seq+1)
	}
	e, err := ParseLine(line)
	if err != nil {
		c.fault(c.seq+1, "the line was changed: %v", err)
		c.advance(c.seq+1, "", Event{})
		return
	}
	if c.hole {
		c.seq, c.hole = e.Seq-1, false
	}
	if *beginning {
		c.beginnings = append(c.beginnings, beginningOf(c.id, e.Seq, e.Prev))
		c.seq, c.prev, *beginning = e.Seq-1, e.Prev, false
	}
	c.order(&e)
	if c.source == "" {
		c.source = e.Source
	}
	strange := e.Source != c.source || e.Epoch != c.id.epoch
	switch {
	case c.strange: // said already
	case e.Epoch != c.id.epoch:
		c.fault(e.Seq, "the line is of epoch %d, its file of %d", e.Epoch, c.id.epoch)
	case e.Source != c.source:
		c.fault(e.Seq, "the line is of source %q, its stream of %q", e.Source, c.source)
	}
	c.strange = strange
	if c.first == 0 {
		c.first = e.Seq
	}
	switch e.Kind {
	case KindSeal:
		c.seal(&e, line)
	case KindGap:
		c.gap(&e)
	}
	c.advance(e.Seq, hash, e)
}

// order checks seq and prev. After a fault the walk goes on from the line as
// it stands, so that one change is one fault, or two.
func (c *streamCheck) order(e *Event) {
	want := c.seq + 1
	follows := c.prev == "" || e.Prev == c.prev
	switch {
	case e.Seq == want && follows:
	case e.Seq == want:
		if c.seq == 0 {
			c.fault(e.Seq, "the first line of a stream must follow nothing, this one names a predecessor")
			return
		}
		c.faultAt(c.at, c.seq, "the line was changed: its hash is not what line %d names", e.Seq)
	case e.Seq > want:
		c.fault(want, "%s missing before line %d", linesMissing(want, e.Seq-1), e.Seq)
	default:
		c.fault(e.Seq, "the line stands behind line %d: inserted, repeated or moved", c.seq)
	}
}

func linesMissing(from, to uint64) string {
	if from == to {
		return fmt.Sprintf("line %d is", from)
	}
	return fmt.Sprintf("lines %d to %d are", from, to)
}

func (c *streamCheck) advance(seq uint64, hash string, e Event) {
	if c.first == 0 {
		c.first = seq
	}
	c.at, c.seq, c.prev, c.last = c.id, seq, hash, e
	c.sealed = e.Kind == KindSeal
	c.after++
	if c.sealed {
		c.after = 0
	}
}

// seal checks what a seal says, to the byte: nothing follows a final seal that
// would name its hash.
func (c *streamCheck) seal(e *Event, line []byte) {
	c.report.Seals++
	if !slices.Contains(c.report.KeyIDs, e.KeyID) {
		c.report.KeyIDs = append(c.report.KeyIDs, e.KeyID)
	}
	again, err := c.enc.append(nil, e)
	switch {
	case e.Segment != c.id.number:
		c.fault(e.Seq, "the seal is of segment %d", e.Segment)
	case e.First != c.first || e.Last != e.Seq:
		c.fault(e.Seq, "the seal speaks of lines %d to %d, the segment holds %d to %d", e.First, e.Last, c.first, e.Seq)
	case (c.last.Kind != "" || c.seq == 0) && !e.Time.Equal(c.last.Time):
		c.fault(e.Seq, "the seal was changed: its time is not that of the line before it")
	case err != nil || !bytes.Equal(again[:len(again)-1], line):
		c.fault(e.Seq, "the seal was changed: it is not written as seals are")
	case c.o.Key == nil:
	case e.KeyID != KeyID(c.o.Key):
		c.fault(e.Seq, "the seal is signed with another key, %s instead of %s", e.KeyID, KeyID(c.o.Key))
	case !checkSeal(e, c.o.Key):
		c.fault(e.Seq, "the seal's signature is wrong")
	}
}

// gap remembers what a gap line declares.
func (c *streamCheck) gap(e *Event) {
	c.report.Gaps = append(c.report.Gaps, Gap{Epoch: e.Epoch, Seq: e.Seq, Reason: e.Reason, Count: e.Count})
	if e.Reason != GapRetention {
		return
	}
	c.gone[e.GapEpoch] = append(c.gone[e.GapEpoch], *e)
	if e.GapEpochs > 0 {
		c.wholes = append(c.wholes, *e)
	}
}
