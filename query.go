//go:build !noquery

package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// This is --query: JMESPath as https://jmespath.org/specification.html defines it, and no more. An
// expression is compiled to one function before anything else happens. functions.go has the
// built-in functions, and what they and the operators share.
//
// Parsing and evaluation panic with a badQuery; compileQuery and the query return it as an error.

// queryFlags are the flags that ask for a query.
var queryFlags = []flagSpec{
	{name: "query", value: "EXPR", about: "print a JMESPath expression's result over that JSON"},
	{name: "raw", about: "with --query: strings without quotes, lists one element a line"},
}

// helpQuery is the topic of help that explains them.
var queryTopics = []*command{{
	name:  "query",
	short: "what --query and --raw print",
	help: `--query EXPR prints the result of a JMESPath expression (https://jmespath.org)
over the JSON that --json prints, as JSON. Every command takes it, and checks it
before anything is read or sent. Errors are JSON only with --json.

The expression starts at that JSON: for a list write '[].id', not
'projects[].id'. Put strings in single quotes, numbers in backticks, and names
with other characters than letters, digits and _ in double quotes.

  microtica project list --query "[?name=='shop'].id"
  microtica project list --query '[].{id: id, name: name}'
  microtica project list --query 'length(@)'
  microtica whoami --query 'projectsVisible > ` + "`10`" + `'
  microtica api projects/5f1c/details --query 'keys(entities)'

--raw prints the result for a shell: a string, number, true or false alone on a
line, without quotes; of a list one element a line; of a list of lists one row a
line, with tabs between the cells, which are empty for null. An empty list
prints nothing, and succeeds. Other nulls, objects and deeper lists are errors
(exit status 2): null is what a query gives that finds nothing.

  id=$(microtica project list --query "[?name=='shop'].id | [0]" --raw)

  # The environments of all projects:
  microtica project list --query '[].id' --raw | while read -r id; do
    microtica env list --project "$id" --query '[].[id, name]' --raw
  done
`,
}}

const (
	maxQueryTokens = 10_000 // bounds how deep expressions nest, too
	maxShownQuery  = 76     // characters of an expression that an error shows
)

// evaluator returns the value of an expression in which @ is v.
type evaluator func(v jsonText) jsonText

// compileQuery compiles an expression to a query that prints its result as JSON or, with raw, for a
// shell. The error is a *failure: query.syntax; if the syntax is right, query.function for an
// unknown function or a wrong number of arguments, and query.type for a wrong type that shows
// without any data. Those of the query itself are query.type.
func compileQuery(expression string, raw bool) (q query, err error) {
	expression = strings.ToValidUTF8(expression, "\uFFFD")
	defer catch(expression, &err)
	p := &parser{tokens: scan(expression)}
	root := p.expression(0)
	if p.peek().kind != theEnd {
		p.unexpected("")
	}
	if p.wrong != nil {
		panic(*p.wrong)
	}
	return func(result jsonText) (write func(io.Writer), err error) {
		defer catch(expression, &err)
		value := root(result)
		if !raw {
			return func(w io.Writer) { writeJSON(w, value) }, nil
		}
		writeRaw(io.Discard, value) // fails before anything is printed
		return func(w io.Writer) { writeRaw(w, value) }, nil
	}, nil
}

// badQuery is what is wrong with a query, and the byte offset in the expression.
type badQuery struct {
	at int
	*failure
}

// catch recovers from a panic with a badQuery and stores its failure in err. The failure shows the
// expression and a caret, or the position in an expression that is no short line as it stands or
// holds a key.
func catch(expression string, err *error) {
	thrown := recover()
	if thrown == nil {
		return
	}
	bad, expected := thrown.(badQuery)
	if !expected {
		panic(thrown)
	}
	place := utf8.RuneCountInString(expression[:bad.at])
	bad.message = "bad query: " + bad.message
	if utf8.RuneCountInString(expression) <= maxShownQuery &&
		redact(clean(expression)) == expression {
		bad.detail = []string{expression, strings.Repeat(" ", place) + "^"}
	} else {
		bad.message += fmt.Sprintf(" at character %d", place+1)
	}
	*err = bad.failure
}

// token is a token of an expression. Its kind is one of the constants below or, for a sign, that
// sign, which need not be one of JMESPath.
type token struct {
	kind  string
	text  string
	value jsonText // of a name, a string or a literal
	at    int      // byte offset
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

// scan splits an expression into tokens; the last one is theEnd.
func scan(expression string) []token {
	const (
		digits  = "0123456789"
		letters = "_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	)
	past := func(i int, set string) int {
		return len(expression) - len(strings.TrimLeft(expression[i:], set))
	}
	var tokens []token
	for i, end := 0, 0; i < len(expression); i = end {
		_, size := utf8.DecodeRuneInString(expression[i:])
		end = i + size
		t := token{kind: expression[i:end], at: i}
		two := expression[i:min(i+2, len(expression))]
		switch sign := t.kind; {
		case strings.Contains(" \t\r\n", sign):
			continue
		case strings.Contains("\"'`", sign):
			t.kind, t.value, end = scanQuoted(expression, i)
		case strings.Contains(letters, sign):
			t.kind, end = aName, past(end, letters+digits)
			t.value = quote(expression[i:end])
		case strings.Contains(digits, sign), sign == "-" && past(end, digits) > end:
			t.kind, end = aNumber, past(end, digits)
		case powers[two] > 0:
			t.kind, end = two, i+len(two)
		}
		if len(tokens) == maxQueryTokens {
			panic(badQuery{i, fail(codeQuerySyntax, "more than %d tokens", maxQueryTokens)})
		}
		t.text = expression[i:end]
		tokens = append(tokens, t)
	}
	return append(tokens, token{kind: theEnd, at: len(expression)})
}

// scanQuoted scans the quoted name, string or literal at expression[i].
func scanQuoted(expression string, i int) (kind string, value jsonText, end int) {
	delimiter := expression[i : i+1]
	kind = map[string]string{`"`: aQuoted, "'": aString, "`": aLiteral}[delimiter]
	for end = i + 1; end < len(expression) && expression[end] != delimiter[0]; end++ {
		if expression[end] == '\\' {
			end++
		}
	}
	if end >= len(expression) {
		panic(badQuery{i, fail(codeQuerySyntax, "unterminated %s", kind)})
	}
	end++
	text := expression[i:end]
	if kind != aQuoted {
		text = strings.ReplaceAll(text[1:len(text)-1], `\`+delimiter, delimiter)
	}
	if kind == aString {
		return kind, quote(text), end
	}
	value, err := canonicalJSON(text, key{})
	if err != nil {
		panic(badQuery{i, fail(codeQuerySyntax, "a %s must be JSON", kind)})
	}
	return kind, value, end
}

// parser is a Pratt parser: each token that can follow an expression has a binding power, and
// expression goes on for as long as the next token's power is above its argument.
type parser struct {
	tokens []token
	place  int       // index of the next token
	wrong  *badQuery // the first thing that is wrong besides the syntax
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

func (p *parser) peek() token { return p.tokens[p.place] }

func (p *parser) next() token {
	p.place++
	return p.tokens[p.place-1]
}

// take skips the next token if it is of that kind, and reports whether it did.
func (p *parser) take(kind string) bool {
	if p.peek().kind != kind {
		return false
	}
	p.place++
	return true
}

func (p *parser) expect(sign string) {
	if !p.take(sign) {
		p.unexpected(`"` + sign + `"`)
	}
}

// note keeps what is wrong besides the syntax until the whole expression is parsed.
func (p *parser) note(wrong badQuery) {
	if p.wrong == nil {
		p.wrong = &wrong
	}
}

// unexpected fails at the next token; want is what the grammar expects there, "" for an expression.
func (p *parser) unexpected(want string) {
	t, following := p.peek(), p.tokens[min(p.place+1, len(p.tokens)-1)]
	found := t.kind
	if t.text == t.kind && !t.isName() { // it is a sign
		found = `"` + t.kind + `"`
	}
	f := fail(codeQuerySyntax, "unexpected %s", found)
	if want != "" {
		f.message += ", want " + want
	}
	afterComparison := p.place >= 2 && powers[p.tokens[p.place-2].kind] == powerOfComparison
	switch {
	case t.kind == "=":
		f.withHint("use == to compare")
	case want == `":"`:
		f.withHint("give each value a name, as in {id: id, name: name}")
	case t.kind == aName && (strings.EqualFold(t.text, "and") || strings.EqualFold(t.text, "or")):
		f.withHint("use && for and, || for or") // not single quotes
	case afterComparison && (t.kind == aName || strings.HasPrefix(t.text, "-")), // my-shop
		t.kind == aNumber && following.kind == aName && following.at == t.at+len(t.text): // 5f1c
		f.withHint("put text between single quotes, as in 'shop'")
	case t.kind == aNumber && want == "":
		f.withHint("put numbers between backticks, as in `10`")
	}
	panic(badQuery{t.at, f})
}

// expression parses as much as binds more tightly than above.
func (p *parser) expression(above int) evaluator { return p.rest(p.prefix(), above) }

// rest parses as much after left as binds more tightly than above.
func (p *parser) rest(left evaluator, above int) evaluator {
	for powers[p.peek().kind] > above {
		left = p.infix(left)
	}
	return left
}

// prefix parses what an expression can begin with.
func (p *parser) prefix() evaluator {
	t := p.next()
	switch t.kind {
	case aName, aQuoted:
		if t.kind == aName && p.take("(") {
			return p.call(t)
		}
		return func(v jsonText) jsonText { return field(v, t.value) }
	case aString, aLiteral:
		return func(jsonText) jsonText { return t.value }
	case "@":
		return itself
	case "*":
		return project(itself, "object", valuesIn, p.restOfProjection(powerOfProjection))
	case "!":
		operand := p.expression(powerOfNot)
		return func(v jsonText) jsonText { return boolean(!truthy(operand(v))) }
	case "(":
		inner := p.expression(0)
		p.expect(")")
		return inner
	case "{":
		return p.hash()
	case "[":
		kind := p.peek().kind
		if kind == aNumber || kind == ":" || kind == "*" && p.tokens[p.place+1].kind == "]" {
			return p.bracket(itself)
		}
		return p.list()
	}
	p.place--
	if t.kind != "[]" && t.kind != "[?" {
		p.unexpected("")
	}
	return p.infix(itself)
}

// infix parses what can follow an expression.
func (p *parser) infix(left evaluator) evaluator {
	t := p.next()
	power := powers[t.kind]
	switch t.kind {
	case ".":
		return chain(left, p.afterDot(power))
	case "|":
		return chain(left, p.expression(power))
	case "||", "&&":
		right := p.expression(power)
		return func(v jsonText) jsonText {
			if value := left(v); truthy(value) == (t.kind == "||") {
				return value
			}
			return right(v)
		}
	case "[]":
		return project(left, "array", flattened, p.restOfProjection(power))
	case "[?":
		condition := p.expression(0)
		p.expect("]")
		rest := p.restOfProjection(power)
		return project(left, "array", valuesIn, func(v jsonText) jsonText {
			if !truthy(condition(v)) {
				return null
			}
			return rest(v)
		})
	case "[":
		return p.bracket(left)
	}
	right := p.expression(power)
	return func(v jsonText) jsonText { return compared(left(v), t.kind, right(v)) }
}

func itself(v jsonText) jsonText { return v }

func chain(left, right evaluator) evaluator {
	return func(v jsonText) jsonText { return right(left(v)) }
}

// afterDot parses what can follow a dot: a name, a function, *, a list or a hash.
func (p *parser) afterDot(above int) evaluator {
	switch t := p.peek(); {
	case t.isName() || t.kind == "*":
		return p.expression(above)
	case p.take("["):
		return p.list()
	case p.take("{"):
		return p.hash()
	}
	p.unexpected("a name")
	return nil
}

// project returns the evaluator of a projection: an array of the results of rest for each of the
// items in left's value, without nulls. Of a value of another kind the projection is null.
func project(left evaluator, kind string, items func(jsonText) []jsonText,
	rest evaluator) evaluator {
	return func(v jsonText) jsonText {
		source := left(v)
		if kindOf(source) != kind {
			return null
		}
		var results []jsonText
		for _, item := range items(source) {
			if result := rest(item); result != null {
				results = append(results, result)
			}
		}
		return joined("[]", results)
	}
}

// restOfProjection parses what applies to each item: as much as binds more tightly than above.
func (p *parser) restOfProjection(above int) evaluator {
	if p.take(".") {
		return p.afterDot(above)
	}
	left := evaluator(itself)
	if p.peek().kind == "[?" { // whatever above is
		left = p.infix(itself)
	}
	return p.rest(left, above)
}

// flattened returns the elements of an array, but in place of each array those that it has.
func flattened(v jsonText) []jsonText {
	flat := make([]jsonText, 0, count(v))
	for _, element := range v.parts() {
		flat = append(flat, asList(element)...)
	}
	return flat
}

// bracket parses the rest of left[number], left[start:stop:step] or left[*].
func (p *parser) bracket(left evaluator) evaluator {
	if p.take("*") {
		p.expect("]")
		return project(left, "array", valuesIn, p.restOfProjection(powerOfProjection))
	}
	start := p.number()
	if !p.take(":") {
		if start == nil {
			p.unexpected("a number")
		}
		p.expect("]")
		return func(v jsonText) jsonText { return elementAt(left(v), *start) }
	}
	stop, step := p.number(), 1
	if p.take(":") {
		at := p.peek().at
		if n := p.number(); n != nil {
			step = *n
		}
		if step == 0 {
			p.note(badQuery{at, fail(codeQueryType, "the step of a slice cannot be 0")})
		}
	}
	p.expect("]")
	slice := func(v jsonText) []jsonText { return sliced(valuesIn(v), start, stop, step) }
	return project(left, "array", slice, p.restOfProjection(powerOfProjection))
}

// number takes the next token if it is a number, and returns its value, or the closest one of 31
// bits, which is still beyond any list. It returns nil if the token is not a number.
func (p *parser) number() *int {
	digits := p.peek().text
	if !p.take(aNumber) {
		return nil
	}
	value, _ := strconv.ParseInt(digits, 10, 31)
	n := int(value)
	return &n
}

// elementAt returns element n of an array, counted from the end if n is negative; null if there is
// none.
func elementAt(v jsonText, n int) jsonText {
	if kindOf(v) != "array" {
		return null
	}
	elements := valuesIn(v)
	if n < 0 {
		n += len(elements)
	}
	if n < 0 || n >= len(elements) {
		return null
	}
	return elements[n]
}

// sliced returns every step-th element from start up to but not including stop. start and stop may
// be nil; negative numbers count from the end.
func sliced(elements []jsonText, start, stop *int, step int) []jsonText {
	first, end := 0, len(elements)
	if step < 0 {
		first, end = len(elements)-1, -1
	}
	place := func(n *int, otherwise int) int {
		if n == nil {
			return otherwise
		}
		i := *n
		if i < 0 {
			i += len(elements)
		}
		return max(min(first, end), min(i, max(first, end)))
	}
	var found []jsonText
	i, last := place(start, first), place(stop, end)
	for ; i != last && (i < last) == (step > 0); i += step {
		found = append(found, elements[i])
	}
	return found
}

// list parses the rest of [a, b].
func (p *parser) list() evaluator {
	var items []evaluator
	p.commaList("]", func() { items = append(items, p.expression(0)) })
	return multiSelect("[]", make([]jsonText, len(items)), items)
}

// hash parses the rest of {a: b, c: d}. Of equal names the last one counts.
func (p *parser) hash() evaluator {
	var names []jsonText
	var items []evaluator
	p.commaList("}", func() {
		t := p.peek()
		if !t.isName() {
			p.unexpected("a name")
		}
		p.place++
		p.expect(":")
		name, item := t.value+":", p.expression(0)
		if i := slices.Index(names, name); i >= 0 {
			items[i] = item
			return
		}
		names, items = append(names, name), append(items, item)
	})
	return multiSelect("{}", names, items)
}

// commaList parses one or more items, separated by commas, and the closing token.
func (p *parser) commaList(closing string, item func()) {
	item()
	for p.take(",") {
		item()
	}
	p.expect(closing)
}

// multiSelect returns the evaluator of a list or a hash; before has what stands before each value.
func multiSelect(brackets string, before []jsonText, items []evaluator) evaluator {
	return func(v jsonText) jsonText {
		if v == null {
			return null
		}
		parts := make([]jsonText, len(items))
		for i, item := range items {
			parts[i] = before[i] + item(v)
		}
		return joined(brackets, parts)
	}
}

// compared returns the value of x == y and the like. Ordering anything but numbers gives null.
func compared(x jsonText, sign string, y jsonText) jsonText {
	switch {
	case sign == "==" || sign == "!=":
		return boolean(equal(x, y) == (sign == "=="))
	case kindOf(x) != "number" || kindOf(y) != "number":
		return null
	}
	order := "<=>"[compare(x, y)+1]
	return boolean(strings.IndexByte(sign, order) >= 0) // <= holds for < and for =
}

// writeRaw writes a query's result for a shell: a scalar on a line of its own, a list as one line
// an element, a list of lists as rows of cells separated by tabs. It fails for anything else, and
// for null, so that a script does not go on with nothing.
func writeRaw(w io.Writer, result jsonText) {
	for _, line := range asList(result) {
		for i, cell := range asList(line) {
			if i > 0 {
				io.WriteString(w, "\t")
			}
			switch kind := kindOf(cell); {
			case kind == "string":
				writeEscaped(w, textOf(cell), isHidden, escapeInText)
			case kind == "number", kind == "boolean":
				io.WriteString(w, string(cell))
			case line == null:
				panic(badQuery{0, fail(codeQueryType,
					"it found nothing, and --raw cannot print null")})
			case kind != "null": // which is an empty cell
				panic(badQuery{0, fail(codeQueryType, "--raw cannot print an %s", kind).
					withHint("select its fields, for example with [id, name]")})
			}
		}
		io.WriteString(w, "\n")
	}
}
