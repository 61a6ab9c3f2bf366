// Package arm reads what Azure Resource Manager (ARM) requests say about
// themselves: which cloud a host belongs to, what a request target addresses,
// and which tool sent it.
//
// Everything here is pure: no I/O, no clock, no state. The bytes it reads come
// from the network, so nothing in it fails on odd input. What cannot be
// understood is reported as [ScopeUnknown] and left to the rules that look at
// hosts and methods only.
package arm
