package check

import (
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"microtica/internal/fakeapi"
)

// isHidden reports whether a rune can act on a terminal or hide text.
func isHidden(r rune) bool {
	return r != '\ufe0f' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp,
		unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// spelling is a rune as a server sends it in JSON, and as tables, messages and JSON show it.
type spelling [3]string

const sent, inText, inJSON = 0, 1, 2

// hidden returns all hidden runes, in their order, and bytes that are not UTF-8.
var hidden = sync.OnceValue(func() (all []spelling) {
	for r := range rune(unicode.MaxRune + 1) {
		if isHidden(r) {
			s := spelling{string(r), strings.Trim(strconv.QuoteRuneToASCII(r), "'"), ""}
			for _, unit := range utf16.Encode([]rune{r}) {
				s[inJSON] += fmt.Sprintf(`\u%04x`, unit)
			}
			if strings.ContainsRune("\b\f\n\r\t", r) { // JSON's own short escapes
				s[inJSON] = s[inText]
			}
			if r < ' ' {
				s[sent] = s[inJSON]
			}
			all = append(all, s)
		}
	}
	return append(all, spelling{"\xff\xfe", "\uFFFD", "\uFFFD"})
})

// each returns template once for each rune, spelled in place of #.
func each(template string, runes []spelling, how int) string {
	var b strings.Builder
	for _, r := range runes {
		b.WriteString(strings.ReplaceAll(template, "#", r[how]))
	}
	return b.String()
}

// TestTortureTextInLists puts every hidden rune into values and names, as it is and escaped.
func TestTortureTextInLists(t *testing.T) {
	t.Parallel()
	const element = `{"id":"1#2","name":"3#4","status":"#5","m#":{"#":["#"]}},`
	api, blanks := fakeapi.New(t), regexp.MustCompile(` {2,}`)
	u := newUser(t, api.Base()).with("MICROTICA_TOKEN=" + fakeapi.Key)
	for _, how := range []int{sent, inJSON} {
		list := "[" + each(element, hidden(), how) + "{}]"
		api.Answer("/projects", fakeapi.Reply(200, `{"projects":`+list+"}"))
		stages := fakeapi.Reply(200, `{"entities":{"stages":`+list+"}}")
		api.Answer("/projects/5f1c/details", stages)
		for _, at := range []struct{ line, before, element, after string }{
			{"project list --json", "[", element, "{}]\n"},
			{"env list --project 5f1c --json", "[", element, "{}]\n"},
			{"api projects", `{"projects":[`, element, "{}]}\n"},
			{"project list --query [].[id,name]", "[", `["1#2","3#4"],`, "[null,null]]\n"},
			{"project list --query [].[id,name] --raw", "", "1#2\t3#4\n", "\t\n"},
			{"project list", "ID NAME\n", "1#2 3#4\n", "- -\n"},
			{"env list --project 5f1c", "ID NAME STATUS LAST DEPLOYED (UTC)\n",
				"1#2 3#4 #5 -\n", "- - - -\n"},
		} {
			how := map[bool]int{true: inText, false: inJSON}[strings.HasSuffix(at.element, "\n")]
			want := result{at.before + each(at.element, hidden(), how) + at.after, "", 0}
			got := u.run(strings.Fields(at.line)...)
			got.stdout = blanks.ReplaceAllString(got.stdout, " ")
			if got != want {
				t.Errorf("%s: %.600v", at.line, got)
			}
		}
	}
}

// TestTortureTextInMessages puts every hidden rune into what the API says, some at a time because a
// long message is cut.
func TestTortureTextInMessages(t *testing.T) {
	t.Parallel()
	api := fakeapi.New(t)
	u := newUser(t, api.Base()).with("MICROTICA_TOKEN=" + fakeapi.Key)
	u.stdin = fakeapi.Key
	for i := range len(hidden())/280 + 1 {
		some := hidden()[i*280 : min(len(hidden()), i*280+280)]
		message := `{"message":"` + each("#", some, i%2*inJSON) + `"}`
		api.Answer("/projects", fakeapi.Reply(400, message))
		for j, line := range []string{"login", "whoami --json", "project list", "api projects"} {
			want := ": " + each("#", some, inText)
			if strings.HasSuffix(line, "--json") {
				want = ": " + each("#", some, inJSON)
			}
			if large() || j == i%4 {
				got := u.run(strings.Fields(line)...)
				if got.exit != 4 || !strings.Contains(got.stderr, want) {
					t.Errorf("%s: %.900v\nwant %.900q", line, got, want)
				}
			}
		}
	}
}

// TestTortureTextOnTheWire puts hidden runes into the reason and into the host of Location.
func TestTortureTextOnTheWire(t *testing.T) {
	t.Parallel()
	server := fakeapi.NewRaw(t, func(conn net.Conn) {
		var i int
		fmt.Sscanf(fakeapi.ReadHead(conn), "GET /%d/", &i)
		text, _ := strconv.Unquote(`"` + hidden()[i/3][inText] + `"`)
		escaped := strings.ReplaceAll(fmt.Sprintf("% x", text), " ", "%")
		io.WriteString(conn, "HTTP/1.1 302 "+[]string{text, "\r\nLocation: //a" + text + "b/",
			"\r\nLocation: //a%" + escaped + "b/"}[i%3]+"\r\n\r\n")
	})
	for i := range 3 * len(hidden()) {
		if large() || i%839 == 0 {
			u := newUser(t, fmt.Sprintf("%s/%d", server.Base(), i))
			got := u.with("MICROTICA_TOKEN="+fakeapi.Key).run("project", "list")
			text := strings.ReplaceAll(got.stdout+got.stderr, "\n", "")
			if got.exit != 6 || !utf8.ValidString(text) || strings.ContainsFunc(text, isHidden) {
				t.Errorf("%q: %v", hidden()[i/3][sent], got)
			}
		}
	}
}

// TestTextOfTheUser puts hidden runes into what the user names.
func TestTextOfTheUser(t *testing.T) {
	t.Parallel()
	typed := "\x1b\n" + each("#", hidden()[32:], sent) + "." // without NUL
	shown := `\x1b\n` + each("#", hidden()[32:], inText) + "."
	u := newUser(t, fakeapi.New(t).Base()).with("MICROTICA_TOKEN=" + fakeapi.Key)
	u.want(result{"", "error: unknown command '" + shown + "'\nhint: run 'microtica help'\n", 2},
		typed)
	u.want(result{"", "error: the API cannot find project a" + shown + " for key mic_d60bea1d " +
		"(HTTP 404): no such path\nhint: run 'microtica project list' to see the projects\n", 4},
		"env", "list", "--project", "a"+typed)
	u.want(result{shown + "\n", "", 0}, "version", "--query", "'"+typed+"'", "--raw")
}
