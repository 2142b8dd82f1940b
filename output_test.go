package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// projectList runs project list against an API that answers body.
func projectList(t *testing.T, body string, flags ...string) result {
	t.Helper()
	api := newFakeAPI(t)
	api.answer("/projects", reply(200, body))
	s := newShell(t, api).with("MICROTICA_TOKEN", testKey)
	return s.run(append([]string{"project", "list"}, flags...)...)
}

// longCell is too wide to widen its column.
var longCell = strings.Repeat("x", maxColumn+1)

// tables are answers to project list, and what is printed.
var tables = []struct{ name, body, want string }{
	{
		"any order of members",
		`{"projects":[{"name":"b","id":"2"},{"id":"1","name":"a"}]}`,
		"ID  NAME\n2   b\n1   a\n",
	},
	{
		"a bare array",
		`[{"id":"1","name":"a"}]`,
		"ID  NAME\n1   a\n",
	},
	{
		"missing, empty and other types",
		`[{},{"id":"","name":null},{"id":7,"name":["x"]},{"id":true,"name":{}}]`,
		"ID  NAME\n-   -\n-   -\n-   -\n-   -\n",
	},
	{
		"East Asian text takes two columns a rune",
		`[{"id":"日本","name":"a"},{"id":"ｶﾅ","name":"b"},{"id":"한국어","name":"c"}]`,
		"ID      NAME\n日本    a\nｶﾅ      b\n한국어  c\n",
	},
	{
		"combining marks take none",
		`[{"id":"é","name":"a"},{"id":"xyz","name":"b"},{"id":"x\u0300\u0301","name":"c"}]`,
		"ID   NAME\né    a\nxyz  b\nx\u0300\u0301    c\n",
	},
	{
		"an emoji takes two however it is composed",
		`[{"id":"🚀","name":"a"},{"id":"👩‍👩‍👧","name":"b"},{"id":"❤️","name":"c"},
		{"id":"👍🏽","name":"d"},{"id":"🇨🇭","name":"e"},{"id":"abc","name":"f"}]`,
		"ID   NAME\n🚀   a\n👩‍👩‍👧   b\n❤️   c\n👍🏽   d\n🇨🇭   e\nabc  f\n",
	},
	{
		"a cell of more than 60 columns widens none",
		`[{"id":"` + longCell + `","name":"a"},{"id":"12345","name":"b"}]`,
		"ID     NAME\n" + longCell + "  a\n12345  b\n",
	},
	{
		"a cell of 60 columns does",
		`[{"id":"` + longCell[1:] + `","name":"a"},{"id":"1","name":"b"}]`,
		"ID" + strings.Repeat(" ", 60) + "NAME\n" + longCell[1:] + "  a\n1" +
			strings.Repeat(" ", 61) + "b\n",
	},
	{
		"escapes count as they are shown",
		`[{"id":"a\tb","name":"x\u001b[31m\n"}]`,
		"ID      NAME\na\\x09b  x\\x1b[31m\\x0a\n",
	},
	{
		"the last of two members with one name",
		`[{"id":"1","name":"a","id":"2"}]`,
		"ID  NAME\n2   a\n",
	},
	{
		"escaped names",
		`[{"\u0069d":"1","n\u0061me":"a"}]`,
		"ID  NAME\n1   a\n",
	},
}

// TestTablesAlignByDisplayWidth covers columns, their order, and what - stands for.
func TestTablesAlignByDisplayWidth(t *testing.T) {
	t.Parallel()
	for _, test := range tables {
		if got, want := projectList(t, test.body), (result{test.want, "", 0}); got != want {
			t.Errorf("%s:\n got %s\nwant %s", test.name, got, want)
		}
	}
}

// TestTextIsEscapedWhereItCouldActOrHide covers tables, JSON and --raw.
func TestTextIsEscapedWhereItCouldActOrHide(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, text, shown string }{
		{"controls", "x\x1b[31m\x7f\u0085", `x\x1b[31m\x7f\u0085`},
		{"bidirectional overrides", "x\u202ey\u2066z", `x\u202ey\u2066z`},
		{"line separators", "x\u2028\u2029", `x\u2028\u2029`},
		{"soft hyphen and filler", "x\u00ad\u3164\u115f", `x\u00ad\u3164\u115f`},
		{"grapheme joiner", "x\u034fy", `x\u034fy`},
		{"tags that spell a word", "x\U000e0068\U000e0069", `x\U000e0068\U000e0069`},
		{"unassigned tags", "x\U000e0000\U000e0fff", `x\U000e0000\U000e0fff`},
		{"variation selectors", "x\ufe00y\U000e0100", `x\ufe00y\U000e0100`},
		{"style selectors in text", "x\ufe0fy\ufe0e", `x\ufe0fy\ufe0e`},
		{"a second style selector", "❤\ufe0f\ufe0f", "❤\ufe0f" + `\ufe0f`},
		{"an emoji's style", "❤\ufe0f ☎\ufe0e 1\ufe0f\u20e3", "❤\ufe0f ☎\ufe0e 1\ufe0f\u20e3"},
		{"a family", "👩\u200d👩\u200d👧 ❤\ufe0f\u200d🔥", "👩\u200d👩\u200d👧 ❤\ufe0f\u200d🔥"},
		{"Persian", "می\u200cخواهم", "می\u200cخواهم"},
		{"Hindi", "क्\u200dष", "क्\u200dष"},
		{"joiners in ASCII", "pay\u200dpal\u200c", `pay\u200dpal\u200c`},
		{"two joiners", "می\u200c\u200cخ", `می\u200c\u200cخ`},
		{"a joiner at either end", "\u200dक\u200d", `\u200dक\u200d`},
		{"invalid UTF-8", "\xff\xc3(", `\xff\xc3(`},
	} {
		body := `[{"id":"1","name":` + quoted(test.text) + `}]`
		if !utf8.ValidString(test.text) {
			body = `[{"id":"1","name":"` + test.text + `"}]`
		}
		want := result{"ID  NAME\n1   " + test.shown + "\n", "", 0}
		if got := projectList(t, body); got != want {
			t.Errorf("%s:\n got %s\nwant %s", test.name, got, want)
		}
		want.stdout = test.shown + "\n"
		if got := projectList(t, body, "--raw", "--query", "[0].name"); got != want {
			t.Errorf("%s, --raw:\n got %s\nwant %s", test.name, got, want)
		}
	}
}

// TestCleanLeavesNothingThatActsOnATerminal goes through every rune there is.
func TestCleanLeavesNothingThatActsOnATerminal(t *testing.T) {
	t.Parallel()
	categories := []*unicode.RangeTable{unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp,
		unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector}
	escaped := 0
	for r := range rune(utf8.MaxRune + 1) {
		got, want := clean("a"+string(r)), "a"+string(r)
		if utf8.ValidRune(r) && unicode.In(r, categories...) {
			escaped++
			switch {
			case r < 0x80:
				want = fmt.Sprintf(`a\x%02x`, r)
			case r < 0x10000:
				want = fmt.Sprintf(`a\u%04x`, r)
			default:
				want = fmt.Sprintf(`a\U%08x`, r)
			}
		}
		if got != want {
			t.Fatalf("%U is shown as %q, want %q", r, got, want)
		}
		if again := clean(got); again != got {
			t.Fatalf("%U is shown as %q, then as %q", r, got, again)
		}
	}
	if escaped < 4000 {
		t.Errorf("only %d runes are escaped", escaped)
	}
}

// TestRawPrintsForAShell covers what --raw prints, and what it refuses so that no script goes on
// with nothing.
func TestRawPrintsForAShell(t *testing.T) {
	t.Parallel()
	const body = `[{"id":"5f1c","name":"shop","n":1.50,"on":true,"tags":["a","b"],"none":null},
		{"id":"77aa","name":"a\tb\n","n":-0,"on":false,"tags":[]}]`
	for _, test := range []struct{ query, want string }{
		{"[0].id", "5f1c\n"},
		{"[0].n", "1.50\n"},
		{"[0].on", "true\n"},
		{"[].id", "5f1c\n77aa\n"},
		{"[].[id,name]", "5f1c\tshop\n77aa\ta\\x09b\\x0a\n"},
		{"[].[id,none,n]", "5f1c\t\t1.50\n77aa\t\t-0\n"},
		{"[].tags", "a\tb\n\n"},
		{"[?id=='x'].id", ""},
		{"''", "\n"},
	} {
		got := projectList(t, body, "--raw", "--query", test.query)
		if want := (result{test.want, "", 0}); got != want {
			t.Errorf("%s: %s, want %s", test.query, got, want)
		}
	}
	const (
		compare = "compare the expression with the output of --json"
		filter  = "filter it out, for example with [?@]"
		choose  = "select its fields, for example with [id, name]"
	)
	for _, test := range []struct{ query, message, hint string }{
		{"[?id=='x'] | [0]", "the query found nothing", compare},
		{"[0].nmae", "the query found nothing", compare},
		{"[0]", "--raw cannot print an object here", choose},
		{"@", "--raw cannot print an object here", choose},
		{"[[[`1`]]]", "--raw cannot print an array here", choose},
		{"[].[id,@]", "--raw cannot print an object here", choose},
		{"map(&none, @)", "--raw cannot print null in a list", filter},
	} {
		want := result{"", "error: " + test.message + "\nhint: " + test.hint + "\n", 2}
		if got := projectList(t, body, "--raw", "--query", test.query); got != want {
			t.Errorf("%s:\n got %s\nwant %s", test.query, got, want)
		}
	}
}

// TestRawFeedsAShell runs the two lines that --raw exists for.
func TestRawFeedsAShell(t *testing.T) {
	t.Parallel()
	shell, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("SKIPPED: no bash here")
	}
	api := newFakeAPI(t)
	script := `ID=$("$0" project list --query "[?name=='shop'].id | [0]" --raw)
"$0" env list --project "$ID" --query '[].[id,name]' --raw | while IFS=$'\t' read -r id name; do
	echo "$name is $id"
done`
	cmd := exec.Command(shell, "-c", script, builtBinary(t))
	cmd.Env = []string{"MICROTICA_TOKEN=" + testKey, "MICROTICA_API_URL=" + api.base()}
	out, err := cmd.CombinedOutput()
	if want := "production is e1\nstaging is e2\n"; err != nil || string(out) != want {
		t.Errorf("the script printed %q (%v), want %q", out, err, want)
	}
}

// TestAnEmptyListIsNoted prints the header and a note.
func TestAnEmptyListIsNoted(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	api.answer("/projects", reply(200, `{"projects":[]}`))
	api.answer("/projects/5f1c/details", reply(200, `{"entities":{"stages":[]}}`))
	s := newShell(t, api).with("MICROTICA_TOKEN", testKey, "MICROTICA_PROJECT_ID", "5f1c")
	const environments = "ID  NAME  STATUS  LAST DEPLOYED\n"
	s.want(result{"ID  NAME\n", "note: the key can see no projects\n", 0}, "project", "list")
	s.want(result{"ID  NAME\n", "", 0}, "project", "list", "--quiet")
	s.want(result{environments, "note: the key can see no environments\n", 0}, "env", "list")
	note := `{"note":{"code":"list.empty","message":"the key can see no environments"}}` + "\n"
	s.want(result{"[]\n", note, 0}, "env", "list", "--json")
	s.want(result{"[]\n", "", 0}, "env", "list", "--json", "--quiet")
}

// fullDisk fails after it has taken so many bytes.
type fullDisk struct{ left int }

func (d *fullDisk) Write(p []byte) (int, error) {
	if d.left -= len(p); d.left < 0 {
		err := errors.New("no space left on device")
		return 0, &os.PathError{Op: "write", Path: "/dev/stdout", Err: err}
	}
	return len(p), nil
}

// TestAWriteErrorFailsTheCommand covers every command that prints, at the first byte and later.
func TestAWriteErrorFailsTheCommand(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	row := `{"id":"1","name":"a project of some length"},`
	api.answer("/projects", reply(200, `[`+strings.Repeat(row, 10000)+`{}]`))
	failed := wrong{
		code:    "output.write",
		message: "cannot write to stdout: no space left on device",
	}
	for _, test := range []struct {
		line string
		room int
	}{
		{"whoami", 0},
		{"project list", 0},
		{"project list", 100000},
		{"project list --query [].[id,name] --raw", 0},
		{"project list --query [].[id,name] --raw", 100000},
		{"env list", 0},
		{"api me", 0},
		{"version", 0},
		{"help", 0},
		{"help login", 0},
		{"completion bash", 0},
		{"logout", 0},
	} {
		for _, asJSON := range []bool{false, true} {
			s := newShell(t, api).with("MICROTICA_TOKEN", testKey, "MICROTICA_PROJECT_ID", "5f1c")
			s.output = &fullDisk{test.room}
			args := append(strings.Fields(test.line), "--quiet")
			if asJSON {
				args = append(args, "--json")
			}
			if test.line == "logout" && !asJSON {
				continue // --quiet leaves it nothing to print
			}
			if got, want := s.run(args...), failed.fails("", asJSON); got != want {
				t.Errorf("%q:\n got %s\nwant %s", args, got, want)
			}
		}
	}
}
