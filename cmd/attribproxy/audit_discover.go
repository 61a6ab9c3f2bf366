package main

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/attribproxy/attribproxy/arm"
	"github.com/attribproxy/attribproxy/attribution"
	"github.com/attribproxy/attribproxy/audit"
)

func (a *app) auditDiscoverCommand() *cobra.Command {
	var filter filterFlags
	var id string
	cmd := &cobra.Command{
		Use:   "discover",
		Short: "Propose rules for untagged writes, and each tool's own way to tag them",
		Long: `Looks for recorded PUTs that carried no tracking ID of a rule and groups them by
tool, subscription, resource group and type. It proposes rules to paste into the
configuration, and says for each tool, and the scripts that used it, how the tool
itself can carry the ID and what that cannot do: where it can, the proxy is not
needed for it any more.

Groups whose names differ only in numbers become one pattern. The proposals cover
what was seen and know nothing of what your software deploys: take out what is not
yours. PATCH, POST and DELETE create nothing new, and are left out.`,
		Example: `  attribproxy audit discover --since 30d
  attribproxy audit discover --id b6addd8f-5ff4-4fc0-a2b5-0ec7861106c4
  attribproxy audit discover --tool azure-cli --output json`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.discover(cmd, &filter, id) },
	}
	filter.addRequests(cmd)
	cmd.Flags().StringVar(&id, "id", "", "tracking ID to write into the proposals")
	return cmd
}

// discovery is the answer; what the journal has too is named as there.
type discovery struct {
	Journal string `json:"journal"`
	PUTs    int    `json:"puts"` // of all outcomes
	// Untagged are the PUTs that no rule matched, and those that a rule would
	// have tagged in mode observe.
	Untagged     int              `json:"untagged"`
	TemplateOnly int              `json:"template_only"` // tagged by their template alone
	InBatches    int              `json:"in_batches"`    // which no proxy can tag
	Groups       []discoveryGroup `json:"groups"`        // the largest first
	Rules        []proposedRule   `json:"rules"`
	Tools        []toolFix        `json:"tools"`

	id attribution.ID
}

// discoveryGroup are untagged writes of one kind.
type discoveryGroup struct {
	Count         int       `json:"count"`
	Outcome       string    `json:"outcome"`
	Tool          string    `json:"tool,omitempty"`
	Subscription  string    `json:"subscription,omitempty"`
	ResourceGroup string    `json:"resource_group,omitempty"` // a name, or a pattern
	ResourceType  string    `json:"resource_type,omitempty"`
	Last          time.Time `json:"last"`
	Event         string    `json:"event"` // the latest, as 'audit show' takes it
}

// toolFix is how a tool carries an ID without the proxy.
type toolFix struct {
	Tool      string         `json:"tool,omitempty"`
	Name      string         `json:"name"`
	Count     int            `json:"count"` // PUTs for which the proxy is needed
	Native    string         `json:"native,omitempty"`
	Limit     string         `json:"limit,omitempty"`
	Processes []processCount `json:"processes,omitempty"` // the largest first
}

type processCount struct {
	Process string `json:"process"`
	Count   int    `json:"count"`
}

// maxProcesses is how many programs are named for a tool.
const maxProcesses = 10

func (a *app) discover(cmd *cobra.Command, flags *filterFlags, idText string) error {
	asJSON, err := a.wantJSON()
	if err != nil {
		return err
	}
	filter, err := flags.filter(time.Now())
	if err != nil {
		return err
	}
	var id attribution.ID
	if idText != "" {
		if id, err = attribution.ParseID(idText); err != nil {
			return usageError("'attribproxy id check' says what an ID looks like", "--id: %w", err)
		}
	}
	dir, err := a.journalDir(cmd, "")
	if err != nil {
		return err
	}
	d := &discovery{Journal: dir, id: id, Groups: []discoveryGroup{}, Rules: []proposedRule{}, Tools: []toolFix{}}
	var untagged []untaggedWrite
	tools := toolUse{}
	events, unreadable := a.requests(dir, filter)
	for e, err := range events {
		if err != nil {
			return err
		}
		if w, ok := d.count(&e, tools); ok {
			untagged = append(untagged, w)
		}
	}
	d.group(untagged)
	d.Tools = tools.fixes(id)
	if asJSON {
		err = printJSON(a.stdout, d)
	} else {
		_, err = fmt.Fprint(a.stdout, clean(d.text()))
	}
	if err != nil {
		return fmt.Errorf("printing the result: %w", err)
	}
	return unreadable()
}

// untaggedWrite is what is kept of an event.
type untaggedWrite struct {
	outcome, tool, subscription, group, resourceType string
	time                                             time.Time
	event                                            string
}

// count takes one event into the sums and gives it back if it is untagged.
func (d *discovery) count(e *audit.Event, tools toolUse) (untaggedWrite, bool) {
	if e.Method != http.MethodPut {
		return untaggedWrite{}, false
	}
	d.PUTs++
	untagged := false
	switch attribution.Outcome(e.Outcome) {
	case attribution.OutcomeBatch:
		d.InBatches++
	case attribution.OutcomeAttributed, attribution.OutcomeReplaced:
		tools.add(e)
	case attribution.OutcomeNoRule, attribution.OutcomeWouldAttribute:
		if len(e.TemplateIDs) > 0 {
			d.TemplateOnly++
			break
		}
		untagged = true
		d.Untagged++
		tools.add(e)
	}
	return untaggedWrite{e.Outcome, e.Tool, e.Subscription, e.ResourceGroup, e.ResourceType, e.Time, e.ID()}, untagged
}

// group fills in the groups and, of what no rule matched, the rules.
func (d *discovery) group(writes []untaggedWrite) {
	names := map[string][]string{} // resource groups by subscription
	for _, w := range writes {
		key := strings.ToLower(w.subscription)
		names[key] = append(names[key], w.group)
	}
	patterns := map[string]map[string]string{}
	for subscription, groups := range names {
		patterns[subscription] = namePatterns(groups)
	}
	groups := map[string]*discoveryGroup{}
	for _, w := range writes {
		pattern := patterns[strings.ToLower(w.subscription)][strings.ToLower(w.group)]
		key := strings.ToLower(strings.Join([]string{w.outcome, w.tool, w.subscription, pattern, w.resourceType}, "\x00"))
		g := groups[key]
		if g == nil {
			g = &discoveryGroup{Outcome: w.outcome, Tool: w.tool, Subscription: w.subscription, ResourceGroup: pattern, ResourceType: w.resourceType}
			groups[key] = g
		}
		g.Count++
		if !w.time.Before(g.Last) {
			g.Last, g.Event = w.time, w.event
		}
	}
	for _, g := range groups {
		d.Groups = append(d.Groups, *g)
	}
	slices.SortFunc(d.Groups, func(x, y discoveryGroup) int {
		return cmp.Or(cmp.Compare(y.Count, x.Count), cmp.Compare(x.Subscription, y.Subscription),
			cmp.Compare(x.ResourceGroup, y.ResourceGroup), cmp.Compare(x.ResourceType, y.ResourceType),
			cmp.Compare(x.Tool, y.Tool), cmp.Compare(x.Outcome, y.Outcome))
	})
	d.Rules = proposeRules(d.Groups, d.id)
}

// toolUse counts, by tool, the writes for which the proxy is needed, and by
// program.
type toolUse map[string]map[string]int

func (u toolUse) add(e *audit.Event) {
	if u[e.Tool] == nil {
		u[e.Tool] = map[string]int{}
	}
	u[e.Tool][e.Process]++
}

// fixes says for each tool how it carries an ID by itself.
func (u toolUse) fixes(id attribution.ID) []toolFix {
	fixes := make([]toolFix, 0, len(u))
	for tool, processes := range u {
		fix := toolFix{Tool: tool, Name: "not recognised", Limit: "set the User-Agent header of its requests, if the program lets you"}
		if t, ok := arm.FindTool(tool); ok {
			fix.Name, fix.Native, fix.Limit = t.Name, withID(t.Native, id), t.Limit
		}
		for process, n := range processes {
			fix.Count += n
			if process != "" {
				fix.Processes = append(fix.Processes, processCount{process, n})
			}
		}
		slices.SortFunc(fix.Processes, func(x, y processCount) int {
			return cmp.Or(cmp.Compare(y.Count, x.Count), cmp.Compare(x.Process, y.Process))
		})
		fix.Processes = fix.Processes[:min(len(fix.Processes), maxProcesses)]
		fixes = append(fixes, fix)
	}
	slices.SortFunc(fixes, func(x, y toolFix) int {
		if (x.Tool == "") != (y.Tool == "") { // what is unknown comes last
			return cmp.Compare(len(y.Tool), len(x.Tool))
		}
		return cmp.Or(cmp.Compare(y.Count, x.Count), cmp.Compare(x.Tool, y.Tool))
	})
	return fixes
}

// withID writes the user's ID into a tool's instructions.
func withID(native string, id attribution.ID) string {
	token := id.Token()
	if token == "" {
		return native
	}
	native = strings.ReplaceAll(native, "pid-…", token)
	if id.Form() == attribution.FormGUID {
		native = strings.ReplaceAll(native, "<GUID>", strings.TrimPrefix(token, "pid-"))
	}
	return native
}
