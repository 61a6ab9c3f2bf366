package console

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/attribproxy/attribproxy/audit"
	"github.com/attribproxy/attribproxy/audit/store"
)

// filter is what the form above a list asks for.
type filter struct {
	values url.Values // what was given, known names only
	query  store.Query
}

// field is one input of the form.
type field struct {
	Name, Label, Hint, Type string
	Value                   string
	Options                 []option
}

type option struct {
	Value, Label string
	Selected     bool
}

// outcomes are attribution's, in the order in which people ask for them.
func outcomes() []string {
	return []string{
		"attributed", "already-attributed", "replaced", "no-rule", "conflict-kept", "would-attribute",
		"excluded", "not-eligible", "batch", "rejected", "bypass",
	}
}

// kinds are what a list can hold besides requests.
func kinds() []option {
	return []option{
		{Value: "", Label: "requests"},
		{Value: string(audit.KindGap), Label: "gaps: events are missing"},
		{Value: string(audit.KindIntent), Label: "unknown: sent, no outcome"},
	}
}

// readFilter reads a form. What cannot be read is named in faults and left out.
func readFilter(v url.Values) (f filter, faults []string) {
	f.values = url.Values{}
	take := func(name string) []string {
		var given []string
		for _, s := range v[name] {
			if s = strings.TrimSpace(s); s != "" {
				given = append(given, s)
			}
		}
		if len(given) > 0 {
			f.values[name] = given
		}
		return given
	}
	q := &f.query
	q.Outcomes, q.Rules, q.Tools, q.Subscriptions, q.Types, q.Methods = take("outcome"), take("rule"), take("tool"), take("subscription"), take("type"), take("method")
	q.IDs, q.ResourceGroups, q.Processes, q.Labels, q.Statuses = take("id"), take("group"), take("process"), take("label"), take("status")
	if t := take("q"); len(t) > 0 {
		q.Text = t[0]
	}
	for _, k := range take("kind") {
		switch kind := audit.Kind(k); kind {
		case audit.KindRequest, audit.KindGap, audit.KindIntent:
			q.Kinds = append(q.Kinds, kind)
		default:
			faults = append(faults, fmt.Sprintf("%q is no kind of event", k))
			f.values.Del("kind")
		}
	}
	moment := func(name string, day time.Duration) time.Time {
		given := take(name)
		if len(given) == 0 {
			return time.Time{}
		}
		if t, err := time.Parse(time.DateOnly, given[0]); err == nil {
			return t.Add(day)
		}
		if t, err := time.Parse(time.RFC3339, given[0]); err == nil {
			return t
		}
		faults = append(faults, fmt.Sprintf("%q is no day; write 2026-03-01", given[0]))
		f.values.Del(name)
		return time.Time{}
	}
	// A last day is meant to its end.
	q.Since, q.Until = moment("since", 0), moment("until", 24*time.Hour)
	return f, faults
}

// fields are the inputs, filled in.
func (f filter) fields() (main, more []field) {
	text := func(name, label, hint string) field {
		return field{Name: name, Label: label, Hint: hint, Type: "text", Value: f.values.Get(name)}
	}
	date := func(name, label string) field {
		value := f.values.Get(name)
		if len(value) > len(time.DateOnly) {
			value = value[:len(time.DateOnly)]
		}
		return field{Name: name, Label: label, Type: "date", Value: value}
	}
	outcome := field{Name: "outcome", Label: "Outcome", Type: "select", Options: []option{{Label: "any"}}}
	for _, o := range outcomes() {
		outcome.Options = append(outcome.Options, option{Value: o, Label: o, Selected: strings.EqualFold(o, f.values.Get("outcome"))})
	}
	kind := field{Name: "kind", Label: "Show", Type: "select", Options: kinds()}
	for i := range kind.Options {
		kind.Options[i].Selected = kind.Options[i].Value == f.values.Get("kind")
	}
	search := field{Name: "q", Label: "Search", Type: "search", Hint: "path, deployment, correlation ID", Value: f.values.Get("q")}
	main = []field{search, outcome, text("tool", "Tool", "azure-cli"), text("rule", "Rule", ""), date("since", "From"), date("until", "To")}
	more = []field{
		text("subscription", "Subscription", ""), text("group", "Resource group", "rg-*"), text("type", "Resource type", "Microsoft.Compute/*"),
		text("id", "Tracking ID", "pid-…"), text("method", "Method", "PUT"), text("status", "Status", "2*"),
		text("process", "Process", ""), text("label", "Label", "team=*"), kind,
	}
	return main, more
}

// liveFields are the inputs of a live tail: time is not asked for.
func (f filter) liveFields() []field {
	main, more := f.fields()
	return append(main[:4:4], more[:3]...)
}

// chosen reports whether any of the fields is filled in.
func chosen(fields []field) bool {
	for _, f := range fields {
		if f.Value != "" {
			return true
		}
		for i, o := range f.Options {
			if o.Selected && i > 0 {
				return true
			}
		}
	}
	return false
}

// link is the address of a page with this filter and further values.
func (f filter) link(path string, more ...string) string {
	v := url.Values{}
	for name, given := range f.values {
		v[name] = given
	}
	for i := 0; i+1 < len(more); i += 2 {
		if more[i+1] == "" {
			v.Del(more[i])
		} else {
			v.Set(more[i], more[i+1])
		}
	}
	if len(v) == 0 {
		return path
	}
	return path + "?" + v.Encode()
}
