package attribution

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/attribproxy/attribproxy/arm"
)

// checker collects the faults and warnings of a configuration.
type checker struct {
	faults, warnings []Fault
}

func (c *checker) fault(path, value, message, remedy string) {
	c.faults = append(c.faults, Fault{Path: path, Value: value, Message: message, Remedy: remedy})
}

func (c *checker) warn(path, value, message, remedy string) {
	c.warnings = append(c.warnings, Fault{Path: path, Value: value, Message: message, Remedy: remedy})
}

func (c *checker) mode(m Mode) {
	if m != ModeEnforce && m != ModeObserve {
		c.fault("mode", string(m), "is no mode", "write enforce or observe")
	}
}

func (c *checker) excludes(excludes []Exclude) {
	seen := map[string]int{}
	for i, e := range excludes {
		path := fmt.Sprintf("exclude[%d]", i)
		c.name(path, "exclude", e.Name, i, seen)
		c.match(path+".match", e.Match, false)
		if !slices.ContainsFunc(e.Match.patterns(), func(p []string) bool { return len(p) > 0 }) {
			c.warn(path+".match", "", "names no field, so it excludes every request",
				"name what is excluded, such as subscriptions")
		}
	}
}

func (c *checker) rules(rules []Rule) {
	seen := map[string]int{}
	for i, r := range rules {
		path := fmt.Sprintf("rules[%d]", i)
		c.name(path, "rules", r.Name, i, seen)
		c.match(path+".match", r.Match, true)
		c.ids(path+".trackingIds", r.TrackingIDs)
		switch r.OnOtherID {
		case "", OnOtherAppend, OnOtherKeep, OnOtherReplaceDefaults, OnOtherReplace:
		default:
			c.fault(path+".onOtherId", string(r.OnOtherID), "is no policy for other IDs",
				"write append, keep, replace-defaults or replace")
		}
	}
}

func (c *checker) name(path, list, name string, i int, seen map[string]int) {
	path += ".name"
	if first, twice := seen[name]; twice && name != "" {
		c.fault(path, name, fmt.Sprintf("is the name of %s[%d] too", list, first), "give each its own name: the journal tells them apart by it")
		return
	}
	seen[name] = i
	switch {
	case strings.TrimSpace(name) == "":
		c.fault(path, name, "is missing", "name it: the name stands in the journal")
	case len(name) > 128:
		c.fault(path, shorten(name), "is longer than 128 bytes", "shorten it: it stands in every line of the journal")
	case strings.ContainsFunc(name, isInvisible):
		c.fault(path, name, "contains control or invisible characters", "remove them")
	}
}

func (c *checker) ids(path string, ids []string) {
	if len(ids) == 0 {
		c.fault(path, "", "holds no tracking ID", "give at least one, from Partner Center or 'attribproxy id new'")
	}
	var parsed []ID
	for i, s := range ids {
		path := fmt.Sprintf("%s[%d]", path, i)
		for _, e := range IDFaults(s) {
			remedy := e.Remedy
			if e.Suggestion != "" {
				remedy += "; that gives " + e.Suggestion
			}
			c.fault(path, s, e.Fault, remedy)
		}
		id, ok := parseID(s)
		if !ok {
			continue
		}
		if slices.ContainsFunc(parsed, id.Equal) {
			c.fault(path, s, "is in the list already", "remove it")
		}
		parsed = append(parsed, id)
		for _, w := range id.Warnings() {
			message, remedy, _ := strings.Cut(w, ": ")
			c.warn(path, s, message, remedy)
		}
	}
	if len(parsed) > 1 {
		c.warn(path, "", "holds several IDs: perhaps Microsoft reads only one of them", "use one ID for a rule where you can")
	}
}

func (c *checker) match(path string, m Match, rule bool) {
	for _, field := range m.fields() {
		for i, p := range field.patterns {
			path := fmt.Sprintf("%s.%s[%d]", path, field.name, i)
			if c.pattern(path, p) {
				c.field(path, field.name, p, rule)
			}
		}
	}
}

// pattern checks what all fields have in common and reports whether it is
// worth a closer look.
func (c *checker) pattern(path, p string) bool {
	switch {
	case strings.TrimSpace(p) == "":
		c.fault(path, p, "is empty and matches nothing", "remove it; a missing field matches all")
	case strings.TrimSpace(p) != p:
		c.fault(path, p, "begins or ends with a space and so matches nothing", "remove the space")
	case strings.ContainsFunc(p, func(r rune) bool { return isInvisible(r) || r == unicode.ReplacementChar }):
		c.fault(path, p, "contains control or invisible characters", "remove them")
	case strings.ContainsAny(p, "[]{}"):
		c.fault(path, p, "contains brackets, which are no wildcards here and occur in no Azure name",
			"use * and ?, or one entry for each alternative")
	default:
		return true
	}
	return false
}

// field checks what a pattern of one field must be so that it can ever match.
func (c *checker) field(path, field, p string, rule bool) {
	g := compileGlob(p)
	switch field {
	case fieldMethods:
		c.method(path, g, rule)
	case fieldSubscriptions, fieldResourceGroups:
		if strings.Contains(p, "/") {
			c.fault(path, p, "contains a slash and so matches nothing", "give the "+singular(field)+"'s own name, without the path before it")
		} else if field == fieldSubscriptions && g.literal() && !isGUID(p) {
			c.warn(path, p, "is not a subscription's GUID", "'az account list' shows the IDs")
		}
	case fieldResourceTypes:
		if !strings.ContainsAny(p, "/*") {
			c.fault(path, p, "has no slash and so matches nothing: a type is Namespace/type", fmt.Sprintf("write %q or %q", p+"/*", "*/"+p))
		} else if strings.HasPrefix(p, "/") {
			c.fault(path, p, "begins with a slash and so matches nothing", "write the type as Namespace/type")
		}
	case fieldTools:
		c.tool(path, g)
	}
}

func (c *checker) tool(path string, g glob) {
	var all, like []string
	for _, t := range arm.Tools() {
		if g.match(t.ID) {
			c.narrowTool(path, g)
			return
		}
		all = append(all, t.ID)
		if strings.Contains(t.ID, strings.ToLower(g.source)) {
			like = append(like, t.ID)
		}
	}
	if like == nil {
		like = all
	}
	c.fault(path, g.source, "is no known tool", "use one of "+strings.Join(like, ", "))
}

// narrowTool warns of a tool that means less than its name says.
func (c *checker) narrowTool(path string, g glob) {
	if strings.EqualFold(g.source, "terraform") {
		c.warn(path, g.source, "means Terraform providers other than azurerm and azapi", "write terraform* for all of them")
	}
}

func (c *checker) method(path string, g glob, rule bool) {
	matches := slices.ContainsFunc(writeMethods(), g.match)
	switch {
	case !matches && isRead(g.source) && rule:
		c.fault(path, g.source, "is a read, which is never tagged", "name PUT, PATCH, POST or DELETE")
	case !matches && !isRead(g.source):
		c.fault(path, g.source, "is no method that ARM knows", "name PUT, PATCH, POST or DELETE")
	case rule && strings.EqualFold(g.source, "DELETE"):
		c.warn(path, g.source, "creates nothing, so an ID on it has no effect", "leave it out")
	}
}
