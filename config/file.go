package config

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// readBounded reads a file, or a pipe, to its end, but no more than tells that
// it is too large: /dev/zero has no end.
func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	return content, nil
}

// errNotRegular says that a file cannot be read again, as it is a pipe, a
// terminal or the like.
var errNotRegular = errors.New("not a regular file")

// readRegular is readBounded for a file that is read again and again: what is
// no regular file gives other content, or none, the second time.
func readRegular(path string) ([]byte, error) {
	if !isRegular(path) {
		return nil, fmt.Errorf("reading %s: %w", path, errNotRegular)
	}
	return readBounded(path)
}

func isRegular(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
