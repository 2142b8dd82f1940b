package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"runtime"
	"slices"
	"strings"
)

// This file says why a request failed, in the network or by its answer, and what to do about it. Text that a server or a proxy
// had a hand in is shown through quote only.

const maxMessage = 300 // characters of an API's error message that are shown

// How far a request has come.
const (
	waiting int32 = iota
	resolving
	connecting
	securing
	asked
	answered
)

// unreachable returns the error for a request that failed before its answer was whole, at the given point.
func (c *client) unreachable(ctx context.Context, err error, progress int32) *failure {
	var interrupted *failure
	if errors.As(context.Cause(ctx), &interrupted) {
		return interrupted
	}
	var (
		operation *net.OpError
		dns       *net.DNSError
		timeout   net.Error
	)
	timedOut := ctx.Err() != nil || errors.As(err, &timeout) && timeout.Timeout()
	proxied := errors.As(err, &operation) && operation.Op == "proxyconnect" || c.proxy != nil && progress <= connecting
	host, via := c.base.Host, ""
	if proxied {
		via = fmt.Sprintf(" through the proxy %s://%s", c.proxy.Scheme, c.proxy.Host)
	}
	switch {
	case errors.Is(err, errBadProxy):
		return fail(codeNetworkProxy, "cannot use the proxy in %s: its value is not the URL of a proxy", c.proxyVariable()).
			withHint("set %s to a URL such as http://proxy.example:3128", c.proxyVariable())
	case progress == answered && !timedOut:
		return c.badResponse("it is cut short or malformed, or its header is too long")
	case errors.As(err, &dns) && !proxied, timedOut && progress == resolving && !proxied:
		why := "the name server did not answer in time"
		if dns != nil && dns.IsNotFound {
			why = "there is no such host"
		} else if dns != nil && !timedOut {
			why = c.quote(dns.Err)
		}
		return fail(codeNetworkDNS, "cannot resolve %s: %s", c.base.Hostname(), why).
			withHint("check the network, or set MICROTICA_API_URL%s", c.assumption())
	case timedOut && proxied:
		return fail(codeNetworkTimeout, "%s did not answer in time%s", host, via).withHint("check the proxy in %s", c.proxyVariable())
	case timedOut:
		return fail(codeNetworkTimeout, "%s did not answer in time", host).withHint("try again later, or check the network")
	case proxied:
		return fail(codeNetworkProxy, "cannot connect to %s%s: %s", host, via, c.quote(reason(err))).withHint("check the proxy in %s", c.proxyVariable())
	case progress == securing, operation != nil && operation.Op == "remote error": // TLS tells of a missing client certificate late
		return c.insecure(err)
	case progress == asked:
		return fail(codeNetworkConnect, "%s ended the connection without an answer", host).withHint("try again later")
	}
	return fail(codeNetworkConnect, "cannot connect to %s: %s", host, c.quote(reason(err))).
		withHint("check the network, or set MICROTICA_API_URL%s", c.assumption())
}

// reason returns what went wrong, without the operation and addresses that net puts before it.
func reason(err error) string {
	var operation *net.OpError
	for errors.As(err, &operation) {
		err = operation.Err
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "the connection ended"
	}
	return err.Error()
}

// proxyVariable names the variable that net/http takes the proxy of an https request from.
func (c *client) proxyVariable() string {
	if c.app.getenv("HTTPS_PROXY") != "" {
		return "HTTPS_PROXY"
	}
	return "https_proxy"
}

var errBadProxy = errors.New("not the URL of a proxy")

// usableProxy tells whether net/http would go to the proxy that text means. Where it cannot parse the URL it goes without, and
// of a password with an unescaped # or / in it, it takes the first half for a port.
func usableProxy(text string) bool {
	if text != "" && !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	return text == "" || err == nil && u.Hostname() != "" && !strings.Contains(u.Path+u.RawQuery+u.Fragment, "@") &&
		slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme)
}

// insecure returns the error for a TLS handshake that failed.
func (c *client) insecure(err error) *failure {
	var (
		authority x509.UnknownAuthorityError
		roots     x509.SystemRootsError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
	)
	f := fail(codeNetworkTLS, "no secure connection to %s", c.base.Host).withHint("check MICROTICA_API_URL and what stands between here and there")
	switch {
	case errors.As(err, &authority), errors.As(err, &roots):
		f.message += ": its certificate is signed by an unknown authority"
		if runtime.GOOS == "darwin" || runtime.GOOS == "windows" {
			return f.withHint("add the authority's certificate to the system's store")
		}
		return f.withHint("no CA certificates may be installed (scratch image): set SSL_CERT_FILE or copy ca-certificates.crt into the image")
	case errors.As(err, &name):
		names := append([]string{}, name.Certificate.DNSNames...)
		for _, ip := range name.Certificate.IPAddresses {
			names = append(names, ip.String())
		}
		if f.message += ": its certificate names no host"; len(names) > 0 {
			f.message = strings.Replace(f.message, "names no host", "is for "+c.quote(strings.Join(names, ", ")), 1)
		}
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		f.message += ": its certificate has expired or is not yet valid"
		return f.withHint("check this machine's clock")
	case errors.As(err, &record):
		f.message += ": it does not speak TLS"
	default:
		f.message += ": " + c.quote(reason(err))
	}
	return f
}

// statusFailure returns the error that an answer other than 2xx to a request for what means; location is where a redirect
// points, if anywhere.
func (c *client) statusFailure(status int, location *url.URL, what string, answer any) *failure {
	said := ""
	value := field(answer, "message")
	if text, _ := value.(string); text != "" {
		said = ": " + c.quote(text)
	}
	var f *failure
	switch {
	case status >= 300 && status <= 399:
		to := "without saying where"
		if location != nil && location.Host != "" {
			to = "to " + c.quote(location.Host)
		}
		f = fail(codeAPIRedirect, "the API redirects %s (HTTP %d), and the key goes only to the address that is set", to, status).
			withHint("set MICROTICA_API_URL to the API's own address%s", c.assumption())
	case status == 401:
		f = c.rejected(status, said)
	case status == 403:
		f = fail(codeAPIForbidden, "the API refuses key %v from %s access to %s (HTTP 403)%s", c.key, c.source, what, said).
			withHint("give the key read access in Microtica's console")
	case status == 404: // of a path that holds no id
		f = c.badResponse("it does not know this path (HTTP 404)")
	case status == 429:
		f = fail(codeAPIRateLimited, "the API gets too many requests (HTTP 429)%s", said).withHint("try again later")
	case status >= 400 && status <= 499:
		f = fail(codeAPIRefused, "the API refused the request for %s (HTTP %d)%s", what, status, said)
	case status >= 500 && status <= 599:
		f = fail(codeAPIServer, "the API failed (HTTP %d)%s", status, said).withHint("try again later")
	default:
		f = c.badResponse(fmt.Sprintf("its status is %d", status))
	}
	f.status, f.said = status, said
	return f
}

// rejected returns the error for a key that does not work; said is what the API said, if anything.
func (c *client) rejected(status int, said string) *failure {
	f := fail(codeAuthRejected, "the API rejected key %v from %s (HTTP %d)%s", c.key, c.source, status, said)
	f.status = status
	switch c.source {
	case "MICROTICA_TOKEN", "MICROTICA_TOKEN_FILE":
		return f.withHint("unset %s to use the saved key", c.source)
	case sourceFlag, sourceStdin:
		return f.withHint("check the key in Microtica's console, or save it all the same with 'microtica login --no-verify'")
	}
	return f.withHint("run 'microtica login' with a key that works")
}

// badResponse returns the error for an answer that is not the API's.
func (c *client) badResponse(why string) *failure {
	return fail(codeAPIBadResponse, "the answer from %s is not the API's: %s", c.base.Host, why).
		withHint("set MICROTICA_API_URL to the API's base URL%s", c.assumption())
}

// assumption adds to a hint that the default address is one.
func (c *client) assumption() string {
	if c.base.String() == defaultAPI {
		return ": the default, " + defaultAPI + ", is an assumption"
	}
	return ""
}

// quote makes text that came with an answer fit for a message: without the key, clean, of bounded length.
func (c *client) quote(text string) string {
	secret, shown := c.mask()
	text = clean(strings.ReplaceAll(text, secret, shown))
	if runes := []rune(text); len(runes) > maxMessage {
		return string(runes[:maxMessage]) + "…"
	}
	return text
}
