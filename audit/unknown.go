package audit

import (
	"errors"
	"iter"
	"slices"
)

// OutcomeUnknown is the outcome of an intent that no request names: it was
// about to be sent when its intent was written, and nobody knows what became
// of it. No line holds it; [Outcomes] says it.
const OutcomeUnknown = "unknown"

// Outcomes is [Read] for whoever asks what became of the writes. Where the
// filter selects requests it also yields the intents that no request names,
// with [OutcomeUnknown]; what was decided stands in their reason. In a stream
// that is still being written such a request may be under way.
func Outcomes(dir string, f Filter) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		r := reader{dir: dir, filter: f, streams: map[uint64]*cursor{}, pairs: &pairing{dir: dir}}
		defer r.close()
		r.round(yield)
	}
}

// LatestOutcomes yields the last n of the events that Outcomes yields.
func LatestOutcomes(dir string, f Filter, n int) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		r := reader{dir: dir, filter: f, streams: map[uint64]*cursor{}, pairs: &pairing{dir: dir}}
		defer r.close()
		r.past(max(n, 0), yield)
	}
}

// OutcomeOf returns the seq of the request that says what became of an intent,
// 0 when none is on record.
func OutcomeOf(dir string, intent *Event) (seq uint64, err error) {
	c := cursor{dir: dir, id: segmentID{epoch: intent.Epoch}}
	defer c.close()
	for {
		e, ok, err := c.next()
		var bad *LineError
		switch {
		case errors.As(err, &bad):
		case err != nil || !ok:
			return 0, err
		case e.Kind == KindRequest && e.Intent == intent.Seq:
			return e.Seq, nil
		}
	}
}

// selects reports whether e is to be yielded, and gives it the outcome that
// reading makes of it.
func (r *reader) selects(e *Event) bool {
	if r.pairs == nil || e.Kind != KindIntent || !r.pairs.unknown(e) {
		return r.filter.Match(e)
	}
	f := r.filter
	if len(f.Kinds) == 0 || slices.Contains(f.Kinds, KindRequest) {
		f.Kinds = []Kind{KindIntent}
	}
	reason := "whether it was sent and what was answered is not on record"
	if e.Outcome != "" {
		reason += "; decided was " + e.Outcome + ": " + e.Reason
	}
	e.Outcome, e.Reason = OutcomeUnknown, reason
	return f.Match(e)
}

// pairing knows which intents of a directory no request names. It looks when
// it is first asked: most journals hold no intent.
type pairing struct {
	dir    string
	looked bool
	open   map[intentID]struct{}
}

type intentID struct{ epoch, seq uint64 }

func (p *pairing) unknown(e *Event) bool {
	if !p.looked {
		p.looked = true
		p.open = openIntents(p.dir)
	}
	_, ok := p.open[intentID{e.Epoch, e.Seq}]
	return ok
}

// openIntents reads all streams. What cannot be read is passed over: whoever
// asks reads the same lines and hears of it there.
func openIntents(dir string) map[intentID]struct{} {
	open := map[intentID]struct{}{}
	ids, _, err := listSegments(dir)
	if err != nil {
		return open
	}
	for _, segments := range byEpoch(ids) {
		c := cursor{dir: dir, id: segmentID{epoch: segments[0].epoch}}
		for {
			e, ok, err := c.next()
			var bad *LineError
			if errors.As(err, &bad) {
				continue
			}
			if err != nil || !ok {
				break
			}
			switch {
			case e.Kind == KindIntent:
				open[intentID{c.id.epoch, e.Seq}] = struct{}{}
			case e.Kind == KindRequest && e.Intent > 0:
				delete(open, intentID{c.id.epoch, e.Intent})
			}
		}
		c.close()
	}
	return open
}
