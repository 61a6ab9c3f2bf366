package console_test

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/attribproxy/attribproxy/audit"
	"github.com/attribproxy/attribproxy/console"
)

func TestProbesAndMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	count := prometheus.NewCounter(prometheus.CounterOpts{Name: "attribproxy_test_total", Help: "a test"})
	reg.MustRegister(count)
	count.Inc()
	for _, tc := range []struct {
		name, path string
		notReady   error
		status     int
		body       string
	}{
		{name: "alive", path: "/healthz", status: 200, body: "ok"},
		{name: "ready", path: "/readyz", status: 200, body: "ready"},
		{name: "not ready", path: "/readyz", notReady: errors.New("the journal cannot be written"), status: 503, body: "not ready: the journal cannot be written"},
		{name: "metrics", path: "/metrics", status: 200, body: "attribproxy_test_total 1"},
		{name: "no pages without a store", path: "/", status: 404, body: "not found"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSite(t, func(o *console.Options) {
				o.Gatherer, o.Store, o.Update, o.Rules = reg, nil, nil, nil
				o.Ready = func(context.Context) error { return tc.notReady }
			})
			if status, body, _ := s.get(tc.path); status != tc.status || !strings.Contains(body, tc.body) {
				t.Errorf("%d %q, want %d %q", status, body, tc.status, tc.body)
			}
		})
	}
}

func TestReadinessIsAskedOnceASecond(t *testing.T) {
	asked, now := 0, start()
	s := newSite(t, func(o *console.Options) {
		o.Now = func() time.Time { return now }
		o.Ready = func(context.Context) error { asked++; return nil }
	})
	for range 5 {
		s.get("/readyz")
	}
	now = now.Add(2 * time.Second)
	s.get("/readyz")
	if asked != 2 {
		t.Errorf("asked %d times, want 2", asked)
	}
}

// Every page of the site, by which checks below go.
func pages() []string {
	return []string{
		"/", "/?period=all", "/live", "/events", "/events?outcome=attributed&q=app", "/events/build-7-0badcafe/1/1", "/rules", "/reports",
		"/nowhere", "/events/x/y/z", "/events/nobody/1/1", "/assets/style.css", "/assets/live.js", "/assets/icon.svg",
	}
}

func TestGuard(t *testing.T) {
	s := newSite(t, nil)
	const ok = 200
	for _, tc := range []struct {
		name, method, path string
		header             []string
		status             int
	}{
		{"plain", "GET", "/events", nil, ok},
		{"HEAD", "HEAD", "/events", nil, ok},
		{"HEAD of an endless answer", "HEAD", "/live/stream", nil, ok},
		{"POST", "POST", "/events", nil, 405},
		{"PUT", "PUT", "/", nil, 405},
		{"DELETE", "DELETE", "/events/build-7-0badcafe/1/1", nil, 405},
		{"OPTIONS, a preflight", "OPTIONS", "/events", []string{"Origin", "https://evil.example", "Access-Control-Request-Method", "GET"}, 405},
		{"a name that resolves to us", "GET", "/events", []string{"Host", "evil.example:8643"}, 403},
		{"the same, metrics", "GET", "/metrics", []string{"Host", "evil.example"}, 403},
		{"a name that begins with an address", "GET", "/events", []string{"Host", "127.0.0.1.evil.example"}, 403},
		{"no host", "GET", "/events", []string{"Host", "."}, 403},
		{"localhost", "GET", "/events", []string{"Host", "localhost:8643"}, ok},
		{"LOCALHOST", "GET", "/events", []string{"Host", "LOCALHOST"}, ok},
		{"IPv6", "GET", "/events", []string{"Host", "[::1]:8643"}, ok},
		{"a script of another site", "GET", "/events", []string{"Origin", "https://evil.example"}, 403},
		{"a sandboxed frame", "GET", "/events", []string{"Origin", "null"}, 403},
		{"an image on another site", "GET", "/reports/report.csv", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}, 403},
		{"another port's page", "GET", "/live/stream", []string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"}, 403},
		{"a frame on another site", "GET", "/", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, 403},
		{"a link that was followed", "GET", "/", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, ok},
		{"typed", "GET", "/", []string{"Sec-Fetch-Site", "none", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, ok},
		{"our own page", "GET", "/assets/style.css", []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "style"}, ok},
		{"out of the assets", "GET", "/assets/..%2ftemplates%2flayout.html", nil, 404},
	} {
		t.Run(tc.name, func(t *testing.T) {
			status, body, _ := s.do(tc.method, tc.path, tc.header...)
			if status != tc.status {
				t.Errorf("%d, want %d: %.200s", status, tc.status, body)
			}
		})
	}
}

func TestEveryAnswerIsHardened(t *testing.T) {
	s := newSite(t, nil)
	s.record(events(30)...)
	for _, path := range append(pages(), "/healthz", "/readyz", "/metrics", "/reports/report.html") {
		_, body, h := s.get(path)
		csp := h.Get("Content-Security-Policy")
		if !strings.HasPrefix(csp, "default-src 'none';") || strings.Contains(csp, "unsafe") || !strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("%s: policy %q", path, csp)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" || h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: headers %v", path, h)
		}
		if strings.HasPrefix(path, "/assets/") || strings.HasPrefix(path, "/reports/report") {
			continue
		}
		for _, bad := range []string{"<script>", " onclick=", " style=", "<style", "javascript:", "http://", "https://"} {
			if strings.Contains(strings.ReplaceAll(body, "https://www.terraform.io", ""), bad) {
				t.Errorf("%s holds %q", path, bad)
			}
		}
	}
}

func TestToken(t *testing.T) {
	s := newSite(t, func(o *console.Options) { o.Token = "s3cret" })
	basic := func(password string) string {
		req := http.Request{Header: http.Header{}}
		req.SetBasicAuth("anybody", password)
		return req.Header.Get("Authorization")
	}
	for _, tc := range []struct {
		name, path string
		header     []string
		status     int
	}{
		{"without", "/events", nil, 401},
		{"metrics without", "/metrics", nil, 401},
		{"probes need none", "/healthz", nil, 200},
		{"bearer", "/events", []string{"Authorization", "Bearer s3cret"}, 200},
		{"wrong bearer", "/events", []string{"Authorization", "Bearer s3cre"}, 401},
		{"empty bearer", "/events", []string{"Authorization", "Bearer "}, 401},
		{"password", "/events", []string{"Authorization", basic("s3cret")}, 200},
		{"wrong password", "/events", []string{"Authorization", basic("")}, 401},
		{"by name", "/events", []string{"Authorization", "Bearer s3cret", "Host", "admin.contoso.example"}, 200},
		{"another site", "/events", []string{"Authorization", "Bearer s3cret", "Origin", "https://evil.example"}, 403},
	} {
		t.Run(tc.name, func(t *testing.T) {
			status, _, h := s.get(tc.path, tc.header...)
			if status != tc.status || (status == 401) != (h.Get("WWW-Authenticate") != "") {
				t.Errorf("%d %q, want %d", status, h.Get("WWW-Authenticate"), tc.status)
			}
		})
	}
}

// elsewhere is a listener that says it is not on loopback.
type elsewhere struct{ net.Listener }

func (elsewhere) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4zero, Port: 8643} }

func TestBeyondLoopbackNeedsAToken(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := console.New(console.Options{Listener: elsewhere{l}}); !errors.Is(err, console.ErrTokenRequired) {
		t.Errorf("error %v, want %v", err, console.ErrTokenRequired)
	}
}

// What a client chose to send is shown as text, wherever it stands.
func TestEverythingIsEscaped(t *testing.T) {
	s := newSite(t, func(o *console.Options) {
		o.Ready = func(context.Context) error { return errors.New(nasty) }
	})
	e := event(0)
	e.Path, e.ResourceType, e.ResourceName, e.ResourceGroup, e.Subscription = "/"+nasty, nasty, nasty, nasty, nasty
	e.UAIn, e.UAOut, e.Tool, e.Rule, e.Reason, e.Error, e.Process = nasty, nasty+" pid-"+nasty, nasty, nasty, nasty, nasty, nasty
	e.Deployment, e.CorrelationID, e.ClientRequestID, e.Labels, e.IDs, e.Host, e.Method = nasty, nasty, nasty, []string{nasty}, []string{"pid-" + nasty}, nasty, nasty
	s.record(e)
	query := "?" + strings.Join([]string{"q=", "rule=", "tool=", "since=", "kind=", "after=", "type="}, `%3Cscript%3Ealert(1)%3C/script%3E&`)
	for _, path := range append(pages(), "/events"+query, "/live"+query, "/reports"+query, "/reports/report.html", "/"+"%3Cscript%3Ealert(1)") {
		_, body, h := s.get(path)
		if !strings.HasPrefix(h.Get("Content-Type"), "text/html") {
			continue
		}
		for _, bad := range []string{"<script>alert", "<img src=x", `"'><`} {
			if strings.Contains(body, bad) {
				t.Errorf("%s holds %q", path, bad)
			}
		}
	}
	if _, body, _ := s.get("/events/build-7-0badcafe/1/1"); !strings.Contains(body, "&lt;script&gt;alert(1)") {
		t.Error("the event's page does not show what was sent")
	}
}

func TestEventPage(t *testing.T) {
	s := newSite(t, nil)
	e := event(0)
	e.UAIn = "az/1 " + otherID
	e.UAOut = e.UAIn + " " + testID
	s.record(e)
	status, body, _ := s.get("/events/build-7-0badcafe/1/1")
	if status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	for _, want := range []string{
		`az/1 <mark>` + otherID + `</mark> <mark class="added">` + testID + `</mark>`, // after
		`az/1 <mark>` + otherID + `</mark></code>`,                                    // before
		e.Reason, `<a href="/rules#rule-contoso-platform">`, "in the configuration that is in force now",
		"/events?q=bbbbbbbb-0000-4000-8000-000000000000&amp;since=2026-03-19&amp;until=2026-03-21", "Counts as tagged",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	line, err := e.MarshalJSON()
	if err != nil || len(line) == 0 {
		t.Fatal(err)
	}
	for _, field := range audit.Fields() {
		if strings.Contains(string(line), `"`+field+`":`) && !strings.Contains(body, "<dt>"+field+"</dt>") {
			t.Errorf("the page lacks the field %s", field)
		}
	}
}

func TestListPagesThroughEverything(t *testing.T) {
	s := newSite(t, nil)
	s.record(events(130)...)
	seen := map[string]bool{}
	rows := 0
	for path, n := "/events", 0; path != "" && n < 10; n++ {
		_, body, _ := s.get(path)
		path = ""
		for _, line := range strings.Split(body, "\n") {
			if _, after, ok := strings.Cut(line, `<td class="time"><a href="`); ok {
				link, _, _ := strings.Cut(after, `"`)
				seen[link] = true
				rows++
			}
			if before, _, ok := strings.Cut(line, `">Older</a>`); ok {
				path = strings.ReplaceAll(before[strings.LastIndex(before, `href="`)+6:], "&amp;", "&")
			}
		}
	}
	if rows != 130 || len(seen) != 130 {
		t.Errorf("%d rows, %d different ones, want 130", rows, len(seen))
	}
}

func TestFilters(t *testing.T) {
	s := newSite(t, nil)
	s.record(events(340)...)
	for _, tc := range []struct {
		query string
		want  string // in every row
		none  bool
	}{
		{query: "outcome=no-rule", want: ">no-rule<"},
		{query: "tool=cu*", want: ">curl<"},
		{query: "rule=FABRIKAM-opt-out", want: ">fabrikam-opt-out<"},
		{query: "group=rg-contoso-3", want: "rg-contoso-3"},
		{query: "type=microsoft.keyvault/*", want: "Microsoft.KeyVault/vaults"},
		{query: "since=2026-03-19&until=2026-03-19", want: "2026-03-19 "},
		{query: "q=BBBBBBBB-0000-4000-8000-000000000007", want: "app"},
		{query: "status=409", want: "409"},
		{query: "method=PATCH", want: "PATCH"},
		{query: "kind=gap", none: true},
		{query: "label=team=nobody", none: true},
		{query: "id=" + otherID, none: true},
	} {
		t.Run(tc.query, func(t *testing.T) {
			status, body, _ := s.get("/events?" + tc.query)
			_, body, _ = strings.Cut(body, "<tbody>")
			body, _, _ = strings.Cut(body, "</tbody>")
			rows := strings.Split(body, "</tr>")
			rows = rows[:len(rows)-1]
			if status != 200 || (len(rows) == 0) != tc.none {
				t.Fatalf("%d, %d rows", status, len(rows))
			}
			for _, row := range rows {
				if !strings.Contains(row, tc.want) {
					t.Errorf("a row lacks %q: %s", tc.want, row)
				}
			}
		})
	}
	for _, query := range []string{"since=yesterday", "kind=seal", "after=1.2.3"} {
		if status, body, _ := s.get("/events?" + query); status != 200 || !strings.Contains(body, `role="alert"`) {
			t.Errorf("%s: %d, and nobody says that it cannot be read", query, status)
		}
	}
}

func TestDownloads(t *testing.T) {
	s := newSite(t, nil)
	s.record(events(40)...)
	got := map[string]string{}
	for _, file := range []string{"report.html", "report.csv", "report.json", "report.md", "report.txt"} {
		status, body, h := s.get("/reports/" + file + "?rule=contoso-platform")
		if status != 200 || body == "" || !strings.Contains(h.Get("Content-Disposition"), `attachment; filename="attribproxy-2026-03-20-`+file) {
			t.Errorf("%s: %d, %d bytes, %s", file, status, len(body), h.Get("Content-Disposition"))
		}
		got[file], _, _ = strings.Cut(h.Get("Content-Type"), ";")
	}
	want := map[string]string{
		"report.html": "text/html", "report.csv": "text/csv", "report.json": "application/json", "report.md": "text/markdown", "report.txt": "text/plain",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if status, _, _ := s.get("/reports/report.exe"); status != 404 {
		t.Errorf("an unknown file: %d", status)
	}
	if status, body, _ := s.get("/reports/report.csv?since=never"); status != 400 || !strings.Contains(body, "never") {
		t.Errorf("a bad filter: %d", status)
	}
}

// stream reads the live tail.
type stream struct {
	t     *testing.T
	lines *bufio.Scanner
}

func (s *site) follow(t *testing.T, path string, header ...string) *stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.server.URL()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := s.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); resp.Body.Close() })
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%d %s", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	return &stream{t, bufio.NewScanner(resp.Body)}
}

// ids are those of the next n events.
func (s *stream) ids(n int) []string {
	s.t.Helper()
	var ids []string
	for len(ids) < n && s.lines.Scan() {
		if id, ok := strings.CutPrefix(s.lines.Text(), "id: "); ok {
			ids = append(ids, id)
		}
	}
	if len(ids) < n {
		s.t.Fatalf("the stream ended after %q: %v", ids, s.lines.Err())
	}
	return ids
}

func TestTail(t *testing.T) {
	s := newSite(t, nil)
	s.record(event(2), event(1))
	tail := s.follow(t, "/live/stream")
	if diff := cmp.Diff([]string{"build-7-0badcafe/1/1", "build-7-0badcafe/1/2"}, tail.ids(2)); diff != "" {
		t.Errorf("what was there: %s", diff)
	}
	s.record(event(0), event(3)) // event 3 is no-rule
	if diff := cmp.Diff([]string{"build-7-0badcafe/1/3", "build-7-0badcafe/1/4"}, tail.ids(2)); diff != "" {
		t.Errorf("what came: %s", diff)
	}
	again := s.follow(t, "/live/stream", "Last-Event-ID", "build-7-0badcafe/1/2")
	if diff := cmp.Diff([]string{"build-7-0badcafe/1/3", "build-7-0badcafe/1/4"}, again.ids(2)); diff != "" {
		t.Errorf("after coming back: %s", diff)
	}
	filtered := s.follow(t, "/live/stream?outcome=no-rule")
	if diff := cmp.Diff([]string{"build-7-0badcafe/1/4"}, filtered.ids(1)); diff != "" {
		t.Errorf("filtered: %s", diff)
	}
	// Another process on the same journal.
	other := s.open()
	defer other.Close()
	other.Record(event(0))
	if diff := cmp.Diff([]string{"build-7-0badcafe/2/1"}, tail.ids(1)); diff != "" {
		t.Errorf("from another process: %s", diff)
	}
}
