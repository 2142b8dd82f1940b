package main

import "testing"

// TestAPIPrintsTheWholeAnswer covers every kind of JSON, with and without the flags for it.
func TestAPIPrintsTheWholeAnswer(t *testing.T) {
	t.Parallel()
	api, s := newUser(t)
	for _, body := range []string{projectsBody, `[{"b":1.0}]`, "null", "7", `"text"`, "true"} {
		api.answer("/any/thing", reply(200, body))
		s.want(result{body + "\n", "", 0}, "api", "any/thing")
		s.want(result{body + "\n", "", 0}, "api", "/any/thing", "--json")
	}
	s.want(result{`["shop","blog"]` + "\n", "", 0}, "api", "projects", "--query", "projects[].name")
}

// TestAPIAsksForThePathAsGiven compares the request line, below a base URL with a prefix.
func TestAPIAsksForThePathAsGiven(t *testing.T) {
	t.Parallel()
	server := newRawServer(t, answering(okLine+"\r\n{}"))
	s := newRawShell(t, server).with("MICROTICA_API_URL", "http://"+server.host+"/v%2F1/")
	for path, want := range map[string]string{
		"projects":                 "projects",
		"/projects/":               "projects/",
		"/":                        "",
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
		if got := server.asked(); got != "GET /v%2F1/"+want {
			t.Errorf("%s: %s", path, got)
		}
	}
}

// TestAPIRefusesABadPath covers what could leave the base URL, before any connection.
func TestAPIRefusesABadPath(t *testing.T) {
	t.Parallel()
	api, s := newUser(t)
	const usage = "usage: microtica api PATH, such as 'microtica api projects'"
	for why, paths := range map[string][]string{
		"PATH is empty": {""},
		"PATH is a URL: leave out the base URL, which is MICROTICA_API_URL": {
			"https://api.microtica.com/projects", "//evil.example/projects", "x://"},
		"PATH has a control character": {
			"projects\n", "a\u0085b", "a?b\x1b", "a%0ab", "a%7F"},
		"PATH has a fragment, which is never sent": {"projects#top", "a?b#"},
		"PATH has . or .. as a segment": {
			".", "..", "../me", "a/../b", "a/.", "a/..?b", "%2e%2E/me", "a/.%2e", "a%2f.."},
		"PATH has a % that two hexadecimal digits do not follow": {"a%", "a%zz/b"},
	} {
		for _, path := range paths {
			s.wantError(wrong{"usage", why, usage, 0}, "api", path)
		}
	}
	for _, path := range []string{"projects/" + testKey, "a?key=" + testKey, "MIC_x",
		"mic%5fd60bea1d%5fx", "me?x=%6dic_d60bea1d_x"} {
		s.wantError(wrong{"usage", "a key is not an argument", pasteHint, 0}, "api", path)
	}
	if seen := api.seen(); seen != "" {
		t.Errorf("requests: %s", seen)
	}
}

// TestARefusalOfTheKeysOwnRecordIsOne asks by hand for what whoami asks for by itself, where it
// would mean that the key does not work.
func TestARefusalOfTheKeysOwnRecordIsOne(t *testing.T) {
	t.Parallel()
	api, s := newUser(t)
	api.answer("/me", reply(403, `{"message":"no"}`))
	s.wantError(wrong{"api.forbidden",
		"the API denies key mic_d60bea1d (from MICROTICA_TOKEN) access to /me (HTTP 403): no",
		"give the key read access in Microtica's console", 403}, "api", "me")
}
