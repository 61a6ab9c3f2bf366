package proxy_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"github.com/attribproxy/attribproxy/proxy"
)

type armErrorDetail struct{ Code, Message string }

// armError reads a body in ARM's error shape.
func armError(body string) (armErrorDetail, error) {
	var v struct{ Error armErrorDetail }
	err := json.Unmarshal([]byte(body), &v)
	return v.Error, err
}

// shortLimits make the deadlines of a test short.
func shortLimits(o *proxy.Options) {
	o.Limits = proxy.Limits{
		ClientHead: 150 * time.Millisecond, ClientIdle: 300 * time.Millisecond, Dial: 150 * time.Millisecond, Handshake: 150 * time.Millisecond,
		ResponseHead: 150 * time.Millisecond, ExpectContinue: 50 * time.Millisecond,
	}
}

// within is the second that the proxy has to pass a disconnect on.
func within(t testing.TB, ch <-chan struct{}) {
	t.Helper()
	select {
	case <-ch:
	case <-time.After(time.Second):
		t.Fatal("not within a second")
	}
}

// silent checks that nothing arrives for a short while. It can only miss a
// fault, never invent one.
func silent(t testing.TB, c net.Conn, r *bufio.Reader) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if b, err := r.Peek(1); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %q, %v", b, err)
	}
	_ = c.SetReadDeadline(time.Now().Add(waitLong))
}
