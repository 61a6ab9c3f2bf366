package attribution

import (
	"fmt"
	"strings"
	"unicode"
)

// IDFault is the kind of a tracking ID's fault.
type IDFault string

// The faults.
const (
	FaultEmpty         IDFault = "empty"
	FaultExpression    IDFault = "expression"
	FaultControl       IDFault = "control-character"
	FaultSpace         IDFault = "space"
	FaultQuote         IDFault = "quote"
	FaultBraces        IDFault = "braces"
	FaultDash          IDFault = "typographic-dash"
	FaultURN           IDFault = "urn"
	FaultDoublePrefix  IDFault = "double-prefix"
	FaultPrefix        IDFault = "prefix"
	FaultSeveral       IDFault = "several-ids"
	FaultCharacter     IDFault = "character"
	FaultPlaceholder   IDFault = "placeholder"
	FaultZeroGUID      IDFault = "zero-guid"
	FaultNoDashes      IDFault = "guid-without-dashes"
	FaultGroupCount    IDFault = "guid-group-count"
	FaultGroupLength   IDFault = "guid-group-length"
	FaultNotHex        IDFault = "guid-not-hex"
	FaultGUIDSuffix    IDFault = "guid-with-suffix"
	FaultNoName        IDFault = "marketplace-without-name"
	FaultTooLong       IDFault = "marketplace-too-long"
	FaultNotAnIDFormat IDFault = "unknown-form"
)

// IDError says one thing that is wrong with a tracking ID.
type IDError struct {
	// Value is what was given.
	Value string
	// Code names the kind of fault, for programs.
	Code IDFault
	// Fault says what is wrong, Remedy how to mend it, in plain words.
	Fault, Remedy string
	// Suggestion is the valid ID, with "pid-", that Value becomes once its faults
	// are mended, where that is beyond doubt; else "".
	Suggestion string
}

func (e *IDError) Error() string { return fmt.Sprintf("tracking ID %q %s", shorten(e.Value), e.Fault) }

// shorten keeps a wrong paste from filling the screen.
func shorten(s string) string {
	const longest = 120
	if len(s) <= longest {
		return s
	}
	return strings.ToValidUTF8(s[:longest], "") + "…"
}

// IDFaults gives every fault of a tracking ID, the outermost first; nil if it
// is valid. Wrappings that people paste along (spaces, quotes, braces, a second
// prefix) are each named and then looked behind.
func IDFaults(s string) []*IDError {
	if _, ok := parseID(s); ok {
		return nil
	}
	d := diagnosis{value: s}
	d.run()
	if d.clean != "" {
		if id, ok := parseID(d.clean); ok {
			for _, f := range d.faults {
				f.Suggestion = id.Token()
			}
		}
	}
	return d.faults
}

// diagnosis collects the faults of one value.
type diagnosis struct {
	value  string
	faults []*IDError
	clean  string // what remains when the wrappings are gone
}

func (d *diagnosis) add(code IDFault, remedy, format string, args ...any) {
	d.faults = append(d.faults, &IDError{Value: d.value, Code: code, Fault: fmt.Sprintf(format, args...), Remedy: remedy})
}

func (d *diagnosis) run() {
	if strings.TrimSpace(d.value) == "" {
		d.add(FaultEmpty, "give the ID that Partner Center shows, or make one with 'attribproxy id new'", "is empty")
		return
	}
	if isExpression(d.value) {
		d.add(FaultExpression, "write the literal ID: neither the proxy nor Partner Center evaluates expressions",
			"is a template expression or a variable, not an ID")
		return
	}
	body := d.unwrap(d.value)
	body = d.unprefix(body)
	if body == "" {
		d.add(FaultEmpty, "put the GUID, or the name that ends in -partnercenter, after pid-", "is the prefix pid- alone")
		return
	}
	d.clean = body
	d.checkBody(body)
	if len(d.faults) == 0 { // cannot be: parseID refused it
		d.add(FaultNotAnIDFormat, "copy the ID from Partner Center", "is not a tracking ID")
	}
}

// isExpression recognises ARM expressions, and the variables of shells,
// Terraform, pipelines and templating tools that were not filled in.
func isExpression(s string) bool {
	s = strings.TrimSpace(s)
	for _, sign := range []string{"${", "$(", "{{", "parameters(", "variables(", "concat("} {
		if strings.Contains(s, sign) {
			return true
		}
	}
	return strings.HasPrefix(s, "$") || strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") ||
		len(s) > 2 && strings.HasPrefix(s, "%") && strings.HasSuffix(s, "%")
}

// unwrap names and removes what stands around or within an ID.
func (d *diagnosis) unwrap(s string) string {
	strip := func(code IDFault, in func(rune) bool, remedy, fault string) {
		if strings.ContainsFunc(s, in) {
			d.add(code, remedy, "%s", fault)
			s = strings.Map(func(r rune) rune {
				if in(r) {
					return -1
				}
				return r
			}, s)
		}
	}
	strip(FaultControl, isInvisible, "remove them; copying from a web page or a document often brings them along",
		"contains control or invisible characters")
	strip(FaultSpace, unicode.IsSpace, "remove them: a space ends a User-Agent token", "contains spaces")
	strip(FaultQuote, func(r rune) bool { return strings.ContainsRune("\"'`“”‘’", r) },
		"remove them: they would become part of the ID", "contains quotation marks")
	strip(FaultBraces, func(r rune) bool { return strings.ContainsRune("{}()<>[]", r) },
		"remove them: an ID stands without any", "contains braces or brackets")
	if strings.ContainsFunc(s, func(r rune) bool { return plainDash(r) != r }) {
		d.add(FaultDash, "use plain hyphens (-)", "contains typographic dashes, which text processors make of hyphens")
		s = strings.Map(plainDash, s)
	}
	for _, urn := range []string{"urn:uuid:", "uuid:"} {
		if hasPrefixFold(s, urn) {
			d.add(FaultURN, "leave "+urn+" out", "begins with %s", urn)
			s = s[len(urn):]
		}
	}
	return s
}

// isInvisible reports control characters that are no white space, and format
// characters: zero-width spaces, byte order marks, direction marks.
func isInvisible(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
}

func plainDash(r rune) rune {
	if r >= '\u2010' && r <= '\u2015' || r == '\u2212' {
		return '-'
	}
	return r
}

// unprefix takes "pid-" off and names a prefix that is doubled or misspelt.
func (d *diagnosis) unprefix(s string) string {
	body := trimPrefixFold(s, Prefix)
	if hasPrefixFold(body, Prefix) {
		d.add(FaultDoublePrefix, "write pid- once; a tool that adds it by itself takes the ID without",
			"begins with pid- more than once")
		for hasPrefixFold(body, Prefix) {
			body = body[len(Prefix):]
		}
		return body
	}
	if body == s && len(s) > 4 && hasPrefixFold(s, "pid") && strings.IndexByte("_:=.", s[3]) >= 0 {
		d.add(FaultPrefix, "write pid- with a hyphen, or leave it out", "begins with %q instead of \"pid-\"", s[:4])
		return s[4:]
	}
	return body
}

// checkBody names what is wrong with the ID itself.
func (d *diagnosis) checkBody(body string) {
	name := cutSuffixFold(body, marketplaceSuffix)
	if isPlaceholder(body) || isPlaceholder(name) {
		d.clean = ""
		d.add(FaultPlaceholder, "replace it by your own ID from Partner Center", "is a placeholder")
		return
	}
	if _, ok := parseID(body); ok {
		return
	}
	if i := strings.IndexAny(body, ",;|"); i > 0 && i < len(body)-1 {
		d.add(FaultSeveral, "give each ID as a value of its own", "holds several values")
		return
	}
	guidLike := looksLikeGUID(body)
	if !guidLike {
		if i := strings.IndexFunc(body, func(r rune) bool { return r >= 0x80 || !isNameByte(byte(r)) }); i >= 0 {
			d.add(FaultCharacter, "only letters, digits, '.', '_' and '-' occur in an ID", "contains %q", []rune(body[i:])[0])
			return
		}
	}
	switch {
	case strings.EqualFold(body, strings.TrimPrefix(marketplaceSuffix, "-")) || name == "":
		d.add(FaultNoName, "copy the whole ID from Partner Center", "has nothing before -partnercenter")
	case name != body:
		d.add(FaultTooLong, "copy the ID exactly as Partner Center shows it",
			"has %d characters before -partnercenter, at most %d are possible", len(name), maxMarketplace)
	case guidLike:
		d.checkGUID(body)
	default:
		d.add(FaultNotAnIDFormat, "copy the ID from Partner Center: a marketplace ID ends in -partnercenter, any other is a GUID",
			"is neither a GUID nor does it end in -partnercenter")
	}
}

// looksLikeGUID reports whether somebody meant a GUID: enough hexadecimal
// digits in a row, or five groups of about the right size.
func looksLikeGUID(s string) bool {
	if len(s) >= 36 && isGUID(s[:36]) {
		return !hasSuffixFold(s, marketplaceSuffix)
	}
	digits, other := 0, 0
	for _, r := range s {
		switch {
		case r < 0x80 && isHex(byte(r)):
			digits++
		case r != '-':
			other++
		}
	}
	if other == 0 {
		return digits >= 16
	}
	return strings.Count(s, "-") == 4 && digits+other >= 28 && digits+other <= 36 && digits >= 3*other
}

func hasSuffixFold(s, suffix string) bool { return len(cutSuffixFold(s, suffix)) != len(s) }

// isPlaceholder reports forms like xxxxxxxx-xxxx-… and your-guid-here.
func isPlaceholder(s string) bool {
	s = strings.ToLower(s)
	switch s {
	case "guid", "id", "your-guid", "your-id", "your-guid-here", "your-id-here", "tracking-id", "partner-id", "xxx":
		return true
	}
	return strings.Contains(s, "x") && strings.Trim(s, "x-") == ""
}

// checkGUID names what keeps body from being a GUID.
func (d *diagnosis) checkGUID(body string) {
	const copyAgain = "copy it again from Partner Center: a GUID has groups of 8, 4, 4, 4 and 12 hexadecimal digits"
	switch {
	case len(body) == 36 && isGUID(body): // all zeros: any other is valid
		d.add(FaultZeroGUID, "register a GUID of your own; 'attribproxy id new' makes one", "is the empty GUID, which nobody owns")
		return
	case len(body) > 36 && isGUID(body[:36]):
		d.add(FaultGUIDSuffix, "leave it out, unless Partner Center shows an ID that ends in -partnercenter", "has %q after the GUID", body[36:])
		return
	case len(body) == 32 && !strings.Contains(body, "-"):
		d.add(FaultNoDashes, "write it in groups of 8, 4, 4, 4 and 12 digits", "is a GUID without its hyphens")
		d.clean = body[:8] + "-" + body[8:12] + "-" + body[12:16] + "-" + body[16:20] + "-" + body[20:]
		return
	}
	groups := strings.Split(body, "-")
	if len(groups) != 5 {
		d.add(FaultGroupCount, copyAgain, "looks like a GUID but has %d groups instead of 5", len(groups))
		return
	}
	sample := ""
	if strings.EqualFold(body, "eb7927c8-dd66-43e1-b0cf-c346a422063") {
		sample = " (it is the sample of Microsoft's own article, which is malformed)"
	}
	for i, want := range guidGroups() {
		if got := len([]rune(groups[i])); got != want {
			d.add(FaultGroupLength, copyAgain, "looks like a GUID but its %s group has %d digits instead of %d%s", ordinal(i), got, want, sample)
		}
	}
	for _, r := range body {
		if r != '-' && (r >= 0x80 || !isHex(byte(r))) {
			d.add(FaultNotHex, copyAgain, "looks like a GUID but contains %q, which is no hexadecimal digit", r)
			return
		}
	}
}

func ordinal(i int) string {
	return [...]string{"first", "second", "third", "fourth", "last"}[i]
}
