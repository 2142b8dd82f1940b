package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"microtica/internal/fakeapi"
)

// badAnswer is the error for an answer that is not the API's.
func badAnswer(host, why string, status int) wrong {
	return wrong{"api.bad_response", "the answer from " + host + " is not the API's: " + why,
		"set MICROTICA_API_URL to the API's base URL", status}
}

// limitedNote says that a key works, but sees no projects.
const limitedNote = "key mic_d60bea1d has no project-wide read access"

// answerRow is what the API says of a key, and what whoami and login make of that.
type answerRow struct {
	name         string
	projects, me http.HandlerFunc
	reachable    string // in whoami's report, as are the next two
	visible      string
	accepted     string
	retried      string // the message before another try of whoami; login makes none
	want         wrong  // whoami's error, with SOURCE for the source of the key
	saved        string // how login saves the key: verified, limited or unchecked; "" if it refuses
}

// answerRows returns the rows of the contract's tables, for an API at host.
func answerRows(host string) []answerRow {
	reply := fakeapi.Reply
	const no = `{"message":"no"}`
	const busy = "the API failed (HTTP 503): no"
	const limited = "rate limited by the API (HTTP 429): no"
	ended := "the connection to " + host + " ended without an answer"
	rejected := func(status int) wrong {
		return wrong{"auth.rejected",
			fmt.Sprintf("the API rejected key mic_d60bea1d from SOURCE (HTTP %d): no", status),
			"set SOURCE to a key that works, or unset it; this one may be expired or revoked",
			status}
	}
	unclear := func(why string) wrong {
		return wrong{"api.forbidden", "key mic_d60bea1d from SOURCE has no project-wide read " +
			"access, or does not work at all: GET /projects was refused (HTTP 403), and GET /me " +
			"failed: " + why, "check the key in Microtica's console", 403}
	}
	ok, denied := wrong{}, reply(403, `{"message":"not these"}`)
	return []answerRow{
		{"2xx", reply(200, fakeapi.ProjectsBody), nil, "true", "2", "true", "", ok, "verified"},
		{"2xx, none", reply(200, "[]"), nil, "true", "0", "true", "", ok, "verified"},
		{"403, me 2xx", denied, reply(200, fakeapi.MeBody), "true", "0", "true", "", ok, "limited"},
		{"401", reply(401, no), nil, "true", "null", "false", "", rejected(401), ""},
		{"403, me 401", denied, reply(401, no), "true", "null", "false", "", rejected(401), ""},
		{"403, me 403", denied, reply(403, no), "true", "null", "false", "", rejected(403), ""},
		{"403, me 404", denied, reply(404, no), "true", "null", "null", "",
			unclear("the API cannot find the key's own record for key mic_d60bea1d (HTTP 404): no"),
			""},
		{"403, me 503", denied, reply(503, no), "true", "null", "null", busy, unclear(busy), ""},
		{"403, no me", denied, fakeapi.HangUp, "true", "null", "null", ended, unclear(ended), ""},
		{"400", reply(400, no), nil, "true", "null", "null", "", wrong{"api.refused",
			"the API refused the request for the projects (HTTP 400): no", "", 400}, ""},
		{"429", reply(429, no), nil, "true", "null", "null", limited,
			wrong{"api.rate_limited", limited, "try again later", 429}, ""},
		{"500", reply(500, no), nil, "true", "null", "null", "",
			wrong{"api.server", "the API failed (HTTP 500): no", "try again later", 500}, ""},
		{"302", reply(302, no), nil, "false", "null", "null", "", wrong{"api.redirect",
			"the API redirects without saying where (HTTP 302)",
			"redirects are not followed: set MICROTICA_API_URL to the API's own address", 302}, ""},
		{"404", reply(404, no), nil, "false", "null", "null", "",
			badAnswer(host, "there is no such path (HTTP 404)", 404), ""},
		{"not JSON", reply(200, "<html>"), nil, "false", "null", "null", "",
			badAnswer(host, "it is not JSON", 0), ""},
		{"no answer", fakeapi.HangUp, nil, "false", "null", "null", ended,
			wrong{"network.connect", ended, "check the network, or set MICROTICA_API_URL", 0},
			"unchecked"},
	}
}

// TestWhoamiReportsWhatTheAPISaysOfAKey holds the report, the error after it and the requests to
// the table.
func TestWhoamiReportsWhatTheAPISaysOfAKey(t *testing.T) {
	t.Parallel()
	api, s := newUser(t)
	for _, row := range answerRows(api.Host()) {
		api.Answer("/projects", row.projects)
		api.Answer("/me", row.me)
		for _, line := range []string{"whoami --quiet", "whoami --json --quiet", "whoami"} {
			asJSON, quiet := strings.Contains(line, "json"), strings.Contains(line, "quiet")
			w, requests := row.want.from("MICROTICA_TOKEN"), 1
			if row.retried != "" {
				w.message += " (tried 3 times)"
				requests = 3
			}
			seen := strings.Repeat(" /projects", requests)
			if row.me != nil {
				seen = " /projects" + strings.Repeat(" /me", requests)
			}
			want := result{stdout: fmt.Sprintf("via:                apikey\n"+
				"api key prefix:     mic_d60bea1d\n"+
				"api reachable:      %s\nprojects visible:   %s\n",
				row.reachable, strings.Replace(row.visible, "null", "unknown", 1))}
			if asJSON {
				want.stdout = fmt.Sprintf(`{"via":"apikey","apiKeyPrefix":"mic_d60bea1d",`+
					`"source":"MICROTICA_TOKEN","apiUrl":"%s","apiReachable":%s,"keyAccepted":%s,`+
					`"projectsVisible":%s}`+"\n",
					api.Base(), row.reachable, row.accepted, row.visible)
			}
			if w.code != "" {
				want = w.fails(want.stdout, asJSON)
			} else if row.saved == "limited" && !quiet {
				want.stderr = notice("note", "key.limited", limitedNote, asJSON)
			}
			got := s.run(strings.Fields(line)...)
			if !quiet { // the notes before each try have tests of their own
				notes := strings.Count(got.stderr, "note: "+row.retried+"; trying again in ")
				if row.retried != "" && notes != 2 {
					t.Errorf("%s: %d notes: %s", row.name, notes, got.stderr)
				}
				lines := strings.SplitAfter(got.stderr, "\n")
				got.stderr = strings.Join(lines[notes:], "")
			}
			if asked := " " + api.Seen(); got != want || asked != seen {
				t.Errorf("%s: microtica %s asks for%s, want%s\n got %s\nwant %s",
					row.name, line, asked, seen, got, want)
			}
		}
	}
}

// TestWhoamiWithoutAKeyReportsNothing and asks for nothing.
func TestWhoamiWithoutAKeyReportsNothing(t *testing.T) {
	t.Parallel()
	api := fakeapi.New(t)
	s := newShell(t, api.Base()).with("MICROTICA_TOKEN", "mic_d60bea1d")
	s.wantError(wrong{"auth.malformed", "the API key from MICROTICA_TOKEN is only the prefix " +
		"that the console lists, not the whole key", copyHint, 0}, "whoami")
	s = newShell(t, "ftp://example").with("MICROTICA_TOKEN", testKey)
	s.wantError(wrong{"usage.url", "MICROTICA_API_URL does not start with https://",
		"set MICROTICA_API_URL to a base URL such as https://api.microtica.com", 0}, "whoami")
	if seen := api.Seen(); seen != "" {
		t.Errorf("requests were made: %s", seen)
	}
}
