package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"unicode/utf16"
)

// jsonText is a JSON document in the one form that the program works on: compact, valid UTF-8,
// names in their order, digits as sent, no more escapes than JSON needs, and without the key.
type jsonText string

// maxSeparators is how many commas and opening brackets a document may have outside strings: what
// it costs to work on one grows with the number of its values.
const maxSeparators = 2_000_000

// canonicalJSON returns that form of a JSON document in valid UTF-8, with k masked in every name
// and string. It fails if text is not JSON, is more than 10,000 levels deep, or exceeds
// maxSeparators.
func canonicalJSON(text string, k key) (jsonText, error) {
	if !json.Valid([]byte(text)) { // the compiler makes no copy for this conversion
		return "", errors.New("it is not JSON")
	}
	holdsKey := k.mask(text) != text // as it is; an escaped string may hold it all the same
	var b strings.Builder
	separators, written := 0, 0
	rewrite := func(from, to int) { // keeps what is before from, and goes on at to
		if b.Cap() == 0 {
			b.Grow(2 * len(text)) // at once: in steps it would take several times the room
		}
		b.WriteString(text[written:from])
		written = to
	}
	for i, next := 0, 0; i < len(text); i = next {
		next = i + 1
		switch text[i] {
		case ' ', '\t', '\r', '\n':
			rewrite(i, next)
		case ',', '[', '{':
			if separators++; separators > maxSeparators {
				return "", fmt.Errorf("it has more than %d values", maxSeparators)
			}
		case '"':
			next = skipString(text, i)
			if token := text[i:next]; holdsKey || strings.Contains(token, `\`) {
				rewrite(i, next)
				writeQuoted(&b, k.mask(unquote(token)))
			}
		}
	}
	if written == 0 {
		return jsonText(text), nil
	}
	b.WriteString(text[written:])
	return jsonText(b.String()), nil
}

// marshal returns v, which holds nothing that encoding/json could refuse, as JSON without k.
func marshal(v any, k key) jsonText {
	text, _ := json.Marshal(v) // empty if it failed, which is no JSON
	canonical, err := canonicalJSON(string(text), k)
	if err != nil {
		panic(err)
	}
	return canonical
}

// skipString returns the offset after the JSON string at text[i].
func skipString(text string, i int) int {
	for i++; text[i] != '"'; i++ {
		if text[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// unquote returns the text of a JSON string; a lone surrogate becomes U+FFFD.
func unquote(quoted string) string {
	if !strings.Contains(quoted, `\`) {
		return quoted[1 : len(quoted)-1] // shares the document's memory
	}
	var text string
	json.Unmarshal([]byte(quoted), &text) // cannot fail: the string is valid
	return text
}

// writeQuoted writes text as a JSON string, of which it escapes only what JSON does not allow.
func writeQuoted(w io.Writer, text string) {
	io.WriteString(w, `"`)
	writeEscaped(w, text, isNotJSON, escapeInJSON)
	io.WriteString(w, `"`)
}

// isNotJSON reports whether r cannot stand in a JSON string.
func isNotJSON(r rune) bool { return r < ' ' || r == '"' || r == '\\' }

// escapeInJSON returns the escape of r in a JSON string; above U+FFFF it is a surrogate pair.
func escapeInJSON(r rune) string {
	if i := strings.IndexRune("\b\f\n\r\t\"\\", r); i >= 0 {
		return `\` + `bfnrt"\`[i:i+1]
	}
	escape := ""
	for _, unit := range utf16.AppendRune(nil, r) {
		escape += fmt.Sprintf(`\u%04x`, unit)
	}
	return escape
}

// writeJSON writes a document as one line, with what must not show as JSON escapes.
func writeJSON(w io.Writer, text jsonText) {
	writeEscaped(w, string(text), isHidden, escapeInJSON)
	io.WriteString(w, "\n")
}

// parts yields the values in an array or an object, an object's each with its name as it is quoted.
func (t jsonText) parts() iter.Seq2[jsonText, jsonText] {
	return func(yield func(name, value jsonText) bool) {
		for i := 1; i < len(t)-1; i++ { // past the bracket, then past each comma
			var name jsonText
			if t[0] == '{' {
				end := skipString(string(t), i)
				name, i = t[i:end], end+1
			}
			end := skipValue(string(t), i)
			if !yield(name, t[i:end]) {
				return
			}
			i = end
		}
	}
}

// skipValue returns the offset after the value at text[i], in an array or an object: that of the
// next comma or closing bracket that is not within the value.
func skipValue(text string, i int) int {
	for depth := 0; ; i++ {
		switch c := text[i]; {
		case c == '"':
			i = skipString(text, i) - 1
		case c == '[' || c == '{':
			depth++
		case depth == 0 && (c == ',' || c == ']' || c == '}'):
			return i
		case c == ']' || c == '}':
			depth--
		}
	}
}

// member returns the value of an object's member, the last one of that name; "" if there is none or
// t is not an object. The name is as it stands between its quotation marks.
func (t jsonText) member(name string) jsonText {
	var found jsonText
	if t != "" && t[0] == '{' {
		for quoted, value := range t.parts() {
			if string(quoted[1:len(quoted)-1]) == name {
				found = value
			}
		}
	}
	return found
}
