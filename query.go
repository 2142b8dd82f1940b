package main

import (
	"fmt"
	"io"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// This file is --query: JMESPath as https://jmespath.org/specification.html defines it, and no
// more. An expression is compiled to one function before anything else happens. functions.go has
// the built-in functions. The rest of the program uses only compileQuery and printer.
//
// Parsing and evaluation panic with a *failure; compileQuery and apply turn it into an error.

const (
	maxQueryTokens = 10000    // which also limits how deep expressions nest
	maxQueryResult = 64 << 20 // bytes of JSON
)

// query is a compiled expression.
type query struct {
	text string
	root evaluator
}

// evaluator returns the value of an expression in which @ is current.
type evaluator func(current any) any

// compileQuery compiles an expression. The error is a *failure: query.function for an unknown
// function or a wrong number of arguments, query.type for an expression that would fail on any
// input, query.syntax for the rest.
func compileQuery(text string) (q *query, err error) {
	defer catch(&err)
	p := &queryParser{text: text, tokens: scan(text)}
	root := p.expression(0)
	if p.peek().kind != theEnd {
		p.unexpected("")
	}
	return &query{text, root}, nil
}

// printer applies the query to v and returns a function that prints the result, as JSON or for a
// shell. The error is a *failure with code query.type.
func (q *query) printer(v any, raw bool) (func(io.Writer), error) {
	result, err := q.apply(v)
	if err == nil && raw {
		err = writeRaw(io.Discard, result)
	}
	return func(w io.Writer) {
		if raw {
			writeRaw(w, result)
		} else {
			writeJSON(w, result)
		}
	}, err
}

// apply returns the query's result for v. The error is a *failure with code query.type.
func (q *query) apply(v any) (result any, err error) {
	defer catch(&err)
	result = q.root(v)
	if writeJSON(&bounded{io.Discard, maxQueryResult + 1}, result) != nil { // 1 for the newline
		panic(queryFailure(codeQueryType, q.text, 0, "the result %s", tooLarge))
	}
	return result, nil
}

// catch recovers from a panic with a *failure and stores it in err.
func catch(err *error) {
	switch thrown := recover().(type) {
	case nil:
	case *failure:
		*err = thrown
	default:
		panic(thrown)
	}
}

var tooLarge = fmt.Sprintf("is larger than %d MiB", maxQueryResult>>20)

// bounded is a Writer that fails once more than left bytes are written.
type bounded struct {
	io.Writer
	left int
}

func (b *bounded) Write(data []byte) (int, error) {
	if b.left -= len(data); b.left < 0 {
		return 0, io.ErrShortWrite
	}
	return b.Writer.Write(data)
}

// queryFailure returns a failure with the expression and a caret under byte offset at, unless the
// expression is too long for a line or may hold a key.
func queryFailure(c *code, text string, at int, format string, args ...any) *failure {
	const width = 76
	f := fail(c, "bad query: "+format, args...)
	line := clean(text)
	if looksLikeKey(text) || utf8.RuneCountInString(line) > width {
		f.message += fmt.Sprintf(" at character %d", utf8.RuneCountInString(text[:at])+1)
		return f
	}
	indent := utf8.RuneCountInString(clean(text[:at]))
	f.detail = []string{line, strings.Repeat(" ", indent) + "^"}
	return f
}

// token is one token of an expression. Its kind is one of the constants below or, for a sign, the
// sign itself, which may not be part of JMESPath.
type token struct {
	kind    string
	text    string // the value of a name or string, the digits of a number, the JSON of a literal
	at, end int    // byte offsets
}

const (
	aName    = "name"
	aQuoted  = "quoted name"
	aString  = "string"
	aNumber  = "number"
	aLiteral = "literal"
	theEnd   = "end of the query"
)

func (t token) isName() bool { return t.kind == aName || t.kind == aQuoted }

// String returns the token's kind, for messages, which must not show what may be a key.
func (t token) String() string {
	switch t.kind {
	case aName, aQuoted, aString, aNumber, aLiteral, theEnd:
		return t.kind
	}
	return `"` + t.kind + `"`
}

// scan splits an expression into tokens; the last one is theEnd.
func scan(text string) []token {
	var tokens []token
	for at := 0; at < len(text); {
		if strings.IndexByte(" \t\r\n", text[at]) >= 0 {
			at++
			continue
		}
		if len(tokens) == maxQueryTokens {
			panic(queryFailure(codeQuerySyntax, text, at, "more than %d tokens", maxQueryTokens))
		}
		t := scanToken(text, at)
		tokens = append(tokens, t)
		at = t.end
	}
	return append(tokens, token{kind: theEnd, at: len(text)})
}

func scanToken(text string, at int) token {
	skip := func(start int, isPart func(byte) bool) int {
		for start < len(text) && isPart(text[start]) {
			start++
		}
		return start
	}
	name, digits := skip(at, isLetterOrDigit), skip(at+1, isDigit)
	switch c := text[at]; {
	case c == '"' || c == '\'' || c == '`':
		return scanQuoted(text, at)
	case isDigit(c), c == '-' && digits > at+1:
		return token{aNumber, text[at:digits], at, digits}
	case name > at:
		return token{aName, text[at:name], at, name}
	}
	_, size := utf8.DecodeRuneInString(text[at:])
	for _, sign := range []string{"[?", "[]", "&&", "||", "==", "!=", "<=", ">="} {
		if strings.HasPrefix(text[at:], sign) {
			size = len(sign)
		}
	}
	return token{text[at : at+size], "", at, at + size}
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isLetterOrDigit(c byte) bool {
	return c == '_' || 'a' <= c|0x20 && c|0x20 <= 'z' || isDigit(c)
}

// scanQuoted scans a name, a string or a literal.
func scanQuoted(text string, at int) token {
	delimiter := text[at : at+1]
	kind := map[string]string{`"`: aQuoted, "'": aString, "`": aLiteral}[delimiter]
	end := skipString(text, at)
	if end == 0 {
		panic(queryFailure(codeQuerySyntax, text, at, "unterminated %s", kind))
	}
	value := strings.ReplaceAll(text[at+1:end-1], `\`+delimiter, delimiter)
	if kind == aQuoted {
		name, err := parseJSON(text[at:end])
		if err != nil {
			panic(queryFailure(codeQuerySyntax, text, at, "a quoted name must be a JSON string"))
		}
		value = name.(string)
	}
	return token{kind, value, at, end}
}

// queryParser is a Pratt parser: each token that can follow an expression has a binding power, and
// expression continues for as long as the next token's power is above its argument.
type queryParser struct {
	text   string
	tokens []token
	place  int // index of the next token
}

const (
	powerOfComparison = 5
	endOfProjection   = 10 // a token with lower power ends a projection
	powerOfProjection = 20
	powerOfNot        = 45
)

// powers has the binding power of each token that can follow an expression.
var powers = map[string]int{
	"|": 1, "||": 2, "&&": 3,
	"==": powerOfComparison, "!=": powerOfComparison,
	"<": powerOfComparison, "<=": powerOfComparison,
	">": powerOfComparison, ">=": powerOfComparison,
	"[]": 9, "[?": 21, ".": 40, "[": 55,
}

func (p *queryParser) peek() token { return p.tokens[p.place] }

func (p *queryParser) next() token {
	p.place++
	return p.tokens[p.place-1]
}

// take skips the next token if it is of that kind, and reports whether it did.
func (p *queryParser) take(kind string) bool {
	if p.peek().kind != kind {
		return false
	}
	p.place++
	return true
}

func (p *queryParser) expect(sign string) {
	if !p.take(sign) {
		p.unexpected(`"` + sign + `"`)
	}
}

// unexpected fails at the next token; want is what the grammar expects there, "" for an expression.
func (p *queryParser) unexpected(want string) {
	message := "unexpected " + p.peek().String()
	if want != "" {
		message += ", want " + want
	}
	f := queryFailure(codeQuerySyntax, p.text, p.peek().at, "%s", message)
	f.hint = p.hint(want)
	panic(f)
}

// hint returns advice if the unexpected next token looks like a habit from another language, and ""
// if it does not.
func (p *queryParser) hint(want string) string {
	around := slices.Concat([]token{{}, {}}, p.tokens, []token{{}})[p.place:]
	operator, previous, t, following := around[0], around[1], around[2], around[3]
	compared := powers[operator.kind] == powerOfComparison // with previous
	minus := t.kind == "-" || t.kind == aNumber && t.text[0] == '-'
	word := t.kind == aName
	switch {
	case want == `":"`:
		return "give each value a name, as in {id: id, name: name}"
	case t.kind == "=":
		return "use == to compare"
	case t.kind == "$":
		return "leave out $: an expression begins at the result itself"
	case t.kind == "." && want == "":
		return "leave out the leading dot"
	case word && strings.EqualFold(t.text, "and"):
		return "use && for and"
	case word && strings.EqualFold(t.text, "or"):
		return "use || for or"
	case previous.kind == aName && strings.EqualFold(previous.text, "not"):
		return "use ! for not"
	case previous.kind == "[" && want == "a number" && t.isName():
		return `put a dot before "[", as in [*].[id, name]`
	case compared && (word || minus),
		t.kind == aNumber && following.kind == aName && following.at == t.end:
		return "put text between single quotes, as in 'shop'"
	case minus && previous.kind == aName && previous.end == t.at:
		return `put a name that holds "-" between double quotes`
	case t.kind == aNumber && want == "":
		return "put numbers between backticks, as in `10`"
	case t.kind == "&":
		return "use && for and; & is for arguments, as in sort_by(@, &name)"
	}
	return ""
}

// expression parses as much as binds more tightly than above.
func (p *queryParser) expression(above int) evaluator {
	left := p.prefix()
	for powers[p.peek().kind] > above {
		left = p.infix(left)
	}
	return left
}

// prefix parses what an expression can begin with.
func (p *queryParser) prefix() evaluator {
	t := p.next()
	switch t.kind {
	case aName, aQuoted:
		return p.name(t)
	case aString:
		return func(any) any { return t.text }
	case aLiteral:
		return p.literal(t)
	case "@":
		return itself
	case "*":
		return p.wildcard(itself)
	case "!":
		operand := p.expression(powerOfNot)
		return func(v any) any { return !truthy(operand(v)) }
	case "(":
		inner := p.expression(0)
		p.expect(")")
		return inner
	case "{":
		return p.multiSelectHash()
	case "[":
		if !p.atIndex() {
			return p.multiSelectList()
		}
		return p.bracket(t, itself)
	}
	p.place--
	if t.kind != "[]" && t.kind != "[?" {
		p.unexpected("")
	}
	return p.infix(itself)
}

// infix parses what can follow an expression.
func (p *queryParser) infix(left evaluator) evaluator {
	t := p.next()
	switch t.kind {
	case ".":
		if p.take("*") {
			return p.wildcard(left)
		}
		return chain(left, p.afterDot(powers["."]))
	case "|":
		return chain(left, p.expression(powers["|"]))
	case "||", "&&":
		right := p.expression(powers[t.kind])
		return func(v any) any {
			if value := left(v); truthy(value) == (t.kind == "||") {
				return value
			}
			return right(v)
		}
	case "[]":
		return project(left, "array", flattened, p.restOfProjection(powers["[]"]))
	case "[?":
		return p.filter(left)
	case "[":
		return p.bracket(t, left)
	}
	return comparison(t.kind, left, p.expression(powers[t.kind]))
}

func itself(v any) any { return v }

func chain(left, right evaluator) evaluator {
	return func(v any) any { return right(left(v)) }
}

// afterDot parses what can follow a dot: a name, a function, *, a list or a hash.
func (p *queryParser) afterDot(above int) evaluator {
	switch t := p.peek(); {
	case t.isName() || t.kind == "*":
		return p.expression(above)
	case p.take("["):
		return p.multiSelectList()
	case p.take("{"):
		return p.multiSelectHash()
	}
	p.unexpected("a name")
	return nil
}

// name parses the rest of a field or a function call that begins with t.
func (p *queryParser) name(t token) evaluator {
	switch {
	case p.peek().kind != "(":
		return func(v any) any { return field(v, t.text) }
	case t.kind == aQuoted:
		panic(queryFailure(codeQuerySyntax, p.text, t.at, "a function's name takes no quotes"))
	}
	i := slices.IndexFunc(functions, func(f function) bool { return f.name == t.text })
	if i < 0 {
		p.unknownFunction(t)
	}
	c := &call{function: functions[i], text: p.text, at: t.at}
	if p.place++; !p.take(")") {
		p.commaList(")", func() {
			arg := argument{at: p.peek().at, isReference: p.take("&")}
			arg.evaluate = p.expression(0)
			c.args = append(c.args, arg)
		})
	}
	c.check()
	return c.evaluate
}

func (p *queryParser) unknownFunction(t token) {
	f := queryFailure(codeQueryFunction, p.text, t.at, "unknown function")
	f.withHint("the functions are listed at https://jmespath.org/specification.html")
	var names []string
	for _, function := range functions {
		names = append(names, function.name)
	}
	if name := closest(strings.ToLower(t.text), names); name != "" {
		f.withHint("did you mean %s()?", name)
	}
	panic(f)
}

// literal evaluates the JSON between backticks.
func (p *queryParser) literal(t token) evaluator {
	v, err := parseJSON(t.text)
	if err == nil {
		return func(any) any { return v }
	}
	f := queryFailure(codeQuerySyntax, p.text, t.at, "a literal must be JSON")
	_, err = parseJSON(`"` + t.text + `"`)
	if err == nil && !looksLikeKey(t.text) && !strings.ContainsAny(t.text, "'[{") {
		f.withHint("use '%s'", t.text)
		if strings.Contains(t.text, `\`) { // which has no meaning between single quotes
			f.withHint("use `\"%s\"`", t.text)
		}
	}
	panic(f)
}

// project returns the evaluator of a projection: an array of the results of rest for each item of
// left's value, without nulls. If that value is not of type kind, the projection is null.
func project(
	left evaluator, kind string, items func(any) iter.Seq[any], rest evaluator,
) evaluator {
	return func(v any) any {
		source := left(v)
		if typeOf(source) != kind {
			return nil
		}
		var results []any
		for item := range items(source) {
			if result := rest(item); result != nil {
				results = append(results, result)
			}
		}
		return results
	}
}

// restOfProjection parses what applies to each item: as much as binds more tightly than above.
func (p *queryParser) restOfProjection(above int) evaluator {
	if powers[p.peek().kind] < endOfProjection {
		return itself
	}
	if p.take(".") {
		return p.afterDot(above)
	}
	if p.take("[") {
		if !p.atIndex() {
			p.unexpected("a number")
		}
		p.place--
	}
	return p.expression(above)
}

// wildcard parses the rest of left.*, a projection of the values of an object.
func (p *queryParser) wildcard(left evaluator) evaluator {
	values := func(v any) iter.Seq[any] { return slices.Values(merged(v).values) }
	return project(left, "object", values, p.restOfProjection(powerOfProjection))
}

// filter parses the rest of left[?condition].
func (p *queryParser) filter(left evaluator) evaluator {
	condition := p.expression(0)
	p.expect("]")
	rest := p.restOfProjection(powers["[?"])
	return project(left, "array", elements, func(v any) any {
		if !truthy(condition(v)) {
			return nil
		}
		return rest(v)
	})
}

// flattened yields the elements of an array, except that it replaces each nested array with its
// elements.
func flattened(v any) iter.Seq[any] {
	return func(yield func(any) bool) {
		for outer := range elements(v) {
			if typeOf(outer) != "array" && !yield(outer) {
				return
			}
			for inner := range elements(outer) {
				if !yield(inner) {
					return
				}
			}
		}
	}
}

// atIndex reports whether the bracket just taken begins an index, a slice or [*] rather than a
// list.
func (p *queryParser) atIndex() bool {
	kind := p.peek().kind
	return kind == aNumber || kind == ":" || kind == "*" && p.tokens[p.place+1].kind == "]"
}

// bracket parses the rest of left[number], left[start:stop:step] or left[*], whose bracket is t.
func (p *queryParser) bracket(t token, left evaluator) evaluator {
	if p.take("*") {
		p.expect("]")
		return project(left, "array", elements, p.restOfProjection(powerOfProjection))
	}
	var numbers []*int // nil for one that is left out
	for len(numbers) == 0 || len(numbers) < 3 && p.take(":") {
		numbers = append(numbers, nil)
		if digits := p.peek().text; p.take(aNumber) {
			n, _ := strconv.Atoi(digits) // out of range, it returns the closest
			numbers[len(numbers)-1] = &n
		}
	}
	isIndex := len(numbers) == 1
	if isIndex && numbers[0] == nil {
		p.unexpected("a number")
	}
	p.expect("]")
	if isIndex {
		return func(v any) any { return elementAt(left(v), *numbers[0]) }
	}
	start, stop, step := numbers[0], numbers[1], 1
	if len(numbers) == 3 && numbers[2] != nil {
		step = *numbers[2]
	}
	if step == 0 {
		panic(queryFailure(codeQueryType, p.text, t.at, "the step of a slice cannot be 0"))
	}
	slice := func(v any) iter.Seq[any] { return slices.Values(sliced(v, start, stop, step)) }
	return project(left, "array", slice, p.restOfProjection(powerOfProjection))
}

// elementAt returns element n of an array, counted from the end if n is negative; nil if there is
// none.
func elementAt(v any, n int) any {
	if n < 0 {
		n += length(v)
	}
	for element := range elements(v) {
		if n == 0 {
			return element
		}
		n--
	}
	return nil
}

// sliced returns every step-th element of an array from start up to but not including stop. start
// and stop may be nil; negative numbers count from the end.
func sliced(v any, start, stop *int, step int) []any {
	list := slices.Collect(elements(v))
	mirror := 0
	if step < 0 { // element n of a list is element ^n, or -1-n, of its reverse
		slices.Reverse(list)
		mirror = ^0
		step = max(-math.MaxInt, step)
	}
	step = min(len(list)+1, max(step, -step)) // so that i does not overflow
	place := func(n *int, otherwise int) int {
		if n == nil {
			return otherwise
		}
		i := *n ^ mirror
		if i < 0 {
			i += len(list)
		}
		return max(0, min(len(list), i))
	}
	var found []any
	for i := place(start, 0); i < place(stop, len(list)); i += step {
		found = append(found, list[i])
	}
	return found
}

// multiSelectList parses the rest of [a, b].
func (p *queryParser) multiSelectList() evaluator {
	var items []evaluator
	p.commaList("]", func() { items = append(items, p.expression(0)) })
	return func(v any) any {
		if v == nil {
			return nil
		}
		return evaluateAll(items, v)
	}
}

// multiSelectHash parses the rest of {a: b, c: d}. Duplicate names keep the first position and the
// last value.
func (p *queryParser) multiSelectHash() evaluator {
	var names []string
	var items []evaluator
	p.commaList("}", func() {
		name := p.peek()
		if !name.isName() {
			p.unexpected("a name")
		}
		p.place++
		p.expect(":")
		item := p.expression(0)
		if i := slices.Index(names, name.text); i >= 0 {
			items[i] = item
			return
		}
		names, items = append(names, name.text), append(items, item)
	})
	return func(v any) any {
		if v == nil {
			return nil
		}
		return &object{names, evaluateAll(items, v)}
	}
}

func evaluateAll(items []evaluator, v any) []any {
	values := make([]any, len(items))
	for i, item := range items {
		values[i] = item(v)
	}
	return values
}

// commaList parses one or more items, separated by commas, and the closing token.
func (p *queryParser) commaList(closing string, item func()) {
	item()
	for p.take(",") {
		item()
	}
	p.expect(closing)
}

// comparison returns the evaluator of left == right and the like. Ordering anything but numbers
// gives null.
func comparison(sign string, left, right evaluator) evaluator {
	return func(v any) any {
		x, y := left(v), right(v)
		if sign == "==" || sign == "!=" {
			return equal(x, y) == (sign == "==")
		}
		a, isNumber := x.(number)
		b, areNumbers := y.(number)
		if !isNumber || !areNumbers {
			return nil
		}
		order := "<=>"[compareNumbers(a, b)+1]
		return strings.IndexByte(sign, order) >= 0 // <= holds for < and for =
	}
}

// writeRaw writes a query's result for a shell: a scalar on a line of its own, a list as one line
// per element, a list of lists as rows of cells separated by tabs. Anything else, including null,
// is an error (query.type), so that a script does not continue with nothing.
func writeRaw(w io.Writer, value any) error {
	if value == nil {
		return fail(codeQueryType, "the query found nothing").
			withHint("compare the expression with the output of --json")
	}
	if typeOf(value) != "array" {
		return writeCells(w, []any{value})
	}
	for line := range elements(value) {
		cells := []any{line}
		if typeOf(line) == "array" {
			cells = slices.Collect(elements(line))
			for i, cell := range cells {
				if cell == nil {
					cells[i] = "" // a row keeps its columns
				}
			}
		}
		if err := writeCells(w, cells); err != nil {
			return err
		}
	}
	return nil
}

// writeCells writes one line of scalars.
func writeCells(w io.Writer, cells []any) error {
	for i, cell := range cells {
		if i > 0 {
			io.WriteString(w, "\t")
		}
		switch cell := cell.(type) {
		case string:
			writeClean(w, cell)
		case number, bool:
			fmt.Fprint(w, cell)
		case nil:
			return fail(codeQueryType, "--raw cannot print null in a list").
				withHint("filter it out, for example with [?@]")
		default:
			return fail(codeQueryType, "--raw cannot print an %s here", typeOf(cell)).
				withHint("select its fields, for example with [id, name]")
		}
	}
	io.WriteString(w, "\n")
	return nil
}
