package attribution

import (
	"fmt"
	"strings"
)

// Explanation is a decision with every step that led to it.
type Explanation struct {
	Decision Decision
	// Steps are all excludes, then all rules, in order, also those after the
	// one that decided.
	Steps []Step
	// Before is the User-Agent as received, several fields joined as they would
	// be; After is what is sent.
	Before, After string
	// Would is what [ModeEnforce] would send, where the outcome is
	// would-attribute; else "".
	Would string
}

// StepKind tells excludes from rules.
type StepKind string

// The kinds of steps.
const (
	StepExclude StepKind = "exclude"
	StepRule    StepKind = "rule"
)

// Step is one exclude or rule held against a request.
type Step struct {
	Kind StepKind
	// Index is its place in the configuration, from 0.
	Index int
	Name  string
	// Matched says whether every given field matched; Decided whether this step
	// made the decision.
	Matched, Decided bool
	// Reason says why in plain words.
	Reason string
	// Checks are the given fields, in order.
	Checks []Check
}

// Check is one field of a [Match] held against a request.
type Check struct {
	// Field is the configuration's name: "resourceTypes".
	Field string
	// Value is the request's; "" if it has none.
	Value string
	// Patterns are the field's.
	Patterns []string
	Matched  bool
}

// Explain decides and says how.
func (p *Policy) Explain(f Facts) Explanation {
	d, w := p.decide(f)
	x := Explanation{Decision: d, Before: joinFields(f.UserAgent)}
	x.After = x.Before
	if d.Rewrite {
		x.After = d.UserAgent
	}
	if d.Outcome == OutcomeWouldAttribute {
		x.Would = w.UserAgent
	}

	v := valuesOf(f, d.Tool)
	decided := ""
	for i := range p.excludes {
		e := &p.excludes[i]
		s := e.matcher.step(&v)
		s.Kind, s.Index, s.Name = StepExclude, i, e.name
		s.Decided = s.Matched && decided == ""
		s.conclude(&decided)
		x.Steps = append(x.Steps, s)
	}
	if _, reason := ineligible(f); reason != "" && decided == "" {
		decided = reason
	}
	for i := range p.rules {
		r := &p.rules[i]
		s := r.matcher.step(&v)
		s.Kind, s.Index, s.Name = StepRule, i, r.name
		s.Decided = s.Matched && decided == ""
		s.conclude(&decided)
		x.Steps = append(x.Steps, s)
	}
	return x
}

// conclude words the step's reason, given what decided before it, and notes
// that it decided.
func (s *Step) conclude(decided *string) {
	switch {
	case s.Decided:
		s.Reason = "matches"
		if len(s.Checks) == 0 {
			s.Reason = "matches everything"
		}
		*decided = fmt.Sprintf("%s %q decided", s.Kind, s.Name)
	case s.Matched:
		s.Reason = "would match, but " + *decided
	default:
		var whys []string
		for _, c := range s.Checks {
			if !c.Matched {
				whys = append(whys, c.why())
			}
		}
		s.Reason = "does not match: " + strings.Join(whys, "; ")
	}
}

// why says in words why the check failed.
func (c Check) why() string {
	wanted := "not " + c.Patterns[0]
	if len(c.Patterns) > 1 {
		wanted = "none of " + strings.Join(c.Patterns, ", ")
	}
	switch {
	case c.Value != "":
		return fmt.Sprintf("%s %q is %s", singular(c.Field), c.Value, wanted)
	case c.Field == fieldTools:
		return "the User-Agent shows no known tool, and so " + wanted
	default:
		return "the request has no " + singular(c.Field) + ", and so " + wanted
	}
}

func singular(field string) string {
	switch field {
	case fieldMethods:
		return "method"
	case fieldSubscriptions:
		return "subscription"
	case fieldResourceGroups:
		return "resource group"
	case fieldResourceTypes:
		return "resource type"
	default:
		return "tool"
	}
}

// step holds the matcher against a request, field by field.
func (m *matcher) step(v *values) Step {
	s := Step{Matched: true}
	for i, field := range (Match{}).fields() {
		if m[i] == nil {
			continue
		}
		c := Check{Field: field.name, Value: v[i], Matched: m.matchField(i, v)}
		for _, g := range m[i] {
			c.Patterns = append(c.Patterns, g.source)
		}
		s.Matched = s.Matched && c.Matched
		s.Checks = append(s.Checks, c)
	}
	return s
}
