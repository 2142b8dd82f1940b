package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// receive returns the next value from ch, or fails the test.
func receive[T any](t testing.TB, ch <-chan T) (value T) {
	t.Helper()
	select {
	case value = <-ch:
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came in 20 seconds")
	}
	return value
}

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
// as many tries, with a note before each wait.
func (s *shell) wantTried(tries int, w wrong, args ...string) {
	s.t.Helper()
	last := w
	if tries > 1 {
		last.message += fmt.Sprintf(" (tried %d times)", tries)
	}
	for _, asJSON := range []bool{false, true} {
		s.waits = nil
		line := inForm(asJSON, args...)
		got, want := s.run(line...), last.fails("", asJSON)
		want.stderr = s.retryNotes(w.message, asJSON) + want.stderr
		if got != want || len(s.waits) != tries-1 {
			s.t.Errorf("microtica %s, waits %v\n got %s\nwant %s, %d tries",
				strings.Join(line, " "), s.waits, got, want, tries)
		}
	}
}

// TestARequestHasWhatTheAPINeeds compares a whole request.
func TestARequestHasWhatTheAPINeeds(t *testing.T) {
	t.Parallel()
	heads := make(chan string, 1)
	server := newRawServer(t, func(conn net.Conn) {
		heads <- readHead(conn)
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")
	})
	newRawShell(t, server).want(result{"[]\n", "", 0}, "project", "list", "--json", "--quiet")
	got := strings.Split(strings.TrimSpace(receive(t, heads)), "\r\n")
	slices.Sort(got[1:])
	want := []string{"GET /projects HTTP/1.1", "Accept: application/json", "Connection: close",
		"Host: " + server.host, "User-Agent: microtica/dev (", "X-Microtica-Api-Key: " + testKey}
	if !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Errorf("the request is %q", got)
	}
}

// TestABaseURLIsAnAddressAndAPrefix covers the ways to write a good one.
func TestABaseURLIsAnAddressAndAPrefix(t *testing.T) {
	t.Parallel()
	heads := make(chan string, 1)
	server := newRawServer(t, func(conn net.Conn) {
		line, _, _ := strings.Cut(readHead(conn), " HTTP/")
		heads <- line
		io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n[]")
	})
	port := server.host[strings.Index(server.host, ":"):]
	for _, test := range []struct{ url, path string }{
		{"http://127.0.0.1" + port, ""},
		{"http://127.0.0.1" + port + "/", ""},
		{"http://127.0.0.1" + port + "///", ""},
		{"HTTP://LocalHost" + port + "/V1", "/V1"},
		{"http://127.0.0.1" + port + "/gateway/v1", "/gateway/v1"},
		{"http://127.0.0.1" + port + "/gateway/v1/", "/gateway/v1"},
		{"http://127.0.0.1" + port + "/a%2Fb/%C3%BC", "/a%2Fb/%C3%BC"},
		{"http://127.0.0.1" + port + "/a%2F/", "/a%2F"},
		{"http://127.0.0.1" + port + "/ü", "/%C3%BC"},
		{"http://[::ffff:127.0.0.1]" + port, ""},
	} {
		s := newShell(t, nil).with("MICROTICA_TOKEN", testKey, "MICROTICA_API_URL", test.url)
		s.want(result{"ID  NAME\n", "", 0}, "project", "list", "--quiet")
		if t.Failed() {
			t.Fatalf("%s: no request", test.url)
		}
		if got := receive(t, heads); got != "GET "+test.path+"/projects" {
			t.Errorf("%s: %s", test.url, got)
		}
	}
}

// badBaseURLs are refused, by the reason; PORT is one where a server listens.
var badBaseURLs = map[string][]string{
	"does not start with https://": {
		"canary.example", "canary.example/v1", "//canary.example", "/canary",
		"ftp://canary.example", "httpss://canary.example", "file:///canary", "localhost:8080",
		"canary:hunter2@localhost",
	},
	"cannot be parsed": {
		"https://canary.example/%zz", "https://canary example", "https://canary.example:port",
		"https://canary.example:-1", "https://canary.example\n/", "https://[::1",
		"https://can\x1b[31mary.example", "https://ana:hunter2canary@[::1",
	},
	"has no valid host and port": {
		"https:", "https:canary.example", "https://", "https:///canary", "https://:443/canary",
		"https://canary.example:0", "https://canary.example:65536",
		"https://canary.example:99999999999999999999",
		"https://canary.example:1:2", "https://canary.example:65s:",
	},
	"has a user name, a password, a query or a fragment": {
		"https://canary@canary.example", "https://ana:hunter2canary@canary.example",
		"http://ana:hunter2canary@127.0.0.1:PORT", "https://@canary.example",
		"https://canary.example?", "https://canary.example/?token=canary",
		"http://127.0.0.1:PORT/#", "http://127.0.0.1:PORT/#canary",
	},
	"contains what looks like a key": {
		"https://canary.example/mic_d60bea1d_canary", "https://canary.example/%6dic_a_canary"},
	"would send the key unencrypted: http is for a loopback host only": {
		"http://localho\u017ft", "http://canary.example", "HTTP://canary.example",
		"http://10.0.0.1", "http://0.0.0.0:PORT", "http://[::]:PORT",
		"http://127.0.0.1.canary.example:PORT", "http://localhost.canary.example:PORT",
		"http://127.1:PORT", "http://2130706433:PORT",
	},
}

// TestABadBaseURLIsRefusedBeforeAnyConnection covers what is no base URL. Nothing of it is shown.
func TestABadBaseURLIsRefusedBeforeAnyConnection(t *testing.T) {
	t.Parallel()
	server := newRawServer(t, func(net.Conn) {})
	_, port, _ := net.SplitHostPort(server.host)
	for why, urls := range badBaseURLs {
		for _, url := range urls {
			url = strings.ReplaceAll(url, "PORT", port)
			s := newShell(t, nil).with("MICROTICA_TOKEN", testKey, "MICROTICA_API_URL", url)
			want := wrong{"usage.url", "MICROTICA_API_URL " + why,
				"set MICROTICA_API_URL to a base URL such as https://api.microtica.com", 0}
			s.wantError(want, "project", "list")
			s.wantError(want, "whoami")
			s.wantError(want, "login")
			if t.Failed() {
				t.Fatalf("with %q", url)
			}
		}
	}
	if n := server.connections.Load(); n != 0 {
		t.Errorf("%d connections were made", n)
	}
}

// TestATransientFailureIsRepeated covers what is repeated, after which waits. (The notes, and the
// failures that last, are in TestEveryStatusHasItsError and in answerRows.)
func TestATransientFailureIsRepeated(t *testing.T) {
	t.Parallel()
	ok := reply(200, projectsBody)
	reset := func(w http.ResponseWriter, _ *http.Request) {
		if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
			conn.(*net.TCPConn).SetLinger(0)
			conn.Close()
		}
	}
	const rejected = "error: the API rejected key mic_d60bea1d from MICROTICA_TOKEN (HTTP 401)"
	for _, test := range []struct {
		name   string
		answer http.HandlerFunc
		tries  int
		last   string // the error, where it fails
	}{
		{"429, then well", inTurn(reply(429, ""), ok), 2, ""},
		{"502 and 504, then well", inTurn(reply(502, ""), reply(504, "<html>"), ok), 3, ""},
		{"503, then rejected", inTurn(reply(503, ""), reply(401, "")), 2, rejected},
		{"503, then 500", inTurn(reply(503, ""), reply(500, "")), 2,
			"error: the API failed (HTTP 500)"},
		{"a hang-up, then well", inTurn(hangUp, ok), 2, ""},
		{"a reset and a 503, then well", inTurn(reset, reply(503, ""), ok), 3, ""},
	} {
		api := newFakeAPI(t)
		api.answer("/projects", test.answer)
		s := newShell(t, api).with("MICROTICA_TOKEN", testKey)
		got := s.run("project", "list")
		notes, failed := strings.Count(got.stderr, "note: "), ""
		if test.last != "" {
			failed = test.last + " (tried 2 times)"
		}
		if (got.stdout == "") != (failed != "") || notes != test.tries-1 ||
			strings.Split(got.stderr, "\n")[notes] != failed {
			t.Errorf("%s: %s", test.name, got)
		}
		if seen := len(strings.Fields(api.seen())); seen != test.tries || len(s.waits) != seen-1 {
			t.Errorf("%s: %d requests, waits %v", test.name, seen, s.waits)
		}
		for i, wait := range s.waits {
			if least := 500 * time.Millisecond << i; wait < least || wait > least+least/4 {
				t.Errorf("%s: wait %d is %v", test.name, i+1, wait)
			}
		}
	}
}

// retryAfterNow is what the clock says when a Retry-After comes.
var retryAfterNow = time.Date(2026, 9, 23, 9, 7, 0, 300_000_000, time.UTC)

// inSeconds returns the date so many seconds later, as HTTP writes it.
func inSeconds(n int) string {
	return retryAfterNow.Add(time.Duration(n) * time.Second).Format(http.TimeFormat)
}

// retryAfters are values of the header, by the seconds that they ask for; -1 for what makes no
// sense.
var retryAfters = map[int][]string{
	1:          {"1"},
	7:          {" 007 "},
	30:         {"30", inSeconds(30)},
	0:          {"0", inSeconds(0)},
	5:          {inSeconds(5)},
	9:          {retryAfterNow.Add(9 * time.Second).Format(time.RFC850)},
	31:         {inSeconds(31), "31"},
	1000000000: {"10000000000", "99999999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"},
	-1: {
		"-1", "-99999999999999999999999", "99999999999999999999x", "+5", "1.5", "1e3", "5, 6",
		"soon", "", inSeconds(-1), inSeconds(-60), "2026-09-23T09:07:05Z",
	},
}

// TestRetryAfterIsObeyedWithinReason sends each with a 503 that lasts. Where it makes no sense, the
// waits are the program's own. Then it sends what is not waited for: because it does not fit into
// the time that is left, or because the status is not one that is repeated.
func TestRetryAfterIsObeyedWithinReason(t *testing.T) {
	t.Parallel()
	const limit = time.Minute
	const busy = "the API failed (HTTP 503)"
	for seconds, values := range retryAfters {
		tries := 3
		if seconds > 30 {
			tries = 1
		}
		for _, value := range values {
			wantAfter(t, limit, value, seconds, tries,
				wrong{"api.server", busy, "try again later", 503})
		}
	}
	wantAfter(t, 3*time.Second, "20", 20, 1,
		wrong{"api.rate_limited", "rate limited by the API (HTTP 429)", "", 429})
	wantAfter(t, limit, "20", 20, 1, wrong{"api.server", "the API failed (HTTP 500)", "", 500})
	wantAfter(t, limit, "20", -1, 1,
		wrong{"api.refused", "the API refused the request for the projects (HTTP 400)", "", 400})
}

// wantAfter runs a command whose API answers with w's status and that Retry-After, which asks for
// so many seconds. It must fail with w, the wait in its hint, after as many tries.
func wantAfter(t *testing.T, limit time.Duration, value string, seconds, tries int, w wrong) {
	t.Helper()
	api := newFakeAPI(t)
	api.answer("/projects", reply(w.status, "", "Retry-After", value))
	field, first := `"retryAfter":null`, w.message
	if seconds >= 0 {
		field = fmt.Sprintf(`"retryAfter":%d`, seconds)
	}
	if seconds > 0 {
		w.hint = fmt.Sprintf("try again in %d seconds, as the API asks", seconds)
	}
	if tries > 1 {
		w.message += fmt.Sprintf(" (tried %d times)", tries)
	}
	for _, asJSON := range []bool{false, true} {
		s := newShell(t, api).with("MICROTICA_TOKEN", testKey)
		s.now, s.apiLimit = retryAfterNow, limit
		got := s.run(inForm(asJSON, "project", "list")...)
		want := w.fails("", asJSON)
		want.stderr = s.retryNotes(first, asJSON) +
			strings.Replace(want.stderr, `"retryAfter":null`, field, 1)
		if seen := len(strings.Fields(api.seen())); got != want || seen != tries {
			t.Errorf("Retry-After %q: %d requests\n got %s\nwant %s", value, seen, got, want)
		}
		for _, wait := range s.waits {
			if seconds >= 0 && wait != time.Duration(seconds)*time.Second {
				t.Errorf("Retry-After %q: waits %v", value, s.waits)
			}
		}
	}
}

// TestASlowAnswerIsAnnouncedAtATerminal waits for the note, which comes once a command: the second
// request is as slow as the first.
func TestASlowAnswerIsAnnouncedAtATerminal(t *testing.T) {
	t.Parallel()
	slowly := func(h http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(400 * time.Millisecond)
			h(w, r)
		}
	}
	api := newFakeAPI(t)
	api.answer("/projects", slowly(reply(403, "")))
	api.answer("/me", slowly(reply(200, meBody)))
	for _, test := range []struct {
		args       string
		onTerminal bool
		patience   time.Duration
		said       bool
	}{
		{"whoami", true, 20 * time.Millisecond, true},
		{"whoami --json", true, 20 * time.Millisecond, true},
		{"whoami", true, time.Minute, false},
		{"whoami --quiet", true, 20 * time.Millisecond, false},
		{"whoami", false, 20 * time.Millisecond, false},
	} {
		s := newShell(t, api).with("MICROTICA_TOKEN", testKey)
		s.onTerminal, s.patience = test.onTerminal, test.patience
		asJSON, want := strings.HasSuffix(test.args, "--json"), ""
		if test.said {
			want = notice("note", "api.wait", "waiting for "+api.host()+", 10 s at most", asJSON)
		}
		if !strings.HasSuffix(test.args, "--quiet") {
			want += notice("note", "key.limited", limitedKey, asJSON)
		}
		if got := s.run(strings.Fields(test.args)...); got.stderr != want || got.code != 0 {
			t.Errorf("%v: got %s\nwant %q", test, got, want)
		}
	}
}

// timeout is the error for an answer that does not come within the shell's limit of 0.2 s.
func timeout(host string) wrong {
	return wrong{"network.timeout", "no answer from " + host + " after 0.2 s",
		"check the network, or try again later", 0}
}

// drip sends text again and again, slowly.
func drip(conn net.Conn, text string) {
	for {
		time.Sleep(10 * time.Millisecond)
		if _, err := io.WriteString(conn, text); err != nil {
			return
		}
	}
}

// TestLoginWaitsForBothRequestsTogether is about a silent API: the key is saved, unchecked. The
// note at a terminal names login's own limit.
func TestLoginWaitsForBothRequestsTogether(t *testing.T) {
	t.Parallel()
	for _, request := range []string{"/projects", "/me"} {
		t.Run(request[1:], func(t *testing.T) {
			t.Parallel()
			api := newFakeAPI(t)
			api.answer("/projects", func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(1500 * time.Millisecond)
				reply(403, "")(w, r)
			})
			api.answer(request, silence)
			s := newShell(t, api).save(otherKey)
			s.stdin, s.verifyLimit = testKey, 2*time.Second
			s.onTerminal, s.patience = true, 50*time.Millisecond
			start := time.Now()
			got := s.run("login")
			took := time.Since(start)
			host, saved := api.host(), "Saved API key mic_d60bea1d to "+s.credentials()+"\n"
			if got.code != 0 || got.stdout != saved ||
				!strings.HasPrefix(got.stderr, "note: waiting for "+host+", 2 s at most\n"+
					"warning: the key was not checked: ") ||
				!strings.Contains(got.stderr, "no answer from "+host+" after 2 s;") {
				t.Error(got)
			}
			if took < 2*time.Second || took > 3*time.Second {
				t.Errorf("it took %v", took)
			}
			s.wantStored(testKey + "\n")
		})
	}
}

// closedPort returns an address on loopback where nothing listens, and what connecting to it fails
// with on this system.
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
	_, why, found := strings.Cut(err.Error(), l.Addr().String()+": ")
	if !found {
		t.Fatal(err)
	}
	return l.Addr().String(), why
}

// TestARefusedConnectionIsNotRepeated covers every command that needs the API.
func TestARefusedConnectionIsNotRepeated(t *testing.T) {
	t.Parallel()
	host, why := closedPort(t)
	for _, scheme := range []string{"http://", "https://"} {
		s := newShell(t, nil).with("MICROTICA_TOKEN", testKey, "MICROTICA_API_URL", scheme+host)
		refused := wrong{"network.connect", "cannot connect to " + host + ": " + why,
			connectHint, 0}
		s.wantError(refused, "project", "list")
		s.wantError(refused, "env", "list", "--project", "5f1c")
		s.wantError(refused, "api", "projects")
		s.want(refused.fails(reportOf("false", "unknown"), false), "whoami")
		s.want(result{"Saved API key mic_0ther to " + s.credentials() + "\n",
			"warning: " + unchecked(refused.message) +
				"\nwarning: MICROTICA_TOKEN is set and overrides the key just saved\n", 0},
			"login", "--token", otherKey)
		if s.waits != nil {
			t.Errorf("waited %v", s.waits)
		}
	}
}

// TestAnUnknownHostIsADNSError asks for a name that cannot exist (RFC 6761). Without a name server
// that may take until the limit.
func TestAnUnknownHostIsADNSError(t *testing.T) {
	t.Parallel()
	const host = "api.microtica.invalid"
	s := newShell(t, nil).with("MICROTICA_TOKEN", testKey,
		"MICROTICA_API_URL", "https://"+host+":8443/v1")
	s.apiLimit = 200 * time.Millisecond
	got := s.run("project", "list")
	if got == timeout(host+":8443").fails("", false) {
		t.Skip("no name server answers here")
	}
	line, _, _ := strings.Cut(got.stderr, "\n")
	why, found := strings.CutPrefix(line, "error: cannot resolve "+host+": ")
	want := wrong{"network.dns", "cannot resolve " + host + ": " + why, connectHint, 0}
	if got != want.fails("", false) || !found || s.waits != nil {
		t.Errorf("%s, waited %v", got, s.waits)
	}
}

// TestLocalhostIsThisMachine listens on one loopback address at a time: neither is looked up, and
// the port of the other may be closed.
func TestLocalhostIsThisMachine(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Logf("SKIPPED: %v", err)
			continue
		}
		defer l.Close()
		_, port, _ := net.SplitHostPort(l.Addr().String())
		conn, err := dial(context.Background(), "tcp", "localhost:"+port)
		if err != nil {
			t.Error(err)
			continue
		}
		if conn.RemoteAddr().String() != l.Addr().String() {
			t.Errorf("localhost is %v, want %v", conn.RemoteAddr(), l.Addr())
		}
		conn.Close()
	}
	closed, _ := closedPort(t)
	_, port, _ := net.SplitHostPort(closed)
	_, err := dial(context.Background(), "tcp", "localhost:"+port)
	var operation *net.OpError
	if !errors.As(err, &operation) || operation.Addr.String() != closed {
		t.Errorf("nothing listens, and it says %v", err)
	}
}

// TestWhyANetworkFailed covers errors that no test can provoke: of the name service, of the
// system's own time-out, at the default host.
func TestWhyANetworkFailed(t *testing.T) {
	t.Parallel()
	c := &client{base: &url.URL{Scheme: "https", Host: "api.microtica.com"}, key: key{new(string)},
		limit: time.Minute}
	*c.key.secret = testKey
	const assumed = ": the default, https://api.microtica.com, is an assumption"
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	ended, end := context.WithTimeout(context.Background(), 0)
	defer end()
	dns := func(why string) wrong {
		return wrong{"network.dns", "cannot resolve api.microtica.com: " + why,
			connectHint + assumed, 0}
	}
	late := wrong{"network.timeout", "no answer from api.microtica.com after 7 s",
		"check the network, or try again later" + assumed, 0}
	tenths := regexp.MustCompile(`(after 7)\.\d s`) // on a busy machine
	bad := badAnswer("api.microtica.com", cut, 0)
	bad.hint += assumed
	for _, test := range []struct {
		ctx      context.Context
		err      error
		progress int32
		want     wrong
	}{
		{nil, dial(&net.DNSError{Err: "no such host", IsNotFound: true}), connecting,
			dns("lookup : no such host")},
		{nil, dial(&net.DNSError{Err: "server mis\x1bbehaving"}), connecting,
			dns(`lookup : server mis\x1bbehaving`)},
		{nil, dial(&net.DNSError{Err: "i/o timeout", IsTimeout: true}), connecting, late},
		{nil, dial(os.ErrDeadlineExceeded), connecting, late},
		{ended, context.DeadlineExceeded, connecting, late},
		{ended, context.DeadlineExceeded, answered, late},
		{nil, dial(errors.New("network is unreachable")), connecting, wrong{"network.connect",
			"cannot connect to api.microtica.com: network is unreachable",
			connectHint + assumed, 0}},
		{nil, io.ErrUnexpectedEOF, answered, bad},
	} {
		if test.ctx == nil {
			test.ctx = context.Background()
		}
		var stderr bytes.Buffer
		c.began = time.Now().Add(-7 * time.Second)
		code := printError(&stderr, true, c.unreachable(test.ctx, test.err, test.progress))
		got := result{"", tenths.ReplaceAllString(stderr.String(), "$1 s"), code}
		if want := test.want.fails("", true); got != want {
			t.Errorf("%v\n got %s\nwant %s", test.err, got, want)
		}
	}
}

// failingServer is a server that fails in its own way, and the error for it, with HOST for where it
// listens.
type failingServer struct {
	name  string
	serve func(net.Conn)
	want  wrong
}

// brokenAnswers are bytes that no server should send.
func brokenAnswers() []failingServer {
	const head = "HTTP/1.1 200 OK\r\n"
	const chunked = head + "Transfer-Encoding: chunked\r\n\r\n"
	const tooLarge = "it is larger than 32 MiB"
	long := strings.Repeat("x", 1<<20)
	early := strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", 20000)
	var servers []failingServer
	for _, test := range []struct{ name, answer, why string }{
		{"no content", "HTTP/1.1 204 No Content\r\n\r\n", notJSON},
		{"a length and nothing", head + "Content-Length: 0\r\n\r\n", notJSON},
		{"cut", head + "Content-Length: 3\r\n\r\n[]", cut},
		{"cut in the head", head + "Content-", cut},
		{"cut in the status", "HTT", cut},
		{"an error cut", "HTTP/1.1 401 No\r\nContent-Length: 30\r\n\r\n{}", cut},
		{"two lengths", head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n[]", cut},
		{"a negative length", head + "Content-Length: -2\r\n\r\n[]", cut},
		{"a huge length", head + "Content-Length: 9223372036854775807\r\n\r\n[]", cut},
		{"a length that overflows", head + "Content-Length: 92233720368547758070\r\n\r\n[]", cut},
		{"chunks cut", chunked + "2\r\n[]\r\n", cut},
		{"a chunk cut", chunked + "20\r\n[]", cut},
		{"a malformed chunk", chunked + "zz\r\n[]\r\n0\r\n\r\n", cut},
		{"a chunk of another length", chunked + "1\r\n[]\r\n0\r\n\r\n", cut},
		{"a huge chunk", chunked + "ffffffffffffffffffff\r\n[]", cut},
		{"an unknown encoding of the transfer", head + "Transfer-Encoding: gzip\r\n\r\n[]", cut},
		{"32 MiB and one, with a length", head + "Content-Length: 33554433\r\n\r\n" +
			strings.Repeat(" ", 32<<20-1) + "[]", tooLarge},
		{"33 MiB, without a length", head + "\r\n" + strings.Repeat(long, 33), tooLarge},
		{"33 MiB in chunks", chunked + strings.Repeat("100000\r\n"+long+"\r\n", 33), tooLarge},
		{"an error of 33 MiB", "HTTP/1.1 500 No\r\n\r\n" + strings.Repeat(long, 33), tooLarge},
		{"a header of 70 KB", head + "X: " + strings.Repeat("x", 70000) + "\r\n\r\n[]", cut},
		{"many headers", head + strings.Repeat("X: y\r\n", 20000) + "\r\n[]", cut},
		{"an endless status", "HTTP/1.1 200 " + long, cut},
		{"a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n[]", cut},
		{"a status of two digits", "HTTP/1.1 20 OK\r\n\r\n[]", cut},
		{"no status", "HTTP/1.1 OK\r\n\r\n[]", cut},
		{"an old answer without a head", "[]\n", cut},
		{"another version", "HTTP/9.9.9 200 OK\r\n\r\n[]", cut},
		{"a control byte in a header", head + "X: a\x1b[31m\r\nContent-Length: 2\r\n\r\n[]", cut},
		{"a header without a name", head + ": x\r\nContent-Length: 2\r\n\r\n[]", cut},
		{"gzip unasked", head + "Content-Encoding: gzip\r\nContent-Length: 6\r\n\r\n" +
			"\x1f\x8b\x08\x00\x00\x00", notJSON},
		{"1xx without end", early, cut},
		{"100 and no more", "HTTP/1.1 100 Continue\r\n\r\n", cut},
		{"a banner", "SSH-2.0-OpenSSH_9.6\x1b[2J\r\n", cut},
		{"a TLS alert", "\x15\x03\x01\x00\x02\x02\x46", cut},
	} {
		servers = append(servers,
			failingServer{test.name, answering(test.answer), badAnswer("HOST", test.why, 0)})
	}
	for text, status := range map[string]int{"000": 0, "099": 99, "101": 101} {
		servers = append(servers, failingServer{"status " + text,
			answering("HTTP/1.1 " + text + " No\r\n\r\n"),
			badAnswer("HOST", fmt.Sprintf("its status is unexpected (HTTP %d)", status), status)})
	}
	return servers
}

// hello reads what a client says first.
func hello(conn net.Conn) { conn.Read(make([]byte, 4096)) }

// afterHello returns what reads that, then sends text.
func afterHello(text string) func(net.Conn) {
	return func(conn net.Conn) {
		hello(conn)
		io.WriteString(conn, text)
	}
}

// lateServers do not end their answers. A 101 is one, but its body would be the open connection.
func lateServers() []failingServer {
	late := timeout("HOST")
	drips := func(head, text string) func(net.Conn) {
		return beginning(head, func(conn net.Conn) { drip(conn, text) })
	}
	return []failingServer{
		{"silence", silent, late},
		{"silence in the place of TLS", silent, late},
		{"a head that drips", drips(okLine+"X: ", "x"), late},
		{"a body that drips", drips(okLine+"\r\n[", " "), late},
		{"hints that drip", drips("", "HTTP/1.1 102 Processing\r\n\r\n"), late},
		{"a switch of protocols", beginning("HTTP/1.1 101 Switching Protocols\r\n"+
			"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n", silent),
			badAnswer("HOST", "its status is unexpected (HTTP 101)", 101)},
	}
}

// otherProtocols are servers on an https port that do not speak TLS, or not to the end.
func otherProtocols() []failingServer {
	is := func(why string) wrong { return insecure("HOST", why, tlsHint) }
	const noTLS = "tls: first record does not look like a TLS handshake"
	return []failingServer{
		{"plain HTTP", afterHello("HTTP/1.1 400 Bad Request\r\n\r\n"), is(noTLS)},
		{"SSH", func(conn net.Conn) {
			io.WriteString(conn, "SSH-2.0-OpenSSH_9.6\r\n")
			hello(conn)
		}, is(noTLS)},
		{"a hang-up", hello, is("the connection was closed")},
		{"a hang-up within the handshake", afterHello("\x16\x03\x03\x00\x64\x02"),
			is("the connection was closed")},
		{"an alert", afterHello("\x15\x03\x03\x00\x02\x02\x28"), is("tls: handshake failure")},
	}
}

// TestAServerThatFailsIsAskedOnce goes through all of them. What has begun is never asked for
// again, and neither is what took all the time or what cannot be trusted.
func TestAServerThatFailsIsAskedOnce(t *testing.T) {
	t.Parallel()
	for _, test := range slices.Concat(brokenAnswers(), otherProtocols(), lateServers()) {
		server := newRawServer(t, test.serve)
		s := newRawShell(t, server)
		if test.want.code == "network.tls" || strings.HasSuffix(test.name, "TLS") {
			s.with("MICROTICA_API_URL", "https://"+server.host)
		}
		if test.want.code == "network.timeout" {
			s.apiLimit = 200 * time.Millisecond
		}
		start := time.Now()
		test.want.message = strings.Replace(test.want.message, "HOST", server.host, 1)
		s.wantError(test.want, "project", "list")
		n, took := server.connections.Load(), time.Since(start)
		if n != 2 || s.waits != nil || took > 9*time.Second { // without the limit's help
			t.Errorf("%d requests in %v for two commands", n, took)
		}
		if t.Failed() {
			t.Fatalf("with %s", test.name)
		}
	}
}

// TestAnOddAnswerMayStillBeTheAPIs is the other side: what HTTP allows.
func TestAnOddAnswerMayStillBeTheAPIs(t *testing.T) {
	t.Parallel()
	const ok = "HTTP/1.1 200 OK\r\n"
	for _, answer := range []string{
		"HTTP/1.0 200\r\n\r\n[]",
		"HTTP/1.1 200 \x1b]0;title\x07\u202e\r\nContent-Length: 2\r\n\r\n[]",
		"HTTP/1.1 299 X\nContent-Length: 2\n\n[] and more",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" +
			ok + "Content-Length: 2\r\n\r\n[]",
		ok + "Transfer-Encoding: chunked\r\n\r\n1;x=y\r\n[\r\n1\r\n]\r\n0\r\nTrailer: x\r\n\r\n",
		ok + "X: " + strings.Repeat("x", 60000) + "\r\n\r\n[]",
		ok + "Content-Length: 33554432\r\n\r\n[" + strings.Repeat(" ", 32<<20-2) + "]",
		ok + "\r\n[" + strings.Repeat(" ", 32<<20-2) + "]",
	} {
		server := newRawServer(t, answering(answer))
		newRawShell(t, server).want(result{"[]\n", "", 0}, "project", "list", "--json", "--quiet")
	}
}

// TestRoomForABodyIsMadeOnce reads bodies with and without a length in their head.
func TestRoomForABodyIsMadeOnce(t *testing.T) {
	for _, test := range []struct{ size, length, most int64 }{
		{1000, 1000, 64 << 10},
		{maxBodyBytes, maxBodyBytes, maxBodyBytes + 64<<10},
		{maxBodyBytes, -1, maxBodyBytes + 64<<10},
		{1000, 1 << 60, maxBodyBytes + 64<<10},
	} {
		res := &http.Response{ContentLength: test.length,
			Body: io.NopCloser(io.LimitReader(endlessZeros{}, test.size))}
		n := allocated(func() {
			if body, err := new(client).readBody(res); err != nil || len(body) != int(test.size) {
				t.Errorf("%d bytes are %d: %v", test.size, len(body), err)
			}
		})
		if n > uint64(test.most) {
			t.Errorf("%d bytes of a body with length %d cost %d", test.size, test.length, n)
		}
	}
}

type endlessZeros struct{}

func (endlessZeros) Read(p []byte) (int, error) { return len(p), nil }

// TestABannerIsNotTheAPI is a server of another protocol, which speaks first. Once in a thousand
// times, more often under the race detector, net/http has read that before it expects an answer,
// and says only that the connection ended; then the request is repeated, three times at most.
func TestABannerIsNotTheAPI(t *testing.T) {
	t.Parallel()
	server := newRawServer(t, func(conn net.Conn) {
		io.WriteString(conn, "SSH-2.0-OpenSSH_9.6\r\n")
		readHead(conn)
	})
	for range 5 {
		s, want := newRawShell(t, server), badAnswer(server.host, cut, 0)
		got := s.run("project", "list", "--quiet")
		if s.waits != nil {
			want.message += fmt.Sprintf(" (tried %d times)", 1+len(s.waits))
		}
		closed := wrong{"network.connect", server.host + " closed the connection without " +
			"answering (tried 3 times)", "try again later", 0}
		alwaysEarly := len(s.waits) == 2 && got == closed.fails("", false)
		if got != want.fails("", false) && !alwaysEarly {
			t.Error(got)
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

// with returns the configuration of a server that has that certificate.
func with(certificate tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{certificate}}
}

// TestNoSecureConnection covers certificates that do not hold. No failure is repeated, none sends
// the key.
func TestNoSecureConnection(t *testing.T) {
	t.Parallel()
	needCertFile(t)
	ca, now := newAuthority(t), time.Now()
	old := with(ca.good())
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	named := func(names ...string) *tls.Config { return with(ca.issue(now, nil, names...)) }
	both := []net.IP{net.IPv4(192, 0, 2, 1)}
	const unfit = "tls: failed to verify certificate: x509: "
	notFor := func(names string) string {
		return unfit + "certificate is valid for " + names + ", not localhost"
	}
	for _, test := range []struct {
		config    *tls.Config
		why, hint string
	}{
		{with(ca.good("localhost")), unknownAuthority, installHint},
		{with(ca.issue(now.Add(-2*time.Hour), loopback)), wrongTime, clockHint},
		{with(ca.issue(now.Add(2*time.Hour), loopback)), wrongTime, clockHint},
		{with(ca.issue(now, both, "api.example.test", "*.example.test")),
			notFor("api.example.test, *.example.test"), tlsHint},
		{named(testKey + ".example.test"), notFor("mic_d60bea1d_….example.test"), tlsHint},
		{named(strings.Repeat("a", 400)),
			unfit + "certificate is valid for " + strings.Repeat("a", 300-len(unfit)-25) + "…",
			tlsHint},
		{named(), unfit + "certificate is not valid for any names, but wanted to match localhost",
			tlsHint},
		{old, "tls: protocol version not supported", tlsHint},
	} {
		api := newSecureAPI(t, test.config)
		s := newShell(t, nil).with("MICROTICA_TOKEN", testKey)
		host := strings.Replace(api.host(), "127.0.0.1", "localhost", 1)
		s.with("MICROTICA_API_URL", "https://"+host)
		s.wantError(insecure(host, test.why, test.hint), "project", "list")
		if seen := api.seen(); seen != "" || s.waits != nil {
			t.Errorf("%s: asked for %q, waited %v", test.why, seen, s.waits)
		}
	}
}

// TestPlainHTTPOnAnHTTPSPort is about a server that is asked for http where it speaks TLS, and says
// so in its own way.
func TestPlainHTTPOnAnHTTPSPort(t *testing.T) {
	t.Parallel()
	api := newSecureAPI(t, with(newAuthority(t).good()))
	s := newShell(t, nil)
	s.with("MICROTICA_TOKEN", testKey, "MICROTICA_API_URL", "http://"+api.host())
	s.wantError(wrong{"api.refused",
		"the API refused the request for the projects (HTTP 400)", "", 400}, "project", "list")
}

// TestOnlyHTTP1IsSpoken looks at what a handshake offers, and for the client's preface in the
// binary: a GODEBUG setting makes net/http print what it sends over HTTP/2.
func TestOnlyHTTP1IsSpoken(t *testing.T) {
	t.Parallel()
	offered := make(chan []string, 1)
	config := with(newAuthority(t).good())
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		offered <- hello.SupportedProtos
		return nil, nil
	}
	api := newSecureAPI(t, config)
	newShell(t, api).with("MICROTICA_TOKEN", testKey).run("project", "list")
	if got := receive(t, offered); slices.Contains(got, "h2") {
		t.Errorf("the client offers %q", got)
	}
	program, err := os.ReadFile(builtBinary(t))
	if err != nil || bytes.Contains(program, []byte("PRI * HTTP/2.0")) {
		t.Errorf("the binary speaks HTTP/2, or cannot be read: %v", err)
	}
}

const projectTable = "ID    NAME\n5f1c  shop\n77aa  blog\n"

// TestHTTPSWithAnOwnAuthority runs the binary, for the library reads SSL_CERT_FILE once: what a
// certificate does once its authority is trusted, and hang-ups over TLS, which are repeated before
// an answer and not within one. A server that asks for the client's certificate says so only after
// the handshake.
func TestHTTPSWithAnOwnAuthority(t *testing.T) {
	t.Parallel()
	needCertFile(t)
	ca := newAuthority(t)
	good, wanted := with(ca.good("localhost")), with(ca.good())
	wanted.ClientAuth = tls.RequireAnyClientCert
	ok := reply(200, projectsBody)
	begun := func(w http.ResponseWriter, _ *http.Request) {
		if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-")
			conn.Close()
		}
	}
	const unfit = "tls: failed to verify certificate: " +
		"x509: certificate specifies an incompatible key usage"
	none := filepath.Join(t.TempDir(), "none")
	for _, test := range []struct {
		name, host, file string
		config           *tls.Config
		answer           http.HandlerFunc
		requests         int
		want             wrong // nothing where it works
	}{
		{"an address", "127.0.0.1", ca.file, good, ok, 1, wrong{}},
		{"localhost", "localhost", ca.file, good, ok, 1, wrong{}},
		{"no authorities", "127.0.0.1", none, good, ok, 0,
			insecure("HOST", unknownAuthority, installHint)},
		{"authorities that cannot be read", "127.0.0.1", t.TempDir(), good, ok, 0,
			insecure("HOST", unknownAuthority, installHint)},
		{"expired", "127.0.0.1", ca.file, with(ca.issue(time.Now().Add(-2*time.Hour), loopback)),
			ok, 0, insecure("HOST", wrongTime, clockHint)},
		{"for clients", "127.0.0.1", ca.file, with(ca.clientOnly()), ok, 0,
			insecure("HOST", unfit, tlsHint)},
		{"hang-ups, then well", "127.0.0.1", ca.file, good, inTurn(hangUp, ok), 2, wrong{}},
		{"an answer cut", "127.0.0.1", ca.file, good, begun, 1, badAnswer("HOST", cut, 0)},
		{"a certificate wanted", "127.0.0.1", ca.file, wanted, nil, 0,
			insecure("HOST", "tls: certificate required", tlsHint)},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			api := newSecureAPI(t, test.config.Clone())
			api.answer("/projects", test.answer)
			home, want := t.TempDir(), result{projectTable, "", 0}
			if test.want.code != "" {
				w := test.want
				w.message = strings.Replace(w.message, "HOST", api.host(), 1)
				want = w.fails("", false)
			}
			base := strings.Replace(api.base(), "127.0.0.1", test.host, 1)
			got := process(t, []string{"HOME=" + home, "MICROTICA_TOKEN=" + testKey,
				"MICROTICA_API_URL=" + base, "SSL_CERT_FILE=" + test.file, "SSL_CERT_DIR=" + home},
				"", "project", "list", "--quiet")
			seen := len(strings.Fields(api.seen()))
			if got != want || seen != test.requests {
				t.Errorf("%d requests\n got %s\nwant %s", seen, got, want)
			}
		})
	}
}

// clientOnly returns a certificate that holds now, but for clients.
func (a *authority) clientOnly() tls.Certificate {
	template, err := x509.ParseCertificate(a.good().Certificate[0])
	if err != nil {
		a.t.Fatal(err)
	}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return a.sign(template)
}

// TestAProxyGetsNoKey runs the binary through a proxy, for the library reads the variables once.
func TestAProxyGetsNoKey(t *testing.T) {
	t.Parallel()
	needCertFile(t)
	ca := newAuthority(t)
	api := newSecureAPI(t, with(ca.good("api.example.test")))
	proxy := newRawServer(t, tunnelTo(api.host()))
	env := []string{"HOME=" + t.TempDir(), "MICROTICA_TOKEN=" + testKey, "SSL_CERT_FILE=" + ca.file,
		"HTTPS_PROXY=http://ana:hunter2@" + proxy.host,
		"MICROTICA_API_URL=https://api.example.test" + fakePrefix}
	want := result{projectTable, "", 0}
	if got := process(t, env, "", "project", "list"); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	head, _ := proxy.taken() // and what is encrypted
	if !strings.HasPrefix(head, "CONNECT api.example.test:443 HTTP/1.1\r\n") ||
		!strings.Contains(head, "Proxy-Authorization: Basic YW5hOmh1bnRlcjI=\r\n") ||
		strings.Contains(head, "mic_") {
		t.Errorf("the proxy got %q", head)
	}
	if seen := api.seen(); seen != "/projects" {
		t.Errorf("the API was asked for %q", seen)
	}
}

// TestTheDefaultAddressIsCalledAnAssumption answers in its place, where that is not the API.
func TestTheDefaultAddressIsCalledAnAssumption(t *testing.T) {
	t.Parallel()
	needCertFile(t)
	ca := newAuthority(t)
	const assumed = ": the default, https://api.microtica.com, is an assumption"
	missing := badAnswer("api.microtica.com", "there is no such path (HTTP 404)", 404)
	missing.hint += assumed
	moved := wrong{"api.redirect",
		"the API redirects to www.example.test; redirects are not followed (HTTP 302)",
		"set MICROTICA_API_URL to the API's own address" + assumed, 302}
	for _, test := range []struct {
		answer http.HandlerFunc
		want   wrong
	}{
		{reply(404, ""), missing},
		{reply(302, "", "Location", "https://www.example.test/"), moved},
	} {
		api := unstartedFakeAPI()
		api.Config.Handler = test.answer
		startSecure(t, api, with(ca.good("api.microtica.com")))
		proxy := newRawServer(t, tunnelTo(api.host()))
		env := []string{"HOME=" + t.TempDir(), "MICROTICA_TOKEN=" + testKey,
			"SSL_CERT_FILE=" + ca.file, "HTTPS_PROXY=http://" + proxy.host}
		want := test.want.fails("", true)
		if got := process(t, env, "", "project", "list", "--json"); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	}
}

const proxiedAPI = "api.example.test"

// wantProxied runs the binary with these variables, as it is and with --json: it must fail with
// want.
func wantProxied(t *testing.T, want wrong, variables ...string) {
	t.Helper()
	home := t.TempDir()
	env := append(variables, "HOME="+home, "USERPROFILE="+home, "MICROTICA_TOKEN="+testKey,
		"MICROTICA_API_URL=https://"+proxiedAPI)
	for _, asJSON := range []bool{false, true} {
		got := process(t, env, "", inForm(asJSON, "project", "list")...)
		if want := want.fails("", asJSON); got != want {
			t.Errorf("%s\n got %s\nwant %s", variables, got, want)
		}
	}
}

// through is the error for a proxy that does not lead to the API.
func through(proxy, why string) wrong {
	return wrong{"network.proxy",
		"cannot connect to " + proxiedAPI + " through the proxy " + proxy + ": " + why,
		"check the proxy in HTTPS_PROXY", 0}
}

// TestAProxyThatFailsIsNamed covers what a proxy can do wrong. It is named without its password,
// and nothing of what it sends is shown: it may send the password back.
func TestAProxyThatFailsIsNamed(t *testing.T) {
	t.Parallel()
	const notAProxy, ok = "it does not answer as a proxy does", "HTTP/1.1 200 OK\r\n"
	untrusted := overTLS(newAuthority(t).good(), hello)
	for _, test := range []struct {
		name, scheme string
		serve        func(net.Conn)
		why          string
	}{
		{"a password is needed", "http", answering(
			"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"),
			"it answered HTTP 407"},
		{"hostile text", "http", answering(
			"HTTP/1.1 502 \x1b]0;x\x07\u202e\r\nContent-Length: 5\r\n\r\n\x1b[2J\n"),
			"it answered HTTP 502"},
		{"a hang-up", "http", answering(""), "the connection was closed"},
		{"a hang-up in the head", "http", answering(ok), "the connection was closed"},
		{"no HTTP", "http", answering("SSH-2.0-\x1b[31mOpenSSH\r\n"), notAProxy},
		{"the password in the status", "http",
			answering("HTTP/1.1 Basic YW5hOmh1bnRlcjI=\r\n\r\n"), notAProxy},
		{"the password in a header", "http",
			answering(ok + "Basic YW5hOmh1bnRlcjI=\r\n\r\n"), notAProxy},
		{"another 2xx", "http", answering("HTTP/1.1 204 No Content\r\n\r\n"),
			"it answered HTTP 204"},
		{"a redirect", "http", answering(
			"HTTP/1.1 302 Found\r\nLocation: https://" + proxiedAPI + "/\r\n\r\n"),
			"it answered HTTP 302"},
		{"no TLS", "https", afterHello("HTTP/1.1 400 No\r\n\r\n"), notAProxy},
		{"an alert", "https", afterHello("\x15\x03\x03\x00\x02\x02\x28"), notAProxy},
		{"no SOCKS", "socks5", afterHello("HTTP/1.1 400 No\r\n\r\n"), notAProxy},
		{"a certificate that is not trusted", "https", untrusted, unknownAuthority},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := newRawServer(t, test.serve)
			wantProxied(t, through(test.scheme+"://"+server.host, test.why),
				"HTTPS_PROXY="+test.scheme+"://ana:hunter2@"+server.host)
			if n := server.connections.Load(); n != 2 {
				t.Errorf("%d connections for two commands", n)
			}
		})
	}
	closed, refused := closedPort(t)
	wantProxied(t, through("http://"+closed, refused), "HTTPS_PROXY=http://ana:hunter2@"+closed)
}

// TestAProxyThatLeadsNowhere is about one that hangs up once it should have led to the API.
func TestAProxyThatLeadsNowhere(t *testing.T) {
	t.Parallel()
	server := newRawServer(t, beginning(okLine+"\r\n", hello)) // unread, it would make a reset
	wantProxied(t, insecure(proxiedAPI, "the connection was closed", tlsHint),
		"HTTPS_PROXY="+server.host)
}

// TestAVariableThatIsNoProxyIsAUsageError covers values that net/http would pass over, or take the
// password of for a port.
func TestAVariableThatIsNoProxyIsAUsageError(t *testing.T) {
	t.Parallel()
	bad := func(variable string) wrong {
		return wrong{"usage.proxy", variable + " is not a valid proxy URL",
			"set " + variable + " to a URL such as http://proxy.example:3128", 0}
	}
	for _, value := range []string{"http://ana:hunt%er2@proxy.example",
		"http://ana:12#hunter2@proxy.example:3128", "http://ana:12/hunter2@proxy.example",
		"ana:12?hunter2@proxy.example", "http://", "http://:3128", "ftp://proxy.example",
		"file:///proxy", "\x1b[31m", "http://proxy.example:port", "http:// proxy.example", "://",
		" ", " http://proxy.example", "http://proxy.example\n", "http://proxy.example:0",
		"proxy.example:65536", ":::", "http://" + testKey + ":1"} {
		s := newShell(t, nil).with("MICROTICA_TOKEN", testKey,
			"MICROTICA_API_URL", "https://"+proxiedAPI, "HTTPS_PROXY", value)
		s.wantError(bad("HTTPS_PROXY"), "project", "list")
	}
	for _, value := range []string{"", "http://127.0.0.1:1", "127.0.0.1:1/", "proxy.example",
		"ana:hunter2@proxy.example:3128", "https://ana@proxy.example", "socks5://[::1]:1080",
		"HTTP://proxy.example/"} {
		if !usableProxy(value) {
			t.Errorf("%q is a usable proxy", value)
		}
	}
	wantProxied(t, bad("HTTPS_PROXY"), "HTTPS_PROXY=http://ana:hunter2@[::1")
	if runtime.GOOS != "windows" { // has one variable, whatever the case
		wantProxied(t, bad("https_proxy"), "https_proxy=http://ana:hunter2@[::1")
	}
}

// TestAProxyIsNamedInAWarningToo runs login, which saves the key where the proxy does not exist or
// is silent.
func TestAProxyIsNamedInAWarningToo(t *testing.T) {
	t.Parallel()
	silent := newRawServer(t, func(conn net.Conn) { io.Copy(io.Discard, conn) })
	for _, test := range []struct{ proxy, why string }{
		{"proxy.invalid:3128", ""}, // what the name server says of it differs
		{silent.host, "no answer after 5 s"},
	} {
		t.Run(test.proxy, func(t *testing.T) {
			t.Parallel()
			home := t.TempDir()
			got := process(t, []string{"HOME=" + home, "USERPROFILE=" + home,
				"MICROTICA_API_URL=https://" + proxiedAPI,
				"HTTPS_PROXY=http://ana:hunter2@" + test.proxy}, testKey, "login")
			path := filepath.Join(home, ".microtica", "credentials")
			if got.stdout != "Saved API key mic_d60bea1d to "+path+"\n" || got.code != 0 ||
				!strings.HasPrefix(got.stderr, "warning: the key was not checked: ") ||
				!strings.Contains(got.stderr, " through the proxy http://"+test.proxy) ||
				!strings.Contains(got.stderr, test.why) ||
				strings.Contains(got.stderr, "hunter2") {
				t.Error(got)
			}
		})
	}
}

// TestASignalEndsARequest sends one to the binary while it waits: for an answer, or before it asks
// again.
func TestASignalEndsARequest(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot be sent these signals on Windows")
	}
	t.Parallel()
	// After these the second request is not answered.
	const refusal = "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"
	const again = "HTTP/1.1 503 Wait\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"
	const busy = "HTTP/1.1 503 Wait\r\nRetry-After: 20\r\nContent-Length: 0\r\n\r\n"
	const begun = "HTTP/1.1 200 OK\r\n\r\n["
	for _, test := range []struct {
		args   string
		signal syscall.Signal
		answer string
	}{
		{"project list", syscall.SIGINT, ""},
		{"project list --json", syscall.SIGTERM, ""},
		{"env list --project 5f1c", syscall.SIGTERM, begun},
		{"api projects", syscall.SIGTERM, begun},
		{"whoami", syscall.SIGTERM, ""},
		{"whoami --json", syscall.SIGINT, begun},
		{"whoami --quiet", syscall.SIGINT, busy},
		{"whoami --quiet", syscall.SIGTERM, again},
		{"whoami", syscall.SIGTERM, refusal},
		{"login", syscall.SIGINT, refusal},
		{"login", syscall.SIGINT, ""},
		{"login --json", syscall.SIGTERM, "HTTP/1.1 200 OK\r\nContent-Le"},
	} {
		t.Run(fmt.Sprint(test.args, test.signal), func(t *testing.T) {
			t.Parallel()
			asked := make(chan bool, 1)
			var requests atomic.Int32
			server := newRawServer(t, func(conn net.Conn) {
				readHead(conn)
				twice := test.answer == refusal || test.answer == again
				first := requests.Add(1) == 1
				if first || !twice {
					io.WriteString(conn, test.answer)
				}
				if !first || !twice {
					asked <- true
					io.Copy(io.Discard, conn)
				}
			})
			code := 128 + int(test.signal)
			want := result{"", "error: interrupted\n", code}
			if strings.HasSuffix(test.args, "--json") {
				want.stderr = fmt.Sprintf(`{"error":{"code":"interrupted","message":"interrupted",`+
					`"hint":"","httpStatus":null,"retryAfter":null,"retryable":false,`+
					`"exitCode":%d}}`+"\n", code)
			}
			s := newShell(t, nil).save(otherKey)
			wantSignalled(t, s.home, server.host, test.args, test.signal, asked, want)
			s.wantStored(otherKey)
		})
	}
}

// wantSignalled runs the binary, sends it a signal once asked says so, and compares what it leaves.
func wantSignalled(t *testing.T, home, host, args string, signal syscall.Signal, asked <-chan bool,
	want result) {
	p := program{env: []string{"HOME=" + home, "MICROTICA_API_URL=http://" + host}, stdin: testKey}
	r, err := p.start(t, strings.Fields(args)...)
	if err != nil {
		t.Fatal(err)
	}
	receive(t, asked)
	time.Sleep(20 * time.Millisecond) // until what was sent has come
	start := time.Now()
	r.Process.Signal(signal)
	if got := r.wait(); got != want || time.Since(start) > 5*time.Second {
		t.Errorf("%v to microtica %s, after %v\n got %s\nwant %s",
			signal, args, time.Since(start), got, want)
	}
}
