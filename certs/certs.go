// Package certs is the certification authority of the proxy: it makes the
// certificates with which intercepted hosts are served, and the files through
// which clients come to trust them.
//
// # What the CA can do, and what it cannot
//
// An authority is two certificates. The root signs one issuing certificate and
// its key is then thrown away; it is never written anywhere. The issuing
// certificate signs the leaves that are served. Both carry the same critical
// name constraints (RFC 5280, section 4.2.1.10): exactly the intercepted hosts
// are permitted, what lies under them is excluded, and so is every IP address.
// Both carry them because Java does not look at the constraints of a trust
// anchor, and because the issuing key is the only one that exists: whoever
// steals it can sign for the intercepted hosts and for nothing else, in every
// client that this package's tests drive.
//
// # Clients
//
// Some clients replace their roots with a file they are given, others add to
// them. [WriteBundles] therefore writes our root alone, our root together with
// the roots the client would have used (see [FindBase]), and a trust store for
// Java.
package certs

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

const (
	// caLife is how long the root and the issuing certificate are valid.
	caLife = 2 * 365 * day
	// leafLife is how long a leaf is valid; it is replaced at half of it.
	leafLife = 7 * day
	// warnBefore is how long before the end of the CA its owner is warned.
	warnBefore = 30 * day
	// backdate is how far in the past a certificate begins, for clients whose
	// clock is behind ours.
	backdate = time.Hour

	day = 24 * time.Hour
)

// Options says what an authority is for.
type Options struct {
	// Hosts are the names to be served: lower case, without port or trailing
	// dot, IDNs in their xn-- form. Required; order and repetition do not
	// matter. An IP address is an error: the CA excludes them all.
	Hosts []string

	// Now is the clock by which certificates are dated and renewed. Nil means
	// time.Now.
	Now func() time.Time
}

// withDefaults checks the options and puts the hosts in their canonical order.
func (o Options) withDefaults() (Options, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	hosts, err := canonicalHosts(o.Hosts)
	o.Hosts = hosts
	return o, err
}

// canonicalHosts returns the hosts sorted and without repetition, or an error
// naming the first that a certificate of ours cannot be made for.
func canonicalHosts(hosts []string) ([]string, error) {
	if len(hosts) == 0 {
		return nil, errors.New("no hosts to make a CA for")
	}
	for _, h := range hosts {
		if err := checkHost(h); err != nil {
			return nil, fmt.Errorf("host %q: %w", h, err)
		}
	}
	hosts = slices.Clone(hosts)
	slices.Sort(hosts)
	return slices.Compact(hosts), nil
}

// checkHost accepts what can stand as a dNSName in a certificate and in a name
// constraint, so that no host can widen the constraints: a leading dot or a
// wildcard would.
func checkHost(h string) error {
	if _, err := netip.ParseAddr(h); err == nil {
		return errors.New("is an IP address; only names can be intercepted")
	}
	if h == "" || len(h) > 253 {
		return errors.New("is not a host name")
	}
	for label := range strings.SplitSeq(h, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return errors.New("is not a host name")
		}
		if strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return errors.New("is not a host name in lower case")
		}
	}
	return nil
}
