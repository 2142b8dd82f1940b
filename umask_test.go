//go:build unix

package main

import "syscall"

// The modes of files that tests make must not depend on the developer's umask.
func init() { syscall.Umask(0o022) }
