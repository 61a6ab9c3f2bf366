package config

import (
	"encoding"
	"reflect"
	"slices"
	"strings"
)

// The keys of a configuration are the fields of Config; what follows reads them
// off by reflection, so that there is one list of them and not two.

// key is one field of a struct.
type key struct {
	name  string
	index int
	typ   reflect.Type
}

// keysOf lists the keys of a mapping in the order of the manual.
func keysOf(t reflect.Type) []key {
	keys := make([]key, 0, t.NumField())
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		keys = append(keys, key{name: name, index: i, typ: t.Field(i).Type})
	}
	return keys
}

// find returns the key of that name.
func find(keys []key, name string) (key, bool) {
	i := slices.IndexFunc(keys, func(k key) bool { return k.name == name })
	if i < 0 {
		return key{}, false
	}
	return keys[i], true
}

// names lists the keys for a message.
func names(keys []key) string {
	out := make([]string, 0, len(keys))
	for _, k := range keys {
		out = append(out, k.name)
	}
	return strings.Join(out, ", ")
}

var textType = reflect.TypeFor[encoding.TextUnmarshaler]()

// isText reports a type that is written as one word and reads it itself.
func isText(t reflect.Type) bool { return reflect.PointerTo(t).Implements(textType) }

// walk calls visit for every key that holds no other keys: lists are one key.
func walk(v reflect.Value, prefix string, visit func(path string, v reflect.Value)) {
	for _, k := range keysOf(v.Type()) {
		path := join(prefix, k.name)
		if k.typ.Kind() == reflect.Struct && !isText(k.typ) {
			walk(v.Field(k.index), path, visit)
			continue
		}
		visit(path, v.Field(k.index))
	}
}

func join(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}

// plain turns a value into what a YAML parser would have given: strings, lists
// and mappings.
func plain(v reflect.Value) any {
	if text, ok := v.Interface().(encoding.TextMarshaler); ok {
		b, err := text.MarshalText()
		if err != nil {
			return err.Error()
		}
		return string(b)
	}
	switch v.Kind() {
	case reflect.Struct:
		m := map[string]any{}
		for _, k := range keysOf(v.Type()) {
			m[k.name] = plain(v.Field(k.index))
		}
		return m
	case reflect.Slice:
		list := make([]any, 0, v.Len())
		for i := range v.Len() {
			list = append(list, plain(v.Index(i)))
		}
		return list
	default:
		return v.String()
	}
}

// suggest returns the word nearest to a mistaken one, or "" if none is near.
func suggest(word string, words []string) string {
	best, bestDistance := "", len(word)/3+2
	for _, w := range words {
		if d := distance(strings.ToLower(word), strings.ToLower(w)); d < bestDistance {
			best, bestDistance = w, d
		}
	}
	return best
}

// distance counts the letters to insert, drop, replace or swap with their
// neighbour to get from a to b (optimal string alignment).
func distance(a, b string) int {
	two, one, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range one {
		one[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(one[j]+1, row[j-1]+1, one[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], two[j-2]+1)
			}
		}
		two, one, row = one, row, two
	}
	return one[len(b)]
}
