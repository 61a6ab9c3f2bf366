package clientproc

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// dialEnv makes the test binary a client: it connects to the address and
// waits for the other end to close.
const dialEnv = "CLIENTPROC_TEST_DIAL"

func TestMain(m *testing.M) {
	if addr := os.Getenv(dialEnv); addr != "" {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_, err = c.Read(make([]byte, 1))
		}
		fmt.Println(err)
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

const pythonClient = `import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
s.recv(1)
`

const bashClient = `exec 3<>"/dev/tcp/$1/$2"
read -r -u 3 line
`

func TestFind(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	python, bash := write("a client.py", pythonClient), write("client.sh", bashClient)
	write("deploy.sh", "python3 'a client.py' \"$@\"\ntrue\n")
	write("module.py", pythonClient)

	tests := []struct {
		name    string
		need    string
		command func(host, port string) []string
		want    string // ends in * where the rest depends on the machine
	}{
		{"Go program", "", func(string, string) []string { return []string{self, "s3cret"} }, self},
		{"Python script", "python3", func(h, p string) []string { return []string{"python3", "a client.py", h, p, "s3cret"} }, python},
		{"Python module", "python3", func(h, p string) []string { return []string{"python3", "-m", "module", h, p, "s3cret"} }, "/*"},
		{"Python text", "python3", func(h, p string) []string { return []string{"python3", "-c", pythonClient + "# s3cret", h, p} }, "/*"},
		{"bash script", "bash", func(h, p string) []string { return []string{"bash", "client.sh", h, p, "s3cret"} }, bash},
		{"script of a script", "python3", func(h, p string) []string { return []string{"bash", "./deploy.sh", h, p, "s3cret"} }, python + " from " + filepath.Join(dir, "deploy.sh")},
	}
	for _, tt := range tests {
		for _, address := range []string{"127.0.0.1:0", "[::1]:0", "[::]:0"} {
			t.Run(tt.name+" to "+address, func(t *testing.T) {
				t.Parallel()
				if _, err := exec.LookPath(tt.need); tt.need != "" && err != nil {
					if os.Getenv("CI") != "" {
						t.Fatal(err)
					}
					t.Skip(err)
				}
				l, err := net.Listen("tcp", address)
				if err != nil {
					t.Skip(err) // no IPv6 here
				}
				defer l.Close()
				host, port, _ := net.SplitHostPort(l.Addr().String())
				if host == "::" { // an IPv4 client of a dual-stack listener
					host = "127.0.0.1"
				}
				args := tt.command(host, port)
				cmd := exec.Command(args[0], args[1:]...)
				cmd.Dir = dir
				if tt.need == "" {
					cmd.Env = append(os.Environ(), dialEnv+"="+net.JoinHostPort(host, port))
				}
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
				_ = l.(*net.TCPListener).SetDeadline(time.Now().Add(20 * time.Second))
				c, err := l.Accept()
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				client, proxy := addrPort(t, c.RemoteAddr()), addrPort(t, c.LocalAddr())
				var f Finder
				for range 2 { // the second time from memory
					got := f.Find(client, proxy)
					// Who started the test may be a script as well.
					want, open := strings.CutSuffix(tt.want, "*")
					if rest, ok := strings.CutPrefix(got, want); !ok || !open && rest != "" && !strings.HasPrefix(rest, " from ") {
						t.Errorf("got %q, want %q", got, tt.want)
					}
					if strings.Contains(got, "s3cret") {
						t.Errorf("an argument got out: %q", got)
					}
					if tt.name == "Python module" && !strings.Contains(got, " -m module") {
						t.Errorf("got %q, want its module", got)
					}
				}
				local, remote := unmapped(client), unmapped(proxy)
				fromTable, ok := tableSocket(local, remote)
				if !ok || fromTable.inode == 0 {
					t.Error("the socket is not in /proc/net")
				}
				if asked, ok := diagSocket(local, remote); ok && asked != fromTable {
					t.Errorf("the kernel says %+v, its table %+v", asked, fromTable)
				}
			})
		}
	}
}

func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

func addrPort(t testing.TB, a net.Addr) netip.AddrPort {
	t.Helper()
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		t.Fatal(err)
	}
	return ap
}

func TestFindNothing(t *testing.T) {
	t.Parallel()
	var f Finder
	loopback := netip.MustParseAddrPort("127.0.0.1:1")
	for _, client := range []netip.AddrPort{{}, loopback, netip.MustParseAddrPort("192.0.2.1:443"), netip.MustParseAddrPort("[fe80::1%eth0]:1")} {
		if got := f.Find(client, loopback); got != "" {
			t.Errorf("%v: %q", client, got)
		}
		if got := f.Find(client, netip.AddrPort{}); got != "" {
			t.Errorf("%v: %q", client, got)
		}
	}
}

func BenchmarkFind(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	out, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer out.Close()
	client, proxy := addrPort(b, out.LocalAddr()), addrPort(b, out.RemoteAddr())
	for name, again := range map[string]bool{"known": true, "unknown": false} {
		b.Run(name, func(b *testing.B) {
			var f Finder
			for b.Loop() {
				if !again {
					f = Finder{}
				}
				if f.Find(client, proxy) == "" {
					b.Fatal("not found")
				}
			}
		})
	}
	b.Run("table", func(b *testing.B) {
		for b.Loop() {
			tableSocket(client, proxy)
		}
	})
}
