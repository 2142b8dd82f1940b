//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// pseudoTerminal is a terminal and the program that runs in it, seen from the user's side.
type pseudoTerminal struct {
	t             *testing.T
	master, slave *os.File
	pid           int
	mu            sync.Mutex
	screen        bytes.Buffer
}

// newTerminal opens a terminal in which nothing runs yet.
func newTerminal(t *testing.T) *pseudoTerminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("there are no pseudo-terminals here: %v", err)
	}
	p := &pseudoTerminal{t: t, master: master}
	t.Cleanup(func() { master.Close() })
	var unlock, number int32
	if errno := p.control(syscall.TIOCSPTLCK, unsafe.Pointer(&unlock)); errno != 0 {
		t.Skipf("the pseudo-terminal cannot be unlocked: %v", errno)
	}
	if errno := p.control(syscall.TIOCGPTN, unsafe.Pointer(&number)); errno != 0 {
		t.Skipf("the pseudo-terminal has no number: %v", errno)
	}
	path := fmt.Sprintf("/dev/pts/%d", number)
	if p.slave, err = os.OpenFile(path, os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		t.Skipf("the pseudo-terminal cannot be opened: %v", err)
	}
	t.Cleanup(func() { p.slave.Close() })
	if !p.echo() {
		t.Fatal("a new terminal does not echo")
	}
	go p.record()
	return p
}

// record keeps what the terminal shows.
func (p *pseudoTerminal) record() {
	data := make([]byte, 4096)
	for {
		n, err := p.master.Read(data)
		p.mu.Lock()
		p.screen.Write(data[:n])
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// start runs a program in the terminal, in a session of its own; what is nil of the streams is the
// terminal. The test ends it if it still runs then.
func (p *pseudoTerminal) start(env []string, streams [3]*os.File, args ...string) {
	p.t.Helper()
	p.startWith(&syscall.SysProcAttr{Setsid: true, Setctty: true}, env, streams, args...)
}

func (p *pseudoTerminal) startWith(sys *syscall.SysProcAttr, env []string, streams [3]*os.File,
	args ...string) {
	p.t.Helper()
	attributes := &syscall.ProcAttr{Env: env, Sys: sys}
	for _, file := range streams {
		if file == nil {
			file = p.slave
		}
		attributes.Files = append(attributes.Files, file.Fd())
	}
	var err error
	if p.pid, err = syscall.ForkExec(args[0], args, attributes); err != nil {
		if sys.Cloneflags != 0 {
			p.t.Skipf("no namespace of processes can be made here: %v", err)
		}
		p.t.Fatal(err)
	}
	p.t.Cleanup(p.kill)
}

// kill ends the program unless it has been waited for.
func (p *pseudoTerminal) kill() {
	if p.pid != 0 {
		syscall.Kill(p.pid, syscall.SIGKILL)
		syscall.Wait4(p.pid, nil, 0, nil)
		p.pid = 0
	}
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

// startJob runs a program as start does, but under a shell that does job control: nothing stops a
// program that has a session to itself.
func (p *pseudoTerminal) startJob(env []string, args ...string) {
	p.t.Helper()
	p.start(env, [3]*os.File{}, append([]string{"/bin/sh", "-c", asJob, "sh"}, args...)...)
}

// foreground returns the group of processes that has the terminal.
func (p *pseudoTerminal) foreground() int {
	p.t.Helper()
	var group int32
	errno := p.control(syscall.TIOCGPGRP, unsafe.Pointer(&group))
	if errno != 0 || group <= 1 {
		p.t.Fatalf("the terminal's foreground is %d: %v", group, errno)
	}
	return int(group)
}

// signalJob sends a signal to what is in the terminal's foreground.
func (p *pseudoTerminal) signalJob(s syscall.Signal) { syscall.Kill(-p.foreground(), s) }

// newPrompt starts a login with the given words in a new terminal, and waits for its prompt.
func newPrompt(t *testing.T, s *shell, args ...string) *pseudoTerminal {
	t.Helper()
	p := newTerminal(t)
	p.start(s.environ(), [3]*os.File{}, append([]string{builtBinary(t)}, args...)...)
	p.waitFor("the prompt", func() bool { return p.prompts() == 1 && !p.echo() })
	return p
}

// control makes a request to the terminal. It does without Fd, after which closing the master would
// wait for its reader.
func (p *pseudoTerminal) control(request uintptr, argument unsafe.Pointer) (errno syscall.Errno) {
	raw, err := p.master.SyscallConn()
	if err != nil {
		return syscall.EBADF
	}
	raw.Control(func(fd uintptr) {
		_, _, errno = syscall.Syscall(syscall.SYS_IOCTL, fd, request, uintptr(argument))
	})
	return errno
}

// mode returns the terminal's state.
func (p *pseudoTerminal) mode() (state syscall.Termios) {
	if errno := p.control(syscall.TCGETS, unsafe.Pointer(&state)); errno != 0 {
		p.t.Errorf("the terminal's state cannot be read: %v", errno)
	}
	return state
}

func (p *pseudoTerminal) setMode(state syscall.Termios) {
	if errno := p.control(syscall.TCSETS, unsafe.Pointer(&state)); errno != 0 {
		p.t.Errorf("the terminal's state cannot be set: %v", errno)
	}
}

// echo reports whether the terminal shows what is typed.
func (p *pseudoTerminal) echo() bool { return p.mode().Lflag&syscall.ECHO != 0 }

// pending returns how much typed text waits for whoever reads the terminal next, a shell say.
func (p *pseudoTerminal) pending() (count int32) {
	lines := p.mode()
	raw := lines
	raw.Lflag &^= syscall.ICANON // as a shell does; else only whole lines count
	p.setMode(raw)
	defer p.setMode(lines)
	unread(p.slave, &count)
	return count
}

func (p *pseudoTerminal) shown() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.screen.String()
}

func (p *pseudoTerminal) prompts() int {
	return strings.Count(p.shown(), "API key (input is hidden): ")
}

// waitFor waits until is returns true, and fails if that takes too long.
func (p *pseudoTerminal) waitFor(what string, is func() bool) {
	p.t.Helper()
	for range 10000 {
		if is() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	p.kill()
	p.t.Fatalf("no sign of %s on the screen: %q", what, p.shown())
}

// waitForText waits until the screen shows text.
func (p *pseudoTerminal) waitForText(text string) {
	p.t.Helper()
	p.waitFor(text, func() bool { return strings.Contains(p.shown(), text) })
}

func (p *pseudoTerminal) typed(text string) {
	p.t.Helper()
	p.master.SetWriteDeadline(time.Now().Add(10 * time.Second))
	if _, err := p.master.WriteString(text); err != nil {
		p.t.Error(err)
	}
}

// signal sends signals to the program, 50 µs apart.
func (p *pseudoTerminal) signal(signals ...syscall.Signal) {
	for i, s := range signals {
		for start := time.Now(); i > 0 && time.Since(start) < 50*time.Microsecond; {
		}
		syscall.Kill(p.pid, s)
	}
}

// state waits until the program has stopped or ended.
func (p *pseudoTerminal) state() syscall.WaitStatus {
	p.t.Helper()
	pid := p.pid
	watchdog := time.AfterFunc(10*time.Second, func() { syscall.Kill(pid, syscall.SIGKILL) })
	for {
		var status syscall.WaitStatus
		_, err := syscall.Wait4(p.pid, &status, syscall.WUNTRACED, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			p.t.Fatal(err)
		}
		if !status.Stopped() {
			p.pid = 0
		}
		if !watchdog.Stop() {
			p.t.Fatalf("the program neither stops nor ends: %q", p.shown())
		}
		return status
	}
}

// wantEnd waits for the end of the program: the exit status, the terminal as it was found, nothing
// left in it for the shell, and nothing of a key on the screen.
func (p *pseudoTerminal) wantEnd(name string, found syscall.Termios, code int) {
	p.t.Helper()
	status := p.state()
	if !status.Exited() || status.ExitStatus() != code {
		p.t.Errorf("%s: ends with %#x, want exit %d: %q", name, status, code, p.shown())
	}
	if now := p.mode(); now != found {
		p.t.Errorf("%s: the terminal is left as %+v, and was found as %+v", name, now, found)
	}
	if count := p.pending(); count > 0 {
		p.t.Errorf("%s: %d typed characters are left for the shell", name, count)
	}
	screen := p.shown()
	for _, needle := range []string{"canary", "CRET0value", "mic_wrong", "mic_d60bea1d_"} {
		if strings.Contains(screen, needle) {
			p.t.Errorf("%s: %q is on the screen: %q", name, needle, screen)
		}
	}
}

// saved is how login begins to say that it has saved the test key.
const saved = "Saved API key mic_d60bea1d to "

// partly is the beginning of a key, which somebody has typed when the prompt ends.
const partly = "mic_d60bea1d_canary0SEC"

// promptEnd is one way to end a prompt.
type promptEnd struct {
	name, typed string // \x1a, Ctrl-Z, is followed by fg
	signal      syscall.Signal
	code        int
	says        string
}

var promptEnds = []promptEnd{
	{"Enter", testKey + "\n", 0, 0, saved},
	{"corrections", "mic_wrong\x15" + testKey + "xy\x7f\x7f\r", 0, 0, saved},
	{"Enter twice before the key", "\n \r" + testKey + "\n", 0, 0, saved},
	{"Ctrl-D after the key", testKey + "\x04\x04", 0, 0, saved},
	{"Enter and Ctrl-D", "\n\x04", 0, 2, "error: no API key: stdin is empty"},
	{"Ctrl-D", "\x04", 0, 2, "error: no API key: stdin is empty"},
	{"a wrong key", "canary0SECRET0value\n", 0, 3, "error: the API key from stdin "},
	{"a line of 4,094 bytes", longKey(4094) + "\n", 0, 0, saved},
	{"a line of 4,095 bytes", longKey(4095) + "\n", 0, 3,
		"may be cut short: a line typed at a terminal holds at most 4095 bytes"},
	{"a line of 6,000 bytes", longKey(6000) + "\n", 0, 3, "may be cut short"},
	{"Ctrl-C", partly + "\x03", 0, 130, "error: interrupted"},
	{"Ctrl-\\", partly + "\x1c", 0, 131, "error: interrupted"},
	{"INT", partly, syscall.SIGINT, 130, "error: interrupted"},
	{"TERM", partly, syscall.SIGTERM, 143, "error: interrupted"},
	{"HUP", partly, syscall.SIGHUP, 129, "error: interrupted"},
	{"QUIT", partly, syscall.SIGQUIT, 131, "error: interrupted"},
	{"PIPE", partly, syscall.SIGPIPE, 141, "error: interrupted"},
	{"Ctrl-Z, then Enter", partly + "\x1a" + testKey + "\n", 0, 0, saved},
	{"Ctrl-Z twice, then Enter", "\x1a\x1a" + testKey + "\n", 0, 0, saved},
	{"Ctrl-Z, then Ctrl-C", partly + "\x1a" + partly + "\x03", 0, 130, "error: interrupted"},
	{"Ctrl-Z, then TERM", "\x1a", syscall.SIGTERM, 143, "error: interrupted"},
}

func longKey(length int) string {
	return "mic_d60bea1d_canary" + strings.Repeat("x", length-len("mic_d60bea1d_canary"))
}

// TestTorturePrompt types a key, or the beginning of one, and ends the prompt in every way.
func TestTorturePrompt(t *testing.T) {
	t.Parallel()
	endings, stops := 0, 0
	for round := range times(1, 20) {
		for _, end := range promptEnds {
			args := []string{"login", "--no-verify"}
			if round%2 == 1 {
				args = append(args, "--quiet")
			}
			stops += tryPromptEnd(t, end, args)
			endings++
		}
	}
	counted(t, "%d prompts ended, %d stopped and continued: 0 keys on the screen, 0 pending, "+
		"0 terminals left without echo", endings, stops)
}

// tryPromptEnd ends one prompt, and returns how often it was stopped and continued.
func tryPromptEnd(t *testing.T, end promptEnd, args []string) (stops int) {
	s := newShell(t, nil).save(otherKey + "\n")
	p := newTerminal(t)
	found := p.mode()
	command := append([]string{builtBinary(t)}, args...)
	if strings.Contains(end.typed, "\x1a") {
		p.startJob(s.environ(), command...)
	} else {
		p.start(s.environ(), [3]*os.File{}, command...)
	}
	p.waitFor("the prompt", func() bool { return p.prompts() == 1 })
	if p.echo() {
		t.Errorf("%s: the prompt is there and what is typed shows", end.name)
	}
	parts := strings.Split(end.typed, "\x1a")
	for _, part := range parts[:len(parts)-1] {
		p.typed(part + "\x1a")
		p.fg(end.name, stops+2)
		stops++
	}
	p.typed(parts[stops])
	if end.signal != 0 {
		time.Sleep(30 * time.Millisecond) // until the terminal has taken what was typed
		p.signalJob(end.signal)
	}
	p.wantEnd(end.name, found, end.code)
	if len(args) == 2 {
		p.waitForText(end.says)
	}
	want := otherKey + "\n"
	if end.code == 0 {
		want = testKey + "\n"
	}
	if strings.Contains(end.name, "4,094") {
		want = end.typed
	}
	s.wantStored(want)
	return stops
}

// fg expects the program to stop, with the terminal as a shell wants it, and continues it.
func (p *pseudoTerminal) fg(name string, prompts int) {
	p.t.Helper()
	if status := p.state(); !status.Stopped() {
		p.t.Fatalf("%s: the program does not stop but ends: %#x", name, status)
	}
	if !p.echo() {
		p.t.Errorf("%s: the program is stopped and what is typed in the shell does not show", name)
	}
	if count := p.pending(); count > 0 {
		p.t.Errorf("%s: %d typed characters are left for the shell", name, count)
	}
	p.signal(syscall.SIGCONT)
	p.waitFor("a new prompt", func() bool { return p.prompts() == prompts })
	if p.echo() {
		p.t.Errorf("%s: after fg what is typed shows", name)
	}
}

// TestTortureTwoSignalsAtOnce ends prompts with two signals 50 µs apart, as they come where a
// parent process forwards Ctrl-C.
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
		pair := pairs[i%len(pairs)]
		s := newShell(t, nil).save(otherKey + "\n")
		p := newTerminal(t)
		found := p.mode()
		p.start(s.environ(), [3]*os.File{}, builtBinary(t), "login", "--no-verify")
		p.waitFor("the prompt", func() bool { return p.prompts() == 1 && !p.echo() })
		p.typed(partly)
		p.signal(pair...)
		status := p.state()
		code := status.ExitStatus()
		if code != 128+int(pair[0]) && code != 128+int(pair[1]) {
			t.Errorf("%v end the prompt with %#x", pair, status)
		}
		if now := p.mode(); now != found {
			t.Errorf("%v leave the terminal as %+v, and it was %+v", pair, now, found)
		}
		if count := p.pending(); count > 0 {
			t.Errorf("%v leave %d typed characters", pair, count)
		}
		p.waitForText("interrupted")
		if screen := p.shown(); strings.Count(screen, "interrupted") != 1 {
			t.Errorf("%v: %q", pair, screen)
		}
		s.wantStored(otherKey + "\n")
	}
	counted(t, "%d prompts ended by two signals 50 µs apart: 0 terminals left without echo",
		prompts)
}

// TestTorturePaste pastes more than the key at a prompt that a real shell started: none of it comes
// to the shell's screen, its history, or is run.
func TestTorturePaste(t *testing.T) {
	t.Parallel()
	pastes := []struct{ name, pasted, says string }{
		{"a line break before and after", "\n" + testKey + "\n", saved},
		{"a label", "canary key:\n" + testKey + "\n", "does not start with mic_"},
		{"a label and CR LF", "canary key:\r\n" + testKey + "\r\n", "does not start with mic_"},
		{"CR LF", testKey + "\r\n", saved},
		{"CR LF on both sides", "\r\n\r\n" + testKey + "\r\n\r\n", saved},
		{"wrapped over two lines", testKey[:20] + "\n" + testKey[20:] + "\n", saved},
		{"a command after it", testKey + "\ntouch canary-ran\n", saved},
		{"a command without Enter", testKey + "\ntouch canary-ran", saved},
		{"twice", testKey + "\n" + testKey + "\n", saved},
		{"a page of text", testKey + "\n" + strings.Repeat("touch canary-ran\n", 1000), saved},
		{"a command and Ctrl-C", testKey[:20] + "\x03touch canary-ran\n", "interrupted"},
		{"in pieces", testKey + "\n" + strings.Repeat(piece+"touch canary-ran\n", 5), saved},
	}
	count := 0
	for range times(1, 10) {
		for _, paste := range pastes {
			tryPaste(t, paste.name, paste.pasted, paste.says)
			count++
		}
	}
	counted(t, "%d pastes of more than a key under bash: 0 keys pending in a terminal", count)
}

// piece marks where a paste pauses for two milliseconds, as one over a network does.
const piece = "\x00"

func tryPaste(t *testing.T, name, pasted, says string) {
	s := newShell(t, nil)
	p := newBash(t, s)
	p.typed("microtica login --no-verify\n")
	p.waitFor("the prompt", func() bool { return p.prompts() == 1 && !p.echo() })
	for _, part := range strings.Split(pasted, piece) {
		p.typed(part)
		time.Sleep(2 * time.Millisecond)
	}
	p.waitForText(says)
	p.typed("echo end-$((6*7))\n")
	p.waitForText("end-42")
	p.typed("exit\n")
	if status := p.state(); !status.Exited() {
		t.Errorf("%s: the shell ends with %#x", name, status)
	}
	history, err := os.ReadFile(filepath.Join(s.home, "history"))
	want := "microtica login --no-verify\necho end-$((6*7))\nexit\n"
	if err != nil || string(history) != want {
		t.Errorf("%s: the shell's history is %q, %v", name, history, err)
	}
	screen := p.shown()
	if strings.Contains(screen, "canary") || strings.Contains(screen, "not found") {
		t.Errorf("%s: the shell shows or runs what was pasted: %q", name, screen)
	}
	if _, err := os.Stat(filepath.Join(s.home, "canary-ran")); err == nil {
		t.Errorf("%s: the shell ran what was pasted", name)
	}
}

// newBash starts an interactive bash with job control in a new terminal, in the shell's home.
func newBash(t *testing.T, s *shell) *pseudoTerminal {
	t.Helper()
	const bash = "/bin/bash"
	if _, err := os.Stat(bash); err != nil {
		t.Skip("there is no bash here")
	}
	p := newTerminal(t)
	env := append(s.environ(), "PATH="+filepath.Dir(builtBinary(t))+":/usr/bin:/bin", "TERM=dumb",
		"HISTFILE="+filepath.Join(s.home, "history"))
	const script = `cd "$HOME" && exec "$0" --norc --noprofile -i`
	p.start(env, [3]*os.File{}, "/bin/sh", "-c", script, bash)
	p.typed("PS1='sh''ell> '\n")
	p.waitForText("shell> ")
	p.typed("history -c; clear 2>/dev/null; echo rea''dy\n")
	p.waitForText("ready")
	return p
}

// killJob makes the shell end its job, once, and notice that before its next prompt.
const killJob = "kill %1; while kill -0 %1 2>/dev/null; do sleep 0.1; done\n"

// TestTorturePromptsKilledInTheBackground starts prompts in the background, which stops them, and
// ends them with one kill %1, or by ending the shell.
func TestTorturePromptsKilledInTheBackground(t *testing.T) {
	t.Parallel()
	for i := range times(8, 50) {
		s := newShell(t, nil)
		p := newBash(t, s)
		p.typed("microtica login --no-verify & echo pid=$!\n")
		p.waitForText("\npid=")
		pid := p.printedPID()
		t.Cleanup(func() {
			if processState(pid) == "T" {
				syscall.Kill(pid, syscall.SIGKILL)
			}
		})
		p.typed("until jobs | grep Stopped; do sleep 0.1; done\n")
		p.waitFor("a stop", func() bool { return strings.Contains(p.shown(), "]+  Stopped") })
		time.Sleep(300 * time.Millisecond) // longer than a stopped prompt looks out for a signal
		if i%2 == 1 {
			p.kill()
			p.waitFor("an end", func() bool { return strings.Contains("Z", processState(pid)) })
			continue
		}
		p.typed(killJob)
		p.waitForText("Exit 143")
	}
}

// printedPID returns the number of a process that a shell has printed after "pid=".
func (p *pseudoTerminal) printedPID() int {
	p.t.Helper()
	p.waitFor("a whole line", func() bool {
		_, after, _ := strings.Cut(p.shown(), "\npid=")
		return strings.Contains(after, "\n")
	})
	_, after, _ := strings.Cut(p.shown(), "\npid=")
	pid, err := strconv.Atoi(strings.TrimSpace(strings.SplitN(after, "\n", 2)[0]))
	if err != nil {
		p.t.Fatalf("no number of a process in %q", p.shown())
	}
	return pid
}

// processState returns the letter for a process's state (proc_pid_stat(5)), "" if it is gone.
func processState(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	return strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))[0]
}

// TestPromptWithoutJobControl presses Ctrl-Z where no shell would take the terminal back, as under
// ssh -t: the kernel stops no program there, and the prompt goes on.
func TestPromptWithoutJobControl(t *testing.T) {
	t.Parallel()
	for _, script := range []string{`exec "$@"`, `"$@"; status=$?; echo done; exit $status`} {
		for _, test := range []struct {
			typed, stored string
			code          int
		}{
			{testKey + "\n", testKey + "\n", 0},
			{partly + "\x03", "", 130},
		} {
			s := newShell(t, nil)
			p := newTerminal(t)
			found := p.mode()
			p.start(s.environ(), [3]*os.File{}, "/bin/sh", "-c", "trap : INT; "+script, "sh",
				builtBinary(t), "login", "--no-verify")
			p.waitFor("the prompt", func() bool { return p.prompts() == 1 && !p.echo() })
			p.typed("\x1a")
			for range 200 {
				if p.echo() {
					t.Fatalf("%s: Ctrl-Z turns the echo on", script)
				}
				time.Sleep(time.Millisecond)
			}
			p.typed(test.typed)
			p.wantEnd(script, found, test.code)
			s.wantStored(test.stored)
		}
	}
}

// TestPromptAsAJob stops a prompt with Ctrl-Z under a real shell, takes it back, and ends it while
// it is stopped; then it starts one in the background. The shell keeps its terminal.
func TestPromptAsAJob(t *testing.T) {
	t.Parallel()
	s := newShell(t, nil)
	p := newBash(t, s)
	p.typed("microtica login --no-verify\n")
	p.waitFor("the prompt", func() bool { return p.prompts() == 1 && !p.echo() })
	p.typed(partly + "\x1a")
	p.waitForText("Stopped")
	p.typed("fg\n")
	p.waitFor("a new prompt", func() bool { return p.prompts() == 2 })
	p.typed(partly + "\x1a")
	p.waitFor("another stop", func() bool { return strings.Count(p.shown(), "Stopped") == 2 })
	p.typed(killJob)
	p.waitForText("Exit 143")
	p.typed("microtica login --no-verify &\n")
	p.typed("sleep 0.3; jobs\n")
	p.waitFor("a job that waits", func() bool { return strings.Count(p.shown(), "Stopped") > 2 })
	if p.prompts() > 2 {
		t.Errorf("a job in the background prompts: %q", p.shown())
	}
	p.typed(killJob)
	p.waitFor("its end", func() bool { return strings.Count(p.shown(), "Exit 143") == 2 })
	p.typed("stty -a | grep -o -- '-\\?echo ' | tr e E\n")
	p.waitForText("\nEcho")
	p.typed("exit\n")
	if status := p.state(); !status.Exited() {
		t.Errorf("the shell ends with %#x: %q", status, p.shown())
	}
	if strings.Contains(p.shown(), "canary") {
		t.Errorf("the key is on the screen: %q", p.shown())
	}
	s.wantStored("")
}

// TestPromptEndedInTheBackground stops a prompt in a way that it cannot see, under a shell that
// does not mend the terminal, and ends it there: the echo comes back.
func TestPromptEndedInTheBackground(t *testing.T) {
	t.Parallel()
	s := newShell(t, nil)
	p := newTerminal(t)
	p.start(append(s.environ(), "PS1=shell> "), [3]*os.File{}, "/bin/sh", "-i")
	p.waitForText("shell> ")
	p.typed("sh -c 'echo pid=$$; exec " + builtBinary(t) + " login --no-verify'\n")
	p.waitFor("the prompt", func() bool { return p.prompts() == 1 && !p.echo() })
	pid := p.printedPID()
	syscall.Kill(pid, syscall.SIGSTOP)
	p.waitFor("the shell", func() bool { return strings.Count(p.shown(), "shell> ") == 2 })
	syscall.Kill(pid, syscall.SIGTERM)
	syscall.Kill(pid, syscall.SIGCONT)
	p.waitForText("error: interrupted")
	if !p.echo() {
		t.Error("the terminal is left without echo")
	}
}

// TestTypedLine reads what terminals of any system may deliver.
func TestTypedLine(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ typed, want string }{
		{"key\n", "key"},
		{"key\r", "key"},
		{"key\r\nmore", "key"},
		{"\r\n\r\n \t\nkey\rmore", "key"},
		{"key", "key"},
		{"", ""},
		{"\n\n", ""},
		{strings.Repeat("x", 4096) + "\n", strings.Repeat("x", 4096)},
	} {
		got, err := readTypedLine(strings.NewReader(test.typed))
		if got != test.want || err != nil {
			t.Errorf("%.40q is read as %.40q, %v", test.typed, got, err)
		}
	}
	_, err := readTypedLine(strings.NewReader(strings.Repeat("x", 4097) + "\n"))
	if err != errTooLarge {
		t.Errorf("a line of 4,097 bytes: %v", err)
	}
}

// TestPromptInAnyMode types a key at terminals that another program left in a mode of its own.
func TestPromptInAnyMode(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(*syscall.Termios){
		"without ICRNL": func(s *syscall.Termios) { s.Iflag &^= syscall.ICRNL },
		"with IGNCR":    func(s *syscall.Termios) { s.Iflag |= syscall.IGNCR },
		"with INLCR": func(s *syscall.Termios) {
			s.Iflag &^= syscall.ICRNL
			s.Iflag |= syscall.INLCR
		},
		"without ICANON": func(s *syscall.Termios) { s.Lflag &^= syscall.ICANON },
		"raw": func(s *syscall.Termios) {
			s.Iflag &^= syscall.ICRNL | syscall.IXON
			s.Lflag &^= syscall.ICANON | syscall.ISIG | syscall.ECHO | syscall.IEXTEN
		},
	} {
		for _, ending := range []string{
			testKey + "\r", testKey + "\n", "\r" + testKey + "\r", partly + "\x03",
		} {
			s := newShell(t, nil)
			p := newTerminal(t)
			found := p.mode()
			set(&found)
			p.setMode(found)
			p.start(s.environ(), [3]*os.File{}, builtBinary(t), "login", "--no-verify")
			p.waitFor("the prompt", func() bool { return p.prompts() == 1 && !p.echo() })
			p.typed(ending)
			code, stored := 0, testKey+"\n"
			if strings.HasSuffix(ending, "\x03") {
				code, stored = 130, ""
			}
			p.wantEnd(fmt.Sprintf("%s, %q", name, ending), found, code)
			s.wantStored(stored)
		}
	}
}

// TestPromptSaysWhereAKeyIsMade holds what stands on the screen, with --quiet and --json too.
func TestPromptSaysWhereAKeyIsMade(t *testing.T) {
	t.Parallel()
	for _, flags := range []string{"--no-verify", "--no-verify --quiet", "--no-verify --json"} {
		s := newShell(t, nil)
		p := newPrompt(t, s, append([]string{"login"}, strings.Fields(flags)...)...)
		want := "Create an API key in Microtica's console, in the project's settings; " +
			"it is shown only once.\r\nAPI key (input is hidden): "
		if got := p.shown(); got != want {
			t.Errorf("login %s shows %q, want %q", flags, got, want)
		}
	}
}

// TestPromptThatNobodySees starts login at a terminal with stderr somewhere else.
func TestPromptThatNobodySees(t *testing.T) {
	t.Parallel()
	const hint = "run 'microtica login < FILE' with a file that holds the key"
	for _, flags := range []string{"", "--json"} {
		s := newShell(t, nil)
		log, err := os.Create(filepath.Join(t.TempDir(), "log"))
		if err != nil {
			t.Fatal(err)
		}
		p := newTerminal(t)
		found := p.mode()
		args := append([]string{builtBinary(t), "login", "--no-verify"}, strings.Fields(flags)...)
		p.start(s.environ(), [3]*os.File{2: log}, args...)
		p.wantEnd("login 2>log", found, 2)
		const message = "cannot prompt for the API key: stderr is not a terminal"
		want := "error: " + message + "\nhint: " + hint + "\n"
		if flags == "--json" {
			want = `{"error":{"code":"usage","message":"` + message + `","hint":"` + hint + `",`
		}
		written, err := os.ReadFile(log.Name())
		if !strings.HasPrefix(string(written), want) {
			t.Errorf("login %s 2>log writes %q, %v", flags, written, err)
		}
		if shown := p.shown(); shown != "" {
			t.Errorf("login %s 2>log shows %q", flags, shown)
		}
	}
}

// TestPromptThenVerify holds what signals do after the prompt, while the key is being checked:
// Ctrl-Z stops the program, and the others end it; the terminal has long been restored.
func TestPromptThenVerify(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, typed string
		signal      syscall.Signal
		code        int
	}{
		{"Ctrl-C", "\x03", 0, 130},
		{"Ctrl-\\", "\x1c", 0, 131},
		{"HUP", "", syscall.SIGHUP, 129},
		{"TERM", "", syscall.SIGTERM, 143},
		{"Ctrl-Z and Ctrl-C", "\x1a\x03", 0, 130},
	} {
		asked := make(chan bool, 10)
		server := newRawServer(t, afterRequest(silentAfter(asked)))
		s := newShell(t, nil).save(otherKey + "\n")
		s.with("MICROTICA_API_URL", "http://"+server.host)
		p := newTerminal(t)
		found := p.mode()
		p.startJob(s.environ(), builtBinary(t), "login")
		p.waitFor("the prompt", func() bool { return p.prompts() == 1 && !p.echo() })
		p.typed(testKey + "\n")
		wantSoon(t, asked, test.name+": the request")
		if !p.echo() {
			t.Errorf("%s: the key is being checked and the echo is off", test.name)
		}
		rest, stopped := strings.CutPrefix(test.typed, "\x1a")
		if stopped {
			p.typed("\x1a")
			if status := p.state(); !status.Stopped() {
				t.Fatalf("%s: Ctrl-Z does not stop the program but ends it: %#x", test.name, status)
			}
			p.signal(syscall.SIGCONT)
			p.waitFor("the job", func() bool { return p.foreground() != p.pid })
		}
		p.typed(rest)
		if test.signal != 0 {
			p.signalJob(test.signal)
		}
		p.wantEnd(test.name, found, test.code)
		s.wantStored(otherKey + "\n")
	}
}

// TestPromptThenAClosedPipe prompts with stdout into a pipe whose reader has gone: after the prompt
// that ends the program by SIGPIPE, as it ends any other.
func TestPromptThenAClosedPipe(t *testing.T) {
	t.Parallel()
	s := newShell(t, nil)
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	reader.Close()
	p := newTerminal(t)
	found := p.mode()
	p.start(s.environ(), [3]*os.File{1: writer}, builtBinary(t), "login", "--no-verify")
	p.waitFor("the prompt", func() bool { return p.prompts() == 1 && !p.echo() })
	p.typed(testKey + "\n")
	if status := p.state(); !status.Signaled() || status.Signal() != syscall.SIGPIPE {
		t.Errorf("a closed pipe ends login with %#x, want SIGPIPE", status)
	}
	if p.mode() != found {
		t.Error("the terminal is not as it was found")
	}
	s.wantStored(testKey + "\n")
}

// TestPromptWhileOutputIsHeld holds the output, as Ctrl-S does, before the prompt is printed.
func TestPromptWhileOutputIsHeld(t *testing.T) {
	t.Parallel()
	s := newShell(t, nil)
	p := newTerminal(t)
	found := p.mode()
	const suspendOutput, resumeOutput, flow = 0, 1, 0x540A // TCOOFF, TCOON, TCXONC
	syscall.Syscall(syscall.SYS_IOCTL, p.slave.Fd(), flow, suspendOutput)
	p.start(s.environ(), [3]*os.File{}, builtBinary(t), "login", "--no-verify")
	p.waitFor("an end of the echo", func() bool { return !p.echo() })
	start := time.Now()
	p.signal(syscall.SIGTERM)
	p.wantEnd("TERM", found, 143)
	if took := time.Since(start); took > soon {
		t.Errorf("TERM took %v", took)
	}
	syscall.Syscall(syscall.SYS_IOCTL, p.slave.Fd(), flow, resumeOutput)
}

// TestPromptOfPID1 presses Ctrl-Z where nothing can stop the program, as in a container: what is
// typed stays hidden.
func TestPromptOfPID1(t *testing.T) {
	t.Parallel()
	s := newShell(t, nil)
	p := newTerminal(t)
	found := p.mode()
	p.startWith(&syscall.SysProcAttr{Setsid: true, Setctty: true, Cloneflags: syscall.CLONE_NEWPID},
		s.environ(), [3]*os.File{}, builtBinary(t), "login", "--no-verify")
	p.waitFor("the prompt", func() bool { return p.prompts() == 1 && !p.echo() })
	p.typed("\x1a")
	for range 100 {
		if p.echo() {
			t.Fatal("Ctrl-Z turns the echo on, and the program goes on")
		}
		time.Sleep(time.Millisecond)
	}
	p.typed(testKey + "\n")
	p.wantEnd("Ctrl-Z", found, 0)
	s.wantStored(testKey + "\n")
}

// TestPromptStoppedFromOutside stops a prompt where a key is half typed: the shell finds nothing.
func TestPromptStoppedFromOutside(t *testing.T) {
	t.Parallel()
	s := newShell(t, nil).save(otherKey + "\n")
	p := newTerminal(t)
	found := p.mode()
	p.startJob(s.environ(), builtBinary(t), "login", "--no-verify")
	p.waitFor("the prompt", func() bool { return p.prompts() == 1 && !p.echo() })
	p.typed(partly)
	time.Sleep(30 * time.Millisecond)
	p.signalJob(syscall.SIGTSTP)
	p.fg("TSTP", 2)
	p.typed(testKey + "\n")
	p.wantEnd("TSTP", found, 0)
	s.wantStored(testKey + "\n")
}

// TestPromptWhoseTerminalGoesAway hangs up: the program ends, and nothing is stored. A terminal
// that does not control the program sends no signal.
func TestPromptWhoseTerminalGoesAway(t *testing.T) {
	t.Parallel()
	for _, controls := range []bool{true, false} {
		s := newShell(t, nil).save(otherKey + "\n")
		p := newTerminal(t)
		p.startWith(&syscall.SysProcAttr{Setsid: true, Setctty: controls}, s.environ(),
			[3]*os.File{}, builtBinary(t), "login", "--no-verify")
		p.waitFor("the prompt", func() bool { return p.prompts() == 1 && !p.echo() })
		p.typed(partly)
		if err := errors.Join(p.slave.Close(), p.master.Close()); err != nil {
			t.Fatal(err)
		}
		if status := p.state(); status.ExitStatus() != 129 {
			t.Errorf("a hangup ends the program with %#x", status)
		}
		s.wantStored(otherKey + "\n")
	}
}
