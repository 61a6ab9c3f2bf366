package e2e_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/attribproxy/attribproxy/internal/fakecloud"
)

// turns lets two clients run at once: more only wait for each other's CPU.
var turns = make(chan struct{}, 2)

// TestClients runs each client three times: by itself, through serve, under run.
func TestClients(t *testing.T) {
	for _, c := range clients() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			argv := c.command(t)
			turns <- struct{}{}
			defer func() { <-turns }()

			direct := runDirect(t, c, argv)
			if t.Failed() {
				return // there is nothing to compare with
			}
			t.Run("serve", func(t *testing.T) { check(t, c, direct, newSandbox(t, c.hosts...).throughServe(t, argv)) })
			t.Run("run", func(t *testing.T) {
				r := newSandbox(t, c.hosts...).underRun(t, argv)
				check(t, c, direct, r)
				checkSummary(t, r)
			})
		})
	}
}

// check judges one run through attribproxy.
func check(t *testing.T, c client, direct []fakecloud.Request, r result) {
	t.Helper()
	for _, fault := range compare(direct, r.requests, r.cloud.IsARM, token, c.varies) {
		t.Error(fault)
	}
	before := map[string]string{} // User-Agent by method and path
	for _, d := range direct {
		path, _, _ := strings.Cut(d.RequestURI, "?")
		before[d.Method+" "+path] = d.Header.Get("User-Agent")
	}
	for i, q := range r.requests {
		if auth := q.Header.Get("Authorization"); auth != "" && auth != "Bearer "+fixedToken && !r.cloud.Issued(auth) {
			t.Errorf("request %d, %s %s: the token is not the one that sign-in gave out", i+1, q.Method, q.RequestURI)
		}
		if i < len(direct) && q.Status != direct[i].Status {
			t.Errorf("request %d, %s %s: answered %d, without the proxy %d", i+1, q.Method, q.RequestURI, q.Status, direct[i].Status)
		}
	}
	checkJournal(t, r, before)
	if left := r.leftovers(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// runDirect runs the client without attribproxy and gives what reached the cloud.
func runDirect(t *testing.T, c client, argv []string) []fakecloud.Request {
	t.Helper()
	s := newSandbox(t, c.hosts...)
	tunnel := startTunnel(t, s.cloud)
	host, port := splitURL(t, tunnel.url())
	s.exec(t, []string{
		"HTTPS_PROXY=" + tunnel.url(), "https_proxy=" + tunnel.url(), "HTTP_PROXY=" + tunnel.url(), "http_proxy=" + tunnel.url(),
		"JAVA_TOOL_OPTIONS=-Dhttps.proxyHost=" + host + " -Dhttps.proxyPort=" + port +
			" -Djavax.net.ssl.trustStore=" + filepath.ToSlash(s.truststore(t)) + " -Djavax.net.ssl.trustStorePassword=changeit",
	}, argv)
	if strays := tunnel.strays(); len(strays) > 0 {
		t.Errorf("the client also asked for %v", strays)
	}
	got := s.cloud.Requests()
	puts := 0
	for _, r := range got {
		if !s.cloud.IsARM(r.Host) {
			continue
		}
		if r.Method == http.MethodPut {
			puts++
		}
		if r.Proto != c.proto {
			t.Errorf("%s %s came as %s, want %s", r.Method, r.RequestURI, r.Proto, c.proto)
		}
		if r.Status >= 400 {
			t.Errorf("%s %s was answered %d", r.Method, r.RequestURI, r.Status)
		}
	}
	if puts != c.puts {
		t.Errorf("the client sent %d PUTs to ARM by itself, want %d", puts, c.puts)
	}
	return got
}
