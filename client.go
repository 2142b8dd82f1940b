package main

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// This file knows Microtica's API: its endpoints, taken from Microtica's published SDK
// (@microtica/ms-project-sdk 1.3.0), what their statuses mean, and whether a key works.

// newClient returns a client for the base URL that the environment names and the key in use.
func (a *app) newClient() (*client, error) {
	base, err := a.baseURL()
	if err != nil {
		return nil, err
	}
	k, source, err := a.findKey()
	if err != nil {
		return nil, err
	}
	return &client{app: a, base: base, key: k, source: source, limit: a.timeLimit, retries: 2}, nil
}

// projects returns the projects that the key can see: an array of objects (GET /projects).
func (c *client) projects() (jsonText, error) {
	answer, err := c.get(request{path: "projects", what: "the projects"})
	if err != nil {
		return "", err
	}
	if answer[0] == '{' { // not the bare array
		answer = answer.member("projects")
	}
	return c.list(answer, "projects")
}

// environments returns a project's environments, which the API calls stages: an array of objects
// (GET /projects/{projectId}/details, entities.stages).
func (c *client) environments(project string) (jsonText, error) {
	answer, err := c.get(request{path: "projects/" + url.PathEscape(project) + "/details",
		what: "project " + project})
	if err != nil {
		return "", err
	}
	return c.list(answer.member("entities").member("stages"), "environments")
}

// list returns its argument, or a failure if that is not an array of objects; what names them.
func (c *client) list(array jsonText, what string) (jsonText, error) {
	valid := array != "" && array[0] == '['
	if valid {
		for _, element := range array.parts() {
			valid = valid && element[0] == '{'
		}
	}
	if !valid {
		return "", c.badResponse("it has no valid list of %s", what)
	}
	return array, nil
}

// keyCheck is what the API says about a key.
type keyCheck struct {
	projects int   // how many the key can see
	limited  bool  // the key works, but has no project-wide read access
	err      error // nil if the key works, auth.rejected if not; any other says nothing of it
}

// tryKey asks the API whether the key works. A working key without project-wide access also gets a
// 403 for the projects, so tryKey then asks about the key itself. If that does not settle it, the
// error is api.forbidden.
func (c *client) tryKey() keyCheck {
	list, err := c.projects()
	check := keyCheck{err: err}
	for range list.parts() {
		check.projects++
	}
	if codeOf(err) != codeAPIForbidden {
		return check
	}
	_, err = c.get(request{path: "me", what: "the key's own record", own: true})
	switch codeOf(err) {
	case nil:
		return keyCheck{limited: true}
	case codeAuthRejected:
		return keyCheck{err: err}
	}
	f := fail(codeAPIForbidden, "key %v from %s has no project-wide read access, or does not work "+
		"at all: GET /projects was refused (HTTP 403), and GET /me failed: %v",
		c.key, c.source, err)
	f.status = asFailure(check.err).status
	return keyCheck{err: f.withHint("check the key in Microtica's console")}
}

// statusFailure returns the failure for an answer to r whose status is not 2xx, and whose body is
// no JSON if answer is "".
func (c *client) statusFailure(r request, status int, location string, answer jsonText) *failure {
	path, _, _ := strings.Cut(r.path, "?")
	var f *failure
	switch {
	case status >= 300 && status <= 399:
		to := "without saying where"
		if u, err := c.base.Parse(location); err == nil && location != "" && u.Host != "" {
			to = "to " + c.quote(u.Host)
		}
		f = fail(codeAPIRedirect, "the API redirects %s", to).withHint("redirects are not "+
			"followed: set MICROTICA_API_URL to the API's own address%s", c.assumption())
	case status == 401, status == 403 && r.own:
		f = c.rejected()
	case status == 403:
		f = fail(codeAPIForbidden, "the API denies key %v (from %s) access to %s",
			c.key, c.source, r.what).withHint("give the key read access in Microtica's console")
		if path == "projects" {
			f.hint = "name a project: 'microtica env list --project ID'"
		}
	case status == 404 && (path == "projects" || !strings.HasPrefix(string(answer), "{")):
		f = c.badResponse("there is no such path") // the API has /projects, and answers in objects
	case status == 404:
		f = fail(codeAPINotFound, "the API cannot find %s for key %v", r.what, c.key).
			withHint("run 'microtica project list' to see the projects")
	case status == 429:
		f = fail(codeAPIRateLimited, "rate limited by the API").withHint("try again later")
	case status >= 400 && status <= 499:
		f = fail(codeAPIRefused, "the API refused the request for %s", r.what)
	case status >= 500 && status <= 599:
		f = fail(codeAPIServer, "the API failed").withHint("try again later")
	default:
		f = c.badResponse("its status is unexpected")
	}
	f.message += fmt.Sprintf(" (HTTP %d)", status)
	fromAPI := f.code != codeAPIRedirect && f.code != codeAPIBadResponse
	if said := string(answer.member("message")); fromAPI && len(said) > 2 && said[0] == '"' {
		f.message += ": " + c.quote(unquote(said))
	}
	f.status = &status
	f.transient = slices.Contains([]int{429, 502, 503, 504}, status)
	return f
}

// rejected returns the failure for a key that does not work.
func (c *client) rejected() *failure {
	f := fail(codeAuthRejected, "the API rejected key %v from %s", c.key, c.source)
	hint := "run 'microtica login' with a key that works"
	switch c.source {
	case "--token", "stdin": // of login
		return f.withHint("check the key in Microtica's console")
	case "MICROTICA_TOKEN":
		hint = "set MICROTICA_TOKEN to a key that works, or unset it"
	case "MICROTICA_TOKEN_FILE":
		hint = "set MICROTICA_TOKEN_FILE to a file with a key that works, or unset it"
	}
	return f.withHint("%s; this one may be expired or revoked", hint)
}
