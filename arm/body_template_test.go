package arm_test

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/attribproxy/attribproxy/arm"
)

const (
	markerID = "pid-b6addd8f-5ff4-4fc0-a2b5-0ec7861106c4"
	otherID  = "pid-contoso-myoffer-partnercenter"
)

// marker is the template carrier's resource as Microsoft's article has it.
func marker(name string) string {
	return `{ "type": "Microsoft.Resources/deployments", "apiVersion": "2020-06-01", "name": "` + name + `",
  "properties": { "mode": "Incremental",
    "template": { "$schema": "https://schema.management.azure.com/schemas/2015-01-01/deploymentTemplate.json#",
                  "contentVersion": "1.0.0.0", "resources": [] } } }`
}

func templateWith(resources string) string {
	return `{"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
 "contentVersion": "1.0.0.0", "parameters": {}, "resources": ` + resources + `}`
}

// body is a deployment as the SDKs send it.
func body(template string) string {
	return `{"properties": {"mode": "Incremental", "parameters": {"p": {"value": 1}}, "template": ` + template + `}}`
}

// azBody is a deployment as az 2.45 sends it: the user's file as it stands, behind
// a key without quotes (JsonCTemplatePolicy in its resource module).
func azBody(template string) string {
	return `{"properties": {"parameters": {"name": {"value": "x"}}, "mode": "Incremental", template:` + template + `}}`
}

func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

const storage = `{"type": "Microsoft.Storage/storageAccounts", "name": "pid-store", "apiVersion": "2023-01-01"}`

func TestTemplateScanner(t *testing.T) {
	one := []string{markerID}
	tests := []struct {
		name   string
		body   string
		want   []string
		linked bool // no template inline
		broken bool // not complete
	}{
		{name: "marker", body: body(templateWith("[" + marker(markerID) + "]")), want: one},
		{name: "between others", body: body(templateWith("[" + storage + ", " + marker(markerID) + ", " + storage + "]")), want: one},
		{name: "several, in order, each once", body: body(templateWith("[" + marker(otherID) + "," + marker(markerID) + "," + marker(strings.ToUpper(otherID)) + "]")), want: []string{otherID, markerID}},
		{name: "name before type", body: body(templateWith(`[{"name": "` + markerID + `", "type": "Microsoft.Resources/deployments"}]`)), want: one},
		{name: "keys and type without case", body: `{"Properties": {"Template": {"Resources": [{"NAME": "` + markerID + `", "TYPE": "microsoft.resources/DEPLOYMENTS"}]}}}`, want: one},
		{name: "properties last", body: `{"location": "westeurope", "tags": {"a": "b"}, ` + body(templateWith("[" + marker(markerID) + "]"))[1:], want: one},
		{name: "properties first", body: strings.TrimSuffix(body(templateWith("["+marker(markerID)+"]")), "}") + `, "location": "westeurope"}`, want: one},
		{name: "template first", body: `{"properties": {"template": ` + templateWith("["+marker(markerID)+"]") + `, "mode": "Incremental"}}`, want: one},
		{name: "deployment stack", body: `{"location": "westeurope", "properties": {"actionOnUnmanage": {"resources": "detach"}, "denySettings": {"mode": "none"}, "template": ` + templateWith("["+marker(markerID)+"]") + `}}`, want: one},
		{name: "subscription scope with location", body: body(templateWith(`[{"type": "Microsoft.Resources/deployments", "location": "[deployment().location]", "name": "` + markerID + `"}]`)), want: one},
		{name: "symbolic names", body: body(`{"languageVersion": "2.0", "resources": {"store": ` + storage + `, "pid": ` + marker(markerID) + `}}`), want: one},
		{name: "template as a string", body: body(quoted(templateWith("[" + marker(markerID) + "]"))), want: one},
		{name: "template as a string with everything escaped", body: body(escaped(templateWith("[" + marker(markerID) + "]"))), want: one},
		{name: "string with comments", body: body(quoted("// é 😀\n" + templateWith("["+marker(markerID)+",]"))), want: one},
		{name: "escaped name", body: body(templateWith(`[{"type": "Microsoft.Resources\/deployments", "name": "\u0070id-` + markerID[4:] + `"}]`)), want: one},

		{name: "az", body: azBody(templateWith("[" + marker(markerID) + "]")), want: one},
		{name: "az with location", body: `{"location": "westeurope", ` + azBody(templateWith("[" + marker(markerID) + "]"))[1:], want: one},
		{name: "az with comments, trailing commas and a string over two lines", body: azBody("{\r\n  // the usual \"resources\": [\r\n  /* { ** */ \"resources\": [ // here\r\n" + marker(markerID) + ", /* last **/\r\n {\"type\": \"A/b\", \"name\": \"[concat('a',\n 'b')]\", \"x\": [1, 2.5, true, null,],}, ], }\r\n"), want: one},
		{name: "single quotes", body: azBody(`{'resources': [{'type': 'Microsoft.Resources/deployments', 'name': '` + markerID + `', 'x': 'a"}]'}]}`), want: one},
		{name: "a commented marker", body: azBody("{\"resources\": [ /*" + marker(markerID) + "*/ ]}"), want: nil},
		{name: "byte order mark", body: "\xef\xbb\xbf" + body(templateWith("["+marker(markerID)+"]")), want: one},

		{name: "no resources", body: body(templateWith("[]"))},
		{name: "nested marker", body: body(templateWith(`[{"type": "Microsoft.Resources/deployments", "name": "inner", "properties": {"template": ` + templateWith("["+marker(markerID)+"]") + `}}]`))},
		{name: "child resource", body: body(templateWith(`[{"type": "Microsoft.Web/sites", "name": "a", "resources": [` + marker(markerID) + `]}]`))},
		{name: "expression", body: body(templateWith("[" + marker("[concat('pid-', parameters('id'))]") + "]"))},
		{name: "escaped expression", body: body(templateWith("[" + marker("[[pid-x]") + "]"))},
		{name: "no marker name", body: body(templateWith("[" + marker("linked") + "," + marker("pid-") + "," + marker("xpid-1") + "]"))},
		{name: "name no deployment can have", body: body(templateWith("[" + marker("pid-secret value") + "," + marker("pid-"+strings.Repeat("a", 61)) + "," + marker("pid-"+strings.Repeat("a", 5000)) + "]"))},
		{name: "another type", body: body(templateWith("[" + storage + "]"))},
		{name: "condition false", body: body(templateWith(`[{"condition": false, ` + marker(markerID)[1:] + "]"))},
		{name: "condition", body: body(templateWith(`[{"condition": "[parameters('x')]", ` + marker(markerID)[1:] + `, {"condition": true, ` + marker(otherID)[1:] + "]")), want: []string{markerID, otherID}},
		{name: "existing", body: body(templateWith(`{"a": {"existing": true, ` + marker(markerID)[1:] + "}"))},
		{name: "marker among parameters", body: `{"properties": {"parameters": {"template": {"value": ` + templateWith("["+marker(markerID)+"]") + `}}, "template": {"resources": []}}}`},
		{name: "template beside properties", body: `{"template": ` + templateWith("["+marker(markerID)+"]") + `, "properties": {"mode": "Incremental"}}`, linked: true},
		{name: "template link", body: `{"properties": {"templateLink": {"uri": "https://x/a.json", "queryString": "sig=s3cret"}}}`, linked: true},
		{name: "the last of two", body: `{"properties": {"template": ` + quoted(templateWith("["+marker(otherID)+"]")) + `, "template": {"resources": [` + marker(otherID) + `], "resources": [` + marker(markerID) + `]}}}`, want: one},

		{name: "empty", body: "", linked: true, broken: true},
		{name: "an array", body: "[" + body(templateWith("["+marker(markerID)+"]")) + "]", linked: true, broken: true},
		{name: "broken off", body: strings.TrimSuffix(body(templateWith("["+marker(markerID)+","+storage+"]")), "]}}}"), want: one, broken: true},
		{name: "a string broken off", body: `{"properties": {"template": ` + strings.TrimSuffix(quoted(templateWith("["+marker(markerID)+","+storage+"]")), `}"`), want: one, broken: true},
		{name: "a string that is no template", body: body(`"template"`), broken: true},
		{name: "brackets of the wrong kind", body: `{"properties"]]]}}{{"template":`, linked: true, broken: true},
		{name: "gzip", body: "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab\x56\x2a", linked: true, broken: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := arm.TemplateResult{IDs: tt.want, Inline: !tt.linked, Complete: !tt.broken}
			for _, size := range []int{len(tt.body) + 1, 1, 7} {
				if diff := cmp.Diff(want, scanTemplate(tt.body, size)); diff != "" {
					t.Errorf("in pieces of %d (-want +got):\n%s", size, diff)
				}
			}
		})
	}
}

// escaped writes every character of a string as \u escapes.
func escaped(s string) string {
	var b strings.Builder
	for _, r := range s {
		fmt.Fprintf(&b, `\u%04X`, r)
	}
	return `"` + b.String() + `"`
}

func scanTemplate(body string, size int) arm.TemplateResult {
	s := arm.NewTemplateScanner()
	for len(body) > 0 {
		n := min(size, len(body))
		_, _ = s.Write([]byte(body[:n]))
		body = body[n:]
	}
	return s.Result()
}

func TestTemplateScannerStopsAtItsLimit(t *testing.T) {
	early := body(`{"resources": [` + marker(markerID) + `], "x": "` + strings.Repeat("a", arm.BodyLimit) + `"}`)
	if diff := cmp.Diff(arm.TemplateResult{IDs: []string{markerID}, Inline: true}, scanTemplate(early, 32<<10)); diff != "" {
		t.Errorf("a marker before the limit (-want +got):\n%s", diff)
	}
	late := body(`{"x": "` + strings.Repeat("a", arm.BodyLimit) + `", "resources": [` + marker(markerID) + `]}`)
	if diff := cmp.Diff(arm.TemplateResult{Inline: true}, scanTemplate(late, 32<<10)); diff != "" {
		t.Errorf("a marker behind the limit (-want +got):\n%s", diff)
	}
}

// TestTemplateScannerMemory shows that the body's size and shape cost nothing.
func TestTemplateScannerMemory(t *testing.T) {
	var many strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&many, "%s,", marker(fmt.Sprintf("pid-%d", i)))
	}
	for name, text := range map[string]string{
		"deep":       strings.Repeat(`{"a":[`, 1<<20),
		"deep roles": body(`{"resources":[` + strings.Repeat(`{"resources":[`, 1<<18)),
		"long":       `{"` + strings.Repeat("k", 8<<20),
		"markers":    body(templateWith("[" + many.String() + "]")),
		"strings":    `{"properties":{` + strings.Repeat(`"template":"{}",`, 1<<16),
	} {
		t.Run(name, func(t *testing.T) {
			b := []byte(text)
			s := arm.NewTemplateScanner()
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			_, _ = s.Write(b)
			runtime.GC()
			runtime.ReadMemStats(&after)
			if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 64<<10 {
				t.Errorf("the scanner holds %d bytes", grown)
			}
			if n := len(s.Result().IDs); n > 64 {
				t.Errorf("%d IDs", n)
			}
			runtime.KeepAlive(b)
		})
	}
}

// fragments are what bodies are made of, well and badly.
func fragments() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.SampledFrom([]string{
			"{", "}", "[", "]", ":", ",", `"`, "'", "/", "//", "/*", "*/", "\n", "\\", `\u00`, `\ud83d`, `\ude00`, " ", "template", "true", "false", "1.5",
			`"properties":{`, `"template":{`, `"template":"{`, `\"resources\":[`, `"resources":[`, `"resources":{"a":`, `"type":"Microsoft.Resources/deployments"`,
			`"name":"` + markerID + `"`, `\"name\":\"` + markerID + `\"`, `"condition":false`, marker(markerID), azBody(templateWith("[" + marker(otherID) + "]")),
			`"requests":[`, `{"httpMethod":"PUT","url":"/subscriptions/s?x=1"}`, `"httpMethod":"put"`, `"url":"https://h/subscriptions/s/resourceGroups/r?sig=1"`,
		}),
		rapid.String(),
	)
}

// TestScannersDoNotSeePieces shows that where a body is cut changes nothing.
func TestScannersDoNotSeePieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(fragments(), 0, 40).Draw(t, "body")
		text := strings.Join(parts, "")
		if rapid.Bool().Draw(t, "begins well") {
			text = `{"properties":{"template":{"resources":[` + text
		}
		template, batch := arm.NewTemplateScanner(), arm.NewBatchScanner()
		for rest := text; len(rest) > 0; {
			n := rapid.IntRange(1, min(len(rest), 9)).Draw(t, "piece")
			_, _ = template.Write([]byte(rest[:n]))
			_, _ = batch.Write([]byte(rest[:n]))
			rest = rest[n:]
		}
		if diff := cmp.Diff(scanTemplate(text, len(text)+1), template.Result()); diff != "" {
			t.Fatalf("%q (-whole +pieces):\n%s", text, diff)
		}
		if diff := cmp.Diff(scanBatch(text, len(text)+1), batch.Result()); diff != "" {
			t.Fatalf("%q (-whole +pieces):\n%s", text, diff)
		}
	})
}

// TestTemplateScannerAgreesWithJSON holds the scanner against encoding/json on
// templates that are JSON.
func TestTemplateScannerAgreesWithJSON(t *testing.T) {
	type resource struct {
		Type string `json:"type"`
		Name string `json:"name"`
		Note string `json:"note"`
	}
	rapid.Check(t, func(t *rapid.T) {
		resources := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) resource {
			return resource{
				Type: rapid.SampledFrom([]string{"Microsoft.Resources/deployments", "Microsoft.Storage/storageAccounts"}).Draw(t, "type"),
				Name: rapid.OneOf(rapid.StringMatching(`pid-[a-f0-9]{1,8}`), rapid.String()).Draw(t, "name"),
				Note: rapid.String().Draw(t, "note"),
			}
		}), 0, 6).Draw(t, "resources")
		template, err := json.Marshal(map[string]any{"resources": resources, "note": rapid.String().Draw(t, "note")})
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		seen := map[string]bool{}
		for _, r := range resources {
			if strings.HasSuffix(r.Type, "deployments") && arm.IsMarkerForTest(r.Name) && !seen[strings.ToLower(r.Name)] {
				seen[strings.ToLower(r.Name)] = true
				want = append(want, r.Name)
			}
		}
		for _, text := range []string{string(template), quoted(string(template))} {
			got := scanTemplate(body(text), 11)
			if diff := cmp.Diff(arm.TemplateResult{IDs: want, Inline: true, Complete: true}, got); diff != "" {
				t.Fatalf("%s (-want +got):\n%s", text, diff)
			}
		}
	})
}

func FuzzBodyScanners(f *testing.F) {
	for _, s := range []string{
		body(templateWith("[" + marker(markerID) + "]")), azBody("{/*x*/resources:[" + marker(markerID) + ",]}"),
		body(quoted(templateWith("[" + marker(markerID) + "]"))), body(escaped("{'resources':[]}")),
		`{"requests":[{"httpMethod":"PUT","url":"/subscriptions/s?api-version=1"}]}`,
		"", "{", `{"properties":{"template":"\ud83d\u`, "{/*", "[[[]]]", `{'a':'\'`, "\x00\xff",
	} {
		f.Add([]byte(s), 3)
	}
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		at := 0
		if len(b) > 0 {
			at = ((cut % len(b)) + len(b)) % len(b)
		}
		template, batch := arm.NewTemplateScanner(), arm.NewBatchScanner()
		for _, p := range [][]byte{b[:at], b[at:]} {
			_, _ = template.Write(p)
			_, _ = batch.Write(p)
		}
		if diff := cmp.Diff(scanTemplate(string(b), len(b)+1), template.Result()); diff != "" {
			t.Fatalf("%q cut at %d: %s", b, at, diff)
		}
		if diff := cmp.Diff(scanBatch(string(b), len(b)+1), batch.Result()); diff != "" {
			t.Fatalf("%q cut at %d: %s", b, at, diff)
		}
		for _, id := range template.Result().IDs {
			if !arm.IsMarkerForTest(id) {
				t.Fatalf("%q is no marker", id)
			}
		}
		for _, w := range batch.Result().Writes {
			if strings.ContainsAny(w.Target.Path, "?#") {
				t.Fatalf("path %q holds a query", w.Target.Path)
			}
		}
	})
}

// BenchmarkTemplateScanner gives the cost per MiB of a body; the names say what
// most of it is.
func BenchmarkTemplateScanner(b *testing.B) {
	fill := func(piece string) string { return strings.Repeat(piece, 1<<20/len(piece)) }
	for name, text := range map[string]string{
		"resources": body(templateWith("[" + fill(storage+",") + marker(markerID) + "]")),
		"nested":    body(templateWith(`[{"properties": [` + fill(storage+",") + "]}," + marker(markerID) + "]")),
		"strings":   body(templateWith(`[{"x": "` + fill("some words of a script ") + `"},` + marker(markerID) + "]")),
		"text":      body(quoted(templateWith("[" + fill(storage+",") + marker(markerID) + "]"))),
	} {
		b.Run(name, func(b *testing.B) {
			data := []byte(text)
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				s := arm.NewTemplateScanner()
				for rest := data; len(rest) > 0; rest = rest[min(32<<10, len(rest)):] {
					_, _ = s.Write(rest[:min(32<<10, len(rest))])
				}
				if len(s.Result().IDs) != 1 {
					b.Fatal("no marker")
				}
			}
		})
	}
}
