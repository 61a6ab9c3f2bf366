package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// readyInfo is what a running serve says of itself, in <state>/serve.json.
type readyInfo struct {
	PID    int    `json:"pid"`
	Proxy  string `json:"proxy"` // URL for HTTPS_PROXY
	Admin  string `json:"admin"` // URL of the admin listener, "" when it is off
	CA     string `json:"ca"`    // path of the root certificate
	Source string `json:"source"`
	Epoch  uint64 `json:"epoch"`
}

func readyPath(stateDir string) string { return filepath.Join(stateDir, "serve.json") }

// writeReady writes the ready file so that a reader sees all of it or none.
func writeReady(stateDir string, info readyInfo) error {
	b, err := json.Marshal(info)
	if err != nil {
		return fmt.Errorf("writing the ready file: %w", err)
	}
	tmp, err := os.CreateTemp(stateDir, ".serve-*.json")
	if err != nil {
		return fmt.Errorf("writing the ready file: %w", err)
	}
	_, err = tmp.Write(append(b, '\n'))
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), readyPath(stateDir))
	}
	if err != nil {
		os.Remove(tmp.Name())
		return fmt.Errorf("writing the ready file: %w", err)
	}
	return nil
}

// readReady reads the ready file. Where no serve has left one the error has
// the remedy.
func readReady(stateDir string) (readyInfo, error) {
	var info readyInfo
	b, err := os.ReadFile(readyPath(stateDir))
	if errors.Is(err, fs.ErrNotExist) {
		return info, withHint(fmt.Errorf("no serve is running on the state directory %s", stateDir),
			"start 'attribproxy serve', or name another one's directory with --state-dir")
	}
	if err != nil {
		return info, fmt.Errorf("reading the ready file: %w", err)
	}
	if err := json.Unmarshal(b, &info); err != nil {
		return info, withHint(fmt.Errorf("reading the ready file %s: %w", readyPath(stateDir), err), "remove the file and start serve again")
	}
	return info, nil
}
