package store

import (
	"fmt"
	"math/big"
	"math/bits"
	"strings"
)

// Percent is a part of a whole in tenths of a percent. It is cut off, never
// rounded up: 1000 is all. Whatever shows a coverage shows it in this form.
type Percent uint16

// PercentOf is the part of the whole, which is not smaller; ok is false when the
// whole is nothing.
func PercentOf(part, whole uint64) (p Percent, ok bool) {
	if whole == 0 {
		return 0, false
	}
	high, low := bits.Mul64(min(part, whole), 1000)
	tenths, _ := bits.Div64(high, low, whole)
	return Percent(tenths), true //nolint:gosec // at most 1000
}

// String writes the percentage without the sign, such as 66.6.
func (p Percent) String() string { return fmt.Sprintf("%d.%d", p/10, p%10) }

// MarshalJSON writes the same as String, as a number.
func (p Percent) MarshalJSON() ([]byte, error) { return []byte(p.String()), nil }

// ExactPercent writes the part of the whole, which is not 0, with so many
// digits behind the point, cut off like those of a Percent.
func ExactPercent(part, whole uint64, digits int) string {
	n := new(big.Int).SetUint64(min(part, whole))
	n.Mul(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)+2), nil))
	s := n.Quo(n, new(big.Int).SetUint64(whole)).String()
	if len(s) <= digits {
		s = strings.Repeat("0", digits+1-len(s)) + s
	}
	return s[:len(s)-digits] + "." + s[len(s)-digits:]
}
