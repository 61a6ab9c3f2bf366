package arm

import (
	"net/http"
	"net/url"
	"strings"
)

const (
	resourcesNamespace = "Microsoft.Resources"
	typeSubscriptions  = resourcesNamespace + "/subscriptions"
	typeResourceGroups = resourcesNamespace + "/resourceGroups"
	typeProviders      = resourcesNamespace + "/providers"
	typeDeployments    = resourcesNamespace + "/deployments"
	typeStacks         = resourcesNamespace + "/deploymentStacks"
	typeManagementGrp  = "Microsoft.Management/managementGroups"
)

// ParseTarget reads a request target as it stands on the wire, usually
// "/subscriptions/…?api-version=…". It takes the absolute form and leading
// double slashes too, reads all keywords without case, ignores empty segments
// and resolves "." and ".." as the origin will. It never fails: what it cannot
// read has [ScopeUnknown] and [OperationUnknown].
//
// The grammar is that of the SDK's arm.ParseResourceID, on which tests hold the
// two together. That function cannot serve here because a request is not always
// a resource ID (actions, collections, /batch), it is read before percent
// escapes are resolved, and its cost rises with the square of the path's length.
func ParseTarget(method, requestTarget string) Target {
	path, query, _ := strings.Cut(requestTarget, "?")
	path = originForm(path)
	t := Target{
		Path:       path,
		APIVersion: apiVersion(query),
		Scope:      ScopeUnknown,
		Operation:  OperationUnknown,
	}
	if !strings.HasPrefix(path, "/") {
		return t
	}
	t.read(method, segments(path))
	return t
}

// originForm takes scheme and authority (which may hold credentials) off a
// target in absolute form, RFC 9112 §3.2.2.
func originForm(target string) string {
	scheme, rest, ok := strings.Cut(target, "://")
	if !ok || !strings.EqualFold(scheme, "https") && !strings.EqualFold(scheme, "http") {
		return target
	}
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		return rest[i:]
	}
	return "/"
}

// apiVersion finds the api-version in a query.
func apiVersion(query string) string {
	for pair := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(pair, "=")
		if !strings.EqualFold(unescape(key), "api-version") {
			continue
		}
		value = unescape(value)
		if len(value) == 0 || len(value) > 32 {
			return ""
		}
		for i := range len(value) {
			if c := value[i]; !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-') {
				return ""
			}
		}
		return value
	}
	return ""
}

// unescape decodes percent escapes; a malformed string stays as it is.
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	if decoded, err := url.PathUnescape(s); err == nil {
		return decoded
	}
	return s
}

// segments splits a path into decoded segments, without empty ones and with
// "." and ".." resolved (RFC 3986 §5.2.4), so that no spelling of a path hides
// the subscription it leads to. For the same reason an encoded slash separates
// where no name can hold one: some clients encode a whole scope, as in
// "/%2Fsubscriptions%2F…/providers/…".
func segments(path string) []string {
	out := make([]string, 0, strings.Count(path, "/"))
	for raw := range strings.SplitSeq(path, "/") {
		s := unescape(raw)
		if !inScope(out) || !strings.Contains(s, "/") {
			out = appendSegment(out, s)
			continue
		}
		for part := range strings.SplitSeq(s, "/") {
			out = appendSegment(out, part)
		}
	}
	return out
}

// inScope reports whether the segment that follows is one of
// subscriptions/{id}/resourceGroups/{name}, which hold no slashes.
func inScope(before []string) bool {
	return len(before) == 0 || len(before) < 4 && strings.EqualFold(before[0], "subscriptions")
}

func appendSegment(segs []string, s string) []string {
	switch s {
	case "", ".":
		return segs
	case "..":
		return segs[:max(len(segs)-1, 0)]
	}
	return append(segs, s)
}

// read fills t from the segments of its path.
func (t *Target) read(method string, segs []string) {
	switch {
	case len(segs) == 0:
		return
	case len(segs) == 1 && strings.EqualFold(segs[0], "batch"):
		t.Scope = ScopeTenant
		if method == http.MethodPost {
			t.Operation = OperationBatch
		}
		return
	case strings.EqualFold(segs[0], "subscriptions"):
		t.readSubscription(method, segs)
	case strings.EqualFold(segs[0], "providers"):
		t.Scope = ScopeTenant
		if len(segs) >= 4 && strings.EqualFold(segs[1], "Microsoft.Management") && strings.EqualFold(segs[2], "managementGroups") {
			t.ManagementGroup = segs[3]
			if len(segs) > 4 && strings.EqualFold(segs[4], "providers") {
				t.Scope = ScopeManagementGroup
				segs = segs[4:]
			}
		}
		t.readProviders(method, segs)
	}
	if hasType(t.ResourceType, typeDeployments) || hasType(t.ResourceType, typeStacks) {
		t.Deployment, _, _ = strings.Cut(t.ResourceName, "/")
	}
}

// hasType reports whether typ is base or a type below it.
func hasType(typ, base string) bool {
	return len(typ) >= len(base) && strings.EqualFold(typ[:len(base)], base) &&
		(len(typ) == len(base) || typ[len(base)] == '/')
}

// readSubscription reads /subscriptions[/{id}[/…]].
func (t *Target) readSubscription(method string, segs []string) {
	t.Scope = ScopeTenant // where subscriptions live
	t.ResourceType = typeSubscriptions
	if len(segs) == 1 {
		t.finish(method, nil, "")
		return
	}
	t.Subscription = segs[1]
	rest := segs[2:]
	if len(rest) >= 1 && strings.EqualFold(rest[0], "resourceGroups") {
		t.Scope = ScopeSubscription
		t.ResourceType = typeResourceGroups
		if len(rest) == 1 {
			t.finish(method, nil, "")
			return
		}
		t.ResourceGroup = rest[1]
		rest = rest[2:]
		if len(rest) > 0 {
			t.Scope = ScopeResourceGroup
		}
		t.readChildren(method, []string{t.ResourceGroup}, rest)
		return
	}
	if len(rest) > 0 {
		t.Scope = ScopeSubscription
	}
	t.readChildren(method, []string{t.Subscription}, rest)
}

// readChildren reads what follows a subscription or a resource group, whose own
// type and name are already known.
func (t *Target) readChildren(method string, names, rest []string) {
	if len(rest) > 0 && strings.EqualFold(rest[0], "providers") {
		t.readProviders(method, rest)
		return
	}
	// ARM still takes its first API's form without a provider:
	// /subscriptions/{id}/resourcegroups/{rg}/deployments/{name}.
	if len(rest) > 0 && strings.EqualFold(rest[0], "deployments") {
		t.ResourceType = resourcesNamespace
		names = nil
	}
	t.readPairs(method, names, rest)
}

// readProviders reads segments that start with "providers".
func (t *Target) readProviders(method string, segs []string) {
	t.ResourceType = typeProviders
	switch len(segs) {
	case 1: // …/providers
		t.finish(method, nil, "")
	case 2: // …/providers/Microsoft.Compute
		t.finish(method, segs[1:], "")
	default:
		t.ResourceType = segs[1]
		t.readPairs(method, nil, segs[2:])
	}
}

// readPairs reads {type}/{name}/{type}/{name}…, where the last type may lack a
// name, or be a verb, and where "providers" begins an extension resource.
func (t *Target) readPairs(method string, names, segs []string) {
	var typ strings.Builder // adding strings would be quadratic
	typ.WriteString(t.ResourceType)
	for len(segs) > 1 {
		if strings.EqualFold(segs[0], "providers") {
			t.Scope = ScopeExtension
			t.readProviders(method, segs)
			return
		}
		typ.WriteString("/" + segs[0])
		names = append(names, segs[1])
		segs = segs[2:]
	}
	t.ResourceType = typ.String()
	last := ""
	if len(segs) == 1 {
		last = segs[0]
	}
	t.finish(method, names, last)
}

// finish decides what a path is that ends in the odd segment last ("" if none).
func (t *Target) finish(method string, names []string, last string) {
	t.ResourceName = strings.Join(names, "/")
	switch {
	case last == "" && len(names) == 0:
		t.Operation = OperationCollection
	case last == "":
		t.Operation = OperationResource
	case method == http.MethodPost:
		t.Operation, t.Action = OperationAction, last
		if len(names) == 0 { // …/providers/Microsoft.Storage/checkNameAvailability
			t.ResourceType += "/" + last
		}
	default:
		t.Operation = OperationCollection
		t.ResourceType += "/" + last
	}
}
