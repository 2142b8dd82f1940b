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
	"strconv"
	"strings"
	"sync"
)

// This file type-checks the program for the audit and for mutants, together with the declarations
// of the standard library, which it reads from their source: the go command would compile them for
// each system, and that takes minutes.

// systems are enough to compile every file of the program at least once. (FreeBSD's files are
// macOS's; netbsd stands for the systems where nothing hides what is typed.)
var systems = strings.Fields("linux darwin windows netbsd")

// programSource returns the program's source files without its tests.
func programSource() (map[string]string, error) {
	source := map[string]string{}
	names, _ := filepath.Glob("*.go")
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if !strings.HasSuffix(name, "_test.go") {
			source[name] = string(text)
		}
	}
	return source, nil
}

var (
	fileSet      = gotoken.NewFileSet()
	libraryFiles sync.Map // files of the standard library by name: most belong to every system
)

// buildTag is the tag that the Makefile builds the program with.
const buildTag = "nethttpomithttp2"

// library is the standard library on one system; it fills as packages are imported.
type library struct {
	sync.Mutex
	build.Context
	packages map[string]*types.Package
}

var libraries = sync.OnceValue(newLibraries)

func newLibraries() map[string]*library {
	all := map[string]*library{}
	root, _ := exec.Command("go", "env", "GOROOT").Output() // -trimpath hides it from this process
	for _, system := range systems {
		lib := &library{Context: build.Default, packages: map[string]*types.Package{}}
		lib.GOROOT = strings.TrimSpace(string(root))
		lib.GOOS, lib.GOARCH, lib.CgoEnabled = system, "amd64", false
		lib.BuildTags, lib.ReleaseTags = []string{buildTag}, nil
		for minor := range 100 { // so that a file for a later release of Go is audited too
			lib.ReleaseTags = append(lib.ReleaseTags, "go1."+strconv.Itoa(minor))
		}
		all[system] = lib
	}
	return all
}

// Import is part of types.ImporterFrom, and never called.
func (lib *library) Import(path string) (*types.Package, error) {
	return lib.ImportFrom(path, "", 0)
}

// ImportFrom returns a package that a file in dir imports, with its declarations checked.
func (lib *library) ImportFrom(path, dir string, _ types.ImportMode) (*types.Package, error) {
	if path == "unsafe" {
		return types.Unsafe, nil
	}
	if p := lib.packages[path]; p != nil {
		return p, nil
	}
	found, err := lib.Context.Import(path, dir, 0)
	if err != nil {
		return nil, err
	}
	var files []*ast.File
	for _, name := range found.GoFiles {
		name = filepath.Join(found.Dir, name)
		file, known := libraryFiles.Load(name)
		if !known {
			file, err = parser.ParseFile(fileSet, name, nil, parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			libraryFiles.Store(name, file)
		}
		files = append(files, file.(*ast.File))
	}
	config := types.Config{Importer: lib, Sizes: types.SizesFor("gc", "amd64"),
		IgnoreFuncBodies: true}
	lib.packages[path], err = config.Check(found.ImportPath, fileSet, files, nil)
	return lib.packages[path], err
}

// checkedProgram is the program on one system, type-checked.
type checkedProgram struct {
	library *library
	files   map[string]*ast.File
	pkg     *types.Package
	info    types.Info
}

// compile parses and type-checks the files of source that belong to a system.
func compile(source map[string]string, system string) (*checkedProgram, error) {
	p := &checkedProgram{library: libraries()[system], files: map[string]*ast.File{}}
	p.info.Types = map[ast.Expr]types.TypeAndValue{}
	p.info.Defs = map[*ast.Ident]types.Object{}
	p.info.Uses = map[*ast.Ident]types.Object{}
	for name, text := range source {
		if belongs, err := p.library.MatchFile(".", name); err != nil {
			return nil, err
		} else if !belongs {
			continue
		}
		// An older Go would refuse a file for a newer one. It can check it all the same.
		text = strings.Replace(text, "//go:build go1.", "// built from go1.", 1)
		file, err := parser.ParseFile(fileSet, name, text, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		p.files[name] = file
	}
	p.library.Lock()
	defer p.library.Unlock()
	config := types.Config{Importer: p.library, Sizes: types.SizesFor("gc", "amd64")}
	files := slices.Collect(maps.Values(p.files))
	var err error
	if p.pkg, err = config.Check("microtica", fileSet, files, &p.info); err != nil {
		return nil, fmt.Errorf("for %s: %w", system, err)
	}
	return p, nil
}

// object returns what a name in the table of dangers means, or nil: key.raw is a method or field of
// a type of the program, readKeyFile a function of it, net/http.Transport.RoundTrip one of a
// package, print one of the language.
func (p *checkedProgram) object(name string) types.Object {
	dir, rest := path.Split(name)
	parts := strings.Split(rest, ".")
	pkg := p.pkg
	if imported := p.library.packages[dir+parts[0]]; imported != nil && len(parts) > 1 {
		pkg, parts = imported, parts[1:]
	}
	object := cmp.Or(pkg.Scope().Lookup(parts[0]), types.Universe.Lookup(parts[0]))
	if object == nil || len(parts) == 1 {
		return object
	}
	member, _, _ := types.LookupFieldOrMethod(object.Type(), true, pkg, parts[1])
	return member
}
