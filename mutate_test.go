//go:build unix

package main

import (
	"cmp"
	"context"
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
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

// mutant is one small change. The source around it becomes a call, or a condition, that behaves as
// before unless this mutant is chosen.
type mutant struct {
	file          string
	line          int
	what          string // what was changed, for the report
	start, end    int    // the bytes that it wraps
	before, after string // what it puts around them; %d is the mutant's number
	operator      string // what is replaced by between, if anything, at the given place
	at            int
	between       string
	tests         []string // the tests that reach it
	killer        string   // "" for a survivor
}

// mutator collects the mutants of one file.
type mutator struct {
	*program
	name, text string
	stack      []ast.Node
	all        []*mutant
}

// visit is called by ast.Inspect: on the way down with a node, on the way up with nil.
func (m *mutator) visit(n ast.Node) bool {
	if n == nil {
		m.stack = m.stack[:len(m.stack)-1]
		return true
	}
	if decl, ok := n.(*ast.GenDecl); ok && decl.Tok != token.VAR {
		return false
	}
	parent := ast.Node(nil)
	if len(m.stack) > 0 {
		parent = m.stack[len(m.stack)-1]
	}
	if _, ok := n.(*ast.ArrayType); ok {
		return false
	}
	if e, ok := n.(ast.Expr); ok && m.info.Types[e].Value != nil {
		m.constant(e, parent)
		return false
	}
	m.stack = append(m.stack, n)
	switch n := n.(type) {
	case *ast.IfStmt:
		m.wrap(n.Cond, "condition negated", "mutNot(%d, ", ")")
	case *ast.ForStmt:
		if n.Cond != nil {
			m.wrap(n.Cond, "condition negated", "mutNot(%d, ", ")")
		}
	case *ast.BinaryExpr:
		m.binary(n)
	case ast.Stmt:
		m.statement(n, parent)
	}
	return true
}

func (m *mutator) offset(p token.Pos) int { return fileSet.Position(p).Offset }

// source returns the text of n.
func (m *mutator) source(n ast.Node) string { return m.text[m.offset(n.Pos()):m.offset(n.End())] }

// wrap adds a mutant that puts text before and after n, and returns it.
func (m *mutator) wrap(n ast.Node, what, before, after string) *mutant {
	old := []rune(words(m.source(n)))
	if len(old) > 50 {
		old = append(old[:50], '…')
	}
	mutated := &mutant{file: m.name, line: fileSet.Position(n.Pos()).Line,
		what: what + ": " + string(old), before: before, after: after,
		start: m.offset(n.Pos()), end: m.offset(n.End())}
	m.all = append(m.all, mutated)
	return mutated
}

// binary adds the mutants of an operator.
func (m *mutator) binary(n *ast.BinaryExpr) {
	wrap := func(to, call, between, after string) {
		mutated := m.wrap(n, n.Op.String()+" became "+to, call+"(%d, ", after)
		if between != "" {
			mutated.at, mutated.operator, mutated.between = m.offset(n.OpPos), n.Op.String(), between
		}
	}
	const function = ", func() bool { return ("
	switch n.Op {
	case token.LSS:
		wrap("<=", "mutLess", ", ", ")")
	case token.LEQ:
		wrap("<", "mutAtMost", ", ", ")")
	case token.GTR:
		wrap(">=", "mutMore", ", ", ")")
	case token.GEQ:
		wrap(">", "mutAtLeast", ", ", ")")
	case token.EQL:
		wrap("!=", "mutNot", "", ")")
	case token.NEQ:
		wrap("==", "mutNot", "", ")")
	case token.LAND:
		wrap("||", "mutAnd", function, ") })")
	case token.LOR:
		wrap("&&", "mutOr", function, ") })")
	}
}

// constant adds the mutants of a constant expression: one more, another text, the other truth.
func (m *mutator) constant(e ast.Expr, parent ast.Node) {
	switch p := parent.(type) {
	case *ast.KeyValueExpr:
		if p.Key == e {
			return // perhaps an index, which must be constant
		}
	case *ast.BinaryExpr:
		if p.Op == token.SHL || p.Op == token.SHR {
			return
		}
	case *ast.Field, *ast.ImportSpec:
		return
	}
	tv := m.info.Types[e]
	t := types.TypeString(tv.Type, func(p *types.Package) string {
		if p == m.pkg {
			return ""
		}
		return p.Name()
	})
	if strings.HasPrefix(t, "untyped") {
		return
	}
	if pkg, _, found := strings.Cut(t, "."); found && !strings.Contains(m.text, `"`+pkg+`"`) {
		return // a type that this file cannot name
	}
	switch tv.Value.Kind() {
	case constant.Bool:
		m.wrap(e, "the other truth", "mutNot(%d, "+t+"(", "))")
	case constant.Int, constant.Float:
		m.wrap(e, "one more", "mutMoreByOne(%d, "+t+"(", "))")
	case constant.String:
		if text := constant.StringVal(tv.Value); len(text) < 40 {
			m.wrap(e, "another text", "mutText(%d, "+t+"(", "))")
		}
	}
}

// statement adds the mutants of a statement in a block: it is left out, or returns zero values.
func (m *mutator) statement(n ast.Stmt, parent ast.Node) {
	switch parent.(type) {
	case *ast.BlockStmt, *ast.CaseClause, *ast.CommClause:
	default:
		return
	}
	switch s := n.(type) {
	case *ast.ExprStmt:
		if call, ok := s.X.(*ast.CallExpr); ok && types.ExprString(call.Fun) == "panic" {
			return
		}
	case *ast.AssignStmt:
		if s.Tok == token.DEFINE {
			return
		}
	case *ast.ReturnStmt:
		m.returns(s)
		return
	case *ast.IncDecStmt, *ast.DeferStmt, *ast.SendStmt, *ast.BranchStmt:
	default:
		return
	}
	if branch, ok := n.(*ast.BranchStmt); ok && branch.Label != nil || inClause(n, parent) {
		return
	}
	m.wrap(n, "left out", "if mutKeep(%d) { ", " }")
}

// inClause reports whether n is what a select clause waits for, which must stay.
func inClause(n ast.Stmt, parent ast.Node) bool {
	clause, ok := parent.(*ast.CommClause)
	return ok && clause.Comm == n
}

// returns adds the mutant of a return: a bool is negated, all else is zero.
func (m *mutator) returns(s *ast.ReturnStmt) {
	var results *ast.FieldList
	for _, n := range m.stack {
		switch f := n.(type) {
		case *ast.FuncDecl:
			results = f.Type.Results
		case *ast.FuncLit:
			results = f.Type.Results
		}
	}
	if results == nil || len(s.Results) == 0 {
		return
	}
	var zeros []string
	for _, field := range results.List {
		zero := "*new(" + m.source(field.Type) + ")"
		zeros = append(zeros, slices.Repeat([]string{zero}, max(1, len(field.Names)))...)
	}
	same := true
	for _, e := range s.Results {
		value := m.info.Types[e]
		same = same && (value.IsNil() || value.Value != nil)
	}
	if same {
		return
	}
	if len(zeros) == 1 && zeros[0] == "*new(bool)" {
		m.wrap(s.Results[0], "returns the opposite", "mutNot(%d, ", ")")
		return
	}
	before := "if !mutKeep(%d) { return " + strings.Join(zeros, ", ") + " }; "
	m.wrap(s, "returns zero", before, "")
}

// mutated returns a file's text with all mutants in it, numbered by their places in numbers.
func mutated(text string, mutants []*mutant, numbers map[*mutant]int) string {
	type edit struct {
		*mutant
		offset, kind int // kind is 0 for what is after the bytes, 1 between, 2 before
		old, text    string
	}
	var edits []edit
	for _, m := range mutants {
		before := strings.ReplaceAll(m.before, "%d", strconv.Itoa(numbers[m]))
		edits = append(edits, edit{m, m.start, 2, "", before}, edit{m, m.end, 0, "", m.after})
		if m.between != "" {
			edits = append(edits, edit{m, m.at, 1, m.operator, m.between})
		}
	}
	slices.SortStableFunc(edits, func(a, b edit) int { // wraps nest: outer first, but last at the end
		outer := cmp.Or(cmp.Compare(b.end-b.start, a.end-a.start), numbers[a.mutant]-numbers[b.mutant])
		if a.kind == 0 {
			outer = -outer
		}
		return cmp.Or(a.offset-b.offset, a.kind-b.kind, outer)
	})
	var b strings.Builder
	done := 0
	for _, e := range edits {
		b.WriteString(text[done:e.offset] + e.text)
		done = e.offset + len(e.old)
	}
	return b.String() + text[done:]
}

// drawMutants returns count mutants of the files that are compiled here, drawn by seed: from each
// file as many as its share of all, and at least five.
func drawMutants(source map[string]string, count int, seed uint64) ([]*mutant, error) {
	p, err := compile(source, runtime.GOOS)
	if err != nil {
		return nil, err
	}
	files := map[string][]*mutant{}
	total := 0
	random := rand.New(rand.NewPCG(seed, 0))
	for _, name := range slices.Sorted(maps.Keys(p.files)) {
		m := &mutator{program: p, name: name, text: source[name]}
		ast.Inspect(p.files[name], m.visit)
		random.Shuffle(len(m.all), func(i, j int) { m.all[i], m.all[j] = m.all[j], m.all[i] })
		files[name] = m.all
		total += len(m.all)
	}
	var drawn []*mutant
	for _, name := range slices.Sorted(maps.Keys(files)) {
		all := files[name]
		share := min(len(all), max(5, (len(all)*count+total/2)/total))
		chosen := all[:share]
		slices.SortFunc(chosen, func(a, b *mutant) int { return a.start - b.start })
		drawn = append(drawn, chosen...)
	}
	return drawn, nil
}

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
	numbers := map[*mutant]int{}
	byFile := map[string][]*mutant{}
	for i, m := range mutants {
		numbers[m] = i + 1
		byFile[m.file] = append(byFile[m.file], m)
	}
	support, err := os.ReadFile("testdata/mutants.go")
	if err != nil {
		return nil, err
	}
	_, functions, _ := strings.Cut(string(support), "//go:build ignore\n")
	changed := map[string]string{"mutants.go": functions}
	for name, list := range byFile {
		changed[name] = mutated(source[name], list, numbers)
	}
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

// tests returns the names of the tests that mutants meet.
func (r *mutationRun) tests() ([]string, error) {
	var names []string
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		return nil, err
	}
	list := exec.Command("./mutated.test", "-test.list", "^(Test|Fuzz)")
	list.Dir = r.dir
	out, err := list.Output()
	if err != nil {
		return nil, err
	}
	compiled := strings.Fields(string(out))
	for _, name := range files {
		if slices.Contains(untested, strings.TrimSuffix(name, "_test.go")) {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && slices.Contains(compiled, f.Name.Name) {
				names = append(names, f.Name.Name)
			}
		}
	}
	return names, nil
}

// run runs tests on the copy with the given mutant, 0 for none, and reports whether they pass. What
// a broken program can do is bounded: time, memory, the size of files, and where its home is.
func (r *mutationRun) run(tests []string, number int, report string, limit time.Duration) bool {
	home, err := os.MkdirTemp(r.dir, "home-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(home)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	const bounded = `ulimit -v 8000000; ulimit -f 1000000; exec ./mutated.test "$@"`
	cmd := exec.CommandContext(ctx, "sh", "-c", bounded, "sh", "-test.failfast",
		"-test.run=^("+strings.Join(tests, "|")+")$", "-test.timeout="+limit.String())
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "HOME="+home, "TMPDIR="+home, "GOCACHE="+r.cache,
		"MICROTICA_MUTANT="+strconv.Itoa(number), "MICROTICA_REACHED="+report)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	return cmd.Run() == nil
}

// inParallel calls do for 0 to n-1, on all processors.
func inParallel(n int, do func(i int)) {
	next := make(chan int)
	var running sync.WaitGroup
	for range runtime.NumCPU() {
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

// cover runs each test alone without a mutant, and notes how long it takes and what it reaches.
func (r *mutationRun) cover(t *testing.T, tests []string) {
	var lock sync.Mutex
	inParallel(len(tests), func(i int) {
		report := filepath.Join(r.dir, "reached-"+tests[i])
		started := time.Now()
		passed := r.run(tests[i:i+1], 0, report, 5*time.Minute)
		lines, _ := os.ReadFile(report)
		lock.Lock()
		defer lock.Unlock()
		if !passed {
			t.Logf("%s fails without a mutant, and is left out", tests[i])
			return
		}
		r.took[tests[i]] = time.Since(started)
		for _, line := range strings.Fields(string(lines)) {
			if n, err := strconv.Atoi(line); err == nil && n <= len(r.mutants) {
				r.mutants[n-1].tests = append(r.mutants[n-1].tests, tests[i])
			}
		}
	})
}

// quick is how long a test may take to be among those that each mutant meets first.
const quick = 2 * time.Second

// try lets a mutant meet the tests that reach it, and notes what killed it.
func (r *mutationRun) try(number int) {
	m := r.mutants[number-1]
	for _, line := range []string{"quick tests", "slow tests"} {
		var tests []string
		limit := 20 * time.Second
		for _, test := range m.tests {
			if took := r.took[test]; (took < quick) == (line == "quick tests") {
				tests = append(tests, test)
				limit += 3 * took
			}
		}
		if len(tests) > 0 && !r.run(tests, number, "", limit) {
			m.killer = line
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
	source, err := programSource()
	if err != nil {
		t.Fatal(err)
	}
	mutants, err := drawMutants(source, count, seed)
	if err != nil {
		t.Fatal(err)
	}
	r, err := newMutationRun(t.TempDir(), source, mutants)
	if err != nil {
		t.Fatal(err)
	}
	tests, err := r.tests()
	if err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	r.cover(t, tests)
	fmt.Printf("%d tests alone: %v\n", len(tests), time.Since(started).Round(time.Second))
	inParallel(len(mutants), func(i int) { r.try(i + 1) })
	fmt.Printf("%d mutants: %v\n\n", len(mutants), time.Since(started).Round(time.Second))
	printMutants(mutants)
}

// printMutants prints a table of the mutants by file, and the survivors.
func printMutants(mutants []*mutant) {
	fmt.Println("| file | mutants | killed | by slow tests | survivors |")
	fmt.Println("| --- | ---: | ---: | ---: | ---: |")
	counts := map[string]*[4]int{"total": {}}
	for _, m := range mutants {
		if counts[m.file] == nil {
			counts[m.file] = &[4]int{}
		}
		for _, c := range []*[4]int{counts[m.file], counts["total"]} {
			c[0]++
			switch m.killer {
			case "":
				c[3]++
			case "slow tests":
				c[2]++
				fallthrough
			default:
				c[1]++
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		c := counts[name]
		fmt.Printf("| %s | %d | %d | %d | %d |\n", name, c[0], c[1], c[2], c[3])
	}
	fmt.Println()
	for i, m := range mutants {
		if m.killer == "" {
			note := ""
			if len(m.tests) == 0 {
				note = " (no test reaches it)"
			}
			fmt.Printf("survivor %d: %s:%d: %s%s\n", i+1, m.file, m.line, m.what, note)
		}
	}
}
