package audit_test

import (
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/attribproxy/attribproxy/audit"
)

const (
	day  = 24 * time.Hour
	year = 365 * day
)

// wallClock is a clock that can be set.
type wallClock struct{ ahead atomic.Int64 }

func (c *wallClock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *wallClock) set(ahead time.Duration) { c.ahead.Store(int64(ahead)) }

// aged are the options of a journal with 40 events in many segments, kept for
// 400 days.
func aged(t *testing.T) (audit.Options, *wallClock, *observer.ObservedLogs) {
	t.Helper()
	clock := &wallClock{}
	core, logs := observer.New(zapcore.WarnLevel)
	o := options(t)
	o.Now, o.Logger = clock.now, zap.New(core)
	o.SegmentBytes, o.RetainAge = 4<<10, 400*day
	audit.TrustClock(o, time.Now())
	j := open(t, o)
	for i := range 40 {
		record(t, j, event(i))
	}
	closeJournal(t, j)
	return o, clock, logs
}

// swept waits until retention was applied with the clock as it is now.
func swept(t *testing.T, o audit.Options) {
	t.Helper()
	waitFor(t, "a sweep", func() bool {
		off := audit.LastSweep(o).Sub(o.Now())
		return off.Abs() < 30*time.Minute
	})
}

func left(t *testing.T, o audit.Options, want int) {
	t.Helper()
	if n := len(requests(t, o.Dir)); n != want {
		t.Errorf("%d events are left, want %d", n, want)
	}
	mustPass(t, o)
}

// One start with a clock that is years ahead deletes nothing, nor does the
// next one that is as wrong, after one with the right time.
func TestRetainAgeClockAhead(t *testing.T) {
	o, clock, logs := aged(t)
	for _, ahead := range []time.Duration{3 * year, 0, 3*year + 2*day, 0, 80 * year, 3 * year, 0} {
		clock.set(ahead)
		logs.TakeAll()
		j := open(t, o)
		swept(t, o)
		closeJournal(t, j)
		warned := logs.FilterFieldKey("remedy").Len()
		if want := min(int(ahead), 1); warned != want {
			t.Errorf("%v ahead: %d warnings, want %d", ahead, warned, want)
		}
		left(t, o, 40)
	}
}

// A directory without a note of any time trusts no clock at once.
func TestRetainAgeWithoutNote(t *testing.T) {
	o, clock, _ := aged(t)
	audit.TrustClock(o, time.Time{})
	clock.set(3 * year)
	j := open(t, o)
	swept(t, o)
	closeJournal(t, j)
	left(t, o, 40)
}

// A clock that jumps while the journal is open, and back.
func TestRetainAgeClockJumps(t *testing.T) {
	o, clock, logs := aged(t)
	j := open(t, o)
	n := 40
	for _, ahead := range []time.Duration{3 * year, 0, 3*year + 2*day, 3*year + 2*day + 2*time.Hour, 0} {
		clock.set(ahead)
		record(t, j, event(n))
		n++
		swept(t, o)
	}
	closeJournal(t, j)
	left(t, o, n)
	if warned := logs.FilterFieldKey("remedy").Len(); warned != 1 {
		t.Errorf("%d warnings in one process", warned)
	}
}

// A machine that was off for 500 days is believed when its clock has shown
// such a time for a day, in one process or over several.
func TestRetainAgeIdleMachine(t *testing.T) {
	for name, restart := range map[string]bool{"one process": false, "restarts": true} {
		t.Run(name, func(t *testing.T) {
			o, clock, _ := aged(t)
			j := open(t, o)
			n := 40
			for _, ahead := range []time.Duration{500 * day, 500*day + 12*time.Hour} {
				clock.set(ahead)
				if restart {
					closeJournal(t, j)
					j = open(t, o)
				}
				record(t, j, event(n))
				n++
				swept(t, o)
			}
			if got := len(requests(t, o.Dir)); got != n {
				t.Errorf("%d of %d events are left before the day is over", got, n)
			}
			clock.set(501*day + time.Hour)
			if restart {
				closeJournal(t, j)
				j = open(t, o)
			}
			record(t, j, event(n))
			waitFor(t, "the old segments to go", func() bool { return len(requests(t, o.Dir)) < 10 })
			closeJournal(t, j)
			mustPass(t, o)
		})
	}
}
