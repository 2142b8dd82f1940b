package check

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"microtica/internal/fakeapi"
)

// TestDemo is what make demo shows: README's first session, carried out.
func TestDemo(t *testing.T) {
	needShell(t)
	api := fakeapi.New(t)
	u := newUser(t, api.Base())
	fmt.Println("A fake of Microtica's API answers here; /home/ana is a temporary directory.")
	fmt.Print(u.session("README.md", consoleBlocks(t, "README.md")[0]))
	if stored, err := os.ReadFile(u.credentials()); string(stored) != fakeapi.Key+"\n" {
		t.Errorf("the stored key is %q (%v)", stored, err)
	}
	const want = "/projects /projects /projects /projects/5f1c/details"
	if seen := api.Seen(); seen != want { // login, whoami and both lists
		t.Errorf("the session asked the API for %q, want %q", seen, want)
	}
}

// consoleBlocks returns what a document shows in ```console blocks. A line that begins with "$ " is
// a command, what follows up to the next one is its output.
func consoleBlocks(t testing.TB, document string) (blocks []string) {
	t.Helper()
	for _, block := range strings.Split(source(t, document), "\n```console")[1:] {
		block, _, _ = strings.Cut(block, "\n```")
		blocks = append(blocks, block)
	}
	return blocks
}

// session carries out the commands of a block in one shell, compares what each prints to the
// letter, and returns what that looks like, with an empty line before each command. Documents call
// the home directory /home/ana, and have the default API.
func (u user) session(document, block string) (shown string) {
	u.t.Helper()
	const mark = "\x01end of step\x01"
	steps := strings.Split(block, "\n$ ")[1:]
	text := "exec 2>&1\n"
	for _, step := range steps {
		line, _, _ := strings.Cut(step, "\n")
		// The mark must not change what $? is for the next command.
		text += line + "\nstatus=$?; printf '" + mark + "'; (exit $status)\n"
	}
	base := strings.TrimPrefix(u.env[len(u.env)-1], "MICROTICA_API_URL=")
	names := strings.NewReplacer(u.home, "/home/ana", base, "https://api.microtica.com")
	printed := strings.Split(names.Replace(u.script(text).stdout), mark)
	if len(printed) != len(steps)+1 {
		u.t.Fatalf("%s: the shell stopped in %s\n%q", document, block, printed)
	}
	for i, step := range steps {
		line, want, _ := strings.Cut(step+"\n", "\n")
		if printed[i] != want {
			u.t.Errorf("%s: $ %s\nshows:\n%s\nprints:\n%s", document, line, want, printed[i])
		}
		shown += "\n$ " + line + "\n" + printed[i]
	}
	return shown
}

// script runs a script with bash, or else with sh, and the binary in PATH. key.txt and stdin hold
// the key, revoked.txt one that the API does not accept.
func (u user) script(text string) result {
	u.t.Helper()
	must(u.t, os.WriteFile(filepath.Join(u.home, "key.txt"), []byte(fakeapi.Key+"\n"), 0o600),
		os.WriteFile(filepath.Join(u.home, "revoked.txt"), []byte(fakeapi.OtherKey+"\n"), 0o600))
	shell, err := exec.LookPath("bash")
	if err != nil {
		shell = "/bin/sh"
	}
	u.stdin = fakeapi.Key
	path := filepath.Dir(binary) + ":" + os.Getenv("PATH")
	return u.with("PATH="+path, "DEPLOY_KEY="+fakeapi.Key).start(shell, "-c", text).wait()
}

func needShell(t testing.TB) {
	if onWindows {
		t.Skip("the documents show the shell and the paths of other systems")
	}
}
