//go:build !noquery

package main

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
)

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
