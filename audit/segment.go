package audit

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// segmentID names a segment: the file <epoch, 8 digits>-<number, 4 digits>.jsonl.
type segmentID struct {
	epoch  uint64
	number uint64
}

const (
	segmentSuffix = ".jsonl"
	tornSuffix    = ".torn"
)

func (s segmentID) file() string {
	return fmt.Sprintf("%08d-%04d%s", s.epoch, s.number, segmentSuffix)
}

func (s segmentID) path(dir string) string { return filepath.Join(dir, s.file()) }

func (s segmentID) compare(t segmentID) int {
	switch {
	case s.epoch != t.epoch && s.epoch < t.epoch, s.epoch == t.epoch && s.number < t.number:
		return -1
	case s == t:
		return 0
	}
	return 1
}

// ParseSegmentName reads the name of a segment's file,
// <epoch, 8 digits>-<segment, 4 digits>.jsonl; ok is false for anything else.
func ParseSegmentName(name string) (epoch, segment uint64, ok bool) {
	id, ok := parseSegmentID(name)
	return id.epoch, id.number, ok
}

// parseSegmentID reads a file name; ok is false for anything a journal does
// not call its segments.
func parseSegmentID(name string) (id segmentID, ok bool) {
	stem, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok {
		return id, false
	}
	epoch, number, ok := strings.Cut(stem, "-")
	if !ok {
		return id, false
	}
	var err1, err2 error
	id.epoch, err1 = strconv.ParseUint(epoch, 10, 64)
	id.number, err2 = strconv.ParseUint(number, 10, 64)
	if err1 != nil || err2 != nil || id.epoch == 0 || id.number == 0 || id.file() != name {
		return segmentID{}, false
	}
	return id, true
}

// listSegments returns the segments in dir, ordered, and what only has the
// name of one.
func listSegments(dir string) (ids []segmentID, strangers []stranger, err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("listing the journal: %w", err)
	}
	defer d.Close()
	entries, err := d.ReadDir(-1)
	if err != nil {
		return nil, nil, fmt.Errorf("listing the journal: %w", err)
	}
	ids = make([]segmentID, 0, len(entries))
	for _, entry := range entries {
		id, ok := parseSegmentID(entry.Name())
		switch {
		case !ok:
		case entry.Type().IsRegular():
			ids = append(ids, id)
		default:
			strangers = append(strangers, stranger{id, entry.Type()})
		}
	}
	slices.SortFunc(ids, segmentID.compare)
	slices.SortFunc(strangers, func(a, b stranger) int { return a.compare(b.segmentID) })
	return ids, strangers, nil
}

// byEpoch splits an ordered list into one list per epoch.
func byEpoch(ids []segmentID) [][]segmentID {
	var epochs [][]segmentID
	for len(ids) > 0 {
		n := 1
		for n < len(ids) && ids[n].epoch == ids[0].epoch {
			n++
		}
		epochs = append(epochs, ids[:n])
		ids = ids[n:]
	}
	return epochs
}

// segmentFile is what the journal needs of a segment it writes. Tests put
// faults in its way.
type segmentFile interface {
	io.WriterAt
	Sync() error // the data written, and the size, survive a power cut
	Truncate(size int64) error
	Close() error
}

// osFile is a segmentFile on disk.
type osFile struct{ *os.File }

// errDeleted says that the writer's file has no name any more. It could be
// written to for ever, and nobody would find it.
var errDeleted = errors.New("the journal's segment was deleted while it was being written; a restart begins a new one")

func (f osFile) Sync() error {
	if err := syncData(f.File); err != nil {
		return err
	}
	switch gone, err := unlinked(f.File); {
	case err != nil:
		return err
	case gone:
		return errDeleted
	}
	return nil
}

// createSegment makes a new segment file and its directory entry durable.
func createSegment(dir string, id segmentID) (*os.File, error) {
	f, err := os.OpenFile(id.path(dir), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syncDir(dir); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
