// Microtica logs a machine in to Microtica, a cloud delivery platform, with an API key, says whether that key works, and lists
// the projects and environments it can see.
//
// Usage:
//
//	microtica login [--token KEY] [--no-verify]
//	microtica logout
//	microtica whoami
//	microtica project list
//	microtica env list [--project ID]
//	microtica version
//	microtica help [COMMAND]
//
// Flags that every command takes, in any position: --json prints the result as one line of JSON, --query EXPR what a JMESPath
// expression makes of that, --quiet no notes, warnings or success messages; --project ID names the project.
//
// The key comes from MICROTICA_TOKEN, else from the file that MICROTICA_TOKEN_FILE names, else from ~/.microtica/credentials,
// where login saves it. MICROTICA_PROJECT_ID is the default project, MICROTICA_API_URL the API's base URL. The exit status is 0
// for success, 1 for this machine, 2 for usage, 3 for the key, 4 where the API refuses, 5 where it cannot be reached, 6 where
// it fails.
//
// README.md tells users more. To read the code: this file finds the command and its flags; login.go, whoami.go, project.go
// and env.go are the commands; creds.go is the key and its file; client.go and http.go are the client; json.go, output.go and
// errors.go are what is printed; query.go is --query; tty_*.go hides what is typed.
package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"log"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// version is set when the program is built (-ldflags "-X main.version=…").
var version = "dev"

// app is what main injects, so that a test can drive every command, and what the command line says.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	lookenv        func(string) (string, bool)
	now            func() time.Time
	sleep          func(context.Context, time.Duration) error
	onTerminal     bool          // stderr is a terminal
	apiLimit       time.Duration // for everything that a command does at the API, together
	verifyLimit    time.Duration // for login to reach the API before it saves the key unchecked

	options
}

// options is what the command line says.
type options struct {
	json     bool // print JSON: --json or --query was given
	quiet    bool
	raw      bool // with query: print for a shell
	noVerify bool
	token    option
	project  option
	query    *query   // nil without --query
	words    []string // the arguments that follow the command's name
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
	a := &app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, lookenv: os.LookupEnv, now: time.Now, sleep: sleep, apiLimit: 60 * time.Second, verifyLimit: 5 * time.Second}
	os.Exit(a.run(ctx, os.Args[1:]))
}

// getenv returns the value of a variable without the white space around it; "" where that is all
// there is, or where the variable is not set.
func (a *app) getenv(name string) string {
	value, _ := a.lookenv(name)
	return strings.TrimSpace(value)
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

// run carries out one command line and returns the exit status.
func (a *app) run(ctx context.Context, args []string) int {
	for _, arg := range args { // seen before all else, for an error in the words before it is JSON too
		name, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-"), "=")
		a.json = a.json || (name == "json" || name == "query") && arg[0] == '-'
	}
	c, err := a.parse(args)
	if err == nil && c == nil {
		io.WriteString(a.stderr, overview())
		return 2
	}
	if err == nil {
		err = c.run(ctx, a)
	}
	if err != nil {
		return printError(a.stderr, a.json, err)
	}
	return 0
}

// option is the value of one flag. It knows that it was given, so that an empty value differs from none.
type option struct {
	value          string
	given, noValue bool
	check          func(value string) error // nil where any value will do
	err            error                    // why a value was refused
}

func (o *option) String() string   { return o.value }
func (o *option) IsBoolFlag() bool { return o.noValue }

func (o *option) Set(value string) error {
	switch {
	case o.given:
		o.err = errors.New("is given twice")
	case o.noValue && value != "true":
		o.err = errors.New("takes no value")
	case !o.noValue && strings.HasPrefix(value, "-"):
		o.err = errors.New("needs a value")
	case o.check != nil:
		o.err = o.check(value)
	}
	o.value, o.given = value, true
	return o.err
}

// parse finds the command that args name, and its flags. Each word gets a flag set of its own, with the global flags in it, so
// that these may stand anywhere. The command is nil where args name none.
func (a *app) parse(args []string) (*command, error) {
	var asJSON, help, h, asVersion, quiet, raw, noVerify, expression option
	expression.check = func(text string) (err error) {
		a.query, err = compileQuery(text)
		return err
	}
	defer func() { a.quiet, a.raw, a.noVerify = quiet.given, raw.given, noVerify.given }()
	a.project.check = func(id string) error { return checkProject(id, "--project") }
	for _, o := range []*option{&asJSON, &help, &h, &asVersion, &quiet, &raw, &noVerify} {
		o.noValue = true
	}
	options := map[string]*option{"json": &asJSON, "quiet": &quiet, "raw": &raw, "project": &a.project, "query": &expression, "help": &help, "h": &h,
		"version": &asVersion, "token": &a.token, "no-verify": &noVerify}
	words := ""
	for {
		rest, err := parseFlags(options, append(flagsOf(words), "h"), args)
		if err != nil {
			return nil, err
		}
		c, forHelp := findCommand(words), help.given || h.given
		switch {
		case c != nil && len(rest) > 0: // flags may stand behind an argument too
			a.words, args = append(a.words, rest[0]), rest[1:]
			continue
		case c != nil || forHelp && len(rest) == 0:
			return a.accept(c, words, forHelp)
		case asVersion.given:
			words, args = "version", rest
			continue
		case len(rest) == 0 && words == "":
			return nil, nil
		case len(rest) == 0:
			list := strings.Join(wordsAfter(words), ", ")
			return nil, fail(codeUsage, "'microtica %s' needs a subcommand: %s", words, list).withHint("run 'microtica help %s'", words)
		}
		candidates := wordsAfter(words)
		if !slices.Contains(candidates, rest[0]) {
			return nil, unknown(strings.TrimSpace(words+" command"), rest[0], candidates, "microtica "+strings.TrimSpace("help "+words))
		}
		words, args = strings.TrimSpace(words+" "+rest[0]), rest[1:]
	}
}

// accept checks what stands around the words of the command c, and returns the command to run: help where that is asked for.
func (a *app) accept(c *command, words string, help bool) (*command, error) {
	if help {
		a.words = strings.Fields(words)
		return findCommand("help"), nil
	}
	if len(a.words) > 0 && c.name != "help" && c.name != "completion" && c.name != "api" {
		return nil, fail(codeUsage, "unexpected argument %s", shown(a.words[0])).withHint("run 'microtica help %s'", c.name)
	}
	return c, nil
}

// parseFlags parses the flags of these names at the start of args, and returns what stands behind them.
func parseFlags(options map[string]*option, names, args []string) ([]string, error) {
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	for _, name := range names {
		fs.Var(options[name], name, "")
	}
	err := fs.Parse(args)
	if err == nil {
		return fs.Args(), nil
	}
	for _, name := range names { // the library's own message shows the value
		var f *failure
		if err := options[name].err; errors.As(err, &f) {
			return nil, f
		} else if err != nil {
			return nil, fail(codeUsage, "--%s %v", name, err).withHint("run 'microtica help'")
		}
	}
	at := len(args) - fs.NArg() - 1 // the flag is the last word that was taken, but for one like ---x
	if strings.HasPrefix(err.Error(), "bad flag syntax") {
		at++
	}
	word, _, _ := strings.Cut(args[at], "=")
	if fs.Lookup(strings.TrimPrefix(strings.TrimPrefix(word, "-"), "-")) != nil {
		return nil, fail(codeUsage, "%s needs a value", word).withHint("run 'microtica help'")
	}
	return nil, unknown("flag", word, names, "microtica help")
}

// unknown returns the error for a word that is none of the candidates, with the one that is meant if that can be told.
func unknown(kind, word string, candidates []string, help string) *failure {
	f := fail(codeUsage, "unknown %s %s", kind, shown(word)).withHint("run '%s'", help)
	best := 3 // letters that may differ
	for _, candidate := range candidates {
		if d := distance(strings.TrimLeft(word, "-"), candidate); d < min(best, len(candidate)-1) {
			best = d
			if kind == "flag" {
				candidate = "--" + candidate
			}
			f.withHint("did you mean %s?", candidate)
		}
	}
	return f
}

// distance returns how many letters must be added, removed or replaced to make b of a (Levenshtein); 9 for a long a.
func distance(a, b string) int {
	if len(a) > 20 {
		return 9
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

// shown returns a word of the command line as messages show it: not at all if it may be a key.
func shown(word string) string {
	if looksLikeKey(word) {
		return "that looks like a key"
	}
	return "'" + word + "'"
}
