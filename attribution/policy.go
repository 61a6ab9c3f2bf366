package attribution

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/attribproxy/attribproxy/arm"
)

// Policy is a compiled set of rules. It is immutable and safe for concurrent
// use.
type Policy struct {
	mode       Mode
	rules      []compiledRule
	excludes   []compiledExclude
	warnings   []Fault
	recognizer *arm.Recognizer
	rewriter   rewriter
}

// compiledRule is a rule with everything prepared that does not depend on the
// request, the reasons among it: deciding allocates the new value only.
type compiledRule struct {
	name    string
	matcher matcher
	tokens  []string
	on      OnOtherID
	reasons reasons
}

type reasons struct {
	added, addedBeside, already, alreadyBeside, kept, replaced string
	wouldAdd, wouldReplace                                     string
}

type compiledExclude struct {
	name    string
	matcher matcher
	reason  string
}

// Compile checks rules and excludes and makes them ready for use. It returns
// every fault it finds, in the order of the configuration; if there is any, the
// policy is nil.
func Compile(mode Mode, rules []Rule, excludes []Exclude) (*Policy, []Fault) {
	var c checker
	c.mode(mode)
	c.excludes(excludes)
	c.rules(rules)
	if len(c.faults) > 0 {
		return nil, c.faults
	}

	p := &Policy{
		mode:       mode,
		recognizer: arm.NewRecognizer(),
		rewriter:   rewriter{defaults: defaultTokens()},
	}
	for _, e := range excludes {
		p.excludes = append(p.excludes, compiledExclude{
			name:    e.Name,
			matcher: compileMatch(e.Match),
			reason:  fmt.Sprintf("exclude %q matched: this customer is not tracked", e.Name),
		})
	}
	for _, r := range rules {
		p.rules = append(p.rules, compileRule(r))
	}
	p.warnings = append(c.warnings, p.shadowed()...)
	return p, nil
}

func compileRule(r Rule) compiledRule {
	c := compiledRule{name: r.Name, matcher: compileMatch(r.Match, http.MethodPut), on: r.OnOtherID}
	if c.on == "" {
		c.on = OnOtherAppend
	}
	for _, s := range r.TrackingIDs {
		id, _ := parseID(s) // the checker has seen it
		c.tokens = append(c.tokens, id.token)
	}
	c.tokens = slices.Clip(c.tokens)

	noun, was, stands := "its ID", "was", "stands"
	if len(c.tokens) > 1 {
		noun, was, stands = "its IDs", "were", "stand"
	}
	matched := fmt.Sprintf("rule %q matched: ", r.Name)
	replaces := "another ID was"
	if c.on == OnOtherReplaceDefaults {
		replaces = "a tool's default ID was"
	}
	kept := "another ID was there and is kept (onOtherId: keep)"
	if c.on == OnOtherReplaceDefaults {
		kept = "another ID was there that is no tool's default, and is kept (onOtherId: replace-defaults)"
	}
	c.reasons = reasons{
		added:         matched + noun + " " + was + " added",
		addedBeside:   matched + noun + " " + was + " added, and now " + stands + " beside another: perhaps only one is read",
		already:       matched + noun + " " + was + " there already",
		alreadyBeside: matched + noun + " " + was + " there already, beside another: perhaps only one is read",
		kept:          matched + kept,
		replaced:      matched + replaces + " replaced by " + noun,
		wouldAdd:      matched + noun + " would have been added (mode: observe)",
		wouldReplace:  matched + replaces[:len(replaces)-len("was")] + "would have been replaced by " + noun + " (mode: observe)",
	}
	return c
}

// Mode is the mode the policy was compiled for.
func (p *Policy) Mode() Mode { return p.mode }

// Warnings are what Compile found questionable though not wrong: sample IDs,
// rules that can never match, several IDs on one request. The caller must not
// change them.
func (p *Policy) Warnings() []Fault { return p.warnings }

// shadowed warns of rules that no request can reach.
func (p *Policy) shadowed() []Fault {
	var out []Fault
	for i := range p.rules {
		r := &p.rules[i]
		warn := func(what, remedy string) {
			out = append(out, Fault{
				Path: fmt.Sprintf("rules[%d]", i), Value: r.name,
				Message: "never decides: " + what, Remedy: remedy,
			})
		}
		if j := slices.IndexFunc(p.excludes, func(e compiledExclude) bool { return e.matcher.covers(&r.matcher) }); j >= 0 {
			warn(fmt.Sprintf("exclude %q matches every request that it matches", p.excludes[j].name),
				"remove the rule, or narrow the exclude")
			continue
		}
		if j := slices.IndexFunc(p.rules[:i], func(e compiledRule) bool { return e.matcher.covers(&r.matcher) }); j >= 0 {
			warn(fmt.Sprintf("rule %q stands before it and matches every request that it matches", p.rules[j].name),
				"the first rule that matches decides: put the narrower rule first, or remove it")
		}
	}
	return out
}

// noRuleReason says in plain words why no rule decided about a write.
func (p *Policy) noRuleReason(method string) string {
	switch {
	case len(p.rules) == 0:
		return "there are no rules"
	case p.names(method):
		return "no rule matched"
	}
	for _, m := range writeMethods() { // constants, so as not to allocate
		if m == method {
			return noRuleNames(m)
		}
	}
	return "no rule names method " + strings.ToValidUTF8(shorten(method), "?")
}

func noRuleNames(method string) string {
	switch method {
	case http.MethodPatch:
		return "no rule names method PATCH"
	case http.MethodPost:
		return "no rule names method POST"
	case http.MethodDelete:
		return "no rule names method DELETE"
	default:
		return "no rule names method PUT"
	}
}

// names reports whether a rule is about the method at all.
func (p *Policy) names(method string) bool {
	v := values{method}
	return slices.ContainsFunc(p.rules, func(r compiledRule) bool { return r.matcher.matchField(0, &v) })
}
