package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// notice returns a note or a warning as it is printed, as text or as JSON.
func notice(kind, code, message string, asJSON bool) string {
	if asJSON {
		return fmt.Sprintf(`{"%s":{"code":"%s","message":%s}}`+"\n", kind, code, quoted(message))
	}
	return kind + ": " + message + "\n"
}

// retryNotes returns the notes before the waits of s, after failures with that message.
func (s *shell) retryNotes(message string, asJSON bool) string {
	var notes strings.Builder
	for i, wait := range s.waits {
		text := fmt.Sprintf("%s; trying again in %s s (try %d of 3)", message,
			strings.TrimSuffix(fmt.Sprintf("%.1f", wait.Seconds()), ".0"), i+2)
		notes.WriteString(notice("note", "api.retry", text, asJSON))
	}
	return notes.String()
}

// inForm returns a command line for JSON, or as it is.
func inForm(asJSON bool, args ...string) []string {
	if asJSON {
		return append(slices.Clone(args), "--json")
	}
	return args
}

// wantTried runs a command line as it is and with --json: it must fail with w in both forms, after
// that many tries, with a note before each wait. seconds is the wait that the API asks for; -1 if
// it asks for none.
func (s *shell) wantTried(tries, seconds int, w wrong, args ...string) {
	s.t.Helper()
	last, field := w, `"retryAfter":null`
	if seconds >= 0 {
		field = fmt.Sprintf(`"retryAfter":%d`, seconds)
	}
	if seconds > 0 {
		last.hint = fmt.Sprintf("try again in %d seconds, as the API asks", seconds)
	}
	if tries > 1 {
		last.message += fmt.Sprintf(" (tried %d times)", tries)
	}
	for _, asJSON := range []bool{false, true} {
		s.waits = nil
		got, want := s.run(inForm(asJSON, args...)...), last.fails("", asJSON)
		want.stderr = s.retryNotes(w.message, asJSON) +
			strings.Replace(want.stderr, `"retryAfter":null`, field, 1)
		if got != want || len(s.waits) != tries-1 {
			s.t.Errorf("microtica %s, waits %v\n got %s\nwant %s, %d tries",
				strings.Join(args, " "), s.waits, got, want, tries)
		}
		for _, wait := range s.waits {
			if seconds >= 0 && wait != time.Duration(seconds)*time.Second {
				s.t.Errorf("microtica %s waits %v", strings.Join(args, " "), s.waits)
			}
		}
	}
}

// TestARequestHasWhatTheAPINeeds compares a whole request.
func TestARequestHasWhatTheAPINeeds(t *testing.T) {
	t.Parallel()
	server := newRawServer(t, answering(okLine+"\r\n[]"))
	newRawShell(t, server).want(result{"[]\n", "", 0}, "project", "list", "--json", "--quiet")
	heard, _ := server.taken()
	got := strings.Split(strings.TrimSpace(heard), "\r\n")
	slices.Sort(got[1:])
	want := []string{"GET /projects HTTP/1.1", "Accept: application/json", "Connection: close",
		"Host: " + server.host, "User-Agent: microtica/dev (" + runtime.GOOS + "/" +
			runtime.GOARCH + ")", "X-Microtica-Api-Key: " + testKey}
	if !slices.Equal(got, want) {
		t.Errorf("the request is %q, want %q", got, want)
	}
}

// asked returns the request line that a server has heard, without the version of HTTP.
func (s *rawServer) asked() string {
	heard, _ := s.taken()
	line, _, _ := strings.Cut(heard, " HTTP/")
	return line
}

// TestABaseURLIsAnAddressAndAPrefix covers the ways to write a good one.
func TestABaseURLIsAnAddressAndAPrefix(t *testing.T) {
	t.Parallel()
	server := newRawServer(t, answering(okLine+"\r\n[]"))
	_, port, _ := net.SplitHostPort(server.host)
	for base, path := range map[string]string{
		"http://127.0.0.1:PORT":               "",
		"http://127.0.0.1:PORT///":            "",
		"http://[::ffff:127.0.0.1]:PORT":      "",
		"HTTP://LocalHost:PORT/V1":            "/V1",
		"http://127.0.0.1:PORT/gateway/v1/":   "/gateway/v1",
		"http://127.0.0.1:PORT/a%2Fb/%C3%BC/": "/a%2Fb/%C3%BC",
		"http://127.0.0.1:PORT/a%2F/":         "/a%2F",
		"http://127.0.0.1:PORT/ü":             "/%C3%BC",
	} {
		s := newRawShell(t, server)
		s.with("MICROTICA_API_URL", strings.Replace(base, "PORT", port, 1))
		s.want(result{"ID  NAME\n", "", 0}, "project", "list", "--quiet")
		if got := server.asked(); got != "GET "+path+"/projects" {
			t.Errorf("%s: %s", base, got)
		}
	}
}

// badBaseURLs are refused, by the reason; PORT is one where a server listens.
var badBaseURLs = map[string][]string{
	"does not start with https://": {
		"canary.example", "//canary.example", "ftp://canary.example", "httpss://canary.example",
		"localhost:8080", "canary:hunter2@localhost",
	},
	"cannot be parsed": {
		"https://canary.example/%zz", "https://can\x1b[31mary.example",
		"https://ana:hunter2canary@[::1",
	},
	"has no valid host and port": {
		"https:canary.example", "https://", "https://:443/canary", "https://canary.example:1:2",
		"https://canary.example:65s:",
		"https://canary.example:0", "https://canary.example:65536",
	},
	"has a user name, a password, a query or a fragment": {
		"https://canary@canary.example", "http://ana:hunter2canary@127.0.0.1:PORT",
		"https://@canary.example",
		"https://canary.example?", "https://canary.example/?token=canary",
		"http://127.0.0.1:PORT/#", "http://127.0.0.1:PORT/#canary",
	},
	"contains what looks like a key": {
		"https://canary.example/mic_d60bea1d_canary", "https://canary.example/%6dic_a_canary",
	},
	"would send the key unencrypted: http is for a loopback host only": {
		"http://canary.example", "http://0.0.0.0:PORT", "http://localho\u017ft",
		"http://127.0.0.1.canary.example:PORT", "http://2130706433:PORT",
	},
}

// TestABadBaseURLIsRefusedBeforeAnyConnection covers badBaseURLs. Nothing of them is shown.
func TestABadBaseURLIsRefusedBeforeAnyConnection(t *testing.T) {
	t.Parallel()
	server := newRawServer(t, func(net.Conn) {})
	_, port, _ := net.SplitHostPort(server.host)
	for why, urls := range badBaseURLs {
		for _, base := range urls {
			s := newRawShell(t, server)
			s.with("MICROTICA_API_URL", strings.Replace(base, "PORT", port, 1))
			want := wrong{"usage.url", "MICROTICA_API_URL " + why,
				"set MICROTICA_API_URL to a base URL such as https://api.microtica.com", 0}
			s.wantError(want, "project", "list")
			s.wantError(want, "login")
			if n := server.connections.Load(); n != 0 || t.Failed() {
				t.Fatalf("with %q, after %d connections", base, n)
			}
		}
	}
}

// TestATransientFailureIsRepeated covers what is repeated, and after which waits. (The notes, and
// failures that last, are in TestEveryStatusHasItsError and in answerRows.)
func TestATransientFailureIsRepeated(t *testing.T) {
	t.Parallel()
	ok, success := reply(200, projectsBody), result{projectTable, "", 0}
	failed := wrong{"api.server", "the API failed (HTTP 500) (tried 2 times)", "try again later",
		500}.fails("", false)
	reset := func(w http.ResponseWriter, _ *http.Request) {
		if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
			conn.(*net.TCPConn).SetLinger(0)
			conn.Close()
		}
	}
	for _, test := range []struct {
		name    string
		answers []http.HandlerFunc
		want    result
	}{
		{"429, then 200", []http.HandlerFunc{reply(429, ""), ok}, success},
		{"502 and 504, then 200",
			[]http.HandlerFunc{reply(502, ""), reply(504, "<html>"), ok}, success},
		{"503, then 500", []http.HandlerFunc{reply(503, ""), reply(500, "")}, failed},
		{"a hang-up, then 200", []http.HandlerFunc{hangUp, ok}, success},
		{"a reset and a 503, then 200", []http.HandlerFunc{reset, reply(503, ""), ok}, success},
	} {
		api, s := newUser(t)
		api.answer("/projects", inTurn(test.answers...))
		got, tries := s.run("project", "list", "--quiet"), len(test.answers)
		if seen := len(strings.Fields(api.seen())); got != test.want || seen != tries {
			t.Errorf("%s, %d requests\n got %s\nwant %s", test.name, seen, got, test.want)
		}
		for i, wait := range s.waits {
			if least := 500 * time.Millisecond << i; wait < least || wait > least+least/4 {
				t.Errorf("%s: wait %d is %v", test.name, i+1, wait)
			}
		}
	}
	api, s := newUser(t)
	longest := time.Duration(0)
	for range 60 {
		api.answer("/projects", inTurn(reply(429, ""), ok))
		s.want(success, "project", "list", "--quiet")
		longest = max(longest, slices.Max(s.waits))
	}
	if half := 562 * time.Millisecond; longest <= half {
		t.Errorf("of 60 waits, the longest is %v, want one above %v", longest, half)
	}
}

// retryAfterNow is what the clock says when a Retry-After comes.
var retryAfterNow = time.Date(2026, 9, 23, 9, 7, 1, 300_000_000, time.UTC)

// inSeconds returns the date n seconds after that, as HTTP writes it.
func inSeconds(n int) string {
	return retryAfterNow.Add(time.Duration(n) * time.Second).Format(http.TimeFormat)
}

// retryAfters are values of the header, by the seconds that they ask for; -1 for invalid ones.
var retryAfters = map[int][]string{
	0:          {"0", inSeconds(0)},
	1:          {"1"},
	5:          {" 005 ", inSeconds(5), retryAfterNow.Add(5 * time.Second).Format(time.RFC850)},
	30:         {"30", inSeconds(30)},
	31:         {"31", inSeconds(31)},
	1000000000: {"10000000000", "99999999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"},
	-1: {"", "-1", "+5", "1.5", "5, 6", "5?", "soon", inSeconds(-1),
		"2026-09-23T09:07:06Z"},
}

// TestRetryAfterIsObeyedWithinReason sends each with every answer, a 503. If it is invalid, the
// waits are the program's own. Then it sends waits that are not obeyed: because the time that is
// left is too short, or because a request with that status is not repeated.
func TestRetryAfterIsObeyedWithinReason(t *testing.T) {
	t.Parallel()
	api, s := newUser(t)
	s.now, s.apiLimit = retryAfterNow, time.Minute
	list := func(value string, seconds, tries int, w wrong) {
		t.Helper()
		api.answer("/projects", reply(w.status, "", "Retry-After", value))
		s.wantTried(tries, seconds, w, "project", "list")
	}
	for seconds, values := range retryAfters {
		tries := 3
		if seconds > 30 {
			tries = 1
		}
		for _, value := range values {
			list(value, seconds, tries,
				wrong{"api.server", "the API failed (HTTP 503)", "try again later", 503})
		}
	}
	list("20", 20, 1, wrong{"api.server", "the API failed (HTTP 500)", "", 500})
	list("20", -1, 1,
		wrong{"api.refused", "the API refused the request for the projects (HTTP 400)", "", 400})
	s.apiLimit = 3 * time.Second
	list("20", 20, 1, wrong{"api.rate_limited", "rate limited by the API (HTTP 429)", "", 429})
}

// after returns a handler that waits, then answers with h.
func after(wait time.Duration, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(wait)
		h(w, r)
	}
}

// TestASlowAnswerIsAnnouncedAtATerminal waits for the note, which comes once a command: the second
// request is as slow as the first.
func TestASlowAnswerIsAnnouncedAtATerminal(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	api.answer("/projects", after(400*time.Millisecond, reply(403, "")))
	api.answer("/me", after(400*time.Millisecond, reply(200, meBody)))
	const impatient = 20 * time.Millisecond
	notes := func(asJSON bool) string {
		wait := "waiting for " + api.host() + ", 10 s at most"
		return notice("note", "api.wait", wait, asJSON) +
			notice("note", "key.limited", limitedKey, asJSON)
	}
	unsaid := notice("note", "key.limited", limitedKey, false)
	for _, test := range []struct {
		args       string
		onTerminal bool
		patience   time.Duration
		stderr     string
	}{
		{"whoami", true, impatient, notes(false)},
		{"whoami --json", true, impatient, notes(true)},
		{"whoami --quiet", true, impatient, ""},
		{"whoami", true, time.Minute, unsaid},
		{"whoami", false, impatient, unsaid},
	} {
		s := newShell(t, api).with("MICROTICA_TOKEN", testKey)
		s.onTerminal, s.patience = test.onTerminal, test.patience
		if got := s.run(strings.Fields(test.args)...); got.stderr != test.stderr || got.code != 0 {
			t.Errorf("%v: got %s", test, got)
		}
	}
}

// TestLoginWaitsForBothRequestsTogether has a slow API: the key is saved, unchecked. The note at
// a terminal names login's own limit.
func TestLoginWaitsForBothRequestsTogether(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	api.answer("/projects", after(1200*time.Millisecond, reply(403, "")))
	api.answer("/me", silence)
	s := newShell(t, api).save(otherKey)
	s.stdin, s.verifyLimit = testKey, 2*time.Second
	s.onTerminal, s.patience = true, 50*time.Millisecond
	why := undecided("stdin", "no answer from "+api.host()+" after 2 s").message
	start := time.Now()
	s.want(result{"Saved API key mic_d60bea1d to " + s.credentials() + "\n", "note: waiting for " +
		api.host() + ", 2 s at most\nwarning: " + unchecked(why) + "\n", 0}, "login")
	if took := time.Since(start); took < 2*time.Second || took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
	s.wantStored(testKey + "\n")
}

// closedPort returns an address on loopback where nothing listens, and this system's error for a
// connection to it.
func closedPort(t testing.TB) (host, why string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	l.Close()
	host = l.Addr().String()
	_, err = net.Dial("tcp", host)
	_, why, found := strings.Cut(fmt.Sprint(err), host+": ")
	var number syscall.Errno
	if !found || !errors.As(err, &number) {
		t.Skip("a closed port does not refuse: ", err)
	}
	return host, why
}

// TestARefusedConnectionIsNotRepeated covers both schemes, and names that are not looked up.
func TestARefusedConnectionIsNotRepeated(t *testing.T) {
	t.Parallel()
	host, why := closedPort(t)
	_, port, _ := net.SplitHostPort(host)
	for base, shown := range map[string]string{
		"http://127.0.0.1:" + port:  host,
		"https://LOCALHOST:" + port: "localhost:" + port,
	} {
		s := newShell(t, nil).with("MICROTICA_TOKEN", testKey, "MICROTICA_API_URL", base)
		s.wantTried(1, -1, wrong{"network.connect", "cannot connect to " + shown + ": " + why,
			connectHint, 0}, "project", "list")
	}
}

// TestLocalhostIsThisMachine listens on one loopback address at a time: neither is looked up, and
// the port of the other may be closed. (Another test may use it on the one that is tried first.)
func TestLocalhostIsThisMachine(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		server := newRawServerAt(t, address, answering(okLine+"\r\n[]"))
		for server != nil && address[0] == '[' && isInUseOnIPv4(server) {
			server = newRawServerAt(t, address, answering(okLine+"\r\n[]"))
		}
		if server == nil { // there is no such address here
			continue
		}
		_, port, _ := net.SplitHostPort(server.host)
		s := newRawShell(t, server).with("MICROTICA_API_URL", "http://localhost:"+port)
		s.want(result{"[]\n", "", 0}, "project", "list", "--json", "--quiet")
	}
}

// isInUseOnIPv4 reports whether something listens on the server's port of 127.0.0.1.
func isInUseOnIPv4(server *rawServer) bool {
	_, port, _ := net.SplitHostPort(server.host)
	l, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err == nil {
		l.Close()
	}
	return err != nil
}

// TestWhyANetworkFailed covers errors that no test can provoke: those of the name service, the
// system's own timeout, and any at the default host.
func TestWhyANetworkFailed(t *testing.T) {
	t.Parallel()
	secret := testKey
	c := &client{base: &url.URL{Scheme: "https", Host: "api.microtica.com"}, key: key{&secret},
		limit: time.Minute, began: time.Now().Add(-7 * time.Second), app: newShell(t, nil).app()}
	ended, end := context.WithTimeout(context.Background(), 0)
	defer end()
	failed := func(op string, err error) error { return &net.OpError{Op: op, Net: "tcp", Err: err} }
	noHost := failed("dial", &net.DNSError{Err: "no " + testKey, IsNotFound: true})
	proxy := &url.URL{Scheme: "http", Host: "proxy.example", User: url.User("hunter2")}
	const (
		late        = "no answer from api.microtica.com after "
		later       = "check the network, or try again later" + assumed
		unreachable = "cannot connect to api.microtica.com"
		through     = " through the proxy http://proxy.example"
		proxyHint   = "check the proxy in https_proxy"
	)
	systemsOwn := wrong{"network.timeout", late + "7 s", later, 0}
	limit := wrong{"network.timeout", late + "60 s", later, 0}
	bad := badAnswer("api.microtica.com", cut, 0)
	bad.hint += assumed
	for _, test := range []struct {
		ctx      context.Context
		proxy    *url.URL
		err      error
		progress int32
		want     wrong
	}{
		{t.Context(), nil, noHost, connecting, wrong{"network.dns",
			"cannot resolve api.microtica.com: no mic_d60bea1d_…", connectHint + assumed, 0}},
		{t.Context(), nil, failed("dial", errors.New("no route")), connecting,
			wrong{"network.connect", unreachable + ": no route", connectHint + assumed, 0}},
		{t.Context(), nil, failed("dial", &net.DNSError{IsTimeout: true}), connecting, systemsOwn},
		{t.Context(), nil, failed("dial", os.ErrDeadlineExceeded), connecting, systemsOwn},
		{ended, nil, context.DeadlineExceeded, connecting, limit},
		{ended, nil, context.DeadlineExceeded, answered, limit},
		{t.Context(), nil, io.ErrUnexpectedEOF, answered, bad},
		{t.Context(), nil, io.EOF, handshakeFailed,
			insecure("api.microtica.com", hungUp, tlsHint+assumed)},
		{t.Context(), proxy, failed("proxyconnect", noHost), connecting, wrong{"network.proxy",
			unreachable + through + ": no mic_d60bea1d_…", proxyHint, 0}},
		{t.Context(), proxy, failed("proxyconnect", failed("read", io.ErrNoProgress)), connecting,
			wrong{"network.proxy", unreachable + through + ": " + io.ErrNoProgress.Error(),
				proxyHint, 0}},
		{ended, proxy, context.DeadlineExceeded, connecting,
			wrong{"network.timeout", unreachable + through + ": no answer after 60 s",
				proxyHint, 0}},
	} {
		var stderr bytes.Buffer
		c.proxy = test.proxy
		code := printError(&stderr, true, c.unreachable(test.ctx, test.err, test.progress))
		got := result{"", stderr.String(), code}
		if want := test.want.fails("", true); got != want {
			t.Errorf("%v\n got %s\nwant %s", test.err, got, want)
		}
	}
}

const (
	hungUp    = "the connection was closed"
	notTLS    = "it does not speak TLS"
	handshake = "\x16\x03\x03"                 // how a record of TLS begins
	alert     = "\x15\x03\x03\x00\x02\x02\x28" // one that refuses the handshake
)

// hello reads what a client says first.
func hello(conn net.Conn) { conn.Read(make([]byte, 4096)) }

// afterHello returns a handler that reads that, then sends text.
func afterHello(text string) func(net.Conn) {
	return func(conn net.Conn) {
		hello(conn)
		io.WriteString(conn, text)
	}
}

// dripping returns a handler that reads a request, sends head, and then text again and again,
// slowly.
func dripping(head, text string) func(net.Conn) {
	return beginning(head, func(conn net.Conn) {
		for err := error(nil); err == nil; time.Sleep(50 * time.Millisecond) {
			_, err = io.WriteString(conn, text)
		}
	})
}

// failingServer is a server that fails, and the error for it, with HOST for the server's address.
type failingServer struct {
	name  string
	serve func(net.Conn)
	want  wrong
}

// failingServers returns servers that send bytes that no server should send, or do not end their
// answers, and those that should speak TLS and do not. (The torture suite has endless ones.)
func failingServers() (plain, secure []failingServer) {
	bad := func(why string) wrong { return badAnswer("HOST", why, 0) }
	status := func(n int) wrong {
		return badAnswer("HOST", fmt.Sprintf("its status is unexpected (HTTP %d)", n), n)
	}
	noTLS := func(why string) wrong { return insecure("HOST", why, tlsHint) }
	late := wrong{"network.timeout", "no answer from HOST after 0.2 s",
		"check the network, or try again later", 0}
	tooLarge, long := bad("it is larger than 32 MiB"), blanks(33<<20)
	early := strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", 20000)
	plain = []failingServer{
		{"no content", answering("HTTP/1.1 204 No Content\r\n\r\n"), bad(notJSON)},
		{"gzip unasked", answering(okLine + "Content-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x00"),
			bad(notJSON)},
		{"cut", answering(okLine + "Content-Length: 3\r\n\r\n[]"), bad(cut)},
		{"cut in the status", answering("HTT"), bad(cut)},
		{"an error cut", answering("HTTP/1.1 401 No\r\nContent-Length: 30\r\n\r\n{}"), bad(cut)},
		{"a huge length", answering(okLine + "Content-Length: 9223372036854775807\r\n\r\n[]"),
			bad(cut)},
		{"a malformed chunk", answering(chunkedHead + "zz\r\n[]\r\n0\r\n\r\n"), bad(cut)},
		{"32 MiB and one, with a length", answering(okLine + "Content-Length: 33554433\r\n\r\n[" +
			blanks(32<<20-1) + "]"), tooLarge},
		{"33 MiB, without a length", answering(okLine + "\r\n" + long), tooLarge},
		{"an error of 33 MiB", answering("HTTP/1.1 500 No\r\n\r\n" + long), tooLarge},
		{"a header of 70 KB", answering(okLine + "X: " + blanks(70000) + "x\r\n\r\n[]"), bad(cut)},
		{"1xx without end", answering(early), bad(cut)},
		{"a control byte in a header", answering(okLine + "X: a\x1b[31m\r\n\r\n[]"), bad(cut)},
		{"a banner", answering("SSH-2.0-OpenSSH_9.6\x1b[2J\r\n"), bad(cut)},
		{"a low status", answering("HTTP/1.1 099 No\r\n\r\n"), status(99)},
		{"a switch of protocols", beginning("HTTP/1.1 101 Switching Protocols\r\n"+
			"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n", silent), status(101)},

		{"silence", silent, late},
		{"silence after the body", beginning(okLine+"\r\n"+projectsBody, silent), late},
		{"a head that drips", dripping(okLine+"X: ", "x"), late},
		{"a body that drips", dripping(okLine+"\r\n[", " "), late},
		{"hints that drip", dripping("", "HTTP/1.1 102 Processing\r\n\r\n"), late},
	}
	secure = []failingServer{
		{"plain HTTP", afterHello("HTTP/1.1 400 Bad Request\r\n\r\n"), noTLS(notTLS)},
		{"noise", endless(handshake + "\xff\xff\x1b"), noTLS(notTLS)},
		{"a hang-up", hello, noTLS(hungUp)},
		{"a hang-up within the handshake", afterHello(handshake + "\x00\x64\x02"),
			noTLS(hungUp)},
		{"an alert", afterHello(alert), noTLS("tls: handshake failure")},
		{"silence before the handshake", silent, late},
	}
	return plain, secure
}

func blanks(n int) string { return strings.Repeat(" ", n) }

// TestAServerThatFailsIsAskedOnce goes through all of them. What has begun is never asked for
// again, and neither is what took all the time or what cannot be trusted.
func TestAServerThatFailsIsAskedOnce(t *testing.T) {
	t.Parallel()
	plain, secure := failingServers()
	for i, test := range slices.Concat(plain, secure) {
		server := newRawServer(t, test.serve)
		s := newRawShell(t, server)
		if i >= len(plain) {
			s.with("MICROTICA_API_URL", "https://"+server.host)
		}
		if test.want.code == "network.timeout" {
			s.apiLimit = 200 * time.Millisecond
		}
		start := time.Now()
		test.want.message = strings.Replace(test.want.message, "HOST", server.host, 1)
		s.wantTried(1, -1, test.want, "project", "list")
		n, took := server.connections.Load(), time.Since(start)
		if n != 2 || took > 9*time.Second { // without the limit's help
			t.Errorf("%d requests in %v for two commands", n, took)
		}
		if t.Failed() {
			t.Fatalf("with %s", test.name)
		}
	}
}

// TestAnOddAnswerMayStillBeTheAPIs is the other side: what is just within the limits.
func TestAnOddAnswerMayStillBeTheAPIs(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{
		"HTTP/1.1 299 \x1b]0;title\x07\u202e\nContent-Length: 2\n\n[] and more",
		"HTTP/1.1 103 Early Hints\r\n\r\n" + okLine + "X: " + blanks(60000) + "x\r\n\r\n[]",
		okLine + "Content-Length: 33554432\r\n\r\n[" + blanks(32<<20-2) + "]",
		okLine + "\r\n[" + blanks(32<<20-2) + "]",
	} {
		server := newRawServer(t, answering(answer))
		newRawShell(t, server).want(result{"[]\n", "", 0}, "project", "list", "--json", "--quiet")
	}
}

// TestABodyCostsLittleMoreThanItsSize reads bodies with and without a length in their head.
func TestABodyCostsLittleMoreThanItsSize(t *testing.T) {
	for _, test := range []struct {
		size         int
		length, most int64
	}{
		{1000, 1000, 64 << 10},
		{1000, -1, 128 << 10},
		{1000, 1 << 40, 128 << 10},
		{64 << 10, -1, maxBodyBytes + 256<<10},
		{maxBodyBytes, maxBodyBytes, maxBodyBytes + 256<<10},
		{maxBodyBytes, -1, maxBodyBytes + 256<<10},
	} {
		res := &http.Response{ContentLength: test.length,
			Body: io.NopCloser(strings.NewReader(blanks(test.size)))}
		n := allocated(func() {
			if body, err := new(client).readBody(res); err != nil || len(body) != test.size {
				t.Errorf("%d bytes are %d: %v", test.size, len(body), err)
			}
		})
		if n > uint64(test.most) {
			t.Errorf("%d bytes of a body with length %d cost %d", test.size, test.length, n)
		}
	}
}

const (
	unknownAuthority = "its certificate is signed by an unknown authority"
	wrongTime        = "its certificate has expired or is not yet valid"
	installHint      = "no CA certificates may be installed (scratch image): " +
		"set SSL_CERT_FILE or copy ca-certificates.crt into the image"
	clockHint = "check this machine's clock"
)

// with returns the configuration of a server with that certificate.
func with(certificate tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{certificate}}
}

// TestNoSecureConnection covers certificates and versions that are not accepted. No failure is
// repeated, none sends the key.
func TestNoSecureConnection(t *testing.T) {
	t.Parallel()
	needCertFile(t)
	ca, now := newAuthority(t), time.Now()
	old := with(ca.good())
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	named := func(names ...string) *tls.Config { return with(ca.issue(now, nil, names...)) }
	elsewhere := []net.IP{net.IPv4(192, 0, 2, 1)}
	for _, test := range []struct {
		config    *tls.Config
		why, hint string
	}{
		{with(ca.good("localhost")), unknownAuthority, installHint},
		{with(ca.issue(now.Add(-2*time.Hour), loopback)), wrongTime, clockHint},
		{with(ca.issue(now.Add(2*time.Hour), loopback)), wrongTime, clockHint},
		{with(ca.issue(now, elsewhere, "api.example.test", "*.example.test")),
			"its certificate is for api.example.test, *.example.test, 192.0.2.1", tlsHint},
		{named(testKey + ".example.test"),
			"its certificate is for mic_d60bea1d_….example.test", tlsHint},
		{named(strings.Repeat("a", 400)),
			"its certificate is for " + strings.Repeat("a", 300) + "…", tlsHint},
		{named("a\x1b[31m.example"), `its certificate is for a\x1b[31m.example`, tlsHint},
		{named(), "its certificate is for no host", tlsHint},
		{old, "tls: protocol version not supported", tlsHint},
	} {
		api := newSecureAPI(t, test.config)
		s := newShell(t, api).with("MICROTICA_TOKEN", testKey)
		s.wantTried(1, -1, insecure(api.host(), test.why, test.hint), "project", "list")
		if seen := api.seen(); seen != "" {
			t.Errorf("%s: asked for %q", test.why, seen)
		}
	}
}

// TestTheBinarySpeaksOnlyHTTP1 looks for the client's preface: a GODEBUG setting makes net/http
// print what it sends over HTTP/2.
func TestTheBinarySpeaksOnlyHTTP1(t *testing.T) {
	t.Parallel()
	program, err := os.ReadFile(builtBinary(t))
	if err != nil || bytes.Contains(program, []byte("PRI * HTTP/2.0")) {
		t.Errorf("the binary speaks HTTP/2, or cannot be read: %v", err)
	}
}

const projectTable = "ID    NAME\n5f1c  shop\n77aa  blog\n"

// TestHTTPSWithAnOwnAuthority runs the binary, because the library reads SSL_CERT_FILE once. It
// covers certificates whose authority is trusted, and a hang-up over TLS, which is repeated. A
// server that asks for the client's certificate says so only after the handshake.
func TestHTTPSWithAnOwnAuthority(t *testing.T) {
	t.Parallel()
	needCertFile(t)
	ca, now := newAuthority(t), time.Now()
	good, oldest, wanted := with(ca.good()), with(ca.good()), with(ca.good())
	oldest.MaxVersion = tls.VersionTLS12
	wanted.ClientAuth = tls.RequireAnyClientCert
	forClients := with(ca.sign(&x509.Certificate{
		SerialNumber: big.NewInt(3),
		IPAddresses:  loopback,
		NotBefore:    now.Add(-time.Minute),
		NotAfter:     now.Add(time.Hour),
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}))
	const unfit = "tls: failed to verify certificate: " +
		"x509: certificate specifies an incompatible key usage"
	ok := reply(200, projectsBody)
	for _, test := range []struct {
		name, file string
		config     *tls.Config
		answer     http.HandlerFunc
		requests   int
		why, hint  string // nothing where it works
	}{
		{"TLS 1.3", ca.file, good, ok, 1, "", ""},
		{"TLS 1.2", ca.file, oldest, ok, 1, "", ""},
		{"a hang-up, then 200", ca.file, good, inTurn(hangUp, ok), 2, "", ""},
		{"authorities that cannot be read", t.TempDir(), good, ok, 0,
			unknownAuthority, installHint},
		{"for clients", ca.file, forClients, ok, 0, unfit, tlsHint},
		{"a certificate wanted", ca.file, wanted, ok, 0, "tls: certificate required", tlsHint},
	} {
		api := newSecureAPI(t, test.config)
		api.answer("/projects", test.answer)
		want := result{projectTable, "", 0}
		if test.why != "" {
			want = insecure(api.host(), test.why, test.hint).fails("", false)
		}
		s := newShell(t, api).with("MICROTICA_TOKEN", testKey, "SSL_CERT_FILE", test.file)
		got := process(t, s.environ("SSL_CERT_DIR="+s.home), "", "project", "list", "--quiet")
		if n := len(strings.Fields(api.seen())); got != want || n != test.requests {
			t.Errorf("%s: %d requests\n got %s\nwant %s", test.name, n, got, want)
		}
	}
}

const (
	proxiedAPI = "api.example.test"
	assumed    = ": the default, https://api.microtica.com, is an assumption"
)

// TestAProxyGetsNoKey runs the binary through a proxy, because the library reads the variables
// once. If something other than the API is at the default address, the hint calls that an
// assumption.
func TestAProxyGetsNoKey(t *testing.T) {
	t.Parallel()
	needCertFile(t)
	ca := newAuthority(t)
	const hint = "redirects are not followed: set MICROTICA_API_URL to the API's own address" +
		assumed
	missing := badAnswer("api.microtica.com", "there is no such path (HTTP 404)", 404)
	missing.hint += assumed
	moved := wrong{"api.redirect",
		"the API redirects to www.example.test (HTTP 302)", hint, 302}
	for _, test := range []struct {
		host, url string
		answer    http.HandlerFunc
		want      result
	}{
		{proxiedAPI, "https://" + proxiedAPI, reply(200, projectsBody),
			result{projectTable, "", 0}},
		{"api.microtica.com", "", reply(404, ""), missing.fails("", false)},
		{"api.microtica.com", "", reply(302, "", "Location", "https://www.example.test/"),
			moved.fails("", false)},
	} {
		api := unstartedFakeAPI()
		api.Config.Handler = test.answer
		startSecure(t, api, with(ca.good(test.host)))
		proxy := newRawServer(t, tunnelTo(api.host()))
		s := newShell(t, nil).with("MICROTICA_TOKEN", testKey, "SSL_CERT_FILE", ca.file,
			"MICROTICA_API_URL", test.url, "HTTPS_PROXY", "http://ana:hunter2@"+proxy.host)
		if got := process(t, s.environ(), "", "project", "list"); got != test.want {
			t.Errorf("got %s\nwant %s", got, test.want)
		}
		head, _ := proxy.taken() // and what is encrypted
		if !strings.HasPrefix(head, "CONNECT "+test.host+":443 HTTP/1.1\r\n") ||
			!strings.Contains(head, "Proxy-Authorization: Basic YW5hOmh1bnRlcjI=\r\n") ||
			strings.Contains(head, "mic_") {
			t.Errorf("the proxy got %q", head)
		}
	}
}

// wantProxied runs the binary with the proxy that a variable names, as it is and with --json: it
// must fail with want.
func wantProxied(t *testing.T, want wrong, variable, proxy string) {
	t.Helper()
	s := newShell(t, nil).with("MICROTICA_TOKEN", testKey,
		"MICROTICA_API_URL", "https://"+proxiedAPI, variable, proxy)
	for _, asJSON := range []bool{false, true} {
		got := process(t, s.environ(), "", inForm(asJSON, "project", "list")...)
		if want := want.fails("", asJSON); got != want {
			t.Errorf("%s=%s\n got %s\nwant %s", variable, proxy, got, want)
		}
	}
}

// failingProxy is a proxy that does not lead to the API, and the error for it, with PROXY for its
// URL.
type failingProxy struct {
	name, scheme string
	serve        func(net.Conn)
	want         wrong
}

// failingProxies are what a proxy can do wrong. Some send back the password ana:hunter2.
func failingProxies(untrusted tls.Certificate) []failingProxy {
	is := func(why string) wrong {
		return wrong{"network.proxy",
			"cannot connect to " + proxiedAPI + " through the proxy PROXY: " + why,
			"check the proxy in HTTPS_PROXY", 0}
	}
	notAProxy := is("it does not answer as a proxy does")
	const password = "Basic YW5hOmh1bnRlcjI= hunter2"
	return []failingProxy{
		{"wants another password", "http", answering("HTTP/1.1 407 " + password +
			"\r\nProxy-Authenticate: Basic\r\n\r\n"), is("it answered HTTP 407")},
		{"redirects", "http", answering("HTTP/1.1 302 Found\r\nLocation: https://" + proxiedAPI +
			"/\r\n\r\n"), is("it answered HTTP 302")},
		{"refuses with hostile text", "http", answering("HTTP/1.1 502 \x1b]0;x\x07\u202e\r\n" +
			"Content-Length: 5\r\n\r\n\x1b[2J\n"), is("it answered HTTP 502")},
		{"answers with another 2xx", "http", answering("HTTP/1.1 204 No Content\r\n\r\n"),
			is("it answered HTTP 204")},
		{"hangs up", "http", answering(""), is(hungUp)},
		{"hangs up in the head", "http", answering(okLine), is(hungUp)},
		{"does not speak HTTP", "http", answering("SSH-2.0-\x1b[31mOpenSSH\r\n"), notAProxy},
		{"reflects the password as the status", "http",
			answering("HTTP/1.1 " + password + "\r\n\r\n"), notAProxy},
		{"reflects the password in a header", "http",
			answering(okLine + password + "\r\n\r\n"), notAProxy},
		{"does not speak TLS", "https", afterHello("HTTP/1.1 400 No\r\n\r\n"), is(notTLS)},
		{"sends an alert", "https", afterHello(alert), notAProxy},
		{"has a certificate that is not trusted", "https", overTLS(untrusted, hello),
			is(unknownAuthority)},
		{"does not speak SOCKS", "socks5", afterHello("HTTP/1.1 400 No\r\n\r\n"), notAProxy},
		{"reflects the password instead of TLS", "http",
			beginning(okLine+"\r\n", afterHello(password)), insecure(proxiedAPI, notTLS, tlsHint)},
		{"leads nowhere", "http", beginning(okLine+"\r\n", hello), // unread, it would make a reset
			insecure(proxiedAPI, hungUp, tlsHint)},
	}
}

// TestAProxyThatFailsIsNamed names it without its password, and shows nothing of what it sends.
func TestAProxyThatFailsIsNamed(t *testing.T) {
	t.Parallel()
	for _, test := range failingProxies(newAuthority(t).good()) {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := newRawServer(t, test.serve)
			test.want.message = strings.Replace(test.want.message, "PROXY",
				test.scheme+"://"+server.host, 1)
			wantProxied(t, test.want, "HTTPS_PROXY", test.scheme+"://ana:hunter2@"+server.host)
			if n := server.connections.Load(); n != 2 {
				t.Errorf("%d connections for two commands", n)
			}
		})
	}
	closed, refused := closedPort(t)
	wantProxied(t, wrong{"network.proxy", "cannot connect to " + proxiedAPI +
		" through the proxy http://" + closed + ": " + refused,
		"check the proxy in HTTPS_PROXY", 0}, "HTTPS_PROXY", "http://ana:hunter2@"+closed)
}

// TestABadProxyVariableIsAUsageError covers values that net/http would ignore, or whose password it
// would take for a port.
func TestABadProxyVariableIsAUsageError(t *testing.T) {
	t.Parallel()
	bad := func(variable string) wrong {
		return wrong{"usage.proxy", variable + " is not a valid proxy URL",
			"set " + variable + " to a URL such as http://proxy.example:3128", 0}
	}
	for _, value := range []string{"http://ana:hunt%er2@proxy.example",
		"http://ana:12#hunter2@proxy.example:3128", "http://ana:12/hunter2@proxy.example",
		"ana:12?hunter2@proxy.example", "http://:3128", "ftp://proxy.example", "file:///proxy",
		"://", "http://proxy.example:port", " ", " http://proxy.example",
		"http://proxy.example\n", "http://proxy.example:0", "proxy.example:65536", ":::",
		"http://" + testKey + ":1"} {
		s := newShell(t, nil).with("MICROTICA_TOKEN", testKey,
			"MICROTICA_API_URL", "https://"+proxiedAPI, "HTTPS_PROXY", value)
		s.wantError(bad("HTTPS_PROXY"), "project", "list")
	}
	for _, value := range []string{"", "http://127.0.0.1:1", "127.0.0.1:1/", "proxy.example",
		"ana:hunter2@proxy.example:3128", "https://ana@proxy.example", "socks5://[::1]:1080",
		"socks5h://proxy.example", "HTTP://proxy.example/"} {
		if !usableProxy(value) {
			t.Errorf("%q is a usable proxy", value)
		}
	}
	_, plain := newUser(t) // needs no proxy
	plain.with("HTTPS_PROXY", ":::").want(result{projectTable, "", 0}, "project", "list")
	wantProxied(t, bad("HTTPS_PROXY"), "HTTPS_PROXY", "http://ana:hunter2@[::1")
	if !onWindows { // has one variable, whatever the case
		wantProxied(t, bad("https_proxy"), "https_proxy", "http://ana:hunter2@[::1")
	}
}

// TestASignalEndsARequest sends one while a command waits for an answer, within it, or before it
// asks again. (The torture suite sends it to the binary.)
func TestASignalEndsARequest(t *testing.T) {
	t.Parallel()
	const refusal = "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"
	const wait = "HTTP/1.1 503 Wait\r\nContent-Length: 0\r\nRetry-After: "
	for _, test := range []struct {
		args    string
		answers []string // the last does not end
	}{
		{"project list", []string{""}},
		{"project list --quiet", []string{wait + "8\r\n\r\n"}},
		{"project list --quiet", []string{wait + "0\r\n\r\n", ""}},
		{"env list --project 5f1c", []string{okLine + "\r\n["}},
		{"whoami", []string{""}},
		{"whoami", []string{refusal, ""}},
		{"login", []string{refusal, ""}},
	} {
		ctx, cancel := context.WithCancelCause(context.Background())
		var requests atomic.Int32
		server := newRawServer(t, func(conn net.Conn) {
			readHead(conn)
			n := min(int(requests.Add(1)), len(test.answers))
			io.WriteString(conn, test.answers[n-1])
			if n == len(test.answers) {
				time.Sleep(20 * time.Millisecond) // until the answer has arrived
				cancel(interrupted(int(syscall.SIGTERM)))
				silent(conn)
			}
		})
		s := newShell(t, nil).save(otherKey).with("MICROTICA_API_URL", "http://"+server.host)
		s.stdin = testKey
		var output bytes.Buffer
		a := s.app()
		a.stdout, a.stderr = &output, &output
		a.after = time.After
		start := time.Now()
		code := a.run(ctx, strings.Fields(test.args))
		took := time.Since(start)
		if output.String() != "error: interrupted\n" || code != 143 || took > 5*time.Second {
			t.Errorf("%s: exit %d after %v\n%s", test.args, code, took, &output)
		}
		s.wantStored(otherKey)
	}
}
