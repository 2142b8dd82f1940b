package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/constant"
	"go/types"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// The audit says what the program's source can reach outside the process, and who uses what is
// dangerous. It type-checks the source for one system of each kind, so that a use is found by what
// it refers to, whatever it is called and however it is reached. policy_test.go holds the program
// to the result; make audit prints it.

// harmless are the packages that any file may use: they compute, and reach nothing outside the
// process. The few functions in them that do are in the table of dangers.
var harmless = strings.Fields(`bufio bytes cmp context encoding/json errors fmt io iter maps math
	math/bits math/rand/v2 net/netip net/url regexp runtime slices sort strconv strings sync
	sync/atomic time unicode unicode/utf16 unicode/utf8`)

// powerful are the packages whose use is listed name by name.
var powerful = strings.Fields("os os/signal syscall")

// set is a set of words; a nil one is empty.
type set map[string]bool

func (s set) words() []string { return slices.Sorted(maps.Keys(s)) }
func (s set) String() string  { return strings.Join(s.words(), " ") }

// facts are sets of words by name. Of a file: the packages beyond plain computing, the names in
// powerful ones, and the environment variables that it can reach: net os.Open $HOME. Of a danger:
// who uses it, as http.go:client.try.
type facts map[string]set

func (f facts) add(name, word string) {
	if f[name] == nil {
		f[name] = set{}
	}
	if word != "" {
		f[name][word] = true
	}
}

// audit returns the facts about source on the given systems together.
func audit(source map[string]string, systems []string) (facts, error) {
	f := facts{}
	for _, system := range systems {
		p, err := compile(source, system)
		if err != nil {
			return nil, err
		}
		named := map[string][]danger{}
		for name := range parseRows(dangers) {
			if object := p.object(name); object != nil {
				named[object.Id()] = append(named[object.Id()], danger{name, object})
				f.add(name, "")
			}
		}
		for name, file := range p.files {
			a := &auditor{p, f, named, name, ""}
			a.comments(file)
			ast.Inspect(file, a.visit)
		}
	}
	return f, nil
}

// programFacts are the facts about the program on all systems.
var programFacts = sync.OnceValues(func() (facts, error) {
	source, err := programSource()
	if err != nil {
		return nil, err
	}
	return audit(source, systems)
})

// danger is a row of the table of dangers, and what it means.
type danger struct {
	name   string
	object types.Object
}

// is reports whether used may be the danger: itself, or a method or field of the same name and type
// that an interface or a conversion can put in its place.
func (d danger) is(used types.Object) bool {
	return d.object == used || isMember(d.object) && isMember(used) &&
		types.Identical(d.object.Type(), used.Type())
}

func isMember(o types.Object) bool {
	switch o := o.(type) {
	case *types.Func:
		return o.Signature().Recv() != nil
	case *types.Var:
		return o.IsField()
	}
	return false
}

// auditor collects the facts about one file.
type auditor struct {
	*checkedProgram
	facts
	dangers map[string][]danger // by Object.Id
	file    string
	in      string // the declaration that is being visited: app.print
}

// comments adds the directives of a file: //go:linkname is as good as an import.
func (a *auditor) comments(file *ast.File) {
	a.add(a.file, "")
	for _, group := range file.Comments {
		for _, comment := range group.List {
			word, _, _ := strings.Cut(comment.Text, " ")
			if strings.HasPrefix(word, "//go:") && word != "//go:build" {
				a.add(a.file, word)
			}
		}
	}
}

// variable is what the name of an environment variable looks like.
var variable = regexp.MustCompile(`^([A-Z0-9]+(_[A-Z0-9]+)+|[a-z]+_proxy|HOME|USERPROFILE)$`)

func (a *auditor) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.FuncDecl:
		a.in = nameOf(a.info.Defs[n.Name])
	case *ast.TypeSpec:
		a.enter(n.Name)
	case *ast.ValueSpec:
		a.enter(n.Names[0])
	case *ast.ImportSpec:
		a.reach(strings.Trim(n.Path.Value, `"`))
	case *ast.Ident:
		a.use(a.info.Uses[n])
	case *ast.CallExpr:
		called, _ := n.Fun.(*ast.SelectorExpr)
		if called != nil && (called.Sel.Name == "getenv" || called.Sel.Name == "lookenv") {
			a.add(a.file, "$"+cmp.Or(a.text(n.Args[0]), "?"))
		}
	}
	if e, ok := n.(ast.Expr); ok && variable.MatchString(a.text(e)) {
		a.add(a.file, "$"+a.text(e))
	}
	return true
}

// enter notes that a declaration begins, unless it is in a function.
func (a *auditor) enter(name *ast.Ident) {
	if a.info.Defs[name].Parent() == a.pkg.Scope() {
		a.in = name.Name
	}
}

// text returns a constant string, "" for any other expression.
func (a *auditor) text(e ast.Expr) string {
	if value := a.info.Types[e].Value; value != nil && value.Kind() == constant.String {
		return constant.StringVal(value)
	}
	return ""
}

func (a *auditor) reach(path string) {
	if !slices.Contains(harmless, path) {
		a.add(a.file, path)
	}
}

// use adds what the use of an object means.
func (a *auditor) use(object types.Object) {
	if object == nil {
		return
	}
	for _, d := range a.dangers[object.Id()] {
		if d.is(object) {
			a.add(d.name, a.file+":"+a.in)
		}
	}
	_, isImport := object.(*types.PkgName)
	if pkg := object.Pkg(); !isImport && pkg != nil && pkg != a.pkg {
		a.reach(pkg.Path())
		if v, ok := object.(*types.Var); slices.Contains(powerful, pkg.Path()) &&
			!(ok && v.IsField()) {
			a.add(a.file, pkg.Path()+"."+nameOf(object))
		}
	}
}

// nameOf returns the name of an object, after that of its type if it is a method: File.Close.
func nameOf(object types.Object) string {
	if f, ok := object.(*types.Func); ok && f.Signature().Recv() != nil {
		receiver := types.TypeString(f.Signature().Recv().Type(),
			func(*types.Package) string { return "" })
		return strings.TrimPrefix(receiver, "*") + "." + f.Name()
	}
	return object.Name()
}

// row returns a row of rooms or dangers, in lines of at most 100 columns.
func (f facts) row(name string) string {
	row, width := name+":", len(name)
	for _, word := range f[name].words() {
		if width += 1 + len(word); width > 96 {
			row += "\n\t" + word
			width = 4 + len(word)
		} else {
			row += " " + word
		}
	}
	return row + "\n"
}

// rows returns rooms and dangers as the facts would have them. The names of dangers stay.
func (f facts) rows(source map[string]string) (newRooms, newDangers string) {
	for _, name := range slices.Sorted(maps.Keys(source)) {
		newRooms += f.row(name)
	}
	for line := range strings.Lines(dangers[1:]) {
		if name, _, isRow := strings.Cut(line, ":"); !isRow {
			newDangers += line
		} else if line[0] != '\t' {
			newDangers += f.row(name)
		}
	}
	return newRooms, newDangers
}

// tables returns what SECURITY.md shows.
func (f facts) tables(source map[string]string) string {
	var b strings.Builder
	b.WriteString("| file | lines | packages beyond plain computing " +
		"| names of os, os/signal, syscall | environment variables |\n" +
		"| --- | ---: | --- | --- | --- |\n")
	total := 0
	for _, name := range slices.Sorted(maps.Keys(source)) {
		lines := strings.Count(source[name], "\n")
		total += lines
		var packages, names, variables []string
		for _, word := range f[name].words() {
			variable, isVariable := strings.CutPrefix(word, "$")
			switch {
			case isVariable:
				variables = append(variables, variable)
			case strings.Contains(word, "."):
				names = append(names, word)
			default:
				packages = append(packages, word)
			}
		}
		fmt.Fprintf(&b, "| %s | %d |%s |%s |%s |\n",
			name, lines, asCode(packages), asCode(names), asCode(variables))
	}
	fmt.Fprintf(&b, "| all | %d | | | |\n\n", total)
	b.WriteString("| what is dangerous | who uses it |\n| --- | --- |\n")
	for line := range strings.Lines(dangers[1:]) {
		if name, _, isRow := strings.Cut(line, ":"); isRow && line[0] != '\t' {
			fmt.Fprintf(&b, "| `%s` |%s |\n", name, cmp.Or(asCode(f[name].words()), " nobody"))
		}
	}
	return b.String()
}

// asCode returns words as code, with a space before each.
func asCode(words []string) string {
	var b strings.Builder
	for _, word := range words {
		fmt.Fprintf(&b, " `%s`", word)
	}
	return b.String()
}

const writeAudit = "MICROTICA_AUDIT=write go test -count=1 -run '^TestAudit$' ."

// TestAudit compares the tables in SECURITY.md with the source. With MICROTICA_AUDIT=print, which
// is make audit, it prints them instead; with MICROTICA_AUDIT=write it writes them there, and to
// policy_test.go the rows that would let this source pass. Review those before you commit them.
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
	const begin = "<!-- what make audit prints -->\n"
	const end = "<!-- end of what make audit prints -->\n"
	tables := begin + f.tables(source) + end
	switch os.Getenv("MICROTICA_AUDIT") {
	case "":
		text, err := os.ReadFile("SECURITY.md")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), tables) {
			t.Errorf("SECURITY.md does not show the audit of this source; this writes it:\n%s",
				writeAudit)
		}
	case "write":
		newRooms, newDangers := f.rows(source)
		replaceBetween(t, "policy_test.go", "const rooms = `\n", "`\n", newRooms)
		replaceBetween(t, "policy_test.go", "const dangers = `\n", "`\n", newDangers)
		replaceBetween(t, "SECURITY.md", begin, end, f.tables(source))
	default:
		fmt.Print(f.tables(source))
	}
}

// replaceBetween writes text between two lines of a file.
func replaceBetween(t *testing.T, name, begin, end, text string) {
	old, err := os.ReadFile(name)
	before, rest, found := strings.Cut(string(old), begin)
	_, after, closed := strings.Cut(rest, end)
	if err != nil || !found || !closed {
		t.Fatalf("%s does not hold %q and %q: %v", name, begin, end, err)
	}
	if err := os.WriteFile(name, []byte(before+begin+text+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
