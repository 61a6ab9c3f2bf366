package e2e_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/attribproxy/attribproxy/internal/fakecloud"
)

// tunnel is the plainest CONNECT proxy there can be: it finds every name of the
// fake cloud there and passes bytes. What a client sends through it is what the
// client sends by itself.
type tunnel struct {
	cloud *fakecloud.Cloud
	ln    net.Listener
	wg    sync.WaitGroup

	mu     sync.Mutex
	conns  []net.Conn
	closed bool
	others []string // targets that are not the fake cloud's
}

func startTunnel(t *testing.T, cloud *fakecloud.Cloud) *tunnel {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &tunnel{cloud: cloud, ln: ln}
	p.wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			p.wg.Go(func() { p.serve(conn) })
		}
	})
	t.Cleanup(p.close)
	return p
}

func (p *tunnel) url() string { return "http://" + p.ln.Addr().String() }

// strays lists what the client asked for beyond the fake cloud.
func (p *tunnel) strays() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.others)
}

func (p *tunnel) close() {
	_ = p.ln.Close()
	p.mu.Lock()
	p.closed = true
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}

// keep makes close end the connection; it reports whether that is still to come.
func (p *tunnel) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = append(p.conns, c)
	return !p.closed
}

func (p *tunnel) serve(client net.Conn) {
	defer client.Close()
	if !p.keep(client) {
		return
	}
	br := bufio.NewReader(client)
	req, err := http.ReadRequest(br)
	if err != nil {
		return
	}
	host, port, err := net.SplitHostPort(req.Host)
	if req.Method != http.MethodConnect || err != nil || port != "443" || !slices.Contains(p.cloud.Names(), host) {
		p.mu.Lock()
		p.others = append(p.others, req.Method+" "+req.Host)
		p.mu.Unlock()
		_, _ = io.WriteString(client, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		return
	}
	server, err := net.Dial("tcp", p.cloud.Addr())
	if err != nil {
		return
	}
	defer server.Close()
	if !p.keep(server) {
		return
	}
	if _, err := io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	var up sync.WaitGroup
	up.Go(func() { pass(server, br) })
	pass(client, server)
	up.Wait()
}

// pass copies to the end and hands the end on.
func pass(to net.Conn, from io.Reader) {
	_, err := io.Copy(to, from)
	if half, ok := to.(*net.TCPConn); ok && (err == nil || errors.Is(err, io.EOF)) {
		_ = half.CloseWrite()
		return
	}
	_ = to.Close()
}
