package main

import (
	"bytes"
	"go/ast"
	"go/format"
	"go/parser"
	gotoken "go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestHouseRules holds every Go file to its form. It is part of make lint, which sets
// MICROTICA_LINT, and not of make test: how code looks breaks no promise.
func TestHouseRules(t *testing.T) {
	if os.Getenv("MICROTICA_LINT") == "" {
		t.Skip("MICROTICA_LINT is not set; run make lint")
	}
	for _, pattern := range []string{"*.go", "testdata/*.go"} {
		names, err := filepath.Glob(pattern)
		must(t, err)
		for _, name := range names {
			text, err := os.ReadFile(name)
			must(t, err)
			for _, fault := range faults(name, text) {
				t.Error(fault)
			}
		}
	}
}

// faults returns what is wrong with the form of a Go file, each as "file:line:column: what".
func faults(name string, text []byte) []string {
	var found []string
	fset := gotoken.NewFileSet()
	file, err := parser.ParseFile(fset, name, text, parser.SkipObjectResolution)
	if err != nil {
		return []string{err.Error()}
	}
	report := func(at gotoken.Pos, what string) {
		found = append(found, fset.Position(at).String()+": "+what)
	}
	if formatted, err := format.Source(text); err != nil || !bytes.Equal(formatted, text) {
		report(file.Package, "gofmt would change this file")
	}
	for i, line := range strings.Split(string(text), "\n") {
		if utf8.RuneCountInString(strings.ReplaceAll(line, "\t", "    ")) > 100 {
			report(fset.File(file.Package).LineStart(i+1), "the line has more than 100 columns")
		}
	}
	line := func(at gotoken.Pos) int { return fset.Position(at).Line }
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if line(n.End())-line(n.Pos()) >= 60 {
				report(n.Pos(), n.Name.Name+" has more than 60 lines")
			}
		case *ast.BlockStmt: // the one kind of list that gofmt leaves in a line
			for i, s := range n.List {
				if i > 0 && line(s.Pos()) == line(n.List[i-1].End()) {
					report(s.Pos(), "a second statement is in this line")
				}
			}
		}
		return true
	})
	return found
}

// TestFaults tries the rules on a file that breaks each, and on one at their limits.
func TestFaults(t *testing.T) {
	t.Parallel()
	function := func(lines int) string {
		return "package main\n\nfunc f() {\n" + strings.Repeat("\tf()\n", lines-2) + "}\n"
	}
	comment := func(columns int) string {
		return "package main\n\nfunc f() {\n\t// " + strings.Repeat("é", columns-7) + "\n}\n"
	}
	for _, row := range []struct{ text, want string }{
		{function(60), ""},
		{function(61), "x.go:3:1: f has more than 60 lines"},
		{comment(100), ""},
		{comment(101), "x.go:4:1: the line has more than 100 columns"},
		{"package p\n\nfunc f() { f(); f() }\n", "x.go:3:17: a second statement is in this line"},
		{"package main\nfunc f() {}\n", "x.go:1:1: gofmt would change this file"},
		{"package", "x.go:1:8: expected 'IDENT', found 'EOF'"},
	} {
		if got := strings.Join(faults("x.go", []byte(row.text)), "\n"); got != row.want {
			t.Errorf("%q: got %q, want %q", row.text, got, row.want)
		}
	}
}
