package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"microtica/internal/fakeapi"
)

// offline is a login that makes no request.
var offline = []string{"login", "--no-verify"}

const (
	homeHint  = "set MICROTICA_TOKEN to the key"
	notAKey   = "it holds something other than an API key"
	irregular = "it is not a regular file"
)

// unsaved is the error of a login that cannot save the key at path.
func unsaved(path, why, hint string) wrong {
	return wrong{"file.write", "cannot save the API key in " + path + ": " + why, hint, 0}
}

// unremoved is the error of a logout that cannot remove the file at path.
func unremoved(path, why string) wrong {
	return wrong{"file.write", "cannot remove " + path + ": " + why, "remove it by hand", 0}
}

// removed returns what logout prints.
func (s *shell) removed() result {
	return result{"Removed the API key saved in " + s.credentials() + "\n",
		"note: the key itself stays valid until it is revoked in Microtica's console\n", 0}
}

// fails expects a command to fail with w, and to change neither the stored key nor its directory.
func (s *shell) fails(w wrong, args ...string) {
	s.t.Helper()
	look := func() (found string) {
		for _, path := range []string{filepath.Dir(s.credentials()), s.credentials()} {
			if info, err := os.Lstat(path); err == nil {
				found += fmt.Sprintln(info.Mode(), info.Size(), info.ModTime())
			}
		}
		return found
	}
	before := look()
	s.stdin = testKey
	s.wantError(w, args...)
	if after := look(); before != after {
		s.t.Errorf("microtica %q failed and changed\n%sto\n%s", args, before, after)
	}
}

// needUnix skips a test on Windows.
func needUnix(t *testing.T) {
	if onWindows {
		t.Skip("modes, links and messages differ on Windows")
	}
}

// writeFile writes a file and returns its path.
func writeFile(t testing.TB, text string, path ...string) string {
	t.Helper()
	name := filepath.Join(path...)
	must(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

// TestTheFirstSourceThatIsSetIsUsed covers the order, that an empty variable counts as unset, and
// what may surround a key.
func TestTheFirstSourceThatIsSetIsUsed(t *testing.T) {
	t.Parallel()
	api := fakeapi.New(t)
	s := newShell(t, api.Base())
	file := writeFile(t, " "+testKey+"\n", t.TempDir(), "token")
	for _, test := range []struct{ token, file, stored, source string }{
		{"\uFEFF\n" + testKey + " ", file, otherKey, "MICROTICA_TOKEN"},
		{" \t\n", " " + file + "\n", otherKey, "MICROTICA_TOKEN_FILE"},
		{"", "\n", "\uFEFF" + testKey + "\r\n", s.credentials()},
	} {
		s.save(test.stored).with("MICROTICA_TOKEN", test.token, "MICROTICA_TOKEN_FILE", test.file)
		s.want(result{fmt.Sprintf(`{"via":"apikey","apiKeyPrefix":"mic_d60bea1d","source":%s,`+
			`"apiUrl":"%s","apiReachable":true,"keyAccepted":true,"projectsVisible":2}`+"\n",
			quoted(test.source), api.Base()), "", 0}, "whoami", "--json")
	}
}

// TestABadSourceIsAnErrorThatNamesIt and the stored key, which would work, is not tried.
func TestABadSourceIsAnErrorThatNamesIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	none, empty := filepath.Join(dir, "none"), writeFile(t, "", dir, "empty")
	long := writeFile(t, testKey+strings.Repeat(" ", 2000), dir, "long")
	_, missing := os.Stat(none)
	gone := withoutPath(missing).Error()
	const source = "the API key from MICROTICA_TOKEN_FILE ("
	const hint = "set MICROTICA_TOKEN_FILE to the full path of a file that holds the key"
	s := newShell(t, fakeapi.New(t).Base()).save(testKey)
	for _, test := range []struct{ path, code, message, hint string }{
		{empty, "auth.malformed", source + empty + ") is empty", copyHint},
		{long, "auth.malformed", source + long + ") is longer than 1000 bytes", copyHint},
		{none, "file.read", "cannot read " + source + none + "): " + gone, hint},
		{dir, "file.read", "cannot read " + source + dir + "): " + irregular, hint},
		{testKey, "file.read", "cannot read " + source + "mic_d60bea1d_… " + gone, hint},
	} {
		s.with("MICROTICA_TOKEN_FILE", test.path)
		s.wantError(wrong{test.code, test.message, test.hint, 0}, "whoami")
	}
	s.with("MICROTICA_TOKEN", "\uFEFF") // not empty to the shell
	s.wantError(wrong{"auth.malformed", "the API key from MICROTICA_TOKEN is empty", copyHint, 0},
		"whoami")
}

// TestWithoutAKeyItSaysWhatIsUnsetAndWhatIsEmpty and, without a home directory, that too. To a CI
// job that gets no secrets, a variable is empty.
func TestWithoutAKeyItSaysWhatIsUnsetAndWhatIsEmpty(t *testing.T) {
	t.Parallel()
	const login = "run 'microtica login', or set MICROTICA_TOKEN"
	const forks = "give MICROTICA_TOKEN a value: in CI, jobs from forks get no secrets"
	for _, test := range []struct {
		variables []string
		why, hint string
	}{
		{nil, "MICROTICA_TOKEN is not set, MICROTICA_TOKEN_FILE is not set", login},
		{[]string{"MICROTICA_TOKEN", ""},
			"MICROTICA_TOKEN is empty, MICROTICA_TOKEN_FILE is not set", forks},
		{[]string{"MICROTICA_TOKEN_FILE", " "},
			"MICROTICA_TOKEN is not set, MICROTICA_TOKEN_FILE is empty", login},
		{[]string{"MICROTICA_TOKEN", "\n", "MICROTICA_TOKEN_FILE", ""},
			"MICROTICA_TOKEN is empty, MICROTICA_TOKEN_FILE is empty", forks},
	} {
		s := newShell(t, "").with(test.variables...)
		w := wrong{"auth.missing", "no API key: " + test.why + ", and none is saved in " +
			s.credentials(), test.hint, 0}
		for _, line := range []string{"whoami", "project list", "env list --project a", "api me"} {
			s.wantError(w, strings.Fields(line)...)
		}
		w.message = "no API key: " + test.why + ", and there is no place for a saved key: " +
			homeVariable + " is not set to an absolute path"
		w.hint = homeHint
		s.with(homeVariable, "").wantError(w, "whoami")
	}
}

// TestAHomeIsNeededOnlyForTheStoredKey which login writes and logout removes. One that is not there
// is not made.
func TestAHomeIsNeededOnlyForTheStoredKey(t *testing.T) {
	t.Parallel()
	nowhere := wrong{"file.write", "there is no place for a saved key: " + homeVariable +
		" is not set to an absolute path", homeHint, 0}
	for _, home := range []string{"", "home"} {
		s := newShell(t, fakeapi.New(t).Base()).with(homeVariable, home)
		s.fails(nowhere, offline...)
		s.with("MICROTICA_TOKEN", testKey).fails(nowhere, "logout")
		if got := s.run("whoami"); got.exit != 0 || got.stderr != "" {
			t.Error(got)
		}
	}
	needUnix(t)
	s := newShell(t, "")
	must(t, os.Remove(s.home))
	s.fails(unsaved(s.credentials(), "no such file or directory",
		"set HOME to a directory that you can write to"), offline...)
	s.want(result{"No API key was saved in " + s.credentials() + "\n", "", 0}, "logout")
}

// TestWhatIsInThePlaceOfTheKeyIsNamedAndKept by whoami, login and logout, unless it is blank.
func TestWhatIsInThePlaceOfTheKeyIsNamedAndKept(t *testing.T) {
	t.Parallel()
	tooLong := testKey + strings.Repeat(" ", 1003-len(testKey))
	for _, test := range []struct {
		text      string
		malformed string // what whoami finds wrong with it; "" if it cannot be read
		kept      string // why login and logout keep it; "" if they do not
	}{
		{"\uFEFF \r\n\n", "is empty", ""},
		{tooLong, "is longer than 1000 bytes", notAKey},
		{"a directory", "", irregular},
		{"a loop", "", "too many levels of symbolic links"},
	} {
		s := newShell(t, "").save(test.text)
		path := s.credentials()
		w := wrong{"file.read", "cannot read the saved API key in " + path + ": " + test.kept,
			"set MICROTICA_TOKEN instead", 0}
		switch {
		case test.malformed != "":
			w = wrong{"auth.malformed", "the API key from " + path + " " + test.malformed,
				"move " + path + " away, then run 'microtica login'", 0}
		case test.text == "a directory":
			must(t, os.Remove(path), os.Mkdir(path, 0o700))
		case onWindows:
			continue
		default:
			must(t, os.Remove(path), os.Symlink("credentials", path))
		}
		s.fails(w, "whoami")
		if test.kept == "" {
			s.want(s.saved(), offline...)
			s.wantStored(testKey + "\n")
			s.save(test.text).want(s.removed(), "logout")
			continue
		}
		s.fails(unsaved(path, test.kept, "move "+path+" away"), offline...)
		if test.text != "a loop" { // logout removes a link
			s.fails(unremoved(path, test.kept), "logout")
		}
	}
}

// TestADirectoryThatIsNotTheUsersAloneIsRefused by login, which changes nothing there. (Those
// of other users are in check.)
func TestADirectoryThatIsNotTheUsersAloneIsRefused(t *testing.T) {
	t.Parallel()
	needUnix(t)
	s := newShell(t, "").save(otherKey)
	dir, other := filepath.Dir(s.credentials()), filepath.Join(s.home, "other")
	must(t, os.Rename(dir, other), os.Symlink(other, dir), os.Chmod(other, 0o702))
	s.fails(unsaved(s.credentials(), "others may write to its directory",
		"run 'chmod 700 "+dir+"'"), offline...)
	must(t, os.RemoveAll(other))
	s.fails(unsaved(s.credentials(), "no such file or directory", "move "+dir+" away"), offline...)
	writeFile(t, "mine", other)
	s.fails(unsaved(s.credentials(), "its directory is a file", "move "+dir+" away"), offline...)
}

// TestAStoredKeyThatOthersCanReachIsWarnedOf covers the modes of the file and of its directory. The
// modes of a mounted secret are not ours to judge.
func TestAStoredKeyThatOthersCanReachIsWarnedOf(t *testing.T) {
	t.Parallel()
	needUnix(t)
	api := fakeapi.New(t)
	for _, test := range []struct {
		file, dir    os.FileMode
		open, shared bool // whether others can reach the file, and write to the directory
	}{
		{0o711, 0o755, false, false},
		{0o604, 0o700, true, false},
		{0o640, 0o700, true, false},
		{0o620, 0o700, true, false},
		{0o602, 0o700, true, false},
		{0o600, 0o720, false, true},
		{0o666, 0o702, true, true},
	} {
		s := newShell(t, api.Base()).save(testKey)
		path, dir := s.credentials(), filepath.Dir(s.credentials())
		must(t, os.Chmod(path, test.file), os.Chmod(dir, test.dir))
		want := s.run("whoami", "--json", "--quiet") // which hides warnings
		if test.open {
			want.stderr += notice("warning", "file.mode", fmt.Sprintf("%s can be read or "+
				"written by others (mode %04o): run 'chmod 600 %[1]s'", path, test.file), true)
		}
		if test.shared {
			want.stderr += notice("warning", "file.mode", fmt.Sprintf("%s can be written by "+
				"others (mode %04o): run 'chmod 700 %[1]s'", dir, test.dir), true)
		}
		s.want(want, "whoami", "--json")
		if got := s.with("MICROTICA_TOKEN_FILE", path).run("whoami"); got.stderr != "" {
			t.Error(got)
		}
	}
}

// TestTheKeyIsStoredForItsUserAlone covers the modes of what login makes, and of what it replaces.
// A link is replaced, not written through.
func TestTheKeyIsStoredForItsUserAlone(t *testing.T) {
	t.Parallel()
	needUnix(t)
	s, elsewhere := newShell(t, ""), t.TempDir()
	s.stdin = testKey
	path, dir := s.credentials(), filepath.Dir(s.credentials())
	target, moved := writeFile(t, otherKey, elsewhere, "target"), filepath.Join(elsewhere, "moved")
	for i, prepare := range []func() error{
		func() error { return nil },
		func() error { return os.Chmod(path, 0o666) },
		func() error { return errors.Join(os.Remove(path), os.Symlink(target, path)) },
		func() error { return errors.Join(os.Remove(path), os.Symlink("nothing", path)) },
		func() error { return errors.Join(os.Rename(dir, moved), os.Symlink(moved, dir)) },
	} {
		must(t, prepare())
		s.want(s.saved(), offline...)
		s.wantStored(testKey + "\n")
		file, _ := os.Lstat(path)
		parent, _ := os.Stat(dir)
		if file.Mode() != 0o600 || parent.Mode().Perm() != 0o700 {
			t.Errorf("%d: the modes are %v and %v", i, file.Mode(), parent.Mode())
		}
	}
	if got, _ := os.ReadFile(target); string(got) != otherKey {
		t.Errorf("login wrote through a link: %q", got)
	}
}

// TestTemporaryFilesAreSwept by login those of killed logins, which are older than a minute, by
// logout all, before it reports what it could not remove. (What else may be there is in check.)
func TestTemporaryFilesAreSwept(t *testing.T) {
	t.Parallel()
	s := newShell(t, "").save(otherKey)
	s.stdin = testKey
	dir := filepath.Dir(s.credentials())
	temporary := filepath.Join(dir, ".credentials-ABCDEFGHIJKLMNOPQRSTUVWXY")
	for name, age := range map[string]time.Duration{
		"2": 61 * time.Second,
		"3": 58 * time.Second,
		"4": -time.Hour, // a clock was wrong
	} {
		then := time.Now().Add(-age)
		must(t, os.Chtimes(writeFile(t, testKey, temporary+name), then, then))
	}
	s.want(s.saved(), offline...)
	left, _ := filepath.Glob(filepath.Join(dir, "*"))
	if !slices.Equal(left, []string{temporary + "3", temporary + "4", s.credentials()}) {
		t.Errorf("login leaves %q", left)
	}
	s.want(s.removed(), "logout")
	s.wantStored("")
	writeFile(t, "", temporary+"5")
	s.want(s.removed(), "logout")
	writeFile(t, testKey, temporary+"6")
	want := unremoved(s.save("mine").credentials(), notAKey).fails("", false)
	want.stderr = s.removed().stderr + want.stderr
	s.want(want, "logout")
	s.wantStored("mine")
}

// TestLogoutRemovesALinkAlone and says where it pointed, whatever is there.
func TestLogoutRemovesALinkAlone(t *testing.T) {
	t.Parallel()
	needUnix(t)
	for text, target := range map[string]string{
		testKey: filepath.Join(t.TempDir(), "key"),
		"<p>":   filepath.Join(t.TempDir(), "page"),
		"":      "nothing",
	} {
		s := newShell(t, "").save("")
		if text != "" {
			writeFile(t, text, target)
		}
		must(t, os.Remove(s.credentials()), os.Symlink(target, s.credentials()))
		want := s.removed()
		want.stderr += "warning: only a link was removed, not what it pointed to: " + target + "\n"
		s.want(want, "logout")
		s.wantStored("")
		if got, _ := os.ReadFile(target); string(got) != text {
			t.Errorf("%s holds %q", target, got)
		}
	}
}

// TestOnlyWindowsWaitsForABusyFile covers the error numbers of Windows, which mean something else
// elsewhere.
func TestOnlyWindowsWaitsForABusyFile(t *testing.T) {
	t.Parallel()
	for number, again := range map[syscall.Errno]bool{5: onWindows, 32: onWindows, 2: false} {
		tries := 0
		err := patiently(func() error {
			tries++
			return &os.PathError{Op: "open", Path: "x", Err: number}
		})
		if !errors.Is(err, number) || again != (tries > 1) {
			t.Errorf("error %d: %d tries, %v", number, tries, err)
		}
	}
}
