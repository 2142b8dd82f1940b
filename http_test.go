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

func insecure(host, why, hint string) wrong {
	return wrong{"network.tls", "no secure connection to " + host + ": " + why, hint, 0}
}

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
		isRight := len(s.waits) == tries-1
		for i, wait := range s.waits {
			least := 500 * time.Millisecond << i
			isRight = isRight && (seconds == 0 && least <= wait && wait <= least*5/4 ||
				seconds > 0 && wait == time.Duration(seconds)*time.Second)
			notes += notice("note", "api.retry", fmt.Sprintf(
				"%s; trying again in %.2g s (try %d of 3)", w.message, wait.Seconds(), i+2), asJSON)
		}
		want.stderr = notes + strings.Replace(want.stderr, `"retryAfter":null`, field, 1)
		if got != want || !isRight {
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
		"does not start with https://": "canary.example httpss://canary.example localhost:PORT",
		"cannot be parsed":             "https://canary.example/%zz https://ana:hunter2canary@[::1",
		"has no host":                  "https:canary.example https:// https://:443/canary",
		"has a user name, a password, a query or a fragment": "https://@canary.example " +
			"http://ana:hunter2@127.0.0.1:PORT https://canary.example? http://127.0.0.1:PORT/#",
		"would send the key unencrypted: http is for localhost only": "http://0.0.0.0:PORT " +
			"http://2130706433:PORT http://localho\u017ft http://127.0.0.1.canary.example:PORT",
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
	_, plain := newUser(t)
	for _, value := range []string{"http://ana:hunt%er2@proxy.example", " http://proxy.example",
		"http://proxy.example\n", " ", "ana:hunter2@pro xy.example"} {
		for _, variables := range [][]string{{"HTTPS_PROXY", value, "https_proxy", "good.example"},
			{"HTTPS_PROXY", "", "https_proxy", value}} {
			s := onlyAt(t, "https://api.example").with(variables...)
			s.wantError(wrong{"usage", "HTTPS_PROXY is not the URL of a proxy",
				"set HTTPS_PROXY to a URL such as http://proxy.example:3128", 0}, "project", "list")
			plain.with(variables...).want(result{projectTable, "", 0}, "project", "list")
		}
	}
	// With these, it is the API that cannot be reached: the proxy is that of the process, none.
	refused := "cannot connect to 127.0.0.1:1: " + syscall.ECONNREFUSED.Error()
	for _, value := range []string{"127.0.0.1:1/", "socks5://ana:hunter2@[::1]:1080"} {
		s := onlyAt(t, "https://127.0.0.1:1").with("HTTPS_PROXY", value, "https_proxy", "%zz")
		s.wantTried(1, 0, wrong{"network.connect", refused, connectHint, 0}, "project", "list")
	}
}

// TestATransientFailureIsRepeated until there is an answer, or a failure that is not transient.
func TestATransientFailureIsRepeated(t *testing.T) {
	t.Parallel()
	api, s := newUser(t)
	reply := fakeapi.Reply
	api.Answer("/projects",
		fakeapi.InTurn(reply(504, "<html>"), fakeapi.HangUp, reply(200, fakeapi.ProjectsBody)))
	s.want(result{projectTable, "", 0}, "project", "list", "--quiet")
	api.Answer("/projects", fakeapi.InTurn(reply(503, ""), reply(500, "")))
	s.want(wrong{"api.server", "the API failed (HTTP 500) (tried 2 times)", "try again later", 500}.
		fails("", false), "project", "list", "--quiet")
	if n := strings.Count(api.Seen(), "/projects"); n != 5 {
		t.Errorf("%d requests", n)
	}
}

// TestRetryAfterIsObeyedWithinReason sends each with every answer. What is no number of seconds,
// or 0, is as good as none. A long wait, and one for which there is no time, are left to the user.
func TestRetryAfterIsObeyedWithinReason(t *testing.T) {
	t.Parallel()
	api, s := newUser(t)
	for _, test := range []struct {
		status, limit, seconds, tries int
		values                        []string
	}{
		{503, 60, 0, 3, []string{"", "0", "-1", "+5", "1.5", "Fri, 31 Dec 9999 23:59:59 GMT"}},
		{503, 60, 30, 3, []string{"30", "0030"}},
		{503, 60, 31, 1, []string{"31"}},
		{503, 60, 1<<30 - 1, 1, []string{"10000000000", "99999999999999999999999"}},
		{500, 60, 20, 1, []string{"20"}}, // would be no use
		{400, 60, 0, 1, []string{"20"}},  // has no meaning
		{429, 15, 20, 1, []string{"20"}}, // there is no time
	} {
		s.timeLimit = time.Duration(test.limit) * time.Second
		want, _ := statusError(test.status, api.Host(), "the projects", true)
		for _, value := range test.values {
			api.Answer("/projects",
				fakeapi.Reply(test.status, `{"message":"because"}`, "Retry-After", value))
			s.wantTried(test.tries, test.seconds, want, "project", "list")
		}
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

// TestASlowAnswerIsAnnouncedAtATerminal before the result, also if that comes during the note.
func TestASlowAnswerIsAnnouncedAtATerminal(t *testing.T) {
	t.Parallel()
	api, s := newUser(t)
	api.Answer("/projects", fakeapi.Reply(500, ""))
	failed := wrong{"api.server", "the API failed (HTTP 500)", "try again later", 500}.
		fails("", false)
	s.onTerminal = true
	s.want(failed, "project", "list")
	s.onTerminal, s.patience = false, time.Nanosecond // every answer is slow
	s.want(failed, "project", "list")
	var stderr slowNotes
	a := &app{stderr: &stderr, onTerminal: true, patience: s.patience, timeLimit: s.timeLimit,
		lookenv: func(name string) (string, bool) { return s.env[name], true },
		caught:  make(chan struct{})}
	close(a.caught)
	a.run([]string{"project", "list"})
	note := "note: waiting for an answer from " + api.Host() + ", 10 s more at most\n"
	if stderr.text != note+failed.stderr {
		t.Errorf("got %q, want %q", stderr.text, note+failed.stderr)
	}
}

// TestACommandHasOneLimit of time for all its requests.
func TestACommandHasOneLimit(t *testing.T) {
	t.Parallel()
	api, s := newUser(t)
	api.Answer("/projects", func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(1500 * time.Millisecond)
		w.WriteHeader(403)
	})
	api.Answer("/me", fakeapi.Silence)
	s.timeLimit = 2 * time.Second
	start, got := time.Now(), s.run("whoami")
	took := time.Since(start) // 3.5 s if each request had that limit
	if !strings.Contains(got.stderr, "no answer from "+api.Host()) || took > 3300*time.Millisecond {
		t.Errorf("after %v: %s", took, got)
	}
}

// TestAServerThatFails is asked again only if no answer has begun and there is time left. (What is
// too much for a command is in check.)
func TestAServerThatFails(t *testing.T) {
	t.Parallel()
	drip := func(conn net.Conn) {
		for err := error(nil); err == nil; time.Sleep(50 * time.Millisecond) {
			_, err = io.WriteString(conn, " ")
		}
	}
	blanks, answering := strings.Repeat(" ", 16<<20), fakeapi.Answering
	for _, test := range []struct {
		serve func(net.Conn)
		tries int
		want  wrong
	}{
		{answering(""), 3, ended("HOST")},
		{answering(okLine), 1, badAnswer("HOST", cutHead, 0)},
		{answering("HTTP/1.1 401 No\r\nContent-Length: 30\r\n\r\n{}"), 1,
			badAnswer("HOST", "it is cut short or malformed", 0)},
		{answering(okLine + "X: " + blanks[:70000] + "x\r\n\r\n[]"), 1,
			badAnswer("HOST", cutHead, 0)},
		{answering(okLine + "\r\n[" + blanks[1:] + "]"), 1,
			badAnswer("HOST", "it is larger than 16 MiB", 0)},
		{fakeapi.JustListen, 1, late("HOST", "1")},
		{fakeapi.Beginning(okLine+"\r\n[]", drip), 1, late("HOST", "1")},
	} {
		server := fakeapi.NewRaw(t, test.serve)
		s := onlyAt(t, server.Base())
		if test.want.code == "network.timeout" {
			s.timeLimit = 700 * time.Millisecond
		}
		test.want.message = strings.Replace(test.want.message, "HOST", server.Host, 1)
		s.wantTried(test.tries, 0, test.want, "project", "list")
		if _, n := server.Taken(); n != 2*test.tries {
			t.Errorf("%d connections for two commands that fail with %v", n, test.want)
		}
	}
	for _, test := range [][2]string{ // just within the limits
		{"HTTP/1.1 299 \x1b]0;title\x07\u202e\nContent-Length: 2\n\n[] and more", "[]"},
		{"HTTP/1.1 103 Hints\r\n\r\n" + okLine + "X: " + blanks[:60000] + "x\r\n\r\n[]", "[]"},
		{okLine + "\r\n[" + blanks[2:] + "]", "[]"},
		{okLine + "\r\n[{\"" + strings.Repeat("\xff", 9<<20) + "\xc3\":\"\xe2\x82\"}]",
			"[{\"\uFFFD\":\"\uFFFD\"}]"},
	} {
		s := onlyAt(t, fakeapi.NewRaw(t, answering(test[0])).Base())
		got := s.run("project", "list", "--json", "--quiet")
		if got != (result{test[1] + "\n", "", 0}) {
			t.Errorf("%.100q: got %.300s", test[0], got)
		}
	}
}

// TestLocalhostKeepsItsNameInTLS sees that in a certificate that is refused. (Other certificates,
// and what works, are for the tests of the binary.)
func TestLocalhostKeepsItsNameInTLS(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "darwin" || onWindows {
		t.Skip("the system judges certificates, in an order of its own")
	}
	config := fakeapi.NewAuthority(t).Issue(time.Now(), nil, "a\x1b[31m.example")
	_, port, _ := net.SplitHostPort(fakeapi.NewTLS(t, config).Host())
	const why = "x509: certificate is valid for a\x1b[31m.example, not localhost"
	onlyAt(t, "https://localhost:"+port).wantError(insecure("localhost:"+port, why, tlsHint),
		"project", "list")
}

// wantUnreachable checks how a request to the default host that fails with err is reported seven
// seconds after its beginning.
func wantUnreachable(t *testing.T, want wrong, err error, proxy *url.URL, connected bool) {
	t.Helper()
	var stderr bytes.Buffer
	k, _ := parseKey(testKey, "")
	a := &app{stderr: &stderr, key: k, options: options{json: true}}
	c := &client{app: a, base: &url.URL{Scheme: "https", Host: "api.microtica.com"}, key: k,
		limit: time.Minute, deadline: time.Now().Add(53 * time.Second)}
	f := c.unreachable(err, proxy, connected)
	a.say("error", f)
	want.hint += "; the default, https://api.microtica.com, is an assumption"
	if got, want := (result{"", stderr.String(), f.code.exit}), want.fails("", true); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// TestWhyANetworkFailed covers errors that no test can provoke, or not always.
func TestWhyANetworkFailed(t *testing.T) {
	t.Parallel()
	const host = "api.microtica.com"
	op := func(name string, err error) error { return &net.OpError{Op: name, Net: "tcp", Err: err} }
	unresolved := func(why string) wrong {
		return wrong{"network.dns", "cannot resolve " + host + ": " + why, connectHint, 0}
	}
	untrusted := func(err error) error { return &tls.CertificateVerificationError{Err: err} }
	unknown, old := x509.UnknownAuthorityError{}, x509.CertificateInvalidError{Reason: x509.Expired}
	install := "CA certificates may be missing, as in a scratch image: set SSL_CERT_FILE"
	if runtime.GOOS == "darwin" || onWindows {
		install = "add the authority's certificate to the system's store"
	}
	timeout := op("read", os.ErrDeadlineExceeded)
	for _, test := range []struct {
		err  error
		want wrong
	}{
		{op("dial", &net.DNSError{Err: "no " + testKey}), unresolved("no mic_d60bea1d_…")},
		{op("dial", &net.DNSError{Err: "it timed out", UnwrapErr: timeout, IsTimeout: true}),
			unresolved("it timed out")},
		{op("dial", os.ErrDeadlineExceeded), late(host, "7")},
		{errors.New("http: server closed idle connection"), ended(host)},
		{op("read", syscall.ECONNRESET), ended(host)},
		{fmt.Errorf("broken: %w", op("write", syscall.EPIPE)), ended(host)},
		{op("local error", errors.New("tls: oh")), insecure(host, "tls: oh", tlsHint)},
		{untrusted(unknown), insecure(host, unknown.Error(), install)},
		{untrusted(old), insecure(host, old.Error(), "check this machine's clock")},
		{errors.New("anything else"), badAnswer(host, cutHead, 0)},
	} {
		wantUnreachable(t, test.want, test.err, nil, true)
	}
}

// TestAProxyThatFailsIsNamed without its password, which some send back: nothing of what a proxy
// sends is shown.
func TestAProxyThatFailsIsNamed(t *testing.T) {
	t.Parallel()
	const password = "Basic YW5hOmh1bnRlcjI= hunter2"
	const through = "api.microtica.com through the proxy PROXY"
	is := func(why string) wrong {
		return wrong{"network.proxy", "cannot connect to " + through + ": " + why,
			"check the proxy that HTTPS_PROXY names", 0}
	}
	sending := func(texts ...string) func(net.Conn) { // each after it has read something
		return func(conn net.Conn) {
			for _, text := range texts {
				conn.Read(make([]byte, 4096))
				io.WriteString(conn, text)
			}
		}
	}
	notAProxy, refused := is("it does not answer as a proxy does"), syscall.ECONNREFUSED.Error()
	for _, test := range []struct {
		scheme string
		serve  func(net.Conn)
		want   wrong
	}{
		{"http", nil, is(refused)},
		{"http", sending("HTTP/1.1 407 " + password + "\r\n\r\n"), is("it answered HTTP 407")},
		{"http", sending("HTTP/1.1 204 No Content\r\n\r\n"), is("it answered HTTP 204")},
		{"http", sending("HTTP/1.1 " + password + "\r\n\r\n"), notAProxy},
		{"https", sending("HTTP/1.1 400 No\r\n\r\n"), notAProxy},
		{"socks5", sending(password), notAProxy},
		{"http", fakeapi.JustListen, late(through, "7")},
		{"http", sending(okLine+"\r\n", password),
			insecure(through, "tls: first record does not look like a TLS handshake", tlsHint)},
		{"http", sending(okLine+"\r\n", ""), ended(through)},
		{"socks5", sending("\x05\x02", "\x01\x00", // it agrees to the password and the request
			"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00", ""), ended(through)},
	} {
		proxy := &url.URL{Scheme: test.scheme, Host: "127.0.0.1:1",
			User: url.UserPassword("ana", "hunter2")}
		if test.serve != nil {
			proxy.Host = fakeapi.NewRaw(t, test.serve).Host
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		req, _ := http.NewRequestWithContext(ctx, "GET", "https://127.0.0.1:1", nil)
		var connected atomic.Bool
		_, err := transport(proxy, &connected).RoundTrip(req)
		cancel()
		test.want.message = strings.Replace(test.want.message, "PROXY",
			test.scheme+"://"+proxy.Host, 1)
		wantUnreachable(t, test.want, err, proxy, connected.Load())
	}
}
