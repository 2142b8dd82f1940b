package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// killLogin starts a login, gives it its key when it has started, and kills it so long after that.
func killLogin(t *testing.T, home string, after time.Duration) {
	t.Helper()
	from, to, err := os.Pipe()
	must(t, err)
	r, err := program{env: []string{"HOME=" + home}, input: from}.start(t, "login", "--no-verify")
	from.Close()
	must(t, err)
	time.Sleep(20 * time.Millisecond)
	io.WriteString(to, testKey+"\n")
	to.Close()
	for start := time.Now(); time.Since(start) < after; { // sleeping is not exact enough
	}
	r.Process.Kill()
	r.wait()
}

// TestTortureKilledAtRandom kills login at random moments after it has got the key. When a save
// takes place is learned from the runs: if it was over, the next kills come earlier; if it had not
// begun, they come later.
func TestTortureKilledAtRandom(t *testing.T) {
	dir := t.TempDir()
	kills, inside, span := times(40, 3000), 0, 4*time.Millisecond
	for i := range kills {
		home := filepath.Join(dir, fmt.Sprint(i))
		shellIn(t, home).save(otherKey + "\n")
		moment := rand.N(span)
		killLogin(t, home, moment)
		left, _ := filepath.Glob(filepath.Join(home, ".microtica", temporary+"*"))
		where := fmt.Sprintf("kill %d after %v", i, moment)
		stored := checkStore(t, where, home, otherKey+"\n", testKey+"\n")
		switch {
		case len(left) > 0:
			inside++
		case stored == testKey+"\n":
			span -= span / 20
		default:
			span += span / 40
		}
		must(t, os.RemoveAll(home))
	}
	if large && inside < kills/50 {
		t.Errorf("only %d of %d kills fell into the save", inside, kills)
	}
	counted(t, "%d kills at random moments, %d of them with the temporary file there, 0 keys lost",
		kills, inside)
}

// TestTortureParallelLogins saves many keys at once.
func TestTortureParallelLogins(t *testing.T) {
	s := newShell(t, nil).save(otherKey + "\n")
	logins, atATime := times(60, 2000), 40
	name := func(i int) string { return fmt.Sprintf("mic_p%d_%s", i, strings.Repeat("k", 20+i)) }
	var all sync.WaitGroup
	for worker := range atATime {
		all.Add(1)
		go func() {
			defer all.Done()
			for i := worker; i < logins; i += atATime {
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

// TestTortureUmasks logs in under umasks that take away too little and too much, for the first time
// and again.
func TestTortureUmasks(t *testing.T) {
	t.Parallel()
	s, sh := ordinaryUser(t)
	sh.env = s.environ("PROGRAM="+sh.path, "OLD="+otherKey, "NEW="+testKey)
	sh.path = "/bin/sh"
	umasks := []string{"000", "022", "077", "277", "777"}
	for _, umask := range umasks {
		script := `umask ` + umask + `; for key in "$OLD" "$NEW"; do
			"$PROGRAM" login --no-verify --quiet --token "$key" || exit
		done`
		if got := sh.run(t, "-c", script); got != (result{}) {
			t.Errorf("umask %s: %s", umask, got)
		}
		checkStore(t, "umask "+umask, s.home, testKey+"\n", testKey+"\n")
		must(t, os.RemoveAll(filepath.Dir(s.credentials())))
	}
	counted(t, "%d saves under %d umasks, 0 loose modes", 2*len(umasks), len(umasks))
}

// badDisks are file systems on which a key cannot be replaced, and how to make them.
var badDisks = []struct{ name, options, prepare, command, why, hint string }{
	{"full", "size=16k", `dd if=/dev/zero of=fill bs=4k || true`,
		"login --no-verify", "no space left on device", saveElsewhere},
	{"without inodes", "size=1m,nr_inodes=4", `touch fill || true`,
		"login --no-verify", "no space left on device", saveElsewhere},
	{"where no file may grow", "size=1m", `ulimit -f 0`,
		"login --no-verify", "file too large", saveElsewhere},
	{"read-only", "size=1m", `mount -o remount,ro "$HOME" || mount -o remount,bind,ro "$HOME"`,
		"login --no-verify", "read-only file system", saveElsewhere},
	{"with a key that is mounted, as containers do", "size=1m", mountKey,
		"login --no-verify", "device or resource busy", saveElsewhere},
	{"with a key that is mounted, at logout", "size=1m", mountKey,
		"logout", "device or resource busy", "remove it by hand"},
}

const mountKey = `cp .microtica/credentials key; mount --bind key .microtica/credentials`

// TestTortureBadDisks tries to replace or remove the key on each.
func TestTortureBadDisks(t *testing.T) {
	t.Parallel()
	s, count := newShell(t, nil), 0
	env := s.environ("PROGRAM="+builtBinary(t), "OLD="+otherKey, "KEY="+testKey,
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin")
	for _, test := range badDisks {
		script := `{ set -e
			mount -t tmpfs -o mode=700,` + test.options + ` none "$HOME"
			cd "$HOME"
			umask 077
			mkdir .microtica
			echo "$OLD" >.microtica/credentials
			` + test.prepare + `
			} 2>/dev/null
			echo mounted
			set +e
			echo "$KEY" | "$PROGRAM" ` + test.command + `
			echo "code $?"
			cat .microtica/credentials
			ls -A .microtica`
		sh := program{path: "/bin/sh", env: env}
		got := sh.run(t, "-c", `exec unshare -rm /bin/sh -c "$0"`, script)
		if !strings.HasPrefix(got.stdout, "mounted\n") {
			t.Logf("SKIPPED: a disk %s: cannot mount it: %.200q", test.name, got.stderr)
			continue
		}
		count++
		command, _, _ := strings.Cut(test.command, " ")
		want := cannot(command, s.credentials(), test.why, test.hint).fails("", false)
		want.stdout, want.code = "mounted\ncode 1\n"+otherKey+"\ncredentials\n", 0
		if got != want {
			t.Errorf("a disk %s\n got %s\nwant %s", test.name, got, want)
		}
	}
	counted(t, "%d disks that take nothing, 0 keys lost", count)
}

// unixForeignFiles are further ones, which not every system can make.
var unixForeignFiles = []foreignFile{
	{"a FIFO", func(path string) error { return syscall.Mkfifo(path, 0o600) }, "", aPipe},
	{"a link to a device", linkTo("/dev/zero"), "", notRegular},
	{"a link to a directory", linkTo("/"), "", notRegular},
	{"a link to HTML", func(path string) error {
		return errors.Join(holding("<html>")(path+".html"), os.Symlink(path+".html", path))
	}, "does not start with mic_", notAKey},
}

func linkTo(target string) func(path string) error {
	return func(path string) error { return os.Symlink(target, path) }
}

// TestTortureForeignFiles puts each in the place of the stored key. No command waits for one,
// changes it, or writes through a link.
func TestTortureForeignFiles(t *testing.T) {
	t.Parallel()
	count := 0
	for _, file := range slices.Concat(foreignFiles, unixForeignFiles) {
		if file.meet(t) {
			count++
		}
	}
	counted(t, "%d kinds of file in the place of the stored key, 0 changed", count)
}

// TestTortureMountedSecrets reads a key through the links that mounted secrets are, while they
// change.
func TestTortureMountedSecrets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	first, second := "mic_aaaa_first0key", "mic_bbbb_another0key0that0is0longer"
	must(t, os.Mkdir(in("..1"), 0o755), holding(first)(in("..1/token")),
		os.Mkdir(in("..2"), 0o755), holding(second)(in("..2/token")),
		os.Symlink("..data/token", in("token")))
	defer swapLinks(t, in("..data"), "..1", "..2")()
	s := newShell(t, nil).with("MICROTICA_TOKEN_FILE", in("token"))
	reads := times(2000, 50000)
	for range reads {
		k, _, err := s.app().findKey()
		if err != nil || k.raw() != first && k.raw() != second {
			t.Fatalf("KEY LOST: a mounted secret is read as %v, %v", k, err)
		}
	}
	counted(t, "%d reads of a mounted secret while it is swapped, 0 keys lost", reads)
}
