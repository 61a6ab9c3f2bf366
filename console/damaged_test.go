package console_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Lines that cannot be read stand on the overview and in every download: what
// they recorded is in no other figure.
func TestDamagedLinesAreShown(t *testing.T) {
	s := newSite(t, nil)
	s.record(events(3)...)
	if err := s.journal.Close(); err != nil {
		t.Fatal(err)
	}
	segments, err := filepath.Glob(filepath.Join(s.dir, "audit", "*.jsonl"))
	if err != nil || len(segments) == 0 {
		t.Fatalf("segments %q, %v", segments, err)
	}
	f, err := os.OpenFile(segments[0], os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("not json\n{\"v\":1}\n[]\n"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/":                    `<b class="num">3</b><span class="what">damaged</span>`,
		"/?period=today":       `<b class="num">3</b><span class="what">damaged</span>`,
		"/reports/report.html": `<dt>3</dt><dd>damaged`,
		"/reports/report.json": `"damaged": 3,`,
		"/reports/report.csv":  `,damaged`,
		"/reports/report.md":   `| damaged | 3 |`,
		"/reports/report.txt":  `damaged `,
	} {
		if status, body, _ := s.get(path); status != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d, without %q", path, status, want)
		}
	}
}
