package audit

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"time"

	"go.uber.org/zap"
)

// maintenance spares a start the look at every stream there ever was: ten
// thousand runs of a pipeline leave as many. It is a note, not a truth; when
// it is lost or stale the work is done again.
type maintenance struct {
	Closed uint64    `json:"closed"` // every epoch up to here has its final seal,
	Open   []uint64  `json:"open"`   // but for these
	Swept  time.Time `json:"swept"`  // when retention was last applied
	// The newest time that age is measured against, and a later one that was
	// seen first and is not believed yet; see believe.
	Trusted time.Time `json:"trusted,omitzero"`
	Doubted time.Time `json:"doubted,omitzero"`
	// The segment in which the last sweep's gap lines stand.
	GapEpoch   uint64 `json:"gap_epoch"`
	GapSegment uint64 `json:"gap_segment"`
}

const (
	maintenanceFile = ".maintenance.json"
	// maxMaintenance is far more than the note ever holds.
	maxMaintenance = 4 << 20
	// maintenanceStep is how many epochs are looked at in vain before the
	// note is written anew.
	maintenanceStep = 32
	// sweepInterval is how often retention is applied at least.
	sweepInterval = time.Hour
)

func readMaintenance(dir string) maintenance {
	var m maintenance
	f, err := openRegular(filepath.Join(dir, maintenanceFile), os.O_RDONLY, 0)
	if err != nil {
		return m
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxMaintenance))
	if err != nil || json.Unmarshal(data, &m) != nil {
		return maintenance{}
	}
	return m
}

func (m maintenance) write(o Options) {
	data, err := json.Marshal(m)
	if err == nil {
		err = replaceFile(filepath.Join(o.Dir, maintenanceFile), data, 0o600)
	}
	if err != nil {
		o.Logger.Warn("noting the state of the journal directory failed", zap.Error(err))
	}
}

// advance notes that all epochs up to the given one are closed but for those
// in open, when that is worth a write.
func (m maintenance) advance(o Options, closed uint64, open []uint64) {
	if closed < m.Closed+maintenanceStep {
		return
	}
	m.Closed, m.Open = closed, open
	m.write(o)
}

// firstSweep is when a journal that opens now applies retention first.
func firstSweep(o Options) time.Time {
	swept, now := readMaintenance(o.Dir).Swept, o.Now()
	if swept.After(now) { // the clock went back
		return now
	}
	return swept.Add(sweepInterval)
}

func syncDirOf(path string) error { return syncDir(filepath.Dir(path)) }
