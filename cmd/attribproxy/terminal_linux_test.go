package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openTerminal opens a pseudo-terminal: what a person types goes into the
// first file, the second is a program's terminal.
func openTerminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { person.Close() })
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return person, program
}

// At a terminal the command has the terminal, and Ctrl-C reaches it once: from
// the terminal itself, not a second time from us.
func TestRunAtATerminal(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	person, program := openTerminal(t)
	cmd := s.command("run", "--", s.program("signalclient"), "2")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = program, program, program
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	program.Close()
	if err := person.SetReadDeadline(time.Now().Add(waitLong)); err != nil {
		t.Logf("the terminal takes no deadline: %v", err)
	}
	var shown []string
	for lines := bufio.NewScanner(person); lines.Scan(); { // ends when the last program has closed the terminal
		line := strings.TrimSpace(lines.Text())
		shown = append(shown, line)
		switch {
		case strings.HasSuffix(line, "waiting at a terminal"):
			if _, err := person.WriteString("\x03"); err != nil { // Ctrl-C
				t.Fatal(err)
			}
		case strings.HasSuffix(line, "caught interrupt"):
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 5 {
		t.Errorf("exit code %d", code)
	}
	all := strings.Join(shown, "\n")
	if strings.Count(all, "caught interrupt") != 1 || !strings.Contains(all, "caught terminated") || !strings.Contains(all, "0 ARM writes") {
		t.Errorf("the terminal showed:\n%s", all)
	}
}
