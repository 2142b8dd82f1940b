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
	regular := writeFile(t, filepath.Join(dir, "regular"), testKey)
	fifo := filepath.Join(dir, "fifo")
	if err := errors.Join(syscall.Mkfifo(fifo, 0o600), os.Link(regular, path)); err != nil {
		t.Fatal(err)
	}
	done, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			for _, file := range []string{fifo, regular} {
				if err := errors.Join(os.Link(file, next), os.Rename(next, path)); err != nil {
					ended <- err
					return
				}
			}
			select {
			case <-done:
				ended <- nil
				return
			default:
			}
		}
	}()
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
	close(done)
	if err := <-ended; err != nil {
		t.Fatal(err)
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

// TestEachHintGetsAnOrdinaryUserOut makes what stands in the way of one who is not root, checks
// what each command advises, and, where the user can do it alone, that this helps.
func TestEachHintGetsAnOrdinaryUserOut(t *testing.T) {
	t.Parallel()
	home, user := ordinaryUser(t)
	s := shellIn(t, home)
	path, dir := s.credentials(), filepath.Dir(s.credentials())
	owner, group := os.Getuid(), os.Getgid()
	if user.attributes.Credential != nil {
		owner, group = int(user.attributes.Credential.Uid), int(user.attributes.Credential.Gid)
	}
	const chown = "run 'sudo chown -R $(id -u) ~/.microtica': it belongs to another user"
	const chmodDir, fixDir = "run 'chmod 700 ~/.microtica'", "chmod 700 $HOME/.microtica"
	const chmodFile = "run 'chmod 600 ~/.microtica/credentials'"
	const fixFile = "chmod 600 $HOME/.microtica/credentials"
	chmod := func(path string, mode os.FileMode) func() error {
		return func() error { return os.Chmod(path, mode) }
	}
	chownTo := func(path string, mode os.FileMode) func() error {
		return func() error { return errors.Join(os.Chown(path, 0, 0), os.Chmod(path, mode)) }
	}
	for _, test := range []struct {
		name    string
		prepare func() error
		reads   bool // whoami can read the key
		hint    string
		fix     string // "" where it takes root
	}{
		// A login that is killed under umask 777 leaves this.
		{"a directory of mode 000", chmod(dir, 0), false, chmodDir, fixDir},
		{"a directory of mode 500", chmod(dir, 0o500), true, chmodDir, fixDir},
		{"a key of mode 000", chmod(path, 0), false, chmodFile, fixFile},
		// A login by way of sudo leaves these.
		{"root's directory", chownTo(dir, 0o700), false, chown, ""},
		{"root's directory of mode 755", chownTo(dir, 0o755), true, chown, ""},
		{"root's key", chownTo(path, 0o600), false, chown, ""},
	} {
		if os.Geteuid() != 0 && test.fix == "" {
			t.Logf("SKIPPED: %s takes root to make", test.name)
			continue
		}
		s.save(otherKey + "\n")
		err := errors.Join(os.Chown(dir, owner, group), os.Chown(path, owner, group))
		if err = errors.Join(err, test.prepare()); err != nil {
			t.Fatal(err)
		}
		env := []string{"HOME=" + home, "MICROTICA_API_URL=http://127.0.0.1:1"}
		run := func(args string) result {
			user.env, user.stdin = env, testKey
			return user.run(t, strings.Fields(args)...)
		}
		check := func(args, code, message string) {
			t.Helper()
			want := wrong{code, message + ": permission denied", test.hint, 0}.fails("", false)
			if got := run(args); got != want {
				t.Errorf("%s: %s\n got %s\nwant %s", test.name, args, got, want)
			}
		}
		if !test.reads {
			check("whoami", "file.read", "cannot read the saved API key in "+path)
		} else if got := run("whoami"); got.code != 5 {
			t.Errorf("%s: whoami: %s", test.name, got)
		}
		check("login --no-verify", "file.write", "cannot save the API key in "+path)
		if got := run("logout"); got.code != 1 || got.stdout != "" ||
			!strings.HasPrefix(got.stderr, "error: cannot remove "+path+": permission denied") ||
			!strings.HasSuffix(got.stderr, "\nhint: "+test.hint+"\n") {
			t.Errorf("%s: logout: %s", test.name, got)
		}
		if test.fix != "" {
			env := append(env, "PATH="+os.Getenv("PATH"))
			shell := program{env: env, path: "/bin/sh", attributes: user.attributes, dir: "/"}
			got := shell.run(t, "-c", test.fix)
			if got.code != 0 {
				t.Fatalf("%s: %s", test.fix, got)
			}
			saved := result{"Saved API key mic_d60bea1d to " + path + "\n", "", 0}
			if got := run("login --no-verify"); got != saved {
				t.Errorf("%s: login after %s: %s", test.name, test.fix, got)
			}
		}
		if err := errors.Join(os.Chmod(dir, 0o700), os.RemoveAll(dir)); err != nil {
			t.Fatal(err)
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
