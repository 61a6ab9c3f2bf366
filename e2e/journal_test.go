package e2e_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/attribproxy/attribproxy/audit"
	"github.com/attribproxy/attribproxy/internal/fakecloud"
)

// entry is what one write leaves on record and what the cloud saw of it.
type entry struct {
	RequestID, Method, Path, Outcome, UAIn, UAOut string
	IDs, TemplateIDs                              []string
	Status                                        int
}

// marker is the marker deployment in clients/template.json.
const marker = "pid-7a1d2f0c-8b61-4f0e-9d3a-b0f5c3a453f1"

// checkJournal holds the journal against what reached the cloud: exactly its
// writes to ARM, each with the outcome, the User-Agent before and after, and
// ARM's own answer. before gives the User-Agent that the client sends by itself.
func checkJournal(t *testing.T, r result, before map[string]string) {
	t.Helper()
	var want, got []entry
	for _, q := range r.requests {
		if !r.cloud.IsARM(q.Host) || q.Method == http.MethodGet || q.Method == http.MethodHead {
			continue
		}
		path, _, _ := strings.Cut(q.RequestURI, "?")
		ua, had := q.Header.Get("User-Agent"), before[q.Method+" "+path]
		e := entry{RequestID: q.RequestID, Method: q.Method, Path: path, Outcome: "not-eligible", UAIn: had, Status: q.Status}
		if bytes.Contains(q.Body, []byte(marker)) && q.Method == http.MethodPut {
			e.TemplateIDs = []string{marker}
		}
		switch {
		case path == "/batch":
			e.Outcome = "batch"
			want = append(want, inner(t, q)...)
		case q.Method == http.MethodPut:
			e.Outcome, e.IDs = "already-attributed", []string{token}
			if ua != had {
				e.Outcome, e.UAOut = "attributed", ua // recorded only when it was changed
			}
		}
		want = append(want, e)
	}
	for e, err := range audit.Read(r.journal, audit.Filter{}) {
		if err != nil {
			t.Fatalf("reading the journal: %v", err)
		}
		got = append(got, entry{
			RequestID: e.RequestID, Method: e.Method, Path: e.Path, Outcome: e.Outcome,
			UAIn: e.UAIn, UAOut: e.UAOut, IDs: slices.Clone(e.IDs), TemplateIDs: slices.Clone(e.TemplateIDs), Status: e.Status,
		})
	}
	byID := func(a, b entry) int { return strings.Compare(a.RequestID+a.Path, b.RequestID+b.Path) }
	slices.SortFunc(want, byID)
	slices.SortFunc(got, byID)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the journal does not have exactly the writes that reached ARM (-cloud +journal):\n%s", diff)
	}
	r.attribproxy(t, "audit", "verify", r.journal) // exits with 3 on any fault
}

// inner are the writes inside of a batch, which are on record too. The
// clients send no reads in one.
func inner(t *testing.T, batch fakecloud.Request) []entry {
	t.Helper()
	var body struct {
		Requests []struct{ HTTPMethod, URL string }
	}
	if err := json.Unmarshal(batch.Body, &body); err != nil {
		t.Fatalf("reading the batch that reached the cloud: %v", err)
	}
	var entries []entry
	for _, q := range body.Requests {
		path, _, _ := strings.Cut(q.URL, "?")
		entries = append(entries, entry{RequestID: batch.RequestID, Method: q.HTTPMethod, Path: path, Outcome: "batch"})
	}
	return entries
}

// summaryLine is what run says at its end: how many writes, how many of them
// tagged, and the hash that the journal's files can be held against.
var summaryLine = regexp.MustCompile(`(?m)^attribproxy: (\d+) ARM writes?: (\d+) attributed .*head ([0-9a-f]{64})$`)

// checkSummary holds run's last line against what reached the cloud.
func checkSummary(t *testing.T, r result) {
	t.Helper()
	writes, tagged := 0, 0
	for _, q := range r.requests {
		if !r.cloud.IsARM(q.Host) || q.Method == http.MethodGet || q.Method == http.MethodHead {
			continue
		}
		writes++
		if path, _, _ := strings.Cut(q.RequestURI, "?"); path == "/batch" {
			writes += len(inner(t, q))
		}
		if q.Method == http.MethodPut {
			tagged++
		}
	}
	for _, err := range audit.Read(r.journal, audit.Filter{Outcomes: []string{"already-attributed"}}) {
		if err != nil {
			t.Fatal(err)
		}
		tagged--
	}
	said := summaryLine.FindStringSubmatch(r.stderr)
	if said == nil {
		t.Fatalf("run ended without its summary:\n%s", r.stderr)
	}
	if diff := cmp.Diff([]string{strconv.Itoa(writes), strconv.Itoa(tagged)}, said[1:3]); diff != "" {
		t.Errorf("%s\nwrites and tagged (-cloud +summary):\n%s", said[0], diff)
	}
	r.attribproxy(t, "audit", "verify", "--head", said[3], r.journal)
}
