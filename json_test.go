package main

import (
	"runtime"
	"strings"
	"testing"
)

// TestJSONIsWrittenInOneWay covers all that may change between an answer and what is printed: white
// space, and the spelling of strings.
func TestJSONIsWrittenInOneWay(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ in, want string }{
		{`null`, `null`},
		{` true `, `true`},
		{`false`, `false`},
		{`""`, `""`},
		{`-0`, `-0`},
		{` [ ] `, `[]`},
		{"{\n}", `{}`},
		{"\t[ 1.0 ,\r\n1E+2 ]\n", `[1.0,1E+2]`},
		{`[123456789012345678901234567890]`, `[123456789012345678901234567890]`},
		{`{ "b" : 1 , "a" : [ { } ] }`, `{"b":1,"a":[{}]}`},
		{`[true ,false,null , "a" ]`, `[true,false,null,"a"]`},
		{`["a ]} \" [{ b",{"x\\":"\\\""}]`, `["a ]} \" [{ b",{"x\\":"\\\""}]`},
		// Needless escapes.
		{`"<>&'/é日😀"`, `"<>&'/é日😀"`},
		{`"\u003c\/\u00e9\ud83d\ude00"`, `"</é😀"`},
		{`{"\u0061":1,"b":2}`, `{"a":1,"b":2}`},
		// Necessary escapes.
		{`"\"\\\b\f\n\r\t"`, `"\"\\\u0008\u000c\u000a\u000d\u0009"`},
		{`"\\u0041"`, `"\\u0041"`},
		{"\"\u007f\u0085\u00ad\u202e\u2028\ufeff\"", `"\u007f\u0085\u00ad\u202e\u2028\ufeff"`},
		{"\"\U000e0001\"", `"\udb40\udc01"`},
		{`"\udb40\udc01"`, `"\udb40\udc01"`},
		// Invalid characters.
		{`"\udc00\ud800x"`, "\"\uFFFD\uFFFDx\""},
		{`"\ud800\ud83d\ude00"`, "\"\uFFFD😀\""},
		{`"\ud800\u0041"`, "\"\uFFFDA\""},
		{`"\ud800\n"`, "\"\uFFFD\\u000a\""},
		{"\"a\xffb\"", `"a\ufffdb"`},
		{"\"\xed\xa0\x80\\n\"", `"\ufffd\ufffd\ufffd\u000a"`},
		{"\"\uFFFD\"", "\"\uFFFD\""},
		// Duplicate names are printed as they were sent.
		{`{"a":1,"\u0061":[{"z":1,"z":2}]}`, `{"a":1,"a":[{"z":1,"z":2}]}`},
	} {
		v, err := parseJSON(test.in)
		if err != nil {
			t.Errorf("%q: %v", test.in, err)
			continue
		}
		if got := jsonText(v); got != test.want {
			t.Errorf("%q is written as %q, want %q", test.in, got, test.want)
		}
		inside, _ := parseJSON(` { "" : [ ` + test.in + ` ] } `)
		if got, want := jsonText(inside), `{"":[`+test.want+`]}`; got != want {
			t.Errorf("in an array, %q is written as %q, want %q", test.in, got, want)
		}
	}
}

// TestOnlyJSONIsParsed covers trailing data, other notations, and the limit of depth.
func TestOnlyJSONIsParsed(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`[{"a":`, 5000) + "1" + strings.Repeat("}]", 5000)
	if v, err := parseJSON(deep); err != nil || jsonText(v) != deep {
		t.Errorf("10,000 levels: %v", err)
	}
	for _, text := range []string{
		``, ` `, `nul`, `[1,]`, `{a:1}`, `1 2`, `{}x`, `"\x"`, "\uFEFF{}", "[\v]", "[" + deep + "]",
	} {
		if v, err := parseJSON(text); err == nil {
			t.Errorf("%.60q is parsed as %v", text, v)
		}
	}
}

// jsonText returns a value as the program prints it, without the line's end.
func jsonText(v any) string {
	var b strings.Builder
	writeJSON(&b, v)
	return strings.TrimSuffix(b.String(), "\n")
}

// TestReachingInside covers what the accessors say of each kind of value, from an answer or made.
func TestReachingInside(t *testing.T) {
	t.Parallel()
	const text = ` { "a" : 1 , "b\n" : [ "x" , null ] , "a" : { } , "c":null } `
	answer, err := parseJSON(text)
	must(t, err)
	made := newObject("a", newObject(), "b\n", []any{"x", nil}, "c", nil)
	for _, v := range []any{answer, made} {
		const want = `[null,["x",null],null,null,null,{}]`
		if got := jsonText(fields(v, "c", "b\n", `b\n`, "", "A", "a")); got != want {
			t.Errorf("the fields of %v are %s, want %s", v, got, want)
		}
	}
	for _, test := range []struct {
		value             any
		elements, members int
	}{
		{nil, 0, 0},
		{true, 0, 0},
		{number("1"), 0, 0},
		{"text", 0, 0},
		{[]any{}, 0, 0},
		{newObject(), 0, 0},
		{span("[]"), 0, 0},
		{span("{ }"), 0, 0},
		{answer, 0, 4},
		{made, 0, 3},
		{field(answer, "b\n"), 2, 0},
		{field(made, "b\n"), 2, 0},
	} {
		inside := [3]int{}
		for range elements(test.value) {
			inside[0]++
		}
		for range members(test.value) {
			inside[1]++
		}
		inside[2] = length(test.value)
		want := [3]int{test.elements, test.members, test.elements + test.members}
		if inside != want || inside[1] == 0 && field(test.value, "a") != nil {
			t.Errorf("%v has elements, members and length %v, want %v", test.value, inside, want)
		}
	}
}

// TestLookUpsShareTheAnswer bounds what taking parts out of an answer costs: a few bytes for each,
// whatever its size.
func TestLookUpsShareTheAnswer(t *testing.T) {
	large := strings.Repeat("x", 1<<20)
	text := `{"n":` + strings.Repeat("1", 1<<20) + `,"l":["` + large + `",{"s":"` + large + `"}]}`
	v, err := parseJSON(text)
	must(t, err)
	took := allocated(func() {
		fields(v, "n", "l")
		for element := range elements(field(v, "l")) {
			field(element, "s")
		}
		length(v)
	})
	if took > 10<<10 {
		t.Errorf("looking at the parts of 3 MiB takes %d bytes", took)
	}
}

// allocated returns how many bytes f allocates, if no other test runs at the same time.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestMaskingSeesEverySpelling covers the ways in which a JSON text can hold a secret.
func TestMaskingSeesEverySpelling(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ secret, in, want string }{
		{"mic_a_b", `["mic_a_b","xmic_a_bmic_a_bx","mic_a_"]`, `["***","x******x","mic_a_"]`},
		{"mic_a_b", `{"mic_a_b":"\u006dic_a_b"}`, `{"***":"***"}`},
		{"mic_a_b", `{"x\u006dic_a_b":["mic_a\u005fb"],"z":"\n"}`, `{"x***":["***"],"z":"\n"}`},
		{"mic_a_b", ` [ "mic\u005Fa_b\u202e" , 1 ] `, ` [ "***\u202e" , 1 ] `},
		{"mic_a_b", `"mic_a_b"`, `"***"`},
		{"mic_a_b", `{"mic_a_b":1,"***":2}`, `{"***":1,"***":2}`},
		{`mic_a_"\/`, `["mic_a_\"\\\/","mic_a_\"\\/"]`, `["***","***"]`},
		{`mic_a_","b`, `["mic_a_","b"]`, `["mic_a_","b"]`},
		{"12345678", `[12345678,-12345678.5,"12345678",1234567]`, `["***","-***.5","***",1234567]`},
		{"99999999", `[99999999]`, `["***"]`},
		{"12345678", `12345678`, `"***"`},
		{"true", `[true]`, `[true]`},
		{"mic_a_b", `["\n","",1,2,[]]`, `["\n","",1,2,[]]`},
	} {
		mask := func(text string) string {
			if text == "" {
				t.Errorf("%s: asked to mask nothing, which takes time", test.in)
			}
			return strings.ReplaceAll(text, test.secret, "***")
		}
		if got := maskStrings(test.in, mask); got != test.want {
			t.Errorf("%s is masked as %s, want %s", test.in, got, test.want)
		}
	}
	// Masking does not make JSON of what is none, and does not get as far as to unquote it.
	mask := func(text string) string { return strings.ReplaceAll(text, "mic_a_b", "1") }
	for _, text := range []string{`["mic_a_b`, `["mic_a_b\u12"]`, `mic_a_b"`, ``, `12-`,
		`00mic_a_b0`, "\"mic_a_b\n\"", `["mic_a_b"`, `"\u123\\"`, `mic_a_b`} {
		if v, err := parseMasked(text, mask); err == nil {
			t.Errorf("%q is parsed as %v", text, v)
		}
	}
}
