//go:build linux || darwin || freebsd

package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
	"unsafe"
)

// promptSuffix says in the prompt what the user should know of it.
const promptSuffix = " (input is hidden)"

// terminal is a terminal that input comes from.
type terminal struct {
	fd            uintptr
	found, hidden syscall.Termios // its state as it was found, and while a key is typed
}

// openTerminal returns the terminal that file is, or nil if it is not one.
func openTerminal(file io.Reader) *terminal {
	f, ok := file.(interface{ Fd() uintptr })
	if !ok {
		return nil
	}
	t := &terminal{fd: f.Fd()}
	if t.control(getState, unsafe.Pointer(&t.found)) != nil {
		return nil
	}
	t.hidden = t.found
	t.hidden.Lflag = t.hidden.Lflag&^syscall.ECHO | syscall.ICANON | syscall.ISIG
	t.hidden.Iflag = t.hidden.Iflag&^(syscall.IGNCR|syscall.INLCR) | syscall.ICRNL
	return t
}

func (t *terminal) control(request uintptr, argument unsafe.Pointer) error {
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, t.fd, request, uintptr(argument))
	if errno != 0 {
		return errno
	}
	return nil
}

// hideUntil turns the echo off, calls ask, and waits for done, whose value it returns, or for the
// end of ctx. However the wait ends, and while the program is stopped by Ctrl-Z, the terminal is as
// it was found, and what was typed or pasted and not read is thrown away.
func (t *terminal) hideUntil(ctx context.Context, done <-chan input, ask func()) input {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGPIPE, syscall.SIGCONT)
	defer signal.Stop(signals) // after the terminal is restored
	stops := make(chan os.Signal, 1)
	if syscall.Getpid() != 1 { // which nothing can stop
		signal.Notify(stops, syscall.SIGTSTP)
	}
	defer func() { go stopOn(stops) }()
	if err := t.control(setState, unsafe.Pointer(&t.hidden)); err != nil {
		return input{err: cannotHide(err)}
	}
	defer t.restore()
	go ask() // where Ctrl-S holds the output this must not hold up the rest
	for {
		select {
		case got := <-done:
			var now syscall.Termios
			if errors.Is(got.err, syscall.EIO) || t.control(getState, unsafe.Pointer(&now)) != nil {
				got.err = interrupted(int(syscall.SIGHUP)) // the terminal is gone before the signal comes
			}
			return got
		case <-ctx.Done():
			return input{err: context.Cause(ctx)}
		case <-stops:
			t.restore()
			stop()
		case s := <-signals:
			if s == syscall.SIGPIPE {
				return input{err: interrupted(int(syscall.SIGPIPE))}
			}
			if t.inForeground() { // else the shell has the terminal, and fg continues the program again
				t.control(setState, unsafe.Pointer(&t.hidden))
				go ask()
			}
		}
	}
}

// stop stops the program as Ctrl-Z does. A caught SIGTSTP cannot be given back to the system.
func stop() { syscall.Kill(syscall.Getpid(), syscall.SIGSTOP) }

// stopOn stops the program on each signal: after the prompt Ctrl-Z works on.
func stopOn(stops <-chan os.Signal) {
	for range stops {
		stop()
	}
}

// restore gives the terminal back as it was found and throws away what was typed or pasted and not
// read: the shell would show it and run it. A paste comes in pieces, so that takes a moment. If the
// echo is on, or the line not the terminal's to edit, then somebody else has the terminal now.
func (t *terminal) restore() {
	var now syscall.Termios
	if t.control(getState, unsafe.Pointer(&now)) != nil ||
		now.Lflag&(syscall.ECHO|syscall.ICANON) != syscall.ICANON {
		return
	}
	signal.Ignore(syscall.SIGTTOU) // it would stop a job that changes the terminal in the background
	for range 10 {
		t.control(setStateAndFlush, unsafe.Pointer(&t.hidden))
		time.Sleep(4 * time.Millisecond)
	}
	t.control(setStateAndFlush, unsafe.Pointer(&t.found))
}

// inForeground reports whether the program may use the terminal: it has no job control, or it is
// the job in the foreground.
func (t *terminal) inForeground() bool {
	var group int32
	err := t.control(syscall.TIOCGPGRP, unsafe.Pointer(&group))
	return err != nil || int(group) == syscall.Getpgrp()
}
