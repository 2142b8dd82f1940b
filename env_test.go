package main

import (
	"strings"
	"testing"
)

const idsHint = "run 'microtica project list' to see the projects' ids"

// TestEnvListFindsItsProject covers the flag, the variable, and what cannot be an id.
func TestEnvListFindsItsProject(t *testing.T) {
	t.Parallel()
	api, s := newUser(t)
	usage := func(message string) wrong { return wrong{"usage.project", message, idsHint, 0} }
	missing := usage("no project: use --project ID or set MICROTICA_PROJECT_ID")
	s.wantError(missing, "env", "list")
	s.with("MICROTICA_PROJECT_ID", "").wantError(missing, "env", "list")
	s.wantError(usage("--project is empty"), "env", "list", "--project", "")
	for id, why := range map[string]string{
		".":     "is not a project's id: .",
		"..":    "is not a project's id: ..",
		testKey: "holds what looks like an API key, not a project's id",
	} {
		s.with("MICROTICA_PROJECT_ID", id)
		s.wantError(usage("MICROTICA_PROJECT_ID "+why), "env", "list")
	}
	s.with("MICROTICA_PROJECT_ID", "5f1c").run("env", "list")
	s.run("env", "list", "--project", "b")
	if got, want := api.seen(), "/projects/5f1c/details /projects/b/details"; got != want {
		t.Errorf("requests: %s, want %s", got, want)
	}
}

// missingProject is the error for a project that the API does not know.
func missingProject(id, hint, said string) wrong {
	return wrong{"api.not_found",
		"the API cannot find project " + id + " for key mic_d60bea1d (HTTP 404)" + said,
		hint, 404}
}

const missingHint = "run 'microtica project list' to see the projects"

// TestAProjectIsOneSegmentOfThePath covers ids that would end the segment, or begin another, if
// they were not escaped, and ids as scripts get them wrong, for which there are hints.
func TestAProjectIsOneSegmentOfThePath(t *testing.T) {
	t.Parallel()
	const quotes = "the id has quotes around it: leave them out (--raw prints an id without quotes)"
	const null = "the id is null: what was to supply it found nothing; " +
		"run 'microtica project list'"
	const placeholder = "the id is a placeholder: " + idsHint
	api, s := newUser(t)
	for _, test := range []struct{ id, segment, hint string }{
		{"../me", "..%2Fme", missingHint},
		{"/", "%2F", missingHint},
		{"%2e%2e", "%252e%252e", missingHint},
		{"...", "...", missingHint},
		{"ü b", "%C3%BC%20b", missingHint},
		{"a?b#c;d\\e", "a%3Fb%23c%3Bd%5Ce", missingHint},
		{"a\r\nX: y", "a%0D%0AX:%20y", missingHint},
		{"\xff", "%FF", missingHint},
		{"a+b:c@d", "a+b:c@d", missingHint},
		{`"5f1c`, "%225f1c", quotes},
		{`5f1c"`, "5f1c%22", quotes},
		{"5f1c'", "5f1c%27", quotes},
		{"`5f1c", "%605f1c", quotes},
		{`a"b`, "a%22b", missingHint},
		{"null", "null", null},
		{"<ID>", "%3CID%3E", placeholder},
		{"<a", "%3Ca", missingHint},
		{"a>", "a%3E", missingHint},
	} {
		s.wantError(missingProject(clean(test.id), test.hint, ": no such path"),
			"env", "list", "--project", test.id)
		want := "/projects/" + test.segment + "/details"
		if seen := api.seen(); seen != want+" "+want {
			t.Errorf("%q arrived as %q", test.id, seen)
		}
	}
}

// TestLastDeployedIsUTC covers the times that a number can mean.
func TestLastDeployedIsUTC(t *testing.T) {
	t.Parallel()
	var stages []string
	table := "ID  NAME  STATUS  LAST DEPLOYED\n"
	for _, test := range []struct{ json, shown string }{
		{"1790154420000", "2026-09-23 09:07"},
		{"1790154479999", "2026-09-23 09:07"},
		{"1.79015442e12", "2026-09-23 09:07"},
		{"0", "-"},
		{"-0.0e7", "-"},
		{"1", "1970-01-01 00:00"},
		{"-1", "1969-12-31 23:59"},
		{"-0.5", "1969-12-31 23:59"},
		{"253402300799999", "9999-12-31 23:59"},
		{"253402300800000", "-"},
		{"-62167219200000", "0000-01-01 00:00"},
		{"-62167219200001", "-"},
		{"1e400", "-"},
		{"123456789012345678901234567890", "-"},
		{`"1790154420000"`, "-"},
		{"null", "-"},
	} {
		stages = append(stages, `{"id":"e","lastDeployed":`+test.json+`}`)
		table += "e   -     -       " + test.shown + "\n"
	}
	api, s := newUser(t)
	api.answer("/projects/5f1c/details",
		reply(200, `{"entities":{"stages":[`+strings.Join(stages, ",")+`]}}`))
	s.want(result{table, "", 0}, "env", "list", "--project", "5f1c")
}
