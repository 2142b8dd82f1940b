package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// This file reads and writes JSON. Names keep their order and numbers their digits, unlike in
// encoding/json.
//
// A value is nil, a bool, a number, a string, a []any, an *object or a span. Commands and queries
// make []any and *object; a span is part of the answer, and is unpacked one level at a time when
// its parts are needed. Strings and numbers from it share the answer's bytes.

// number is a JSON number as it was spelled, so that its digits pass through unchanged.
type number string

// span is the text of a valid array or object, from its opening to its closing bracket.
type span string

// object is a JSON object that a command or a query made. Its names are unique.
type object struct {
	names  []string
	values []any
}

// newObject returns the object with the given pairs of name and value.
func newObject(pairs ...any) *object {
	o := &object{}
	for i := 0; i+1 < len(pairs); i += 2 {
		o.names = append(o.names, pairs[i].(string))
		o.values = append(o.values, pairs[i+1])
	}
	return o
}

// parseJSON returns the value of a JSON text with no trailing data, at most 10,000 levels deep (the
// limit of encoding/json). It keeps invalid UTF-8 in strings; printing escapes it.
func parseJSON(text string) (any, error) {
	return parseMasked(text, nil)
}

// parseMasked is parseJSON with mask, unless it is nil, applied to the text as in maskStrings.
func parseMasked(text string, mask func(string) string) (any, error) {
	if !json.Valid([]byte(text)) { // the compiler makes no copy for this conversion
		return nil, errors.New("not valid JSON")
	}
	if mask != nil {
		text = maskStrings(text, mask)
	}
	return parsed(strings.Trim(text, " \t\r\n")), nil
}

// parsed returns the value that a valid text without surrounding white space spells.
func parsed(text string) any {
	switch text[0] {
	case '{', '[':
		return span(text)
	case '"':
		return unquote(text)
	case 't', 'f':
		return text == "true"
	case 'n':
		return nil
	}
	return number(text)
}

// unquote returns the text of a JSON string. A lone surrogate becomes U+FFFD. (encoding/json would
// need three times the memory of a long string, and change its invalid UTF-8.)
func unquote(quoted string) string {
	text := quoted[1 : len(quoted)-1]
	if strings.IndexByte(text, '\\') < 0 {
		return text
	}
	var b strings.Builder
	b.Grow(len(text))
	for {
		before, after, escaped := strings.Cut(text, `\`)
		b.WriteString(before)
		if !escaped {
			return b.String()
		}
		c := after[0]
		text = after[1:]
		if c != 'u' {
			if i := strings.IndexByte("bfnrt", c); i >= 0 {
				c = "\b\f\n\r\t"[i]
			}
			b.WriteByte(c)
			continue
		}
		r := hex4(text)
		text = text[4:]
		if low, escaped := strings.CutPrefix(text, `\u`); escaped {
			if pair := utf16.DecodeRune(r, hex4(low)); pair != utf8.RuneError {
				r, text = pair, low[4:]
			}
		}
		b.WriteRune(r)
	}
}

// hex4 returns the value of the four hexadecimal digits that text begins with.
func hex4(text string) rune {
	n, _ := strconv.ParseUint(text[:4], 16, 16)
	return rune(n)
}

// skipSpace returns the offset of the first byte at or after i that is not white space. Between
// tokens of valid JSON, every byte up to ' ' is white space.
func skipSpace(text string, i int) int {
	for i < len(text) && text[i] <= ' ' {
		i++
	}
	return i
}

// skipString returns the offset after the string whose delimiter is at text[i]; 0 if it is
// unterminated. A delimiter after an odd number of backslashes does not end it.
func skipString(text string, i int) int {
	for end := i + 1; ; end++ {
		next := strings.IndexByte(text[end:], text[i])
		if next < 0 {
			return 0
		}
		end += next
		slashes := 0
		for text[end-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return end + 1
		}
	}
}

// skipToken returns the offset after the token of valid JSON at text[i]: a string, a number, a word
// such as true, or any other single byte.
func skipToken(text string, i int) int {
	switch text[i] {
	case '"':
		return skipString(text, i)
	case '[', ']', '{', '}', ':', ',', ' ', '\t', '\r', '\n':
		return i + 1
	}
	return skipWord(text, i+1)
}

// skipWord returns the offset of the first byte at or after i that is not part of a number, true,
// false or null.
func skipWord(text string, i int) int {
	for i < len(text) && text[i] > ' ' && text[i] != ',' && text[i] != ']' && text[i] != '}' {
		i++
	}
	return i
}

// skipValue returns the offset after the value at text[i], which is valid.
func skipValue(text string, i int) int {
	switch text[i] {
	case '"':
		return skipString(text, i)
	case '[', '{':
	default:
		return skipWord(text, i)
	}
	for depth := 0; ; i++ {
		switch text[i] {
		case '"':
			i = skipString(text, i) - 1
		case '[', '{':
			depth++
		case ']', '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
}

// parts yields the text of each value in s, with the text of its name (quotes included) before it
// if s is an object.
func (s span) parts(yield func(name, value string) bool) {
	text := string(s)
	for i := skipSpace(text, 1); i < len(text)-1; i = skipSpace(text, i+1) { // past a comma
		name := ""
		if text[0] == '{' {
			end := skipString(text, i)
			name = text[i:end]
			i = skipSpace(text, skipSpace(text, end)+1) // past the colon
		}
		end := skipValue(text, i)
		if !yield(name, text[i:end]) {
			return
		}
		i = skipSpace(text, end)
	}
}

// typeOf returns the name of a value's type: null, boolean, number, string, array or object.
func typeOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case number:
		return "number"
	case string:
		return "string"
	case span:
		if v[0] == '{' {
			return "object"
		}
		return "array"
	case *object:
		return "object"
	case []any:
		return "array"
	}
	panic(fmt.Sprintf("not a JSON value: %T", v))
}

// elements yields the elements of an array; nothing for a value that is not an array.
func elements(v any) iter.Seq[any] {
	return func(yield func(any) bool) {
		switch v := v.(type) {
		case []any:
			slices.Values(v)(yield)
		case span:
			if v[0] == '[' {
				v.parts(func(_, text string) bool { return yield(parsed(text)) })
			}
		}
	}
}

// members yields the members of an object in their order, including duplicate names; nothing for a
// value that is not an object.
func members(v any) iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		switch v := v.(type) {
		case *object:
			for i, name := range v.names {
				if !yield(name, v.values[i]) {
					return
				}
			}
		case span:
			if v[0] == '{' {
				v.parts(func(name, text string) bool { return yield(unquote(name), parsed(text)) })
			}
		}
	}
}

// field returns the value of an object's member, the last one of that name; nil if there is none or
// v is not an object.
func field(v any, name string) any { return fields(v, name)[0] }

// fields returns the field of each name, in one pass over the object.
func fields(v any, names ...string) []any {
	found := make([]any, len(names))
	switch v := v.(type) {
	case *object:
		for i, name := range names {
			if place := slices.Index(v.names, name); place >= 0 {
				found[i] = v.values[place]
			}
		}
	case span:
		if v[0] != '{' {
			break
		}
		escaped := strings.Contains(string(v), `\`) // else no name needs unquote
		for quoted, text := range v.parts {
			name := quoted[1 : len(quoted)-1]
			if escaped {
				name = unquote(quoted)
			}
			for i := range names {
				if name == names[i] {
					found[i] = parsed(text)
				}
			}
		}
	}
	return found
}

// length returns the number of an array's elements or an object's members; 0 for other values.
func length(v any) int {
	switch v := v.(type) {
	case []any:
		return len(v)
	case *object:
		return len(v.names)
	case span:
		count := 0
		for range v.parts {
			count++
		}
		return count
	}
	return 0
}

// writeJSON writes a value as one line of compact JSON, in pieces of 64 KiB.
func writeJSON(w io.Writer, v any) error {
	b := bufio.NewWriterSize(w, 1<<16)
	writeValue(b, v)
	b.WriteByte('\n')
	return b.Flush()
}

func writeValue(w *bufio.Writer, v any) {
	switch v := v.(type) {
	case nil:
		w.WriteString("null")
	case bool:
		w.WriteString(strconv.FormatBool(v))
	case number:
		w.WriteString(string(v))
	case string:
		writeString(w, v)
	case span:
		writeSpan(w, string(v))
	case []any:
		w.WriteByte('[')
		for i, element := range v {
			if i > 0 {
				w.WriteByte(',')
			}
			writeValue(w, element)
		}
		w.WriteByte(']')
	case *object:
		w.WriteByte('{')
		for i, name := range v.names {
			if i > 0 {
				w.WriteByte(',')
			}
			writeString(w, name)
			w.WriteByte(':')
			writeValue(w, v.values[i])
		}
		w.WriteByte('}')
	default:
		panic(fmt.Sprintf("not a JSON value: %T", v))
	}
}

// writeSpan writes a span without white space; its strings are escaped as in writeString.
func writeSpan(w *bufio.Writer, text string) {
	written := 0
	for i, next := 0, 0; i < len(text); i = next {
		next = skipToken(text, i)
		token, isSpace := text[i:next], text[i] <= ' '
		isPlain := text[i] != '"' || isPrintableASCII(token) && !strings.Contains(token, `\`)
		if !isSpace && isPlain {
			continue
		}
		w.WriteString(text[written:i])
		if !isSpace {
			writeString(w, unquote(token))
		}
		written = next
	}
	w.WriteString(text[written:])
}

// writeString writes text as a JSON string. It escapes quotes, backslashes and dangerous runes, and
// replaces invalid bytes with U+FFFD.
func writeString(w *bufio.Writer, text string) {
	w.WriteByte('"')
	written := 0
	for i, r := range text {
		_, size := utf8.DecodeRuneInString(text[i:])
		invalid := r == utf8.RuneError && size == 1
		if r != '"' && r != '\\' && !invalid && !dangerous(text, i, r) {
			continue
		}
		w.WriteString(text[written:i])
		written = i + size
		switch {
		case r == '"' || r == '\\':
			w.WriteString(`\` + string(r))
		case invalid:
			w.WriteString(`\ufffd`)
		default:
			for _, unit := range utf16.AppendRune(nil, r) {
				fmt.Fprintf(w, `\u%04x`, unit)
			}
		}
	}
	w.WriteString(text[written:])
	w.WriteByte('"')
}

// maskStrings returns a valid JSON text with mask applied to each string, name and number, however
// it is escaped; a number that changes becomes a string. mask must replace parts of its argument
// whatever surrounds them: if it leaves the whole text alone, only strings with escapes can still
// change.
func maskStrings(text string, mask func(string) string) string {
	found := mask(text) != text
	if !found && !strings.Contains(text, `\`) {
		return text
	}
	var out strings.Builder
	w := bufio.NewWriter(&out)
	written := 0
	for i, next := 0, 0; i < len(text); i = next {
		next = skipToken(text, i)
		token, original := text[i:next], ""
		switch c := token[0]; {
		case c == '"' && (found || strings.Contains(token, `\`)):
			original = unquote(token)
		case found && (c == '-' || '0' <= c && c <= '9'):
			original = token
		}
		if original == "" {
			continue
		}
		if masked := mask(original); masked != original {
			w.WriteString(text[written:i])
			writeString(w, masked)
			written = next
		}
	}
	if written == 0 {
		return text
	}
	w.WriteString(text[written:])
	w.Flush()
	return out.String()
}
