package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/attribproxy/attribproxy/certs"
	"github.com/attribproxy/attribproxy/config"
)

// caCommand groups what there is to do with the CA.
func (a *app) caCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ca",
		Short: "Show, export and replace the CA that clients trust",
		Long: `The proxy shows clients certificates of its own for Azure Resource Manager, made
by a CA that lives in the state directory. The CA is constrained: even somebody
who steals its key can make certificates for the intercepted hosts only, not for
any other name and not for an IP address. 'attribproxy run' does not use this CA;
it makes one for each run, in memory.`,
		Example: `  attribproxy ca show
  attribproxy ca export --out attribproxy-ca.pem`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.caShowCommand(), a.caExportCommand(), a.caBundleCommand(), a.caRotateCommand())
	return cmd
}

func (a *app) caShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show",
		Short: "Show the CA: names, hosts, validity, fingerprint, files",
		Example: `  attribproxy ca show
  attribproxy ca show --output json`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, authority, err := a.storedCA(cmd)
			if err != nil {
				return err
			}
			if w := authority.ExpiryWarning(time.Now()); w != "" {
				a.say("warning: %s", w)
			}
			return a.printCA(cfg, authority)
		},
	}
}

func (a *app) caExportCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "export [--out FILE]",
		Short: "Print the root certificate, for a client's or a system's trust store",
		Long: `Print the root certificate of the CA in PEM form. It is all that a trust store
needs: the proxy sends the rest of the chain.`,
		Example: `  attribproxy ca export --out attribproxy-ca.pem
  attribproxy ca export | openssl x509 -noout -text
  keytool -importcert -noprompt -alias attribproxy -cacerts -storepass changeit -file attribproxy-ca.pem`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, authority, err := a.storedCA(cmd)
			if err != nil {
				return err
			}
			return a.writePEM(out, authority.RootPEM())
		},

		DisableFlagsInUseLine: true,
	}
	cmd.Flags().StringVar(&out, "out", "", "file to write instead of stdout")
	return cmd
}

func (a *app) caBundleCommand() *cobra.Command {
	var out string
	var caOnly bool
	cmd := &cobra.Command{
		Use:   "bundle [--out FILE] [--ca-only]",
		Short: "Print the roots clients trust together with ours, in one file",
		Long: `Print a bundle for clients whose roots are replaced by the file they are given
(REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE, SSL_CERT_FILE, wget --ca-certificate): the
roots that this machine's clients trust now, those of upstream.roots, and ours.
With --ca-only it is ours alone, for clients that add to their roots
(NODE_EXTRA_CA_CERTS).

The roots come from the file that REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE or
SSL_CERT_FILE names, else from the system; on a machine without any, Mozilla's
are taken, as built into attribproxy.`,
		Example: `  attribproxy ca bundle --out /etc/attribproxy/bundle.pem
  wget --ca-certificate=<(attribproxy ca bundle) https://management.azure.com/`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, authority, err := a.storedCA(cmd)
			if err != nil {
				return err
			}
			if caOnly {
				return a.writePEM(out, authority.RootPEM())
			}
			e := &engine{cfg: cfg, log: newLogging(a.stderr, cfg.Log).logger()}
			if err := e.findRoots(a); err != nil {
				return err
			}
			return a.writePEM(out, certs.CombinedPEM(authority, e.base, e.extra...))
		},

		DisableFlagsInUseLine: true,
	}
	cmd.Flags().StringVar(&out, "out", "", "file to write instead of stdout")
	cmd.Flags().BoolVar(&caOnly, "ca-only", false, "our root alone")
	return cmd
}

func (a *app) caRotateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "rotate",
		Short: "Replace the CA by a new one",
		Long: `Make a new CA for the hosts that the configuration intercepts, in place of the
old one, whatever state that is in. Nothing trusts the new one by itself: a serve
that runs keeps the old CA until it is restarted, and clients have to pick up the
new root.`,
		Example: `  attribproxy ca rotate && systemctl restart attribproxy`,
		Args:    usageArgs(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.rotateCA(cmd) },
	}
}

func (a *app) rotateCA(cmd *cobra.Command) error {
	if _, err := a.wantJSON(); err != nil { // before anything is changed
		return err
	}
	cfg, err := a.loadConfig(cmd)
	if err != nil {
		return err
	}
	authority, err := certs.Rotate(cfg.StateDir, certs.Options{Hosts: cfg.InterceptHosts()})
	if err != nil {
		return withRemedy(fmt.Errorf("replacing the CA: %w", err))
	}
	if err := a.printCA(cfg, authority); err != nil {
		return err
	}
	if info, err := readReady(cfg.StateDir); err == nil && stillServing(cmd.Context(), info) == nil {
		a.say("the running serve (process %d) keeps the old CA until it is restarted", info.PID)
	}
	a.say("clients trust the new CA once they have its root: after the restart run 'attribproxy env' again in each shell, and replace what 'ca export' and 'ca bundle' wrote")
	return nil
}

// storedCA reads the CA of the state directory, without its key.
func (a *app) storedCA(cmd *cobra.Command) (*config.Config, *certs.Authority, error) {
	cfg, err := a.loadConfig(cmd)
	if err != nil {
		return nil, nil, err
	}
	authority, err := certs.Inspect(cfg.StateDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, withHint(fmt.Errorf("there is no CA in %s", cfg.StateDir),
			"'attribproxy serve' makes one at its first start, 'attribproxy ca rotate' makes one now; --state-dir names another directory")
	}
	if err != nil {
		return nil, nil, withRemedy(err)
	}
	return cfg, authority, nil
}

// printCA is the answer of show and rotate.
func (a *app) printCA(cfg *config.Config, authority *certs.Authority) error {
	asJSON, err := a.wantJSON()
	if err != nil {
		return err
	}
	file := func(name string) string { return filepath.Join(cfg.StateDir, name) }
	if asJSON {
		type files struct {
			Root   string `json:"root"`
			Issuer string `json:"issuer"`
			Key    string `json:"key"`
		}
		return printJSON(a.stdout, struct {
			Root        string    `json:"root"`
			Issuer      string    `json:"issuer"`
			Hosts       []string  `json:"hosts"`
			NotBefore   time.Time `json:"notBefore"`
			NotAfter    time.Time `json:"notAfter"`
			Fingerprint string    `json:"fingerprint"` // SHA-256 of the root
			Files       files     `json:"files"`
		}{
			authority.RootSubject(), authority.IssuerSubject(), authority.Hosts(),
			authority.NotBefore().UTC(), authority.NotAfter().UTC(), authority.Fingerprint(),
			files{file(certs.RootFile), file(certs.IssuerFile), file(certs.KeyFile)},
		})
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	for _, row := range [][2]string{
		{"root", authority.RootSubject()},
		{"issuer", authority.IssuerSubject()},
		{"hosts", strings.Join(authority.Hosts(), ", ")},
		{"valid", authority.NotBefore().UTC().Format(time.DateOnly) + " to " + authority.NotAfter().UTC().Format(time.DateOnly)},
		{"SHA-256", authority.Fingerprint()},
		{"files", file(certs.RootFile)},
		{"", file(certs.IssuerFile)},
		{"", file(certs.KeyFile) + " (secret)"},
	} {
		fmt.Fprintf(w, "%s\t%s\n", row[0], clean(row[1]))
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("printing the CA: %w", err)
	}
	return nil
}

// writePEM writes certificates to a file, or to stdout where none is named.
func (a *app) writePEM(out string, data []byte) error {
	if out == "" {
		if _, err := a.stdout.Write(data); err != nil {
			return fmt.Errorf("printing the certificates: %w", err)
		}
		return nil
	}
	if err := os.WriteFile(out, data, 0o644); err != nil { //nolint:gosec // certificates are public, and other users' clients read them
		return fmt.Errorf("writing the certificates: %w", err)
	}
	return nil
}
