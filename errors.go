package main

import (
	"errors"
	"fmt"
	"io"
)

// Rules for everything that is printed to stderr:
//
//   - An error says what failed, then why: lower case, no full stop, one line. Only a query's error
//     adds two lines.
//   - A hint is one thing to run or to set.
//   - A message never shows a key, a word that may be one, or the contents of a secret file.
//   - With --json each error, warning and note is one JSON object on a line of its own.

// code is a kind of failure: its name in JSON, the exit status, and whether the same command may
// succeed later with nothing changed.
type code struct {
	name      string
	exit      int
	retryable bool
}

// codes is the table of all codes. Nothing else decides an exit status.
var codes []*code

// newCode adds a row to the table of codes.
func newCode(name string, exit int, retryable bool) *code {
	c := &code{name, exit, retryable}
	codes = append(codes, c)
	return c
}

var (
	codeFileRead    = newCode("file.read", 1, false)
	codeFileWrite   = newCode("file.write", 1, false)
	codeOutputWrite = newCode("output.write", 1, false)
	codeLimitMemory = newCode("limit.memory", 1, false)
	codeInternal    = newCode("internal", 1, false)

	codeUsage         = newCode("usage", 2, false)
	codeUsageProject  = newCode("usage.project", 2, false)
	codeUsageURL      = newCode("usage.url", 2, false)
	codeUsageProxy    = newCode("usage.proxy", 2, false)
	codeQuerySyntax   = newCode("query.syntax", 2, false)
	codeQueryFunction = newCode("query.function", 2, false)
	codeQueryType     = newCode("query.type", 2, false)

	codeAuthMissing   = newCode("auth.missing", 3, false)
	codeAuthMalformed = newCode("auth.malformed", 3, false)
	codeAuthRejected  = newCode("auth.rejected", 3, false)

	codeAPIForbidden = newCode("api.forbidden", 4, false)
	codeAPINotFound  = newCode("api.not_found", 4, false)
	codeAPIRefused   = newCode("api.refused", 4, false)

	codeNetworkDNS     = newCode("network.dns", 5, true)
	codeNetworkConnect = newCode("network.connect", 5, true)
	codeNetworkTLS     = newCode("network.tls", 5, false)
	codeNetworkProxy   = newCode("network.proxy", 5, true)
	codeNetworkTimeout = newCode("network.timeout", 5, true)

	codeAPIRateLimited = newCode("api.rate_limited", 6, true)
	codeAPIServer      = newCode("api.server", 6, true)
	codeAPIRedirect    = newCode("api.redirect", 6, false)
	codeAPIBadResponse = newCode("api.bad_response", 6, false)

	codeInterrupted = newCode("interrupted", 128, false) // plus the signal's number
)

// failure is an error as the user sees it.
type failure struct {
	code       *code
	message    string
	detail     []string // lines below the message: a query, and a caret under the error
	hint       string   // "" if there is nothing to advise
	status     int      // the HTTP status that caused it, or 0
	retryAfter *int     // how many seconds the API asks to wait, or nil
	transient  bool     // the same request may succeed in a moment
	signal     int      // the signal's number if the code is codeInterrupted
}

// fail returns a failure with the given code and message.
func fail(c *code, format string, args ...any) *failure {
	return &failure{code: c, message: fmt.Sprintf(format, args...)}
}

// interrupted returns the failure of a command that was ended by the signal with that number.
func interrupted(signal int) *failure {
	return &failure{code: codeInterrupted, message: "interrupted", signal: signal}
}

// withHint sets the hint and returns f.
func (f *failure) withHint(format string, args ...any) *failure {
	f.hint = fmt.Sprintf(format, args...)
	return f
}

func (f *failure) Error() string { return f.message }

// exitStatus returns the process's exit status.
func (f *failure) exitStatus() int { return f.code.exit + f.signal }

// printError prints err, as JSON or for a person, and returns the exit status that goes with it.
func printError(w io.Writer, asJSON bool, err error) int {
	var f *failure
	if !errors.As(err, &f) {
		f = fail(codeInternal, "%v", err)
	}
	message := clean(f.message)
	for _, line := range f.detail {
		message += "\n  " + clean(line)
	}
	if !asJSON {
		fmt.Fprintf(w, "error: %s\n", message)
		if f.hint != "" {
			fmt.Fprintf(w, "hint: %s\n", clean(f.hint))
		}
		return f.exitStatus()
	}
	var status, retryAfter any
	if f.status != 0 {
		status = number(fmt.Sprint(f.status))
	}
	if f.retryAfter != nil {
		retryAfter = number(fmt.Sprint(*f.retryAfter))
	}
	writeJSON(w, newObject("error", newObject("code", f.code.name, "message", message,
		"hint", clean(f.hint), "httpStatus", status, "retryAfter", retryAfter,
		"retryable", f.code.retryable, "exitCode", number(fmt.Sprint(f.exitStatus())))))
	return f.exitStatus()
}

// printNotice prints a note or a warning: kind is "note" or "warning".
func printNotice(w io.Writer, asJSON bool, kind, code, message string) {
	if asJSON {
		writeJSON(w, newObject(kind, newObject("code", code, "message", clean(message))))
		return
	}
	fmt.Fprintf(w, "%s: %s\n", kind, clean(message))
}

// codeOf returns the code of a failure; nil if err is not one.
func codeOf(err error) *code {
	var f *failure
	if errors.As(err, &f) {
		return f.code
	}
	return nil
}

// isInterrupted reports whether err means that a signal ended the command.
func isInterrupted(err error) bool { return codeOf(err) == codeInterrupted }
