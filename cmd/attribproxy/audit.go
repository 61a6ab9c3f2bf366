package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/attribproxy/attribproxy/audit"
	"github.com/attribproxy/attribproxy/config"
)

// auditCommand groups what reads the journal. None of it writes there.
func (a *app) auditCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Read and verify the record of every write",
		Long: `Every PUT, PATCH, POST and DELETE that passed the proxy is on record in the
journal: what was sent, what was tagged and why, what Azure answered. These
verbs read it, also while a proxy is writing. docs/events.md explains each field.

The journal is that of the configuration; --audit-dir names another.`,
		Example: `  attribproxy audit list --since 24h --outcome no-rule
  attribproxy audit show 1/17
  attribproxy audit verify --key seal-key.pem.pub`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.auditListCommand(), a.auditShowCommand(), a.auditTailCommand(), a.auditVerifyCommand())
	cmd.AddCommand(a.auditReportCommand(), a.auditExportCommand(), a.auditGateCommand())
	cmd.AddCommand(a.auditReplayCommand(), a.auditDiscoverCommand())
	return cmd
}

// journalDir is the directory to read: the one that was named, else that of
// the configuration, which is not looked at when it is not needed.
func (a *app) journalDir(cmd *cobra.Command, named string) (string, error) {
	dir := named
	if dir == "" && cmd.Flags().Changed("audit-dir") {
		dir = a.flags.auditDir
	}
	if dir == "" {
		cfg, err := a.loadConfig(cmd)
		if err != nil {
			return "", err
		}
		dir = cfg.Audit.Dir
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("finding the journal: %w", err)
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", withHint(fmt.Errorf("there is no journal in %s", dir), "name its directory with --audit-dir; 'attribproxy run' and 'attribproxy serve' make one")
	case err != nil:
		return "", unreadable(err)
	case !info.IsDir():
		return "", withHint(fmt.Errorf("%s is not a directory", dir), "name the directory that holds the .jsonl files")
	}
	// Each verb would find out, in words of its own.
	d, err := os.Open(dir)
	if err != nil {
		return "", unreadable(err)
	}
	d.Close()
	return dir, nil
}

// unreadable says what to do about a journal that cannot be read.
func unreadable(err error) error {
	err = fmt.Errorf("reading the journal: %w", err)
	if errors.Is(err, fs.ErrPermission) {
		return withHint(err, "name another directory with --audit-dir, or run this as the owner of that one")
	}
	return err
}

// filterFlags are the flags that select events.
type filterFlags struct {
	outcomes, rules, tools, subscriptions, types, methods, kinds []string
	since                                                        string
}

func (f *filterFlags) add(cmd *cobra.Command) {
	f.addRequests(cmd)
	cmd.Flags().StringSliceVar(&f.kinds, "kind", nil, "kinds of lines: request, intent, gap, seal, or all (default request)")
}

// addRequests adds the flags of verbs that look at requests alone.
func (f *filterFlags) addRequests(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringSliceVar(&f.outcomes, "outcome", nil, "only these outcomes: attributed, no-rule, excluded, rejected, …")
	flags.StringSliceVar(&f.rules, "rule", nil, "only these rules or excludes")
	flags.StringSliceVar(&f.tools, "tool", nil, "only these tools: azure-cli, terraform-azurerm, …")
	flags.StringSliceVar(&f.subscriptions, "subscription", nil, "only these subscriptions")
	flags.StringSliceVar(&f.types, "type", nil, "only these resource types: 'Microsoft.Compute/*'")
	flags.StringSliceVar(&f.methods, "method", nil, "only these methods: PUT, DELETE, …")
	flags.StringVar(&f.since, "since", "", "only from this time on: 1h, 24h, 7d ago, or 2026-03-01T12:00:00Z, or 2026-03-01")
}

var auditKinds = []audit.Kind{audit.KindRequest, audit.KindIntent, audit.KindGap, audit.KindSeal}

// filter reads the flags.
func (f *filterFlags) filter(now time.Time) (audit.Filter, error) {
	filter := audit.Filter{
		Outcomes: f.outcomes, Rules: f.rules, Tools: f.tools,
		Subscriptions: f.subscriptions, Types: f.types, Methods: f.methods,
	}
	for _, name := range f.kinds {
		if name == "all" {
			filter.Kinds = auditKinds
			continue
		}
		kind := audit.Kind(strings.ToLower(name))
		if !slices.Contains(auditKinds, kind) {
			return filter, usageError("write request, intent, gap, seal or all", "--kind %q is unknown", name)
		}
		filter.Kinds = append(filter.Kinds, kind)
	}
	if f.since != "" {
		since, err := parseSince(f.since, now)
		if err != nil {
			return filter, err
		}
		filter.Since = since
	}
	return filter, nil
}

// parseSince reads a length of time before now, a time, or a day (UTC).
func parseSince(s string, now time.Time) (time.Time, error) {
	var ago config.Duration
	if ago.UnmarshalText([]byte(s)) == nil {
		return now.Add(-ago.D()), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usageError("write how long ago (90m, 24h, 7d), a time (2026-03-01T12:00:00Z) or a day (2026-03-01)", "--since %q is no time", s)
}
