package main

import (
	"slices"
	"strings"
)

// This file is what the user of a wrong command line is told. Every error ends in the words to
// type instead, in the usage line of the command, or in the page of help to read.

// errNoCommand is the error for a command line without words.
var errNoCommand = fail(codeUsage, "no command is given").withHint("run 'microtica help'")

// errKeyArgument returns the error for a word that looks like a key, which is not to be shown.
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

// didYouMean adds a command line to an error, as the user would type it after the program's name.
// A value that would need quotes, or that must not be shown, is left for the user to fill in.
func didYouMean(f *failure, args []string) *failure {
	typed := "microtica"
	placeholder := ""
	for _, arg := range args {
		switch known := valueFlag(arg); {
		case placeholder != "":
			if !isPlain(arg) || placeholder == "KEY" {
				arg = placeholder
			}
			placeholder = ""
		case known != nil:
			name, value, hasValue := cutFlag(arg)
			if !hasValue {
				placeholder = known.value
			} else if !isPlain(value) || known.value == "KEY" {
				arg = "--" + name + "=" + known.value
			}
		case !isPlain(arg):
			arg = "…"
		}
		typed += " " + arg
	}
	return f.withHint("did you mean '%s'?", typed)
}

// valueFlag returns the flag that arg gives, if it is one that takes a value.
func valueFlag(arg string) *flagSpec {
	name, _, _ := cutFlag(arg)
	if f := findFlag(name); f != nil && f.value != "" && isFlag(arg) {
		return f
	}
	return nil
}

// isPlain reports whether an argument can be typed without quotes and may be shown.
func isPlain(arg string) bool {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/~:@%+,=-<"
	other := func(r rune) bool { return !strings.ContainsRune(plain, r) }
	return arg != "" && len(arg) <= 60 && !looksLikeKey(arg) && !strings.ContainsFunc(arg, other)
}

// shown returns a word as messages show it: quoted and not too long, or not at all.
func shown(word string) string {
	const limit = 60
	if looksLikeKey(word) {
		return "that looks like a key"
	}
	if len(word) > limit {
		word = strings.ToValidUTF8(word[:limit], "") + "…"
	}
	return "'" + word + "'"
}

// flagHabits are flags that other programs have, with what they are called here.
var flagHabits = map[string]string{
	"v": "version", "q": "quiet", "p": "project", "jq": "query",
	"o": "json", "output": "json", "format": "json",
}

// wordHabits are words of other programs, with what they are called here.
var wordHabits = map[string]string{
	"ls": "list", "auth": "whoami", "status": "whoami",
	"environment": "env", "environments": "env",
}

// unknownFlag returns the error for the flag args[i].
func (l *line) unknownFlag(i int) *failure {
	dashed, value, hasValue := strings.Cut(l.args[i], "=")
	if looksLikeKey(dashed) {
		return errKeyArgument()
	}
	f := fail(codeUsage, "unknown flag %s", shown(dashed))
	name := strings.ToLower(strings.TrimLeft(dashed, "-"))
	meant := findFlag(flagHabits[name])
	if meant == nil {
		var names []string
		for _, f := range flags {
			names = append(names, f.name)
		}
		meant = findFlag(closest(name, names))
	}
	switch {
	case meant == nil:
		return f
	case meant.name == "version":
		return didYouMean(f, []string{"--version"})
	}
	fixed := "--" + meant.name
	rest := l.args[i+1:]
	if meant.value != "" && hasValue {
		fixed += "=" + value
	} else if meant.name == "json" && len(rest) > 0 && slices.Contains(formats, rest[0]) {
		rest = rest[1:] // the value of --output
	}
	return didYouMean(f, slices.Concat(l.args[:i], []string{fixed}, rest))
}

// formats are values of --output in other programs.
var formats = strings.Fields("json yaml table text tsv csv")

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
	case slices.ContainsFunc(words[takes:], looksLikeKey):
		return errKeyArgument()
	}
	f := fail(codeUsage, "unexpected argument %s", shown(words[takes]))
	if fixed := fixArguments(c, words); c.arg == "" && len(fixed) > 0 {
		return didYouMean(f, l.withFlags(slices.Concat(strings.Fields(c.name), fixed)))
	}
	return withUsage(f, c)
}

// fixArguments returns what is meant by the arguments of the command c, or nothing.
func fixArguments(c *command, words []string) []string {
	switch {
	case c.arg != "":
		return words
	case len(words) != 1 || strings.HasPrefix(words[0], "-"):
		return nil
	case c.name == "env list":
		return []string{"--project", words[0]}
	case c.name == "login":
		return []string{"<", words[0]}
	}
	return nil
}

// withFlags returns the words and the flags of the line.
func (l *line) withFlags(words []string) []string {
	args := slices.Clone(words)
	for _, f := range flags {
		if o := l.flags[f.name]; o.given {
			args = append(args, "--"+f.name)
			if f.value != "" {
				args = append(args, o.value)
			}
		}
	}
	return args
}

// unknownCommand returns the error for words that name no command.
func (l *line) unknownCommand() *failure {
	if f := l.swallowedWord(); f != nil {
		return f
	}
	if len(l.words) == 0 {
		return errNoCommand
	}
	if slices.ContainsFunc(l.words, looksLikeKey) {
		return errKeyArgument()
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

// guess adds the command line that is likely to be meant, or else the usage line of c.
func (l *line) guess(f *failure, c *command) *failure {
	if meant, arguments := closestCommand(l.words); meant != nil {
		words := append(strings.Fields(meant.name), arguments...)
		return didYouMean(f, l.withFlags(words))
	}
	return withUsage(f, c)
}

// swallowedWord returns the error for a flag that took a word of the command as its value, or nil.
func (l *line) swallowedWord() *failure {
	for _, f := range flags {
		word := l.flags[f.name].value
		for _, words := range [][]string{
			append([]string{word}, l.words...),
			append(slices.Clone(l.words), word),
		} {
			c, rest := findCommand(words)
			if word == "" || c == nil || c.arg == "" && len(rest) > 0 {
				continue
			}
			l.flags[f.name].value = f.value
			err := fail(codeUsage, "--%s took the command's word '%s' as its value", f.name, word)
			return didYouMean(err, l.withFlags(words))
		}
	}
	return nil
}

// closestCommand returns the command that words most likely mean, and its arguments; nil if they
// are not close to any.
func closestCommand(words []string) (*command, []string) {
	tries := [][]string{words}
	if len(words) == 1 {
		tries = append(tries, []string{words[0], "list"}, []string{"project", words[0]})
	} else {
		swapped := slices.Concat([]string{words[1], words[0]}, words[2:])
		tries = append(tries, words[1:], swapped)
	}
	var best *command
	var arguments []string
	lowest := tooFar
	for _, try := range tries {
		for _, c := range commands() {
			n := len(strings.Fields(c.name))
			if len(try) < n {
				continue
			}
			cost := 0
			for i, word := range strings.Fields(c.name) {
				cost += wordDistance(try[i], word)
			}
			fixed := fixArguments(&c, try[n:])
			if len(fixed) < len(try[n:]) {
				cost += 4 // arguments that it does not take
			}
			if cost < lowest {
				best, arguments, lowest = &c, fixed, cost
			}
		}
	}
	return best, arguments
}

// tooFar is more than the distance of any word that is close to another.
const tooFar = 9

// wordDistance returns how far the typed word is from a word of a command.
func wordDistance(typed, word string) int {
	typed = strings.ToLower(typed)
	if wordHabits[typed] == word {
		return 0
	}
	if closest(typed, []string{word}) == "" {
		return tooFar
	}
	return distance(typed, word)
}

// closest returns the candidate that word most likely means: at most two letters differ, fewer in
// a short one. It returns "" if there is none.
func closest(word string, candidates []string) string {
	best, limit := "", 3
	for _, candidate := range candidates {
		if d := distance(word, candidate); d < min(limit, len(candidate)-1) {
			best, limit = candidate, d
		}
	}
	return best
}

// distance returns how many letters must be added, removed or replaced to make b of a: their
// Levenshtein distance. For a long a it returns tooFar.
func distance(a, b string) int {
	if len(a) > 20 {
		return tooFar
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
