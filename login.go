package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
)

// What messages call the places that login takes a key from.
const (
	sourceFlag  = "--token"
	sourceStdin = "stdin"
)

// runLogin saves a key, after asking the API whether it works. Where the API cannot be reached the key is saved all the
// same, so that an image can be built without a network; a key that the API rejects is not.
func runLogin(ctx context.Context, a *app) error {
	verify := !a.noVerify
	c := &client{app: a, source: sourceStdin, limit: a.verifyLimit}
	var err error
	if verify {
		if c.base, err = a.apiURL(); err != nil {
			return err
		}
	}
	path, err := a.credentialsPath(codeFileWrite)
	if err != nil {
		return err
	}
	text := a.token.value
	if a.token.given {
		c.source = sourceFlag
	} else if text, err = a.readKey(ctx); err != nil {
		return err
	}
	if trimKey(text) == "" {
		return fail(codeUsage, "no API key: %s is empty", c.source).withHint("run 'microtica login < FILE' with a file that holds the key")
	}
	if c.key, err = parseKey(text, c.source); err != nil {
		return err
	}

	verified := false
	if verify {
		v := c.tryKey(ctx)
		switch {
		case isInterrupted(v.err), v.accepted == false:
			return v.err
		case v.accepted == true:
			verified = true
			if v.limited {
				a.note("key.limited", "key %v has no project-wide read access", c.key)
			}
		default:
			a.warn("key.unchecked", "the key was not checked: %v", v.err)
		}
	}
	if err := a.saveKey(c.key, path); err != nil {
		return err
	}
	if variable := a.keyFromEnvironment(); variable != "" {
		a.warn("key.overridden", "%s is set and overrides the key just saved", variable)
	}
	return a.print(newObject("apiKeyPrefix", c.key.String(), "credentialsFile", path, "verified", verified), func(w io.Writer) {
		if !a.quiet {
			fmt.Fprintf(w, "Saved API key %v to %s\n", c.key, clean(path))
		}
	})
}

// loginFromFile is the hint where a key cannot be typed.
const loginFromFile = "run 'microtica login < FILE' with a file that holds the key"

// input is what was read from stdin.
type input struct {
	text string
	err  error
}

// prompt asks for the key, and says where one is made.
const prompt = "Create an API key in Microtica's console, in the project's settings; " +
	"it is shown only once.\nAPI key" + promptSuffix + ": "

// readKey returns the text of the key from stdin: one hidden line from a terminal, else all there
// is. A text that is too long for a key is auth.malformed, and the rest of it is not read.
func (a *app) readKey(ctx context.Context) (string, error) {
	tty, read := openTerminal(a.stdin), readKeyText
	if tty != nil {
		read = readTypedLine
	}
	if tty != nil && !a.onTerminal {
		return "", fail(codeUsage, "cannot prompt for the API key: stderr is not a terminal").
			withHint(loginFromFile)
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
		got = tty.readHidden(ctx, start, func() { io.WriteString(a.stderr, prompt) })
		fmt.Fprintln(a.stderr)
	} else {
		select {
		case got = <-start():
		case <-ctx.Done():
		}
	}
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case got.err == errTooLarge:
		return "", fail(codeAuthMalformed, "the API key from stdin is %v", got.err).
			withHint("give the key alone on stdin")
	case codeOf(got.err) != nil:
		return "", got.err
	case got.err != nil:
		return "", fail(codeFileRead, "cannot read the API key from stdin: %v", withoutPath(got.err))
	case tty != nil && len(got.text) >= maxTypedLine:
		return "", fail(codeAuthMalformed, "the API key from stdin may be cut short: "+
			"a line typed at a terminal holds at most %d bytes", maxTypedLine).withHint(loginFromFile)
	}
	return got.text, nil
}

// cannotHide returns the failure of a prompt whose terminal does not let its echo be turned off.
func cannotHide(err error) error {
	return fail(codeFileRead, "cannot hide what is typed: %v", err).withHint(loginFromFile)
}

// readTypedLine returns the first line of r that is not blank, without its end, which is CR or LF.
// A line that is too long for a key is errTooLarge.
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

// runLogout removes the stored key.
func runLogout(_ context.Context, a *app) error {
	path, err := a.credentialsPath(codeFileWrite)
	if err != nil {
		return err
	}
	removed, err := a.removeKey(path)
	if err != nil {
		return err
	}
	if removed {
		a.note("key.valid", "the key itself stays valid until it is revoked in Microtica's console")
	}
	if variable := a.keyFromEnvironment(); variable != "" {
		a.warn("key.supplied", "%s is set and still supplies a key", variable)
	}
	return a.print(newObject("credentialsFile", path, "removed", removed), func(w io.Writer) {
		switch {
		case a.quiet:
		case removed:
			fmt.Fprintf(w, "Removed the API key saved in %s\n", clean(path))
		default:
			fmt.Fprintf(w, "No API key was saved in %s\n", clean(path))
		}
	})
}
