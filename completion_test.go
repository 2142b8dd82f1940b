package main

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestCompletionIgnoresJSON also covers flags around the shell's name.
func TestCompletionIgnoresJSON(t *testing.T) {
	t.Parallel()
	s := newShell(t, nil)
	for _, shell := range []string{"bash", "zsh", "fish"} {
		script := s.run("completion", shell)
		if script.code != 0 || script.stderr != "" || script.stdout == "" {
			t.Errorf("completion %s: %s", shell, script)
		}
		s.want(script, "--json", "completion", shell, "--quiet")
	}
}

// completionCases are command lines up to the cursor, and all that can follow. FLAGS are the flags
// of every command.
var completionCases = []struct{ line, want string }{
	{"microtica ", "login logout whoami project env api completion version help FLAGS --version"},
	{"microtica pro", "project"},
	{"microtica project ", "list FLAGS"},
	{"microtica project l", "list"},
	{"microtica login ", "FLAGS --token --no-verify"},
	{"microtica login --no", "--no-verify"},
	{"microtica login < ke", ""},
	{"microtica whoami ", "FLAGS"},
	{"microtica whoami --t", ""},
	{"microtica --json env ", "list FLAGS"},
	{"microtica env --project 5f1c l", "list"},
	{"microtica env -project 5f1c l", "list"},
	{"microtica --project=5f1c env l", "list"},
	{"microtica --json= env l", "list"},
	{"microtica env list --project ", ""},
	{"microtica login --token ", ""},
	{"microtica --query '[].id' project ", "list FLAGS"},
	{"microtica --ver", "--version"},
	{"microtica whoami --ver", ""},
	{"microtica api projects/", ""},
	{"microtica version ", "FLAGS --version"},
	{"microtica completion ", "bash zsh fish FLAGS"},
	{"microtica help ", "login logout whoami project env api completion version help " +
		"flags environment errors"},
	{"microtica help e", "env environment errors"},
	{"microtica help env ", "list"},
	{"microtica help project ", "list"},
	{"microtica env list ", "FLAGS"},
	{"microtica nonsense ", ""},
}

// completers has a script for each shell. It reads the completion script that its first argument
// names, and prints the completions of each command line after that, one line for each.
var completers = map[string]string{
	"bash": `source "$1"; shift
		for line; do
			read -ra COMP_WORDS <<<"${line/=/ = }." # so that the last word is not empty
			COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
			COMP_WORDS[COMP_CWORD]=${COMP_WORDS[COMP_CWORD]%.}
			_microtica
			echo "${COMPREPLY[@]}"
		done
		complete -p microtica | grep -q -- '-o bashdefault -o default -F _microtica'`,
	"fish": `source $argv[2]
		for line in $argv[3..-1]
			set typed (string split " " -- $line)[-1] # fish also offers words that hold it
			echo (complete -C $line | string match -- "$typed*")
		end`,
	"zsh": `compdef() { :; }; source "$1"; shift
		compadd() {
			shift
			for word; do [[ $word == "${words[CURRENT]}"* ]] && found+=$word; done
		}
		for line; do
			words=("${(@s: :)line}") CURRENT=$#words found=()
			_microtica
			echo $found
		done`,
}

// TestShellsComplete asks real shells for completions.
func TestShellsComplete(t *testing.T) {
	t.Parallel()
	global := "--" + strings.Join(globalFlags(), " --")
	var lines, wants []string
	for _, test := range completionCases {
		if !needsQuery(test.line) {
			lines = append(lines, test.line)
			wants = append(wants, strings.Replace(test.want, "FLAGS", global, 1))
		}
	}
	for _, shell := range slices.Sorted(maps.Keys(scripts)) {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			path, err := exec.LookPath(shell)
			if err != nil {
				t.Skipf("there is no %s here", shell)
			}
			s := newShell(t, nil).with("PATH", os.Getenv("PATH"), "TERM", "dumb")
			file := filepath.Join(s.home, "completion")
			script := s.run("completion", shell).stdout
			must(t, os.WriteFile(file, []byte(script), 0o600))
			args := append([]string{"-c", completers[shell], shell, file}, lines...)
			got := program{path: path, env: s.environ()}.run(t, args...)
			printed := strings.Split(got.stdout, "\n")
			if got.code != 0 || got.stderr != "" || len(printed) != len(lines)+1 {
				t.Fatal(got)
			}
			for i, line := range lines {
				words, want := strings.Fields(printed[i]), strings.Fields(wants[i])
				slices.Sort(words)
				slices.Sort(want)
				if !slices.Equal(words, want) {
					t.Errorf("%q completes to %q, want %q", line, words, want)
				}
			}
		})
	}
}
