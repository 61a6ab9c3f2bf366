package fakecloud

import (
	"maps"
	"net/http"
	"strings"
)

// resourceGroups answers for resource groups.
// https://learn.microsoft.com/rest/api/resources/resource-groups
func (c *Cloud) resourceGroups(w http.ResponseWriter, r armRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(r.parts) == 3 {
		writeJSON(w, http.StatusOK, list(c.state.list(r.path+"/", func(id string) bool { return strings.Count(id, "/") == 4 })...))
		return
	}
	id := "/subscriptions/" + r.segment(1) + "/resourceGroups/" + r.segment(3)
	group, exists := c.state.get(id)
	if !exists && r.Method != http.MethodPut {
		writeError(w, http.StatusNotFound, "ResourceGroupNotFound", "Resource group '"+r.segment(3)+"' could not be found.")
		return
	}
	switch {
	case len(r.parts) == 5: // exportTemplate
		writeJSON(w, http.StatusOK, object{"template": object{"contentVersion": "1.0.0.0", "resources": []any{}}})
	case r.Method == http.MethodPut:
		body := r.object()
		if location, _ := body["location"].(string); location == "" {
			writeError(w, http.StatusBadRequest, "LocationRequired", "The location property is required for this definition.")
			return
		}
		c.store(w, id, r.segment(3), "Microsoft.Resources/resourceGroups", body)
	case r.Method == http.MethodPatch:
		writeJSON(w, http.StatusOK, c.merge(id, group, r.object()))
	case r.Method == http.MethodHead:
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodDelete:
		c.state.remove(id)
		c.accept(w, r, "/subscriptions/"+r.segment(1), nil)
	case r.Method == http.MethodGet:
		writeJSON(w, http.StatusOK, group)
	default:
		notAllowed(w, r)
	}
}

// resources answers for any resource of any provider, extension resources and
// resources without a resource group included. An action (POST) answers 200
// with an empty object.
// https://learn.microsoft.com/rest/api/resources/resources
func (c *Cloud) resources(w http.ResponseWriter, r armRequest) {
	kind, name, collection := r.typeAndName()
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Method == http.MethodPost {
		writeJSON(w, http.StatusOK, object{})
		return
	}
	if collection {
		if r.Method != http.MethodGet {
			notAllowed(w, r)
			return
		}
		depth := len(r.parts) + 1
		writeJSON(w, http.StatusOK, list(c.state.list(r.path+"/", func(id string) bool { return strings.Count(id, "/") == depth })...))
		return
	}
	if !c.groupExists(w, r) {
		return
	}
	stored, exists := c.state.get(r.path)
	switch r.Method {
	case http.MethodPut:
		c.store(w, r.path, name, kind, r.object())
	case http.MethodDelete:
		if c.state.remove(r.path) {
			w.WriteHeader(http.StatusOK)
		} else {
			w.WriteHeader(http.StatusNoContent)
		}
	case http.MethodGet, http.MethodHead, http.MethodPatch:
		switch {
		case !exists:
			writeError(w, http.StatusNotFound, "ResourceNotFound", "The Resource '"+kind+"/"+name+"' was not found.")
		case r.Method == http.MethodHead:
			w.WriteHeader(http.StatusNoContent)
		case r.Method == http.MethodPatch:
			writeJSON(w, http.StatusOK, c.merge(r.path, stored, r.object()))
		default:
			writeJSON(w, http.StatusOK, stored)
		}
	default:
		notAllowed(w, r)
	}
}

// listResources answers the flat list of a subscription or a resource group.
func (c *Cloud) listResources(w http.ResponseWriter, r armRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	prefix := strings.TrimSuffix(strings.ToLower(r.path), "resources")
	writeJSON(w, http.StatusOK, list(c.state.list(prefix, func(id string) bool {
		return strings.Contains(id, "/providers/") && !strings.Contains(id, "/providers/microsoft.resources/deployments/")
	})...))
}

// groupExists answers 404, as ARM does, when the resource group of a resource
// is not there.
func (c *Cloud) groupExists(w http.ResponseWriter, r armRequest) bool {
	if !r.starts("/subscriptions/*/resourcegroups/*") {
		return true
	}
	id := strings.Join(r.parts[:4], "/")
	if _, ok := c.state.get("/" + id); ok {
		return true
	}
	writeError(w, http.StatusNotFound, "ResourceGroupNotFound", "Resource group '"+r.segment(3)+"' could not be found.")
	return false
}

// store keeps what was PUT and answers 201 for a new thing and 200 for a known one.
func (c *Cloud) store(w http.ResponseWriter, id, name, kind string, body object) {
	o := maps.Clone(body)
	o["id"], o["name"], o["type"] = id, name, kind
	properties, _ := body["properties"].(object)
	properties = maps.Clone(properties)
	if properties == nil {
		properties = object{}
	}
	properties["provisioningState"] = "Succeeded"
	o["properties"] = properties
	status := http.StatusOK
	if c.state.put(id, o) {
		status = http.StatusCreated
	}
	writeJSON(w, status, o)
}

func (c *Cloud) merge(id string, stored, change object) object {
	o := maps.Clone(stored)
	for k, v := range change {
		if k != "id" && k != "name" && k != "type" {
			o[k] = v
		}
	}
	c.state.put(id, o)
	return o
}

// typeAndName reads "Microsoft.Network/virtualNetworks/subnets" and "a/b" from
// the last provider in the path; collection says that the last name is missing.
func (r armRequest) typeAndName() (kind, name string, collection bool) {
	spelled := strings.Split(strings.TrimLeft(r.path, "/"), "/")
	at := -1
	for i, p := range r.parts {
		if p == "providers" {
			at = i
		}
	}
	rest := spelled[at+1:]
	if len(rest) == 0 {
		return "", "", true
	}
	kind = rest[0]
	var names []string
	for i, s := range rest[1:] {
		if i%2 == 0 {
			kind += "/" + s
		} else {
			names = append(names, s)
		}
	}
	return kind, strings.Join(names, "/"), len(rest)%2 == 0
}

func notAllowed(w http.ResponseWriter, r armRequest) {
	writeError(w, http.StatusMethodNotAllowed, "HttpMethodNotAllowed", "The fake cloud has no "+r.Method+" of "+r.path+".")
}
