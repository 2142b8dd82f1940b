package main

import (
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

var cmdProjectList = &command{
	name:  "project list",
	short: "list the projects a key can see",
	help: `Lists the projects that the key can see. A key without project-wide read access
is refused (exit status 4), but can list its project's environments.

JSON: [{"id","name","description",…},…] with every field that the API sends

Example:
  microtica project list --json
`,
	run: runProjectList,
}

func runProjectList(a *app) error {
	c, err := a.newClient()
	if err != nil {
		return err
	}
	list, err := c.projects()
	if err != nil {
		return err
	}
	return a.printList(list, "the key can see no projects",
		[]string{"ID", "NAME"}, []string{"id", "name"})
}

var cmdEnvList = &command{
	name:  "env list",
	args:  "[--project ID]",
	short: "list a project's environments",
	help: `Lists the environments of the project that --project or MICROTICA_PROJECT_ID
names, with the time of the last deployment in UTC.

JSON: [{"id","name","description","status","lastDeployed",…},…] with every field
that the API sends; lastDeployed is in milliseconds since 1970, or missing

Examples:
  microtica env list --project 5f1c
  MICROTICA_PROJECT_ID=5f1c microtica env list --json
`,
	run: runEnvList,
}

func runEnvList(a *app) error {
	project, err := a.projectID()
	if err != nil {
		return err
	}
	c, err := a.newClient()
	if err != nil {
		return err
	}
	list, err := c.environments(project)
	if err != nil {
		return err
	}
	return a.printList(list, "the project has no environments",
		[]string{"ID", "NAME", "STATUS", "LAST DEPLOYED (UTC)"},
		[]string{"id", "name", "status", "lastDeployed"})
}

// projectID returns the project to use. It fails (usage.project) if there is none, or if it cannot
// be a project's id.
func (a *app) projectID() (string, error) {
	id, source := strings.TrimSpace(a.project), "--project"
	if a.project == "" {
		id, source = a.getenv("MICROTICA_PROJECT_ID"), "MICROTICA_PROJECT_ID"
	}
	wrong := source + " is not a project's id"
	switch {
	case id == "":
		wrong = "no project: use --project ID or set MICROTICA_PROJECT_ID"
	case id != "." && id != ".." && redact(id) == id: // dots would name another endpoint
		return id, nil
	}
	return "", fail(codeUsageProject, "%s", wrong).
		withHint("run 'microtica project list' to see the projects' ids")
}

// printList prints an array of objects as JSON, or as a table of the members of those names. If
// there are none, ifEmpty is a note.
func (a *app) printList(list jsonText, ifEmpty string, header, names []string) error {
	err := a.print(list, func(w io.Writer) {
		writeTable(w, func(yield func([]string) bool) {
			yield(header)
			for _, element := range list.parts() {
				yield(cells(element, names))
			}
		})
	})
	if err == nil && list == "[]" {
		a.tell("note", "list.empty", "%s", ifEmpty)
	}
	return err
}

// cells returns what a table shows of an object's members of those names: a string as it is, a time
// in UTC to the minute, "" for anything else. As in encoding/json, names match in any case, and of
// several the last one counts.
func cells(object jsonText, names []string) []string {
	row := make([]string, len(names))
	for quoted, value := range object.parts() {
		for i, name := range names {
			switch {
			case !strings.EqualFold(string(quoted[1:len(quoted)-1]), name):
			case name == "lastDeployed":
				row[i] = moment(string(value))
			case value[0] == '"':
				row[i] = unquote(string(value))
			default:
				row[i] = ""
			}
		}
	}
	return row
}

// moment returns when an environment was last deployed; "" if that is 0, not a number, or outside
// the years 0 to 9999. The API sends a number, which is assumed to be milliseconds since 1970.
func moment(number string) string {
	const first, end = -62_167_219_200_000, 253_402_300_800_000
	ms, err := strconv.ParseFloat(number, 64)
	if err != nil || ms == 0 || ms < first || ms >= end {
		return ""
	}
	return time.UnixMilli(int64(math.Floor(ms))).UTC().Format("2006-01-02 15:04")
}
