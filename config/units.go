package config

import (
	"errors"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes. In text it has a unit: 64MiB, 10GiB, 500MB, 4096B;
// a bare number is bytes.
type Size int64

var sizeForm = regexp.MustCompile(`^([0-9]+)\s*([A-Za-z]*)$`)

var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"TiB", 1 << 40},
	{"GiB", 1 << 30},
	{"MiB", 1 << 20},
	{"KiB", 1 << 10},
	{"TB", 1e12},
	{"GB", 1e9},
	{"MB", 1e6},
	{"KB", 1e3},
	{"B", 1},
	{"", 1},
}

// UnmarshalText reads a size; units compare without case.
func (s *Size) UnmarshalText(text []byte) error {
	parts := sizeForm.FindStringSubmatch(strings.TrimSpace(string(text)))
	if parts == nil {
		return errors.New("is not a size; write a whole number and a unit: 64MiB, 10GiB")
	}
	n, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		return errors.New("is larger than any size can be; write a smaller one: 10GiB")
	}
	for _, unit := range sizeUnits {
		if !strings.EqualFold(unit.name, parts[2]) {
			continue
		}
		if n > math.MaxInt64/unit.bytes {
			return errors.New("is larger than any size can be; write a smaller one: 10GiB")
		}
		*s = Size(n * unit.bytes)
		return nil
	}
	return errors.New("has an unknown unit; use B, KiB, MiB, GiB, TiB or KB, MB, GB, TB")
}

// MarshalText writes the size in the largest binary unit that is exact.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String is the size in the largest binary unit that is exact: 64MiB.
func (s Size) String() string {
	for _, unit := range sizeUnits[:4] {
		if s != 0 && int64(s)%unit.bytes == 0 {
			return strconv.FormatInt(int64(s)/unit.bytes, 10) + unit.name
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}

// Duration is a length of time. In text it is what [time.ParseDuration] reads,
// and also takes days: 24h, 1h30m, 400d.
type Duration time.Duration

var dayForm = regexp.MustCompile(`^([0-9]+)d(.*)$`)

// UnmarshalText reads a length of time, which cannot be negative.
func (d *Duration) UnmarshalText(text []byte) error {
	bad := errors.New("is not a length of time; write a number and a unit: 30s, 24h, 400d")
	s := strings.TrimSpace(string(text))
	var total time.Duration
	if parts := dayForm.FindStringSubmatch(s); parts != nil {
		days, err := strconv.ParseInt(parts[1], 10, 64)
		if err != nil || days > int64(math.MaxInt64/(24*time.Hour)) {
			return errors.New("is longer than any time can be; write a shorter one: 400d")
		}
		total, s = time.Duration(days)*24*time.Hour, parts[2]
		if s == "" {
			*d = Duration(total)
			return nil
		}
	}
	rest, err := time.ParseDuration(s)
	if err != nil {
		return bad
	}
	if rest < 0 {
		return errors.New("is negative; write a length of time such as 30s, 24h, 400d")
	}
	if rest > math.MaxInt64-total {
		return errors.New("is longer than any time can be; write a shorter one: 400d")
	}
	*d = Duration(total + rest)
	return nil
}

// MarshalText writes the duration as String does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String is the duration in days where it is two whole days or more, else
// without needless zeros: 400d, 24h, 1h30m.
func (d Duration) String() string {
	const day = 24 * time.Hour
	t := time.Duration(d)
	if t >= 2*day && t%day == 0 {
		return strconv.FormatInt(int64(t/day), 10) + "d"
	}
	s := t.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// D is the value as the standard library's type.
func (d Duration) D() time.Duration { return time.Duration(d) }
