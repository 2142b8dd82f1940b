//go:build darwin || freebsd

package main

import (
	"syscall"
	"unsafe"
)

// The requests that read and change a terminal's state (termios(4)).
const (
	getState = syscall.TIOCGETA
	setState = syscall.TIOCSETA
	flush    = syscall.TIOCFLUSH
)

// flushInput discards typed input that nobody has read.
func (t *terminal) flushInput() {
	input := int32(1) // FREAD
	t.control(flush, unsafe.Pointer(&input))
}

// maxTypedLine is how many bytes of one typed line macOS keeps; FreeBSD keeps more.
const maxTypedLine = 1023
