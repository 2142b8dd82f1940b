package main

import (
	"cmp"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// failing is a range of statuses that make a command fail in the same way.
type failing struct {
	command     string // "" for all
	first, last int
	tries       int
	want        wrong
}

// failures are statuses, and the error for each, if the message is "because". The first row that
// fits applies. STATUS stands for the number, WHAT for what was asked for, HOST for the API's
// address.
var failures = []failing{
	{"", 401, 401, 1, wrong{"auth.rejected",
		"the API rejected key mic_d60bea1d from MICROTICA_TOKEN (HTTP 401): because",
		"set MICROTICA_TOKEN to a key that works; this one may be expired or revoked", 0}},
	{"project", 403, 403, 1, wrong{"api.forbidden",
		"the API denies key mic_d60bea1d (from MICROTICA_TOKEN) access to WHAT (HTTP 403): because",
		"name a project: 'microtica env list --project ID'", 0}},
	{"", 403, 403, 1, wrong{"api.forbidden",
		"the API denies key mic_d60bea1d (from MICROTICA_TOKEN) access to WHAT (HTTP 403): because",
		"give the key read access in Microtica's console", 0}},
	{"project", 404, 404, 1, badAnswer("HOST", noPath, 0)},
	{"env", 404, 404, 1, missingProject("5f1c", missingHint, ": because")},
	{"api", 404, 404, 1, wrong{"api.not_found",
		"the API cannot find WHAT for key mic_d60bea1d (HTTP 404): because",
		"check the path: it is relative to http://HOST/gateway/v1", 0}},
	{"", 429, 429, 3, wrong{"api.rate_limited",
		"rate limited by the API (HTTP 429): because", "try again later", 0}},
	{"", 502, 504, 3, wrong{"api.server",
		"the API failed (HTTP STATUS): because", "try again later", 0}},
	{"", 300, 399, 1, wrong{"api.redirect",
		"the API redirects without saying where (HTTP STATUS)",
		"redirects are not followed: set MICROTICA_API_URL to the API's own address", 0}},
	{"", 400, 499, 1, wrong{"api.refused",
		"the API refused the request for WHAT (HTTP STATUS): because", "", 0}},
	{"", 500, 599, 1, wrong{"api.server",
		"the API failed (HTTP STATUS): because", "try again later", 0}},
	{"", 600, 602, 1, badAnswer("HOST", "its status is unexpected (HTTP STATUS)", 0)},
}

// TestEveryStatusHasItsError goes through all of them: the error, and how many tries it took.
func TestEveryStatusHasItsError(t *testing.T) {
	t.Parallel()
	for _, request := range []struct{ args, path, what string }{
		{"project list", "/projects", "the projects"},
		{"env list --project 5f1c", "/projects/5f1c/details", "project 5f1c"},
		{"api /a/b%2Fc?d=e", "/a/b%2Fc", "/a/b/c"},
	} {
		t.Run(request.args, func(t *testing.T) {
			t.Parallel()
			args := strings.Fields(request.args)
			api, s := newUser(t)
			for status := 300; status <= 602; status++ {
				row := failures[slices.IndexFunc(failures, func(f failing) bool {
					return f.first <= status && status <= f.last &&
						(f.command == "" || f.command == args[0])
				})]
				fill := strings.NewReplacer("STATUS", strconv.Itoa(status), "WHAT", request.what,
					"HOST", api.host()).Replace
				want := wrong{row.want.code, fill(row.want.message), fill(row.want.hint), status}
				api.answer(request.path, reply(status, `{"message":"because"}`))
				s.wantTried(row.tries, -1, want, args...)
			}
		})
	}
}

// TestAnotherServersAnswerIsNotTheAPIs covers bodies that are not JSON, or of another shape.
func TestAnotherServersAnswerIsNotTheAPIs(t *testing.T) {
	t.Parallel()
	const env, details = "env list --project 5f1c", "/projects/5f1c/details"
	for _, test := range []struct {
		args, path string
		status     int
		why        string
		bodies     []string
	}{
		{"project list", "/projects", 200, notJSON,
			[]string{"", "<html>", "[]x"}},
		{"project list", "/projects", 200, "it has no valid list of projects",
			[]string{"null", "1", "{}", `{"projects":{}}`, `{"projects":null}`, `{"Projects":[]}`,
				`{"projects":[1]}`, `[{},null]`, `[[]]`}},
		{env, details, 200, "it has no valid list of environments",
			[]string{"{}", "[]", `{"entities":[]}`, `{"entities":{}}`, `{"stages":[]}`,
				`{"entities":{"stages":{}}}`, `{"entities":{"stages":["production"]}}`}},
		{env, details, 404, noPath, []string{"", "<html>Not Found</html>", "[]", `"no"`, "{"}},
		{"api x", "/x", 404, noPath, []string{"", "null"}},
		{"api x", "/x", 200, notJSON, []string{"<html>"}},
	} {
		api, s := newUser(t)
		want := badAnswer(api.host(), test.why, 0)
		if test.status != 200 {
			want.status = test.status
		}
		for _, body := range test.bodies {
			api.answer(test.path, reply(test.status, body))
			s.wantError(want, strings.Fields(test.args)...)
		}
	}
}

// TestARejectedKeysHintWorksFromHere covers each source, with and without a key to fall back on.
func TestARejectedKeysHintWorksFromHere(t *testing.T) {
	t.Parallel()
	const (
		token   = "MICROTICA_TOKEN"
		file    = "MICROTICA_TOKEN_FILE"
		expired = "; this one may be expired or revoked"
		set     = "set MICROTICA_TOKEN to a key that works" + expired
		setFile = "set MICROTICA_TOKEN_FILE to a file with a key that works" + expired
		saved   = ".microtica/credentials"
	)
	api := newFakeAPI(t)
	revoked := func(key, source, hint string) wrong {
		return wrong{"auth.rejected",
			"the API rejected key " + key + " from " + source + " (HTTP 401): key revoked",
			hint, 401}
	}
	for _, test := range []struct{ token, file, stored, source, hint string }{
		{otherKey, "", "", token, set},
		{otherKey, "", "not a key", token, set},
		{otherKey, "", testKey, token, "unset MICROTICA_TOKEN to use the saved key"},
		{otherKey, "", " " + testKey + "\n\n", token, "unset MICROTICA_TOKEN to use the saved key"},
		{otherKey, saved, testKey, token, set},
		{"", saved, otherKey, file, setFile}, // the key that was rejected is the saved one
		{"", "key.txt", "", file, setFile},
		{"", "key.txt", testKey, file, "unset MICROTICA_TOKEN_FILE to use the saved key"},
		{"", "", otherKey, "", "run 'microtica login' with a key that works" + expired},
	} {
		s := newShell(t, api).with(token, test.token)
		if test.stored != "" {
			s.save(test.stored)
		}
		writeFile(t, filepath.Join(s.home, "key.txt"), otherKey)
		if test.file != "" {
			s.with(file, filepath.Join(s.home, test.file))
		}
		source := cmp.Or(test.source, s.credentials())
		s.wantError(revoked("mic_0ther", source, test.hint), "project", "list")
	}

	for end, name := range map[string]string{",": "a comma", ";": "a semicolon",
		`"`: "a quotation mark", "'": "a quotation mark", "`": "a quotation mark"} {
		ends := "the key ends with " + name + ": "
		s := newShell(t, api).with(token, testKey+end)
		s.wantError(revoked("mic_d60bea1d", token, ends+"is that part of it?"), "project", "list")
		s.stdin = testKey + end
		s.want(revoked("mic_d60bea1d", "stdin", ends+"if that is part of it, "+
			"run 'microtica login --no-verify'").fails("", false), "login")
	}
}

// redirectPlaces are values of Location, and what messages say of each. NEAR and FAR are servers
// that must hear nothing, API is the API itself, KEY the key.
var redirectPlaces = []struct{ location, says string }{
	{"http://NEAR/gateway/v1/projects", "to NEAR"},
	{"https://FAR", "to FAR"},
	{"//NEAR/x", "to NEAR"},
	{"http://user:hunter2@NEAR/?key=KEY#KEY", "to NEAR"},
	{"http://API/gateway/v1/projects", "to API"},
	{"/gateway/v1/elsewhere", "to API"},
	{"projects/", "to API"},
	{"", "without saying where"},
	{"http://127.0.0.1:999999/", "to 127.0.0.1:999999"},
	{"https://KEY.example/", "to mic_d60bea1d_….example"},
	{"https://evil.example\u202e/", `to evil.example\u202e`},
	{"https://" + strings.Repeat("a", 301) + "/", "to " + strings.Repeat("a", 300) + "…"},
	{"http://[::1", "without saying where"},
	{"http://NEAR/%zz", "without saying where"},
	{"javascript:alert(1)", "without saying where"},
	{"file:///etc/passwd", "without saying where"},
}

// TestARedirectNamesItsHost covers the ways to point elsewhere. (The torture suite tries each with
// every status and every command.)
func TestARedirectNamesItsHost(t *testing.T) {
	t.Parallel()
	near := newRawServer(t, silent)
	api, s := newUser(t)
	fill := strings.NewReplacer("NEAR", near.host, "FAR", near.host, "API", api.host(),
		"KEY", testKey)
	for _, to := range redirectPlaces {
		api.answer("/projects", reply(307, "", "Location", fill.Replace(to.location)))
		s.wantError(wrong{"api.redirect",
			"the API redirects " + fill.Replace(to.says) + " (HTTP 307)",
			"redirects are not followed: set MICROTICA_API_URL to the API's own address", 307},
			"project", "list")
		if seen := api.seen(); seen != "/projects /projects" {
			t.Errorf("Location %q: requests %q", to.location, seen)
		}
		wantNoRequest(t, to.location, near)
	}
}

const refusedList = "the API refused the request for the projects (HTTP 400): "

// TestAReflectedKeyIsReplaced sends the key back in text, in names and in messages. (The torture
// suite sends it back everywhere.)
func TestAReflectedKeyIsReplaced(t *testing.T) {
	t.Parallel()
	api, s := newUser(t)
	hidden := strings.NewReplacer(testKey, testPrefix+"_…")
	list := `[{"id":"KEY","name":"<KEYKEY>","KEY":["KEY"]}]`
	list = strings.ReplaceAll(list, "KEY", testKey)
	api.answer("/projects", reply(200, list))
	s.want(result{hidden.Replace("ID              NAME\n" + testKey + "  <" + testKey + testKey +
		">\n"), "", 0}, "project", "list")
	s.want(result{hidden.Replace(list) + "\n", "", 0}, "project", "list", "--json")
	// The key is replaced before the message is cut, so that no part of one is left at the end.
	for _, message := range []string{"no " + testKey, strings.Repeat(testKey+" ", 30)} {
		api.answer("/projects", reply(400, `{"message":"`+message+`"}`))
		said := hidden.Replace(message)
		if letters := []rune(said); len(letters) > 300 {
			said = string(letters[:300]) + "…"
		}
		s.wantError(wrong{"api.refused", refusedList + said, "", 400}, "project", "list")
	}
}

// TestAnAPIsMessageIsBoundedAndHarmless covers what an error quotes after the status.
func TestAnAPIsMessageIsBoundedAndHarmless(t *testing.T) {
	t.Parallel()
	api, s := newUser(t)
	accents := strings.Repeat("é", 300)
	for message, said := range map[string]string{
		accents:                             accents,
		accents + "é":                       accents + "…",
		strings.Repeat("a", 297) + `\n`:     strings.Repeat("a", 297) + `\x0…`,
		`a\nerror: b\u001b[31m\u202e\u0000`: `a\x0aerror: b\x1b[31m\u202e\x00`,
		"a\xff\u0085":                       `a\xff\u0085`,
		`a","message":"b`:                   "b",
	} {
		api.answer("/projects", reply(400, `{"message":"`+message+`"}`))
		s.wantError(wrong{"api.refused", refusedList + said, "", 400}, "project", "list")
	}
	for _, body := range []string{`{"message":""}`, `{"message":["a"]}`, `{"error":"a"}`, `["a"]`,
		`{"message":"a"} trailing`, "<html>a</html>", ""} {
		api.answer("/projects", reply(400, body))
		unsaid := strings.TrimSuffix(refusedList, ": ")
		s.wantError(wrong{"api.refused", unsaid, "", 400}, "project", "list")
	}
}

// TestALongMessageIsCutBeforeItIsCleaned shortens 32 MiB that cleaning would turn into 128 MiB.
func TestALongMessageIsCutBeforeItIsCleaned(t *testing.T) {
	text := strings.Repeat("\xff", maxBodyBytes)
	if n := allocated(func() { shorten(text) }); n > 1<<20 {
		t.Errorf("300 characters of it cost %d bytes", n)
	}
}
