package proxy

import (
	"net"
	"net/netip"
	"sync"
)

// processLookup is the search for the program at the client's end of a
// connection. It is made once, and only if something is put on record.
type processLookup struct {
	once sync.Once
	done chan struct{} // closed when name is known; nil before the start
	name string
}

// findProcess starts the search, which goes on beside the request.
func (c *clientConn) findProcess() {
	find := c.srv.opts.ClientProcess
	if find == nil {
		return
	}
	c.process.once.Do(func() {
		client, ok1 := addrPort(c.RemoteAddr())
		proxy, ok2 := addrPort(c.LocalAddr())
		done := make(chan struct{})
		c.process.done = done
		if !ok1 || !ok2 {
			close(done)
			return
		}
		go func() {
			defer close(done)
			defer func() {
				if p := recover(); p != nil {
					c.srv.logPanic("panic while looking for a client's process", p)
				}
			}()
			c.process.name = find(client, proxy)
		}()
	})
}

// processName is what the search found; it waits for its end.
func (c *clientConn) processName() string {
	c.findProcess() // or the other request that did so need not have gone before
	if c.process.done == nil {
		return ""
	}
	<-c.process.done
	return c.process.name
}

func addrPort(a net.Addr) (netip.AddrPort, bool) {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort(), true
	}
	return netip.AddrPort{}, false
}
