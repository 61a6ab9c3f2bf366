package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"slices"

	"github.com/attribproxy/attribproxy/arm"
	"github.com/attribproxy/attribproxy/attribution"
)

// Policy compiles excludes and rules. A loaded configuration has no faults.
func (c *Config) Policy() (*attribution.Policy, []attribution.Fault) {
	return c.compile(attribution.Mode(c.Mode))
}

func (c *Config) compile(mode attribution.Mode) (*attribution.Policy, []attribution.Fault) {
	rules := make([]attribution.Rule, 0, len(c.Rules))
	for _, r := range c.Rules {
		rules = append(rules, attribution.Rule{
			Name: r.Name, Match: attribution.Match(r.Match),
			TrackingIDs: r.TrackingIDs, OnOtherID: attribution.OnOtherID(r.OnOtherID),
		})
	}
	excludes := make([]attribution.Exclude, 0, len(c.Exclude))
	for _, e := range c.Exclude {
		excludes = append(excludes, attribution.Exclude{Name: e.Name, Match: attribution.Match(e.Match)})
	}
	return attribution.Compile(mode, rules, excludes)
}

// InterceptHosts lists the intercepted hosts, normalised, sorted, each once.
func (c *Config) InterceptHosts() []string {
	var hosts []string
	for _, cloud := range c.Intercept.Clouds {
		if host, err := arm.ManagementHost(arm.Cloud(cloud)); err == nil {
			hosts = append(hosts, host)
		}
	}
	for _, name := range c.Intercept.Hosts {
		if host, err := arm.NormalizeHost(name); err == nil {
			hosts = append(hosts, host)
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// ProxyURL is the upstream proxy with its credentials, nil if there is none.
// The error never repeats the value.
func (u Upstream) ProxyURL() (*url.URL, error) {
	if u.Proxy == "" || u.Proxy == ProxyNone {
		return nil, nil
	}
	parsed, err := url.Parse(u.Proxy)
	if err != nil {
		return nil, fmt.Errorf("upstream.proxy %s is not a URL", redact(u.Proxy))
	}
	return parsed, nil
}

// AllowedNetworks are the networks of upstream.allow.
func (u Upstream) AllowedNetworks() []netip.Prefix {
	networks := make([]netip.Prefix, 0, len(u.Allow))
	for _, text := range u.Allow {
		if p, err := netip.ParsePrefix(text); err == nil {
			networks = append(networks, p)
		}
	}
	return networks
}

// Redacted is a copy of the configuration without secrets, fit to be shown.
func (c *Config) Redacted() *Config {
	shown := *c
	shown.Upstream.Proxy = redact(c.Upstream.Proxy)
	return &shown
}

// Hash identifies the configuration in effect: the lowercase hex SHA-256 of its
// JSON form without secrets. A changed password does not change it.
func (c *Config) Hash() string {
	// Marshalling plain data of text and lists of text cannot fail.
	b, err := json.Marshal(c.Redacted())
	if err != nil {
		panic("config: marshalling plain data: " + err.Error())
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
