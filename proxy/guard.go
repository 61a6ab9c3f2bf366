package proxy

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
)

// ForbiddenError says that the destination guard refused an address. The
// check is made on the address a name resolved to, at the moment it is
// connected to, so that a name cannot be pointed elsewhere in between.
type ForbiddenError struct {
	Addr netip.AddrPort
	Why  string
}

func (e *ForbiddenError) Error() string {
	return fmt.Sprintf("destination %s is refused: %s", e.Addr, e.Why)
}

// guard keeps clients from reaching through the proxy what they must not: the
// machine's own services, cloud metadata, the proxy itself.
type guard struct {
	allow []netip.Prefix
	own   func() []netip.AddrPort
}

// Addresses that clouds give to their metadata services outside of the
// link-local ranges.
var (
	azureWireServer = netip.MustParseAddr("168.63.129.16")
	awsMetadataV6   = netip.MustParseAddr("fd00:ec2::254")
	// IPv6 addresses that lead to an IPv4 address: NAT64 has it in the last 32
	// bits (RFC 6052 §2.2), in a local prefix (RFC 8215) also further to the
	// front; 6to4 (RFC 3056) after the first 16.
	nat64      = netip.MustParsePrefix("64:ff9b::/96")
	localNAT64 = netip.MustParsePrefix("64:ff9b:1::/48")
	sixToFour  = netip.MustParsePrefix("2002::/16")
	ipv4Compat = netip.MustParsePrefix("::/96")
	thisNet    = netip.MustParsePrefix("0.0.0.0/8")
	broadcast  = netip.MustParseAddr("255.255.255.255")
)

// check returns a *ForbiddenError, or nil when addr may be connected to.
func (g *guard) check(addr netip.AddrPort) error {
	ip := addr.Addr().WithZone("").Unmap()
	forms := append([]netip.Addr{ip}, embeddedV4(ip)...)
	for _, f := range forms {
		if g.isOwn(netip.AddrPortFrom(f, addr.Port())) {
			return &ForbiddenError{addr, "it is the proxy itself"}
		}
	}
	for _, p := range g.allow {
		if p.Contains(ip) {
			return nil
		}
	}
	for _, f := range forms {
		if why := forbidden(f); why != "" {
			return &ForbiddenError{addr, why + "; exempt it by upstream.allow if that is meant"}
		}
	}
	return nil
}

func forbidden(ip netip.Addr) string {
	switch {
	case ip == azureWireServer, ip == awsMetadataV6:
		return "it is a cloud metadata service"
	case ip.IsLinkLocalUnicast():
		return "it is a link-local address, where cloud metadata services live"
	case ip.IsLoopback():
		return "it is a loopback address"
	case ip.IsUnspecified(), ip.Is4() && thisNet.Contains(ip):
		return "it is an unspecified address"
	case ip.IsMulticast(), ip == broadcast:
		return "it is a multicast or broadcast address"
	}
	return ""
}

// embeddedV4 returns the IPv4 addresses that an IPv6 address can lead to.
func embeddedV4(ip netip.Addr) []netip.Addr {
	if !ip.Is6() {
		return nil
	}
	b := ip.As16()
	v4 := func(i, j, k, l int) netip.Addr { return netip.AddrFrom4([4]byte{b[i], b[j], b[k], b[l]}) }
	switch {
	case sixToFour.Contains(ip):
		return []netip.Addr{v4(2, 3, 4, 5)}
	case nat64.Contains(ip), ipv4Compat.Contains(ip) && !ip.IsUnspecified() && !ip.IsLoopback():
		return []netip.Addr{v4(12, 13, 14, 15)}
	case localNAT64.Contains(ip): // byte 8 is not used, and padding is no address
		return slices.DeleteFunc([]netip.Addr{v4(12, 13, 14, 15), v4(9, 10, 11, 12), v4(7, 9, 10, 11), v4(6, 7, 9, 10)}, thisNet.Contains)
	}
	return nil
}

// isOwn reports whether addr is one of this process's listeners. A listener
// on the unspecified address answers on every address of the machine.
func (g *guard) isOwn(addr netip.AddrPort) bool {
	for _, own := range g.own() {
		if own.Port() != addr.Port() {
			continue
		}
		switch o := own.Addr().Unmap(); {
		case o == addr.Addr():
			return true
		case o.IsUnspecified() && (addr.Addr().IsLoopback() || addr.Addr().IsUnspecified() || isLocalAddr(addr.Addr())):
			return true
		case o.IsLoopback() && addr.Addr().IsUnspecified():
			return true // connecting to 0.0.0.0 reaches loopback
		}
	}
	return false
}

func isLocalAddr(ip netip.Addr) bool {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return true // cannot tell: refuse
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok {
			if v, ok := netip.AddrFromSlice(n.IP); ok && v.Unmap() == ip {
				return true
			}
		}
	}
	return false
}

// control is a net.Dialer's Control: it sees each resolved address just
// before connect(2).
func (g *guard) control(_, address string, _ syscall.RawConn) error {
	addr, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("reading the address to be dialled: %w", err)
	}
	return g.check(addr)
}
