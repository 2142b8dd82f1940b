package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
)

// The names that messages use for the sources of login's key.
const (
	sourceFlag  = "--token"
	sourceStdin = "stdin"
)

// runLogin saves a key, after asking the API whether it works. If the API cannot be reached, the
// key is saved anyway, so that an image can be built without a network. A key that the API rejects
// is not saved.
func runLogin(ctx context.Context, a *app) (err error) {
	c := &client{app: a, limit: a.verifyLimit}
	if !a.noVerify {
		if c.base, err = a.apiURL(); err != nil {
			return err
		}
	}
	path, err := a.credentialsPath(codeFileWrite)
	if err != nil {
		return err
	}
	if c.key, c.source, err = a.newKey(ctx); err != nil {
		return err
	}
	var check keyCheck
	if !a.noVerify {
		check = c.tryKey(ctx)
		if isInterrupted(check.err) || check.verdict == keyRejected {
			return check.err
		}
	}
	warnings, err := a.saveKey(c.key, path)
	if err != nil {
		return err
	}
	report := newObject(
		"apiKeyPrefix", c.key.String(),
		"credentialsFile", a.shownPath(path),
		"verified", check.verdict == keyAccepted || check.verdict == keyLimited,
	)
	err = a.print(report, func(w io.Writer) {
		if !a.quiet {
			fmt.Fprintf(w, "Saved API key %v to %s\n", c.key, clean(a.shownPath(path)))
		}
	})
	switch { // notes follow the result, even if printing it failed
	case check.verdict == keyLimited:
		a.note("key.limited", "key %v has no project-wide read access", c.key)
	case check.err != nil:
		a.warn("key.unchecked", "the key was not checked: %v; run 'microtica whoami' later",
			check.err)
	}
	a.warnAll(warnings)
	if variable := a.keyFromEnvironment(); variable != "" {
		a.warn("key.overridden", "%s is set and overrides the key just saved", variable)
	}
	return err
}

// newKey returns the key from --token, or else from stdin, and says which.
func (a *app) newKey(ctx context.Context) (k key, source string, err error) {
	text, source := a.token.value, sourceFlag
	if !a.token.given {
		source = sourceStdin
		text, err = a.readKey(ctx)
	}
	if err == nil && trimKey(text) == "" {
		err = fail(codeUsage, "no API key: %s is empty", source).withHint(
			"is the variable that holds the key set? 'microtica login < FILE' reads it from a file")
	}
	if err == nil {
		k, err = parseKey(text, source)
	}
	return k, source, err
}

// warnAll prints warnings about the stored key. They are held back until the result is printed.
func (a *app) warnAll(warnings []string) {
	for _, text := range warnings {
		a.warn("key.stored", "%s", text)
	}
}

// loginFromFile is the hint if a key cannot be typed.
const loginFromFile = "run 'microtica login < FILE' with a file that holds the key"

// input is what was read from stdin.
type input struct {
	text string
	err  error
}

// prompt asks for the key, and says where to create one.
const prompt = "Create an API key in Microtica's console, in the project's settings; " +
	"it is shown only once.\nAPI key" + promptSuffix + ": "

// readKey returns the text of the key from stdin: one hidden line from a terminal, otherwise
// everything. If the text is too long for a key, readKey fails (auth.malformed) without reading the
// rest.
func (a *app) readKey(ctx context.Context) (string, error) {
	tty, read := openTerminal(a.stdin), readKeyText
	if tty != nil {
		read = readTypedLine
		if !a.onTerminal {
			return "", fail(codeUsage, "cannot prompt for the API key: stderr is not a terminal").
				withHint(loginFromFile)
		}
	}
	start := func() <-chan input { // so that a signal can end the wait
		done := make(chan input, 1)
		go func() {
			text, err := read(a.stdin)
			done <- input{text, err}
		}()
		return done
	}
	var got input
	if tty != nil {
		a.prompting.Store(tty)
		got = tty.readHidden(ctx, start, func() { io.WriteString(a.stderr, prompt) })
		a.prompting.Store(nil)
		fmt.Fprintln(a.stderr)
	} else {
		select {
		case got = <-start():
		case <-ctx.Done():
		}
	}
	err := got.err
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case err == errTooLarge:
		err = fail(codeAuthMalformed, "the API key from stdin is %v", err).
			withHint("pass only the key on stdin")
	case err != nil && codeOf(err) == nil:
		err = fail(codeFileRead, "cannot read the API key from stdin: %v", withoutPath(err))
	case err == nil && tty != nil && len(got.text) >= maxTypedLine:
		err = fail(codeAuthMalformed, "the API key from stdin may be cut short: "+
			"a line typed at a terminal holds at most %d bytes", maxTypedLine).
			withHint(loginFromFile)
	}
	return got.text, err
}

// cannotHide returns the failure of a prompt that cannot turn off the terminal's echo.
func cannotHide(err error) error {
	return fail(codeFileRead, "cannot hide typed input: %v", err).withHint(loginFromFile)
}

// readTypedLine returns the first line of r that is not blank, without the CR or LF that ends it.
// It fails with errTooLarge if the line is too long for a key.
func readTypedLine(r io.Reader) (string, error) {
	var line []byte
	for b := bufio.NewReader(r); len(line) <= maxKeyBytes; {
		c, err := b.ReadByte()
		switch {
		case err == io.EOF:
			return string(line), nil
		case err != nil:
			return "", err
		case c != '\r' && c != '\n':
			line = append(line, c)
		case trimKey(string(line)) != "":
			return string(line), nil
		default:
			line = nil
		}
	}
	return "", errTooLarge
}

// runLogout removes the stored key, and says what still works: the key itself, until it is revoked,
// and a key in a variable.
func runLogout(_ context.Context, a *app) error {
	path, err := a.credentialsPath(codeFileWrite)
	if err != nil {
		return err
	}
	removed, warnings, err := a.removeKey(path)
	if err != nil {
		a.warnAll(warnings)
		return err
	}
	shown := a.shownPath(path)
	err = a.print(newObject("credentialsFile", shown, "removed", removed), func(w io.Writer) {
		switch {
		case a.quiet:
		case removed:
			fmt.Fprintf(w, "Removed the API key saved in %s\n", clean(shown))
		default:
			fmt.Fprintf(w, "No API key was saved in %s\n", clean(shown))
		}
	})
	if removed {
		a.note("key.valid", "the key itself stays valid until it is revoked in Microtica's console")
	}
	a.warnAll(warnings)
	if variable := a.keyFromEnvironment(); variable != "" {
		a.warn("key.supplied", "%s is set and still supplies a key", variable)
	}
	return err
}
