package main

import (
	"debug/elf"
	"fmt"
	"io"
	"maps"
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

// rooms says what each file of the program may reach beyond plain computing: packages, names of
// those that are listed name by name, and environment variables. A file is held to its row exactly.
var rooms = []struct{ file, packages, names, variables string }{
	{"api.go", "", "", ""},
	{"client.go",
		"crypto/tls crypto/x509 net net/http net/http/httptrace syscall",
		"syscall.RawConn",
		"HTTPS_PROXY MICROTICA_API_URL https_proxy"},
	{"completion.go", "", "", ""},
	{"creds.go",
		"crypto/rand io/fs os path/filepath syscall",
		`os.Chmod os.File.Close os.File.Stat os.File.Sync os.LinkError os.Mkdir os.O_RDONLY
			os.O_RDWR os.Open os.OpenFile os.ReadDir os.Remove os.Rename os.Stat os.WriteFile
			syscall.EINVAL syscall.O_NONBLOCK`,
		"HOME MICROTICA_TOKEN MICROTICA_TOKEN_FILE USERPROFILE"},
	{"env.go", "", "", "MICROTICA_PROJECT_ID"},
	{"errors.go", "", "", ""},
	{"help.go", "", "", ""},
	{"http.go", "crypto/tls crypto/x509 net", "", "HTTPS_PROXY"},
	{"json.go", "", "", ""},
	{"login.go", "", "", ""},
	{"main.go",
		"flag log os os/signal syscall",
		`os.Args os.Exit os.Getenv os.Signal os.Stderr os.Stdin os.Stdout signal.Ignored
			signal.Notify signal.Stop syscall.SIGINT syscall.SIGTERM syscall.Signal`,
		""},
	{"output.go", "", "", ""},
	{"project.go", "", "", ""},
	{"query.go", "", "", ""},
	{"tty_bsd.go", "syscall", "syscall.TIOCGETA syscall.TIOCSETA syscall.TIOCSETAF", ""},
	{"tty_linux.go", "syscall", "syscall.TCGETS syscall.TCSETS", ""},
	{"tty_other.go", "io/fs", "", ""},
	{"tty_unix.go",
		"os os/signal syscall unsafe",
		`os.Signal signal.Ignored signal.Notify signal.Stop syscall.ECHO syscall.EIO
			syscall.Getpid syscall.Kill syscall.SIGCONT syscall.SIGHUP syscall.SIGQUIT
			syscall.SIGSTOP syscall.SIGTSTP syscall.SYS_IOCTL syscall.Signal syscall.Syscall
			syscall.Termios`,
		""},
	{"whoami.go", "", "", ""},
}

// only says which files alone may reach a package, whatever their rows say. What is not here is a
// matter of the rows.
var only = map[string]string{
	"net":                "client.go http.go",
	"net/http":           "client.go",
	"net/http/httptrace": "client.go",
	"crypto/tls":         "client.go http.go",
	"os":                 "creds.go main.go tty_unix.go",
	"path/filepath":      "creds.go",
	"unsafe":             "tty_unix.go",
	"reflect":            "",
	"os/exec":            "",
	"plugin":             "",
	"//go:linkname":      "",
}

// pure are the files that must reach nothing at all, whatever their rows say.
var pure = strings.Fields(`api.go completion.go errors.go functions.go help.go json.go output.go
	project.go query.go whoami.go`)

// dangers says who may use what could give the key away or reach outside: functions, methods and
// fields, each with the declarations that use it in any way: as a call, as a value, through an
// interface, by setting the field. The name of a package in front means the standard library; a
// danger without users must have none.
var dangers = []struct{ name, users string }{
	// The key.
	{"key.secret", "creds.go key.String key.raw"},
	{"key.raw", "client.go client.mask client.once creds.go app.saveKey"},
	{"client.mask", "client.go client.once http.go client.quote"},
	{"parseKey", "creds.go app.findKey keepForeignFile login.go runLogin"},
	{"app.findKey", "client.go app.newClient"},
	{"app.readKey", "login.go runLogin"},
	{"app.token", "login.go runLogin main.go app.parse"},
	// The stored key.
	{"readKeyFile", "creds.go app.findKey keepForeignFile"},
	{"app.saveKey", "login.go runLogin"},
	{"app.removeKey", "login.go runLogout"},
	{"app.sweep", "creds.go app.removeKey app.saveKey"},
	// The network.
	{"client.transport", "client.go client.once"},
	{"net/http.Transport.RoundTrip", "client.go client.once"},
	{"net/http.ProxyFromEnvironment", "client.go client.transport"},
	{"net/http.Client", ""},
	{"net/http.DefaultClient", ""},
	{"net/http.DefaultTransport", ""},
	{"crypto/tls.Config.InsecureSkipVerify", ""},
	// The process, its terminal and its environment.
	{"app.getenv",
		`client.go app.apiURL client.transport creds.go app.credentialsPath app.findKey
			app.keyFromEnvironment env.go runEnvList http.go client.proxyVariable main.go main`},
	{"app.stdin", "login.go app.readKey main.go main"},
	{"app.stdout",
		"completion.go runCompletion help.go runHelp main.go main output.go app.print"},
	{"openTerminal", "login.go app.readKey"},
	{"os.Args", "main.go main"},
	{"os.Exit", "main.go main"},
	{"os.Getenv", "main.go main"},
	{"os.LookupEnv", ""},
	{"os.Environ", ""},
	// What would print or read past app.
	{"os.Stdin", "main.go main"},
	{"os.Stdout", "main.go main"},
	{"os.Stderr", "main.go main"},
	{"print", ""},
	{"println", ""},
	{"fmt.Print", ""},
	{"fmt.Printf", ""},
	{"fmt.Println", ""},
	{"fmt.Scan", ""},
	{"fmt.Scanf", ""},
	{"fmt.Scanln", ""},
}

// violations compares what an audit found with the tables above. Each line says what is wrong, and
// how the row would have to read.
func violations(f *facts, files []string) []string {
	var all []string
	wrong := func(what, got, want, row string) {
		if got, want = words(got), words(want); got != want {
			line := fmt.Sprintf("%s: %q, want %q; the row would be\n%s", what, got, want, row)
			all = append(all, line)
		}
	}
	for _, room := range rooms {
		if name := room.file; slices.Contains(files, name) {
			row := f.room(name)
			wrong("packages of "+name, f.packages[name].String(), room.packages, row)
			wrong("names used in "+name, f.names[name].String(), room.names, row)
			wrong("variables of "+name, f.variables[name].String(), room.variables, row)
		}
	}
	for _, danger := range dangers {
		wrong("use of "+danger.name, f.users(danger.name), danger.users, f.danger(danger.name))
	}
	for _, name := range pure {
		if reached := f.packages[name].String() + f.variables[name].String(); reached != "" {
			all = append(all, fmt.Sprintf("%s is pure, and reaches %s", name, reached))
		}
	}
	for pkg, allowed := range only {
		for name := range f.packages {
			if f.packages[name][pkg] && !slices.Contains(strings.Fields(allowed), name) {
				all = append(all, name+" reaches "+pkg)
			}
		}
	}
	return all
}

// words returns text with its words apart by single spaces.
func words(text string) string { return strings.Join(strings.Fields(text), " ") }

// TestEveryFileReachesOnlyWhatItMay holds the program to the tables, on all systems together.
func TestEveryFileReachesOnlyWhatItMay(t *testing.T) {
	t.Parallel()
	source, err := programSource()
	if err != nil {
		t.Fatal(err)
	}
	f, err := programFacts()
	if err != nil {
		t.Fatal(err)
	}
	names := slices.Sorted(maps.Keys(source))
	for _, line := range violations(f, names) {
		t.Error(line)
	}
	var listed []string
	for _, room := range rooms {
		listed = append(listed, room.file)
	}
	slices.Sort(listed)
	if !slices.Equal(names, listed) {
		t.Errorf("the program's files are %q, the rooms %q", names, listed)
	}
	if checked := slices.Sorted(maps.Keys(f.files)); !slices.Equal(names, checked) {
		t.Errorf("of %q only %q are compiled on some system", names, checked)
	}
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	compiled := regexp.MustCompile(`\.([sSmcfFh]|sx|cc|cpp|cxx|hh|hpp|hxx|for|f90|swig.*|syso)$`)
	for _, entry := range entries {
		if compiled.MatchString(entry.Name()) {
			t.Errorf("%s would be part of the program, and is not Go", entry.Name())
		}
	}
}

// TestEveryDangerIsThere fails for a row of dangers that names nothing: it would hold nothing.
func TestEveryDangerIsThere(t *testing.T) {
	t.Parallel()
	missing := set{}
	for _, danger := range dangers {
		missing[danger.name] = true
	}
	source, err := programSource()
	if err != nil {
		t.Fatal(err)
	}
	for _, system := range systems {
		p, err := compile(source, system)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range p.dangers {
			delete(missing, name)
		}
	}
	if len(missing) > 0 {
		t.Errorf("nothing in the program or the library is called %v", missing)
	}
}

// leaks are lines that must not pass, each with the file that they are added to and the line or row
// that refuses them.
var leaks = []struct{ file, code, want string }{
	// The key leaves its type.
	{"output.go", `func leak(d key) string { return d.raw() }`, "output.go leak"},
	{"output.go", `func leak(d key) string { return *d.secret }`, "output.go leak"},
	{"output.go", `func leak(d key) func() string { return d.raw }`, "output.go leak"},
	{"output.go", `var leak = key.raw`, "output.go leak"},
	{"output.go", `var leak = (*key).raw`, "output.go leak"},
	{"output.go", `type k = key
		func leak(d *k) string { return d.raw() }`, "output.go leak"},
	{"output.go", `type holder struct{ key }
		func leak(h holder) string { return h.raw() }`, "output.go leak"},
	{"output.go", `func leak(v any) string { return v.(interface{ raw() string }).raw() }`,
		"output.go leak"},
	{"output.go", `func leak[T interface{ raw() string }](v T) string { return v.raw() }`,
		"output.go leak"},
	{"output.go", `type twin key
		func leak(d key) string { return *twin(d).secret }`, "output.go leak"},
	{"output.go", `func leak(d key) string {
		s := struct{ secret *string }(d)
		return *s.secret
	}`, "output.go leak"},
	{"output.go", `func leak(d *key) string {
		var s *struct{ secret *string } = (*struct{ secret *string })(d)
		return *s.secret
	}`, "output.go leak"},
	// What masks the key, or reads it, in other hands.
	{"output.go", `func leak(c *client) string { return fmt.Sprint(c.mask()) }`,
		"output.go leak"},
	{"whoami.go", `func peek() { readKeyFile("/home/ana/key.txt") }`, "whoami.go peek"},
	{"whoami.go", `var peek = readKeyFile`, "whoami.go peek"},
	{"whoami.go", `func store(a *app, k key) { a.saveKey(k, "/tmp/key") }`, "whoami.go store"},
	{"whoami.go", `var store = (*app).saveKey`, "whoami.go store"},
	{"json.go", `func drop(a *app) { a.removeKey("/tmp/key") }`, "json.go drop"},
	// The network.
	{"env.go", `func send(c *client, r *http.Request) { c.transport(nil).RoundTrip(r) }`,
		"env.go send"},
	{"env.go", `func send(t http.RoundTripper, r *http.Request) { t.RoundTrip(r) }`,
		"env.go send"},
	{"env.go", `func send() { http.Get("https://example.com") }`, "env.go reaches net/http"},
	{"http.go", `func send() { http.DefaultClient.Get("https://example.com") }`,
		"http.go send"},
	{"http.go", `var config = tls.Config{InsecureSkipVerify: true}`, "http.go config"},
	{"errors.go", `var connect = net.Dial`, "errors.go reaches net"},
	// Files, processes, the environment, the terminal.
	{"query.go", `func read() { os.ReadFile("/etc/passwd") }`, "query.go reaches os"},
	{"query.go", `type file = os.File
		func write(f *file) { f.WriteString("") }`, "query.go reaches os"},
	{"main.go", `func read() { os.ReadFile("/etc/passwd") }`, "os.ReadFile"},
	{"json.go", `func run() { exec.Command("sh").Run() }`,
		"os/exec is not part of the program"},
	{"output.go", `func read(a *app) string { return a.getenv("MICROTICA_" + "SPY") }`,
		"MICROTICA_SPY"},
	{"env.go", `func read(a *app) string { return pass(a, "MICROTICA_SPY") }
		func pass(a *app, name string) string { return a.getenv(name) }`, "MICROTICA_SPY"},
	{"env.go", `func read(a *app) (all []string) {
		for _, name := range spied {
			all = append(all, a.getenv(name))
		}
		return all
	}
	var spied = []string{"MICROTICA_SPY"}`, "MICROTICA_SPY"},
	{"output.go", `func leave() { os.Exit(0) }`, "output.go leave"},
	{"creds.go", `var leave = os.Exit`, "creds.go leave"},
	{"whoami.go", `func ask(a *app) { openTerminal(a.stdin) }`, "whoami.go ask"},
	{"whoami.go", `func say() { fmt.Println("hello") }`, "whoami.go say"},
	{"whoami.go", `func say() { println("hello") }`, "whoami.go say"},
	// Behind the language's back.
	{"output.go", `func leak(k key) string { return reflect.ValueOf(k).Field(0).String() }`,
		"output.go reaches reflect"},
	{"json.go", `func leak(k *key) string { return **(**string)(unsafe.Pointer(k)) }`,
		"json.go reaches unsafe"},
	{"http.go", "//go:linkname exit runtime.exit\nfunc exit(int) {}",
		"http.go reaches //go:linkname"},
}

// TestThePolicyIsAWall tries the leaks one at a time.
func TestThePolicyIsAWall(t *testing.T) {
	t.Parallel()
	original, err := programSource()
	if err != nil {
		t.Fatal(err)
	}
	for _, leak := range leaks {
		source := maps.Clone(original)
		source[leak.file] = withImports(source[leak.file], leak.code)
		f, err := audit(source, systems[:1])
		found := fmt.Sprint(err)
		if err == nil {
			found = strings.Join(violations(f, slices.Collect(maps.Keys(f.files))), "\n")
		}
		if !strings.Contains(found, leak.want) {
			t.Errorf("%s passes in %s; only this is found: %s", leak.code, leak.file, found)
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
	source, err := programSource()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range source {
		if name != "client.go" && stage.MatchString(text) {
			t.Errorf("%s calls an environment a stage", name)
		}
	}
}

// TestNothingButTheStandardLibrary holds the program and its tests to it.
func TestNothingButTheStandardLibrary(t *testing.T) {
	module, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(module), "module microtica\n\ngo 1.24\n"; got != want {
		t.Errorf("go.mod is %q, want %q", got, want)
	}
	if _, err := os.Stat("go.sum"); err == nil {
		t.Error("there is a go.sum")
	}
	for _, test := range []string{"-test=false", "-test=true"} {
		const format = "{{if not .Standard}}{{.ImportPath}}{{end}}"
		out, err := exec.Command("go", "list", "-deps", test, "-f", format, ".").Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range strings.Fields(string(out)) {
			if !strings.HasPrefix(path, "microtica") && !strings.HasPrefix(path, "[microtica") {
				t.Errorf("go list -deps %s shows %s", test, path)
			}
		}
	}
}

// TestBinaryIsStatic looks into the built binary: it needs no interpreter and no shared library, and
// holds nothing of the tests or of the place where it was built.
func TestBinaryIsStatic(t *testing.T) {
	path := os.Getenv("MICROTICA_BINARY")
	if path == "" {
		path = builtBinary(t)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	content, err := io.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"httptest", "canary0SECRET0value", here, testDir} {
		if strings.Contains(string(content), word) {
			t.Errorf("the binary holds %q", word)
		}
	}
	if runtime.GOOS != "linux" && runtime.GOOS != "freebsd" {
		t.Skip("only Linux and FreeBSD have static binaries")
	}
	program, err := elf.NewFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range program.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("the binary is not static: it has %v", p.Type)
		}
	}
}
