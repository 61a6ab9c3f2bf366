package attribution_test

import (
	"fmt"

	"github.com/attribproxy/attribproxy/arm"
	"github.com/attribproxy/attribproxy/attribution"
)

func ExamplePolicy_Decide() {
	policy, faults := attribution.Compile(attribution.ModeEnforce, []attribution.Rule{{
		Name:        "contoso",
		Match:       attribution.Match{ResourceGroups: []string{"rg-contoso-*"}},
		TrackingIDs: []string{"3f2504e0-4f89-41d3-9a0c-0305e82c3301"},
	}}, nil)
	if len(faults) > 0 {
		fmt.Println(faults)
		return
	}
	d := policy.Decide(attribution.Facts{
		Method:    "PUT",
		Target:    arm.ParseTarget("PUT", "/subscriptions/s/resourceGroups/rg-contoso-1?api-version=2021-04-01"),
		UserAgent: []string{"curl/8.0"},
	})
	fmt.Println(d.Outcome)
	fmt.Println(d.Reason)
	fmt.Println(d.UserAgent)
	// Output:
	// attributed
	// rule "contoso" matched: its ID was added
	// curl/8.0 pid-3f2504e0-4f89-41d3-9a0c-0305e82c3301
}

func ExampleParseID() {
	_, err := attribution.ParseID("pid-eb7927c8-dd66-43e1-b0cf-c346a42206")
	fmt.Println(err)
	// Output: tracking ID "pid-eb7927c8-dd66-43e1-b0cf-c346a42206" looks like a GUID but its last group has 10 digits instead of 12
}
