// Package check holds the program to its promises from outside: it builds the program once, and
// runs it as users, scripts and attackers would, or reads its source. Nothing here imports it.
//
// The tests whose names begin with TestTorture repeat what they do a few times in make test, and
// thousands of times in make torture.
package check

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"microtica/internal/fakeapi"
)

// onWindows is true where there is no sh, modes mean nothing, and paths look different.
const onWindows = runtime.GOOS == "windows"

// binary is the program: what MICROTICA_BINARY names, or one that is built like make build's. It is
// called microtica.
var binary = os.Getenv("MICROTICA_BINARY")

func TestMain(m *testing.M) {
	if file := os.Getenv(usageVariable); file != "" {
		os.Exit(measureAs(file, os.Args[1:]))
	}
	// Under nohup, or after & in a script, some signals are ignored. The programs that tests start
	// would inherit that, but do not inherit that a signal is caught.
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT} {
		if signal.Ignored(s) {
			signal.Notify(make(chan os.Signal, 1), s)
		}
	}
	dir, err := os.MkdirTemp("", "microtica-check-")
	defer os.RemoveAll(dir)
	os.Chmod(dir, 0o755) // for tests that run the program as another user
	if binary == "" && err == nil {
		binary = filepath.Join(dir, "microtica"+map[bool]string{true: ".exe"}[onWindows])
		err = build(binary, "..")
	}
	if binary, _ = filepath.Abs(binary); err != nil {
		log.Fatal(err)
	}
	m.Run()
}

// build builds a Go program with the Makefile's flags, which are here again for a plain go test.
func build(output, source string, flags ...string) error {
	args := []string{"build", "-ldflags", "-s -w -X main.version=test", "-o", output}
	cmd := exec.Command("go", append(append(args, flags...), source)...)
	const usual = "-trimpath -buildvcs=false -tags=nethttpomithttp2"
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS="+cmp.Or(os.Getenv("GOFLAGS"), usual))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%q: %v\n%s", cmd.Args, err, out)
	}
	return nil
}

// large reports whether the large numbers are asked for.
func large() bool { return os.Getenv("MICROTICA_TORTURE") == "large" }

// must ends the test if preparing it failed.
func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// user runs programs, the built one unless another is named, with a home directory and nothing of
// the developer's environment. It is a value: a copy that is changed leaves the original alone.
type user struct {
	t              testing.TB
	home           string
	env            []string             // as NAME=value, of which the last counts
	dir            string               // where programs run; "" for home
	stdin          string               // what programs read
	input          io.Reader            // the same where a text is not enough, such as a terminal
	stdout, stderr io.Writer            // where output goes, instead of into the result
	process        *syscall.SysProcAttr // another user, root directory or session
	limit          time.Duration        // for each program; 0 for a minute
}

// newUser returns a user with an empty home directory, for whom the API is at base unless it is "".
func newUser(t testing.TB, base string) user {
	u := user{t: t, home: t.TempDir()}
	u.env = []string{"HOME=" + u.home, "USERPROFILE=" + u.home}
	if base != "" {
		u = u.with("MICROTICA_API_URL=" + base)
	}
	return u
}

// with returns a copy of u with more variables.
func (u user) with(env ...string) user {
	u.env = slices.Concat(u.env, env)
	return u
}

// credentials returns the path of the stored key.
func (u user) credentials() string { return filepath.Join(u.home, ".microtica", "credentials") }

// save stores a key as an earlier login would have.
func (u user) save(key string) {
	u.t.Helper()
	must(u.t, os.MkdirAll(filepath.Dir(u.credentials()), 0o700),
		os.WriteFile(u.credentials(), []byte(key+"\n"), 0o600))
}

// result is all that a program leaves behind, except files.
type result struct {
	stdout, stderr string
	exit           int // -1 if a signal ended it
}

func (r result) String() string {
	return fmt.Sprintf("exit %d\nstdout: %q\nstderr: %q", r.exit, r.stdout, r.stderr)
}

// run runs the binary.
func (u user) run(args ...string) result {
	u.t.Helper()
	return u.start(binary, args...).wait()
}

// want runs the binary and compares all that it printed, and its exit status.
func (u user) want(want result, args ...string) {
	u.t.Helper()
	if got := u.run(args...); got != want {
		u.t.Errorf("microtica %s\n got %v\nwant %v", strings.Join(args, " "), got, want)
	}
}

// running is a program that has started.
type running struct {
	*exec.Cmd
	user
	ctx      context.Context
	cancel   context.CancelFunc
	out, err bytes.Buffer
}

// start starts a program, which is killed when its time is over.
func (u user) start(path string, args ...string) *running {
	u.t.Helper()
	r := &running{user: u}
	r.ctx, r.cancel = context.WithTimeout(context.Background(), cmp.Or(u.limit, time.Minute))
	r.Cmd = exec.CommandContext(r.ctx, path, args...)
	r.Env = append([]string{}, u.env...) // nil would be the developer's
	r.Dir, r.SysProcAttr, r.WaitDelay = cmp.Or(u.dir, u.home), u.process, 5*time.Second
	r.Stdin = cmp.Or[io.Reader](u.input, strings.NewReader(u.stdin))
	r.Stdout = cmp.Or[io.Writer](u.stdout, &r.out)
	r.Stderr = cmp.Or[io.Writer](u.stderr, &r.err)
	if err := r.Start(); err != nil {
		u.t.Error(err)
	}
	return r
}

// wait waits for the end of the program. Whatever it is, it must end in time and not print the key.
func (r *running) wait() result {
	r.t.Helper()
	r.Wait()
	if r.ctx.Err() != nil {
		r.t.Errorf("%.300q did not end in time", r.Args)
	}
	r.cancel()
	got := result{r.out.String(), r.err.String(), r.ProcessState.ExitCode()}
	if strings.Contains(got.stdout+got.stderr, fakeapi.Secret) {
		r.t.Errorf("%.300q printed the key:\n%v", r.Args, got)
	}
	return got
}

// usage is what a program took. Its children count.
type usage struct {
	cpu, wall time.Duration
	peak      int64 // the most memory that one process held, in bytes; 0 on Windows
}

const usageVariable = "MICROTICA_CHECK_USAGE"

// measure runs a program and returns what it took. A small process is put between, because what the
// system counts as a child's memory begins with what its parent holds.
func (u user) measure(path string, args ...string) (got result, took usage) {
	u.t.Helper()
	self, err := os.Executable()
	must(u.t, err)
	file := filepath.Join(u.t.TempDir(), "usage")
	got = u.with(usageVariable+"="+file).start(self, append([]string{path}, args...)...).wait()
	data, err := os.ReadFile(file)
	_, malformed := fmt.Sscan(string(data), &took.cpu, &took.wall, &took.peak)
	must(u.t, err, malformed)
	return got, took
}

// measureAs is that small process: it runs a command line, writes what that took to a file, and
// returns its exit status.
func measureAs(file string, args []string) int {
	os.Unsetenv(usageVariable)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	started := time.Now()
	cmd.Run()
	wall, s := time.Since(started), cmd.ProcessState
	peak := int64(0)
	if maxRSS := reflect.ValueOf(s.SysUsage()).Elem().FieldByName("Maxrss"); maxRSS.IsValid() {
		if peak = maxRSS.Int(); runtime.GOOS != "darwin" {
			peak <<= 10
		}
	}
	cpu := s.SystemTime() + s.UserTime()
	os.WriteFile(file, fmt.Append(nil, int64(cpu), int64(wall), peak), 0o600)
	return s.ExitCode()
}
