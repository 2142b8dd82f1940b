package main

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"strings"
)

var cmdLogin = &command{
	name:  "login",
	args:  "[--token KEY] [--no-verify]",
	short: "save an API key on this machine",
	help: `Saves an API key in ~/.microtica/credentials, readable by this user only. Create
the key in Microtica's console, in a project's settings; it is shown only once.

The key is read from stdin: a file, a pipe, or a prompt that hides it. --token
takes it too, but then it shows in the shell's history and the process list.

The API is asked whether the key works, for 5 seconds at most. A key that it
does not accept is not saved. If it cannot be reached, the key is saved with a
warning. --no-verify saves it without asking.

JSON: {"apiKeyPrefix","credentialsFile","verified"}; verified is false if the
key was saved without being checked

Examples:
  microtica login                        # asks for the key
  microtica login < key.txt
  printenv DEPLOY_KEY | microtica login --json
  microtica login --no-verify < key.txt
`,
	run: runLogin,
}

// runLogin saves a key after asking the API whether it works. If that cannot be reached, the key is
// saved unchecked, so that an image can be built without a network.
func runLogin(a *app) (err error) {
	c := &client{app: a, limit: a.loginLimit}
	if !a.noVerify {
		if c.base, err = a.baseURL(); err != nil {
			return err
		}
	}
	path, err := a.credentialsPath(codeFileWrite)
	if err != nil {
		return err
	}
	if c.key, c.source, err = a.newKey(); err != nil {
		return err
	}
	a.key = c.key
	var check keyCheck
	if !a.noVerify {
		check = c.tryKey()
	}
	unanswered := check.err != nil && strings.HasPrefix(codeOf(check.err).name, "network.")
	if check.err != nil && !unanswered {
		f := asFailure(check.err)
		return f.withHint("%s", strings.TrimPrefix(f.hint+"; ", "; ")+
			"'microtica login --no-verify' saves the key all the same")
	}
	warnings, err := saveKey(c.key, path)
	if err != nil {
		return err
	}
	result := struct {
		APIKeyPrefix    string `json:"apiKeyPrefix"`
		CredentialsFile string `json:"credentialsFile"`
		Verified        bool   `json:"verified"`
	}{c.key.String(), path, !a.noVerify && check.err == nil}
	err = a.print(result, func(w io.Writer) {
		if !a.quiet {
			fmt.Fprintf(w, "Saved API key %v to %s\n", c.key, clean(a.key.mask(path)))
		}
	})
	// The rest is told even if the result could not be printed: the key is saved.
	if check.limited {
		a.tell("note", "key.limited", "key %v has no project-wide read access", c.key)
	}
	if unanswered { // --quiet does not hide that
		a.say("warning", fail(&code{name: "key.unchecked"},
			"the key was not checked: %v; run 'microtica whoami' later", check.err))
	}
	for _, warning := range warnings {
		a.tell("warning", "key.stored", "%s", warning)
	}
	if variable := a.keyFromEnvironment(); variable != "" {
		a.tell("warning", "key.overridden", "%s is set and overrides the key just saved", variable)
	}
	return err
}

// newKey returns the key from --token, or else from stdin, and says which.
func (a *app) newKey() (k key, source string, err error) {
	text, source := a.token, "--token"
	if text == "" {
		source = "stdin"
		if text, err = a.readKey(); err != nil {
			return key{}, source, err
		}
	}
	if trimKey(text) == "" {
		return key{}, source, fail(codeUsage, "no API key: %s is empty", source).withHint(
			"is the variable that holds the key set? 'microtica login < FILE' reads it from a file")
	}
	k, err = parseKey(text, source)
	return k, source, err
}

const promptText = "Create an API key in Microtica's console, in the project's settings; " +
	"it is shown only once.\nAPI key (input is hidden): "

// readKey returns the text of the key from stdin: one hidden line from a terminal, otherwise
// everything, as far as that can be a key.
func (a *app) readKey() (text string, err error) {
	const fromFile = "run 'microtica login < FILE' with a file that holds the key"
	<-a.caught // a signal must restore the terminal
	if !isTerminal(a.stdin) {
		text, err = readKeyText(a.stdin)
	} else if !a.onTerminal {
		return "", fail(codeUsage, "cannot prompt for the API key: stderr is not a terminal").
			withHint(fromFile)
	} else if err = hideInput(a.stdin); err != nil {
		return "", asFailure(err).withHint(fromFile)
	} else {
		io.WriteString(a.stderr, promptText)
		text, err = readTypedLine(a.stdin)
		restoreInput()
		io.WriteString(a.stderr, "\n")
	}
	if err != nil {
		err = fail(codeFileRead, "cannot read the API key from stdin: %v", withoutPath(err))
	}
	return text, err
}

// readTypedLine returns the first line of r that is not blank; "" if there is none.
func readTypedLine(r io.Reader) (string, error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if trimKey(lines.Text()) != "" {
			return lines.Text(), nil
		}
	}
	return "", lines.Err()
}

var cmdLogout = &command{
	name:  "logout",
	short: "remove the saved key",
	help: `Removes the saved key from this machine. The key itself stays valid until it is
revoked in Microtica's console.

JSON: {"credentialsFile","removed"}; removed is false if no key was saved

Example:
  microtica logout --quiet
`,
	run: runLogout,
}

// runLogout removes the stored key, and says what still works: the key itself, until it is revoked,
// and a key in a variable.
func runLogout(a *app) error {
	path, err := a.credentialsPath(codeFileWrite)
	if err != nil {
		return err
	}
	removed, warnings, failed := removeKey(path)
	if failed == nil {
		result := struct {
			CredentialsFile string `json:"credentialsFile"`
			Removed         bool   `json:"removed"`
		}{path, removed}
		err = a.print(result, func(w io.Writer) {
			said := "No API key was saved in"
			if removed {
				said = "Removed the API key saved in"
			}
			if !a.quiet {
				fmt.Fprintln(w, said, clean(path))
			}
		})
	}
	if removed {
		a.tell("note", "key.valid",
			"the key itself stays valid until it is revoked in Microtica's console")
	}
	for _, warning := range warnings {
		a.tell("warning", "key.stored", "%s", warning)
	}
	if variable := a.keyFromEnvironment(); failed == nil && variable != "" {
		a.tell("warning", "key.supplied", "%s is set and still supplies a key", variable)
	}
	return cmp.Or(failed, err)
}
