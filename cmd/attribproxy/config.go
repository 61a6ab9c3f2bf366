package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/attribproxy/attribproxy/config"
)

// configCommand groups what there is to do with the configuration itself.
func (a *app) configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check, show and describe the configuration",
		Long: `Where a key is set in several places the order is: a flag, its ATTRIBPROXY_…
variable (ATTRIBPROXY_UPSTREAM_PROXY for upstream.proxy), the config file, the
default. The file is that of --config, else of $ATTRIBPROXY_CONFIG, else
attribproxy/config.yaml in the XDG config home (~/.config; %LOCALAPPDATA% on
Windows). Without any file the defaults are in effect.`,
		Example: `  attribproxy config validate attribproxy.yaml
  attribproxy config show`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.configValidateCommand(), a.configShowCommand(), a.configSchemaCommand())
	return cmd
}

func (a *app) configValidateCommand() *cobra.Command {
	var strict bool
	cmd := &cobra.Command{
		Use:   "validate [FILE]",
		Short: "Check the configuration and report every fault",
		Long: `Check everything the configuration is made from (file, environment, flags) as
serve would, and report every fault with where it stands, its value and its
remedy. FILE stands for the file that would be read otherwise. What is allowed
and probably not meant is a warning.

The exit code is 0 for a sound configuration, 3 for a faulty one, 1 when the
file cannot be read. With --strict a warning counts as a fault.`,
		Example: `  attribproxy config validate
  attribproxy config validate attribproxy.yaml --strict --output json`,
		Args: usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			src := a.configSource(cmd)
			if len(args) > 0 {
				src.File = args[0]
			}
			return a.configValidate(src, strict)
		},
	}
	cmd.Flags().BoolVar(&strict, "strict", false, "count warnings as faults")
	return cmd
}

// checkedConfig is the result of config validate, in JSON.
type checkedConfig struct {
	Valid    bool           `json:"valid"`
	File     string         `json:"file,omitempty"`
	Hash     string         `json:"hash,omitempty"`
	Faults   []config.Fault `json:"faults"`
	Warnings []config.Fault `json:"warnings"`
}

func (a *app) configValidate(src config.Source, strict bool) error {
	asJSON, err := a.wantJSON()
	if err != nil {
		return err
	}
	result := checkedConfig{Faults: []config.Fault{}, Warnings: []config.Fault{}}
	loaded, err := config.Resolve(src)
	var faulty *config.Error
	switch {
	case errors.As(err, &faulty):
		result.Faults = faulty.Faults
	case err != nil:
		return explainConfigError(err)
	default:
		result.File, result.Hash = loaded.File, loaded.Config.Hash()
		result.Warnings = append(result.Warnings, loaded.Warnings...)
	}
	result.Valid = len(result.Faults) == 0 && (!strict || len(result.Warnings) == 0)
	if asJSON {
		if err := printJSON(a.stdout, result); err != nil {
			return err
		}
		if !result.Valid {
			return silentExit(exitCheck)
		}
		return nil
	}
	a.sayWarnings(result.Warnings)
	switch {
	case faulty != nil:
		return checkFailed("'attribproxy config schema' describes every key", "%w", faulty)
	case !result.Valid:
		return checkFailed("remove what is warned of, or check without --strict", "the configuration has %s", plural(len(result.Warnings), "warning"))
	}
	name := loaded.File
	if name == "" {
		name = "the default configuration (no config file)"
	}
	fmt.Fprintf(a.stdout, "%s is valid: mode %s, %s, %s\n", clean(name), loaded.Config.Mode,
		plural(len(loaded.Config.Rules), "rule"), plural(len(loaded.Config.Exclude), "exclude"))
	return nil
}

// sayWarnings prints what is allowed and probably not meant.
func (a *app) sayWarnings(warnings []config.Fault) {
	for _, w := range warnings {
		a.say("warning: %s", w)
	}
}

func (a *app) configShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show",
		Short: "Print the configuration in effect, and where each value comes from",
		Long: `Print the configuration in effect as a config file, every key of it. Behind a
value that is no default stands where it comes from: a line of the file, a
variable, a flag. Passwords are not shown.`,
		Example: `  attribproxy config show
  ATTRIBPROXY_MODE=observe attribproxy config show --output json`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			asJSON, err := a.wantJSON()
			if err != nil {
				return err
			}
			loaded, err := a.resolveConfig(cmd)
			if err != nil {
				return err
			}
			show := loaded.YAML
			if asJSON {
				show = loaded.JSON
			}
			text, err := show()
			if err != nil {
				return err
			}
			_, err = a.stdout.Write(text)
			return err
		},
	}
}

func (a *app) configSchemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of a config file",
		Long: `Print the JSON Schema (draft 2020-12) of a config file: every key with its
meaning and default. Editors complete and check by it: for the YAML language
server put this line at the top of the config file:

  # yaml-language-server: $schema=attribproxy.schema.json`,
		Example: `  attribproxy config schema > attribproxy.schema.json`,
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			_, err := a.stdout.Write(config.Schema())
			return err
		},
	}
}
