package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Whoever can write to the directory can put a pipe or a link to an endless
// device where a segment is expected. Opening or reading one could take for
// ever, so that the journal opens regular files only.

// errNotRegular says that a name stands for something that is no file.
var errNotRegular = errors.New("not a regular file")

// notRegular is errNotRegular with what there is instead.
func notRegular(mode fs.FileMode) error {
	what := "something else"
	switch {
	case mode&fs.ModeSymlink != 0:
		what = "a symbolic link"
	case mode.IsDir():
		what = "a directory"
	case mode&fs.ModeNamedPipe != 0:
		what = "a named pipe"
	case mode&fs.ModeSocket != 0:
		what = "a socket"
	case mode&fs.ModeDevice != 0:
		what = "a device"
	}
	return fmt.Errorf("%w but %s", errNotRegular, what)
}

// stranger has the name of a segment and is no file.
type stranger struct {
	segmentID
	mode fs.FileMode
}

func (s stranger) err() error { return &LineError{File: s.file(), Err: notRegular(s.mode)} }

// statRegular is os.Lstat for what must be a regular file.
func statRegular(path string) (fs.FileInfo, error) {
	info, err := os.Lstat(path)
	if err == nil && !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: path, Err: notRegular(info.Mode())}
	}
	return info, err
}

// openRegular opens a regular file and nothing else: no pipe, device or link.
// It never waits.
func openRegular(path string, flag int, mode fs.FileMode) (*os.File, error) {
	// First look, as opening some devices does something; then open so that
	// nothing put there in between can do harm; then look at what is open.
	if _, err := statRegular(path); err != nil && (flag&os.O_CREATE == 0 || !errors.Is(err, fs.ErrNotExist)) {
		return nil, err
	}
	f, err := os.OpenFile(path, flag|openNoFollow, mode)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: notRegular(info.Mode())}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// exists reports whether there is a regular file.
func exists(path string) bool {
	_, err := statRegular(path)
	return err == nil
}

// tell yields an error for each stranger, once.
func (r *reader) tell(strangers []stranger, yield func(Event, error) bool) bool {
	for _, s := range strangers {
		if r.strange[s.segmentID] {
			continue
		}
		if r.strange == nil {
			r.strange = map[segmentID]bool{}
		}
		r.strange[s.segmentID] = true
		if !yield(Event{}, s.err()) {
			return false
		}
	}
	return true
}
