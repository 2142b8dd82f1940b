package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// failureOf returns the error for an answer with that status and the message "because", to a
// request for what, which is a project's details or the projects.
func failureOf(status int, what, host string) wrong {
	at, said := fmt.Sprintf(" (HTTP %d)", status), ": because"
	if status == 304 { // has no body
		said = ""
	}
	const from = "key mic_d60bea1d from MICROTICA_TOKEN"
	const denied = "the API denies key mic_d60bea1d (from MICROTICA_TOKEN) access to "
	project := what != "the projects"
	switch {
	case status < 400:
		return wrong{"api.redirect",
			"the API redirects without saying where; redirects are not followed" + at + said,
			"set MICROTICA_API_URL to the API's own address", status}
	case status == 401:
		return wrong{"auth.rejected", "the API rejected " + from + at + said,
			"replace the key from MICROTICA_TOKEN: it may be expired or revoked", status}
	case status == 403 && project:
		return wrong{"api.forbidden", denied + what + at + said,
			readHint, status}
	case status == 403:
		return wrong{"api.forbidden", denied + what + at + said,
			"name a project: 'microtica env list --project ID'", status}
	case status == 404 && project:
		return missingProject("5f1c", missingHint, said)
	case status == 404:
		return badAnswer(host, "there is no such path"+at+said, 404)
	case status == 429:
		return wrong{"api.rate_limited", "rate limited by the API" + at + said,
			"try again later", status}
	case status < 500:
		return wrong{"api.refused", "the API refused the request for " + what + at + said,
			"", status}
	case status < 600:
		return wrong{"api.server", "the API failed" + at + said, "try again later", status}
	}
	return badAnswer(host, "its status is unexpected"+at+said, status)
}

// TestEveryStatusHasItsError goes through all of them on both lists: the error, and how many
// requests it took.
func TestEveryStatusHasItsError(t *testing.T) {
	t.Parallel()
	statuses := []int{600, 700, 999}
	for status := 300; status <= 599; status++ {
		statuses = append(statuses, status)
	}
	for _, list := range []struct{ path, what, args string }{
		{"/projects", "the projects", "project list"},
		{"/projects/5f1c/details", "project 5f1c", "env list --project 5f1c"},
	} {
		t.Run(list.what, func(t *testing.T) {
			t.Parallel()
			api := newFakeAPI(t)
			s := newShell(t, api).with("MICROTICA_TOKEN", testKey)
			for _, status := range statuses {
				api.answer(list.path, reply(status, `{"message":"because"}`))
				tries := 1
				if status == 429 || status == 502 || status == 503 || status == 504 {
					tries = 3
				}
				want := failureOf(status, list.what, api.host())
				s.wantTried(tries, want, strings.Fields(list.args)...)
				if seen := strings.Fields(api.seen()); len(seen) != 2*tries {
					t.Errorf("HTTP %d: %d requests of two commands", status, len(seen))
				}
			}
		})
	}
}

// TestA404IsTheAPIsOnlyInJSON covers bodies that another server sends, where a project may be
// missing.
func TestA404IsTheAPIsOnlyInJSON(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	s := newShell(t, api).with("MICROTICA_TOKEN", testKey)
	for _, body := range []string{"", "<html>Not Found</html>", "[]", "null", `"no"`, "404", "{"} {
		api.answer("/projects/5f1c/details", reply(404, body))
		api.answer("/x", reply(404, body))
		want := badAnswer(api.host(), "there is no such path (HTTP 404)", 404)
		s.wantError(want, "env", "list", "--project", "5f1c")
		s.wantError(want, "api", "x")
	}
	api.answer("/projects/5f1c/details", reply(404, "{}"))
	s.wantError(missingProject("5f1c", missingHint, ""), "env", "list", "--project", "5f1c")
}

// TestARejectedKeysHintWorksFromHere covers each source, with and without a key to fall back on.
func TestARejectedKeysHintWorksFromHere(t *testing.T) {
	t.Parallel()
	const replace = "replace the key from MICROTICA_TOKEN: it may be expired or revoked"
	const replaceFile = "replace the key from MICROTICA_TOKEN_FILE: it may be expired or revoked"
	api := newFakeAPI(t)
	rejected := func(key, source, hint string) wrong {
		return wrong{"auth.rejected",
			"the API rejected key " + key + " from " + source + " (HTTP 401): key revoked",
			hint, 401}
	}
	s := newShell(t, api).with("MICROTICA_TOKEN", otherKey)
	s.wantError(rejected("mic_0ther", "MICROTICA_TOKEN", replace), "project", "list")
	s.save("not a key").
		wantError(rejected("mic_0ther", "MICROTICA_TOKEN", replace), "project", "list")
	s.save(testKey).wantError(rejected("mic_0ther", "MICROTICA_TOKEN",
		"unset MICROTICA_TOKEN to use the saved key"), "project", "list")
	s.with("MICROTICA_TOKEN_FILE", s.credentials()).
		wantError(rejected("mic_0ther", "MICROTICA_TOKEN", replace), "project", "list")
	s.with("MICROTICA_TOKEN", "").save(otherKey) // the key that was rejected is the saved one
	s.wantError(rejected("mic_0ther", "MICROTICA_TOKEN_FILE", replaceFile), "project", "list")
	file := filepath.Join(s.home, "key.txt")
	writeFile(t, file, otherKey)
	s.save(testKey).with("MICROTICA_TOKEN_FILE", file)
	s.wantError(rejected("mic_0ther", "MICROTICA_TOKEN_FILE",
		"unset MICROTICA_TOKEN_FILE to use the saved key"), "project", "list")
	s.with("HOME", "", "USERPROFILE", "").
		wantError(rejected("mic_0ther", "MICROTICA_TOKEN_FILE", replaceFile), "project", "list")

	s = newShell(t, api).save(otherKey)
	s.wantError(rejected("mic_0ther", s.credentials(),
		"run 'microtica login' with a new key: this one may be expired or revoked"),
		"project", "list")
}

// TestARedirectNamesItsHost covers the ways to point elsewhere. (The torture suite holds that
// nothing is sent there.)
func TestARedirectNamesItsHost(t *testing.T) {
	t.Parallel()
	target := newRawServer(t, answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"))
	port := target.host[strings.Index(target.host, ":"):]
	api := newFakeAPI(t)
	s := newShell(t, api).with("MICROTICA_TOKEN", testKey)
	for i, to := range []struct{ location, says string }{
		{"http://" + target.host + "/projects", "to " + target.host},
		{"http://localhost" + port + "/", "to localhost" + port},
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
		status := []int{300, 301, 302, 303, 307, 308, 399}[i%7]
		api.answer("/projects", reply(status, "", "Location", to.location))
		s.wantError(wrong{"api.redirect",
			fmt.Sprintf("the API redirects %s; redirects are not followed (HTTP %d)",
				to.says, status),
			"set MICROTICA_API_URL to the API's own address", status}, "project", "list")
		seen, there := api.seen(), target.connections.Load()
		if seen != "/projects /projects" || there != 0 {
			t.Fatalf("Location %q: requests %q, and %d there", to.location, seen, there)
		}
	}
}

// TestAReflectedKeyIsReplaced sends the key back in text, in names and in messages. (The torture
// suite sends it back everywhere.)
func TestAReflectedKeyIsReplaced(t *testing.T) {
	t.Parallel()
	const shown = "mic_d60bea1d_…"
	const refused = "the API refused the request for the projects (HTTP 400): "
	escaped := strings.NewReplacer("m", `\u006d`, "_", `\u005F`).Replace(testKey)
	api := newFakeAPI(t)
	s := newShell(t, api).with("MICROTICA_TOKEN", testKey)
	for _, key := range []string{testKey, escaped} {
		api.answer("/projects", reply(200,
			`[{"id":"`+key+`","name":"<`+key+key+`>","`+key+`":["`+key+`"]}]`))
		s.want(result{"ID              NAME\n" + shown + "  <" + shown + shown + ">\n", "", 0},
			"project", "list")
		s.want(result{`[{"id":"` + shown + `","name":"<` + shown + shown + `>","` + shown +
			`":["` + shown + `"]}]` + "\n", "", 0}, "project", "list", "--json")
		api.answer("/projects", reply(400, `{"message":"no `+key+`"}`))
		s.wantError(wrong{"api.refused", refused + "no " + shown, "", 400}, "project", "list")
		api.answer("/projects", reply(403, `{"message":"no"}`))
		api.answer("/me", reply(403, `{"message":"no `+key+`"}`))
		line, _, _ := strings.Cut(s.run("whoami").stderr, "\n")
		if !strings.HasSuffix(line, "(HTTP 403): no "+shown) {
			t.Errorf("whoami: %s", line)
		}
	}
	// Nothing is left of a key that would be cut, where what is before it becomes shorter.
	api.answer("/projects", reply(400, `{"message":"`+strings.Repeat(testKey+" ", 30)+`"}`))
	said := fmt.Sprintf("%.300s…", strings.Repeat(shown+" ", 30))
	s.wantError(wrong{"api.refused", refused + said, "", 400}, "project", "list")
}

// TestAnAPIsMessageIsBoundedAndHarmless covers what comes after the status.
func TestAnAPIsMessageIsBoundedAndHarmless(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	s := newShell(t, api).with("MICROTICA_TOKEN", testKey)
	for _, test := range []struct{ body, said string }{
		{`{"message":"` + strings.Repeat("é", 300) + `"}`, ": " + strings.Repeat("é", 300)},
		{`{"message":"` + strings.Repeat("é", 301) + `"}`, ": " + strings.Repeat("é", 300) + "…"},
		{`{"message":"` + strings.Repeat("a", 297) + `\n"}`,
			": " + strings.Repeat("a", 297) + `\x0…`},
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
		s.wantError(wrong{"api.server", "the API failed (HTTP 500)" + test.said,
			"try again later", 500}, "project", "list")
	}
}

// TestALongMessageIsCutBeforeItIsCleaned is about 32 MiB that cleaning would make 128 MiB.
func TestALongMessageIsCutBeforeItIsCleaned(t *testing.T) {
	text := strings.Repeat("\xff", maxBodyBytes)
	if n := allocated(func() { shorten(text) }); n > 1<<20 {
		t.Errorf("300 characters of it cost %d bytes", n)
	}
}
