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
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"microtica/internal/fakeapi"
)

const (
	okLine      = "HTTP/1.1 200 OK\r\n"
	cut         = "it is cut short or malformed"
	cutHead     = "it is cut short or malformed, or its header is too long"
	connectHint = "check the network, or set MICROTICA_API_URL"
	tlsHint     = "check MICROTICA_API_URL, and any proxy or firewall in between"
)

// The errors of a server, or of a server through a proxy, that gives no answer.
func ended(host string) wrong {
	message := "the connection to " + host + " ended without an answer"
	return wrong{"network.connect", message, connectHint, 0}
}

func late(host, seconds string) wrong {
	message := "no answer from " + host + " after " + seconds + " s"
	return wrong{"network.timeout", message, "check the network, or try again later", 0}
}

func insecure(host, why string) wrong {
	return wrong{"network.tls", "no secure connection to " + host + ": " + why, tlsHint, 0}
}

const notTLS = "tls: first record does not look like a TLS handshake"

func blanks(n int) string { return strings.Repeat(" ", n) }

// onlyAt returns a shell with a key, and with base as its API.
func onlyAt(t testing.TB, base string) *shell {
	return newShell(t, base).with("MICROTICA_TOKEN", testKey)
}

// wantTried runs a command line as it is and with --json: it must fail with w in both forms, after
// that many tries, with a note before each wait. seconds is the wait that the API asks for, or 0.
func (s *shell) wantTried(tries, seconds int, w wrong, args ...string) {
	s.t.Helper()
	last, field := w, `"retryAfter":null`
	if seconds > 0 {
		field = fmt.Sprintf(`"retryAfter":%d`, seconds)
		last.hint = fmt.Sprintf("try again in %d s, as the API asks", seconds)
	}
	if tries > 1 {
		last.message += fmt.Sprintf(" (tried %d times)", tries)
	}
	for _, line := range [][]string{args, append([]string{"--json"}, args...)} {
		s.waits = nil
		asJSON := line[0] == "--json"
		got, want, notes := s.run(line...), last.fails("", asJSON), ""
		for i, wait := range s.waits {
			least := 500 * time.Millisecond << i
			if seconds > 0 && wait != time.Duration(seconds)*time.Second ||
				seconds == 0 && (wait < least || wait > least+least/4) {
				s.t.Errorf("microtica %s waits %v", strings.Join(line, " "), s.waits)
			}
			notes += notice("note", "api.retry", fmt.Sprintf(
				"%s; trying again in %.2g s (try %d of 3)", w.message, wait.Seconds(), i+2), asJSON)
		}
		want.stderr = notes + strings.Replace(want.stderr, `"retryAfter":null`, field, 1)
		if got != want || len(s.waits) != tries-1 {
			s.t.Errorf("microtica %s, waits %v\n got %s\nwant %s, %d tries",
				strings.Join(line, " "), s.waits, got, want, tries)
		}
	}
}

// TestARequestHasWhatTheAPINeeds compares whole requests, for each way to write a base URL.
// localhost is 127.0.0.1, but the Host header keeps the name.
func TestARequestHasWhatTheAPINeeds(t *testing.T) {
	t.Parallel()
	server := fakeapi.NewRaw(t, fakeapi.Answering(okLine+"\r\n[]"))
	_, port, _ := net.SplitHostPort(server.Host)
	for base, asked := range map[string]string{
		"http://127.0.0.1:PORT":               "127.0.0.1 ",
		" http://127.0.0.1:PORT/// ":          "127.0.0.1 ",
		"http://[::ffff:127.0.0.1]:PORT":      "[::ffff:127.0.0.1] ",
		"HTTP://LocalHost:PORT/V1":            "localhost /V1",
		"http://127.0.0.1:PORT/a%2Fb/%C3%BC/": "127.0.0.1 /a%2Fb/%C3%BC",
	} {
		s := onlyAt(t, strings.Replace(base, "PORT", port, 1))
		s.want(result{"[]\n", "", 0}, "project", "list", "--json", "--quiet")
		heard, _ := server.Taken()
		got := strings.Split(strings.TrimSpace(heard), "\r\n")
		slices.Sort(got[1:])
		host, path, _ := strings.Cut(asked, " ")
		want := []string{"GET " + path + "/projects HTTP/1.1", "Accept: application/json",
			"Connection: close", "Host: " + host + ":" + port, "User-Agent: microtica/dev (" +
				runtime.GOOS + "/" + runtime.GOARCH + ")", "X-Microtica-Api-Key: " + testKey}
		if !slices.Equal(got, want) {
			t.Errorf("%s: the request is %q, want %q", base, got, want)
		}
	}
}

// TestABadBaseURLIsRefusedBeforeAnyConnection shows nothing of it.
func TestABadBaseURLIsRefusedBeforeAnyConnection(t *testing.T) {
	t.Parallel()
	server := fakeapi.NewRaw(t, func(net.Conn) {})
	_, port, _ := net.SplitHostPort(server.Host)
	for why, urls := range map[string]string{
		"does not start with https://": "canary.example //canary.example ftp://canary.example " +
			"httpss://canary.example localhost:PORT canary:hunter2@localhost",
		"cannot be parsed": "https://canary.example/%zz https://can\x1b[31mary.example " +
			"https://ana:hunter2canary@[::1 https://canary.example:65s",
		"has no host": "https:canary.example https:// https://:443/canary",
		"has a user name, a password, a query or a fragment": "https://canary@canary.example " +
			"http://ana:hunter2@127.0.0.1:PORT https://@canary.example https://canary.example? " +
			"http://127.0.0.1:PORT/# https://canary.example/?token=canary http://127.0.0.1:PORT/#x",
		"would send the key unencrypted: http is for localhost only": "http://canary.example " +
			"http://0.0.0.0:PORT http://localho\u017ft http://127.0.0.1.canary.example:PORT " +
			"http://2130706433:PORT http://[::]:PORT",
	} {
		for base := range strings.FieldsSeq(strings.ReplaceAll(urls, "PORT", port)) {
			onlyAt(t, base).wantError(wrong{"usage.url", "MICROTICA_API_URL " + why,
				"set MICROTICA_API_URL to a base URL such as https://api.microtica.com", 0},
				"project", "list")
			if _, n := server.Taken(); n != 0 || t.Failed() {
				t.Fatalf("with %q, after %d connections", base, n)
			}
		}
	}
}

// TestABadProxyVariableIsAUsageError covers values that net/http would ignore. http needs no proxy.
func TestABadProxyVariableIsAUsageError(t *testing.T) {
	t.Parallel()
	bad := wrong{"usage", "HTTPS_PROXY is not the URL of a proxy",
		"set HTTPS_PROXY to a URL such as http://proxy.example:3128", 0}
	_, plain := newUser(t)
	for _, value := range []string{"http://ana:hunt%er2@proxy.example", "http://proxy.example:port",
		"http://ana:hun ter2@proxy.example", " ", " http://proxy.example", "http://proxy.example\n",
		"http://ana:hunter2@[::1", "ana:hunter2@pro xy.example", "%zz"} {
		for _, variables := range [][]string{{"HTTPS_PROXY", value, "https_proxy", "good.example"},
			{"HTTPS_PROXY", "", "https_proxy", value}} {
			onlyAt(t, "https://api.example").with(variables...).wantError(bad, "project", "list")
			plain.with(variables...).want(result{projectTable, "", 0}, "project", "list")
		}
	}
	for _, value := range []string{"http://127.0.0.1:1", "127.0.0.1:1/", "proxy.example",
		"ana:hunter2@proxy.example:3128", "https://ana@proxy.example", "socks5://[::1]:1080"} {
		s := onlyAt(t, "https://127.0.0.1:1").with("HTTPS_PROXY", value, "https_proxy", "%zz")
		if got := s.run("project", "list"); got.exit != 5 { // that of the process is not set
			t.Errorf("with %q: %v", value, got)
		}
	}
}

// TestATransientFailureIsRepeated covers what is repeated. (The notes, the waits and failures that
// last are in TestEveryStatusHasItsError and TestAServerThatFails.)
func TestATransientFailureIsRepeated(t *testing.T) {
	t.Parallel()
	reply, success := fakeapi.Reply, result{projectTable, "", 0}
	ok := reply(200, fakeapi.ProjectsBody)
	const busy = "the API failed (HTTP 500) (tried 2 times)"
	for _, test := range []struct {
		want    result
		answers []http.HandlerFunc
	}{
		{success, []http.HandlerFunc{reply(429, ""), ok}},
		{success, []http.HandlerFunc{reply(502, ""), reply(504, "<html>"), ok}},
		{success, []http.HandlerFunc{reply(503, ""), fakeapi.HangUp, ok}},
		{wrong{"api.server", busy, "try again later", 500}.fails("", false),
			[]http.HandlerFunc{reply(503, ""), reply(500, "")}},
	} {
		api, s := newUser(t)
		api.Answer("/projects", fakeapi.InTurn(test.answers...))
		got, seen := s.run("project", "list", "--quiet"), api.Seen()
		if got != test.want || strings.Count(seen, "/projects") != len(test.answers) {
			t.Errorf("requests %s\n got %s\nwant %s", seen, got, test.want)
		}
	}
}

// TestRetryAfterIsObeyedWithinReason sends each with every answer. What is no number of seconds,
// or 0, is as good as none. A long wait, and one for which there is no time, are left to the user.
func TestRetryAfterIsObeyedWithinReason(t *testing.T) {
	t.Parallel()
	api, s := newUser(t)
	list := func(value string, seconds, tries int, w wrong) {
		t.Helper()
		api.Answer("/projects", fakeapi.Reply(w.status, "", "Retry-After", value))
		s.wantTried(tries, seconds, w, "project", "list")
	}
	busy := wrong{"api.server", "the API failed (HTTP 503)", "try again later", 503}
	s.timeLimit = time.Minute
	for seconds, values := range map[int][]string{1: {"1"}, 5: {" 005 "}, 30: {"30"}, 31: {"31"},
		1<<30 - 1: {"10000000000", "99999999999999999999999"},
		0:         {"", "0", "-1", "+5", "1.5", "5, 6", "5s", "Fri, 31 Dec 9999 23:59:59 GMT"},
	} {
		tries := 3
		if seconds > 30 {
			tries = 1
		}
		for _, value := range values {
			list(value, seconds, tries, busy)
		}
	}
	list("20", 20, 1, wrong{"api.server", "the API failed (HTTP 500)", "", 500})
	list("20", 0, 1,
		wrong{"api.refused", "the API refused the request for the projects (HTTP 400)", "", 400})
	s.timeLimit = 15 * time.Second
	list("20", 20, 1, wrong{"api.rate_limited", "rate limited by the API (HTTP 429)", "", 429})
}

// slowly returns a handler that waits, then answers with h.
func slowly(wait time.Duration, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(wait)
		h(w, r)
	}
}

// slowNotes is a stderr that takes its time for a note.
type slowNotes struct{ text string }

func (w *slowNotes) Write(p []byte) (int, error) {
	if bytes.HasPrefix(p, []byte("note")) {
		time.Sleep(100 * time.Millisecond)
	}
	w.text += string(p)
	return len(p), nil
}

// TestASlowAnswerIsAnnouncedAtATerminal before the result, never after it.
func TestASlowAnswerIsAnnouncedAtATerminal(t *testing.T) {
	t.Parallel()
	api, s := newUser(t)
	api.Answer("/projects", slowly(40*time.Millisecond, fakeapi.Reply(500, "")))
	note := "note: waiting for an answer from " + api.Host() + ", 10 s more at most\n"
	failed := wrong{"api.server", "the API failed (HTTP 500)", "try again later", 500}.
		fails("", false)
	s.onTerminal = true
	s.want(failed, "project", "list")
	s.patience = time.Millisecond
	s.want(result{"", note + failed.stderr, 6}, "project", "list")
	s.onTerminal = false
	s.want(failed, "project", "list")

	var stderr slowNotes
	a := &app{stderr: &stderr, onTerminal: true, patience: time.Millisecond, timeLimit: s.timeLimit,
		lookenv: func(name string) (string, bool) { return s.env[name], true }}
	a.run([]string{"project", "list"})
	if stderr.text != note+failed.stderr {
		t.Errorf("where the answer comes during the note: %q", stderr.text)
	}
}

// TestACommandHasOneLimit of time for all its requests.
func TestACommandHasOneLimit(t *testing.T) {
	t.Parallel()
	api, s := newUser(t)
	api.Answer("/projects", slowly(600*time.Millisecond, fakeapi.Reply(403, "")))
	api.Answer("/me", fakeapi.Silence)
	s.timeLimit = 1400 * time.Millisecond
	start, got := time.Now(), s.run("whoami")
	took := time.Since(start).Round(time.Second / 2) // 2 s if each request had that limit
	if !strings.Contains(got.stderr, late(api.Host(), "1").message) || took > 3*time.Second/2 {
		t.Errorf("after %v: %s", took, got)
	}
}

// serverOrNone starts a server, or if serve is nil returns an address where nothing listens.
func serverOrNone(t testing.TB, serve func(net.Conn)) (host string, server *fakeapi.Raw) {
	if serve != nil {
		server = fakeapi.NewRaw(t, serve)
		return server.Host, server
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err, l.Close())
	return l.Addr().String(), nil
}

// failingServer is a server that fails, how often it is asked, and the error for it, with HOST for
// the server's address.
type failingServer struct {
	serve func(net.Conn) // nil if nothing listens there
	tries int
	want  wrong
}

// afterHello returns what makes a server send each text after it has read something.
func afterHello(texts ...string) func(net.Conn) {
	return func(conn net.Conn) {
		for _, text := range texts {
			conn.Read(make([]byte, 4096))
			io.WriteString(conn, text)
		}
	}
}

// dripping returns what makes a server read a request, send head, and then text again and again.
func dripping(head, text string) func(net.Conn) {
	return fakeapi.Beginning(head, func(conn net.Conn) {
		for err := error(nil); err == nil; time.Sleep(50 * time.Millisecond) {
			_, err = io.WriteString(conn, text)
		}
	})
}

const alert = "\x15\x03\x03\x00\x02\x02\x28" // refuses a TLS handshake

// failingServers returns servers that send bytes that no server should send, or do not end their
// answers, by what is wrong. Those whose names begin with TLS should speak that and do not.
func failingServers() map[string]failingServer {
	bad := func(text, why string) failingServer {
		return failingServer{fakeapi.Answering(text), 1, badAnswer("HOST", why, 0)}
	}
	slow := func(serve func(net.Conn)) failingServer {
		return failingServer{serve, 1, late("HOST", "1")}
	}
	refused := "cannot connect to HOST: " + syscall.ECONNREFUSED.Error()
	const large, notJSON = "it is larger than 16 MiB", "it is not JSON"
	return map[string]failingServer{
		"nothing":           {nil, 1, wrong{"network.connect", refused, connectHint, 0}},
		"hang-up":           {afterHello(""), 3, ended("HOST")},
		"hang-up at once":   {func(net.Conn) {}, 3, ended("HOST")},
		"no content":        bad("HTTP/1.1 204 No Content\r\n\r\n", notJSON),
		"gzip unasked":      bad(okLine+"Content-Encoding: gzip\r\n\r\n\x1f\x8b", notJSON),
		"cut":               bad(okLine+"Content-Length: 3\r\n\r\n[]", cut),
		"cut in the status": bad("HTT", cutHead),
		"error cut":         bad("HTTP/1.1 401 No\r\nContent-Length: 30\r\n\r\n{}", cut),
		"malformed chunk":   bad(okLine+"Transfer-Encoding: chunked\r\n\r\nzz\r\n[]\r\n", cut),
		"large body":        bad(okLine+"\r\n["+blanks(16<<20)+"]", large),
		"large error":       bad("HTTP/1.1 500 No\r\n\r\n"+blanks(16<<20+1), large),
		"large as U+FFFD":   bad(okLine+"\r\n[\""+strings.Repeat("a\xff", 5<<20)+"\"]", large),
		"header of 70 KB":   bad(okLine+"X: "+blanks(70000)+"x\r\n\r\n[]", cutHead),
		"1xx without end":   bad(strings.Repeat("HTTP/1.1 103 Hints\r\n\r\n", 9999), cutHead),
		"banner":            bad("SSH-2.0-OpenSSH_9.6\x1b[2J "+testKey+"\r\n", cutHead),
		"many values": bad(okLine+"\r\n[0"+strings.Repeat(",0", 2e6)+"]",
			"it has more than 2000000 values"),
		"other protocol": {dripping("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"+
			"Upgrade: websocket\r\n\r\n", "x"), 1,
			badAnswer("HOST", "its status is unexpected (HTTP 101)", 101)},
		"silence":                slow(fakeapi.JustListen),
		"silence after the body": slow(fakeapi.Beginning(okLine+"\r\n[]", fakeapi.JustListen)),
		"head that drips":        slow(dripping(okLine+"X: ", "x")),
		"body that drips":        slow(dripping(okLine+"\r\n[", " ")),
		"hints that drip":        slow(dripping("", "HTTP/1.1 102 Processing\r\n\r\n")),

		"TLS, but plain HTTP": {afterHello(okLine + "\r\n"), 1, insecure("HOST", notTLS)},
		"TLS alert":           {afterHello(alert), 1, insecure("HOST", "tls: handshake failure")},
		"TLS hang-up":         {afterHello(""), 3, ended("HOST")},
		"TLS silence":         slow(fakeapi.JustListen),
	}
}

// TestAServerThatFails goes through all of them. An answer that has begun is never asked for again,
// and neither is what took all the time or what cannot be trusted.
func TestAServerThatFails(t *testing.T) {
	t.Parallel()
	for name, test := range failingServers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host, server := serverOrNone(t, test.serve)
			s := onlyAt(t, "http://"+host)
			if strings.HasPrefix(name, "TLS") {
				s = onlyAt(t, "https://"+host)
			}
			if test.want.code == "network.timeout" {
				s.timeLimit = 700 * time.Millisecond
			}
			test.want.message = strings.Replace(test.want.message, "HOST", host, 1)
			s.wantTried(test.tries, 0, test.want, "project", "list")
			if server != nil {
				if _, n := server.Taken(); n != 2*test.tries {
					t.Errorf("%d connections for two commands", n)
				}
			}
		})
	}
}

// TestAnOddAnswerMayStillBeTheAPIs is the other side: what is just within the limits.
func TestAnOddAnswerMayStillBeTheAPIs(t *testing.T) {
	t.Parallel()
	for _, answer := range []struct{ text, want string }{
		{"HTTP/1.1 299 \x1b]0;title\x07\u202e\nContent-Length: 2\n\n[] and more", "[]"},
		{"HTTP/1.1 103 Hints\r\n\r\n" + okLine + "X: " + blanks(60000) + "x\r\n\r\n[]", "[]"},
		{okLine + "\r\n[" + blanks(16<<20-2) + "]", "[]"},
		{okLine + "\r\n[{\"" + strings.Repeat("\xff", 9<<20) + "\xc3\":\"\xe2\x82\"}]",
			"[{\"\uFFFD\":\"\uFFFD\"}]"},
		{okLine + "\r\n[{\"a\":[0" + strings.Repeat(",0", 2e6-3) + "]}]",
			"[{\"a\":[0" + strings.Repeat(",0", 2e6-3) + "]}]"},
	} {
		server := fakeapi.NewRaw(t, fakeapi.Answering(answer.text))
		got := onlyAt(t, server.Base()).run("project", "list", "--json", "--quiet")
		if got != (result{answer.want + "\n", "", 0}) {
			t.Errorf("%.100q: got %.300s", answer.text, got)
		}
	}
}

// TestNoSecureConnection covers certificates and versions that are not accepted: the server gets no
// request. (SSL_CERT_FILE, and what works, are for the tests of the binary.)
func TestNoSecureConnection(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "darwin" || onWindows {
		t.Skip("the system judges certificates, in an order of its own")
	}
	ca, now, name := fakeapi.NewAuthority(t), time.Now(), strings.Repeat("a", 254)
	old := ca.Good()
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	const unknown = "x509: certificate signed by unknown authority"
	const install = "CA certificates may be missing, as in a scratch image: set SSL_CERT_FILE"
	const wrongTime, clock = "x509: certificate has expired or is not yet valid: ",
		"check this machine's clock"
	for _, test := range []struct {
		config          *tls.Config
		host, why, hint string // more may follow a colon at the end of why
	}{
		{ca.Good(), "127.0.0.1", unknown, install},
		{ca.Issue(now, nil, "localhost"), "localhost", unknown, install}, // the name is right
		{ca.Issue(now.Add(-2*time.Hour), fakeapi.Loopback), "127.0.0.1", wrongTime, clock},
		{ca.Issue(now.Add(2*time.Hour), fakeapi.Loopback), "127.0.0.1", wrongTime, clock},
		{ca.Issue(now, []net.IP{net.IPv4(192, 0, 2, 1)}, "api.example.test"), "127.0.0.1",
			"x509: certificate is valid for 192.0.2.1, not 127.0.0.1", tlsHint},
		{ca.Issue(now, nil, "a\x1b[31m.example"), "localhost",
			"x509: certificate is valid for a\\x1b[31m.example, not localhost", tlsHint},
		// Of a key that is cut in two, no part is left.
		{ca.Issue(now, nil, name+fakeapi.Secret), "localhost",
			"x509: certificate is valid for " + name + "mic_d60bea1d_…,…", tlsHint},
		{old, "127.0.0.1", "tls: protocol version not supported", tlsHint},
	} {
		api := fakeapi.NewTLS(t, test.config)
		_, port, _ := net.SplitHostPort(api.Host())
		host := test.host + ":" + port
		got := onlyAt(t, "https://"+host).run("project", "list")
		first := "error: no secure connection to " + host + ": " + test.why
		last, found := strings.CutPrefix(got.stderr, first)
		if found && strings.HasSuffix(first, ": ") {
			last = last[strings.Index(last, "\n"):]
		}
		seen := api.Seen()
		if !found || last != "\nhint: "+test.hint+"\n" || got.exit != 5 || got.stdout+seen != "" {
			t.Errorf("requests %q\n got %s\nwant %s…, hint %s", seen, got, first, test.hint)
		}
	}
}

// wantFailure checks how an error of a request to host, which began seven seconds ago, is reported.
func wantFailure(t *testing.T, want wrong, host string, failed func(c *client) *failure) {
	t.Helper()
	var stderr bytes.Buffer
	k, err := parseKey(testKey, "")
	a := &app{stderr: &stderr, key: k, options: options{json: true}}
	must(t, err)
	c := &client{app: a, base: &url.URL{Scheme: "https", Host: host}, key: k, limit: time.Minute,
		deadline: time.Now().Add(53 * time.Second)}
	f := failed(c)
	a.say("error", f)
	if got, want := (result{"", stderr.String(), f.code.exit}), want.fails("", true); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// TestWhyANetworkFailed covers errors that no test can provoke: those of the name service, and any
// at the default host.
func TestWhyANetworkFailed(t *testing.T) {
	t.Parallel()
	const host = "api.microtica.com"
	op := func(name string, err error) error { return &net.OpError{Op: name, Net: "tcp", Err: err} }
	unresolved := func(why string) wrong {
		return wrong{"network.dns", "cannot resolve " + host + ": " + why, connectHint, 0}
	}
	timeout := op("read", os.ErrDeadlineExceeded)
	for _, test := range []struct {
		err  error
		want wrong
	}{
		{op("dial", &net.DNSError{Err: "no " + testKey}), unresolved("no mic_d60bea1d_…")},
		{op("dial", &net.DNSError{Err: "it timed out", UnwrapErr: timeout, IsTimeout: true}),
			unresolved("it timed out")},
		{op("dial", os.NewSyscallError("connect", syscall.EHOSTUNREACH)), wrong{"network.connect",
			"cannot connect to " + host + ": " + syscall.EHOSTUNREACH.Error(), connectHint, 0}},
		{op("dial", os.ErrDeadlineExceeded), late(host, "7")},
		{context.DeadlineExceeded, late(host, "7")},
		{errors.New("http: server closed idle connection"), ended(host)},
		{op("read", syscall.ECONNRESET), ended(host)},
		{fmt.Errorf("broken: %w", op("write", syscall.EPIPE)), ended(host)},
		{op("local error", errors.New("tls: oh")), insecure(host, "tls: oh")},
		{errors.New("anything else"), badAnswer(host, cutHead, 0)},
	} {
		test.want.hint += "; the default, https://api.microtica.com, is an assumption"
		wantFailure(t, test.want, host, func(c *client) *failure {
			return c.unreachable(test.err, nil, true)
		})
	}
}

// TestAProxyThatFailsIsNamed without its password, which some send back: nothing of what a proxy
// sends is shown.
func TestAProxyThatFailsIsNamed(t *testing.T) {
	t.Parallel()
	const password = "Basic YW5hOmh1bnRlcjI= hunter2"
	const through = "api.example through the proxy PROXY"
	answering, accepting := fakeapi.Answering, func(then func(net.Conn)) func(net.Conn) {
		return fakeapi.Beginning(okLine+"\r\n", then)
	}
	is := func(why string) wrong {
		return wrong{"network.proxy", "cannot connect to " + through + ": " + why,
			"check the proxy that HTTPS_PROXY names", 0}
	}
	notAProxy, refused := is("it does not answer as a proxy does"), syscall.ECONNREFUSED.Error()
	for _, test := range []struct {
		scheme string
		serve  func(net.Conn)
		want   wrong
	}{
		{"http", nil, is(refused)},
		{"socks5", nil, is(refused)},
		{"http", answering("HTTP/1.1 407 " + password + "\r\n\r\n"), is("it answered HTTP 407")},
		{"http", answering("HTTP/1.1 502 \x1b]0;x\x07\r\n\r\n\x1b[2J"), is("it answered HTTP 502")},
		{"http", answering("HTTP/1.1 204 No Content\r\n\r\n"), is("it answered HTTP 204")},
		{"http", answering(""), notAProxy},
		{"http", answering(okLine), notAProxy},
		{"http", answering("HTTP/1.1 " + password + "\r\n\r\n"), notAProxy},
		{"http", answering(okLine + password + "\r\n\r\n"), notAProxy},
		{"https", afterHello("HTTP/1.1 400 No\r\n\r\n"), notAProxy},
		{"https", afterHello(alert), notAProxy},
		{"socks5", afterHello(password), notAProxy},
		{"http", fakeapi.JustListen, late(through, "8")},
		{"http", accepting(afterHello(password)), insecure(through, notTLS)},
		{"http", accepting(afterHello("")), ended(through)},
		{"socks5", afterHello("\x05\x02", "\x01\x00", // it agrees to the password and the request
			"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00", ""), ended(through)},
	} {
		host, _ := serverOrNone(t, test.serve)
		test.want.message = strings.Replace(test.want.message, "PROXY", test.scheme+"://"+host, 1)
		wantFailure(t, test.want, "api.example", func(c *client) *failure {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, "GET", c.base.String(), nil)
			must(t, err)
			proxy := &url.URL{Scheme: test.scheme, Host: host,
				User: url.UserPassword("ana", "hunter2")}
			var connected atomic.Bool
			_, err = transport(proxy, &connected).RoundTrip(req)
			return c.unreachable(err, proxy, connected.Load())
		})
	}
}
