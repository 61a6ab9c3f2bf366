package proxy_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWebSocket(t *testing.T) {
	served := make(chan string, 1)
	w := startRaw(t, func(c net.Conn, r *bufio.Reader) {
		head, err := readHead(r)
		if err != nil {
			return
		}
		served <- head
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: yes\r\n\r\nhello")
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		_, _ = io.WriteString(c, "echo "+line)
		_, _ = io.Copy(io.Discard, r) // until the client's close comes through
		served <- "closed"
	})
	h := w.h1()
	h.send("GET /ws HTTP/1.1\r\nHost: %s\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\nfirst\n", armHost)
	line, _ := h.r.ReadString('\n')
	if line != "HTTP/1.1 101 Switching Protocols\r\n" {
		t.Fatalf("%q", line)
	}
	header, err := textproto.NewReader(h.r).ReadMIMEHeader()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(textproto.MIMEHeader{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Accept": {"yes"}}, header); diff != "" {
		t.Error(diff)
	}
	if got := await(t, "the head at the origin", served); !strings.Contains(got, "\r\nConnection: Upgrade\r\n") || !strings.Contains(got, "\r\nUpgrade: websocket\r\n") {
		t.Errorf("%q", got)
	}
	if got, err := h.r.ReadString('\n'); err != nil || got != "helloecho first\n" {
		t.Errorf("%q %v", got, err)
	}
	h.c.Close()
	if got := await(t, "the close at the origin", served); got != "closed" {
		t.Errorf("%q", got)
	}
	eventually(t, "the connection is forgotten", func() bool { a, b := w.server.Open(); return a+b == 0 })
}

// The origin's close of a WebSocket reaches the client.
func TestWebSocketClosedByOrigin(t *testing.T) {
	w := startRaw(t, func(c net.Conn, r *bufio.Reader) {
		if _, err := readHead(r); err != nil {
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nbye")
	})
	h := w.h1()
	h.send("POST /ws HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", armHost)
	all, err := io.ReadAll(h.r)
	if err != nil || !strings.HasSuffix(string(all), "\r\n\r\nbye") {
		t.Errorf("%q %v", all, err)
	}
	if e := w.events.await(t, 1)[0]; e.Status != http.StatusSwitchingProtocols || e.BytesDown != 3 {
		t.Errorf("event %+v", e)
	}
}
