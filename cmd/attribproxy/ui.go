package main

// How the program speaks:
//   - results go to stdout, everything else to stderr;
//   - a message starts with "attribproxy: ", has no capital and no final period;
//   - an error is followed by a "hint: " line wherever there is a remedy;
//   - nothing that came over the network reaches a terminal with control
//     characters in it (see clean).

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// The exit codes of every verb but run, which exits with its child's own.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
	exitCheck  = 3 // a check did not hold
)

// codedError carries an exit code, and a remedy where there is one.
type codedError struct {
	err  error
	hint string
	code int
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

// withHint adds a remedy to an error; the exit code stays 1.
func withHint(err error, format string, args ...any) error {
	return &codedError{err: err, hint: fmt.Sprintf(format, args...), code: exitFailed}
}

// usageError is a wrong use of the command line: exit code 2.
func usageError(hint, format string, args ...any) error {
	return &codedError{err: fmt.Errorf(format, args...), hint: hint, code: exitUsage}
}

// checkFailed says that a check ran and did not hold: exit code 3.
func checkFailed(hint, format string, args ...any) error {
	return &codedError{err: fmt.Errorf(format, args...), hint: hint, code: exitCheck}
}

// silentExit ends with a code and prints nothing more.
type silentExit int

func (silentExit) Error() string { return "exit" }

// exit prints what is to be said about err and returns the exit code.
func (a *app) exit(err error) int {
	if err == nil {
		return exitDone
	}
	var silent silentExit
	if errors.As(err, &silent) {
		return int(silent)
	}
	code, hint := exitFailed, ""
	var coded *codedError
	if errors.As(err, &coded) {
		code, hint = coded.code, coded.hint
	}
	a.say("%v", err)
	if hint != "" {
		a.hint("%s", hint)
	}
	return code
}

// say prints one message to stderr.
func (a *app) say(format string, args ...any) {
	fmt.Fprintf(a.stderr, "attribproxy: %s\n", clean(fmt.Sprintf(format, args...)))
}

// hint prints a remedy to stderr.
func (a *app) hint(format string, args ...any) {
	fmt.Fprintf(a.stderr, "hint: %s\n", clean(fmt.Sprintf(format, args...)))
}

// clean replaces control characters other than newline and tab, so that bytes
// from the network cannot drive the terminal they are printed on.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || !unicode.IsControl(r) && r != '\u2028' && r != '\u2029' && !isBidi(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// isBidi reports the direction controls that can make text read as what it is
// not (CVE-2021-42574).
func isBidi(r rune) bool {
	return r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}
