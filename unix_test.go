//go:build unix

package main

import (
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// The modes of files that tests make must not depend on the developer's umask.
func init() { syscall.Umask(0o022) }

// TestATerminalIsOneThatCanHideInput which /dev/null cannot, although it is a device.
func TestATerminalIsOneThatCanHideInput(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]bool{"/dev/null": false, "/dev/ptmx": true} {
		file, err := os.OpenFile(path, os.O_RDWR|syscall.O_NOCTTY, 0)
		if err != nil || runtime.GOOS != "linux" { // elsewhere the other end may count
			t.Skipf("SKIPPED: %v", err)
		}
		defer file.Close()
		if isTerminal(file) != want || isTerminal(strings.NewReader(path)) {
			t.Errorf("%s is taken for a terminal: %t", path, !want)
		}
	}
}
