package attribution_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/attribproxy/attribproxy/attribution"
)

func TestTokens(t *testing.T) {
	tests := []struct {
		userAgent string
		want      []string
	}{
		{"", nil},
		{"curl/8.0", nil},
		{token, []string{token}},
		{"curl/8.0 " + token, []string{token}},
		{"a," + token + ",b", []string{token}},
		{"a;" + token + "+" + other, []string{token, other}},
		{"a (" + token + "; x) " + other + "\t" + third, []string{token, other, third}},
		{"PID-X pid-pid-y", []string{"PID-X", "pid-pid-y"}},
		{"pid- foo", []string{"pid-"}},
		{"rapid-" + guid + " x/" + token + " pidgin", nil}, // within a token, not at its beginning
		{`"` + token + `"`, nil},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, attribution.Tokens(tt.userAgent)); diff != "" {
			t.Errorf("Tokens(%q) (-want +got):\n%s", tt.userAgent, diff)
		}
	}
	if diff := cmp.Diff([]string{other}, attribution.OtherTokens(strings.ToUpper(token)+" "+other, []string{token})); diff != "" {
		t.Errorf("OtherTokens (-want +got):\n%s", diff)
	}
}

func TestRewriteUserAgent(t *testing.T) {
	const (
		az   = "AZURECLI/2.45.0 (DEB) azsdk-python-azure-mgmt-resource/22.0.0 Python/3.11.2 (Linux-6.1)"
		azd  = "azsdk-go-armresources/v1.2.0 (go1.22; linux),azdev/1.9.0 (Go 1.22; linux/amd64)"
		azrm = "HashiCorp Terraform/1.9 (+https://www.terraform.io) terraform-provider-azurerm/4.1.0"
	)
	one := []string{token}
	tests := []struct {
		name    string
		fields  []string
		tokens  []string // one if nil
		on      attribution.OnOtherID
		outcome attribution.Outcome // attributed if empty
		want    string
		beside  []string
		same    bool // not changed
	}{
		{name: "appended", fields: []string{az}, want: az + " " + token},
		{name: "after a comma-joined list", fields: []string{azd}, want: azd + " " + token},
		{name: "missing", want: token},
		{name: "empty", fields: []string{""}, want: token},
		{name: "blank", fields: []string{" \t"}, want: token},
		{name: "trailing space", fields: []string{"curl/8 "}, want: "curl/8 " + token},
		{name: "open comment", fields: []string{"x (y"}, want: "x (y " + token},
		{name: "several fields", fields: []string{"a/1", "", "b/2"}, want: "a/1 b/2 " + token},
		{name: "several IDs", fields: []string{"x"}, tokens: []string{token, other}, want: "x " + token + " " + other},
		{name: "one of several is there", fields: []string{"x " + other}, tokens: []string{token, other}, want: "x " + other + " " + token},
		{name: "no separator before", fields: []string{"x,"}, want: "x, " + token},

		{name: "already there", fields: []string{"x " + token}, outcome: attribution.OutcomeAlreadyAttributed, want: "x " + token, same: true},
		{name: "already there in other case", fields: []string{"x " + strings.ToUpper(token) + " y"}, outcome: attribution.OutcomeAlreadyAttributed, want: "x " + strings.ToUpper(token) + " y", same: true},
		{name: "already there after a comma", fields: []string{azd + "," + token}, outcome: attribution.OutcomeAlreadyAttributed, want: azd + "," + token, same: true},
		{name: "already there in a comment", fields: []string{"x (" + token + ")"}, outcome: attribution.OutcomeAlreadyAttributed, want: "x (" + token + ")", same: true},
		{name: "already there in the second field", fields: []string{"x", token}, outcome: attribution.OutcomeAlreadyAttributed, want: "x " + token},
		{name: "all are there in other order", fields: []string{other + " " + token}, tokens: []string{token, other}, outcome: attribution.OutcomeAlreadyAttributed, want: other + " " + token, same: true},
		{name: "a longer token is another", fields: []string{"x " + token + "-partnercenter"}, want: "x " + token + "-partnercenter " + token, beside: []string{token + "-partnercenter"}},
		{name: "within a product it does not count", fields: []string{"x/" + token}, want: "x/" + token + " " + token},

		{name: "append beside another", fields: []string{"x " + other}, want: "x " + other + " " + token, beside: []string{other}},
		{name: "append beside a default", fields: []string{azrm + " " + tf}, want: azrm + " " + tf + " " + token, beside: []string{tf}},
		{name: "already there beside another", fields: []string{token + " " + other}, outcome: attribution.OutcomeAlreadyAttributed, want: token + " " + other, beside: []string{other}, same: true},

		{name: "keep without another", on: attribution.OnOtherKeep, fields: []string{"x"}, want: "x " + token},
		{name: "keep another", on: attribution.OnOtherKeep, fields: []string{"x " + other}, outcome: attribution.OutcomeConflictKept, want: "x " + other, beside: []string{other}, same: true},
		{name: "keep a default", on: attribution.OnOtherKeep, fields: []string{"x " + tf}, outcome: attribution.OutcomeConflictKept, want: "x " + tf, beside: []string{tf}, same: true},
		{name: "keep when ours is there", on: attribution.OnOtherKeep, fields: []string{token + " " + other}, outcome: attribution.OutcomeAlreadyAttributed, want: token + " " + other, beside: []string{other}, same: true},
		{name: "keep another beside one of ours", on: attribution.OnOtherKeep, tokens: []string{token, third}, fields: []string{token + " " + other}, outcome: attribution.OutcomeConflictKept, want: token + " " + other, beside: []string{other}, same: true},
		{name: "keep a malformed one", on: attribution.OnOtherKeep, fields: []string{"x pid-pid-y"}, outcome: attribution.OutcomeConflictKept, want: "x pid-pid-y", beside: []string{"pid-pid-y"}, same: true},
		{name: "keep several fields as they are", on: attribution.OnOtherKeep, fields: []string{"x", other}, outcome: attribution.OutcomeConflictKept, want: "x " + other, beside: []string{other}, same: true},

		{name: "replace Terraform's default", on: attribution.OnOtherReplaceDefaults, fields: []string{azrm + " " + tf}, outcome: attribution.OutcomeReplaced, want: azrm + " " + token},
		{name: "replace Pulumi's default", on: attribution.OnOtherReplaceDefaults, fields: []string{"p " + strings.ToUpper(pul)}, outcome: attribution.OutcomeReplaced, want: "p " + token},
		{name: "replace defaults, none there", on: attribution.OnOtherReplaceDefaults, fields: []string{"x"}, want: "x " + token},
		{name: "replace defaults meets another", on: attribution.OnOtherReplaceDefaults, fields: []string{"x " + other}, outcome: attribution.OutcomeConflictKept, want: "x " + other, beside: []string{other}, same: true},
		{name: "replace defaults meets both", on: attribution.OnOtherReplaceDefaults, fields: []string{"x " + tf + " " + other}, outcome: attribution.OutcomeConflictKept, want: "x " + tf + " " + other, beside: []string{tf, other}, same: true},
		{name: "replace a default beside ours", on: attribution.OnOtherReplaceDefaults, fields: []string{"x " + tf + " " + token}, outcome: attribution.OutcomeReplaced, want: "x " + token},
		{name: "our own ID is a default", on: attribution.OnOtherReplaceDefaults, tokens: []string{tf}, fields: []string{"x " + tf}, outcome: attribution.OutcomeAlreadyAttributed, want: "x " + tf, same: true},

		{name: "replace", on: attribution.OnOtherReplace, fields: []string{"x " + other + " y"}, outcome: attribution.OutcomeReplaced, want: "x y " + token},
		{name: "replace none", on: attribution.OnOtherReplace, fields: []string{"x"}, want: "x " + token},
		{name: "replace several", on: attribution.OnOtherReplace, fields: []string{other + " x " + third + " " + tf + " y"}, outcome: attribution.OutcomeReplaced, want: "x y " + token},
		{name: "replace beside ours", on: attribution.OnOtherReplace, fields: []string{"x " + token + " " + other}, outcome: attribution.OutcomeReplaced, want: "x " + token},
		{name: "replace the only content", on: attribution.OnOtherReplace, fields: []string{other}, outcome: attribution.OutcomeReplaced, want: token},
		{name: "replace the first", on: attribution.OnOtherReplace, fields: []string{other + " x"}, outcome: attribution.OutcomeReplaced, want: "x " + token},
		{name: "replace in a comma list", on: attribution.OnOtherReplace, fields: []string{"a," + other + ",b"}, outcome: attribution.OutcomeReplaced, want: "a,b " + token},
		{name: "replace after azd's comma", on: attribution.OnOtherReplace, fields: []string{azd + "," + other}, outcome: attribution.OutcomeReplaced, want: azd + " " + token},
		{name: "replace in a comment", on: attribution.OnOtherReplace, fields: []string{"a (x; " + other + "; y) b"}, outcome: attribution.OutcomeReplaced, want: "a (x; y) b " + token},
		{name: "replace the first of a comment", on: attribution.OnOtherReplace, fields: []string{"a (" + other + "; y) b"}, outcome: attribution.OutcomeReplaced, want: "a (y) b " + token},
		{name: "replace the last of a comment", on: attribution.OnOtherReplace, fields: []string{"a (y; " + other + ") b"}, outcome: attribution.OutcomeReplaced, want: "a (y) b " + token},
		{name: "replace a whole comment", on: attribution.OnOtherReplace, fields: []string{"a (" + other + ") b"}, outcome: attribution.OutcomeReplaced, want: "a () b " + token},
		{name: "replace before a comment", on: attribution.OnOtherReplace, fields: []string{"a " + other + "(y)"}, outcome: attribution.OutcomeReplaced, want: "a(y) " + token},
		{name: "replace two without a separator of their own", on: attribution.OnOtherReplace, fields: []string{"(" + other + " " + third + ")x"}, outcome: attribution.OutcomeReplaced, want: "()x " + token},
		{name: "replace a malformed one", on: attribution.OnOtherReplace, fields: []string{"x pid-pid-y pid-"}, outcome: attribution.OutcomeReplaced, want: "x " + token},
		{name: "replace across fields", on: attribution.OnOtherReplace, fields: []string{"x", other, "y"}, outcome: attribution.OutcomeReplaced, want: "x y " + token},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.tokens == nil {
				tt.tokens = one
			}
			if tt.on == "" {
				tt.on = attribution.OnOtherAppend
			}
			if tt.outcome == "" {
				tt.outcome = attribution.OutcomeAttributed
			}
			want := attribution.Rewritten{Outcome: tt.outcome, UserAgent: tt.want, Changed: !tt.same, Conflicts: tt.beside}
			got := attribution.RewriteUserAgent(tt.fields, tt.tokens, tt.on)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("rewriting %q (-want +got):\n%s", tt.fields, diff)
			}
		})
	}
}

// userAgent draws values that are dense in pid tokens and separators.
func userAgent() *rapid.Generator[string] {
	piece := rapid.OneOf(
		rapid.SampledFrom([]string{token, strings.ToUpper(token), other, third, tf, pul, "pid-", "pid-pid-x", "PID-contoso-partnercenter"}),
		rapid.SampledFrom([]string{"curl/8.0", "azdev/1", "x" + token, "(", ")", "\"", "é", "a"}),
		rapid.SampledFrom([]string{" ", "  ", ",", ";", "; ", "+", "\t", "(", ")"}),
	)
	return rapid.Map(rapid.SliceOfN(piece, 0, 12), func(p []string) string { return strings.Join(p, "") })
}

func TestRewriteUserAgentProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fields := rapid.SliceOfN(userAgent(), 0, 3).Draw(t, "fields")
		tokens := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{token, third, tf, "pid-contoso-partnercenter"}), 1, 3, rapid.ID[string]).Draw(t, "tokens")
		on := rapid.SampledFrom([]attribution.OnOtherID{
			attribution.OnOtherAppend, attribution.OnOtherKeep, attribution.OnOtherReplaceDefaults, attribution.OnOtherReplace,
		}).Draw(t, "onOtherId")
		checkRewrite(t, fields, tokens, on)
	})
}

// checkRewrite holds the promises of RewriteUserAgent against one input.
func checkRewrite(t interface{ Fatalf(string, ...any) }, fields, tokens []string, on attribution.OnOtherID) {
	var kept []string
	for _, f := range fields {
		if strings.Trim(f, " \t\n\v\f\r") != "" {
			kept = append(kept, f)
		}
	}
	before := strings.Join(kept, " ")
	got := attribution.RewriteUserAgent(fields, tokens, on)
	after := got.UserAgent
	fail := func(promise string) { t.Fatalf("%s: %q with %q and %s gave %+v", promise, fields, tokens, on, got) }

	again := attribution.RewriteUserAgent([]string{after}, tokens, on)
	if again.UserAgent != after || again.Changed {
		fail("rewriting is idempotent")
	}
	if got.Outcome != attribution.OutcomeReplaced && !strings.HasPrefix(after, before) {
		fail("the original stays as a prefix")
	}
	if got.Outcome == attribution.OutcomeConflictKept {
		if after != before || got.Changed || len(got.Conflicts) == 0 {
			fail("a kept conflict changes nothing and names the other")
		}
		return
	}
	for _, id := range tokens {
		want := max(count(before, id), 1)
		if count(after, id) != want {
			fail("each ID is there, and never added twice")
		}
	}
	others := attribution.OtherTokens(after, tokens)
	if diff := cmp.Diff(others, got.Conflicts); diff != "" {
		fail("conflicts are the other tokens that remain")
	}
	if got.Outcome == attribution.OutcomeReplaced {
		if len(others) != 0 {
			fail("replacing leaves no other ID")
		}
		if diff := cmp.Diff(products(before), products(after)); diff != "" {
			fail("replacing removes nothing but pid tokens")
		}
		if strings.Count(before, "(") != strings.Count(after, "(") || strings.Count(before, ")") != strings.Count(after, ")") {
			fail("replacing keeps parentheses")
		}
	}
}

// split is the token boundary in its simplest form, as an independent check.
func split(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(" \t\n\v\f\r,;+()", r) })
}

func count(s, id string) (n int) {
	for _, part := range split(s) {
		if strings.EqualFold(part, id) {
			n++
		}
	}
	return n
}

func products(s string) (out []string) {
	for _, part := range split(s) {
		if len(part) < 4 || !strings.EqualFold(part[:4], "pid-") {
			out = append(out, part)
		}
	}
	return out
}

func FuzzRewriteUserAgent(f *testing.F) {
	for i, s := range []string{
		"", "curl/8.0", token, "x " + other + " y", "a," + tf + ",b", "(" + other + "; " + third + ")", "x (" + strings.ToUpper(token), "pid-", ",;+()", "\xff pid-\xff",
	} {
		f.Add(s, "", byte(i))
		f.Add("a/1", s, byte(i))
	}
	f.Fuzz(func(t *testing.T, first, second string, on byte) {
		fields := []string{first}
		if second != "" {
			fields = append(fields, second)
		}
		policies := []attribution.OnOtherID{
			attribution.OnOtherAppend, attribution.OnOtherKeep, attribution.OnOtherReplaceDefaults, attribution.OnOtherReplace,
		}
		checkRewrite(t, fields, []string{token, "pid-contoso-partnercenter"}, policies[int(on)%len(policies)])
	})
}

func BenchmarkRewriteUserAgent(b *testing.B) {
	const az = "AZURECLI/2.45.0 (DEB) azsdk-python-azure-mgmt-resource/22.0.0 Python/3.11.2 (Linux-6.1)"
	b.Run("append", func(b *testing.B) {
		p := policy(b, attribution.ModeEnforce, []attribution.Rule{{Name: "r", TrackingIDs: []string{guid}}}, nil)
		f := attribution.Facts{Method: "PUT", UserAgent: []string{az}}
		b.ReportAllocs()
		for b.Loop() {
			p.Decide(f)
		}
	})
	b.Run("already", func(b *testing.B) {
		p := policy(b, attribution.ModeEnforce, []attribution.Rule{{Name: "r", TrackingIDs: []string{guid}}}, nil)
		f := attribution.Facts{Method: "PUT", UserAgent: []string{az + " " + token}}
		b.ReportAllocs()
		for b.Loop() {
			p.Decide(f)
		}
	})
}
