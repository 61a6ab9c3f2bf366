package audit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// lineReader gives the lines of a segment back, with where they stand.
type lineReader struct {
	r   *bufio.Reader
	off int64 // end of the last whole line
	buf []byte
}

func newLineReader(r io.Reader) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, 64<<10)}
}

// errLongLine says that no event can be that long.
var errLongLine = errors.New("line longer than any event")

// next returns the next whole line without its LF; it is valid until the next
// call. At the end it returns io.EOF, and as line whatever follows the last LF.
func (l *lineReader) next() (line []byte, err error) {
	l.buf = l.buf[:0]
	for {
		part, err := l.r.ReadSlice('\n')
		l.buf = append(l.buf, part...)
		switch {
		case err == nil:
			l.off += int64(len(l.buf))
			return l.buf[:len(l.buf)-1], nil
		case errors.Is(err, bufio.ErrBufferFull):
			if len(l.buf) > MaxLineBytes {
				return l.buf, errLongLine
			}
		default:
			return l.buf, err
		}
	}
}

// skip passes over the rest of a line that was too long.
func (l *lineReader) skip() error {
	n := int64(len(l.buf))
	for {
		part, err := l.r.ReadSlice('\n')
		n += int64(len(part))
		if err == nil {
			l.off += n
			return nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}

// segmentTail is what a writer needs to know to go on after a segment.
type segmentTail struct {
	first  uint64 // seq of the first line, 0 when there is none
	last   Event  // the last whole line
	hash   string // of that line
	end    int64  // where whole lines end
	size   int64
	sealed bool // last is a seal
}

// tornWindow is how far from the end a line that is no JSON is taken for the
// trace of a power cut, which can spare later pages of one write and lose
// earlier ones, and not for damage done to the segment at rest.
const tornWindow = flushBytes + MaxLineBytes

// readTail reads a whole segment to find where it ends.
func readTail(path string) (segmentTail, error) {
	f, err := openRegular(path, os.O_RDONLY, 0)
	if err != nil {
		return segmentTail{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return segmentTail{}, err
	}
	t := segmentTail{size: info.Size()}
	lines := newLineReader(f)
	for {
		line, err := lines.next()
		if errors.Is(err, errLongLine) {
			err = lines.skip()
			line = nil
		}
		if errors.Is(err, io.EOF) {
			return t, nil
		}
		if err != nil {
			return t, err
		}
		e, err := ParseLine(line)
		if err != nil {
			if t.size-t.end <= tornWindow {
				return t, nil
			}
			continue
		}
		if t.first == 0 {
			t.first = e.Seq
		}
		t.last, t.hash, t.end = e, hashLine(line), lines.off
		t.sealed = e.Kind == KindSeal
	}
}

// lastLine returns the last whole line of a segment without reading the rest.
func lastLine(path string) ([]byte, error) {
	f, err := openRegular(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	for n := int64(4 << 10); ; n *= 4 {
		n = min(n, info.Size())
		buf := make([]byte, n)
		if _, err := f.ReadAt(buf, info.Size()-n); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		end := bytes.LastIndexByte(buf, '\n')
		if end >= 0 {
			if start := bytes.LastIndexByte(buf[:end], '\n'); start >= 0 || n == info.Size() {
				return buf[start+1 : end], nil
			}
		}
		if n == info.Size() || n > 2*MaxLineBytes {
			return nil, fmt.Errorf("%s holds no whole line", path)
		}
	}
}

// firstLine returns the first line of a segment.
func firstLine(path string) ([]byte, error) {
	f, err := openRegular(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	line, err := newLineReader(f).next()
	if err != nil {
		return nil, fmt.Errorf("%s holds no whole line: %w", path, err)
	}
	return line, nil
}

// finallySealed reports whether an epoch's last segment ends with the seal
// that says that nothing follows.
func finallySealed(dir string, segments []segmentID) bool {
	line, err := lastLine(segments[len(segments)-1].path(dir))
	if err != nil {
		return false
	}
	e, err := ParseLine(line)
	return err == nil && e.Kind == KindSeal && e.Final
}
