package main

import (
	"context"
	"math"
	"strconv"
	"time"
)

// runEnvList lists a project's environments.
func runEnvList(ctx context.Context, a *app) error {
	project, err := a.projectID()
	if err != nil {
		return err
	}
	c, err := a.newClient()
	if err != nil {
		return err
	}
	list, err := c.environments(ctx, project)
	if err != nil {
		return err
	}
	header := []string{"ID", "NAME", "STATUS", "LAST DEPLOYED"}
	return a.printList(list, "environments", header, func(environment any) []string {
		return append(cells(environment, "id", "name", "status"), lastDeployed(environment))
	})
}

// projectID returns the project to use. It fails (usage.project) if there is none, or if it cannot
// be a project's id.
func (a *app) projectID() (string, error) {
	id, source := a.project.value, "--project"
	if !a.project.given {
		id, source = a.getenv("MICROTICA_PROJECT_ID"), "MICROTICA_PROJECT_ID"
	}
	wrong := ""
	switch {
	case id == "" && !a.project.given:
		wrong = "no project: use --project ID or set MICROTICA_PROJECT_ID"
	case id == "":
		wrong = source + " is empty"
	case id == "." || id == "..": // as a path segment, it would name another endpoint
		wrong = source + " is not a project's id: " + id
	case looksLikeKey(id):
		wrong = source + " holds what looks like an API key, not a project's id"
	default:
		return id, nil
	}
	return "", fail(codeUsageProject, "%s", wrong).
		withHint("run 'microtica project list' to see the projects' ids")
}

// lastDeployed returns when an environment was last deployed, in UTC to the minute, or - if that is
// unknown or outside the years 0 to 9999. The API sends a number, which is assumed to be
// milliseconds since 1970, like its other times; 0 means never.
func lastDeployed(environment any) string {
	digits, _ := field(environment, "lastDeployed").(number) // not a number: ""
	ms, err := strconv.ParseFloat(string(digits), 64)
	t := time.UnixMilli(int64(math.Floor(ms))).UTC()
	if err != nil || ms == 0 || math.Abs(ms) > 1e15 || t.Year() < 0 || t.Year() > 9999 {
		return "-"
	}
	return t.Format("2006-01-02 15:04")
}
