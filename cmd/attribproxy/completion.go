package main

import (
	"github.com/spf13/cobra"
)

func (a *app) completionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "completion",
		Short: "Print a script that completes commands in a shell",
		Long: `Print a script for a shell, which completes verbs and flags at the Tab key.
See the help of each shell's verb for where the script goes.`,
		Example: `  source <(attribproxy completion bash)
  attribproxy completion fish > ~/.config/fish/completions/attribproxy.fish`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, shell := range []struct {
		name, long, example string
		generate            func(root *cobra.Command) error
	}{
		{
			"bash", "Needs the bash-completion package.",
			"  source <(attribproxy completion bash)\n  attribproxy completion bash > /etc/bash_completion.d/attribproxy",
			func(root *cobra.Command) error { return root.GenBashCompletionV2(a.stdout, true) },
		},
		{
			"zsh", "Completion must be on: put 'autoload -U compinit; compinit' into ~/.zshrc.",
			"  source <(attribproxy completion zsh)\n  attribproxy completion zsh > \"${fpath[1]}/_attribproxy\"",
			func(root *cobra.Command) error { return root.GenZshCompletion(a.stdout) },
		},
		{
			"fish", "Found by itself in ~/.config/fish/completions.",
			"  attribproxy completion fish > ~/.config/fish/completions/attribproxy.fish",
			func(root *cobra.Command) error { return root.GenFishCompletion(a.stdout, true) },
		},
		{
			"powershell", "To have it in every session, add the line to the file that $PROFILE names.",
			"  attribproxy completion powershell | Out-String | Invoke-Expression",
			func(root *cobra.Command) error { return root.GenPowerShellCompletionWithDesc(a.stdout) },
		},
	} {
		cmd.AddCommand(&cobra.Command{
			Use:                   shell.name,
			Short:                 "Print the completion script for " + shell.name,
			Long:                  "Print the completion script for " + shell.name + ".\n" + shell.long,
			Example:               shell.example,
			Args:                  usageArgs(cobra.NoArgs),
			DisableFlagsInUseLine: true,
			RunE:                  func(cmd *cobra.Command, _ []string) error { return shell.generate(cmd.Root()) },
		})
	}
	return cmd
}
