package main

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"
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
// those that only may, one day.
func hostileRunes(t *testing.T) []rune {
	var all []rune
	total := 0
	for r := range rune(unicode.MaxRune + 1) {
		if !unicode.In(r, hostile...) {
			continue
		}
		if total++; large || r < 0xE0100 || r%64 == 0 {
			all = append(all, r)
		}
	}
	if total < 4000 {
		t.Fatalf("there are only %d hostile runes", total)
	}
	return all
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

// escapedRune returns how a rune is shown outside JSON.
func escapedRune(r rune) string {
	switch {
	case r < 0x80:
		return fmt.Sprintf(`\x%02x`, r)
	case r > 0xFFFF:
		return fmt.Sprintf(`\U%08x`, r)
	}
	return fmt.Sprintf(`\u%04x`, r)
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

// textCheck counts the answers that were printed, and fails for a rune that a terminal must not
// get.
type textCheck struct {
	t       *testing.T
	printed int
}

func (c *textCheck) check(where string, got result, code int) {
	c.t.Helper()
	c.printed++
	if r, found := rawRune(got.stdout + got.stderr); found {
		c.t.Errorf("%s: RAW RUNE %U: %.300s", where, r, got)
	}
	if got.code != code {
		c.t.Errorf("%s: %.300s, want exit %d", where, got, code)
	}
}

func (c *textCheck) count(what string) {
	c.t.Helper()
	counted(c.t, "%d %s printed, 0 raw runes", c.printed, what)
}

// runePlaces are the command lines that print what lists hold. A new way to print a server's text
// joins the matrix here.
var runePlaces = []struct {
	line   string
	header int // lines above the first element's, where each has a line; -1 where it is JSON
	value  func(element map[string]any) any
}{
	{"project list", 1, nil},
	{"env list --project 5f1c", 1, nil},
	{"project list --query [].[id,name] --raw", 0, nil},
	{"env list --project 5f1c --query [].join('|',[id,name]) --raw", 0, nil},
	{"project list --json", -1, func(e map[string]any) any { return e }},
	{"env list --project 5f1c --json", -1, func(e map[string]any) any { return e }},
	{"project list --query @", -1, func(e map[string]any) any { return e }},
	{"project list --query [].name", -1, func(e map[string]any) any { return e["name"] }},
	{"project list --query [].{id:id,name:name}", -1, func(e map[string]any) any {
		return map[string]any{"id": e["id"], "name": e["name"]}
	}},
	{"env list --project 5f1c --query [].[status]|[]", -1,
		func(e map[string]any) any { return e["status"] }},
	{"env list --project 5f1c --query [*].values(@)[]", -1, nil},
	{"env list --project 5f1c --query join(',',[].name)", -1, nil},
	{"project list --query [].keys(@)[]", -1, nil},
	{"project list --query [].to_string(@)", -1, nil},
	{"api projects", -1, nil},
	{"api projects --query projects[].id", -1, func(e map[string]any) any { return e["id"] }},
}

// TestTortureTextInLists puts every hostile rune into values and names of members, one element for
// each.
func TestTortureTextInLists(t *testing.T) {
	t.Parallel()
	runes, api := hostileRunes(t), newFakeAPI(t)
	c := textCheck{t: t}
	s := newShell(t, api).with("MICROTICA_TOKEN", testKey)
	for _, escaped := range []bool{false, true} {
		var elements []string
		for _, r := range runes {
			elements = append(elements, strings.ReplaceAll(`{"id":"1#2","name":"3#4",`+
				`"status":"#5","m#":{"#":["#"]}}`, "#", sentRune(r, escaped)))
		}
		list := "[" + strings.Join(elements, ",") + "]"
		api.answer("/projects", reply(200, `{"projects":`+list+`}`))
		api.answer("/projects/5f1c/details", reply(200, `{"entities":{"stages":`+list+`}}`))
		for _, place := range runePlaces {
			got := s.run(strings.Fields(place.line)...)
			got.stdout = strings.ReplaceAll(got.stdout, "2\t3", "2 3") // between cells
			c.check(place.line, got, 0)
			if place.header >= 0 {
				wantRuneALine(t, place.line, runes, strings.Split(got.stdout, "\n")[place.header:])
			} else {
				wantSameValues(t, place.line, list, got.stdout, place.value)
			}
		}
	}
	var invalid []string // no such byte can begin or continue a rune
	for b := 0x80; b <= 0xFF; b++ {
		one, two := string([]byte{byte(b)}), string([]byte{byte(b), 0xC3})
		invalid = append(invalid, `{"id":"i`+one+`i","name":"`+two+`"}`)
	}
	api.answer("/projects", reply(200, "["+strings.Join(invalid, ",")+"]"))
	for _, line := range []string{"project list", "project list --json",
		"project list --query [].name", "project list --query [].name --raw"} {
		c.check("invalid UTF-8, "+line, s.run(strings.Fields(line)...), 0)
	}
	c.count(fmt.Sprintf("lists of %d runes", len(runes)))
}

// wantRuneALine checks that each rune is shown, escaped, on a line of its own.
func wantRuneALine(t *testing.T, where string, runes []rune, lines []string) {
	t.Helper()
	if len(lines) != len(runes)+1 {
		t.Errorf("%s: %d lines for %d elements", where, len(lines), len(runes))
		return
	}
	for i, r := range runes {
		for _, shown := range []string{"1" + escapedRune(r) + "2", "3" + escapedRune(r) + "4"} {
			if !strings.Contains(lines[i], shown) {
				t.Errorf("%s: %U is shown as %q", where, r, lines[i])
			}
		}
	}
}

// wantSameValues checks that what is printed is JSON of the values that were sent.
func wantSameValues(t *testing.T, where, list, printed string, value func(map[string]any) any) {
	t.Helper()
	var sent []map[string]any
	if err := json.Unmarshal([]byte(list), &sent); err != nil {
		t.Fatal(err)
	}
	var want, got any
	if err := json.Unmarshal([]byte(printed), &got); err != nil {
		t.Errorf("%s: not JSON: %v, %.300q", where, err, printed)
	}
	if value == nil {
		return
	}
	var values []any
	for _, element := range sent {
		values = append(values, value(element))
	}
	want = values
	if data, err := json.Marshal(want); err != nil || json.Unmarshal(data, &want) != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: values are changed: %.300q", where, printed)
	}
}

// messagePlaces are the commands that show the API's message, and what they exit with for each of
// messageStatuses. Where the number is negative, another message is shown.
var (
	messageStatuses = []int{400, 401, 403, 404, 422, 429, 500, 503}
	messagePlaces   = []struct {
		line, path string
		codes      []int
	}{
		{"project list", "/projects", []int{4, 3, 4, -6, 4, 6, 6, 6}},
		{"env list --project 5f1c", "/projects/5f1c/details", []int{4, 3, 4, 4, 4, 6, 6, 6}},
		{"whoami", "/projects", []int{4, 3, -3, -6, 4, 6, 6, 6}},
		{"login", "/projects", []int{0, 3, -3, -0, 0, 0, 0, 0}},
	}
)

// TestTortureTextInMessages puts every hostile rune into errors of the API, some at a time, for a
// message is cut.
func TestTortureTextInMessages(t *testing.T) {
	t.Parallel()
	runes, api := hostileRunes(t), newFakeAPI(t)
	c := textCheck{t: t}
	s := newShell(t, api).with("MICROTICA_TOKEN", testKey)
	s.stdin = testKey
	for i, status := range messageStatuses {
		api.answer("/me", reply(status, `{"message":"me \u001b[31m\u202e"}`))
		for _, place := range messagePlaces {
			code := place.codes[i]
			another := code < 0 || status == 404 && place.line == "login"
			for at := 0; at < len(runes); at += 20 {
				some := runes[at:min(at+20, len(runes))]
				message := "says "
				for _, r := range some {
					message += "a" + sentRune(r, at%40 == 0)
				}
				api.answer(place.path, reply(status, `{"message":"`+message+`"}`))
				for j, asJSON := range []bool{false, true} {
					if !large && (at/20+j)%2 == 0 {
						continue
					}
					args := strings.Fields(place.line + []string{"", " --json"}[j])
					where := fmt.Sprintf("HTTP %d, %q", status, args)
					got := s.run(args...)
					c.check(where, got, max(code, -code))
					if !another {
						wantShown(t, where, some, got.stderr, asJSON)
					}
				}
			}
		}
	}
	c.count(fmt.Sprintf("messages with %d runes", len(runes)))
}

// wantShown checks that a message shows each rune after an a, escaped.
func wantShown(t *testing.T, where string, runes []rune, message string, asJSON bool) {
	t.Helper()
	for _, r := range runes {
		shown := "a" + escapedRune(r)
		if asJSON {
			shown = inJSON(shown)
		}
		if !strings.Contains(message, shown) {
			t.Errorf("%s: %U is not shown: %s", where, r, message)
		}
	}
}

// TestTortureTextOnTheWire puts every hostile rune into the reason, the host of Location and other
// headers, and into what the user names.
func TestTortureTextOnTheWire(t *testing.T) {
	t.Parallel()
	runes, api := hostileRunes(t), newScripted(t)
	c := textCheck{t: t}
	s := newRawShell(t, api.rawServer)
	missing := newShell(t, newFakeAPI(t)).with("MICROTICA_TOKEN", testKey)
	for i, r := range runes {
		text := string(r)
		percent := strings.ReplaceAll(fmt.Sprintf("% x", text), " ", "%")
		for j, answer := range []string{
			rawAnswer("500 a"+text+"b", "{}"),
			rawAnswer("302 Found", "{}", "Location: http://a"+text+"b.example/"+text),
			rawAnswer("302 Found", "{}", "Location: http://a%"+percent+"b.example/"),
			rawAnswer("302 Found", "{}", "Location: http://u"+text+"@[fe80::1%25"+text+"]/"),
			rawAnswer("503 No", "{}", "Retry-After: 1"+text, "Content-Type: a"+text),
			rawAnswer("500 No", text),
			"HTTP/1.1 " + text + "\r\n\r\n",
		} {
			if !large && (i+j)%4 != 0 {
				continue
			}
			api.set(func(string) string { return answer })
			args := []string{"project", "list", "--json"}[:2+i%2]
			c.check(fmt.Sprintf("%.80q", answer), s.run(args...), 6)
		}
		if r != 0 {
			got := missing.run("env", "list", "--project", "p"+text)
			c.check(fmt.Sprintf("--project %U", r), got, 4)
			c.check(fmt.Sprintf("unknown word %U", r), missing.run("env", "l"+text), 2)
		}
	}
	c.count("answers and words")
}

// TestTortureTextInCertificates puts every hostile rune into the names of a certificate, which are
// looked at before its authority.
func TestTortureTextInCertificates(t *testing.T) {
	t.Parallel()
	needCertFile(t)
	ca := newAuthority(t)
	c := textCheck{t: t}
	for i, r := range hostileRunes(t) {
		if !large && i%4 != 0 {
			continue
		}
		name := "a" + string(r) + "b.example"
		value, err := asn1.Marshal([]asn1.RawValue{
			{Class: asn1.ClassContextSpecific, Tag: 2, Bytes: []byte(name)},
		})
		if err != nil {
			t.Fatal(err)
		}
		alternative := pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: value}
		server := newRawServer(t, overTLS(ca.sign(&x509.Certificate{
			SerialNumber:    big.NewInt(1),
			Subject:         pkix.Name{CommonName: name, Organization: []string{name}},
			NotBefore:       time.Now().Add(-time.Hour),
			NotAfter:        time.Now().Add(time.Hour),
			ExtraExtensions: []pkix.Extension{alternative},
		}), silent))
		host := strings.Replace(server.host, "127.0.0.1", "localhost", 1)
		s := newRawShell(t, server).with("MICROTICA_API_URL", "https://"+host)
		got := s.run("project", "list")
		c.check(fmt.Sprintf("a certificate for %q", name), got, 5)
		shown := "certificate is valid for a" + escapedRune(r) + "b.example"
		if r < 0x80 && !strings.Contains(got.stderr, shown) {
			t.Errorf("a certificate for %q: %s", name, got)
		}
	}
	c.count("certificates")
}

// TestTortureTextThatNeedsJoiners prints what Persian, Hindi and emoji are written with as it is.
func TestTortureTextThatNeedsJoiners(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	s := newShell(t, api).with("MICROTICA_TOKEN", testKey)
	for _, name := range []string{
		"می\u200cخواهم", "क्\u200dष", "👨\u200d👩\u200d👧", "❤\ufe0f\u200d🔥", "☎\ufe0e",
		"1\ufe0f\u20e3",
	} {
		api.answer("/projects", reply(200, `[{"id":"1","name":"`+name+`"}]`))
		s.want(result{"ID  NAME\n1   " + name + "\n", "", 0}, "project", "list")
		s.want(result{`["` + name + `"]` + "\n", "", 0}, "project", "list", "--query", "[].name")
	}
	for _, name := range []string{ // the same runes, where they only hide
		"a\u200cb", "\u200dअ", "अ\u200d", "a\ufe0f", "अ\ufe0f", "👨\U000e0100", "👨\U000e0067",
	} {
		api.answer("/projects", reply(200, `[{"name":"`+name+`"}]`))
		if got := s.run("project", "list"); !strings.Contains(got.stdout, `\`) || got.code != 0 {
			t.Errorf("%+q is shown raw: %s", name, got)
		}
	}
}
