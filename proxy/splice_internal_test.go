package proxy

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// taker is the other end of a tunnel; it notes what it is given to read from.
type taker struct {
	net.Conn
	from []string
}

func (k *taker) ReadFrom(r io.Reader) (int64, error) {
	k.from = append(k.from, fmt.Sprintf("%T", r))
	return io.Copy(io.Discard, r)
}

func (k *taker) Write(p []byte) (int, error) { return len(p), nil }

// The kernel can move a tunnel's bytes (splice) only where package net gets
// its own connections to copy between, both ways, with nothing of ours around
// them.
func TestTunnelIsLeftToTheKernel(t *testing.T) {
	conns := make(chan *clientConn, 1)
	s := &Server{conns: newConnSet(), opts: Options{Bypass: BypassRecord}}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := (&hijackWriter{ResponseWriter: w, srv: s, tunnel: true}).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		conns <- c.(*clientConn)
	}))
	defer srv.Close()
	client, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	_, _ = io.WriteString(client, "GET / HTTP/1.1\r\nHost: x\r\n\r\nfirst")
	c := <-conns
	defer c.Close()
	if _, ok := c.Conn.(*net.TCPConn); !ok {
		t.Errorf("the client's connection is a %T", c.Conn)
	}

	target := &taker{}
	go func() {
		_, _ = client.Write(bytes.Repeat([]byte("x"), 1<<20))
		_ = client.(*net.TCPConn).CloseWrite()
	}()
	if n, err := io.Copy(target, c); n != 1<<20+5 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	if len(target.from) != 1 || !strings.HasPrefix(strings.TrimPrefix(target.from[0], "*"), "net.") {
		t.Errorf("up, the target read from %q", target.from)
	}

	down := &taker{Conn: c.Conn}
	c.Conn = down
	source, peer := tcpPair(t)
	_ = peer.Close()
	if _, err := io.Copy(c, source); err != nil {
		t.Error(err)
	}
	if len(down.from) != 1 || !strings.HasPrefix(strings.TrimPrefix(down.from[0], "*"), "net.") {
		t.Errorf("down, the client read from %q", down.from)
	}
	_ = source.Close()
}

func tcpPair(t *testing.T) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return a, b
}
