package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
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
	*running
	rest *os.File
}

// holdLogin starts a login, so that what comes after the start of a process can be timed.
func holdLogin(t *testing.T, home string) *heldLogin {
	t.Helper()
	from, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	r, err := program{env: []string{"HOME=" + home}, input: from}.start(t, "login", "--no-verify")
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(to, testKey[:5])
	for range 20000 {
		var unread int32
		_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, from.Fd(), syscall.TIOCINQ,
			uintptr(unsafe.Pointer(&unread)))
		if errno != 0 || unread == 0 {
			break
		}
		time.Sleep(100 * time.Microsecond)
	}
	return &heldLogin{r, to}
}

// release gives the rest of the key.
func (l *heldLogin) release() {
	io.WriteString(l.rest, testKey[5:]+"\n")
	l.rest.Close()
}

// saveLength returns how long a login takes once it has its key.
func saveLength(t *testing.T, newHome func() string) time.Duration {
	var runs []time.Duration
	for range 5 {
		l := holdLogin(t, newHome())
		start := time.Now()
		l.release()
		if got := l.wait(); got.code != 0 {
			t.Fatal(got)
		}
		runs = append(runs, time.Since(start))
	}
	slices.Sort(runs)
	return runs[len(runs)/2]
}

// TestTortureKilledAtRandom kills login at random moments after it has got the key. Where these
// fall is learned from the runs: a kill that came too early makes the next one later, one that came
// too late earlier.
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
	length := saveLength(t, newHome)
	kills, early, late, before, after := times(40, 3000), 0, 0, 0, 0
	center := length / 2
	for i := range kills {
		home := newHome()
		l := holdLogin(t, home)
		moment := center + time.Duration((rand.Float64()-0.5)*0.6*float64(length))
		start := time.Now()
		l.release()
		for time.Since(start) < moment { // sleeping is not exact enough
		}
		l.Process.Kill()
		got := l.wait()
		left, _ := filepath.Glob(filepath.Join(home, ".microtica", temporary+"*"))
		where := fmt.Sprintf("kill %d after %v", i, moment)
		stored := checkStore(t, where, home, otherKey+"\n", testKey+"\n")
		switch {
		case l.ProcessState.Exited():
			late++
			center -= length / 30
			if got.code != 0 || stored != testKey+"\n" {
				t.Errorf("login ends with %s and %q is stored", got, stored)
			}
		case len(left) > 0:
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
	if hits := before + after; large && hits < kills/50 {
		t.Errorf("only %d of %d kills fell into the save", hits, kills)
	}
	counted(t, "%d kills at random in a save of %.1f ms: %d before it, %d with the temporary file "+
		"there, %d after the rename, %d too late; 0 keys lost",
		kills, float64(length.Microseconds())/1000, early, before, after, late)
}

// TestTortureParallelLogins saves many keys at once.
func TestTortureParallelLogins(t *testing.T) {
	s := newShell(t, nil).save(otherKey + "\n")
	builtBinary(t)
	logins := times(60, 2000)
	numbers := make(chan int, logins)
	for i := range logins {
		numbers <- i
	}
	close(numbers)
	name := func(i int) string { return fmt.Sprintf("mic_p%d_%s", i, strings.Repeat("k", 20+i)) }
	var all sync.WaitGroup
	for range 40 {
		all.Add(1)
		go func() {
			defer all.Done()
			for i := range numbers {
				saved := fmt.Sprintf("Saved API key mic_p%d to %s\n", i, s.credentials())
				env := s.environ("GOMAXPROCS=1")
				got := process(t, env, name(i), "login", "--no-verify")
				if got != (result{saved, "", 0}) {
					t.Errorf("login %d: %s", i, got)
				}
			}
		}()
	}
	all.Wait()
	var last int
	data, err := os.ReadFile(s.credentials())
	fmt.Sscanf(string(data), "mic_p%d_", &last)
	if err != nil || string(data) != name(last)+"\n" {
		t.Errorf("KEY LOST: %q is stored, %v", data, err)
	}
	checkStore(t, "after parallel logins", s.home, string(data), string(data))
	counted(t, "%d parallel logins, 0 failed, 0 keys lost", logins)
}

// ordinaryUser returns a home directory that belongs to an ordinary user, one without a name if the
// tests run as root, and the program as that user runs it.
func ordinaryUser(t *testing.T) (home string, p program) {
	t.Helper()
	dir, err := os.MkdirTemp("", "mt")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	data, err := os.ReadFile(builtBinary(t))
	home = filepath.Join(dir, "home")
	p = program{path: filepath.Join(dir, "microtica"), dir: "/", attributes: &syscall.SysProcAttr{}}
	err = errors.Join(err, os.Chmod(dir, 0o755), os.Mkdir(home, 0o755),
		os.WriteFile(p.path, data, 0o755), os.Chmod(p.path, 0o755))
	if os.Geteuid() == 0 {
		err = errors.Join(err, os.Chown(home, 65532, 65532))
		p.attributes.Credential = &syscall.Credential{Uid: 65532, Gid: 65532}
	}
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.start(t, "version")
	if err != nil {
		t.Skipf("no program can be run as an ordinary user here: %v", err)
	}
	r.wait()
	return home, p
}

// TestTortureUmasks logs in under umasks that take away too little and too much, for the first time
// and again.
func TestTortureUmasks(t *testing.T) {
	t.Parallel()
	home, p := ordinaryUser(t)
	path := filepath.Join(home, ".microtica", "credentials")
	p.env = []string{"HOME=" + home, "PROGRAM=" + p.path}
	p.path = "/bin/sh"
	count := 0
	for _, umask := range []string{"000", "022", "077", "277", "777"} {
		for _, key := range []string{otherKey, testKey} {
			p.stdin = key
			script := "umask " + umask + `; exec "$PROGRAM" login --no-verify --quiet`
			if got := p.run(t, "-c", script); got != (result{}) {
				t.Errorf("umask %s: %s", umask, got)
			}
			data, err := os.ReadFile(path)
			info, err2 := os.Lstat(path)
			dir, err3 := os.Lstat(filepath.Dir(path))
			if err := errors.Join(err, err2, err3); err != nil {
				t.Fatalf("umask %s: KEY LOST: %v", umask, err)
			}
			if string(data) != key+"\n" {
				t.Errorf("umask %s: KEY LOST: %q is stored", umask, data)
			}
			if info.Mode() != 0o600 || dir.Mode() != 0o700|os.ModeDir {
				t.Errorf("umask %s: LOOSE MODE %v in %v", umask, info.Mode(), dir.Mode())
			}
			count++
		}
		if err := os.RemoveAll(filepath.Dir(path)); err != nil {
			t.Fatal(err)
		}
	}
	counted(t, "%d saves under five umasks, 0 loose modes", count)
}

// badDisks are file systems on which nothing can be saved, and how to make them.
var badDisks = []struct{ name, options, prepare, says string }{
	{"full", "size=16k", `dd if=/dev/zero of=fill bs=4k 2>/dev/null || true`,
		"no space left on device"},
	{"without inodes", "size=1m,nr_inodes=4", `touch fill 2>/dev/null || true`,
		"no space left on device"},
	{"read-only", "size=1m", `mount -o remount,ro "$HOME" 2>/dev/null || ` +
		`mount -o remount,bind,ro "$HOME"`, "read-only file system"},
}

// TestTortureBadDisks saves on each, and where the system lets no file grow.
func TestTortureBadDisks(t *testing.T) {
	t.Parallel()
	s := newShell(t, nil).save(otherKey + "\n")
	p := program{path: "/bin/sh", stdin: testKey}
	p.env = []string{"HOME=" + s.home, "PROGRAM=" + builtBinary(t)}
	got := p.run(t, "-c", `ulimit -f 0; "$PROGRAM" login --no-verify 2>&1 | cat; exit 7`)
	want := "error: cannot save the API key in " + s.credentials() + ": file too large\n"
	if !strings.HasPrefix(got.stdout, want) || got.code != 7 {
		t.Errorf("login where no file may grow: %s", got)
	}
	s.wantStored(otherKey + "\n")
	faults := 1
	disk := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	p.env = []string{"HOME=" + disk, "PROGRAM=" + builtBinary(t), "OLD=" + otherKey,
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	for _, test := range badDisks {
		script := `set -e; mount -t tmpfs -o ` + test.options + `,mode=700 none "$HOME"
			cd "$HOME"; mkdir -m 700 .microtica
			umask 077; printf '%s\n' "$OLD" >.microtica/credentials
			` + test.prepare + `
			echo mounted; set +e; "$PROGRAM" login --no-verify; echo "code $?"
			cat .microtica/credentials; ls -A .microtica; stat -c %a .microtica/credentials`
		got := p.run(t, "-c", `exec unshare -rm /bin/sh -c "$0"`, script)
		if !strings.HasPrefix(got.stdout, "mounted\n") {
			t.Logf("SKIPPED: a disk that is %s: cannot mount it: %.200q", test.name, got.stderr)
			continue
		}
		faults++
		if got.stdout != "mounted\ncode 1\n"+otherKey+"\ncredentials\n600\n" ||
			!strings.Contains(got.stderr, "error: cannot save the API key in "+disk) ||
			!strings.Contains(got.stderr, test.says) {
			t.Errorf("a disk that is %s: %s", test.name, got)
		}
	}
	counted(t, "%d disks that take nothing, 0 keys lost", faults)
}

const foreign = "<html>not a key</html>"

// foreignFile is something other than a key at its place, and what commands exit with.
type foreignFile struct {
	name                  string
	make                  func(path, elsewhere string) error
	login, whoami, logout int
}

var foreignFiles = []foreignFile{
	{"a FIFO", func(path, _ string) error { return syscall.Mkfifo(path, 0o600) }, 1, 1, 1},
	{"a directory", func(path, _ string) error { return os.Mkdir(path, 0o700) }, 1, 1, 1},
	{"a socket", makeSocket, 1, 1, 1},
	{"a device", func(path, _ string) error {
		return syscall.Mknod(path, syscall.S_IFCHR|0o600, 1<<8|5)
	}, 1, 1, 1},
	{"a link to a device", linkTo("/dev/zero"), 1, 1, 0},
	{"a link to a terminal", linkTo("/dev/tty"), 1, 1, 0},
	{"a link to a FIFO", linkTo("fifo"), 1, 1, 0},
	{"a link to itself", linkTo("credentials"), 1, 1, 0},
	{"a link to a directory", linkTo("/"), 1, 1, 0},
	{"a link to another file", func(path, elsewhere string) error {
		return os.Symlink(filepath.Join(elsewhere, "target"), path)
	}, 1, 3, 0},
	{"a link to nothing", func(path, elsewhere string) error {
		return os.Symlink(filepath.Join(elsewhere, "nothing"), path)
	}, 0, 3, 0},
	{"an endless file", linkTo("/proc/self/mem"), 1, 1, 0},
	{"10 MB", write(strings.Repeat("x", 10<<20)), 1, 1, 1},
	{"HTML", write(foreign), 1, 3, 1},
	{"two keys", write(testKey + "\n" + testKey + "\n"), 1, 3, 1},
	{"an empty file", write(""), 0, 3, 0},
	{"white space", write(" \r\n\n"), 0, 3, 0},
}

func linkTo(target string) func(path, _ string) error {
	return func(path, _ string) error { return os.Symlink(target, path) }
}

func write(text string) func(path, _ string) error {
	return func(path, _ string) error { return os.WriteFile(path, []byte(text), 0o600) }
}

func makeSocket(path, elsewhere string) error {
	short := filepath.Join(elsewhere, "s") // as the path of a socket must be
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: short})
	if err != nil {
		return err
	}
	l.SetUnlinkOnClose(false)
	return errors.Join(l.Close(), os.Rename(short, path))
}

// TestTortureForeignFiles puts each in the place of the stored key. No command waits for one,
// changes it, or writes through a link.
func TestTortureForeignFiles(t *testing.T) {
	t.Parallel()
	elsewhere, err := os.MkdirTemp("", "mt")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(elsewhere)
	count := 0
	for _, file := range foreignFiles {
		for line, code := range map[string]int{
			"whoami": file.whoami, "login --no-verify": file.login, "logout": file.logout,
		} {
			if !meetForeignFile(t, file, elsewhere, line, code) {
				break
			}
			count++
		}
	}
	counted(t, "%d commands with something else in the stored key's place, 0 changed it", count)
}

// meetForeignFile runs one command beside one file; false if that cannot be made here.
func meetForeignFile(t *testing.T, file foreignFile, elsewhere, line string, code int) bool {
	s := newShell(t, nil).with("MICROTICA_API_URL", "http://127.0.0.1:1")
	path, target := s.credentials(), filepath.Join(elsewhere, "target")
	dir, where := filepath.Dir(path), file.name+", "+line
	if err := errors.Join(os.MkdirAll(dir, 0o700), write(foreign)(target, ""),
		syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600), file.make(path, elsewhere)); err != nil {
		t.Logf("SKIPPED: %s cannot be made here: %v", file.name, err)
		return false
	}
	before, _ := os.Lstat(path)
	start := time.Now()
	got := process(t, s.environ(), testKey, strings.Fields(line)...)
	if took := time.Since(start); got.code != code || took > 20*time.Second {
		t.Errorf("%s: %s after %v", where, got, took)
	}
	after, err := os.Lstat(path)
	if code != 0 {
		same := err == nil && os.SameFile(before, after) && before.ModTime() == after.ModTime()
		if !same || got.stdout != "" {
			t.Errorf("%s: what was there is changed: %v, %s", where, err, got)
		}
	}
	if data, _ := os.ReadFile(target); string(data) != foreign {
		t.Errorf("%s: wrote through the link: %q", where, data)
	}
	if _, err := os.Lstat(filepath.Join(elsewhere, "nothing")); err == nil {
		t.Errorf("%s: made what the link points at", where)
	}
	if code == 0 && strings.HasPrefix(line, "login") {
		os.Remove(filepath.Join(dir, "fifo"))
		checkStore(t, where, s.home, testKey+"\n", testKey+"\n")
	}
	return true
}

// TestTorturePlantedLinks plants links under the names of temporary files and of the directory:
// nothing that one leads to is touched but a directory that the user has put elsewhere.
func TestTorturePlantedLinks(t *testing.T) {
	t.Parallel()
	s, outside := newShell(t, nil).save(otherKey+"\n"), t.TempDir()
	victim := filepath.Join(outside, "victim")
	planted := filepath.Join(filepath.Dir(s.credentials()), temporary+"planted")
	if err := errors.Join(write("precious")(victim, ""), os.Symlink(victim, planted)); err != nil {
		t.Fatal(err)
	}
	s.now = time.Now().Add(time.Hour) // the link is old then
	login := []string{"login", "--no-verify", "--token", testKey, "--quiet"}
	s.want(result{}, login...)
	s.wantStored(testKey + "\n")
	if data, err := os.ReadFile(victim); string(data) != "precious" || err != nil {
		t.Errorf("the file behind a planted link holds %q, %v", data, err)
	}

	moved := newShell(t, nil) // .microtica on another disk, say
	if err := errors.Join(os.Chmod(outside, 0o700),
		os.Symlink(outside, filepath.Dir(moved.credentials()))); err != nil {
		t.Fatal(err)
	}
	moved.want(result{}, login...)
	info, err := os.Lstat(filepath.Join(outside, "credentials"))
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("the key behind a linked directory: %v, %v", info, err)
	}
}

// TestTortureMountedSecrets reads a key through the links that mounted secrets are, while they
// change.
func TestTortureMountedSecrets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	keys := map[string]bool{}
	for name, key := range map[string]string{
		"..v1": "mic_aaaa_first0key", "..v2": "mic_bbbb_another0key0that0is0longer",
	} {
		keys[key] = true
		err := errors.Join(os.Mkdir(in(name), 0o755), write(key)(in(name+"/token"), ""))
		if err != nil {
			t.Fatal(err)
		}
	}
	point := func(to string) error {
		return errors.Join(os.Symlink(to, in("..tmp")), os.Rename(in("..tmp"), in("..data")))
	}
	if err := errors.Join(point("..v1"), os.Symlink("..data/token", in("token"))); err != nil {
		t.Fatal(err)
	}
	swaps := 0
	stop := background(func() bool {
		swaps++
		err := point([]string{"..v2", "..v1"}[swaps%2])
		if err != nil {
			t.Error(err)
		}
		return err == nil
	})
	s := newShell(t, nil).with("MICROTICA_TOKEN_FILE", in("token"))
	reads := times(2000, 50000)
	for range reads {
		k, source, err := s.app().findKey()
		if err != nil || source != "MICROTICA_TOKEN_FILE" || !keys[k.raw()] {
			t.Errorf("KEY LOST: a mounted secret is read as %v from %s, %v", k, source, err)
			break
		}
	}
	stop()
	counted(t, "%d reads of a mounted secret while it is swapped %d times, 0 keys lost",
		reads, swaps)
}

// TestTortureAUserWithoutAName runs the program as a container does: a uid that no file names, no
// home directory, one that cannot be written, or one that is not there.
func TestTortureAUserWithoutAName(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	home, p := ordinaryUser(t)
	p.stdin = testKey
	token := []string{"MICROTICA_TOKEN=" + testKey, "MICROTICA_API_URL=" + api.base()}
	readOnly := filepath.Join(filepath.Dir(home), "readonly")
	if err := os.Mkdir(readOnly, 0o555); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"", "HOME=", "HOME=/nowhere", "HOME=/", "HOME=" + readOnly,
		"HOME=" + home} {
		p.env = append(token, dir)
		if got := p.run(t, "whoami"); got != (result{reportOf("true", "2"), "", 0}) {
			t.Errorf("%q: whoami says %s", dir, got)
		}
		if os.Geteuid() != 0 && dir == "HOME=/" {
			continue // it may be this user's
		}
		p.env = []string{dir}
		got := p.run(t, "login", "--no-verify")
		fails := got.code == 1 && got.stdout == "" && strings.HasPrefix(got.stderr, "error: ")
		if works := dir == "HOME="+home; works != (got.code == 0) || works == fails {
			t.Errorf("%q: login says %s", dir, got)
		}
	}
	if os.Geteuid() != 0 {
		t.Log("SKIPPED: the stored key of another user, which takes root to make")
		return
	}
	s := shellIn(t, readOnly).save(otherKey + "\n")
	for _, line := range []string{"login --no-verify", "logout", "whoami"} {
		p.env = []string{"HOME=" + readOnly}
		got := p.run(t, strings.Fields(line)...)
		if got.code != 1 || got.stdout != "" || !strings.Contains(got.stderr, "permission denied") {
			t.Errorf("%s with another user's key: %s", line, got)
		}
	}
	s.wantStored(otherKey + "\n")
}
