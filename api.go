package main

import (
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

var cmdAPI = &command{
	name:  "api",
	args:  "PATH",
	short: "print the answer to GET PATH",
	help: `Prints what the API answers to GET PATH. PATH is relative to the base URL, and
may begin with a slash and have a query string (?name=value).

JSON: the whole answer, with or without --json

Examples:
  microtica api me
  microtica api /projects/5f1c/details
`,
	run: runAPI,
}

func runAPI(a *app) error {
	path, err := escapePath(a.words[0])
	if err != nil {
		return err
	}
	c, err := a.newClient()
	if err != nil {
		return err
	}
	answer, err := c.get(request{path: path, what: "/" + path})
	if err != nil {
		return err
	}
	return a.print(answer, func(w io.Writer) { writeJSON(w, answer) })
}

// escapePath returns a path of the API, with any query, without a leading slash, and with what
// cannot be part of a URL escaped. It refuses (usage) what could leave the base URL or be read in
// two ways, and what holds a key.
func escapePath(text string) (string, error) {
	relative := strings.TrimPrefix(text, "/")
	path, query, _ := strings.Cut(relative, "?")
	plainPath, pathErr := url.PathUnescape(path)
	plainQuery, queryErr := url.PathUnescape(query)
	plain := plainPath + "?" + plainQuery
	segments := strings.Split(plainPath, "/")
	wrong := ""
	switch {
	case text == "":
		wrong = "is empty"
	case pathErr != nil, queryErr != nil:
		wrong = "has a % that two hexadecimal digits do not follow"
	case redact(plain) != plain:
		wrong = "holds what looks like an API key"
	case strings.Contains(path, "://"), strings.HasPrefix(relative, "/"):
		wrong = "is a URL: leave out the base URL"
	case strings.ContainsFunc(plain, unicode.IsControl), strings.Contains(text, "#"),
		strings.ContainsAny(plainPath, `\;`), slices.Contains(segments, "."),
		slices.Contains(segments, ".."):
		wrong = "may not have control characters, #, \\ or ;, nor . or .. as a segment"
	}
	if wrong != "" {
		return "", usageError([]string{"api"}, "PATH "+wrong)
	}
	var b strings.Builder
	for _, c := range []byte(relative) {
		if c > ' ' && c < 0x7f && !strings.ContainsRune("\"<>\\^`{|}", rune(c)) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String(), nil
}
