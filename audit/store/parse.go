package store

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/attribproxy/attribproxy/audit"
)

// parse reads one line of a journal as audit.ParseLine does. What the journal
// writes is nearly always plain: no space, no escape but of quotes, no field that is
// not known. Such lines are read here, at a tenth of the cost; any other goes to
// audit.ParseLine, which also words the errors.
func parse(line []byte) (audit.Event, error) {
	var e audit.Event
	if parsePlain(line, &e) {
		return e, nil
	}
	return audit.ParseLine(line)
}

// parsePlain reports whether line is a plain one and sound.
func parsePlain(line []byte, e *audit.Event) bool {
	if len(line) > audit.MaxLineBytes || !utf8.Valid(line) {
		return false
	}
	p := plain{rest: string(line)} // the event's strings share it
	if !p.skip('{') {
		return false
	}
	for {
		name, ok := p.text()
		if !ok || !p.skip(':') || !p.field(name, e) {
			return false
		}
		if p.skip('}') {
			return p.rest == "" && sound(e)
		}
		if !p.skip(',') {
			return false
		}
	}
}

// plain is what is left of a plain line.
type plain struct{ rest string }

func (p *plain) skip(c byte) bool {
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// text reads a string, with no escapes but of quotes and backslashes.
func (p *plain) text() (string, bool) {
	if !p.skip('"') {
		return "", false
	}
	escaped := false
	for i := 0; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '"':
			s := p.rest[:i]
			p.rest = p.rest[i+1:]
			if escaped {
				s = unescape(s)
			}
			return s, true
		case c < ' ':
			return "", false
		case c == '\\':
			i++
			if i == len(p.rest) || p.rest[i] != '"' && p.rest[i] != '\\' {
				return "", false
			}
			escaped = true
		}
	}
	return "", false
}

// unescape takes the backslash of each escape away.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// number reads what may be a number; JSON knows no leading + or 0, and the
// journal writes no exponents but for very small and very large numbers.
func (p *plain) number() (string, bool) {
	end := 0
	for end < len(p.rest) && (p.rest[end] >= '0' && p.rest[end] <= '9' || p.rest[end] == '.') {
		end++
	}
	s := p.rest[:end]
	if s == "" || s[0] == '.' || s[end-1] == '.' || len(s) > 1 && s[0] == '0' && s[1] != '.' {
		return "", false
	}
	p.rest = p.rest[end:]
	return s, true
}

func (p *plain) uint(to *uint64) bool {
	s, ok := p.number()
	if !ok {
		return false
	}
	n, err := strconv.ParseUint(s, 10, 64)
	*to = n
	return err == nil
}

func (p *plain) int64(to *int64) bool {
	var n uint64
	ok := p.uint(&n) && n < 1<<63
	*to = int64(n)
	return ok
}

func (p *plain) int(to *int) bool {
	var n uint64
	ok := p.uint(&n) && n < 1<<31
	*to = int(n)
	return ok
}

func (p *plain) float(to *float64) bool {
	s, ok := p.number()
	if !ok {
		return false
	}
	f, err := strconv.ParseFloat(s, 64)
	*to = f
	return err == nil
}

func (p *plain) string(to *string) (ok bool) {
	*to, ok = p.text()
	return ok
}

func (p *plain) list(to *[]string) bool {
	if !p.skip('[') {
		return false
	}
	list := []string{}
	for !p.skip(']') {
		if len(list) > 0 && !p.skip(',') {
			return false
		}
		s, ok := p.text()
		if !ok {
			return false
		}
		list = append(list, s)
	}
	*to = list
	return true
}

// time reads the one form in which the journal writes times.
func (p *plain) time(to *time.Time) bool {
	s, ok := p.text()
	if !ok || len(s) != len("2006-01-02T15:04:05.000000000Z") || s[4] != '-' || s[7] != '-' || s[10] != 'T' ||
		s[13] != ':' || s[16] != ':' || s[19] != '.' || s[29] != 'Z' {
		return false
	}
	number := func(from, to int) (n int) {
		for _, c := range []byte(s[from:to]) {
			if c < '0' || c > '9' {
				ok = false
			}
			n = n*10 + int(c-'0')
		}
		return n
	}
	year, month, day := number(0, 4), number(5, 7), number(8, 10)
	hour, minute, second, nano := number(11, 13), number(14, 16), number(17, 19), number(20, 29)
	if !ok || month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59 {
		return false
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, nano, time.UTC)
	*to = t
	return t.Day() == day // no 30 February
}

// field reads the value of one field; false also means that there is none of
// that name.
func (p *plain) field(name string, e *audit.Event) bool {
	switch name {
	case audit.FieldV:
		return p.int(&e.V)
	case audit.FieldSource:
		return p.string(&e.Source)
	case audit.FieldEpoch:
		return p.uint(&e.Epoch)
	case audit.FieldSeq:
		return p.uint(&e.Seq)
	case audit.FieldPrev:
		return p.string(&e.Prev)
	case audit.FieldTime:
		return p.time(&e.Time)
	case audit.FieldKind:
		return p.string((*string)(&e.Kind))
	case audit.FieldOutcome:
		return p.string(&e.Outcome)
	case audit.FieldReason:
		return p.string(&e.Reason)
	case audit.FieldRule:
		return p.string(&e.Rule)
	case audit.FieldIDs:
		return p.list(&e.IDs)
	case audit.FieldMode:
		return p.string(&e.Mode)
	case audit.FieldMethod:
		return p.string(&e.Method)
	case audit.FieldHost:
		return p.string(&e.Host)
	case audit.FieldPath:
		return p.string(&e.Path)
	case audit.FieldAPIVersion:
		return p.string(&e.APIVersion)
	case audit.FieldScope:
		return p.string(&e.Scope)
	case audit.FieldSubscription:
		return p.string(&e.Subscription)
	case audit.FieldResourceGroup:
		return p.string(&e.ResourceGroup)
	case audit.FieldResourceType:
		return p.string(&e.ResourceType)
	case audit.FieldResourceName:
		return p.string(&e.ResourceName)
	case audit.FieldDeployment:
		return p.string(&e.Deployment)
	case audit.FieldTemplateIDs:
		return p.list(&e.TemplateIDs)
	case audit.FieldTool:
		return p.string(&e.Tool)
	case audit.FieldUAIn:
		return p.string(&e.UAIn)
	case audit.FieldUAOut:
		return p.string(&e.UAOut)
	case audit.FieldClient:
		return p.string(&e.Client)
	case audit.FieldProcess:
		return p.string(&e.Process)
	case audit.FieldLabels:
		return p.list(&e.Labels)
	case audit.FieldClientRequestID:
		return p.string(&e.ClientRequestID)
	case audit.FieldCorrelationID:
		return p.string(&e.CorrelationID)
	case audit.FieldRequestID:
		return p.string(&e.RequestID)
	case audit.FieldStatus:
		return p.int(&e.Status)
	case audit.FieldError:
		return p.string(&e.Error)
	case audit.FieldDurationMS:
		return p.float(&e.DurationMS)
	case audit.FieldBytesUp:
		return p.int64(&e.BytesUp)
	case audit.FieldBytesDown:
		return p.int64(&e.BytesDown)
	case audit.FieldConfigHash:
		return p.string(&e.ConfigHash)
	case audit.FieldIntent:
		return p.uint(&e.Intent)
	}
	return false // gaps and seals have more; there are few of them
}

// sound is what audit.ParseLine asks of every line but for seals, which never
// come here.
func sound(e *audit.Event) bool {
	return e.V >= 1 && e.V <= audit.SchemaVersion && e.Source != "" && e.Epoch > 0 && e.Seq > 0 &&
		len(e.Prev) == 64 && strings.Trim(e.Prev, "0123456789abcdef") == "" &&
		(e.Kind == audit.KindRequest || e.Kind == audit.KindIntent) &&
		!e.Time.IsZero() && !strings.Contains(e.Path, "?")
}
