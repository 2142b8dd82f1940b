package main

import "syscall"

// The requests that read and change a terminal's state (ioctl_tty(2)).
const (
	getState          = syscall.TCGETS
	setState          = syscall.TCSETS
	setStateAndForget = syscall.TCSETS + 2 // TCSETSF, which package syscall lacks
)
