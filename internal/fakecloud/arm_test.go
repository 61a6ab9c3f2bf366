package fakecloud_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/attribproxy/attribproxy/internal/fakecloud"
)

// TestARM walks through what a subscription can do, in order.
func TestARM(t *testing.T) {
	cloud, client := start(t, fakecloud.Options{})
	const (
		v   = "?api-version=2021-04-01"
		rg  = sub + "/resourceGroups/Demo"
		vm  = rg + "/providers/Microsoft.Compute/virtualMachines/vm1"
		mgd = "/providers/Microsoft.Management/managementGroups/mg/providers/Microsoft.Resources/deployments/d"
	)
	for _, step := range []struct {
		method, target, body string
		status               int
		want                 string // contained in the answer
	}{
		{"PUT", vm + v, `{}`, 404, "ResourceGroupNotFound"},
		{"HEAD", rg + v, ``, 404, ""},
		{"PUT", rg + v, `{}`, 400, "LocationRequired"},
		{"PUT", rg + v, `{"location":"westeurope","tags":{"a":"b"}}`, 201, `"tags":{"a":"b"}`},
		{"PUT", rg + v, `{"location":"westeurope"}`, 200, `"provisioningState":"Succeeded"`},
		{"HEAD", sub + "/RESOURCEGROUPS/demo" + v, ``, 204, ""},
		{"GET", sub + "/resourcegroups/DEMO" + v, ``, 200, `"id":"` + rg + `"`},
		{"PATCH", rg + v, `{"tags":{"c":"d"}}`, 200, `"c":"d"`},
		{"GET", sub + "/resourcegroups" + v, ``, 200, `"name":"Demo"`},
		{"GET", sub + "/resourcegroups", ``, 400, "MissingApiVersionParameter"},
		{"PUT", vm + v, `{"location":"westeurope","properties":{"size":1}}`, 201, `"type":"Microsoft.Compute/virtualMachines"`},
		{"PUT", vm + v, `{"location":"westeurope","properties":{"size":2}}`, 200, `"size":2`},
		{"PATCH", vm + v, `{"tags":{"x":"y"}}`, 200, `"x":"y"`},
		{"GET", strings.ToUpper(vm) + v, ``, 200, `"name":"vm1"`},
		{"GET", rg + "/providers/Microsoft.Compute/virtualMachines" + v, ``, 200, `"name":"vm1"`},
		{"POST", vm + "/start" + v, ``, 200, "{}"},
		{"PUT", vm + "/extensions/e" + v, `{}`, 201, `"name":"vm1/e"`},
		{"PUT", vm + "/providers/Microsoft.Authorization/locks/l" + v, `{}`, 201, `"type":"Microsoft.Authorization/locks"`},
		{"GET", rg + "/resources" + v, ``, 200, `"name":"vm1"`},
		{"GET", sub + "/providers/Microsoft.Compute" + v, ``, 200, `"registrationState":"Registered"`},
		{"POST", sub + "/providers/Microsoft.Compute/register" + v, ``, 200, `"namespace":"Microsoft.Compute"`},
		{"GET", sub + "/providers" + v, ``, 200, `"namespace":"Microsoft.Network"`},
		{"GET", "/tenants" + v, ``, 200, fakecloud.TenantID},
		{"GET", "/subscriptions" + v, ``, 200, fakecloud.SubscriptionID},
		{"GET", "/metadata/endpoints", ``, 200, "resourceManager"},
		{"PUT", mgd + v, `{"location":"westeurope","properties":{"template":"{}"}}`, 201, `"location":"westeurope"`},
		{"GET", mgd + v, ``, 200, `"provisioningState":"Succeeded"`},
		{"PUT", sub + "/providers/Microsoft.Resources/deployments/d" + v, `{"location":"westeurope"}`, 201, `"mode":"Incremental"`},
		{"GET", sub + "/providers/Microsoft.Resources/deployments/" + v, ``, 200, `"name":"d"`},
		{"DELETE", vm + v, ``, 200, ""},
		{"DELETE", vm + v, ``, 204, ""},
		{"GET", vm + v, ``, 404, "ResourceNotFound"},
		{"DELETE", rg + v, ``, 202, ""},
		{"GET", rg + v, ``, 404, "ResourceGroupNotFound"},
		{"GET", "/nowhere" + v, ``, 404, "InvalidResourceType"},
	} {
		a := send(t, client, cloud.Token(), step.method, step.target, step.body)
		if a.Status != step.status || !bytes.Contains(a.Raw, []byte(step.want)) {
			t.Errorf("%s %s: %d %s, want %d with %s", step.method, step.target, a.Status, a.Raw, step.status, step.want)
		}
		for _, h := range []string{"X-Ms-Request-Id", "X-Ms-Correlation-Request-Id", "X-Ms-Routing-Request-Id"} {
			if a.Header.Get(h) == "" {
				t.Errorf("%s %s: no %s", step.method, step.target, h)
			}
		}
	}
	if a := send(t, client, "", "PUT", rg+v, `{}`); a.Status != 401 || a.Header.Get("WWW-Authenticate") == "" {
		t.Errorf("no token: %d %v, want 401 with a challenge", a.Status, a.Header)
	}
}

func TestDeploymentIsPolled(t *testing.T) {
	cloud, client := start(t, fakecloud.Options{Polls: 2})
	const v = "?api-version=2021-04-01"
	send(t, client, cloud.Token(), "PUT", sub+"/resourceGroups/rg"+v, `{"location":"westeurope"}`)
	for _, body := range []string{
		`{"properties":{"mode":"Complete","template":{"resources":[{"type":"Microsoft.Network/virtualNetworks/subnets","name":"net/a"},{"type":"Microsoft.Resources/deployments","name":"pid-x"}]}}}`,
		`{"properties":{"mode":"Complete","template":"{\"resources\":[{\"type\":\"Microsoft.Network/virtualNetworks/subnets\",\"name\":\"net/a\"}]}"}}`,
		`{"properties":{"mode":"Complete","template":{"resources":{"s":{"type":"Microsoft.Network/virtualNetworks/subnets","name":"net/a"}}}}}`,
		`{"properties": {"mode":"Complete", template:{"resources":[{"type":"Microsoft.Network/virtualNetworks/subnets","name":"net/a"}]}}}`, // az
	} {
		dep := sub + "/resourcegroups/rg/providers/Microsoft.Resources/deployments/d"
		a := send(t, client, cloud.Token(), "PUT", dep+v, body)
		if p := a.Body["properties"].(map[string]any); p["provisioningState"] != "Accepted" || p["mode"] != "Complete" {
			t.Errorf("PUT answered %v", p)
		}
		if a.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		correlation := a.Header.Get("X-Ms-Correlation-Request-Id")
		poll := a.Header.Get("Azure-AsyncOperation")
		var states []any
		for range 3 {
			states = append(states, send(t, client, cloud.Token(), "GET", poll, "").Body["status"])
		}
		if diff := cmp.Diff([]any{"Running", "Running", "Succeeded"}, states); diff != "" {
			t.Errorf("polling (-want +got):\n%s", diff)
		}
		p := send(t, client, cloud.Token(), "GET", dep+v, "").Body["properties"].(map[string]any)
		wantOut := []any{map[string]any{"id": sub + "/resourcegroups/rg/providers/Microsoft.Network/virtualNetworks/net/subnets/a"}}
		if diff := cmp.Diff([]any{"Succeeded", correlation, wantOut}, []any{p["provisioningState"], p["correlationId"], p["outputResources"]}); diff != "" {
			t.Errorf("the deployment (-want +got):\n%s", diff)
		}
		ops := send(t, client, cloud.Token(), "GET", dep+"/operations"+v, "")
		if !bytes.Contains(ops.Raw, []byte(`"resourceType":"Microsoft.Network/virtualNetworks/subnets"`)) {
			t.Errorf("operations: %s", ops.Raw)
		}
	}
	what := send(t, client, cloud.Token(), "POST", sub+"/resourcegroups/rg/providers/Microsoft.Resources/deployments/w/whatIf"+v, `{"properties":{}}`)
	var status []int
	for range 3 {
		a := send(t, client, cloud.Token(), "GET", what.Header.Get("Location"), "")
		status = append(status, a.Status)
	}
	if diff := cmp.Diff([]int{202, 202, 200}, status); what.Status != 202 || diff != "" {
		t.Errorf("what-if answered %d, then (-want +got):\n%s", what.Status, diff)
	}
	if a := send(t, client, cloud.Token(), "POST", sub+"/resourcegroups/rg/providers/Microsoft.Resources/deployments/w/validate"+v, `{"properties":{}}`); a.Status != 200 {
		t.Errorf("validate answered %d", a.Status)
	}
	if a := send(t, client, cloud.Token(), "GET", sub+"/resourcegroups/rg/providers/Microsoft.Resources/deployments/w"+v, ""); a.Status != 404 {
		t.Errorf("validate and what-if left a deployment behind: %d", a.Status)
	}
}

func TestBatch(t *testing.T) {
	cloud, client := start(t, fakecloud.Options{})
	a := send(t, client, cloud.Token(), "POST", "/batch?api-version=2020-06-01", `{"requests":[
		{"httpMethod":"PUT","name":"one","url":"`+sub+`/resourceGroups/rg?api-version=2021-04-01","content":{"location":"westeurope"}},
		{"httpMethod":"GET","name":"two","url":"https://management.azure.com`+sub+`/resourceGroups/none?api-version=2021-04-01"}]}`)
	var got []any
	responses, _ := a.Body["responses"].([]any)
	for _, r := range responses {
		r := r.(map[string]any)
		got = append(got, r["name"], r["httpStatusCode"])
	}
	if diff := cmp.Diff([]any{"one", 201.0, "two", 404.0}, got); diff != "" {
		t.Errorf("batch (-want +got):\n%s", diff)
	}
	if n := len(cloud.Requests()); n != 1 {
		t.Errorf("%d requests recorded, want the batch alone", n)
	}
}
