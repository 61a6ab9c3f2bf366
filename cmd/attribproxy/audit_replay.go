package main

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/attribproxy/attribproxy/arm"
	"github.com/attribproxy/attribproxy/attribution"
	"github.com/attribproxy/attribproxy/audit"
	"github.com/attribproxy/attribproxy/config"
)

func (a *app) auditReplayCommand() *cobra.Command {
	var filter filterFlags
	var ids []string
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Say what other rules would have done with the recorded writes",
		Long: `Holds every recorded request against the configuration that is named with
--config, without sending or changing anything, and shows what was decided then
and what would be decided now, with an example of each: a new rule can be tried on
last month's traffic before it is put into force.

The journal is that of this configuration too; --audit-dir names another. What
the rules do not decide is left out: refusals, bypasses, and the writes inside of
batches.`,
		Example: `  attribproxy audit replay --config new.yaml
  attribproxy audit replay --config new.yaml --since 30d --outcome no-rule
  attribproxy audit replay --id b6addd8f-5ff4-4fc0-a2b5-0ec7861106c4 --output json`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.replay(cmd, &filter, ids) },
	}
	filter.addRequests(cmd)
	cmd.Flags().StringArrayVar(&ids, "id", nil, "tracking ID for every ARM PUT, in place of the config's rules; may be repeated")
	return cmd
}

// replayReport is the answer; what the journal has too is named as there.
type replayReport struct {
	Config   string `json:"config,omitempty"` // the file, if there is one
	Journal  string `json:"journal"`
	Mode     string `json:"mode"`
	Requests int    `json:"requests"` // held against the rules
	Changed  int    `json:"changed"`  // of them decided otherwise
	// Skipped are recorded requests that rules do not decide.
	Skipped int           `json:"skipped"`
	Groups  []replayGroup `json:"groups"` // changed ones first, then the largest
}

// replayGroup are the requests that were decided in one way, and would be in
// one other.
type replayGroup struct {
	Count   int            `json:"count"`
	Changed bool           `json:"changed"`
	Old     replayDecision `json:"old"`
	New     replayDecision `json:"new"`
	Example replayExample  `json:"example"` // the first of them
}

type replayDecision struct {
	Outcome string   `json:"outcome"`
	Rule    string   `json:"rule,omitempty"`
	IDs     []string `json:"ids,omitempty"`
}

type replayExample struct {
	Event     string    `json:"event"` // as 'audit show' takes it
	Time      time.Time `json:"time"`
	Method    string    `json:"method"`
	Path      string    `json:"path"`
	OldReason string    `json:"old_reason"`
	NewReason string    `json:"new_reason"`

	target string
}

func (a *app) replay(cmd *cobra.Command, flags *filterFlags, ids []string) error {
	asJSON, err := a.wantJSON()
	if err != nil {
		return err
	}
	filter, err := flags.filter(time.Now())
	if err != nil {
		return err
	}
	loaded, err := a.resolveConfig(cmd, ids...)
	if err != nil {
		return err
	}
	dir, err := a.journalDir(cmd, loaded.Config.Audit.Dir)
	if err != nil {
		return err
	}
	report, unreadable, err := a.replayJournal(dir, filter, loaded.Config)
	if err != nil {
		return err
	}
	report.Config, report.Journal = loaded.File, dir
	if asJSON {
		err = printJSON(a.stdout, report)
	} else {
		_, err = fmt.Fprint(a.stdout, clean(report.text()))
	}
	if err != nil {
		return fmt.Errorf("printing the result: %w", err)
	}
	if !asJSON && len(loaded.Config.Rules) == 0 {
		a.hint("the configuration has no rules: name another with --config, or an ID with --id")
	}
	return unreadable
}

// requests yields the requests that the filter selects. What cannot be read is
// said on stderr; unreadable, called at the end, is the error it amounts to.
func (a *app) requests(dir string, filter audit.Filter) (events iter.Seq2[audit.Event, error], unreadable func() error) {
	damaged := 0
	events = func(yield func(audit.Event, error) bool) {
		for e, err := range a.mentionGaps(audit.Read, dir, filter) {
			var line *audit.LineError
			switch {
			case errors.As(err, &line):
				damaged++
				a.say("%v", err)
			case err == nil && e.Kind != audit.KindRequest:
			default:
				if !yield(e, err) {
					return
				}
			}
		}
	}
	return events, func() error {
		if damaged == 0 {
			return nil
		}
		return withHint(fmt.Errorf("%s of the journal cannot be read", plural(damaged, "line")), "'attribproxy audit verify' says more")
	}
}

// replayJournal holds the recorded requests against the rules of cfg.
func (a *app) replayJournal(dir string, filter audit.Filter, cfg *config.Config) (*replayReport, error, error) {
	policy, faults := cfg.Policy()
	if len(faults) > 0 { // a loaded configuration has none
		return nil, nil, fmt.Errorf("compiling the rules: %s: %s", faults[0].Path, faults[0].Message)
	}
	report := &replayReport{Mode: cfg.Mode, Groups: []replayGroup{}}
	groups := map[string]*replayGroup{}
	events, unreadable := a.requests(dir, filter)
	for e, err := range events {
		if err != nil {
			return nil, nil, err
		}
		facts, ok := factsOf(&e)
		if !ok {
			report.Skipped++
			continue
		}
		report.Requests++
		d := policy.Decide(facts)
		before := replayDecision{e.Outcome, e.Rule, e.IDs}
		after := replayDecision{string(d.Outcome), d.Rule, d.IDs}
		key := before.key() + "\x00" + after.key()
		g := groups[key]
		if g == nil {
			g = &replayGroup{
				Changed: before.key() != after.key(), Old: before, New: after,
				Example: replayExample{
					Event: e.ID(), Time: e.Time, Method: e.Method, Path: e.Path,
					OldReason: e.Reason, NewReason: d.Reason, target: eventTarget(&e),
				},
			}
			groups[key] = g
		}
		g.Count++
		if g.Changed {
			report.Changed++
		}
	}
	for _, g := range groups {
		report.Groups = append(report.Groups, *g)
	}
	slices.SortFunc(report.Groups, func(x, y replayGroup) int {
		if x.Changed != y.Changed {
			if x.Changed {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(y.Count, x.Count), x.Example.Time.Compare(y.Example.Time), cmp.Compare(x.Example.Event, y.Example.Event))
	})
	return report, unreadable(), nil
}

// factsOf gives what the rules were asked about. ok is false for what they do
// not decide.
func factsOf(e *audit.Event) (facts attribution.Facts, ok bool) {
	target := arm.ParseTarget(e.Method, e.Path)
	target.APIVersion = e.APIVersion
	switch attribution.Outcome(e.Outcome) {
	case attribution.OutcomeRejected, attribution.OutcomeBypass:
		return facts, false
	case attribution.OutcomeBatch:
		if target.Operation != arm.OperationBatch { // a write inside of one
			return facts, false
		}
	}
	facts = attribution.Facts{Method: e.Method, Host: e.Host, Target: target}
	if e.UAIn != "" {
		facts.UserAgent = []string{e.UAIn}
	}
	return facts, true
}

func (d replayDecision) key() string {
	return strings.Join(append([]string{d.Outcome, d.Rule}, d.IDs...), "\x00")
}

// words are the decision in few words, with the IDs if they are what differs.
func (d replayDecision) words(ids bool) string {
	s := d.Outcome
	if d.Rule != "" {
		s += " (" + d.Rule + ")"
	}
	if ids {
		s += " " + strings.Join(d.IDs, " ")
	}
	return s
}

// text is the report for people.
func (r *replayReport) text() string {
	var b strings.Builder
	with := "no configuration file"
	if r.Config != "" {
		with = r.Config
	}
	fmt.Fprintf(&b, "%s with %s (mode %s): %s decided otherwise\n", plural(r.Requests, "recorded request"), with, r.Mode, countOf(r.Changed, r.Requests))
	if len(r.Groups) == 0 {
		return b.String()
	}
	b.WriteByte('\n')
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "COUNT\tWAS\tWOULD BE\tEXAMPLE\tMETHOD\tTARGET")
	for _, g := range r.Groups {
		ids := g.Changed && g.Old.Outcome == g.New.Outcome && g.Old.Rule == g.New.Rule
		after := "the same"
		if g.Changed {
			after = g.New.words(ids)
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\n", g.Count, tableCell(g.Old.words(ids)), tableCell(after), g.Example.Event, tableCell(g.Example.Method), tableCell(g.Example.target))
	}
	_ = w.Flush() // a strings.Builder takes everything
	return b.String()
}

// countOf says how many of a number.
func countOf(n, all int) string {
	switch {
	case n == 0:
		return "none"
	case n == all && all > 1:
		return fmt.Sprintf("all %d", n)
	}
	return fmt.Sprint(n)
}
