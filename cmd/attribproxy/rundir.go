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
	// One run at a time sweeps and begins: a directory without its lock held is
	// then a dead one's.
	begin := flock.New(filepath.Join(stateDir, "run.lock"), flock.SetPermissions(0o600))
	if err := begin.Lock(); err != nil {
		return nil, fmt.Errorf("locking %s: %w", parent, err)
	}
	defer func() { _ = begin.Unlock() }()
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

// sweepRunDirs removes what dead runs left. A directory without a lock file is
// of a run that died, or failed, before it had one.
func sweepRunDirs(parent string) {
	dirs, err := filepath.Glob(filepath.Join(parent, "run-*"))
	if err != nil { // only for a bad pattern
		return
	}
	for _, dir := range dirs {
		lock := flock.New(filepath.Join(dir, "lock"), flock.SetPermissions(0o600))
		if ok, err := lock.TryLock(); err != nil || !ok {
			continue
		}
		_ = lock.Unlock()
		_ = os.RemoveAll(dir)
	}
}
