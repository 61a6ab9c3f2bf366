package main

import (
	"fmt"
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
