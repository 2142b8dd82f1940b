//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// pseudoTerminal is a terminal with a login at its prompt, seen from the side of who types.
type pseudoTerminal struct {
	t             *testing.T
	master, slave *os.File
	pid           int
	mu            sync.Mutex
	screen        bytes.Buffer
	home          string
}

// newPrompt opens a terminal and starts the program there with the given words, in a session of its own, and waits for the prompt.
func newPrompt(t *testing.T, home string, args ...string) *pseudoTerminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("there are no pseudo-terminals here: %v", err)
	}
	p := &pseudoTerminal{t: t, master: master, home: home}
	t.Cleanup(func() { master.Close() })
	var unlock, number int32
	if errno := p.control(syscall.TIOCSPTLCK, unsafe.Pointer(&unlock)); errno != 0 {
		t.Skipf("the pseudo-terminal cannot be unlocked: %v", errno)
	}
	if errno := p.control(syscall.TIOCGPTN, unsafe.Pointer(&number)); errno != 0 {
		t.Skipf("the pseudo-terminal has no number: %v", errno)
	}
	if p.slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		t.Skipf("the pseudo-terminal cannot be opened: %v", err)
	}
	t.Cleanup(func() { p.slave.Close() })
	if !p.echo() {
		t.Fatal("a new terminal does not echo")
	}
	fd := p.slave.Fd()
	program := builtBinary(t)
	if p.pid, err = syscall.ForkExec(program, append([]string{program}, args...), &syscall.ProcAttr{
		Env:   []string{"HOME=" + home},
		Files: []uintptr{fd, fd, fd},
		Sys:   &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0},
	}); err != nil {
		t.Fatal(err)
	}
	go func() {
		data := make([]byte, 4096)
		for {
			n, err := master.Read(data)
			p.mu.Lock()
			p.screen.Write(data[:n])
			p.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	p.waitFor("the prompt", func() bool { return p.prompts() == 1 })
	return p
}

// control makes a request to the terminal, without Fd, after which closing the master would wait for its reader.
func (p *pseudoTerminal) control(request uintptr, argument unsafe.Pointer) (errno syscall.Errno) {
	raw, err := p.master.SyscallConn()
	if err != nil {
		return syscall.EBADF
	}
	raw.Control(func(fd uintptr) { _, _, errno = syscall.Syscall(syscall.SYS_IOCTL, fd, request, uintptr(argument)) })
	return errno
}

// pending returns how much typed text waits for whoever reads the terminal next, a shell say.
func (p *pseudoTerminal) pending() (count int32) {
	var state syscall.Termios
	p.control(syscall.TCGETS, unsafe.Pointer(&state))
	lines := state
	state.Lflag &^= syscall.ICANON // as a shell does; else only whole lines count
	for _, request := range []struct {
		number   uintptr
		argument unsafe.Pointer
	}{{syscall.TCSETS, unsafe.Pointer(&state)}, {syscall.TIOCINQ, unsafe.Pointer(&count)}, {syscall.TCSETS, unsafe.Pointer(&lines)}} {
		syscall.Syscall(syscall.SYS_IOCTL, p.slave.Fd(), request.number, uintptr(request.argument))
	}
	return count
}

// echo tells whether the terminal shows what is typed.
func (p *pseudoTerminal) echo() bool {
	var state syscall.Termios
	if errno := p.control(syscall.TCGETS, unsafe.Pointer(&state)); errno != 0 {
		p.t.Errorf("the terminal's state cannot be read: %v", errno)
	}
	return state.Lflag&syscall.ECHO != 0
}

func (p *pseudoTerminal) shown() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.screen.String()
}

func (p *pseudoTerminal) prompts() int {
	return strings.Count(p.shown(), "API key (input is hidden): ")
}

// waitFor waits until is returns true, and ends the program if that takes too long.
func (p *pseudoTerminal) waitFor(what string, is func() bool) {
	p.t.Helper()
	for range 20000 {
		if is() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	syscall.Kill(p.pid, syscall.SIGKILL)
	syscall.Wait4(p.pid, nil, 0, nil)
	p.t.Fatalf("no sign of %s on the screen: %q", what, p.shown())
}

func (p *pseudoTerminal) typed(text string) {
	if _, err := p.master.WriteString(text); err != nil {
		p.t.Error(err)
	}
}

// state waits until the program has stopped or ended.
func (p *pseudoTerminal) state() syscall.WaitStatus {
	p.t.Helper()
	watchdog := time.AfterFunc(20*time.Second, func() { syscall.Kill(p.pid, syscall.SIGKILL) })
	defer watchdog.Stop()
	for {
		var status syscall.WaitStatus
		_, err := syscall.Wait4(p.pid, &status, syscall.WUNTRACED, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			p.t.Fatal(err)
		}
		return status
	}
}

// TestTortureThePrompt types a key, or the beginning of one, and ends the prompt in every way that there is.
func TestTortureThePrompt(t *testing.T) {
	const partly = "mic_d60bea1d_canary0SEC"
	endings, stops := 0, 0
	for round := range times(1, 20) {
		for _, test := range []struct {
			name, typed string
			signal      syscall.Signal
			code        int
			says        string
		}{
			{"Enter", testKey + "\n", 0, 0, "Saved API key mic_d60bea1d to "},
			{"Enter, after corrections", "mic_wrong\x15" + testKey + "xy\x7f\x7f\r", 0, 0, "Saved API key mic_d60bea1d to "},
			{"Ctrl-D behind the key", testKey + "\x04\x04", 0, 0, "Saved API key mic_d60bea1d to "},
			{"Enter alone", "\n", 0, 2, "error: no API key: stdin is empty"},
			{"Ctrl-D", "\x04", 0, 2, "error: no API key: stdin is empty"},
			{"a wrong key", "canary0SECRET0value\n", 0, 3, "error: the API key from stdin does not start with mic_"},
			{"a long line", "mic_d60bea1d_" + strings.Repeat("canary0SECRET0value", 210) + "\n", 0, 0, "Saved API key"},
			{"Ctrl-C", partly + "\x03", 0, 130, "interrupted"},
			{"Ctrl-\\", partly + "\x1c", 0, 131, "interrupted"},
			{"INT", partly, syscall.SIGINT, 130, "interrupted"},
			{"TERM", partly, syscall.SIGTERM, 143, "interrupted"},
			{"HUP", partly, syscall.SIGHUP, 129, "interrupted"},
			{"QUIT", partly, syscall.SIGQUIT, 131, "interrupted"},
			{"Ctrl-Z, then Enter", partly + "\x1a" + testKey + "\n", 0, 0, "Saved API key mic_d60bea1d to "},
			{"TSTP twice, then Enter", "\x1a\x1a" + testKey + "\n", 0, 0, "Saved API key mic_d60bea1d to "},
			{"Ctrl-Z, then Ctrl-C", partly + "\x1a" + partly + "\x03", 0, 130, "interrupted"},
			{"Ctrl-Z, then TERM", "\x1a", syscall.SIGTERM, 143, "interrupted"},
		} {
			home, err := os.MkdirTemp(t.TempDir(), "")
			if err != nil {
				t.Fatal(err)
			}
			s := shellIn(t, home).save(otherKey + "\n")
			args := []string{"login", "--no-verify"}
			if round%2 == 1 {
				args = append(args, "--json")
			}
			p := newPrompt(t, home, args...)
			if p.echo() {
				t.Errorf("%s: the prompt is there and what is typed shows", test.name)
			}
			rest := test.typed
			for n := 2; ; n++ {
				before, after, stopped := strings.Cut(rest, "\x1a")
				if !stopped {
					break
				}
				p.typed(before + "\x1a")
				if status := p.state(); !status.Stopped() {
					t.Fatalf("%s: Ctrl-Z does not stop the program but ends it: %v", test.name, status)
				}
				stops++
				if !p.echo() {
					t.Errorf("%s: the program is stopped and what is typed in the shell does not show", test.name)
				}
				syscall.Kill(p.pid, syscall.SIGCONT)
				p.waitFor("a new prompt", func() bool { return p.prompts() == n })
				if p.echo() {
					t.Errorf("%s: after fg what is typed shows", test.name)
				}
				rest = after
			}
			p.typed(rest)
			if test.signal == syscall.SIGHUP && signal.Ignored(syscall.SIGHUP) {
				t.Log("HUP is ignored here, as below nohup, and so by the program: not tried")
				syscall.Kill(p.pid, syscall.SIGKILL)
				p.state()
				continue
			}
			if test.signal != 0 {
				time.Sleep(30 * time.Millisecond) // until the terminal has taken what was typed
				syscall.Kill(p.pid, test.signal)
			}
			status := p.state()
			endings++
			if !status.Exited() || status.ExitStatus() != test.code {
				t.Errorf("%s: ends with %v, want exit %d", test.name, status, test.code)
			}
			if !p.echo() {
				t.Errorf("%s: the terminal is left without echo", test.name)
			}
			if count := p.pending(); count > 0 {
				t.Errorf("%s: %d typed characters are left for the shell, which shows them", test.name, count)
			}
			if len(args) == 2 {
				p.waitFor("the outcome of "+test.name, func() bool { return strings.Contains(p.shown(), test.says) || status.Signaled() })
			}
			screen := p.shown()
			for _, needle := range []string{"canary", "CRET0value", "mic_wrong", "mic_d60bea1d_"} {
				if strings.Contains(screen, needle) {
					t.Errorf("%s: %q is on the screen: %q", test.name, needle, screen)
				}
			}
			stored, err := os.ReadFile(s.credentials())
			want := otherKey + "\n"
			if test.code == 0 {
				want = testKey + "\n"
			}
			if strings.HasPrefix(test.name, "a long line") {
				want = strings.Split(test.typed, "\n")[0] + "\n" // 4,003 characters, all that a terminal takes in one line is 4,095
			}
			if err != nil || string(stored) != want {
				t.Errorf("%s: %.60q is stored, %v", test.name, stored, err)
			}
		}
	}
	counted(t, "%d prompts ended, %d stopped and continued, 0 keys on the screen, 0 terminals left without echo", endings, stops)
}

// TestAPromptStoppedFromOutside stops a prompt where a key is half typed: the shell finds nothing of it.
func TestAPromptStoppedFromOutside(t *testing.T) {
	s := newShell(t, nil).save(otherKey + "\n")
	p := newPrompt(t, s.home, "login", "--no-verify")
	p.typed("mic_d60bea1d_canary")
	time.Sleep(30 * time.Millisecond)
	syscall.Kill(p.pid, syscall.SIGTSTP)
	if status := p.state(); !status.Stopped() || !p.echo() {
		t.Errorf("TSTP leaves the program as %v, echo %t", status, p.echo())
	}
	if count := p.pending(); count > 0 {
		t.Errorf("%d typed characters are left for the shell, which shows them", count)
	}
	syscall.Kill(p.pid, syscall.SIGCONT)
	p.waitFor("a new prompt", func() bool { return p.prompts() == 2 })
	p.typed(testKey + "\n")
	if status := p.state(); status.ExitStatus() != 0 || !p.echo() || strings.Contains(p.shown(), "canary") {
		t.Errorf("the program ends with %v, echo %t, %q", status, p.echo(), p.shown())
	}
	s.wantStored(testKey + "\n")
}

// TestAPromptWhoseTerminalGoesAway hangs up: the program ends, and nothing is stored.
func TestAPromptWhoseTerminalGoesAway(t *testing.T) {
	s := newShell(t, nil).save(otherKey + "\n")
	p := newPrompt(t, s.home, "login", "--no-verify")
	p.typed("mic_d60bea1d_canary")
	if err := errors.Join(p.slave.Close(), p.master.Close()); err != nil {
		t.Fatal(err)
	}
	status := p.state() // the signal may come when the program has given it back already; a shell shows 129 for both
	if status.ExitStatus() != 129 && !(status.Signaled() && status.Signal() == syscall.SIGHUP) {
		t.Errorf("a hangup ends the program with %v", status)
	}
	s.wantStored(otherKey + "\n")
}
