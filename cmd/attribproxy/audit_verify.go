package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/attribproxy/attribproxy/audit"
)

func (a *app) auditVerifyCommand() *cobra.Command {
	var keyFile, head string
	cmd := &cobra.Command{
		Use:   "verify [DIR]",
		Short: "Find what was changed, removed, moved or cut in a journal",
		Long: `Holds every stream in DIR, by default the configuration's journal, against its
hash chain and seals, and names the file, segment and line of each fault. It only
reads, works on a copy on any machine, and while proxies are writing.

--key is the public half of the seal key, seal-key.pem.pub in the state directory;
keep a copy elsewhere. Without it verify detects accidents, not the owner of the
state directory, who could write a journal anew. --head is the hash of a line that
was kept elsewhere, such as the one 'attribproxy run' prints: the journal must
still hold that line, so that a cut end is found too.

A stream that a proxy is still writing to is reported as open and passes. Any
fault ends in exit code 3.`,
		Example: `  attribproxy audit verify
  attribproxy audit verify ./copied-journal --key seal-key.pem.pub
  attribproxy audit verify --head 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08`,
		Args: usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			asJSON, err := a.wantJSON()
			if err != nil {
				return err
			}
			named := ""
			if len(args) > 0 {
				named = args[0]
			}
			dir, err := a.journalDir(cmd, named)
			if err != nil {
				return err
			}
			return a.verifyJournal(dir, keyFile, head, asJSON)
		},
	}
	cmd.Flags().StringVar(&keyFile, "key", "", "public half of the seal key, PEM")
	cmd.Flags().StringVar(&head, "head", "", "hash of a line, kept elsewhere, that must still be there")
	return cmd
}

// verification is the report as JSON.
type verification struct {
	Dir string `json:"dir"`
	OK  bool   `json:"ok"`
	audit.Report
}

func (a *app) verifyJournal(dir, keyFile, head string, asJSON bool) error {
	opts := audit.VerifyOptions{Head: strings.TrimSpace(head)}
	if opts.Head != "" && !isSHA256(opts.Head) {
		return usageError("write the 64 hex digits that 'attribproxy run' prints as head", "--head %q is no SHA-256", head)
	}
	if keyFile != "" {
		key, err := audit.ReadPublicKey(keyFile)
		if err != nil {
			return withHint(err, "name the .pub file that stands beside the seal key in the state directory")
		}
		opts.Key = key
	}
	report, err := audit.Verify(dir, opts)
	if err != nil {
		return err
	}
	if asJSON {
		err = printJSON(a.stdout, verification{Dir: dir, OK: report.OK(), Report: report})
	} else {
		var b strings.Builder
		verifyText(&b, dir, keyFile, &report)
		_, err = io.WriteString(a.stdout, clean(b.String()))
	}
	if err != nil {
		return fmt.Errorf("printing the report: %w", err)
	}
	if opts.Key == nil {
		a.say("without --key this detects accidents, not the owner of the state directory")
	}
	if !report.OK() {
		n := len(report.Faults) + report.More
		return checkFailed("restore the files named from a backup if there is one, and keep these as they are", "the journal has %s", plural(n, "fault"))
	}
	return nil
}

func isSHA256(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == sha256.Size
}

// verifyText writes the report for people.
func verifyText(b *strings.Builder, dir, keyFile string, r *audit.Report) {
	signed := "not checked: no --key"
	if r.Signed {
		signed = "checked with " + keyFile
	}
	pairs := [][2]string{
		{"directory", dir},
		{"streams", fmt.Sprint(r.Epochs)},
		{"segments", fmt.Sprint(r.Segments)},
		{"lines", fmt.Sprint(r.Lines)},
		{"seals", fmt.Sprint(r.Seals)},
		{"signatures", signed},
		{"signed by", strings.Join(r.KeyIDs, " ")},
	}
	if r.HeadFound != "" {
		pairs = append(pairs, [2]string{"head", "found at " + r.HeadFound})
	}
	rows(b, "journal", pairs)
	if len(r.OpenTails) > 0 {
		var open [][2]string
		for _, t := range r.OpenTails {
			text := plural(int(min(t.Unsealed, 1<<31)), "line") + " after the last seal; a proxy is writing, or stopped without closing"
			if t.Torn > 0 {
				text += fmt.Sprintf("; the last line is unfinished (%d bytes)", t.Torn)
			}
			open = append(open, [2]string{t.File, text})
		}
		rows(b, "open streams", open)
	}
	if len(r.Gaps) > 0 {
		var gaps [][2]string
		retention := 0
		for _, g := range r.Gaps {
			if g.Reason == audit.GapRetention { // each repeats the ones before
				retention++
				continue
			}
			text := g.Reason
			if g.Count > 0 {
				text += fmt.Sprintf(", %d missing", g.Count)
			}
			gaps = append(gaps, [2]string{fmt.Sprintf("%d/%d", g.Epoch, g.Seq), text})
		}
		if retention > 0 {
			gaps = append(gaps, [2]string{audit.GapRetention, plural(retention, "line") + " on what was deleted because of its age or the journal's size"})
		}
		rows(b, "gaps that the journal declares", gaps)
	}
	if r.OK() {
		rows(b, "faults", [][2]string{{"none", ""}})
		return
	}
	b.WriteString("\nfaults\n")
	for _, f := range r.Faults {
		fmt.Fprintf(b, "  %s\n", strings.ReplaceAll(f.String(), "\n", " "))
	}
	if r.More > 0 {
		fmt.Fprintf(b, "  … and %d more\n", r.More)
	}
}
