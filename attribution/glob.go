package attribution

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// glob is a pattern compiled for comparison without case. '*' stands for any
// run of characters, '/' included, '?' for exactly one.
type glob struct {
	source  string // as configured
	pattern []rune // folded
}

func compileGlob(s string) glob {
	g := glob{source: s, pattern: make([]rune, 0, len(s))}
	for _, r := range s {
		g.pattern = append(g.pattern, fold(r))
	}
	return g
}

// fold maps letters that differ in case only to one. A letter outside ASCII
// never folds into it: ARM does not take the Kelvin sign for a k.
func fold(r rune) rune {
	if r < utf8.RuneSelf {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}
	if lower := unicode.ToLower(r); lower >= utf8.RuneSelf {
		return lower
	}
	return r
}

// match runs in time proportional to pattern × text at worst, and needs no
// memory.
func (g glob) match(s string) bool {
	p, i := 0, 0
	star, resume := -1, 0 // where the last '*' is, and what it has not yet taken
	for i < len(s) {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case p < len(g.pattern) && g.pattern[p] == '*':
			star, resume = p, i
			p++
		case p < len(g.pattern) && (g.pattern[p] == '?' || g.pattern[p] == fold(r)):
			p++
			i += size
		case star >= 0:
			_, size := utf8.DecodeRuneInString(s[resume:])
			resume += size
			p, i = star+1, resume
		default:
			return false
		}
	}
	for p < len(g.pattern) && g.pattern[p] == '*' {
		p++
	}
	return p == len(g.pattern)
}

// literal reports a pattern without wildcards.
func (g glob) literal() bool { return !strings.ContainsAny(g.source, "*?") }

// covers reports whether everything that other matches is matched by g. It may
// say no where the answer is yes, never the reverse.
func (g glob) covers(other glob) bool {
	if other.literal() {
		return g.match(other.source)
	}
	if string(g.pattern) == string(other.pattern) {
		return true
	}
	// "prefix*" covers whatever begins with the prefix, spelled out.
	n := len(g.pattern) - 1
	if n < 0 || g.pattern[n] != '*' || len(other.pattern) < n {
		return false
	}
	for i := range n {
		if c := g.pattern[i]; c == '*' || c == '?' || c != other.pattern[i] {
			return false
		}
	}
	return true
}
