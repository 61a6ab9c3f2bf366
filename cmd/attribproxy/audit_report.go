package main

import (
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/attribproxy/attribproxy/audit/report"
	"github.com/attribproxy/attribproxy/audit/store"
)

func (a *app) auditReportCommand() *cobra.Command {
	var question questionFlags
	var by []string
	var format, out string
	limit := 0
	cmd := &cobra.Command{
		Use:   "report",
		Short: "Say how many writes carried the ID, and what became of the others",
		Long: `Coverage is the part of the eligible writes, answered by Azure with success, that
carried the tracking ID: in the User-Agent, whoever put it there, or by the
template alone. Excluded writes, requests that create nothing and batches are not
eligible. What failed, what is unknown and what was only observed stands beside
the percentage, never inside.

--by divides: by day, rule, id, tool, subscription, resource_group,
resource_type, process, label, label:NAME, outcome or status. Each one gives a
table; rule+tool gives one table by both.

The answer comes from an index in the state directory, which is brought up to
date first and can be deleted at any time. A journal named with --audit-dir may be
a copy: nothing is left beside it.`,
		Example: `  attribproxy audit report --since 30d
  attribproxy audit report --by day --by rule+tool --label 'team=platform'
  attribproxy audit report --format markdown >> "$GITHUB_STEP_SUMMARY"
  attribproxy audit report --format html --out coverage.html`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 0 {
				return usageError("write 0 for all", "--limit %d is negative", limit)
			}
			render, err := a.renderer(cmd, &format)
			if err != nil {
				return err
			}
			if !cmd.Flags().Changed("limit") {
				limit = defaultLimit(format)
			}
			groupings, err := parseGroupings(by, format)
			if err != nil {
				return err
			}
			return a.report(cmd, &question, groupings, limit, func(r *report.Report) error {
				return a.writeOut(out, func(w io.Writer) error { return render(w, r) })
			})
		},
	}
	question.add(cmd)
	flags := cmd.Flags()
	flags.StringSliceVar(&by, "by", nil, "what to divide by; may be repeated (default: rule and tool, for html and programs more)")
	flags.StringVar(&format, "format", "", "text, json, csv, markdown or html (default text)")
	flags.StringVar(&out, "out", "", "file to write to, instead of stdout")
	flags.IntVar(&limit, "limit", 0, "so many rows a table, the largest, and one for the rest; 0 means all (default 20; all for json and csv)")
	return cmd
}

// renderer reads --format, for which --output json does as well.
func (a *app) renderer(cmd *cobra.Command, format *string) (report.Renderer, error) {
	asJSON, err := a.wantJSON()
	if err != nil {
		return nil, err
	}
	if !cmd.Flags().Changed("format") {
		*format = "text"
		if asJSON {
			*format = "json"
		}
	}
	render, ok := report.RendererFor(*format)
	if !ok {
		return nil, usageError("write "+strings.Join(report.Formats(), ", "), "--format %q is unknown", *format)
	}
	return render, nil
}

func defaultLimit(format string) int {
	if format == "json" || format == "csv" {
		return 0
	}
	return 20
}

// parseGroupings reads --by; without it people at a terminal get little, and
// others all that is usual.
func parseGroupings(by []string, format string) ([]report.Grouping, error) {
	var groupings []report.Grouping
	for _, s := range by {
		g, err := report.ParseGrouping(s)
		if err != nil {
			var names []string
			for _, d := range store.Dimensions() {
				names = append(names, string(d))
			}
			return nil, usageError("write "+strings.Join(names, ", ")+" or label:NAME, or several joined by +", "--by: %w", err)
		}
		groupings = append(groupings, g)
	}
	switch {
	case len(groupings) > 0:
		return groupings, nil
	case format == "text" || format == "markdown":
		return []report.Grouping{{store.ByRule}, {store.ByTool}}, nil
	}
	return report.Standard(), nil
}

// report builds a report and hands it to use.
func (a *app) report(cmd *cobra.Command, question *questionFlags, by []report.Grouping, limit int, use func(*report.Report) error) error {
	now := time.Now()
	q, err := question.query(now)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return a.withIndex(ctx, cmd, func(dir string, s store.Store) error {
		r, err := report.Build(ctx, s, report.Options{Query: q, By: by, Source: dir, Now: now, Limit: limit})
		if err != nil {
			return err
		}
		return use(r)
	})
}
