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
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"unicode/utf8"
)

// This file makes requests: where they go, over what connection, how often, and why they fail. It
// is the only file that imports net/http, and the only one that sends the key: in one header, to
// one address, which no answer can change.

// defaultAPI is an assumption: Microtica does not publish the base URL of its API.
const defaultAPI = "https://api.microtica.com"

const maxBodyBytes = 16 << 20

// baseURL returns the base URL of the API, without a slash at its end. It fails (usage.url) for one
// that is no base URL or would send the key unencrypted, and (usage) for a proxy that Go would
// silently do without. The error quotes neither: both may hold a password.
func (a *app) baseURL() (*url.URL, error) {
	text := cmp.Or(a.getenv("MICROTICA_API_URL"), defaultAPI)
	base, err := url.Parse(strings.TrimRight(text, "/"))
	wrong := ""
	switch {
	case err != nil:
		wrong = "cannot be parsed"
	case base.Scheme != "https" && base.Scheme != "http":
		wrong = "does not start with https://"
	case base.User != nil || strings.ContainsAny(text, "?#"):
		wrong = "has a user name, a password, a query or a fragment"
	case base.Hostname() == "":
		wrong = "has no host"
	case base.Scheme == "http" && strings.ToLower(base.Hostname()) != "localhost" &&
		!net.ParseIP(base.Hostname()).IsLoopback():
		wrong = "would send the key unencrypted: http is for localhost only"
	}
	if wrong != "" {
		return nil, fail(codeUsageURL, "MICROTICA_API_URL %s", wrong).
			withHint("set MICROTICA_API_URL to a base URL such as %s", defaultAPI)
	}
	base.Host = strings.ToLower(base.Host)
	// As net/http reads them: not trimmed, and with http:// where there is no scheme.
	upper, _ := a.lookenv("HTTPS_PROXY")
	lower, _ := a.lookenv("https_proxy")
	proxy := cmp.Or(upper, lower)
	if !strings.Contains(proxy, "://") {
		proxy = "http://" + proxy
	}
	if _, err := url.Parse(proxy); err != nil && base.Scheme == "https" {
		return nil, fail(codeUsage, "HTTPS_PROXY is not the URL of a proxy").
			withHint("set HTTPS_PROXY to a URL such as http://proxy.example:3128")
	}
	return base, nil
}

// client makes the requests of one command.
type client struct {
	app      *app
	base     *url.URL
	key      key
	source   string        // where the key came from, for messages
	limit    time.Duration // for all requests and waits together, from the first request on
	retries  int           // how often a request may be made again
	deadline time.Time     // set by the first request
}

// request is a request to the API.
type request struct {
	path string // escaped, below the base URL, without a leading slash; with any query
	what string // what is asked for, in messages: "the projects"
	own  bool   // every working key gets it, so that a 403 is about the key
}

// get returns the JSON of a 2xx answer to r. What may succeed in a moment is tried again, with a
// note before each wait.
func (c *client) get(r request) (jsonText, error) {
	if c.deadline.IsZero() {
		c.deadline = time.Now().Add(c.limit)
	}
	for try := 1; ; try++ {
		noted := make(chan struct{})
		slow := time.AfterFunc(c.app.patience, func() {
			if c.app.onTerminal {
				c.app.tell("note", "api.wait", "waiting for an answer from %s, %.0f s more at most",
					c.base.Host, time.Until(c.deadline).Seconds())
			}
			close(noted)
		})
		answer, f := c.send(r)
		if !slow.Stop() {
			<-noted // let the note be printed first
		}
		if f == nil {
			return answer, nil
		}
		wait := 250 * time.Millisecond << try // 0.5 s, then 1 s
		wait += rand.N(wait / 4)
		if f.retryAfter != nil {
			wait = time.Duration(*f.retryAfter) * time.Second
		}
		longest := min(30*time.Second, time.Until(c.deadline)) // more is left to the user
		if !f.transient || try > c.retries || wait > longest {
			if try > 1 {
				f.message += fmt.Sprintf(" (tried %d times)", try)
			}
			return "", f
		}
		c.app.tell("note", "api.retry", "%s; trying again in %.2g s (try %d of %d)",
			f.message, wait.Seconds(), try+1, c.retries+1)
		c.app.sleep(wait)
	}
}

// send makes the request r once.
func (c *client) send(r request) (jsonText, *failure) {
	ctx, cancel := context.WithDeadline(context.Background(), c.deadline)
	defer cancel()
	target := *c.base
	target.RawPath, target.RawQuery, _ = strings.Cut(c.base.EscapedPath()+"/"+r.path, "?")
	target.Path, _ = url.PathUnescape(target.RawPath) // cannot fail: both parts are escaped
	agent := fmt.Sprintf("microtica/%s (%s/%s)", version, runtime.GOOS, runtime.GOARCH)
	header := http.Header{"Accept": {"application/json"}, "User-Agent": {agent},
		"X-Microtica-Api-Key": {c.key.raw()}}
	req := &http.Request{Method: http.MethodGet, URL: &target, Host: target.Host, Header: header}
	req = req.WithContext(ctx)
	var proxy *url.URL
	if target.Scheme == "https" { // http stays on this machine
		proxy, _ = http.ProxyFromEnvironment(req)
		go x509.SystemCertPool() // meanwhile: crypto/x509 keeps it for the verification
	}
	var connected atomic.Bool
	t := transport(proxy, &connected)
	if target.Hostname() == "localhost" {
		// It is never resolved: there may be no hosts file, and that file or a name server could
		// send the key elsewhere. The Host header and the certificate's name stay.
		t.TLSClientConfig.ServerName = "localhost"
		target.Host = strings.Replace(target.Host, "localhost", "127.0.0.1", 1)
	}
	res, err := t.RoundTrip(req) // an http.Client would follow redirects, and take the key along
	<-c.app.caught               // what follows may take long, and ends at once by a signal
	if err != nil {
		return "", c.unreachable(err, proxy, connected.Load())
	}
	defer res.Body.Close()
	body, f := c.readBody(res)
	if f != nil {
		return "", f
	}
	answer, err := canonicalJSON(body, c.key)
	if res.StatusCode < 200 || res.StatusCode > 299 {
		f := c.statusFailure(r, res.StatusCode, res.Header.Get("Location"), answer)
		// ParseUint returns 0 for a date, and its largest for what is larger.
		n, _ := strconv.ParseUint(res.Header.Get("Retry-After"), 10, 30)
		if seconds := int(n); f.code.retryable && seconds > 0 {
			f.retryAfter = &seconds
			f.withHint("try again in %d s, as the API asks", seconds)
		}
		return "", f
	}
	if err != nil {
		return "", c.badResponse("%v", err)
	}
	return answer, nil
}

// transport returns a transport for one request, through proxy unless that is nil. It sets
// connected once a proxy has let it through: at once without one, or with SOCKS.
func transport(proxy *url.URL, connected *atomic.Bool) *http.Transport {
	connected.Store(proxy == nil || strings.HasPrefix(proxy.Scheme, "socks"))
	return &http.Transport{
		Proxy: http.ProxyURL(proxy),
		// Setting this also disables HTTP/2, under which GODEBUG can print the key.
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		DisableKeepAlives:      true,
		DisableCompression:     true, // a small answer must not become a huge one
		MaxResponseHeaderBytes: 64 << 10,
		OnProxyConnectResponse: func(_ context.Context, _ *url.URL, _ *http.Request,
			res *http.Response) error {
			if res.StatusCode != http.StatusOK { // net/http's own error would quote the proxy
				return fail(codeNetworkProxy, "it answered HTTP %d", res.StatusCode)
			}
			connected.Store(true)
			return nil
		},
	}
}

// readBody returns the whole body in valid UTF-8.
func (c *client) readBody(res *http.Response) (string, *failure) {
	if res.StatusCode < 200 {
		return "", nil // the body of a 101 is the connection, which has no end
	}
	var b strings.Builder
	b.Grow(int(max(0, min(res.ContentLength, maxBodyBytes)))) // -1 is an unknown length
	_, err := io.Copy(&b, io.LimitReader(res.Body, maxBodyBytes+1))
	text := b.String()
	if !utf8.ValidString(text) { // which is found out faster than by ToValidUTF8
		text = strings.ToValidUTF8(text, "\uFFFD") // may be longer
	}
	switch {
	case isTimeout(err):
		return "", c.timedOut(c.base.Host)
	case err != nil:
		return "", c.badResponse("it is cut short or malformed")
	case max(b.Len(), len(text)) > maxBodyBytes:
		return "", c.badResponse("it is larger than %d MiB", maxBodyBytes>>20)
	}
	return text, nil
}

// unreachable returns the failure for an error of RoundTrip. Unless connected, the error comes from
// the proxy, and what that sends is not quoted.
func (c *client) unreachable(err error, proxy *url.URL, connected bool) (f *failure) {
	host := c.base.Host
	if proxy != nil { // without its user name and password
		host += " through the proxy " + proxy.Scheme + "://" + proxy.Host
	}
	op := &net.OpError{} // the outermost one, or none
	errors.As(err, &op)
	// The errors of crypto/tls share no type, but a prefix.
	cause, isTLS := err, false
	for e := err; e != nil; e = errors.Unwrap(e) {
		cause, isTLS = e, isTLS || strings.HasPrefix(e.Error(), "tls: ")
	}
	why := c.quote(cause.Error())
	var dns *net.DNSError
	if errors.As(err, &dns) {
		why = c.quote(dns.Err)
	}
	switch {
	case op.Op == "proxyconnect", op.Op == "socks connect", !connected && !isTimeout(err):
		if dns == nil && !errors.As(err, new(syscall.Errno)) && codeOf(err) != codeNetworkProxy {
			why = "it does not answer as a proxy does"
		}
		return fail(codeNetworkProxy, "cannot connect to %s: %s", host, why).
			withHint("check the proxy that HTTPS_PROXY names%s", c.assumption())
	case dns != nil:
		f = fail(codeNetworkDNS, "cannot resolve %s: %s", c.base.Hostname(), why)
	case isTLS:
		return fail(codeNetworkTLS, "no secure connection to %s: %s", host, why).
			withHint("%s%s", hintForTLS(err), c.assumption())
	case isTimeout(err):
		return c.timedOut(host)
	case errors.Is(err, io.EOF), op.Op == "read", op.Op == "write",
		// net/http's untyped error for a close before the request was written
		strings.HasSuffix(err.Error(), "server closed idle connection"):
		f = fail(codeNetworkConnect, "the connection to %s ended without an answer", host)
		f.transient = true
	case op.Op == "dial":
		f = fail(codeNetworkConnect, "cannot connect to %s: %s", host, why)
	default:
		return c.badResponse("it is cut short or malformed, or its header is too long")
	}
	return f.withHint("check the network, or set MICROTICA_API_URL%s", c.assumption())
}

// hintForTLS returns the hint for a TLS connection that failed with err.
func hintForTLS(err error) string {
	switch invalid := (x509.CertificateInvalidError{}); {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "check this machine's clock"
	case !errors.As(err, new(x509.UnknownAuthorityError)) &&
		!errors.As(err, new(x509.SystemRootsError)):
		return "check MICROTICA_API_URL, and any proxy or firewall in between"
	case runtime.GOOS == "darwin", runtime.GOOS == "windows":
		return "add the authority's certificate to the system's store"
	}
	return "CA certificates may be missing, as in a scratch image: set SSL_CERT_FILE"
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

// timedOut returns the failure of a command that has waited too long for host.
func (c *client) timedOut(host string) *failure {
	waited := c.limit - time.Until(c.deadline)
	return fail(codeNetworkTimeout, "no answer from %s after %.0f s", host, waited.Seconds()).
		withHint("check the network, or try again later%s", c.assumption())
}

// badResponse returns the failure for an answer that cannot be from the API.
func (c *client) badResponse(format string, args ...any) *failure {
	return fail(codeAPIBadResponse, "the answer from %s is not the API's: %s", c.base.Host,
		fmt.Sprintf(format, args...)).
		withHint("set MICROTICA_API_URL to the API's base URL%s", c.assumption())
}

// assumption ends a hint about where the API is, unless the user has said where.
func (c *client) assumption() string {
	if c.base.String() == defaultAPI {
		return "; the default, " + defaultAPI + ", is an assumption"
	}
	return ""
}

// quote makes text from a server short enough for a message. The key is masked first: of one that
// is cut in two, no part must show.
func (c *client) quote(text string) string {
	text = c.key.mask(text)
	if short := fmt.Sprintf("%.300s", text); short != text {
		return short + "…"
	}
	return text
}
