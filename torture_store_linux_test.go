package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// heldLogin is a login that has begun to read its key, and waits for the rest of it.
type heldLogin struct {
	cmd    *exec.Cmd
	rest   *os.File
	stdout bytes.Buffer
}

// holdLogin starts a login, so that what comes after the start of a process can be timed.
func holdLogin(t *testing.T, home string) *heldLogin {
	t.Helper()
	from, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	l := &heldLogin{cmd: exec.Command(builtBinary(t), "login", "--no-verify"), rest: to}
	l.cmd.Env, l.cmd.Stdin, l.cmd.Stdout = []string{"HOME=" + home}, from, &l.stdout
	if err := l.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	io.WriteString(to, testKey[:5])
	for range 20000 {
		var unread int32
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, from.Fd(), syscall.TIOCINQ, uintptr(unsafe.Pointer(&unread))); errno != 0 || unread == 0 {
			break
		}
		time.Sleep(100 * time.Microsecond)
	}
	return l
}

// goOn gives the rest of the key.
func (l *heldLogin) goOn() {
	io.WriteString(l.rest, testKey[5:]+"\n")
	l.rest.Close()
}

// TestTortureKilledAtRandom kills login at random moments after it has got the key. Where these fall is learned from the runs: a
// kill that came too early makes the next one later, one that came too late earlier.
func TestTortureKilledAtRandom(t *testing.T) {
	dir := t.TempDir()
	newHome := func() string {
		home, err := os.MkdirTemp(dir, "")
		if err != nil {
			t.Fatal(err)
		}
		shellIn(t, home).save(otherKey + "\n")
		return home
	}
	var runs []time.Duration
	for range 5 {
		l := holdLogin(t, newHome())
		start := time.Now()
		l.goOn()
		if err := l.cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		runs = append(runs, time.Since(start))
	}
	slices.Sort(runs)
	length := runs[len(runs)/2]

	kills, early, late, before, after := times(40, 3000), 0, 0, 0, 0
	center := length / 2
	for i := range kills {
		home := newHome()
		l := holdLogin(t, home)
		moment := center + time.Duration((rand.Float64()-0.5)*0.6*float64(length))
		start := time.Now()
		l.goOn()
		for time.Since(start) < moment { // sleeping is not exact enough
		}
		l.cmd.Process.Kill()
		l.cmd.Wait()
		temporaries, _ := filepath.Glob(filepath.Join(home, ".microtica", temporary+"*"))
		stored := checkStore(t, fmt.Sprintf("kill %d after %v", i, moment), home, otherKey+"\n", testKey+"\n")
		switch {
		case l.cmd.ProcessState.Exited():
			late++
			center -= length / 30
			if l.cmd.ProcessState.ExitCode() != 0 || stored != testKey+"\n" {
				t.Errorf("login ends with %v and %q is stored", l.cmd.ProcessState, stored)
			}
		case len(temporaries) > 0:
			before++
		case stored == testKey+"\n":
			after++
			center -= length / 100
		default:
			early++
			center += length / 30
		}
		center = max(center, 0)
		os.RemoveAll(home)
	}
	if hits := before + after; torture && hits < kills/50 {
		t.Errorf("only %d of %d kills fell into the save", hits, kills)
	}
	counted(t, "%d kills at random in a save of %.1f ms: %d before it, %d with the temporary file there, %d behind the rename, %d too late; 0 keys lost",
		kills, float64(length.Microseconds())/1000, early, before, after, late)
}

// TestTortureParallelLogins saves many keys at once.
func TestTortureParallelLogins(t *testing.T) {
	program, s := builtBinary(t), newShell(t, nil).save(otherKey+"\n")
	logins := times(60, 2000)
	numbers := make(chan int)
	go func() {
		defer close(numbers)
		for i := range logins {
			numbers <- i
		}
	}()
	name := func(i int) string { return fmt.Sprintf("mic_p%d_%s", i, strings.Repeat("k", 20+i)) }
	var all sync.WaitGroup
	for range 40 {
		all.Add(1)
		go func() {
			defer all.Done()
			for i := range numbers {
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				cmd := exec.CommandContext(ctx, program, "login", "--no-verify")
				cmd.Env, cmd.Stdin = []string{"HOME=" + s.home, "GOMAXPROCS=1"}, strings.NewReader(name(i))
				out, err := cmd.CombinedOutput()
				cancel()
				if want := fmt.Sprintf("Saved API key mic_p%d to %s\n", i, s.credentials()); err != nil || string(out) != want {
					t.Errorf("login %d: %v, %q", i, err, out)
				}
			}
		}()
	}
	all.Wait()
	var last int
	data, err := os.ReadFile(s.credentials())
	if _, scanned := fmt.Sscanf(string(data), "mic_p%d_", &last); err != nil || scanned != nil || string(data) != name(last)+"\n" {
		t.Errorf("KEY LOST: %q is stored, %v", data, err)
	}
	checkStore(t, "after parallel logins", s.home, string(data), string(data))
	counted(t, "%d parallel logins, 0 failed, 0 keys lost", logins)
}

// asOrdinaryUser returns a home directory that belongs to an ordinary user, the program in a place where that user can run
// it, and how to run a command as that user: one without a name if the tests run as root.
func asOrdinaryUser(t *testing.T) (home, program string, attributes *syscall.SysProcAttr) {
	t.Helper()
	dir, err := os.MkdirTemp("", "mt")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	data, err := os.ReadFile(builtBinary(t))
	home, program = filepath.Join(dir, "home"), filepath.Join(dir, "microtica")
	err = errors.Join(err, os.Chmod(dir, 0o755), os.Mkdir(home, 0o755), os.WriteFile(program, data, 0o755), os.Chmod(program, 0o755))
	attributes = &syscall.SysProcAttr{}
	if os.Geteuid() == 0 {
		err = errors.Join(err, os.Chown(home, 65532, 65532))
		attributes.Credential = &syscall.Credential{Uid: 65532, Gid: 65532}
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "version")
	cmd.SysProcAttr = attributes
	if err := cmd.Run(); err != nil {
		t.Skipf("no program can be run as an ordinary user here: %v", err)
	}
	return home, program, attributes
}

// runAs runs a command as the user that attributes name.
func runAs(t *testing.T, attributes *syscall.SysProcAttr, env []string, stdin, program string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr, cmd.Dir = env, strings.NewReader(stdin), &stdout, &stderr, attributes, "/"
	err := cmd.Run()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// TestTortureUmasks logs in under umasks that take away too little and too much, for the first time and again.
func TestTortureUmasks(t *testing.T) {
	home, program, user := asOrdinaryUser(t)
	path := filepath.Join(home, ".microtica", "credentials")
	count := 0
	for _, umask := range []string{"000", "022", "077", "277", "777"} {
		for _, k := range []string{otherKey, testKey} {
			got := runAs(t, user, []string{"HOME=" + home}, k, "/bin/sh", "-c", "umask "+umask+"; exec '"+program+"' login --no-verify --quiet")
			if got != (result{}) {
				t.Errorf("umask %s: %s", umask, got)
			}
			data, err := os.ReadFile(path)
			info, err2 := os.Lstat(path)
			dir, err3 := os.Lstat(filepath.Dir(path))
			if err := errors.Join(err, err2, err3); err != nil {
				t.Errorf("umask %s: KEY LOST: %v", umask, err)
			} else if string(data) != k+"\n" || info.Mode() != 0o600 || dir.Mode() != 0o700|os.ModeDir {
				t.Errorf("umask %s: %q is stored, LOOSE MODE %v in %v", umask, data, info.Mode(), dir.Mode())
			}
			count++
		}
		if err := os.RemoveAll(filepath.Dir(path)); err != nil {
			t.Fatal(err)
		}
	}
	counted(t, "%d saves under five umasks, 0 loose modes", count)
}

// TestTortureALimitAndAFullDisk saves where the system lets no file grow, and where the disk is full or read-only.
func TestTortureALimitAndAFullDisk(t *testing.T) {
	s := newShell(t, nil).save(otherKey + "\n")
	got := runAs(t, nil, []string{"HOME=" + s.home, "PROGRAM=" + builtBinary(t)}, testKey, "/bin/sh", "-c", `ulimit -f 0; "$PROGRAM" login --no-verify 2>&1 | cat; exit 7`)
	if want := "error: cannot save the API key in " + s.credentials() + ": file too large\nhint: set MICROTICA_TOKEN where nothing can be saved\n"; got.stdout != want || got.code != 7 {
		t.Errorf("login where no file may grow: %s", got)
	}
	s.wantStored(otherKey + "\n")
	faults := 1
	defer func() { counted(t, "%d disks that take nothing, 0 keys lost", faults) }()

	disk := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, options, prepare, says string }{
		{"full", "size=16k", `dd if=/dev/zero of=fill bs=4k 2>/dev/null || true`, "no space left on device"},
		{"without inodes", "size=1m,nr_inodes=4", `touch fill 2>/dev/null || true`, "no space left on device"},
		{"read-only", "size=1m", `mount -o remount,ro "$HOME" 2>/dev/null || mount -o remount,bind,ro "$HOME"`, "read-only file system"},
	} {
		script := `set -e; mount -t tmpfs -o ` + test.options + `,mode=700 none "$HOME"; cd "$HOME"; mkdir -m 700 .microtica
			umask 077; printf '%s\n' "$OLD" >.microtica/credentials
			` + test.prepare + `
			echo mounted; set +e; "$PROGRAM" login --no-verify; echo "code $?"; cat .microtica/credentials; ls -A .microtica; stat -c %a .microtica/credentials`
		env := []string{"HOME=" + disk, "PROGRAM=" + builtBinary(t), "OLD=" + otherKey, "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
		got := runAs(t, nil, env, testKey, "/bin/sh", "-c", `exec unshare -rm /bin/sh -c "$0"`, script)
		if !strings.HasPrefix(got.stdout, "mounted\n") {
			t.Logf("SKIPPED: a disk that is %s: nothing can be mounted here: %.200q", test.name, got.stderr)
			continue
		}
		faults++
		if got.stdout != "mounted\ncode 1\n"+otherKey+"\ncredentials\n600\n" || !strings.Contains(got.stderr, "error: cannot save the API key in "+disk) || !strings.Contains(got.stderr, test.says) {
			t.Errorf("a disk that is %s: %s", test.name, got)
		}
	}
}

// TestTortureForeignFiles puts other things where the stored key should be. No command waits for one, changes it, or writes
// through a link.
func TestTortureForeignFiles(t *testing.T) {
	elsewhere, err := os.MkdirTemp("", "mt") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(elsewhere)
	target := filepath.Join(elsewhere, "target")
	const foreign = "<html>not a key</html>"
	link := func(to string) func(string) error { return func(path string) error { return os.Symlink(to, path) } }
	write := func(text string) func(string) error {
		return func(path string) error { return os.WriteFile(path, []byte(text), 0o600) }
	}
	count := 0
	for _, test := range []struct {
		name                  string
		make                  func(path string) error
		login, whoami, logout int
	}{
		{"a FIFO", func(path string) error { return syscall.Mkfifo(path, 0o600) }, 1, 1, 1},
		{"a directory", func(path string) error { return os.Mkdir(path, 0o700) }, 1, 1, 1},
		{"a socket", func(path string) error {
			l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(elsewhere, "s")})
			if err != nil {
				return err
			}
			l.SetUnlinkOnClose(false)
			return errors.Join(l.Close(), os.Rename(filepath.Join(elsewhere, "s"), path))
		}, 1, 1, 1},
		{"a device", func(path string) error { return syscall.Mknod(path, syscall.S_IFCHR|0o600, 1<<8|5) }, 1, 1, 1},
		{"a link to a device", link("/dev/zero"), 1, 1, 1},
		{"a link to a terminal", link("/dev/tty"), 1, 1, 1},
		{"a link to a FIFO", link("fifo"), 1, 1, 1},
		{"a link to itself", link("credentials"), 1, 1, 1},
		{"a link to a directory", link("/"), 1, 1, 1},
		{"a link to another file", link(target), 1, 3, 1},
		{"a link to nothing", link(filepath.Join(elsewhere, "nothing")), 0, 3, 0},
		{"an endless file", link("/proc/self/mem"), 1, 1, 1},
		{"10 MB", write(strings.Repeat("x", 10<<20)), 1, 1, 1},
		{"HTML", write(foreign), 1, 3, 1},
		{"two keys", write(testKey + "\n" + testKey + "\n"), 1, 3, 1},
		{"an empty file", write(""), 0, 3, 0},
		{"white space", write(" \r\n\n"), 0, 3, 0},
	} {
		for _, command := range []struct {
			line string
			code int
		}{{"whoami", test.whoami}, {"login --no-verify", test.login}, {"logout", test.logout}} {
			s := newShell(t, nil)
			path := s.credentials()
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(write(foreign)(target), syscall.Mkfifo(filepath.Join(filepath.Dir(path), "fifo"), 0o600), test.make(path)); err != nil {
				t.Logf("SKIPPED: %s cannot be made here: %v", test.name, err)
				break
			}
			before, _ := os.Lstat(path)
			start := time.Now()
			got := process(t, []string{"HOME=" + s.home, "MICROTICA_API_URL=http://127.0.0.1:1"}, testKey, strings.Fields(command.line)...)
			count++
			if got.code != command.code || got.code != 0 && got.stdout != "" || time.Since(start) > 20*time.Second {
				t.Errorf("%s, %s: %s after %v", test.name, command.line, got, time.Since(start))
			}
			after, err := os.Lstat(path)
			if command.code != 0 && (err != nil || !os.SameFile(before, after) || before.ModTime() != after.ModTime()) {
				t.Errorf("%s, %s: what was there is changed: %v", test.name, command.line, err)
			}
			if data, _ := os.ReadFile(target); string(data) != foreign {
				t.Errorf("%s, %s: wrote through the link: %q", test.name, command.line, data)
			}
			if _, err := os.Lstat(filepath.Join(elsewhere, "nothing")); err == nil {
				t.Errorf("%s, %s: made what the link points at", test.name, command.line)
			}
			if command.code == 0 && strings.HasPrefix(command.line, "login") {
				os.Remove(filepath.Join(filepath.Dir(path), "fifo"))
				checkStore(t, test.name, s.home, testKey+"\n", testKey+"\n")
			}
		}
	}
	counted(t, "%d commands with something else in the stored key's place, 0 changed it", count)
}

// TestTorturePlantedLinks plants links under the names of temporary files and of the directory: nothing behind one is touched
// but a directory that the user has put elsewhere.
func TestTorturePlantedLinks(t *testing.T) {
	s := newShell(t, nil).save(otherKey + "\n")
	outside := t.TempDir()
	victim := filepath.Join(outside, "victim")
	if err := os.WriteFile(victim, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	planted := filepath.Join(filepath.Dir(s.credentials()), temporary+"planted")
	if err := os.Symlink(victim, planted); err != nil {
		t.Fatal(err)
	}
	s.now = time.Now().Add(time.Hour) // the link is old then
	s.want(result{"Saved API key mic_d60bea1d to " + s.credentials() + "\n", "", 0}, "login", "--no-verify", "--token", testKey)
	s.wantStored(testKey + "\n")
	if data, err := os.ReadFile(victim); string(data) != "precious" || err != nil {
		t.Errorf("the file behind a planted link holds %q, %v", data, err)
	}

	moved := newShell(t, nil) // .microtica on another disk, say
	if err := os.Symlink(outside, filepath.Dir(moved.credentials())); err != nil {
		t.Fatal(err)
	}
	moved.want(result{"Saved API key mic_d60bea1d to " + moved.credentials() + "\n", "", 0}, "login", "--no-verify", "--token", testKey)
	if info, err := os.Lstat(filepath.Join(outside, "credentials")); err != nil || info.Mode() != 0o600 {
		t.Errorf("the key behind a linked directory: %v, %v", info, err)
	}
}

// TestTortureMountedSecrets reads a key through the links that mounted secrets are, while they change.
func TestTortureMountedSecrets(t *testing.T) {
	dir := t.TempDir()
	names := map[string]string{"..v1": "mic_aaaa_first0key", "..v2": "mic_bbbb_another0key0that0is0longer"}
	for name, text := range names {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name, "token"), []byte(text), 0o444); err != nil {
			t.Fatal(err)
		}
	}
	point := func(to string) error {
		return errors.Join(os.Symlink(to, filepath.Join(dir, "..tmp")), os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data")))
	}
	if err := errors.Join(point("..v1"), os.Symlink("..data/token", filepath.Join(dir, "token"))); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var swapper sync.WaitGroup
	swapper.Add(1)
	go func() {
		defer swapper.Done()
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
			}
			if err := point([]string{"..v2", "..v1"}[i%2]); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	s := newShell(t, nil).with("MICROTICA_TOKEN_FILE", filepath.Join(dir, "token"))
	reads := times(2000, 50000)
	for range reads {
		a := &app{lookenv: lookup(s.env), stderr: io.Discard, now: time.Now}
		k, source, err := a.findKey()
		if err != nil || source != "MICROTICA_TOKEN_FILE" || k.raw() != names["..v1"] && k.raw() != names["..v2"] {
			t.Errorf("KEY LOST: a mounted secret is read as %v from %s, %v", k, source, err)
			break
		}
	}
	close(done)
	swapper.Wait()
	counted(t, "%d reads of a mounted secret while it is swapped, 0 keys lost", reads)
}

// TestTortureAUserWithoutAName runs the program as a container does: a uid that no file names, no home directory, one that cannot
// be written, or one that is not there.
func TestTortureAUserWithoutAName(t *testing.T) {
	api := newFakeAPI(t)
	home, program, user := asOrdinaryUser(t)
	token := []string{"MICROTICA_TOKEN=" + testKey, "MICROTICA_API_URL=" + api.base()}
	readOnly := filepath.Join(filepath.Dir(home), "readonly")
	if err := os.Mkdir(readOnly, 0o555); err != nil {
		t.Fatal(err)
	}
	for _, homeDir := range []string{"", "HOME=", "HOME=/nowhere", "HOME=/", "HOME=" + readOnly, "HOME=" + home} {
		env := append([]string{homeDir}, token...)
		if got, want := runAs(t, user, env, "", program, "whoami"), (result{"via:                apikey\napi key prefix:     mic_d60bea1d\napi reachable:      true\nprojects visible:   2\n", "", 0}); got != want {
			t.Errorf("%q: whoami says %s", homeDir, got)
		}
		if os.Geteuid() != 0 && homeDir == "HOME=/" {
			continue // it may be this user's
		}
		got := runAs(t, user, env[:1], testKey, program, "login", "--no-verify")
		if works := homeDir == "HOME="+home; works != (got.code == 0) || !works && (got.code != 1 || got.stdout != "" || !strings.HasPrefix(got.stderr, "error: ")) {
			t.Errorf("%q: login says %s", homeDir, got)
		}
	}
	// The stored key of another user, in a directory that is closed.
	if os.Geteuid() == 0 {
		s := shellIn(t, readOnly).save(otherKey + "\n")
		for _, line := range []string{"login --no-verify", "logout", "whoami"} {
			if got := runAs(t, user, []string{"HOME=" + readOnly}, testKey, program, strings.Fields(line)...); got.code != 1 || got.stdout != "" || !strings.Contains(got.stderr, "permission denied") {
				t.Errorf("%s with another user's key: %s", line, got)
			}
		}
		s.wantStored(otherKey + "\n")
	} else {
		t.Log("SKIPPED: the stored key of another user, which takes root to make")
	}
}
