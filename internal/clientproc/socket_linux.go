package clientproc

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// tableAddr reads "0100007F:1F90" of /proc/net/tcp and the longer form of
// tcp6: 32-bit words in the machine's order, and a port.
func tableAddr(field []byte) (netip.AddrPort, bool) {
	if len(field) != 8+1+4 && len(field) != 32+1+4 {
		return netip.AddrPort{}, false
	}
	digits := len(field) - 5
	raw, err := hex.DecodeString(string(field[:digits]))
	if err != nil {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	port, err := strconv.ParseUint(string(field[digits+1:]), 16, 16)
	addr, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(addr.Unmap(), uint16(port)), ok && err == nil
}

// The sizes of the kernel's struct inet_diag_req_v2 and inet_diag_msg
// (linux/inet_diag.h).
const (
	diagRequestLen = 56
	diagAnswerLen  = 72
)

// diagSocket asks the kernel for one socket by its two addresses, see
// sock_diag(7).
func diagSocket(local, remote netip.AddrPort) (socket, bool) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return socket{}, false
	}
	defer unix.Close(fd)
	patience := unix.NsecToTimeval(int64(time.Second))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &patience); err != nil {
		return socket{}, false
	}
	if err := unix.Sendto(fd, diagRequest(local, remote), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return socket{}, false
	}
	buf := make([]byte, 4096)
	n, _, err := unix.Recvfrom(fd, buf, 0)
	if err != nil || n < unix.NLMSG_HDRLEN+diagAnswerLen ||
		binary.NativeEndian.Uint16(buf[4:]) != unix.SOCK_DIAG_BY_FAMILY {
		return socket{}, false
	}
	answer := buf[unix.NLMSG_HDRLEN:n]
	return socket{
		uid:   binary.NativeEndian.Uint32(answer[64:]),
		inode: binary.NativeEndian.Uint32(answer[68:]),
	}, true
}

func diagRequest(local, remote netip.AddrPort) []byte {
	b := make([]byte, unix.NLMSG_HDRLEN+diagRequestLen)
	binary.NativeEndian.PutUint32(b[0:], uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], unix.SOCK_DIAG_BY_FAMILY)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST)
	r := b[unix.NLMSG_HDRLEN:]
	r[0], r[1] = unix.AF_INET6, unix.IPPROTO_TCP
	if local.Addr().Is4() {
		r[0] = unix.AF_INET
	}
	binary.NativeEndian.PutUint32(r[4:], ^uint32(0)) // in any state
	binary.BigEndian.PutUint16(r[8:], local.Port())
	binary.BigEndian.PutUint16(r[10:], remote.Port())
	copy(r[12:28], local.Addr().AsSlice())
	copy(r[28:44], remote.Addr().AsSlice())
	binary.NativeEndian.PutUint64(r[48:], ^uint64(0)) // no cookie
	return b
}
