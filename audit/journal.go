package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
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
	// the suffix [PublicKeySuffix].
	KeyFile string
	// Guarantee defaults to GuaranteeDurable.
	Guarantee Guarantee
	// SegmentBytes is the size at which a segment is sealed and the next
	// begun; 0 means 64 MiB.
	SegmentBytes int64
	// SegmentAge is the age at which a segment that holds anything is
	// sealed and the next begun; 0 means 24 hours.
	SegmentAge time.Duration
	// RetainAge deletes sealed segments whose file was last written longer
	// ago; 0 keeps them for ever. A clock that leaps ahead, by more than
	// 30 days or half of RetainAge, whichever is less (but at least two
	// days), is believed only when it has gone on from there for a day.
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

	wrap  func(segmentFile) segmentFile // fault injection in tests
	retry time.Duration                 // between attempts after a write error
}

const (
	defaultSegmentBytes    = 64 << 20
	defaultSegmentAge      = 24 * time.Hour
	defaultQueue           = 65536
	defaultQueueBestEffort = 8192
	defaultRetry           = time.Second
)

// withDefaults fills in what is left empty and refuses what cannot be.
func (o Options) withDefaults() (Options, error) {
	switch {
	case o.Dir == "":
		return o, errors.New("no directory given")
	case o.KeyFile == "":
		return o, errors.New("no seal key file given")
	case o.SegmentBytes < 0 || o.SegmentAge < 0 || o.RetainAge < 0 || o.RetainBytes < 0 || o.QueueEvents < 0:
		return o, errors.New("a size, age or queue length is negative")
	}
	if err := checkSource(o.Source); err != nil {
		return o, err
	}
	switch o.Guarantee {
	case "":
		o.Guarantee = GuaranteeDurable
	case GuaranteeDurable, GuaranteeStrict, GuaranteeBestEffort:
	default:
		return o, fmt.Errorf("unknown guarantee %q", o.Guarantee)
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = defaultSegmentBytes
	}
	if o.SegmentAge == 0 {
		o.SegmentAge = defaultSegmentAge
	}
	if o.QueueEvents == 0 {
		o.QueueEvents = defaultQueue
		if o.Guarantee == GuaranteeBestEffort {
			o.QueueEvents = defaultQueueBestEffort
		}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	if o.retry == 0 {
		o.retry = defaultRetry
	}
	return o, nil
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

var (
	// ErrClosed answers whoever records after Close.
	ErrClosed = errors.New("the journal is closed")
	// ErrQueueFull answers whoever records faster than the disk can follow.
	ErrQueueFull = errors.New("the journal's queue is full")
)

// Journal is the append-only record of one stream. Its methods are safe for
// concurrent use.
type Journal struct {
	o      Options
	stream *stream       // the committer's alone, but for its fixed source and epoch
	wake   chan struct{} // there is something to do; holds at most one token
	done   chan struct{} // the committer has ended

	mu       sync.Mutex
	filling  *batch
	spare    []item // the last batch's slice, for the next one
	closed   bool
	closeErr error
	head     Head
	health   error
	stats    Stats
	dropped  uint64 // not yet in a gap line
}

// Open recovers what dead writers left in o.Dir, claims the next epoch and
// starts the committer.
func Open(o Options) (*Journal, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("opening the journal: %w", err)
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("opening the journal: %w", err)
	}
	key, err := loadSealKey(o.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("opening the journal: %w", err)
	}
	recoverDead(o, key)
	claim, err := claimEpoch(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("opening the journal: %w", err)
	}
	start := chain{hash: zeroHash}
	s := &stream{
		dir: o.Dir, source: o.Source, epoch: claim.epoch, key: key, now: o.Now, wrap: o.wrap,
		anchor: claim.lock, lowest: 1, number: 1,
		chain: start, flushed: start, enc: newLineEncoder(),
	}
	s.file = s.wrapFile(claim.file)
	j := &Journal{
		o: o, stream: s,
		wake: make(chan struct{}, 1), done: make(chan struct{}),
		filling: newBatch(nil),
		head:    Head{Source: s.source, Epoch: s.epoch, Hash: zeroHash},
	}
	go j.run()
	return j, nil
}

// Intent puts the intent to send a request on disk and sets e.Intent to the
// intent's seq. Only GuaranteeStrict does anything; for the others it returns
// nil at once. After an error nothing may be sent: the caller answers 503.
func (j *Journal) Intent(ctx context.Context, e *Event) error {
	if j.o.Guarantee != GuaranteeStrict {
		return nil
	}
	intent := *e
	intent.Kind, intent.Intent = KindIntent, 0
	seq := new(uint64) // the committer may write it after this call has given up
	if err := j.enqueue(intent, seq).Wait(ctx); err != nil {
		return fmt.Errorf("recording the intent: %w", err)
	}
	e.Intent = *seq
	return nil
}

// Record queues an event whose outcome is known. It does not wait for the
// disk. The caller must not change e's slices afterwards. An event without a
// time gets the present one.
func (j *Journal) Record(e Event) Receipt {
	e.Kind = KindRequest
	r := j.enqueue(e, nil)
	if j.o.Guarantee == GuaranteeBestEffort {
		return settled{} // whoever asks for no guarantee waits for nothing
	}
	return r
}

// enqueue hands an event to the committer.
func (j *Journal) enqueue(e Event, seq *uint64) Receipt {
	e.bound()
	e.resetGap()
	if e.Time.IsZero() {
		e.Time = j.o.Now()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return settled{ErrClosed}
	}
	if j.stats.Queued >= j.o.QueueEvents {
		j.dropped++
		j.stats.Dropped++
		j.signal()
		return settled{ErrQueueFull}
	}
	j.stats.Queued++
	b := j.filling
	b.items = append(b.items, item{event: e, seq: seq})
	j.signal()
	return receipt{b, len(b.items) - 1}
}

// signal wakes the committer.
func (j *Journal) signal() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// Head returns the last committed line. After Close it is the final seal.
func (j *Journal) Head() Head {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.head
}

// Healthy returns nil, or why the journal cannot be written at present.
func (j *Journal) Healthy() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return ErrClosed
	}
	return j.health
}

// Stats returns the journal's counts.
func (j *Journal) Stats() Stats {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.stats
}

// Close commits what is queued, seals the last segment and gives the stream
// up. Events recorded afterwards are refused. A second Close waits for the
// first and returns its error.
func (j *Journal) Close() error {
	j.mu.Lock()
	j.closed = true
	j.signal()
	j.mu.Unlock()
	<-j.done
	return j.closeErr
}
