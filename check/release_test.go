package check

import (
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"microtica/internal/fakeapi"
)

// TestBinaryIsStatic looks into the binary: it needs no interpreter and no shared library, has no
// module besides its own, and holds nothing of the tests or of the place where it was built.
func TestBinaryIsStatic(t *testing.T) {
	t.Parallel()
	info, err := buildinfo.ReadFile(binary)
	content, err2 := os.ReadFile(binary)
	here, err3 := filepath.Abs("../main.go")
	must(t, err, err2, err3)
	if info.Main.Path != "microtica" || len(info.Deps) > 0 {
		t.Errorf("the binary is made of %q", info)
	}
	for _, word := range []string{"httptest", fakeapi.Secret, here} {
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

// TestNothingButTheStandardLibrary looks at all that the program and its tests depend on, and at
// the files that make the program, with --query and without.
func TestNothingButTheStandardLibrary(t *testing.T) {
	t.Parallel()
	if module := source(t, "go.mod"); module != "module microtica\n\ngo 1.24\n" {
		t.Errorf("go.mod is %q", module)
	}
	const format = "{{.ImportPath}}{{if not .Standard}} {{.GoFiles}}{{end}}"
	for tags, leftOut := range map[string]string{
		"nethttpomithttp2":         `\bnoquery.go\b`,
		"nethttpomithttp2,noquery": `\b(query|functions|value)\.go\b`,
	} {
		list := exec.Command("go", "list", "-deps", "-test", "-tags="+tags, "-f", format, "./...")
		list.Dir = ".."
		out, err := list.Output()
		must(t, err)
		for line := range strings.Lines(string(out)) {
			path, files, ours := strings.Cut(line, " ")
			if ours && !regexp.MustCompile(`^microtica\b`).MatchString(path) ||
				strings.Contains(path, "http2") ||
				path == "microtica" && regexp.MustCompile(leftOut).MatchString(files) {
				t.Errorf("the tags %s leave in %s", tags, line)
			}
		}
	}
}

// makes runs a script with make in a directory that has a space in its name, beside the Makefile.
// The script must succeed, and not make the file x. REPOSITORY is the root of the repository.
func makes(t *testing.T, script string, tools ...string) {
	t.Helper()
	t.Parallel()
	for _, tool := range append(tools, "make") {
		if _, err := exec.LookPath(tool); err != nil || onWindows {
			t.Skipf("there is no %s here, or its shell has other paths than Go", tool)
		}
	}
	root, err := filepath.Abs("..")
	u := user{t: t, dir: filepath.Join(t.TempDir(), "a b"), limit: 5 * time.Minute}
	must(t, err, os.Mkdir(u.dir, 0o755))
	// A make or git that runs this test must not speak to those in the script.
	foreign := regexp.MustCompile(`^(MAKE|GNUMAKEFLAGS=|VERSION=|SIGNING_KEY=|GIT_)`)
	u.env = append(slices.DeleteFunc(os.Environ(), foreign.MatchString),
		"REPOSITORY="+root, "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
	script = "cp \"$REPOSITORY/Makefile\" .\n" + script + "test ! -e x\n"
	if got := u.start("/bin/sh", "-exc", script).wait(); got.exit != 0 {
		t.Errorf("exit %d\n%s%s", got.exit, got.stdout, got.stderr)
	}
}

// TestMakeTakesAVersionAsText also where a tag has a name that a shell would run.
func TestMakeTakesAVersionAsText(t *testing.T) {
	makes(t, `
refused() { if make "$@" 2>err; then exit 1; fi; grep -q '^VERSION may hold letters' err; }
for version in 'v1;touch x' 'v1$(shell touch x)' '$$(touch x)' "'" a/b; do
	refused build "VERSION=$version"; refused dist "VERSION=$version"
done
(export VERSION='v1$(shell touch x)' && refused build)
is() { make -s build GO=echo $2 | grep -F -e " -X main.version=$1 -o "; }
is 0.1.0 VERSION=v0.1.0; is 0.1.0 VERSION=0.1.0
is view VERSION=view; is dev VERSION=
git init -q
git -c user.name=Ana -c user.email=ana@example.com commit -q --allow-empty -m first
git tag v0.1.0
is 0.1.0
git tag -d v0.1.0; git tag 'v0.2.0;touch${IFS}x'
is 0.2.0-touch--IFS-x
`, "git")
}

// TestMakeSigns with a key made for it, and verifies as README says.
func TestMakeSigns(t *testing.T) {
	verify := regexp.MustCompile("ssh-keygen -Y verify .*").FindString(source(t, "README.md"))
	makes(t, `
mkdir dist
cd dist
verify() { `+verify+`; }
if make -C .. sign 2>err; then exit 1; fi
grep 'make sign SIGNING_KEY=FILE' err
ssh-keygen -q -t ed25519 -N '' -C '' -f 'a key'
echo "microtica $(cat 'a key.pub')" >signers
for sums in one two; do
	echo $sums >SHA256SUMS
	make -C .. sign SIGNING_KEY='dist/a key'
	verify
done
echo other >SHA256SUMS
if verify; then exit 1; fi
`, "ssh-keygen")
}

// TestDistPacksTheBinaryThatIsBuiltHere makes an archive in a copy of the repository: the folder
// leaves no trace in it. (What else an archive holds is tested beside script/dist.)
func TestDistPacksTheBinaryThatIsBuiltHere(t *testing.T) {
	if os.Getenv("MICROTICA_RELEASE") == "" {
		t.Skip("it compiles the program twice: run make static")
	}
	makes(t, `
(cd "$REPOSITORY" && tar -cf - --exclude=./dist --exclude=./.git --exclude=./.cache .) | tar -xf -
make dist VERSION=test PLATFORMS="$(go env GOOS)/$(go env GOARCH)"
tar -xzf dist/*.tar.gz
cmp microtica_test_*/microtica '`+binary+`'
grep '^complete ' microtica_test_*/completions/microtica.bash
`, "tar")
}
