package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/attribproxy/attribproxy/audit"
)

// Coverage implements [Store].
func (s *SQLite) Coverage(ctx context.Context, q Query, by ...Dimension) ([]Group, error) {
	tables, err := s.Tables(ctx, q, by)
	if err != nil {
		return nil, err
	}
	return tables[0], nil
}

// Tables implements [Store].
func (s *SQLite) Tables(ctx context.Context, q Query, by ...[]Dimension) ([][]Group, error) {
	tables, err := s.tables(ctx, q, by)
	if err != nil {
		return nil, fmt.Errorf("counting in the index: %w", err)
	}
	return tables, nil
}

func (s *SQLite) tables(ctx context.Context, q Query, by [][]Dimension) ([][]Group, error) {
	tx, err := s.r.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer tx.Rollback() //nolint:errcheck // it only reads
	missing, err := missingPerDay(ctx, tx, &q)
	if err != nil {
		return nil, err
	}
	c := counting{tx: tx, q: q}
	for _, dimensions := range by {
		c.tallies = append(c.tallies, newTally(dimensions))
	}
	// Gaps count whatever is selected.
	c.q.Kinds = []audit.Kind{audit.KindRequest, audit.KindIntent}
	if err := s.load(ctx, tx, func(all snapshot) error { return c.run(ctx, all) }); err != nil {
		return nil, err
	}
	tables := make([][]Group, len(by))
	for i, t := range c.tallies {
		t.addMissing(missing)
		tables[i] = t.groups()
	}
	return tables, nil
}

// counting fills tallies from the rollup.
type counting struct {
	tx      *sql.Tx
	q       Query
	tallies []*tally

	all     snapshot
	groups  map[int64]bool // selected
	origins map[int64]bool // selected; nil for all
	failed  error
}

// run counts whole days from the rollup, and parts of days from the events. What
// a tally does not divide by is summed before it gets there.
func (c *counting) run(ctx context.Context, all snapshot) error {
	c.all = all
	c.choose()
	perGroup, perPair := map[pair]uint64{}, map[pair]uint64{}
	pairs := slices.ContainsFunc(c.tallies, func(t *tally) bool { return t.origins && !t.days })
	day, today := int64(-1), map[pair]uint64{}
	dayPairs := slices.ContainsFunc(c.tallies, func(t *tally) bool { return t.origins && t.days })
	flush := func() {
		c.add(today, func(t *tally) bool { return t.days }, dayText(day))
		clear(today)
	}
	days := slices.ContainsFunc(c.tallies, func(t *tally) bool { return t.days })
	err := c.each(ctx, func(at int64, p pair, n uint64) {
		if !c.selects(p) {
			return
		}
		perGroup[pair{group: p.group}] += n
		if pairs {
			perPair[p] += n
		}
		if !days {
			return
		}
		if at != day {
			flush()
			day = at
		}
		if !dayPairs {
			p.origin = 0
		}
		today[p] += n
	})
	if err != nil {
		return err
	}
	flush()
	c.add(perGroup, func(t *tally) bool { return !t.days && !t.origins }, "")
	c.add(perPair, func(t *tally) bool { return !t.days && t.origins }, "")
	return c.failed
}

// choose finds the groups and origins that the query selects.
func (c *counting) choose() {
	set := func(ids []int64) map[int64]bool {
		m := make(map[int64]bool, len(ids))
		for _, id := range ids {
			m[id] = true
		}
		return m
	}
	groups, origins := c.q.matching(c.all)
	c.groups = set(groups)
	if !c.q.anyOrigin() {
		c.origins = set(origins)
	}
	for id, g := range c.all.groups {
		if g.class == ClassGap {
			c.groups[id] = true
		}
	}
}

func (c *counting) selects(p pair) bool {
	if !c.groups[p.group] {
		return false
	}
	return c.origins == nil || c.origins[p.origin] || c.all.groups[p.group].class == ClassGap
}

// add adds counts to those tallies that take them.
func (c *counting) add(counts map[pair]uint64, takes func(*tally) bool, day string) {
	var e audit.Event
	for p, n := range counts {
		g, o := c.all.groups[p.group], c.all.origins[p.origin]
		if g == nil || p.origin != 0 && o == nil {
			c.failed = errCounts
			return
		}
		g.fill(&e)
		if o != nil {
			o.fill(&e)
		}
		for _, t := range c.tallies {
			if takes(t) {
				t.add(&e, g.class, g.besideOther, day, n)
			}
		}
	}
}

// each calls f for all counts in the query's time, ordered by day.
func (c *counting) each(ctx context.Context, f func(day int64, p pair, n uint64)) error {
	from, to := bounds(&c.q)
	edge := func(from, to int64) error {
		if from >= to {
			return nil
		}
		rows, err := c.tx.QueryContext(ctx, `SELECT grp, origin, COUNT(*) FROM events INDEXED BY events_time
			WHERE time >= ? AND time < ? GROUP BY grp, origin`, from, to)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var p pair
			var n uint64
			if err := rows.Scan(&p.group, &p.origin, &n); err != nil {
				return err
			}
			f(from/dayNanos, p, n)
		}
		return rows.Err()
	}
	firstDay, lastDay := ceilDay(from), to/dayNanos
	if firstDay > lastDay { // all within one day
		return edge(from, to)
	}
	if err := edge(from, firstDay*dayNanos); err != nil {
		return err
	}
	if err := eachDay(ctx, c.tx, firstDay, lastDay, f); err != nil {
		return err
	}
	return edge(lastDay*dayNanos, to)
}

// perDay is how many events there were on each day.
type perDay map[int64]uint64

// missingPerDay sums what gap lines say to be missing. SQLite's own SUM would
// fail where they say more than 63 bits hold.
func missingPerDay(ctx context.Context, tx *sql.Tx, q *Query) (perDay, error) {
	from, to := bounds(q)
	rows, err := tx.QueryContext(ctx, "SELECT time / ?, count FROM gaps WHERE time >= ? AND time < ?", dayNanos, from, to)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	missing := perDay{}
	for rows.Next() {
		var day, n int64 // the bits of an uint64
		if err := rows.Scan(&day, &n); err != nil {
			return nil, err
		}
		missing[day] = saturatingAdd(missing[day], uint64(n))
	}
	return missing, rows.Err()
}

// maxNanos is the beginning of the last whole day that the index can hold.
const maxNanos = (1<<63 - 1) / dayNanos * dayNanos

// bounds are the query's times as the index holds them.
func bounds(q *Query) (from, to int64) {
	to = maxNanos
	if !q.Since.IsZero() {
		from = nanos(q.Since)
	}
	if !q.Until.IsZero() {
		to = min(nanos(q.Until), to)
	}
	return from, to
}

func ceilDay(ns int64) int64 {
	day := ns / dayNanos
	if ns%dayNanos != 0 {
		day++
	}
	return day
}

// dayText is a day as ByDay shows it.
func dayText(day int64) string {
	return time.Unix(day*int64(24*time.Hour/time.Second), 0).UTC().Format(time.DateOnly)
}

func hasDay(by []Dimension) bool { return slices.Contains(by, ByDay) }
