package attribution_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/attribproxy/attribproxy/arm"
	"github.com/attribproxy/attribproxy/attribution"
)

const (
	subA    = "aaaaaaaa-1111-2222-3333-444444444444"
	subB    = "bbbbbbbb-1111-2222-3333-444444444444"
	vmPath  = "/subscriptions/" + subA + "/resourceGroups/rg-contoso-1/providers/Microsoft.Compute/virtualMachines/vm1"
	azAgent = "AZURECLI/2.45.0 (DEB) azsdk-python-azure-mgmt-resource/22.0.0 Python/3.11.2 (Linux-6.1)"
)

func policy(t testing.TB, mode attribution.Mode, rules []attribution.Rule, excludes []attribution.Exclude) *attribution.Policy {
	t.Helper()
	p, faults := attribution.Compile(mode, rules, excludes)
	if len(faults) > 0 {
		t.Fatalf("compiling: %+v", faults)
	}
	return p
}

func facts(method, target string, userAgent ...string) attribution.Facts {
	return attribution.Facts{Method: method, Host: "management.azure.com", Target: arm.ParseTarget(method, target), UserAgent: userAgent}
}

func TestDecide(t *testing.T) {
	contoso := attribution.Rule{
		Name:        "contoso",
		TrackingIDs: []string{guid},
		Match: attribution.Match{
			ResourceGroups: []string{"RG-contoso-*"},
			ResourceTypes:  []string{"microsoft.compute/*", "Microsoft.Resources/deployments"},
		},
	}
	everything := attribution.Rule{Name: "everything", TrackingIDs: []string{third}}
	patches := attribution.Rule{Name: "patches", TrackingIDs: []string{guid}, Match: attribution.Match{Methods: []string{"patch", "POST"}, Subscriptions: []string{strings.ToUpper(subA)}}}
	optOut := attribution.Exclude{Name: "opt-out", Match: attribution.Match{Subscriptions: []string{subB}}}
	inB := strings.ReplaceAll(vmPath, subA, subB)

	tests := []struct {
		name     string
		mode     attribution.Mode // enforce if empty
		rules    []attribution.Rule
		excludes []attribution.Exclude
		facts    attribution.Facts
		want     attribution.Decision
	}{
		{
			name: "first rule decides", rules: []attribution.Rule{contoso, everything}, facts: facts("PUT", vmPath, azAgent),
			want: attribution.Decision{
				Outcome: attribution.OutcomeAttributed, Rule: "contoso", Reason: `rule "contoso" matched: its ID was added`,
				IDs: []string{token}, UserAgent: azAgent + " " + token, Rewrite: true, Tool: "azure-cli",
			},
		},
		{
			name: "next rule decides", rules: []attribution.Rule{contoso, everything},
			facts: facts("PUT", "/subscriptions/"+subA+"/resourceGroups/other"),
			want: attribution.Decision{
				Outcome: attribution.OutcomeAttributed, Rule: "everything", Reason: `rule "everything" matched: its ID was added`,
				IDs: []string{third}, UserAgent: third, Rewrite: true,
			},
		},
		{
			name: "append beside another", rules: []attribution.Rule{everything}, facts: facts("PUT", vmPath, "curl/8 "+other),
			want: attribution.Decision{
				Outcome: attribution.OutcomeAttributed, Rule: "everything",
				Reason: `rule "everything" matched: its ID was added, and now stands beside another: perhaps only one is read`,
				IDs:    []string{third}, UserAgent: "curl/8 " + other + " " + third, Rewrite: true, Conflicts: []string{other}, Tool: "curl",
			},
		},
		{
			name: "already there", rules: []attribution.Rule{contoso}, facts: facts("PUT", vmPath, "x "+strings.ToUpper(token)),
			want: attribution.Decision{Outcome: attribution.OutcomeAlreadyAttributed, Rule: "contoso", Reason: `rule "contoso" matched: its ID was there already`, IDs: []string{token}},
		},
		{
			name: "another is kept", rules: []attribution.Rule{{Name: "k", TrackingIDs: []string{guid}, OnOtherID: attribution.OnOtherKeep}}, facts: facts("PUT", vmPath, "x", other),
			want: attribution.Decision{
				Outcome: attribution.OutcomeConflictKept, Rule: "k", Reason: `rule "k" matched: another ID was there and is kept (onOtherId: keep)`,
				IDs: []string{token}, Conflicts: []string{other},
			},
		},
		{
			name: "default is replaced", rules: []attribution.Rule{{Name: "d", TrackingIDs: []string{guid}, OnOtherID: attribution.OnOtherReplaceDefaults}}, facts: facts("PUT", vmPath, "x "+tf),
			want: attribution.Decision{
				Outcome: attribution.OutcomeReplaced, Rule: "d", Reason: `rule "d" matched: a tool's default ID was replaced by its ID`,
				IDs: []string{token}, UserAgent: "x " + token, Rewrite: true,
			},
		},
		{
			name: "observe changes nothing", mode: attribution.ModeObserve, rules: []attribution.Rule{contoso}, facts: facts("PUT", vmPath, azAgent),
			want: attribution.Decision{
				Outcome: attribution.OutcomeWouldAttribute, Rule: "contoso", Reason: `rule "contoso" matched: its ID would have been added (mode: observe)`,
				IDs: []string{token}, Tool: "azure-cli",
			},
		},
		{
			name: "observe names what it would have replaced", mode: attribution.ModeObserve,
			rules: []attribution.Rule{{Name: "r", TrackingIDs: []string{guid}, OnOtherID: attribution.OnOtherReplace}}, facts: facts("PUT", vmPath, other),
			want: attribution.Decision{
				Outcome: attribution.OutcomeWouldAttribute, Rule: "r", Reason: `rule "r" matched: another ID would have been replaced by its ID (mode: observe)`,
				IDs: []string{token}, Conflicts: []string{other},
			},
		},
		{
			name: "observe sees what is there already", mode: attribution.ModeObserve, rules: []attribution.Rule{contoso}, facts: facts("PUT", vmPath, "x", token),
			want: attribution.Decision{Outcome: attribution.OutcomeAlreadyAttributed, Rule: "contoso", Reason: `rule "contoso" matched: its ID was there already`, IDs: []string{token}},
		},
		{
			name: "exclude wins", rules: []attribution.Rule{everything}, excludes: []attribution.Exclude{optOut}, facts: facts("PUT", inB, azAgent),
			want: attribution.Decision{Outcome: attribution.OutcomeExcluded, Rule: "opt-out", Reason: `exclude "opt-out" matched: this customer is not tracked`, Tool: "azure-cli"},
		},
		{
			name: "exclude wins on any method", rules: []attribution.Rule{patches}, excludes: []attribution.Exclude{optOut}, facts: facts("PATCH", inB),
			want: attribution.Decision{Outcome: attribution.OutcomeExcluded, Rule: "opt-out", Reason: `exclude "opt-out" matched: this customer is not tracked`},
		},
		{
			name: "exclude does not touch others", rules: []attribution.Rule{everything}, excludes: []attribution.Exclude{optOut}, facts: facts("PUT", vmPath),
			want: attribution.Decision{Outcome: attribution.OutcomeAttributed, Rule: "everything", Reason: `rule "everything" matched: its ID was added`, IDs: []string{third}, UserAgent: third, Rewrite: true},
		},
		{
			name: "no rules", facts: facts("PUT", vmPath),
			want: attribution.Decision{Outcome: attribution.OutcomeNoRule, Reason: "there are no rules"},
		},
		{
			name: "no rule", rules: []attribution.Rule{contoso}, facts: facts("PUT", "/subscriptions/"+subA+"/resourceGroups/other"),
			want: attribution.Decision{Outcome: attribution.OutcomeNoRule, Reason: "no rule matched"},
		},
		{
			name: "no rule for the method", rules: []attribution.Rule{everything}, facts: facts("PATCH", vmPath),
			want: attribution.Decision{Outcome: attribution.OutcomeNotEligible, Reason: "no rule names method PATCH"},
		},
		{
			name: "a rule for the method does not match", rules: []attribution.Rule{patches}, facts: facts("PATCH", inB),
			want: attribution.Decision{Outcome: attribution.OutcomeNotEligible, Reason: "no rule matched"},
		},
		{
			name: "a rule for the method matches", rules: []attribution.Rule{everything, patches}, facts: facts("PATCH", vmPath),
			want: attribution.Decision{Outcome: attribution.OutcomeAttributed, Rule: "patches", Reason: `rule "patches" matched: its ID was added`, IDs: []string{token}, UserAgent: token, Rewrite: true},
		},
		{
			name: "an unheard-of method", rules: []attribution.Rule{everything}, facts: facts("BREW", vmPath),
			want: attribution.Decision{Outcome: attribution.OutcomeNotEligible, Reason: "no rule names method BREW"},
		},
		{
			name: "read", rules: []attribution.Rule{{Name: "all", TrackingIDs: []string{guid}, Match: attribution.Match{Methods: []string{"*"}}}}, facts: facts("GET", vmPath),
			want: attribution.Decision{Outcome: attribution.OutcomeNotEligible, Reason: "reads are never tagged"},
		},
		{
			name: "action that creates nothing", rules: []attribution.Rule{patches}, facts: facts("POST", "/subscriptions/"+subA+"/providers/Microsoft.Resources/deployments/d/whatIf"),
			want: attribution.Decision{Outcome: attribution.OutcomeNotEligible, Reason: "this action creates nothing"},
		},
		{
			name: "batch", rules: []attribution.Rule{patches}, facts: facts("POST", "/batch?api-version=2020-06-01"),
			want: attribution.Decision{Outcome: attribution.OutcomeBatch, Reason: "a batch carries its writes in the body, which is never changed"},
		},
		{
			name: "a target that cannot be read follows the method", rules: []attribution.Rule{contoso, everything}, facts: facts("PUT", "/%zz"),
			want: attribution.Decision{Outcome: attribution.OutcomeAttributed, Rule: "everything", Reason: `rule "everything" matched: its ID was added`, IDs: []string{third}, UserAgent: third, Rewrite: true},
		},
		{
			name:  "by tool",
			rules: []attribution.Rule{{Name: "tf", TrackingIDs: []string{guid}, Match: attribution.Match{Tools: []string{"terraform-*"}}}, {Name: "az", TrackingIDs: []string{third}, Match: attribution.Match{Tools: []string{"Azure-CLI"}}}},
			facts: facts("PUT", vmPath, "AZURECLI/2.0", "x"),
			want: attribution.Decision{
				Outcome: attribution.OutcomeAttributed, Rule: "az", Reason: `rule "az" matched: its ID was added`,
				IDs: []string{third}, UserAgent: "AZURECLI/2.0 x " + third, Rewrite: true, Tool: "azure-cli",
			},
		},
		{
			name: "several IDs", rules: []attribution.Rule{{Name: "two", TrackingIDs: []string{guid, "contoso-offer-partnercenter"}}}, facts: facts("PUT", vmPath, "x"),
			want: attribution.Decision{
				Outcome: attribution.OutcomeAttributed, Rule: "two", Reason: `rule "two" matched: its IDs were added`,
				IDs: []string{token, "pid-contoso-offer-partnercenter"}, UserAgent: "x " + token + " pid-contoso-offer-partnercenter", Rewrite: true,
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.mode == "" {
				tt.mode = attribution.ModeEnforce
			}
			p := policy(t, tt.mode, tt.rules, tt.excludes)
			if diff := cmp.Diff(tt.want, p.Decide(tt.facts)); diff != "" {
				t.Errorf("decision (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.want, p.Explain(tt.facts).Decision); diff != "" {
				t.Errorf("the explanation's decision differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestGlobs(t *testing.T) {
	const typ = "Microsoft.Network/virtualNetworks/subnets"
	tests := []struct {
		pattern string
		want    bool
	}{
		{"*", true},
		{"**", true},
		{typ, true},
		{strings.ToUpper(typ), true},
		{"microsoft.network/*", true}, // '*' crosses '/'
		{"*/subnets", true},
		{"*network*subnets", true},
		{"microsoft.*/*/subnets", true},
		{"?icrosoft.network/virtualnetworks/subnet?", true},
		{"microsoft.network/virtualnetworks", false}, // the whole name, not its beginning
		{"microsoft.network/virtualnetworks/subnets?", false},
		{"microsoft?network/*", true},
		{"microsoft.networks/*", false},
		{"*/vnets", false},
	}
	f := attribution.Facts{Method: "PUT", Target: arm.Target{ResourceType: typ}}
	for _, tt := range tests {
		p := policy(t, attribution.ModeEnforce, []attribution.Rule{{Name: "r", TrackingIDs: []string{guid}, Match: attribution.Match{ResourceTypes: []string{tt.pattern}}}}, nil)
		if got := p.Decide(f).Outcome == attribution.OutcomeAttributed; got != tt.want {
			t.Errorf("pattern %q matches %q: %v, want %v", tt.pattern, typ, got, tt.want)
		}
	}

	// Resource groups may have letters outside ASCII.
	for pattern, want := range map[string]bool{"GRÜN-*": true, "gr?n-*": true, "grun-*": false, "grün-\u212a": false} {
		p := policy(t, attribution.ModeEnforce, []attribution.Rule{{Name: "r", TrackingIDs: []string{guid}, Match: attribution.Match{ResourceGroups: []string{pattern}}}}, nil)
		f := attribution.Facts{Method: "PUT", Target: arm.Target{ResourceGroup: "grün-k"}}
		if got := p.Decide(f).Outcome == attribution.OutcomeAttributed; got != want {
			t.Errorf("pattern %q matches grün-k: %v, want %v", pattern, got, want)
		}
	}
}

// TestGlobIsNotExponential guards against patterns that make naive matchers
// hang: resource names come from outside.
func TestGlobIsNotExponential(t *testing.T) {
	p := policy(t, attribution.ModeEnforce, []attribution.Rule{{Name: "r", TrackingIDs: []string{guid}, Match: attribution.Match{ResourceGroups: []string{strings.Repeat("a*", 30) + "b"}}}}, nil)
	f := attribution.Facts{Method: "PUT", Target: arm.Target{ResourceGroup: strings.Repeat("a", 50_000)}}
	if got := p.Decide(f).Outcome; got != attribution.OutcomeNoRule {
		t.Errorf("outcome %q, want no-rule", got)
	}
}

// match draws a match over a small world, so that hits are as likely as misses.
func match() *rapid.Generator[attribution.Match] {
	field := func(choices ...string) *rapid.Generator[[]string] {
		return rapid.SliceOfN(rapid.SampledFrom(choices), 0, 2)
	}
	return rapid.Custom(func(t *rapid.T) attribution.Match {
		return attribution.Match{
			Methods:        field("PUT", "PATCH", "P*", "*").Draw(t, "methods"),
			Subscriptions:  field(subA, subB, "a*", "*").Draw(t, "subscriptions"),
			ResourceGroups: field("rg1", "RG2", "rg*", "rg?", "*1").Draw(t, "groups"),
			ResourceTypes:  field("Microsoft.Compute/virtualMachines", "microsoft.compute/*", "*/disks", "*").Draw(t, "types"),
			Tools:          field("curl", "azure-*", "azure-cli").Draw(t, "tools"),
		}
	})
}

func anyFacts() *rapid.Generator[attribution.Facts] {
	return rapid.Custom(func(t *rapid.T) attribution.Facts {
		target := "/subscriptions/" + rapid.SampledFrom([]string{subA, subB, strings.ToUpper(subA)}).Draw(t, "subscription") +
			"/resourceGroups/" + rapid.SampledFrom([]string{"rg1", "Rg2", "rg12", "x"}).Draw(t, "group") +
			"/providers/Microsoft.Compute/" + rapid.SampledFrom([]string{"virtualMachines", "disks"}).Draw(t, "type") + "/n"
		return facts(rapid.SampledFrom([]string{"PUT", "PATCH", "GET", "POST"}).Draw(t, "method"), target,
			rapid.SampledFrom([]string{"curl/8", azAgent, "x"}).Draw(t, "agent"))
	})
}

// TestRuleOrder holds Decide against its definition: the decision is the first
// matching exclude's, else the first matching rule's, whatever stands after.
func TestRuleOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var excludes []attribution.Exclude
		for i, m := range rapid.SliceOfN(match(), 0, 2).Draw(t, "excludes") {
			excludes = append(excludes, attribution.Exclude{Name: "e" + string(rune('0'+i)), Match: m})
		}
		var rules []attribution.Rule
		for i, m := range rapid.SliceOfN(match(), 0, 5).Draw(t, "rules") {
			rules = append(rules, attribution.Rule{Name: "r" + string(rune('0'+i)), Match: m, TrackingIDs: []string{guid}})
		}
		f := anyFacts().Draw(t, "facts")
		all, faults := attribution.Compile(attribution.ModeEnforce, rules, excludes)
		if len(faults) > 0 {
			t.Fatalf("compiling: %+v", faults)
		}
		got := all.Decide(f)

		// Each alone, in order.
		alone := func(r []attribution.Rule, e []attribution.Exclude) attribution.Decision {
			p, _ := attribution.Compile(attribution.ModeEnforce, r, e)
			return p.Decide(f)
		}
		want := ""
		for _, e := range excludes {
			if d := alone(nil, []attribution.Exclude{e}); want == "" && d.Outcome == attribution.OutcomeExcluded {
				want = e.Name
			}
		}
		for _, r := range rules {
			if d := alone([]attribution.Rule{r}, nil); want == "" && d.Rule != "" {
				want = r.Name
			}
		}
		if got.Rule != want {
			t.Fatalf("%q decided, want %q", got.Rule, want)
		}
		if got.Reason == "" || got.Outcome == "" {
			t.Fatalf("decision %+v lacks outcome or reason", got)
		}

		// The explanation tells the same story.
		x := all.Explain(f)
		if diff := cmp.Diff(got, x.Decision); diff != "" {
			t.Fatalf("explanation (-decide +explain):\n%s", diff)
		}
		decided := ""
		for _, s := range x.Steps {
			if s.Decided {
				decided += s.Name
			}
			if s.Reason == "" || s.Decided && !s.Matched {
				t.Fatalf("step %+v", s)
			}
		}
		if len(x.Steps) != len(rules)+len(excludes) || decided != want {
			t.Fatalf("steps say that %q decided, want %q", decided, want)
		}
		if got.Rewrite && x.After != got.UserAgent || !got.Rewrite && x.After != x.Before {
			t.Fatalf("after is %q for %+v", x.After, got)
		}

		// A rule said never to decide never does.
		for _, w := range all.Warnings() {
			if strings.HasPrefix(w.Message, "never decides") && w.Value == got.Rule && got.Outcome != attribution.OutcomeExcluded {
				t.Fatalf("rule %q decided, though: %s", got.Rule, w.Message)
			}
		}
	})
}

func BenchmarkDecide(b *testing.B) {
	var rules []attribution.Rule
	for range 50 {
		rules = append(rules, attribution.Rule{
			Name:        "rule-" + string(rune('A'+len(rules)%26)) + string(rune('a'+len(rules)/26)),
			TrackingIDs: []string{guid},
			Match:       attribution.Match{ResourceGroups: []string{"rg-fabrikam-*"}, ResourceTypes: []string{"Microsoft.Compute/*", "Microsoft.Resources/deployments"}},
		})
	}
	rules = append(rules, attribution.Rule{Name: "last", TrackingIDs: []string{guid}})
	p := policy(b, attribution.ModeEnforce, rules, []attribution.Exclude{{Name: "e", Match: attribution.Match{Subscriptions: []string{subB}}}})
	for name, f := range map[string]attribution.Facts{
		"attributed": facts("PUT", vmPath, azAgent),
		"already":    facts("PUT", vmPath, azAgent+" "+token),
		"read":       facts("GET", vmPath, azAgent),
		"patch":      facts("PATCH", vmPath, azAgent),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Decide(f)
			}
		})
	}
}

// TestDecideAllocations keeps the hot path at one allocation: the new value.
func TestDecideAllocations(t *testing.T) {
	p := policy(t, attribution.ModeEnforce, []attribution.Rule{{Name: "r", TrackingIDs: []string{guid}}}, nil)
	for _, tt := range []struct {
		name  string
		facts attribution.Facts
		want  float64
	}{
		{"attributed", facts("PUT", vmPath, azAgent), 1},
		{"missing User-Agent", facts("PUT", vmPath), 1},
		{"already attributed", facts("PUT", vmPath, azAgent+" "+token), 0},
		{"read", facts("GET", vmPath, azAgent), 0},
		{"no rule for the method", facts("DELETE", vmPath, azAgent), 0},
	} {
		if got := testing.AllocsPerRun(100, func() { p.Decide(tt.facts) }); got > tt.want {
			t.Errorf("%s: %v allocations, want at most %v", tt.name, got, tt.want)
		}
	}
}
