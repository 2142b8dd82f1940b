package main

import (
	"errors"
	"strings"
	"testing"
)

// TestListsAreTables covers columns, order, what stands for a missing value, and text that a terminal must not get.
func TestListsAreTables(t *testing.T) {
	for _, test := range []struct{ name, body, want string }{
		{"as they come", `{"projects":[{"name":"b","id":"2"},{"id":"1","name":"a"}]}`, "ID  NAME\n2   b\n1   a\n"},
		{"a bare array", `[{"id":"1","name":"a"}]`, "ID  NAME\n1   a\n"},
		{"missing, empty, of another type", `[{},{"id":"","name":null},{"id":7,"name":["x"]},{"id":true,"name":{}}]`, "ID  NAME\n-   -\n-   -\n-   -\n-   -\n"},
		{"wide runes count as one", `[{"id":"日本","name":"a"},{"id":"x","name":"é"}]`, "ID  NAME\n日本  a\nx   é\n"},
		{"dangerous runes", `[{"id":"a\tb","name":"x\u001b[31m\n\u202e\u2028\u00ad\udb40\udc01\u0085\u007f"}]`,
			"ID      NAME\na\\x09b  x\\x1b[31m\\x0a\\u202e\\u2028\\u00ad\\U000e0001\\u0085\\x7f\n"},
		{"invalid UTF-8", "[{\"id\":\"\xff\",\"name\":\"\\ud800!\"}]", "ID    NAME\n\\xff  \uFFFD!\n"},
		{"the last of two members of a name", `[{"id":"1","name":"a","id":"2"}]`, "ID  NAME\n2   a\n"},
		{"escaped names", `[{"\u0069d":"1","n\u0061me":"a"}]`, "ID  NAME\n1   a\n"},
		{"escaped names behind one that stands twice", `[{"a":1,"a":2,"\u0069d":"1","n\u0061me":"a"}]`, "ID  NAME\n1   a\n"},
	} {
		api := newFakeAPI(t)
		api.answer("/projects", reply(200, test.body))
		t.Run(test.name, func(t *testing.T) {
			newShell(t, api).with("MICROTICA_TOKEN", testKey).want(result{test.want, "", 0}, "project", "list")
		})
	}
}

// TestListsAsJSONKeepWhatTheAPISent covers order, digits, duplicate names, white space and escapes.
func TestListsAsJSONKeepWhatTheAPISent(t *testing.T) {
	api := newFakeAPI(t)
	s := newShell(t, api).with("MICROTICA_TOKEN", testKey)
	api.answer("/projects", reply(200, ` { "count" : 1 , "projects" : [ { "z" : 1.0 , "a" : [ 1e2 , 123456789012345678901234567890, -0 ] ,
		"<&>" : "\u003c\/\u00e9\"\\\n" , "z" : null , "e" : { } , "l" : [ ] , "t":true,"f":false} ] } `))
	s.want(result{`[{"z":1.0,"a":[1e2,123456789012345678901234567890,-0],"<&>":"</é\"\\\u000a","z":null,"e":{},"l":[],"t":true,"f":false}]` + "\n", "", 0}, "project", "list", "--json")
	api.answer("/projects/5f1c/details", reply(200, `{"entities":{"stages":[{"lastDeployed":1.5e12,"id":"e"}]}}`))
	s.want(result{`[{"lastDeployed":1.5e12,"id":"e"}]` + "\n", "", 0}, "env", "list", "--project", "5f1c", "--json")
	if got, want := api.seen(), "/projects /projects/5f1c/details"; got != want {
		t.Errorf("requests: %s, want %s", got, want)
	}
}

// TestAnEmptyListIsNoError prints the header and a note.
func TestAnEmptyListIsNoError(t *testing.T) {
	api := newFakeAPI(t)
	api.answer("/projects", reply(200, `{"projects":[]}`))
	api.answer("/projects/5f1c/details", reply(200, `{"entities":{"stages":[]}}`))
	s := newShell(t, api).with("MICROTICA_TOKEN", testKey, "MICROTICA_PROJECT_ID", "5f1c")
	s.want(result{"ID  NAME\n", "note: the key can see no projects\n", 0}, "project", "list")
	s.want(result{"ID  NAME\n", "", 0}, "project", "list", "--quiet")
	s.want(result{"ID  NAME  STATUS  LAST DEPLOYED\n", "note: the key can see no environments\n", 0}, "env", "list")
	s.want(result{"[]\n", `{"note":{"code":"list.empty","message":"the key can see no environments"}}` + "\n", 0}, "env", "list", "--json")
	s.want(result{"[]\n", "", 0}, "env", "list", "--json", "--quiet")
}

// TestEnvListFindsItsProject covers the flag, the variable, and what cannot be an id.
func TestEnvListFindsItsProject(t *testing.T) {
	const hint = "run 'microtica project list' to see the projects' ids"
	api := newFakeAPI(t)
	api.answer("/projects/b/details", reply(200, `{"entities":{"stages":[]}}`))
	s := newShell(t, api).with("MICROTICA_TOKEN", testKey)
	missing := usageError("no project: neither --project nor MICROTICA_PROJECT_ID is given", hint)
	s.want(missing, "env", "list")
	s.with("MICROTICA_PROJECT_ID", "").want(missing, "env", "list")
	s.with("MICROTICA_PROJECT_ID", "5f1c").run("env", "list")
	s.run("env", "list", "--project", "b")
	if got, want := api.seen(), "/projects/5f1c/details /projects/b/details"; got != want {
		t.Errorf("requests: %s, want %s", got, want)
	}
	s.with("MICROTICA_PROJECT_ID", "..").want(usageError("MICROTICA_PROJECT_ID is no project's id: ..", hint), "env", "list")
	s.with("MICROTICA_PROJECT_ID", testKey).want(usageError("MICROTICA_PROJECT_ID holds what looks like an API key, not a project's id", hint), "env", "list")
	if got := s.run("whoami"); got.code != 0 || got.stderr != "" {
		t.Errorf("whoami looks at the project: %s", got)
	}
}

// TestLastDeployedIsUTC covers the times that a number can mean.
func TestLastDeployedIsUTC(t *testing.T) {
	for _, test := range []struct{ json, want string }{
		{"1790154420000", "2026-09-23 09:07"},
		{"1790154479999", "2026-09-23 09:07"},
		{"1.79015442e12", "2026-09-23 09:07"},
		{"1790154420000.75", "2026-09-23 09:07"},
		{"0", "1970-01-01 00:00"},
		{"-1", "1969-12-31 23:59"},
		{"253402300799999", "9999-12-31 23:59"},
		{"253402300800000", "-"},
		{"-62167219200000", "0000-01-01 00:00"},
		{"-62167219200001", "-"},
		{"1e400", "-"},
		{"123456789012345678901234567890", "-"},
		{`"1790154420000"`, "-"},
		{"null", "-"},
		{"true", "-"},
		{"{}", "-"},
	} {
		api := newFakeAPI(t)
		api.answer("/projects/5f1c/details", reply(200, `{"entities":{"stages":[{"id":"e","lastDeployed":`+test.json+`}]}}`))
		want := result{"ID  NAME  STATUS  LAST DEPLOYED\ne   -     -       " + test.want + "\n", "", 0}
		newShell(t, api).with("MICROTICA_TOKEN", testKey).want(want, "env", "list", "--project", "5f1c")
	}
}

// brokenPipe fails after so many bytes.
type brokenPipe struct{ left int }

func (b *brokenPipe) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, errors.New("no space left on device")
	}
	return len(p), nil
}

// TestAWriteErrorIsAnError covers every command that prints, at the first byte and later.
func TestAWriteErrorIsAnError(t *testing.T) {
	api := newFakeAPI(t)
	api.answer("/projects", reply(200, `[`+strings.Repeat(`{"id":"1","name":"a project of some length"},`, 10000)+`{}]`))
	for _, line := range []string{"whoami", "whoami --json", "project list", "project list --json", "env list", "version", "help", "help login", "logout --json"} {
		for _, room := range []int{0, 100000} {
			if room > 0 && !strings.HasPrefix(line, "project list") {
				continue
			}
			s := newShell(t, api).with("MICROTICA_TOKEN", testKey, "MICROTICA_PROJECT_ID", "5f1c")
			s.output = &brokenPipe{room}
			got := s.run(append(strings.Fields(line), "--quiet")...)
			text, json := "error: cannot write to stdout: no space left on device\n",
				`{"error":{"code":"output.write","message":"cannot write to stdout: no space left on device","hint":"","httpStatus":null,"retryable":false,"exitCode":1}}`+"\n"
			if got.code != 1 || got.stderr != text && got.stderr != json {
				t.Errorf("%s: %s", line, got)
			}
		}
	}
}
