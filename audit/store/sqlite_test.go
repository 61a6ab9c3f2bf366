package store_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/attribproxy/attribproxy/audit"
	"github.com/attribproxy/attribproxy/audit/store"
	"github.com/attribproxy/attribproxy/audit/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// index opens an index at path, which need not be there.
func index(t testing.TB, path string) *store.SQLite {
	t.Helper()
	s, err := store.OpenSQLite(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t testing.TB) store.Store {
		return index(t, filepath.Join(t.TempDir(), "index.db"))
	})
}

// The suite itself is sound.
func TestReference(t *testing.T) {
	storetest.Run(t, func(testing.TB) store.Store { return storetest.NewReference() })
}

// An index that classified events in another way is made anew.
func TestSQLiteOtherVersion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "index.db")
	s := index(t, path)
	if err := s.Append(t.Context(), []audit.Event{storetest.Event(1)}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "PRAGMA user_version = 1"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	groups, err := index(t, path).Coverage(t.Context(), store.Query{})
	if err != nil {
		t.Fatal(err)
	}
	if n := groups[0].Counts.Requests(); n != 0 {
		t.Errorf("%d requests of an old index are still counted", n)
	}
}
