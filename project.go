package main

import (
	"encoding/json"
	"io"
	"math"
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
	type project struct{ ID, Name text }
	header := []string{"ID", "NAME"}
	return printList(a, list, "the key can see no projects", header, func(p *project) []string {
		return []string{string(p.ID), string(p.Name)}
	})
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
	type environment struct {
		ID, Name, Status text
		LastDeployed     moment
	}
	header := []string{"ID", "NAME", "STATUS", "LAST DEPLOYED (UTC)"}
	const empty = "the project has no environments"
	return printList(a, list, empty, header, func(e *environment) []string {
		return []string{string(e.ID), string(e.Name), string(e.Status), string(e.LastDeployed)}
	})
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

// moment is when an environment was last deployed, in UTC to the minute; "" if that is 0, not a
// number, or outside the years 0 to 9999. The API sends a number, which is assumed to be
// milliseconds since 1970.
type moment string

func (m *moment) UnmarshalJSON(b []byte) error {
	const first, end = -62_167_219_200_000, 253_402_300_800_000
	var ms float64
	*m = ""
	if err := json.Unmarshal(b, &ms); err == nil && ms != 0 && first <= ms && ms < end {
		*m = moment(time.UnixMilli(int64(math.Floor(ms))).UTC().Format("2006-01-02 15:04"))
	}
	return nil
}

// text is a string in an answer; "" if something else is there.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	*t = ""
	json.Unmarshal(b, (*string)(t)) // leaves it empty for another type
	return nil
}

// printList prints an array of objects as JSON or as a table, with the note empty if it is empty.
func printList[T any](a *app, list jsonText, empty string, header []string,
	cells func(*T) []string) error {
	err := a.print(list, func(w io.Writer) {
		var elements []*T
		json.Unmarshal([]byte(list), &elements) // cannot fail: T takes any object
		writeTable(w, func(yield func([]string) bool) {
			more := yield(header)
			for i := 0; more && i < len(elements); i++ {
				more = yield(cells(elements[i]))
			}
		})
	})
	if err == nil && list == "[]" {
		a.tell("note", "list.empty", "%s", empty)
	}
	return err
}
