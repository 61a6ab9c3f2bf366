package audit

import (
	"slices"
	"strings"
	"time"
)

// Filter selects events. Values of one field are alternatives, compared
// without case, with * for any text; an empty field selects everything.
type Filter struct {
	Kinds         []Kind // empty: KindRequest only
	Outcomes      []string
	Rules         []string
	Tools         []string
	Subscriptions []string
	Types         []string // resource types
	Methods       []string
	Since         time.Time // zero: no limit; inclusive
	Until         time.Time // zero: no limit; exclusive
}

// Match reports whether the filter selects e.
func (f Filter) Match(e *Event) bool {
	if len(f.Kinds) == 0 && e.Kind != KindRequest || len(f.Kinds) > 0 && !slices.Contains(f.Kinds, e.Kind) {
		return false
	}
	return (f.Since.IsZero() || !e.Time.Before(f.Since)) &&
		(f.Until.IsZero() || e.Time.Before(f.Until)) &&
		matchAny(f.Outcomes, e.Outcome) &&
		matchAny(f.Rules, e.Rule) &&
		matchAny(f.Tools, e.Tool) &&
		matchAny(f.Subscriptions, e.Subscription) &&
		matchAny(f.Types, e.ResourceType) &&
		matchAny(f.Methods, e.Method)
}

func matchAny(patterns []string, s string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool { return matchPattern(p, s) })
}

// matchPattern compares without case; * stands for any text, also none, also
// across slashes.
func matchPattern(pattern, s string) bool {
	if !strings.Contains(pattern, "*") {
		return strings.EqualFold(pattern, s)
	}
	parts := strings.Split(strings.ToLower(pattern), "*")
	s = strings.ToLower(s)
	s, ok := strings.CutPrefix(s, parts[0])
	if !ok {
		return false
	}
	last := len(parts) - 1
	for _, part := range parts[1:last] {
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s = s[i+len(part):]
	}
	return strings.HasSuffix(s, parts[last])
}
