package store

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/attribproxy/attribproxy/audit"
)

const plainLine = `{"v":1,"source":"host-1","epoch":1,"seq":2,"prev":"00000000000000000000000000000000000000000000000000000000000000aa","time":"2026-03-01T12:00:00.000000001Z","kind":"request","outcome":"attributed","reason":"rule \"contoso\" matched","ids":["pid-1","pid-2"],"path":"/a","status":201,"duration_ms":0.125,"bytes_up":7}`

// Whatever the quick parser accepts, the journal's own accepts and reads the same.
func FuzzParse(f *testing.F) {
	f.Add(plainLine)
	for _, change := range [][2]string{
		{`"v":1`, `"v":2`},
		{`"v":1`, `"v":01`},
		{`"v":1`, `"V":1`},
		{`201`, `2e2`},
		{`201`, `-1`},
		{`0.125`, `0.`},
		{`0.125`, `00.1`},
		{`"/a"`, `"/a?b"`},
		{`"/a"`, `null`},
		{`"/a"`, `"\u0041"`},
		{`03-01T`, `02-30T`},
		{`"ids":[`, `"ids":[,`},
		{`:7}`, `:7} `},
		{`:7}`, `:7,}`},
		{`"bytes_up":7`, `"path":"/b","path":"/c"`},
		{`["pid-1","pid-2"]`, `[]`},
		{`request`, `gap`},
		{`aa"`, `AA"`},
		{`\"contoso`, `\\\"contoso`},
		{`12:00:00`, `23:59:60`},
		{`/a`, "/\xff"},
		{`/a`, "/\x01"},
	} {
		f.Add(strings.Replace(plainLine, change[0], change[1], 1))
	}
	f.Fuzz(func(t *testing.T, line string) {
		var got audit.Event
		if !parsePlain([]byte(line), &got) {
			return
		}
		want, err := audit.ParseLine([]byte(line))
		if err != nil {
			t.Fatalf("accepted, but %v: %q", err, line)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", line, diff)
		}
	})
}

// What the journal writes is nearly always read the quick way.
func TestParsePlain(t *testing.T) {
	var e audit.Event
	if !parsePlain([]byte(plainLine), &e) || e.Reason != `rule "contoso" matched` || len(e.IDs) != 2 {
		t.Errorf("%+v", e)
	}
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(plainLine)))
	for b.Loop() {
		if _, err := parse([]byte(plainLine)); err != nil {
			b.Fatal(err)
		}
	}
}
