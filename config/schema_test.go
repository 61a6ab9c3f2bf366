package config_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/attribproxy/attribproxy/config"
)

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(config.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// fromYAML gives a YAML file the shape of JSON.
func fromYAML(t *testing.T, content []byte) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(content, &v); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestExampleFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "config.example.yaml")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := compiled(t).Validate(fromYAML(t, content)); err != nil {
		t.Errorf("against the schema: %v", err)
	}

	env := []string{"HOME=/home", "USERPROFILE=/home"}
	loaded, err := config.Resolve(config.Source{File: path, Env: env})
	if err != nil {
		t.Fatal(err)
	}
	if len(loaded.Warnings) != 1 || !strings.Contains(loaded.Warnings[0].Message, "sample") {
		t.Errorf("warnings %v, want the one about the sample ID", loaded.Warnings)
	}
	// It says that it shows the defaults: all but the rules are.
	got := *loaded.Config
	defaults := load(t, config.Source{Env: env})
	if len(got.Rules) != 1 {
		t.Fatalf("rules %v", got.Rules)
	}
	got.Rules = defaults.Rules
	if diff := cmp.Diff(defaults, &got); diff != "" {
		t.Errorf("the example differs from the defaults: %s", diff)
	}
	// And that it is complete.
	for _, key := range keys(reflect.TypeFor[config.Config](), "") {
		if _, ok := loaded.Origins[key]; !ok && !strings.Contains(key, "[]") {
			t.Errorf("%s is missing", key)
		}
	}
}

// The schema and the struct have the same keys and the same defaults.
func TestSchemaIsTheStruct(t *testing.T) {
	t.Parallel()
	var root map[string]any
	if err := json.Unmarshal(config.Schema(), &root); err != nil {
		t.Fatal(err)
	}
	defaults := map[string]any{}
	got := schemaKeys(t, root, root, "", defaults)
	want := keys(reflect.TypeFor[config.Config](), "")
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	b, err := json.Marshal(config.Default())
	if err != nil {
		t.Fatal(err)
	}
	var cfg map[string]any
	if err := json.Unmarshal(b, &cfg); err != nil {
		t.Fatal(err)
	}
	for key, value := range defaults {
		if strings.Contains(key, "[]") {
			continue // defaults within rules are filled in for each
		}
		at := any(cfg)
		for part := range strings.SplitSeq(key, ".") {
			m, ok := at.(map[string]any)
			if !ok {
				t.Fatalf("%s: no mapping", key)
			}
			at = m[part]
		}
		if diff := cmp.Diff(at, value); diff != "" {
			t.Errorf("%s: the schema has another default: %s", key, diff)
		}
	}
}

// keys lists all keys below a type: "rules[].match.methods".
func keys(t reflect.Type, prefix string) (out []string) {
	for i := range t.NumField() {
		key := prefix + t.Field(i).Tag.Get("json")
		out = append(out, key)
		switch ft := t.Field(i).Type; {
		case ft.Kind() == reflect.Struct:
			out = append(out, keys(ft, key+".")...)
		case ft.Kind() == reflect.Slice && ft.Elem().Kind() == reflect.Struct:
			out = append(out, keys(ft.Elem(), key+"[].")...)
		}
	}
	return out
}

func schemaKeys(t *testing.T, root, at map[string]any, prefix string, defaults map[string]any) (out []string) {
	t.Helper()
	at = deref(root, at)
	if at["type"] == "array" {
		items, _ := at["items"].(map[string]any)
		items = deref(root, items)
		if items["type"] == "object" {
			return schemaKeys(t, root, items, strings.TrimSuffix(prefix, ".")+"[].", defaults)
		}
		return nil
	}
	properties, _ := at["properties"].(map[string]any)
	if properties != nil && at["additionalProperties"] != false {
		t.Errorf("%s: additionalProperties is not false", prefix)
	}
	for name, p := range properties {
		property, _ := p.(map[string]any)
		key := prefix + name
		out = append(out, key)
		if d, ok := property["default"]; ok {
			defaults[key] = d
		}
		if property["description"] == nil && deref(root, property)["description"] == nil {
			t.Errorf("%s: no description", key)
		}
		out = append(out, schemaKeys(t, root, property, key+".", defaults)...)
	}
	return out
}

func deref(root, at map[string]any) map[string]any {
	ref, ok := at["$ref"].(string)
	if !ok {
		return at
	}
	defs, _ := root["$defs"].(map[string]any)
	target, _ := defs[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
	return target
}

// What the schema refuses Load refuses too, and most of the other way round.
func TestSchemaAgreesWithLoad(t *testing.T) {
	t.Parallel()
	s := compiled(t)
	for _, file := range []string{
		"", "mode: observe", "admin: \"\"", "admin: off", "admin: OFF", "audit: {segmentBytes: 65536}", "audit: {segmentBytes: 64 mib, retainBytes: 0B, retainAge: 0s}",
		"drain: 1d12h", "drain: 1h30m", "drain: 0s", "labels: [a]", "upstream: {resolve: [\":443:[::1]:1\", \"::a:1\"], allow: [\"::1/128\"]}",
		"exclude: [{name: a}]", "rules: [{name: a, trackingIds: [" + guid + "], onOtherId: replace-defaults, match: {tools: [curl]}}]",
	} {
		if _, err := config.Load(fromFile(t, file)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if err := s.Validate(fromYAML(t, []byte(file))); err != nil {
			t.Errorf("%s: against the schema: %v", file, err)
		}
	}
	for _, file := range []string{
		"mod: observe", "mode: enforced", "listen: x", "labels: a", "labels: [\"\"]", "intercept: {clouds: [germany]}", "rules: [{name: a}]", "rules: [{trackingIds: [" + guid + "]}]",
		"audit: {source: \"a b\"}", "drain: 1y", "audit: {segmentBytes: 1 parsec}", "log: {level: loud}", "upstream: {allow: [10.1.2.3]}", "upstream: {resolve: [a]}",
		"rules: [{name: a, trackingIds: [" + guid + "], onOtherId: never}]", "rules: [{name: a, trackingIds: [" + guid + "], match: {colour: [x]}}]",
	} {
		if _, err := config.Load(fromFile(t, file)); err == nil {
			t.Errorf("%s: loads", file)
		}
		if err := s.Validate(fromYAML(t, []byte(file))); err == nil {
			t.Errorf("%s: fits the schema", file)
		}
	}
}
