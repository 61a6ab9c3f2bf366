package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/attribproxy/attribproxy/audit/report"
)

func (a *app) auditGateCommand() *cobra.Command {
	var question questionFlags
	var junit string
	var gate report.Gate
	cmd := &cobra.Command{
		Use:   "gate",
		Short: "Fail when the coverage is too low",
		Long: `Ends with exit code 3 when the coverage, as 'attribproxy audit report' counts it, is
below --min-coverage percent. It compares what was counted, not what was rounded.
Without eligible writes nothing is shown to be covered, and the gate fails as
well, unless --allow-empty says that this is as it should be. Lines of the journal
that cannot be read may have been untagged writes, whenever they were written: with
any of them the gate fails, unless --allow-damaged passes over them.

Writes with an unknown outcome, failed ones and gaps in the journal are said
beside the verdict; they do not change it.`,
		Example: `  attribproxy audit gate --min-coverage 95 --since 24h
  attribproxy audit gate --min-coverage 100 --label "build=$BUILD_ID" --junit coverage.xml`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("min-coverage") {
				return usageError("write --min-coverage 95, for example", "--min-coverage is missing")
			}
			if !(gate.Minimum >= 0 && gate.Minimum <= 100) { // NaN is neither
				return usageError("write a percentage from 0 to 100", "--min-coverage %v is no percentage", gate.Minimum)
			}
			asJSON, err := a.wantJSON()
			if err != nil {
				return err
			}
			return a.report(cmd, &question, nil, 0, func(r *report.Report) error {
				if junit != "" {
					if err := a.writeOut(junit, func(w io.Writer) error { return gate.JUnit(w, r) }); err != nil {
						return err
					}
				}
				return a.judge(gate, r, asJSON)
			})
		},
	}
	question.add(cmd)
	flags := cmd.Flags()
	flags.Float64Var(&gate.Minimum, "min-coverage", 0, "least coverage, in percent")
	flags.BoolVar(&gate.AllowEmpty, "allow-empty", false, "pass when there were no eligible writes")
	flags.BoolVar(&gate.AllowDamaged, "allow-damaged", false, "pass over lines of the journal that cannot be read")
	flags.StringVar(&junit, "junit", "", "file to write the verdict to as JUnit XML")
	return cmd
}

// gateVerdict is the verdict as JSON.
type gateVerdict struct {
	report.Verdict
	Minimum float64        `json:"minimum"`
	Total   report.Summary `json:"total"`
	Limits  []string       `json:"limits"`
}

func (a *app) judge(gate report.Gate, r *report.Report, asJSON bool) error {
	verdict := gate.Judge(r)
	var err error
	if asJSON {
		err = printJSON(a.stdout, gateVerdict{verdict, gate.Minimum, r.Total, r.Limits})
	} else {
		lines := append([]string{verdict.Reason}, report.Beside(r.Total)...)
		_, err = fmt.Fprintln(a.stdout, clean(strings.Join(lines, "\n")))
	}
	if err != nil {
		return fmt.Errorf("printing the verdict: %w", err)
	}
	switch {
	case verdict.Passed:
		return nil
	case r.Total.Damaged > 0 && !gate.AllowDamaged:
		return checkFailed("'attribproxy audit verify' says which; --allow-damaged passes over them", "lines of the journal cannot be read")
	case r.Total.Eligible == 0:
		return checkFailed("--allow-empty passes a time without eligible writes", "there is no coverage to speak of")
	}
	return checkFailed("'attribproxy audit report --by rule+tool' shows where writes are untagged, 'attribproxy audit list --outcome no-rule' which", "the coverage is too low")
}
