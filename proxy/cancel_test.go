package proxy_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

func TestDisconnectCancelsUpstream(t *testing.T) {
	phases := map[string]func(started chan<- string) http.HandlerFunc{
		"before the response": func(started chan<- string) http.HandlerFunc {
			return func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				started <- "before the response"
				<-r.Context().Done() // and no answer, which might just get through
			}
		},
		"in the body up": func(started chan<- string) http.HandlerFunc {
			return func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.ReadFull(r.Body, make([]byte, 4))
				started <- "in the body up"
				_, _ = io.Copy(io.Discard, r.Body)
			}
		},
		"in the body down": func(started chan<- string) http.HandlerFunc {
			return func(rw http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				_, _ = io.WriteString(rw, "some")
				_ = http.NewResponseController(rw).Flush()
				started <- "in the body down"
				<-r.Context().Done()
			}
		},
	}
	for phase, handler := range phases {
		t.Run(phase, func(t *testing.T) {
			protocols(t, func(t *testing.T, h2 bool) {
				started, ended := make(chan string, 1), make(chan struct{}, 1)
				h := handler(started)
				w := start(t, func(rw http.ResponseWriter, r *http.Request) {
					h(rw, r)
					ended <- struct{}{}
					panic(http.ErrAbortHandler)
				})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var body io.Reader = strings.NewReader("body")
				pr, pw := io.Pipe()
				if phase == "in the body up" {
					go func() { _, _ = io.WriteString(pw, "body") }()
					body = pr
				}
				req, _ := http.NewRequestWithContext(ctx, http.MethodPut, armURL+putPath, body)
				done := make(chan struct{})
				client := w.client(h2)
				go func() {
					defer close(done)
					if resp, err := client.Do(req); err == nil {
						_, _ = io.Copy(io.Discard, resp.Body)
						resp.Body.Close()
					}
				}()
				await(t, "the request at the origin", started)
				cancel()
				within(t, ended)
				pw.Close() // net/http's client waits for the body it was given
				<-done
				e := w.events.await(t, 1)[0]
				if e.Error != "AttribProxyClientCancelled" {
					t.Errorf("event %+v", e)
				}
			})
		})
	}
}

// A client that goes away while we are still on the way to the origin is let
// go at once, and nothing is sent. (net/http completes the connection, for
// the next request.)
func TestDisconnectWhileConnecting(t *testing.T) {
	protocols(t, func(t *testing.T, h2 bool) {
		began, let := make(chan struct{}, 1), make(chan struct{})
		w := &world{t: t, ca: newAuthority(t, "proxy CA"), originCA: newAuthority(t, "origin CA"), events: newMemory(), origin: listen(t)}
		serveConns(t, w.origin, func(c net.Conn) {
			_, _ = io.ReadFull(c, make([]byte, 5)) // of a handshake that is never answered
			began <- struct{}{}
			_, _ = io.Copy(io.Discard, c)
		})
		w.startProxy()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			<-began
			cancel()
		}()
		req, _ := http.NewRequestWithContext(ctx, http.MethodPut, armURL+putPath, nil)
		if resp, err := w.client(h2).Do(req); err == nil {
			resp.Body.Close()
			t.Error("an answer came")
		}
		go func() {
			defer close(let)
			w.events.await(t, 1)
		}()
		within(t, let)
		if e := w.events.all()[0]; e.Error != "AttribProxyClientCancelled" {
			t.Errorf("event %+v", e)
		}
	})
}
