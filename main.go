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
//	microtica api PATH                            print the API's answer to a path
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
// To read the code, start here: run parses the command line and calls the command's function.
// cmdline.go takes the command line apart, and usage.go says what to type instead of a wrong one;
// help.go and completion.go print help and scripts. login.go, whoami.go, project.go, env.go and
// api.go are the commands. creds.go is the key and its file; client.go and http.go talk to the API;
// json.go, output.go and errors.go print; query.go and functions.go are --query; tty_*.go hides
// what is typed.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// version is set by the linker (-ldflags "-X main.version=…").
var version = "dev"

// app is what main injects, so that a test can run every command in its own process.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	lookenv        func(string) (string, bool)
	now            func() time.Time
	sleep          func(context.Context, time.Duration) error
	onTerminal     bool          // stderr is a terminal
	apiLimit       time.Duration // for all that one command does at the API
	verifyLimit    time.Duration // for login to reach the API before it saves the key unchecked

	options
}

// options is what the command line says.
type options struct {
	json     bool // --json was given; with --query alone the result is JSON, and nothing else is
	quiet    bool
	raw      bool
	noVerify bool
	token    option
	project  option
	query    *query   // nil without --query
	words    []string // the arguments after the command's words
}

// option is the value of a flag. It knows whether it was given, since an empty value is not the
// same as none.
type option struct {
	value string
	given bool
}

func main() {
	log.SetOutput(io.Discard) // net/http logs what a server sent
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM} {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	go func() {
		s := <-signals
		signal.Stop(signals) // a second one ends the program at once
		cancel(interrupted(int(s.(syscall.Signal))))
	}()
	a := &app{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, lookenv: os.LookupEnv,
		now: time.Now, sleep: sleep, onTerminal: openTerminal(os.Stderr) != nil,
		apiLimit: 60 * time.Second, verifyLimit: 5 * time.Second,
	}
	os.Exit(a.run(ctx, os.Args[1:]))
}

// sleep waits for d, or fails when ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// getenv returns the value of a variable without the white space around it: "" if it is empty or
// not set.
func (a *app) getenv(name string) string {
	value, _ := a.lookenv(name)
	return strings.TrimSpace(value)
}

// run carries out one command line and returns the exit status.
func (a *app) run(ctx context.Context, args []string) int {
	a.json = wantsJSON(args)
	c, err := a.parse(args)
	if err == errNoCommand && !a.json {
		io.WriteString(a.stderr, overview())
		return errNoCommand.exitStatus()
	}
	if err == nil {
		err = c.run(ctx, a)
	}
	if err != nil {
		return printError(a.stderr, a.json, err)
	}
	return 0
}

// command is a row of the table of commands.
type command struct {
	name  string // its words: "project list"
	arg   string // the argument after them; in brackets if it is optional
	flags string // the flags that its usage line shows
	about string
	run   func(context.Context, *app) error
}

// commands returns the table that parsing, help and completion read. A variable would make an
// initialization cycle: help reads the table that it is in.
func commands() []command {
	return []command{
		{"login", "", "token no-verify", "save an API key on this machine", runLogin},
		{"logout", "", "", "remove the saved key", runLogout},
		{"whoami", "", "", "check whether the key works", runWhoami},
		{"project list", "", "", "list the projects a key can see", runProjectList},
		{"env list", "", "project", "list a project's environments", runEnvList},
		{"api", "PATH", "", "print the API's answer to a path", runAPI},
		{"completion", "bash|zsh|fish", "", "print a completion script", runCompletion},
		{"version", "", "", "print the version", runVersion},
		{"help", "[COMMAND|TOPIC]", "", "print help", runHelp},
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

// runVersion prints what was built, with what, and for which platform.
func runVersion(_ context.Context, a *app) error {
	platform := runtime.GOOS + "/" + runtime.GOARCH
	report := newObject("version", version, "go", runtime.Version(),
		"os", runtime.GOOS, "arch", runtime.GOARCH)
	return a.print(report, func(w io.Writer) {
		fmt.Fprintf(w, "microtica %s (%s %s)\n", version, runtime.Version(), platform)
	})
}
