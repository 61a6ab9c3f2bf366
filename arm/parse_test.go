package arm_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/attribproxy/attribproxy/arm"
)

const sub = "11111111-2222-3333-4444-555555555555"

func TestParseTarget(t *testing.T) {
	const rg = "/subscriptions/" + sub + "/resourceGroups/rg1"
	inRG := func(typ, name string) arm.Target {
		return arm.Target{
			Scope: arm.ScopeResourceGroup, Subscription: sub, ResourceGroup: "rg1",
			ResourceType: typ, ResourceName: name, Operation: arm.OperationResource,
		}
	}
	with := func(t arm.Target, change func(*arm.Target)) arm.Target { change(&t); return t }
	deployment := with(inRG("Microsoft.Resources/deployments", "d1"), func(t *arm.Target) { t.Deployment = "d1" })
	vm := inRG("Microsoft.Compute/virtualMachines", "vm1")

	tests := []struct {
		name   string
		method string // PUT if empty
		target string
		path   string // the target before '?' if empty
		want   arm.Target
	}{
		{name: "resource", target: rg + "/providers/Microsoft.Compute/virtualMachines/vm1?api-version=2024-07-01", want: with(vm, func(t *arm.Target) { t.APIVersion = "2024-07-01" })},
		{name: "resource group", target: rg, want: arm.Target{
			Scope: arm.ScopeSubscription, Subscription: sub, ResourceGroup: "rg1",
			ResourceType: "Microsoft.Resources/resourceGroups", ResourceName: "rg1", Operation: arm.OperationResource,
		}},
		{name: "subscription", target: "/subscriptions/" + sub, want: arm.Target{
			Scope: arm.ScopeTenant, Subscription: sub,
			ResourceType: "Microsoft.Resources/subscriptions", ResourceName: sub, Operation: arm.OperationResource,
		}},
		{name: "child resource", target: rg + "/providers/Microsoft.Network/virtualNetworks/v/subnets/s", want: inRG("Microsoft.Network/virtualNetworks/subnets", "v/s")},
		{name: "lower case, as the SDK sends it", target: "/subscriptions/" + sub + "/resourcegroups/rg1/Providers/Microsoft.Compute/virtualMachines/vm1", want: vm},
		{name: "spelling is kept", target: "/SUBSCRIPTIONS/ABC/RESOURCEGROUPS/Rg-1/PROVIDERS/microsoft.compute/VIRTUALMACHINES/Vm", want: arm.Target{
			Scope: arm.ScopeResourceGroup, Subscription: "ABC", ResourceGroup: "Rg-1",
			ResourceType: "microsoft.compute/VIRTUALMACHINES", ResourceName: "Vm", Operation: arm.OperationResource,
		}},

		{name: "deployment in a resource group", target: rg + "/providers/Microsoft.Resources/deployments/d1", want: deployment},
		{name: "deployment in odd case", target: "/subscriptions/" + sub + "/resourcegroups/rg1/providers/microsoft.resources/DEPLOYMENTS/d1", want: with(deployment, func(t *arm.Target) { t.ResourceType = "microsoft.resources/DEPLOYMENTS" })},
		{name: "deployment without a provider, ARM's first form", target: rg + "/deployments/d1", want: deployment},
		{name: "deployment in a subscription", target: "/subscriptions/" + sub + "/providers/Microsoft.Resources/deployments/d1", want: arm.Target{
			Scope: arm.ScopeSubscription, Subscription: sub,
			ResourceType: "Microsoft.Resources/deployments", ResourceName: "d1", Deployment: "d1", Operation: arm.OperationResource,
		}},
		{name: "deployment in a management group", target: "/providers/Microsoft.Management/managementGroups/mg1/providers/Microsoft.Resources/deployments/d1", want: arm.Target{
			Scope: arm.ScopeManagementGroup, ManagementGroup: "mg1",
			ResourceType: "Microsoft.Resources/deployments", ResourceName: "d1", Deployment: "d1", Operation: arm.OperationResource,
		}},
		{name: "deployment in the tenant", target: "/providers/Microsoft.Resources/deployments/d1", want: arm.Target{
			Scope: arm.ScopeTenant, ResourceType: "Microsoft.Resources/deployments", ResourceName: "d1", Deployment: "d1", Operation: arm.OperationResource,
		}},
		{name: "deployment on a resource", target: rg + "/providers/Microsoft.Compute/virtualMachines/vm1/providers/Microsoft.Resources/deployments/d1", want: with(deployment, func(t *arm.Target) { t.Scope = arm.ScopeExtension })},
		{name: "deployment stack", target: rg + "/providers/Microsoft.Resources/deploymentStacks/s1", want: with(inRG("Microsoft.Resources/deploymentStacks", "s1"), func(t *arm.Target) { t.Deployment = "s1" })},
		{name: "deployment's operations", method: "GET", target: rg + "/providers/Microsoft.Resources/deployments/d1/operations", want: with(deployment, func(t *arm.Target) {
			t.ResourceType, t.Operation = "Microsoft.Resources/deployments/operations", arm.OperationCollection
		})},
		{name: "template spec is no deployment", target: rg + "/providers/Microsoft.Resources/deploymentScripts/s1", want: inRG("Microsoft.Resources/deploymentScripts", "s1")},

		{name: "management group", target: "/providers/Microsoft.Management/managementGroups/mg1", want: arm.Target{
			Scope: arm.ScopeTenant, ManagementGroup: "mg1",
			ResourceType: "Microsoft.Management/managementGroups", ResourceName: "mg1", Operation: arm.OperationResource,
		}},
		{name: "subscription in a management group", target: "/providers/Microsoft.Management/managementGroups/mg1/subscriptions/" + sub, want: arm.Target{
			Scope: arm.ScopeTenant, ManagementGroup: "mg1",
			ResourceType: "Microsoft.Management/managementGroups/subscriptions", ResourceName: "mg1/" + sub, Operation: arm.OperationResource,
		}},
		{name: "role assignment on a resource group", target: rg + "/providers/Microsoft.Authorization/roleAssignments/r", want: inRG("Microsoft.Authorization/roleAssignments", "r")},
		{name: "role assignment on a resource", target: rg + "/providers/Microsoft.Compute/virtualMachines/vm1/providers/Microsoft.Authorization/roleAssignments/r", want: with(inRG("Microsoft.Authorization/roleAssignments", "r"), func(t *arm.Target) { t.Scope = arm.ScopeExtension })},
		{name: "names that read like keywords", target: "/subscriptions/" + sub + "/resourceGroups/providers/providers/Microsoft.Resources/deployments/providers", want: arm.Target{
			Scope: arm.ScopeResourceGroup, Subscription: sub, ResourceGroup: "providers",
			ResourceType: "Microsoft.Resources/deployments", ResourceName: "providers", Deployment: "providers", Operation: arm.OperationResource,
		}},

		{name: "validate", method: "POST", target: rg + "/providers/Microsoft.Resources/deployments/d1/validate", want: with(deployment, func(t *arm.Target) { t.Operation, t.Action = arm.OperationAction, "validate" })},
		{name: "action on a resource", method: "POST", target: rg + "/providers/Microsoft.Compute/virtualMachines/vm1/start", want: with(vm, func(t *arm.Target) { t.Operation, t.Action = arm.OperationAction, "start" })},
		{name: "action on a resource group", method: "POST", target: rg + "/exportTemplate", want: arm.Target{
			Scope: arm.ScopeResourceGroup, Subscription: sub, ResourceGroup: "rg1",
			ResourceType: "Microsoft.Resources/resourceGroups", ResourceName: "rg1", Operation: arm.OperationAction, Action: "exportTemplate",
		}},
		{name: "action of a provider", method: "POST", target: "/subscriptions/" + sub + "/providers/Microsoft.Storage/checkNameAvailability", want: arm.Target{
			Scope: arm.ScopeSubscription, Subscription: sub,
			ResourceType: "Microsoft.Storage/checkNameAvailability", Operation: arm.OperationAction, Action: "checkNameAvailability",
		}},
		{name: "batch", method: "POST", target: "/batch?api-version=2020-06-01", want: arm.Target{Scope: arm.ScopeTenant, Operation: arm.OperationBatch, APIVersion: "2020-06-01"}},
		{name: "batch in odd spelling", method: "POST", target: "//%42ATCH/?API-Version=2015-11-01", want: arm.Target{Scope: arm.ScopeTenant, Operation: arm.OperationBatch, APIVersion: "2015-11-01"}},
		{name: "batch that is no POST", method: "PUT", target: "/batch", want: arm.Target{Scope: arm.ScopeTenant, Operation: arm.OperationUnknown}},
		{name: "collection", method: "GET", target: rg + "/providers/Microsoft.Compute/virtualMachines", want: arm.Target{
			Scope: arm.ScopeResourceGroup, Subscription: sub, ResourceGroup: "rg1",
			ResourceType: "Microsoft.Compute/virtualMachines", Operation: arm.OperationCollection,
		}},
		{name: "resource groups", method: "GET", target: "/subscriptions/" + sub + "/resourcegroups", want: arm.Target{
			Scope: arm.ScopeSubscription, Subscription: sub, ResourceType: "Microsoft.Resources/resourceGroups", Operation: arm.OperationCollection,
		}},
		{name: "subscriptions", method: "GET", target: "/subscriptions", want: arm.Target{
			Scope: arm.ScopeTenant, ResourceType: "Microsoft.Resources/subscriptions", Operation: arm.OperationCollection,
		}},
		{name: "providers", method: "GET", target: "/subscriptions/" + sub + "/providers", want: arm.Target{
			Scope: arm.ScopeSubscription, Subscription: sub, ResourceType: "Microsoft.Resources/providers", Operation: arm.OperationCollection,
		}},
		{name: "a provider", method: "GET", target: "/subscriptions/" + sub + "/providers/Microsoft.Compute", want: arm.Target{
			Scope: arm.ScopeSubscription, Subscription: sub, ResourceType: "Microsoft.Resources/providers", ResourceName: "Microsoft.Compute", Operation: arm.OperationResource,
		}},

		{name: "absolute form", target: "https://management.azure.com" + rg + "/providers/Microsoft.Compute/virtualMachines/vm1", path: rg + "/providers/Microsoft.Compute/virtualMachines/vm1", want: vm},
		{name: "absolute form with a password", target: "HTTPS://u:p@management.azure.com" + rg + "/providers/Microsoft.Compute/virtualMachines/vm1", path: rg + "/providers/Microsoft.Compute/virtualMachines/vm1", want: vm},
		{name: "double and trailing slashes", target: "/" + strings.ReplaceAll(rg, "/", "//") + "//providers/Microsoft.Compute/virtualMachines/vm1/", want: vm},
		{name: "dot segments", target: rg + "/../../resourceGroups/./rg1/providers/Microsoft.Compute/virtualMachines/x/%2e%2e/vm1", want: vm},
		{name: "dot segments above the root", target: "/../.." + rg + "/providers/Microsoft.Compute/virtualMachines/vm1", want: vm},
		{name: "percent escapes", target: "/%73ubscriptions/" + sub + "/resourceGroups/%72g1/providers/Microsoft%2ECompute/virtualMachines/vm%31", want: vm},
		{name: "a name with an encoded slash", target: rg + "/providers/Microsoft.Compute/virtualMachines/a%2Fb", want: inRG("Microsoft.Compute/virtualMachines", "a/b")},
		{name: "a scope encoded as a whole", target: "/%2Fsubscriptions%2F" + sub + "%2FresourceGroups%2Frg1/providers/Microsoft.Compute/virtualMachines/vm1", want: vm},
		{name: "encoded slashes within the scope", target: "/subscriptions/" + sub + "%2FresourceGroups%2frg1/providers/Microsoft.Compute/virtualMachines/vm1", want: vm},
		{name: "encoded slashes and dots within the scope", target: "/subscriptions/x%2F..%2F" + sub + "/resourceGroups/%2E%2Frg1/providers/Microsoft.Compute/virtualMachines/vm1", want: vm},
		{name: "malformed escapes stay", target: rg + "/providers/Microsoft.Compute/virtualMachines/vm%zz%", want: inRG("Microsoft.Compute/virtualMachines", "vm%zz%")},
		{name: "a second question mark belongs to the query", target: rg + "/providers/Microsoft.Compute/virtualMachines/vm1?a=?&api-version=1", want: with(vm, func(t *arm.Target) { t.APIVersion = "1" })},
		{name: "secrets in the query are not kept", target: rg + "/providers/Microsoft.Compute/virtualMachines/vm1?sig=secret&api-version=a%20b", want: vm},
		{name: "an overlong api-version is not kept", target: rg + "/providers/Microsoft.Compute/virtualMachines/vm1?api-version=" + strings.Repeat("1", 33), want: vm},

		{name: "root", target: "/", want: arm.Target{Scope: arm.ScopeUnknown, Operation: arm.OperationUnknown}},
		{name: "empty", target: "", want: arm.Target{Scope: arm.ScopeUnknown, Operation: arm.OperationUnknown}},
		{name: "asterisk form", method: "OPTIONS", target: "*", want: arm.Target{Scope: arm.ScopeUnknown, Operation: arm.OperationUnknown}},
		{name: "authority form", method: "CONNECT", target: "management.azure.com:443", want: arm.Target{Scope: arm.ScopeUnknown, Operation: arm.OperationUnknown}},
		{name: "no slash", target: "subscriptions/" + sub, want: arm.Target{Scope: arm.ScopeUnknown, Operation: arm.OperationUnknown}},
		{name: "another API", target: "/v1.0/users/x", want: arm.Target{Scope: arm.ScopeUnknown, Operation: arm.OperationUnknown}},
		{name: "absolute form without a path", target: "https://management.azure.com?api-version=1", path: "/", want: arm.Target{Scope: arm.ScopeUnknown, Operation: arm.OperationUnknown, APIVersion: "1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			method := tt.method
			if method == "" {
				method = "PUT"
			}
			tt.want.Path = tt.path
			if tt.path == "" {
				tt.want.Path, _, _ = strings.Cut(tt.target, "?")
			}
			if diff := cmp.Diff(tt.want, arm.ParseTarget(method, tt.target)); diff != "" {
				t.Errorf("ParseTarget(%s %s) (-want +got):\n%s", method, tt.target, diff)
			}
		})
	}
}

func TestCreatesNothing(t *testing.T) {
	const rg = "/subscriptions/" + sub + "/resourceGroups/rg1"
	tests := []struct {
		method, target string
		want           bool
	}{
		{"POST", rg + "/providers/Microsoft.Resources/deployments/d/validate", true},
		{"POST", rg + "/providers/Microsoft.Resources/deployments/d/whatIf", true},
		{"POST", rg + "/providers/Microsoft.Resources/deployments/d/WHATIF", true},
		{"POST", rg + "/providers/Microsoft.Resources/deployments/d/cancel", true},
		{"POST", rg + "/providers/Microsoft.Resources/deployments/d/exportTemplate", true},
		{"POST", rg + "/exportTemplate", true},
		{"POST", rg + "/validateMoveResources", true},
		{"POST", rg + "/providers/Microsoft.Storage/storageAccounts/s/listKeys", true},
		{"POST", "/subscriptions/" + sub + "/providers/Microsoft.Storage/checkNameAvailability", true},
		{"POST", "/providers/Microsoft.Resources/calculateTemplateHash", true},
		{"POST", rg + "/providers/Microsoft.Compute/virtualMachines/vm/capture", false},
		{"POST", rg + "/moveResources", false},
		{"PUT", rg + "/providers/Microsoft.Resources/deployments/validate", false},
		{"PUT", rg + "/providers/Microsoft.Resources/deployments/d", false},
		{"POST", rg + "/providers/Microsoft.X/lists/list", false},
	}
	for _, tt := range tests {
		if got := arm.ParseTarget(tt.method, tt.target).CreatesNothing(); got != tt.want {
			t.Errorf("%s %s creates nothing: %v, want %v", tt.method, tt.target, got, tt.want)
		}
	}
}
