package arm

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Faults of a host or an authority. They come wrapped with the offending value.
var (
	ErrEmptyHost   = errors.New("host is empty")
	ErrInvalidHost = errors.New("host is not a valid name or address")
	ErrInvalidPort = errors.New("port is not a number from 1 to 65535")
	ErrUserinfo    = errors.New("authority holds user information")
)

// The limits of RFC 1035 §2.3.4, the host's without its final dot.
const (
	maxHost  = 253
	maxLabel = 63
)

// NormalizeHost gives the one spelling of a host name or address, without a
// port: lower case, no final dot, internationalised names in their ASCII form
// (RFC 5891), IPv6 without brackets in its canonical form (RFC 5952), and an
// IPv4-mapped IPv6 address as the IPv4 address it leads to.
//
// Names that end in a number without being an IPv4 address ("2130706433",
// "127.1", "0x7f.1") are refused: some resolvers read them as addresses, others
// as names. So are IPv6 zones, which mean something on one machine only.
func NormalizeHost(host string) (string, error) {
	if host == "" {
		return "", ErrEmptyHost
	}
	if len(host) > 4*maxHost { // punycode never grows a name fourfold
		return "", fmt.Errorf("%w: %d bytes long", ErrInvalidHost, len(host))
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, closed := strings.CutSuffix(inner, "]")
		if addr, err := netip.ParseAddr(inner); closed && err == nil && addr.Is6() && addr.Zone() == "" {
			return addr.Unmap().String(), nil
		}
		return "", fmt.Errorf("%w: %q", ErrInvalidHost, host)
	}
	if strings.Contains(host, ":") {
		if addr, err := netip.ParseAddr(host); err == nil && addr.Zone() == "" {
			return addr.Unmap().String(), nil
		}
		return "", fmt.Errorf("%w: %q", ErrInvalidHost, host)
	}
	name, err := asciiName(host)
	if err != nil {
		return "", err
	}
	if lastLabelNumeric(name) {
		addr, err := netip.ParseAddr(name)
		if err != nil {
			return "", fmt.Errorf("%w: %q ends in a number but is not an IPv4 address", ErrInvalidHost, host)
		}
		return addr.String(), nil
	}
	return name, nil
}

// asciiName lowers and checks a name. Underscores are let through: they occur
// in names that are not ARM's and are only passed on.
func asciiName(host string) (string, error) {
	name := host
	if !utf8.ValidString(name) { // idna would encode the replacement character
		return "", fmt.Errorf("%w: %q", ErrInvalidHost, host)
	}
	if !plainASCII(name) {
		var err error
		// Not package state: Profile is immutable and New is cheap.
		profile := idna.New(idna.MapForLookup(), idna.BidiRule(), idna.Transitional(false), idna.StrictDomainName(false))
		if name, err = profile.ToASCII(name); err != nil {
			return "", fmt.Errorf("%w: %q: %w", ErrInvalidHost, host, err)
		}
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if name == "" || len(name) > maxHost {
		return "", fmt.Errorf("%w: %q", ErrInvalidHost, host)
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > maxLabel {
			return "", fmt.Errorf("%w: %q has an empty or overlong label", ErrInvalidHost, host)
		}
		for i := range len(label) {
			if !isHostByte(label[i]) {
				return "", fmt.Errorf("%w: %q", ErrInvalidHost, host)
			}
		}
	}
	return name, nil
}

// plainASCII reports whether a name needs no IDNA processing: ASCII only, and
// no label that claims to be punycode, whose claim would have to be checked.
func plainASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
		if (s[i] == 'x' || s[i] == 'X') && (i == 0 || s[i-1] == '.') && len(s) >= i+4 && strings.EqualFold(s[i:i+4], "xn--") {
			return false
		}
	}
	return true
}

func isHostByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

// lastLabelNumeric is the WHATWG URL standard's "ends in a number" check.
func lastLabelNumeric(name string) bool {
	last := name[strings.LastIndexByte(name, '.')+1:]
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(last, "0123456789") == ""
}

// SplitAuthority takes apart the host[:port] of a CONNECT request, a Host
// header or a URL, and normalises both halves (see [NormalizeHost]). A missing
// or empty port (RFC 3986 §3.2.3 allows "host:") becomes defaultPort. An IPv6
// address needs its brackets here, as its colons would be ambiguous. User
// information is refused.
func SplitAuthority(authority, defaultPort string) (host, port string, err error) {
	if authority == "" {
		return "", "", ErrEmptyHost
	}
	if strings.Contains(authority, "@") {
		// The value may hold a password: it is not repeated.
		return "", "", ErrUserinfo
	}
	host, port = authority, ""
	if end := strings.LastIndexByte(authority, ']'); end >= 0 {
		host = authority[:end+1]
		rest := authority[end+1:]
		if rest != "" && rest[0] != ':' {
			return "", "", fmt.Errorf("%w: %q", ErrInvalidHost, authority)
		}
		port = strings.TrimPrefix(rest, ":")
	} else if i := strings.IndexByte(authority, ':'); i >= 0 {
		host, port = authority[:i], authority[i+1:]
	}
	if host, err = NormalizeHost(host); err != nil {
		return "", "", err
	}
	if port == "" {
		return host, defaultPort, nil
	}
	if port, err = normalizePort(port); err != nil {
		return "", "", fmt.Errorf("%w: %q", err, authority)
	}
	return host, port, nil
}

func normalizePort(port string) (string, error) {
	if strings.Trim(port, "0123456789") != "" { // ParseUint alone takes "+443"
		return "", ErrInvalidPort
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", ErrInvalidPort
	}
	return strconv.FormatUint(n, 10), nil
}

// SameAuthority reports whether two authorities lead to the same host and
// port, a missing port being defaultPort. An authority that cannot be read is
// the same as none, itself included.
func SameAuthority(a, b, defaultPort string) bool {
	hostA, portA, errA := SplitAuthority(a, defaultPort)
	hostB, portB, errB := SplitAuthority(b, defaultPort)
	return errA == nil && errB == nil && hostA == hostB && portA == portB
}
