package main

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/attribproxy/attribproxy/certs"
)

// servingState makes a state directory as a running serve keeps it, with
// something that answers at the proxy's address.
func servingState(t *testing.T) (dir, proxy string) {
	t.Helper()
	dir = t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	a, err := certs.LoadOrCreate(dir, certs.Options{Hosts: []string{"management.azure.com"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := certs.WriteBundles(dir, a, certs.Base{PEM: a.RootPEM()}); err != nil {
		t.Fatal(err)
	}
	proxy = "http://" + l.Addr().String()
	if err := writeReady(dir, readyInfo{PID: os.Getpid(), Proxy: proxy, CA: filepath.Join(dir, certs.RootFile), Source: "test", Epoch: 1}); err != nil {
		t.Fatal(err)
	}
	return dir, proxy
}

// attribproxy runs a command line in this process.
func attribproxy(t *testing.T, environ []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, msg bytes.Buffer
	environ = append([]string{"HOME=" + t.TempDir(), "SHELL=/bin/bash"}, environ...)
	code = run(t.Context(), args, strings.NewReader(""), &out, &msg, environ)
	return code, out.String(), msg.String()
}

func TestEnvForms(t *testing.T) {
	dir, proxy := servingState(t)
	host, port, _ := strings.Cut(strings.TrimPrefix(proxy, "http://"), ":")
	// What varies gets a name, so that each form can be read here as it is.
	golden := func(text string) string {
		return strings.NewReplacer(dir, "STATE", proxy, "PROXY", "proxyHost="+host, "proxyHost=HOST", "proxyPort="+port, "proxyPort=PORT").Replace(text)
	}
	const (
		direct = "169.254.169.254,168.63.129.16,localhost,127.0.0.1,::1"
		java   = "-Dhttps.proxyHost=HOST -Dhttps.proxyPort=PORT -Dhttp.nonProxyHosts=169.254.169.254|168.63.129.16|localhost|127.0.0.1|[::1]|127.* " +
			"-Djavax.net.ssl.trustStore=STATE/truststore.p12 -Djavax.net.ssl.trustStoreType=PKCS12 -Djavax.net.ssl.trustStorePassword=changeit"
	)
	for _, test := range []struct{ shell, want string }{
		{"", `export HTTPS_PROXY=PROXY
export https_proxy=PROXY
export NO_PROXY=` + direct + `
export no_proxy=` + direct + `
export REQUESTS_CA_BUNDLE=STATE/bundle.pem
export CURL_CA_BUNDLE=STATE/bundle.pem
export SSL_CERT_FILE=STATE/bundle.pem
export GIT_SSL_CAINFO=STATE/bundle.pem
export NODE_EXTRA_CA_CERTS=STATE/ca-only.pem
export NODE_USE_ENV_PROXY=1
export JAVA_TOOL_OPTIONS='` + java + `'
export _ATTRIBPROXY_UNDO=e30
`},
		{"fish", `set -gx HTTPS_PROXY 'PROXY'
set -gx https_proxy 'PROXY'
set -gx NO_PROXY '` + direct + `'
set -gx no_proxy '` + direct + `'
set -gx REQUESTS_CA_BUNDLE 'STATE/bundle.pem'
set -gx CURL_CA_BUNDLE 'STATE/bundle.pem'
set -gx SSL_CERT_FILE 'STATE/bundle.pem'
set -gx GIT_SSL_CAINFO 'STATE/bundle.pem'
set -gx NODE_EXTRA_CA_CERTS 'STATE/ca-only.pem'
set -gx NODE_USE_ENV_PROXY '1'
set -gx JAVA_TOOL_OPTIONS '` + java + `'
set -gx _ATTRIBPROXY_UNDO 'e30'
`},
		{"powershell", `$env:HTTPS_PROXY = 'PROXY'
$env:https_proxy = 'PROXY'
$env:NO_PROXY = '` + direct + `'
$env:no_proxy = '` + direct + `'
$env:REQUESTS_CA_BUNDLE = 'STATE/bundle.pem'
$env:CURL_CA_BUNDLE = 'STATE/bundle.pem'
$env:SSL_CERT_FILE = 'STATE/bundle.pem'
$env:GIT_SSL_CAINFO = 'STATE/bundle.pem'
$env:NODE_EXTRA_CA_CERTS = 'STATE/ca-only.pem'
$env:NODE_USE_ENV_PROXY = '1'
$env:JAVA_TOOL_OPTIONS = '` + java + `'
$env:_ATTRIBPROXY_UNDO = 'e30'
`},
		{"cmd", strings.ReplaceAll(`@set "HTTPS_PROXY=PROXY"
@set "NO_PROXY=`+direct+`"
@set "REQUESTS_CA_BUNDLE=STATE/bundle.pem"
@set "CURL_CA_BUNDLE=STATE/bundle.pem"
@set "SSL_CERT_FILE=STATE/bundle.pem"
@set "GIT_SSL_CAINFO=STATE/bundle.pem"
@set "NODE_EXTRA_CA_CERTS=STATE/ca-only.pem"
@set "NODE_USE_ENV_PROXY=1"
@set "JAVA_TOOL_OPTIONS=`+java+`"
@set "_ATTRIBPROXY_UNDO=e30"
`, "\n", "\r\n")},
		{"github", `HTTPS_PROXY=PROXY
https_proxy=PROXY
NO_PROXY=` + direct + `
no_proxy=` + direct + `
REQUESTS_CA_BUNDLE=STATE/bundle.pem
CURL_CA_BUNDLE=STATE/bundle.pem
SSL_CERT_FILE=STATE/bundle.pem
GIT_SSL_CAINFO=STATE/bundle.pem
NODE_EXTRA_CA_CERTS=STATE/ca-only.pem
NODE_USE_ENV_PROXY=1
JAVA_TOOL_OPTIONS=` + java + `
`},
		{"azure-pipelines", `##vso[task.setvariable variable=HTTPS_PROXY]PROXY
##vso[task.setvariable variable=NO_PROXY]` + direct + `
##vso[task.setvariable variable=REQUESTS_CA_BUNDLE]STATE/bundle.pem
##vso[task.setvariable variable=CURL_CA_BUNDLE]STATE/bundle.pem
##vso[task.setvariable variable=SSL_CERT_FILE]STATE/bundle.pem
##vso[task.setvariable variable=GIT_SSL_CAINFO]STATE/bundle.pem
##vso[task.setvariable variable=NODE_EXTRA_CA_CERTS]STATE/ca-only.pem
##vso[task.setvariable variable=NODE_USE_ENV_PROXY]1
##vso[task.setvariable variable=JAVA_TOOL_OPTIONS]` + java + `
`},
		{"dotenv", `HTTPS_PROXY=PROXY
https_proxy=PROXY
NO_PROXY=` + direct + `
no_proxy=` + direct + `
REQUESTS_CA_BUNDLE=STATE/bundle.pem
CURL_CA_BUNDLE=STATE/bundle.pem
SSL_CERT_FILE=STATE/bundle.pem
GIT_SSL_CAINFO=STATE/bundle.pem
NODE_EXTRA_CA_CERTS=STATE/ca-only.pem
NODE_USE_ENV_PROXY=1
JAVA_TOOL_OPTIONS='` + java + `'
`},
	} {
		t.Run(test.shell, func(t *testing.T) {
			args := []string{"env", "--state-dir", dir}
			if test.shell != "" {
				args = append(args, "--shell", test.shell)
			}
			code, stdout, stderr := attribproxy(t, nil, args...)
			if code != 0 {
				t.Fatalf("exit %d: %s", code, stderr)
			}
			if d := cmp.Diff(test.want, golden(stdout)); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
			// A CI system's form comes with a word on how to use it; a shell that
			// takes the variables over is not bothered.
			if f, _ := findShell(test.shell); (test.shell != "" && !f.undo) != strings.Contains(stderr, "hint: to use it: ") {
				t.Errorf("stderr: %s", stderr)
			}
		})
	}
}

func TestEnvAsJSON(t *testing.T) {
	dir, proxy := servingState(t)
	code, stdout, stderr := attribproxy(t, nil, "env", "--state-dir", dir, "--output", "json")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	var got map[string]string
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatal(err)
	}
	if got["HTTPS_PROXY"] != proxy || len(got) != len(clientEnvNames) {
		t.Errorf("%v", got)
	}
}

func TestEnvTellsWhatIsDroppedFromNoProxy(t *testing.T) {
	dir, _ := servingState(t)
	code, stdout, stderr := attribproxy(t, []string{"NO_PROXY=.azure.com,corp.example"}, "env", "--state-dir", dir)
	if code != 0 || !strings.Contains(stdout, "export NO_PROXY=corp.example,169.254.169.254,") {
		t.Errorf("exit %d: %s", code, stdout)
	}
	if want := `attribproxy: warning: NO_PROXY entry ".azure.com" is left out: with it, requests to Azure Resource Manager would get past the proxy` + "\n"; stderr != want {
		t.Errorf("stderr: %s", stderr)
	}
}

// A live shell goes into the proxy's environment and out of it again, twice
// over, and has afterwards what it had before: a corporate proxy, say.
func TestShellThereAndBack(t *testing.T) {
	bash := needShell(t, "bash")
	const program = "attribproxy" // TestMain put this test binary on the PATH by that name
	dir, proxy := servingState(t)
	corporate := filepath.Join(t.TempDir(), "corporate roots.pem")
	script := `set -eu
` + program + ` env --state-dir ` + posixQuote(dir) + ` --unset
env | sort > before
eval "$(` + program + ` env --state-dir ` + posixQuote(dir) + `)"
env | sort > once
eval "$(` + program + ` env --state-dir ` + posixQuote(dir) + `)"
env | sort > twice
eval "$(` + program + ` env --unset)"
env | sort > after
`
	cmd := exec.Command(bash, "--norc", "-c", script)
	cmd.Dir = t.TempDir()
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + cmd.Dir, "SHELL=/bin/bash", "_=x",
		"HTTPS_PROXY=http://user:it's%20$ecret@proxy.corp:3128", "no_proxy=.corp.example", "SSL_CERT_FILE=" + corporate,
		"JAVA_TOOL_OPTIONS=-Dhttps.proxyHost=proxy.corp -Xmx1g",
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if want := "attribproxy: this shell has no variables from 'attribproxy env'; there is nothing to take back\n"; string(out) != want {
		t.Errorf("said %q", out)
	}
	read := func(name string) string {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(cmd.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	if d := cmp.Diff(read("before"), read("after")); d != "" {
		t.Errorf("before and after:\n%s", d)
	}
	if d := cmp.Diff(read("once"), read("twice")); d != "" {
		t.Errorf("once and twice:\n%s", d)
	}
	for _, want := range []string{
		"\nHTTPS_PROXY=" + proxy + "\n", "\nhttps_proxy=" + proxy + "\n", "\nno_proxy=.corp.example,169.254.169.254,",
		"\nSSL_CERT_FILE=" + dir + "/bundle.pem\n", "\nJAVA_TOOL_OPTIONS=-Xmx1g -Dhttps.proxyHost=127.0.0.1 ",
	} {
		if !strings.Contains(read("once"), want) {
			t.Errorf("no %q in\n%s", want, read("once"))
		}
	}
}

func TestEnvWithoutAServe(t *testing.T) {
	dir, _ := servingState(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := "http://" + l.Addr().String()
	l.Close()
	for _, test := range []struct {
		name    string
		damage  func(t *testing.T)
		message string
		hint    string
	}{
		{"a stale file", func(t *testing.T) {
			if err := writeReady(dir, readyInfo{PID: 4711, Proxy: gone}); err != nil {
				t.Fatal(err)
			}
		}, "says that serve (process 4711) is at " + gone + ", but nothing answers there", "start 'attribproxy serve' again"},
		{"half a file", func(t *testing.T) {
			if err := os.WriteFile(readyPath(dir), []byte(`{"pid":`), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "reading the ready file", "remove the file"},
		{"no file", func(t *testing.T) {
			if err := os.Remove(readyPath(dir)); err != nil {
				t.Fatal(err)
			}
		}, "no serve is running on the state directory " + dir, "start 'attribproxy serve'"},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.damage(t)
			code, stdout, stderr := attribproxy(t, nil, "env", "--state-dir", dir)
			if code != 1 || stdout != "" || !strings.Contains(stderr, test.message) || !strings.Contains(stderr, "\nhint: "+test.hint) {
				t.Errorf("exit %d, stdout %q, stderr %s", code, stdout, strconv.Quote(stderr))
			}
		})
	}
}

func TestEnvWithAnUnknownShell(t *testing.T) {
	code, _, stderr := attribproxy(t, nil, "env", "--shell", "nushell")
	if code != 2 || !strings.Contains(stderr, `unknown shell "nushell"`) || !strings.Contains(stderr, "hint: name one with --shell: bash, fish, pwsh,") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	code, _, stderr = attribproxy(t, []string{"SHELL=/bin/tcsh"}, "env")
	if code != 2 || !strings.Contains(stderr, `no form is known for your shell "tcsh"`) {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

// In a CI job, where nothing was saved, the variables are emptied.
func TestUnsetInCI(t *testing.T) {
	code, stdout, stderr := attribproxy(t, nil, "env", "--shell", "github", "--unset")
	if code != 0 || !strings.HasPrefix(stdout, "HTTPS_PROXY=\nhttps_proxy=\n") || strings.Count(stdout, "\n") != len(clientEnvNames) {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
}
