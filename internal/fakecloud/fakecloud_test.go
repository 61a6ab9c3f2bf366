package fakecloud_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/attribproxy/attribproxy/internal/fakecloud"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start gives a fake cloud and a client that finds every name at it.
func start(t *testing.T, o fakecloud.Options) (*fakecloud.Cloud, *http.Client) {
	t.Helper()
	cloud, err := fakecloud.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	client := clientOf(t, cloud, true)
	t.Cleanup(func() {
		client.CloseIdleConnections()
		if err := cloud.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return cloud, client
}

func clientOf(t *testing.T, cloud *fakecloud.Cloud, h2 bool) *http.Client {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(cloud.CAPEM()) {
		t.Fatal("the CA is no certificate")
	}
	return &http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{
			ForceAttemptHTTP2:  h2,
			DisableCompression: true,
			TLSClientConfig:    &tls.Config{RootCAs: pool},
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, cloud.Addr())
			},
		},
	}
}

type answer struct {
	Status int
	Header http.Header
	Body   map[string]any
	Raw    []byte
}

func send(t *testing.T, client *http.Client, token, method, target, body string, header ...string) answer {
	t.Helper()
	if strings.HasPrefix(target, "/") {
		target = "https://management.azure.com" + target
	}
	req, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	defer res.Body.Close()
	a := answer{Status: res.StatusCode, Header: res.Header}
	if a.Raw, err = io.ReadAll(res.Body); err != nil {
		t.Fatal(err)
	}
	if res.Header.Get("Content-Encoding") == "" && len(a.Raw) > 0 {
		if err := json.Unmarshal(a.Raw, &a.Body); err != nil {
			t.Fatalf("%s %s: %v in %q", method, target, err, a.Raw)
		}
	}
	return a
}

const sub = "/subscriptions/" + fakecloud.SubscriptionID

func TestRecordsRequestsAsReceived(t *testing.T) {
	for _, h2 := range []bool{true, false} {
		cloud, _ := start(t, fakecloud.Options{})
		client := clientOf(t, cloud, h2)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "https://management.azure.com", strings.NewReader("body"))
		if err != nil {
			t.Fatal(err)
		}
		req.URL.Opaque = "//management.azure.com/a%2Fb/|[c]?x=1&api-version=2"
		req.Header = http.Header{"User-Agent": {"one"}, "X-Twice": {"1", "2"}}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		client.CloseIdleConnections()

		got := cloud.Requests()
		if len(got) != 1 {
			t.Fatalf("%d requests recorded, want 1", len(got))
		}
		want := fakecloud.Request{
			Method: "PUT", Host: "management.azure.com", RequestURI: "/a%2Fb/|[c]?x=1&api-version=2", Proto: "HTTP/1.1",
			Header:        http.Header{"User-Agent": {"one"}, "X-Twice": {"1", "2"}, "Content-Length": {"4"}},
			Body:          []byte("body"),
			ContentLength: 4, SNI: "management.azure.com",
			Status: http.StatusUnauthorized, RequestID: res.Header.Get("X-Ms-Request-Id"),
		}
		if h2 {
			want.Proto = "HTTP/2.0"
		} else {
			want.RequestURI = "https:" + req.URL.Opaque // Go sends the absolute form then
		}
		got[0].Time, got[0].RemoteAddr = time.Time{}, ""
		if diff := cmp.Diff(want, got[0]); diff != "" {
			t.Errorf("h2=%v (-want +got):\n%s", h2, diff)
		}
	}
}

func TestLeafForEachName(t *testing.T) {
	cloud, client := start(t, fakecloud.Options{Others: []string{"contoso.blob.core.windows.net"}})
	for _, name := range cloud.Names() {
		a := send(t, client, cloud.Token(), "GET", "https://"+name+"/tenants?api-version=2020-01-01", "")
		if a.Status >= 500 {
			t.Errorf("%s answered %d", name, a.Status)
		}
	}
	var sni []string
	for _, r := range cloud.Requests() {
		sni = append(sni, r.SNI)
	}
	if diff := cmp.Diff(cloud.Names(), sni); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	for _, entry := range cloud.Resolve() {
		if !strings.HasSuffix(entry, ":443:"+cloud.Addr()) {
			t.Errorf("resolve entry %q", entry)
		}
	}
}

func TestSignIn(t *testing.T) {
	cloud, client := start(t, fakecloud.Options{})
	const login = "https://login.microsoftonline.com/"
	a := send(t, client, "", "GET", login+fakecloud.TenantID+"/v2.0/.well-known/openid-configuration", "")
	endpoint, _ := a.Body["token_endpoint"].(string)
	if want := login + fakecloud.TenantID + "/oauth2/v2.0/token"; endpoint != want {
		t.Fatalf("token endpoint %q, want %q", endpoint, want)
	}
	a = send(t, client, "", "GET", login+"common/discovery/instance?api-version=1.1&authorization_endpoint="+url.QueryEscape(login+"x/oauth2/authorize"), "")
	if got, want := a.Body["tenant_discovery_endpoint"], login+"x/v2.0/.well-known/openid-configuration"; got != want {
		t.Errorf("tenant discovery %q, want %q", got, want)
	}

	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {fakecloud.ClientID}, "client_secret": {fakecloud.ClientSecret}, "scope": {"https://management.azure.com/.default openid"}}
	const formType = "application/x-www-form-urlencoded"
	a = send(t, client, "", "POST", endpoint, form.Encode(), "Content-Type", formType)
	token, _ := a.Body["access_token"].(string)
	parts := strings.Split(token, ".")
	if a.Status != 200 || len(parts) != 3 {
		t.Fatalf("token answer %d %v", a.Status, a.Body)
	}
	var claims map[string]any
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &claims); err != nil {
		t.Fatal(err)
	}
	for claim, want := range map[string]string{"tid": fakecloud.TenantID, "appid": fakecloud.ClientID, "aud": "https://management.azure.com"} {
		if claims[claim] != want {
			t.Errorf("claim %s is %v, want %v", claim, claims[claim], want)
		}
	}
	if a := send(t, client, token, "GET", "/subscriptions?api-version=2020-01-01", ""); a.Status != 200 {
		t.Errorf("the token was refused: %d %s", a.Status, a.Raw)
	}
	if !cloud.Issued("Bearer "+token) || cloud.Issued("Bearer "+token+"x") {
		t.Error("the cloud does not know its own tokens")
	}
	form.Del("client_secret")
	if a := send(t, client, "", "POST", endpoint, form.Encode(), "Content-Type", formType); a.Status != 401 {
		t.Errorf("no secret answered %d, want 401", a.Status)
	}
}

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

func TestGzip(t *testing.T) {
	cloud, client := start(t, fakecloud.Options{})
	for accept, want := range map[string]string{"gzip, deflate, br": "gzip", "identity": "", "gzip;q=0": "", "br;q=1, GZIP;q=0.5": "gzip"} {
		a := send(t, client, cloud.Token(), "GET", "/tenants?api-version=2020-01-01", "", "Accept-Encoding", accept)
		if got := a.Header.Get("Content-Encoding"); got != want {
			t.Errorf("%q answered %q, want %q", accept, got, want)
		}
		if want == "" {
			continue
		}
		zr, err := gzip.NewReader(bytes.NewReader(a.Raw))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(zr)
		if err != nil || !bytes.Contains(body, []byte(fakecloud.TenantID)) {
			t.Errorf("%q gave %q, %v", accept, body, err)
		}
	}
	// An answer without a body has no encoding: clients fail on an empty gzip stream.
	a := send(t, client, cloud.Token(), "DELETE", sub+"/providers/Microsoft.Resources/deployments/none?api-version=2021-04-01", "", "Accept-Encoding", "gzip")
	if a.Status != 204 || a.Header.Get("Content-Encoding") != "" {
		t.Errorf("204 came as %d %v", a.Status, a.Header)
	}
}

func TestInjectedFaults(t *testing.T) {
	cloud, client := start(t, fakecloud.Options{})
	target := sub + "/resourceGroups/rg?api-version=2021-04-01"
	put := func() answer {
		return send(t, client, cloud.Token(), "PUT", target, `{"location":"westeurope"}`)
	}
	isPut := fakecloud.Match("PUT", "/subscriptions/*/resourcegroups/*")
	remove := cloud.Inject(isPut, fakecloud.First(1, fakecloud.Throttle(7)))
	if a := put(); a.Status != 429 || a.Header.Get("Retry-After") != "7" {
		t.Errorf("throttled: %d %v", a.Status, a.Header)
	}
	if a := put(); a.Status != 201 {
		t.Errorf("after the throttle: %d", a.Status)
	}
	remove()
	remove = cloud.Inject(isPut, fakecloud.Challenge())
	if a := put(); a.Status != 401 || !strings.Contains(a.Header.Get("WWW-Authenticate"), `claims="`) {
		t.Errorf("challenged: %d %v", a.Status, a.Header)
	}
	if a := send(t, client, cloud.Token(), "GET", target, ""); a.Status != 200 {
		t.Errorf("a read met the hook of writes: %d", a.Status)
	}
	remove()
	if a := put(); a.Status != 200 {
		t.Errorf("after the hooks: %d", a.Status)
	}
	if got := len(cloud.Requests()); got != 5 {
		t.Errorf("%d requests recorded, want 5: also what a hook answered", got)
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

func TestWaitAndReset(t *testing.T) {
	cloud, client := start(t, fakecloud.Options{})
	target := sub + "/resourceGroups/rg?api-version=2021-04-01"
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	waited := make(chan error, 1)
	go func() {
		_, err := cloud.Wait(ctx, 2, func(r fakecloud.Request) bool { return r.Method == "PUT" })
		waited <- err
	}()
	for _, method := range []string{"PUT", "GET", "PUT"} {
		send(t, client, cloud.Token(), method, target, `{"location":"westeurope"}`)
	}
	if err := <-waited; err != nil {
		t.Error(err)
	}
	cloud.Reset()
	if n := len(cloud.Requests()); n != 0 {
		t.Errorf("%d requests after Reset", n)
	}
	if a := send(t, client, cloud.Token(), "GET", target, ""); a.Status != 404 {
		t.Errorf("the group outlived Reset: %d", a.Status)
	}
	over, stop := context.WithCancel(t.Context())
	stop()
	if _, err := cloud.Wait(over, 99, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait gave %v", err)
	}
}

func TestCloseEndsBusyConnections(t *testing.T) {
	cloud, err := fakecloud.Start(fakecloud.Options{})
	if err != nil {
		t.Fatal(err)
	}
	client := clientOf(t, cloud, false)
	entered := make(chan struct{})
	cloud.Inject(nil, func(_ http.ResponseWriter, r *http.Request) bool {
		close(entered)
		<-r.Context().Done()
		return true
	})
	failed := make(chan error, 1)
	go func() {
		res, err := client.Get("https://management.azure.com/x")
		if err == nil {
			res.Body.Close()
		}
		failed <- err
	}()
	<-entered
	if err := cloud.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
	if err := <-failed; err == nil {
		t.Error("a request was answered by a closed cloud")
	}
	if err := cloud.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
}
