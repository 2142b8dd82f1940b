package main

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"reflect"
	"strings"
	"sync"
	"testing"
	"unicode"
	"unicode/utf8"
)

// hostileRunes returns every rune that can act on a terminal or hide text: all controls and format characters, bidi ones among
// them, and the line and paragraph separators.
func hostileRunes() []rune {
	var all []rune
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
			all = append(all, r)
		}
	}
	return all
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

// rawRune returns the first rune in text that a terminal must not get, other than the end of a line, or that is not UTF-8.
func rawRune(text string) (rune, bool) {
	for i, r := range text {
		if r != '\n' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) || r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD") {
			return r, true
		}
	}
	return 0, false
}

// sentRune returns a rune as a server may write it in a JSON string: as it is, where JSON allows that, or escaped.
func sentRune(r rune, escaped bool) string {
	if r < ' ' || escaped {
		if r > 0xFFFF {
			r -= 0x10000
			return fmt.Sprintf(`\u%04x\u%04x`, 0xD800+r>>10, 0xDC00+r&0x3FF)
		}
		return fmt.Sprintf(`\u%04x`, r)
	}
	return string(r)
}

// runePlaces are the command lines that print what lists hold. A new way to print server text joins the matrix here.
var runePlaces = []struct {
	line   string // a project list or an env list
	fields []string
	json   string // what it prints as JSON, as an expression over the list; "" for a table
}{
	{"project list", []string{"id", "name"}, ""},
	{"env list --project 5f1c", []string{"id", "name", "status"}, ""},
	{"project list --json", nil, "@"},
	{"env list --project 5f1c --json", nil, "@"},
	{"project list --query @", nil, "@"},
	{"project list --query [].name", nil, "name"},
	{"project list --query [].{id:id,name:name}", nil, "id,name"},
	{"env list --project 5f1c --query [].[status]|[]", nil, "status"},
	{"env list --project 5f1c --query [*].values(@)[]", nil, ""},
	{"env list --project 5f1c --query join(',',[].name)", nil, ""},
	{"project list --query [].keys(@)[]", nil, ""},
	{"project list --query [].to_string(@)", nil, ""},
}

// TestTortureHostileText puts every such rune in every place where text from a server is printed.
func TestTortureHostileText(t *testing.T) {
	runes := hostileRunes()
	if len(runes) < 230 {
		t.Fatalf("there are only %d hostile runes", len(runes))
	}
	api := newFakeAPI(t)
	printed, raw := 0, 0
	check := func(where string, got result, code int) {
		t.Helper()
		printed++
		if r, found := rawRune(got.stdout + got.stderr); found {
			raw++
			t.Errorf("%s: RAW RUNE %U: %.300s", where, r, got)
		}
		if got.code != code {
			t.Errorf("%s: %.300s, want exit %d", where, got, code)
		}
	}
	s := newShell(t, api).with("MICROTICA_TOKEN", testKey)

	// Lists: one element for each rune, in its values and in the name of a member.
	for _, escaped := range []bool{false, true} {
		var elements []string
		for _, r := range runes {
			sent := sentRune(r, escaped)
			elements = append(elements, fmt.Sprintf(`{"id":"i%[1]si","name":"n%[1]s","status":"%[1]ss","m%[1]sm":{"%[1]s":["%[1]s"]}}`, sent))
		}
		list := "[" + strings.Join(elements, ",") + "]"
		api.answer("/projects", reply(200, `{"projects":`+list+`}`))
		api.answer("/projects/5f1c/details", reply(200, `{"entities":{"stages":`+list+`}}`))
		for _, place := range runePlaces {
			got := s.run(strings.Fields(place.line)...)
			check(place.line, got, 0)
			switch {
			case place.fields != nil:
				lines := strings.Split(got.stdout, "\n")
				if len(lines) != len(runes)+2 {
					t.Errorf("%s: %d lines for %d elements", place.line, len(lines), len(runes))
					continue
				}
				for i, r := range runes {
					for _, shown := range []string{"i" + escapedRune(r) + "i ", " n" + escapedRune(r)} {
						if !strings.Contains(lines[i+1], shown) {
							t.Errorf("%s: %U is shown as %q", place.line, r, lines[i+1])
						}
					}
				}
			case place.json != "":
				var sent []map[string]any
				var back, want any
				if err := json.Unmarshal([]byte(list), &sent); err != nil {
					t.Fatal(err)
				}
				var wanted []any
				for _, element := range sent {
					switch place.json {
					case "@":
						wanted = append(wanted, element)
					case "id,name":
						wanted = append(wanted, map[string]any{"id": element["id"], "name": element["name"]})
					default:
						wanted = append(wanted, element[place.json])
					}
				}
				want = wanted
				data, _ := json.Marshal(want)
				json.Unmarshal(data, &want)
				if err := json.Unmarshal([]byte(got.stdout), &back); err != nil || !reflect.DeepEqual(back, want) {
					t.Errorf("%s: values are changed: %.300q, %v", place.line, got.stdout, err)
				}
			case !json.Valid([]byte(got.stdout)):
				t.Errorf("%s: not JSON: %.300q", place.line, got.stdout)
			}
		}
	}
	var invalid []string // no byte of these can start or go on a rune
	for c := 0x80; c <= 0xFF; c++ {
		invalid = append(invalid, `{"id":"i`+string([]byte{byte(c)})+`i","name":"`+string([]byte{byte(c), 0xC3})+`"}`)
	}
	api.answer("/projects", reply(200, "["+strings.Join(invalid, ",")+"]"))
	for _, line := range []string{"project list", "project list --json", "project list --query [].name"} {
		check("invalid UTF-8, "+line, s.run(strings.Fields(line)...), 0)
	}

	// Error messages: all statuses, some runes at a time, for a message is cut.
	lines := []struct{ line, path string }{{"project list", "/projects"}, {"env list --project 5f1c", "/projects/5f1c/details"}, {"whoami", "/projects"}, {"login", "/projects"}}
	for status, codes := range map[int][]int{400: {4, 4, 4, 0}, 401: {3, 3, 3, 3}, 403: {4, 4, 3, 3}, 404: {6, 4, 6, 0}, 422: {4, 4, 4, 0}, 429: {6, 6, 6, 0}, 500: {6, 6, 6, 0}, 503: {6, 6, 6, 0}} {
		api.answer("/me", reply(status, `{"message":"me \u001b[31m\u202e"}`))
		for i, line := range lines {
			code := codes[i]
			for at := 0; at < len(runes); at += 20 {
				some := runes[at:min(at+20, len(runes))]
				message := "says "
				for _, r := range some {
					message += "a" + sentRune(r, at%40 == 0)
				}
				api.answer(line.path, reply(status, `{"message":"`+message+`"}`))
				for _, flags := range [][]string{nil, {"--json"}} {
					s.stdin = testKey
					args := append(strings.Fields(line.line), flags...)
					got := s.run(args...)
					check(fmt.Sprintf("HTTP %d, %q", status, args), got, code)
					if status == 404 && line.path == "/projects" || status == 403 && i >= 2 {
						continue // another message stands there
					}
					for _, r := range some {
						shown := "a" + escapedRune(r)
						if flags != nil {
							shown = inJSON(shown)
						}
						if !strings.Contains(got.stderr, shown) {
							t.Errorf("HTTP %d, %q: %U is not shown: %s", status, args, r, got.stderr)
						}
					}
				}
			}
		}
	}

	// The reason, the host in Location and other headers; the project that the user names.
	var answer string
	var mu sync.Mutex
	wire := newRecorder(t, "127.0.0.1:0", afterRequest(func(conn net.Conn, _, _ string) {
		mu.Lock()
		defer mu.Unlock()
		io.WriteString(conn, answer)
	}))
	onWire := newShell(t, nil).with("MICROTICA_API_URL", "http://"+wire.address(), "MICROTICA_TOKEN", testKey)
	for i, r := range runes {
		text := string(r)
		percent := strings.ReplaceAll(fmt.Sprintf("% x", text), " ", "%")
		for j, a := range []string{
			rawAnswer("500 a"+text+"b", "{}"),
			rawAnswer("302 Found", "{}", "Location: http://a"+text+"b.example/"+text),
			rawAnswer("302 Found", "{}", "Location: http://a%"+percent+"b.example/"),
			rawAnswer("302 Found", "{}", "Location: http://u"+text+"@[fe80::1%25"+text+"]/"),
			rawAnswer("503 No", "{}", "Retry-After: 1"+text, "Content-Type: a"+text),
			rawAnswer("500 No", text),
			"HTTP/1.1 " + text + "\r\n\r\n",
		} {
			if !torture && (i+j)%4 != 0 {
				continue
			}
			mu.Lock()
			answer = a
			mu.Unlock()
			args := []string{"project", "list"}
			if i%2 == 0 {
				args = append(args, "--json")
			}
			check(fmt.Sprintf("%.80q", a), onWire.run(args...), 6)
		}
		if r != 0 {
			check(fmt.Sprintf("--project %U", r), s.run("env", "list", "--project", "p"+text), 4)
			check(fmt.Sprintf("unknown word %U", r), s.run("env", "l"+text), 2)
		}
	}

	// Certificates: a name with each rune, signed or not; it is looked at before the authority.
	for i, r := range runes {
		if !torture && i%4 != 0 {
			continue
		}
		name := "a" + string(r) + "b.example"
		value, err := asn1.Marshal([]asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: 2, Bytes: []byte(name)}})
		if err != nil {
			t.Fatal(err)
		}
		certificate, _ := newCertificate(t, "", func(c *x509.Certificate) {
			c.DNSNames, c.Subject = nil, pkix.Name{CommonName: name, Organization: []string{name}}
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: value}}
		})
		server := newRecorder(t, "127.0.0.1:0", overTLS(certificate, nil))
		got := newShell(t, nil).with("MICROTICA_API_URL", "https://"+server.address(), "MICROTICA_TOKEN", testKey).run("project", "list")
		check(fmt.Sprintf("a certificate for %q", name), got, 5)
		if r < 0x80 && !strings.Contains(got.stderr, "its certificate is for a"+escapedRune(r)+"b.example") {
			t.Errorf("a certificate for %q: %s", name, got)
		}
	}
	counted(t, "%d runes, %d answers printed, %d raw runes", len(runes), printed, raw)
}
