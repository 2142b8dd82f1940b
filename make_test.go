package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// workshop is a directory, with a space in its name, where the Makefile builds a tiny program that
// prints its version.
type workshop struct {
	t   testing.TB
	dir string
	env []string
}

func newWorkshop(t testing.TB) *workshop {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("make's shell has other paths than Go here")
	}
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("there is no make here")
	}
	w := &workshop{t: t, dir: filepath.Join(t.TempDir(), "a b")}
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"Makefile":        string(makefile),
		"go.mod":          "module microtica\n\ngo 1.24\n",
		"main.go":         "package main\n\nvar version string\n\nfunc main() { print(version) }\n",
		"dist/SHA256SUMS": "0123  microtica_0.1.0_linux_amd64.tar.gz\n",
	} {
		path := filepath.Join(w.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
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

// run runs a program in the workshop, for a minute at most, and returns what it printed.
func (w *workshop) run(program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env = w.dir, w.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// must is run, for what must not fail.
func (w *workshop) must(program string, args ...string) string {
	w.t.Helper()
	out, err := w.run(program, args...)
	if err != nil {
		w.t.Fatalf("%s %q: %v\n%s", program, args, err, out)
	}
	return out
}

// wantVersion builds, and looks at what the binary calls itself. Nothing may have been run beside.
func (w *workshop) wantVersion(want string, args ...string) {
	w.t.Helper()
	w.must("make", append(args, "build")...)
	if got := w.must("./microtica"); got != want {
		w.t.Errorf("make build %q: the version is %q, want %q", args, got, want)
	}
	w.wantNothingRun(args...)
}

func (w *workshop) wantNothingRun(args ...string) {
	w.t.Helper()
	if _, err := os.Stat(filepath.Join(w.dir, "x")); err == nil {
		w.t.Errorf("make %q ran what stands in the version", args)
	}
}

// TestMakeTakesAVersionAsText builds with versions that a shell or make would run.
func TestMakeTakesAVersionAsText(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	bad := []string{"v1;touch x", "v1$(shell touch x)", "`touch x`", "$$(touch x)", "a/b", "'"}
	for _, version := range bad {
		for _, target := range []string{"build", "dist"} {
			out, err := w.run("make", target, "VERSION="+version)
			if err == nil || !strings.Contains(out, "VERSION may hold letters, digits,") {
				t.Errorf("make %s VERSION=%q: %v\n%s", target, version, err, out)
			}
			w.wantNothingRun(version)
		}
	}
	w.wantVersion("0.1.0", "VERSION=v0.1.0")
	w.wantVersion("0.1.0", "VERSION=0.1.0")
	w.wantVersion("view", "VERSION=view")
	w.wantVersion("dev", "VERSION=")
	w.env = append(w.env, "VERSION=v1$(shell touch x)")
	if out, err := w.run("make", "build"); err == nil {
		t.Errorf("a version from the environment was taken: %s", out)
	}
	w.wantNothingRun("VERSION from the environment")
}

// TestMakeTakesTheVersionFromGit builds at a tag whose name a shell would run.
func TestMakeTakesTheVersionFromGit(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git here")
	}
	w.must("git", "init", "-q")
	w.wantVersion("dev")
	w.must("git", "-c", "user.name=Ana", "-c", "user.email=ana@example.com",
		"commit", "-q", "--allow-empty", "-m", "first")
	w.must("git", "tag", "v0.1.0")
	w.wantVersion("0.1.0")
	w.must("git", "tag", "-d", "v0.1.0")
	w.must("git", "tag", "v0.2.0;touch${IFS}x")
	w.wantVersion("0.2.0-touch--IFS-x")
}

// TestMakeSigns signs with a key made for it, and verifies as README says.
func TestMakeSigns(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		t.Skip("there is no ssh-keygen here")
	}
	if out, err := w.run("make", "sign"); err == nil || !strings.Contains(out, "SIGNING_KEY=FILE") {
		t.Errorf("make sign without a key: %v\n%s", err, out)
	}
	key := filepath.Join(w.dir, "a key")
	w.must("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key)
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	signers := append([]byte("microtica "), public...)
	if err := os.WriteFile(filepath.Join(w.dir, "dist", "signers"), signers, 0o600); err != nil {
		t.Fatal(err)
	}
	const verify = "cd dist && " +
		"ssh-keygen -Y verify -f signers -I microtica -n file -s SHA256SUMS.sig < SHA256SUMS"
	for range 2 { // the second time there is a signature to replace
		w.must("make", "sign", "SIGNING_KEY="+key)
		w.must("sh", "-c", verify)
	}
	w.must("sh", "-c", "echo other >> dist/SHA256SUMS")
	if out, err := w.run("sh", "-c", verify); err == nil {
		t.Errorf("the signature holds for another list: %s", out)
	}
}
