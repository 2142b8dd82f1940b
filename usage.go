package main

import (
	"cmp"
	"slices"
	"strings"
)

// This file has the errors for a wrong command line. Each one has a hint: what to type instead, the
// command's usage line, or the help page to read.

// errNoCommand is the error for a command line without words.
var errNoCommand = fail(codeUsage, "no command given").withHint("run 'microtica help'")

// errKeyArgument returns the error for a word that looks like a key. It does not show the word.
func errKeyArgument() *failure {
	return fail(codeUsage, "a key is not an argument").
		withHint("run 'microtica login' and paste the key there")
}

// withUsage adds the usage line of c to an error that has no hint yet.
func withUsage(f *failure, c *command) *failure {
	usage := "run 'microtica help'"
	if c != nil {
		usage = "usage: " + c.usage()
	}
	f.hint = cmp.Or(f.hint, usage)
	return f
}

// didYouMean sets the hint to a suggestion; typed is the suggested line without the program's name.
func didYouMean(f *failure, typed string) *failure {
	return f.withHint("did you mean 'microtica %s'?", typed)
}

// typed returns words and the line's flags, those that the command takes, as the user would type
// them.
func (l *line) typed(words []string) string {
	var args []string
	c, _ := findCommand(words)
	for _, word := range words {
		args = append(args, plain(word, "…"))
	}
	for _, f := range flags {
		switch o := l.flags[f.name]; {
		case !o.given, c != nil && !c.takes(f): // the line should work
		case f.name == "token":
			args = append(args, f.String())
		case f.value == "":
			args = append(args, "--"+f.name)
		default:
			args = append(args, "--"+f.name, plain(o.value, f.value))
		}
	}
	return strings.Join(args, " ")
}

// plain returns arg, or the placeholder if arg would need quotes or must not be shown.
func plain(arg, placeholder string) string {
	const chars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/~:@%+,=-<"
	if arg == "" || len(arg) > 60 || looksLikeKey(arg) || strings.Trim(arg, chars) != "" {
		return placeholder
	}
	return arg
}

// shown returns a word as messages show it: quoted and not too long.
func shown(word string) string { return "'" + shorten(word) + "'" }

// habits maps flags and command words of other programs to those of this one.
var habits = map[string]string{
	"v": "version", "q": "quiet", "p": "project", "jq": "query",
	"o": "json", "output": "json", "format": "json",
	"ls": "list", "auth": "whoami", "status": "whoami",
	"environment": "env", "environments": "env",
}

// formats are values of --output in other programs.
var formats = strings.Fields("json yaml table text tsv csv")

// reject records an error in the flags, and whether it is a typo that is corrected. Only the first
// error is kept.
func (l *line) reject(f *failure, typo bool) {
	l.wrong = cmp.Or(l.wrong, f)
	l.typos = l.typos && typo
}

// unknownFlag records that the flag args[0] does not exist, and returns the arguments still to
// parse: the flag that was probably meant, if there is one, and the rest of args.
func (l *line) unknownFlag(args []string) []string {
	dashed, value, hasValue := strings.Cut(args[0], "=")
	rest := args[1:]
	all := flagNames(func(flagSpec) bool { return true })
	meant := findFlag(closest(strings.TrimLeft(dashed, "-"), all))
	f := fail(codeUsage, "unknown flag %s", shown(dashed))
	if looksLikeKey(dashed) || meant == nil && looksLikeKey(value) {
		f = errKeyArgument()
		meant = nil
	}
	if meant == nil {
		l.reject(f, false)
		return rest
	}
	l.reject(f, true)
	corrected := "--" + meant.name
	if meant.value != "" && hasValue {
		corrected += "=" + value
	}
	if meant.name == "json" && len(rest) > 0 && slices.Contains(formats, rest[0]) {
		rest = rest[1:] // the value of --output
	}
	return append([]string{corrected}, rest...)
}

// checkArguments fails if words are not the arguments that the command c takes.
func (l *line) checkArguments(c *command, words []string) error {
	takes := len(strings.Fields(c.arg))
	if len(words) == takes {
		return nil
	}
	f := fail(codeUsage, "'microtica %s' needs an argument: %s", c.name, c.arg)
	if len(words) > takes {
		f = fail(codeUsage, "unexpected argument %s", shown(words[takes]))
		if meant, ok := l.meantWords(c, words); ok {
			return didYouMean(f, l.typed(meant))
		}
	}
	return withUsage(f, c)
}

// meantWords returns the words that the user probably meant by the command c and these arguments,
// and whether it found a use for an unexpected one: a project's id becomes the value of --project.
func (l *line) meantWords(c *command, arguments []string) ([]string, bool) {
	words := strings.Fields(c.name)
	one := len(arguments) == 1 && !strings.HasPrefix(arguments[0], "-")
	switch {
	case c.arg != "":
		return append(words, arguments...), false
	case one && c.name == "env list" && !l.flags["project"].given:
		*l.flags["project"] = option{value: arguments[0], given: true}
		return words, true
	case one && c.name == "login" && !l.flags["token"].given:
		return append(words, "<", arguments[0]), true
	}
	return words, false
}

// unknownCommand returns the error for words that name no command.
func (l *line) unknownCommand() *failure {
	if f := l.swallowedWord(); f != nil {
		return f
	}
	if len(l.words) == 0 {
		return errNoCommand
	}
	subcommands := wordsAfter(l.words[0] + " ")
	c, _ := findCommand(slices.Concat(l.words[:1], subcommands))
	f := fail(codeUsage, "unknown command %s", shown(strings.Join(l.words, " ")))
	if c != nil && len(l.words) == 1 {
		f = fail(codeUsage, "'microtica %s' needs a subcommand: %s", l.words[0],
			strings.Join(subcommands, ", "))
	}
	return l.guess(f, c)
}

// swallowedWord returns the error for a flag that took the command's first word as its value, or
// nil.
func (l *line) swallowedWord() *failure {
	for _, f := range flags {
		o := l.flags[f.name]
		words := append([]string{o.value}, l.words...)
		if c, rest := findCommand(words); c != nil && (c.arg != "" || len(rest) == 0) {
			err := fail(codeUsage, "--%s took '%s', part of the command, as its value",
				f.name, o.value)
			o.value = ""
			return didYouMean(err, l.typed(words))
		}
	}
	return nil
}

// guess adds a hint: the command line that was probably meant, or else the usage line of c.
func (l *line) guess(f *failure, c *command) *failure {
	if l.flags["version"].given {
		return didYouMean(f, "--version")
	}
	if meant, rest := closestCommand(l.words); meant != nil {
		words, _ := l.meantWords(meant, rest)
		return didYouMean(f, l.typed(words))
	}
	return withUsage(f, c)
}

// closestCommand returns the command that words most likely mean, and the words after its name, or
// nil if no command is close. The words of a name may be in any order, and one alone is enough.
func closestCommand(words []string) (*command, []string) {
	if len(words) > 1 && words[0] == "auth" {
		words = words[1:]
	}
	var known []string
	for _, c := range commands() {
		known = append(known, strings.Fields(c.name)...)
	}
	for _, c := range commands() {
		name := strings.Fields(c.name)
		n := min(len(name), len(words))
		other := func(word string) bool { return !slices.Contains(name, closest(word, known)) }
		if n > 0 && !slices.ContainsFunc(words[:n], other) {
			return &c, words[n:]
		}
	}
	return nil, nil
}

// closest returns the candidate that a word most likely means, in whatever case, or "" if there is
// none: one that is a habit, or in which at most two letters differ, fewer if it is short.
func closest(word string, candidates []string) string {
	word = strings.ToLower(word)
	if habit := habits[word]; slices.Contains(candidates, habit) {
		return habit
	}
	for n := range 3 {
		for _, candidate := range candidates {
			if n < len(candidate)-1 && within(n, word, candidate) {
				return candidate
			}
		}
	}
	return ""
}

// within reports whether adding, removing or replacing at most n letters turns a into b.
func within(n int, a, b string) bool {
	for a != "" && b != "" && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	if n == 0 || a == "" || b == "" {
		return len(a)+len(b) <= n
	}
	return within(n-1, a[1:], b) || within(n-1, a, b[1:]) || within(n-1, a[1:], b[1:])
}
