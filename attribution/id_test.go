package attribution_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/attribproxy/attribproxy/attribution"
)

const (
	guid  = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
	token = "pid-" + guid
	other = "pid-7c9e6679-7425-40de-944b-e07fc1f90ae7"
	third = "pid-16fd2706-8baf-433b-82eb-8c7fada847da"
	tf    = "pid-222c6c49-1b0a-5959-a213-6608f9eb8820"
	pul   = "pid-a90539d8-a7a6-5826-95c4-1fbef22d4b22"
)

func TestParseID(t *testing.T) {
	tests := []struct {
		in, token string
		form      attribution.Form
	}{
		{guid, token, attribution.FormGUID},
		{token, token, attribution.FormGUID},
		{"PID-" + guid, token, attribution.FormGUID},
		{strings.ToUpper(token), "pid-" + strings.ToUpper(guid), attribution.FormGUID}, // kept as given
		{"pid-contoso-offer-partnercenter", "pid-contoso-offer-partnercenter", attribution.FormMarketplace},
		{"contoso.my_offer-1-partnercenter", "pid-contoso.my_offer-1-partnercenter", attribution.FormMarketplace},
		{"pid-Contoso-Offer-PartnerCenter", "pid-Contoso-Offer-PartnerCenter", attribution.FormMarketplace},
		{token + "-partnercenter", token + "-partnercenter", attribution.FormMarketplace},
		{"pid-" + strings.Repeat("a", 46) + "-partnercenter", "pid-" + strings.Repeat("a", 46) + "-partnercenter", attribution.FormMarketplace},
	}
	for _, tt := range tests {
		id, err := attribution.ParseID(tt.in)
		if err != nil || id.Token() != tt.token || id.Form() != tt.form {
			t.Errorf("ParseID(%q) = %q %q, %v; want %q %q", tt.in, id.Token(), id.Form(), err, tt.token, tt.form)
		}
		if want := strings.TrimPrefix(tt.token, "pid-"); id.Body() != want {
			t.Errorf("ParseID(%q).Body() = %q, want %q", tt.in, id.Body(), want)
		}
		if faults := attribution.IDFaults(tt.in); faults != nil {
			t.Errorf("IDFaults(%q) = %v, want none", tt.in, faults)
		}
	}
}

func TestIDFaults(t *testing.T) {
	tests := []struct {
		name, in string
		want     []attribution.IDFault
		says     string // part of the first fault
		suggests string // body of the suggested ID
	}{
		{name: "empty", in: "", want: []attribution.IDFault{attribution.FaultEmpty}, says: "is empty"},
		{name: "blank", in: " \t", want: []attribution.IDFault{attribution.FaultEmpty}},
		{name: "prefix alone", in: "pid-", want: []attribution.IDFault{attribution.FaultEmpty}, says: "prefix pid- alone"},
		{name: "Microsoft's malformed sample", in: "pid-eb7927c8-dd66-43e1-b0cf-c346a422063", want: []attribution.IDFault{attribution.FaultGroupLength}, says: "last group has 11 digits instead of 12 (it is the sample of Microsoft's own article, which is malformed)"},
		{name: "eleven digits", in: guid[:35], want: []attribution.IDFault{attribution.FaultGroupLength}, says: "last group has 11 digits instead of 12"},
		{name: "thirteen digits", in: guid + "0", want: []attribution.IDFault{attribution.FaultGUIDSuffix}, says: `has "0" after the GUID`},
		{name: "two groups wrong", in: "3f2504e-4f890-41d3-9a0c-0305e82c3301", want: []attribution.IDFault{attribution.FaultGroupLength, attribution.FaultGroupLength}, says: "first group has 7 digits instead of 8"},
		{name: "not hexadecimal", in: "3f2504g0-4f89-41d3-9a0c-0305e82c3301", want: []attribution.IDFault{attribution.FaultNotHex}, says: "'g'"},
		{name: "letter O for zero", in: "pid-3f25O4e0-4f89-41d3-9a0c-0305e82c3301", want: []attribution.IDFault{attribution.FaultNotHex}, says: "'O'"},
		{name: "group missing", in: "3f2504e0-4f89-41d3-0305e82c3301", want: []attribution.IDFault{attribution.FaultGroupCount}, says: "4 groups instead of 5"},
		{name: "no hyphens", in: strings.ReplaceAll(guid, "-", ""), want: []attribution.IDFault{attribution.FaultNoDashes}, suggests: guid},
		{name: "all zeros", in: "00000000-0000-0000-0000-000000000000", want: []attribution.IDFault{attribution.FaultZeroGUID}, says: "empty GUID"},
		{name: "doubled prefix", in: "pid-" + token, want: []attribution.IDFault{attribution.FaultDoublePrefix}, says: "more than once", suggests: guid},
		{name: "tripled prefix", in: "pid-PID-" + token, want: []attribution.IDFault{attribution.FaultDoublePrefix}, suggests: guid},
		{name: "doubled prefix on a marketplace ID", in: "pid-pid-a-partnercenter", want: []attribution.IDFault{attribution.FaultDoublePrefix}, suggests: "a-partnercenter"},
		{name: "underscore prefix", in: "pid_" + guid, want: []attribution.IDFault{attribution.FaultPrefix}, suggests: guid},
		{name: "colon prefix", in: "pid:" + guid, want: []attribution.IDFault{attribution.FaultPrefix}, suggests: guid},
		{name: "space before", in: " " + token, want: []attribution.IDFault{attribution.FaultSpace}, suggests: guid},
		{name: "line break after", in: token + "\n", want: []attribution.IDFault{attribution.FaultControl}, suggests: guid},
		{name: "space after the prefix", in: "pid- " + guid, want: []attribution.IDFault{attribution.FaultSpace}, suggests: guid},
		{name: "no-break space", in: token + "\u00a0", want: []attribution.IDFault{attribution.FaultSpace}, suggests: guid},
		{name: "NUL", in: token + "\x00", want: []attribution.IDFault{attribution.FaultControl}, suggests: guid},
		{name: "zero-width space", in: "\u200b" + token, want: []attribution.IDFault{attribution.FaultControl}, says: "invisible", suggests: guid},
		{name: "byte order mark", in: "\ufeff" + token, want: []attribution.IDFault{attribution.FaultControl}, suggests: guid},
		{name: "braces", in: "{" + guid + "}", want: []attribution.IDFault{attribution.FaultBraces}, suggests: guid},
		{name: "braces after the prefix", in: "pid-{" + guid + "}", want: []attribution.IDFault{attribution.FaultBraces}, suggests: guid},
		{name: "parentheses", in: "(" + guid + ")", want: []attribution.IDFault{attribution.FaultBraces}, suggests: guid},
		{name: "quotes", in: `"` + token + `"`, want: []attribution.IDFault{attribution.FaultQuote}, suggests: guid},
		{name: "en dashes", in: strings.ReplaceAll(guid, "-", "–"), want: []attribution.IDFault{attribution.FaultDash}, suggests: guid},
		{name: "en dash in the prefix", in: "pid–" + guid, want: []attribution.IDFault{attribution.FaultDash}, suggests: guid},
		{name: "URN", in: "urn:uuid:" + guid, want: []attribution.IDFault{attribution.FaultURN}, suggests: guid},
		{name: "template expression", in: "[parameters('partnerId')]", want: []attribution.IDFault{attribution.FaultExpression}, says: "template expression"},
		{name: "concat expression", in: "[concat('pid-', variables('id'))]", want: []attribution.IDFault{attribution.FaultExpression}},
		{name: "expression in a prefix", in: "pid-[parameters('x')]", want: []attribution.IDFault{attribution.FaultExpression}},
		{name: "shell variable", in: "pid-${PARTNER_ID}", want: []attribution.IDFault{attribution.FaultExpression}},
		{name: "unset shell variable", in: "$ID", want: []attribution.IDFault{attribution.FaultExpression}},
		{name: "pipeline variable", in: "$(PartnerId)", want: []attribution.IDFault{attribution.FaultExpression}},
		{name: "handlebars", in: "{{ id }}", want: []attribution.IDFault{attribution.FaultExpression}},
		{name: "cmd variable", in: "%PID%", want: []attribution.IDFault{attribution.FaultExpression}},
		{name: "several", in: token + "," + other, want: []attribution.IDFault{attribution.FaultSeveral}, says: "several"},
		{name: "placeholder", in: "pid-xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", want: []attribution.IDFault{attribution.FaultPlaceholder}},
		{name: "placeholder in brackets", in: "<guid>", want: []attribution.IDFault{attribution.FaultBraces, attribution.FaultPlaceholder}},
		{name: "placeholder after the prefix", in: "pid-<GUID>-partnercenter", want: []attribution.IDFault{attribution.FaultBraces, attribution.FaultPlaceholder}},
		{name: "marketplace without suffix", in: "pid-contoso-myoffer", want: []attribution.IDFault{attribution.FaultNotAnIDFormat}, says: "-partnercenter"},
		{name: "marketplace with a wrong suffix", in: "pid-contoso-myoffer-partnercentre", want: []attribution.IDFault{attribution.FaultNotAnIDFormat}},
		{name: "marketplace without a name", in: "pid-partnercenter", want: []attribution.IDFault{attribution.FaultNoName}},
		{name: "marketplace without a name either", in: "pid--partnercenter", want: []attribution.IDFault{attribution.FaultNoName}},
		{name: "marketplace too long", in: "pid-" + strings.Repeat("a", 47) + "-partnercenter", want: []attribution.IDFault{attribution.FaultTooLong}, says: "47 characters"},
		{name: "marketplace with a slash", in: "pid-contoso/offer-partnercenter", want: []attribution.IDFault{attribution.FaultCharacter}, says: "'/'"},
		{name: "letters outside ASCII", in: "pid-contosö-partnercenter", want: []attribution.IDFault{attribution.FaultCharacter}, says: "'ö'"},
		{name: "GUID with a suffix", in: guid + "-prod", want: []attribution.IDFault{attribution.FaultGUIDSuffix}, says: `"-prod"`},
		{name: "an address", in: "https://contoso.com", want: []attribution.IDFault{attribution.FaultCharacter}},
		{name: "many at once", in: " {pid-pid-eb7927c8-dd66-43e1-b0cf-c346a422063}", want: []attribution.IDFault{attribution.FaultSpace, attribution.FaultBraces, attribution.FaultDoublePrefix, attribution.FaultGroupLength}},
		{name: "invalid UTF-8", in: "pid-\xff-partnercenter", want: []attribution.IDFault{attribution.FaultCharacter}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			faults := attribution.IDFaults(tt.in)
			var codes []attribution.IDFault
			for _, f := range faults {
				codes = append(codes, f.Code)
				if f.Value != tt.in || f.Fault == "" || f.Remedy == "" {
					t.Errorf("fault %+v lacks the value, the words or the remedy", f)
				}
			}
			if diff := cmp.Diff(tt.want, codes); diff != "" {
				t.Fatalf("faults of %q (-want +got):\n%s", tt.in, diff)
			}
			if !strings.Contains(faults[0].Fault, tt.says) {
				t.Errorf("fault %q does not say %q", faults[0].Fault, tt.says)
			}
			want := ""
			if tt.suggests != "" {
				want = "pid-" + tt.suggests
			}
			if faults[0].Suggestion != want {
				t.Errorf("suggestion %q, want %q", faults[0].Suggestion, want)
			}

			_, err := attribution.ParseID(tt.in)
			var idErr *attribution.IDError
			if !errors.As(err, &idErr) || idErr.Code != tt.want[0] {
				t.Errorf("ParseID gave %v, want an *IDError with code %q", err, tt.want[0])
			}
		})
	}
}

func TestIDEqual(t *testing.T) {
	a, b, c := mustID(t, guid), mustID(t, strings.ToUpper(guid)), mustID(t, other)
	if !a.Equal(b) || a.Equal(c) || a.Equal(attribution.ID{}) {
		t.Error("IDs compare without case, and with nothing else")
	}
}

func TestIDWarnings(t *testing.T) {
	tests := []struct{ in, says string }{
		{"b6addd8f-5ff4-4fc0-a2b5-0ec7861106c4", "sample"},
		{"pid-B6ADDD8F-5ff4-4fc0-a2b5-0ec7861106c4", "sample"},
		{"pid-contoso-myoffer-partnercenter", "sample"},
		{tf, "Terraform"},
		{pul, "Pulumi"},
		{token + "-partnercenter", "Partner Center"},
		{token, ""},
		{"pid-fabrikam-offer-partnercenter", ""},
	}
	for _, tt := range tests {
		warnings := mustID(t, tt.in).Warnings()
		if tt.says == "" && warnings != nil || tt.says != "" && !strings.Contains(strings.Join(warnings, "\n"), tt.says) {
			t.Errorf("warnings of %s are %q, want one that says %q", tt.in, warnings, tt.says)
		}
	}
}

func TestKnownDefault(t *testing.T) {
	for token, want := range map[string]string{tf: "Terraform", strings.ToUpper(tf): "Terraform", pul: "Pulumi Azure Native", other: ""} {
		tool, ok := attribution.KnownDefault(token)
		if tool != want || ok != (want != "") {
			t.Errorf("KnownDefault(%q) = %q, %v; want %q", token, tool, ok, want)
		}
	}
	if n := len(attribution.KnownDefaults()); n != 2 {
		t.Errorf("KnownDefaults lists %d, want 2", n)
	}
	for _, d := range attribution.KnownDefaults() {
		if _, err := attribution.ParseID(d.Token); err != nil || d.OptOut == "" {
			t.Errorf("default %+v: %v", d, err)
		}
	}
}

func FuzzParseID(f *testing.F) {
	for _, s := range []string{
		guid, token, "{" + guid + "}", "pid-pid-" + guid, "pid-eb7927c8-dd66-43e1-b0cf-c346a422063", "[parameters('x')]", "pid-contoso-offer-partnercenter",
		"pid–" + guid, "\ufeffpid-", "urn:uuid:" + guid, "\xff", "pid-\xff-partnercenter", "a,b", "-partnercenter", strings.Repeat("0", 32), "urn:uuid:pid-pid-", "pid_",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := attribution.ParseID(s)
		faults := attribution.IDFaults(s)
		if (err == nil) != (len(faults) == 0) {
			t.Fatalf("%q: error %v, but faults %v", s, err, faults)
		}
		if err != nil {
			for _, f := range faults {
				if f.Code == "" || f.Fault == "" || f.Remedy == "" {
					t.Fatalf("%q: fault %+v is incomplete", s, f)
				}
				if f.Suggestion != "" {
					if again, err := attribution.ParseID(f.Suggestion); err != nil || again.Token() != f.Suggestion {
						t.Fatalf("%q: the suggestion %q is no ID: %v", s, f.Suggestion, err)
					}
				}
			}
			return
		}
		// A valid ID is exactly one User-Agent token, and reads the same again.
		if got := attribution.Tokens("a " + id.Token() + " b"); !slices.Equal(got, []string{id.Token()}) {
			t.Fatalf("%q: token %q splits into %q", s, id.Token(), got)
		}
		again, err := attribution.ParseID(id.Token())
		if err != nil || again != id {
			t.Fatalf("%q: token %q reads as %+v, %v", s, id.Token(), again, err)
		}
		if len(id.Token()) > 64 {
			t.Fatalf("%q: token %q is longer than a deployment name", s, id.Token())
		}
	})
}

func mustID(t testing.TB, s string) attribution.ID {
	t.Helper()
	id, err := attribution.ParseID(s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}
