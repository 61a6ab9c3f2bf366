package audit

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"
)

// maxSource is the longest name of a source, in bytes.
const maxSource = 128

// SourceName returns the name in <stateDir>/source, made on first use: the
// host's name and 8 random hex digits. Processes that start at the same
// moment all get the same name.
func SourceName(stateDir string) (string, error) {
	path := filepath.Join(stateDir, "source")
	name, err := readSource(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return name, err
	}
	if err := os.MkdirAll(stateDir, 0o700); err != nil {
		return "", fmt.Errorf("making the source's name: %w", err)
	}
	var random [4]byte
	if _, err := rand.Read(random[:]); err != nil {
		return "", fmt.Errorf("making the source's name: %w", err)
	}
	name = hostName() + "-" + hex.EncodeToString(random[:])
	if err := createOnce(path, []byte(name+"\n"), 0o600); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("making the source's name: %w", err)
	}
	return readSource(path) // ours, or the one that was faster
}

func readSource(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("reading the source's name: %w", err)
	}
	name := strings.TrimSpace(string(data))
	if err := checkSource(name); err != nil {
		return "", fmt.Errorf("reading %s: %w", path, err)
	}
	return name, nil
}

// checkSource accepts what can stand in a seal's text and in a table.
func checkSource(name string) error {
	switch {
	case name == "":
		return errors.New("the source has no name")
	case len(name) > maxSource:
		return fmt.Errorf("the source's name is longer than %d bytes", maxSource)
	case strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsGraphic(r) || r == unicode.ReplacementChar }):
		return fmt.Errorf("the source's name %q holds characters that cannot be shown", name)
	}
	return nil
}

// hostName is the first label of this machine's name, letters, digits and
// dashes only.
func hostName() string {
	host, _ := os.Hostname() // without a name "host" will do
	host, _, _ = strings.Cut(host, ".")
	host = strings.Map(func(r rune) rune {
		if r == '-' || r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			return r
		}
		return -1
	}, host)
	if host == "" {
		host = "host"
	}
	return host[:min(len(host), 63)]
}
