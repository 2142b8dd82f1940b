//go:build unix

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/constant"
	gotoken "go/token"
	"go/types"
	"maps"
	"math/rand/v2"
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

// A mutation run breaks the program in many small ways, one at a time, and checks whether a test
// notices. All mutants are compiled into one copy of the package, and a file chooses one of them. A
// first pass runs each test alone to learn which mutants it reaches. Then each mutant meets the
// tests that reach it: the quick ones, and if it survives those, the slow ones.

// mutant is one small change to some bytes of the source. They are replaced by code that does the
// same unless this mutant is chosen.
type mutant struct {
	at     gotoken.Position // of the first byte
	end    int              // the offset of the last, plus one
	what   string           // what was changed, for the report
	code   string           // mutantChosen(0) asks for this mutant
	tests  []string         // the tests that reach it
	killed bool
}

func (m *mutant) String() string {
	text := fmt.Sprintf("%s:%d: %s", m.at.Filename, m.at.Line, m.what)
	if len(m.tests) == 0 {
		text += " (no test reaches it)"
	}
	return text
}

func (m *mutant) overlaps(other *mutant) bool {
	return m.at.Filename == other.at.Filename && m.at.Offset < other.end && other.at.Offset < m.end
}

// mutator collects the mutants of one file.
type mutator struct {
	*checkedProgram
	text  string
	stack []ast.Node
	all   []*mutant
}

// visit is called by ast.Inspect: on the way down with a node, on the way up with nil.
func (m *mutator) visit(n ast.Node) bool {
	if n == nil {
		m.stack = m.stack[:len(m.stack)-1]
		return true
	}
	if decl, ok := n.(*ast.GenDecl); ok && decl.Tok != gotoken.VAR {
		return false
	}
	if _, ok := n.(*ast.ArrayType); ok {
		return false
	}
	parent := ast.Node(nil)
	if len(m.stack) > 0 {
		parent = m.stack[len(m.stack)-1]
	}
	if e, ok := n.(ast.Expr); ok && m.info.Types[e].Value != nil {
		m.constant(e, parent)
		return false
	}
	m.stack = append(m.stack, n)
	switch n := n.(type) {
	case *ast.IfStmt:
		m.expression(n.Cond, "bool", "condition negated", "return !(%s)")
	case *ast.ForStmt:
		if n.Cond != nil {
			m.expression(n.Cond, "bool", "condition negated", "return !(%s)")
		}
	case *ast.BinaryExpr:
		if other := opposites[n.Op]; other != "" {
			code := "return " + m.source(n.X) + other + m.source(n.Y)
			m.expression(n, "bool", n.Op.String()+" became "+other, code)
		}
	case ast.Stmt:
		m.statement(n, parent)
	}
	return true
}

// opposites are the operators that take the place of others.
var opposites = map[gotoken.Token]string{gotoken.LSS: "<=", gotoken.LEQ: "<", gotoken.GTR: ">=",
	gotoken.GEQ: ">", gotoken.EQL: "!=", gotoken.NEQ: "==", gotoken.LAND: "||", gotoken.LOR: "&&"}

// source returns the text of n.
func (m *mutator) source(n ast.Node) string {
	return m.text[fileSet.Position(n.Pos()).Offset:fileSet.Position(n.End()).Offset]
}

// add adds the mutant that replaces n with code.
func (m *mutator) add(n ast.Node, what, code string) {
	m.all = append(m.all, &mutant{
		at:   fileSet.Position(n.Pos()),
		end:  fileSet.Position(n.End()).Offset,
		what: fmt.Sprintf("%s: %.50s", what, strings.Join(strings.Fields(m.source(n)), " ")),
		code: code,
	})
}

// expression adds the mutant of an expression of type t that runs other, in which %s is the
// expression.
func (m *mutator) expression(e ast.Expr, t, what, other string) {
	old := m.source(e)
	m.add(e, what, "func() "+t+" { if mutantChosen(0) { "+strings.ReplaceAll(other, "%s", old)+
		" }; return "+old+" }()")
}

// changeable matches codes, headers, words and fields, which other programs rely on.
var changeable = regexp.MustCompile(`^[A-Za-z0-9_./:-]+$`)

// constant adds the mutant of a constant expression: one more, another text, the other truth.
func (m *mutator) constant(e ast.Expr, parent ast.Node) {
	switch p := parent.(type) {
	case *ast.KeyValueExpr:
		if p.Key == e {
			return // perhaps an index, which must be constant
		}
	case *ast.BinaryExpr:
		if p.Op == gotoken.SHL || p.Op == gotoken.SHR {
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
	pkg, _, qualified := strings.Cut(t, ".")
	if strings.HasPrefix(t, "untyped") || qualified && !strings.Contains(m.text, `"`+pkg+`"`) {
		return // a type that this file cannot name
	}
	value := "v := " + t + "(%s); return "
	switch tv.Value.Kind() {
	case constant.Bool:
		m.expression(e, t, "the other truth", value+"!v")
	case constant.Int, constant.Float:
		if t == "time.Duration" {
			m.expression(e, t, "twice as long", value+"2 * v")
		} else {
			m.expression(e, t, "one more", value+"v + 1")
		}
	case constant.String:
		if changeable.MatchString(constant.StringVal(tv.Value)) { // not prose
			m.expression(e, t, "another text", value+`v + "?"`)
		}
	}
}

// statement adds the mutant of a statement in a block: it is left out, or returns zero values.
func (m *mutator) statement(n ast.Stmt, parent ast.Node) {
	switch p := parent.(type) {
	case *ast.BlockStmt, *ast.CaseClause:
	case *ast.CommClause:
		if p.Comm == n { // what a select waits for must stay
			return
		}
	default:
		return
	}
	switch s := n.(type) {
	case *ast.ReturnStmt:
		m.returns(s)
		return
	case *ast.ExprStmt:
		if strings.HasPrefix(m.source(s), "panic(") {
			return
		}
	case *ast.AssignStmt:
		if s.Tok == gotoken.DEFINE {
			return
		}
	case *ast.BranchStmt:
		if s.Label != nil {
			return
		}
	case *ast.IncDecStmt, *ast.DeferStmt, *ast.SendStmt:
	default:
		return
	}
	m.add(n, "left out", "if !mutantChosen(0) { "+m.source(n)+" }")
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
	varies := false
	for _, e := range s.Results {
		value := m.info.Types[e]
		varies = varies || !value.IsNil() && value.Value == nil
	}
	if !varies {
		return
	}
	var zeros []string
	for _, field := range results.List {
		zero := "*new(" + m.source(field.Type) + ")"
		zeros = append(zeros, slices.Repeat([]string{zero}, max(1, len(field.Names)))...)
	}
	if strings.Join(zeros, "") == "*new(bool)" {
		m.expression(s.Results[0], "bool", "returns the opposite", "return !(%s)")
		return
	}
	m.add(s, "returns zero", "if mutantChosen(0) { return "+strings.Join(zeros, ", ")+" }; "+
		m.source(s))
}

// drawMutants returns count mutants of the files that are compiled here, drawn by seed, and more
// where a file would have fewer than five. They are in order, and do not overlap.
func drawMutants(t testing.TB, source map[string]string, count int, seed uint64) []*mutant {
	p := compile(t, source, runtime.GOOS)
	var all, drawn []*mutant
	for _, name := range slices.Sorted(maps.Keys(p.files)) {
		m := &mutator{checkedProgram: p, text: source[name]}
		ast.Inspect(p.files[name], m.visit)
		all = append(all, m.all...)
	}
	random := rand.New(rand.NewPCG(seed, 0))
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	inFile := map[string]int{}
	for _, m := range all {
		wanted := len(drawn) < count || inFile[m.at.Filename] < 5
		if wanted && !slices.ContainsFunc(drawn, m.overlaps) {
			drawn = append(drawn, m)
			inFile[m.at.Filename]++
		}
	}
	slices.SortFunc(drawn, func(a, b *mutant) int {
		return cmp.Or(cmp.Compare(a.at.Filename, b.at.Filename), a.at.Offset-b.at.Offset)
	})
	return drawn
}

// mutationRun is a mutated copy of the package, compiled, and the tests that can be run on it.
type mutationRun struct {
	dir     string
	env     []string
	mutants []*mutant
	took    map[string]time.Duration // by test, without any mutant
}

// newMutationRun writes the copy and compiles its tests. The first mutant is number 1.
func newMutationRun(t *testing.T, count int, seed uint64) *mutationRun {
	source := programSource(t)
	r := &mutationRun{dir: t.TempDir(), took: map[string]time.Duration{}}
	r.mutants = drawMutants(t, source, count, seed)
	for i, m := range slices.Backward(r.mutants) { // the places of earlier ones stay
		code := strings.ReplaceAll(m.code, "mutantChosen(0)", fmt.Sprintf("mutantChosen(%d)", i+1))
		text := source[m.at.Filename]
		source[m.at.Filename] = text[:m.at.Offset] + code + text[m.end:]
	}
	support, err := os.ReadFile("testdata/mutants.go")
	must(t, err)
	// The first file in order: what mutants read must be initialized before what they change.
	source["a_mutants.go"] = strings.TrimPrefix(string(support), "//go:build ignore\n")
	must(t, copyPackage(r.dir, source), os.Chmod(filepath.Dir(r.dir), 0o755))
	build := exec.Command("go", "test", "-c", "-vet=off", "-o", "mutated.test", ".")
	build.Dir = r.dir
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("the mutated package does not compile: %v\n%s", err, out)
	}
	cache, err := exec.Command("go", "env", "GOCACHE").Output() // for tests that build the program
	must(t, err)
	r.env = append(os.Environ(), "GOCACHE="+strings.TrimSpace(string(cache)))
	return r
}

// untested are the files whose tests are about the source, the machine or the release, or build
// much: no mutant meets them.
var untested = strings.Fields("audit policy mutate dist demo bench noquery")

// mutantTests returns the names of the tests that mutants meet.
func mutantTests() []string {
	function := regexp.MustCompile(`(?m)^func ((Test|Fuzz)\w+)\([tf] `)
	var names []string
	files, _ := filepath.Glob("*_test.go")
	for _, name := range files {
		text, _ := os.ReadFile(name)
		if !slices.Contains(untested, strings.TrimSuffix(name, "_test.go")) {
			for _, match := range function.FindAllStringSubmatch(string(text), -1) {
				names = append(names, match[1])
			}
		}
	}
	return names
}

// run runs tests on the copy with the given mutant, 0 for none. It reports whether they pass within
// the limit, and returns the numbers of the mutants reached if none is chosen. What else a broken
// program can do is bounded: by limits on memory and the size of files, and a home of its own.
func (r *mutationRun) run(tests []string, number int, limit time.Duration) (bool, []string) {
	home, err := os.MkdirTemp(r.dir, "home-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(home)
	executable := filepath.Join(home, "mutated.test")
	err = errors.Join(os.Link(filepath.Join(r.dir, "mutated.test"), executable),
		os.WriteFile(filepath.Join(home, "chosen"), []byte(strconv.Itoa(number)), 0o644),
		os.WriteFile(filepath.Join(home, "reached"), nil, 0o644),
		os.Chmod(home, 0o755), // some tests run as another user
		os.Chmod(filepath.Join(home, "reached"), 0o666))
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	const bounded = `ulimit -v 8000000; ulimit -f 1000000; exec "$0" "$@"`
	cmd := exec.CommandContext(ctx, "sh", "-c", bounded, executable, "-test.failfast",
		"-test.run=^("+strings.Join(tests, "|")+")$")
	cmd.Dir, cmd.Env = r.dir, append(slices.Clip(r.env), "HOME="+home, "TMPDIR="+home)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	err = cmd.Run()
	reached, _ := os.ReadFile(filepath.Join(home, "reached"))
	numbers := strings.Fields(string(reached)) // from each process
	slices.Sort(numbers)
	return err == nil, slices.Compact(numbers)
}

// inParallel calls do for 0 to n-1, on all processors.
func inParallel(n int, do func(i int)) {
	var running sync.WaitGroup
	places := make(chan bool, runtime.NumCPU()+2) // some tests wait
	for i := range n {
		places <- true
		running.Add(1)
		go func() {
			defer running.Done()
			do(i)
			<-places
		}()
	}
	running.Wait()
}

// cover runs each test alone without a mutant, and notes how long it takes and what it reaches.
func (r *mutationRun) cover(t *testing.T, tests []string) {
	var lock sync.Mutex
	inParallel(len(tests), func(i int) {
		began := time.Now()
		passed, reached := r.run(tests[i:i+1], 0, 5*time.Minute)
		lock.Lock()
		defer lock.Unlock()
		if !passed {
			fmt.Printf("%s fails without a mutant, and is left out\n", tests[i])
			return
		}
		r.took[tests[i]] = time.Since(began)
		for _, number := range reached {
			if n, err := strconv.Atoi(number); err == nil && n <= len(r.mutants) {
				r.mutants[n-1].tests = append(r.mutants[n-1].tests, tests[i])
			}
		}
	})
}

// try lets a mutant meet the tests that reach it, and notes whether one kills it.
func (r *mutationRun) try(number int) {
	const quick = 2 * time.Second // how long a test may take to be among those that come first
	const slow = 10 * time.Second // longer tests, such as floods of memory, are left out
	m := r.mutants[number-1]
	for _, first := range []bool{true, false} {
		var tests []string
		took := time.Duration(0)
		for _, test := range m.tests {
			if r.took[test] < slow && (r.took[test] < quick) == first {
				tests = append(tests, test)
				took += r.took[test]
			}
		}
		if len(tests) > 0 && !m.killed {
			passed, _ := r.run(tests, number, 20*time.Second+took)
			m.killed = !passed
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
	r, tests, started := newMutationRun(t, count, seed), mutantTests(), time.Now()
	r.cover(t, tests)
	fmt.Printf("%d tests alone: %v\n", len(tests), time.Since(started).Round(time.Second))
	inParallel(len(r.mutants), func(i int) {
		if r.try(i + 1); !r.mutants[i].killed {
			fmt.Printf("survivor %d: %v\n", i+1, r.mutants[i])
		}
	})
	fmt.Printf("%d mutants: %v\n\n", len(r.mutants), time.Since(started).Round(time.Second))
	fmt.Print("| file | mutants | survivors |\n| --- | ---: | ---: |\n")
	drawn, survived := map[string]int{}, map[string]int{}
	for _, m := range r.mutants {
		for _, name := range []string{m.at.Filename, "~ all"} {
			drawn[name]++
			if !m.killed {
				survived[name]++
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(drawn)) {
		shown := strings.TrimPrefix(name, "~ ")
		fmt.Printf("| %s | %d | %d |\n", shown, drawn[name], survived[name])
	}
}
