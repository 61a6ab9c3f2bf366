package store

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/attribproxy/attribproxy/audit"
)

// Query selects events. As in [audit.Filter], which works as it does there,
// the values of one field are alternatives, compared without case, with * for
// any text; an empty field selects everything.
type Query struct {
	audit.Filter
	IDs            []string // tracking IDs, with pid-
	ResourceGroups []string
	Processes      []string
	Labels         []string // name=value
	Statuses       []string // "201", "4*"
	// Text is part of the path, the deployment's name or one of the three
	// correlation IDs; letters of ASCII are compared without case.
	Text string
}

// Page is a part of a list of events.
type Page struct {
	Limit int    // 0 means DefaultLimit
	After Cursor // where the page before ended; zero for the first
}

// DefaultLimit is the length of a page for which none is given.
const DefaultLimit = 100

// Cursor is a place in a list of events. It stays valid when events are added.
type Cursor struct {
	Time   time.Time
	Source string
	Epoch  uint64
	Seq    uint64
}

// IsZero reports that there is no further page.
func (c Cursor) IsZero() bool { return c == Cursor{} }

// String writes a cursor so that it fits in a URL; "" for zero.
func (c Cursor) String() string {
	if c.IsZero() {
		return ""
	}
	return strings.Join([]string{
		strconv.FormatInt(c.Time.UnixNano(), 10), strconv.FormatUint(c.Epoch, 10), strconv.FormatUint(c.Seq, 10), c.Source,
	}, ".")
}

// ParseCursor reads what [Cursor.String] wrote; ok is false for anything else.
func ParseCursor(s string) (c Cursor, ok bool) {
	if s == "" {
		return Cursor{}, true
	}
	parts := strings.SplitN(s, ".", 4)
	if len(parts) != 4 {
		return Cursor{}, false
	}
	ns, err1 := strconv.ParseInt(parts[0], 10, 64)
	epoch, err2 := strconv.ParseUint(parts[1], 10, 64)
	seq, err3 := strconv.ParseUint(parts[2], 10, 64)
	if err1 != nil || err2 != nil || err3 != nil || parts[3] == "" {
		return Cursor{}, false
	}
	return Cursor{Time: time.Unix(0, ns).UTC(), Source: parts[3], Epoch: epoch, Seq: seq}, true
}

// cursorOf is the cursor of the page that begins behind e.
func cursorOf(e *audit.Event) Cursor {
	return Cursor{Time: e.Time, Source: e.Source, Epoch: e.Epoch, Seq: e.Seq}
}

// Kinds returns the kinds the query selects.
func (q *Query) kinds() []audit.Kind {
	if len(q.Kinds) == 0 {
		return []audit.Kind{audit.KindRequest}
	}
	return q.Kinds
}

// Match reports whether the query selects e.
func (q *Query) Match(e *audit.Event) bool {
	return q.matchTime(e.Time) && q.matchGroup(e) && q.matchOrigin(e) && q.matchText(e)
}

func (q *Query) matchTime(t time.Time) bool {
	return (q.Since.IsZero() || !t.Before(q.Since)) && (q.Until.IsZero() || t.Before(q.Until))
}

// matchGroup and matchOrigin are the parts of Match that look at what the
// index keeps once for many events.
func (q *Query) matchGroup(e *audit.Event) bool {
	f := q.Filter
	f.Since, f.Until = time.Time{}, time.Time{}
	return f.Match(e) && matchList(q.IDs, idsOf(e)) &&
		matchOne(q.ResourceGroups, e.ResourceGroup) && matchOne(q.Statuses, statusText(e.Status))
}

func (q *Query) matchOrigin(e *audit.Event) bool {
	return matchList(q.Labels, e.Labels) && matchOne(q.Processes, e.Process)
}

func (q *Query) matchText(e *audit.Event) bool {
	if q.Text == "" {
		return true
	}
	text := asciiLower(q.Text)
	return slices.ContainsFunc([]string{e.Path, e.Deployment, e.ClientRequestID, e.CorrelationID, e.RequestID},
		func(s string) bool { return strings.Contains(asciiLower(s), text) })
}

// anyGroup reports that matchGroup looks at nothing but the kind.
func (q *Query) anyGroup() bool {
	f := q.Filter
	return len(f.Outcomes)+len(f.Rules)+len(f.Tools)+len(f.Subscriptions)+len(f.Types)+len(f.Methods)+
		len(q.IDs)+len(q.ResourceGroups)+len(q.Statuses) == 0
}

// anyOrigin reports that matchOrigin is always true.
func (q *Query) anyOrigin() bool { return len(q.Labels)+len(q.Processes) == 0 }

func matchList(patterns, values []string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(values, func(v string) bool { return matchOne(patterns, v) })
}

// matchOne borrows the pattern language of audit.Filter.
func matchOne(patterns []string, value string) bool {
	return len(patterns) == 0 || audit.Filter{Rules: patterns}.Match(&audit.Event{Kind: audit.KindRequest, Rule: value})
}

func statusText(status int) string {
	if status == 0 {
		return ""
	}
	return strconv.Itoa(status)
}

// asciiLower is how SQL's LIKE folds case.
func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
