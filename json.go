package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// This file is the ordered JSON value: bytes in, bytes out, nothing else touched. encoding/json checks the grammar; it
// cannot do the rest, for it loses the order of names and the digits of numbers.
//
// A value is an any that holds nil, bool, number, string, []any or *object, which commands and queries make, or node: an
// array or object that still lies in the answer it came with. Decoding makes no tree, only an index of eight bytes a
// value, so that an answer of 20 MB costs little more than its own bytes.

// number is a JSON number as it was written, so that its digits pass through unchanged.
type number string

// object is a JSON object that a command or a query made. Names are unique.
type object struct {
	names  []string
	values []any
}

// newObject returns the object of the given names and values in turn.
func newObject(pairs ...any) *object {
	o := &object{}
	for i := 0; i+1 < len(pairs); i += 2 {
		o.names, o.values = append(o.names, pairs[i].(string)), append(o.values, pairs[i+1])
	}
	return o
}

// document is a decoded JSON text. An index into entries stands for a value or a member's name.
type document struct {
	data          []byte
	entries       []entry
	secret, shown string // shown stands for secret wherever a string of the document holds it
	reflected     bool   // data holds secret as it is; escaped it may be there too
	oddNames      bool   // some name's bytes are not its text
}

// entry is the place of one value or name. start is the offset of its first byte, with the top bit set on an object that
// has a name twice. end is the offset behind a scalar; for an array or object the index of the entry behind its last.
type entry struct{ start, end uint32 }

const hasDuplicates = 1 << 31

// node is an array or object in a document.
type node struct {
	doc *document
	at  uint32
}

var errNotJSON = errors.New("not valid JSON")

// decodeJSON returns the value of one JSON text: at most 2 GiB, 10,000 levels deep (encoding/json's limit), with nothing
// behind it. In its strings and names shown replaces secret, unless secret is "".
func decodeJSON(data []byte, secret, shown string) (any, error) {
	if !json.Valid(data) {
		return nil, errNotJSON
	}
	d := &document{data: data, secret: secret, shown: shown}
	d.reflected = secret != "" && bytes.Contains(data, []byte(secret))
	d.oddNames = d.reflected
	// Before each value and name stands one of these, or nothing: no room is wasted, and none is ever moved.
	most := 1
	for _, c := range []string{",", ":", "[", "{"} {
		most += bytes.Count(data, []byte(c))
	}
	d.entries = make([]entry, 0, most)
	var open []uint32
	for i := 0; i < len(data); {
		e := entry{start: uint32(i)}
		switch data[i] {
		case ' ', '\t', '\n', '\r', ',', ':':
			i++
			continue
		case '{', '[':
			open = append(open, uint32(len(d.entries)))
			i++
		case '}', ']':
			last := open[len(open)-1]
			open = open[:len(open)-1]
			d.entries[last].end = uint32(len(d.entries))
			if data[i] == '}' && d.repeats(last) {
				d.entries[last].start |= hasDuplicates
			}
			i++
			continue
		case '"':
			i = behindString(data, i)
		default:
			for i++; i < len(data) && data[i] > ' ' && data[i] != ',' && data[i] != ']' && data[i] != '}'; i++ {
			}
		}
		e.end = uint32(i)
		d.entries = append(d.entries, e)
	}
	return d.value(0), nil
}

// behindString returns the offset behind the string that starts at data[i], in text that is known to be valid.
func behindString(data []byte, i int) int {
	for i++; ; i++ {
		i += bytes.IndexByte(data[i:], '"')
		slashes := 0
		for data[i-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return i + 1
		}
	}
}

func (d *document) first(i uint32) byte { return d.data[d.entries[i].start&^hasDuplicates] }

// after returns the index of the entry behind the value i and all that it contains.
func (d *document) after(i uint32) uint32 {
	if c := d.first(i); c == '{' || c == '[' {
		return d.entries[i].end
	}
	return i + 1
}

// repeats tells whether the object i has a name twice. A few plain names are compared pair by pair, which needs no
// memory; others go through a map, for a hostile answer may hold millions.
func (d *document) repeats(i uint32) (repeats bool) {
	var few [16][]byte
	n := 0
	for at := i + 1; at < d.entries[i].end; at = d.after(at + 1) {
		name := d.raw(at)
		if n == len(few) || d.oddNames || !d.plain(at) {
			return d.repeatsMany(i)
		}
		for _, earlier := range few[:n] {
			repeats = repeats || len(earlier) == len(name) && bytes.Equal(earlier, name)
		}
		few[n] = name
		n++
	}
	return repeats
}

func (d *document) repeatsMany(i uint32) (repeats bool) {
	seen := map[string]bool{}
	for at := i + 1; at < d.entries[i].end; at = d.after(at + 1) {
		d.oddNames = d.oddNames || !d.plain(at)
		name := d.text(at)
		repeats = repeats || seen[name]
		seen[name] = true
	}
	return repeats
}

// raw returns the bytes of a scalar or name as they were sent; of a string what stands between the quotes.
func (d *document) raw(i uint32) []byte {
	e := d.entries[i]
	if d.data[e.start] == '"' {
		return d.data[e.start+1 : e.end-1]
	}
	return d.data[e.start:e.end]
}

// plain tells whether a string's raw bytes are its text.
func (d *document) plain(i uint32) bool {
	return !d.reflected && bytes.IndexByte(d.raw(i), '\\') < 0
}

// text returns the string at i: escapes resolved, a lone surrogate made U+FFFD, the secret replaced. Invalid UTF-8 stays
// as it is, for whoever prints it to show.
func (d *document) text(i uint32) string {
	s := string(d.raw(i))
	if strings.IndexByte(s, '\\') >= 0 {
		s = unescape(s)
	}
	if d.secret != "" {
		s = strings.ReplaceAll(s, d.secret, d.shown)
	}
	return s
}

// unescape resolves the escapes (RFC 8259, section 7) of a valid string.
func unescape(s string) string {
	out := make([]byte, 0, len(s))
	for {
		i := strings.IndexByte(s, '\\')
		if i < 0 {
			return string(append(out, s...))
		}
		out = append(out, s[:i]...)
		c := s[i+1]
		s = s[i+2:]
		switch c {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r := hex4(s)
			s = s[4:]
			if utf16.IsSurrogate(r) {
				pair := utf8.RuneError
				if len(s) >= 6 && s[:2] == `\u` {
					pair = utf16.DecodeRune(r, hex4(s[2:]))
				}
				if r = pair; r != utf8.RuneError {
					s = s[6:]
				}
			}
			out = utf8.AppendRune(out, r)
		default: // a quote, a slash or a backslash
			out = append(out, c)
		}
	}
}

func hex4(s string) rune {
	n, _ := strconv.ParseUint(s[:4], 16, 16) // known to be hexadecimal digits
	return rune(n)
}

// value returns the value at i.
func (d *document) value(i uint32) any {
	switch d.first(i) {
	case '{', '[':
		return node{d, i}
	case '"':
		return d.text(i)
	case 't':
		return true
	case 'f':
		return false
	case 'n':
		return nil
	}
	return number(d.raw(i))
}

// elements returns the values of an array; false for any other value.
func elements(v any) ([]any, bool) {
	if list, ok := v.([]any); ok {
		return list, ok
	}
	list := make([]any, 0, arrayLength(v))
	ok := eachElement(v, func(element any) bool {
		list = append(list, element)
		return true
	})
	if !ok {
		return nil, false
	}
	return list, true
}

// eachElement calls f with the values of an array in turn until f returns false, without a list of them, for a dense answer
// holds millions. It returns false for any other value than an array.
func eachElement(v any, f func(element any) bool) bool {
	n, ok := v.(node)
	if !ok {
		list, ok := v.([]any)
		for _, element := range list {
			if !f(element) {
				break
			}
		}
		return ok
	}
	if n.doc.first(n.at) != '[' {
		return false
	}
	for i := n.at + 1; i < n.doc.entries[n.at].end && f(n.doc.value(i)); i = n.doc.after(i) {
	}
	return true
}

// arrayLength returns the number of an array's elements without making them; 0 for any other value.
func arrayLength(v any) int {
	n, ok := v.(node)
	if !ok {
		list, _ := v.([]any)
		return len(list)
	}
	count := 0
	if n.doc.first(n.at) == '[' {
		for i := n.at + 1; i < n.doc.entries[n.at].end; i = n.doc.after(i) {
			count++
		}
	}
	return count
}

// members returns the names and values of an object, of a name that stands twice the last value in the first place;
// false for any other value. The caller must not change what it gets.
func members(v any) (*object, bool) {
	n, ok := v.(node)
	if !ok {
		o, ok := v.(*object)
		return o, ok
	}
	if !n.isObject() {
		return nil, false
	}
	o := &object{}
	n.eachMember(func(name, value uint32) {
		o.names, o.values = append(o.names, n.doc.text(name)), append(o.values, n.doc.value(value))
	})
	return o, true
}

func (n node) isObject() bool { return n.doc.first(n.at) == '{' }

// eachMember calls f with the places of each member's name and value.
func (n node) eachMember(f func(name, value uint32)) {
	d, end := n.doc, n.doc.entries[n.at].end
	if d.entries[n.at].start&hasDuplicates == 0 {
		for i := n.at + 1; i < end; i = d.after(i + 1) {
			f(i, i+1)
		}
		return
	}
	place := map[string]int{}
	var unique [][2]uint32
	for i := n.at + 1; i < end; i = d.after(i + 1) {
		name := d.text(i)
		if at, seen := place[name]; seen {
			unique[at][1] = i + 1
		} else {
			place[name] = len(unique)
			unique = append(unique, [2]uint32{i, i + 1})
		}
	}
	for _, m := range unique {
		f(m[0], m[1])
	}
}

// field returns an object's member of that name; false where there is none or v is no object.
func field(v any, name string) (any, bool) {
	switch v := v.(type) {
	case *object:
		for i, n := range v.names {
			if n == name {
				return v.values[i], true
			}
		}
	case node:
		if !v.isObject() {
			return nil, false
		}
		d, found := v.doc, uint32(0)
		for i := v.at + 1; i < d.entries[v.at].end; i = d.after(i + 1) {
			if !d.oddNames && string(d.raw(i)) == name || d.oddNames && d.text(i) == name {
				found = i + 1 // the last one counts
			}
		}
		if found > 0 {
			return d.value(found), true
		}
	}
	return nil, false
}

// writeJSON writes a value as one line of compact JSON, in pieces, so that a large one is never held twice.
func writeJSON(w io.Writer, v any) error {
	e := encoder{w: w}
	e.encode(v)
	e.buf = append(e.buf, '\n')
	return e.flush()
}

// bounded takes so many bytes and fails then, so that encoding ends. It keeps them in text, unless that is nil.
type bounded struct {
	left int
	text *strings.Builder
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, errors.New("too much JSON")
	}
	if b.text != nil {
		b.text.Write(p)
	}
	return len(p), nil
}

// encoder writes values in the one way of this program.
type encoder struct {
	w   io.Writer
	buf []byte
	err error
}

func (e *encoder) flush() error {
	if e.err == nil {
		_, e.err = e.w.Write(e.buf)
	}
	e.buf = e.buf[:0]
	return e.err
}

// ready makes room, and tells whether there is any reason to go on.
func (e *encoder) ready() bool {
	if len(e.buf) > 1<<16 {
		e.flush()
	}
	return e.err == nil
}

func (e *encoder) encode(v any) {
	if !e.ready() {
		return
	}
	switch v := v.(type) {
	case nil:
		e.buf = append(e.buf, "null"...)
	case bool:
		e.buf = strconv.AppendBool(e.buf, v)
	case number:
		e.buf = append(e.buf, v...)
	case string:
		e.buf = appendString(e.buf, v)
	case []any:
		e.buf = append(e.buf, '[')
		for i, element := range v {
			if i > 0 {
				e.buf = append(e.buf, ',')
			}
			e.encode(element)
		}
		e.buf = append(e.buf, ']')
	case *object:
		e.buf = append(e.buf, '{')
		for i, name := range v.names {
			if i > 0 {
				e.buf = append(e.buf, ',')
			}
			e.buf = append(appendString(e.buf, name), ':')
			e.encode(v.values[i])
		}
		e.buf = append(e.buf, '}')
	case node:
		e.encodeEntry(v.doc, v.at)
	default:
		panic(fmt.Sprintf("not a JSON value: %T", v))
	}
}

// encodeEntry writes the value or name i of a document, straight from the bytes wherever they need no change.
func (e *encoder) encodeEntry(d *document, i uint32) {
	if !e.ready() {
		return
	}
	switch c := d.first(i); c {
	case '[':
		e.buf = append(e.buf, '[')
		for at := i + 1; at < d.entries[i].end; at = d.after(at) {
			if at > i+1 {
				e.buf = append(e.buf, ',')
			}
			e.encodeEntry(d, at)
		}
		e.buf = append(e.buf, ']')
	case '{':
		e.buf = append(e.buf, '{')
		comma := false
		node{d, i}.eachMember(func(name, value uint32) {
			if comma {
				e.buf = append(e.buf, ',')
			}
			comma = true
			e.encodeEntry(d, name)
			e.buf = append(e.buf, ':')
			e.encodeEntry(d, value)
		})
		e.buf = append(e.buf, '}')
	case '"':
		if raw := d.raw(i); !d.reflected && isClean(raw) {
			e.buf = append(append(append(e.buf, '"'), raw...), '"')
		} else {
			e.buf = appendString(e.buf, d.text(i))
		}
	default:
		e.buf = append(e.buf, d.raw(i)...)
	}
}

// isClean tells whether a string is printed as it was sent: ASCII without controls, quotes and escapes.
func isClean[T string | []byte](s T) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// appendString appends s as a JSON string. Only what would end the string or could act on a terminal is escaped.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			dst = append(dst, `\ufffd`...) // invalid UTF-8 has no other spelling in JSON
		case !dangerous(s, i, r):
			dst = utf8.AppendRune(dst, r)
		case r > 0xFFFF:
			high, low := utf16.EncodeRune(r)
			dst = fmt.Appendf(dst, `\u%04x\u%04x`, high, low)
		default:
			dst = fmt.Appendf(dst, `\u%04x`, r)
		}
	}
	return append(dst, '"')
}

// Stand-ins until the json branch is merged: parseJSON, maskStrings and typeOf.

func parseJSON(text string) (any, error) { return decodeJSON([]byte(text), "", "") }

// maskStrings returns a JSON text with mask applied to each string in it.
func maskStrings(text string, mask func(string) string) string {
	if !json.Valid([]byte(text)) {
		return text
	}
	data := []byte(text)
	var out []byte
	done := 0
	for i := 0; i < len(data); i++ {
		if data[i] != '"' {
			continue
		}
		end := behindString(data, i)
		plain := unescape(text[i+1 : end-1])
		if masked := mask(plain); masked != plain {
			out = appendString(append(out, data[done:i]...), masked)
			done = end
		}
		i = end - 1
	}
	if done == 0 {
		return text
	}
	return string(append(out, data[done:]...))
}

func typeOf(v any) string {
	_, isList := v.([]any)
	_, isObject := v.(*object)
	n, isNode := v.(node)
	switch {
	case isObject, isNode && n.isObject():
		return "object"
	case isList, isNode:
		return "array"
	}
	return "scalar"
}
