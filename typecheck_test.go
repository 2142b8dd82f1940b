package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	gotoken "go/token"
	"go/types"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// This file type-checks the program for the audit and for mutants. It reads the declarations of the
// standard library from their source: the go command would compile them for each system, and that
// takes minutes.

// systems are enough to compile every file of the program at least once. (FreeBSD's files are
// macOS's; netbsd stands for the systems where nothing hides what is typed.)
var systems = strings.Fields("linux darwin windows netbsd")

// programSource returns the program's source files without its tests.
func programSource(t testing.TB) map[string]string {
	t.Helper()
	source := map[string]string{}
	names, _ := filepath.Glob("*.go")
	for _, name := range names {
		text, err := os.ReadFile(name)
		must(t, err)
		if !strings.HasSuffix(name, "_test.go") {
			source[name] = string(text)
		}
	}
	return source
}

// buildTag is the tag that the Makefile builds the program with.
const buildTag = "nethttpomithttp2"

var (
	fileSet      = gotoken.NewFileSet()
	checking     sync.Mutex               // held while the maps below are used
	libraryFiles = map[string]*ast.File{} // by name: most belong to every system
	libraries    = map[string]*library{}  // by system
)

// library is the standard library on one system; it fills as packages are imported.
type library struct {
	context  build.Context
	packages map[string]*types.Package
}

func newLibrary(system string) *library {
	lib := &library{build.Default, map[string]*types.Package{"unsafe": types.Unsafe}}
	root, _ := exec.Command("go", "env", "GOROOT").Output() // -trimpath hides it from this process
	lib.context.GOROOT = strings.TrimSpace(string(root))
	lib.context.GOOS, lib.context.GOARCH, lib.context.CgoEnabled = system, "amd64", false
	lib.context.BuildTags = []string{buildTag}
	for minor := range 100 { // so that a file for a later release of Go is audited too
		lib.context.ReleaseTags = append(lib.context.ReleaseTags, fmt.Sprintf("go1.%d", minor))
	}
	return lib
}

// Import is part of types.ImporterFrom, and never called.
func (lib *library) Import(path string) (*types.Package, error) {
	return lib.ImportFrom(path, "", 0)
}

// ImportFrom returns a package that a file in dir imports, with its declarations checked.
func (lib *library) ImportFrom(path, dir string, _ types.ImportMode) (*types.Package, error) {
	if p := lib.packages[path]; p != nil {
		return p, nil
	}
	found, err := lib.context.Import(path, dir, 0)
	if err != nil {
		return nil, err
	}
	var files []*ast.File
	for _, name := range found.GoFiles {
		name = filepath.Join(found.Dir, name)
		if libraryFiles[name] == nil {
			file, err := parser.ParseFile(fileSet, name, nil, parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			libraryFiles[name] = file
		}
		files = append(files, libraryFiles[name])
	}
	config := types.Config{Importer: lib, IgnoreFuncBodies: true}
	lib.packages[path], err = config.Check(found.ImportPath, fileSet, files, nil)
	return lib.packages[path], err
}

// checkedProgram is the program on one system, type-checked.
type checkedProgram struct {
	files map[string]*ast.File
	pkg   *types.Package
	info  types.Info
}

// compile parses and type-checks the files of source that belong to a system.
func compile(t testing.TB, source map[string]string, system string) *checkedProgram {
	t.Helper()
	checking.Lock()
	defer checking.Unlock()
	if libraries[system] == nil {
		libraries[system] = newLibrary(system)
	}
	lib := libraries[system]
	p := &checkedProgram{files: map[string]*ast.File{}, info: types.Info{
		Types: map[ast.Expr]types.TypeAndValue{},
		Defs:  map[*ast.Ident]types.Object{},
		Uses:  map[*ast.Ident]types.Object{},
	}}
	for name, text := range source {
		belongs, err := lib.context.MatchFile(".", name)
		if belongs {
			// An older Go would refuse a file for a newer one. It can check it all the same.
			text = strings.Replace(text, "//go:build go1.", "// built from go1.", 1)
			p.files[name], err = parser.ParseFile(fileSet, name, text, parser.ParseComments)
		}
		must(t, err)
	}
	config := types.Config{Importer: lib}
	var err error
	p.pkg, err = config.Check("microtica", fileSet, slices.Collect(maps.Values(p.files)), &p.info)
	if err != nil {
		t.Fatalf("for %s: %v", system, err)
	}
	return p
}

// object returns what a name in the table of dangers means, or nil: key.raw is a method or field of
// a type of the program, readKeyFile a function of it, net/http.Transport.RoundTrip one of a
// package, print one of the language.
func (p *checkedProgram) object(name string) types.Object {
	dir, rest := path.Split(name)
	parts := strings.Split(rest, ".")
	pkg := p.pkg
	for _, imported := range p.pkg.Imports() {
		if imported.Path() == dir+parts[0] && len(parts) > 1 {
			pkg, parts = imported, parts[1:]
		}
	}
	object := cmp.Or(pkg.Scope().Lookup(parts[0]), types.Universe.Lookup(parts[0]))
	if object == nil || len(parts) == 1 {
		return object
	}
	member, _, _ := types.LookupFieldOrMethod(object.Type(), true, pkg, parts[1])
	return member
}
