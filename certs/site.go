package certs

import (
	"crypto/tls"
	"sync"
	"sync/atomic"
	"time"
)

// site is one intercepted host: its TLS configuration, and its leaf of the
// moment.
type site struct {
	authority *Authority
	host      string
	config    *tls.Config

	leaf   atomic.Pointer[leaf]
	making sync.Mutex // held while a leaf is made, so that a burst makes one
}

// leaf is a certificate as it is sent, with the time to replace it.
type leaf struct {
	cert  *tls.Certificate
	renew time.Time // zero: there is no longer one to be had
}

func newSite(a *Authority, host string) *site {
	s := &site{authority: a, host: host}
	s.config = &tls.Config{
		MinVersion: tls.VersionTLS12,
		// Both are what every client here offers; X25519 is the cheaper one.
		CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256},
		NextProtos:       []string{"h2", "http/1.1"},
		GetCertificate:   s.certificate,
		// The clock of the ticket keys is the one of the certificates.
		Time: a.now,
	}
	return s
}

// certificate returns the leaf of the moment. Whether the client asked for this
// host is for the proxy to check: a client may send no name at all.
func (s *site) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	now := s.authority.now()
	if err := s.authority.expired(now); err != nil {
		return nil, err
	}
	if l := s.leaf.Load(); l.good(now) {
		return l.cert, nil
	}
	s.making.Lock()
	defer s.making.Unlock()
	if l := s.leaf.Load(); l.good(now) { // another handshake made it meanwhile
		return l.cert, nil
	}
	cert, key, err := mintLeaf(s.host, s.authority.issuer, s.authority.key, now)
	if err != nil {
		return nil, err
	}
	l := &leaf{cert: &tls.Certificate{
		Certificate: [][]byte{cert.Raw, s.authority.issuer.Raw},
		PrivateKey:  key,
		Leaf:        cert,
	}}
	// Towards the end of the CA a new leaf would end when this one does.
	if cert.NotAfter.Before(s.authority.issuer.NotAfter) {
		l.renew = now.Add(cert.NotAfter.Sub(now) / 2)
	}
	s.leaf.Store(l)
	return l.cert, nil
}

// good says whether the leaf can be served as it is. One that begins in the
// future was made before the clock was set back.
func (l *leaf) good(now time.Time) bool {
	return l != nil && !now.Before(l.cert.Leaf.NotBefore) && !now.After(l.cert.Leaf.NotAfter) &&
		(l.renew.IsZero() || now.Before(l.renew))
}
