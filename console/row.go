package console

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/attribproxy/attribproxy/audit"
	"github.com/attribproxy/attribproxy/audit/store"
)

const timeLayout = "2006-01-02 15:04:05"

// eventRow is an event as lists show it.
type eventRow struct {
	Link     string
	Time     string // UTC
	Stamp    string // RFC 3339
	Outcome  string
	Tone     string // good, warn, bad, quiet: what the outcome means for coverage
	Method   string
	Status   string
	Failed   bool // ARM did not answer with success
	Tool     string
	Rule     string
	Resource string // what was written
	Detail   string // where
}

func row(e *audit.Event) eventRow {
	r := eventRow{
		Link: eventLink(e.Source, e.Epoch, e.Seq), Time: e.Time.UTC().Format(timeLayout), Stamp: e.Time.UTC().Format(time.RFC3339Nano),
		Outcome: e.Outcome, Tone: tone(e), Method: e.Method, Tool: e.Tool, Rule: e.Rule,
	}
	if e.Status != 0 {
		r.Status = strconv.Itoa(e.Status)
	}
	switch e.Kind {
	case audit.KindGap:
		r.Outcome, r.Resource, r.Detail = "gap", gapWords(e), e.Source
		return r
	case audit.KindIntent:
		r.Outcome = "unknown"
	}
	if r.Status == "" && e.Error != "" {
		r.Status = "error"
	}
	r.Failed = store.Classify(e) == store.ClassFailed
	r.Resource, r.Detail = resource(e)
	return r
}

// resource names what an event wrote, and where.
func resource(e *audit.Event) (what, where string) {
	switch {
	case e.ResourceType == "" && e.Path == "":
		return e.Host, ""
	case e.ResourceType == "":
		return e.Path, e.Host
	}
	what = e.ResourceType
	if e.ResourceName != "" && !strings.EqualFold(e.ResourceType, "Microsoft.Resources/resourceGroups") {
		what += " " + e.ResourceName
	}
	where = e.ResourceGroup
	if where == "" {
		where = e.Subscription
	}
	return what, where
}

// gapWords say what a gap line means.
func gapWords(e *audit.Event) string {
	words := map[string]string{
		audit.GapTorn: "a torn last line was moved aside", audit.GapUncleanStop: "the writer stopped without closing",
		audit.GapWriteError: "events could not be written", audit.GapOverflow: "events were dropped: the queue was full",
		audit.GapRetention: "old segments were deleted",
	}[e.Reason]
	if words == "" {
		words = e.Reason
	}
	if e.Count > 0 {
		words += " (" + thousands(e.Count) + ")"
	}
	return words
}

// tone is what an event means for coverage.
func tone(e *audit.Event) string {
	switch store.Classify(e) {
	case store.ClassAttributed, store.ClassAlreadyAttributed, store.ClassReplaced, store.ClassTemplateOnly:
		return "good"
	case store.ClassConflictKept, store.ClassWouldAttribute, store.ClassNoRule, store.ClassUnknown:
		return "warn"
	case store.ClassRejected, store.ClassBypass, store.ClassGap:
		return "bad"
	}
	return "quiet"
}

// eventLink is the address of an event's page.
func eventLink(source string, epoch, seq uint64) string {
	return "/events/" + url.PathEscape(source) + "/" + strconv.FormatUint(epoch, 10) + "/" + strconv.FormatUint(seq, 10)
}

// uaPart is a piece of a User-Agent.
type uaPart struct {
	Text  string
	Token bool // a tracking token
	Added bool // one that the proxy put there
}

// markTokens cuts a User-Agent so that its tracking tokens can be marked. The
// boundaries are those by which the proxy itself finds tokens.
func markTokens(ua, before string) []uaPart {
	boundary := func(r rune) bool { return strings.ContainsRune(" \t\n\v\f\r,;+()", r) }
	had := map[string]bool{}
	for _, t := range strings.FieldsFunc(before, boundary) {
		had[strings.ToLower(t)] = true
	}
	var parts []uaPart
	var plain strings.Builder
	for rest := ua; rest != ""; {
		end := strings.IndexFunc(rest, boundary)
		switch {
		case end == 0:
			plain.WriteByte(rest[0])
			rest = rest[1:]
			continue
		case end < 0:
			end = len(rest)
		}
		word := rest[:end]
		rest = rest[end:]
		if len(word) < 4 || !strings.EqualFold(word[:4], "pid-") {
			plain.WriteString(word)
			continue
		}
		if plain.Len() > 0 {
			parts = append(parts, uaPart{Text: plain.String()})
			plain.Reset()
		}
		parts = append(parts, uaPart{Text: word, Token: true, Added: !had[strings.ToLower(word)]})
	}
	if plain.Len() > 0 {
		parts = append(parts, uaPart{Text: plain.String()})
	}
	return parts
}

// thousands writes a number so that its size is seen at a glance.
func thousands(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
