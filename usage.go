package main

import (
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
	switch {
	case f.hint != "":
		return f
	case c == nil:
		return f.withHint("run 'microtica help'")
	}
	return f.withHint("usage: %s", c.usage())
}

// didYouMean sets the hint to a suggestion; typed is the suggested line without the program's name.
func didYouMean(f *failure, typed string) *failure {
	return f.withHint("did you mean 'microtica %s'?", typed)
}

// typed returns words and the line's flags as the user would type them. A placeholder replaces a
// value that would need quotes or must not be shown.
func (l *line) typed(words []string) string {
	var args []string
	for _, word := range words {
		if !isPlain(word) {
			word = "…"
		}
		args = append(args, word)
	}
	for _, f := range flags {
		switch o := l.flags[f.name]; {
		case !o.given:
		case f.value == "":
			args = append(args, "--"+f.name)
		case f.name == "token" || !isPlain(o.value):
			args = append(args, "--"+f.name, f.value)
		default:
			args = append(args, "--"+f.name, o.value)
		}
	}
	return strings.Join(args, " ")
}

// isPlain reports whether an argument can be typed without quotes and may be shown.
func isPlain(arg string) bool {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/~:@%+,=-<"
	return arg != "" && len(arg) <= 60 && !looksLikeKey(arg) && strings.Trim(arg, plain) == ""
}

// shown returns a word as messages show it: quoted and not too long.
func shown(word string) string {
	const limit = 60
	if len(word) > limit {
		word = strings.ToValidUTF8(word[:limit], "") + "…"
	}
	return "'" + word + "'"
}

// flagHabits maps flags of other programs to flags of this one.
var flagHabits = map[string]string{
	"v": "version", "q": "quiet", "p": "project", "jq": "query",
	"o": "json", "output": "json", "format": "json",
}

// formats are values of --output in other programs.
var formats = strings.Fields("json yaml table text tsv csv")

// wordHabits maps command words of other programs to words of this one.
var wordHabits = map[string]string{
	"ls": "list", "auth": "whoami", "status": "whoami",
	"environment": "env", "environments": "env",
}

// unknownFlag rejects the flag args[0] and returns the arguments still to parse: the flag that was
// probably meant, if there is one, and the rest of args.
func (l *line) unknownFlag(args []string) []string {
	dashed, value, hasValue := strings.Cut(args[0], "=")
	rest := args[1:]
	if looksLikeKey(dashed) {
		l.reject(errKeyArgument(), false)
		return rest
	}
	f := fail(codeUsage, "unknown flag %s", shown(dashed))
	typed := strings.ToLower(strings.TrimLeft(dashed, "-"))
	name, known := flagHabits[typed]
	if !known {
		var names []string
		for _, f := range flags {
			names = append(names, f.name)
		}
		name = closest(typed, names)
	}
	meant := findFlag(name)
	if meant == nil || name == "version" {
		switch {
		case meant != nil:
			f = didYouMean(f, "--version")
		case looksLikeKey(value):
			f = errKeyArgument()
		}
		l.reject(f, false)
		return rest
	}
	l.reject(f, true)
	fixed := "--" + name
	if meant.value != "" && hasValue {
		fixed += "=" + value
	} else if name == "json" && len(rest) > 0 && slices.Contains(formats, rest[0]) {
		rest = rest[1:] // the value of --output
	}
	return append([]string{fixed}, rest...)
}

// misplacedFlag returns the error for a flag that the command c does not take.
func misplacedFlag(c *command, f flagSpec) *failure {
	err := fail(codeUsage, "'microtica %s' takes no --%s", c.name, f.name)
	switch f.name {
	case "token":
		return err.withHint("set MICROTICA_TOKEN to the key")
	case "version":
		return err.withHint("run 'microtica --version'")
	}
	return withUsage(err, c)
}

// checkArguments fails if words are not the arguments that the command c takes.
func (l *line) checkArguments(c *command, words []string) error {
	takes := 0
	if c.arg != "" {
		takes = 1
	}
	switch {
	case len(words) < takes:
		f := fail(codeUsage, "'microtica %s' needs an argument: %s", c.name, c.arg)
		return withUsage(f, c)
	case len(words) == takes:
		return nil
	}
	f := fail(codeUsage, "unexpected argument %s", shown(words[takes]))
	if fixed := l.fixArguments(c, words); takes == 0 && fixed != nil {
		return didYouMean(f, l.typed(append(strings.Fields(c.name), fixed...)))
	}
	return withUsage(f, c)
}

// fixArguments returns what the user probably meant by the arguments words of the command c, or
// nil. A project's id becomes the value of --project.
func (l *line) fixArguments(c *command, words []string) []string {
	switch {
	case c.arg != "":
		return words
	case len(words) != 1 || strings.HasPrefix(words[0], "-"):
		return nil
	case c.name == "env list" && !l.flags["project"].given:
		*l.flags["project"] = option{value: words[0], given: true}
		return []string{}
	case c.name == "login" && !l.flags["token"].given:
		return []string{"<", words[0]}
	}
	return nil
}

// unknownCommand returns the error for words that name no command.
func (l *line) unknownCommand() *failure {
	if f := l.swallowedWord(); f != nil {
		return f
	}
	if len(l.words) == 0 {
		return errNoCommand
	}
	group := l.words[0]
	subcommands := wordsAfter(group)
	if group == "" || len(subcommands) == 0 {
		return l.guess(fail(codeUsage, "unknown command %s", shown(group)), nil)
	}
	c, _ := findCommand([]string{group, subcommands[0]})
	if len(l.words) == 1 {
		list := strings.Join(subcommands, ", ")
		return withUsage(fail(codeUsage, "'microtica %s' needs a subcommand: %s", group, list), c)
	}
	return l.guess(fail(codeUsage, "unknown %s command %s", group, shown(l.words[1])), c)
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
	if meant, rest := closestCommand(l.words); meant != nil {
		words := append(strings.Fields(meant.name), l.fixArguments(meant, rest)...)
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
	for _, c := range commands() {
		name := strings.Fields(c.name)
		n := min(len(name), len(words))
		other := func(word string) bool { return !slices.Contains(name, meaning(word)) }
		if n > 0 && !slices.ContainsFunc(words[:n], other) {
			return &c, words[n:]
		}
	}
	return nil, nil
}

// meaning returns the word of a command that the typed word most likely means, or "".
func meaning(typed string) string {
	typed = strings.ToLower(typed)
	if word, known := wordHabits[typed]; known {
		return word
	}
	var words []string
	for _, c := range commands() {
		words = append(words, strings.Fields(c.name)...)
	}
	return closest(typed, words)
}

// closest returns the candidate that word most likely means, or "" if there is none. At most two
// letters may differ, fewer in a short candidate.
func closest(word string, candidates []string) string {
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
