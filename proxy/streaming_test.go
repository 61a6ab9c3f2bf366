package proxy_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const armURL = "https://" + armHost

// noise is n bytes that compress badly and are the same for each seed.
func noise(seed uint64, n int64) io.Reader {
	var key [32]byte
	key[0] = byte(seed)
	return io.LimitReader(rand.NewChaCha8(key), n)
}

func digest(t testing.TB, r io.Reader) (string, int64) {
	t.Helper()
	h := sha256.New()
	n, err := io.Copy(h, r)
	if err != nil {
		t.Error(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil)), n
}

func TestLargeBodiesAreByteExact(t *testing.T) {
	const size = 64 << 20
	for _, length := range []string{"known length", "chunked"} {
		t.Run(length, func(t *testing.T) {
			protocols(t, func(t *testing.T, h2 bool) {
				w := start(t, func(rw http.ResponseWriter, r *http.Request) {
					sum, n := digest(t, r.Body)
					rw.Header().Set("X-Sum", fmt.Sprint(sum, " ", n, " ", r.ContentLength))
					if length == "known length" {
						rw.Header().Set("Content-Length", fmt.Sprint(int64(size)))
					}
					_, _ = io.Copy(rw, noise(2, size))
				})
				req, _ := http.NewRequestWithContext(t.Context(), http.MethodPut, armURL+putPath, struct{ io.Reader }{noise(1, size)})
				wantLength := int64(-1)
				if length == "known length" {
					req.ContentLength, wantLength = size, size
				}
				resp, err := w.client(h2).Do(req)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				up, _ := digest(t, noise(1, size))
				if diff := cmp.Diff(fmt.Sprint(up, " ", size, " ", wantLength), resp.Header.Get("X-Sum")); diff != "" {
					t.Error("up: ", diff)
				}
				want, _ := digest(t, noise(2, size))
				got, n := digest(t, resp.Body)
				if got != want || n != size || resp.ContentLength != wantLength {
					t.Errorf("down: %d bytes of length %d, sum %s, want %s", n, resp.ContentLength, got, want)
				}
				if e := w.events.await(t, 1)[0]; e.BytesUp != size || e.BytesDown != size {
					t.Errorf("recorded %d up, %d down", e.BytesUp, e.BytesDown)
				}
			})
		})
	}
}

// The first byte is out before the last is in, each way.
func TestBodiesStream(t *testing.T) {
	protocols(t, func(t *testing.T, h2 bool) {
		steps := make(chan string)
		w := start(t, func(rw http.ResponseWriter, r *http.Request) {
			buf := make([]byte, 5)
			for range 2 {
				if _, err := io.ReadFull(r.Body, buf); err != nil {
					t.Error(err)
				}
				steps <- "origin got " + string(buf)
			}
			_, _ = io.Copy(io.Discard, r.Body)
			flush := http.NewResponseController(rw).Flush
			_ = flush() // the head alone
			await(t, "the head's arrival", steps)
			_, _ = io.WriteString(rw, "down1")
			_ = flush()
			await(t, "down1's arrival", steps)
			_, _ = io.WriteString(rw, "down2")
		})
		body, up := io.Pipe()
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPut, armURL+putPath, body)
		type result struct {
			resp *http.Response
			err  error
		}
		answered := make(chan result, 1)
		client := w.client(h2)
		go func() {
			resp, err := client.Do(req) //nolint:bodyclose // closed below
			answered <- result{resp, err}
		}()
		for _, s := range []string{"up-01", "up-02"} {
			_, _ = io.WriteString(up, s)
			if got := await(t, s, steps); got != "origin got "+s {
				t.Error(got)
			}
		}
		up.Close()
		r := await(t, "the head", answered)
		if r.err != nil {
			t.Fatal(r.err)
		}
		defer r.resp.Body.Close()
		steps <- "head"
		buf := make([]byte, 5)
		if _, err := io.ReadFull(r.resp.Body, buf); err != nil || string(buf) != "down1" {
			t.Errorf("%q %v", buf, err)
		}
		steps <- "down1"
		if rest, err := io.ReadAll(r.resp.Body); err != nil || string(rest) != "down2" {
			t.Errorf("%q %v", rest, err)
		}
	})
}

func TestEarlyResponse(t *testing.T) {
	protocols(t, func(t *testing.T, h2 bool) {
		w := startRaw(t, func(c net.Conn, r *bufio.Reader) {
			if _, err := readHead(r); err != nil {
				return
			}
			_, _ = io.WriteString(c, "HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nnope")
			_, _ = io.Copy(io.Discard, r)
		})
		body, up := io.Pipe()
		defer up.Close()
		go func() { _, _ = io.WriteString(up, "only the beginning") }()
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPut, armURL+putPath, body)
		resp, err := w.client(h2).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		got, err := io.ReadAll(resp.Body)
		if resp.StatusCode != http.StatusForbidden || string(got) != "nope" || err != nil {
			t.Errorf("%d %q %v", resp.StatusCode, got, err)
		}
		if e := w.events.await(t, 1)[0]; e.Status != http.StatusForbidden || e.Error != "" {
			t.Errorf("event %+v", e)
		}
	})
}

// A failure of upstream is told when it is noticed, not when all of the body
// has come.
func TestFailureWhileTheBodyIsGoingUp(t *testing.T) {
	protocols(t, func(t *testing.T, h2 bool) {
		w := startRaw(t, func(_ net.Conn, r *bufio.Reader) { _, _ = readHead(r) })
		body, up := io.Pipe()
		go func() { // without an end
			for {
				if _, err := io.WriteString(up, "more "); err != nil {
					return
				}
			}
		}()
		defer up.Close()
		defer body.Close()
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPut, armURL+putPath, body)
		resp, err := w.client(h2).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		got, _ := io.ReadAll(resp.Body)
		wantOwn(t, resp, string(got), http.StatusBadGateway, "AttribProxyUpstreamUnreachable")
		if !strings.Contains(string(got), "may have been started") {
			t.Errorf("%s", got)
		}
	})
}

func TestTrailersPassBothWays(t *testing.T) {
	protocols(t, func(t *testing.T, h2 bool) {
		w := start(t, nil)
		w.handler = func(rw http.ResponseWriter, r *http.Request) {
			w.note(r)
			rw.Header().Set("Trailer", "X-Announced")
			_, _ = io.WriteString(rw, "x")
			rw.Header().Set("X-Announced", "down")
			rw.Header().Set(http.TrailerPrefix+"X-Unannounced", "too")
		}
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPut, armURL+putPath, struct{ io.Reader }{strings.NewReader("body")})
		req.Trailer = http.Header{"X-Up": nil}
		req.Body = &atEOF{req.Body, func() { req.Trailer.Set("X-Up", "sent") }}
		resp, err := w.client(h2).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "x" {
			t.Errorf("%q %v", body, err)
		}
		if diff := cmp.Diff(http.Header{"X-Announced": {"down"}, "X-Unannounced": {"too"}}, resp.Trailer); diff != "" {
			t.Error(diff)
		}
		got := w.requests()[0]
		if diff := cmp.Diff(http.Header{"X-Up": {"sent"}}, got.Trailer); diff != "" || got.Body != "body" {
			t.Errorf("body %q, %s", got.Body, diff)
		}
	})
}

// atEOF calls then when the body has been read.
type atEOF struct {
	io.ReadCloser
	then func()
}

func (a *atEOF) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	if err == io.EOF { //nolint:errorlint // a reader returns the sentinel itself
		a.then()
	}
	return n, err
}

func TestResponsesPassUnaltered(t *testing.T) {
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = io.WriteString(z, strings.Repeat("template ", 100))
	_ = z.Close()
	tests := []struct {
		name, method, answer string
		status               int
		header               http.Header
		body                 string
	}{
		{name: "HEAD", method: "HEAD", answer: "200 OK\r\nContent-Length: 1234\r\nETag: \"a\"\r\n\r\n", status: 200, header: http.Header{"Content-Length": {"1234"}, "Etag": {`"a"`}}},
		{name: "204", method: "DELETE", answer: "204 No Content\r\nX-Ms-Request-Id: r\r\n\r\n", status: 204, header: http.Header{"X-Ms-Request-Id": {"r"}}},
		{name: "304", method: "GET", answer: "304 Not Modified\r\nETag: \"a\"\r\n\r\n", status: 304, header: http.Header{"Etag": {`"a"`}}},
		{name: "empty", method: "PUT", answer: "201 Created\r\nContent-Length: 0\r\n\r\n", status: 201, header: http.Header{"Content-Length": {"0"}}},
		{
			name: "gzip", method: "PUT", answer: fmt.Sprintf("200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", zipped.Len(), zipped.String()), status: 200,
			header: http.Header{"Content-Encoding": {"gzip"}, "Content-Length": {fmt.Sprint(zipped.Len())}}, body: zipped.String(),
		},
		{name: "chunked", method: "POST", answer: "202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n", status: 202, header: http.Header{}, body: "abcd"},
		{
			name: "throttled", method: "PUT", answer: "429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\n{}", status: 429,
			header: http.Header{"Retry-After": {"7"}, "Content-Length": {"2"}}, body: "{}",
		},
		{
			name: "a challenge and links", method: "PUT", status: 401,
			answer: "401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"\", error=\"insufficient_claims\", claims=\"eyJ9\"\r\nwww-authenticate: Basic\r\n" +
				"Location: https://management.azure.com/a|b?c=%7C\r\nAzure-AsyncOperation: https://x/y?t=1\r\nX-Unknown:  two  words \r\nContent-Length: 0\r\n\r\n",
			header: http.Header{
				"Www-Authenticate":     {`Bearer realm="", error="insufficient_claims", claims="eyJ9"`, "Basic"},
				"Location":             {"https://management.azure.com/a|b?c=%7C"},
				"Azure-Asyncoperation": {"https://x/y?t=1"},
				"X-Unknown":            {"two  words"}, "Content-Length": {"0"},
			},
		},
		{
			name: "hop-by-hop fields go", method: "GET", status: 200,
			answer: "200 OK\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\nProxy-Authenticate: Basic\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nContent-Length: 1\r\n\r\nx",
			header: http.Header{"Date": {"Mon, 01 Jan 2024 00:00:00 GMT"}, "Content-Length": {"1"}}, body: "x",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			protocols(t, func(t *testing.T, h2 bool) {
				w := startRaw(t, answerEach(func(string) string { return "HTTP/1.1 " + tt.answer }))
				resp, body := do(t, w.client(h2), tt.method, armURL+putPath, "")
				if resp.StatusCode != tt.status || body != tt.body {
					t.Errorf("%d %q", resp.StatusCode, body)
				}
				want := tt.header.Clone()
				if h2 && tt.name != "HEAD" { // in HTTP/2 frames say the length, and net/http spells it out as it likes
					resp.Header.Del("Content-Length")
					want.Del("Content-Length")
				}
				if diff := cmp.Diff(want, resp.Header); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}
