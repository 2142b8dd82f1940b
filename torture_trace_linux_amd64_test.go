package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// This file runs the program one file call at a time, by ptrace(2): it is killed before and after
// each, and each is made to fail.

// callsOnOpenFiles are system calls that Go makes on a file's descriptor, their first argument.
var callsOnOpenFiles = map[uint64]string{
	syscall.SYS_READ: "read", syscall.SYS_WRITE: "write", syscall.SYS_CLOSE: "close",
	syscall.SYS_FSTAT: "fstat", syscall.SYS_FCNTL: "fcntl", syscall.SYS_FSYNC: "fsync",
	syscall.SYS_FCHMOD: "fchmod", syscall.SYS_GETDENTS64: "getdents64",
}

// callsOnPaths are those that it makes on a file's path, their second argument.
var callsOnPaths = map[uint64]string{
	syscall.SYS_OPENAT: "openat", syscall.SYS_NEWFSTATAT: "newfstatat",
	syscall.SYS_FCHMODAT: "fchmodat", syscall.SYS_MKDIRAT: "mkdirat",
	syscall.SYS_RENAMEAT: "renameat", syscall.SYS_UNLINKAT: "unlinkat",
}

// plan says what happens to a traced login. Calls are counted from 1.
type plan struct {
	kill   int           // the stop to kill it at: 2n-1 is before call n, 2n after it; 0 for none
	fail   int           // the call that fails; 0 for none
	onward bool          // all later ones fail too
	errno  syscall.Errno // what they fail with
}

// tracedLogin is a login that is being traced, and what became of it.
type tracedLogin struct {
	result
	plan
	killed  bool
	calls   []string // the file calls in dir, in order
	renamed bool     // a rename succeeded
	dir     string
	stops   int
	open    map[uint64]bool       // descriptors of files in dir
	inside  map[int]syscall.Errno // threads in a file call in dir, and what it must fail with
}

// traceLogin runs login --no-verify with a home directory. It returns an error where tracing is not
// permitted.
func traceLogin(t *testing.T, home string, p plan) (*tracedLogin, error) {
	login := program{
		env:        []string{"HOME=" + home, "GOMAXPROCS=2"},
		stdin:      testKey,
		attributes: &syscall.SysProcAttr{Ptrace: true},
	}
	r, err := login.start(t, "login", "--no-verify")
	if err != nil {
		return nil, err
	}
	l := &tracedLogin{
		plan:   p,
		dir:    filepath.Join(home, ".microtica"),
		open:   map[uint64]bool{},
		inside: map[int]syscall.Errno{},
	}
	status, err := l.follow(r.Process.Pid)
	if err != nil {
		r.Process.Kill()
		syscall.Wait4(r.Process.Pid, nil, 0, nil)
	}
	l.result = r.wait()
	l.killed, l.code = status.Signaled(), status.ExitStatus()
	return l, err
}

// onOneProcessor keeps the test, and what it starts, on one thread, from which every request to a
// traced program must come, and on one processor: handing over at each stop is ten times as fast
// there. The thread ends with the test.
func onOneProcessor() {
	runtime.LockOSThread()
	const getcpu = 309
	var processor uint32
	var mask [128]byte
	syscall.RawSyscall(getcpu, uintptr(unsafe.Pointer(&processor)), 0, 0)
	mask[processor/8] = 1 << (processor % 8)
	syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, 0, unsafe.Sizeof(mask),
		uintptr(unsafe.Pointer(&mask)))
}

const (
	onlyOurThread = 0x20000000 // wait for what this thread started: the rest is somebody else's
	syscallStop   = syscall.SIGTRAP | 0x80
	traceOptions  = 1 | syscall.PTRACE_O_TRACECLONE | 0x100000 // TRACESYSGOOD, EXITKILL
)

// follow lets the program run from one system call to the next, until it ends.
func (l *tracedLogin) follow(pid int) (status syscall.WaitStatus, err error) {
	if _, err = syscall.Wait4(pid, &status, 0, nil); err == nil { // it stops at its start
		err = syscall.PtraceSetOptions(pid, traceOptions)
	}
	for tid, deliver := pid, 0; err == nil; {
		if err = syscall.PtraceSyscall(tid, deliver); err != nil && err != syscall.ESRCH {
			break
		}
		err = syscall.EINTR
		for err == syscall.EINTR {
			tid, err = syscall.Wait4(-1, &status, syscall.WALL|onlyOurThread, nil)
		}
		deliver = 0
		switch signal := status.StopSignal(); {
		case err != nil, !status.Stopped() && tid == pid:
			return status, err
		case signal == syscallStop:
			err = l.stop(pid, tid)
		case signal != syscall.SIGTRAP && signal != syscall.SIGSTOP: // those of a new thread
			deliver = max(0, int(signal))
		}
	}
	return status, err
}

// stop looks at a thread that enters or leaves a system call, and does what the plan says.
func (l *tracedLogin) stop(pid, tid int) error {
	var registers syscall.PtraceRegs
	if err := syscall.PtraceGetRegs(tid, &registers); err != nil {
		return err
	}
	failure, leaves := l.inside[tid]
	enters := !leaves && int64(registers.Rax) == -int64(syscall.ENOSYS)
	switch name := l.call(tid, &registers); {
	case leaves:
		l.leave(tid, failure, &registers)
	case enters && name != "":
		failure = l.enter(tid, name, &registers)
	default:
		return nil
	}
	if failure != 0 {
		if err := syscall.PtraceSetRegs(tid, &registers); err != nil {
			return err
		}
	}
	if l.stops++; l.stops == l.kill {
		return syscall.Kill(pid, syscall.SIGKILL)
	}
	return nil
}

// call returns the name of a file call in dir, "" for any other.
func (l *tracedLogin) call(tid int, registers *syscall.PtraceRegs) string {
	if l.open[registers.Rdi] && callsOnOpenFiles[registers.Orig_rax] != "" {
		return callsOnOpenFiles[registers.Orig_rax]
	}
	name := callsOnPaths[registers.Orig_rax]
	if path := make([]byte, len(l.dir)); name != "" {
		syscall.PtracePeekData(tid, uintptr(registers.Rsi), path)
		if string(path) == l.dir {
			return name
		}
	}
	return ""
}

// enter notes a call, and returns what it must fail with, 0 for nothing.
func (l *tracedLogin) enter(tid int, name string, registers *syscall.PtraceRegs) syscall.Errno {
	l.calls = append(l.calls, name)
	l.inside[tid] = 0
	n := len(l.calls)
	if l.fail != 0 && (n == l.fail || n > l.fail && l.onward) {
		l.inside[tid] = l.errno
		registers.Orig_rax = ^uint64(0) // the kernel knows no such call, and does nothing
	} else if name == "close" {
		delete(l.open, registers.Rdi)
	}
	return l.inside[tid]
}

func (l *tracedLogin) leave(tid int, failure syscall.Errno, registers *syscall.PtraceRegs) {
	delete(l.inside, tid)
	if failure != 0 {
		registers.Rax = uint64(-int64(failure))
	}
	if name := l.calls[len(l.calls)-1]; int64(registers.Rax) >= 0 {
		if name == "openat" {
			l.open[registers.Rax] = true
		}
		l.renamed = l.renamed || name == "renameat"
	}
}

// saveScene is a home directory before a login.
type saveScene struct {
	name, old string // old is the stored key, "" for none
	leftover  bool   // a killed login left a temporary file
}

var saveScenes = []saveScene{
	{"a stored key, and what a killed login left", otherKey + "\n", true},
	{"a first login", "", false},
	{"a stored key", otherKey + "\n", false},
}

// traceSave makes the scene, runs login there after a plan, and checks what may never be wrong.
func traceSave(t *testing.T, dir string, scene saveScene, p plan) *tracedLogin {
	t.Helper()
	home, err := os.MkdirTemp(dir, "")
	must(t, err)
	defer os.RemoveAll(home)
	s := shellIn(t, home)
	if scene.old != "" {
		s.save(scene.old)
	}
	leftover := filepath.Join(filepath.Dir(s.credentials()), temporary+"leftover")
	if scene.leftover {
		ages := map[string]time.Duration{filepath.Base(leftover): time.Hour}
		plant(t, filepath.Dir(leftover), s.now, ages)
	}
	l, err := traceLogin(t, home, p)
	if err != nil && p == (plan{}) {
		t.Skipf("the program cannot be traced here: %v", err)
	}
	must(t, err)
	where := fmt.Sprintf("%s, %+v", scene.name, p)
	left, _ := filepath.Glob(filepath.Join(home, ".microtica", temporary+"*"))
	for _, path := range left { // one call that fails leaves none: the cleanup succeeds
		if !l.killed && !p.onward && (path != leftover || l.stderr == "") {
			t.Errorf("%s: %s is left", where, path)
		}
	}
	stored := checkStore(t, where, home, scene.old, testKey+"\n")
	if saved := stored == testKey+"\n"; saved != l.renamed {
		t.Errorf("%s: renamed: %t, but %q is stored", where, l.renamed, stored)
	}
	if l.killed && p.kill == 0 || !l.killed && !l.saysWhatItDid(s) {
		t.Errorf("%s: %q is stored, and login says %s", where, stored, l.result)
	}
	return l
}

// saysWhatItDid reports whether a login that was not killed told the truth: that it saved the key,
// perhaps with a warning, or why it did not.
func (l *tracedLogin) saysWhatItDid(s *shell) bool {
	said := func(beginning string) bool { return strings.HasPrefix(l.stderr, beginning) }
	if l.code == 0 {
		return l.stdout == s.saves().stdout && l.renamed && (l.stderr == "" || said("warning: "))
	}
	why := l.onward || l.fail > 0 && strings.Contains(l.stderr, l.errno.Error())
	return l.code == 1 && l.stdout == "" && !l.renamed && why &&
		said("error: cannot save the API key in ")
}

// TestTortureKilledAtEveryCall kills login before and after each file call of a save.
func TestTortureKilledAtEveryCall(t *testing.T) {
	onOneProcessor()
	dir := t.TempDir()
	kills, calls := 0, 0
	for _, scene := range saveScenes[:times(1, 3)] {
		whole := traceSave(t, dir, scene, plan{})
		calls += len(whole.calls)
		// What a power failure cannot undo is synced, the file before the rename and the directory
		// after it.
		all := strings.Join(whole.calls, " ")
		before, after, renamed := strings.Cut(all[strings.LastIndex(all, " write "):], " renameat")
		if !renamed || !strings.Contains(before, " fsync") || !strings.Contains(after, " fsync") {
			t.Fatalf("%s: not safe from a power failure: %q", scene.name, whole.calls)
		}
		for range times(1, 5) {
			for stop := 1; stop <= 2*len(whole.calls); stop++ {
				if traceSave(t, dir, scene, plan{kill: stop}).killed {
					kills++
				}
			}
		}
	}
	if kills < 2*calls {
		t.Errorf("%d kills at %d file calls", kills, calls)
	}
	counted(t, "%d kills before and after each of %d file calls, 0 keys lost", kills, calls)
}

// TestTortureEveryCallFails makes each file call of a save fail, alone and with all that follow it.
func TestTortureEveryCallFails(t *testing.T) {
	onOneProcessor()
	dir := t.TempDir()
	errnos := []syscall.Errno{syscall.ENOSPC, syscall.EIO, syscall.EACCES, syscall.EROFS,
		syscall.EDQUOT}
	faults, refused := 0, 0
	for _, scene := range saveScenes[:times(1, 3)] {
		calls := traceSave(t, dir, scene, plan{}).calls
		rename := 1 + slices.Index(calls, "renameat")
		for i := range 2 * len(calls) * times(1, len(errnos)) {
			p := plan{fail: 1 + i/2%len(calls), onward: i%2 == 1, errno: errnos[i/2%len(errnos)]}
			l := traceSave(t, dir, scene, p)
			faults++
			if l.code != 0 {
				refused++
				continue
			}
			name := calls[p.fail-1]
			if p.fail <= rename && slices.Contains([]string{"write", "fsync", "renameat"}, name) {
				t.Errorf("%s, %+v: %s failed, login says %s", scene.name, p, name, l.result)
			}
			// After the rename only a warning can tell.
			const warning = "warning: the key is saved, but a power failure may undo it"
			if p.fail > rename && name == "fsync" && !strings.Contains(l.stderr, warning) {
				t.Errorf("%s, %+v: the directory is not synced: %s", scene.name, p, l.result)
			}
		}
	}
	counted(t, "%d faults in file calls, %d logins failed by them, 0 keys lost", faults, refused)
}
