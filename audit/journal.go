package audit

import (
	"context"
	"time"

	"go.uber.org/zap"
)

// Guarantee says what must be on disk before a client learns the outcome of
// its request.
type Guarantee string

// The guarantees a journal can be opened with.
const (
	// GuaranteeDurable: [Receipt.Wait] returns when the event is on disk.
	GuaranteeDurable Guarantee = "durable"
	// GuaranteeStrict is GuaranteeDurable, and [Journal.Intent] returns only
	// when the intent is on disk.
	GuaranteeStrict Guarantee = "strict"
	// GuaranteeBestEffort: nobody waits. The queue is bounded; what does not
	// fit is dropped, counted and leaves a gap line.
	GuaranteeBestEffort Guarantee = "best-effort"
)

// Options say how a journal is kept. Dir, Source and KeyFile are required.
type Options struct {
	// Dir is the directory of the journal, made 0700 if it is missing.
	// Several processes may write to one directory.
	Dir string
	// Source names the stream's writer; see [SourceName].
	Source string
	// KeyFile holds the Ed25519 key that signs seals, PKCS#8 in PEM. It is
	// made, 0600, if it is missing; the public half stands beside it with
	// the suffix ".pub".
	KeyFile string
	// Guarantee defaults to GuaranteeDurable.
	Guarantee Guarantee
	// SegmentBytes is the size at which a segment is sealed and the next
	// begun; 0 means 64 MiB.
	SegmentBytes int64
	// SegmentAge is the age at which a segment that holds anything is
	// sealed and the next begun; 0 means 24 hours.
	SegmentAge time.Duration
	// RetainAge deletes sealed segments whose last event is older; 0 keeps
	// them for ever.
	RetainAge time.Duration
	// RetainBytes deletes the oldest sealed segments while all files of the
	// directory together are larger; 0 means no limit.
	RetainBytes int64
	// QueueEvents bounds the events that wait for the disk; 0 means 8192
	// for GuaranteeBestEffort and 65536 otherwise.
	QueueEvents int
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Logger hears of losses, recovery and retention; nil means silence.
	Logger *zap.Logger
	// Observe is called once for each request event that was committed, in
	// the order of the journal, before its Receipt is settled. It must be
	// quick and must not call the Journal. The event's slices are shared:
	// read only. May be nil.
	Observe func(Event)
	// ObserveCommit is called after each group commit with the number of
	// lines, the time it took and its error. May be nil.
	ObserveCommit func(lines int, took time.Duration, err error)
}

// Receipt is what [Journal.Record] hands out for an event.
type Receipt interface {
	// Wait returns nil when the event is on disk (at once for
	// GuaranteeBestEffort), or why it is not and will not be. When ctx ends
	// first it returns ctx's error; the event is still written.
	Wait(ctx context.Context) error
}

// Head is the last committed line of a stream.
type Head struct {
	Source string
	Epoch  uint64
	Seq    uint64
	Hash   string // lowercase hex SHA-256 of the line, 64 zeros before the first
}

// Stats are counts since Open.
type Stats struct {
	Lines   uint64 // lines committed, of any kind
	Commits uint64 // group commits that succeeded
	Dropped uint64 // events dropped because the queue was full
	Lost    uint64 // events lost to write errors
	Queued  int    // events waiting for the disk now
}

// Journal is the append-only record of one stream. Its methods are safe for
// concurrent use.
type Journal struct{}

// Open recovers what dead writers left in o.Dir, claims the next epoch and
// starts the committer.
func Open(o Options) (*Journal, error) { return nil, nil }

// Intent puts the intent to send a request on disk and sets e.Intent to the
// intent's seq. Only GuaranteeStrict does anything; for the others it returns
// nil at once. After an error nothing may be sent: the caller answers 503.
func (j *Journal) Intent(ctx context.Context, e *Event) error { return nil }

// Record queues an event whose outcome is known. It does not wait for the
// disk. The caller must not change e's slices afterwards.
func (j *Journal) Record(e Event) Receipt { return nil }

// Head returns the last committed line. After Close it is the final seal.
func (j *Journal) Head() Head { return Head{} }

// Healthy returns nil, or why the journal cannot be written at present.
func (j *Journal) Healthy() error { return nil }

// Stats returns the journal's counts.
func (j *Journal) Stats() Stats { return Stats{} }

// Close commits what is queued, seals the last segment and gives the stream
// up. Events recorded afterwards are refused.
func (j *Journal) Close() error { return nil }
