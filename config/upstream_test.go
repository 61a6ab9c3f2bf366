package config_test

import (
	"encoding/pem"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/attribproxy/attribproxy/config"
)

func TestProxyOfTheEnvironment(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		file    string
		env     []string
		want    string
		noProxy []string
		warning string
	}{
		"none":                          {"", nil, "", []string{}, ""},
		"upper case":                    {"", []string{"HTTPS_PROXY=http://corp:3128"}, "http://corp:3128", []string{}, ""},
		"lower case wins":               {"", []string{"HTTPS_PROXY=http://upper:1", "https_proxy=http://lower:2"}, "http://lower:2", []string{}, ""},
		"empty lower case does not":     {"", []string{"HTTPS_PROXY=http://upper:1", "https_proxy="}, "http://upper:1", []string{}, ""},
		"without a scheme":              {"", []string{"HTTPS_PROXY=corp:3128"}, "http://corp:3128", []string{}, ""},
		"HTTP_PROXY is not for TLS":     {"", []string{"HTTP_PROXY=http://corp:3128", "ALL_PROXY=http://corp:3128"}, "", []string{}, ""},
		"with NO_PROXY":                 {"", []string{"HTTPS_PROXY=http://corp:3128", "NO_PROXY=localhost, .corp,10.0.0.0/8"}, "http://corp:3128", []string{"localhost", ".corp", "10.0.0.0/8"}, ""},
		"the file's noProxy wins":       {"upstream: {noProxy: [x]}", []string{"HTTPS_PROXY=http://corp:3128", "NO_PROXY=y"}, "http://corp:3128", []string{"x"}, ""},
		"NO_PROXY alone":                {"", []string{"NO_PROXY=y"}, "", []string{}, ""},
		"the file's proxy wins":         {"upstream: {proxy: \"http://file:1\"}", []string{"HTTPS_PROXY=http://corp:3128", "NO_PROXY=y"}, "http://file:1", []string{}, ""},
		"none in the file":              {"upstream: {proxy: none}", []string{"HTTPS_PROXY=http://corp:3128"}, "none", []string{}, ""},
		"never ourselves":               {"", []string{"HTTPS_PROXY=http://127.0.0.1:8642"}, "", []string{}, "is this proxy's own address and is ignored"},
		"never ourselves by name":       {"", []string{"HTTPS_PROXY=http://localhost:8642/"}, "", []string{}, "is this proxy's own address and is ignored"},
		"never ourselves with password": {"", []string{"HTTPS_PROXY=http://a:b@[::1]:8642/"}, "", []string{}, "is this proxy's own address and is ignored"},
		"another port of this machine":  {"", []string{"HTTPS_PROXY=http://127.0.0.1:3128"}, "http://127.0.0.1:3128", []string{}, ""},
		"our port on another machine":   {"", []string{"HTTPS_PROXY=http://10.0.0.1:8642"}, "http://10.0.0.1:8642", []string{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			loaded, err := config.Resolve(fromFile(t, "mode: observe\n"+tt.file, tt.env...))
			if err != nil {
				t.Fatal(err)
			}
			up := loaded.Config.Upstream
			if up.Proxy != tt.want {
				t.Errorf("proxy %q, want %q", up.Proxy, tt.want)
			}
			if diff := cmp.Diff(tt.noProxy, up.NoProxy); diff != "" {
				t.Error(diff)
			}
			switch {
			case tt.warning == "" && len(loaded.Warnings) > 0:
				t.Error("warned of", loaded.Warnings)
			case tt.warning != "" && (len(loaded.Warnings) != 1 || !strings.Contains(loaded.Warnings[0].String(), tt.warning)):
				t.Error("warned of", loaded.Warnings)
			}
			u, err := up.ProxyURL()
			if err != nil || (u == nil) != (tt.want == "" || tt.want == "none") {
				t.Errorf("URL %v, %v", u, err)
			}
		})
	}
}

func TestEnvironmentProxyThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	_, err := config.Load(fromFile(t, "", "https_proxy=socks5://u:s3cret@corp:1080"))
	if err == nil || !strings.Contains(err.Error(), `https_proxy: upstream.proxy: "socks5://u:***@corp:1080" is not an HTTP proxy`) {
		t.Errorf("got %v", err)
	}
}

// Wherever a proxy's password is put and however wrong it is: nobody sees it.
func TestPasswordsAreNeverShown(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	for _, value := range []string{
		"http://user:" + secret + "@corp:3128",
		"http://user:p@" + secret + "@corp:3128",
		"http://user:" + secret + "/x@corp:3128",
		"http://user:" + secret + "?x@corp:3128",
		"http://user:" + secret + "%zz@corp:3128",
		"http://" + secret + "@corp:3128",
		"http://:" + secret + "@corp:3128",
		"user:" + secret + "@corp:3128",
		secret + "@corp",
		"socks5://user:" + secret + "@corp:3128",
		"http://user:" + secret + "@corp:99999",
		"http://user:" + secret + "@",
		"http://corp:3128/?token=" + secret,
		"https://user:" + secret + "@127.0.0.1:8642",
	} {
		quoted := `"` + value + `"`
		for where, src := range map[string]config.Source{
			"file":           fromFile(t, "upstream:\n  proxy: "+quoted+"\n"),
			"list":           fromFile(t, "upstream:\n  proxy: ["+quoted+"]\n"),
			"wrong key":      fromFile(t, "upstream:\n  proxi: "+quoted+"\n"),
			"noProxy":        fromFile(t, "upstream:\n  noProxy: "+quoted+"\n"),
			"noProxy entry":  fromFile(t, "upstream:\n  noProxy: ["+quoted+"]\n"),
			"resolve":        fromFile(t, "upstream:\n  resolve: ["+quoted+"]\n"),
			"intercept":      fromFile(t, "intercept:\n  hosts: ["+quoted+"]\n"),
			"listen":         fromFile(t, "listen: "+quoted+"\n"),
			"key":            fromFile(t, quoted+": x\n"),
			"broken file":    fromFile(t, "upstream:\n  proxy: "+quoted+"\n\t- x\n"),
			"our variable":   fromFile(t, "", "ATTRIBPROXY_UPSTREAM_PROXY="+value),
			"their variable": fromFile(t, "", "HTTPS_PROXY="+value),
		} {
			loaded, err := config.Resolve(src)
			if err != nil {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%s %s: %v", where, value, err)
				}
				var faulty *config.Error
				if errors.As(err, &faulty) {
					for _, f := range faulty.Faults {
						if strings.Contains(f.String(), secret) {
							t.Errorf("%s %s: %v", where, value, f)
						}
					}
				}
				continue
			}
			yaml, err := loaded.YAML()
			if err != nil {
				t.Fatal(err)
			}
			json, err := loaded.JSON()
			if err != nil {
				t.Fatal(err)
			}
			shown := string(yaml) + string(json)
			for _, w := range loaded.Warnings {
				shown += w.String()
			}
			if strings.Contains(shown, secret) {
				t.Errorf("%s %s: %s", where, value, shown)
			}
		}
	}
}

func TestPasswordInAFileForEverybody(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("file modes say nothing on Windows")
	}
	for name, tt := range map[string]struct {
		proxy string
		mode  os.FileMode
		warns bool
	}{
		"for everybody":     {"http://user:s3cret@corp:1", 0o644, true},
		"for the group":     {"http://user:s3cret@corp:1", 0o640, false},
		"without passwords": {"http://corp:1", 0o644, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "config.yaml")
			if err := os.WriteFile(path, []byte("mode: observe\nupstream: {proxy: \""+tt.proxy+"\"}\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, tt.mode); err != nil {
				t.Fatal(err)
			}
			loaded, err := config.Resolve(config.Source{File: path, Env: []string{"HOME=/h"}})
			if err != nil {
				t.Fatal(err)
			}
			if warned := strings.Contains(fmt.Sprint(loaded.Warnings), "chmod 600"); warned != tt.warns || strings.Contains(fmt.Sprint(loaded.Warnings), "s3cret") {
				t.Errorf("warnings %v", loaded.Warnings)
			}
		})
	}
}

func TestUpstreamRoots(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(nil)
	server.StartTLS()
	defer server.Close()
	certificate := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	for name, tt := range map[string]struct{ content, want string }{
		"good":           {"corporate root\n" + certificate + certificate, ""},
		"empty":          {"", "holds no certificate"},
		"DER":            {string(server.Certificate().Raw), "holds no certificate"},
		"a key":          {"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "holds no certificate"},
		"second is torn": {certificate + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "has a certificate, number 2, that cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "roots.pem"), []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "config.yaml")
			if err := os.WriteFile(path, []byte("upstream: {roots: roots.pem}\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			cfg, err := config.Load(config.Source{File: path, Env: []string{"HOME=" + dir, "USERPROFILE=" + dir}})
			switch {
			case tt.want == "" && (err != nil || cfg.Upstream.Roots != filepath.Join(dir, "roots.pem")):
				t.Errorf("%v, %v", cfg, err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestResolveEntries(t *testing.T) {
	t.Parallel()
	good := []string{
		"management.azure.com:443:127.0.0.1:8443", "management.azure.com:443:[::1]:8443", "[::1]:443:localhost:1",
		":443:127.0.0.1:1", "a::127.0.0.1:1", "::gateway:3128",
	}
	cfg := load(t, fromFile(t, "upstream:\n  resolve:\n    - \""+strings.Join(good, "\"\n    - \"")+"\"\n"))
	if diff := cmp.Diff(good, cfg.Upstream.Resolve); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"", "a", "a:443", "a:443:b", "a:443:b:", "a:443::1", "a:x:b:1", "a:443:b:70000", "a:443:::1:1", "a:443:b:1:2", "a b:443:c:1"} {
		if _, err := config.Load(fromFile(t, "upstream: {resolve: [\""+bad+"\"]}\n")); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestAllowedNetworks(t *testing.T) {
	t.Parallel()
	cfg := load(t, fromFile(t, "upstream: {allow: [127.0.0.0/8, \"fd00::/8\"]}\n"))
	networks := cfg.Upstream.AllowedNetworks()
	if len(networks) != 2 || networks[0].String() != "127.0.0.0/8" || networks[1].String() != "fd00::/8" {
		t.Error(networks)
	}
}
