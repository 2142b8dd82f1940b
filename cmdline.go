package main

import (
	"slices"
	"strings"
)

// This file is what a command line can say: the flags, where they and the words of a command may
// be, and what is refused. usage.go words the refusals.

// flag is a row of the table of flags.
type flag struct {
	name   string
	value  string // what its value is called; "" if it takes none
	global bool   // whether every command takes it
	about  string
}

var flags = []flag{
	{"json", "", true, "print the result as one line of JSON; errors and notes too"},
	{"query", "EXPR", true, "print the result of a JMESPath expression over that JSON"},
	{"raw", "", true, "with --query: strings without quotes, lists line by line"},
	{"quiet", "", true, "print no notes, warnings or success messages"},
	{"project", "ID", true, "the project; beats MICROTICA_PROJECT_ID"},
	{"help", "", true, "print help; so does -h"},
	{"version", "", false, "print the version"},
	{"token", "KEY", false, "the key itself, instead of stdin"},
	{"no-verify", "", false, "save the key without asking the API whether it works"},
}

// takes reports whether the flag means something to the command. (--version is a command.)
func (c *command) takes(f flag) bool {
	return f.global || f.name == c.name || slices.Contains(strings.Fields(c.flags), f.name)
}

// findFlag returns the flag of that name, or nil.
func findFlag(name string) *flag {
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

// line is a command line taken apart. Package flag is not used: it stops at the first word, takes
// --json=true, and shows values, which may be keys, in its errors.
type line struct {
	args  []string          // as typed
	flags map[string]option // by name
	words []string          // what is neither a flag nor the value of one
	wrong *failure          // what is wrong with the flags, or nil
}

// parse finds the command that args name and sets the options: it takes the flags and the words
// apart, finds the command that the words name, and holds the rest against what that accepts.
func (a *app) parse(args []string) (*command, error) {
	l := splitLine(args)
	if len(l.words) == 0 && l.flags["version"].given {
		l.words = []string{"version"}
	}
	c, rest := findCommand(l.words)
	switch {
	case l.flags["help"].given:
		if c != nil {
			rest = strings.Fields(c.name)
		}
		c, _ = findCommand([]string{"help"})
	case l.wrong != nil:
		return nil, withUsage(l.wrong, c)
	case c == nil:
		return nil, l.unknownCommand()
	}
	a.words = rest
	return c, a.accept(c, l)
}

// splitLine takes flags and words apart. After a wrong flag it goes on, for the command that the
// error is to name the usage of.
func splitLine(args []string) *line {
	l := &line{args: args, flags: map[string]option{}}
	for i := 0; i < len(args); i++ {
		if args[i] == "--" {
			l.words = append(l.words, args[i+1:]...)
			break
		}
		if !isFlag(args[i]) {
			l.words = append(l.words, args[i])
			continue
		}
		name, value, hasValue := cutFlag(args[i])
		f := findFlag(name)
		if f != nil && f.value != "" && !hasValue && i+1 < len(args) && !isFlag(args[i+1]) {
			i++
			value, hasValue = args[i], true
		}
		switch {
		case l.wrong != nil: // the first error is the one to report
		case f == nil:
			l.wrong = l.unknownFlag(i)
		case f.value == "" && hasValue:
			l.wrong = fail(codeUsage, "--%s takes no value", name)
		case f.value != "" && (!hasValue || strings.HasPrefix(value, "-")):
			l.wrong = fail(codeUsage, "--%s needs a value: --%[1]s %s", name, f.value)
		case f.value != "" && l.flags[name].given:
			l.wrong = fail(codeUsage, "--%s is given twice", name)
		}
		if f != nil {
			l.flags[f.name] = option{value, true}
		}
	}
	return l
}

// wantsJSON reports whether --json is given, whatever else is wrong with the command line.
func wantsJSON(args []string) bool { return splitLine(args).flags["json"].given }

// isFlag reports whether an argument before -- is a flag.
func isFlag(arg string) bool { return strings.HasPrefix(arg, "-") && arg != "-" }

// cutFlag returns the name of a flag, without its one or two dashes, and the value after a =.
func cutFlag(arg string) (name, value string, hasValue bool) {
	return strings.Cut(strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-"), "=")
}

// accept holds the line against what the command c accepts, and sets the options.
func (a *app) accept(c *command, l *line) error {
	if c.name == "help" {
		return nil
	}
	for _, f := range flags {
		if l.flags[f.name].given && !c.takes(f) {
			return misplacedFlag(c, f)
		}
	}
	if err := l.checkArguments(c, a.words); err != nil {
		return err
	}
	a.quiet = l.flags["quiet"].given
	a.raw = l.flags["raw"].given
	a.noVerify = l.flags["no-verify"].given
	a.token, a.project = l.flags["token"], l.flags["project"]
	if a.project.given {
		if err := checkProject(a.project.value, "--project"); err != nil {
			return err
		}
	}
	if expression := l.flags["query"]; expression.given { // before anything is read or written
		var err error
		a.query, err = compileQuery(expression.value)
		return err
	} else if a.raw {
		args := append(l.withFlags(l.words), "--query", "EXPR")
		return didYouMean(fail(codeUsage, "--raw needs --query"), args)
	}
	return nil
}
