package main

import (
	"cmp"
	"fmt"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// helpWords returns the words of every page of help.
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
	t.Helper()
	page := newShell(t, nil).run(append([]string{"help"}, strings.Fields(words)...)...)
	if page.code != 0 || page.stderr != "" || !strings.HasSuffix(page.stdout, "\n") {
		t.Errorf("help %s: %s", words, page)
	}
	return page.stdout
}

// TestHelpPagesAreAlike holds every page to 80 columns, and those of commands to the same parts.
func TestHelpPagesAreAlike(t *testing.T) {
	t.Parallel()
	heading := regexp.MustCompile(`(?m)^\S.*:$`)
	for _, words := range helpWords() {
		page := helpPage(t, words)
		for line := range strings.Lines(page) {
			text := strings.TrimRight(line, " \n")
			if utf8.RuneCountInString(text) > 80 || text+"\n" != line {
				t.Errorf("help %s: %q is too wide or ends in a space", words, line)
			}
		}
		title := strings.TrimSpace("microtica " + words)
		if slices.Contains(topics, words) {
			title = "microtica help " + words
		} else {
			const want = "Usage: Flags: JSON: Exit status: Examples:"
			if got := strings.Join(heading.FindAllString(page, -1), " "); got != want {
				t.Errorf("help %s: the headings are %q, want %q", words, got, want)
			}
			if !strings.Contains(page, "\nUsage:\n  "+title) {
				t.Errorf("help %s: no usage line", words)
			}
		}
		if !strings.HasPrefix(page, title) { // a group's page is that of its first command
			t.Errorf("help %s: the title is %.40q", words, page)
		}
	}
}

// TestHelpIsAnAnswer covers the ways to ask for help: it goes to stdout, with exit status 0,
// whatever else is on the command line. Without a command it goes to stderr.
func TestHelpIsAnAnswer(t *testing.T) {
	t.Parallel()
	s := newShell(t, nil)
	first := helpPage(t, "")
	for _, line := range []string{"", "--quiet", "--project 5f1c"} {
		s.want(result{"", first, 2}, strings.Fields(line)...)
	}
	for _, line := range []string{
		"-h", "-help --quiet", "--json --help", "help --json", "--bogus -h",
		"--project --help",
	} {
		s.want(result{first, "", 0}, strings.Fields(line)...)
	}
	for _, words := range helpWords()[1:] {
		if slices.Contains(topics, words) {
			continue
		}
		lines := []string{words + " -h", "--json --help " + words, "help --json " + words}
		if c, _ := findCommand(strings.Fields(words)); c != nil && words != "help" {
			lines = append(lines, words+" stray argument --help --bogus")
		}
		for _, line := range lines {
			s.want(result{helpPage(t, words), "", 0}, strings.Fields(line)...)
		}
	}
}

// TestHelpThatCannotBeWrittenIsAnError covers every page.
func TestHelpThatCannotBeWrittenIsAnError(t *testing.T) {
	t.Parallel()
	s := newShell(t, nil)
	s.output = &fullDisk{}
	failed := wrong{"output.write", "cannot write to stdout: no space left on device", "", 0}
	for _, words := range helpWords() {
		s.wantError(failed, append([]string{"help"}, strings.Fields(words)...)...)
	}
}

// TestHelpHoldsTheTables holds pages to the tables of commands, flags, codes and exit statuses.
func TestHelpHoldsTheTables(t *testing.T) {
	t.Parallel()
	holds := func(words, line string) {
		t.Helper()
		if !strings.Contains(helpPage(t, words), "\n  "+line) {
			t.Errorf("help %s does not hold %q", words, line)
		}
	}
	for _, c := range commands() {
		holds("", fmt.Sprintf("%-43s  %s\n", c.usage(), c.about))
	}
	for _, f := range flags {
		if f.name != "version" {
			holds("flags", f.String()+" ")
		}
	}
	for _, c := range codes {
		line := fmt.Sprintf("%-16s  exit %d", c.name, c.exit)
		if c == codeInterrupted {
			line += "+n"
		} else {
			holds("errors", fmt.Sprintf("%d      ", c.exit))
		}
		if c.retryable {
			line += "  retryable"
		}
		holds("errors", line+"\n")
	}
	for _, c := range commands() {
		holds(c.name, "--json ")
	}
	holds("", "--help ")
	for status, meaning := range statuses {
		line := fmt.Sprintf("%-5d  %s\n", status, meaning)
		holds("", line)
		for _, c := range commands() {
			highest := map[string]int{
				"login": 3, "logout": 2, "completion": 2, "version": 2, "help": 2,
			}
			want := status <= cmp.Or(highest[c.name], 6)
			if got := strings.Contains(helpPage(t, c.name), line); got != want {
				t.Errorf("help %s holds status %d: %v", c.name, status, got)
			}
		}
	}
	_, shown, _ := strings.Cut(helpPage(t, "login"), "Examples:\n")
	if first, second := "login < key.txt", "login --token KEY "; !strings.Contains(shown, second) ||
		strings.Index(shown, first) > strings.Index(shown, second) {
		t.Errorf("help login does not show %q before %q", first, second)
	}
}

// TestExamplesInHelpRun runs the examples of each page as one script, which ends where one fails.
// The last of project list prints the environments of all projects.
func TestExamplesInHelpRun(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("bash"); err != nil || onWindows {
		t.Skip("there is no bash here, whose completion is an example")
	}
	api := newFakeAPI(t)
	api.answer("/projects/77aa/details",
		reply(200, `{"entities":{"stages":[{"id":"e3","name":"blog"}]}}`))
	for _, words := range helpWords() {
		_, examples, _ := strings.Cut(helpPage(t, words), "\nExamples:\n")
		script := strings.ReplaceAll(examples, "login --token KEY", "login --token "+testKey)
		s := newShell(t, api).save(testKey + "\n")
		got := s.script(builtBinary(t), "set -e\n"+script)
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
	if onWindows {
		t.Skip("the loop is for the shell of other systems")
	}
	_, loop, _ := strings.Cut(helpPage(t, "errors"), "A script that keeps trying:\n")
	fine, down, refused := reply(200, `{"projects":[]}`), reply(500, "{}"), reply(403, "{}")
	busy := reply(429, `{"message":"too many requests"}`, "Retry-After", "45")
	for _, test := range []struct {
		answers []http.HandlerFunc
		want    string
		slept   string
	}{
		{[]http.HandlerFunc{fine}, "[]\n", ""},
		{[]http.HandlerFunc{down, down, fine}, "[]\n", "10\n10\n"},
		{[]http.HandlerFunc{busy, fine}, "[]\n", "45\n"},
		{[]http.HandlerFunc{refused}, "\n", ""},
		{[]http.HandlerFunc{down}, "\n", "10\n10\n10\n10\n10\n"},
	} {
		api := newFakeAPI(t)
		api.answer("/projects", inTurn(test.answers...))
		s := newShell(t, api).save(testKey + "\n")
		got := s.script(builtBinary(t), "sleep() { echo $1 >&2; }\n"+loop+"\necho \"$projects\"\n")
		if want := (result{test.want, test.slept, 0}); got != want {
			t.Errorf("%d answers:\n got %s\nwant %s", len(test.answers), got, want)
		}
	}
}
