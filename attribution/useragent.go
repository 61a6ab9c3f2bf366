package attribution

import "strings"

// Rewritten is a User-Agent after [RewriteUserAgent].
type Rewritten struct {
	// Outcome is attributed, already-attributed, replaced or conflict-kept.
	Outcome Outcome
	// UserAgent is the one value to send; Changed tells whether it differs from
	// what was received, in content or in the number of fields.
	UserAgent string
	Changed   bool
	// Conflicts are the other pid tokens in UserAgent.
	Conflicts []string
}

// RewriteUserAgent puts tokens (each beginning with "pid-") into a User-Agent,
// given as its field values. The missing ones are appended in order, each after
// one space, and what was there stays as a prefix; only the replacing policies
// remove something, and only other pid tokens with one separator each. Doing it
// again changes nothing. Several fields become one, joined by spaces, and
// missing or blank ones become just the tokens.
func RewriteUserAgent(fields, tokens []string, on OnOtherID) Rewritten {
	return rewriter{defaults: defaultTokens()}.rewrite(fields, tokens, on)
}

func defaultTokens() []string {
	var out []string
	for _, d := range KnownDefaults() {
		out = append(out, d.Token)
	}
	return out
}

// rewriter holds what rewriting needs besides its arguments.
type rewriter struct {
	defaults []string
}

func (w rewriter) rewrite(fields, tokens []string, on OnOtherID) Rewritten {
	ua := joinFields(fields)
	missing, others, foreign := 0, 0, 0
	for _, t := range tokens {
		if !hasToken(ua, t) {
			missing++
		}
	}
	for s := range pidSpans(ua) {
		if token := ua[s.start:s.end]; !contains(tokens, token) {
			others++
			if !contains(w.defaults, token) {
				foreign++ // neither ours nor a known default
			}
		}
	}

	out := Rewritten{Outcome: OutcomeAttributed, UserAgent: ua}
	remove := on == OnOtherReplace && others > 0 ||
		on == OnOtherReplaceDefaults && others > 0 && foreign == 0
	keep := others > 0 && (on == OnOtherKeep || on == OnOtherReplaceDefaults && foreign > 0)
	if others > 0 && !remove {
		out.Conflicts = OtherTokens(ua, tokens)
	}
	switch {
	case remove:
		out.Outcome = OutcomeReplaced
		out.UserAgent = appendMissing(removeOthers(ua, tokens), tokens, len(tokens))
	case missing == 0:
		out.Outcome = OutcomeAlreadyAttributed
	case keep:
		// Untouched, so that what a tool set on purpose arrives as it set it.
		out.Outcome = OutcomeConflictKept
		return out
	default:
		out.UserAgent = appendMissing(ua, tokens, missing)
	}
	out.Changed = len(fields) != 1 || out.UserAgent != fields[0]
	return out
}

// joinFields makes one value of several, leaving blank ones out.
func joinFields(fields []string) string {
	switch len(fields) {
	case 0:
		return ""
	case 1:
		if isBlank(fields[0]) {
			return ""
		}
		return fields[0]
	}
	kept := make([]string, 0, len(fields))
	for _, f := range fields {
		if !isBlank(f) {
			kept = append(kept, f)
		}
	}
	return strings.Join(kept, " ")
}

func isBlank(s string) bool { return strings.Trim(s, " \t\n\v\f\r") == "" }

// hasToken reports whether ua holds the pid token, without case.
func hasToken(ua, token string) bool {
	for s := range pidSpans(ua) {
		if strings.EqualFold(ua[s.start:s.end], token) {
			return true
		}
	}
	return false
}

// appendMissing appends those tokens that ua lacks; missing is how many there
// are at most.
func appendMissing(ua string, tokens []string, missing int) string {
	if missing == 1 && len(tokens) == 1 {
		if hasToken(ua, tokens[0]) {
			return ua
		}
		return ua + separator(ua) + tokens[0]
	}
	size := len(ua)
	for _, t := range tokens {
		size += 1 + len(t)
	}
	var b strings.Builder
	b.Grow(size)
	b.WriteString(ua)
	for i, t := range tokens {
		if hasToken(ua, t) || contains(tokens[:i], t) {
			continue
		}
		b.WriteString(separator(b.String()))
		b.WriteString(t)
	}
	return b.String()
}

// separator is what goes between ua and a token.
func separator(ua string) string {
	if ua == "" {
		return ""
	}
	switch ua[len(ua)-1] {
	case ' ', '\t', '\n', '\v', '\f', '\r':
		return ""
	}
	return " "
}

// removeOthers removes the pid tokens that are none of ours, each with the
// separator before it or, at the beginning of the value or of a comment, the
// one after it. A separator is a run of white space, ",", ";" and "+", such as
// "; ". Parentheses stay, so that comments stay closed.
func removeOthers(ua string, ours []string) string {
	var b strings.Builder
	b.Grow(len(ua))
	done := 0 // everything before it is written or removed
	for s := range pidSpans(ua) {
		if contains(ours, ua[s.start:s.end]) {
			continue
		}
		start, end := s.start, s.end
		for start > done && isSeparator(ua[start-1]) {
			start--
		}
		if start == s.start {
			for end < len(ua) && isSeparator(ua[end]) {
				end++
			}
		}
		b.WriteString(ua[done:start])
		done = end
	}
	b.WriteString(ua[done:])
	return b.String()
}

func isSeparator(c byte) bool { return c != '(' && c != ')' && isBoundary(c) }
