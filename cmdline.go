package main

import (
	"flag"
	"io"
	"slices"
	"strings"
)

// A wrong line never runs anything. Its error names the first unknown word, or a flag without its
// value; its hint is a suggestion, usage lines, or the way to the help.

// flags are all flags but -h and --help, in the order of the overview.
var flags = slices.Concat([]flagSpec{
	{name: "json", about: "print the result as one line of JSON; errors and notes too"},
}, queryFlags, []flagSpec{
	{name: "quiet", about: "print no notes, warnings or success messages"},
	{name: "project", value: "ID", about: "the project; beats MICROTICA_PROJECT_ID"},
	{name: "version", about: "print the version"},
	{name: "token", value: "KEY", only: "login", about: "the key itself, instead of stdin"},
	{name: "no-verify", only: "login", about: "save the key without trying it"},
})

var errNoCommand = fail(codeUsage, "no command given").withHint("run 'microtica help'")

// parse finds the command that args name, and sets the options.
func (a *app) parse(args []string) (c *command, err error) {
	var after []string // what follows -- is no flag
	if i := slices.Index(args, "--"); i >= 0 {
		args, after = args[:i], args[i+1:]
	}
	a.json = slices.Contains(args, "--json") || slices.Contains(args, "-json")
	words, values := split(args)
	words = append(words, after...)
	if slices.Contains(args, "-h") || slices.Contains(args, "--help") {
		a.words = words
		return &command{run: printNearestHelp}, nil
	}
	if values["version"] != "" && len(words) == 0 {
		words = []string{"version"}
		delete(values, "version")
	}
	for _, known := range commands {
		if known.run != nil && hasPrefix(words, strings.Fields(known.name)) {
			c = known
		}
	}
	if err := checkFlags(args, words, c); err != nil {
		return nil, err
	}
	switch {
	case values["version"] != "":
		return nil, usageError(words, "--version goes with no command")
	case len(words) == 0:
		return nil, errNoCommand
	case c == nil:
		return nil, unknownCommand(words)
	}
	a.words = words[len(strings.Fields(c.name)):]
	if err := checkArguments(a.words, words, c); err != nil {
		return nil, err
	}
	a.quiet, a.noVerify = values["quiet"] != "", values["no-verify"] != ""
	a.token, a.project = values["token"], values["project"]
	if expression := values["query"]; expression != "" { // before anything is read or written
		a.query, err = compileQuery(expression, values["raw"] != "")
	} else if values["raw"] != "" {
		err = usageError(words, "--raw needs --query").withHint("add --query EXPR")
	}
	return c, err
}

func hasPrefix(words, prefix []string) bool {
	return len(words) >= len(prefix) && slices.Equal(words[:len(prefix)], prefix)
}

// split returns the words of a line, and the values of its flags by name, "true" for a flag that
// takes none. Of two values the later counts; wrong flags are left out.
func split(args []string) (words []string, values map[string]string) {
	values = map[string]string{}
	set := flag.NewFlagSet("", flag.ContinueOnError)
	set.SetOutput(io.Discard) // its messages show values, which may be keys
	for _, f := range flags {
		store := func(value string) error {
			values[f.name] = value
			return nil
		}
		if f.value == "" {
			set.BoolFunc(f.name, "", store)
		} else {
			set.Func(f.name, "", store)
		}
	}
	for len(args) > 0 {
		err := set.Parse(args) // up to the first word, or past the first wrong flag
		rest := set.Args()
		switch {
		case err == nil && len(rest) > 0:
			words = append(words, rest[0])
			rest = rest[1:]
		case len(rest) == len(args): // a name that package flag does not pass, such as ---x
			rest = rest[1:]
		}
		args = rest
	}
	return words, values
}

// checkFlags returns the error of the first wrong flag in args, or nil; c is the command that the
// words begin, or nil. A value cannot begin with a dash, so whatever does is a flag.
func checkFlags(args, words []string, c *command) error {
	for i, arg := range args {
		dashed, value, hasValue := strings.Cut(arg, "=")
		if !strings.HasPrefix(arg, "-") || arg == "-" {
			continue
		}
		var f flagSpec
		var names []string
		name := strings.TrimPrefix(strings.TrimPrefix(dashed, "-"), "-")
		for _, known := range flags {
			names = append(names, known.name)
			if known.name == name {
				f = known
			}
		}
		if f.value != "" && !hasValue && i+1 < len(args) {
			value = args[i+1]
		}
		switch {
		case f.name == "":
			shown, _, _ := strings.Cut(dashed, "mic_") // of -tKEY
			if c == cmdLogin {
				shown = "--…" // it may be some other form of the key
			}
			f := usageError(words, "unknown flag '"+shown+"'")
			if meant := closest(name, names); meant != "" {
				f.withHint("did you mean --%s?", meant)
			}
			return f
		case f.value == "" && hasValue:
			return usageError(words, "--"+name+" takes no value")
		case f.value != "" && (value == "" || value[0] == '-'):
			return usageError(words, "--"+name+" needs a value: --"+name+" "+f.value)
		case c == nil || f.only == "" || f.only == c.name:
		case name == "token":
			return usageError(words, "only login takes --token").
				withHint("set MICROTICA_TOKEN to the key")
		default:
			return usageError(words, "only "+f.only+" takes --"+name)
		}
	}
	return nil
}

// checkArguments returns what is wrong with the arguments of c, which the words begin, or nil.
func checkArguments(arguments, words []string, c *command) error {
	takes := 0
	if c.args != "" && c.args[0] != '[' {
		takes = 1
	}
	switch {
	case c == cmdHelp: // it says itself what it knows
	case len(arguments) < takes:
		return usageError(words, "'microtica "+c.name+"' needs an argument: "+c.args)
	case len(arguments) > takes && c == cmdLogin: // it may be the key
		return usageError(words, "'microtica login' takes no argument")
	case len(arguments) > takes:
		return usageError(words, "unexpected argument '"+arguments[takes]+"'")
	}
	return nil
}

// unknownCommand returns the error for words that begin no command.
func unknownCommand(words []string) error {
	var names []string
	shown := words[:1] // up to the first unknown word
	for _, c := range commands {
		if c.run != nil {
			names = append(names, c.name)
		}
		if strings.HasPrefix(c.name, words[0]+" ") {
			shown = words[:min(2, len(words))]
		}
	}
	f := usageError(words, "unknown command '"+strings.Join(shown, " ")+"'")
	for n := min(2, len(words)); n > 0; n-- {
		if meant := closest(strings.Join(words[:n], " "), names); meant != "" {
			return f.withHint("did you mean 'microtica %s'?", meant)
		}
	}
	return f
}
