package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// helpWords are the words that help knows, one page each.
func helpWords() []string {
	words := []string{""}
	for _, c := range commands() {
		words = append(words, c.name)
		if group, _, ok := strings.Cut(c.name, " "); ok && !slices.Contains(words, group) {
			words = append(words, group)
		}
	}
	return append(words, topics...)
}

// helpPage returns the page on words.
func helpPage(t *testing.T, words string) string {
	page := newShell(t, nil).run(append([]string{"help"}, strings.Fields(words)...)...)
	if page.code != 0 || page.stderr != "" || !strings.HasSuffix(page.stdout, "\n") {
		t.Errorf("help %s: %s", words, page)
	}
	return page.stdout
}

// TestHelpPagesAreAlike holds every page to 80 columns, and those of commands to the same parts.
func TestHelpPagesAreAlike(t *testing.T) {
	t.Parallel()
	for _, words := range helpWords() {
		page := helpPage(t, words)
		var headings []string
		for line := range strings.Lines(page) {
			line = strings.TrimSuffix(line, "\n")
			if utf8.RuneCountInString(line) > 80 || strings.TrimRight(line, " ") != line {
				t.Errorf("help %s: %q is too wide or ends in a space", words, line)
			}
			if strings.HasSuffix(line, ":") && line[0] != ' ' {
				headings = append(headings, line)
			}
		}
		if slices.Contains(topics, words) {
			if !strings.HasPrefix(page, "microtica help "+words+": ") {
				t.Errorf("help %s: the title is %.40q", words, page)
			}
			continue
		}
		const want = "Usage: Flags: JSON: Exit status: Examples:"
		if got := strings.Join(headings, " "); got != want {
			t.Errorf("help %s: the headings are %q, want %q", words, got, want)
		}
		if !strings.HasPrefix(page, strings.TrimSpace("microtica "+words)) {
			t.Errorf("help %s: the title is %.40q", words, page)
		}
		if !strings.Contains(page, "\n  microtica "+words) {
			t.Errorf("help %s: no usage line", words)
		}
	}
}

// TestHelpIsAnAnswer covers where help is asked for: it is on stdout, with exit status 0, and
// nothing else that is given matters.
func TestHelpIsAnAnswer(t *testing.T) {
	t.Parallel()
	s := newShell(t, nil)
	first := helpPage(t, "")
	s.want(result{"", first, 2})
	s.want(result{"", first, 2}, "--quiet")
	s.want(result{"", first, 2}, "--project", "5f1c")
	for _, line := range []string{
		"-h", "--help", "-help --quiet", "--json --help", "help --json", "--bogus -h",
	} {
		s.want(result{first, "", 0}, strings.Fields(line)...)
	}
	for _, words := range helpWords()[1:] {
		if slices.Contains(topics, words) {
			continue
		}
		want := result{helpPage(t, words), "", 0}
		for _, line := range []string{
			words + " -h",
			"--help " + words,
			"--json " + words + " --help --quiet",
			"help --json " + words,
		} {
			s.want(want, strings.Fields(line)...)
		}
		if c, _ := findCommand(strings.Fields(words)); c != nil && words != "help" {
			s.want(want, strings.Fields(words+" stray argument --help --bogus")...)
			line := fmt.Sprintf("\n  %-43s  %s\n", c.usage(), c.about)
			if !strings.Contains(first, line) {
				t.Errorf("the first page does not list %s", words)
			}
		}
	}
	login := helpPage(t, "login")
	_, shown, _ := strings.Cut(login, "Examples:\n")
	stdin := strings.Index(shown, "login < key.txt")
	token := strings.Index(shown, "login --token KEY ")
	if stdin < 0 || token < stdin {
		t.Error("help login does not show stdin before --token")
	}
}

// TestHelpHoldsTheTables holds the topics to the tables of flags, codes and exit statuses.
func TestHelpHoldsTheTables(t *testing.T) {
	t.Parallel()
	page := helpPage(t, "flags")
	for _, f := range flags {
		if f.name != "version" && !strings.Contains(page, "\n  "+f.String()+" ") {
			t.Errorf("help flags does not list --%s", f.name)
		}
	}
	page = helpPage(t, "errors")
	for _, c := range codes {
		line := fmt.Sprintf("\n  %-16s  exit %d", c.name, c.exit)
		if c == codeInterrupted {
			line += "+n"
		}
		if c.retryable {
			line += "  retryable"
		}
		if !strings.Contains(page, line+"\n") {
			t.Errorf("help errors does not hold %q", line)
		}
		if c.exit >= len(statuses) && c != codeInterrupted {
			t.Errorf("help errors has no line for the exit status of %s", c.name)
		}
	}
}

// runScript runs a shell script with the built binary as microtica in PATH, a saved key, key.txt
// with another copy of it, and stdin; what sleep would wait goes to the file slept.
func runScript(t *testing.T, api *fakeAPI, script string) (got result, slept string) {
	t.Helper()
	shell, err := exec.LookPath("bash") // which the script of bash's completion needs
	if err != nil || runtime.GOOS == "windows" {
		t.Skip("there is no bash here")
	}
	s := newShell(t, api).save(testKey + "\n")
	bin := filepath.Join(s.home, "bin")
	err = os.Mkdir(bin, 0o700)
	if err == nil {
		err = os.Symlink(builtBinary(t), filepath.Join(bin, "microtica"))
	}
	if err == nil {
		sleep := "#!/bin/sh\necho $1 >>\"$HOME/slept\"\n"
		err = os.WriteFile(filepath.Join(bin, "sleep"), []byte(sleep), 0o700)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(s.home, "key.txt"), []byte(testKey+"\n"), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, shell, "-c", script)
	cmd.Dir = s.home
	cmd.Env = []string{
		"HOME=" + s.home, "PATH=" + bin + ":" + os.Getenv("PATH"),
		"MICROTICA_API_URL=" + api.base(), "DEPLOY_KEY=" + testKey,
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(testKey), &stdout, &stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	waits, _ := os.ReadFile(filepath.Join(s.home, "slept"))
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()},
		strings.Join(strings.Fields(string(waits)), " ")
}

// examples returns the examples of a page, or what it shows in the part under another heading.
func examples(page, heading string) string {
	_, text, _ := strings.Cut(page, "\n"+heading+":\n")
	var script strings.Builder
	for line := range strings.Lines(text) {
		script.WriteString(strings.TrimPrefix(line, "  "))
	}
	return script.String()
}

// blogBody is what the API answers about the second project.
const blogBody = `{"entities":{"stages":[{"id":"e3","name":"blog"}]}}`

// TestExamplesInHelpRun runs the examples of each page as one script, which ends where one fails.
// The last of project list prints the environments of all projects.
func TestExamplesInHelpRun(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	api.answer("/projects/77aa/details", reply(200, blogBody))
	fill := strings.NewReplacer("login --token KEY", "login --token "+testKey)
	for _, words := range helpWords() {
		script := examples(helpPage(t, words), "Examples")
		if script == "" {
			continue
		}
		got, _ := runScript(t, api, "set -e\n"+fill.Replace(script))
		last := "" // of what is printed
		if words == "project list" && findFlag("query") != nil {
			last = "e1\tproduction\ne2\tstaging\ne3\tblog\n"
		}
		if got.code != 0 || got.stderr != "" && words != "logout" ||
			!strings.HasSuffix(got.stdout, last) {
			t.Errorf("help %s: %s%s", words, script, got)
		}
	}
}

// TestHelpTeachesToTryAgain runs the loop in the page on errors against an API that fails.
func TestHelpTeachesToTryAgain(t *testing.T) {
	t.Parallel()
	_, loop, _ := strings.Cut(helpPage(t, "errors"), "A script that keeps trying:\n")
	loop += "\necho \"$projects\"\n"
	fine, down, refused := reply(200, `{"projects":[]}`), reply(500, "{}"), reply(403, "{}")
	busy := reply(429, `{"message":"too many requests"}`, "Retry-After", "45")
	for _, test := range []struct {
		answers []http.HandlerFunc
		want    string
		slept   string
	}{
		{[]http.HandlerFunc{fine}, "[]\n", ""},
		{[]http.HandlerFunc{down, down, fine}, "[]\n", "10 10"},
		{[]http.HandlerFunc{busy, fine}, "[]\n", "45"},
		{[]http.HandlerFunc{refused}, "\n", ""},
		{[]http.HandlerFunc{down}, "\n", "10 10 10 10 10"},
	} {
		api := newFakeAPI(t)
		api.answer("/projects", inTurn(test.answers...))
		got, slept := runScript(t, api, loop)
		if got.stdout != test.want || slept != test.slept || got.code != 0 || got.stderr != "" {
			t.Errorf("%d answers: %s\nslept %q, want %q", len(test.answers), got, slept, test.slept)
		}
	}
}
