// Package report says what the journal shows, in numbers: how many writes
// carried a tracking ID, and what became of the others. [Build] asks a store,
// and the renderers write the answer as text, JSON, CSV, Markdown or HTML.
//
// Nothing of an event reaches an output unescaped: User-Agents, names and paths
// come from whoever sent the request.
package report

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/attribproxy/attribproxy/audit"
	"github.com/attribproxy/attribproxy/audit/store"
)

// Counts is how many events there are of each kind, see [store.Counts].
type Counts = store.Counts

// Grouping is what one table divides the events by.
type Grouping []store.Dimension

// String joins the dimensions by +.
func (g Grouping) String() string {
	names := make([]string, len(g))
	for i, d := range g {
		names[i] = string(d)
	}
	return strings.Join(names, "+")
}

// ParseGrouping reads dimensions joined by +.
func ParseGrouping(s string) (Grouping, error) {
	var g Grouping
	for part := range strings.SplitSeq(s, "+") {
		d, err := store.ParseDimension(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		if slices.Contains(g, d) {
			return nil, fmt.Errorf("%s stands twice in %q", d, s)
		}
		g = append(g, d)
	}
	return g, nil
}

// Standard is the groupings of a report for which none are given.
func Standard() []Grouping {
	return []Grouping{
		{store.ByDay},
		{store.ByRule},
		{store.ByID},
		{store.ByTool},
		{store.BySubscription},
		{store.ByResourceType},
		{store.ByProcess},
		{store.ByOutcome},
	}
}

// Options say what is to be reported. The query's kinds and text mean nothing.
type Options struct {
	Query  store.Query
	By     []Grouping
	Source string    // what the report is about, such as the journal's directory
	Now    time.Time // when it is made
	Limit  int       // groups of a table; the rest becomes one row. 0: no limit
}

// Report is what the renderers write.
type Report struct {
	Source    string    `json:"source"`
	Generated time.Time `json:"generated"`
	Since     time.Time `json:"since,omitzero"`
	Until     time.Time `json:"until,omitzero"`
	Total     Summary   `json:"total"`
	Tables    []Table   `json:"tables,omitempty"`
	Gaps      []Gap     `json:"gaps,omitempty"`
	Limits    []string  `json:"limits"`
}

// Summary is counts with what follows from them.
type Summary struct {
	Coverage *store.Percent `json:"coverage"` // null when there were no eligible writes
	Requests uint64         `json:"requests"` // all on record
	Answered uint64         `json:"answered"` // by ARM with 2xx
	Eligible uint64         `json:"eligible"` // the denominator
	Tagged   uint64         `json:"tagged"`   // the numerator
	Untagged uint64         `json:"untagged"`
	Damaged  uint64         `json:"damaged"` // lines of the whole journal that cannot be read; in the total only
	Counts
}

// Table is one grouping.
type Table struct {
	By   []store.Dimension `json:"by"`
	Rows []Row             `json:"rows"`
}

// Row is one group. More is set in a last row that stands for so many groups
// for which there was no room.
type Row struct {
	Values []string `json:"values"`
	More   int      `json:"more,omitempty"`
	Summary
}

// Gap is a place where events are missing.
type Gap struct {
	Event  string    `json:"event"` // epoch/seq
	Time   time.Time `json:"time"`
	Reason string    `json:"reason"`
	Count  uint64    `json:"count,omitempty"`
}

// Limits is what no number of the report proves.
func Limits() []string {
	return []string{
		"A tag that was sent is not a credit that was given: for IDs in the User-Agent Microsoft offers no confirmation.",
		"IDs count for new deployments only.",
		"AKS, virtual machine scale sets and Azure Batch are known to under-report.",
		"Where a User-Agent carries several tracking IDs, perhaps only one of them is read.",
	}
}

// A Renderer writes a report.
type Renderer func(w io.Writer, r *Report) error

// Formats returns the names of the renderers.
func Formats() []string { return []string{"text", "json", "csv", "markdown", "html"} }

// RendererFor returns the renderer of a format; ok is false for an unknown one.
func RendererFor(format string) (render Renderer, ok bool) {
	switch format {
	case "text":
		return Text, true
	case "json":
		return JSON, true
	case "csv":
		return CSV, true
	case "markdown":
		return Markdown, true
	case "html":
		return HTML, true
	}
	return nil, false
}

// maxGaps is how many gaps a report names; the count of all is in the total.
const maxGaps = 50

// Build asks the store.
func Build(ctx context.Context, s store.Store, o Options) (*Report, error) {
	r := &Report{
		Source: o.Source, Generated: o.Now.UTC().Truncate(time.Second),
		Since: o.Query.Since.UTC(), Until: o.Query.Until.UTC(), Limits: Limits(),
	}
	by := [][]store.Dimension{nil}
	for _, g := range o.By {
		by = append(by, g)
	}
	tables, err := s.Tables(ctx, o.Query, by...)
	if err != nil {
		return nil, fmt.Errorf("counting the events: %w", err)
	}
	r.Total = summarize(tables[0][0].Counts)
	if r.Total.Damaged, err = store.Damaged(ctx, s); err != nil {
		return nil, fmt.Errorf("counting the lines that cannot be read: %w", err)
	}
	for i, g := range o.By {
		r.Tables = append(r.Tables, table(g, tables[i+1], o.Limit))
	}
	if r.Total.Gaps > 0 {
		if r.Gaps, err = gaps(ctx, s, o.Query); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func summarize(c Counts) Summary {
	s := Summary{
		Requests: c.Requests(), Answered: c.Answered(), Eligible: c.Eligible(),
		Tagged: c.Tagged(), Untagged: c.Untagged(), Counts: c,
	}
	if percent, ok := c.Coverage(); ok {
		s.Coverage = &percent
	}
	return s
}

// table orders the groups, days by time and others by their size.
func table(by Grouping, groups []store.Group, limit int) Table {
	t := Table{By: by, Rows: make([]Row, 0, len(groups))}
	byTime := len(by) > 0 && by[0] == store.ByDay
	if !byTime {
		slices.SortStableFunc(groups, func(a, b store.Group) int {
			return -cmpSize(a.Counts, b.Counts)
		})
	}
	for i, g := range groups {
		if limit > 0 && i >= limit && len(groups) > limit+1 && !byTime {
			rest := Row{Values: make([]string, len(by)), More: len(groups) - i}
			var sum Counts
			for _, more := range groups[i:] {
				sum.Sum(more.Counts)
			}
			rest.Summary = summarize(sum)
			t.Rows = append(t.Rows, rest)
			break
		}
		t.Rows = append(t.Rows, Row{Values: g.Values, Summary: summarize(g.Counts)})
	}
	return t
}

// gaps returns the latest places where events are missing.
func gaps(ctx context.Context, s store.Store, q store.Query) ([]Gap, error) {
	var found []Gap
	var page store.Page
	for len(found) < maxGaps {
		events, next, err := s.Events(ctx, store.Query{Filter: audit.Filter{
			Kinds: []audit.Kind{audit.KindGap}, Since: q.Since, Until: q.Until,
		}}, page)
		if err != nil {
			return nil, fmt.Errorf("listing the gaps: %w", err)
		}
		for _, e := range events {
			if e.Reason != audit.GapRetention && len(found) < maxGaps {
				found = append(found, Gap{Event: e.ID(), Time: e.Time, Reason: e.Reason, Count: e.Count})
			}
		}
		if next.IsZero() {
			break
		}
		page.After = next
	}
	return found, nil
}

// cmpSize compares groups by how much they count for.
func cmpSize(a, b Counts) int {
	return cmp.Or(cmp.Compare(a.Eligible(), b.Eligible()), cmp.Compare(a.Requests(), b.Requests()),
		cmp.Compare(a.Unknown, b.Unknown))
}
