package main

import (
	"context"
	"io"
	"syscall"
	"time"
)

// promptSuffix tells the user in the prompt whether typed input is visible.
const promptSuffix = " (input is hidden)"

// maxTypedLine is how many characters of a typed line fit in a read of 4096, bufio's buffer size,
// without CR and LF.
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

// terminal is a console to read a key from.
type terminal struct {
	console uintptr
	mode    uint32 // as it was found
}

// openTerminal returns file as a console, or nil if it is not one: NUL has no mode.
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

// restore discards unread input, and restores the console.
func (t *terminal) restore() {
	flushConsoleInputBuffer.Call(t.console)
	t.setMode(t.mode)
}

// readHidden turns the echo off, calls ask and start, and returns what start's channel delivers, or
// nothing once ctx ends. Before it returns, it discards unread input and restores the console.
func (t *terminal) readHidden(ctx context.Context, start func() <-chan input, ask func()) input {
	defer t.restore()
	if err := t.setMode(t.mode&^echoInput | lineInput | processedInput); err != nil {
		return input{err: cannotHide(err)}
	}
	ask()
	select {
	case got := <-start():
		if got.text != "" {
			return got
		}
		// Ctrl-C ends the read without input; its signal arrives after that.
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
		return got
	case <-ctx.Done():
		return input{}
	}
}
