package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// This file prints the scripts that complete words in a shell. They are made from the tables of
// commands and flags, and run nothing, not even this program.

// scripts has the parts of each shell's script: start, a format for the flags that take a value,
// which or separates; row, a format for the words and what can follow them; and end.
var scripts = map[string]struct{ start, or, row, end string }{
	"bash": {posixStart, " | ", posixRow, posixEnd + bashEnd},
	"zsh":  {"#compdef microtica\n" + posixStart, " | ", posixRow, posixEnd + zshEnd},
	"fish": {fishStart, " ", fishRow, ""},
}

// runCompletion prints the script for the shell that its argument names.
func runCompletion(_ context.Context, a *app) error {
	s, known := scripts[a.words[0]]
	if !known {
		c, _ := findCommand([]string{"completion"})
		return withUsage(fail(codeUsage, "unknown shell %s", shown(a.words[0])), c)
	}
	var values []string
	for _, name := range flagNames(func(f flagSpec) bool { return f.value != "" }) {
		values = append(values, "--"+name, "-"+name)
	}
	text := fmt.Sprintf(s.start, strings.Join(values, s.or))
	for _, c := range completions() {
		text += fmt.Sprintf(s.row, c.after, strings.Join(c.next, " "))
	}
	return a.printText(text + s.end)
}

// completion is what can follow the words in after; flags between them do not count.
type completion struct {
	after string
	next  []string
}

// completions returns what can follow each command, and each first part of one.
func completions() []completion {
	first := wordsAfter("")
	all := []completion{{"", slices.Concat(first, flagsAfter(""))}}
	for _, group := range first {
		if words := wordsAfter(group + " "); len(words) > 0 {
			all = append(all, completion{"help " + group, words},
				completion{group, append(words, flagsAfter(group)...)})
		}
	}
	for _, c := range commands() {
		next := flagsAfter(c.name)
		switch c.name {
		case "completion":
			next = slices.Concat(strings.Split(c.arg, "|"), next)
		case "help":
			next = slices.Concat(first, topics)
		}
		all = append(all, completion{c.name, next})
	}
	return all
}

// wordsAfter returns the words that can follow the beginning of a command: "" or words and a space.
func wordsAfter(beginning string) []string {
	var next []string
	for _, c := range commands() {
		if rest, ok := strings.CutPrefix(c.name, beginning); ok {
			word, _, _ := strings.Cut(rest, " ")
			next = append(next, word)
		}
	}
	return slices.Compact(next)
}

// flagsAfter returns the flags that can follow the words of a command.
func flagsAfter(words string) []string {
	c, _ := findCommand(strings.Fields(words))
	names := flagNames(func(f flagSpec) bool {
		return f.global || c != nil && c.takes(f) || words == "" && f.name == "version"
	})
	return strings.Fields("--" + strings.Join(names, " --"))
}

// Each script collects the words before the cursor, without flags and their values, and looks up
// what can follow them. (To bash, --flag=value is three words.) If nothing can, bash completes file
// names; zsh and fish do so only after a redirection such as <.

const posixRow = "  '%s') echo '%s' ;;\n"

const posixStart = `_microtica_next() {
  local word before= value=
  for word in "$@"; do
    if [ -n "$value" ]; then
      [ "$word" = "=" ] || value=
      continue
    fi
    case $word in
    %s) value=1 ;;
    -* | "=") ;;
    *) before="${before:+$before }$word" ;;
    esac
  done
  [ -z "$value" ] || return
  case $before in
`

const posixEnd = "  esac\n}\n"

const bashEnd = `_microtica() {
  local next=$(_microtica_next "${COMP_WORDS[@]:1:COMP_CWORD-1}")
  COMPREPLY=($(compgen -W "$next" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o bashdefault -o default -F _microtica microtica
`

const zshEnd = `_microtica() { compadd -- $(_microtica_next "${(@)words[2,CURRENT-1]}") }
if [ "$funcstack[1]" = _microtica ]; then
  _microtica
else
  compdef _microtica microtica
fi
`

const fishRow = "complete -c microtica -f -n \"__microtica_at '%s'\" -a '%s'\n"

const fishStart = `function __microtica_at
  set -l words
  set -l value 0
  for word in (commandline -opc)[2..-1]
    if test $value = 1
      set value 0
      continue
    end
    switch $word
      case %s
        set value 1
      case '-*'
      case '*'
        set -a words $word
    end
  end
  test $value = 0 -a "$words" = "$argv"
end
complete -c microtica -f
`
