package console_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/attribproxy/attribproxy/audit"
	"github.com/attribproxy/attribproxy/audit/store"
	"github.com/attribproxy/attribproxy/console"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testID  = "pid-3f2c9a5e-7d14-4b8a-9c6e-1a2b3c4d5e6f"
	otherID = "pid-9e8d7c6b-5a49-4c3b-8d2e-1f0a9b8c7d6e"
	nasty   = `<script>alert(1)</script>"'><img src=x onerror=alert(2)>`
)

// start is when the tests' events begin: a fixed clock.
func start() time.Time { return time.Date(2026, 3, 20, 9, 30, 0, 0, time.UTC) }

// site is a console over a journal of its own.
type site struct {
	t       testing.TB
	dir     string
	journal *audit.Journal
	server  *console.Server
	http    *http.Client
}

// newSite starts a console; change may alter its options.
func newSite(t testing.TB, change func(*console.Options)) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir()}
	s.journal = s.open()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := s.options(l)
	if change != nil {
		change(&o)
	}
	if s.server, err = console.New(o); err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{}
	s.http = &http.Client{Transport: tr, Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		if err := s.server.Close(); err != nil {
			t.Error(err)
		}
		if err := s.journal.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *site) open() *audit.Journal {
	s.t.Helper()
	j, err := audit.Open(audit.Options{
		Dir: filepath.Join(s.dir, "audit"), Source: "build-7-0badcafe", KeyFile: filepath.Join(s.dir, "seal-key.pem"), Guarantee: audit.GuaranteeBestEffort,
		QueueEvents: 1 << 20,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return j
}

func (s *site) options(l net.Listener) console.Options {
	journal := filepath.Join(s.dir, "audit")
	return console.Options{
		Listener: l, Gatherer: prometheus.NewRegistry(), Source: "the test's journal", Build: console.Build{Version: "v0.0.0-test"},
		Store: func(ctx context.Context) (store.Store, error) {
			return store.OpenSQLite(ctx, filepath.Join(s.dir, "index.db"))
		},
		Update: func(ctx context.Context, st store.Store) error {
			return store.Follow(ctx, journal, st, store.FollowOptions{})
		},
		Rules: func() (console.Rules, error) {
			return console.Rules{
				Mode: "enforce", Hash: strings.Repeat("c0", 32), File: "/etc/attribproxy.yaml", YAML: "mode: enforce\nrules:\n  - name: contoso-platform # <script>\n",
				Excludes: []console.Rule{{Name: "fabrikam-opt-out", Match: []console.Condition{{Field: "subscriptions", Values: []string{subscriptions()[2]}}}}},
				Rules: []console.Rule{
					{Name: "contoso-platform", Match: []console.Condition{{Field: "resourceGroups", Values: []string{"rg-contoso-*", "rg-shared"}}}, IDs: []string{testID}, OnOtherID: "append"},
					{Name: "everything-else", IDs: []string{otherID}, OnOtherID: "keep"},
				},
			}, nil
		},
		Now: func() time.Time { return start().Add(time.Hour) },
	}
}

func subscriptions() []string {
	return []string{"1b2c3d4e-0000-4000-8000-00000000000a", "1b2c3d4e-0000-4000-8000-00000000000b", "1b2c3d4e-0000-4000-8000-00000000000c"}
}

// record writes events, and waits until they are on disk.
func (s *site) record(events ...audit.Event) {
	s.t.Helper()
	before := s.journal.Stats().Lines
	for _, e := range events {
		s.journal.Record(e)
	}
	until := time.Now().Add(time.Minute)
	for s.journal.Stats().Lines < before+uint64(len(events)) {
		if time.Now().After(until) {
			s.t.Fatal("the events do not reach the disk")
		}
		<-time.After(time.Millisecond)
	}
}

// event is one write as a user's day has them.
func event(i int) audit.Event {
	type tool struct{ id, ua string }
	tools := []tool{
		{"azure-cli", "AZURECLI/2.61.0 (DEB) azsdk-python-core/1.28.0 Python/3.11.8 (Linux-6.1.0-x86_64-with-glibc2.36)"},
		{"terraform-azurerm", "HashiCorp/go-azure-sdk (Go-http-Client/1.1 virtualmachines/2024-03-01) HashiCorp Terraform/1.11.4 (+https://www.terraform.io) terraform-provider-azurerm/4.14.0"},
		{"azure-powershell", "AzurePowershell/v12.0.0 PSVersion/v7.4.2 Az.Resources/7.1.0"},
		{"curl", "curl/7.88.1"},
	}
	types := []string{"Microsoft.Compute/virtualMachines", "Microsoft.Storage/storageAccounts", "Microsoft.Network/virtualNetworks", "Microsoft.Resources/deployments", "Microsoft.KeyVault/vaults"}
	t := tools[i%7%len(tools)]
	e := audit.Event{
		Time: start().Add(-time.Duration(i) * 37 * time.Minute), Kind: audit.KindRequest, Mode: "enforce", Method: "PUT",
		Outcome: "attributed", Reason: "rule contoso-platform matched; its tracking ID was added", Rule: "contoso-platform", IDs: []string{testID},
		Host: "management.azure.com", APIVersion: "2024-03-01", Scope: "resourceGroup", Subscription: subscriptions()[i%3],
		ResourceGroup: fmt.Sprintf("rg-contoso-%d", i%5), ResourceType: types[i%11%len(types)], ResourceName: fmt.Sprintf("app%d", i),
		Tool: t.id, UAIn: t.ua, UAOut: t.ua + " " + testID, Client: "127.0.0.1", Process: "/usr/bin/python3 deploy.py", Labels: []string{"team=platform", "env=prod"},
		ClientRequestID: fmt.Sprintf("aaaaaaaa-0000-4000-8000-%012d", i), CorrelationID: fmt.Sprintf("bbbbbbbb-0000-4000-8000-%012d", i/4),
		RequestID: fmt.Sprintf("cccccccc-0000-4000-8000-%012d", i), Status: 201, DurationMS: 120.5, BytesUp: 412, BytesDown: 980, ConfigHash: strings.Repeat("c0", 32),
	}
	e.Path = fmt.Sprintf("/subscriptions/%s/resourceGroups/%s/providers/%s/%s", e.Subscription, e.ResourceGroup, e.ResourceType, e.ResourceName)
	untag := func(outcome, reason, rule string) {
		e.Outcome, e.Reason, e.Rule, e.IDs, e.UAOut = outcome, reason, rule, nil, ""
	}
	switch i % 17 {
	case 3:
		untag("no-rule", "no rule matched", "")
	case 5:
		e.Outcome, e.Reason, e.UAIn, e.UAOut = "already-attributed", "the client sent the ID itself", e.UAOut, ""
	case 7:
		untag("conflict-kept", "the client sent another tracking ID, and the rule keeps it", "everything-else")
		e.UAIn += " " + otherID
	case 9:
		e.Status, e.Error = 409, "ARM answered 409 Conflict"
	case 11:
		untag("excluded", "exclude fabrikam-opt-out matched", "fabrikam-opt-out")
	case 13:
		untag("not-eligible", "no rule names method PATCH", "")
		e.Method = "PATCH"
	case 15:
		untag("rejected", "the host in the request is not the host of the tunnel", "")
		e.Status, e.Error = 0, "AttribProxyMisdirected"
	}
	return e
}

func events(n int) []audit.Event {
	all := make([]audit.Event, n)
	for i := range all {
		all[i] = event(n - 1 - i)
	}
	return all
}

// get fetches a page.
func (s *site) get(path string, header ...string) (status int, body string, h http.Header) {
	s.t.Helper()
	return s.do(http.MethodGet, path, header...)
}

func (s *site) do(method, path string, header ...string) (status int, body string, h http.Header) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, s.server.URL()+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
			continue
		}
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := s.http.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(b), resp.Header
}
