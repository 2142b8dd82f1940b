package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

var cmdHelp = &command{
	name:  "help",
	args:  "[COMMAND|TOPIC]",
	short: "print help",
	help: `Prints an overview, or the page on a command or a topic. So does -h or --help.
JSON: none.

Examples:
  microtica help errors
  microtica env list --help
`,
	run: runHelp,
}

// runHelp prints the pages whose names begin with all of its arguments.
func runHelp(a *app) error {
	text := pages(a.words)
	if text != "" {
		return a.printText(func(w io.Writer) { io.WriteString(w, text) })
	}
	var names []string
	for _, c := range commands {
		names = append(names, c.name)
	}
	words := strings.Join(a.words, " ")
	f := usageError([]string{"help"}, "no help on '"+words+"'")
	if meant := closest(words, names); meant != "" {
		f.withHint("did you mean 'microtica help %s'?", meant)
	}
	return f
}

// printNearestHelp prints the pages on as many of the first words as it can; on none, the overview.
func printNearestHelp(a *app) error {
	for pages(a.words) == "" {
		a.words = a.words[:len(a.words)-1]
	}
	return runHelp(a)
}

// pages returns the pages on the commands and topics whose names begin with words; the overview if
// there are no words, "" if nothing begins so.
func pages(words []string) string {
	if len(words) == 0 {
		return overview()
	}
	var texts []string
	for _, c := range commands {
		title := "usage: " + c.usage()
		if c.run == nil {
			title = "microtica help " + c.name + ": " + c.short
		}
		if hasPrefix(strings.Fields(c.name), words) {
			texts = append(texts, title+"\n\n"+c.help)
		}
	}
	return strings.Join(texts, "\n\n")
}

func overview() string {
	var b strings.Builder
	b.WriteString(`microtica: log in to Microtica with an API key and see what the key can see

Run 'microtica login' once to save the key; in a script, set MICROTICA_TOKEN
instead. The program only reads: it never changes anything in Microtica.

Commands:
`)
	topics := "\nTopics:\n"
	for _, c := range commands {
		if c.run == nil {
			topics += fmt.Sprintf("  %-43s  %s\n", "microtica help "+c.name, c.short)
		} else {
			fmt.Fprintf(&b, "  %-43s  %s\n", c.usage(), c.short)
		}
	}
	b.WriteString("\nFlags, in any position:\n")
	for _, f := range flags {
		about := f.about
		if f.only != "" {
			about = f.only + ": " + about
		}
		fmt.Fprintf(&b, "  %-14s  %s\n", strings.TrimSpace("--"+f.name+" "+f.value), about)
	}
	fmt.Fprintf(&b, "  %-14s  %s\n", "-h, --help", "print help")
	b.WriteString(topics + `
Examples:
  microtica login < key.txt
  microtica whoami
  microtica project list
  microtica env list --project 5f1c --json
`)
	return b.String()
}

var helpEnvironment = &command{
	name:  "environment",
	short: "the variables",
	help: `A variable that is empty counts as unset. White space around the value of one
whose name begins with MICROTICA_ is ignored.

  MICROTICA_TOKEN       the API key; beats the two below
  MICROTICA_TOKEN_FILE  a file that holds the API key, such as a mounted secret;
                        beats the saved key
  HOME                  the saved key is ~/.microtica/credentials (Windows:
                        USERPROFILE); not needed if one above is set
  MICROTICA_PROJECT_ID  the project if --project is not given
  MICROTICA_API_URL     the base URL of the API: https, or http to this machine
                        ("localhost"); the default, https://api.microtica.com,
                        is an assumption
  HTTPS_PROXY           the proxy, such as http://proxy.example:3128
  NO_PROXY              the hosts to reach without it, separated by commas
  SSL_CERT_FILE         a file of CA certificates instead of the system's file
  SSL_CERT_DIR          a directory of them instead of the system's; to trust
                        only your own, set both (not on macOS and Windows)

Example:
  MICROTICA_TOKEN_FILE=key.txt MICROTICA_PROJECT_ID=5f1c microtica env list
`,
}

var helpErrors = &command{
	name:  "errors",
	short: "errors, exit statuses, retries",
	help: `A command that fails says why on stderr, with a hint, and prints nothing to
stdout, except that whoami prints its report. With --json an error is one line,
the last one of stderr, and a warning or a note is one, too:

  {"error":{"code","message","hint","httpStatus","retryAfter","retryable",
  "exitCode"}}
  {"warning":{"code","message"}} or {"note":{"code","message"}}

httpStatus is the status of the API's answer, retryAfter how many seconds it
asks to wait, or null; retryable is true if the same command may succeed later.

Exit status and codes (* = retryable):
  0  success
  1  this machine: file.read, file.write, output.write, internal
  2  the command line, a variable or stdin: usage, usage.project, usage.url,
     query.syntax, query.function, query.type
  3  the key: auth.missing, auth.malformed, auth.rejected
  4  refused, or not there: api.forbidden, api.not_found, api.refused
  5  the API cannot be reached: network.dns*, network.connect*, network.tls,
     network.proxy*, network.timeout*
  6  the API fails, or something else answers: api.rate_limited*, api.server*,
     api.redirect, api.bad_response
A signal ends it like any other program: for the shell, 128 plus its number.

Every command but login tries up to three times by itself. A loop that keeps
trying, and whose status is that of its last try:

  for try in 1 2 3 4 5; do
    status=0
    microtica project list --json >projects.json 2>error.json || status=$?
    grep -q '"retryable":true' error.json || break
    after=$(sed -n 's/.*"retryAfter":\([0-9]*\).*/\1/p' error.json)
    [ "$try" = 5 ] || sleep "${after:-10}"
  done
  (exit "$status")
`,
}

var cmdCompletion = &command{
	name:  "completion",
	args:  "bash|zsh|fish",
	short: "print a completion script",
	help: `Prints a script that makes the shell complete words and flags. JSON: none.

Examples:
  # bash: here, or in ~/.bashrc
  eval "$(microtica completion bash)"
  # zsh, where ~/.zshrc has: fpath+=(~/.zfunc); autoload -U compinit; compinit
  mkdir -p ~/.zfunc && microtica completion zsh > ~/.zfunc/_microtica
  # fish
  mkdir -p ~/.config/fish/completions
  microtica completion fish > ~/.config/fish/completions/microtica.fish
`,
	run: runCompletion,
}

// completionScripts offer the same words at every place; WORDS stands for them.
var completionScripts = map[string]string{
	"bash": "complete -o bashdefault -o default -W 'WORDS' microtica\n",
	"zsh":  "#compdef microtica\ncompadd -- WORDS\n",
	"fish": "complete -c microtica -a 'WORDS'\n",
}

func runCompletion(a *app) error {
	script, known := completionScripts[a.words[0]]
	if !known {
		return usageError([]string{"completion"}, "no completion for '"+a.words[0]+"'")
	}
	words := []string{"bash", "zsh", "fish", "--help"}
	for _, c := range commands {
		words = append(words, strings.Fields(c.name)...)
	}
	for _, f := range flags {
		words = append(words, "--"+f.name)
	}
	slices.Sort(words)
	script = strings.ReplaceAll(script, "WORDS", strings.Join(slices.Compact(words), " "))
	return a.printText(func(w io.Writer) { io.WriteString(w, script) })
}
