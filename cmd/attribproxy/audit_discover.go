package main

import (
	"cmp"
	"fmt"
	"maps"
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
	LeftOut      int              `json:"left_out"`      // untagged, and of a name that no rule can hold
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

	noRule bool // see ruleable
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
	untagged := map[untaggedKind]*sightings{}
	tools := toolUse{}
	events, unreadable := a.requests(dir, filter)
	for e, err := range events {
		if err != nil {
			return err
		}
		d.count(&e, untagged, tools)
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

// untaggedKind is what untagged writes are told apart by at first: a journal may
// hold millions of them.
type untaggedKind struct {
	outcome, tool, subscription, group, resourceType string
}

// sightings are the writes of one kind.
type sightings struct {
	count int
	last  time.Time
	event string // the latest
}

// count takes one event into the sums.
func (d *discovery) count(e *audit.Event, untagged map[untaggedKind]*sightings, tools toolUse) {
	if e.Method != http.MethodPut {
		return
	}
	d.PUTs++
	switch attribution.Outcome(e.Outcome) {
	case attribution.OutcomeBatch:
		d.InBatches++
	case attribution.OutcomeAttributed, attribution.OutcomeReplaced:
		tools.add(e)
	case attribution.OutcomeNoRule, attribution.OutcomeWouldAttribute:
		if len(e.TemplateIDs) > 0 && attribution.Outcome(e.Outcome) == attribution.OutcomeNoRule {
			d.TemplateOnly++
			return
		}
		d.Untagged++
		tools.add(e)
		kind := untaggedKind{e.Outcome, e.Tool, e.Subscription, e.ResourceGroup, e.ResourceType}
		if untagged[kind] == nil {
			untagged[kind] = &sightings{}
		}
		untagged[kind].add(sightings{1, e.Time, e.ID()})
	}
}

func (s *sightings) add(more sightings) {
	s.count += more.count
	if !more.last.Before(s.last) {
		s.last, s.event = more.last, more.event
	}
}

// group fills in the groups and, of what no rule matched, the rules.
func (d *discovery) group(untagged map[untaggedKind]*sightings) {
	names := map[string][]string{} // resource groups by subscription
	odd := map[untaggedKind]bool{}
	kinds := slices.SortedFunc(maps.Keys(untagged), func(x, y untaggedKind) int {
		return cmp.Or(untagged[x].last.Compare(untagged[y].last), cmp.Compare(fmt.Sprint(x), fmt.Sprint(y)))
	})
	for _, k := range kinds {
		if odd[k] = !ruleable(k); odd[k] {
			continue // its name stands for itself
		}
		key := strings.ToLower(k.subscription)
		names[key] = append(names[key], k.group)
	}
	patterns := map[string]map[string]string{}
	for subscription, groups := range names {
		patterns[subscription] = namePatterns(groups)
	}
	groups := map[string]*discoveryGroup{}
	for _, k := range kinds {
		pattern := patterns[strings.ToLower(k.subscription)][strings.ToLower(k.group)]
		if odd[k] {
			pattern = k.group
		}
		key := strings.ToLower(strings.Join([]string{fmt.Sprint(odd[k]), k.outcome, k.tool, k.subscription, pattern, k.resourceType}, "\x00"))
		g := groups[key]
		if g == nil {
			g = &discoveryGroup{Outcome: k.outcome, Tool: k.tool, Subscription: k.subscription, ResourceGroup: pattern, ResourceType: k.resourceType, noRule: odd[k]}
			groups[key] = g
		}
		sum := sightings{g.Count, g.Last, g.Event}
		sum.add(*untagged[k])
		g.Count, g.Last, g.Event = sum.count, sum.last, sum.event
	}
	for _, g := range groups {
		d.Groups = append(d.Groups, *g)
		if g.noRule && g.Outcome == string(attribution.OutcomeNoRule) {
			d.LeftOut += g.Count
		}
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
