package check

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"microtica/internal/fakeapi"
)

// documents are held to what the program does, and to what the repository holds.
var documents = []string{"README.md", "SECURITY.md", "CONTRIBUTING.md"}

// source returns the text of a file of the repository.
func source(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", name))
	must(t, err)
	return string(text)
}

// TestDocumentsShowWhatTheProgramDoes carries out what each document shows, in one home directory.
func TestDocumentsShowWhatTheProgramDoes(t *testing.T) {
	t.Parallel()
	needShell(t)
	for _, document := range documents {
		u := newUser(t, fakeapi.New(t).Base())
		for _, block := range consoleBlocks(t, document) {
			u.session(document, block)
		}
	}
}

// linesOf returns how many lines a declaration has, with its doc comment; 0 if the file has none of
// that name. A method may be called type.name. The file is formatted by gofmt.
func linesOf(t testing.TB, file, name string) int {
	declaration := `(?:func (?:\(.*?\) )?|type |var |const )` + name
	if typeName, method, isMethod := strings.Cut(name, "."); isMethod {
		declaration = `func \(\w+ \*?` + typeName + `\) ` + method
	}
	// It ends with its line, or where a line begins with a closing bracket and opens none.
	end := `\b(?:.*\+\n)*.*(?:[^{(,\n]|[{(,]\n(?:.*\n)*?[})](?:.*[^{(\n])?)\n`
	code := regexp.MustCompile(`(?m)^(?://.*\n)*` + declaration + end).FindString(source(t, file))
	return strings.Count(code, "\n")
}

// TestWhatDocumentsNameExists looks for each file, each target of make, each function that stands
// after its file (creds.go `saveKey`), and any other name of mixed case in backticks.
func TestWhatDocumentsNameExists(t *testing.T) {
	t.Parallel()
	named := regexp.MustCompile("([\\w/*.]*[\\w*]\\.(?:go|md))\\b`?(?: `([\\w.]+)`)?" +
		"|`make ([a-z-]+)|`([a-z]{2,}[A-Z]\\w+|(?:Test|Fuzz)\\w+)")
	code := ""
	for _, pattern := range []string{"*.go", "*/*.go", "*/*/*.go"} {
		paths, _ := filepath.Glob(filepath.Join("..", pattern))
		for _, path := range paths {
			code += source(t, strings.TrimPrefix(path, ".."))
		}
	}
	for _, document := range documents {
		for _, match := range named.FindAllStringSubmatch(source(t, document), -1) {
			file, inFile, target, mixed := match[1], match[2], match[3], match[4]
			found := false
			switch {
			case file != "":
				pattern := regexp.MustCompile("^X").ReplaceAllString(file, "*") // X_test.go
				paths, _ := filepath.Glob(filepath.Join("..", pattern))
				found = len(paths) > 0 && (inFile == "" || linesOf(t, file, inFile) > 0)
			case target != "":
				found = strings.Contains(source(t, "Makefile"), "\n"+target+":")
			default:
				found = regexp.MustCompile(`\b` + mixed + `\b`).MatchString(code)
			}
			if !found {
				t.Errorf("%s names %s, which does not exist", document, match[0])
			}
		}
	}
}

// TestTheAuditPathIsExact holds SECURITY.md to the lines that it tells an auditor to read: after
// each file, functions and how long they are with their doc comments, and "N lines in all".
func TestTheAuditPathIsExact(t *testing.T) {
	t.Parallel()
	_, path, _ := strings.Cut(source(t, "SECURITY.md"), "\n## A path ")
	path, _, _ = strings.Cut(path, "\n## ")
	file, sum := "", 0
	for _, match := range regexp.MustCompile("(\\w+\\.go)|`([\\w.]+)` (\\d+)").
		FindAllStringSubmatch(path, -1) {
		if match[1] != "" {
			file = match[1]
			continue
		}
		lines := linesOf(t, file, match[2])
		if strconv.Itoa(lines) != match[3] {
			t.Errorf("%s in %s has %d lines, not %s", match[2], file, lines, match[3])
		}
		sum += lines
	}
	want := fmt.Sprintf("%d lines in all", sum)
	if !strings.Contains(path, want) || sum == 0 || sum > 800 {
		t.Errorf("SECURITY.md must say %q, at most 800", want)
	}
}
