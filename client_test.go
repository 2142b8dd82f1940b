package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"microtica/internal/fakeapi"
)

const redirectHint = "redirects are not followed: set MICROTICA_API_URL to the API's own address"

// statusError returns the error for a status with the message "because", and how often a request
// that gets it is made: what is what it asked for, and list whether that is the list of projects.
func statusError(status int, host, what string, list bool) (w wrong, tries int) {
	number := fmt.Sprintf(" (HTTP %d)", status)
	const ours = "key mic_d60bea1d"
	switch {
	case status == 401:
		w = wrong{"auth.rejected", "the API rejected " + ours + " from MICROTICA_TOKEN",
			"set MICROTICA_TOKEN to a key that works; this one may be expired or revoked", 401}
	case status == 403:
		w = wrong{"api.forbidden", "the API denies " + ours + " (from MICROTICA_TOKEN) access to " +
			what, "give the key read access in Microtica's console", 403}
		if list {
			w.hint = "name a project: 'microtica env list --project ID'"
		}
	case status == 404 && list:
		return badAnswer(host, "there is no such path"+number, 404), 1
	case status == 404:
		w = wrong{"api.not_found", "the API cannot find " + what + " for " + ours,
			"run 'microtica project list' to see the projects", 404}
	case status == 429:
		w = wrong{"api.rate_limited", "rate limited by the API", "try again later", 429}
	case status < 400:
		const where = "the API redirects without saying where"
		return wrong{"api.redirect", where + number, redirectHint, status}, 1
	case status < 500:
		w = wrong{"api.refused", "the API refused the request for " + what, "", status}
	case status < 600:
		w = wrong{"api.server", "the API failed", "try again later", status}
	default:
		return badAnswer(host, "its status is unexpected"+number, status), 1
	}
	w.message += number + ": because"
	if slices.Contains([]int{429, 502, 503, 504}, status) {
		return w, 3
	}
	return w, 1
}

// TestEveryStatusHasItsError goes through all of them. Command api has the same errors: a 403 of
// /me is a verdict on the key only where the key itself is in question.
func TestEveryStatusHasItsError(t *testing.T) {
	t.Parallel()
	for _, request := range []struct {
		line, path, what string
		list             bool
	}{
		{"project list", "/projects", "the projects", true},
		{"env list --project 5f1c", "/projects/5f1c/details", "project 5f1c", false},
		{"api /a/b%2Fc?d=e", "/a/b%2Fc", "/a/b%2Fc?d=e", false},
		{"api projects?a=b", "/projects", "/projects?a=b", true},
		{"api me", "/me", "/me", false},
	} {
		t.Run(request.line, func(t *testing.T) {
			t.Parallel()
			api, s := newUser(t)
			for status := 300; status <= 602; status++ {
				want, tries := statusError(status, api.Host(), request.what, request.list)
				api.Answer(request.path, fakeapi.Reply(status, `{"message":"because"}`))
				s.wantTried(tries, 0, want, strings.Fields(request.line)...)
			}
		})
	}
}

// TestAnotherServersAnswerIsNotTheAPIs covers a 404 without the API's JSON. (Lists have a test of
// their own.)
func TestAnotherServersAnswerIsNotTheAPIs(t *testing.T) {
	t.Parallel()
	api, s := newUser(t)
	want := badAnswer(api.Host(), "there is no such path (HTTP 404)", 404)
	for _, body := range []string{"", "<html>Not Found</html>", "[]", `"no"`, "{", "null"} {
		api.Answer("/projects/5f1c/details", fakeapi.Reply(404, body))
		s.wantError(want, "env", "list", "--project", "5f1c")
	}
}

// TestARejectedKeysHintWorksFromHere covers each source, with and without a key to fall back on.
func TestARejectedKeysHintWorksFromHere(t *testing.T) {
	t.Parallel()
	const token, file = "MICROTICA_TOKEN", "MICROTICA_TOKEN_FILE"
	const set, setFile, unset = "set " + token + " to", "set " + file + " to a file with", "unset "
	api := fakeapi.New(t)
	for _, test := range []struct{ variables, source, stored, hint string }{
		{token, token, "", set},
		{token, token, "not a key", set},
		{token, token, testKey, unset},
		{token + " " + file, token, testKey, set}, // the file would be next
		{file, file, "", setFile},
		{file, file, otherKey, setFile},
		{file, file, testKey, unset},
		{"", "", otherKey, "run 'microtica login' with"},
	} {
		s := newShell(t, api.Base()).save(test.stored)
		key := filepath.Join(s.home, "key.txt")
		must(t, os.WriteFile(key, []byte(otherKey), 0o600))
		for variable := range strings.FieldsSeq(test.variables) {
			s.with(variable, map[string]string{token: otherKey, file: key}[variable])
		}
		source := cmp.Or(test.source, s.credentials())
		hint := test.hint + " a key that works; this one may be expired or revoked"
		if test.hint == unset {
			hint = unset + source + " to use the saved key"
		}
		s.wantError(wrong{"auth.rejected", "the API rejected key mic_0ther from " + source +
			" (HTTP 401): key revoked", hint, 401}, "project", "list")
	}
}

// TestARedirectNamesItsHost and nothing else of where it points. It is not followed: NEAR is a
// server that hears nothing, API is the API itself.
func TestARedirectNamesItsHost(t *testing.T) {
	t.Parallel()
	near := fakeapi.NewRaw(t, fakeapi.JustListen)
	api, s := newUser(t)
	letters := strings.Repeat("a", 290)
	fill := strings.NewReplacer("NEAR", near.Host, "API", api.Host(), "KEY", testKey).Replace
	for location, says := range map[string]string{
		"http://NEAR/gateway/v1/projects":       "to NEAR",
		"//NEAR/x":                              "to NEAR",
		"http://user:hunter2@NEAR/?key=KEY#KEY": "to NEAR",
		"/gateway/v1/elsewhere":                 "to API",
		"":                                      "without saying where",
		"https://x.KEY/":                        "to x.mic_d60bea1d_…",
		"https://evil.example\u202e/":           "to evil.example\u202e",
		"https://" + letters + strings.Repeat("b", 11): "to " + letters + "bbbbbbbbbb…",
		"https://" + letters + "KEY/x":                 "to " + letters + "mic_d60bea…",
		"http://[::1":                                  "without saying where",
		"http://NEAR/%zz":                              "without saying where",
		"javascript:alert(1)":                          "without saying where",
	} {
		api.Answer("/projects", fakeapi.Reply(307, "", "Location", fill(location)))
		s.wantError(wrong{"api.redirect", "the API redirects " + fill(says) + " (HTTP 307)",
			redirectHint, 307}, "project", "list")
		if seen := api.Seen(); seen != "/projects /projects" {
			t.Errorf("Location %q: requests %q", location, seen)
		}
	}
	if heard, n := near.Taken(); n != 0 {
		t.Errorf("a redirect was followed: %q", heard)
	}
}

// TestAnAPIsMessageIsShortAndHarmless covers what an error quotes after the status.
func TestAnAPIsMessageIsShortAndHarmless(t *testing.T) {
	t.Parallel()
	const refused = "the API refused the request for the projects (HTTP 400)"
	api, s := newUser(t)
	accents, letters := strings.Repeat("é", 300), strings.Repeat("a", 290)
	for message, said := range map[string]string{
		accents:                       accents,
		accents + "é":                 accents + "…",
		`a\nerror: b\u001b[31m\u202e`: "a\nerror: b\x1b[31m\u202e",
		"a\xff\u0085":                 "a\uFFFD\u0085",
		`a","message":"b`:             "b",
		// The key is replaced before the message is cut, so that no part of it is left at the end.
		"no " + testKey:                   "no mic_d60bea1d_…",
		letters + testKey:                 letters + "mic_d60bea…",
		letters + fakeapi.Secret:          letters + "mic_d60bea…",
		letters + " mic_0ther_" + testKey: letters + " mic_0ther…",
	} {
		api.Answer("/projects", fakeapi.Reply(400, `{"message":"`+message+`"}`))
		s.wantError(wrong{"api.refused", refused + ": " + said, "", 400}, "project", "list")
	}
	for _, body := range []string{`{"message":""}`, `{"message":["a"]}`, `{"error":"a"}`, `["a"]`,
		`"a"`, `{"message":"a"} trailing`, "<html>a</html>", ""} {
		api.Answer("/projects", fakeapi.Reply(400, body))
		s.wantError(wrong{"api.refused", refused, "", 400}, "project", "list")
	}
}
