package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
)

// Markdown writes the report for the summary page of a CI job (GitHub's
// dialect, which GitLab and Azure Pipelines read too).
func Markdown(w io.Writer, r *Report) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "## Attribution coverage: %s\n\n%s\n\n", percent(r.Total), headline(r.Total))
	fmt.Fprintf(&b, "Journal %s · %s · made %s\n", markdown(r.Source), period(r), r.Generated.Format(time.RFC3339))
	for _, s := range account(r.Total) {
		var rows []part
		for _, p := range s.Parts {
			if p.Count > 0 {
				rows = append(rows, p)
			}
		}
		if len(rows) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n**%s**\n\n| | Writes | |\n| --- | ---: | --- |\n", s.Title)
		for _, p := range rows {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", p.Name, group(p.Count), p.Meaning)
		}
	}
	for i := range r.Tables {
		markdownTable(&b, &r.Tables[i])
	}
	if len(r.Gaps) > 0 {
		b.WriteString("\n### Gaps\n\n| Event | Time | Reason | |\n| --- | --- | --- | --- |\n")
		for i := range r.Gaps {
			g := r.Gaps[i]
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", g.Event, g.Time.UTC().Format(time.RFC3339), markdown(g.Reason), gapMeaning(g))
		}
	}
	b.WriteString("\n### What this does not show\n\n")
	for _, l := range r.Limits {
		fmt.Fprintf(&b, "- %s\n", l)
	}
	_, err := w.Write(b.Bytes())
	return err
}

func markdownTable(b *bytes.Buffer, t *Table) {
	fmt.Fprintf(b, "\n### By %s\n\n", markdown(title(t.By)))
	if len(t.Rows) == 0 {
		b.WriteString("Nothing.\n")
		return
	}
	b.WriteString("|")
	for _, d := range t.By {
		fmt.Fprintf(b, " %s |", markdown(upperFirst(dimensionName(d))))
	}
	b.WriteString(" Coverage |")
	for _, c := range wideColumns() {
		fmt.Fprintf(b, " %s |", upperFirst(c.title))
	}
	b.WriteString("\n|" + strings.Repeat(" --- |", len(t.By)) + strings.Repeat(" ---: |", 1+len(wideColumns())) + "\n")
	for i := range t.Rows {
		row := t.Rows[i]
		b.WriteString("|")
		for _, v := range cells(row) {
			fmt.Fprintf(b, " %s |", markdown(v))
		}
		fmt.Fprintf(b, " %s |", shortPercent(row.Summary))
		for _, c := range wideColumns() {
			fmt.Fprintf(b, " %s |", group(c.value(row.Summary)))
		}
		b.WriteString("\n")
	}
}

// markdown writes a value so that it means nothing but itself: every sign that
// could begin a link, a mention, a tag, a cell or an emphasis becomes an entity.
func markdown(s string) string {
	var b strings.Builder
	for _, r := range clean(s) {
		if r < unicode.MaxASCII && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(" -/,", r) {
			fmt.Fprintf(&b, "&#%d;", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func upperFirst(s string) string {
	for i, r := range s {
		if i == 0 {
			return string(unicode.ToUpper(r)) + s[len(string(r)):]
		}
	}
	return s
}
