package certs

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"software.sslmate.com/src/go-pkcs12"
)

// Bundles are the files through which clients trust an authority. All paths
// are absolute.
type Bundles struct {
	// CAOnly is the root alone, for what adds to its roots by itself.
	CAOnly string
	// NodeExtra is for Node, whose own way to add roots takes one file: the root,
	// the extra roots and those of the user's own NODE_EXTRA_CA_CERTS. It is the
	// same file as CAOnly when there are none.
	NodeExtra string
	// Combined is the base, the extra roots and ours, for every client whose
	// roots are replaced by what it is given.
	Combined string
	// TrustStore is the same as Combined, as a PKCS #12 trust store for Java.
	TrustStore string
	// TrustStorePassword opens the trust store. It protects nothing: the store
	// holds public certificates, and Java wants a password.
	TrustStorePassword string
}

// WriteBundles writes the bundles of an authority into dir, which must exist.
// The extra PEM texts are roots that every client is to trust beside the base:
// the corporate ones of the config, say. Each file appears at once, so that a
// client that starts meanwhile reads the old one or the new one.
func WriteBundles(dir string, a *Authority, b Base, extraPEM ...[]byte) (Bundles, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Bundles{}, fmt.Errorf("writing bundles: %w", err)
	}
	out := bundlesIn(dir)
	combined := CombinedPEM(a, b, extraPEM...)
	store, err := trustStore(parseCerts(combined))
	if err != nil {
		return Bundles{}, fmt.Errorf("writing bundles: %w", err)
	}
	files := []bundleFile{
		{out.CAOnly, a.RootPEM()},
		{out.Combined, combined},
		{out.TrustStore, store},
	}
	if added := join(append([][]byte{b.NodeExtra}, extraPEM...)...); len(added) > 0 {
		files = append(files, bundleFile{out.NodeExtra, join(added, a.RootPEM())})
	} else {
		if err := os.Remove(out.NodeExtra); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return Bundles{}, fmt.Errorf("writing bundles: %w", err)
		}
		out.NodeExtra = out.CAOnly
	}
	for _, f := range files {
		// Bundles are made anew at every start: nothing is lost with them in a
		// crash, and waiting for the disk would be most of what 'run' adds.
		if err := writeFile(f.path, f.data, 0o644, volatile); err != nil {
			return Bundles{}, fmt.Errorf("writing bundles: %w", err)
		}
	}
	return out, nil
}

// FindBundles returns the bundles that [WriteBundles] wrote into dir. Where
// there are none, errors.Is(err, fs.ErrNotExist).
func FindBundles(dir string) (Bundles, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Bundles{}, fmt.Errorf("finding bundles: %w", err)
	}
	out := bundlesIn(dir)
	for _, path := range []string{out.CAOnly, out.Combined, out.TrustStore} {
		if _, err := os.Stat(path); err != nil {
			return Bundles{}, fmt.Errorf("finding bundles: %w", err)
		}
	}
	if _, err := os.Stat(out.NodeExtra); err != nil {
		out.NodeExtra = out.CAOnly
	}
	return out, nil
}

func bundlesIn(dir string) Bundles {
	return Bundles{
		CAOnly:             filepath.Join(dir, "ca-only.pem"),
		NodeExtra:          filepath.Join(dir, "ca-node.pem"),
		Combined:           filepath.Join(dir, "bundle.pem"),
		TrustStore:         filepath.Join(dir, "truststore.p12"),
		TrustStorePassword: pkcs12.DefaultPassword,
	}
}

type bundleFile struct {
	path string
	data []byte
}

// CombinedPEM is the content of [Bundles.Combined]: a comment that says where
// the roots come from, the base, the extra roots, and last our root.
func CombinedPEM(a *Authority, b Base, extraPEM ...[]byte) []byte {
	comment := "# Written by attribproxy. Roots from " + strconv.QuoteToASCII(b.Source) +
		", then the CA of attribproxy (SHA-256 " + a.Fingerprint() + ").\n"
	texts := append([][]byte{b.PEM}, extraPEM...)
	return append([]byte(comment), join(append(texts, a.RootPEM())...)...)
}

// join puts PEM texts after one another, each block once and on lines of its
// own, whether or not a text ends with a newline.
func join(texts ...[]byte) []byte {
	return dedupe(bytes.Join(texts, []byte("\n")))
}

// trustStore makes a PKCS #12 store of trusted certificates.
//
// The old algorithms are chosen on purpose: they are the ones that every Java
// since 8 reads, and old scripts run on old Java. What they would protect is a
// list of public certificates under a public password.
func trustStore(certs []*x509.Certificate) ([]byte, error) {
	entries := make([]pkcs12.TrustStoreEntry, len(certs))
	for i, c := range certs {
		// Java keeps one entry for each alias, and roots of different keys share
		// a subject.
		sum := sha256.Sum256(c.Raw)
		entries[i] = pkcs12.TrustStoreEntry{Cert: c, FriendlyName: fmt.Sprintf("%s [%x]", c.Subject, sum[:4])}
	}
	data, err := pkcs12.LegacyDES.EncodeTrustStoreEntries(entries, pkcs12.DefaultPassword)
	if err != nil {
		return nil, fmt.Errorf("making the Java trust store: %w", err)
	}
	return data, nil
}
