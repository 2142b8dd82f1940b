package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

const keyHint = "copy the whole key, mic_…_…, as Microtica's console shows it once, when it is created"

// TestLoginTakesTheKeyFromTheFlagOrStdin covers where the key comes from, and what may surround it.
func TestLoginTakesTheKeyFromTheFlagOrStdin(t *testing.T) {
	for _, test := range []struct{ name, stdin, args string }{
		{"a line on stdin", testKey + "\n", "login"},
		{"stdin without a line end", testKey, "login"},
		{"a Windows line end", testKey + "\r\n", "login"},
		{"white space and a byte order mark", "\uFEFF \t\n" + testKey + " \n\n", "login"},
		{"the flag", "", "login --token " + testKey},
		{"the flag, and stdin is not read", "mic_something_else\n", "login --token=" + testKey},
	} {
		s := newShell(t, newFakeAPI(t))
		s.stdin = test.stdin
		s.want(result{"Saved API key mic_d60bea1d to " + s.credentials() + "\n", "", 0}, strings.Fields(test.args)...)
		s.wantStored(testKey + "\n")
	}
}

// TestLoginRefusesWhatIsNoKey covers each way to be wrong. None is shown, none is sent, none changes the stored key.
func TestLoginRefusesWhatIsNoKey(t *testing.T) {
	const noKey = "error: no API key: %s is empty\nhint: run 'microtica login < FILE' with a file that holds the key\n"
	malformed := func(wrong string) string { return "error: the API key from %s " + wrong + "\nhint: " + keyHint + "\n" }
	for _, test := range []struct {
		text, stderr string
		code         int
	}{
		{"", noKey, 2},
		{" \t\n\uFEFF\n", noKey, 2},
		{"secret-canary", malformed("does not start with mic_"), 3},
		{"MIC_d60bea1d_canary", malformed("does not start with mic_"), 3},
		{"mic_", malformed("is only the prefix that the console lists, not the whole key"), 3},
		{"mic_d60bea1d", malformed("is only the prefix that the console lists, not the whole key"), 3},
		{"mic_d60bea1d_", malformed("is only the prefix that the console lists, not the whole key"), 3},
		{"mic__canary", malformed("has nothing between mic_ and the next _"), 3},
		{"mic_d60-bea_canary", malformed("has something else than letters and digits between mic_ and the next _"), 3},
		{"mic_d60bea1d_can ary", malformed("has a space at position 17"), 3},
		{"mic_d60bea1d_canary\nmic_d60bea1d_canary", malformed("has a control character at position 20"), 3},
		{"mic_d60bea1d_can\tary", malformed("has a control character at position 17"), 3},
		{"mic_d60bea1d_can\x7fary", malformed("has a control character at position 17"), 3},
		{"mic_d60bea1d_cänary", malformed("has a non-ASCII character at position 15"), 3},
		{"mic_é60bea1d_ä", malformed("has a non-ASCII character at position 5"), 3},
		{"mic_d60bea1d_\xff", malformed("has a non-ASCII character at position 14"), 3},
		{"mic_a_" + strings.Repeat("x", 4091), malformed("is longer than 4096 bytes"), 3},
	} {
		for _, source := range []string{"stdin", "--token"} {
			api := newFakeAPI(t)
			s := newShell(t, api).save(otherKey + "\n")
			args := []string{"login"}
			if source == "stdin" {
				s.stdin = test.text
			} else {
				args = append(args, "--token="+test.text)
			}
			want := result{"", strings.Replace(test.stderr, "%s", source, 1), test.code}
			if source == "stdin" && strings.Contains(test.stderr, "longer") {
				want.stderr = "error: the API key from stdin is longer than 4096 bytes\nhint: give the key alone on stdin\n"
			}
			s.want(want, args...)
			s.wantStored(otherKey + "\n")
			if seen := api.seen(); seen != "" {
				t.Errorf("%q was sent: %s", test.text, seen)
			}
		}
	}
}

// TestTheLongestKeyWorksEverywhere takes a key of 4,096 bytes through every source; one byte more is too long above.
func TestTheLongestKeyWorksEverywhere(t *testing.T) {
	long := "mic_a_" + strings.Repeat("x", 4090)
	s := newShell(t, nil)
	s.stdin = long + "\r\n"
	saved := result{"Saved API key mic_a to " + s.credentials() + "\n", "", 0}
	s.want(saved, "login", "--no-verify")
	s.want(saved, "login", "--no-verify", "--token", long)
	s.wantStored(long + "\n")
	for _, source := range []string{"", "MICROTICA_TOKEN", "MICROTICA_TOKEN_FILE"} {
		s := newShell(t, newFakeAPI(t)).save(long + "\n")
		s.with(source, map[string]string{"MICROTICA_TOKEN": long, "MICROTICA_TOKEN_FILE": s.credentials()}[source])
		if got := s.run("whoami", "--json"); !strings.Contains(got.stderr, `"code":"auth.rejected"`) { // it came as far as the API
			t.Errorf("from %q: %s", source, got)
		}
	}
}

// TestLoginStopsReadingEndlessStdin gives it a stdin that never ends.
func TestLoginStopsReadingEndlessStdin(t *testing.T) {
	s := newShell(t, nil)
	endless := struct{ io.Reader }{readerFunc(func(p []byte) (int, error) { return copy(p, "mic_a_xxxxxxxxxx"), nil })}
	s.input = endless
	s.want(result{"", "error: the API key from stdin is longer than 4096 bytes\nhint: give the key alone on stdin\n", 3}, "login", "--no-verify")
	s.wantStored("")
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestLoginReportsABrokenStdin is about an error that is neither an end nor a key.
func TestLoginReportsABrokenStdin(t *testing.T) {
	s := newShell(t, nil)
	s.input = iotest.ErrReader(errors.New("input/output error"))
	s.want(result{"", "error: cannot read the API key from stdin: input/output error\n", 1}, "login", "--no-verify")
}

// TestLoginPrintsJSON covers the result for scripts, verified and not.
func TestLoginPrintsJSON(t *testing.T) {
	s := newShell(t, newFakeAPI(t))
	s.stdin = testKey
	s.want(result{`{"apiKeyPrefix":"mic_d60bea1d","credentialsFile":"` + inJSON(s.credentials()) + `","verified":true}` + "\n", "", 0}, "login", "--json")
	s.want(result{`{"apiKeyPrefix":"mic_d60bea1d","credentialsFile":"` + inJSON(s.credentials()) + `","verified":false}` + "\n", "", 0}, "login", "--json", "--no-verify", "--quiet")
	s.want(result{"", "", 0}, "login", "--quiet")
}

// TestLoginSaysWhatOverridesTheSavedKey covers the two variables.
func TestLoginSaysWhatOverridesTheSavedKey(t *testing.T) {
	s := newShell(t, newFakeAPI(t))
	s.stdin = testKey
	saved := "Saved API key mic_d60bea1d to " + s.credentials() + "\n"
	s.with("MICROTICA_TOKEN_FILE", "/nowhere").want(result{saved, "warning: MICROTICA_TOKEN_FILE is set and overrides the key just saved\n", 0}, "login")
	s.with("MICROTICA_TOKEN", otherKey).want(result{saved, "warning: MICROTICA_TOKEN is set and overrides the key just saved\n", 0}, "login")
	s.with("MICROTICA_TOKEN", "", "MICROTICA_TOKEN_FILE", "").want(result{saved, "", 0}, "login", "--no-verify", "--token", testKey)
}

// TestLoginLooksAtTheURLBeforeStdin holds the order: a user is not asked for a key that cannot be used.
func TestLoginLooksAtTheURLBeforeStdin(t *testing.T) {
	s := newShell(t, nil).with("MICROTICA_API_URL", "http://api.example")
	s.input = readerFunc(func([]byte) (int, error) { t.Error("stdin was read"); return 0, io.EOF })
	s.want(result{"", "error: MICROTICA_API_URL would send the key unencrypted: http is for a loopback host only\n" +
		"hint: set MICROTICA_API_URL to a base URL such as https://api.microtica.com\n", 2}, "login")
	s.input, s.stdin = nil, testKey
	s.want(result{"Saved API key mic_d60bea1d to " + s.credentials() + "\n", "", 0}, "login", "--no-verify")
}

// TestLoginLeavesForeignFilesAlone covers what may lie where the key is to be stored.
func TestLoginLeavesForeignFilesAlone(t *testing.T) {
	for _, content := range []string{"<html>", "mic_d60bea1d\n", `{"token":"x"}`, testKey + "\n" + otherKey, strings.Repeat("x", 4097), "\x00"} {
		s := newShell(t, nil).save(content)
		why := "it holds something else than an API key"
		if len(content) > 4096 {
			why = "longer than 4096 bytes"
		}
		want := result{"", "error: will not replace or remove " + s.credentials() + ": " + why + "\nhint: move " + s.credentials() + " away\n", 1}
		s.want(want, "login", "--no-verify", "--token", testKey)
		s.want(want, "logout")
		s.wantStored(content)
	}
	for _, content := range []string{"", "\n", " \n", "\uFEFF", otherKey, "  " + otherKey + "\r\n"} {
		s := newShell(t, nil).save(content)
		s.want(result{"Saved API key mic_d60bea1d to " + s.credentials() + "\n", "", 0}, "login", "--no-verify", "--token", testKey)
		s.wantStored(testKey + "\n")
	}
	s := newShell(t, nil)
	if err := os.MkdirAll(s.credentials(), 0o700); err != nil {
		t.Fatal(err)
	}
	want := result{"", "error: will not replace or remove " + s.credentials() + ": not a regular file\nhint: move " + s.credentials() + " away\n", 1}
	s.want(want, "login", "--no-verify", "--token", testKey)
	s.want(want, "logout")
}

// TestLoginAndLogoutNeedAHome covers a home directory that is not there, or is no path.
func TestLoginAndLogoutNeedAHome(t *testing.T) {
	variable := "HOME"
	if runtime.GOOS == "windows" {
		variable = "USERPROFILE"
	}
	s := newShell(t, nil)
	const hint = "\nhint: set MICROTICA_TOKEN to the key\n"
	for _, command := range []string{"login", "logout"} {
		s.with(variable, "").want(result{"", "error: no place for a saved API key: " + variable + " is not set" + hint, 1}, command)
		s.with(variable, "home").want(result{"", "error: no place for a saved API key: " + variable + " is not an absolute path" + hint, 1}, command)
	}
	gone := filepath.Join(s.home, "gone")
	s.with(variable, gone).want(result{"", "error: cannot save the API key in " + filepath.Join(gone, ".microtica", "credentials") +
		": " + noSuchFile() + "\nhint: set MICROTICA_TOKEN where nothing can be saved\n", 1}, "login", "--no-verify", "--token", testKey)
	if _, err := os.Stat(gone); err == nil {
		t.Error("login made the home directory")
	}
}

// TestLogoutRemovesTheKeyAndWhatLoginsLeft covers logout with and without something to remove.
func TestLogoutRemovesTheKeyAndWhatLoginsLeft(t *testing.T) {
	const valid = "note: the key itself stays valid until it is revoked in Microtica's console\n"
	s := newShell(t, nil)
	removed, nothing := "Removed the API key saved in "+s.credentials()+"\n", "No API key was saved in "+s.credentials()+"\n"
	s.want(result{nothing, "", 0}, "logout")
	s.save(testKey + "\n")
	temp := filepath.Join(filepath.Dir(s.credentials()), temporary+"AAAA")
	if err := os.WriteFile(temp, []byte(testKey), 0o600); err != nil {
		t.Fatal(err)
	}
	s.want(result{removed, valid, 0}, "logout")
	s.wantStored("")
	s.want(result{nothing, "", 0}, "logout")
	if err := os.WriteFile(temp, []byte(testKey), 0o600); err != nil {
		t.Fatal(err)
	}
	s.want(result{removed, valid, 0}, "logout")
	s.wantStored("")

	s.save("").want(result{"", "", 0}, "logout", "--quiet")
	s.wantStored("")
	file := `{"credentialsFile":"` + inJSON(s.credentials()) + `","removed":`
	s.save(testKey).want(result{file + "true}\n", `{"note":{"code":"key.valid","message":"the key itself stays valid until it is revoked in Microtica's console"}}` + "\n", 0}, "logout", "--json")
	s.want(result{file + "false}\n", "", 0}, "logout", "--json")
	s.with("MICROTICA_TOKEN", "x").want(result{nothing, "warning: MICROTICA_TOKEN is set and still supplies a key\n", 0}, "logout")
}
