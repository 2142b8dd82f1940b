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

// failure is an error as the user meets it. Its code fixes the exit status.
type failure struct {
	code    string
	message string
	detail  []string // lines that stand below the message: a query and the place in it
	hint    string   // "" where there is nothing to advise
	status  int      // the HTTP status that caused it, or 0
	said    string   // the API's own words, as they stand in the message
	signal  int      // the signal's number where the code is "interrupted"
}

// fail returns a failure with the given code and message.
func fail(code, format string, args ...any) *failure {
	return &failure{code: code, message: fmt.Sprintf(format, args...)}
}

// interrupted returns the failure of a command that the signal of that number ended.
func interrupted(signal int) *failure {
	return &failure{code: "interrupted", message: "interrupted", signal: signal}
}

// withHint sets the hint and returns f.
func (f *failure) withHint(format string, args ...any) *failure {
	f.hint = fmt.Sprintf(format, args...)
	return f
}

func (f *failure) Error() string { return f.message }

// exitCode returns the process's exit status: the class of the code.
func (f *failure) exitCode() int {
	switch f.code {
	case "usage", "usage.project", "usage.url", "query.syntax", "query.function", "query.type":
		return 2
	case "auth.missing", "auth.malformed", "auth.rejected":
		return 3
	case "api.forbidden", "api.not_found", "api.refused":
		return 4
	case "network.dns", "network.connect", "network.tls", "network.proxy", "network.timeout":
		return 5
	case "api.rate_limited", "api.server", "api.redirect", "api.bad_response":
		return 6
	case "interrupted":
		return 128 + f.signal
	}
	return 1 // file.read, file.write, output.write, internal
}

// retryable tells whether the same command may succeed later with nothing changed.
func (f *failure) retryable() bool {
	switch f.code {
	case "network.dns", "network.connect", "network.timeout", "network.proxy", "api.rate_limited", "api.server":
		return true
	}
	return false
}

// printError prints err, as JSON or for a person, and returns the exit status that goes with it.
func printError(w io.Writer, asJSON bool, err error) int {
	var f *failure
	if !errors.As(err, &f) {
		f = fail("internal", "%v", err)
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
		return f.exitCode()
	}
	var status any
	if f.status != 0 {
		status = number(fmt.Sprint(f.status))
	}
	writeJSON(w, newObject("error", newObject("code", f.code, "message", message, "hint", clean(f.hint), "httpStatus", status,
		"retryable", f.retryable(), "exitCode", number(fmt.Sprint(f.exitCode())))))
	return f.exitCode()
}

// printNotice prints a note or a warning: kind is "note" or "warning".
func printNotice(w io.Writer, asJSON bool, kind, code, message string) {
	if asJSON {
		writeJSON(w, newObject(kind, newObject("code", code, "message", clean(message))))
		return
	}
	fmt.Fprintf(w, "%s: %s\n", kind, clean(message))
}

// codeOf returns the code of a failure, "" where there is none.
func codeOf(err error) string {
	var f *failure
	if errors.As(err, &f) {
		return f.code
	}
	return ""
}

// isInterrupted tells whether err means that a signal ends the command.
func isInterrupted(err error) bool { return codeOf(err) == "interrupted" }
