package config

import (
	"context"
	"time"
)

// Watching is how [Watch] looks at a file. The zero value is fine.
type Watching struct {
	// Seen is the [Loaded.Digest] of the content that is in force, so that a
	// change between loading and watching is not missed. When it is empty the
	// first look counts as seen.
	Seen string

	// ReadFile and Ticks stand in for reading a regular file and for a ticker in
	// tests.
	ReadFile func(string) ([]byte, error)
	Ticks    <-chan time.Time
}

// Watch looks at a config file every interval and calls changed when its content
// is another one, once for each change, until ctx ends. A file that is gone or
// cannot be read counts as a content of its own.
//
// It compares content, not times and not names: Kubernetes swaps a symbolic
// link two levels up when a mounted ConfigMap changes, editors replace the file,
// and a change notification follows neither everywhere. A content is believed
// when two looks in a row have found it, as the first can meet a file that is
// half written: a list of excludes must not be in force without its end.
func Watch(ctx context.Context, path string, interval time.Duration, w Watching, changed func()) {
	if w.ReadFile == nil {
		w.ReadFile = readRegular
	}
	if w.Ticks == nil {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		w.Ticks = ticker.C
	}
	look := func() string {
		content, err := w.ReadFile(path)
		if err != nil {
			return "unreadable"
		}
		return digestOf(content)
	}
	seen := w.Seen
	if seen == "" {
		seen = look()
	}
	last := seen
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.Ticks:
		}
		now := look()
		if now == last && now != seen {
			seen = now
			changed()
		}
		last = now
	}
}
