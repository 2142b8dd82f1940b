package main

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestATerminalIsOneThatCanHideInput which /dev/null cannot, although it is a device.
func TestATerminalIsOneThatCanHideInput(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]bool{"/dev/null": false, "/dev/ptmx": true} {
		file, err := os.OpenFile(path, os.O_RDWR|syscall.O_NOCTTY, 0)
		if err != nil {
			t.Skipf("SKIPPED: %v", err)
		}
		defer file.Close()
		if isTerminal(file) != want || isTerminal(strings.NewReader(path)) {
			t.Errorf("%s is taken for a terminal: %t", path, !want)
		}
	}
}
