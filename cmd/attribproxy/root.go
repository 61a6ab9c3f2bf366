package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// rootCommand builds the command tree. A verb stands here only when it works.
func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "attribproxy",
		Short: "Put a partner's tracking ID on Azure Resource Manager writes, and keep a record of each",
		Long: `attribproxy is a local HTTPS proxy. Any tool that honours HTTPS_PROXY gets a
partner's pid- tracking ID on its Azure Resource Manager writes without being
changed, and every write is on record: what was sent, what was tagged and why,
what Azure answered.`,
		Example: `  attribproxy run --id b6addd8f-5ff4-4fc0-a2b5-0ec7861106c4 -- az group create -n demo -l westeurope
  attribproxy serve --config attribproxy.yaml
  attribproxy audit list --since 1h`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          usageArgs(cobra.NoArgs),
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError(fmt.Sprintf("see '%s --help'", cmd.CommandPath()), "%w", err)
	})

	flags := root.PersistentFlags()
	flags.StringVar(&a.flags.config, "config", "", "config file (default: $ATTRIBPROXY_CONFIG, else the XDG config file)")
	flags.StringVar(&a.flags.stateDir, "state-dir", "", "state directory: CA, journal, ready file")
	flags.StringVar(&a.flags.listen, "listen", "", "address of the proxy, host:port; port 0 picks a free one")
	flags.StringVar(&a.flags.admin, "admin", "", `address of the admin listener, host:port; "" turns it off`)
	flags.StringVar(&a.flags.auditDir, "audit-dir", "", "directory of the journal")
	flags.StringVar(&a.flags.output, "output", "text", "form of the result: text or json")

	root.AddCommand(
		// one line per verb, in the order of the manual
		a.runCommand(),
		a.serveCommand(),
		a.envCommand(),
		a.initCommand(),
		a.configCommand(),
		a.explainCommand(),
		a.caCommand(),
		a.auditCommand(),
		a.idCommand(),
		a.versionCommand(),
		a.completionCommand(),
	)
	return root
}
