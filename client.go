package main

import (
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
	"net/netip"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// This file is the client of Microtica's API, and the only one that sends the key: in one header, to one address, which no
// answer can change. The endpoints are those of Microtica's published SDK, @microtica/ms-project-sdk 1.3.0.

// defaultAPI is an assumption: Microtica does not publish its API's address.
const defaultAPI = "https://api.microtica.com"

const (
	maxHeaderBytes = 64 << 10
	maxBodyBytes   = 32 << 20
	maxRetries     = 2
	maxRetryAfter  = 30 * time.Second // a longer wait that the API asks for is left to the user
)

// client makes the requests of one command.
type client struct {
	app      *app
	base     *url.URL
	key      key
	source   string        // where the key came from, for messages
	limit    time.Duration // for all requests and waits together, from the first one on
	retries  int
	deadline time.Time
	proxy    *url.URL // the proxy of the latest request, or nil
}

// apiURL returns the API's base URL. The error (usage.url) shows nothing of a wrong one, which may hold a password.
func (a *app) apiURL() (*url.URL, error) {
	text := a.getenv("MICROTICA_API_URL")
	if text == "" {
		text = defaultAPI
	}
	wrong := ""
	u, err := url.Parse(strings.TrimRight(text, "/"))
	switch {
	case err != nil:
		wrong = "cannot be parsed"
	case u.Scheme != "https" && u.Scheme != "http":
		wrong = "does not start with https://"
	case u.User != nil:
		wrong = "holds a user name or password"
	case u.Hostname() == "":
		wrong = "has no host"
	case strings.Contains(u.Hostname(), ":") && u.Host[0] != '[':
		wrong = "cannot be parsed" // h:1:2, of which net/url takes the last part for the port
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#"):
		wrong = "has a query or a fragment"
	case looksLikeKey(text):
		wrong = "holds what looks like a key"
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		wrong = "would send the key unencrypted: http is for a loopback host only"
	case u.Port() != "":
		if port, err := strconv.ParseUint(u.Port(), 10, 16); err != nil || port == 0 {
			wrong = "has a port outside 1 to 65535"
		}
	}
	if wrong != "" {
		return nil, fail(codeUsageURL, "MICROTICA_API_URL %s", wrong).withHint("set MICROTICA_API_URL to a base URL such as %s", defaultAPI)
	}
	u.Host = strings.TrimSuffix(strings.ToLower(u.Host), ":")
	return u, nil
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	// Not strings.EqualFold, for which U+017F is an s.
	return strings.ToLower(host) == "localhost" || err == nil && ip.IsLoopback()
}

// newClient returns a client for the address that the environment names and the key in use.
func (a *app) newClient() (*client, error) {
	base, err := a.apiURL()
	if err != nil {
		return nil, err
	}
	k, source, err := a.findKey()
	if err != nil {
		return nil, err
	}
	return &client{app: a, base: base, key: k, source: source, limit: a.apiLimit, retries: maxRetries}, nil
}

// projects returns the projects that the key can see: an array of objects (GET /projects).
func (c *client) projects(ctx context.Context) (any, error) {
	answer, err := c.get(ctx, "the projects", "projects")
	if err != nil {
		return nil, err
	}
	list := field(answer, "projects")
	if list == nil {
		list = answer // it may be the bare array
	}
	return list, c.checkList(list, "projects")
}

// environments returns a project's environments, which the API calls stages: an array of objects (GET
// /projects/{projectId}/details, entities.stages).
func (c *client) environments(ctx context.Context, project string) (any, error) {
	answer, err := c.get(ctx, "project "+project, "projects", url.PathEscape(project), "details")
	var f *failure
	if errors.As(err, &f) && f.status == 404 {
		f.code, f.message = codeAPINotFound, fmt.Sprintf("the API finds no project %s that key %v can see (HTTP 404)%s", project, c.key, f.said)
		f.withHint("run 'microtica project list' to see the projects")
	}
	if err != nil {
		return nil, err
	}
	list := field(field(answer, "entities"), "stages")
	return list, c.checkList(list, "environments")
}

// me asks who the key is (GET /me), which every key that works may.
func (c *client) me(ctx context.Context) error {
	answer, err := c.get(ctx, "the key's own record", "me")
	if err != nil {
		return err
	}
	if via := field(answer, "via"); via != "apikey" && via != "user" {
		return c.badResponse("it does not say who the key is")
	}
	return nil
}

// checkList fails unless list is an array of objects.
func (c *client) checkList(list any, what string) error {
	if typeOf(list) != "array" {
		return c.badResponse("it holds no list of " + what)
	}
	for element := range elements(list) {
		if typeOf(element) != "object" {
			return c.badResponse("its list of " + what + " holds something else than objects")
		}
	}
	return nil
}

// verdict is what the API says of the key.
type verdict struct {
	accepted any // true, false, or nil where that is unknown
	visible  any // how many projects it can see, or nil where that is unknown
	limited  bool
	err      error // why the key is not accepted, or not known to be
}

// tryKey asks the API whether the key works. A 403 on the projects, which a key without project-wide access gets, is
// settled by asking who the key is.
func (c *client) tryKey(ctx context.Context) verdict {
	list, err := c.projects(ctx)
	if err == nil {
		return verdict{accepted: true, visible: number(strconv.Itoa(length(list)))}
	}
	var f *failure
	errors.As(err, &f)
	switch f.code {
	case codeAuthRejected:
		return verdict{accepted: false, err: err}
	case codeAPIForbidden:
	default:
		return verdict{err: err}
	}
	err = c.me(ctx)
	if err == nil {
		return verdict{accepted: true, visible: number("0"), limited: true}
	}
	var second *failure
	errors.As(err, &second)
	switch second.code {
	case codeInterrupted:
		return verdict{err: err}
	case codeAuthRejected, codeAPIForbidden:
		return verdict{accepted: false, err: c.rejected(second.status, second.said)}
	}
	f.message = fmt.Sprintf("key %v from %s has no project-wide read access, or does not work at all: GET /projects was refused (HTTP 403), and GET /me failed: %s",
		c.key, c.source, second.message)
	return verdict{err: f.withHint("try again, or ask in Microtica's console what the key may do")}
}

// reached tells whether a result means that the API itself answered.
func reached(err error) bool {
	switch codeOf(err) {
	case nil, codeAuthRejected, codeAPIForbidden, codeAPIRefused, codeAPIRateLimited, codeAPIServer:
		return true
	}
	return false
}

// get returns the JSON of a 2xx answer to GET base/segments, a request for what, retrying where that can help. Every error
// is a *failure.
func (c *client) get(ctx context.Context, what string, segments ...string) (any, error) {
	if c.deadline.IsZero() {
		c.deadline = time.Now().Add(c.limit)
	}
	ctx, cancel := context.WithDeadline(ctx, c.deadline)
	defer cancel()
	root := *c.base
	root.Path = "/" + strings.TrimPrefix(root.Path, "/") // without it JoinPath makes no absolute path
	for try := 0; ; try++ {
		answer, wait, err := c.once(ctx, what, root.JoinPath(segments...), try)
		if err == nil || wait < 0 || try == c.retries || wait > time.Until(c.deadline) {
			return answer, err
		}
		if c.app.sleep(ctx, wait) != nil {
			return nil, c.unreachable(ctx, context.Cause(ctx), waiting)
		}
	}
}

// once makes one request, the try-th repetition of it. Where another may help, wait says after how long, else it is negative.
func (c *client) once(ctx context.Context, what string, u *url.URL, try int) (answer any, wait time.Duration, err error) {
	const final = -1
	var progress atomic.Int32
	trace := &httptrace.ClientTrace{
		DNSStart:          func(httptrace.DNSStartInfo) { progress.Store(resolving) },
		ConnectStart:      func(string, string) { progress.Store(connecting) },
		TLSHandshakeStart: func() { progress.Store(securing) },
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) {
			if err == nil {
				progress.Store(connecting) // it may have been the proxy's
			}
		},
		GotConn:              func(httptrace.GotConnInfo) { progress.CompareAndSwap(connecting, asked) },
		GotFirstResponseByte: func() { progress.Store(answered) },
	}
	req := &http.Request{Method: http.MethodGet, URL: u, Header: http.Header{
		"X-Microtica-Api-Key": {c.key.raw()},
		"Accept":              {"application/json"},
		"User-Agent":          {fmt.Sprintf("microtica/%s (%s/%s)", version, runtime.GOOS, runtime.GOARCH)},
	}}
	// A http.Client would follow redirects.
	res, err := c.transport(&progress).RoundTrip(req.WithContext(httptrace.WithClientTrace(ctx, trace)))
	if err != nil {
		f := c.unreachable(ctx, err, progress.Load())
		if f.code == codeNetworkConnect && progress.Load() == asked {
			return nil, backoff(try), f // the connection ended, and nothing tells that the API saw the request
		}
		return nil, final, f
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusSwitchingProtocols { // its body is the connection, which may stay open
		return nil, final, c.statusFailure(res.StatusCode, nil, what, nil)
	}
	var body strings.Builder
	if 0 < res.ContentLength && res.ContentLength <= maxBodyBytes {
		body.Grow(int(res.ContentLength))
	}
	if _, err := io.Copy(&body, io.LimitReader(res.Body, maxBodyBytes+1)); err != nil {
		return nil, final, c.unreachable(ctx, err, answered)
	}
	if body.Len() > maxBodyBytes {
		return nil, final, c.badResponse(fmt.Sprintf("it is larger than %d MiB", maxBodyBytes>>20))
	}
	secret, shown := c.mask()
	answer, err = parseJSON(maskStrings(body.String(), func(text string) string {
		return strings.ReplaceAll(text, secret, shown)
	}))
	if res.StatusCode >= 200 && res.StatusCode <= 299 {
		if err != nil {
			return nil, final, c.badResponse("it is not JSON")
		}
		return answer, final, nil
	}
	location, _ := res.Location()
	f := c.statusFailure(res.StatusCode, location, what, answer)
	wait, told := c.retryAfter(res)
	if wait > 0 && f.code.retryable {
		f.withHint("try again in %d seconds, as the API asks", (wait+time.Second-1)/time.Second)
	}
	if !told {
		wait = backoff(try)
	}
	if !slices.Contains([]int{429, 502, 503, 504}, f.status) || wait > maxRetryAfter {
		wait = final
	}
	return nil, wait, f
}

// backoff returns how long to wait before the next try where the API does not say: 0.5 s, 1 s, and up to a quarter more.
func backoff(try int) time.Duration {
	wait := 500 * time.Millisecond << try
	return wait + rand.N(wait/4)
}

// transport returns what carries one request, and starts reading the trust store beside the connection.
func (c *client) transport(progress *atomic.Int32) *http.Transport {
	http1 := new(http.Protocols) // HTTP/2 would print the header under a GODEBUG setting, and retries by itself
	http1.SetHTTP1(true)
	t := &http.Transport{
		Protocols:              http1,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		DisableKeepAlives:      true,
		DisableCompression:     true, // a small answer must not become a huge one
		MaxResponseHeaderBytes: maxHeaderBytes,
		OnProxyConnectResponse: func(_ context.Context, _ *url.URL, _ *http.Request, res *http.Response) error {
			if res.StatusCode != http.StatusOK { // the library's error holds the proxy's text
				return fmt.Errorf("it answered HTTP %d", res.StatusCode)
			}
			return nil
		},
	}
	if c.base.Scheme == "http" {
		// What resolves localhost may be anything; the key goes to this machine alone.
		dialer := &net.Dialer{Control: func(_, address string, _ syscall.RawConn) error {
			if to, err := netip.ParseAddrPort(address); err != nil || !to.Addr().IsLoopback() {
				return errors.New("it is not an address of this machine")
			}
			return nil
		}}
		t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			return &watchedConn{conn, progress}, err
		}
		return t
	}
	t.Proxy = func(req *http.Request) (proxy *url.URL, err error) {
		if !usableProxy(c.app.getenv(c.proxyVariable())) {
			return nil, errBadProxy
		}
		c.proxy, err = http.ProxyFromEnvironment(req)
		return c.proxy, err
	}
	go x509.SystemCertPool() // kept by the library: verifying waits for it, or finds it done
	return t
}

// watchedConn notes the first byte that comes, which net/http does not tell where it comes before the request is sent.
type watchedConn struct {
	net.Conn
	progress *atomic.Int32
}

func (c *watchedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.progress.Store(answered)
	}
	return n, err
}

// mask returns the whole key, and what stands for it wherever an answer holds it.
func (c *client) mask() (secret, shown string) { return c.key.raw(), c.key.String() + "_…" }

// retryAfter returns the time that Retry-After (RFC 9110, section 10.2.3) asks to wait, in seconds or as a date, thirty years
// at most; false where it asks for none or makes no sense.
func (c *client) retryAfter(res *http.Response) (time.Duration, bool) {
	const most = 1e9 // seconds: time.Duration ends at 9e9
	text := res.Header.Get("Retry-After")
	if text != "" && strings.Trim(text, "0123456789") == "" {
		seconds, _ := strconv.ParseUint(text, 10, 64) // of a number out of range, the largest
		return time.Duration(min(seconds, most)) * time.Second, true
	}
	date, err := http.ParseTime(text)
	if wait := date.Sub(c.app.now()); err == nil && wait >= 0 {
		return min(wait, most*time.Second), true
	}
	return 0, false
}
