package certs_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/attribproxy/attribproxy/certs"
)

const day = 24 * time.Hour

// clock is a clock that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func ephemeral(t *testing.T, o certs.Options) *certs.Authority {
	t.Helper()
	a, err := certs.NewEphemeral(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// shownLeaf is the certificate that a handshake of this moment would see.
func shownLeaf(t *testing.T, a *certs.Authority, host string) *x509.Certificate {
	t.Helper()
	config, err := a.TLSConfig(host)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := config.GetCertificate(&tls.ClientHelloInfo{})
	if err != nil {
		t.Fatal(err)
	}
	return cert.Leaf
}

func verify(a *certs.Authority, leaf *x509.Certificate, name string, at time.Time) error {
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AppendCertsFromPEM(a.RootPEM())
	between.AppendCertsFromPEM(a.IssuerPEM())
	_, err := leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, Intermediates: between, CurrentTime: at})
	return err
}

func TestOptionsNameWhatCannotBeServed(t *testing.T) {
	for _, hosts := range [][]string{
		nil,
		{""},
		{"127.0.0.1"},
		{"::1"},
		{"management.azure.com", ".azure.com"},
		{"*.azure.com"},
		{"management.azure.com."},
		{"Management.azure.com"},
		{"management.azure.com:443"},
		{"bücher.example"},
		{"a..b"},
		{"-a.example"},
		{strings.Repeat("a", 64) + ".example"},
		{strings.Repeat("a.", 127) + "example"},
	} {
		if _, err := certs.NewEphemeral(certs.Options{Hosts: hosts}); err == nil {
			t.Errorf("%q: no error", hosts)
		} else if len(hosts) > 0 && !strings.Contains(err.Error(), "host") {
			t.Errorf("%q: %v", hosts, err)
		}
	}
}

// However the intercepted hosts lie under one another, the chain is good for
// each of them and the issuing key for nothing beside them.
func TestConstraints(t *testing.T) {
	label := rapid.SampledFrom([]string{"a", "b", "management", "azure"})
	host := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(label, 1, 3).Draw(t, "labels"), ".") + ".test"
	})
	rapid.Check(t, func(r *rapid.T) {
		hosts := rapid.SliceOfN(host, 1, 4).Draw(r, "hosts")
		a, err := certs.NewEphemeral(certs.Options{Hosts: hosts})
		if err != nil {
			r.Fatal(err)
		}
		for _, h := range a.Hosts() {
			if err := verify(a, shownLeaf(t, a, h), h, time.Now()); err != nil {
				r.Errorf("%s of %v: %v", h, hosts, err)
			}
		}
	})
}

func TestSubdomainsOfAHostAreExcludedUnlessOneIsIntercepted(t *testing.T) {
	a := ephemeral(t, certs.Options{Hosts: []string{"management.azure.com", "eastus.management.azure.com", "management.usgovcloudapi.net"}})
	root := parse(t, decodePEM(t, a.RootPEM()))
	issuer := parse(t, decodePEM(t, a.IssuerPEM()))
	for _, c := range []*x509.Certificate{root, issuer} {
		got := map[string][]string{"permitted": c.PermittedDNSDomains, "excluded": c.ExcludedDNSDomains}
		want := map[string][]string{
			"permitted": {"eastus.management.azure.com", "management.azure.com", "management.usgovcloudapi.net"},
			"excluded":  {".eastus.management.azure.com", ".management.usgovcloudapi.net"},
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.Subject, d)
		}
	}
}

// What strict verifiers ask for (RFC 5280), field by field, as a failure in one
// of them is hard to read.
func TestProfile(t *testing.T) {
	c := newClock()
	const host = "management.azure.com"
	a := ephemeral(t, certs.Options{Hosts: []string{host}, Now: c.Now})
	root := parse(t, decodePEM(t, a.RootPEM()))
	issuer := parse(t, decodePEM(t, a.IssuerPEM()))
	leaf := shownLeaf(t, a, host)
	type profile struct {
		IsCA, Critical bool
		PathLen        int
		Usage          x509.KeyUsage
		ExtUsage       []x509.ExtKeyUsage
		IPs            int
		Life           time.Duration
		Names          []string
	}
	of := func(c *x509.Certificate) profile {
		p := profile{
			IsCA: c.IsCA, Critical: c.PermittedDNSDomainsCritical, PathLen: c.MaxPathLen, Usage: c.KeyUsage,
			ExtUsage: c.ExtKeyUsage, IPs: len(c.ExcludedIPRanges), Life: c.NotAfter.Sub(c.NotBefore), Names: c.DNSNames,
		}
		for _, e := range c.Extensions {
			switch e.Id.String() {
			case "2.5.29.19", "2.5.29.15": // BasicConstraints, KeyUsage
				if !e.Critical {
					t.Errorf("%s: extension %s is not critical", c.Subject, e.Id)
				}
			}
		}
		if len(c.SubjectKeyId) == 0 || len(c.AuthorityKeyId) == 0 || c.SerialNumber.Sign() <= 0 || c.SerialNumber.BitLen() > 159 {
			t.Errorf("%s: SKI %x, AKI %x, serial %d", c.Subject, c.SubjectKeyId, c.AuthorityKeyId, c.SerialNumber)
		}
		if key, ok := c.PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() {
			t.Errorf("%s: key %T", c.Subject, c.PublicKey)
		}
		return p
	}
	ca := x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	server := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	want := []profile{
		{IsCA: true, Critical: true, PathLen: 1, Usage: ca, IPs: 2, Life: 730 * day},
		{IsCA: true, Critical: true, PathLen: 0, Usage: ca, ExtUsage: server, IPs: 2, Life: 730 * day},
		{PathLen: -1, Usage: x509.KeyUsageDigitalSignature, ExtUsage: server, Life: 7*day + time.Hour, Names: []string{host}},
	}
	if d := cmp.Diff(want, []profile{of(root), of(issuer), of(leaf)}); d != "" {
		t.Errorf("root, issuer, leaf (-want +got):\n%s", d)
	}
	if string(root.AuthorityKeyId) != string(root.SubjectKeyId) || string(issuer.AuthorityKeyId) != string(root.SubjectKeyId) || string(leaf.AuthorityKeyId) != string(issuer.SubjectKeyId) {
		t.Error("a certificate does not name its signer's key")
	}
}

func TestTLSConfig(t *testing.T) {
	a := ephemeral(t, certs.Options{Hosts: []string{"management.azure.com"}})
	config, err := a.TLSConfig("management.azure.com")
	if err != nil {
		t.Fatal(err)
	}
	if config.MinVersion != tls.VersionTLS12 {
		t.Errorf("MinVersion %x", config.MinVersion)
	}
	if d := cmp.Diff([]tls.CurveID{tls.X25519, tls.CurveP256}, config.CurvePreferences); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"h2", "http/1.1"}, config.NextProtos); d != "" {
		t.Error(d)
	}
	again, err := a.TLSConfig("management.azure.com")
	if err != nil || again != config {
		t.Errorf("a second call gives another configuration (%v)", err)
	}
	var unknown *certs.UnknownHostError
	if _, err := a.TLSConfig("login.microsoftonline.com"); !errors.As(err, &unknown) || unknown.Host != "login.microsoftonline.com" {
		t.Errorf("a host that is not intercepted: %v", err)
	}
}

// A client's second connection must not cost a whole handshake.
func TestSessionsResumeAcrossConnections(t *testing.T) {
	const host = "management.azure.com"
	a := ephemeral(t, certs.Options{Hosts: []string{host}})
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(a.RootPEM())
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			client := &tls.Config{RootCAs: roots, ServerName: host, MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
			for i, want := range []bool{false, true} {
				config, err := a.TLSConfig(host)
				if err != nil {
					t.Fatal(err)
				}
				if got := handshake(t, client, config).DidResume; got != want {
					t.Errorf("connection %d resumed: %v, want %v", i+1, got, want)
				}
			}
		})
	}
}

// handshake connects the two and moves one byte, so that a ticket arrives.
func handshake(t *testing.T, client, server *tls.Config) tls.ConnectionState {
	t.Helper()
	c, s := net.Pipe()
	defer c.Close()
	served := make(chan error, 1)
	go func() {
		defer s.Close()
		conn := tls.Server(s, server)
		if err := conn.HandshakeContext(context.Background()); err != nil {
			served <- err
			return
		}
		_, err := conn.Write([]byte{1})
		served <- err
	}()
	conn := tls.Client(c, client)
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatalf("client: %v", err)
	}
	if err := <-served; err != nil {
		t.Fatalf("server: %v", err)
	}
	return conn.ConnectionState()
}

func TestLeafIsRenewedAtHalfItsLife(t *testing.T) {
	const host = "management.azure.com"
	c := newClock()
	a := ephemeral(t, certs.Options{Hosts: []string{host}, Now: c.Now})
	first := shownLeaf(t, a, host)

	c.move(3 * day)
	if got := shownLeaf(t, a, host); !got.Equal(first) {
		t.Error("renewed before half of its life")
	}
	c.move(day)
	second := shownLeaf(t, a, host)
	if second.Equal(first) {
		t.Error("not renewed after half of its life")
	}
	if left := second.NotAfter.Sub(c.Now()); left != 7*day {
		t.Errorf("the new leaf has %v left", left)
	}
	// The host's clock was wrong at the start and is now set back.
	c.move(-30 * day)
	if got := shownLeaf(t, a, host); got.NotBefore.After(c.Now()) && !got.NotBefore.Equal(a.NotBefore()) {
		t.Errorf("a leaf that begins %v is shown at %v", got.NotBefore, c.Now())
	}
}

// A server that runs for the whole life of its CA always shows a leaf that is
// valid, and never one that outlives the CA.
func TestLeavesOverTheLifeOfTheCA(t *testing.T) {
	const host = "management.azure.com"
	c := newClock()
	a := ephemeral(t, certs.Options{Hosts: []string{host}, Now: c.Now})
	made := map[string]bool{}
	for c.Now().Before(a.NotAfter()) {
		leaf := shownLeaf(t, a, host)
		made[leaf.SerialNumber.String()] = true
		if err := verify(a, leaf, host, c.Now()); err != nil {
			t.Fatalf("at %v: %v", c.Now(), err)
		}
		if leaf.NotAfter.After(a.NotAfter()) {
			t.Fatalf("the leaf ends %v, the CA %v", leaf.NotAfter, a.NotAfter())
		}
		c.move(7 * time.Hour)
	}
	// About one each 3.5 days; the end of the CA must not bring a storm.
	if n := len(made); n < 200 || n > 215 {
		t.Errorf("%d leaves made", n)
	}
}

func TestExpiredCAServesNothing(t *testing.T) {
	const host = "management.azure.com"
	c := newClock()
	a := ephemeral(t, certs.Options{Hosts: []string{host}, Now: c.Now})
	config, err := a.TLSConfig(host)
	if err != nil {
		t.Fatal(err)
	}
	c.move(730*day + time.Second)
	var expired *certs.ExpiredError
	if _, err := a.TLSConfig(host); !errors.As(err, &expired) {
		t.Errorf("TLSConfig: %v", err)
	} else if !strings.Contains(expired.Remedy(), "attribproxy ca rotate") {
		t.Errorf("remedy %q", expired.Remedy())
	}
	if _, err := config.GetCertificate(&tls.ClientHelloInfo{}); !errors.As(err, &expired) {
		t.Errorf("GetCertificate: %v", err)
	}
}

func TestExpiryWarning(t *testing.T) {
	c := newClock()
	a := ephemeral(t, certs.Options{Hosts: []string{"management.azure.com"}, Now: c.Now})
	end := a.NotAfter()
	for _, test := range []struct {
		before time.Duration
		want   string
	}{
		{730 * day, ""},
		{30*day + time.Second, ""},
		{30 * day, "the CA ends in 30 days, on 2028-11-21; "},
		{36 * time.Hour, "the CA ends in 1 day, on 2028-11-21; "},
		{time.Hour, "the CA ends in less than a day, on 2028-11-21; "},
		{-time.Second, "the CA expired on 2028-11-21; "},
	} {
		got := a.ExpiryWarning(end.Add(-test.before))
		if test.want == "" && got != "" || !strings.HasPrefix(got, test.want) || got != "" && !strings.Contains(got, "attribproxy ca rotate") {
			t.Errorf("%v before the end: %q, want %q", test.before, got, test.want)
		}
	}
}

func TestABurstOfHandshakesMakesOneLeaf(t *testing.T) {
	const host = "management.azure.com"
	a := ephemeral(t, certs.Options{Hosts: []string{host}})
	serials := make(chan string, 50)
	var wg sync.WaitGroup
	for range cap(serials) {
		wg.Go(func() {
			config, err := a.TLSConfig(host)
			if err != nil {
				t.Error(err)
				return
			}
			cert, err := config.GetCertificate(&tls.ClientHelloInfo{})
			if err != nil {
				t.Error(err)
				return
			}
			serials <- cert.Leaf.SerialNumber.String()
		})
	}
	wg.Wait()
	close(serials)
	seen := map[string]bool{}
	for s := range serials {
		seen[s] = true
	}
	if len(seen) != 1 {
		t.Errorf("%d leaves", len(seen))
	}
}

func TestLongHostNames(t *testing.T) {
	host := strings.Repeat("a", 60) + "." + strings.Repeat("b", 60) + ".azurestack.external"
	a := ephemeral(t, certs.Options{Hosts: []string{host}})
	if err := verify(a, shownLeaf(t, a, host), host, time.Now()); err != nil {
		t.Error(err)
	}
}
