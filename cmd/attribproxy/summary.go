package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/attribproxy/attribproxy/attribution"
	"github.com/attribproxy/attribproxy/audit"
)

// summary counts what run says at its end. It observes the journal, so it
// speaks of what is on record.
type summary struct {
	mu        sync.Mutex
	outcomes  map[string]int
	rules     map[string]map[string]int // by outcome
	failed    int                       // writes ARM did not answer with success
	conflicts int                       // tagged beside another tracking ID
}

func newSummary() *summary {
	return &summary{outcomes: map[string]int{}, rules: map[string]map[string]int{}}
}

// observe is the journal's Observe.
func (s *summary) observe(e audit.Event) {
	if e.Kind != audit.KindRequest {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outcomes[e.Outcome]++
	if e.Rule != "" {
		if s.rules[e.Outcome] == nil {
			s.rules[e.Outcome] = map[string]int{}
		}
		s.rules[e.Outcome][e.Rule]++
	}
	inBatch := e.Outcome == string(attribution.OutcomeBatch) && e.Status == 0 && e.Error == "" // its answer was not looked at
	if isWrite(e) && !inBatch && (e.Status < 200 || e.Status > 299) {
		s.failed++
	}
	if e.Outcome == string(attribution.OutcomeAttributed) && len(attribution.OtherTokens(e.UAIn, e.IDs)) > 0 {
		s.conflicts++
	}
}

// isWrite tells the requests that went to ARM from refusals of our own and
// bypasses, which are on record as well.
func isWrite(e audit.Event) bool {
	return e.Outcome != string(attribution.OutcomeRejected) && e.Outcome != string(attribution.OutcomeBypass)
}

// outcomeOrder is the order of the summary: what was tagged first.
var outcomeOrder = []attribution.Outcome{
	attribution.OutcomeAttributed, attribution.OutcomeAlreadyAttributed, attribution.OutcomeReplaced, attribution.OutcomeWouldAttribute,
	attribution.OutcomeConflictKept, attribution.OutcomeExcluded, attribution.OutcomeNoRule, attribution.OutcomeNotEligible, attribution.OutcomeBatch,
}

// line is the summary in one line: "3 ARM writes: 2 attributed
// (contoso-platform), 1 excluded".
func (s *summary) line() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	total := 0
	var parts []string
	for _, o := range outcomeOrder {
		n := s.outcomes[string(o)]
		if n == 0 {
			continue
		}
		total += n
		part := fmt.Sprintf("%d %s", n, o)
		if by := s.rules[string(o)]; len(by) > 0 {
			names := make([]string, 0, len(by))
			for name, count := range by {
				if len(by) > 1 {
					name = fmt.Sprintf("%s %d", name, count)
				}
				names = append(names, name)
			}
			slices.Sort(names)
			part += " (" + strings.Join(names, ", ") + ")"
		}
		parts = append(parts, part)
	}
	line := plural(total, "ARM write")
	if len(parts) > 0 {
		line += ": " + strings.Join(parts, ", ")
	}
	if s.failed > 0 {
		line += fmt.Sprintf(" · %d not answered with success", s.failed)
	}
	if n := s.outcomes[string(attribution.OutcomeRejected)]; n > 0 {
		line += fmt.Sprintf(" · %d refused by attribproxy", n)
	}
	if n := s.outcomes[string(attribution.OutcomeBypass)]; n > 0 {
		line += fmt.Sprintf(" · %d bypassed attribproxy", n)
	}
	return line
}

// otherIDs is how many writes were tagged although they carried another
// tracking ID already.
func (s *summary) otherIDs() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conflicts
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
