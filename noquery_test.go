package main

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A site that does not want --query deletes these files, whether or not all of them are there.
var queryFiles = strings.Fields("query.go functions.go query_test.go functions_test.go")

// queryEdits are the edits that it then makes. CONTRIBUTING.md shows each.
var queryEdits = []struct{ file, old, new string }{
	{"main.go", "	query    *query   // nil without --query\n", ""},
	{"main.go", "	expression.check = func(text string) (err error) {\n" +
		"		a.query, err = compileQuery(text)\n" +
		"		return err\n" +
		"	}\n", ""},
	{"main.go", `"query": &expression, `, ""},
	{"main.go", ", expression option", " option"},
	{"help.go", `"json", "query", "raw", "quiet"`, `"json", "quiet"`},
	{"help.go", "  --query EXPR    print the result of a JMESPath expression over that JSON\n", ""},
	{"help.go", "\n  microtica project list --query '[].id'", ""},
	{"help.go", "\n  microtica env list --query \"[?status!='deployed'].name\"", ""},
	{"output.go", "	value, err := a.query.apply(value)\n" +
		"	if err != nil {\n" +
		"		return err\n" +
		"	}\n", ""},
}

// queryTests are the tests that are left out then: they ask for queries too.
const queryTests = `Query|Torture|Completes|Completion|README|Demo|Policy|Audit`

// withoutQuery returns the program's files after the edits.
func withoutQuery(t *testing.T) map[string]string {
	source, err := programSource()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range queryFiles {
		delete(source, name)
	}
	for _, edit := range queryEdits {
		if n := strings.Count(source[edit.file], edit.old); n != 1 {
			t.Fatalf("%s holds %q %d times", edit.file, edit.old, n)
		}
		source[edit.file] = strings.Replace(source[edit.file], edit.old, edit.new, 1)
	}
	return source
}

// TestQueryCanBeDeleted makes the edits in a copy, builds it, and looks whether anything still
// speaks of queries. With MICROTICA_TORTURE set it runs the copy's own tests, too.
func TestQueryCanBeDeleted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := copyPackage(dir, withoutQuery(t)); err != nil {
		t.Fatal(err)
	}
	for _, name := range queryFiles {
		err := os.Remove(filepath.Join(dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	run := func(want int, name string, args ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Dir = dir
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != want {
			t.Fatalf("%s %q: exit status %d, want %d\n%s", name, args, got, want, out)
		}
		return string(out)
	}
	program := filepath.Join(dir, "without-query.exe")
	run(0, "go", "build", "-tags="+buildTag, "-o", program, ".")
	pages := []string{""}
	for _, c := range commands() {
		pages = append(pages, c.name)
	}
	speaks := regexp.MustCompile(`(?i)quer(y|ies)|JMESPath|--raw`)
	for _, page := range pages {
		args := append([]string{"help"}, strings.Fields(page)...)
		for line := range strings.Lines(run(0, program, args...)) {
			if speaks.MatchString(line) {
				t.Errorf("help %s still says %q", page, line)
			}
		}
	}
	run(2, program, "version", "--query", "@")
	run(0, program, "version", "--json")
	if os.Getenv("MICROTICA_TORTURE") != "" {
		run(0, "go", "test", "-count=1", "-short", "-skip", queryTests, ".")
	}
}

// TestTheEditsAreDocumented looks for each edit in CONTRIBUTING.md, as the lines to take out.
func TestTheEditsAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("CONTRIBUTING.md")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("no CONTRIBUTING.md here")
	}
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, edit := range queryEdits {
		named[edit.file] = true
		if !strings.Contains(words(string(text)), words(edit.old)) {
			t.Errorf("CONTRIBUTING.md does not show the edit of %s: %q", edit.file, edit.old)
		}
	}
	for name := range maps.Keys(named) {
		if !strings.Contains(string(text), name) {
			t.Errorf("CONTRIBUTING.md does not name %s", name)
		}
	}
}

// copyPackage copies the package to dir, with some of its files replaced.
func copyPackage(dir string, replaced map[string]string) error {
	if err := os.CopyFS(filepath.Join(dir, "testdata"), os.DirFS("testdata")); err != nil {
		return err
	}
	entries, err := os.ReadDir(".")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if !entry.Type().IsRegular() {
			continue
		}
		data, err := os.ReadFile(entry.Name())
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, entry.Name()), data, 0o644); err != nil {
			return err
		}
	}
	for name, text := range replaced {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// words returns text with its words apart by single spaces.
func words(text string) string { return strings.Join(strings.Fields(text), " ") }
