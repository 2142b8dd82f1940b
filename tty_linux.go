package main

import "syscall"

// The requests that read and change a terminal's state (ioctl_tty(2)).
const (
	getState         = syscall.TCGETS
	setState         = syscall.TCSETS
	setStateAndFlush = syscall.TCSETS + 2 // TCSETSF, which package syscall lacks
)

// maxTypedLine is how many bytes of one typed line the kernel keeps. It drops the rest in silence.
const maxTypedLine = 4095
