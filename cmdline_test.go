package main

import (
	"strings"
	"testing"

	"microtica/internal/fakeapi"
)

// Usage lines, as hints show them.
const (
	usageLogin   = "usage: microtica login [--token KEY] [--no-verify]"
	usageLogout  = "usage: microtica logout"
	usageWhoami  = "usage: microtica whoami"
	usageProject = "usage: microtica project list"
	usageEnv     = "usage: microtica env list [--project ID]"
	usageAPI     = "usage: microtica api PATH"
	usageHelp    = "usage: microtica help [COMMAND|TOPIC]"
	seeHelp      = "run 'microtica help'"
)

// TestWrongLineNamesItsFirstErrorAndRunsNothing covers each kind of wrong line. A word is separated
// by a space; EMPTY stands for an empty one.
func TestWrongLineNamesItsFirstErrorAndRunsNothing(t *testing.T) {
	t.Parallel()
	api := fakeapi.New(t)
	s := newShell(t, api.Base()).save(otherKey + "\n")
	s.stdin = testKey
	for _, test := range []struct{ line, message, hint string }{
		// Words.
		{"whoam", "unknown command 'whoam'", "did you mean 'microtica whoami'?"},
		{"WHOAMI", "unknown command 'WHOAMI'", "did you mean 'microtica whoami'?"},
		{"ai", "unknown command 'ai'", "did you mean 'microtica api'?"},
		{"pi5", "unknown command 'pi5'", seeHelp},
		{"status now", "unknown command 'status'", seeHelp},
		{"-", "unknown command '-'", seeHelp},
		{"EMPTY", "unknown command ''", seeHelp},
		{"-- --json", "unknown command '--json'", seeHelp},
		{"project", "unknown command 'project'", usageProject},
		{"project lst", "unknown command 'project lst'", "did you mean 'microtica project list'?"},
		{"porject list x", "unknown command 'porject'", "did you mean 'microtica project list'?"},
		{"env show p1", "unknown command 'env show'", usageEnv},
		{"list projects", "unknown command 'list'", seeHelp},
		{"environment", "unknown command 'environment'", seeHelp}, // a topic

		// Arguments.
		{"whoami now", "unexpected argument 'now'", usageWhoami},
		{"env list 5f1c 77aa", "unexpected argument '5f1c'", usageEnv},
		{"whoami -- --quiet", "unexpected argument '--quiet'", usageWhoami},
		{"logout EMPTY", "unexpected argument ''", usageLogout},
		{"login hunter2", "'microtica login' takes no argument", usageLogin},
		{"login " + testKey, "'microtica login' takes no argument", usageLogin},
		{"api", "'microtica api' needs an argument: PATH", usageAPI},
		{"api me projects", "unexpected argument 'projects'", usageAPI},
		{"completion", "'microtica completion' needs an argument: bash|zsh|fish",
			"usage: microtica completion bash|zsh|fish"},
		{"completion csh", "no completion for 'csh'", "usage: microtica completion bash|zsh|fish"},
		{"help enviroment", "no help on 'enviroment'",
			"did you mean 'microtica help environment'?"},
		{"help project lst", "no help on 'project lst'",
			"did you mean 'microtica help project list'?"},
		{"help project list all", "no help on 'project list all'", usageHelp},

		// Flags.
		{"logout --keep", "unknown flag '--keep'", usageLogout},
		{"logout -keep=x", "unknown flag '-keep'", usageLogout},
		{"--jsn=secret whoami", "unknown flag '--jsn'", "did you mean --json?"},
		{"whoami --QUIET", "unknown flag '--QUIET'", "did you mean --quiet?"},
		{"whoami -v", "unknown flag '-v'", usageWhoami},
		{"whoami -help", "unknown flag '-help'", usageWhoami},
		{"whoami --h", "unknown flag '--h'", usageWhoami},
		{"whoami ---json", "unknown flag '---json'", "did you mean --json?"},
		{"whoami --=x", "unknown flag '--'", usageWhoami},
		{"--bogus hunter2", "unknown flag '--bogus'", seeHelp},
		{"whoami --json=true", "--json takes no value", usageWhoami},
		{"whoami --json=", "--json takes no value", usageWhoami},
		{"login --no-verify=false", "--no-verify takes no value", usageLogin},
		{"env list --project", "--project needs a value: --project ID", usageEnv},
		{"env list --project=", "--project needs a value: --project ID", usageEnv},
		{"env list --project EMPTY", "--project needs a value: --project ID", usageEnv},
		{"env list -project -5", "--project needs a value: --project ID", usageEnv},
		{"env list --project --quiet", "--project needs a value: --project ID", usageEnv},
		{"env list --project=-5 --project 5f1c", "--project needs a value: --project ID", usageEnv},
		{"login --token", "--token needs a value: --token KEY", usageLogin},
		{"login --token= --token " + testKey, "--token needs a value: --token KEY", usageLogin},
		{"whoami --token " + testKey, "only login takes --token", "set MICROTICA_TOKEN to the key"},
		{"logout --no-verify", "only login takes --no-verify", usageLogout},
		{"whoami --version", "--version goes with no command", usageWhoami},
		{"--version whoam", "--version goes with no command", seeHelp},

		// Shaped like a key.
		{testKey, "unknown command 'mic_d60bea1d_…", seeHelp},
		{"whoami x=" + testKey, "unexpected argument 'x=mic_d60bea1d_…", usageWhoami},
		{"--" + testKey + "=x whoami", "unknown flag '--'", usageWhoami},
		{"whoami -k" + testKey, "unknown flag '-k'", usageWhoami},
		{"login -k" + testKey, "unknown flag '--…'", usageLogin},
		{"login --phunter2", "unknown flag '--…'", usageLogin},
		{"login --no-verfy", "unknown flag '--…'", "did you mean --no-verify?"},
		{"project list dynamic_web_x", "unexpected argument 'dynamic_web_x'", usageProject},
		{"a\x1b[2J", "unknown command 'a\x1b[2J'", seeHelp},
	} {
		args := strings.Split(test.line, " ")
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "EMPTY", "")
		}
		s.wantError(wrong{"usage", test.message, test.hint, 0}, args...)
	}
	if withoutQuery() {
		s.wantError(wrong{"usage", "unknown flag '--query'", usageWhoami, 0}, "whoami", "--query=@")
		s.wantError(wrong{"usage", "unknown flag '--raw'", usageWhoami, 0}, "whoami", "--raw")
	}
	s.wantStored(otherKey + "\n")
	if seen := api.Seen(); seen != "" {
		t.Errorf("requests were made: %s", seen)
	}
}

// TestNoCommandPrintsTheOverview on stderr, or an error if JSON is wanted.
func TestNoCommandPrintsTheOverview(t *testing.T) {
	t.Parallel()
	s := newShell(t, "")
	for _, line := range []string{"", "--quiet", "--project 5f1c --"} {
		s.want(result{"", overview(), 2}, strings.Fields(line)...)
	}
	for _, line := range []string{"--json", "-json --quiet"} {
		s.want(wrong{"usage", "no command given", seeHelp, 0}.fails("", true),
			strings.Fields(line)...)
	}
}

// TestFlagsWorkAnywhere gives flags with one dash or two, before, between and after the words; the
// later of two values counts. What follows -- is a word.
func TestFlagsWorkAnywhere(t *testing.T) {
	t.Parallel()
	api, s := newUser(t)
	s.with("MICROTICA_PROJECT_ID", "other")
	stages := `[{"id":"e1","name":"production","description":"","status":"deployed",` +
		`"lastDeployed":1790154420000},` +
		`{"id":"e2","name":"staging","description":"","status":"pending"}]` + "\n"
	for _, line := range []string{
		"env list --project 5f1c --json",
		"--json --project=5f1c env list",
		"-project=77aa env -json -project 5f1c list",
		"env --json --project 5f1c -- list",
		"env list --project x --project 5f1c --json --json --quiet",
	} {
		s.want(result{stages, "", 0}, strings.Fields(line)...)
		if seen := api.Seen(); seen != "/projects/5f1c/details" {
			t.Errorf("%s asks for %q", line, seen)
		}
	}
}

// TestVersion as a command and as a flag.
func TestVersion(t *testing.T) {
	t.Parallel()
	s := newShell(t, "")
	for _, line := range []string{"version", "--version", "-version", "--quiet --version"} {
		got := s.run(strings.Fields(line)...)
		if !strings.HasPrefix(got.stdout, "microtica dev (go1.") || got.stderr != "" ||
			got.exit != 0 || strings.Count(got.stdout, "\n") != 1 {
			t.Errorf("microtica %s\n%s", line, got)
		}
		got = s.run(strings.Fields(line + " --json")...)
		if !strings.HasPrefix(got.stdout, `{"version":"dev","go":"go1.`) || got.stderr != "" ||
			!strings.Contains(got.stdout, `","os":"`) ||
			!strings.Contains(got.stdout, `","arch":"`) {
			t.Errorf("microtica %s --json\n%s", line, got)
		}
	}
}
