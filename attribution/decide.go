package attribution

import (
	"net/http"
	"strings"

	"github.com/attribproxy/attribproxy/arm"
)

// Facts are what a decision rests on.
type Facts struct {
	// Method is the request's.
	Method string
	// Host is the intercepted host; rules do not look at it.
	Host string
	// Target is the request target, see [arm.ParseTarget].
	Target arm.Target
	// UserAgent are the field's values as received; nil if it is missing.
	UserAgent []string
}

// Decision is what to do with one request, and why.
type Decision struct {
	Outcome Outcome
	// Rule is the name of the rule or exclude that decided; "" if none did.
	Rule string
	// Reason says why in plain words; never empty.
	Reason string
	// IDs are the rule's tokens where a rule decided, else nil. The caller must
	// not change them.
	IDs []string
	// UserAgent is the value to send if Rewrite, else "".
	UserAgent string
	// Rewrite false means that the User-Agent passes as received; a missing one
	// stays missing.
	Rewrite bool
	// Conflicts are the other pid tokens that are sent, be it beside ours or
	// instead of it; nil unless a rule decided.
	Conflicts []string
	// Tool is the ID of the recognised tool, "" if none.
	Tool string
}

// Decide applies the policy to one request. Excludes come first, then what can
// never be tagged (batches, reads, actions that create nothing), then the first
// rule that matches.
func (p *Policy) Decide(f Facts) Decision {
	d, _ := p.decide(f)
	return d
}

// decide also gives what the rule, if one decided, makes of the User-Agent.
func (p *Policy) decide(f Facts) (Decision, Rewritten) {
	d := Decision{Tool: p.recognize(f.UserAgent)}
	v := valuesOf(f, d.Tool)

	for i := range p.excludes {
		if e := &p.excludes[i]; e.matcher.match(&v) {
			d.Outcome, d.Rule, d.Reason = OutcomeExcluded, e.name, e.reason
			return d, Rewritten{}
		}
	}
	if outcome, reason := ineligible(f); outcome != "" {
		d.Outcome, d.Reason = outcome, reason
		return d, Rewritten{}
	}
	for i := range p.rules {
		if r := &p.rules[i]; r.matcher.match(&v) {
			return p.apply(r, d, f.UserAgent)
		}
	}
	d.Outcome, d.Reason = OutcomeNotEligible, p.noRuleReason(f.Method)
	if strings.EqualFold(f.Method, http.MethodPut) {
		d.Outcome = OutcomeNoRule
	}
	return d, Rewritten{}
}

// ineligible gives the outcome of requests that no rule can tag; "" for others.
func ineligible(f Facts) (Outcome, string) {
	switch {
	case f.Target.Operation == arm.OperationBatch:
		return OutcomeBatch, "a batch carries its writes in the body, which is never changed"
	case isRead(f.Method):
		return OutcomeNotEligible, "reads are never tagged"
	case f.Target.CreatesNothing():
		return OutcomeNotEligible, "this action creates nothing"
	}
	return "", ""
}

// apply completes d with what rule r does.
func (p *Policy) apply(r *compiledRule, d Decision, fields []string) (Decision, Rewritten) {
	w := p.rewriter.rewrite(fields, r.tokens, r.on)
	d.Outcome, d.Rule, d.IDs, d.Conflicts = w.Outcome, r.name, r.tokens, w.Conflicts
	beside := len(w.Conflicts) > 0
	switch w.Outcome {
	case OutcomeConflictKept:
		d.Reason = r.reasons.kept
	case OutcomeAlreadyAttributed:
		d.Reason = r.reasons.already
		if beside {
			d.Reason = r.reasons.alreadyBeside
		}
	case OutcomeReplaced:
		d.Reason = r.reasons.replaced
	default:
		d.Reason = r.reasons.added
		if beside {
			d.Reason = r.reasons.addedBeside
		}
	}
	if p.mode == ModeObserve {
		switch w.Outcome {
		case OutcomeAttributed:
			d.Outcome, d.Reason = OutcomeWouldAttribute, r.reasons.wouldAdd
		case OutcomeReplaced:
			d.Outcome, d.Reason = OutcomeWouldAttribute, r.reasons.wouldReplace
			d.Conflicts = OtherTokens(joinFields(fields), r.tokens)
		}
		return d, w
	}
	if w.Changed {
		d.Rewrite, d.UserAgent = true, w.UserAgent
	}
	return d, w
}

// recognize looks at all fields, as they may become one.
func (p *Policy) recognize(fields []string) string {
	if len(fields) == 0 {
		return ""
	}
	return p.recognizer.Recognize(joinFields(fields))
}

// valuesOf lays out what a request says to each field of a [Match].
func valuesOf(f Facts, tool string) values {
	return values{f.Method, f.Target.Subscription, f.Target.ResourceGroup, f.Target.ResourceType, tool}
}
