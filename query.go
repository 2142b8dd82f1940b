package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// This file is --query: JMESPath as https://jmespath.org/specification.html defines it, and nothing beyond. It compiles an
// expression to a tree before anything else is done, and evaluates the tree over the values of json.go. It computes only. A
// site that does not want it deletes this file and the three places that README names.
//
// Inside, errors are thrown as *failure and caught in compileQuery and run, so that the grammar's rules read as rules.

const (
	maxQueryDepth  = 1000     // levels of an expression, left chains such as a.b.c counted
	maxQueryResult = 32 << 20 // bytes of JSON that a query may come to, and values that it may make on the way
)

// query is a compiled expression.
type query struct {
	text string
	root *expr
}

// compileQuery compiles an expression. The error is a *failure: query.syntax; query.function for an unknown function or a wrong
// number of arguments; query.type for a slice with step 0.
func compileQuery(text string) (q *query, err error) {
	defer catch(&err)
	p := &queryParser{text: text, tokens: scan(text)}
	root := p.expression(0)
	if t := p.peek(); t.kind != "end" {
		p.unexpected(t)
	}
	return &query{text, root}, nil
}

// apply returns the query's result over v; v itself if q is nil.
func (q *query) apply(v any) (any, error) {
	if q == nil {
		return v, nil
	}
	return q.run(v, maxQueryResult)
}

// run returns the query's result over v, of at most limit bytes of JSON, for which at most limit values were made. The error
// is a *failure: query.type.
func (q *query) run(v any, limit int) (result any, err error) {
	defer catch(&err)
	r := &evaluation{text: q.text, left: limit}
	result = r.eval(q.root, v)
	if writeJSON(&bounded{left: limit + 1}, result) != nil { // one for the line end
		r.fail(q.root, "the result is larger than %d MiB", limit>>20)
	}
	return result, nil
}

// catch makes an error of a failure that was thrown.
func catch(err *error) {
	switch thrown := recover().(type) {
	case nil:
	case *failure:
		*err = thrown
	default:
		panic(thrown)
	}
}

// queryFailure returns a failure that shows the place at, a byte offset, in a window of the expression.
func queryFailure(c *code, text string, at int, format string, args ...any) *failure {
	const before, width = 30, 60
	var shown []string // each rune
	place := 0
	for i, rest := 0, hideKeys(text); len(rest) > 0; {
		if i < at {
			place++
		}
		_, size := utf8.DecodeRuneInString(rest)
		shown = append(shown, clean(rest[:size]))
		i, rest = i+size, rest[size:]
	}
	start := max(0, min(place-before, len(shown)-width))
	end := min(len(shown), start+width)
	left, right := strings.Join(shown[start:place], ""), strings.Join(shown[place:end], "")
	if start > 0 {
		left = "…" + left
	}
	if end < len(shown) {
		right += "…"
	}
	f := fail(c, "bad query: "+format, args...)
	f.detail = []string{left + right, strings.Repeat(" ", utf8.RuneCountInString(left)) + "^"}
	return f
}

// hideKeys puts a * for each character behind mic_, as long as it may be part of a key.
func hideKeys(text string) string {
	out := []byte(text)
	for i := 0; i+4 <= len(out); i++ {
		if !strings.EqualFold(text[i:i+4], "mic_") {
			continue
		}
		for i += 4; i < len(out) && out[i] > ' ' && out[i] <= '~' && !strings.ContainsRune("\"'`", rune(out[i])); i++ {
			out[i] = '*'
		}
	}
	return string(out)
}

// lexeme is a word of the language, or token. kind is "name", "quoted name", "number", "string", "literal", "end", or the word itself.
type lexeme struct {
	kind string
	text string // a name's or string's value, a number's digits, a literal's JSON
	at   int    // byte offset
}

// scan splits an expression into tokens; the last one is "end".
func scan(text string) []lexeme {
	var tokens []lexeme
	for i := 0; i < len(text); {
		at := i
		kind, value := "", ""
		switch c := text[i]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
			continue
		case c == '_' || isLetter(c):
			for i < len(text) && (text[i] == '_' || isLetter(text[i]) || isDigit(text[i])) {
				i++
			}
			kind, value = "name", text[at:i]
		case c == '-' || isDigit(c):
			for i++; i < len(text) && isDigit(text[i]); i++ {
			}
			if text[at:i] == "-" {
				panic(queryFailure(codeQuerySyntax, text, at, "a digit must follow -"))
			}
			kind, value = "number", text[at:i]
		case c == '"':
			i = behindDelimiter(text, at)
			v, err := decodeJSON([]byte(text[at:i]), "", "")
			if err != nil {
				panic(queryFailure(codeQuerySyntax, text, at, "what stands between the quotes is not a JSON string"))
			}
			kind, value = "quoted name", v.(string)
		case c == '\'':
			i = behindDelimiter(text, at)
			kind, value = "string", strings.ReplaceAll(text[at+1:i-1], `\'`, `'`)
		case c == '`':
			i = behindDelimiter(text, at)
			kind, value = "literal", strings.ReplaceAll(text[at+1:i-1], "\\`", "`")
		default:
			for _, word := range []string{"[?", "[]", "&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", ".", "*", "[", "]", "{", "}", "(", ")", ",", ":", "@", "&", "|"} {
				if strings.HasPrefix(text[i:], word) {
					kind = word
					break
				}
			}
			if kind == "" {
				_, size := utf8.DecodeRuneInString(text[i:])
				panic(queryFailure(codeQuerySyntax, text, at, "%s has no meaning here", clean(text[i:i+size])))
			}
			i += len(kind)
		}
		tokens = append(tokens, lexeme{kind, value, at})
	}
	return append(tokens, lexeme{"end", "", len(text)})
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }

// behindDelimiter returns the offset behind the text between two of the delimiter at text[at]. A backslash takes the next
// character with it.
func behindDelimiter(text string, at int) int {
	for i := at + 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case text[at]:
			return i + 1
		}
	}
	panic(queryFailure(codeQuerySyntax, text, at, "nothing closes this %c", text[at]))
}

// operation is what an expression does.
type operation int

const (
	opCurrent    operation = iota // @
	opConstant                    // value
	opMember                      // name
	opIndex                       // [numbers[0]], of what left gives
	opSlice                       // [numbers[0]:numbers[1]:numbers[2]], of what left gives
	opChain                       // left.right, left | right
	opProjection                  // right of each element of left
	opValuesOf                    // right of each value of the object left
	opFilter                      // right of each element of left for which condition holds
	opFlatten                     // left[]
	opOr                          // left || right
	opAnd                         // left && right
	opNot                         // !left
	opComparison                  // left name right
	opListOf                      // [args]
	opHashOf                      // {names: args}
	opCall                        // name(args)
	opReference                   // &left
)

// expr is a node of the tree.
type expr struct {
	kind        operation
	at          int // byte offset, for errors of the evaluation
	depth       int
	name        string
	value       any
	numbers     [3]*int64 // nil where a slice leaves one out
	left, right *expr
	condition   *expr
	names       []string
	args        []*expr
	function    *function
}

// queryParser is a Pratt parser: each kind of lexeme has a binding power, and an expression goes on for as long as that of the next
// lexeme is above the one that it was asked with.
type queryParser struct {
	text   string
	tokens []lexeme // what is left
	nested int
}

// powers of the tokens that can stand behind an expression.
func power(kind string) int {
	switch kind {
	case "|":
		return 1
	case "||":
		return 2
	case "&&":
		return 3
	case "==", "!=", "<", "<=", ">", ">=":
		return 5
	case "[]":
		return 9
	case "[?":
		return 21
	case ".":
		return 40
	case "[":
		return 55
	case "(":
		return 60
	}
	return 0
}

const (
	powerOfProjection = 20 // what ends a projection has less than 10
	powerOfNot        = 45
	endOfProjection   = 10
)

func (p *queryParser) peek() lexeme { return p.tokens[0] }

func (p *queryParser) next() lexeme {
	t := p.tokens[0]
	if t.kind != "end" {
		p.tokens = p.tokens[1:]
	}
	return t
}

// take removes the next lexeme if it is of that kind.
func (p *queryParser) take(kind string) bool {
	if p.peek().kind == kind {
		p.next()
		return true
	}
	return false
}

func (p *queryParser) expect(kind string) lexeme {
	if p.peek().kind != kind {
		p.unexpected(p.peek(), kind)
	}
	return p.next()
}

func (p *queryParser) fail(at int, format string, args ...any) {
	panic(queryFailure(codeQuerySyntax, p.text, at, format, args...))
}

func (p *queryParser) unexpected(t lexeme, instead ...string) {
	what := t.kind
	if t.kind == "end" {
		what = "end of the query"
	}
	if len(instead) > 0 {
		p.fail(t.at, "unexpected %s, want %s", what, instead[0])
	}
	p.fail(t.at, "unexpected %s", what)
}

// node returns an expression after checking its depth.
func (p *queryParser) node(e expr) *expr {
	for _, part := range append([]*expr{e.left, e.right, e.condition}, e.args...) {
		if part != nil {
			e.depth = max(e.depth, part.depth+1)
		}
	}
	if e.depth > maxQueryDepth {
		p.fail(e.at, "nested more than %d levels deep", maxQueryDepth)
	}
	return &e
}

// expression parses as much as binds more tightly than above.
func (p *queryParser) expression(above int) *expr {
	if p.nested++; p.nested > maxQueryDepth {
		p.fail(p.peek().at, "nested more than %d levels deep", maxQueryDepth)
	}
	e := p.start()
	for power(p.peek().kind) > above {
		e = p.goOn(e)
	}
	p.nested--
	return e
}

// start parses what an expression can begin with.
func (p *queryParser) start() *expr {
	t := p.next()
	here := expr{kind: opCurrent, at: t.at}
	switch t.kind {
	case "name", "quoted name":
		if t.kind == "quoted name" && p.peek().kind == "(" {
			p.fail(t.at, "a function's name takes no quotes")
		}
		return p.node(expr{kind: opMember, at: t.at, name: t.text})
	case "string":
		return p.node(expr{kind: opConstant, at: t.at, value: t.text})
	case "literal":
		return p.literal(t)
	case "@":
		return &here
	case "*":
		return p.node(expr{kind: opValuesOf, at: t.at, left: &here, right: p.projected(powerOfProjection)})
	case "[]":
		return p.flattened(t, &here)
	case "[?":
		return p.filtered(t, &here)
	case "!":
		return p.node(expr{kind: opNot, at: t.at, left: p.expression(powerOfNot)})
	case "(":
		e := p.expression(0)
		p.expect(")")
		return e
	case "{":
		return p.hash(t)
	case "[":
		if p.atBracket() {
			return p.bracket(t, &here)
		}
		return p.list(t)
	case "&":
		p.fail(t.at, "& is for the argument of a function that wants one, such as sort_by")
	}
	p.unexpected(t)
	return nil
}

// goOn parses what can stand behind an expression.
func (p *queryParser) goOn(left *expr) *expr {
	t := p.next()
	switch t.kind {
	case ".":
		if star := p.peek(); p.take("*") {
			return p.node(expr{kind: opValuesOf, at: star.at, left: left, right: p.projected(powerOfProjection)})
		}
		return p.node(expr{kind: opChain, at: t.at, left: left, right: p.behindDot(power("."))})
	case "|":
		return p.node(expr{kind: opChain, at: t.at, left: left, right: p.expression(power("|"))})
	case "||":
		return p.node(expr{kind: opOr, at: t.at, left: left, right: p.expression(power("||"))})
	case "&&":
		return p.node(expr{kind: opAnd, at: t.at, left: left, right: p.expression(power("&&"))})
	case "==", "!=", "<", "<=", ">", ">=":
		return p.node(expr{kind: opComparison, at: t.at, name: t.kind, left: left, right: p.expression(power(t.kind))})
	case "[]":
		return p.flattened(t, left)
	case "[?":
		return p.filtered(t, left)
	case "[":
		return p.bracket(t, left)
	case "(":
		return p.call(t, left)
	}
	p.unexpected(t)
	return nil
}

// projected parses what a projection does with each element: nothing, or what stands behind it.
func (p *queryParser) projected(above int) *expr {
	t := p.peek()
	switch {
	case power(t.kind) < endOfProjection:
		return &expr{kind: opCurrent, at: t.at}
	case t.kind == ".":
		p.next()
		return p.behindDot(above)
	case t.kind == "[?":
		return p.expression(above)
	case t.kind == "[":
		rest := *p
		if rest.next(); !rest.atBracket() {
			p.unexpected(rest.peek(), "a number")
		}
		return p.expression(above)
	}
	p.unexpected(t)
	return nil
}

// atBracket tells whether what follows a [ is an index, a slice or *, and not a list.
func (p *queryParser) atBracket() bool {
	next := p.peek().kind
	return next == "number" || next == ":" || next == "*" && p.tokens[1].kind == "]"
}

// behindDot parses what can stand behind a dot: a name, a function, *, a list or a hash.
func (p *queryParser) behindDot(above int) *expr {
	switch t := p.peek(); t.kind {
	case "name", "quoted name", "*":
		return p.expression(above)
	case "[":
		return p.list(p.next())
	case "{":
		return p.hash(p.next())
	default:
		p.unexpected(t, "a name")
		return nil
	}
}

// literal parses JSON between backticks.
func (p *queryParser) literal(t lexeme) *expr {
	v, err := decodeJSON([]byte(t.text), "", "")
	if err == nil {
		return p.node(expr{kind: opConstant, at: t.at, value: v})
	}
	f := queryFailure(codeQuerySyntax, p.text, t.at, "what stands between the backticks is not JSON")
	if t.text != "" && !looksLikeKey(t.text) && !strings.ContainsAny(t.text, "'\"[{") {
		f.withHint("use '%s'", t.text)
	}
	panic(f)
}

// flattened parses left[] and what stands behind it.
func (p *queryParser) flattened(t lexeme, left *expr) *expr {
	flat := p.node(expr{kind: opFlatten, at: t.at, left: left})
	return p.node(expr{kind: opProjection, at: t.at, left: flat, right: p.projected(power("[]"))})
}

// filtered parses left[?condition] and what stands behind it.
func (p *queryParser) filtered(t lexeme, left *expr) *expr {
	condition := p.expression(0)
	p.expect("]")
	return p.node(expr{kind: opFilter, at: t.at, left: left, condition: condition, right: p.projected(power("[?"))})
}

// bracket parses left[number], left[a:b:c] or left[*], and for the latter two what stands behind it.
func (p *queryParser) bracket(t lexeme, left *expr) *expr {
	if p.take("*") {
		p.expect("]")
		return p.node(expr{kind: opProjection, at: t.at, left: left, right: p.projected(powerOfProjection)})
	}
	e := expr{kind: opIndex, at: t.at, left: left}
	for i := 0; ; i++ {
		if n := p.peek(); p.take("number") {
			e.numbers[i] = p.number(n)
		}
		if i == 2 || !p.take(":") {
			break
		}
		e.kind = opSlice
	}
	if p.peek().kind != "]" || e.kind == opIndex && e.numbers[0] == nil {
		p.unexpected(p.peek(), "a number")
	}
	p.next()
	if e.kind == opIndex {
		return p.node(e)
	}
	if step := e.numbers[2]; step != nil && *step == 0 {
		panic(queryFailure(codeQueryType, p.text, t.at, "a slice cannot have step 0"))
	}
	return p.node(expr{kind: opProjection, at: t.at, left: p.node(e), right: p.projected(powerOfProjection)})
}

// number returns the value of a number token; one that does not fit is as good as the largest that does.
func (p *queryParser) number(t lexeme) *int64 {
	n, _ := strconv.ParseInt(t.text, 10, 64)
	return &n
}

// list parses a multi-select list behind its bracket.
func (p *queryParser) list(t lexeme) *expr {
	e := expr{kind: opListOf, at: t.at}
	for {
		e.args = append(e.args, p.expression(0))
		if !p.take(",") {
			p.expect("]")
			return p.node(e)
		}
	}
}

// hash parses a multi-select hash behind its brace. Of a name that stands twice the last expression counts, in the first place.
func (p *queryParser) hash(t lexeme) *expr {
	e := expr{kind: opHashOf, at: t.at}
	places := map[string]int{}
	for {
		name := p.next()
		if name.kind != "name" && name.kind != "quoted name" {
			p.unexpected(name, "a name")
		}
		p.expect(":")
		value := p.expression(0)
		if i, twice := places[name.text]; twice {
			e.args[i] = value
		} else {
			places[name.text] = len(e.names)
			e.names, e.args = append(e.names, name.text), append(e.args, value)
		}
		if !p.take(",") {
			p.expect("}")
			return p.node(e)
		}
	}
}

// call parses the arguments of the function that left names.
func (p *queryParser) call(t lexeme, left *expr) *expr {
	if left.kind != opMember || left.at+len(left.name) != t.at && strings.TrimSpace(p.text[left.at+len(left.name):t.at]) != "" {
		p.unexpected(t)
	}
	i := slices.IndexFunc(functions, func(f function) bool { return f.name == left.name })
	if i < 0 {
		var names []string
		for _, f := range functions {
			names = append(names, f.name)
		}
		hint := "run 'microtica help'"
		if meant := closest(left.name, names); meant != "" {
			hint = "did you mean " + meant + "?"
		}
		panic(queryFailure(codeQueryFunction, p.text, left.at, "unknown function %s", shown(left.name)).withHint("%s", hint))
	}
	e := expr{kind: opCall, at: left.at, name: left.name, function: &functions[i]}
	for !p.take(")") {
		if len(e.args) > 0 {
			p.expect(",")
		}
		if amp := p.peek(); amp.kind == "&" && e.function.wants(len(e.args)) == "&" {
			p.next()
			e.args = append(e.args, p.node(expr{kind: opReference, at: amp.at, left: p.expression(0)}))
		} else {
			e.args = append(e.args, p.expression(0))
		}
	}
	if n := len(e.function.args); len(e.args) < n || len(e.args) > n && !e.function.variadic {
		panic(queryFailure(codeQueryFunction, p.text, left.at, "%s() takes %s, not %d", e.name, e.function.count(), len(e.args)))
	}
	return p.node(e)
}

// function is one of the built-in functions. args are the types that each argument may have: n number, s string, b boolean, a
// array, o object, N array of numbers, S array of strings, * any, & an expression. With variadic the last may be repeated.
type function struct {
	name     string
	args     []string
	variadic bool
}

var functions = []function{
	{"abs", []string{"n"}, false},
	{"avg", []string{"N"}, false},
	{"ceil", []string{"n"}, false},
	{"contains", []string{"as", "*"}, false},
	{"ends_with", []string{"s", "s"}, false},
	{"floor", []string{"n"}, false},
	{"join", []string{"s", "S"}, false},
	{"keys", []string{"o"}, false},
	{"length", []string{"sao"}, false},
	{"map", []string{"&", "a"}, false},
	{"max", []string{"NS"}, false},
	{"max_by", []string{"a", "&"}, false},
	{"merge", []string{"o"}, true},
	{"min", []string{"NS"}, false},
	{"min_by", []string{"a", "&"}, false},
	{"not_null", []string{"*"}, true},
	{"reverse", []string{"sa"}, false},
	{"sort", []string{"NS"}, false},
	{"sort_by", []string{"a", "&"}, false},
	{"starts_with", []string{"s", "s"}, false},
	{"sum", []string{"N"}, false},
	{"to_array", []string{"*"}, false},
	{"to_number", []string{"*"}, false},
	{"to_string", []string{"*"}, false},
	{"type", []string{"*"}, false},
	{"values", []string{"o"}, false},
}

// wants returns the types of the i-th argument; "" where there is none.
func (f *function) wants(i int) string {
	switch {
	case i < len(f.args):
		return f.args[i]
	case f.variadic:
		return f.args[len(f.args)-1]
	}
	return ""
}

// count says how many arguments the function takes.
func (f *function) count() string {
	count := fmt.Sprintf("%d arguments", len(f.args))
	if len(f.args) == 1 {
		count = "1 argument"
	}
	if f.variadic {
		count += " or more"
	}
	return count
}

// evaluation is one run of a query.
type evaluation struct {
	text string
	left int // how many values, or bytes of strings, may still be made
}

func (r *evaluation) fail(e *expr, format string, args ...any) {
	panic(queryFailure(codeQueryType, r.text, e.at, format, args...))
}

// spend takes from what may still be made, so that an expression that doubles its result again and again ends soon.
func (r *evaluation) spend(e *expr, n int) {
	if r.left -= n; r.left < 0 {
		r.fail(e, "it makes too many values")
	}
}

// eval returns the value of e, with v for @.
func (r *evaluation) eval(e *expr, v any) any {
	switch e.kind {
	case opCurrent:
		return v
	case opConstant:
		return e.value
	case opMember:
		value, _ := field(v, e.name)
		return value
	case opIndex:
		list := r.list(e, v)
		i := *e.numbers[0]
		if i < 0 {
			i += int64(len(list))
		}
		if i < 0 || i >= int64(len(list)) {
			return nil
		}
		return list[i]
	case opSlice:
		if list := r.list(e, v); list != nil {
			return r.slice(e, list)
		}
		return nil
	case opChain:
		return r.eval(e.right, r.eval(e.left, v))
	case opProjection, opFilter:
		list := r.list(e, v)
		if list == nil {
			return nil
		}
		return r.project(e, list)
	case opValuesOf:
		o, ok := members(r.eval(e.left, v))
		if !ok {
			return nil
		}
		r.spend(e, len(o.values))
		return r.project(e, o.values)
	case opFlatten:
		list := r.list(e, v)
		if list == nil {
			return nil
		}
		total := 0 // first, so that what is too much is never made
		for _, element := range list {
			total += max(1, arrayLength(element))
		}
		r.spend(e, total)
		flat := make([]any, 0, total)
		for _, element := range list {
			if inner, ok := elements(element); ok {
				flat = append(flat, inner...)
			} else {
				flat = append(flat, element)
			}
		}
		return flat
	case opOr:
		if left := r.eval(e.left, v); truthy(left) {
			return left
		}
		return r.eval(e.right, v)
	case opAnd:
		if left := r.eval(e.left, v); !truthy(left) {
			return left
		}
		return r.eval(e.right, v)
	case opNot:
		return !truthy(r.eval(e.left, v))
	case opComparison:
		return r.compare(e, r.eval(e.left, v), r.eval(e.right, v))
	case opListOf, opHashOf:
		if v == nil {
			return nil
		}
		r.spend(e, len(e.args))
		values := make([]any, len(e.args))
		for i, arg := range e.args {
			values[i] = r.eval(arg, v)
		}
		if e.kind == opHashOf {
			return &object{e.names, values}
		}
		return values
	}
	return r.call(e, v)
}

// list returns the array that e.left gives; nil for any other value.
func (r *evaluation) list(e *expr, v any) []any {
	list, _ := elements(r.eval(e.left, v))
	r.spend(e, len(list))
	return list
}

// project returns what e.right gives for each element that e.condition holds for, without nulls.
func (r *evaluation) project(e *expr, list []any) any {
	r.spend(e, len(list))
	out := make([]any, 0, len(list))
	for _, element := range list {
		if e.condition != nil && !truthy(r.eval(e.condition, element)) {
			continue
		}
		if value := r.eval(e.right, element); value != nil {
			out = append(out, value)
		}
	}
	return out
}

// slice returns the elements from start to stop, step apart; negative places count from the end.
func (r *evaluation) slice(e *expr, list []any) any {
	n, step := int64(len(list)), int64(1)
	if e.numbers[2] != nil {
		step = max(-n-1, min(*e.numbers[2], n+1)) // further is the same, and cannot overflow
	}
	place := func(number *int64, none, low, high int64) int64 {
		if number == nil {
			return none
		}
		at := *number
		if at < 0 {
			at = max(at, -n-1) + n
		}
		return max(low, min(at, high))
	}
	out := []any{}
	if step > 0 {
		for i, stop := place(e.numbers[0], 0, 0, n), place(e.numbers[1], n, 0, n); i < stop; i += step {
			out = append(out, list[i])
		}
	} else {
		for i, stop := place(e.numbers[0], n-1, -1, n-1), place(e.numbers[1], -1, -1, n-1); i > stop; i += step {
			out = append(out, list[i])
		}
	}
	return out
}

// truthy is false for null, false, and the empty string, array and object.
func truthy(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case string:
		return v != ""
	case []any:
		return len(v) > 0
	case *object:
		return len(v.names) > 0
	case node:
		return v.doc.after(v.at) > v.at+1
	}
	return true
}

// compare returns what a comparison gives: null for an order of anything but numbers.
func (r *evaluation) compare(e *expr, a, b any) any {
	switch e.name {
	case "==":
		return r.equal(e, a, b)
	case "!=":
		return !r.equal(e, a, b)
	}
	x, isNumber := a.(number)
	y, areNumbers := b.(number)
	if !isNumber || !areNumbers {
		return nil
	}
	order := compareNumbers(x, y)
	switch e.name {
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	}
	return order >= 0
}

// equal tells whether two values are the same; the members of objects may be in any order.
func (r *evaluation) equal(e *expr, a, b any) bool {
	switch x := a.(type) {
	case nil, bool, string:
		r.spend(e, 1)
		return a == b
	case number:
		y, ok := b.(number)
		r.spend(e, 1)
		return ok && compareNumbers(x, y) == 0
	}
	r.spend(e, 8) // what taking them out of a document costs
	if x, ok := elements(a); ok {
		y, ok := elements(b)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !r.equal(e, x[i], y[i]) {
				return false
			}
		}
		return true
	}
	x, _ := members(a)
	y, ok := members(b)
	if !ok || len(x.names) != len(y.names) {
		return false
	}
	r.spend(e, 8*len(y.names)) // what the map costs
	values := make(map[string]any, len(y.names))
	for i, name := range y.names {
		values[name] = y.values[i]
	}
	for i, name := range x.names {
		if other, ok := values[name]; !ok || !r.equal(e, x.values[i], other) {
			return false
		}
	}
	return true
}

// compareNumbers compares as integers where both are and fit 64 bits, else as floating point numbers.
func compareNumbers(a, b number) int {
	x, errX := strconv.ParseInt(string(a), 10, 64)
	y, errY := strconv.ParseInt(string(b), 10, 64)
	if errX == nil && errY == nil {
		return cmp.Compare(x, y)
	}
	return cmp.Compare(a.float(), b.float())
}

// float returns the nearest floating point number, which may be infinite.
func (n number) float() float64 {
	f, _ := strconv.ParseFloat(string(n), 64)
	return f
}

// number returns the JSON number for f.
func (r *evaluation) number(e *expr, f float64) number {
	switch {
	case math.IsInf(f, 0) || math.IsNaN(f):
		r.fail(e, "%s() comes to no finite number", e.name)
	case f == 0:
		return "0" // not -0
	case math.Abs(f) >= 1e21 || math.Abs(f) < 1e-6:
		return number(strconv.FormatFloat(f, 'e', -1, 64))
	}
	return number(strconv.FormatFloat(f, 'f', -1, 64))
}

// typeName returns what the function type says of a value.
func typeName(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case number:
		return "number"
	case string:
		return "string"
	case []any:
		return "array"
	case node:
		if !v.isObject() {
			return "array"
		}
	}
	return "object"
}

// fits tells whether a value is of one of the types, as function names them.
func fits(v any, types string) bool {
	name := typeName(v)
	for _, t := range types {
		switch t {
		case '*':
			return true
		case 'N', 'S':
			list, ok := elements(v)
			want := map[rune]string{'N': "number", 'S': "string"}[t]
			if ok && !slices.ContainsFunc(list, func(element any) bool { return typeName(element) != want }) {
				return true
			}
		default:
			if t == rune(name[0]) && v != nil {
				return true
			}
		}
	}
	return false
}

// typesInWords returns types as a person says it.
func typesInWords(types string) string {
	words := map[rune]string{'n': "a number", 's': "a string", 'b': "a boolean", 'a': "an array", 'o': "an object",
		'N': "an array of numbers", 'S': "an array of strings", '&': "an expression such as &name"}
	var all []string
	for _, t := range types {
		all = append(all, words[t])
	}
	return strings.Join(all, " or ")
}

// call returns what a function gives for its arguments (https://jmespath.org/specification.html#built-in-functions).
func (r *evaluation) call(e *expr, v any) any {
	args := make([]any, len(e.args))
	for i, arg := range e.args {
		types := e.function.wants(i)
		if (types == "&") != (arg.kind == opReference) {
			r.fail(arg, "%s() takes %s as argument %d", e.name, typesInWords(types), i+1)
		}
		if arg.kind == opReference {
			continue
		}
		if args[i] = r.eval(arg, v); !fits(args[i], types) {
			r.fail(arg, "%s() takes %s, not %s", e.name, typesInWords(types), describe(args[i]))
		}
	}
	switch e.name {
	case "abs":
		return number(strings.TrimPrefix(string(args[0].(number)), "-"))
	case "ceil":
		return r.round(e, args[0].(number), math.Ceil)
	case "floor":
		return r.round(e, args[0].(number), math.Floor)
	case "avg":
		list, _ := elements(args[0])
		if len(list) == 0 {
			return nil
		}
		return r.number(e, r.sum(e, list).float()/float64(len(list)))
	case "sum":
		list, _ := elements(args[0])
		return r.sum(e, list)
	case "contains":
		if text, ok := args[0].(string); ok {
			part, ok := args[1].(string)
			return ok && strings.Contains(text, part)
		}
		list, _ := elements(args[0])
		return slices.ContainsFunc(list, func(element any) bool { return r.equal(e, element, args[1]) })
	case "starts_with":
		return strings.HasPrefix(args[0].(string), args[1].(string))
	case "ends_with":
		return strings.HasSuffix(args[0].(string), args[1].(string))
	case "join":
		return r.join(e, args[0].(string), args[1])
	case "keys":
		o, _ := members(args[0])
		r.spend(e, len(o.names))
		keys := make([]any, len(o.names))
		for i, name := range o.names {
			keys[i] = name
		}
		return keys
	case "values":
		o, _ := members(args[0])
		r.spend(e, len(o.values))
		return o.values
	case "length":
		return number(strconv.Itoa(length(args[0])))
	case "map":
		list, _ := elements(args[1])
		r.spend(e, len(list))
		out := make([]any, len(list))
		for i, element := range list {
			out[i] = r.eval(e.args[0].left, element)
		}
		return out
	case "max", "min", "max_by", "min_by":
		return r.extreme(e, args[0])
	case "sort", "sort_by":
		return r.sort(e, args[0])
	case "merge":
		return r.merge(e, args)
	case "not_null":
		for _, arg := range args {
			if arg != nil {
				return arg
			}
		}
		return nil
	case "reverse":
		if text, ok := args[0].(string); ok {
			r.spend(e, len(text))
			runes := []rune(text)
			slices.Reverse(runes)
			return string(runes)
		}
		list, _ := elements(args[0])
		r.spend(e, len(list))
		list = slices.Clone(list)
		slices.Reverse(list)
		return list
	case "to_array":
		if typeName(args[0]) == "array" {
			return args[0]
		}
		return []any{args[0]}
	case "to_number":
		return toNumber(args[0])
	case "to_string":
		if text, ok := args[0].(string); ok {
			return text
		}
		var text strings.Builder
		out := encoder{w: &bounded{r.left, &text}}
		if out.encode(args[0]); out.flush() != nil {
			r.spend(e, r.left+1)
		}
		r.spend(e, text.Len())
		return text.String()
	case "type":
		return typeName(args[0])
	}
	panic("no such function: " + e.name)
}

// describe says what a value is, for a message: an array by its elements.
func describe(v any) string {
	name := typeName(v)
	if list, ok := elements(v); ok {
		for i, element := range list {
			if t := typeName(element); i > 0 && t != typeName(list[0]) {
				return "an array of different types"
			}
		}
		if len(list) > 0 {
			return "an array whose elements are of type " + typeName(list[0])
		}
	}
	switch name {
	case "null":
		return name
	case "array", "object":
		return "an " + name
	}
	return "a " + name
}

// round returns n rounded; a number without a fraction keeps its digits.
func (r *evaluation) round(e *expr, n number, how func(float64) float64) number {
	if !strings.ContainsAny(string(n), ".eE") {
		return n
	}
	return r.number(e, how(n.float()))
}

// sum adds as integers for as long as it can.
func (r *evaluation) sum(e *expr, list []any) number {
	whole, total, exact := int64(0), 0.0, true
	for _, element := range list {
		n := element.(number)
		i, err := strconv.ParseInt(string(n), 10, 64)
		sum := whole + i
		if exact = exact && err == nil && (sum > whole) == (i > 0); exact {
			whole = sum
		}
		total += n.float()
	}
	if exact {
		return number(strconv.FormatInt(whole, 10))
	}
	return r.number(e, total)
}

func (r *evaluation) join(e *expr, glue string, list any) string {
	var b strings.Builder
	parts, _ := elements(list)
	for i, part := range parts {
		if i > 0 {
			r.spend(e, len(glue))
			b.WriteString(glue)
		}
		r.spend(e, len(part.(string)))
		b.WriteString(part.(string))
	}
	return b.String()
}

// length counts a string's characters, an array's elements or an object's members.
func length(v any) int {
	if text, ok := v.(string); ok {
		return utf8.RuneCountInString(text)
	}
	if list, ok := elements(v); ok {
		return len(list)
	}
	o, _ := members(v)
	return len(o.names)
}

// sortKeys returns the list and what each element is ordered by, which must be all numbers or all strings.
func (r *evaluation) sortKeys(e *expr, v any) (list, keys []any) {
	list, _ = elements(v)
	r.spend(e, 2*len(list))
	if len(e.args) == 1 {
		return list, list // checked as an argument
	}
	keys = make([]any, len(list))
	for i, element := range list {
		keys[i] = r.eval(e.args[1].left, element)
		if t := typeName(keys[i]); t != "number" && t != "string" || t != typeName(keys[0]) {
			r.fail(e.args[1], "%s() orders by all numbers or all strings, not by %s", e.name, describe(keys[:i+1]))
		}
	}
	return list, keys
}

// compareKeys orders two numbers, or two strings by code point.
func compareKeys(a, b any) int {
	if x, ok := a.(number); ok {
		return compareNumbers(x, b.(number))
	}
	return cmp.Compare(a.(string), b.(string))
}

// extreme returns the first of the largest or smallest elements; null for an empty array.
func (r *evaluation) extreme(e *expr, v any) any {
	list, keys := r.sortKeys(e, v)
	if len(list) == 0 {
		return nil
	}
	best := 0
	for i := range keys {
		order := compareKeys(keys[i], keys[best])
		if strings.HasPrefix(e.name, "min") {
			order = -order
		}
		if order > 0 {
			best = i
		}
	}
	return list[best]
}

// sort returns the elements in order; those that are equal stay as they were.
func (r *evaluation) sort(e *expr, v any) any {
	list, keys := r.sortKeys(e, v)
	places := make([]int, len(list))
	for i := range places {
		places[i] = i
	}
	slices.SortStableFunc(places, func(a, b int) int { return compareKeys(keys[a], keys[b]) })
	sorted := make([]any, len(list))
	for i, place := range places {
		sorted[i] = list[place]
	}
	return sorted
}

// merge returns the members of all objects; of a name that stands twice the last value, in the first place.
func (r *evaluation) merge(e *expr, objects []any) any {
	merged, places := &object{}, map[string]int{}
	for _, each := range objects {
		o, _ := members(each)
		r.spend(e, len(o.names))
		for i, name := range o.names {
			if place, twice := places[name]; twice {
				merged.values[place] = o.values[i]
				continue
			}
			places[name] = len(merged.names)
			merged.names, merged.values = append(merged.names, name), append(merged.values, o.values[i])
		}
	}
	return merged
}

// toNumber returns a number as it is, the number that a string spells as JSON does, else null.
func toNumber(v any) any {
	switch v := v.(type) {
	case number:
		return v
	case string:
		if parsed, err := decodeJSON([]byte(v), "", ""); err == nil && v == strings.TrimSpace(v) {
			if n, ok := parsed.(number); ok {
				return n
			}
		}
	}
	return nil
}
