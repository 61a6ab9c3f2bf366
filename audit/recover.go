package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"go.uber.org/zap"
)

// errSuccessorMissing says that a stream cannot be closed because its end was
// deleted; Verify reports it.
var errSuccessorMissing = errors.New("the last segment is sealed and not final, and the next one is gone")

// maxStrangersLogged keeps a directory full of rubbish from filling the log.
const maxStrangersLogged = 10

// recoverDead closes the streams of writers that ended without closing. It
// never keeps a journal from opening: what it cannot mend now, the next one
// finds again.
func recoverDead(o Options, key sealKey) {
	ids, strangers, err := listSegments(o.Dir)
	if err != nil {
		o.Logger.Warn("looking for dead journals failed", zap.Error(err))
		return
	}
	for _, s := range strangers[:min(len(strangers), maxStrangersLogged)] {
		o.Logger.Warn("something in the journal's directory has the name of a segment and is no file; passed over",
			zap.Error(s.err()), zap.Int("of", len(strangers)))
	}
	epochs := byEpoch(ids)
	m := readMaintenance(o.Dir)
	if len(epochs) == 0 || epochs[len(epochs)-1][0].epoch < m.Closed {
		m = maintenance{} // of a directory that was since emptied
	}
	var open []uint64
	for _, segments := range epochs {
		epoch := segments[0].epoch
		if epoch <= m.Closed && !slices.Contains(m.Open, epoch) || finallySealed(o.Dir, segments) {
			continue
		}
		switch err := recoverEpoch(o, key, segments); {
		case err == nil:
			o.Logger.Warn("a journal was not closed; recovered it", zap.Uint64(FieldEpoch, epoch))
			continue
		case errors.Is(err, errLocked), errors.Is(err, fs.ErrNotExist):
			// Its writer lives, or somebody else is at it.
		default:
			o.Logger.Warn("a journal was not closed and cannot be recovered",
				zap.Uint64(FieldEpoch, epoch), zap.Error(err))
		}
		open = append(open, epoch)
	}
	if len(epochs) > 0 {
		m.advance(o, epochs[len(epochs)-1][0].epoch, open)
	}
}

// recoverEpoch closes one dead stream: bytes that are no whole line go to
// <segment>.torn, and a gap line and the final seal are appended.
func recoverEpoch(o Options, key sealKey, segments []segmentID) error {
	// A stream without a line may be one that is being claimed right now.
	if info, err := statRegular(segments[0].path(o.Dir)); err == nil && info.Size() == 0 {
		lock, err := directoryLock(o.Dir, claimLockFile, true)
		if err != nil {
			return err
		}
		lock.unlock() // by now the claimer holds its own
	}
	unlock, err := lockEpoch(o.Dir, segments)
	if err != nil {
		return err
	}
	defer unlock()
	// Now that nobody can write to it, look again.
	segments, err = listEpoch(o.Dir, segments[0].epoch)
	if err != nil {
		return err
	}
	if len(segments) == 0 {
		return fs.ErrNotExist
	}
	if finallySealed(o.Dir, segments) {
		return fs.ErrNotExist // somebody was faster
	}
	s, tail, err := resume(o, key, segments)
	if err != nil {
		return err
	}
	defer s.file.Close()
	now := o.Now()
	torn, err := moveTorn(segmentID{s.epoch, s.number}.path(o.Dir), tail)
	if err != nil {
		return err
	}
	if torn != "" {
		s.dirty = true // flush cuts the bytes off
		if err := s.add(&Event{Kind: KindGap, Time: now, Reason: GapTorn, SHA256: torn}); err != nil {
			return err
		}
	}
	if err := s.add(&Event{Kind: KindGap, Time: now, Reason: GapUncleanStop}); err != nil {
		return err
	}
	return s.seal(true)
}

// listEpoch returns the segments of one epoch.
func listEpoch(dir string, epoch uint64) ([]segmentID, error) {
	ids, _, err := listSegments(dir)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(ids, func(id segmentID) bool { return id.epoch != epoch }), nil
}

// resume makes a stream that goes on where a dead one ended.
func resume(o Options, key sealKey, segments []segmentID) (*stream, segmentTail, error) {
	last := segments[len(segments)-1]
	tail, err := readTail(last.path(o.Dir))
	if err != nil {
		return nil, tail, err
	}
	s := &stream{
		dir: o.Dir, source: o.Source, epoch: last.epoch, key: key, now: o.Now, wrap: o.wrap,
		number: last.number, enc: newLineEncoder(), chain: chain{hash: zeroHash},
	}
	from := tail
	if tail.first == 0 && len(segments) > 1 {
		// Nothing was written to the last segment yet.
		before := segments[len(segments)-2]
		if from, err = readTail(before.path(o.Dir)); err != nil {
			return nil, tail, err
		}
		if !from.sealed {
			// Rotation got no further than creating the file.
			if tail.size > 0 {
				return nil, tail, fmt.Errorf("%s has a successor but no seal", before.file())
			}
			if err := os.Remove(last.path(o.Dir)); err != nil {
				return nil, tail, err
			}
			return resume(o, key, segments[:len(segments)-1])
		}
	} else if tail.sealed {
		return nil, tail, errSuccessorMissing
	}
	if from.first != 0 {
		s.source = from.last.Source
		s.chain = chain{seq: from.last.Seq, hash: from.hash, first: tail.first, time: from.last.Time}
	}
	s.flushed = s.chain
	s.off = tail.end
	f, err := openRegular(last.path(o.Dir), os.O_RDWR, 0)
	if err != nil {
		return nil, tail, err
	}
	s.file = s.wrapFile(f)
	return s, tail, nil
}

// moveTorn copies what follows the last whole line of a segment to the file
// <segment>.torn and returns its SHA-256, "" when nothing follows. The
// segment itself is cut by the stream.
func moveTorn(path string, tail segmentTail) (hash string, err error) {
	if tail.end == tail.size {
		return "", nil
	}
	from, err := openRegular(path, os.O_RDONLY, 0)
	if err != nil {
		return "", err
	}
	defer from.Close()
	to, err := openRegular(path+tornSuffix, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	_, err = io.Copy(io.MultiWriter(to, sum), io.NewSectionReader(from, tail.end, tail.size-tail.end))
	if err == nil {
		err = to.Sync()
	}
	if err = errors.Join(err, to.Close()); err != nil {
		return "", fmt.Errorf("moving torn bytes: %w", err)
	}
	if err := syncDirOf(path); err != nil {
		return "", fmt.Errorf("moving torn bytes: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
