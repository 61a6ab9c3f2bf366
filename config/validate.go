package config

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
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
