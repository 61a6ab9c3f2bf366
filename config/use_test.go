package config_test

import (
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/attribproxy/attribproxy/config"
)

func TestHash(t *testing.T) {
	t.Parallel()
	home := []string{"HOME=/h", "USERPROFILE=/h", "XDG_STATE_HOME=" + t.TempDir()}
	hash := func(file string, env ...string) string {
		src := fromFile(t, file)
		src.Env = append(append([]string{}, home...), env...)
		return load(t, src).Hash()
	}
	base := hash("mode: observe\n")
	if !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(base) {
		t.Error(base)
	}
	if hash("# a comment\nmode:   observe\n") != base || hash("", "ATTRIBPROXY_MODE=observe") != base || hash("mode: observe\ndrain: 30000ms\n") != base {
		t.Error("the same configuration in other words has another hash")
	}
	if hash("mode: enforce\n") == base || hash("mode: observe\nlabels: [x]\n") == base {
		t.Error("another configuration has the same hash")
	}
	if hash("mode: observe\nupstream: {proxy: \"http://u:one@corp:1\"}\n") != hash("mode: observe\nupstream: {proxy: \"http://u:two@corp:1\"}\n") {
		t.Error("the hash hangs on a password")
	}
}

func TestReloadDiff(t *testing.T) {
	t.Parallel()
	old := fromFile(t, "mode: observe\n")
	for name, tt := range map[string]struct {
		file string
		want config.Diff
	}{
		"nothing":   {"mode: observe", config.Diff{}},
		"rules":     {"rules: [{name: a, trackingIds: [" + guid + "]}]", config.Diff{Reload: []string{"mode", "rules"}}},
		"live keys": {"mode: observe\nlabels: [x]\nexclude: [{name: e, match: {tools: [curl]}}]\nlog: {level: debug, format: json}", config.Diff{Reload: []string{"labels", "exclude", "log.level", "log.format"}}},
		"restart": {
			"mode: observe\nlisten: 127.0.0.1:1\nadmin: off\nstateDir: /x\nintercept: {clouds: [china], hosts: [a.b], bypass: refuse}",
			config.Diff{Restart: []string{"listen", "admin", "stateDir", "intercept.clouds", "intercept.hosts", "intercept.bypass", "audit.dir"}},
		},
		"both": {"labels: [x]\naudit: {dir: /y, guarantee: strict}\nupstream: {allow: [10.0.0.0/8]}\nmode: observe\ndrain: 1s", config.Diff{
			Reload: []string{"labels"}, Restart: []string{"upstream.allow", "audit.dir", "audit.guarantee", "drain"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src := fromFile(t, tt.file)
			src.Env = old.Env
			if diff := cmp.Diff(tt.want, config.ReloadDiff(load(t, old), load(t, src))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestInterceptHosts(t *testing.T) {
	t.Parallel()
	cfg := load(t, fromFile(t, "intercept:\n  clouds: [china, public, usgovernment]\n  hosts: [EastUS.management.azure.com., management.azure.com, bücher.example]\n"))
	want := []string{"eastus.management.azure.com", "management.azure.com", "management.chinacloudapi.cn", "management.usgovcloudapi.net", "xn--bcher-kva.example"}
	if diff := cmp.Diff(want, cfg.InterceptHosts()); diff != "" {
		t.Error(diff)
	}
}

func TestRedactedLeavesTheOriginalAlone(t *testing.T) {
	t.Parallel()
	cfg := load(t, fromFile(t, "upstream: {proxy: \"http://user:pw@corp:1\"}\n"))
	if got := cfg.Redacted().Upstream.Proxy; got != "http://user:***@corp:1" {
		t.Error(got)
	}
	u, err := cfg.Upstream.ProxyURL()
	if err != nil {
		t.Fatal(err)
	}
	if pw, _ := u.User.Password(); pw != "pw" {
		t.Error("the password is lost")
	}
}
