package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"microtica/internal/fakeapi"
)

// offline is a login that makes no request.
var offline = []string{"login", "--no-verify"}

const (
	homeHint   = "set MICROTICA_TOKEN to the key"
	loginHint  = "run 'microtica login', or set MICROTICA_TOKEN"
	removeHint = "remove it by hand"
	notAKey    = "it holds something other than an API key"
	irregular  = "it is not a regular file"
)

// unread is the error of a command that cannot read the stored key at path.
func unread(path, why string) wrong {
	return wrong{"file.read", "cannot read the saved API key in " + path + ": " + why,
		"set MICROTICA_TOKEN instead", 0}
}

// unsaved is the error of a login that cannot save the key at path.
func unsaved(path, why, hint string) wrong {
	return wrong{"file.write", "cannot save the API key in " + path + ": " + why, hint, 0}
}

// unremoved is the error of a logout that cannot remove the file at path.
func unremoved(path, why string) wrong {
	return wrong{"file.write", "cannot remove " + path + ": " + why, removeHint, 0}
}

// removed returns what logout prints.
func (s *shell) removed() result {
	return result{"Removed the API key saved in " + s.credentials() + "\n",
		"note: the key itself stays valid until it is revoked in Microtica's console\n", 0}
}

// fails expects a command to fail with w, and to change neither the stored key nor its directory.
func (s *shell) fails(w wrong, args ...string) {
	s.t.Helper()
	look := func() (found []string) {
		for _, path := range []string{filepath.Dir(s.credentials()), s.credentials()} {
			if info, err := os.Lstat(path); err == nil {
				found = append(found, fmt.Sprint(info.Mode(), info.Size(), info.ModTime()))
			}
		}
		return found
	}
	before := look()
	s.stdin = testKey
	s.wantError(w, args...)
	if after := look(); !slices.Equal(before, after) {
		s.t.Errorf("microtica %q failed and changed\n     %q\nto   %q", args, before, after)
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

// wantNames checks the names in a directory, sorted and with spaces between them.
func wantNames(t testing.TB, dir, want string) {
	t.Helper()
	entries, _ := os.ReadDir(dir)
	got := ""
	for _, entry := range entries {
		got += entry.Name() + " "
	}
	if got != want+" " {
		t.Errorf("%s holds\n  %s\nwant\n  %s", dir, got, want)
	}
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
	const forks = "give MICROTICA_TOKEN a value: in CI, jobs from forks get no secrets"
	for _, test := range []struct {
		variables []string
		why, hint string
	}{
		{nil, "MICROTICA_TOKEN is not set, MICROTICA_TOKEN_FILE is not set", loginHint},
		{[]string{"MICROTICA_TOKEN", ""},
			"MICROTICA_TOKEN is empty, MICROTICA_TOKEN_FILE is not set", forks},
		{[]string{"MICROTICA_TOKEN_FILE", " "},
			"MICROTICA_TOKEN is not set, MICROTICA_TOKEN_FILE is empty", loginHint},
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

// TestAHomeIsNeededOnlyForTheStoredKey which login writes and logout removes.
func TestAHomeIsNeededOnlyForTheStoredKey(t *testing.T) {
	t.Parallel()
	for _, home := range []string{"", "home"} {
		s := newShell(t, fakeapi.New(t).Base()).with(homeVariable, home)
		nowhere := wrong{"file.write", "there is no place for a saved key: " + homeVariable +
			" is not set to an absolute path", homeHint, 0}
		s.fails(nowhere, offline...)
		s.with("MICROTICA_TOKEN", testKey).fails(nowhere, "logout")
		if got := s.run("whoami"); got.exit != 0 || got.stderr != "" {
			t.Error(got)
		}
	}
}

// TestAHomeThatIsNotThereIsNotMade by login, and logout finds nothing in it.
func TestAHomeThatIsNotThereIsNotMade(t *testing.T) {
	t.Parallel()
	needUnix(t)
	s := newShell(t, "")
	must(t, os.Remove(s.home))
	s.fails(unsaved(s.credentials(), "no such file or directory",
		"set HOME to a directory that you can write to"), offline...)
	s.want(result{"No API key was saved in " + s.credentials() + "\n", "", 0}, "logout")
}

// foreign is what may be in the place of the stored key.
type foreign struct {
	make      func(path string) error
	malformed string // what whoami finds wrong with its text; "" if it cannot be read
	kept      string // why login and logout keep it; "" if they do not
}

func holding(text string) func(path string) error {
	return func(path string) error { return os.WriteFile(path, []byte(text), 0o600) }
}

// TestWhatIsInThePlaceOfTheKeyIsNamedAndKept by whoami, login and logout.
func TestWhatIsInThePlaceOfTheKeyIsNamedAndKept(t *testing.T) {
	t.Parallel()
	tooLong := testKey + strings.Repeat(" ", 1003-len(testKey))
	const badCharacter = "has a space, line break, control or non-ASCII character at position 33"
	for _, f := range []foreign{
		{holding(""), "is empty", ""},
		{holding("\uFEFF \r\n\n"), "is empty", ""},
		{holding("<html>canary"), "does not start with mic_", notAKey},
		{holding(testKey + "\nx"), badCharacter, notAKey},
		{holding(tooLong), "is longer than 1000 bytes", notAKey},
		{func(path string) error { return os.Mkdir(path, 0o700) }, "", irregular},
	} {
		f.meet(t)
	}
}

// meet runs the commands that use the stored key.
func (f foreign) meet(t *testing.T) {
	t.Helper()
	s := newShell(t, "")
	path := s.credentials()
	must(t, os.Mkdir(filepath.Dir(path), 0o700), f.make(path))
	w := unread(path, f.kept)
	if f.malformed != "" {
		w = wrong{"auth.malformed", "the API key from " + path + " " + f.malformed,
			"move " + path + " away, then run 'microtica login'", 0}
	}
	s.fails(w, "whoami")
	if f.kept == "" {
		s.want(s.saved(), offline...)
		s.wantStored(testKey + "\n")
		must(t, f.make(path))
		s.want(s.removed(), "logout")
		return
	}
	s.fails(unsaved(path, f.kept, "move "+path+" away"), offline...)
	if _, err := os.Readlink(path); err != nil { // a link is removed
		s.fails(unremoved(path, f.kept), "logout")
	}
}

// TestADirectoryThatIsNotTheUsersAloneIsRefused by login, which changes nothing there.
func TestADirectoryThatIsNotTheUsersAloneIsRefused(t *testing.T) {
	t.Parallel()
	needUnix(t)
	const shared = "others may write to its directory"
	asOwner := "move DIR away"
	if os.Geteuid() == 0 {
		asOwner = "run 'microtica login' as that user"
	}
	for _, test := range []struct {
		why, hint string
		prepare   func(dir string) error
	}{
		{"its directory is a file", "move DIR away", func(dir string) error {
			return errors.Join(os.RemoveAll(dir), os.WriteFile(dir, []byte("mine"), 0o600))
		}},
		{"no such file or directory", "move DIR away", func(dir string) error {
			return errors.Join(os.RemoveAll(dir), os.Symlink("nothing", dir))
		}},
		{shared, "run 'chmod 700 DIR'", func(dir string) error { return os.Chmod(dir, 0o720) }},
		{shared, "run 'chmod 700 DIR'", func(dir string) error {
			return errors.Join(os.Rename(dir, dir+"2"), os.Symlink(dir+"2", dir),
				os.Chmod(dir+"2", 0o702))
		}},
		{"its directory belongs to another user", asOwner, func(dir string) error {
			if os.Geteuid() == 0 {
				return os.Chown(dir, 65532, -1)
			}
			return errors.Join(os.RemoveAll(dir), os.Symlink("/", dir)) // which is root's
		}},
	} {
		s := newShell(t, "").save(otherKey)
		dir := filepath.Dir(s.credentials())
		must(t, test.prepare(dir))
		s.fails(unsaved(s.credentials(), test.why, strings.ReplaceAll(test.hint, "DIR", dir)),
			offline...)
	}
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

// temporary is a temporary file's name but for the last character.
const temporary = ".credentials-ABCDEFGHIJKLMNOPQRSTUVWXY"

// TestOnlyTemporaryFilesAreSwept by login those of killed logins, which are older than a minute, by
// logout all. What has another name, or is no regular file, stays.
func TestOnlyTemporaryFilesAreSwept(t *testing.T) {
	t.Parallel()
	s := newShell(t, "").save(otherKey)
	s.stdin = testKey
	dir, now := filepath.Dir(s.credentials()), time.Now()
	for name, age := range map[string]time.Duration{
		temporary + "2":         61 * time.Second,
		temporary + "3":         58 * time.Second,
		temporary + "4":         -time.Hour, // a clock was wrong
		temporary:               time.Hour,
		temporary + "AB":        time.Hour,
		temporary + "a":         time.Hour,
		temporary + "1":         time.Hour,
		"x" + temporary + "2":   time.Hour,
		".credentials-mine.txt": time.Hour,
		"notes":                 time.Hour,
	} {
		must(t, os.Chtimes(writeFile(t, testKey, dir, name), now, now.Add(-age)))
	}
	folder := filepath.Join(dir, temporary+"5")
	must(t, os.Mkdir(folder, 0o700), os.Chtimes(folder, now, now.Add(-time.Hour)))
	names := func(swept, key string) string {
		return strings.ReplaceAll("T T1 "+swept+"T5 TAB Ta .credentials-mine.txt "+key+"notes xT2",
			"T", temporary)
	}
	s.want(s.saved(), offline...)
	wantNames(t, dir, names("T3 T4 ", "credentials "))
	s.want(s.removed(), "logout")
	wantNames(t, dir, names("", ""))
	writeFile(t, "", dir, temporary+"6")
	s.want(s.removed(), "logout")
}

// TestLogoutRemovesAllItCan before it reports what it could not.
func TestLogoutRemovesAllItCan(t *testing.T) {
	t.Parallel()
	s := newShell(t, "").save("mine")
	dir := filepath.Dir(s.credentials())
	writeFile(t, testKey, dir, temporary+"2")
	want := unremoved(s.credentials(), notAKey).fails("", false)
	want.stderr = s.removed().stderr + want.stderr
	s.want(want, "logout")
	wantNames(t, dir, "credentials")
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

// TestLoginGetsThroughBesideALogout which removes the first of login's temporary files while it is
// in use, or all of them; after that login may give up and say so.
func TestLoginGetsThroughBesideALogout(t *testing.T) {
	t.Parallel()
	needUnix(t)
	s := newShell(t, "").save(otherKey)
	s.stdin = testKey
	failed := unsaved(s.credentials(), "no such file or directory",
		"run 'microtica login' again once no logout is running").fails("", false)
	pattern, seen := filepath.Join(filepath.Dir(s.credentials()), temporaryName), 0
	for i := range 40 {
		all, stop, stopped := i%2 == 1, atomic.Bool{}, make(chan bool)
		go func() {
			for removed := false; !stop.Load() && (all || !removed); {
				paths, _ := filepath.Glob(pattern)
				for _, path := range paths {
					removed = os.Remove(path) == nil || removed
				}
				seen += len(paths)
			}
			close(stopped)
		}()
		got := s.run(offline...)
		stop.Store(true)
		<-stopped
		if got != s.saved() && (!all || got != failed) {
			t.Fatalf("removing all: %t: %s", all, got)
		}
	}
	s.want(s.saved(), offline...)
	s.wantStored(testKey + "\n")
	if seen == 0 {
		t.Error("no temporary file was seen")
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
