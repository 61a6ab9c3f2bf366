package report_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/attribproxy/attribproxy/audit"
	"github.com/attribproxy/attribproxy/audit/report"
	"github.com/attribproxy/attribproxy/audit/store"
	"github.com/attribproxy/attribproxy/audit/store/storetest"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hostile is what a client may put into names that end up in reports.
var hostile = []string{
	`=HYPERLINK("http://evil.example","x")`, "<script>alert(1)</script>", "a|b`c`*d*_e_[f](http://evil.example)@team\n# head",
	"\x1b[31mred\u202egpj.exe", "+1", "\t=1+1", "＝1", `"quoted", 'and' \ back`,
}

func event(seq uint64, change func(*audit.Event)) audit.Event {
	return storetest.Event(seq, func(e *audit.Event) {
		e.Time = time.Date(2026, 3, 1+int(seq)%5, 12, 0, 0, 0, time.UTC)
		change(e)
	})
}

func testEvents() []audit.Event {
	var events []audit.Event
	add := func(n int, change func(*audit.Event)) {
		for range n {
			events = append(events, event(uint64(len(events)+1), change))
		}
	}
	outcome := func(name string, status int) func(*audit.Event) {
		return func(e *audit.Event) { e.Outcome, e.Status = name, status }
	}
	add(1200, outcome("attributed", 201))
	add(3, outcome("already-attributed", 200))
	add(2, outcome("replaced", 200))
	add(4, func(e *audit.Event) {
		e.Outcome, e.Rule, e.IDs, e.TemplateIDs, e.UAOut = "no-rule", "", nil, []string{"pid-3f2504e0-4f89-41d3-9a0c-0305e82c3301"}, ""
	})
	add(7, func(e *audit.Event) { e.Outcome, e.Rule, e.IDs, e.UAOut, e.Tool = "no-rule", "", nil, "", "curl" })
	add(2, outcome("conflict-kept", 200))
	add(5, outcome("would-attribute", 200))
	add(6, outcome("excluded", 200))
	add(8, outcome("not-eligible", 200))
	add(1, outcome("batch", 200))
	add(9, outcome("attributed", 409))
	add(1, outcome("rejected", 0))
	add(1, outcome("bypass", 0))
	add(2, func(e *audit.Event) { e.Kind, e.Status = audit.KindIntent, 0 })
	add(1, func(e *audit.Event) {
		*e = audit.Event{V: 1, Source: e.Source, Epoch: 1, Seq: e.Seq, Prev: e.Prev, Time: e.Time, Kind: audit.KindGap, Reason: audit.GapOverflow, Count: 12}
	})
	for _, name := range hostile {
		add(1, func(e *audit.Event) { e.Rule, e.Process = name, name })
	}
	return events
}

func build(t testing.TB, events []audit.Event, o report.Options, reached ...store.Position) *report.Report {
	t.Helper()
	s := storetest.NewReference()
	if err := s.Append(t.Context(), events, reached...); err != nil {
		t.Fatal(err)
	}
	if o.Source == "" {
		o.Source = "/var/lib/attribproxy/audit"
	}
	o.Now = time.Date(2026, 3, 6, 8, 0, 0, 0, time.UTC)
	r, err := report.Build(t.Context(), s, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func standard(t testing.TB) *report.Report {
	return build(t, testEvents(), report.Options{
		By:     []report.Grouping{{store.ByDay}, {store.ByRule}, {store.ByTool, store.ByOutcome}, {"label:team"}},
		Source: "/srv/<audit>|\x1b[31m",
		Query:  store.Query{Filter: audit.Filter{Since: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}},
	}, store.Position{Epoch: 1, Segment: 1, Damaged: 2}, store.Position{Epoch: 2, Segment: 1, Damaged: 1})
}

// Every form of the report, as it is.
func TestGolden(t *testing.T) {
	for name, r := range map[string]*report.Report{"full": standard(t), "empty": build(t, nil, report.Options{By: report.Standard()})} {
		for _, format := range report.Formats() {
			render, ok := report.RendererFor(format)
			if !ok {
				t.Fatalf("no renderer for %s", format)
			}
			var b bytes.Buffer
			if err := render(&b, r); err != nil {
				t.Fatal(err)
			}
			golden(t, name+"."+format, b.String())
		}
		var b bytes.Buffer
		if err := (report.Gate{Minimum: 95}).JUnit(&b, r); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".junit", b.String())
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("go test ./audit/report -update writes %s anew: %s", name, diff)
	}
}

func render(t *testing.T, format string) string {
	t.Helper()
	f, _ := report.RendererFor(format)
	var b bytes.Buffer
	if err := f(&b, standard(t)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Every form says what its numbers do not show, and what no percentage does.
func TestEveryFormStatesLimits(t *testing.T) {
	for _, format := range report.Formats() {
		out := render(t, format)
		for _, want := range []string{"credit", "new deployments only", "AKS", "Batch", "perhaps only one"} {
			if !strings.Contains(out, want) {
				t.Errorf("%s does not say %q", format, want)
			}
		}
		for _, want := range []string{"unknown", "conflict", "excluded", "failed", "damaged"} {
			if !strings.Contains(strings.ToLower(out), want) {
				t.Errorf("%s does not show %s", format, want)
			}
		}
	}
}

// Nothing that a client sent drives a terminal, whatever the form.
func TestNoControls(t *testing.T) {
	for _, format := range report.Formats() {
		if format == "json" {
			continue // has its own escapes, below
		}
		out := render(t, format)
		if i := strings.IndexAny(out, "\x1b\u202e\x00"); i >= 0 {
			t.Errorf("%s: control character at %d", format, i)
		}
	}
}

func TestJSON(t *testing.T) {
	var got struct {
		Total struct {
			Coverage                   float64
			Tagged, Eligible, Untagged int
			NoRule                     int `json:"no_rule"`
		}
	}
	if err := json.Unmarshal([]byte(render(t, "json")), &got); err != nil {
		t.Fatal(err)
	}
	if c := got.Total; c.Tagged != 1217 || c.Eligible != 1231 || c.Untagged != 14 || c.NoRule != 7 || c.Coverage < 98.8 || c.Coverage > 98.9 {
		t.Errorf("%+v", got)
	}
}

// No cell can be taken for a formula by a spreadsheet.
func TestCSV(t *testing.T) {
	rows, err := csv.NewReader(strings.NewReader(render(t, "csv"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		checkCells(t, row)
	}
	if rows[1][0] != "total" || rows[0][4] != "requests" {
		t.Errorf("%q", rows[:2])
	}
}

func checkCells(t *testing.T, row []string) {
	t.Helper()
	for _, cell := range row {
		if regexp.MustCompile(`^\s*[=+\-@|%\t\r]`).MatchString(cell) || regexp.MustCompile(`^\s*[＝＋－＠]`).MatchString(cell) {
			t.Errorf("the cell %q is a formula", cell)
		}
	}
}

// The page asks nobody for anything and runs nothing.
func TestHTML(t *testing.T) {
	out := render(t, "html")
	for _, bad := range []string{"<script", "<link", "<img", "<iframe", "src=", "href=", "url(", "@import", "evil.example\"", "onload"} {
		if strings.Contains(out, bad) {
			t.Errorf("the page contains %q", bad)
		}
	}
	dec := xml.NewDecoder(strings.NewReader(out))
	dec.Strict, dec.AutoClose, dec.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	for {
		if _, err := dec.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(out, "<title>2026-03-0"); n != 5 {
		t.Errorf("%d bars for 5 days", n)
	}
}

// Long times are drawn in fewer bars, and none is lost.
func TestHTMLManyDays(t *testing.T) {
	var events []audit.Event
	for i := range uint64(3000) {
		events = append(events, event(i+1, func(e *audit.Event) { e.Time = time.Date(2020, 1, 1+int(i), 0, 0, 0, 0, time.UTC) }))
	}
	for _, n := range []int{1, 2, 184, 185, 1000, 3000} {
		r := build(t, events[:n], report.Options{By: []report.Grouping{{store.ByDay}}})
		var b bytes.Buffer
		if err := report.HTML(&b, r); err != nil {
			t.Fatal(err)
		}
		bars := regexp.MustCompile(`<title>\d{4}-\d\d-\d\d: (\d+) tagged`).FindAllStringSubmatch(b.String(), -1)
		sum := 0
		for _, bar := range bars {
			for _, d := range bar[1] {
				sum += int(d - '0') // of one digit or two that do not matter
			}
		}
		if len(bars) == 0 || len(bars) > 184 || n <= 184 && sum != n {
			t.Errorf("%d days: %d bars, %d writes", n, len(bars), sum)
		}
	}
}

// A value in a table of Markdown means nothing but itself.
func TestMarkdown(t *testing.T) {
	for line := range strings.SplitSeq(render(t, "markdown"), "\n") {
		if strings.Contains(line, "evil.example") || strings.ContainsAny(line, "`[]<>@") {
			t.Errorf("not escaped: %s", line)
		}
		if strings.HasPrefix(line, "| ") && strings.Contains(line, "gpj") && strings.Count(line, "|") != 11 {
			t.Errorf("cells: %s", line)
		}
	}
}

func writes(tagged, untagged int) []audit.Event {
	var events []audit.Event
	for i := range tagged + untagged {
		events = append(events, event(uint64(i+1), func(e *audit.Event) {
			if i >= tagged {
				e.Outcome = "no-rule"
			}
		}))
	}
	return events
}

func TestGate(t *testing.T) {
	for _, c := range []struct {
		tagged, untagged int
		gate             report.Gate
		want             bool
	}{
		{19, 1, report.Gate{Minimum: 95}, true},
		{18, 1, report.Gate{Minimum: 95}, false},
		{1999, 1, report.Gate{Minimum: 100}, false}, // no rounding up
		{3, 0, report.Gate{Minimum: 100}, true},
		{2, 1, report.Gate{Minimum: 66.6}, true},
		{2, 1, report.Gate{Minimum: 66.7}, false},
		{0, 1, report.Gate{Minimum: 0}, true},
		{0, 0, report.Gate{Minimum: 0}, false},
		{0, 0, report.Gate{Minimum: 95, AllowEmpty: true}, true},
		{0, 1, report.Gate{Minimum: 95, AllowEmpty: true}, false},
		{1, 0, report.Gate{Minimum: 95, AllowDamaged: true}, true},
	} {
		r := build(t, writes(c.tagged, c.untagged), report.Options{})
		if got := c.gate.Judge(r); got.Passed != c.want || got.Reason == "" {
			t.Errorf("%d tagged, %d not, %+v: %+v", c.tagged, c.untagged, c.gate, got)
		}
	}
}

// Lines that cannot be read may have been untagged writes: whatever the
// coverage, it is not shown, unless the gate is told to pass over them.
func TestGateDamaged(t *testing.T) {
	damaged := store.Position{Epoch: 1, Segment: 1, Damaged: 3}
	tagged := []audit.Event{event(1, func(*audit.Event) {})}
	for _, c := range []struct {
		events []audit.Event
		gate   report.Gate
		want   bool
	}{
		{tagged, report.Gate{Minimum: 95}, false},
		{tagged, report.Gate{Minimum: 95, AllowEmpty: true}, false},
		{tagged, report.Gate{Minimum: 95, AllowDamaged: true}, true},
		{nil, report.Gate{AllowEmpty: true}, false},
		{nil, report.Gate{AllowDamaged: true}, false},
		{nil, report.Gate{AllowEmpty: true, AllowDamaged: true}, true},
	} {
		r := build(t, c.events, report.Options{}, damaged)
		if r.Total.Damaged != 3 {
			t.Fatalf("%d damaged lines", r.Total.Damaged)
		}
		got := c.gate.Judge(r)
		if got.Passed != c.want || strings.Contains(got.Reason, "3 lines of the journal cannot be read") == c.gate.AllowDamaged {
			t.Errorf("%d events, %+v: %+v", len(c.events), c.gate, got)
		}
		if said := strings.Join(report.Beside(r.Total), "\n"); !strings.Contains(said, "3 lines") {
			t.Errorf("beside: %q", said)
		}
	}
}

// What is shown never speaks against the verdict, and no share is off by what
// floats cannot hold.
func TestGateSays(t *testing.T) {
	for _, c := range []struct {
		tagged, untagged int
		minimum          float64
		passed           bool
		reason           string
	}{
		{29, 71, 29, true, "coverage is 29.0 % (29 of 100 eligible writes), the minimum is 29 %"},
		{57, 43, 57, true, "coverage is 57.0 % (57 of 100 eligible writes), the minimum is 57 %"},
		{57, 43, 57.000000000001, false, "coverage is 57.000000000000 % (57 of 100 eligible writes), the minimum is 57.000000000001 %"},
		{7, 4, 63.63, true, "coverage is 63.63 % (7 of 11 eligible writes), the minimum is 63.63 %"},
		{7, 4, 63.64, false, "coverage is 63.63 % (7 of 11 eligible writes), the minimum is 63.64 %"},
		{2, 1, 66.65, true, "coverage is 66.66 % (2 of 3 eligible writes), the minimum is 66.65 %"},
		{2, 1, 66.67, false, "coverage is 66.66 % (2 of 3 eligible writes), the minimum is 66.67 %"},
		{2, 1, 67, false, "coverage is 66.6 % (2 of 3 eligible writes), the minimum is 67 %"},
		{2, 0, 100, true, "coverage is 100.0 % (2 of 2 eligible writes), the minimum is 100 %"},
		{0, 0, 0, false, "there were no eligible writes that Azure answered with success, so a coverage of 0 % is not shown"},
		{1, 0, math.NaN(), false, "NaN % is no percentage"},
	} {
		r := build(t, writes(c.tagged, c.untagged), report.Options{})
		want := report.Verdict{Passed: c.passed, Reason: c.reason}
		if diff := cmp.Diff(want, report.Gate{Minimum: c.minimum}.Judge(r)); diff != "" {
			t.Error(diff)
		}
	}
}

// Every form shows the same percentage.
func TestSamePercentage(t *testing.T) {
	for _, c := range []struct {
		tagged, untagged int
		want             string
	}{{29, 71, "29.0"}, {57, 43, "57.0"}, {7, 4, "63.6"}, {2, 1, "66.6"}, {8, 4, "66.6"}, {1, 0, "100.0"}, {0, 1, "0.0"}} {
		r := build(t, writes(c.tagged, c.untagged), report.Options{By: []report.Grouping{{store.ByDay}}})
		for format, shown := range map[string]string{
			"text": "coverage  " + c.want + " %\n", "markdown": "Attribution coverage: " + c.want + " %\n",
			"csv": "\ntotal,," + c.want + ",", "json": `"coverage": ` + c.want + ",\n",
			"html": "<title>Attribution coverage: " + c.want + " %</title>",
		} {
			f, _ := report.RendererFor(format)
			var b bytes.Buffer
			if err := f(&b, r); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(b.String(), shown) {
				t.Errorf("%s of %d and %d does not contain %q", format, c.tagged, c.untagged, shown)
			}
		}
		var b bytes.Buffer
		if err := (report.Gate{}).JUnit(&b, r); err != nil {
			t.Fatal(err)
		}
		if want := `name="coverage" value="` + c.want + `"`; !strings.Contains(b.String(), want) {
			t.Errorf("JUnit does not contain %s", want)
		}
	}
}

// What does not fit is summed up, but for days.
func TestLimit(t *testing.T) {
	r := build(t, testEvents(), report.Options{By: []report.Grouping{{store.ByRule}, {store.ByDay}}, Limit: 3})
	rules, days := r.Tables[0].Rows, r.Tables[1].Rows
	if len(rules) != 4 || rules[3].More != 7 || len(days) != 5 {
		t.Fatalf("%d rules, %d days: %+v", len(rules), len(days), rules)
	}
	sum := 0
	for _, row := range rules {
		sum += int(row.Requests)
	}
	if sum != int(r.Total.Requests) {
		t.Errorf("%d requests in the rows, %d in all", sum, r.Total.Requests)
	}
}

func TestParseGrouping(t *testing.T) {
	for s, want := range map[string]string{"rule": "rule", "Rule + resource-type": "rule+resource_type", "label:team": "label:team"} {
		if g, err := report.ParseGrouping(s); err != nil || g.String() != want {
			t.Errorf("%s: %v, %v", s, g, err)
		}
	}
	for _, s := range []string{"", "colour", "rule+", "rule+rule", "label:"} {
		if g, err := report.ParseGrouping(s); err == nil {
			t.Errorf("%q: %v", s, g)
		}
	}
}

// Every field of an event has its column.
func TestEventCSV(t *testing.T) {
	var b bytes.Buffer
	out := report.NewEventCSV(&b)
	e := storetest.Event(7, func(e *audit.Event) {
		e.Reason, e.UAIn, e.Labels = hostile[0], "\x1b[31m=x", []string{"a=1", "b=2"}
		e.DurationMS, e.Status = 0.25, 201
	})
	seal := audit.Event{V: 1, Source: "host-1", Epoch: 1, Seq: 8, Kind: audit.KindSeal, Segment: 1, First: 1, Last: 8, Final: true, KeyID: "k", Sig: "s"}
	for _, e := range []audit.Event{e, seal} {
		if err := out.Write(&e); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Flush(); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(audit.Fields(), rows[0]); diff != "" {
		t.Error(diff)
	}
	for i, e := range []audit.Event{e, seal} {
		checkCells(t, rows[i+1])
		// Whatever is in the line is in the row, and nothing else is.
		var line map[string]any
		text, err := e.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &line); err != nil {
			t.Fatal(err)
		}
		for j, field := range rows[0] {
			if _, ok := line[field]; ok != (rows[i+1][j] != "") {
				t.Errorf("event %d: %s is %q", i, field, rows[i+1][j])
			}
		}
	}
}

// failing is a store that fails.
type failing struct{ store.Store }

func (failing) Tables(context.Context, store.Query, ...[]store.Dimension) ([][]store.Group, error) {
	return nil, errors.New("no")
}

func TestBuildFails(t *testing.T) {
	if _, err := report.Build(t.Context(), failing{}, report.Options{}); err == nil {
		t.Error("no error")
	}
}
