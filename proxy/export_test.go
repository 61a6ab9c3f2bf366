package proxy

import "net/netip"

// What the tests of this package look at from the inside.

// ServerName is the parser of a tunnel's first bytes.
func ServerName(b []byte) (string, bool) { return serverName(b) }

// ParseResolve is the parser of one Upstream.Resolve entry.
func ParseResolve(entry string) (fields [4]string, err error) {
	r, err := parseResolve(entry)
	return [4]string{r.host, r.port, r.toHost, r.toPort}, err
}

// Check is the destination guard.
func Check(allow []netip.Prefix, own []netip.AddrPort, addr netip.AddrPort) error {
	return (&guard{allow: allow, own: func() []netip.AddrPort { return own }}).check(addr)
}
