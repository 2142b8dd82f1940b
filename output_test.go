package main

import (
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// wantList checks what project list prints where the API answers body.
func wantList(t *testing.T, body string, want result, flags ...string) {
	t.Helper()
	api, s := newUser(t)
	api.answer("/projects", reply(200, body))
	s.want(want, append([]string{"project", "list"}, flags...)...)
}

// longCell is too wide to widen its column.
var longCell = strings.Repeat("x", maxColumn+1)

// TestTablesAlignByDisplayWidth covers columns, their order, and what - stands for.
func TestTablesAlignByDisplayWidth(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ body, want string }{
		{`{"projects":[{"name":"b","id":"2"},{"id":"1","name":"a"}]}`,
			"ID  NAME\n2   b\n1   a\n"},
		// What is missing, empty or of another type.
		{`[{},{"id":"","name":null},{"id":7,"name":["x"]},{"id":true,"name":{}}]`,
			"ID  NAME\n-   -\n-   -\n-   -\n-   -\n"},
		// East Asian text takes two columns a rune.
		{`[{"id":"日本","name":"a"},{"id":"ｶﾅ","name":"b"},{"id":"한국어","name":"c"}]`,
			"ID      NAME\n日本    a\nｶﾅ      b\n한국어  c\n"},
		// Combining marks take none.
		{`[{"id":"é","name":"a"},{"id":"xyz","name":"b"},{"id":"x\u0300\u20dd","name":"c"}]`,
			"ID   NAME\né    a\nxyz  b\nx\u0300\u20dd    c\n"},
		// An emoji takes two however it is composed.
		{`[{"id":"🚀","name":"a"},{"id":"👩‍👩‍👧","name":"b"},{"id":"❤️","name":"c"},
			{"id":"👍🏻","name":"d"},{"id":"👍🏿","name":"d"},{"id":"🇨🇭","name":"e"},
			{"id":"⌚️","name":"f"},{"id":"abc","name":"g"}]`,
			"ID   NAME\n🚀   a\n👩‍👩‍👧   b\n❤️   c\n👍🏻   d\n👍🏿   d\n🇨🇭   e\n" +
				"⌚️   f\nabc  g\n"},
		// A cell of more than 60 columns widens none, one of 60 does.
		{`[{"id":"` + longCell + `","name":"a"},{"id":"12345","name":"b"}]`,
			"ID     NAME\n" + longCell + "  a\n12345  b\n"},
		{`[{"id":"` + strings.Repeat("日", 30) + `\u001bx","name":"a"}]`,
			"ID  NAME\n" + strings.Repeat("日", 30) + `\x1bx` + "  a\n"},
		{`[{"id":"` + longCell[1:] + `","name":"a"}]`,
			"ID" + strings.Repeat(" ", 60) + "NAME\n" + longCell[1:] + "  a\n"},
		// Escapes count as they are shown.
		{`[{"id":"a\tb","name":"x\u001b[31m\n"}]`,
			"ID      NAME\na\\x09b  x\\x1b[31m\\x0a\n"},
		// The last of two members with one name, however that is written.
		{`[{"id":"1","n\u0061me":"a","\u0069d":"2"}]`, "ID  NAME\n2   a\n"},
	} {
		wantList(t, test.body, result{test.want, "", 0})
	}
}

// TestTheWideRunesAreUnicodes holds the table to EastAsianWidth.txt of Unicode 16, by the number of
// its runes and their checksum.
func TestTheWideRunesAreUnicodes(t *testing.T) {
	t.Parallel()
	count, sum := 0, crc32.NewIEEE()
	for r := range rune(unicode.MaxRune + 1) {
		if unicode.Is(wide, r) {
			count++
			fmt.Fprintln(sum, r)
		}
	}
	if count != 183170 || sum.Sum32() != 0xa592e238 {
		t.Errorf("there are %d of them, with the checksum %#x", count, sum.Sum32())
	}
}

// TestTextIsEscapedWhereItCouldActOrHide covers tables and --raw.
func TestTextIsEscapedWhereItCouldActOrHide(t *testing.T) {
	t.Parallel()
	for text, shown := range map[string]string{
		"x\x1b[31m\x7f\u0085\u202e": `x\x1b[31m\x7f\u0085\u202e`,
		"x\U000e0068\U000e0069":     `x\U000e0068\U000e0069`, // tags that spell a word
		"\xff\xc3(":                 `\xff\xc3(`,
		// Selectors of an emoji's style, and one too many.
		"❤\ufe0f ☎\ufe0e 1\ufe0f\u20e3": "❤\ufe0f ☎\ufe0e 1\ufe0f\u20e3",
		"‼\ufe0f 👩🏽\u200d🚀":             "‼\ufe0f 👩🏽\u200d🚀",
		"❤\ufe0f\ufe0fx\ufe0e":          "❤\ufe0f" + `\ufe0fx\ufe0e`,
		// Joiners of emoji, of Persian and of Hindi.
		"👩\u200d👩\u200d👧 ❤\ufe0f\u200d🔥": "👩\u200d👩\u200d👧 ❤\ufe0f\u200d🔥",
		"می\u200cخواهم क्\u200dष":        "می\u200cخواهم क्\u200dष",
		// Joiners in ASCII, two in a row, one at either end.
		"pay\u200dpal\u200c": `pay\u200dpal\u200c`,
		"می\u200c\u200cخ":    `می\u200c\u200cخ`,
		"\u200dक\u200d":      `\u200dक\u200d`,
	} {
		body := `[{"id":"1","name":"` + strings.ReplaceAll(text, "\x1b", `\u001b`) + `"}]`
		wantList(t, body, result{"ID  NAME\n1   " + shown + "\n", "", 0})
		wantList(t, body, result{shown + "\n", "", 0}, "--raw", "--query", "[0].name")
	}
}

// TestCleanLeavesNothingThatActsOnATerminal goes through every rune there is.
func TestCleanLeavesNothingThatActsOnATerminal(t *testing.T) {
	t.Parallel()
	for r := range rune(utf8.MaxRune + 1) {
		want := "a" + string(r)
		switch {
		case !unicode.In(r, hostile...):
		case r < 0x80:
			want = fmt.Sprintf(`a\x%02x`, r)
		case r < 0x10000:
			want = fmt.Sprintf(`a\u%04x`, r)
		default:
			want = fmt.Sprintf(`a\U%08x`, r)
		}
		if got := clean("a" + string(r)); got != want {
			t.Fatalf("%U is shown as %q, want %q", r, got, want)
		}
	}
}

// TestRawPrintsForAShell covers what --raw prints, and what it refuses so that no script continues
// with nothing.
func TestRawPrintsForAShell(t *testing.T) {
	t.Parallel()
	const body = `[{"id":"5f1c","name":"shop","n":1.50,"on":true,"tags":["a","b"],"none":null},
		{"id":"77aa","name":"a\tb\n","n":-0,"on":false,"tags":[]}]`
	for query, want := range map[string]string{
		"[0].id":             "5f1c\n",
		"[0].n":              "1.50\n",
		"[0].on":             "true\n",
		"[].id":              "5f1c\n77aa\n",
		"[].[id,none,n]":     "5f1c\t\t1.50\n77aa\t\t-0\n",
		"[].[id,name]":       "5f1c\tshop\n77aa\ta\\x09b\\x0a\n",
		"[].tags":            "a\tb\n\n",
		"[?id=='none'].name": "",
		"''":                 "\n",
	} {
		wantList(t, body, result{want, "", 0}, "--raw", "--query", query)
	}
	const choose = "select its fields, for example with [id, name]"
	for _, test := range []struct{ query, message, hint string }{
		{"[?id=='x'] | [0]", "the query found nothing",
			"compare the expression with the output of --json"},
		{"[0]", "--raw cannot print an object here", choose},
		{"@", "--raw cannot print an object here", choose},
		{"[].[id,@]", "--raw cannot print an object here", choose},
		{"[[[`1`]]]", "--raw cannot print an array here", choose},
		{"map(&none, @)", "--raw cannot print null in a list",
			"filter it out, for example with [?@]"},
	} {
		want := wrong{"query.type", test.message, test.hint, 0}.fails("", false)
		wantList(t, body, want, "--raw", "--query", test.query)
	}
}

// fullDisk fails once it has no bytes left to take.
type fullDisk struct{ left int }

func (d *fullDisk) Write(p []byte) (int, error) {
	if d.left -= len(p); d.left < 0 {
		err := errors.New("no space left on device")
		return 0, &os.PathError{Op: "write", Path: "/dev/stdout", Err: err}
	}
	return len(p), nil
}

// TestAWriteErrorFailsTheCommand covers commands that print, at the first byte and later.
func TestAWriteErrorFailsTheCommand(t *testing.T) {
	t.Parallel()
	api, s := newUser(t)
	s.with("MICROTICA_PROJECT_ID", "5f1c")
	row := `{"id":"1","name":"a project of some length"},`
	api.answer("/projects", reply(200, `[`+strings.Repeat(row, 10000)+`{}]`))
	for _, line := range []string{"whoami", "project list", "env list", "api me", "version", "help",
		"completion bash", "project list --query [].[id,name] --raw"} {
		s.output = &fullDisk{0}
		if strings.HasPrefix(line, "project list") {
			s.output = &fullDisk{100000}
		}
		s.wantError(wrong{"output.write", "cannot write to stdout: no space left on device", "", 0},
			strings.Fields(line)...)
	}
	api.answer("/projects", reply(200, "[]"))
	s.output = &fullDisk{0}
	s.wantError(wrong{"output.write", "cannot write to stdout: no space left on device", "", 0},
		"project", "list")
}
