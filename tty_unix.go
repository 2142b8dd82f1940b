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

// readHidden turns the echo off, calls ask, starts to read, and waits for what that returns, or for
// the end of ctx. However the wait ends, and while the program is stopped by Ctrl-Z, the terminal
// is as it was found, and what was typed or pasted and not read is thrown away.
func (t *terminal) readHidden(ctx context.Context, start func() <-chan input, ask func()) input {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGPIPE, syscall.SIGCONT)
	defer signal.Stop(signals) // after the terminal is restored
	stops := make(chan os.Signal, 1)
	if syscall.Getpid() != 1 { // which nothing can stop
		signal.Notify(stops, syscall.SIGTSTP, syscall.SIGTTIN)
	}
	defer func() { go stopOn(stops) }()
	signal.Ignore(syscall.SIGTTOU) // it would stop a job that restores from the background
	if err := t.hide(ask); err != nil {
		return input{err: cannotHide(err)}
	}
	defer t.restore()
	done := start() // a read in the background stops the job: after the signals are caught
	for {
		select {
		case got := <-done:
			var now syscall.Termios
			if errors.Is(got.err, syscall.EIO) || t.control(getState, unsafe.Pointer(&now)) != nil {
				got.err = interrupted(int(syscall.SIGHUP)) // its signal comes later
			}
			return got
		case <-ctx.Done():
			return input{}
		case s := <-stops:
			t.restore()
			if s == syscall.SIGTTIN && ends(ctx, 200*time.Millisecond) {
				return input{} // kill %1 continues the job that it ends, and that reads again first
			}
			stop()
		case s := <-signals:
			if s == syscall.SIGPIPE {
				return input{err: interrupted(int(syscall.SIGPIPE))}
			}
			t.hide(ask)
		}
	}
}

// ends reports whether ctx ends within d.
func ends(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return true
	case <-time.After(d):
		return false
	}
}

// stop stops the program as Ctrl-Z does. A caught SIGTSTP cannot be given back to the system.
func stop() { syscall.Kill(syscall.Getpid(), syscall.SIGSTOP) }

// stopOn lets Ctrl-Z still stop the program after the prompt. A read that goes on in the background
// must not: the program is about to end.
func stopOn(stops <-chan os.Signal) {
	for s := range stops {
		if s == syscall.SIGTSTP {
			stop()
		}
	}
}

// hide turns the echo off and asks for the key, unless the program is a job in the background: the
// shell has the terminal then. Reading it stops such a job, and fg continues it.
func (t *terminal) hide(ask func()) error {
	var group int32
	err := t.control(syscall.TIOCGPGRP, unsafe.Pointer(&group))
	if err == nil && int(group) != syscall.Getpgrp() {
		return nil
	}
	err = t.control(setState, unsafe.Pointer(&t.hidden))
	if err == nil {
		go ask() // which waits where Ctrl-S holds the output
	}
	return err
}

// restore gives the terminal back as it was found and throws away what was typed or pasted and not
// read: the shell would show it and run it. A paste comes in pieces, so that takes a moment. If the
// echo is on, or the line is not the terminal's to edit, somebody else has the terminal now.
func (t *terminal) restore() {
	var now syscall.Termios
	if t.control(getState, unsafe.Pointer(&now)) != nil ||
		now.Lflag&(syscall.ECHO|syscall.ICANON) != syscall.ICANON {
		return
	}
	for range 30 {
		time.Sleep(3 * time.Millisecond)
		t.flushInput()
	}
	t.control(setState, unsafe.Pointer(&t.found)) // TCSETSF would wait for the output to drain
}
