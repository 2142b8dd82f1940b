package main

import (
	"context"
	"io"
	"syscall"
	"time"
)

// promptSuffix says in the prompt what the user should know of it.
const promptSuffix = " (input is hidden)"

// maxTypedLine is how many characters of one typed line a read of 4096, which is what bufio asks
// for, can take, without CR and LF.
const maxTypedLine = 4094

// The modes of a console's input (SetConsoleMode).
const (
	processedInput = 0x1 // Ctrl-C is a signal
	lineInput      = 0x2
	echoInput      = 0x4
)

var (
	kernel32                = syscall.NewLazyDLL("kernel32.dll")
	setConsoleMode          = kernel32.NewProc("SetConsoleMode")
	flushConsoleInputBuffer = kernel32.NewProc("FlushConsoleInputBuffer")
)

// terminal is a console that input comes from.
type terminal struct {
	console uintptr
	mode    uint32 // as it was found
}

// openTerminal returns the console that file is, or nil if it is not one: NUL has no mode.
func openTerminal(file io.Reader) *terminal {
	f, ok := file.(interface{ Fd() uintptr })
	if !ok {
		return nil
	}
	t := &terminal{console: f.Fd()}
	if syscall.GetConsoleMode(syscall.Handle(t.console), &t.mode) != nil {
		return nil
	}
	return t
}

func (t *terminal) setMode(mode uint32) error {
	if ok, _, err := setConsoleMode.Call(t.console, uintptr(mode)); ok == 0 {
		return err
	}
	return nil
}

// readHidden turns the echo off, calls ask, starts to read, and waits for what that returns, or for
// the end of ctx. However the wait ends, the console is as it was found, and what was typed or
// pasted and not read is thrown away.
func (t *terminal) readHidden(ctx context.Context, start func() <-chan input, ask func()) input {
	defer func() {
		flushConsoleInputBuffer.Call(t.console)
		t.setMode(t.mode)
	}()
	if err := t.setMode(t.mode&^echoInput | lineInput | processedInput); err != nil {
		return input{err: cannotHide(err)}
	}
	ask()
	select {
	case got := <-start():
		if got.text != "" {
			return got
		}
		// Ctrl-C ends the read with nothing, and its signal comes after that.
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
		return got
	case <-ctx.Done():
		return input{}
	}
}
