//go:build unix

package main

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/attribproxy/attribproxy/internal/fakecloud"
)

const (
	// canary marks what must be stored, printed and shown nowhere. Each place
	// adds a word of its own, so that a find says where it came from.
	canary = "CANARYs3cret"
	// witness is in names that are there to be recorded. It proves that a
	// search can find what travels beside the canaries.
	witness = "witness"
)

// secretHeaders are fields of requests and of answers whose values are none of
// our business, though some have a place on record when they look as they
// should.
var secretHeaders = map[string]string{
	"Authorization":                    "Bearer " + canary + "-authorization",
	"X-Ms-Authorization-Auxiliary":     "Bearer " + canary + "-auxiliary",
	"X-Ms-Policy-External-Evaluations": canary + "-policy",
	"Cookie":                           "session=" + canary + "-cookie",
	"Proxy-Authorization":              "Basic " + canary + "-proxy",
	"X-Ms-Client-Request-Id":           canary + "-" + strings.Repeat("token", 40),
	"X-Ms-Correlation-Request-Id":      "Bearer " + canary + "-correlation",
	"Referer":                          "https://portal/?code=" + canary + "-referer",
	"X-Unknown":                        canary + "-unknown",
	"Commandname":                      "az " + canary + "-command",
	"X-Forwarded-For":                  canary + "-forwarded",
	"Content-Type":                     canary + "/type",
	"If-Match":                         `"` + canary + `-etag"`,
	"Ocp-Apim-Subscription-Key":        canary + "-key",
	"X-Http-Method-Override":           canary,
	"Traceparent":                      canary + "-trace",
	"Upgrade-Insecure-Requests":        canary + "-upgrade",
	"X-" + canary:                      "1",
	"Azure-Asyncoperation":             "https://x/?t=" + canary + "-async",
	"Location":                         "https://x/?t=" + canary + "-location",
	"Www-Authenticate":                 `Bearer claims="` + canary + `-claims"`,
	"X-Ms-Routing-Request-Id":          "Bearer " + canary + "-routing",
	"Set-Cookie":                       "session=" + canary + "-setcookie",
	"X-Ms-Request-Id":                  "Bearer " + canary + "-requestid",
}

// finding is where a canary stands in a text, in any letter case: as it is, in
// a URL, in hex, or in base64 behind any number of bytes; "" for none.
func finding(text string) string {
	forms := []string{canary, hex.EncodeToString([]byte(canary))}
	for before, unsure := range []int{0, 2, 3} { // so many first digits depend on what stands before
		b := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", before) + canary))
		forms = append(forms, b[unsure:len(b)-2])
	}
	lower := strings.ToLower(text)
	for _, form := range forms {
		if i := strings.Index(lower, strings.ToLower(form)); i >= 0 {
			return text[max(0, i-200):min(len(text), i+80)]
		}
	}
	return ""
}

// search looks through a place, which must hold its control, or the search
// would prove nothing.
func search(t *testing.T, place, text, control string) {
	t.Helper()
	if f := finding(text); f != "" {
		t.Errorf("%s: …%s…", place, f)
	}
	if !strings.Contains(text, control) {
		t.Errorf("%s lacks %q: the search proves nothing\n%.2000s", place, control, text)
	}
}

func TestCanaryIsFound(t *testing.T) {
	for _, text := range []string{"x" + canary, strings.ToLower(canary), url.QueryEscape("?" + canary), hex.EncodeToString([]byte("ab" + canary))} {
		if finding(text) == "" {
			t.Errorf("%q: not found", text)
		}
	}
	for before := range 6 {
		if text := base64.StdEncoding.EncodeToString([]byte("u:pass"[:before] + canary + "-x")); finding(text) == "" {
			t.Errorf("%q: not found", text)
		}
	}
	if f := finding("nothing of the kind"); f != "" {
		t.Errorf("found %q", f)
	}
}

// secrets is a client whose every request holds secrets.
type secrets struct {
	t      *testing.T
	client *http.Client
	proxy  string
}

// send sends a request with secrets, and gives the answer's body.
func (c *secrets) send(method, target, body string) string {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	for name, value := range secretHeaders {
		req.Header.Set(name, value)
	}
	req.Header.Set("User-Agent", "test/1")
	return c.do(req)
}

// do sends a request whose answer may fail.
func (c *secrets) do(req *http.Request) string {
	resp, err := c.client.Do(req)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return string(b)
}

// refused sends a request to the proxy itself and gives the answer.
func (c *secrets) refused(head string) string {
	c.t.Helper()
	conn, err := (&net.Dialer{}).DialContext(c.t.Context(), "tcp", strings.TrimPrefix(c.proxy, "http://"))
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close()
	var fields strings.Builder
	for name, value := range secretHeaders {
		fields.WriteString(name + ": " + value + "\r\n")
	}
	_, _ = io.WriteString(conn, head+"\r\nHost: x\r\nConnection: close\r\n"+fields.String()+"\r\n")
	b, _ := io.ReadAll(conn)
	return string(b)
}

// traffic sends every kind of request that is on record.
func (c *secrets) traffic(s *site) {
	t := c.t
	t.Helper()
	const query = apiVersion + "&sig=" + canary + "-query"
	const provider = witness + "-rg/providers/Microsoft.Storage/storageAccounts/" + witness
	s.cloud.Inject(nil, func(w http.ResponseWriter, _ *http.Request) bool {
		for name, value := range secretHeaders {
			w.Header().Set(name, value)
		}
		return false
	})
	answer := func(w http.ResponseWriter, _ *http.Request) bool {
		_, _ = io.WriteString(w, `{"keys":[{"keyName":"key1","value":"`+canary+`-answer"}]}`)
		return true
	}
	s.cloud.Inject(fakecloud.Match(http.MethodPost, "/*/*/*/*/*/*/*/*/listkeys"), answer)
	s.cloud.Inject(fakecloud.Match("", "/*/*/*/"+witness+"-cut"), func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) })
	s.cloud.Inject(fakecloud.Match("", "/*/*/*/"+witness+"-malformed"), func(w http.ResponseWriter, _ *http.Request) bool {
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n"+canary+"-malformed\r\n\r\n")
			conn.Close()
		}
		panic(http.ErrAbortHandler)
	})
	body := `{"location":"westeurope","tags":{"x":"` + canary + `-body"}}`
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		c.send(method, armURL+witness+"-rg"+query, body)
		c.send(method, armURL+witness+"-rg?api-version="+canary+"!", body)
	}
	c.send(http.MethodPut, armURL+witness+"-free"+query, body)
	c.send(http.MethodPut, armURL+witness+"-cut"+query, body)
	c.send(http.MethodPut, armURL+witness+"-malformed"+query, body)
	c.send(http.MethodPut, armURL+provider+query, body)
	if got := c.send(http.MethodPost, armURL+provider+"/listKeys"+query, ""); !strings.Contains(got, canary) {
		t.Errorf("listKeys answered %q", got)
	}
	// As az sends it: a bare key and the user's file behind it.
	c.send(http.MethodPut, armURL+witness+"-rg/providers/Microsoft.Resources/deployments/main"+query,
		`{"properties": {"parameters": {"password": {"value": "`+canary+`-parameter"}}, "mode": "Incremental", template:{ // `+canary+`-comment
  "variables": {"key": "`+canary+`-variable"},
  "resources": [ {"type": "Microsoft.Resources/deployments", "name": "`+otherID+`", "properties": {"template": {"resources": []}}},
    {"type": "`+canary+`/type", "name": "pid-`+canary+`"}, ] }}}`)
	c.send(http.MethodPost, "https://management.azure.com/batch"+query, `{"requests":[
  {"httpMethod":"GET","url":"/subscriptions`+query+`"},
  {"httpMethod":"PUT","url":"/subscriptions/`+fakecloud.SubscriptionID+`/resourcegroups/`+witness+`-batch`+query+`","content":`+body+`,"requestHeaderDetails":{"commandName":"`+canary+`-inner"}}]}`)
	for _, head := range []string{
		"CONNECT 169.254.169.254:80 HTTP/1.1", "CONNECT u:" + canary + "@x:443 HTTP/1.1",
		"PUT http://management.azure.com/x?code=" + canary + " HTTP/1.1", "PUT http://u:" + canary + "@127.0.0.1:1/x?code=" + canary + " HTTP/1.1",
		"GET /" + canary + " HTTP/1.1",
	} {
		search(t, head, c.refused(head), "HTTP/1.1 ")
	}
	// Under the name of another host than the connection's.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, armURL+witness+"-rg"+query, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = canary + ".example"
	search(t, "another host", c.do(req), "AttribProxy")
	// A tunnel, which is not looked into.
	c.send(http.MethodGet, "https://login.microsoftonline.com/common?code="+canary, "")
}

// TestProgramKeepsNoSecrets sends secrets through the whole program wherever a
// client, a cloud or an operator can put them, and looks for them in all that
// the program leaves, says and shows.
func TestProgramKeepsNoSecrets(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	corp := newCorporateProxy(t, s.cloud.Addr())
	s.env = append(s.env, "ATTRIBPROXY_LOG_LEVEL=debug", "ATTRIBPROXY_AUDIT_GUARANTEE=strict", "ATTRIBPROXY_DRAIN=1s")
	rule := ruleYAML(witness+"-rule", testID) + "    match: {resourceGroups: [" + witness + "-rg]}\n"
	through := func(proxy string) string { return "  proxy: \"" + proxy + "\"\n" + rule }
	file := s.config(through("http://build:" + canary + "-password@" + corp.addr))
	daemon, info := s.serve("--config", file, "--admin", "127.0.0.1:0")
	live := s.live(info.Admin + "/live/stream?token=" + canary)

	c := &secrets{t: t, client: s.via(info), proxy: info.Proxy}
	tr := c.client.Transport.(*http.Transport)
	tr.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: strings.TrimPrefix(info.Proxy, "http://"), User: url.UserPassword("u", canary+"-client")})
	tr.ProxyConnectHeader = http.Header{"X-Secret": {canary + "-connect"}}
	c.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.traffic(s)
	s.delivered(corp)
	s.recorded()

	// Reloads that are refused speak of what is wrong with them.
	for i, proxy := range []string{"http://u:" + canary + "-new@" + corp.addr, "socks5://u:" + canary + "@x", "socks5://" + canary + "@x", "http://u:" + canary + "%zz@x:1", "http://u:" + canary + "@"} {
		s.config(through(proxy))
		if err := daemon.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		daemon.await("the old rules stay in force", i+1)
	}
	s.config(through("http://build:" + canary + "-password@" + corp.addr))

	s.env = append(s.env, "ARMCLIENT_TOKEN="+canary+"-token")
	target := armURL + witness + "-rg" + apiVersion + "&sig=" + canary
	r := s.run("run", "--config", file, "--", s.client(), target)
	search(t, "run", r.stderr, "1 attributed ("+witness+"-rule)")
	s.env = append(s.env, "HTTPS_PROXY=http://u:"+canary+"-environment@127.0.0.1:1")
	r = s.run("run", "--config", s.file("environment.yaml", s.yaml(rule)), "--", s.client(), target)
	search(t, "run through a proxy that is not there", r.stderr+r.stdout, "502")

	search(t, "the live tail", live(), witness+"-batch")
	s.searchVerbs(file)
	s.searchConsole(info.Admin)
	s.searchState(map[string]string{"serve.json": info.Proxy, "index.db": "SQLite", "index.db-wal": witness})
	if err := daemon.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	daemon.exit()
	s.searchState(map[string]string{"index.db": witness})
	search(t, "the log", daemon.stderr(), `"level":"debug"`)
}

// delivered makes sure that the secrets went where they should.
func (s *site) delivered(corp *corporateProxy) {
	s.t.Helper()
	if got := corp.seen(); len(got) == 0 || finding(got[0]) == "" {
		s.t.Errorf("the proxy in front got %q", got)
	}
	var headers, queries, bodies int
	for _, r := range s.cloud.Requests() {
		if finding(fmt.Sprint(r.Header["Authorization"], r.Header["X-Unknown"])) != "" {
			headers++
		}
		if finding(r.RequestURI) != "" {
			queries++
		}
		if finding(string(r.Body)) != "" {
			bodies++
		}
	}
	if headers < 15 || queries < 15 || bodies < 10 {
		s.t.Errorf("the cloud got %d requests with secrets in headers, %d in queries, %d in bodies", headers, queries, bodies)
	}
}

// recorded makes sure that each kind of traffic came to what it was meant to.
func (s *site) recorded() {
	s.t.Helper()
	got := map[string]int{}
	for _, e := range s.journal() {
		got[e.Outcome]++
		got[e.Error]++
		got[e.Deployment]++
		got[strings.Join(e.TemplateIDs, " ")]++
	}
	for _, want := range []string{
		"attributed", "no-rule", "not-eligible", "batch", "rejected", "main", otherID,
		"AttribProxyUpstreamUnreachable", "AttribProxyDestinationForbidden", "AttribProxyMisdirectedRequest", "AttribProxyPlainHTTPRefused",
	} {
		if got[want] == 0 {
			s.t.Errorf("no event with %s: %v", want, got)
		}
	}
}

// live reads the live tail until the batch is seen.
func (s *site) live(target string) func() string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), waitLong)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	got := make(chan string, 1)
	go func() {
		defer resp.Body.Close()
		var all strings.Builder
		for buf := make([]byte, 4096); !strings.Contains(all.String(), witness+"-batch"); {
			n, err := resp.Body.Read(buf)
			all.Write(buf[:n])
			if err != nil {
				break
			}
		}
		got <- all.String()
	}()
	return func() string { defer cancel(); return <-got }
}

// searchVerbs looks through what the verbs print.
func (s *site) searchVerbs(file string) {
	s.t.Helper()
	verbs := [][]string{
		{"list", "--kind", "all"},
		{"list", "--kind", "all", "--output", "json"},
		{"export"},
		{"export", "--format", "csv"},
		{"discover"},
		{"discover", "--output", "json"},
		{"report", "--by", "rule", "--by", "resource-group", "--output", "json"},
	}
	for _, format := range []string{"text", "json", "csv", "markdown", "html"} {
		verbs = append(verbs, []string{"report", "--format", format})
	}
	for _, verb := range verbs {
		r := s.run(append([]string{"audit", "--config", file}, verb...)...)
		search(s.t, "audit "+strings.Join(verb, " "), r.stdout+r.stderr, witness)
	}
	var all string
	shown := map[string]bool{} // one of each kind, as each is a process
	for _, e := range s.journal() {
		if shown[e.Outcome] {
			continue
		}
		shown[e.Outcome] = true
		for _, output := range []string{"text", "json"} {
			r := s.run("audit", "--config", file, "show", fmt.Sprintf("%d/%d", e.Epoch, e.Seq), "--output", output)
			all += r.stdout + r.stderr
		}
	}
	search(s.t, "audit show", all, witness)
	r := s.run("config", "show", "--config", file)
	search(s.t, "config show", r.stdout+r.stderr, witness)
}

// searchConsole looks through the pages of the admin listener.
func (s *site) searchConsole(admin string) {
	s.t.Helper()
	pages := map[string]string{
		"/": witness, "/events": witness, "/live": "<table", "/rules": witness, "/reports": "report.csv",
		"/metrics": "attribproxy_", "/readyz": "", "/healthz": "",
		"/reports/report.json": witness, "/reports/report.csv": witness, "/reports/report.html": witness,
	}
	for _, e := range s.journal() {
		pages["/events/"+url.PathEscape(e.Source)+"/"+fmt.Sprintf("%d/%d", e.Epoch, e.Seq)] = e.Method
	}
	for path, control := range pages {
		status, body := get(s.t, admin+path)
		search(s.t, path, body, control)
		if status != http.StatusOK {
			s.t.Errorf("%s: %d", path, status)
		}
	}
	// What somebody pastes into the address bar is not to be kept either.
	_, _ = get(s.t, admin+"/"+canary+"?token="+canary)
}

// searchState looks through every file of the state directory. Those with
// controls, and a journal for each process, are to be there.
func (s *site) searchState(controls map[string]string) {
	s.t.Helper()
	journals := 0
	err := filepath.WalkDir(s.state, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		control := controls[filepath.Base(path)]
		delete(controls, filepath.Base(path))
		if filepath.Ext(path) == ".jsonl" {
			control = witness
			journals++
		}
		search(s.t, path, string(b), control)
		return nil
	})
	if err != nil {
		s.t.Error(err)
	}
	if len(controls) > 0 || journals < 3 {
		s.t.Errorf("%d journal files; not there: %v", journals, controls)
	}
}
