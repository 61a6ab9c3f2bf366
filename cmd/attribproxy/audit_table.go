package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/attribproxy/attribproxy/audit"
)

// tableChunk is how many rows are aligned with each other. A journal can hold
// millions; the columns' least widths make the chunks look alike.
const tableChunk = 500

// auditColumns are the columns of a list of events and their least widths.
var auditColumns = []struct {
	title string
	width int
	cell  func(*audit.Event) string
}{
	{"EVENT", 8, (*audit.Event).ID},
	{"TIME", 20, eventTime},
	{"METHOD", 6, func(e *audit.Event) string { return orDash(e.Method) }},
	{"STATUS", 6, eventStatus},
	{"OUTCOME", 18, func(e *audit.Event) string {
		if e.Kind != audit.KindRequest && e.Outcome != audit.OutcomeUnknown {
			return string(e.Kind)
		}
		return orDash(e.Outcome)
	}},
	{"RULE", 16, func(e *audit.Event) string { return orDash(e.Rule) }},
	{"TOOL", 17, func(e *audit.Event) string { return orDash(e.Tool) }},
	{"TARGET", 0, eventTarget},
}

// eventTable prints events in columns.
type eventTable struct {
	w      io.Writer
	live   bool // print each row at once
	rows   [][]string
	headed bool
}

func (t *eventTable) print(e *audit.Event) error {
	row := make([]string, 0, len(auditColumns))
	for _, c := range auditColumns {
		row = append(row, tableCell(c.cell(e)))
	}
	t.rows = append(t.rows, row)
	if t.live || len(t.rows) >= tableChunk {
		return t.flush()
	}
	return nil
}

func (t *eventTable) flush() error {
	if len(t.rows) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(t.w, 0, 0, 2, ' ', 0)
	if !t.headed {
		t.headed = true
		header := make([]string, 0, len(auditColumns))
		for _, c := range auditColumns {
			header = append(header, c.title)
		}
		t.rows = append([][]string{header}, t.rows...)
	}
	for _, row := range t.rows {
		for i, cell := range row {
			if i == len(row)-1 {
				fmt.Fprintln(w, cell)
				break
			}
			fmt.Fprintf(w, "%-*s\t", auditColumns[i].width, cell)
		}
	}
	t.rows = t.rows[:0]
	return w.Flush()
}

// tableCell keeps what came over the network from looking like our layout.
func tableCell(s string) string {
	return clean(strings.NewReplacer("\t", " ", "\n", " ").Replace(s))
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func eventTime(e *audit.Event) string {
	if e.Time.IsZero() {
		return "-"
	}
	return e.Time.UTC().Format("2006-01-02T15:04:05Z")
}

// eventStatus is ARM's status; without one there was no answer.
func eventStatus(e *audit.Event) string {
	if e.Status == 0 {
		return "-"
	}
	return strconv.Itoa(e.Status)
}

// eventTarget is what the request was about, in as few words as tell it.
func eventTarget(e *audit.Event) string {
	switch e.Kind {
	case audit.KindGap:
		return gapText(e)
	case audit.KindSeal:
		return fmt.Sprintf("segment %d, lines %d to %d", e.Segment, e.First, e.Last)
	}
	var parts []string
	if e.ResourceGroup != "" && e.ResourceGroup != e.ResourceName {
		parts = append(parts, e.ResourceGroup)
	}
	switch {
	case e.ResourceType == "" && e.Path == "":
		return orDash(e.Host)
	case e.ResourceType == "":
		return e.Path
	case e.ResourceName == "":
		parts = append(parts, e.ResourceType)
	default:
		parts = append(parts, e.ResourceType+"/"+e.ResourceName)
	}
	return strings.Join(parts, " ")
}

// gapText says what a gap line declares.
func gapText(e *audit.Event) string {
	count := "some events"
	if e.Count > 0 {
		count = plural(int(min(e.Count, 1<<31)), "event")
	}
	switch e.Reason {
	case audit.GapTorn:
		return "torn: an unfinished line was set aside"
	case audit.GapUncleanStop:
		return "unclean-stop: the process ended without closing the journal; writes that were unanswered then, or that the disk refused, may be missing"
	case audit.GapWriteError:
		return "write-error: " + count + " could not be written"
	case audit.GapOverflow:
		return "overflow: " + count + " did not fit in the queue"
	case audit.GapRetention:
		return "retention: " + retentionText(e)
	}
	return e.Reason
}

func retentionText(e *audit.Event) string {
	switch {
	case e.GapEpochs == 1:
		return fmt.Sprintf("epoch %d was deleted", e.GapEpoch)
	case e.GapEpochs > 1:
		return fmt.Sprintf("epochs %d to %d were deleted", e.GapEpoch-e.GapEpochs+1, e.GapEpoch)
	}
	return fmt.Sprintf("lines %d to %d of epoch %d were deleted", e.First, e.Last, e.GapEpoch)
}
