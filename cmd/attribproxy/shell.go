package main

// The forms in which variables are handed to shells and CI systems. Each quotes
// so that a value arrives as it is, whatever is in it: part of the values comes
// from the environment of whoever runs us, and must not become a command.

import (
	"crypto/sha256"
	"fmt"
	"path"
	"slices"
	"strings"
)

// shellForm is one way to write variables down.
type shellForm struct {
	name    string
	aliases []string
	// set and unset return one or more whole lines.
	set   func(envVar) string
	unset func(name string) string
	// undo says whether the form is for a live shell, which can be put back to
	// what it was.
	undo bool
	// oneCase says that names which differ in case alone are the same.
	oneCase bool
	// use says how the output is used, for a person who looks at it.
	use string
}

var shellForms = []shellForm{
	{
		name: "bash", aliases: []string{"sh", "zsh", "dash", "ksh", "ash"}, undo: true,
		set:   func(v envVar) string { return "export " + v.Name + "=" + posixQuote(v.Value) + "\n" },
		unset: func(name string) string { return "unset " + name + "\n" },
		use:   `eval "$(attribproxy env)"`,
	},
	{
		name: "fish", undo: true,
		set:   func(v envVar) string { return "set -gx " + v.Name + " " + fishQuote(v.Value) + "\n" },
		unset: func(name string) string { return "set -e " + name + "\n" },
		use:   `attribproxy env --shell fish | source`,
	},
	{
		name: "pwsh", aliases: []string{"powershell"}, undo: true,
		set:   func(v envVar) string { return "$env:" + v.Name + " = " + pwshQuote(v.Value) + "\n" },
		unset: func(name string) string { return "Remove-Item Env:" + name + " -ErrorAction SilentlyContinue\n" },
		use:   `attribproxy env --shell pwsh | Out-String | Invoke-Expression`,
	},
	{
		name: "cmd", undo: true, oneCase: true,
		set:   func(v envVar) string { return "@set " + cmdQuote(v.Name+"="+v.Value) + "\r\n" },
		unset: func(name string) string { return "@set \"" + name + "=\"\r\n" },
		use:   `attribproxy env --shell cmd > "%TEMP%\attribproxy.cmd" & call "%TEMP%\attribproxy.cmd"`,
	},
	{
		name:  "github",
		set:   githubSet,
		unset: func(name string) string { return name + "=\n" },
		use:   `attribproxy env --shell github >> "$GITHUB_ENV"`,
	},
	{
		name: "azure-pipelines", oneCase: true,
		set: func(v envVar) string {
			return "##vso[task.setvariable variable=" + v.Name + "]" + azurePipelinesEscape(v.Value) + "\n"
		},
		unset: func(name string) string { return "##vso[task.setvariable variable=" + name + "]\n" },
		use:   `a script step that runs: attribproxy env --shell azure-pipelines`,
	},
	{
		name:  "dotenv",
		set:   func(v envVar) string { return v.Name + "=" + dotenvQuote(v.Value) + "\n" },
		unset: func(name string) string { return name + "=\n" },
		use:   `attribproxy env --shell dotenv > .env`,
	},
}

// shellNames are the names of the forms.
func shellNames() []string {
	var names []string
	for _, f := range shellForms {
		names = append(names, f.name)
	}
	return names
}

// findShell finds a form by its name, or by that of a shell that reads it.
func findShell(name string) (shellForm, bool) {
	for _, f := range shellForms {
		if f.name == name || slices.Contains(f.aliases, name) {
			return f, true
		}
	}
	return shellForm{}, false
}

// detectShell guesses the shell that will read the output. It returns the name
// of what it found, which may be a shell that we have no form for.
func detectShell(goos string, getenv func(string) string) string {
	login := strings.TrimSuffix(path.Base(strings.ReplaceAll(getenv("SHELL"), `\`, "/")), ".exe")
	if goos != "windows" {
		switch {
		case getenv("PSModulePath") != "": // only PowerShell sets it here
			return "pwsh"
		case getenv("SHELL") == "":
			return "bash"
		}
		return login
	}
	// On Windows every process has a PSModulePath. PowerShell's own begins with
	// the modules of the user, and Git's bash is the one to set SHELL.
	first, _, _ := strings.Cut(getenv("PSModulePath"), ";")
	switch {
	case getenv("SHELL") != "":
		return login
	case strings.Contains(strings.ToLower(first), `\documents\`):
		return "pwsh"
	}
	return "cmd"
}

// fishQuote quotes for fish, where \ and ' alone are special between quotes.
func fishQuote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

// pwshQuote quotes for PowerShell, which takes the typographic quotes for plain
// ones (about_Quoting_Rules).
func pwshQuote(s string) string {
	return "'" + strings.NewReplacer("'", "''", "\u2018", "\u2018\u2018", "\u2019", "\u2019\u2019", "\u201a", "\u201a\u201a", "\u201b", "\u201b\u201b").Replace(s) + "'"
}

// cmdQuote quotes the argument of set in a batch file. The outer quotes protect
// what is special until a quote in the value ends the protection; from there on
// it takes carets. A percent sign is doubled, and there is no way to write the
// end of a line.
func cmdQuote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	inside := true
	for _, r := range s {
		switch r {
		case '"':
			inside = !inside
		case '%':
			b.WriteByte('%')
		case '\r', '\n':
			r = ' '
		case '&', '|', '<', '>', '^', '(', ')':
			if !inside {
				b.WriteByte('^')
			}
		}
		b.WriteRune(r)
	}
	b.WriteByte('"')
	return b.String()
}

// githubSet writes a variable for $GITHUB_ENV: a line, or with a delimiter that
// cannot be in the value where the value has several.
// https://docs.github.com/actions/reference/workflow-commands-for-github-actions
func githubSet(v envVar) string {
	if !strings.ContainsAny(v.Value, "\r\n") {
		return v.Name + "=" + v.Value + "\n"
	}
	end := fmt.Sprintf("END_%x", sha256.Sum256([]byte(v.Value)))
	return v.Name + "<<" + end + "\n" + v.Value + "\n" + end + "\n"
}

// azurePipelinesEscape escapes the message of a logging command.
// https://learn.microsoft.com/azure/devops/pipelines/scripts/logging-commands
func azurePipelinesEscape(s string) string {
	return strings.NewReplacer("%", "%AZP25", "\r", "%0D", "\n", "%0A").Replace(s)
}

// dotenvQuote quotes where one of the many readers of .env files would take a
// part of the value for something else.
func dotenvQuote(s string) string {
	switch {
	case !strings.ContainsAny(s, " \t\r\n#'\"`$\\|&;<>()*"):
		return s
	case !strings.ContainsAny(s, "'\r\n"):
		return "'" + s + "'"
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`", "\n", `\n`, "\r", `\r`).Replace(s) + `"`
}
