package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// queried returns what --query prints for an expression over a JSON text, or the code of its error.
func queried(text, expression string) (string, *failure) {
	q, err := compileQuery(expression)
	if err != nil {
		return "", err.(*failure)
	}
	v, err := decodeJSON([]byte(text), "", "")
	if err != nil {
		panic(err)
	}
	v, err = q.run(v, maxQueryResult)
	if err != nil {
		return "", err.(*failure)
	}
	return jsonText(v), nil
}

// TestTheOfficialSuite runs the cases of the folder that JMESPATH_SUITE names: those of github.com/jmespath/jmespath.test.
func TestTheOfficialSuite(t *testing.T) {
	dir := os.Getenv("JMESPATH_SUITE")
	if dir == "" {
		t.Skip("JMESPATH_SUITE names no folder with the official cases")
	}
	codes := map[string]string{"syntax": "query.syntax", "unknown-function": "query.function", "invalid-arity": "query.function",
		"invalid-type": "query.type", "invalid-value": "query.type"}
	files, _ := filepath.Glob(filepath.Join(dir, "*.json"))
	count := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var groups []struct {
			Given json.RawMessage
			Cases []struct {
				Expression string
				Result     json.RawMessage
				Error      string
			}
		}
		if err := json.Unmarshal(data, &groups); err != nil {
			t.Fatal(err)
		}
		for _, group := range groups {
			for _, c := range group.Cases {
				count++
				got, err := queried(string(group.Given), c.Expression)
				switch {
				case c.Error != "":
					if err == nil || err.code.name != codes[c.Error] {
						t.Errorf("%s: %s gives %s, %+v, want %s", filepath.Base(file), c.Expression, got, err, c.Error)
					}
				case err != nil:
					t.Errorf("%s: %s: %s %s", filepath.Base(file), c.Expression, err.code.name, err)
				case len(c.Result) > 0:
					var a, b any
					if json.Unmarshal([]byte(got), &a) != nil || json.Unmarshal(c.Result, &b) != nil || !reflect.DeepEqual(a, b) {
						t.Errorf("%s: %s over %s gives %s, want %s", filepath.Base(file), c.Expression, group.Given, got, c.Result)
					}
				}
			}
		}
	}
	if count == 0 {
		t.Fatalf("no cases in %s", dir)
	}
	t.Logf("%d cases", count)
}

// TestQueries covers the language: an expression, the JSON that it is asked of, and what comes out.
func TestQueries(t *testing.T) {
	const people = `[{"n":"b","a":2,"t":["x"]},{"n":"a","a":10},{"n":"c","a":1,"t":["y","z"]}]`
	for _, test := range []struct{ in, expression, want string }{
		// Names, and what they are asked of.
		{`{"a":{"b":[1]}}`, `a.b`, `[1]`}, {`{"a":1}`, `a.b.c`, `null`}, {`[1]`, `a`, `null`}, {`{"a b":1}`, `"a b"`, `1`},
		{`{"é\n":1}`, `"\u00e9\n"`, `1`}, {`{"_a1":1}`, ` _a1 `, `1`}, {`{"a":1}`, "a\t\r\n", `1`}, {`{"a":1,"a":2}`, `a`, `2`}, {`3`, `@`, `3`},
		// Indexes and slices.
		{`[1,2,3]`, `[0]`, `1`}, {`[1,2,3]`, `[-1]`, `3`}, {`[1,2,3]`, `[3]`, `null`}, {`[1,2,3]`, `[-4]`, `null`}, {`{"a":[1]}`, `a[0]`, `1`},
		{`[1]`, `[9223372036854775808]`, `null`}, {`[1]`, `[-99999999999999999999]`, `null`}, {`"abc"`, `[0]`, `null`}, {`"abc"`, `[0:1]`, `null`},
		{`[0,1,2,3,4]`, `[1:3]`, `[1,2]`}, {`[0,1,2,3,4]`, `[::2]`, `[0,2,4]`}, {`[0,1,2,3,4]`, `[::-1]`, `[4,3,2,1,0]`}, {`[0,1,2,3,4]`, `[-2:]`, `[3,4]`},
		{`[0,1,2,3,4]`, `[:-3]`, `[0,1]`}, {`[0,1,2,3,4]`, `[3:0:-2]`, `[3,1]`}, {`[0,1,2]`, `[-9:9]`, `[0,1,2]`}, {`[0,1,2]`, `[9:-9:-1]`, `[2,1,0]`},
		{`[0,1,2]`, `[0:9223372036854775807:9223372036854775807]`, `[0]`}, {`[0,1,2]`, `[::-9223372036854775808]`, `[2]`},
		{`[0,1,2]`, `[-9223372036854775808:99999999999999999999999:1]`, `[0,1,2]`}, {`[]`, `[::-1]`, `[]`}, {`[0,1,2]`, `[5:]`, `[]`}, {`[0,1,2]`, `[:0:-1]`, `[2,1]`},
		{`[{"a":1},{"a":2}]`, `[:1].a`, `[1]`}, {`[{"a":[1,2]},{"a":[3,4]}]`, `[:2].a[0]`, `[1,3]`},
		// Projections.
		{people, `[*].n`, `["b","a","c"]`}, {people, `[*].t`, `[["x"],["y","z"]]`}, {people, `[*].t[]`, `["x","y","z"]`}, {people, `[*].t[0]`, `["x","y"]`},
		{people, `[*].t | [0]`, `["x"]`}, {people, `[].t[]`, `["x","y","z"]`}, {`{"a":1}`, `[*]`, `null`}, {`{"a":1}`, `[]`, `null`}, {`[1,null,2]`, `[*]`, `[1,2]`},
		{`[[1,[2]],3,[[4]]]`, `[]`, `[1,[2],3,[4]]`}, {`[[1,[2]],3,[[4]]]`, `[][]`, `[1,2,3,4]`}, {`[[[1]]]`, `[*][*][*]`, `[[[1]]]`}, {`[[1],[2]]`, `[*][0]`, `[1,2]`},
		{`{"b":{"x":1},"a":{"x":2},"c":3}`, `*.x`, `[1,2]`}, {`{"b":1,"a":null}`, `*`, `[1]`}, {`[1]`, `*`, `null`}, {`{"a":{"b":{"c":1}}}`, `*.*`, `[[{"c":1}]]`},
		{`{"a":[{"b":{"c":1}}]}`, `a[*].b.c`, `[1]`}, {`{"a":{"x":[1]},"b":{"x":[2]}}`, `*.x[]`, `[1,2]`}, {`{"a":[[1,2],[3]]}`, `a[*] | [1]`, `[3]`},
		{`{"o":{"a":[1],"b":[2]}}`, `o.*[0]`, `[1,2]`}, {`[{"a":1}]`, `[*].{x:a}[0]`, `{"x":1}`},
		// Filters.
		{people, `[?a > ` + "`1`" + `].n`, `["b","a"]`}, {people, `[?n=='c'].t[1]`, `["z"]`}, {people, `[?t].n`, `["b","c"]`}, {people, `[?!t].n`, `["a"]`},
		{people, `[?a>` + "`1`" + ` && n!='a'].a`, `[2]`}, {people, `[?n=='a' || n=='c'].a`, `[10,1]`}, {`{"a":1}`, `[?a]`, `null`}, {`[1,2]`, `[?@>` + "`1`" + `]`, `[2]`},
		{people, `[?contains(n, 'a')][].n`, `["a"]`}, {`[[1],[2,3]]`, `[?length(@)>` + "`1`" + `][]`, `[2,3]`}, {people, `[?t[?@=='z']].n`, `["c"]`}, {`[{"a":{"b":[1]}}]`, `[?a].a.b[0]`, `[1]`},
		// Lists, hashes, pipes, logic.
		{`{"a":1,"b":2}`, `[b,a,c]`, `[2,1,null]`}, {`{"a":1,"b":2}`, `{y:b,"x x":a}`, `{"y":2,"x x":1}`}, {`{"a":1}`, `{a:a,b:a,a:@.b}`, `{"a":null,"b":1}`},
		{`null`, `[a]`, `null`}, {`null`, `{a:a}`, `null`}, {`{"a":{"b":1}}`, `a.[b,c]`, `[1,null]`}, {`{"a":{"b":1}}`, `a.{x:b}.x`, `1`}, {`{}`, `a.[b]`, `null`},
		{`{"a":[]}`, `a || 'x'`, `"x"`}, {`{"a":0}`, `a || 'x'`, `0`}, {`{"a":""}`, `a && 'x'`, `""`}, {`{"a":{}}`, `!a`, `true`}, {`{"a":{"b":1}}`, `!a`, `false`},
		{`{"a":false,"b":true}`, `a && b || b`, `true`}, {`{"a":true,"b":false}`, `a || b && b`, `true`}, {`{"a":true,"b":false}`, `(a || b) && b`, `false`}, {`{"a":{"b":0}}`, `!a.b`, `null`}, {`{"a":{"b":0}}`, `!(a.b)`, `false`},
		{`{"a":[1,2]}`, `a | [0]`, `1`}, {`{"a":{"b":2}}`, `a | b`, `2`}, {`{"a":1}`, `!!a`, `true`}, {`[]`, `@ || 'e'`, `"e"`},
		// Comparisons.
		{`[1,1.0]`, `[0]==[1]`, `true`}, {`null`, "`9007199254740993`==`9007199254740992`", `false`}, {`null`, "`9007199254740993`>`9007199254740992`", `true`},
		{`null`, "`1e2`==`100`", `true`}, {`null`, "`[1,{\"a\":1,\"b\":[]}]`==`[1.0,{\"b\":[],\"a\":1}]`", `true`}, {`null`, "`{\"a\":1}`==`{\"b\":1}`", `false`},
		{`null`, "'1'==`1`", `false`}, {`null`, "`null`==a", `true`}, {`null`, "`[1]`!=`[1,2]`", `true`}, {`null`, "`{}`==`[]`", `false`}, {`null`, "'a'=='a'", `true`}, {`null`, "`true`==`true`", `true`},
		{`null`, `'a'<'b'`, `null`}, {`null`, "`1`<'b'", `null`}, {`null`, "`1`<=`1`", `true`}, {`null`, "`2`>=`3`", `false`}, {`null`, "`-1`<`0.5`", `true`},
		// Literals.
		{`null`, "` [1, \"a\"] `", `[1,"a"]`}, {`null`, "`\"\\`\"`", "\"`\""}, {`null`, `'it\'s'`, `"it's"`}, {`null`, `'a\\b\n'`, `"a\\\\b\\n"`}, {`null`, `''`, `""`}, {`null`, "'\n'", `"\u000a"`},
		{`null`, "`{\"b\":1,\"a\":2}`", `{"b":1,"a":2}`}, {`null`, "`1.50`", `1.50`}, {`null`, `'<é😀>'`, `"<é😀>"`},
		// What passes through keeps its order and digits.
		{`{"b":1.0,"a":[1e2,123456789012345678901234567890]}`, `@`, `{"b":1.0,"a":[1e2,123456789012345678901234567890]}`}, {`[1.0,-0,1E5]`, `[?@!=` + "`7`" + `]`, `[1.0,-0,1E5]`},
		// Functions.
		{`[-1.50,2,-0]`, `map(&abs(@),@)`, `[1.50,2,0]`}, {`[1.2,-1.2,3,-0.5,1e30]`, `map(&ceil(@),@)`, `[2,-1,3,0,1e+30]`}, {`[1.8,-1.2,12345678901234567890,0.5]`, `map(&floor(@),@)`, `[1,-2,12345678901234567890,0]`},
		{`[1,2]`, `avg(@)`, `1.5`}, {`[]`, `avg(@)`, `null`}, {`[1,2,3]`, `avg(@)`, `2`}, {`[]`, `sum(@)`, `0`}, {`[9007199254740993,1]`, `sum(@)`, `9007199254740994`}, {`[0.1,0.2]`, `sum(@)`, `0.30000000000000004`},
		{`[9223372036854775807,1]`, `sum(@)`, `9223372036854776000`}, {`[-9223372036854775808,-1]`, `sum(@)`, `-9223372036854776000`}, {`[1,-1,0]`, `sum(@)`, `0`}, {`[1e-7]`, `sum(@)`, `1e-07`}, {`[0,5]`, `sum(@)`, `5`},
		{`["a",[1]]`, "contains(@,`[1.0]`)", `true`}, {`["a"]`, `contains(@,'b')`, `false`}, {`"abc"`, `contains(@,'bc')`, `true`}, {`"1"`, "contains(@,`1`)", `false`},
		{`"abc"`, `starts_with(@,'ab')`, `true`}, {`"abc"`, `starts_with(@,'b')`, `false`}, {`"abc"`, `ends_with(@,'bc')`, `true`}, {`"abc"`, `ends_with(@,'b')`, `false`},
		{`["a","b"]`, `join(', ',@)`, `"a, b"`}, {`[]`, `join('x',@)`, `""`}, {`{"b":1,"a":2,"b":3}`, `keys(@)`, `["b","a"]`}, {`{"b":1,"a":2}`, `values(@)`, `[1,2]`},
		{`"é😀"`, `length(@)`, `2`}, {`[1,2]`, `length(@)`, `2`}, {`{"a":1}`, `length(@)`, `1`}, {`""`, `length(@)`, `0`}, {people, `map(&t,@)`, `[["x"],null,["y","z"]]`},
		{`[2,10,1.0]`, `max(@)`, `10`}, {`[2,10,1.0]`, `min(@)`, `1.0`}, {`["b","a","é"]`, `max(@)`, `"é"`}, {`["b","a"]`, `min(@)`, `"a"`}, {`[]`, `max(@)`, `null`}, {`[]`, `min(@)`, `null`},
		{people, `max_by(@,&a).n`, `"a"`}, {people, `min_by(@,&a).n`, `"c"`}, {people, `max_by(@,&n).a`, `1`}, {`[]`, `max_by(@,&a)`, `null`}, {`[{"a":1,"b":1},{"a":1,"b":2}]`, `max_by(@,&a).b`, `1`},
		{`[{"b":1,"a":2},{"a":3,"c":4}]`, `merge([0],[1])`, `{"b":1,"a":3,"c":4}`}, {`{"a":1}`, `merge(@)`, `{"a":1}`}, {`{"b":2}`, `not_null(a,b)`, `2`}, {`{}`, `not_null(a)`, `null`},
		{`"aé😀"`, `reverse(@)`, `"😀éa"`}, {`[1,2]`, `[reverse(@),@]`, `[[2,1],[1,2]]`}, {`[10,9,1.0]`, `[sort(@),@]`, `[[1.0,9,10],[10,9,1.0]]`}, {`["b","B","é","a","😀","\uffff"]`, `sort(@)`, `["B","a","b","é","` + "\uffff" + `","😀"]`}, {`[]`, `sort(@)`, `[]`},
		{people, `sort_by(@,&a)[*].n`, `["c","b","a"]`}, {people, `sort_by(@,&n)[0].a`, `10`}, {`[{"a":1,"b":1},{"a":0},{"a":1,"b":2}]`, `sort_by(@,&a)[].b`, `[1,2]`}, {`[]`, `sort_by(@,&a)`, `[]`},
		{`[1]`, `to_array(@)`, `[1]`}, {`{"a":1}`, `to_array(@)`, `[{"a":1}]`}, {`null`, `to_array(@)`, `[null]`},
		{`["1","1.50","-0","1e5"," 1","01","+1","0x1","","NaN","1_0","Infinity"]`, `map(&to_number(@),@)`, `[1,1.50,-0,1e5,null,null,null,null,null,null,null,null]`}, {`[1.0,true,null,[],{}]`, `map(&to_number(@),@)`, `[1.0,null,null,null,null]`},
		{`["a",1.0,null,true,[1, 2],{"b": 1}]`, `map(&to_string(@),@)`, `["a","1.0","null","true","[1,2]","{\"b\":1}"]`}, {`null`, `a.to_string(@)`, `"null"`},
		{`["a",1,null,true,[],{}]`, `map(&type(@),@)`, `["string","number","null","boolean","array","object"]`},
		{people, "sort_by([?length(n)==`1`], & a)[::-1].{name: n, old: a>`5`} | [0]", `{"name":"a","old":true}`},
	} {
		if got, err := queried(test.in, test.expression); err != nil || got != test.want {
			t.Errorf("%s over %s gives %s, %v, want %s", test.expression, test.in, got, err, test.want)
		}
	}
}

// TestQueryErrorsPointAtTheirPlace covers every error: its code, its words, its hint, and the column of the caret.
func TestQueryErrorsPointAtTheirPlace(t *testing.T) {
	const syntax, function, typed = "query.syntax", "query.function", "query.type"
	for _, test := range []struct {
		expression, code, message, hint string
		caret                           int
	}{
		{``, syntax, "unexpected end of the query", "", 0},
		{`  `, syntax, "unexpected end of the query", "", 2},
		{`a.`, syntax, "unexpected end of the query, want a name", "", 2},
		{`a b`, syntax, "unexpected name", "", 2},
		{`.a`, syntax, "unexpected .", "", 0},
		{`a.1`, syntax, "unexpected number, want a name", "", 2},
		{`a.'b'`, syntax, "unexpected string, want a name", "", 2},
		{`a..b`, syntax, "unexpected ., want a name", "", 2},
		{`a[b]`, syntax, "unexpected name, want a number", "", 2},
		{`a[*][b]`, syntax, "unexpected name, want a number", "", 5},
		{`a[*]b`, syntax, "unexpected name", "", 4},
		{`a[0`, syntax, "unexpected end of the query, want a number", "", 3},
		{`[:1 2]`, syntax, "unexpected number, want a number", "", 4},
		{`[1:2:3:4]`, syntax, "unexpected :, want a number", "", 6},
		{`[0 1]`, syntax, "unexpected number, want a number", "", 3},
		{`[a`, syntax, "unexpected end of the query, want ]", "", 2},
		{`[a,]`, syntax, "unexpected ]", "", 3},
		{`[,a]`, syntax, "unexpected ,", "", 1},
		{`[a b]`, syntax, "unexpected name, want ]", "", 3},
		{`[ ]`, syntax, "unexpected ]", "", 2},
		{`{}`, syntax, "unexpected }, want a name", "", 1},
		{`{a}`, syntax, "unexpected }, want :", "", 2},
		{`{a:@ b:@}`, syntax, "unexpected name, want }", "", 5},
		{`{a:b,}`, syntax, "unexpected }, want a name", "", 5},
		{`{'a':b}`, syntax, "unexpected string, want a name", "", 1},
		{`{1:b}`, syntax, "unexpected number, want a name", "", 1},
		{`(a`, syntax, "unexpected end of the query, want )", "", 2},
		{`a)`, syntax, "unexpected )", "", 1},
		{`a ||`, syntax, "unexpected end of the query", "", 4},
		{`a = b`, syntax, "= has no meaning here", "", 2},
		{`a # b`, syntax, "# has no meaning here", "", 2},
		{"a \x1b", syntax, `\x1b has no meaning here`, "", 2},
		{"é.a", syntax, `é has no meaning here`, "", 0},
		{"a.\xff", syntax, `\xff has no meaning here`, "", 2},
		{`-`, syntax, "a digit must follow -", "", 0},
		{`a[-]`, syntax, "a digit must follow -", "", 2},
		{`1`, syntax, "unexpected number", "", 0},
		{`'a`, syntax, "nothing closes this '", "", 0},
		{`'a\'`, syntax, "nothing closes this '", "", 0},
		{`a."b`, syntax, `nothing closes this "`, "", 2},
		{`"a\x"`, syntax, "what stands between the quotes is not a JSON string", "", 0},
		{"\"a\nb\"", syntax, "what stands between the quotes is not a JSON string", "", 0},
		{"`1", syntax, "nothing closes this `", "", 0},
		{"a==`foo`", syntax, "what stands between the backticks is not JSON", "use 'foo'", 3},
		{"`[1,]`", syntax, "what stands between the backticks is not JSON", "", 0},
		{"``", syntax, "what stands between the backticks is not JSON", "", 0},
		{`abs(@,)`, syntax, "unexpected )", "", 6},
		{`abs(,@)`, syntax, "unexpected ,", "", 4},
		{`join(',' @)`, syntax, "unexpected @, want ,", "", 9},
		{`abs(@`, syntax, "unexpected end of the query, want ,", "", 5},
		{`"abs"(@)`, syntax, "a function's name takes no quotes", "", 0},
		{`(abs)(@)`, syntax, "unexpected (", "", 5},
		{`@(a)`, syntax, "unexpected (", "", 1},
		{`a.b[0](c)`, syntax, "unexpected (", "", 6},
		{`&a`, syntax, "& is for the argument of a function that wants one, such as sort_by", "", 0},
		{`abs(&a)`, syntax, "& is for the argument of a function that wants one, such as sort_by", "", 4},
		{`sort_by(&a, b)`, syntax, "& is for the argument of a function that wants one, such as sort_by", "", 8},
		{`a[?b`, syntax, "unexpected end of the query, want ]", "", 4},
		{`a[?]`, syntax, "unexpected ]", "", 3},
		{`a &`, syntax, "unexpected &", "", 2},
		{`* a`, syntax, "unexpected name", "", 2},
		{`lenght(a)`, function, "unknown function 'lenght'", "did you mean length?", 0},
		{`a.frobnicate(b)`, function, "unknown function 'frobnicate'", "run 'microtica help'", 2},
		{`abs()`, function, "abs() takes 1 argument, not 0", "", 0},
		{`a | abs(b, c)`, function, "abs() takes 1 argument, not 2", "", 4},
		{`contains(a)`, function, "contains() takes 2 arguments, not 1", "", 0},
		{`merge()`, function, "merge() takes 1 argument or more, not 0", "", 0},
		{`not_null()`, function, "not_null() takes 1 argument or more, not 0", "", 0},
		{`a[::0]`, typed, "a slice cannot have step 0", "", 1},
		{`abs('x')`, typed, "abs() takes a number, not a string", "", 4},
		{`length(` + "`1`" + `)`, typed, "length() takes a string or an array or an object, not a number", "", 7},
		{`keys(a)`, typed, "keys() takes an object, not null", "", 5},
		{`values(` + "`[]`" + `)`, typed, "values() takes an object, not an array", "", 7},
		{`sum(` + "`[1,\"a\"]`" + `)`, typed, "sum() takes an array of numbers, not an array of different types", "", 4},
		{`join('',` + "`[1]`" + `)`, typed, "join() takes an array of strings, not an array whose elements are of type number", "", 8},
		{`sort(` + "`[[],[]]`" + `)`, typed, "sort() takes an array of numbers or an array of strings, not an array whose elements are of type array", "", 5},
		{`max(` + "`true`" + `)`, typed, "max() takes an array of numbers or an array of strings, not a boolean", "", 4},
		{`sort_by(` + "`[]`" + `, a)`, typed, "sort_by() takes an expression such as &name as argument 2", "", 14},
		{`map(a, b)`, typed, "map() takes an expression such as &name as argument 1", "", 4},
		{"sort_by(`[{\"a\":1},{\"a\":\"x\"}]`, &a)", typed, "sort_by() orders by all numbers or all strings, not by an array of different types", "", 31},
		{"max_by(`[{}]`, &a)", typed, "max_by() orders by all numbers or all strings, not by an array whose elements are of type null", "", 15},
		{"`[1]`[*].abs('x')", typed, "abs() takes a number, not a string", "", 13}, // not swallowed
		{"sum(`[1e308,1e308]`)", typed, "sum() comes to no finite number", "", 0},
		{"ceil(`1e999`)", typed, "ceil() comes to no finite number", "", 0},
		{"merge(`{}`,`1`)", typed, "merge() takes an object, not a number", "", 11},
	} {
		_, err := queried(`{}`, test.expression)
		if err == nil {
			t.Errorf("%s is no error", test.expression)
			continue
		}
		if err.code.name != test.code || err.message != "bad query: "+test.message || err.hint != test.hint || err.exitStatus() != 2 {
			t.Errorf("%s gives %s: %s (%s), want %s: %s (%s)", test.expression, err.code.name, err.message, err.hint, test.code, test.message, test.hint)
		}
		if len(err.detail) != 2 || err.detail[0] != clean(test.expression) || err.detail[1] != strings.Repeat(" ", test.caret)+"^" {
			t.Errorf("%s is shown as %q", test.expression, err.detail)
		}
	}
}

// TestALongQueryIsShownInAWindow covers the caret in the middle, at the end, and behind what is shown longer than it is.
func TestALongQueryIsShownInAWindow(t *testing.T) {
	for _, test := range []struct{ expression, line, caret string }{
		{strings.Repeat("a", 100) + ".1" + strings.Repeat("b", 100), "…" + strings.Repeat("a", 29) + ".1" + strings.Repeat("b", 29) + "…", strings.Repeat(" ", 31) + "^"},
		{strings.Repeat("a", 100) + ".", "…" + strings.Repeat("a", 59) + ".", strings.Repeat(" ", 61) + "^"},
		{"a.1" + strings.Repeat("b", 100), "a.1" + strings.Repeat("b", 57) + "…", "  ^"},
		{"'é日\u202e\t' a", `'é日\u202e\x09' a`, strings.Repeat(" ", 15) + "^"},
		{"'\xff' a", `'\xff' a`, strings.Repeat(" ", 7) + "^"},
	} {
		_, err := queried("null", test.expression)
		if err == nil || len(err.detail) != 2 || err.detail[0] != test.line || err.detail[1] != test.caret {
			t.Errorf("%.20s…: %+v\nwant %q\n     %q", test.expression, err, test.line, test.caret)
		}
	}
}

// TestAQueryErrorShowsNoKey is about a key that came into the expression by mistake.
func TestAQueryErrorShowsNoKey(t *testing.T) {
	s := newShell(t, nil)
	stars := strings.Repeat("*", len(testKey)-4)
	for _, test := range []struct{ expression, code, message, shown, caret string }{
		{"[?id=='" + testKey + "'] x", "query.syntax", "unexpected name", "[?id=='mic_" + stars + "'] x", strings.Repeat(" ", len(testKey)+10) + "^"},
		{testKey + "(@)", "query.function", "unknown function that looks like a key", "mic_" + stars + "***", "^"},
		{"`" + testKey + "`", "query.syntax", "what stands between the backticks is not JSON", "`mic_" + stars + "`", "^"},
	} {
		hint := ""
		if test.code == "query.function" {
			hint = "run 'microtica help'"
		}
		s.want(result{"", `{"error":{"code":"` + test.code + `","message":"bad query: ` + test.message + `\u000a  ` + test.shown + `\u000a  ` + test.caret +
			`","hint":"` + hint + `","httpStatus":null,"retryAfter":null,"retryable":false,"exitCode":2}}` + "\n", 2}, "version", "--query", test.expression)
	}
}

// TestQueryIsCompiledBeforeAnythingIsDone makes no request, reads no key and saves none for a query that cannot be.
func TestQueryIsCompiledBeforeAnythingIsDone(t *testing.T) {
	api := newFakeAPI(t)
	for _, line := range []string{"whoami", "project list", "env list", "login --token " + testKey, "logout", "version"} {
		for expression, code := range map[string]string{"a..b": "query.syntax", "": "query.syntax", "nope(@)": "query.function", "abs(a,b)": "query.function", "[::0]": "query.type"} {
			s := newShell(t, api).with("HOME", "", "USERPROFILE", "")
			got := s.run(append(strings.Fields(line), "--query", expression)...)
			if got.code != 2 || got.stdout != "" || !strings.HasPrefix(got.stderr, `{"error":{"code":"`+code+`"`) {
				t.Errorf("%s --query %q: %s", line, expression, got)
			}
			s.wantStored("")
		}
	}
	if seen := api.seen(); seen != "" {
		t.Errorf("requests were made: %s", seen)
	}
}

// TestQueryWorksOnEveryCommandsJSON covers each command, that @ is what --json prints, and what a failing query leaves behind.
func TestQueryWorksOnEveryCommandsJSON(t *testing.T) {
	api := newFakeAPI(t)
	s := newShell(t, api).with("MICROTICA_PROJECT_ID", "5f1c")
	s.stdin = testKey
	for _, test := range []struct{ line, expression, want string }{
		{"login", "[apiKeyPrefix, verified]", `["mic_d60bea1d",true]`},
		{"whoami", "{n: projectsVisible, ok: keyAccepted}", `{"n":2,"ok":true}`},
		{"project list", "[].id", `["5f1c","77aa"]`},
		{"project list", "[?paymentPlan=='pro'].{id: id, name: name}", `[{"id":"5f1c","name":"shop"}]`},
		{"project list", "nothing", `null`},
		{"env list", "[?status!='deployed'].name | [0]", `"staging"`},
		{"env list", "max_by([?lastDeployed], &lastDeployed).lastDeployed", `1790154420000`},
		{"version", "version", `"dev"`},
	} {
		s.want(result{test.want + "\n", "", 0}, append(strings.Fields(test.line), "--query", test.expression)...)
		words := strings.Fields(test.line)
		s.want(s.run(append(words, "--json")...), append(words, "--query", "@")...)
		s.want(s.run(append(words, "--json")...), append([]string{"--query=@", "--json"}, words...)...)
	}
	const typed = `{"error":{"code":"query.type","message":"bad query: abs() takes a number, not an object\u000a  abs(@)\u000a      ^","hint":"","httpStatus":null,"retryAfter":null,"retryable":false,"exitCode":2}}` + "\n"
	s.save("")
	s.want(result{"", typed, 2}, "login", "--query", "abs(@)")
	s.wantStored(testKey + "\n") // what was done stays done
	s.want(result{"", typed, 2}, "whoami", "--query", "abs(@)", "--quiet")
	s.want(result{"", typed, 2}, "logout", "--query", "abs(@)", "--quiet")
	s.wantStored("")
	s.want(result{"false\n", "", 0}, "logout", "--query", "removed")
	s.with("MICROTICA_TOKEN", otherKey).want(result{`"mic_0ther"` + "\n", `{"error":{"code":"auth.rejected","message":"the API rejected key mic_0ther from MICROTICA_TOKEN (HTTP 401): key revoked","hint":"set MICROTICA_TOKEN to a key that works; this one may be expired or revoked","httpStatus":401,"retryAfter":null,"retryable":false,"exitCode":3}}` + "\n", 3},
		"whoami", "--query", "apiKeyPrefix")
}

// TestAnExpressionIsAtMostSoDeep covers every way to nest, just within the limit and far beyond it.
func TestAnExpressionIsAtMostSoDeep(t *testing.T) {
	for _, test := range []struct{ start, again, middle, end string }{
		{"", "(", "@", ")"}, {"", "[", "@", "]"}, {"", "{a:", "@", "}"}, {"", "!", "@", ""}, {"a", ".a", "", ""}, {"a", "[0]", "", ""}, {"a", "[]", "", ""}, {"a", "[*]", "", ""}, {"a", "[:]", "", ""},
		{"a", "||a", "", ""}, {"a", "&&a", "", ""}, {"a", "|@", "", ""}, {"a", "==a", "", ""}, {"", "abs(", "@", ")"}, {"", "map(&", "@", ",@)"}, {"", "[?", "@", "]"}, {"@", ".*", "", ""}, {"", "*.", "a", ""}, {"", "[*].", "a", ""},
	} {
		few, many := 400, 128<<10/len(test.again)
		text := test.start + strings.Repeat(test.again, few) + test.middle + strings.Repeat(test.end, few)
		if _, err := compileQuery(text); err != nil {
			t.Errorf("%d times %s: %v", few, test.again, err)
		}
		text = test.start + strings.Repeat(test.again, many) + test.middle + strings.Repeat(test.end, many)
		began := time.Now()
		_, err := compileQuery(text)
		if err == nil || err.(*failure).code.name != "query.syntax" || err.Error() != "bad query: nested more than 1000 levels deep" {
			t.Errorf("%d times %s: %v", many, test.again, err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%d times %s took %v", many, test.again, took)
		}
		if _, err := compileQuery(text[:len(text)/2] + "#"); err == nil {
			t.Errorf("half of it is no error")
		}
	}
}

// TestAQueryCannotMakeTooMuch covers every way to double a value again and again.
func TestAQueryCannotMakeTooMuch(t *testing.T) {
	const tooMuch, tooLarge = "it makes too many values", "the result is larger than 32 MiB"
	for _, test := range []struct{ step, end, want string }{
		{"[@,@]", "@", tooLarge},
		{"[@,@]", "to_string(@)", tooMuch},
		{"[@,@]", "length(to_string(@))", tooMuch},
		{"[@,@]", "@==@", tooMuch},
		{"[@,@]", "contains(@,[0])", tooMuch},
		{"[@,@]", "[@[0]]==[@[1]]", tooMuch},
		{"{a:@,b:@}", "@", tooLarge},
		{"{a:@,b:@}", "@!={a:a,b:a}", tooMuch},
		{"[@,@][]", "length(@)", tooMuch},
		{"[@,@][]", "sort(@)", tooMuch},
		{"join('',[to_string(@),to_string(@)])", "length(@)", tooMuch},
		{"join('x',[to_string(@),'y'])", "@", ""},
	} {
		expression := strings.Repeat(test.step+" | ", 40) + test.end
		began := time.Now()
		_, err := queried(`["a"]`, expression)
		t.Logf("%v for %s, then %s", time.Since(began).Round(time.Millisecond), test.step, test.end)
		if test.want == "" && err == nil {
			continue
		}
		if err == nil || err.code.name != "query.type" || err.message != "bad query: "+test.want {
			t.Errorf("%s: %v, want %s", expression, err, test.want)
		}
	}
	// The limit is on bytes as they are printed: a rune of 3 bytes may become 6.
	large := `["` + strings.Repeat("\u2028", 6<<20) + `"]`
	if _, err := queried(large, "@"); err == nil || err.message != "bad query: "+tooLarge {
		t.Errorf("36 MiB of escapes: %v", err)
	}
	large = `["` + strings.Repeat("x", maxQueryResult-4) + `"]`
	if got, err := queried(large, "@"); err != nil || got != large {
		t.Errorf("a result of exactly 32 MiB: %v", err)
	}
}

// FuzzQuery asks any expression of any JSON: nothing panics, what comes out is JSON, and @ changes nothing.
func FuzzQuery(f *testing.F) {
	for _, expression := range []string{"@", "a.b[0]", "[*].a[]", "a[?b>`1`].{x:c,y:'d'}", "sort_by(a,&b)[::-1]", "merge(a,b)||!c&&d|[e]", "*.*", "a[1:-1:2]", "to_number('1e5')",
		"map(&to_string(@),@)", "[@,@]|[@,@]", "join(',',keys(@))", "reverse(sort(@))", "max_by(@,&a)==min_by(@,&a)", "avg(@)", "sum([].n)", "ceil(a)", "\"a\\u0041\"", "`{\"a\":1}`"} {
		f.Add(expression, `{"a":[{"b":1,"c":"x"},{"b":2.50,"a":null}],"n":[1,2e3],"b":{"z":"\u202e\ud800","a":true}}`)
		f.Add(expression, `[3,1,2]`)
		f.Add(expression, `["b","a"]`)
	}
	f.Fuzz(func(t *testing.T, expression, text string) {
		if v, err := decodeJSON([]byte(text), "", ""); err == nil {
			q, err := compileQuery("@")
			if err != nil {
				t.Fatal(err)
			}
			same, err := q.run(v, maxQueryResult)
			if err != nil || jsonText(same) != jsonText(v) {
				t.Fatalf("@ makes %q of %q, %v", jsonText(same), text, err)
			}
		}
		q, err := compileQuery(expression)
		if err != nil {
			if f := err.(*failure); len(f.detail) != 2 || f.exitStatus() != 2 {
				t.Fatalf("%+v", f)
			}
			return
		}
		if q.root.depth > maxQueryDepth {
			t.Fatalf("depth %d", q.root.depth)
		}
		v, err := decodeJSON([]byte(text), "", "")
		if err != nil {
			return
		}
		before := jsonText(v)
		result, err := q.run(v, 1<<16)
		if err != nil {
			if f := err.(*failure); f.code.name != "query.type" || len(f.detail) != 2 {
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
