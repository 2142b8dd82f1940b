package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// queryTests matches the tests that a package without --query leaves out: they use queries, too.
const queryTests = `Query|Raw|Torture|Complet|Document|Demo|Policy|Audit|TextIsEscaped|` +
	`WholeAnswer|AWriteError|MemoryLimit|Garbage`

// TestQueryCanBeDeleted runs in a copy the commands that CONTRIBUTING.md shows, builds it, and
// checks that its help does not speak of queries. With MICROTICA_TORTURE set it runs the copy's own
// tests, too.
func TestQueryCanBeDeleted(t *testing.T) {
	t.Parallel()
	if onWindows {
		t.Skip("the commands are for other systems")
	}
	text, err := os.ReadFile("CONTRIBUTING.md")
	must(t, err)
	_, commandsToRun, _ := strings.Cut(string(text), "\n```sh\n")
	commandsToRun, _, _ = strings.Cut(commandsToRun, "```\n")
	dir := t.TempDir()
	must(t, copyPackage(dir, map[string]string{}))
	run := func(want int, path string, args ...string) string {
		t.Helper()
		p := program{path: path, env: os.Environ(), dir: dir, limit: 5 * time.Minute}
		got := p.run(t, args...)
		if got.code != want {
			t.Fatalf("%s %q: %s", path, args, got)
		}
		return got.stdout
	}
	run(0, "sh", "-c", "set -e\n"+commandsToRun)
	run(0, "go", "build", "-tags="+buildTag, "-o", "without-query", ".")
	microtica := filepath.Join(dir, "without-query")
	speaks := regexp.MustCompile(`(?i)quer(y|ies)|JMESPath|--raw`)
	for _, page := range helpWords() {
		help := run(0, microtica, append([]string{"help"}, strings.Fields(page)...)...)
		if found := speaks.FindString(help); found != "" && page != "errors" { // which lists codes
			t.Errorf("help %s still says %s", page, found)
		}
	}
	run(2, microtica, "version", "--query", "@")
	run(0, microtica, "version", "--json")
	if os.Getenv("MICROTICA_TORTURE") != "" {
		run(0, "go", "test", "-count=1", "-skip", queryTests, ".")
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
