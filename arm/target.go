package arm

import "strings"

// Scope is the level of Azure's hierarchy that a request's target lives at.
type Scope string

// The scopes. A resource group lives at subscription scope, a subscription and
// a management group at tenant scope; [ScopeExtension] is a resource attached
// to another resource (`…/providers/A/b/c/providers/D/e/f`).
const (
	ScopeTenant          Scope = "tenant"
	ScopeManagementGroup Scope = "managementGroup"
	ScopeSubscription    Scope = "subscription"
	ScopeResourceGroup   Scope = "resourceGroup"
	ScopeExtension       Scope = "extension"
	ScopeUnknown         Scope = "unknown"
)

// Operation is the kind of thing a request's target is.
type Operation string

// The operations.
const (
	// OperationResource addresses one resource: …/{type}/{name}.
	OperationResource Operation = "resource"
	// OperationAction is a POST of a verb: …/{type}/{name}/{verb}.
	OperationAction Operation = "action"
	// OperationBatch is POST /batch, which carries other requests in its body.
	OperationBatch Operation = "batch"
	// OperationCollection addresses all resources of a type: …/{type}.
	OperationCollection Operation = "collection"
	// OperationUnknown is a target that is none of these.
	OperationUnknown Operation = "unknown"
)

// Target is what a request target says.
type Target struct {
	// Path is the path as received: still encoded, never with a query.
	Path string
	// APIVersion is the api-version query value, the only one ever kept; ""
	// unless it is made of 1 to 32 of [A-Za-z0-9.-].
	APIVersion string
	// Scope is the level the target lives at.
	Scope Scope
	// Subscription, ManagementGroup and ResourceGroup are the names in the path,
	// percent-decoded and otherwise as spelled; "" where the path has none.
	Subscription    string
	ManagementGroup string
	ResourceGroup   string
	// ResourceType is the full type, e.g. "Microsoft.Compute/virtualMachines",
	// "Microsoft.Resources/resourceGroups" or "Microsoft.Resources/deployments".
	ResourceType string
	// ResourceName is the name, "vm1", with its parents' before it: "vnet/subnet".
	ResourceName string
	// Deployment is the name of the deployment or deployment stack that the
	// target is or belongs to, else "".
	Deployment string
	// Operation is the kind of target.
	Operation Operation
	// Action is the verb of an [OperationAction]: "validate", "listKeys".
	Action string
}

// CreatesNothing reports whether the target is an action that is known to
// create nothing: it validates, foresees, cancels, exports, lists or checks.
// Other actions may create something ("capture", "clone") and are left to the
// rules.
func (t Target) CreatesNothing() bool {
	if t.Operation != OperationAction {
		return false
	}
	action := strings.ToLower(t.Action)
	switch action {
	case "whatif", "cancel", "exporttemplate", "calculatetemplatehash", "register", "unregister":
		return true
	}
	for _, prefix := range []string{"list", "check", "validate", "get"} {
		if strings.HasPrefix(action, prefix) {
			return true
		}
	}
	return false
}
