package audit_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/attribproxy/attribproxy/audit"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv("AUDIT_TEST_CHILD"); mode != "" {
		os.Exit(child(mode))
	}
	goleak.VerifyTestMain(m)
}

// options are those of a journal in a new directory.
func options(t testing.TB) audit.Options {
	t.Helper()
	state := t.TempDir()
	return audit.Options{
		Dir: filepath.Join(state, "audit"), Source: "testhost-0badcafe",
		KeyFile: filepath.Join(state, "seal-key.pem"),
	}
}

func open(t testing.TB, o audit.Options) *audit.Journal {
	t.Helper()
	j, err := audit.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func closeJournal(t testing.TB, j *audit.Journal) {
	t.Helper()
	if err := j.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
}

func record(t testing.TB, j *audit.Journal, e audit.Event) {
	t.Helper()
	if err := j.Record(e).Wait(context.Background()); err != nil {
		t.Fatalf("Record: %v", err)
	}
}

// event is a request with a number to tell it by.
func event(n int) audit.Event {
	return audit.Event{
		Time:    time.Date(2026, 3, 1, 12, 0, 0, n, time.UTC),
		Outcome: "attributed", Reason: "rule contoso-platform matches", Rule: "contoso-platform",
		IDs:  []string{"pid-b6addd8f-5ff4-4fc0-a2b5-0ec7861106c4"},
		Mode: "enforce", Method: "PUT", Host: "management.azure.com",
		Path:       "/subscriptions/1b2c3d4e-0000-4000-8000-000000000000/resourceGroups/rg-contoso-1/providers/Microsoft.Compute/virtualMachines/vm" + fmt.Sprint(n),
		APIVersion: "2024-07-01", Scope: "resourceGroup", Subscription: "1b2c3d4e-0000-4000-8000-000000000000",
		ResourceGroup: "rg-contoso-1", ResourceType: "Microsoft.Compute/virtualMachines", ResourceName: fmt.Sprintf("vm%d", n),
		Tool:   "azure-cli",
		UAIn:   "AZURECLI/2.61.0 (DEB) azsdk-python-core/1.28.0 Python/3.11.8 (Linux-6.1.0-x86_64-with-glibc2.36)",
		UAOut:  "AZURECLI/2.61.0 (DEB) azsdk-python-core/1.28.0 Python/3.11.8 (Linux-6.1.0-x86_64-with-glibc2.36) pid-b6addd8f-5ff4-4fc0-a2b5-0ec7861106c4",
		Client: "127.0.0.1", Labels: []string{"team=platform"},
		ClientRequestID: fmt.Sprintf("request-%d", n), CorrelationID: "b0f5c3a4-53f1-4f0e-9d3a-1d2f0c8b7a61",
		RequestID: "7a1d2f0c-8b61-4f0e-9d3a-b0f5c3a453f1", Status: 201, DurationMS: 12.5, BytesUp: 2048, BytesDown: 512,
		ConfigHash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
	}
}

// requests returns the client request ids of all request events in dir.
func requests(t testing.TB, dir string) []string {
	t.Helper()
	var ids []string
	for e, err := range audit.Read(dir, audit.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, e.ClientRequestID)
	}
	return ids
}

// gaps returns the gap lines in dir as "reason count".
func gaps(t testing.TB, dir string) []string {
	t.Helper()
	var found []string
	for e, err := range audit.Read(dir, audit.Filter{Kinds: []audit.Kind{audit.KindGap}}) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, fmt.Sprintf("%s %d", e.Reason, e.Count))
	}
	return found
}

func publicKey(t testing.TB, o audit.Options) ed25519.PublicKey {
	t.Helper()
	key, err := audit.ReadPublicKey(o.KeyFile + audit.PublicKeySuffix)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// verify runs Verify with the journal's key.
func verify(t testing.TB, o audit.Options) audit.Report {
	t.Helper()
	r, err := audit.Verify(o.Dir, audit.VerifyOptions{Key: publicKey(t, o)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func mustPass(t testing.TB, o audit.Options) audit.Report {
	t.Helper()
	r := verify(t, o)
	for _, f := range r.Faults {
		t.Errorf("fault: %s", f)
	}
	return r
}

// segments returns the paths of all segments, ordered.
func segments(t testing.TB, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(paths)
	return paths
}

func readLines(t testing.TB, path string) []string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(data) == 0 {
		return nil
	}
	if !bytes.HasSuffix(data, []byte("\n")) {
		t.Fatalf("%s does not end with LF", path)
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
}

func sha(line string) string {
	sum := sha256.Sum256([]byte(line))
	return hex.EncodeToString(sum[:])
}
