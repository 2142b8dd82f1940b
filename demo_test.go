package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// session runs command lines as a user types them, with the real binary, a home directory of its own and the fake API.
type session struct {
	t      testing.TB
	api    *fakeAPI
	home   string
	binary string
}

func newSession(t testing.TB) *session {
	s := &session{t: t, api: newFakeAPI(t), home: t.TempDir(), binary: os.Getenv("MICROTICA_DEMO")}
	if s.binary == "" {
		s.binary = builtBinary(t)
	}
	for name, text := range map[string]string{"key.txt": testKey + "\n", "revoked.txt": otherKey + "\n"} {
		if err := os.WriteFile(filepath.Join(s.home, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// typed carries out a line such as
//
//	NAME=VALUE microtica words 'quoted words' < FILE
//
// and returns all that came to the terminal, and the exit status. ~ is the home directory.
func (s *session) typed(line string) (string, int) {
	s.t.Helper()
	env := []string{"HOME=" + s.home, "USERPROFILE=" + s.home, "MICROTICA_API_URL=" + s.api.base()}
	command, file, _ := strings.Cut(line, " < ")
	var words []string
	for i, part := range strings.Split(command, "'") {
		if i%2 == 1 {
			words = append(words, part)
		} else {
			words = append(words, strings.Fields(strings.ReplaceAll(part, "~", s.home))...)
		}
	}
	for strings.Contains(words[0], "=") {
		env, words = append(env, words[0]), words[1:]
	}
	if words[0] != "microtica" {
		s.t.Fatalf("cannot run %q", line)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var screen bytes.Buffer
	cmd := exec.CommandContext(ctx, s.binary, words[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, &screen, &screen
	if file != "" {
		stdin, err := os.Open(filepath.Join(s.home, file))
		if err != nil {
			s.t.Fatal(err)
		}
		defer stdin.Close()
		cmd.Stdin = stdin
	}
	if err := cmd.Run(); cmd.ProcessState == nil {
		s.t.Fatal(err)
	}
	return screen.String(), cmd.ProcessState.ExitCode()
}

// TestDemo takes the binary through its commands. With MICROTICA_DEMO naming a binary, it shows what it does: that is make demo.
func TestDemo(t *testing.T) {
	show := func(format string, args ...any) {
		if os.Getenv("MICROTICA_DEMO") != "" {
			fmt.Printf(format, args...)
		}
	}
	s := newSession(t)
	show("A fake of the API listens on %s; the home directory is a temporary one.\n", s.api.base())
	for _, step := range []struct {
		line string
		code int
	}{
		{"microtica login < key.txt", 0},
		{"microtica whoami", 0},
		{"microtica project list", 0},
		{"microtica env list --project 5f1c", 0},
		{"microtica project list --json", 0},
		{"MICROTICA_TOKEN_FILE=~/revoked.txt microtica whoami", 3},
		{"microtica logout", 0},
	} {
		output, code := s.typed(step.line)
		show("\n$ %s\n%s[exit status %d]\n", step.line, output, code)
		if code != step.code {
			t.Errorf("%s: exit status %d, want %d\n%s", step.line, code, step.code, output)
		}
	}
	show("\n")
}

// TestREADMEShowsWhatTheBinaryDoes carries out every command that README shows at a prompt, and compares to the
// letter, with /home/ana for the home directory and the default API for the fake.
func TestREADMEShowsWhatTheBinaryDoes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("README shows the paths of other systems")
	}
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	s := newSession(t)
	count := 0
	for i, block := range strings.Split(string(text), "```") {
		shown, isSession := strings.CutPrefix(block, "console\n")
		if i%2 == 0 || !isSession {
			continue
		}
		code := 0
		for _, step := range strings.Split("\n"+shown, "\n$ ")[1:] {
			line, want, _ := strings.Cut(strings.TrimSuffix(step, "\n")+"\n", "\n")
			var got string
			if line == "echo $?" {
				got = fmt.Sprintln(code)
			} else {
				got, code = s.typed(line)
				got = strings.NewReplacer(s.home, "/home/ana", s.api.base(), defaultAPI).Replace(got)
			}
			if count++; got != want {
				t.Errorf("$ %s\nREADME shows\n%s\nthe binary prints\n%s", line, want, got)
			}
		}
	}
	if count < 8 {
		t.Errorf("README shows only %d commands", count)
	}
}
