package e2e_test

import "testing"

// client is one real client and what is known of it.
type client struct {
	name    string
	command func(t *testing.T) []string // ends the test when a tool is missing
	proto   string                      // what it speaks to ARM when it may choose
	puts    int                         // how many PUTs to ARM its script sends
	varies  []string                    // fields whose value is new in every run
	hosts   []string                    // what else it looks up, answered by the fake cloud too
}

// The fields that sign-in and the SDKs fill with something new in every run:
// the token, and the IDs of a request at ARM and at sign-in.
var sdkVaries = []string{"Authorization", "X-Ms-Client-Request-Id", "Client-Request-Id"}

func clients() []client {
	return []client{
		{
			name:    "az",
			command: func(t *testing.T) []string { need(t, "az"); return shell(t, "az.sh", clientFile(t, "template.json")) },
			proto:   "HTTP/1.1", puts: 3, varies: sdkVaries, hosts: []string{"azure.microsoft.com", "raw.githubusercontent.com"},
		},
		{
			name: "python-sdk",
			command: func(t *testing.T) []string {
				return []string{needPython(t, "azure.identity, azure.mgmt.resource"), clientFile(t, "python", "sdk_client.py")}
			},
			proto: "HTTP/1.1", puts: 3, varies: sdkVaries,
		},
		{
			name: "js-sdk",
			command: func(t *testing.T) []string {
				node := need(t, "node")
				need(t, "npm")
				if err := nodeModules(); err != nil {
					missing(t, "the JavaScript packages are not there: %v", err)
				}
				return []string{node, clientFile(t, "js", "client.js")}
			},
			proto: "HTTP/1.1", puts: 3, varies: sdkVaries,
		},
		{
			name:    "go-sdk",
			command: func(t *testing.T) []string { return []string{must(t, goClient)} },
			proto:   "HTTP/2.0", puts: 3, varies: sdkVaries,
		},
		{
			name:    "curl-h1",
			command: func(t *testing.T) []string { need(t, "curl"); return shell(t, "curl.sh", "--http1.1") },
			proto:   "HTTP/1.1", puts: 6,
		},
		{
			name:    "curl-h2",
			command: func(t *testing.T) []string { need(t, "curl"); return shell(t, "curl.sh", "--http2") },
			proto:   "HTTP/2.0", puts: 6,
		},
		{
			name:    "wget",
			command: func(t *testing.T) []string { need(t, "wget"); return shell(t, "wget.sh") },
			proto:   "HTTP/1.1", puts: 2,
		},
		{
			name: "python-requests",
			command: func(t *testing.T) []string {
				return []string{needPython(t, "requests"), clientFile(t, "python", "requests_client.py")}
			},
			proto: "HTTP/1.1", puts: 23,
		},
		{
			name: "java-httpclient",
			command: func(t *testing.T) []string {
				return []string{need(t, "java"), clientFile(t, "java", "HttpClientMain.java")}
			},
			proto: "HTTP/2.0", puts: 2,
		},
		{
			name: "java-urlconnection",
			command: func(t *testing.T) []string {
				return []string{need(t, "java"), clientFile(t, "java", "UrlConnectionMain.java")}
			},
			proto: "HTTP/1.1", puts: 2,
		},
	}
}

// shell runs a script of clients/sh.
func shell(t *testing.T, script string, args ...string) []string {
	t.Helper()
	return append([]string{need(t, "sh"), clientFile(t, "sh", script)}, args...)
}
