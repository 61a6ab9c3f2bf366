package arm

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// role is what a container means to a visitor.
type role uint8

const (
	roleSkip     role = iota // nobody wants to know what is in it
	roleDocument             // not a container: where the first one stands

	roleDeployment // the body of a deployment's PUT
	roleProperties // its properties
	roleTemplate   // properties.template
	roleResources  // the template's own resources, array or object
	roleResource   // one of them

	roleBatch    // the body of POST /batch
	roleRequests // its requests
	roleRequest  // one of them
)

// visitor is told of the parts of a document it asks for. What it is given is
// valid during the call only.
type visitor interface {
	// enter says what a container that begins with open ('{' or '[') means;
	// key is empty in an array.
	enter(parent role, key []byte, open byte) role
	// leave ends a container that is not skipped.
	leave(r role)
	// scalar is a string or a bare word (a number, true) in an object; cut
	// says that it was longer than the walker keeps.
	scalar(r role, key, value []byte, quoted, cut bool)
	// document gives the walker that reads a string which is a document
	// itself, or nil.
	document(r role, key []byte) *walker
}

// The bounds of what a walker keeps. No key that anybody asks for is as long.
const (
	maxKey  = 32
	maxRole = 6
)

// walker reads JSON as it streams by, in any pieces, and keeps one value at
// most. It takes what ARM's parser takes beyond JSON, and what the Azure CLI
// makes of that: comments, trailing commas, bare keys, single quotes, line
// breaks in strings. It has no errors: what is no document shows nothing.
type walker struct {
	v     visitor
	state lexState
	quote byte // that ends the string
	done  bool // nothing more is to be read
	whole bool // the document has ended as it should

	keep    bool    // the token is wanted
	cut     bool    // and was longer than buf
	buf     []byte  // the token so far; never grows
	nested  *walker // takes the string instead of buf
	code    rune    // of the \u escape so far
	digits  int     // of the \u escape that are to come
	leading rune    // the first half of a surrogate pair
	scratch [utf8.UTFMax]byte

	stack   [maxRole]frame // the containers around that were asked for
	depth   int
	skipped int // containers inside the innermost of them that were not
}

type lexState uint8

const (
	lexPlain   lexState = iota
	lexWord             // a bare word
	lexSlash            // the first byte of a comment
	lexLine             // a comment that a line break ends
	lexBlock            // a comment that */ ends
	lexStar             // its *
	lexString           // inside quotes
	lexEscape           // behind \
	lexUnicode          // behind \u
)

type frame struct {
	role   role
	object bool
	next   expectation
	key    [maxKey]byte
	keyLen uint8
}

// expectation is what the next token of an object is; an array has values only.
type expectation uint8

const (
	expectKey expectation = iota
	expectColon
	expectValue
	expectComma
)

// newWalker makes a walker that keeps values of up to size bytes.
func newWalker(v visitor, size int) *walker {
	return &walker{v: v, buf: make([]byte, 0, max(size, maxKey+1))}
}

// structural are the bytes that mean something where nothing is wanted.
var structural = [256]bool{'"': true, '\'': true, '/': true, '{': true, '}': true, '[': true, ']': true}

// write reads the next piece of the document.
func (w *walker) write(p []byte) {
	for len(p) > 0 && !w.done {
		switch w.state {
		case lexPlain:
			if w.skipped > 0 {
				for len(p) > 0 && !structural[p[0]] {
					p = p[1:]
				}
				if len(p) == 0 {
					return
				}
			}
			w.plain(p[0])
			p = p[1:]
		case lexWord:
			n := bytes.IndexAny(p, " \t\r\n\"'/{}[]:,")
			if n < 0 {
				w.take(p)
				return
			}
			w.take(p[:n])
			w.state = lexPlain
			w.token(false)
			p = p[n:]
		case lexString:
			p = w.inString(p)
		case lexEscape:
			w.escape(p[0])
			p = p[1:]
		case lexUnicode:
			p = w.unicode(p)
		default:
			p = w.comment(p)
		}
	}
}

// comment reads on in a comment, or what looked like the beginning of one.
func (w *walker) comment(p []byte) []byte {
	switch w.state {
	case lexSlash:
		switch p[0] {
		case '/':
			w.state = lexLine
		case '*':
			w.state = lexBlock
		default: // a stray slash
			w.state = lexPlain
			return p
		}
		return p[1:]
	case lexLine:
		n := bytes.IndexAny(p, "\r\n")
		if n < 0 {
			return nil
		}
		w.state = lexPlain
		return p[n+1:]
	case lexBlock:
		n := bytes.IndexByte(p, '*')
		if n < 0 {
			return nil
		}
		w.state = lexStar
		return p[n+1:]
	default:
		switch p[0] {
		case '/':
			w.state = lexPlain
		case '*':
		default:
			w.state = lexBlock
		}
		return p[1:]
	}
}

// plain reads a byte outside of strings, words and comments.
func (w *walker) plain(c byte) {
	switch c {
	case ' ', '\t', '\r', '\n':
	case '"', '\'':
		w.state, w.quote = lexString, c
		w.begin(true)
	case '/':
		w.state = lexSlash
	case '{', '[':
		w.open(c)
	case '}', ']':
		w.close(c)
	case ':':
		if f := w.top(); f != nil && f.object && f.next == expectColon {
			f.next = expectValue
		}
	case ',':
		if f := w.top(); f != nil {
			f.next, f.keyLen = expectKey, 0
		}
	default:
		w.state = lexWord
		w.begin(false)
		w.take(append(w.scratch[:0], c))
	}
}

// top is the innermost container that was asked for, nil inside one that was
// not and outside of all.
func (w *walker) top() *frame {
	if w.depth == 0 || w.skipped > 0 {
		return nil
	}
	return &w.stack[w.depth-1]
}

func (f *frame) name() []byte { return f.key[:f.keyLen] }

func (w *walker) open(c byte) {
	if w.skipped > 0 {
		w.skipped++
		return
	}
	r := roleSkip
	switch f := w.top(); {
	case f == nil:
		r = w.v.enter(roleDocument, nil, c)
	case !f.object:
		r = w.v.enter(f.role, nil, c)
	default:
		if f.next == expectValue {
			r = w.v.enter(f.role, f.name(), c)
		}
		f.next = expectComma
	}
	switch {
	case r != roleSkip && w.depth < len(w.stack):
		w.stack[w.depth] = frame{role: r, object: c == '{'}
		w.depth++
	case w.depth == 0:
		w.done = true // the document is none of those that were asked for
	default:
		w.skipped = 1
	}
}

func (w *walker) close(c byte) {
	if w.skipped > 0 {
		w.skipped--
		return
	}
	if w.depth == 0 {
		return
	}
	f := &w.stack[w.depth-1]
	if f.object != (c == '}') {
		w.done = true // this is no document
		return
	}
	w.v.leave(f.role)
	w.depth--
	w.done = w.depth == 0
	w.whole = w.done
}

// begin prepares for a string or a word.
func (w *walker) begin(quoted bool) {
	w.buf, w.cut, w.keep, w.nested, w.leading = w.buf[:0], false, false, nil, 0
	f := w.top()
	if f == nil || !f.object {
		return
	}
	w.keep = true
	if quoted && f.next == expectValue {
		w.nested = w.v.document(f.role, f.name())
	}
}

// take adds bytes to the string or word.
func (w *walker) take(p []byte) {
	switch {
	case !w.keep:
	case w.nested != nil:
		w.nested.write(p)
	default:
		n := min(len(p), cap(w.buf)-len(w.buf))
		w.buf = append(w.buf, p[:n]...)
		w.cut = w.cut || n < len(p)
	}
}

// token ends a string or a word.
func (w *walker) token(quoted bool) {
	if !w.keep {
		return
	}
	f := &w.stack[w.depth-1]
	if f.next != expectValue {
		f.next, f.keyLen = expectColon, 0
		if !w.cut && len(w.buf) <= maxKey {
			f.keyLen = uint8(copy(f.key[:], w.buf))
		}
		return
	}
	f.next = expectComma
	if w.nested == nil {
		w.v.scalar(f.role, f.name(), w.buf, quoted, w.cut)
	}
}

// inString reads on in a string, to the next byte that means something.
func (w *walker) inString(p []byte) []byte {
	n := 0
	for n < len(p) && p[n] != w.quote && p[n] != '\\' {
		n++
	}
	if n > 0 {
		w.unpaired()
		w.take(p[:n])
	}
	if n == len(p) {
		return nil
	}
	if p[n] == '\\' {
		w.state = lexEscape
	} else {
		w.unpaired()
		w.state = lexPlain
		w.token(true)
	}
	return p[n+1:]
}

// escape reads the byte behind a backslash.
func (w *walker) escape(c byte) {
	w.state = lexString
	if c == 'u' {
		w.state, w.code, w.digits = lexUnicode, 0, 4
		return
	}
	w.unpaired()
	switch c {
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	}
	w.take(append(w.scratch[:0], c))
}

// unicode reads the digits of a \u escape.
func (w *walker) unicode(p []byte) []byte {
	for w.digits > 0 {
		if len(p) == 0 {
			return nil
		}
		d, ok := hexDigit(p[0])
		if !ok { // no escape after all
			w.code = utf8.RuneError
			break
		}
		w.code, w.digits, p = w.code<<4|d, w.digits-1, p[1:]
	}
	w.state = lexString
	w.char(w.code)
	return p
}

// char adds a character that was escaped, or half of one.
func (w *walker) char(r rune) {
	if w.leading != 0 {
		if pair := utf16.DecodeRune(w.leading, r); pair != utf8.RuneError {
			w.leading = 0
			w.take(utf8.AppendRune(w.scratch[:0], pair))
			return
		}
		w.unpaired()
	}
	if r >= 0xd800 && r < 0xdc00 {
		w.leading = r
		return
	}
	w.take(utf8.AppendRune(w.scratch[:0], r)) // the other halves become U+FFFD
}

// unpaired replaces half a surrogate pair that has no other half.
func (w *walker) unpaired() {
	if w.leading != 0 {
		w.leading = 0
		w.take(utf8.AppendRune(w.scratch[:0], utf8.RuneError))
	}
}

func hexDigit(c byte) (rune, bool) {
	switch {
	case c >= '0' && c <= '9':
		return rune(c - '0'), true
	case c >= 'a' && c <= 'f':
		return rune(c-'a') + 10, true
	case c >= 'A' && c <= 'F':
		return rune(c-'A') + 10, true
	}
	return 0, false
}
