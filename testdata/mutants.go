//go:build ignore

// This file is part of the copy of the program that make mutate compiles: the code of each mutant
// calls mutantChosen.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
)

var (
	mutantNumber, mutantReport = mutantSettings()
	mutantsSeen                sync.Map
)

// mutantSettings returns the number of the mutant that is chosen, and the path of the file that
// lists each mutant that is reached. Both are in a directory above the executable, which may be the
// tests' or one that a test built there. They are not in the environment, which tests replace.
func mutantSettings() (number int, report string) {
	path, _ := os.Executable()
	for path != filepath.Dir(path) {
		path = filepath.Dir(path)
		if chosen, err := os.ReadFile(filepath.Join(path, "chosen")); err == nil {
			number, _ = strconv.Atoi(string(chosen))
			return number, filepath.Join(path, "reached")
		}
	}
	return 0, ""
}

// mutantChosen reports whether mutant n is chosen. If none is, it notes that n is reached.
func mutantChosen(n int) bool {
	if mutantNumber == 0 {
		if _, seen := mutantsSeen.LoadOrStore(n, true); !seen {
			file, err := os.OpenFile(mutantReport, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
			if err == nil {
				fmt.Fprintln(file, n)
				file.Close()
			}
		}
	}
	return n == mutantNumber
}
