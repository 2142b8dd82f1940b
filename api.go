package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

// runAPI prints the JSON that the API returns for GET base/PATH.
func runAPI(ctx context.Context, a *app) error {
	r, err := parsePath(a.words[0])
	if err != nil {
		return err
	}
	c, err := a.newClient()
	if err != nil {
		return err
	}
	r.missing = "check the path: it is relative to " + c.base.String()
	answer, err := c.get(ctx, r)
	if err != nil {
		return err
	}
	return a.print(answer, func(w io.Writer) { writeJSON(w, answer) })
}

// parsePath returns the request for a path of the API, with or without a leading slash, and with or
// without a query. It refuses (usage) what could leave the base URL, and a path that may hold a
// key.
func parsePath(text string) (request, error) {
	relative := strings.TrimPrefix(text, "/")
	path, query, _ := strings.Cut(relative, "?")
	plain, err := url.PathUnescape(path)
	plainQuery, _ := url.PathUnescape(query)
	segments := strings.Split(plain, "/")
	wrong := ""
	switch {
	case looksLikeKey(plain), looksLikeKey(plainQuery):
		return request{}, errKeyArgument()
	case text == "":
		wrong = "is empty"
	case strings.Contains(path, "://"), strings.HasPrefix(path, "/"):
		wrong = "is a URL: leave out the base URL, which is MICROTICA_API_URL"
	case strings.ContainsFunc(text+plain, unicode.IsControl):
		wrong = "has a control character"
	case strings.Contains(text, "#"):
		wrong = "has a fragment, which is never sent"
	case slices.Contains(segments, "."), slices.Contains(segments, ".."):
		wrong = "has . or .. as a segment"
	case err != nil:
		wrong = "has a % that two hexadecimal digits do not follow"
	default:
		return request{path: escape(relative), what: "/" + plain}, nil
	}
	return request{}, fail(codeUsage, "PATH %s", wrong).
		withHint("usage: microtica api PATH, such as 'microtica api projects'")
}

// escape escapes what cannot be part of a URL, and leaves what is escaped already.
func escape(text string) string {
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; c > ' ' && c < 0x7f && !strings.ContainsRune("\"<>\\^`{|}", rune(c)) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
