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
	if got, want := api.seen(), "/projects /projects/5f1c/details"; got != want {
		t.Errorf("requests: %s, want %s", got, want)
	}
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

// TestAListIsAnArrayOfObjects covers answers of the right shape and of another. (What is JSON at
// all is TestOnlyJSONIsParsed's.)
func TestAListIsAnArrayOfObjects(t *testing.T) {
	t.Parallel()
	deep := func(levels int) string {
		return `[{"a":` + strings.Repeat("[", levels-2) + strings.Repeat("]", levels-2) + `}]`
	}
	const noList = "it has no list of projects"
	for _, test := range []struct{ body, stdout, why string }{
		{`{"projects":[]}`, "[]", ""},
		{` [ ] `, "[]", ""},
		{`{"projects":[{}],"next":null}`, "[{}]", ""},
		{`{"projects":[{"id":1}],"projects":[{"id":2}]}`, `[{"id":2}]`, ""},
		{`{"projects":null,"\u0070rojects":[]}`, `[]`, ""},
		{deep(10000), deep(10000), ""},
		{"", "", notJSON},
		{"\uFEFF[]", "", notJSON},
		{`{"projects":[]}` + "\x00", "", notJSON},
		{"null", "", noList},
		{"1", "", noList},
		{`"projects"`, "", noList},
		{"{}", "", noList},
		{`{"projects":null}`, "", noList},
		{`{"projects":{}}`, "", noList},
		{`{"projects":"none"}`, "", noList},
		{`{"Projects":[]}`, "", noList},
		{`{"projects":[1]}`, "", noList},
		{`[{},null]`, "", noList},
		{`[[]]`, "", noList},
	} {
		api := newFakeAPI(t)
		api.answer("/projects", reply(200, test.body))
		s := newShell(t, api).with("MICROTICA_TOKEN", testKey)
		if test.why == "" {
			want := result{test.stdout + "\n", "", 0}
			s.want(want, "project", "list", "--json", "--quiet")
		} else {
			s.wantError(badAnswer(api.host(), test.why, 0), "project", "list")
		}
	}
}
