package main

import (
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// This file is --query: JMESPath as https://jmespath.org/specification.html defines it, and no
// more. An expression is compiled to one function before anything else happens. functions.go has
// the built-in functions. The rest of the program uses only compileQuery and printer.
//
// Parsing and evaluation panic with a badQuery; compileQuery and apply return it as an error.

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
	defer catch(text, &err)
	p := &queryParser{tokens: scan(text)}
	root := p.expression(0)
	if p.peek().kind != theEnd {
		p.unexpected("")
	}
	return &query{text, root}, nil
}

// printer applies the query to v and returns a function that prints the result, as JSON or for a
// shell. The error is a *failure with code query.type.
func (q *query) printer(v any, raw bool) (func(io.Writer), error) {
	write := writeJSON
	result, err := q.apply(v)
	if raw && err == nil {
		write = writeRaw
		err = write(io.Discard, result)
	}
	return func(w io.Writer) { write(w, result) }, err
}

// apply returns the query's result for v. The error is a *failure with code query.type.
func (q *query) apply(v any) (result any, err error) {
	defer catch(q.text, &err)
	result = q.root(v)
	writeJSON(&bounded{io.Discard, maxQueryResult + len("\n"), 0}, result)
	return result, nil
}

// badQuery is what is wrong with an expression, at a byte offset.
type badQuery struct {
	at int
	*failure
}

func tooLarge(at int) badQuery {
	return badQuery{at, fail(codeQueryType, "the result is larger than %d MiB", maxQueryResult>>20)}
}

// bounded is a Writer that panics with tooLarge(at) once more than left bytes are written.
type bounded struct {
	io.Writer
	left, at int
}

func (b *bounded) Write(data []byte) (int, error) {
	if b.left -= len(data); b.left < 0 {
		panic(tooLarge(b.at))
	}
	return b.Writer.Write(data)
}

// catch recovers from a panic with a badQuery and stores its failure in err. The failure shows the
// expression and a caret, unless the expression is too long for a line or may hold a key.
func catch(text string, err *error) {
	const width = 76
	switch thrown := recover().(type) {
	case nil:
	case badQuery:
		f, line, before := thrown.failure, clean(text), text[:thrown.at]
		f.message = "bad query: " + f.message
		if looksLikeKey(text) || utf8.RuneCountInString(line) > width {
			f.message += fmt.Sprintf(" at character %d", utf8.RuneCountInString(before)+1)
		} else {
			indent := utf8.RuneCountInString(clean(before))
			f.detail = []string{line, strings.Repeat(" ", indent) + "^"}
		}
		*err = f
	default:
		panic(thrown)
	}
}

// token is one token of an expression. Its kind is one of the constants below or, for a sign, the
// sign itself, which may not be part of JMESPath.
type token struct {
	kind    string
	text    string // the name itself if it is one; a number or sign as in the expression
	value   any    // of a string or a literal
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

const (
	space     = " \t\r\n"
	digits    = "0123456789"
	nameBytes = digits + "_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// scan splits an expression into tokens; the last one is theEnd.
func scan(text string) []token {
	skip := func(at int, bytes string) int {
		return len(text) - len(strings.TrimLeft(text[at:], bytes))
	}
	var tokens []token
	for at := skip(0, space); at < len(text); at = skip(tokens[len(tokens)-1].end, space) {
		if len(tokens) == maxQueryTokens {
			panic(badQuery{at, fail(codeQuerySyntax, "more than %d tokens", maxQueryTokens)})
		}
		two, number, name := text[at:min(at+2, len(text))], skip(at+1, digits), skip(at, nameBytes)
		_, size := utf8.DecodeRuneInString(text[at:])
		kind, end := text[at:at+size], at+size
		switch {
		case powers[two] > 0:
			kind, end = two, at+len(two)
		case strings.Contains(digits, kind), kind == "-" && number > at+1:
			kind, end = aNumber, number
		case name > at:
			kind, end = aName, name
		}
		t := token{kind: kind, text: text[at:end], at: at, end: end}
		if strings.Contains("\"'`", kind) {
			t = scanQuoted(text, at)
		}
		tokens = append(tokens, t)
	}
	return append(tokens, token{kind: theEnd, at: len(text)})
}

// scanQuoted scans a name, a string or a literal.
func scanQuoted(text string, at int) token {
	delimiter := text[at : at+1]
	kind := map[string]string{`"`: aQuoted, "'": aString, "`": aLiteral}[delimiter]
	end := skipString(text, at)
	if end == 0 {
		panic(badQuery{at, fail(codeQuerySyntax, "unterminated %s", kind)})
	}
	content := strings.ReplaceAll(text[at+1:end-1], `\`+delimiter, delimiter)
	if kind == aString {
		return token{kind: kind, value: content, at: at, end: end}
	}
	if kind == aQuoted {
		content = text[at:end]
	}
	value, err := parseJSON(content)
	if err != nil {
		f := fail(codeQuerySyntax, "a %s must be JSON", kind)
		if kind == aLiteral && !strings.ContainsAny(content, `'"[{`) {
			f.hint = useSingleQuotes
		}
		panic(badQuery{at, f})
	}
	name, _ := value.(string)
	return token{kind, name, value, at, end}
}

// queryParser is a Pratt parser: each token that can follow an expression has a binding power, and
// expression continues for as long as the next token's power is above its argument.
type queryParser struct {
	tokens []token
	place  int // index of the next token
}

const (
	powerOfComparison = 5
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
// It adds a hint if the token looks like a habit from another language.
func (p *queryParser) unexpected(want string) {
	around := slices.Concat([]token{{}, {}}, p.tokens, []token{{}})[p.place:]
	operator, previous, t, following := around[0], around[1], around[2], around[3]
	found := t.kind // without the text of a name or string, which may be a key
	if !strings.Contains(nameBytes, found[:1]) {
		found = `"` + found + `"`
	}
	f := fail(codeQuerySyntax, "unexpected %s", found)
	if want != "" {
		f.message += ", want " + want
	}
	compared := powers[operator.kind] == powerOfComparison // with previous
	minus := t.kind == "-" || t.kind == aNumber && t.text[0] == '-'
	word := t.kind == aName
	for _, habit := range []struct {
		found bool
		hint  string
	}{
		{want == `":"`, "give each value a name, as in {id: id, name: name}"},
		{t.kind == "=", "use == to compare"},
		{t.kind == "$", "leave out $: an expression begins at the result itself"},
		{t.kind == "." && want == "", "leave out the leading dot"},
		{word && strings.EqualFold(t.text, "and"), "use && for and"},
		{word && strings.EqualFold(t.text, "or"), "use || for or"},
		{previous.kind == aName && strings.EqualFold(previous.text, "not"), "use ! for not"},
		{previous.kind == "[" && want == "a number" && t.isName(),
			`put a dot before "[", as in [*].[id, name]`},
		{compared && (word || minus), useSingleQuotes},
		{t.kind == aNumber && following.kind == aName && following.at == t.end, useSingleQuotes},
		{minus && previous.kind == aName && previous.end == t.at,
			`put a name that holds "-" between double quotes`},
		{t.kind == aNumber && want == "", "put numbers between backticks, as in `10`"},
		{t.kind == "&", "use && for and; & is for arguments, as in sort_by(@, &name)"},
	} {
		if habit.found && f.hint == "" {
			f.hint = habit.hint
		}
	}
	panic(badQuery{t.at, f})
}

const useSingleQuotes = "put text between single quotes, as in 'shop'"

// expression parses as much as binds more tightly than above.
func (p *queryParser) expression(above int) evaluator { return p.rest(p.prefix(), above) }

// rest parses as much after left as binds more tightly than above.
func (p *queryParser) rest(left evaluator, above int) evaluator {
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
		if t.kind == aName && p.take("(") {
			return p.call(t)
		}
		return func(v any) any { return field(v, t.text) }
	case aString, aLiteral:
		return func(any) any { return t.value }
	case "@":
		return itself
	case "*":
		return project(valuesOf, elements, p.restOfProjection(powerOfProjection))
	case "!":
		operand := p.expression(powerOfNot)
		return func(v any) any { return !truthy(operand(v)) }
	case "(":
		inner := p.expression(0)
		p.expect(")")
		return inner
	case "{":
		return p.multiSelect("}")
	case "[":
		kind := p.peek().kind
		if kind == aNumber || kind == ":" || kind == "*" && p.tokens[p.place+1].kind == "]" {
			return p.bracket(itself)
		}
		return p.multiSelect("]")
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
		return project(left, flattened, p.restOfProjection(powers["[]"]))
	case "[?":
		condition := p.expression(0)
		p.expect("]")
		rest := p.restOfProjection(powers["[?"])
		return project(left, elements, func(v any) any {
			if !truthy(condition(v)) {
				return nil
			}
			return rest(v)
		})
	case "[":
		return p.bracket(left)
	}
	right := p.expression(powers[t.kind])
	return func(v any) any { return compared(left(v), t.kind, right(v)) }
}

var itself evaluator = func(v any) any { return v }

func chain(left, right evaluator) evaluator {
	return func(v any) any { return right(left(v)) }
}

// afterDot parses what can follow a dot: a name, a function, *, a list or a hash.
func (p *queryParser) afterDot(above int) evaluator {
	switch t := p.peek(); {
	case t.isName() || t.kind == "*":
		return p.expression(above)
	case p.take("["):
		return p.multiSelect("]")
	case p.take("{"):
		return p.multiSelect("}")
	}
	p.unexpected("a name")
	return nil
}

// project returns the evaluator of a projection: an array of the results of rest for each item of
// left's value, without nulls. If that value is not an array, the projection is null.
func project(left evaluator, items func(any) iter.Seq[any], rest evaluator) evaluator {
	return func(v any) any {
		source := left(v)
		if typeOf(source) != "array" {
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
	if p.take(".") {
		return p.afterDot(above)
	}
	left := itself
	if p.peek().kind == "[?" { // whatever above is
		left = p.infix(itself)
	}
	return p.rest(left, above)
}

// flattened yields the elements of an array, except that it replaces each nested array with its
// elements.
func flattened(v any) iter.Seq[any] {
	return func(yield func(any) bool) {
		for outer := range elements(v) {
			for inner := range elements(asArray(outer)) {
				if !yield(inner) {
					return
				}
			}
		}
	}
}

// bracket parses the rest of left[number], left[start:stop:step] or left[*].
func (p *queryParser) bracket(left evaluator) evaluator {
	if p.take("*") {
		p.expect("]")
		return project(left, elements, p.restOfProjection(powerOfProjection))
	}
	start := p.number()
	if !p.take(":") {
		if start == nil {
			p.unexpected("a number")
		}
		p.expect("]")
		return func(v any) any { return elementAt(left(v), *start) }
	}
	stop, step := p.number(), 1
	if p.take(":") {
		at := p.peek().at
		if n := p.number(); n != nil {
			step = *n
		}
		if step == 0 {
			panic(badQuery{at, fail(codeQueryType, "the step of a slice cannot be 0")})
		}
	}
	p.expect("]")
	slice := func(v any) iter.Seq[any] { return slices.Values(sliced(v, start, stop, step)) }
	return project(left, slice, p.restOfProjection(powerOfProjection))
}

// number takes the next token if it is a number, and returns its value, or the closest one of 31
// bits, which is still beyond any list. It returns nil if the token is not a number.
func (p *queryParser) number() *int {
	digits := p.peek().text
	if !p.take(aNumber) {
		return nil
	}
	value, _ := strconv.ParseInt(digits, 10, 31)
	n := int(value)
	return &n
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
	first, end := 0, len(list)
	if step < 0 {
		first, end = len(list)-1, -1
	}
	place := func(n *int, otherwise int) int {
		if n == nil {
			return otherwise
		}
		i := *n
		if i < 0 {
			i += len(list)
		}
		return max(min(first, end), min(i, max(first, end)))
	}
	var found []any
	i, last := place(start, first), place(stop, end)
	for ; i != last && (i < last) == (step > 0); i += step {
		found = append(found, list[i])
	}
	return found
}

// multiSelect parses the rest of [a, b] or {a: b, c: d}, up to the closing bracket.
func (p *queryParser) multiSelect(closing string) evaluator {
	var names []string // of an object
	var items []any
	p.commaList(closing, func() {
		if closing == "}" {
			name := p.peek()
			if !name.isName() {
				p.unexpected("a name")
			}
			p.place++
			p.expect(":")
			names = append(names, name.text)
		}
		items = append(items, p.expression(0))
	})
	o := &object{names, items}
	if closing == "}" {
		o = merged(o) // without duplicate names
	}
	return func(v any) any {
		if v == nil {
			return nil
		}
		values := evaluateAll(o.values, v)
		if closing == "]" {
			return values
		}
		return &object{o.names, values}
	}
}

// evaluateAll returns the values of evaluators.
func evaluateAll(evaluators []any, v any) []any {
	values := make([]any, len(evaluators))
	for i, each := range evaluators {
		values[i] = each.(evaluator)(v)
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

// compared returns the value of x == y and the like. Ordering anything but numbers gives null.
func compared(x any, sign string, y any) any {
	switch {
	case sign == "==" || sign == "!=":
		return equal(x, y) == (sign == "==")
	case typeOf(x) != "number" || typeOf(y) != "number":
		return nil
	}
	order := "<=>"[compare(x, y)+1]
	return strings.IndexByte(sign, order) >= 0 // <= holds for < and for =
}

// writeRaw writes a query's result for a shell: a scalar on a line of its own, a list as one line
// per element, a list of lists as rows of cells separated by tabs. Anything else, including null,
// is an error (query.type), so that a script does not continue with nothing.
func writeRaw(w io.Writer, value any) error {
	if value == nil {
		return fail(codeQueryType, "the query found nothing").
			withHint("compare the expression with the output of --json")
	}
	for line := range elements(asArray(value)) {
		separator := ""
		for cell := range elements(asArray(line)) {
			io.WriteString(w, separator)
			separator = "\t"
			switch cell := cell.(type) {
			case string:
				writeClean(w, cell)
			case number, bool:
				fmt.Fprint(w, cell)
			case nil: // a row keeps its columns
				if line == nil {
					return fail(codeQueryType, "--raw cannot print null in a list").
						withHint("filter it out, for example with [?@]")
				}
			default:
				return fail(codeQueryType, "--raw cannot print an %s here", typeOf(cell)).
					withHint("select its fields, for example with [id, name]")
			}
		}
		io.WriteString(w, "\n")
	}
	return nil
}
