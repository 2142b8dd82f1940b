package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestCanonicalJSON covers the one form of a document, without the key mic_a_"secret\9.
func TestCanonicalJSON(t *testing.T) {
	t.Parallel()
	secret := `mic_a_"secret\9`
	for text, want := range map[string]string{
		" { \"b\" :\t1.50e+3 ,\r\n\"a\": [ ] , \"b\":-0 } ": `{"b":1.50e+3,"a":[],"b":-0}`,
		`"\u0041\/\u00e9\ud83d\ude00é😀<>&\u2028"`:           "\"A/é😀é😀<>&\u2028\"",
		`"\"\\\b\u000c\n\r\t\u0000\u001F\u007f"`: `"\"\\\b\f\n\r\t\u0000\u001f` +
			"\x7f\"",
		`"\ud800x\udc00"`: "\"\uFFFDx\uFFFD\"",
		`["mic_a_\"secret\\9","\u0022secret\\9!",{"mic\u005fa_\"secret\\9":1}]`: `["mic_a_…",` +
			`"mic_a_…!",{"mic_a_…":1}]`,
		`[12345678901234567890,1E400,null,true]`: `[12345678901234567890,1E400,null,true]`,
	} {
		got, err := canonicalJSON(text, key{&secret})
		if err != nil || string(got) != want {
			t.Errorf("%s\n got %s, %v\nwant %s", text, got, err, want)
		}
	}
}

// TestCanonicalJSONRefuses covers what is not JSON, and the limits on values and levels.
func TestCanonicalJSONRefuses(t *testing.T) {
	t.Parallel()
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	many := func(n int) string { return "[0" + strings.Repeat(",0", n-1) + "]" }
	const tooMany = "it has more than 2000000 values"
	for _, test := range []struct{ text, want string }{
		{"", "it is not JSON"}, {"{} {}", "it is not JSON"}, {"[1,]", "it is not JSON"},
		{"\"\n\"", "it is not JSON"}, {deep(10_001), "it is not JSON"}, {deep(10_000), ""},
		{many(2_000_001), tooMany}, {many(2_000_000), ""},
		{`["` + strings.Repeat(`[{,\"`, 500_001) + `"]`, ""},
	} {
		_, err := canonicalJSON(test.text, key{})
		if got := errorText(err); got != test.want {
			t.Errorf("%.20q: got %q, want %q", test.text, got, test.want)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestPartsAndMembers walks canonical documents without unmarshalling them.
func TestPartsAndMembers(t *testing.T) {
	t.Parallel()
	const document = `{"a":[{"x":"],}"},"\\",[1,{}],-1],"b":"{","a":{"c":null},"d\"":0}`
	var parts []string
	for name, value := range jsonText(document).parts() {
		parts = append(parts, string(name)+" "+string(value))
	}
	want := `"a" [{"x":"],}"},"\\",[1,{}],-1]|"b" "{"|"a" {"c":null}|"d\"" 0`
	if got := strings.Join(parts, "|"); got != want {
		t.Errorf("the parts are\n%s, want\n%s", got, want)
	}
	for _, test := range []struct{ text, name, want string }{
		{document, "a", `{"c":null}`}, {document, "b", `"{"`}, {document, "A", ""},
		{"{}", "a", ""}, {"[]", "a", ""}, {`"a"`, "a", ""}, {"", "a", ""},
	} {
		if got := jsonText(test.text).member(test.name); string(got) != test.want {
			t.Errorf("member %s of %s is %s, want %s", test.name, test.text, got, test.want)
		}
	}
}

// FuzzCanonicalJSON holds that the canonical form means the same, is its own canonical form, and
// when written is ASCII where it could act on a terminal.
func FuzzCanonicalJSON(f *testing.F) {
	for _, seed := range []string{`{"a":[1,"\u001b\ud800",null]}`, "[]", `"\\\"\u202e"`, " 1e5 "} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.ToValidUTF8(text, "\uFFFD")
		got, err := canonicalJSON(text, key{})
		if (err == nil) != json.Valid([]byte(text)) {
			t.Fatalf("%q: %v", text, err)
		}
		if err != nil {
			return
		}
		again, _ := canonicalJSON(string(got), key{})
		var b strings.Builder
		writeJSON(&b, got)
		var before, after any
		json.Unmarshal([]byte(text), &before)
		json.Unmarshal([]byte(b.String()), &after)
		x, _ := json.Marshal(before)
		y, _ := json.Marshal(after)
		line := strings.TrimSuffix(b.String(), "\n")
		if again != got || string(x) != string(y) || clean(line) != line {
			t.Errorf("%q becomes %q, written %q", text, got, line)
		}
	})
}
