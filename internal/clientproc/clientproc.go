// Package clientproc says which program on this machine is at the other end of
// a loopback connection: its executable, or the script that an interpreter
// runs, and the scripts that started it. It never gives command lines, nor any
// argument but the script's own path: those may hold secrets.
//
// Only Linux is looked at, by the kernel's socket table and /proc. Elsewhere,
// and wherever something cannot be read, the answer is "": nothing depends on
// it but the record.
package clientproc

import (
	"net/netip"
	"slices"
	"strings"
	"sync"
)

// maxScripts is how many scripts are named that led to a program.
const maxScripts = 3

// Finder finds client programs. The zero value is ready for use, by several
// goroutines at once.
type Finder struct {
	mu     sync.Mutex
	recent []int // processes that were clients lately, the latest first
}

// maxRecent bounds Finder.recent.
const maxRecent = 16

// Find names the program that owns the client's end of a connection; client
// and proxy are the two ends' addresses. The answer is the path of the
// executable, or of the script if the executable is an interpreter
// ("/usr/bin/python3.11 -m azure.cli" for a module), followed by
// " from /srv/deploy.sh" for up to three scripts that started it, the nearest
// first. It is "" if the client is not on this machine or cannot be found.
//
// It takes well below a millisecond for a program that was found before, and
// else as long as a look at the open files of the processes of the client's user.
func (f *Finder) Find(client, proxy netip.AddrPort) string {
	client = netip.AddrPortFrom(client.Addr().Unmap().WithZone(""), client.Port())
	proxy = netip.AddrPortFrom(proxy.Addr().Unmap().WithZone(""), proxy.Port())
	if !client.IsValid() || !proxy.IsValid() || !client.Addr().IsLoopback() && client.Addr() != proxy.Addr() {
		return ""
	}
	pid := f.process(client, proxy)
	if pid == 0 {
		return ""
	}
	return describe(pid)
}

// remember puts a process before all others.
func (f *Finder) remember(pid int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.recent = slices.DeleteFunc(f.recent, func(p int) bool { return p == pid })
	f.recent = slices.Insert(f.recent, 0, pid)
	f.recent = f.recent[:min(len(f.recent), maxRecent)]
}

func (f *Finder) remembered() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.recent)
}

// process is what an operating system tells of a process.
type process struct {
	exe    string // path of the executable
	argv   []string
	parent int
	// file resolves a path as the process would; ok is false unless it is a
	// regular file there.
	file func(path string) (abs string, ok bool)
}

// name is what the process runs, and whether that is a script.
func (p process) name() (path string, script bool) {
	s := scriptOf(p.exe, p.argv)
	switch {
	case s.module != "":
		return p.exe + " -m " + s.module, true
	case s.path != "":
		if abs, ok := p.file(s.path); ok {
			return abs, true
		}
	}
	return p.exe, false
}

// chain names the process pid and the scripts that led to it.
func chain(pid int, look func(pid int) (process, bool)) string {
	p, ok := look(pid)
	if !ok || p.exe == "" {
		return ""
	}
	name, _ := p.name()
	names := []string{name}
	// Pids can be reused while we look; the count ends what may be a circle.
	for range 32 {
		if p, ok = look(p.parent); !ok || len(names) > maxScripts {
			break
		}
		if name, script := p.name(); script && name != names[len(names)-1] {
			names = append(names, name)
		}
	}
	return strings.Join(names, " from ")
}
