package config_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/attribproxy/attribproxy/config"
)

func TestSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		bytes config.Size
		text  string
	}{
		"64MiB": {64 << 20, "64MiB"}, "64 mib": {64 << 20, "64MiB"}, "10GiB": {10 << 30, "10GiB"}, "1TB": {1e12, "976562500KiB"},
		"0": {0, "0B"}, "0B": {0, "0B"}, "4096": {4096, "4KiB"}, "1000B": {1000, "1000B"}, "1500KB": {1500000, "1500000B"},
	} {
		var got config.Size
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want.bytes || got.String() != want.text {
			t.Errorf("%s: %d %s %v", text, got, got, err)
		}
	}
	for _, text := range []string{"", "MiB", "-1", "1.5GiB", "1 parsec", "9223372036854775808", "9999999TiB", "1e3", "0x10"} {
		var got config.Size
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: %d, want an error", text, got)
		}
	}
}

func TestDuration(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		d    time.Duration
		text string
	}{
		"30s": {30 * time.Second, "30s"}, "24h": {24 * time.Hour, "24h"}, "400d": {9600 * time.Hour, "400d"}, "1d": {24 * time.Hour, "24h"},
		"1d12h": {36 * time.Hour, "36h"}, "90m": {90 * time.Minute, "1h30m"}, "0": {0, "0s"}, "0s": {0, "0s"}, "1500ms": {1500 * time.Millisecond, "1.5s"},
	} {
		var got config.Duration
		if err := got.UnmarshalText([]byte(text)); err != nil || got.D() != want.d || got.String() != want.text {
			t.Errorf("%s: %s %v", text, got, err)
		}
	}
	for _, text := range []string{"", "30", "1y", "-1s", "1d-1h", "d", "400d 1h", "99999999d", "106751d24h", "1w"} {
		var got config.Duration
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: %s, want an error", text, got)
		}
	}
}

// What is written is read again as the same value.
func TestUnitsRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		size := config.Size(rapid.Int64Min(0).Draw(t, "size"))
		var gotSize config.Size
		if err := gotSize.UnmarshalText([]byte(size.String())); err != nil || gotSize != size {
			t.Fatalf("%d became %s became %d: %v", size, size, gotSize, err)
		}
		d := config.Duration(rapid.Int64Min(0).Draw(t, "duration"))
		var gotD config.Duration
		if err := gotD.UnmarshalText([]byte(d.String())); err != nil || gotD != d {
			t.Fatalf("%d became %s became %d: %v", d, d, gotD, err)
		}
	})
}
