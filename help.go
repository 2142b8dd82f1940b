package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
)

// This file is the table of commands, which drives dispatch, help and completion alike, and what help prints.

// command is one command.
type command struct {
	name  string // its words: "project list"
	args  string // what it takes, as the help shows it
	flags string // the names of its own flags
	about string // what it does, in a line
	help  string // the rest of its page
	run   func(context.Context, *app) error
}

func commands() []command {
	return []command{
		{"login", "[--token KEY] [--no-verify]", "token no-verify", "save an API key on this machine", loginHelp, runLogin},
		{"logout", "", "", "remove the saved key", logoutHelp, runLogout},
		{"whoami", "", "", "say whether the key works", whoamiHelp, runWhoami},
		{"project list", "", "", "list the projects that the key can see", projectListHelp, runProjectList},
		{"env list", "[--project ID]", "", "list a project's environments", envListHelp, runEnvList},
		{"api", "PATH", "", "print what the API answers to any path", apiHelp, runAPI},
		{"version", "", "", "print the version", versionHelp, runVersion},
		{"completion", "bash|zsh|fish", "", "print a script that completes words in a shell", completionHelp, runCompletion},
		{"help", "[COMMAND]", "", "print help", helpHelp, runHelp},
	}
}

// findCommand returns the command of that name, or nil.
func findCommand(name string) *command {
	all := commands()
	if i := slices.IndexFunc(all, func(c command) bool { return c.name == name }); i >= 0 {
		return &all[i]
	}
	return nil
}

// wordsAfter returns the words that can follow the given ones on the command line.
func wordsAfter(words string) []string {
	var next []string
	for _, c := range commands() {
		if rest, ok := strings.CutPrefix(c.name, strings.TrimLeft(words+" ", " ")); ok {
			word, _, _ := strings.Cut(rest, " ")
			next = append(next, word)
		}
	}
	return slices.Compact(next)
}

// flagsOf returns the names of the flags that can stand behind the given words.
func flagsOf(words string) []string {
	names := []string{"json", "query", "raw", "quiet", "project", "help"}
	if c := findCommand(words); c != nil {
		return append(names, strings.Fields(c.flags)...)
	}
	if words == "" {
		names = append(names, "version")
	}
	return names
}

// overview returns the first page of the help.
func overview() string {
	var b strings.Builder
	b.WriteString("microtica: log in to Microtica with an API key, and see what the key can see\n\n")
	printCommands(&b, "")
	b.WriteString(overviewHelp)
	return b.String()
}

// printCommands prints a line for each command whose words begin with the given ones.
func printCommands(w io.Writer, words string) {
	for _, c := range commands() {
		if strings.HasPrefix(c.name+" ", strings.TrimLeft(words+" ", " ")) {
			fmt.Fprintf(w, "  %-46s %s\n", "microtica "+strings.TrimSpace(c.name+" "+c.args), c.about)
		}
	}
}

// runHelp prints the page of the command that its words name, or of a group of commands.
func runHelp(_ context.Context, a *app) error {
	words := strings.Join(a.words, " ")
	page := overview()
	if c := findCommand(words); c != nil {
		page = fmt.Sprintf("microtica %s\n\n%s\n", strings.TrimSpace(c.name+" "+c.args), c.help)
	} else if words != "" {
		if len(wordsAfter(words)) == 0 {
			return unknown("command", words, wordsAfter(""), "microtica help")
		}
		var b strings.Builder
		printCommands(&b, words)
		page = b.String()
	}
	if _, err := io.WriteString(a.stdout, page); err != nil {
		return fail(codeOutputWrite, "cannot write to stdout: %v", withoutPath(err))
	}
	return nil
}

func runVersion(_ context.Context, a *app) error {
	return a.print(newObject("version", version, "go", runtime.Version(), "os", runtime.GOOS, "arch", runtime.GOARCH), func(w io.Writer) {
		fmt.Fprintf(w, "microtica %s (%s %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	})
}

const overviewHelp = `
Flags of every command, in any position:
  --json          print the result as one line of JSON, and errors, warnings and notes too
  --query EXPR    print the result of a JMESPath expression over that JSON
  --quiet         print no notes, warnings or success messages
  --project ID    the project for this command
  --help          print help

Variables:
  MICROTICA_TOKEN         the API key; beats the two below
  MICROTICA_TOKEN_FILE    a file that holds the API key; beats the saved one
  MICROTICA_PROJECT_ID    the project where --project is not given
  MICROTICA_API_URL       the API's base URL, for another than ` + defaultAPI + `

Exit status: 0 success, 1 this machine, 2 usage, 3 the key, 4 the API refuses, 5 it cannot be reached, 6 it fails.

Examples:
  microtica login < key.txt
  microtica whoami
  microtica help login
`

const loginHelp = `Saves an API key in ~/.microtica/credentials, for this user alone. The key is read from stdin: typed or pasted
at a prompt that hides it, or from a file or pipe. The API is asked whether the key works, for 5 seconds at
most: a key that it rejects is not saved; where it cannot be reached the key is saved with a warning.

Flags:
  --token KEY     the key; it then shows in the shell's history and in the process list, which stdin avoids
  --no-verify     save the key without asking the API

Examples:
  microtica login < key.txt
  microtica login
  microtica login --token KEY`

const logoutHelp = `Removes the saved key from this machine. The key itself stays valid until it is revoked in Microtica's console.

Example:
  microtica logout`

const whoamiHelp = `Asks the API whether the key works, and prints what it found: the key's prefix, whether the API was reached, and
how many projects the key can see. The exit status is 0 if the key works, 3 if it does not.

Examples:
  microtica whoami
  microtica whoami --json`

const projectListHelp = `Lists the projects that the key can see: id and name; with --json all that the API says of them.

Examples:
  microtica project list
  microtica project list --query '[].id'`

const envListHelp = `Lists a project's environments: id, name, status and time of last deployment (UTC); with --json all that the API
says of them. The project is --project's, else MICROTICA_PROJECT_ID's.

Flags:
  --project ID    the project, as 'microtica project list' shows its id

Examples:
  microtica env list --project ID
  microtica env list --query "[?status!='deployed'].name"`

const apiHelp = `Prints the JSON that the API answers to GET PATH.

Example:
  microtica api me`

const versionHelp = `Prints the version of this program, the version of Go that built it, and the platform it was built for.

Example:
  microtica version --json`

const completionHelp = `Prints a script for a shell, which then completes the words and flags of microtica. It asks nothing of the API.

Examples:
  eval "$(microtica completion bash)"
  microtica completion bash > /usr/share/bash-completion/completions/microtica
  microtica completion zsh > "${fpath[1]}/_microtica"
  microtica completion fish > ~/.config/fish/completions/microtica.fish`

const helpHelp = `Prints help, or the page of one command.

Example:
  microtica help env list`
