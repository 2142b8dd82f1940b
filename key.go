package main

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxKeyBytes is the greatest length of a key.
const maxKeyBytes = 1000

// key is an API key; its zero value is none. However it is printed, only its prefix shows, as in
// Microtica's console. secret is a pointer because fmt prints a key in an unexported field without
// calling its methods: it then shows an address.
type key struct{ secret *string }

// raw returns the whole key. It is called only to store the key and to send it; a test enforces
// this.
func (k key) raw() string { return *k.secret }

// String returns the key's public prefix, such as mic_d60bea1d.
func (k key) String() string {
	return (*k.secret)[:len("mic_")+strings.IndexByte((*k.secret)[len("mic_"):], '_')]
}

// Format prints the prefix whatever the verb: %#v and %d would print the field.
func (k key) Format(s fmt.State, _ rune) { io.WriteString(s, k.String()) }

// mask returns text with the key, and then the part after its prefix, replaced by mic_d60bea1d_….
// A part of fewer than 8 characters may well be something else and stays.
func (k key) mask(text string) string {
	if k.secret == nil {
		return text
	}
	prefix := k.String() + "_"
	part := (*k.secret)[len(prefix):]
	if !strings.Contains(text, part) { // nearly always, and then there is no need to build anything
		return text
	}
	text = strings.ReplaceAll(text, *k.secret, prefix+"…")
	if len(part) >= 8 {
		text = strings.ReplaceAll(text, part, prefix+"…")
	}
	return text
}

// redact returns text with whatever is shaped like a key shortened to its prefix: mic_, letters or
// digits, _, and all that follows up to white space. After a letter or a digit, as in dynamic_web,
// mic_ begins no key.
func redact(text string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "mic_")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString("mic_")
		text = rest
		last, _ := utf8.DecodeLastRuneInString(before)
		prefix, after, _ := strings.Cut(rest, "_")
		if !isNotAlphanumeric(last) || prefix == "" || len(prefix) == len(rest) ||
			strings.ContainsFunc(prefix, isNotAlphanumeric) {
			continue
		}
		b.WriteString(prefix + "_")
		text = strings.TrimLeftFunc(after, func(r rune) bool { return !unicode.IsSpace(r) })
		if len(text) < len(after) {
			b.WriteString("…")
		}
	}
}

func isNotAlphanumeric(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }

// trimKey removes what comes with a pasted or mounted key: a byte order mark and white space.
func trimKey(text string) string {
	return strings.TrimFunc(text, func(r rune) bool { return r == '\uFEFF' || unicode.IsSpace(r) })
}

// parseKey returns the key in text, trimmed: mic_, ASCII letters or digits, _, visible ASCII
// characters, maxKeyBytes at most. The error (auth.malformed) names source, and says what is wrong
// without showing any of the text.
func parseKey(text, source string) (key, error) {
	text = trimKey(text)
	afterMic, startsRight := strings.CutPrefix(text, "mic_")
	prefix, secret, _ := strings.Cut(afterMic, "_")
	bad := strings.IndexFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
	wrong := ""
	hint := "copy the whole key, mic_…_…, that Microtica's console shows once, at its creation"
	switch {
	case text == "":
		wrong = "is empty"
	case !startsRight:
		wrong = "does not start with mic_"
		hint = "give the key alone: no quotation marks, no NAME= or header before it, not a " +
			"file's path, not a variable that was not expanded"
	case len(text) > maxKeyBytes:
		wrong = fmt.Sprintf("is longer than %d bytes", maxKeyBytes)
	case strings.IndexAny(prefix, "….<") == 0: // mic_…, mic_..., mic_<prefix>_<secret>
		wrong, hint = "is the documentation's placeholder", "create a key in Microtica's console"
	case bad >= 0: // all characters before it are ASCII
		wrong = fmt.Sprintf("has a space, line break, control or non-ASCII character "+
			"at position %d", bad+1)
	case prefix == "", strings.ContainsFunc(prefix, isNotAlphanumeric):
		wrong = "is not mic_, letters or digits, _ and a secret"
	case secret == "":
		wrong = "is only the prefix that the console lists, not the whole key"
	default:
		return key{&text}, nil
	}
	f := fail(codeAuthMalformed, "the API key from %s %s", source, wrong)
	return key{}, f.withHint("%s", hint)
}
