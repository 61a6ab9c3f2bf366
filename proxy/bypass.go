package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"

	"github.com/attribproxy/attribproxy/arm"
	"github.com/attribproxy/attribproxy/attribution"
)

// maxHello is how far into a tunnel a ClientHello is looked for: one TLS
// record of the largest size with its header.
const maxHello = 16<<10 + 5

// Errors that end a tunnel, both ways: goproxy closes its two connections.
var (
	errBypassRefused = errors.New("the tunnel bypasses interception")
	errWatchPanicked = errors.New("looking into the tunnel failed")
)

// watchHello passes the first bytes of a tunnel on to w and reads from them,
// without altering or delaying any, which host the client starts TLS with.
// Where a bypass is to be refused the bytes are held back until that is known.
func (c *clientConn) watchHello(w io.Writer) (sent int64, err error) {
	defer func() { // goproxy's goroutine, where a panic would end the process
		if p := recover(); p != nil {
			c.srv.logPanic("panic while looking into a tunnel", p)
			err = errWatchPanicked
		}
	}()
	if !c.srv.begin() {
		return 0, net.ErrClosed
	}
	defer c.srv.exchanges.Done()
	hold := c.srv.opts.Bypass == BypassRefuse
	var seen []byte
	buf := make([]byte, 4<<10)
	for {
		n, readErr := c.Read(buf)
		seen = append(seen, buf[:n]...)
		name, done := serverName(seen)
		done = done || len(seen) >= maxHello || readErr != nil
		if host, err := arm.NormalizeHost(name); done && err == nil && c.srv.intercepts(host) {
			if err := c.srv.bypass(c, host); err != nil {
				return sent, err
			}
		}
		if !hold || done {
			m, err := w.Write(seen[sent:])
			sent += int64(m)
			if err != nil {
				return sent, err
			}
		}
		if readErr != nil || done {
			return sent, readErr
		}
	}
}

// serverName reads the server name of a TLS ClientHello. done is false while
// more bytes may still show one. The parser is crypto/tls's own.
func serverName(b []byte) (name string, done bool) {
	const handshakeRecord = 0x16
	if len(b) > 0 && b[0] != handshakeRecord {
		return "", true
	}
	// Without a whole record there is nothing to parse yet.
	if len(b) < 5 || len(b) < 5+int(b[3])<<8+int(b[4]) && len(b) < maxHello {
		return "", false
	}
	found := errors.New("found")
	err := tls.Server(replayConn{bytes.NewReader(b)}, &tls.Config{
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			name = hello.ServerName
			return nil, found
		},
		MinVersion: tls.VersionTLS12,
	}).HandshakeContext(context.Background())
	return name, !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF)
}

// replayConn plays recorded bytes to a TLS server and swallows its answers.
type replayConn struct{ *bytes.Reader }

func (replayConn) Write(p []byte) (int, error)      { return len(p), nil }
func (replayConn) Close() error                     { return nil }
func (replayConn) LocalAddr() net.Addr              { return nil }
func (replayConn) RemoteAddr() net.Addr             { return nil }
func (replayConn) SetDeadline(time.Time) error      { return nil }
func (replayConn) SetReadDeadline(time.Time) error  { return nil }
func (replayConn) SetWriteDeadline(time.Time) error { return nil }

// bypass puts a bypass on record; an error means that the tunnel must end.
func (s *Server) bypass(c *clientConn, host string) error {
	e := s.connectEvent(c.authority, c.RemoteAddr().String())
	e.Host = host
	e.Outcome = string(attribution.OutcomeBypass)
	e.Reason = "TLS with " + host + " inside a tunnel to " + c.authority +
		": its requests can be neither tagged nor recorded"
	refuse := s.opts.Bypass == BypassRefuse
	if refuse {
		e.Outcome = string(attribution.OutcomeRejected)
		e.Reason += "; refused by intercept.bypass"
		e.Error = codeBypass
	}
	e.Process = c.processName() // which delays no other tunnel
	s.metrics.bypasses.Inc()
	s.record(e)
	if refuse {
		return errBypassRefused
	}
	return nil
}
