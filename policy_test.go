package main

import (
	"debug/elf"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// rooms says what each file of the program may touch beyond plain computing: the packages of restricted that it imports, and
// the names of os that it uses.
var rooms = map[string]struct{ packages, os string }{
	"main.go":       {"flag log os os/signal syscall", "Args Exit Getenv Signal Stderr Stdin Stdout"},
	"help.go":       {"", ""},
	"completion.go": {"", ""},
	"login.go":      {"", ""},
	"whoami.go":     {"", ""},
	"project.go":    {"", ""},
	"env.go":        {"", ""},
	"api.go":        {"", ""},
	"creds.go":      {"crypto/rand io/fs os path/filepath syscall", "Chmod LinkError Mkdir O_RDONLY O_RDWR Open OpenFile ReadDir Remove Rename Stat WriteFile"},
	"client.go":     {"crypto/tls crypto/x509 net net/http net/http/httptrace syscall", ""},
	"http.go":       {"crypto/tls crypto/x509 net", ""},
	"errors.go":     {"", ""},
	"output.go":     {"", ""},
	"json.go":       {"", ""},
	"query.go":      {"", ""},
	"functions.go":  {"", ""},
	"tty_unix.go":   {"os os/signal syscall unsafe", "Signal"},
	"tty_linux.go":  {"syscall", ""},
	"tty_bsd.go":    {"syscall", ""},
	"tty_other.go":  {"io/fs", ""},
}

// harmless are the packages that any file may import: they compute, and touch nothing outside the process.
var harmless = strings.Fields(`bufio bytes cmp context encoding/json errors fmt io iter maps math math/rand/v2 net/netip net/url regexp runtime
	slices strconv strings sync/atomic time unicode unicode/utf16 unicode/utf8`)

// programFiles parses the files of the program, tests left out.
func programFiles(t *testing.T) map[string]*ast.File {
	names, err := filepath.Glob("*.go")
	if err != nil || len(names) == 0 {
		t.Fatal("no source files here: ", err)
	}
	files := map[string]*ast.File{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		if files[name], err = parser.ParseFile(gotoken.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// TestEachRoomTouchesOnlyWhatItMay holds every file to its row of rooms.
func TestEachRoomTouchesOnlyWhatItMay(t *testing.T) {
	files := programFiles(t)
	if got, want := slices.Sorted(maps.Keys(files)), slices.Sorted(maps.Keys(rooms)); !slices.Equal(got, want) {
		t.Errorf("the program's files are %q, the rooms %q", got, want)
	}
	for name, file := range files {
		var packages, used []string
		for _, spec := range file.Imports {
			path, _ := strconv.Unquote(spec.Path.Value)
			if spec.Name != nil {
				t.Errorf("%s imports %s under another name, which hides it from this test", name, path)
			}
			if !slices.Contains(harmless, path) {
				packages = append(packages, path)
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "os" {
					used = append(used, s.Sel.Name)
				}
			}
			return true
		})
		slices.Sort(packages)
		slices.Sort(used)
		if got := strings.Join(packages, " "); got != rooms[name].packages {
			t.Errorf("%s imports %q, its room allows %q", name, got, rooms[name].packages)
		}
		if got := strings.Join(slices.Compact(used), " "); got != rooms[name].os {
			t.Errorf("%s uses %q of os, its room allows %q", name, got, rooms[name].os)
		}
	}
}

// TestTheRawKeyIsTakenOutInThreePlaces counts where the key leaves its type: stored, sent, and taken out of what comes back.
func TestTheRawKeyIsTakenOutInThreePlaces(t *testing.T) {
	var places []string
	for name, file := range programFiles(t) {
		for _, decl := range file.Decls {
			where := name
			if f, ok := decl.(*ast.FuncDecl); ok {
				where += " " + f.Name.Name
			}
			ast.Inspect(decl, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok && (s.Sel.Name == "raw" || s.Sel.Name == "secret") && where != "creds.go raw" && where != "creds.go String" {
					if x, ok := s.X.(*ast.Ident); !ok || x.Name != "a" {
						places = append(places, where)
					}
				}
				return true
			})
		}
	}
	slices.Sort(places)
	if want := []string{"client.go mask", "client.go once", "creds.go saveKey"}; !slices.Equal(places, want) {
		t.Errorf("the raw key is taken out in %q, want %q", places, want)
	}
}

// TestTheAPIsWordForEnvironmentsStaysInTheClient holds the rest of the program to its users' words.
func TestTheAPIsWordForEnvironmentsStaysInTheClient(t *testing.T) {
	for name := range programFiles(t) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if name != "client.go" && regexp.MustCompile(`(?i)\bstages?\b`).Match(text) {
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
		out, err := exec.Command("go", "list", "-deps", test, "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
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

// TestBinaryIsStatic looks into the built binary: no interpreter, no libraries, no HTTP server's traces of the fake.
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
