package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"maps"
	"slices"
)

// count notes that there are n more events on a day, or fewer.
func (a *appending) count(day int64, p pair, n int64) {
	counts := a.days[day]
	if counts == nil {
		counts = map[pair]int64{}
		a.days[day] = counts
	}
	counts[p] += n
}

// rollUp brings the counts per day up to date.
func (a *appending) rollUp() error {
	for day, changes := range a.days {
		var blob []byte
		err := a.tx.QueryRowContext(a.ctx, "SELECT counts FROM days WHERE day = ?", day).Scan(&blob)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if blob, err = mergeCounts(blob, changes); err != nil {
			return err
		}
		if len(blob) == 0 {
			_, err = a.tx.ExecContext(a.ctx, "DELETE FROM days WHERE day = ?", day)
		} else {
			_, err = a.tx.ExecContext(a.ctx, `INSERT INTO days (day, counts) VALUES (?, ?)
				ON CONFLICT (day) DO UPDATE SET counts = excluded.counts`, day, blob)
		}
		if err != nil {
			return err
		}
	}
	clear(a.days)
	return nil
}

func comparePairs(a, b pair) int {
	return cmp.Or(cmp.Compare(a.group, b.group), cmp.Compare(a.origin, b.origin))
}

// mergeCounts applies changes to a blob. Both are ordered, and the blob of a busy
// day is much the longer: it is passed over once.
func mergeCounts(blob []byte, changes map[pair]int64) ([]byte, error) {
	merged := make([]byte, 0, len(blob)+8*len(changes))
	put := func(p pair, n int64) {
		if n > 0 {
			merged = binary.AppendUvarint(merged, uint64(p.group))
			merged = binary.AppendUvarint(merged, uint64(p.origin))
			merged = binary.AppendUvarint(merged, uint64(n))
		}
	}
	waiting := slices.SortedFunc(maps.Keys(changes), comparePairs)
	err := eachCount(blob, func(p pair, n uint64) {
		for len(waiting) > 0 && comparePairs(waiting[0], p) < 0 {
			put(waiting[0], changes[waiting[0]])
			waiting = waiting[1:]
		}
		if len(waiting) > 0 && waiting[0] == p {
			put(p, int64(n)+changes[p])
			waiting = waiting[1:]
			return
		}
		put(p, int64(n))
	})
	for _, p := range waiting {
		put(p, changes[p])
	}
	return merged, err
}

var errCounts = errors.New("the counts of a day are damaged; delete the index")

// eachCount calls f for each count in a blob.
func eachCount(blob []byte, f func(p pair, n uint64)) error {
	for len(blob) > 0 {
		var v [3]uint64
		for i := range v {
			n, size := binary.Uvarint(blob)
			if size <= 0 {
				return errCounts
			}
			v[i], blob = n, blob[size:]
		}
		f(pair{int64(v[0]), int64(v[1])}, v[2])
	}
	return nil
}

// eachDay calls f for each count of the days from first to before last, in the
// order of the days.
func eachDay(ctx context.Context, tx *sql.Tx, first, last int64, f func(day int64, p pair, n uint64)) error {
	rows, err := tx.QueryContext(ctx, "SELECT day, counts FROM days WHERE day >= ? AND day < ? ORDER BY day", first, last)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var day int64
		var blob sql.RawBytes
		if err := rows.Scan(&day, &blob); err != nil {
			return err
		}
		if err := eachCount(blob, func(p pair, n uint64) { f(day, p, n) }); err != nil {
			return err
		}
	}
	return rows.Err()
}

// prune removes what no event refers to any more.
func (a *appending) prune() error {
	if err := a.finish(); err != nil {
		return err
	}
	groups, origins := map[int64]bool{}, map[int64]bool{}
	err := eachDay(a.ctx, a.tx, 0, 1<<62, func(_ int64, p pair, _ uint64) { groups[p.group], origins[p.origin] = true, true })
	if err != nil {
		return err
	}
	for _, t := range []struct {
		query string
		used  map[int64]bool
	}{
		{"DELETE FROM groups WHERE id NOT IN (SELECT value FROM json_each(?))", groups},
		{"DELETE FROM origins WHERE id NOT IN (SELECT value FROM json_each(?))", origins},
	} {
		if _, err := a.tx.ExecContext(a.ctx, t.query, jsonOf(slices.Collect(maps.Keys(t.used)))); err != nil {
			return err
		}
	}
	for _, query := range []string{
		"DELETE FROM contexts WHERE id NOT IN (SELECT ctx FROM events INDEXED BY events_time)",
		`DELETE FROM streams WHERE NOT EXISTS (
			SELECT 1 FROM events WHERE events.id BETWEEN streams.id << 40 AND (streams.id + 1 << 40) - 1)
			AND (source, epoch) NOT IN (SELECT source, epoch FROM positions)`,
		"UPDATE generation SET number = number + 1",
	} {
		if _, err := a.tx.ExecContext(a.ctx, query); err != nil {
			return err
		}
	}
	clear(a.streams)
	return nil
}

// jsonOf writes ids for json_each: SQL takes no lists.
func jsonOf(ids []int64) string {
	if len(ids) == 0 {
		return "[]"
	}
	text, err := json.Marshal(ids)
	if err != nil {
		return "[]" // numbers always can be
	}
	return string(text)
}
