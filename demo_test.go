package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// session is a home directory of its own, with the fake API and the real binary.
type session struct {
	t      testing.TB
	api    *fakeAPI
	home   string
	binary string
	env    []string
}

func newSession(t testing.TB, binary string) *session {
	t.Helper()
	s := &session{t: t, api: newFakeAPI(t), home: t.TempDir(), binary: binary}
	s.env = []string{
		"HOME=" + s.home,
		"USERPROFILE=" + s.home,
		"MICROTICA_API_URL=" + s.api.base(),
		"PATH=" + filepath.Dir(binary) + string(os.PathListSeparator) + os.Getenv("PATH"),
	}
	for name, text := range map[string]string{"key.txt": testKey, "revoked.txt": otherKey} {
		if err := os.WriteFile(filepath.Join(s.home, name), []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// run runs a program in the home directory, for a minute at most, and returns everything that it
// put on the screen, and its exit status.
func (s *session) run(stdin, program string, args ...string) (string, int) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var screen bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env, cmd.Stdin = s.home, s.env, strings.NewReader(stdin)
	cmd.Stdout, cmd.Stderr = &screen, &screen
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	return screen.String(), cmd.ProcessState.ExitCode()
}

// TestDemo takes the binary through a first session. Where MICROTICA_DEMO names the binary it also
// shows the session: that is make demo, which ends with what the last command printed.
func TestDemo(t *testing.T) {
	t.Parallel()
	binary, show := os.Getenv("MICROTICA_DEMO"), fmt.Printf
	if binary == "" {
		binary = builtBinary(t)
		show = func(string, ...any) (int, error) { return 0, nil }
	}
	binary, err := filepath.Abs(binary)
	if err != nil {
		t.Fatal(err)
	}
	s := newSession(t, binary)
	show("A fake of Microtica's API answers here; ~ is a temporary home directory.\n")
	for _, step := range []struct{ args, want string }{
		{"login < key.txt", "Saved API key mic_d60bea1d to ~/.microtica/credentials\n"},
		{"whoami", "via:                apikey\n" +
			"api key prefix:     mic_d60bea1d\n" +
			"api reachable:      true\n" +
			"projects visible:   2\n"},
		{"project list", "ID    NAME\n5f1c  shop\n77aa  blog\n"},
		{"env list --project 5f1c", "ID  NAME        STATUS    LAST DEPLOYED\n" +
			"e1  production  deployed  2026-09-23 09:07\n" +
			"e2  staging     pending   -\n"},
	} {
		args, stdin := step.args, ""
		if command, hasInput := strings.CutSuffix(args, " < key.txt"); hasInput {
			args, stdin = command, testKey+"\n"
		}
		screen, code := s.run(stdin, binary, strings.Fields(args)...)
		screen = strings.ReplaceAll(screen, s.home, "~")
		show("\n$ microtica %s\n%s", step.args, screen)
		if got := filepath.ToSlash(screen); got != step.want || code != 0 {
			t.Errorf("microtica %s: exit status %d\n%s\nwant\n%s", step.args, code, got, step.want)
		}
	}
}

// shownStep is a command that a document shows at a prompt, and what it shows below.
type shownStep struct{ line, want string }

// consoleBlocks returns the commands of each ```console block of a document. A line that begins
// with "$ " is a command, lines with "> " continue it, everything up to the next one is its output.
func consoleBlocks(text string) [][]shownStep {
	var blocks [][]shownStep
	for i, part := range strings.Split("\n"+text, "\n```") {
		shown, isConsole := strings.CutPrefix(part, "console\n")
		if i%2 == 0 || !isConsole {
			continue
		}
		var steps []shownStep
		for _, step := range strings.Split("\n"+shown, "\n$ ")[1:] {
			line, want, _ := strings.Cut(step+"\n", "\n")
			for strings.HasPrefix(want, "> ") {
				more, rest, _ := strings.Cut(want[2:], "\n")
				line, want = line+"\n"+more, rest
			}
			steps = append(steps, shownStep{line, want})
		}
		blocks = append(blocks, steps)
	}
	return blocks
}

// typed carries out the commands of a block in one shell, and returns what each printed.
func (s *session) typed(steps []shownStep) []string {
	s.t.Helper()
	shell := "bash"
	if _, err := exec.LookPath(shell); err != nil {
		shell = "sh"
	}
	const mark = "\x01end of step\x01"
	var script strings.Builder
	for _, step := range steps {
		// The mark must not change what $? is for the next command.
		script.WriteString(step.line + "\nstatus=$?; printf '" + mark + "'; (exit $status)\n")
	}
	screen, _ := s.run("", shell, "-c", script.String())
	printed := strings.Split(strings.TrimSuffix(screen, mark), mark)
	if len(printed) != len(steps) {
		s.t.Fatalf("the shell did not carry out every step of %q:\n%s", steps, screen)
	}
	return printed
}

// TestConsoleBlocks tries the reading and typing of such blocks.
func TestConsoleBlocks(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("the documents show the shell and the paths of other systems")
	}
	const text = "```console\n$ false\n$ echo $?\n1\n" +
		"$ x=two; cat key.txt |\n> grep -c mic_\n1\n```\n" +
		"```sh\n$ not a session\n```\n\n" +
		"```console\n$ echo \" $x\" one\n one\n\n$ echo two >&2\ntwo\n```\n"
	blocks := consoleBlocks(text)
	want := [][]shownStep{
		{{"false", ""}, {"echo $?", "1\n"}, {"x=two; cat key.txt |\ngrep -c mic_", "1\n"}},
		{{`echo " $x" one`, " one\n\n"}, {"echo two >&2", "two\n"}},
	}
	if got := fmt.Sprintf("%q", blocks); got != fmt.Sprintf("%q", want) {
		t.Fatalf("got %s, want %q", got, want)
	}
	s := newSession(t, builtBinary(t))
	got := [][]string{s.typed(blocks[0]), s.typed(blocks[1])}
	printed := [][]string{{"", "1\n", "1\n"}, {"  one\n", "two\n"}}
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", printed) {
		t.Errorf("got %q, want %q", got, printed)
	}
}

// TestDocumentsShowWhatTheBinaryDoes carries out every command that a document shows at a prompt in
// a ```console block, and compares to the letter. Each document begins in a home directory that
// holds key.txt and revoked.txt, is called /home/ana, and has the default API.
func TestDocumentsShowWhatTheBinaryDoes(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("the documents show the shell and the paths of other systems")
	}
	least := map[string]int{"README.md": 8, "SECURITY.md": 0, "CONTRIBUTING.md": 0}
	for name, want := range least {
		text, err := os.ReadFile(name)
		if err != nil && !(errors.Is(err, os.ErrNotExist) && want == 0) {
			t.Fatal(err)
		}
		s := newSession(t, builtBinary(t))
		shown := strings.NewReplacer(s.home, "/home/ana", s.api.base(), defaultAPI)
		count := 0
		for _, steps := range consoleBlocks(string(text)) {
			got := s.typed(steps)
			for i, step := range steps {
				if text := shown.Replace(got[i]); text != step.want {
					t.Errorf("%s shows\n$ %s\n%s\nthe shell prints\n%s",
						name, step.line, step.want, text)
				}
				count++
			}
		}
		if count < want {
			t.Errorf("%s shows only %d commands", name, count)
		}
	}
}
