package main

import (
	"strings"
	"testing"
)

// TestAnEmptyListIsNotAnError expects the header and a note.
func TestAnEmptyListIsNotAnError(t *testing.T) {
	t.Parallel()
	api, s := newUser(t)
	s.with("MICROTICA_PROJECT_ID", "5f1c")
	api.answer("/projects", reply(200, `{"projects":[]}`))
	api.answer("/projects/5f1c/details", reply(200, `{"entities":{"stages":[]}}`))
	const projects, stages = "ID  NAME\n", "ID  NAME  STATUS  LAST DEPLOYED\n"
	const none = "the key can see no environments"
	s.want(result{projects, "note: the key can see no projects\n", 0}, "project", "list")
	s.want(result{projects, "", 0}, "project", "list", "--quiet")
	s.want(result{stages, "note: " + none + "\n", 0}, "env", "list")
	s.want(result{"[]\n", notice("note", "list.empty", none, true), 0}, "env", "list", "--json")
	s.want(result{"[]\n", "", 0}, "env", "list", "--json", "--quiet")
}

// TestAListIsAnArrayOfObjects covers answers of the right shape: --json prints the list alone.
// (Those of a wrong shape are in TestAnotherServersAnswerIsNotTheAPIs.)
func TestAListIsAnArrayOfObjects(t *testing.T) {
	t.Parallel()
	const env, details = "env list --project 5f1c --json", "/projects/5f1c/details"
	for _, test := range []struct{ args, path, body, list string }{
		{"project list --json", "/projects", `{"projects":[{"z":1.0}],"next":null}`, `[{"z":1.0}]`},
		{"project list --json", "/projects", ` [ { } , { } ] `, "[{},{}]"},
		{"project list --json", "/projects", `{"projects":[],"\u0070rojects":[{}]}`, "[{}]"},
		{env, details, `{"entities":{"stages":[{"b":1,"a":2}]}}`, `[{"b":1,"a":2}]`},
	} {
		api, s := newUser(t)
		api.answer(test.path, reply(200, test.body))
		s.want(result{test.list + "\n", "", 0}, strings.Fields(test.args)...)
	}
}
