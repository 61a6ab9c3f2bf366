package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/attribproxy/attribproxy/audit"
	"github.com/attribproxy/attribproxy/audit/store"
)

// withIndex asks f's questions of an index that is up to date with the journal.
func (a *app) withIndex(ctx context.Context, cmd *cobra.Command, f func(dir string, s store.Store) error) error {
	dir, err := a.journalDir(cmd, "")
	if err != nil {
		return err
	}
	path, err := a.indexPath(cmd, dir)
	if err != nil {
		return err
	}
	s, remove, err := a.openIndex(ctx, path)
	if err != nil {
		return err
	}
	defer remove()
	defer s.Close()
	if err := store.Follow(ctx, dir, s, store.FollowOptions{}); err != nil {
		return err
	}
	damaged, err := store.Damaged(ctx, s)
	if err != nil {
		return err
	}
	if damaged > 0 {
		a.say("%s of the journal cannot be read and count for nothing: 'attribproxy audit verify' says more", plural(int(min(damaged, 1<<31)), "line"))
	}
	return f(dir, s)
}

// indexPath is where the index of a journal is kept: in the state directory. A
// journal that was named may be a copy, beside which nothing is left: "" means
// that its index is for once.
func (a *app) indexPath(cmd *cobra.Command, dir string) (string, error) {
	if !cmd.Flags().Changed("audit-dir") {
		cfg, err := a.loadConfig(cmd)
		if err != nil {
			return "", err
		}
		return filepath.Join(cfg.StateDir, indexFile), nil
	}
	beside := filepath.Join(filepath.Dir(dir), indexFile)
	if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() && filepath.Base(dir) == "audit" {
		return beside, nil // of a state directory, in which somebody has asked before
	}
	return "", nil
}

// openIndex opens an index; remove deletes it again where it is for once.
func (a *app) openIndex(ctx context.Context, path string) (s *store.SQLite, remove func(), err error) {
	if path != "" {
		if err = os.MkdirAll(filepath.Dir(path), 0o700); err == nil {
			s, err = store.OpenSQLite(ctx, path)
		}
		if !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.EROFS) {
			return s, func() {}, err
		}
		a.say("the index cannot be kept in %s, so it is made for this once", filepath.Dir(path))
	}
	temp, err := os.MkdirTemp("", "attribproxy-index-")
	if err != nil {
		return nil, nil, fmt.Errorf("making an index: %w", err)
	}
	remove = func() { os.RemoveAll(temp) }
	if s, err = store.OpenSQLite(ctx, filepath.Join(temp, indexFile)); err != nil {
		remove()
		return nil, nil, err
	}
	return s, remove, nil
}

// questionFlags select what a report, or a gate, is about. Outcomes are left
// out: a coverage of some outcomes alone would be none.
type questionFlags struct {
	since, until                                    string
	rules, ids, tools, subscriptions, groups, types []string
	processes, labels                               []string
}

func (f *questionFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.since, "since", "", "only from this time on: 1h, 24h, 7d ago, or 2026-03-01T12:00:00Z, or 2026-03-01")
	flags.StringVar(&f.until, "until", "", "only before this time, written in the same ways")
	flags.StringSliceVar(&f.rules, "rule", nil, "only these rules or excludes")
	flags.StringSliceVar(&f.ids, "tracking-id", nil, "only these tracking IDs, with pid-")
	flags.StringSliceVar(&f.tools, "tool", nil, "only these tools: azure-cli, terraform-azurerm, …")
	flags.StringSliceVar(&f.subscriptions, "subscription", nil, "only these subscriptions")
	flags.StringSliceVar(&f.groups, "resource-group", nil, "only these resource groups: 'rg-contoso-*'")
	flags.StringSliceVar(&f.types, "type", nil, "only these resource types: 'Microsoft.Compute/*'")
	flags.StringSliceVar(&f.processes, "process", nil, "only these client processes")
	flags.StringSliceVar(&f.labels, "label", nil, "only these labels: 'team=*'")
}

// query reads the flags.
func (f *questionFlags) query(now time.Time) (store.Query, error) {
	q := store.Query{
		Filter: audit.Filter{Rules: f.rules, Tools: f.tools, Subscriptions: f.subscriptions, Types: f.types},
		IDs:    f.ids, ResourceGroups: f.groups, Processes: f.processes, Labels: f.labels,
	}
	var err error
	if f.since != "" {
		if q.Since, err = parseSince(f.since, now); err != nil {
			return q, err
		}
	}
	q.Until, err = parseUntil(f.until, now)
	if err == nil && !q.Until.IsZero() && !q.Since.Before(q.Until) {
		err = usageError("--since must be before --until", "nothing lies between --since %s and --until %s", f.since, f.until)
	}
	return q, err
}

// parseUntil is parseSince for --until; "" is no limit.
func parseUntil(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := parseSince(s, now)
	if err != nil {
		return t, usageError("write how long ago (90m, 24h, 7d), a time (2026-03-01T12:00:00Z) or a day (2026-03-01)", "--until %q is no time", s)
	}
	return t, nil
}
