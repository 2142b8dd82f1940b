package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestNothingIsReadFromWhatIsNoFile covers what may be in the key's place, also behind a link.
func TestNothingIsReadFromWhatIsNoFile(t *testing.T) {
	t.Parallel()
	linkTo := func(target string) func(string) error {
		return func(path string) error { return os.Symlink(target, path) }
	}
	for _, f := range []foreign{
		{func(path string) error { return syscall.Mkfifo(path, 0o600) }, "", irregular},
		{func(path string) error { return syscall.Mknod(path, syscall.S_IFSOCK|0o600, 0) }, "",
			irregular}, // opening a socket would fail in another way
		{linkTo("/dev/zero"), "", irregular},
		{linkTo("/"), "", irregular},
		{linkTo("credentials"), "", "too many levels of symbolic links"},
	} {
		f.meet(t)
	}
}

// TestAFileThatIsSwappedForAPipeIsNotRead finds the one and opens the other, and must not wait.
func TestAFileThatIsSwappedForAPipeIsNotRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, next := filepath.Join(dir, "key"), filepath.Join(dir, "next")
	writeFile(t, testKey, dir, "regular")
	must(t, syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600), os.Symlink("regular", path))
	end, swapped := time.Now().Add(time.Second), make(chan error, 1)
	go func() {
		var err error
		for i := 0; err == nil && time.Now().Before(end); i++ {
			target := []string{"fifo", "regular"}[i%2]
			err = errors.Join(os.Symlink(target, next), os.Rename(next, path))
		}
		swapped <- err
	}()
	for time.Now().Before(end) {
		text, _, err := readKeyFile(path)
		if text != testKey && (err == nil || err.Error() != irregular) {
			t.Fatalf("read %q, %v", text, err)
		}
	}
	must(t, <-swapped)
}

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
