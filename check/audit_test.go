package check

import (
	"cmp"
	"fmt"
	"go/ast"
	gobuild "go/build"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The audit type-checks the program for each system, and goes by what a name refers to, however it
// is spelled or reached. SECURITY.md shows in two tables what each file can reach outside the
// process, and who uses what is dangerous. What floors and only refuse stays refused all the same.

// floors are the program's files, from the roof to the ground. None uses what a higher one declares.
var floors = []string{
	"main.go cmdline.go help.go",
	"login.go whoami.go project.go api.go",
	"client.go",
	"http.go",
	"creds.go unix.go windows.go ioctl_linux.go ioctl_bsd.go",
	"query.go functions.go noquery.go",
	"app.go errors.go key.go json.go output.go tls_go125.go tls_go126.go",
}

// upward are the names of a higher floor that a file uses all the same.
var upward = map[string]string{
	// The methods of a client are in both files, and client.go, which knows the endpoints, has the
	// type, what a status means, and the words for an answer that is not the API's.
	"http.go": "client app base deadline key limit retries request path client.statusFailure " +
		"client.badResponse client.quote client.assumption",
}

// dangers could give the key away, or reach outside the process. The second table shows who calls
// one, passes it on, sets it, or uses another method or field of the program that is called so.
var dangers = strings.Fields(`key.secret key.raw key.mask redact parseKey
	app.findKey app.readKey app.token readKeyFile readKeyText saveKey replaceFile removeKey sweep
	net/http.Transport.RoundTrip net/http.ProxyFromEnvironment
	app.getenv app.lookenv app.stdin app.stdout app.stderr hideInput restoreInput restoreForGood
	os.Args os.Exit os.LookupEnv os.Stdin os.Stdout os.Stderr`)

// only says which files alone may use what matches the patterns (those of path.Match).
var only = map[string]string{
	"nobody": `print println fmt.Print* fmt.Scan* log.Print* log.Fatal* log.Panic*
		os.Getenv os.Environ os.*Expand* os.*etenv syscall.*env syscall.Environ
		os/exec os.StartProcess syscall.*Exec syscall.*Process plugin reflect embed //go:[^d]*
		net.Dial* net.Listen* net.Lookup* net.Resolve* net/http.Dial* net/http.RoundTripper*
		net/http.Client* net/http.Default* net/http.Get net/http.Head net/http.Post*
		crypto/tls.InsecureSkipVerify crypto/tls.Verify* crypto/tls.RootCAs crypto/tls.KeyLog*`,
	"creds.go http.go":                    "key.raw",
	"http.go":                             "net net/http crypto/tls",
	"creds.go":                            "path/filepath readKeyFile replaceFile",
	"creds.go main.go unix.go windows.go": "os",
	"main.go":                             "os.Args os.Exit os.LookupEnv os.Std*",
}

// plain are the packages that only compute, but for what only names.
const plain = `bufio bytes cmp context encoding/json errors fmt io iter main maps math math/rand/v2
	net/url runtime slices strconv strings sync sync/atomic time unicode unicode/*`

// use says that something in a file uses what is declared in the file home of the program, or, if
// that is "", anywhere else: os.File.Close, $HOME, or as an import net/http or //go:debug.
type use struct{ what, file, in, home string }

// auditor collects all uses, each with its first line. It imports the standard library for one
// system at a time: what differs between systems from its source, without the bodies of functions,
// and the rest as compiled for this one. To compile all of it for each would take minutes.
type auditor struct {
	gobuild.Context
	texts    map[string]string // of the program's files; a name may have a second word
	uses     map[use]int
	fset     *token.FileSet
	compiled types.Importer
	packages map[string]*types.Package // from source
	info     types.Info
	in       string // the function, method, type or variable that is visited
}

func newAuditor(t testing.TB) *auditor {
	list := exec.Command("go", "list", "-export", "-deps", "-trimpath", "-tags=nethttpomithttp2",
		"-f={{.ImportPath}}={{.Export}}", ".", "os/exec") // all is in the cache since TestMain
	list.Dir, list.Env = "..", append(os.Environ(), "CGO_ENABLED=0")
	out, err := list.Output()
	must(t, err)
	a := &auditor{Context: gobuild.Default, texts: map[string]string{}, uses: map[use]int{},
		fset: token.NewFileSet()}
	a.compiled = importer.ForCompiler(a.fset, "gc", func(name string) (io.ReadCloser, error) {
		_, rest, _ := strings.Cut("\n"+string(out), "\n"+name+"=")
		file, _, _ := strings.Cut(rest, "\n")
		return os.Open(file)
	})
	a.GOARCH, a.CgoEnabled, a.ReleaseTags = "amd64", false, nil
	for minor := range 100 { // a file for a later release of Go counts, too
		a.ReleaseTags = append(a.ReleaseTags, fmt.Sprintf("go1.%d", minor))
	}
	paths, _ := filepath.Glob("../*.*")
	for _, path := range paths {
		name := filepath.Base(path) // what go build compiles, Go or not
		if has("*.go *.s *.syso", name) && !has("*_test.go", name) {
			a.texts[name] = source(t, name)
		}
	}
	return a
}

// audit adds what the program uses that is built for a system with build tags.
func (a *auditor) audit(t testing.TB, system string, tags ...string) {
	t.Helper()
	a.GOOS, a.BuildTags = system, append(tags, "nethttpomithttp2")
	a.packages = map[string]*types.Package{}
	a.info.Defs, a.info.Uses = map[*ast.Ident]types.Object{}, map[*ast.Ident]types.Object{}
	var files []*ast.File
	for name, text := range a.texts {
		name = strings.Fields(name)[0]
		belongs, err := a.MatchFile("..", name)
		file, wrong := parser.ParseFile(a.fset, name, text, 0)
		if must(t, err, wrong); belongs {
			file.GoVersion = "" // an older Go would refuse a file for a later release
			files = append(files, file)
			a.uses[use{"main", name, "import", ""}] = 1
		}
		for _, directive := range regexp.MustCompile(`//go:[^b]\w+`).FindAllString(text, -1) {
			a.uses[use{directive, name, "import", ""}] = 1 // all but //go:build
		}
	}
	config := types.Config{Importer: a}
	_, err := config.Check("microtica", a.fset, files, &a.info)
	must(t, err)
	for _, file := range files {
		ast.Inspect(file, a.visit)
	}
}

// Import returns a package of the standard library. It makes an auditor a types.Importer.
func (a *auditor) Import(name string) (*types.Package, error) {
	if a.packages[name] != nil {
		return a.packages[name], nil
	} else if !has("os os/signal syscall structs internal/* internal/*/* internal/*/*/*", name) {
		return a.compiled.Import(name)
	}
	found, err := a.Context.Import(name, "", 0)
	files := make([]*ast.File, len(found.GoFiles))
	for i, file := range found.GoFiles {
		if err == nil {
			files[i], err = parser.ParseFile(a.fset, filepath.Join(found.Dir, file), nil, 0)
		}
	}
	if err == nil {
		config := types.Config{Importer: a, IgnoreFuncBodies: true}
		a.packages[name], err = config.Check(name, a.fset, files, nil)
	}
	return a.packages[name], err
}

// variable is what the name of an environment variable looks like.
var variable = regexp.MustCompile(`^"([A-Z0-9]+(_[A-Z0-9]+)+|[a-z]+_proxy|HOME|USERPROFILE)"$`)

// visit adds what a node uses.
func (a *auditor) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.FuncDecl:
		a.in = nameOf(a.info.Defs[n.Name])
	case *ast.ImportSpec:
		a.add(n, strings.Trim(n.Path.Value, "\"`"), "import", "")
	case *ast.BasicLit:
		if variable.MatchString(n.Value) {
			a.add(n, "$"+strings.Trim(n.Value, `"`), a.in, "")
		}
	case *ast.CallExpr: // getenv, lookenv: the argument as it stands there
		if f, ok := n.Fun.(*ast.SelectorExpr); ok && strings.HasSuffix(f.Sel.Name, "env") {
			a.add(n, "$"+strings.Trim(types.ExprString(n.Args[0]), `"`), a.in, "")
		}
	case *ast.Ident:
		if o := a.info.Defs[n]; o != nil && o.Parent() == o.Pkg().Scope() {
			a.in = o.Name()
		} else if o := a.info.Uses[n]; o != nil {
			what, home := nameOf(o), ""
			if o.Pkg() != nil && o.Pkg().Path() != "microtica" {
				a.add(n, o.Pkg().Path(), "import", "")
			} else if o.Pkg() != nil {
				home = a.fset.File(o.Pos()).Name()
			}
			for _, danger := range dangers { // what an interface or a conversion calls the same
				if home != "" && o.Parent() == nil && strings.HasSuffix(danger, "."+o.Name()) {
					what = danger
				}
			}
			a.add(n, what, a.in, home)
		}
	}
	return true
}

func (a *auditor) add(n ast.Node, what, in, home string) {
	at := a.fset.PositionFor(n.Pos(), false) // whatever a //line says
	u := use{what, at.Filename, in, home}
	a.uses[u] = cmp.Or(a.uses[u], at.Line)
}

// nameOf returns an object's name after that of its type or package: os.File.Close, key.raw.
func nameOf(o types.Object) string {
	name := o.Name()
	if f, ok := o.(*types.Func); ok {
		name = f.FullName() // (*os.File).Close
	} else if o.Pkg() != nil {
		name = o.Pkg().Path() + "." + name
	}
	return strings.NewReplacer("microtica.", "", "(", "", "*", "", ")", "").Replace(name)
}

// has reports whether one of the words or patterns in a list matches a word.
func has(list, word string) bool {
	return slices.ContainsFunc(strings.Fields(list), func(pattern string) bool {
		matches, _ := path.Match(pattern, word)
		return matches
	})
}

func floor(file string) int {
	return slices.IndexFunc(floors, func(files string) bool { return has(files, file) })
}

// report returns the tables for SECURITY.md, and what floors and only refuse.
func (a *auditor) report() (tables string, refused []string) {
	cells := map[string]string{}
	put := func(cell, word string) {
		if word = " `" + word + "`"; !strings.Contains(cells[cell], word) {
			cells[cell] += word
		}
	}
	order := func(x, y use) int { return strings.Compare(fmt.Sprint(x), fmt.Sprint(y)) }
	for _, u := range slices.SortedFunc(maps.Keys(a.uses), order) {
		at := fmt.Sprintf("%s:%d: %s uses %s", u.file, a.uses[u], u.in, u.what)
		if u.home != "" && floor(u.home) < floor(u.file) && !has(upward[u.file], u.what) {
			refused = append(refused, at+" of "+u.home+", a higher floor")
		}
		for files, patterns := range only {
			if has(patterns, u.what) && !has(files, u.file) {
				refused = append(refused, at+"; only "+files+" may")
			}
		}
		switch put(u.what, u.file+":"+u.in); {
		case u.what[0] == '$':
			put(u.file+" variables", u.what[1:])
		case u.in == "import" && !has(plain, u.what):
			put(u.file+" packages", u.what)
		case has("os.* os/signal.* syscall.*", u.what):
			put(u.file+" names", u.what)
		}
	}
	total := 0
	tables = "| file | lines | packages beyond plain computing | names of os, os/signal, syscall " +
		"| environment variables |\n| --- | ---: | --- | --- | --- |\n"
	for _, file := range strings.Fields(strings.Join(floors, " ")) {
		lines := strings.Count(a.texts[file], "\n")
		tables += fmt.Sprintf("| %s | %d |%s |%s |%s |\n", file, lines, cells[file+" packages"],
			cells[file+" names"], cells[file+" variables"])
		total += lines
	}
	tables += fmt.Sprintf("| all | %d | | | |\n\n| what is dangerous | who uses it |\n", total) +
		"| --- | --- |\n"
	for _, danger := range dangers {
		tables += fmt.Sprintf("| `%s` |%s |\n", danger, cells[danger])
	}
	return tables, refused
}

// TestAudit compares the tables in SECURITY.md with the program. With MICROTICA_AUDIT=print it
// prints them instead, with MICROTICA_AUDIT=write it writes them there, for you to review.
func TestAudit(t *testing.T) {
	t.Parallel()
	a := newAuditor(t)
	for _, system := range []string{"linux", "darwin", "windows", "freebsd"} {
		a.audit(t, system)
	}
	a.audit(t, "linux", "noquery")
	tables, refused := a.report()
	for name := range a.texts {
		if floor(name) < 0 || a.uses[use{"main", name, "import", ""}] == 0 {
			refused = append(refused, name+" is on no floor, or compiled for no system")
		}
	}
	for _, what := range refused {
		t.Error(what)
	}
	const begin = "<!-- what make audit prints -->\n"
	const end = "<!-- end of what make audit prints -->\n"
	before, rest, _ := strings.Cut(source(t, "SECURITY.md"), begin)
	shown, after, _ := strings.Cut(rest, end)
	switch mode := os.Getenv("MICROTICA_AUDIT"); {
	case mode == "print":
		fmt.Print(tables)
	case mode == "write":
		text := before + begin + tables + end + after
		must(t, os.WriteFile("../SECURITY.md", []byte(text), 0o644))
	case shown != tables:
		t.Error("SECURITY.md shows other tables; this writes these there, for you to review:\n" +
			"MICROTICA_AUDIT=write go test -count=1 -run '^TestAudit$' ./check")
	}
}

// leaks are declarations for a file, and what the report says of each.
var leaks = []struct{ file, code, want string }{
	{"whoami.go", `func LEAK(a *app) { a.key.raw() }`, "LEAK uses key.raw"},
	{"output.go", `var LEAK = key.raw`, "LEAK uses key.raw"},
	{"json.go", `func LEAK(k key) any { f := k.raw; return func() { f() } }`, "LEAK uses key.raw"},
	{"api.go", `type KLEAK = key; func LEAK(k *KLEAK) { k.raw() }`, "LEAK uses key.raw"},
	{"api.go", `type KLEAK struct{ key }; func LEAK(k KLEAK) { k.raw() }`, "LEAK uses key.raw"},
	{"api.go", `func LEAK(v any) { v.(interface{ raw() string }).raw() }`, "LEAK uses key.raw"},
	{"api.go", `func LEAK[T interface{ raw() string }](v T) { v.raw() }`, "LEAK uses key.raw"},
	{"http.go", `func LEAK(k key) { k.raw() }`, "key.raw` .*`http.go:LEAK`"},
	{"help.go", `func LEAK(k key) { _ = k.mask("") }`, "key.mask` .*`help.go:LEAK`"},
	{"help.go", `func LEAK(k key) { _ = struct{ secret *string }(k).secret }`, "key.secret` .*:LEAK`"},
	{"project.go", `var LEAK = saveKey`, "saveKey` .*`project.go:LEAK`"},
	{"key.go", `import "fmt"; func LEAK(a *app) { fmt.Println(a.key.raw()) }`, "LEAK uses fmt.Println"},
	{"key.go", `func LEAK(a *app) { println(a.key.raw()) }`, "LEAK uses println"},
	{"key.go", `import "unsafe"; var LEAK unsafe.Pointer`, "key.go .*`unsafe`"},
	{"key.go", "//go:linkname LEAK runtime.exit\nfunc LEAK(int) {}", "uses //go:linkname"},
	{"app.go", `import r "reflect"; var LEAK = r.ValueOf(new(key))`, "app.go:.* uses reflect"},
	{"whoami.go", `import "os"; func LEAK() { os.ReadFile("x") }`, "whoami.go:.* uses os;"},
	{"main.go", `import "os"; var LEAK = os.ReadFile`, "main.go .* `os.ReadFile`"},
	{"login.go", `import o "os"; func LEAK() { o.LookupEnv("HOME") }`, "LEAK uses os.LookupEnv"},
	{"login.go", `func LEAK(a *app) { a.getenv("SPY") }`, "login.go .* `SPY`"},
	{"creds.go", `import "os/exec"; func LEAK() { exec.Command("sh").Run() }`, "uses os/exec"},
	{"client.go", `import . "net/http"; func LEAK() { Head("") }`, "client.go:.* uses net/http;"},
	{"http.go", `import "net/http"; var LEAK = http.DefaultClient`, "uses net/http.DefaultClient"},
	{"http.go", `import x "net/http"; func LEAK(t x.RoundTripper) { t.RoundTrip(nil) }`, "RoundTripper"},
	{"http.go", `import "crypto/tls"; var LEAK = tls.Config{InsecureSkipVerify: true}`, "uses .*Skip"},
	{"json.go", `func LEAK(a *app) { a.newClient() }`, "json.go:2: LEAK uses app.newClient of client.go"},
	{"api.go", "//line main.go:1\nvar LEAK = overview", "api.go:3: LEAK uses overview of help.go"},
}

// TestTheAuditRefuses plants all leaks at once, each under a name of its own.
func TestTheAuditRefuses(t *testing.T) {
	t.Parallel()
	a := newAuditor(t)
	for i, leak := range leaks {
		text := "package main\n" + leak.code + "\n"
		a.texts[fmt.Sprint(leak.file, " ", i)] = strings.ReplaceAll(text, "LEAK", fmt.Sprint("leak", i))
	}
	a.audit(t, "linux")
	tables, refused := a.report()
	report := tables + strings.Join(refused, "\n")
	for i, leak := range leaks {
		want := strings.ReplaceAll(leak.want, "LEAK", fmt.Sprint("leak", i))
		if !regexp.MustCompile(want).MatchString(report) {
			t.Errorf("%s passes in %s", leak.code, leak.file)
		}
	}
}
