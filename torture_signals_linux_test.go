package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// soon is how long a command may take to end after a signal. The promise is a second; make test may
// run beside much else.
var soon = time.Duration(times(4000, 1500)) * time.Millisecond

// silentAfter returns what reports a request on asked, and sends nothing.
func silentAfter(asked chan<- bool) func(net.Conn, string) {
	return func(conn net.Conn, _ string) {
		asked <- true
		io.Copy(io.Discard, conn)
	}
}

// newPipe returns both ends of a pipe.
func newPipe(t *testing.T) (reader, writer *os.File) {
	t.Helper()
	reader, writer, err := os.Pipe()
	must(t, err)
	t.Cleanup(func() {
		reader.Close()
		writer.Close()
	})
	return reader, writer
}

// fullPipe returns the end of a pipe that nobody reads, and into which nothing more fits.
func fullPipe(t *testing.T) *os.File {
	t.Helper()
	_, writer := newPipe(t)
	raw, err := writer.SyscallConn()
	must(t, err)
	raw.Control(func(fd uintptr) {
		for err == nil { // until it would block
			_, err = syscall.Write(int(fd), make([]byte, 4096))
		}
	})
	return writer
}

// busyCommand is what a command can be busy with. (TestASignalEndsARequest has more ways to wait
// for the API.)
type busyCommand struct {
	name, args string
	answer     string // what the API sends before it falls silent
	isRead     bool   // the command has read all of that when it is busy
	stream     string // the one that is a pipe with nobody at the other end
}

// busyCommands returns some that look at their context and some that do not.
func busyCommands() []busyCommand {
	objects := func(status string, count int) string {
		return rawAnswer(status, "["+strings.Repeat("{},", count-1)+"{}]")
	}
	const cut = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n["
	// This takes more than ten seconds over a million objects, and little memory.
	query := "project list --query [?" + strings.Repeat("a||", 480) + "a]"
	refusal := rawAnswer("403 No", "{}")
	return []busyCommand{
		{"reading an answer", "login", cut, false, ""},
		{"decoding an answer", "project list", objects("200 OK", 10<<20), true, ""},
		{"decoding a shorter one", "project list", objects("200 OK", 5<<20), true, ""},
		{"decoding a refusal", "project list", objects("403 No", 10<<20), true, ""},
		{"computing a query", query, objects("200 OK", 1<<20), true, ""},
		{"printing", "project list", rawAnswer("200 OK", projectsBody), true, "stdout"},
		{"printing an error", "project list", refusal, true, "stderr"},
		{"reading a key", "login --no-verify", "", false, "stdin"},
	}
}

// start starts the command and returns when it is busy.
func (b busyCommand) start(t *testing.T, asJSON bool) *running {
	t.Helper()
	reached := make(chan bool, 10)
	server := newRawServer(t, afterRequest(func(conn net.Conn, _ string) {
		io.WriteString(conn, b.answer)
		if b.isRead {
			io.Copy(io.Discard, conn) // until the command closes the connection
		}
		silentAfter(reached)(conn, "")
	}))
	env := newRawShell(t, server).environ()
	p := program{env: env, stdin: testKey, limit: 15 * time.Second}
	switch b.stream {
	case "stdin":
		reader, writer := newPipe(t)
		io.WriteString(writer, partly)
		p.input = reader
		time.AfterFunc(300*time.Millisecond, func() { reached <- true })
	case "stdout":
		p.stdout = fullPipe(t)
	case "stderr":
		p.stderr = fullPipe(t)
	}
	r, err := p.start(t, inForm(asJSON, strings.Fields(b.args)...)...)
	must(t, err)
	receive(t, reached)
	time.Sleep(50 * time.Millisecond)
	return r
}

// wantInterrupted sends signals to a busy command, and expects it to end soon: with the exit status
// of one of them (the system delivers the lowest number first), and with nothing but one error.
func (b busyCommand) wantInterrupted(r *running, asJSON bool,
	signals ...syscall.Signal) (took time.Duration) {
	r.t.Helper()
	start := time.Now()
	for _, s := range signals {
		r.Process.Signal(s)
	}
	got := r.wait()
	took = time.Since(start)
	want := wrong{"interrupted", "interrupted", "", 0}.fails("", asJSON)
	want.code = got.code
	exitCode := fmt.Sprintf(`"exitCode":%d`, got.code)
	want.stderr = strings.Replace(want.stderr, `"exitCode":0`, exitCode, 1)
	if b.stream == "stderr" {
		want.stderr = ""
	}
	if got != want || !slices.Contains(signals, syscall.Signal(got.code-128)) || took > soon {
		r.t.Errorf("%v after %v\n got %.500s\nwant %s", signals, took, got, want)
	}
	return took
}

// TestTortureSignals ends commands that are busy with every signal, and with two at once.
func TestTortureSignals(t *testing.T) {
	t.Parallel()
	var ended, longest atomic.Int64
	t.Run("", func(t *testing.T) {
		for _, b := range busyCommands() {
			t.Run(b.name, func(t *testing.T) {
				t.Parallel()
				for i := range times(2, 33) {
					signals := []syscall.Signal{endingSignals[i%4]}
					if i%2 == 1 {
						signals = append(signals, endingSignals[i/2%4])
					}
					asJSON := i%3 == 0
					took := b.wantInterrupted(b.start(t, asJSON), asJSON, signals...)
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
	for ignored, sent := range map[string][]syscall.Signal{
		"HUP":      {syscall.SIGHUP},
		"INT QUIT": {syscall.SIGINT, syscall.SIGQUIT},
	} {
		asked, answer := make(chan bool, 1), make(chan bool)
		server := newRawServer(t, afterRequest(func(conn net.Conn, _ string) {
			asked <- true
			<-answer
			io.WriteString(conn, rawAnswer("200 OK", projectsBody))
		}))
		p := program{env: newRawShell(t, server).environ(), path: "/bin/sh"}
		script := "trap '' " + ignored + `; exec "$0" project list`
		r, err := p.start(t, "-c", script, builtBinary(t))
		must(t, err)
		receive(t, asked)
		for _, s := range sent {
			r.Process.Signal(s)
		}
		time.Sleep(100 * time.Millisecond)
		close(answer)
		want := result{projectTable, "", 0}
		if got := r.wait(); got != want {
			t.Errorf("with %s ignored, %v\n got %s\nwant %s", ignored, sent, got, want)
		}
	}
}

// TestErrorIsPrintedOnce checks that a command's own error is held back if the program is being
// aborted, which has been reported already.
func TestErrorIsPrintedOnce(t *testing.T) {
	t.Parallel()
	a := newShell(t, nil).app()
	a.ended.Store(true)
	ended := make(chan int)
	go func() { ended <- a.run(context.Background(), []string{"no-such-command"}) }()
	select {
	case code := <-ended:
		t.Errorf("the command ends with %d", code)
	case <-time.After(100 * time.Millisecond):
	}
}

// TestCancelledReadLeavesNothingBehind gives up on a pipe before a key is written into it: the
// goroutine that reads it must not touch what the command has returned (go test -race).
func TestCancelledReadLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	for range 20 {
		reader, writer := io.Pipe()
		ctx, cancel := context.WithCancelCause(context.Background())
		time.AfterFunc(time.Millisecond, func() { cancel(interrupted(int(syscall.SIGTERM))) })
		var both bytes.Buffer
		a := newShell(t, nil).app()
		a.stdin, a.stdout, a.stderr = reader, &both, &both
		code := a.run(ctx, []string{"login", "--no-verify"})
		io.WriteString(writer, testKey)
		writer.Close()
		if code != 143 || both.String() != "error: interrupted\n" {
			t.Errorf("a cancelled login: exit %d, %q", code, &both)
		}
	}
}
