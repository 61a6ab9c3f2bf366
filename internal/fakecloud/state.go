package fakecloud

import (
	"maps"
	"slices"
	"strings"
)

// state is what the fake subscription holds. Cloud.mu guards it. Keys are
// resource IDs in lower case.
type state struct {
	items      map[string]object
	operations map[string]*operation
}

// operation is one long-running operation.
type operation struct {
	polls  int    // answers that still say "not yet"
	result object // the body in the end, nil for none
}

func newState() *state {
	return &state{items: map[string]object{}, operations: map[string]*operation{}}
}

func (s *state) get(id string) (object, bool) {
	o, ok := s.items[strings.ToLower(id)]
	return o, ok
}

// put keeps an object and reports whether it is new.
func (s *state) put(id string, o object) (created bool) {
	id = strings.ToLower(id)
	_, had := s.items[id]
	s.items[id] = o
	return !had
}

// remove deletes an object with all that lies under it.
func (s *state) remove(id string) (existed bool) {
	id = strings.ToLower(id)
	_, existed = s.items[id]
	maps.DeleteFunc(s.items, func(key string, _ object) bool {
		return key == id || strings.HasPrefix(key, id+"/")
	})
	return existed
}

// list gives the objects below prefix for which keep is true, ordered by ID.
func (s *state) list(prefix string, keep func(id string) bool) []object {
	prefix = strings.ToLower(prefix)
	out := []object{}
	for _, id := range slices.Sorted(maps.Keys(s.items)) {
		if strings.HasPrefix(id, prefix) && keep(id) {
			out = append(out, s.items[id])
		}
	}
	return out
}
