package guarantee_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/attribproxy/attribproxy/audit"
)

// disk is a way in which a journal's directory fails while serve runs.
type disk struct {
	name    string
	prepare func(t *testing.T, dir string)
	fail    func(t *testing.T, dir string)
	mend    func(t *testing.T, dir string)
	restart bool // nothing but a restart mends it: mend runs in between
	gone    bool // what was on record before is lost
}

func disks() []disk {
	return []disk{
		{name: "full", prepare: mountTmpfs, fail: fill, mend: empty},
		{name: "read-only", prepare: mountExt4, fail: failExt4, mend: repairExt4, restart: true},
		{name: "deleted", prepare: func(*testing.T, string) {}, fail: remove, mend: func(*testing.T, string) {}, restart: true, gone: true},
	}
}

// asRoot runs a command as root, by sudo where it asks for no password.
func asRoot(stdin string, argv ...string) error {
	if os.Geteuid() != 0 {
		argv = append([]string{"sudo", "-n"}, argv...)
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	cmd.Stdin = strings.NewReader(stdin)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(argv, " "), err, text)
	}
	return nil
}

// mount mounts a file system that is ours to write to, until the test ends.
func mount(t *testing.T, dir string, argv ...string) {
	t.Helper()
	err := asRoot("", append(append([]string{"mount"}, argv...), dir)...)
	if err == nil {
		t.Cleanup(func() { _ = asRoot("", "umount", "--lazy", dir) })
		err = asRoot("", "chown", strconv.Itoa(os.Geteuid()), dir)
	}
	if err != nil {
		missing(t, "no file system can be mounted here, which takes root or sudo, and CAP_SYS_ADMIN: %v", err)
	}
}

func mountTmpfs(t *testing.T, dir string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	mount(t, dir, "-t", "tmpfs", "-o", "size=256k", "tmpfs")
}

// fill leaves not a byte free.
func fill(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 64 << 10; size > 0; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, unix.ENOSPC) {
			size /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func empty(t *testing.T, dir string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, "filler")); err != nil {
		t.Fatal(err)
	}
}

// mountExt4 mounts a real file system that goes read-only when it meets an error.
func mountExt4(t *testing.T, dir string) {
	t.Helper()
	if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(dir+".img", nil, 0o600), os.Truncate(dir+".img", 4<<20)); err != nil {
		t.Fatal(err)
	}
	mkfs := exec.Command("mkfs.ext4", "-q", dir+".img")
	if path, err := exec.LookPath("/usr/sbin/mkfs.ext4"); err == nil { // not in everybody's PATH
		mkfs.Path, mkfs.Err = path, nil
	}
	if text, err := mkfs.CombinedOutput(); err != nil {
		missing(t, "no ext4 can be made here (Debian: e2fsprogs): %v\n%s", err, text)
	}
	attachExt4(t, dir)
}

func attachExt4(t *testing.T, dir string) {
	t.Helper()
	mount(t, dir, "-o", "loop,errors=remount-ro", dir+".img")
}

// failExt4 makes the kernel take the file system for damaged.
func failExt4(t *testing.T, dir string) {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		t.Fatal(err)
	}
	trigger := fmt.Sprintf("/sys/fs/ext4/loop%d/trigger_fs_error", unix.Minor(st.Dev))
	if err := asRoot("test", "tee", trigger); err != nil {
		missing(t, "the kernel lets no error be made on ext4: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "probe"), nil, 0o600); !errors.Is(err, unix.EROFS) {
		t.Fatalf("the file system is not read-only: %v", err)
	}
}

func repairExt4(t *testing.T, dir string) {
	t.Helper()
	if err := asRoot("", "umount", dir); err != nil {
		t.Fatal(err)
	}
	attachExt4(t, dir)
}

func remove(t *testing.T, dir string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
}

// The journal's disk fails under a running serve, and comes back.
func TestDisk(t *testing.T) {
	for _, guarantee := range []string{"durable", "strict", "best-effort"} {
		for _, d := range disks() {
			t.Run(guarantee+"/"+d.name, func(t *testing.T) {
				t.Parallel()
				testDisk(t, guarantee, d)
			})
		}
	}
}

// diskTest is one of them.
type diskTest struct {
	*site
	t         *testing.T
	disk      disk
	guarantee string
	client    *client
	rand      *rand.Rand
	sent      []string
	answers   map[string]answer
}

func testDisk(t *testing.T, guarantee string, d disk) {
	x := &diskTest{
		site: newSite(t, map[string]any{"guarantee": guarantee}), t: t, disk: d, guarantee: guarantee,
		rand: rand.New(rand.NewPCG(1, 1)), answers: map[string]answer{},
	}
	d.prepare(t, x.journal)
	run := x.serve(t)
	x.client = x.newClient(t, false, false)
	x.client.use(t, run)
	before := x.write(3)
	x.served(before)
	// Nobody waits for the disk with best-effort; a reader sees lines before they are safe.
	eventually(t, "the first writes to be on disk", func() bool { return run.metric(t, "attribproxy_journal_lines_total") >= float64(len(before)) })

	d.fail(t, x.journal)
	during := x.write(12)
	eventually(t, "/readyz to say 503", func() bool {
		during = append(during, x.write(1)...) // a line about the loss may have found room
		code, why := run.get(t, "/readyz")
		return code == http.StatusServiceUnavailable && strings.Contains(why, "the journal cannot be written")
	})
	eventually(t, "the log to speak of the loss", run.saidLoss)
	if n := run.metric(t, "attribproxy_journal_lost_events_total"); n == 0 {
		t.Error("attribproxy_journal_lost_events_total is 0")
	}
	if n := run.metric(t, "attribproxy_unrecorded_answers_total"); n == 0 && guarantee != "best-effort" {
		t.Error("attribproxy_unrecorded_answers_total is 0")
	}
	if guarantee == "strict" {
		x.refused(during)
	} else {
		x.served(during)
	}

	if d.restart {
		if code := run.stop(t); code == 0 {
			t.Error("serve ended with 0 although its journal could not be sealed")
		}
		if d.name == "read-only" {
			if code, _, stderr := x.run(t, "serve", "--config", x.config); code != 1 || !strings.Contains(stderr, "hint: nothing is sent without a record") {
				t.Errorf("serve without a journal: exit code %d\n%s", code, stderr)
			}
		}
		d.mend(t, x.journal)
		run = x.serve(t)
		x.client.use(t, run)
	} else {
		d.mend(t, x.journal)
		eventually(t, "/readyz to say 200", func() bool { code, _ := run.get(t, "/readyz"); return code == http.StatusOK })
	}
	after := x.write(3)
	x.served(after)
	if code := run.stop(t); code != 0 {
		t.Errorf("exit code %d:\n%s", code, run.said())
	}
	x.check(before, after)
}

// write sends n PUTs, each of which must be answered.
func (x *diskTest) write(n int) []string {
	x.t.Helper()
	var ids []string
	for range n {
		id := newID(x.rand)
		a, err := x.client.write(x.t.Context(), http.MethodPut, id)
		if err != nil {
			x.t.Fatalf("a write was not answered: %v", err)
		}
		x.answers[id] = a
		ids = append(ids, id)
	}
	x.sent = append(x.sent, ids...)
	return ids
}

// served: the cloud answered.
func (x *diskTest) served(ids []string) {
	x.t.Helper()
	reached := x.reached()
	for _, id := range ids {
		if a := x.answers[id]; a.status/100 != 2 || a.own != "" || reached[id] != 1 {
			x.t.Errorf("write %s: answered %d %s, reached the cloud %d times", id, a.status, a.body, reached[id])
		}
	}
}

// refused: as soon as the disk took no more, 503 in ARM's shape, and nothing
// reached the cloud.
func (x *diskTest) refused(ids []string) {
	x.t.Helper()
	reached, n := x.reached(), 0
	for _, id := range ids {
		a := x.answers[id]
		if a.status != http.StatusServiceUnavailable {
			continue
		}
		n++
		var body struct {
			Error struct{ Code, Message string }
		}
		if err := json.Unmarshal([]byte(a.body), &body); err != nil || body.Error.Code != "AttribProxyJournalUnavailable" || body.Error.Message == "" || a.own != body.Error.Code {
			x.t.Errorf("the refusal of %s is not in ARM's shape: %s (%s)", id, a.body, a.own)
		}
		if reached[id] != 0 {
			x.t.Errorf("write %s was refused and reached the cloud", id)
		}
	}
	// What was in the file already may have left room for some lines.
	if last := x.answers[ids[len(ids)-1]]; n == 0 || last.status != http.StatusServiceUnavailable {
		x.t.Errorf("%d of %d writes were refused, the last was answered %d", n, len(ids), last.status)
	}
}

// check holds the journal against what was sent.
func (x *diskTest) check(before, after []string) {
	x.t.Helper()
	report := x.verify(x.t)
	recorded, intents := map[string]bool{}, map[string]bool{}
	var lost uint64
	unclean := 0
	for _, e := range x.events(x.t) {
		switch {
		case e.Kind == audit.KindRequest:
			recorded[e.ClientRequestID] = true
		case e.Kind == audit.KindIntent:
			intents[e.ClientRequestID] = true
		case e.Reason == audit.GapWriteError:
			lost += e.Count
		case e.Reason == audit.GapUncleanStop:
			unclean++
		}
	}
	must := after
	if !x.disk.gone {
		must = append(must[:len(must):len(must)], before...)
	}
	for _, id := range must {
		if !recorded[id] {
			x.t.Errorf("write %s is not on record", id)
		}
	}
	switch missing := uint64(len(x.sent) - len(recorded)); {
	case x.disk.gone:
	case x.disk.restart && unclean != 1:
		x.t.Errorf("%d gaps unclean-stop, want 1", unclean)
	case !x.disk.restart && (missing == 0 || lost != missing):
		x.t.Errorf("%d writes are not on record, the journal's gaps count %d", missing, lost)
	}
	if x.guarantee == "strict" && !x.disk.gone {
		for id := range x.reached() {
			if !intents[id] {
				x.t.Errorf("write %s reached the cloud without an intent", id)
			}
		}
	}
	x.t.Logf("%d sent, %d on record, gaps %+v", len(x.sent), len(recorded), report.Gaps)
}
