package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// This file prints the scripts that complete words in a shell. They are made from the tables of
// commands and flags, and run nothing, not even this program.

var shells = []string{"bash", "zsh", "fish"}

// scripts has the parts of each shell's script: start, a format for the flags that take a value,
// which or separates; row, a format for the words and what can follow them; and end.
var scripts = map[string]struct{ start, or, row, end string }{
	"bash": {bashStart, " | ", bashRow, bashEnd},
	"zsh":  {zshStart, " | ", zshRow, zshEnd},
	"fish": {fishStart, " ", fishRow, ""},
}

// runCompletion prints the script for the shell that its argument names.
func runCompletion(_ context.Context, a *app) error {
	shell := a.words[0]
	s, known := scripts[shell]
	if !known {
		c, _ := findCommand([]string{"completion"})
		return withUsage(fail(codeUsage, "unknown shell %s", shown(shell)), c)
	}
	var values []string
	for _, f := range flags {
		if f.value != "" {
			values = append(values, "--"+f.name)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, s.start, strings.Join(values, s.or))
	for _, c := range completions() {
		fmt.Fprintf(&b, s.row, c.after, strings.Join(c.next, " "))
	}
	return a.printText(b.String() + s.end)
}

// completion is what can follow the words in after; flags between them do not count.
type completion struct {
	after string
	next  []string
}

// completions returns what can follow each command, and each first part of one.
func completions() []completion {
	all := []completion{{"", append(wordsAfter(""), flagsAfter("")...)}}
	for _, group := range wordsAfter("") {
		if words := wordsAfter(group + " "); len(words) > 0 {
			all = append(all, completion{group, append(words, flagsAfter(group)...)},
				completion{"help " + group, words})
		}
	}
	for _, c := range commands() {
		next := flagsAfter(c.name)
		switch c.name {
		case "completion":
			next = append(slices.Clone(shells), next...)
		case "help":
			next = append(wordsAfter(""), topics...)
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
	var next []string
	c, _ := findCommand(strings.Fields(words))
	for _, f := range flags {
		if f.global || c != nil && c.takes(f) || words == "" && f.name == "version" {
			next = append(next, "--"+f.name)
		}
	}
	return next
}

// Each script collects the words before the cursor, without flags and their values, and looks up
// what can follow them. (To bash, --flag=value is three words.) If nothing can, bash completes file
// names; zsh and fish do so only after a redirection such as <.

const bashRow = "  '%s') COMPREPLY=($(compgen -W '%s' -- \"$current\")) ;;\n"

const bashStart = `_microtica() {
  local current=${COMP_WORDS[COMP_CWORD]} words= value= i
  for ((i = 1; i < COMP_CWORD; i++)); do
    if [[ $value ]]; then
      [[ ${COMP_WORDS[i]} == = ]] || value=
      continue
    fi
    case ${COMP_WORDS[i]} in
    %s) value=1 ;;
    -* | =) ;;
    *) words="${words:+$words }${COMP_WORDS[i]}" ;;
    esac
  done
  COMPREPLY=()
  [[ $value ]] && return
  case $words in
`

const bashEnd = `  esac
}
complete -o bashdefault -o default -F _microtica microtica
`

const zshRow = "  '%s') compadd -- %s ;;\n"

const zshStart = `#compdef microtica
_microtica() {
  local current_words= value= i
  for ((i = 2; i < CURRENT; i++)); do
    if [[ -n $value ]]; then
      value=
      continue
    fi
    case ${words[i]} in
    %s) value=1 ;;
    -*) ;;
    *) current_words="${current_words:+$current_words }${words[i]}" ;;
    esac
  done
  [[ -n $value ]] && return
  case $current_words in
`

const zshEnd = `  esac
}
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
