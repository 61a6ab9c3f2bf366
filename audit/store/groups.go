package store

import (
	"context"
	"database/sql"

	"github.com/attribproxy/attribproxy/audit"
)

// group is one row of the table groups.
type group struct {
	class       Class
	besideOther bool

	kind                                      audit.Kind
	outcome, rule, method, tool               string
	subscription, resourceGroup, resourceType string
	ids, templateIDs                          []string
	status                                    int
}

// origin is one row of the table origins.
type origin struct {
	process string
	labels  []string
}

// fill sets the fields of e that the group fixes.
func (g *group) fill(e *audit.Event) {
	e.Kind, e.Outcome, e.Rule, e.Method, e.Tool = g.kind, g.outcome, g.rule, g.method, g.tool
	e.Subscription, e.ResourceGroup, e.ResourceType = g.subscription, g.resourceGroup, g.resourceType
	e.IDs, e.TemplateIDs, e.Status = g.ids, g.templateIDs, g.status
}

// fill sets the fields of e that the origin fixes.
func (o *origin) fill(e *audit.Event) { e.Process, e.Labels = o.process, o.labels }

const groupColumns = `g.class, g.beside_other, g.kind, g.outcome, g.rule, g.ids, g.method, g.subscription,
	g.resource_group, g.resource_type, g.template_ids, g.tool, g.status`

const originColumns = `o.process, o.labels`

// scanner is a row that was found.
type scanner interface{ Scan(dest ...any) error }

// jsonList reads a column that holds a list, or nothing for an empty one.
type jsonList struct{ to *[]string }

// Scan implements sql.Scanner.
func (l jsonList) Scan(value any) (err error) {
	text, _ := value.(string)
	*l.to, err = textList(text)
	return err
}

func (g *group) columns() []any {
	return []any{
		&g.class, &g.besideOther, &g.kind, &g.outcome, &g.rule,
		jsonList{&g.ids},
		&g.method, &g.subscription,
		&g.resourceGroup, &g.resourceType,
		jsonList{&g.templateIDs},
		&g.tool, &g.status,
	}
}

func (o *origin) columns() []any { return []any{&o.process, jsonList{&o.labels}} }

// cached holds the tables groups and origins in memory: within a generation
// rows are only added to them.
type cached struct {
	generation int64
	groups     map[int64]*group
	origins    map[int64]*origin
	lastGroup  int64 // highest id read
	lastOrigin int64
}

// snapshot is all groups and origins that a transaction sees, and perhaps more.
// It must not be changed.
type snapshot struct {
	groups  map[int64]*group
	origins map[int64]*origin
}

// load calls use with the groups and origins, which grow when use has returned.
func (s *SQLite) load(ctx context.Context, tx *sql.Tx, use func(snapshot) error) error {
	s.cacheMu.Lock()
	defer s.cacheMu.Unlock()
	c := &s.cache
	var generation int64
	if err := tx.QueryRowContext(ctx, "SELECT number FROM generation").Scan(&generation); err != nil {
		return err
	}
	if c.groups == nil || c.generation != generation {
		*c = cached{generation: generation, groups: map[int64]*group{}, origins: map[int64]*origin{}}
	}
	err := eachRow(ctx, tx, "SELECT g.id, "+groupColumns+" FROM groups g WHERE g.id > ? ORDER BY g.id", c.lastGroup, func(row scanner) error {
		g := new(group)
		var id int64
		if err := row.Scan(append([]any{&id}, g.columns()...)...); err != nil {
			return err
		}
		c.groups[id], c.lastGroup = g, id
		return nil
	})
	if err != nil {
		return err
	}
	err = eachRow(ctx, tx, "SELECT o.id, "+originColumns+" FROM origins o WHERE o.id > ? ORDER BY o.id", c.lastOrigin, func(row scanner) error {
		o := new(origin)
		var id int64
		if err := row.Scan(append([]any{&id}, o.columns()...)...); err != nil {
			return err
		}
		c.origins[id], c.lastOrigin = o, id
		return nil
	})
	if err != nil {
		return err
	}
	return use(snapshot{c.groups, c.origins})
}

func eachRow(ctx context.Context, tx *sql.Tx, query string, after int64, f func(scanner) error) error {
	rows, err := tx.QueryContext(ctx, query, after)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
