package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/gofrs/flock"
	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/attribproxy/attribproxy/certs"
	"github.com/attribproxy/attribproxy/config"
	"github.com/attribproxy/attribproxy/console"
)

// watchInterval is how often the config file's content is looked at.
const watchInterval = 2 * time.Second

func (a *app) serveCommand() *cobra.Command {
	var ids []string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the proxy as a daemon",
		Long: `Run the proxy until SIGTERM or SIGINT, which let the requests under way finish
first (config key drain); a second signal ends it at once. SIGHUP, or a change
of the config file, reloads rules, excludes, mode, labels and log; a faulty file
changes nothing and is reported.

Once the proxy takes connections, serve.json in the state directory says where
it is, and 'attribproxy env' prints what a shell or a CI job needs.`,
		Example: `  attribproxy serve --config attribproxy.yaml
  attribproxy serve --id b6addd8f-5ff4-4fc0-a2b5-0ec7861106c4 --listen 127.0.0.1:0`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.serve(cmd, ids) },
	}
	cmd.Flags().StringArrayVar(&ids, "id", nil, "tracking ID for every ARM PUT, in place of the config's rules; may be repeated")
	return cmd
}

// daemonRun is one run of serve.
type daemonRun struct {
	app    *app
	source config.Source
	cfg    *config.Config // as started; what a reload cannot change is read here
	logs   *logging
	log    *zap.Logger
	engine *engine
	admin  *console.Server

	reloading sync.Mutex     // a signal and the watcher may come together
	loaded    *config.Loaded // in force; under reloading
}

func (a *app) serve(cmd *cobra.Command, ids []string) error {
	// Asked for first, so that no signal meets the default action.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)

	loaded, err := a.resolveConfig(cmd, ids...)
	if err != nil {
		return err
	}
	logs := newLogging(a.stderr, loaded.Config.Log)
	d := &daemonRun{app: a, source: a.configSource(cmd, ids...), cfg: loaded.Config, loaded: loaded, logs: logs, log: logs.logger()}
	d.source.File = loaded.File
	if err := makeStateDir(loaded.Config); err != nil {
		return err
	}
	unlock, err := lockState(loaded.Config.StateDir)
	if err != nil {
		return err
	}
	defer unlock()
	if err := d.start(); err != nil {
		return err
	}
	return d.untilStopped(cmd.Context(), signals)
}

// lockState keeps a second serve off the state directory, whose ready file
// and bundles it would overwrite.
func lockState(stateDir string) (unlock func(), err error) {
	lock := flock.New(filepath.Join(stateDir, "serve.lock"), flock.SetPermissions(0o600))
	ok, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("locking the state directory: %w", err)
	}
	if !ok {
		return nil, withHint(fmt.Errorf("another serve is running on the state directory %s", stateDir), "stop it, or name another directory with --state-dir")
	}
	return func() { _ = lock.Unlock() }, nil
}

func (d *daemonRun) start() (err error) {
	cfg := d.cfg
	d.warn(d.loaded)
	var adminListener net.Listener
	var own []netip.AddrPort
	if cfg.Admin != "" {
		adminListener, err = (&net.ListenConfig{}).Listen(context.Background(), "tcp", cfg.Admin)
		if err != nil {
			return withHint(fmt.Errorf("listening for the admin pages: %w", err), `name another address with --admin, or turn it off with --admin ""`)
		}
		if addr, err := netip.ParseAddrPort(adminListener.Addr().String()); err == nil {
			own = append(own, addr)
		}
	}
	d.engine, err = d.app.startEngine(engineOptions{
		cfg: cfg, log: d.log, own: own, bundles: cfg.StateDir,
		authority: func(o certs.Options) (*certs.Authority, error) { return certs.LoadOrCreate(cfg.StateDir, o) },
	})
	if err != nil {
		if adminListener != nil {
			adminListener.Close()
		}
		return err
	}
	if adminListener != nil {
		if d.admin, err = d.startAdmin(adminListener); err != nil {
			adminListener.Close()
			return errors.Join(err, d.stop(0))
		}
	}
	if err := d.announce(); err != nil {
		return errors.Join(err, d.stop(0))
	}
	return nil
}

// announce says that the proxy takes connections: the ready file, the service
// manager, the log, and a person at a terminal.
func (d *daemonRun) announce() error {
	e, cfg := d.engine, d.cfg
	head := e.journal.Head()
	info := readyInfo{
		PID: os.Getpid(), Proxy: e.proxyURL(), CA: filepath.Join(cfg.StateDir, certs.RootFile),
		Source: head.Source, Epoch: head.Epoch,
	}
	if d.admin != nil {
		info.Admin = d.admin.URL()
	}
	if err := writeReady(cfg.StateDir, info); err != nil {
		return err
	}
	if _, err := daemon.SdNotify(false, daemon.SdNotifyReady); err != nil {
		d.log.Warn("the service manager could not be told that the proxy is ready", zap.Error(err))
	}
	d.log.Info("ready", zap.String("proxy", info.Proxy), zap.String("admin", info.Admin), zap.String("mode", cfg.Mode),
		zap.Int("rules", len(cfg.Rules)), zap.Strings("intercept", cfg.InterceptHosts()), zap.String("ca", info.CA),
		zap.String("journal", cfg.Audit.Dir), zap.String("source", info.Source), zap.Uint64("epoch", info.Epoch),
		zap.String("config_hash", cfg.Hash()))
	if cfg.Log.Format == "console" {
		d.app.printPaste(cfg.StateDir)
	}
	return nil
}

// printPaste says what to paste into another shell.
func (a *app) printPaste(stateDir string) {
	program, err := os.Executable()
	if err != nil {
		program = "attribproxy"
	}
	fmt.Fprintf(a.stderr, "\nThe proxy is ready. Paste this into another shell, and use az, terraform, … there as ever:\n\n  %s\n\n",
		pasteLine(program, stateDir))
}

// warn passes on what is allowed and probably not meant.
func (d *daemonRun) warn(loaded *config.Loaded) {
	for _, w := range loaded.Warnings {
		d.log.Warn("configuration: " + w.String())
	}
}

// untilStopped serves until a signal, and drains.
func (d *daemonRun) untilStopped(ctx context.Context, signals <-chan os.Signal) error {
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	if file, seen := d.loaded.File, d.loaded.Digest; d.loaded.Rereadable {
		watching.Go(func() { config.Watch(ctx, file, watchInterval, config.Watching{Seen: seen}, d.reload) })
	}
	expiry := time.NewTicker(24 * time.Hour)
	defer expiry.Stop()
	d.warnExpiry()
	for {
		select {
		case sig := <-signals:
			if sig == syscall.SIGHUP {
				d.reload()
				continue
			}
			d.log.Info("stopping: requests under way may finish; a second signal ends at once", zap.Stringer("signal", sig), zap.Stringer("drain", d.cfg.Drain.D()))
			return d.drain(signals)
		case err := <-d.engine.served:
			d.engine.served <- err
			return d.stop(0)
		case <-expiry.C:
			d.warnExpiry()
		case <-ctx.Done():
			return d.drain(signals)
		}
	}
}

func (d *daemonRun) warnExpiry() {
	if w := d.engine.authority.ExpiryWarning(time.Now()); w != "" {
		d.log.Warn(w, zap.String("hint", "run 'attribproxy ca rotate' and restart"))
	}
}

// drain stops in order; a further signal makes it at once.
func (d *daemonRun) drain(signals <-chan os.Signal) error {
	ctx, cancel := context.WithTimeout(context.Background(), d.cfg.Drain.D())
	defer cancel()
	go func() {
		for {
			select {
			case sig := <-signals:
				if sig != syscall.SIGHUP {
					cancel()
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return d.stopWithin(ctx)
}

// stop ends within a time.
func (d *daemonRun) stop(within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	return d.stopWithin(ctx)
}

func (d *daemonRun) stopWithin(ctx context.Context) error {
	_, _ = daemon.SdNotify(false, daemon.SdNotifyStopping)
	// Nobody is to be sent to a proxy that is going away.
	if err := os.Remove(readyPath(d.cfg.StateDir)); err != nil && !errors.Is(err, os.ErrNotExist) {
		d.log.Warn("the ready file could not be removed", zap.Error(err))
	}
	err := d.engine.stop(ctx)
	if d.admin != nil {
		err = errors.Join(err, d.admin.Close())
	}
	head := d.engine.journal.Head()
	d.log.Info("stopped", zap.String("source", head.Source), zap.Uint64("epoch", head.Epoch), zap.Uint64("seq", head.Seq), zap.String("head", head.Hash))
	return err
}

// reload reads the configuration again and puts it into force as one value,
// or leaves everything as it is and says why.
func (d *daemonRun) reload() {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	if d.loaded.File != "" && !d.loaded.Rereadable {
		d.log.Error("the configuration was not reloaded; the old rules stay in force: it came through a pipe, which gives nothing a second time",
			zap.String("file", d.loaded.File))
		return
	}
	loaded, err := config.Resolve(d.source)
	if err == nil && loaded.Blank && !d.loaded.Blank {
		err = errors.New("the file has been emptied; a file that is meant to hold no rules says so with 'rules: []'")
	}
	if err != nil {
		d.log.Error("the configuration was not reloaded; the old rules stay in force", zap.Error(err))
		return
	}
	diff := config.ReloadDiff(d.loaded.Config, loaded.Config)
	if len(diff.Restart) > 0 {
		d.log.Error("the configuration was not reloaded; the old rules stay in force: these keys need a restart",
			zap.String("keys", strings.Join(diff.Restart, ", ")))
		return
	}
	if len(diff.Reload) == 0 {
		d.log.Info("the configuration has not changed")
		return
	}
	if err := d.engine.setRules(loaded.Config); err != nil {
		d.log.Error("the configuration was not reloaded; the old rules stay in force", zap.Error(err))
		return
	}
	d.logs.set(loaded.Config.Log)
	d.loaded = loaded
	d.warn(loaded)
	d.log.Info("reloaded", zap.Strings("changed", diff.Reload), zap.Int("rules", len(loaded.Config.Rules)), zap.String("mode", loaded.Config.Mode), zap.String("config_hash", loaded.Config.Hash()))
}
