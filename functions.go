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
// types of its arguments; one with "..." may be repeated, and &expression is not evaluated. result
// is called with arguments of those types, and with the byte offset of the call, for errors.
type function struct {
	takes  string
	result func(at int, args []any) any
}

var functions = map[string]function{
	"abs":         {"number", abs},
	"avg":         {"array", average},
	"ceil":        {"number", rounding(math.Ceil)},
	"contains":    {"array|string, any", contains},
	"ends_with":   {"string, string", onStrings(strings.HasSuffix)},
	"floor":       {"number", rounding(math.Floor)},
	"join":        {"string, array", join},
	"keys":        {"object", keys},
	"length":      {"string|array|object", lengthOf},
	"map":         {"&expression, array", mapped},
	"max":         {"array", extreme(slices.MaxFunc)},
	"max_by":      {"array, &expression", extreme(slices.MaxFunc)},
	"merge":       {"object...", merge},
	"min":         {"array", extreme(slices.MinFunc)},
	"min_by":      {"array, &expression", extreme(slices.MinFunc)},
	"not_null":    {"any...", notNull},
	"reverse":     {"string|array", reversed},
	"sort":        {"array", sorted},
	"sort_by":     {"array, &expression", sorted},
	"starts_with": {"string, string", onStrings(strings.HasPrefix)},
	"sum":         {"array", sum},
	"to_array":    {"any", toArray},
	"to_number":   {"any", toNumber},
	"to_string":   {"any", toString},
	"type":        {"any", nameOfType},
	"values":      {"object", values},
}

// call parses the arguments of a call of the function that t names. It fails if the call is wrong
// whatever @ is.
func (p *queryParser) call(t token) evaluator {
	called, known := functions[t.text]
	if !known {
		f := fail(codeQueryFunction, "unknown function").
			withHint("the functions are listed at https://jmespath.org/specification.html")
		names := slices.Sorted(maps.Keys(functions))
		if name := closest(strings.ToLower(t.text), names); name != "" {
			f.withHint("did you mean %s()?", name)
		}
		panic(badQuery{t.at, f})
	}
	takes, isVariadic := strings.CutSuffix(called.takes, "...")
	types := strings.Split(takes, ", ")
	n := len(types)
	types = append(types, takes) // of further arguments, if there may be any
	var args []any
	if !p.take(")") {
		p.commaList(")", func() {
			args = append(args, p.argument(t.text, types[min(len(args), n)]))
		})
	}
	if len(args) < n || len(args) > n && !isVariadic {
		panic(badQuery{t.at, fail(codeQueryFunction, "wrong number of arguments: %d, want %s(%s)",
			len(args), t.text, called.takes)})
	}
	return func(v any) any { return called.result(t.at, evaluateAll(args, v)) }
}

// argument parses an argument of a function that takes the given types there. The evaluator of
// &expression returns that expression's evaluator.
func (p *queryParser) argument(function, types string) evaluator {
	const reference = "&expression"
	at := p.peek().at
	mismatch := func(got string) {
		panic(badQuery{at, fail(codeQueryType, "%s() got %s, want %s", function, got, types)})
	}
	isReference := p.take("&")
	value := p.expression(0)
	switch {
	case isReference && types == reference:
		return func(any) any { return value }
	case isReference:
		mismatch(reference)
	case types == reference:
		mismatch("a value")
	}
	kinds := strings.Split(types, "|")
	return func(v any) any {
		got := value(v)
		if types != "any" && !slices.Contains(kinds, typeOf(got)) {
			mismatch(typeOf(got))
		}
		return got
	}
}

// badElement fails because element n of an array, counted from 1, or the key that orders it is v.
func badElement(at, n int, v any, want string) {
	f := fail(codeQueryType, "got %s for element %d, want %s only", typeOf(v), n, want)
	if v == nil {
		f.withHint("leave out elements without a value first, for example with [?name]")
	}
	panic(badQuery{at, f})
}

func abs(_ int, args []any) any {
	return number(strings.TrimPrefix(string(args[0].(number)), "-"))
}

// rounding returns the function that rounds with round. A number without fraction and exponent
// keeps its digits.
func rounding(round func(float64) float64) func(int, []any) any {
	return func(at int, args []any) any {
		n := args[0].(number)
		if !strings.ContainsAny(string(n), ".eE") {
			return n
		}
		return numberOf(at, round(float(n)))
	}
}

// numberOf returns the JSON number for f.
func numberOf(at int, f float64) number {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		panic(badQuery{at, fail(codeQueryType, "the result is not a finite number")})
	}
	format, size := byte('f'), math.Abs(f)
	if size >= 1e21 || size < 1e-6 && f != 0 {
		format = 'e'
	}
	return number(strconv.FormatFloat(f+0, format, -1, 64)) // -0 + 0 is 0
}

// float returns the nearest floating point number, which may be infinite.
func float(n number) float64 {
	f, _ := strconv.ParseFloat(string(n), 64)
	return f
}

// sum is exact for integers whose running total fits in 64 bits.
func sum(at int, args []any) any {
	count, whole, total, exact := 0, int64(0), 0.0, true
	for element := range elements(args[0]) {
		count++
		n, isNumber := element.(number)
		if !isNumber {
			badElement(at, count, element, "numbers")
		}
		i, err := strconv.ParseInt(string(n), 10, 64)
		exact = exact && err == nil && (whole+i > whole) == (i > 0)
		whole += i
		total += float(n)
	}
	if exact {
		return number(strconv.FormatInt(whole, 10))
	}
	return numberOf(at, total)
}

func average(at int, args []any) any {
	n := length(args[0])
	if n == 0 {
		return nil
	}
	return numberOf(at, float(sum(at, args).(number))/float64(n))
}

func contains(_ int, args []any) any {
	for element := range elements(args[0]) {
		if equal(element, args[1]) {
			return true
		}
	}
	text, isText := args[0].(string)
	part, isPart := args[1].(string)
	return isText && isPart && strings.Contains(text, part)
}

// onStrings returns the function that applies test to its two arguments.
func onStrings(test func(a, b string) bool) func(int, []any) any {
	return func(_ int, args []any) any { return test(args[0].(string), args[1].(string)) }
}

func join(at int, args []any) any {
	glue := args[0].(string)
	size := 0
	var parts []string
	for element := range elements(args[1]) {
		part, isString := element.(string)
		parts = append(parts, part)
		if !isString {
			badElement(at, len(parts), element, "strings")
		}
		if size += len(glue) + len(part); size > maxQueryResult {
			panic(tooLarge(at))
		}
	}
	return strings.Join(parts, glue)
}

func keys(_ int, args []any) any {
	var names []any
	for name := range members(merged(args[0])) {
		names = append(names, name)
	}
	return names
}

func values(_ int, args []any) any { return valuesOf(args[0]) }
func merge(_ int, args []any) any  { return merged(args...) }

// valuesOf returns the values of an object's members; nil for a value that is not an object.
func valuesOf(v any) any {
	if typeOf(v) != "object" {
		return nil
	}
	return merged(v).values
}

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
func lengthOf(_ int, args []any) any {
	n := length(args[0])
	switch v := args[0]; typeOf(v) {
	case "string":
		n = utf8.RuneCountInString(v.(string))
	case "object":
		n = length(merged(v))
	}
	return number(strconv.Itoa(n))
}

func mapped(_ int, args []any) any {
	var results []any
	for element := range elements(args[1]) {
		results = append(results, args[0].(evaluator)(element))
	}
	return results
}

// keyed is an element of an array with the key that orders it.
type keyed struct{ key, element any }

func (k keyed) compare(other keyed) int { return compare(k.key, other.key) }

// withKeys returns the elements of the first argument, each with its key: what the second argument
// makes of it or, without one, the element itself. It fails unless all keys are numbers or all are
// strings.
func withKeys(at int, args []any) []keyed {
	all := make([]keyed, 0, length(args[0])) // growing would take room twice
	for element := range elements(args[0]) {
		key := element
		if len(args) == 2 {
			key = args[1].(evaluator)(element)
		}
		all = append(all, keyed{key, element})
		kind := typeOf(key)
		if kind != typeOf(all[0].key) || kind != "number" && kind != "string" {
			badElement(at, len(all), key, "numbers only or strings")
		}
	}
	return all
}

// extreme returns the function that gives the element which pick finds by key, the first of equal
// ones; null for an empty array.
func extreme(pick func([]keyed, func(a, b keyed) int) keyed) func(int, []any) any {
	return func(at int, args []any) any {
		if all := withKeys(at, args); len(all) > 0 {
			return pick(all, keyed.compare).element
		}
		return nil
	}
}

// sorted keeps the order of elements that are equal.
func sorted(at int, args []any) any {
	all := withKeys(at, args)
	slices.SortStableFunc(all, keyed.compare)
	result := make([]any, len(all))
	for i := range all {
		result[i] = all[i].element
	}
	return result
}

func notNull(_ int, args []any) any {
	i := slices.IndexFunc(args, func(arg any) bool { return arg != nil })
	if i < 0 {
		return nil
	}
	return args[i]
}

func reversed(_ int, args []any) any {
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

func toArray(_ int, args []any) any { return asArray(args[0]) }

// asArray returns an array unchanged, and any other value as the one element of an array.
func asArray(v any) any {
	if typeOf(v) == "array" {
		return v
	}
	return []any{v}
}

// toNumber returns a number unchanged, and the number that a string spells in JSON's notation; nil
// for other values.
func toNumber(_ int, args []any) any {
	switch v := args[0].(type) {
	case number:
		return v
	case string:
		if n, _ := parseJSON(v); n == any(number(v)) { // not if there is white space around it
			return n
		}
	}
	return nil
}

func toString(at int, args []any) any {
	if text, ok := args[0].(string); ok {
		return text
	}
	var b strings.Builder
	writeJSON(&bounded{&b, maxQueryResult + len("\n"), at}, args[0])
	return strings.TrimSuffix(b.String(), "\n")
}

func nameOfType(_ int, args []any) any { return typeOf(args[0]) }

// truthy reports whether a value is none of null, false, "", [] and {}.
func truthy(v any) bool {
	switch v := v.(type) {
	case []any, *object:
		return length(v) > 0
	case span:
		return skipSpace(string(v), 1) < len(v)-1
	}
	return v != nil && v != false && v != ""
}

// equal reports whether two values are equal; the members of objects may be in any order.
func equal(a, b any) bool {
	kind := typeOf(a)
	switch {
	case kind != typeOf(b):
		return false
	case kind == "number":
		return compare(a, b) == 0
	case kind == "array":
		return slices.EqualFunc(slices.Collect(elements(a)), slices.Collect(elements(b)), equal)
	case kind == "object":
		return maps.EqualFunc(maps.Collect(members(a)), maps.Collect(members(b)), equal)
	}
	return a == b
}

// compare orders two strings by code point, or two numbers: as integers if both are integers that
// fit in 64 bits, else as floating point numbers.
func compare(a, b any) int {
	x, isNumber := a.(number)
	if !isNumber {
		return strings.Compare(a.(string), b.(string))
	}
	y := b.(number)
	i, errX := strconv.ParseInt(string(x), 10, 64)
	j, errY := strconv.ParseInt(string(y), 10, 64)
	if errX == nil && errY == nil {
		return cmp.Compare(i, j)
	}
	return cmp.Compare(float(x), float(y))
}
