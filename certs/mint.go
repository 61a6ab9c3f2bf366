package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"math/big"
	"net"
	"slices"
	"strings"
	"time"
)

// organization stands in the subject of every certificate made here, so that
// people recognise them in a trust store.
const organization = "attribproxy"

// mintCA makes a root and an issuing certificate for the hosts. The root's key
// is dropped on return and exists nowhere afterwards.
func mintCA(hosts []string, now time.Time) (root, issuer *x509.Certificate, issuerKey *ecdsa.PrivateKey, err error) {
	rootKey, err := newKey()
	if err != nil {
		return nil, nil, nil, err
	}
	issuerKey, err = newKey()
	if err != nil {
		return nil, nil, nil, err
	}
	// Two CAs of one machine must not share a subject: OpenSSL looks issuers up
	// by it, and a client may trust the old and the new root for a while.
	var tag [4]byte
	rand.Read(tag[:]) // never fails since Go 1.24
	name := hex.EncodeToString(tag[:])

	rootTemplate := caTemplate("attribproxy root "+name, hosts, now)
	rootTemplate.MaxPathLen = 1
	// A self-signed certificate need not name its own key (RFC 5280, section
	// 4.2.1.1), but some strict verifiers ask for it all the same.
	if rootTemplate.AuthorityKeyId, err = keyID(rootKey); err != nil {
		return nil, nil, nil, err
	}
	root, err = sign(rootTemplate, rootTemplate, rootKey, rootKey)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("making the root: %w", err)
	}

	issuerTemplate := caTemplate("attribproxy issuing CA "+name, hosts, now)
	issuerTemplate.MaxPathLenZero = true
	issuerTemplate.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	issuer, err = sign(issuerTemplate, root, issuerKey, rootKey)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("making the issuing certificate: %w", err)
	}
	return root, issuer, issuerKey, nil
}

func caTemplate(commonName string, hosts []string, now time.Time) *x509.Certificate {
	begin := now.Add(-backdate).Truncate(time.Second)
	t := &x509.Certificate{
		Subject:               pkix.Name{Organization: []string{organization}, CommonName: commonName},
		NotBefore:             begin,
		NotAfter:              begin.Add(caLife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	constrain(t, hosts)
	return t
}

// constrain gives a CA certificate its name constraints. A permitted dNSName
// without a leading dot admits the host and all that lies under it (RFC 5280);
// the excluded one, with a leading dot, takes what lies under it away again.
// It has to stay where another intercepted host lies there. Names of DNS and IP
// addresses are separate kinds: without the excluded ranges a certificate for
// an IP address would not be constrained at all.
func constrain(t *x509.Certificate, hosts []string) {
	t.PermittedDNSDomainsCritical = true
	t.PermittedDNSDomains = hosts
	t.ExcludedDNSDomains = nil
	for _, h := range hosts {
		under := "." + h
		if !slices.ContainsFunc(hosts, func(other string) bool { return strings.HasSuffix(other, under) }) {
			t.ExcludedDNSDomains = append(t.ExcludedDNSDomains, under)
		}
	}
	t.ExcludedIPRanges = []*net.IPNet{
		{IP: make(net.IP, net.IPv4len), Mask: make(net.IPMask, net.IPv4len)}, // 0.0.0.0/0
		{IP: make(net.IP, net.IPv6len), Mask: make(net.IPMask, net.IPv6len)}, // ::/0
	}
}

// mintLeaf makes the certificate that one host is served with. It ends with the
// issuer at the latest.
func mintLeaf(host string, issuer *x509.Certificate, issuerKey *ecdsa.PrivateKey, now time.Time) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	t := &x509.Certificate{
		Subject:               pkix.Name{Organization: []string{organization}},
		DNSNames:              []string{host},
		NotBefore:             later(now.Add(-backdate).Truncate(time.Second), issuer.NotBefore),
		NotAfter:              earlier(now.Add(leafLife).Truncate(time.Second), issuer.NotAfter),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	if len(host) <= 64 { // the upper bound of a common name (RFC 5280, appendix A.1)
		t.Subject.CommonName = host
	}
	cert, err := sign(t, issuer, key, issuerKey)
	if err != nil {
		return nil, nil, fmt.Errorf("making a certificate for %s: %w", host, err)
	}
	return cert, key, nil
}

// sign completes the template with what every certificate has, signs it and
// reads it back, so that what is in memory is what is on the wire.
func sign(template, parent *x509.Certificate, subject, signer *ecdsa.PrivateKey) (*x509.Certificate, error) {
	id, err := keyID(subject)
	if err != nil {
		return nil, err
	}
	template.SubjectKeyId = id
	template.SerialNumber = serial()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, subject.Public(), signer)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func newKey() (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	return key, nil
}

// serial is 127 random bits, positive and never zero (RFC 5280, section
// 4.1.2.2).
func serial() *big.Int {
	var b [16]byte
	rand.Read(b[:])
	b[0] &= 0x7f
	b[15] |= 1
	return new(big.Int).SetBytes(b[:])
}

// keyID is method 1 of RFC 7093, section 2: the leftmost 160 bits of the
// SHA-256 of the public key's bits.
func keyID(key *ecdsa.PrivateKey) ([]byte, error) {
	bits, err := key.PublicKey.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encoding a public key: %w", err)
	}
	sum := sha256.Sum256(bits)
	return sum[:20], nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
