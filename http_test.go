package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// closedPort returns an address on loopback where nothing listens, and what connecting to it fails with on this system.
func closedPort(t testing.TB) (host, why string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	_, err = net.Dial("tcp", l.Addr().String())
	var number syscall.Errno
	if !errors.As(err, &number) {
		t.Skip("a closed port does not refuse: ", err)
	}
	i := strings.Index(err.Error(), l.Addr().String()+": ")
	if i < 0 {
		t.Fatal(err)
	}
	return l.Addr().String(), err.Error()[i+len(l.Addr().String()+": "):]
}

// TestARefusedConnectionIsNotTriedAgain covers every command that needs the API.
func TestARefusedConnectionIsNotTriedAgain(t *testing.T) {
	host, why := closedPort(t)
	for _, scheme := range []string{"http://", "https://"} {
		s := newShell(t, nil).with("MICROTICA_TOKEN", testKey, "MICROTICA_API_URL", scheme+host)
		refused := wrong{"network.connect", "cannot connect to " + host + ": " + why, connectHint, 0}
		s.wantError(refused, "project", "list")
		s.wantError(refused, "env", "list", "--project", "5f1c")
		s.want(refused.fails("via:                apikey\napi key prefix:     mic_d60bea1d\napi reachable:      false\nprojects visible:   unknown\n", false), "whoami")
		s.want(refused.fails(`{"via":"apikey","apiKeyPrefix":"mic_d60bea1d","source":"MICROTICA_TOKEN","apiUrl":"`+scheme+host+
			`","apiReachable":false,"keyAccepted":null,"projectsVisible":null}`+"\n", true), "whoami", "--json")
		s.want(result{"Saved API key mic_0ther to " + s.credentials() + "\n", "warning: the key was not checked: " + refused.message +
			"\nwarning: MICROTICA_TOKEN is set and overrides the key just saved\n", 0}, "login", "--token", otherKey)
		if s.waits != nil {
			t.Errorf("waited %v", s.waits)
		}
	}
}

// TestAnUnknownHostIsADNSError asks for a name that cannot exist (RFC 6761). Without a name server that may take until the limit.
func TestAnUnknownHostIsADNSError(t *testing.T) {
	t.Parallel()
	s := newShell(t, nil).with("MICROTICA_TOKEN", testKey, "MICROTICA_API_URL", "https://api.microtica.invalid:8443/v1")
	s.apiLimit = 2 * time.Second
	start := time.Now()
	got := s.run("project", "list")
	line, hint, _ := strings.Cut(got.stderr, "\n")
	if !strings.HasPrefix(line, "error: cannot resolve api.microtica.invalid: ") || hint != "hint: "+connectHint+"\n" || got.stdout != "" || got.code != 5 {
		t.Error(got)
	}
	why := strings.TrimPrefix(line, "error: cannot resolve api.microtica.invalid: ")
	s.want(wrong{"network.dns", "cannot resolve api.microtica.invalid: " + why, connectHint, 0}.fails("", true), "project", "list", "--json")
	if took := time.Since(start); took > 10*time.Second || s.waits != nil {
		t.Errorf("took %v, waited %v", took, s.waits)
	}
}

// TestNoSecureConnection covers what goes wrong between TCP and HTTP. None of it is tried again, none sends the key.
func TestNoSecureConnection(t *testing.T) {
	needCertFile(t)
	ca, now := newAuthority(t), time.Now()
	const unknown, clock = "its certificate is signed by an unknown authority", "its certificate has expired or is not yet valid"
	const install = "no CA certificates may be installed (scratch image): set SSL_CERT_FILE or copy ca-certificates.crt into the image"
	with := func(cert tls.Certificate) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{cert}} }
	old := with(ca.good())
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	for _, test := range []struct {
		config    *tls.Config
		why, hint string
	}{
		{with(ca.good()), unknown, install},
		{with(ca.issue(now.Add(-2*time.Hour), loopback)), clock, "check this machine's clock"},
		{with(ca.issue(now.Add(2*time.Hour), loopback)), clock, "check this machine's clock"},
		{with(ca.issue(now, []net.IP{net.IPv4(192, 0, 2, 1)}, "api.example.test", "*.example.test")), "its certificate is for api.example.test, *.example.test, 192.0.2.1", tlsHint},
		{with(ca.issue(now, nil, testKey+".example.test")), "its certificate is for mic_d60bea1d_….example.test", tlsHint},
		{with(ca.issue(now, nil, strings.Repeat("a", 400))), "its certificate is for " + strings.Repeat("a", 300) + "…", tlsHint},
		{with(ca.issue(now, nil)), "its certificate names no host", tlsHint},
		{old, "tls: protocol version not supported", tlsHint},
	} {
		api := newSecureAPI(t, test.config)
		s := newShell(t, api).with("MICROTICA_TOKEN", testKey)
		s.wantError(insecure(api.host(), test.why, test.hint), "project", "list")
		if seen := api.seen(); seen != "" || s.waits != nil {
			t.Errorf("%s: asked for %q, waited %v", test.why, seen, s.waits)
		}
	}
}

// TestWhatDoesNotSpeakTLS covers other servers on an https port.
func TestWhatDoesNotSpeakTLS(t *testing.T) {
	hello := func(conn net.Conn) { conn.Read(make([]byte, 4096)) }
	for _, test := range []struct {
		name, why string
		serve     func(net.Conn)
	}{
		{"plain HTTP", "it does not speak TLS", func(conn net.Conn) { hello(conn); io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n") }},
		{"SSH", "it does not speak TLS", func(conn net.Conn) { io.WriteString(conn, "SSH-2.0-OpenSSH_9.6\r\n"); hello(conn) }},
		{"a hang-up", "the connection ended", hello},
		{"a hang-up within the handshake", "the connection ended", func(conn net.Conn) { hello(conn); conn.Write([]byte{22, 3, 3, 0, 100, 2}) }},
		{"an alert", "tls: handshake failure", func(conn net.Conn) { hello(conn); conn.Write([]byte{21, 3, 3, 0, 2, 2, 40}) }},
	} {
		server := newRawServer(t, test.serve)
		s := newRawShell(t, server).with("MICROTICA_API_URL", "https://"+server.host)
		s.wantError(insecure(server.host, test.why, tlsHint), "project", "list")
		if n := server.connections.Load(); n != 2 || s.waits != nil {
			t.Errorf("%s: %d connections for two commands, waited %v", test.name, n, s.waits)
		}
	}
	server := newRawServer(t, func(conn net.Conn) { io.Copy(io.Discard, conn) })
	s := newRawShell(t, server).with("MICROTICA_API_URL", "https://"+server.host)
	s.apiLimit = 200 * time.Millisecond
	s.wantError(wrong{"network.timeout", server.host + " did not answer in time", "try again later, or check the network", 0}, "project", "list")

	// The other way round: an https server is asked for http, and says so in its own way.
	api := newSecureAPI(t, &tls.Config{Certificates: []tls.Certificate{newAuthority(t).good()}})
	s = newShell(t, nil).with("MICROTICA_TOKEN", testKey, "MICROTICA_API_URL", "http://"+api.host())
	s.wantError(wrong{"api.refused", "the API refused the request for the projects (HTTP 400)", "", 400}, "project", "list")
}

// TestAPlainConnectionGoesToThisMachineOnly is about a localhost that resolves elsewhere.
func TestAPlainConnectionGoesToThisMachineOnly(t *testing.T) {
	c := &client{base: &url.URL{Scheme: "http", Host: "localhost"}}
	for _, address := range []string{"192.0.2.1:80", "[2001:db8::1]:80", "0.0.0.0:80", "[fe80::1]:80"} {
		conn, err := c.transport(new(atomic.Int32)).DialContext(context.Background(), "tcp", address)
		if err == nil || reason(err) != "it is not an address of this machine" {
			t.Errorf("%s: %v, %v", address, conn, err)
		}
	}
}

// TestWhyANetworkFailed covers errors that no test can provoke: of the name service, of the trust store, at the default host.
func TestWhyANetworkFailed(t *testing.T) {
	c := &client{app: newTestApp(), base: &url.URL{Scheme: "https", Host: "api.microtica.com"}, key: key{new(string)}}
	*c.key.secret = testKey
	const assumed = ": the default, https://api.microtica.com, is an assumption"
	dns := func(e net.DNSError) error { return &net.OpError{Op: "dial", Net: "tcp", Err: &e} }
	ended, end := context.WithTimeout(context.Background(), 0)
	defer end()
	for _, test := range []struct {
		ctx      context.Context
		err      error
		progress int32
		want     wrong
	}{
		{nil, dns(net.DNSError{Err: "no such host", IsNotFound: true}), connecting,
			wrong{"network.dns", "cannot resolve api.microtica.com: there is no such host", connectHint + assumed, 0}},
		{nil, dns(net.DNSError{Err: "i/o timeout", IsTimeout: true}), connecting,
			wrong{"network.dns", "cannot resolve api.microtica.com: the name server did not answer in time", connectHint + assumed, 0}},
		{nil, dns(net.DNSError{Err: "server mis\x1bbehaving"}), connecting,
			wrong{"network.dns", `cannot resolve api.microtica.com: server mis\x1bbehaving`, connectHint + assumed, 0}},
		{ended, context.DeadlineExceeded, resolving,
			wrong{"network.dns", "cannot resolve api.microtica.com: the name server did not answer in time", connectHint + assumed, 0}},
		{ended, context.DeadlineExceeded, connecting,
			wrong{"network.timeout", "api.microtica.com did not answer in time", "try again later, or check the network", 0}},
		{nil, &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, connecting,
			wrong{"network.timeout", "api.microtica.com did not answer in time", "try again later, or check the network", 0}},
		{nil, &net.OpError{Op: "dial", Err: errors.New("network is unreachable")}, connecting,
			wrong{"network.connect", "cannot connect to api.microtica.com: network is unreachable", connectHint + assumed, 0}},
		{nil, io.ErrUnexpectedEOF, answered, wrong{"api.bad_response", "the answer from api.microtica.com is not the API's: " + cut,
			"set MICROTICA_API_URL to the API's base URL" + assumed, 0}},
	} {
		if test.ctx == nil {
			test.ctx = context.Background()
		}
		var stderr bytes.Buffer
		code := printError(&stderr, true, c.unreachable(test.ctx, test.err, test.progress))
		if got, want := (result{"", stderr.String(), code}), test.want.fails("", true); got != want {
			t.Errorf("%v\n got %s\nwant %s", test.err, got, want)
		}
	}
}

// newTestApp returns an app without an environment.
func newTestApp() *app { return &app{lookenv: lookup(nil)} }

// proxy is a fake of a proxy for https, on loopback. It takes any name for the API's.
type proxy struct {
	*rawServer
	heads chan string // the CONNECT requests
}

func newProxy(t testing.TB, api string) *proxy {
	p := &proxy{heads: make(chan string, 10)}
	p.rawServer = newRawServer(t, func(conn net.Conn) {
		p.heads <- readHead(conn)
		to, err := net.Dial("tcp", api)
		if err != nil {
			return
		}
		defer to.Close()
		io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n")
		go io.Copy(to, conn)
		io.Copy(conn, to)
	})
	return p
}

// TestHTTPSWithAnOwnAuthority runs the binary, for the library reads SSL_CERT_FILE once.
func TestHTTPSWithAnOwnAuthority(t *testing.T) {
	needCertFile(t)
	ca := newAuthority(t)
	api := newSecureAPI(t, &tls.Config{Certificates: []tls.Certificate{ca.good("localhost")}})
	home := t.TempDir()
	env := func(base, file string) []string {
		return []string{"HOME=" + home, "MICROTICA_TOKEN=" + testKey, "MICROTICA_API_URL=" + base, "SSL_CERT_FILE=" + file, "SSL_CERT_DIR=" + home}
	}
	const unknown = "its certificate is signed by an unknown authority"
	const install = "no CA certificates may be installed (scratch image): set SSL_CERT_FILE or copy ca-certificates.crt into the image"
	list := result{"ID    NAME\n5f1c  shop\n77aa  blog\n", "", 0}
	if got := process(t, env(api.base(), ca.file), "", "project", "list"); got != list {
		t.Errorf("got %s\nwant %s", got, list)
	}
	if got, want := process(t, env(api.base(), filepath.Join(home, "none")), "", "project", "list"), insecure(api.host(), unknown, install).fails("", false); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	old := newSecureAPI(t, &tls.Config{Certificates: []tls.Certificate{ca.issue(time.Now().Add(-2*time.Hour), loopback)}})
	expired := insecure(old.host(), "its certificate has expired or is not yet valid", "check this machine's clock").fails("", true)
	if got := process(t, env(old.base(), ca.file), "", "project", "list", "--json"); got != expired {
		t.Errorf("got %s\nwant %s", got, expired)
	}

	// What has begun is not asked for again, in TLS too.
	broken := newSecureAPI(t, &tls.Config{Certificates: []tls.Certificate{ca.good()}})
	broken.answer("/projects", func(w http.ResponseWriter, _ *http.Request) {
		if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-")
			conn.Close()
		}
	})
	if got, want := process(t, env(broken.base(), ca.file), "", "project", "list"), badAnswer(broken.host(), cut, 0).fails("", false); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if seen := broken.seen(); seen != "/projects" {
		t.Errorf("the broken API was asked for %q", seen)
	}

	// A server that wants a certificate of the client says so only after the handshake.
	mutual := newSecureAPI(t, &tls.Config{Certificates: []tls.Certificate{ca.good()}, ClientAuth: tls.RequireAnyClientCert})
	want := insecure(mutual.host(), "tls: certificate required", tlsHint).fails("", true)
	if got := process(t, env(mutual.base(), ca.file), "", "project", "list", "--json"); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// TestAProxyGetsNoKey runs the binary through a proxy, for the library reads the variables once.
func TestAProxyGetsNoKey(t *testing.T) {
	needCertFile(t)
	ca := newAuthority(t)
	api := newSecureAPI(t, &tls.Config{Certificates: []tls.Certificate{ca.good("api.example.test")}})
	p := newProxy(t, api.host())
	env := []string{"HOME=" + t.TempDir(), "MICROTICA_TOKEN=" + testKey, "SSL_CERT_FILE=" + ca.file, "HTTPS_PROXY=http://ana:hunter2@" + p.host}
	own := append(env[:4:4], "MICROTICA_API_URL=https://api.example.test"+fakePrefix)
	want := result{"ID    NAME\n5f1c  shop\n77aa  blog\n", "", 0}
	if got := process(t, own, "", "project", "list"); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	select {
	case head := <-p.heads:
		if !strings.HasPrefix(head, "CONNECT api.example.test:443 HTTP/1.1\r\n") || !strings.Contains(head, "Proxy-Authorization: Basic YW5hOmh1bnRlcjI=\r\n") || strings.Contains(head, "mic_") {
			t.Errorf("the proxy got %q", head)
		}
	default:
		t.Error("the proxy got nothing")
	}
	if seen := api.seen(); seen != "/projects" {
		t.Errorf("the API was asked for %q", seen)
	}

	// The default address is named as what it is wherever the answer is not the API's.
	const assumed = ": the default, https://api.microtica.com, is an assumption"
	for _, test := range []struct {
		answer http.HandlerFunc
		want   wrong
	}{
		{reply(404, ""), wrong{"api.bad_response", "the answer from api.microtica.com is not the API's: it does not know this path (HTTP 404)", "set MICROTICA_API_URL to the API's base URL" + assumed, 404}},
		{reply(302, "", "Location", "https://www.example.test/"), wrong{"api.redirect", "the API redirects to www.example.test (HTTP 302), and the key goes only to the address that is set",
			"set MICROTICA_API_URL to the API's own address" + assumed, 302}},
	} {
		api := unstartedFakeAPI()
		api.Config.Handler = test.answer
		startSecure(t, api, &tls.Config{Certificates: []tls.Certificate{ca.good("api.microtica.com")}})
		variable := "HTTPS_PROXY=http://" + newProxy(t, api.host()).host
		if got, want := process(t, append(env[:3:3], variable), "", "project", "list", "--json"), test.want.fails("", true); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	}
}

// TestABadProxyIsNamedWithoutItsPassword covers what a proxy can do wrong, or its variable.
func TestABadProxyIsNamedWithoutItsPassword(t *testing.T) {
	t.Parallel()
	const api = "api.example.test"
	closed, refused := closedPort(t)
	through := func(proxy, why string) wrong {
		return wrong{"network.proxy", "cannot connect to " + api + " through the proxy " + proxy + ": " + why, "check the proxy in HTTPS_PROXY", 0}
	}
	check := func(want wrong, variables ...string) {
		t.Helper()
		home := t.TempDir()
		env := append(variables, "HOME="+home, "USERPROFILE="+home, "MICROTICA_TOKEN="+testKey, "MICROTICA_API_URL=https://"+api)
		for _, asJSON := range []bool{false, true} {
			args := []string{"project", "list"}
			if asJSON {
				args = append(args, "--json")
			}
			if got, want := process(t, env, "", args...), want.fails("", asJSON); got != want {
				t.Errorf("%s\n got %s\nwant %s", variables, got, want)
			}
		}
	}
	for _, test := range []struct{ name, answer, why string }{
		{"a password is needed", "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", "it answered HTTP 407"},
		{"hostile text", "HTTP/1.1 502 \x1b]0;x\x07\u202e\r\nContent-Length: 5\r\n\r\n\x1b[2J\n", "it answered HTTP 502"},
		{"a hang-up", "", "the connection ended"},
		{"a hang-up in the head", "HTTP/1.1 200 OK\r\n", "the connection ended"},
		{"no HTTP", "SSH-2.0-\x1b[31mOpenSSH\r\n", `malformed HTTP response "SSH-2.0-\x1b[31mOpenSSH"`},
		{"another 2xx", "HTTP/1.1 204 No Content\r\n\r\n", "it answered HTTP 204"},
		{"a redirect", "HTTP/1.1 302 Found\r\nLocation: https://" + api + "/\r\n\r\n", "it answered HTTP 302"},
	} {
		server := newRawServer(t, answering(test.answer))
		check(through("http://"+server.host, test.why), "HTTPS_PROXY=http://ana:hunter2@"+server.host)
		if n := server.connections.Load(); n != 2 {
			t.Errorf("%s: %d connections for two commands", test.name, n)
		}
	}
	server := newRawServer(t, func(conn net.Conn) {
		answering("HTTP/1.1 200 OK\r\n\r\n")(conn)
		conn.Read(make([]byte, 4096)) // what is left unread makes a reset of the close
	})
	check(insecure(api, "the connection ended", tlsHint), "HTTPS_PROXY="+server.host)
	server = newRawServer(t, func(conn net.Conn) { conn.Read(make([]byte, 4096)); io.WriteString(conn, "HTTP/1.1 400 No\r\n\r\n") })
	check(through("https://"+server.host, "tls: first record does not look like a TLS handshake"), "HTTPS_PROXY=https://ana:hunter2@"+server.host)
	check(through("http://"+closed, refused), "HTTPS_PROXY=http://ana:hunter2@"+closed)
	bad := wrong{"network.proxy", "cannot use the proxy in HTTPS_PROXY: its value is not the URL of a proxy", "set HTTPS_PROXY to a URL such as http://proxy.example:3128", 0}
	check(bad, "HTTPS_PROXY=http://ana:hunter2@[::1")
	for _, value := range []string{"http://ana:hunt%er2@proxy.example", "http://ana:12#hunter2@proxy.example:3128", "http://ana:12/hunter2@proxy.example", "ana:12?hunter2@proxy.example",
		"http://", "http://:3128", "ftp://proxy.example", "file:///proxy", "\x1b[31m", "http://proxy.example:port", "http:// proxy.example", "://"} {
		newShell(t, nil).with("MICROTICA_TOKEN", testKey, "MICROTICA_API_URL", "https://"+api, "HTTPS_PROXY", value).wantError(bad, "project", "list")
	}
	for _, value := range []string{"", "http://127.0.0.1:1", "127.0.0.1:1/", "proxy.example", "ana:hunter2@proxy.example:3128", "https://ana@proxy.example", "socks5://[::1]:1080", "HTTP://proxy.example/"} {
		if !usableProxy(value) {
			t.Errorf("%q is a usable proxy", value)
		}
	}
	if runtime.GOOS != "windows" { // has one variable, whatever the case
		bad.message, bad.hint = strings.ReplaceAll(bad.message, "HTTPS_PROXY", "https_proxy"), strings.ReplaceAll(bad.hint, "HTTPS_PROXY", "https_proxy")
		check(bad, "https_proxy=http://ana:hunter2@[::1")
	}
	home := t.TempDir()
	got := process(t, []string{"HOME=" + home, "USERPROFILE=" + home, "MICROTICA_TOKEN=" + testKey, "HTTPS_PROXY=http://ana:hunter2@proxy.invalid:3128"}, "", "login", "--json", "--token", testKey)
	if !strings.Contains(got.stderr, "cannot connect to api.microtica.com through the proxy http://proxy.invalid:3128: ") &&
		!strings.Contains(got.stderr, "api.microtica.com did not answer in time through the proxy http://proxy.invalid:3128") || strings.Contains(got.stderr, "hunter2") || got.code != 0 {
		t.Errorf("an unknown proxy: %s", got)
	}
}

// TestASilentProxyIsNamed is about a proxy that takes the connection and no more, until login's limit.
func TestASilentProxyIsNamed(t *testing.T) {
	t.Parallel()
	server := newRawServer(t, func(conn net.Conn) { io.Copy(io.Discard, conn) })
	home := t.TempDir()
	got := process(t, []string{"HOME=" + home, "USERPROFILE=" + home, "MICROTICA_API_URL=https://api.example.test", "HTTPS_PROXY=http://ana:hunter2@" + server.host}, testKey, "login")
	want := result{"Saved API key mic_d60bea1d to " + filepath.Join(home, ".microtica", "credentials") + "\n",
		"warning: the key was not checked: api.example.test did not answer in time through the proxy http://" + server.host + "\n", 0}
	if got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// TestASignalEndsARequest sends one to the binary while it waits: for an answer, or before it asks again.
func TestASignalEndsARequest(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot be sent these signals on Windows")
	}
	t.Parallel()
	const refusal = "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n" // the next request, for /me, is not answered
	const text, object = "error: interrupted\n", `{"error":{"code":"interrupted","message":"interrupted","hint":"","httpStatus":null,"retryable":false,"exitCode":%d}}` + "\n"
	for _, test := range []struct {
		args   string
		signal syscall.Signal
		answer string
		want   result
	}{
		{"project list", syscall.SIGINT, "", result{"", text, 130}},
		{"project list --json", syscall.SIGTERM, "", result{"", fmt.Sprintf(object, 143), 143}},
		{"env list --project 5f1c", syscall.SIGTERM, "HTTP/1.1 200 OK\r\n\r\n[", result{"", text, 143}},
		{"whoami", syscall.SIGTERM, "", result{"", text, 143}},
		{"whoami --json", syscall.SIGINT, "HTTP/1.1 200 OK\r\n\r\n[", result{"", fmt.Sprintf(object, 130), 130}},
		{"whoami", syscall.SIGINT, "HTTP/1.1 503 Wait\r\nRetry-After: 20\r\nContent-Length: 0\r\n\r\n", result{"", text, 130}},
		{"whoami", syscall.SIGTERM, refusal, result{"", text, 143}},
		{"login", syscall.SIGINT, refusal, result{"", text, 130}},
		{"login", syscall.SIGINT, "", result{"", text, 130}},
		{"login --json", syscall.SIGTERM, "HTTP/1.1 200 OK\r\nContent-Le", result{"", fmt.Sprintf(object, 143), 143}},
	} {
		asked := make(chan bool, 1)
		server := newRawServer(t, func(conn net.Conn) {
			head := readHead(conn)
			if test.answer != refusal || !strings.HasPrefix(head, "GET /me ") {
				io.WriteString(conn, test.answer)
			}
			if test.answer != refusal || strings.HasPrefix(head, "GET /me ") {
				asked <- true
				io.Copy(io.Discard, conn)
			}
		})
		s := newShell(t, nil).save(otherKey)
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		cmd := exec.CommandContext(ctx, builtBinary(t), strings.Fields(test.args)...)
		var stdout, stderr bytes.Buffer
		cmd.Env = []string{"HOME=" + s.home, "MICROTICA_API_URL=http://" + server.host}
		cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(testKey), &stdout, &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-asked:
		case <-ctx.Done():
			t.Errorf("microtica %s did not ask", test.args)
		}
		time.Sleep(20 * time.Millisecond) // until what was sent has come
		start := time.Now()
		cmd.Process.Signal(test.signal)
		cmd.Wait()
		if got := (result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}); got != test.want || time.Since(start) > 5*time.Second {
			t.Errorf("%v to microtica %s, after %v\n got %s\nwant %s", test.signal, test.args, time.Since(start), got, test.want)
		}
		s.wantStored(otherKey)
	}
}
