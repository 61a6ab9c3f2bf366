package arm_test

import (
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	azarm "github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"pgregory.net/rapid"

	"github.com/attribproxy/attribproxy/arm"
)

// resourceID draws a well-formed resource ID.
func resourceID() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		name := rapid.StringMatching(`[A-Za-z0-9_()][A-Za-z0-9._()-]{0,8}[A-Za-z0-9_()]`)
		typ := rapid.StringMatching(`[a-zA-Z]{1,10}`).Filter(func(s string) bool {
			switch strings.ToLower(s) { // keywords, on which neither parser need agree
			case "providers", "deployments", "locations", "subscriptions":
				return false
			}
			return true
		})
		var b strings.Builder
		switch rapid.IntRange(0, 3).Draw(t, "scope") {
		case 1:
			b.WriteString("/providers/Microsoft.Management/managementGroups/" + name.Draw(t, "mg"))
		case 2:
			b.WriteString("/subscriptions/" + name.Draw(t, "sub"))
		case 3:
			b.WriteString("/subscriptions/" + name.Draw(t, "sub") + rapid.SampledFrom([]string{"/resourceGroups/", "/resourcegroups/"}).Draw(t, "key") + name.Draw(t, "rg"))
		}
		for range rapid.IntRange(1, 3).Draw(t, "providers") {
			b.WriteString("/providers/Microsoft." + typ.Draw(t, "namespace"))
			for range rapid.IntRange(1, 3).Draw(t, "types") {
				b.WriteString("/" + typ.Draw(t, "type") + "/" + name.Draw(t, "name"))
			}
		}
		return b.String()
	})
}

// TestParseTargetAgreesWithSDK holds the parser against the SDK's on everything
// that is a well-formed resource ID.
func TestParseTargetAgreesWithSDK(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := resourceID().Draw(t, "id")
		want, err := azarm.ParseResourceID(id)
		if err != nil {
			t.Fatalf("the SDK cannot read %q: %v", id, err)
		}
		got := arm.ParseTarget("PUT", id+"?api-version=2024-01-01")
		last := got.ResourceName[strings.LastIndex(got.ResourceName, "/")+1:]
		if got.ResourceType != want.ResourceType.String() || last != want.Name ||
			got.Subscription != want.SubscriptionID || got.ResourceGroup != want.ResourceGroupName {
			t.Fatalf("%q reads as %+v, the SDK has type %q name %q subscription %q group %q",
				id, got, want.ResourceType, want.Name, want.SubscriptionID, want.ResourceGroupName)
		}
		if got.Operation != arm.OperationResource {
			t.Fatalf("%q is a %s, want a resource", id, got.Operation)
		}
	})
}

// TestParseTargetIgnoresSpelling shows that no spelling of a path hides what it
// addresses: an exclude must not be evaded by an escape or a double slash.
func TestParseTargetIgnoresSpelling(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := resourceID().Draw(t, "id")
		want := arm.ParseTarget("PUT", id)
		var b strings.Builder
		for segment := range strings.SplitSeq(id[1:], "/") {
			b.WriteString(strings.Repeat("/", rapid.IntRange(1, 2).Draw(t, "slashes")))
			if rapid.Bool().Draw(t, "dots") {
				b.WriteString(rapid.SampledFrom([]string{"./", "x/../", "%2E/", "y/%2e./"}).Draw(t, "dot segment"))
			}
			for i := range len(segment) {
				if rapid.Bool().Draw(t, "escape") {
					const digits = "0123456789ABCDEF"
					b.WriteString("%" + string(digits[segment[i]>>4]) + string(digits[segment[i]&15]))
				} else {
					b.WriteByte(segment[i])
				}
			}
		}
		got := arm.ParseTarget("PUT", b.String())
		got.Path = want.Path
		if got != want {
			t.Fatalf("%q reads as %+v, want as %q: %+v", b.String(), got, id, want)
		}
	})
}

func FuzzParseTarget(f *testing.F) {
	for _, s := range []string{
		"/subscriptions/s/resourceGroups/r/providers/Microsoft.Compute/virtualMachines/v?api-version=2024-07-01",
		"/providers/Microsoft.Management/managementGroups/m/providers/Microsoft.Resources/deployments/d",
		"/subscriptions/s/resourcegroups/r/deployments/d/validate",
		"/subscriptions/s/providers/a/providers/b/providers/c",
		"/batch", "//batch", "*", "", "/", "/%", "/%2f", "/%2f%2f/x", "/../..", "https://u:p@h", "http://h?x", "://", "/subscriptions//..//providers",
		"/subscriptions/s/resourceGroups/r/providers/x/y/z/providers", "/a?api-version=%32&api-version=3", "/\xff/%ff/\x00",
	} {
		f.Add("PUT", s)
		f.Add("POST", s)
	}
	f.Fuzz(func(t *testing.T, method, target string) {
		got := arm.ParseTarget(method, target)
		if strings.Contains(got.Path, "?") {
			t.Fatalf("path %q holds a query", got.Path)
		}
		if !strings.Contains(target, got.Path) && got.Path != "/" {
			t.Fatalf("path %q is not what was received: %q", got.Path, target)
		}
		if got.Scope == "" || got.Operation == "" {
			t.Fatalf("%q: scope %q, operation %q", target, got.Scope, got.Operation)
		}
		if len(got.APIVersion) > 32 || url.QueryEscape(got.APIVersion) != got.APIVersion || !utf8.ValidString(got.APIVersion) {
			t.Fatalf("%q: api-version %q", target, got.APIVersion)
		}
		if (got.Action != "") != (got.Operation == arm.OperationAction) {
			t.Fatalf("%q: operation %q with action %q", target, got.Operation, got.Action)
		}
		if (got.ResourceType == "") && got.ResourceName != "" {
			t.Fatalf("%q: name %q without a type", target, got.ResourceName)
		}
		if got.CreatesNothing() && got.Operation != arm.OperationAction {
			t.Fatalf("%q: a %s creates nothing", target, got.Operation)
		}
	})
}

func BenchmarkParseTarget(b *testing.B) {
	const target = "/subscriptions/" + sub + "/resourceGroups/rg1/providers/Microsoft.Compute/virtualMachines/vm1?api-version=2024-07-01"
	b.ReportAllocs()
	for b.Loop() {
		arm.ParseTarget("PUT", target)
	}
}

// BenchmarkParseTargetLong shows that the cost rises in step with the length:
// the target comes from outside.
func BenchmarkParseTargetLong(b *testing.B) {
	target := "/subscriptions/s/providers/a" + strings.Repeat("/type/name", 10_000)
	b.SetBytes(int64(len(target)))
	for b.Loop() {
		arm.ParseTarget("PUT", target)
	}
}
