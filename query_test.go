//go:build !noquery

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"
)

// queried returns what a query prints of a JSON text.
func queried(t testing.TB, text, expression string, raw bool) (string, *failure) {
	t.Helper()
	result, err := canonicalJSON(text, key{})
	if err != nil {
		t.Fatalf("%.200s: %v", text, err)
	}
	q, err := compileQuery(expression, raw)
	if err != nil {
		return "", err.(*failure)
	}
	write, err := q(result)
	if err != nil {
		return "", err.(*failure)
	}
	var b strings.Builder
	write(&b)
	return b.String(), nil
}

// wantQuery checks that a query prints exactly want.
func wantQuery(t *testing.T, text, expression string, raw bool, want string) {
	t.Helper()
	got, err := queried(t, text, expression, raw)
	if err != nil {
		t.Errorf("%s: %v, want %q", expression, err, want)
	} else if got != want {
		t.Errorf("%s prints %q, want %q", expression, got, want)
	}
}

// wantBadQuery checks the whole error of a query. It shows the expression, and a caret below the
// given column; with column -1 neither.
func wantBadQuery(t *testing.T, text, expression string, raw bool, want *failure, column int) {
	t.Helper()
	want.message = "bad query: " + want.message
	if column >= 0 {
		want.detail = []string{expression, strings.Repeat(" ", column) + "^"}
	}
	if got, err := queried(t, text, expression, raw); err == nil {
		t.Errorf("%s prints %q, want %+v", expression, got, *want)
	} else if !reflect.DeepEqual(err, want) {
		t.Errorf("%s:\n%+v, want\n%+v", expression, *err, *want)
	}
}

// queryCase is a case in the format of the official suite. The last three fields are ours.
type queryCase struct {
	Expression string
	Result     json.RawMessage
	Error      string
	Message    string
	Hint       string
	Caret      *int // its column; nil if the expression is not shown
}

// queryErrors has the code for each kind of error in the official suite.
var queryErrors = map[string]*code{
	"syntax":           codeQuerySyntax,
	"unknown-function": codeQueryFunction,
	"invalid-arity":    codeQueryFunction,
	"invalid-type":     codeQueryType,
	"invalid-value":    codeQueryType,
}

// readQueryCases calls check for each case in a file, with what it is asked of.
func readQueryCases(t *testing.T, file string, check func(given string, c queryCase)) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var groups []struct {
		Given json.RawMessage
		Cases []queryCase
	}
	if err := json.Unmarshal(data, &groups); err != nil {
		t.Fatal(file, err)
	}
	for _, group := range groups {
		for _, c := range group.Cases {
			check(string(group.Given), c)
		}
	}
}

// TestOfficialQueryCases runs those of github.com/jmespath/jmespath.test, from the directory that
// JMESPATH_SUITE names.
func TestOfficialQueryCases(t *testing.T) {
	dir := os.Getenv("JMESPATH_SUITE")
	if dir == "" {
		t.Skip("JMESPATH_SUITE does not name the directory of the official suite")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no cases in %s: %v", dir, err)
	}
	count := 0
	for _, file := range files {
		readQueryCases(t, file, func(given string, c queryCase) {
			count++
			got, f := queried(t, given, c.Expression, false)
			if f != nil || c.Error != "" {
				if f == nil || f.code != queryErrors[c.Error] {
					t.Errorf("%s over %s: %q, %v, want %q", c.Expression, given, got, f, c.Error)
				}
				return
			}
			var a, b any
			if err := json.Unmarshal([]byte(got), &a); err != nil {
				t.Errorf("%s prints %q: %v", c.Expression, got, err)
			}
			if len(c.Result) == 0 { // a benchmark
				return
			}
			if err := json.Unmarshal(c.Result, &b); err != nil || !reflect.DeepEqual(a, b) {
				t.Errorf("%s over %s: %s, want %s", c.Expression, given, got, c.Result)
			}
		})
	}
	t.Logf("official cases: %d", count)
}

// TestQueryCases asks for more than the official cases: the order of names, the digits of numbers,
// the words of errors, the hint, and the caret's place.
func TestQueryCases(t *testing.T) {
	readQueryCases(t, "testdata/queries.json", func(given string, c queryCase) {
		if c.Error == "" {
			want, err := canonicalJSON(string(c.Result), key{})
			if err != nil {
				t.Fatal(c.Expression, err)
			}
			var b strings.Builder
			writeJSON(&b, want)
			wantQuery(t, given, c.Expression, false, b.String())
			return
		}
		column := -1
		if c.Caret != nil {
			column = *c.Caret
		}
		want := &failure{code: queryErrors[c.Error], message: c.Message, hint: c.Hint}
		wantBadQuery(t, given, c.Expression, false, want, column)
	})
}

// TestAQueryPrintsWhatJSONPrints checks that @ gives the bytes of --json, and that a string is
// written in one way, wherever it comes from.
func TestAQueryPrintsWhatJSONPrints(t *testing.T) {
	for _, text := range []string{
		` { "b" : 1.50 , "a" : [ -0, 1E+2, 123456789012345678901234567890, "" ], "b": {} } `,
		`["\u202e \ud83d\ude00 \ud800 \/ \" \\ \n \u0000 \u007f <>& é", "` +
			"\u2028\U000e0001" + `"]`,
		`"x"`, `null`, `[]`, `[[],{"":null}]`,
		strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000),
	} {
		canonical, err := canonicalJSON(text, key{})
		if err != nil {
			t.Fatal(err)
		}
		var want strings.Builder
		writeJSON(&want, canonical)
		wantQuery(t, text, "@", false, want.String())
		wantQuery(t, text, "[@] | [0]", false, want.String())
		wantQuery(t, "[0]", "[`"+text+"`] | [0]", false, want.String())
	}
	const hidden = "\u202e\U000e0001\x7f\n\"\\x"
	const escaped = `\u202e\udb40\udc01\u007f\u000a\"\\x`
	wantQuery(t, `["`+escaped+`"]`, "[0] == '"+hidden+"'", false, "true\n")
	wantQuery(t, "[0]", "'"+hidden+"'", false, `"`+escaped+`"`+"\n")
	wantQuery(t, `["\u202e"]`, "to_string(@)", false, `"[\"\\u202e\"]"`+"\n")
	wantQuery(t, "[0]", "'\xff\xfe'", false, "\"\uFFFD\"\n")
}

// TestRawPrintsForAShell covers what --raw prints.
func TestRawPrintsForAShell(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{`"a b"`, "a b\n"},
		{`""`, "\n"},
		{`"\u001b[1m\n\t\u202e\udb40\udc01\\é"`, `\x1b[1m\n\t\u202e\U000e0001\é` + "\n"},
		{`1.50`, "1.50\n"},
		{`false`, "false\n"},
		{`["a",1,true]`, "a\n1\ntrue\n"},
		{`[["a",1],["b",null,""],[null],[]]`, "a\t1\nb\t\t\n\n\n"},
		{`["a",["b","c"]]`, "a\nb\tc\n"},
		{`[]`, ""},
	} {
		wantQuery(t, test.text, "@", true, test.want)
	}
}

// TestRawRefusesWhatIsNoText covers what would let a script go on with something that is no data.
func TestRawRefusesWhatIsNoText(t *testing.T) {
	const (
		nothing = "it found nothing, and --raw cannot print null"
		choose  = "select its fields, for example with [id, name]"
	)
	for _, test := range []struct{ text, message, hint string }{
		{`null`, nothing, ""},
		{`["a",null]`, nothing, ""},
		{`{}`, "--raw cannot print an object", choose},
		{`["a",{"a":1}]`, "--raw cannot print an object", choose},
		{`[["a",{}]]`, "--raw cannot print an object", choose},
		{`[[[]]]`, "--raw cannot print an array", choose},
	} {
		want := &failure{code: codeQueryType, message: test.message, hint: test.hint}
		wantBadQuery(t, test.text, "@", true, want, 0)
	}
}

// TestAnErrorShowsAShortExpression covers the width of a line, what would not show as it is, and
// keys that came into the expression by mistake.
func TestAnErrorShowsAShortExpression(t *testing.T) {
	for _, test := range []struct {
		expression, message string
		column              int
	}{
		{strings.Repeat("a", 74) + " b", "unexpected name", 75},
		{strings.Repeat("a", 75) + " b", "unexpected name at character 77", -1},
		{"'" + strings.Repeat("é", 72) + "' b", "unexpected name", 75},
		{"'é\u202e' b", "unexpected name at character 6", -1},
		{"a\nb", "unexpected name at character 3", -1},
		{"[?id=='mic_a_x'] b", "unexpected name at character 18", -1},
		{"a\xff", "unexpected \"\uFFFD\"", 1},
	} {
		// A byte that is not UTF-8 is shown as it was understood.
		expression := strings.ToValidUTF8(test.expression, "\uFFFD")
		want := &failure{code: codeQuerySyntax, message: test.message}
		wantBadQuery(t, "[0]", expression, false, want, test.column)
	}
}

// TestSyntaxComesFirst checks that an error of syntax is reported whatever is wrong before it.
func TestSyntaxComesFirst(t *testing.T) {
	for _, wrong := range strings.Fields("nofunc(@) abs(@,@) abs() abs(&a) map(a,b) a[::0]") {
		_, f := queried(t, "[0]", wrong, false)
		if f == nil || f.code == codeQuerySyntax {
			t.Errorf("%s: %v", wrong, f)
		}
		for _, rest := range []string{" b", " |", "[0", ".'x'", " || 'x", " == `x`"} {
			_, f := queried(t, "[0]", wrong+rest, false)
			if f == nil || f.code != codeQuerySyntax {
				t.Errorf("%s: %v", wrong+rest, f)
			}
		}
	}
	for _, expression := range []string{"nofunc(", "abs(@,", "map(a,b", "foo[8:2:0:1]", "a[::0"} {
		if _, f := queried(t, "[0]", expression, false); f == nil || f.code != codeQuerySyntax {
			t.Errorf("%s: %v", expression, f)
		}
	}
}

// TestAnExpressionIsBounded covers every way to nest and to repeat, and the limit.
func TestAnExpressionIsBounded(t *testing.T) {
	for _, pattern := range strings.Fields("(#) [#] {a:#} !# [a,#] *.# [*].# [?#] #.a #[0] #[] " +
		"#[*] #[:] #[?a] #.* #||a #&&a #|@ #==a not_null(#) map(&#,`[]`)") {
		before, after, _ := strings.Cut(pattern, "#")
		const times = 1200
		text := strings.Repeat(before, times) + "a" + strings.Repeat(after, times)
		if _, err := queried(t, `{"a":[1]}`, text, false); err != nil {
			t.Errorf("%d times %s: %v", times, pattern, err)
		}
	}
	text := strings.Repeat("!", maxQueryTokens-1) + "@"
	wantQuery(t, "1", text, false, "false\n")
	want := &failure{code: codeQuerySyntax, message: "more than 10000 tokens at character 10001"}
	wantBadQuery(t, "1", "!"+text, false, want, -1)
	deep := strings.Repeat("[", 5_000) + "%s" + strings.Repeat("]", 5_000)
	wantQuery(t, fmt.Sprintf("["+deep+","+deep+"]", "1", "1.0"), "[0] == [1]", false, "true\n")
}

// allocatedBy returns how many bytes a query allocates over a document.
func allocatedBy(t *testing.T, expression string, document jsonText) uint64 {
	t.Helper()
	q, err := compileQuery(expression, false)
	if err != nil {
		t.Fatal(expression, err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := q(document); err != nil {
		t.Fatal(expression, err)
	}
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestALookUpCopiesNothing bounds what expressions allocate over a string of 1 MiB.
func TestALookUpCopiesNothing(t *testing.T) {
	document := jsonText(`{"a":{"s":"` + strings.Repeat("12345678", 1<<17) + `"},"n":[1,2]}`)
	for expression, most := range map[string]uint64{
		"a.s":                  0,
		"a.*|[0]":              1 << 20, // a list that is written once
		"[a.s]|[0]":            1 << 20,
		"length(a.s)":          0,
		"starts_with(a.s,'1')": 0,
		"a.s==a.s && a":        0,
		"not_null(z, a).s":     0,
		"sort_by(n,&@)|[0]":    0,
		"to_number(a.s)":       0,
		"type(a)":              0,
	} {
		if took := allocatedBy(t, expression, document); took > most+64<<10 {
			t.Errorf("%s allocates %d bytes, want at most %d", expression, took, most)
		}
	}
}

// TestADenseAnswerIsCheap bounds what a value of an answer costs, so that 2,000,000 of them stay
// far below the 512 MiB that are promised for these queries.
func TestADenseAnswerIsCheap(t *testing.T) {
	const n, most = 50_000, 200 // bytes a value
	for _, value := range []string{"0", `""`, "{}", "[]", `{"id":""}`} {
		document := jsonText("[" + strings.Repeat(value+",", n) + "0]")
		for _, expression := range []string{"[].id", "[?id=='a']", "[?id!='a']", "length(@)"} {
			if took := allocatedBy(t, expression, document) / n; took > most {
				t.Errorf("%s of %s allocates %d bytes a value", expression, value, took)
			}
		}
	}
}

// TestTheHelpOfQueries checks the page's width, and compiles the expressions that it shows.
func TestTheHelpOfQueries(t *testing.T) {
	for line := range strings.SplitSeq(queryTopics[0].help, "\n") {
		if n := utf8.RuneCountInString(line); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	shown := regexp.MustCompile(`--query ("(.*?)"|'(.*?)')`)
	examples := shown.FindAllStringSubmatch(queryTopics[0].help, -1)
	if len(examples) < 5 {
		t.Errorf("only %d examples", len(examples))
	}
	for _, m := range examples {
		if _, err := compileQuery(m[2]+m[3], false); err != nil {
			t.Errorf("%s: %v", m[0], err)
		}
	}
}

// FuzzQuery asks any expression of any JSON: nothing panics, what is printed is JSON in canonical
// form, and an error is one of a query and shows no key.
func FuzzQuery(f *testing.F) {
	for _, expression := range []string{
		"a.b[0]", "a[?b>`1`].{x:c,y:'d'}", "sort_by(a,&b)[::-1]", "merge(a,b)||!c&&d|[e]",
		"to_number('1e5')", "map(&to_string(@),@)", "join(',',keys(@))", "reverse(sort(@))",
		"max_by(@,&a)==min_by(@,&a)", "sum([].n)", `*."a\u0041"`, "`{\"a\":1}`", "nofunc(&mic_a_b",
	} {
		f.Add(expression, `{"a":[{"b":1,"c":"x"},{"b":2.50,"a":null}],"n":[2e3],"z":"\ud800"}`)
		f.Add(expression, `["b","a"]`)
	}
	f.Fuzz(func(t *testing.T, expression, text string) {
		if len(expression) > 100 { // a chain of [@,@] may have any size
			return
		}
		result, err := canonicalJSON(strings.ToValidUTF8(text, "\uFFFD"), key{})
		if err != nil {
			result = null
		}
		for _, raw := range []bool{false, true} {
			printed, err := queried(t, string(result), expression, raw)
			if err == nil {
				if raw {
					continue
				}
				if again, _ := queried(t, printed, "@", false); again != printed {
					t.Fatalf("%q is not canonical: %q", printed, again)
				}
				continue
			}
			all := strings.Join(append(err.detail, err.message, err.hint), "\n")
			if !strings.HasPrefix(err.code.name, "query.") || redact(all) != all {
				t.Fatalf("%+v", *err)
			}
		}
	})
}
