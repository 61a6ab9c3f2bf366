package console

import (
	"net/http"
	"time"

	"github.com/attribproxy/attribproxy/audit"
	"github.com/attribproxy/attribproxy/audit/report"
	"github.com/attribproxy/attribproxy/audit/store"
)

// tableRows is how long a table of the overview is.
const tableRows = 10

// period is a stretch of whole days, ending now.
type period struct {
	Name, Label string
	Days        int // 0: all there is
	Here        bool
}

func periods(chosen string) (all []period, days int) {
	all = []period{
		{Name: "today", Label: "Today", Days: 1},
		{Name: "7d", Label: "7 days", Days: 7},
		{Name: "30d", Label: "30 days", Days: 30},
		{Name: "90d", Label: "90 days", Days: 90},
		{Name: "all", Label: "All"},
	}
	here := 2
	for i := range all {
		if all[i].Name == chosen {
			here = i
		}
	}
	all[here].Here = true
	return all, all[here].Days
}

// overview is the content of the dashboard.
type overview struct {
	Periods  []period
	NotReady string
	Total    report.Summary
	Percent  string // "" without eligible writes
	Parts    []part // of the formula, above the line
	Outside  []part // answered, and not part of it
	Untagged []part
	Apart    []part // never inside the figure
	Chart    *chart
	Tables   []breakdown
	Limits   []string
}

// part is a number with its name and the list behind it.
type part struct {
	Label, Why, Link, Tone string
	Count                  uint64
}

// breakdown is one table of the overview.
type breakdown struct {
	Title, Column string
	Rows          []breakdownRow
}

type breakdownRow struct {
	Name, Link string
	Percent    string
	Share      float64 // of the bar, 0 to 100
	Tagged     uint64
	Eligible   uint64
	Other      uint64 // requests beside the eligible ones
}

func (s *Server) serveOverview(ready *once) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		st, err := s.index.fresh(r.Context())
		if err != nil {
			s.broken(w, r, nil, err)
			return
		}
		defer st.done()
		p := page{Title: "Overview", Here: "/"}
		s.note(&p, st)
		o := overview{}
		var days int
		o.Periods, days = periods(r.URL.Query().Get("period"))
		q := store.Query{}
		since := ""
		if days > 0 {
			q.Since = s.now().UTC().Truncate(24*time.Hour).AddDate(0, 0, 1-days)
			since = q.Since.Format(time.DateOnly)
		}
		rep, err := report.Build(r.Context(), st, report.Options{
			Query: q, Now: s.now(), Limit: tableRows,
			By: []report.Grouping{{store.ByDay}, {store.ByRule}, {store.ByTool}, {store.BySubscription}, {store.ByResourceType}},
		})
		if err != nil {
			s.broken(w, r, st, err)
			return
		}
		if err := ready.answer(r.Context()); err != nil {
			o.NotReady = err.Error()
		}
		o.fill(rep, since)
		p.Content = o
		s.show(w, http.StatusOK, "overview", p)
	}
}

// fill turns a report into what the page shows.
func (o *overview) fill(rep *report.Report, since string) {
	t := rep.Total
	o.Total, o.Limits = t, rep.Limits
	o.Percent = percent(t.Tagged, t.Eligible)
	list := func(values ...string) string {
		f := filter{}
		return f.link("/events", append(values, "since", since)...)
	}
	outcome := func(label, why, tone, name string, n uint64) part {
		return part{Label: label, Why: why, Tone: tone, Count: n, Link: list("outcome", name, "status", "2*")}
	}
	o.Parts = []part{
		outcome("attributed", "the proxy added the ID", "good", "attributed", t.Attributed),
		outcome("already attributed", "the client had sent it", "good", "already-attributed", t.AlreadyAttributed),
		outcome("replaced", "the ID took the place of another", "good", "replaced", t.Replaced),
		{Label: "by template only", Why: "no rule matched, but the template holds a pid- deployment", Tone: "good", Count: t.TemplateOnly},
	}
	o.Untagged = []part{
		outcome("no rule", "no rule matched", "warn", "no-rule", t.NoRule),
		outcome("conflict kept", "another ID was left as it was", "warn", "conflict-kept", t.ConflictKept),
		outcome("would attribute", "observed only", "warn", "would-attribute", t.WouldAttribute),
	}
	o.Outside = []part{
		outcome("excluded", "customers who chose not to be tracked", "quiet", "excluded", t.Excluded),
		outcome("not eligible", "creates nothing", "quiet", "not-eligible", t.NotEligible),
		outcome("batch", "carries other requests", "quiet", "batch", t.Batch),
	}
	o.Apart = []part{
		{Label: "failed", Why: "ARM answered otherwise than 2xx, or not at all", Tone: "bad", Count: t.Failed},
		{Label: "unknown", Why: "sent, and the outcome is not on record", Tone: "warn", Count: t.Unknown, Link: list("kind", string(audit.KindIntent))},
		{Label: "rejected", Why: "refused by the proxy", Tone: "bad", Count: t.Rejected, Link: list("outcome", "rejected")},
		{Label: "bypass", Why: "went past the proxy's eyes", Tone: "bad", Count: t.Bypass, Link: list("outcome", "bypass")},
		{Label: "beside another ID", Why: "tagged, but perhaps only one of several IDs is read", Tone: "warn", Count: t.BesideOther},
		{Label: "gaps", Why: "places where events are missing", Tone: "bad", Count: t.Gaps, Link: list("kind", string(audit.KindGap))},
		{Label: "damaged", Why: "lines of the journal, of any time, that cannot be read; see attribproxy audit verify", Tone: "bad", Count: t.Damaged},
	}
	titles := map[store.Dimension][3]string{
		store.ByRule: {"By rule", "Rule", "rule"}, store.ByTool: {"By tool", "Tool", "tool"},
		store.BySubscription: {"By subscription", "Subscription", "subscription"}, store.ByResourceType: {"By resource type", "Type", "type"},
	}
	for _, table := range rep.Tables {
		if table.By[0] == store.ByDay {
			o.Chart = newChart(table.Rows)
			continue
		}
		names := titles[table.By[0]]
		b := breakdown{Title: names[0], Column: names[1]}
		for _, row := range table.Rows {
			b.Rows = append(b.Rows, breakdownOf(row, func(value string) string { return list(names[2], value) }))
		}
		o.Tables = append(o.Tables, b)
	}
}

func breakdownOf(row report.Row, link func(string) string) breakdownRow {
	r := breakdownRow{Name: row.Values[0], Tagged: row.Tagged, Eligible: row.Eligible, Other: row.Requests - row.Eligible}
	switch {
	case row.More > 0:
		r.Name = thousands(uint64(row.More)) + " more"
	case r.Name == "":
		r.Name = "none"
	default:
		r.Link = link(r.Name)
	}
	if row.Eligible > 0 {
		r.Percent = percent(row.Tagged, row.Eligible)
		r.Share = 100 * float64(row.Tagged) / float64(row.Eligible)
	}
	return r
}
