package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// thirdKey is what a later login saves.
const thirdKey = "mic_th1rd_key0of0a0later0login"

// checkStore checks what a login that was killed or failed left in a home directory: the old key or
// the new one, whole, for its user alone, and nothing that a later login does not sweep. It returns
// what was stored, "" if there was no file, which is right where old is "".
func checkStore(t *testing.T, where, home, old, saved string) string {
	t.Helper()
	s := shellIn(t, home)
	data, err := os.ReadFile(s.credentials())
	stored := string(data)
	missing := os.IsNotExist(err) && old == ""
	if !missing && (err != nil || stored == "" || stored != old && stored != saved) {
		t.Errorf("%s: KEY LOST: %q is stored, %v", where, stored, err)
	}
	dir := filepath.Dir(s.credentials())
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Errorf("%s: %v", where, err)
	}
	before := time.Now().Add(-2 * time.Minute)
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			t.Errorf("%s: %v", where, err)
			continue
		}
		stored, mode := entry.Name() == "credentials", info.Mode()
		if runtime.GOOS != "windows" && (mode&^0o600 != 0 || stored && mode != 0o600) {
			t.Errorf("%s: LOOSE MODE: %s has mode %v", where, entry.Name(), mode)
		}
		if stored {
			continue
		}
		if err := os.Chtimes(filepath.Join(dir, entry.Name()), before, before); err != nil {
			t.Errorf("%s: %v", where, err)
		}
	}
	got := s.run("login", "--no-verify", "--token", thirdKey)
	if got.code != 0 || got.stderr != "" {
		t.Errorf("%s: a later login says %s", where, got)
	}
	s.wantStored(thirdKey + "\n")
	return stored
}

// background calls step again and again, beside the test, until the returned function is called.
func background(step func() (goOn bool)) (stop func()) {
	done := make(chan struct{})
	var all sync.WaitGroup
	all.Add(1)
	go func() {
		defer all.Done()
		for step() {
			select {
			case <-done:
				return
			default:
			}
		}
	}()
	return func() {
		close(done)
		all.Wait()
	}
}

// TestTortureAReaderDuringSaves reads the stored key as fast as it can while it is saved again and
// again.
func TestTortureAReaderDuringSaves(t *testing.T) {
	t.Parallel()
	s := newShell(t, nil).save(otherKey + "\n")
	keys := map[string]bool{otherKey + "\n": true}
	var names []string
	for i := range 7 {
		name := fmt.Sprintf("mic_n%d_%s", i, strings.Repeat("x", 1+i*i*80))
		names = append(names, name)
		keys[name+"\n"] = true
	}
	saves, reads := times(100, 10000), 0
	stop := background(func() bool {
		data, err := os.ReadFile(s.credentials())
		if runtime.GOOS == "windows" && err != nil {
			return true // a file that is being replaced cannot be opened there
		}
		if err != nil || !keys[string(data)] {
			t.Errorf("KEY LOST: a reader found %q, %v", data, err)
			return false
		}
		reads++
		return true
	})
	for i := range saves {
		got := s.run("login", "--no-verify", "--quiet", "--token", names[i%len(names)])
		if got != (result{}) {
			t.Errorf("save %d: %s", i, got)
			break
		}
	}
	stop()
	if reads < saves/10 {
		t.Errorf("only %d reads during %d saves", reads, saves)
	}
	s.wantStored(names[(saves-1)%len(names)] + "\n")
	counted(t, "%d reads during %d saves, 0 keys lost", reads, saves)
}
