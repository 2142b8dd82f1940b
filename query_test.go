package main

import (
	"encoding/json"
	goversion "go/version"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

// queried returns what --query prints for an expression over a JSON text.
func queried(text, expression string) (string, *failure) {
	q, err := compileQuery(expression)
	if err != nil {
		return "", err.(*failure)
	}
	v, err := parseJSON(text)
	if err != nil {
		panic(err)
	}
	if v, err = q.apply(v); err != nil {
		return "", err.(*failure)
	}
	return jsonText(v), nil
}

// queryCase is a case in the format of the official suite. The last three fields are our own.
type queryCase struct {
	Expression string
	Result     json.RawMessage
	Error      string
	Message    string
	Hint       string
	Caret      *int // its column; nil if the expression is not shown
}

// errorKinds has the code for each kind of error in the official suite.
var errorKinds = map[string]string{
	"":                 "",
	"syntax":           "query.syntax",
	"unknown-function": "query.function",
	"invalid-arity":    "query.function",
	"invalid-type":     "query.type",
	"invalid-value":    "query.type",
}

const ownCases = "testdata/queries.json"

// TestQueryCases runs our own cases, to the letter.
func TestQueryCases(t *testing.T) {
	t.Parallel()
	runQueryCases(t, ownCases)
}

// TestOfficialQueryCases runs those of github.com/jmespath/jmespath.test, from the directory that
// JMESPATH_SUITE names.
func TestOfficialQueryCases(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("JMESPATH_SUITE")
	if dir == "" {
		t.Skip("JMESPATH_SUITE does not name the directory of the official suite")
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*.json"))
	count := 0
	for _, file := range files {
		count += runQueryCases(t, file)
	}
	if count == 0 {
		t.Errorf("there are no cases in %s", dir)
	}
	t.Logf("official cases: %d", count)
}

// runQueryCases runs the cases in a file, and returns how many there are.
func runQueryCases(t *testing.T, file string) (count int) {
	t.Helper()
	data, err := os.ReadFile(file)
	must(t, err)
	var groups []struct {
		Given json.RawMessage
		Cases []queryCase
	}
	must(t, json.Unmarshal(data, &groups))
	for _, group := range groups {
		for _, c := range group.Cases {
			count++
			got, err := queried(string(group.Given), c.Expression)
			code := ""
			if err != nil {
				code = err.code.name
			}
			if want := errorKinds[c.Error]; code != want {
				t.Errorf("%s: %s over %s: error %q, want %q",
					file, c.Expression, group.Given, code, want)
			} else if file == ownCases {
				wantExactly(t, c, got, err)
			} else if err == nil && len(c.Result) > 0 { // else it is a benchmark
				wantEqual(t, c, got)
			}
		}
	}
	return count
}

// wantEqual compares values as the official suite does.
func wantEqual(t *testing.T, c queryCase, got string) {
	t.Helper()
	var a, b any
	must(t, json.Unmarshal([]byte(got), &a), json.Unmarshal(c.Result, &b))
	if !reflect.DeepEqual(a, b) {
		t.Errorf("%s gives %s, want %s", c.Expression, got, c.Result)
	}
}

// wantExactly asks for more than the official cases: the order of names, the digits of numbers, the
// words of errors, and the caret's place.
func wantExactly(t *testing.T, c queryCase, got string, err *failure) {
	t.Helper()
	if err == nil {
		if want, _ := parseJSON(string(c.Result)); got != jsonText(want) {
			t.Errorf("%s gives %s, want %s", c.Expression, got, jsonText(want))
		}
		return
	}
	caret := -1
	if c.Caret != nil {
		caret = *c.Caret
	}
	var printed strings.Builder
	printError(&printed, false, err)
	want := wrongQuery("", c.Message, c.Hint, c.Expression, caret).fails("", false)
	if printed.String() != want.stderr {
		t.Errorf("%s gives\n%s, want\n%s", c.Expression, &printed, want.stderr)
	}
}

// wrongQuery is the error for a query; caret is the column below which it is, -1 if the query is
// not shown.
func wrongQuery(code, message, hint, expression string, caret int) wrong {
	message = "bad query: " + message
	if caret >= 0 {
		message += "\n  " + clean(expression) + "\n  " + strings.Repeat(" ", caret) + "^"
	}
	return wrong{code, message, hint, 0}
}

// TestAQueryIsShownUnlessItIsLongOrHoldsAKey covers the width of a line, which counts what is
// shown, and keys that came into the expression by mistake.
func TestAQueryIsShownUnlessItIsLongOrHoldsAKey(t *testing.T) {
	t.Parallel()
	s := newShell(t, nil)
	for _, test := range []struct {
		expression, message string
		caret               int
	}{
		{strings.Repeat("a", 74) + " b", "unexpected name", 75},
		{strings.Repeat("a", 75) + " b", "unexpected name at character 77", -1},
		{"'" + strings.Repeat("é", 72) + "' b", "unexpected name", 75},
		{"'" + strings.Repeat("\u202e", 12) + "' b", "unexpected name", 75},
		{"'" + strings.Repeat("\u202e", 13) + "' b", "unexpected name at character 17", -1},
		{"[?id=='" + testKey + "'] x", "unexpected name at character 43", -1},
		{"`" + testKey + "`", "a literal must be JSON at character 1", -1},
		{"whoami.MIC_a_x'CANARY[", "unterminated string at character 15", -1},
	} {
		hint := ""
		if test.expression[0] == '`' {
			hint = "put text between single quotes, as in 'shop'"
		}
		w := wrongQuery("query.syntax", test.message, hint, test.expression, test.caret)
		s.wantError(w, "version", "--query", test.expression)
	}
}

// TestQueryIsCompiledBeforeAnythingIsDone checks that a bad query makes no request, and neither
// reads nor saves a key.
func TestQueryIsCompiledBeforeAnythingIsDone(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	s := newShell(t, api).with("HOME", "", "USERPROFILE", "")
	const functions = "the functions are listed at https://jmespath.org/specification.html"
	for _, test := range []struct {
		line, expression, code, message, hint string
		caret                                 int
	}{
		{"whoami", "a..b", "query.syntax", `unexpected ".", want a name`, "", 2},
		{"version", "", "query.syntax", "unexpected end of the query", "", 0},
		{"project list", "frobnicate(@)", "query.function", "unknown function", functions, 0},
		{"env list", "abs(a,b)", "query.function",
			"wrong number of arguments: 2, want abs(number)", "", 0},
		{"login --token " + testKey, "[::0]", "query.type",
			"the step of a slice cannot be 0", "", 3},
		{"logout", "map(a,b)", "query.type",
			"map() got a value, want &expression", "", 4},
	} {
		w := wrongQuery(test.code, test.message, test.hint, test.expression, test.caret)
		s.wantError(w, append(strings.Fields(test.line), "--query", test.expression)...)
		s.wantStored("")
	}
	if seen := api.seen(); seen != "" {
		t.Errorf("requests were made: %s", seen)
	}
}

// TestQueryWorksOnEveryCommandsJSON also checks that @ is what --json prints.
func TestQueryWorksOnEveryCommandsJSON(t *testing.T) {
	t.Parallel()
	s := newShell(t, newFakeAPI(t)).with("MICROTICA_PROJECT_ID", "5f1c")
	s.stdin = testKey
	for _, test := range []struct{ line, expression, want string }{
		{"login", "[apiKeyPrefix, verified]", `["mic_d60bea1d",true]`},
		{"whoami", "{n: projectsVisible, ok: keyAccepted}", `{"n":2,"ok":true}`},
		{"project list", "[].id", `["5f1c","77aa"]`},
		{"project list", "nothing", `null`},
		{"env list", "[?status!='deployed'].name | [0]", `"staging"`},
		{"version", "version", `"dev"`},
	} {
		words := strings.Fields(test.line)
		s.want(result{test.want + "\n", "", 0}, append(words, "--query", test.expression)...)
		whole := s.run(append(words, "--json")...)
		s.want(whole, append(words, "--query", "@")...)
		s.want(whole, append([]string{"--query=@", "--json"}, words...)...)
	}
}

// TestAQueryThatFailsLeavesStdoutEmpty also checks that what login and logout did stays done.
func TestAQueryThatFailsLeavesStdoutEmpty(t *testing.T) {
	t.Parallel()
	s := newShell(t, newFakeAPI(t))
	s.stdin = testKey
	w := wrongQuery("query.type", "abs() got object, want number", "", "abs(@)", 4)
	s.wantError(w, "login", "--query", "abs(@)")
	s.wantStored(testKey + "\n")
	s.wantError(w, "whoami", "--quiet", "--query", "abs(@)")
	s.wantError(w, "logout", "--quiet", "--query", "abs(@)")
	s.wantStored("")
}

// TestAnExpressionIsBounded covers every way to nest and to repeat, and the limit.
func TestAnExpressionIsBounded(t *testing.T) {
	t.Parallel()
	for _, pattern := range strings.Fields("(#) [#] {a:#} !# [a,#] *.# [*].# [?#] #.a #[0] #[] " +
		"#[*] #[:] #[?a] #.* #||a #&&a #|@ #==a not_null(#) map(&#,`[]`)") {
		text := "a"
		for range 1100 {
			text = strings.Replace(pattern, "#", text, 1)
		}
		if _, err := queried(`{"a":[1]}`, text); err != nil {
			t.Errorf("1100 times %s: %v", pattern, err)
		}
	}
	text := strings.Repeat("!", maxQueryTokens-1) + "@"
	if got, err := queried("1", text); err != nil || got != "false" {
		t.Errorf("%d tokens: %s, %v", maxQueryTokens, got, err)
	}
	_, err := queried("1", "!"+text)
	if want := "bad query: more than 10000 tokens at character 10001"; err == nil ||
		err.code != codeQuerySyntax || err.message != want {
		t.Errorf("%d tokens: %v, want %s", maxQueryTokens+1, err, want)
	}
}

// TestAResultIsBounded covers results that are too large, and the texts that are made on the way.
func TestAResultIsBounded(t *testing.T) {
	t.Parallel()
	double := func(step, end string) string { return strings.Repeat(step+" | ", 40) + end }
	text := `"` + strings.Repeat("x", 1<<16) + `"`
	// The bound is on bytes as they are printed: a character of 4 bytes may become 12.
	large := `["` + strings.Repeat("x", 52<<20) + strings.Repeat("\U000e0001", 1<<20) + `"]`
	for _, test := range []struct{ given, expression string }{
		{text, double("[@,@]", "@")},
		{text, double("{a:@,b:@}", "@")},
		{text, double("[@,@]", "to_string(@)")},
		{text, double("join('',[@,@])", "@")},
		{large, "@"},
	} {
		_, err := queried(test.given, test.expression)
		if err == nil || err.code != codeQueryType ||
			!strings.HasPrefix(err.message, "bad query: the result is larger than 64 MiB") {
			t.Errorf("%s: %v", test.expression, err)
		}
	}
	if got, err := queried(text, double("[@,@]", "length(@)")); err != nil || got != "2" {
		t.Errorf("a large value on the way: %v", err)
	}
	large = `["` + strings.Repeat("x", maxQueryResult-3) + `"]`
	if _, err := queried(large, "@"); err == nil {
		t.Error("a result of 64 MiB and a byte is printed")
	}
	large = `["` + strings.Repeat("x", maxQueryResult-4) + `"]`
	if got, err := queried(large, "@"); err != nil || got != large {
		t.Errorf("a result of exactly 64 MiB: %v", err)
	}
}

// TestAQueryMakesNoCopies bounds what expressions allocate over a text of 1 MiB, which a copy for
// each look-up would multiply.
func TestAQueryMakesNoCopies(t *testing.T) {
	v, err := parseJSON(`{"s":"` + strings.Repeat("12345678", 1<<17) + `",` +
		`"n":[` + strings.Repeat("1,", 999) + `1]}`)
	must(t, err)
	const little = 200 << 10
	toNumber := uint64(little)
	if goversion.Compare(runtime.Version(), "go1.27") >= 0 {
		toNumber += 8 << 20 // there json.Valid copies a string that it is given as bytes
	}
	for expression, most := range map[string]uint64{
		"[s,s,s,s,s,s,s,s].length(@)":           little,
		"map(&to_number(@), [s,s,s,s,s,s,s,s])": toNumber,
		"[s,s,s,s,s,s,s,s][].type(@)":           little,
		"length(n)":                             little,
		"n[999]":                                little,
		"n[-1]":                                 little,
		"type(n)":                               little,
		"[s,s,s,s] | [0] == [1]":                little,
		"[@,@,@,@,@,@,@,@][].s.starts_with(@,'1')": little,
		"length(reverse(s))":                       little + 1<<20,
		"length(join('',[s]))":                     little + 1<<20,
	} {
		q, err := compileQuery(expression)
		if err != nil {
			t.Fatal(expression, err)
		}
		took := allocated(func() { _, err = q.apply(v) })
		if err != nil || took > most {
			t.Errorf("%s takes %d bytes, %v", expression, took, err)
		}
	}
}

// FuzzQuery asks any expression of any JSON: nothing panics, what comes out is JSON, what went in
// is unchanged, and @ gives what it got.
func FuzzQuery(f *testing.F) {
	for _, expression := range []string{
		"a.b[0]", "a[?b>`1`].{x:c,y:'d'}", "sort_by(a,&b)[::-1]", "merge(a,b)||!c&&d|[e]",
		"to_number('1e5')", "map(&to_string(@),@)", "join(',',keys(@))", "reverse(sort(@))",
		"max_by(@,&a)==min_by(@,&a)", "sum([].n)", `*."a\u0041"`, "`{\"a\":1}`",
	} {
		f.Add(expression, `{"a":[{"b":1,"c":"x"},{"b":2.50,"a":null}],"n":[2e3],"z":"\ud800"}`)
		f.Add(expression, `["b","a"]`)
	}
	f.Fuzz(func(t *testing.T, expression, text string) {
		v, err := parseJSON(text)
		if err != nil {
			v = nil
		}
		before := jsonText(v)
		if same, err := queried(before, "@"); err != nil || same != before {
			t.Fatalf("@ makes %q of %q, %v", same, before, err)
		}
		q, err := compileQuery(expression)
		if err == nil {
			var result any
			if result, err = q.apply(v); err == nil && !json.Valid([]byte(jsonText(result))) {
				t.Fatalf("%q is not JSON", jsonText(result))
			}
		}
		if err != nil {
			f := wantFailure(t, expression, err, "query.syntax", "query.function", "query.type")
			if looksLikeKey(f.message + f.hint) {
				t.Fatalf("%+v", f)
			}
		}
		if jsonText(v) != before {
			t.Fatal("the query changed what it was asked of")
		}
	})
}
