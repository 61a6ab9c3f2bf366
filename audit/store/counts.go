package store

import (
	"math"
	"strings"

	"github.com/attribproxy/attribproxy/audit"
)

// Class is what an event counts as; each counts as one thing.
type Class uint8

// The classes. Those of requests that ARM answered with 2xx come first.
const (
	ClassNone Class = iota // nothing: a seal, or a gap that retention made

	ClassAttributed        // the proxy added the ID
	ClassAlreadyAttributed // the client had sent it
	ClassReplaced          // the proxy put it in the place of another
	ClassTemplateOnly      // no rule matched, and the template has a pid- deployment
	ClassConflictKept      // another ID was left as it was
	ClassWouldAttribute    // observed only
	ClassNoRule            // untagged: no rule matched
	ClassExcluded          // customers who chose not to be tracked
	ClassNotEligible       // a method or operation that creates nothing
	ClassBatch             // carries other requests, which are not tagged, or is carried

	ClassFailed   // ARM answered something else, or nothing
	ClassRejected // refused by the proxy
	ClassBypass   // went past the proxy's eyes
	ClassUnknown  // an intent without an outcome
	ClassGap      // not a request: events are missing
)

// The outcomes that the formula speaks of; attribution has them all.
const (
	outcomeAttributed        = "attributed"
	outcomeAlreadyAttributed = "already-attributed"
	outcomeReplaced          = "replaced"
	outcomeConflictKept      = "conflict-kept"
	outcomeWouldAttribute    = "would-attribute"
	outcomeNoRule            = "no-rule"
	outcomeExcluded          = "excluded"
	outcomeNotEligible       = "not-eligible"
	outcomeBatch             = "batch"
	outcomeRejected          = "rejected"
	outcomeBypass            = "bypass"
)

// Classify says what e counts as. It takes an intent for one without an outcome.
func Classify(e *audit.Event) Class {
	switch e.Kind {
	case audit.KindIntent:
		return ClassUnknown
	case audit.KindGap:
		if e.Reason == audit.GapRetention {
			return ClassNone // that is as it should be
		}
		return ClassGap
	case audit.KindSeal:
		return ClassNone
	}
	answered := e.Status >= 200 && e.Status <= 299
	switch {
	case e.Outcome == outcomeRejected:
		return ClassRejected
	case e.Outcome == outcomeBypass:
		return ClassBypass
	case e.Outcome == outcomeBatch && e.Status == 0 && e.Error == "":
		return ClassBatch // inside of one: the answer to it was not looked at
	case !answered:
		return ClassFailed
	}
	switch e.Outcome {
	case outcomeAttributed:
		return ClassAttributed
	case outcomeAlreadyAttributed:
		return ClassAlreadyAttributed
	case outcomeReplaced:
		return ClassReplaced
	case outcomeExcluded:
		return ClassExcluded
	case outcomeNotEligible:
		return ClassNotEligible
	case outcomeBatch:
		return ClassBatch
	case outcomeConflictKept:
		return ClassConflictKept // an ID in the template makes neither this
	case outcomeWouldAttribute:
		return ClassWouldAttribute // nor that go away
	case outcomeNoRule:
		if len(e.TemplateIDs) > 0 {
			return ClassTemplateOnly
		}
	}
	return ClassNoRule
}

// Counts is how many events of each class there are.
type Counts struct {
	// Requests that ARM answered with 2xx.
	Attributed        uint64 `json:"attributed"`
	AlreadyAttributed uint64 `json:"already_attributed"`
	Replaced          uint64 `json:"replaced"`
	TemplateOnly      uint64 `json:"template_only"`
	ConflictKept      uint64 `json:"conflict_kept"`
	WouldAttribute    uint64 `json:"would_attribute"`
	NoRule            uint64 `json:"no_rule"`
	Excluded          uint64 `json:"excluded"`
	NotEligible       uint64 `json:"not_eligible"`
	Batch             uint64 `json:"batch"`

	// Requests of which nothing is known to have been created.
	Failed   uint64 `json:"failed"`
	Rejected uint64 `json:"rejected"`
	Bypass   uint64 `json:"bypass"`

	// Unknown is intents without an outcome: sent perhaps, answered perhaps.
	Unknown uint64 `json:"unknown"`

	// BesideOther is how many of the tagged carried another tracking ID as
	// well; perhaps only one of several is read.
	BesideOther uint64 `json:"beside_other"`

	// Gaps is the places where events are missing, retention apart, and
	// Missing how many are, as far as the journal knows.
	Gaps    uint64 `json:"gaps"`
	Missing uint64 `json:"missing"`
}

// of returns the count of a class.
func (c *Counts) of(class Class) *uint64 {
	switch class {
	case ClassAttributed:
		return &c.Attributed
	case ClassAlreadyAttributed:
		return &c.AlreadyAttributed
	case ClassReplaced:
		return &c.Replaced
	case ClassTemplateOnly:
		return &c.TemplateOnly
	case ClassConflictKept:
		return &c.ConflictKept
	case ClassWouldAttribute:
		return &c.WouldAttribute
	case ClassNoRule:
		return &c.NoRule
	case ClassExcluded:
		return &c.Excluded
	case ClassNotEligible:
		return &c.NotEligible
	case ClassBatch:
		return &c.Batch
	case ClassFailed:
		return &c.Failed
	case ClassRejected:
		return &c.Rejected
	case ClassBypass:
		return &c.Bypass
	case ClassUnknown:
		return &c.Unknown
	case ClassGap:
		return &c.Gaps
	}
	return nil
}

// Add counts n more events of a class.
func (c *Counts) Add(class Class, besideOther bool, n uint64) {
	if p := c.of(class); p != nil {
		*p += n
	}
	if besideOther {
		c.BesideOther += n
	}
}

// Tagged is the numerator of the coverage: writes that ARM answered with 2xx
// and that carried the ID.
func (c Counts) Tagged() uint64 {
	return c.Attributed + c.AlreadyAttributed + c.Replaced + c.TemplateOnly
}

// Untagged is the eligible writes that ARM answered with 2xx and that did not
// carry the ID.
func (c Counts) Untagged() uint64 { return c.ConflictKept + c.WouldAttribute + c.NoRule }

// Eligible is the denominator of the coverage: all that ARM answered with 2xx
// but for the excluded, the not eligible and batches.
func (c Counts) Eligible() uint64 { return c.Tagged() + c.Untagged() }

// Answered is all requests that ARM answered with 2xx, and what was carried in
// batches.
func (c Counts) Answered() uint64 { return c.Eligible() + c.Excluded + c.NotEligible + c.Batch }

// Requests is all requests on record, whatever came of them.
func (c Counts) Requests() uint64 { return c.Answered() + c.Failed + c.Rejected + c.Bypass }

// Coverage is the part of the eligible writes that carried the ID; ok is false
// when there were none.
func (c Counts) Coverage() (p Percent, ok bool) { return PercentOf(c.Tagged(), c.Eligible()) }

// Group is the counts of the events that have the same values in the
// dimensions asked for.
type Group struct {
	Values []string // one for each dimension, "" where the events have none
	Counts Counts
}

// BesideOther reports whether e, being tagged and answered with 2xx, carried a
// tracking ID in its User-Agent besides those that tag it.
func BesideOther(e *audit.Event) bool {
	switch Classify(e) {
	case ClassAttributed, ClassAlreadyAttributed, ClassReplaced, ClassTemplateOnly:
	default:
		return false
	}
	sent := e.UAOut
	if sent == "" {
		sent = e.UAIn
	}
	ids := idsOf(e)
	for _, token := range strings.FieldsFunc(sent, func(r rune) bool {
		return strings.ContainsRune(" \t\n\v\f\r,;+()", r)
	}) {
		if len(token) < 4 || !strings.EqualFold(token[:4], "pid-") {
			continue
		}
		ours := false
		for _, id := range ids {
			ours = ours || strings.EqualFold(id, token)
		}
		if !ours {
			return true
		}
	}
	return false
}

// Sum adds the counts of other events.
func (c *Counts) Sum(more Counts) {
	for class := ClassAttributed; class <= ClassGap; class++ {
		*c.of(class) += *more.of(class)
	}
	c.BesideOther += more.BesideOther
	c.addMissing(more.Missing)
}

// addMissing counts n more events as missing. The numbers are what gap lines
// say, of whatever size: they stop at the largest instead of beginning anew.
func (c *Counts) addMissing(n uint64) { c.Missing = saturatingAdd(c.Missing, n) }

func saturatingAdd(a, b uint64) uint64 {
	if a > math.MaxUint64-b {
		return math.MaxUint64
	}
	return a + b
}
