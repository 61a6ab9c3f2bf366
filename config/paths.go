package config

import (
	"errors"
	"path/filepath"
	"strings"
)

// appName is our folder's name in the places for state and configuration.
const appName = "attribproxy"

var errNoHome = errors.New("no home directory is known")

// DefaultFile is where a config file is looked for when none is named:
// $XDG_CONFIG_HOME/attribproxy/config.yaml, ~/.config by default, and
// %LOCALAPPDATA% on Windows. It fails where no home directory is known.
func DefaultFile(goos string, env []string) (string, error) {
	dir, err := baseDir(goos, environ(env), "XDG_CONFIG_HOME", ".config")
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, appName, "config.yaml"), nil
}

// DefaultStateDir is the state directory of an empty configuration:
// $XDG_STATE_HOME/attribproxy, ~/.local/state by default, and %LOCALAPPDATA%
// on Windows. It fails where no home directory is known.
func DefaultStateDir(goos string, env []string) (string, error) {
	dir, err := baseDir(goos, environ(env), "XDG_STATE_HOME", filepath.Join(".local", "state"))
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, appName), nil
}

// baseDir follows the XDG base directory specification, which wants relative
// values ignored: https://specifications.freedesktop.org/basedir/latest/
func baseDir(goos string, env map[string]string, xdg, underHome string) (string, error) {
	if dir := env[xdg]; filepath.IsAbs(dir) {
		return filepath.Clean(dir), nil
	}
	if goos == "windows" {
		if dir := env["LOCALAPPDATA"]; filepath.IsAbs(dir) {
			return filepath.Clean(dir), nil
		}
	}
	home, err := homeDir(goos, env)
	if err != nil {
		return "", err
	}
	if goos == "windows" {
		return filepath.Join(home, "AppData", "Local"), nil
	}
	return filepath.Join(home, underHome), nil
}

func homeDir(goos string, env map[string]string) (string, error) {
	name := "HOME"
	if goos == "windows" {
		name = "USERPROFILE"
	}
	if !filepath.IsAbs(env[name]) {
		return "", errNoHome
	}
	return filepath.Clean(env[name]), nil
}

// path makes a path absolute that is relative to dir, and reads a leading ~/ as
// the home directory. "" stays.
func (l *loader) path(path, dir string) string {
	if path == "" {
		return ""
	}
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if home, err := homeDir(l.src.GOOS, l.env); err == nil {
			return filepath.Join(home, rest)
		}
	}
	if !filepath.IsAbs(path) && dir != "" {
		path = filepath.Join(dir, path)
	}
	return l.absolute(path)
}
