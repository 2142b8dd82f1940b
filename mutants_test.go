package main

import (
	"fmt"
	"go/ast"
	"go/constant"
	gotoken "go/token"
	"go/types"
	"maps"
	"math/rand/v2"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// This file draws mutants and writes them into the source; mutate_test.go runs tests on them.

// mutant is one small change to some bytes of the source. They give way to code that does the same
// unless this mutant is chosen.
type mutant struct {
	file       string
	line       int
	what       string // what was changed, for the report
	start, end int
	code       string   // mutantChosen(0) asks for this mutant
	tests      []string // the tests that reach it
	killer     string   // "" for a survivor
}

func (m *mutant) String() string {
	text := fmt.Sprintf("%s:%d: %s", m.file, m.line, m.what)
	if len(m.tests) == 0 {
		text += " (no test reaches it)"
	}
	return text
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

func (m *mutator) offset(p gotoken.Pos) int { return fileSet.Position(p).Offset }

// source returns the text of n.
func (m *mutator) source(n ast.Node) string {
	return m.text[m.offset(n.Pos()):m.offset(n.End())]
}

// add adds the mutant that puts code in the place of n.
func (m *mutator) add(n ast.Node, what, code string) {
	old := []rune(words(m.source(n)))
	if len(old) > 50 {
		old = append(old[:50], '…')
	}
	m.all = append(m.all, &mutant{file: m.name, line: fileSet.Position(n.Pos()).Line,
		what: what + ": " + string(old), start: m.offset(n.Pos()), end: m.offset(n.End()),
		code: code})
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

// withMutants returns the files that have mutants, with these written into them; the first mutant
// is number 1. Mutants do not overlap.
func withMutants(source map[string]string, mutants []*mutant) map[string]string {
	changed := map[string]string{}
	for i, m := range slices.Backward(mutants) { // the places of earlier ones stay
		if changed[m.file] == "" {
			changed[m.file] = source[m.file]
		}
		code := strings.ReplaceAll(m.code, "mutantChosen(0)", fmt.Sprintf("mutantChosen(%d)", i+1))
		changed[m.file] = changed[m.file][:m.start] + code + changed[m.file][m.end:]
	}
	return changed
}

// drawMutants returns count mutants of the files that are compiled here, drawn by seed: from each
// file as many as its share of all, and at least five.
func drawMutants(t testing.TB, source map[string]string, count int, seed uint64) []*mutant {
	p := compile(t, source, runtime.GOOS)
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
		share := max(5, (len(files[name])*count+total/2)/total)
		var chosen []*mutant
		for _, m := range files[name] {
			overlaps := slices.ContainsFunc(chosen, func(other *mutant) bool {
				return m.start < other.end && other.start < m.end
			})
			if len(chosen) < share && !overlaps {
				chosen = append(chosen, m)
			}
		}
		slices.SortFunc(chosen, func(a, b *mutant) int { return a.start - b.start })
		drawn = append(drawn, chosen...)
	}
	return drawn
}
