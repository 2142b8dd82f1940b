package main

import (
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// hostile are the runes that can act on a terminal, or hide text: controls and format characters,
// bidi ones among them, line and paragraph separators, and what is ignored when it is shown, among
// it the tags that can spell instructions nobody sees.
var hostile = []*unicode.RangeTable{
	unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp,
	unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector,
}

// hostileRunes returns all of them or, with small numbers, those that mean something and some of
// those that only may, one day. (TestCleanLeavesNothingThatActsOnATerminal checks how each is
// shown.)
func hostileRunes() (runes []rune) {
	for r := range rune(unicode.MaxRune + 1) {
		if unicode.In(r, hostile...) && (large || r < 0xE0100 || r%64 == 0) {
			runes = append(runes, r)
		}
	}
	return runes
}

// rawRune returns the first rune in text that a terminal must not get, other than the end of a
// line, or that is not UTF-8. Joiners and the selectors of emoji may be in text that needs them.
func rawRune(text string) (rune, bool) {
	for i, r := range text {
		if r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD") {
			return r, true
		}
		if r == '\n' || !unicode.In(r, hostile...) {
			continue
		}
		before, _ := utf8.DecodeLastRuneInString(text[:i])
		after, _ := utf8.DecodeRuneInString(text[i+utf8.RuneLen(r):])
		joins := func(r rune) bool {
			return r > unicode.MaxASCII && unicode.In(r, unicode.L, unicode.M, unicode.S)
		}
		joiner := (r == '\u200c' || r == '\u200d') && joins(before) && joins(after)
		style := r == '\ufe0e' || r == '\ufe0f'
		emoji := before > unicode.MaxASCII && unicode.In(before, unicode.S, unicode.P) ||
			after == '\u20e3'
		if !joiner && !(style && emoji) {
			return r, true
		}
	}
	return 0, false
}

// wantNoRawRune checks what a command prints of a server's text.
func wantNoRawRune(t *testing.T, where string, got result, code int) {
	t.Helper()
	if r, found := rawRune(got.stdout + got.stderr); found || got.code != code {
		t.Errorf("%s: RAW RUNE %U? %.300s, want exit %d", where, r, got, code)
	}
}

// sentRune returns a rune as a server may write it in a JSON string: as it is, where JSON allows
// that, or escaped.
func sentRune(r rune, escaped bool) string {
	switch {
	case r >= ' ' && !escaped:
		return string(r)
	case r > 0xFFFF:
		return fmt.Sprintf(`\u%04x\u%04x`, 0xD800+(r-0x10000)>>10, 0xDC00+(r-0x10000)&0x3FF)
	}
	return fmt.Sprintf(`\u%04x`, r)
}

// runeElement is an element of a list; # stands for a rune.
const runeElement = `{"id":"1#2","name":"3#4","status":"#5","m#":{"#":["#"]}}`

// runePlaces are the command lines that print what lists hold, and how they print elements like
// runeElement. A new way to print a server's text joins the matrix here.
var runePlaces = []struct{ line, before, element, between, after string }{
	{"project list --json", "[", runeElement, ",", "]"},
	{"project list --query @", "[", runeElement, ",", "]"},
	{"env list --project 5f1c --json", "[", runeElement, ",", "]"},
	{"api projects", `{"projects":[`, runeElement, ",", "]}"},
	{"api projects --query projects[].id", "[", `"1#2"`, ",", "]"},
	{"project list --query [].{id:id,name:name}", "[", `{"id":"1#2","name":"3#4"}`, ",", "]"},
	{"project list --query [].keys(@)[]", "[", `"id","name","status","m#"`, ",", "]"},
	{"project list --query [].to_string(status)", "[", `"#5"`, ",", "]"},
	{"env list --project 5f1c --query [*].values(@)[]", "[",
		`"1#2","3#4","#5",{"#":["#"]}`, ",", "]"},
	{"env list --project 5f1c --query join(',',[].name)", `"`, "3#4", ",", `"`},
	{"project list --query [].[id,name] --raw", "", "1#2\t3#4", "\n", ""},
	{"env list --project 5f1c --query [].join('|',[id,name]) --raw", "", "1#2|3#4", "\n", ""},
	{"project list", "ID            NAME\n", "%-14[1]s3%[2]s4", "\n", ""},
	{"env list --project 5f1c", "ID            NAME          STATUS       LAST DEPLOYED\n",
		"%-14[1]s%-14[3]s%-13[4]s-", "\n", ""},
}

// TestTortureTextInLists puts every hostile rune into values and names of members, one element for
// each.
func TestTortureTextInLists(t *testing.T) {
	t.Parallel()
	runes := hostileRunes()
	api, s := newUser(t)
	inEach := func(template string, show func(rune) string) []string {
		var all []string
		for _, r := range runes {
			shown := show(r)
			if strings.Contains(template, "%") { // a row of a table
				shown = fmt.Sprintf(template, "1"+shown+"2", shown, "3"+shown+"4", shown+"5")
			} else {
				shown = strings.ReplaceAll(template, "#", shown)
			}
			all = append(all, shown)
		}
		return all
	}
	asJSON := func(r rune) string { return sentRune(r, true) }
	asText := func(r rune) string { return clean(string(r)) }
	for _, escaped := range []bool{false, true} {
		list := strings.Join(inEach(runeElement,
			func(r rune) string { return sentRune(r, escaped) }), ",")
		api.answer("/projects", reply(200, `{"projects":[`+list+`]}`))
		api.answer("/projects/5f1c/details", reply(200, `{"entities":{"stages":[`+list+`]}}`))
		for _, place := range runePlaces {
			show := asJSON
			if place.between == "\n" {
				show = asText
			}
			want := place.before + strings.Join(inEach(place.element, show), place.between) +
				place.after + "\n"
			if got := s.run(strings.Fields(place.line)...); got != (result{want, "", 0}) {
				t.Errorf("%s: %.600s", place.line, got)
			}
		}
	}
	counted(t, "%d lists of %d runes printed, 0 raw runes", 2*len(runePlaces), len(runes))
}

// messagePlaces are the commands that show the API's message.
var messagePlaces = []struct {
	line, path string
	status     int
}{
	{"project list", "/projects", 400},
	{"project list --json", "/projects", 429},
	{"env list --project 5f1c --json", "/projects/5f1c/details", 404},
	{"api projects", "/projects", 503},
	{"whoami", "/projects", 401},
	{"whoami --json", "/projects", 403},
	{"login", "/projects", 401},
	{"login --json", "/projects", 500},
}

// TestTortureTextInMessages puts every hostile rune into errors of the API, some at a time, because
// a long message is cut.
func TestTortureTextInMessages(t *testing.T) {
	t.Parallel()
	runes := hostileRunes()
	api, s := newUser(t)
	s.stdin = testKey
	messages := 0
	for _, place := range messagePlaces {
		for at := 0; at < len(runes); at += 20 {
			message, shown := "says ", "says "
			for _, r := range runes[at:min(at+20, len(runes))] {
				message += "a" + sentRune(r, at%40 == 0)
				shown += "a" + clean(string(r))
			}
			if strings.HasSuffix(place.line, "--json") {
				shown = inJSON(shown)
			}
			answer := reply(place.status, `{"message":"`+message+`"}`)
			api.answer(place.path, answer)
			api.answer("/me", answer)
			got := s.run(strings.Fields(place.line)...)
			messages++
			if r, found := rawRune(got.stdout + got.stderr); found ||
				!strings.Contains(got.stderr, shown) {
				t.Errorf("HTTP %d, %s: RAW RUNE %U? %.600s", place.status, place.line, r, got)
			}
		}
	}
	counted(t, "%d messages with %d runes printed, 0 raw runes", messages, len(runes))
}

// TestTortureTextOnTheWire puts every hostile rune into the reason, the host of Location and other
// headers, and into what the user names, and every byte that is not UTF-8 into names.
func TestTortureTextOnTheWire(t *testing.T) {
	t.Parallel()
	api := newScripted(t)
	s := newRawShell(t, api.rawServer)
	_, missing := newUser(t)
	answers := 0
	meet := func(code int, answer string, args ...string) {
		answers++
		api.set(func(string) string { return answer })
		wantNoRawRune(t, fmt.Sprintf("%.80q", answer), s.run(args...), code)
	}
	for i, r := range hostileRunes() {
		text := string(r)
		percent := strings.ReplaceAll(fmt.Sprintf("% x", text), " ", "%")
		for j, answer := range []string{
			rawAnswer("500 a"+text+"b", "{}"),
			rawAnswer("302 Found", "{}", "Location: http://a"+text+"b.example/"+text),
			rawAnswer("302 Found", "{}", "Location: http://a%"+percent+"b.example/"),
			rawAnswer("302 Found", "{}", "Location: http://u"+text+"@[fe80::1%25"+text+"]/"),
			"HTTP/1.1 " + text + "\r\n\r\n",
		} {
			if large || (i+j)%4 == 0 {
				meet(6, answer, inForm(i%2 == 0, "project", "list")...)
			}
		}
		if r != 0 {
			got := missing.run("env", "list", "--project", "p"+text)
			wantNoRawRune(t, fmt.Sprintf("--project %U", r), got, 4)
			wantNoRawRune(t, fmt.Sprintf("unknown word %U", r), missing.run("env", "l"+text), 2)
		}
	}
	for b := 0x80; b <= 0xFF; b++ { // no such byte can begin or continue a rune
		one, two := string([]byte{byte(b)}), string([]byte{byte(b), 0xC3})
		answer := rawAnswer("200 OK", `[{"id":"i`+one+`i","name":"`+two+`"}]`)
		for _, flags := range []string{"", "--json", "--query [].name --raw"} {
			meet(0, answer, strings.Fields("project list "+flags)...)
		}
	}
	counted(t, "%d answers printed, 0 raw runes", answers)
}
