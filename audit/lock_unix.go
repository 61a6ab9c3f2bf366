//go:build unix

package audit

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// openNoFollow keeps an open from following a link and from waiting for the
// other end of a pipe.
const openNoFollow = unix.O_NOFOLLOW | unix.O_NONBLOCK

// lockHandle takes a flock, which belongs to the open file: two handles in one
// process exclude each other, as two processes do.
func lockHandle(f *os.File, wait bool) error {
	how := unix.LOCK_EX
	if !wait {
		how |= unix.LOCK_NB
	}
	for {
		err := unix.Flock(int(f.Fd()), how)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EWOULDBLOCK):
			return errLocked
		}
		return os.NewSyscallError("flock", err)
	}
}

// syncDir makes the entries of a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	// Some network file systems refuse to sync a directory; there is nothing
	// to be done about it.
	if err := d.Sync(); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOTSUP) {
		return err
	}
	return nil
}

// tooOpen reports whether others than the owner may read a private file.
func tooOpen(mode os.FileMode) bool { return mode.Perm()&0o077 != 0 }

// unlinked reports whether an open file has lost its last name.
func unlinked(f *os.File) (bool, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return false, os.NewSyscallError("fstat", err)
	}
	return st.Nlink == 0, nil
}
