package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/attribproxy/attribproxy/arm"
	"github.com/attribproxy/attribproxy/attribution"
)

// text writes the explanation for people: one block each for the request, the
// excludes and rules, the decision and the User-Agent.
func (x *explanation) text(b *strings.Builder) {
	from := "no configuration file"
	if x.Config != "" {
		from = x.Config
	}
	rows(b, "request", [][2]string{
		{"method", x.Method},
		{"host", x.Host + ", " + x.Fate},
		{"configuration", from + ", mode " + x.Mode},
	})
	if x.Target == nil {
		return
	}
	rows(b, "target", x.Target.rows(x.Tool))

	var steps [][2]string
	for _, s := range x.Steps {
		reason := s.Reason
		if s.Decided {
			reason += ", and decides"
		}
		list := "rules"
		if s.Kind == attribution.StepExclude {
			list = "exclude"
		}
		steps = append(steps, [2]string{fmt.Sprintf("%s[%d] %s", list, s.Index, s.Name), reason})
	}
	if len(steps) == 0 {
		steps = [][2]string{{"none", ""}}
	}
	rows(b, "excludes and rules, in order", steps)

	decision := [][2]string{{"outcome", string(x.Outcome)}, {"reason", x.Reason}}
	if len(x.Conflicts) > 0 {
		decision = append(decision, [2]string{"other IDs", strings.Join(x.Conflicts, " ")})
	}
	rows(b, "decision", decision)

	agents := [][2]string{{"before", shown(x.UserAgent.Before)}, {"after", shown(x.UserAgent.After)}}
	if x.UserAgent.Would != "" {
		agents = append(agents, [2]string{"with mode enforce", x.UserAgent.Would})
	}
	rows(b, "User-Agent", agents)
}

// rows lists what the target says, without what it does not.
func (t *explainedTarget) rows(tool string) [][2]string {
	scope := string(t.Scope)
	if t.Scope == arm.ScopeUnknown {
		scope += ": the path is none of ARM's, and only rules without subscriptions, groups and types can match it"
	}
	operation := string(t.Operation)
	if t.Action != "" {
		operation += " " + t.Action
	}
	if tool == "" {
		tool = "not recognised"
	}
	out := [][2]string{{"path", t.Path}}
	for _, row := range [][2]string{
		{"api-version", t.APIVersion},
		{"scope", scope},
		{"management group", t.ManagementGroup},
		{"subscription", t.Subscription},
		{"resource group", t.ResourceGroup},
		{"resource type", t.ResourceType},
		{"resource name", t.ResourceName},
		{"deployment", t.Deployment},
		{"operation", operation},
		{"tool", tool},
	} {
		if row[1] != "" {
			out = append(out, row)
		}
	}
	return out
}

// shown tells a missing User-Agent from an empty one.
func shown(ua *string) string {
	switch {
	case ua == nil:
		return "(none)"
	case *ua == "":
		return "(empty)"
	}
	return *ua
}

// rows writes one block: a title and aligned pairs.
func rows(b *strings.Builder, title string, pairs [][2]string) {
	if b.Len() > 0 {
		b.WriteByte('\n')
	}
	fmt.Fprintln(b, title)
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, p := range pairs {
		// A tab or a line break from outside must not look like our layout.
		value := strings.NewReplacer("\t", " ", "\n", " ").Replace(p[1])
		if value == "" {
			fmt.Fprintf(w, "  %s\n", p[0])
			continue
		}
		fmt.Fprintf(w, "  %s\t%s\n", p[0], value)
	}
	_ = w.Flush() // a strings.Builder takes everything
}
