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
