package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"microtica/internal/fakeapi"
)

const copyHint = "copy the whole key, mic_…_…, that Microtica's console shows once, at its creation"

// saved returns what login prints.
func (s *shell) saved() result {
	return result{"Saved API key mic_d60bea1d to " + s.credentials() + "\n", "", 0}
}

// TestLoginSavesOnlyAKeyThatTheAPIAccepts, or one that nothing has answered for. It holds what
// login saves and says, and its requests, to the table.
func TestLoginSavesOnlyAKeyThatTheAPIAccepts(t *testing.T) {
	t.Parallel()
	api := fakeapi.New(t)
	for _, row := range answerRows(api.Host()) {
		api.Answer("/projects", row.projects)
		api.Answer("/me", row.me)
		for line, source := range map[string]string{
			"login":                               "stdin",
			"login --quiet":                       "stdin",
			"login --json --token " + fakeapi.Key: "--token",
		} {
			s, asJSON := newShell(t, api.Base()).save(otherKey+"\n"), source == "--token"
			s.stdin = testKey
			stored, w, want := testKey, row.want.from(source), s.saved()
			if asJSON {
				want.stdout = fmt.Sprintf(`{"apiKeyPrefix":"mic_d60bea1d","credentialsFile":%s,`+
					`"verified":%t}`+"\n", quoted(s.credentials()), row.saved != "unchecked")
			} else if line == "login --quiet" {
				want.stdout = ""
			}
			switch row.saved {
			case "limited":
				if line != "login --quiet" {
					want.stderr = notice("note", "key.limited", limitedNote, asJSON)
				}
			case "unchecked":
				want.stderr = notice("warning", "key.unchecked", "the key was not checked: "+
					w.message+"; run 'microtica whoami' later", asJSON)
			case "":
				stored = otherKey
				if w.code == "auth.rejected" {
					w.hint = "check the key in Microtica's console"
				}
				w.hint = strings.TrimPrefix(w.hint+"; ", "; ") +
					"'microtica login --no-verify' saves the key all the same"
				want = w.fails("", asJSON)
			}
			seen := " /projects"
			if row.me != nil {
				seen += " /me"
			}
			got := s.run(strings.Fields(line)...)
			if asked := " " + api.Seen(); got != want || asked != seen || s.waits != nil {
				t.Errorf("%s: microtica %s asks for%s, want%s, and waits %v\n got %s\nwant %s",
					row.name, line, asked, seen, s.waits, got, want)
			}
			s.wantStored(stored + "\n")
		}
	}
}

// TestLoginTakesTheKeyFromTheFlagOrStdin covers what may surround it, and how long it may be.
func TestLoginTakesTheKeyFromTheFlagOrStdin(t *testing.T) {
	t.Parallel()
	long := testKey + strings.Repeat("x", 1000-len(testKey))
	for _, test := range []struct{ stdin, line, stored string }{
		{testKey + "\n", "login", testKey},
		{"\uFEFF \t\n" + testKey + " \n\n", "login", testKey},
		{"mic_wrong\n", "login --token=" + testKey, testKey},
		{long + "\r\n", "login --no-verify", long},
		{"", "login --no-verify --token " + long, long},
	} {
		s := newShell(t, fakeapi.New(t).Base())
		s.stdin = test.stdin
		s.want(s.saved(), strings.Fields(test.line)...)
		s.wantStored(test.stored + "\n")
	}
}

// TestAPathThatHoldsTheKeyIsMasked in the result of login, as text and as JSON.
func TestAPathThatHoldsTheKeyIsMasked(t *testing.T) {
	t.Parallel()
	s := newShell(t, "")
	masked := filepath.Join(s.home, "mic_d60bea1d_…", ".microtica", "credentials")
	s.home = filepath.Join(s.home, fakeapi.Key)
	must(t, os.Mkdir(s.home, 0o700))
	s.with(homeVariable, s.home)
	login := []string{"login", "--no-verify", "--token", testKey, "--json"}
	s.want(result{"Saved API key mic_d60bea1d to " + masked + "\n", "", 0}, login[:4]...)
	s.want(result{fmt.Sprintf(`{"apiKeyPrefix":"mic_d60bea1d","credentialsFile":%q,`+
		`"verified":false}`+"\n", masked), "", 0}, login...)
}

// TestLoginRefusesWhatIsNoKey shows nothing of it, asks nothing, and keeps the stored key.
func TestLoginRefusesWhatIsNoKey(t *testing.T) {
	t.Parallel()
	api := fakeapi.New(t)
	const isSet = "is the variable that holds the key set? " +
		"'microtica login < FILE' reads it from a file"
	malformed := func(what, hint string) wrong {
		return wrong{"auth.malformed", "the API key from SOURCE " + what, hint, 0}
	}
	tooLong := malformed("is longer than 1000 bytes", copyHint)
	for text, w := range map[string]wrong{
		"canary": malformed("does not start with mic_", "give the key alone: no quotation marks, "+
			"no NAME= or header before it, not a file's path, "+
			"not a variable that was not expanded"),
		"mic_d60bea1d_can ary": malformed("has a space, "+
			"line break, control or non-ASCII character at position 17", copyHint),
		"mic_d_" + strings.Repeat("x", 995): tooLong,
		testKey + strings.Repeat(" ", 2e3):  tooLong,
		" \t\r\n\uFEFF\n":                   {"usage", "no API key: SOURCE is empty", isSet, 0},
	} {
		s := newShell(t, api.Base()).save(otherKey + "\n")
		s.stdin = text
		s.wantError(w.from("stdin"), "login", "--no-verify")
		if strings.TrimSpace(text) != testKey { // which --token trims
			s.wantError(w.from("--token"), "login", "--token="+text)
		}
		s.wantStored(otherKey + "\n")
	}
	s := newShell(t, api.Base()).save(otherKey + "\n")
	s.wantError(wrong{"usage", "no API key: stdin is empty", isSet, 0}, "login")
	s.input = iotest.ErrReader(errors.New("it broke"))
	s.wantError(wrong{"file.read", "cannot read the API key from stdin: it broke", "", 0}, "login")
	s.wantStored(otherKey + "\n")
	if seen := api.Seen(); seen != "" {
		t.Errorf("requests were made: %s", seen)
	}
}

// TestLoginLooksAtTheURLFirst does not read stdin if the key could not be tried, unless it need not
// be.
func TestLoginLooksAtTheURLFirst(t *testing.T) {
	t.Parallel()
	s := newShell(t, "http://api.example")
	s.input = iotest.ErrReader(errors.New("it was read"))
	s.wantError(wrong{"usage.url", "MICROTICA_API_URL would send the key unencrypted: http is " +
		"for localhost only",
		"set MICROTICA_API_URL to a base URL such as https://api.microtica.com", 0}, "login")
	s.input = nil
	s.stdin = testKey
	s.want(s.saved(), "login", "--no-verify")
	s.wantStored(testKey + "\n")
}

// TestLoginWaitsAsLongAsItSays and saves the key unchecked then.
func TestLoginWaitsAsLongAsItSays(t *testing.T) {
	t.Parallel()
	api := fakeapi.New(t)
	api.Answer("/projects", fakeapi.Reply(403, "{}"))
	api.Answer("/me", fakeapi.Silence)
	s := newShell(t, api.Base())
	s.stdin, s.loginLimit = testKey, 300*time.Millisecond
	got := s.run("login")
	said := "GET /me failed: no answer from " + api.Host()
	if !strings.Contains(got.stderr, said) || got.exit != 4 {
		t.Error(got)
	}
	s.wantStored("")
	api.Answer("/projects", fakeapi.Silence)
	got = s.run("login", "--quiet")
	if !strings.HasPrefix(got.stderr, "warning: the key was not checked: no answer from ") ||
		got.exit != 0 || got.stdout != "" {
		t.Error(got)
	}
	s.wantStored(testKey + "\n")
}

// TestLoginAndLogoutWarnOfVariables that supply a key all the same.
func TestLoginAndLogoutWarnOfVariables(t *testing.T) {
	t.Parallel()
	const valid = "note: the key itself stays valid until it is revoked in Microtica's console\n"
	for variable, value := range map[string]string{
		"MICROTICA_TOKEN": "x", "MICROTICA_TOKEN_FILE": "/none", "MICROTICA_PROJECT_ID": "",
	} {
		s := newShell(t, fakeapi.New(t).Base()).with(variable, value)
		s.stdin = testKey
		saved := s.saved()
		removed := result{"Removed the API key saved in " + s.credentials() + "\n", valid, 0}
		if value != "" {
			saved.stderr = "warning: " + variable + " is set and overrides the key just saved\n"
			removed.stderr += "warning: " + variable + " is set and still supplies a key\n"
		}
		s.want(saved, "login")
		s.want(removed, "logout")
		s.wantStored("")
	}
}

// TestLogout removes the key once, and says so as a person or a script wants it.
func TestLogout(t *testing.T) {
	t.Parallel()
	s := newShell(t, "").save(testKey)
	path := quoted(s.credentials())
	s.want(result{`{"credentialsFile":` + path + `,"removed":true}` + "\n", "", 0},
		"logout", "--json", "--quiet")
	s.wantStored("")
	s.want(result{`{"credentialsFile":` + path + `,"removed":false}` + "\n", "", 0},
		"logout", "--json")
	s.want(result{"No API key was saved in " + s.credentials() + "\n", "", 0}, "logout")
	s.save(testKey)
	s.want(result{"", "", 0}, "logout", "--quiet")
	s.wantStored("")
}
