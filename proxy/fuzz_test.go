package proxy_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/attribproxy/attribproxy/proxy"
)

// FuzzServerName feeds the first bytes of a tunnel to the parser. However
// they are cut, it must not panic, and more bytes must not change an answer
// that was final.
func FuzzServerName(f *testing.F) {
	hello := clientHello(f, armHost)
	f.Add(hello, uint16(10))
	f.Add(records(hello, 33), uint16(100))
	f.Add(clientHello(f, ""), uint16(5))
	f.Add([]byte("SSH-2.0-x\r\n"), uint16(1))
	f.Add([]byte{0x16, 3, 1, 0, 0}, uint16(3))
	f.Add([]byte{0x16, 3, 1, 0xff, 0xff, 1}, uint16(6))
	f.Fuzz(func(t *testing.T, b []byte, cut uint16) {
		name, done := proxy.ServerName(b)
		if name != "" && !done {
			t.Errorf("a name, %q, before the end", name)
		}
		if name != "" && !bytes.Contains(b, []byte(name[:1])) {
			t.Errorf("%q is not in the bytes", name)
		}
		part := b[:min(int(cut), len(b))]
		if early, final := proxy.ServerName(part); final && early != "" && early != name {
			t.Errorf("%q, and %q with more bytes", early, name)
		}
	})
}

// FuzzParseResolve: an entry that is taken has a target, and reads the same
// when it is written down again.
func FuzzParseResolve(f *testing.F) {
	for _, s := range []string{
		"management.azure.com:443:127.0.0.1:8443", "::127.0.0.1:1", "[::1]:443:[fe80::1]:2", "a:1:[::1]:2", ":::", "a:b", "[", "[::1", "a:1:b:c:d", "Ä.example:443:x:1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, entry string) {
		got, err := proxy.ParseResolve(entry)
		if err != nil {
			return
		}
		if got[2] == "" || got[3] == "" {
			t.Errorf("%q: no target in %q", entry, got)
		}
		var again strings.Builder
		for i, v := range got {
			if i > 0 {
				again.WriteByte(':')
			}
			if strings.Contains(v, ":") {
				v = "[" + v + "]"
			}
			again.WriteString(v)
		}
		if back, err := proxy.ParseResolve(again.String()); err != nil || back != got {
			t.Errorf("%q gave %q, and %q gave %q, %v", entry, got, again.String(), back, err)
		}
	})
}
