// Package config turns a file, the environment and flags into one checked
// value, [Config], which says everything attribproxy can be told.
//
// Where a key is set in several places the order is: a flag, then its
// ATTRIBPROXY_… variable, then the file, then the default. A key that does not
// exist, exists twice, or differs from a real one only in case is an error: a
// policy file with a typing mistake must never be half in force. Every fault is
// reported at once, with its path, its value and its remedy; see [Error].
//
// This package and the command are the only ones that know about YAML and
// viper. It reads no environment by itself: [Source] brings it.
package config

import (
	"time"
)

// Config is the whole configuration, as in effect after [Load]: defaults filled
// in, paths absolute, host names in one spelling. It is plain data. The JSON
// name of a field is its key in the file; docs and schema say the same as the
// comments here.
type Config struct {
	// Listen is the address of the proxy, host:port. Port 0 picks a free one.
	// Only loopback addresses are accepted, since clients are not asked to
	// prove who they are. Default 127.0.0.1:8642. Changing it needs a restart.
	Listen string `json:"listen"`

	// Admin is the address of the admin listener (dashboard, health, metrics),
	// host:port, loopback only; port 0 picks a free one. "" (or "off") turns it
	// off. Default 127.0.0.1:8643. Changing it needs a restart.
	Admin string `json:"admin"`

	// StateDir holds the CA, the journal and the ready file. Default
	// $XDG_STATE_HOME/attribproxy, that is ~/.local/state/attribproxy, and
	// %LOCALAPPDATA%\attribproxy on Windows. Changing it needs a restart.
	StateDir string `json:"stateDir"`

	// Mode is "enforce" (the default), or "observe": nothing is changed, what
	// would have been done is recorded.
	Mode string `json:"mode"`

	// Labels are put on every recorded event as they stand, usually in the form
	// name=value: team=platform. At most 32, each at most 256 bytes.
	Labels []string `json:"labels"`

	// Intercept says which hosts are Azure Resource Manager. All others are
	// tunnelled untouched. Changing any of it needs a restart.
	Intercept Intercept `json:"intercept"`

	// Exclude lists what is never tagged: customers who chose not to be
	// tracked. It wins over every rule. Not settable by environment or flag.
	Exclude []Exclude `json:"exclude"`

	// Rules decide which writes get which tracking IDs; the first that matches
	// decides. Without rules everything is recorded and nothing tagged. Not
	// settable by environment; --id replaces them by one rule.
	Rules []Rule `json:"rules"`

	// Upstream says how the proxy itself reaches the network.
	Upstream Upstream `json:"upstream"`

	// Audit says how writes are put on record.
	Audit Audit `json:"audit"`

	// Log is about the messages of the program itself, not the record.
	Log Log `json:"log"`

	// Drain is how long requests in flight may take to end after SIGTERM
	// before they are cut off. Default 30s; 0s cuts them off at once.
	Drain Duration `json:"drain"`
}

// Intercept names the hosts whose requests are opened, tagged and recorded.
type Intercept struct {
	// Clouds takes "public" (management.azure.com), "usgovernment" and
	// "china". Default [public].
	Clouds []string `json:"clouds"`

	// Hosts adds other Azure Resource Manager hosts by name, without port:
	// regional ones (eastus.management.azure.com) or those of Azure Stack Hub
	// (management.local.azurestack.external). No wildcards, no addresses.
	Hosts []string `json:"hosts"`

	// Bypass says what happens to a tunnel that goes to an intercepted host by
	// another way, such as CONNECT to its IP address: "record" (the default)
	// lets it pass and records it, "refuse" refuses it and records that.
	Bypass string `json:"bypass"`
}

// Exclude is one group of requests that is never tagged.
type Exclude struct {
	// Name appears in the record; unique among excludes. Required.
	Name string `json:"name"`

	// Match says what is excluded; an empty one excludes everything, which is
	// warned of. A missing methods here matches every method.
	Match Match `json:"match"`
}

// Rule gives tracking IDs to the writes it matches.
type Rule struct {
	// Name appears in the record; unique among rules. Required.
	Name string `json:"name"`

	// Match says which requests the rule is about; an empty one matches every
	// PUT.
	Match Match `json:"match"`

	// TrackingIDs are appended to the User-Agent in this order, those that are
	// missing. Each is a GUID or a commercial marketplace ID exactly as Partner
	// Center shows it, with or without "pid-". At least one.
	TrackingIDs []string `json:"trackingIds"`

	// OnOtherID says what to do when the client already sent a different
	// tracking ID: "append" (the default) adds ours after it, "keep" leaves the
	// request alone, "replace-defaults" removes the IDs that Terraform and
	// Pulumi send by themselves (and keeps any other), "replace" removes all
	// others. Nobody has confirmed which of several IDs Microsoft reads.
	OnOtherID string `json:"onOtherId"`
}

// Match is true of a request when every field that is given matches it; a field
// matches when one of its patterns does. Patterns compare without case; *
// stands for any run of characters, '/' included, ? for one.
type Match struct {
	// Methods are HTTP methods. In a rule the default is [PUT].
	Methods []string `json:"methods"`

	// Subscriptions are subscription IDs.
	Subscriptions []string `json:"subscriptions"`

	// ResourceGroups are resource group names: rg-contoso-*.
	ResourceGroups []string `json:"resourceGroups"`

	// ResourceTypes are like Microsoft.Compute/virtualMachines or
	// Microsoft.Compute/*.
	ResourceTypes []string `json:"resourceTypes"`

	// Tools are the names the record uses for clients, recognised by their
	// User-Agent: azure-cli, terraform-azurerm.
	Tools []string `json:"tools"`
}

// Upstream is the proxy's own way to the network. Changing any of it needs a
// restart.
type Upstream struct {
	// Proxy is the HTTP proxy through which everything leaves:
	// http://user:password@proxy.corp:3128, or https://…. Default: HTTPS_PROXY
	// of the environment (https_proxy wins), unless that is this proxy itself.
	// "none" means no proxy, whatever the environment says. The password is
	// never printed or recorded.
	Proxy string `json:"proxy"`

	// NoProxy lists what is reached directly, in the syntax of NO_PROXY: host
	// names (with their subdomains), .domain, addresses, networks, "*". When
	// Proxy comes from the environment the default is NO_PROXY.
	NoProxy []string `json:"noProxy"`

	// Roots is a PEM file with certificates that are trusted beside the base
	// roots: those of an inspecting corporate proxy, say.
	Roots string `json:"roots"`

	// Resolve sends what is meant for one host and port to another:
	// "host:port:address:port", as curl's --connect-to. IPv6 addresses stand in
	// brackets.
	Resolve []string `json:"resolve"`

	// Allow exempts networks from the destination guard, which refuses
	// loopback, link-local and metadata addresses: 127.0.0.0/8.
	Allow []string `json:"allow"`
}

// Audit is about the journal. Changing any of it needs a restart.
type Audit struct {
	// Dir holds the journal. Default: audit in the state directory.
	Dir string `json:"dir"`

	// Source names this machine in the record: letters, digits, '.', '_' and
	// '-'. Default: the host name and eight hex digits, made once and kept in
	// the state directory.
	Source string `json:"source"`

	// Guarantee is "durable" (the default: a write is on disk before the client
	// has the end of its response), "strict" (an intent is on disk before a
	// write leaves; without it the write is refused), or "best-effort"
	// (bounded queue; what is dropped is counted and leaves a gap).
	Guarantee string `json:"guarantee"`

	// SegmentBytes ends a journal file at this size, at least 4KiB. Default 64MiB.
	SegmentBytes Size `json:"segmentBytes"`

	// SegmentAge ends a journal file at this age, at least 1s. Default 24h.
	SegmentAge Duration `json:"segmentAge"`

	// RetainAge removes whole files older than this; 0s keeps them for ever.
	// A clock that leaps ahead, by more than 30 days or half of this, whichever
	// is less (but at least two days), makes no file old until it has gone on
	// from there for a day.
	// Default 400d.
	RetainAge Duration `json:"retainAge"`

	// RetainBytes removes the oldest files beyond this total; 0B means no
	// limit. Default 10GiB.
	RetainBytes Size `json:"retainBytes"`
}

// Log is about the messages of the program itself.
type Log struct {
	// Level is debug, info (the default), warn or error.
	Level string `json:"level"`

	// Format is "console" (the default) or "json".
	Format string `json:"format"`
}

// Values of the keys that take one of a few words.
const (
	ModeEnforce = "enforce"
	ModeObserve = "observe"

	BypassRecord = "record"
	BypassRefuse = "refuse"

	// ProxyNone as upstream.proxy means: no proxy, whatever the environment says.
	ProxyNone = "none"
)

// Default returns the configuration of an empty file. Paths and the upstream
// proxy, whose defaults hang on the environment, are still empty; [Load] fills
// them in.
func Default() *Config {
	return &Config{
		Listen:    "127.0.0.1:8642",
		Admin:     "127.0.0.1:8643",
		Mode:      ModeEnforce,
		Labels:    []string{},
		Intercept: Intercept{Clouds: []string{"public"}, Hosts: []string{}, Bypass: BypassRecord},
		Exclude:   []Exclude{},
		Rules:     []Rule{},
		Upstream:  Upstream{NoProxy: []string{}, Resolve: []string{}, Allow: []string{}},
		Audit: Audit{
			Guarantee:    "durable",
			SegmentBytes: 64 << 20,
			SegmentAge:   Duration(24 * time.Hour),
			RetainAge:    Duration(400 * 24 * time.Hour),
			RetainBytes:  10 << 30,
		},
		Log:   Log{Level: "info", Format: "console"},
		Drain: Duration(30 * time.Second),
	}
}
