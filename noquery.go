//go:build noquery

package main

// This is what the build tag noquery leaves of --query: no flags, no help, and a function that is
// never called.

var queryFlags []flagSpec

var queryTopics []*command

func compileQuery(string, bool) (query, error) { return nil, nil }
