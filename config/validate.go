package config

import (
	"cmp"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/attribproxy/attribproxy/arm"
	"github.com/attribproxy/attribproxy/attribution"
)

// validate checks everything and notes every fault.
func (l *loader) validate(cfg *Config) {
	l.checkListen("listen", cfg.Listen)
	if cfg.Admin != "" {
		l.checkListen("admin", cfg.Admin)
		if _, port, err := net.SplitHostPort(cfg.Admin); err == nil && port != "0" && cfg.Admin == cfg.Listen {
			l.fault(Fault{Path: "admin", Value: cfg.Admin, Message: "is the proxy's own address", Remedy: "use another port, 0 for a free one, or off"})
		}
	}
	l.oneOf("mode", cfg.Mode, ModeEnforce, ModeObserve)
	l.checkLabels(cfg.Labels)
	l.checkIntercept(cfg.Intercept)
	l.checkPolicy(cfg)
	l.checkUpstream(cfg)
	l.checkAudit(cfg.Audit)
	l.oneOf("log.level", cfg.Log.Level, "debug", "info", "warn", "error")
	l.oneOf("log.format", cfg.Log.Format, "console", "json")
	slices.SortStableFunc(l.faults, func(a, b Fault) int { return cmp.Compare(line(a.Where), line(b.Where)) })
}

// line is the line of the file that a fault stands on; what is not in a file
// comes after it.
func line(where string) int {
	n, err := strconv.Atoi(where[strings.LastIndex(where, ":")+1:])
	if err != nil {
		return 1 << 30
	}
	return n
}

// oneOf checks a key that takes one of a few words.
func (l *loader) oneOf(path, value string, words ...string) {
	if slices.Contains(words, value) {
		return
	}
	remedy := "use " + strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
	if meant := suggest(value, words); meant != "" {
		remedy = fmt.Sprintf("did you mean %s?", meant)
	}
	message := "is not one of its values"
	if value == "" {
		message = "is empty"
	}
	l.fault(Fault{Path: path, Value: value, Message: message, Remedy: remedy})
}

// checkListen allows loopback addresses only: whoever reaches the proxy can
// send with it, and there is no way yet for a client to prove who it is.
func (l *loader) checkListen(path, value string) {
	bad := func(message, remedy string) {
		l.fault(Fault{Path: path, Value: value, Message: message, Remedy: remedy})
	}
	host, port, err := net.SplitHostPort(value)
	if err != nil {
		bad("is not host:port", "write an address such as 127.0.0.1:8642")
		return
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		bad("has no port from 0 to 65535", "write an address such as 127.0.0.1:8642")
		return
	}
	loopback := "use " + net.JoinHostPort("127.0.0.1", port)
	if host == "" {
		bad("listens on every network, and clients are not asked to prove who they are", loopback)
		return
	}
	addr, err := netip.ParseAddr(host)
	switch {
	case err != nil:
		bad("does not begin with an IP address", loopback)
	case !addr.Unmap().IsLoopback():
		bad("can be reached from other machines, and clients are not asked to prove who they are", loopback)
	}
}

func (l *loader) checkLabels(labels []string) {
	if len(labels) > 32 {
		l.fault(Fault{Path: "labels", Message: fmt.Sprintf("has %d entries; each event would carry them all", len(labels)), Remedy: "keep at most 32"})
	}
	for i, label := range labels {
		at := fmt.Sprintf("labels[%d]", i)
		switch {
		case strings.TrimSpace(label) == "":
			l.fault(Fault{Path: at, Message: "is empty", Remedy: "write it as name=value, or remove it"})
		case len(label) > 256:
			l.fault(Fault{Path: at, Value: label, Message: "is longer than 256 bytes", Remedy: "shorten it"})
		case strings.ContainsFunc(label, isControl):
			l.fault(Fault{Path: at, Value: label, Message: "holds a control character", Remedy: "remove it"})
		}
	}
}

func isControl(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }

func (l *loader) checkIntercept(in Intercept) {
	var clouds []string
	for _, c := range arm.Clouds() {
		clouds = append(clouds, string(c))
	}
	for i, cloud := range in.Clouds {
		l.oneOf(fmt.Sprintf("intercept.clouds[%d]", i), cloud, clouds...)
	}
	for i, host := range in.Hosts {
		at := fmt.Sprintf("intercept.hosts[%d]", i)
		bad := func(message, remedy string) { l.fault(Fault{Path: at, Value: host, Message: message, Remedy: remedy}) }
		const form = "write a host name such as eastus.management.azure.com"
		if strings.Contains(host, "://") {
			bad("is a URL", form)
			continue
		}
		if strings.Contains(host, "*") {
			bad("holds a wildcard, and a certificate is only made for a name", "list each host")
			continue
		}
		if name, port, err := net.SplitHostPort(host); err == nil {
			bad("has a port", fmt.Sprintf("write %s; port %s is found by itself", name, port))
			continue
		}
		name, err := arm.NormalizeHost(host)
		if err != nil {
			bad("is not a host name", form)
			continue
		}
		if _, err := netip.ParseAddr(name); err == nil {
			bad("is an address; Azure Resource Manager is reached by name", form)
		}
	}
	if len(in.Clouds) == 0 && len(in.Hosts) == 0 {
		l.fault(Fault{Path: "intercept", Message: "names no host at all", Remedy: "set intercept.clouds to [public]"})
	}
	l.oneOf("intercept.bypass", in.Bypass, BypassRecord, BypassRefuse)
}

// checkPolicy leaves rules and excludes to the package that applies them.
func (l *loader) checkPolicy(cfg *Config) {
	mode := attribution.Mode(cfg.Mode)
	if cfg.Mode != ModeObserve {
		mode = attribution.ModeEnforce // a wrong mode is reported already
	}
	policy, faults := cfg.compile(mode)
	for _, f := range faults {
		l.fault(Fault{Path: f.Path, Value: f.Value, Message: f.Message, Remedy: f.Remedy})
	}
	if policy == nil {
		return
	}
	for _, w := range policy.Warnings() {
		l.warn(Fault{Path: w.Path, Value: w.Value, Message: strings.TrimPrefix(w.Message, "this "), Remedy: w.Remedy})
	}
	if len(cfg.Rules) == 0 && mode == attribution.ModeEnforce {
		l.warn(Fault{Path: "rules", Message: "has no entries: writes are recorded and none is tagged", Remedy: "add a rule, or give --id"})
	}
}

func (l *loader) checkUpstream(cfg *Config) {
	up := cfg.Upstream
	l.checkProxy(up.Proxy, cfg.Listen)
	for i, entry := range up.NoProxy {
		at := fmt.Sprintf("upstream.noProxy[%d]", i)
		switch {
		case entry == "" || strings.ContainsAny(entry, " \t,"):
			l.fault(Fault{Path: at, Value: entry, Message: "is not one host", Remedy: "write each host, .domain, address or network as an entry of its own"})
		case strings.Contains(entry, "://") || strings.Contains(entry, "@"):
			l.fault(Fault{Path: at, Value: entry, Message: "is a URL", Remedy: "write the host alone"})
		}
	}
	l.checkRoots(up.Roots)
	for i, entry := range up.Resolve {
		if !resolves(entry) {
			l.fault(Fault{Path: fmt.Sprintf("upstream.resolve[%d]", i), Value: entry, Message: "is not host:port:address:port", Remedy: "write it as for curl --connect-to: management.azure.com:443:10.1.2.3:443"})
		}
	}
	for i, entry := range up.Allow {
		at := fmt.Sprintf("upstream.allow[%d]", i)
		network, err := netip.ParsePrefix(entry)
		switch {
		case err != nil:
			remedy := "write it as 10.1.0.0/16"
			if addr, err := netip.ParseAddr(entry); err == nil && addr.Zone() == "" {
				remedy = fmt.Sprintf("for this one address write %s", netip.PrefixFrom(addr, addr.BitLen()))
			}
			l.fault(Fault{Path: at, Value: entry, Message: "is not a network", Remedy: remedy})
		case network != network.Masked():
			l.fault(Fault{Path: at, Value: entry, Message: "is an address inside of a network", Remedy: fmt.Sprintf("write %s for the network, or %s for the address", network.Masked(), netip.PrefixFrom(network.Addr(), network.Addr().BitLen()))})
		case network.Bits() == 0:
			l.warn(Fault{Path: at, Value: entry, Message: "switches the destination guard off, metadata services included", Remedy: "name the networks that are needed"})
		}
	}
}

// checkProxy checks the upstream proxy's URL without ever showing its password.
func (l *loader) checkProxy(value, listen string) {
	if value == "" || value == ProxyNone {
		return
	}
	bad := func(message, remedy string) {
		l.fault(Fault{Path: "upstream.proxy", Value: value, Message: message, Remedy: remedy})
	}
	const form = "write http://proxy.corp:3128, or http://user:password@proxy.corp:3128, or none"
	u, err := url.Parse(value)
	switch {
	case err != nil || u.Opaque != "" || u.Scheme == "":
		remedy := form
		if strings.Contains(value, "@") {
			remedy += "; special characters in a password are written as %40"
		}
		bad("is not a URL", remedy)
	case u.Scheme != "http" && u.Scheme != "https":
		bad("is not an HTTP proxy", form)
	case u.Hostname() == "":
		bad("has no host", form)
	case !validPort(u.Port(), true):
		bad("has no port from 1 to 65535", form)
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		bad("has more than a host and a port", form)
	case sameListener(u, listen):
		bad("is this proxy's own address, so that requests would go in circles", "name another proxy, or none")
	}
}

func validPort(port string, optional bool) bool {
	if port == "" {
		return optional
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

// checkRoots reads the file of additional roots, so that a wrong one is found
// now and not by the first request.
func (l *loader) checkRoots(path string) {
	if path == "" {
		return
	}
	bad := func(message, remedy string) {
		l.fault(Fault{Path: "upstream.roots", Value: path, Message: message, Remedy: remedy})
	}
	content, err := l.src.ReadFile(path)
	if err != nil {
		var pathErr *fs.PathError
		if errors.As(err, &pathErr) {
			err = pathErr.Err
		}
		bad("cannot be read: "+err.Error(), "name a PEM file with certificates")
		return
	}
	count := 0
	for {
		var block *pem.Block
		if block, content = pem.Decode(content); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		count++
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			bad(fmt.Sprintf("has a certificate, number %d, that cannot be read", count), "export it again as PEM (base64)")
			return
		}
	}
	if count == 0 {
		bad("holds no certificate", "name a PEM file with BEGIN CERTIFICATE blocks; convert DER with openssl x509 -inform der")
	}
}

var resolveForm = regexp.MustCompile(`^(\[[^\]]*\]|[^:\[\]]*):([0-9]*):(\[[^\]]+\]|[^:\[\]]+):([0-9]+)$`)

// resolves reports whether entry has the form of curl's --connect-to. An empty
// host or port in front stands for any.
func resolves(entry string) bool {
	parts := resolveForm.FindStringSubmatch(entry)
	if parts == nil || !validPort(parts[2], true) || !validPort(parts[4], false) {
		return false
	}
	for _, host := range []string{parts[1], parts[3]} {
		if host == "" {
			continue
		}
		if _, err := arm.NormalizeHost(host); err != nil {
			return false
		}
	}
	return true
}

var sourceForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

func (l *loader) checkAudit(a Audit) {
	l.oneOf("audit.guarantee", a.Guarantee, "durable", "strict", "best-effort")
	if a.Source != "" && !sourceForm.MatchString(a.Source) {
		l.fault(Fault{Path: "audit.source", Value: a.Source, Message: "is not a name for the record", Remedy: "use at most 128 letters, digits, '.', '_' and '-', a letter or digit first"})
	}
	if a.Dir != "" && filepath.Dir(a.Dir) == a.Dir {
		l.fault(Fault{Path: "audit.dir", Value: a.Dir, Message: "is the root of a file system", Remedy: "name a directory of its own"})
	}
	if a.SegmentBytes < 4<<10 {
		l.fault(Fault{Path: "audit.segmentBytes", Value: a.SegmentBytes.String(), Message: "is smaller than a few events", Remedy: "use 4KiB or more; the default is 64MiB"})
	}
	if a.SegmentAge.D() < time.Second {
		l.fault(Fault{Path: "audit.segmentAge", Value: a.SegmentAge.String(), Message: "is shorter than a second", Remedy: "use 1s or more; the default is 24h"})
	}
	if a.RetainBytes != 0 && a.RetainBytes < a.SegmentBytes {
		l.fault(Fault{Path: "audit.retainBytes", Value: a.RetainBytes.String(), Message: fmt.Sprintf("is less than one file of audit.segmentBytes (%s)", a.SegmentBytes), Remedy: "use more, or 0B for no limit"})
	}
	if a.RetainAge != 0 && a.RetainAge < a.SegmentAge {
		l.fault(Fault{Path: "audit.retainAge", Value: a.RetainAge.String(), Message: fmt.Sprintf("is shorter than the life of one file, audit.segmentAge (%s)", a.SegmentAge), Remedy: "use more, or 0s to keep everything"})
	}
}
