//go:build unix

package guarantee_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/attribproxy/attribproxy/audit"
)

// copied is a journal as an auditor has it: the files and the public key, on a
// machine that has nothing else of it.
type copied struct {
	dir  string // of the copy
	key  string
	head string // of the last line, as serve logged it
}

// take copies the journal of s.
func take(t *testing.T, s *site, head string) copied {
	t.Helper()
	c := copied{dir: filepath.Join(t.TempDir(), "evidence"), head: head}
	c.key = c.dir + ".pub"
	if err := os.CopyFS(c.dir, os.DirFS(s.journal)); err != nil {
		t.Fatal(err)
	}
	pub, err := os.ReadFile(s.publicKey())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(c.key, pub, 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c copied) path(file string) string { return filepath.Join(c.dir, file) }

// edit changes the lines of one segment, each with its LF.
func (c copied) edit(t *testing.T, file string, change func(lines [][]byte) [][]byte) {
	t.Helper()
	data, err := os.ReadFile(c.path(file))
	if err != nil {
		t.Fatal(err)
	}
	data = bytes.Join(change(bytes.SplitAfter(data, []byte("\n"))), nil)
	if err := os.WriteFile(c.path(file), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// remove deletes files by pattern.
func (c copied) remove(t *testing.T, pattern string) {
	t.Helper()
	files, err := filepath.Glob(c.path(pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("no file is %s: %v", pattern, err)
	}
	for _, f := range files {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
}

// resign writes the first stream anew, with a key of one's own.
func (c copied) resign(t *testing.T) {
	t.Helper()
	forged := t.TempDir()
	j, err := audit.Open(audit.Options{
		Dir: filepath.Join(forged, "audit"), Source: "guarantee", KeyFile: filepath.Join(forged, "key.pem"), SegmentBytes: 4 << 10,
	})
	if err != nil {
		t.Fatal(err)
	}
	for e, err := range audit.Read(c.dir, audit.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Epoch != 1 {
			continue
		}
		e.Outcome = "attributed"
		if err := j.Record(e).Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	c.remove(t, "00000001-*.jsonl")
	if err := fs.WalkDir(os.DirFS(filepath.Join(forged, "audit")), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasPrefix(path, "00000001-") {
			return err
		}
		return os.Rename(filepath.Join(forged, "audit", path), c.path(path))
	}); err != nil {
		t.Fatal(err)
	}
}

// loggedHead is what serve says when it stops.
var loggedHead = regexp.MustCompile(`"head":"([0-9a-f]{64})"`)

// Each way of tampering that there is, done to a copy and looked for with the
// command line and the public key alone.
func TestTampering(t *testing.T) {
	t.Parallel()
	s := newSite(t, map[string]any{"guarantee": "strict", "segmentBytes": "4KiB"})
	var head string
	for range 2 { // two streams
		d := s.serve(t)
		pump(t, s, d, 24)
		if code := d.stop(t); code != 0 {
			t.Fatalf("exit code %d:\n%s", code, d.said())
		}
		head = loggedHead.FindStringSubmatch(d.said())[1]
	}
	const file = "00000001-0003.jsonl"
	// The seq of line 1 of that file, counted from 0.
	var seq uint64
	{
		data, err := os.ReadFile(filepath.Join(s.journal, file))
		if err != nil {
			t.Fatal(err)
		}
		e, err := audit.ParseLine(bytes.Split(data, []byte("\n"))[1])
		if err != nil {
			t.Fatal(err)
		}
		seq = e.Seq
	}
	at := fmt.Sprintf("%s, seq %d: ", file, seq)
	last := func(lines [][]byte) int { return len(lines) - 2 } // behind the last LF stands nothing

	for name, c := range map[string]struct {
		tamper   func(t *testing.T, c copied)
		says     string // "" for a sound journal
		headOnly bool   // only a hash that was kept elsewhere shows it
	}{
		"nothing": {tamper: func(*testing.T, copied) {}},
		"line changed": {says: at + "the line was changed", tamper: func(t *testing.T, c copied) {
			c.edit(t, file, func(l [][]byte) [][]byte {
				l[1] = bytes.Replace(l[1], []byte("guarantee/1.0"), []byte("guarantee/1.1"), 1)
				return l
			})
		}},
		"line removed": {says: at + "line", tamper: func(t *testing.T, c copied) {
			c.edit(t, file, func(l [][]byte) [][]byte { return slices.Delete(l, 1, 2) })
		}},
		"lines swapped": {says: at, tamper: func(t *testing.T, c copied) {
			c.edit(t, file, func(l [][]byte) [][]byte { l[1], l[2] = l[2], l[1]; return l })
		}},
		"line repeated": {says: at + "the line stands behind", tamper: func(t *testing.T, c copied) {
			c.edit(t, file, func(l [][]byte) [][]byte { return slices.Insert(l, 2, l[1]) })
		}},
		"line cut": {says: at + "the line was changed", tamper: func(t *testing.T, c copied) {
			c.edit(t, file, func(l [][]byte) [][]byte { l[1] = append(l[1][:len(l[1])/2:len(l[1])/2], '\n'); return l })
		}},
		"seal cut": {says: "the segment does not end with a seal", tamper: func(t *testing.T, c copied) {
			c.edit(t, file, func(l [][]byte) [][]byte { n := last(l); l[n] = l[n][:len(l[n])/2]; return l })
		}},
		"segment deleted": {says: "segment 3 is missing before this one", tamper: func(t *testing.T, c copied) {
			c.remove(t, file)
		}},
		"first segment deleted": {says: "00000001-0002.jsonl, seq ", tamper: func(t *testing.T, c copied) {
			c.remove(t, "00000001-0001.jsonl")
		}},
		"epoch deleted": {says: "epoch 1: the whole epoch is missing", tamper: func(t *testing.T, c copied) {
			c.remove(t, "00000001-*.jsonl")
		}},
		"signed with another key": {says: "the seal is signed with another key", tamper: func(t *testing.T, c copied) { c.resign(t) }},
		"end cut": {says: "no line has the hash", headOnly: true, tamper: func(t *testing.T, c copied) {
			files, _ := filepath.Glob(c.path("00000002-*.jsonl"))
			c.edit(t, filepath.Base(files[len(files)-1]), func(l [][]byte) [][]byte { return l[:last(l)] })
		}},
		"last epoch deleted": {says: "no line has the hash", headOnly: true, tamper: func(t *testing.T, c copied) {
			c.remove(t, "00000002-*.jsonl")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			j := take(t, s, head)
			c.tamper(t, j)
			args := []string{"audit", "verify", j.dir, "--key", j.key}
			code, stdout, stderr := s.run(t, args...)
			if sound := c.says == "" || c.headOnly; sound != (code == 0) || code != 0 && (code != 3 || !strings.Contains(stdout, c.says)) {
				t.Errorf("verify: exit code %d, want to hear %q\n%s%s", code, c.says, stdout, stderr)
			}
			code, stdout, stderr = s.run(t, append(args, "--head", j.head)...)
			if (c.says == "") != (code == 0) || code != 0 && (code != 3 || !strings.Contains(stdout, c.says)) {
				t.Errorf("verify --head: exit code %d, want to hear %q\n%s%s", code, c.says, stdout, stderr)
			}
		})
	}
}
