//go:build !linux && !darwin && !freebsd && !windows

package main

import (
	"context"
	"io"
	"io/fs"
)

// promptSuffix tells the user in the prompt whether typed input is visible.
const promptSuffix = " (input is visible)"

// maxTypedLine is how many bytes of one typed line any of these systems keeps.
const maxTypedLine = 1023

// terminal is a terminal to read a key from. On these systems nothing hides what is typed.
type terminal struct{}

// openTerminal returns file as a terminal, or nil if it is not one.
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

// readHidden calls ask and start, and returns what start's channel delivers, or nothing once ctx
// ends. Here it does not hide anything.
func (t *terminal) readHidden(ctx context.Context, start func() <-chan input, ask func()) input {
	ask()
	select {
	case got := <-start():
		return got
	case <-ctx.Done():
		return input{}
	}
}

// restore does nothing: nothing was hidden.
func (t *terminal) restore() {}
