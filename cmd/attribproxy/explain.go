package main

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/attribproxy/attribproxy/arm"
	"github.com/attribproxy/attribproxy/attribution"
	"github.com/attribproxy/attribproxy/config"
)

func (a *app) explainCommand() *cobra.Command {
	var agents, ids []string
	cmd := &cobra.Command{
		Use:   "explain METHOD URL",
		Short: "Say what would be done with one request, and why",
		Long: `Holds one request against the configuration, without sending anything: what its
target is, how each exclude and each rule takes it, what is decided, and the
User-Agent before and after.

URL is what the client would ask for: https://management.azure.com/subscriptions/…,
or the path alone for the first intercepted host. CONNECT takes host:port.`,
		Example: `  attribproxy explain PUT '/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg1?api-version=2021-04-01'
  attribproxy explain PUT https://management.azure.com/… --user-agent 'AZURECLI/2.61.0 (DEB)'
  attribproxy explain CONNECT login.microsoftonline.com:443`,
		Args: usageArgs(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			asJSON, err := a.wantJSON()
			if err != nil {
				return err
			}
			q, err := parseQuestion(args[0], args[1])
			if err != nil {
				return err
			}
			loaded, err := a.resolveConfig(cmd, ids...)
			if err != nil {
				return err
			}
			return a.explain(loaded, q, agents, asJSON)
		},
	}
	cmd.Flags().StringArrayVar(&agents, "user-agent", nil, "the request's User-Agent; may be repeated; none if not given")
	cmd.Flags().StringArrayVar(&ids, "id", nil, "tracking ID for every ARM PUT, in place of the config's rules; may be repeated")
	return cmd
}

// question is the request that is asked about.
type question struct {
	method string
	scheme string // "https", "http", or "" where a CONNECT or a path alone was given
	host   string // normalised; "" where a path alone was given
	target string // path and query
}

// parseQuestion reads the two arguments. The target is kept as it would stand
// on the wire: a URL parser would reject or mend what ought to be explained.
func parseQuestion(method, raw string) (question, error) {
	hint := "give the method first and then the URL, as in: attribproxy explain PUT https://management.azure.com/subscriptions/…"
	if method == "" || strings.Trim(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-") != "" {
		return question{}, usageError(hint, "%q is no HTTP method", method)
	}
	q := question{method: strings.ToUpper(method)}
	raw, _, _ = strings.Cut(raw, "#") // a fragment is never sent
	authority, port := raw, "443"
	scheme, rest, absolute := strings.Cut(raw, "://")
	switch {
	case absolute:
		q.scheme = strings.ToLower(scheme)
		if q.scheme != "https" && q.scheme != "http" {
			return question{}, usageError(hint, "%q is no URL for a proxy: it begins with neither https:// nor http://", scheme+"://…")
		}
		if q.scheme == "http" {
			port = "80"
		}
		end := len(rest)
		if i := strings.IndexAny(rest, "/?"); i >= 0 {
			end = i
		}
		authority, q.target = rest[:end], rest[end:]
		if !strings.HasPrefix(q.target, "/") {
			q.target = "/" + q.target
		}
	case q.method != http.MethodConnect && strings.HasPrefix(raw, "/"):
		q.target = raw
		return q, nil
	case q.method != http.MethodConnect:
		return question{}, usageError(hint, "%q is neither a URL nor a path", raw)
	}
	host, _, err := arm.SplitAuthority(authority, port)
	if err != nil {
		return question{}, usageError(hint, "reading the host: %w", err)
	}
	q.host = host
	return q, nil
}

// explanation is the whole answer; the names of what the journal has too are
// the journal's.
type explanation struct {
	Config      string               `json:"config,omitempty"` // the file, if there is one
	Mode        string               `json:"mode"`
	Method      string               `json:"method"`
	Host        string               `json:"host"`
	Intercepted bool                 `json:"intercepted"`
	Fate        string               `json:"fate"` // in plain words
	Target      *explainedTarget     `json:"target,omitempty"`
	Tool        string               `json:"tool,omitempty"`
	Steps       []explainedStep      `json:"steps,omitempty"`
	Outcome     attribution.Outcome  `json:"outcome,omitempty"`
	Rule        string               `json:"rule,omitempty"`
	Reason      string               `json:"reason,omitempty"`
	IDs         []string             `json:"ids,omitempty"`
	Conflicts   []string             `json:"conflicts,omitempty"`
	UserAgent   *explainedUserAgents `json:"user_agent,omitempty"`
}

type explainedTarget struct {
	Path            string        `json:"path"`
	APIVersion      string        `json:"api_version,omitempty"`
	Scope           arm.Scope     `json:"scope"`
	ManagementGroup string        `json:"management_group,omitempty"`
	Subscription    string        `json:"subscription,omitempty"`
	ResourceGroup   string        `json:"resource_group,omitempty"`
	ResourceType    string        `json:"resource_type,omitempty"`
	ResourceName    string        `json:"resource_name,omitempty"`
	Deployment      string        `json:"deployment,omitempty"`
	Operation       arm.Operation `json:"operation"`
	Action          string        `json:"action,omitempty"`
}

type explainedStep struct {
	Kind    attribution.StepKind `json:"kind"`
	Index   int                  `json:"index"`
	Name    string               `json:"name"`
	Matched bool                 `json:"matched"`
	Decided bool                 `json:"decided"`
	Reason  string               `json:"reason"`
	Checks  []explainedCheck     `json:"checks,omitempty"`
}

type explainedCheck struct {
	Field    string   `json:"field"`
	Value    string   `json:"value"`
	Patterns []string `json:"patterns"`
	Matched  bool     `json:"matched"`
}

type explainedUserAgents struct {
	Before *string `json:"ua_in"`  // null if the request has none
	After  *string `json:"ua_out"` // null if it is sent without
	// Would is what enforcing would send, where the mode is observe.
	Would string `json:"would,omitempty"`
}

func (a *app) explain(loaded *config.Loaded, q question, agents []string, asJSON bool) error {
	x, err := explainQuestion(loaded, q, agents)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(a.stdout, x)
	}
	var b strings.Builder
	x.text(&b)
	if _, err := io.WriteString(a.stdout, clean(b.String())); err != nil {
		return fmt.Errorf("printing the explanation: %w", err)
	}
	if x.Outcome != "" && len(loaded.Config.Rules) == 0 {
		a.hint("name a configuration with --config, or an ID with --id")
	}
	return nil
}

func explainQuestion(loaded *config.Loaded, q question, agents []string) (*explanation, error) {
	cfg := loaded.Config
	hosts := cfg.InterceptHosts()
	if q.host == "" {
		if len(hosts) == 0 {
			return nil, usageError("give a whole URL", "no host is intercepted, so a path alone says nothing")
		}
		q.host = defaultHost(cfg, hosts)
	}
	x := &explanation{
		Config: loaded.File, Mode: cfg.Mode, Method: q.method, Host: q.host,
		Intercepted: slices.Contains(hosts, q.host),
	}
	if x.Fate = fate(q, x.Intercepted); q.method == http.MethodConnect || !x.Intercepted || q.scheme == "http" {
		return x, nil
	}
	policy, faults := cfg.Policy()
	if len(faults) > 0 { // a loaded configuration has none
		return nil, fmt.Errorf("compiling the rules: %s %s", faults[0].Path, faults[0].Message)
	}
	target := arm.ParseTarget(q.method, q.target)
	x.decide(policy.Explain(attribution.Facts{Method: q.method, Host: q.host, Target: target, UserAgent: agents}), len(agents) > 0)
	t := explainedTarget{
		Path: target.Path, APIVersion: target.APIVersion, Scope: target.Scope, ManagementGroup: target.ManagementGroup,
		Subscription: target.Subscription, ResourceGroup: target.ResourceGroup, ResourceType: target.ResourceType,
		ResourceName: target.ResourceName, Deployment: target.Deployment, Operation: target.Operation, Action: target.Action,
	}
	x.Target = &t
	return x, nil
}

// defaultHost is where a path alone is meant for: the public cloud if it is
// intercepted, else the first host.
func defaultHost(cfg *config.Config, hosts []string) string {
	for _, c := range cfg.Intercept.Clouds {
		if host, err := arm.ManagementHost(arm.Cloud(c)); err == nil {
			return host
		}
	}
	return hosts[0]
}

// fate says what the proxy does with the request before any rule is asked.
func fate(q question, intercepted bool) string {
	switch {
	case intercepted && q.method == http.MethodConnect:
		return "an intercepted host: the tunnel would be opened, and the rules asked for each request in it"
	case intercepted && q.scheme == "http":
		return "an intercepted host without TLS: it would be refused, as a token would travel in clear text"
	case intercepted:
		return "an intercepted host"
	case q.scheme == "http":
		return "not an intercepted host: it would be forwarded untouched"
	}
	out := "not an intercepted host: it would be tunnelled untouched"
	if _, err := netip.ParseAddr(q.host); err == nil {
		out += ", and recorded as a bypass if its TLS handshake names an intercepted host"
	}
	return out
}

// decide fills in what the policy says.
func (x *explanation) decide(e attribution.Explanation, hasUserAgent bool) {
	d := e.Decision
	x.Tool, x.Outcome, x.Rule, x.Reason, x.IDs, x.Conflicts = d.Tool, d.Outcome, d.Rule, d.Reason, d.IDs, d.Conflicts
	x.UserAgent = &explainedUserAgents{Would: e.Would}
	if hasUserAgent {
		x.UserAgent.Before = &e.Before
	}
	if hasUserAgent || d.Rewrite {
		x.UserAgent.After = &e.After
	}
	for _, s := range e.Steps {
		step := explainedStep{Kind: s.Kind, Index: s.Index, Name: s.Name, Matched: s.Matched, Decided: s.Decided, Reason: s.Reason}
		for _, c := range s.Checks {
			step.Checks = append(step.Checks, explainedCheck(c))
		}
		x.Steps = append(x.Steps, step)
	}
}
