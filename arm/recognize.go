package arm

import "strings"

// Recognizer recognises tools by their User-Agent. Its zero value recognises
// none; make one with [NewRecognizer]. It is immutable and safe for concurrent
// use.
type Recognizer struct {
	markers []marker
}

// marker is one product name; rank is the place of its tool in the table.
type marker struct {
	text string
	rank int
	tool string
}

// NewRecognizer prepares the table of [Tools].
func NewRecognizer() *Recognizer {
	r := &Recognizer{}
	for rank, t := range toolTable() {
		for _, m := range t.markers {
			r.markers = append(r.markers, marker{text: m, rank: rank, tool: t.ID})
		}
	}
	return r
}

// Recognize gives the [Tool.ID] of the most specific tool that a User-Agent
// shows, or "". Product names count at the beginning of a token only, where
// tokens end at white space and any of ",;+()": azd joins its own with a comma.
func (r *Recognizer) Recognize(userAgent string) string {
	best := marker{rank: len(r.markers)}
	for len(userAgent) > 0 {
		end := strings.IndexAny(userAgent, " \t\n\v\f\r,;+()")
		if end < 0 {
			end = len(userAgent)
		}
		for _, m := range r.markers {
			if m.rank >= best.rank {
				break // the table is in order of rank
			}
			if m.matches(userAgent[:end]) {
				best = m
				break
			}
		}
		userAgent = userAgent[min(end+1, len(userAgent)):]
	}
	return best.tool
}

func (m marker) matches(token string) bool {
	if len(token) < len(m.text) {
		return false
	}
	if last := m.text[len(m.text)-1]; last != '/' && last != '-' && len(token) != len(m.text) {
		return false
	}
	return strings.EqualFold(token[:len(m.text)], m.text)
}

// RecognizeTool is [Recognizer.Recognize] for a single look; prepare a
// Recognizer where there are many.
func RecognizeTool(userAgent string) string {
	return NewRecognizer().Recognize(userAgent)
}
