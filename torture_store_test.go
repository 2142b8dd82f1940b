package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// thirdKey is what a later login saves.
const thirdKey = "mic_th1rd_key0of0a0later0login"

// checkStore checks what a login that was killed or failed left in a home directory: the old key or
// the new one, whole, for its user alone, and nothing that a later login does not sweep. It returns
// what was stored, "" if there was no file, which is right if old is "".
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
	if info, err := os.Stat(dir); err == nil && info.Mode().Perm() != 0o700 && !onWindows {
		t.Errorf("%s: LOOSE MODE: the directory has mode %v", where, info.Mode())
	}
	entries, _ := os.ReadDir(dir)
	for _, entry := range entries {
		info, err := entry.Info()
		must(t, err)
		mode, isKey := info.Mode(), entry.Name() == "credentials"
		if !onWindows && (mode&^0o600 != 0 || isKey && mode != 0o600) {
			t.Errorf("%s: LOOSE MODE: %s has mode %v", where, entry.Name(), mode)
		}
	}
	s.now = s.now.Add(2 * time.Minute) // when what was left is old
	got := s.run("login", "--no-verify", "--token", thirdKey)
	if got.code != 0 || got.stderr != "" {
		t.Errorf("%s: a later login says %s", where, got)
	}
	s.wantStored(thirdKey + "\n")
	return stored
}

// background calls step in a goroutine, as long as it returns true, until stop is called.
func background(step func() (again bool)) (stop func()) {
	var stopping atomic.Bool
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for step() && !stopping.Load() {
		}
	}()
	return func() {
		stopping.Store(true)
		<-ended
	}
}

// TestTortureAReaderDuringSaves reads the stored key as fast as it can while it is saved again and
// again.
func TestTortureAReaderDuringSaves(t *testing.T) {
	t.Parallel()
	s := newShell(t, nil)
	var keys []string
	for i := range 7 {
		keys = append(keys, fmt.Sprintf("mic_n%d_%s", i, strings.Repeat("x", 1+i*i*80)))
	}
	s.save(keys[0])
	saves, reads := times(100, 10000), 0
	stop := background(func() bool {
		data, err := os.ReadFile(s.credentials())
		if onWindows && err != nil {
			return true
		}
		if err != nil || !slices.Contains(keys, strings.TrimSuffix(string(data), "\n")) {
			t.Errorf("KEY LOST: a reader found %q, %v", data, err)
			return false
		}
		reads++
		return true
	})
	for i := range saves {
		key := keys[i%len(keys)]
		s.want(result{}, "login", "--no-verify", "--quiet", "--token", key)
	}
	stop()
	if reads < saves/10 {
		t.Errorf("only %d reads during %d saves", reads, saves)
	}
	s.wantStored(keys[(saves-1)%len(keys)] + "\n")
	counted(t, "%d reads during %d saves, 0 keys lost", reads, saves)
}
