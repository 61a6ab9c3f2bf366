package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/attribproxy/attribproxy/attribution"
	"github.com/attribproxy/attribproxy/config"
)

func (a *app) initCommand() *cobra.Command {
	var ids []string
	var force bool
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a config file to start from",
		Long: `Write a commented config file to start from: to --config, else to
$ATTRIBPROXY_CONFIG, else to attribproxy/config.yaml in the XDG config home
(~/.config; %LOCALAPPDATA% on Windows), where every verb finds it.

With --id the file tags every ARM PUT with that tracking ID. Without it the file
observes: nothing is changed, and what tools write is put on record.

A file that is there already is left alone, unless --force is given.`,
		Example: `  attribproxy init --id 3f2504e0-4f89-41d3-9a0c-0305e82c3301
  attribproxy init --config attribproxy.yaml`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error { return a.writeStarter(ids, force) },
	}
	cmd.Flags().StringArrayVar(&ids, "id", nil, "tracking ID that every ARM PUT is to carry; may be repeated")
	cmd.Flags().BoolVar(&force, "force", false, "replace a file that is there already")
	return cmd
}

func (a *app) writeStarter(ids []string, force bool) error {
	asJSON, err := a.wantJSON()
	if err != nil {
		return err
	}
	for _, id := range ids {
		parsed, err := attribution.ParseID(id)
		var fault *attribution.IDError
		if errors.As(err, &fault) {
			return usageError(fault.Remedy, "--id: %w", err)
		}
		if err != nil {
			return usageError("see 'attribproxy id check --help'", "--id: %w", err)
		}
		for _, warning := range parsed.Warnings() {
			a.say("warning: --id %s: %s", id, warning)
		}
	}
	path, standard, err := a.configFile()
	if err != nil {
		return err
	}
	if err := writeNew(path, config.Starter(ids...), force); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return withHint(fmt.Errorf("%s is there already", path), "--force replaces it; --config FILE writes another")
		}
		return fmt.Errorf("writing config file: %w", err)
	}
	if asJSON {
		if err := printJSON(a.stdout, map[string]string{"file": path}); err != nil {
			return err
		}
	} else {
		fmt.Fprintln(a.stdout, path)
	}
	a.nextSteps(path, standard, len(ids) > 0)
	return nil
}

// configFile is where init writes, and whether every verb looks there by itself.
func (a *app) configFile() (path string, standard bool, err error) {
	if path = a.flags.config; path == "" {
		path, standard = a.getenv("ATTRIBPROXY_CONFIG"), true
	}
	if path == "" {
		if path, err = config.DefaultFile(runtime.GOOS, a.env); err != nil {
			return "", false, withHint(fmt.Errorf("finding the config home: %w", err), "name a file with --config")
		}
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", false, fmt.Errorf("finding the config file: %w", err)
	}
	return path, standard, nil
}

// writeNew writes a file that only its owner can read, as it may come to hold a
// proxy's password. It fails with fs.ErrExist if the file is there, or with
// force replaces it in one step.
func writeNew(path string, content []byte, force bool) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	name := path
	if force {
		name = path + ".new"
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Close()); err == nil && force {
		err = os.Rename(name, path)
	}
	if err != nil {
		os.Remove(name)
	}
	return err
}

func (a *app) nextSteps(path string, standard, tags bool) {
	flag := ""
	if !standard {
		flag = " --config " + posixQuote(path)
	}
	if tags {
		a.say("every ARM PUT will carry the ID; excludes and narrower rules go into the file")
	} else {
		a.say("the file observes and tags nothing; add a rule and set mode to enforce when you have an ID")
	}
	fmt.Fprintf(a.stderr, `next:
  attribproxy config validate%[1]s
  attribproxy run%[1]s -- COMMAND…      one command with a proxy of its own
  attribproxy serve%[1]s                or: one proxy for every shell
`, clean(flag))
}
