package audit

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// lockOffset is where the locked byte lies: far behind the end of any
// segment, because Windows keeps others from reading locked bytes.
const lockOffset = 1 << 62

// openNoFollow is nothing here: directories on Windows hold no pipes, and the
// look before an open finds links.
const openNoFollow = 0

func lockHandle(f *os.File, wait bool) error {
	flags := uint32(windows.LOCKFILE_EXCLUSIVE_LOCK)
	if !wait {
		flags |= windows.LOCKFILE_FAIL_IMMEDIATELY
	}
	at := windows.Overlapped{Offset: lockOffset & 0xffffffff, OffsetHigh: lockOffset >> 32}
	err := windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, &at)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return errLocked
	}
	return os.NewSyscallError("LockFileEx", err)
}

// syncDir does nothing: NTFS journals directory entries, and Windows has no
// call to flush a directory.
func syncDir(string) error { return nil }

// tooOpen is never true: access on Windows is by ACL, and the profile
// directory is the user's own.
func tooOpen(os.FileMode) bool { return false }

// unlinked: Windows does not let an open file of ours be deleted.
func unlinked(*os.File) (bool, error) { return false, nil }
