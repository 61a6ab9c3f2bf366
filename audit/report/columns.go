package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/attribproxy/attribproxy/audit"
	"github.com/attribproxy/attribproxy/audit/store"
)

// column is one number of a summary. Tables for people show those that are
// wide, programs get all.
type column struct {
	name  string // as in JSON
	title string
	wide  bool
	value func(Summary) uint64
}

func columns() []column {
	return []column{
		{"requests", "requests", false, func(s Summary) uint64 { return s.Requests }},
		{"answered", "answered", false, func(s Summary) uint64 { return s.Answered }},
		{"eligible", "eligible", true, func(s Summary) uint64 { return s.Eligible }},
		{"tagged", "tagged", true, func(s Summary) uint64 { return s.Tagged }},
		{"untagged", "untagged", true, func(s Summary) uint64 { return s.Untagged }},
		{"attributed", "attributed", false, func(s Summary) uint64 { return s.Attributed }},
		{"already_attributed", "already attributed", false, func(s Summary) uint64 { return s.AlreadyAttributed }},
		{"replaced", "replaced", false, func(s Summary) uint64 { return s.Replaced }},
		{"template_only", "by template", false, func(s Summary) uint64 { return s.TemplateOnly }},
		{"no_rule", "no rule", false, func(s Summary) uint64 { return s.NoRule }},
		{"conflict_kept", "conflict", true, func(s Summary) uint64 { return s.ConflictKept }},
		{"would_attribute", "would tag", true, func(s Summary) uint64 { return s.WouldAttribute }},
		{"excluded", "excluded", true, func(s Summary) uint64 { return s.Excluded }},
		{"not_eligible", "not eligible", false, func(s Summary) uint64 { return s.NotEligible }},
		{"batch", "batch", false, func(s Summary) uint64 { return s.Batch }},
		{"failed", "failed", true, func(s Summary) uint64 { return s.Failed }},
		{"rejected", "rejected", false, func(s Summary) uint64 { return s.Rejected }},
		{"bypass", "bypass", false, func(s Summary) uint64 { return s.Bypass }},
		{"unknown", "unknown", true, func(s Summary) uint64 { return s.Unknown }},
		{"beside_other", "beside another ID", false, func(s Summary) uint64 { return s.BesideOther }},
		{"gaps", "gaps", false, func(s Summary) uint64 { return s.Gaps }},
		{"missing", "missing", false, func(s Summary) uint64 { return s.Missing }},
		{"damaged", "damaged", false, func(s Summary) uint64 { return s.Damaged }},
	}
}

// wideColumns are the numbers in tables for people.
func wideColumns() []column {
	var wide []column
	for _, c := range columns() {
		if c.wide {
			wide = append(wide, c)
		}
	}
	return wide
}

// part is one line of the account that every report for people gives of its
// total.
type part struct {
	Name    string
	Count   uint64
	Meaning string
}

// section is parts that belong together.
type section struct {
	Title string
	Parts []part
}

// account says what became of every request on record.
func account(s Summary) []section {
	missing := "places where the journal lacks events, nobody knows how many"
	if s.Missing > 0 {
		missing = fmt.Sprintf("places where the journal lacks events, %d that are known of", s.Missing)
	}
	return []section{
		{"Tagged, and answered with success", []part{
			{"attributed", s.Attributed, "attribproxy added the ID"},
			{"already attributed", s.AlreadyAttributed, "the client had sent the ID itself"},
			{"replaced", s.Replaced, "attribproxy put the ID in the place of another"},
			{"by template only", s.TemplateOnly, "no rule matched, but the template holds an ID"},
		}},
		{"Untagged, and answered with success", []part{
			{"no rule", s.NoRule, "no rule matched"},
			{"conflict kept", s.ConflictKept, "another ID was there and was left alone"},
			{"would attribute", s.WouldAttribute, "observed only; a rule would have tagged it"},
		}},
		{"Answered with success, outside the coverage", []part{
			{"excluded", s.Excluded, "the customer chose not to be tracked"},
			{"not eligible", s.NotEligible, "a method or operation that creates nothing"},
			{"batch", s.Batch, "batches and the writes inside of them, which are not tagged"},
		}},
		{"Beside the coverage", []part{
			{"failed", s.Failed, "sent, not answered with success"},
			{"rejected", s.Rejected, "refused by attribproxy, not sent"},
			{"bypass", s.Bypass, "went through a tunnel that is not looked into"},
			{"unknown", s.Unknown, "about to be sent; no outcome on record"},
			{"gaps", s.Gaps, missing},
			{"damaged", s.Damaged, "lines of the journal, of any time, that cannot be read; see 'attribproxy audit verify'"},
			{"beside another ID", s.BesideOther, "tagged, with another ID in the same User-Agent"},
		}},
	}
}

// noCoverage is what stands in the place of a percentage.
const noCoverage = "no eligible writes"

// percent writes a coverage.
func percent(s Summary) string {
	if s.Coverage == nil {
		return noCoverage
	}
	return s.Coverage.String() + " %"
}

// shortPercent is percent where there is little room.
func shortPercent(s Summary) string {
	if s.Coverage == nil {
		return "-"
	}
	return percent(s)
}

// headline says the coverage in one sentence.
func headline(s Summary) string {
	if s.Coverage == nil {
		return "There were no eligible writes that Azure answered with success, so there is no coverage to speak of."
	}
	return fmt.Sprintf("%s of %s that Azure answered with success carried the ID.",
		group(s.Tagged), plural(s.Eligible, "eligible write"))
}

// period says what time the report is about.
func period(r *Report) string {
	at := func(t time.Time) string { return t.Format("2006-01-02 15:04 UTC") }
	switch {
	case r.Since.IsZero() && r.Until.IsZero():
		return "all that is on record"
	case r.Until.IsZero():
		return "since " + at(r.Since)
	case r.Since.IsZero():
		return "until " + at(r.Until)
	}
	return at(r.Since) + " to " + at(r.Until)
}

// group writes a number with spaces between groups of three digits.
func group(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u202f" + s[i:] // narrow no-break space
	}
	return s
}

func plural(n uint64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return group(n) + " " + noun + "s"
}

// title names a grouping.
func title(by []store.Dimension) string {
	names := make([]string, len(by))
	for i, d := range by {
		names[i] = dimensionName(d)
	}
	return strings.Join(names, " and ")
}

func dimensionName(d store.Dimension) string {
	switch d {
	case store.ByID:
		return "tracking ID"
	case store.ByResourceGroup:
		return "resource group"
	case store.ByResourceType:
		return "resource type"
	case store.ByProcess:
		return "client process"
	}
	if name := d.LabelName(); name != "" {
		return "label " + name
	}
	return string(d)
}

// cells are the values of a row as people read them.
func cells(row Row) []string {
	values := make([]string, len(row.Values))
	for i, v := range row.Values {
		switch {
		case row.More > 0 && i == 0:
			v = fmt.Sprintf("… %d more", row.More)
		case row.More > 0:
			v = ""
		case v == "":
			v = "(none)"
		}
		values[i] = clean(v)
	}
	return values
}

func gapMeaning(g Gap) string {
	count := "some events"
	if g.Count > 0 {
		count = plural(g.Count, "event")
	}
	switch g.Reason {
	case audit.GapTorn:
		return "an unfinished line was set aside"
	case audit.GapUncleanStop:
		return "the process ended without closing the journal; writes unanswered then may be missing"
	case audit.GapWriteError:
		return count + " could not be written"
	case audit.GapOverflow:
		return count + " did not fit in the queue"
	}
	return count + " are missing"
}

// clean makes one line of s in which nothing drives a terminal, turns the
// direction of text (CVE-2021-42574) or cannot be seen.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case unicode.IsControl(r), r == '\u2028', r == '\u2029', r == '\u061c', r == '\ufeff',
			r >= '\u200b' && r <= '\u200f', r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069':
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(s, string(unicode.ReplacementChar)))
}
