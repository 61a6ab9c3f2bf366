package storetest

import (
	"slices"
	"strings"

	"github.com/attribproxy/attribproxy/audit"
	"github.com/attribproxy/attribproxy/audit/store"
)

// classOf says what e counts as without asking the package under test: else a
// fault of store.Classify would be in the answers of the reference too.
func classOf(e *audit.Event) store.Class {
	switch e.Kind {
	case audit.KindSeal:
		return store.ClassNone
	case audit.KindIntent:
		return store.ClassUnknown
	case audit.KindGap:
		if e.Reason == audit.GapRetention {
			return store.ClassNone
		}
		return store.ClassGap
	}
	if class, ok := map[string]store.Class{"rejected": store.ClassRejected, "bypass": store.ClassBypass}[e.Outcome]; ok {
		return class
	}
	if e.Outcome == "batch" && e.Status == 0 && e.Error == "" {
		return store.ClassBatch
	}
	if e.Status/100 != 2 {
		return store.ClassFailed
	}
	if e.Outcome == "no-rule" && len(e.TemplateIDs) > 0 {
		return store.ClassTemplateOnly
	}
	class, ok := map[string]store.Class{
		"attributed":         store.ClassAttributed,
		"already-attributed": store.ClassAlreadyAttributed,
		"replaced":           store.ClassReplaced,
		"conflict-kept":      store.ClassConflictKept,
		"would-attribute":    store.ClassWouldAttribute,
		"excluded":           store.ClassExcluded,
		"not-eligible":       store.ClassNotEligible,
		"batch":              store.ClassBatch,
	}[e.Outcome]
	if !ok {
		return store.ClassNoRule
	}
	return class
}

// trackingIDs are the IDs that e is about.
func trackingIDs(e *audit.Event) []string {
	if classOf(e) == store.ClassTemplateOnly {
		return e.TemplateIDs
	}
	return e.IDs
}

// besideOther reports whether e is tagged and carried one more tracking ID.
func besideOther(e *audit.Event) bool {
	tagged := []store.Class{store.ClassAttributed, store.ClassAlreadyAttributed, store.ClassReplaced, store.ClassTemplateOnly}
	if !slices.Contains(tagged, classOf(e)) {
		return false
	}
	sent := e.UAOut
	if sent == "" {
		sent = e.UAIn
	}
	for _, token := range strings.Fields(strings.NewReplacer(",", " ", ";", " ", "+", " ", "(", " ", ")", " ").Replace(sent)) {
		token = strings.ToLower(token)
		known := func(id string) bool { return strings.ToLower(id) == token }
		if strings.HasPrefix(token, "pid-") && !slices.ContainsFunc(trackingIDs(e), known) {
			return true
		}
	}
	return false
}
