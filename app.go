package main

import (
	"io"
	"strings"
	"time"
)

// version is what the program calls itself. The linker sets it (-ldflags "-X main.version=…").
var version = "dev"

// app is what main injects, so that a test can run a command without a process, and what the
// command line says.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	lookenv        func(string) (string, bool)
	sleep          func(time.Duration)
	caught         chan struct{} // closed once signals are caught; what takes long waits for that
	onTerminal     bool          // stderr is a terminal
	timeLimit      time.Duration // for all requests of a command
	loginLimit     time.Duration // for those of login
	patience       time.Duration // how long a request may take before a user at a terminal is told
	key            key           // the key in use, once it is known; see app.say

	options
}

// options is what the command line says.
type options struct {
	words    []string // the arguments after the command's words
	json     bool     // --json was given; with --query alone only the result is JSON
	quiet    bool
	noVerify bool
	token    string // "" without --token
	project  string // "" without --project
	query    query  // nil without --query
}

// query returns what prints the result of --query, and cannot fail. The error is a *failure.
type query func(result jsonText) (write func(io.Writer), err error)

// getenv returns the value of an environment variable, trimmed of white space; "" if it is not set.
func (a *app) getenv(name string) string {
	value, _ := a.lookenv(name)
	return strings.TrimSpace(value)
}

// command is a command, or a topic of help, which has no run.
type command struct {
	name  string // its words: "project list"
	args  string // what follows them in the usage line: flags of its own, or the one argument
	short string // what it does, in a line
	help  string // its help page below the usage line
	run   func(*app) error
}

// commands are the commands and topics in the order of the overview. main sets them.
var commands []*command

// usage returns the command's usage line.
func (c *command) usage() string { return strings.TrimSpace("microtica " + c.name + " " + c.args) }

// usageError returns the error for a wrong line. Its hint is the usage line of the command that the
// words begin.
func usageError(words []string, message string) *failure {
	for _, c := range commands {
		if c.run != nil && len(words) > 0 && strings.Fields(c.name)[0] == words[0] {
			return fail(codeUsage, "%s", message).withHint("usage: %s", c.usage())
		}
	}
	return fail(codeUsage, "%s", message).withHint("run 'microtica help'")
}

// flagSpec describes a flag.
type flagSpec struct {
	name  string
	value string // what help calls its value; "" if it takes none
	only  string // the command that alone takes it; "" if all do
	about string
}
