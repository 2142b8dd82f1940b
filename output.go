package main

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Rules for printing text that came from outside:
//
//   - Data goes to stdout, but only after the whole answer has been read and parsed.
//   - The same bytes go to a terminal and to a pipe.
//   - Text is escaped wherever it could act on a terminal or hide from the person who reads it.

// print writes a command's result to stdout: the result of --query, or the value as JSON with
// --json, or what text writes.
func (a *app) print(value any, text func(w io.Writer)) error {
	if a.json {
		text = func(w io.Writer) { writeJSON(w, value) }
	}
	if a.query != nil {
		var err error
		if text, err = a.query.printer(value, a.raw); err != nil {
			return err
		}
	}
	a.resultDue.Store(nil)
	w := bufio.NewWriterSize(a.stdout, 1<<16)
	text(w)
	if err := w.Flush(); err != nil { // the first error of any write before it
		return fail(codeOutputWrite, "cannot write to stdout: %v", withoutPath(err))
	}
	return nil
}

// note tells the user something worth knowing, unless --quiet is set.
func (a *app) note(code, format string, args ...any) {
	if !a.quiet {
		printNotice(a.stderr, a.json, "note", code, fmt.Sprintf(format, args...))
	}
}

// warn tells the user about something to put right, unless --quiet is set.
func (a *app) warn(code, format string, args ...any) {
	if !a.quiet {
		printNotice(a.stderr, a.json, "warning", code, fmt.Sprintf(format, args...))
	}
}

// maxColumn is the width in terminal columns above which a cell does not widen its column: one very
// long name must not pad every other row.
const maxColumn = 60

// printTable writes a header and one row for each element of a list, in columns two spaces apart.
// It calls row twice for each element, to measure and to write: keeping the rows, as
// text/tabwriter does, takes many times the memory of a long list.
func printTable(w io.Writer, header []string, list any, row func(element any) []string) {
	widths := make([]int, len(header)-1) // the last column needs no padding
	measure := func(cells []string) {
		for i := range widths {
			if n := displayWidth(cells[i]); n <= maxColumn {
				widths[i] = max(widths[i], n)
			}
		}
	}
	blanks := strings.Repeat(" ", maxColumn+2)
	write := func(cells []string) {
		for i, width := range widths {
			writeClean(w, cells[i])
			io.WriteString(w, blanks[:max(0, width-displayWidth(cells[i]))+2])
		}
		writeClean(w, cells[len(widths)])
		io.WriteString(w, "\n")
	}
	for _, do := range []func([]string){measure, write} {
		do(header)
		for element := range elements(list) {
			do(row(element))
		}
	}
}

// cells returns what a table shows for some members of an object: the text of each, or - where it
// is missing, empty or of another type.
func cells(element any, names ...string) []string {
	shown := make([]string, len(names))
	for i, value := range fields(element, names...) {
		if shown[i], _ = value.(string); shown[i] == "" {
			shown[i] = "-"
		}
	}
	return shown
}

// clean returns text that is harmless to a terminal, and on one line: each dangerous rune is
// escaped (\x1b, \u202e, \U000e0001), and so is each invalid byte (\xff). All text that came from
// outside goes through it or writeClean before it is printed outside JSON.
func clean(s string) string {
	if isPrintableASCII(s) {
		return s
	}
	var b strings.Builder
	writeClean(&b, s)
	return b.String()
}

// writeClean writes what clean returns, without holding it in memory: escaping can make text four
// times as long.
func writeClean(w io.Writer, s string) {
	for piece := range cleanPieces(s) {
		io.WriteString(w, piece)
	}
}

// cleanPieces yields clean's result in pieces: runs of harmless text, and escapes.
func cleanPieces(s string) iter.Seq[string] {
	return func(yield func(string) bool) {
		start := 0
		for i := 0; i < len(s); {
			r, size := utf8.DecodeRuneInString(s[i:])
			invalid := r == utf8.RuneError && size == 1
			if !invalid && !dangerous(s, i, r) {
				i += size
				continue
			}
			if start < i && !yield(s[start:i]) {
				return
			}
			escape := ""
			switch {
			case invalid || r < utf8.RuneSelf:
				escape = fmt.Sprintf(`\x%02x`, s[i])
			case r > 0xFFFF:
				escape = fmt.Sprintf(`\U%08x`, r)
			default:
				escape = fmt.Sprintf(`\u%04x`, r)
			}
			if !yield(escape) {
				return
			}
			i += size
			start = i
		}
		if start < len(s) {
			yield(s[start:])
		}
	}
}

func isPrintableASCII(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

const (
	nonJoiner     = '\u200c' // ZWNJ
	joiner        = '\u200d' // ZWJ
	textStyle     = '\ufe0e' // VS15
	emojiStyle    = '\ufe0f' // VS16
	keycap        = '\u20e3'
	skinToneFirst = '\U0001f3fb'
	skinToneLast  = '\U0001f3ff'
)

// dangerous reports whether the rune r at s[i:] can act on a terminal, or is invisible there while
// programs still read it. These are Unicode's categories Cc, Cf, Zl and Zp, and runes that are
// ignored in display (Other_Default_Ignorable_Code_Point, variation selectors, tags). Exempt are
// joiners between non-ASCII letters, as in Persian and Hindi, and the joiners and style selectors
// of emoji.
func dangerous(s string, i int, r rune) bool {
	if r < 0x7f {
		return r < ' '
	}
	if !unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp,
		unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) {
		return false
	}
	before, _ := utf8.DecodeLastRuneInString(s[:i])
	after, _ := utf8.DecodeRuneInString(s[i+utf8.RuneLen(r):])
	switch r {
	case joiner, nonJoiner:
		return !joins(before) || !joins(after)
	case emojiStyle, textStyle:
		return !isEmoji(before) && after != keycap
	}
	return true
}

// joins reports whether a joiner may appear next to r.
func joins(r rune) bool {
	return r > 0x7f && (unicode.In(r, unicode.L, unicode.M) || isEmoji(r)) || r == emojiStyle
}

// isEmoji reports whether r may be part of an emoji. Go has no table of emoji: nearly all are in
// the category So, which also has other symbols.
func isEmoji(r rune) bool {
	return r != utf8.RuneError && unicode.Is(unicode.So, r) ||
		skinToneFirst <= r && r <= skinToneLast ||
		strings.ContainsRune("‼⁉↔↕↖↗↘↙↩↪▪▫▶◀◽◾〰〽㊗㊙", r)
}

// displayWidth returns how many terminal columns clean(s) takes; if that is more than maxColumn,
// any number above maxColumn. A wide rune takes two columns, a combining one none.
func displayWidth(s string) int {
	if isPrintableASCII(s) {
		return len(s)
	}
	width, before := 0, rune(0)
	for piece := range cleanPieces(s) {
		for _, r := range piece {
			switch {
			case before == joiner, skinToneFirst <= r && r <= skinToneLast && isEmoji(before):
			case r == emojiStyle && !unicode.Is(wide, before) && before > 0x7f:
				width++ // it makes a narrow symbol a wide emoji
			case r == nonJoiner, r == joiner, r == emojiStyle, r == textStyle,
				unicode.In(r, unicode.Mn, unicode.Me):
			case unicode.Is(wide, r):
				width += 2
			default:
				width++
			}
			before = r
		}
		if width > maxColumn {
			break
		}
	}
	return width
}

// wide holds the runes that take two columns of a terminal: East_Asian_Width W and F of Unicode 16
// (UAX 11), with unassigned gaps inside blocks of wide runes left in.
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x1100, 0x115f, 1}, {0x231a, 0x231b, 1}, {0x2329, 0x232a, 1}, {0x23e9, 0x23ec, 1},
		{0x23f0, 0x23f3, 3}, {0x25fd, 0x25fe, 1}, {0x2614, 0x2615, 1}, {0x2630, 0x2637, 1},
		{0x2648, 0x2653, 1}, {0x267f, 0x2693, 20}, {0x26a1, 0x26aa, 9}, {0x26ab, 0x26bd, 18},
		{0x26be, 0x26c4, 6}, {0x26c5, 0x26ce, 9}, {0x26d4, 0x26ea, 22}, {0x26f2, 0x26f3, 1},
		{0x26f5, 0x26fa, 5}, {0x26fd, 0x2705, 8}, {0x270a, 0x270b, 1}, {0x2728, 0x274c, 36},
		{0x274e, 0x2753, 5}, {0x2754, 0x2755, 1}, {0x2757, 0x2795, 62}, {0x2796, 0x2797, 1},
		{0x27b0, 0x27bf, 15}, {0x2b1b, 0x2b1c, 1}, {0x2b50, 0x2b55, 5}, {0x2e80, 0x303e, 1},
		{0x3041, 0x4dff, 1}, {0x4e00, 0xa4cf, 1}, {0xa960, 0xa97c, 1}, {0xac00, 0xd7a3, 1},
		{0xf900, 0xfaff, 1}, {0xfe10, 0xfe19, 1}, {0xfe30, 0xfe6b, 1}, {0xff01, 0xff60, 1},
		{0xffe0, 0xffe6, 1},
	},
	R32: []unicode.Range32{
		{0x16fe0, 0x18cff, 1}, {0x1aff0, 0x1b2fb, 1}, {0x1d300, 0x1d376, 1},
		{0x1f004, 0x1f0cf, 203}, {0x1f18e, 0x1f191, 3}, {0x1f192, 0x1f19a, 1},
		{0x1f200, 0x1f320, 1}, {0x1f32d, 0x1f335, 1}, {0x1f337, 0x1f37c, 1},
		{0x1f37e, 0x1f393, 1}, {0x1f3a0, 0x1f3ca, 1}, {0x1f3cf, 0x1f3d3, 1},
		{0x1f3e0, 0x1f3f0, 1}, {0x1f3f4, 0x1f3f8, 4}, {0x1f3f9, 0x1f43e, 1}, {0x1f440, 0x1f440, 1},
		{0x1f442, 0x1f4fc, 1}, {0x1f4ff, 0x1f53d, 1}, {0x1f54b, 0x1f54e, 1}, {0x1f550, 0x1f567, 1},
		{0x1f57a, 0x1f595, 27}, {0x1f596, 0x1f5a4, 14}, {0x1f5fb, 0x1f64f, 1},
		{0x1f680, 0x1f6c5, 1},
		{0x1f6cc, 0x1f6d0, 4}, {0x1f6d1, 0x1f6d2, 1}, {0x1f6d5, 0x1f6df, 1}, {0x1f6eb, 0x1f6ec, 1},
		{0x1f6f4, 0x1f6fc, 1}, {0x1f7e0, 0x1f7f0, 1}, {0x1f90c, 0x1f93a, 1}, {0x1f93c, 0x1f945, 1},
		{0x1f947, 0x1f9ff, 1}, {0x1fa70, 0x1faff, 1}, {0x20000, 0x3fffd, 1},
	},
}
