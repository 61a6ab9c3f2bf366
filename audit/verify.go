package audit

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// VerifyOptions say what to hold a journal against.
type VerifyOptions struct {
	// Key is the public half of the seal key. Without it signatures are not
	// checked, and only accidents are found, not the work of somebody who
	// can write to the directory.
	Key ed25519.PublicKey
	// Head is the hash of a line that was kept elsewhere, in hex: the journal
	// must still hold that line. "" compares nothing.
	Head string
}

// Fault is one thing wrong with a journal.
type Fault struct {
	File    string `json:"file,omitempty"` // name within the directory; "" when a whole epoch is missing
	Epoch   uint64 `json:"epoch,omitempty"`
	Segment uint64 `json:"segment,omitempty"`
	Seq     uint64 `json:"seq,omitempty"` // 0 when no line can be named
	Message string `json:"message"`
}

// String is the fault in one line: where, then what.
func (f Fault) String() string {
	var where []string
	if f.File != "" {
		where = append(where, f.File)
	} else if f.Epoch != 0 {
		where = append(where, fmt.Sprintf("epoch %d", f.Epoch))
	}
	if f.Seq != 0 {
		where = append(where, fmt.Sprintf("seq %d", f.Seq))
	}
	if len(where) == 0 {
		return f.Message
	}
	return strings.Join(where, ", ") + ": " + f.Message
}

// Gap is a loss that the journal itself declares. It is no fault.
type Gap struct {
	Epoch  uint64 `json:"epoch"`
	Seq    uint64 `json:"seq"` // of the gap line
	Reason string `json:"reason"`
	Count  uint64 `json:"count,omitempty"` // events or lines missing; 0 when nobody knows
}

// OpenTail is a stream without its final seal: its writer lives, or stopped
// without closing and nobody recovered it yet. Its lines are chained, but
// those after the last seal are not signed.
type OpenTail struct {
	File     string `json:"file"`
	Epoch    uint64 `json:"epoch"`
	Unsealed uint64 `json:"unsealed"`       // lines after the last seal
	Torn     int64  `json:"torn,omitempty"` // bytes after the last whole line, perhaps being written right now
}

// Report is what Verify found.
type Report struct {
	Epochs    int        `json:"epochs"`
	Segments  int        `json:"segments"`
	Lines     uint64     `json:"lines"`
	Seals     int        `json:"seals"`
	KeyIDs    []string   `json:"key_ids"`              // who signed; more than one when the key was replaced
	Signed    bool       `json:"signed"`               // signatures were checked against a key
	HeadFound string     `json:"head_found,omitempty"` // "epoch/seq" of the line that VerifyOptions.Head names
	Gaps      []Gap      `json:"gaps"`
	OpenTails []OpenTail `json:"open_tails"`
	Faults    []Fault    `json:"faults"`
	// More counts faults beyond those listed.
	More int `json:"more_faults,omitempty"`
}

// OK reports whether there is no fault.
func (r Report) OK() bool { return len(r.Faults) == 0 }

// maxFaults bounds the report about a journal that is rubbish.
const maxFaults = 1000

func (v *verifier) add(f Fault) {
	if len(v.report.Faults) >= maxFaults {
		v.report.More++
		return
	}
	v.report.Faults = append(v.report.Faults, f)
}

// verifyAttempts is how often Verify begins anew because retention deleted
// or writers sealed files under its hands.
const verifyAttempts = 10

// Verify holds every stream in dir against its hash chain and seals. It only
// reads, and writers may be at work meanwhile. The error is about reading;
// what is wrong with the journal is in the report.
func Verify(dir string, o VerifyOptions) (Report, error) {
	o.Head = strings.ToLower(strings.TrimSpace(o.Head))
	if o.Head != "" && !isHash(o.Head) {
		return Report{}, errors.New("verifying: the head is not a SHA-256 in hex")
	}
	for attempt := 1; ; attempt++ {
		r, err := verifyOnce(dir, o)
		if errors.Is(err, errVanished) && attempt < verifyAttempts {
			continue
		}
		if err != nil {
			return r, fmt.Errorf("verifying: %w", err)
		}
		return r, nil
	}
}

// errVanished says that a file went away between listing and reading.
var errVanished = errors.New("the journal is being changed by somebody else")

func verifyOnce(dir string, o VerifyOptions) (Report, error) {
	ids, strangers, err := listSegments(dir)
	if err != nil {
		return Report{}, err
	}
	v := verifier{dir: dir, o: o, gone: map[uint64][]Event{}, report: Report{
		Signed: o.Key != nil,
		KeyIDs: []string{}, Gaps: []Gap{}, OpenTails: []OpenTail{}, Faults: []Fault{}, // [] in JSON, not null
	}}
	epochs := byEpoch(ids)
	for _, segments := range epochs {
		if err := v.epoch(segments); err != nil {
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotRegular) {
				err = errVanished // or was replaced: the next attempt lists it so
			}
			return v.report, err
		}
	}
	for _, s := range strangers {
		v.add(Fault{File: s.file(), Epoch: s.epoch, Segment: s.number, Message: notRegular(s.mode).Error()})
	}
	v.missingEpochs(epochs, strangers)
	v.missingBeginnings()
	v.head()
	slices.Sort(v.report.KeyIDs)
	slices.SortStableFunc(v.report.Faults, func(a, b Fault) int {
		return segmentID{a.Epoch, a.Segment}.compare(segmentID{b.Epoch, b.Segment})
	})
	return v.report, nil
}

// verifier is one walk over a directory.
type verifier struct {
	dir    string
	o      VerifyOptions
	report Report

	gone       map[uint64][]Event // retention gap lines by the epoch they speak of
	wholes     []Event            // those that speak of whole epochs
	beginnings []beginning
}

// beginning is a stream whose first lines are not there.
type beginning struct {
	id   segmentID // the first segment there is
	seq  uint64    // the first line there is
	prev string    // what it names as its predecessor
}

// missingEpochs reports numbers that no stream has and no gap line explains.
// Epochs are numbered from 1 without holes. Strangers are faults already.
func (v *verifier) missingEpochs(epochs [][]segmentID, strangers []stranger) {
	strange := make(map[uint64]bool, len(strangers))
	for _, s := range strangers {
		strange[s.epoch] = true
	}
	explained := func(epoch uint64) bool {
		return slices.ContainsFunc(v.wholes, func(g Event) bool {
			return epoch <= g.GapEpoch && epoch > g.GapEpoch-g.GapEpochs
		})
	}
	next := uint64(1)
	for _, segments := range epochs {
		epoch := segments[0].epoch
		for ; next < epoch; next++ {
			if strange[next] || explained(next) {
				continue
			}
			if v.report.More > maxFaults { // somebody invented a file name
				break
			}
			v.add(Fault{Epoch: next, Message: "the whole epoch is missing, and no retention gap speaks of it"})
		}
		next = epoch + 1
	}
}

// missingBeginnings reports streams whose first segments are missing and that
// no gap line explains.
func (v *verifier) missingBeginnings() {
	for _, b := range v.beginnings {
		gaps := v.gone[b.id.epoch]
		slices.SortFunc(gaps, func(x, y Event) int { return int(x.First) - int(y.First) })
		covered, hash := uint64(0), ""
		for _, g := range gaps {
			if g.First <= covered+1 && g.Last > covered {
				covered, hash = g.Last, g.SHA256
			}
		}
		fault := Fault{File: b.id.file(), Epoch: b.id.epoch, Segment: b.id.number, Seq: b.seq}
		switch {
		case b.seq == 0 && covered > 0:
			// Only an empty segment is left: nothing to hold the gap against.
		case b.seq == 0 || covered < b.seq-1:
			fault.Message = "the segments before this one are missing, and no retention gap speaks of them"
			v.add(fault)
		case covered == b.seq-1 && hash != b.prev:
			fault.Message = "the line does not follow the last line that the retention gap names"
			v.add(fault)
		}
	}
}

// head reports when the line that was kept elsewhere is not there.
func (v *verifier) head() {
	if v.o.Head == "" || v.report.HeadFound != "" {
		return
	}
	for _, gaps := range v.gone {
		for _, g := range gaps {
			if g.SHA256 == v.o.Head {
				v.report.HeadFound = fmt.Sprintf("%d/%d", g.GapEpoch, g.Last)
				return
			}
		}
	}
	v.add(Fault{Message: "no line has the hash " + v.o.Head + ": the journal was cut or rewritten after that hash was taken"})
}
