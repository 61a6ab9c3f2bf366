//go:build !linux

package clientproc

import "net/netip"

func (f *Finder) process(netip.AddrPort, netip.AddrPort) int { return 0 }

func describe(int) string { return "" }
