package fakecloud

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// deployment gives the index of the segment "deployments" when the path is that
// of deployments at any scope, else 0.
func (r armRequest) deployment() int {
	for i := len(r.parts) - 1; i >= 2; i-- {
		if r.parts[i] == "deployments" && r.parts[i-1] == "microsoft.resources" && r.parts[i-2] == "providers" {
			return i
		}
	}
	return 0
}

// deployments answers for template deployments at every scope.
// https://learn.microsoft.com/rest/api/resources/deployments
func (c *Cloud) deployments(w http.ResponseWriter, r armRequest) {
	at := r.deployment()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.groupExists(w, r) {
		return
	}
	if len(r.parts) == at+1 {
		depth := len(r.parts) + 1
		writeJSON(w, http.StatusOK, list(c.state.list(r.path+"/", func(id string) bool { return strings.Count(id, "/") == depth })...))
		return
	}
	id := strings.Join(strings.Split(r.path, "/")[:at+3], "/")
	stored, exists := c.state.get(id)
	if len(r.parts) > at+2 {
		c.deploymentAction(w, r, id, r.parts[at+2], stored, exists)
		return
	}
	switch r.Method {
	case http.MethodPut:
		c.putDeployment(w, r, id)
	case http.MethodHead:
		if exists {
			w.WriteHeader(http.StatusNoContent)
		} else {
			w.WriteHeader(http.StatusNotFound)
		}
	case http.MethodGet:
		if !exists {
			deploymentNotFound(w, r.segment(at+1))
			return
		}
		writeJSON(w, http.StatusOK, stored)
	case http.MethodDelete:
		if !c.state.remove(id) {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		c.accept(w, r, id[:strings.LastIndex(strings.ToLower(id), "/deployments/")], nil)
	default:
		notAllowed(w, r)
	}
}

func (c *Cloud) deploymentAction(w http.ResponseWriter, r armRequest, id, action string, stored object, exists bool) {
	switch action {
	case "validate":
		writeJSON(w, http.StatusOK, c.newDeployment(w, r, id))
		return
	case "whatif":
		c.accept(w, r, id, object{"status": "Succeeded", "properties": object{"changes": []any{}}})
		return
	}
	if !exists {
		deploymentNotFound(w, r.segment(r.deployment()+1))
		return
	}
	switch action {
	case "operations":
		writeJSON(w, http.StatusOK, list(deploymentOperations(stored)...))
	case "exporttemplate":
		writeJSON(w, http.StatusOK, object{"template": object{"contentVersion": "1.0.0.0", "resources": []any{}}})
	case "cancel":
		w.WriteHeader(http.StatusNoContent)
	default:
		notAllowed(w, r)
	}
}

// putDeployment keeps a deployment as succeeded and answers as if it had only
// been accepted; the end shows in its operation.
// https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations
func (c *Cloud) putDeployment(w http.ResponseWriter, r armRequest, id string) {
	d := c.newDeployment(w, r, id)
	status := http.StatusOK
	if c.state.put(id, d) {
		status = http.StatusCreated
	}
	operation := c.newOperation(object{"status": "Succeeded"})
	w.Header().Set("Azure-AsyncOperation", "https://"+r.Host+id+"/operationStatuses/"+operation+"?api-version="+r.URL.Query().Get("api-version")+"&t="+uuid.NewString())
	w.Header().Set("Retry-After", "1") // clients take 0 for "none given" and wait 30 s
	answer := object{}
	for k, v := range d {
		answer[k] = v
	}
	properties := object{}
	for k, v := range d["properties"].(object) {
		properties[k] = v
	}
	properties["provisioningState"] = "Accepted"
	delete(properties, "outputResources")
	answer["properties"] = properties
	writeJSON(w, status, answer)
}

func (c *Cloud) newDeployment(w http.ResponseWriter, r armRequest, id string) object {
	body := deploymentBody(r.body)
	mode := body.Properties.Mode
	if mode == "" {
		mode = "Incremental"
	}
	scope := id[:strings.Index(strings.ToLower(id), "/providers/microsoft.resources/deployments/")]
	outputs, providers := []object{}, []object{}
	for _, res := range body.resources() {
		if strings.EqualFold(res.Type, "Microsoft.Resources/deployments") || strings.Contains(res.Name, "[") {
			continue
		}
		target := scope + "/providers/" + interleave(res.Type, res.Name)
		outputs = append(outputs, object{"id": target})
		namespace, rest, _ := strings.Cut(res.Type, "/")
		providers = append(providers, object{"namespace": namespace, "resourceTypes": []object{{"resourceType": rest, "locations": []string{"westeurope"}}}})
	}
	d := object{
		"id": id, "name": id[strings.LastIndex(id, "/")+1:], "type": "Microsoft.Resources/deployments",
		"properties": object{
			"mode": mode, "provisioningState": "Succeeded", "duration": "PT1.2S",
			"timestamp":     c.opts.Now().UTC().Format(time.RFC3339Nano),
			"correlationId": w.Header().Get("X-Ms-Correlation-Request-Id"),
			"templateHash":  "4242424242424242424", "parameters": object{}, "outputs": object{},
			"providers": providers, "dependencies": []any{}, "outputResources": outputs, "validatedResources": outputs,
		},
	}
	if body.Location != "" {
		d["location"] = body.Location
	}
	return d
}

type templateResource struct {
	Type, Name string
}

type deploymentRequest struct {
	Location   string
	Properties struct {
		Mode     string
		Template json.RawMessage
	}
}

// deploymentBody reads as much of a deployment as it can. The Azure CLI sends
// the template behind a bare key, as it stands in the user's file; a file with
// comments is not read at all, which costs only the list of resources.
func deploymentBody(b []byte) deploymentRequest {
	var d deploymentRequest
	if json.Unmarshal(b, &d) != nil {
		_ = json.Unmarshal(bytes.Replace(b, []byte(", template:"), []byte(`, "template":`), 1), &d)
	}
	return d
}

// resources lists a template's own resources: an array, or an object of
// symbolic names under languageVersion 2.0.
func (d deploymentRequest) resources() []templateResource {
	raw := d.Properties.Template
	var text string
	if json.Unmarshal(raw, &text) == nil {
		raw = []byte(text)
	}
	var array struct{ Resources []templateResource }
	if json.Unmarshal(raw, &array) == nil {
		return array.Resources
	}
	var named struct {
		Resources map[string]templateResource
	}
	_ = json.Unmarshal(raw, &named)
	var out []templateResource
	for _, r := range named.Resources {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b templateResource) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// interleave makes "ns/a/x/b/y" of type "ns/a/b" and name "x/y".
func interleave(kind, name string) string {
	types, names := strings.Split(kind, "/"), strings.Split(name, "/")
	out := types[0]
	for i, t := range types[1:] {
		out += "/" + t
		if i < len(names) {
			out += "/" + names[i]
		}
	}
	return out
}

func deploymentOperations(d object) []object {
	ops := []object{}
	outputs, _ := d["properties"].(object)["outputResources"].([]object)
	for i, o := range outputs {
		id, _ := o["id"].(string)
		r := armRequest{path: id, parts: strings.Split(strings.ToLower(strings.TrimLeft(id, "/")), "/")}
		kind, name, _ := r.typeAndName()
		operation := uuid.NewSHA1(uuid.NameSpaceURL, []byte(id)).String()
		ops = append(ops, object{
			"id": d["id"].(string) + "/operations/" + operation, "operationId": operation,
			"properties": object{
				"provisioningOperation": "Create", "provisioningState": "Succeeded", "statusCode": "Created", "duration": "PT1S",
				"targetResource": object{"id": id, "resourceType": kind, "resourceName": name}, "sequence": i,
			},
		})
	}
	return ops
}

func deploymentNotFound(w http.ResponseWriter, name string) {
	writeError(w, http.StatusNotFound, "DeploymentNotFound", "Deployment '"+name+"' could not be found.")
}
