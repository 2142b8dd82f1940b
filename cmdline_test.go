package main

import (
	"bytes"
	"runtime"
	"strings"
	"testing"
)

// usageError is what a wrong command line leaves behind.
func usageError(message, hint string) result {
	return result{"", "error: " + message + "\nhint: " + hint + "\n", 2}
}

// usageErrorJSON is the same with --json.
func usageErrorJSON(message, hint string) result {
	var stderr bytes.Buffer
	printError(&stderr, true, fail(codeUsage, "%s", message).withHint("%s", hint))
	return result{"", stderr.String(), 2}
}

// needsQuery reports whether a line uses --query, which can be left out of the program.
func needsQuery(line string) bool {
	uses := strings.Contains(line, "que") || strings.Contains(line, "raw") ||
		strings.Contains(line, "--jq")
	return uses && findFlag("query") == nil
}

// usageErrors are wrong command lines, each with its error and the way out of it.
var usageErrors = []struct{ line, message, hint string }{
	// Words that are close to a command, or that other programs have for it.
	{"whoam", "unknown command 'whoam'", meant("whoami")},
	{"xxwhoami", "unknown command 'xxwhoami'", meant("whoami")},
	{"xxxwhoami", "unknown command 'xxxwhoami'", "run 'microtica help'"},
	{"WHOAMI", "unknown command 'WHOAMI'", meant("whoami")},
	{"Login --quiet", "unknown command 'Login'", meant("login --quiet")},
	{"ax me", "unknown command 'ax me'", "run 'microtica help'"},
	{"apu me", "unknown command 'apu me'", meant("api me")},
	{"ls", "unknown command 'ls'", meant("project list")},
	{"list", "unknown command 'list'", meant("project list")},
	{"projects", "unknown command 'projects'", meant("project list")},
	{"projects list", "unknown command 'projects list'", meant("project list")},
	{"list projects", "unknown command 'list projects'", meant("project list")},
	{"project ls", "unknown command 'project ls'", meant("project list")},
	{"project lst", "unknown command 'project lst'", meant("project list")},
	{"PROJECT List", "unknown command 'PROJECT List'", meant("project list")},
	{"envs", "unknown command 'envs'", meant("env list")},
	{"environments", "unknown command 'environments'", meant("env list")},
	{"environment list", "unknown command 'environment list'", meant("env list")},
	{"env ls p01", "unknown command 'env ls p01'", meant("env list --project p01")},
	{"auth", "unknown command 'auth'", meant("whoami")},
	{"auth status", "unknown command 'auth status'", meant("whoami")},
	{"auth login", "unknown command 'auth login'", meant("login")},
	{"status", "unknown command 'status'", meant("whoami")},
	{"frobnicate", "unknown command 'frobnicate'", "run 'microtica help'"},
	{"frobnicate the list", "unknown command 'frobnicate the list'", "run 'microtica help'"},
	{"-- --json", "unknown command '--json'", "run 'microtica help'"},
	{long, "unknown command '" + long[:600] + "…'", "run 'microtica help'"},

	// A group without its command, or with another.
	{"project", "'microtica project' needs a subcommand: list", meant("project list")},
	{"--quiet env", "'microtica env' needs a subcommand: list", meant("env list --quiet")},
	{"env delete", "unknown command 'env delete'", envUsage},
	{"env p01", "unknown command 'env p01'", envUsage},

	// Arguments.
	{"whoami now", "unexpected argument 'now'", "usage: microtica whoami"},
	{"whoami -- --quiet", "unexpected argument '--quiet'", "usage: microtica whoami"},
	{"project list 5f1c", "unexpected argument '5f1c'", "usage: microtica project list"},
	{"env list p01", "unexpected argument 'p01'", meant("env list --project p01")},
	{"env list a&b", "unexpected argument 'a&b'", meant("env list --project ID")},
	{"env list p01 p02", "unexpected argument 'p01'", envUsage},
	{"env list p01 --project p02", "unexpected argument 'p01'", envUsage},
	{"env list -- --json", "unexpected argument '--json'", envUsage},
	{"login key.txt", "unexpected argument 'key.txt'", meant("login < key.txt")},
	{"login a.txt --no-verify", "unexpected argument 'a.txt'", meant("login < a.txt --no-verify")},
	{"login $KEY", "unexpected argument '$KEY'", meant("login < …")},
	{"login --token x key.txt", "unexpected argument 'key.txt'", loginUsage},
	{"login -", "unexpected argument '-'", loginUsage},
	{"api", "'microtica api' needs an argument: PATH", "usage: microtica api PATH"},
	{"api me you", "unexpected argument 'you'", "usage: microtica api PATH"},
	{"completion", "'microtica completion' needs an argument: bash|zsh|fish", completionUsage},
	{"completion tcsh", "unknown shell 'tcsh'", completionUsage},
	{"completion bash zsh", "unexpected argument 'zsh'", completionUsage},
	{"help frobnicate", "no help on 'frobnicate'", "run 'microtica help'"},
	{"help projects", "no help on 'projects'", meant("help project list")},
	{"help env lst", "no help on 'env lst'", meant("help env list")},
	{"help ERROR", "no help on 'ERROR'", meant("help errors")},
	{"envs --help", "no help on 'envs'", meant("help env list")},

	// Flags that are close to one, or that other programs have for it.
	{"whoami -jsn", "unknown flag '-jsn'", meant("whoami --json")},
	{"whoami --QUIET", "unknown flag '--QUIET'", meant("whoami --quiet")},
	{"whoami --quey via", "unknown flag '--quey'", meant("whoami --query via")},
	{"--qiet whoami", "unknown flag '--qiet'", meant("whoami --quiet")},
	{"whoami ---quiet", "unknown flag '---quiet'", meant("whoami --quiet")},
	{"--quiet ---project 5f1c whoami", "unknown flag '---project'",
		meant("whoami --quiet --project 5f1c")},
	{"--qiet whoam", "unknown flag '--qiet'", meant("whoami --quiet")},
	{"whoami --quey a --jq b", "--query appears twice", "usage: microtica whoami"},
	{"login --no-verfy", "unknown flag '--no-verfy'", meant("login --no-verify")},
	{"-v", "unknown flag '-v'", meant("--version")},
	{"whoami -V", "unknown flag '-V'", meant("--version")},
	{"whoami -q", "unknown flag '-q'", meant("whoami --quiet")},
	{"env list -p 5f1c", "unknown flag '-p'", meant("env list --project 5f1c")},
	{"-p=5f1c env list", "unknown flag '-p'", meant("env list --project 5f1c")},
	{"env list -p a/b&c", "unknown flag '-p'", meant("env list --project ID")},
	{"project list -o", "unknown flag '-o'", meant("project list --json")},
	{"project list -o json", "unknown flag '-o'", meant("project list --json")},
	{"api me -o json", "unknown flag '-o'", meant("api me --json")},
	{"-o project list", "unknown flag '-o'", meant("project list --json")},
	{"whoami --output=yaml", "unknown flag '--output'", meant("whoami --json")},
	{"whoami --format table -q", "unknown flag '--format'", meant("whoami --json --quiet")},
	{"whoami --jq .via", "unknown flag '--jq'", meant("whoami --query .via")},
	{"whoami --jq=[0]", "unknown flag '--jq'", meant("whoami --query EXPR")},
	{"whoami --jq [0]", "unknown flag '--jq'", meant("whoami --query EXPR")},
	{"whoami --bogus", "unknown flag '--bogus'", "usage: microtica whoami"},
	{"--bogus=1 env list", "unknown flag '--bogus'", envUsage},
	{"--bogus", "unknown flag '--bogus'", "run 'microtica help'"},
	{"--bogus --bugus env", "unknown flag '--bogus'", "run 'microtica help'"},

	// Flags of another command.
	{"whoami --token x", "'microtica whoami' takes no --token", "set MICROTICA_TOKEN to the key"},
	{"--token x logout", "'microtica logout' takes no --token", "set MICROTICA_TOKEN to the key"},
	{"whoami --no-verify", "'microtica whoami' takes no --no-verify", "usage: microtica whoami"},
	{"--version whoami", "'microtica whoami' takes no --version", "usage: microtica whoami"},

	// Values.
	{"whoami --quiet=yes", "--quiet takes no value", "usage: microtica whoami"},
	{"whoami -quiet=true", "--quiet takes no value", "usage: microtica whoami"},
	{"login --token", "--token needs a value: --token KEY", loginUsage},
	{"login --token -x", "--token needs a value: --token KEY", loginUsage},
	{"login --token=-x", "--token needs a value: --token KEY", loginUsage},
	{"login --token -", "--token needs a value: --token KEY", loginUsage},
	{"login --token --quiet", "--token needs a value: --token KEY", loginUsage},
	{"login --token -- x", "--token needs a value: --token KEY", loginUsage},
	{"env list --project", "--project needs a value: --project ID", envUsage},
	{"--project --quiet env list", "--project needs a value: --project ID", envUsage},
	{"whoami --query", "--query needs a value: --query EXPR", "usage: microtica whoami"},
	{"--project a env --project a list", "--project appears twice", envUsage},
	{"login --token a --token b", "--token appears twice", loginUsage},
	{"whoami --query a --query a", "--query appears twice", "usage: microtica whoami"},
	{"whoami --raw", "--raw needs --query", meant("whoami --raw --query EXPR")},

	{"whoam --query version", "unknown command 'whoam'", meant("whoami --query version")},

	// What looks like a key is never shown, and neither is what may be one.
	{testKey, "a key is not an argument", pasteHint},
	{"frobnicate " + testKey, "a key is not an argument", pasteHint},
	{"login " + testKey, "a key is not an argument", pasteHint},
	{"login TOKEN=" + testKey, "a key is not an argument", pasteHint},
	{"login < " + testKey, "a key is not an argument", pasteHint},
	{"project " + testKey, "a key is not an argument", pasteHint},
	{"api me " + testKey, "a key is not an argument", pasteHint},
	{"completion " + testKey, "a key is not an argument", pasteHint},
	{"help " + testKey, "a key is not an argument", pasteHint},
	{"--" + testKey, "a key is not an argument", pasteHint},
	{"--" + testKey + "=1 login", "a key is not an argument", pasteHint},
	{"login --tokn=" + testKey, "unknown flag '--tokn'", meant("login --token KEY")},
	{"login --tokn=canary", "unknown flag '--tokn'", meant("login --token KEY")},
	{"login --tokn canary", "unknown flag '--tokn'", meant("login --token KEY")},
	{"logn --token canary", "unknown command 'logn'", meant("login --token KEY")},
	{"whoami -jsn " + testKey, "a key is not an argument", pasteHint},
	{"whoami -jsn a&b", "unknown flag '-jsn'", meant("whoami --json")},
	{"whoami --quiet=" + testKey, "--quiet takes no value", "usage: microtica whoami"},
	{"whoami --bogus=" + testKey, "a key is not an argument", pasteHint},
}

const (
	envUsage        = "usage: microtica env list [--project ID]"
	loginUsage      = "usage: microtica login [--token KEY] [--no-verify]"
	completionUsage = "usage: microtica completion bash|zsh|fish"
	pasteHint       = "run 'microtica login' and paste the key there"
)

var long = strings.Repeat("é", 301)

func meant(line string) string { return "did you mean 'microtica " + line + "'?" }

// TestAWrongCommandLineIsToldWhatToType runs every wrong line. None makes a request or reads stdin.
func TestAWrongCommandLineIsToldWhatToType(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	for _, test := range usageErrors {
		if needsQuery(test.line) {
			continue
		}
		s := newShell(t, api).with("MICROTICA_TOKEN", testKey)
		s.input = failingReader{t}
		s.want(usageError(test.message, test.hint), strings.Fields(test.line)...)
	}
	if seen := api.seen(); seen != "" {
		t.Errorf("requests were made: %s", seen)
	}
}

// failingReader is a stdin that must not be read.
type failingReader struct{ t *testing.T }

func (r failingReader) Read([]byte) (int, error) {
	r.t.Error("stdin was read")
	return 0, nil
}

// TestAnEmptyWordIsUnknown covers what strings.Fields cannot give.
func TestAnEmptyWordIsUnknown(t *testing.T) {
	t.Parallel()
	s := newShell(t, nil)
	s.want(usageError("unknown command ''", "run 'microtica help'"), "")
	s.want(usageError("unexpected argument ''", "usage: microtica whoami"), "whoami", "")
	s.want(usageError("unexpected argument 'my key'", meant("login < …")),
		"login", "my key")
	s.want(usageError(`unknown command 'a\x1b[2J'`, "run 'microtica help'"), "a\x1b[2J")
}

// TestHintsCanBeTyped runs every command line that a hint names: it may fail for another reason,
// but must not be a wrong command line again.
func TestHintsCanBeTyped(t *testing.T) {
	t.Parallel()
	fill := strings.NewReplacer("KEY", testKey, "ID", "5f1c", "EXPR", "type(@)")
	for _, test := range usageErrors {
		line, ok := strings.CutPrefix(test.hint, "did you mean 'microtica ")
		// Some have a second thing wrong, or leave one to the user.
		second := strings.ContainsAny(line, "<…") || strings.Contains(line, " -q") ||
			strings.Contains(line, "via")
		if !ok || second || needsQuery(test.line) {
			continue
		}
		s := newShell(t, newFakeAPI(t)).with("MICROTICA_TOKEN", testKey)
		s.stdin = testKey
		got := s.run(strings.Fields(fill.Replace(strings.TrimSuffix(line, "'?")))...)
		if got.code == 2 && !strings.Contains(got.stderr, "no project:") {
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
		{"--json", "no command given", "run 'microtica help'"},
		{"-json", "no command given", "run 'microtica help'"},
		{"--json whoam", "unknown command 'whoam'", meant("whoami --json")},
		{"whoam --json", "unknown command 'whoam'", meant("whoami --json")},
		{"--bogus -json", "unknown flag '--bogus'", "run 'microtica help'"},
		{"--json=1 whoami", "--json takes no value", "usage: microtica whoami"},
		{"whoami --json=true", "--json takes no value", "usage: microtica whoami"},
		{"login --token --json", "--token needs a value: --token KEY", loginUsage},
		{"help frobnicate --json", "no help on 'frobnicate'", "run 'microtica help'"},
		{"completion tcsh --json", "unknown shell 'tcsh'", completionUsage},
	} {
		s.want(usageErrorJSON(test.message, test.hint), strings.Fields(test.line)...)
	}
	if findFlag("query") == nil {
		return
	}
	s.want(usageError("unknown command 'whoam'", meant("whoami --query via")),
		"--query", "via", "whoam")
	text, json := s.run("whoami", "--query", "via["), s.run("whoami", "--query", "via[", "--json")
	if text.code != 2 || !strings.HasPrefix(text.stderr, "error: bad query") ||
		!strings.Contains(text.stderr, "\n  via[\n      ^\n") {
		t.Errorf("a bad query without --json: %s", text)
	}
	if json.code != 2 || !strings.HasPrefix(json.stderr, `{"error":{"code":"query.syntax",`) {
		t.Errorf("a bad query with --json: %s", json)
	}
}

// TestGlobalFlagsCanBeAnywhere runs one command with its flags in every place.
func TestGlobalFlagsCanBeAnywhere(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	start, end := strings.Index(stagesBody, "[{"), strings.Index(stagesBody, `,"pipelines"`)
	want := result{stagesBody[start:end] + "\n", "", 0}
	for _, line := range []string{
		"--json --project 5f1c env list",
		"env --json list --project 5f1c",
		"env list --json --project=5f1c",
		"-json env -project 5f1c list",
		"--project=5f1c env --quiet list -json",
		"env list --json --json --project 5f1c --quiet --quiet --json",
		"--json --project 5f1c -- env list",
		"--json --project 5f1c env -- list",
	} {
		newShell(t, api).with("MICROTICA_TOKEN", testKey).want(want, strings.Fields(line)...)
	}
}

// TestVersionSaysWhatWasBuilt covers the version in text and JSON, and the flag of that name.
func TestVersionSaysWhatWasBuilt(t *testing.T) {
	t.Parallel()
	s := newShell(t, nil)
	text, json := s.run("version"), s.run("version", "--json")
	platform := runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH
	s.want(result{"microtica dev (" + platform + ")\n", "", 0}, "version")
	s.want(result{`{"version":"dev","go":"` + runtime.Version() + `","os":"` + runtime.GOOS +
		`","arch":"` + runtime.GOARCH + `"}` + "\n", "", 0}, "version", "--json")
	s.want(text, "--version")
	s.want(text, "version", "--quiet")
	s.want(text, "version", "--version")
	s.want(json, "--version", "--json")
	s.want(json, "--json", "--version")
	want := result{"microtica test (" + platform + ")\n", "", 0}
	if got := process(t, nil, "", "version"); got != want {
		t.Errorf("the built binary says %s", got)
	}
}

// TestVariablesAreTrimmed covers white space around a value, and a value of nothing else.
func TestVariablesAreTrimmed(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	s := newShell(t, api).with("MICROTICA_TOKEN", testKey)
	want := s.run("env", "list", "--project", "5f1c")
	s.with("MICROTICA_API_URL", "\n "+api.base()+"\t\r\n", "MICROTICA_PROJECT_ID", " 5f1c\n").
		want(want, "env", "list")
	without := newShell(t, api).with("MICROTICA_TOKEN", testKey).run("env", "list")
	s.with("MICROTICA_PROJECT_ID", " \t ").want(without, "env", "list")
	if want.code != 0 || without.code != 2 {
		t.Errorf("with a project: %s\nwithout: %s", want, without)
	}
}
