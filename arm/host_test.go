package arm_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/attribproxy/attribproxy/arm"
)

func TestNormalizeHost(t *testing.T) {
	long := strings.Repeat("a", 63)
	tests := []struct {
		in, want string
		err      error
	}{
		{in: "management.azure.com", want: "management.azure.com"},
		{in: "Management.AZURE.com", want: "management.azure.com"},
		{in: "management.azure.com.", want: "management.azure.com"},
		{in: "bücher.example", want: "xn--bcher-kva.example"},
		{in: "BÜCHER.example.", want: "xn--bcher-kva.example"},
		{in: "XN--BCHER-KVA.example", want: "xn--bcher-kva.example"},
		{in: "management。azure．com", want: "management.azure.com"}, // ideographic and fullwidth dots
		{in: "ｍanagement.azure.com", want: "management.azure.com"}, // fullwidth m
		{in: "straße.example", want: "xn--strae-oqa.example"},
		{in: "my_host.internal", want: "my_host.internal"},
		{in: "localhost", want: "localhost"},
		{in: "1and1.com", want: "1and1.com"},
		{in: "127.0.0.1", want: "127.0.0.1"},
		{in: "127.0.0.1.", want: "127.0.0.1"},
		{in: "[::1]", want: "::1"},
		{in: "::1", want: "::1"},
		{in: "[2001:DB8:0:0::1]", want: "2001:db8::1"},
		{in: "[::ffff:169.254.169.254]", want: "169.254.169.254"},
		{in: long + ".example", want: long + ".example"},

		{in: "", err: arm.ErrEmptyHost},
		{in: ".", err: arm.ErrInvalidHost},
		{in: "a..b", err: arm.ErrInvalidHost},
		{in: ".azure.com", err: arm.ErrInvalidHost},
		{in: "management.azure.com..", err: arm.ErrInvalidHost},
		{in: "a b.example", err: arm.ErrInvalidHost},
		{in: "a\x00.example", err: arm.ErrInvalidHost},
		{in: "management.azure.com:443", err: arm.ErrInvalidHost},
		{in: "a/b", err: arm.ErrInvalidHost},
		{in: "user@host", err: arm.ErrInvalidHost},
		{in: "*.azure.com", err: arm.ErrInvalidHost},
		{in: long + "a.example", err: arm.ErrInvalidHost},
		{in: strings.Repeat("a.", 127) + "a", err: arm.ErrInvalidHost},
		{in: strings.Repeat("a", 1<<20), err: arm.ErrInvalidHost},
		{in: "\xff", err: arm.ErrInvalidHost},
		{in: "xn--a", err: arm.ErrInvalidHost}, // malformed punycode
		{in: "[::1", err: arm.ErrInvalidHost},
		{in: "[127.0.0.1]", err: arm.ErrInvalidHost},
		{in: "[fe80::1%eth0]", err: arm.ErrInvalidHost},
		{in: "fe80::1%25eth0", err: arm.ErrInvalidHost},
		// What some resolvers read as an address must not pass for a name.
		{in: "2130706433", err: arm.ErrInvalidHost},
		{in: "127.1", err: arm.ErrInvalidHost},
		{in: "0x7f.1", err: arm.ErrInvalidHost},
		{in: "127.0.0.0x1", err: arm.ErrInvalidHost},
		{in: "127.0.0.01", err: arm.ErrInvalidHost},
		{in: "256.0.0.1", err: arm.ErrInvalidHost},
	}
	for _, tt := range tests {
		got, err := arm.NormalizeHost(tt.in)
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("NormalizeHost(%.40q) = %q, %v; want %q, %v", tt.in, got, err, tt.want, tt.err)
		}
	}
}

func TestSplitAuthority(t *testing.T) {
	tests := []struct {
		in, host, port string
		err            error
	}{
		{in: "management.azure.com:443", host: "management.azure.com", port: "443"},
		{in: "management.azure.com", host: "management.azure.com", port: "443"},
		{in: "management.azure.com:", host: "management.azure.com", port: "443"},
		{in: "Management.Azure.com.:0443", host: "management.azure.com", port: "443"},
		{in: "[::1]:8443", host: "::1", port: "8443"},
		{in: "[::1]", host: "::1", port: "443"},
		{in: "127.0.0.1:1", host: "127.0.0.1", port: "1"},
		{in: "h:65535", host: "h", port: "65535"},

		{in: "", err: arm.ErrEmptyHost},
		{in: ":443", err: arm.ErrEmptyHost},
		{in: "user:secret@h:443", err: arm.ErrUserinfo},
		{in: "::1", err: arm.ErrEmptyHost}, // ambiguous without brackets
		{in: "2001:db8::1", err: arm.ErrInvalidHost},
		{in: "db8::1", err: arm.ErrInvalidPort},
		{in: "h:0", err: arm.ErrInvalidPort},
		{in: "h:65536", err: arm.ErrInvalidPort},
		{in: "h:+443", err: arm.ErrInvalidPort},
		{in: "h:https", err: arm.ErrInvalidPort},
		{in: "h:443:443", err: arm.ErrInvalidPort},
		{in: "[::1]443", err: arm.ErrInvalidHost},
		{in: "[::1]]:443", err: arm.ErrInvalidHost},
	}
	for _, tt := range tests {
		host, port, err := arm.SplitAuthority(tt.in, "443")
		if host != tt.host || port != tt.port || !errors.Is(err, tt.err) {
			t.Errorf("SplitAuthority(%q) = %q, %q, %v; want %q, %q, %v", tt.in, host, port, err, tt.host, tt.port, tt.err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the error for %q repeats a password: %v", tt.in, err)
		}
	}
}

func TestSameAuthority(t *testing.T) {
	tests := []struct {
		a, b string
		want bool
	}{
		{"management.azure.com:443", "management.azure.com", true},
		{"MANAGEMENT.azure.com.", "management.azure.com:443", true},
		{"[::1]:443", "[0:0::1]", true},
		{"bücher.example", "xn--bcher-kva.example", true},
		{"management.azure.com:444", "management.azure.com", false},
		{"management.azure.com", "eastus.management.azure.com", false},
		{"", "", false},
		{"a@h", "a@h", false},
	}
	for _, tt := range tests {
		if got := arm.SameAuthority(tt.a, tt.b, "443"); got != tt.want {
			t.Errorf("SameAuthority(%q, %q) = %v, want %v", tt.a, tt.b, got, tt.want)
		}
		if got := arm.SameAuthority(tt.b, tt.a, "443"); got != tt.want {
			t.Errorf("SameAuthority(%q, %q) = %v, want %v", tt.b, tt.a, got, tt.want)
		}
	}
}

func FuzzSplitAuthority(f *testing.F) {
	for _, s := range []string{
		"management.azure.com:443", "[::1]:443", "Bücher.example.:8443", "xn--a:1", "user@h", "a:b:c", "[fe80::1%25eth0]:443",
		"0x7f.1:443", "h:", "。", "\xff:443", "[::ffff:127.0.0.1]",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, authority string) {
		host, port, err := arm.SplitAuthority(authority, "443")
		if err != nil {
			if host != "" || port != "" {
				t.Fatalf("%q: results %q, %q beside error %v", authority, host, port, err)
			}
			return
		}
		again, err := arm.NormalizeHost(host)
		if err != nil || again != host {
			t.Fatalf("%q: host %q normalises to %q, %v", authority, host, again, err)
		}
		if strings.ContainsAny(host, "/@?#[] \t\r\n") || host != strings.ToLower(host) {
			t.Fatalf("%q: host %q is not in its one spelling", authority, host)
		}
		joined := host
		if strings.Contains(host, ":") {
			joined = "[" + host + "]"
		}
		if !arm.SameAuthority(authority, joined+":"+port, "443") {
			t.Fatalf("%q is not the same authority as %s:%s", authority, joined, port)
		}
	})
}
