package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// errLocked says that somebody else holds a lock.
var errLocked = errors.New("locked by another process")

// fileLock is an exclusive lock on a file, held until unlock or the end of
// the process. It keeps nobody from reading the file.
type fileLock struct{ f *os.File }

// lockFile locks the file at path, which must exist. Without wait it returns
// errLocked when somebody holds the lock.
func lockFile(path string, wait bool) (*fileLock, error) {
	f, err := openRegular(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	if err := lockHandle(f, wait); err != nil {
		f.Close()
		return nil, err
	}
	// The file may have been deleted between open and lock: then this is a
	// lock on nothing.
	held, err := f.Stat()
	if err == nil {
		var named fs.FileInfo
		if named, err = os.Lstat(path); err == nil && !os.SameFile(held, named) {
			err = fs.ErrNotExist
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	return &fileLock{f}, nil
}

// unlock gives the lock up. Closing the handle is enough on every system.
func (l *fileLock) unlock() {
	if l != nil {
		l.f.Close()
	}
}
