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
		return cells(project, "id", "name")
	})
}

// printList prints an array as JSON or as a table, with a note if it is empty; what is the word for
// its elements.
func (a *app) printList(list any, what string, header []string, row func(any) []string) error {
	err := a.print(list, func(w io.Writer) { printTable(w, header, list, row) })
	for range elements(list) {
		return err // counting would go through all of them
	}
	if err == nil {
		a.note("list.empty", "the key can see no %s", what)
	}
	return err
}
