package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/attribproxy/attribproxy/internal/fakecloud"
)

const (
	otherHost = "contoso.blob.core.windows.net"
	sendFlag  = "send" // makes the demo its own client
	groupURL  = "https://" + fakecloud.DefaultARMHost + "/subscriptions/" + fakecloud.SubscriptionID + "/resourcegroups/demo"
	version   = "?api-version=2021-04-01"
)

// call is one request that the client sends.
type call struct {
	Method, URL, Body string
	Header            map[string]string
}

// script is what the client is asked to do: two writes to ARM among other things.
func script() []call {
	header := map[string]string{"Authorization": "Bearer demo", "Content-Type": "application/json"}
	return []call{
		{"GET", "https://" + fakecloud.DefaultARMHost + "/subscriptions" + version, "", header},
		{"PUT", groupURL + version, `{"location":"westeurope"}`, header},
		{"PUT", groupURL + "/providers/Microsoft.Resources/deployments/app" + version, `{"properties":{"mode":"Incremental"}}`, header},
		{"PUT", "https://" + otherHost + "/container/file", "not for Resource Manager", header},
	}
}

// client is a real HTTP client that honours HTTPS_PROXY.
type client struct {
	name   string
	argv   func(d *demo) ([]string, error)
	direct func(ctx context.Context, d *demo) (*exec.Cmd, error) // finds the fake cloud without a proxy
}

// findClient prefers curl: everybody knows it.
func findClient(self bool) (client, error) {
	if path, err := exec.LookPath("curl"); err == nil && !self {
		argv := func(*demo) ([]string, error) { return append([]string{path}, curlArgs()...), nil }
		return client{name: "curl", argv: argv, direct: func(ctx context.Context, d *demo) (*exec.Cmd, error) {
			options := []string{"--noproxy", "*"}
			for _, entry := range d.cloud.Resolve() {
				options = append(options, "--connect-to", entry)
			}
			return exec.CommandContext(ctx, path, curlArgs(options...)...), nil
		}}, nil
	}
	me, err := os.Executable()
	if err != nil {
		return client{}, fmt.Errorf("finding the demo's own program: %w", err)
	}
	argv := func(d *demo) ([]string, error) {
		file, err := d.writeScript("")
		return []string{me, "-" + sendFlag, file}, err
	}
	return client{name: "Go client", argv: argv, direct: func(ctx context.Context, d *demo) (*exec.Cmd, error) {
		file, err := d.writeScript(d.cloud.Addr())
		return exec.CommandContext(ctx, me, "-"+sendFlag, file), err
	}}, nil
}

// curlArgs asks for all calls of the script, each with the given options: what
// follows --next starts without any.
func curlArgs(options ...string) []string {
	args := []string{"--disable"} // no .curlrc; must come first
	for i, c := range script() {
		if i > 0 {
			args = append(args, "--next")
		}
		args = append(args, options...)
		args = append(args, "--silent", "--show-error", "--fail", "--output", os.DevNull, "--request", c.Method)
		for k, v := range c.Header {
			args = append(args, "--header", k+": "+v)
		}
		if c.Body != "" {
			args = append(args, "--data", c.Body)
		}
		args = append(args, c.URL)
	}
	return args
}

// orders is what the demo tells itself when it is the client.
type orders struct {
	Address string // where every name is found; "" for the way of the environment
	CA      string // file to trust when Address is set
	Calls   []call
}

func (d *demo) writeScript(address string) (string, error) {
	text, err := json.Marshal(orders{Address: address, CA: d.caFile(), Calls: script()})
	if err != nil {
		return "", fmt.Errorf("writing the client's orders: %w", err)
	}
	file := filepath.Join(d.dir, "client.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return "", fmt.Errorf("writing the client's orders: %w", err)
	}
	return file, nil
}

// sendAll is Go's HTTP client doing what the file says.
func sendAll(ctx context.Context, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("reading orders: %w", err)
	}
	var o orders
	if err := json.Unmarshal(text, &o); err != nil {
		return fmt.Errorf("reading orders: %w", err)
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	if o.Address != "" {
		ca, err := os.ReadFile(o.CA)
		if err != nil {
			return fmt.Errorf("reading CA: %w", err)
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(ca)
		transport.Proxy = nil
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
		transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, o.Address)
		}
	}
	for _, c := range o.Calls {
		if err := c.send(ctx, &http.Client{Transport: transport}); err != nil {
			return fmt.Errorf("%s %s: %w", c.Method, c.URL, err)
		}
	}
	return nil
}

func (c call) send(ctx context.Context, client *http.Client) error {
	req, err := http.NewRequestWithContext(ctx, c.Method, c.URL, bytes.NewReader([]byte(c.Body)))
	if err != nil {
		return err
	}
	for k, v := range c.Header {
		req.Header.Set(k, v)
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode >= 400 {
		return fmt.Errorf("answered %s", res.Status)
	}
	return nil
}
