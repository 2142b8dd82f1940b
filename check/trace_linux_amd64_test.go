package check

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"microtica/internal/fakeapi"
)

// This file runs the program one file call at a time, by ptrace(2): it is killed at each, each is
// made to fail, and others change the files in between.

// fileCalls are system calls on a descriptor, their first argument, or a path, their second.
var fileCalls = map[uint64]string{
	syscall.SYS_READ: "read", syscall.SYS_WRITE: "write", syscall.SYS_CLOSE: "close",
	syscall.SYS_FSTAT: "fstat", syscall.SYS_FSYNC: "fsync", syscall.SYS_GETDENTS64: "getdents",
	syscall.SYS_OPENAT: "open", syscall.SYS_NEWFSTATAT: "stat", syscall.SYS_FCHMODAT: "chmod",
	syscall.SYS_MKDIRAT: "mkdir", syscall.SYS_RENAMEAT: "rename", syscall.SYS_UNLINKAT: "unlink",
}

// traced is a program that stops before and after each file call in the home directory.
type traced struct {
	result
	home     string
	pid, tid int                                // the process, and its thread that is in a call
	leaving  bool                               // the call is over
	at       func(*traced, *syscall.PtraceRegs) // is called then, and may change registers
	calls    []string                           // such as "open ~/.microtica/temp"
	paths    []string                           // also of other files
	open     map[uint64]string                  // the files by descriptor
}

// trace runs the program, and skips the test where tracing is not permitted.
func (u user) trace(at func(*traced, *syscall.PtraceRegs), args ...string) *traced {
	runtime.LockOSThread() // until the test ends: all requests must come from one thread
	u.process = &syscall.SysProcAttr{Ptrace: true, Setpgid: true}
	r := u.with("GOMAXPROCS=1").start(binary, args...)
	l := &traced{home: u.home, pid: r.Process.Pid, at: at, open: map[uint64]string{}}
	exit, err := l.follow()
	if l.result = r.wait(); err != nil {
		u.t.Skipf("the program cannot be traced here: %v", err)
	}
	l.exit = exit
	return l
}

// follow lets the program run from one system call to the next, and returns its exit status.
func (l *traced) follow() (exit int, err error) {
	const options = 1 | syscall.PTRACE_O_TRACECLONE | 0x100000 // TRACESYSGOOD, EXITKILL
	var status syscall.WaitStatus
	if _, err = syscall.Wait4(l.pid, &status, 0, nil); err == nil { // it stops at its start
		err = syscall.PtraceSetOptions(l.pid, options)
	}
	resume := syscall.PtraceCont // to its second thread, before which Go makes no call of interest
	for tid, deliver := l.pid, 0; err == nil; {
		if err = resume(tid, deliver); err != nil && err != syscall.ESRCH { // killed meanwhile
			break
		}
		for tid, err = 0, syscall.EINTR; err == syscall.EINTR; {
			tid, err = syscall.Wait4(-l.pid, &status, syscall.WALL, nil) // its group alone
		}
		deliver = 0
		switch signal := status.StopSignal(); {
		case err != nil, !status.Stopped() && tid == l.pid:
			return status.ExitStatus(), err
		case signal == syscall.SIGTRAP|0x80:
			l.stop(tid)
		case signal == syscall.SIGTRAP: // a new thread
			resume = syscall.PtraceSyscall
		case signal != syscall.SIGSTOP: // with which that begins
			deliver = max(0, int(signal))
		}
	}
	syscall.Kill(l.pid, syscall.SIGKILL)
	return 0, err
}

// stop looks at a thread that enters or leaves a system call.
func (l *traced) stop(tid int) {
	var r syscall.PtraceRegs
	syscall.PtraceGetRegs(tid, &r)
	if l.leaving = l.tid == tid; !l.leaving {
		call := l.call(tid, &r)
		if call == "" || int64(r.Rax) != -int64(syscall.ENOSYS) {
			return
		}
		l.tid, l.calls = tid, append(l.calls, call)
	}
	l.at(l, &r)
	what, file, _ := strings.Cut(l.calls[len(l.calls)-1], " ")
	if l.leaving && what == "open" {
		l.open[r.Rax] = file
	} else if what == "close" {
		delete(l.open, r.Rdi)
	}
	if l.leaving {
		l.tid = 0
	}
	syscall.PtraceSetRegs(tid, &r)
}

// call names what a thread does to which file in the home directory; "" for anything else.
func (l *traced) call(tid int, r *syscall.PtraceRegs) string {
	what, file := fileCalls[r.Orig_rax], l.open[r.Rdi]
	switch {
	case what == "":
		return ""
	case file != "" && what == "write" && r.Rdx == 0:
		return "touch " + file
	case file != "":
		return what + " " + file
	}
	memory := make([]byte, 256)
	syscall.PtracePeekData(tid, uintptr(r.Rsi), memory)
	path, _, _ := strings.Cut(string(memory), "\x00")
	l.paths = append(l.paths, path)
	if below, isBelow := strings.CutPrefix(path, l.home); isBelow {
		temp := regexp.MustCompile(`\.credentials-[A-Z2-7]{26}$`)
		return what + " ~" + temp.ReplaceAllString(below, "temp")
	}
	return ""
}

// traceLogin traces a login where the key old is stored, and another login has left a temporary
// file; or, if old is "", a first login. It checks what may never be wrong.
func traceLogin(t *testing.T, old string, at func(*traced, *syscall.PtraceRegs)) *traced {
	t.Helper()
	u := newUser(t, "")
	defer os.RemoveAll(u.home)
	if u.stdin = fakeapi.Key; old != "" {
		u.save(old)
		plant(t, filepath.Join(u.home, ".microtica", temporary))
	}
	l := u.trace(at, "login", "--no-verify")
	left, _ := filepath.Glob(filepath.Join(u.home, ".microtica", ".credentials-*"))
	left = slices.DeleteFunc(left, func(s string) bool { return filepath.Base(s) == temporary })
	stored, said := checkStore(t, u, old), l.stderr
	succeeds := stored == fakeapi.Key && (said == "" || strings.HasPrefix(said, "warning: "))
	fails := stored == old && l.stdout == "" &&
		strings.HasPrefix(said, "error: cannot save the API key in "+u.credentials()+": ")
	if l.exit == 0 && !succeeds || l.exit == 1 && !fails || l.exit > 1 ||
		l.exit >= 0 && len(left) > 0 { // -1 if it was killed
		t.Errorf("%q was stored and %q is, %q left, login says %v", old, stored, left, l.result)
	}
	return l
}

func watch(*traced, *syscall.PtraceRegs) {}

// TestTheOrderOfASave compares the calls of a first login that change something: the key comes into
// a file that only its user can read; the file is synced before the rename, its directory after.
func TestTheOrderOfASave(t *testing.T) {
	t.Parallel()
	harmless := regexp.MustCompile("^(open|close|fstat|getdents|stat .*/credentials)")
	calls := slices.DeleteFunc(traceLogin(t, "", watch).calls, harmless.MatchString)
	const want = "mkdir D, chmod D, fsync ~, stat D, touch D/temp, chmod D/temp, stat D/temp, " +
		"write D/temp, fsync D/temp, rename D/temp, unlink D/temp, unlink D/temp, fsync D"
	if got := strings.ReplaceAll(strings.Join(calls, ", "), "~/.microtica", "D"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// troubles are what may happen at a file call of a save, or again at all later ones, and what then
// matches the call, "again", login's exit status and stderr.
var troubles = map[string]struct {
	do   func(l *traced, r *syscall.PtraceRegs, again bool)
	want string
}{
	"a kill": {func(l *traced, r *syscall.PtraceRegs, again bool) {
		if l.leaving == again { // after the call is before the next one
			syscall.Kill(l.pid, syscall.SIGKILL)
		}
	}, `exit -1, $`},
	"a fault": {func(l *traced, r *syscall.PtraceRegs, again bool) {
		if again && strings.HasPrefix(l.calls[len(l.calls)-1], "unlink") {
			return // so that it can clean up
		}
		r.Orig_rax = ^uint64(0) // the kernel knows no such call, and does nothing
		if l.leaving {
			r.Rax = ^uint64(syscall.EIO - 1) // -EIO
		}
	}, `^(mkdir|touch|chmod|write|fsync|rename) ~/.microtica(/temp)?, exit 1, .*output error|` +
		`^fsync ~(/.microtica)?, exit 0, warning: .* power failure .* cannot sync .*output error|` +
		`^(open|close|f?stat|read|getdents|unlink) .*, exit (0, (warning|$)|1, .*output error)|` +
		`again, exit (0, warning|1)`},
	"a logout": {func(l *traced, r *syscall.PtraceRegs, again bool) {
		names, _ := filepath.Glob(filepath.Join(l.home, ".microtica", ".credentials-*"))
		for _, name := range names {
			os.Remove(name)
		}
	}, `, exit 0, $|again, exit 1, .*hint: run 'microtica login' again once no logout is running`},
}

// TestTortureEveryCallOfASave brings each trouble to each call: the old key is there or the new
// one, and login repeats what was lost or says what failed.
func TestTortureEveryCallOfASave(t *testing.T) {
	for name, trouble := range troubles {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			runs, refused := 0, 0
			for _, old := range []string{"", fakeapi.OtherKey}[:times(1, 2)] {
				calls := traceLogin(t, old, watch).calls
				for i := range times(len(calls)+3, 10*len(calls)) {
					n, again := i%len(calls), i/len(calls)%2 == 1
					if !large() && i%3 > 0 && name != "a fault" {
						continue
					}
					l := traceLogin(t, old, func(l *traced, r *syscall.PtraceRegs) {
						if m := len(l.calls) - 1; m == n || m > n && again {
							trouble.do(l, r, again)
						}
					})
					got := fmt.Sprintf("%s%s, exit %d, %s", calls[n],
						strings.Repeat(", again", i/len(calls)%2), l.exit, l.stderr)
					if !regexp.MustCompile("(?s)" + trouble.want).MatchString(got) {
						t.Error(got)
					}
					runs, refused = runs+1, refused+max(0, l.exit)
				}
			}
			t.Logf("%s at %d calls, %d logins refused, 0 keys lost", name, runs, refused)
		})
	}
}

// TestAFileSystemWithoutModesGetsNoKey covers one such as vfat, where chmod succeeds and changes
// nothing: login finds out while the file is empty.
func TestAFileSystemWithoutModesGetsNoKey(t *testing.T) {
	t.Parallel()
	l := traceLogin(t, fakeapi.OtherKey, func(l *traced, r *syscall.PtraceRegs) {
		if l.leaving && l.calls[len(l.calls)-1] == "stat ~/.microtica/temp" {
			syscall.PtracePokeData(l.tid, uintptr(r.Rdx)+24, []byte{0o204, 0o201}) // mode 0100604
		}
	})
	if l.exit != 1 || !strings.Contains(l.stderr, ": its file system has no permissions\n") ||
		slices.Contains(l.calls, "write ~/.microtica/temp") {
		t.Errorf("%q, %v", l.calls, l.result)
	}
}

// TestAKeyFileSwappedForAPipe is not waited for. It is swapped between the look and the opening.
func TestAKeyFileSwappedForAPipe(t *testing.T) {
	t.Parallel()
	u := newUser(t, "")
	u.save(fakeapi.Key)
	l := u.trace(func(l *traced, _ *syscall.PtraceRegs) {
		if l.leaving && l.calls[len(l.calls)-1] == "stat ~/.microtica/credentials" {
			must(t, os.Remove(u.credentials()), syscall.Mkfifo(u.credentials(), 0o600))
		}
	}, "whoami")
	if l.exit != 1 || !strings.Contains(l.stderr, ": it is not a regular file\n") ||
		slices.Contains(u.trace(watch, "whoami").calls, "open ~/.microtica/credentials") {
		t.Errorf("%q, %v", l.calls, l.result)
	}
}

// TestLocalhostIsNotLookedUp looks at which files the program opens.
func TestLocalhostIsNotLookedUp(t *testing.T) {
	t.Parallel()
	u := newUser(t, strings.Replace(fakeapi.New(t).Base(), "127.0.0.1", "LocalHost", 1))
	u.save(fakeapi.Key)
	l := u.trace(watch, "whoami")
	if l.exit != 0 || !slices.Contains(l.paths, u.credentials()) ||
		slices.Contains(l.paths, "/etc/hosts") || slices.Contains(l.paths, "/etc/resolv.conf") {
		t.Errorf("%q, %v", l.paths, l.result)
	}
}
