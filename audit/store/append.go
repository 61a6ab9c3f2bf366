package store

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/attribproxy/attribproxy/audit"
)

// seqBits is how much of an event's id is its seq.
const (
	seqBits = 40
	seqMask = 1<<seqBits - 1
)

// dayNanos is the length of a day of the rollup.
const dayNanos = int64(24 * time.Hour)

// rowsPerInsert is how many events one statement adds: it costs less than as
// many statements.
const rowsPerInsert = 32

const eventColumns = 16

func insertEvents(rows int) string {
	row := "(" + strings.TrimSuffix(strings.Repeat("?,", eventColumns), ",") + ")"
	return `INSERT INTO events (id, time, grp, origin, ctx, prev, path, resource_name, deployment, client_request_id,
		correlation_id, request_id, duration_ms, bytes_up, bytes_down, intent) VALUES ` +
		strings.TrimSuffix(strings.Repeat(row+",", rows), ",")
}

// appending is one transaction of changes.
type appending struct {
	ctx context.Context
	s   *SQLite
	tx  *sql.Tx

	findStream, insertStream, findGroup, insertGroup, findOrigin, insertOrigin *sql.Stmt
	findContext, insertContext, insertOne, insertMany                          *sql.Stmt

	row     []any                    // of events that wait to be inserted
	days    map[int64]map[pair]int64 // changes to the rollup
	streams map[streamKey]*stream
	intents map[int64]intentAt // pending in this transaction, by id
}

// pair is what the rollup counts by.
type pair struct{ group, origin int64 }

type intentAt struct {
	time int64
	pair pair
}

// change runs f in a transaction of the writer.
func (s *SQLite) change(ctx context.Context, f func(*appending) error) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.w == nil {
		return errors.New("the index is closed")
	}
	tx, err := s.w.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	a := &appending{
		ctx: ctx, s: s, tx: tx,
		days: map[int64]map[pair]int64{}, streams: map[streamKey]*stream{}, intents: map[int64]intentAt{},
	}
	defer func() {
		if err != nil {
			s.known.reset(0) // what was interned is not there
			err = errors.Join(err, ignoreDone(tx.Rollback()))
		}
	}()
	var generation int64
	if err := tx.QueryRowContext(ctx, "SELECT number FROM generation").Scan(&generation); err != nil {
		return err
	}
	if generation != s.known.generation {
		s.known.reset(generation)
	}
	if err := a.prepare(); err != nil {
		return err
	}
	if err := f(a); err != nil {
		return err
	}
	if err := a.finish(); err != nil {
		return err
	}
	return tx.Commit()
}

func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

func (a *appending) prepare() error {
	for _, p := range []struct {
		stmt  **sql.Stmt
		query string
	}{
		{&a.findStream, findStream},
		{&a.insertStream, insertStream},
		{&a.findGroup, findGroup},
		{&a.insertGroup, insertGroup},
		{&a.findOrigin, findOrigin},
		{&a.insertOrigin, insertOrigin},
		{&a.findContext, findContext},
		{&a.insertContext, insertContext},
		{&a.insertOne, insertEvents(1)},
		{&a.insertMany, insertEvents(rowsPerInsert)},
	} {
		stmt, err := a.tx.PrepareContext(a.ctx, p.query)
		if err != nil {
			return err
		}
		*p.stmt = stmt
	}
	return nil
}

// Append implements [Store].
func (s *SQLite) Append(ctx context.Context, events []audit.Event, reached ...Position) error {
	err := s.change(ctx, func(a *appending) error {
		for i := range events {
			if err := a.event(&events[i]); err != nil {
				return fmt.Errorf("event %s: %w", events[i].ID(), err)
			}
		}
		return a.positions(reached)
	})
	if err != nil {
		return fmt.Errorf("adding to the index: %w", err)
	}
	return nil
}

func (a *appending) event(e *audit.Event) error {
	if e.Seq == 0 || e.Seq > seqMask {
		return errors.New("the seq is out of range")
	}
	st, err := a.stream(e.Source, e.Epoch)
	if err != nil {
		return err
	}
	id := st.id<<seqBits | int64(e.Seq)
	if e.Seq <= st.last { // perhaps a repetition
		if err := a.flush(); err != nil {
			return err
		}
		if there, err := a.holds(id, st, e); err != nil || there {
			return err
		}
	} else {
		st.last, st.moved = e.Seq, true
	}
	if e.Kind == audit.KindSeal {
		return nil
	}
	if e.Kind == audit.KindRequest && e.Intent > 0 {
		if err := a.resolve(st.id<<seqBits | int64(e.Intent&seqMask)); err != nil {
			return err
		}
	}
	return a.insert(id, e)
}

// holds reports whether an event was added before. An intent whose outcome is
// there was.
func (a *appending) holds(id int64, st *stream, e *audit.Event) (there bool, err error) {
	query, args := "SELECT EXISTS (SELECT 1 FROM events WHERE id = ?)", []any{id}
	if e.Kind == audit.KindIntent {
		query += " OR EXISTS (SELECT 1 FROM events WHERE (id >> 40) = ? AND intent = ? AND intent > 0)"
		args = append(args, st.id, int64(e.Seq))
	}
	err = a.tx.QueryRowContext(a.ctx, query, args...).Scan(&there)
	return there, err
}

// resolve takes back an intent, for its outcome is known now.
func (a *appending) resolve(id int64) error {
	at, ok := a.intents[id]
	if ok {
		// It may still wait to be inserted.
		if err := a.drop(id); err != nil {
			return err
		}
		delete(a.intents, id)
	} else {
		err := a.tx.QueryRowContext(a.ctx, `DELETE FROM events WHERE id = ?
			AND (SELECT kind FROM groups WHERE groups.id = grp) = 'intent' RETURNING time, grp, origin`, id).Scan(&at.time, &at.pair.group, &at.pair.origin)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	a.count(at.time/dayNanos, at.pair, -1)
	return nil
}

// drop removes an event of this transaction, which waits or is inserted.
func (a *appending) drop(id int64) error {
	for i := 0; i < len(a.row); i += eventColumns {
		if a.row[i] == id {
			a.row = slices.Delete(a.row, i, i+eventColumns)
			return nil
		}
	}
	_, err := a.tx.ExecContext(a.ctx, "DELETE FROM events WHERE id = ?", id)
	return err
}

func (a *appending) insert(id int64, e *audit.Event) error {
	group, err := a.group(e)
	if err != nil {
		return err
	}
	origin, err := a.origin(e)
	if err != nil {
		return err
	}
	shown, err := a.context(e)
	if err != nil {
		return err
	}
	at := nanos(e.Time)
	a.row = append(a.row,
		id, at, group, origin, shown, hashBytes(e.Prev), e.Path, e.ResourceName, e.Deployment,
		e.ClientRequestID, e.CorrelationID, e.RequestID, e.DurationMS, e.BytesUp, e.BytesDown, int64(e.Intent))
	a.count(at/dayNanos, pair{group, origin}, 1)
	switch e.Kind {
	case audit.KindIntent:
		a.intents[id] = intentAt{at, pair{group, origin}}
	case audit.KindGap:
		if err := a.gap(id, at, e); err != nil {
			return err
		}
	}
	if len(a.row) >= rowsPerInsert*eventColumns {
		return a.flush()
	}
	return nil
}

// gap keeps the whole line of a gap.
func (a *appending) gap(id, at int64, e *audit.Event) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	missing := e.Count
	if e.Reason == audit.GapRetention {
		missing = 0
	}
	_, err = a.tx.ExecContext(a.ctx, "INSERT INTO gaps (id, time, count, event) VALUES (?, ?, ?, ?)", id, at, int64(missing), string(line))
	return err
}

// flush inserts the events that wait.
func (a *appending) flush() error {
	for len(a.row) >= rowsPerInsert*eventColumns {
		if _, err := a.insertMany.ExecContext(a.ctx, a.row[:rowsPerInsert*eventColumns]...); err != nil {
			return err
		}
		a.row = slices.Delete(a.row, 0, rowsPerInsert*eventColumns)
	}
	for ; len(a.row) > 0; a.row = slices.Delete(a.row, 0, eventColumns) {
		if _, err := a.insertOne.ExecContext(a.ctx, a.row[:eventColumns]...); err != nil {
			return err
		}
	}
	return nil
}

// finish writes what was collected.
func (a *appending) finish() error {
	if err := a.flush(); err != nil {
		return err
	}
	for _, st := range a.streams {
		if !st.moved {
			continue
		}
		if _, err := a.tx.ExecContext(a.ctx, "UPDATE streams SET last = ? WHERE id = ?", int64(st.last), st.id); err != nil {
			return err
		}
	}
	return a.rollUp()
}

func (a *appending) positions(reached []Position) error {
	for _, p := range reached {
		_, err := a.tx.ExecContext(a.ctx, `INSERT INTO positions (epoch, segment, source, first, last, "offset", hash, sealed, damaged)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (epoch, segment) DO UPDATE SET source = excluded.source,
			first = excluded.first, last = excluded.last, "offset" = excluded."offset", hash = excluded.hash,
			sealed = excluded.sealed, damaged = excluded.damaged`,
			int64(p.Epoch), int64(p.Segment), p.Source, int64(p.First), int64(p.Last), p.Offset, p.Hash, p.Sealed, int64(p.Damaged))
		if err != nil {
			return err
		}
	}
	return nil
}

// Positions implements [Store].
func (s *SQLite) Positions(ctx context.Context) ([]Position, error) {
	rows, err := s.r.QueryContext(ctx, `SELECT epoch, segment, source, first, last, "offset", hash, sealed, damaged
		FROM positions ORDER BY epoch, segment`)
	if err != nil {
		return nil, fmt.Errorf("reading the index: %w", err)
	}
	defer rows.Close()
	var found []Position
	for rows.Next() {
		var p Position
		if err := rows.Scan(&p.Epoch, &p.Segment, &p.Source, &p.First, &p.Last, &p.Offset, &p.Hash, &p.Sealed, &p.Damaged); err != nil {
			return nil, fmt.Errorf("reading the index: %w", err)
		}
		found = append(found, p)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading the index: %w", err)
	}
	return found, nil
}

// Forget implements [Store].
func (s *SQLite) Forget(ctx context.Context, gone ...Position) error {
	if len(gone) == 0 {
		return nil
	}
	err := s.change(ctx, func(a *appending) error {
		for _, p := range gone {
			if err := a.forget(p); err != nil {
				return err
			}
		}
		return a.prune()
	})
	if err != nil {
		return fmt.Errorf("removing from the index: %w", err)
	}
	return nil
}

func (a *appending) forget(p Position) error {
	_, err := a.tx.ExecContext(a.ctx, "DELETE FROM positions WHERE epoch = ? AND segment = ?", int64(p.Epoch), int64(p.Segment))
	if err != nil || p.First == 0 {
		return err
	}
	var id int64
	err = a.tx.QueryRowContext(a.ctx, "SELECT id FROM streams WHERE source = ? AND epoch = ?", p.Source, int64(p.Epoch)).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	first, last := id<<seqBits|int64(min(p.First, seqMask)), id<<seqBits|int64(min(p.Last, seqMask))
	rows, err := a.tx.QueryContext(a.ctx, "SELECT time / ?, grp, origin, COUNT(*) FROM events WHERE id BETWEEN ? AND ? GROUP BY 1, 2, 3", dayNanos, first, last)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var p pair
		var day, n int64
		if err := rows.Scan(&day, &p.group, &p.origin, &n); err != nil {
			return err
		}
		a.count(day, p, -n)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, table := range []string{"events", "gaps"} {
		if _, err := a.tx.ExecContext(a.ctx, "DELETE FROM "+table+" WHERE id BETWEEN ? AND ?", first, last); err != nil { //nolint:gosec // two names of our own
			return err
		}
	}
	return nil
}

// nanos is a time as the index holds it, which knows the years 1970 to 2261.
func nanos(t time.Time) int64 {
	switch year := t.UTC().Year(); {
	case year < 1970:
		return 0
	case year > 2261:
		return maxNanos - 1
	}
	return t.UnixNano()
}

// hashBytes halves the size of a hash in hex; anything else stays as it is.
func hashBytes(s string) []byte {
	if b, err := hex.DecodeString(s); err == nil && len(b) == 32 {
		return b
	}
	return []byte(s)
}

func hashText(b []byte) string {
	if len(b) == 32 {
		return hex.EncodeToString(b)
	}
	return string(b)
}
