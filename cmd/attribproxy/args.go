package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// usageArgs makes a wrong number of arguments, or an unknown verb, a wrong use
// of the command line (exit code 2) that points to the help.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError(fmt.Sprintf("see '%s --help'", cmd.CommandPath()), "%w", err)
		}
		return nil
	}
}
