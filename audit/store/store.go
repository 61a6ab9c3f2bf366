// Package store answers questions about the events of journals: lists, single
// events, and counts by any dimension.
//
// A store is an index, never the truth: it holds what was appended to it, can be
// deleted, and gives the same answers when it is built again. [OpenSQLite] keeps
// one in a file beside a journal and [Follow] brings it up to date. Every
// implementation passes the suite in storetest.
package store

import (
	"context"
	"errors"

	"github.com/attribproxy/attribproxy/audit"
)

// Store keeps events and answers questions about them. It holds requests, gaps
// and those intents that no request names: the writes of which nobody knows what
// became. Seals, and intents whose outcome is on record, are not kept.
//
// Its methods are safe for concurrent use.
type Store interface {
	// Append adds events, in one transaction with the positions reached.
	// An event that is there already, by source, epoch and seq, is passed
	// over. Of one stream the events come in the order of their seq, but for
	// repetitions.
	Append(ctx context.Context, events []audit.Event, reached ...Position) error

	// Positions returns what Append noted, ordered by epoch and segment.
	Positions(ctx context.Context) ([]Position, error)

	// Forget removes the positions and the events of their ranges.
	Forget(ctx context.Context, gone ...Position) error

	// Events returns events, the newest first, and the cursor of the next
	// page, which is zero when there is none.
	Events(ctx context.Context, q Query, page Page) ([]audit.Event, Cursor, error)

	// Event returns one event or an error for which
	// errors.Is(err, ErrNotFound).
	Event(ctx context.Context, source string, epoch, seq uint64) (audit.Event, error)

	// Coverage counts the selected events, in one group for each combination
	// of values of the dimensions, ordered by these values; without
	// dimensions in exactly one. An event with several IDs or labels counts
	// in the group of each. Gaps count whatever is selected but the time, and
	// only where nothing but [ByDay] divides. Kinds and Text mean nothing here.
	Coverage(ctx context.Context, q Query, by ...Dimension) ([]Group, error)

	// Tables is Coverage for several divisions of the same events at once.
	Tables(ctx context.Context, q Query, by ...[]Dimension) ([][]Group, error)

	// Close gives the store up.
	Close() error
}

// ErrNotFound says that the store does not hold the event asked for.
var ErrNotFound = errors.New("no such event")

// Position is how far one segment of a journal has been followed. A store
// follows one journal, in which epoch and segment name a file.
type Position struct {
	Source  string // of the stream; "" while no line could be read
	Epoch   uint64
	Segment uint64
	First   uint64 // seq of the first line; 0 while none could be read
	Last    uint64 // seq of the last line
	Offset  int64  // where the last line ends, in bytes
	Hash    string // of that line, lowercase hex SHA-256
	Sealed  bool   // a seal was read: nothing is to follow
	Damaged uint64 // lines that could not be read
}
