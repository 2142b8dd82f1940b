package check

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"microtica/internal/fakeapi"
)

// terminal is a pseudo-terminal, seen from the user's side, and the program that runs in it.
type terminal struct {
	*running
	t             *testing.T
	master, slave *os.File
	recorded      *os.File        // gets what the terminal shows
	found         syscall.Termios // its state when the program starts
}

// newTerminal opens a terminal in which nothing runs yet.
func newTerminal(t *testing.T) *terminal {
	t.Helper()
	recorded, err := os.Create(filepath.Join(t.TempDir(), "screen"))
	must(t, err)
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("there are no pseudo-terminals here: %v", err)
	}
	control(t, master, syscall.TIOCSPTLCK, int32(0))
	path := fmt.Sprint("/dev/pts/", control(t, master, syscall.TIOCGPTN, int32(0)))
	slave, err := os.OpenFile(path, os.O_RDWR|syscall.O_NOCTTY, 0)
	must(t, err)
	t.Cleanup(func() { master.Close(); slave.Close(); recorded.Close() })
	go io.Copy(recorded, master)
	return &terminal{t: t, master: master, slave: slave, recorded: recorded}
}

// control makes a request to a terminal or a pipe (ioctl(2)), and returns what becomes of argument.
func control[T any](t testing.TB, f *os.File, request uintptr, argument T) T {
	t.Helper()
	raw, err := f.SyscallConn() // after Fd, closing a master would wait for its reader
	must(t, err)
	var errno syscall.Errno
	must(t, raw.Control(func(fd uintptr) {
		pointer := unsafe.Pointer(&argument)
		_, _, errno = syscall.Syscall(syscall.SYS_IOCTL, fd, request, uintptr(pointer))
	}))
	if errno != 0 {
		t.Fatalf("request %#x to %s: %v", request, f.Name(), errno)
	}
	return argument
}

// pending returns how many bytes a terminal or a pipe holds for its reader.
func pending(t testing.TB, f *os.File) int { return int(control(t, f, syscall.TIOCINQ, int32(0))) }

// mode returns the terminal's state.
func (p *terminal) mode() syscall.Termios {
	return control(p.t, p.master, syscall.TCGETS, syscall.Termios{})
}

// screen returns what the terminal has shown, with line ends as programs write them.
func (p *terminal) screen() string {
	p.t.Helper()
	text, err := os.ReadFile(p.recorded.Name())
	must(p.t, err)
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

// until waits until is returns true, and ends the test if that takes too long.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	for start := time.Now(); !is(); time.Sleep(time.Millisecond) {
		if time.Since(start) > 10*time.Second {
			t.Fatalf("no sign of %q", what)
		}
	}
}

// shows waits until the screen has shown text n times.
func (p *terminal) shows(text string, n int) {
	p.t.Helper()
	until(p.t, text, func() bool { return strings.Count(p.screen(), text) >= n })
}

// prompts waits for the prompt of that number, which comes when typed text does not show.
func (p *terminal) prompts(n int) {
	p.t.Helper()
	p.shows(promptText, n)
	if p.mode().Lflag&syscall.ECHO != 0 {
		p.t.Error("there is a prompt, and typed text shows")
	}
}

// typed types text, in pieces where it has bars, as a paste comes over a network.
func (p *terminal) typed(text string) (took time.Duration) {
	p.t.Helper()
	start := time.Now()
	p.master.SetWriteDeadline(start.Add(10 * time.Second))
	for i, piece := range strings.Split(text, "|") {
		time.Sleep(time.Duration(min(i, 1)) * 5 * time.Millisecond)
		_, err := p.master.WriteString(piece)
		must(p.t, err)
	}
	return time.Since(start)
}

// start runs a program in the terminal, in a session of its own.
func (p *terminal) start(u user, path string, args ...string) {
	p.t.Helper()
	u.input = p.slave
	u.stdout, u.stderr = cmp.Or[io.Writer](u.stdout, p.slave), cmp.Or[io.Writer](u.stderr, p.slave)
	u.process = cmp.Or(u.process, &syscall.SysProcAttr{Setsid: true, Setctty: true})
	u.limit = 20 * time.Second
	p.found = p.mode()
	p.running = u.start(path, args...)
	p.t.Cleanup(func() { p.cancel(); p.Wait() })
}

// ended waits for the end of the program: with one of the wait statuses, the terminal as it was,
// and nothing typed that is left for a shell. It returns the screen.
func (p *terminal) ended(statuses ...syscall.WaitStatus) string {
	p.t.Helper()
	p.wait()
	status := p.ProcessState.Sys().(syscall.WaitStatus)
	if !slices.Contains(statuses, status) {
		p.t.Errorf("the wait status is %#x, want %#x", status, statuses)
	}
	now := p.mode()
	if now != p.found {
		p.t.Errorf("the terminal is left as %+v, and was %+v", now, p.found)
	}
	now.Lflag &^= syscall.ICANON // with it, a line without its end would not count
	control(p.t, p.master, syscall.TCSETS, now)
	if n := pending(p.t, p.slave); n > 0 {
		p.t.Errorf("%d typed characters are left for the shell", n)
	}
	const mark = "\x01end" // the terminal shows it after all else
	p.slave.WriteString(mark)
	p.shows(mark, 1)
	return strings.TrimSuffix(p.screen(), mark)
}

// newPrompt starts login --no-verify, with more arguments, in a new terminal.
func newPrompt(t *testing.T, u user, args ...string) *terminal {
	t.Helper()
	p := newTerminal(t)
	p.start(u, binary, append([]string{"login", "--no-verify"}, args...)...)
	p.prompts(1)
	return p
}

const (
	promptText = "Create an API key in Microtica's console, in the project's settings; it is " +
		"shown only once.\nAPI key (input is hidden): "
	pasted    = "touch canary-ran\n"      // what is pasted after a key, for a shell to run
	typedPart = "mic_d60bea1d_canary0SEC" // what somebody has typed when the prompt ends

	// What the terminal shows after the prompt.
	saysSaved = "\nSaved API key mic_d60bea1d to HOME/.microtica/credentials\n"
	saysEmpty = "\nerror: no API key: stdin is empty\nhint: is the variable that holds the key " +
		"set? 'microtica login < FILE' reads it from a file\n"
	saysOther = "\nerror: the API key from stdin does not start with mic_\nhint: give the key " +
		"alone: no quotation marks, no NAME= or header before it, not a file's path, not a " +
		"variable that was not expanded\n"
	saysControl = "\nerror: the API key from stdin has a space, line break, control or non-ASCII " +
		"character at position 24\n" + copyKey
	copyKey = "hint: copy the whole key, mic_…_…, that Microtica's console shows once, at its " +
		"creation\n"
	saysFile = "hint: run 'microtica login < FILE' with a file that holds the key\n"
	saysLong = "\nerror: the API key from stdin is longer than 1000 bytes\n" + copyKey
)

func longKey(length int) string {
	return "mic_d60bea1d_" + strings.Repeat("canary", 1000)[:length-len("mic_d60bea1d_")]
}

// promptEnd is one way to end a prompt: what is typed, and then a signal, if any.
type promptEnd struct {
	name   string
	typed  string
	signal syscall.Signal
	status syscall.WaitStatus
	says   string
	stored string // the key that is stored then; "" if it is the one from before
}

var promptEnds = []promptEnd{
	{"Enter", fakeapi.Key + "\n", 0, 0, saysSaved, fakeapi.Key},
	{"Enter as CR", fakeapi.Key + "\r", 0, 0, saysSaved, fakeapi.Key},
	{"Ctrl-C", typedPart + "\x03", 0, diedOf(syscall.SIGINT), "", ""},
	{"end of input", "\x04", 0, exited(2), saysEmpty, ""},
	{"Ctrl-A, Ctrl-Z", typedPart + "\x01\x1a\n", 0, exited(3), saysControl, ""},
	{"Ctrl-\\", typedPart + "\x1c", 0, diedOf(syscall.SIGQUIT), "", ""},
	{"TERM", typedPart, syscall.SIGTERM, diedOf(syscall.SIGTERM), "", ""},
	{"HUP", typedPart, syscall.SIGHUP, diedOf(syscall.SIGHUP), "", ""},
	{"QUIT", typedPart, syscall.SIGQUIT, diedOf(syscall.SIGQUIT), "", ""},
	{"end of input after the key", fakeapi.Key + "\x04\x04", 0, 0, saysSaved, fakeapi.Key},
	{"empty lines before", "\n \r\r\n\n" + fakeapi.Key + "\n", 0, 0, saysSaved, fakeapi.Key},
	{"corrections", "canary\x15" + fakeapi.Key + "xy\x7f\x7f\n", 0, 0, saysSaved, fakeapi.Key},
	{"another text", fakeapi.Secret + "\n" + pasted, 0, exited(3), saysOther, ""},
	{"the longest key", longKey(1000) + "\n", 0, 0, saysSaved, longKey(1000)},
	{"more than a terminal's line", longKey(6000) + "\n" + pasted, 0, exited(3), saysLong, ""},
	{"a paste with CR LF", "\r\n\r\n" + fakeapi.Key + "\r\n\r\n", 0, 0, saysSaved, fakeapi.Key},
	{"one of two lines", longKey(20) + "\n" + longKey(30) + "\n", 0, 0, saysSaved, longKey(20)},
	{"in pieces", fakeapi.Key + "\n|" + pasted + "|" + pasted[:9], 0, 0, saysSaved, fakeapi.Key},
	{"a page", fakeapi.Key + "\n" + strings.Repeat(pasted, 500), 0, 0, saysSaved, fakeapi.Key},
	{"Ctrl-C after all", fakeapi.Key + "\n" + pasted + "\x03", 0, diedOf(syscall.SIGINT), "", ""},
	{"Ctrl-C and a command", typedPart + "\x03" + pasted, 0, diedOf(syscall.SIGINT), "", ""},
}

// try ends a prompt that has just begun.
func (end promptEnd) try(p *terminal) {
	p.t.Helper()
	p.save(fakeapi.OtherKey)
	took := p.typed(end.typed)
	if end.signal != 0 {
		p.Process.Signal(end.signal)
	}
	if strings.Contains(end.typed, pasted) && took > 50*time.Millisecond { // on a busy machine
		p.wait()
		end.try(newPrompt(p.t, newUser(p.t, "")))
		return
	}
	screen, want := p.ended(end.status), promptText+strings.ReplaceAll(end.says, "HOME", p.home)
	if screen != want {
		p.t.Errorf("the screen shows\n%q, want\n%q", screen, want)
	}
	stored, err := os.ReadFile(p.credentials())
	if want := cmp.Or(end.stored, fakeapi.OtherKey) + "\n"; string(stored) != want {
		p.t.Errorf("stored is %q, want %q (%v)", stored, want, err)
	}
}

// TestTorturePrompt types a key, a part of one, or more than one, and ends prompts in every way.
func TestTorturePrompt(t *testing.T) {
	t.Parallel()
	for range times(1, 20) {
		for _, end := range promptEnds {
			t.Run(end.name, func(t *testing.T) {
				t.Parallel()
				end.try(newPrompt(t, newUser(t, "")))
			})
		}
	}
}

// TestPromptInAnyMode prompts at terminals that another program left in a mode of its own.
func TestPromptInAnyMode(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name               string
		off, on, localsOff uint32
	}{
		{"IGNCR", 0, syscall.IGNCR, 0},
		{"INLCR", syscall.ICRNL, syscall.INLCR, 0},
		{"raw", syscall.ICRNL | syscall.IXON, 0,
			syscall.ICANON | syscall.ISIG | syscall.ECHO | syscall.IEXTEN},
	} {
		for _, end := range promptEnds[:4] {
			t.Run(test.name+", "+end.name, func(t *testing.T) {
				t.Parallel()
				p := newTerminal(t)
				state := p.mode()
				state.Iflag = state.Iflag&^test.off | test.on
				state.Lflag &^= test.localsOff
				control(t, p.master, syscall.TCSETS, state)
				p.start(newUser(t, ""), binary, "login", "--no-verify")
				p.prompts(1)
				end.try(p)
			})
		}
	}
}

// TestPromptElsewhere prompts with flags that change what follows, with stdout somewhere else, at a
// terminal that controls no program, and as process 1, but not where nobody would see it.
func TestPromptElsewhere(t *testing.T) {
	t.Parallel()
	quiet, asJSON, ctrlC := promptEnds[0], promptEnds[0], promptEnds[2]
	quiet.says, asJSON.says = "\n", "\n"+`{"apiKeyPrefix":"mic_d60bea1d","credentialsFile":`+
		`"HOME/.microtica/credentials","verified":false}`+"\n"
	p, u := newTerminal(t), newUser(t, "")
	u.stdout = io.Discard
	quiet.try(newPrompt(t, u, "--quiet"))
	u.stdout, u.process = nil, &syscall.SysProcAttr{Setsid: true}
	asJSON.try(newPrompt(t, u, "--json"))
	u.stderr = new(strings.Builder)
	p.start(u, binary, "login", "--no-verify")
	const want = "error: cannot prompt for the API key: stderr is not a terminal\n" + saysFile
	if screen := p.ended(exited(2)); screen != "" || fmt.Sprint(u.stderr) != want {
		t.Errorf("stderr is %q, want %q; the screen shows %q", u.stderr, want, screen)
	}
	u.process, u.stderr, ctrlC.status = asProcess1(t), nil, exited(128+syscall.SIGINT)
	u.process.Setctty = true
	ctrlC.try(newPrompt(t, u))
}

// TestTorturePromptTwoSignals ends prompts with two signals 50 µs apart, as they come from a
// parent process that forwards Ctrl-C.
func TestTorturePromptTwoSignals(t *testing.T) {
	t.Parallel()
	for _, first := range ending {
		for _, second := range ending {
			t.Run(fmt.Sprintf("%v, %v", first, second), func(t *testing.T) {
				t.Parallel()
				for range times(1, 19) {
					p := newPrompt(t, newUser(t, ""))
					p.typed(typedPart)
					p.Process.Signal(first)
					for start := time.Now(); time.Since(start) < 50*time.Microsecond; {
					}
					p.Process.Signal(second)
					if screen := p.ended(diedOf(first), diedOf(second)); screen != promptText {
						t.Errorf("the screen shows %q", screen)
					}
				}
			})
		}
	}
}

// TestPromptIsOver looks at the terminal while the API is being asked about a key.
func TestPromptIsOver(t *testing.T) {
	t.Parallel()
	p, api := newTerminal(t), fakeapi.NewRaw(t, fakeapi.JustListen)
	p.start(newUser(t, api.Base()), binary, "login")
	p.prompts(1)
	p.typed(fakeapi.Key + "\n")
	until(t, "a request", func() bool { return asked(api) })
	if now := p.mode(); now != p.found {
		t.Errorf("the terminal is %+v, and was %+v", now, p.found)
	}
	p.found.Iflag ^= syscall.IXANY // what is changed after the prompt stays
	control(t, p.master, syscall.TCSETS, p.found)
	p.typed("\x03")
	p.ended(diedOf(syscall.SIGINT))
}

// TestTorturePromptUnderBash starts login in the background, which is refused; in the foreground,
// where Ctrl-Z does nothing, and a paste holds more than a key; and stops it in a way that it
// cannot prevent, and kills the job, or lets it go on in the background.
func TestTorturePromptUnderBash(t *testing.T) {
	t.Parallel()
	const login = "microtica login --no-verify"
	if _, err := os.Stat("/bin/bash"); err != nil {
		t.Skip(err)
	}
	p, path := newTerminal(t), "PATH="+filepath.Dir(binary)+":/usr/bin:/bin"
	u := newUser(t, "").with(path, "TERM=dumb", "PS1=shell> ")
	p.start(u, "/bin/bash", "--norc", "--noprofile", "-i")
	foreground := func() int { return int(control(t, p.master, syscall.TIOCGPGRP, int32(0))) }
	untilShell := func() { // has the terminal and edits a line
		t.Helper()
		until(t, "the shell", func() bool {
			return foreground() == p.Process.Pid && p.mode().Lflag&syscall.ICANON == 0
		})
	}
	p.typed(login + " & wait\n")
	p.shows("error: cannot prompt for the API key in the background\n"+saysFile+"[1]+  Exit 2 ", 1)
	p.typed(login + "\n")
	p.prompts(1)
	p.typed("canary\x1a\x15" + fakeapi.Key + "\n" + strings.Repeat(pasted, 99))
	p.shows(strings.ReplaceAll(saysSaved, "HOME", p.home), 1)
	for n := range times(1, 30) {
		untilShell()
		p.typed(login + "\n")
		p.prompts(n + 2)
		job := foreground()
		syscall.Kill(job, syscall.SIGSTOP)
		untilShell()
		edited, start := p.mode(), time.Now()
		p.typed("kill %1\n")
		until(t, "an end of the job", func() bool { return syscall.Kill(job, 0) != nil })
		if took := time.Since(start); took > atOnce() {
			t.Errorf("kill %%1 took %v", took)
		}
		until(t, "the terminal as it was", func() bool { return p.mode() == edited })
		p.typed("\n")
		p.shows("]+  Terminated", n+1)
	}
	p.typed(login + "\n")
	p.prompts(times(1, 30) + 2)
	syscall.Kill(foreground(), syscall.SIGSTOP)
	untilShell()
	p.typed("bg; wait\n")
	p.shows("error: cannot read the API key from stdin: input/output error\n[1]+  Exit 1 ", 1)
	p.typed("ls; stty -a; exit\n")
	screen := p.ended(0)
	if !strings.Contains(screen, " icanon iexten echo ") || strings.Contains(screen, "canary") {
		t.Errorf("the screen shows %q", screen)
	}
}
