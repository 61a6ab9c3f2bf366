package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/attribproxy/attribproxy/proxy"
)

// Shutdown lets requests in flight end, closes what is idle, and takes
// nothing new.
func TestShutdownDrains(t *testing.T) {
	protocols(t, func(t *testing.T, h2 bool) {
		began, release := make(chan struct{}), make(chan struct{})
		w := start(t, nil)
		w.handler = func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				close(began)
				<-release
			}
			_, _ = io.WriteString(rw, "done")
		}
		idle := w.h1()
		idle.do("GET /x HTTP/1.1\r\nHost: " + armHost + "\r\n\r\n")
		fresh := w.dial() // connected, and its CONNECT comes later
		_, _ = io.WriteString(fresh, "CONNECT "+armHost+":443 HTTP/1.1\r\n")
		client := w.client(h2)
		answered := make(chan string, 1)
		go func() {
			_, body := do(t, client, http.MethodPut, armURL+"/slow", "x")
			answered <- body
		}()
		<-began
		ended := make(chan error, 1)
		go func() { ended <- w.server.Shutdown(t.Context()) }()
		if b, err := idle.r.ReadByte(); !errors.Is(err, io.EOF) {
			t.Errorf("the idle connection: %q %v", b, err)
		}
		// net/http mostly ends such a connection before it gets to our 503.
		_, _ = io.WriteString(fresh, "Host: x\r\n\r\n")
		if b, _ := io.ReadAll(fresh); len(b) > 0 && !bytes.Contains(b, []byte("AttribProxyShuttingDown")) {
			t.Errorf("a new CONNECT: %q", b)
		}
		if _, err := net.Dial("tcp", w.addr); err == nil {
			t.Error("a new connection was taken")
		}
		select {
		case err := <-ended:
			t.Fatalf("Shutdown ended with a request in flight: %v", err)
		default:
		}
		close(release)
		if body := await(t, "the answer", answered); body != "done" {
			t.Errorf("%q", body)
		}
		if err := await(t, "Shutdown", ended); err != nil {
			t.Error(err)
		}
		w.forgotten()
		if e := w.events.all()[0]; e.Path != "/slow" && e.Error != "AttribProxyShuttingDown" {
			t.Errorf("event %+v", e)
		}
	})
}

// At its deadline Shutdown cuts what is left; the events are there when it
// returns.
func TestShutdownDeadline(t *testing.T) {
	protocols(t, func(t *testing.T, h2 bool) {
		began := make(chan struct{})
		w := start(t, func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			close(began)
			<-r.Context().Done()
		})
		tunnel := w.connect(echoServer(t).Addr().String())
		client := w.client(h2)
		failed := make(chan error, 1)
		go func() {
			req, _ := http.NewRequestWithContext(context.Background(), http.MethodPut, armURL+putPath, http.NoBody)
			resp, err := client.Do(req)
			if err == nil {
				resp.Body.Close()
			}
			failed <- err
		}()
		<-began
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := w.server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown returned %v", err)
		}
		events := w.events.all() // without waiting
		if len(events) != 1 || events[0].Error != "AttribProxyClientCancelled" {
			t.Errorf("%+v", events)
		}
		if err := await(t, "the cut", failed); err == nil {
			t.Error("the request was answered")
		}
		if b, err := io.ReadAll(tunnel); len(b) > 0 {
			t.Errorf("%q %v", b, err)
		}
		w.forgotten()
	})
}

// Close in the midst of everything leaves nothing behind (goleak looks).
func TestCloseCutsEverything(t *testing.T) {
	stuck := make(chan struct{}, 3)
	w := startRaw(t, func(_ net.Conn, r *bufio.Reader) {
		_, _ = readHead(r)
		stuck <- struct{}{}
		_, _ = io.Copy(io.Discard, r)
	})
	silentTarget := listen(t)
	serveConns(t, silentTarget, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	w.connect(silentTarget.Addr().String())
	w.connect(armHost + ":443")
	uploading, waiting := w.h1(), w.h1()
	uploading.send("PUT /x HTTP/1.1\r\nHost: %s\r\nContent-Length: 10\r\n\r\nhalf", armHost)
	waiting.send("GET /x HTTP/1.1\r\nHost: %s\r\n\r\n", armHost)
	<-stuck
	<-stuck
	if err := w.server.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	w.forgotten()
	if e := w.events.all(); len(e) != 1 || e[0].Error != "AttribProxyClientCancelled" {
		t.Errorf("%+v", e)
	}
	if err := w.server.Serve(listen(t)); !errors.Is(err, proxy.ErrServerClosed) {
		t.Errorf("Serve after Close: %v", err)
	}
}
