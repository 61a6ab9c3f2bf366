package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// Text writes the report for a terminal.
func Text(w io.Writer, r *Report) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "coverage  %s\n%s\n\n", percent(r.Total), strings.ReplaceAll(headline(r.Total), "\u202f", ""))
	fmt.Fprintf(&b, "journal  %s\nperiod   %s\nmade     %s\n", clean(r.Source), period(r), r.Generated.Format(time.RFC3339))

	for _, s := range account(r.Total) {
		fmt.Fprintf(&b, "\n%s\n", strings.ToLower(s.Title[:1])+s.Title[1:])
		tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		for _, p := range s.Parts {
			fmt.Fprintf(tw, "  %-18s\t%8d\t%s\n", p.Name, p.Count, p.Meaning)
		}
		if err := tw.Flush(); err != nil {
			return err
		}
	}
	for i := range r.Tables {
		if err := textTable(&b, &r.Tables[i]); err != nil {
			return err
		}
	}
	if len(r.Gaps) > 0 {
		b.WriteString("\ngaps\n")
		tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		for i := range r.Gaps {
			g := r.Gaps[i]
			fmt.Fprintf(tw, "  %s\t%s\t%s\t%s\n", g.Event, g.Time.UTC().Format(time.RFC3339), clean(g.Reason), gapMeaning(g))
		}
		if err := tw.Flush(); err != nil {
			return err
		}
	}
	b.WriteString("\nwhat this does not show\n")
	for _, l := range r.Limits {
		fmt.Fprintf(&b, "  %s\n", l)
	}
	_, err := w.Write(b.Bytes())
	return err
}

func textTable(b *bytes.Buffer, t *Table) error {
	fmt.Fprintf(b, "\nby %s\n", clean(title(t.By)))
	if len(t.Rows) == 0 {
		b.WriteString("  nothing\n")
		return nil
	}
	tw := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	var head []string
	for _, d := range t.By {
		head = append(head, strings.ToUpper(clean(dimensionName(d))))
	}
	head = append(head, "COVERAGE")
	for _, c := range wideColumns() {
		head = append(head, strings.ToUpper(c.title))
	}
	fmt.Fprintf(tw, "  %s\n", strings.Join(head, "\t"))
	for i := range t.Rows {
		row := t.Rows[i]
		line := append(cells(row), shortPercent(row.Summary))
		for _, c := range wideColumns() {
			line = append(line, fmt.Sprint(c.value(row.Summary)))
		}
		fmt.Fprintf(tw, "  %s\n", strings.Join(line, "\t"))
	}
	return tw.Flush()
}

// JSON writes the report for programs, indented.
func JSON(w io.Writer, r *Report) error {
	enc := json.NewEncoder(w) // <, > and & are escaped, in case it ends up in a page
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}
