package main

import (
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
)

// This file is the API key: what one is, where it comes from, how it is stored. No other file reads or writes files.

// maxKeyBytes is the length of the longest key, and of the longest text that is read in search of one, not counting the
// line end behind it.
const maxKeyBytes = 4096

// key is an API key. However it is printed, only the prefix that Microtica's console lists shows; behind a pointer, for fmt
// prints what lies in an unexported field of a struct without asking its methods.
type key struct{ secret *string }

// raw returns the whole key. It is called where the key is stored, where it is sent, and where it is taken out of what
// comes back; a test counts these places.
func (k key) raw() string { return *k.secret }

// String returns mic_ and the public part behind it, such as mic_d60bea1d.
func (k key) String() string {
	return (*k.secret)[:len("mic_")+strings.IndexByte((*k.secret)[len("mic_"):], '_')]
}

// Format prints the prefix whatever the verb, for %#v and %d would show the field.
func (k key) Format(s fmt.State, _ rune) { io.WriteString(s, k.String()) }

// trimKey removes what comes with a pasted or mounted key: a byte order mark and white space on both sides.
func trimKey(text string) string {
	return strings.TrimFunc(text, func(r rune) bool { return r == '\uFEFF' || unicode.IsSpace(r) })
}

// parseKey returns the key in text, trimmed: mic_, letters or digits, _, visible ASCII characters, maxKeyBytes at most. The
// error (auth.malformed) names source and says what is wrong, without showing any of the text.
func parseKey(text, source string) (key, error) {
	text = trimKey(text)
	wrong := ""
	switch {
	case text == "":
		wrong = "is empty"
	case len(text) > maxKeyBytes:
		wrong = fmt.Sprintf("is longer than %d bytes", maxKeyBytes)
	case !strings.HasPrefix(text, "mic_"):
		wrong = "does not start with mic_"
	default:
		wrong = wrongCharacter(text)
	}
	if wrong == "" {
		public, secret, both := strings.Cut(text[len("mic_"):], "_")
		switch {
		case strings.ContainsFunc(public, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }):
			wrong = "has something else than letters and digits between mic_ and the next _"
		case !both || secret == "":
			wrong = "is only the prefix that the console lists, not the whole key"
		case public == "":
			wrong = "has nothing between mic_ and the next _"
		default:
			return key{&text}, nil
		}
	}
	return key{}, fail(codeAuthMalformed, "the API key from %s %s", source, wrong).
		withHint("copy the whole key, mic_…_…, as Microtica's console shows it once, when it is created")
}

// wrongCharacter says which character cannot be part of a key, and where, counted in characters from 1; "" if none.
func wrongCharacter(text string) string {
	position := 0
	for _, r := range text {
		position++
		kind := ""
		switch {
		case r == ' ':
			kind = "a space"
		case r < ' ' || r == 0x7f:
			kind = "a control character"
		case r > '~':
			kind = "a non-ASCII character"
		default:
			continue
		}
		return fmt.Sprintf("has %s at position %d", kind, position)
	}
	return ""
}

// looksLikeKey tells whether a word may be or hold a key, and so must never be shown.
func looksLikeKey(word string) bool { return strings.Contains(strings.ToLower(word), "mic_") }

// keyFromEnvironment names the variable that supplies a key; "" if none does.
func (a *app) keyFromEnvironment() string {
	for _, name := range []string{"MICROTICA_TOKEN", "MICROTICA_TOKEN_FILE"} {
		if a.getenv(name) != "" {
			return name
		}
	}
	return ""
}

// findKey returns the key that this command uses, and its source: a variable's name or the path of the stored key. A source
// that is set but bad is an error; the next one is not tried.
func (a *app) findKey() (key, string, error) {
	switch source := a.keyFromEnvironment(); source {
	case "MICROTICA_TOKEN":
		k, err := parseKey(a.getenv(source), source)
		return k, source, err
	case "MICROTICA_TOKEN_FILE":
		path := a.getenv(source)
		text, _, err := readKeyFile(path)
		if err != nil {
			if looksLikeKey(path) {
				return key{}, source, fail(codeFileRead, "MICROTICA_TOKEN_FILE holds what looks like a key, not the path of a file").
					withHint("set MICROTICA_TOKEN to the key instead")
			}
			return key{}, source, fail(codeFileRead, "cannot read the API key from MICROTICA_TOKEN_FILE, %s: %v", path, err).
				withHint("set MICROTICA_TOKEN_FILE to a readable file that holds the key")
		}
		k, err := parseKey(text, source)
		return k, source, err
	}

	path, err := a.credentialsPath(codeAuthMissing)
	if err != nil {
		return key{}, "", err
	}
	text, info, err := readKeyFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return key{}, "", fail(codeAuthMissing, "no API key: MICROTICA_TOKEN and MICROTICA_TOKEN_FILE are not set, and none is saved in %s", path).
			withHint("run 'microtica login', or set MICROTICA_TOKEN")
	}
	if err != nil {
		return key{}, path, fail(codeFileRead, "cannot read the saved API key in %s: %v", path, err).
			withHint("move %s away and run 'microtica login'", path)
	}
	if mode := info.Mode().Perm(); mode&0o066 != 0 && runtime.GOOS != "windows" {
		a.warn("file.mode", "%s can be read or written by others (mode %04o): run 'chmod 600 %s'", path, mode, path)
	}
	k, err := parseKey(text, path)
	var f *failure
	if errors.As(err, &f) {
		f.withHint("move %s away and run 'microtica login'", path)
	}
	return k, path, err
}

// credentialsPath returns the path of the stored key. Without a home directory it fails with the given code.
func (a *app) credentialsPath(c *code) (string, error) {
	variable := "HOME"
	if runtime.GOOS == "windows" {
		variable = "USERPROFILE"
	}
	home := a.getenv(variable)
	switch {
	case home == "":
		return "", fail(c, "no place for a saved API key: %s is not set", variable).withHint("set MICROTICA_TOKEN to the key")
	case !filepath.IsAbs(home):
		return "", fail(c, "no place for a saved API key: %s is not an absolute path", variable).withHint("set MICROTICA_TOKEN to the key")
	}
	return filepath.Join(home, ".microtica", "credentials"), nil
}

// readKeyFile returns the text of a regular file, links followed, of at most maxKeyBytes and a line end, and what is known
// of the file. It never waits: neither for a FIFO's writer nor for a device.
func readKeyFile(path string) (string, fs.FileInfo, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file") // nor is a device to be opened, which can have effects
	}
	if err != nil {
		return "", nil, withoutPath(err)
	}
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", nil, withoutPath(err)
	}
	defer file.Close()
	if info, err = file.Stat(); err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file") // put there between the two looks
	}
	if err != nil {
		return "", nil, withoutPath(err)
	}
	text, err := readKeyText(file)
	return text, info, withoutPath(err)
}

var errTooLarge = fmt.Errorf("longer than %d bytes", maxKeyBytes)

// readKeyText reads r to its end. A text of more than maxKeyBytes, not counting the line end behind it, is errTooLarge, and
// the rest of it is not read.
func readKeyText(r io.Reader) (string, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxKeyBytes+int64(len("\r\n"))+1))
	text := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if err == nil && len(text) > maxKeyBytes {
		err = errTooLarge
	}
	return text, err
}

// withoutPath returns what went wrong, without the operation and the path that os puts before it.
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

// temporary is how the names of files begin that a save writes beside the stored key.
const temporary = ".credentials-"

// saveKey stores k at path, whole or not at all: in a temporary file of mode 0600, synced, then renamed over the old one.
func (a *app) saveKey(k key, path string) error {
	dir := filepath.Dir(path)
	err := os.Mkdir(dir, 0o700)
	if err == nil {
		err = os.Chmod(dir, 0o700) // the umask may have taken away more than it should
	} else if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	if err == nil {
		if err := keepForeignFile(path); err != nil {
			return err
		}
		if _, err := a.sweep(dir, time.Minute); err != nil {
			a.warn("file.sweep", "cannot remove what an interrupted login left in %s: %v", dir, withoutPath(err))
		}
		temp := filepath.Join(dir, temporary+rand.Text())
		if err = writeSynced(temp, k.raw()+"\n"); err == nil {
			err = os.Rename(temp, path)
		}
		if err != nil {
			os.Remove(temp) // if this fails too, a later login sweeps it
		}
	}
	if err != nil {
		return fail(codeFileWrite, "cannot save the API key in %s: %v", path, withoutPath(err)).
			withHint("set MICROTICA_TOKEN where nothing can be saved")
	}
	if err := syncDirectory(dir); err != nil {
		a.warn("file.sync", "the key is saved, but a power failure may undo it: cannot sync %s: %v", dir, withoutPath(err))
	}
	return nil
}

// keepForeignFile fails where path holds something else than a key or nothing: that is not ours to overwrite or remove.
func keepForeignFile(path string) error {
	text, _, err := readKeyFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		if _, malformed := parseKey(text, path); malformed == nil || trimKey(text) == "" {
			return nil
		}
		err = errors.New("it holds something else than an API key")
	}
	return fail(codeFileWrite, "will not replace or remove %s: %v", path, err).withHint("move %s away", path)
}

// writeSynced writes text to a new file of mode 0600 and waits until it is on the disk.
func writeSynced(path, text string) error {
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return err
	}
	if err := os.Chmod(path, 0o600); err != nil { // whatever the umask is
		return err
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0) // Windows syncs only what is open for writing
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

// syncDirectory waits until a rename in dir is on the disk, where the system can do that.
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

// sweep removes the temporary files in dir whose time of change is more than age away, and returns how many there were. A
// younger one may belong to a login that runs now; one from the future to a clock that was wrong.
func (a *app) sweep(dir string, age time.Duration) (int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	count := 0
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), temporary) {
			continue
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) || err == nil && a.now().Sub(info.ModTime()).Abs() <= age {
			continue
		}
		if err == nil {
			err = os.Remove(filepath.Join(dir, entry.Name()))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return count, err
		}
		count++
	}
	return count, nil
}

// removeKey removes the stored key at path and every temporary file beside it, and tells whether there was anything.
func (a *app) removeKey(path string) (bool, error) {
	if err := keepForeignFile(path); err != nil {
		return false, err
	}
	err := os.Remove(path)
	count := 0
	if removed := err == nil; removed || errors.Is(err, fs.ErrNotExist) {
		count, err = a.sweep(filepath.Dir(path), -1)
		if removed {
			count++
		}
	}
	if err != nil {
		return false, fail(codeFileWrite, "cannot remove the saved API key in %s: %v", path, withoutPath(err)).
			withHint("remove %s by hand", path)
	}
	return count > 0, nil
}

// mask returns text with the key replaced by its prefix (a stand-in until the key branch is merged).
func (k key) mask(text string) string {
	return strings.ReplaceAll(text, *k.secret, k.String()+"_…")
}

// strayEnd names the key's last character where that is one that separates or quotes, and so may
// have been copied along with the key; else it returns "".
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

// hasSavedKey reports whether login has saved a key that commands would use if no variable supplied
// one.
func (a *app) hasSavedKey() bool {
	path, err := a.credentialsPath(codeAuthMissing)
	if err != nil {
		return false
	}
	text, _, err := readKeyFile(path)
	if err == nil {
		_, err = parseKey(text, path)
	}
	return err == nil
}
