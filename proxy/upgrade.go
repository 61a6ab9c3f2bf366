package proxy

import (
	"io"
	"net/http"
	"strings"
	"sync"
)

// upgrade turns the connection over to the protocol both sides agreed on
// (WebSocket) and carries its bytes. The event is recorded at the end.
func (x *exchange) upgrade(out *http.Request, resp *http.Response) {
	asked, got := upgradeType(out.Header), upgradeType(resp.Header)
	origin, ok := resp.Body.(io.ReadWriteCloser)
	if asked == "" || !strings.EqualFold(asked, got) || !ok {
		x.fail(failure{
			http.StatusBadGateway, codeResponseBroken,
			"the origin switched to a protocol that was not asked for.",
		})
		return
	}
	h := x.w.Header()
	copyResponseHeader(h, resp)
	h["Connection"], h["Upgrade"] = []string{"Upgrade"}, []string{got}
	x.writeHead(http.StatusSwitchingProtocols)
	client, rw, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		x.abort(resp.StatusCode, codeInternal)
	}
	var down, up int64
	var copying sync.WaitGroup
	copying.Go(func() {
		up, _ = io.Copy(origin, rw.Reader)
		origin.Close()
	})
	down, _ = io.Copy(struct{ io.Writer }{client}, origin)
	client.Close() // ends the read of a client that has nothing more to say
	copying.Wait()
	x.down = down
	x.event.BytesUp = up
	x.settle(resp.StatusCode, "")
}
