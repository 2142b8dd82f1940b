package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
)

// page is the part of a help page that the tables of commands, flags and codes do not supply.
type page struct {
	title    string // "" for a command
	about    string
	json     string // what --json prints
	examples string
}

// statuses says what each exit status means.
var statuses = []string{
	"success",
	"a local failure: a file, stdout or the memory limit",
	"the command line, a variable or stdin is wrong",
	"the key is missing, malformed, or rejected by the API",
	"the API refuses the request, or finds nothing",
	"the API cannot be reached",
	"the API fails, or something else answers",
}

// topics are the help pages that are not about a command.
var topics = []string{"flags", "environment", "errors"}

// runHelp prints the page that its arguments name. The page of a group is that of its first
// command.
func runHelp(_ context.Context, a *app) error {
	words := strings.Join(a.words, " ")
	if next := wordsAfter(words + " "); len(next) > 0 {
		words += " " + next[0]
	}
	if p, ok := pages[words]; ok {
		return a.printText(p.render(words))
	}
	f := fail(codeUsage, "no help on %s", shown(words))
	if topic := closest(words, topics); topic != "" {
		return didYouMean(f, "help "+topic)
	}
	if c, _ := closestCommand(a.words); c != nil {
		return didYouMean(f, "help "+c.name)
	}
	return withUsage(f, nil)
}

// printText prints help or a script, which --json and --query do not change.
func (a *app) printText(text string) error {
	if _, err := io.WriteString(a.stdout, text); err != nil {
		return fail(codeOutputWrite, "cannot write to stdout: %v", withoutPath(err))
	}
	return nil
}

// render returns the page on words, which name a command or a topic; "" is the overview.
func (p page) render(words string) string {
	p.json += queryHelp[words].json
	p.examples += queryHelp[words].examples
	var usage, options, exits, names string
	c, _ := findCommand(strings.Fields(words))
	switch {
	case c != nil:
		p.title = "microtica " + c.name + ": " + c.about
		usage, exits = c.usage(), listStatuses(c.exits)
		own := strings.Fields(c.flags)
		others := flagNames(func(f flagSpec) bool {
			return f.global && !slices.Contains(own, f.name)
		})
		options = listFlags(own) +
			"--" + strings.Join(others, " --") + " (see 'microtica help flags')"
	case words == "":
		for _, c := range commands() {
			usage += fmt.Sprintf("%-43s  %s\n", c.usage(), c.about)
		}
		options, exits = listFlags(globalFlags()), listStatuses(len(statuses)-1)
	case words == "flags":
		options = listFlags(flagNames(func(flagSpec) bool { return true }))
	case words == "errors":
		exits = listStatuses(len(statuses)-1) +
			"128+n  ended by signal n: 130 by Ctrl-C, 143 by TERM"
		names = listCodes()
	}
	return p.title + "\n\n" + p.about + "\n" +
		section("Usage", usage) +
		section("Flags", options) +
		section("JSON", p.json) +
		section("Exit status", exits) +
		section("Codes", names) +
		section("Examples", p.examples)
}

// section returns a part of a page, a heading and the text indented; "" without a text.
func section(heading, text string) string {
	if text == "" {
		return ""
	}
	lines := "\n" + heading + ":\n"
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		lines += strings.TrimRight("  "+line, " ") + "\n"
	}
	return lines
}

// usage returns the command's usage line.
func (c *command) usage() string {
	line := "microtica " + c.name
	for name := range strings.FieldsSeq(c.flags) {
		line += " [" + findFlag(name).String() + "]"
	}
	return strings.TrimSpace(line + " " + c.arg)
}

// String returns the flag as help shows it.
func (f *flagSpec) String() string { return strings.TrimSpace("--" + f.name + " " + f.value) }

// globalFlags returns the names of the flags that every command takes.
func globalFlags() []string { return flagNames(func(f flagSpec) bool { return f.global }) }

// listFlags returns a line for each of the named flags.
func listFlags(names []string) string {
	lines := ""
	for _, name := range names {
		f := findFlag(name)
		lines += fmt.Sprintf("%-14s  %s\n", f, f.about)
	}
	return lines
}

// listStatuses returns a line for each exit status up to the highest.
func listStatuses(highest int) string {
	lines := ""
	for status, meaning := range statuses[:highest+1] {
		lines += fmt.Sprintf("%-5d  %s\n", status, meaning)
	}
	return lines
}

// listCodes returns a line for each code of an error.
func listCodes() string {
	lines := ""
	for _, c := range codes {
		lines += fmt.Sprintf("%-16s  exit %d", c.name, c.exit)
		if c == codeInterrupted {
			lines += "+n"
		}
		if c.retryable {
			lines += "  retryable"
		}
		lines += "\n"
	}
	return lines
}

// pages has the help pages of commands and topics, by name; "" is the overview.
var pages = map[string]page{
	"": {
		title: "microtica: log in to Microtica with an API key and list what the key can see",
		about: `Run 'microtica login' once to save the key; in a script, set MICROTICA_TOKEN
instead. Data goes to stdout, everything else to stderr. This program only
reads: it never changes anything in Microtica.

'microtica help' has a page on each command, and on the topics flags,
environment (with proxy and CA settings) and errors (and when to try again).`,
		json: `--json prints the result of any command on one line: a list as an array, any
other result as an object. Errors, warnings and notes are then JSON, too.`,
		examples: `microtica login < key.txt
microtica whoami
microtica project list
microtica env list --project 5f1c --json`,
	},
	"login": {
		about: `Saves an API key in ~/.microtica/credentials, readable by this user only. Create
the key in Microtica's console, in a project's settings; it is shown only once.

The key is read from stdin: from a file or a pipe, or typed or pasted at a
prompt that hides it. --token takes it too, but then it stays in the shell's
history and shows in the process list.

The command then asks the API whether the key works, and waits 5 seconds at most
for an answer. A rejected key is not saved. If the API cannot be reached, the
key is saved with a warning.`,
		json: `{"apiKeyPrefix","credentialsFile","verified"}
verified is false if the key was saved without being checked.`,
		examples: `microtica login < key.txt
microtica login                          # asks for the key
printenv DEPLOY_KEY | microtica login --json
microtica login --no-verify < key.txt    # where there is no network
microtica login --token KEY              # shows in the shell's history
# PowerShell: Get-Content key.txt | microtica login`,
	},
	"logout": {
		about: `Removes the saved key from this machine. The key itself stays valid until it is
revoked in Microtica's console.`,
		json: `{"credentialsFile","removed"}
removed is false if no key was saved.`,
		examples: `microtica logout
microtica logout --json --quiet`,
	},
	"whoami": {
		about: `Asks the API whether the key works, and reports which key it is, whether the API
was reached, and how many projects the key can see. The report is printed
whatever the API answers.`,
		json: `{"via","apiKeyPrefix","source","apiUrl","apiReachable","keyAccepted",
"projectsVisible"}
source is where the key comes from: a variable or a file. Unknown values are
null.`,
		examples: `microtica whoami
microtica whoami --json
MICROTICA_TOKEN_FILE=key.txt microtica whoami`,
	},
	"project list": {
		about: `Lists the id and the name of each project that the key can see. A key without
project-wide read access is refused (exit status 4); it can still list the
environments of its project: 'microtica env list --project ID'.`,
		json: `[{"id","name","description",…},…]
The array itself, with every field that the API sends.`,
		examples: `microtica project list
microtica project list --json`,
	},
	"env list": {
		about: `Lists a project's environments: id, name, status, and the time of the last
deployment in UTC. Choose the project with --project or MICROTICA_PROJECT_ID;
'microtica project list' shows the ids. --project wins if both are set.`,
		json: `[{"id","name","description","status","lastDeployed",…},…]
The array itself, with every field that the API sends. lastDeployed is in
milliseconds since 1970, and may be missing.`,
		examples: `microtica env list --project 5f1c
MICROTICA_PROJECT_ID=5f1c microtica env list --json`,
	},
	"api": {
		about: `Sends GET PATH to the API and prints the JSON it returns, with the same key,
limits and errors as the other commands. PATH is relative to the base URL; it
may begin with a slash and end with parameters (?name=value). GET is the only
method: this command only reads.`,
		json: `The API's complete answer, with or without --json.`,
		examples: `microtica api me
microtica api /projects`,
	},
	"completion": {
		about: `Prints a script that makes your shell complete microtica's commands and flags.
The script never contacts the API.`,
		json: `--json changes nothing.`,
		examples: `# bash: in this shell only
eval "$(microtica completion bash)"

# bash: in every new shell, if the package bash-completion is installed
dir=~/.local/share/bash-completion/completions
mkdir -p $dir && microtica completion bash > $dir/microtica

# zsh: in every new shell; ~/.zshrc needs these two lines, in this order:
#   fpath+=(~/.zfunc)
#   autoload -U compinit && compinit
mkdir -p ~/.zfunc && microtica completion zsh > ~/.zfunc/_microtica

# fish: in every new shell
dir=~/.config/fish/completions
mkdir -p $dir && microtica completion fish > $dir/microtica.fish`,
	},
	"version": {
		about: `Prints the version of this program, the version of Go that built it, and the
platform that it was built for.`,
		json: `{"version","go","os","arch"}`,
		examples: `microtica version
microtica --version
microtica version --json`,
	},
	"help": {
		about: `Prints help: an overview, or the page on a command, a group of commands or a
topic. The topics are flags, environment and errors.`,
		json: `--json changes nothing.`,
		examples: `microtica help login
microtica env list --help
microtica help errors`,
	},
	"flags": {
		title: "microtica help flags: the flags in detail",
		about: `Flags can be anywhere on the command line, with one dash or two. A value follows
a space or an equals sign, and cannot begin with a dash. A flag with a value may
appear only once. Anything after -- is not a flag.`,
		json: `The result is one line of compact JSON. A list is an array, with every field
that the API sends, in its order. Errors, warnings and notes are JSON on
stderr: see 'microtica help errors'.`,
	},
	"environment": {
		title: "microtica help environment: the variables",
		about: `A variable that is empty counts as unset. White space around the value of one
whose name begins with MICROTICA_ is ignored.

  MICROTICA_TOKEN       the API key; beats the two below
  MICROTICA_TOKEN_FILE  a file that holds the API key, such as a mounted secret;
                        beats the saved key
  HOME                  where the saved key is: ~/.microtica/credentials
                        (Windows: USERPROFILE); not needed if one above is set
  MICROTICA_PROJECT_ID  the project if --project is not given
  MICROTICA_API_URL     the base URL of the API: https, or http to this machine
                        ("localhost"); the default is
                        ` + defaultAPI + `
  HTTPS_PROXY           the proxy for https, such as http://proxy.example:3128
  HTTP_PROXY            the proxy for http
  NO_PROXY              the hosts to reach without a proxy, separated by commas
  SSL_CERT_FILE         the CA certificates to trust instead of the system's: a
                        file (not on macOS and Windows)
  SSL_CERT_DIR          the same: a directory`,
		examples: `MICROTICA_TOKEN_FILE=key.txt microtica whoami
MICROTICA_PROJECT_ID=5f1c microtica env list`,
	},
	"errors": {
		title: "microtica help errors: errors as JSON, their codes, and when to try again",
		about: `An error says on stderr what failed and why, with a hint: something to run or to
set. Warnings and notes do not end a command; --quiet hides them. A command that
fails prints nothing to stdout, except for whoami, which still prints its
report.

Every command except login makes up to three attempts if the API answers 429,
502, 503 or 504, or the connection breaks.`,
		json: `An error is one object on one line, the last one of stderr:

  {"error":{"code","message","hint","httpStatus","retryAfter","retryable",
  "exitCode"}}

code        one of the codes below
message     what failed and why
hint        what to run or to set, or ""
httpStatus  the status of the API's answer, or null
retryAfter  how many seconds the API asks you to wait, or null
retryable   true if the same command may succeed later
exitCode    the exit status

A warning or a note is an object on a line of its own,
{"warning":{"code","message"}} or {"note":{"code","message"}}.`,
		examples: `# A script that keeps trying:
for try in 1 2 3 4 5; do
  projects=$(microtica project list --json 2>error.json) && break
  grep -q '"retryable":true' error.json || break
  after=$(sed -n 's/.*"retryAfter":\([0-9]*\).*/\1/p' error.json)
  sleep "${after:-10}"
done`,
	},
}

// queryHelp is what the pages add about --query.
var queryHelp = map[string]page{
	"": {
		json:     "\n--query prints the result of a JMESPath expression over that JSON.",
		examples: "\nmicrotica project list --query '[].id' --raw",
	},
	"whoami": {examples: "\nmicrotica whoami --query keyAccepted"},
	"project list": {
		json: "\nA query starts at that array: write '[].id', not 'projects[].id'.",
		examples: `
id=$(microtica project list --query "[?name=='shop'].id | [0]" --raw)

# The environments of all projects:
for id in $(microtica project list --query '[].id' --raw); do
  microtica env list --project "$id" --query '[].[id, name]' --raw
done`,
	},
	"env list": {
		json: "\nA query starts at that array: write '[].id', not 'entities[].id'.",
		examples: `
microtica env list --project 5f1c --query "[?status!='deployed'].name" --raw`,
	},
	"api": {
		json: "\nA query starts at its top level.",
		examples: `
microtica api me --query apiKey.name --raw
microtica api projects/5f1c/details --query 'keys(entities)'`,
	},
	"flags": {
		json: `

The expression of --query is JMESPath (https://jmespath.org), applied to what
--json prints. Put strings in single quotes, numbers in backticks. The result
is JSON; errors stay text unless you also use --json.

--raw prints the result for a shell: a string without quotes, a list with one
element per line, a list of lists with one row per line and tabs between
cells. With --raw, a query that finds nothing fails with exit status 2.`,
		examples: `
microtica project list --query 'length(@)'
microtica project list --query '[].{id: id, name: name}'
microtica env list --project 5f1c --query "[?status!='deployed']"
id=$(microtica project list --query "[?name=='shop'].id | [0]" --raw)
microtica project list --query '[].[id, name]' --raw`,
	},
}
