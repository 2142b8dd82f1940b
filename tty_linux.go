package main

import "syscall"

// The requests that read and change a terminal's state (ioctl_tty(2)).
const (
	getState = syscall.TCGETS
	setState = syscall.TCSETS
	flush    = 0x540B // TCFLSH, which package syscall has for some architectures only
)

// flushInput discards typed input that nobody has read.
func (t *terminal) flushInput() {
	t.control(flush, nil) // TCIFLUSH is 0
}

// maxTypedLine is how many bytes of one typed line the kernel keeps. It silently drops the rest.
const maxTypedLine = 4095
