package audit

import (
	"context"
	"iter"
	"time"
)

// Filter selects events. Values of one field are alternatives, compared
// without case, with * for any text; an empty field selects everything.
type Filter struct {
	Kinds         []Kind // empty: KindRequest only
	Outcomes      []string
	Rules         []string
	Tools         []string
	Subscriptions []string
	Types         []string // resource types
	Methods       []string
	Since         time.Time // zero: no limit; inclusive
	Until         time.Time // zero: no limit; exclusive
}

// Match reports whether the filter selects e.
func (f Filter) Match(e *Event) bool { return true }

// Read yields the selected events of all streams in dir, merged by time;
// events of one stream keep their order.
func Read(dir string, f Filter) iter.Seq2[Event, error] { return nil }

// Follow yields what Read yields, then what is written later, until ctx ends.
// It looks for more each time poll delivers a value.
func Follow(ctx context.Context, dir string, f Filter, poll <-chan time.Time) iter.Seq2[Event, error] {
	return nil
}
