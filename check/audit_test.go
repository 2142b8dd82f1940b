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
	"runtime"
	"slices"
	"strings"
	"testing"
)

// The audit type-checks the program for each system, and goes by what a name refers to, however it
// is spelled or reached. SECURITY.md shows in two tables what each file can reach outside the
// process, and who uses what is dangerous. What floors and only refuse stays refused all the same.

// floors are the program's files, roof first. None uses what a higher floor declares.
var floors = []string{
	"main.go cmdline.go help.go",
	"login.go whoami.go project.go api.go",
	"client.go",
	"http.go",
	"creds.go unix.go windows.go ioctl_linux.go ioctl_bsd.go",
	"query.go functions.go noquery.go",
	"app.go errors.go key.go json.go output.go tls_go125.go tls_go126.go",
}

// upward are the names from a higher floor that a file uses all the same: what a status means
// depends on the endpoint, and client.go knows the endpoints.
var upward = map[string]string{"http.go": "client.statusFailure"}

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

// use is one use: of what (key.raw, os.File.Close, $HOME; in imports net/http, //go:debug), where,
// and in which of the program's files it is declared, if in any.
type use struct{ what, file, in, home string }

// auditor collects all uses, each with its first line. It reads the source of what differs between
// systems in the standard library: to compile that for each would take minutes.
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

var (
	differs     = regexp.MustCompile(`^(os|os/signal|syscall|structs|internal/.*)$`)
	variable    = regexp.MustCompile(`^"([A-Z0-9]+(_[A-Z0-9]+)+|[a-z]+_proxy|HOME|USERPROFILE)"$`)
	unqualified = strings.NewReplacer("microtica.", "", "(", "", "*", "", ")", "")
)

func newAuditor(t testing.TB) *auditor {
	list := exec.Command("go", "list", "-export", "-deps", "-trimpath", "-tags=nethttpomithttp2",
		"-f={{.Root}}\t{{.ImportPath}}\t{{.Export}}", ".", "os/exec") // in the cache since TestMain
	list.Dir, list.Env = "..", append(os.Environ(), "CGO_ENABLED=0")
	out, err := list.Output()
	must(t, err)
	a := &auditor{Context: gobuild.Default, texts: map[string]string{}, uses: map[use]int{},
		fset: token.NewFileSet()}
	a.compiled = importer.ForCompiler(a.fset, "gc", func(name string) (io.ReadCloser, error) {
		line := regexp.MustCompile("\t" + name + "\t.*").Find(out)
		return os.Open(strings.TrimPrefix(string(line), "\t"+name+"\t"))
	})
	a.GOROOT, _, _ = strings.Cut(string(out), "\t")
	a.GOARCH, a.CgoEnabled = "amd64", false
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
	a.GOOS, a.BuildTags = system, append(tags, "nethttpomithttp2", "go1.25", "go1.26")
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
	_, err := (&types.Config{Importer: a}).Check("microtica", a.fset, files, &a.info)
	must(t, err)
	for _, file := range files {
		ast.Inspect(file, a.visit)
	}
}

// Import returns a package of the standard library. It makes an auditor a types.Importer.
func (a *auditor) Import(name string) (*types.Package, error) {
	if a.packages[name] != nil {
		return a.packages[name], nil
	} else if a.GOOS == runtime.GOOS || !differs.MatchString(name) {
		return a.compiled.Import(name)
	}
	found, err := a.Context.Import(name, "", 0)
	var files []*ast.File
	for _, name := range found.GoFiles {
		file, wrong := parser.ParseFile(a.fset, found.Dir+"/"+name, nil, 0)
		files, err = append(files, file), cmp.Or(err, wrong)
	}
	if err == nil {
		config := types.Config{Importer: a, IgnoreFuncBodies: true}
		a.packages[name], err = config.Check(name, a.fset, files, nil)
	}
	return a.packages[name], err
}

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
			same := func(danger string) bool { return strings.HasSuffix(danger, "."+o.Name()) }
			if i := slices.IndexFunc(dangers, same); i >= 0 && home != "" && o.Parent() == nil {
				what = dangers[i] // or what an interface or a conversion puts in its place
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
	return unqualified.Replace(name)
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
	order := func(x, y use) int {
		return cmp.Or(strings.Compare(x.what, y.what), strings.Compare(x.file+x.in, y.file+y.in))
	}
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
	tables, total := "<!-- what make audit prints -->\n"+
		"| file | lines | packages beyond plain computing | names of os, os/signal, syscall "+
		"| environment variables |\n| --- | ---: | --- | --- | --- |\n", 0
	for _, file := range strings.Fields(strings.Join(floors, " ")) {
		lines := strings.Count(a.texts[file], "\n")
		tables += fmt.Sprintf("| %s | %d |%s |%s |%s |\n", file, lines, cells[file+" packages"],
			cells[file+" names"], cells[file+" variables"])
		total += lines
	}
	tables += fmt.Sprintf("| all | %d | | | |\n\n| danger | who uses it |\n| --- | --- |\n", total)
	for _, danger := range dangers {
		if cells[danger] == "" {
			refused = append(refused, danger+" is listed as a danger, but nobody uses it")
		}
		tables += fmt.Sprintf("| `%s` |%s |\n", danger, cells[danger])
	}
	return tables + "<!-- end of what make audit prints -->\n", refused
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
	switch mode := os.Getenv("MICROTICA_AUDIT"); {
	case mode == "print":
		fmt.Print(tables)
	case mode == "write":
		shown := regexp.MustCompile("(?s)<!-- what make audit .* make audit prints -->\n")
		text := shown.ReplaceAllLiteralString(source(t, "SECURITY.md"), tables)
		must(t, os.WriteFile("../SECURITY.md", []byte(text), 0o644))
	case !strings.Contains(source(t, "SECURITY.md"), tables):
		t.Error("SECURITY.md has other tables; to write these there, for you to review, run\n" +
			"MICROTICA_AUDIT=write go test -count=1 -run '^TestAudit$' ./check")
	}
	a.refuse(t)
}

// leaks are declarations that are planted in a file, and what the report must say of each.
var leaks = []struct{ file, code, want string }{
	{"whoami.go", `func called(a *app) { a.key.raw() }`, "called uses key.raw; only"},
	{"output.go", `var variable = key.raw`, "variable uses key.raw; only"},
	{"json.go", `func closed(k key) any { return func() { k.raw() } }`, "closed uses key.raw;"},
	{"json.go", `func bound(k key) { f := k.raw; f() }`, "bound uses key.raw; only"},
	{"api.go", `type alias = key; func other(k *alias) { k.raw() }`, "other uses key.raw; only"},
	{"api.go", `func asked(v any) { v.(interface{ raw() string }).raw() }`, "asked uses key.raw;"},
	{"http.go", `func again(k key) { k.raw() }`, "key.raw` .*`http.go:again`"},
	{"help.go", `func cast(k key) any { return struct{ secret *string }(k).secret }`, "go:cast`"},
	{"whoami.go", `import "fmt"; func show(a *app) { fmt.Println(a.key.raw()) }`, "show uses fmt."},
	{"key.go", `import "unsafe"; var pointer unsafe.Pointer`, "key.go .*`unsafe`"},
	{"key.go", "//go:linkname exit runtime.exit\nfunc exit(int) {}", "uses //go:linkname; only"},
	{"whoami.go", `import "os"; func read() { os.ReadFile("x") }`, "whoami.go:.* uses os; only"},
	{"main.go", `import "os"; var reader = os.ReadFile`, "main.go .* `os.ReadFile`"},
	{"login.go", `import o "os"; func look() { o.LookupEnv("SPY") }`, "look uses os.LookupEnv;"},
	{"login.go", `func spied(a *app) { a.getenv("SPY") }`, "login.go .* `SPY`"},
	{"creds.go", `import "os/exec"; var shell = exec.Command("sh")`, "uses os/exec; only"},
	{"client.go", `import . "net/http"; func asks() { Head("") }`, "client.go:.* uses net/http;"},
	{"http.go", `import h "net/http"; var c = h.DefaultClient`, "uses net/http.DefaultClient;"},
	{"http.go", `import h "net/http"; func f(t h.RoundTripper) { t.RoundTrip(nil) }`, "Tripper;"},
	{"http.go", `import "crypto/tls"; var t = tls.Config{InsecureSkipVerify: true}`, "SkipVerify;"},
	{"json.go", `func up(a *app) { a.newClient() }`, "json.go:2: up uses app.newClient of client"},
	{"api.go", "//line main.go:1\nvar top = overview", "api.go:3: top uses overview of help.go"},
}

// refuse fails unless a report on the program with all leaks in it names each.
func (a *auditor) refuse(t testing.TB) {
	for _, leak := range leaks {
		a.texts[leak.file+" "+leak.code] = "package main\n" + leak.code + "\n"
	}
	a.audit(t, "linux")
	tables, refused := a.report()
	report := tables + strings.Join(refused, "\n")
	for _, leak := range leaks {
		if !regexp.MustCompile(leak.want).MatchString(report) {
			t.Errorf("%s passes in %s", leak.code, leak.file)
		}
	}
}
