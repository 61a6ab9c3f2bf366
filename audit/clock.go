package audit

import (
	"time"

	"go.uber.org/zap"
)

// What retention deletes for its age is gone for good, and one start with a
// clock that is years ahead (no battery, a bad time server, a restored virtual
// machine) would find all of it old. So a time is believed only when it
// follows closely on one that was believed before. Later times are doubted:
// age is still measured against the last one believed, until the clock has
// gone on from such a time for a day and no sweep in between saw an earlier
// one. It makes no difference whether one process saw that or several.

const (
	// doubtFor is how long a clock must go on from a time to be believed.
	doubtFor = 24 * time.Hour
	// The clock may leap by half of RetainAge between two sweeps, within
	// these limits. minLeap leaves room for a second look after doubtFor.
	minLeap = 2 * doubtFor
	maxLeap = 30 * 24 * time.Hour
)

// believe returns the time to measure age against when the clock says now, and
// notes what it made of that.
func (m *maintenance) believe(now time.Time, retainAge time.Duration) time.Time {
	leap := min(max(retainAge/2, minLeap), maxLeap)
	if now.Before(m.Trusted) {
		m.Trusted = now // whichever of the two is wrong, the earlier deletes less
	}
	follows := func(t time.Time) bool {
		return !t.IsZero() && !now.Before(t) && now.Sub(t) <= leap
	}
	switch {
	case follows(m.Trusted), follows(m.Doubted) && now.Sub(m.Doubted) >= doubtFor:
		m.Trusted, m.Doubted = now, time.Time{}
	case !follows(m.Doubted):
		m.Doubted = now
	}
	return m.Trusted
}

// warnOfClock says, once in a process, that a segment stays which is too old
// if the clock is right.
func (c *committer) warnOfClock(m maintenance, epochs [][]storedSegment) {
	if m.Doubted.IsZero() || c.clockWarned {
		return
	}
	for _, segments := range epochs {
		written := segments[0].written
		if c.tooOld(written, m.Swept) && !c.tooOld(written, m.Trusted) {
			c.clockWarned = true
			c.o.Logger.Warn("the clock is further on than the journal can tell to be right; nothing is deleted for its age until it has gone on like this for a day",
				zap.Time("clock", m.Swept), zap.Time("believed", m.Trusted),
				zap.String("remedy", "set the clock if it is wrong; if it is right, keep the program running for a day, or start it once more when a day has passed, and before two have"))
			return
		}
	}
}

// tooOld reports whether RetainAge has passed at now.
func (c *committer) tooOld(written, now time.Time) bool {
	return c.o.RetainAge > 0 && now.Sub(written) > c.o.RetainAge
}
