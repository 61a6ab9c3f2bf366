package proxy_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/attribproxy/attribproxy/audit"
)

const (
	deploymentURL = "https://" + armHost + "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg-demo/providers/Microsoft.Resources/deployments/main?api-version=2022-09-01"
	stackURL      = "https://" + armHost + "/subscriptions/11111111-2222-3333-4444-555555555555/providers/Microsoft.Resources/deploymentStacks/s?api-version=2024-03-01"
	templateID    = "pid-b6addd8f-5ff4-4fc0-a2b5-0ec7861106c4"
	azDeployment  = `{"properties": {"parameters": {"password": {"value": "s3cret-parameter"}}, "mode": "Incremental", template:{ // s3cret-comment
  "resources": [ {"type": "Microsoft.Resources/deployments", "name": "` + templateID + `", "properties": {"template": {"resources": []}}}, {"type": "s3cret/type", "name": "pid-s3cret value"}, ] }}}`
	batchURL  = "https://" + armHost + "/batch?api-version=2020-06-01"
	batchBody = `{"requests":[
 {"httpMethod":"GET","url":"/subscriptions?sig=s3cret-query"},
 {"httpMethod":"PUT","url":"/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg-a?api-version=2021-04-01&sig=s3cret-query","content":{"tags":{"x":"s3cret-content"}},"requestHeaderDetails":{"commandName":"s3cret-command"}},
 {"httpMethod":"delete","url":"https://u:s3cret-password@management.azure.com/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg-b/providers/Microsoft.Compute/virtualMachines/vm1"}]}`
)

// withoutSecrets fails if anything of a body got into an event.
func withoutSecrets(t testing.TB, events []audit.Event) {
	t.Helper()
	for _, e := range events {
		line, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(line), "s3cret") {
			t.Errorf("a secret is on record: %s", line)
		}
	}
}

func TestTemplateMarkers(t *testing.T) {
	gzipped := func(s string) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = io.WriteString(w, s)
		_ = w.Close()
		return b.String()
	}
	var huge strings.Builder
	huge.WriteString(`{"properties": {"template": {"x": "`)
	huge.WriteString(strings.Repeat("s3cret ", 1<<18))
	huge.WriteString(`", "resources": {"a": {"type": "Microsoft.Resources/deployments", "name": "` + templateID + `"}}}}}`)

	tests := []struct {
		name, method, url, body string
		header                  []string
		want                    []string
		reason                  string // how the event's ends
	}{
		{name: "az", url: deploymentURL, body: azDeployment, want: []string{templateID}, reason: "its ID was added"},
		{name: "stack", url: stackURL, body: azDeployment, want: []string{templateID}},
		{name: "huge and symbolic", url: deploymentURL, body: huge.String(), want: []string{templateID}},
		{name: "identity", url: deploymentURL, body: azDeployment, header: []string{"Content-Encoding", "Identity"}, want: []string{templateID}},
		{name: "no marker", url: deploymentURL, body: `{"properties": {"templateLink": {"uri": "https://s3cret"}}}`, reason: "its ID was added"},
		{name: "gzip", url: deploymentURL, body: gzipped(azDeployment), header: []string{"Content-Encoding", "gzip"}, reason: "its ID was added"},
		{name: "no document", url: deploymentURL, body: `{"properties": {"template": {"resources": s3cret`, reason: "; its template could not be looked at to the end"},
		{name: "validate", method: http.MethodPost, url: strings.Replace(deploymentURL, "?", "/validate?", 1), body: azDeployment},
		{name: "another resource", url: "https://" + armHost + putPath, body: azDeployment},
	}
	for _, h2 := range []bool{false, true} {
		for _, tt := range tests {
			t.Run(fmt.Sprintf("%s, h2 %t", tt.name, h2), func(t *testing.T) {
				w := start(t, nil)
				method := tt.method
				if method == "" {
					method = http.MethodPut
				}
				do(t, w.client(h2), method, tt.url, tt.body, tt.header...)
				events := w.events.await(t, 1)
				if diff := cmp.Diff(tt.want, events[0].TemplateIDs); diff != "" {
					t.Errorf("template_ids (-want +got):\n%s", diff)
				}
				if !strings.HasSuffix(events[0].Reason, tt.reason) {
					t.Errorf("reason %q, want …%q", events[0].Reason, tt.reason)
				}
				if got := w.requests(); len(got) != 1 || got[0].Body != tt.body {
					t.Errorf("the body was changed")
				}
				if events[0].BytesUp != int64(len(tt.body)) {
					t.Errorf("%d bytes up, want %d", events[0].BytesUp, len(tt.body))
				}
				withoutSecrets(t, events)
			})
		}
	}
}

func TestBatchWrites(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("h2 %t", h2), func(t *testing.T) {
			w := start(t, nil)
			const request = "9c1d0d52-0f6a-4f0e-9d3a-b0f5c3a453f1"
			do(t, w.client(h2), http.MethodPost, batchURL, batchBody, "X-Ms-Client-Request-Id", request, "User-Agent", "AzurePowershell/v1")
			events := w.events.await(t, 3)
			if len(events) != 3 {
				t.Fatalf("%d events, want 3", len(events))
			}
			if e := events[0]; e.Method != "POST" || e.Outcome != "batch" || e.Status != 200 || !strings.HasSuffix(e.Reason, "; it carried 2 writes") {
				t.Errorf("the batch: %+v", e)
			}
			outer := events[0]
			inner := func(method, group, path, kind, name, version, scope string) audit.Event {
				return audit.Event{
					Time: outer.Time, Kind: audit.KindRequest, Outcome: "batch", Reason: "carried inside a batch, whose body is never changed",
					Mode: "enforce", Method: method, Host: armHost, Path: path, APIVersion: version, Scope: scope,
					Subscription: "11111111-2222-3333-4444-555555555555", ResourceGroup: group, ResourceType: kind, ResourceName: name,
					Tool: "azure-powershell", Client: "127.0.0.1", Labels: []string{"team=test"}, ConfigHash: "c0ffee",
					ClientRequestID: request, RequestID: outer.RequestID,
				}
			}
			want := []audit.Event{
				inner("PUT", "rg-a", "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg-a", "Microsoft.Resources/resourceGroups", "rg-a", "2021-04-01", "subscription"),
				inner("DELETE", "rg-b", "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg-b/providers/Microsoft.Compute/virtualMachines/vm1", "Microsoft.Compute/virtualMachines", "vm1", "", "resourceGroup"),
			}
			if diff := cmp.Diff(want, events[1:]); diff != "" {
				t.Errorf("inner writes (-want +got):\n%s", diff)
			}
			if got := w.requests(); len(got) != 1 || got[0].Body != batchBody {
				t.Errorf("the body was changed: %+v", got)
			}
			withoutSecrets(t, events)
		})
	}
}

func TestBatchIsBounded(t *testing.T) {
	w := start(t, nil)
	body := `{"requests":[` + strings.Repeat(`{"httpMethod":"PUT","url":"/subscriptions/s/resourceGroups/r"},`, 700) + `]}`
	do(t, w.client(false), http.MethodPost, batchURL, body)
	events := w.events.await(t, 501)
	if len(events) != 501 || !strings.HasSuffix(events[0].Reason, "; it carried 700 writes, of which 500 are on record") {
		t.Errorf("%d events; %s", len(events), events[0].Reason)
	}
}

func TestBatchThatIsNotLookedAt(t *testing.T) {
	w := start(t, nil)
	do(t, w.client(false), http.MethodPost, batchURL, "\x1f\x8b", "Content-Encoding", "gzip")
	do(t, w.client(false), http.MethodPost, batchURL, `{"requests":[{"httpMethod":"PUT","url":"/a"},{"httpMethod":`)
	events := w.events.await(t, 3)
	if !strings.HasSuffix(events[0].Reason, "; its body is encoded and was not looked at") {
		t.Error(events[0].Reason)
	}
	if !strings.HasSuffix(events[1].Reason, "; it carried at least 1 write") {
		t.Error(events[1].Reason)
	}
}

// A batch that did not come through takes its writes along.
func TestBatchThatFails(t *testing.T) {
	w := start(t, func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler)
	})
	do(t, w.client(false), http.MethodPost, batchURL, batchBody)
	events := w.events.await(t, 3)
	for _, e := range events {
		if e.Error == "" || e.Error != events[0].Error || e.Status != 0 {
			t.Errorf("error %q, status %d", e.Error, e.Status)
		}
	}
	withoutSecrets(t, events)
}

// ARM's refusal of a batch is its answer to each write inside.
func TestBatchThatARMRefuses(t *testing.T) {
	w := start(t, func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		rw.WriteHeader(http.StatusUnauthorized)
	})
	do(t, w.client(false), http.MethodPost, batchURL, batchBody)
	for _, e := range w.events.await(t, 3) {
		if e.Error != "" || e.Status != http.StatusUnauthorized {
			t.Errorf("error %q, status %d", e.Error, e.Status)
		}
	}
}

// The answer ends only when the inner writes are safe too.
func TestBatchWaitsForAllItsEvents(t *testing.T) {
	w := start(t, nil)
	var waited atomic.Int32
	w.events.wait = func(context.Context) error { waited.Add(1); return nil }
	do(t, w.client(false), http.MethodPost, batchURL, batchBody)
	if n := waited.Load(); n != 3 {
		t.Errorf("%d events were waited for when the answer was there, want 3", n)
	}
}
