package main

import (
	"bufio"
	"cmp"
	"errors"
	"io"
	"iter"
	"strconv"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"
)

// Data goes to stdout, but only after the whole answer has been read and checked, and in the same
// bytes to a terminal and to a pipe. Text from outside is escaped where it could act on a terminal
// or hide from the person who reads it.

// print writes a command's result to stdout: what --query makes of it as JSON, or else that JSON
// with --json, or else what text writes.
func (a *app) print(result any, text func(w io.Writer)) (err error) {
	document, isJSON := result.(jsonText)
	if !isJSON && (a.json || a.query != nil) {
		document = marshal(result, a.key)
	}
	if a.json {
		text = func(w io.Writer) { writeJSON(w, document) }
	}
	if a.query != nil {
		if text, err = a.query(document); err != nil {
			return err
		}
	}
	return a.printText(text)
}

// printText writes to stdout what text writes, whatever the flags.
func (a *app) printText(text func(w io.Writer)) error {
	w := bufio.NewWriter(a.stdout)
	text(w)
	if err := w.Flush(); err != nil { // the first error of any write before it
		return fail(codeOutputWrite, "cannot write to stdout: %v", withoutPath(err))
	}
	return nil
}

// withoutPath returns the reason in err alone, without the operation and the paths that package os
// puts before it.
func withoutPath(err error) error {
	var number syscall.Errno
	if errors.As(err, &number) {
		return number
	}
	return err
}

// writeTable writes rows, of which the first is the header, in columns two spaces apart; an empty
// cell is shown as -. It keeps the rows as one text: slices would take many times the memory.
func writeTable(w io.Writer, rows iter.Seq[[]string]) {
	const cellEnd, rowEnd = "\xfe", "\xff" // bytes that valid UTF-8 does not hold
	const widest = 60                      // one very long name must not pad every other row
	const long = widest * utf8.UTFMax      // a longer cell is cleaned only while it is written
	var table strings.Builder
	widths := map[int]int{} // by column
	for row := range rows {
		for i, cell := range row {
			if cell = cmp.Or(cell, "-"); len(cell) <= long {
				cell = clean(cell)
			}
			table.WriteString(cell)
			table.WriteString(cellEnd)
			widths[i] = max(widths[i], min(utf8.RuneCountInString(cell), widest))
		}
		table.WriteString(rowEnd)
	}
	for row := range strings.SplitSeq(strings.TrimSuffix(table.String(), rowEnd), rowEnd) {
		cells := strings.Split(strings.TrimSuffix(row, cellEnd), cellEnd)
		for i, cell := range cells {
			if len(cell) <= long {
				io.WriteString(w, cell)
			} else {
				writeEscaped(w, cell, isHidden, escapeInText)
			}
			if i < len(cells)-1 { // the last column needs no padding
				missing := max(0, widths[i]-utf8.RuneCountInString(cell))
				io.WriteString(w, strings.Repeat(" ", missing+2))
			}
		}
		io.WriteString(w, "\n")
	}
}

// clean returns text as one line that is harmless to a terminal. Text from outside goes through it,
// or through writeJSON, before it is printed.
func clean(text string) string {
	if utf8.ValidString(text) && !strings.ContainsFunc(text, isHidden) { // nearly always
		return text
	}
	var b strings.Builder
	writeEscaped(&b, strings.ToValidUTF8(text, "\uFFFD"), isHidden, escapeInText)
	return b.String()
}

// writeEscaped writes text, which is valid UTF-8, with escape applied to each rune that must be. It
// does not hold the result in memory: escapes can make text six times as long.
func writeEscaped(w io.Writer, text string, must func(rune) bool, escape func(rune) string) {
	written := 0
	for i, r := range text {
		if must(r) {
			io.WriteString(w, text[written:i])
			io.WriteString(w, escape(r))
			written = i + utf8.RuneLen(r)
		}
	}
	io.WriteString(w, text[written:])
}

// escapeInText returns the escape of r in tables and messages, as Go spells it: \x1b, \n, \u202e.
func escapeInText(r rune) string { return strings.Trim(strconv.QuoteRuneToASCII(r), "'") }

// isHidden reports whether r can act on a terminal, or is invisible there while programs still read
// it: Unicode's categories Cc, Cf, Zl and Zp, and runes that are ignored in display
// (Other_Default_Ignorable_Code_Point, variation selectors), but not U+FE0F, which makes an emoji.
func isHidden(r rune) bool {
	if r < 0x7f {
		return r < ' '
	}
	return r != '\ufe0f' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp,
		unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// closest returns the candidate nearest to word, ignoring case, if it is within two edits, or one
// for a word of up to four letters; "" if there is none.
func closest(word string, candidates []string) string {
	most := 2
	if utf8.RuneCountInString(word) <= 4 {
		most = 1
	}
	for n := range most + 1 {
		for _, candidate := range candidates {
			if within(n, strings.ToLower(word), strings.ToLower(candidate)) {
				return candidate
			}
		}
	}
	return ""
}

// within reports whether inserting, deleting or replacing at most n letters turns a into b.
func within(n int, a, b string) bool {
	for a != "" && b != "" && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	if n == 0 || a == "" || b == "" {
		return len(a)+len(b) <= n
	}
	return within(n-1, a[1:], b) || within(n-1, a, b[1:]) || within(n-1, a[1:], b[1:])
}
