package certs_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/attribproxy/attribproxy/certs"
)

// someRoot is the PEM of a root that no other call returns.
func someRoot(t *testing.T) []byte {
	t.Helper()
	return unconstrained(t).rootPEM()
}

func file(t *testing.T, data ...[]byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(path, bytes.Join(data, nil), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// environ makes a getenv of "NAME", "value" pairs.
func environ(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

var systemFiles = []string{
	"etc/ssl/certs/ca-certificates.crt",
	"etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
	"etc/ssl/ca-bundle.pem",
	"etc/ssl/cert.pem",
}

// Each source in its turn, by taking away the ones before it.
func TestFindBaseOrder(t *testing.T) {
	root := fstest.MapFS{}
	want := map[string][]byte{}
	for _, name := range systemFiles {
		want["/"+name] = someRoot(t)
		root[name] = &fstest.MapFile{Data: want["/"+name]}
	}
	env := map[string]string{}
	variables := []string{"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"}
	for _, name := range variables {
		data := someRoot(t)
		env[name] = file(t, data)
		want[env[name]+" ("+name+")"] = data
	}
	find := func() certs.Base {
		t.Helper()
		b, err := certs.FindBase(func(name string) string { return env[name] }, root)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	expect := func(source string) {
		t.Helper()
		b := find()
		if b.Source != source || b.Embedded || !bytes.Equal(b.PEM, want[source]) {
			t.Errorf("got the roots of %s, want those of %s", b.Source, source)
		}
		if _, err := b.Pool(); err != nil {
			t.Error(err)
		}
	}
	for _, name := range variables {
		expect(env[name] + " (" + name + ")")
		delete(env, name)
	}
	for _, name := range systemFiles {
		expect("/" + name)
		// A file of the system that holds nothing is as none at all.
		root[name] = &fstest.MapFile{Data: []byte("# empty\n")}
	}
	b := find()
	if !b.Embedded || b.Source != "embedded Mozilla roots" {
		t.Errorf("got the roots of %s", b.Source)
	}
}

// The built-in roots hold those that Azure's own certificates lead to.
func TestEmbeddedBase(t *testing.T) {
	b, err := certs.FindBase(environ(), fstest.MapFS{})
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for rest := b.PEM; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		names[parse(t, block.Bytes).Subject.CommonName] = true
	}
	for _, want := range []string{"DigiCert Global Root G2", "Microsoft RSA Root Certificate Authority 2017", "Microsoft ECC Root Certificate Authority 2017"} {
		if !names[want] {
			t.Errorf("%s is missing", want)
		}
	}
	if len(names) < 80 {
		t.Errorf("only %d roots", len(names))
	}
}

func TestFindBaseTellsOfABadVariable(t *testing.T) {
	good := someRoot(t)
	der, _ := pem.Decode(good)
	system := fstest.MapFS{"etc/ssl/cert.pem": {Data: good}}
	for _, name := range []string{"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"} {
		for what, path := range map[string]string{
			"missing":     filepath.Join(t.TempDir(), "nothing.pem"),
			"empty":       file(t),
			"no PEM":      file(t, []byte("hello")),
			"DER":         file(t, der.Bytes),
			"half":        file(t, good, good[:len(good)/2]),
			"no cert":     file(t, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("hello")})),
			"key only":    file(t, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("hello")})),
			"empty dir":   t.TempDir(),
			"trusted PEM": file(t, pem.EncodeToMemory(&pem.Block{Type: "TRUSTED CERTIFICATE", Bytes: der.Bytes})),
		} {
			_, err := certs.FindBase(environ(name, path), system)
			var base *certs.BaseError
			if !errors.As(err, &base) {
				t.Errorf("%s, %s: %v", name, what, err)
				continue
			}
			if base.Variable != name || base.Path != path || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), path) || !strings.Contains(base.Remedy(), name) {
				t.Errorf("%s, %s: %v; %s", name, what, err, base.Remedy())
			}
		}
	}
}

// Python's requests takes a directory of certificates too.
func TestFindBaseReadsADirectory(t *testing.T) {
	dir := t.TempDir()
	a, b := someRoot(t), someRoot(t)
	for name, data := range map[string][]byte{"a.pem": a, "b.crt": b, "1a2b3c4d.0": a, "README": []byte("hello")} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "private"), 0o700); err != nil {
		t.Fatal(err)
	}
	got, err := certs.FindBase(environ("REQUESTS_CA_BUNDLE", dir), nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(got.PEM, []byte("BEGIN CERTIFICATE")); n != 2 || !bytes.Contains(got.PEM, a) || !bytes.Contains(got.PEM, b) {
		t.Errorf("%d certificates", n)
	}
}

// Only certificates are taken over: not comments in some odd encoding, and
// never a key that lies in the same file.
func TestFindBaseTakesCertificatesOnly(t *testing.T) {
	root := someRoot(t)
	crlf := bytes.ReplaceAll(someRoot(t), []byte("\n"), []byte("\r\n"))
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("canary")})
	path := file(t, []byte("\xef\xbb\xbf# Autorit\xe9\n"), root, key, bytes.TrimSpace(crlf))
	b, err := certs.FindBase(environ("SSL_CERT_FILE", path), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := append(bytes.Clone(root), bytes.ReplaceAll(crlf, []byte("\r\n"), []byte("\n"))...)
	if !bytes.Equal(b.PEM, want) {
		t.Errorf("got\n%s\nwant\n%s", b.PEM, want)
	}
}

// The user took over the variables of 'attribproxy env' and starts the proxy
// again: its own earlier bundle must not become its base.
func TestFindBasePassesOverOurOwnBundles(t *testing.T) {
	state := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(state, link); err != nil {
		t.Fatal(err)
	}
	system := fstest.MapFS{"etc/ssl/cert.pem": {Data: someRoot(t)}}
	base, err := certs.FindBase(environ(), system)
	if err != nil {
		t.Fatal(err)
	}
	bundles, err := certs.WriteBundles(state, ephemeral(t, oneHost), base)
	if err != nil {
		t.Fatal(err)
	}
	for what, path := range map[string]string{
		"as written":     bundles.Combined,
		"through a link": filepath.Join(link, filepath.Base(bundles.Combined)),
		"since removed":  filepath.Join(link, "bundle-of-yesterday.pem"),
	} {
		getenv := environ("REQUESTS_CA_BUNDLE", path, "SSL_CERT_FILE", path, "NODE_EXTRA_CA_CERTS", bundles.CAOnly)
		got, err := certs.FindBase(getenv, system, "", state)
		if err != nil {
			t.Fatal(err)
		}
		if got.Source != "/etc/ssl/cert.pem" || len(got.NodeExtra) > 0 {
			t.Errorf("%s: base %s, %d bytes for Node", what, got.Source, len(got.NodeExtra))
		}
	}
	// The bundle of a run is needed by a run inside it: its proxy is the way out.
	for _, other := range []string{state + "-corporate.pem", filepath.Join(state, "run", "bundle.pem")} {
		if err := os.MkdirAll(filepath.Dir(other), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(other, someRoot(t), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := certs.FindBase(environ("SSL_CERT_FILE", other), system, state)
		if err != nil || !strings.HasPrefix(got.Source, other) {
			t.Errorf("base %s (%v)", got.Source, err)
		}
	}
}

func TestPool(t *testing.T) {
	if _, err := (certs.Base{Source: "nowhere"}).Pool(); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Error(err)
	}
	root := someRoot(t)
	pool, err := certs.Base{PEM: root}.Pool()
	if err != nil {
		t.Fatal(err)
	}
	want := x509.NewCertPool()
	want.AppendCertsFromPEM(root)
	if !pool.Equal(want) {
		t.Error("another pool")
	}
}
