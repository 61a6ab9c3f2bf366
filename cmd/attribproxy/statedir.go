package main

import (
	"errors"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/attribproxy/attribproxy/config"
)

// loadConfig makes the configuration in effect out of file, environment and the
// shared flags. Warnings are left out: most verbs only read what is there.
func (a *app) loadConfig(cmd *cobra.Command) (*config.Config, error) {
	loaded, err := a.resolveConfig(cmd)
	if err != nil {
		return nil, err
	}
	return loaded.Config, nil
}

// resolveConfig is loadConfig with where each value came from, and warnings. The
// IDs are those of --id, for verbs that have it.
func (a *app) resolveConfig(cmd *cobra.Command, ids ...string) (*config.Loaded, error) {
	return a.resolve(a.configSource(cmd, ids...))
}

// resolve is config.Resolve with the remedy for what people meet first.
func (a *app) resolve(src config.Source) (*config.Loaded, error) {
	loaded, err := config.Resolve(src)
	if err != nil {
		return nil, explainConfigError(err)
	}
	return loaded, nil
}

// explainConfigError adds what to do about a configuration that cannot be used.
func explainConfigError(err error) error {
	var faulty *config.Error
	switch {
	case errors.As(err, &faulty):
		return withHint(err, "'attribproxy config schema' describes every key; 'attribproxy config validate' checks again")
	case errors.Is(err, fs.ErrNotExist):
		return withHint(err, "'attribproxy init --config FILE' writes one to start from")
	}
	return err
}

// configSource says what the configuration is made from. Only flags that the
// user gave count: their defaults must not outdo the file.
func (a *app) configSource(cmd *cobra.Command, ids ...string) config.Source {
	src := config.Source{File: a.flags.config, Env: a.env, Flags: map[string]string{}, TrackingIDs: ids}
	for _, flag := range []struct{ name, key, value string }{
		{"state-dir", "stateDir", a.flags.stateDir},
		{"listen", "listen", a.flags.listen},
		{"admin", "admin", a.flags.admin},
		{"audit-dir", "audit.dir", a.flags.auditDir},
	} {
		if cmd.Flags().Changed(flag.name) {
			src.Flags[flag.key] = flag.value
		}
	}
	return src
}
