package store

import (
	"fmt"
	"slices"
	"strings"

	"github.com/attribproxy/attribproxy/audit"
)

// Dimension is what events are divided by. Beside the constants there is
// label:NAME, the value of one label.
type Dimension string

// The dimensions.
const (
	ByDay           Dimension = "day" // UTC, as 2026-03-01
	ByRule          Dimension = "rule"
	ByID            Dimension = "id" // tracking ID the decision is about, or the template's
	ByTool          Dimension = "tool"
	BySubscription  Dimension = "subscription"
	ByResourceGroup Dimension = "resource_group"
	ByResourceType  Dimension = "resource_type"
	ByProcess       Dimension = "process"
	ByLabel         Dimension = "label" // name=value
	ByOutcome       Dimension = "outcome"
	ByStatus        Dimension = "status"
)

const labelPrefix = "label:"

// Dimensions returns all dimensions that have no parameter.
func Dimensions() []Dimension {
	return []Dimension{
		ByDay, ByRule, ByID, ByTool, BySubscription, ByResourceGroup, ByResourceType,
		ByProcess, ByLabel, ByOutcome, ByStatus,
	}
}

// ParseDimension reads a dimension; - stands for _ as well.
func ParseDimension(s string) (Dimension, error) {
	if name, ok := strings.CutPrefix(s, labelPrefix); ok && name != "" {
		return Dimension(s), nil
	}
	d := Dimension(strings.ReplaceAll(strings.ToLower(s), "-", "_"))
	if !slices.Contains(Dimensions(), d) {
		return "", fmt.Errorf("%q is nothing that events can be divided by", s)
	}
	return d, nil
}

// LabelName returns NAME of label:NAME, "" for any other dimension.
func (d Dimension) LabelName() string {
	name, _ := strings.CutPrefix(string(d), labelPrefix)
	if name == string(d) {
		return ""
	}
	return name
}

// folds reports whether values that differ only in case are one: ARM's names
// and tracking IDs are compared without case.
func (d Dimension) folds() bool {
	return d == ByID || d == BySubscription || d == ByResourceGroup || d == ByResourceType
}

// values returns the groups that e belongs to, at least one. The day is not
// looked at.
func (d Dimension) values(e *audit.Event) []string {
	one := func(s string) []string { return []string{s} }
	many := func(list []string) []string {
		if len(list) == 0 {
			return one("")
		}
		return list
	}
	switch d {
	case ByRule:
		return one(e.Rule)
	case ByID:
		return many(idsOf(e))
	case ByTool:
		return one(e.Tool)
	case BySubscription:
		return one(e.Subscription)
	case ByResourceGroup:
		return one(e.ResourceGroup)
	case ByResourceType:
		return one(e.ResourceType)
	case ByProcess:
		return one(e.Process)
	case ByLabel:
		return many(e.Labels)
	case ByOutcome:
		return one(e.Outcome)
	case ByStatus:
		return one(statusText(e.Status))
	}
	if name := d.LabelName(); name != "" {
		var found []string
		for _, label := range e.Labels {
			if value, ok := strings.CutPrefix(label, name+"="); ok {
				found = append(found, value)
			}
		}
		return many(found)
	}
	return one("")
}

// idsOf returns the tracking IDs that e is about: the decision's, or the
// template's where nothing else tags it.
func idsOf(e *audit.Event) []string {
	if Classify(e) == ClassTemplateOnly {
		return e.TemplateIDs
	}
	return e.IDs
}
