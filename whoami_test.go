package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

const (
	noPath     = "there is no such path (HTTP 404)"
	limitedKey = "key mic_d60bea1d has no project-wide read access"
)

// rejected is the error for a key that does not work.
func rejected(status int) wrong {
	return wrong{"auth.rejected",
		fmt.Sprintf("the API rejected key mic_d60bea1d from SOURCE (HTTP %d): no", status),
		"set SOURCE to a key that works; this one may be expired or revoked", status}
}

// undecided is the error for a key that may lack access to the projects, or not work at all.
func undecided(source, why string) wrong {
	return wrong{"api.forbidden", "key mic_d60bea1d from " + source + " has no project-wide read " +
		"access, or does not work at all: GET /projects was refused (HTTP 403), " +
		"and GET /me failed: " + why, "check the key's permissions in Microtica's console", 403}
}

// unchecked is login's warning for a key that it could not try.
func unchecked(why string) string {
	return "the key was not checked: " + why + "; run 'microtica whoami' later"
}

// answerRow is what the API says of a key, and what whoami and login make of that.
type answerRow struct {
	name         string
	projects, me http.HandlerFunc
	reachable    string // in whoami's report, as is the number of visible projects
	visible      string
	saved        string // by login: verified, limited, unchecked, or not at all
	tries        int    // of whoami's last request; login never repeats one
	failing      string // the message before another try
	want         wrong  // empty if the key works
}

// answerRows returns what an API at host may say of a key. SOURCE stands for the source of the key.
func answerRows(host string) []answerRow {
	const no = `{"message":"no"}`
	const busy = "the API failed (HTTP 503): no"
	const limited = "rate limited by the API (HTTP 429): no"
	ended := host + " closed the connection without answering"
	denied := reply(403, `{"message":"not these"}`)
	unclear := func(why string) wrong { return undecided("SOURCE", why) }
	return []answerRow{
		{"2xx", reply(200, projectsBody), nil, "true", "2", "verified", 1, "", wrong{}},
		{"2xx, none", reply(200, "[]"), nil, "true", "0", "verified", 1, "", wrong{}},
		{"201, a list", reply(201, "[{},{},{}]"), nil, "true", "3", "verified", 1, "", wrong{}},
		{"403, me 2xx", denied, reply(200, meBody), "true", "0", "limited", 1, "", wrong{}},
		{"403, me a user", denied, reply(200, `{"via":"user"}`), "true", "0", "limited", 1, "",
			wrong{}},
		{"401", reply(401, no), nil, "true", "null", "", 1, "", rejected(401)},
		{"403, me 401", denied, reply(401, no), "true", "null", "", 1, "", rejected(401)},
		{"403, me 403", denied, reply(403, no), "true", "null", "", 1, "", rejected(403)},

		{"403, me 400", denied, reply(400, no), "true", "null", "unchecked", 1, "",
			unclear("the API refused the request for the key's own record (HTTP 400): no")},
		{"403, me 404", denied, reply(404, no), "true", "null", "unchecked", 1, "",
			unclear(badAnswer(host, noPath, 0).message)},
		{"403, me 503", denied, reply(503, no), "true", "null", "unchecked", 3, busy,
			unclear(busy)},
		{"403, me says nothing", denied, reply(200, "{}"), "true", "null", "unchecked", 1, "",
			unclear(badAnswer(host, "it does not say whose the key is", 0).message)},
		{"403, me hangs up", denied, hangUp, "true", "null", "unchecked", 3, ended, unclear(ended)},

		{"400", reply(400, no), nil, "true", "null", "unchecked", 1, "",
			wrong{"api.refused", refusedList + "no", "", 400}},
		{"404", reply(404, no), nil, "false", "null", "unchecked", 1, "",
			badAnswer(host, noPath, 404)},
		{"429", reply(429, no), nil, "true", "null", "unchecked", 3, limited,
			wrong{"api.rate_limited", limited, "try again later", 429}},
		{"503", reply(503, no), nil, "true", "null", "unchecked", 3, busy,
			wrong{"api.server", busy, "try again later", 503}},
		{"302", reply(302, no), nil, "false", "null", "unchecked", 1, "", wrong{"api.redirect",
			"the API redirects without saying where (HTTP 302)",
			"redirects are not followed: set MICROTICA_API_URL to the API's own address", 302}},
		{"not JSON", reply(200, "<html>"), nil, "false", "null", "unchecked", 1, "",
			badAnswer(host, notJSON, 0)},
		{"no answer", hangUp, nil, "false", "null", "unchecked", 3, ended,
			wrong{"network.connect", ended, "try again later", 0}},
	}
}

// compare checks what a command line left behind, and its requests, of which it made the last one
// tries times.
func (row answerRow) compare(t *testing.T, args string, got, want result, seen string, tries int) {
	t.Helper()
	requests := strings.Repeat(" /projects", tries)
	if row.me != nil {
		requests = " /projects" + strings.Repeat(" /me", tries)
	}
	if got != want || " "+seen != requests {
		t.Errorf("%s: microtica %s asked for %q, want%q\n got %s\nwant %s",
			row.name, args, seen, requests, got, want)
	}
}

// TestWhoamiReportsWhatTheAPISaysOfAKey holds the report, the error after it and the requests to
// the table.
func TestWhoamiReportsWhatTheAPISaysOfAKey(t *testing.T) {
	t.Parallel()
	api, s := newUser(t)
	accepted := map[string]string{"verified": "true", "limited": "true", "unchecked": "null",
		"": "false"}
	for _, row := range answerRows(api.host()) {
		api.answer("/projects", row.projects)
		api.answer("/me", row.me)
		for _, args := range []string{"whoami", "whoami --json", "whoami --quiet"} {
			asJSON, quiet := args == "whoami --json", args == "whoami --quiet"
			s.waits = nil
			got := s.run(strings.Fields(args)...)
			want := result{reportOf(row.reachable,
				strings.Replace(row.visible, "null", "unknown", 1)), "", 0}
			if asJSON {
				want.stdout = fmt.Sprintf(`{"via":"apikey","apiKeyPrefix":"mic_d60bea1d",`+
					`"source":"MICROTICA_TOKEN","apiUrl":"%s","apiReachable":%s,"keyAccepted":%s,`+
					`"projectsVisible":%s}`+"\n",
					api.base(), row.reachable, accepted[row.saved], row.visible)
			}
			if row.want.code != "" {
				w := row.want.from("MICROTICA_TOKEN")
				if row.tries > 1 {
					w.message += " (tried 3 times)"
				}
				want = w.fails(want.stdout, asJSON)
			}
			if row.saved == "limited" && !quiet {
				want.stderr = notice("note", "key.limited", limitedKey, asJSON)
			}
			if !quiet {
				want.stderr = s.retryNotes(row.failing, asJSON) + want.stderr
			}
			row.compare(t, args, got, want, api.seen(), row.tries)
		}
	}
}

// TestLoginSavesWhatTheAPIDoesNotReject holds what login saves and says, and its requests, to the
// table.
func TestLoginSavesWhatTheAPIDoesNotReject(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	for _, row := range answerRows(api.host()) {
		api.answer("/projects", row.projects)
		api.answer("/me", row.me)
		for args, source := range map[string]string{
			"login":                           "stdin",
			"login --json --token " + testKey: "--token",
		} {
			s, asJSON := newShell(t, api).save(otherKey+"\n"), source == "--token"
			s.stdin = testKey
			stored, w := testKey, row.want.from(source)
			want := result{"Saved API key mic_d60bea1d to " + s.credentials() + "\n", "", 0}
			if asJSON {
				want.stdout = fmt.Sprintf(`{"apiKeyPrefix":"mic_d60bea1d","credentialsFile":%s,`+
					`"verified":%t}`+"\n", quoted(s.credentials()), row.saved != "unchecked")
			}
			switch row.saved {
			case "limited":
				want.stderr = notice("note", "key.limited", limitedKey, asJSON)
			case "unchecked":
				want.stderr = notice("warning", "key.unchecked", unchecked(w.message), asJSON)
			case "":
				stored, w.hint = otherKey, "check the key in Microtica's console, "+
					"or save it all the same with 'microtica login --no-verify'"
				want = w.fails("", asJSON)
			}
			row.compare(t, args, s.run(strings.Fields(args)...), want, api.seen(), 1)
			s.wantStored(stored + "\n")
			if s.waits != nil {
				t.Errorf("%s: login waited %v", row.name, s.waits)
			}
		}
	}
}
