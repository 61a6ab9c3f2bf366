package console_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/attribproxy/attribproxy/console"
)

func TestPercentNeverRoundsToAllOrNothing(t *testing.T) {
	for ratio, want := range map[float64]string{
		0: "0.0", 1: "100.0", .99999: "99.9", .9994: "99.9", .00001: "0.1", .5: "50.0", .8441: "84.4",
	} {
		if got := console.Percent(ratio); got != want {
			t.Errorf("%v is shown as %s, want %s", ratio, got, want)
		}
	}
}

func TestTokensAreMarked(t *testing.T) {
	for _, tc := range []struct {
		name, ua, before string
		want             []string // + added, * there before
	}{
		{"none", "curl/8", "curl/8", nil},
		{"added", "curl/8 " + testID, "curl/8", []string{"+" + testID}},
		{"there before", "curl/8 " + testID, "curl/8 " + testID, []string{"*" + testID}},
		{"without case", "curl/8 " + testID, "curl/8 " + strings.ToUpper(testID), []string{"*" + testID}},
		{"both", otherID + " curl/8 " + testID, otherID + " curl/8", []string{"*" + otherID, "+" + testID}},
		{"in parentheses and lists", "azd (" + testID + ";" + otherID + "),x", "azd", []string{"+" + testID, "+" + otherID}},
		{"not inside a word", "x-pid-1 rapid-2", "", nil},
		{"the ID alone", testID, "", []string{"+" + testID}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			pieces, tokens, added := console.UserAgent(tc.ua, tc.before)
			var got []string
			for i, p := range pieces {
				switch {
				case added[i]:
					got = append(got, "+"+p)
				case tokens[i]:
					got = append(got, "*"+p)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Whatever a client sent: marking changes nothing of it.
func TestMarkingKeepsTheText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ua := rapid.OneOf(rapid.String(), rapid.StringMatching(`([ ;,()]|pid-|PID-|[a-z\xff]){0,20}`)).Draw(t, "ua")
		pieces, _, _ := console.UserAgent(ua, "")
		if got := strings.Join(pieces, ""); got != ua {
			t.Fatalf("%q became %q", ua, got)
		}
	})
}
