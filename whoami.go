package main

import (
	"context"
	"fmt"
	"io"
)

// runWhoami reports whether the key works and how many projects it sees. The report is printed whatever the API says; an
// error follows it.
func runWhoami(ctx context.Context, a *app) error {
	c, err := a.newClient()
	if err != nil {
		return err
	}
	v := c.tryKey(ctx)
	if isInterrupted(v.err) {
		return v.err
	}
	report := newObject(
		"via", "apikey", // the only way this program knows
		"apiKeyPrefix", c.key.String(),
		"source", c.source,
		"apiUrl", c.base.String(),
		"apiReachable", reached(v.err),
		"keyAccepted", v.accepted,
		"projectsVisible", v.visible,
	)
	err = a.print(report, func(w io.Writer) {
		for _, line := range [][2]string{
			{"via:", "via"},
			{"api key prefix:", "apiKeyPrefix"},
			{"api reachable:", "apiReachable"},
			{"projects visible:", "projectsVisible"},
		} {
			value := field(report, line[1])
			if value == nil {
				value = "unknown"
			}
			fmt.Fprintf(w, "%-20s%v\n", line[0], value)
		}
	})
	if err != nil {
		return err
	}
	if v.limited {
		a.note("key.limited", "key %v has no project-wide read access", c.key)
	}
	return v.err
}
