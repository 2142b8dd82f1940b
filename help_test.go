package main

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestHelpPrintsWhatTheWordsName covers the ways to ask for a page, and that nothing else runs or
// changes it.
func TestHelpPrintsWhatTheWordsName(t *testing.T) {
	t.Parallel()
	s := newShell(t, "").save(otherKey)
	for line, begins := range map[string]string{
		"help":                             "microtica: log in to Microtica",
		"-h":                               "microtica: log in to Microtica",
		"whoam --help":                     "microtica: log in to Microtica",
		"--help --bogus=x --project":       "microtica: log in to Microtica",
		"help login":                       "usage: microtica login [--token KEY] [--no-verify]\n",
		"login -h":                         "usage: microtica login [--token KEY] [--no-verify]\n",
		"login --token -h":                 "usage: microtica login [--token KEY] [--no-verify]\n",
		"logout --keep --help --json=x":    "usage: microtica logout\n",
		"---x -= whoami --help":            "usage: microtica whoami\n",
		"whoami -h --version now":          "usage: microtica whoami\n",
		"project -h":                       "usage: microtica project list\n",
		"help project":                     "usage: microtica project list\n",
		"project lst -h":                   "usage: microtica project list\n",
		"--project 5f1c env list x --help": "usage: microtica env list [--project ID]\n",
		"help help":                        "usage: microtica help [COMMAND|TOPIC]\n",
		"help foo -h":                      "usage: microtica help [COMMAND|TOPIC]\n",
		"help errors --json --quiet":       "microtica help errors: errors, exit",
		"environment -h":                   "microtica help environment: the variables\n",
	} {
		got := s.run(strings.Fields(line)...)
		if !strings.HasPrefix(got.stdout, begins) || got.stderr != "" || got.exit != 0 {
			t.Errorf("microtica %s\n%s\nwant %s", line, got, begins)
		}
	}
	s.want(wrong{"usage", "unexpected argument '-h'", usageLogout, 0}.fails("", false),
		"logout", "--", "-h")
	s.wantStored(otherKey)
}

// TestHelpPages are at most 80 columns wide. A command's page has its usage line, what it does, its
// JSON, and an example that begins with microtica or a comment. Without --query no page names it.
func TestHelpPages(t *testing.T) {
	t.Parallel()
	texts := []string{overview()}
	const token = "\n  --token KEY     login: the key itself, instead of stdin\n"
	if !strings.Contains(texts[0], token) {
		t.Errorf("the overview does not say whose flag --token is:\n%s", texts[0])
	}
	for _, c := range commands {
		text := pages(strings.Fields(c.name))
		texts = append(texts, text)
		if c.run == nil {
			continue
		}
		for _, part := range []string{"usage: " + c.usage() + "\n\n", "JSON: ", "\nExample"} {
			if !strings.Contains(text, part) {
				t.Errorf("the page on %s lacks %q", c.name, part)
			}
		}
		if !strings.Contains(overview(), "  "+c.usage()+"  ") {
			t.Errorf("the overview lacks %s", c.name)
		}
	}
	for _, text := range texts {
		for line := range strings.Lines(text) {
			line = strings.TrimSuffix(line, "\n")
			if utf8.RuneCountInString(line) > 80 || strings.TrimRight(line, " ") != line {
				t.Errorf("wider than 80 columns, or with spaces at its end: %q", line)
			}
		}
		if !strings.HasSuffix(text, "\n") || strings.Contains(text, "\n\n\n") {
			t.Errorf("a page ends or is spaced badly:\n%s", text)
		}
		for _, word := range []string{"--query", "--raw", "JMESPath"} {
			if withoutQuery() && strings.Contains(text, word) {
				t.Errorf("--query is left out, but a page speaks of %s:\n%s", word, text)
			}
		}
	}
}

// TestHelpOnErrorsListsAllCodes by exit status; those that are retryable have a star.
func TestHelpOnErrorsListsAllCodes(t *testing.T) {
	t.Parallel()
	page := strings.Join(strings.Fields(helpErrors.help), " ")
	for exit, codes := range exitStatuses {
		names := strings.Fields(codes)
		for i, name := range names {
			if slices.Contains(strings.Fields(retryable), name) {
				names[i] += "*"
			}
		}
		if all := ": " + strings.Join(names, ", ") + " "; !strings.Contains(page, all) {
			t.Errorf("help errors lacks%s for exit status %d", all, exit)
		}
	}
}

// TestCompletionOffersAllWordsAndFlags to each shell. (A real bash uses them in check.)
func TestCompletionOffersAllWordsAndFlags(t *testing.T) {
	t.Parallel()
	s := newShell(t, "")
	for shell, around := range map[string][2]string{
		"bash": {"complete -o bashdefault -o default -W '", "' microtica\n"},
		"zsh":  {"#compdef microtica\ncompadd -- ", "\n"},
		"fish": {"complete -c microtica -a '", "'\n"},
	} {
		got := s.run("completion", shell, "--json")
		text, begins := strings.CutPrefix(got.stdout, around[0])
		text, ends := strings.CutSuffix(text, around[1])
		words := strings.Fields(text)
		if !begins || !ends || got.stderr != "" || got.exit != 0 || !slices.IsSorted(words) {
			t.Errorf("%s: %s", shell, got)
		}
		for _, word := range strings.Fields("login logout whoami project list env api completion " +
			"version help environment errors bash zsh fish --json --quiet --project --token " +
			"--no-verify --version --help") {
			if !slices.Contains(words, word) {
				t.Errorf("%s: %s is missing", shell, word)
			}
		}
	}
}
