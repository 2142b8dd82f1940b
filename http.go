package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// This file makes requests: where they go, over what connection, how often, and why they fail. It
// is the only file that imports net/http, and the only one that sends the key: in one header, to
// one address, which no answer can change.

// defaultAPI is an assumption: Microtica does not publish the base URL of its API.
const defaultAPI = "https://api.microtica.com"

const (
	maxBodyBytes  = 32 << 20
	maxRetries    = 2
	maxRetryAfter = 30 // seconds; a longer wait is left to the user
)

// apiURL returns the base URL of the API. The error (usage.url) does not quote a bad URL, which may
// contain a password.
func (a *app) apiURL() (*url.URL, error) {
	text := cmp.Or(a.getenv("MICROTICA_API_URL"), defaultAPI)
	wrong := ""
	u, err := url.Parse(strings.TrimRight(text, "/"))
	switch {
	case err != nil:
		wrong = "cannot be parsed"
	case u.Scheme != "https" && u.Scheme != "http":
		wrong = "does not start with https://"
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#"):
		wrong = "has a user name, a password, a query or a fragment"
	case !hasAddress(u):
		wrong = "has no valid host and port"
	case looksLikeKey(text + u.Path):
		wrong = "contains what looks like a key"
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		wrong = "would send the key unencrypted: http is for a loopback host only"
	default:
		u.Host = strings.TrimSuffix(strings.ToLower(u.Host), ":")
		return u, nil
	}
	return nil, fail(codeUsageURL, "MICROTICA_API_URL %s", wrong).
		withHint("set MICROTICA_API_URL to a base URL such as %s", defaultAPI)
}

// hasAddress reports whether u has a host and, if it has a port, one of 1 to 65535.
func hasAddress(u *url.URL) bool {
	port, err := strconv.ParseUint(cmp.Or(u.Port(), "443"), 10, 16)
	stray := strings.Contains(u.Hostname(), ":") && u.Host[0] != '[' // net/url allows h:1:2
	return u.Hostname() != "" && !stray && err == nil && port > 0
}

// isLoopback reports whether host, as dial resolves it, is only this machine.
func isLoopback(host string) bool {
	// Not strings.EqualFold, which takes U+017F for an s.
	return strings.ToLower(host) == "localhost" || net.ParseIP(host).IsLoopback()
}

// get returns the JSON of a 2xx answer to r. A transient failure is retried, with a note before
// each wait. Every error is a *failure.
func (c *client) get(ctx context.Context, r request) (any, error) {
	if c.began.IsZero() {
		c.began = time.Now()
		due := c.began.Add(c.limit + evaluationLimit)
		c.app.resultDue.Store(&due)
	}
	deadline := c.began.Add(c.limit)
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	for try := 1; ; try++ {
		answer, f := c.try(ctx, r)
		if f == nil {
			return answer, nil
		}
		wait := 250 * time.Millisecond << try // 0.5 s, then 1 s
		wait += rand.N(wait / 4)
		if f.retryAfter != nil {
			wait = time.Duration(*f.retryAfter) * time.Second
		}
		tooLong := wait > maxRetryAfter*time.Second || wait > time.Until(deadline)
		if !f.transient || try > c.retries || tooLong {
			if try > 1 && f.code != codeInterrupted {
				f.message += fmt.Sprintf(" (tried %d times)", try)
			}
			return nil, f
		}
		c.app.note("api.retry", "%s; trying again in %s s (try %d of %d)",
			f.message, seconds(wait), try+1, c.retries+1)
		select {
		case <-c.app.after(wait):
		case <-ctx.Done():
			return nil, c.unreachable(ctx, ctx.Err(), connecting)
		}
	}
}

// seconds returns d in seconds, to a tenth.
func seconds(d time.Duration) string {
	return strconv.FormatFloat(d.Round(100*time.Millisecond).Seconds(), 'f', -1, 64)
}

// How far a request got.
const (
	connecting int32 = iota
	handshakeFailed
	connected
	answered // at least the first byte
)

// try makes a request once.
func (c *client) try(ctx context.Context, r request) (any, *failure) {
	slow := time.AfterFunc(c.app.patience, c.noteSlow)
	defer func() {
		if !slow.Stop() {
			c.noteSlow() // waits until the note is printed
		}
	}()
	var progress atomic.Int32
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) {
			if err != nil {
				progress.Store(handshakeFailed)
			}
		},
		GotConn:              func(httptrace.GotConnInfo) { progress.Store(connected) },
		GotFirstResponseByte: func() { progress.Store(answered) },
	})
	agent := fmt.Sprintf("microtica/%s (%s/%s)", version, runtime.GOOS, runtime.GOARCH)
	req := &http.Request{Method: http.MethodGet, URL: r.below(c.base), Header: http.Header{
		"X-Microtica-Api-Key": {c.key.raw()},
		"Accept":              {"application/json"},
		"User-Agent":          {agent},
	}}
	// An http.Client would follow redirects, and take the key along.
	res, err := c.transport().RoundTrip(req.WithContext(ctx))
	if err != nil {
		return nil, c.unreachable(ctx, err, progress.Load())
	}
	defer res.Body.Close()
	body := ""
	if res.StatusCode != http.StatusSwitchingProtocols { // its body is the connection, without end
		if body, err = c.readBody(res); err != nil {
			return nil, c.unreachable(ctx, err, answered)
		}
	}
	answer, err := parseMasked(body, c.key.mask)
	if res.StatusCode < 200 || res.StatusCode > 299 {
		location, _ := res.Location()
		f := c.statusFailure(r, res.StatusCode, location, answer)
		after, ok := retryAfter(res.Header.Get("Retry-After"), c.app.now())
		if ok && f.code.retryable {
			f.retryAfter = &after
			if after > 0 {
				f.withHint("try again in %d seconds, as the API asks", after)
			}
		}
		return nil, f
	}
	if err != nil {
		return nil, c.badResponse("it is not JSON")
	}
	return answer, nil
}

// readBody returns the whole body. It makes room for the largest one only if a usual one is
// exceeded, since that much sets off the garbage collector, and then at once: pages that are never
// written use no memory, while growing a buffer would take three times the size of its content.
func (c *client) readBody(res *http.Response) (string, error) {
	const usual = 64 << 10
	var body strings.Builder
	for _, room := range []int64{usual, maxBodyBytes + 1} {
		if res.ContentLength >= 0 {
			room = min(room, res.ContentLength)
		}
		more := room - int64(body.Len())
		body.Grow(int(more))
		n, err := io.Copy(&body, io.LimitReader(res.Body, more))
		if err != nil {
			return "", err
		}
		if n < more {
			break
		}
	}
	if body.Len() > maxBodyBytes {
		return "", c.badResponse(fmt.Sprintf("it is larger than %d MiB", maxBodyBytes>>20))
	}
	return body.String(), nil
}

// retryAfter returns how many seconds a Retry-After header asks to wait (RFC 9110, section 10.2.3),
// at most 1e9 (thirty years); false if it is malformed or in the past.
func retryAfter(text string, now time.Time) (int, bool) {
	const most = 1e9 // time.Duration ends at 9e9
	if text != "" && strings.Trim(text, "0123456789") == "" {
		n, _ := strconv.ParseUint(text, 10, 64) // out of range, it returns the largest
		return int(min(n, most)), true
	}
	date, err := http.ParseTime(text)
	wait := date.Sub(now.Truncate(time.Second)) / time.Second
	return int(min(wait, most)), err == nil && wait >= 0
}

// noteSlow tells a user at a terminal, once per command, what the program is waiting for.
func (c *client) noteSlow() {
	c.slow.Do(func() {
		if c.app.onTerminal {
			c.app.note("api.wait", "waiting for %s, %s s at most", c.base.Host, seconds(c.limit))
		}
	})
}

// transport returns a transport for one request, and meanwhile starts loading the trust store.
func (c *client) transport() *http.Transport {
	t := &http.Transport{
		DialContext: dial,
		// Setting this also disables HTTP/2, under which GODEBUG can print the key.
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		DisableKeepAlives:      true,
		DisableCompression:     true, // a small answer must not become a huge one
		MaxResponseHeaderBytes: 64 << 10,
		OnProxyConnectResponse: func(_ context.Context, _ *url.URL, _ *http.Request,
			res *http.Response) error {
			if res.StatusCode != http.StatusOK { // net/http's own error would quote the proxy
				why := fmt.Sprintf("it answered HTTP %d", res.StatusCode)
				return c.proxyFailure(codeNetworkProxy, why)
			}
			return nil
		},
	}
	if c.base.Scheme == "http" {
		return t
	}
	t.Proxy = func(req *http.Request) (proxy *url.URL, err error) {
		variable := c.proxyVariable()
		if value, _ := c.app.lookenv(variable); !usableProxy(value) {
			return nil, fail(codeUsageProxy, "%s is not a valid proxy URL", variable).
				withHint("set %s to a URL such as http://proxy.example:3128", variable)
		}
		c.proxy, err = http.ProxyFromEnvironment(req)
		return c.proxy, err
	}
	go x509.SystemCertPool() // cached by crypto/x509 for the verification
	return t
}

// dial connects to address. It never resolves localhost (RFC 6761): an empty image has no hosts
// file, and a name server or a hosts file could send the key elsewhere.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	var dialer net.Dialer
	host, port, _ := net.SplitHostPort(address)
	if host != "localhost" {
		return dialer.DialContext(ctx, network, address)
	}
	conn, err := dialer.DialContext(ctx, network, "127.0.0.1:"+port)
	if err != nil {
		if conn, err := dialer.DialContext(ctx, network, "[::1]:"+port); err == nil {
			return conn, nil
		}
	}
	return conn, err
}

// proxyVariable names the variable that net/http takes the proxy of an https request from.
func (c *client) proxyVariable() string {
	if value, _ := c.app.lookenv("HTTPS_PROXY"); value != "" { // untrimmed, as net/http reads it
		return "HTTPS_PROXY"
	}
	return "https_proxy"
}

// usableProxy reports whether net/http would use the proxy that text names. net/http connects
// directly if it cannot parse the URL, and takes the first half of a password with an unescaped #
// or / for the port.
func usableProxy(text string) bool {
	if text != "" && !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	return text == "" || err == nil && hasAddress(u) && !looksLikeKey(text) &&
		!strings.Contains(u.Path+u.RawQuery+u.Fragment, "@") &&
		slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme)
}

// unreachable returns the failure of a request that got no complete answer; progress says how far
// it got.
func (c *client) unreachable(ctx context.Context, err error, progress int32) *failure {
	var (
		known     *failure
		timeout   net.Error
		operation *net.OpError
		dns       *net.DNSError
	)
	host := c.base.Host
	proxied := errors.As(err, &operation) && operation.Op == "proxyconnect" ||
		c.proxy != nil && progress == connecting
	why, hint := c.reason(err, proxied)
	switch {
	case errors.As(context.Cause(ctx), &known): // a signal
		return known
	case ctx.Err() != nil || errors.As(err, &timeout) && timeout.Timeout():
		after := c.limit
		if ctx.Err() == nil { // the system's own timeout came first
			after = time.Since(c.began).Round(time.Second)
		}
		if proxied {
			return c.proxyFailure(codeNetworkTimeout, "no answer after "+seconds(after)+" s")
		}
		return fail(codeNetworkTimeout, "no answer from %s after %s s", host, seconds(after)).
			withHint("check the network, or try again later%s", c.assumption())
	case errors.As(err, &known):
		return known
	case progress == answered:
		return c.badResponse("it is cut short or malformed, or its header is too long")
	case proxied:
		return c.proxyFailure(codeNetworkProxy, why)
	case progress == handshakeFailed,
		operation != nil && operation.Op == "remote error": // it wants a client certificate, say
		return fail(codeNetworkTLS, "no secure connection to %s: %s", host, why).
			withHint("%s", cmp.Or(hint, "check MICROTICA_API_URL and what is between here "+
				"and there"+c.assumption()))
	case progress == connected:
		f := fail(codeNetworkConnect, "%s closed the connection without answering", host)
		f.transient = true // nothing shows that the API has seen the request
		return f.withHint("try again later")
	}
	f := fail(codeNetworkConnect, "cannot connect to %s: %s", host, why)
	if errors.As(err, &dns) {
		f = fail(codeNetworkDNS, "cannot resolve %s: %s", c.base.Hostname(), why)
	}
	return f.withHint("check the network, or set MICROTICA_API_URL%s", c.assumption())
}

// reason returns the cause of err, without the operation and addresses that net puts before it, and
// what to do about it, if that is known. If proxied, it does not quote what a proxy sent, which may
// include the proxy's password.
func (c *client) reason(err error, proxied bool) (why, hint string) {
	var (
		operation *net.OpError
		dns       *net.DNSError
		record    tls.RecordHeaderError
		authority x509.UnknownAuthorityError
		roots     x509.SystemRootsError
		invalid   x509.CertificateInvalidError
		name      x509.HostnameError
		untrusted *tls.CertificateVerificationError
	)
	local := false
	for errors.As(err, &operation) {
		local = slices.Contains([]string{"dial", "read", "write"}, operation.Op)
		err = operation.Err
	}
	switch {
	case errors.As(err, &dns):
		return c.quote(dns.Err), ""
	case errors.As(err, &record):
		return "it does not speak TLS", ""
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed", ""
	case errors.As(err, &authority), errors.As(err, &roots):
		hint = "no CA certificates may be installed (scratch image): " +
			"set SSL_CERT_FILE or copy ca-certificates.crt into the image"
		if runtime.GOOS == "darwin" || runtime.GOOS == "windows" {
			hint = "add the authority's certificate to the system's store"
		}
		return "its certificate is signed by an unknown authority", hint
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "its certificate has expired or is not yet valid", "check this machine's clock"
	case proxied && errors.As(err, &untrusted):
		return "its certificate is not trusted", ""
	case proxied && !local:
		return "it does not answer as a proxy does", ""
	case errors.As(err, &name):
		names := name.Certificate.DNSNames
		for _, ip := range name.Certificate.IPAddresses {
			names = append(names, ip.String())
		}
		return "its certificate is for " + cmp.Or(c.quote(strings.Join(names, ", ")), "no host"), ""
	}
	return c.quote(err.Error()), ""
}

// proxyFailure returns the failure to reach the API through the proxy, which it names without user
// name and password.
func (c *client) proxyFailure(code *code, why string) *failure {
	return fail(code, "cannot connect to %s through the proxy %s://%s: %s", c.base.Host,
		c.proxy.Scheme, c.proxy.Host, why).withHint("check the proxy in %s", c.proxyVariable())
}
