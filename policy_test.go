package main

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// only says which files alone may reach a package or a name in one, or use a danger, whatever
// SECURITY.md shows: these are for people to change.
var only = []struct{ files, what string }{
	{"http.go", `net net/http net/http/httptrace crypto/tls
		client.transport net/http.Transport.RoundTrip`},
	{"creds.go", "path/filepath key.secret readKeyFile"},
	{"creds.go http.go", "key.raw"},
	{"client.go http.go", "key.mask"},
	{"login.go", "app.saveKey app.removeKey"},
	{"main.go", "os.Args os.Exit os.LookupEnv os.Stdin os.Stdout os.Stderr"},
	{"creds.go limits.go main.go tty_unix.go", "os"},
	{"limits.go tty_unix.go", "os/signal"},
	{"tty_bsd.go tty_unix.go", "unsafe"},
	{"tty_unix.go", "syscall.Syscall"},
	{"tty_windows.go", "syscall.NewLazyDLL"},
	{"", "os/exec plugin reflect //go:linkname"},
}

// pure are the files that must reach nothing at all, whatever SECURITY.md shows.
var pure = strings.Fields(`api.go completion.go errors.go functions.go help.go json.go login.go
	output.go project.go query.go usage.go whoami.go`)

// forbidden returns what the rules above refuse, as "output.go must not reach os.Open".
func forbidden(f facts) []string {
	var all []string
	for name, words := range f {
		for word := range words {
			what, file := word, name
			if user, _, isUse := strings.Cut(word, ".go:"); isUse {
				what, file = name, user+".go"
			}
			refused := slices.Contains(pure, name)
			for _, rule := range only {
				refused = refused || slices.Contains(strings.Fields(rule.what), what) &&
					!slices.Contains(strings.Fields(rule.files), file)
			}
			if refused {
				all = append(all, file+" must not reach "+what)
			}
		}
	}
	return all
}

// TestTheProgramKeepsToThePolicy holds the program to the rules above, on all systems together.
func TestTheProgramKeepsToThePolicy(t *testing.T) {
	t.Parallel()
	f := programFacts(t)
	for _, what := range forbidden(f) {
		t.Error(what)
	}
	for _, name := range dangers {
		if f[name] == nil {
			t.Errorf("%s is listed as a danger, and there is no such function or field", name)
		}
	}
	for name := range programSource(t) {
		if f[name] == nil {
			t.Errorf("%s is compiled on none of these: %v", name, systems)
		}
	}
	entries, err := os.ReadDir(".")
	must(t, err)
	compiled := regexp.MustCompile(`\.([sSmcfFh]|sx|cc|cpp|cxx|hh|hpp|hxx|for|f90|swig.*|syso)$`)
	for _, entry := range entries {
		if compiled.MatchString(entry.Name()) {
			t.Errorf("%s would be part of the program, and is not Go", entry.Name())
		}
	}
}

// leaks are declarations that must not pass, each with the file that they are added to and what
// refuses them: a danger that they use, something that SECURITY.md does not show for their file, or
// a rule. LEAK is a name of their own.
var leaks = []struct{ file, code, want string }{
	// The key leaves its type.
	{"output.go", `func LEAK(d key) string { return d.raw() }`, "key.raw"},
	{"output.go", `func LEAK(d key) string { return *d.secret }`, "key.secret"},
	{"output.go", `func LEAK(d key) func() string { return d.raw }`, "key.raw"},
	{"output.go", `var LEAK = key.raw`, "key.raw"},
	{"output.go", `var LEAK = (*key).raw`, "key.raw"},
	{"output.go", `type kLEAK = key
		func LEAK(d *kLEAK) string { return d.raw() }`, "key.raw"},
	{"output.go", `type hLEAK struct{ key }
		func LEAK(h hLEAK) string { return h.raw() }`, "key.raw"},
	{"output.go", `func LEAK(v any) string { return v.(interface{ raw() string }).raw() }`,
		"key.raw"},
	{"output.go", `func LEAK[T interface{ raw() string }](v T) string { return v.raw() }`,
		"key.raw"},
	{"output.go", `type tLEAK key
		func LEAK(d key) string { return *tLEAK(d).secret }`, "key.secret"},
	{"output.go", `func LEAK(d key) string {
		s := struct{ secret *string }(d)
		return *s.secret
	}`, "key.secret"},
	{"output.go", `func LEAK(d *key) string { return *(*struct{ secret *string })(d).secret }`,
		"key.secret"},
	// What masks the key, or reads it, in other hands.
	{"output.go", `func LEAK(d key) { fmt.Println(d.mask("mic_")) }`, "key.mask"},
	{"whoami.go", `func LEAK() { readKeyFile("/home/ana/key.txt") }`, "readKeyFile"},
	{"whoami.go", `var LEAK = readKeyFile`, "readKeyFile"},
	{"whoami.go", `func LEAK(a *app, k key) { a.saveKey(k, "/tmp/key") }`, "app.saveKey"},
	{"whoami.go", `var LEAK = (*app).saveKey`, "app.saveKey"},
	{"json.go", `func LEAK(a *app) { a.removeKey("/tmp/key") }`, "app.removeKey"},
	// The network.
	{"env.go", `func LEAK(c *client, r *http.Request) { c.transport().RoundTrip(r) }`,
		"client.transport"},
	{"env.go", `func LEAK(t http.RoundTripper, r *http.Request) { t.RoundTrip(r) }`,
		"net/http.Transport.RoundTrip"},
	{"client.go", `func LEAK() { http.Get("https://example.com") }`, "must not reach net/http"},
	{"http.go", `func LEAK() { http.DefaultClient.Get("https://example.com") }`,
		"net/http.DefaultClient"},
	{"http.go", `var LEAK = tls.Config{InsecureSkipVerify: true}`,
		"crypto/tls.Config.InsecureSkipVerify"},
	{"limits.go", `var LEAK = net.Dial`, "must not reach net"},
	// Files, processes, the environment, the terminal.
	{"query.go", `func LEAK() { os.ReadFile("/etc/passwd") }`, "os.ReadFile"},
	{"functions.go", `type fLEAK = os.File
		func LEAK(f *fLEAK) { f.WriteString("") }`, "os.File.WriteString"},
	{"main.go", `func LEAK() { os.ReadFile("/etc/passwd") }`, "os.ReadFile"},
	{"env.go", `func LEAK() { exec.Command("sh").Run() }`, "must not reach os/exec"},
	{"project.go", `func LEAK(a *app) string { return a.getenv("SPY") }`, "must not reach $SPY"},
	{"output.go", `func LEAK(a *app) string { return a.getenv("MICROTICA_" + "LEAK") }`,
		"$MICROTICA_LEAK"},
	{"env.go", `func LEAK(a *app) string { return passLEAK(a, "MICROTICA_LEAK") }
		func passLEAK(a *app, name string) string { return a.getenv(name) }`, "$MICROTICA_LEAK"},
	{"env.go", `func LEAK(a *app) (all []string) {
		for _, name := range []string{"MICROTICA_LEAK"} {
			all = append(all, a.getenv(name))
		}
		return all
	}`, "$MICROTICA_LEAK"},
	{"output.go", `func LEAK() { os.Exit(0) }`, "os.Exit"},
	{"creds.go", `var LEAK = os.Exit`, "must not reach os.Exit"},
	{"whoami.go", `func LEAK(a *app) { openTerminal(a.stdin) }`, "openTerminal"},
	{"whoami.go", `func LEAK() { fmt.Println("hello") }`, "fmt.Println"},
	{"whoami.go", `func LEAK() { println("hello") }`, "println"},
	// Past what the language allows.
	{"client.go", `func LEAK(k key) string { return reflect.ValueOf(k).Field(0).String() }`,
		"must not reach reflect"},
	{"client.go", `func LEAK(k *key) string { return **(**string)(unsafe.Pointer(k)) }`,
		"must not reach unsafe"},
	{"http.go", "//go:linkname LEAK runtime.exit\nfunc LEAK(int) {}",
		"must not reach //go:linkname"},
}

// TestThePolicyIsAWall adds all leaks to the program, and looks for what refuses each.
func TestThePolicyIsAWall(t *testing.T) {
	t.Parallel()
	shown, source := programFacts(t), programSource(t)
	own := func(text string, i int) string {
		return strings.ReplaceAll(text, "LEAK", fmt.Sprintf("LEAK%d", i))
	}
	for i, leak := range leaks {
		source[leak.file] = withImports(source[leak.file], own(leak.code, i))
	}
	f := audit(t, source, systems[:1])
	rules := forbidden(f)
	for i, leak := range leaks {
		want := own(leak.want, i)
		used := f[want][own(leak.file+":LEAK", i)]
		added := f[leak.file][want] && !shown[leak.file][want]
		if !used && !added && !slices.Contains(rules, leak.file+" "+want) {
			t.Errorf("%s passes in %s, in spite of %q", leak.code, leak.file, leak.want)
		}
	}
}

// withImports returns a file's text with code at its end, and with the imports that it needs.
func withImports(text, code string) string {
	clause := "package main\n"
	for _, name := range strings.Fields("crypto/tls fmt net net/http os os/exec reflect unsafe") {
		used := regexp.MustCompile(`\b` + path.Base(name) + `\.`).MatchString(code)
		if quoted := strconv.Quote(name); used && !strings.Contains(text, quoted) {
			clause += "import " + quoted + "\n"
		}
	}
	return strings.Replace(text, "package main\n", clause, 1) + "\n" + code + "\n"
}

// TestTheAPIsWordForEnvironmentsStaysInTheClient holds the rest of the program to its users' words.
func TestTheAPIsWordForEnvironmentsStaysInTheClient(t *testing.T) {
	stage := regexp.MustCompile(`(?i)\bstages?\b`)
	for name, text := range programSource(t) {
		if name != "client.go" && stage.MatchString(text) {
			t.Errorf("%s calls an environment a stage", name)
		}
	}
}

// TestNothingButTheStandardLibrary holds the program and its tests to it.
func TestNothingButTheStandardLibrary(t *testing.T) {
	module, err := os.ReadFile("go.mod")
	if want := "module microtica\n\ngo 1.24\n"; err != nil || string(module) != want {
		t.Errorf("go.mod is %q (%v), want %q", module, err, want)
	}
	if _, err := os.Stat("go.sum"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("go.sum: %v, want none", err)
	}
	const format = "{{if not .Standard}}{{.ImportPath}}{{end}}"
	out, err := exec.Command("go", "list", "-deps", "-test", "-f", format, ".").Output()
	must(t, err)
	for _, path := range strings.Fields(string(out)) {
		if !strings.HasPrefix(path, "microtica") && !strings.HasPrefix(path, "[microtica") {
			t.Errorf("go list -deps -test shows %s", path)
		}
	}
}

// TestBinaryIsStatic looks into the built binary: it needs no interpreter or shared library, and
// holds nothing of the tests or of the place where it was built.
func TestBinaryIsStatic(t *testing.T) {
	path := os.Getenv("MICROTICA_BINARY")
	if path == "" {
		path = builtBinary(t)
	}
	content, err := os.ReadFile(path)
	must(t, err)
	here, err := os.Getwd()
	must(t, err)
	for _, word := range []string{"httptest", "canary0SECRET0value", here, testDir} {
		if bytes.Contains(content, []byte(word)) {
			t.Errorf("the binary holds %q", word)
		}
	}
	if runtime.GOOS != "linux" && runtime.GOOS != "freebsd" {
		t.Skip("only Linux and FreeBSD have static binaries")
	}
	program, err := elf.NewFile(bytes.NewReader(content))
	must(t, err)
	for _, p := range program.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("the binary is not static: it has %v", p.Type)
		}
	}
}
