package main

import (
	"strings"
	"testing"

	"microtica/internal/fakeapi"
)

// Row by row, the lists of the fake API.
const (
	projectTable = "ID    NAME\n5f1c  shop\n77aa  blog\n"
	stageTable   = "ID  NAME        STATUS    LAST DEPLOYED (UTC)\n" +
		"e1  production  deployed  2026-09-23 09:07\n" +
		"e2  staging     pending   -\n"
)

// TestProjectList prints a table of what the API sends, or with --json the array itself.
func TestProjectList(t *testing.T) {
	t.Parallel()
	api, s := newUser(t)
	empty := notice("note", "list.empty", "the key can see no projects", false)
	for _, test := range []struct{ body, table, json, note string }{
		{fakeapi.ProjectsBody, projectTable, `[{"id":"5f1c","name":"shop","description":` +
			`"The shop","paymentPlan":"pro"},{"id":"77aa","name":"blog","description":""}]`, ""},
		{` [ {"z":1.50, "name":"\u0061", "id":"a"} ]`, "ID  NAME\na   a\n",
			`[{"z":1.50,"name":"a","id":"a"}]`, ""},
		{`{"projects":[{},{"id":"","name":null},{"id":7,"name":["x"]},` +
			`{"id":"x","name":"\u001b[2J"}]}`,
			"ID  NAME\n-   -\n-   -\n-   -\nx   \\x1b[2J\n",
			`[{},{"id":"","name":null},{"id":7,"name":["x"]},{"id":"x","name":"\u001b[2J"}]`, ""},
		{`{"projects":[],"projects":[{"ID":"a","Name":"b","id":"c"}]}`, "ID  NAME\nc   b\n",
			`[{"ID":"a","Name":"b","id":"c"}]`, ""},
		{`{"projects":[]}`, "ID  NAME\n", "[]", empty},
	} {
		api.Answer("/projects", fakeapi.Reply(200, test.body))
		s.want(result{test.table, test.note, 0}, "project", "list")
		s.want(result{test.table, "", 0}, "project", "list", "--quiet")
		s.want(result{test.json + "\n", "", 0}, "project", "list", "--json", "--quiet")
	}
}

// TestListsMustHoldObjects refuses an answer without a list of objects before anything is printed.
func TestListsMustHoldObjects(t *testing.T) {
	t.Parallel()
	api, s := newUser(t)
	for _, list := range []string{`{}`, `null`, `"x"`, `5`, `[null]`, `[{},[]]`, `["{"]`} {
		for command, path := range map[string]string{
			"project list": "/projects", "env list --project 5f1c": "/projects/5f1c/details",
		} {
			what, body := "projects", `{"projects":`+list+`}`
			if strings.HasPrefix(command, "env") {
				what, body = "environments", `{"entities":{"stages":`+list+`}}`
			}
			api.Answer(path, fakeapi.Reply(200, body))
			s.wantError(badAnswer(api.Host(), "it has no valid list of "+what, 0),
				strings.Fields(command)...)
		}
	}
}

// TestEnvList prints a table of a project's environments, or with --json the array itself.
func TestEnvList(t *testing.T) {
	t.Parallel()
	api, s := newUser(t)
	s.with("MICROTICA_PROJECT_ID", " 5f1c\n")
	s.want(result{stageTable, "", 0}, "env", "list")
	times := func(values ...string) (list string) {
		for _, value := range values {
			list += `,{"id":"e","lastDeployed":` + value + `}`
		}
		return "[" + list[1:] + "]"
	}(`0`, `null`, `"1790154420000"`, `1790154479999.9`, `1.79015442e12`, `1`, `-1`,
		`253402300799999`, `253402300800000`, `-62167219200001`, `1e999`, `{}`)
	api.Answer("/projects/5f1c/details", fakeapi.Reply(200, `{"entities":{"stages":`+times+`}}`))
	want := "ID  NAME  STATUS  LAST DEPLOYED (UTC)\n"
	for _, last := range []string{"-", "-", "-", "2026-09-23 09:07", "2026-09-23 09:07",
		"1970-01-01 00:00", "1969-12-31 23:59", "9999-12-31 23:59", "-", "-", "-", "-"} {
		want += "e   -     -       " + last + "\n"
	}
	s.want(result{want, "", 0}, "env", "list")
	s.want(result{times + "\n", "", 0}, "env", "list", "--json")
	api.Answer("/projects/5f1c/details", fakeapi.Reply(200, `{"entities":{"stages":[]}}`))
	s.want(result{"ID  NAME  STATUS  LAST DEPLOYED (UTC)\n",
		notice("note", "list.empty", "the project has no environments", false), 0}, "env", "list")
}

// TestProjectIsChecked before anything is asked for, and escaped into one segment of the path.
func TestProjectIsChecked(t *testing.T) {
	t.Parallel()
	api, s := newUser(t)
	const hint = "run 'microtica project list' to see the projects' ids"
	for _, test := range []struct{ flag, variable, message string }{
		{"", " ", "no project: use --project ID or set MICROTICA_PROJECT_ID"},
		{" \t", "5f1c", "no project: use --project ID or set MICROTICA_PROJECT_ID"},
		{"..", "5f1c", "--project is not a project's id"},
		{"", " . ", "MICROTICA_PROJECT_ID is not a project's id"},
		{testKey, "5f1c", "--project is not a project's id"},
		{"", "x " + otherKey, "MICROTICA_PROJECT_ID is not a project's id"},
	} {
		args := []string{"env", "list"}
		if test.flag != "" {
			args = append(args, "--project", test.flag)
		}
		s.with("MICROTICA_PROJECT_ID", test.variable)
		s.wantError(wrong{"usage.project", test.message, hint, 0}, args...)
	}
	if seen := api.Seen(); seen != "" {
		t.Errorf("requests were made: %s", seen)
	}
	for id, path := range map[string]string{
		"a/../b": "a%2F..%2Fb", " x?y#z ": "x%3Fy%23z", "é%2e": "%C3%A9%252e", "...": "...",
		"dynamic_web_x": "dynamic_web_x",
	} {
		api.Answer("/projects/"+path+"/details", fakeapi.Reply(200, fakeapi.StagesBody))
		s.want(result{stageTable, "", 0}, "env", "list", "--project", id)
	}
}

// TestAPIPrintsTheWholeAnswer to GET PATH, escaped where it must be.
func TestAPIPrintsTheWholeAnswer(t *testing.T) {
	t.Parallel()
	api, s := newUser(t)
	for path, seen := range map[string]string{
		"me": "/me", "/me": "/me", "me?x=1&y=a b;é%20\\": "/me",
		"a b/%2F:é%c3": "/a%20b/%2F:%C3%A9%c3", "...": "/...", "a//b/": "/a//b/",
	} {
		api.Answer(seen, fakeapi.Reply(200, `{"x": [1.0,"\u0007"], "x": {}}`))
		s.want(result{`{"x":[1.0,"\u0007"],"x":{}}` + "\n", "", 0}, "api", path)
		if got := api.Seen(); got != seen {
			t.Errorf("api %s asks for %s, want %s", path, got, seen)
		}
	}
	api.Answer("/me", fakeapi.Reply(200, `5`))
	s.want(result{"5\n", "", 0}, "api", "me", "--json")
}

// TestAPIRefusesPaths that could leave the base URL, be read in two ways or hold a key.
func TestAPIRefusesPaths(t *testing.T) {
	t.Parallel()
	api, s := newUser(t)
	for message, paths := range map[string][]string{
		"is empty": {""},
		"has a % that two hexadecimal digits do not follow": {"a%", "a%4", "a?x=%zz", "%%20"},
		"holds what looks like an API key": {testKey, "a?k=" + testKey, "%6dic_d60bea1d_x",
			"a?k=mic%5Fd60bea1d%5Fx"},
		"is a URL: leave out the base URL": {
			"https://evil.example/", "x://", "//evil.example/me"},
		"may not have control characters, #, \\ or ;, nor . or .. as a segment": {"a\nb",
			"a%0d%0aHost:x", "a?x=%00", "a\u0085", "me#x", "me?x=#", `a\b`, "a%5Cb", "a;b",
			"a/..%3b/b", "..", "a/./b", "a/..", "%2e%2E/x", "a%2f..%2fb", "/../x"},
	} {
		for _, path := range paths {
			s.wantError(wrong{"usage", "PATH " + message, usageAPI, 0}, "api", path)
		}
	}
	if seen := api.Seen(); seen != "" {
		t.Errorf("requests were made: %s", seen)
	}
}
