package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/attribproxy/attribproxy/certs"
	"github.com/attribproxy/attribproxy/config"
)

// runDrain is how long run waits for requests of processes that outlive its
// child; the child's own are over when it has ended.
const runDrain = 3 * time.Second

// The exit codes of a child that could not be started, as shells and env(1)
// have them.
const (
	exitNotExecutable = 126
	exitNotFound      = 127
	exitSignal        = 128 // plus the number of the signal
)

func (a *app) runCommand() *cobra.Command {
	var ids []string
	var observe bool
	cmd := &cobra.Command{
		Use:   "run [--id ID] [--observe] -- COMMAND [ARG…]",
		Short: "Run one command through a private proxy",
		Long: `Start a proxy for one command and set the command's environment so that it, and
what it starts, goes through that proxy. The proxy listens on a free loopback
port, has a CA of its own that lives in memory, and ends with the command, whose
input, output, signals and exit code are passed through. A summary goes to
stderr.

With --id every ARM PUT gets that tracking ID. Without it the rules of the
configuration apply; without a configuration nothing is changed and the writes
are only recorded.`,
		Example: `  attribproxy run --id b6addd8f-5ff4-4fc0-a2b5-0ec7861106c4 -- az deployment group create -g rg -f main.json
  attribproxy run -- ./legacy-script.sh          # record what it writes, change nothing
  attribproxy run --config attribproxy.yaml -- terraform apply`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError("put the command behind --, as in: attribproxy run -- az group list", "no command to run")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.run(cmd, args, ids, observe) },
	}
	cmd.Flags().SetInterspersed(false)
	cmd.Flags().StringArrayVar(&ids, "id", nil, "tracking ID for every ARM PUT, in place of the config's rules; may be repeated")
	cmd.Flags().BoolVar(&observe, "observe", false, "change nothing; record what would have been done")
	return cmd
}

func (a *app) run(cmd *cobra.Command, args, ids []string, observe bool) error {
	loaded, err := a.resolveRunConfig(cmd, ids, observe)
	if err != nil {
		return err
	}
	cfg := loaded.Config
	path, err := a.lookPath(args[0])
	if err != nil {
		return err
	}
	level := cfg.Log
	if _, set := loaded.Origins["log.level"]; !set {
		level.Level = "warn" // the child's output is what the user wants to see
	}
	log := newLogging(a.stderr, level).logger()
	for _, w := range loaded.Warnings {
		if w.Path != "rules" { // the summary says that nothing was tagged
			a.say("warning: %s", w)
		}
	}
	if err := makeStateDir(cfg); err != nil {
		return err
	}
	dir, err := newRunDir(cfg.StateDir)
	if err != nil {
		return err
	}
	defer dir.remove()
	sum := newSummary()
	e, err := a.startEngine(engineOptions{cfg: cfg, log: log, authority: certs.NewEphemeral, bundles: dir.path, observe: sum.observe})
	if err != nil {
		return err
	}
	code, err := a.runChild(e, path, args)
	if err = errors.Join(err, a.stopRun(e)); err != nil {
		return err
	}
	a.summarize(e, sum)
	if code != 0 {
		return silentExit(code)
	}
	return nil
}

// resolveRunConfig is the configuration of a run: a free port, no admin
// listener, and observing where nothing says what to tag.
func (a *app) resolveRunConfig(cmd *cobra.Command, ids []string, observe bool) (*config.Loaded, error) {
	src := a.configSource(cmd, ids...)
	if _, set := src.Flags["listen"]; !set {
		src.Flags["listen"] = "127.0.0.1:0"
	}
	if _, set := src.Flags["admin"]; !set {
		src.Flags["admin"] = "off"
	}
	if observe {
		src.Flags["mode"] = config.ModeObserve
	}
	loaded, err := a.resolve(src)
	if err != nil {
		return nil, err
	}
	if a.throughOwnServe(loaded) {
		a.say("warning: %s leads to this user's own attribproxy serve; the run goes past it, so that nothing is tagged twice", loaded.Origins["upstream.proxy"])
		src.Flags["upstream.proxy"] = config.ProxyNone
		if loaded, err = a.resolve(src); err != nil {
			return nil, err
		}
	}
	if loaded.File == "" && len(ids) == 0 {
		loaded.Config.Mode = config.ModeObserve
	}
	return loaded, nil
}

// throughOwnServe reports whether the environment's proxy is a serve on the
// same state directory: run was started in a shell that uses it.
func (a *app) throughOwnServe(loaded *config.Loaded) bool {
	info, err := readReady(loaded.Config.StateDir)
	return err == nil && loaded.Config.Upstream.Proxy == info.Proxy
}

// lookPath finds the command in the PATH.
func (a *app) lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	code := exitNotFound
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EISDIR) {
		code = exitNotExecutable
	}
	return "", &codedError{err: fmt.Errorf("cannot run %q: %w", name, errors.Unwrap(err)), code: code, hint: "check the command's name, and that it is on the PATH"}
}

// runChild runs the command through e and returns its exit code.
func (a *app) runChild(e *engine, path string, args []string) (int, error) {
	vars := clientEnv(clientEnvInput{
		Proxy: e.proxyURL(), Bundles: e.bundles, Intercept: e.cfg.InterceptHosts(), Getenv: a.getenv,
	})
	if len(vars.Dropped) > 0 {
		a.say("warning: NO_PROXY entries that would lead past the proxy are left out for the command: %s", strings.Join(vars.Dropped, ", "))
	}
	child := &exec.Cmd{Path: path, Args: args, Env: vars.apply(a.env), Stdin: a.stdin, Stdout: a.stdout, Stderr: a.stderr}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, passedOn...)
	defer signal.Stop(signals)
	if err := child.Start(); err != nil {
		return 0, &codedError{err: fmt.Errorf("starting %q: %w", args[0], err), code: exitNotExecutable}
	}
	ended := make(chan struct{})
	passing := make(chan struct{})
	go func() { defer close(passing); a.passSignals(child.Process, signals, ended) }()
	err := child.Wait()
	close(ended)
	<-passing
	return childCode(child.ProcessState, err)
}

// passSignals hands signals on. At a terminal an interrupt reaches the whole
// foreground group, the child included; a second one from us would make tools
// such as Terraform give up in the middle of a write.
func (a *app) passSignals(child *os.Process, signals <-chan os.Signal, ended <-chan struct{}) {
	stdin, ok := a.stdin.(*os.File)
	atTerminal := ok && term.IsTerminal(int(stdin.Fd()))
	for {
		select {
		case sig := <-signals:
			if atTerminal && fromTerminal(sig) {
				continue
			}
			_ = child.Signal(sig) // an ended child has no use for it
		case <-ended:
			return
		}
	}
}

// childCode is the exit code for the state a child ended in.
func childCode(state *os.ProcessState, err error) (int, error) {
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 0, fmt.Errorf("waiting for the command: %w", err)
	}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return exitSignal + int(status.Signal()), nil
	}
	return state.ExitCode(), nil
}

// stopRun closes the proxy and the journal.
func (a *app) stopRun(e *engine) error {
	ctx, cancel := context.WithTimeout(context.Background(), min(runDrain, e.cfg.Drain.D()))
	defer cancel()
	return e.stop(ctx)
}

// summarize says on stderr what was written and where the record is.
func (a *app) summarize(e *engine, sum *summary) {
	head := e.journal.Head()
	a.say("%s · journal %s · epoch %d · head %s", sum.line(), e.cfg.Audit.Dir, head.Epoch, head.Hash)
	if n := sum.otherIDs(); n > 0 {
		a.say("warning: %s carried another tracking ID already; perhaps only one is read", plural(n, "tagged write"))
		a.hint("'attribproxy audit list' shows them; onOtherId in the rule decides what becomes of the other ID")
	}
}
