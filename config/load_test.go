package config_test

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/attribproxy/attribproxy/config"
)

// fromFile is a source with one file of that content, and a home directory.
func fromFile(t *testing.T, content string, env ...string) config.Source {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "config.yaml")
	return config.Source{
		File: path,
		Env:  append([]string{"HOME=" + dir, "USERPROFILE=" + dir}, env...),
		ReadFile: func(name string) ([]byte, error) {
			if name != path {
				return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
			}
			return []byte(content), nil
		},
	}
}

func load(t *testing.T, src config.Source) *config.Config {
	t.Helper()
	cfg, err := config.Load(src)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

const guid = "11111111-2222-3333-4444-555555555555"

func TestNothingGivenMeansDefaults(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	got, err := config.Resolve(config.Source{Env: []string{"HOME=" + home}, GOOS: "linux"})
	if err != nil {
		t.Fatal(err)
	}
	want := config.Default()
	want.StateDir = filepath.Join(home, ".local", "state", "attribproxy")
	want.Audit.Dir = filepath.Join(want.StateDir, "audit")
	if diff := cmp.Diff(want, got.Config); diff != "" {
		t.Error(diff)
	}
	if got.File != "" || got.Digest != "" || len(got.Origins) > 0 {
		t.Errorf("a file is claimed: %q %q %v", got.File, got.Digest, got.Origins)
	}
}

// A flag wins over the variable, that over the file, that over the default.
func TestOrderOfSources(t *testing.T) {
	t.Parallel()
	file := "mode: observe\nlisten: 127.0.0.1:1001\ndrain: 1s\nlabels: [from=file, second=label]\nintercept: {clouds: [china, public]}\n"
	src := fromFile(t, file,
		"ATTRIBPROXY_LISTEN=127.0.0.1:1002", "ATTRIBPROXY_DRAIN=2s", "ATTRIBPROXY_LABELS=from=env, x=y",
		"ATTRIBPROXY_INTERCEPT_CLOUDS=usgovernment", "ATTRIBPROXY_AUDIT_SEGMENT_BYTES=1MiB")
	src.Flags = map[string]string{"drain": "3s"}

	loaded, err := config.Resolve(src)
	if err != nil {
		t.Fatal(err)
	}
	got := loaded.Config
	want := *got
	want.Admin = "127.0.0.1:8643"
	want.Mode = "observe"
	want.Listen = "127.0.0.1:1002"
	want.Drain = config.Duration(3 * time.Second)
	want.Labels = []string{"from=env", "x=y"}
	want.Intercept.Clouds = []string{"usgovernment"}
	want.Audit.SegmentBytes = 1 << 20
	if diff := cmp.Diff(&want, got); diff != "" {
		t.Error(diff)
	}
	wantOrigins := map[string]string{
		"mode": src.File + ":1", "listen": "ATTRIBPROXY_LISTEN", "drain": "--drain",
		"labels": "ATTRIBPROXY_LABELS", "intercept": src.File + ":5", "intercept.clouds": "ATTRIBPROXY_INTERCEPT_CLOUDS",
		"audit.segmentBytes": "ATTRIBPROXY_AUDIT_SEGMENT_BYTES",
	}
	if diff := cmp.Diff(wantOrigins, loaded.Origins); diff != "" {
		t.Error(diff)
	}
}

func TestEveryKeyHasAVariable(t *testing.T) {
	t.Parallel()
	env := []string{
		"ATTRIBPROXY_LISTEN=127.0.0.1:0", "ATTRIBPROXY_ADMIN=off", "ATTRIBPROXY_STATE_DIR=/s", "ATTRIBPROXY_MODE=observe",
		"ATTRIBPROXY_LABELS=a=b", "ATTRIBPROXY_INTERCEPT_CLOUDS=public,china", "ATTRIBPROXY_INTERCEPT_HOSTS=east.management.azure.com",
		"ATTRIBPROXY_INTERCEPT_BYPASS=refuse", "ATTRIBPROXY_UPSTREAM_PROXY=http://p:1", "ATTRIBPROXY_UPSTREAM_NO_PROXY=a,.b",
		"ATTRIBPROXY_UPSTREAM_RESOLVE=a:443:127.0.0.1:1", "ATTRIBPROXY_UPSTREAM_ALLOW=127.0.0.0/8,::1/128",
		"ATTRIBPROXY_AUDIT_DIR=/a", "ATTRIBPROXY_AUDIT_SOURCE=agent-7", "ATTRIBPROXY_AUDIT_GUARANTEE=strict",
		"ATTRIBPROXY_AUDIT_SEGMENT_BYTES=1MiB", "ATTRIBPROXY_AUDIT_SEGMENT_AGE=1h", "ATTRIBPROXY_AUDIT_RETAIN_AGE=30d",
		"ATTRIBPROXY_AUDIT_RETAIN_BYTES=1GiB", "ATTRIBPROXY_LOG_LEVEL=debug", "ATTRIBPROXY_LOG_FORMAT=json", "ATTRIBPROXY_DRAIN=1m",
	}
	loaded, err := config.Resolve(fromFile(t, "", env...))
	if err != nil {
		t.Fatal(err)
	}
	got := loaded.Config
	abs := func(p string) string {
		a, err := filepath.Abs(p)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	want := &config.Config{
		Listen: "127.0.0.1:0", Admin: "", StateDir: abs("/s"), Mode: "observe", Labels: []string{"a=b"},
		Intercept: config.Intercept{Clouds: []string{"public", "china"}, Hosts: []string{"east.management.azure.com"}, Bypass: "refuse"},
		Exclude:   []config.Exclude{}, Rules: []config.Rule{},
		Upstream: config.Upstream{
			Proxy: "http://p:1", NoProxy: []string{"a", ".b"}, Resolve: []string{"a:443:127.0.0.1:1"}, Allow: []string{"127.0.0.0/8", "::1/128"},
		},
		Audit: config.Audit{
			Dir: abs("/a"), Source: "agent-7", Guarantee: "strict", SegmentBytes: 1 << 20, SegmentAge: config.Duration(time.Hour),
			RetainAge: config.Duration(720 * time.Hour), RetainBytes: 1 << 30,
		},
		Log: config.Log{Level: "debug", Format: "json"}, Drain: config.Duration(time.Minute),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(loaded.Warnings) > 0 {
		t.Error("warnings:", loaded.Warnings)
	}
}

func TestRulesAndExcludes(t *testing.T) {
	t.Parallel()
	cfg := load(t, fromFile(t, `
exclude:
  - name: fabrikam
    match: { subscriptions: [`+guid+`] }
rules:
  - name: compute
    match:
      resourceTypes: ["Microsoft.Compute/*"]
      tools: [azure-cli]
    trackingIds: [`+guid+`]
    onOtherId: keep
  - name: rest
    trackingIds: [pid-contoso-offer-partnercenter]
`))
	want := []config.Rule{
		{
			Name:        "compute",
			Match:       config.Match{Methods: []string{"PUT"}, Subscriptions: []string{}, ResourceGroups: []string{}, ResourceTypes: []string{"Microsoft.Compute/*"}, Tools: []string{"azure-cli"}},
			TrackingIDs: []string{guid}, OnOtherID: "keep",
		},
		{
			Name:        "rest",
			Match:       config.Match{Methods: []string{"PUT"}, Subscriptions: []string{}, ResourceGroups: []string{}, ResourceTypes: []string{}, Tools: []string{}},
			TrackingIDs: []string{"pid-contoso-offer-partnercenter"}, OnOtherID: "append",
		},
	}
	if diff := cmp.Diff(want, cfg.Rules); diff != "" {
		t.Error(diff)
	}
	if len(cfg.Exclude) != 1 || cfg.Exclude[0].Match.Subscriptions[0] != guid || len(cfg.Exclude[0].Match.Methods) != 0 {
		t.Errorf("exclude: %+v", cfg.Exclude)
	}
	if policy, faults := cfg.Policy(); policy == nil || len(faults) > 0 {
		t.Error("policy:", faults)
	}
}

// --id is one rule for everything, in place of the file's; excludes stay.
func TestTrackingIDsOfTheCommandLine(t *testing.T) {
	t.Parallel()
	src := fromFile(t, "exclude: [{name: e, match: {resourceGroups: [x]}}]\nrules: [{name: a, trackingIds: ["+guid+"]}]\n")
	src.TrackingIDs = []string{"pid-contoso-offer-partnercenter"}
	cfg := load(t, src)
	if len(cfg.Rules) != 1 || cfg.Rules[0].Name != config.CommandLineRule || len(cfg.Exclude) != 1 {
		t.Fatalf("rules %+v, exclude %+v", cfg.Rules, cfg.Exclude)
	}
	src.TrackingIDs = []string{"nonsense"}
	_, err := config.Load(src)
	if err == nil || !strings.Contains(err.Error(), `--id: rules[0].trackingIds[0]: "nonsense" `) {
		t.Errorf("a wrong --id: %v", err)
	}
}

func TestEmptyListReplacesDefault(t *testing.T) {
	t.Parallel()
	cfg := load(t, fromFile(t, "intercept: {clouds: [], hosts: [management.local.azurestack.external]}\n"))
	if diff := cmp.Diff([]string{"management.local.azurestack.external"}, cfg.InterceptHosts()); diff != "" {
		t.Error(diff)
	}
}

func TestNullAndEmptyVariableAreNotSet(t *testing.T) {
	t.Parallel()
	cfg := load(t, fromFile(t, "mode:\nrules: ~\naudit:\n  dir:\n", "ATTRIBPROXY_MODE=", "ATTRIBPROXY_LISTEN="))
	if cfg.Mode != "enforce" || cfg.Listen != "127.0.0.1:8642" || len(cfg.Rules) != 0 {
		t.Errorf("%+v", cfg)
	}
}

func TestAdminCanBeTurnedOff(t *testing.T) {
	t.Parallel()
	for _, src := range []config.Source{
		fromFile(t, `admin: ""`), fromFile(t, `admin: off`), fromFile(t, "", "ATTRIBPROXY_ADMIN=off"),
		{Env: []string{"HOME=" + t.TempDir(), "USERPROFILE=" + t.TempDir()}, Flags: map[string]string{"admin": ""}},
	} {
		if cfg := load(t, src); cfg.Admin != "" {
			t.Errorf("admin is %q", cfg.Admin)
		}
	}
}

func TestJSONFile(t *testing.T) {
	t.Parallel()
	cfg := load(t, fromFile(t, "{\n\t\"mode\": \"observe\",\n\t\"rules\": [\n\t\t{\"name\": \"a\", \"trackingIds\": [\""+guid+"\"]}\n\t]\n}\n"))
	if cfg.Mode != "observe" || len(cfg.Rules) != 1 {
		t.Errorf("%+v", cfg)
	}
}

// A scalar is what is written, not what YAML makes of it.
func TestWordsStayAsWritten(t *testing.T) {
	t.Parallel()
	cfg := load(t, fromFile(t, "labels: [no, 1e10, 007, 2026-01-01]\naudit: {segmentBytes: 65536}\n"))
	if diff := cmp.Diff([]string{"no", "1e10", "007", "2026-01-01"}, cfg.Labels); diff != "" {
		t.Error(diff)
	}
	if cfg.Audit.SegmentBytes != 65536 {
		t.Error(cfg.Audit.SegmentBytes)
	}
}

func TestAnchorsAndAliases(t *testing.T) {
	t.Parallel()
	cfg := load(t, fromFile(t, `
rules:
  - {name: a, trackingIds: &ours [`+guid+`], match: {tools: [azure-cli]}}
  - {name: b, trackingIds: *ours}
`))
	if diff := cmp.Diff([]string{guid}, cfg.Rules[1].TrackingIDs); diff != "" {
		t.Error(diff)
	}
}

// Nested aliases can unfold a small file into billions of values.
func TestAliasBomb(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("labels: &a0 [x]\n")
	b.WriteString("rules:\n")
	for i := range 9 {
		b.WriteString("  - &a" + string(rune('1'+i)) + " [")
		for range 10 {
			b.WriteString("*a" + string(rune('0'+i)) + ", ")
		}
		b.WriteString("]\n")
	}
	if _, err := config.Load(fromFile(t, b.String())); err == nil {
		t.Error("no error")
	}
	if _, err := config.Load(fromFile(t, "rules: &a\n  - *a\n")); err == nil {
		t.Error("an alias within itself: no error")
	}
}

func TestPathsStartFromTheFile(t *testing.T) {
	t.Parallel()
	src := fromFile(t, "stateDir: state\naudit: {dir: ~/journal}\n")
	cfg := load(t, src)
	dir := filepath.Dir(src.File)
	if want := filepath.Join(dir, "state"); cfg.StateDir != want {
		t.Errorf("stateDir %s, want %s", cfg.StateDir, want)
	}
	if want := filepath.Join(dir, "journal"); cfg.Audit.Dir != want { // the home directory is the same
		t.Errorf("audit.dir %s, want %s", cfg.Audit.Dir, want)
	}
	src.Flags, src.Dir = map[string]string{"stateDir": ".state"}, t.TempDir()
	if cfg, want := load(t, src), filepath.Join(src.Dir, ".state"); cfg.StateDir != want {
		t.Errorf("--state-dir %s, want %s", cfg.StateDir, want)
	}
}

func TestWhichFileIsRead(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	xdg, named, given := filepath.Join(home, ".config", "attribproxy", "config.yaml"), filepath.Join(home, "env.yaml"), filepath.Join(home, "flag.yaml")
	files := map[string]string{xdg: "labels: [xdg]", named: "labels: [env]", given: "labels: [flag]"}
	src := config.Source{
		GOOS: "linux", Env: []string{"HOME=" + home},
		ReadFile: func(name string) ([]byte, error) {
			if content, ok := files[name]; ok {
				return []byte(content), nil
			}
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		},
	}
	want := func(label string) {
		t.Helper()
		if cfg := load(t, src); len(cfg.Labels) != 1 || cfg.Labels[0] != label {
			t.Errorf("labels %v, want %s", cfg.Labels, label)
		}
	}
	want("xdg")
	src.Env = append(src.Env, "ATTRIBPROXY_CONFIG="+named)
	want("env")
	src.File = given
	want("flag")

	src.File = filepath.Join(home, "missing.yaml")
	if _, err := config.Load(src); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing --config: %v", err)
	}
	src.File, src.Env = "", []string{"HOME=" + home, "ATTRIBPROXY_CONFIG=" + filepath.Join(home, "gone.yaml")}
	if _, err := config.Load(src); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing $ATTRIBPROXY_CONFIG: %v", err)
	}
}

func TestUnreadableDefaultFileIsAnError(t *testing.T) {
	t.Parallel()
	_, err := config.Load(config.Source{
		Env: []string{"HOME=" + t.TempDir(), "USERPROFILE=" + t.TempDir()},
		ReadFile: func(name string) ([]byte, error) {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
		},
	})
	if !errors.Is(err, fs.ErrPermission) {
		t.Errorf("got %v", err)
	}
}

func TestNoHomeDirectory(t *testing.T) {
	t.Parallel()
	_, err := config.Load(config.Source{GOOS: "linux"})
	if err == nil || !strings.Contains(err.Error(), "stateDir: has no default, as no home directory is known; set stateDir, $ATTRIBPROXY_STATE_DIR or --state-dir") {
		t.Errorf("got %v", err)
	}
	load(t, config.Source{GOOS: "linux", Flags: map[string]string{"stateDir": t.TempDir()}})
}

func TestStateDirOfEachSystem(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	in := func(parts ...string) string { return filepath.Join(append([]string{home}, parts...)...) }
	for _, tt := range []struct {
		goos string
		env  []string
		want string
	}{
		{"linux", []string{"HOME=" + home}, in(".local", "state", "attribproxy")},
		{"linux", []string{"HOME=" + home, "XDG_STATE_HOME=" + in("s")}, in("s", "attribproxy")},
		{"linux", []string{"HOME=" + home, "XDG_STATE_HOME=relative"}, in(".local", "state", "attribproxy")},
		{"darwin", []string{"HOME=" + home}, in(".local", "state", "attribproxy")},
		{"windows", []string{"USERPROFILE=" + home, "LOCALAPPDATA=" + in("L")}, in("L", "attribproxy")},
		{"windows", []string{"USERPROFILE=" + home}, in("AppData", "Local", "attribproxy")},
	} {
		got, err := config.DefaultStateDir(tt.goos, tt.env)
		if err != nil || got != tt.want {
			t.Errorf("%s %v: %s %v, want %s", tt.goos, tt.env, got, err, tt.want)
		}
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		file string
		env  []string
		want string // "" = none
	}{
		"sample ID":               {"rules: [{name: a, trackingIds: [b6addd8f-5ff4-4fc0-a2b5-0ec7861106c4]}]", nil, "sample"},
		"no rules":                {"", nil, "rules: has no entries"},
		"no rules, observing":     {"mode: observe", nil, ""},
		"unknown variable":        {"mode: observe", []string{"ATTRIBPROXY_UPSTREAM_PROXI=x"}, "did you mean ATTRIBPROXY_UPSTREAM_PROXY?"},
		"variables of Kubernetes": {"mode: observe", []string{"ATTRIBPROXY_SERVICE_HOST=10.0.0.1", "ATTRIBPROXY_PORT=tcp://10.0.0.1:8642", "ATTRIBPROXY_PORT_8642_TCP_ADDR=10.0.0.1"}, ""},
		"destination guard off":   {"mode: observe\nupstream: {allow: [0.0.0.0/0]}", nil, "switches the destination guard off"},
		"unreachable rule":        {"rules: [{name: a, trackingIds: [" + guid + "]}, {name: b, trackingIds: [" + guid + "]}]", nil, "never decides"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			loaded, err := config.Resolve(fromFile(t, tt.file, tt.env...))
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case tt.want == "" && len(loaded.Warnings) > 0:
				t.Errorf("warned of %v", loaded.Warnings)
			case tt.want != "" && (len(loaded.Warnings) != 1 || !strings.Contains(loaded.Warnings[0].String(), tt.want)):
				t.Errorf("warned of %v, want one with %q", loaded.Warnings, tt.want)
			}
		})
	}
}
