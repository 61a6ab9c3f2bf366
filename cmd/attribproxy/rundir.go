package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

// runDir is the private directory of one run: the bundles its child trusts.
// A lock that dies with the process tells the directories of living runs from
// those that a SIGKILL left behind.
type runDir struct {
	path string
	lock *flock.Flock
}

// newRunDir makes a directory below <state>/run, after removing those of runs
// that are no more.
func newRunDir(stateDir string) (*runDir, error) {
	parent := filepath.Join(stateDir, "run")
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return nil, fmt.Errorf("making the run's directory: %w", err)
	}
	sweepRunDirs(parent)
	path, err := os.MkdirTemp(parent, "run-")
	if err != nil {
		return nil, fmt.Errorf("making the run's directory: %w", err)
	}
	d := &runDir{path: path, lock: flock.New(filepath.Join(path, "lock"), flock.SetPermissions(0o600))}
	if ok, err := d.lock.TryLock(); err != nil || !ok {
		os.RemoveAll(path)
		return nil, fmt.Errorf("locking the run's directory %s: %w", path, err)
	}
	return d, nil
}

// remove removes the directory.
func (d *runDir) remove() {
	_ = d.lock.Unlock()
	_ = os.RemoveAll(d.path)
}

// sweepRunDirs removes what dead runs left. A directory that has no lock file
// yet belongs to a run that is just starting.
func sweepRunDirs(parent string) {
	locks, err := filepath.Glob(filepath.Join(parent, "run-*", "lock"))
	if err != nil { // only for a bad pattern
		return
	}
	for _, path := range locks {
		lock := flock.New(path)
		if ok, err := lock.TryLock(); err != nil || !ok {
			continue
		}
		_ = lock.Unlock()
		_ = os.RemoveAll(filepath.Dir(path))
	}
}
