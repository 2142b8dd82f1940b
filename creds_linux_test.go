package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestAPipeIsNotAKeyFile covers a FIFO, and what a shell makes of <(…). Nothing waits for a writer.
func TestAPipeIsNotAKeyFile(t *testing.T) {
	t.Parallel()
	fifo := filepath.Join(t.TempDir(), "fifo")
	r, w, err := os.Pipe()
	if err = errors.Join(err, syscall.Mkfifo(fifo, 0o600)); err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	s := newShell(t, newFakeAPI(t))
	for _, path := range []string{fifo, fmt.Sprintf("/dev/fd/%d", r.Fd())} {
		s.with("MICROTICA_TOKEN_FILE", path).wantError(wrong{"file.read",
			"cannot read the API key from MICROTICA_TOKEN_FILE (" + path +
				"): a pipe cannot be used here",
			`set MICROTICA_TOKEN="$(COMMAND)" instead, with the command that writes the key`, 0},
			"whoami")
	}
}

// TestAFileThatIsSwappedForAPipeIsNotRead swaps a key file for a FIFO and back as fast as it can. A
// read that finds the one and opens the other must not take it for an empty file.
func TestAFileThatIsSwappedForAPipeIsNotRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, next := filepath.Join(dir, "key"), filepath.Join(dir, "next")
	key := writeFile(t, filepath.Join(dir, "regular"), testKey)
	fifo := filepath.Join(dir, "fifo")
	if err := errors.Join(syscall.Mkfifo(fifo, 0o600), os.Link(key, path)); err != nil {
		t.Fatal(err)
	}
	stop := background(func() bool {
		for _, file := range []string{fifo, key} {
			if err := errors.Join(os.Link(file, next), os.Rename(next, path)); err != nil {
				t.Error(err)
				return false
			}
		}
		return true
	})
	defer stop()
	reads := map[string]int{}
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		text, _, err := readKeyFile(path)
		switch {
		case err == nil && text == testKey:
			reads["the key"]++
		case err == errPipe:
			reads["a pipe"]++
		default:
			t.Fatalf("read %q, %v", text, err)
		}
	}
	t.Log(reads)
}

// TestADirectoryThatCannotBeSyncedIsNoTrouble takes one of a file system that has no fsync.
func TestADirectoryThatCannotBeSyncedIsNoTrouble(t *testing.T) {
	t.Parallel()
	dir, err := os.Open("/proc")
	if err != nil {
		t.Skip(err)
	}
	defer dir.Close()
	if err := dir.Sync(); !errors.Is(err, syscall.EINVAL) {
		t.Skip("/proc can be synced here: ", err)
	}
	if err := syncDirectory("/proc"); err != nil {
		t.Error(err)
	}
	if err := syncDirectory("/proc/none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a directory that is not there: %v", err)
	}
}

// obstacles are files and directories, below the home directory, that an ordinary user cannot use,
// and the command that the hint names.
var obstacles = []struct {
	name, path string
	mode       os.FileMode
	root       bool // whether it belongs to root
	reads      bool // whether whoami can read the key all the same
	fix        string
}{
	// A login that is killed under umask 777 leaves this.
	{"a directory of mode 000", ".microtica", 0, false, false, "chmod 700 ~/.microtica"},
	{"a directory of mode 500", ".microtica", 0o500, false, true, "chmod 700 ~/.microtica"},
	{"a key of mode 000", ".microtica/credentials", 0, false, false,
		"chmod 600 ~/.microtica/credentials"},
	// A login by way of sudo leaves these.
	{"root's directory", ".microtica", 0o700, true, false, rootsHint},
	{"root's directory of mode 755", ".microtica", 0o755, true, true, rootsHint},
	{"root's key", ".microtica/credentials", 0o600, true, false, rootsHint},
}

const rootsHint = "sudo chown -R $(id -u) ~/.microtica"

// TestEachHintGetsAnOrdinaryUserOut makes each obstacle, checks what each command advises, and,
// where the user can do it alone, that this helps.
func TestEachHintGetsAnOrdinaryUserOut(t *testing.T) {
	t.Parallel()
	home, user := ordinaryUser(t)
	s := shellIn(t, home)
	path, dir := s.credentials(), filepath.Dir(s.credentials())
	user.stdin = testKey
	user.env = []string{"HOME=" + home, "MICROTICA_API_URL=http://127.0.0.1:1",
		"PATH=/usr/bin:/bin"}
	for _, test := range obstacles {
		if os.Geteuid() != 0 && test.root {
			t.Logf("SKIPPED: %s takes root to make", test.name)
			continue
		}
		s.save(otherKey + "\n")
		var err error
		if c := user.attributes.Credential; c != nil {
			err = errors.Join(os.Chown(dir, int(c.Uid), 0), os.Chown(path, int(c.Uid), 0))
		}
		obstacle := filepath.Join(home, test.path)
		hint := "\nhint: run '" + test.fix + "'\n"
		if test.root {
			err = errors.Join(err, os.Chown(obstacle, 0, 0))
			hint = "\nhint: run '" + test.fix + "': it belongs to another user\n"
		}
		if err = errors.Join(err, os.Chmod(obstacle, test.mode)); err != nil {
			t.Fatal(err)
		}
		tryEachCommand(t, user, test.name, path, hint, test.reads)
		if !test.root {
			sh := user
			sh.path = "/bin/sh"
			if got := sh.run(t, "-c", test.fix); got.code != 0 {
				t.Fatalf("%s: %s", test.name, got)
			}
			if got := user.run(t, "login", "--no-verify"); got != s.saves() {
				t.Errorf("%s: login after %s: %s", test.name, test.fix, got)
			}
		}
		if err := errors.Join(os.Chmod(dir, 0o700), os.RemoveAll(dir)); err != nil {
			t.Fatal(err)
		}
	}
}

// tryEachCommand checks that whoami, unless it can read the key, login and logout are denied that.
func tryEachCommand(t *testing.T, user program, name, path, hint string, reads bool) {
	t.Helper()
	for command, cannot := range map[string]string{
		"whoami":            "read the saved API key in ",
		"login --no-verify": "save the API key in ",
		"logout":            "remove ",
	} {
		got := user.run(t, strings.Fields(command)...)
		if reads && command == "whoami" {
			if got.code != 5 {
				t.Errorf("%s: whoami: %s", name, got)
			}
			continue
		}
		message := "error: cannot " + cannot + path + ": permission denied"
		if got.code != 1 || got.stdout != "" || !strings.HasPrefix(got.stderr, message) ||
			!strings.HasSuffix(got.stderr, hint) {
			t.Errorf("%s: %s: %s", name, command, got)
		}
	}
}

// TestAKeyThatIsMountedOverCannotBeReplaced mounts a file over the stored key, as containers do:
// neither a rename nor a removal works then, and both say so without the paths of the system call.
func TestAKeyThatIsMountedOverCannotBeReplaced(t *testing.T) {
	t.Parallel()
	s := newShell(t, nil).save(otherKey + "\n")
	mounted := writeFile(t, filepath.Join(t.TempDir(), "mounted"), otherKey+"\n")
	for _, test := range []struct {
		args string
		want wrong
	}{
		{"login --no-verify", wrong{"file.write", "cannot save the API key in " + s.credentials() +
			": device or resource busy", "set MICROTICA_TOKEN where nothing can be saved", 0}},
		{"logout", wrong{"file.write", "cannot remove " + s.credentials() +
			": device or resource busy", "remove it by hand", 0}},
	} {
		env := []string{"HOME=" + s.home, "PROGRAM=" + builtBinary(t), "PATH=" + os.Getenv("PATH"),
			"MOUNTED=" + mounted}
		script := `exec unshare -rm /bin/sh -c '
			mount --bind "$MOUNTED" "$HOME/.microtica/credentials" || exit 99
			exec "$PROGRAM" ` + test.args + `'`
		got := program{env: env, stdin: testKey, path: "/bin/sh"}.run(t, "-c", script)
		if got.code == 99 || strings.Contains(got.stderr, "unshare") {
			t.Skipf("nothing can be mounted here: %s", got)
		}
		if want := test.want.fails("", false); got != want {
			t.Errorf("%s\n got %s\nwant %s", test.args, got, want)
		}
		s.wantStored(otherKey + "\n")
	}
}

// TestAClosedStdinIsNoKeyAtAll covers what a shell makes of <&-.
func TestAClosedStdinIsNoKeyAtAll(t *testing.T) {
	t.Parallel()
	env := []string{"HOME=" + t.TempDir(), "PROGRAM=" + builtBinary(t)}
	got := program{env: env, path: "/bin/sh"}.run(t, "-c", `exec "$PROGRAM" login --no-verify <&-`)
	if got.code != 2 || got.stdout != "" ||
		!strings.HasPrefix(got.stderr, "error: no API key: stdin is empty\nhint: is the variable") {
		t.Error(got)
	}
}
