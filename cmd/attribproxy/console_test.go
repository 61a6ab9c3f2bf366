//go:build unix

package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/attribproxy/attribproxy/internal/chromium"
)

// TestBrowserFollowsServe is the whole way: a client writes through a running
// serve, and a real browser on the admin listener sees it.
func TestBrowserFollowsServe(t *testing.T) {
	t.Parallel()
	b := chromium.New(t)
	s := newSite(t)
	_, info := s.serve("--config", s.config(ruleYAML("contoso", testID)), "--admin", "127.0.0.1:0")
	b.Look(1280, 800, "light")
	b.Open(info.Admin + "/")
	if said := chromium.Eval[string](b, `document.querySelector("#coverage + .big + p").textContent`); !strings.Contains(said, "No eligible writes yet") {
		t.Errorf("without a write it says %q", said)
	}
	b.Do(chromedp.Click(`header nav a[href="/live"]`), chromedp.WaitReady("#tail"))
	b.Until(`document.getElementById("status").dataset.state === "open"`)
	client := s.via(info)
	for _, group := range []string{"rg-1", "rg-2", "rg-3"} {
		s.put(client, group)
		b.Until(`document.querySelector("#tail tbody tr small")?.textContent === "` + group + `"`)
	}
	b.Do(chromedp.Click("#tail tbody tr:last-child a"), chromedp.WaitVisible("#agent"))
	b.Screenshot("serve-event")
	if added := chromium.Eval[string](b, `document.querySelector("mark.added").textContent`); added != testID {
		t.Errorf("marked as added: %q, want %s", added, testID)
	}
	b.Do(chromedp.Click(`a[href="/rules#rule-contoso"]`), chromedp.WaitVisible("#rule-contoso"))
	b.Screenshot("serve-rules")
	b.Open(info.Admin + "/")
	b.Screenshot("serve-overview")
	if big := chromium.Eval[string](b, `document.querySelector(".big").textContent`); big != "100.0%" {
		t.Errorf("coverage %q, want 100.0%%", big)
	}
}

// TestBrowserRebinding opens a page of another origin in a real browser, which
// tries to read the console in each way that a script has.
func TestBrowserRebinding(t *testing.T) {
	t.Parallel()
	b := chromium.New(t)
	s := newSite(t)
	_, info := s.serve("--config", s.config(ruleYAML("contoso", testID)), "--admin", "127.0.0.1:0")
	s.put(s.via(info), "rg-1")
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(`<!doctype html><link rel="icon" href="data:,"><footer></footer>`))
	}))
	defer evil.Close()
	b.Open(evil.URL)
	admin, err := url.Parse(info.Admin)
	if err != nil {
		t.Fatal(err)
	}
	b.ExpectFaults()
	for name, script := range map[string]string{
		"fetch":        `fetch("` + admin.String() + `/events").then(r => r.text(), () => "refused")`,
		"event stream": `new Promise(done => { const e = new EventSource("` + admin.String() + `/live/stream"); e.onmessage = e.onopen = () => done("open"); e.onerror = () => { e.close(); done("refused"); }; })`,
		"script":       `new Promise(done => { const e = document.createElement("script"); e.src = "` + admin.String() + `/assets/live.js"; e.onload = () => done("loaded"); e.onerror = () => done("refused"); document.body.append(e); })`,
		"image":        `new Promise(done => { const e = new Image(); e.src = "` + admin.String() + `/assets/icon.svg"; e.onload = () => done("loaded"); e.onerror = () => done("refused"); })`,
	} {
		if got := chromium.Await[string](b, script); got != "refused" {
			t.Errorf("%s: %q", name, got)
		}
	}
}
