package console

import (
	"net/http"
	"strings"
)

// Rules is the configuration in force, as far as it may be shown.
type Rules struct {
	Mode     string
	Hash     string // as in the events that it decided
	File     string // where it comes from, "" for none
	Excludes []Rule
	Rules    []Rule
	YAML     string // all of it, without secrets
}

// Rule is a rule or an exclude.
type Rule struct {
	Name      string
	Match     []Condition // all must hold; none means every request
	IDs       []string
	OnOtherID string
}

// Condition is one field of a match and its alternatives.
type Condition struct {
	Field  string
	Values []string
}

// has reports whether a rule or an exclude has this name.
func (r Rules) has(name string) bool {
	for _, list := range [][]Rule{r.Excludes, r.Rules} {
		for _, rule := range list {
			if rule.Name == name {
				return true
			}
		}
	}
	return false
}

// anchor is where a rule stands on its page.
func anchor(name string) string {
	return "rule-" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '_'
	}, name)
}

// rulesPage is the content of the page of rules.
type rulesPage struct {
	Rules
	Lists []ruleList
}

type ruleList struct {
	Title, Lead, None string
	Rules             []shownRule
}

type shownRule struct {
	Rule
	Number       int
	Anchor, Link string
}

func (s *Server) serveRules(w http.ResponseWriter, r *http.Request) {
	rules, err := s.o.Rules()
	if err != nil {
		s.fail(w, http.StatusServiceUnavailable, err.Error(), "")
		return
	}
	shown := func(list []Rule) []shownRule {
		all := make([]shownRule, 0, len(list))
		for i, rule := range list {
			all = append(all, shownRule{rule, i + 1, anchor(rule.Name), "/events?" + escape("rule", rule.Name)})
		}
		return all
	}
	s.show(w, http.StatusOK, "rules", page{Title: "Rules", Here: "/rules", Content: rulesPage{Rules: rules, Lists: []ruleList{
		{"Excludes", "Customers who chose not to be tracked. They win over every rule.", "No excludes.", shown(rules.Excludes)},
		{"Rules", "The first rule that matches decides.", "No rules: nothing is tagged.", shown(rules.Rules)},
	}}})
}
