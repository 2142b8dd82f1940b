//go:build ignore

// This file is part of the copies of the program that make mutate compiles: the code of each mutant
// calls mutantChosen.
package main

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"sync"
)

var (
	mutantNumber, mutantReport = mutantSettings()
	mutantsSeen                sync.Map
)

// mutantSettings returns the number of the mutant that is chosen, and the file that is told of each
// mutant that is reached. A process that a test gives an environment of its own asks its ancestors.
func mutantSettings() (int, string) {
	chosen, report := os.Getenv("MICROTICA_MUTANT"), os.Getenv("MICROTICA_REACHED")
	parent := regexp.MustCompile(`PPid:\s*([0-9]+)`)
	for id := strconv.Itoa(os.Getppid()); chosen == "" && id > "1"; {
		environment, _ := os.ReadFile("/proc/" + id + "/environ")
		for _, variable := range bytes.Split(environment, []byte{0}) {
			if value, ok := bytes.CutPrefix(variable, []byte("MICROTICA_MUTANT=")); ok {
				chosen = string(value)
			}
			if value, ok := bytes.CutPrefix(variable, []byte("MICROTICA_REACHED=")); ok {
				report = string(value)
			}
		}
		status, _ := os.ReadFile("/proc/" + id + "/status")
		id = "0"
		if match := parent.FindSubmatch(status); match != nil {
			id = string(match[1])
		}
	}
	n, _ := strconv.Atoi(chosen)
	return n, report
}

// mutantChosen reports whether mutant n is chosen, and notes that it is reached.
func mutantChosen(n int) bool {
	if mutantReport != "" {
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
