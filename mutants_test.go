package main

import (
	"cmp"
	"go/ast"
	"go/constant"
	gotoken "go/token"
	"go/types"
	"maps"
	"math/rand/v2"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// This file draws mutants and writes them into the source; mutate_test.go runs tests on them.

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
	*checkedProgram
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
	if decl, ok := n.(*ast.GenDecl); ok && decl.Tok != gotoken.VAR {
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

func (m *mutator) offset(p gotoken.Pos) int { return fileSet.Position(p).Offset }

// source returns the text of n.
func (m *mutator) source(n ast.Node) string {
	return m.text[m.offset(n.Pos()):m.offset(n.End())]
}

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
			mutated.at, mutated.operator = m.offset(n.OpPos), n.Op.String()
			mutated.between = between
		}
	}
	const function = ", func() bool { return ("
	switch n.Op {
	case gotoken.LSS:
		wrap("<=", "mutLess", ", ", ")")
	case gotoken.LEQ:
		wrap("<", "mutAtMost", ", ", ")")
	case gotoken.GTR:
		wrap(">=", "mutMore", ", ", ")")
	case gotoken.GEQ:
		wrap(">", "mutAtLeast", ", ", ")")
	case gotoken.EQL:
		wrap("!=", "mutNot", "", ")")
	case gotoken.NEQ:
		wrap("==", "mutNot", "", ")")
	case gotoken.LAND:
		wrap("||", "mutAnd", function, ") })")
	case gotoken.LOR:
		wrap("&&", "mutOr", function, ") })")
	}
}

// changeable matches codes, headers, words and fields, which other programs rely on.
var changeable = regexp.MustCompile(`^[A-Za-z0-9_./:-]+$`)

// constant adds the mutants of a constant expression: one more, another text, the other truth.
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
		call, what := "mutMoreByOne(%d, ", "one more"
		if t == "time.Duration" {
			call, what = "mutTwice(%d, ", "twice as long"
		}
		m.wrap(e, what, call+t+"(", "))")
	case constant.String:
		if changeable.MatchString(constant.StringVal(tv.Value)) { // not prose
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
		if s.Tok == gotoken.DEFINE {
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
	slices.SortFunc(edits, func(a, b edit) int { // the outer opens first, closes last
		outer := cmp.Or((b.end-b.start)-(a.end-a.start), numbers[a.mutant]-numbers[b.mutant])
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
		m := &mutator{checkedProgram: p, name: name, text: source[name]}
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
