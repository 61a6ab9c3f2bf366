package audit

import (
	"fmt"
	"os"
	"path/filepath"
)

// claimed is a stream of our own that holds nothing yet.
type claimed struct {
	epoch uint64
	file  *os.File
	lock  *fileLock
}

// claimEpoch takes the next free epoch of the directory.
func claimEpoch(dir string) (claimed, error) {
	c, err := claimNext(dir)
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return claimed{}, fmt.Errorf("claiming an epoch: %w", err)
	}
	return c, nil
}

func claimNext(dir string) (claimed, error) {
	// Between creating and locking, a recovery could take the empty file for
	// a dead epoch: it waits for this lock before it looks at one.
	lock, err := directoryLock(dir, claimLockFile, true)
	if err != nil {
		return claimed{}, err
	}
	defer lock.unlock()
	ids, strangers, err := listSegments(dir)
	if err != nil {
		return claimed{}, err
	}
	id := segmentID{epoch: 1, number: 1}
	if len(ids) > 0 {
		id.epoch = ids[len(ids)-1].epoch + 1
	}
	for _, s := range strangers { // they are ordered
		if s.epoch == id.epoch {
			id.epoch++
		}
	}
	f, err := os.OpenFile(id.path(dir), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return claimed{}, err
	}
	held, err := lockFile(id.path(dir), false)
	if err != nil {
		f.Close()
		return claimed{}, err
	}
	return claimed{epoch: id.epoch, file: f, lock: held}, nil
}

// The files that processes lock which change the directory as a whole.
const (
	claimLockFile = ".claim.lock"
	sweepLockFile = ".sweep.lock"
)

// directoryLock takes one of the directory's locks.
func directoryLock(dir, name string, wait bool) (*fileLock, error) {
	path := filepath.Join(dir, name)
	f, err := openRegular(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	return lockFile(path, wait)
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
