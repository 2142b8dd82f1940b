package main

import (
	"context"
	"io"
)

// runProjectList lists the projects that the key can see.
func runProjectList(ctx context.Context, a *app) error {
	c, err := a.newClient()
	if err != nil {
		return err
	}
	list, err := c.projects(ctx)
	if err != nil {
		return err
	}
	header := []string{"ID", "NAME"}
	return a.printList(list, "projects", header, func(project any) []string {
		return []string{cell(project, "id"), cell(project, "name")}
	})
}

// printList prints an array as JSON or as a table, with a note if it is empty; what names its
// elements.
func (a *app) printList(list any, what string, header []string, row func(any) []string) error {
	err := a.print(list, func(w io.Writer) { printTable(w, header, list, row) })
	if err == nil && length(list) == 0 {
		a.note("list.empty", "the key can see no %s", what)
	}
	return err
}
