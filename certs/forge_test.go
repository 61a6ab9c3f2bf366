package certs_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/attribproxy/attribproxy/certs"
)

// signer is an issuing CA in the hands of a test.
type signer struct {
	t      *testing.T
	root   *x509.Certificate
	issuer *x509.Certificate
	key    *ecdsa.PrivateKey
	// permitted is a name that the CA may sign for.
	permitted string
}

// steal takes the issuing key from the state directory, as a thief would.
func steal(t *testing.T, dir string) signer {
	t.Helper()
	key, err := x509.ParsePKCS8PrivateKey(readPEM(t, filepath.Join(dir, certs.KeyFile)))
	if err != nil {
		t.Fatal(err)
	}
	return signer{
		t:         t,
		root:      parse(t, readPEM(t, filepath.Join(dir, certs.RootFile))),
		issuer:    parse(t, readPEM(t, filepath.Join(dir, certs.IssuerFile))),
		key:       key.(*ecdsa.PrivateKey),
		permitted: "management.azure.com",
	}
}

// unconstrained makes a root and an issuing CA as ours, but for the
// constraints on names and on the length of the path.
func unconstrained(t *testing.T) signer {
	t.Helper()
	rootKey, key := newKey(t), newKey(t)
	template := func(name string) *x509.Certificate {
		return &x509.Certificate{
			Subject:               pkix.Name{CommonName: name},
			NotBefore:             time.Now().Add(-time.Hour),
			NotAfter:              time.Now().Add(time.Hour),
			KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
			BasicConstraintsValid: true,
			IsCA:                  true,
		}
	}
	s := signer{t: t, key: key, permitted: "management.example.com"}
	s.root = s.sign(template("unconstrained root"), nil, rootKey, rootKey)
	s.issuer = s.sign(template("unconstrained issuer"), s.root, key, rootKey)
	return s
}

func (s signer) rootPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.root.Raw})
}

// sign signs a template; without a parent it signs itself.
func (s signer) sign(template, parent *x509.Certificate, subject, by *ecdsa.PrivateKey) *x509.Certificate {
	s.t.Helper()
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, subject.Public(), by)
	if err != nil {
		s.t.Fatal(err)
	}
	return parse(s.t, der)
}

// leaf signs a server certificate with the names given, and whatever stands
// between it and the root.
func (s signer) leaf(commonName string, names ...string) tls.Certificate {
	s.t.Helper()
	key := newKey(s.t)
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: commonName},
		NotBefore:   time.Now().Add(-time.Minute),
		NotAfter:    time.Now().Add(time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(strings.Trim(name, "[]")); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	cert := s.sign(template, s.issuer, key, s.key)
	return tls.Certificate{Certificate: [][]byte{cert.Raw, s.issuer.Raw}, PrivateKey: key}
}

func (s signer) forHost(host string) tls.Certificate { return s.leaf("forged", host) }

func (s signer) commonName(host string) tls.Certificate { return s.leaf(host) }

func (s signer) besidePermitted(host string) tls.Certificate {
	return s.leaf("forged", s.permitted, host)
}

func (s signer) wildcard(host string) tls.Certificate {
	_, parent, _ := strings.Cut(host, ".")
	return s.leaf("forged", "*."+parent)
}

// throughSubCA signs by way of another CA, one without constraints of its own.
func (s signer) throughSubCA(host string) tls.Certificate {
	key := newKey(s.t)
	sub := s.sign(&x509.Certificate{
		Subject:               pkix.Name{CommonName: "thief's CA"},
		NotBefore:             time.Now().Add(-time.Minute),
		NotAfter:              time.Now().Add(time.Hour),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}, s.issuer, key, s.key)
	leaf := signer{t: s.t, issuer: sub, key: key}.leaf("forged", host)
	leaf.Certificate = append(leaf.Certificate, s.issuer.Raw)
	return leaf
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func parse(t *testing.T, der []byte) *x509.Certificate {
	t.Helper()
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func readPEM(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return decodePEM(t, data)
}

func decodePEM(t *testing.T, data []byte) []byte {
	t.Helper()
	block, _ := pem.Decode(data)
	if block == nil {
		t.Fatalf("no PEM block in %q", data)
	}
	return block.Bytes
}

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// queue is a listener that is handed its connections.
type queue struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newQueue() *queue { return &queue{conns: make(chan net.Conn), done: make(chan struct{})} }

func (q *queue) add(c net.Conn) {
	select {
	case q.conns <- c:
	case <-q.done:
		c.Close()
	}
}

func (q *queue) Accept() (net.Conn, error) {
	select {
	case c := <-q.conns:
		return c, nil
	case <-q.done:
		return nil, net.ErrClosed
	}
}

func (q *queue) Close() error {
	q.once.Do(func() { close(q.done) })
	return nil
}

func (q *queue) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
