package fakecloud

import (
	"net/http"
	"strings"
)

// isProviders matches the provider registry, which stands directly below a
// subscription or at the root, and not resources that a provider has there.
func (r armRequest) isProviders() bool {
	for _, p := range []string{"/providers", "/providers/*", "/subscriptions/*/providers", "/subscriptions/*/providers/*", "/subscriptions/*/providers/*/register", "/subscriptions/*/providers/*/unregister"} {
		if r.is(p) {
			return true
		}
	}
	return false
}

// providers answers the registry: every provider exists and is registered.
// https://learn.microsoft.com/rest/api/resources/providers
func (c *Cloud) providers(w http.ResponseWriter, r armRequest) {
	at := 0 // of "providers"
	if r.parts[0] == "subscriptions" {
		at = 2
	}
	prefix := strings.Join(strings.Split(r.path, "/")[:at+2], "/")
	if len(r.parts) == at+1 {
		var found []object
		for _, namespace := range []string{"Microsoft.Resources", "Microsoft.Compute", "Microsoft.Network", "Microsoft.Storage"} {
			found = append(found, provider(prefix, namespace))
		}
		writeJSON(w, http.StatusOK, list(found...))
		return
	}
	writeJSON(w, http.StatusOK, provider(prefix, r.segment(at+1)))
}

func provider(prefix, namespace string) object {
	types := map[string][]string{
		"microsoft.resources": {"resourceGroups", "deployments", "deploymentStacks", "tags"},
		"microsoft.compute":   {"virtualMachines", "disks", "availabilitySets"},
		"microsoft.network":   {"virtualNetworks", "networkInterfaces", "publicIPAddresses"},
		"microsoft.storage":   {"storageAccounts"},
	}[strings.ToLower(namespace)]
	resourceTypes := []object{}
	for _, t := range types {
		resourceTypes = append(resourceTypes, object{
			"resourceType": t, "locations": []string{"West Europe", "North Europe"},
			"apiVersions": []string{"2023-01-01", "2021-04-01"}, "capabilities": "SupportsTags, SupportsLocation",
		})
	}
	return object{
		"id": prefix + "/" + namespace, "namespace": namespace,
		"registrationState": "Registered", "registrationPolicy": "RegistrationRequired", "resourceTypes": resourceTypes,
	}
}
