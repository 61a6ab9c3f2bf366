package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/attribproxy/attribproxy/certs"
)

// undoVariable keeps what the variables were before, so that --unset brings a
// corporate proxy back and not just takes ours away.
const undoVariable = "_ATTRIBPROXY_UNDO"

func (a *app) envCommand() *cobra.Command {
	var shell string
	var unset bool
	cmd := &cobra.Command{
		Use:   "env [--shell NAME] [--unset]",
		Short: "Print the variables that send a shell or a CI job through the proxy",
		Long: `Print the environment variables with which clients go through the running serve
and trust its certificates, in the form of a shell or a CI system:

  bash             also for sh, zsh and ksh
  fish
  pwsh             PowerShell
  cmd              a batch file, to be called
  github           lines for the file $GITHUB_ENV of GitHub Actions
  azure-pipelines  logging commands for the later steps of the job
  dotenv           an .env file

The default is the shell you are in, as far as $SHELL or PSModulePath tells.
--unset prints what takes the variables back; a live shell gets the values that
it had before.`,
		Example: `  eval "$(attribproxy env)"
  eval "$(attribproxy env --unset)"
  attribproxy env --shell fish | source
  attribproxy env --shell pwsh | Out-String | Invoke-Expression
  attribproxy env --shell cmd > "%TEMP%\ap.cmd" & call "%TEMP%\ap.cmd"
  attribproxy env --shell github >> "$GITHUB_ENV"`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.printEnv(cmd, shell, unset) },

		DisableFlagsInUseLine: true,
	}
	cmd.Flags().StringVar(&shell, "shell", "", "form of the output: "+strings.Join(shellNames(), ", "))
	cmd.Flags().BoolVar(&unset, "unset", false, "print what takes the variables back")
	return cmd
}

func (a *app) printEnv(cmd *cobra.Command, shell string, unset bool) error {
	asJSON, err := a.wantJSON()
	if err != nil {
		return err
	}
	form, err := a.chooseShell(shell)
	if err != nil {
		return err
	}
	if unset {
		return a.printUnset(form, asJSON)
	}
	out, err := a.runningEnv(cmd)
	if err != nil {
		return err
	}
	a.warnDropped(out)
	if asJSON {
		vars := map[string]string{}
		for _, v := range out.Vars {
			vars[v.Name] = v.Value
		}
		return printJSON(a.stdout, vars)
	}
	vars := out.Vars
	if form.undo {
		vars = append(vars, envVar{undoVariable, a.undo()})
	}
	a.tellUse(form, "")
	return a.printVars(form, vars)
}

// printVars writes the variables; one with an empty value is taken away.
func (a *app) printVars(form shellForm, vars []envVar) error {
	var text strings.Builder
	for _, v := range vars {
		switch {
		case form.oneCase && v.Name == strings.ToLower(v.Name): // the upper one says it
		case v.Value == "":
			text.WriteString(form.unset(v.Name))
		default:
			text.WriteString(form.set(v))
		}
	}
	if _, err := a.stdout.Write([]byte(text.String())); err != nil {
		return fmt.Errorf("printing the variables: %w", err)
	}
	return nil
}

// chooseShell finds the form asked for, or the one of the shell we are in.
func (a *app) chooseShell(name string) (shellForm, error) {
	remedy := "name one with --shell: " + strings.Join(shellNames(), ", ")
	asked := name != ""
	if !asked {
		name = detectShell(runtime.GOOS, a.getenv)
	}
	form, ok := findShell(name)
	switch {
	case !ok && asked:
		return form, usageError(remedy, "unknown shell %q", name)
	case !ok:
		return form, usageError(remedy, "no form is known for your shell %q", name)
	}
	return form, nil
}

// runningEnv makes the variables for the serve that runs on the state
// directory.
func (a *app) runningEnv(cmd *cobra.Command) (clientEnvOutput, error) {
	cfg, err := a.loadConfig(cmd)
	if err != nil {
		return clientEnvOutput{}, err
	}
	info, err := readReady(cfg.StateDir)
	if err != nil {
		return clientEnvOutput{}, err
	}
	if err := stillServing(cmd.Context(), info); err != nil {
		return clientEnvOutput{}, withHint(
			fmt.Errorf("%s says that serve (process %d) is at %s, but nothing answers there: %w", readyPath(cfg.StateDir), info.PID, info.Proxy, err),
			"start 'attribproxy serve' again")
	}
	bundles, err := certs.FindBundles(cfg.StateDir)
	if err != nil {
		return clientEnvOutput{}, withHint(err, "restart 'attribproxy serve', which writes them")
	}
	authority, err := certs.Inspect(cfg.StateDir)
	if err != nil {
		return clientEnvOutput{}, withRemedy(err)
	}
	return clientEnv(clientEnvInput{
		Proxy: info.Proxy, Bundles: bundles, Intercept: authority.Hosts(), Getenv: a.originally,
	}), nil
}

// stillServing connects to the proxy of a ready file. That works across
// containers that share a state directory, where a process ID would not.
func stillServing(ctx context.Context, info readyInfo) error {
	u, err := url.Parse(info.Proxy)
	if err != nil {
		return fmt.Errorf("its address cannot be read: %w", err)
	}
	conn, err := (&net.Dialer{Timeout: 2 * time.Second}).DialContext(ctx, "tcp", u.Host)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err // the address was said
		}
		return err
	}
	return conn.Close()
}

// warnDropped tells of the NO_PROXY entries that were left out.
func (a *app) warnDropped(out clientEnvOutput) {
	for _, entry := range out.Dropped {
		a.say("warning: NO_PROXY entry %q is left out: with it, requests to Azure Resource Manager would get past the proxy", entry)
	}
}

// tellUse says to a person at a terminal what the output is for.
func (a *app) tellUse(form shellForm, more string) {
	if f, ok := a.stdout.(*os.File); form.undo && (!ok || !term.IsTerminal(int(f.Fd()))) {
		return // it is being used as meant
	}
	a.hint("to use it: %s", strings.Replace(form.use, "attribproxy env", "attribproxy env"+more, 1))
}

// printUnset takes the variables back. A CI job has none to bring back: there
// they become empty, which counts as unset for all who read them.
func (a *app) printUnset(form shellForm, asJSON bool) error {
	var vars []envVar
	if !form.undo {
		for _, name := range clientEnvNames {
			vars = append(vars, envVar{Name: name})
		}
	} else {
		saved, err := a.saved()
		if errors.Is(err, fs.ErrNotExist) {
			a.say("this shell has no variables from 'attribproxy env'; there is nothing to take back")
			return nil
		}
		if err != nil {
			return err
		}
		for _, name := range append(slices.Clone(clientEnvNames), undoVariable) {
			vars = append(vars, envVar{name, saved[name]})
		}
	}
	if asJSON {
		before := map[string]*string{}
		for _, v := range vars {
			before[v.Name] = nil
			if v.Value != "" {
				before[v.Name] = &v.Value
			}
		}
		return printJSON(a.stdout, before)
	}
	a.tellUse(form, " --unset")
	return a.printVars(form, vars)
}

// undo is the value of undoVariable: what the variables are now or, in a shell
// that has ours already, what they were before.
func (a *app) undo() string {
	if kept := a.getenv(undoVariable); kept != "" {
		return kept
	}
	before := map[string]string{}
	for _, name := range clientEnvNames {
		if v := a.getenv(name); v != "" {
			before[name] = v
		}
	}
	text, err := json.Marshal(before)
	if err != nil {
		panic("a map of strings has no JSON: " + err.Error())
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// saved reads undoVariable; fs.ErrNotExist when this shell has none.
func (a *app) saved() (map[string]string, error) {
	text := a.getenv(undoVariable)
	if text == "" {
		return nil, fs.ErrNotExist
	}
	var before map[string]string
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(raw, &before)
	}
	if err != nil {
		return nil, withHint(fmt.Errorf("reading %s: %w", undoVariable, err), "open a new shell")
	}
	return before, nil
}

// originally looks a variable up as it was before 'attribproxy env' set it, so
// that calling it twice in a shell gives the same as calling it once.
func (a *app) originally(name string) string {
	if before, err := a.saved(); err == nil && slices.Contains(clientEnvNames, name) {
		return before[name]
	}
	return a.getenv(name)
}
