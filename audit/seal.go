package audit

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// PublicKeySuffix is added to the name of the seal key's file to name the
// file of its public half.
const PublicKeySuffix = ".pub"

// KeyPermissionError says that others than the owner can read the seal key.
type KeyPermissionError struct {
	Path string
	Mode os.FileMode
}

func (e *KeyPermissionError) Error() string {
	return fmt.Sprintf("the seal key %s can be read by others (mode %04o); run: chmod 600 %[1]s", e.Path, e.Mode.Perm())
}

// sealKey signs seals.
type sealKey struct {
	private ed25519.PrivateKey
	id      string
}

func (k sealKey) public() ed25519.PublicKey { return k.private.Public().(ed25519.PublicKey) }

// loadSealKey reads the key at path, or makes it when there is none.
func loadSealKey(path string) (sealKey, error) {
	key, err := readSealKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeSealKey(path); err != nil {
			return sealKey{}, fmt.Errorf("making the seal key: %w", err)
		}
		key, err = readSealKey(path)
	}
	if err != nil {
		return sealKey{}, fmt.Errorf("reading the seal key: %w", err)
	}
	if err := writePublicKey(path+PublicKeySuffix, key.public()); err != nil {
		return sealKey{}, fmt.Errorf("writing the public half of the seal key: %w", err)
	}
	return key, nil
}

func makeSealKey(path string) error {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	err = createOnce(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil // another process was faster: its key it is
	}
	return err
}

func readSealKey(path string) (sealKey, error) {
	info, err := os.Stat(path)
	if err != nil {
		return sealKey{}, err
	}
	if tooOpen(info.Mode()) {
		return sealKey{}, &KeyPermissionError{Path: path, Mode: info.Mode()}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return sealKey{}, err
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "PRIVATE KEY" {
		return sealKey{}, fmt.Errorf("%s is no private key in PEM", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return sealKey{}, fmt.Errorf("%s: %w", path, err)
	}
	private, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return sealKey{}, fmt.Errorf("%s is no Ed25519 key", path)
	}
	return sealKey{private: private, id: KeyID(private.Public().(ed25519.PublicKey))}, nil
}

// writePublicKey writes the file unless it holds that key already.
func writePublicKey(path string, public ed25519.PublicKey) error {
	if have, err := ReadPublicKey(path); err == nil && have.Equal(public) {
		return nil
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return err
	}
	return replaceFile(path, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o644)
}

// ReadPublicKey reads the public half of a seal key, PKIX in PEM.
func ReadPublicKey(path string) (ed25519.PublicKey, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the public key: %w", err)
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "PUBLIC KEY" {
		return nil, fmt.Errorf("reading the public key: %s is no public key in PEM", path)
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("reading the public key: %s: %w", path, err)
	}
	public, ok := parsed.(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("reading the public key: %s is no Ed25519 key", path)
	}
	return public, nil
}

// KeyID names a seal key: the first 32 hex digits of the SHA-256 of the raw
// public key (RFC 8032 §5.1.5).
func KeyID(public ed25519.PublicKey) string {
	sum := sha256.Sum256(public)
	return hex.EncodeToString(sum[:16])
}

// sealText is what a seal's signature covers. Prev binds every line of the
// stream so far.
func sealText(e *Event) []byte {
	return fmt.Appendf(nil, "attribproxy-seal-v1\n%s\n%d\n%d\n%d\n%d\n%t\n%s\n",
		e.Source, e.Epoch, e.Segment, e.First, e.Last, e.Final, e.Prev)
}

// sign completes a seal whose other fields are set.
func (k sealKey) sign(e *Event) {
	e.KeyID = k.id
	e.Sig = base64.StdEncoding.EncodeToString(ed25519.Sign(k.private, sealText(e)))
}

// checkSeal reports whether a seal's signature is the key's.
func checkSeal(e *Event, public ed25519.PublicKey) bool {
	sig, err := base64.StdEncoding.Strict().DecodeString(e.Sig)
	return err == nil && ed25519.Verify(public, sealText(e), sig)
}
