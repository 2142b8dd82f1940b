package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// The tests start programs that signals must end. Where the tests themselves run with a signal
// ignored (make test &, nohup), those would ignore it too; what a program catches, its children do
// not ignore.
func init() {
	for _, s := range endingSignals {
		if signal.Ignored(s) || signal.Ignored(syscall.SIGINT) && s == syscall.SIGQUIT {
			signal.Notify(make(chan os.Signal, 1), s)
		}
	}
}

// wantSoon waits for a value, and fails if that takes too long.
func wantSoon[T any](t *testing.T, values <-chan T, what string) (value T) {
	t.Helper()
	select {
	case value = <-values:
	case <-time.After(10 * time.Second):
		t.Fatalf("no sign of %s", what)
	}
	return value
}

// silentAfter returns what says that a request has come, and then nothing to the client.
func silentAfter(asked chan<- bool) func(net.Conn, string) {
	return func(conn net.Conn, _ string) {
		asked <- true
		io.Copy(io.Discard, conn)
	}
}

// unread sets count to the number of bytes that wait for the reader of a pipe or a terminal.
func unread(file *os.File, count *int32) {
	pointer := uintptr(unsafe.Pointer(count))
	syscall.Syscall(syscall.SYS_IOCTL, file.Fd(), syscall.TIOCINQ, pointer)
}

// deafPipe is a pipe that nobody reads.
type deafPipe struct{ reader, writer *os.File }

func newDeafPipe(t *testing.T) *deafPipe {
	t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		reader.Close()
		writer.Close()
	})
	return &deafPipe{reader, writer}
}

// fill writes until nothing more fits.
func (u *deafPipe) fill() *deafPipe {
	u.writer.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	for range 100 {
		u.writer.Write(make([]byte, 4096))
	}
	return u
}

// waitUntilFull waits until a writer has to wait.
func (u *deafPipe) waitUntilFull(t *testing.T) {
	t.Helper()
	for range 10000 {
		var count int32
		if unread(u.reader, &count); count >= 65536 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("nothing is written into the pipe")
}

// busyCommand is a command that runs, and what it printed where that is read.
type busyCommand struct {
	t              *testing.T
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
}

// prepare returns a command that is not yet started, and lives for 15 seconds at most.
func (s *shell) prepare(t *testing.T, args ...string) *busyCommand {
	ctx, stop := context.WithTimeout(context.Background(), 15*time.Second)
	t.Cleanup(stop)
	r := &busyCommand{t: t}
	r.cmd = exec.CommandContext(ctx, builtBinary(t), args...)
	r.cmd.Env, r.cmd.Stdout, r.cmd.Stderr = s.environ(), &r.stdout, &r.stderr
	return r
}

func (r *busyCommand) start() *busyCommand {
	r.t.Helper()
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	return r
}

// soon is how long a command may take to end after a signal. The promise is a second; make test may
// run beside much else.
var soon = time.Duration(times(4000, 1500)) * time.Millisecond

// wantInterrupted sends the signals and expects the command to end soon: with the exit status of
// one of them (the system delivers the lowest number first), nothing on stdout, and one error as
// the last line on stderr.
func (r *busyCommand) wantInterrupted(name string, signals ...syscall.Signal) (took time.Duration) {
	r.t.Helper()
	start := time.Now()
	for _, s := range signals {
		r.cmd.Process.Signal(s)
	}
	r.cmd.Wait()
	took = time.Since(start)
	code := r.cmd.ProcessState.ExitCode()
	stdout, stderr := r.stdout.String(), r.stderr.String()
	if !slices.Contains(signals, syscall.Signal(code-128)) || took > soon ||
		stdout != "" {
		r.t.Errorf("%s, %v: %v after %v\nstdout: %.100q\nstderr: %.500q",
			name, signals, r.cmd.ProcessState, took, stdout, stderr)
	}
	if r.cmd.Stderr != &r.stderr {
		return took
	}
	lines := strings.SplitAfter(stderr, "\n")
	last := lines[max(0, len(lines)-2)]
	ok := last == "error: interrupted\n"
	if r.asksForJSON() {
		ok = strings.HasPrefix(last, `{"error":{"code":"interrupted","message":"interrupted"`) &&
			strings.HasSuffix(last, fmt.Sprintf(`"exitCode":%d}}`+"\n", code))
	}
	if !ok || strings.Count(stderr, `error`) != 1 {
		r.t.Errorf("%s, %v: stderr is %.1000q", name, signals, stderr)
	}
	return took
}

func (r *busyCommand) asksForJSON() bool { return slices.Contains(r.cmd.Args, "--json") }

// starter starts a command, with more words at its end, and returns when it is busy.
type starter func(t *testing.T, more ...string) *busyCommand

// announcing returns the handler of a server that sends a value when the client is busy.
type announcing func(chan<- bool) func(conn net.Conn, key string)

// against starts a command that speaks to a server, and waits for the server's word.
func against(words string, handle announcing) starter {
	return func(t *testing.T, more ...string) *busyCommand {
		t.Helper()
		reached := make(chan bool, 10)
		server := newRawServer(t, afterRequest(handle(reached)))
		s := newShell(t, nil).with("MICROTICA_TOKEN", testKey)
		s.with("MICROTICA_API_URL", "http://"+server.host)
		r := s.prepare(t, append(strings.Fields(words), more...)...)
		r.cmd.Stdin = strings.NewReader(testKey)
		r.start()
		wantSoon(t, reached, "the request of "+words)
		return r
	}
}

// sending returns the handler that sends an answer.
func sending(answer string) announcing {
	return func(sent chan<- bool) func(net.Conn, string) {
		return func(conn net.Conn, _ string) {
			io.WriteString(conn, answer)
			sent <- true
			io.Copy(io.Discard, conn)
		}
	}
}

// received returns the handler that sends a list of count objects, and waits until the client has
// read it all and closed the connection.
func received(status string, count int) announcing {
	return func(done chan<- bool) func(net.Conn, string) {
		return func(conn net.Conn, _ string) {
			io.WriteString(conn, rawAnswer(status, "["+strings.Repeat("{},", count-1)+"{}]"))
			io.Copy(io.Discard, conn)
			done <- true
		}
	}
}

// longQuery takes more than ten seconds over a million objects, and little memory.
var longQuery = "[?" + strings.Repeat("a||", 480) + "a]"

// everythingBusy is what a command can be busy with. It looks at its context only where it waits.
var everythingBusy = []struct {
	name  string
	start starter
}{
	{"waiting for an answer", against("project list", silentAfter)},
	{"waiting as whoami", against("whoami", silentAfter)},
	{"checking the key of a login", against("login", silentAfter)},
	{"reading an answer", against("project list",
		sending("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n["))},
	{"waiting to try again", against("project list",
		sending(rawAnswer("503 Wait", "{}", "Retry-After: 20")))},
	{"decoding an answer", against("project list", received("200 OK", 10<<20))},
	{"decoding a refusal", against("project list", received("403 No", 10<<20))},
	{"computing a query", func(t *testing.T, _ ...string) *busyCommand {
		start := against("project list", received("200 OK", 1<<20))
		r := start(t, "--json", "--query", longQuery) // a query's result is JSON anyway
		time.Sleep(500 * time.Millisecond)
		return r
	}},
	{"printing into a pipe that nobody reads", func(t *testing.T, more ...string) *busyCommand {
		return startBlocked(t, false, append(strings.Fields("project list"), more...)...)
	}},
	{"printing an error into such a pipe", func(t *testing.T, more ...string) *busyCommand {
		return startBlocked(t, true, append(strings.Fields("project list --project"), more...)...)
	}},
	{"reading a key from a pipe", func(t *testing.T, more ...string) *busyCommand {
		s := newShell(t, nil)
		pipe := newDeafPipe(t)
		r := s.prepare(t, append(strings.Fields("login --no-verify"), more...)...)
		r.cmd.Stdin = pipe.reader
		r.start()
		io.WriteString(pipe.writer, partly)
		time.Sleep(100 * time.Millisecond)
		return r
	}},
}

// startBlocked starts a command whose stdout or stderr is a pipe that nobody reads, and returns
// when it is full.
func startBlocked(t *testing.T, stderr bool, words ...string) *busyCommand {
	t.Helper()
	api := newFakeAPI(t)
	api.answer("/projects", reply(200, "["+strings.Repeat(`{"id":"x","name":"y"},`, 100000)+"{}]"))
	s := newShell(t, api).with("MICROTICA_TOKEN", testKey)
	r := s.prepare(t, words...)
	pipe := newDeafPipe(t)
	if stderr {
		r.cmd.Stderr = pipe.fill().writer
		r.start()
		time.Sleep(200 * time.Millisecond)
	} else {
		r.cmd.Stdout = pipe.writer
		r.start()
		pipe.waitUntilFull(t)
	}
	return r
}

// TestTortureSignals ends commands that are busy with every signal, and with two at once.
func TestTortureSignals(t *testing.T) {
	t.Parallel()
	var ended, longest atomic.Int64
	t.Run("", func(t *testing.T) {
		for _, b := range everythingBusy {
			t.Run(b.name, func(t *testing.T) {
				t.Parallel()
				for i := range times(2, 24) {
					signals := []syscall.Signal{endingSignals[i%4]}
					if i%2 == 1 {
						signals = append(signals, endingSignals[i/2%4])
					}
					var more []string
					if i%3 == 0 {
						more = []string{"--json"}
					}
					took := b.start(t, more...).wantInterrupted(b.name, signals...)
					longest.Store(max(longest.Load(), int64(took)))
					ended.Add(1)
				}
			})
		}
	})
	counted(t, "%d busy commands ended by signals, each within %.1f s", ended.Load(),
		time.Duration(longest.Load()).Seconds())
}

// TestSignalsIgnoredAtStartStayIgnored starts a command as nohup does, and as a script does with
// what it runs in the background.
func TestSignalsIgnoredAtStartStayIgnored(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		ignored string
		sent    []syscall.Signal
	}{
		{"HUP", []syscall.Signal{syscall.SIGHUP}},
		{"INT QUIT", []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT}},
	} {
		asked := make(chan bool, 1)
		answer := make(chan bool)
		server := newRawServer(t, afterRequest(func(conn net.Conn, _ string) {
			asked <- true
			<-answer
			io.WriteString(conn, rawAnswer("200 OK", projectsBody))
		}))
		s := newShell(t, nil).with("MICROTICA_TOKEN", testKey)
		r := s.with("MICROTICA_API_URL", "http://"+server.host).prepare(t)
		script := "trap '' " + test.ignored + `; exec "$0" project list`
		r.cmd.Path, r.cmd.Args = "/bin/sh", []string{"sh", "-c", script, builtBinary(t)}
		r.start()
		wantSoon(t, asked, "the request")
		for _, s := range test.sent {
			r.cmd.Process.Signal(s)
		}
		time.Sleep(100 * time.Millisecond)
		close(answer)
		r.cmd.Wait()
		if r.cmd.ProcessState.ExitCode() != 0 || !strings.HasPrefix(r.stdout.String(), "ID ") {
			t.Errorf("with %s ignored, %v: %v, %q",
				test.ignored, test.sent, r.cmd.ProcessState, r.stderr.String())
		}
	}
}

// TestErrorIsPrintedOnce holds a command's own error back where the program is being aborted: that
// has been reported already.
func TestErrorIsPrintedOnce(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	a := &app{stdout: &stdout, stderr: &stderr, lookenv: lookup(nil)}
	a.ended.Store(true)
	ended := make(chan int)
	go func() { ended <- a.run(context.Background(), []string{"no-such-command"}) }()
	select {
	case code := <-ended:
		t.Errorf("the command ends with %d: %q", code, stderr.String())
	case <-time.After(100 * time.Millisecond):
	}
}

// TestCancelledReadLeavesNothingBehind gives up on a pipe, into which a key is written then: what
// reads it must not touch what the command has returned (go test -race).
func TestCancelledReadLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	for range 20 {
		reader, writer := io.Pipe()
		ctx, cancel := context.WithCancelCause(context.Background())
		s := newShell(t, nil)
		var stdout, stderr bytes.Buffer
		a := &app{
			stdin: reader, stdout: &stdout, stderr: &stderr, now: time.Now,
			lookenv: lookup(s.env),
		}
		time.AfterFunc(time.Millisecond, func() {
			cancel(interrupted(int(syscall.SIGTERM)))
			io.WriteString(writer, testKey)
			writer.Close()
		})
		code := a.run(ctx, []string{"login", "--no-verify"})
		got := result{stdout.String(), stderr.String(), code}
		if want := (result{"", "error: interrupted\n", 143}); got != want {
			t.Errorf("a cancelled login\n got %s\nwant %s", got, want)
		}
	}
}
