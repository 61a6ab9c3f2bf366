package proxy_test

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/attribproxy/attribproxy/proxy"
)

// clientHello is what a client sends first for a server name.
func clientHello(t testing.TB, name string) []byte {
	t.Helper()
	c := &recordConn{}
	err := tls.Client(c, &tls.Config{ServerName: name, InsecureSkipVerify: name == "", MinVersion: tls.VersionTLS12}).HandshakeContext(t.Context()) //nolint:gosec // only the hello is wanted
	if err == nil || c.Len() == 0 {
		t.Fatalf("no ClientHello: %v", err)
	}
	return c.Bytes()
}

type recordConn struct {
	net.Conn
	bytes.Buffer
}

func (c *recordConn) Read([]byte) (int, error)    { return 0, io.EOF }
func (c *recordConn) Write(p []byte) (int, error) { return c.Buffer.Write(p) }
func (c *recordConn) Close() error                { return nil }

// records splits a hello into TLS records of n bytes each.
func records(hello []byte, n int) []byte {
	var out []byte
	for body := hello[5:]; len(body) > 0; {
		part := body[:min(n, len(body))]
		body = body[len(part):]
		out = append(out, 0x16, 3, 1)
		out = binary.BigEndian.AppendUint16(out, uint16(len(part)))
		out = append(out, part...)
	}
	return out
}

// CONNECT to an address with an intercepted server name in the TLS inside is
// put on record, and the bytes pass as they are.
func TestBypassIsRecorded(t *testing.T) {
	arm, upper, other := clientHello(t, armHost), clientHello(t, strings.ToUpper(armHost)), clientHello(t, "login.microsoftonline.com")
	tests := []struct {
		name   string
		bytes  []byte
		pieces int // bytes per write
		bypass bool
	}{
		{"whole", arm, 1 << 20, true},
		{"upper case", upper, 1 << 20, true},
		{"byte by byte", arm, 1, true},
		{"in several records", records(arm, 50), 1 << 20, true},
		{"in several records, cut oddly", records(arm, 50), 7, true},
		{"followed by more", append(bytes.Clone(arm), "more"...), 100, true},
		{"another name", other, 50, false},
		{"no name", clientHello(t, ""), 1 << 20, false},
		{"not TLS", []byte("SSH-2.0-OpenSSH_9\r\n" + armHost), 3, false},
		{"like TLS at first", []byte("\x16\x03\x01\xff\xff garbage"), 1 << 20, false},
		{"a record of nothing", []byte("\x16\x03\x01\x00\x00\x16\x03\x01\x00\x00"), 1, false},
		{"one byte", []byte("\x16"), 1, false},
		{"nothing", nil, 1, false},
		{"large", bytes.Repeat([]byte{0x16, 3, 1, 0x40, 0}, 20000), 1 << 20, false},
	}
	for _, policy := range []proxy.Bypass{proxy.BypassRecord, proxy.BypassRefuse} {
		for _, tt := range tests {
			t.Run(string(policy)+"/"+tt.name, func(t *testing.T) {
				w := start(t, nil, func(o *proxy.Options) { o.Bypass = policy })
				l, got := listen(t), make(chan []byte, 1)
				serveConns(t, l, func(c net.Conn) {
					b, _ := io.ReadAll(c)
					_, _ = io.WriteString(c, "answer")
					got <- b
				})
				c := w.connect(l.Addr().String())
				for rest := tt.bytes; len(rest) > 0; {
					n := min(tt.pieces, len(rest))
					if _, err := c.Write(rest[:n]); err != nil {
						break // refused already
					}
					rest = rest[n:]
				}
				_ = c.(*net.TCPConn).CloseWrite()
				answer, err := io.ReadAll(c)
				arrived := await(t, "the target's bytes", got)
				if refused := tt.bypass && policy == proxy.BypassRefuse; refused {
					if len(arrived) > 0 || len(answer) > 0 {
						t.Errorf("%d bytes arrived, answer %q", len(arrived), answer)
					}
				} else if !bytes.Equal(arrived, tt.bytes) || string(answer) != "answer" || err != nil {
					t.Errorf("%d of %d bytes arrived, answer %q %v", len(arrived), len(tt.bytes), answer, err)
				}
				if !tt.bypass {
					w.forgotten()
					if e := w.events.all(); len(e) > 0 {
						t.Errorf("events %+v", e)
					}
					return
				}
				e := w.events.await(t, 1)[0]
				outcome, code := "bypass", ""
				if policy == proxy.BypassRefuse {
					outcome, code = "rejected", "AttribProxyBypassRefused"
				}
				if e.Outcome != outcome || e.Error != code || e.Host != armHost || e.Method != "CONNECT" || !strings.Contains(e.Reason, l.Addr().String()) {
					t.Errorf("event %+v", e)
				}
				w.forgotten()
			})
		}
	}
}

// Where the server speaks first, the client's silence holds nothing back.
func TestServerSpeaksFirst(t *testing.T) {
	for _, policy := range []proxy.Bypass{proxy.BypassRecord, proxy.BypassRefuse} {
		w := start(t, nil, func(o *proxy.Options) { o.Bypass = policy })
		l := listen(t)
		serveConns(t, l, func(c net.Conn) {
			_, _ = io.WriteString(c, "220 hello\r\n")
			_, _ = io.Copy(c, c)
		})
		c := w.connect(l.Addr().String())
		buf := make([]byte, 11)
		if _, err := io.ReadFull(c, buf); err != nil || string(buf) != "220 hello\r\n" {
			t.Errorf("%q %v", buf, err)
		}
		_, _ = io.WriteString(c, "QUIT")
		if _, err := io.ReadFull(c, buf[:4]); err != nil || string(buf[:4]) != "QUIT" {
			t.Errorf("%q %v", buf, err)
		}
	}
}

// A panic while looking into a tunnel costs that tunnel.
func TestPanicInsideATunnel(t *testing.T) {
	w, echo := start(t, nil, panicOnce), echoServer(t)
	c := w.connect(echo.Addr().String())
	_, _ = c.Write(clientHello(t, armHost))
	if b, err := io.ReadAll(c); len(b) > 0 || errors.Is(err, net.ErrClosed) {
		t.Errorf("%q %v", b, err)
	}
	w.forgotten()
	if resp, body := w.h1().do("PUT /x HTTP/1.1\r\nHost: " + armHost + "\r\nContent-Length: 0\r\n\r\n"); resp.StatusCode != 200 {
		t.Errorf("%s %s", resp.Status, body)
	}
}

// panicOnce lets the first question for the rules panic.
func panicOnce(o *proxy.Options) {
	rules, first := o.Rules, make(chan struct{}, 1)
	first <- struct{}{}
	o.Rules = func() *proxy.Rules {
		select {
		case <-first:
			panic("s3cret-panic-value")
		default:
			return rules()
		}
	}
}
