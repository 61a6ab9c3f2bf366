package attribution

import (
	"strings"

	"github.com/attribproxy/attribproxy/arm"
)

// Prefix stands before every tracking ID in a User-Agent.
const Prefix = "pid-"

// Form is the shape of a tracking ID.
type Form string

// The forms.
const (
	// FormGUID is pid-<GUID>, registered in Partner Center without "pid-".
	FormGUID Form = "guid"
	// FormMarketplace is pid-…-partnercenter, made by Partner Center.
	FormMarketplace Form = "marketplace"
)

// ID is a valid tracking ID. The zero value is none.
type ID struct {
	token string
	form  Form
}

// ParseID reads a tracking ID, with or without "pid-". The prefix is written
// in lower case, the rest kept as given. The error is an [*IDError] that names
// the first fault; [IDFaults] gives all of them.
func ParseID(s string) (ID, error) {
	if id, ok := parseID(s); ok {
		return id, nil
	}
	return ID{}, IDFaults(s)[0]
}

// parseID accepts exactly the valid IDs.
func parseID(s string) (ID, bool) {
	body := trimPrefixFold(s, Prefix)
	switch {
	case hasPrefixFold(body, Prefix):
		return ID{}, false
	case isGUID(body) && strings.Trim(body, "0-") != "":
		return ID{token: Prefix + body, form: FormGUID}, true
	case isMarketplace(body):
		return ID{token: Prefix + body, form: FormMarketplace}, true
	}
	return ID{}, false
}

// Token is the ID as it stands in a User-Agent: "pid-" and the rest as given.
func (id ID) Token() string { return id.token }

// Body is the ID without "pid-": what Partner Center and Terraform take.
func (id ID) Body() string { return strings.TrimPrefix(id.token, Prefix) }

// Form is the ID's shape.
func (id ID) Form() Form { return id.form }

// Equal compares without case: whether Microsoft does is not documented, and
// two spellings of one ID are never meant as two.
func (id ID) Equal(other ID) bool { return strings.EqualFold(id.token, other.token) }

// sampleIDs are the IDs that Microsoft's articles show. The GUID is in the
// article on customer usage attribution, the other in the one on marketplace
// offers.
func sampleIDs() []string {
	return []string{"pid-b6addd8f-5ff4-4fc0-a2b5-0ec7861106c4", "pid-contoso-myoffer-partnercenter"}
}

// Warnings are what is questionable about a valid ID, in plain words; nil if
// nothing is.
func (id ID) Warnings() []string {
	var out []string
	for _, sample := range sampleIDs() {
		if strings.EqualFold(id.token, sample) {
			out = append(out, "this is the sample ID of Microsoft's article, nobody gets credit for it: use your own from Partner Center")
		}
	}
	if tool, ok := KnownDefault(id.token); ok {
		out = append(out, "this is the ID that "+tool+" sends by default, the credit is its maker's: use your own from Partner Center")
	}
	if id.form == FormMarketplace && isGUID(cutSuffixFold(id.Body(), marketplaceSuffix)) {
		out = append(out, "a GUID with -partnercenter: right only if Partner Center shows it exactly so; a GUID of your own takes no suffix")
	}
	return out
}

// Default is a tracking ID that a tool sends when its user gives none.
type Default struct {
	// Token is the ID with "pid-".
	Token string
	// Tool is the name of the tool that sends it.
	Tool string
	// OptOut is how to stop it.
	OptOut string
}

// KnownDefaults are the IDs that tools send by themselves.
func KnownDefaults() []Default {
	var out []Default
	for _, t := range arm.Tools() {
		if t.DefaultID == "" {
			continue
		}
		if i := len(out) - 1; i >= 0 && out[i].Token == t.DefaultID {
			out[i].Tool = "Terraform" // azurerm and azapi share one
			continue
		}
		out = append(out, Default{Token: t.DefaultID, Tool: t.Name, OptOut: t.OptOut})
	}
	return out
}

// KnownDefault gives the name of the tool that sends a pid token by itself.
func KnownDefault(token string) (tool string, ok bool) {
	for _, d := range KnownDefaults() {
		if strings.EqualFold(d.Token, token) {
			return d.Tool, true
		}
	}
	return "", false
}
