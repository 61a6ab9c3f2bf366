package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/attribproxy/attribproxy/audit"
	"github.com/attribproxy/attribproxy/audit/report"
)

func (a *app) auditExportCommand() *cobra.Command {
	var filter filterFlags
	var until, format, out string
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write the recorded events for other programs",
		Long: `Writes the events of all streams, merged by time, with all their fields: as JSON
lines, or as CSV with one column for each field, in which lists are JSON. A cell
that a spreadsheet could take for a formula begins with an apostrophe. Values of
one filter are alternatives, compared without case; * stands for any text.`,
		Example: `  attribproxy audit export --since 2026-03-01 --until 2026-04-01 --out march.jsonl
  attribproxy audit export --format csv --outcome no-rule --out untagged.csv
  attribproxy audit export --kind all | gzip > journal.jsonl.gz`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if format != "jsonl" && format != "csv" {
				return usageError("write jsonl or csv", "--format %q is unknown", format)
			}
			now := time.Now()
			f, err := filter.filter(now)
			if err != nil {
				return err
			}
			if f.Until, err = parseUntil(until, now); err != nil {
				return err
			}
			dir, err := a.journalDir(cmd, "")
			if err != nil {
				return err
			}
			return a.export(dir, f, format, out)
		},
	}
	filter.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&until, "until", "", "only before this time, written as for --since")
	flags.StringVar(&format, "format", "jsonl", "jsonl or csv")
	flags.StringVar(&out, "out", "", "file to write to, instead of stdout")
	return cmd
}

func (a *app) export(dir string, f audit.Filter, format, out string) error {
	damaged := 0
	err := a.writeOut(out, func(w io.Writer) error {
		var to eventPrinter = &eventLines{w: w}
		if format == "csv" {
			to = &csvPrinter{report.NewEventCSV(w)}
		}
		for e, err := range a.mentionGaps(audit.Read, dir, f) {
			var line *audit.LineError
			switch {
			case errors.As(err, &line):
				damaged++
				a.say("%v", err)
				continue
			case err != nil:
				return err
			}
			if err := to.print(&e); err != nil {
				return err
			}
		}
		return to.flush()
	})
	if err != nil {
		return err
	}
	if damaged > 0 {
		return withHint(fmt.Errorf("%s of the journal cannot be read", plural(damaged, "line")), "'attribproxy audit verify' says more")
	}
	return nil
}

// csvPrinter is a CSV table as a form of output.
type csvPrinter struct{ *report.EventCSV }

func (p *csvPrinter) print(e *audit.Event) error { return p.Write(e) }
func (p *csvPrinter) flush() error               { return p.Flush() }
