package main

import (
	"cmp"
	"errors"
	"fmt"
	"go/ast"
	"go/constant"
	"go/types"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// The audit says what the program's source can reach outside the process, and who uses what is
// dangerous. It type-checks the source for one system of each kind, together with the declarations
// of the standard library, so a use is found by what it refers to, whatever it is called and
// however it is reached. policy_test.go holds the program to the result; make audit prints it.

// harmless are the packages that any file may use: they compute, and reach nothing outside the
// process. The few functions in them that do are in the table of dangers.
var harmless = strings.Fields(`bufio bytes cmp context encoding/json errors fmt io iter maps math
	math/bits math/rand/v2 net/netip net/url regexp runtime slices sort strconv strings sync
	sync/atomic time unicode unicode/utf16 unicode/utf8`)

// powerful are the packages whose use is listed name by name.
var powerful = strings.Fields("os os/signal syscall")

// set is a set of strings; a nil one is empty.
type set map[string]bool

func (s set) String() string { return strings.Join(slices.Sorted(maps.Keys(s)), " ") }

// facts is what an audit found: by file, the packages beyond plain computing that it reaches, the
// names of powerful ones, and environment variables; by danger, who uses it, as a file and the name
// of a declaration in it.
type facts struct {
	files                               set
	packages, names, variables, callers map[string]set
}

func (f *facts) add(to map[string]set, at, what string) {
	if to[at] == nil {
		to[at] = set{}
	}
	to[at][what] = true
}

// audit type-checks source for each of the given systems, and returns all that it found.
func audit(source map[string]string, systems []string) (*facts, error) {
	f := &facts{set{}, map[string]set{}, map[string]set{}, map[string]set{}, map[string]set{}}
	for _, system := range systems {
		p, err := compile(source, system)
		if err != nil {
			return nil, err
		}
		p.collect(f)
	}
	return f, nil
}

// programFacts is the audit of the program as it is, on all systems.
var programFacts = sync.OnceValues(func() (*facts, error) {
	source, err := programSource()
	if err != nil {
		return nil, err
	}
	return audit(source, systems)
})

// collect adds to f what the program refers to on this system.
func (p *checkedProgram) collect(f *facts) {
	for name, file := range p.files {
		f.files[name] = true
		for _, spec := range file.Imports {
			f.addPackage(name, spec.Path.Value[1:len(spec.Path.Value)-1])
		}
		for _, group := range file.Comments {
			for _, comment := range group.List {
				word, _, _ := strings.Cut(comment.Text, " ")
				if strings.HasPrefix(word, "//go:") && word != "//go:build" {
					f.add(f.packages, name, word)
				}
			}
		}
		for _, decl := range file.Decls {
			for _, d := range declarations(decl) {
				p.collectUses(f, name, d)
			}
		}
	}
	p.collectVariables(f)
}

func (f *facts) addPackage(file, path string) {
	if !slices.Contains(harmless, path) {
		f.add(f.packages, file, path)
	}
}

// declaration is one declaration at the top level of a file.
type declaration struct {
	name string
	node ast.Node
}

// declarations takes a group of declarations apart, and names each: f, T.f for a method, T.
func declarations(decl ast.Decl) []declaration {
	var all []declaration
	switch d := decl.(type) {
	case *ast.FuncDecl:
		name := d.Name.Name
		if d.Recv != nil {
			receiver := strings.Trim(types.ExprString(d.Recv.List[0].Type), "*()")
			name = receiver + "." + name
		}
		all = append(all, declaration{name, d})
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				all = append(all, declaration{s.Name.Name, s})
			case *ast.ValueSpec:
				all = append(all, declaration{s.Names[0].Name, s})
			}
		}
	}
	return all
}

// collectUses adds what one declaration in a file refers to.
func (p *checkedProgram) collectUses(f *facts, file string, d declaration) {
	ast.Inspect(d.node, func(n ast.Node) bool {
		if e, ok := n.(ast.Expr); ok {
			if spec, ok := d.node.(*ast.TypeSpec); !ok || e != spec.Type {
				for _, danger := range p.twins(p.info.Types[e].Type) {
					f.add(f.callers, danger, file+" "+d.name)
				}
			}
		}
		id, ok := n.(*ast.Ident)
		if !ok || p.info.Uses[id] == nil {
			return true
		}
		object := origin(p.info.Uses[id])
		for _, danger := range p.dangersOf(object) {
			f.add(f.callers, danger, file+" "+d.name)
		}
		pkg := object.Pkg()
		if _, isImport := object.(*types.PkgName); isImport || pkg == nil || pkg == p.pkg {
			return true
		}
		f.addPackage(file, pkg.Path())
		if slices.Contains(powerful, pkg.Path()) {
			if name := nameOf(object); name != "" {
				f.add(f.names, file, name)
			}
		}
		return true
	})
}

// origin returns the generic function or field of an instantiated one.
func origin(object types.Object) types.Object {
	switch o := object.(type) {
	case *types.Func:
		return o.Origin()
	case *types.Var:
		return o.Origin()
	}
	return object
}

// nameOf returns an object of another package with its package's name, "" for a field: os.Open,
// os.File.Sync.
func nameOf(object types.Object) string {
	name := object.Pkg().Name() + "."
	switch o := object.(type) {
	case *types.Func:
		if receiver := receiverOf(o); receiver != nil {
			name += types.TypeString(receiver, func(*types.Package) string { return "" }) + "."
		}
	case *types.Var:
		if o.IsField() {
			return ""
		}
	}
	return name + object.Name()
}

// receiverOf returns the type that a method belongs to, nil for a function.
func receiverOf(f *types.Func) types.Type {
	receiver := f.Type().(*types.Signature).Recv()
	if receiver == nil {
		return nil
	}
	return withoutPointer(receiver.Type())
}

func withoutPointer(t types.Type) types.Type {
	if pointer, ok := types.Unalias(t).(*types.Pointer); ok {
		return types.Unalias(pointer.Elem())
	}
	return types.Unalias(t)
}

// dangersOf returns the dangers that a use of object may be: the danger itself, or a method of an
// interface through which a dangerous method can be called.
func (p *checkedProgram) dangersOf(object types.Object) []string {
	if name, ok := p.dangers[object]; ok {
		return []string{name}
	}
	method, ok := object.(*types.Func)
	if !ok {
		return nil
	}
	receiver := receiverOf(method)
	if receiver == nil || !types.IsInterface(receiver) {
		return nil
	}
	var found []string
	for danger, name := range p.dangers {
		f, ok := danger.(*types.Func)
		if !ok || f.Name() != method.Name() {
			continue
		}
		t, wanted := receiverOf(f), receiver.Underlying().(*types.Interface)
		if t != nil && types.Implements(types.NewPointer(t), wanted) {
			found = append(found, name)
		}
	}
	return found
}

// twins returns the dangerous fields that a value of type t would open under another name: those
// of a struct that converts to t, but is not t.
func (p *checkedProgram) twins(t types.Type) []string {
	if t == nil {
		return nil
	}
	t = withoutPointer(t)
	if _, ok := t.Underlying().(*types.Struct); !ok {
		return nil
	}
	var found []string
	for _, row := range dangers {
		name, _, isMember := strings.Cut(row.name, ".")
		owner, ok := p.pkg.Scope().Lookup(name).(*types.TypeName)
		if !isMember || !ok || owner.Type() == t {
			continue
		}
		if types.IdenticalIgnoreTags(owner.Type().Underlying(), t.Underlying()) {
			found = append(found, row.name)
		}
	}
	return found
}

// variableName is what the name of an environment variable looks like.
var variableName = regexp.MustCompile(`^([A-Z][A-Z0-9]*(_[A-Z0-9]+)*|[a-z]+_proxy)$`)

// collectVariables adds the environment variables that each file reads: the constant that
// app.getenv is called with; or, where the name is computed, all names in the function that calls
// it and in what that function mentions; or a question mark where there are none. A function that
// passes its own parameter on is followed to its callers.
func (p *checkedProgram) collectVariables(f *facts) {
	readers := map[types.Object]int{} // which argument is the name
	for _, name := range []string{"app.getenv", "app.lookenv", "os.Getenv",
		"os.LookupEnv", "syscall.Getenv"} {
		readers[p.object(name)] = 0
	}
	delete(readers, nil)
	bodies := map[types.Object]ast.Node{}
	for _, file := range p.files {
		for _, decl := range file.Decls {
			for _, d := range declarations(decl) {
				for _, id := range namesIn(d.node) {
					bodies[p.info.Defs[id]] = d.node
				}
			}
		}
	}
	for before := -1; before != len(readers); {
		before = len(readers)
		for name, file := range p.files {
			for _, decl := range file.Decls {
				if function, ok := decl.(*ast.FuncDecl); ok {
					p.collectReads(f, name, function, readers, bodies)
				}
			}
		}
	}
}

// namesIn returns the names that a declaration declares.
func namesIn(decl ast.Node) []*ast.Ident {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		return []*ast.Ident{d.Name}
	case *ast.ValueSpec:
		return d.Names
	}
	return nil
}

// collectReads adds the variables that one function reads through readers.
func (p *checkedProgram) collectReads(f *facts, file string, function *ast.FuncDecl,
	readers map[types.Object]int, bodies map[types.Object]ast.Node) {
	self := p.info.Defs[function.Name].(*types.Func)
	parameters := slices.Collect(self.Signature().Params().Variables())
	ast.Inspect(function, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		i, ok := readers[p.callee(call)]
		if !ok {
			return true
		}
		if value := p.info.Types[call.Args[i]].Value; value != nil {
			f.add(f.variables, file, constant.StringVal(value))
			return true
		}
		if id, ok := call.Args[i].(*ast.Ident); ok {
			parameter, _ := p.info.Uses[id].(*types.Var)
			if n := slices.Index(parameters, parameter); n >= 0 {
				readers[self] = n
				return true
			}
		}
		names := p.variableNames(function)
		ast.Inspect(function, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok && bodies[p.info.Uses[id]] != nil {
				maps.Copy(names, p.variableNames(bodies[p.info.Uses[id]]))
			}
			return true
		})
		if len(names) == 0 {
			names["?"] = true
		}
		for name := range names {
			f.add(f.variables, file, name)
		}
		return true
	})
}

// callee returns what a call calls, nil where that is not a name.
func (p *checkedProgram) callee(call *ast.CallExpr) types.Object {
	switch f := ast.Unparen(call.Fun).(type) {
	case *ast.Ident:
		return p.info.Uses[f]
	case *ast.SelectorExpr:
		return p.info.Uses[f.Sel]
	}
	return nil
}

// variableNames returns the constants under n that look like the name of a variable.
func (p *checkedProgram) variableNames(n ast.Node) set {
	names := set{}
	ast.Inspect(n, func(n ast.Node) bool {
		e, ok := n.(ast.Expr)
		if !ok {
			return true
		}
		value := p.info.Types[e].Value
		if value != nil && value.Kind() == constant.String {
			if text := constant.StringVal(value); variableName.MatchString(text) {
				names[text] = true
			}
		}
		return true
	})
	return names
}

// users returns who uses a danger: a file and the declarations in it, then the next file.
func (f *facts) users(danger string) string {
	var all []string
	last := ""
	for _, caller := range slices.Sorted(maps.Keys(f.callers[danger])) {
		file, name, _ := strings.Cut(caller, " ")
		if file != last {
			all = append(all, file)
		}
		all, last = append(all, name), file
	}
	return strings.Join(all, " ")
}

// room returns a file's row of rooms, as Go source.
func (f *facts) room(file string) string {
	return row(file, f.packages[file].String(), f.names[file].String(), f.variables[file].String())
}

// danger returns a row of dangers, as Go source.
func (f *facts) danger(name string) string { return row(name, f.users(name)) }

// row returns a row of a table of strings as Go source, in lines of at most 100 columns.
func row(cells ...string) string {
	var quoted []string
	for _, cell := range cells {
		quoted = append(quoted, strconv.Quote(cell))
	}
	line := "\t{" + strings.Join(quoted, ", ") + "},\n"
	if len(line) < 97 {
		return line
	}
	for i, cell := range cells {
		var b strings.Builder
		width := 12
		for j, word := range strings.Fields(cell) {
			switch width += len(word) + 1; {
			case width > 97:
				b.WriteString("\n\t\t\t")
				width = 12 + len(word) + 1
			case j > 0:
				b.WriteString(" ")
			}
			b.WriteString(word)
		}
		if quoted[i] = strconv.Quote(cell); strings.Contains(b.String(), "\n") {
			quoted[i] = "`" + b.String() + "`"
		}
	}
	return "\t{" + strings.Join(quoted, ",\n\t\t") + "},\n"
}

// markdown returns the two tables that SECURITY.md shows.
func (f *facts) markdown(source map[string]string) string {
	var b strings.Builder
	code := func(words string) string {
		if words == "" {
			return ""
		}
		return "`" + strings.ReplaceAll(words, " ", "` `") + "`"
	}
	b.WriteString("| file | lines | packages beyond plain computing " +
		"| names of os, os/signal, syscall | environment variables |\n" +
		"| --- | ---: | --- | --- | --- |\n")
	total := 0
	for _, name := range slices.Sorted(maps.Keys(source)) {
		lines := strings.Count(source[name], "\n")
		total += lines
		fmt.Fprintf(&b, "| %s | %d |", name, lines)
		for _, column := range []set{f.packages[name], f.names[name], f.variables[name]} {
			fmt.Fprintf(&b, " %s |", code(column.String()))
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "| all | %d | | | |\n\n", total)
	b.WriteString("| what is dangerous | who uses it |\n| --- | --- |\n")
	for _, danger := range dangers {
		var users []string
		for _, word := range strings.Fields(f.users(danger.name)) {
			if !strings.HasSuffix(word, ".go") {
				word = "`" + word + "`"
			}
			users = append(users, word)
		}
		who := cmp.Or(strings.Join(users, " "), "nobody")
		fmt.Fprintf(&b, "| `%s` | %s |\n", danger.name, who)
	}
	return b.String()
}

// TestAudit compares the tables in SECURITY.md with what the source says. With MICROTICA_AUDIT=1,
// which is make audit, it prints them instead, and with MICROTICA_AUDIT=go the rows that
// policy_test.go would have to have.
func TestAudit(t *testing.T) {
	t.Parallel()
	source, err := programSource()
	if err != nil {
		t.Fatal(err)
	}
	f, err := programFacts()
	if err != nil {
		t.Fatal(err)
	}
	want := f.markdown(source)
	switch os.Getenv("MICROTICA_AUDIT") {
	case "":
	case "go":
		for _, name := range slices.Sorted(maps.Keys(source)) {
			fmt.Print(f.room(name))
		}
		for _, danger := range dangers {
			fmt.Print(f.danger(danger.name))
		}
		return
	default:
		fmt.Print(want)
		return
	}
	text, err := os.ReadFile("SECURITY.md")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("no SECURITY.md here")
	}
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- what make audit prints -->\n", "<!-- end of what make audit prints -->"
	_, rest, found := strings.Cut(string(text), begin)
	got, _, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("SECURITY.md does not hold %q and %q", begin, end)
	}
	if strings.TrimSpace(got) != strings.TrimSpace(want) {
		t.Errorf("SECURITY.md does not show what make audit prints:\n%s", difference(got, want))
	}
}

// difference returns the lines that only one of two texts has.
func difference(got, want string) string {
	var b strings.Builder
	before, after := strings.Split(got, "\n"), strings.Split(want, "\n")
	for _, line := range before {
		if !slices.Contains(after, line) {
			fmt.Fprintln(&b, "-", line)
		}
	}
	for _, line := range after {
		if !slices.Contains(before, line) {
			fmt.Fprintln(&b, "+", line)
		}
	}
	return b.String()
}
