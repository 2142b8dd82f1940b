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

// promptSuffix tells the user in the prompt whether typed input is visible.
const promptSuffix = " (input is hidden)"

// terminal is a terminal to read a key from.
type terminal struct {
	fd            uintptr
	found, hidden syscall.Termios // its state as it was found, and while a key is typed
}

// openTerminal returns file as a terminal, or nil if it is not one.
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

// readHidden turns the echo off, calls ask and start, and returns what start's channel delivers, or
// nothing once ctx ends. Before it returns, and before Ctrl-Z stops the program, it restores the
// terminal and discards unread input.
func (t *terminal) readHidden(ctx context.Context, start func() <-chan input, ask func()) input {
	pipe, continued := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(pipe, syscall.SIGPIPE)
	defer signal.Stop(pipe) // after the terminal is restored
	signal.Notify(continued, syscall.SIGCONT)
	stops := make(chan os.Signal, 1)
	if underJobControl() {
		signal.Notify(stops, syscall.SIGTSTP, syscall.SIGTTIN)
	}
	defer func() { go stopOn(ctx, stops) }()
	signal.Ignore(syscall.SIGTTOU) // it would stop a background job that restores the terminal
	if err := t.hide(ask); err != nil {
		return input{err: cannotHide(err)}
	}
	defer t.restore()
	done := start() // after Notify: a background read raises SIGTTIN
	for {
		select {
		case got := <-done:
			var now syscall.Termios
			if errors.Is(got.err, syscall.EIO) || t.control(getState, unsafe.Pointer(&now)) != nil {
				got.err = interrupted(int(syscall.SIGHUP)) // SIGHUP itself arrives later
			}
			return got
		case <-ctx.Done():
			return input{}
		case s := <-stops:
			t.restore()
			// kill %1 also continues the job, whose read raises SIGTTIN before SIGTERM is seen.
			if s == syscall.SIGTTIN && endsWithin(ctx, 200*time.Millisecond) {
				return input{}
			}
			if s == syscall.SIGTTIN && len(done) > 0 {
				continue // the shell has ended, and nobody would continue the program
			}
			drain(continued)
			stop(ctx)
			select { // the stop takes effect a moment later
			case <-ctx.Done():
				return input{}
			case <-continued:
			}
			drain(stops) // until it took effect, the read raised SIGTTIN again and again
			t.hide(ask)
		case <-pipe:
			return input{err: interrupted(int(syscall.SIGPIPE))}
		case <-continued:
			t.hide(ask)
		}
	}
}

// underJobControl reports whether a shell would continue the program after Ctrl-Z. No shell does
// that for process 1, or for the group of its session's leader, as under ssh -t: there the system
// ignores Ctrl-Z unless a program catches it.
func underJobControl() bool {
	session, _, _ := syscall.Syscall(syscall.SYS_GETSID, 0, 0, 0)
	return syscall.Getpid() != 1 && syscall.Getpgrp() != int(session)
}

// endsWithin reports whether ctx ends within d.
func endsWithin(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return true
	case <-time.After(d):
		return false
	}
}

// drain discards a signal that has come already.
func drain(signals <-chan os.Signal) {
	select {
	case <-signals:
	default:
	}
}

// stop stops the program as Ctrl-Z does, unless it is about to end. SIGTSTP, once caught, cannot be
// passed on to the system.
func stop(ctx context.Context) {
	if ctx.Err() == nil {
		syscall.Kill(syscall.Getpid(), syscall.SIGSTOP)
	}
}

// stopOn keeps Ctrl-Z working after the prompt. It ignores SIGTTIN from a read that is still going
// on in the background: the program is about to end.
func stopOn(ctx context.Context, stops <-chan os.Signal) {
	for s := range stops {
		if s == syscall.SIGTSTP {
			stop(ctx)
		}
	}
}

// hide turns the echo off and asks for the key, unless the program is a background job: then the
// shell has the terminal. A read stops such a job, and fg continues it.
func (t *terminal) hide(ask func()) error {
	var group int32
	err := t.control(syscall.TIOCGPGRP, unsafe.Pointer(&group))
	if err == nil && int(group) != syscall.Getpgrp() {
		return nil
	}
	err = t.control(setState, unsafe.Pointer(&t.hidden))
	if err == nil {
		go ask() // it blocks while Ctrl-S holds the output
	}
	return err
}

// restore discards unread input, which the shell would show and run, and restores the terminal. A
// paste arrives in pieces, so this takes a moment. If the echo is on or line editing is off,
// another program has the terminal, and restore leaves it alone.
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
