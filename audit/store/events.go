package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/attribproxy/attribproxy/audit"
)

const eventFields = `SELECT s.source, s.epoch, e.id, e.time, e.prev, e.path, e.resource_name, e.deployment,
	e.client_request_id, e.correlation_id, e.request_id, e.duration_ms, e.bytes_up, e.bytes_down, e.intent,
	c.v, c.reason, c.mode, c.host, c.api_version, c.scope, c.ua_in, c.ua_out, c.client, c.error, c.config_hash,
	(SELECT event FROM gaps WHERE gaps.id = e.id AND g.kind = 'gap'), ` + groupColumns + ", " + originColumns

// eventJoins keeps SQLite from beginning with another table: the events come in
// the order of their time only from their own index.
const eventJoins = ` CROSS JOIN groups g ON g.id = e.grp CROSS JOIN origins o ON o.id = e.origin
	CROSS JOIN contexts c ON c.id = e.ctx CROSS JOIN streams s ON s.id = e.id >> 40`

// scanEvent reads eventFields.
func scanEvent(row scanner) (audit.Event, error) {
	var (
		e                     audit.Event
		g                     group
		o                     origin
		id, at, epoch, intent int64
		prev                  []byte
		gap                   sql.NullString
	)
	columns := []any{
		&e.Source, &epoch, &id, &at, &prev, &e.Path, &e.ResourceName, &e.Deployment,
		&e.ClientRequestID, &e.CorrelationID, &e.RequestID, &e.DurationMS, &e.BytesUp, &e.BytesDown, &intent,
		&e.V, &e.Reason, &e.Mode, &e.Host, &e.APIVersion, &e.Scope, &e.UAIn, &e.UAOut, &e.Client, &e.Error, &e.ConfigHash, &gap,
	}
	if err := row.Scan(slices.Concat(columns, g.columns(), o.columns())...); err != nil {
		return e, err
	}
	if gap.Valid {
		var line audit.Event
		err := json.Unmarshal([]byte(gap.String), &line)
		return line, err
	}
	e.Epoch, e.Seq, e.Time, e.Prev, e.Intent = uint64(epoch), uint64(id&seqMask), time.Unix(0, at).UTC(), hashText(prev), uint64(intent)
	g.fill(&e)
	o.fill(&e)
	return e, nil
}

// Event implements [Store].
func (s *SQLite) Event(ctx context.Context, source string, epoch, seq uint64) (audit.Event, error) {
	row := s.r.QueryRowContext(ctx, eventFields+" FROM events e"+eventJoins+` WHERE e.id = ((SELECT id FROM streams WHERE source = ? AND epoch = ?) << 40) + ?`,
		source, int64(epoch), int64(min(seq, seqMask+1)))
	e, err := scanEvent(row)
	if errors.Is(err, sql.ErrNoRows) {
		return audit.Event{}, fmt.Errorf("looking up %d/%d of %s: %w", epoch, seq, source, ErrNotFound)
	}
	if err != nil {
		return audit.Event{}, fmt.Errorf("reading the index: %w", err)
	}
	return e, nil
}

// Events implements [Store].
func (s *SQLite) Events(ctx context.Context, q Query, page Page) ([]audit.Event, Cursor, error) {
	events, next, err := s.events(ctx, q, page)
	if err != nil {
		return nil, Cursor{}, fmt.Errorf("reading the index: %w", err)
	}
	return events, next, nil
}

func (s *SQLite) events(ctx context.Context, q Query, page Page) ([]audit.Event, Cursor, error) {
	limit := page.Limit
	if limit <= 0 {
		limit = DefaultLimit
	}
	tx, err := s.r.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, Cursor{}, err
	}
	defer tx.Rollback() //nolint:errcheck // it only reads
	where, args, err := s.where(ctx, tx, &q)
	if err != nil {
		return nil, Cursor{}, err
	}
	if after := page.After; !after.IsZero() {
		where = append(where, "e.time <= ? AND (e.time < ? OR (s.source, s.epoch, e.id & ?) < (?, ?, ?))")
		at := nanos(after.Time)
		args = append(args, at, at, seqMask, after.Source, int64(after.Epoch), int64(after.Seq))
	}
	//nolint:gosec // the conditions are our own words; all values are parameters
	query := eventFields + " FROM events e INDEXED BY events_time" + eventJoins + " WHERE " + strings.Join(where, " AND ") +
		" ORDER BY e.time DESC, s.source DESC, s.epoch DESC, e.id DESC LIMIT ?"
	rows, err := tx.QueryContext(ctx, query, append(args, limit+1)...)
	if err != nil {
		return nil, Cursor{}, err
	}
	defer rows.Close()
	events := make([]audit.Event, 0, min(limit+1, 1024))
	for rows.Next() {
		e, err := scanEvent(rows)
		if err != nil {
			return nil, Cursor{}, err
		}
		events = append(events, e)
	}
	if err := rows.Err(); err != nil {
		return nil, Cursor{}, err
	}
	if len(events) <= limit {
		return events, Cursor{}, nil
	}
	events = events[:limit]
	return events, cursorOf(&events[limit-1]), nil
}

// where makes the conditions of a query in SQL. What a group fixes is compared
// here, in Go, so that patterns mean the same as everywhere.
func (s *SQLite) where(ctx context.Context, tx *sql.Tx, q *Query) (conditions []string, args []any, err error) {
	if q.anyGroup() {
		var marks []string
		for _, kind := range q.kinds() {
			marks = append(marks, "?")
			args = append(args, string(kind))
		}
		conditions = append(conditions, "g.kind IN ("+strings.Join(marks, ", ")+")")
	}
	if !q.anyGroup() || !q.anyOrigin() {
		var groups, origins []int64
		err := s.load(ctx, tx, func(all snapshot) error {
			groups, origins = q.matching(all)
			return nil
		})
		if err != nil {
			return nil, nil, err
		}
		if !q.anyGroup() {
			conditions = append(conditions, "e.grp IN (SELECT value FROM json_each(?))")
			args = append(args, jsonOf(groups))
		}
		if !q.anyOrigin() {
			conditions = append(conditions, "e.origin IN (SELECT value FROM json_each(?))")
			args = append(args, jsonOf(origins))
		}
	}
	from, to := bounds(q)
	conditions = append(conditions, "e.time >= ? AND e.time < ?")
	args = append(args, from, to)
	if q.Text != "" {
		const like = ` LIKE ? ESCAPE '\'`
		conditions = append(conditions, "(e.path"+like+" OR e.deployment"+like+" OR e.client_request_id"+like+
			" OR e.correlation_id"+like+" OR e.request_id"+like+")")
		pattern := "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(q.Text) + "%"
		args = append(args, pattern, pattern, pattern, pattern, pattern)
	}
	return conditions, args, nil
}

// matching returns the groups and the origins that the query selects.
func (q *Query) matching(all snapshot) (groups, origins []int64) {
	var e audit.Event
	for id, g := range all.groups {
		if g.fill(&e); q.matchGroup(&e) {
			groups = append(groups, id)
		}
	}
	for id, o := range all.origins {
		if o.fill(&e); q.matchOrigin(&e) {
			origins = append(origins, id)
		}
	}
	return groups, origins
}
