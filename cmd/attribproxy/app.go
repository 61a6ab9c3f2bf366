package main

import (
	"context"
	"io"
	"strings"
)

// app is what every verb shares: the three streams, the environment and the
// flags that stand on the root command. Verbs never reach for os.Stdout or
// os.Getenv themselves, so that tests can run them in-process.
type app struct {
	stdin  io.Reader
	stdout io.Writer // results only
	stderr io.Writer // messages, see ui.go
	env    []string  // "NAME=value", as os.Environ gives it

	flags sharedFlags
}

// sharedFlags are the flags that more than one verb takes.
type sharedFlags struct {
	config   string
	stateDir string
	listen   string
	admin    string
	auditDir string
	output   string // "text" or "json"
}

// getenv looks a variable up in the environment the program was given; the
// last entry wins, as in the C library.
func (a *app) getenv(name string) string {
	for i := len(a.env) - 1; i >= 0; i-- {
		if k, v, ok := strings.Cut(a.env[i], "="); ok && k == name {
			return v
		}
	}
	return ""
}

// run executes one command line and returns the process's exit code. It is
// what main and the script tests call.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, environ []string) int {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr, env: environ}
	root := a.rootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return a.exit(root.ExecuteContext(ctx))
}
