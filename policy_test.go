package main

import (
	"debug/elf"
	"fmt"
	"io"
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

// rooms says what each file of the program may reach beyond plain computing: packages, names in
// those that are listed name by name, and environment variables; $? is one whose name is computed.
const rooms = `
api.go:
client.go: $MICROTICA_TOKEN $MICROTICA_TOKEN_FILE
completion.go:
creds.go: $? $HOME $MICROTICA_TOKEN $MICROTICA_TOKEN_FILE $USERPROFILE crypto/rand io/fs os
	os.Chmod os.File os.File.Close os.File.Stat os.File.Sync os.LinkError os.Lstat os.Mkdir
	os.O_RDONLY os.O_RDWR os.Open os.OpenFile os.ReadDir os.Remove os.Rename os.Stat
	os.WriteFile path/filepath syscall syscall.EACCES syscall.EINVAL syscall.Errno
	syscall.O_NONBLOCK
env.go: $MICROTICA_PROJECT_ID
errors.go:
functions.go:
help.go:
http.go: $? $HTTPS_PROXY $MICROTICA_API_URL $https_proxy crypto/tls crypto/x509 net net/http
	net/http/httptrace
json.go:
limits.go: os os.Signal os/signal os/signal.Ignore os/signal.Ignored os/signal.Notify
	runtime/debug runtime/metrics syscall syscall.SIGHUP syscall.SIGINT syscall.SIGQUIT
	syscall.SIGTERM syscall.Signal
login.go:
main.go: $? log os os.Args os.Exit os.LookupEnv os.Stderr os.Stdin os.Stdout
output.go:
project.go:
query.go:
tls_go125.go: //go:debug
tls_go126.go: //go:debug
tty_bsd.go: syscall syscall.TIOCFLUSH syscall.TIOCGETA syscall.TIOCSETA unsafe
tty_linux.go: syscall syscall.TCGETS syscall.TCSETS
tty_other.go: io/fs
tty_unix.go: os os.Signal os/signal os/signal.Ignore os/signal.Notify os/signal.Stop syscall
	syscall.ECHO syscall.EIO syscall.Getpgrp syscall.Getpid syscall.ICANON syscall.ICRNL
	syscall.IGNCR syscall.INLCR syscall.ISIG syscall.Kill syscall.SIGCONT syscall.SIGHUP
	syscall.SIGPIPE syscall.SIGSTOP syscall.SIGTSTP syscall.SIGTTIN syscall.SIGTTOU
	syscall.SYS_GETSID syscall.SYS_IOCTL syscall.Syscall syscall.TIOCGPGRP syscall.Termios
	unsafe
tty_windows.go: syscall syscall.GetConsoleMode syscall.Handle syscall.LazyDLL.NewProc
	syscall.LazyProc.Call syscall.NewLazyDLL
usage.go:
whoami.go:
`

// dangers says who may use what could give the key away or reach outside: functions, methods and
// fields, each with the declarations that use it in any way: as a call, as a value, through an
// interface, by setting the field. The name of a package in front means the standard library.
const dangers = `
key.secret: creds.go:app.hasSavedKey creds.go:key.String creds.go:key.raw
key.raw: creds.go:app.saveKey creds.go:key.mask http.go:client.try
key.mask: client.go:client.quote http.go:client.try
client.quote: client.go:client.statusFailure http.go:client.reason
parseKey: creds.go:app.findKey creds.go:app.storedKey creds.go:mountedKey login.go:app.newKey
app.findKey: client.go:app.newClient
app.readKey: login.go:app.newKey
app.token: login.go:app.newKey main.go:app.accept

readKeyFile: creds.go:app.hasSavedKey creds.go:app.storedKey creds.go:keepForeignFile
	creds.go:mountedKey
app.saveKey: login.go:runLogin
app.removeKey: login.go:runLogout
app.sweep: creds.go:app.removeKey creds.go:app.saveKey

client.transport: http.go:client.try
net/http.Transport.RoundTrip: http.go:client.try
net/http.ProxyFromEnvironment: http.go:client.transport
net/http.Client:
net/http.DefaultClient:
net/http.DefaultTransport:
crypto/tls.Config.InsecureSkipVerify:

app.getenv: client.go:client.rejected creds.go:app.credentialsPath creds.go:app.findKey
	creds.go:app.keyFromEnvironment creds.go:app.shownPath env.go:app.projectID
	http.go:app.apiURL
app.lookenv: creds.go:app.credentialsPath creds.go:app.storedKey creds.go:app.unset
	http.go:client.proxyVariable http.go:client.transport main.go:app.getenv main.go:main
app.stdin: login.go:app.readKey main.go:main
app.stdout: help.go:app.printText main.go:main output.go:app.print
openTerminal: login.go:app.readKey main.go:main
os.Args: main.go:main
os.Exit: main.go:main
os.Getenv:
os.LookupEnv: main.go:main
os.Environ:

os.Stdin: main.go:main
os.Stdout: main.go:main
os.Stderr: main.go:main
print:
println:
fmt.Print:
fmt.Printf:
fmt.Println:
fmt.Scan:
fmt.Scanf:
fmt.Scanln:
`

// only says which files alone may reach a package or a name in one, or use a danger, whatever the
// rows above say: these are for people to change.
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

// pure are the files that must reach nothing at all, whatever their rows say.
var pure = strings.Fields(`api.go completion.go errors.go functions.go help.go json.go login.go
	output.go project.go query.go usage.go whoami.go`)

// parseRows returns the words of rooms or dangers by the name before the colon.
func parseRows(text string) facts {
	f, name := facts{}, ""
	for _, word := range strings.Fields(text) {
		if next, isName := strings.CutSuffix(word, ":"); isName {
			name, word = next, ""
		}
		f.add(name, word)
	}
	return f
}

// violations returns where the facts are other than the tables want them: "output.go: +os.Open" and
// "key.raw: -creds.go:app.saveKey" for a word too many and a word that is missing.
func violations(f facts) []string {
	var all []string
	rows := parseRows(rooms + dangers)
	for name, words := range f {
		for word := range words {
			if !rows[name][word] {
				all = append(all, name+": +"+word)
			}
			what, file := word, name
			if user, _, isUse := strings.Cut(word, ".go:"); isUse {
				what, file = name, user+".go"
			}
			for _, rule := range only {
				if slices.Contains(strings.Fields(rule.what), what) &&
					!slices.Contains(strings.Fields(rule.files), file) {
					all = append(all, file+" must not reach "+what)
				}
			}
			if slices.Contains(pure, name) {
				all = append(all, name+" must reach nothing")
			}
		}
		for word := range rows[name] {
			if !words[word] {
				all = append(all, name+": -"+word)
			}
		}
	}
	return all
}

// TestTheProgramKeepsToThePolicy holds the program to the tables, on all systems together.
func TestTheProgramKeepsToThePolicy(t *testing.T) {
	t.Parallel()
	f, err := programFacts()
	if err != nil {
		t.Fatal(err)
	}
	if wrong := violations(f); len(wrong) > 0 {
		t.Errorf("%s\nThe rows for this source are what this writes, for you to review:\n%s",
			strings.Join(wrong, "\n"), writeAudit)
	}
	rows := parseRows(rooms + dangers)
	for name := range rows {
		if f[name] == nil {
			t.Errorf("the row of %s holds nothing: there is no such file, function or field", name)
		}
	}
	source, err := programSource()
	if err != nil {
		t.Fatal(err)
	}
	for name := range source {
		if f[name] == nil || rows[name] == nil {
			t.Errorf("%s has no row, or is compiled on none of these: %v", name, systems)
		}
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

// leaks are declarations that must not pass, each with the file that they are added to and what
// refuses them. LEAK is a name of their own.
var leaks = []struct{ file, code, want string }{
	// The key leaves its type.
	{"output.go", `func LEAK(d key) string { return d.raw() }`, "key.raw: +output.go:LEAK"},
	{"output.go", `func LEAK(d key) string { return *d.secret }`, "key.secret: +output.go:LEAK"},
	{"output.go", `func LEAK(d key) func() string { return d.raw }`, "key.raw: +output.go:LEAK"},
	{"output.go", `var LEAK = key.raw`, "key.raw: +output.go:LEAK"},
	{"output.go", `var LEAK = (*key).raw`, "key.raw: +output.go:LEAK"},
	{"output.go", `type kLEAK = key
		func LEAK(d *kLEAK) string { return d.raw() }`, "key.raw: +output.go:LEAK"},
	{"output.go", `type hLEAK struct{ key }
		func LEAK(h hLEAK) string { return h.raw() }`, "key.raw: +output.go:LEAK"},
	{"output.go", `func LEAK(v any) string { return v.(interface{ raw() string }).raw() }`,
		"key.raw: +output.go:LEAK"},
	{"output.go", `func LEAK[T interface{ raw() string }](v T) string { return v.raw() }`,
		"key.raw: +output.go:LEAK"},
	{"output.go", `type tLEAK key
		func LEAK(d key) string { return *tLEAK(d).secret }`, "key.secret: +output.go:LEAK"},
	{"output.go", `func LEAK(d key) string {
		s := struct{ secret *string }(d)
		return *s.secret
	}`, "key.secret: +output.go:LEAK"},
	{"output.go", `func LEAK(d *key) string { return *(*struct{ secret *string })(d).secret }`,
		"key.secret: +output.go:LEAK"},
	// What masks the key, or reads it, in other hands.
	{"output.go", `func LEAK(d key) { fmt.Println(d.mask("mic_")) }`, "key.mask: +output.go:LEAK"},
	{"whoami.go", `func LEAK() { readKeyFile("/home/ana/key.txt") }`,
		"readKeyFile: +whoami.go:LEAK"},
	{"whoami.go", `var LEAK = readKeyFile`, "readKeyFile: +whoami.go:LEAK"},
	{"whoami.go", `func LEAK(a *app, k key) { a.saveKey(k, "/tmp/key") }`,
		"app.saveKey: +whoami.go:LEAK"},
	{"whoami.go", `var LEAK = (*app).saveKey`, "app.saveKey: +whoami.go:LEAK"},
	{"json.go", `func LEAK(a *app) { a.removeKey("/tmp/key") }`, "app.removeKey: +json.go:LEAK"},
	// The network.
	{"env.go", `func LEAK(c *client, r *http.Request) { c.transport().RoundTrip(r) }`,
		"client.transport: +env.go:LEAK"},
	{"env.go", `func LEAK(t http.RoundTripper, r *http.Request) { t.RoundTrip(r) }`,
		"net/http.Transport.RoundTrip: +env.go:LEAK"},
	{"whoami.go", `func LEAK() { http.Get("https://example.com") }`,
		"whoami.go must not reach net/http"},
	{"http.go", `func LEAK() { http.DefaultClient.Get("https://example.com") }`,
		"net/http.DefaultClient: +http.go:LEAK"},
	{"http.go", `var LEAK = tls.Config{InsecureSkipVerify: true}`,
		"crypto/tls.Config.InsecureSkipVerify: +http.go:LEAK"},
	{"errors.go", `var LEAK = net.Dial`, "errors.go must not reach net"},
	// Files, processes, the environment, the terminal.
	{"query.go", `func LEAK() { os.ReadFile("/etc/passwd") }`, "query.go: +os.ReadFile"},
	{"functions.go", `type fLEAK = os.File
		func LEAK(f *fLEAK) { f.WriteString("") }`, "functions.go: +os.File.WriteString"},
	{"main.go", `func LEAK() { os.ReadFile("/etc/passwd") }`, "main.go: +os.ReadFile"},
	{"json.go", `func LEAK() { exec.Command("sh").Run() }`, "json.go must not reach os/exec"},
	{"project.go", `func LEAK(a *app) string { return a.getenv("SPY") }`, "project.go: +$SPY"},
	{"output.go", `func LEAK(a *app) string { return a.getenv("MICROTICA_" + "LEAK") }`,
		"output.go: +$MICROTICA_LEAK"},
	{"env.go", `func LEAK(a *app) string { return passLEAK(a, "MICROTICA_LEAK") }
		func passLEAK(a *app, name string) string { return a.getenv(name) }`,
		"env.go: +$MICROTICA_LEAK"},
	{"env.go", `func LEAK(a *app) (all []string) {
		for _, name := range []string{"MICROTICA_LEAK"} {
			all = append(all, a.getenv(name))
		}
		return all
	}`, "env.go: +$MICROTICA_LEAK"},
	{"output.go", `func LEAK() { os.Exit(0) }`, "os.Exit: +output.go:LEAK"},
	{"creds.go", `var LEAK = os.Exit`, "creds.go must not reach os.Exit"},
	{"whoami.go", `func LEAK(a *app) { openTerminal(a.stdin) }`, "openTerminal: +whoami.go:LEAK"},
	{"whoami.go", `func LEAK() { fmt.Println("hello") }`, "fmt.Println: +whoami.go:LEAK"},
	{"whoami.go", `func LEAK() { println("hello") }`, "println: +whoami.go:LEAK"},
	// Past what the language allows.
	{"output.go", `func LEAK(k key) string { return reflect.ValueOf(k).Field(0).String() }`,
		"output.go must not reach reflect"},
	{"json.go", `func LEAK(k *key) string { return **(**string)(unsafe.Pointer(k)) }`,
		"json.go must not reach unsafe"},
	{"http.go", "//go:linkname LEAK runtime.exit\nfunc LEAK(int) {}",
		"http.go must not reach //go:linkname"},
}

// TestThePolicyIsAWall adds all leaks to the program, and looks for what refuses each.
func TestThePolicyIsAWall(t *testing.T) {
	t.Parallel()
	source, err := programSource()
	if err != nil {
		t.Fatal(err)
	}
	own := func(text string, i int) string {
		return strings.ReplaceAll(text, "LEAK", fmt.Sprintf("LEAK%d", i))
	}
	for i, leak := range leaks {
		source[leak.file] = withImports(source[leak.file], own(leak.code, i))
	}
	f, err := audit(source, systems[:1])
	if err != nil {
		t.Fatal(err)
	}
	found := violations(f)
	for i, leak := range leaks {
		if !slices.Contains(found, own(leak.want, i)) {
			t.Errorf("%s passes in %s: nothing says %q", leak.code, leak.file, own(leak.want, i))
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

// TestBinaryIsStatic looks into the built binary: it needs no interpreter or shared library, and
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
