//go:build !linux && !darwin && !freebsd

package main

import (
	"context"
	"io"
	"io/fs"
)

// promptSuffix says in the prompt what the user should know of it.
const promptSuffix = " (input is visible)"

// terminal is a terminal that input comes from. Nothing here can hide what is typed.
type terminal struct{}

// openTerminal returns the terminal that in is, or nil if it is none.
func openTerminal(in io.Reader) *terminal {
	file, ok := in.(interface{ Stat() (fs.FileInfo, error) })
	if !ok {
		return nil
	}
	info, err := file.Stat()
	if err != nil || info.Mode()&fs.ModeCharDevice == 0 {
		return nil
	}
	return &terminal{}
}

// hideUntil calls ask, and waits for done, whose error it returns, or the end of ctx.
func (t *terminal) hideUntil(ctx context.Context, done <-chan error, ask func()) error {
	ask()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
