package audit

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"go.uber.org/zap"
)

// sweep applies retention to the whole directory: it picks the oldest sealed
// segments, writes gap lines that say what goes, and deletes them. The gap is
// on disk first; a crash in between leaves files that are gone by the next
// sweep.
func (c *committer) sweep() {
	if c.o.RetainAge == 0 && c.o.RetainBytes == 0 {
		return
	}
	if err := c.retain(); err != nil && !errors.Is(err, errLocked) {
		c.o.Logger.Warn("applying the journal's retention failed", zap.Error(err))
	}
}

func (c *committer) retain() error {
	// Two sweeps at once would each delete enough.
	lock, err := directoryLock(c.o.Dir, sweepLockFile, false)
	if err != nil {
		return err
	}
	defer lock.unlock()
	m := readMaintenance(c.o.Dir)
	m.Swept = c.o.Now()
	defer func() { m.write(c.o) }()

	stored, total, err := storedEpochs(c.o.Dir)
	if err != nil {
		return err
	}
	r := retention{committer: c, total: total, now: m.believe(m.Swept, c.o.RetainAge)}
	c.warnOfClock(m, stored)
	if len(stored) > 0 {
		r.newest = stored[len(stored)-1][0].epoch
	}
	defer func() {
		for _, unlock := range r.unlocks {
			unlock()
		}
	}()
	r.plan(stored)
	if len(r.doomed) == 0 {
		return nil
	}
	known := slices.Concat(c.gaps, trustedGaps(c.o.Dir, c.stream.key, segmentID{m.GapEpoch, m.GapSegment}))
	if err := r.execute(known); err != nil {
		return err
	}
	m.GapEpoch, m.GapSegment = c.stream.epoch, c.stream.number
	return nil
}

// storedSegment is a segment as retention sees it.
type storedSegment struct {
	segmentID
	bytes   int64 // with its torn bytes
	written time.Time
}

// storedEpochs looks at the whole directory.
func storedEpochs(dir string) (epochs [][]storedSegment, total int64, err error) {
	ids, _, err := listSegments(dir)
	if err != nil {
		return nil, 0, err
	}
	for _, epoch := range byEpoch(ids) {
		var stored []storedSegment
		for _, id := range epoch {
			info, err := statRegular(id.path(dir))
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotRegular) {
				continue
			}
			if err != nil {
				return nil, 0, err
			}
			s := storedSegment{segmentID: id, bytes: info.Size(), written: info.ModTime()}
			if torn, err := os.Lstat(id.path(dir) + tornSuffix); err == nil {
				s.bytes += torn.Size()
			}
			total += s.bytes
			stored = append(stored, s)
		}
		if len(stored) > 0 {
			epochs = append(epochs, stored)
		}
	}
	return epochs, total, nil
}

// retention is one sweep.
type retention struct {
	*committer
	total   int64
	now     time.Time // what age is measured against
	newest  uint64    // the highest epoch there is
	doomed  []doomedEpoch
	unlocks []func()
}

// doomedEpoch is the segments of one epoch that go, from the first on.
type doomedEpoch struct {
	segments []storedSegment
	whole    bool // nothing of the epoch remains
}

// plan decides what goes: while there is too much, the epoch whose first
// remaining segment is the oldest loses it. Segments of other writers that
// live, and our own current one, stay.
func (r *retention) plan(epochs [][]storedSegment) {
	type queue struct {
		segments []storedSegment
		taken    int
		usable   int // how many may go; -1 while nobody looked
	}
	queues := make([]*queue, 0, len(epochs))
	for _, e := range epochs {
		queues = append(queues, &queue{segments: e, usable: -1})
	}
	oldest := func(a, b *queue) int {
		return cmp.Or(a.segments[a.taken].written.Compare(b.segments[b.taken].written),
			cmp.Compare(a.segments[0].epoch, b.segments[0].epoch))
	}
	all := slices.Clone(queues)
	for len(queues) > 0 {
		q := slices.MinFunc(queues, oldest)
		old := r.tooOld(q.segments[q.taken].written, r.now)
		large := r.o.RetainBytes > 0 && r.total > r.o.RetainBytes
		if !old && !large {
			break
		}
		if q.usable < 0 {
			q.usable = r.usable(q.segments)
		}
		if q.taken < q.usable {
			r.total -= q.segments[q.taken].bytes
			q.taken++
		}
		if q.taken >= q.usable {
			queues = slices.DeleteFunc(queues, func(other *queue) bool { return other == q })
		}
	}
	for _, q := range all {
		if q.taken > 0 {
			r.doomed = append(r.doomed, doomedEpoch{q.segments[:q.taken], q.taken == len(q.segments)})
		}
	}
}

// usable returns how many of an epoch's segments may be deleted and keeps
// others from touching them.
func (r *retention) usable(segments []storedSegment) int {
	if segments[0].epoch == r.stream.epoch {
		n := 0
		for n < len(segments) && segments[n].number < r.stream.number {
			n++
		}
		return n
	}
	ids := make([]segmentID, len(segments))
	for i, s := range segments {
		ids[i] = s.segmentID
	}
	unlock, err := lockEpoch(r.o.Dir, ids)
	if err != nil {
		return 0 // it lives
	}
	if !finallySealed(r.o.Dir, ids) {
		unlock() // to be recovered first
		return 0
	}
	r.unlocks = append(r.unlocks, unlock)
	if segments[0].epoch == r.newest {
		return len(segments) - 1 // or the next to come would get its number
	}
	return len(segments)
}

// execute writes the gap lines and deletes the files. Known are the gaps of
// earlier sweeps.
func (r *retention) execute(known []Event) error {
	gaps, err := r.newGaps()
	if err != nil {
		return err
	}
	gaps = mergeGaps(slices.Concat(known, gaps))
	now := r.o.Now()
	for i := range gaps {
		gaps[i].Time = now
		if err := r.stream.add(&gaps[i]); err != nil {
			r.stream.discard()
			return err
		}
	}
	if err := r.stream.flush(); err != nil {
		return fmt.Errorf("writing the gap lines: %w", err)
	}
	r.committer.gaps = gaps
	var failed error
	files := 0
	for _, doomed := range r.doomed {
		for _, s := range doomed.segments {
			if err := r.remove(s.segmentID); err != nil {
				failed = errors.Join(failed, err)
				break // the rest of this epoch stays: only its beginning may be missing
			}
			files++
		}
	}
	r.o.Logger.Info("deleted old journal segments", zap.Int("segments", files))
	return errors.Join(failed, syncDir(r.o.Dir))
}

// remove deletes one segment. The lock on a stream's first segment is what
// shows that its writer lives: for our own stream it moves on first.
func (r *retention) remove(id segmentID) error {
	path := id.path(r.o.Dir)
	if id.epoch == r.stream.epoch && id.number == r.stream.lowest {
		next, err := lockFile(segmentID{id.epoch, id.number + 1}.path(r.o.Dir), true)
		if err != nil {
			return err
		}
		r.stream.anchor.unlock()
		r.stream.anchor = next
		r.stream.lowest++
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	if err := os.Remove(path + tornSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
