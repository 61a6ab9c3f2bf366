package console_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/attribproxy/attribproxy/console"
)

func TestPercentNeverRoundsUp(t *testing.T) {
	for _, c := range []struct {
		tagged, eligible uint64
		want             string
	}{
		{0, 0, ""},
		{0, 1, "0.0"},
		{1, 1, "100.0"},
		{99_999, 100_000, "99.9"},
		{8, 12, "66.6"},
		{7, 11, "63.6"},
		{29, 100, "29.0"},
		{57, 100, "57.0"},
	} {
		if got := console.Percent(c.tagged, c.eligible); got != c.want {
			t.Errorf("%d of %d is shown as %s, want %s", c.tagged, c.eligible, got, c.want)
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
