package main

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestTheTableOfCodes is what scripts rely on: each code, its exit status, and whether the same
// command may succeed later.
func TestTheTableOfCodes(t *testing.T) {
	t.Parallel()
	want := maps.Clone(exitStatuses)
	want[128] = "interrupted"
	got := map[int]string{}
	for _, c := range codes {
		got[c.exit] = strings.TrimSpace(got[c.exit] + " " + c.name)
		if c.retryable != slices.Contains(strings.Fields(retryable), c.name) {
			t.Errorf("%s: retryable is %v", c.name, c.retryable)
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("the codes are\n%v, want\n%v", got, want)
	}
}

// TestDocumentsListEveryCode holds README's table of exit statuses to the table of codes: a row for
// each status, with all of its codes in the program's order and nothing else.
func TestDocumentsListEveryCode(t *testing.T) {
	t.Parallel()
	want := map[string]string{"0": "", "129, 130, 131, 143": "interrupted"} // HUP INT QUIT TERM
	for _, c := range codes {
		if status := strconv.Itoa(c.exit); c != codeInterrupted {
			want[status] = strings.TrimSpace(want[status] + " " + c.name)
		}
	}
	text, err := os.ReadFile("README.md")
	must(t, err)
	row := regexp.MustCompile(`(?m)^\| ([0-9]+(?:, [0-9]+)*) \|.*\|$`)
	code := regexp.MustCompile("`[a-z_]+(\\.[a-z_]+)?`")
	got := map[string]string{}
	for _, match := range row.FindAllStringSubmatch(string(text), -1) {
		listed := strings.Join(code.FindAllString(match[0], -1), " ")
		got[match[1]] = strings.ReplaceAll(listed, "`", "")
	}
	if !maps.Equal(got, want) {
		t.Errorf("README lists\n%v, want\n%v", got, want)
	}
}
