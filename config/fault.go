package config

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Fault is one thing that is wrong, or in [Loaded.Warnings] doubtful, in a
// configuration.
type Fault struct {
	// Where the value came from: "config.yaml:12", "ATTRIBPROXY_MODE",
	// "--listen", "default".
	Where string `json:"where,omitempty"`
	// Path of the key: rules[2].match.resourceTypes[0]. Empty when the fault is
	// the whole file's.
	Path string `json:"path,omitempty"`
	// Value as given, without secrets; "" where showing it would not help.
	Value string `json:"value,omitempty"`
	// Message says what is wrong, Remedy what to do about it.
	Message string `json:"message"`
	Remedy  string `json:"remedy,omitempty"`
}

// String is the fault on one line: where: path: "value" message; remedy.
func (f Fault) String() string {
	var b strings.Builder
	for _, part := range []string{f.Where, f.Path} {
		if part != "" {
			b.WriteString(part + ": ")
		}
	}
	if f.Value != "" {
		b.WriteString(strconv.Quote(shorten(f.Value)) + " ")
	}
	b.WriteString(f.Message)
	if f.Remedy != "" {
		b.WriteString("; " + f.Remedy)
	}
	return b.String()
}

// Error holds every fault of a configuration, in the order of the file as far
// as that is known. It never holds a secret.
type Error struct {
	// Faults, at least one.
	Faults []Fault
}

// Error lists the faults, one a line.
func (e *Error) Error() string {
	if len(e.Faults) == 1 {
		return "reading configuration: " + e.Faults[0].String()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "reading configuration: %d faults", len(e.Faults))
	for _, f := range e.Faults {
		b.WriteString("\n  " + f.String())
	}
	return b.String()
}

// shorten keeps a pasted certificate or a binary file out of a message.
func shorten(s string) string {
	const most = 120
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// redacted stands where a secret was.
const redacted = "***"

// redact takes passwords, and whatever else can be one, out of what may be a
// URL: the user part and the query. It does not parse, as what is not quite a
// URL can hold a password too.
func redact(s string) string {
	start := 0
	if i := strings.Index(s, "://"); i >= 0 {
		start = i + len("://")
	}
	head, tail := s[:start], s[start:]
	if at := strings.LastIndex(tail, "@"); at >= 0 {
		// A user name alone may be a token, so it is only shown beside a password.
		user, _, ok := strings.Cut(tail[:at], ":")
		if ok && user != "" {
			head += user + ":"
		}
		head, tail = head+redacted, tail[at:]
	}
	if start > 0 {
		if i := strings.IndexAny(tail, "?#"); i >= 0 {
			tail = tail[:i+1] + redacted
		}
	}
	return head + tail
}
