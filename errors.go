package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// An error says what failed, then why: lower case, no full stop, one line. Its hint is one thing to
// run or to set. Nothing but app.say prints them.

// code is a kind of failure: its name in JSON, the exit status, and whether the same command may
// succeed later with nothing changed.
type code struct {
	name      string
	exit      int
	retryable bool
}

// The table of all codes. Nothing else decides an exit status.
var (
	codeFileRead    = &code{"file.read", 1, false}
	codeFileWrite   = &code{"file.write", 1, false}
	codeOutputWrite = &code{"output.write", 1, false}
	codeInternal    = &code{"internal", 1, false}

	codeUsage         = &code{"usage", 2, false}
	codeUsageProject  = &code{"usage.project", 2, false}
	codeUsageURL      = &code{"usage.url", 2, false}
	codeQuerySyntax   = &code{"query.syntax", 2, false}
	codeQueryFunction = &code{"query.function", 2, false}
	codeQueryType     = &code{"query.type", 2, false}

	codeAuthMissing   = &code{"auth.missing", 3, false}
	codeAuthMalformed = &code{"auth.malformed", 3, false}
	codeAuthRejected  = &code{"auth.rejected", 3, false}

	codeAPIForbidden = &code{"api.forbidden", 4, false}
	codeAPINotFound  = &code{"api.not_found", 4, false}
	codeAPIRefused   = &code{"api.refused", 4, false}

	codeNetworkDNS     = &code{"network.dns", 5, true}
	codeNetworkConnect = &code{"network.connect", 5, true}
	codeNetworkTLS     = &code{"network.tls", 5, false}
	codeNetworkProxy   = &code{"network.proxy", 5, true}
	codeNetworkTimeout = &code{"network.timeout", 5, true}

	codeAPIRateLimited = &code{"api.rate_limited", 6, true}
	codeAPIServer      = &code{"api.server", 6, true}
	codeAPIRedirect    = &code{"api.redirect", 6, false}
	codeAPIBadResponse = &code{"api.bad_response", 6, false}
)

// failure is an error as the user sees it.
type failure struct {
	code       *code
	message    string
	detail     []string // lines below the message: a query, and a caret under the error
	hint       string   // "" if there is nothing to advise
	status     *int     // the HTTP status that caused it, or nil
	retryAfter *int     // how many seconds the API asks to wait, or nil
	transient  bool     // the same request may succeed in a moment
}

// fail returns a failure with the given code and message.
func fail(c *code, format string, args ...any) *failure {
	return &failure{code: c, message: fmt.Sprintf(format, args...)}
}

// withHint sets the hint and returns f.
func (f *failure) withHint(format string, args ...any) *failure {
	f.hint = fmt.Sprintf(format, args...)
	return f
}

func (f *failure) Error() string { return f.message }

// asFailure returns the failure that err is or wraps. Any other error is one that the program does
// not expect (internal).
func asFailure(err error) *failure {
	var f *failure
	if !errors.As(err, &f) {
		f = fail(codeInternal, "%v", err)
	}
	return f
}

// codeOf returns the code of an error; nil for no error.
func codeOf(err error) *code {
	if err == nil {
		return nil
	}
	return asFailure(err).code
}

// tell prints a note or a warning (kind says which), unless --quiet is set.
func (a *app) tell(kind, name, format string, args ...any) {
	if !a.quiet {
		a.say(kind, fail(&code{name: name}, format, args...))
	}
}

// say prints f to stderr, as JSON or for a person: all of an error, or the code and message of a
// note or a warning. It is the only place that prints what is not known beforehand, and no key
// passes it.
func (a *app) say(kind string, f *failure) {
	redacted := func(text string) string { return redact(a.key.mask(text)) }
	message, hint := redacted(f.message), redacted(f.hint)
	lines := kind + ": " + clean(message) + "\n"
	for _, line := range f.detail {
		line = redacted(line)
		message += "\n  " + line
		lines += "  " + clean(line) + "\n"
	}
	if hint != "" {
		lines += "hint: " + clean(hint) + "\n"
	}
	if a.json {
		var shown any = map[string]string{"code": f.code.name, "message": message}
		if kind == "error" {
			shown = struct {
				Code       string `json:"code"`
				Message    string `json:"message"`
				Hint       string `json:"hint"`
				HTTPStatus *int   `json:"httpStatus"`
				RetryAfter *int   `json:"retryAfter"`
				Retryable  bool   `json:"retryable"`
				ExitCode   int    `json:"exitCode"`
			}{f.code.name, message, hint, f.status, f.retryAfter, f.code.retryable, f.code.exit}
		}
		var b strings.Builder
		writeJSON(&b, marshal(map[string]any{kind: shown}, key{}))
		lines = b.String()
	}
	io.WriteString(a.stderr, lines)
}
