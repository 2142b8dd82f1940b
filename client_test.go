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
	const key, number, later = "key mic_d60bea1d", " (HTTP #): because", "try again later"
	const renew = "set MICROTICA_TOKEN to a key that works, or unset it; " +
		"this one may be expired or revoked"
	errors := map[int]wrong{
		300: {"api.redirect", "the API redirects without saying where (HTTP #)", redirectHint, 0},
		400: {"api.refused", "the API refused the request for " + what + number, "", 0},
		401: {"auth.rejected", "the API rejected " + key + " from MICROTICA_TOKEN" + number,
			renew, 0},
		403: {"api.forbidden", "the API denies " + key + " (from MICROTICA_TOKEN) access to " +
			what + number, "give the key read access in Microtica's console", 0},
		404: {"api.not_found", "the API cannot find " + what + " for " + key + number,
			"run 'microtica project list' to see the projects", 0},
		429: {"api.rate_limited", "rate limited by the API" + number, later, 0},
		500: {"api.server", "the API failed" + number, later, 0},
		600: badAnswer(host, "its status is unexpected (HTTP #)", 0),
	}
	w = cmp.Or(errors[status], errors[status/100*100])
	if list && status == 403 {
		w.hint = "name a project: 'microtica env list --project ID'"
	} else if list && status == 404 {
		w = badAnswer(host, "there is no such path (HTTP #)", 0)
	}
	w.status, w.message = status, strings.Replace(w.message, "#", fmt.Sprint(status), 1)
	if slices.Contains([]int{429, 502, 503, 504}, status) {
		return w, 3
	}
	return w, 1
}

// TestEveryStatusHasItsError goes through all of them with one command, and with the others through
// those beside which something changes. Command api has the same errors: a 403 of /me is a verdict
// on the key only where the key itself is in question.
func TestEveryStatusHasItsError(t *testing.T) {
	t.Parallel()
	api, s := newUser(t)
	for _, request := range []struct {
		line, path, what string
		list             bool
	}{
		{"project list", "/projects", "the projects", true},
		{"env list --project 5f1c", "/projects/5f1c/details", "project 5f1c", false},
		{"api projects?a=b", "/projects", "/projects?a=b", true},
		{"api /me?a=%2Fb", "/me", "/me?a=%2Fb", false},
	} {
		for status := 300; status <= 602; status++ {
			if rest := status % 100; request.line != "project list" && rest > 4 && rest != 29 {
				continue
			}
			want, tries := statusError(status, api.Host(), request.what, request.list)
			api.Answer(request.path, fakeapi.Reply(status, `{"message":"because"}`))
			s.wantTried(tries, 0, want, strings.Fields(request.line)...)
		}
	}
}

// TestARejectedKeysHintNamesItsSource for each source of a key.
func TestARejectedKeysHintNamesItsSource(t *testing.T) {
	t.Parallel()
	const token, file = "MICROTICA_TOKEN", "MICROTICA_TOKEN_FILE"
	api := fakeapi.New(t)
	for _, test := range []struct{ variables, hint string }{
		{token, "set MICROTICA_TOKEN to a key that works, or unset it"},
		{token + " " + file, "set MICROTICA_TOKEN to a key that works, or unset it"},
		{file, "set MICROTICA_TOKEN_FILE to a file with a key that works, or unset it"},
		{"", "run 'microtica login' with a key that works"},
	} {
		s := newShell(t, api.Base()).save(otherKey)
		key := filepath.Join(s.home, "key.txt")
		must(t, os.WriteFile(key, []byte(otherKey), 0o600))
		for variable := range strings.FieldsSeq(test.variables) {
			s.with(variable, map[string]string{token: otherKey, file: key}[variable])
		}
		source, _, _ := strings.Cut(test.variables, " ")
		s.wantError(wrong{"auth.rejected", "the API rejected key mic_0ther from SOURCE " +
			"(HTTP 401): key revoked", test.hint + "; this one may be expired or revoked", 401}.
			from(cmp.Or(source, s.credentials())), "project", "list")
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
		"http://user:hunter2@NEAR/?key=KEY#KEY": "to NEAR",
		"/gateway/v1/elsewhere":                 "to API",
		"https://" + letters + fakeapi.Secret:   "to " + letters + "mic_d60bea…",
		"http://NEAR/%zz":                       "without saying where",
		"javascript:alert(1)":                   "without saying where",
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

// TestAnAPIsMessageIsShortAndHarmless covers what an error quotes after the status. A 404 that is
// no object is another server's.
func TestAnAPIsMessageIsShortAndHarmless(t *testing.T) {
	t.Parallel()
	api, s := newUser(t)
	noPath := badAnswer(api.Host(), "there is no such path (HTTP 404)", 404)
	accents, letters := strings.Repeat("é", 300), strings.Repeat("a", 290)
	for body, said := range map[string]string{
		`{"message":"` + accents + `"}`:             ": " + accents,
		`{"message":"` + accents + `é"}`:            ": " + accents + "…",
		`{"message":"a\nerror: b\u001b[31m\u202e"}`: ": a\nerror: b\x1b[31m\u202e",
		`{"message":"a","message":"b"}`:             ": b",
		// It is masked before it is cut, so that no part of the key is left at the end.
		`{"message":"` + letters + fakeapi.Secret + `"}`: ": " + letters + "mic_d60bea…",
		`{"message":""}`: "", `{"message":["a"]}`: "", `{"error":"a"}`: "", `["a"]`: "", `"a"`: "",
		"null": "", `{"message":"a"} trailing`: "", "<html>a</html>": "", "": "",
	} {
		api.Answer("/projects/5f1c/details", fakeapi.Reply(400, body))
		s.wantError(wrong{"api.refused", "the API refused the request for project 5f1c (HTTP 400)" +
			said, "", 400}, "env", "list", "--project", "5f1c")
		if !strings.HasSuffix(body, "}") {
			api.Answer("/projects/5f1c/details", fakeapi.Reply(404, body))
			s.wantError(noPath, "env", "list", "--project", "5f1c")
		}
	}
}
