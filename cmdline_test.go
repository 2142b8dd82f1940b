package main

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

// usageError is what a wrong command line leaves behind.
func usageError(message, hint string) result {
	return wrong{"usage", message, hint, 0}.fails("", false)
}

// needsQuery reports whether a line uses --query, which can be left out of the program.
func needsQuery(line string) bool {
	uses := strings.Contains(line, "que") || strings.Contains(line, "raw") ||
		strings.Contains(line, "--jq")
	return uses && findFlag("query") == nil
}

// usageErrors are wrong command lines, each with its error and hint.
var usageErrors = []struct{ line, message, hint string }{
	// Words that are close to a command, or that other programs use for it.
	{"whoam", "unknown command 'whoam'", meant("whoami")},
	{"xxwhoami", "unknown command 'xxwhoami'", meant("whoami")},
	{"xxxwhoami", "unknown command 'xxxwhoami'", helpHint},
	{"WHOAMI --quiet", "unknown command 'WHOAMI'", meant("whoami --quiet")},
	{"ax me", "unknown command 'ax me'", helpHint},
	{"apu me", "unknown command 'apu me'", meant("api me")},
	{"ls", "unknown command 'ls'", meant("project list")},
	{"list projects", "unknown command 'list projects'", meant("project list")},
	{"environment list", "unknown command 'environment list'", meant("env list")},
	{"environments", "unknown command 'environments'", meant("env list")},
	{"env ls p01", "unknown command 'env ls p01'", meant("env list --project p01")},
	{"auth", "unknown command 'auth'", meant("whoami")},
	{"auth login", "unknown command 'auth login'", meant("login")},
	{"status", "unknown command 'status'", meant("whoami")},
	{"frobnicate the list", "unknown command 'frobnicate the list'", helpHint},
	{"-- --json", "unknown command '--json'", helpHint},
	{long, "unknown command '" + long[:600] + "…'", helpHint},

	// A group without its command, or with an unknown one.
	{"project", "'microtica project' needs a subcommand: list", meant("project list")},
	{"env delete", "unknown command 'env delete'", envUsage},

	// Arguments.
	{"whoami now", "unexpected argument 'now'", whoamiUsage},
	{"env list p01", "unexpected argument 'p01'", meant("env list --project p01")},
	{"env list a&b", "unexpected argument 'a&b'", meant("env list --project ID")},
	{"env list p01 p02", "unexpected argument 'p01'", envUsage},
	{"env list p01 --project p02", "unexpected argument 'p01'", envUsage},
	{"env list -- --json", "unexpected argument '--json'", envUsage},
	{"login a.txt --no-verify", "unexpected argument 'a.txt'", meant("login < a.txt --no-verify")},
	{"login $KEY", "unexpected argument '$KEY'", meant("login < …")},
	{"login --token x key.txt", "unexpected argument 'key.txt'", loginUsage},
	{"login -", "unexpected argument '-'", loginUsage},
	{"api", "'microtica api' needs an argument: PATH", "usage: microtica api PATH"},
	{"api me you", "unexpected argument 'you'", "usage: microtica api PATH"},
	{"completion tcsh", "unknown shell 'tcsh'", completionUsage},
	{"version --project=", "--project is empty", idsHint},

	// Help.
	{"help frobnicate", "no help on 'frobnicate'", helpHint},
	{"help projects", "no help on 'projects'", meant("help project list")},
	{"help env lst", "no help on 'env lst'", meant("help env list")},
	{"help ERROR", "no help on 'ERROR'", meant("help errors")},
	{"envs --help", "no help on 'envs'", meant("help env list")},

	// Flags that are close to one, or that other programs use for it.
	{"whoami -jsn", "unknown flag '-jsn'", meant("whoami --json")},
	{"whoami --QUIET", "unknown flag '--QUIET'", meant("whoami --quiet")},
	{"whoami --quey via", "unknown flag '--quey'", meant("whoami --query via")},
	{"whoami --quey a --jq b", "unknown flag '--quey'", whoamiUsage},
	{"--quiet ---project 5f1c whoami", "unknown flag '---project'",
		meant("whoami --quiet --project 5f1c")},
	{"--qiet whoam", "unknown flag '--qiet'", meant("whoami --quiet")},
	{"-v", "unknown flag '-v'", meant("--version")},
	{"whoami -q", "unknown flag '-q'", meant("whoami --quiet")},
	{"env list -p 5f1c", "unknown flag '-p'", meant("env list --project 5f1c")},
	{"-p=5f1c env list", "unknown flag '-p'", meant("env list --project 5f1c")},
	{"project list -o", "unknown flag '-o'", meant("project list --json")},
	{"api me -o json", "unknown flag '-o'", meant("api me --json")},
	{"-o project list", "unknown flag '-o'", meant("project list --json")},
	{"whoami --output=yaml", "unknown flag '--output'", meant("whoami --json")},
	{"whoami --format table -q", "unknown flag '--format'", meant("whoami --json --quiet")},
	{"whoami --jq .via", "unknown flag '--jq'", meant("whoami --query .via")},
	{"whoami --jq=[0]", "unknown flag '--jq'", meant("whoami --query EXPR")},
	{"--bogus=1 env list", "unknown flag '--bogus'", envUsage},
	{"--bogus --bugus", "unknown flag '--bogus'", helpHint},

	// Flags of another command.
	{"whoami --token x", "'microtica whoami' takes no --token", "set MICROTICA_TOKEN to the key"},
	{"whoami --no-verify", "'microtica whoami' takes no --no-verify", whoamiUsage},
	{"--version whoami", "'microtica whoami' takes no --version", whoamiUsage},

	// Values.
	{"whoami --quiet=yes", "--quiet takes no value", whoamiUsage},
	{"whoami --help=x", "--help takes no value", whoamiUsage},
	{"whoami -H", "unknown flag '-H'", whoamiUsage},
	{"--=x whoami", "unknown flag '--'", whoamiUsage},
	{"whoami --jq", "unknown flag '--jq'", whoamiUsage},
	{"project --no-verify", "'microtica project' needs a subcommand: list", meant("project list")},
	{"login --token", "--token needs a value: --token KEY", loginUsage},
	{"login --token=-x", "--token needs a value: --token KEY", loginUsage},
	{"--project --quiet env list", "--project needs a value: --project ID", envUsage},
	{"--project a env --project a list", "--project appears twice", envUsage},
	{"whoami --raw", "--raw needs --query", meant("whoami --raw --query EXPR")},

	// A flag that took the command's word as its value.
	{"--query project list", swallowed("query", "project"), meant("project list --query EXPR")},
	{"--query api me", swallowed("query", "api"), meant("api me --query EXPR")},
	{"--quiet --token login", swallowed("token", "login"), meant("login --quiet --token KEY")},
	{"whoam --query version", "unknown command 'whoam'", meant("whoami --query version")},

	// What looks like a key is never shown, and neither is what may be one.
	{testKey, "a key is not an argument", pasteHint},
	{"login TOKEN=" + testKey, "a key is not an argument", pasteHint},
	{"--" + testKey + "=1 login", "a key is not an argument", pasteHint},
	{"whoami -jsn " + testKey, "a key is not an argument", pasteHint},
	{"whoami --bogus=" + testKey, "a key is not an argument", pasteHint},
	{"whoami --quiet=" + testKey, "--quiet takes no value", whoamiUsage},
	{"login --tokn=" + testKey, "unknown flag '--tokn'", meant("login --token KEY")},
	{"login --tokn canary", "unknown flag '--tokn'", meant("login --token KEY")},
	{"logn --token canary", "unknown command 'logn'", meant("login --token KEY")},
	{"version --project " + testKey,
		"--project holds what looks like an API key, not a project's id", idsHint},
}

const (
	helpHint        = "run 'microtica help'"
	whoamiUsage     = "usage: microtica whoami"
	envUsage        = "usage: microtica env list [--project ID]"
	loginUsage      = "usage: microtica login [--token KEY] [--no-verify]"
	completionUsage = "usage: microtica completion bash|zsh|fish"
	pasteHint       = "run 'microtica login' and paste the key there"
)

var long = strings.Repeat("é", 301)

func meant(line string) string { return "did you mean 'microtica " + line + "'?" }

func swallowed(flag, word string) string {
	return "--" + flag + " took '" + word + "', part of the command, as its value"
}

// TestAWrongCommandLineIsToldWhatToType runs every wrong line. None makes a request or reads stdin.
func TestAWrongCommandLineIsToldWhatToType(t *testing.T) {
	t.Parallel()
	api, s := newUser(t)
	s.input = iotest.ErrReader(errors.New("stdin was read"))
	for _, test := range usageErrors {
		if !needsQuery(test.line) {
			s.want(usageError(test.message, test.hint), strings.Fields(test.line)...)
		}
	}
	s.want(usageError("unknown command ''", helpHint), "")
	s.want(usageError("unexpected argument 'my key'", meant("login < …")), "login", "my key")
	s.want(usageError(`unknown command 'a\x1b[2J'`, helpHint), "a\x1b[2J")
	if seen := api.seen(); seen != "" {
		t.Errorf("requests were made: %s", seen)
	}
}

// TestHintsCanBeTyped runs every command line that a hint names: it may fail for another reason,
// but must not be a wrong command line again.
func TestHintsCanBeTyped(t *testing.T) {
	t.Parallel()
	fill := strings.NewReplacer("KEY", testKey, "ID", "5f1c", "EXPR", "type(@)", ".via", "via")
	_, s := newUser(t)
	s.with("MICROTICA_PROJECT_ID", "5f1c")
	s.stdin = testKey
	for _, test := range usageErrors {
		line, ok := strings.CutPrefix(test.hint, "did you mean 'microtica ")
		if !ok || strings.ContainsAny(line, "<…") || needsQuery(test.line) {
			continue
		}
		got := s.run(strings.Fields(fill.Replace(strings.TrimSuffix(line, "'?")))...)
		if got.code == 2 {
			t.Errorf("%s\nhint: %s\n%s", test.line, test.hint, got)
		}
	}
}

// TestErrorsAreJSONWhereverTheFlagIs covers errors that are found before the flag is, and that
// --query alone leaves errors as text.
func TestErrorsAreJSONWhereverTheFlagIs(t *testing.T) {
	t.Parallel()
	s := newShell(t, nil)
	for _, test := range []struct{ line, message, hint string }{
		{"-json", "no command given", helpHint},
		{"--json whoam", "unknown command 'whoam'", meant("whoami --json")},
		{"--bogus --json", "unknown flag '--bogus'", helpHint},
		{"--json=1 whoami", "--json takes no value", whoamiUsage},
		{"login --token --json", "--token needs a value: --token KEY", loginUsage},
		{"help frobnicate --json", "no help on 'frobnicate'", helpHint},
		{"completion tcsh --json", "unknown shell 'tcsh'", completionUsage},
	} {
		want := wrong{"usage", test.message, test.hint, 0}.fails("", true)
		s.want(want, strings.Fields(test.line)...)
	}
	if findFlag("query") != nil {
		s.want(result{"", "error: bad query: unexpected end of the query, want a number\n" +
			"  via[\n      ^\n", 2}, "whoami", "--query", "via[")
		got := s.run("whoami", "--query", "via[", "--json")
		if got.code != 2 || !strings.HasPrefix(got.stderr, `{"error":{"code":"query.syntax",`) {
			t.Errorf("a bad query with --json: %s", got)
		}
	}
}

// TestGlobalFlagsCanBeAnywhere runs one command with its flags in every place.
func TestGlobalFlagsCanBeAnywhere(t *testing.T) {
	t.Parallel()
	_, s := newUser(t)
	start, end := strings.Index(stagesBody, "[{"), strings.Index(stagesBody, `,"pipelines"`)
	want := result{stagesBody[start:end] + "\n", "", 0}
	for _, line := range []string{
		"--json --project 5f1c env list",
		"env -json list -project=5f1c",
		"--project=5f1c env --quiet list -json",
		"env list --json --json --project 5f1c --quiet --quiet --json",
		"--json --project 5f1c -- env list",
		"--json --project 5f1c env -- list",
	} {
		s.want(want, strings.Fields(line)...)
	}
}

// TestVersionSaysWhatWasBuilt covers the version in text and JSON, and the flag of that name.
func TestVersionSaysWhatWasBuilt(t *testing.T) {
	t.Parallel()
	s := newShell(t, nil)
	platform := " (" + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH + ")\n"
	for _, line := range []string{"version", "--version", "version --version --quiet"} {
		s.want(result{"microtica dev" + platform, "", 0}, strings.Fields(line)...)
	}
	s.want(result{`{"version":"dev","go":"` + runtime.Version() + `","os":"` + runtime.GOOS +
		`","arch":"` + runtime.GOARCH + `"}` + "\n", "", 0}, "--json", "--version")
	want := result{"microtica test" + platform, "", 0}
	if got := process(t, nil, "", "version"); got != want {
		t.Errorf("the built binary says %s", got)
	}
}
