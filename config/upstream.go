package config

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/attribproxy/attribproxy/arm"
)

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
	if len(content) > maxFile {
		bad(fmt.Sprintf("has more than the %d bytes a file of roots may have", maxFile), "name a PEM file with certificates")
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
