package config_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/attribproxy/attribproxy/config"
)

func TestShowSaysWhereValuesComeFrom(t *testing.T) {
	t.Parallel()
	src := fromFile(t, "drain: 5s\nrules:\n  - {name: a, trackingIds: ["+guid+"]}\n",
		"ATTRIBPROXY_MODE=observe", "https_proxy=http://user:pw@corp:3128", "no_proxy=.corp")
	src.Flags = map[string]string{"listen": "127.0.0.1:0"}
	loaded, err := config.Resolve(src)
	if err != nil {
		t.Fatal(err)
	}
	b, err := loaded.YAML()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"\nmode: observe # from ATTRIBPROXY_MODE\n", "listen: 127.0.0.1:0 # from --listen\n", "\ndrain: 5s # from " + src.File + ":1\n",
		"\n# from " + src.File + ":3\nrules:\n  - name: a\n", "\n  proxy: http://user:***@corp:3128 # from https_proxy\n",
		"\n  noProxy: [.corp] # from no_proxy\n", "\nadmin: 127.0.0.1:8643\n",
	} {
		if !strings.Contains("\n"+string(b), want) {
			t.Errorf("%q is missing in\n%s", want, b)
		}
	}

	b, err = loaded.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var shown struct {
		File    string
		Hash    string
		Config  config.Config
		Origins map[string]string
	}
	if err := json.Unmarshal(b, &shown); err != nil {
		t.Fatal(err)
	}
	if shown.File != src.File || shown.Hash != loaded.Config.Hash() || shown.Config.Hash() != shown.Hash || shown.Origins["mode"] != "ATTRIBPROXY_MODE" {
		t.Errorf("%s", b)
	}
}
