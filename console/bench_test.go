package console_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/attribproxy/attribproxy/audit/store"
	"github.com/attribproxy/attribproxy/internal/chromium"
)

// BenchmarkMillion shows pages over a million events (20,000 with -short): the
// time on the server, and with browser/ that until a real browser has drawn it.
func BenchmarkMillion(b *testing.B) {
	n := 1_000_000
	if testing.Short() {
		n = 20_000
	}
	s := newSite(b, nil)
	for i := 0; i < n; i += 50_000 {
		batch := events(min(50_000, n-i))
		for j := range batch {
			// A year of them, so that there are as many days as there may be.
			batch[j].Time = start().Add(-time.Duration(n-i-j) * (365 * 24 * time.Hour / time.Duration(n)))
		}
		s.record(batch...)
	}
	built := time.Now()
	st, err := store.OpenSQLite(b.Context(), filepath.Join(s.dir, "index.db"))
	if err != nil {
		b.Fatal(err)
	}
	if err := store.Follow(b.Context(), filepath.Join(s.dir, "audit"), st, store.FollowOptions{}); err != nil {
		b.Fatal(err)
	}
	b.Logf("the index of %d events was built in %s", n, time.Since(built).Round(time.Millisecond))
	if err := st.Close(); err != nil {
		b.Fatal(err)
	}
	pages := []struct{ name, path string }{
		{"overview", "/"},
		{"overview-all", "/?period=all"},
		{"events", "/events"},
		{"events-by-rule", "/events?rule=everything-else"},
		{"events-by-group", "/events?group=rg-contoso-1&outcome=no-rule"},
		{"events-search", "/events?q=aaaaaaaa-0000-4000-8000-000000000007"},
		{"events-search-near", "/events?q=aaaaaaaa-0000-4000-8000-000000000007&since=2026-03-18&until=2026-03-20"},
		{"event", "/events/build-7-0badcafe/1/400"},
	}
	for _, p := range pages {
		b.Run(p.name, func(b *testing.B) {
			for b.Loop() {
				if status, body, _ := s.get(p.path); status != 200 {
					b.Fatalf("%d %s", status, body)
				}
			}
		})
	}
	b.Run("overview-after-a-write", func(b *testing.B) {
		for b.Loop() {
			s.record(event(0))
			if status, body, _ := s.get("/"); status != 200 {
				b.Fatalf("%d %s", status, body)
			}
		}
	})
	for _, p := range pages[:3] {
		b.Run("browser/"+p.name, func(b *testing.B) {
			tab := chromium.New(b)
			tab.Look(1280, 800, "light")
			for b.Loop() {
				tab.Do(chromedp.Navigate(s.server.URL() + p.path))
			}
			b.ReportMetric(chromium.Eval[float64](tab, `performance.getEntriesByType("navigation")[0].loadEventEnd`), "ms-to-load")
		})
	}
}
