package main

import (
	"bytes"
	"runtime"
	"strings"
	"testing"
)

// jsonSpellings has JSON texts, and how the program writes them.
var jsonSpellings = []struct{ in, want string }{
	{`null`, `null`},
	{` true `, `true`},
	{`false`, `false`},
	{`""`, `""`},
	{` [ ] `, `[]`},
	{"{\n}", `{}`},
	{`0`, `0`},
	{`-0`, `-0`},
	{`1.0`, `1.0`},
	{`1E+2`, `1E+2`},
	{`123456789012345678901234567890`, `123456789012345678901234567890`},
	{"\t[ 1 ,\r\n2 ]\n", `[1,2]`},
	{`{ "b" : 1 , "a" : [ { } ] }`, `{"b":1,"a":[{}]}`},
	{`[true ,false,null , "a" ]`, `[true,false,null,"a"]`},
	{`["a ]} \" [{ b",{"x\\":"\\\""}]`, `["a ]} \" [{ b",{"x\\":"\\\""}]`},
	// Escapes that need not be.
	{`"<>&'/"`, `"<>&'/"`},
	{`"\u003c\/"`, `"</"`},
	{`"é日😀"`, `"é日😀"`},
	{`"\u00e9\ud83d\ude00"`, `"é😀"`},
	{`{"\u0061":1,"b":2}`, `{"a":1,"b":2}`},
	// Escapes that must be.
	{`"\"\\\b\f\n\r\t"`, `"\"\\\u0008\u000c\u000a\u000d\u0009"`},
	{`"\\u0041"`, `"\\u0041"`},
	{`"\\"`, `"\\"`},
	{`"\\\""`, `"\\\""`},
	{"\"\u007f\u0085\u00ad\u200b\u202e\"", `"\u007f\u0085\u00ad\u200b\u202e"`},
	{"\"\u2028\u2029\ufeff\"", `"\u2028\u2029\ufeff"`},
	{"\"\U000e0001\"", `"\udb40\udc01"`},
	{`"\udb40\udc01"`, `"\udb40\udc01"`},
	// What is no character.
	{`"\ud800"`, "\"\uFFFD\""},
	{`"\udc00\ud800x"`, "\"\uFFFD\uFFFDx\""},
	{`"\ud800\ud83d\ude00"`, "\"\uFFFD😀\""},
	{`"\ud800\u0041"`, "\"\uFFFDA\""},
	{`"\ud800\n"`, "\"\uFFFD\\u000a\""},
	{"\"a\xffb\"", `"a\ufffdb"`},
	{"\"\xed\xa0\x80\\n\"", `"\ufffd\ufffd\ufffd\u000a"`},
	{"\"\uFFFD\"", "\"\uFFFD\""},
	// Duplicate names are printed as they were sent.
	{`{"a":1,"b":2,"a":3}`, `{"a":1,"b":2,"a":3}`},
	{`{"a":1,"\u0061":[{"z":1,"z":2}]}`, `{"a":1,"a":[{"z":1,"z":2}]}`},
}

// TestJSONIsWrittenInOneWay covers all that may change between an answer and what is printed: white
// space, and the spelling of strings.
func TestJSONIsWrittenInOneWay(t *testing.T) {
	t.Parallel()
	for _, test := range jsonSpellings {
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
		if got := jsonText(rebuilt(v)); got != test.want {
			t.Errorf("%q taken apart and made anew is %q, want %q", test.in, got, test.want)
		}
		var w bytes.Buffer
		if err := writeJSON(&w, v); err != nil || w.String() != test.want+"\n" {
			t.Errorf("%q is printed as %q, %v", test.in, w.String(), err)
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
		``, ` `, `nul`, `01`, `+1`, `1.`, `[1,]`, `{"a":1,}`, `{a:1}`, `'a'`, `1 2`, `{}x`,
		"\"\n\"", `"\x"`, `"\u12"`, `"`, "\uFEFF{}", `NaN`, `// {}`, "[\v]", "[" + deep + "]",
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

// rebuilt makes a value anew of the parts that commands and queries see.
func rebuilt(v any) any {
	switch typeOf(v) {
	case "array":
		list := []any{}
		for element := range elements(v) {
			list = append(list, rebuilt(element))
		}
		if length(v) != len(list) {
			panic("length and elements disagree")
		}
		return list
	case "object":
		o := &object{}
		for name, value := range members(v) {
			o.names, o.values = append(o.names, name), append(o.values, rebuilt(value))
		}
		if length(v) != len(o.names) {
			panic("length and members disagree")
		}
		return o
	}
	return v
}

// TestReachingInside covers what the accessors say of each kind of value, from an answer or made.
func TestReachingInside(t *testing.T) {
	t.Parallel()
	const text = ` { "a" : 1 , "b\n" : [ "x" , null ] , "a" : { } , "c":null } `
	answer, err := parseJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	made := newObject("a", newObject(), "b\n", []any{"x", nil}, "c", nil)
	for name, v := range map[string]any{"answer": answer, "made": made} {
		for _, test := range []struct{ member, kind, want string }{
			{"a", "object", `{}`},
			{"b\n", "array", `["x",null]`},
			{`b\n`, "null", `null`},
			{"c", "null", `null`},
			{"", "null", `null`},
			{"A", "null", `null`},
		} {
			value := field(v, test.member)
			if got := jsonText(value); got != test.want || typeOf(value) != test.kind {
				t.Errorf("%s: %q is the %s %s", name, test.member, typeOf(value), got)
			}
		}
		both := fields(v, "c", "b\n", "none", "a")
		if got := jsonText(both); got != `[null,["x",null],null,{}]` {
			t.Errorf("%s: fields gives %s", name, got)
		}
	}
	if length(answer) != 4 || length(made) != 3 || length(field(answer, "b\n")) != 2 {
		t.Errorf("lengths are %d and %d", length(answer), length(made))
	}
	for _, v := range []any{
		nil, true, number("1"), "text", []any{}, newObject(), span("[]"), span("{ }"),
	} {
		for range elements(v) {
			t.Errorf("%v has elements", v)
		}
		for range members(v) {
			t.Errorf("%v has members", v)
		}
		if length(v) != 0 || field(v, "a") != nil {
			t.Errorf("%v is not empty", v)
		}
	}
	for range elements(answer) {
		t.Error("an object has elements")
	}
	for range members(field(answer, "b\n")) {
		t.Error("an array has members")
	}
}

// TestLookUpsShareTheAnswer holds what taking parts out of an answer costs: a few bytes for each,
// whatever its size.
func TestLookUpsShareTheAnswer(t *testing.T) {
	large := strings.Repeat("x", 1<<20)
	text := `{"n":` + strings.Repeat("1", 1<<20) + `,"l":["` + large + `",{"s":"` + large + `"}]}`
	v, err := parseJSON(text)
	if err != nil {
		t.Fatal(err)
	}
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

// allocated returns how many bytes f allocates, for a test that does not run beside others.
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
		{"true", `[true]`, `[true]`},
		// What is not JSON is for the parser to refuse.
		{"mic_a_b", `["mic_a_b`, `["mic_a_b`},
		{"mic_a_b", `["mic_a_b\u12"]`, `["mic_a_b\u12"]`},
		{"mic_a_b", `mic_a_b"`, `mic_a_b"`},
		{"mic_a_b", ``, ``},
		{"mic_a_b", `12-`, `12-`},
		{"mic_a_b", `00mic_a_b0`, `00mic_a_b0`},
		{"mic_a_b", "\"mic_a_b\n\"", "\"mic_a_b\n\""},
		{"mic_a_b", `["mic_a_b"`, `["mic_a_b"`},
	} {
		mask := func(text string) string { return strings.ReplaceAll(text, test.secret, "***") }
		if got := maskStrings(test.in, mask); got != test.want {
			t.Errorf("%s is masked as %s, want %s", test.in, got, test.want)
		}
	}
}
