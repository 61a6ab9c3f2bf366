package audit_test

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"pgregory.net/rapid"

	"github.com/attribproxy/attribproxy/audit"
)

// fullEvent has every field set.
func fullEvent(t testing.TB) audit.Event {
	t.Helper()
	e := audit.Event{Kind: audit.KindSeal, Time: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), Prev: sha("")}
	v := reflect.ValueOf(&e).Elem()
	for i := range v.NumField() {
		f := v.Field(i)
		if !f.IsZero() {
			continue
		}
		switch f.Kind() {
		case reflect.String:
			f.SetString("text-" + v.Type().Field(i).Name)
		case reflect.Int, reflect.Int64:
			f.SetInt(int64(i + 1))
		case reflect.Uint64:
			f.SetUint(uint64(i + 1))
		case reflect.Float64:
			f.SetFloat(float64(i) + 0.25)
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Slice:
			f.Set(reflect.ValueOf([]string{"one", "two"}))
		default:
			t.Fatalf("field %s has kind %v", v.Type().Field(i).Name, f.Kind())
		}
	}
	e.V = audit.SchemaVersion
	return e
}

// The constants, the struct's tags, the encoder and Fields name the same
// fields in the same order.
func TestFieldNames(t *testing.T) {
	e := fullEvent(t)
	line, err := audit.AppendLine(nil, &e)
	if err != nil {
		t.Fatal(err)
	}
	var inLine []string
	dec := json.NewDecoder(bytes.NewReader(line))
	for depth, key := 0, false; ; {
		token, err := dec.Token()
		if err != nil {
			break
		}
		switch d := token.(type) {
		case json.Delim:
			if d == '{' || d == '[' {
				depth++
			} else {
				depth--
			}
			key = d == '{' || d == ']'
		default:
			if key && depth == 1 {
				inLine = append(inLine, token.(string))
			}
			key = !key && depth == 1
		}
	}
	if diff := cmp.Diff(audit.Fields(), inLine); diff != "" {
		t.Errorf("Fields and the encoder differ: %s", diff)
	}
	var tags []string
	for f := range reflect.TypeFor[audit.Event]().Fields() {
		tags = append(tags, f.Tag.Get("json"))
	}
	want := slices.Clone(audit.Fields())
	slices.Sort(tags)
	slices.Sort(want)
	if diff := cmp.Diff(want, tags); diff != "" {
		t.Errorf("Fields and the struct's tags differ: %s", diff)
	}
	got, err := audit.ParseLine(bytes.TrimSuffix(line, []byte("\n")))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(e, got); diff != "" {
		t.Errorf("parsed differently than written: %s", diff)
	}
}

// docs/events.md describes every field, and no other, in the order of a line.
func TestDocumentedFields(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "docs", "events.md"))
	if err != nil {
		t.Fatal(err)
	}
	data, _, _ = bytes.Cut(data, []byte("\n## ")) // further tables are about values
	var documented []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)` \\|").FindAllSubmatch(data, -1) {
		documented = append(documented, string(m[1]))
	}
	if diff := cmp.Diff(audit.Fields(), documented); diff != "" {
		t.Error(diff)
	}
}

// An empty field is absent.
func TestEmptyFieldsAreOmitted(t *testing.T) {
	line, err := audit.AppendLine(nil, &audit.Event{Kind: audit.KindRequest})
	if err != nil {
		t.Fatal(err)
	}
	if got := string(line); got != "{\"kind\":\"request\"}\n" {
		t.Errorf("got %s", got)
	}
}

// A log entry and a journal line hold the same fields.
func TestLogUsesTheSameEncoder(t *testing.T) {
	e := event(1)
	line, err := audit.AppendLine(nil, &e)
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	core := zapcore.NewCore(zapcore.NewJSONEncoder(zapcore.EncoderConfig{MessageKey: "msg"}), zapcore.AddSync(&buf), zap.InfoLevel)
	zap.New(core).Info("request", zap.Inline(&e))
	want := `{"msg":"request",` + string(line[1:])
	if diff := cmp.Diff(want, buf.String()); diff != "" {
		t.Error(diff)
	}
}

func TestParseLineRefuses(t *testing.T) {
	e := event(1)
	e.V, e.Source, e.Epoch, e.Seq, e.Kind, e.Prev = 1, "host", 1, 1, audit.KindRequest, sha("")
	line, err := audit.AppendLine(nil, &e)
	if err != nil {
		t.Fatal(err)
	}
	good := strings.TrimSuffix(string(line), "\n")
	if _, err := audit.ParseLine([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ line, want string }{
		"nothing":         {"", "empty"},
		"no object":       {"[]", "cannot unmarshal"},
		"two objects":     {good + good, "more than one"},
		"half":            {good[:100], "unexpected EOF"},
		"unknown field":   {strings.Replace(good, `"rule"`, `"ruler"`, 1), "unknown field"},
		"newer version":   {strings.Replace(good, `"v":1`, `"v":2`, 1), "knows up to 1"},
		"no version":      {strings.Replace(good, `"v":1,`, ``, 1), "v is missing"},
		"no source":       {strings.Replace(good, `"source":"host",`, ``, 1), "source is missing"},
		"no epoch":        {strings.Replace(good, `"epoch":1,`, ``, 1), "epoch is missing"},
		"no seq":          {strings.Replace(good, `"seq":1,`, ``, 1), "seq is missing"},
		"negative seq":    {strings.Replace(good, `"seq":1,`, `"seq":-1,`, 1), "cannot unmarshal"},
		"short prev":      {strings.Replace(good, sha(""), "abc", 1), "prev is not"},
		"upper-case prev": {strings.Replace(good, sha(""), strings.ToUpper(sha("")), 1), "prev is not"},
		"unknown kind":    {strings.Replace(good, `"kind":"request"`, `"kind":"rumour"`, 1), "kind \"rumour\" is unknown"},
		"no time":         {regexp.MustCompile(`"time":"[^"]*",`).ReplaceAllString(good, ""), "time is missing"},
		"a query":         {strings.Replace(good, `/vm1"`, `/vm1?sig=secret"`, 1), "path holds a query"},
		"endless":         {good + strings.Repeat(" ", audit.MaxLineBytes), "longer than any event"},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.line == good {
				t.Fatal("the line was not changed")
			}
			if _, err := audit.ParseLine([]byte(tc.line)); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

// Whatever parses can be written and parses again to the same.
func FuzzParseLine(f *testing.F) {
	for _, e := range []audit.Event{fullEvent(f), event(1), {Kind: audit.KindGap, Reason: audit.GapTorn}} {
		e.V, e.Source, e.Epoch, e.Seq, e.Prev = 1, "host", 1, 1, sha("")
		line, err := audit.AppendLine(nil, &e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(line[:len(line)-1])
		f.Add(line[:len(line)/2])
	}
	f.Add([]byte(`{"v":1,"v":1,"time":"2026-13-01T00:00:00Z","duration_ms":1e999}`))
	f.Add([]byte("{\"source\":\"\xff\x00\\ud800\"}"))
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := audit.ParseLine(line)
		if err != nil {
			return
		}
		again, err := audit.AppendLine(nil, &e)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Count(again, []byte("\n")) != 1 || !utf8.Valid(again) {
			t.Fatalf("not one line of UTF-8: %q", again)
		}
		var fields map[string]any
		if err := json.Unmarshal(again, &fields); err != nil {
			t.Fatalf("not JSON: %q", again)
		}
	})
}

// Whatever an event holds, its line is bounded, valid, and holds no query.
func TestBound(t *testing.T) {
	text := rapid.OneOf(
		rapid.String(),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 10_000), func(b []byte) string { return string(b) }),
		rapid.Map(rapid.IntRange(1, 20_000), func(n int) string { return strings.Repeat("漢", n) }),
	)
	rapid.Check(t, func(t *rapid.T) {
		var e audit.Event
		v := reflect.ValueOf(&e).Elem()
		for i := range v.NumField() {
			switch f := v.Field(i); f.Kind() {
			case reflect.String:
				f.SetString(text.Draw(t, v.Type().Field(i).Name))
			case reflect.Slice:
				f.Set(reflect.ValueOf(rapid.SliceOfN(text, 0, 100).Draw(t, v.Type().Field(i).Name)))
			}
		}
		e.DurationMS = rapid.SampledFrom([]float64{0, 1.5, math.NaN(), math.Inf(1), -3}).Draw(t, "duration")
		before := append([]string(nil), e.Labels...)
		labels := e.Labels
		e.Bound()
		if !slices.Equal(before, labels) {
			t.Fatal("the caller's slice was changed")
		}
		e.V, e.Source, e.Epoch, e.Seq, e.Prev = 1, "host", 1, 1, sha("")
		e.Kind, e.Time = audit.KindRequest, time.Unix(1, 0)
		line, err := audit.AppendLine(nil, &e)
		if err != nil {
			t.Fatal(err)
		}
		if len(line) > audit.MaxLineBytes || !utf8.Valid(line) {
			t.Fatalf("%d bytes, valid %v", len(line), utf8.Valid(line))
		}
		if _, err := audit.ParseLine(line[:len(line)-1]); err != nil {
			t.Fatal(err)
		}
	})
}

func TestBoundCutsVisibly(t *testing.T) {
	e := audit.Event{
		UAIn: strings.Repeat("é", 10_000), Path: "/subscriptions/1?code=secret", Host: "bad\xffhost",
		Labels: slices.Repeat([]string{"a=b"}, 100),
	}
	e.Bound()
	if n := len(e.UAIn); n > 8200 || !strings.HasSuffix(e.UAIn, "é…") {
		t.Errorf("%d bytes, ends in %q", n, e.UAIn[n-8:])
	}
	if e.Path != "/subscriptions/1" {
		t.Errorf("path %q", e.Path)
	}
	if e.Host != "bad\uFFFDhost" {
		t.Errorf("host %q", e.Host)
	}
	if len(e.Labels) != 65 || e.Labels[64] != "…" {
		t.Errorf("%d labels, the last %q", len(e.Labels), e.Labels[len(e.Labels)-1])
	}
}
