package console_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/attribproxy/attribproxy/internal/chromium"
)

// looks are the windows and themes that every page is looked at in.
func looks() []struct {
	name          string
	width, height int64
	theme         string
} {
	return []struct {
		name          string
		width, height int64
		theme         string
	}{
		{"desk-light", 1280, 800, "light"},
		{"desk-dark", 1280, 800, "dark"},
		{"phone-light", 390, 844, "light"},
		{"phone-dark", 390, 844, "dark"},
	}
}

func TestBrowserLooks(t *testing.T) {
	s := newSite(t, nil)
	s.record(events(400)...)
	b := chromium.New(t)
	for _, look := range looks() {
		b.Look(look.width, look.height, look.theme)
		backgrounds := map[string]bool{}
		for name, path := range map[string]string{
			"overview": "/", "list": "/events", "list-filtered": "/events?group=rg-contoso-1&outcome=attributed", "live": "/live",
			"event": "/events/build-7-0badcafe/1/393", "conflict": "/events/build-7-0badcafe/1/393", "rules": "/rules", "reports": "/reports",
		} {
			b.Open(s.server.URL() + path)
			if name == "live" {
				b.Until(`document.querySelectorAll("#tail tbody tr").length === 100`)
			}
			if wide := chromium.Eval[int](b, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); wide > 0 {
				t.Errorf("%s: %s is %d pixels wider than the window", look.name, name, wide)
			}
			backgrounds[chromium.Eval[string](b, `getComputedStyle(document.body).backgroundColor`)] = true
			if bad := chromium.Eval[[]string](b, lowContrast); len(bad) > 0 {
				t.Errorf("%s: %s is hard to read: %s", look.name, name, strings.Join(bad, "; "))
			}
			b.Screenshot(look.name + "-" + name)
		}
		dark := backgrounds["rgb(15, 19, 24)"]
		if len(backgrounds) != 1 || dark != (look.theme == "dark") {
			t.Errorf("%s: backgrounds %v", look.name, backgrounds)
		}
	}
}

// lowContrast lists texts whose contrast is below 4.5 (WCAG 2.2, 1.4.3).
const lowContrast = `(() => {
  const channel = (v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
  const rgb = (s) => { const m = s.match(/[\d.]+/g).map(Number); return m.length > 3 && m[3] === 0 ? null : m; };
  const light = (c) => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
  const bad = new Set();
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || !e.offsetParent || e.closest(".fresh,.hidden,.skip,svg,noscript,option")) continue;
    let behind = null;
    for (let p = e; p && !behind; p = p.parentElement) behind = rgb(getComputedStyle(p).backgroundColor);
    const a = light(rgb(getComputedStyle(e).color)), b = light(behind || [255, 255, 255]);
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) bad.add(e.tagName + "." + e.className + " " + contrast.toFixed(2) + " " + e.textContent.trim().slice(0, 20));
  }
  return [...bad];
})()`

func TestBrowserFilterAndOpen(t *testing.T) {
	s := newSite(t, nil)
	s.record(events(400)...)
	b := chromium.New(t)
	b.Look(1280, 800, "light")
	b.Open(s.server.URL() + "/")
	b.Do(chromedp.Click(`header nav a[href="/events"]`), chromedp.WaitVisible(`form.filter`))
	b.Do(
		chromedp.SetValue(`select[name=outcome]`, "conflict-kept"),
		chromedp.SendKeys(`input[name=q]`, "rg-contoso-1"+kb.Enter),
		chromedp.WaitReady(`form.filter .actions a`),
	)
	outcomes := chromium.Eval[[]string](b, `[...new Set([...document.querySelectorAll(".events tbody .tag")].map(e => e.textContent))]`)
	groups := chromium.Eval[[]string](b, `[...new Set([...document.querySelectorAll(".events tbody .resource small")].map(e => e.textContent))]`)
	if fmt.Sprint(outcomes, groups) != "[conflict-kept] [rg-contoso-1]" {
		t.Errorf("filtered: outcomes %q, groups %q", outcomes, groups)
	}
	b.Do(chromedp.Click(`.events tbody tr:first-child a`), chromedp.WaitVisible(`#agent`))
	if marked := chromium.Eval[string](b, `document.querySelector("mark").textContent`); marked != otherID {
		t.Errorf("marked %q, want %s", marked, otherID)
	}
	b.Do(chromedp.Click(`.related a[href*="group="]`), chromedp.WaitVisible(`.events`))
	if open := chromium.Eval[bool](b, `document.querySelector("form.filter details").open`); !open {
		t.Error("the field that is filled in is folded away")
	}
}

func TestBrowserKeyboard(t *testing.T) {
	s := newSite(t, nil)
	s.record(events(60)...)
	b := chromium.New(t)
	b.Look(1280, 800, "light")
	b.Open(s.server.URL() + "/events")
	reached := map[string]bool{}
	for range 160 {
		b.Do(chromedp.KeyEvent(kb.Tab))
		reached[chromium.Eval[string](b, `(e => e === document.body ? "" : e.tagName + " " + (e.getAttribute("href") || e.name || e.type || e.textContent))(document.activeElement)`)] = true
	}
	for _, want := range chromium.Eval[[]string](b, `[...document.querySelectorAll("a,button,summary,input,select")].filter(e => e.checkVisibility()).map(e => e.tagName + " " + (e.getAttribute("href") || e.name || e.type || e.textContent))`) {
		if !reached[want] {
			t.Errorf("Tab does not reach %s", want)
		}
	}
	// The first stop is the way past the menu, and it can be seen.
	b.Open(s.server.URL() + "/events")
	b.Do(chromedp.KeyEvent(kb.Tab))
	if width := chromium.Eval[float64](b, `document.activeElement.className === "skip" ? document.activeElement.offsetWidth : 0`); width < 50 {
		t.Errorf("the skip link is %v pixels wide", width)
	}
	b.Do(chromedp.KeyEvent(kb.Enter))
	b.Until(`document.activeElement.id === "content"`)
}

func TestBrowserTail(t *testing.T) {
	s := newSite(t, nil)
	s.record(events(5)...)
	b := chromium.New(t)
	b.Look(1280, 800, "dark")
	b.Open(s.server.URL() + "/live")
	b.Until(`document.querySelectorAll("#tail tbody tr").length === 5 && document.getElementById("status").dataset.state === "open"`)
	e := event(0)
	e.ResourceType, e.ResourceName, e.Tool, e.Rule = "", "", nasty, nasty
	e.Path = "/" + nasty
	s.record(e)
	b.Until(`document.querySelectorAll("#tail tbody tr").length === 6`)
	if first := chromium.Eval[string](b, `document.querySelector("#tail tbody tr .resource").firstChild.data`); first != "/"+nasty {
		t.Errorf("the newest row shows %q", first)
	}
	if n := chromium.Eval[int](b, `document.querySelectorAll("#tail img, #tail script").length`); n != 0 {
		t.Error("what a client sent became markup")
	}
	b.Do(chromedp.Click("#pause"))
	s.record(event(1), event(2))
	b.Until(`document.getElementById("status").textContent === "Paused, 2 waiting"`)
	if n := chromium.Eval[int](b, `document.querySelectorAll("#tail tbody tr").length`); n != 6 {
		t.Errorf("%d rows while paused", n)
	}
	b.Do(chromedp.Click("#pause"))
	b.Until(`document.querySelectorAll("#tail tbody tr").length === 8`)
	b.Do(chromedp.Click("#tail tbody tr:first-child a"), chromedp.WaitVisible("#agent"))
}

func TestBrowserDownload(t *testing.T) {
	s := newSite(t, nil)
	s.record(events(100)...)
	b := chromium.New(t)
	b.Look(1280, 800, "light")
	dir := t.TempDir()
	done := make(chan string, 1)
	if err := chromedp.ListenBrowser(b.Ctx, func(event any) {
		if e, ok := event.(*browser.EventDownloadProgress); ok && e.State == browser.DownloadProgressStateCompleted {
			done <- e.GUID
		}
	}); err != nil {
		t.Fatal(err)
	}
	told := true
	if _, err := chromedp.CallBrowser(b.Ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
		Behavior: browser.SetDownloadBehaviorBehaviorAllowAndName, DownloadPath: dir, EventsEnabled: &told,
	}); err != nil {
		t.Fatal(err)
	}
	b.Open(s.server.URL() + "/reports")
	b.Do(chromedp.Click(`.downloads a[href*="report.json"]`))
	select {
	case name := <-done:
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		var report struct{ Total struct{ Requests int } }
		if err := json.Unmarshal(raw, &report); err != nil || report.Total.Requests != 100 {
			t.Errorf("%d requests, %v: %.200s", report.Total.Requests, err, raw)
		}
	case <-b.Ctx.Done():
		t.Fatal("no download")
	}
}
