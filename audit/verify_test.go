package audit_test

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/attribproxy/attribproxy/audit"
)

// journalOf makes a journal of two closed streams with several segments each
// and one stream whose writer lives.
func journalOf(t testing.TB) audit.Options {
	t.Helper()
	o := options(t)
	o.SegmentBytes = 4 * 1500
	for range 2 {
		j := open(t, o)
		for i := range 14 {
			record(t, j, event(i))
		}
		closeJournal(t, j)
	}
	j := open(t, o)
	for i := range 14 {
		record(t, j, event(i))
	}
	t.Cleanup(func() { j.Close() })
	return o
}

// copyJournal gives a test its own files to damage.
func copyJournal(t testing.TB, o audit.Options) audit.Options {
	t.Helper()
	dir := t.TempDir()
	for _, path := range segments(t, o.Dir) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, filepath.Base(path)), string(data))
	}
	o.Dir = dir
	return o
}

// editLines changes the lines of one segment.
func editLines(t testing.TB, path string, edit func([]string) []string) {
	t.Helper()
	lines := edit(readLines(t, path))
	writeFile(t, path, strings.Join(lines, "\n")+"\n")
}

func TestVerifySound(t *testing.T) {
	o := journalOf(t)
	r := mustPass(t, o)
	if r.Epochs != 3 || r.Segments != 9 || r.Seals != 8 || !r.Signed || len(r.KeyIDs) != 1 {
		t.Errorf("report %+v", r)
	}
	if len(r.OpenTails) != 1 || r.OpenTails[0].Epoch != 3 || r.OpenTails[0].Unsealed != 4 || r.OpenTails[0].Torn != 0 {
		t.Errorf("open tails %+v", r.OpenTails)
	}
}

// Every kind of tampering is found, and the place named.
func TestVerifyFinds(t *testing.T) {
	o := journalOf(t)
	_, stranger, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	// The first stream's second segment, in which tests meddle; its lines
	// are seq 7 to 12.
	const file = "00000001-0002.jsonl"
	for _, tc := range []struct {
		name   string
		damage func(t *testing.T, dir string)
		o      audit.VerifyOptions
		want   string // within one of the faults
		noKey  bool   // without the key it must pass
	}{
		{
			name: "a changed value",
			damage: func(t *testing.T, dir string) {
				editLines(t, filepath.Join(dir, file), func(l []string) []string {
					l[2] = strings.Replace(l[2], `"status":201`, `"status":403`, 1)
					return l
				})
			},
			want: file + ", seq 9: the line was changed",
		},
		{
			name: "a changed last line before the seal",
			damage: func(t *testing.T, dir string) {
				editLines(t, filepath.Join(dir, file), func(l []string) []string {
					l[len(l)-2] = strings.Replace(l[len(l)-2], "attributed", "no-rule", 1)
					return l
				})
			},
			want: file + ", seq 11: the line was changed",
		},
		{
			name: "a changed first line of a segment",
			damage: func(t *testing.T, dir string) {
				editLines(t, filepath.Join(dir, file), func(l []string) []string {
					l[0] = strings.Replace(l[0], "attributed", "no-rule", 1)
					return l
				})
			},
			want: file + ", seq 7: the line was changed",
		},
		{
			name: "a line that is no JSON any more",
			damage: func(t *testing.T, dir string) {
				editLines(t, filepath.Join(dir, file), func(l []string) []string { l[1] = l[1][:40]; return l })
			},
			want: file + ", seq 8: the line was changed",
		},
		{
			name: "a removed line",
			damage: func(t *testing.T, dir string) {
				editLines(t, filepath.Join(dir, file), func(l []string) []string { return slices.Delete(l, 2, 3) })
			},
			want: file + ", seq 9: line 9 is missing",
		},
		{
			name: "removed lines",
			damage: func(t *testing.T, dir string) {
				editLines(t, filepath.Join(dir, file), func(l []string) []string { return slices.Delete(l, 1, 4) })
			},
			want: file + ", seq 8: lines 8 to 10 are missing",
		},
		{
			name: "exchanged lines",
			damage: func(t *testing.T, dir string) {
				editLines(t, filepath.Join(dir, file), func(l []string) []string { l[1], l[2] = l[2], l[1]; return l })
			},
			want: file + ", seq 8: line 8 is missing",
		},
		{
			name: "a repeated line",
			damage: func(t *testing.T, dir string) {
				editLines(t, filepath.Join(dir, file), func(l []string) []string { return slices.Insert(l, 2, l[1]) })
			},
			want: file + ", seq 8: the line stands behind line 8",
		},
		{
			name: "an empty line",
			damage: func(t *testing.T, dir string) {
				editLines(t, filepath.Join(dir, file), func(l []string) []string { return slices.Insert(l, 2, "") })
			},
			want: file + ", seq 9: the line was changed",
		},
		{
			name: "a line after the seal",
			damage: func(t *testing.T, dir string) {
				editLines(t, filepath.Join(dir, file), func(l []string) []string { return append(l, l[2]) })
			},
			want: file + ", seq 13: a line follows the seal",
		},
		{
			name:   "bytes after the seal",
			damage: func(t *testing.T, dir string) { appendTo(t, filepath.Join(dir, file), "x") },
			want:   file + ", seq 12: 1 bytes follow the seal",
		},
		{
			name:   "bytes after the final seal",
			damage: func(t *testing.T, dir string) { appendTo(t, filepath.Join(dir, "00000001-0003.jsonl"), "x") },
			want:   "00000001-0003.jsonl, seq 17: 1 bytes follow the final seal",
		},
		{
			name:   "a segment cut short",
			damage: func(t *testing.T, dir string) { cutLines(t, filepath.Join(dir, file), 2) },
			want:   file + ", seq 10: the segment does not end with a seal",
		},
		{
			name:   "a segment emptied",
			damage: func(t *testing.T, dir string) { writeFile(t, filepath.Join(dir, file), "") },
			want:   file,
		},
		{
			name:   "a segment deleted",
			damage: func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, file)) },
			want:   "00000001-0003.jsonl: segment 2 is missing",
		},
		{
			name:   "the first segment deleted",
			damage: func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, "00000001-0001.jsonl")) },
			want:   "00000001-0002.jsonl, seq 7: the segments before this one are missing",
		},
		{
			name:   "the last segment deleted",
			damage: func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, "00000001-0003.jsonl")) },
			want:   file + ", seq 12: the seal is not final, but the next segment is missing",
		},
		{
			name: "an epoch deleted",
			damage: func(t *testing.T, dir string) {
				for _, path := range segments(t, dir) {
					if strings.Contains(path, "00000002-") {
						os.Remove(path)
					}
				}
			},
			want: "epoch 2: the whole epoch is missing",
		},
		{
			name: "the first epoch deleted",
			damage: func(t *testing.T, dir string) {
				for _, path := range segments(t, dir) {
					if strings.Contains(path, "00000001-") {
						os.Remove(path)
					}
				}
			},
			want: "epoch 1: the whole epoch is missing",
		},
		{
			name: "segments exchanged between streams",
			damage: func(t *testing.T, dir string) {
				a, b := filepath.Join(dir, file), filepath.Join(dir, "00000002-0002.jsonl")
				os.Rename(a, a+".tmp")
				os.Rename(b, a)
				os.Rename(a+".tmp", b)
			},
			want: "the line is of epoch 2, its file of 1",
		},
		{
			name: "the final seal's time",
			damage: func(t *testing.T, dir string) {
				editLines(t, filepath.Join(dir, "00000001-0003.jsonl"), func(l []string) []string {
					l[len(l)-1] = strings.Replace(l[len(l)-1], "2026-", "2025-", 1)
					return l
				})
			},
			want: "00000001-0003.jsonl, seq 17: the seal was changed",
		},
		{
			name: "a space in the final seal",
			damage: func(t *testing.T, dir string) {
				editLines(t, filepath.Join(dir, "00000001-0003.jsonl"), func(l []string) []string {
					l[len(l)-1] = strings.Replace(l[len(l)-1], `,"kind"`, `, "kind"`, 1)
					return l
				})
			},
			want: "00000001-0003.jsonl, seq 17: the seal was changed",
		},
		{
			name: "the final seal's signature",
			damage: func(t *testing.T, dir string) {
				editLines(t, filepath.Join(dir, "00000001-0003.jsonl"), func(l []string) []string {
					last := l[len(l)-1]
					i := strings.Index(last, `"sig":"`) + len(`"sig":"`)
					c := "A"
					if last[i] == 'A' {
						c = "B"
					}
					l[len(l)-1] = last[:i] + c + last[i+1:]
					return l
				})
			},
			want:  "00000001-0003.jsonl, seq 17: the seal's signature is wrong",
			noKey: true,
		},
		{
			name: "the stream rewritten, its seals kept",
			damage: func(t *testing.T, dir string) {
				rewrite(t, dir, 1, nil, func(e *audit.Event) { e.Rule = "another" })
			},
			want:  "seq 6: the seal's signature is wrong",
			noKey: true,
		},
		{
			name: "the stream rewritten and signed with another key",
			damage: func(t *testing.T, dir string) {
				rewrite(t, dir, 1, stranger, func(e *audit.Event) { e.Rule = "another" })
			},
			want:  "seq 6: the seal is signed with another key",
			noKey: true,
		},
		{
			name:   "another key asked for",
			damage: func(*testing.T, string) {},
			o:      audit.VerifyOptions{Key: stranger.Public().(ed25519.PublicKey)},
			want:   "seq 6: the seal is signed with another key",
			noKey:  true,
		},
		{
			name:   "a head that is not there",
			damage: func(*testing.T, string) {},
			o:      audit.VerifyOptions{Head: sha("")},
			want:   "no line has the hash",
			noKey:  true,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := copyJournal(t, o)
			tc.damage(t, c.Dir)
			if tc.o.Key == nil {
				tc.o.Key = publicKey(t, o)
			}
			r, err := audit.Verify(c.Dir, tc.o)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(r.Faults, func(f audit.Fault) bool { return strings.Contains(f.String(), tc.want) }) {
				t.Errorf("no fault says %q; faults: %v", tc.want, r.Faults)
			}
			if len(r.Faults) > 8 {
				t.Errorf("%d faults for one deed", len(r.Faults))
			}
			// The neighbour is innocent.
			if tc.o.Head == "" && !strings.Contains(tc.name, "another key asked") && !strings.Contains(tc.name, "exchanged between") {
				for _, f := range r.Faults {
					if f.Epoch == 3 {
						t.Errorf("fault in another stream: %v", f)
					}
				}
			}
			without, err := audit.Verify(c.Dir, audit.VerifyOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if without.OK() != tc.noKey {
				t.Errorf("without the key: %v", without.Faults)
			}
		})
	}
}

// rewrite forges a whole stream: changed, chained anew, and sealed with a key
// when one is given.
func rewrite(t testing.TB, dir string, epoch int, key ed25519.PrivateKey, change func(*audit.Event)) {
	t.Helper()
	prev := strings.Repeat("0", 64)
	for _, path := range segments(t, dir) {
		if !strings.HasPrefix(filepath.Base(path), fmt.Sprintf("%08d-", epoch)) {
			continue
		}
		var out []byte
		for _, line := range readLines(t, path) {
			e, err := audit.ParseLine([]byte(line))
			if err != nil {
				t.Fatal(err)
			}
			e.Prev = prev
			if e.Kind != audit.KindSeal {
				change(&e)
			} else if key != nil {
				audit.SignSeal(key, &e)
			}
			start := len(out)
			if out, err = audit.AppendLine(out, &e); err != nil {
				t.Fatal(err)
			}
			prev = sha(string(out[start : len(out)-1]))
		}
		writeFile(t, path, string(out))
	}
}

// No byte of a closed stream can be changed, removed or doubled without being
// found.
func TestVerifyFindsAnyByte(t *testing.T) {
	o := options(t)
	o.SegmentBytes = 3 * 1500
	for n := range 3 { // the last one is empty but for its seal
		j := open(t, o)
		for i := range 8 - 4*n {
			record(t, j, event(i))
		}
		closeJournal(t, j)
	}
	key := publicKey(t, o)
	paths := segments(t, o.Dir)
	originals := map[string][]byte{}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		originals[path] = data
	}
	rapid.Check(t, func(rt *rapid.T) {
		path := rapid.SampledFrom(paths).Draw(rt, "path")
		data := slices.Clone(originals[path])
		i := rapid.IntRange(0, len(data)-1).Draw(rt, "at")
		switch rapid.IntRange(0, 2).Draw(rt, "how") {
		case 0:
			data[i] ^= byte(rapid.IntRange(1, 255).Draw(rt, "flip"))
		case 1:
			data = slices.Delete(data, i, i+1)
		case 2:
			data = slices.Insert(data, i, byte(rapid.IntRange(0, 255).Draw(rt, "insert")))
		}
		// Without its LF a final seal is a torn tail: as good as not there.
		if bytes.Equal(data, originals[path]) || bytes.Equal(append(data, '\n'), originals[path]) {
			rt.Skip()
		}
		writeFile(t, path, string(data))
		defer writeFile(t, path, string(originals[path]))
		r, err := audit.Verify(o.Dir, audit.VerifyOptions{Key: key})
		if err != nil {
			rt.Fatal(err)
		}
		if r.OK() && len(r.OpenTails) == 0 {
			rt.Fatalf("not found in %s at %d", path, i)
		}
	})
}

func TestVerifyHead(t *testing.T) {
	o := options(t)
	j := open(t, o)
	record(t, j, event(0))
	middle := j.Head()
	record(t, j, event(1))
	closeJournal(t, j)
	for name, tc := range map[string]struct {
		head string
		want string
	}{
		"the last line": {j.Head().Hash, "1/3"},
		"upper case":    {strings.ToUpper(j.Head().Hash), "1/3"},
		"an older line": {middle.Hash, "1/1"},
	} {
		r, err := audit.Verify(o.Dir, audit.VerifyOptions{Head: tc.head})
		if err != nil || !r.OK() || r.HeadFound != tc.want {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	// The tail is cut off: nothing but the head shows it.
	cutLines(t, segments(t, o.Dir)[0], 2)
	if r := mustPass(t, o); len(r.OpenTails) != 1 {
		t.Errorf("report %+v", r)
	}
	if r, err := audit.Verify(o.Dir, audit.VerifyOptions{Head: j.Head().Hash}); err != nil || r.OK() {
		t.Errorf("the cut was not found: %+v, %v", r, err)
	}
	if _, err := audit.Verify(o.Dir, audit.VerifyOptions{Head: "beef"}); err == nil {
		t.Error("half a hash was accepted")
	}
	if _, err := audit.Verify(filepath.Join(o.Dir, "nowhere"), audit.VerifyOptions{}); err == nil {
		t.Error("a directory that is not there passed")
	}
}

// Verify and readers work beside a writer that rotates and deletes all the
// time, and see no fault.
func TestVerifyBesideWriter(t *testing.T) {
	o := options(t)
	o.SegmentBytes, o.RetainBytes = 3000, 20_000
	j := open(t, o)
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				record(t, j, event(i))
			}
		}
	}()
	for range 60 {
		r, err := audit.Verify(o.Dir, audit.VerifyOptions{Key: publicKey(t, o)})
		if err != nil {
			if strings.Contains(err.Error(), "being changed") {
				continue // ten times in a row; it says so and no more
			}
			t.Fatal(err)
		}
		for _, f := range r.Faults {
			t.Errorf("fault: %s", f)
		}
		for _, err := range audit.Read(o.Dir, audit.Filter{}) {
			if err != nil {
				t.Error(err)
			}
		}
	}
	close(stop)
	<-done
	closeJournal(t, j)
	mustPass(t, o)
}
