package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/attribproxy/attribproxy/certs"
)

var testBundles = certs.Bundles{
	CAOnly: "/state/ca-only.pem", NodeExtra: "/state/ca-node.pem", Combined: "/state/bundle.pem",
	TrustStore: "/state/truststore.p12", TrustStorePassword: "changeit",
}

func testEnv(t *testing.T, environ ...string) clientEnvOutput {
	t.Helper()
	return clientEnv(clientEnvInput{
		Proxy:     "http://127.0.0.1:8642",
		Bundles:   testBundles,
		Intercept: []string{"management.azure.com", "management.usgovcloudapi.net"},
		Getenv:    (&app{env: environ}).getenv,
	})
}

func (o clientEnvOutput) get(name string) string {
	for _, v := range o.Vars {
		if v.Name == name {
			return v.Value
		}
	}
	return ""
}

const javaDefault = "-Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=8642 " +
	"-Dhttp.nonProxyHosts=169.254.169.254|168.63.129.16|localhost|127.0.0.1|[::1]|127.* " +
	"-Djavax.net.ssl.trustStore=/state/truststore.p12 -Djavax.net.ssl.trustStoreType=PKCS12 -Djavax.net.ssl.trustStorePassword=changeit"

func TestClientEnv(t *testing.T) {
	const direct = "169.254.169.254,168.63.129.16,localhost,127.0.0.1,::1"
	want := []envVar{
		{"HTTPS_PROXY", "http://127.0.0.1:8642"},
		{"https_proxy", "http://127.0.0.1:8642"},
		{"NO_PROXY", direct},
		{"no_proxy", direct},
		{"REQUESTS_CA_BUNDLE", "/state/bundle.pem"},
		{"CURL_CA_BUNDLE", "/state/bundle.pem"},
		{"SSL_CERT_FILE", "/state/bundle.pem"},
		{"GIT_SSL_CAINFO", "/state/bundle.pem"},
		{"NODE_EXTRA_CA_CERTS", "/state/ca-node.pem"},
		{"NODE_USE_ENV_PROXY", "1"},
		{"JAVA_TOOL_OPTIONS", javaDefault},
	}
	got := testEnv(t)
	if d := cmp.Diff(want, got.Vars); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	var names []string
	for _, v := range got.Vars {
		names = append(names, v.Name)
	}
	if d := cmp.Diff(names, clientEnvNames); d != "" {
		t.Errorf("clientEnvNames is another list:\n%s", d)
	}
	// A shell inside a shell gets the same again. (Git's roots are there already.)
	again := testEnv(t, got.apply(nil)...).apply(got.apply(nil))
	slices.Sort(again)
	first := got.apply(nil)
	slices.Sort(first)
	if d := cmp.Diff(first, again); d != "" {
		t.Errorf("a shell inside a shell:\n%s", d)
	}
}

func TestClientEnvKeepsTheUsersGitRoots(t *testing.T) {
	got := testEnv(t, "GIT_SSL_CAINFO=/corp.pem")
	if slices.ContainsFunc(got.Vars, func(v envVar) bool { return v.Name == "GIT_SSL_CAINFO" }) {
		t.Error("replaced")
	}
}

func TestNoProxy(t *testing.T) {
	const direct = ",169.254.169.254,168.63.129.16,localhost,127.0.0.1,::1"
	for _, test := range []struct {
		name    string
		environ []string
		want    string
		dropped []string
	}{
		{"kept", []string{"NO_PROXY=corp.example,.intra.example,10.0.0.0/8,*.local"}, "corp.example,.intra.example,10.0.0.0/8,*.local" + direct, nil},
		{"both cases", []string{"NO_PROXY=a.example", "no_proxy=b.example, A.EXAMPLE"}, "a.example,b.example" + direct, nil},
		{"spaces", []string{"NO_PROXY= a.example  b.example\t,c.example,,"}, "a.example,b.example,c.example" + direct, nil},
		{"ours already there", []string{"NO_PROXY=localhost,127.0.0.1,a.example"}, "localhost,127.0.0.1,a.example,169.254.169.254,168.63.129.16,::1", nil},
		{"the host", []string{"no_proxy=management.azure.com"}, direct[1:], []string{"management.azure.com"}},
		{"the host and a port", []string{"no_proxy=Management.Azure.com:443"}, direct[1:], []string{"Management.Azure.com:443"}},
		{"its domain", []string{"NO_PROXY=azure.com,a.example"}, "a.example" + direct, []string{"azure.com"}},
		{"its domain with a dot", []string{"NO_PROXY=.azure.com,.usgovcloudapi.net"}, direct[1:], []string{".azure.com", ".usgovcloudapi.net"}},
		{"its domain with a wildcard", []string{"NO_PROXY=*.azure.com"}, direct[1:], []string{"*.azure.com"}},
		{"a trailing dot", []string{"NO_PROXY=azure.com."}, direct[1:], []string{"azure.com."}},
		{"a wildcard inside", []string{"NO_PROXY=management.*.com"}, direct[1:], []string{"management.*.com"}},
		{"its end as requests compares it", []string{"NO_PROXY=zure.com"}, direct[1:], []string{"zure.com"}},
		{"everything", []string{"NO_PROXY=*"}, direct[1:], []string{"*"}},
		{"top-level domain", []string{"NO_PROXY=com"}, direct[1:], []string{"com"}},
		{"other hosts of the domain", []string{"NO_PROXY=portal.azure.com,blob.core.windows.net,xmanagement.azure.com"}, "portal.azure.com,blob.core.windows.net,xmanagement.azure.com" + direct, nil},
		{"a service that hands out tokens", []string{"IDENTITY_ENDPOINT=https://10.0.0.4:2377/metadata/identity/oauth2/token", "MSI_ENDPOINT=http://127.0.0.1:41056/msi/token/"}, direct[1:] + ",10.0.0.4", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := testEnv(t, test.environ...)
			if d := cmp.Diff(test.want, got.get("NO_PROXY")); d != "" {
				t.Error(d)
			}
			if got.get("no_proxy") != got.get("NO_PROXY") {
				t.Error("the two cases differ")
			}
			if d := cmp.Diff(test.dropped, got.Dropped); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestJavaToolOptions(t *testing.T) {
	for _, test := range []struct{ name, theirs, want string }{
		{"none", "", javaDefault},
		{"kept before ours", "-Xmx1g  -Dfoo='a b'", "-Xmx1g  -Dfoo='a b' " + javaDefault},
		{
			"a proxy of theirs",
			"-Dhttps.proxyHost=proxy.corp -Dhttps.proxyPort=3128 -Xmx1g -Dhttp.nonProxyHosts='*.azure.com|b' -Djavax.net.ssl.trustStore=\"/a b/c\"d -Dhttp.proxyHost=proxy.corp",
			"-Xmx1g -Dhttp.proxyHost=proxy.corp " + javaDefault,
		},
		{"names that only begin alike", "-Dhttps.proxyHostile=1 -Djavax.net.ssl.trustStoreProvider=SUN", "-Dhttps.proxyHostile=1 -Djavax.net.ssl.trustStoreProvider=SUN " + javaDefault},
		{"ours", javaDefault, javaDefault},
	} {
		t.Run(test.name, func(t *testing.T) {
			if d := cmp.Diff(test.want, testEnv(t, "JAVA_TOOL_OPTIONS="+test.theirs).get("JAVA_TOOL_OPTIONS")); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestNonProxyHosts(t *testing.T) {
	got := nonProxyHosts([]string{"corp.example", ".intra.example", "*.local", "10.0.0.0/8", "10.1.2.3:8080", "[fd00::1]:443", "host:80", "evil|*"})
	want := []string{"corp.example", "*.corp.example", "*.intra.example", "*.local", "10.1.2.3", "[fd00::1]", "host", "*.host", "127.*"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// The JVM itself reads what we write, with a path that has spaces.
func TestJVMReadsJavaToolOptions(t *testing.T) {
	if _, err := exec.LookPath("java"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	b := testBundles
	b.TrustStore = "/state of mine/trust store.p12"
	out := clientEnv(clientEnvInput{Proxy: "http://127.0.0.1:8642", Bundles: b, Getenv: (&app{env: []string{"JAVA_TOOL_OPTIONS=-Dkept='a b'"}}).getenv})
	cmd := exec.Command("java", "-XshowSettings:properties", "-version")
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, "JAVA_TOOL_OPTIONS="+out.get("JAVA_TOOL_OPTIONS"))
	said, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	for _, want := range []string{
		"kept = a b",
		"https.proxyHost = 127.0.0.1",
		"https.proxyPort = 8642",
		"http.nonProxyHosts = 169.254.169.254|168.63.129.16|localhost|127.0.0.1|[::1]|127.*",
		"javax.net.ssl.trustStore = /state of mine/trust store.p12",
		"javax.net.ssl.trustStoreType = PKCS12",
	} {
		if !strings.Contains(string(said), "    "+want+"\n") {
			t.Errorf("no %q in\n%s", want, said)
		}
	}
}

func TestApplyReplacesInPlaceOfAdding(t *testing.T) {
	got := clientEnvOutput{Vars: []envVar{{"HTTPS_PROXY", "http://127.0.0.1:1"}}}.apply([]string{"A=1", "HTTPS_PROXY=x", "B", "HTTPS_PROXY=y"})
	if d := cmp.Diff([]string{"A=1", "B", "HTTPS_PROXY=http://127.0.0.1:1"}, got); d != "" {
		t.Error(d)
	}
	if filepath.Separator == '/' && sameName("a", "A") {
		t.Error("names of variables are compared without case")
	}
}
