package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

// indexVersion is what the index file says of itself (PRAGMA user_version). It
// rises when events would be classified or stored in another way; an index of
// any other version is made anew.
const indexVersion = 2

// SQLite is a store in one file, which several processes may use at once.
type SQLite struct {
	path string
	w    *sql.DB // one connection, for changes
	r    *sql.DB // for questions

	mu    sync.Mutex // held by whoever changes
	known interned

	cacheMu sync.Mutex
	cache   cached
}

var _ Store = (*SQLite)(nil)

// lockSuffix names the lock that is held by whoever makes, migrates or follows
// an index. It outlives the index, or two could hold it.
const lockSuffix = ".lock"

// lockPoll is how often a lock that another process holds is tried.
const lockPoll = 20 * time.Millisecond

// OpenSQLite opens the index at path, mode 0600, and makes it if it is missing,
// damaged or of another version.
func OpenSQLite(ctx context.Context, path string) (*SQLite, error) {
	s := &SQLite{path: path}
	err := s.locked(ctx, func() error {
		err := s.open(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if err := removeIndex(path); err != nil {
			return err
		}
		return s.open(ctx)
	})
	if err != nil {
		return nil, fmt.Errorf("opening the index %s: %w", path, err)
	}
	return s, nil
}

// locked runs f while no other process makes or follows the index.
func (s *SQLite) locked(ctx context.Context, f func() error) error {
	lock := flock.New(s.path+lockSuffix, flock.SetPermissions(0o600))
	defer lock.Close()
	if _, err := lock.TryLockContext(ctx, lockPoll); err != nil {
		return fmt.Errorf("waiting for another process: %w", err)
	}
	return f()
}

// errVersion says that an index was made by another version of this package.
var errVersion = errors.New("made by another version")

func (s *SQLite) open(ctx context.Context) (err error) {
	// SQLite gives its other files the mode of this one.
	f, err := os.OpenFile(s.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	fresh := info.Size() == 0
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.w, err = sql.Open("sqlite", dsn(s.path, "_txlock=immediate", "_pragma=cache_size(-65536)", "_pragma=wal_autocheckpoint(8192)")); err != nil {
		return err
	}
	s.w.SetMaxOpenConns(1)
	if s.r, err = sql.Open("sqlite", dsn(s.path, "_pragma=query_only(1)", "_pragma=cache_size(-32768)")); err != nil {
		return err
	}
	s.r.SetMaxOpenConns(4)
	var version int
	if err := s.w.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if !fresh && version != indexVersion {
		return errVersion
	}
	if err := migrate(ctx, s.w); err != nil {
		return err
	}
	if _, err := s.w.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", indexVersion)); err != nil {
		return err
	}
	// A damaged file often shows only when it is read.
	return s.w.QueryRowContext(ctx, "SELECT number FROM generation").Scan(&version)
}

func migrate(ctx context.Context, db *sql.DB) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files)
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

// dsn names a database for the driver. Waiting for others is bounded by
// busy_timeout, in milliseconds; nothing but a power cut can lose what
// synchronous(NORMAL) does not sync, and then the index is behind, not broken.
func dsn(path string, params ...string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/…
	}
	params = append([]string{
		"_pragma=busy_timeout(30000)", "_pragma=journal_mode(WAL)", "_pragma=synchronous(NORMAL)",
		"_pragma=temp_store(MEMORY)", "_pragma=journal_size_limit(67108864)",
	}, params...)
	return "file://" + (&url.URL{Path: path}).EscapedPath() + "?" + strings.Join(params, "&")
}

// removeIndex deletes an index. The lock file stays.
func removeIndex(path string) error {
	var failed error
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

func (s *SQLite) close() error {
	var failed error
	for _, db := range []*sql.DB{s.r, s.w} {
		if db != nil {
			failed = errors.Join(failed, db.Close())
		}
	}
	s.r, s.w = nil, nil
	return failed
}

// Close gives the index up.
func (s *SQLite) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.close(); err != nil {
		return fmt.Errorf("closing the index: %w", err)
	}
	return nil
}
