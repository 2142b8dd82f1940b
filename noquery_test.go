package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// A site that does not want --query deletes these files, whether or not all of them are there.
var queryFiles = strings.Fields("query.go functions.go query_test.go functions_test.go")

// queryEdits are the edits that it then makes, in this order: the lines from the one that begins
// with from to the one that begins with to give way to a line, or to nothing. A lone } is one that
// ends a declaration. CONTRIBUTING.md shows each.
var queryEdits = []struct{ file, from, to, instead string }{
	{"main.go", "raw bool", "raw bool", ""},
	{"main.go", "query *query", "query *query", ""},
	{"main.go", `{"query", "EXPR"`, `{"raw", ""`, ""},
	{"main.go", `a.raw = l.flags["raw"].given`, `a.raw = l.flags["raw"].given`, ""},
	{"main.go", `if expression := l.flags["query"]`, "return nil", "return nil"},
	{"help.go", "p.json += queryHelp", "p.examples += queryHelp", ""},
	{"help.go", "// queryHelp is", "}", ""},
	{"output.go", "if a.query != nil {", "a.resultDue.Store", "a.resultDue.Store(nil)"},
}

// queryTests are the tests that are left out then: they ask for queries too.
const queryTests = `Query|Raw|Torture|Complet|Document|Demo|Policy|Audit|TextIsEscaped|` +
	`WholeAnswer|AWriteError|MemoryLimit`

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
		begins := func(text string) func(string) bool {
			return func(line string) bool {
				return line == text+"\n" || text != "}" && strings.HasPrefix(words(line), text)
			}
		}
		lines := slices.Collect(strings.Lines(source[edit.file]))
		from := slices.IndexFunc(lines, begins(edit.from))
		if from < 0 || !slices.ContainsFunc(lines[from:], begins(edit.to)) {
			t.Fatalf("%s has no lines from %q to %q", edit.file, edit.from, edit.to)
		}
		to := from + slices.IndexFunc(lines[from:], begins(edit.to))
		lines = slices.Replace(lines, from, to+1, edit.instead+"\n")
		source[edit.file] = strings.Join(lines, "")
	}
	return source
}

// TestQueryCanBeDeleted makes the edits in a copy, builds it, and checks that its help does not
// speak of queries. With MICROTICA_TORTURE set it runs the copy's own tests, too.
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

// TestTheEditsAreDocumented looks for the ends of each edit, after the name of its file, in
// CONTRIBUTING.md.
func TestTheEditsAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("CONTRIBUTING.md")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("no CONTRIBUTING.md here")
	}
	if err != nil {
		t.Fatal(err)
	}
	rest := words(string(text))
	for _, edit := range queryEdits {
		for _, part := range []string{edit.file, edit.from, edit.to, edit.instead} {
			if !strings.Contains(rest, part) {
				t.Errorf("CONTRIBUTING.md does not show the edit of %s: %q", edit.file, part)
			}
		}
	}
}

// copyPackage copies the package to dir, with some of its files replaced.
func copyPackage(dir string, replaced map[string]string) error {
	if err := os.CopyFS(filepath.Join(dir, "testdata"), os.DirFS("testdata")); err != nil {
		return err
	}
	names, err := filepath.Glob("*")
	for _, name := range names {
		if info, err := os.Stat(name); err != nil || !info.Mode().IsRegular() {
			continue
		}
		if data, err := os.ReadFile(name); err != nil {
			return err
		} else if _, known := replaced[name]; !known {
			replaced[name] = string(data)
		}
	}
	for name, text := range replaced {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return err
}

// words returns text with its words apart by single spaces.
func words(text string) string { return strings.Join(strings.Fields(text), " ") }
