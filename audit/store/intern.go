package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/json"

	"github.com/attribproxy/attribproxy/audit"
)

// interned spares the look-ups of groups, origins and contexts that were seen before. It belongs to whoever holds SQLite.mu.
type interned struct {
	generation int64
	groups     map[string]int64
	origins    map[string]int64
	contexts   map[string]int64
	buf        []byte
}

type streamKey struct {
	source string
	epoch  uint64
}

type stream struct {
	id   int64
	last uint64 // highest seq appended

	moved bool // last is to be written
}

// maxInterned bounds each map; a journal rarely has so many groups.
const maxInterned = 1 << 18

func (n *interned) reset(generation int64) {
	*n = interned{
		generation: generation, buf: n.buf,
		groups: map[string]int64{}, origins: map[string]int64{}, contexts: map[string]int64{},
	}
}

// add appends strings so that no two lists of strings look alike.
func (n *interned) add(values ...string) {
	for _, v := range values {
		n.buf = binary.AppendUvarint(n.buf, uint64(len(v)))
		n.buf = append(n.buf, v...)
	}
}

func (n *interned) addList(values []string) {
	n.buf = binary.AppendUvarint(n.buf, uint64(len(values)))
	n.add(values...)
}

func (n *interned) addInt(v uint64) { n.buf = binary.AppendUvarint(n.buf, v) }

// lookUp returns the id under the key in buf, asking the database with what
// args gives when it is not known.
func (n *interned) lookUp(ctx context.Context, ids map[string]int64, find, insert *sql.Stmt, args func() []any) (int64, error) {
	if id, ok := ids[string(n.buf)]; ok {
		return id, nil
	}
	if len(ids) >= maxInterned {
		clear(ids)
	}
	sum := sha256.Sum256(n.buf)
	key := sum[:16]
	var id int64
	err := find.QueryRowContext(ctx, key).Scan(&id)
	if err == sql.ErrNoRows { //nolint:errorlint // Scan returns it as it is
		err = insert.QueryRowContext(ctx, append([]any{key}, args()...)...).Scan(&id)
	}
	if err != nil {
		return 0, err
	}
	ids[string(n.buf)] = id
	return id, nil
}

const (
	findGroup   = `SELECT id FROM groups WHERE key = ?`
	insertGroup = `INSERT INTO groups (key, class, beside_other, kind, outcome, rule, ids, method, subscription,
		resource_group, resource_type, template_ids, tool, status)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`
	findOrigin    = `SELECT id FROM origins WHERE key = ?`
	insertOrigin  = `INSERT INTO origins (key, process, labels) VALUES (?, ?, ?) RETURNING id`
	findContext   = `SELECT id FROM contexts WHERE key = ?`
	insertContext = `INSERT INTO contexts (key, v, reason, mode, host, api_version, scope, ua_in, ua_out, client, error, config_hash)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`
	findStream   = `SELECT id, last FROM streams WHERE source = ? AND epoch = ?`
	insertStream = `INSERT INTO streams (source, epoch, last) VALUES (?, ?, 0) RETURNING id`
)

// group returns the id of e's group.
func (a *appending) group(e *audit.Event) (int64, error) {
	class := Classify(e)
	beside := BesideOther(e)
	n := &a.s.known
	n.buf = append(n.buf[:0], byte(class))
	if beside {
		n.buf[0] |= 0x80
	}
	n.add(string(e.Kind), e.Outcome, e.Rule, e.Method, e.Subscription, e.ResourceGroup, e.ResourceType, e.Tool)
	n.addList(e.IDs)
	n.addList(e.TemplateIDs)
	n.addInt(uint64(e.Status))
	return n.lookUp(a.ctx, n.groups, a.findGroup, a.insertGroup, func() []any {
		return []any{
			int64(class), beside, string(e.Kind), e.Outcome, e.Rule, listText(e.IDs), e.Method, e.Subscription,
			e.ResourceGroup, e.ResourceType, listText(e.TemplateIDs), e.Tool, e.Status,
		}
	})
}

// origin returns the id of e's origin.
func (a *appending) origin(e *audit.Event) (int64, error) {
	n := &a.s.known
	n.buf = n.buf[:0]
	n.add(e.Process)
	n.addList(e.Labels)
	return n.lookUp(a.ctx, n.origins, a.findOrigin, a.insertOrigin, func() []any {
		return []any{e.Process, listText(e.Labels)}
	})
}

// context returns the id of e's context.
func (a *appending) context(e *audit.Event) (int64, error) {
	n := &a.s.known
	n.buf = n.buf[:0]
	n.addInt(uint64(e.V))
	n.add(e.Reason, e.Mode, e.Host, e.APIVersion, e.Scope, e.UAIn, e.UAOut, e.Client, e.Error, e.ConfigHash)
	return n.lookUp(a.ctx, n.contexts, a.findContext, a.insertContext, func() []any {
		return []any{e.V, e.Reason, e.Mode, e.Host, e.APIVersion, e.Scope, e.UAIn, e.UAOut, e.Client, e.Error, e.ConfigHash}
	})
}

// stream returns the stream e belongs to.
func (a *appending) stream(source string, epoch uint64) (*stream, error) {
	key := streamKey{source, epoch}
	if st := a.streams[key]; st != nil {
		return st, nil
	}
	st := &stream{}
	err := a.findStream.QueryRowContext(a.ctx, source, int64(epoch)).Scan(&st.id, &st.last)
	if err == sql.ErrNoRows { //nolint:errorlint // Scan returns it as it is
		err = a.insertStream.QueryRowContext(a.ctx, source, int64(epoch)).Scan(&st.id)
	}
	if err != nil {
		return nil, err
	}
	a.streams[key] = st
	return st, nil
}

func listText(list []string) string {
	if len(list) == 0 {
		return ""
	}
	text, err := json.Marshal(list)
	if err != nil {
		return "" // strings always can be
	}
	return string(text)
}

func textList(text string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	var list []string
	err := json.Unmarshal([]byte(text), &list)
	return list, err
}
