package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// answerRow is what the API says of a key, and what whoami and login make of that.
type answerRow struct {
	name           string
	projects, me   http.HandlerFunc
	requests       string // of whoami; login never repeats one
	reach, visible string
	accepted       string
	saves          string // "verified", "limited", "unchecked", or "" for what login refuses
	failing        string // the message of a request that fails to the last try, if it is repeated
	wrong          *wrong
}

// The requests of whoami.
const (
	once       = "/projects"
	thrice     = "/projects /projects /projects"
	both       = "/projects /me"
	bothThrice = "/projects /me /me /me"
)

const (
	no        = `{"message":"no"}`
	busy      = "the API failed (HTTP 503): no"
	limited   = "rate limited by the API (HTTP 429): no"
	ended     = "HOST closed the connection without answering"
	noPath    = "there is no such path (HTTP 404): no"
	notTheAPI = "the answer from HOST is not the API's: "
)

// answerRows returns the rows of the contract's tables for login and whoami. HOST and SOURCE stand
// for what differs from run to run.
func answerRows() []answerRow {
	return slices.Concat(settledRows(), unclearRows(), otherRows())
}

// settledRows are the answers after which it is known whether the key works.
func settledRows() []answerRow {
	accepted := func(name string, projects http.HandlerFunc, visible string) answerRow {
		return answerRow{name, projects, nil, once, "true", visible, "true", "verified", "", nil}
	}
	known := func(name string, me http.HandlerFunc) answerRow {
		return answerRow{name, reply(403, no), me, both, "true", "0", "true", "limited", "", nil}
	}
	rejected := func(name string, projects, me http.HandlerFunc, status int,
		said string) answerRow {
		requests := once
		if me != nil {
			requests = both
		}
		return answerRow{name, projects, me, requests, "true", "null", "false", "", "",
			&wrong{"auth.rejected",
				fmt.Sprintf("the API rejected key mic_d60bea1d from SOURCE (HTTP %d)%s",
					status, said),
				"replace the key from SOURCE: it may be expired or revoked", status}}
	}
	return []answerRow{
		accepted("2xx", reply(200, projectsBody), "2"),
		accepted("2xx, none", reply(200, `{"projects":[]}`), "0"),
		accepted("2xx, the bare array", reply(200, `[{},{},{}]`), "3"),
		accepted("201", reply(201, projectsBody), "2"),
		known("403, me 2xx", reply(200, meBody)),
		known("403, me a user", reply(200, `{"via":"user","userId":"u1"}`)),
		rejected("401", reply(401, no), nil, 401, ": no"),
		rejected("401, not JSON", reply(401, "<html>"), nil, 401, ""),
		rejected("403, me 401", reply(403, no), reply(401, no), 401, ": no"),
		rejected("403, me 403", reply(403, no), reply(403, `{"message":"never"}`), 403, ": never"),
	}
}

// unclearRows are the answers after which the key has no project-wide access, or does not work.
func unclearRows() []answerRow {
	unclear := func(name string, me http.HandlerFunc, requests, failing, why string) answerRow {
		w := &wrong{"api.forbidden", "key mic_d60bea1d from SOURCE has no project-wide read " +
			"access, or does not work at all: GET /projects was refused (HTTP 403), " +
			"and GET /me failed: " + why,
			"check the key's permissions in Microtica's console", 403}
		return answerRow{name, reply(403, no), me, requests, "true", "null", "null", "unchecked",
			failing, w}
	}
	return []answerRow{
		unclear("403, me 404", reply(404, no), both, "", notTheAPI+noPath),
		unclear("403, me 400", reply(400, no), both, "",
			"the API refused the request for the key's own record (HTTP 400): no"),
		unclear("403, me 500", reply(500, no), both, "", "the API failed (HTTP 500): no"),
		unclear("403, me 503", reply(503, no), bothThrice, busy, busy),
		unclear("403, me 429", reply(429, no), bothThrice, limited, limited),
		unclear("403, me 302", reply(302, no, "Location", "/login"), both, "",
			"the API redirects to HOST; redirects are not followed (HTTP 302): no"),
		unclear("403, me not JSON", reply(200, "<html>"), both, "", notTheAPI+notJSON),
		unclear("403, me says nothing", reply(200, "{}"), both, "",
			notTheAPI+"it does not say whose the key is"),
		unclear("403, me hangs up", hangUp, bothThrice, ended, ended),
	}
}

// otherRows are the answers that say nothing about the key.
func otherRows() []answerRow {
	other := func(name string, h http.HandlerFunc, requests, reach, failing string,
		w wrong) answerRow {
		return answerRow{name, h, nil, requests, reach, "null", "null", "unchecked", failing, &w}
	}
	bad := func(why string, status int) wrong { return badAnswer("HOST", why, status) }
	server := func(status int) wrong {
		return wrong{"api.server", fmt.Sprintf("the API failed (HTTP %d): no", status),
			"try again later", status}
	}
	return []answerRow{
		other("another 4xx", reply(400, no), once, "true", "", wrong{"api.refused",
			"the API refused the request for the projects (HTTP 400): no", "", 400}),
		other("404", reply(404, no), once, "false", "", bad(noPath, 404)),
		other("429", reply(429, no), thrice, "true", limited,
			wrong{"api.rate_limited", limited, "try again later", 429}),
		other("500", reply(500, no), once, "true", "", server(500)),
		other("503", reply(503, no), thrice, "true", busy, server(503)),
		other("599", reply(599, no), once, "true", "", server(599)),
		other("302", reply(302, no, "Location", "https://portal.example/login"), once, "false", "",
			wrong{"api.redirect",
				"the API redirects to portal.example; redirects are not followed (HTTP 302): no",
				"set MICROTICA_API_URL to the API's own address", 302}),
		other("above 599", reply(600, no), once, "false", "",
			bad("its status is unexpected (HTTP 600): no", 600)),
		other("not JSON", reply(200, "<html>sign in</html>"), once, "false", "", bad(notJSON, 0)),
		other("another's JSON", reply(200, `{"ok":true}`), once, "false", "",
			bad("it has no list of projects", 0)),
		other("no answer", hangUp, thrice, "false", ended,
			wrong{"network.connect", ended, "try again later", 0}),
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
	if row.wrong != nil {
		w := *row.wrong
		w.message = strings.ReplaceAll(w.message, "HOST", api.host())
		row.wrong = &w
	}
	return api, row
}

// compare checks what a command line left, and what it asked for.
func (row answerRow) compare(t *testing.T, args []string, got, want result, seen, requests string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: microtica %s\n got %s\nwant %s", row.name, strings.Join(args, " "), got, want)
	}
	if seen != requests {
		t.Errorf("%s: microtica %s asked for %q, want %q",
			row.name, strings.Join(args, " "), seen, requests)
	}
}

const limitedKey = "key mic_d60bea1d has no project-wide read access"

// TestWhoamiReportsWhatTheAPISaysOfAKey holds the report, the error behind it and the requests to
// the table.
func TestWhoamiReportsWhatTheAPISaysOfAKey(t *testing.T) {
	t.Parallel()
	for _, row := range answerRows() {
		api, row := row.start(t)
		s := newShell(t, api).with("MICROTICA_TOKEN", testKey)
		text := reportOf(row.reach, strings.Replace(row.visible, "null", "unknown", 1))
		object := fmt.Sprintf(`{"via":"apikey","apiKeyPrefix":"mic_d60bea1d",`+
			`"source":"MICROTICA_TOKEN","apiUrl":"%s","apiReachable":%s,"keyAccepted":%s,`+
			`"projectsVisible":%s}`+"\n", api.base(), row.reach, row.accepted, row.visible)
		for _, flags := range []string{"", "--json", "--quiet", "--json --quiet"} {
			asJSON, quiet := strings.Contains(flags, "json"), strings.Contains(flags, "quiet")
			args := strings.Fields("whoami " + flags)
			s.waits = nil
			got, seen := s.run(args...), api.seen()
			want := result{text, "", 0}
			if asJSON {
				want.stdout = object
			}
			if row.wrong != nil {
				w := row.wrong.from("MICROTICA_TOKEN")
				if row.failing != "" {
					w.message += " (tried 3 times)"
				}
				want = w.fails(want.stdout, asJSON)
			}
			if row.saves == "limited" && !quiet {
				want.stderr = notice("note", "key.limited", limitedKey, asJSON)
			}
			if !quiet {
				want.stderr = s.retryNotes(row.failing, asJSON) + want.stderr
			}
			row.compare(t, args, got, want, seen, row.requests)
		}
	}
}

// unchecked is login's warning for a key that it could not try.
func unchecked(why string) string {
	return "the key was not checked: " + why + "; run 'microtica whoami' later"
}

// TestLoginSavesWhatTheAPIDoesNotReject holds what login saves and says, and its requests, to the
// table. It never repeats a request.
func TestLoginSavesWhatTheAPIDoesNotReject(t *testing.T) {
	t.Parallel()
	for _, row := range answerRows() {
		api, row := row.start(t)
		requests := once
		if row.me != nil {
			requests = both
		}
		s := newShell(t, api).save(otherKey + "\n")
		s.stdin = testKey
		if row.saves == "" {
			w := *row.wrong
			w.hint = "check the key in Microtica's console, " +
				"or save it all the same with 'microtica login --no-verify'"
			args := []string{"login"}
			row.compare(t, args, s.run(args...), w.from("stdin").fails("", false),
				api.seen(), requests)
			args = []string{"login", "--json", "--token", testKey}
			row.compare(t, args, s.run(args...), w.from("--token").fails("", true),
				api.seen(), requests)
			s.wantStored(otherKey + "\n")
			continue
		}
		for _, asJSON := range []bool{false, true} {
			args := []string{"login"}
			want := result{"Saved API key mic_d60bea1d to " + s.credentials() + "\n", "", 0}
			if asJSON {
				args = append(args, "--json")
				want.stdout = fmt.Sprintf(`{"apiKeyPrefix":"mic_d60bea1d","credentialsFile":%s,`+
					`"verified":%v}`+"\n", quoted(s.credentials()), row.saves != "unchecked")
			}
			switch row.saves {
			case "limited":
				want.stderr = notice("note", "key.limited", limitedKey, asJSON)
			case "unchecked":
				want.stderr = notice("warning", "key.unchecked",
					unchecked(row.wrong.from("stdin").message), asJSON)
			}
			row.compare(t, args, s.run(args...), want, api.seen(), requests)
			s.wantStored(testKey + "\n")
		}
		if s.waits != nil {
			t.Errorf("%s: login waited %v", row.name, s.waits)
		}
	}
}

// TestWhoamiNeedsNoProject sets a project that no command could use.
func TestWhoamiNeedsNoProject(t *testing.T) {
	t.Parallel()
	s := newShell(t, newFakeAPI(t)).with("MICROTICA_TOKEN", testKey, "MICROTICA_PROJECT_ID", "..")
	if got := s.run("whoami"); got.code != 0 || got.stderr != "" {
		t.Error(got)
	}
}
