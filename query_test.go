package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"
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
	v, err = q.run(v)
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
					if err == nil || err.code != codes[c.Error] {
						t.Errorf("%s: %s gives %s, %+v, want %s", filepath.Base(file), c.Expression, got, err, c.Error)
					}
				case err != nil:
					t.Errorf("%s: %s: %s %s", filepath.Base(file), c.Expression, err.code, err)
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
