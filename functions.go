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

// This file has the built-in functions of --query, and what they share with its operators.

// function is one of https://jmespath.org/specification.html#built-in-functions. takes lists the
// types of its arguments in the specification's notation; an argument with "..." may be repeated.
// result is called with arguments of those types.
type function struct {
	name, takes string
	result      func(c *call, args []any) any
}

var functions = []function{
	{"abs", "number", abs},
	{"avg", "array[number]", average},
	{"ceil", "number", ceil},
	{"contains", "array|string, any", contains},
	{"ends_with", "string, string", endsWith},
	{"floor", "number", floor},
	{"join", "string, array[string]", join},
	{"keys", "object", keys},
	{"length", "string|array|object", lengthOf},
	{"map", "expression, array", mapped},
	{"max", "array[number]|array[string]", largest},
	{"max_by", "array, expression", largest},
	{"merge", "object...", merge},
	{"min", "array[number]|array[string]", smallest},
	{"min_by", "array, expression", smallest},
	{"not_null", "any...", notNull},
	{"reverse", "string|array", reversed},
	{"sort", "array[number]|array[string]", sorted},
	{"sort_by", "array, expression", sorted},
	{"starts_with", "string, string", startsWith},
	{"sum", "array[number]", sum},
	{"to_array", "any", toArray},
	{"to_number", "any", toNumber},
	{"to_string", "any", toString},
	{"type", "any", nameOfType},
	{"values", "object", values},
}

// call is the call of a function in an expression.
type call struct {
	function
	text  string // the whole expression
	at    int    // byte offset of the function's name
	types []string
	args  []argument
}

// argument is an expression. A function gets its value or, if & precedes it, its evaluator.
type argument struct {
	at          int // byte offset
	isReference bool
	evaluate    evaluator
}

// check sets the types of the arguments, and fails if the call is wrong whatever @ is.
func (c *call) check() {
	takes, variadic := strings.CutSuffix(c.takes, "...")
	c.types = strings.Split(takes, ", ")
	want := strconv.Itoa(len(c.types))
	if variadic {
		want += " or more"
	}
	for variadic && len(c.types) < len(c.args) {
		c.types = append(c.types, takes)
	}
	if len(c.types) != len(c.args) {
		panic(queryFailure(codeQueryFunction, c.text, c.at,
			"wrong number of arguments for %s(): %d, want %s", c.name, len(c.args), want))
	}
	for i, arg := range c.args {
		switch isExpression := c.types[i] == "expression"; {
		case isExpression && !arg.isReference:
			c.fail(arg.at, "%s() got a value, want an expression such as &name", c.name)
		case arg.isReference && !isExpression:
			c.fail(arg.at, "%s() got an expression, want %s", c.name, c.types[i])
		}
	}
}

// evaluate returns the function's result where @ is v.
func (c *call) evaluate(v any) any {
	values := make([]any, len(c.args))
	for i, arg := range c.args {
		if arg.isReference {
			values[i] = arg.evaluate
			continue
		}
		values[i] = arg.evaluate(v)
		if !isOf(values[i], c.types[i]) {
			c.fail(arg.at, "%s() got %s, want %s", c.name, describe(values[i]), c.types[i])
		}
	}
	return c.result(c, values)
}

func (c *call) fail(at int, format string, args ...any) {
	panic(queryFailure(codeQueryType, c.text, at, format, args...))
}

// isOf reports whether a value is of one of the types.
func isOf(v any, types string) bool {
	kind := typeOf(v)
	for t := range strings.SplitSeq(types, "|") {
		if t == "any" || t == kind {
			return true
		}
		if kind == "array" && strings.HasPrefix(t, "array[") && (isEmpty(v) || describe(v) == t) {
			return true
		}
	}
	return false
}

// describe returns the type of a value; for an array that is not empty, with the types of its
// elements.
func describe(v any) string {
	var kinds []string
	for element := range elements(v) {
		if kind := typeOf(element); !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	if len(kinds) == 0 {
		return typeOf(v)
	}
	return "array[" + strings.Join(kinds, "|") + "]"
}

func abs(_ *call, args []any) any {
	return number(strings.TrimPrefix(string(args[0].(number)), "-"))
}

func ceil(c *call, args []any) any  { return c.round(args[0].(number), math.Ceil) }
func floor(c *call, args []any) any { return c.round(args[0].(number), math.Floor) }

// round rounds n with rounded. A number without fraction and exponent keeps its digits.
func (c *call) round(n number, rounded func(float64) float64) number {
	if !strings.ContainsAny(string(n), ".eE") {
		return n
	}
	return c.number(rounded(float(n)))
}

// number returns the JSON number for f.
func (c *call) number(f float64) number {
	switch size := math.Abs(f); {
	case math.IsInf(f, 0) || math.IsNaN(f):
		c.fail(c.at, "the result of %s() is not a finite number", c.name)
	case f == 0:
		return "0" // not -0
	case size >= 1e21 || size < 1e-6:
		return number(strconv.FormatFloat(f, 'e', -1, 64))
	}
	return number(strconv.FormatFloat(f, 'f', -1, 64))
}

// float returns the nearest floating point number, which may be infinite.
func float(n number) float64 {
	f, _ := strconv.ParseFloat(string(n), 64)
	return f
}

// sum is exact for integers whose running total fits in 64 bits.
func sum(c *call, args []any) any {
	whole, total, exact := int64(0), 0.0, true
	for element := range elements(args[0]) {
		n := element.(number)
		i, err := strconv.ParseInt(string(n), 10, 64)
		next := whole + i
		if exact = exact && err == nil && (next > whole) == (i > 0); exact {
			whole = next
		}
		total += float(n)
	}
	if exact {
		return number(strconv.FormatInt(whole, 10))
	}
	return c.number(total)
}

func average(c *call, args []any) any {
	n := length(args[0])
	if n == 0 {
		return nil
	}
	return c.number(float(sum(c, args).(number)) / float64(n))
}

func contains(_ *call, args []any) any {
	if text, ok := args[0].(string); ok {
		part, ok := args[1].(string)
		return ok && strings.Contains(text, part)
	}
	for element := range elements(args[0]) {
		if equal(element, args[1]) {
			return true
		}
	}
	return false
}

func startsWith(_ *call, args []any) any {
	return strings.HasPrefix(args[0].(string), args[1].(string))
}

func endsWith(_ *call, args []any) any {
	return strings.HasSuffix(args[0].(string), args[1].(string))
}

func join(c *call, args []any) any {
	glue := args[0].(string)
	size := 0
	var parts []string
	for part := range elements(args[1]) {
		parts = append(parts, part.(string))
		size += len(glue) + len(part.(string))
		if size > maxQueryResult {
			c.fail(c.at, "the result of %s() %s", c.name, tooLarge)
		}
	}
	return strings.Join(parts, glue)
}

func keys(_ *call, args []any) any {
	var names []any
	for _, name := range merged(args[0]).names {
		names = append(names, name)
	}
	return names
}

func values(_ *call, args []any) any { return merged(args[0]).values }
func merge(_ *call, args []any) any  { return merged(args...) }

// merged returns the members of all objects. Duplicate names keep the first position and the last
// value.
func merged(objects ...any) *object {
	o := &object{}
	places := map[string]int{}
	for _, each := range objects {
		for name, value := range members(each) {
			if place, seen := places[name]; seen {
				o.values[place] = value
				continue
			}
			places[name] = len(o.names)
			o.names, o.values = append(o.names, name), append(o.values, value)
		}
	}
	return o
}

// lengthOf counts the characters of a string, and duplicate names in an object once.
func lengthOf(_ *call, args []any) any {
	n := length(args[0])
	switch v := args[0]; typeOf(v) {
	case "string":
		n = utf8.RuneCountInString(v.(string))
	case "object":
		n = length(merged(v))
	}
	return number(strconv.Itoa(n))
}

func mapped(_ *call, args []any) any {
	var results []any
	for element := range elements(args[1]) {
		results = append(results, args[0].(evaluator)(element))
	}
	return results
}

// keyed is an element of an array with the key that orders it.
type keyed struct{ key, element any }

// keyed returns the elements of the first argument, in their order, each with its key: the result
// of the second argument for it or, without one, the element itself. It fails unless all keys are
// numbers or all are strings.
func (c *call) keyed(args []any) []keyed {
	var all []keyed
	for element := range elements(args[0]) {
		key := element // whose type has been checked
		if len(args) == 2 {
			key = args[1].(evaluator)(element)
		}
		all = append(all, keyed{key, element})
		kind := typeOf(key)
		if kind == typeOf(all[0].key) && (kind == "number" || kind == "string") {
			continue
		}
		f := queryFailure(codeQueryType, c.text, c.args[1].at,
			"%s() got %s for element %d, want numbers only or strings only", c.name, kind, len(all))
		if kind == "null" {
			f.withHint("leave out elements without a value first, as in %s([?name], &name)", c.name)
		}
		panic(f)
	}
	return all
}

// compare orders two numbers, or two strings by code point.
func compare(a, b keyed) int {
	if x, ok := a.key.(number); ok {
		return compareNumbers(x, b.key.(number))
	}
	return cmp.Compare(a.key.(string), b.key.(string))
}

func largest(c *call, args []any) any  { return c.pick(args, slices.MaxFunc) }
func smallest(c *call, args []any) any { return c.pick(args, slices.MinFunc) }

// pick returns the element that extreme finds by key, the first of equal ones; nil for an empty
// array.
func (c *call) pick(args []any, extreme func([]keyed, func(a, b keyed) int) keyed) any {
	all := c.keyed(args)
	if len(all) == 0 {
		return nil
	}
	return extreme(all, compare).element
}

// sorted keeps the order of elements that are equal.
func sorted(c *call, args []any) any {
	all := c.keyed(args)
	slices.SortStableFunc(all, compare)
	result := make([]any, len(all))
	for i := range all {
		result[i] = all[i].element
	}
	return result
}

func notNull(_ *call, args []any) any {
	i := slices.IndexFunc(args, func(arg any) bool { return arg != nil })
	if i < 0 {
		return nil
	}
	return args[i]
}

func reversed(_ *call, args []any) any {
	text, ok := args[0].(string)
	if !ok {
		list := slices.Collect(elements(args[0]))
		slices.Reverse(list)
		return list
	}
	var b strings.Builder
	b.Grow(len(text))
	for len(text) > 0 {
		_, size := utf8.DecodeLastRuneInString(text)
		b.WriteString(text[len(text)-size:])
		text = text[:len(text)-size]
	}
	return b.String()
}

func toArray(_ *call, args []any) any {
	if typeOf(args[0]) == "array" {
		return args[0]
	}
	return []any{args[0]}
}

// toNumber returns a number unchanged, and the number that a string spells in JSON's notation; nil
// for other values.
func toNumber(_ *call, args []any) any {
	v := args[0]
	text, isText := v.(string)
	if isText {
		v, _ = parseJSON(text)
	}
	if n, ok := v.(number); ok && (!isText || string(n) == text) {
		return n
	}
	return nil
}

func toString(c *call, args []any) any {
	if text, ok := args[0].(string); ok {
		return text
	}
	var b strings.Builder
	if writeJSON(&bounded{&b, maxQueryResult}, args[0]) != nil {
		c.fail(c.at, "the result of %s() %s", c.name, tooLarge)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func nameOfType(_ *call, args []any) any { return typeOf(args[0]) }

// truthy reports whether a value is none of null, false, "", [] and {}.
func truthy(v any) bool {
	switch v {
	case nil, false, "":
		return false
	}
	return typeOf(v) != "array" && typeOf(v) != "object" || !isEmpty(v)
}

// isEmpty reports whether a value has neither elements nor members.
func isEmpty(v any) bool {
	for range elements(v) {
		return false
	}
	for range members(v) {
		return false
	}
	return true
}

// equal reports whether two values are equal; the members of objects may be in any order.
func equal(a, b any) bool {
	kind := typeOf(a)
	switch {
	case kind != typeOf(b):
		return false
	case kind == "number":
		return compareNumbers(a.(number), b.(number)) == 0
	case kind == "array":
		return slices.EqualFunc(slices.Collect(elements(a)), slices.Collect(elements(b)), equal)
	case kind == "object":
		return maps.EqualFunc(maps.Collect(members(a)), maps.Collect(members(b)), equal)
	}
	return a == b
}

// compareNumbers compares two numbers: as integers if both are integers that fit in 64 bits, else
// as floating point numbers.
func compareNumbers(a, b number) int {
	x, errX := strconv.ParseInt(string(a), 10, 64)
	y, errY := strconv.ParseInt(string(b), 10, 64)
	if errX == nil && errY == nil {
		return cmp.Compare(x, y)
	}
	return cmp.Compare(float(a), float(b))
}
