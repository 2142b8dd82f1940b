package main

import (
	"slices"
	"strings"
	"testing"
)

// hiddenRunes are examples of what must not show, with their escapes in text and in JSON.
var hiddenRunes = []struct{ raw, inText, inJSON string }{
	{"\x00", `\x00`, `\u0000`}, {"\a", `\a`, `\u0007`}, {"\x1b", `\x1b`, `\u001b`},
	{"\n", `\n`, `\n`}, {"\x7f", `\x7f`, `\u007f`}, {"\u0085", `\u0085`, `\u0085`},
	{"\u00ad", `\u00ad`, `\u00ad`}, {"\u034f", `\u034f`, `\u034f`},
	{"\u061c", `\u061c`, `\u061c`}, {"\u115f", `\u115f`, `\u115f`},
	{"\u200b", `\u200b`, `\u200b`}, {"\u200d", `\u200d`, `\u200d`},
	{"\u2028", `\u2028`, `\u2028`}, {"\u2029", `\u2029`, `\u2029`},
	{"\u202e", `\u202e`, `\u202e`}, {"\u2066", `\u2066`, `\u2066`},
	{"\u3164", `\u3164`, `\u3164`}, {"\ufe0e", `\ufe0e`, `\ufe0e`},
	{"\ufeff", `\ufeff`, `\ufeff`}, {"\U0001bca0", `\U0001bca0`, `\ud82f\udca0`},
	{"\U000e0001", `\U000e0001`, `\udb40\udc01`}, {"\U000e0100", `\U000e0100`, `\udb40\udd00`},
}

// TestHiddenRunesAreEscaped in text and in JSON, in the middle of text that is not.
func TestHiddenRunesAreEscaped(t *testing.T) {
	t.Parallel()
	for _, test := range hiddenRunes {
		if got := clean("é" + test.raw + "x"); got != "é"+test.inText+"x" {
			t.Errorf("%+q becomes %q in text, want %s", test.raw, got, test.inText)
		}
		var b strings.Builder
		writeJSON(&b, marshal("é"+test.raw+"x", key{}))
		if got := b.String(); got != `"é`+test.inJSON+"x\"\n" {
			t.Errorf("%+q becomes %q in JSON, want %s", test.raw, got, test.inJSON)
		}
	}
	const plain = "aé日本👍🏽❤\ufe0fe\u0301<>&\"\\'~ \u00a0\u2800"
	if got := clean(plain); got != plain {
		t.Errorf("%q becomes %q", plain, got)
	}
	if got := clean("a\xff\xfeb\x80"); got != "a\uFFFDb\uFFFD" {
		t.Errorf("invalid bytes become %q", got)
	}
}

// TestTableColumns are as wide as their widest cell in characters, but no wider than 60; the last
// one is not padded, and an empty cell is shown as -.
func TestTableColumns(t *testing.T) {
	t.Parallel()
	wide := strings.Repeat("w", 61)
	for _, test := range []struct {
		cells []string
		want  string
	}{
		{nil, "A  B  C\n"},
		{[]string{"", "", ""}, "A  B  C\n-  -  -\n"},
		{[]string{"日本語", "\x1b[", "x"}, "A    B      C\n日本語  \\x1b[  x\n"},
		{[]string{wide[:60], "", wide + wide},
			"A" + strings.Repeat(" ", 61) + "B  C\n" + wide[:60] + "  -  " + wide + wide + "\n"},
		{[]string{wide, "b", "c"}, "A" + strings.Repeat(" ", 61) + "B  C\n" + wide + "  b  c\n"},
	} {
		var b strings.Builder
		rows := [][]string{{"A", "B", "C"}, test.cells}[:1+len(test.cells)/3]
		writeTable(&b, slices.Values(rows))
		if b.String() != test.want {
			t.Errorf("%.9q\n got %q\nwant %q", test.cells, b.String(), test.want)
		}
	}
}

// TestClosest suggests what is within two edits, or one for a word of up to four letters.
func TestClosest(t *testing.T) {
	t.Parallel()
	candidates := []string{"json", "quiet", "project", "whoami", "env list"}
	for word, want := range map[string]string{
		"WHOAMI": "whoami", "whoam": "whoami", "hoamii": "whoami", "wh0am1": "whoami",
		"xh0am1": "", "jsn": "json", "json5": "json", "js": "", "quit": "quiet", "qiut": "",
		"quietly": "quiet", "env lsit": "env list", "": "",
	} {
		if got := closest(word, candidates); got != want {
			t.Errorf("closest to %q is %q, want %q", word, got, want)
		}
	}
}
