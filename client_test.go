package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestTheRequestIsWhatTheAPIExpects looks at a whole request.
func TestTheRequestIsWhatTheAPIExpects(t *testing.T) {
	heads := make(chan string, 1)
	server := newRawServer(t, func(conn net.Conn) {
		heads <- readHead(conn)
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")
	})
	newRawShell(t, server).want(result{"[]\n", "", 0}, "project", "list", "--json", "--quiet")
	got := strings.Split(strings.TrimSpace(<-heads), "\r\n")
	slices.Sort(got[1:])
	for i, want := range []string{"GET /projects HTTP/1.1", "Accept: application/json", "Connection: close", "Host: " + server.host,
		"User-Agent: microtica/dev (", "X-Microtica-Api-Key: " + testKey} {
		if i >= len(got) || !strings.HasPrefix(got[i], want) {
			t.Errorf("the request is %q", got)
		}
	}
	if len(got) != 6 {
		t.Errorf("the request has more headers than it needs: %q", got)
	}
}

// TestWhatTheAPISaysOfAKey holds login and whoami to the tables of the answers: whoami's report and error, what login saves,
// and which requests each makes. SOURCE and HOST stand for what differs from run to run.
func TestWhatTheAPISaysOfAKey(t *testing.T) {
	t.Parallel()
	rejected := func(status int, said string) *wrong {
		return &wrong{"auth.rejected", fmt.Sprintf("the API rejected key mic_d60bea1d from SOURCE (HTTP %d)%s", status, said), "unset SOURCE to use the saved key", status}
	}
	unclear := func(why string) *wrong {
		return &wrong{"api.forbidden", "key mic_d60bea1d from SOURCE has no project-wide read access, or does not work at all: " +
			"GET /projects was refused (HTTP 403), and GET /me failed: " + why, "try again, or ask in Microtica's console what the key may do", 403}
	}
	bad := func(why string, status int) *wrong { w := badAnswer("HOST", why, status); return &w }
	server := func(status int) *wrong {
		return &wrong{"api.server", fmt.Sprintf("the API failed (HTTP %d): no", status), "try again later", status}
	}
	const no = `{"message":"no"}`
	forbidden := reply(403, no)
	const once, thrice, both = "/projects", "/projects /projects /projects", "/projects /me"
	const bothThrice = "/projects /me /me /me"
	for _, test := range []struct {
		name           string
		projects, me   http.HandlerFunc
		whoami, login  string // the requests of each
		reach, visible string
		accepted       string
		saves          string // "verified", "limited", "unchecked", or "" for what login refuses
		wrong          *wrong
	}{
		{"2xx", reply(200, projectsBody), nil, once, once, "true", "2", "true", "verified", nil},
		{"2xx, none", reply(200, `{"projects":[]}`), nil, once, once, "true", "0", "true", "verified", nil},
		{"2xx, the bare array", reply(200, `[{},{},{}]`), nil, once, once, "true", "3", "true", "verified", nil},
		{"201", reply(201, projectsBody), nil, once, once, "true", "2", "true", "verified", nil},
		{"401", reply(401, no), nil, once, once, "true", "null", "false", "", rejected(401, ": no")},
		{"401, not JSON", reply(401, "<html>"), nil, once, once, "true", "null", "false", "", rejected(401, "")},
		{"403, me 2xx", forbidden, reply(200, meBody), both, both, "true", "0", "true", "limited", nil},
		{"403, me a user", forbidden, reply(200, `{"via":"user","userId":"u1"}`), both, both, "true", "0", "true", "limited", nil},
		{"403, me 401", forbidden, reply(401, no), both, both, "true", "null", "false", "", rejected(401, ": no")},
		{"403, me 403", forbidden, reply(403, `{"message":"never"}`), both, both, "true", "null", "false", "", rejected(403, ": never")},
		{"403, me 404", forbidden, reply(404, no), both, both, "true", "null", "null", "unchecked",
			unclear("the answer from HOST is not the API's: it does not know this path (HTTP 404)")},
		{"403, me 400", forbidden, reply(400, no), both, both, "true", "null", "null", "unchecked",
			unclear("the API refused the request for the key's own record (HTTP 400): no")},
		{"403, me 500", forbidden, reply(500, no), both, both, "true", "null", "null", "unchecked", unclear("the API failed (HTTP 500): no")},
		{"403, me 503", forbidden, reply(503, no), bothThrice, both, "true", "null", "null", "unchecked", unclear("the API failed (HTTP 503): no")},
		{"403, me 429", forbidden, reply(429, no), bothThrice, both, "true", "null", "null", "unchecked", unclear("the API gets too many requests (HTTP 429): no")},
		{"403, me 302", forbidden, reply(302, no, "Location", "/login"), both, both, "true", "null", "null", "unchecked",
			unclear("the API redirects to HOST (HTTP 302), and the key goes only to the address that is set")},
		{"403, me not JSON", forbidden, reply(200, "<html>"), both, both, "true", "null", "null", "unchecked", unclear("the answer from HOST is not the API's: it is not JSON")},
		{"403, me says nothing", forbidden, reply(200, "{}"), both, both, "true", "null", "null", "unchecked",
			unclear("the answer from HOST is not the API's: it does not say who the key is")},
		{"403, me hangs up", forbidden, hangUp, bothThrice, both, "true", "null", "null", "unchecked", unclear("HOST ended the connection without an answer")},
		{"another 4xx", reply(400, no), nil, once, once, "true", "null", "null", "unchecked",
			&wrong{"api.refused", "the API refused the request for the projects (HTTP 400): no", "", 400}},
		{"404", reply(404, no), nil, once, once, "false", "null", "null", "unchecked", bad("it does not know this path (HTTP 404)", 404)},
		{"429", reply(429, no), nil, thrice, once, "true", "null", "null", "unchecked",
			&wrong{"api.rate_limited", "the API gets too many requests (HTTP 429): no", "try again later", 429}},
		{"500", reply(500, no), nil, once, once, "true", "null", "null", "unchecked", server(500)},
		{"503", reply(503, no), nil, thrice, once, "true", "null", "null", "unchecked", server(503)},
		{"599", reply(599, no), nil, once, once, "true", "null", "null", "unchecked", server(599)},
		{"302", reply(302, no, "Location", "https://portal.example/login"), nil, once, once, "false", "null", "null", "unchecked",
			&wrong{"api.redirect", "the API redirects to portal.example (HTTP 302), and the key goes only to the address that is set",
				"set MICROTICA_API_URL to the API's own address", 302}},
		{"a status above 599", reply(600, no), nil, once, once, "false", "null", "null", "unchecked", bad("its status is 600", 600)},
		{"not JSON", reply(200, "<html>sign in</html>"), nil, once, once, "false", "null", "null", "unchecked", bad(notJSON, 0)},
		{"another's JSON", reply(200, `{"ok":true}`), nil, once, once, "false", "null", "null", "unchecked", bad("it holds no list of projects", 0)},
		{"no answer", hangUp, nil, thrice, once, "false", "null", "null", "unchecked",
			&wrong{"network.connect", "HOST ended the connection without an answer", "try again later", 0}},
	} {
		api := newFakeAPI(t)
		api.answer("/projects", test.projects)
		if test.me != nil {
			api.answer("/me", test.me)
		}
		s := newShell(t, api).with("MICROTICA_TOKEN", testKey)
		check := func(want result, requests string, args ...string) {
			t.Helper()
			if got := s.run(args...); got != want {
				t.Errorf("%s: microtica %s\n got %s\nwant %s", test.name, strings.Join(args, " "), got, want)
			}
			if seen := api.seen(); seen != requests {
				t.Errorf("%s: microtica %s asked for %q, want %q", test.name, strings.Join(args, " "), seen, requests)
			}
		}
		const limited = "key mic_d60bea1d has no project-wide read access"
		text := "via:                apikey\napi key prefix:     mic_d60bea1d\napi reachable:      " + test.reach + "\nprojects visible:   " +
			strings.Replace(test.visible, "null", "unknown", 1) + "\n"
		object := fmt.Sprintf(`{"via":"apikey","apiKeyPrefix":"mic_d60bea1d","source":"MICROTICA_TOKEN","apiUrl":"%s","apiReachable":%s,"keyAccepted":%s,"projectsVisible":%s}`+"\n",
			api.base(), test.reach, test.accepted, test.visible)
		var expected wrong
		switch {
		case test.wrong != nil:
			expected = *test.wrong
			expected.message = strings.ReplaceAll(expected.message, "HOST", api.host())
			check(expected.from("MICROTICA_TOKEN").fails(text, false), test.whoami, "whoami")
			check(expected.from("MICROTICA_TOKEN").fails(object, true), test.whoami, "whoami", "--json", "--quiet")
		case test.saves == "limited":
			check(result{text, "note: " + limited + "\n", 0}, test.whoami, "whoami")
			check(result{object, `{"note":{"code":"key.limited","message":"` + limited + `"}}` + "\n", 0}, test.whoami, "whoami", "--json")
			check(result{object, "", 0}, test.whoami, "whoami", "--json", "--quiet")
		default:
			check(result{text, "", 0}, test.whoami, "whoami")
			check(result{object, "", 0}, test.whoami, "whoami", "--json")
		}

		// The same answers to login. It never repeats a request.
		s.with("MICROTICA_TOKEN", "").save(otherKey + "\n")
		s.stdin, s.waits = testKey, nil
		if test.saves == "" {
			expected.hint = "check the key in Microtica's console, or save it all the same with 'microtica login --no-verify'"
			check(expected.from("stdin").fails("", false), test.login, "login")
			check(expected.from("--token").fails("", true), test.login, "login", "--json", "--token", testKey)
			s.wantStored(otherKey + "\n")
			continue
		}
		notice := map[string]wrong{
			"limited":   {"key.limited", limited, "", 0},
			"unchecked": {"key.unchecked", "the key was not checked: " + expected.from("stdin").message, "", 0},
		}[test.saves]
		kind := map[string]string{"limited": "note", "unchecked": "warning"}[test.saves]
		want := result{"Saved API key mic_d60bea1d to " + s.credentials() + "\n", "", 0}
		if kind != "" {
			want.stderr = kind + ": " + notice.message + "\n"
		}
		check(want, test.login, "login")
		s.wantStored(testKey + "\n")
		want.stdout = fmt.Sprintf(`{"apiKeyPrefix":"mic_d60bea1d","credentialsFile":%s,"verified":%v}`+"\n", quoted(s.credentials()), test.saves != "unchecked")
		if kind != "" {
			want.stderr = fmt.Sprintf(`{"%s":{"code":"%s","message":%s}}`+"\n", kind, notice.code, quoted(notice.message))
		}
		check(want, test.login, "login", "--json")
		if s.waits != nil {
			t.Errorf("%s: login waited %v", test.name, s.waits)
		}
	}
}

// TestARejectedStoredKeyIsNamedByItsPath is about the third source; the other two have a variable to unset.
func TestARejectedStoredKeyIsNamedByItsPath(t *testing.T) {
	s := newShell(t, newFakeAPI(t)).save(otherKey)
	s.wantError(wrong{"auth.rejected", "the API rejected key mic_0ther from " + s.credentials() + " (HTTP 401): key revoked", "run 'microtica login' with a key that works", 401}, "project", "list")
	s.with("MICROTICA_TOKEN_FILE", s.credentials()).wantError(wrong{"auth.rejected", "the API rejected key mic_0ther from MICROTICA_TOKEN_FILE (HTTP 401): key revoked",
		"unset MICROTICA_TOKEN_FILE to use the saved key", 401}, "project", "list")
}

// TestEveryStatusHasItsError goes through all of them on both lists: the error, and how many requests it took.
func TestEveryStatusHasItsError(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	s := newShell(t, api).with("MICROTICA_TOKEN", testKey)
	statuses := []int{600, 700, 999}
	for status := 300; status <= 599; status++ {
		statuses = append(statuses, status)
	}
	for _, status := range statuses {
		for _, list := range []struct{ path, what, args string }{
			{"/projects", "the projects", "project list"},
			{"/projects/5f1c/details", "project 5f1c", "env list --project 5f1c"},
		} {
			api.answer(list.path, reply(status, `{"message":"because"}`))
			at, said := fmt.Sprintf(" (HTTP %d)", status), ": because"
			if status == 304 { // has no body
				said = ""
			}
			want := wrong{status: status}
			switch {
			case status < 400:
				want.code, want.message, want.hint = "api.redirect", "the API redirects without saying where"+at+", and the key goes only to the address that is set",
					"set MICROTICA_API_URL to the API's own address"
			case status == 401:
				want.code, want.message, want.hint = "auth.rejected", "the API rejected key mic_d60bea1d from MICROTICA_TOKEN"+at+said, "unset MICROTICA_TOKEN to use the saved key"
			case status == 403:
				want.code, want.message, want.hint = "api.forbidden", "the API refuses key mic_d60bea1d from MICROTICA_TOKEN access to "+list.what+at+said, readHint
			case status == 404 && list.path == "/projects":
				want = badAnswer(api.host(), "it does not know this path (HTTP 404)", 404)
			case status == 404:
				want.code, want.message, want.hint = "api.not_found", "the API finds no project 5f1c that key mic_d60bea1d can see"+at+said, "run 'microtica project list' to see the projects"
			case status == 429:
				want.code, want.message, want.hint = "api.rate_limited", "the API gets too many requests"+at+said, "try again later"
			case status < 500:
				want.code, want.message = "api.refused", "the API refused the request for "+list.what+at+said
			case status < 600:
				want.code, want.message, want.hint = "api.server", "the API failed"+at+said, "try again later"
			default:
				want = badAnswer(api.host(), fmt.Sprintf("its status is %d", status), status)
			}
			args := strings.Fields(list.args)
			if status%2 == 0 {
				s.want(want.fails("", false), args...)
			} else {
				s.want(want.fails("", true), append(args, "--json")...)
			}
			requests := 1
			if status == 429 || status == 502 || status == 503 || status == 504 {
				requests = 3
			}
			if seen := strings.Fields(api.seen()); len(seen) != requests || len(s.waits) != requests-1 {
				t.Errorf("HTTP %d: %d requests and %v, want %d requests", status, len(seen), s.waits, requests)
			}
			s.waits = nil
		}
	}
}

// TestATransientFailureIsTriedAgain covers what is repeated, after which waits.
func TestATransientFailureIsTriedAgain(t *testing.T) {
	ok := reply(200, projectsBody)
	const table = "ID    NAME\n5f1c  shop\n77aa  blog\n"
	reset := func(w http.ResponseWriter, _ *http.Request) {
		if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
			conn.(*net.TCPConn).SetLinger(0)
			conn.Close()
		}
	}
	for _, test := range []struct {
		name   string
		answer http.HandlerFunc
		tries  int
		stdout string
		code   int
	}{
		{"429, then well", inTurn(reply(429, ""), ok), 2, table, 0},
		{"502 and 504, then well", inTurn(reply(502, ""), reply(504, "<html>"), ok), 3, table, 0},
		{"503 three times", inTurn(reply(503, ""), reply(503, ""), reply(503, ""), ok), 3, "", 6},
		{"503, then rejected", inTurn(reply(503, ""), reply(401, "")), 2, "", 3},
		{"503, then a failure that lasts", inTurn(reply(503, ""), reply(500, "")), 2, "", 6},
		{"a hang-up, then well", inTurn(hangUp, ok), 2, table, 0},
		{"a reset and a 503, then well", inTurn(reset, reply(503, ""), ok), 3, table, 0},
		{"hang-ups three times", inTurn(hangUp, hangUp, hangUp, ok), 3, "", 5},
		{"500", inTurn(reply(500, ""), ok), 1, "", 6},
		{"408", inTurn(reply(408, ""), ok), 1, "", 4},
	} {
		api := newFakeAPI(t)
		api.answer("/projects", test.answer)
		s := newShell(t, api).with("MICROTICA_TOKEN", testKey)
		got := s.run("project", "list")
		if got.stdout != test.stdout || got.code != test.code || (got.stderr == "") != (got.code == 0) {
			t.Errorf("%s: %s", test.name, got)
		}
		if seen := len(strings.Fields(api.seen())); seen != test.tries || len(s.waits) != test.tries-1 {
			t.Errorf("%s: %d requests, waits %v; want %d requests", test.name, seen, s.waits, test.tries)
		}
		for i, wait := range s.waits {
			if least := 500 * time.Millisecond << i; wait < least || wait > least+least/4 {
				t.Errorf("%s: wait %d is %v", test.name, i+1, wait)
			}
		}
	}
}

// TestRetryAfterIsObeyedWithinReason covers the header's forms on a 503 that lasts. A wait of -1 is the program's own.
func TestRetryAfterIsObeyedWithinReason(t *testing.T) {
	now := time.Date(2026, 9, 23, 9, 7, 0, 0, time.UTC)
	date := func(seconds int) string { return now.Add(time.Duration(seconds) * time.Second).Format(http.TimeFormat) }
	asked := func(seconds any) string { return fmt.Sprintf("try again in %v seconds, as the API asks", seconds) }
	const later = "try again later"
	for _, test := range []struct {
		value, hint string
		waits       []time.Duration
	}{
		{"1", asked(1), []time.Duration{time.Second, time.Second}},
		{"7", asked(7), []time.Duration{7 * time.Second, 7 * time.Second}},
		{" 007 ", asked(7), []time.Duration{7 * time.Second, 7 * time.Second}},
		{"30", asked(30), []time.Duration{30 * time.Second, 30 * time.Second}},
		{"0", later, []time.Duration{0, 0}},
		{date(5), asked(5), []time.Duration{5 * time.Second, 5 * time.Second}},
		{now.Add(9 * time.Second).Format(time.RFC850), asked(9), []time.Duration{9 * time.Second, 9 * time.Second}},
		{date(31), asked(31), nil},
		{"31", asked(31), nil},
		{"86400", asked(86400), nil},
		{"10000000000", asked(1000000000), nil},
		{"99999999999999999999999", asked(1000000000), nil},
		{"Fri, 31 Dec 9999 23:59:59 GMT", asked(1000000000), nil},
		{"-1", later, []time.Duration{-1, -1}},
		{"-99999999999999999999999", later, []time.Duration{-1, -1}},
		{"99999999999999999999x", later, []time.Duration{-1, -1}},
		{"+5", later, []time.Duration{-1, -1}},
		{"1.5", later, []time.Duration{-1, -1}},
		{"1e3", later, []time.Duration{-1, -1}},
		{"5, 6", later, []time.Duration{-1, -1}},
		{"soon", later, []time.Duration{-1, -1}},
		{"", later, []time.Duration{-1, -1}},
		{date(-60), later, []time.Duration{-1, -1}},
		{"2026-09-23T09:07:05Z", later, []time.Duration{-1, -1}},
	} {
		api := newFakeAPI(t)
		api.answer("/projects", reply(503, "", "Retry-After", test.value))
		s := newShell(t, api).with("MICROTICA_TOKEN", testKey)
		s.now, s.apiLimit = now, time.Minute
		s.want(wrong{"api.server", "the API failed (HTTP 503)", test.hint, 503}.fails("", false), "project", "list")
		same := len(s.waits) == len(test.waits)
		for i := 0; same && i < len(s.waits); i++ {
			own := test.waits[i] < 0 && s.waits[i] >= 500*time.Millisecond<<i
			same = own || s.waits[i] == test.waits[i]
		}
		if seen := len(strings.Fields(api.seen())); !same || seen != len(test.waits)+1 {
			t.Errorf("Retry-After %q: waits %v in %d requests, want %v", test.value, s.waits, seen, test.waits)
		}
	}

	// What does not fit into the time that is left is not waited for. Another status that carries the header is not repeated.
	api := newFakeAPI(t)
	s := newShell(t, api).with("MICROTICA_TOKEN", testKey)
	s.apiLimit = 3 * time.Second
	for status, want := range map[int]wrong{
		429: {"api.rate_limited", "the API gets too many requests (HTTP 429)", asked(20), 429},
		500: {"api.server", "the API failed (HTTP 500)", asked(20), 500},
		400: {"api.refused", "the API refused the request for the projects (HTTP 400)", "", 400},
	} {
		api.answer("/projects", reply(status, "", "Retry-After", "20"))
		s.wantError(want, "project", "list")
	}
	if s.waits != nil {
		t.Errorf("waited %v of 3 s", s.waits)
	}
}

// TestNoRedirectIsFollowed covers each status and each way to point elsewhere: the host is named, and nothing is sent there.
func TestNoRedirectIsFollowed(t *testing.T) {
	target := newRawServer(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"))
	api := newFakeAPI(t)
	s := newShell(t, api).with("MICROTICA_TOKEN", testKey)
	for _, to := range []struct{ location, says string }{
		{"http://" + target.host + "/projects", "to " + target.host},
		{"http://localhost" + target.host[strings.Index(target.host, ":"):] + "/", "to localhost" + target.host[strings.Index(target.host, ":"):]},
		{"//" + target.host + "/projects", "to " + target.host},
		{"https://" + target.host, "to " + target.host},
		{"http://user:hunter2@" + target.host + "/?token=x", "to " + target.host},
		{api.base() + "/projects/5f1c/details", "to " + api.host()},
		{"/projects/5f1c/details", "to " + api.host()},
		{"5f1c", "to " + api.host()},
		{"?", "to " + api.host()},
		{"https://" + testKey + ".example/", "to mic_d60bea1d_….example"},
		{"https://evil.example\u202e/", `to evil.example\u202e`},
		{"https://" + strings.Repeat("a", 1000) + "/", "to " + strings.Repeat("a", 300) + "…"},
		{"http://[::1", "without saying where"},
		{"https://%zz/", "without saying where"},
		{":", "without saying where"},
		{"mailto:ana@example.test", "without saying where"},
		{"https:///projects", "without saying where"},
		{"", "without saying where"},
	} {
		for _, status := range []int{300, 301, 302, 303, 307, 308, 399} {
			api.answer("/projects", reply(status, "", "Location", to.location))
			s.want(wrong{"api.redirect", fmt.Sprintf("the API redirects %s (HTTP %d), and the key goes only to the address that is set", to.says, status),
				"set MICROTICA_API_URL to the API's own address", status}.fails("", status%2 == 0), strings.Fields("project list"+[]string{" --json", ""}[status%2])...)
			if seen := api.seen(); seen != "/projects" || target.connections.Load() != 0 {
				t.Fatalf("HTTP %d, Location %q: requests %q, and %d at the target", status, to.location, seen, target.connections.Load())
			}
		}
	}
}

// TestAnAnswerIsTheAPIsOrAnError covers bodies that are JSON or not, of the right shape or not.
func TestAnAnswerIsTheAPIsOrAnError(t *testing.T) {
	deep := func(levels int) string {
		return `[{"a":` + strings.Repeat("[", levels-2) + strings.Repeat("]", levels-2) + `}]`
	}
	for _, test := range []struct{ body, stdout, why string }{
		{`{"projects":[]}`, "[]", ""},
		{` [ ] `, "[]", ""},
		{`{"projects":[{}],"next":null}`, "[{}]", ""},
		{`{"projects":[{"id":1}],"projects":[{"id":2}]}`, `[{"id":2}]`, ""},
		{`{"projects":null,"\u0070rojects":[]}`, `[]`, ""},
		{`[{"a":1,"b":2,"a":3}]`, `[{"a":1,"b":2,"a":3}]`, ""},
		{`[{"n":"\ud800","m":"\udc00\ud800"}]`, `[{"n":"�","m":"��"}]`, ""},
		{"[{\"n\":\"a\xff\u009b\"}]", `[{"n":"a\ufffd\u009b"}]`, ""},
		{deep(10000), deep(10000), ""},
		{deep(10001), "", notJSON},
		{"", "", notJSON},
		{" \n", "", notJSON},
		{"<!DOCTYPE html><title>Sign in</title>", "", notJSON},
		{"OK", "", notJSON},
		{"\uFEFF[]", "", notJSON},
		{"[]]", "", notJSON},
		{"[] []", "", notJSON},
		{`{"projects":[]}` + "\x00", "", notJSON},
		{`{"projects":[`, "", notJSON},
		{`{'projects':[]}`, "", notJSON},
		{"[{\"a\":\"\n\"}]", "", notJSON},
		{"[01]", "", notJSON},
		{"NaN", "", notJSON},
		{"null", "", "it holds no list of projects"},
		{"1", "", "it holds no list of projects"},
		{`"projects"`, "", "it holds no list of projects"},
		{"{}", "", "it holds no list of projects"},
		{`{"projects":null}`, "", "it holds no list of projects"},
		{`{"projects":{}}`, "", "it holds no list of projects"},
		{`{"projects":"none"}`, "", "it holds no list of projects"},
		{`{"Projects":[]}`, "", "it holds no list of projects"},
		{`{"projects":[1]}`, "", "its list of projects holds something else than objects"},
		{`[{},null]`, "", "its list of projects holds something else than objects"},
		{`[[]]`, "", "its list of projects holds something else than objects"},
	} {
		api := newFakeAPI(t)
		api.answer("/projects", reply(200, test.body))
		s := newShell(t, api).with("MICROTICA_TOKEN", testKey)
		if test.why == "" {
			s.want(result{test.stdout + "\n", "", 0}, "project", "list", "--json", "--quiet")
		} else {
			s.wantError(badAnswer(api.host(), test.why, 0), "project", "list")
		}
	}
	for _, test := range []struct{ body, why string }{
		{`{}`, "it holds no list of environments"},
		{`[]`, "it holds no list of environments"},
		{`{"entities":null}`, "it holds no list of environments"},
		{`{"entities":[]}`, "it holds no list of environments"},
		{`{"entities":{}}`, "it holds no list of environments"},
		{`{"stages":[]}`, "it holds no list of environments"},
		{`{"entities":{"stages":{}}}`, "it holds no list of environments"},
		{`{"entities":{"stages":["production"]}}`, "its list of environments holds something else than objects"},
	} {
		api := newFakeAPI(t)
		api.answer("/projects/5f1c/details", reply(200, test.body))
		newShell(t, api).with("MICROTICA_TOKEN", testKey).wantError(badAnswer(api.host(), test.why, 0), "env", "list", "--project", "5f1c")
	}
}

// TestABrokenAnswerIsNotTheAPIs sends bytes that no server should. What has begun is never asked for again.
func TestABrokenAnswerIsNotTheAPIs(t *testing.T) {
	t.Parallel()
	const head = "HTTP/1.1 200 OK\r\n"
	const chunked = head + "Transfer-Encoding: chunked\r\n\r\n"
	long := strings.Repeat("x", 1<<20)
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
		{"a body of 32 MiB and one, with a length", head + "Content-Length: 33554433\r\n\r\n" + strings.Repeat(" ", 32<<20-1) + "[]", "it is larger than 32 MiB"},
		{"a body of 33 MiB, without a length", head + "\r\n" + strings.Repeat(long, 33), "it is larger than 32 MiB"},
		{"a body of 33 MiB in chunks", chunked + strings.Repeat("100000\r\n"+long+"\r\n", 33), "it is larger than 32 MiB"},
		{"an error of 33 MiB", "HTTP/1.1 500 No\r\n\r\n" + strings.Repeat(long, 33), "it is larger than 32 MiB"},
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
		{"gzip unasked", head + "Content-Encoding: gzip\r\nContent-Length: 6\r\n\r\n\x1f\x8b\x08\x00\x00\x00", notJSON},
		{"1xx without end", strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", 20000), cut},
		{"100 and no more", "HTTP/1.1 100 Continue\r\n\r\n", cut},
		{"a banner", "SSH-2.0-OpenSSH_9.6\x1b[2J\r\n", cut},
		{"a TLS alert", "\x15\x03\x01\x00\x02\x02\x46", cut},
	} {
		server := newRawServer(t, answering(test.answer))
		newRawShell(t, server).wantError(badAnswer(server.host, test.why, 0), "project", "list")
		if n := server.connections.Load(); n != 2 { // the text and the JSON form
			t.Errorf("%s: %d requests for two commands", test.name, n)
		}
		if t.Failed() {
			t.Fatalf("with %s", test.name)
		}
	}
	for text, status := range map[string]int{"000": 0, "099": 99, "101": 101} {
		server := newRawServer(t, answering("HTTP/1.1 "+text+" No\r\n\r\n"))
		newRawShell(t, server).wantError(badAnswer(server.host, fmt.Sprintf("its status is %d", status), status), "project", "list")
	}
}

// TestAnOddAnswerMayStillBeTheAPIs is the other side: what HTTP allows.
func TestAnOddAnswerMayStillBeTheAPIs(t *testing.T) {
	for _, answer := range []string{
		"HTTP/1.0 200\r\n\r\n[]",
		"HTTP/1.1 200 \x1b]0;title\x07\u202e\r\nContent-Length: 2\r\n\r\n[]",
		"HTTP/1.1 299 X\nContent-Length: 2\n\n[] and more",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\n[\r\n1\r\n]\r\n0\r\nTrailer: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 60000) + "\r\n\r\n[]",
		"HTTP/1.1 200 OK\r\nContent-Length: 33554432\r\n\r\n[" + strings.Repeat(" ", 32<<20-2) + "]",
	} {
		server := newRawServer(t, answering(answer))
		newRawShell(t, server).want(result{"[]\n", "", 0}, "project", "list", "--json", "--quiet")
	}
}

// TestASwitchOfProtocolsIsNotWaitedFor is about a 101, after which net/http gives the whole connection as the body.
func TestASwitchOfProtocolsIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	server := newRawServer(t, func(conn net.Conn) {
		answering("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")(conn)
		io.Copy(io.Discard, conn) // until the client hangs up
	})
	start := time.Now()
	newRawShell(t, server).wantError(badAnswer(server.host, "its status is 101", 101), "project", "list")
	if took := time.Since(start); took > 5*time.Second { // the command's limit would not end it
		t.Errorf("it took %v", took)
	}
}

// TestABannerBeforeTheRequestIsNotTheAPI is a server of another protocol, which speaks first.
func TestABannerBeforeTheRequestIsNotTheAPI(t *testing.T) {
	server := newRawServer(t, func(conn net.Conn) {
		io.WriteString(conn, "SSH-2.0-OpenSSH_9.6\r\n")
		readHead(conn)
	})
	for range 5 { // before, while and after the request is written
		newRawShell(t, server).wantError(badAnswer(server.host, cut, 0), "project", "list")
	}
	if n := server.connections.Load(); n != 10 {
		t.Errorf("%d requests of 10 commands", n)
	}
}

// TestAReflectedKeyIsReplaced sends the key back in every place where an answer has text.
func TestAReflectedKeyIsReplaced(t *testing.T) {
	const shown = "mic_d60bea1d_…"
	escaped := strings.NewReplacer("m", `\u006d`, "_", `\u005F`).Replace(testKey)
	api := newFakeAPI(t)
	s := newShell(t, api).with("MICROTICA_TOKEN", testKey)
	for _, reflected := range []string{testKey, escaped} {
		api.answer("/projects", reply(200, `[{"id":"`+reflected+`","name":"<`+reflected+reflected+`>","`+reflected+`":["`+reflected+`"]}]`))
		s.want(result{"ID              NAME\n" + shown + "  <" + shown + shown + ">\n", "", 0}, "project", "list")
		s.want(result{`[{"id":"` + shown + `","name":"<` + shown + shown + `>","` + shown + `":["` + shown + `"]}]` + "\n", "", 0}, "project", "list", "--json")
		api.answer("/projects", reply(400, `{"message":"no `+reflected+`"}`))
		s.wantError(wrong{"api.refused", "the API refused the request for the projects (HTTP 400): no " + shown, "", 400}, "project", "list")
		api.answer("/projects", reply(403, `{"message":"no"}`))
		api.answer("/me", reply(403, `{"message":"no `+reflected+`"}`))
		if got := s.run("whoami"); !strings.HasSuffix(strings.Split(got.stderr, "\n")[0], "(HTTP 403): no "+shown) {
			t.Errorf("whoami: %s", got)
		}
	}
	// A key that ends in another's beginning: the longest text wins, and nothing of the secret is left.
	api.answer("/projects", reply(400, `{"message":"`+testKey[:len(testKey)-1]+testKey+`"}`))
	s.want(wrong{"api.refused", "the API refused the request for the projects (HTTP 400): " + testKey[:len(testKey)-1] + shown, "", 400}.fails("", false), "project", "list")
}

// TestAnAPIsMessageIsBoundedAndHarmless covers what stands behind the status.
func TestAnAPIsMessageIsBoundedAndHarmless(t *testing.T) {
	api := newFakeAPI(t)
	s := newShell(t, api).with("MICROTICA_TOKEN", testKey)
	for _, test := range []struct{ body, said string }{
		{`{"message":"` + strings.Repeat("é", 300) + `"}`, ": " + strings.Repeat("é", 300)},
		{`{"message":"` + strings.Repeat("é", 301) + `"}`, ": " + strings.Repeat("é", 300) + "…"},
		{`{"message":"a\nerror: b\u001b[31m\u202e\u0000"}`, `: a\x0aerror: b\x1b[31m\u202e\x00`},
		{"{\"message\":\"a\xff\u0085\"}", `: a\xff\u0085`},
		{`{"message":"a","message":"b"}`, ": b"},
		{`{"message":""}`, ""},
		{`{"message":["a"]}`, ""},
		{`{"message":null}`, ""},
		{`{"error":"a"}`, ""},
		{`["a"]`, ""},
		{`"a"`, ""},
		{`{"message":"a"} trailing`, ""},
		{`<html>a</html>`, ""},
		{``, ""},
	} {
		api.answer("/projects", reply(500, test.body))
		s.wantError(wrong{"api.server", "the API failed (HTTP 500)" + test.said, "try again later", 500}, "project", "list")
	}
}

// TestABadBaseURLIsRefusedBeforeAnyConnection covers what is no base URL. Nothing of it is shown.
func TestABadBaseURLIsRefusedBeforeAnyConnection(t *testing.T) {
	server := newRawServer(t, func(net.Conn) {})
	port := server.host[strings.Index(server.host, ":"):]
	const scheme, plain = "does not start with https://", "would send the key unencrypted: http is for a loopback host only"
	const user, query = "holds a user name or password", "has a query or a fragment"
	for _, test := range []struct{ url, wrong string }{
		{"canary.example", scheme},
		{"canary.example/v1", scheme},
		{"//canary.example", scheme},
		{"/canary", scheme},
		{"ftp://canary.example", scheme},
		{"httpss://canary.example", scheme},
		{"file:///canary", scheme},
		{"localhost:8080", scheme},
		{"canary:hunter2@localhost", scheme},
		{" https://canary.example", "cannot be parsed"},
		{"https://canary.example/%zz", "cannot be parsed"},
		{"https://canary example", "cannot be parsed"},
		{"https://canary.example:port", "cannot be parsed"},
		{"https://canary.example:-1", "cannot be parsed"},
		{"https://canary.example\n", "cannot be parsed"},
		{"https://[::1", "cannot be parsed"},
		{"https://canary.example:1:2", "cannot be parsed"},
		{"https://canary.example:65s:", "cannot be parsed"},
		{"http://localho\u017ft", plain},
		{"https://can\x1b[31mary.example", "cannot be parsed"},
		{"https://ana:hunter2canary@[::1", "cannot be parsed"},
		{"https:", "has no host"},
		{"https:canary.example", "has no host"},
		{"https://", "has no host"},
		{"https:///canary", "has no host"},
		{"https://:443/canary", "has no host"},
		{"https://canary.example:0", "has a port outside 1 to 65535"},
		{"https://canary.example:65536", "has a port outside 1 to 65535"},
		{"https://canary.example:99999999999999999999", "has a port outside 1 to 65535"},
		{"https://canary@canary.example", user},
		{"https://ana:hunter2canary@canary.example", user},
		{"http://ana:hunter2canary@127.0.0.1" + port, user},
		{"https://@canary.example", user},
		{"https://canary.example?", query},
		{"https://canary.example/?token=canary", query},
		{"http://127.0.0.1" + port + "/#", query},
		{"http://127.0.0.1" + port + "/#canary", query},
		{"https://canary.example/mic_d60bea1d_canary", "holds what looks like a key"},
		{"http://canary.example", plain},
		{"HTTP://canary.example", plain},
		{"http://10.0.0.1", plain},
		{"http://0.0.0.0" + port, plain},
		{"http://[::]" + port, plain},
		{"http://127.0.0.1.canary.example" + port, plain},
		{"http://localhost.canary.example" + port, plain},
		{"http://127.1" + port, plain},
		{"http://2130706433" + port, plain},
	} {
		s := newShell(t, nil).with("MICROTICA_TOKEN", testKey, "MICROTICA_API_URL", test.url)
		want := wrong{"usage.url", "MICROTICA_API_URL " + test.wrong, "set MICROTICA_API_URL to a base URL such as https://api.microtica.com", 0}
		s.wantError(want, "project", "list")
		s.wantError(want, "whoami")
		s.wantError(want, "login")
		if t.Failed() {
			t.Fatalf("with %q", test.url)
		}
	}
	if n := server.connections.Load(); n != 0 {
		t.Errorf("%d connections were made", n)
	}
}

// TestABaseURLIsAnAddressAndAPrefix covers the ways to write a good one.
func TestABaseURLIsAnAddressAndAPrefix(t *testing.T) {
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
		select {
		case got := <-heads:
			if got != "GET "+test.path+"/projects" {
				t.Errorf("%s: %s", test.url, got)
			}
		default:
			t.Errorf("%s: no request", test.url)
		}
	}
}

// TestAProjectIsOneSegmentOfThePath covers ids that would end the segment, or begin another, if they were not escaped.
func TestAProjectIsOneSegmentOfThePath(t *testing.T) {
	api := newFakeAPI(t)
	for id, segment := range map[string]string{
		"a/b": "a%2Fb", "../me": "..%2Fme", "a/..": "a%2F..", "/": "%2F", "a b": "a%20b", "%2e": "%252e", "%2e%2e": "%252e%252e", "a%2Fb": "a%252Fb", "...": "...",
		"ü": "%C3%BC", "a?b#c": "a%3Fb%23c", "a;b": "a%3Bb", "a\\b": "a%5Cb", "a\r\nX: y": "a%0D%0AX:%20y", "\xff": "%FF", "a+b": "a+b", "a:b@c": "a:b@c", ".a": ".a",
	} {
		newShell(t, api).with("MICROTICA_TOKEN", testKey).wantError(wrong{"api.not_found", "the API finds no project " + clean(id) + " that key mic_d60bea1d can see (HTTP 404): no such path",
			"run 'microtica project list' to see the projects", 404}, "env", "list", "--project", id)
		if seen, want := api.seen(), "/projects/"+segment+"/details"; seen != want+" "+want {
			t.Errorf("%q arrived as %q", id, seen)
		}
	}
}

// TestNoAnswerInTime covers a server that is silent, before or within its answer. The limit is for all requests together.
func TestNoAnswerInTime(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		serve func(net.Conn)
	}{
		{"silence", func(conn net.Conn) { readHead(conn) }},
		{"a head that drips", func(conn net.Conn) { answering("HTTP/1.1 200 OK\r\nX: ")(conn); drip(conn, "x") }},
		{"a body that drips", func(conn net.Conn) { answering("HTTP/1.1 200 OK\r\n\r\n[")(conn); drip(conn, " ") }},
		{"hints that drip", func(conn net.Conn) { readHead(conn); drip(conn, "HTTP/1.1 102 Processing\r\n\r\n") }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := newRawServer(t, func(conn net.Conn) {
				test.serve(conn)
				io.Copy(io.Discard, conn)
			})
			s := newRawShell(t, server)
			s.apiLimit = 200 * time.Millisecond
			start := time.Now()
			s.wantError(wrong{"network.timeout", server.host + " did not answer in time", "try again later, or check the network", 0}, "project", "list")
			if took, n := time.Since(start), server.connections.Load(); n != 2 || took > 5*time.Second {
				t.Errorf("%d requests in %v for two commands", n, took)
			}
		})
	}
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

// TestLoginWaitsFiveSeconds is about a silent API: the key is saved, after five seconds for both requests together.
func TestLoginWaitsFiveSeconds(t *testing.T) {
	t.Parallel()
	for _, request := range []string{"/projects", "/me"} {
		t.Run(request[1:], func(t *testing.T) {
			t.Parallel()
			api := newFakeAPI(t)
			api.answer("/projects", reply(403, ""))
			api.answer(request, silence)
			s := newShell(t, api).save(otherKey)
			s.stdin = testKey
			start := time.Now()
			got := s.run("login")
			took := time.Since(start)
			if got.code != 0 || got.stdout != "Saved API key mic_d60bea1d to "+s.credentials()+"\n" || !strings.HasPrefix(got.stderr, "warning: the key was not checked: ") ||
				!strings.HasSuffix(got.stderr, api.host()+" did not answer in time\n") {
				t.Error(got)
			}
			if took < 4900*time.Millisecond || took > 7*time.Second {
				t.Errorf("it took %v", took)
			}
			s.wantStored(testKey + "\n")
		})
	}
}
