package fakecloud

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
)

// armRequest is a request to ARM with its path taken apart.
type armRequest struct {
	*http.Request
	path  string   // decoded, no trailing slash, as spelled
	parts []string // its segments, in lower case
	body  []byte
}

func newARMRequest(r *http.Request) armRequest {
	body, _ := io.ReadAll(r.Body) // a reader on the recorded bytes
	p := strings.TrimRight(r.URL.Path, "/")
	parts := strings.Split(strings.ToLower(strings.TrimLeft(p, "/")), "/")
	return armRequest{Request: r, path: p, parts: parts, body: body}
}

// is matches the path against a pattern in lower case; "*" stands for one segment.
func (r armRequest) is(pattern string) bool {
	return strings.Count(pattern, "/") == len(r.parts) && r.starts(pattern)
}

// starts is is for the beginning of the path.
func (r armRequest) starts(pattern string) bool {
	want := strings.Split(strings.TrimPrefix(pattern, "/"), "/")
	if len(want) > len(r.parts) {
		return false
	}
	for i, w := range want {
		if w != r.parts[i] && (w != "*" || r.parts[i] == "") {
			return false
		}
	}
	return true
}

// segment gives a segment as it was spelled.
func (r armRequest) segment(i int) string {
	return strings.Split(strings.TrimLeft(r.path, "/"), "/")[i]
}

// last is the path's last segment as it was spelled.
func (r armRequest) last() string { return r.segment(len(r.parts) - 1) }

// object decodes the body. Not every body is JSON: the Azure CLI sends
// templates with a bare key and comments; see deploymentBody.
func (r armRequest) object() object {
	var o object
	if json.Unmarshal(r.body, &o) != nil || o == nil {
		o = object{}
	}
	return o
}

// serveARM answers as Resource Manager.
func (c *Cloud) serveARM(w http.ResponseWriter, hr *http.Request) {
	r := newARMRequest(hr)
	if r.is("/metadata/endpoints") {
		c.endpoints(w)
		return
	}
	scheme, token, _ := strings.Cut(hr.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || strings.TrimSpace(token) == "" {
		w.Header().Set("WWW-Authenticate", `Bearer authorization_uri="https://`+signInHosts[0]+`/`+TenantID+`", error="invalid_token", error_description="The authentication failed because of missing 'Authorization' header."`)
		writeError(w, http.StatusUnauthorized, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
		return
	}
	if !hr.URL.Query().Has("api-version") {
		writeError(w, http.StatusBadRequest, "MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required for all requests.")
		return
	}
	switch {
	case r.is("/batch"):
		c.batch(w, r)
	case r.is("/tenants"):
		writeJSON(w, http.StatusOK, list(object{"id": "/tenants/" + TenantID, "tenantId": TenantID, "displayName": "Fake tenant", "tenantCategory": "Home"}))
	case r.is("/subscriptions"):
		writeJSON(w, http.StatusOK, list(subscription(SubscriptionID)))
	case r.is("/subscriptions/*"):
		writeJSON(w, http.StatusOK, subscription(r.segment(1)))
	case r.is("/subscriptions/*/locations"):
		writeJSON(w, http.StatusOK, list(object{"id": r.path + "/westeurope", "name": "westeurope", "displayName": "West Europe"}))
	case slices.Contains(r.parts, "operationresults"):
		c.operationResult(w, r)
	case slices.Contains(r.parts, "operationstatuses"):
		c.operationStatus(w, r)
	case r.isProviders():
		c.providers(w, r)
	case r.is("/subscriptions/*/resourcegroups"), r.is("/subscriptions/*/resourcegroups/*"), r.is("/subscriptions/*/resourcegroups/*/exporttemplate"):
		c.resourceGroups(w, r)
	case r.is("/subscriptions/*/resources"), r.is("/subscriptions/*/resourcegroups/*/resources"):
		c.listResources(w, r)
	case r.deployment() > 0:
		c.deployments(w, r)
	case slices.Contains(r.parts, "providers"):
		c.resources(w, r)
	default:
		writeError(w, http.StatusNotFound, "InvalidResourceType", "The fake cloud has no "+r.path+".")
	}
}

func (c *Cloud) endpoints(w http.ResponseWriter) {
	arm := "https://" + c.opts.Hosts[0]
	writeJSON(w, http.StatusOK, object{
		"portal":          "https://portal.azure.com",
		"resourceManager": arm,
		"authentication": object{
			"loginEndpoint":    "https://" + signInHosts[0],
			"audiences":        []string{arm, "https://management.core.windows.net/"},
			"tenant":           "common",
			"identityProvider": "AAD",
		},
		"name": "AzureCloud",
	})
}

func subscription(id string) object {
	return object{
		"id": "/subscriptions/" + id, "subscriptionId": id, "tenantId": TenantID,
		"displayName": "Fake subscription", "state": "Enabled", "authorizationSource": "RoleBased",
		"subscriptionPolicies": object{"locationPlacementId": "Public_2014-09-01", "quotaId": "Fake_2014-09-01", "spendingLimit": "Off"},
		"managedByTenants":     []any{},
	}
}

func list[T any](items ...T) object {
	if items == nil {
		items = []T{}
	}
	return object{"value": items}
}
