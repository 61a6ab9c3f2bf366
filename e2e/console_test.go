package e2e_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/attribproxy/attribproxy/internal/chromium"
)

// TestBrowserFollowsAz has the live tail open in a real browser while the Azure
// CLI works, and then looks at what it wrote.
func TestBrowserFollowsAz(t *testing.T) {
	t.Parallel()
	need(t, "az")
	program, sh := must(t, attribproxy), need(t, "sh")
	b := chromium.New(t)
	s := newSandbox(t, "azure.microsoft.com", "raw.githubusercontent.com")
	config, _ := s.writeConfig(t, settings{resolve: true, rules: true})
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte(`"admin": ""`), []byte(`"admin": "127.0.0.1:0"`), 1)
	if err := os.WriteFile(config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	stop := s.serve(t, program, config)
	defer stop()
	var file struct{ Admin string }
	text, err = os.ReadFile(filepath.Join(s.dir, "state", "serve.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &file); err != nil || file.Admin == "" {
		t.Fatalf("no admin listener: %v, %s", err, text)
	}
	b.Look(1280, 800, "dark")
	b.Open(file.Admin + "/live")
	b.Until(`document.getElementById("status").dataset.state === "open"`)
	s.exec(t, nil, slices.Concat([]string{
		sh, "-c", `vars=$("$0" env --shell bash --config "$1") && eval "$vars" && shift && exec "$@"`, program, config,
	}, shell(t, "az.sh", clientFile(t, "template.json"))))
	b.Until(`document.querySelectorAll("#tail tbody tr .tag.good").length === 3`)
	tools := chromium.Eval[[]string](b, `[...new Set([...document.querySelectorAll("#tail tbody tr td:nth-child(5)")].map(e => e.textContent))]`)
	if !slices.Equal(tools, []string{"azure-cli"}) {
		t.Errorf("tools %q", tools)
	}
	b.Screenshot("az-live")
	b.Open(file.Admin + "/events?type=Microsoft.Resources/deployments")
	b.Do(chromedp.Click(".events tbody a"), chromedp.WaitVisible("#agent"))
	if added := chromium.Eval[string](b, `document.querySelector("mark.added").textContent`); added != token {
		t.Errorf("marked as added: %q, want %s", added, token)
	}
	b.Screenshot("az-event")
	b.Open(file.Admin + "/")
	b.Screenshot("az-overview")
	if big := chromium.Eval[string](b, `document.querySelector(".big").textContent`); big != "100.0%" {
		t.Errorf("coverage %q, want 100.0%%", big)
	}
}
