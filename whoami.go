package main

import (
	"fmt"
	"io"
	"slices"
)

var cmdWhoami = &command{
	name:  "whoami",
	short: "check whether the key works",
	help: `Asks the API whether the key works, and reports which key it is, whether the API
was reached, and how many projects the key can see, whatever the API answers.
The exit status is 0 only if the key works.

JSON: {"via","apiKeyPrefix","source","apiUrl","apiReachable","keyAccepted",
"projectsVisible"}; source is a variable or a file; what is unknown is null

Examples:
  microtica whoami
  MICROTICA_TOKEN_FILE=key.txt microtica whoami --json
`,
	run: runWhoami,
}

// runWhoami reports whether the key works. An error follows the report.
func runWhoami(a *app) error {
	c, err := a.newClient()
	if err != nil {
		return err
	}
	check := c.tryKey()
	report := struct {
		Via             string `json:"via"`
		APIKeyPrefix    string `json:"apiKeyPrefix"`
		Source          string `json:"source"`
		APIURL          string `json:"apiUrl"`
		APIReachable    bool   `json:"apiReachable"`
		KeyAccepted     *bool  `json:"keyAccepted"`
		ProjectsVisible *int   `json:"projectsVisible"`
	}{Via: "apikey", APIKeyPrefix: c.key.String(), Source: c.source, APIURL: c.base.String()}
	// Success, and the errors that only an answer of the API itself can be.
	report.APIReachable = slices.Contains([]*code{nil, codeAuthRejected, codeAPIForbidden,
		codeAPIRefused, codeAPIRateLimited, codeAPIServer}, codeOf(check.err))
	visible, accepted := "unknown", check.err == nil
	if accepted {
		report.ProjectsVisible = &check.projects
		visible = fmt.Sprint(check.projects)
	}
	if accepted || codeOf(check.err) == codeAuthRejected {
		report.KeyAccepted = &accepted
	}
	err = a.print(report, func(w io.Writer) {
		fmt.Fprintf(w, "via:                %s\napi key prefix:     %s\n"+
			"api reachable:      %t\nprojects visible:   %s\n",
			report.Via, report.APIKeyPrefix, report.APIReachable, visible)
	})
	if err != nil {
		return err
	}
	if check.limited {
		a.tell("note", "key.limited", "key %v has no project-wide read access", c.key)
	}
	return check.err
}
