package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestAPipeIsNotAKeyFile covers a FIFO, which is also what a shell makes of <(…). Nothing waits for
// a writer.
func TestAPipeIsNotAKeyFile(t *testing.T) {
	t.Parallel()
	fifo := filepath.Join(t.TempDir(), "fifo")
	must(t, syscall.Mkfifo(fifo, 0o600))
	s := newShell(t, nil).with("MICROTICA_TOKEN_FILE", fifo)
	s.wantError(wrong{"file.read",
		"cannot read the API key from MICROTICA_TOKEN_FILE (" + fifo + "): " + aPipe,
		`set MICROTICA_TOKEN="$(COMMAND)" instead, with the command that writes the key`, 0},
		"whoami")
}

const aPipe = "a pipe cannot be used here"

// swapLinks makes the link at path lead to each target in turn, again and again, until the returned
// function is called.
func swapLinks(t *testing.T, path string, targets ...string) (stop func()) {
	next, swaps := path+".next", 0
	swap := func() bool {
		target := targets[swaps%len(targets)]
		swaps++
		err := errors.Join(os.Symlink(target, next), os.Rename(next, path))
		if err != nil {
			t.Error(err)
		}
		return err == nil
	}
	swap()
	return background(swap)
}

// TestAFileThatIsSwappedForAPipeIsNotRead swaps a key file for a FIFO and back as fast as it can. A
// read that finds the one and opens the other must not take it for an empty file.
func TestAFileThatIsSwappedForAPipeIsNotRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	writeFile(t, filepath.Join(dir, "regular"), testKey)
	must(t, syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	defer swapLinks(t, path, "fifo", "regular")()
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		text, _, err := readKeyFile(path)
		if err != errPipe && (err != nil || text != testKey) {
			t.Fatalf("read %q, %v", text, err)
		}
	}
}

// TestADirectoryThatCannotBeSyncedIsNotAnError uses one on a file system without fsync.
func TestADirectoryThatCannotBeSyncedIsNotAnError(t *testing.T) {
	t.Parallel()
	if err := syncDirectory("/proc"); err != nil {
		t.Error(err)
	}
	if err := syncDirectory("/proc/none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a directory that is not there: %v", err)
	}
}

// TestALinkToItselfIsNamed covers a system error that has no hint of its own.
func TestALinkToItselfIsNamed(t *testing.T) {
	t.Parallel()
	s := newShell(t, nil).save("")
	path := s.credentials()
	must(t, os.Remove(path), os.Symlink("credentials", path))
	const why = "too many levels of symbolic links"
	s.wantError(cannot("whoami", path, why, readElsewhere), "whoami")
	s.wantError(cannot("login", path, why, saveElsewhere), offline...)
}

// ordinaryUser returns a shell whose home directory belongs to an ordinary user (one without a name
// if the tests run as root), and the program as that user runs it.
func ordinaryUser(t *testing.T) (*shell, program) {
	t.Helper()
	dir, err := os.MkdirTemp("", "mt")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := shellIn(t, filepath.Join(dir, "home"))
	p := program{
		path:       filepath.Join(dir, "microtica"),
		dir:        "/",
		env:        s.environ("PATH=/usr/bin:/bin"),
		attributes: &syscall.SysProcAttr{},
	}
	must(t, os.Chmod(dir, 0o755), os.Mkdir(s.home, 0o755),
		os.Link(builtBinary(t), p.path), os.Chmod(p.path, 0o755))
	if os.Geteuid() == 0 {
		must(t, os.Chown(s.home, 65532, 65532))
		p.attributes.Credential = &syscall.Credential{Uid: 65532, Gid: 65532}
	}
	r, err := p.start(t, "version")
	if err != nil {
		t.Skipf("no program can be run as an ordinary user here: %v", err)
	}
	r.wait()
	return s, p
}

// obstacles are files and directories that an ordinary user cannot use, and the command that gets
// the user out.
var obstacles = []struct {
	name, path string // the path below the home directory
	mode       os.FileMode
	root       bool // whether it belongs to root
	fix        string
}{
	// A login that is killed under umask 777 leaves this.
	{"a directory of mode 000", ".microtica", 0, false, "chmod 700 ~/.microtica"},
	{"a key of mode 000", ".microtica/credentials", 0, false,
		"chmod 600 ~/.microtica/credentials"},
	// A login by way of sudo leaves these.
	{"root's directory", ".microtica", 0o700, true, rootsFix},
	{"root's key", ".microtica/credentials", 0o600, true, rootsFix},
}

const rootsFix = "sudo chown -R $(id -u) ~/.microtica"

// TestEachHintGetsAnOrdinaryUserOut makes each obstacle, checks what each command advises, and,
// where the user can do it alone, that this helps.
func TestEachHintGetsAnOrdinaryUserOut(t *testing.T) {
	t.Parallel()
	s, user := ordinaryUser(t)
	user.stdin = testKey
	path, dir := s.credentials(), filepath.Dir(s.credentials())
	for _, test := range obstacles {
		if os.Geteuid() != 0 && test.root {
			t.Logf("SKIPPED: %s takes root to make", test.name)
			continue
		}
		s.save(otherKey + "\n")
		hint := "\nhint: run '" + test.fix + "'"
		obstacle := filepath.Join(s.home, test.path)
		if c := user.attributes.Credential; c != nil {
			must(t, os.Chown(dir, int(c.Uid), 0), os.Chown(path, int(c.Uid), 0))
		}
		if test.root {
			must(t, os.Chown(obstacle, 0, 0))
			hint += ": it belongs to another user"
		}
		must(t, os.Chmod(obstacle, test.mode))
		for _, line := range []string{"whoami", "login --no-verify", "logout"} {
			args := strings.Fields(line)
			got := user.run(t, args...)
			begins := "error: " + cannot(args[0], path, "permission denied", "").message
			if got.code != 1 || got.stdout != "" || !strings.HasPrefix(got.stderr, begins) ||
				!strings.HasSuffix(got.stderr, hint+"\n") {
				t.Errorf("%s: %s: %s", test.name, line, got)
			}
		}
		if !test.root {
			sh := user
			sh.path = "/bin/sh"
			if got := sh.run(t, "-c", test.fix); got != (result{}) {
				t.Fatalf("%s: %s", test.name, got)
			}
			if got := user.run(t, "login", "--no-verify"); got != s.saves() {
				t.Errorf("%s: login after %s: %s", test.name, test.fix, got)
			}
		}
		must(t, os.Chmod(dir, 0o700), os.RemoveAll(dir))
	}
}

// TestAHomeOrALinkThatAnOrdinaryUserCannotUse covers what no command on ~/.microtica fixes.
func TestAHomeOrALinkThatAnOrdinaryUserCannotUse(t *testing.T) {
	t.Parallel()
	s, user := ordinaryUser(t)
	user.stdin = testKey
	path, dir := s.credentials(), filepath.Dir(s.credentials())
	must(t, os.Mkdir(dir, 0o755), os.Symlink("/etc/shadow", path))
	want := cannot("whoami", path, "permission denied",
		"make the file that "+path+" links to readable").fails("", false)
	if got := user.run(t, "whoami"); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	must(t, os.RemoveAll(dir), os.Chmod(s.home, 0o500))
	want = cannot("login", path, "permission denied", saveElsewhere).fails("", false)
	if got := user.run(t, "login", "--no-verify"); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}
