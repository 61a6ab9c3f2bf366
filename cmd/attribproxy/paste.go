package main

import (
	"runtime"
	"strings"
)

// pasteLine is the line that gives a shell the variables of a running serve.
func pasteLine(program, stateDir string) string {
	if runtime.GOOS == "windows" {
		return `& ` + pwshQuote(program) + ` env --shell pwsh --state-dir ` + pwshQuote(stateDir) + ` | Out-String | Invoke-Expression`
	}
	return `eval "$(` + posixQuote(program) + ` env --state-dir ` + posixQuote(stateDir) + `)"`
}

// posixQuote quotes a word for sh, where it needs it.
func posixQuote(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=@%+,", r))
	}) {
		return s
	}
	return `'` + strings.ReplaceAll(s, `'`, `'\''`) + `'`
}
