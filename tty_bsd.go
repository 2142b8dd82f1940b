//go:build darwin || freebsd

package main

import "syscall"

// The requests that read and change a terminal's state (termios(4)).
const (
	getState          = syscall.TIOCGETA
	setState          = syscall.TIOCSETA
	setStateAndForget = syscall.TIOCSETAF
)
