package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode"
)

// envPrefix starts the name of every variable of ours.
const envPrefix = "ATTRIBPROXY_"

// envFile names the config file; it is the one variable that is no key.
const envFile = envPrefix + "CONFIG"

// EnvName is the variable of a key: "upstream.noProxy" is
// ATTRIBPROXY_UPSTREAM_NO_PROXY. Lists are separated by commas in it.
func EnvName(key string) string {
	var b strings.Builder
	b.WriteString(envPrefix)
	for _, c := range key {
		switch {
		case c == '.':
			b.WriteByte('_')
		case unicode.IsUpper(c):
			b.WriteByte('_')
			b.WriteRune(c)
		default:
			b.WriteRune(unicode.ToUpper(c))
		}
	}
	return b.String()
}

// environ reads "NAME=value" entries; the last of a name wins, as in the C
// library, and an empty one is as good as none.
func environ(entries []string) map[string]string {
	env := make(map[string]string, len(entries))
	for _, entry := range entries {
		if name, value, ok := strings.Cut(entry, "="); ok && name != "" {
			env[name] = value
		}
	}
	for name, value := range env {
		if value == "" {
			delete(env, name)
		}
	}
	return env
}

// scalarKeys are the keys that one word or a list of words can set, with their types.
func scalarKeys() (paths []string, types map[string]reflect.Type) {
	types = map[string]reflect.Type{}
	walk(reflect.ValueOf(Config{}), "", func(path string, v reflect.Value) {
		paths = append(paths, path)
		types[path] = v.Type()
	})
	return paths, types
}

// envLayer reads the ATTRIBPROXY_… variables.
func (l *loader) envLayer() map[string]any {
	paths, types := scalarKeys()
	layer := map[string]any{}
	known := []string{envFile}
	for _, path := range paths {
		name := EnvName(path)
		known = append(known, name)
		value, ok := l.env[name]
		if !ok {
			continue
		}
		if v, ok := l.single(path, name, value, types[path]); ok {
			put(layer, path, v)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.env)) {
		if strings.HasPrefix(name, envPrefix) && !slices.Contains(known, name) && !fromKubernetes(name) {
			f := Fault{Where: name, Message: "is no setting of attribproxy and is ignored", Remedy: "remove it"}
			if meant := suggest(name, known); meant != "" {
				f.Remedy = "did you mean " + meant + "?"
			}
			l.warn(f)
		}
	}
	return layer
}

// fromKubernetes reports a variable that Kubernetes sets in every container
// beside a Service called attribproxy:
// https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
func fromKubernetes(name string) bool {
	rest := strings.TrimPrefix(name, envPrefix)
	return rest == "PORT" || strings.HasPrefix(rest, "PORT_") || strings.HasPrefix(rest, "SERVICE_")
}

// flagLayer reads the flags and --id, by path.
func (l *loader) flagLayer() map[string]any {
	_, types := scalarKeys()
	layer := map[string]any{}
	for _, path := range slices.Sorted(maps.Keys(l.src.Flags)) {
		where := "--" + flagName(path)
		t, ok := types[path]
		if !ok {
			l.fault(Fault{Where: where, Path: path, Message: "is no key", Remedy: "report this as a bug"})
			continue
		}
		if v, ok := l.single(path, where, l.src.Flags[path], t); ok {
			layer[path] = v
		}
	}
	if len(l.src.TrackingIDs) > 0 {
		ids := make([]any, 0, len(l.src.TrackingIDs))
		for _, id := range l.src.TrackingIDs {
			ids = append(ids, id)
		}
		l.setOrigin("rules", "--id")
		layer["rules"] = []any{map[string]any{"name": CommandLineRule, "trackingIds": ids}}
	}
	return layer
}

// CommandLineRule is the name of the rule that --id makes.
const CommandLineRule = "command-line"

// flagName is the flag of a key: audit.dir is --audit-dir.
func flagName(path string) string {
	name := strings.TrimPrefix(EnvName(path), envPrefix)
	return strings.ReplaceAll(strings.ToLower(name), "_", "-")
}

// single reads a value that came as one word.
func (l *loader) single(path, where, value string, t reflect.Type) (any, bool) {
	if t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct {
		l.fault(Fault{Where: where, Path: path, Message: "can only be set in a file", Remedy: "name one with --config or $" + envFile})
		return nil, false
	}
	l.setOrigin(path, where)
	switch {
	case isText(t):
		return l.checkText(path, where, value, t)
	case t.Kind() == reflect.Slice:
		list := []any{}
		for word := range strings.SplitSeq(value, ",") {
			if word = strings.TrimSpace(word); word != "" {
				list = append(list, word)
			}
		}
		return list, true
	case pathKeys[path]:
		return l.path(value, l.src.Dir), true
	default:
		return value, true
	}
}

// setOrigin notes where a key's value comes from, and forgets where the parts
// of the value it replaces came from.
func (l *loader) setOrigin(path, where string) {
	for at := range l.origins {
		if strings.HasPrefix(at, path+"[") {
			delete(l.origins, at)
		}
	}
	l.origins[path] = where
}

// put sets a value in a nested mapping: audit.dir in {audit: {dir: …}}.
func put(m map[string]any, path string, value any) {
	head, rest, nested := strings.Cut(path, ".")
	if !nested {
		m[head] = value
		return
	}
	inner, ok := m[head].(map[string]any)
	if !ok {
		inner = map[string]any{}
		m[head] = inner
	}
	put(inner, rest, value)
}
