package main

import (
	"context"
	"strings"
)

// runAPI prints the JSON that the API answers to GET base/PATH.
func runAPI(ctx context.Context, a *app) error {
	if len(a.words) != 1 {
		return fail(codeUsage, "api takes one path").withHint("run 'microtica help api'")
	}
	c, err := a.newClient()
	if err != nil {
		return err
	}
	answer, err := c.get(ctx, a.words[0], strings.Split(strings.Trim(a.words[0], "/"), "/")...)
	if err != nil {
		return err
	}
	a.json = true
	return a.print(answer, nil)
}
