package check

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"microtica/internal/fakeapi"
)

var ending = []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT}

// diedOf is the wait status of a program that a signal has ended.
func diedOf(s syscall.Signal) syscall.WaitStatus {
	if s == syscall.SIGQUIT { // of which Go would die with a dump
		return exited(128 + s)
	}
	return syscall.WaitStatus(s)
}

// exited is the wait status of a program that has exited.
func exited[T ~int](code T) syscall.WaitStatus { return syscall.WaitStatus(code << 8) }

// atOnce is how long a program may take to end after a signal.
func atOnce() time.Duration { return time.Duration(times(5, 1)) * time.Second }

// asProcess1 returns what makes a program process 1 of a container, in a session of its own. It
// skips the test where that is not permitted.
func asProcess1(t *testing.T) *syscall.SysProcAttr {
	t.Helper()
	root := []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
	process := &syscall.SysProcAttr{UidMappings: root, Setsid: true,
		Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWPID}
	if err := (&exec.Cmd{Path: "/bin/true", SysProcAttr: process}).Run(); err != nil {
		t.Skipf("nothing can be process 1 of a container here: %v", err)
	}
	return process
}

// busy is a program that is about to be ended by a signal, and the other ends of its pipes.
type busy struct {
	*running
	api                   *fakeapi.Raw
	stdin, stdout, stderr *os.File
}

// busyWith are the things that programs are busy with.
var busyWith = []struct {
	name, args string
	answer     string // what the API sends before it falls silent
	reached    func(busy) bool
}{
	{"waiting for an answer", "whoami", "", func(b busy) bool { return asked(b.api) }},
	{"reading", "login --no-verify", "", func(b busy) bool { return pending(b.t, b.stdin) == 0 }},
	{"about to try again", "whoami", "HTTP/1.1 503 Down\r\nContent-Length: 0\r\n\r\n",
		func(b busy) bool { return pending(b.t, b.stderr) > 0 }},
	{"printing", "api projects", longList, // into a pipe that is full
		func(b busy) bool { return pending(b.t, b.stdout) == 1<<16 }},
	{"computing", "project list --query [?" + strings.Repeat("a||", 3000) + "a]", longList,
		func(b busy) bool {
			stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", b.Process.Pid))
			return len(strings.Fields(string(stat))[13]) > 1 // 100 ms; all else takes 30
		}},
}

var longList = "HTTP/1.1 200 OK\r\nContent-Length: 300004\r\n\r\n[" +
	strings.Repeat("{},", 100_000) + "{}]"

// asked reports whether the API has been asked something since the last call, and waits a little
// then: the program begins to catch signals beside its first request.
func asked(api *fakeapi.Raw) bool {
	heard, _ := api.Taken()
	if heard != "" {
		time.Sleep(100 * time.Millisecond)
	}
	return heard != ""
}

// newPipe returns both ends of a pipe.
func newPipe(t *testing.T) (reader, writer *os.File) {
	t.Helper()
	reader, writer, err := os.Pipe()
	must(t, err)
	t.Cleanup(func() { reader.Close(); writer.Close() })
	return reader, writer
}

// TestTortureSignals ends busy programs, every other one process 1, at once and in silence.
func TestTortureSignals(t *testing.T) {
	t.Parallel()
	for n, state := range busyWith {
		t.Run(state.name, func(t *testing.T) {
			t.Parallel()
			for i := range 4 * times(1, 100) {
				signal, isFirst := ending[i%4], (i/4+i+n)%2 == 0
				t.Run(fmt.Sprintf("%v, as process 1: %t", signal, isFirst), func(t *testing.T) {
					endBusy(t, n, isFirst, signal)
				})
			}
		})
	}
}

func endBusy(t *testing.T, with int, isFirst bool, signal syscall.Signal) {
	state, want := busyWith[with], diedOf(signal)
	b := busy{api: fakeapi.NewRaw(t, fakeapi.Beginning(state.answer, fakeapi.JustListen))}
	u := newUser(t, b.api.Base()).with("MICROTICA_TOKEN=" + fakeapi.Key)
	if isFirst {
		u.process, want = asProcess1(t), exited(128+signal)
	}
	u.input, b.stdin = newPipe(t)
	b.stdout, u.stdout = newPipe(t)
	b.stderr, u.stderr = newPipe(t)
	io.WriteString(b.stdin, typedPart)
	b.running = u.start(binary, strings.Fields(state.args)...)
	until(t, state.name, func() bool { return state.reached(b) })
	before, start := pending(t, b.stdout)+pending(t, b.stderr), time.Now()
	b.Process.Signal(signal)
	b.wait()
	took, after := time.Since(start), pending(t, b.stdout)+pending(t, b.stderr)
	if status := b.ProcessState.Sys(); status != want || after > before || took > atOnce() {
		t.Errorf("status %#x, want %#x, in %v; %d bytes more", status, want, took, after-before)
	}
}

// wantDead waits for a program that a signal ends, in silence.
func (r *running) wantDead(signal syscall.Signal) {
	r.t.Helper()
	got := r.wait()
	if status := r.ProcessState.Sys(); status != diedOf(signal) || got.stdout+got.stderr != "" {
		r.t.Errorf("%q: the wait status is %#x, %v", r.Args, status, got)
	}
}

// TestSignalsInAShell sends signals to the program where they are ignored from the start, as by
// nohup and in the background of a script, and as a terminal does to a loop. The last one ends it.
func TestSignalsInAShell(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/bin/bash"); err != nil {
		t.Skip(err)
	}
	for script, signals := range map[string][]syscall.Signal{
		`trap '' HUP; exec "$0" whoami`: {syscall.SIGHUP, syscall.SIGTERM},
		`trap '' INT; exec "$0" whoami`: {syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM},
		`while :; do "$0" whoami; done`: {syscall.SIGINT},
	} {
		api := fakeapi.NewRaw(t, fakeapi.JustListen)
		u := newUser(t, api.Base()).with("MICROTICA_TOKEN=" + fakeapi.Key)
		u.process, u.limit = &syscall.SysProcAttr{Setpgid: true}, 20*time.Second
		r := u.start("/bin/bash", "-c", script, binary)
		until(t, "a request", func() bool { return asked(api) })
		for _, signal := range signals { // of those that wait, the kernel delivers TERM last
			syscall.Kill(-r.Process.Pid, signal)
		}
		r.wantDead(signals[len(signals)-1])
	}
}

// TestClosedPipe writes to stdout and to stderr where nobody reads.
func TestClosedPipe(t *testing.T) {
	t.Parallel()
	reader, writer := newPipe(t)
	reader.Close()
	u := newUser(t, "")
	u.stdout = writer
	u.start(binary, "version").wantDead(syscall.SIGPIPE)
	u.stdout, u.stderr = nil, writer
	u.start(binary, "no-such-command").wantDead(syscall.SIGPIPE)
}
