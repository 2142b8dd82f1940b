package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestCompletionNeedsOneShell covers what is no shell.
func TestCompletionNeedsOneShell(t *testing.T) {
	s := newShell(t, nil)
	const hint = "run 'microtica help completion'"
	s.want(usageError("no shell is named: bash, zsh, fish", hint), "completion")
	s.want(usageError("unknown shell 'tcsh': it is one of bash, zsh, fish", hint), "completion", "tcsh")
	s.want(usageError("unknown shell that looks like a key: it is one of bash, zsh, fish", hint), "completion", testKey)
	s.want(usageError("unexpected argument 'zsh'", hint), "completion", "bash", "zsh")
	for _, shell := range shells {
		s.want(s.run("completion", shell), "--json", "completion", shell, "--quiet")
	}
}

// completionCases are command lines up to the cursor, and all that can stand there.
var completionCases = []struct{ line, want string }{
	{"microtica pro", "project"},
	{"microtica project ", "list --json --query --raw --quiet --project --help"},
	{"microtica project l", "list"},
	{"microtica login --no", "--no-verify"},
	{"microtica login --t", "--token"},
	{"microtica whoami --t", ""},
	{"microtica --json env ", "list --json --query --raw --quiet --project --help"},
	{"microtica env --project 5f1c l", "list"},
	{"microtica env list --project ", ""},
	{"microtica login --token ", ""},
	{"microtica --query '[].id' project ", "list --json --query --raw --quiet --project --help"},
	{"microtica --ver", "--version"},
	{"microtica completion z", "zsh"},
	{"microtica help e", "env"},
	{"microtica help env ", "list"},
	{"microtica nonsense ", ""},
}

// TestCompletionKnowsEveryWord holds the candidates against the command table and what parse accepts.
func TestCompletionKnowsEveryWord(t *testing.T) {
	_, next := completions()
	for _, c := range commands() {
		at := ""
		for _, word := range strings.Fields(c.name) {
			if !slices.Contains(next[at], word) || !slices.Contains(next[strings.TrimSpace("help "+at)], word) {
				t.Errorf("%q is not offered behind %q", word, at)
			}
			at = strings.TrimSpace(at + " " + word)
		}
		for _, candidate := range next[c.name] {
			if flag, ok := strings.CutPrefix(candidate, "--"); ok && flag != "help" {
				args := append(strings.Fields(c.name), candidate)
				if strings.Contains(" "+valueFlags+" ", " "+candidate+" ") {
					args = append(args, "x")
				}
				if _, err := (&app{}).parse(args); err != nil {
					t.Errorf("%q is offered but %v", args, err)
				}
			}
		}
	}
}

// completer asks a real shell; it skips where there is none.
func completer(t *testing.T, shell, script string) func(args ...string) string {
	path, err := exec.LookPath(shell)
	if err != nil {
		t.Skipf("there is no %s here", shell)
	}
	file := filepath.Join(t.TempDir(), "completion")
	if err := os.WriteFile(file, []byte(newShell(t, nil).run("completion", shell).stdout), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(args ...string) string {
		cmd := exec.Command(path, append([]string{"-c", script, shell, file}, args...)...)
		if shell == "fish" {
			cmd.Args = append([]string{path, "-c", script, file}, args...)
		}
		cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "TERM=dumb"}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s %q: %v\n%s", shell, args, err, out)
		}
		words := strings.Fields(string(out))
		return strings.Join(words, " ")
	}
}

// TestBashCompletes sources the script and asks for completions as bash does.
func TestBashCompletes(t *testing.T) {
	complete := completer(t, "bash", `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _microtica; echo "${COMPREPLY[@]}"; complete -p microtica >/dev/null`)
	for _, test := range completionCases {
		if got := complete(strings.Split(test.line, " ")...); got != test.want {
			t.Errorf("%q completes to %q, want %q", test.line, got, test.want)
		}
	}
	if got := complete("microtica", "--project", "=", "x", "env", "l"); got != "list" { // how bash splits --project=x
		t.Errorf("--project=x env l completes to %q", got)
	}
}

// TestFishCompletes asks fish itself.
func TestFishCompletes(t *testing.T) {
	complete := completer(t, "fish", `source $argv[1]; complete -C "$argv[2]"`)
	for _, test := range completionCases {
		want, typed := strings.Fields(test.want), test.line[strings.LastIndex(test.line, " ")+1:]
		got := slices.DeleteFunc(strings.Fields(complete(test.line)), func(word string) bool {
			return !strings.HasPrefix(word, typed) // fish also offers what only holds the letters somewhere
		})
		slices.Sort(want)
		slices.Sort(got)
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%q completes to %q, want %q", test.line, got, want)
		}
	}
}

// TestZshCompletes replaces what zsh offers by a function that prints it.
func TestZshCompletes(t *testing.T) {
	complete := completer(t, "zsh", `compdef() { :; }; source "$1"; shift
		compadd() { shift; for word in "$@"; do [[ $word == "${words[CURRENT]}"* ]] && echo $word; done; return 0; }
		words=("$@"); CURRENT=$#; _microtica; true`)
	for _, test := range completionCases {
		if got := complete(strings.Split(test.line, " ")...); got != test.want {
			t.Errorf("%q completes to %q, want %q", test.line, got, test.want)
		}
	}
}
