//go:build unix

package guarantee_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/attribproxy/attribproxy/internal/fakecloud"
)

const (
	groups     = "https://" + fakecloud.DefaultARMHost + "/subscriptions/" + fakecloud.SubscriptionID + "/resourcegroups/"
	idHeader   = "X-Ms-Client-Request-Id"
	errorField = "X-Attribproxy-Error"
)

// client is a program that writes to ARM through whichever serve runs, over
// connections that it keeps.
type client struct {
	http  *http.Client
	token string
	proxy atomic.Pointer[url.URL]
}

// newClient needs the CA that serve made. With http2 its requests share a
// connection; gzip asks for bodies whose length nobody announces.
func (s *site) newClient(t *testing.T, http2, gzip bool) *client {
	t.Helper()
	pem, err := os.ReadFile(filepath.Join(s.state(), "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	c := &client{token: s.cloud.Token()}
	tr := &http.Transport{
		Proxy:           func(*http.Request) (*url.URL, error) { return c.proxy.Load(), nil },
		TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
		// More than the load has, so that connections are kept.
		MaxIdleConnsPerHost: 16, ForceAttemptHTTP2: http2, DisableCompression: !gzip,
	}
	t.Cleanup(tr.CloseIdleConnections)
	c.http = &http.Client{Transport: tr, Timeout: patience}
	return c
}

// use sends what comes next through d.
func (c *client) use(t *testing.T, d *daemon) {
	t.Helper()
	u, err := url.Parse(d.Proxy)
	if err != nil {
		t.Fatal(err)
	}
	c.proxy.Store(u)
}

// answer is a complete answer: head and body, to the last byte.
type answer struct {
	status int
	own    string // the code of an answer of attribproxy's own
	body   string
}

// write sends one write that bears id. Without an error the client has the
// complete answer.
func (c *client) write(ctx context.Context, method, id string) (answer, error) {
	target, body := groups+"g-"+id[:2], `{"location":"westeurope"}`
	if method == http.MethodPatch {
		body = `{"tags":{"a":"b"}}`
	}
	if method != http.MethodPut {
		target += "/providers/Microsoft.Storage/storageAccounts/a" + id[:4]
	}
	var payload io.Reader
	if method != http.MethodDelete {
		payload = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, target+"?api-version=2021-04-01", payload)
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("User-Agent", "guarantee/1.0")
	req.Header.Set(idHeader, id)
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, err
	}
	if want := resp.ContentLength; want >= 0 && int64(len(text)) != want {
		return answer{}, errors.New("the body is not whole")
	}
	return answer{resp.StatusCode, resp.Header.Get(errorField), string(text)}, nil
}

// newID is a GUID that no other write has.
func newID(r *rand.Rand) string {
	a, b := r.Uint64(), r.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>52, b&0xffffffffffff)
}

// pickMethod: mostly PUT, as deployments are.
func pickMethod(r *rand.Rand) string {
	return []string{http.MethodPut, http.MethodPut, http.MethodPut, http.MethodPatch, http.MethodDelete}[r.IntN(5)]
}

// reached counts what came to the cloud, by ID.
func (s *site) reached() map[string]int {
	ids := map[string]int{}
	for _, r := range s.cloud.Requests() {
		if id := r.Header.Get(idHeader); id != "" {
			ids[id]++
		}
	}
	return ids
}
