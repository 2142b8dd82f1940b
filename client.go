package main

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// This file knows Microtica's API: its endpoints, taken from Microtica's published SDK
// (@microtica/ms-project-sdk 1.3.0), what their statuses mean, and whether a key works. Text from
// an answer goes into a message only through quote or shorten.

const maxMessage = 300 // characters of an API's message that are shown

// client makes the requests of one command.
type client struct {
	app     *app
	base    *url.URL
	key     key
	source  string        // where the key came from, for messages
	limit   time.Duration // for all requests and waits together, from the first request on
	retries int
	began   time.Time // when the first request was made
	proxy   *url.URL  // the proxy of the latest request, or nil
	slow    sync.Once // tells the user of the wait
}

// newClient returns a client for the base URL that the environment names and the key in use.
func (a *app) newClient() (*client, error) {
	base, err := a.apiURL()
	if err != nil {
		return nil, err
	}
	k, source, err := a.findKey()
	if err != nil {
		return nil, err
	}
	return &client{app: a, base: base, key: k, source: source, limit: a.apiLimit,
		retries: maxRetries}, nil
}

// request is a request to the API, and the words for it in messages.
type request struct {
	path    string // escaped, below the base URL, without a leading slash; with any query
	what    string // what is asked for: "the projects"
	always  bool   // whether every working key gets it, so that a 403 is about the key
	denied  string // the hint of a 403; "" for the general one
	missing string // the hint of a 404; "" if the API always has the path
}

// below returns the request's URL, below base.
func (r request) below(base *url.URL) *url.URL {
	u := *base
	u.RawPath, u.RawQuery, _ = strings.Cut(base.EscapedPath()+"/"+r.path, "?")
	u.Path, _ = url.PathUnescape(u.RawPath) // cannot fail: both parts are escaped
	return &u
}

// projects returns the projects that the key can see: an array of objects (GET /projects).
func (c *client) projects(ctx context.Context) (any, error) {
	answer, err := c.get(ctx, request{path: "projects", what: "the projects",
		denied: "name a project: 'microtica env list --project ID'"})
	if err != nil {
		return nil, err
	}
	if typeOf(answer) == "object" { // not the bare array
		answer = field(answer, "projects")
	}
	return answer, c.checkList(answer, "projects")
}

// environments returns a project's environments, which the API calls stages: an array of objects
// (GET /projects/{projectId}/details, entities.stages).
func (c *client) environments(ctx context.Context, project string) (any, error) {
	answer, err := c.get(ctx, request{path: "projects/" + url.PathEscape(project) + "/details",
		what: "project " + project, missing: missingProjectHint(project)})
	if err != nil {
		return nil, err
	}
	list := field(field(answer, "entities"), "stages")
	return list, c.checkList(list, "environments")
}

// missingProjectHint returns the hint for an id that matches no project.
func missingProjectHint(id string) string {
	ends := id[:1] + id[len(id)-1:]
	switch {
	case strings.ContainsAny(ends, "\"'`"):
		return "the id has quotes around it: leave them out (--raw prints an id without quotes)"
	case id == "null":
		return "the id is null: what was to supply it found nothing; run 'microtica project list'"
	case ends == "<>":
		return "the id is a placeholder: run 'microtica project list' to see the projects' ids"
	}
	return "run 'microtica project list' to see the projects"
}

// me asks the API about the key itself (GET /me).
func (c *client) me(ctx context.Context) error {
	answer, err := c.get(ctx, request{path: "me", what: "the key's own record", always: true})
	if err != nil {
		return err
	}
	if via := field(answer, "via"); via != "apikey" && via != "user" {
		return c.badResponse("it does not say whose the key is")
	}
	return nil
}

// checkList fails unless list is an array of objects; what names them.
func (c *client) checkList(list any, what string) error {
	valid := typeOf(list) == "array"
	for element := range elements(list) {
		valid = valid && typeOf(element) == "object"
	}
	if !valid {
		return c.badResponse("it has no valid list of " + what)
	}
	return nil
}

// verdict is what the API says about a key.
type verdict int

const (
	keyUnknown  verdict = iota // the API does not say
	keyAccepted                // the key works
	keyLimited                 // the key works, but has no project-wide read access
	keyRejected                // the key does not work
)

// keyCheck is the outcome of trying a key.
type keyCheck struct {
	verdict  verdict
	projects int   // how many the key can see; only for keyAccepted
	err      error // why the verdict is keyRejected or keyUnknown
}

// tryKey asks the API whether the key works. A working key without project-wide access also gets a
// 403 for the projects, so tryKey then asks about the key itself.
func (c *client) tryKey(ctx context.Context) keyCheck {
	list, err := c.projects(ctx)
	accepted := keyCheck{verdict: keyAccepted, projects: length(list)}
	if codeOf(err) == codeAPIForbidden {
		accepted = keyCheck{verdict: keyLimited}
		err = c.me(ctx)
	}
	switch {
	case err == nil:
		return accepted
	case codeOf(err) == codeAuthRejected:
		return keyCheck{verdict: keyRejected, err: err}
	case accepted.verdict == keyLimited && codeOf(err) != codeInterrupted:
		f := fail(codeAPIForbidden, "key %v from %s has no project-wide read access, or does "+
			"not work at all: GET /projects was refused (HTTP 403), and GET /me failed: %v",
			c.key, c.source, err).withHint("check the key's permissions in Microtica's console")
		f.status = 403
		return keyCheck{err: f}
	}
	return keyCheck{err: err}
}

// statusFailure returns the failure for an answer to r whose status is not 2xx; location is the
// target of a redirect, or nil.
func (c *client) statusFailure(r request, status int, location *url.URL, answer any) *failure {
	var f *failure
	switch {
	case status >= 300 && status <= 399:
		to := "without saying where"
		if location != nil && location.Host != "" {
			to = "to " + c.quote(location.Host)
		}
		f = fail(codeAPIRedirect, "the API redirects %s", to).withHint(
			"redirects are not followed: set MICROTICA_API_URL to the API's own address%s",
			c.assumption())
	case status == 401, status == 403 && r.always:
		f = c.rejected()
	case status == 403:
		f = fail(codeAPIForbidden, "the API denies key %v (from %s) access to %s",
			c.key, c.source, r.what).
			withHint("%s", cmp.Or(r.denied, "give the key read access in Microtica's console"))
	case status == 404 && r.missing != "" && typeOf(answer) == "object":
		f = fail(codeAPINotFound, "the API cannot find %s for key %v", r.what, c.key).
			withHint("%s", r.missing)
	case status == 404: // the API has this path, or would answer in JSON: this is another server
		f = c.badResponse("there is no such path")
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
	if said, _ := field(answer, "message").(string); said != "" && fromAPI {
		f.message += ": " + shorten(said)
	}
	f.status = status
	f.transient = slices.Contains([]int{429, 502, 503, 504}, status)
	return f
}

// rejected returns the failure for a key that does not work.
func (c *client) rejected() *failure {
	f := fail(codeAuthRejected, "the API rejected key %v from %s", c.key, c.source)
	fileIsNext := c.source == "MICROTICA_TOKEN" && c.app.getenv("MICROTICA_TOKEN_FILE") != ""
	atLogin := c.source == sourceFlag || c.source == sourceStdin
	const expired = "; this one may be expired or revoked"
	switch end := c.key.strayEnd(); {
	case end != "" && atLogin:
		f.hint = "the key ends with " + end + ": if that is part of it, " +
			"run 'microtica login --no-verify'"
	case end != "":
		f.hint = "the key ends with " + end + ": is that part of it?"
	case atLogin:
		f.hint = "check the key in Microtica's console, " +
			"or save it all the same with 'microtica login --no-verify'"
	case strings.HasPrefix(c.source, "MICROTICA_") && !fileIsNext && c.app.hasSavedKey(c.key):
		f.hint = "unset " + c.source + " to use the saved key"
	case c.source == "MICROTICA_TOKEN":
		f.hint = "set MICROTICA_TOKEN to a key that works" + expired
	case c.source == "MICROTICA_TOKEN_FILE":
		f.hint = "set MICROTICA_TOKEN_FILE to a file with a key that works" + expired
	default:
		f.hint = "run 'microtica login' with a key that works" + expired
	}
	return f
}

// badResponse returns the failure for an answer that cannot be from the API.
func (c *client) badResponse(why string) *failure {
	return fail(codeAPIBadResponse, "the answer from %s is not the API's: %s", c.base.Host, why).
		withHint("set MICROTICA_API_URL to the API's base URL%s", c.assumption())
}

// assumption ends a hint about the base URL: it says that the default is an assumption, or nothing
// if the user has set another.
func (c *client) assumption() string {
	if c.base.String() == defaultAPI {
		return ": the default, " + defaultAPI + ", is an assumption"
	}
	return ""
}

// quote makes text from a server fit for a message: the key masked, cleaned and shortened.
func (c *client) quote(text string) string { return shorten(c.key.mask(text)) }

// shorten cleans text and cuts it to maxMessage characters. It also cuts before cleaning, which
// could make 32 MiB of text four times as long.
func shorten(text string) string {
	text = clean(fmt.Sprintf("%.*s", maxMessage+1, text))
	if short := fmt.Sprintf("%.*s", maxMessage, text); short != text {
		return short + "…"
	}
	return text
}
