package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// The rules of speaking to the user, kept by everything that ends up on stderr:
//
//   - An error says what failed, then why: lower case, no full stop, one line. Only a query's error adds two lines.
//   - A hint is one thing to run or to set.
//   - The value of a key, or of a word that may be one, is never part of a message; nor is the content of a secret file.
//   - With --json each error, warning and note is one JSON object on a line of its own.

// code is what kind of failure an error is: its name in JSON, the exit status that it becomes,
// and whether the same command may succeed later with nothing changed.
type code struct {
	name      string
	exit      int
	retryable bool
}

// codes is the table of all codes. Nothing else decides an exit status.
var codes = []*code{
	codeFileRead, codeFileWrite, codeOutputWrite, codeLimitMemory, codeInternal,
	codeUsage, codeUsageProject, codeUsageURL, codeUsageProxy,
	codeQuerySyntax, codeQueryFunction, codeQueryType,
	codeAuthMissing, codeAuthMalformed, codeAuthRejected,
	codeAPIForbidden, codeAPINotFound, codeAPIRefused,
	codeNetworkDNS, codeNetworkConnect, codeNetworkTLS, codeNetworkProxy, codeNetworkTimeout,
	codeAPIRateLimited, codeAPIServer, codeAPIRedirect, codeAPIBadResponse,
	codeInterrupted,
}

var (
	codeFileRead    = &code{"file.read", 1, false}
	codeFileWrite   = &code{"file.write", 1, false}
	codeOutputWrite = &code{"output.write", 1, false}
	codeLimitMemory = &code{"limit.memory", 1, false}
	codeInternal    = &code{"internal", 1, false}

	codeUsage         = &code{"usage", 2, false}
	codeUsageProject  = &code{"usage.project", 2, false}
	codeUsageURL      = &code{"usage.url", 2, false}
	codeUsageProxy    = &code{"usage.proxy", 2, false}
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

	codeInterrupted = &code{"interrupted", 128, false} // plus the signal's number
)

// failure is an error as the user meets it.
type failure struct {
	code    *code
	message string
	detail  []string // lines below the message: a query and a caret under the place
	hint    string   // "" where there is nothing to advise
	status  int      // the HTTP status that caused it, or 0
	said    string   // the API's own words, as they appear in the message
	// retryAfter is how many seconds the API asks to wait before the next try; nil where it does not.
	retryAfter *int
	transient  bool // the same request may succeed in a moment
	signal     int  // the signal's number if the code is codeInterrupted
}

// fail returns a failure with the given code and message.
func fail(c *code, format string, args ...any) *failure {
	return &failure{code: c, message: fmt.Sprintf(format, args...)}
}

// interrupted returns the failure of a command that the signal with that number ended.
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
	lines := []string{clean(f.message)}
	for _, line := range f.detail {
		lines = append(lines, "  "+clean(line))
	}
	message := strings.Join(lines, "\n")
	if !asJSON {
		fmt.Fprintf(w, "error: %s\n", message)
		if f.hint != "" {
			fmt.Fprintf(w, "hint: %s\n", clean(f.hint))
		}
		return f.exitStatus()
	}
	var status any
	if f.status != 0 {
		status = number(fmt.Sprint(f.status))
	}
	var retryAfter any
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

// isInterrupted reports whether a signal is what ended the command.
func isInterrupted(err error) bool { return codeOf(err) == codeInterrupted }
