package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"
)

// This file handles the API key: what one looks like, where it comes from, and how it is stored. No
// other file reads or writes files.

// maxKeyBytes is the greatest length of a key, and of a text that may hold one, without its line
// end.
const maxKeyBytes = 4096

// key is an API key. However it is printed, only its prefix shows, as in Microtica's console.
// secret is a pointer because fmt prints a key in an unexported field without calling its methods:
// it then shows an address.
type key struct{ secret *string }

// raw returns the whole key. It is called only to store the key, to send it, and to mask it in
// answers; a test enforces this.
func (k key) raw() string { return *k.secret }

// String returns the key's public prefix, such as mic_d60bea1d.
func (k key) String() string {
	return (*k.secret)[:len("mic_")+strings.IndexByte((*k.secret)[len("mic_"):], '_')]
}

// Format prints the prefix whatever the verb: %#v and %d would print the field.
func (k key) Format(s fmt.State, _ rune) { io.WriteString(s, k.String()) }

// mask returns text with the key replaced by its prefix, as mic_d60bea1d_…, ignoring case. The part
// after the prefix also counts as the key, unless it is so short that it may well be something
// else.
func (k key) mask(text string) string {
	prefix, part := k.String()+"_", k.raw()
	if len(part) >= len(prefix)+8 {
		part = part[len(prefix):]
	}
	i := indexFold(text, part)
	if i < 0 {
		return text
	}
	var b strings.Builder
	for ; i >= 0; i = indexFold(text, part) {
		start := max(0, i-len(prefix))
		if !strings.EqualFold(text[start:i], prefix) {
			start = i
		}
		b.WriteString(text[:start])
		b.WriteString(prefix + "…")
		text = text[i+len(part):]
	}
	b.WriteString(text)
	return b.String()
}

// indexFold returns the index of part in text, ignoring the case of ASCII letters, or -1. It
// lowercases one window at a time, because a copy of 32 MiB would cost too much.
func indexFold(text, part string) int {
	var small [512]byte
	window, want := small[:0], lowerASCII([]byte(part))
	for start, size := 0, 256; start+len(part) <= len(text); size = min(2*size, 64<<10) {
		end := min(start+size+len(part)-1, len(text))
		window = lowerASCII(append(window[:0], text[start:end]...))
		if i := bytes.Index(window, want); i >= 0 {
			return start + i
		}
		start += size
	}
	return -1
}

// lowerASCII lowercases the ASCII letters of b in place, and returns b.
func lowerASCII(b []byte) []byte {
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] += 'a' - 'A'
		}
	}
	return b
}

// strayEnd names the key's last character if it is a separator or a quotation mark, which may have
// been copied along with the key; otherwise it returns "".
func (k key) strayEnd() string {
	switch (*k.secret)[len(*k.secret)-1] {
	case ',':
		return "a comma"
	case ';':
		return "a semicolon"
	case '"', '\'', '`':
		return "a quotation mark"
	}
	return ""
}

// trimKey removes what comes with a pasted or mounted key: a byte order mark and white space.
func trimKey(text string) string {
	return strings.TrimFunc(text, func(r rune) bool { return r == '\uFEFF' || unicode.IsSpace(r) })
}

// parseKey returns the key in text, trimmed: mic_, ASCII letters or digits, _, visible ASCII
// characters, maxKeyBytes at most. The error (auth.malformed) names source and says what is wrong
// without showing any of the text.
func parseKey(text, source string) (key, error) {
	text = trimKey(text)
	what, hint := mistake(text)
	if what == "" {
		return key{&text}, nil
	}
	if hint == "" {
		hint = "copy the whole key, mic_…_…, that Microtica's console shows once, at its creation"
	}
	f := fail(codeAuthMalformed, "the API key from %s %s", source, what)
	return key{}, f.withHint("%s", hint)
}

// mistake says why text is not a key ("" if it is one), and what to do ("" for the usual advice).
func mistake(text string) (what, hint string) {
	public, secret, _ := strings.Cut(strings.TrimPrefix(text, "mic_"), "_")
	notAlphanumeric := func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }
	notVisible := strings.IndexFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
	switch {
	case text == "":
		return "is empty", ""
	case !strings.HasPrefix(text, "mic_"):
		return wrongStart(text)
	case len(text) > maxKeyBytes:
		return fmt.Sprintf("is longer than %d bytes", maxKeyBytes), ""
	case hasPrefix(public, "… ... <"):
		return "is the documentation's placeholder", "create a key in Microtica's console"
	case notVisible >= 0: // all characters before it are ASCII
		kind := characterKind(text[notVisible:])
		return fmt.Sprintf("has %s at position %d", kind, notVisible+1), ""
	case strings.ContainsFunc(public, notAlphanumeric):
		return "has something other than letters and digits between mic_ and the next _", ""
	case secret == "":
		return "is only the prefix that the console lists, not the whole key", ""
	case public == "":
		return "has nothing between mic_ and the next _", ""
	}
	return "", ""
}

// characterKind names the first character of text, which cannot be part of a key.
func characterKind(text string) string {
	switch r, _ := utf8.DecodeRuneInString(text); {
	case r == ' ':
		return "a space"
	case r == '\n', r == '\r':
		return "a line break"
	case r < utf8.RuneSelf:
		return "a control character"
	}
	return "a non-ASCII character"
}

// wrongStarts lists what is pasted instead of a key: the prefixes that give it away (lower case,
// separated by spaces), what it probably is, and what to do ("" for the usual advice).
var wrongStarts = []struct{ starts, what, hint string }{
	{"\xff\xfe \xfe\xff m\x00 \x00m", "is UTF-16 text",
		"save it as ASCII: 'Set-Content -Encoding ascii' in PowerShell"},
	{"\" ' ` “ ” ‘ ’ „ « »", "starts with a quotation mark",
		"remove the quotation marks around the key"},
	{"$", "starts with $: nothing replaced a variable",
		"name the variable as this shell or CI does; single quotes keep it from being replaced"},
	{"/ ./ ../ ~ @", "looks like the path of a file",
		"run 'microtica login < FILE', or set MICROTICA_TOKEN_FILE to the path"},
	{"mic_", "starts with MIC_ instead of mic_, in small letters", ""},
}

// wrongStart says what text that does not start with mic_ probably is, and what to do ("" for the
// usual advice).
func wrongStart(text string) (what, hint string) {
	name, _, assigned := strings.Cut(text, "=")
	header, value, colon := strings.Cut(text, ":")
	word, _, spaced := strings.Cut(text, " ")
	switch {
	case assigned && isName(name), spaced && strings.EqualFold(word, "export"):
		return "starts with the name of a variable", "give only the value, from mic_ on"
	case spaced && strings.EqualFold(word, "bearer"),
		colon && isName(header) && (hasPrefix(value, "mic_") || strings.HasPrefix(value, " ")):
		return "starts with Bearer or the name of a header", "give only the key, from mic_ on"
	}
	for _, wrong := range wrongStarts {
		if hasPrefix(text, wrong.starts) {
			return wrong.what, wrong.hint
		}
	}
	return "does not start with mic_", ""
}

// hasPrefix reports whether text, as it is or in lower case, starts with one of the space-separated
// prefixes.
func hasPrefix(text, prefixes string) bool {
	small := strings.ToLower(text)
	for prefix := range strings.FieldsSeq(prefixes) {
		if strings.HasPrefix(text, prefix) || strings.HasPrefix(small, prefix) {
			return true
		}
	}
	return false
}

// isName reports whether text can be the name of a variable or a header.
func isName(text string) bool {
	other := func(r rune) bool {
		return r != '_' && r != '-' && (r > '~' || !unicode.IsLetter(r) && !unicode.IsDigit(r))
	}
	return text != "" && !strings.ContainsFunc(text, other)
}

// looksLikeKey reports whether a word may be or hold a key, and so must never be shown.
func looksLikeKey(word string) bool { return strings.Contains(strings.ToLower(word), "mic_") }

// keyFromEnvironment returns the name of the variable that supplies a key, "" if none does.
func (a *app) keyFromEnvironment() string {
	for _, name := range []string{"MICROTICA_TOKEN", "MICROTICA_TOKEN_FILE"} {
		if a.getenv(name) != "" {
			return name
		}
	}
	return ""
}

// findKey returns the key that this command uses, and its source: a variable's name or the path of
// the stored key. A source that is set but bad is an error; the next one is not tried.
func (a *app) findKey() (k key, source string, err error) {
	switch source = a.keyFromEnvironment(); source {
	case "MICROTICA_TOKEN":
		k, err = parseKey(a.getenv("MICROTICA_TOKEN"), source)
	case "MICROTICA_TOKEN_FILE":
		k, err = mountedKey(a.getenv("MICROTICA_TOKEN_FILE"))
	default:
		return a.storedKey()
	}
	return k, source, err
}

// mountedKey returns the key in the file at path, which MICROTICA_TOKEN_FILE names.
func mountedKey(path string) (key, error) {
	source := "MICROTICA_TOKEN_FILE (" + path + ")"
	if looksLikeKey(path) {
		source = "MICROTICA_TOKEN_FILE"
	}
	text, _, err := readKeyFile(path)
	if err == nil {
		return parseKey(text, source)
	}
	f := fail(codeFileRead, "cannot read the API key from %s: %v", source, err)
	switch {
	case hasPrefix(path, "mic_"):
		f.message = "MICROTICA_TOKEN_FILE holds what looks like a key, not the path of a file"
		f.hint = "set MICROTICA_TOKEN to the key instead"
	case err == errPipe:
		f.hint = `set MICROTICA_TOKEN="$(COMMAND)" instead, with the command that writes the key`
	case path[0] == '~':
		f.hint = "set MICROTICA_TOKEN_FILE to the full path: ~ is not expanded"
	default:
		f.hint = "set MICROTICA_TOKEN_FILE to a readable file that holds the key"
	}
	return key{}, f
}

// storedKey returns the key that login stored, and its path. It warns about file modes that let
// other users read or replace the key.
func (a *app) storedKey() (key, string, error) {
	path, err := a.credentialsPath(codeAuthMissing)
	if err != nil {
		return key{}, "", err
	}
	shown := a.shownPath(path)
	text, info, err := readKeyFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f := fail(codeAuthMissing, "no API key: %s, and none is saved in %s", a.unset(), shown)
		advice := "run 'microtica login', or set MICROTICA_TOKEN"
		if _, set := a.lookenv("MICROTICA_TOKEN"); set {
			advice = "give MICROTICA_TOKEN a value: in CI, jobs of a fork get no secrets"
		}
		return key{}, shown, f.withHint("%s", a.remedy(path, err, advice))
	case err != nil:
		f := fail(codeFileRead, "cannot read the saved API key in %s: %v", shown, err)
		advice := "set MICROTICA_TOKEN where the saved key cannot be read"
		return key{}, shown, f.withHint("%s", a.remedy(path, err, advice))
	}
	const warning = "%s can be %s by others (mode %04o): run 'chmod %o %[1]s'"
	if mode := info.Mode().Perm(); mode&0o066 != 0 && runtime.GOOS != "windows" {
		a.warn("file.mode", warning, shown, "read or written", mode, 0o600)
	}
	if info, err := os.Stat(filepath.Dir(path)); err == nil && othersMayWrite(info) {
		a.warn("file.mode", warning, filepath.Dir(shown), "written", info.Mode().Perm(), 0o700)
	}
	k, err := parseKey(text, shown)
	var f *failure
	if errors.As(err, &f) {
		f.hint = "run 'microtica login'"
		if trimKey(text) != "" {
			f.hint = "move " + shown + " away and " + f.hint
		}
	}
	return k, shown, err
}

// unset says why neither variable supplies a key. It distinguishes a variable that is not set from
// an empty one, which is what CI makes of a secret that it withholds.
func (a *app) unset() string {
	state := map[bool]string{false: "not set", true: "empty"}
	_, token := a.lookenv("MICROTICA_TOKEN")
	_, file := a.lookenv("MICROTICA_TOKEN_FILE")
	if token == file {
		return "MICROTICA_TOKEN and MICROTICA_TOKEN_FILE are " + state[token]
	}
	return "MICROTICA_TOKEN is " + state[token] + ", MICROTICA_TOKEN_FILE is " + state[file]
}

// hasSavedKey reports whether login has saved a key, other than the one given, that commands would
// use if no variable supplied one.
func (a *app) hasSavedKey(other key) bool {
	path, err := a.credentialsPath(codeAuthMissing)
	if err != nil {
		return false
	}
	text, _, err := readKeyFile(path)
	text = trimKey(text)
	what, _ := mistake(text)
	return err == nil && what == "" && (other.secret == nil || text != *other.secret)
}

// homeVariable is the name of the variable that holds the path of the home directory.
func homeVariable() string {
	if runtime.GOOS == "windows" {
		return "USERPROFILE"
	}
	return "HOME"
}

// credentialsPath returns the path of the stored key. Without a home directory it fails with code
// c.
func (a *app) credentialsPath(c *code) (string, error) {
	home := a.getenv(homeVariable())
	if filepath.IsAbs(home) {
		return filepath.Join(home, ".microtica", "credentials"), nil
	}
	f := fail(c, "no place for a saved API key: %s is not an absolute path", homeVariable())
	if home == "" {
		f.message = "no place for a saved API key: " + homeVariable() + " is not set"
	}
	if _, set := a.lookenv("MICROTICA_TOKEN"); set && a.keyFromEnvironment() == "" {
		f.message += ", and MICROTICA_TOKEN is empty"
	}
	return "", f.withHint("set MICROTICA_TOKEN to the key")
}

// shownPath returns a path in a form that may be printed: ~ replaces a home directory whose path
// may hold a key.
func (a *app) shownPath(path string) string {
	home := filepath.Clean(a.getenv(homeVariable()))
	if rest, ok := strings.CutPrefix(path, home); ok && looksLikeKey(home) {
		return "~" + rest
	}
	return path
}

// unusable is the error for a file that exists but cannot serve as a key file.
type unusable string

func (u unusable) Error() string { return string(u) }

var (
	errTooLarge   error = unusable(fmt.Sprintf("longer than %d bytes", maxKeyBytes))
	errPipe       error = unusable("a pipe cannot be used here")
	errNotRegular error = unusable("not a regular file")
	errForeign    error = unusable("it holds something other than an API key")

	errNoDirectory = errors.New("~/.microtica is not a directory")
	errShared      = errors.New("others may write to ~/.microtica")
)

// remedy returns what to do about err, a failure of the stored key at path or of its directory;
// advice if it knows nothing better.
func (a *app) remedy(path string, err error, advice string) string {
	dir := filepath.Dir(path)
	home, homeErr := os.Stat(filepath.Dir(dir))
	info, dirErr := os.Stat(dir)
	file, fileErr := os.Stat(path)
	var u unusable
	switch {
	case isLink(dir) && dirErr != nil:
		return "move ~/.microtica away: it is a link that leads nowhere"
	case errors.Is(homeErr, fs.ErrNotExist), homeErr == nil && !home.IsDir():
		return "set " + homeVariable() + " to an existing directory, or set MICROTICA_TOKEN"
	case err == errNoDirectory, dirErr == nil && !info.IsDir():
		return "move ~/.microtica away: it is not a directory"
	case errors.As(err, &u):
		return "move " + a.shownPath(path) + " away and try again"
	case err == errShared:
		return "run 'chmod 700 ~/.microtica'"
	case errors.Is(err, syscall.EACCES) && isLink(path):
		return "make the file that " + a.shownPath(path) + " links to readable"
	case !errors.Is(err, syscall.EACCES), runtime.GOOS == "windows", dirErr != nil:
		return advice
	case info.Mode().Perm()&0o700 != 0o700: // a login was killed under an odd umask
		return "run 'chmod 700 ~/.microtica'"
	case fileErr == nil && file.Mode().Perm()&0o400 == 0:
		return "run 'chmod 600 ~/.microtica/credentials'"
	}
	return "run 'sudo chown -R $(id -u) ~/.microtica': it belongs to another user"
}

// isLink reports whether there is a symbolic link at path.
func isLink(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}

// patiently retries do for up to two seconds while another process has the file open, which makes
// file operations fail on Windows.
func patiently(do func() error) error {
	const accessDenied, sharingViolation = syscall.Errno(5), syscall.Errno(32)
	for end := time.Now().Add(2 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		err := do()
		busy := errors.Is(err, accessDenied) || errors.Is(err, sharingViolation)
		if !busy || runtime.GOOS != "windows" || time.Now().After(end) {
			return err
		}
	}
}

// readKeyFile reads a regular file of at most maxKeyBytes and a line end, following links. It
// returns the text without the line end, and the file's info. The error does not contain the path.
// It never blocks on a FIFO or a device.
func readKeyFile(path string) (text string, info fs.FileInfo, err error) {
	if _, err := regular(os.Stat(path)); err != nil {
		return "", nil, withoutPath(err) // opening a device can have side effects
	}
	var file *os.File
	err = patiently(func() (err error) {
		file, err = os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		return err
	})
	if err != nil {
		return "", nil, withoutPath(err)
	}
	defer file.Close()
	info, err = regular(file.Stat()) // another file may have taken its place since
	if err == nil {
		text, err = readKeyText(file)
	}
	return text, info, withoutPath(err)
}

// regular returns info and err, or an error of its own if info is not that of a regular file.
func regular(info fs.FileInfo, err error) (fs.FileInfo, error) {
	switch {
	case err != nil:
	case info.Mode()&fs.ModeNamedPipe != 0:
		err = errPipe
	case !info.Mode().IsRegular():
		err = errNotRegular
	}
	return info, err
}

// readKeyText returns the text of r without its line end. It fails with errTooLarge, without
// reading the rest, if that is more than maxKeyBytes.
func readKeyText(r io.Reader) (string, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxKeyBytes+int64(len("\r\n"))+1))
	text := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if err == nil && len(text) > maxKeyBytes {
		err = errTooLarge
	}
	return text, err
}

// withoutPath returns err without the operation and the paths that package os puts before it.
func withoutPath(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	var l *os.LinkError
	if errors.As(err, &l) {
		return l.Err
	}
	return err
}

// temporary is the prefix of the names of temporary files, which saveKey makes next to the stored
// key.
const temporary = ".credentials-"

// saveKey stores k at path, whole or not at all: after a crash, the file holds the old key or the
// new one. It returns warnings to print after the result.
func (a *app) saveKey(k key, path string) (warnings []string, err error) {
	dir := filepath.Dir(path)
	advice := "set MICROTICA_TOKEN where nothing can be saved"
	err = makeDirectory(dir)
	if err == nil {
		err = keepForeignFile(path)
	}
	if err == nil {
		if _, stuck := a.sweep(dir, time.Minute, nil); stuck != nil {
			warnings = append(warnings, "cannot remove what an interrupted login left: "+
				stuck.Error())
		}
		for range 3 {
			if err = replaceFile(path, k.raw()+"\n"); !errors.Is(err, fs.ErrNotExist) {
				break
			}
			advice = "run 'microtica login' again when no logout runs" // logout swept the new file
		}
	}
	if err != nil {
		err = withoutPath(err)
		f := fail(codeFileWrite, "cannot save the API key in %s: %v", a.shownPath(path), err)
		return nil, f.withHint("%s", a.remedy(path, err, advice))
	}
	if err := syncDirectory(dir); err != nil {
		warnings = append(warnings, fmt.Sprintf("the key is saved, but a power failure may undo "+
			"it: cannot sync %s: %v", a.shownPath(dir), withoutPath(err)))
	}
	return warnings, nil
}

// makeDirectory makes the directory of the stored key, or checks the existing one.
func makeDirectory(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if err == nil {
		return os.Chmod(dir, 0o700) // the umask may have cleared some of these bits
	}
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && !info.IsDir():
		return errNoDirectory
	case err == nil && othersMayWrite(info):
		return errShared
	}
	return err
}

// othersMayWrite reports whether users other than its owner may write to a file or directory.
func othersMayWrite(info fs.FileInfo) bool {
	return info.Mode().Perm()&0o022 != 0 && runtime.GOOS != "windows"
}

// keepForeignFile fails if the file at path holds anything but a key or white space: it is not ours
// to overwrite or remove.
func keepForeignFile(path string) error {
	text, _, err := readKeyFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	text = trimKey(text)
	if what, _ := mistake(text); err == nil && what != "" && text != "" {
		return errForeign
	}
	return err
}

// replaceFile writes text to a temporary file of mode 0600, syncs it, and renames it to path.
func replaceFile(path, text string) error {
	temp := filepath.Join(filepath.Dir(path), temporary+rand.Text())
	err := patiently(func() error { return writeSynced(temp, text) })
	if err == nil {
		err = patiently(func() error { return os.Rename(temp, path) })
	}
	if err != nil {
		os.Remove(temp) // if this fails too, a later login removes it
	}
	return err
}

// writeSynced writes text to a new file of mode 0600 and waits until it is on the disk.
func writeSynced(path, text string) error {
	err := os.WriteFile(path, []byte(text), 0o600)
	if err == nil {
		err = os.Chmod(path, 0o600) // whatever the umask is
	}
	if err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0) // Windows syncs only what is open for writing
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

// syncDirectory waits until changes to dir are on the disk, if the system can do that.
func syncDirectory(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	file, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = errors.Join(file.Sync(), file.Close())
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		return nil // some file systems cannot sync a directory
	}
	return err
}

// sweep removes the temporary files in dir that are older than age, and counts them. A younger one
// may belong to a login that is still running. One from further in the future than age is removed
// too: a clock was wrong. What sweep could not remove is added to err and returned.
func (a *app) sweep(dir string, age time.Duration, err error) (count int, _ error) {
	entries, readErr := os.ReadDir(dir)
	err = a.addFailure(err, dir, readErr)
	for _, entry := range entries {
		info, infoErr := entry.Info()
		young := infoErr == nil && a.now().Sub(info.ModTime()).Abs() <= age
		if young || !strings.HasPrefix(entry.Name(), temporary) {
			continue
		}
		path := filepath.Join(dir, entry.Name())
		removeErr := patiently(func() error { return os.Remove(path) })
		if removeErr == nil {
			count++
		}
		err = a.addFailure(err, path, removeErr)
	}
	return count, err
}

// addFailure returns err with why appended, the failure to remove or read path. err may be nil. If
// why is nil or the file is gone, err is returned unchanged.
func (a *app) addFailure(err error, path string, why error) error {
	if why == nil || errors.Is(why, fs.ErrNotExist) {
		return err
	}
	why = fmt.Errorf("%s: %w", a.shownPath(path), withoutPath(why))
	if err == nil {
		return why
	}
	return fmt.Errorf("%w; %w", err, why)
}

// removeKey removes the stored key at path and every temporary file next to it, as many as it can,
// even if one fails. It reports whether there was anything to remove, and returns warnings, which
// may accompany an error.
func (a *app) removeKey(path string) (removed bool, warnings []string, err error) {
	dir, target, link := filepath.Dir(path), "", isLink(path)
	if link && a.hasSavedKey(key{}) {
		target, _ = filepath.EvalSymlinks(path)
	}
	err = keepForeignFile(path)
	if err == nil || link { // whatever it leads to, the link can go
		err = patiently(func() error { return os.Remove(path) })
	}
	if err == nil && target != "" {
		if looksLikeKey(target) {
			target = "the link's target"
		}
		warnings = append(warnings, "only the link was removed: the key is still in "+target)
	}
	removed = err == nil
	count, err := a.sweep(dir, -1, a.addFailure(nil, path, err))
	if err != nil {
		f := fail(codeFileWrite, "cannot remove %v", err)
		return false, warnings, f.withHint("%s", a.remedy(path, err, "remove it by hand"))
	}
	if !removed && count == 0 {
		return false, nil, nil
	}
	if err := syncDirectory(dir); err != nil {
		warnings = append(warnings, fmt.Sprintf("the key is removed, but a power failure may undo "+
			"that: cannot sync %s: %v", a.shownPath(dir), withoutPath(err)))
	}
	return true, warnings, nil
}
