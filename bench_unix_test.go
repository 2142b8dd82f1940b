//go:build unix

package main

import (
	"os"
	"syscall"
)

// pageFaults returns how many pages a process that has ended took without reading the disk.
func pageFaults(s *os.ProcessState) float64 {
	return float64(s.SysUsage().(*syscall.Rusage).Minflt)
}
