package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"
)

const copyHint = "copy the whole key, mic_…_…, that Microtica's console shows once, at its creation"

// stillValid is what logout notes.
const stillValid = "note: the key itself stays valid until it is revoked in Microtica's console\n"

// offline is a login that asks nobody.
var offline = []string{"login", "--no-verify", "--token", testKey}

// saves is what login prints.
func (s *shell) saves() result {
	return result{"Saved API key mic_d60bea1d to " + s.credentials() + "\n", "", 0}
}

// removes is what logout prints, with the warnings that follow its note.
func (s *shell) removes(warnings ...string) result {
	return result{"Removed the API key saved in " + s.credentials() + "\n",
		stillValid + strings.Join(warnings, ""), 0}
}

// TestLoginTakesTheKeyFromTheFlagOrStdin covers where the key comes from, what may surround it, and
// how long it may be.
func TestLoginTakesTheKeyFromTheFlagOrStdin(t *testing.T) {
	t.Parallel()
	long := testKey + strings.Repeat("x", 4096-len(testKey))
	for _, test := range []struct{ name, stdin, args, stored string }{
		{"a line on stdin", testKey + "\n", "login", testKey},
		{"stdin without a line end", testKey, "login", testKey},
		{"a Windows line end", testKey + "\r\n", "login", testKey},
		{"white space and a BOM", "\uFEFF \t\n" + testKey + " \n\n", "login", testKey},
		{"the flag", "", "login --token " + testKey, testKey},
		{"the flag beats stdin", "mic_wrong\n", "login --token=" + testKey, testKey},
		{"the longest key", long + "\r\n", "login --no-verify", long},
		{"the longest flag", "", "login --no-verify --token " + long, long},
	} {
		s := newShell(t, newFakeAPI(t))
		s.stdin = test.stdin
		s.want(s.saves(), strings.Fields(test.args)...)
		s.wantStored(test.stored + "\n")
	}
	for _, source := range []string{"", "MICROTICA_TOKEN", "MICROTICA_TOKEN_FILE"} {
		s := newShell(t, newFakeAPI(t)).save(long + "\n")
		s.with(source, long)
		if source == "MICROTICA_TOKEN_FILE" {
			s.with(source, s.credentials())
		}
		got := s.run("whoami", "--json")
		if !strings.Contains(got.stderr, `"code":"auth.rejected"`) { // it came as far as the API
			t.Errorf("the longest key from %q: %s", source, got)
		}
	}
}

// wrongKeys are texts that are not keys, by the way in which they are wrong, with the message and,
// unless it is the usual one, the hint.
var wrongKeys = []struct{ text, what, hint string }{
	{"secret-canary", "does not start with mic_", ""},
	{strings.Repeat("x", 4096), "does not start with mic_", ""},
	{"MIC_d60bea1d_canary", "starts with MIC_ instead of mic_, in small letters", ""},
	{"Mic_d60bea1d_canary", "starts with MIC_ instead of mic_, in small letters", ""},

	{`"mic_d60bea1d_canary"`, "starts with a quotation mark", quoteHint},
	{"'mic_d60bea1d_canary'", "starts with a quotation mark", quoteHint},
	{"`mic_d60bea1d_canary`", "starts with a quotation mark", quoteHint},
	{"“mic_d60bea1d_canary”", "starts with a quotation mark", quoteHint},
	{"„canary“", "starts with a quotation mark", quoteHint},
	{"export canary", "starts with the name of a variable", nameHint},
	{"MICROTICA_TOKEN=mic_d60bea1d_canary", "starts with the name of a variable", nameHint},
	{"token=", "starts with the name of a variable", nameHint},
	{"--token=mic_d60bea1d_canary", "starts with the name of a variable", nameHint},
	{"can%ary=x", "does not start with mic_", ""},
	{"cänary=x", "does not start with mic_", ""},
	{"=canary", "does not start with mic_", ""},
	{"Bearer mic_d60bea1d_canary", "starts with Bearer or the name of a header", headerHint},
	{"bearer canary", "starts with Bearer or the name of a header", headerHint},
	{"X-Microtica-Api-Key: canary", "starts with Bearer or the name of a header", headerHint},
	{"x-api-key:mic_d60bea1d_canary", "starts with Bearer or the name of a header", headerHint},
	{"https://canary", "does not start with mic_", ""},
	{": canary", "does not start with mic_", ""},
	{"$MICROTICA_TOKEN", "starts with $: nothing replaced a variable", variableHint},
	{"/run/secrets/canary", "looks like the path of a file", pathHint},
	{"./canary", "looks like the path of a file", pathHint},
	{"../canary", "looks like the path of a file", pathHint},
	{"~/canary", "looks like the path of a file", pathHint},
	{"@canary", "looks like the path of a file", pathHint},
	{".canary", "does not start with mic_", ""},
	{"mic_…", "is the documentation's placeholder", placeholderHint},
	{"mic_...", "is the documentation's placeholder", placeholderHint},
	{"mic_<prefix>_<secret>", "is the documentation's placeholder", placeholderHint},

	{"\xff\xfem\x00i\x00c\x00", "is UTF-16 text", utf16Hint},
	{"m\x00i\x00c\x00", "is UTF-16 text", utf16Hint},
	{"\xfe\xff\x00m\x00i\x00c", "is UTF-16 text", utf16Hint},
	{"\x00m\x00i\x00c", "is UTF-16 text", utf16Hint},
	{"\x80\x81m\x00i\x00c\x00", "does not start with mic_", ""},
	{"\xff", "does not start with mic_", ""},

	{"mic_", "is only the prefix that the console lists, not the whole key", ""},
	{"mic_d60bea1d", "is only the prefix that the console lists, not the whole key", ""},
	{"mic_d60bea1d_", "is only the prefix that the console lists, not the whole key", ""},
	{"mic__canary", "has nothing between mic_ and the next _", ""},
	{"mic_d60-bea_canary", betweenWrong, ""},
	{"mic_d60-bea", betweenWrong, ""},
	{"mic_d60bea1d_can ary", "has a space at position 17", ""},
	{testKey + "\n" + testKey, "has a line break at position 33", ""},
	{"mic_d60bea1d_can\rary", "has a line break at position 17", ""},
	{"mic_d60\nbea1d_canary", "has a line break at position 8", ""},
	{"mic_d60bea1d_can\tary", "has a control character at position 17", ""},
	{"mic_d60bea1d_can\x7fary", "has a control character at position 17", ""},
	{"mic_d60bea1d_cänary", "has a non-ASCII character at position 15", ""},
	{"mic_é60bea1d_ä", "has a non-ASCII character at position 5", ""},
	{"mic_d60bea1d_\xff", "has a non-ASCII character at position 14", ""},
	{"mic_a_" + strings.Repeat("x", 4091), "is longer than 4096 bytes", ""},
}

const (
	quoteHint       = "remove the quotation marks around the key"
	nameHint        = "give only the value, from mic_ on"
	headerHint      = "give only the key, from mic_ on"
	placeholderHint = "create a key in Microtica's console"
	utf16Hint       = "save it as ASCII: 'Set-Content -Encoding ascii' in PowerShell"
	betweenWrong    = "has something other than letters and digits between mic_ and the next _"
	pathHint        = "run 'microtica login < FILE', or set MICROTICA_TOKEN_FILE to the path"
	variableHint    = "name the variable as this shell or CI does; " +
		"single quotes keep it from being replaced"
)

// TestEachWrongKeyIsNamedByItsKind gives each to login, in both ways, and to whoami. None is shown,
// none is sent, none changes the stored key.
func TestEachWrongKeyIsNamedByItsKind(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	for _, test := range wrongKeys {
		hint := test.hint
		if hint == "" {
			hint = copyHint
		}
		for _, source := range []string{"stdin", "--token", "MICROTICA_TOKEN"} {
			s := newShell(t, api).save(otherKey + "\n")
			args := []string{"login"}
			switch source {
			case "stdin":
				s.stdin = test.text
			case "--token":
				args = append(args, "--token="+test.text)
				if strings.HasPrefix(test.text, "-") {
					continue // a missing value
				}
			default:
				s.with(source, test.text)
				args = []string{"whoami"}
			}
			message := "the API key from " + source + " " + test.what
			expected := wrong{"auth.malformed", message, hint, 0}
			if source == "stdin" && strings.Contains(test.what, "longer") {
				expected.hint = "pass only the key on stdin"
			}
			got := s.run(append(args, "--json")...)
			if want := expected.fails("", true); got != want {
				t.Errorf("%q from %s\n got %s\nwant %s", test.text, source, got, want)
			}
			if strings.Contains(got.stderr, "anary") {
				t.Errorf("%q from %s is shown: %s", test.text, source, got)
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

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestLoginReportsABadStdin covers one that never ends, and one that breaks.
func TestLoginReportsABadStdin(t *testing.T) {
	t.Parallel()
	s := newShell(t, nil)
	s.input = readerFunc(func(p []byte) (int, error) { return copy(p, "mic_a_xxxxxxxxxx"), nil })
	s.wantError(wrong{"auth.malformed", "the API key from stdin is longer than 4096 bytes",
		"pass only the key on stdin", 0}, "login", "--no-verify")
	s.input = iotest.ErrReader(errors.New("input/output error"))
	s.wantError(wrong{"file.read", "cannot read the API key from stdin: input/output error", "", 0},
		"login", "--no-verify")
	s.wantStored("")
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

// TestResultsComeBeforeWhatIsNotedOfThem holds the order in which login and logout speak, which
// shows only where stdout and stderr are one, and that an empty variable overrides nothing.
func TestResultsComeBeforeWhatIsNotedOfThem(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	api.answer("/projects", reply(500, `{"message":"down"}`))
	const unchecked = "warning: the key was not checked: the API failed (HTTP 500): down; " +
		"run 'microtica whoami' later\n"
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
			{"login", s.saves().stdout + unchecked + overrides},
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

// TestALimitedKeyIsSavedWithANote covers a key that has no project-wide read access.
func TestALimitedKeyIsSavedWithANote(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	api.answer("/projects", reply(403, `{}`))
	s := newShell(t, api)
	want := s.saves()
	want.stderr = "note: key mic_d60bea1d has no project-wide read access\n"
	s.want(want, "login", "--token", testKey)
}

// TestWhatLoginNotesIsSaidThoughItsResultCannotBeWritten keeps a warning from being lost.
func TestWhatLoginNotesIsSaidThoughItsResultCannotBeWritten(t *testing.T) {
	t.Parallel()
	s := newShell(t, nil).with("MICROTICA_TOKEN", otherKey)
	s.stdin = testKey
	s.output = writerFunc(func([]byte) (int, error) { return 0, io.ErrShortWrite })
	const failed = "error: cannot write to stdout: short write\n"
	s.want(result{"", "warning: MICROTICA_TOKEN is set and overrides the key just saved\n" +
		failed, 1}, "login", "--no-verify")
	s.wantStored(testKey + "\n")
	s.want(result{"", stillValid + "warning: MICROTICA_TOKEN is set and still supplies a key\n" +
		failed, 1}, "logout")
	s.wantStored("")
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// TestLoginLooksAtTheURLBeforeStdin holds the order: nobody is asked for a key that cannot be used.
func TestLoginLooksAtTheURLBeforeStdin(t *testing.T) {
	t.Parallel()
	s := newShell(t, nil).with("MICROTICA_API_URL", "http://api.example")
	s.input = readerFunc(func([]byte) (int, error) {
		t.Error("stdin was read")
		return 0, io.EOF
	})
	if got := s.run("login", "--json"); got.code != 2 || got.stdout != "" ||
		!strings.Contains(got.stderr, `"code":"usage.url"`) {
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
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
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

// TestLogoutRemovesAllThatItCanAndNamesTheRest covers what stays: the command fails, but not before
// everything else is gone.
func TestLogoutRemovesAllThatItCanAndNamesTheRest(t *testing.T) {
	t.Parallel()
	s := newShell(t, nil).save(testKey)
	dir := filepath.Dir(s.credentials())
	var stuck []string
	for _, name := range []string{"a", "c"} { // not empty, and so not to be removed
		stuck = append(stuck, filepath.Join(dir, temporary+name))
		if err := os.MkdirAll(filepath.Join(dir, temporary+name, "x"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	plant(t, dir, s.now, map[string]time.Duration{temporary + "b": 0, temporary + "d": 0})
	why := withoutPath(os.Remove(stuck[0])).Error()
	message := stuck[0] + ": " + why + "; " + stuck[1] + ": " + why
	s.wantError(wrong{"file.write", "cannot remove " + message, "remove it by hand", 0}, "logout")
	wantNames(t, dir, temporary+"a "+temporary+"c")

	s.save("mine")
	plant(t, dir, s.now, map[string]time.Duration{temporary + "b": 0})
	s.wantError(wrong{"file.write", "cannot remove " + s.credentials() +
		": it holds something other than an API key; " + message,
		"move " + s.credentials() + " away and try again", 0}, "logout")
	wantNames(t, dir, temporary+"a "+temporary+"c credentials")
}

// TestLogoutRemovesALinkAndNamesItsTarget covers a stored key that is a link: what it leads to is
// not ours to remove, but still holds the key. That is said even where logout fails.
func TestLogoutRemovesALinkAndNamesItsTarget(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("making a link takes a privilege there")
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	plant(t, dir, time.Now(), map[string]time.Duration{"target": 0, "mic_a_b": 0})
	writeFile(t, filepath.Join(dir, "empty"), "\n")
	if err = errors.Join(err, os.Symlink("target", filepath.Join(dir, "between"))); err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(dir, "target")
	for to, still := range map[string]string{
		"target": target, "between": target, "mic_a_b": "the link's target",
		"nothing": "", "empty": "", ".": "", // the last one is a directory
	} {
		s := newShell(t, nil)
		stuck := filepath.Join(filepath.Dir(s.credentials()), temporary+"stuck")
		err := os.MkdirAll(filepath.Join(stuck, "x"), 0o700) // not empty, and so not to be removed
		link := func() error { return os.Symlink(filepath.Join(dir, to), s.credentials()) }
		if err := errors.Join(err, link()); err != nil {
			t.Fatal(err)
		}
		warning := "warning: only the link was removed: the key is still in " + still + "\n"
		if still == "" {
			warning = ""
		}
		failed := wrong{"file.write", "cannot remove " + stuck + ": " +
			withoutPath(os.Remove(stuck)).Error(), "remove it by hand", 0}.fails("", false)
		failed.stderr = warning + failed.stderr
		s.want(failed, "logout")
		if err := errors.Join(os.RemoveAll(stuck), link()); err != nil {
			t.Fatal(err)
		}
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
	start := make(chan struct{})
	for range 4 {
		other := *s
		all.Add(1)
		go func() {
			defer all.Done()
			<-start
			if got := other.run("logout", "--quiet"); got != (result{}) {
				t.Error(got)
			}
		}()
	}
	close(start)
	all.Wait()
	wantNames(t, dir, "")
}
