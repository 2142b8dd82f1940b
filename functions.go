//go:build !noquery

package main

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// function is one of https://jmespath.org/specification.html#built-in-functions.
type function struct {
	takes string // the types of its arguments; "..." after the last one if it may be repeated
	apply func(c *call) jsonText
}

// call is a call of a function, with arguments of the types that it takes.
type call struct {
	at   int        // the call's byte offset in the expression
	args []jsonText // all but &expression
	by   evaluator  // &expression; nil if there is none
}

// functions has all functions by name.
var functions = map[string]function{
	"abs":         {"number", abs},
	"avg":         {"array", average},
	"ceil":        {"number", rounding(math.Ceil)},
	"contains":    {"array|string, any", contains},
	"ends_with":   {"string, string", onStrings(strings.HasSuffix)},
	"floor":       {"number", rounding(math.Floor)},
	"join":        {"string, array", join},
	"keys":        {"object", keys},
	"length":      {"string|array|object", length},
	"map":         {"&expression, array", mapped},
	"max":         {"array", extreme(slices.MaxFunc)},
	"max_by":      {"array, &expression", extreme(slices.MaxFunc)},
	"merge":       {"object...", merge},
	"min":         {"array", extreme(slices.MinFunc)},
	"min_by":      {"array, &expression", extreme(slices.MinFunc)},
	"not_null":    {"any...", notNull},
	"reverse":     {"string|array", reverse},
	"sort":        {"array", sorted},
	"sort_by":     {"array, &expression", sorted},
	"starts_with": {"string, string", onStrings(strings.HasPrefix)},
	"sum":         {"array", sum},
	"to_array":    {"any", func(c *call) jsonText { return joined("[]", asList(c.args[0])) }},
	"to_number":   {"any", toNumber},
	"to_string":   {"any", toString},
	"type":        {"any", func(c *call) jsonText { return quote(kindOf(c.args[0])) }},
	"values":      {"object", func(c *call) jsonText { return joined("[]", valuesIn(c.args[0])) }},
}

// call parses the arguments of a call of the function that name names.
func (p *parser) call(name token) evaluator {
	called, known := functions[name.text]
	if !known {
		names := slices.Sorted(maps.Keys(functions))
		f := fail(codeQueryFunction, "unknown function")
		f.withHint("the functions are %s", strings.Join(names, ", "))
		if near := closest(name.text, names); near != "" {
			f.withHint("did you mean %s()?", near)
		}
		p.note(badQuery{name.at, f})
	}
	takes, isVariadic := strings.CutSuffix(called.takes, "...")
	types := strings.Split(takes, ", ")
	n := len(types)
	types = append(types, takes) // of further arguments, if there may be any
	var args []argument
	if !p.take(")") {
		p.commaList(")", func() {
			args = append(args, p.argument(name.text, types[min(len(args), n)]))
		})
	}
	if len(args) < n || len(args) > n && !isVariadic {
		p.note(badQuery{name.at, fail(codeQueryFunction,
			"wrong number of arguments: %d, want %s(%s)", len(args), name.text, called.takes)})
	}
	return func(v jsonText) jsonText {
		c := &call{at: name.at}
		for _, arg := range args {
			if arg.isReference {
				c.by = arg.value
			} else {
				c.args = append(c.args, arg.value(v))
			}
		}
		return called.apply(c)
	}
}

// argument is an argument in an expression; value panics if the result is of another type.
type argument struct {
	isReference bool // it is &expression
	value       evaluator
}

// argument parses an argument of a function that takes the given types there.
func (p *parser) argument(function, types string) argument {
	const reference = "&expression"
	at := p.peek().at
	wrong := func(got string) badQuery {
		return badQuery{at, fail(codeQueryType, "%s() got %s, want %s", function, got, types)}
	}
	isReference := p.take("&")
	value := p.expression(0)
	switch {
	case isReference && types != reference:
		p.note(wrong(reference))
	case !isReference && types == reference:
		p.note(wrong("a value"))
	case !isReference && types != "any":
		return argument{value: func(v jsonText) jsonText {
			got := value(v)
			if kind := kindOf(got); !strings.Contains(types, kind) {
				panic(wrong(kind))
			}
			return got
		}}
	}
	return argument{isReference, value}
}

// fail ends the evaluation of the query.
func (c *call) fail(format string, args ...any) {
	panic(badQuery{c.at, fail(codeQueryType, format, args...)})
}

func abs(c *call) jsonText { return jsonText(strings.TrimPrefix(string(c.args[0]), "-")) }

// rounding returns the function that rounds with round. A number without fraction and exponent
// keeps its digits.
func rounding(round func(float64) float64) func(*call) jsonText {
	return func(c *call) jsonText {
		if n := c.args[0]; !strings.ContainsAny(string(n), ".eE") {
			return n
		}
		return c.number(round(float(c.args[0])))
	}
}

// number returns f as JSON.
func (c *call) number(f float64) jsonText {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		c.fail("the result is not a finite number")
	}
	format, size := byte('f'), math.Abs(f)
	if size >= 1e21 || size < 1e-6 && f != 0 {
		format = 'e'
	}
	return jsonText(strconv.FormatFloat(f+0, format, -1, 64)) // -0 + 0 is 0
}

// sum is exact for integers whose running total fits in 64 bits.
func sum(c *call) jsonText {
	whole, total, exact := int64(0), 0.0, true
	for i, element := range valuesIn(c.args[0]) {
		c.checkElement(i, element, "number")
		n, err := strconv.ParseInt(string(element), 10, 64)
		exact = exact && err == nil && (whole+n > whole) == (n > 0)
		whole += n
		total += float(element)
	}
	if exact {
		return jsonText(strconv.FormatInt(whole, 10))
	}
	return c.number(total)
}

// checkElement fails unless element i of an array, or the key that orders it, is of the kind that
// is wanted.
func (c *call) checkElement(i int, v jsonText, want string) {
	if got := kindOf(v); got != want {
		c.fail("got %s for element %d, want %ss only", got, i+1, want)
	}
}

func average(c *call) jsonText {
	if c.args[0] == "[]" {
		return null
	}
	return c.number(float(sum(c)) / float64(count(c.args[0])))
}

func contains(c *call) jsonText {
	whole, part := c.args[0], c.args[1]
	if kindOf(whole) == "string" {
		return boolean(kindOf(part) == "string" && strings.Contains(textOf(whole), textOf(part)))
	}
	isEqual := func(element jsonText) bool { return equal(element, part) }
	return boolean(slices.ContainsFunc(valuesIn(whole), isEqual))
}

// onStrings returns the function that applies test to its two arguments.
func onStrings(test func(a, b string) bool) func(*call) jsonText {
	return func(c *call) jsonText { return boolean(test(textOf(c.args[0]), textOf(c.args[1]))) }
}

func join(c *call) jsonText {
	var texts []string
	for i, element := range valuesIn(c.args[1]) {
		c.checkElement(i, element, "string")
		texts = append(texts, textOf(element))
	}
	return quote(strings.Join(texts, textOf(c.args[0])))
}

func keys(c *call) jsonText {
	var names []jsonText
	for name := range c.args[0].parts() {
		names = append(names, name)
	}
	return joined("[]", names)
}

// length counts the characters of a string.
func length(c *call) jsonText {
	n := 0
	if v := c.args[0]; kindOf(v) == "string" {
		n = utf8.RuneCountInString(textOf(v))
	} else {
		n = count(v)
	}
	return jsonText(strconv.Itoa(n))
}

func mapped(c *call) jsonText {
	results := valuesIn(c.args[0])
	for i, element := range results {
		results[i] = c.by(element)
	}
	return joined("[]", results)
}

// merge keeps of members with the same name the first one's place and the last one's value.
func merge(c *call) jsonText {
	var members []jsonText
	places := map[jsonText]int{}
	for _, object := range c.args {
		for name, value := range object.parts() {
			if _, seen := places[name]; !seen {
				places[name] = len(members)
				members = append(members, "")
			}
			members[places[name]] = name + ":" + value
		}
	}
	return joined("{}", members)
}

// keyed is an element of an array with the key that orders it.
type keyed struct{ key, element jsonText }

func (k keyed) compare(other keyed) int { return compare(k.key, other.key) }

// withKeys returns the elements of the array, each with its key: what &expression makes of it or,
// without one, the element itself. It fails unless all keys are numbers or all are strings.
func (c *call) withKeys() []keyed {
	var all []keyed
	for _, element := range valuesIn(c.args[0]) {
		key := element
		if c.by != nil {
			key = c.by(element)
		}
		all = append(all, keyed{key, element})
		kind := kindOf(all[0].key)
		if kind != "number" && kind != "string" {
			c.fail("got %s for element 1, want numbers or strings", kind)
		}
		c.checkElement(len(all)-1, key, kind)
	}
	return all
}

// extreme returns the function that gives the element which pick finds by key, the first of equal
// ones; null for an empty array.
func extreme(pick func([]keyed, func(a, b keyed) int) keyed) func(*call) jsonText {
	return func(c *call) jsonText {
		if all := c.withKeys(); len(all) > 0 {
			return pick(all, keyed.compare).element
		}
		return null
	}
}

// sorted keeps the order of elements with equal keys.
func sorted(c *call) jsonText {
	all := c.withKeys()
	slices.SortStableFunc(all, keyed.compare)
	var elements []jsonText
	for _, k := range all {
		elements = append(elements, k.element)
	}
	return joined("[]", elements)
}

func notNull(c *call) jsonText {
	for _, arg := range c.args {
		if arg != null {
			return arg
		}
	}
	return null
}

func reverse(c *call) jsonText {
	if kindOf(c.args[0]) == "string" {
		runes := []rune(textOf(c.args[0]))
		slices.Reverse(runes)
		return quote(string(runes))
	}
	elements := valuesIn(c.args[0])
	slices.Reverse(elements)
	return joined("[]", elements)
}

// toNumber returns a number unchanged, and the number that a string spells in JSON's notation; null
// for other values.
func toNumber(c *call) jsonText {
	v := c.args[0]
	if kindOf(v) == "string" {
		text := textOf(v)
		number, err := canonicalJSON(text, key{})
		if err != nil || string(number) != text { // there is white space around it
			return null
		}
		v = number
	}
	if kindOf(v) != "number" {
		return null
	}
	return v
}

// toString returns a string unchanged, and the JSON of other values.
func toString(c *call) jsonText {
	if kindOf(c.args[0]) == "string" {
		return c.args[0]
	}
	var b strings.Builder
	writeEscaped(&b, string(c.args[0]), isHidden, escapeInJSON)
	return quote(b.String())
}

// Queries work on JSON text: each value is a jsonText, and what is found in a document is a part of
// it that shares its memory. So digits and the order of names stay as they are, equal strings are
// equal texts, and a result is ready to be printed.

const null jsonText = "null"

// kindOf returns the name of a value's type: null, boolean, number, string, array or object.
func kindOf(v jsonText) string {
	switch v[0] {
	case 'n':
		return "null"
	case 't', 'f':
		return "boolean"
	case '"':
		return "string"
	case '[':
		return "array"
	case '{':
		return "object"
	}
	return "number"
}

// boolean returns true or false.
func boolean(b bool) jsonText { return jsonText(strconv.FormatBool(b)) }

// quote returns text as a string.
func quote(text string) jsonText {
	var b strings.Builder
	writeQuoted(&b, text)
	return jsonText(b.String())
}

// textOf returns the text of a string.
func textOf(v jsonText) string { return unquote(string(v)) }

// count returns the number of values in an array or an object.
func count(v jsonText) int {
	n := 0
	for range v.parts() {
		n++
	}
	return n
}

// valuesIn returns the values in an array or an object.
func valuesIn(v jsonText) []jsonText {
	values := make([]jsonText, 0, count(v)) // to grow would cost several times the memory
	for _, value := range v.parts() {
		values = append(values, value)
	}
	return values
}

// asList returns the elements of an array, or another value as the only one.
func asList(v jsonText) []jsonText {
	if kindOf(v) == "array" {
		return valuesIn(v)
	}
	return []jsonText{v}
}

// joined returns the array of elements, or the object of members, depending on brackets.
func joined(brackets string, parts []jsonText) jsonText {
	size := len(brackets) + max(0, len(parts)-1)
	for _, part := range parts {
		size += len(part)
	}
	var b strings.Builder
	b.Grow(size)
	b.WriteByte(brackets[0])
	for i, part := range parts {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(string(part))
	}
	b.WriteByte(brackets[1])
	return jsonText(b.String())
}

// field returns the value of an object's member, the last one of that name, which is as it is
// quoted; null if there is none or v is not an object.
func field(v, name jsonText) jsonText {
	return cmp.Or(v.member(string(name[1:len(name)-1])), null)
}

// truthy reports whether a value is none of null, false, "", [] and {}.
func truthy(v jsonText) bool {
	return v != null && v != "false" && v != `""` && v != "[]" && v != "{}"
}

// equal reports whether two values are equal: numbers by value, objects whatever the order of their
// members.
func equal(a, b jsonText) bool {
	kind := kindOf(a)
	switch {
	case a == b:
		return true
	case kind != kindOf(b):
		return false
	case kind == "number":
		return compare(a, b) == 0
	case kind == "array":
		return slices.EqualFunc(valuesIn(a), valuesIn(b), equal)
	case kind == "object":
		return maps.EqualFunc(maps.Collect(a.parts()), maps.Collect(b.parts()), equal)
	}
	return false
}

// compare orders two strings by code point, or two numbers: as integers if both are integers that
// fit in 64 bits, else as floating point numbers.
func compare(a, b jsonText) int {
	if kindOf(a) == "string" {
		return strings.Compare(textOf(a), textOf(b))
	}
	i, errA := strconv.ParseInt(string(a), 10, 64)
	j, errB := strconv.ParseInt(string(b), 10, 64)
	if errA == nil && errB == nil {
		return cmp.Compare(i, j)
	}
	return cmp.Compare(float(a), float(b))
}

// float returns the floating point number nearest to a number; it may be infinite.
func float(n jsonText) float64 {
	f, _ := strconv.ParseFloat(string(n), 64)
	return f
}
