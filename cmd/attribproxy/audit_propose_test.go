package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/attribproxy/attribproxy/attribution"
)

func TestNamePatterns(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ names, want []string }{
		{[]string{"rg-shop-1", "RG-Shop-22", "rg-shop"}, []string{"rg-shop-*", "rg-shop-*", "rg-shop"}},
		{[]string{"rg1", "rg2"}, []string{"rg1", "rg2"}}, // rg* would match anything
		{[]string{"Alone-7", "alone-7"}, []string{"Alone-7", "Alone-7"}},
		{[]string{"ci-9f86d081-app", "ci-60303ae2-app"}, []string{"ci-*-app", "ci-*-app"}},
		{[]string{"t-11111111-2222-3333-4444-555555555555-data", "t-aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee-data"}, []string{"t-*-data", "t-*-data"}},
		{[]string{"build-deadbeef", "build-facade"}, []string{"build-deadbeef", "build-facade"}}, // words, perhaps
		{[]string{"", ""}, []string{"", ""}},
		{[]string{"123", "456"}, []string{"123", "456"}},
	} {
		patterns := namePatterns(tt.names)
		var got []string
		for _, name := range tt.names {
			got = append(got, patterns[strings.ToLower(name)])
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.names, diff)
		}
	}
}

func TestRuleNamesAreUnique(t *testing.T) {
	t.Parallel()
	taken := map[string]bool{}
	var got []string
	for _, g := range []discoveryGroup{
		{ResourceGroup: "RG (a)_*"}, {ResourceGroup: "rg (a)_*"}, {Subscription: "12345678-0000"}, {Subscription: "1"}, {}, {}, {ResourceGroup: "日本"},
	} {
		got = append(got, ruleName(g, taken))
	}
	want := []string{"rg-a-_", "rg-a-_-2", "subscription-12345678", "subscription-1", "tenant", "tenant-2", "tenant-3"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// What is not a name in Azure becomes no rule: "*" would be one for the whole
// subscription. All that is proposed is a valid configuration.
func TestProposalsAreValid(t *testing.T) {
	t.Parallel()
	const subscription = "11111111-2222-3333-4444-555555555555"
	id, err := attribution.ParseID("pid-3f2504e0-4f89-41d3-9a0c-0305e82c3301")
	if err != nil {
		t.Fatal(err)
	}
	d := &discovery{id: id}
	untagged := map[untaggedKind]*sightings{}
	add := func(subscription, group, resourceType, tool string) {
		k := untaggedKind{string(attribution.OutcomeNoRule), tool, subscription, group, resourceType}
		untagged[k] = &sightings{count: 1, event: fmt.Sprintf("1/%d", len(untagged)+1)}
	}
	const vm = "Microsoft.Compute/virtualMachines"
	odd := []string{"*", "?", "rg-shop-*", "rg-*7", "[x]", "{a,b}", "line\nbreak", " ", "rg ", "a/b", "\u202e", "\ufffd"}
	for _, group := range odd {
		add(subscription, group, vm, "azure-cli")
	}
	add("*", "rg-a", vm, "")
	add(subscription, "rg-a", "*/*", "")
	add(subscription, "rg-a", "nothing", "")
	add(subscription, "rg-a", vm, "*")
	for _, group := range []string{"rg-shop-1", "rg-shop-2", `it's "a" (b): #c, &!%@ - x`, ""} {
		add(subscription, group, vm, "azure-cli")
	}
	d.group(untagged)

	if want := len(odd) + 4; d.LeftOut != want || !strings.Contains(d.text(), fmt.Sprintf("no rule is proposed for %d PUTs", want)) {
		t.Errorf("%d left out, want %d:\n%s", d.LeftOut, want, d.text())
	}
	var groups []string
	var rules []attribution.Rule
	for _, r := range d.Rules {
		groups = append(groups, strings.Join(r.Match.ResourceGroups, ","))
		rules = append(rules, attribution.Rule{Name: r.Name, TrackingIDs: r.TrackingIDs, Match: attribution.Match{
			Subscriptions: r.Match.Subscriptions, ResourceGroups: r.Match.ResourceGroups, ResourceTypes: r.Match.ResourceTypes, Tools: r.Match.Tools,
		}})
	}
	slices.Sort(groups)
	if diff := cmp.Diff([]string{"", `it's "a" (b): #c, &!%@ - x`, "rg-shop-*"}, groups); diff != "" {
		t.Error(diff)
	}
	if _, faults := attribution.Compile(attribution.ModeEnforce, rules, nil); len(faults) > 0 {
		t.Errorf("%v", faults)
	}
}

// What is proposed must be a configuration, however odd the names.
func TestProposedRulesAreYAML(t *testing.T) {
	t.Parallel()
	id, err := attribution.ParseID("pid-3f2504e0-4f89-41d3-9a0c-0305e82c3301")
	if err != nil {
		t.Fatal(err)
	}
	rules := proposeRules([]discoveryGroup{
		{Outcome: "no-rule", ResourceGroup: `a: [b] # "c" 'd' {e}, *&!%@` + "\n- x"},
		{Outcome: "would-attribute", ResourceGroup: "has a rule"},
	}, id)
	if len(rules) != 1 {
		t.Fatalf("%d rules", len(rules))
	}
	var read map[string][]proposedRule
	if err := yaml.Unmarshal([]byte(rulesYAML(rules)), &read); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(rules, read["rules"]); diff != "" {
		t.Error(diff)
	}
	if got := fmt.Sprint(rules[0].TrackingIDs); got != "[pid-3f2504e0-4f89-41d3-9a0c-0305e82c3301]" {
		t.Error(got)
	}
}
