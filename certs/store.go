package certs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gofrs/flock"
)

// The files of a CA in its directory.
const (
	RootFile   = "ca.pem"        // the root certificate: what clients trust
	IssuerFile = "ca-issuer.pem" // the issuing certificate
	KeyFile    = "ca-key.pem"    // the issuing key, PKCS #8, mode 0600

	lockFile = "ca.lock"
)

// LoadOrCreate reads the CA in dir, or makes one where there is none. The
// directory is created when it is missing. Any number of processes may call it
// at the same time: one makes the CA, all get the same.
//
// What is there is never replaced. The error is a [*HostsChangedError], a
// [*KeyPermissionError], an [*ExpiredError] or a [*DamagedError] where the CA
// cannot be used; each has a remedy.
func LoadOrCreate(dir string, o Options) (*Authority, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	a, err := load(dir, o.Now)
	if err != nil {
		// There is none, or another process is just writing it: look again when
		// nobody can be writing.
		unlock, lockErr := lock(dir)
		if lockErr != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil, lockErr
			}
			return nil, err // a directory that cannot be written, with a broken CA
		}
		defer unlock()
		a, err = load(dir, o.Now)
		if errors.Is(err, fs.ErrNotExist) {
			a, err = create(dir, o)
		}
	}
	if err != nil {
		return nil, err
	}
	if !slices.Equal(a.hosts, o.Hosts) {
		return nil, &HostsChangedError{Dir: dir, Old: a.Hosts(), New: o.Hosts}
	}
	if err := a.expired(o.Now()); err != nil {
		return nil, err
	}
	return a, nil
}

// Rotate replaces the CA in dir, whatever its state, by a new one. Processes
// that run keep the old one until they are started again, and clients trust
// the new one only after they picked up its root.
func Rotate(dir string, o Options) (*Authority, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	unlock, err := lock(dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	return create(dir, o)
}

// Inspect reads the two certificates in dir, without the key, for showing and
// exporting them: the CA may have ended, and it cannot serve. Where there is no
// CA, errors.Is(err, fs.ErrNotExist).
func Inspect(dir string) (*Authority, error) {
	root, issuer, err := loadCerts(dir)
	if err != nil {
		return nil, err
	}
	return newAuthority(dir, root, issuer, nil, time.Now), nil
}

// lock makes the directory and takes the lock of its CA.
func lock(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("creating the directory of the CA: %w", err)
	}
	l := flock.New(filepath.Join(dir, lockFile), flock.SetPermissions(0o600))
	if err := l.Lock(); err != nil {
		return nil, fmt.Errorf("locking the CA in %s: %w", dir, err)
	}
	return func() { _ = l.Unlock() }, nil
}

// create writes a new CA; the lock is held. The root comes last: nobody can
// have handed out the root of a CA whose writing was interrupted.
func create(dir string, o Options) (*Authority, error) {
	root, issuer, key, err := mintCA(o.Hosts, o.Now())
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding the CA key: %w", err)
	}
	a := newAuthority(dir, root, issuer, key, o.Now)
	for _, f := range []struct {
		name string
		data []byte
		mode fs.FileMode
	}{
		{KeyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600},
		{IssuerFile, a.IssuerPEM(), 0o644},
		{RootFile, a.RootPEM(), 0o644},
	} {
		if err := writeFile(filepath.Join(dir, f.name), f.data, f.mode, durable); err != nil {
			return nil, fmt.Errorf("writing the CA: %w", err)
		}
	}
	return a, nil
}

// load reads a whole CA. Where none of its files is there, errors.Is(err,
// fs.ErrNotExist).
func load(dir string, now func() time.Time) (*Authority, error) {
	root, issuer, err := loadCerts(dir)
	if err != nil {
		return nil, err
	}
	key, err := loadKey(dir)
	if err != nil {
		return nil, err
	}
	if !key.PublicKey.Equal(issuer.PublicKey) {
		return nil, &DamagedError{Dir: dir, Problem: KeyFile + " is not the key of " + IssuerFile}
	}
	return newAuthority(dir, root, issuer, key, now), nil
}

func loadKey(dir string) (*ecdsa.PrivateKey, error) {
	path := filepath.Join(dir, KeyFile)
	f, err := os.Open(path)
	if err != nil {
		return nil, &DamagedError{Dir: dir, Problem: "reading " + KeyFile, Err: err}
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, &DamagedError{Dir: dir, Problem: "reading " + KeyFile, Err: err}
	}
	if openToOthers(info.Mode()) {
		return nil, &KeyPermissionError{Path: path, Mode: info.Mode()}
	}
	data, err := io.ReadAll(f)
	if err != nil {
		return nil, &DamagedError{Dir: dir, Problem: "reading " + KeyFile, Err: err}
	}
	der, err := onePEM(dir, KeyFile, "PRIVATE KEY", data)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, &DamagedError{Dir: dir, Problem: KeyFile + " holds no key", Err: err}
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, &DamagedError{Dir: dir, Problem: KeyFile + " holds a key of another kind than ECDSA"}
	}
	return key, nil
}

func loadCerts(dir string) (root, issuer *x509.Certificate, err error) {
	if err := complete(dir); err != nil {
		return nil, nil, err
	}
	if root, err = loadCert(dir, RootFile); err != nil {
		return nil, nil, err
	}
	if issuer, err = loadCert(dir, IssuerFile); err != nil {
		return nil, nil, err
	}
	if err := root.CheckSignatureFrom(root); err != nil {
		return nil, nil, &DamagedError{Dir: dir, Problem: RootFile + " is no root", Err: err}
	}
	if err := issuer.CheckSignatureFrom(root); err != nil {
		return nil, nil, &DamagedError{Dir: dir, Problem: IssuerFile + " was not signed by " + RootFile, Err: err}
	}
	// Only constraints as narrow as ours make the promise of the package
	// comment. Whoever puts a CA of their own here gets told.
	for _, c := range []struct {
		cert *x509.Certificate
		name string
	}{{root, RootFile}, {issuer, IssuerFile}} {
		if !constrainedTo(c.cert, root.PermittedDNSDomains) {
			return nil, nil, &DamagedError{Dir: dir, Problem: c.name + " is not constrained to the intercepted hosts as attribproxy constrains its CA"}
		}
	}
	if issuer.MaxPathLen != 0 || !issuer.MaxPathLenZero {
		return nil, nil, &DamagedError{Dir: dir, Problem: IssuerFile + " may sign further CAs"}
	}
	return root, issuer, nil
}

// complete says fs.ErrNotExist when no file of the CA is there, and what is
// missing when only some are.
func complete(dir string) error {
	var missing []string
	files := []string{RootFile, IssuerFile, KeyFile}
	for _, name := range files {
		if _, err := os.Lstat(filepath.Join(dir, name)); errors.Is(err, fs.ErrNotExist) {
			missing = append(missing, name)
		}
	}
	switch len(missing) {
	case 0:
		return nil
	case len(files):
		return fmt.Errorf("there is no CA in %s: %w", dir, fs.ErrNotExist)
	}
	return &DamagedError{Dir: dir, Problem: "missing " + list(missing)}
}

// constrainedTo says whether a CA certificate carries exactly the constraints
// that [constrain] gives it for the hosts.
func constrainedTo(c *x509.Certificate, hosts []string) bool {
	canonical, err := canonicalHosts(hosts)
	if err != nil || !slices.Equal(canonical, hosts) {
		return false
	}
	var want x509.Certificate
	constrain(&want, hosts)
	if !c.PermittedDNSDomainsCritical || !slices.Equal(c.PermittedDNSDomains, hosts) ||
		!slices.Equal(c.ExcludedDNSDomains, want.ExcludedDNSDomains) || len(c.ExcludedIPRanges) != len(want.ExcludedIPRanges) {
		return false
	}
	for i, r := range want.ExcludedIPRanges {
		if c.ExcludedIPRanges[i].String() != r.String() {
			return false
		}
	}
	return true
}

func loadCert(dir, name string) (*x509.Certificate, error) {
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return nil, &DamagedError{Dir: dir, Problem: "reading " + name, Err: err}
	}
	der, err := onePEM(dir, name, "CERTIFICATE", data)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, &DamagedError{Dir: dir, Problem: name + " holds no certificate", Err: err}
	}
	return cert, nil
}

// onePEM takes apart a file that must be one PEM block of the kind.
func onePEM(dir, name, kind string, data []byte) ([]byte, error) {
	block, rest := pem.Decode(data)
	if block == nil || block.Type != kind || len(bytes.TrimSpace(rest)) > 0 {
		return nil, &DamagedError{Dir: dir, Problem: fmt.Sprintf("%s is not one whole PEM block %q", name, kind)}
	}
	return block.Bytes, nil
}
