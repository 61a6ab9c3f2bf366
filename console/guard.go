package console

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// contentSecurityPolicy lets a page load its own style sheet and script and
// nothing else: no inline script or style, no other host, no frame, no form
// that leaves.
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// guard stands before every page. The console shows what other sites must not
// read, and answers on an address that every site's script can call:
//
//   - only GET and HEAD: nothing here changes anything;
//   - the Host must be an address or localhost. A web page that points a name of
//     its own at 127.0.0.1 (DNS rebinding) sends that name, and is refused;
//   - a request that a browser sends on behalf of another site (Origin,
//     Sec-Fetch-Site) is refused, but for a link that somebody followed;
//   - with a token, every page but the probes asks for it; a site that rebinds a
//     name does not have it, so that then any Host will do.
func guard(next http.Handler, token string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", contentSecurityPolicy)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			h.Set("Allow", "GET, HEAD")
			text(w, http.StatusMethodNotAllowed, "Method Not Allowed: nothing is changed here")
		case token == "" && !addressed(r.Host):
			text(w, http.StatusForbidden, "call this listener by its address, not by a name")
		case !sameSite(r):
			text(w, http.StatusForbidden, "this listener does not answer to other sites")
		case token != "" && !isProbe(r.URL.Path) && !authorized(r, token):
			h.Set("WWW-Authenticate", `Basic realm="attribproxy", charset="UTF-8"`)
			text(w, http.StatusUnauthorized, "give the admin token: as the password of any user, or as a bearer token")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// addressed reports whether a Host names an IP address or localhost.
func addressed(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if len(host) > 1 && host[0] == '[' && host[len(host)-1] == ']' {
		host = host[1 : len(host)-1]
	}
	_, err := netip.ParseAddr(host)
	return err == nil || strings.EqualFold(host, "localhost")
}

// sameSite reports whether a request is our own page's, a person's who typed
// an address or followed a link, or that of a program that is no browser.
func sameSite(r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" && origin != "http://"+r.Host && origin != "https://"+r.Host {
		return false
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return true
	}
	return r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}

// isProbe tells the paths that a supervisor calls and that show no data.
func isProbe(path string) bool { return path == "/healthz" || path == "/readyz" }

// authorized looks for the token in either form, in constant time.
func authorized(r *http.Request, token string) bool {
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		_, given, ok = r.BasicAuth()
	}
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(token))
	return ok && subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// isLoopback reports whether a listener can be reached from this machine only.
func isLoopback(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
