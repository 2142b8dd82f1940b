//go:build windows

package main

import (
	"errors"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"
)

const homeVariable = "USERPROFILE"

// On Windows modes mean nothing, and directories are not synced.
func othersMay(fs.FileInfo, fs.FileMode) bool { return false }
func owner(fs.FileInfo) int                   { return os.Geteuid() }
func syncDirectory(string) error              { return nil }

// patiently calls do, for two seconds again and again while another process has the file open.
func patiently(do func() error) error {
	const accessDenied, sharingViolation = syscall.Errno(5), syscall.Errno(32)
	for end := time.Now().Add(2 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		err := do()
		busy := errors.Is(err, accessDenied) || errors.Is(err, sharingViolation)
		if !busy || time.Now().After(end) {
			return err
		}
	}
}

// hidden guards restore, which ends the prompt, if there is one.
var hidden sync.Mutex
var restore = func() {}
var kernel32 = syscall.NewLazyDLL("kernel32.dll")

// isTerminal reports whether f, a stream, is a console: NUL has no mode.
func isTerminal(f any) bool {
	file, ok := f.(interface{ Fd() uintptr })
	return ok && syscall.GetConsoleMode(syscall.Handle(file.Fd()), new(uint32)) == nil
}

// hideInput begins a prompt in f, a console: what is typed does not show, and arrives in lines.
func hideInput(f any) error {
	hidden.Lock()
	defer hidden.Unlock()
	const processed, line, echo = 0x1, 0x2, 0x4 // ENABLE_…_INPUT
	console, setMode := f.(interface{ Fd() uintptr }).Fd(), kernel32.NewProc("SetConsoleMode")
	var found uint32
	syscall.GetConsoleMode(syscall.Handle(console), &found) // as isTerminal did
	if ok, _, err := setMode.Call(console, uintptr(found&^echo|line|processed)); ok == 0 {
		return fail(codeFileRead, "cannot hide typed input: %v", err)
	}
	restore = func() {
		kernel32.NewProc("FlushConsoleInputBuffer").Call(console)
		setMode.Call(console, uintptr(found))
	}
	return nil
}

// restoreInput ends the prompt: it discards what else was typed, and restores the console.
func restoreInput() {
	time.Sleep(200 * time.Millisecond) // Ctrl-C ends a read before its signal arrives
	hidden.Lock()
	defer hidden.Unlock()
	restore()
}

// restoreForGood ends the prompt, if there is one, for the last time: nothing begins or ends one
// after it.
func restoreForGood() {
	hidden.Lock()
	restore()
}
