package audit_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/attribproxy/attribproxy/audit"
)

// An intent that no request names reads unknown, in its place; one whose outcome
// is known is not shown beside it.
func TestOutcomes(t *testing.T) {
	o := options(t)
	o.Guarantee = audit.GuaranteeStrict
	for stream := range 2 {
		j := open(t, o)
		for i := range 4 {
			e := event(10*stream + i)
			e.Outcome = "attributed"
			if err := j.Intent(context.Background(), &e); err != nil {
				t.Fatal(err)
			}
			if i%2 == 0 {
				record(t, j, e)
			}
		}
		closeJournal(t, j)
	}
	plain := open(t, o) // an event without an intent: a refusal
	record(t, plain, event(20))
	closeJournal(t, plain)

	for seq, want := range map[uint64]uint64{1: 2, 3: 0, 4: 5, 6: 0} {
		intent, _, err := audit.Lookup(o.Dir, 2, seq)
		if err != nil || intent.Kind != audit.KindIntent {
			t.Fatalf("%+v, %v", intent, err)
		}
		if got, err := audit.OutcomeOf(o.Dir, &intent); got != want || err != nil {
			t.Errorf("the outcome of intent %d is %d, %v, want %d", seq, got, err, want)
		}
	}

	const known, unknown = "request %d attributed", "intent %d unknown"
	all := []string{
		fmt.Sprintf(known, 0), fmt.Sprintf(unknown, 1), fmt.Sprintf(known, 2), fmt.Sprintf(unknown, 3),
		fmt.Sprintf(known, 10), fmt.Sprintf(unknown, 11), fmt.Sprintf(known, 12), fmt.Sprintf(unknown, 13),
	}
	last := "request 20 " + event(20).Outcome
	for name, c := range map[string]struct {
		read iter.Seq2[audit.Event, error]
		want []string
	}{
		"all":          {audit.Outcomes(o.Dir, audit.Filter{}), append(all[:8:8], last)},
		"unknown":      {audit.Outcomes(o.Dir, audit.Filter{Outcomes: []string{"Unknown"}}), []string{all[1], all[3], all[5], all[7]}},
		"no unknown":   {audit.Outcomes(o.Dir, audit.Filter{Kinds: []audit.Kind{audit.KindGap}}), nil},
		"by tool":      {audit.Outcomes(o.Dir, audit.Filter{Tools: []string{"no-such-tool"}}), nil},
		"latest":       {audit.LatestOutcomes(o.Dir, audit.Filter{}, 3), []string{all[6], all[7], last}},
		"latest, none": {audit.LatestOutcomes(o.Dir, audit.Filter{}, 0), nil},
		"intents": {audit.Outcomes(o.Dir, audit.Filter{Kinds: []audit.Kind{audit.KindIntent}}), []string{
			"intent 0 attributed", all[1], "intent 2 attributed", all[3], "intent 10 attributed", all[5], "intent 12 attributed", all[7],
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for e, err := range c.read {
				if err != nil {
					t.Fatal(err)
				}
				var n int
				if _, err := fmt.Sscanf(e.ClientRequestID, "request-%d", &n); err != nil {
					t.Fatal(err)
				}
				got = append(got, fmt.Sprintf("%s %d %s", e.Kind, n, e.Outcome))
			}
			if diff := cmp.Diff(c.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A file without a name takes writes for ever; what is in it is no record.
func TestSegmentDeletedUnderTheWriter(t *testing.T) {
	o := options(t)
	j := open(t, o)
	record(t, j, event(0))
	if err := os.RemoveAll(o.Dir); err != nil {
		t.Skipf("this system keeps open files from being deleted: %v", err)
	}
	if err := j.Record(event(1)).Wait(context.Background()); err == nil {
		t.Error("the receipt hides the loss")
	}
	if j.Healthy() == nil {
		t.Error("Healthy hides the loss")
	}
	if err := j.Close(); err == nil {
		t.Error("Close hides the loss")
	}
	if _, err := os.Stat(o.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory is back: %v", err)
	}
}
