package main

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// This file says where the API key comes from, and keeps it. No other file reads or writes files.

// keyFromEnvironment returns the name of the variable that supplies a key, "" if none does.
func (a *app) keyFromEnvironment() string {
	for _, name := range []string{"MICROTICA_TOKEN", "MICROTICA_TOKEN_FILE"} {
		if a.getenv(name) != "" {
			return name
		}
	}
	return ""
}

// findKey returns the key that this command uses, which becomes a.key, and its source: a variable's
// name or the path of the stored key. A source that is set but bad is an error; the next one is not
// tried.
func (a *app) findKey() (k key, source string, err error) {
	switch source = a.keyFromEnvironment(); source {
	case "MICROTICA_TOKEN":
		k, err = parseKey(a.getenv(source), source)
	case "MICROTICA_TOKEN_FILE":
		path := a.getenv(source)
		file := source + " (" + path + ")"
		text, _, readErr := readKeyFile(path)
		if readErr != nil {
			return key{}, source, fail(codeFileRead, "cannot read the API key from %s: %v", file,
				readErr).withHint("set %s to the full path of a file that holds the key", source)
		}
		k, err = parseKey(text, file)
	default:
		k, source, err = a.storedKey()
	}
	a.key = k
	return k, source, err
}

// storedKey returns the key that login stored, and its path. It warns about modes that let others
// read or replace the key.
func (a *app) storedKey() (k key, path string, err error) {
	state := map[bool]string{false: " is not set, ", true: " is empty, "}
	_, token := a.lookenv("MICROTICA_TOKEN")
	_, file := a.lookenv("MICROTICA_TOKEN_FILE")
	none := "no API key: MICROTICA_TOKEN" + state[token] + "MICROTICA_TOKEN_FILE" + state[file]
	if path, err = a.credentialsPath(codeAuthMissing); err != nil {
		f := asFailure(err)
		f.message = none + "and " + f.message
		return key{}, "", f
	}
	text, info, err := readKeyFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		hint := "run 'microtica login', or set MICROTICA_TOKEN"
		if token {
			hint = "give MICROTICA_TOKEN a value: in CI, jobs from forks get no secrets"
		}
		return k, path, fail(codeAuthMissing, "%sand none is saved in %s", none, path).
			withHint("%s", hint)
	case err != nil:
		return k, path, fail(codeFileRead, "cannot read the saved API key in %s: %v", path, err).
			withHint("set MICROTICA_TOKEN instead")
	}
	const warning = "%s can be %s by others (mode %04o): run 'chmod %o %[1]s'"
	if othersMay(info, 0o066) {
		a.tell("warning", "file.mode", warning, path, "read or written", info.Mode().Perm(), 0o600)
	}
	dir := filepath.Dir(path)
	if info, err := os.Stat(dir); err == nil && othersMay(info, 0o022) {
		a.tell("warning", "file.mode", warning, dir, "written", info.Mode().Perm(), 0o700)
	}
	if k, err = parseKey(text, path); err != nil {
		asFailure(err).withHint("move %s away, then run 'microtica login'", path)
	}
	return k, path, err
}

// credentialsPath returns the path of the stored key. Without a home directory it fails with code
// c.
func (a *app) credentialsPath(c *code) (string, error) {
	home := a.getenv(homeVariable)
	if !filepath.IsAbs(home) {
		return "", fail(c, "there is no place for a saved key: %s is not set to an absolute path",
			homeVariable).withHint("set MICROTICA_TOKEN to the key")
	}
	return filepath.Join(home, ".microtica", "credentials"), nil
}

// readKeyFile returns the text of a regular file, following links, and its info. It waits for no
// FIFO and opens no device. The error does not contain the path.
func readKeyFile(path string) (text string, info fs.FileInfo, err error) {
	info, err = os.Stat(path)
	if err == nil && info.Mode().IsRegular() {
		err = patiently(func() error {
			file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
			if err != nil {
				return err
			}
			defer file.Close()
			info, err = file.Stat() // something else may have taken its place
			if err == nil && info.Mode().IsRegular() {
				text, err = readKeyText(file)
			}
			return err
		})
	}
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is not a regular file")
	}
	return text, info, withoutPath(err)
}

// readKeyText returns the text of r. Of a text that is longer than a key and a line end it returns
// the beginning and …, which no key holds, and does not read the rest.
func readKeyText(r io.Reader) (string, error) {
	const most = maxKeyBytes + 2 // CR and LF
	data, err := io.ReadAll(io.LimitReader(r, most+1))
	if len(data) > most {
		data = append(data, "…"...)
	}
	return string(data), err
}

// checkOurs fails if the file at path holds anything but a key or white space: then login must not
// replace it, nor logout remove it.
func checkOurs(path string) error {
	text, _, err := readKeyFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if _, malformed := parseKey(text, path); malformed != nil && trimKey(text) != "" {
		err = errors.New("it holds something other than an API key")
	}
	return err
}

// saveKey stores k at path, whole or not at all: after a crash, the file holds the old key or the
// new one. The error is file.write. The warnings are to be printed after the result.
func saveKey(k key, path string) (warnings []string, err error) {
	dir := filepath.Dir(path)
	failed := func(err error, hint string) ([]string, error) {
		f := fail(codeFileWrite, "cannot save the API key in %s: %v", path, withoutPath(err))
		return nil, f.withHint("%s", hint)
	}
	sync := func(dir string) {
		if err := syncDirectory(dir); err != nil {
			warnings = append(warnings, fmt.Sprintf("the key is saved, but a power failure may "+
				"undo that: cannot sync %s: %v", dir, withoutPath(err)))
		}
	}
	err = os.Mkdir(dir, 0o700)
	if err == nil {
		err = os.Chmod(dir, 0o700) // whatever the umask is
		sync(filepath.Dir(dir))
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return failed(err, "set "+homeVariable+" to a directory that you can write to")
	}
	if hint, err := checkDirectory(dir); err != nil {
		return failed(err, hint)
	}
	if err := checkOurs(path); err != nil {
		return failed(err, "move "+path+" away")
	}
	for range 3 { // a logout at the same time may sweep the temporary file
		err = patiently(func() error { return replaceFile(path, k.raw()+"\n") })
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return failed(err, "run 'microtica login' again once no logout is running")
	} else if err != nil {
		return failed(err, "set MICROTICA_TOKEN instead")
	}
	sync(dir)
	if _, err := sweep(dir, time.Minute); err != nil {
		warnings = append(warnings, err.Error())
	}
	return warnings, nil
}

// checkDirectory returns what is wrong with the directory of the stored key, and a hint. Only where
// nobody else can write are the names of temporary files safe.
func checkDirectory(dir string) (hint string, wrong error) {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = errors.New("its directory is a file")
	}
	notOwner := errors.New("its directory belongs to another user")
	switch user := os.Geteuid(); {
	case err != nil: // a link may lead nowhere
		return "move " + dir + " away", err
	case owner(info) != user && user == 0:
		return "run 'microtica login' as that user", notOwner
	case owner(info) != user:
		return "move " + dir + " away", notOwner
	case othersMay(info, 0o022):
		return "run 'chmod 700 " + dir + "'", errors.New("others may write to its directory")
	}
	return "", nil
}

// temporaryName matches the name of a temporary file, which ends with 26 characters of rand.Text.
var temporaryName = ".credentials-" + strings.Repeat("[A-Z2-7]", 26)

// replaceFile makes a temporary file, writes text to it once others cannot read it, waits until
// that is on the disk, and renames the file to path.
func replaceFile(path, text string) error {
	temp := filepath.Join(filepath.Dir(path), ".credentials-"+rand.Text()[:26])
	defer os.Remove(temp) // if it is still there; if this fails too, a later login removes it
	if err := os.WriteFile(temp, nil, 0o600); err != nil {
		return err
	}
	if err := os.Chmod(temp, 0o600); err != nil { // whatever the umask is
		return err
	}
	info, err := os.Stat(temp)
	if err == nil && othersMay(info, 0o077) {
		err = errors.New("others could read it: its file system has no permissions")
	}
	if err == nil {
		err = os.WriteFile(temp, []byte(text), 0o600)
	}
	if err != nil {
		return err
	}
	file, err := os.OpenFile(temp, os.O_RDWR, 0) // Windows syncs only what is open for writing
	if err != nil {
		return err
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(temp, path)
}

// removeKey removes the stored key at path, or the link in its place, and all temporary files, as
// many as it can. It reports whether there were any. The error (file.write) is about the first that
// it could not remove; warnings may accompany it.
func removeKey(path string) (removed bool, warnings []string, err error) {
	target, notLink := os.Readlink(path)
	if notLink != nil { // a link can go whatever it leads to
		err = checkOurs(path)
	}
	if err == nil {
		err = patiently(func() error { return os.Remove(path) })
		removed = err == nil
	}
	if removed && notLink == nil {
		warnings = append(warnings, "only a link was removed, not what it pointed to: "+target)
	}
	count, sweepErr := sweep(filepath.Dir(path), 0)
	return removed || count > 0, warnings, cmp.Or(notRemoved(path, err), sweepErr)
}

// sweep removes the temporary files in dir that are older than age, all of them if that is 0, and
// counts them. A young one may belong to a login that is still running. The error (file.write) is
// about the first that it could not remove.
func sweep(dir string, age time.Duration) (count int, first error) {
	entries, err := os.ReadDir(dir)
	first = notRemoved("the temporary files in "+dir, err)
	for _, entry := range entries {
		isTemporary, _ := filepath.Match(temporaryName, entry.Name())
		info, err := entry.Info()
		if !isTemporary || err != nil || !info.Mode().IsRegular() ||
			age > 0 && time.Since(info.ModTime()) <= age {
			continue
		}
		path := filepath.Join(dir, entry.Name())
		if err = patiently(func() error { return os.Remove(path) }); err == nil {
			count++
		}
		if first == nil {
			first = notRemoved(path, err)
		}
	}
	return count, first
}

// notRemoved returns the failure to remove what, because of err; nil if that is nil, or if there is
// nothing to remove.
func notRemoved(what string, err error) error {
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return fail(codeFileWrite, "cannot remove %s: %v", what, withoutPath(err)).
		withHint("remove it by hand")
}
