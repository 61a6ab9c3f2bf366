package certs

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"slices"
	"time"
)

// Authority is a CA that is ready to serve its hosts. It is safe for concurrent
// use.
type Authority struct {
	dir    string // empty: in memory
	hosts  []string
	root   *x509.Certificate
	issuer *x509.Certificate
	key    *ecdsa.PrivateKey // of the issuer; nil in one from [Inspect]
	now    func() time.Time

	sites map[string]*site // one for each host; never changes
}

// NewEphemeral makes a CA that lives in memory only: what signs for the hosts
// is gone with the process.
func NewEphemeral(o Options) (*Authority, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	root, issuer, key, err := mintCA(o.Hosts, o.Now())
	if err != nil {
		return nil, err
	}
	return newAuthority("", root, issuer, key, o.Now), nil
}

// newAuthority takes the hosts from the certificates themselves: what they
// permit is what is served.
func newAuthority(dir string, root, issuer *x509.Certificate, key *ecdsa.PrivateKey, now func() time.Time) *Authority {
	a := &Authority{
		dir:    dir,
		hosts:  root.PermittedDNSDomains,
		root:   root,
		issuer: issuer,
		key:    key,
		now:    now,
		sites:  make(map[string]*site, len(root.PermittedDNSDomains)),
	}
	for _, h := range a.hosts {
		a.sites[h] = newSite(a, h)
	}
	return a
}

// TLSConfig returns the server side of TLS for one of the authority's hosts:
// TLS 1.2 or later, X25519 then P-256, h2 and http/1.1. It is the same value at
// every call, so that session tickets of one connection serve the next; do not
// change it, and do not copy it for each connection. Its certificate is renewed
// by itself.
//
// The error is an [*UnknownHostError] for a host that the CA was not made for,
// and an [*ExpiredError] once the CA is past its end.
func (a *Authority) TLSConfig(host string) (*tls.Config, error) {
	s, ok := a.sites[host]
	if !ok || a.key == nil {
		return nil, &UnknownHostError{Host: host}
	}
	if err := a.expired(a.now()); err != nil {
		return nil, err
	}
	return s.config, nil
}

// RootPEM is the certificate that clients have to trust.
func (a *Authority) RootPEM() []byte { return encodeCert(a.root) }

// IssuerPEM is the certificate that signs the leaves. The server sends it;
// nobody needs to trust it.
func (a *Authority) IssuerPEM() []byte { return encodeCert(a.issuer) }

// RootSubject is the distinguished name of the root, e.g.
// "CN=attribproxy root 1a2b3c4d,O=attribproxy".
func (a *Authority) RootSubject() string { return a.root.Subject.String() }

// IssuerSubject is the distinguished name of the issuing certificate.
func (a *Authority) IssuerSubject() string { return a.issuer.Subject.String() }

// NotBefore is when the CA begins to be valid.
func (a *Authority) NotBefore() time.Time { return later(a.root.NotBefore, a.issuer.NotBefore) }

// NotAfter is when the CA ends.
func (a *Authority) NotAfter() time.Time { return earlier(a.root.NotAfter, a.issuer.NotAfter) }

// Hosts are the hosts that the CA is constrained to, sorted.
func (a *Authority) Hosts() []string { return slices.Clone(a.hosts) }

// Fingerprint is the SHA-256 of the root certificate in lower-case hex, as
// openssl x509 -fingerprint -sha256 shows it without the colons.
func (a *Authority) Fingerprint() string {
	sum := sha256.Sum256(a.root.Raw)
	return hex.EncodeToString(sum[:])
}

// ExpiryWarning is what to tell the owner about the end of the CA: empty until
// 30 days before it.
func (a *Authority) ExpiryWarning(now time.Time) string {
	left := a.NotAfter().Sub(now)
	if left > warnBefore {
		return ""
	}
	if err := a.expired(now); err != nil {
		return fmt.Sprintf("%v; %s", err, rotateRemedy)
	}
	in := "in less than a day"
	switch days := int(left / day); {
	case days == 1:
		in = "in 1 day"
	case days > 1:
		in = fmt.Sprintf("in %d days", days)
	}
	return fmt.Sprintf("the CA ends %s, on %s; %s", in, a.NotAfter().UTC().Format(time.DateOnly), rotateRemedy)
}

// expired returns an [*ExpiredError] when the CA has ended.
func (a *Authority) expired(now time.Time) error {
	if end := a.NotAfter(); now.After(end) {
		return &ExpiredError{Dir: a.dir, NotAfter: end}
	}
	return nil
}

func encodeCert(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}
