package store_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/attribproxy/attribproxy/audit"
	"github.com/attribproxy/attribproxy/audit/store"
	"github.com/attribproxy/attribproxy/audit/store/storetest"
)

// benchEvents is the size of the journal that the benchmarks use;
// STORE_BENCH_EVENTS sets another.
func benchEvents(b *testing.B) int {
	if s := os.Getenv("STORE_BENCH_EVENTS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
	return 200_000
}

// indexed is an index over a journal of n events.
func indexed(b *testing.B, n int) (s *store.SQLite, dir string) {
	b.Helper()
	state := b.TempDir()
	dir = filepath.Join(state, "audit")
	if err := os.Mkdir(dir, 0o700); err != nil {
		b.Fatal(err)
	}
	size, err := storetest.Generate(dir, n, 90)
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(state, "index.db")
	start := time.Now()
	if s, err = store.OpenSQLite(b.Context(), path); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	if err := store.Follow(b.Context(), dir, s, store.FollowOptions{Damaged: func(err error) { b.Error(err) }}); err != nil {
		b.Fatal(err)
	}
	took := time.Since(start)
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("%d events indexed in %.2f s: %.0f events/s; %d bytes per event in the journal, %d in the index",
		n, took.Seconds(), float64(n)/took.Seconds(), size/int64(n), info.Size()/int64(n))
	return s, dir
}

// BenchmarkFollow builds an index from nothing.
func BenchmarkFollow(b *testing.B) {
	n := benchEvents(b)
	dir := b.TempDir()
	if _, err := storetest.Generate(dir, n, 90); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s, err := store.OpenSQLite(b.Context(), filepath.Join(b.TempDir(), "index.db"))
		if err != nil {
			b.Fatal(err)
		}
		if err := store.Follow(b.Context(), dir, s, store.FollowOptions{}); err != nil {
			b.Fatal(err)
		}
		s.Close()
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkQuestions asks what a report and the console ask.
func BenchmarkQuestions(b *testing.B) {
	s, dir := indexed(b, benchEvents(b))
	ctx := context.Background()
	at := func(days, hours int) time.Time {
		return time.Date(2026, 1, 1+days, hours, 0, 0, 0, time.UTC)
	}
	tables := func(q store.Query, by ...[]store.Dimension) func() error {
		return func() error {
			_, err := s.Tables(ctx, q, by...)
			return err
		}
	}
	events := func(q store.Query, page store.Page) func() error {
		return func() error {
			_, _, err := s.Events(ctx, q, page)
			return err
		}
	}
	for _, bench := range []struct {
		name string
		ask  func() error
	}{
		{"report", tables(store.Query{}, nil,
			[]store.Dimension{store.ByDay}, []store.Dimension{store.ByRule}, []store.Dimension{store.ByID}, []store.Dimension{store.ByTool},
			[]store.Dimension{store.BySubscription}, []store.Dimension{store.ByResourceType}, []store.Dimension{store.ByProcess}, []store.Dimension{store.ByOutcome})},
		{"total", tables(store.Query{}, nil)},
		{"part-of-days", tables(store.Query{Filter: audit.Filter{Since: at(10, 12), Until: at(80, 12)}}, nil)},
		{"by-label", tables(store.Query{}, []store.Dimension{store.ByLabel})},
		{"filtered", tables(store.Query{Filter: audit.Filter{Rules: []string{"contoso-1"}}}, []store.Dimension{store.ByDay})},
		{"first-page", events(store.Query{}, store.Page{})},
		{"last-page", events(store.Query{}, store.Page{After: store.Cursor{Time: at(0, 0).Add(time.Minute), Source: "b", Epoch: 1, Seq: 1}})},
		{"filtered-page", events(store.Query{Filter: audit.Filter{Outcomes: []string{"no-rule"}, Tools: []string{"curl"}}}, store.Page{})},
		{"rare-page", events(store.Query{Labels: []string{"build=7"}}, store.Page{})},
		{"text-page", events(store.Query{Text: "thing-1007"}, store.Page{})},
		{"follow-nothing-new", func() error { return store.Follow(ctx, dir, s, store.FollowOptions{}) }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			for b.Loop() {
				if err := bench.ask(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
