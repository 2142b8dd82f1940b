package check

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"microtica/internal/fakeapi"
)

// temporary is a name of the form that temporary files have.
const temporary = ".credentials-ABCDEFGHIJKLMNOPQRSTUVWXYZ"

// plant makes a file as if an hour ago.
func plant(t testing.TB, path string) {
	t.Helper()
	must(t, os.WriteFile(path, nil, 0o600),
		os.Chtimes(path, time.Time{}, time.Now().Add(-time.Hour)))
}

// checkStore checks what a login left: the key old ("" for none) or fakeapi's, whole, for its user
// alone, and nothing that a later login does not sweep. It returns that key.
func checkStore(t testing.TB, u user, old string) string {
	t.Helper()
	data, err := os.ReadFile(u.credentials())
	stored, isWhole := strings.CutSuffix(string(data), "\n")
	isMissing := os.IsNotExist(err) && old == ""
	if !isMissing && !(isWhole && slices.Contains([]string{old, fakeapi.Key}, stored)) {
		t.Errorf("KEY LOST: %q is stored, %v", data, err)
	}
	dir := filepath.Dir(u.credentials())
	entries, _ := os.ReadDir(dir)
	for _, entry := range entries {
		info, err := entry.Info()
		must(t, err)
		if mode := info.Mode(); mode != 0o600 {
			t.Errorf("LOOSE MODE: %s has mode %v", entry.Name(), mode)
		}
		if entry.Name() != "credentials" {
			plant(t, filepath.Join(dir, entry.Name()))
		}
	}
	if len(entries) > 1 || len(entries) == 1 && isMissing {
		want := result{"Saved API key mic_th1rd to " + u.credentials() + "\n", "", 0}
		u.want(want, "login", "--no-verify", "--token", "mic_th1rd_key0of0a0later0login")
		if entries, _ := os.ReadDir(dir); len(entries) != 1 {
			t.Errorf("%v are left", entries)
		}
	}
	return stored
}

// TestTortureLoginsAtOnce saves keys of many lengths in parallel, later beside logouts, kills every
// third at some moment, and reads the stored key meanwhile.
func TestTortureLoginsAtOnce(t *testing.T) {
	t.Parallel()
	u, runs := newUser(t, ""), times(24, 3000)
	key := func(n int) string { return fmt.Sprintf("mic_p%d_%s", n, strings.Repeat("k", n)) }
	u.save(key(1))
	t.Cleanup(func() {
		u.want(result{}, "logout", "--quiet")
		if left, err := os.ReadDir(filepath.Dir(u.credentials())); len(left) != 0 {
			t.Errorf("%v are left, %v", left, err)
		}
		t.Logf("%d logins and logouts at once, a third killed, 0 keys lost", runs)
	})
	var logouts atomic.Bool
	for worker := range 8 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			for i := worker; i < runs; i += 8 {
				line := "login --no-verify --quiet --token " + key(1+i*37%900)
				if i > runs/2 && i%3 == 0 {
					logouts.Store(true)
					line = "logout --quiet"
				}
				r := u.start(binary, strings.Fields(line)...)
				if i%3 == 1 {
					time.Sleep(rand.N(8 * time.Millisecond))
					r.Process.Kill()
				}
				got := r.wait()
				swept := strings.HasSuffix(got.stderr, "again once no logout is running\n")
				killed := i%3 == 1 && got == result{"", "", -1}
				if got != (result{}) && !killed && !(swept && logouts.Load()) {
					t.Errorf("%.30s: %v", line, got)
				}
				for range 20 {
					var n int
					data, err := os.ReadFile(u.credentials())
					fmt.Sscanf(string(data), "mic_p%d_", &n)
					if string(data) != key(n)+"\n" && !(os.IsNotExist(err) && logouts.Load()) {
						t.Errorf("KEY LOST: a reader found %q, %v", data, err)
					}
				}
			}
		})
	}
}

// scenes are sessions that anybody can have, or only root, a user without privileges, or one who
// may mount; FILE is the path of the stored key, ODD the words for what no key holds.
var scenes = []struct{ name, who, session string }{
	{"only temporary files are swept", "anybody", `
$ mkdir -m 700 .microtica; cd .microtica; (umask 77; cat ../revoked.txt > credentials)
$ A=.credentials-ABCDEFGHIJKLMNOPQRSTUVWXY; mkdir ${A}D; mkfifo ${A}P; ln -s ../key.txt ${A}L
$ touch ${A}2 ${A}7 $A ${A}ZZ ${A}1 ${A}8 ${A}z x${A}Z notes .credentials
$ touch -h -t 202001010000 .cred* *; touch ${A}Y; ls -A > ../before
$ microtica login --no-verify --quiet < ../key.txt; ls -A | comm -3 ../before -
.credentials-ABCDEFGHIJKLMNOPQRSTUVWXY2
.credentials-ABCDEFGHIJKLMNOPQRSTUVWXY7
$ ls -A > ../before; microtica logout --quiet; ls -A | comm -3 ../before -
.credentials-ABCDEFGHIJKLMNOPQRSTUVWXYY
credentials`},
	{"what is in the place of the key stays", "anybody", `
$ mkdir -m 700 .microtica; cd .microtica; umask 77; export K=credentials
$ use() { microtica whoami; microtica login --no-verify < ../key.txt; microtica logout; }
$ try() { rm -rf $K; eval "$1"; ls -ln > ../was; use; ls -ln | cmp -s - ../was || echo changed; }
$ each() { for make; do try "$make"; done 2>&1 | grep 'error\|changed' | sort | uniq -c; }
$ each 'mkfifo $K' 'mkdir $K'
      2 error: cannot read the saved API key in FILE: it is not a regular file
      2 error: cannot remove FILE: it is not a regular file
      2 error: cannot save the API key in FILE: it is not a regular file
$ each 'head -c 2000 /dev/zero > $K' 'echo "<html>" > $K' 'cat ../key.txt ../key.txt > $K'
      3 error: cannot remove FILE: it holds something other than an API key
      3 error: cannot save the API key in FILE: it holds something other than an API key
      2 error: the API key from FILE does not start with mic_
      1 error: the API key from FILE has ODD at position 33
$ each 'ln -s /dev/zero $K' 'ln -s / $K' 'mkfifo ../fifo; ln -s ../fifo $K'
      3 changed
      3 error: cannot read the saved API key in FILE: it is not a regular file
      3 error: cannot save the API key in FILE: it is not a regular file`},
	{"a directory of another user", "root", `
$ mkdir -m 700 .microtica; cp revoked.txt .microtica/credentials; ln -s ../key.txt .microtica/link
$ chmod 644 .microtica/*; chown -R 65532 .microtica; ls -lanR .microtica > before
$ microtica login --no-verify < key.txt; ls -lanR .microtica | cmp - before
error: cannot save the API key in FILE: its directory belongs to another user
hint: run 'microtica login' as that user
$ rm -r .microtica; chown 65532 .; microtica login --no-verify < key.txt
Saved API key mic_d60bea1d to FILE`},
	{"no place for a key", "a user", `
$ ln -s /usr .microtica; printenv DEPLOY_KEY | microtica login --no-verify
error: cannot save the API key in FILE: its directory belongs to another user
hint: move /home/ana/.microtica away
$ rm .microtica; mkdir -m 720 .microtica; printenv DEPLOY_KEY | microtica login --no-verify
error: cannot save the API key in FILE: others may write to its directory
hint: run 'chmod 700 /home/ana/.microtica'
$ unset HOME; printenv DEPLOY_KEY | microtica login --no-verify
error: there is no place for a saved key: HOME is not set to an absolute path
hint: set MICROTICA_TOKEN to the key
$ HOME=. microtica logout
error: there is no place for a saved key: HOME is not set to an absolute path
hint: set MICROTICA_TOKEN to the key`},
	{"any umask", "a user", `
$ try() { umask $1; microtica login --no-verify --quiet --token "$2"; }
$ both() { rm -rf .microtica; (try $1 "$OLD"; try $1 "$DEPLOY_KEY"); ls -ld .m* .m*/*; }
$ for mask in 000 022 077 277 777; do both $mask; done | cut -c1-10 | sort | uniq -c
      5 -rw-------
      5 drwx------`},
	{"disks that take nothing", "one who may mount", `
$ a='mount -t tmpfs -o mode=700,$1 none ~; cd ~; mkdir -m 700 .microtica; umask 77'
$ b='echo $OLD > .microtica/credentials; $2 2> /dev/null; echo $DEPLOY_KEY | microtica login'
$ c=' --no-verify; echo $OLD | cmp - .microtica/credentials; ls -A .microtica'
$ disk() { unshare -rm sh -c "$a; $b$c" sh "$@"; }
$ disk size=16k 'dd if=/dev/zero of=fill bs=4k'
error: cannot save the API key in FILE: no space left on device
hint: set MICROTICA_TOKEN instead
credentials
$ disk size=1m 'ulimit -f 0'
error: cannot save the API key in FILE: file too large
hint: set MICROTICA_TOKEN instead
credentials`},
}

// TestScenesOfTheStore carries them out.
func TestScenesOfTheStore(t *testing.T) {
	for _, scene := range scenes {
		t.Run(scene.name, func(t *testing.T) {
			t.Parallel()
			u := newUser(t, "").with("OLD="+fakeapi.OtherKey, "MICROTICA_API_URL=https://x.y")
			can := exec.Command(binary, "version")
			switch {
			case scene.who == "root" && os.Geteuid() != 0:
				can.Path = "/none"
			case scene.who == "a user" && os.Geteuid() == 0:
				other := &syscall.Credential{Uid: 65532, Gid: 65532}
				can.SysProcAttr = &syscall.SysProcAttr{Credential: other}
				must(t, os.Chmod(filepath.Dir(u.home), 0o755), os.Chown(u.home, 65532, 65532))
			case scene.who == "one who may mount":
				can = exec.Command("unshare", "-rm", "mount", "-t", "tmpfs", "none", u.home)
			}
			if err := can.Run(); err != nil {
				t.Skipf("this needs %s: %v", scene.who, err)
			}
			u.process = can.SysProcAttr
			words := strings.NewReplacer("FILE", "/home/ana/.microtica/credentials",
				"ODD", "a space, line break, control or non-ASCII character")
			u.session(scene.name, words.Replace(scene.session))
		})
	}
}
