package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// script runs a script with bash, or else with sh, in the shell's home, with the binary in PATH.
// key.txt and stdin hold the key, revoked.txt one that the API does not accept.
func (s *shell) script(binary, text string) result {
	s.t.Helper()
	for name, text := range map[string]string{"key.txt": testKey, "revoked.txt": otherKey} {
		must(s.t, os.WriteFile(filepath.Join(s.home, name), []byte(text+"\n"), 0o600))
	}
	path, err := exec.LookPath("bash")
	if err != nil {
		path = "/bin/sh"
	}
	paths := filepath.Dir(binary) + string(os.PathListSeparator) + os.Getenv("PATH")
	env := s.environ("PATH="+paths, "DEPLOY_KEY="+testKey)
	return program{path: path, env: env, dir: s.home, stdin: testKey}.run(s.t, "-c", text)
}

// shownStep is a command that a document shows at a prompt, and what it shows below.
type shownStep struct{ line, want string }

// consoleBlocks returns the commands of each ```console block of a document. A line that begins
// with "$ " is a command, everything up to the next one is its output.
func consoleBlocks(t testing.TB, document string) [][]shownStep {
	t.Helper()
	text, err := os.ReadFile(document)
	must(t, err)
	var blocks [][]shownStep
	for _, block := range strings.Split(string(text), "\n```console\n")[1:] {
		block, _, _ = strings.Cut("\n"+block, "\n```")
		var steps []shownStep
		for _, step := range strings.Split(block, "\n$ ")[1:] {
			line, want, _ := strings.Cut(step+"\n", "\n")
			steps = append(steps, shownStep{line, want})
		}
		blocks = append(blocks, steps)
	}
	return blocks
}

// wantSession carries out the commands of a block in one shell, and compares what each prints to
// the letter. The document calls the home directory /home/ana, and has the default API.
func (s *shell) wantSession(binary string, steps []shownStep) {
	s.t.Helper()
	const mark = "\x01end of step\x01"
	script := "exec 2>&1\n"
	for _, step := range steps {
		// The mark must not change what $? is for the next command.
		script += step.line + "\nstatus=$?; printf '" + mark + "'; (exit $status)\n"
	}
	shown := strings.NewReplacer(s.home, "/home/ana", s.env["MICROTICA_API_URL"], defaultAPI)
	printed := strings.Split(shown.Replace(s.script(binary, script).stdout), mark)
	if len(printed) != len(steps)+1 {
		s.t.Fatalf("the shell did not carry out every step of %q:\n%s", steps, printed)
	}
	for i, step := range steps {
		if got := printed[i]; got != step.want {
			s.t.Errorf("$ %s\nthe document shows\n%s\nthe shell prints\n%s",
				step.line, step.want, got)
		}
	}
}

// TestDocumentsShowWhatTheBinaryDoes carries out every command that a document shows at a prompt.
// Each document begins in a home directory of its own.
func TestDocumentsShowWhatTheBinaryDoes(t *testing.T) {
	t.Parallel()
	if onWindows {
		t.Skip("the documents show the shell and the paths of other systems")
	}
	sessions := 0
	for _, document := range []string{"README.md", "SECURITY.md", "CONTRIBUTING.md"} {
		s := newShell(t, newFakeAPI(t))
		for _, steps := range consoleBlocks(t, document) {
			s.wantSession(builtBinary(t), steps)
			sessions++
		}
	}
	if sessions < 4 {
		t.Errorf("only %d sessions were found", sessions)
	}
}

// TestDemo is make demo: it shows README's first session, and carries it out with the binary that
// MICROTICA_DEMO names.
func TestDemo(t *testing.T) {
	if os.Getenv("MICROTICA_DEMO") == "" {
		t.Skip("MICROTICA_DEMO names no binary; run make demo")
	}
	binary, err := filepath.Abs(os.Getenv("MICROTICA_DEMO"))
	must(t, err)
	fmt.Println("A fake of Microtica's API answers here; /home/ana is a temporary directory.")
	session := consoleBlocks(t, "README.md")[0]
	newShell(t, newFakeAPI(t)).wantSession(binary, session)
	for _, step := range session {
		fmt.Printf("\n$ %s\n%s", step.line, step.want)
	}
}
