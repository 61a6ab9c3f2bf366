package certs_test

// Real verifiers judge the CA: each accepts what the proxy serves, and refuses
// everything a thief of the issuing key could make. Debian's packages: openssl,
// curl, wget (which is GnuTLS), nodejs, default-jdk, python3.

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/attribproxy/attribproxy/certs"
)

// Two hosts are served as the proxy would. The third is intercepted too, but
// only ever shown with a certificate that a stolen key made.
var intercepted = []string{"management.azure.com", "management.usgovcloudapi.net", "management.chinacloudapi.cn"}

// A forgery is a certificate that the thief of the issuing key might make.
type forgery struct {
	name string
	// victim is the host it is made for.
	victim string
	// twin is a host that gets the same from a CA without constraints, trusted
	// likewise. It is accepted: so the victim was refused for the constraints,
	// not for a fault of the test. Empty where verifiers differ.
	twin string
	make func(ca signer, host string) tls.Certificate
}

var forgeries = []forgery{
	{name: "sibling", victim: "portal.azure.com", twin: "portal.example.com", make: signer.forHost},
	{name: "parent", victim: "azure.com", twin: "example.com", make: signer.forHost},
	{name: "lookalike", victim: "evilmanagement.azure.com", twin: "evilmanagement.example.com", make: signer.forHost},
	{name: "subdomain", victim: "east.management.usgovcloudapi.net", twin: "east.management.example.com", make: signer.forHost},
	{name: "wildcard", victim: "west.management.usgovcloudapi.net", twin: "west.management.example.com", make: signer.wildcard},
	{name: "IPv4", victim: "192.0.2.1", twin: "192.0.2.2", make: signer.forHost},
	{name: "IPv6", victim: "[2001:db8::1]", twin: "[2001:db8::2]", make: signer.forHost},
	{name: "beside a permitted name", victim: "graph.microsoft.com", twin: "graph.example.com", make: signer.besidePermitted},
	{name: "common name only", victim: "login.microsoftonline.com", make: signer.commonName},
	{name: "through a CA of the thief's", victim: "vault.azure.net", twin: "vault.example.com", make: signer.throughSubCA},
	{name: "through a CA, permitted name", victim: "management.chinacloudapi.cn", make: signer.throughSubCA},
}

// A verdict is what one client said about one target.
type verdict struct {
	client   string
	target   string
	accepted bool
	unable   bool // the client cannot even try
	detail   string
}

// A stage is everything that a client needs to judge the certificates.
type stage struct {
	proxy   string // URL of a CONNECT proxy that is every host at once
	bundles certs.Bundles
	shown   map[string]tls.Certificate // what is shown for each target
	targets []string
}

// verifiers drive the real clients.
var verifiers = []struct {
	name  string
	tool  string // program that has to be there; "" for none
	judge func(*testing.T, stage) []verdict
}{
	{name: "go", judge: judgeGo},
	{name: "openssl", tool: "openssl", judge: judgeOpenSSL},
	{name: "curl", tool: "curl", judge: judgeCurl},
	{name: "wget", tool: "wget", judge: judgeWget},
	{name: "node", tool: "node", judge: judgeNode},
	{name: "python", tool: "python3", judge: judgePython},
	{name: "java", tool: "java", judge: judgeJava},
}

func TestVerifiers(t *testing.T) {
	dir := t.TempDir()
	authority, err := certs.LoadOrCreate(dir, certs.Options{Hosts: intercepted})
	if err != nil {
		t.Fatal(err)
	}
	stolen, free := steal(t, dir), unconstrained(t)
	// As in a slim image: the base is the built-in one. The unconstrained CA is
	// trusted as a corporate root would be.
	base, err := certs.FindBase(func(string) string { return "" }, os.DirFS(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	bundles, err := certs.WriteBundles(t.TempDir(), authority, base, free.rootPEM())
	if err != nil {
		t.Fatal(err)
	}

	want := map[string]bool{}
	configs := map[string]*tls.Config{}
	shown := map[string]tls.Certificate{}
	for _, host := range intercepted[:2] {
		config, err := authority.TLSConfig(host)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := config.GetCertificate(&tls.ClientHelloInfo{ServerName: host})
		if err != nil {
			t.Fatal(err)
		}
		want[host], configs[host], shown[host] = true, config, *cert
	}
	for _, f := range forgeries {
		want[f.victim], shown[f.victim] = false, f.make(stolen, f.victim)
		if f.twin != "" {
			want[f.twin], shown[f.twin] = true, f.make(free, f.twin)
		}
	}
	s := stage{bundles: bundles, shown: shown}
	for target := range want {
		s.targets = append(s.targets, target)
		if configs[target] == nil {
			configs[target] = &tls.Config{Certificates: []tls.Certificate{shown[target]}, NextProtos: []string{"h2", "http/1.1"}}
		}
	}
	slices.Sort(s.targets)
	s.proxy = everyHost(t, configs)

	for _, v := range verifiers {
		t.Run(v.name, func(t *testing.T) {
			if v.tool != "" {
				needTool(t, v.tool)
			}
			perClient := map[string]int{}
			for _, got := range v.judge(t, s) {
				perClient[got.client]++
				if got.unable {
					t.Logf("%s cannot try %s: %s", got.client, got.target, got.detail)
				} else if got.accepted != want[got.target] {
					t.Errorf("%s accepted %s: %v, want %v (%s)", got.client, got.target, got.accepted, want[got.target], got.detail)
				} else {
					t.Logf("%s %s: %s", got.client, got.target, got.detail)
				}
			}
			for client, n := range perClient {
				if n != len(want) {
					t.Errorf("%s judged %d of %d certificates", client, n, len(want))
				}
			}
			if len(perClient) == 0 {
				t.Error("nothing was judged")
			}
		})
	}
}

func judgeGo(t *testing.T, s stage) []verdict {
	proxy, err := url.Parse(s.proxy)
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := os.ReadFile(s.bundles.Combined)
	if err != nil {
		t.Fatal(err)
	}
	pool, err := certs.Base{PEM: bundle}.Pool()
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{
		Proxy:             http.ProxyURL(proxy),
		TLSClientConfig:   &tls.Config{RootCAs: pool},
		ForceAttemptHTTP2: true,
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	return each(s, "go", func(target string) (string, error) {
		resp, err := client.Get("https://" + target + "/")
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return string(body), err
	})
}

// judgeOpenSSL asks the verifier itself, by the book.
func judgeOpenSSL(t *testing.T, s stage) []verdict {
	dir := t.TempDir()
	return each(s, "openssl", func(target string) (string, error) {
		chain := s.shown[target].Certificate
		leaf, rest := filepath.Join(dir, "leaf.pem"), filepath.Join(dir, "rest.pem")
		if err := os.WriteFile(leaf, encode(chain[:1]), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(rest, encode(chain[1:]), 0o600); err != nil {
			t.Fatal(err)
		}
		name := []string{"-verify_hostname", target}
		if ip := net.ParseIP(strings.Trim(target, "[]")); ip != nil {
			name = []string{"-verify_ip", ip.String()}
		}
		args := append([]string{
			"verify", "-x509_strict", "-purpose", "sslserver",
			"-no-CApath", "-no-CAstore", "-CAfile", s.bundles.Combined, "-untrusted", rest,
		}, name...)
		if _, err := command(t, nil, "openssl", append(args, leaf)...); err != nil {
			return "", err
		}
		return "ok " + target, nil
	})
}

func judgeCurl(t *testing.T, s stage) []verdict {
	return each(s, "curl", func(target string) (string, error) {
		return command(t, []string{"HTTPS_PROXY=" + s.proxy, "CURL_CA_BUNDLE=" + s.bundles.Combined},
			"curl", "--silent", "--show-error", "--max-time", "30", "https://"+target+"/")
	})
}

func judgeWget(t *testing.T, s stage) []verdict {
	if version, err := command(t, nil, "wget", "--version"); err != nil || !strings.Contains(version, "+ssl/gnutls") {
		if os.Getenv("CI") != "" {
			t.Error("this wget is not built on GnuTLS")
		}
		t.Log("this wget is not built on GnuTLS")
	}
	return each(s, "wget", func(target string) (string, error) {
		return command(t, []string{"https_proxy=" + s.proxy},
			"wget", "--quiet", "--output-document=-", "--tries=1", "--timeout=30", "--no-hsts", "--ca-certificate="+s.bundles.Combined, "https://"+target+"/")
	})
}

func judgeNode(t *testing.T, s stage) []verdict {
	return lines(t, []string{"HTTPS_PROXY=" + s.proxy, "NODE_EXTRA_CA_CERTS=" + s.bundles.NodeExtra},
		"node", append([]string{"testdata/fetch.js"}, s.targets...)...)
}

func judgePython(t *testing.T, s stage) []verdict {
	return lines(t, []string{"HTTPS_PROXY=" + s.proxy, "REQUESTS_CA_BUNDLE=" + s.bundles.Combined},
		"python3", append([]string{"testdata/fetch.py"}, s.targets...)...)
}

func judgeJava(t *testing.T, s stage) []verdict {
	proxy, err := url.Parse(s.proxy)
	if err != nil {
		t.Fatal(err)
	}
	return lines(t, nil, "java", append([]string{
		"-XX:TieredStopAtLevel=1",
		"-Dhttps.proxyHost=" + proxy.Hostname(), "-Dhttps.proxyPort=" + proxy.Port(), "-Dhttp.nonProxyHosts=",
		"-Djavax.net.ssl.trustStore=" + s.bundles.TrustStore,
		"-Djavax.net.ssl.trustStorePassword=" + s.bundles.TrustStorePassword,
		"-Djavax.net.ssl.trustStoreType=PKCS12",
		"testdata/Fetch.java",
	}, s.targets...)...)
}

// each asks a client that takes one target at a time.
func each(s stage, client string, get func(target string) (body string, err error)) []verdict {
	var out []verdict
	for _, target := range s.targets {
		v := verdict{client: client, target: target}
		body, err := get(target)
		if err != nil {
			v.detail = err.Error()
		} else {
			v.accepted, v.detail = strings.TrimSpace(body) == "ok "+target, body
		}
		out = append(out, v)
	}
	return out
}

// lines runs a client that takes all targets at once and answers
// "CLIENT TARGET accepted|refused|unable DETAIL" for each.
func lines(t *testing.T, env []string, name string, args ...string) []verdict {
	t.Helper()
	out, err := command(t, env, name, args...)
	if err != nil {
		t.Fatal(err)
	}
	var all []verdict
	for line := range strings.Lines(out) {
		f := strings.SplitN(strings.TrimSpace(line), " ", 4)
		if len(f) < 4 {
			t.Fatalf("%s said %q", name, line)
		}
		all = append(all, verdict{client: f[0], target: f[1], accepted: f[2] == "accepted" && f[3] == "ok "+f[1], unable: f[2] == "unable", detail: f[2] + " " + f[3]})
	}
	return all
}

// command runs a program without the proxy and trust settings of whoever runs
// the tests, and returns what it wrote to stdout.
func command(t *testing.T, env []string, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", name, err, strings.Join(strings.Fields(stderr.String()), " "))
	}
	return stdout.String(), nil
}

// needTool skips a test whose program is missing; in CI that is a failure.
func needTool(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

// everyHost starts a proxy that answers CONNECT to any of the hosts by being
// that host itself, with the configuration given. It returns its URL.
func everyHost(t *testing.T, configs map[string]*tls.Config) string {
	t.Helper()
	inner := newQueue()
	origin := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "ok %s\n", r.Host)
		}),
		ErrorLog: quiet(),
	}
	go origin.Serve(inner)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				config, err := readConnect(conn, configs)
				if err != nil {
					t.Log(err)
					conn.Close()
					return
				}
				inner.add(tls.Server(conn, config))
			}()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		origin.Close()
	})
	return "http://" + l.Addr().String()
}

// readConnect answers a CONNECT and says how to go on as the host it asks for.
// It reads by hand what net/http would refuse: wget and older Pythons ask for
// an IPv6 address without brackets.
func readConnect(conn net.Conn, configs map[string]*tls.Config) (*tls.Config, error) {
	var head []byte
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) { // byte by byte, as the rest is not ours
		var b [1]byte
		if _, err := conn.Read(b[:]); err != nil {
			return nil, fmt.Errorf("reading CONNECT: %w", err)
		}
		head = append(head, b[0])
	}
	fields := strings.Fields(string(head))
	if fields[0] != http.MethodConnect {
		return nil, fmt.Errorf("%s is not CONNECT", fields[0])
	}
	host := strings.Trim(strings.TrimSuffix(fields[1], ":443"), "[]")
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	config := configs[host]
	if config == nil {
		return nil, fmt.Errorf("CONNECT to the unknown host %q", fields[1])
	}
	_, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
	return config, err
}

func encode(chain [][]byte) []byte {
	var out []byte
	for _, der := range chain {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return out
}
