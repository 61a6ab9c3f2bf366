package report

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/attribproxy/attribproxy/audit"
)

// CSV writes one row for the total and one for each group. The first column
// names the grouping, such as rule or rule+tool, and the second the values, one
// cell for each dimension; coverage is in percent, and empty where there were no
// eligible writes. The limits stand at the end as rows of their own, with the
// grouping "limit".
func CSV(w io.Writer, r *Report) error {
	out := csv.NewWriter(w)
	depth := 1
	for _, t := range r.Tables {
		depth = max(depth, len(t.By))
	}
	head := []string{"grouping"}
	for i := range depth {
		name := "value"
		if i > 0 {
			name += strconv.Itoa(i + 1)
		}
		head = append(head, name)
	}
	head = append(head, "coverage")
	for _, c := range columns() {
		head = append(head, c.name)
	}
	rows := [][]string{head}
	add := func(grouping string, values []string, s Summary) {
		row := append([]string{cell(grouping)}, make([]string, depth)...)
		for i, v := range values {
			row[i+1] = cell(v)
		}
		coverage := ""
		if s.Coverage != nil {
			coverage = s.Coverage.String()
		}
		row = append(row, coverage)
		for _, c := range columns() {
			row = append(row, strconv.FormatUint(c.value(s), 10))
		}
		rows = append(rows, row)
	}
	add("total", nil, r.Total)
	for i := range r.Tables {
		t := &r.Tables[i]
		for j := range t.Rows {
			row := t.Rows[j]
			values := row.Values
			if row.More > 0 {
				values = []string{fmt.Sprintf("… %d more", row.More)}
			}
			add(Grouping(t.By).String(), values, row.Summary)
		}
	}
	for _, l := range r.Limits {
		row := make([]string, len(head))
		row[0], row[1] = "limit", cell(l)
		rows = append(rows, row)
	}
	if err := out.WriteAll(rows); err != nil {
		return fmt.Errorf("writing CSV: %w", err)
	}
	return nil
}

// cell keeps a spreadsheet from taking what came over the network for a formula
// (https://owasp.org/www-community/attacks/CSV_Injection), and a terminal from
// obeying it.
func cell(s string) string {
	s = clean(s)
	if trimmed := strings.TrimLeft(s, " \u00a0\u3000"); trimmed != "" && strings.ContainsRune("=+-@|%＝＋－＠", []rune(trimmed)[0]) {
		return "'" + s
	}
	return s
}

// EventCSV writes events as rows. Lists are JSON.
type EventCSV struct {
	w      *csv.Writer
	headed bool
}

// NewEventCSV returns a writer of events to w; the header comes with the first
// event or with Flush.
func NewEventCSV(w io.Writer) *EventCSV { return &EventCSV{w: csv.NewWriter(w)} }

// Write writes one event.
func (c *EventCSV) Write(e *audit.Event) error {
	if err := c.head(); err != nil {
		return err
	}
	return c.w.Write(eventCells(e))
}

// Flush writes what is left.
func (c *EventCSV) Flush() error {
	if err := c.head(); err != nil {
		return err
	}
	c.w.Flush()
	return c.w.Error()
}

func (c *EventCSV) head() error {
	if c.headed {
		return nil
	}
	c.headed = true
	return c.w.Write(audit.Fields())
}

// eventCells are the values in the order of audit.Fields.
func eventCells(e *audit.Event) []string {
	number := func(n uint64) string {
		if n == 0 {
			return ""
		}
		return strconv.FormatUint(n, 10)
	}
	list := func(values []string) string {
		if len(values) == 0 {
			return ""
		}
		text, err := json.Marshal(values)
		if err != nil {
			return "" // strings always can be
		}
		return cell(string(text))
	}
	at, duration, final := "", "", ""
	if !e.Time.IsZero() {
		at = e.Time.UTC().Format(time.RFC3339Nano)
	}
	if e.DurationMS != 0 {
		duration = strconv.FormatFloat(e.DurationMS, 'f', -1, 64)
	}
	if e.Final {
		final = "true"
	}
	return []string{
		number(uint64(e.V)), cell(e.Source), number(e.Epoch), number(e.Seq), cell(e.Prev), at, cell(string(e.Kind)),
		cell(e.Outcome), cell(e.Reason), cell(e.Rule), list(e.IDs), cell(e.Mode),
		cell(e.Method), cell(e.Host), cell(e.Path), cell(e.APIVersion), cell(e.Scope), cell(e.Subscription),
		cell(e.ResourceGroup), cell(e.ResourceType), cell(e.ResourceName), cell(e.Deployment), list(e.TemplateIDs),
		cell(e.Tool), cell(e.UAIn), cell(e.UAOut), cell(e.Client), cell(e.Process), list(e.Labels),
		cell(e.ClientRequestID), cell(e.CorrelationID), cell(e.RequestID), number(uint64(e.Status)), cell(e.Error),
		duration, number(uint64(e.BytesUp)), number(uint64(e.BytesDown)), cell(e.ConfigHash), number(e.Intent),
		number(e.Count), number(e.First), number(e.Last), cell(e.SHA256), number(e.GapEpoch), number(e.GapEpochs),
		number(e.Segment), final, cell(e.KeyID), cell(e.Sig),
	}
}
