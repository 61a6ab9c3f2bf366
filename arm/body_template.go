package arm

import (
	"slices"
	"strings"
)

// The bounds of a [TemplateScanner].
const (
	maxTemplateIDs   = 64
	maxTemplateValue = 128 // twice the longest name a deployment can have
	maxName          = 64  // of a deployment
)

// TemplateResult is what a [TemplateScanner] found.
type TemplateResult struct {
	// IDs are the names of the marker deployments: literal, beginning with
	// "pid-", as spelled, each once, in the template's order; 64 at most.
	IDs []string
	// Inline says that the body holds a template and does not link to one.
	Inline bool
	// Complete says that the body was seen to its end. Without it there may be
	// more markers: the body broke off, was longer than [BodyLimit], or was no
	// document.
	Complete bool
}

// TemplateScanner looks for the markers of the template carrier in the body
// of a deployment's or deployment stack's PUT: nested
// Microsoft.Resources/deployments resources named pid-…, in the main template's
// own resources. It is an [io.Writer] that is fed with the body as it streams
// by, in any pieces, and never fails. It holds less than 2 KiB.
//
// Markers in nested or linked templates are not counted, nor are names that
// are expressions: Partner Center does not recognise either. The same goes for
// a resource with "condition": false, and for one that is "existing".
// https://learn.microsoft.com/partner-center/marketplace-offers/azure-partner-customer-usage-attribution
type TemplateScanner struct {
	outer *walker
	found templateVisitor
	seen  int // bytes
}

// NewTemplateScanner makes a scanner for one body.
func NewTemplateScanner() *TemplateScanner {
	s := &TemplateScanner{found: templateVisitor{root: roleDeployment}}
	s.outer = newWalker(&s.found, maxTemplateValue)
	return s
}

// Write looks at the next piece of the body. It always takes all of it.
func (s *TemplateScanner) Write(p []byte) (int, error) {
	s.outer.write(p[:min(len(p), BodyLimit-s.seen)])
	s.seen = min(s.seen+len(p), BodyLimit)
	return len(p), nil
}

// Result is what was found so far.
func (s *TemplateScanner) Result() TemplateResult {
	r := TemplateResult{IDs: slices.Clone(s.found.ids), Inline: s.found.inline, Complete: s.outer.whole}
	if t := s.found.text; t != nil {
		r.IDs, r.Complete = slices.Clone(t.found.ids), r.Complete && t.outer.whole
	}
	return r
}

// templateVisitor collects the markers of one document: the body, or a template
// that the body holds as a string.
type templateVisitor struct {
	root   role // of the document
	inline bool
	ids    []string
	text   *TemplateScanner // the template, where it is a string

	// The resource that is being read.
	deployment, off bool
	name            string
}

func (v *templateVisitor) enter(parent role, key []byte, open byte) role {
	object := open == '{'
	switch {
	case parent == roleDocument && object:
		return v.root
	case parent == roleDeployment && object && foldEqual(key, "properties"):
		v.inline, v.ids, v.text = false, nil, nil // of two the last counts
		return roleProperties
	case parent == roleProperties && object && foldEqual(key, "template"):
		v.inline, v.ids, v.text = true, nil, nil
		return roleTemplate
	case parent == roleTemplate && foldEqual(key, "resources"):
		v.ids = nil
		return roleResources
	case parent == roleResources && object:
		v.deployment, v.off, v.name = false, false, ""
		return roleResource
	}
	return roleSkip
}

func (v *templateVisitor) document(r role, key []byte) *walker {
	if r != roleProperties || !foldEqual(key, "template") {
		return nil
	}
	v.inline, v.ids = true, nil
	v.text = &TemplateScanner{found: templateVisitor{root: roleTemplate}}
	v.text.outer = newWalker(&v.text.found, maxTemplateValue)
	return v.text.outer
}

func (v *templateVisitor) scalar(r role, key, value []byte, quoted, cut bool) {
	if r != roleResource {
		return
	}
	switch {
	case foldEqual(key, "type"):
		v.deployment = quoted && !cut && foldEqual(value, typeDeployments)
	case foldEqual(key, "name"):
		v.name = ""
		if quoted && !cut && isMarker(value) {
			v.name = string(value)
		}
	case foldEqual(key, "condition"):
		v.off = v.off || !quoted && foldEqual(value, "false")
	case foldEqual(key, "existing"):
		v.off = v.off || !quoted && foldEqual(value, "true")
	}
}

func (v *templateVisitor) leave(r role) {
	if r != roleResource || !v.deployment || v.off || v.name == "" || len(v.ids) >= maxTemplateIDs ||
		slices.ContainsFunc(v.ids, func(id string) bool { return strings.EqualFold(id, v.name) }) {
		return
	}
	v.ids = append(v.ids, v.name)
}

// isMarker reports whether a deployment's name is a literal pid-…: nothing else
// of a body may get out of here.
func isMarker(name []byte) bool {
	if len(name) <= len("pid-") || len(name) > maxName || !foldEqual(name[:len("pid-")], "pid-") {
		return false
	}
	for _, c := range name {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.', c == '(', c == ')':
		default:
			return false
		}
	}
	return true
}
