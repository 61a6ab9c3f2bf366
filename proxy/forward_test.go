package proxy_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPutIsTaggedAndRecorded(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		t.Run(map[bool]string{false: "http/1.1", true: "h2"}[h2], func(t *testing.T) {
			w := start(t, nil)
			resp, body := do(t, w.client(h2), http.MethodPut, "https://"+armHost+putPath, `{"a":1}`,
				"User-Agent", "AZURECLI/2.61.0", "X-Ms-Client-Request-Id", "cid-1", "Authorization", "Bearer s3cret")
			if resp.StatusCode != http.StatusOK || body != `{"ok":true}` {
				t.Fatalf("%d %q", resp.StatusCode, body)
			}
			if h2 != (resp.ProtoMajor == 2) {
				t.Errorf("the client spoke %s", resp.Proto)
			}
			reqs := w.requests()
			if len(reqs) != 1 {
				t.Fatalf("origin saw %d requests", len(reqs))
			}
			got := reqs[0]
			if diff := cmp.Diff([]string{"AZURECLI/2.61.0 " + testID}, got.Header["User-Agent"]); diff != "" {
				t.Error(diff)
			}
			if got.URI != putPath || got.Host != armHost || got.Body != `{"a":1}` || got.Header.Get("Authorization") != "Bearer s3cret" {
				t.Errorf("origin saw %+v", got)
			}
			for _, name := range []string{"Via", "X-Forwarded-For", "Accept-Encoding", "Forwarded"} {
				if v, ok := got.Header[name]; ok {
					t.Errorf("%s: %q was added", name, v)
				}
			}
			e := w.events.await(t, 1)[0]
			if e.Outcome != "attributed" || e.Rule != "all" || e.Status != 200 || e.UAIn != "AZURECLI/2.61.0" || e.UAOut != "AZURECLI/2.61.0 "+testID ||
				e.ClientRequestID != "cid-1" || e.RequestID != "req-1" || e.BytesUp != 7 || e.BytesDown != 11 || e.ResourceGroup != "rg-demo" || e.Tool != "azure-cli" {
				t.Errorf("event %+v", e)
			}
		})
	}
}
