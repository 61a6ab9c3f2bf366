package attribution_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/attribproxy/attribproxy/attribution"
)

func TestExplain(t *testing.T) {
	p := policy(t, attribution.ModeEnforce, []attribution.Rule{
		{Name: "terraform", TrackingIDs: []string{guid}, Match: attribution.Match{Tools: []string{"terraform-*"}, ResourceGroups: []string{"rg-x", "rg-y"}}},
		{Name: "contoso", TrackingIDs: []string{guid}, Match: attribution.Match{ResourceGroups: []string{"rg-contoso-*"}}},
		{Name: "rest", TrackingIDs: []string{other}},
	}, []attribution.Exclude{{Name: "opt-out", Match: attribution.Match{Subscriptions: []string{subB}}}})

	got := p.Explain(facts("PUT", vmPath, "x/1"))
	put := attribution.Check{Field: "methods", Value: "PUT", Patterns: []string{"PUT"}, Matched: true}
	want := []attribution.Step{
		{
			Kind: attribution.StepExclude, Index: 0, Name: "opt-out", Reason: `does not match: subscription "` + subA + `" is not ` + subB,
			Checks: []attribution.Check{{Field: "subscriptions", Value: subA, Patterns: []string{subB}}},
		},
		{
			Kind: attribution.StepRule, Index: 0, Name: "terraform",
			Reason: `does not match: resource group "rg-contoso-1" is none of rg-x, rg-y; the User-Agent shows no known tool, and so not terraform-*`,
			Checks: []attribution.Check{
				put,
				{Field: "resourceGroups", Value: "rg-contoso-1", Patterns: []string{"rg-x", "rg-y"}},
				{Field: "tools", Patterns: []string{"terraform-*"}},
			},
		},
		{
			Kind: attribution.StepRule, Index: 1, Name: "contoso", Matched: true, Decided: true, Reason: "matches",
			Checks: []attribution.Check{put, {Field: "resourceGroups", Value: "rg-contoso-1", Patterns: []string{"rg-contoso-*"}, Matched: true}},
		},
		{
			Kind: attribution.StepRule, Index: 2, Name: "rest", Matched: true, Reason: `would match, but rule "contoso" decided`,
			Checks: []attribution.Check{put},
		},
	}
	if diff := cmp.Diff(want, got.Steps); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	if got.Before != "x/1" || got.After != "x/1 "+token || got.Would != "" {
		t.Errorf("before %q, after %q, would %q", got.Before, got.After, got.Would)
	}
}

func TestExplainRead(t *testing.T) {
	p := policy(t, attribution.ModeEnforce, []attribution.Rule{{Name: "all", TrackingIDs: []string{guid}, Match: attribution.Match{Methods: []string{"*"}}}}, nil)
	got := p.Explain(facts("GET", vmPath))
	if s := got.Steps[0]; s.Reason != "would match, but reads are never tagged" || s.Decided {
		t.Errorf("step %+v", s)
	}
}

func TestExplainObserve(t *testing.T) {
	p := policy(t, attribution.ModeObserve, []attribution.Rule{{Name: "all", TrackingIDs: []string{guid}}}, nil)
	got := p.Explain(facts("PUT", vmPath, "x"))
	if got.Before != "x" || got.After != "x" || got.Would != "x "+token {
		t.Errorf("before %q, after %q, would %q", got.Before, got.After, got.Would)
	}
}
