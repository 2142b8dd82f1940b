package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

const (
	no         = `{"message":"no"}`
	busy       = "the API failed (HTTP 503): no"
	limited    = "rate limited by the API (HTTP 429): no"
	ended      = "HOST closed the connection without answering"
	noPath     = "there is no such path (HTTP 404)"
	limitedKey = "key mic_d60bea1d has no project-wide read access"
)

// rejected is the error for a key that does not work.
func rejected(status int, said string) wrong {
	return wrong{"auth.rejected",
		fmt.Sprintf("the API rejected key mic_d60bea1d from SOURCE (HTTP %d): %s", status, said),
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
	reachable    string // these are the report of whoami
	accepted     string
	visible      string
	saved        string // by login: "verified", "limited", "unchecked", or "" for not at all
	tries        int    // of whoami's last request; login never repeats one
	failing      string // the message before another try
	want         wrong  // nothing where the key works
}

// answerRows returns the rows of the contract's tables for login and whoami. HOST and SOURCE stand
// for what differs from run to run.
func answerRows() []answerRow {
	denied := reply(403, no)
	unclear := func(why string) wrong { return undecided("SOURCE", why) }
	return []answerRow{
		{"2xx", reply(200, projectsBody), nil, "true", "true", "2", "verified", 1, "", wrong{}},
		{"201, a bare array", reply(201, "[{},{},{}]"), nil, "true", "true", "3", "verified", 1, "",
			wrong{}},
		{"2xx, none", reply(200, "[]"), nil, "true", "true", "0", "verified", 1, "", wrong{}},
		{"403, me 2xx", denied, reply(200, meBody), "true", "true", "0", "limited", 1, "", wrong{}},
		{"403, me a user", denied, reply(200, `{"via":"user"}`), "true", "true", "0", "limited", 1,
			"", wrong{}},
		{"401", reply(401, no), nil, "true", "false", "null", "", 1, "", rejected(401, "no")},
		{"403, me 401", denied, reply(401, no), "true", "false", "null", "", 1, "",
			rejected(401, "no")},
		{"403, me 403", denied, reply(403, `{"message":"never"}`), "true", "false", "null", "", 1,
			"", rejected(403, "never")},

		{"403, me 400", denied, reply(400, no), "true", "null", "null", "unchecked", 1, "",
			unclear("the API refused the request for the key's own record (HTTP 400): no")},
		{"403, me 404", denied, reply(404, no), "true", "null", "null", "unchecked", 1, "",
			unclear(badAnswer("HOST", noPath, 0).message)},
		{"403, me 503", denied, reply(503, no), "true", "null", "null", "unchecked", 3, busy,
			unclear(busy)},
		{"403, me says nothing", denied, reply(200, "{}"), "true", "null", "null", "unchecked", 1,
			"", unclear(badAnswer("HOST", "it does not say whose the key is", 0).message)},
		{"403, me hangs up", denied, hangUp, "true", "null", "null", "unchecked", 3, ended,
			unclear(ended)},

		{"400", reply(400, no), nil, "true", "null", "null", "unchecked", 1, "",
			wrong{"api.refused", refusedList + "no", "", 400}},
		{"404", reply(404, no), nil, "false", "null", "null", "unchecked", 1, "",
			badAnswer("HOST", noPath, 404)},
		{"429", reply(429, no), nil, "true", "null", "null", "unchecked", 3, limited,
			wrong{"api.rate_limited", limited, "try again later", 429}},
		{"503", reply(503, no), nil, "true", "null", "null", "unchecked", 3, busy,
			wrong{"api.server", busy, "try again later", 503}},
		{"302", reply(302, no, "Location", "https://portal.example/login"), nil, "false", "null",
			"null", "unchecked", 1, "", wrong{"api.redirect",
				"the API redirects to portal.example; redirects are not followed (HTTP 302)",
				"set MICROTICA_API_URL to the API's own address", 302}},
		{"not JSON", reply(200, "<html>"), nil, "false", "null", "null", "unchecked", 1, "",
			badAnswer("HOST", notJSON, 0)},
		{"no answer", hangUp, nil, "false", "null", "null", "unchecked", 3, ended,
			wrong{"network.connect", ended, "try again later", 0}},
	}
}

// start returns a fake API that answers as the row says, and the row for its host.
func (row answerRow) start(t *testing.T) (*fakeAPI, answerRow) {
	api := newFakeAPI(t)
	api.answer("/projects", row.projects)
	if row.me != nil {
		api.answer("/me", row.me)
	}
	row.failing = strings.ReplaceAll(row.failing, "HOST", api.host())
	row.want.message = strings.ReplaceAll(row.want.message, "HOST", api.host())
	return api, row
}

// compare checks what a command line left, and what it asked for, the last request so many times.
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

// TestWhoamiReportsWhatTheAPISaysOfAKey holds the report, the error behind it and the requests to
// the table.
func TestWhoamiReportsWhatTheAPISaysOfAKey(t *testing.T) {
	t.Parallel()
	for _, row := range answerRows() {
		api, row := row.start(t)
		s := newShell(t, api).with("MICROTICA_TOKEN", testKey)
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
					api.base(), row.reachable, row.accepted, row.visible)
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
	for _, row := range answerRows() {
		api, row := row.start(t)
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
