package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf16"

	"microtica/internal/fakeapi"
)

// The root's tests run commands in process, in a shell (below), against fakes of the API. What only
// a process can show is tested in check.

const (
	testKey    = fakeapi.Key // its secret part is a canary: see shell.run
	testPrefix = fakeapi.Prefix
	otherKey   = fakeapi.OtherKey
)

// onWindows is true where modes mean nothing, links take a privilege, messages differ, and a file
// that is being replaced cannot be opened.
const onWindows = runtime.GOOS == "windows"

// TestMain keeps the developer's environment out of the tests: what net/http and crypto/x509 read,
// what microtica reads, and the home directory.
func TestMain(m *testing.M) {
	home, err := os.MkdirTemp("", "microtica-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if upper := strings.ToUpper(name); strings.HasPrefix(upper, "MICROTICA_") ||
			strings.HasPrefix(upper, "SSL_CERT_") || strings.HasSuffix(upper, "_PROXY") {
			os.Unsetenv(name)
		}
	}
	os.Setenv("HOME", home)
	os.Setenv("USERPROFILE", home)
	exit := m.Run()
	os.RemoveAll(home)
	os.Exit(exit)
}

// must ends the test if preparing it failed.
func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// shell runs commands as a user's shell would: with an environment, a home directory and stdin.
type shell struct {
	t          testing.TB
	home       string
	env        map[string]string
	stdin      string
	input      io.Reader       // stdin where a text is not enough
	output     io.Writer       // where stdout goes instead of into the result
	onTerminal bool            // stderr is a terminal
	waits      []time.Duration // before retries; they take no time here
	timeLimit  time.Duration
	loginLimit time.Duration
	patience   time.Duration
}

// result is all that a command leaves behind, except files.
type result struct {
	stdout, stderr string
	exit           int
}

func (r result) String() string {
	return fmt.Sprintf("exit %d\nstdout: %q\nstderr: %q", r.exit, r.stdout, r.stderr)
}

// newShell returns a shell with an empty home directory, and with MICROTICA_API_URL set to base
// unless that is "".
func newShell(t testing.TB, base string) *shell {
	home := t.TempDir()
	env := map[string]string{"HOME": home, "USERPROFILE": home}
	if base != "" {
		env["MICROTICA_API_URL"] = base
	}
	return &shell{
		t:          t,
		home:       home,
		env:        env,
		timeLimit:  10 * time.Second,
		loginLimit: 5 * time.Second,
		patience:   3 * time.Second,
	}
}

// newUser returns a fake API, and a shell that has a key for it.
func newUser(t testing.TB) (*fakeapi.API, *shell) {
	api := fakeapi.New(t)
	return api, newShell(t, api.Base()).with("MICROTICA_TOKEN", testKey)
}

// with returns s after setting variables, given as name and value in turn.
func (s *shell) with(variables ...string) *shell {
	for pair := range slices.Chunk(variables, 2) {
		s.env[pair[0]] = pair[1]
	}
	return s
}

// run carries out one command line. Whatever it is, it must end and not print a key.
func (s *shell) run(args ...string) result {
	s.t.Helper()
	var stdout, stderr bytes.Buffer
	a := &app{
		stdin:  cmp.Or[io.Reader](s.input, strings.NewReader(s.stdin)),
		stdout: cmp.Or[io.Writer](s.output, &stdout),
		stderr: &stderr,
		lookenv: func(name string) (string, bool) {
			value, set := s.env[name]
			return value, set
		},
		sleep:      func(d time.Duration) { s.waits = append(s.waits, d) },
		caught:     make(chan struct{}),
		onTerminal: s.onTerminal,
		timeLimit:  s.timeLimit,
		loginLimit: s.loginLimit,
		patience:   s.patience,
	}
	watchdog := time.AfterFunc(time.Minute, func() {
		panic(fmt.Sprintf("microtica %.200q does not end", args))
	})
	defer watchdog.Stop()
	close(a.caught)
	exit := a.run(args)
	got := result{stdout.String(), stderr.String(), exit}
	for _, secret := range []string{fakeapi.Secret, strings.TrimPrefix(otherKey, "mic_0ther_")} {
		if strings.Contains(got.stdout+got.stderr, secret) {
			s.t.Errorf("microtica %q printed a key:\n%s", args, got)
		}
	}
	return got
}

// want runs a command line and compares all that it printed, and its exit status.
func (s *shell) want(want result, args ...string) {
	s.t.Helper()
	if got := s.run(args...); got != want {
		s.t.Errorf("microtica %s\n got %s\nwant %s", strings.Join(args, " "), got, want)
	}
}

// wantError runs a command line as it is and with --json: it must fail with w in both forms, and
// print nothing else.
func (s *shell) wantError(w wrong, args ...string) {
	s.t.Helper()
	s.want(w.fails("", false), args...)
	s.want(w.fails("", true), slices.Insert(slices.Clone(args), 0, "--json")...)
}

// credentials returns the path of the stored key.
func (s *shell) credentials() string { return filepath.Join(s.home, ".microtica", "credentials") }

// save stores text as the key, as a login would have.
func (s *shell) save(text string) *shell {
	s.t.Helper()
	must(s.t, os.MkdirAll(filepath.Dir(s.credentials()), 0o700),
		os.WriteFile(s.credentials(), []byte(text), 0o600))
	return s
}

// wantStored checks the stored key, and that nothing else is beside it; "" is for no file at all.
func (s *shell) wantStored(want string) {
	s.t.Helper()
	got, err := os.ReadFile(s.credentials())
	if string(got) != want || (err == nil) != (want != "") {
		s.t.Errorf("the stored key is %q, want %q (%v)", got, want, err)
	}
	entries, _ := os.ReadDir(filepath.Dir(s.credentials()))
	for _, entry := range entries {
		if entry.Name() != "credentials" {
			s.t.Errorf("%s was left beside the stored key", entry.Name())
		}
	}
}

// wrong is an error as a test expects it. The message and the hint are given before what must not
// show is escaped; the lines of a query's error follow the message after "\n  ".
type wrong struct {
	code, message, hint string
	status              int // 0 for null
}

// What follows from an error's code is repeated here, so that a change to the program's table fails
// a test.
var exitStatuses = map[int]string{
	1: "file.read file.write output.write internal",
	2: "usage usage.project usage.url query.syntax query.function query.type",
	3: "auth.missing auth.malformed auth.rejected",
	4: "api.forbidden api.not_found api.refused",
	5: "network.dns network.connect network.tls network.proxy network.timeout",
	6: "api.rate_limited api.server api.redirect api.bad_response",
}

const retryable = "network.dns network.connect network.timeout network.proxy " +
	"api.rate_limited api.server"

// fails returns all that is left by a command that fails with w after it has printed stdout. In
// JSON, retryAfter is null.
func (w wrong) fails(stdout string, asJSON bool) result {
	r := result{stdout: stdout}
	for exit, codes := range exitStatuses {
		if slices.Contains(strings.Fields(codes), w.code) {
			r.exit = exit
		}
	}
	if !asJSON {
		r.stderr = notice("error", "", w.message, false)
		if w.hint != "" {
			r.stderr += notice("hint", "", w.hint, false)
		}
		return r
	}
	status := "null"
	if w.status != 0 {
		status = strconv.Itoa(w.status)
	}
	r.stderr = fmt.Sprintf(`{"error":{"code":"%s","message":%s,"hint":%s,"httpStatus":%s,`+
		`"retryAfter":null,"retryable":%t,"exitCode":%d}}`+"\n",
		w.code, quoted(w.message), quoted(w.hint), status,
		slices.Contains(strings.Fields(retryable), w.code), r.exit)
	return r
}

// notice returns a note or a warning as it is printed, as text or as JSON.
func notice(kind, code, message string, asJSON bool) string {
	if asJSON {
		return fmt.Sprintf(`{"%s":{"code":"%s","message":%s}}`+"\n", kind, code, quoted(message))
	}
	lines := strings.Split(message, "\n  ")
	for i, line := range lines {
		lines[i] = escaped(line, func(r rune) string {
			return strings.Trim(strconv.QuoteRuneToASCII(r), "'")
		})
	}
	return kind + ": " + strings.Join(lines, "\n  ") + "\n"
}

// quoted returns text as a JSON string, spelled as the program does.
func quoted(text string) string {
	text = strings.NewReplacer(`"`, `\"`, `\`, `\\`, "\n", `\n`, "\t", `\t`).Replace(text)
	return `"` + escaped(text, func(r rune) (escape string) {
		for _, unit := range utf16.AppendRune(nil, r) {
			escape += fmt.Sprintf(`\u%04x`, unit)
		}
		return escape
	}) + `"`
}

// escaped returns text with escape applied to each character that is not graphic.
func escaped(text string, escape func(rune) string) string {
	var b strings.Builder
	for _, r := range text {
		if unicode.IsGraphic(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(escape(r))
		}
	}
	return b.String()
}

// from returns w with SOURCE replaced by source.
func (w wrong) from(source string) wrong {
	w.message = strings.ReplaceAll(w.message, "SOURCE", source)
	w.hint = strings.ReplaceAll(w.hint, "SOURCE", source)
	return w
}

// withoutQuery reports whether the program is built with the tag noquery.
func withoutQuery() bool {
	q, _ := compileQuery("@", false)
	return q == nil
}

// TestErrorsWithoutARowElsewhere have an exit status too; one that was given no code is internal.
func TestErrorsWithoutARowElsewhere(t *testing.T) {
	for _, c := range []*code{codeQuerySyntax, codeQueryFunction, codeQueryType, codeOf(io.EOF)} {
		if !slices.Contains(strings.Fields(exitStatuses[c.exit]), c.name) {
			t.Errorf("%+v", *c)
		}
	}
}
