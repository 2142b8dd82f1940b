//go:build unix

package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A mutation run breaks the program in many small ways, one at a time, and looks whether a test
// notices. All mutants are compiled into one copy of the package; MICROTICA_MUTANT chooses one. A
// first pass runs each test alone to learn which mutants it reaches. Then each mutant meets the
// tests that reach it: the quick ones, and if it survives those, the slow ones.

// mutationRun is a mutated copy of the package, compiled, and the tests that can be run on it.
type mutationRun struct {
	dir     string
	cache   string // Go's build cache, for tests that build the program
	mutants []*mutant
	took    map[string]time.Duration // by test, without any mutant
}

// untested are the files whose tests are about the source, the machine or the release, or build
// much: no mutant meets them.
var untested = strings.Fields("audit policy mutate dist demo bench noquery")

// newMutationRun writes the copy and compiles its tests.
func newMutationRun(dir string, source map[string]string, mutants []*mutant) (*mutationRun, error) {
	cache, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		return nil, err
	}
	r := &mutationRun{dir, words(string(cache)), mutants, map[string]time.Duration{}}
	support, err := os.ReadFile("testdata/mutants.go")
	if err != nil {
		return nil, err
	}
	_, functions, _ := strings.Cut(string(support), "//go:build ignore\n")
	changed := withMutants(source, mutants)
	// The first file in order: what mutants read must be initialized before what they change.
	changed["a_mutants.go"] = functions
	if err := copyPackage(dir, changed); err != nil {
		return nil, err
	}
	build := exec.Command("go", "test", "-c", "-vet=off", "-o", "mutated.test", ".")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("the mutated package does not compile: %w\n%s", err, out)
	}
	return r, nil
}

// mutantTests returns the names of the tests that mutants meet.
func mutantTests() []string {
	var names []string
	files, _ := filepath.Glob("*_test.go")
	for _, name := range files {
		text, _ := os.ReadFile(name)
		if !slices.Contains(untested, strings.TrimSuffix(name, "_test.go")) {
			for _, match := range testFunction.FindAllStringSubmatch(string(text), -1) {
				names = append(names, match[1])
			}
		}
	}
	return names
}

var testFunction = regexp.MustCompile(`(?m)^func ((Test|Fuzz)\w+)\(`)

// run runs tests on the copy with the given mutant, 0 for none, and returns what they print and
// whether they pass within the limit. What else a broken program can do is bounded: memory, the
// size of files, and where its home is.
func (r *mutationRun) run(tests []string, number int, report string, limit time.Duration) (
	output string, passed bool) {
	home, err := os.MkdirTemp(r.dir, "home-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(home)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	const bounded = `ulimit -v 8000000; ulimit -f 1000000; exec ./mutated.test "$@"`
	cmd := exec.CommandContext(ctx, "sh", "-c", bounded, "sh", "-test.failfast", "-test.v",
		"-test.run=^("+strings.Join(tests, "|")+")$")
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "HOME="+home, "TMPDIR="+home, "GOCACHE="+r.cache,
		"MICROTICA_MUTANT="+strconv.Itoa(number), "MICROTICA_REACHED="+report)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

// inParallel calls do for 0 to n-1, on all processors.
func inParallel(n int, do func(i int)) {
	next := make(chan int)
	var running sync.WaitGroup
	for range runtime.NumCPU() + 2 { // some tests wait
		running.Add(1)
		go func() {
			defer running.Done()
			for i := range next {
				do(i)
			}
		}()
	}
	for i := range n {
		next <- i
	}
	close(next)
	running.Wait()
}

// tookSeconds is how long a test took, as it prints it.
var tookSeconds = regexp.MustCompile(`(?m)^--- PASS: \w+ \(([0-9.]+s)\)`)

// cover runs each test alone without a mutant, and notes how long it takes and what it reaches.
func (r *mutationRun) cover(t *testing.T, tests []string) {
	var lock sync.Mutex
	inParallel(len(tests), func(i int) {
		report := filepath.Join(r.dir, "reached-"+tests[i])
		out, passed := r.run(tests[i:i+1], 0, report, 5*time.Minute)
		lines, _ := os.ReadFile(report)
		lock.Lock()
		defer lock.Unlock()
		if !passed {
			t.Logf("%s fails without a mutant, and is left out", tests[i])
			return
		}
		if match := tookSeconds.FindStringSubmatch(out); match != nil {
			r.took[tests[i]], _ = time.ParseDuration(match[1])
		}
		for _, line := range strings.Fields(string(lines)) {
			if n, err := strconv.Atoi(line); err == nil && n <= len(r.mutants) {
				r.mutants[n-1].tests = append(r.mutants[n-1].tests, tests[i])
			}
		}
	})
}

// try lets a mutant meet the tests that reach it, and notes what killed it.
func (r *mutationRun) try(number int) {
	const quick = 2 * time.Second // how long a test may take to be among those that come first
	const slow = 10 * time.Second // what takes longer, as floods of memory do, does not take part
	m := r.mutants[number-1]
	for _, kind := range []string{"quick tests", "slow tests"} {
		var tests []string
		took := time.Duration(0)
		for _, test := range m.tests {
			if r.took[test] < slow && (r.took[test] < quick) == (kind == "quick tests") {
				tests = append(tests, test)
				took += r.took[test]
			}
		}
		if len(tests) == 0 {
			continue
		}
		if _, passed := r.run(tests, number, "", 20*time.Second+3*took); !passed {
			m.killer = kind
			return
		}
	}
}

// TestMutate breaks the program in MICROTICA_MUTANTS ways, 320 unless that is set, and prints what
// survives: that is make mutate. MICROTICA_SEED draws others.
func TestMutate(t *testing.T) {
	if os.Getenv("MICROTICA_MUTATE") == "" {
		t.Skip("MICROTICA_MUTATE is not set; run make mutate")
	}
	count, err := strconv.Atoi(cmp.Or(os.Getenv("MICROTICA_MUTANTS"), "320"))
	if err != nil {
		t.Fatal("MICROTICA_MUTANTS: ", err)
	}
	seed, _ := strconv.ParseUint(os.Getenv("MICROTICA_SEED"), 10, 64)
	source := programSource(t)
	mutants := drawMutants(t, source, count, seed)
	r, err := newMutationRun(t.TempDir(), source, mutants)
	if err != nil {
		t.Fatal(err)
	}
	tests := mutantTests()
	started := time.Now()
	r.cover(t, tests)
	fmt.Printf("%d tests alone: %v\n", len(tests), time.Since(started).Round(time.Second))
	inParallel(len(mutants), func(i int) {
		if r.try(i + 1); mutants[i].killer == "" {
			fmt.Printf("survivor %d: %v\n", i+1, mutants[i])
		}
	})
	fmt.Printf("%d mutants: %v\n\n", len(mutants), time.Since(started).Round(time.Second))
	printMutants(mutants)
}

// printMutants prints a table of the mutants by file.
func printMutants(mutants []*mutant) {
	fmt.Println("| file | mutants | killed | by slow tests | survivors |")
	fmt.Println("| --- | ---: | ---: | ---: | ---: |")
	counts := map[string]map[string]int{}
	for _, m := range mutants {
		for _, name := range []string{m.file, "~ all"} {
			if counts[name] == nil {
				counts[name] = map[string]int{}
			}
			counts[name][m.killer]++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		survived, slow := counts[name][""], counts[name]["slow tests"]
		killed := slow + counts[name]["quick tests"]
		fmt.Printf("| %s | %d | %d | %d | %d |\n",
			strings.TrimPrefix(name, "~ "), killed+survived, killed, slow, survived)
	}
}
