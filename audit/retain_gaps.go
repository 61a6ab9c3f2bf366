package audit

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"maps"
	"os"
	"slices"
)

// What was deleted must be said again whenever the lines that say it are
// themselves deleted, or nobody could tell those deletions from a theft. So
// each sweep says all that it knows to be gone: of a stream that still has
// lines, that everything up to a line is missing; of streams that are gone, the
// ranges of their epochs. Merged like this the list stays short, however many
// runs there ever were.

// newGaps returns the lines about what goes now, and those that stand in what
// goes.
func (r *retention) newGaps() ([]Event, error) {
	var gaps []Event
	for _, doomed := range r.doomed {
		for _, s := range doomed.segments {
			earlier, err := retentionGaps(s.path(r.o.Dir))
			if err != nil {
				return nil, err
			}
			gaps = append(gaps, earlier...)
		}
		gap, err := doomed.gap(r.o.Dir)
		if err != nil {
			return nil, err
		}
		gaps = append(gaps, gap)
	}
	return gaps, nil
}

// gap is the line for one epoch. Only beginnings are deleted: whatever stood
// before the segments that go now is gone already.
func (d doomedEpoch) gap(dir string) (Event, error) {
	to := d.segments[len(d.segments)-1]
	line, err := lastLine(to.path(dir))
	if err != nil {
		return Event{}, err
	}
	last, err := ParseLine(line)
	if err != nil {
		return Event{}, err
	}
	e := Event{
		Kind: KindGap, Reason: GapRetention, GapEpoch: to.epoch,
		Count: last.Seq, First: 1, Last: last.Seq, SHA256: hashLine(line),
	}
	if d.whole {
		e.GapEpochs = 1
	}
	return e, nil
}

// retentionGaps returns the retention gap lines of a segment.
func retentionGaps(path string) ([]Event, error) {
	f, err := openRegular(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var gaps []Event
	lines := newLineReader(f)
	for {
		line, err := lines.next()
		if errors.Is(err, io.EOF) {
			return gaps, nil
		}
		if err != nil {
			return nil, err
		}
		if !bytes.Contains(line, []byte(GapRetention)) {
			continue // spares the parsing of nearly every line
		}
		if e, err := ParseLine(line); err == nil && e.Kind == KindGap && e.Reason == GapRetention {
			gaps = append(gaps, e)
		}
	}
}

// trustedGaps returns the gap lines of the last sweep, which another process
// may have made, if they are sound and sealed with our key. A note names the
// segment, and anybody can write a note: what is repeated here gets our seal.
func trustedGaps(dir string, key sealKey, id segmentID) []Event {
	if id.epoch == 0 || !exists(id.path(dir)) {
		return nil
	}
	v := verifier{dir: dir, o: VerifyOptions{Key: key.public()}, gone: map[uint64][]Event{}}
	c := &streamCheck{verifier: &v, id: id, prev: zeroHash, enc: newLineEncoder()}
	if _, err := c.segment(id.number > 1); err != nil || len(v.report.Faults) > 0 || !c.sealed {
		return nil
	}
	var gaps []Event
	for _, of := range v.gone {
		gaps = append(gaps, of...)
	}
	return gaps
}

// mergeGaps makes one line of all that speak of one stream, and one of all that
// speak of streams in a row.
func mergeGaps(gaps []Event) []Event {
	gaps = slices.Clone(gaps)
	slices.SortStableFunc(gaps, func(a, b Event) int {
		return cmp.Or(cmp.Compare(a.GapEpoch-a.GapEpochs, b.GapEpoch-b.GapEpochs), cmp.Compare(a.GapEpoch, b.GapEpoch))
	})
	var whole []Event
	parts := map[uint64]Event{} // by epoch
	for _, g := range gaps {
		switch n := len(whole); {
		case g.GapEpochs == 0:
			if g.Last > parts[g.GapEpoch].Last {
				parts[g.GapEpoch] = g
			}
		case n > 0 && g.GapEpoch-g.GapEpochs <= whole[n-1].GapEpoch:
			whole[n-1] = joinGaps(whole[n-1], g)
		default:
			whole = append(whole, g)
		}
	}
	for _, w := range whole {
		maps.DeleteFunc(parts, func(epoch uint64, _ Event) bool {
			return epoch <= w.GapEpoch && epoch > w.GapEpoch-w.GapEpochs
		})
	}
	merged := slices.SortedFunc(maps.Values(parts), func(a, b Event) int { return cmp.Compare(a.GapEpoch, b.GapEpoch) })
	return slices.Concat(whole, merged)
}

// joinGaps makes one of two ranges of epochs that touch; a begins first.
func joinGaps(a, b Event) Event {
	begin := a.GapEpoch - a.GapEpochs
	switch {
	case b.GapEpoch <= a.GapEpoch && (b.GapEpoch < a.GapEpoch || b.GapEpochs <= a.GapEpochs):
		return a // b is within a
	case b.GapEpoch-b.GapEpochs == begin:
		return b // a is within b
	case b.GapEpoch-b.GapEpochs == a.GapEpoch && a.Count > 0 && b.Count > 0:
		b.Count += a.Count
	default:
		b.Count = 0 // they overlap: nobody counted the lines of both
	}
	b.GapEpochs = b.GapEpoch - begin
	return b
}
