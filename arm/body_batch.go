package arm

import (
	"net/http"
	"slices"
	"strings"
)

// The bounds of a [BatchScanner].
const (
	maxBatchWrites = 500
	maxBatchPaths  = 256 << 10 // bytes of all paths together
	maxBatchURL    = 8 << 10
)

// BatchWrite is a write inside a batch.
type BatchWrite struct {
	// Method is PUT, PATCH, POST or DELETE.
	Method string
	// Target is what the inner URL addresses; its path has no query. A URL of
	// more than 8 KiB has [ScopeUnknown] and the beginning of its path.
	Target Target
}

// BatchResult is what a [BatchScanner] found.
type BatchResult struct {
	// Writes are the inner writes, in order: up to 500, with up to 256 KiB of
	// paths.
	Writes []BatchWrite
	// Omitted is how many more there were.
	Omitted int
	// Complete says that the body was seen to its end, see [TemplateResult].
	Complete bool
}

// BatchScanner reads which writes the body of a POST /batch carries: their
// methods and targets and nothing else of it. It is an [io.Writer] that is fed
// with the body as it streams by, in any pieces, and never fails.
type BatchScanner struct {
	walker *walker
	found  batchVisitor
	seen   int // bytes
}

// NewBatchScanner makes a scanner for one body.
func NewBatchScanner() *BatchScanner {
	s := &BatchScanner{}
	s.walker = newWalker(&s.found, maxBatchURL)
	return s
}

// Write looks at the next piece of the body. It always takes all of it.
func (s *BatchScanner) Write(p []byte) (int, error) {
	s.walker.write(p[:min(len(p), BodyLimit-s.seen)])
	s.seen = min(s.seen+len(p), BodyLimit)
	return len(p), nil
}

// Result is what was found so far.
func (s *BatchScanner) Result() BatchResult {
	return BatchResult{
		Writes: slices.Clone(s.found.writes), Omitted: s.found.omitted,
		Complete: s.walker.whole,
	}
}

type batchVisitor struct {
	writes  []BatchWrite
	omitted int
	kept    int // bytes of paths

	// The request that is being read.
	method string
	url    string
	cut    bool
}

func (v *batchVisitor) enter(parent role, key []byte, open byte) role {
	object := open == '{'
	switch {
	case parent == roleDocument && object:
		return roleBatch
	case parent == roleBatch && !object && foldEqual(key, "requests"):
		v.writes, v.omitted, v.kept = nil, 0, 0 // of two the last counts
		return roleRequests
	case parent == roleRequests && object:
		v.method, v.url, v.cut = "", "", false
		return roleRequest
	}
	return roleSkip
}

func (v *batchVisitor) document(role, []byte) *walker { return nil }

func (v *batchVisitor) scalar(r role, key, value []byte, quoted, cut bool) {
	if r != roleRequest || !quoted {
		return
	}
	switch {
	case foldEqual(key, "httpMethod"):
		v.method = ""
		for _, m := range [...]string{http.MethodPut, http.MethodPatch, http.MethodPost, http.MethodDelete} {
			if foldEqual(value, m) {
				v.method = m
			}
		}
	case foldEqual(key, "url"), foldEqual(key, "relativeUrl"):
		v.url, v.cut = string(value), cut
	}
}

func (v *batchVisitor) leave(r role) {
	if r != roleRequest || v.method == "" {
		return
	}
	target := innerTarget(v.method, v.url, v.cut)
	if len(v.writes) >= maxBatchWrites || v.kept+len(target.Path) > maxBatchPaths {
		v.omitted++
		return
	}
	v.kept += len(target.Path)
	v.writes = append(v.writes, BatchWrite{Method: v.method, Target: target})
}

// innerTarget reads the URL of an inner request, which is a path or absolute.
func innerTarget(method, url string, cut bool) Target {
	url = strings.TrimSpace(url)
	if i := strings.IndexByte(url, '#'); i >= 0 {
		url = url[:i]
	}
	if !strings.HasPrefix(url, "/") && !strings.Contains(url, "://") {
		url = "/" + url
	}
	t := ParseTarget(method, url)
	if !strings.HasPrefix(t.Path, "/") { // another scheme, perhaps with credentials
		return Target{Scope: ScopeUnknown, Operation: OperationUnknown}
	}
	if cut && !strings.Contains(url, "?") {
		return Target{Path: t.Path, Scope: ScopeUnknown, Operation: OperationUnknown}
	}
	return t
}
