//go:build linux || darwin || freebsd

package main

import (
	"io/fs"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

const homeVariable = "HOME"

// othersMay reports whether a file's mode has one of bits, which let others read or write it.
func othersMay(info fs.FileInfo, bits fs.FileMode) bool { return info.Mode()&bits != 0 }

// owner returns the id of the user to whom a file belongs.
func owner(info fs.FileInfo) int { return int(info.Sys().(*syscall.Stat_t).Uid) }

// syncDirectory waits until changes to dir are on the disk.
func syncDirectory(dir string) error {
	file, err := os.Open(dir)
	if err == nil {
		err = file.Sync()
		file.Close()
	}
	return err
}

// patiently calls do. On Windows it tries again where another process is in the way.
func patiently(do func() error) error { return do() }

// hidden is the terminal at whose prompt a key is typed.
var hidden struct {
	sync.Mutex
	fd    uintptr
	found *syscall.Termios // its state before the prompt; nil without one
}

// control makes a request to a terminal (ioctl(2)). It returns 0 for success.
func control[T any](fd, request uintptr, arg *T) syscall.Errno {
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, request, uintptr(unsafe.Pointer(arg)))
	return errno
}

// isTerminal reports whether f, a stream, is a terminal.
func isTerminal(f any) bool {
	file, ok := f.(interface{ Fd() uintptr })
	return ok && control(file.Fd(), getState, new(syscall.Termios)) == 0
}

// inBackground reports whether the terminal belongs to other processes, such as the shell.
func inBackground(fd uintptr) bool {
	var group int32
	return control(fd, syscall.TIOCGPGRP, &group) == 0 && int(group) != syscall.Getpgrp()
}

// hideInput begins a prompt in f, a terminal: what is typed does not show and cannot stop the
// program, and Enter is LF. It fails in the background, where reading would stop the program.
func hideInput(f any) error {
	hidden.Lock()
	defer hidden.Unlock()
	fd := f.(interface{ Fd() uintptr }).Fd()
	if inBackground(fd) {
		return fail(codeUsage, "cannot prompt for the API key in the background")
	}
	// Without the terminal, reading then fails, and no stop keeps the program from a signal's end.
	signal.Ignore(syscall.SIGTTIN, syscall.SIGTTOU)
	var found syscall.Termios
	control(fd, getState, &found) // as isTerminal did
	state := found
	state.Lflag = state.Lflag&^syscall.ECHO | syscall.ICANON | syscall.ISIG
	state.Iflag = state.Iflag&^(syscall.IGNCR|syscall.INLCR) | syscall.ICRNL
	for _, i := range stopKeys {
		state.Cc[i] = noKey
	}
	if errno := control(fd, setState, &state); errno != 0 {
		return fail(codeFileRead, "cannot hide typed input: %v", errno)
	}
	hidden.fd, hidden.found = fd, &found
	return nil
}

// restoreInput ends the prompt: it discards what else was typed or pasted, which a shell would run,
// and restores the terminal.
func restoreInput() {
	discardInput() // before it locks, so that a Ctrl-C in a paste still ends the program
	hidden.Lock()
	defer hidden.Unlock()
	change(setState, hidden.found)
	hidden.found = nil
}

// restoreForGood ends the prompt, if there is one, for the last time: whatever would begin or end
// one after it waits.
func restoreForGood() {
	hidden.Lock() // and never gives it back
	if hidden.found != nil {
		discardInput()
		change(setState, hidden.found)
	}
}

// discardInput discards what is typed within 90 ms: a paste arrives in pieces.
func discardInput() {
	for range 30 {
		time.Sleep(3 * time.Millisecond)
		change(flushInput, flushArg)
	}
}

// change makes a request to the prompt's terminal, unless a shell has taken that back.
func change[T any](request uintptr, arg *T) {
	if !inBackground(hidden.fd) {
		control(hidden.fd, request, arg)
	}
}
