//go:build linux

package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// pseudoTerminal is a terminal, seen from the user's side, and the program that runs in it.
type pseudoTerminal struct {
	*running
	t             *testing.T
	master, slave *os.File
	descriptor    uintptr         // of the master
	found         syscall.Termios // its state when the program starts
	screen        string          // the file that gets what the terminal shows
}

// newTerminal opens a terminal in which nothing runs yet.
func newTerminal(t *testing.T) *pseudoTerminal {
	t.Helper()
	p := &pseudoTerminal{t: t, screen: filepath.Join(t.TempDir(), "screen")}
	screen, err := os.Create(p.screen)
	must(t, err)
	if p.master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		t.Skipf("there are no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { p.master.Close() })
	raw, err := p.master.SyscallConn() // after Fd, closing the master would wait for its reader
	must(t, err, raw.Control(func(fd uintptr) { p.descriptor = fd }))
	var unlock, number int32
	p.control(p.descriptor, syscall.TIOCSPTLCK, unsafe.Pointer(&unlock))
	p.control(p.descriptor, syscall.TIOCGPTN, unsafe.Pointer(&number))
	path := fmt.Sprintf("/dev/pts/%d", number)
	if p.slave, err = os.OpenFile(path, os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		t.Skipf("the pseudo-terminal cannot be opened: %v", err)
	}
	t.Cleanup(func() { p.slave.Close() })
	go func() {
		defer screen.Close()
		io.Copy(screen, p.master)
	}()
	return p
}

func (p *pseudoTerminal) shown() string {
	text, err := os.ReadFile(p.screen)
	if err != nil {
		p.t.Error(err)
	}
	return string(text)
}

// start runs a program in the terminal, in a session of its own unless its attributes say
// otherwise. Those of its output streams that it does not name are the terminal.
func (p *pseudoTerminal) start(run program, args ...string) {
	p.t.Helper()
	if run.attributes == nil {
		run.attributes = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	}
	run.input = p.slave
	run.stdout = cmp.Or[io.Writer](run.stdout, p.slave)
	run.stderr = cmp.Or[io.Writer](run.stderr, p.slave)
	p.found = p.mode()
	var err error
	p.running, err = run.start(p.t, args...)
	if err != nil && run.attributes.Cloneflags != 0 {
		p.t.Skipf("no namespace of processes can be made here: %v", err)
	}
	must(p.t, err)
	p.t.Cleanup(func() {
		p.cancel()
		p.Wait()
	})
}

// control makes a request to either side of the terminal.
func (p *pseudoTerminal) control(side, request uintptr, argument unsafe.Pointer) {
	p.t.Helper()
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, side, request, uintptr(argument))
	if errno != 0 {
		p.t.Fatalf("request %#x to the terminal: %v", request, errno)
	}
}

// mode returns the terminal's state.
func (p *pseudoTerminal) mode() (state syscall.Termios) {
	p.t.Helper()
	p.control(p.descriptor, syscall.TCGETS, unsafe.Pointer(&state))
	return state
}

// echo reports whether the terminal shows what is typed.
func (p *pseudoTerminal) echo() bool { return p.mode().Lflag&syscall.ECHO != 0 }

// change changes the terminal's state, and returns what it was.
func (p *pseudoTerminal) change(edit func(*syscall.Termios)) (before syscall.Termios) {
	p.t.Helper()
	before = p.mode()
	after := before
	edit(&after)
	p.control(p.descriptor, syscall.TCSETS, unsafe.Pointer(&after))
	return before
}

// wantNothingPending fails the test if typed text is left for the next reader of the terminal, such
// as a shell.
func (p *pseudoTerminal) wantNothingPending() {
	p.t.Helper()
	var count int32
	lines := p.change(func(s *syscall.Termios) { s.Lflag &^= syscall.ICANON }) // as a shell does
	p.control(p.slave.Fd(), syscall.TIOCINQ, unsafe.Pointer(&count))
	p.control(p.descriptor, syscall.TCSETS, unsafe.Pointer(&lines))
	if count > 0 {
		p.t.Errorf("%d typed characters are left for the shell", count)
	}
}

// waitFor waits until is returns true, and fails if that takes too long.
func (p *pseudoTerminal) waitFor(what string, is func() bool) {
	p.t.Helper()
	for start := time.Now(); time.Since(start) < 10*time.Second; {
		if is() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	p.t.Fatalf("no sign of %s; on the screen: %q", what, p.shown())
}

// waitForText waits until the screen shows text n times.
func (p *pseudoTerminal) waitForText(text string, n int) {
	p.t.Helper()
	p.waitFor(text, func() bool { return strings.Count(p.shown(), text) >= n })
}

// waitForPrompt waits for the prompt of that number.
func (p *pseudoTerminal) waitForPrompt(number int) {
	p.t.Helper()
	p.waitForText(promptText, number)
	p.waitFor("an end of the echo", func() bool { return !p.echo() })
}

// typed types text.
func (p *pseudoTerminal) typed(text string) {
	p.t.Helper()
	p.master.SetWriteDeadline(time.Now().Add(10 * time.Second))
	if _, err := p.master.WriteString(text); err != nil {
		p.t.Error(err)
	}
}

// foreground returns the group of processes that has the terminal.
func (p *pseudoTerminal) foreground() int {
	p.t.Helper()
	var group int32
	p.control(p.descriptor, syscall.TIOCGPGRP, unsafe.Pointer(&group))
	if group <= 1 {
		p.t.Fatalf("the terminal's foreground is %d", group)
	}
	return int(group)
}

// processState returns the letter for a process's state (proc_pid_stat(5)), "" if it is gone.
func processState(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	return strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))[0]
}

// fg expects the program, a shell with a job, to stop, with the terminal as a user wants it, and
// continues it.
func (p *pseudoTerminal) fg() {
	p.t.Helper()
	p.waitFor("a stop", func() bool { return processState(p.Process.Pid) == "T" })
	if !p.echo() {
		p.t.Error("the job is stopped and what is typed in the shell does not show")
	}
	p.wantNothingPending()
	p.Process.Signal(syscall.SIGCONT)
	p.waitFor("the job", func() bool { return p.foreground() != p.Process.Pid })
}

// wantEnd waits for the end of the program: one of the codes, which are exit statuses or negated
// signals, the terminal as it was found, and what the program says, once. Nothing typed is left for
// the shell, and nothing of a key is on the screen.
func (p *pseudoTerminal) wantEnd(says string, codes ...int) {
	p.t.Helper()
	p.waitFor("an end", func() bool { return processState(p.Process.Pid) == "Z" })
	p.wait()
	status := p.ProcessState.Sys().(syscall.WaitStatus)
	code := status.ExitStatus()
	if status.Signaled() {
		code = -int(status.Signal())
	}
	if !slices.Contains(codes, code) {
		p.t.Errorf("it ends with %v, want %v", p.ProcessState, codes)
	}
	if now := p.mode(); now != p.found {
		p.t.Errorf("the terminal is left as %+v, and was found as %+v", now, p.found)
	}
	p.wantNothingPending()
	p.waitForText(says, 1)
	screen := p.shown()
	if says != "" && strings.Count(screen, says) > 1 {
		p.t.Errorf("it says more than once %q: %q", says, screen)
	}
	for _, part := range []string{"canary", "CRET0value", "mic_wrong", "mic_d60bea1d_"} {
		if strings.Contains(screen, part) {
			p.t.Errorf("%q is on the screen: %q", part, screen)
		}
	}
}

const (
	// promptText is what the terminal shows of a prompt.
	promptText = "Create an API key in Microtica's console, in the project's settings; " +
		"it is shown only once.\r\nAPI key (input is hidden): "
	// saved is how login begins to say that it has saved the test key.
	saved = "Saved API key mic_d60bea1d to "
	// broken is what it says if a signal has ended it.
	broken = "error: interrupted\r\n"
	// extra is what is pasted after a key, for the shell to run.
	extra = "touch canary-ran\n"
	// partly is the beginning of a key, which somebody has typed when the prompt ends.
	partly = "mic_d60bea1d_canary0SEC"
)

// way is a way to start login in a terminal.
type way struct {
	program
	args   string                 // login --no-verify if empty
	script string                 // runs them
	mode   func(*syscall.Termios) // changes the terminal's state before
}

// asJob is a shell that runs its arguments as its job, in the terminal's foreground. It stops where
// the job stops, takes the job back when it is continued, and ends as the job ends.
const asJob = `set -m
"$@"
status=$?
while [ $status -ge 147 ]; do
	kill -STOP $$
	fg
	status=$?
done
exit $status`

// newPrompt starts login in a new terminal, and waits for its prompt.
func newPrompt(t *testing.T, s *shell, w way) *pseudoTerminal {
	t.Helper()
	p := newTerminal(t)
	if w.mode != nil {
		p.change(w.mode)
	}
	w.env = s.environ(w.env...)
	args := strings.Fields(cmp.Or(w.args, "login --no-verify"))
	if w.script != "" {
		w.path = "/bin/sh"
		args = append([]string{"-c", w.script, "sh", builtBinary(t)}, args...)
	}
	p.start(w.program, args...)
	p.waitForPrompt(1)
	if shown := p.shown(); shown != promptText {
		t.Errorf("the prompt is %q", shown)
	}
	return p
}

// promptEnd is one way to end a prompt: texts that are typed, signals to what is in the terminal's
// foreground, and functions of the terminal.
type promptEnd struct {
	name   string
	steps  steps
	code   int
	says   string
	stored string // otherKey, if login leaves the stored key as it is
}

type steps []any

// fg takes a prompt back that has been stopped.
func fg(p *pseudoTerminal) {
	prompts := strings.Count(p.shown(), promptText)
	p.fg()
	p.waitForPrompt(prompts + 1)
}

// tryEach starts a prompt in the given way for each of the ends, at the same time.
func tryEach(t *testing.T, w way, ends ...promptEnd) {
	for _, end := range ends {
		t.Run(end.name, func(t *testing.T) {
			t.Parallel()
			end.try(t, w)
		})
	}
}

// try starts a prompt in the given way and ends it.
func (end promptEnd) try(t *testing.T, w way) *pseudoTerminal {
	s := newShell(t, nil).save(otherKey + "\n")
	p := newPrompt(t, s, w)
	for _, step := range end.steps {
		switch step := step.(type) {
		case string:
			p.typed(step)
			time.Sleep(2 * time.Millisecond) // as a paste over a network comes in pieces
		case syscall.Signal:
			time.Sleep(30 * time.Millisecond) // until the terminal has taken what was typed
			syscall.Kill(-p.foreground(), step)
		case func(*pseudoTerminal):
			step(p)
		}
	}
	p.wantEnd(end.says, end.code)
	s.wantStored(end.stored + "\n")
	return p
}

var promptEnds = []promptEnd{
	{"Enter", steps{testKey + "\n"}, 0, saved, testKey},
	{"corrections", steps{"mic_wrong\x15" + testKey + "xy\x7f\x7f\r"}, 0, saved, testKey},
	{"Enter twice before the key", steps{"\n \r" + testKey + "\n"}, 0, saved, testKey},
	{"Ctrl-D after the key", steps{testKey + "\x04\x04"}, 0, saved, testKey},
	{"Enter and Ctrl-D", steps{"\n\x04"}, 2, "error: no API key: stdin is empty", otherKey},
	{"Ctrl-D", steps{"\x04"}, 2, "error: no API key: stdin is empty", otherKey},
	{"a wrong key", steps{"canary0SECRET0value\n"}, 3, "error: the API key from stdin ", otherKey},
	{"a line of 4,094 bytes", steps{longKey(4094) + "\n"}, 0, saved, longKey(4094)},
	{"a line of 4,095 bytes", steps{longKey(4095) + "\n"}, 3,
		"may be cut short: a line typed at a terminal holds at most 4095 bytes", otherKey},
	{"a line of 6,000 bytes", steps{longKey(6000) + "\n"}, 3, "may be cut short", otherKey},
	{"Ctrl-C", steps{partly + "\x03"}, 130, broken, otherKey},
	{"Ctrl-\\", steps{partly + "\x1c"}, 131, broken, otherKey},
	{"INT", steps{partly, syscall.SIGINT}, 130, broken, otherKey},
	{"TERM", steps{partly, syscall.SIGTERM}, 143, broken, otherKey},
	{"HUP", steps{partly, syscall.SIGHUP}, 129, broken, otherKey},
	{"QUIT", steps{partly, syscall.SIGQUIT}, 131, broken, otherKey},
	{"PIPE", steps{partly, syscall.SIGPIPE}, 141, broken, otherKey},
	{"Ctrl-Z, then Enter", steps{partly + "\x1a", fg, testKey + "\n"}, 0, saved, testKey},
	{"Ctrl-Z twice, then Enter", steps{"\x1a", fg, "\x1a", fg, testKey + "\n"}, 0, saved, testKey},
	{"Ctrl-Z, then Ctrl-C", steps{partly + "\x1a", fg, partly + "\x03"}, 130, broken, otherKey},
	{"Ctrl-Z, then TERM", steps{"\x1a", fg, syscall.SIGTERM}, 143, broken, otherKey},

	{"a line break pasted too", steps{"\n" + testKey + "\n"}, 0, saved, testKey},
	{"a label", steps{"canary key:\r\n" + testKey + "\r\n"}, 3, "not start with mic_", otherKey},
	{"CR LF", steps{"\r\n\r\n" + testKey + "\r\n\r\n"}, 0, saved, testKey},
	{"two lines", steps{testKey[:20] + "\n" + testKey[20:] + "\n"}, 0, saved, testKey[:20]},
	{"a command after it", steps{testKey + "\n" + extra}, 0, saved, testKey},
	{"a command without Enter", steps{testKey + "\n" + extra[:10]}, 0, saved, testKey},
	{"a page of text", steps{testKey + "\n" + strings.Repeat(extra, 999)}, 0, saved, testKey},
	{"Ctrl-C and a command", steps{testKey[:20] + "\x03" + extra}, 130, broken, otherKey},
	{"in pieces", steps{testKey + "\n", extra, extra, extra, extra}, 0, saved, testKey},
}

func longKey(length int) string {
	return "mic_d60bea1d_canary" + strings.Repeat("x", length-len("mic_d60bea1d_canary"))
}

// TestTorturePrompt types a key, the beginning of one, or more than one, and ends the prompt in
// every way.
func TestTorturePrompt(t *testing.T) {
	t.Parallel()
	rounds := times(1, 20)
	t.Run("", func(t *testing.T) {
		for range rounds {
			tryEach(t, way{script: asJob}, promptEnds...)
		}
	})
	stops := strings.Count(fmt.Sprint(promptEnds), "\x1a")
	counted(t, "%d prompts ended, %d stopped and continued: 0 keys on the screen, 0 pending, "+
		"0 terminals left without echo", rounds*len(promptEnds), rounds*stops)
}

// TestTortureTwoSignalsAtOnce ends prompts with two signals 50 µs apart, as they come if a parent
// process forwards Ctrl-C.
func TestTortureTwoSignalsAtOnce(t *testing.T) {
	t.Parallel()
	pairs := [][]syscall.Signal{
		{syscall.SIGINT, syscall.SIGINT},
		{syscall.SIGINT, syscall.SIGTERM},
		{syscall.SIGTERM, syscall.SIGHUP},
		{syscall.SIGHUP, syscall.SIGPIPE},
		{syscall.SIGQUIT, syscall.SIGINT},
	}
	prompts := times(20, 300)
	for i := range prompts {
		s := newShell(t, nil).save(otherKey + "\n")
		p := newPrompt(t, s, way{})
		p.typed(partly)
		pair := pairs[i%len(pairs)]
		p.Process.Signal(pair[0])
		for start := time.Now(); time.Since(start) < 50*time.Microsecond; {
		}
		p.Process.Signal(pair[1])
		p.wantEnd(broken, 128+int(pair[0]), 128+int(pair[1]))
		s.wantStored(otherKey + "\n")
	}
	counted(t, "%d prompts ended by two signals 50 µs apart: 0 terminals left without echo",
		prompts)
}

// newBash starts an interactive bash with job control in a new terminal, in the shell's home.
func newBash(t *testing.T, s *shell) *pseudoTerminal {
	t.Helper()
	const bash = "/bin/bash"
	if _, err := os.Stat(bash); err != nil {
		t.Skip("there is no bash here")
	}
	p := newTerminal(t)
	env := s.environ("PATH="+filepath.Dir(builtBinary(t))+":/usr/bin:/bin", "TERM=dumb",
		"PS1=shell> ")
	p.start(program{path: bash, env: env, dir: s.home}, "--norc", "--noprofile", "-i")
	p.waitForText("shell> ", 1)
	return p
}

// inBackground starts a prompt in the background, which stops it, and returns its process.
func (p *pseudoTerminal) inBackground() (pid int) {
	p.t.Helper()
	p.typed("microtica login --no-verify & echo pid=$!.\n")
	p.waitFor("a process", func() bool {
		_, after, _ := strings.Cut(p.shown(), "\npid=")
		number, _, _ := strings.Cut(after, ".\r\n")
		pid, _ = strconv.Atoi(number)
		return pid > 1
	})
	p.waitForJob("]+  Stopped", 1)
	return pid
}

// waitForShell waits until a shell, which has a line editor, has the terminal.
func (p *pseudoTerminal) waitForShell() {
	p.t.Helper()
	p.waitFor("the shell", func() bool {
		return p.foreground() == p.Process.Pid && p.mode().Lflag&syscall.ICANON == 0
	})
}

// waitForJob presses Enter until a shell has said n times, before a prompt, what became of a job.
func (p *pseudoTerminal) waitForJob(text string, n int) {
	p.t.Helper()
	p.waitFor(text, func() bool {
		p.typed("\n")
		time.Sleep(20 * time.Millisecond)
		return strings.Count(p.shown(), text) >= n
	})
}

// TestTorturePromptsKilledInTheBackground starts prompts in the background, and ends them with one
// kill %1, or by ending the shell.
func TestTorturePromptsKilledInTheBackground(t *testing.T) {
	t.Parallel()
	for i := range times(8, 50) {
		p := newBash(t, newShell(t, nil))
		pid := p.inBackground()
		t.Cleanup(func() {
			if processState(pid) == "T" {
				syscall.Kill(pid, syscall.SIGKILL)
			}
		})
		time.Sleep(300 * time.Millisecond) // longer than a stopped prompt looks out for a signal
		if i%2 == 1 {
			p.Process.Kill()
			p.waitFor("an end", func() bool { return strings.Contains("Z", processState(pid)) })
			continue
		}
		p.typed("kill %1\n")
		p.waitForJob("Exit 143", 1)
	}
}

// TestPromptWithoutJobControl presses Ctrl-Z where no shell would take the terminal back: in a
// session's first group of processes, as under ssh -t, and as process 1 of a container. The kernel
// stops no program there, and the prompt goes on.
func TestPromptWithoutJobControl(t *testing.T) {
	t.Parallel()
	staysHidden := func(p *pseudoTerminal) {
		for range 200 {
			if p.echo() {
				p.t.Fatal("Ctrl-Z turns the echo on")
			}
			time.Sleep(time.Millisecond)
		}
	}
	inContainer := &syscall.SysProcAttr{
		Setsid: true, Setctty: true, Cloneflags: syscall.CLONE_NEWPID,
	}
	for _, w := range []way{
		{},
		{script: `trap : INT; "$@"; status=$?; echo done; exit $status`},
		{program: program{attributes: inContainer}},
	} {
		tryEach(t, w,
			promptEnd{"Enter", steps{"\x1a", staysHidden, testKey + "\n"}, 0, saved, testKey},
			promptEnd{"Ctrl-C", steps{"\x1a", staysHidden, "\x03"}, 130, broken, otherKey})
	}
}

// TestPromptAsAJob ends a prompt of a real shell that is stopped in the background, then stops one
// in the foreground, twice, and ends it too. The shell keeps its terminal, and gets nothing that
// was pasted beside a key.
func TestPromptAsAJob(t *testing.T) {
	t.Parallel()
	s := newShell(t, nil)
	p := newBash(t, s)
	p.inBackground()
	p.typed("kill %1\n")
	p.waitForJob("Exit 143", 1)
	p.typed("microtica login --no-verify\n")
	p.waitForPrompt(1)
	job := p.foreground()
	syscall.Kill(job, syscall.SIGSTOP)
	p.waitForShell()
	p.typed("fg\n")
	p.waitForPrompt(2)
	p.typed(partly + "\x1a")
	p.waitForShell()
	edited, start := p.mode(), time.Now()
	syscall.Kill(job, syscall.SIGCONT) // kill %1 sends both, and either may be seen first
	time.Sleep(20 * time.Millisecond)
	syscall.Kill(job, syscall.SIGTERM)
	if time.Since(start) > 150*time.Millisecond { // on a slow machine it has stopped again
		syscall.Kill(job, syscall.SIGCONT)
	}
	p.waitFor("an end", func() bool { return processState(job) == "" })
	if now := p.mode(); now != edited {
		t.Errorf("a job in the background leaves the terminal as %+v, and it was %+v", now, edited)
	}
	p.waitForJob("Exit 143", 2)
	p.typed("stty -a | grep -o -- '-\\?echo ' | tr e E\n")
	p.waitForText("\nEcho", 1)
	p.typed("microtica login --no-verify\n")
	p.waitForPrompt(3)
	p.typed(testKey + "\n" + extra)
	p.waitForText(saved, 1)
	p.typed("ls\nexit\n")
	p.wantEnd(saved, 0)
	if prompts := strings.Count(p.shown(), promptText); prompts != 3 {
		t.Errorf("%d prompts: %q", prompts, p.shown())
	}
	s.wantStored(testKey + "\n")
}

// TestPromptEndedInTheBackground stops a prompt in a way that it cannot see, under a shell that
// does not mend the terminal, and ends it there: the echo comes back.
func TestPromptEndedInTheBackground(t *testing.T) {
	t.Parallel()
	p := newTerminal(t)
	env := newShell(t, nil).environ("PS1=shell> ")
	p.start(program{path: "/bin/sh", env: env}, "-i")
	p.waitForText("shell> ", 1)
	p.typed(builtBinary(t) + " login --no-verify\n")
	p.waitForPrompt(1)
	job := p.foreground()
	syscall.Kill(job, syscall.SIGSTOP)
	p.waitForText("shell> ", 2)
	syscall.Kill(job, syscall.SIGTERM)
	syscall.Kill(job, syscall.SIGCONT)
	p.waitForText(broken, 1)
	if !p.echo() {
		t.Error("the terminal is left without echo")
	}
}

// TestPromptInAnyMode types a key at terminals that another program left in a mode of its own.
func TestPromptInAnyMode(t *testing.T) {
	t.Parallel()
	for _, mode := range []func(*syscall.Termios){
		func(s *syscall.Termios) { s.Iflag |= syscall.IGNCR },
		func(s *syscall.Termios) {
			s.Iflag &^= syscall.ICRNL
			s.Iflag |= syscall.INLCR
		},
		func(s *syscall.Termios) { // raw
			s.Iflag &^= syscall.ICRNL | syscall.IXON
			s.Lflag &^= syscall.ICANON | syscall.ISIG | syscall.ECHO | syscall.IEXTEN
		},
	} {
		tryEach(t, way{mode: mode},
			promptEnd{"CR", steps{"\r" + testKey + "\r"}, 0, saved, testKey},
			promptEnd{"LF", steps{testKey + "\n"}, 0, saved, testKey},
			promptEnd{"Ctrl-C", steps{partly + "\x03"}, 130, broken, otherKey})
	}
}

// TestPrompt covers --quiet and --json, which change only what follows the prompt; a stdout whose
// reader has gone, which ends the program by SIGPIPE as it would any other; and a stop with a key
// half typed, of which the shell finds nothing.
func TestPrompt(t *testing.T) {
	t.Parallel()
	reader, closed := newPipe(t)
	reader.Close()
	enter := steps{testKey + "\n"}
	stop := steps{partly, syscall.SIGTSTP, fg, testKey + "\n"}
	p := promptEnd{"--quiet", enter, 0, "", testKey}.try(t, way{args: "login --no-verify --quiet"})
	p.waitFor("nothing more", func() bool { return p.shown() == promptText+"\r\n" })
	promptEnd{"--json", enter, 0, `{"apiKeyPrefix":"mic_d60bea1d",`, testKey}.
		try(t, way{args: "login --no-verify --json"})
	promptEnd{"a closed pipe", enter, -int(syscall.SIGPIPE), "", testKey}.
		try(t, way{program: program{stdout: closed}})
	promptEnd{"TSTP", stop, 0, saved, testKey}.try(t, way{script: asJob})
}

// TestPromptThatNobodySees starts login at a terminal with stderr somewhere else.
func TestPromptThatNobodySees(t *testing.T) {
	t.Parallel()
	hidden := wrong{"usage", "cannot prompt for the API key: stderr is not a terminal",
		"run 'microtica login < FILE' with a file that holds the key", 0}
	for _, asJSON := range []bool{false, true} {
		var stderr bytes.Buffer
		p := newTerminal(t)
		env := newShell(t, nil).environ()
		p.start(program{env: env, stderr: &stderr}, inForm(asJSON, "login", "--no-verify")...)
		p.wantEnd("", 2)
		if want := hidden.fails("", asJSON).stderr; stderr.String() != want || p.shown() != "" {
			t.Errorf("stderr is %q, want %q; on the screen: %q", &stderr, want, p.shown())
		}
	}
}

// TestPromptThenVerify checks what Ctrl-C and Ctrl-Z do after the prompt, while the key is being
// checked: the terminal has long been restored.
func TestPromptThenVerify(t *testing.T) {
	t.Parallel()
	asked := make(chan bool, 2)
	server := newRawServer(t, afterRequest(silentAfter(asked)))
	checking := func(p *pseudoTerminal) {
		receive(p.t, asked)
		if !p.echo() {
			p.t.Error("the key is being checked and the echo is off")
		}
	}
	w := way{args: "login", script: asJob}
	w.env = []string{"MICROTICA_API_URL=http://" + server.host}
	for _, rest := range []steps{
		{checking, "\x03"},
		{checking, "\x1a", (*pseudoTerminal).fg, "\x03"},
	} {
		end := promptEnd{"", append(steps{testKey + "\n"}, rest...), 130, broken, otherKey}
		end.try(t, w)
	}
}

// TestPromptWhileOutputIsHeld holds the output, as Ctrl-S does, before the prompt is printed.
func TestPromptWhileOutputIsHeld(t *testing.T) {
	t.Parallel()
	p := newTerminal(t)
	p.control(p.slave.Fd(), 0x540A, nil) // TCXONC, with TCOOFF
	p.start(program{env: newShell(t, nil).environ()}, "login", "--no-verify")
	p.waitFor("an end of the echo", func() bool { return !p.echo() })
	start := time.Now()
	p.Process.Signal(syscall.SIGTERM)
	p.wantEnd("", 143)
	if took := time.Since(start); took > soon {
		t.Errorf("TERM took %v", took)
	}
}

// TestAnAbortedPromptRestoresTheTerminal stands for a machine too busy for the prompt to end by
// itself in time after a signal.
func TestAnAbortedPromptRestoresTheTerminal(t *testing.T) {
	t.Parallel()
	p := newTerminal(t)
	var a app
	a.prompting.Store(openTerminal(p.slave))
	must(t, a.prompting.Load().hide(func() {}))
	if p.echo() {
		t.Fatal("the echo is on")
	}
	a.lastWords(io.Discard, false, interrupted(15), func(int) {})
	if !p.echo() {
		t.Error("the echo is off after the last words")
	}
	none := &terminal{fd: ^uintptr(0)}
	if err := none.hide(func() {}); err == nil {
		t.Error("the echo of no terminal was turned off")
	}
}

// TestPromptWhoseTerminalGoesAway hangs up: the program ends, and nothing is stored. A terminal
// that does not control the program sends no signal.
func TestPromptWhoseTerminalGoesAway(t *testing.T) {
	t.Parallel()
	for _, controls := range []bool{true, false} {
		s := newShell(t, nil).save(otherKey + "\n")
		session := &syscall.SysProcAttr{Setsid: true, Setctty: controls}
		p := newPrompt(t, s, way{program: program{attributes: session}})
		p.typed(partly)
		must(t, p.slave.Close(), p.master.Close())
		if got := p.wait(); got.code != 129 {
			t.Errorf("a hangup ends the program with %s", got)
		}
		s.wantStored(otherKey + "\n")
	}
}
