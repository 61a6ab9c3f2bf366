package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestInformationalResponsesPass(t *testing.T) {
	protocols(t, func(t *testing.T, h2 bool) {
		w := startRaw(t, answerEach(func(string) string {
			return "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
		}))
		var got []string
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			got = append(got, fmt.Sprint(code, " ", h.Get("Link")))
			return nil
		}})
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, armURL+"/x", nil)
		resp, err := w.client(h2).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		if diff := cmp.Diff([]string{"103 </a>", "102 "}, got); diff != "" || string(body) != "ok" || resp.Header.Get("Link") != "" {
			t.Errorf("%q %q %s", body, resp.Header, diff)
		}
	})
}

// The origin's own 100 Continue is what lets a body go; a final answer in its
// place keeps the body with the client.
func TestExpectContinue(t *testing.T) {
	const head = "PUT " + putPath + " HTTP/1.1\r\nHost: " + armHost + "\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
	t.Run("withheld until the origin says it", func(t *testing.T) {
		got, release := make(chan string, 1), make(chan struct{})
		w := startRaw(t, func(c net.Conn, r *bufio.Reader) {
			h, err := readHead(r)
			if err != nil {
				return
			}
			got <- h
			<-release
			_, _ = io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
			body := make([]byte, 4)
			_, _ = io.ReadFull(r, body)
			got <- string(body)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		})
		h := w.h1()
		h.send(head)
		if head := await(t, "the head at the origin", got); !strings.Contains(head, "\r\nExpect: 100-continue\r\n") {
			t.Errorf("the origin got %q", head)
		}
		silent(t, h.c, h.r)
		close(release)
		if line, err := h.r.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
			t.Fatalf("%q %v", line, err)
		}
		_, _ = h.r.ReadString('\n')
		h.send("body")
		if body := await(t, "the body at the origin", got); body != "body" {
			t.Errorf("%q", body)
		}
		if resp := h.response("PUT"); resp.StatusCode != 200 { // and no second 100 before it
			t.Errorf("%s", resp.Status)
		}
	})
	for _, status := range []string{"401 Unauthorized", "417 Expectation Failed"} {
		t.Run(status, func(t *testing.T) {
			extra := make(chan int64, 1)
			w := startRaw(t, func(c net.Conn, r *bufio.Reader) {
				if _, err := readHead(r); err != nil {
					return
				}
				_, _ = io.WriteString(c, "HTTP/1.1 "+status+"\r\nContent-Length: 0\r\n\r\n")
				n, _ := io.Copy(io.Discard, r)
				extra <- n
			})
			h := w.h1()
			h.send(head)
			resp := h.response("PUT")
			if resp.Status != status {
				t.Errorf("%s", resp.Status)
			}
			h.c.Close()
			if n := await(t, "the end at the origin", extra); n != 0 {
				t.Errorf("the origin got %d bytes of body", n)
			}
			w.events.await(t, 1)
		})
	}
	t.Run("an origin that never says it gets the body in the end", func(t *testing.T) {
		w := start(t, nil, shortLimits)
		w.handler = func(rw http.ResponseWriter, r *http.Request) { w.note(r) }
		// A raw origin, as net/http's says 100 by itself.
		raw := startRaw(t, func(c net.Conn, r *bufio.Reader) {
			if _, err := readHead(r); err != nil {
				return
			}
			body := make([]byte, 4)
			_, _ = io.ReadFull(r, body)
			_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n%s", body)
		}, shortLimits)
		h := raw.h1()
		h.send(head)
		if line, err := h.r.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
			t.Fatalf("%q %v", line, err)
		}
		_, _ = h.r.ReadString('\n')
		h.send("body")
		resp := h.response("PUT")
		if body, _ := io.ReadAll(resp.Body); string(body) != "body" {
			t.Errorf("%s %q", resp.Status, body)
		}
	})
}
