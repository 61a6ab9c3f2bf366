package audit

import (
	"math"
	"strings"
	"unicode/utf8"
)

// How long the parts of an event may be, in bytes. Much of an event comes
// from the network; without a limit a client could fill the disk with one
// request. Whatever is cut ends in an ellipsis.
const (
	maxUserAgent = 8192 // twice what common servers accept
	maxPath      = 4096
	maxText      = 1024 // reason, error
	maxName      = 512  // everything else
	maxItem      = 256  // an element of a list
	maxItems     = 64   // elements of a list
)

// MaxLineBytes is more than any line can have: every string at its limit with
// every byte escaped as six ("\u0001").
const MaxLineBytes = 1 << 20

const ellipsis = "…"

// bound makes every string of e valid UTF-8 and cuts it to its limit, and
// mends numbers JSON cannot hold. Slices are copied before they are changed.
func (e *Event) bound() {
	for _, s := range []*string{
		&e.Outcome, &e.Rule, &e.Mode, &e.Method, &e.Host, &e.APIVersion, &e.Scope,
		&e.Subscription, &e.ResourceGroup, &e.ResourceType, &e.ResourceName, &e.Deployment,
		&e.Tool, &e.Client, &e.Process, &e.ClientRequestID, &e.CorrelationID, &e.RequestID,
		&e.ConfigHash,
	} {
		*s = boundString(*s, maxName)
	}
	e.Reason = boundString(e.Reason, maxText)
	e.Error = boundString(e.Error, maxText)
	e.UAIn = boundString(e.UAIn, maxUserAgent)
	e.UAOut = boundString(e.UAOut, maxUserAgent)
	// A query may hold a secret (a SAS token, a code); whoever filled the
	// event must have cut it off, and this makes sure.
	if i := strings.IndexByte(e.Path, '?'); i >= 0 {
		e.Path = e.Path[:i]
	}
	e.Path = boundString(e.Path, maxPath)
	e.IDs = boundList(e.IDs)
	e.TemplateIDs = boundList(e.TemplateIDs)
	e.Labels = boundList(e.Labels)
	if math.IsNaN(e.DurationMS) || math.IsInf(e.DurationMS, 0) || e.DurationMS < 0 {
		e.DurationMS = 0
	}
	e.Status = max(e.Status, 0)
	e.BytesUp = max(e.BytesUp, 0)
	e.BytesDown = max(e.BytesDown, 0)
}

func boundString(s string, limit int) string {
	if len(s) <= limit && utf8.ValidString(s) {
		return s
	}
	// Cut before mending, so that the work is bounded too.
	cut := len(s) > limit
	if cut {
		s = s[:limit]
		for i := 0; i < utf8.UTFMax && len(s) > 0; i++ {
			if r, size := utf8.DecodeLastRuneInString(s); r != utf8.RuneError || size != 1 {
				break
			}
			s = s[:len(s)-1]
		}
	}
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	if cut {
		s += ellipsis
	}
	return s
}

func boundList(list []string) []string {
	ok := len(list) <= maxItems
	for _, s := range list[:min(len(list), maxItems)] {
		ok = ok && len(s) <= maxItem && utf8.ValidString(s)
	}
	if ok {
		return list
	}
	bounded := make([]string, 0, maxItems+1)
	for _, s := range list[:min(len(list), maxItems)] {
		bounded = append(bounded, boundString(s, maxItem))
	}
	if len(list) > maxItems {
		bounded = append(bounded, ellipsis)
	}
	return bounded
}

// resetGap clears what only the journal's own lines may hold.
func (e *Event) resetGap() {
	e.Count, e.SHA256, e.GapEpoch, e.GapEpochs = 0, "", 0, 0
	e.First, e.Last, e.Segment, e.Final, e.KeyID, e.Sig = 0, 0, 0, false, "", ""
}
