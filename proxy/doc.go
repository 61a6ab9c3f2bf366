// Package proxy is the engine: it stands between a client that honours
// HTTPS_PROXY and Azure Resource Manager.
//
// A CONNECT for a host that is not intercepted becomes a blind tunnel whose
// bytes are never touched. A CONNECT for an intercepted host is answered with
// a certificate of ours; the requests inside are parsed, decided upon by
// package attribution, sent on with the User-Agent rewritten and nothing else
// changed, and reported to a Recorder once their outcome is known.
//
// The package knows nothing of certificates, configuration files or journals:
// it takes functions and values through Options.
package proxy
