package attribution

import (
	"net/http"
	"strings"
)

// The fields of a [Match], as the configuration names them, in its order.
const (
	fieldMethods        = "methods"
	fieldSubscriptions  = "subscriptions"
	fieldResourceGroups = "resourceGroups"
	fieldResourceTypes  = "resourceTypes"
	fieldTools          = "tools"
)

// fieldCount is the number of fields of a [Match].
const fieldCount = 5

// fields gives a match's fields with their names, in order.
func (m Match) fields() [fieldCount]struct {
	name     string
	patterns []string
} {
	return [fieldCount]struct {
		name     string
		patterns []string
	}{
		{fieldMethods, m.Methods},
		{fieldSubscriptions, m.Subscriptions},
		{fieldResourceGroups, m.ResourceGroups},
		{fieldResourceTypes, m.ResourceTypes},
		{fieldTools, m.Tools},
	}
}

// patterns gives the fields' patterns alone.
func (m Match) patterns() [][]string {
	return [][]string{m.Methods, m.Subscriptions, m.ResourceGroups, m.ResourceTypes, m.Tools}
}

// values are what a request has to say to each field, in the same order.
type values [fieldCount]string

// matcher is a compiled [Match]: alternatives by field, nil where all match.
type matcher [fieldCount][]glob

// compileMatch compiles m; methods stand in where it names none.
func compileMatch(m Match, methods ...string) matcher {
	if len(m.Methods) == 0 {
		m.Methods = methods
	}
	var out matcher
	for i, field := range m.fields() {
		for _, p := range field.patterns {
			out[i] = append(out[i], compileGlob(p))
		}
	}
	return out
}

func (m *matcher) match(v *values) bool {
	for i := range m {
		if !m.matchField(i, v) {
			return false
		}
	}
	return true
}

func (m *matcher) matchField(i int, v *values) bool {
	if m[i] == nil {
		return true
	}
	for _, g := range m[i] {
		if g.match(v[i]) {
			return true
		}
	}
	return false
}

// covers reports whether everything that other matches is matched by m; it may
// say no where the answer is yes.
func (m *matcher) covers(other *matcher) bool {
	for i := range m {
		if m[i] == nil {
			continue
		}
		if other[i] == nil {
			return false
		}
		for _, o := range other[i] {
			if !anyCovers(m[i], o) {
				return false
			}
		}
	}
	return true
}

func anyCovers(globs []glob, other glob) bool {
	for _, g := range globs {
		if g.covers(other) {
			return true
		}
	}
	return false
}

// writeMethods are the methods that a rule can be about.
func writeMethods() []string {
	return []string{http.MethodPut, http.MethodPatch, http.MethodPost, http.MethodDelete}
}

// isRead reports the methods that change nothing at the origin.
func isRead(method string) bool {
	for _, m := range [...]string{http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodConnect} {
		if strings.EqualFold(m, method) {
			return true
		}
	}
	return false
}
