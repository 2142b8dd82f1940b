package main

import (
	"strings"
	"testing"
)

func usageError(message, hint string) result {
	return result{"", "error: " + message + "\nhint: " + hint + "\n", 2}
}

// TestWrongWordsAreUsageErrors covers what a command line can have wrong, each with its message and one way out.
func TestWrongWordsAreUsageErrors(t *testing.T) {
	for _, test := range []struct{ line, message, hint string }{
		{"whoam", "unknown command 'whoam'", "did you mean whoami?"},
		{"Login", "unknown command 'Login'", "did you mean login?"},
		{"frobnicate", "unknown command 'frobnicate'", "run 'microtica help'"},
		{"list", "unknown command 'list'", "run 'microtica help'"},
		{"projects", "unknown command 'projects'", "did you mean project?"},
		{"stage list", "unknown command 'stage'", "run 'microtica help'"},
		{"project", "'microtica project' needs a subcommand: list", "run 'microtica help project'"},
		{"env", "'microtica env' needs a subcommand: list", "run 'microtica help env'"},
		{"--quiet env", "'microtica env' needs a subcommand: list", "run 'microtica help env'"},
		{"project lst", "unknown project command 'lst'", "did you mean list?"},
		{"env delete", "unknown env command 'delete'", "run 'microtica help env'"},
		{"whoami now", "unexpected argument 'now'", "run 'microtica help whoami'"},
		{"project list 5f1c", "unexpected argument '5f1c'", "run 'microtica help project list'"},
		{"whoami --quiet now --project 5f1c", "unexpected argument 'now'", "run 'microtica help whoami'"},
		{"--version whoami", "unexpected argument 'whoami'", "run 'microtica help version'"},
		{"whoami -- --quiet", "unexpected argument '--quiet'", "run 'microtica help whoami'"},
		{"--qiet whoami", "unknown flag '--qiet'", "did you mean --quiet?"},
		{"whoami -jsn", "unknown flag '-jsn'", "did you mean --json?"},
		{"whoami --token x", "unknown flag '--token'", "run 'microtica help'"},
		{"whoami --version", "unknown flag '--version'", "run 'microtica help'"},
		{"login --frobnicate=1", "unknown flag '--frobnicate'", "run 'microtica help'"},
		{"login --no-verfy", "unknown flag '--no-verfy'", "did you mean --no-verify?"},
		{"whoami ---quiet", "unknown flag '---quiet'", "did you mean --quiet?"},
		{"whoami --quiet --quiet", "--quiet is given twice", "run 'microtica help'"},
		{"--project a env --project a list", "--project is given twice", "run 'microtica help'"},
		{"login --token a --token b", "--token is given twice", "run 'microtica help'"},
		{"whoami --quiet=yes", "--quiet takes no value", "run 'microtica help'"},
		{"login --token", "--token needs a value", "run 'microtica help'"},
		{"login --token -x", "--token needs a value", "run 'microtica help'"},
		{"login --token=-x", "--token needs a value", "run 'microtica help'"},
		{"login --token --quiet", "--token needs a value", "run 'microtica help'"},
		{"env list --project", "--project needs a value", "run 'microtica help'"},
		{"env list --project --quiet", "--project needs a value", "run 'microtica help'"},
		{"help frobnicate", "unknown command 'frobnicate'", "run 'microtica help'"},
		{"help env lst", "unknown command 'env lst'", "run 'microtica help'"},
		// What may be a key is never shown.
		{testKey, "unknown command that looks like a key", "run 'microtica help'"},
		{"login " + testKey, "unexpected argument that looks like a key", "run 'microtica help login'"},
		{"--" + testKey, "unknown flag that looks like a key", "run 'microtica help'"},
		{"login --tokn=" + testKey, "unknown flag '--tokn'", "did you mean --token?"},
		{"project " + testKey, "unknown project command that looks like a key", "run 'microtica help project'"},
		{"help " + testKey, "unknown command that looks like a key", "run 'microtica help'"},
		{"whoami --quiet=" + testKey, "--quiet takes no value", "run 'microtica help'"},
		{"env list --project " + testKey, "--project holds what looks like an API key, not a project's id", "run 'microtica project list' to see the projects' ids"},
		{"env list --project ..", "--project is not a project's id: ..", "run 'microtica project list' to see the projects' ids"},
		{"env list --project .", "--project is not a project's id: .", "run 'microtica project list' to see the projects' ids"},
		{"whoami --project=", "--project is empty", "run 'microtica project list' to see the projects' ids"},
	} {
		api := newFakeAPI(t)
		s := newShell(t, api).with("MICROTICA_TOKEN", testKey)
		s.want(usageError(test.message, test.hint), strings.Fields(test.line)...)
		if seen := api.seen(); seen != "" {
			t.Errorf("%s made requests: %s", test.line, seen)
		}
	}
}

// TestErrorsAreJSONWhereverTheFlagStands covers errors found before the flag is.
func TestErrorsAreJSONWhereverTheFlagStands(t *testing.T) {
	const usage = `,"httpStatus":null,"retryAfter":null,"retryable":false,"exitCode":2}}` + "\n"
	for _, test := range []struct{ line, want string }{
		{"--json whoam", `{"error":{"code":"usage","message":"unknown command 'whoam'","hint":"did you mean whoami?"` + usage},
		{"whoam --json", `{"error":{"code":"usage","message":"unknown command 'whoam'","hint":"did you mean whoami?"` + usage},
		{"--bogus -json", `{"error":{"code":"usage","message":"unknown flag '--bogus'","hint":"run 'microtica help'"` + usage},
		{"--json=1 whoami", `{"error":{"code":"usage","message":"--json takes no value","hint":"run 'microtica help'"` + usage},
		{"env list -- --json", `{"error":{"code":"usage","message":"unexpected argument '--json'","hint":"run 'microtica help env list'"` + usage},
		{"login --token --json", `{"error":{"code":"usage","message":"--token needs a value","hint":"run 'microtica help'"` + usage},
		{"env --json list", `{"error":{"code":"usage.project","message":"no project: use --project ID or set MICROTICA_PROJECT_ID","hint":"run 'microtica project list' to see the projects' ids"` + usage},
	} {
		newShell(t, nil).want(result{"", test.want, 2}, strings.Fields(test.line)...)
	}
}

// TestGlobalFlagsStandAnywhere runs one command with its flags in every place.
func TestGlobalFlagsStandAnywhere(t *testing.T) {
	api := newFakeAPI(t)
	want := result{stagesBody[strings.Index(stagesBody, "[{"):strings.Index(stagesBody, `,"pipelines"`)] + "\n", "", 0}
	for _, line := range []string{
		"--json --project 5f1c env list", "env --json list --project 5f1c", "env list --json --project=5f1c", "-json env -project 5f1c list",
		"--project=5f1c env --quiet list -json",
	} {
		newShell(t, api).with("MICROTICA_TOKEN", testKey).want(want, strings.Fields(line)...)
	}
}

// TestHelpIsAnAnswer covers the pages: on stdout, with exit 0, for every command, wherever the flag stands.
func TestHelpIsAnAnswer(t *testing.T) {
	s := newShell(t, nil)
	s.want(result{"", overview(), 2})
	s.want(result{"", overview(), 2}, "--json")
	for _, line := range []string{"help", "-h", "--help", "--json --help", "-help --quiet", "help --json"} {
		s.want(result{overview(), "", 0}, strings.Fields(line)...)
	}
	for _, c := range commands() {
		page := s.run(append([]string{"help"}, strings.Fields(c.name)...)...)
		if page.code != 0 || page.stderr != "" || !strings.HasPrefix(page.stdout, "microtica "+c.name) || !strings.Contains(page.stdout, "Example") ||
			!strings.Contains(page.stdout, "\n  microtica "+c.name) {
			t.Errorf("help %s: %s", c.name, page)
		}
		if !strings.Contains(overview(), "  microtica "+strings.TrimSpace(c.name+" "+c.args)) || !strings.Contains(overview(), c.about) {
			t.Errorf("the first page does not list %s", c.name)
		}
		words := strings.Fields(c.name)
		s.want(page, append(words, "-h")...)
		s.want(page, append([]string{"--help"}, words...)...)
		s.want(page, append(append([]string{"--json", words[0], "--help"}, words[1:]...), "--quiet")...)
		s.want(page, append(words, "stray", "--help")...)
	}
	s.want(result{"  microtica env list [--project ID]              list a project's environments\n", "", 0}, "help", "env")
	s.want(result{"  microtica env list [--project ID]              list a project's environments\n", "", 0}, "env", "--help")
	page := s.run("help", "login").stdout
	if stdin, token := strings.Index(page, "microtica login < key.txt"), strings.Index(page, "microtica login --token"); stdin < 0 || token < stdin {
		t.Error("login's help does not show stdin before --token")
	}
	if !strings.Contains(page, "history") || !strings.Contains(page, "process list") {
		t.Error("login's help does not say where --token shows")
	}
}

// TestVersionSaysWhatWasBuilt covers the version in text and JSON, and the flag of that name.
func TestVersionSaysWhatWasBuilt(t *testing.T) {
	s := newShell(t, nil)
	text, json := s.run("version"), s.run("version", "--json")
	if !strings.HasPrefix(text.stdout, "microtica dev (go") || text.code != 0 || text.stderr != "" {
		t.Errorf("version: %s", text)
	}
	if !strings.HasPrefix(json.stdout, `{"version":"dev","go":"go`) || json.code != 0 || json.stderr != "" {
		t.Errorf("version --json: %s", json)
	}
	s.want(text, "--version")
	s.want(text, "version", "--quiet")
	s.want(json, "--version", "--json")
	s.want(json, "--json", "--version")
	if got := process(t, nil, "", "version").stdout; got != strings.Replace(text.stdout, "dev", "test", 1) {
		t.Errorf("the built binary says %q", got)
	}
}
