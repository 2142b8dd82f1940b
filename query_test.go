//go:build !noquery

package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// queried returns what a query prints of a JSON text, or its error, which has a code.
func queried(t testing.TB, text, expression string, raw bool) (string, failure) {
	t.Helper()
	document, err := canonicalJSON(text, key{})
	must(t, err)
	var b strings.Builder
	q, err := compileQuery(expression, raw)
	if err == nil {
		var write func(io.Writer)
		if write, err = q(document); err == nil {
			write(&b)
			return b.String(), failure{}
		}
	}
	return "", *asFailure(err)
}

// wantQuery checks exactly what a query prints, or its whole error.
func wantQuery(t *testing.T, text, expression string, raw bool, want string, bad failure) {
	t.Helper()
	got, f := queried(t, text, expression, raw)
	if got != want || !reflect.DeepEqual(f, bad) {
		t.Errorf("%.200s\n got %q, %+v\nwant %q, %+v", expression, got, f, want, bad)
	}
}

// queryError returns the error of a query. It shows the expression, and a caret below the given
// column; with column -1 neither.
func queryError(c *code, message, hint, expression string, column int) failure {
	f := failure{code: c, message: "bad query: " + message, hint: hint}
	if column >= 0 {
		f.detail = []string{expression, strings.Repeat(" ", column) + "^"}
	}
	return f
}

// written returns a JSON text as the program prints it.
func written(t *testing.T, text string) string {
	t.Helper()
	document, err := canonicalJSON(text, key{})
	must(t, err)
	var b strings.Builder
	writeJSON(&b, document)
	return b.String()
}

// errorKinds has the code for each kind of error in the official suite.
var errorKinds = map[string]*code{
	"syntax":           codeQuerySyntax,
	"unknown-function": codeQueryFunction,
	"invalid-arity":    codeQueryFunction,
	"invalid-type":     codeQueryType,
	"invalid-value":    codeQueryType,
}

// TestQueryCases runs the cases of testdata and those of github.com/jmespath/jmespath.test, which
// are in the directory that JMESPATH_SUITE names. Ours ask for more: the order of names, the digits
// of numbers, the words of errors, the hint, and the caret's place.
func TestQueryCases(t *testing.T) {
	const ours = "testdata/queries.json"
	none := -1 // the column of no caret
	files := []string{ours}
	if suite := os.Getenv("JMESPATH_SUITE"); suite != "" {
		official, err := filepath.Glob(filepath.Join(suite, "*.json"))
		if len(official) == 0 {
			t.Fatalf("there are no cases in %s: %v", suite, err)
		}
		files = append(files, official...)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		var groups []struct {
			Given json.RawMessage
			Cases []struct {
				Expression           string
				Result               json.RawMessage // none in a benchmark
				Error, Message, Hint string
				Caret                *int // its column; nil if the expression is not shown
			}
		}
		must(t, err, json.Unmarshal(data, &groups))
		for _, group := range groups {
			for _, c := range group.Cases {
				given, want, bad := string(group.Given), "", failure{}
				if file != ours {
					got, f := queried(t, given, c.Expression, false)
					var a, b any
					json.Unmarshal([]byte(got), &a)
					json.Unmarshal(c.Result, &b)
					same := c.Result == nil || reflect.DeepEqual(a, b)
					if f.code != errorKinds[c.Error] || !same {
						t.Errorf("%s over %s: %s, %+v, want %s%s", c.Expression, given, got, f,
							c.Result, c.Error)
					}
					continue
				}
				if c.Error == "" {
					want = written(t, string(c.Result))
				} else {
					bad = queryError(errorKinds[c.Error], c.Message, c.Hint, c.Expression,
						*cmp.Or(c.Caret, &none))
				}
				wantQuery(t, given, c.Expression, false, want, bad)
			}
		}
	}
	if len(files) == 1 {
		t.Run("official suite", func(t *testing.T) { t.Skip("JMESPATH_SUITE is not set") })
	}
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
		wantQuery(t, text, "@", false, written(t, text), failure{})
		wantQuery(t, text, "[@] | [0]", false, written(t, text), failure{})
		wantQuery(t, "[0]", "[`"+text+"`] | [0]", false, written(t, text), failure{})
	}
	const hidden = "\u202e\U000e0001\x7f\n\"\\x"
	const escaped = `\u202e\udb40\udc01\u007f\n\"\\x`
	for _, test := range []struct{ text, expression, want string }{
		{`["` + escaped + `"]`, "[0] == '" + hidden + "'", "true\n"},
		{"[0]", "'" + hidden + "'", `"` + escaped + `"` + "\n"},
		{`["\u202e"]`, "to_string(@)", `"[\"\\u202e\"]"` + "\n"},
		{"[0]", "'\xff\xfe'", "\"\uFFFD\"\n"},
	} {
		wantQuery(t, test.text, test.expression, false, test.want, failure{})
	}
}

// TestRawPrintsForAShell covers what --raw prints, and refuses: what would let a script go on with
// something that is no data.
func TestRawPrintsForAShell(t *testing.T) {
	const (
		nothing = "it found nothing, and --raw cannot print null"
		object  = "--raw cannot print an object"
		choose  = "select its fields, for example with [id, name]"
	)
	for _, test := range []struct{ text, want, message, hint string }{
		{`"a b"`, "a b\n", "", ""},
		{`""`, "\n", "", ""},
		{`"\u001b[1m\n\t\u202e\udb40\udc01\\é"`, `\x1b[1m\n\t\u202e\U000e0001\é` + "\n", "", ""},
		{`1.50`, "1.50\n", "", ""},
		{`false`, "false\n", "", ""},
		{`["a",1,true]`, "a\n1\ntrue\n", "", ""},
		{`[["a",1],["b",null,""],[null],[]]`, "a\t1\nb\t\t\n\n\n", "", ""},
		{`["a",["b","c"]]`, "a\nb\tc\n", "", ""},
		{`[]`, "", "", ""},
		{`null`, "", nothing, ""},
		{`["a",null]`, "", nothing, ""},
		{`{}`, "", object, choose},
		{`["a",{"a":1}]`, "", object, choose},
		{`[["a",{}]]`, "", object, choose},
		{`[[[]]]`, "", "--raw cannot print an array", choose},
	} {
		bad := failure{}
		if test.message != "" {
			bad = queryError(codeQueryType, test.message, test.hint, "@", 0)
		}
		wantQuery(t, test.text, "@", true, test.want, bad)
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
		bad := queryError(codeQuerySyntax, test.message, "", expression, test.column)
		wantQuery(t, "[0]", expression, false, "", bad)
	}
}

// TestSyntaxComesFirst checks that an error of syntax is reported whatever is wrong before it.
func TestSyntaxComesFirst(t *testing.T) {
	for _, wrong := range strings.Fields("nofunc(@) abs(@,@) abs() abs(&a) map(a,b) a[::0]") {
		if _, f := queried(t, "[0]", wrong, false); f.code == nil || f.code == codeQuerySyntax {
			t.Errorf("%s: %+v", wrong, f)
		}
		texts := []string{wrong[:len(wrong)-1]}
		for _, rest := range []string{" b", " |", "[0", ".'x'", " || 'x", " == `x`"} {
			texts = append(texts, wrong+rest)
		}
		for _, text := range texts {
			if _, f := queried(t, "[0]", text, false); f.code != codeQuerySyntax {
				t.Errorf("%s: %+v", text, f)
			}
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
		if _, f := queried(t, `{"a":[1]}`, text, false); f.code != nil {
			t.Errorf("%d times %s: %+v", times, pattern, f)
		}
	}
	text := strings.Repeat("!", maxQueryTokens-1) + "@"
	wantQuery(t, "1", text, false, "false\n", failure{})
	wantQuery(t, "1", "!"+text, false, "", queryError(codeQuerySyntax,
		"more than 10000 tokens at character 10001", "", "", -1))
	deep := strings.Repeat("[", 5_000) + "%s" + strings.Repeat("]", 5_000)
	pair := fmt.Sprintf("["+deep+","+deep+"]", "1", "1.0")
	wantQuery(t, pair, "[0] == [1]", false, "true\n", failure{})
}

// TestAQueryAllocatesLittle covers look-ups in a string of 1 MiB, which copy nothing, and a dense
// answer: 2,000,000 values have to stay far below the 512 MiB that are promised for its queries.
func TestAQueryAllocatesLittle(t *testing.T) {
	type row struct {
		most                  uint64 // bytes
		document, expressions string
	}
	object := `{"a":{"s":"` + strings.Repeat("12345678", 1<<17) + `"},"n":[1,2]}`
	rows := []row{
		{64 << 10, object, "a.s length(a.s) starts_with(a.s,'1') a.s==a.s&&a not_null(z,a).s " +
			"sort_by(n,&@)|[0] to_number(a.s) type(a)"},
		{1<<20 + 64<<10, object, "a.*|[0] [a.s]|[0]"}, // a list that is written once
	}
	for _, value := range []string{"0", `""`, "{}", "[]", `{"id":""}`} {
		const n, each = 50_000, 200
		rows = append(rows, row{n * each, "[" + strings.Repeat(value+",", n) + "0]",
			"[].id [?id=='a'] [?id!='a'] length(@)"})
	}
	for _, row := range rows {
		for _, expression := range strings.Fields(row.expressions) {
			q, err := compileQuery(expression, false)
			must(t, err)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err = q(jsonText(row.document))
			runtime.ReadMemStats(&after)
			if took := after.TotalAlloc - before.TotalAlloc; err != nil || took > row.most {
				t.Errorf("%s of %.20s… allocates %d bytes, want at most %d; %v", expression,
					row.document, took, row.most, err)
			}
		}
	}
}

// TestTheHelpOfQueriesCompiles checks the expressions that it shows.
func TestTheHelpOfQueriesCompiles(t *testing.T) {
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
			printed, f := queried(t, string(result), expression, raw)
			switch all := strings.Join(append(f.detail, f.message, f.hint), "\n"); {
			case f.code != nil:
				if !strings.HasPrefix(f.code.name, "query.") || redact(all) != all {
					t.Fatalf("%+v", f)
				}
			case !raw:
				if again, _ := queried(t, printed, "@", false); again != printed {
					t.Fatalf("%q is not canonical: %q", printed, again)
				}
			}
		}
	})
}
