package main

import (
	"strings"
	"testing"
)

// TestListsAsJSONKeepWhatTheAPISent covers order, digits, white space and escapes.
func TestListsAsJSONKeepWhatTheAPISent(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	s := newShell(t, api).with("MICROTICA_TOKEN", testKey)
	api.answer("/projects", reply(200, ` { "count" : 1 , "projects" : [ { "z" : 1.0 , "a" : `+
		`[ 1e2 , 123456789012345678901234567890, -0 ] , "<&>" : "\u003c\/\u00e9\"\\\n" , `+
		`"z" : null , "e" : { } , "l" : [ ] , "t":true,"f":false} ] } `))
	s.want(result{`[{"z":1.0,"a":[1e2,123456789012345678901234567890,-0],"<&>":"</é\"\\\u000a",` +
		`"z":null,"e":{},"l":[],"t":true,"f":false}]` + "\n", "", 0}, "project", "list", "--json")
	api.answer("/projects/5f1c/details",
		reply(200, `{"entities":{"stages":[{"lastDeployed":1.5e12,"id":"e"}]}}`))
	s.want(result{`[{"lastDeployed":1.5e12,"id":"e"}]` + "\n", "", 0},
		"env", "list", "--project", "5f1c", "--json")
}

// TestAnEmptyListIsNoError prints the header and a note.
func TestAnEmptyListIsNoError(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	api.answer("/projects", reply(200, `{"projects":[]}`))
	api.answer("/projects/5f1c/details", reply(200, `{"entities":{"stages":[]}}`))
	s := newShell(t, api).with("MICROTICA_TOKEN", testKey, "MICROTICA_PROJECT_ID", "5f1c")
	const projects, stages = "ID  NAME\n", "ID  NAME  STATUS  LAST DEPLOYED\n"
	const none = "the key can see no environments"
	s.want(result{projects, "note: the key can see no projects\n", 0}, "project", "list")
	s.want(result{projects, "", 0}, "project", "list", "--quiet")
	s.want(result{stages, "note: " + none + "\n", 0}, "env", "list")
	s.want(result{"[]\n", notice("note", "list.empty", none, true), 0}, "env", "list", "--json")
	s.want(result{"[]\n", "", 0}, "env", "list", "--json", "--quiet")
}

// TestAListIsAnArrayOfObjects covers answers of the right shape. (What is not is in
// TestAnotherServersAnswerIsNotTheAPIs.)
func TestAListIsAnArrayOfObjects(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	s := newShell(t, api).with("MICROTICA_TOKEN", testKey)
	deep := `[{"a":` + strings.Repeat("[", 9998) + strings.Repeat("]", 9998) + `}]`
	for body, list := range map[string]string{
		` [ ] `:                         "[]",
		`{"projects":[{}],"next":null}`: "[{}]",
		`{"projects":[{"id":1}],"projects":[{}]}`: "[{}]",
		`{"projects":null,"\u0070rojects":[]}`:    "[]",
		deep:                                      deep,
	} {
		api.answer("/projects", reply(200, body))
		s.want(result{list + "\n", "", 0}, "project", "list", "--json", "--quiet")
	}
}
