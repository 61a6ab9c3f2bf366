package audit

import (
	"crypto/ed25519"
	"os"
	"time"
)

// What the external tests need of the inside.

// SegmentFile is the seam at which tests inject faults.
type SegmentFile = segmentFile

// MaxStrings is more bytes than a line of bounded strings can have.
const MaxStrings = MaxLineBytes

// WithFaults returns o with every segment file passed through wrap, and with
// the given time between attempts after a write error.
func (o Options) WithFaults(retry time.Duration, wrap func(SegmentFile) SegmentFile) Options {
	o.wrap, o.retry = wrap, retry
	return o
}

// Bound exposes the bounding of an event's strings.
func (e *Event) Bound() { e.bound() }

// AppendLine encodes one event.
func AppendLine(buf []byte, e *Event) ([]byte, error) { return newLineEncoder().append(buf, e) }

// LineAppender is AppendLine with one encoder for all lines, as the journal
// has it.
func LineAppender() func(buf []byte, e *Event) ([]byte, error) { return newLineEncoder().append }

// LockSegment takes the lock that shows that a stream's writer lives.
func LockSegment(path string) (unlock func(), err error) {
	l, err := lockFile(path, false)
	if err != nil {
		return nil, err
	}
	return l.unlock, nil
}

// SweepNow makes the next housekeeping apply retention.
func SweepNow(o Options) {
	m := readMaintenance(o.Dir)
	m.Swept = time.Time{}
	o, _ = o.withDefaults()
	m.write(o)
}

// TrustClock makes at the newest time that the directory's sweeps believe.
func TrustClock(o Options, at time.Time) {
	m := readMaintenance(o.Dir)
	m.Trusted, m.Doubted = at, time.Time{}
	o, _ = o.withDefaults()
	_ = os.MkdirAll(o.Dir, 0o700)
	m.write(o)
}

// LastSweep is when retention was last applied.
func LastSweep(o Options) time.Time { return readMaintenance(o.Dir).Swept }

// SignSeal seals with any key.
func SignSeal(private ed25519.PrivateKey, e *Event) {
	sealKey{private: private, id: KeyID(private.Public().(ed25519.PublicKey))}.sign(e)
}
