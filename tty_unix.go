//go:build linux || darwin || freebsd

package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"
	"unsafe"
)

// promptSuffix says in the prompt what the user should know of it.
const promptSuffix = " (input is hidden)"

// terminal is a terminal that input comes from.
type terminal struct {
	fd    uintptr
	state syscall.Termios // as it was found
}

// openTerminal returns the terminal that in is, or nil if it is none.
func openTerminal(in io.Reader) *terminal {
	file, ok := in.(interface{ Fd() uintptr })
	if !ok {
		return nil
	}
	t := &terminal{fd: file.Fd()}
	if t.control(getState, &t.state) != nil {
		return nil
	}
	return t
}

func (t *terminal) control(request uintptr, state *syscall.Termios) error {
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, t.fd, request, uintptr(unsafe.Pointer(state))); errno != 0 {
		return errno
	}
	return nil
}

// hideUntil turns the echo off, calls ask, and waits for done, whose error it returns, the end of ctx, or a signal that ends the
// program. However the wait ends, and while the program is stopped by Ctrl-Z, the terminal is as it was found. Unless done ended
// it, what was typed so far is forgotten: the shell would read it next, and show the beginning of a key.
func (t *terminal) hideUntil(ctx context.Context, done <-chan error, ask func()) error {
	hidden := t.state
	hidden.Lflag &^= syscall.ECHO
	signals := make(chan os.Signal, 8)
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGTSTP, syscall.SIGCONT} {
		if !signal.Ignored(s) { // nohup, or a shell without job control
			signal.Notify(signals, s)
		}
	}
	defer signal.Stop(signals)
	restore := uintptr(setStateAndForget)
	defer func() { t.control(restore, &t.state) }()
	if err := t.control(setState, &hidden); err != nil {
		return fail(codeFileRead, "cannot hide what is typed: %v", err).withHint("give the key on stdin from a file or a pipe")
	}
	ask()
	for {
		select {
		case err := <-done:
			if errors.Is(err, syscall.EIO) || t.control(getState, new(syscall.Termios)) != nil {
				return interrupted(int(syscall.SIGHUP)) // the terminal is gone: the read ended before the signal came
			}
			restore = setState // what is typed behind the key is meant for the shell
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		case s := <-signals:
			switch s {
			case syscall.SIGTSTP:
				t.control(restore, &t.state)
				syscall.Kill(syscall.Getpid(), syscall.SIGSTOP) // a caught SIGTSTP stops nothing any more
			case syscall.SIGCONT:
				t.control(setState, &hidden)
				ask()
			default:
				return interrupted(int(s.(syscall.Signal)))
			}
		}
	}
}
