package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// workshop is a directory, with a space in its name, where the Makefile builds a tiny program that
// prints its version.
type workshop struct {
	t   *testing.T
	dir string
	env []string
}

// newWorkshop skips the test where a tool is missing.
func newWorkshop(t *testing.T, tools ...string) *workshop {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil || onWindows {
			t.Skipf("there is no %s here, or its shell has other paths than Go", tool)
		}
	}
	makefile, err := os.ReadFile("Makefile")
	must(t, err)
	w := &workshop{t: t, dir: filepath.Join(t.TempDir(), "a b")}
	must(t, os.MkdirAll(filepath.Join(w.dir, "dist"), 0o755))
	for name, text := range map[string]string{
		"Makefile":        string(makefile),
		"go.mod":          "module microtica\n\ngo 1.24\n",
		"main.go":         "package main\n\nvar version string\n\nfunc main() { print(version) }\n",
		"dist/SHA256SUMS": "0123  microtica_0.1.0_linux_amd64.tar.gz\n",
	} {
		writeFile(t, filepath.Join(w.dir, name), text)
	}
	for _, variable := range os.Environ() { // a make that runs this test must not speak to another
		name, _, _ := strings.Cut(variable, "=")
		mine := name == "VERSION" || name == "SIGNING_KEY" || name == "GNUMAKEFLAGS"
		if !mine && !strings.HasPrefix(name, "MAKE") && !strings.HasPrefix(name, "GIT_") {
			w.env = append(w.env, variable)
		}
	}
	w.env = append(w.env, "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
	return w
}

// run runs a program, which must succeed if ok and fail otherwise, and returns what it printed to
// stderr. Nothing may ever make the file x.
func (w *workshop) run(ok bool, path string, args ...string) string {
	w.t.Helper()
	got := program{path: path, env: w.env, dir: w.dir}.run(w.t, args...)
	if (got.code == 0) != ok {
		w.t.Fatalf("%s %q: %s", path, args, got)
	}
	if _, err := os.Stat(filepath.Join(w.dir, "x")); err == nil {
		w.t.Fatalf("%s %q ran what is in the version", path, args)
	}
	return got.stderr
}

// wantVersion builds, and looks at what the binary calls itself.
func (w *workshop) wantVersion(want string, args ...string) {
	w.t.Helper()
	w.run(true, "make", append(args, "build")...)
	if got := w.run(true, "./microtica"); got != want {
		w.t.Errorf("make build %q: the version is %q, want %q", args, got, want)
	}
}

// TestMakeTakesAVersionAsText builds with versions that a shell or make would run.
func TestMakeTakesAVersionAsText(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t, "make")
	for _, args := range []string{
		"build VERSION=v1;touch x", "build VERSION=v1$(shell touch x)", "build VERSION=`touch x`",
		"build VERSION=$$(touch x)", "build VERSION='", "dist VERSION=a/b",
	} {
		target, version, _ := strings.Cut(args, " ")
		if got := w.run(false, "make", target, version); !strings.HasPrefix(got,
			"VERSION may hold letters, digits, and . + _ - only\n") {
			t.Errorf("make %s: %s", args, got)
		}
	}
	w.wantVersion("0.1.0", "VERSION=v0.1.0")
	w.wantVersion("0.1.0", "VERSION=0.1.0")
	w.wantVersion("view", "VERSION=view")
	w.wantVersion("dev", "VERSION=")
	w.env = append(w.env, "VERSION=v1$(shell touch x)")
	w.run(false, "make", "build")
}

// TestMakeTakesTheVersionFromGit builds at a tag whose name a shell would run.
func TestMakeTakesTheVersionFromGit(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t, "make", "git")
	w.run(true, "git", "init", "-q")
	w.wantVersion("dev")
	w.run(true, "git", "-c", "user.name=Ana", "-c", "user.email=ana@example.com",
		"commit", "-q", "--allow-empty", "-m", "first")
	w.run(true, "git", "tag", "v0.1.0")
	w.wantVersion("0.1.0")
	w.run(true, "git", "tag", "-d", "v0.1.0")
	w.run(true, "git", "tag", "v0.2.0;touch${IFS}x")
	w.wantVersion("0.2.0-touch--IFS-x")
}

// TestMakeSigns signs with a key made for it, and verifies as README says.
func TestMakeSigns(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t, "make", "ssh-keygen")
	if got := w.run(false, "make", "sign"); !strings.Contains(got, "SIGNING_KEY=FILE") {
		t.Errorf("make sign without a key: %s", got)
	}
	w.run(true, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", "a key")
	w.run(true, "sh", "-c", `echo "microtica $(cat "a key.pub")" >dist/signers`)
	const verify = "cd dist && " +
		"ssh-keygen -Y verify -f signers -I microtica -n file -s SHA256SUMS.sig < SHA256SUMS"
	for range 2 { // the second time there is a signature to replace
		w.run(true, "sh", "-c", "echo more >>dist/SHA256SUMS")
		w.run(true, "make", "sign", "SIGNING_KEY=a key")
		w.run(true, "sh", "-c", verify)
	}
	w.run(true, "sh", "-c", "echo other >>dist/SHA256SUMS")
	w.run(false, "sh", "-c", verify)
}
