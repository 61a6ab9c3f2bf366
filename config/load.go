package config

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"
)

// maxFile is the largest file that is read as a configuration; one with a
// thousand rules is a tenth of it.
const maxFile = 4 << 20

// Source is everything a configuration is made from. The zero value gives the
// defaults, as far as they hang on nothing outside.
type Source struct {
	// File is the path given with --config. When it is empty
	// $ATTRIBPROXY_CONFIG is read, else config.yaml in attribproxy's folder of
	// the XDG config home if there is one, else no file.
	File string

	// Env is the environment as [os.Environ] gives it: "NAME=value". See
	// [EnvName] for the names. An empty variable counts as not set.
	Env []string

	// Flags are the values the user gave on the command line, by key:
	// "listen", "stateDir", "audit.dir". Lists are separated by commas.
	Flags map[string]string

	// TrackingIDs are those of --id: they replace all rules by one that matches
	// every PUT. Excludes stay.
	TrackingIDs []string

	// Dir is what relative paths of flags and environment start from; "" is
	// the working directory. Those of a file start from the file's directory.
	Dir string

	// ReadFile and GOOS stand in for [os.ReadFile] and [runtime.GOOS] in tests.
	ReadFile func(string) ([]byte, error)
	GOOS     string
}

// Loaded is a configuration and how it came about.
type Loaded struct {
	// Config is valid.
	Config *Config
	// File is the absolute path of the file that was read, "" if none.
	File string
	// Digest identifies the file's content, for [Watch]; "" without a file.
	Digest string
	// Blank is true when the file holds nothing at all, or there is none. A file
	// that becomes blank was emptied, or is about to be written: nobody means
	// to drop every exclude that way.
	Blank bool
	// Rereadable is false where the file is a pipe, a terminal or the like,
	// which gives nothing the second time: it cannot be watched or reloaded.
	Rereadable bool
	// Warnings are things that are allowed and probably not meant.
	Warnings []Fault
	// Origins says by key where a value came from: "config.yaml:12",
	// "ATTRIBPROXY_MODE", "--listen", "HTTPS_PROXY". What is missing is a default.
	Origins map[string]string
}

// Load is [Resolve] for those who want no more than the configuration.
func Load(src Source) (*Config, error) {
	loaded, err := Resolve(src)
	if err != nil {
		return nil, err
	}
	return loaded.Config, nil
}

// Resolve makes a configuration out of its sources and checks all of it. The
// error is an [*Error] with every fault, or says why the file cannot be read.
func Resolve(src Source) (*Loaded, error) {
	if src.ReadFile == nil {
		src.ReadFile = readBounded
	}
	if src.GOOS == "" {
		src.GOOS = runtime.GOOS
	}
	l := &loader{src: src, env: environ(src.Env), origins: map[string]string{}, faulty: map[string]bool{}, reading: true}
	return l.run()
}

// loader is the work of one Resolve.
type loader struct {
	src      Source
	name     string // of the file, as the user gave it
	env      map[string]string
	origins  map[string]string
	faults   []Fault
	faulty   map[string]bool // paths without a sound value, to keep quiet about what follows from it
	reading  bool            // faults are still about reading values, not about their meaning
	warnings []Fault
}

func (l *loader) run() (*Loaded, error) {
	v := viper.New()
	for key, value := range leaves(Default()) {
		v.SetDefault(key, value)
	}
	name, content, err := l.readFile()
	if err != nil {
		return nil, err
	}
	var file, digest string
	if name != "" {
		l.name, file, digest = name, l.absolute(name), digestOf(content)
		if err := v.MergeConfigMap(l.fileLayer(name, content)); err != nil {
			return nil, fmt.Errorf("merging config file: %w", err)
		}
	}
	if err := v.MergeConfigMap(l.envLayer()); err != nil {
		return nil, fmt.Errorf("merging environment: %w", err)
	}
	for key, value := range l.flagLayer() {
		v.Set(key, value)
	}

	cfg := &Config{}
	if err := v.UnmarshalExact(cfg, decoding); err != nil {
		// The layers were checked key by key before viper saw them.
		return nil, fmt.Errorf("decoding configuration: %w", err)
	}
	l.reading = false
	l.complete(cfg)
	l.validate(cfg)
	if len(l.faults) > 0 {
		return nil, &Error{Faults: l.faults}
	}
	l.checkFileMode(cfg, file)
	return &Loaded{
		Config: cfg, File: file, Digest: digest, Blank: len(bytes.TrimSpace(content)) == 0,
		Rereadable: file != "" && isRegular(file), Warnings: l.warnings, Origins: l.origins,
	}, nil
}

// decoding makes viper strict: no guessing of types, no splitting of strings.
func decoding(dc *mapstructure.DecoderConfig) {
	dc.TagName = "json"
	dc.WeaklyTypedInput = false
	dc.DecodeHook = mapstructure.TextUnmarshallerHookFunc()
}

// readFile finds the config file and reads it. The path is as the user gave it,
// "" if there is no file.
func (l *loader) readFile() (path string, content []byte, err error) {
	path = l.src.File
	if path == "" {
		path = l.env["ATTRIBPROXY_CONFIG"]
	}
	asked := path != ""
	if !asked {
		if path, err = DefaultFile(l.src.GOOS, l.src.Env); err != nil {
			return "", nil, nil // no home directory, hence no file in it
		}
	}
	content, err = l.src.ReadFile(l.absolute(path))
	switch {
	case errors.Is(err, fs.ErrNotExist) && !asked:
		return "", nil, nil
	case err != nil:
		return "", nil, fmt.Errorf("reading config file: %w", err)
	case len(content) > maxFile:
		return "", nil, fmt.Errorf("reading config file: %s has more than the %d bytes a configuration may have", path, maxFile)
	}
	return path, content, nil
}

// checkFileMode warns of a password that stands in a file everybody can read.
func (l *loader) checkFileMode(cfg *Config, file string) {
	proxy := cfg.Upstream.Proxy
	if file == "" || l.src.GOOS == "windows" || redact(proxy) == proxy || !strings.HasPrefix(l.origin("upstream.proxy"), l.name+":") {
		return
	}
	if info, err := os.Stat(file); err == nil && info.Mode().Perm()&0o004 != 0 {
		l.warn(Fault{
			Path: "upstream.proxy", Message: "holds a password, and everybody on this machine can read the file",
			Remedy: "chmod 600 " + file + ", or set $" + EnvName("upstream.proxy"),
		})
	}
}

// absolute makes a path of the command line or the environment absolute.
func (l *loader) absolute(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	if l.src.Dir != "" {
		return filepath.Join(l.src.Dir, path)
	}
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// fault notes a fault, unless the key or one above it could not be read at all.
func (l *loader) fault(f Fault) {
	for at := f.Path; at != ""; at = parent(at) {
		if l.faulty[at] {
			return
		}
	}
	if f.Where == "" {
		f.Where = l.origin(f.Path)
	}
	f.Value = redact(f.Value)
	l.faults = append(l.faults, f)
	if l.reading {
		l.faulty[f.Path] = true
	}
}

// warn notes something that is allowed and probably not meant.
func (l *loader) warn(f Fault) {
	if f.Where == "" {
		f.Where = l.origin(f.Path)
	}
	f.Value = redact(f.Value)
	l.warnings = append(l.warnings, f)
}

// origin says where a key, or the nearest one above it that was set, came from.
func (l *loader) origin(path string) string {
	for at := path; at != ""; at = parent(at) {
		if where, ok := l.origins[at]; ok {
			return where
		}
	}
	return "default"
}

// parent is the path one step up: rules[2].match → rules[2] → rules → "".
func parent(path string) string {
	return path[:max(strings.LastIndexAny(path, ".["), 0)]
}

// digestOf identifies a file's content.
func digestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// leaves gives the value of every key of a configuration that holds no other
// keys, as viper wants it.
func leaves(cfg *Config) map[string]any {
	out := map[string]any{}
	walk(reflect.ValueOf(cfg).Elem(), "", func(path string, v reflect.Value) {
		out[path] = plain(v)
	})
	return out
}
