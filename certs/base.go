package certs

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// Base is the set of roots that a client would trust without us.
type Base struct {
	// Source says where the roots come from: a path, with the variable that
	// names it where there is one, or "embedded Mozilla roots".
	Source string
	// PEM holds the certificates and nothing else of the source, each in a block
	// of its own that ends with a newline.
	PEM []byte
	// Embedded is true when the machine has no roots and those built into this
	// program were taken; worth telling the user.
	Embedded bool
	// NodeExtra is what the user's own NODE_EXTRA_CA_CERTS adds to Node's roots:
	// empty, or of the form of PEM. It is not a part of PEM.
	NodeExtra []byte
}

// baseVariables are the user's own ways to say what to trust, the first first.
var baseVariables = [...]string{"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"}

// baseFiles are the bundles of Debian and Alpine, of Fedora, of SUSE, and of
// Alpine and macOS.
var baseFiles = [...]string{
	"etc/ssl/certs/ca-certificates.crt",
	"etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
	"etc/ssl/ca-bundle.pem",
	"etc/ssl/cert.pem",
}

// FindBase finds the roots that a client started in this environment would
// trust: the file that REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE or SSL_CERT_FILE
// names, else the system's bundle, else Mozilla's roots as built into this
// program.
//
// A variable (NODE_EXTRA_CA_CERTS too) that names a file which is missing or
// holds no certificate is a [*BaseError]: falling back in silence would hide a corporate root that the
// user counts on. A variable that names a file in one of the own directories is
// passed over: it is a bundle this program wrote, met again because the user
// took over the variables of 'attribproxy env'. (Directories below are not
// meant: the bundle of a run is a good base for a run inside it, whose requests
// go through the outer one.)
//
// The root file system is where the system's bundles are looked for; nil means
// the machine's own.
func FindBase(getenv func(string) string, root fs.FS, own ...string) (Base, error) {
	b, err := findRoots(getenv, root, own)
	if err != nil {
		return Base{}, err
	}
	const nodeVariable = "NODE_EXTRA_CA_CERTS"
	if path := getenv(nodeVariable); path != "" && !liesIn(path, own) {
		if b.NodeExtra, err = readRoots(path); err != nil {
			return Base{}, &BaseError{Variable: nodeVariable, Path: path, Err: err}
		}
	}
	return b, nil
}

// findRoots is FindBase without what is special to Node.
func findRoots(getenv func(string) string, root fs.FS, own []string) (Base, error) {
	for _, name := range baseVariables {
		path := getenv(name)
		if path == "" || liesIn(path, own) {
			continue
		}
		data, err := readRoots(path)
		if err != nil {
			return Base{}, &BaseError{Variable: name, Path: path, Err: err}
		}
		return Base{Source: fmt.Sprintf("%s (%s)", path, name), PEM: data}, nil
	}
	if root == nil {
		root = os.DirFS("/")
	}
	for _, name := range baseFiles {
		data, err := fs.ReadFile(root, name)
		if err != nil {
			continue
		}
		// A system's bundle is not the user's choice: what cannot be read is
		// passed over for the next.
		if data, err = onlyCerts(data); err == nil {
			return Base{Source: "/" + name, PEM: data}, nil
		}
	}
	return embeddedBase(), nil
}

// embeddedBase is Mozilla's list. Roots that Mozilla trusts only under a
// condition (say, for certificates issued before some day) are left out: a PEM
// file cannot carry the condition.
func embeddedBase() Base {
	var out bytes.Buffer
	for r := range bundle.Roots() {
		if r.Constraint == nil {
			_ = pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate}) // a Buffer takes everything
		}
	}
	return Base{Source: "embedded Mozilla roots", PEM: out.Bytes(), Embedded: true}
}

// Pool returns the roots for a verifier in Go.
func (b Base) Pool() (*x509.CertPool, error) {
	certs := parseCerts(b.PEM)
	if len(certs) == 0 {
		return nil, fmt.Errorf("no certificate in the roots from %s", b.Source)
	}
	pool := x509.NewCertPool()
	for _, c := range certs {
		pool.AddCert(c)
	}
	return pool, nil
}

// readRoots reads a PEM file, or, as requests takes one too, a directory of
// them.
func readRoots(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if data, err = onlyCerts(data); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return data, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var all []byte
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(path, e.Name()))
		if err != nil {
			continue // a directory, or a hash link to nowhere
		}
		if data, err = onlyCerts(data); err == nil {
			all = append(all, data...)
		}
	}
	all = dedupe(all)
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: %w", path, errNoCert)
	}
	return all, nil
}

var errNoCert = errors.New("no PEM certificate in it")

// onlyCerts returns the certificates of a PEM file, one block each. Comments
// and blocks of other kinds, a private key among them, are left behind. A file
// that breaks off inside a certificate is an error.
func onlyCerts(data []byte) ([]byte, error) {
	begun := bytes.Count(data, []byte("-----BEGIN CERTIFICATE-----"))
	var out bytes.Buffer
	whole := 0
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		whole++
		_ = pem.Encode(&out, &pem.Block{Type: block.Type, Bytes: block.Bytes})
	}
	switch {
	case begun == 0:
		return nil, errNoCert
	case whole != begun:
		return nil, fmt.Errorf("%d of its %d certificates are damaged", begun-whole, begun)
	case len(parseCerts(out.Bytes())) == 0:
		return nil, errNoCert
	}
	return out.Bytes(), nil
}

// dedupe drops the second and later copies of a certificate.
func dedupe(data []byte) []byte {
	var out bytes.Buffer
	seen := make(map[string]bool)
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return out.Bytes()
		}
		if der := string(block.Bytes); !seen[der] {
			seen[der] = true
			_ = pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: block.Bytes})
		}
	}
}

// parseCerts parses what Go can parse. A bundle may hold an old root that Go
// refuses (a negative serial number, say) and other clients take.
func parseCerts(data []byte) []*x509.Certificate {
	var certs []*x509.Certificate
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return certs
		}
		if c, err := x509.ParseCertificate(block.Bytes); err == nil {
			certs = append(certs, c)
		}
	}
}

// liesIn says whether a file lies directly in one of the directories, also when
// it is reached through links, and also when it is gone.
func liesIn(path string, dirs []string) bool {
	parent := filepath.Dir(resolved(path))
	return slices.ContainsFunc(dirs, func(dir string) bool { return dir != "" && resolved(dir) == parent })
}

// resolved makes a path absolute and follows its links as far as it exists.
func resolved(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		return target
	}
	if parent := filepath.Dir(path); parent != path {
		return filepath.Join(resolved(parent), filepath.Base(path))
	}
	return path
}
