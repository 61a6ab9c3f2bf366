package config

import (
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
)

// complete fills in the defaults that hang on the environment and gives values
// their one spelling.
func (l *loader) complete(cfg *Config) {
	if strings.EqualFold(cfg.Admin, "off") {
		cfg.Admin = ""
	}
	cfg.Listen, cfg.Admin = localhost(cfg.Listen), localhost(cfg.Admin)
	if cfg.StateDir == "" {
		dir, err := DefaultStateDir(l.src.GOOS, l.src.Env)
		if err != nil {
			l.fault(Fault{Path: "stateDir", Message: "has no default, as " + err.Error(), Remedy: "set stateDir, $" + EnvName("stateDir") + " or --state-dir"})
		}
		cfg.StateDir = dir
	}
	if cfg.Audit.Dir == "" && cfg.StateDir != "" {
		cfg.Audit.Dir = filepath.Join(cfg.StateDir, "audit")
	}
	for i := range cfg.Rules {
		if len(cfg.Rules[i].Match.Methods) == 0 {
			cfg.Rules[i].Match.Methods = []string{"PUT"}
		}
		if cfg.Rules[i].OnOtherID == "" {
			cfg.Rules[i].OnOtherID = "append"
		}
		fillMatch(&cfg.Rules[i].Match)
		if cfg.Rules[i].TrackingIDs == nil {
			cfg.Rules[i].TrackingIDs = []string{}
		}
	}
	for i := range cfg.Exclude {
		fillMatch(&cfg.Exclude[i].Match)
	}
	l.environmentProxy(cfg)
}

// fillMatch makes missing lists empty ones, so that equal configurations are
// equal values.
func fillMatch(m *Match) {
	for _, list := range []*[]string{&m.Methods, &m.Subscriptions, &m.ResourceGroups, &m.ResourceTypes, &m.Tools} {
		if *list == nil {
			*list = []string{}
		}
	}
}

// localhost reads the name as the address that RFC 6761 §6.3 ties it to, so
// that nothing is looked up.
func localhost(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err == nil && strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return address
}

// environmentProxy takes the upstream proxy from the environment where the
// configuration names none. Lowercase wins, as in curl, Python and .NET. A shell
// that is set up to use this very proxy would send it in circles, so our own
// address is passed over.
func (l *loader) environmentProxy(cfg *Config) {
	if strings.EqualFold(cfg.Upstream.Proxy, ProxyNone) {
		cfg.Upstream.Proxy = ProxyNone
	}
	if cfg.Upstream.Proxy != "" || l.faulty["upstream.proxy"] {
		return
	}
	name, value := l.either("https_proxy", "HTTPS_PROXY")
	if value == "" {
		return
	}
	if !strings.Contains(value, "://") {
		value = "http://" + value // proxy:3128, as most tools take it
	}
	if u, err := url.Parse(value); err == nil && sameListener(u, cfg.Listen) {
		l.warn(Fault{
			Where: name, Path: "upstream.proxy", Value: value,
			Message: "is this proxy's own address and is ignored",
			Remedy:  "start attribproxy from a shell without it, or set upstream.proxy (none for no proxy)",
		})
		return
	}
	cfg.Upstream.Proxy = value
	l.setOrigin("upstream.proxy", name)
	if len(cfg.Upstream.NoProxy) > 0 {
		return
	}
	if name, value = l.either("no_proxy", "NO_PROXY"); value == "" {
		return
	}
	for word := range strings.FieldsFuncSeq(value, func(c rune) bool { return c == ',' || c == ' ' || c == '\t' }) {
		cfg.Upstream.NoProxy = append(cfg.Upstream.NoProxy, word)
	}
	l.setOrigin("upstream.noProxy", name)
}

// either returns the first variable that is set.
func (l *loader) either(names ...string) (name, value string) {
	for _, name := range names {
		if value := l.env[name]; value != "" {
			return name, value
		}
	}
	return "", ""
}

// sameListener reports whether a proxy URL leads to the address we listen on.
func sameListener(u *url.URL, listen string) bool {
	host, port, err := net.SplitHostPort(listen)
	if err != nil || port == "0" {
		return false
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return false
	}
	theirs := u.Port()
	if theirs == "" {
		theirs = map[string]string{"http": "80", "https": "443"}[strings.ToLower(u.Scheme)]
	}
	if n, err := strconv.ParseUint(theirs, 10, 16); err != nil || n != number {
		return false
	}
	their, _, err := net.SplitHostPort(localhost(net.JoinHostPort(u.Hostname(), theirs)))
	if err != nil {
		return false
	}
	a, errA := netip.ParseAddr(host)
	b, errB := netip.ParseAddr(their)
	if errA != nil || errB != nil {
		return strings.EqualFold(host, their)
	}
	// One machine, one port: 127.0.0.1 and ::1 are taken as the same listener.
	return a.Unmap() == b.Unmap() || a.Unmap().IsLoopback() && b.Unmap().IsLoopback()
}
