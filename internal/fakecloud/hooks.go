package fakecloud

import (
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// Hook may answer a request instead of the fake cloud: it reports whether it
// did. The request is already recorded; its body can be read again.
type Hook func(w http.ResponseWriter, r *http.Request) bool

type hook struct {
	match func(Request) bool
	fn    Hook
}

// Inject lets fn see every request that match accepts (nil: all), before the
// fake cloud answers it. The newest hook is asked first. Calling remove takes
// it out again.
func (c *Cloud) Inject(match func(Request) bool, fn Hook) (remove func()) {
	h := &hook{match: match, fn: fn}
	c.logMu.Lock()
	defer c.logMu.Unlock()
	c.hooks = append([]*hook{h}, c.hooks...)
	return func() {
		c.logMu.Lock()
		defer c.logMu.Unlock()
		c.hooks = slices.DeleteFunc(slices.Clone(c.hooks), func(x *hook) bool { return x == h })
	}
}

// hooked asks the hooks and reports whether one answered.
func (c *Cloud) hooked(rec Request, w http.ResponseWriter, r *http.Request) bool {
	c.logMu.Lock()
	hooks := c.hooks
	c.logMu.Unlock()
	for _, h := range hooks {
		if (h.match == nil || h.match(rec)) && h.fn(w, r) {
			return true
		}
	}
	return false
}

// Match accepts a method ("" for any) with a path that fits pattern, in the
// syntax of path.Match, without case and without the query.
func Match(method, pattern string) func(Request) bool {
	pattern = strings.ToLower(pattern)
	return func(r Request) bool {
		p, _, _ := strings.Cut(strings.ToLower(r.RequestURI), "?")
		ok, _ := path.Match(pattern, p)
		return ok && (method == "" || method == r.Method)
	}
}

// First lets fn see the first n requests only.
func First(n int, fn Hook) Hook {
	var seen atomic.Int64
	return func(w http.ResponseWriter, r *http.Request) bool {
		return seen.Add(1) <= int64(n) && fn(w, r)
	}
}

// Throttle answers 429 as ARM does when a limit is reached.
// https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling
func Throttle(retryAfterSeconds int) Hook {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Retry-After", strconv.Itoa(retryAfterSeconds))
		writeError(w, http.StatusTooManyRequests, "TooManyRequests", "The request is being throttled as the limit has been reached for operation type - Write.")
		return true
	}
}

// Challenge answers 401 with a claims challenge, as continuous access
// evaluation does: a client that understands it fetches a new token with the
// claims and sends the request again.
// https://learn.microsoft.com/entra/identity-platform/app-resilience-continuous-access-evaluation
func Challenge() Hook {
	// {"access_token":{"nbf":{"essential":true,"value":"1700000000"}}}
	const claims = "eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZSwidmFsdWUiOiIxNzAwMDAwMDAwIn19fQ=="
	return func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("WWW-Authenticate", `Bearer realm="", authorization_uri="https://`+signInHosts[0]+`/common/oauth2/authorize", `+
			`error="insufficient_claims", claims="`+claims+`"`)
		writeError(w, http.StatusUnauthorized, "AuthenticationFailed", "Continuous access evaluation resulted in a challenge.")
		return true
	}
}
