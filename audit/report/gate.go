package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/attribproxy/attribproxy/audit/store"
)

// Gate is the demand that a coverage be high enough.
type Gate struct {
	Minimum      float64 // percent; what is meant is the decimal that number writes
	AllowEmpty   bool    // no eligible writes at all are as good as all of them tagged
	AllowDamaged bool    // lines of the journal that cannot be read do not matter
}

// Verdict is what a gate says of a report.
type Verdict struct {
	Passed bool   `json:"passed"`
	Reason string `json:"reason"`
}

// Judge holds a report against the gate. It compares what was counted, not what
// was rounded. Lines that cannot be read may have been untagged writes.
func (g Gate) Judge(r *Report) Verdict {
	v := g.coverage(r.Total)
	if g.damaged(r.Total) {
		return Verdict{false, plural(r.Total.Damaged, "line") + " of the journal cannot be read; " + v.Reason}
	}
	return v
}

func (g Gate) damaged(s Summary) bool { return s.Damaged > 0 && !g.AllowDamaged }

// coverage judges what can be read.
func (g Gate) coverage(s Summary) Verdict {
	minimum := number(g.Minimum) + " %"
	switch {
	case s.Eligible == 0 && g.AllowEmpty:
		return Verdict{true, "there were no eligible writes, which is allowed"}
	case s.Eligible == 0:
		return Verdict{false, fmt.Sprintf("there were no eligible writes that Azure answered with success, so a coverage of %s is not shown", minimum)}
	}
	least, ok := new(big.Rat).SetString(number(g.Minimum))
	if !ok {
		return Verdict{false, minimum + " is no percentage"}
	}
	// Cut off behind as many digits as the minimum has, the coverage that is
	// shown is never on the other side of the minimum than the one compared.
	_, behind, _ := strings.Cut(number(g.Minimum), ".")
	said := fmt.Sprintf("coverage is %s %% (%d of %d eligible writes), the minimum is %s",
		store.ExactPercent(s.Tagged, s.Eligible, max(1, len(behind))), s.Tagged, s.Eligible, minimum)
	tagged, eligible := new(big.Int).SetUint64(s.Tagged), new(big.Int).SetUint64(s.Eligible)
	coverage := new(big.Rat).SetFrac(tagged.Mul(tagged, big.NewInt(100)), eligible)
	return Verdict{coverage.Cmp(least) >= 0, said}
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// Beside says what no percentage shows: writes of which nobody knows what
// became, and events that are missing. Empty when there is neither.
func Beside(s Summary) []string {
	var said []string
	if s.Unknown > 0 {
		said = append(said, plural(s.Unknown, "write")+" with an unknown outcome")
	}
	if s.Gaps > 0 {
		gap := plural(s.Gaps, "gap") + " in the journal"
		if s.Missing > 0 {
			gap += fmt.Sprintf(", %s known to be missing", plural(s.Missing, "event"))
		}
		said = append(said, gap)
	}
	if s.Damaged > 0 {
		said = append(said, plural(s.Damaged, "line")+" of the journal that cannot be read")
	}
	if s.Failed > 0 {
		said = append(said, plural(s.Failed, "write")+" not answered with success")
	}
	if s.Bypass > 0 {
		said = append(said, plural(s.Bypass, "bypass"))
	}
	return said
}

// JUnit's XML as CI systems read it; there is no standard, but
// https://github.com/testmoapp/junitxml says what they agree on.
type junitSuites struct {
	XMLName xml.Name   `xml:"testsuites"`
	Suite   junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name       string          `xml:"name,attr"`
	Tests      int             `xml:"tests,attr"`
	Failures   int             `xml:"failures,attr"`
	Errors     int             `xml:"errors,attr"`
	Skipped    int             `xml:"skipped,attr"`
	Time       string          `xml:"time,attr"`
	Timestamp  string          `xml:"timestamp,attr"`
	Properties []junitProperty `xml:"properties>property"`
	Case       junitCase       `xml:"testcase"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitFailure `xml:"failure"`
	Out     string        `xml:"system-out,omitempty"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

// JUnit writes the verdict as a suite of one test, for the test page of a CI
// system. All numbers stand in its properties.
func (g Gate) JUnit(w io.Writer, r *Report) error {
	verdict := g.Judge(r)
	suite := junitSuite{
		Name: "attribproxy", Tests: 1, Time: "0", Timestamp: r.Generated.UTC().Format("2006-01-02T15:04:05"),
		Case: junitCase{Name: "attribution coverage is at least " + number(g.Minimum) + " %", Class: "attribproxy.audit.gate", Time: "0"},
	}
	property := func(name, value string) {
		suite.Properties = append(suite.Properties, junitProperty{name, value})
	}
	property("journal", clean(r.Source))
	if !r.Since.IsZero() {
		property("since", r.Since.Format(time.RFC3339))
	}
	if !r.Until.IsZero() {
		property("until", r.Until.Format(time.RFC3339))
	}
	if r.Total.Coverage != nil {
		property("coverage", r.Total.Coverage.String())
	}
	for _, c := range columns() {
		property(c.name, strconv.FormatUint(c.value(r.Total), 10))
	}
	out := verdict.Reason
	for _, said := range append(Beside(r.Total), r.Limits...) {
		out += "\n" + said
	}
	suite.Case.Out = out
	if !verdict.Passed {
		suite.Failures = 1
		kind := "coverage"
		if g.damaged(r.Total) {
			kind = "damaged"
		}
		suite.Case.Failure = &junitFailure{Message: verdict.Reason, Type: kind, Text: verdict.Reason}
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(junitSuites{Suite: suite}); err != nil {
		return fmt.Errorf("writing JUnit XML: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}
