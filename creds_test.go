package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// noSuchFile returns what this system says of a file that is not there.
func noSuchFile() string {
	_, err := os.Stat(filepath.Join(testDir, "none"))
	return withoutPath(err).Error()
}

// whoamiJSON is the report of a key that works, for a source.
func whoamiJSON(api *fakeAPI, source string) result {
	return result{fmt.Sprintf(`{"via":"apikey","apiKeyPrefix":"mic_d60bea1d","source":"%s","apiUrl":"%s","apiReachable":true,"keyAccepted":true,"projectsVisible":2}`+"\n",
		inJSON(source), api.base()), "", 0}
}

// TestTheFirstSourceThatIsSetIsUsed covers the order, and that an empty variable is not set.
func TestTheFirstSourceThatIsSetIsUsed(t *testing.T) {
	api := newFakeAPI(t)
	s := newShell(t, api).save(otherKey)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(" "+testKey+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.with("MICROTICA_TOKEN", testKey, "MICROTICA_TOKEN_FILE", "/nowhere").want(whoamiJSON(api, "MICROTICA_TOKEN"), "whoami", "--json")
	s.with("MICROTICA_TOKEN", "", "MICROTICA_TOKEN_FILE", file).want(whoamiJSON(api, "MICROTICA_TOKEN_FILE"), "whoami", "--json")
	s.with("MICROTICA_TOKEN_FILE", "").save("\uFEFF"+testKey+"\r\n").want(whoamiJSON(api, s.credentials()), "whoami", "--json")
	s.with("MICROTICA_TOKEN", "\n"+testKey+" ").want(whoamiJSON(api, "MICROTICA_TOKEN"), "whoami", "--json")
}

// TestABadSourceIsAnErrorThatNamesIt covers every source; the next one, which would work, is not tried.
func TestABadSourceIsAnErrorThatNamesIt(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const fileHint = "set MICROTICA_TOKEN_FILE to a readable file that holds the key"
	for _, test := range []struct {
		variable, value, code, message, hint string
		exit                                 int
	}{
		{"MICROTICA_TOKEN", "  ", "auth.malformed", "the API key from MICROTICA_TOKEN is empty", keyHint, 3},
		{"MICROTICA_TOKEN", "canary", "auth.malformed", "the API key from MICROTICA_TOKEN does not start with mic_", keyHint, 3},
		{"MICROTICA_TOKEN", "mic_d60bea1d", "auth.malformed", "the API key from MICROTICA_TOKEN is only the prefix that the console lists, not the whole key", keyHint, 3},
		{"MICROTICA_TOKEN_FILE", write("empty", ""), "auth.malformed", "the API key from MICROTICA_TOKEN_FILE is empty", keyHint, 3},
		{"MICROTICA_TOKEN_FILE", write("two", testKey+" "+testKey), "auth.malformed", "the API key from MICROTICA_TOKEN_FILE has a space at position 33", keyHint, 3},
		{"MICROTICA_TOKEN_FILE", write("large", strings.Repeat("x", 4097)), "file.read", "cannot read the API key from MICROTICA_TOKEN_FILE, " + filepath.Join(dir, "large") + ": longer than 4096 bytes", fileHint, 1},
		{"MICROTICA_TOKEN_FILE", dir, "file.read", "cannot read the API key from MICROTICA_TOKEN_FILE, " + dir + ": not a regular file", fileHint, 1},
		{"MICROTICA_TOKEN_FILE", filepath.Join(dir, "none"), "file.read", "cannot read the API key from MICROTICA_TOKEN_FILE, " + filepath.Join(dir, "none") + ": " + noSuchFile(), fileHint, 1},
		{"MICROTICA_TOKEN_FILE", testKey, "file.read", "MICROTICA_TOKEN_FILE holds what looks like a key, not the path of a file", "set MICROTICA_TOKEN to the key instead", 1},
	} {
		api := newFakeAPI(t)
		s := newShell(t, api).save(testKey).with(test.variable, test.value)
		for _, command := range []string{"whoami", "project list", "env list --project 5f1c"} {
			words := strings.Fields(command)
			s.want(result{"", "error: " + test.message + "\nhint: " + test.hint + "\n", test.exit}, words...)
			s.want(result{"", fmt.Sprintf(`{"error":{"code":"%s","message":"%s","hint":"%s","httpStatus":null,"retryable":false,"exitCode":%d}}`+"\n",
				test.code, inJSON(test.message), inJSON(test.hint), test.exit), test.exit}, append(words, "--json")...)
		}
		if seen := api.seen(); seen != "" {
			t.Errorf("%s=%q: requests were made: %s", test.variable, test.value, seen)
		}
	}
}

// TestTheStoredKeyIsReadWithCare covers what may be at its place.
func TestTheStoredKeyIsReadWithCare(t *testing.T) {
	api := newFakeAPI(t)
	s := newShell(t, api)
	path := s.credentials()
	fileError := func(code, message, hint string, exit int) result {
		return result{"", fmt.Sprintf(`{"error":{"code":"%s","message":"%s","hint":"%s","httpStatus":null,"retryable":false,"exitCode":%d}}`+"\n", code, inJSON(message), inJSON(hint), exit), exit}
	}
	moveAway := "move " + path + " away and run 'microtica login'"
	s.want(fileError("auth.missing", "no API key: MICROTICA_TOKEN and MICROTICA_TOKEN_FILE are not set, and none is saved in "+path,
		"run 'microtica login', or set MICROTICA_TOKEN", 3), "whoami", "--json")
	s.save("").want(fileError("auth.malformed", "the API key from "+path+" is empty", moveAway, 3), "whoami", "--json")
	s.save("<html>canary").want(fileError("auth.malformed", "the API key from "+path+" does not start with mic_", moveAway, 3), "whoami", "--json")
	s.save(strings.Repeat("x", 10<<20)).want(fileError("file.read", "cannot read the saved API key in "+path+": longer than 4096 bytes", moveAway, 1), "whoami", "--json")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	s.want(fileError("file.read", "cannot read the saved API key in "+path+": not a regular file", moveAway, 1), "whoami", "--json")

	variable := "HOME"
	if runtime.GOOS == "windows" {
		variable = "USERPROFILE"
	}
	const setToken = "set MICROTICA_TOKEN to the key"
	s.with(variable, "").want(fileError("auth.missing", "no place for a saved API key: "+variable+" is not set", setToken, 3), "project", "list", "--json")
	s.with(variable, "home").want(fileError("auth.missing", "no place for a saved API key: "+variable+" is not an absolute path", setToken, 3), "whoami", "--json")
	s.with("MICROTICA_TOKEN", testKey).want(whoamiJSON(api, "MICROTICA_TOKEN"), "whoami", "--json") // no home is needed then
}

// TestAStoredKeyThatOthersCanReadIsWarnedOf covers the modes, and that a mounted secret is no matter of ours.
func TestAStoredKeyThatOthersCanReadIsWarnedOf(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes have no meaning on Windows")
	}
	api := newFakeAPI(t)
	for mode, warned := range map[os.FileMode]bool{0o600: false, 0o400: false, 0o700: false, 0o711: false, 0o644: true, 0o640: true, 0o604: true, 0o620: true, 0o602: true} {
		s := newShell(t, api).save(testKey)
		if err := os.Chmod(s.credentials(), mode); err != nil {
			t.Fatal(err)
		}
		want := whoamiJSON(api, s.credentials())
		s.want(want, "whoami", "--json", "--quiet")
		if warned {
			want.stderr = fmt.Sprintf(`{"warning":{"code":"file.mode","message":"%s can be read or written by others (mode %04o): run 'chmod 600 %[1]s'"}}`+"\n", s.credentials(), mode)
		}
		s.want(want, "whoami", "--json")
		s.with("MICROTICA_TOKEN_FILE", s.credentials()).want(whoamiJSON(api, "MICROTICA_TOKEN_FILE"), "whoami", "--json")
	}
}

// TestLoginSweepsWhatKilledLoginsLeft removes old temporary files and those of a wrong clock, and keeps young ones.
func TestLoginSweepsWhatKilledLoginsLeft(t *testing.T) {
	s := newShell(t, nil).save(otherKey)
	dir := filepath.Dir(s.credentials())
	for name, age := range map[string]time.Duration{"old": 61 * time.Second, "young": 59 * time.Second, "future": -time.Hour} {
		path := filepath.Join(dir, temporary+name)
		if err := os.WriteFile(path, []byte(testKey), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Time{}, s.now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "notes"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	saved := "Saved API key mic_d60bea1d to " + s.credentials() + "\n"
	s.want(result{saved, "", 0}, "login", "--no-verify", "--token", testKey)
	names := func() (names []string) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			names = append(names, entry.Name())
		}
		return names
	}
	if got, want := fmt.Sprint(names()), "["+temporary+"young credentials notes]"; got != want {
		t.Errorf("after login there are %s, want %s", got, want)
	}

	stuck := filepath.Join(dir, temporary+"stuck") // a directory with a file in it cannot be removed
	if err := os.MkdirAll(filepath.Join(stuck, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(stuck, time.Time{}, s.now.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	got := s.run("login", "--no-verify", "--token", testKey)
	if !strings.HasPrefix(got.stderr, "warning: cannot remove what an interrupted login left in "+dir+": ") || got.stdout != saved || got.code != 0 {
		t.Errorf("login with a file it cannot sweep: %s", got)
	}
	if got := s.run("logout"); !strings.HasPrefix(got.stderr, "error: cannot remove the saved API key in ") || got.stdout != "" || got.code != 1 {
		t.Errorf("logout with a file it cannot sweep: %s", got)
	}
}

// TestTheKeyIsStoredForItsUserAlone covers the modes of what login makes, whatever was there before.
func TestTheKeyIsStoredForItsUserAlone(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes have no meaning on Windows")
	}
	s := newShell(t, nil)
	login := []string{"login", "--no-verify", "--token", testKey}
	s.want(result{"Saved API key mic_d60bea1d to " + s.credentials() + "\n", "", 0}, login...)
	wantMode := func(path string, want os.FileMode) {
		t.Helper()
		if info, err := os.Lstat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v, want %v", path, info.Mode(), err, want)
		}
	}
	wantMode(s.credentials(), 0o600)
	wantMode(filepath.Dir(s.credentials()), 0o700|os.ModeDir)
	if err := os.Chmod(s.credentials(), 0o666); err != nil {
		t.Fatal(err)
	}
	s.run(login...)
	wantMode(s.credentials(), 0o600)

	target := filepath.Join(t.TempDir(), "target") // a planted link is replaced, never followed
	if err := os.WriteFile(target, []byte(otherKey), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(s.credentials()); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, s.credentials()); err != nil {
		t.Fatal(err)
	}
	s.run(login...)
	wantMode(s.credentials(), 0o600)
	s.wantStored(testKey + "\n")
	if got, _ := os.ReadFile(target); string(got) != otherKey {
		t.Errorf("login wrote through a link: %q", got)
	}
}

// TestAKeyNeverPrintsItself tries the verbs of fmt, for a careless change elsewhere.
func TestAKeyNeverPrintsItself(t *testing.T) {
	k, err := parseKey(testKey, "test")
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
		for _, value := range []any{k, &k, []key{k}, struct{ k any }{k}} {
			if got := fmt.Sprintf(verb, value); strings.Contains(got, "canary") || strings.Contains(got, "63616e617279") {
				t.Errorf("%s prints %s", verb, got)
			}
		}
	}
	if got := fmt.Sprintf("%v", k); got != testPrefix {
		t.Errorf("a key prints as %q", got)
	}
}
