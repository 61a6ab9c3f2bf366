package store

import (
	"cmp"
	"slices"
	"strings"

	"github.com/attribproxy/attribproxy/audit"
)

// tally counts events in groups.
type tally struct {
	by      []Dimension
	days    bool // by has the day
	origins bool // by has something that an origin fixes
	gaps    bool // by has nothing but the day
	counts  map[string]*tallied
	key     []byte
}

// tallied is one group. Values that are compared without case are shown as
// most events spell them.
type tallied struct {
	Group
	spellings []map[string]uint64 // for each dimension that folds, else nil
}

func newTally(by []Dimension) *tally {
	t := &tally{by: by, days: hasDay(by), counts: map[string]*tallied{}}
	t.origins = slices.ContainsFunc(by, func(d Dimension) bool {
		return d == ByProcess || d == ByLabel || d.LabelName() != ""
	})
	t.gaps = !slices.ContainsFunc(by, func(d Dimension) bool { return d != ByDay })
	return t
}

// add counts n events that look like e.
func (t *tally) add(e *audit.Event, class Class, beside bool, day string, n uint64) {
	if class == ClassNone || class == ClassGap && !t.gaps {
		return
	}
	values := make([]string, len(t.by))
	var walk func(i int)
	walk = func(i int) {
		if i == len(t.by) {
			t.group(values, n).Counts.Add(class, beside, n)
			return
		}
		if t.by[i] == ByDay {
			values[i] = day
			walk(i + 1)
			return
		}
		seen := t.by[i].values(e)
		for j, v := range seen {
			// One event counts once in one group.
			if !containsValue(seen[:j], v, t.by[i].folds()) {
				values[i] = v
				walk(i + 1)
			}
		}
	}
	walk(0)
}

func containsValue(list []string, v string, fold bool) bool {
	if fold {
		v = strings.ToLower(v)
	}
	return slices.ContainsFunc(list, func(s string) bool {
		if fold {
			s = strings.ToLower(s)
		}
		return s == v
	})
}

// group returns the group of the values and notes how n events spell them.
func (t *tally) group(values []string, n uint64) *tallied {
	t.key = t.key[:0]
	for i, v := range values {
		if t.by[i].folds() {
			v = strings.ToLower(v)
		}
		t.key = append(append(t.key, v...), 0)
	}
	g := t.counts[string(t.key)]
	if g == nil {
		g = &tallied{Group: Group{Values: slices.Clone(values)}, spellings: make([]map[string]uint64, len(t.by))}
		for i, d := range t.by {
			if d.folds() {
				g.spellings[i] = map[string]uint64{}
			}
		}
		t.counts[string(t.key)] = g
	}
	for i, spelled := range g.spellings {
		if spelled != nil {
			spelled[values[i]] += n
		}
	}
	return g
}

// addMissing counts the events that are known to be missing.
func (t *tally) addMissing(missing perDay) {
	if !t.gaps {
		return
	}
	for day, n := range missing {
		if n == 0 {
			continue
		}
		values := make([]string, len(t.by))
		for i := range values {
			values[i] = dayText(day)
		}
		t.group(values, 0).Counts.addMissing(n)
	}
}

// groups returns what was counted, ordered by the values.
func (t *tally) groups() []Group {
	if len(t.by) == 0 && len(t.counts) == 0 {
		return []Group{{Values: []string{}}}
	}
	groups := make([]Group, 0, len(t.counts))
	for _, g := range t.counts {
		for i, spelled := range g.spellings {
			if spelled != nil {
				g.Values[i] = mostCommon(spelled)
			}
		}
		groups = append(groups, g.Group)
	}
	slices.SortFunc(groups, func(a, b Group) int {
		return cmp.Or(slices.CompareFunc(a.Values, b.Values, func(x, y string) int {
			return cmp.Compare(strings.ToLower(x), strings.ToLower(y))
		}), slices.Compare(a.Values, b.Values))
	})
	return groups
}

// mostCommon is the value that is counted most, and of several the first in
// the alphabet.
func mostCommon(counts map[string]uint64) string {
	best, n := "", uint64(0)
	for v, m := range counts {
		if m > n || m == n && v < best || best == "" && n == 0 {
			best, n = v, m
		}
	}
	return best
}
