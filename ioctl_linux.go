package main

import "syscall"

// The requests TCGETS, TCSETS and TCFLSH (ioctl_tty(2)), and the value that disables a key.
const getState, setState, flushInput, noKey = syscall.TCGETS, syscall.TCSETS, 0x540B, 0

var stopKeys = []int{10} // VSUSP; package syscall has it and TCFLSH for some architectures only
var flushArg *byte       // TCIFLUSH is 0
