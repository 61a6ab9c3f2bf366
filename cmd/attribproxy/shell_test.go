package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// awkward are values that a careless quoting would change or, worse, run.
var awkward = map[string]string{
	"PLAIN":      "http://127.0.0.1:8642",
	"SPACES":     "  two  words  ",
	"SINGLE":     "it's",
	"DOUBLE":     `say "hello"`,
	"BOTH":       `it's "both"`,
	"DOLLAR":     "$HOME ${HOME} $(touch pwned) `touch pwned`",
	"BACKSLASH":  `C:\Users\Me\new\`,
	"PIPES":      "localhost|127.*|[::1]",
	"SEMICOLON":  "a; touch pwned; b & c",
	"HASH":       "a #b",
	"BANG":       "a!b",
	"PERCENT":    "100% %PATH% %AZP25",
	"TYPOGRAPHY": "‘a’ ‚b‛ “c”",
	"UNICODE":    "Zertifikate für alle",
	"TILDE":      "~/a",
	"EQUALS":     "-Da=b -Dc=d",
	"LINES":      "a\nexport PWNED=1\n##vso[task.setvariable variable=PWNED]1\n",
}

// needShell skips a test whose shell is missing. bash and sh are everywhere;
// CI has to have them.
func needShell(t *testing.T, name string) string {
	t.Helper()
	found, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") != "" && name != "pwsh" { // Debian has no package of that
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return found
}

func form(t *testing.T, name string) shellForm {
	t.Helper()
	f, ok := findShell(name)
	if !ok {
		t.Fatalf("no form %q", name)
	}
	return f
}

// Real shells take over every value as it is, and forget it again.
func TestShellsReadTheirForm(t *testing.T) {
	for _, shell := range []struct {
		program string
		args    []string // followed by the script
		form    string
		suffix  string
	}{
		{program: "bash", args: []string{"--norc"}, form: "bash"},
		{program: "sh", form: "sh"},
		{program: "zsh", args: []string{"--no-rcs"}, form: "zsh"},
		{program: "fish", args: []string{"--no-config"}, form: "fish"},
		{program: "pwsh", args: []string{"-NoProfile", "-File"}, form: "pwsh", suffix: ".ps1"},
	} {
		t.Run(shell.program, func(t *testing.T) {
			program := needShell(t, shell.program)
			f := form(t, shell.form)
			dump := `"` + os.Args[0] + `"` + " -test.run=TestDumpEnvironment\n"
			if shell.program == "pwsh" {
				dump = "& " + dump
			}
			var set, unset strings.Builder
			for name, value := range awkward {
				set.WriteString(f.set(envVar{"AWKWARD_" + name, value}))
				unset.WriteString(f.unset("AWKWARD_" + name))
			}
			run := func(script string) map[string]string {
				t.Helper()
				dir := t.TempDir()
				file := filepath.Join(dir, "script"+shell.suffix)
				if err := os.WriteFile(file, []byte(script+dump), 0o600); err != nil {
					t.Fatal(err)
				}
				cmd := exec.Command(program, append(shell.args, file)...)
				cmd.Dir = dir
				cmd.Env = append(os.Environ(), "HOME="+dir, dumpFile+"="+filepath.Join(dir, "dump.json"))
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%v: %s\n%s", err, out, script)
				}
				if _, err := os.Stat(filepath.Join(dir, "pwned")); err == nil {
					t.Error("a value was run")
				}
				data, err := os.ReadFile(filepath.Join(dir, "dump.json"))
				if err != nil {
					t.Fatal(err)
				}
				got := map[string]string{}
				if err := json.Unmarshal(data, &got); err != nil {
					t.Fatal(err)
				}
				return got
			}
			if d := cmp.Diff(awkward, run(set.String())); d != "" {
				t.Errorf("set (-want +got):\n%s", d)
			}
			if got := run(set.String() + unset.String()); len(got) != 0 {
				t.Errorf("not unset: %v", got)
			}
		})
	}
}

// dumpFile names the file into which this test binary, run by a shell, writes
// the variables it was given.
const dumpFile = "ATTRIBPROXY_TEST_DUMP"

func TestDumpEnvironment(t *testing.T) {
	path := os.Getenv(dumpFile)
	if path == "" {
		t.Skip("not run by TestShellsReadTheirForm")
	}
	got := map[string]string{}
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		if name, ok := strings.CutPrefix(name, "AWKWARD_"); ok {
			got[name] = value
		}
	}
	data, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Node reads .env files by itself since 20.6. Its reader knows no escapes, so
// that a value with both kinds of quotes is beyond it, as beyond most.
func TestNodeReadsDotenv(t *testing.T) {
	node := needShell(t, "node")
	f := form(t, "dotenv")
	want := map[string]string{}
	file := filepath.Join(t.TempDir(), ".env")
	var text strings.Builder
	for name, value := range awkward {
		if name == "BOTH" {
			continue
		}
		want[name] = value
		text.WriteString(f.set(envVar{"AWKWARD_" + name, value}))
	}
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(node, "--env-file="+file, "-e",
		`console.log(JSON.stringify(Object.fromEntries(Object.entries(process.env).filter(([k]) => k.startsWith('AWKWARD_')).map(([k, v]) => [k.slice(8), v]))))`)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// readGitHubEnv reads $GITHUB_ENV as the runner does.
func readGitHubEnv(t *testing.T, text string) map[string]string {
	t.Helper()
	got := map[string]string{}
	lines := strings.SplitAfter(text, "\n")
	for i := 0; i < len(lines) && lines[i] != ""; i++ {
		name, value, ok := strings.Cut(strings.TrimSuffix(lines[i], "\n"), "=")
		if n, end, heredoc := strings.Cut(strings.TrimSuffix(lines[i], "\n"), "<<"); heredoc && (!ok || len(n) < len(name)) {
			var b bytes.Buffer
			for i++; lines[i] != end+"\n"; i++ {
				b.WriteString(lines[i])
			}
			got[n] = strings.TrimSuffix(b.String(), "\n")
			continue
		}
		if !ok {
			t.Fatalf("line %q", lines[i])
		}
		got[name] = value
	}
	return got
}

func TestGitHubForm(t *testing.T) {
	f := form(t, "github")
	var text strings.Builder
	for name, value := range awkward {
		text.WriteString(f.set(envVar{name, value}))
	}
	if d := cmp.Diff(awkward, readGitHubEnv(t, text.String())); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// The agent undoes the escapes in this order.
func TestAzurePipelinesForm(t *testing.T) {
	f := form(t, "azure-pipelines")
	for name, value := range awkward {
		line := f.set(envVar{name, value})
		body, ok := strings.CutPrefix(line, "##vso[task.setvariable variable="+name+"]")
		if !ok || strings.Count(line, "\n") != 1 {
			t.Fatalf("%q", line)
		}
		got := strings.TrimSuffix(body, "\n")
		for _, r := range [][2]string{{"%0D", "\r"}, {"%0A", "\n"}, {"%AZP25", "%"}} {
			got = strings.ReplaceAll(got, r[0], r[1])
		}
		if got != value {
			t.Errorf("%s: %q became %q", name, value, got)
		}
	}
}

func TestCmdForm(t *testing.T) {
	f := form(t, "cmd")
	for value, want := range map[string]string{
		`http://127.0.0.1:8642`:        "@set \"X=http://127.0.0.1:8642\"\r\n",
		`a|b&c`:                        "@set \"X=a|b&c\"\r\n",
		`100%`:                         "@set \"X=100%%\"\r\n",
		`-Da="C:\a b" -Dc=d|e -Df="g"`: "@set \"X=-Da=\"C:\\a b\" -Dc=d|e -Df=\"g\"\"\r\n",
		`a"b|c`:                        "@set \"X=a\"b^|c\"\r\n",
		`a"b"c|d`:                      "@set \"X=a\"b\"c|d\"\r\n",
		"a\nb":                         "@set \"X=a b\"\r\n",
	} {
		if got := f.set(envVar{"X", value}); got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
}

func TestDetectShell(t *testing.T) {
	for _, test := range []struct {
		goos, shell, modules, want string
	}{
		{"linux", "/bin/bash", "", "bash"},
		{"linux", "/usr/bin/zsh", "", "zsh"},
		{"darwin", "/opt/homebrew/bin/fish", "", "fish"},
		{"linux", "", "", "bash"},
		{"linux", "/bin/bash", "/root/.local/share/powershell/Modules:/usr/share", "pwsh"},
		{"linux", "/bin/tcsh", "", "tcsh"},
		{"windows", "", `C:\Program Files\WindowsPowerShell\Modules;C:\Windows\system32\WindowsPowerShell\v1.0\Modules`, "cmd"},
		{"windows", "", `C:\Users\me\Documents\PowerShell\Modules;C:\Program Files\PowerShell\Modules`, "pwsh"},
		{"windows", `C:\Program Files\Git\usr\bin\bash.exe`, `C:\Program Files\WindowsPowerShell\Modules`, "bash"},
		{"windows", "", "", "cmd"},
	} {
		env := []string{"SHELL=" + test.shell, "PSModulePath=" + test.modules}
		if got := detectShell(test.goos, (&app{env: env}).getenv); got != test.want {
			t.Errorf("%+v: %s", test, got)
		}
	}
}
