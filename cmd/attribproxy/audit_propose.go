package main

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"

	"go.yaml.in/yaml/v3"

	"github.com/attribproxy/attribproxy/attribution"
)

// proposedRule is a rule as it stands in the configuration.
type proposedRule struct {
	Name        string        `json:"name" yaml:"name"`
	Match       proposedMatch `json:"match" yaml:"match"`
	TrackingIDs []string      `json:"trackingIds" yaml:"trackingIds,flow"`
}

type proposedMatch struct {
	Subscriptions  []string `json:"subscriptions,omitempty" yaml:"subscriptions,flow,omitempty"`
	ResourceGroups []string `json:"resourceGroups,omitempty" yaml:"resourceGroups,flow,omitempty"`
	ResourceTypes  []string `json:"resourceTypes,omitempty" yaml:"resourceTypes,flow,omitempty"`
	Tools          []string `json:"tools,omitempty" yaml:"tools,flow,omitempty"`
}

// yourID stands for an ID that was not given; the configuration refuses it.
const yourID = "<your tracking ID>"

// proposeRules makes a rule for each subscription and resource group of what no
// rule matched.
func proposeRules(groups []discoveryGroup, id attribution.ID) []proposedRule {
	token := id.Token()
	if token == "" {
		token = yourID
	}
	rules := []proposedRule{}
	anyTool := map[int]bool{} // rules for which some write showed no tool
	byPlace := map[string]int{}
	names := map[string]bool{}
	for _, g := range groups {
		if g.Outcome != string(attribution.OutcomeNoRule) {
			continue // a rule has it already
		}
		if g.noRule {
			continue
		}
		place := strings.ToLower(g.Subscription + "\x00" + g.ResourceGroup)
		i, ok := byPlace[place]
		if !ok {
			i = len(rules)
			byPlace[place] = i
			r := proposedRule{Name: ruleName(g, names), TrackingIDs: []string{token}}
			r.Match.Subscriptions = nonEmpty(g.Subscription)
			r.Match.ResourceGroups = nonEmpty(g.ResourceGroup)
			rules = append(rules, r)
		}
		m := &rules[i].Match
		m.ResourceTypes = addFold(m.ResourceTypes, g.ResourceType)
		m.Tools = addFold(m.Tools, g.Tool)
		anyTool[i] = anyTool[i] || g.Tool == ""
	}
	for i := range rules {
		slices.Sort(rules[i].Match.ResourceTypes)
		slices.Sort(rules[i].Match.Tools)
		if anyTool[i] {
			rules[i].Match.Tools = nil
		}
	}
	return rules
}

// ruleable reports whether a rule can name what was written, and nothing else. A
// path can hold any text where Azure would have a name, and Azure refuses it only
// after it is on record: a group "*" would become a rule for all groups, and one
// with brackets a rule that the configuration refuses.
func ruleable(k untaggedKind) bool {
	if strings.ContainsAny(k.subscription+k.group+k.resourceType+k.tool, "*?") {
		return false
	}
	_, faults := attribution.Compile(attribution.ModeEnforce, []attribution.Rule{{
		Name: "proposed", TrackingIDs: []string{"pid-00000000-0000-4000-8000-000000000001"},
		Match: attribution.Match{
			Subscriptions: nonEmpty(k.subscription), ResourceGroups: nonEmpty(k.group),
			ResourceTypes: nonEmpty(k.resourceType), Tools: nonEmpty(k.tool),
		},
	}}, nil)
	return len(faults) == 0
}

func nonEmpty(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// addFold adds s unless it is there in another case, or empty.
func addFold(list []string, s string) []string {
	if s == "" || slices.ContainsFunc(list, func(have string) bool { return strings.EqualFold(have, s) }) {
		return list
	}
	return append(list, s)
}

// ruleName makes a name out of what the rule is about, and keeps it unique.
func ruleName(g discoveryGroup, taken map[string]bool) string {
	base := g.ResourceGroup
	if base == "" && g.Subscription != "" {
		base = "subscription-" + g.Subscription[:min(len(g.Subscription), 8)]
	}
	base = strings.Trim(notInName.ReplaceAllString(strings.ToLower(base), "-"), "-.")
	base = cmp.Or(base[:min(len(base), 60)], "tenant")
	name := base
	for n := 2; taken[name]; n++ {
		name = fmt.Sprintf("%s-%d", base, n)
	}
	taken[name] = true
	return name
}

var (
	notInName = regexp.MustCompile(`[^a-z0-9._-]+`)
	// varying are the parts of a name that differ from one deployment to the
	// next: GUIDs, other long hexadecimal numbers, digits.
	varying = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[0-9a-f]*[0-9][0-9a-f]{5,}\b|[0-9]+`)
)

// minLiteral is how many characters besides * a pattern needs: "rg*" would
// match what nobody meant.
const minLiteral = 6

// namePatterns gives, for each name in lower case, the pattern of those that
// differ only in varying parts, or the name as first spelled.
func namePatterns(names []string) map[string]string {
	spelled := map[string]string{}
	members := map[string]int{}
	for _, name := range names {
		lower := strings.ToLower(name)
		if _, ok := spelled[lower]; !ok {
			spelled[lower] = name
			members[varying.ReplaceAllString(lower, "*")]++
		}
	}
	for lower := range spelled {
		pattern := varying.ReplaceAllString(lower, "*")
		if members[pattern] > 1 && len(strings.ReplaceAll(pattern, "*", "")) >= minLiteral {
			spelled[lower] = pattern
		}
	}
	return spelled
}

// text is the discovery for people.
func (d *discovery) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s on record, %d without a tracking ID", plural(d.PUTs, "PUT"), d.Untagged)
	if d.TemplateOnly > 0 {
		fmt.Fprintf(&b, ", %d tagged by the template alone", d.TemplateOnly)
	}
	if d.InBatches > 0 {
		fmt.Fprintf(&b, ", %d inside of batches, which cannot be tagged", d.InBatches)
	}
	b.WriteByte('\n')
	if len(d.Groups) > 0 {
		b.WriteString("\nuntagged\n")
		w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "  COUNT\tTOOL\tSUBSCRIPTION\tRESOURCE GROUP\tTYPE\tOUTCOME\tLATEST")
		for _, g := range d.Groups {
			fmt.Fprintf(w, "  %d\t%s\t%s\t%s\t%s\t%s\t%s\n", g.Count, tableCell(orDash(g.Tool)), tableCell(orDash(g.Subscription)),
				tableCell(orDash(g.ResourceGroup)), tableCell(orDash(g.ResourceType)), g.Outcome, g.Event)
		}
		_ = w.Flush() // a strings.Builder takes everything
	}
	if len(d.Rules) > 0 {
		b.WriteString("\nrules to paste into the configuration, without what is not yours; then try them with 'attribproxy audit replay'\n\n")
		b.WriteString(rulesYAML(d.Rules))
	}
	if d.LeftOut > 0 {
		fmt.Fprintf(&b, "\nno rule is proposed for %s whose subscription, resource group, type or tool has a name that Azure cannot have\n", plural(d.LeftOut, "PUT"))
	}
	for i, t := range d.Tools {
		if i == 0 {
			b.WriteString("\nwithout the proxy\n")
		}
		fmt.Fprintf(&b, "  %s, %s\n", tableCell(t.Name), plural(t.Count, "PUT"))
		for _, p := range t.Processes {
			fmt.Fprintf(&b, "    %d by %s\n", p.Count, tableCell(p.Process))
		}
		native := t.Native
		if native == "" {
			native = "none"
		}
		fmt.Fprintf(&b, "    own way: %s\n", native)
		if t.Limit != "" {
			fmt.Fprintf(&b, "    limit:   %s\n", t.Limit)
		}
	}
	return b.String()
}

// rulesYAML is the list of rules as it stands in a configuration file.
func rulesYAML(rules []proposedRule) string {
	var b strings.Builder
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	// Plain data into a strings.Builder: neither can fail.
	_ = enc.Encode(map[string][]proposedRule{"rules": rules})
	_ = enc.Close()
	return b.String()
}
