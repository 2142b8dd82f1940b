package main

import "testing"

const idsHint = "run 'microtica project list' to see the projects' ids"

// TestEnvListFindsItsProject covers the flag, the variable, and what cannot be an id.
func TestEnvListFindsItsProject(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	api.answer("/projects/b/details", reply(200, `{"entities":{"stages":[]}}`))
	s := newShell(t, api).with("MICROTICA_TOKEN", testKey)
	usage := func(message string) wrong { return wrong{"usage.project", message, idsHint, 0} }
	missing := usage("no project: use --project ID or set MICROTICA_PROJECT_ID")
	s.wantError(missing, "env", "list")
	s.with("MICROTICA_PROJECT_ID", "").wantError(missing, "env", "list")
	if seen := api.seen(); seen != "" {
		t.Errorf("requests without a project: %s", seen)
	}
	s.with("MICROTICA_PROJECT_ID", "5f1c").run("env", "list")
	s.run("env", "list", "--project", "b")
	if got, want := api.seen(), "/projects/5f1c/details /projects/b/details"; got != want {
		t.Errorf("requests: %s, want %s", got, want)
	}
	s.wantError(usage("--project is empty"), "env", "list", "--project", "")
	s.wantError(usage("--project holds what looks like an API key, not a project's id"),
		"env", "list", "--project", testKey)
	s.with("MICROTICA_PROJECT_ID", "..").
		wantError(usage("MICROTICA_PROJECT_ID is not a project's id: .."), "env", "list")
	s.with("MICROTICA_PROJECT_ID", testKey).wantError(
		usage("MICROTICA_PROJECT_ID holds what looks like an API key, not a project's id"),
		"env", "list")
	if seen := api.seen(); seen != "" {
		t.Errorf("requests for what is not an id: %s", seen)
	}
}

// TestEnvironmentsAreAnArrayOfObjects covers answers of another shape.
func TestEnvironmentsAreAnArrayOfObjects(t *testing.T) {
	t.Parallel()
	const noList = "it has no list of environments"
	for _, test := range []struct{ body, why string }{
		{`{}`, noList},
		{`[]`, noList},
		{`{"entities":null}`, noList},
		{`{"entities":[]}`, noList},
		{`{"entities":{}}`, noList},
		{`{"stages":[]}`, noList},
		{`{"entities":{"stages":{}}}`, noList},
		{`{"entities":{"stages":["production"]}}`,
			noList},
	} {
		api := newFakeAPI(t)
		api.answer("/projects/5f1c/details", reply(200, test.body))
		newShell(t, api).with("MICROTICA_TOKEN", testKey).
			wantError(badAnswer(api.host(), test.why, 0), "env", "list", "--project", "5f1c")
	}
}

// missingProject is the error for a project that the API does not know.
func missingProject(id, hint, said string) wrong {
	return wrong{"api.not_found",
		"the API cannot find project " + id + " (HTTP 404)" + said,
		hint, 404}
}

const missingHint = "run 'microtica project list' to see the projects"

// TestAProjectIsOneSegmentOfThePath covers ids that would end the segment, or begin another, if
// they were not escaped.
func TestAProjectIsOneSegmentOfThePath(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	for id, segment := range map[string]string{
		"a/b": "a%2Fb", "../me": "..%2Fme", "a/..": "a%2F..", "/": "%2F", "a b": "a%20b",
		"%2e": "%252e", "%2e%2e": "%252e%252e", "a%2Fb": "a%252Fb", "...": "...",
		"ü": "%C3%BC", "a?b#c": "a%3Fb%23c", "a;b": "a%3Bb", "a\\b": "a%5Cb",
		"a\r\nX: y": "a%0D%0AX:%20y", "\xff": "%FF", "a+b": "a+b", "a:b@c": "a:b@c", ".a": ".a",
	} {
		newShell(t, api).with("MICROTICA_TOKEN", testKey).
			wantError(missingProject(clean(id), missingHint, ": no such path"),
				"env", "list", "--project", id)
		want := "/projects/" + segment + "/details"
		if seen := api.seen(); seen != want+" "+want {
			t.Errorf("%q arrived as %q", id, seen)
		}
	}
}

// TestAMissingProjectsHintLooksAtItsID covers ids as scripts get them wrong.
func TestAMissingProjectsHintLooksAtItsID(t *testing.T) {
	t.Parallel()
	const quotes = "the id has quotes around it: leave them out (--raw prints an id without quotes)"
	const null = "the id is null: what was to supply it found nothing; " +
		"run 'microtica project list'"
	const placeholder = "the id is a placeholder: " + idsHint
	api := newFakeAPI(t)
	for id, hint := range map[string]string{
		`"5f1c"`: quotes, "'5f1c'": quotes, `"5f1c`: quotes, "5f1c`": quotes, `"`: quotes,
		"null": null, "<ID>": placeholder, "<": missingHint, "nullable": missingHint,
		"<a": missingHint, "a>": missingHint, `a"b`: missingHint,
	} {
		newShell(t, api).with("MICROTICA_TOKEN", testKey).
			wantError(missingProject(id, hint, ": no such path"), "env", "list", "--project", id)
	}
}

// TestLastDeployedIsUTC covers the times that a number can mean.
func TestLastDeployedIsUTC(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ json, want string }{
		{"1790154420000", "2026-09-23 09:07"},
		{"1790154479999", "2026-09-23 09:07"},
		{"1.79015442e12", "2026-09-23 09:07"},
		{"1790154420000.75", "2026-09-23 09:07"},
		{"0", "-"},
		{"-0", "-"},
		{"0.0e7", "-"},
		{"1", "1970-01-01 00:00"},
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
		api.answer("/projects/5f1c/details",
			reply(200, `{"entities":{"stages":[{"id":"e","lastDeployed":`+test.json+`}]}}`))
		const table = "ID  NAME  STATUS  LAST DEPLOYED\ne   -     -       "
		newShell(t, api).with("MICROTICA_TOKEN", testKey).
			want(result{table + test.want + "\n", "", 0}, "env", "list", "--project", "5f1c")
	}
}
