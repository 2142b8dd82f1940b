package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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

// noKey is the error if no variable is set and nothing is stored.
func noKey(path, hint string) wrong {
	return wrong{"auth.missing", "no API key: MICROTICA_TOKEN and MICROTICA_TOKEN_FILE " +
		"are not set, and none is saved in " + path, hint, 0}
}

// cannot is the error of whoami, login or logout if it cannot read, save or remove the stored key.
func cannot(command, path, why, hint string) wrong {
	switch command {
	case "whoami":
		return wrong{"file.read", "cannot read the saved API key in " + path + ": " + why, hint, 0}
	case "login":
		return wrong{"file.write", "cannot save the API key in " + path + ": " + why, hint, 0}
	}
	return wrong{"file.write", "cannot remove " + path + ": " + why, hint, 0}
}

// What commands advise where the key cannot be read, saved or found.
const (
	readElsewhere = "set MICROTICA_TOKEN where the saved key cannot be read"
	saveElsewhere = "set MICROTICA_TOKEN where nothing can be saved"
	loginHint     = "run 'microtica login', or set MICROTICA_TOKEN"
)

// homeName is the variable that names the home directory here.
var homeName = map[bool]string{false: "HOME", true: "USERPROFILE"}[onWindows]

// writeFile writes a file of a test and returns its path.
func writeFile(t testing.TB, path, content string) string {
	t.Helper()
	must(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// needUnix skips a test on Windows.
func needUnix(t *testing.T) {
	if onWindows {
		t.Skip("modes, links and messages differ on Windows")
	}
}

// TestTheFirstSourceThatIsSetIsUsed covers the order, that an empty variable counts as unset, and
// that what surrounds a key is trimmed.
func TestTheFirstSourceThatIsSetIsUsed(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	s := newShell(t, api)
	file := writeFile(t, filepath.Join(t.TempDir(), "token"), " "+testKey+"\n")
	for _, test := range []struct{ token, file, stored, source string }{
		{"\uFEFF\n" + testKey + " ", file, otherKey, "MICROTICA_TOKEN"},
		{" \t\n", " " + file + "\n", otherKey, "MICROTICA_TOKEN_FILE"},
		{"", "\n", "\uFEFF" + testKey + "\r\n", s.credentials()},
	} {
		s.save(test.stored).with("MICROTICA_TOKEN", test.token, "MICROTICA_TOKEN_FILE", test.file)
		s.want(whoamiJSON(api, test.source), "whoami", "--json")
	}
}

// TestABadSourceIsAnErrorThatNamesIt covers the file that a variable names. The stored key, which
// would work, is not tried.
func TestABadSourceIsAnErrorThatNamesIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	none, keyLike := filepath.Join(dir, "none"), filepath.Join(dir, "MIC_d60bea1d_canary0")
	empty := writeFile(t, filepath.Join(dir, "empty"), "")
	const source = "the API key from MICROTICA_TOKEN_FILE"
	const hint = "set MICROTICA_TOKEN_FILE to a readable file that holds the key"
	s := newShell(t, newFakeAPI(t)).save(testKey)
	for _, test := range []struct{ path, code, message, hint string }{
		{empty, "auth.malformed", source + " (" + empty + ") is empty", copyHint},
		{none, "file.read", "cannot read " + source + " (" + none + "): " + noSuchFile(), hint},
		{"~/key", "file.read", "cannot read " + source + " (~/key): " + noSuchFile(),
			"set MICROTICA_TOKEN_FILE to the full path: ~ is not expanded"},
		{testKey, "file.read",
			"MICROTICA_TOKEN_FILE holds what looks like a key, not the path of a file",
			"set MICROTICA_TOKEN to the key instead"},
		{keyLike, "file.read", "cannot read " + source + ": " + noSuchFile(), hint},
	} {
		s.with("MICROTICA_TOKEN_FILE", test.path)
		s.wantError(wrong{test.code, test.message, test.hint, 0}, "whoami")
	}
	s.with("MICROTICA_TOKEN", "\uFEFF") // not empty to the shell
	s.wantError(wrong{"auth.malformed", "the API key from MICROTICA_TOKEN is empty", copyHint, 0},
		"whoami")
}

// TestWithoutAKeyItSaysWhatIsUnsetAndWhatIsEmpty covers the error if no source has a key. To a CI
// job that does not get a secret, its variable is empty.
func TestWithoutAKeyItSaysWhatIsUnsetAndWhatIsEmpty(t *testing.T) {
	t.Parallel()
	const valueHint = "give MICROTICA_TOKEN a value: in CI, jobs of a fork get no secrets"
	for _, test := range []struct {
		variables []string
		why, hint string
	}{
		{nil, "MICROTICA_TOKEN and MICROTICA_TOKEN_FILE are not set", loginHint},
		{[]string{"MICROTICA_TOKEN", ""},
			"MICROTICA_TOKEN is empty, MICROTICA_TOKEN_FILE is not set", valueHint},
		{[]string{"MICROTICA_TOKEN_FILE", " "},
			"MICROTICA_TOKEN is not set, MICROTICA_TOKEN_FILE is empty", loginHint},
		{[]string{"MICROTICA_TOKEN", "\n", "MICROTICA_TOKEN_FILE", ""},
			"MICROTICA_TOKEN and MICROTICA_TOKEN_FILE are empty", valueHint},
	} {
		s := newShell(t, nil).with(test.variables...)
		message := "no API key: " + test.why + ", and none is saved in " + s.credentials()
		for _, line := range []string{"whoami", "project list", "env list --project a", "api me"} {
			s.wantError(wrong{"auth.missing", message, test.hint, 0}, strings.Fields(line)...)
		}
	}
}

// TestAHomeIsNeededOnlyForTheStoredKey covers a home directory that is not named, or not by an
// absolute path.
func TestAHomeIsNeededOnlyForTheStoredKey(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	for home, why := range map[string]string{"": "not set", "home": "not an absolute path"} {
		s := newShell(t, api).with(homeName, home)
		nowhere := wrong{"auth.missing", "no place for a saved API key: " + homeName +
			" is " + why, "set MICROTICA_TOKEN to the key", 0}
		s.wantError(nowhere, "project", "list")
		nowhere.code = "file.write"
		s.wantError(nowhere, offline...)
		s.with("MICROTICA_TOKEN", testKey).wantError(nowhere, "logout")
		s.want(whoamiJSON(api, "MICROTICA_TOKEN"), "whoami", "--json")
		nowhere.message += ", and MICROTICA_TOKEN is empty"
		s.with("MICROTICA_TOKEN", "").wantError(nowhere, "logout")
	}
}

// TestAHomeThatIsNotThereIsNotMade covers a home directory that is missing, and a file.
func TestAHomeThatIsNotThereIsNotMade(t *testing.T) {
	t.Parallel()
	hint := "set " + homeName + " to an existing directory, or set MICROTICA_TOKEN"
	gone := shellIn(t, filepath.Join(t.TempDir(), "gone"))
	gone.wantError(noKey(gone.credentials(), hint), "whoami")
	gone.wantError(cannot("login", gone.credentials(), noSuchFile(), hint), offline...)
	gone.want(result{"No API key was saved in " + gone.credentials() + "\n", "", 0}, "logout")
	if _, err := os.Stat(gone.home); err == nil {
		t.Error("the home directory was made")
	}
	if !onWindows { // whose words differ
		file := shellIn(t, writeFile(t, gone.home, ""))
		file.wantError(cannot("login", file.credentials(), "not a directory", hint), offline...)
	}
}

// TestAHomeThatMayHoldAKeyIsNotShown covers every message that names the stored key's file.
func TestAHomeThatMayHoldAKeyIsNotShown(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	home := filepath.Join(t.TempDir(), "Mic_d60bea1d_canary0SECRET0value")
	must(t, os.Mkdir(home, 0o700))
	s := shellIn(t, home+string(filepath.Separator)).with("MICROTICA_API_URL", api.base())
	shown := filepath.Join("~", ".microtica", "credentials")
	s.wantError(noKey(shown, loginHint), "whoami")
	s.want(result{"Saved API key mic_d60bea1d to " + shown + "\n", "", 0}, offline...)
	s.want(whoamiJSON(api, shown), "whoami", "--json")
	s.want(result{"Removed the API key saved in " + shown + "\n", stillValid, 0}, "logout")
	s.save("x")
	hint := "move " + shown + " away and try again"
	s.wantError(cannot("login", shown, notAKey, hint), offline...)
	s.wantError(cannot("logout", shown, notAKey, hint), "logout")
}

// foreignFile is something other than a key at the path of the stored key.
type foreignFile struct {
	name      string
	put       func(path string) error
	malformed string // what whoami finds wrong with its text; "" if it cannot be read
	kept      string // why login and logout keep it; "" if there is nothing to lose
}

const (
	notAKey    = "it holds something other than an API key"
	notRegular = "not a regular file"
)

var foreignFiles = []foreignFile{
	{"an empty file", holding(""), "is empty", ""},
	{"white space and a byte order mark", holding("\uFEFF \r\n\n"), "is empty", ""},
	{"HTML", holding("<html>canary"), "does not start with mic_", notAKey},
	{"two keys", holding(testKey + "\n" + otherKey), "has a line break at position 33", notAKey},
	{"too much", holding(strings.Repeat("x", 4097)), "", "longer than 4096 bytes"},
	{"a directory", func(path string) error { return os.Mkdir(path, 0o700) }, "", notRegular},
}

func holding(text string) func(path string) error {
	return func(path string) error { return os.WriteFile(path, []byte(text), 0o600) }
}

// meet runs the commands that use the stored key: each names what is in its place, and none changes
// it. It returns false if this system cannot make such a file.
func (f foreignFile) meet(t *testing.T) bool {
	t.Helper()
	s := newShell(t, nil)
	path := s.credentials()
	must(t, os.Mkdir(filepath.Dir(path), 0o700))
	if err := f.put(path); err != nil {
		t.Logf("SKIPPED: %s cannot be made here: %v", f.name, err)
		return false
	}
	before, _ := os.Lstat(path)
	away := "move " + path + " away and "
	unread := cannot("whoami", path, f.kept, away+"try again")
	if f.malformed != "" {
		unread = wrong{"auth.malformed", "the API key from " + path + " " + f.malformed,
			away + "run 'microtica login'", 0}
	}
	if f.kept == "" {
		unread.hint = "run 'microtica login'"
		s.wantError(unread, "whoami")
		s.want(s.saves(), offline...)
		s.wantStored(testKey + "\n")
		return true
	}
	s.wantError(unread, "whoami")
	s.wantError(cannot("login", path, f.kept, away+"try again"), offline...)
	if !isLink(path) { // which logout removes whatever it leads to
		s.wantError(cannot("logout", path, f.kept, away+"try again"), "logout")
	}
	after, err := os.Lstat(path)
	if err != nil || !os.SameFile(before, after) || before.ModTime() != after.ModTime() {
		t.Errorf("%s was changed: %v, %v, %v", f.name, before, after, err)
	}
	return true
}

// TestWhatIsInThePlaceOfTheKeyIsNamedAndKept covers what every system can make there.
func TestWhatIsInThePlaceOfTheKeyIsNamedAndKept(t *testing.T) {
	t.Parallel()
	for _, file := range foreignFiles {
		file.meet(t)
	}
}

// TestAFileInThePlaceOfTheDirectoryIsNamed covers a file, and a link to nothing, named .microtica.
func TestAFileInThePlaceOfTheDirectoryIsNamed(t *testing.T) {
	t.Parallel()
	needUnix(t)
	const hint = "move ~/.microtica away: it is not a directory"
	s := newShell(t, nil)
	path, dir := s.credentials(), filepath.Dir(s.credentials())
	writeFile(t, dir, "mine")
	s.wantError(cannot("whoami", path, "not a directory", hint), "whoami")
	s.wantError(cannot("login", path, "~/.microtica is not a directory", hint), offline...)
	s.wantError(cannot("logout", path, "not a directory; "+dir+": not a directory", hint), "logout")
	if data, err := os.ReadFile(dir); string(data) != "mine" {
		t.Errorf("the file holds %q, %v", data, err)
	}
	must(t, os.Remove(dir), os.Symlink("nothing", dir))
	const nowhere = "move ~/.microtica away: it is a link that leads nowhere"
	s.wantError(noKey(path, nowhere), "whoami")
	s.wantError(cannot("login", path, "~/.microtica is not a directory", nowhere), offline...)
}

// TestAStoredKeyThatOthersCanReachIsWarnedOf covers the modes of the file and of its directory: the
// commands that read warn, and login refuses a directory that others may write to. The modes of a
// mounted secret are not ours to judge.
func TestAStoredKeyThatOthersCanReachIsWarnedOf(t *testing.T) {
	t.Parallel()
	needUnix(t)
	api := newFakeAPI(t)
	for _, test := range []struct {
		file, dir    os.FileMode
		open, shared bool // whether others can reach the file, and write to the directory
	}{
		{0o711, 0o755, false, false},
		{0o640, 0o700, true, false},
		{0o604, 0o700, true, false},
		{0o620, 0o700, true, false},
		{0o602, 0o700, true, false},
		{0o600, 0o720, false, true},
		{0o666, 0o702, true, true},
	} {
		s := newShell(t, api).save(testKey)
		path, dir := s.credentials(), filepath.Dir(s.credentials())
		must(t, os.Chmod(path, test.file), os.Chmod(dir, test.dir))
		want := whoamiJSON(api, path)
		s.want(want, "whoami", "--json", "--quiet")
		const warning = `{"warning":{"code":"file.mode","message":"%s can be %s by others ` +
			`(mode %04o): run 'chmod %s %[1]s'"}}` + "\n"
		if test.open {
			want.stderr += fmt.Sprintf(warning, path, "read or written", test.file, "600")
		}
		if test.shared {
			want.stderr += fmt.Sprintf(warning, dir, "written", test.dir, "700")
		}
		s.want(want, "whoami", "--json")
		if test.shared {
			s.wantError(cannot("login", path, "others may write to ~/.microtica",
				"run 'chmod 700 ~/.microtica'"), offline...)
		} else {
			s.want(s.saves(), offline...)
		}
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != test.dir {
			t.Errorf("%s: %v, %v, want %v", dir, info.Mode(), err, test.dir)
		}
		s.with("MICROTICA_TOKEN_FILE", path)
		s.want(whoamiJSON(api, "MICROTICA_TOKEN_FILE"), "whoami", "--json")
	}
}

// plant makes files in a directory, each with an age.
func plant(t *testing.T, dir string, now time.Time, ages map[string]time.Duration) {
	t.Helper()
	for name, age := range ages {
		path := writeFile(t, filepath.Join(dir, name), testKey)
		must(t, os.Chtimes(path, now, now.Add(-age)))
	}
}

// wantNames checks what is in a directory; names are sorted, and separated by spaces.
func wantNames(t *testing.T, dir, want string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	if got := strings.Join(names, " "); got != want {
		t.Errorf("%s holds %q, want %q", dir, got, want)
	}
}

// TestLoginSweepsWhatKilledLoginsLeft removes old temporary files and those of a wrong clock, but
// not where a planted link leads to, and keeps young ones and those of others.
func TestLoginSweepsWhatKilledLoginsLeft(t *testing.T) {
	t.Parallel()
	s := newShell(t, nil).save(otherKey)
	dir := filepath.Dir(s.credentials())
	s.now = s.now.Add(time.Hour) // the link and the directory are an hour old
	os.Symlink("notes", filepath.Join(dir, temporary+"link"))
	plant(t, dir, s.now, map[string]time.Duration{
		temporary + "old":    61 * time.Second,
		temporary + "young":  59 * time.Second,
		temporary + "future": -time.Hour,
		"notes":              time.Hour,
		"credentials.old":    time.Hour,
	})
	s.want(s.saves(), offline...)
	wantNames(t, dir, temporary+"young credentials credentials.old notes")

	_, message := stuck(t, dir, "stuck")
	plant(t, dir, s.now, map[string]time.Duration{temporary + "zold": time.Hour})
	want := s.saves()
	want.stderr = "warning: cannot remove what an interrupted login left: " + message + "\n"
	s.want(want, offline...)
	wantNames(t, dir, temporary+"stuck "+temporary+"young credentials credentials.old notes")
}

// TestTheKeyIsStoredForItsUserAlone covers the modes of what login makes, and of what it replaces.
func TestTheKeyIsStoredForItsUserAlone(t *testing.T) {
	t.Parallel()
	needUnix(t)
	s, elsewhere := newShell(t, nil), t.TempDir()
	path, dir := s.credentials(), filepath.Dir(s.credentials())
	target, moved := filepath.Join(elsewhere, "target"), filepath.Join(elsewhere, "moved")
	writeFile(t, target, otherKey)
	for _, prepare := range []func() error{
		func() error { return nil },
		func() error { return os.Chmod(path, 0o666) },
		func() error { return errors.Join(os.Remove(path), os.Symlink(target, path)) },
		func() error { return errors.Join(os.Remove(path), os.Symlink("nothing", path)) },
		func() error { return errors.Join(os.Rename(dir, moved), os.Symlink(moved, dir)) },
	} {
		must(t, prepare())
		s.want(s.saves(), offline...)
		checkStore(t, "login", s.home, testKey+"\n", testKey+"\n")
	}
	if got, _ := os.ReadFile(target); string(got) != otherKey {
		t.Errorf("login wrote through a link: %q", got)
	}
}

// TestLoginGetsThroughBesideALogout removes login's temporary file while it is in use, as a logout
// may: the first one, which login survives, or every one, after which it may give up and say so.
func TestLoginGetsThroughBesideALogout(t *testing.T) {
	t.Parallel()
	s := newShell(t, nil).save(otherKey)
	failed := cannot("login", s.credentials(), noSuchFile(),
		"run 'microtica login' again when no logout runs").fails("", false)
	pattern := filepath.Join(filepath.Dir(s.credentials()), temporary+"*")
	for i := range 40 {
		removed, all := false, i%2 == 1
		stop := background(func() bool {
			paths, _ := filepath.Glob(pattern)
			for _, path := range paths {
				removed = os.Remove(path) == nil || removed
			}
			return all || !removed
		})
		got := s.run(offline...)
		stop()
		if got != s.saves() && (!all || got != failed && !onWindows) {
			t.Fatalf("removing all: %t: %s", all, got)
		}
	}
	s.run(offline...)
	s.wantStored(testKey + "\n")
}

// TestAKeyPrintsItsPrefixWhateverTheVerb guards against a careless change elsewhere.
func TestAKeyPrintsItsPrefixWhateverTheVerb(t *testing.T) {
	t.Parallel()
	k := key{new(string)}
	*k.secret = testKey
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
	const secret, shown = "canary0SECRET0value", "mic_d60bea1d_…"
	periodic := "mic_a_" + strings.Repeat("ab", 60) + "c"
	for _, test := range []struct{ key, text, want string }{
		{testKey, "nothing of it", "nothing of it"},
		{testKey, "a " + testKey + testKey + ", b", "a " + shown + shown + ", b"},
		{testKey, "x" + secret + "y", "x" + shown + "y"},
		{testKey, strings.ToUpper(testKey) + "é" + strings.ToLower(secret), shown + "é" + shown},
		{testKey, "mic_d60bea1e_" + secret, "mic_d60bea1e_" + shown},
		{testKey, "mic_d60bea1d_canary0SECRET0valu", "mic_d60bea1d_canary0SECRET0valu"},
		{"mic_a_12345678", "12345678 1234567", "mic_a_… 1234567"},
		{"mic_a_1234567", "1234567 MIC_A_1234567", "1234567 mic_a_…"},
		{periodic, strings.Repeat("ab", 90) + "c", strings.Repeat("ab", 30) + "mic_a_…"},
		{testKey, strings.Repeat("x", 250) + secret, strings.Repeat("x", 250) + shown},
		{testKey, strings.Repeat("x", 9999) + secret, strings.Repeat("x", 9999) + shown},
		{"mic_a_\"K~{[k]}", "\"\u212a~{[k]}", "\"\u212a~{[k]}"}, // a Kelvin sign
		{"mic_a_@@@@@@@@", "```````` @@@@@@@@", "```````` mic_a_…"},
		{"mic_a_[[[[[[[[", "{{{{{{{{ [[[[[[[[", "{{{{{{{{ mic_a_…"},
	} {
		k, err := parseKey(test.key, "test")
		must(t, err)
		if got := k.mask(test.text); got != test.want {
			t.Errorf("key %s: %q is masked as %q, want %q", test.key, test.text, got, test.want)
		}
	}
}

// TestTheMaskTakesLinearTime gives it what is worst for a search that starts over at each byte: a
// server that knows the key could send that.
func TestTheMaskTakesLinearTime(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{"abcdefgh", strings.Repeat("a", 4080) + "b"} {
		k, err := parseKey("mic_d60bea1d_"+secret, "test")
		must(t, err)
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

// TestErrorsAreNamedWithoutPaths covers both of os's types of error that hold paths.
func TestErrorsAreNamedWithoutPaths(t *testing.T) {
	t.Parallel()
	none := filepath.Join(t.TempDir(), "canary")
	for _, err := range []error{os.Remove(none), os.Rename(none, none+"2")} {
		if got := withoutPath(err).Error(); strings.Contains(got, "canary") {
			t.Errorf("%v is named %q", err, got)
		}
	}
}

// TestOnlyWindowsWaitsForABusyFile covers the error numbers of Windows, which mean something else
// elsewhere.
func TestOnlyWindowsWaitsForABusyFile(t *testing.T) {
	t.Parallel()
	for _, number := range []syscall.Errno{5, 32, 2} {
		tries := 0
		err := patiently(func() error {
			tries++
			return &os.PathError{Op: "open", Path: "x", Err: number}
		})
		again := onWindows && number != 2
		if !errors.Is(err, number) || again != (tries > 1) {
			t.Errorf("error %d: %d tries, %v", number, tries, err)
		}
	}
}
