//go:build !linux && !darwin && !freebsd && !windows

package main

import (
	"context"
	"io"
	"io/fs"
)

// promptSuffix says in the prompt what the user should know of it.
const promptSuffix = " (input is visible)"

// maxTypedLine is how many bytes of one typed line any of these systems keeps.
const maxTypedLine = 1023

// terminal is a terminal that input comes from. Nothing here can hide what is typed.
type terminal struct{}

// openTerminal returns the terminal that file is, or nil if it is not one.
func openTerminal(file io.Reader) *terminal {
	f, ok := file.(interface{ Stat() (fs.FileInfo, error) })
	if !ok {
		return nil
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&fs.ModeCharDevice == 0 {
		return nil
	}
	return &terminal{}
}

// readHidden calls ask, starts to read, and waits for what that returns, or for the end of ctx.
func (t *terminal) readHidden(ctx context.Context, start func() <-chan input, ask func()) input {
	ask()
	select {
	case got := <-start():
		return got
	case <-ctx.Done():
		return input{}
	}
}
