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
	"time"
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
	"syntax":           "query.syntax",
	"unknown-function": "query.function",
	"invalid-arity":    "query.function",
	"invalid-type":     "query.type",
	"invalid-value":    "query.type",
}

// runQueryCases calls check for each case of a file, with what its expression gave.
func runQueryCases(
	t *testing.T, file string, check func(c queryCase, got string, err *failure),
) int {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var groups []struct {
		Given json.RawMessage
		Cases []queryCase
	}
	if err := json.Unmarshal(data, &groups); err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, group := range groups {
		for _, c := range group.Cases {
			count++
			got, err := queried(string(group.Given), c.Expression)
			want := errorKinds[c.Error]
			switch {
			case err != nil && err.code.name != want:
				t.Errorf("%s over %s: %s: %v", c.Expression, group.Given, err.code.name, err)
			case err == nil && c.Error != "":
				t.Errorf("%s over %s gives %s, want %s", c.Expression, group.Given, got, want)
			default:
				check(c, got, err)
			}
		}
	}
	return count
}

// TestOfficialSuite runs the cases in the directory that JMESPATH_SUITE names: those of
// github.com/jmespath/jmespath.test.
func TestOfficialSuite(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("JMESPATH_SUITE")
	if dir == "" {
		t.Skip("JMESPATH_SUITE names no directory with the official cases")
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*.json"))
	count := 0
	for _, file := range files {
		count += runQueryCases(t, file, func(c queryCase, got string, err *failure) {
			var a, b any
			if err != nil || len(c.Result) == 0 {
				return
			}
			if json.Unmarshal([]byte(got), &a) != nil || json.Unmarshal(c.Result, &b) != nil ||
				!reflect.DeepEqual(a, b) {
				t.Errorf("%s: %s gives %s, want %s", file, c.Expression, got, c.Result)
			}
		})
	}
	if count == 0 {
		t.Fatalf("no cases in %s", dir)
	}
	t.Logf("%d cases", count)
}

// TestQueryCases runs our own cases, which ask for more than the official ones: the order of names,
// the digits of numbers, the words of errors, and the caret's place.
func TestQueryCases(t *testing.T) {
	t.Parallel()
	runQueryCases(t, "testdata/queries.json", func(c queryCase, got string, err *failure) {
		if err == nil {
			if want, _ := parseJSON(string(c.Result)); got != jsonText(want) {
				t.Errorf("%s gives %s, want %s", c.Expression, got, jsonText(want))
			}
			return
		}
		if got := clean(err.message); got != "bad query: "+c.Message || err.hint != c.Hint {
			t.Errorf("%s gives\n%s (%s), want\n%s (%s)",
				c.Expression, got, err.hint, c.Message, c.Hint)
		}
		var want []string
		if c.Caret != nil {
			want = []string{clean(c.Expression), strings.Repeat(" ", *c.Caret) + "^"}
		}
		if !reflect.DeepEqual(err.detail, want) {
			t.Errorf("%s is shown as %q, want %q", c.Expression, err.detail, want)
		}
	})
}

// TestALongQueryIsNotShown covers the width of a line, which counts what is shown.
func TestALongQueryIsNotShown(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		expression, message string
		shown               bool
	}{
		{strings.Repeat("a", 74) + " b", "unexpected name", true},
		{strings.Repeat("a", 75) + " b", "unexpected name at character 77", false},
		{"'" + strings.Repeat("é", 72) + "' b", "unexpected name", true},
		{"'" + strings.Repeat("\u202e", 12) + "' b", "unexpected name", true},
		{"'" + strings.Repeat("\u202e", 13) + "' b", "unexpected name at character 17", false},
	} {
		_, err := queried("null", test.expression)
		if err == nil || err.message != "bad query: "+test.message ||
			(len(err.detail) > 0) != test.shown {
			t.Errorf("%s: %+v", test.expression, err)
		}
	}
}

// TestAQueryErrorShowsNoKey covers a key that came into the expression by mistake.
func TestAQueryErrorShowsNoKey(t *testing.T) {
	t.Parallel()
	s := newShell(t, nil)
	for _, test := range []struct{ expression, message string }{
		{"[?id=='" + testKey + "'] x", "unexpected name at character 43"},
		{testKey + "(@)", "unknown function at character 1"},
		{"`" + testKey + "`", "a literal must be JSON at character 1"},
		{"whoami.MIC_a_x'CANARY[", "unterminated string at character 15"},
		{"{" + testKey + ": abs('x')}", "abs() got string, want number at character 40"},
	} {
		got := s.run("version", "--json", "--query", test.expression)
		message := field(field(answer(t, got.stderr), "error"), "message")
		if got.code != 2 || got.stdout != "" || message != "bad query: "+test.message ||
			looksLikeKey(got.stderr) {
			t.Errorf("%s: %s", test.expression, got)
		}
	}
}

// answer returns the value of a JSON text.
func answer(t *testing.T, text string) any {
	t.Helper()
	v, err := parseJSON(text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return v
}

// TestQueryIsCompiledBeforeAnythingIsDone makes no request, and neither reads nor saves a key, for
// a query that cannot be.
func TestQueryIsCompiledBeforeAnythingIsDone(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	codes := map[string]string{
		"a..b":         "query.syntax",
		"":             "query.syntax",
		"nope(@)":      "query.function",
		"abs(a,b)":     "query.function",
		"[::0]":        "query.type",
		"sort_by(a,b)": "query.type",
	}
	for _, line := range []string{
		"whoami", "project list", "env list", "login --token " + testKey, "logout", "version",
	} {
		for expression, code := range codes {
			s := newShell(t, api).with("HOME", "", "USERPROFILE", "")
			got := s.run(append(strings.Fields(line), "--json", "--query", expression)...)
			if got.code != 2 || got.stdout != "" ||
				!strings.HasPrefix(got.stderr, `{"error":{"code":"`+code+`"`) {
				t.Errorf("%s --query %q: %s", line, expression, got)
			}
			s.wantStored("")
		}
	}
	if seen := api.seen(); seen != "" {
		t.Errorf("requests were made: %s", seen)
	}
}

// TestQueryWorksOnEveryCommandsJSON also holds that @ is what --json prints.
func TestQueryWorksOnEveryCommandsJSON(t *testing.T) {
	t.Parallel()
	s := newShell(t, newFakeAPI(t)).with("MICROTICA_PROJECT_ID", "5f1c")
	s.stdin = testKey
	for _, test := range []struct{ line, expression, want string }{
		{"login", "[apiKeyPrefix, verified]", `["mic_d60bea1d",true]`},
		{"whoami", "{n: projectsVisible, ok: keyAccepted}", `{"n":2,"ok":true}`},
		{"project list", "[].id", `["5f1c","77aa"]`},
		{"project list", "[?paymentPlan=='pro'].{id: id, n: name}", `[{"id":"5f1c","n":"shop"}]`},
		{"project list", "nothing", `null`},
		{"env list", "[?status!='deployed'].name | [0]", `"staging"`},
		{"env list", "max_by([?lastDeployed], &lastDeployed).lastDeployed", `1790154420000`},
		{"version", "version", `"dev"`},
	} {
		words := strings.Fields(test.line)
		s.want(result{test.want + "\n", "", 0}, append(words, "--query", test.expression)...)
		whole := s.run(append(words, "--json")...)
		s.want(whole, append(words, "--query", "@")...)
		s.want(whole, append([]string{"--query=@", "--json"}, words...)...)
	}
}

// TestAQueryThatFailsLeavesStdoutEmpty also holds that what login and logout did stays done.
func TestAQueryThatFailsLeavesStdoutEmpty(t *testing.T) {
	t.Parallel()
	s := newShell(t, newFakeAPI(t))
	s.stdin = testKey
	fails := func(args ...string) {
		t.Helper()
		got := s.run(append(args, "--json", "--query", "abs(@)")...)
		message := field(field(answer(t, got.stderr), "error"), "message")
		if got.code != 2 || got.stdout != "" ||
			message != "bad query: abs() got object, want number\n  abs(@)\n      ^" {
			t.Errorf("microtica %q: %s", args, got)
		}
	}
	fails("login")
	s.wantStored(testKey + "\n")
	fails("whoami", "--quiet")
	fails("logout", "--quiet")
	s.wantStored("")
	s.want(result{"false\n", "", 0}, "logout", "--query", "removed")
}

// TestAnExpressionIsBounded covers every way to nest and to repeat, within the limit and beyond it.
func TestAnExpressionIsBounded(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ start, again, middle, end string }{
		{"", "(", "@", ")"},
		{"", "[", "@", "]"},
		{"", "{a:", "@", "}"},
		{"", "!", "@", ""},
		{"a", ".a", "", ""},
		{"a", "[0]", "", ""},
		{"a", "[]", "", ""},
		{"a", "[*]", "", ""},
		{"a", "[:]", "", ""},
		{"a", "||a", "", ""},
		{"a", "&&a", "", ""},
		{"a", "|@", "", ""},
		{"a", "==a", "", ""},
		{"", "abs(", "`1`", ")"},
		{"", "map(&", "@", ",`[]`)"},
		{"", "[?", "@", "]"},
		{"@", ".*", "", ""},
		{"", "*.", "a", ""},
		{"", "[*].", "a", ""},
		{"[a", ",a", "]", ""},
		{"{a:a", ",a:a", "}", ""},
		{"merge(`{}`", ",`{}`", ")", ""},
	} {
		const few, many = 1100, 1 << 16
		end := test.middle + strings.Repeat(test.end, few)
		text := test.start + strings.Repeat(test.again, few) + end
		if _, err := queried(`{"a":[1]}`, text); err != nil {
			t.Errorf("%d times %s: %v", few, test.again, err)
		}
		text = test.start + strings.Repeat(test.again, many)
		began := time.Now()
		_, err := compileQuery(text)
		if err == nil || err.(*failure).code != codeQuerySyntax ||
			!strings.HasPrefix(err.Error(), "bad query: more than 10000 tokens at character ") {
			t.Errorf("%d times %s: %.100v", many, test.again, err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%d times %s took %v", many, test.again, took)
		}
	}
	if _, err := compileQuery(strings.Repeat("!", maxQueryTokens-1) + "@"); err != nil {
		t.Errorf("exactly %d tokens: %v", maxQueryTokens, err)
	}
	if _, err := compileQuery(strings.Repeat("!", maxQueryTokens) + "@"); err == nil {
		t.Errorf("one more than %d tokens is no error", maxQueryTokens)
	}
	list := "[" + strings.Repeat("@,", 1999) + "@]"
	if got, err := queried("1", list+"|length(@)"); err != nil || got != "2000" {
		t.Errorf("a list of 2000 expressions has %s elements, %v", got, err)
	}
}

// TestAResultIsBounded covers results that are too large, and the texts that are made on the way.
func TestAResultIsBounded(t *testing.T) {
	t.Parallel()
	double := func(step, end string) string { return strings.Repeat(step+" | ", 40) + end }
	for _, test := range []struct{ expression, want string }{
		{double("[@,@]", "@"), "the result is larger than 64 MiB"},
		{double("{a:@,b:@}", "@"), "the result is larger than 64 MiB"},
		{double("[@,@]", "to_string(@)"), "the result is larger than 64 MiB"},
		{double("join('',[@,@])", "@"), "the result is larger than 64 MiB"},
		{double("[@,@]", "length(@)"), ""},
	} {
		_, err := queried(`"`+strings.Repeat("x", 1<<16)+`"`, test.expression)
		switch {
		case test.want == "" && err == nil:
		case err == nil || err.code != codeQueryType || !strings.Contains(err.message, test.want):
			t.Errorf("%s: %v", test.expression, err)
		}
	}
	// The bound is on bytes as they are printed: a character of 4 bytes may become 12.
	large := `["` + strings.Repeat("x", 52<<20) + strings.Repeat("\U000e0001", 1<<20) + `"]`
	if _, err := queried(large, "@"); err == nil || !strings.Contains(err.message, "64 MiB") {
		t.Errorf("a result of 64 MiB and four bytes: %v", err)
	}
	large = `["` + strings.Repeat("x", maxQueryResult-4) + `"]`
	if got, err := queried(large, "@"); err != nil || got != large {
		t.Errorf("a result of exactly 64 MiB: %v", err)
	}
}

// TestAQueryMakesNoCopies holds what expressions allocate over a text of 1 MiB that each look-up
// would copy a thousand times.
func TestAQueryMakesNoCopies(t *testing.T) {
	text := `{"s":"` + strings.Repeat("12345678", 1<<17) + `",` +
		`"n":[` + strings.Repeat("1,", 999) + `1]}`
	v, err := parseJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, expression := range []string{
		"[s,s,s,s,s,s,s,s].length(@)",
		"map(&to_number(@), [s,s,s,s,s,s,s,s])",
		"[s,s,s,s,s,s,s,s][].type(@)",
		"length(n)",
		"n[999]",
		"n[-1]",
		"type(n)",
		"[s,s,s,s] | [0] == [1]",
		"[@,@,@,@,@,@,@,@][].s.starts_with(@,'1')",
		"length(reverse(s))",
		"length(join('',[s]))",
	} {
		q, err := compileQuery(expression)
		if err != nil {
			t.Fatal(expression, err)
		}
		most := uint64(200 << 10)
		switch {
		case strings.Contains(expression, "reverse"), strings.Contains(expression, "join"):
			most += 1 << 20
		case strings.Contains(expression, "to_number") &&
			goversion.Compare(runtime.Version(), "go1.27") >= 0:
			most += 8 << 20 // there json.Valid copies a string that it is given as bytes
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
		"@", "a.b[0]", "[*].a[]", "a[?b>`1`].{x:c,y:'d'}", "sort_by(a,&b)[::-1]", "*.*",
		"a[1:-1:2]", "merge(a,b)||!c&&d|[e]", "to_number('1e5')", "map(&to_string(@),@)",
		"[@,@]|[@,@]",
		"join(',',keys(@))", "reverse(sort(@))", "max_by(@,&a)==min_by(@,&a)", "avg(@)",
		"sum([].n)",
		"ceil(a)", `"a\u0041"`, "`{\"a\":1}`",
	} {
		f.Add(expression, `{"a":[{"b":1,"c":"x"},{"b":2.50,"a":null}],"n":[2e3],"z":"\ud800"}`)
		f.Add(expression, `[3,1,2]`)
		f.Add(expression, `["b","a"]`)
	}
	f.Fuzz(func(t *testing.T, expression, text string) {
		v, err := parseJSON(text)
		if err != nil {
			v = nil
		}
		before := jsonText(v)
		all, _ := compileQuery("@")
		if same, err := all.apply(v); err != nil || jsonText(same) != before {
			t.Fatalf("@ makes %q of %q, %v", jsonText(same), before, err)
		}
		q, err := compileQuery(expression)
		if err != nil {
			if f := err.(*failure); f.exitStatus() != 2 || looksLikeKey(f.message+f.hint) {
				t.Fatalf("%+v", f)
			}
			return
		}
		result, err := q.apply(v)
		if err != nil {
			if f := err.(*failure); f.code != codeQueryType || looksLikeKey(f.message) {
				t.Fatalf("%+v", f)
			}
		} else if out := jsonText(result); !json.Valid([]byte(out)) {
			t.Fatalf("%q is not JSON", out)
		}
		if jsonText(v) != before {
			t.Fatal("the query changed what it was asked of")
		}
	})
}
