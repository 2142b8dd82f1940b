package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// print writes a command's result to stdout: what --query makes of value, value with --json, else what text writes.
func (a *app) print(value any, text func(w io.Writer)) error {
	value, err := a.query.apply(value)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(a.stdout, 1<<16)
	if a.json || a.query != nil {
		if err := writeJSON(w, value); err != nil {
			return fail(codeOutputWrite, "cannot write to stdout: %v", withoutPath(err))
		}
	} else {
		text(w)
	}
	if err := w.Flush(); err != nil {
		return fail(codeOutputWrite, "cannot write to stdout: %v", withoutPath(err))
	}
	return nil
}

// note tells the user something that is worth knowing, unless --quiet is given.
func (a *app) note(code, format string, args ...any) {
	if !a.quiet {
		printNotice(a.stderr, a.json, "note", code, fmt.Sprintf(format, args...))
	}
}

// warn tells the user of something that should not stay so, unless --quiet is given.
func (a *app) warn(code, format string, args ...any) {
	if !a.quiet {
		printNotice(a.stderr, a.json, "warning", code, fmt.Sprintf(format, args...))
	}
}

// printTable writes a header and the rows that row returns for a list's elements, in columns two spaces apart. It makes each
// row twice, to measure and to write: keeping them, as text/tabwriter does, takes many times the memory of a long list.
func printTable(w io.Writer, header []string, list any, row func(element any) []string) {
	widths := make([]int, len(header)-1) // the last column needs none
	measure := func(cells []string) bool {
		for i := range widths {
			widths[i] = max(widths[i], utf8.RuneCountInString(cells[i]))
		}
		return true
	}
	write := func(cells []string) bool {
		for i, width := range widths {
			io.WriteString(w, cells[i])
			io.WriteString(w, strings.Repeat(" ", width-utf8.RuneCountInString(cells[i])+2))
		}
		_, err := io.WriteString(w, cells[len(widths)]+"\n")
		return err == nil
	}
	for _, do := range []func([]string) bool{measure, write} {
		if do(header) {
			for element := range elements(list) {
				if !do(row(element)) {
					break
				}
			}
		}
	}
}

// cell returns what a table shows of an object's member: clean text, or - where it is missing, empty or no string.
func cell(element any, name string) string {
	value := field(element, name)
	if text, ok := value.(string); ok && text != "" {
		return clean(text)
	}
	return "-"
}

// clean makes text harmless to a terminal and one line long: each dangerous rune is escaped (\x1b, \u202e, \U000e0001), an
// invalid byte too (\xff). All text that came from outside goes through it before it is printed outside JSON.
func clean(s string) string {
	if isClean(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		bad := dangerous(s, i, r)
		switch {
		case r == utf8.RuneError && size == 1, bad && r < utf8.RuneSelf:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case !bad:
			b.WriteString(s[i : i+size])
		case r > 0xFFFF:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		i += size
	}
	return b.String()
}

// dangerous reports whether the rune r at s[i:] can act on a terminal or hide text.
func dangerous(s string, i int, r rune) bool {
	if r < 0x7f {
		return r < ' '
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}
