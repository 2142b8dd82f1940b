package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
)

// runWhoami reports whether the key works and how many projects it can see. The report is printed
// whatever the API says; an error follows it.
func runWhoami(ctx context.Context, a *app) error {
	c, err := a.newClient()
	if err != nil {
		return err
	}
	check := c.tryKey(ctx)
	if isInterrupted(check.err) {
		return check.err
	}
	var accepted, visible any // unknown
	switch check.verdict {
	case keyAccepted, keyLimited:
		accepted, visible = true, number(strconv.Itoa(check.projects))
	case keyRejected:
		accepted = false
	}
	// Success, and the errors that only an answer of the API itself can be.
	reached := slices.Contains([]*code{nil, codeAuthRejected, codeAPIForbidden, codeAPIRefused,
		codeAPIRateLimited, codeAPIServer}, codeOf(check.err))
	report := newObject(
		"via", "apikey", // this program knows no other way
		"apiKeyPrefix", c.key.String(),
		"source", c.source,
		"apiUrl", c.base.String(),
		"apiReachable", reached,
		"keyAccepted", accepted,
		"projectsVisible", visible,
	)
	err = a.print(report, func(w io.Writer) {
		if visible == nil {
			visible = "unknown"
		}
		fmt.Fprintf(w, "%-20s%s\n", "via:", "apikey")
		fmt.Fprintf(w, "%-20s%v\n", "api key prefix:", c.key)
		fmt.Fprintf(w, "%-20s%v\n", "api reachable:", reached)
		fmt.Fprintf(w, "%-20s%v\n", "projects visible:", visible)
	})
	if err != nil {
		return err
	}
	if check.verdict == keyLimited {
		a.note("key.limited", "key %v has no project-wide read access", c.key)
	}
	return check.err
}
