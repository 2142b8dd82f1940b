package main

import (
	"cmp"
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	gotoken "go/token"
	"go/types"
	"io"
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

// This file parses and type-checks the program, together with the declarations of the standard
// library, for the audit and for mutants.

// systems are enough to compile every file of the program at least once. (FreeBSD's files are
// macOS's; netbsd stands for the systems where nothing hides what is typed.)
var systems = strings.Fields("linux darwin windows netbsd")

// programSource returns the program's source files, tests left out.
func programSource() (map[string]string, error) {
	names, err := filepath.Glob("*.go")
	if err != nil {
		return nil, err
	}
	source := map[string]string{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		source[name] = string(text)
	}
	return source, nil
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

// library is the standard library on one system, as far as the program needs it.
type library struct {
	packages map[string]*listed
	checked  map[string]*types.Package
}

// listed is a package as go list shows it: its files, and what it imports under another name.
type listed struct {
	files   []string
	imports map[string]string
}

var (
	fileSet      = gotoken.NewFileSet()
	libraryFiles sync.Map // the standard library's files by name: most are those of every system
)

// libraries are filled when first asked for. Checking declarations alone takes a second for all
// systems; their compiled packages would take minutes to build.
var libraries = sync.OnceValues(func() (map[string]*library, error) {
	all := map[string]*library{}
	for _, system := range systems {
		lib, err := listLibrary(system)
		if err != nil {
			return nil, err
		}
		all[system] = lib
	}
	parseLibraries(all)
	failed := make(chan error)
	for _, lib := range all {
		go func() {
			var errs []error
			for path := range lib.packages {
				_, err := lib.Import(path)
				errs = append(errs, err)
			}
			failed <- errors.Join(errs...)
		}()
	}
	var errs []error
	for range all {
		errs = append(errs, <-failed)
	}
	return all, errors.Join(errs...)
})

// listLibrary asks the go tool what the program is made of on a system.
func listLibrary(system string) (*library, error) {
	const format = `{{if .Standard}}{{.ImportPath}}|{{.Dir}}|{{join .GoFiles " "}}|` +
		`{{range $k, $v := .ImportMap}}{{$k}} {{$v}} {{end}}{{end}}`
	list := exec.Command("go", "list", "-e", "-deps", "-tags="+buildTag, "-f", format, ".")
	list.Env = append(os.Environ(), "GOOS="+system, "GOARCH=amd64", "CGO_ENABLED=0")
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("go list for %s: %w", system, err)
	}
	lib := &library{map[string]*listed{}, map[string]*types.Package{"unsafe": types.Unsafe}}
	for line := range strings.Lines(string(out)) {
		part := strings.Split(strings.TrimSpace(line), "|")
		if len(part) != 4 || part[0] == "unsafe" {
			continue
		}
		p := &listed{nil, map[string]string{}}
		for _, name := range strings.Fields(part[2]) {
			p.files = append(p.files, filepath.Join(part[1], name))
		}
		for pair := range slices.Chunk(strings.Fields(part[3]), 2) {
			p.imports[pair[0]] = pair[1]
		}
		lib.packages[part[0]] = p
	}
	return lib, nil
}

// parseLibraries parses the files of all libraries, each once, on all processors.
func parseLibraries(all map[string]*library) {
	names := set{}
	for _, lib := range all {
		for _, p := range lib.packages {
			for _, name := range p.files {
				names[name] = true
			}
		}
	}
	var running sync.WaitGroup
	list := slices.Sorted(maps.Keys(names))
	for part := range slices.Chunk(list, max(1, len(list)/8)) {
		running.Add(1)
		go func() {
			defer running.Done()
			for _, name := range part {
				file, err := parser.ParseFile(fileSet, name, nil, parser.SkipObjectResolution)
				if err == nil {
					trim(file)
					libraryFiles.Store(name, file)
				}
			}
		}()
	}
	running.Wait()
}

// trim drops what declares nothing, but would take time and memory: the bodies of functions, and
// the elements of variables such as Unicode's tables.
func trim(file *ast.File) {
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Body != nil {
			f.Body.List = nil
		}
		if g, ok := decl.(*ast.GenDecl); ok && g.Tok == gotoken.VAR {
			ast.Inspect(g, func(n ast.Node) bool {
				lit, ok := n.(*ast.CompositeLit)
				if !ok {
					return true
				}
				if !isCounted(lit.Type) {
					lit.Elts = nil
				}
				return false
			})
		}
	}
}

// isCounted reports whether a type is [...]T, whose length its elements decide.
func isCounted(t ast.Expr) bool {
	array, ok := t.(*ast.ArrayType)
	if !ok {
		return false
	}
	_, counted := array.Len.(*ast.Ellipsis)
	return counted
}

// Import returns a package of the library with its declarations checked.
func (lib *library) Import(path string) (*types.Package, error) {
	if p := lib.checked[path]; p != nil {
		return p, nil
	}
	p := lib.packages[path]
	if p == nil {
		return nil, fmt.Errorf("%s is not part of the program", path)
	}
	var files []*ast.File
	for _, name := range p.files {
		file, ok := libraryFiles.Load(name)
		if !ok {
			return nil, fmt.Errorf("cannot parse %s", name)
		}
		files = append(files, file.(*ast.File))
	}
	config := types.Config{IgnoreFuncBodies: true, Sizes: types.SizesFor("gc", "amd64"),
		Importer: importer(func(name string) (*types.Package, error) {
			return lib.Import(cmp.Or(p.imports[name], name))
		})}
	checked, err := config.Check(path, fileSet, files, nil)
	lib.checked[path] = checked
	return checked, err
}

type importer func(path string) (*types.Package, error)

func (f importer) Import(path string) (*types.Package, error) { return f(path) }

// buildTag is the tag that the Makefile builds the program with.
const buildTag = "nethttpomithttp2"

// belongs reports whether a file is part of the program on a system, as go build decides it. Every
// release of Go is taken to be there, so that a file for a later one is audited too.
func belongs(system, name, text string) (bool, error) {
	context := build.Default
	context.GOOS, context.GOARCH, context.CgoEnabled = system, "amd64", false
	context.BuildTags, context.ReleaseTags = []string{buildTag}, nil
	for minor := range 100 {
		context.ReleaseTags = append(context.ReleaseTags, "go1."+strconv.Itoa(minor))
	}
	context.OpenFile = func(string) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(text)), nil
	}
	return context.MatchFile(".", name)
}

// checkedProgram is the program on one system, type-checked.
type checkedProgram struct {
	library *library
	files   map[string]*ast.File
	pkg     *types.Package
	info    *types.Info
	dangers map[types.Object]string
}

// compile parses and type-checks the files of source that belong to a system.
func compile(source map[string]string, system string) (*checkedProgram, error) {
	all, err := libraries()
	if err != nil {
		return nil, err
	}
	p := &checkedProgram{library: all[system], files: map[string]*ast.File{}, info: &types.Info{
		Types: map[ast.Expr]types.TypeAndValue{},
		Defs:  map[*ast.Ident]types.Object{},
		Uses:  map[*ast.Ident]types.Object{},
	}}
	var files []*ast.File
	for _, name := range slices.Sorted(maps.Keys(source)) {
		part, err := belongs(system, name, source[name])
		if err != nil {
			return nil, err
		}
		if !part {
			continue
		}
		file, err := parser.ParseFile(fileSet, name, source[name], parser.ParseComments)
		if err != nil {
			return nil, err
		}
		p.files[name] = file
		files = append(files, file)
	}
	config := types.Config{Importer: p.library, Sizes: types.SizesFor("gc", "amd64")}
	if p.pkg, err = config.Check("microtica", fileSet, files, p.info); err != nil {
		return nil, fmt.Errorf("for %s: %w", system, err)
	}
	p.dangers = map[types.Object]string{}
	for _, row := range dangers {
		if object := p.object(row.name); object != nil {
			p.dangers[object] = row.name
		}
	}
	return p, nil
}

// object returns what a danger's name means, or nil: key.raw is a method or field of a type of the
// program, readKeyFile a function of it, net/http.Transport.RoundTrip one of a package, print one
// of the language.
func (p *checkedProgram) object(name string) types.Object {
	dir, rest := path.Split(name)
	parts := strings.Split(rest, ".")
	pkg := p.pkg
	if checked := p.library.checked[dir+parts[0]]; checked != nil && len(parts) > 1 {
		pkg, parts = checked, parts[1:]
	}
	object := cmp.Or(pkg.Scope().Lookup(parts[0]), types.Universe.Lookup(parts[0]))
	if object == nil || len(parts) == 1 {
		return object
	}
	member, _, _ := types.LookupFieldOrMethod(object.Type(), true, pkg, parts[1])
	return member
}
