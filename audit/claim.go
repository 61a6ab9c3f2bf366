package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// claimed is a stream of our own that holds nothing yet.
type claimed struct {
	epoch uint64
	file  *os.File
	lock  *fileLock
}

// claimEpoch takes the next free epoch of the directory.
func claimEpoch(dir string) (claimed, error) {
	ids, err := listSegments(dir)
	if err != nil {
		return claimed{}, err
	}
	epoch := uint64(1)
	if len(ids) > 0 {
		epoch = ids[len(ids)-1].epoch + 1
	}
	for ; ; epoch++ {
		c, err := claimOne(dir, epoch)
		if err == nil {
			return c, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return claimed{}, fmt.Errorf("claiming epoch %d: %w", epoch, err)
		}
	}
}

// claimOne returns fs.ErrExist when the epoch is somebody else's.
func claimOne(dir string, epoch uint64) (claimed, error) {
	id := segmentID{epoch, 1}
	f, err := createSegment(dir, id)
	if err != nil {
		return claimed{}, err
	}
	lock, err := lockFile(id.path(dir), true)
	if err != nil {
		f.Close()
		return claimed{}, err
	}
	// Between creating and locking, somebody's recovery may have taken the
	// empty file for a dead epoch and closed it.
	info, err := f.Stat()
	if err == nil && info.Size() > 0 {
		err = fs.ErrExist
	}
	if err != nil {
		lock.unlock()
		f.Close()
		return claimed{}, err
	}
	return claimed{epoch: epoch, file: f, lock: lock}, nil
}

// lockEpoch locks every segment of an epoch. A live writer always holds the
// lock of one, so success means that the epoch is nobody's; the caller must
// call unlock. It returns errLocked when somebody holds one of them.
func lockEpoch(dir string, segments []segmentID) (unlock func(), err error) {
	locks := make([]*fileLock, 0, len(segments))
	unlock = func() {
		for _, l := range locks {
			l.unlock()
		}
	}
	for _, id := range segments {
		l, err := lockFile(id.path(dir), false)
		if err != nil {
			unlock()
			return nil, err
		}
		locks = append(locks, l)
	}
	return unlock, nil
}
