//go:build darwin || freebsd

package main

import "syscall"

// The requests of termios(4), and the value that disables a key.
const getState, setState, flushInput = syscall.TIOCGETA, syscall.TIOCSETA, syscall.TIOCFLUSH
const noKey = 0xff

var stopKeys = []int{syscall.VSUSP, syscall.VDSUSP}
var flushArg = &[]int32{1}[0] // FREAD
