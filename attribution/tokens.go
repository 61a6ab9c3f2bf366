package attribution

import (
	"iter"
	"slices"
	"strings"
)

// span is a token's place in a User-Agent.
type span struct{ start, end int }

// isBoundary reports the bytes between tokens. Products are separated by white
// space (RFC 9110 §10.1.5), comments stand in parentheses with semicolons in
// them, some tools join lists with commas, and "+" comes before addresses.
func isBoundary(c byte) bool {
	switch c {
	case ' ', '\t', '\n', '\v', '\f', '\r', ',', ';', '+', '(', ')':
		return true
	}
	return false
}

// pidSpans walks over the pid tokens of a User-Agent in order.
func pidSpans(ua string) iter.Seq[span] {
	return func(yield func(span) bool) {
		for i := 0; i < len(ua); {
			if isBoundary(ua[i]) {
				i++
				continue
			}
			start := i
			for i < len(ua) && !isBoundary(ua[i]) {
				i++
			}
			if hasPrefixFold(ua[start:i], Prefix) && !yield(span{start, i}) {
				return
			}
		}
	}
}

// Tokens gives the pid tokens of a User-Agent in order, as spelled, whether
// they are valid IDs or not; nil if there is none.
func Tokens(userAgent string) []string {
	var out []string
	for s := range pidSpans(userAgent) {
		out = append(out, userAgent[s.start:s.end])
	}
	return out
}

// OtherTokens gives the pid tokens that are none of ids, compared without
// case; nil if there is none. The ids are tokens: they begin with "pid-".
func OtherTokens(userAgent string, ids []string) []string {
	var out []string
	for s := range pidSpans(userAgent) {
		if token := userAgent[s.start:s.end]; !contains(ids, token) {
			out = append(out, token)
		}
	}
	return out
}

// contains reports whether token is one of ids, without case.
func contains(ids []string, token string) bool {
	return slices.ContainsFunc(ids, func(id string) bool { return strings.EqualFold(id, token) })
}
