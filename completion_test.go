package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
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
		s.want(script, "completion", "--json", shell)
	}
}

// TestTextThatCannotBeWrittenIsAnError covers what is printed without print: scripts and help.
func TestTextThatCannotBeWrittenIsAnError(t *testing.T) {
	t.Parallel()
	s := newShell(t, nil)
	s.output = &fullDisk{}
	want := result{"", "error: cannot write to stdout: no space left on device\n", 1}
	for _, line := range []string{"completion bash", "help", "help errors", "whoami --help"} {
		s.want(want, strings.Fields(line)...)
	}
}

// completionCases are command lines up to the cursor, and all that can follow. FLAGS are the flags
// of every command.
var completionCases = []struct{ line, want string }{
	{"microtica pro", "project"},
	{"microtica project ", "list FLAGS"},
	{"microtica project l", "list"},
	{"microtica login ", "FLAGS --token --no-verify"},
	{"microtica login --no", "--no-verify"},
	{"microtica login --t", "--token"},
	{"microtica login < ke", ""},
	{"microtica whoami ", "FLAGS"},
	{"microtica whoami --t", ""},
	{"microtica --json env ", "list FLAGS"},
	{"microtica env --project 5f1c l", "list"},
	{"microtica env list --project ", ""},
	{"microtica login --token ", ""},
	{"microtica --query '[].id' project ", "list FLAGS"},
	{"microtica --ver", "--version"},
	{"microtica whoami --ver", ""},
	{"microtica api ", "FLAGS"},
	{"microtica api projects/", ""},
	{"microtica completion ", "bash zsh fish FLAGS"},
	{"microtica completion z", "zsh"},
	{"microtica help e", "env environment errors"},
	{"microtica help env ", "list"},
	{"microtica help f", "flags"},
	{"microtica nonsense ", ""},
}

// wantCompletions calls check for each case that holds for this build.
func wantCompletions(check func(line, want string)) {
	global := "--" + strings.Join(globalFlags(), " --")
	for _, test := range completionCases {
		if !needsQuery(test.line) {
			check(test.line, strings.Replace(test.want, "FLAGS", global, 1))
		}
	}
}

// TestCompletionOffersWhatParseAccepts holds what is offered against the tables and the parser.
func TestCompletionOffersWhatParseAccepts(t *testing.T) {
	t.Parallel()
	next := map[string][]string{}
	for _, c := range completions() {
		if _, twice := next[c.after]; twice {
			t.Errorf("%q is there twice", c.after)
		}
		next[c.after] = c.next
	}
	for _, c := range commands() {
		at := ""
		for word := range strings.FieldsSeq(c.name) {
			if !slices.Contains(next[at], word) {
				t.Errorf("%q is not offered after %q", word, at)
			}
			if help := strings.TrimSpace("help " + at); !slices.Contains(next[help], word) {
				t.Errorf("%q is not offered after %q", word, help)
			}
			at = strings.TrimSpace(at + " " + word)
		}
		for _, f := range flags {
			if c.takes(f) != slices.Contains(next[c.name], "--"+f.name) && c.name != "help" {
				t.Errorf("--%s after %q is offered: %v", f.name, c.name, !c.takes(f))
			}
		}
	}
	s := newShell(t, nil)
	for _, topic := range next["help"] {
		if got := s.run("help", topic); got.code != 0 {
			t.Errorf("help %s is offered: %s", topic, got)
		}
	}
}

// completer returns a function that asks a real shell for completions of a command line. It skips
// the test if that shell is not here.
func completer(t *testing.T, shell, script string) func(args ...string) string {
	path, err := exec.LookPath(shell)
	if err != nil {
		t.Skipf("there is no %s here", shell)
	}
	file := filepath.Join(t.TempDir(), "completion")
	text := newShell(t, nil).run("completion", shell).stdout
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(args ...string) string {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		command := []string{"-c", script, shell, file}
		if shell == "fish" {
			command = []string{"-c", script, file}
		}
		cmd := exec.CommandContext(ctx, path, append(command, args...)...)
		cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "TERM=dumb"}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s %q: %v\n%s", shell, args, err, out)
		}
		return strings.Join(strings.Fields(string(out)), " ")
	}
}

// TestBashCompletes sources the script and asks for completions as bash does.
func TestBashCompletes(t *testing.T) {
	t.Parallel()
	complete := completer(t, "bash", `source "$1"; shift
		COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
		_microtica
		echo "${COMPREPLY[@]}"
		complete -p microtica | grep -q -- '-o bashdefault -o default -F _microtica'`)
	wantCompletions(func(line, want string) {
		if got := complete(strings.Split(line, " ")...); got != want {
			t.Errorf("%q completes to %q, want %q", line, got, want)
		}
	})
	// This is how bash splits --project=x.
	if got := complete("microtica", "--project", "=", "x", "env", "l"); got != "list" {
		t.Errorf("--project=x env l completes to %q", got)
	}
}

// TestFishCompletes asks fish itself.
func TestFishCompletes(t *testing.T) {
	t.Parallel()
	complete := completer(t, "fish", `source $argv[1]; complete -C "$argv[2]"`)
	wantCompletions(func(line, all string) {
		want, typed := strings.Fields(all), line[strings.LastIndex(line, " ")+1:]
		got := slices.DeleteFunc(strings.Fields(complete(line)), func(word string) bool {
			return !strings.HasPrefix(word, typed) // fish also offers words that hold the letters
		})
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%q completes to %q, want %q", line, got, want)
		}
	})
}

// TestZshCompletes replaces what zsh offers by a function that prints it.
func TestZshCompletes(t *testing.T) {
	t.Parallel()
	complete := completer(t, "zsh", `compdef() { :; }; source "$1"; shift
		compadd() {
			shift
			for word in "$@"; do
				[[ $word == "${words[CURRENT]}"* ]] && echo $word
			done
			return 0
		}
		words=("$@"); CURRENT=$#; _microtica; true`)
	wantCompletions(func(line, want string) {
		if got := complete(strings.Split(line, " ")...); got != want {
			t.Errorf("%q completes to %q, want %q", line, got, want)
		}
	})
}
