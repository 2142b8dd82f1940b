// Microtica logs a machine in to Microtica, a cloud delivery platform, with an API key, and shows
// what that key can see.
//
// Usage:
//
//	microtica login [--token KEY] [--no-verify]   save an API key on this machine
//	microtica logout                              remove the saved key
//	microtica whoami                              check whether the key works
//	microtica project list                        list the projects a key can see
//	microtica env list [--project ID]             list a project's environments
//	microtica api PATH                            print the answer to GET PATH
//	microtica completion bash|zsh|fish            print a completion script
//	microtica version                             print the version
//	microtica help [COMMAND|TOPIC]                print help
//
// Every command takes these flags, in any position: --json prints the result, errors and notes as
// JSON; --query EXPR prints the result of a JMESPath expression over that JSON, with --raw in a
// form that suits a shell; --quiet prints no notes; --project ID names the project.
//
// The key comes from MICROTICA_TOKEN, else from the file that MICROTICA_TOKEN_FILE names, else from
// ~/.microtica/credentials, where login saves it. MICROTICA_PROJECT_ID is the default project,
// MICROTICA_API_URL the base URL of the API.
//
// The exit status is 0 for success, 1 for a failure of this machine, 2 for a wrong command line,
// 3 for a missing or rejected key, 4 if the API refuses, 5 if it cannot be reached, 6 if it fails,
// and 128 plus the number of a signal that ended the program.
//
// To read the code, start here, with run. CONTRIBUTING.md says what each file is for.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// version is set by the linker (-ldflags "-X main.version=…").
var version = "dev"

// app is what main injects, so that a test can run every command without starting a process.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	lookenv        func(string) (string, bool)
	now            func() time.Time
	after          func(time.Duration) <-chan time.Time
	onTerminal     bool          // stderr is a terminal
	apiLimit       time.Duration // for all API requests of one command
	verifyLimit    time.Duration // how long login tries the API before it saves the key unchecked
	patience       time.Duration // how long a request may take before a user at a terminal is told
	ended          atomic.Bool   // the final error is being, or has been, printed
	// prompting is the terminal whose echo is off, or nil.
	prompting atomic.Pointer[terminal]
	// resultDue is the deadline for the result: nil before the first request and once there is one.
	resultDue atomic.Pointer[time.Time]

	options
}

// options is what the command line says.
type options struct {
	words    []string // the arguments after the command's words
	json     bool     // --json was given; with --query alone only the result is JSON
	quiet    bool
	noVerify bool
	token    option
	project  option
	raw      bool
	query    *query // nil without --query
}

// option is a flag on the command line (a flag.Value). An empty value differs from none.
type option struct {
	value  string
	given  bool
	isBool bool // it takes no value
}

func (o *option) String() string   { return o.value }
func (o *option) IsBoolFlag() bool { return o.isBool }

func (o *option) Set(value string) error {
	if strings.HasPrefix(value, "-") {
		return errors.New("no value")
	}
	o.value, o.given = value, true
	return nil
}

func main() {
	log.SetOutput(io.Discard) // net/http logs what a server sent
	a := &app{
		stdin:       os.Stdin,
		stderr:      os.Stderr,
		lookenv:     os.LookupEnv,
		now:         time.Now,
		after:       time.After,
		onTerminal:  openTerminal(os.Stderr) != nil,
		apiLimit:    60 * time.Second,
		verifyLimit: 5 * time.Second,
		patience:    3 * time.Second,
	}
	args := os.Args[1:]
	abort := func(f *failure) { a.lastWords(os.Stderr, wantsJSON(args), f, os.Exit) }
	ctx := withSignals(abort)
	a.stdout = &untilDone{ctx, os.Stdout}
	go a.watchLimits(abort)
	os.Exit(a.run(ctx, args))
}

// getenv returns the value of an environment variable, trimmed of white space; "" if it is not set.
func (a *app) getenv(name string) string {
	value, _ := a.lookenv(name)
	return strings.TrimSpace(value)
}

// run carries out one command line and returns the exit status.
func (a *app) run(ctx context.Context, args []string) int {
	a.json = wantsJSON(args)
	c, err := a.parse(args)
	if err == errNoCommand && !a.json {
		io.WriteString(a.stderr, pages[""].render(""))
		return errNoCommand.exitStatus()
	}
	if err == nil {
		err = c.run(ctx, a)
	}
	return a.finish(ctx, err)
}

// command is a row of the table of commands.
type command struct {
	name  string // its words: "project list"
	arg   string // the argument after them; in brackets if it is optional
	flags string // its own flags, and the global ones that its usage line shows
	exits int    // its highest exit status
	about string
	run   func(context.Context, *app) error
}

// commands returns the table that parsing, help and completion read. It is a function because a
// variable would be an initialization cycle: the table contains runHelp, which reads it.
func commands() []command {
	return []command{
		{"login", "", "token no-verify", 3, "save an API key on this machine", runLogin},
		{"logout", "", "", 2, "remove the saved key", runLogout},
		{"whoami", "", "", 6, "check whether the key works", runWhoami},
		{"project list", "", "", 6, "list the projects a key can see", runProjectList},
		{"env list", "", "project", 6, "list a project's environments", runEnvList},
		{"api", "PATH", "", 6, "print the answer to GET PATH", runAPI},
		{"completion", "bash|zsh|fish", "", 2, "print a completion script", runCompletion},
		{"version", "", "", 2, "print the version", runVersion},
		{"help", "[COMMAND|TOPIC]", "", 2, "print help", runHelp},
	}
}

// findCommand returns the command that words begin with, or nil, and the words after it.
func findCommand(words []string) (*command, []string) {
	for _, c := range commands() {
		n := len(strings.Fields(c.name))
		if len(words) >= n && strings.Join(words[:n], " ") == c.name {
			return &c, words[n:]
		}
	}
	return nil, words
}

// flagSpec is a row of the table of flags.
type flagSpec struct {
	name   string
	value  string // the name of its value in help; "" if it takes none
	global bool   // whether every command takes it
	about  string
}

var flags = []flagSpec{
	{"json", "", true, "print the result as one line of JSON; errors and notes too"},
	{"query", "EXPR", true, "print the result of a JMESPath expression over that JSON"},
	{"raw", "", true, "with --query: strings without quotes, lists line by line"},
	{"quiet", "", true, "print no notes, warnings or success messages"},
	{"project", "ID", true, "the project; beats MICROTICA_PROJECT_ID"},
	{"help", "", true, "print help; so does -h"},
	{"version", "", false, "print the version"},
	{"token", "KEY", false, "login: the key itself, instead of stdin"},
	{"no-verify", "", false, "login: save the key without asking the API whether it works"},
}

// takes reports whether the command accepts the flag. (--version alone runs the command version.)
func (c *command) takes(f flagSpec) bool {
	return f.global || f.name == c.name || slices.Contains(strings.Fields(c.flags), f.name)
}

// findFlag returns the flag of that name, or nil.
func findFlag(name string) *flagSpec {
	if name == "h" {
		name = "help"
	}
	for i := range flags {
		if flags[i].name == name {
			return &flags[i]
		}
	}
	return nil
}

// flagNames returns the names of the flags that match.
func flagNames(match func(f flagSpec) bool) []string {
	var names []string
	for _, f := range flags {
		if match(f) {
			names = append(names, f.name)
		}
	}
	return names
}

// line is a command line split into flags and words.
type line struct {
	flags map[string]*option // by name, whether given or not; typos are corrected
	words []string           // the arguments that are neither flags nor their values
	wrong *failure           // the first error in the flags, or nil
	typos bool               // every error in them is a typo, which is corrected
}

// parse finds the command that args name and sets the options.
func (a *app) parse(args []string) (*command, error) {
	l := splitLine(args)
	if len(l.words) == 0 && l.flags["version"].given {
		l.words = []string{"version"}
	}
	c, rest := findCommand(l.words)
	a.words = rest
	if c != nil && l.flags["help"].given {
		a.words = strings.Fields(c.name)
	}
	switch {
	case slices.ContainsFunc(a.words, looksLikeKey):
		return nil, errKeyArgument()
	case l.flags["help"].given:
		return &command{run: runHelp}, nil
	case l.wrong != nil && l.typos:
		return nil, l.guess(l.wrong, c)
	case l.wrong != nil:
		return nil, withUsage(l.wrong, c)
	case c == nil:
		return nil, l.unknownCommand()
	case c.name == "help":
		return c, nil
	}
	return c, a.accept(c, l)
}

// splitLine separates the flags from the words. It continues after a wrong flag, to find the
// command whose usage line the error shows.
func splitLine(args []string) *line {
	l := &line{flags: map[string]*option{}, typos: true}
	set := flag.NewFlagSet("", flag.ContinueOnError)
	set.SetOutput(io.Discard) // its messages show values, which may be keys
	for _, f := range flags {
		l.flags[f.name] = &option{isBool: f.value == ""}
		set.Var(l.flags[f.name], f.name, f.about)
	}
	set.Var(l.flags["help"], "h", "")
	for len(args) > 0 && args[0] != "--" {
		if !isFlag(args[0]) {
			l.words = append(l.words, args[0])
			args = args[1:]
			continue
		}
		name, _, hasValue := cutFlag(args[0])
		f := findFlag(name)
		if f == nil {
			args = l.unknownFlag(args)
			continue
		}
		next := 1
		if f.value != "" && !hasValue {
			next = min(2, len(args))
		}
		switch {
		case f.value == "" && hasValue: // package flag would take --json=true
			l.reject(fail(codeUsage, "--%s takes no value", f.name), false)
		case f.value != "" && l.flags[f.name].given:
			l.reject(fail(codeUsage, "--%s appears twice", f.name), false)
		case set.Parse(args[:next]) != nil:
			l.reject(fail(codeUsage, "--%s needs a value: %s", f.name, f), false)
			next = 1 // what follows may be a flag, not a value
		}
		args = args[next:]
	}
	if len(args) > 0 {
		l.words = append(l.words, args[1:]...)
	}
	return l
}

// wantsJSON reports whether args contain --json before any --, even if the command line is wrong.
func wantsJSON(args []string) bool {
	for _, arg := range args {
		name, _, _ := cutFlag(arg)
		if arg == "--" || isFlag(arg) && name == "json" {
			return arg != "--"
		}
	}
	return false
}

// isFlag reports whether an argument before -- is a flag.
func isFlag(arg string) bool { return strings.HasPrefix(arg, "-") && arg != "-" }

// cutFlag returns the name of a flag, without its one or two dashes, and the value after a =.
func cutFlag(arg string) (name, value string, hasValue bool) {
	return strings.Cut(strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-"), "=")
}

// accept sets the options. It fails if c does not take one of the flags or arguments, or if the
// query is bad.
func (a *app) accept(c *command, l *line) error {
	for _, f := range flags {
		if l.flags[f.name].given && !c.takes(f) {
			err := fail(codeUsage, "'microtica %s' takes no --%s", c.name, f.name)
			if f.name == "token" {
				err.withHint("set MICROTICA_TOKEN to the key")
			}
			return withUsage(err, c)
		}
	}
	if err := l.checkArguments(c, a.words); err != nil {
		return err
	}
	a.quiet = l.flags["quiet"].given
	a.noVerify = l.flags["no-verify"].given
	a.token, a.project = *l.flags["token"], *l.flags["project"]
	if a.project.given {
		if _, err := a.projectID(); err != nil {
			return err
		}
	}
	a.raw = l.flags["raw"].given
	if expression := l.flags["query"]; expression.given { // before anything is read or written
		var err error
		a.query, err = compileQuery(expression.value)
		return err
	} else if a.raw {
		return didYouMean(fail(codeUsage, "--raw needs --query"), l.typed(l.words)+" --query EXPR")
	}
	return nil
}

// runVersion prints the program's version, the Go version that built it, and the platform.
func runVersion(_ context.Context, a *app) error {
	report := newObject("version", version, "go", runtime.Version(),
		"os", runtime.GOOS, "arch", runtime.GOARCH)
	return a.print(report, func(w io.Writer) {
		fmt.Fprintf(w, "microtica %s (%s %s/%s)\n",
			version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	})
}
