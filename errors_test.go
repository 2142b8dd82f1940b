package main

import (
	"errors"
	"io/fs"
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

// TestDocumentsListEveryCode holds the tables of exit statuses in the documents to the table of
// codes: a row for each status, with all of its codes in the program's order and nothing else.
func TestDocumentsListEveryCode(t *testing.T) {
	t.Parallel()
	byStatus := map[string][]string{"0": nil}
	for _, c := range codes {
		status := strconv.Itoa(c.exit)
		if c == codeInterrupted {
			status = "129, 130, 131, 143" // HUP, INT, QUIT, TERM
		}
		byStatus[status] = append(byStatus[status], c.name)
	}
	row := regexp.MustCompile(`(?m)^\| ([0-9]+(?:, [0-9]+)*) \|.*\|$`)
	quoted := regexp.MustCompile("`([a-z_]+(?:\\.[a-z_]+)?)`")
	for _, name := range []string{"README.md", "CONTRIBUTING.md"} {
		text, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, match := range row.FindAllStringSubmatch(string(text), -1) {
			var listed []string
			for _, code := range quoted.FindAllStringSubmatch(match[0], -1) {
				listed = append(listed, code[1])
			}
			want, known := byStatus[match[1]]
			if !known || !slices.Equal(listed, want) {
				t.Errorf("%s: exit status %s has %q, want %q", name, match[1], listed, want)
			}
			seen[match[1]] = true
		}
		if len(seen) > 0 && len(seen) != len(byStatus) || name == "README.md" && len(seen) == 0 {
			t.Errorf("%s has rows for the exit statuses %v, want %d", name, seen, len(byStatus))
		}
	}
}
