package audit_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/attribproxy/attribproxy/audit"
)

// What a dead writer can leave, made by hand from a journal that was closed.
func TestRecovery(t *testing.T) {
	const garbage = `{"v":1,"source":"testho`
	for _, tc := range []struct {
		name     string
		damage   func(t *testing.T, paths []string)
		gaps     []string
		requests int
		torn     string
		faulty   bool // until it is recovered
	}{
		{
			name:     "no seal",
			damage:   func(t *testing.T, paths []string) { cutLines(t, paths[len(paths)-1], 1) },
			gaps:     []string{"unclean-stop 0"},
			requests: 12,
		},
		{
			name: "half a line",
			damage: func(t *testing.T, paths []string) {
				cutLines(t, paths[len(paths)-1], 1)
				appendTo(t, paths[len(paths)-1], garbage)
			},
			gaps:     []string{"torn 0", "unclean-stop 0"},
			requests: 12,
			torn:     garbage,
		},
		{
			name: "a page of zeros before a whole line",
			damage: func(t *testing.T, paths []string) {
				last := paths[len(paths)-1]
				lines := readLines(t, last)
				cutLines(t, last, 1)
				appendTo(t, last, strings.Repeat("\x00", 4096)+"\n"+lines[0]+"\n")
			},
			gaps:     []string{"torn 0", "unclean-stop 0"},
			requests: 12,
			torn:     "*",
			faulty:   true,
		},
		{
			name: "nothing in the next segment, and no seal before it",
			damage: func(t *testing.T, paths []string) {
				last := paths[len(paths)-1]
				cutLines(t, last, 1)
				next := strings.Replace(last, "-0003", "-0004", 1)
				if err := os.WriteFile(next, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			},
			gaps:     []string{"unclean-stop 0"},
			requests: 12,
		},
		{
			name:   "nothing in the last segment",
			damage: func(t *testing.T, paths []string) { os.Truncate(paths[len(paths)-1], 0) },
			gaps:   []string{"unclean-stop 0"}, requests: 10,
		},
		{
			name: "only half a line in the last segment",
			damage: func(t *testing.T, paths []string) {
				os.Truncate(paths[len(paths)-1], 0)
				appendTo(t, paths[len(paths)-1], garbage)
			},
			gaps: []string{"torn 0", "unclean-stop 0"}, requests: 10, torn: garbage,
		},
		{
			name: "only half a line in all",
			damage: func(t *testing.T, paths []string) {
				for _, p := range paths[1:] {
					os.Remove(p)
				}
				os.Truncate(paths[0], 0)
				appendTo(t, paths[0], garbage)
			},
			gaps: []string{"torn 0", "unclean-stop 0"}, torn: garbage,
		},
		{
			name: "nothing at all",
			damage: func(t *testing.T, paths []string) {
				for _, p := range paths[1:] {
					os.Remove(p)
				}
				os.Truncate(paths[0], 0)
			},
			gaps: []string{"unclean-stop 0"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := options(t)
			o.SegmentBytes = 4 * 1500 // three segments
			j := open(t, o)
			for i := range 12 {
				record(t, j, event(i))
			}
			closeJournal(t, j)
			paths := segments(t, o.Dir)
			if len(paths) != 3 {
				t.Fatalf("%d segments, want 3", len(paths))
			}
			tc.damage(t, paths)
			if r := verify(t, o); r.OK() == tc.faulty || len(r.OpenTails) != 1 {
				t.Errorf("before recovery: %+v", r)
			}
			closeJournal(t, open(t, o))
			r := mustPass(t, o)
			if len(r.OpenTails) != 0 || r.Epochs != 2 {
				t.Errorf("report %+v", r)
			}
			if diff := cmp.Diff(tc.gaps, gaps(t, o.Dir)); diff != "" {
				t.Error(diff)
			}
			if n := len(requests(t, o.Dir)); n != tc.requests {
				t.Errorf("%d events, want %d", n, tc.requests)
			}
			torn, err := filepath.Glob(filepath.Join(o.Dir, "*.torn"))
			if err != nil {
				t.Fatal(err)
			}
			if (tc.torn != "") != (len(torn) == 1) {
				t.Fatalf("torn files %v", torn)
			}
			if tc.torn == "" {
				return
			}
			data, err := os.ReadFile(torn[0])
			if err != nil || tc.torn != "*" && string(data) != tc.torn {
				t.Errorf("torn bytes %q, %v", data, err)
			}
			for e := range audit.Read(o.Dir, audit.Filter{Kinds: []audit.Kind{audit.KindGap}}) {
				if e.Reason == audit.GapTorn && e.SHA256 != sha(string(data)) {
					t.Errorf("the gap line does not name the torn bytes")
				}
			}
		})
	}
}

// Recovery must not cover up a deletion: a stream whose end is missing stays
// as it is and Verify goes on finding it.
func TestRecoveryLeavesDeletionsAlone(t *testing.T) {
	o := options(t)
	o.SegmentBytes = 4 * 1500
	j := open(t, o)
	for i := range 12 {
		record(t, j, event(i))
	}
	closeJournal(t, j)
	paths := segments(t, o.Dir)
	if err := os.Remove(paths[len(paths)-1]); err != nil {
		t.Fatal(err)
	}
	closeJournal(t, open(t, o))
	if r := verify(t, o); r.OK() {
		t.Error("the deletion was covered up")
	}
}

// The stream of a live writer in the same process is nobody else's to close.
func TestLiveStreamIsLeftAlone(t *testing.T) {
	o := options(t)
	first := open(t, o)
	record(t, first, event(0))
	for range 3 {
		closeJournal(t, open(t, o))
	}
	record(t, first, event(1))
	closeJournal(t, first)
	if r := mustPass(t, o); len(r.Gaps) != 0 || r.Epochs != 4 {
		t.Errorf("report %+v", r)
	}
}

// The note about closed epochs saves work; it must not hide a dead stream.
func TestManyEpochs(t *testing.T) {
	o := options(t)
	long := open(t, o)
	for range 70 {
		closeJournal(t, open(t, o))
	}
	record(t, long, event(0))
	closeJournal(t, long)
	cutLines(t, segments(t, o.Dir)[0], 1) // as if it had been killed
	closeJournal(t, open(t, o))
	if diff := cmp.Diff([]string{"unclean-stop 0"}, gaps(t, o.Dir)); diff != "" {
		t.Error(diff)
	}
	mustPass(t, o)
}

func cutLines(t testing.TB, path string, n int) {
	t.Helper()
	lines := readLines(t, path)
	lines = lines[:len(lines)-n]
	text := ""
	if len(lines) > 0 {
		text = strings.Join(lines, "\n") + "\n"
	}
	writeFile(t, path, text)
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func appendTo(t testing.TB, path, text string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, string(data)+text)
}
