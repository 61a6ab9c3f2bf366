package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"github.com/attribproxy/attribproxy/internal/fakecloud"
)

const program = "github.com/attribproxy/attribproxy/cmd/attribproxy"

// demo is what the steps share.
type demo struct {
	ctx    context.Context // one run, one context
	out    io.Writer
	errs   io.Writer
	dir    string // temporary, holds all state
	bin    string // attribproxy
	id     string
	config string
	cloud  *fakecloud.Cloud
	client client
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	bin := flags.String("bin", "", "attribproxy program to show (default: build it)")
	id := flags.String("id", uuid.NewString(), "tracking ID to put on writes")
	self := flags.Bool("go-client", false, "use Go's HTTP client even where curl is installed")
	send := flags.String(sendFlag, "", "be the client: send the requests of this file (used by the demo itself)")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if *send != "" {
		return sendAll(ctx, *send)
	}

	dir, err := os.MkdirTemp("", "attribproxy-demo-")
	if err != nil {
		return fmt.Errorf("making a temporary directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	cloud, err := fakecloud.Start(fakecloud.Options{Others: []string{otherHost}})
	if err != nil {
		return fmt.Errorf("starting the fake cloud: %w", err)
	}
	defer func() { err = errors.Join(err, cloud.Close()) }()

	d := &demo{ctx: ctx, out: stdout, errs: stderr, dir: dir, bin: *bin, id: *id, cloud: cloud}
	if d.client, err = findClient(*self); err != nil {
		return err
	}
	for _, step := range []func() error{d.prepare, d.before, d.after, d.record} {
		if err := step(); err != nil {
			return err
		}
	}
	d.say("")
	d.say("That is all. With an Azure account the same reads:")
	d.say("  attribproxy run --id %s -- az group create --name demo --location westeurope", d.id)
	return nil
}

// prepare builds the program and writes a config that finds the fake cloud.
func (d *demo) prepare() error {
	d.say("attribproxy puts a partner's tracking ID on Azure Resource Manager writes.")
	d.say("Here it meets a fake Azure on this machine; nothing leaves it.")
	if d.bin == "" {
		d.bin = filepath.Join(d.dir, "attribproxy")
		if runtime.GOOS == "windows" {
			d.bin += ".exe"
		}
		if text, err := exec.CommandContext(d.ctx, "go", "build", "-buildvcs=false", "-o", d.bin, program).CombinedOutput(); err != nil {
			return fmt.Errorf("building attribproxy: %w\n%s", err, text)
		}
	}
	if err := os.WriteFile(d.caFile(), d.cloud.CAPEM(), 0o600); err != nil {
		return fmt.Errorf("writing the fake cloud's CA: %w", err)
	}
	config, err := json.MarshalIndent(map[string]any{ // JSON is YAML
		"stateDir": filepath.Join(d.dir, "state"),
		"upstream": map[string]any{
			"resolve": d.cloud.Resolve(),
			"roots":   d.caFile(),
			"allow":   []string{"127.0.0.0/8"},
		},
		"audit": map[string]any{"dir": d.journal(), "source": "demo"},
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the config: %w", err)
	}
	d.config = filepath.Join(d.dir, "demo.yaml")
	if err := os.WriteFile(d.config, config, 0o600); err != nil {
		return fmt.Errorf("writing the config: %w", err)
	}
	return nil
}

func (d *demo) caFile() string  { return filepath.Join(d.dir, "fakecloud.pem") }
func (d *demo) journal() string { return filepath.Join(d.dir, "journal") }

// before runs the client by itself.
func (d *demo) before() error {
	d.title("1. %s by itself", d.client.name)
	return d.send("", func(ctx context.Context) (*exec.Cmd, error) {
		return d.client.direct(ctx, d)
	})
}

// after runs the same client with the same arguments under attribproxy.
func (d *demo) after() error {
	d.title("2. The same %s under attribproxy", d.client.name)
	d.say("$ attribproxy run --id %s -- %s …", d.id, d.client.name)
	d.say("")
	return d.send("pid-"+d.id, func(ctx context.Context) (*exec.Cmd, error) {
		argv, err := d.client.argv(d)
		if err != nil {
			return nil, err
		}
		return exec.CommandContext(ctx, d.bin, append([]string{"run", "--id", d.id, "--config", d.config, "--"}, argv...)...), nil
	})
}

// send runs one command of the client and prints what reached the cloud. The
// tag must be on the writes to ARM, and only there; "" for nowhere.
func (d *demo) send(tag string, command func(context.Context) (*exec.Cmd, error)) error {
	d.cloud.Reset()
	cmd, err := command(d.ctx)
	if err != nil {
		return err
	}
	// The fake cloud's CA stands for a company's own: the client trusts it, and
	// so does what attribproxy gives the client in its place.
	cmd.Env = append(environ(), "SSL_CERT_FILE="+d.caFile(), "CURL_CA_BUNDLE="+d.caFile())
	cmd.WaitDelay = 5 * time.Second // a client may outlive an interrupted attribproxy
	var talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &talk, &talk
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("running %s: %w\n%s", d.client.name, err, &talk)
	}
	requests := d.cloud.Requests()
	if len(requests) != len(script()) {
		return fmt.Errorf("%d requests reached the cloud, want %d\n%s", len(requests), len(script()), &talk)
	}
	d.say("What reached the cloud:")
	tw := tabwriter.NewWriter(d.out, 0, 8, 2, ' ', 0)
	var wrong []error
	for _, r := range requests {
		ua := r.Header.Get("User-Agent")
		fmt.Fprintf(tw, "  %s\t%s\tUser-Agent: %s\n", r.Method, what(r), ua)
		if want := tag != "" && r.Method == "PUT" && d.cloud.IsARM(r.Host); want != (tag != "" && strings.HasSuffix(ua, tag)) {
			wrong = append(wrong, fmt.Errorf("%s %s carries %q", r.Method, what(r), ua))
		}
	}
	if err := tw.Flush(); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	if tag != "" && len(wrong) == 0 {
		d.say("The writes to Resource Manager carry the ID. The read, and the write to another host, are as they were.")
	}
	if talk.Len() > 0 {
		d.say("\nWhat attribproxy said:")
		d.say("%s", indent(d.short(talk.String())))
	}
	return errors.Join(wrong...)
}

// record shows the journal as attribproxy tells it.
func (d *demo) record() error {
	d.title("3. What is on record")
	if err := d.attribproxy("audit", "list", "--config", d.config); err != nil {
		return err
	}
	d.title("4. One of them in full")
	id, err := d.firstEvent()
	if err != nil {
		return err
	}
	if err := d.attribproxy("audit", "show", id, "--config", d.config); err != nil {
		return err
	}
	d.title("5. Is the record whole?")
	return d.attribproxy("audit", "verify", d.journal())
}

// attribproxy runs a verb and prints the line that a user would type, then its output.
func (d *demo) attribproxy(args ...string) error {
	typed := args
	for i, a := range args {
		if a == "--config" {
			typed = args[:i]
		}
	}
	d.say("$ attribproxy %s", d.short(strings.Join(typed, " ")))
	cmd := exec.CommandContext(d.ctx, d.bin, args...)
	cmd.Env = environ()
	text, err := cmd.CombinedOutput()
	d.say("%s", indent(d.short(string(text))))
	if err != nil {
		return fmt.Errorf("attribproxy %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// environ is the user's environment without what would lead the demo elsewhere:
// a company's proxy, settings of attribproxy.
func environ() []string {
	return slices.DeleteFunc(os.Environ(), func(entry string) bool {
		name, _, _ := strings.Cut(strings.ToUpper(entry), "=")
		return strings.HasSuffix(name, "_PROXY") || strings.HasPrefix(name, "ATTRIBPROXY_")
	})
}

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.out, format+"\n", args...) }

func (d *demo) title(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	d.say("\n%s\n%s", text, strings.Repeat("─", len([]rune(text))))
}

// short writes "." for the temporary directory: it will be gone.
func (d *demo) short(text string) string { return strings.ReplaceAll(text, d.dir, ".") }

func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n  ")
}

// what names a request's target in the words of its path's end.
func what(r fakecloud.Request) string {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	path = strings.Replace(path, "/subscriptions/"+fakecloud.SubscriptionID, "…", 1)
	path = strings.Replace(path, "/providers/Microsoft.Resources", "/…", 1)
	return r.Host + path
}
