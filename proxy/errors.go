package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// The codes of the proxy's own answers, in ARM's error shape and in the
// header named by ErrorHeader.
const (
	codeBadAuthority   = "AttribProxyBadAuthority"
	codeBadRequest     = "AttribProxyBadRequest"
	codeBypass         = "AttribProxyBypassRefused"
	codeCancelled      = "AttribProxyClientCancelled" // never sent: nobody is there to read it
	codeDraining       = "AttribProxyShuttingDown"
	codeForbidden      = "AttribProxyDestinationForbidden"
	codeInternal       = "AttribProxyInternalError"
	codeJournal        = "AttribProxyJournalUnavailable"
	codeMethod         = "AttribProxyMethodNotAllowed"
	codeMisdirected    = "AttribProxyMisdirectedRequest"
	codeNotAProxyCall  = "AttribProxyNotAProxyRequest"
	codePlainHTTP      = "AttribProxyPlainHTTPRefused"
	codeProxy          = "AttribProxyUpstreamProxyFailed"
	codeResponseBroken = "AttribProxyUpstreamResponseIncomplete"
	codeTimeout        = "AttribProxyUpstreamTimeout"
	codeTLS            = "AttribProxyUpstreamTLSFailed"
	codeUnreachable    = "AttribProxyUpstreamUnreachable"
)

// ErrorHeader is set on every answer that is the proxy's own, with the code
// as its value, so that a script can tell it from ARM's.
const ErrorHeader = "X-Attribproxy-Error"

// failure is an answer of our own: a refusal, or the news that upstream did
// not answer. Its words never hold anything a client or an origin sent but
// host names.
type failure struct {
	status  int
	code    string
	message string // what and how to mend it
}

func (f failure) body() []byte {
	type detail struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	b, err := json.Marshal(struct {
		Error detail `json:"error"`
	}{detail{f.code, f.message}})
	if err != nil { // two strings always marshal
		return []byte(`{"error":{"code":"` + codeInternal + `","message":""}}`)
	}
	return b
}

// write answers a request with f.
func (f failure) write(w http.ResponseWriter) {
	body := f.body()
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set(ErrorHeader, f.code)
	w.WriteHeader(f.status)
	_, _ = w.Write(body)
}

// response is f for goproxy, which writes it to a hijacked connection.
func (f failure) response(r *http.Request) *http.Response {
	body := f.body()
	return &http.Response{
		StatusCode: f.status, ProtoMajor: 1, ProtoMinor: 1, Request: r, Close: true,
		Header: http.Header{
			"Content-Type": {"application/json; charset=utf-8"},
			ErrorHeader:    {f.code},
		},
		ContentLength: int64(len(body)),
		Body:          io.NopCloser(bytes.NewReader(body)),
	}
}

// upstreamFailure puts an error of the way to authority into words. sent says
// whether a request may have got there. The text of an unknown error is never
// passed on: it may quote what the origin sent.
func upstreamFailure(err error, authority string, sent bool) failure {
	var (
		forbidden *ForbiddenError
		viaProxy  *UpstreamProxyError
		dns       *net.DNSError
		invalid   x509.CertificateInvalidError
		unknownCA x509.UnknownAuthorityError
		wrongName x509.HostnameError
		verify    *tls.CertificateVerificationError
		record    tls.RecordHeaderError
		opErr     *net.OpError
		netErr    net.Error
	)
	effect := "Nothing was sent to it."
	if sent {
		effect = "The operation may have been started: look at the resource before sending it again."
	}
	unreachable := func(what string) failure {
		return failure{
			http.StatusBadGateway, codeUnreachable,
			fmt.Sprintf("attribproxy could not reach %s: %s. %s Check the network, DNS, or upstream.proxy in attribproxy's configuration.", authority, what, effect),
		}
	}
	tlsFailed := func(what string) failure {
		return failure{
			http.StatusBadGateway, codeTLS,
			fmt.Sprintf("attribproxy could not establish TLS with %s: %s. %s If a corporate proxy re-signs traffic, name its CA in upstream.roots.", authority, what, effect),
		}
	}
	switch {
	case errors.As(err, &forbidden):
		return failure{http.StatusForbidden, codeForbidden, "attribproxy refuses to connect to " + authority + ": " + forbidden.Why + "."}
	case errors.As(err, &viaProxy):
		return proxyFailure(viaProxy)
	case errors.As(err, &unknownCA):
		return tlsFailed("its certificate is signed by an authority that is not trusted")
	case errors.As(err, &wrongName):
		return tlsFailed("its certificate is for another name")
	case errors.As(err, &invalid):
		return tlsFailed("its certificate is not valid (" + invalidReason(invalid) + ")")
	case errors.As(err, &verify):
		return tlsFailed("its certificate could not be verified")
	case errors.As(err, &opErr) && opErr.Op == "remote error": // crypto/tls's way to report an alert; the words are its own
		return tlsFailed("it answered with the alert \"" + strings.TrimPrefix(opErr.Err.Error(), "tls: ") + "\"")
	case errors.As(err, &record):
		return tlsFailed("it does not speak TLS")
	case errors.As(err, &dns):
		if dns.IsTimeout {
			return failure{http.StatusGatewayTimeout, codeTimeout, "attribproxy got no answer from DNS for " + authority + " in time. " + effect + " Check the resolver, or upstream.proxy in attribproxy's configuration."}
		}
		return unreachable("the name could not be resolved")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &netErr) && netErr.Timeout():
		return failure{http.StatusGatewayTimeout, codeTimeout, "attribproxy got no answer from " + authority + " in time. " + effect}
	case errors.Is(err, syscall.ECONNREFUSED):
		return unreachable("the connection was refused")
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return failure{http.StatusBadGateway, codeUnreachable, "attribproxy lost the connection to " + authority + " before a response came. " + effect}
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return unreachable("there is no route to it")
	}
	return failure{http.StatusBadGateway, codeUnreachable, "attribproxy got no usable response from " + authority + ". " + effect}
}

func proxyFailure(err *UpstreamProxyError) failure {
	f := failure{status: http.StatusBadGateway, code: codeProxy}
	switch {
	case err.Status == http.StatusProxyAuthRequired:
		f.message = fmt.Sprintf("the upstream proxy %s wants other credentials (407). Put them into upstream.proxy as http://user:password@host:port.", err.Authority)
	case err.Status != 0:
		f.message = fmt.Sprintf("the upstream proxy %s answered CONNECT with status %d. Ask its owner to allow the host, or name the host in upstream.noProxy.", err.Authority, err.Status)
	default:
		inner := upstreamFailure(err.Err, "the upstream proxy "+err.Authority, false)
		f.status, f.message = inner.status, inner.message
	}
	return f
}

func invalidReason(err x509.CertificateInvalidError) string {
	switch err.Reason {
	case x509.Expired:
		return "expired, or not valid yet"
	case x509.NameConstraintsWithoutSANs, x509.CANotAuthorizedForThisName:
		return "its authority may not sign for this name"
	case x509.IncompatibleUsage, x509.CANotAuthorizedForExtKeyUsage:
		return "it is not meant for servers"
	}
	return "reason " + strconv.Itoa(int(err.Reason))
}
