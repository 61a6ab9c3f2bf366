package audit_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/attribproxy/attribproxy/audit"
)

// child is what this test binary does when a test starts it as a process of
// its own: "write N" records N events and closes; "load" records events from
// several goroutines until it is killed and prints the id of each that is on
// disk; "source" prints the source's name.
func child(mode string) int {
	state := os.Getenv("AUDIT_TEST_STATE")
	mode, arg, _ := strings.Cut(mode, " ")
	if mode == "source" {
		name, err := audit.SourceName(state)
		fmt.Println(name, err)
		return 0
	}
	source, err := audit.SourceName(state)
	if err != nil {
		return fail(err)
	}
	o := audit.Options{Dir: filepath.Join(state, "audit"), Source: source, KeyFile: filepath.Join(state, "seal-key.pem")}
	o.Guarantee = audit.Guarantee(os.Getenv("AUDIT_TEST_GUARANTEE"))
	o.SegmentBytes, _ = strconv.ParseInt(os.Getenv("AUDIT_TEST_SEGMENT"), 10, 64)
	j, err := audit.Open(o)
	if err != nil {
		return fail(err)
	}
	pid := os.Getpid()
	if mode == "write" {
		n, _ := strconv.Atoi(arg)
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				e := event(i)
				e.ClientRequestID = fmt.Sprintf("%d-%d", pid, i)
				if err := j.Record(e).Wait(context.Background()); err != nil {
					fail(err)
				}
			})
		}
		wg.Wait()
		if err := j.Close(); err != nil {
			return fail(err)
		}
		return 0
	}
	for w := range 4 {
		go func() {
			for i := 0; ; i++ {
				e := event(i)
				e.Time = time.Now()
				e.ClientRequestID = fmt.Sprintf("%d-%d-%d", pid, w, i)
				if j.Record(e).Wait(context.Background()) == nil {
					fmt.Println(e.ClientRequestID)
				}
			}
		}()
	}
	select {}
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

func command(t testing.TB, state, mode string, env ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), append(env, "AUDIT_TEST_CHILD="+mode, "AUDIT_TEST_STATE="+state)...)
	cmd.Stderr = os.Stderr
	return cmd
}

func stateOptions(state string) audit.Options {
	return audit.Options{
		Dir: filepath.Join(state, "audit"), Source: "testhost-0badcafe",
		KeyFile: filepath.Join(state, "seal-key.pem"),
	}
}

// Ten processes on one empty state directory: one key, one source, ten clean
// streams.
func TestTenProcesses(t *testing.T) {
	const processes, each = 10, 100
	state := t.TempDir()
	var wg sync.WaitGroup
	for range processes {
		cmd := command(t, state, fmt.Sprintf("write %d", each), "AUDIT_TEST_SEGMENT=20000")
		wg.Go(func() {
			if err := cmd.Run(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	o := stateOptions(state)
	r := mustPass(t, o)
	if r.Epochs != processes || len(r.OpenTails) != 0 || len(r.Gaps) != 0 || len(r.KeyIDs) != 1 {
		t.Errorf("report: %+v", r)
	}
	ids := requests(t, o.Dir)
	slices.Sort(ids)
	if n := len(slices.Compact(ids)); n != processes*each {
		t.Errorf("%d of %d events", n, processes*each)
	}
}

func TestSourceNameOfManyProcesses(t *testing.T) {
	state := filepath.Join(t.TempDir(), "made", "on", "demand")
	names := make(chan string, 8)
	var wg sync.WaitGroup
	for range cap(names) {
		cmd := command(t, state, "source")
		wg.Go(func() {
			out, err := cmd.Output()
			if err != nil {
				t.Error(err)
			}
			names <- string(out)
		})
	}
	wg.Wait()
	first := <-names
	host, _ := os.Hostname()
	host, _, _ = strings.Cut(host, ".")
	if !strings.HasSuffix(first, " <nil>\n") || !strings.HasPrefix(first, host[:1]) || strings.Count(first, "-") < 1 {
		t.Errorf("the name is %q", first)
	}
	for range cap(names) - 1 {
		if name := <-names; name != first {
			t.Errorf("%q and %q", first, name)
		}
	}
}

// Killed under load, again and again, with others writing to the directory:
// every event whose receipt was settled is there, and the next journal closes
// the dead one.
func TestKill(t *testing.T) {
	rounds := 30
	if testing.Short() {
		rounds = 5
	}
	state := t.TempDir()
	o := stateOptions(state)
	bystander := open(t, o) // its stream must stay untouched
	record(t, bystander, event(0))
	var promised []string
	for round := range rounds {
		cmd := command(t, state, "load", "AUDIT_TEST_SEGMENT=50000")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// The killer is as random as the scheduler: after so many lines,
		// whatever the writer is at then.
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			promised = append(promised, lines.Text())
			if n == round*7 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		cmd.Wait()
		// With the tail still open.
		if r := mustPass(t, o); len(r.OpenTails) != 2 {
			t.Errorf("round %d: open tails: %+v", round, r.OpenTails)
		}
	}
	closeJournal(t, open(t, o))
	record(t, bystander, event(1))
	closeJournal(t, bystander)
	r := mustPass(t, o)
	if len(r.OpenTails) != 0 || r.Epochs != rounds+2 {
		t.Errorf("%d epochs, open tails: %+v", r.Epochs, r.OpenTails)
	}
	unclean := 0
	for _, g := range r.Gaps {
		if g.Reason == audit.GapUncleanStop {
			unclean++
		}
	}
	if unclean != rounds {
		t.Errorf("%d unclean stops, want %d", unclean, rounds)
	}
	found := map[string]bool{}
	for _, id := range requests(t, o.Dir) {
		if found[id] {
			t.Errorf("%s is there twice", id)
		}
		found[id] = true
	}
	for _, id := range promised {
		if !found[id] {
			t.Errorf("%s was promised and is lost", id)
		}
	}
	if len(promised) < rounds {
		t.Errorf("only %d events were promised", len(promised))
	}
}

// Several processes find the same dead stream at once: one closes it, once.
func TestConcurrentRecovery(t *testing.T) {
	state := t.TempDir()
	o := stateOptions(state)
	for range 5 {
		cmd := command(t, state, "load")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		lines.Scan()
		cmd.Process.Signal(syscall.SIGKILL)
		for lines.Scan() {
		}
		cmd.Wait()
		var wg sync.WaitGroup
		for range 4 {
			cmd := command(t, state, "write 3")
			wg.Go(func() {
				if err := cmd.Run(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	r := mustPass(t, o)
	if len(r.OpenTails) != 0 || r.Epochs != 25 {
		t.Errorf("%d epochs, open tails %+v", r.Epochs, r.OpenTails)
	}
	want := slices.Repeat([]string{"unclean-stop 0"}, 5)
	if diff := cmp.Diff(want, gaps(t, o.Dir), cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}
