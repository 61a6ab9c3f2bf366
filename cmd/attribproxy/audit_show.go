package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/attribproxy/attribproxy/attribution"
	"github.com/attribproxy/attribproxy/audit"
)

func (a *app) auditShowCommand() *cobra.Command {
	var epoch uint64
	cmd := &cobra.Command{
		Use:   "show [EPOCH/]SEQ",
		Short: "Show everything about one event",
		Long: `Shows one line of the journal with all its fields: the decision and its reason,
the User-Agent before and after, what Azure answered, and its place in the chain.

'attribproxy audit list' gives the number, EPOCH/SEQ. SEQ alone means the latest
epoch, or that of --epoch.`,
		Example: `  attribproxy audit show 3/17
  attribproxy audit show 17 --epoch 3
  attribproxy audit show 17 --output json`,
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			asJSON, err := a.wantJSON()
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("epoch") && epoch == 0 {
				return usageError("epochs are numbered from 1", "--epoch 0 does not exist")
			}
			id, err := parseEventID(args[0], epoch)
			if err != nil {
				return err
			}
			dir, err := a.journalDir(cmd, "")
			if err != nil {
				return err
			}
			e, hash, err := audit.Lookup(dir, id.epoch, id.seq)
			if errors.Is(err, audit.ErrNotFound) {
				return withHint(err, "'attribproxy audit list --kind all' shows what there is")
			}
			if err != nil {
				return err
			}
			if asJSON {
				return (&eventLines{w: a.stdout}).print(&e)
			}
			became, err := becameOf(dir, &e)
			if err != nil {
				return err
			}
			var b strings.Builder
			showEvent(&b, &e, hash, became)
			if _, err := io.WriteString(a.stdout, clean(b.String())); err != nil {
				return fmt.Errorf("printing the event: %w", err)
			}
			return nil
		},
	}
	cmd.Flags().Uint64Var(&epoch, "epoch", 0, "epoch of the event (default: the latest)")
	return cmd
}

// eventID names a line; epoch 0 means the latest.
type eventID struct{ epoch, seq uint64 }

func parseEventID(s string, epoch uint64) (eventID, error) {
	hint := "write SEQ or EPOCH/SEQ, as the first column of 'attribproxy audit list'"
	id := eventID{epoch: epoch}
	seq := s
	if before, after, ok := strings.Cut(s, "/"); ok {
		n, err := strconv.ParseUint(before, 10, 64)
		switch {
		case err != nil || n == 0:
			return id, usageError(hint, "%q is no number of an event", s)
		case epoch != 0 && n != epoch:
			return id, usageError("leave one of them out", "%q and --epoch %d are two epochs", s, epoch)
		}
		id.epoch, seq = n, after
	}
	n, err := strconv.ParseUint(seq, 10, 64)
	if err != nil || n == 0 {
		return id, usageError(hint, "%q is no number of an event", s)
	}
	id.seq = n
	return id, nil
}

// becameOf says what became of an intent, "" for other events.
func becameOf(dir string, e *audit.Event) (string, error) {
	if e.Kind != audit.KindIntent {
		return "", nil
	}
	seq, err := audit.OutcomeOf(dir, e)
	switch {
	case err != nil:
		return "", fmt.Errorf("looking for the outcome: %w", err)
	case seq == 0:
		return audit.OutcomeUnknown + ": whether it was sent and what was answered is not on record", nil
	}
	return fmt.Sprintf("on record as %d/%d", e.Epoch, seq), nil
}

// showEvent writes one event in blocks, without the fields it does not have.
func showEvent(b *strings.Builder, e *audit.Event, hash, became string) {
	block := func(title string, pairs ...[2]string) {
		kept := make([][2]string, 0, len(pairs))
		for _, p := range pairs {
			if p[1] != "" {
				kept = append(kept, p)
			}
		}
		if len(kept) > 0 {
			rows(b, title, kept)
		}
	}
	number := func(n int64) string {
		if n == 0 {
			return ""
		}
		return strconv.FormatInt(n, 10)
	}
	intent := ""
	if e.Intent != 0 {
		intent = fmt.Sprintf("%d/%d", e.Epoch, e.Intent)
	}
	when := ""
	if !e.Time.IsZero() {
		when = e.Time.UTC().Format("2006-01-02T15:04:05.000000000Z07:00")
	}
	block("event",
		[2]string{"number", e.ID()}, [2]string{"kind", string(e.Kind)}, [2]string{"time", when},
		[2]string{"source", e.Source}, [2]string{"intent", intent}, [2]string{"became", became})
	switch e.Kind {
	case audit.KindGap:
		showGap(block, e)
	case audit.KindSeal:
		showSeal(block, e)
	default:
		showRequest(block, number, e)
	}
	block("chain", [2]string{"follows", e.Prev}, [2]string{"hash", hash})
}

type showBlock func(title string, pairs ...[2]string)

func showRequest(block showBlock, number func(int64) string, e *audit.Event) {
	block("request",
		[2]string{"method", e.Method}, [2]string{"host", e.Host}, [2]string{"path", e.Path},
		[2]string{"api-version", e.APIVersion}, [2]string{"scope", e.Scope},
		[2]string{"subscription", e.Subscription}, [2]string{"resource group", e.ResourceGroup},
		[2]string{"resource type", e.ResourceType}, [2]string{"resource name", e.ResourceName},
		[2]string{"deployment", e.Deployment}, [2]string{"IDs in template", strings.Join(e.TemplateIDs, " ")},
		[2]string{"body bytes", number(e.BytesUp)})
	block("client",
		[2]string{"tool", e.Tool}, [2]string{"address", e.Client}, [2]string{"process", e.Process},
		[2]string{"labels", strings.Join(e.Labels, " ")})
	block("decision",
		[2]string{"outcome", e.Outcome}, [2]string{"reason", e.Reason}, [2]string{"rule", e.Rule},
		[2]string{"IDs", strings.Join(e.IDs, " ")}, [2]string{"mode", e.Mode}, [2]string{"config hash", e.ConfigHash})
	before, after := e.UAIn, e.UAOut
	if before == "" {
		before = "(none)"
	}
	switch {
	case e.Outcome == string(attribution.OutcomeRejected):
		after = "(not sent)"
	case after == "":
		after = "(unchanged)"
	}
	block("User-Agent", [2]string{"before", before}, [2]string{"after", after})
	status := number(int64(e.Status))
	if e.Status == 0 && e.Kind == audit.KindRequest {
		status = "(none: ARM gave no answer)"
	}
	duration := ""
	if e.DurationMS != 0 {
		duration = strconv.FormatFloat(e.DurationMS, 'f', -1, 64) + " ms"
	}
	block("answer",
		[2]string{"status", status}, [2]string{"error", e.Error}, [2]string{"duration", duration},
		[2]string{"body bytes", number(e.BytesDown)}, [2]string{"request ID", e.RequestID},
		[2]string{"correlation ID", e.CorrelationID}, [2]string{"client request ID", e.ClientRequestID})
}

func showGap(block showBlock, e *audit.Event) {
	count := ""
	if e.Count > 0 {
		count = strconv.FormatUint(e.Count, 10)
	}
	block("gap", [2]string{"meaning", gapText(e)}, [2]string{"count", count}, [2]string{"SHA-256", e.SHA256})
}

func showSeal(block showBlock, e *audit.Event) {
	final := "no, the next segment follows"
	if e.Final {
		final = "yes, nothing follows in this stream"
	}
	block("seal",
		[2]string{"segment", strconv.FormatUint(e.Segment, 10)},
		[2]string{"lines", fmt.Sprintf("%d to %d", e.First, e.Last)},
		[2]string{"final", final}, [2]string{"key", e.KeyID}, [2]string{"signature", e.Sig})
}
