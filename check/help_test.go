package check

import (
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"microtica/internal/fakeapi"
)

// helpPages returns what a binary's help prints on each command and topic that its overview lists,
// and, for "", the overview.
func helpPages(t testing.TB, path string) map[string]string {
	t.Helper()
	u, pages := newUser(t, ""), map[string]string{}
	show := func(words string) {
		got := u.start(path, append([]string{"help"}, strings.Fields(words)...)...).wait()
		if got.exit != 0 || got.stderr != "" {
			t.Errorf("help %s: %v", words, got)
		}
		pages[words] = got.stdout
	}
	show("")
	listed := regexp.MustCompile(`(?m)^  microtica (?:help )?([a-z]+(?: list)?).*?  `)
	for _, match := range listed.FindAllStringSubmatch(pages[""], -1) {
		show(match[1])
	}
	return pages
}

// TestExamplesInHelpRun runs the examples of each page as one script, which ends where one fails.
func TestExamplesInHelpRun(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("bash"); err != nil || onWindows {
		t.Skip("there is no bash here, whose completion is an example")
	}
	api := fakeapi.New(t)
	api.Answer("/projects/77aa/details", fakeapi.Reply(200, fakeapi.StagesBody))
	examples, ran := regexp.MustCompile(`(?m)^Examples?:\n((?:  .*\n|\n)+)`), 0
	for words, page := range helpPages(t, binary) {
		for _, script := range examples.FindAllStringSubmatch(page, -1) {
			u := newUser(t, api.Base())
			u.save(fakeapi.Key)
			if got := u.script("set -e\n" + script[1]); got.exit != 0 {
				t.Errorf("help %s:\n%s%v", words, script[1], got)
			}
			ran++
		}
	}
	if ran < 10 {
		t.Errorf("only %d pages have examples", ran)
	}
}

// TestTheLoopInHelpTriesAgain runs the loop that help errors shows, against an API that fails.
func TestTheLoopInHelpTriesAgain(t *testing.T) {
	t.Parallel()
	needShell(t)
	page := newUser(t, "").run("help", "errors").stdout
	loop := regexp.MustCompile(`(?m)^  for (?:.*\n  )+.*\n`).FindString(page)
	fine, down := fakeapi.Reply(200, `{"projects":[]}`), fakeapi.Reply(500, "{}")
	for _, test := range []struct {
		answers []http.HandlerFunc
		prints  string // the waits, and what the last try printed
		exit    int
	}{
		{[]http.HandlerFunc{fine}, "[]\n", 0},
		{[]http.HandlerFunc{down, down, fine}, "10\n10\n[]\n", 0},
		{[]http.HandlerFunc{fakeapi.Reply(429, "", "Retry-After", "45"), fine}, "45\n[]\n", 0},
		{[]http.HandlerFunc{fakeapi.Reply(403, "{}")}, "", 4},
		{[]http.HandlerFunc{down}, strings.Repeat("10\n", 4), 6},
	} {
		api := fakeapi.New(t)
		api.Answer("/projects", fakeapi.InTurn(test.answers...))
		u := newUser(t, api.Base())
		u.save(fakeapi.Key)
		got := u.script("sleep() { echo $1; }\n" + loop + "s=$?; cat projects.json; exit $s")
		if want := (result{test.prints, "", test.exit}); got != want {
			t.Errorf("%d answers:\n got %v\nwant %v", len(test.answers), got, want)
		}
	}
}
