package config

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// viper lowercases keys, lets the last of two equal ones win and forgets lines,
// so the file's own tree is checked here, before viper sees its values.

// maxNodes bounds what aliases may unfold to.
const maxNodes = 200_000

// pathKeys are the keys whose value is a file or a directory.
var pathKeys = map[string]bool{"stateDir": true, "audit.dir": true, "upstream.roots": true}

// fileReader turns one parsed file into a layer for viper.
type fileReader struct {
	*loader
	name  string // shown in messages
	dir   string // relative paths start here
	nodes int
}

// fileLayer checks a config file, YAML or JSON, against the keys of Config and
// returns the values that are sound.
func (l *loader) fileLayer(path string, content []byte) map[string]any {
	r := &fileReader{loader: l, name: path, dir: filepath.Dir(l.absolute(path))}
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	var doc yaml.Node
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil // nothing but comments
	case err != nil:
		l.fault(syntaxFault(path, err))
		return nil
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		l.fault(Fault{Where: path, Message: "holds more than one YAML document", Remedy: "keep one; a line of --- starts another"})
	}
	layer, _ := r.value("", doc.Content[0], reflect.TypeFor[Config]())
	m, _ := layer.(map[string]any)
	return m
}

// syntaxFault turns "yaml: line 2: did not find …" into a fault of that line.
func syntaxFault(name string, err error) Fault {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	if number, rest, ok := strings.Cut(strings.TrimPrefix(message, "line "), ": "); ok && rest != "" && strings.Trim(number, "0123456789") == "" {
		name, message = name+":"+number, rest
	}
	return Fault{Where: name, Message: "is neither YAML nor JSON: " + redact(message), Remedy: "mend the syntax there or just before it"}
}

// value converts one node to what a key of type t takes. The second result is
// false when the key counts as not set.
func (r *fileReader) value(path string, node *yaml.Node, t reflect.Type) (any, bool) {
	if r.nodes++; r.nodes > maxNodes {
		if r.nodes == maxNodes+1 {
			r.fault(Fault{Where: r.at(node), Message: "aliases unfold to more than a configuration can hold", Remedy: "write the values out"})
		}
		return nil, false
	}
	if node.Kind == yaml.AliasNode {
		return r.value(path, node.Alias, t)
	}
	if node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null" {
		return nil, false
	}
	if path != "" {
		r.origins[path] = r.at(node)
	}
	switch {
	case isText(t):
		return r.text(path, node, t)
	case t.Kind() == reflect.Struct:
		return r.mapping(path, node, t)
	case t.Kind() == reflect.Slice:
		return r.list(path, node, t.Elem())
	default:
		return r.word(path, node)
	}
}

// word reads a scalar as it is written: a subscription 1e10 is no number here.
func (r *fileReader) word(path string, node *yaml.Node) (any, bool) {
	if node.Kind != yaml.ScalarNode {
		r.wrongKind(path, node, "text", "write one value")
		return nil, false
	}
	value := node.Value
	if pathKeys[path] {
		value = r.path(value, r.dir)
	}
	return value, true
}

// text reads a scalar whose type knows how to.
func (r *fileReader) text(path string, node *yaml.Node, t reflect.Type) (any, bool) {
	if node.Kind != yaml.ScalarNode {
		r.wrongKind(path, node, "text", "write one value")
		return nil, false
	}
	return r.checkText(path, r.at(node), node.Value, t)
}

// checkText checks a value against a type that reads text.
func (l *loader) checkText(path, where, value string, t reflect.Type) (any, bool) {
	into, ok := reflect.New(t).Interface().(encoding.TextUnmarshaler)
	if !ok {
		return value, true
	}
	if err := into.UnmarshalText([]byte(value)); err != nil {
		message, remedy, _ := strings.Cut(err.Error(), "; ")
		l.fault(Fault{Where: where, Path: path, Value: value, Message: message, Remedy: remedy})
		return nil, false
	}
	return value, true
}

func (r *fileReader) list(path string, node *yaml.Node, elem reflect.Type) (any, bool) {
	if node.Kind != yaml.SequenceNode {
		remedy := "start each entry with a dash on a line of its own"
		if node.Kind == yaml.ScalarNode {
			remedy = fmt.Sprintf("write [%s]", redact(shorten(node.Value)))
		}
		r.wrongKind(path, node, "a list", remedy)
		return nil, false
	}
	list := make([]any, 0, len(node.Content))
	for i, item := range node.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		value, ok := r.value(at, item, elem)
		if !ok {
			// Something must stand here, or the indices after it would shift.
			r.fault(Fault{Where: r.at(item), Path: at, Message: "is empty", Remedy: "remove the entry or fill it in"})
			value = any("")
			if elem.Kind() == reflect.Struct {
				value = map[string]any{}
			}
		}
		list = append(list, value)
	}
	return list, true
}

func (r *fileReader) mapping(path string, node *yaml.Node, t reflect.Type) (any, bool) {
	keys := keysOf(t)
	if node.Kind != yaml.MappingNode {
		r.wrongKind(path, node, "keys with values", "the keys are "+names(keys))
		return nil, false
	}
	out, line := map[string]any{}, map[string]int{}
	mistaken := map[string]*yaml.Node{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, child := node.Content[i], node.Content[i+1]
		k, ok := find(keys, name.Value)
		if name.Kind != yaml.ScalarNode || !ok {
			if meant := r.unknownKey(path, name, keys); meant != "" {
				mistaken[meant] = child
			}
			continue
		}
		at := join(path, k.name)
		if first, twice := line[k.name]; twice {
			r.faults = append(r.faults, Fault{Where: r.at(name), Path: at, Message: fmt.Sprintf("is given twice, first on line %d", first), Remedy: "remove one of the two"})
			continue
		}
		line[k.name] = name.Line
		if value, ok := r.value(at, child, k.typ); ok {
			out[k.name] = value
		}
	}
	// What was meant is checked too, so that its faults come in the same run.
	for _, k := range keys {
		if child, ok := mistaken[k.name]; ok && line[k.name] == 0 {
			if value, ok := r.value(join(path, k.name), child, k.typ); ok {
				out[k.name] = value
			}
		}
	}
	return out, true
}

// unknownKey reports a key that does not exist and returns the one that was
// probably meant.
func (r *fileReader) unknownKey(path string, name *yaml.Node, keys []key) (meant string) {
	f := Fault{Where: r.at(name), Path: join(path, printable(name)), Message: "is no key here", Remedy: "the keys are " + names(keys)}
	var all []string
	for _, k := range keys {
		all = append(all, k.name)
		if strings.EqualFold(k.name, name.Value) {
			f.Message, f.Remedy = "differs from a key only in case", fmt.Sprintf("write %s", k.name)
			r.faults = append(r.faults, f)
			return k.name
		}
	}
	if name.Value == "<<" {
		f.Message, f.Remedy = "is YAML's merge key, which is not read", "write the keys out; aliases of single values work"
	} else if meant = suggest(name.Value, all); meant != "" {
		f.Remedy = fmt.Sprintf("did you mean %s?", meant)
	}
	r.faults = append(r.faults, f)
	return meant
}

// printable is a key as it can stand in a path of a message.
func printable(name *yaml.Node) string {
	if name.Kind != yaml.ScalarNode {
		return "?"
	}
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return '\ufffd'
		}
		return c
	}, redact(shorten(name.Value)))
}

func (r *fileReader) wrongKind(path string, node *yaml.Node, want, remedy string) {
	got := map[yaml.Kind]string{yaml.MappingNode: "keys with values", yaml.SequenceNode: "a list", yaml.ScalarNode: "text"}[node.Kind]
	f := Fault{Where: r.at(node), Path: path, Message: fmt.Sprintf("takes %s, not %s", want, got), Remedy: remedy}
	switch {
	case path == "":
		f.Message = fmt.Sprintf("a configuration is %s, not %s", want, got)
	case node.Kind == yaml.ScalarNode:
		f.Value = node.Value
	}
	r.fault(f)
}

// at is where a node stands: config.yaml:12.
func (r *fileReader) at(node *yaml.Node) string {
	return fmt.Sprintf("%s:%d", r.name, node.Line)
}
