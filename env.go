package main

import (
	"context"
	"math"
	"strconv"
	"time"
)

// runEnvList lists a project's environments.
func runEnvList(ctx context.Context, a *app) error {
	project := a.project.value
	if !a.project.given {
		if project = a.getenv("MICROTICA_PROJECT_ID"); project == "" {
			return fail(codeUsageProject,
				"no project: use --project ID or set MICROTICA_PROJECT_ID").
				withHint("run 'microtica project list' to see the projects' ids")
		}
		if err := checkProject(project, "MICROTICA_PROJECT_ID"); err != nil {
			return err
		}
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

// checkProject fails (usage.project) if id cannot be a project's; source is the flag or the
// variable that it came from.
func checkProject(id, source string) error {
	wrong := ""
	switch {
	case id == "":
		wrong = "is empty"
	case id == "." || id == "..": // as a path segment, it would name another endpoint
		wrong = "is not a project's id: " + id
	case looksLikeKey(id):
		wrong = "holds what looks like an API key, not a project's id"
	default:
		return nil
	}
	return fail(codeUsageProject, "%s %s", source, wrong).
		withHint("run 'microtica project list' to see the projects' ids")
}

// lastDeployed returns when an environment was last deployed, in UTC to the minute, or - if that is
// unknown or outside the years 0 to 9999. The API sends a number, which is assumed to be
// milliseconds since 1970, like its other times; 0 means never.
func lastDeployed(environment any) string {
	value := field(environment, "lastDeployed")
	digits, ok := value.(number)
	if !ok {
		return "-"
	}
	ms, err := strconv.ParseFloat(string(digits), 64)
	if err != nil || ms == 0 || math.Abs(ms) > 1e15 {
		return "-"
	}
	t := time.UnixMilli(int64(math.Floor(ms))).UTC()
	if t.Year() < 0 || t.Year() > 9999 {
		return "-"
	}
	return t.Format("2006-01-02 15:04")
}
