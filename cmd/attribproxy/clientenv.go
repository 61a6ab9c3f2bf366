package main

// What a client needs in its environment to go through the proxy and to trust
// it. No two runtimes read the same variables; the reasons stand beside each.

import (
	"net"
	"net/url"
	"path"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"unicode"

	"github.com/attribproxy/attribproxy/certs"
)

// clientEnvInput is what the variables are made from.
type clientEnvInput struct {
	// Proxy is the URL of the proxy, http://host:port, both given.
	Proxy string
	// Bundles are the files through which clients trust the CA.
	Bundles certs.Bundles
	// Intercept are the hosts that must not get past the proxy.
	Intercept []string
	// Getenv looks up the environment that the client would have had. Required.
	Getenv func(string) string
}

// clientEnvOutput is what clientEnv makes of it.
type clientEnvOutput struct {
	// Vars are the variables to set, always in the same order.
	Vars []envVar
	// Dropped are the entries of the user's NO_PROXY that were left out, as they
	// would have let requests to an intercepted host get past the proxy. They are
	// worth a warning.
	Dropped []string
}

type envVar struct{ Name, Value string }

// clientEnvNames are all the variables that clientEnv may set.
var clientEnvNames = []string{
	"HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy",
	"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "GIT_SSL_CAINFO",
	"NODE_EXTRA_CA_CERTS", "NODE_USE_ENV_PROXY", "JAVA_TOOL_OPTIONS",
}

// clientEnv yields the variables that send a client's HTTPS through the proxy.
//
// Only HTTPS is redirected: Azure Resource Manager speaks nothing else. The
// user's HTTP_PROXY and ALL_PROXY stay as they are, so that plain HTTP, above
// all the requests for tokens that go to the instance metadata service, takes
// the way it always took; every client that knows HTTPS_PROXY prefers it to
// ALL_PROXY for HTTPS.
//
// A GIT_SSL_CAINFO of the user's stays too: git never talks to an intercepted
// host, and what it trusts today is what it needs. The other trust variables
// are replaced, by bundles that already hold what they named (see
// certs.FindBase).
func clientEnv(in clientEnvInput) clientEnvOutput {
	noProxy, dropped := mergeNoProxy(in)
	joined := strings.Join(noProxy, ",")
	out := clientEnvOutput{Dropped: dropped, Vars: []envVar{
		// Both cases: curl and wget read the lower one, Node and Go the upper one
		// first, Python and .NET the lower one.
		{"HTTPS_PROXY", in.Proxy},
		{"https_proxy", in.Proxy},
		{"NO_PROXY", joined},
		{"no_proxy", joined},
		// Python's requests, and so az and Ansible; then curl; then Go, OpenSSL and
		// .NET on Linux. Each replaces the client's roots.
		{"REQUESTS_CA_BUNDLE", in.Bundles.Combined},
		{"CURL_CA_BUNDLE", in.Bundles.Combined},
		{"SSL_CERT_FILE", in.Bundles.Combined},
	}}
	if theirs := in.Getenv("GIT_SSL_CAINFO"); theirs == "" {
		out.Vars = append(out.Vars, envVar{"GIT_SSL_CAINFO", in.Bundles.Combined})
	}
	out.Vars = append(
		out.Vars,
		// Node adds these to its own.
		envVar{"NODE_EXTRA_CA_CERTS", in.Bundles.NodeExtra},
		// From Node 22.21 and 24 on, fetch and https read the variables above only
		// when asked to. Before, they never do.
		envVar{"NODE_USE_ENV_PROXY", "1"},
		envVar{"JAVA_TOOL_OPTIONS", javaOptions(in.Getenv("JAVA_TOOL_OPTIONS"), in.Proxy, noProxy, in.Bundles)},
	)
	return out
}

// apply puts the variables into an environment of "NAME=value" entries, each
// once.
func (o clientEnvOutput) apply(environ []string) []string {
	environ = slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.ContainsFunc(o.Vars, func(v envVar) bool { return sameName(v.Name, name) })
	})
	for _, v := range o.Vars {
		environ = append(environ, v.Name+"="+v.Value)
	}
	return environ
}

// sameName compares names of variables as the system does.
func sameName(a, b string) bool {
	if runtime.GOOS == "windows" {
		return strings.EqualFold(a, b)
	}
	return a == b
}

// alwaysDirect never goes through a proxy: the instance metadata service, the
// host's agent (https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16),
// and this machine.
var alwaysDirect = []string{"169.254.169.254", "168.63.129.16", "localhost", "127.0.0.1", "::1"}

// identityEndpoints name the local services that hand out tokens of a managed
// identity. Some of them speak HTTPS with a certificate of their own.
var identityEndpoints = []string{"IDENTITY_ENDPOINT", "MSI_ENDPOINT", "IMDS_ENDPOINT", "AZURE_POD_IDENTITY_AUTHORITY_HOST"}

// mergeNoProxy makes the list of hosts to be reached directly: the user's, but
// for the entries that would let an intercepted host get past the proxy, and
// what must always be direct.
func mergeNoProxy(in clientEnvInput) (list, dropped []string) {
	var wanted []string
	for _, name := range []string{"NO_PROXY", "no_proxy"} {
		wanted = append(wanted, strings.FieldsFunc(in.Getenv(name), func(r rune) bool { return r == ',' || unicode.IsSpace(r) })...)
	}
	wanted = append(wanted, alwaysDirect...)
	for _, name := range identityEndpoints {
		if u, err := url.Parse(in.Getenv(name)); err == nil && u.Hostname() != "" {
			wanted = append(wanted, u.Hostname())
		}
	}
	seen := map[string]bool{}
	for _, entry := range wanted {
		switch key := strings.ToLower(entry); {
		case seen[key]:
			continue
		case slices.ContainsFunc(in.Intercept, func(host string) bool { return bypasses(entry, host) }):
			dropped = append(dropped, entry)
			seen[key] = true
		default:
			list = append(list, entry)
			seen[key] = true
		}
	}
	return list, dropped
}

// bypasses says whether any client would take an entry of NO_PROXY to cover the
// host. Clients differ: for some ".azure.com" covers what lies below, for some
// "azure.com" does too, Python's requests compares the ends of the two as mere
// text, and others know wildcards or ports. What one of them would skip is
// enough.
func bypasses(entry, host string) bool {
	entry = strings.ToLower(entry)
	if h, _, err := net.SplitHostPort(entry); err == nil {
		entry = h
	}
	entry = strings.TrimRight(strings.TrimLeft(entry, "*."), ".")
	if strings.HasSuffix(host, entry) { // also when nothing but a wildcard was there
		return true
	}
	covers, err := path.Match("*"+entry, host)
	return err == nil && covers
}

// javaOption finds the options that we add to JAVA_TOOL_OPTIONS, in the
// quoting that the JVM knows.
var javaOption = regexp.MustCompile(`(?:^|\s+)-D(?:https\.proxyHost|https\.proxyPort|http\.nonProxyHosts|javax\.net\.ssl\.trustStore(?:Type|Password)?)=(?:"[^"]*"|'[^']*'|[^\s"'])*`)

// javaOptions adds ours to the user's JAVA_TOOL_OPTIONS. Java reads no other
// variable. Options of the same name go: of two the JVM takes the last anyway,
// and the list would grow with every shell inside a shell.
func javaOptions(theirs, proxy string, noProxy []string, b certs.Bundles) string {
	u, err := url.Parse(proxy)
	if err != nil { // not with what we listen on
		return theirs
	}
	options := []string{
		"-Dhttps.proxyHost=" + u.Hostname(),
		"-Dhttps.proxyPort=" + u.Port(),
		"-Dhttp.nonProxyHosts=" + strings.Join(nonProxyHosts(noProxy), "|"), // for https too
		"-Djavax.net.ssl.trustStore=" + jvmQuote(b.TrustStore),
		"-Djavax.net.ssl.trustStoreType=PKCS12",
		"-Djavax.net.ssl.trustStorePassword=" + b.TrustStorePassword,
	}
	if kept := strings.TrimSpace(withoutJavaOptions(theirs)); kept != "" {
		options = append([]string{kept}, options...)
	}
	return strings.Join(options, " ")
}

// withoutJavaOptions takes our options out of a JAVA_TOOL_OPTIONS again.
func withoutJavaOptions(options string) string {
	return strings.TrimSpace(javaOption.ReplaceAllString(options, ""))
}

// jvmQuote quotes a value for JAVA_TOOL_OPTIONS, which is split at spaces and
// knows quotes but no escapes.
func jvmQuote(s string) string {
	switch {
	case !strings.ContainsAny(s, " \t'\""):
		return s
	case !strings.Contains(s, `"`):
		return `"` + s + `"`
	}
	return `'` + s + `'`
}

// nonProxyHosts is a NO_PROXY list in Java's spelling: a name covers only
// itself, and a * stands for the rest. Networks cannot be said.
func nonProxyHosts(noProxy []string) []string {
	var hosts []string
	add := func(h string) {
		if !slices.Contains(hosts, h) && !strings.ContainsAny(h, "|\"' \t") {
			hosts = append(hosts, h)
		}
	}
	for _, entry := range noProxy {
		if h, _, err := net.SplitHostPort(entry); err == nil {
			entry = h
		}
		switch ip := net.ParseIP(strings.Trim(entry, "[]")); {
		case ip != nil && ip.To4() == nil:
			add("[" + ip.String() + "]")
		case ip != nil:
			add(ip.String())
		case strings.Contains(entry, "/"):
		case strings.HasPrefix(entry, "."):
			add("*" + entry)
		case strings.HasPrefix(entry, "*"), entry == "localhost":
			add(entry)
		default:
			add(entry)
			add("*." + entry)
		}
	}
	add("127.*")
	return hosts
}
