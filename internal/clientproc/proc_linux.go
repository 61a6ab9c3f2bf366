package clientproc

import (
	"bytes"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// maxCommandLine bounds how much of a process's arguments is read. The script
// stands among the first.
const maxCommandLine = 16 << 10

// process finds the process that owns the client's socket.
func (f *Finder) process(client, proxy netip.AddrPort) int {
	s, ok := diagSocket(client, proxy)
	if !ok {
		s, ok = tableSocket(client, proxy)
	}
	if !ok || s.inode == 0 { // nobody holds it any more
		return 0
	}
	link := "socket:[" + strconv.FormatUint(uint64(s.inode), 10) + "]"
	recent := f.remembered()
	for _, pid := range recent {
		if holds(pid, link) {
			f.remember(pid)
			return pid
		}
	}
	dirs, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	for _, d := range slices.Backward(dirs) {
		pid, err := strconv.Atoi(d.Name())
		if err != nil || slices.Contains(recent, pid) || !mayOwn(pid, s.uid) || !holds(pid, link) {
			continue
		}
		f.remember(pid)
		return pid
	}
	return 0
}

// socket is one end of a connection as the kernel knows it.
type socket struct {
	inode uint32
	uid   uint32
}

// mayOwn leaves out the processes of other users. A process that changed its
// user belongs to root here.
func mayOwn(pid int, uid uint32) bool {
	info, err := os.Stat(procPath(pid, ""))
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && (st.Uid == uid || st.Uid == 0)
}

func procPath(pid int, name string) string {
	return filepath.Join("/proc", strconv.Itoa(pid), name)
}

// holds reports whether a process has an open file of that name.
func holds(pid int, link string) bool {
	dir, err := os.Open(procPath(pid, "fd"))
	if err != nil {
		return false
	}
	defer dir.Close()
	for {
		names, err := dir.Readdirnames(256)
		for _, name := range names {
			if to, err := os.Readlink(procPath(pid, "fd/"+name)); err == nil && to == link {
				return true
			}
		}
		if err != nil || len(names) == 0 {
			return false
		}
	}
}

// tableSocket reads the socket out of /proc/net, which takes longer the more
// sockets there are.
func tableSocket(local, remote netip.AddrPort) (socket, bool) {
	for _, name := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		file, err := os.Open(name)
		if err != nil {
			continue
		}
		s, ok := scanTable(file, local, remote)
		file.Close()
		if ok {
			return s, true
		}
	}
	return socket{}, false
}

func scanTable(r io.Reader, local, remote netip.AddrPort) (socket, bool) {
	table, err := io.ReadAll(r)
	if err != nil {
		return socket{}, false
	}
	for line := range bytes.Lines(table) {
		fields := bytes.Fields(line)
		if len(fields) < 10 {
			continue
		}
		if l, ok := tableAddr(fields[1]); !ok || l != local {
			continue
		}
		if r, ok := tableAddr(fields[2]); !ok || r != remote {
			continue
		}
		uid, err1 := strconv.ParseUint(string(fields[7]), 10, 32)
		inode, err2 := strconv.ParseUint(string(fields[9]), 10, 32)
		return socket{inode: uint32(inode), uid: uint32(uid)}, err1 == nil && err2 == nil
	}
	return socket{}, false
}

// describe names a process and the scripts that led to it.
func describe(pid int) string { return chain(pid, look) }

// look reads a process from /proc.
func look(pid int) (process, bool) {
	if pid <= 1 {
		return process{}, false
	}
	p := process{parent: parentOf(pid)}
	exe, err := os.Readlink(procPath(pid, "exe"))
	if err != nil { // another user's: what it runs is not ours to see
		return p, p.parent > 1
	}
	p.exe = strings.TrimSuffix(exe, " (deleted)")
	if file, err := os.Open(procPath(pid, "cmdline")); err == nil {
		line, _ := io.ReadAll(io.LimitReader(file, maxCommandLine))
		file.Close()
		p.argv = strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00")
	}
	p.file = func(path string) (string, bool) { return fileOf(pid, path) }
	return p, true
}

// parentOf reads the parent out of /proc/pid/stat, where the name in
// parentheses may hold anything.
func parentOf(pid int) int {
	stat, err := os.ReadFile(procPath(pid, "stat"))
	if err != nil {
		return 0
	}
	_, after, ok := strings.Cut(string(stat[max(bytes.LastIndexByte(stat, ')'), 0):]), ") ")
	fields := strings.Fields(after) // state, ppid
	if !ok || len(fields) < 2 {
		return 0
	}
	parent, _ := strconv.Atoi(fields[1])
	return parent
}

// fileOf resolves a path from a process's own root and working directory. What
// is no regular file there was no script, and may be anything.
func fileOf(pid int, path string) (string, bool) {
	if !filepath.IsAbs(path) {
		cwd, err := os.Readlink(procPath(pid, "cwd"))
		if err != nil {
			return "", false
		}
		path = filepath.Join(cwd, path)
	}
	path = filepath.Clean(path)
	info, err := os.Stat(filepath.Join(procPath(pid, "root"), path))
	if os.IsPermission(err) { // its root is not ours to look through
		info, err = os.Stat(path)
	}
	return path, err == nil && info.Mode().IsRegular()
}
