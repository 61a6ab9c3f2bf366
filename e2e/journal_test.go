package e2e_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/attribproxy/attribproxy/audit"
)

// entry is what one write leaves on record and what the cloud saw of it.
type entry struct {
	RequestID, Method, Path, Outcome, UAIn, UAOut string
	IDs                                           []string
	Status                                        int
}

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
		if q.Method == http.MethodPut {
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
			RequestID: e.RequestID, Method: e.Method, Path: e.Path, Outcome: string(e.Outcome),
			UAIn: e.UAIn, UAOut: e.UAOut, IDs: slices.Clone(e.IDs), Status: e.Status,
		})
	}
	byID := func(a, b entry) int { return strings.Compare(a.RequestID, b.RequestID) }
	slices.SortFunc(want, byID)
	slices.SortFunc(got, byID)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the journal does not have exactly the writes that reached ARM (-cloud +journal):\n%s", diff)
	}
	r.attribproxy(t, "audit", "verify", r.journal) // exits with 3 on any fault
}
