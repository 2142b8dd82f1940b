//go:build ignore

// This file is part of the copies of the program that make mutate compiles: its functions stand
// where the copy has a mutant, and do what stood there unless that mutant is chosen.
package main

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"sync"
)

var (
	mutantChosen, mutantReport = mutantSettings()
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

func mutantHere(n int) bool {
	if mutantReport != "" {
		if _, seen := mutantsSeen.LoadOrStore(n, true); !seen {
			file, err := os.OpenFile(mutantReport, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
			if err == nil {
				fmt.Fprintln(file, n)
				file.Close()
			}
		}
	}
	return n == mutantChosen
}

func mutKeep(n int) bool { return !mutantHere(n) }

func mutNot[T ~bool](n int, v T) T { return v != T(mutantHere(n)) }

func mutAnd(n int, a bool, b func() bool) bool {
	if mutantHere(n) {
		return a || b()
	}
	return a && b()
}

func mutOr(n int, a bool, b func() bool) bool {
	if mutantHere(n) {
		return a && b()
	}
	return a || b()
}

func mutLess[T cmp.Ordered](n int, a, b T) bool {
	here := mutantHere(n)
	return a < b || here && a == b
}

func mutMore[T cmp.Ordered](n int, a, b T) bool {
	here := mutantHere(n)
	return a > b || here && a == b
}

func mutAtMost[T cmp.Ordered](n int, a, b T) bool {
	here := mutantHere(n)
	return a < b || !here && a == b
}

func mutAtLeast[T cmp.Ordered](n int, a, b T) bool {
	here := mutantHere(n)
	return a > b || !here && a == b
}

func mutMoreByOne[T ~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 |
	~uint64 | ~uintptr | ~float64](n int, v T) T {
	if mutantHere(n) {
		return v + 1
	}
	return v
}

func mutTwice[T ~int64](n int, v T) T {
	if mutantHere(n) {
		return 2 * v
	}
	return v
}

func mutText[T ~string](n int, v T) T {
	if mutantHere(n) {
		return v + "?"
	}
	return v
}
