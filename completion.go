package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
)

// This file is the scripts that complete words in a shell. They are made of the command table, so that they cannot drift from
// it, and run nothing.

// completions returns what can follow: for the words on the command line so far, flags left out, the next words and flags.
func completions() (words []string, next map[string][]string) {
	next = map[string][]string{}
	add := func(at string, candidates []string) {
		if _, there := next[at]; !there {
			words = append(words, at)
		}
		next[at] = append(next[at], candidates...)
	}
	for _, c := range commands() {
		parts := strings.Fields(c.name)
		for i := range len(parts) {
			if at := strings.Join(parts[:i], " "); next[at] == nil { // the words that lead to the command
				add(at, wordsAfter(at))
				add("help"+strings.TrimRight(" "+at, " "), wordsAfter(at))
			}
		}
		add(c.name, nil)
	}
	add("completion", shells)
	for _, at := range words {
		if _, topic := strings.CutPrefix(at, "help "); topic {
			continue
		}
		for _, name := range flagsOf(at) {
			next[at] = append(next[at], "--"+name)
		}
	}
	return words, next
}

var shells = []string{"bash", "zsh", "fish"}

// valueFlags are the flags whose value is the next word, which is nothing to complete.
const valueFlags = "--token --project --query"

// runCompletion prints the script for the shell that its word names.
func runCompletion(_ context.Context, a *app) error {
	if len(a.words) == 0 {
		return fail(codeUsage, "no shell is named: %s", strings.Join(shells, ", ")).withHint("run 'microtica help completion'")
	}
	if len(a.words) > 1 {
		return fail(codeUsage, "unexpected argument %s", shown(a.words[1])).withHint("run 'microtica help completion'")
	}
	shell := a.words[0]
	if !slices.Contains(shells, shell) {
		return fail(codeUsage, "unknown shell %s: it is one of %s", shown(shell), strings.Join(shells, ", ")).withHint("run 'microtica help completion'")
	}
	var b strings.Builder
	words, next := completions()
	switch shell {
	case "bash":
		fmt.Fprintf(&b, bashStart, strings.ReplaceAll(valueFlags, " ", " | "))
	case "zsh":
		fmt.Fprintf(&b, zshStart, strings.ReplaceAll(valueFlags, " ", " | "))
	case "fish":
		fmt.Fprintf(&b, fishStart, valueFlags)
	}
	for _, at := range words {
		list := strings.Join(next[at], " ")
		switch shell {
		case "bash":
			fmt.Fprintf(&b, "  '%s') COMPREPLY=($(compgen -W '%s' -- \"$current\")) ;;\n", at, list)
		case "zsh":
			fmt.Fprintf(&b, "  '%s') compadd -- %s ;;\n", at, list)
		case "fish":
			fmt.Fprintf(&b, "complete -c microtica -f -n \"__microtica_at '%s'\" -a '%s'\n", at, list)
		}
	}
	switch shell {
	case "bash":
		b.WriteString("  esac\n}\ncomplete -F _microtica microtica\n")
	case "zsh":
		b.WriteString("  esac\n}\nif [ \"$funcstack[1]\" = _microtica ]; then\n  _microtica\nelse\n  compdef _microtica microtica\nfi\n")
	}
	if _, err := io.WriteString(a.stdout, b.String()); err != nil {
		return fail(codeOutputWrite, "cannot write to stdout: %v", withoutPath(err))
	}
	return nil
}

// Each script gathers the words before the cursor, without flags and their values, and then looks up what can follow. bash makes
// three words of --flag=value.

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
