package store_test

import (
	"encoding/json"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/attribproxy/attribproxy/audit/store"
)

func TestPercentOf(t *testing.T) {
	for _, c := range []struct {
		part, whole uint64
		want        string // "" without a whole
	}{
		{0, 0, ""},
		{0, 1, "0.0"},
		{1, 1, "100.0"},
		{29, 100, "29.0"}, // 28.999999999999996 in floats
		{57, 100, "57.0"}, // 56.99999999999999 in floats
		{7, 11, "63.6"},
		{2, 3, "66.6"},
		{8, 12, "66.6"},
		{1999, 2000, "99.9"}, // not all
		{1, 100_000, "0.0"},
		{math.MaxUint64 - 1, math.MaxUint64, "99.9"},
		{math.MaxUint64, math.MaxUint64, "100.0"},
	} {
		p, ok := store.PercentOf(c.part, c.whole)
		if ok != (c.want != "") || ok && p.String() != c.want {
			t.Errorf("%d of %d: %s, %t; want %q", c.part, c.whole, p, ok, c.want)
		}
		if line, err := json.Marshal(p); ok && (err != nil || string(line) != c.want) {
			t.Errorf("%d of %d: JSON %s, %v", c.part, c.whole, line, err)
		}
	}
}

// With one digit it is a Percent; with more, the same number goes on.
func TestExactPercent(t *testing.T) {
	if got := store.ExactPercent(7, 11, 5); got != "63.63636" {
		t.Error(got)
	}
	if got := store.ExactPercent(1, 100_000, 4); got != "0.0010" {
		t.Error(got)
	}
	rapid.Check(t, func(rt *rapid.T) {
		whole := rapid.Uint64Range(1, math.MaxUint64).Draw(rt, "whole")
		part := rapid.Uint64Range(0, whole).Draw(rt, "part")
		p, _ := store.PercentOf(part, whole)
		if got := store.ExactPercent(part, whole, 1); got != p.String() {
			rt.Errorf("%s, want %s", got, p)
		}
	})
}
