package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// FuzzKey holds parseKey to the form of a key, and its errors to showing nothing of one.
func FuzzKey(f *testing.F) {
	for _, seed := range []string{testKey, nastyKey, " " + otherKey + "\r\n", "\uFEFFmic_a_b", "mic_", "mic_a", "mic__x", "mic_a_", "mic_a_ ", "MIC_a_b", "mic_a_\x00", "mic_a_\xff",
		"mic_é_x", "mic_a_" + strings.Repeat("x", 4090), "mic_a_" + strings.Repeat("x", 4091), "\u2028mic_a_b\u0085"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		k, err := parseKey(text, "here")
		valid := func() bool {
			text := trimKey(text)
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
		}()
		if (err == nil) != valid {
			t.Fatalf("%q: %v", text, err)
		}
		if err != nil {
			var failed *failure
			if !errors.As(err, &failed) || failed.code.name != "auth.malformed" || len(failed.message) > 120 {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if again, err := parseKey(k.raw()+"\n", "here"); err != nil || again.raw() != k.raw() || !strings.HasPrefix(k.raw(), k.String()+"_") || looksLikeKey(k.String()) == false {
			t.Fatalf("%q: %v %v", text, again, err)
		}
	})
}

// FuzzCredentialsFile reads a stored key that may be anything.
func FuzzCredentialsFile(f *testing.F) {
	for _, seed := range []string{testKey + "\n", testKey + "\r\n", "\uFEFF" + testKey, "", "\n", "<html>", testKey + "\n" + testKey, strings.Repeat("x", 4096), strings.Repeat("x", 4098), strings.Repeat("\n", 5000),
		"mic_a_" + strings.Repeat("x", 4090) + "\r\n", "mic_a_" + strings.Repeat("x", 4090) + "\r\n\n", "\x00\xff"} {
		f.Add([]byte(seed))
	}
	home := f.TempDir()
	path := filepath.Join(home, ".microtica", "credentials")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		var stderr bytes.Buffer
		a := &app{lookenv: lookup(map[string]string{"HOME": home, "USERPROFILE": home}), stderr: &stderr, now: time.Now}
		k, source, err := a.findKey()
		want, malformed := parseKey(string(content), "")
		var failed *failure
		switch {
		case source != path || stderr.Len() > 0:
			t.Fatalf("%q: from %s, %s", content, source, &stderr)
		case err == nil && (malformed != nil || k.raw() != want.raw()):
			t.Fatalf("%q is read as %q", content, k.raw())
		case err != nil && (!errors.As(err, &failed) || failed.code.name != "auth.malformed" && failed.code.name != "file.read"):
			t.Fatalf("%q: %v", content, err)
		case err != nil && failed.code.name == "file.read" && len(content) <= maxKeyBytes:
			t.Fatalf("%q: %v", content, err)
		case err != nil && malformed == nil && len(content) <= maxKeyBytes+1:
			t.Fatalf("%q is a key: %v", content, err)
		}
		// What is no key and not empty is not ours to replace.
		mine := err == nil || malformed == nil && failed.code.name == "auth.malformed" || trimKey(string(content)) == "" && failed.code.name == "auth.malformed"
		if kept := keepForeignFile(path); mine != (kept == nil) {
			t.Fatalf("%q: may be replaced: %v, %v", content, kept, err)
		}
	})
}

// FuzzAPIURL holds the base URL to what the key may be sent to.
func FuzzAPIURL(f *testing.F) {
	for _, seed := range []string{defaultAPI, "https://a.example/x/", "http://localhost:8080/gateway/v1", "http://127.0.0.1", "http://[::1]:80", "http://127.0.0.1.example", "http://user:canary@localhost", "https://a:0", "https://a:65536",
		"https://a:", "https://a?x", "https://a#", "https:a", "//a", "ftp://a", "http://LOCALHOST.", "http://[::ffff:127.0.0.1]", "http://[::1%25lo]", "https://a/%2e%2e/%zz", "https://a/../b", "https://\u202e", "https://mic_a_b", "http://localhost@evil.example", "https://a\\b", "http://0x7f000001"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a := &app{lookenv: func(string) (string, bool) { return text, true }}
		u, err := a.apiURL()
		if err != nil {
			var failed *failure
			if !errors.As(err, &failed) || failed.code.name != "usage.url" || len(failed.message)+len(failed.hint) > 250 {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Hostname() == "" || u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
			t.Fatalf("%q is taken as %#v", text, u)
		}
		// What is asked is on that host, below that path, and holds nothing else.
		asked := u.JoinPath("projects", url.PathEscape("a/b?c"), "details")
		req, err := http.NewRequest(http.MethodGet, asked.String(), nil)
		if err != nil {
			return // usage.url, before any connection
		}
		if req.URL.Scheme != u.Scheme || req.URL.Host != u.Host || req.URL.RawQuery != "" || req.URL.User != nil || !strings.HasSuffix(req.URL.EscapedPath(), "/projects/a%2Fb%3Fc/details") {
			t.Fatalf("%q: asks %q", text, req.URL)
		}
	})
}

// FuzzRetryAfter holds what the API asks to wait to what can be waited.
func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"", "0", "1", "30", "31", "-1", "+1", "1.5", " 2", "10000000000", "99999999999999999999", "99999999999999999999\xf9", "-99999999999999999999", "0x10", "1_0", "١", "Mon, 23 Nov 2026 18:00:00 GMT", "Monday, 23-Nov-26 18:00:00 GMT",
		"Mon Nov 23 18:00:00 2026", "Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 GMT", "soon"} {
		f.Add(seed)
	}
	now := time.Date(2026, 11, 23, 17, 59, 50, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		wait, asked := retryAfter(text, now)
		if asked && wait < 0 {
			t.Fatalf("%q: wait %v", text, wait)
		}
		digits := text != "" && strings.Trim(text, "0123456789") == ""
		if _, err := http.ParseTime(text); asked && !digits && err != nil || !asked && digits {
			t.Fatalf("%q: %v, %t", text, wait, asked)
		}
		if digits && strings.TrimLeft(text, "0") == "" && wait != 0 || len(strings.TrimLeft(text, "0")) > 10 && digits && wait <= maxRetryAfter {
			t.Fatalf("%q: wait %v", text, wait)
		}
	})
}

// FuzzAnswer decodes what the API may answer. What is JSON is printed as JSON of the same value, harmless and without the key; what
// is not is refused.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{projectsBody, stagesBody, meBody, "null", "[]", "{}", `"\ud800"`, `"\ud83d\ude00\u202e"`, `{"a":1,"a":2,"\u0061":3}`, `[1e999,-0,1E+2,12345678901234567890]`, `{"projects":[{"id":"` + testKey + `"}]}`,
		`{"` + testKey + `":"\u006dic_d60bea1d_canary0SECRET0value"}`, "[[[[[[", `"` + "\xff\x80" + `"`, "1 2", "\ufeff{}", `{"a":{"b":[true,false,null,"\/\b\f\n\r\t\"\\"]}}`, `{"entities":{"stages":[{"id":1,"lastDeployed":1e15}]}}`, `{"":{"":""}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		answer, err := parseJSON(maskStrings(string(data), func(text string) string {
			return strings.ReplaceAll(text, testKey, testPrefix+"_…")
		}))
		if (err == nil) != json.Valid(data) {
			t.Fatalf("%q: %v", data, err)
		}
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := writeJSON(&out, answer); err != nil {
			t.Fatal(err)
		}
		printed := out.String()
		if r, found := rawRune(printed); found || strings.Count(printed, "\n") != 1 || strings.Contains(printed, testKey) {
			t.Fatalf("%q is printed as %q, %U", data, printed, r)
		}
		if utf8.Valid(data) && !strings.Contains(string(data), "mic") && !strings.Contains(string(data), `\`) {
			want, got := any(nil), any(nil)
			a, b := json.NewDecoder(bytes.NewReader(data)), json.NewDecoder(&out)
			a.UseNumber()
			b.UseNumber()
			if a.Decode(&want) != nil || b.Decode(&got) != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("%q is printed as %q", data, printed)
			}
		}
		again, err := parseJSON(printed)
		if err != nil {
			t.Fatalf("%q is printed as %q: %v", data, printed, err)
		}
		out.Reset()
		if writeJSON(&out, again); out.String() != printed && utf8.Valid(data) { // an invalid byte is printed as \ufffd, which then is a rune like others
			t.Fatalf("%q is printed as %q, and that as %q", data, printed, &out)
		}
		// The commands look into whatever comes.
		if list := field(answer, "projects"); list != nil {
			answer = list
		}
		c := &client{app: &app{}, base: &url.URL{Scheme: "https", Host: "a.example"}}
		if c.checkList(answer, "projects") == nil {
			printTable(io.Discard, []string{"ID", "NAME"}, answer, func(e any) []string { return []string{cell(e, "id"), lastDeployed(e)} })
		}
	})
}

// FuzzTable cleans text for a table: harmless, one line, one column.
func FuzzTable(f *testing.F) {
	for _, seed := range []string{"", "shop", "a\tb\nc\rd", "\x1b[31m", "\u202e\u2066", "\U000e0001", "\xff", "\xed\xa0\x80", "\uFFFD", "\u0085", `\x1b`, "a\x7fb", "日本", "\u2028\u2029", "\u00ad\ufeff"} {
		f.Add(seed, "x")
	}
	f.Fuzz(func(t *testing.T, id, name string) {
		for _, text := range []string{id, name} {
			cleaned := clean(text)
			if r, found := rawRune(cleaned); found || strings.Contains(cleaned, "\n") || clean(cleaned) != cleaned || len(cleaned) < len(text) {
				t.Fatalf("%q is cleaned as %q, %U", text, cleaned, r)
			}
		}
		element := newObject("id", id, "name", name)
		var out bytes.Buffer
		printTable(&out, []string{"ID", "NAME"}, []any{element, element}, func(e any) []string { return []string{cell(e, "id"), cell(e, "name")} })
		lines := strings.Split(out.String(), "\n")
		if len(lines) != 4 || lines[1] != lines[2] || lines[3] != "" || id != "" && !strings.HasPrefix(lines[1], clean(id)+"  ") || name != "" && !strings.HasSuffix(lines[1], "  "+clean(name)) {
			t.Fatalf("%q and %q: %q", id, name, &out)
		}
	})
}
