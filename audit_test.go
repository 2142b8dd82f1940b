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
// it refers to, whatever it is called and however it is reached. SECURITY.md shows the result, and
// a test holds the program to what it shows.

// harmless are the packages that any file may use: they compute, and reach nothing outside the
// process. The few functions in them that do are among the dangers.
var harmless = strings.Fields(`bufio bytes cmp context encoding/json errors fmt io iter maps math
	math/bits math/rand/v2 net/netip net/url regexp runtime slices sort strconv strings sync
	sync/atomic time unicode unicode/utf16 unicode/utf8`)

// powerful are the packages whose use is listed name by name.
var powerful = strings.Fields("os os/signal syscall")

// dangers are the functions, methods and fields that could give the key away or reach outside. Who
// uses one in any way is listed: as a call, as a value, through an interface, by setting the field.
// The name of a package in front means the standard library.
var dangers = strings.Fields(`
	key.secret key.raw key.mask client.quote parseKey app.findKey app.readKey app.token
	readKeyFile app.saveKey app.removeKey app.sweep
	client.transport net/http.Transport.RoundTrip net/http.ProxyFromEnvironment
	net/http.Client net/http.DefaultClient net/http.DefaultTransport
	crypto/tls.Config.InsecureSkipVerify
	app.getenv app.lookenv app.stdin app.stdout openTerminal
	os.Args os.Exit os.Getenv os.LookupEnv os.Environ os.Stdin os.Stdout os.Stderr
	print println fmt.Print fmt.Printf fmt.Println fmt.Scan fmt.Scanf fmt.Scanln`)

// facts are sets of words by name. Of a file: the packages beyond plain computing, the names in
// powerful ones, and the environment variables that it can reach: net, os.Open, $HOME, or $? if the
// name is computed. Of a danger: who uses it, as http.go:client.try.
type facts map[string]map[string]bool

func (f facts) add(name, word string) {
	if f[name] == nil {
		f[name] = map[string]bool{}
	}
	if word != "" {
		f[name][word] = true
	}
}

// audit returns the facts about source on the given systems together.
func audit(t testing.TB, source map[string]string, systems []string) facts {
	t.Helper()
	f := facts{}
	for _, system := range systems {
		p := compile(t, source, system)
		named := map[string][]danger{}
		for _, name := range dangers {
			if object := p.object(name); object != nil {
				named[object.Id()] = append(named[object.Id()], danger{name, object})
				f.add(name, "")
			}
		}
		for name, file := range p.files {
			a := &auditor{p, f, named, name, ""}
			a.directives(file)
			ast.Inspect(file, a.visit)
		}
	}
	return f
}

var audited struct {
	sync.Once
	facts
}

// programFacts returns the facts about the program on all systems.
func programFacts(t testing.TB) facts {
	t.Helper()
	audited.Do(func() { audited.facts = audit(t, programSource(t), systems) })
	return audited.facts
}

// danger is one of the dangers, and what its name means.
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

// directives adds those of a file: //go:linkname is as good as an import.
func (a *auditor) directives(file *ast.File) {
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
		packages, names, variables := "", "", ""
		for _, word := range slices.Sorted(maps.Keys(f[name])) {
			variable, isVariable := strings.CutPrefix(word, "$")
			switch {
			case isVariable:
				variables += " `" + variable + "`"
			case strings.Contains(word, "."):
				names += " `" + word + "`"
			default:
				packages += " `" + word + "`"
			}
		}
		fmt.Fprintf(&b, "| %s | %d |%s |%s |%s |\n", name, lines, packages, names, variables)
	}
	fmt.Fprintf(&b, "| all | %d | | | |\n\n", total)
	b.WriteString("| what is dangerous | who uses it |\n| --- | --- |\n")
	for _, name := range dangers {
		users := ""
		for _, user := range slices.Sorted(maps.Keys(f[name])) {
			users += " `" + user + "`"
		}
		fmt.Fprintf(&b, "| `%s` |%s |\n", name, cmp.Or(users, " nobody"))
	}
	return b.String()
}

// TestAudit holds the program to the tables in SECURITY.md. With MICROTICA_AUDIT=print, which is
// make audit, it prints those that this source would need; with MICROTICA_AUDIT=write it writes
// them there. Review them before you commit them.
func TestAudit(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("SECURITY.md")
	must(t, err)
	const begin = "<!-- what make audit prints -->\n"
	const end = "<!-- end of what make audit prints -->\n"
	before, rest, begins := strings.Cut(string(document), begin)
	shown, after, ends := strings.Cut(rest, end)
	tables := programFacts(t).tables(programSource(t))
	switch mode := os.Getenv("MICROTICA_AUDIT"); {
	case !begins || !ends:
		t.Fatalf("SECURITY.md does not hold %q and %q", begin, end)
	case mode == "write":
		must(t, os.WriteFile("SECURITY.md", []byte(before+begin+tables+end+after), 0o644))
	case mode != "":
		fmt.Print(tables)
	case shown != tables:
		for line := range strings.Lines(tables) {
			if !strings.Contains(shown, line) {
				t.Errorf("SECURITY.md does not show\n%s", line)
			}
		}
		t.Error("For you to review, this writes the tables there:\n" +
			"MICROTICA_AUDIT=write go test -count=1 -run '^TestAudit$' .")
	}
}
