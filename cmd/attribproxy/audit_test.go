package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What another journal records appears while tail follows, and the end of the
// following is no failure.
func TestAuditTailFollows(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	if err := writeTestJournal(state); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, stdout := io.Pipe()
	var stderr bytes.Buffer
	code := make(chan int, 1)
	go func() {
		defer stdout.Close()
		code <- run(ctx, []string{"audit", "tail", "-f", "-n", "1", "--state-dir", state}, strings.NewReader(""), stdout, &stderr, nil)
	}()
	lines := bufio.NewScanner(out)
	next := func(want string) {
		t.Helper()
		if !lines.Scan() {
			t.Fatalf("the output ended; want %q", want)
		}
		if !strings.Contains(lines.Text(), want) {
			t.Fatalf("got %q, want %q", lines.Text(), want)
		}
	}
	next("OUTCOME")
	next("DELETE")
	if err := appendTestEvent(state); err != nil {
		t.Fatal(err)
	}
	next("vm-late")
	cancel()
	for lines.Scan() {
		t.Errorf("more output: %s", lines.Text())
	}
	if got := <-code; got != exitDone || stderr.Len() > 0 {
		t.Errorf("exit code %d, %s", got, &stderr)
	}
}

// What has a segment's name and is no file fails the check; other verbs tell
// of it and go on.
func TestAuditStranger(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "00000001-0001.jsonl"), 0o700); err != nil {
		t.Fatal(err)
	}
	const message = "00000001-0001.jsonl: not a regular file but a directory"
	audit := func(args ...string) (code int, stdout, stderr string) {
		var out, errs bytes.Buffer
		code = run(t.Context(), append([]string{"audit"}, args...), strings.NewReader(""), &out, &errs, nil)
		return code, out.String(), errs.String()
	}
	if code, stdout, stderr := audit("verify", dir); code != exitCheck || !strings.Contains(stdout, message) {
		t.Errorf("verify: exit code %d, %s%s", code, stdout, stderr)
	}
	if code, stdout, stderr := audit("list", "--audit-dir", dir); code != exitFailed || !strings.Contains(stderr, message) {
		t.Errorf("list: exit code %d, %s%s", code, stdout, stderr)
	}
}

func TestJournalUnreadable(t *testing.T) {
	t.Parallel()
	denied := &fs.PathError{Op: "open", Path: "/var/lib/attribproxy/audit", Err: fs.ErrPermission}
	var coded *codedError
	if err := unreadable(denied); !errors.As(err, &coded) || !errors.Is(err, fs.ErrPermission) || !strings.Contains(coded.hint, "--audit-dir") {
		t.Errorf("permission denied: %v, hint %+v", err, coded)
	}
	if err := unreadable(fs.ErrInvalid); errors.As(err, &coded) {
		t.Errorf("another error: hint %q", coded.hint)
	}
}

func TestParseSince(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	for s, want := range map[string]time.Time{
		"1h":                        now.Add(-time.Hour),
		"24h":                       now.Add(-24 * time.Hour),
		"7d":                        now.Add(-7 * 24 * time.Hour),
		"2026-03-01":                time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
		"2026-03-01T12:00:00+02:00": time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC),
	} {
		got, err := parseSince(s, now)
		if err != nil || !got.Equal(want) {
			t.Errorf("%s: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "yesterday", "-1h", "2026-13-01", "1"} {
		if got, err := parseSince(s, now); err == nil {
			t.Errorf("%q: %v", s, got)
		}
	}
}
