package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

// wantFailure returns err as the failure that it must be, with one of the codes.
func wantFailure(t *testing.T, input any, err error, codes ...string) *failure {
	t.Helper()
	var f *failure
	if !errors.As(err, &f) || !strings.Contains(strings.Join(codes, " "), f.code.name) {
		t.Fatalf("%q: %v", input, err)
	}
	return f
}

var longestKey = "mic_a_" + strings.Repeat("x", 4090)

// fuzzKeys are keys, and what is nearly one.
var fuzzKeys = []string{
	testKey, nastyKey, " " + otherKey + "\r\n", "\uFEFFmic_a_b", "mic_", "mic_a", "mic__x",
	"mic_a_", "mic_a_ ", "MIC_a_b", "mic_a_\x00", "mic_a_\xff", "mic_é_x", "\u2028mic_a_b\u0085",
	longestKey, longestKey + "x",
}

// isKey reports whether text, already trimmed, is a key as SECURITY.md describes one.
func isKey(text string) bool {
	rest, ok := strings.CutPrefix(text, "mic_")
	public, secret, both := strings.Cut(rest, "_")
	ok = ok && both && public != "" && secret != "" && len(text) <= 4096
	for _, c := range []byte(public) {
		ok = ok && (c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z')
	}
	for _, c := range []byte(secret) {
		ok = ok && c >= 0x21 && c <= 0x7e
	}
	return ok
}

// FuzzKey holds parseKey to the form of a key, and its errors to showing nothing of one.
func FuzzKey(f *testing.F) {
	for _, seed := range fuzzKeys {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		k, err := parseKey(text, "here")
		if (err == nil) != isKey(trimKey(text)) {
			t.Fatalf("%q: %v", text, err)
		}
		if err != nil {
			if f := wantFailure(t, text, err, "auth.malformed"); len(f.message) > 160 {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		again, err := parseKey(k.raw()+"\n", "here")
		if err != nil || again.raw() != k.raw() {
			t.Fatalf("%q: %v %v", text, again, err)
		}
		if !strings.HasPrefix(k.raw(), k.String()+"_") || !looksLikeKey(k.String()) {
			t.Fatalf("%q is printed as %v", text, k)
		}
	})
}

// FuzzCredentialsFile reads a stored key that may be anything.
func FuzzCredentialsFile(f *testing.F) {
	for _, seed := range append(fuzzKeys, "", "\n", "<html>", testKey+"\n"+testKey, "\x00\xff",
		strings.Repeat("x", 4098), strings.Repeat("\n", 5000), longestKey+"\r\n",
		longestKey+"\r\n\n") {
		f.Add([]byte(seed))
	}
	s := newShell(f, nil).save("")
	path := s.credentials()
	f.Fuzz(func(t *testing.T, content []byte) {
		must(t, os.WriteFile(path, content, 0o600))
		k, source, err := s.app().findKey()
		want, malformed := parseKey(string(content), "")
		if source != path {
			t.Fatalf("%q: from %s", content, source)
		}
		code := ""
		if err != nil {
			code = wantFailure(t, content, err, "auth.malformed", "file.read").code.name
		}
		switch {
		case err == nil && (malformed != nil || k.raw() != want.raw()):
			t.Fatalf("%q is read as %q", content, k.raw())
		case code == "file.read" && len(content) <= 4096:
			t.Fatalf("%q: %v", content, err)
		case err != nil && malformed == nil && len(content) <= 4096+1:
			t.Fatalf("%q is a key: %v", content, err)
		}
		// What is neither a key nor empty is not ours to replace.
		empty := trimKey(string(content)) == ""
		mine := err == nil || code == "auth.malformed" && (malformed == nil || empty)
		if kept := keepForeignFile(path); mine != (kept == nil) {
			t.Fatalf("%q: may be replaced: %v, %v", content, kept, err)
		}
	})
}

// FuzzAPIURL holds the base URL to what the key may be sent to.
func FuzzAPIURL(f *testing.F) {
	for _, seed := range strings.Fields(defaultAPI + ` https://a.example/x/ http://127.0.0.1
		http://localhost:8080/gateway/v1 http://[::1]:80 http://127.0.0.1.example
		http://user:canary@localhost https://a:65536 https://a: https://a?x https://a# https:a
		//a ftp://a http://LOCALHOST. http://[::ffff:127.0.0.1] http://[::1%25lo] https://a/../b
		https://a/%2e%2e/%zz https://mic_a_b http://localhost@evil.example https://a\b https://a:0
		http://0x7f000001`) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := shellIn(t, "").with("MICROTICA_API_URL", text).app().apiURL()
		if err != nil {
			f := wantFailure(t, text, err, "usage.url")
			if len(f.message)+len(f.hint) > 250 {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		local := u.Scheme == "http" && isLoopback(u.Hostname())
		if u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Hostname() == "" ||
			u.Scheme != "https" && !local {
			t.Fatalf("%q is taken as %#v", text, u)
		}
		// What is asked for is on that host, below that path, and holds nothing else.
		asked := u.JoinPath("projects", url.PathEscape("a/b?c"), "details")
		req, err := http.NewRequest(http.MethodGet, asked.String(), nil)
		if err != nil {
			return // usage.url, before any connection
		}
		if req.URL.Scheme != u.Scheme || req.URL.Host != u.Host ||
			req.URL.RawQuery != "" || req.URL.User != nil ||
			!strings.HasSuffix(req.URL.EscapedPath(), "/projects/a%2Fb%3Fc/details") {
			t.Fatalf("%q: asks for %q", text, req.URL)
		}
	})
}

// FuzzRetryAfter holds the wait that the API asks for to what is possible.
func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{
		"", "0", "30", "31", "-1", "+1", "1.5", " 2", "10000000000", "99999999999999999999",
		"99999999999999999999\xf9", "0x10", "1_0", "١", "Mon, 23 Nov 2026 18:00:00 GMT",
		"Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 GMT",
	} {
		f.Add(seed)
	}
	now := time.Date(2026, 11, 23, 17, 59, 50, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		wait, asked := retryAfter(text, now)
		digits := text != "" && strings.Trim(text, "0123456789") == ""
		_, err := http.ParseTime(text)
		if asked && (wait < 0 || !digits && err != nil) || !asked && digits {
			t.Fatalf("%q: %v, %t", text, wait, asked)
		}
		value := strings.TrimLeft(text, "0")
		if digits && (value == "" && wait != 0 || len(value) > 10 && wait <= maxRetryAfter) {
			t.Fatalf("%q: wait %v", text, wait)
		}
	})
}

// FuzzAnswer decodes what the API may answer. What is JSON is printed in one line, harmless and
// without the key; what is not is refused.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		projectsBody, stagesBody, meBody, "null", "[]", "[[[[[[", "1 2", "\ufeff{}",
		`"\ud800"`, `"\ud83d\ude00\u202e"`, `"` + "\xff\x80" + `"`,
		`{"a":1,"a":2,"\u0061":3}`, `[1e999,-0,1E+2,12345678901234567890]`,
		`{"` + testKey + `":"\u006dic_d60bea1d_canary0SECRET0value"}`,
		`{"a":{"b":[true,false,null,"\/\b\f\n\r\t\"\\"]}}`,
		`{"entities":{"stages":[{"id":1,"lastDeployed":1e15}]}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		answer, err := parseMasked(string(data), func(text string) string {
			return strings.ReplaceAll(text, testKey, testPrefix+"_…")
		})
		if (err == nil) != json.Valid(data) {
			t.Fatalf("%q: %v", data, err)
		}
		if err != nil {
			return
		}
		var out bytes.Buffer
		must(t, writeJSON(&out, answer))
		printed := out.String()
		r, found := rawRune(printed)
		if found || strings.Count(printed, "\n") != 1 || strings.Contains(printed, testKey) {
			t.Fatalf("%q is printed as %q, %U", data, printed, r)
		}
		escapable := func(r rune) bool { return r == '\\' || unicode.In(r, hostile...) }
		if utf8.Valid(data) && !bytes.ContainsFunc(data, escapable) &&
			!bytes.Contains(data, []byte(testKey)) {
			var compact bytes.Buffer
			json.Compact(&compact, data)
			if compact.WriteByte('\n'); printed != compact.String() {
				t.Fatalf("%q is printed as %q", data, printed)
			}
		}
		again, err := parseJSON(printed)
		if err != nil {
			t.Fatalf("%q is printed as %q: %v", data, printed, err)
		}
		out.Reset()
		writeJSON(&out, again)
		if out.String() != printed && utf8.Valid(data) { // invalid UTF-8 becomes a rune like others
			t.Fatalf("%q is printed as %q, and that as %q", data, printed, &out)
		}
		// The commands look into whatever comes.
		if list := field(answer, "projects"); list != nil {
			answer = list
		}
		c := &client{app: &app{}, base: &url.URL{Scheme: "https", Host: "a.example"}}
		if c.checkList(answer, "projects") == nil {
			printTable(io.Discard, []string{"ID", "NAME"}, answer, func(e any) []string {
				return []string{cells(e, "id")[0], lastDeployed(e)}
			})
		}
	})
}

// FuzzTable cleans text for a table: harmless, one line, one column.
func FuzzTable(f *testing.F) {
	for _, seed := range []string{
		"", "a\tb\nc\rd", "\x1b[31m", "\u202e\u2066", "\U000e0001", "\xff", "\xed\xa0\x80",
		"\uFFFD", `\x1b`, "a\x7fb", "日本", "\u2028\u2029", "👨\u200d👩", "1\ufe0f\u20e3",
	} {
		f.Add(seed, "x")
	}
	f.Fuzz(func(t *testing.T, id, name string) {
		for _, text := range []string{id, name} {
			cleaned := clean(text)
			r, found := rawRune(cleaned)
			if found || strings.Contains(cleaned, "\n") || clean(cleaned) != cleaned {
				t.Fatalf("%q is cleaned as %q, %U", text, cleaned, r)
			}
		}
		element := newObject("id", id, "name", name)
		var out bytes.Buffer
		row := func(e any) []string { return []string{cells(e, "id")[0], cells(e, "name")[0]} }
		printTable(&out, []string{"ID", "NAME"}, []any{element, element}, row)
		lines := strings.Split(out.String(), "\n")
		if len(lines) != 4 || lines[1] != lines[2] || lines[3] != "" ||
			id != "" && !strings.HasPrefix(lines[1], clean(id)+"  ") ||
			name != "" && !strings.HasSuffix(lines[1], "  "+clean(name)) {
			t.Fatalf("%q and %q: %q", id, name, &out)
		}
	})
}
