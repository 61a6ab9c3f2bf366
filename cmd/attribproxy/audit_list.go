package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/attribproxy/attribproxy/audit"
)

func (a *app) auditListCommand() *cobra.Command {
	var filter filterFlags
	limit := 0
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the recorded writes, oldest first",
		Long: `Lists the events of all streams, merged by time. The first column is what
'attribproxy audit show' takes. Values of one filter are alternatives, compared
without case; * stands for any text.

With audit.guarantee strict, a write whose intent is on record and whose outcome
is not has the outcome unknown: the process ended in between, or it is under way.

With --output json each event is one line, with all its fields.`,
		Example: `  attribproxy audit list --since 24h
  attribproxy audit list --outcome no-rule --type 'Microsoft.Compute/*'
  attribproxy audit list --limit 20 --output json`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 0 {
				return usageError("write 0 for all", "--limit %d is negative", limit)
			}
			return a.readEvents(cmd, &filter, func(dir string, f audit.Filter) iter.Seq2[audit.Event, error] {
				if limit > 0 {
					return audit.LatestOutcomes(dir, f, limit)
				}
				return a.mentionGaps(audit.Outcomes, dir, f)
			}, false)
		},
	}
	filter.add(cmd)
	cmd.Flags().IntVar(&limit, "limit", 0, "only so many, the latest; 0 means all")
	return cmd
}

// mentionGaps reads a whole journal and says at the end when events are missing:
// a list must not look complete when it is not.
func (a *app) mentionGaps(read func(string, audit.Filter) iter.Seq2[audit.Event, error], dir string, f audit.Filter) iter.Seq2[audit.Event, error] {
	if len(f.Kinds) > 0 {
		return read(dir, f)
	}
	f.Kinds = []audit.Kind{audit.KindRequest, audit.KindGap}
	return func(yield func(audit.Event, error) bool) {
		gaps := 0
		for e, err := range read(dir, f) {
			if err == nil && e.Kind == audit.KindGap {
				if e.Reason != audit.GapRetention { // which is as it should be
					gaps++
				}
				continue
			}
			if !yield(e, err) {
				return
			}
		}
		if gaps > 0 {
			a.say("the journal declares %s: 'attribproxy audit list --kind gap' shows what is missing", plural(gaps, "gap"))
		}
	}
}

// followInterval is how often a journal that is followed is looked at.
const followInterval = 250 * time.Millisecond

func (a *app) auditTailCommand() *cobra.Command {
	var filter filterFlags
	var follow bool
	lines := 10
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Show the latest recorded writes, and those to come",
		Long: `Shows the latest events, and with --follow each new one as it is recorded,
whichever process records it, until it is interrupted.`,
		Example: `  attribproxy audit tail
  attribproxy audit tail -f --outcome no-rule,conflict-kept
  attribproxy audit tail -f --lines 0 --output json`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if lines < 0 {
				return usageError("write 0 for none", "--lines %d is negative", lines)
			}
			if !follow {
				return a.readEvents(cmd, &filter, func(dir string, f audit.Filter) iter.Seq2[audit.Event, error] {
					return audit.LatestOutcomes(dir, f, lines)
				}, false)
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return a.follow(ctx, cmd, &filter, lines)
		},
	}
	filter.add(cmd)
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what is recorded from now on")
	cmd.Flags().IntVarP(&lines, "lines", "n", lines, "how many of the latest events to begin with")
	return cmd
}

func (a *app) follow(ctx context.Context, cmd *cobra.Command, filter *filterFlags, past int) error {
	tick := time.NewTicker(followInterval)
	defer tick.Stop()
	return a.readEvents(cmd, filter, func(dir string, f audit.Filter) iter.Seq2[audit.Event, error] {
		return audit.Follow(ctx, dir, f, audit.FollowOptions{Poll: tick.C, Past: past})
	}, true)
}

// readEvents prints the events that the filter selects. Lines that cannot be
// read are said on stderr and make the verb fail at the end.
func (a *app) readEvents(cmd *cobra.Command, flags *filterFlags, read func(string, audit.Filter) iter.Seq2[audit.Event, error], live bool) error {
	asJSON, err := a.wantJSON()
	if err != nil {
		return err
	}
	filter, err := flags.filter(time.Now())
	if err != nil {
		return err
	}
	dir, err := a.journalDir(cmd, "")
	if err != nil {
		return err
	}
	var out eventPrinter = &eventTable{w: a.stdout, live: live}
	if asJSON {
		out = &eventLines{w: a.stdout}
	}
	damaged := 0
	for e, err := range read(dir, filter) {
		var line *audit.LineError
		switch {
		case errors.As(err, &line):
			damaged++
			a.say("%v", err)
			continue
		case err != nil:
			return err
		}
		if err := out.print(&e); err != nil {
			return fmt.Errorf("printing the events: %w", err)
		}
	}
	if err := out.flush(); err != nil {
		return fmt.Errorf("printing the events: %w", err)
	}
	if damaged > 0 {
		return withHint(fmt.Errorf("%s of the journal cannot be read", plural(damaged, "line")), "'attribproxy audit verify' says more")
	}
	return nil
}

// eventPrinter is a form of output.
type eventPrinter interface {
	print(*audit.Event) error
	flush() error
}

// eventLines prints one JSON object a line.
type eventLines struct{ w io.Writer }

func (p *eventLines) print(e *audit.Event) error {
	line, err := e.MarshalJSON()
	if err != nil {
		return err
	}
	_, err = p.w.Write(append(escapeControls(line), '\n'))
	return err
}

func (p *eventLines) flush() error { return nil }

// escapeControls writes what clean would replace as JSON escapes: the value
// stays the same, and the terminal is safe.
func escapeControls(line []byte) []byte {
	if clean(string(line)) == string(line) {
		return line
	}
	var b bytes.Buffer
	for _, r := range string(line) {
		if clean(string(r)) == string(r) {
			b.WriteRune(r)
			continue
		}
		fmt.Fprintf(&b, `\u%04x`, r) // all of them lie in the basic plane
	}
	return b.Bytes()
}
