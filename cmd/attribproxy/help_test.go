package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"golang.org/x/tools/txtar"
)

// commands lists every command that a user can see, the root first.
func commands(cmd *cobra.Command) []*cobra.Command {
	list := []*cobra.Command{cmd}
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			list = append(list, commands(sub)...)
		}
	}
	return list
}

func testRoot() *cobra.Command { return (&app{stdout: os.Stdout, stderr: os.Stderr}).rootCommand() }

// The help of every command, as the user sees it; -update writes it anew.
func TestHelp(t *testing.T) {
	t.Parallel()
	var got txtar.Archive
	for _, cmd := range commands(testRoot()) {
		var stdout, stderr bytes.Buffer
		args := append(strings.Fields(cmd.CommandPath())[1:], "--help")
		if code := run(t.Context(), args, strings.NewReader(""), &stdout, &stderr, nil); code != exitDone || stderr.Len() > 0 {
			t.Errorf("%s --help: exit code %d, %s", cmd.CommandPath(), code, &stderr)
		}
		got.Files = append(got.Files, txtar.File{Name: cmd.CommandPath(), Data: stdout.Bytes()})
	}
	golden := filepath.Join("testdata", "help.txtar")
	if *update {
		if err := os.WriteFile(golden, txtar.Format(&got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(txtar.Format(&got))); diff != "" {
		t.Errorf("go test ./cmd/attribproxy -run Help -update writes it anew: %s", diff)
	}
}

// A verb stands in the help only when it works, says what it is for and shows
// how it is used.
func TestEveryCommandIsFinished(t *testing.T) {
	t.Parallel()
	unfinished := regexp.MustCompile(`(?i)\b(todo|fixme|not (yet )?implemented|unfinished|coming soon)\b`)
	for _, cmd := range commands(testRoot()) {
		name := cmd.CommandPath()
		if cmd.Short == "" || cmd.Example == "" {
			t.Errorf("%s: no summary or no example", name)
		}
		if strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: the summary ends in a period", name)
		}
		if word := unfinished.FindString(cmd.Short + cmd.Long + cmd.Example); word != "" {
			t.Errorf("%s: says %q", name, word)
		}
		if !cmd.Runnable() {
			t.Errorf("%s: cannot be run", name)
		}
		for line := range strings.SplitSeq(cmd.Long, "\n") {
			if utf8.RuneCountInString(line) > 85 {
				t.Errorf("%s: a line is longer than 85 characters: %s", name, line)
			}
		}
		for line := range strings.SplitSeq(strings.TrimRight(cmd.Example, "\n"), "\n") {
			if line != "" && !strings.HasPrefix(line, "  ") {
				t.Errorf("%s: an example is not indented: %q", name, line)
			}
		}
	}
}

// Every command line that a help text shows exists, flags included.
func TestExamplesExist(t *testing.T) {
	t.Parallel()
	call := regexp.MustCompile(`(?:^|[\s("'])attribproxy ((?:[^|;)>#"'\s]|"[^"]*"|'[^']*'| )+)`)
	for _, cmd := range commands(testRoot()) {
		for line := range strings.SplitSeq(cmd.Example, "\n") {
			for _, match := range call.FindAllStringSubmatch(line, -1) {
				words, _, _ := strings.Cut(" "+match[1]+" ", " -- ")
				args := strings.Fields(words)
				if strings.HasPrefix(args[0], "-") {
					continue // the name as an argument of another program
				}
				found, rest, err := testRoot().Find(args)
				switch {
				case err != nil:
					t.Errorf("%s shows %q: %v", cmd.CommandPath(), match[0], err)
				case !found.HasParent():
					t.Errorf("%s shows %q, which is no command", cmd.CommandPath(), match[0])
				default:
					if err := found.ParseFlags(rest); err != nil {
						t.Errorf("%s shows %q: %v", cmd.CommandPath(), match[0], err)
					}
				}
			}
		}
	}
}
