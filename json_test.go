package main

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestJSONIsWrittenInOneWay decodes and encodes: what may change is white space, escapes, and names that stand twice.
func TestJSONIsWrittenInOneWay(t *testing.T) {
	var many, manyTwice, manyOnce []string
	for i := range 40 {
		many = append(many, fmt.Sprintf(`"n%d":%d`, i, i))
		manyTwice = append(manyTwice, fmt.Sprintf(`"n%d":0`, i))
		manyOnce = append(manyOnce, fmt.Sprintf(`"n%d":%d`, i, i))
	}
	object := func(members ...[]string) string {
		var all []string
		for _, m := range members {
			all = append(all, m...)
		}
		return "{" + strings.Join(all, ",") + "}"
	}
	deep := strings.Repeat("[", 10000) + strings.Repeat("]", 10000)
	for _, test := range []struct{ in, want string }{
		{`null`, `null`}, {` true `, `true`}, {`false`, `false`}, {`""`, `""`}, {`[]`, `[]`}, {`{}`, `{}`},
		{`0`, `0`}, {`-0`, `-0`}, {`1.0`, `1.0`}, {`1E+2`, `1E+2`}, {`123456789012345678901234567890`, `123456789012345678901234567890`},
		{"\t[ 1 ,\r\n2 ]\n", `[1,2]`}, {`{ "b" : 1 , "a" : [ { } ] }`, `{"b":1,"a":[{}]}`},
		{`"<>&'/"`, `"<>&'/"`}, {`"\u003c\/\'"`, ""}, {`"\u003c\/"`, `"</"`}, {`"é日😀"`, `"é日😀"`}, {`"\u00e9\ud83d\ude00"`, `"é😀"`},
		{`"\"\\\b\f\n\r\t"`, `"\"\\\u0008\u000c\u000a\u000d\u0009"`}, {`"\\u0041"`, `"\\u0041"`}, {`"\\"`, `"\\"`}, {`"\\\""`, `"\\\""`},
		{"\"\u007f\u0085\u00ad\u200b\u202e\u2028\u2029\ufeff\"", `"\u007f\u0085\u00ad\u200b\u202e\u2028\u2029\ufeff"`},
		{"\"\U000e0001\"", `"\udb40\udc01"`}, {`"\udb40\udc01"`, `"\udb40\udc01"`},
		{`"\ud800"`, "\"\uFFFD\""}, {`"\udc00\ud800x"`, "\"\uFFFD\uFFFDx\""}, {`"\ud800\ud83d\ude00"`, "\"\uFFFD😀\""}, {`"\ud800\u0041"`, "\"\uFFFDA\""},
		{"\"a\xffb\"", `"a\ufffdb"`}, {"\"\xed\xa0\x80\"", `"\ufffd\ufffd\ufffd"`}, {"\"\uFFFD\"", "\"\uFFFD\""},
		{`{"a":1,"b":2,"a":3}`, `{"a":3,"b":2}`}, {`{"a":{"x":1},"\u0061":{"y":[{"z":1,"z":2}]}}`, `{"a":{"y":[{"z":2}]}}`}, {`{"":1,"":2}`, `{"":2}`},
		{`{"\u0061":1,"b":2}`, `{"a":1,"b":2}`},
		{object(many), object(manyOnce)}, {object(manyTwice, many), object(manyOnce)}, {object(many, many[:1]), object(manyOnce)},
		{deep, deep}, {"[" + deep + "]", ""},
		{``, ""}, {` `, ""}, {`nul`, ""}, {`01`, ""}, {`+1`, ""}, {`1.`, ""}, {`[1,]`, ""}, {`{"a":1,}`, ""}, {`{a:1}`, ""}, {`'a'`, ""}, {`1 2`, ""}, {`{}x`, ""},
		{"\"\n\"", ""}, {`"\x"`, ""}, {`"\u12"`, ""}, {`"`, ""}, {"\uFEFF{}", ""}, {`NaN`, ""}, {`// {}`, ""},
	} {
		v, err := decodeJSON([]byte(test.in), "", "")
		if err != nil {
			if test.want != "" {
				t.Errorf("%.60q: %v", test.in, err)
			}
			continue
		}
		if got := jsonText(v); got != test.want {
			t.Errorf("%.60q is written as %.60q, want %.60q", test.in, got, test.want)
		}
		var b strings.Builder
		if err := writeJSON(&b, v); err != nil || b.String() != test.want+"\n" {
			t.Errorf("%.60q is printed as %.60q, %v", test.in, b.String(), err)
		}
		if got := jsonText(rebuilt(v)); got != test.want {
			t.Errorf("%.60q taken apart and made again is %.60q, want %.60q", test.in, got, test.want)
		}
	}
}

// jsonText returns a value as the program prints it, without the line end.
func jsonText(v any) string {
	var b strings.Builder
	writeJSON(&b, v)
	return strings.TrimSuffix(b.String(), "\n")
}

// rebuilt makes a value anew of the parts that commands and queries see.
func rebuilt(v any) any {
	if list, ok := elements(v); ok {
		made := []any{}
		for _, element := range list {
			made = append(made, rebuilt(element))
		}
		return made
	}
	if o, ok := members(v); ok {
		made := &object{}
		for i, name := range o.names {
			if value, ok := field(v, name); !ok || jsonText(value) != jsonText(o.values[i]) {
				panic("field and members disagree on " + name)
			}
			made.names, made.values = append(made.names, name), append(made.values, rebuilt(o.values[i]))
		}
		return made
	}
	return v
}

// TestTheSecretIsReplacedBeforeAnythingSeesIt covers the ways in which a JSON text can hold it.
func TestTheSecretIsReplacedBeforeAnythingSeesIt(t *testing.T) {
	for _, test := range []struct{ secret, in, want string }{
		{"mic_a_b", `["mic_a_b","xmic_a_bmic_a_bx","mic_a_"]`, `["***","x******x","mic_a_"]`},
		{"mic_a_b", `{"mic_a_b":"\u006dic_a_b"}`, `{"***":"***"}`},
		{"mic_a_b", `{"x\u006dic_a_b":["mic_a\u005fb"],"z":"\n"}`, `{"x***":["***"],"z":"\u000a"}`},
		{"mic_a_b", `{"mic_a_b":1,"***":2}`, `{"***":2}`},
		{`mic_a_"\/`, `["mic_a_\"\\\/","mic_a_\"\\/"]`, `["***","***"]`},
		{`mic_a_","b`, `["mic_a_","b"]`, `["mic_a_","b"]`},
		{"mic_a_1", `[1]`, `[1]`},
	} {
		v, err := decodeJSON([]byte(test.in), test.secret, "***")
		if err != nil {
			t.Fatal(err)
		}
		if got := jsonText(v); got != test.want {
			t.Errorf("%s is written as %s, want %s", test.in, got, test.want)
		}
		if got := jsonText(rebuilt(v)); got != test.want {
			t.Errorf("%s taken apart is %s, want %s", test.in, got, test.want)
		}
	}
}

// TestCleanLeavesNothingThatActsOnATerminal goes through every rune there is.
func TestCleanLeavesNothingThatActsOnATerminal(t *testing.T) {
	escaped := 0
	for r := range rune(utf8.MaxRune + 1) {
		got, want := clean("a"+string(r)), "a"+string(r)
		if utf8.ValidRune(r) && dangerous(string(r), 0, r) {
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
	if escaped < 230 {
		t.Errorf("only %d runes are escaped", escaped)
	}
	if got, want := clean("\xc3\x28\xff é\x00"), `\xc3(\xff é\x00`; got != want {
		t.Errorf("invalid bytes are shown as %q, want %q", got, want)
	}
}
