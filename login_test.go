package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"
)

const copyHint = "copy the whole key, mic_…_…, that Microtica's console shows once, at its creation"

// stillValid is logout's note.
const stillValid = "note: the key itself stays valid until it is revoked in Microtica's console\n"

// offline is a login that makes no request.
var offline = []string{"login", "--no-verify", "--token", testKey}

// saves returns what login prints.
func (s *shell) saves() result {
	return result{"Saved API key mic_d60bea1d to " + s.credentials() + "\n", "", 0}
}

// removes returns what logout prints, with the warnings that follow its note.
func (s *shell) removes(warnings ...string) result {
	return result{"Removed the API key saved in " + s.credentials() + "\n",
		stillValid + strings.Join(warnings, ""), 0}
}

// TestLoginTakesTheKeyFromTheFlagOrStdin covers where the key comes from, what may surround it, and
// how long it may be. (Where the other commands take it from is in creds_test.go.)
func TestLoginTakesTheKeyFromTheFlagOrStdin(t *testing.T) {
	t.Parallel()
	long := testKey + strings.Repeat("x", 4096-len(testKey))
	for _, test := range []struct{ stdin, args, stored string }{
		{testKey + "\n", "login", testKey},
		{"\uFEFF \t\n" + testKey + " \n\n", "login", testKey},
		{"mic_wrong\n", "login --token=" + testKey, testKey},
		{long + "\r\n", "login --no-verify", long},
		{"", "login --no-verify --token " + long, long},
	} {
		s := newShell(t, newFakeAPI(t))
		s.stdin = test.stdin
		s.want(s.saves(), strings.Fields(test.args)...)
		s.wantStored(test.stored + "\n")
	}
}

// wrongKeys are texts that are not keys, by what is wrong with them. The hint is the usual one
// unless it is given.
var wrongKeys = []struct {
	what, hint string
	texts      []string
}{
	{"does not start with mic_", "", []string{
		"secret-canary", strings.Repeat("x", 4096), "can%ary=x", "cänary=x", "=canary",
		"https://canary", ": canary", "can%ary: x", ".canary", "\x80\x81m\x00i\x00c\x00", "\xff"}},
	{"starts with MIC_ instead of mic_, in small letters", "", []string{
		"MIC_d60bea1d_canary", "Mic_d60bea1d_canary"}},
	{"starts with a quotation mark", "remove the quotation marks around the key", []string{
		`"mic_d60bea1d_canary"`, "'canary'", "`canary`", "“canary”", "‘canary’", "„canary“",
		"«canary»", "»canary«", "”canary”", "’canary’"}},
	{"starts with the name of a variable", "give only the value, from mic_ on", []string{
		"export canary", "MICROTICA_TOKEN=mic_d60bea1d_canary", "token=", "--token=canary"}},
	{"starts with Bearer or the name of a header", "give only the key, from mic_ on", []string{
		"Bearer mic_d60bea1d_canary", "bearer canary", "X-Microtica-Api-Key: canary",
		"x-api-key:mic_d60bea1d_canary"}},
	{"starts with $: nothing replaced a variable", "name the variable as this shell or CI does; " +
		"single quotes keep it from being replaced", []string{"$MICROTICA_TOKEN"}},
	{"looks like the path of a file", "run 'microtica login < FILE', " +
		"or set MICROTICA_TOKEN_FILE to the path", []string{
		"/run/secrets/canary", "./canary", "../canary", "~/canary", "@canary"}},
	{"is the documentation's placeholder", "create a key in Microtica's console", []string{
		"mic_…", "mic_...", "mic_<prefix>_<secret>"}},
	{"is UTF-16 text", "save it as ASCII: 'Set-Content -Encoding ascii' in PowerShell", []string{
		"\xff\xfem\x00i\x00c\x00", "m\x00i\x00c\x00", "\xfe\xff\x00m\x00i\x00c",
		"\x00m\x00i\x00c"}},
	{"is only the prefix that the console lists, not the whole key", "", []string{
		"mic_", "mic_d60bea1d", "mic_d60bea1d_"}},
	{"has nothing between mic_ and the next _", "", []string{"mic__canary"}},
	{"has something other than letters and digits between mic_ and the next _", "", []string{
		"mic_d60-bea_canary", "mic_d60-bea"}},
	{"has a space at position 17", "", []string{"mic_d60bea1d_can ary"}},
	{"has a line break at position 17", "", []string{
		"mic_d60bea1d_can\nary", "mic_d60bea1d_can\rary"}},
	{"has a line break at position 8", "", []string{"mic_d60\nbea1d_canary"}},
	{"has a control character at position 17", "", []string{
		"mic_d60bea1d_can\tary", "mic_d60bea1d_can\x7fary"}},
	{"has a non-ASCII character at position 5", "", []string{"mic_é60bea1d_ä"}},
	{"has a non-ASCII character at position 14", "", []string{
		"mic_d60bea1d_\xff", "mic_d60bea1d_\u0080"}},
}

// TestEachWrongKeyIsNamedByItsKind gives each to login, in both ways. None is shown, none is sent,
// none changes the stored key.
func TestEachWrongKeyIsNamedByItsKind(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	for _, test := range wrongKeys {
		for _, text := range test.texts {
			s := newShell(t, api).save(otherKey + "\n")
			s.stdin = text
			malformed := wrong{"auth.malformed", "the API key from SOURCE " + test.what,
				cmp.Or(test.hint, copyHint), 0}
			s.wantError(malformed.from("stdin"), "login")
			if text[0] != '-' { // as if the value were missing
				s.wantError(malformed.from("--token"), "login", "--token="+text)
			}
			s.wantStored(otherKey + "\n")
		}
	}
	if seen := api.seen(); seen != "" {
		t.Errorf("requests were made: %s", seen)
	}
}

// TestNoKeyAtAllIsAUsageError covers a flag and a stdin that are empty, as where the variable that
// should hold the key is not set.
func TestNoKeyAtAllIsAUsageError(t *testing.T) {
	t.Parallel()
	const hint = "is the variable that holds the key set? " +
		"'microtica login < FILE' reads it from a file"
	for _, text := range []string{"", "\n", " \t\r\n\uFEFF\n"} {
		s := newShell(t, newFakeAPI(t)).save(otherKey)
		s.stdin = text
		s.wantError(wrong{"usage", "no API key: stdin is empty", hint, 0}, "login")
		s.stdin = testKey // --token is given all the same
		flag := wrong{"usage", "no API key: --token is empty", hint, 0}
		s.wantError(flag, "login", "--token="+text)
		s.wantStored(otherKey)
	}
}

// TestLoginReportsABadSource covers a key that is too long, a stdin that never ends, and one that
// breaks.
func TestLoginReportsABadSource(t *testing.T) {
	t.Parallel()
	s := newShell(t, nil)
	const tooLong = "the API key from SOURCE is longer than 4096 bytes"
	long := wrong{"auth.malformed", tooLong, copyHint, 0}
	s.wantError(long.from("--token"), "login", "--token", "mic_a_"+strings.Repeat("x", 4091))
	long.hint = "pass only the key on stdin"
	s.input = rand.Reader
	s.wantError(long.from("stdin"), "login", "--no-verify")
	s.input = iotest.ErrReader(errors.New("input/output error"))
	s.wantError(wrong{"file.read", "cannot read the API key from stdin: input/output error", "", 0},
		"login", "--no-verify")
	s.wantStored("")
}

// TestTypedLine reads what terminals of any system may deliver.
func TestTypedLine(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 4096)
	for _, test := range []struct {
		typed, want string
		err         error
	}{
		{"key\r", "key", nil},
		{"\r\n\r\n \t\nkey\nmore", "key", nil},
		{"key", "key", nil},
		{"\n\n", "", nil},
		{long + "\n", long, nil},
		{long + "x\n", "", errTooLarge},
	} {
		got, err := readTypedLine(strings.NewReader(test.typed))
		if got != test.want || err != test.err {
			t.Errorf("%.40q is read as %.40q, %v", test.typed, got, err)
		}
	}
	failing := io.MultiReader(strings.NewReader("ke"), iotest.ErrReader(io.ErrNoProgress))
	if got, err := readTypedLine(failing); got != "" || err != io.ErrNoProgress {
		t.Errorf("a read that fails gives %q, %v", got, err)
	}
}

// TestLoginPrintsJSON covers the result for scripts, verified and not.
func TestLoginPrintsJSON(t *testing.T) {
	t.Parallel()
	s := newShell(t, newFakeAPI(t))
	s.stdin = testKey
	report := `{"apiKeyPrefix":"mic_d60bea1d","credentialsFile":"` + inJSON(s.credentials()) +
		`","verified":`
	s.want(result{report + "true}\n", "", 0}, "login", "--json")
	s.want(result{report + "false}\n", "", 0}, "login", "--json", "--no-verify", "--quiet")
	s.want(result{"", "", 0}, "login", "--quiet")
}

// TestResultsComeBeforeTheirNotes checks the order of what login and logout print, which shows only
// if stdout and stderr are one, and that an empty variable overrides nothing.
func TestResultsComeBeforeTheirNotes(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	api.answer("/projects", reply(500, `{"message":"down"}`))
	warning := "warning: " + unchecked("the API failed (HTTP 500): down") + "\n"
	for _, test := range []struct{ token, file, variable string }{
		{otherKey, "/nowhere", "MICROTICA_TOKEN"},
		{"", "/nowhere", "MICROTICA_TOKEN_FILE"},
		{"\n", " ", ""},
	} {
		s := newShell(t, api).with("MICROTICA_TOKEN", test.token, "MICROTICA_TOKEN_FILE", test.file)
		s.stdin = testKey
		overrides, supplies := "", ""
		if test.variable != "" {
			overrides = "warning: " + test.variable + " is set and overrides the key just saved\n"
			supplies = "warning: " + test.variable + " is set and still supplies a key\n"
		}
		for _, step := range []struct{ command, want string }{
			{"login", s.saves().stdout + warning + overrides},
			{"logout", s.removes().stdout + stillValid + supplies},
			{"logout", "No API key was saved in " + s.credentials() + "\n" + supplies},
		} {
			var both bytes.Buffer
			a := s.app()
			a.stdout, a.stderr = &both, &both
			code := a.run(context.Background(), []string{step.command})
			if both.String() != step.want || code != 0 {
				t.Errorf("%s: exit %d\n got %s\nwant %s", step.command, code, &both, step.want)
			}
		}
	}
}

// TestNotesFollowAResultThatCannotBeWritten covers the warnings of login and logout.
func TestNotesFollowAResultThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	s := newShell(t, nil).with("MICROTICA_TOKEN", otherKey)
	s.stdin = testKey
	reader, writer := io.Pipe()
	reader.CloseWithError(io.ErrShortWrite)
	s.output = writer
	const failed = "error: cannot write to stdout: short write\n"
	s.want(result{"", "warning: MICROTICA_TOKEN is set and overrides the key just saved\n" +
		failed, 1}, "login", "--no-verify")
	s.wantStored(testKey + "\n")
	s.want(result{"", stillValid + "warning: MICROTICA_TOKEN is set and still supplies a key\n" +
		failed, 1}, "logout")
	s.wantStored("")
}

// TestLoginLooksAtTheURLBeforeStdin checks that nobody is asked for a key that cannot be used.
func TestLoginLooksAtTheURLBeforeStdin(t *testing.T) {
	t.Parallel()
	s := newShell(t, nil).with("MICROTICA_API_URL", "http://api.example")
	s.input = iotest.ErrReader(errors.New("stdin was read"))
	if got := s.run("login"); got.code != 2 {
		t.Error(got)
	}
	s.input, s.stdin = nil, testKey
	s.want(s.saves(), "login", "--no-verify")
}

// TestLogoutRemovesTheKeyAndWhatLoginsLeft covers logout with and without something to remove,
// whatever its age, and that nothing else goes.
func TestLogoutRemovesTheKeyAndWhatLoginsLeft(t *testing.T) {
	t.Parallel()
	s := newShell(t, nil)
	dir := filepath.Dir(s.credentials())
	nothing := result{"No API key was saved in " + s.credentials() + "\n", "", 0}
	s.want(nothing, "logout")
	must(t, os.Mkdir(dir, 0o700))
	others := map[string]time.Duration{
		"notes": 0, "old": time.Hour, "credentials.old": time.Hour, ".credentials": time.Hour,
	}
	plant(t, dir, s.now, others)
	for _, files := range []map[string]time.Duration{
		{"credentials": 0},
		{"credentials": time.Hour, temporary + "A": 0, temporary + "B": time.Hour},
		{temporary + "A": -time.Hour},
	} {
		plant(t, dir, s.now, files)
		s.want(s.removes(), "logout")
		wantNames(t, dir, ".credentials credentials.old notes old")
		s.want(nothing, "logout")
	}
	s.save("").want(result{"", "", 0}, "logout", "--quiet")
	file := `{"credentialsFile":"` + inJSON(s.credentials()) + `","removed":`
	note := `{"note":{"code":"key.valid","message":"the key itself stays valid until it is ` +
		`revoked in Microtica's console"}}` + "\n"
	s.save(testKey).want(result{file + "true}\n", note, 0}, "logout", "--json")
	s.want(result{file + "false}\n", "", 0}, "logout", "--json")
}

// stuck makes what looks like a login's temporary file and cannot be removed, because it is a
// directory that is not empty. It returns its path, and that with the reason.
func stuck(t *testing.T, dir, name string) (path, message string) {
	t.Helper()
	path = filepath.Join(dir, temporary+name)
	must(t, os.MkdirAll(filepath.Join(path, "x"), 0o700))
	return path, path + ": " + withoutPath(os.Remove(path)).Error()
}

// TestLogoutRemovesAllThatItCanAndNamesTheRest covers what stays: the command fails, but not before
// everything else is gone.
func TestLogoutRemovesAllThatItCanAndNamesTheRest(t *testing.T) {
	t.Parallel()
	s := newShell(t, nil).save(testKey)
	dir := filepath.Dir(s.credentials())
	_, first := stuck(t, dir, "a")
	_, second := stuck(t, dir, "c")
	plant(t, dir, s.now, map[string]time.Duration{temporary + "b": 0, temporary + "d": 0})
	s.wantError(wrong{"file.write", "cannot remove " + first + "; " + second,
		"remove it by hand", 0}, "logout")
	wantNames(t, dir, temporary+"a "+temporary+"c")

	s.save("mine")
	plant(t, dir, s.now, map[string]time.Duration{temporary + "b": 0})
	s.wantError(wrong{"file.write", "cannot remove " + s.credentials() +
		": " + notAKey + "; " + first + "; " + second,
		"move " + s.credentials() + " away and try again", 0}, "logout")
	wantNames(t, dir, temporary+"a "+temporary+"c credentials")
}

// TestLogoutRemovesALinkAndNamesItsTarget covers a stored key that is a link: what it leads to is
// not ours to remove, but still holds the key. That is said even where logout fails.
func TestLogoutRemovesALinkAndNamesItsTarget(t *testing.T) {
	t.Parallel()
	if onWindows {
		t.Skip("making a link takes a privilege there")
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	plant(t, dir, time.Now(), map[string]time.Duration{"target": 0, "mic_a_b": 0})
	target := filepath.Join(dir, "target")
	writeFile(t, filepath.Join(dir, "empty"), "\n")
	must(t, err, os.Symlink("target", filepath.Join(dir, "between")))
	for to, still := range map[string]string{
		"target": target, "between": target, "mic_a_b": "the link's target",
		"nothing": "", "empty": "", ".": "", // the last one is a directory
	} {
		s := newShell(t, nil)
		rest, message := stuck(t, filepath.Dir(s.credentials()), "rest")
		link := func() error { return os.Symlink(filepath.Join(dir, to), s.credentials()) }
		must(t, link())
		warning := ""
		if still != "" {
			warning = "warning: only the link was removed: the key is still in " + still + "\n"
		}
		failed := wrong{"file.write", "cannot remove " + message, "remove it by hand", 0}
		s.want(result{"", warning + failed.fails("", false).stderr, 1}, "logout")
		must(t, os.RemoveAll(rest), link())
		s.want(s.removes(warning), "logout")
		wantNames(t, filepath.Dir(s.credentials()), "")
		wantNames(t, dir, "between empty mic_a_b target")
	}
}

// TestLogoutsAtTheSameTimeDoNotDisturbEachOther removes what another is about to remove.
func TestLogoutsAtTheSameTimeDoNotDisturbEachOther(t *testing.T) {
	t.Parallel()
	s := newShell(t, nil).save(testKey)
	dir := filepath.Dir(s.credentials())
	ages := map[string]time.Duration{}
	for i := range 1000 {
		ages[fmt.Sprint(temporary, i)] = 0
	}
	plant(t, dir, s.now, ages)
	var all sync.WaitGroup
	for range 4 {
		other := *s
		all.Add(1)
		go func() {
			defer all.Done()
			other.want(result{}, "logout", "--quiet")
		}()
	}
	all.Wait()
	wantNames(t, dir, "")
}
