package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// zeroHash is what the first line of a stream names as its predecessor.
const zeroHash = "0000000000000000000000000000000000000000000000000000000000000000"

// lineEncoder turns events into lines: zap's JSON encoder with none of zap's
// own keys. Not safe for concurrent use.
type lineEncoder struct {
	json   zapcore.Encoder
	fields [1]zapcore.Field
}

func newLineEncoder() *lineEncoder {
	return &lineEncoder{json: zapcore.NewJSONEncoder(zapcore.EncoderConfig{LineEnding: "\n"})}
}

// append appends e's line, LF included, to buf.
func (l *lineEncoder) append(buf []byte, e *Event) ([]byte, error) {
	l.fields[0] = zap.Inline(e)
	line, err := l.json.EncodeEntry(zapcore.Entry{}, l.fields[:])
	if err != nil {
		return buf, fmt.Errorf("encoding an event: %w", err)
	}
	buf = append(buf, line.Bytes()...)
	line.Free()
	return buf, nil
}

// hashLine returns the hash that the next line names as prev: lowercase hex
// SHA-256 of the line's bytes without LF.
func hashLine(line []byte) string {
	sum := sha256.Sum256(line)
	return hex.EncodeToString(sum[:])
}

// ParseLine reads one line of a journal, without its LF. It is strict: a line
// that this package would not have written is an error, but for the order of
// its fields. The hash of a line is over its bytes, never over what ParseLine
// made of them.
func ParseLine(line []byte) (Event, error) {
	var e Event
	if len(line) > MaxLineBytes {
		return e, fmt.Errorf("line of %d bytes is longer than any event", len(line))
	}
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&e); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("the line is empty")
		}
		return Event{}, fmt.Errorf("reading a line: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Event{}, errors.New("reading a line: more than one JSON value")
	}
	if err := e.check(); err != nil {
		return Event{}, fmt.Errorf("reading a line: %w", err)
	}
	return e, nil
}

var kinds = []Kind{KindRequest, KindIntent, KindGap, KindSeal}

// check reports the first field that no line of ours would hold.
func (e *Event) check() error {
	switch {
	case e.V < 1:
		return fmt.Errorf("%s is missing", FieldV)
	case e.V > SchemaVersion:
		return fmt.Errorf("%s is %d, this program knows up to %d", FieldV, e.V, SchemaVersion)
	case e.Source == "":
		return fmt.Errorf("%s is missing", FieldSource)
	case e.Epoch == 0:
		return fmt.Errorf("%s is missing", FieldEpoch)
	case e.Seq == 0:
		return fmt.Errorf("%s is missing", FieldSeq)
	case !isHash(e.Prev):
		return fmt.Errorf("%s is not a SHA-256 in lowercase hex", FieldPrev)
	case !slices.Contains(kinds, e.Kind):
		return fmt.Errorf("%s %q is unknown", FieldKind, e.Kind)
	case e.Time.IsZero() && e.Kind != KindSeal:
		return fmt.Errorf("%s is missing", FieldTime)
	case strings.Contains(e.Path, "?"):
		return fmt.Errorf("%s holds a query", FieldPath)
	}
	return nil
}

func isHash(s string) bool {
	if len(s) != sha256.Size*2 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
