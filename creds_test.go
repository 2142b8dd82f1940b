package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
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
	return result{fmt.Sprintf(`{"via":"apikey","apiKeyPrefix":"mic_d60bea1d","source":"%s",`+
		`"apiUrl":"%s","apiReachable":true,"keyAccepted":true,"projectsVisible":2}`+"\n",
		inJSON(source), api.base()), "", 0}
}

// writeFile writes a file of a test and returns its path.
func writeFile(t testing.TB, path, content string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// homeName is the variable that names the home directory here.
func homeName() string {
	if runtime.GOOS == "windows" {
		return "USERPROFILE"
	}
	return "HOME"
}

// TestTheFirstSourceThatIsSetIsUsed covers the order, that an empty variable counts as unset, and
// that what surrounds a key is trimmed.
func TestTheFirstSourceThatIsSetIsUsed(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	s := newShell(t, api).save(otherKey)
	file := writeFile(t, filepath.Join(t.TempDir(), "token"), " "+testKey+"\n")
	for _, test := range []struct{ token, file, stored, source string }{
		{testKey, "/nowhere", otherKey, "MICROTICA_TOKEN"},
		{"\n" + testKey + " ", file, otherKey, "MICROTICA_TOKEN"},
		{"\uFEFF" + testKey, file, otherKey, "MICROTICA_TOKEN"},
		{"", file, otherKey, "MICROTICA_TOKEN_FILE"},
		{" \t\n", " " + file + "\n", otherKey, "MICROTICA_TOKEN_FILE"},
		{"", "", "\uFEFF" + testKey + "\r\n", s.credentials()},
		{" ", "\n", testKey, s.credentials()},
	} {
		s.save(test.stored).with("MICROTICA_TOKEN", test.token, "MICROTICA_TOKEN_FILE", test.file)
		s.want(whoamiJSON(api, test.source), "whoami", "--json")
	}
}

// TestABadSourceIsAnErrorThatNamesIt covers the variables, and the file that one of them names. The
// next source, which would work, is not tried.
func TestABadSourceIsAnErrorThatNamesIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, content string) string {
		return writeFile(t, filepath.Join(dir, name), content)
	}
	read := func(path, why string) string {
		return "cannot read the API key from MICROTICA_TOKEN_FILE (" + path + "): " + why
	}
	const token, file = "MICROTICA_TOKEN", "MICROTICA_TOKEN_FILE"
	const fileHint = "set MICROTICA_TOKEN_FILE to a readable file that holds the key"
	none, empty := filepath.Join(dir, "none"), write("empty", "")
	two, large := write("two", testKey+" "+testKey), write("large", strings.Repeat("x", 4097))
	keyLike := filepath.Join(dir, "MIC_d60bea1d_canary0")
	for _, test := range []struct{ variable, value, code, message, hint string }{
		{token, "\uFEFF", "auth.malformed", "the API key from MICROTICA_TOKEN is empty", copyHint},
		{token, "canary", "auth.malformed",
			"the API key from MICROTICA_TOKEN does not start with mic_", copyHint},
		{file, empty, "auth.malformed",
			"the API key from MICROTICA_TOKEN_FILE (" + empty + ") is empty", copyHint},
		{file, two, "auth.malformed", "the API key from MICROTICA_TOKEN_FILE (" + two +
			") has a space at position 33", copyHint},
		{file, large, "file.read", read(large, "longer than 4096 bytes"), fileHint},
		{file, dir, "file.read", read(dir, "not a regular file"), fileHint},
		{file, none, "file.read", read(none, noSuchFile()), fileHint},
		{file, "~/key", "file.read", read("~/key", noSuchFile()),
			"set MICROTICA_TOKEN_FILE to the full path: ~ is not expanded"},
		{file, testKey, "file.read",
			"MICROTICA_TOKEN_FILE holds what looks like a key, not the path of a file",
			"set MICROTICA_TOKEN to the key instead"},
		{file, keyLike, "file.read",
			"cannot read the API key from MICROTICA_TOKEN_FILE: " + noSuchFile(), fileHint},
		{file, write("mic_empty", ""), "auth.malformed",
			"the API key from MICROTICA_TOKEN_FILE is empty", copyHint},
	} {
		api := newFakeAPI(t)
		s := newShell(t, api).save(testKey).with(test.variable, test.value)
		for _, command := range []string{"whoami", "project list", "env list --project 5f1c"} {
			expected := wrong{test.code, test.message, test.hint, 0}
			s.wantError(expected, strings.Fields(command)...)
		}
		if seen := api.seen(); seen != "" {
			t.Errorf("%s=%q: requests were made: %s", test.variable, test.value, seen)
		}
	}
}

// TestWithoutAKeyItSaysWhatIsUnsetAndWhatIsEmpty covers the error where no source has a key. A CI
// secret that a job does not get is a variable that is set to nothing.
func TestWithoutAKeyItSaysWhatIsUnsetAndWhatIsEmpty(t *testing.T) {
	t.Parallel()
	const login = "run 'microtica login', or set MICROTICA_TOKEN"
	const value = "give MICROTICA_TOKEN a value: in CI, jobs of a fork get no secrets"
	for _, test := range []struct {
		variables     []string
		message, hint string
	}{
		{nil, "MICROTICA_TOKEN and MICROTICA_TOKEN_FILE are not set", login},
		{[]string{"MICROTICA_TOKEN", ""},
			"MICROTICA_TOKEN is empty, MICROTICA_TOKEN_FILE is not set", value},
		{[]string{"MICROTICA_TOKEN_FILE", " "},
			"MICROTICA_TOKEN is not set, MICROTICA_TOKEN_FILE is empty", login},
		{[]string{"MICROTICA_TOKEN", "\n", "MICROTICA_TOKEN_FILE", ""},
			"MICROTICA_TOKEN and MICROTICA_TOKEN_FILE are empty", value},
	} {
		s := newShell(t, newFakeAPI(t)).with(test.variables...)
		message := "no API key: " + test.message + ", and none is saved in " + s.credentials()
		s.wantError(wrong{"auth.missing", message, test.hint, 0}, "whoami")
		s.wantError(wrong{"auth.missing", message, test.hint, 0}, "project", "list")
	}
}

// TestAHomeIsNeededOnlyForTheStoredKey covers a home directory that is not named, or not there.
func TestAHomeIsNeededOnlyForTheStoredKey(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	s := newShell(t, api)
	home, place := homeName(), "no place for a saved API key: "+homeName()
	const hint = "set MICROTICA_TOKEN to the key"
	unset := wrong{"auth.missing", place + " is not set", hint, 0}
	relative := wrong{"auth.missing", place + " is not an absolute path", hint, 0}
	s.with(home, "").wantError(unset, "project", "list")
	s.with(home, "home").wantError(relative, "whoami")
	relative.code = "file.write"
	s.wantError(relative, "logout")
	s.wantError(relative, offline...)
	s.with("MICROTICA_TOKEN", "")
	relative.message += ", and MICROTICA_TOKEN is empty"
	s.wantError(relative, "logout")
	relative.message = place + " is not an absolute path"
	s.with("MICROTICA_TOKEN", testKey).wantError(relative, "logout")
	s.want(whoamiJSON(api, "MICROTICA_TOKEN"), "whoami", "--json")
	delete(s.env, "MICROTICA_TOKEN")

	gone := filepath.Join(s.home, "gone")
	path := filepath.Join(gone, ".microtica", "credentials")
	there := "set " + home + " to an existing directory, or set MICROTICA_TOKEN"
	s.with(home, gone).wantError(wrong{"auth.missing", "no API key: MICROTICA_TOKEN and " +
		"MICROTICA_TOKEN_FILE are not set, and none is saved in " + path, there, 0}, "whoami")
	s.wantError(wrong{"file.write", "cannot save the API key in " + path + ": " + noSuchFile(),
		there, 0}, offline...)
	s.want(result{"No API key was saved in " + path + "\n", "", 0}, "logout")
	if _, err := os.Stat(gone); err == nil {
		t.Error("the home directory was made")
	}
	if runtime.GOOS != "windows" { // whose words differ
		file := writeFile(t, filepath.Join(s.home, "file"), "")
		path := filepath.Join(file, ".microtica", "credentials")
		s.with(home, file).wantError(wrong{"file.write", "cannot save the API key in " + path +
			": not a directory", there, 0}, offline...)
	}
}

// TestAHomeThatMayHoldAKeyIsNotShown covers every message that names the stored key's file.
func TestAHomeThatMayHoldAKeyIsNotShown(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	s := newShell(t, api)
	s.home = filepath.Join(s.home, "Mic_d60bea1d_canary0SECRET0value")
	slash := string(filepath.Separator)
	s.with("HOME", s.home+slash, "USERPROFILE", s.home+slash)
	if err := os.Mkdir(s.home, 0o700); err != nil {
		t.Fatal(err)
	}
	shown := filepath.Join("~", ".microtica", "credentials")
	const login = "run 'microtica login', or set MICROTICA_TOKEN"
	s.wantError(wrong{"auth.missing", "no API key: MICROTICA_TOKEN and MICROTICA_TOKEN_FILE are " +
		"not set, and none is saved in " + shown, login, 0}, "whoami")
	saved := result{"Saved API key mic_d60bea1d to " + shown + "\n", "", 0}
	s.want(saved, "login", "--token", testKey)
	s.want(whoamiJSON(api, shown), "whoami", "--json")
	s.save("x").wantError(wrong{"file.write", "cannot remove " + shown +
		": it holds something other than an API key", "move " + shown + " away and try again", 0},
		"logout")
	s.save(testKey)
	s.want(result{"Removed the API key saved in " + shown + "\n", stillValid, 0}, "logout")
}

// TestWhatIsInThePlaceOfTheKeyIsNamedAndKept covers files that are not a stored key: each command
// says what is wrong and none of them changes anything, unless there is nothing to lose.
func TestWhatIsInThePlaceOfTheKeyIsNamedAndKept(t *testing.T) {
	t.Parallel()
	const malformed, foreign = "the API key from PATH ", "it holds something other than an API key"
	const unread = "cannot read the saved API key in PATH: "
	for _, test := range []struct{ content, whoami, kept string }{
		{"", malformed + "is empty", ""},
		{" \n\n", malformed + "is empty", ""},
		{"\uFEFF", malformed + "is empty", ""},
		{"<html>canary", malformed + "does not start with mic_", foreign},
		{`{"token":"x"}`, malformed + "does not start with mic_", foreign},
		{"\x00", malformed + "does not start with mic_", foreign},
		{"mic__x", malformed + "has nothing between mic_ and the next _", foreign},
		{testKey + "\n" + otherKey, malformed + "has a line break at position 33", foreign},
		{strings.Repeat("x", 4097), unread + "longer than 4096 bytes", "longer than 4096 bytes"},
		{strings.Repeat("x", 10<<20), unread + "longer than 4096 bytes", "longer than 4096 bytes"},
		{"a directory", unread + "not a regular file", "not a regular file"},
	} {
		s := newShell(t, nil).save(test.content)
		path := s.credentials()
		if test.content == "a directory" {
			if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o700)); err != nil {
				t.Fatal(err)
			}
		}
		want := wrong{"file.read", strings.Replace(test.whoami, "PATH", path, 1),
			"move " + path + " away and try again", 0}
		if strings.HasPrefix(test.whoami, malformed) {
			want.code, want.hint = "auth.malformed", "move "+path+" away and run 'microtica login'"
		}
		if test.kept == "" {
			want.hint = "run 'microtica login'"
		}
		s.wantError(want, "whoami")
		if test.kept == "" {
			s.want(s.saves(), offline...)
			s.wantStored(testKey + "\n")
			continue
		}
		want = wrong{"file.write", "cannot save the API key in " + path + ": " + test.kept,
			"move " + path + " away and try again", 0}
		s.wantError(want, offline...)
		want.message = "cannot remove " + path + ": " + test.kept
		s.wantError(want, "logout")
		if test.content != "a directory" {
			s.wantStored(test.content)
		}
	}
	s := newShell(t, nil).save(" " + otherKey + "\r\n")
	s.want(s.saves(), offline...)
	s.wantStored(testKey + "\n")
}

// TestAFileInThePlaceOfTheDirectoryIsNamed covers a file, and a link to nothing, named .microtica.
func TestAFileInThePlaceOfTheDirectoryIsNamed(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("making a link takes a privilege there, and the system's words differ")
	}
	const hint = "move ~/.microtica away: it is not a directory"
	s := newShell(t, newFakeAPI(t))
	path, dir := s.credentials(), filepath.Dir(s.credentials())
	writeFile(t, dir, "mine")
	s.wantError(wrong{"file.read", "cannot read the saved API key in " + path +
		": not a directory", hint, 0}, "whoami")
	s.wantError(wrong{"file.write", "cannot save the API key in " + path +
		": ~/.microtica is not a directory", hint, 0}, offline...)
	s.wantError(wrong{"file.write", "cannot remove " + path + ": not a directory; " + dir +
		": not a directory", hint, 0}, "logout")
	if data, err := os.ReadFile(dir); string(data) != "mine" {
		t.Errorf("the file holds %q, %v", data, err)
	}
	if err := errors.Join(os.Remove(dir), os.Symlink("nothing", dir)); err != nil {
		t.Fatal(err)
	}
	const nowhere = "move ~/.microtica away: it is a link that leads nowhere"
	s.wantError(wrong{"auth.missing", "no API key: MICROTICA_TOKEN and MICROTICA_TOKEN_FILE are " +
		"not set, and none is saved in " + path, nowhere, 0}, "whoami")
	s.wantError(wrong{"file.write", "cannot save the API key in " + path +
		": ~/.microtica is not a directory", nowhere, 0}, offline...)
}

// TestAStoredKeyThatOthersCanReachIsWarnedOf covers the modes of the file and of its directory: the
// commands that read warn, and login refuses a directory that others may write to. The modes of a
// mounted secret are not ours to judge.
func TestAStoredKeyThatOthersCanReachIsWarnedOf(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("modes have no meaning on Windows")
	}
	api := newFakeAPI(t)
	for _, test := range []struct {
		file, dir        os.FileMode
		fileBad, sharing bool
	}{
		{0o600, 0o700, false, false},
		{0o400, 0o755, false, false},
		{0o711, 0o711, false, false},
		{0o640, 0o700, true, false},
		{0o604, 0o700, true, false},
		{0o620, 0o700, true, false},
		{0o602, 0o700, true, false},
		{0o600, 0o720, false, true},
		{0o600, 0o702, false, true},
		{0o666, 0o777 | os.ModeSticky, true, true},
	} {
		s := newShell(t, api).save(testKey)
		path, dir := s.credentials(), filepath.Dir(s.credentials())
		if err := errors.Join(os.Chmod(path, test.file), os.Chmod(dir, test.dir)); err != nil {
			t.Fatal(err)
		}
		want := whoamiJSON(api, path)
		s.want(want, "whoami", "--json", "--quiet")
		warning := `{"warning":{"code":"file.mode","message":"%s can be %s by others ` +
			`(mode %04o): run 'chmod %s %[1]s'"}}` + "\n"
		if test.fileBad {
			want.stderr += fmt.Sprintf(warning, path, "read or written", test.file, "600")
		}
		if test.sharing {
			want.stderr += fmt.Sprintf(warning, dir, "written", test.dir.Perm(), "700")
		}
		s.want(want, "whoami", "--json")
		s.with("MICROTICA_TOKEN_FILE", path)
		s.want(whoamiJSON(api, "MICROTICA_TOKEN_FILE"), "whoami", "--json")
		delete(s.env, "MICROTICA_TOKEN_FILE")
		if !test.sharing {
			s.want(s.saves(), offline...)
			continue
		}
		s.wantError(wrong{"file.write", "cannot save the API key in " + path +
			": others may write to ~/.microtica", "run 'chmod 700 ~/.microtica'", 0}, offline...)
		s.wantStored(testKey)
		if info, err := os.Stat(dir); err != nil || info.Mode() != test.dir|os.ModeDir {
			t.Errorf("%s: %v, %v, want %v", dir, info.Mode(), err, test.dir)
		}
	}
}

// plant makes files in a directory, each with an age.
func plant(t *testing.T, dir string, now time.Time, ages map[string]time.Duration) {
	t.Helper()
	for name, age := range ages {
		path := writeFile(t, filepath.Join(dir, name), testKey)
		if err := os.Chtimes(path, now, now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
}

// wantNames checks what is in a directory; names are sorted, and separated by spaces.
func wantNames(t *testing.T, dir, want string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	slices.Sort(names)
	if got := strings.Join(names, " "); got != want {
		t.Errorf("%s holds %q, want %q", dir, got, want)
	}
}

// TestLoginSweepsWhatKilledLoginsLeft removes old temporary files and those of a wrong clock, and
// keeps young ones and those of others.
func TestLoginSweepsWhatKilledLoginsLeft(t *testing.T) {
	t.Parallel()
	s := newShell(t, nil).save(otherKey)
	dir := filepath.Dir(s.credentials())
	plant(t, dir, s.now, map[string]time.Duration{
		temporary + "old":    61 * time.Second,
		temporary + "young":  59 * time.Second,
		temporary + "future": -time.Hour,
		"notes":              time.Hour,
		"credentials.old":    time.Hour,
	})
	s.want(s.saves(), offline...)
	wantNames(t, dir, temporary+"young credentials credentials.old notes")

	stuck := filepath.Join(dir, temporary+"stuck") // not empty, and so not to be removed
	err := os.MkdirAll(filepath.Join(stuck, "x"), 0o700)
	if err = errors.Join(err, os.Chtimes(stuck, s.now, s.now.Add(-time.Hour))); err != nil {
		t.Fatal(err)
	}
	why := withoutPath(os.Remove(stuck)).Error()
	plant(t, dir, s.now, map[string]time.Duration{temporary + "zold": time.Hour})
	want := s.saves()
	want.stderr = "warning: cannot remove what an interrupted login left: " + stuck + ": " +
		why + "\n"
	s.want(want, offline...)
	wantNames(t, dir, temporary+"stuck "+temporary+"young credentials credentials.old notes")
}

// TestTheKeyIsStoredForItsUserAlone covers the modes of what login makes, whatever was there.
func TestTheKeyIsStoredForItsUserAlone(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("modes have no meaning on Windows")
	}
	s := newShell(t, nil)
	path := s.credentials()
	target := writeFile(t, filepath.Join(t.TempDir(), "target"), otherKey)
	for _, prepare := range []func() error{
		func() error { return nil },
		func() error { return os.Chmod(path, 0o666) },
		func() error { return errors.Join(os.Remove(path), os.Symlink(target, path)) },
	} {
		if err := prepare(); err != nil {
			t.Fatal(err)
		}
		s.want(s.saves(), offline...)
		s.wantStored(testKey + "\n")
		for path, want := range map[string]os.FileMode{
			path: 0o600, filepath.Dir(path): 0o700 | os.ModeDir,
		} {
			if info, err := os.Lstat(path); err != nil || info.Mode() != want {
				t.Errorf("%s: %v, %v, want %v", path, info.Mode(), err, want)
			}
		}
	}
	if got, _ := os.ReadFile(target); string(got) != otherKey {
		t.Errorf("login wrote through a link: %q", got)
	}
}

// TestLoginGetsThroughBesideALogout removes login's temporary file while it is in use, as a logout
// may. What removes each file at once can stop a login, which then says so.
func TestLoginGetsThroughBesideALogout(t *testing.T) {
	t.Parallel()
	s := newShell(t, nil).save(otherKey)
	failed := wrong{"file.write", "cannot save the API key in " + s.credentials() + ": " +
		noSuchFile(), "run 'microtica login' again when no logout runs", 0}.fails("", false)
	hits := 0
	for i := range 40 {
		removed, most := 0, 1
		if i >= 20 {
			most = 1 << 30
		}
		stop := background(func() bool {
			paths, _ := filepath.Glob(filepath.Join(filepath.Dir(s.credentials()), temporary+"*"))
			for _, path := range paths {
				if os.Remove(path) == nil {
					removed++
				}
			}
			return removed < most
		})
		got := s.run(offline...)
		stop()
		if got != s.saves() && (most == 1 || got != failed && runtime.GOOS != "windows") {
			t.Fatalf("with %d files removed: %s", removed, got)
		}
		hits += removed
	}
	s.run(offline...)
	s.wantStored(testKey + "\n")
	t.Logf("%d temporary files were removed", hits)
}

// TestAKeyPrintsItsPrefixWhateverTheVerb is for a careless change elsewhere.
func TestAKeyPrintsItsPrefixWhateverTheVerb(t *testing.T) {
	t.Parallel()
	k, err := parseKey(testKey, "test")
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range strings.Fields("%v %+v %#v %s %q %x %X %d %o %p %c %t %e %40s %.3s") {
		if got := fmt.Sprintf(verb, k); got != testPrefix && verb != "%p" {
			t.Errorf("%s prints %q", verb, got)
		}
		for _, value := range []any{k, &k, []key{k}, struct{ k any }{k}, struct{ k key }{k}} {
			got := fmt.Sprintf(verb, value)
			if strings.Contains(got, "canary") || strings.Contains(got, "63616e617279") {
				t.Errorf("%s prints %s", verb, got)
			}
		}
	}
	if data, err := json.Marshal([]any{k}); err != nil || strings.Contains(string(data), "canary") {
		t.Errorf("as JSON a key is %s, %v", data, err)
	}
}

// TestTheMaskCoversTheKey covers the whole key and its secret part, in any case.
func TestTheMaskCoversTheKey(t *testing.T) {
	t.Parallel()
	const secret = "canary0SECRET0value"
	periodic := "mic_a_" + strings.Repeat("ab", 60) + "c"
	for _, test := range []struct{ key, text, want string }{
		{testKey, "", ""},
		{testKey, "nothing of it", "nothing of it"},
		{testKey, testKey, "mic_d60bea1d_…"},
		{testKey, "a " + testKey + testKey + ", b", "a mic_d60bea1d_…mic_d60bea1d_…, b"},
		{testKey, "x" + secret + "y", "xmic_d60bea1d_…y"},
		{testKey, strings.ToUpper(testKey) + "é", "mic_d60bea1d_…é"},
		{testKey, strings.ToLower(secret), "mic_d60bea1d_…"},
		{testKey, strings.ToUpper(secret) + secret, "mic_d60bea1d_…mic_d60bea1d_…"},
		{testKey, "mic_d60bea1e_" + secret, "mic_d60bea1e_mic_d60bea1d_…"},
		{testKey, "d60bea1d_" + secret, "d60bea1d_mic_d60bea1d_…"},
		{testKey, testPrefix + " mic_d60bea1d_canary0SECRET0valu", testPrefix +
			" mic_d60bea1d_canary0SECRET0valu"},
		{testKey, "canary0canary0SECRET0value", "canary0mic_d60bea1d_…"},
		{"mic_a_12345678", "12345678 1234567", "mic_a_… 1234567"},
		{"mic_a_1234567", "1234567 MIC_A_1234567", "1234567 mic_a_…"},
		{"mic_a_abcabcabd", "abcabcabcabd", "abcmic_a_…"},
		{periodic, strings.Repeat("ab", 90) + "c", strings.Repeat("ab", 30) + "mic_a_…"},
		{periodic, strings.Repeat("ab", 90), strings.Repeat("ab", 90)},
		{"mic_a_\"K~{[k]}", "\"\u212a~{[k]}", "\"\u212a~{[k]}"},
		{"mic_a_@@@@@@@@", "```````` @@@@@@@@", "```````` mic_a_…"},
		{"mic_a_[[[[[[[[", "{{{{{{{{ [[[[[[[[", "{{{{{{{{ mic_a_…"},
	} {
		k, err := parseKey(test.key, "test")
		if err != nil {
			t.Fatal(err)
		}
		if got := k.mask(test.text); got != test.want {
			t.Errorf("key %s: %q is masked as %q, want %q", test.key, test.text, got, test.want)
		}
	}
}

// TestTheMaskTakesLinearTime gives it what is worst for a search that starts over at each byte, and
// checks that a text without the key costs no memory.
func TestTheMaskTakesLinearTime(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{"abcdefgh", strings.Repeat("a", 4080) + "b"} {
		k, err := parseKey("mic_d60bea1d_"+secret, "test")
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Repeat(strings.Repeat("a", 4080)+"A", 500) + strings.Repeat("cdefgab", 999)
		start := time.Now()
		if got := k.mask(text); got != text {
			t.Error("a text without the key was changed")
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("2 MB took %v", took)
		}
		if got := k.mask(text + secret); got != text+"mic_d60bea1d_…" {
			t.Error("the key at the end of 2 MB is not masked")
		}
	}
}

// TestErrorsAreNamedWithoutPaths covers both of os's types that hold paths.
func TestErrorsAreNamedWithoutPaths(t *testing.T) {
	t.Parallel()
	none := filepath.Join(t.TempDir(), "canary")
	for _, err := range []error{os.Remove(none), os.Rename(none, none+"2")} {
		if got := withoutPath(err).Error(); strings.Contains(got, "canary") || got != noSuchFile() {
			t.Errorf("%v is named %q", err, got)
		}
	}
}

// TestOnlyWindowsWaitsForABusyFile covers the error numbers of Windows, which mean something else
// elsewhere.
func TestOnlyWindowsWaitsForABusyFile(t *testing.T) {
	t.Parallel()
	for _, number := range []syscall.Errno{5, 32, 2} {
		tries, start := 0, time.Now()
		err := patiently(func() error {
			tries++
			return &os.PathError{Op: "open", Path: "x", Err: number}
		})
		took := time.Since(start)
		waited := tries > 2 && took >= 2*time.Second && took < 4*time.Second
		if waits := runtime.GOOS == "windows" && number != 2; !errors.Is(err, number) ||
			waits != waited || !waits && tries != 1 {
			t.Errorf("error %d: %d tries in %v, %v", number, tries, took, err)
		}
	}
}
