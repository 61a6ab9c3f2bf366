package certs

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// durability says whether a file has to be on disk when it is written.
type durability bool

const (
	durable  durability = true
	volatile durability = false
)

// writeFile puts a file in its place at once and for good: a reader sees the
// old content or all of the new.
// Only a durable file is sure to outlive a crash of the machine.
func writeFile(path string, data []byte, mode fs.FileMode, d durability) (err error) {
	dir := filepath.Dir(path)
	// Made with mode 0600, so that a key is never open, not even for a moment.
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Chmod(mode); err != nil && runtime.GOOS != "windows" {
		return err
	}
	if d == durable {
		if err := f.Sync(); err != nil {
			return err
		}
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	if d == durable {
		return syncDir(dir)
	}
	return nil
}

// syncDir makes the new name of a file durable. Windows has no such call and
// needs none.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("syncing %s: %w", dir, err)
	}
	return nil
}

// openToOthers says whether a file's mode lets anybody but its owner at it.
// Windows has no such bits: there the state directory lies in the user's own
// profile, which others cannot read.
func openToOthers(mode fs.FileMode) bool {
	return runtime.GOOS != "windows" && mode.Perm()&0o077 != 0
}
