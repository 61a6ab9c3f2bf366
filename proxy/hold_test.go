package proxy_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/attribproxy/attribproxy/audit"
	"github.com/attribproxy/attribproxy/proxy"
)

// responses are the shapes a response can have: how the origin writes it, and
// how much of its body a client has at least before the event is safe: not the
// final buffer. -1 in before means that not even the head may be out.
var responses = []struct {
	name, method, answer, body string
	before                     int
}{
	{"204", "DELETE", "204 No Content\r\n\r\n", "", -1},
	{"304", "POST", "304 Not Modified\r\nETag: \"x\"\r\n\r\n", "", -1},
	{"length 0", "PUT", "201 Created\r\nContent-Length: 0\r\n\r\n", "", -1},
	{"one byte", "PUT", "200 OK\r\nContent-Length: 1\r\n\r\nx", "x", 0},
	{"known length", "PUT", "200 OK\r\nContent-Length: 10\r\n\r\n0123456789", "0123456789", 0},
	{"known length, many buffers", "PUT", "200 OK\r\nContent-Length: 300000\r\n\r\n" + long, long, 1},
	{"chunked", "PUT", "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n", "abcdefg", 0},
	{"chunked, nothing", "PUT", "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "", 0},
	{"chunked, many buffers", "POST", "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n493e0\r\n" + long + "\r\n0\r\n\r\n", long, 1},
	{"until the close", "PUT", "200 OK\r\n\r\nabcdefg", "abcdefg", 0},
	{"with trailers", "PUT", "200 OK\r\nTrailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n", "abc", 0},
}

var long = strings.Repeat("0123456789", 30000)

// once answers one request per connection, with its body read.
func once(answer string) func(net.Conn, *bufio.Reader) {
	return func(c net.Conn, r *bufio.Reader) {
		if _, err := readHead(r); err == nil {
			_, _ = io.WriteString(c, "HTTP/1.1 "+answer)
		}
	}
}

// arrival is what a client has of an answer so far.
type arrival struct {
	head  chan struct{} // closed with the head
	ended chan error

	mu   sync.Mutex
	body strings.Builder
	grew chan struct{}
}

// arrive reads the answer that get waits for.
func arrive(get func() (*http.Response, error)) *arrival {
	a := &arrival{head: make(chan struct{}), ended: make(chan error, 1), grew: make(chan struct{})}
	go func() {
		resp, err := get()
		if err == nil {
			close(a.head)
			_, err = io.Copy(a, resp.Body)
			resp.Body.Close()
		}
		a.ended <- err
	}()
	return a
}

// Write implements io.Writer.
func (a *arrival) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	close(a.grew)
	a.grew = make(chan struct{})
	return a.body.Write(p)
}

func (a *arrival) sofar() (string, <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.body.String(), a.grew
}

// heldFor is how long an answer must stay held to count as held: what was sent
// crosses loopback and two TLS ends in a fraction of it.
const heldFor = 150 * time.Millisecond

// A client cannot have the end of its answer before the journal has the
// event, and has what is before the final buffer.
func TestEndOfResponseWaitsForTheJournal(t *testing.T) {
	wire := func(version string) func(*world, string) *arrival {
		return func(w *world, method string) *arrival {
			h := w.h1()
			h.send("%s %s HTTP/%s\r\nHost: %s\r\nContent-Length: 0\r\n\r\n", method, putPath, version, armHost)
			return arrive(func() (*http.Response, error) { return http.ReadResponse(h.r, &http.Request{Method: method}) })
		}
	}
	clients := map[string]func(*world, string) *arrival{
		"http/1.1": wire("1.1"),
		"http/1.0": wire("1.0"),
		"h2": func(w *world, method string) *arrival {
			client := w.client(true)
			return arrive(func() (*http.Response, error) {
				req, err := http.NewRequestWithContext(w.t.Context(), method, armURL+putPath, nil)
				if err != nil {
					return nil, err
				}
				return client.Do(req)
			})
		},
	}
	for _, tt := range responses {
		for protocol, send := range clients {
			t.Run(tt.name+"/"+protocol, func(t *testing.T) {
				t.Parallel()
				release, waiting := make(chan struct{}), make(chan struct{}, 1)
				w := startRaw(t, once(tt.answer))
				w.events.wait = func(ctx context.Context) error {
					waiting <- struct{}{}
					select {
					case <-release:
						return nil
					case <-ctx.Done():
						return ctx.Err()
					}
				}
				answer := send(w, tt.method)
				await(t, "the wait for the event", waiting)
				got, grew := answer.sofar()
				for len(got) < tt.before {
					await(t, "what is before the end", grew)
					got, grew = answer.sofar()
				}
				early := answer.head
				if tt.before >= 0 {
					early = nil // the head may be out
				}
				select {
				case <-early:
					t.Error("the client had the head, which is all there is, before the event was safe")
				case err := <-answer.ended:
					t.Fatalf("the client had the end before the event was safe (%v)", err)
				case <-time.After(heldFor):
				}
				// Where a length is announced its last byte is the end, whatever
				// the protocol sends behind it.
				if got, _ := answer.sofar(); tt.body != "" && strings.Contains(tt.answer, "Content-Length") && len(got) >= len(tt.body) {
					t.Errorf("the client had all %d bytes before the event was safe", len(got))
				}
				close(release)
				if err := await(t, "the end", answer.ended); err != nil {
					t.Error(err)
				}
				if got, _ := answer.sofar(); got != tt.body {
					t.Errorf("got %d bytes of %d", len(got), len(tt.body))
				}
			})
		}
	}
}

// Refusals of ours are held as well.
func TestRefusalsWaitForTheJournal(t *testing.T) {
	for name, request := range map[string]string{
		"plain HTTP": "PUT http://" + armHost + "/x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
		"authority":  "CONNECT nowhere HTTP/1.1\r\nHost: x\r\n\r\n",
		"guard":      "CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			release, waiting := make(chan struct{}), make(chan struct{}, 1)
			w := start(t, nil)
			w.events.wait = func(context.Context) error {
				waiting <- struct{}{}
				<-release
				return nil
			}
			c := w.dial()
			_, _ = io.WriteString(c, request)
			await(t, "the wait for the event", waiting)
			silent(t, c, bufio.NewReader(c))
			close(release)
			if b := make([]byte, 9); true {
				if _, err := io.ReadFull(c, b); err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 ") {
					t.Errorf("%q %v", b, err)
				}
			}
		})
	}
}

// journal opens a real one for the proxy of a test.
func journal(t testing.TB, g audit.Guarantee) (dir string, tune func(*proxy.Options), j *audit.Journal) {
	t.Helper()
	state := t.TempDir()
	dir = filepath.Join(state, "audit")
	j, err := audit.Open(audit.Options{Dir: dir, Source: "test-0123abcd", KeyFile: filepath.Join(state, "seal.pem"), Guarantee: g, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return dir, func(o *proxy.Options) { o.Recorder = j }, j
}

// The moment a client has its last byte, the event is on disk.
func TestProbeFindsTheEventOnDisk(t *testing.T) {
	for _, guarantee := range []audit.Guarantee{audit.GuaranteeDurable, audit.GuaranteeStrict} {
		for _, tt := range responses {
			t.Run(string(guarantee)+"/"+tt.name, func(t *testing.T) {
				protocols(t, func(t *testing.T, h2 bool) {
					dir, tune, _ := journal(t, guarantee)
					w := startRaw(t, once(tt.answer), tune)
					resp, body := do(t, w.client(h2), tt.method, armURL+putPath, "", "X-Ms-Client-Request-Id", "probe-1")
					// No wait here: that is the point.
					var found []audit.Event
					for e, err := range audit.Read(dir, audit.Filter{}) {
						if err != nil {
							t.Fatal(err)
						}
						if e.Kind == audit.KindRequest {
							found = append(found, e)
						}
					}
					if len(found) != 1 || found[0].ClientRequestID != "probe-1" || found[0].Status != resp.StatusCode || found[0].BytesDown != int64(len(body)) || body != tt.body {
						t.Errorf("%d bytes; the journal has %+v", len(body), found)
					}
				})
			})
		}
	}
}

// Without its intent on disk a write is not sent.
func TestStrictIntentFails(t *testing.T) {
	protocols(t, func(t *testing.T, h2 bool) {
		w := start(t, nil)
		w.events.intent = func(*audit.Event) error { return errors.New("s3cret disk is full") }
		resp, body := do(t, w.client(h2), http.MethodPut, armURL+putPath, "body")
		wantOwn(t, resp, body, http.StatusServiceUnavailable, "AttribProxyJournalUnavailable")
		if strings.Contains(body, "s3cret") || len(w.requests()) != 0 {
			t.Errorf("%s; the origin saw %d requests", body, len(w.requests()))
		}
		if e := w.events.await(t, 1)[0]; e.Outcome != "rejected" || e.Error != "AttribProxyJournalUnavailable" || e.UAOut != "" {
			t.Errorf("event %+v", e)
		}
		if resp, _ := do(t, w.client(h2), http.MethodGet, armURL+"/x", ""); resp.StatusCode != 200 {
			t.Errorf("a read: %s", resp.Status)
		}
	})
}

// A loss is counted and the answer goes out all the same.
func TestAnswerWithoutRecord(t *testing.T) {
	w := start(t, nil)
	w.events.wait = func(context.Context) error { return errors.New("lost") }
	if resp, body := do(t, w.client(true), http.MethodPut, armURL+putPath, "x"); resp.StatusCode != 200 || body != `{"ok":true}` {
		t.Errorf("%s %s", resp.Status, body)
	}
}
