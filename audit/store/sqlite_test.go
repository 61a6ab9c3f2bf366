package store_test

import (
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

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
