//go:build darwin || freebsd

package main

import "syscall"

// The requests that read and change a terminal's state (termios(4)).
const (
	getState         = syscall.TIOCGETA
	setState         = syscall.TIOCSETA
	setStateAndFlush = syscall.TIOCSETAF
)

// maxTypedLine is how many bytes of one typed line macOS keeps; FreeBSD keeps more.
const maxTypedLine = 1023
