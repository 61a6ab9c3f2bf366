package audit

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncData flushes the file's data and size, but not its times: one write to
// the file system's own journal less than fsync.
func syncData(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
