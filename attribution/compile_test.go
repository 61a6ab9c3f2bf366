package attribution_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/attribproxy/attribproxy/attribution"
)

// TestCompileFaults has one wrong configuration for each mistake.
func TestCompileFaults(t *testing.T) {
	rule := func(change func(*attribution.Rule)) []attribution.Rule {
		r := attribution.Rule{Name: "r", TrackingIDs: []string{guid}}
		change(&r)
		return []attribution.Rule{r}
	}
	matching := func(m attribution.Match) []attribution.Rule {
		return rule(func(r *attribution.Rule) { r.Match = m })
	}
	tests := []struct {
		name     string
		mode     attribution.Mode // enforce if empty
		rules    []attribution.Rule
		excludes []attribution.Exclude
		path     string
		message  string // part of it
	}{
		{name: "mode", mode: "watch", path: "mode", message: "no mode"},
		{name: "rule without a name", rules: rule(func(r *attribution.Rule) { r.Name = " " }), path: "rules[0].name", message: "missing"},
		{name: "name with a line break", rules: rule(func(r *attribution.Rule) { r.Name = "a\nb" }), path: "rules[0].name", message: "control"},
		{name: "overlong name", rules: rule(func(r *attribution.Rule) { r.Name = strings.Repeat("x", 129) }), path: "rules[0].name", message: "longer"},
		{name: "name taken", rules: append(rule(func(*attribution.Rule) {}), rule(func(r *attribution.Rule) { r.Match.Tools = []string{"curl"} })...), path: "rules[1].name", message: "rules[0]"},
		{name: "exclude without a name", excludes: []attribution.Exclude{{Match: attribution.Match{Subscriptions: []string{subA}}}}, path: "exclude[0].name", message: "missing"},
		{name: "no ID", rules: rule(func(r *attribution.Rule) { r.TrackingIDs = nil }), path: "rules[0].trackingIds", message: "no tracking ID"},
		{name: "malformed ID", rules: rule(func(r *attribution.Rule) { r.TrackingIDs = []string{guid, "pid-eb7927c8-dd66-43e1-b0cf-c346a422063"} }), path: "rules[0].trackingIds[1]", message: "11 digits"},
		{name: "ID twice", rules: rule(func(r *attribution.Rule) { r.TrackingIDs = []string{guid, strings.ToUpper(guid)} }), path: "rules[0].trackingIds[1]", message: "already"},
		{name: "onOtherId", rules: rule(func(r *attribution.Rule) { r.OnOtherID = "replaceAll" }), path: "rules[0].onOtherId", message: "no policy"},
		{name: "empty pattern", rules: matching(attribution.Match{ResourceGroups: []string{"rg", ""}}), path: "rules[0].match.resourceGroups[1]", message: "empty"},
		{name: "pattern with a space", rules: matching(attribution.Match{ResourceGroups: []string{"rg "}}), path: "rules[0].match.resourceGroups[0]", message: "space"},
		{name: "pattern with a control character", rules: matching(attribution.Match{ResourceGroups: []string{"r\x00g"}}), path: "rules[0].match.resourceGroups[0]", message: "control"},
		{name: "character class", rules: matching(attribution.Match{ResourceGroups: []string{"rg-[ab]"}}), path: "rules[0].match.resourceGroups[0]", message: "brackets"},
		{name: "group with its path", rules: matching(attribution.Match{ResourceGroups: []string{"/subscriptions/x/resourceGroups/rg"}}), path: "rules[0].match.resourceGroups[0]", message: "slash"},
		{name: "subscription with its path", excludes: []attribution.Exclude{{Name: "e", Match: attribution.Match{Subscriptions: []string{"/subscriptions/" + subA}}}}, path: "exclude[0].match.subscriptions[0]", message: "slash"},
		{name: "type without a namespace", rules: matching(attribution.Match{ResourceTypes: []string{"virtualMachines"}}), path: "rules[0].match.resourceTypes[0]", message: "no slash"},
		{name: "type with a leading slash", rules: matching(attribution.Match{ResourceTypes: []string{"/Microsoft.Compute/*"}}), path: "rules[0].match.resourceTypes[0]", message: "begins with a slash"},
		{name: "unknown tool", rules: matching(attribution.Match{Tools: []string{"azure-cli", "az"}}), path: "rules[0].match.tools[1]", message: "no known tool"},
		{name: "unknown method", rules: matching(attribution.Match{Methods: []string{"PUSH"}}), path: "rules[0].match.methods[0]", message: "no method"},
		{name: "read in a rule", rules: matching(attribution.Match{Methods: []string{"PUT", "get"}}), path: "rules[0].match.methods[1]", message: "never tagged"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.mode == "" {
				tt.mode = attribution.ModeEnforce
			}
			p, faults := attribution.Compile(tt.mode, tt.rules, tt.excludes)
			if len(faults) != 1 || p != nil {
				t.Fatalf("faults %+v, policy %v; want one fault and no policy", faults, p)
			}
			f := faults[0]
			if f.Path != tt.path || !strings.Contains(f.Message, tt.message) || f.Remedy == "" {
				t.Errorf("fault %+v, want one at %s that says %q, with a remedy", f, tt.path, tt.message)
			}
		})
	}
}

func TestCompileReportsAllFaults(t *testing.T) {
	_, faults := attribution.Compile("x", []attribution.Rule{
		{Match: attribution.Match{Methods: []string{"GET"}, Tools: []string{"x"}}, TrackingIDs: []string{"{pid-pid-x}"}, OnOtherID: "y"},
	}, []attribution.Exclude{{}})
	var paths []string
	for _, f := range faults {
		paths = append(paths, f.Path)
	}
	want := []string{
		"mode", "exclude[0].name", "rules[0].name", "rules[0].match.methods[0]", "rules[0].match.tools[0]",
		"rules[0].trackingIds[0]", "rules[0].trackingIds[0]", "rules[0].trackingIds[0]", "rules[0].onOtherId",
	}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
}

func TestCompileSuggestsTools(t *testing.T) {
	_, faults := attribution.Compile(attribution.ModeEnforce, []attribution.Rule{
		{Name: "r", TrackingIDs: []string{guid}, Match: attribution.Match{Tools: []string{"Terraform-azure"}}},
	}, nil)
	const want = "use one of terraform-azurerm"
	if len(faults) != 1 || faults[0].Remedy != want {
		t.Errorf("faults %+v, want the remedy %q", faults, want)
	}
}

func TestCompileWarnings(t *testing.T) {
	all := attribution.Rule{Name: "all", TrackingIDs: []string{guid}}
	narrow := func(name string, m attribution.Match) attribution.Rule {
		return attribution.Rule{Name: name, TrackingIDs: []string{guid}, Match: m}
	}
	tests := []struct {
		name     string
		rules    []attribution.Rule
		excludes []attribution.Exclude
		want     map[string]string // path → part of the message
	}{
		{name: "none", rules: []attribution.Rule{narrow("a", attribution.Match{Subscriptions: []string{subA}}), all}},
		{name: "sample ID", rules: []attribution.Rule{{Name: "s", TrackingIDs: []string{"b6addd8f-5ff4-4fc0-a2b5-0ec7861106c4"}}}, want: map[string]string{"rules[0].trackingIds[0]": "sample"}},
		{name: "default ID", rules: []attribution.Rule{{Name: "s", TrackingIDs: []string{tf}}}, want: map[string]string{"rules[0].trackingIds[0]": "Terraform"}},
		{name: "several IDs", rules: []attribution.Rule{{Name: "s", TrackingIDs: []string{guid, other}}}, want: map[string]string{"rules[0].trackingIds": "several"}},
		{name: "DELETE", rules: []attribution.Rule{narrow("d", attribution.Match{Methods: []string{"DELETE"}})}, want: map[string]string{"rules[0].match.methods[0]": "no effect"}},
		{name: "subscription that is no GUID", rules: []attribution.Rule{narrow("d", attribution.Match{Subscriptions: []string{"prod", "p*"}})}, want: map[string]string{"rules[0].match.subscriptions[0]": "GUID"}},
		{name: "tool that means less than it says", rules: []attribution.Rule{narrow("t", attribution.Match{Tools: []string{"Terraform", "terraform*", "azure-sdk-go"}})}, want: map[string]string{"rules[0].match.tools[0]": "other than azurerm and azapi"}},
		{name: "exclude of everything", rules: []attribution.Rule{all}, excludes: []attribution.Exclude{{Name: "e"}}, want: map[string]string{"exclude[0].match": "every request", "rules[0]": `exclude "e"`}},
		{name: "rule behind a wider one", rules: []attribution.Rule{all, narrow("n", attribution.Match{Tools: []string{"curl"}})}, want: map[string]string{"rules[1]": `rule "all"`}},
		{name: "rule behind a wider glob", rules: []attribution.Rule{
			narrow("w", attribution.Match{ResourceTypes: []string{"Microsoft.Compute/*"}}),
			narrow("n", attribution.Match{ResourceTypes: []string{"microsoft.compute/virtual*", "Microsoft.Compute/disks"}, Tools: []string{"curl"}}),
		}, want: map[string]string{"rules[1]": `rule "w"`}},
		{name: "rules that only overlap", rules: []attribution.Rule{
			narrow("a", attribution.Match{ResourceTypes: []string{"Microsoft.Compute/v*"}}),
			narrow("b", attribution.Match{ResourceTypes: []string{"Microsoft.Compute/*"}}),
			narrow("c", attribution.Match{ResourceGroups: []string{"rg?"}}),
			narrow("d", attribution.Match{ResourceGroups: []string{"rg*"}}),
			narrow("e", attribution.Match{Methods: []string{"PATCH"}}),
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := policy(t, attribution.ModeEnforce, tt.rules, tt.excludes).Warnings()
			for _, w := range got {
				want, ok := tt.want[w.Path]
				if !ok || !strings.Contains(w.Message, want) || w.Remedy == "" {
					t.Errorf("warning %+v, want %q", w, want)
				}
			}
			if len(got) != len(tt.want) {
				t.Errorf("%d warnings, want %d: %+v", len(got), len(tt.want), got)
			}
		})
	}
}

// TestPolicyKeepsNothingOfItsInput shows that a policy cannot be changed from
// outside once it is compiled.
func TestPolicyKeepsNothingOfItsInput(t *testing.T) {
	rules := []attribution.Rule{{Name: "r", TrackingIDs: []string{guid}, Match: attribution.Match{ResourceGroups: []string{"rg-contoso-*"}}}}
	p := policy(t, attribution.ModeEnforce, rules, nil)
	before := p.Decide(facts("PUT", vmPath))
	rules[0].TrackingIDs[0], rules[0].Match.ResourceGroups[0], rules[0].Name = other, "x", "y"
	if diff := cmp.Diff(before, p.Decide(facts("PUT", vmPath))); diff != "" {
		t.Errorf("the decision changed (-before +after):\n%s", diff)
	}
}
