package store

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/attribproxy/attribproxy/audit"
)

// segment is a file of the journal and how much of it is known.
type segment struct {
	name   string
	epoch  uint64
	number uint64
	size   int64
	at     Position
}

// listFiles returns the segments of a journal directory.
func listFiles(dir string) ([]segment, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	files := make([]segment, 0, len(entries))
	for _, entry := range entries {
		epoch, number, ok := audit.ParseSegmentName(entry.Name())
		if !ok {
			continue
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // retention was quicker
		}
		if err != nil {
			return nil, err
		}
		if !info.Mode().IsRegular() {
			continue
		}
		files = append(files, segment{epoch: epoch, number: number, name: entry.Name(), size: info.Size()})
	}
	return files, nil
}

// plan is what has to be done to bring a store up to date. Only the beginning
// of a stream is ever deleted, and only its end ever grows: whatever else
// happened to it, it is read again as a whole.
type plan struct {
	dir    string
	known  map[uint64][]Position // by epoch
	files  map[uint64][]segment  // by epoch
	forget []Position
	read   []segment
}

func newPlan(dir string, known []Position, files []segment) *plan {
	p := &plan{dir: dir, known: map[uint64][]Position{}, files: map[uint64][]segment{}}
	for _, k := range known {
		p.known[k.Epoch] = append(p.known[k.Epoch], k)
	}
	for _, f := range files {
		f.at = Position{Epoch: f.epoch, Segment: f.number}
		p.files[f.epoch] = append(p.files[f.epoch], f)
	}
	return p
}

// make decides for each stream, in the order of their epochs.
func (p *plan) make() error {
	epochs := map[uint64]bool{}
	for epoch := range p.known {
		epochs[epoch] = true
	}
	for epoch := range p.files {
		epochs[epoch] = true
	}
	for _, epoch := range slices.Sorted(maps.Keys(epochs)) {
		files := p.files[epoch]
		slices.SortFunc(files, func(a, b segment) int {
			if a.number < b.number {
				return -1
			}
			return 1
		})
		same, err := p.resume(files, p.known[epoch])
		if err != nil {
			return err
		}
		if !same {
			p.forget = append(p.forget, p.known[epoch]...)
			for i := range files {
				files[i].at = Position{Epoch: epoch, Segment: files[i].number}
				p.add(files[i])
			}
		}
	}
	return nil
}

func (p *plan) add(s segment) {
	if s.size > s.at.Offset {
		p.read = append(p.read, s)
	}
}

// resume plans the continuation of a stream. It reports false, and plans
// nothing, when the files are not those that were followed.
func (p *plan) resume(files []segment, known []Position) (same bool, err error) {
	at := map[uint64]Position{}
	for _, k := range known {
		at[k.Segment] = k
	}
	highest := uint64(0) // segment that is known
	for number := range at {
		highest = max(highest, number)
	}
	var more []segment
	for _, f := range files {
		k, ok := at[f.number]
		if !ok {
			if f.number < highest {
				return false, nil // it was not there before
			}
			more = append(more, f)
			continue
		}
		delete(at, f.number)
		if f.size < k.Offset || k.Sealed && f.size != k.Offset {
			return false, nil
		}
		if f.size > k.Offset {
			if same, err := p.continues(f, k); err != nil || !same {
				return same, err
			}
			f.at = k
			more = append(more, f)
		}
	}
	for number := range at { // those are gone
		if len(files) > 0 && number > files[0].number {
			return false, nil
		}
	}
	for _, gone := range at {
		p.forget = append(p.forget, gone)
	}
	for _, f := range more {
		p.add(f)
	}
	return true, nil
}

// continues reports whether the line behind a position names the hash of the
// line before it, if there is a whole line.
func (p *plan) continues(f segment, k Position) (bool, error) {
	file, err := os.Open(filepath.Join(p.dir, f.name))
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer file.Close()
	line, _, err := newLines(io.NewSectionReader(file, k.Offset, f.size-k.Offset)).next()
	if errors.Is(err, io.EOF) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	e, err := parse(line)
	return err == nil && e.Prev == k.Hash, nil
}
