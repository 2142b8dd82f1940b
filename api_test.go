package main

import (
	"io"
	"net"
	"strings"
	"testing"
)

// TestAPIPrintsTheWholeAnswer covers every kind of JSON, with and without the flags for it.
func TestAPIPrintsTheWholeAnswer(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	s := newShell(t, api).with("MICROTICA_TOKEN", testKey)
	for _, body := range []string{projectsBody, `[{"b":1.0,"a":[]}]`, "null", "7", `"text"`,
		"true"} {
		api.answer("/any/thing", reply(200, body))
		s.want(result{body + "\n", "", 0}, "api", "any/thing")
		s.want(result{body + "\n", "", 0}, "api", "/any/thing", "--json")
	}
	s.want(result{`["shop","blog"]` + "\n", "", 0}, "api", "projects", "--query", "projects[].name")
	api.answer("/any/thing", reply(200, `{"id":"`+testKey+`"}`))
	s.want(result{`{"id":"mic_d60bea1d_…"}` + "\n", "", 0}, "api", "any/thing")
}

// TestAPIAsksForThePathAsItIsGiven compares the request line, below a base URL with a prefix.
func TestAPIAsksForThePathAsItIsGiven(t *testing.T) {
	t.Parallel()
	heads := make(chan string, 1)
	server := newRawServer(t, func(conn net.Conn) {
		line, _, _ := strings.Cut(readHead(conn), " HTTP/")
		heads <- line
		io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n{}")
	})
	s := newRawShell(t, server).with("MICROTICA_API_URL", "http://"+server.host+"/v%2F1/")
	for path, want := range map[string]string{
		"projects":                 "projects",
		"/projects":                "projects",
		"projects/":                "projects/",
		"/":                        "",
		"projects/a%2Fb/details":   "projects/a%2Fb/details",
		"projects/a%2fb/ü":         "projects/a%2fb/%C3%BC",
		"a b/\"<c>\"":              "a%20b/%22%3Cc%3E%22",
		"a;b=c,d:e@f/(g)!*'+&$~":   "a;b=c,d:e@f/(g)!*'+&$~",
		"...":                      "...",
		"a//b":                     "a//b",
		"projects?limit=5&x=a%20b": "projects?limit=5&x=a%20b",
		"projects?q=a b&to=https://x.example/../?": "projects?q=a%20b&to=https://x.example/../?",
		"projects?": "projects",
	} {
		s.want(result{"{}\n", "", 0}, "api", path)
		if t.Failed() {
			t.Fatalf("%s: no request", path)
		}
		if got := receive(t, heads); got != "GET /v%2F1/"+want {
			t.Errorf("%s: %s", path, got)
		}
	}
}

// TestAPIRefusesWhatIsNoPath covers what could leave the base URL, before any connection.
func TestAPIRefusesWhatIsNoPath(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	s := newShell(t, api).with("MICROTICA_TOKEN", testKey)
	const usage = "usage: microtica api PATH, such as 'microtica api projects'"
	const isURL = "PATH is a URL: leave out the base URL, which is MICROTICA_API_URL"
	const fragment = "PATH has a fragment, which is never sent"
	const hex = "PATH has a % that two hexadecimal digits do not follow"
	const control, dots = "PATH has a control character", "PATH has . or .. as a segment"
	for path, message := range map[string]string{
		"":                                   "PATH is empty",
		"https://api.microtica.com/projects": isURL, "http://127.0.0.1/": isURL,
		"//evil.example/projects": isURL, "x://": isURL,
		"projects\n": control, "a\x00b": control, "a\u0085b": control, "a?b\x1b": control,
		"a%0ab": control, "a%7F": control,
		"projects#top": fragment, "#": fragment,
		".": dots, "..": dots, "../me": dots, "a/../b": dots, "a/.": dots, "a/..?b": dots,
		"%2e%2E/me": dots, "a/.%2e": dots, "a%2f..": dots,
		"a%":     hex,
		"a%zz/b": hex,
	} {
		s.wantError(wrong{"usage", message, usage, 0}, "api", path)
	}
	for _, path := range []string{testKey, "projects/" + testKey, "a?key=" + testKey, "MIC_x",
		"mic%5fd60bea1d%5fx", "me?x=%6dic_d60bea1d_x"} {
		s.wantError(wrong{"usage", "a key is not an argument", pasteHint, 0}, "api", path)
	}
	if seen := api.seen(); seen != "" {
		t.Errorf("requests: %s", seen)
	}
}

// TestAPIFailsAsOtherCommandsDo covers the errors that name the path.
func TestAPIFailsAsOtherCommandsDo(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	s := newShell(t, api).with("MICROTICA_TOKEN", testKey)
	s.wantError(wrong{"api.not_found",
		"the API cannot find /no such/path (HTTP 404): no such path",
		"check the path: it is relative to " + api.base(), 404}, "api", "/no such%2Fpath?x=1")
	api.answer("/x", reply(403, ""))
	s.wantError(wrong{"api.forbidden",
		"the API denies key mic_d60bea1d (from MICROTICA_TOKEN) access to /x (HTTP 403)",
		readHint, 403}, "api", "x")
	api.answer("/x", reply(200, "<html>"))
	s.wantError(badAnswer(api.host(), notJSON, 0), "api", "x")
	s = newShell(t, api).save(otherKey)
	s.wantError(wrong{"auth.rejected",
		"the API rejected key mic_0ther from SOURCE (HTTP 401): key revoked",
		"run 'microtica login' with a new key: this one may be expired or revoked", 401}.
		from(s.credentials()), "api", "projects")
}
