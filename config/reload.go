package config

import "reflect"

// Diff says by key how two configurations differ.
type Diff struct {
	// Reload lists the changed keys that take effect at once: exclude, rules,
	// mode, labels and log.
	Reload []string
	// Restart lists the changed keys that only a restart can change.
	Restart []string
}

// ReloadDiff compares the configuration in force with a new one. It names keys,
// never values. The order is that of the manual.
func ReloadDiff(old, next *Config) Diff {
	before := map[string]reflect.Value{}
	walk(reflect.ValueOf(old).Elem(), "", func(path string, v reflect.Value) { before[path] = v })
	var d Diff
	walk(reflect.ValueOf(next).Elem(), "", func(path string, v reflect.Value) {
		switch {
		case reflect.DeepEqual(before[path].Interface(), v.Interface()):
		case reloadable(path):
			d.Reload = append(d.Reload, path)
		default:
			d.Restart = append(d.Restart, path)
		}
	})
	return d
}

func reloadable(path string) bool {
	switch path {
	case "mode", "labels", "exclude", "rules", "log.level", "log.format":
		return true
	}
	return false
}
