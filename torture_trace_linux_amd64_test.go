package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// This file runs the program one file call at a time, by ptrace(2): it is killed before and after each, and each is made to fail.

// fileCalls are the system calls that touch files, with the argument that is a path or, negative, with -1 for a descriptor in the
// first one.
var fileCalls = map[uint64]struct {
	name string
	path int
}{
	syscall.SYS_READ: {"read", -1}, syscall.SYS_WRITE: {"write", -1}, syscall.SYS_CLOSE: {"close", -1}, syscall.SYS_FSTAT: {"fstat", -1},
	syscall.SYS_FCNTL: {"fcntl", -1}, syscall.SYS_FSYNC: {"fsync", -1}, syscall.SYS_FDATASYNC: {"fdatasync", -1},
	syscall.SYS_FTRUNCATE: {"ftruncate", -1}, syscall.SYS_FCHMOD: {"fchmod", -1}, syscall.SYS_GETDENTS64: {"getdents64", -1},
	syscall.SYS_LSEEK: {"lseek", -1}, syscall.SYS_PWRITE64: {"pwrite64", -1},
	syscall.SYS_OPENAT: {"openat", 1}, syscall.SYS_NEWFSTATAT: {"newfstatat", 1}, syscall.SYS_MKDIRAT: {"mkdirat", 1},
	syscall.SYS_UNLINKAT: {"unlinkat", 1}, syscall.SYS_RENAMEAT: {"renameat", 1}, 316: {"renameat2", 1}, syscall.SYS_FCHMODAT: {"fchmodat", 1},
	syscall.SYS_LINKAT: {"linkat", 1}, syscall.SYS_READLINKAT: {"readlinkat", 1}, syscall.SYS_FACCESSAT: {"faccessat", 1},
	syscall.SYS_OPEN: {"open", 0}, syscall.SYS_STAT: {"stat", 0}, syscall.SYS_LSTAT: {"lstat", 0}, syscall.SYS_MKDIR: {"mkdir", 0},
	syscall.SYS_UNLINK: {"unlink", 0}, syscall.SYS_RENAME: {"rename", 0}, syscall.SYS_CHMOD: {"chmod", 0}, syscall.SYS_TRUNCATE: {"truncate", 0},
}

// plan says what happens to a traced run. Calls are counted from 1.
type plan struct {
	kill   int           // the stop to kill it at: 2n-1 is before call n, 2n after it; 0 for none
	fail   int           // the call that fails; 0 for none
	onward bool          // all later ones fail too
	errno  syscall.Errno // what they fail with
}

// tracedRun is what became of it.
type tracedRun struct {
	result
	killed  bool
	calls   []string // the file calls in the home directory, in order
	renamed bool     // a rename succeeded
}

// trace runs the program with the home directory home, the key file at stdin. It returns an error where tracing is not permitted.
func trace(home, stdin string, p plan, program string, args ...string) (run tracedRun, err error) {
	var files [3]*os.File
	if files[0], err = os.Open(stdin); err != nil {
		return run, err
	}
	defer files[0].Close()
	for i := 1; i < 3; i++ {
		if files[i], err = os.CreateTemp(testDir, "output-"); err != nil {
			return run, err
		}
		defer os.Remove(files[i].Name())
		defer files[i].Close()
	}

	runtime.LockOSThread() // every request must come from the thread that started the program
	defer runtime.UnlockOSThread()
	defer onOneProcessor()()
	pid, err := syscall.ForkExec(program, append([]string{program}, args...), &syscall.ProcAttr{
		Env:   []string{"HOME=" + home, "GOMAXPROCS=2"},
		Files: []uintptr{files[0].Fd(), files[1].Fd(), files[2].Fd()},
		Sys:   &syscall.SysProcAttr{Ptrace: true},
	})
	if err != nil {
		return run, err
	}
	watchdog := time.AfterFunc(time.Minute, func() { syscall.Kill(pid, syscall.SIGKILL) })
	defer watchdog.Stop()
	t := tracer{pid: pid, dir: filepath.Join(home, ".microtica"), plan: p, open: map[uint64]bool{}, inside: map[int]bool{}, failing: map[int]bool{}, known: map[int]bool{pid: true}}
	status, err := t.loop()
	if err != nil {
		syscall.Kill(pid, syscall.SIGKILL)
		syscall.Wait4(pid, nil, 0, nil)
		return run, err
	}
	run.calls, run.renamed, run.killed, run.code = t.calls, t.renamed, status.Signaled(), status.ExitStatus()
	for i, text := range map[int]*string{1: &run.stdout, 2: &run.stderr} {
		data, err := os.ReadFile(files[i].Name())
		if err != nil {
			return run, err
		}
		*text = string(data)
	}
	return run, nil
}

// onOneProcessor keeps this thread, and what it starts, on one processor until the returned function is called: handing over at
// each stop is ten times as fast there. Where the system refuses, the tests are only slower.
func onOneProcessor() func() {
	var before, one [128]byte
	size, address := unsafe.Sizeof(one), func(mask *[128]byte) uintptr { return uintptr(unsafe.Pointer(mask)) }
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SCHED_GETAFFINITY, 0, size, address(&before)); errno != 0 {
		return func() {}
	}
	for i := range before {
		if before[i] != 0 {
			one[i] = before[i] & -before[i] // the lowest of them
			break
		}
	}
	syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, 0, size, address(&one))
	return func() { syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, 0, size, address(&before)) }
}

type tracer struct {
	pid     int
	dir     string
	plan    plan
	calls   []string
	stops   int
	renamed bool
	open    map[uint64]bool // descriptors of files in dir
	known   map[int]bool    // threads that have started
	inside  map[int]bool    // threads in a file call in dir
	failing map[int]bool    // threads in one that fails
}

// loop lets the program run from one system call to the next, until it ends.
func (t *tracer) loop() (syscall.WaitStatus, error) {
	const (
		wNoThread     = 0x20000000 // only what this thread started: the other processes are somebody else's
		wAll          = syscall.WALL
		sysGood       = 1
		killWithUs    = 0x100000
		syscallStop   = syscall.SIGTRAP | 0x80
		traceSettings = sysGood | syscall.PTRACE_O_TRACECLONE | killWithUs
	)
	ready, monitor := false, 0 // the first thread that Go starts is its monitor, which only sleeps: it need not be stopped
	for {
		var status syscall.WaitStatus
		tid, err := syscall.Wait4(-1, &status, wAll|wNoThread, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return status, err
		}
		if status.Exited() || status.Signaled() {
			if tid == t.pid {
				return status, nil
			}
			continue
		}
		deliver, resume := 0, syscall.PtraceSyscall
		switch signal := status.StopSignal(); {
		case !ready:
			if err := syscall.PtraceSetOptions(t.pid, traceSettings); err != nil {
				return status, err
			}
			ready = true
		case signal == syscallStop:
			if err := t.stop(tid); err != nil && err != syscall.ESRCH {
				return status, err
			}
		case signal == syscall.SIGTRAP: // a new thread's birth
			if born, err := syscall.PtraceGetEventMsg(tid); err == nil && monitor == 0 && status.TrapCause() == syscall.PTRACE_EVENT_CLONE {
				monitor = int(born)
			}
		case signal == syscall.SIGSTOP && !t.known[tid]:
			t.known[tid] = true
		default:
			deliver = int(signal)
		}
		if tid == monitor {
			resume = syscall.PtraceCont
		}
		if err := resume(tid, deliver); err != nil && err != syscall.ESRCH {
			return status, err
		}
	}
}

// syscallInfo is what PTRACE_GET_SYSCALL_INFO returns.
type syscallInfo struct {
	op     uint8 // 1 for an entry, 2 for an exit
	_      [3]uint8
	arch   uint32
	ip, sp uint64
	number uint64 // at an exit the result
	args   [6]uint64
	_      [2]uint64
}

// stop looks at a thread that enters or leaves a system call, and does what the plan says.
func (t *tracer) stop(tid int) error {
	var info syscallInfo
	if _, _, errno := syscall.Syscall6(syscall.SYS_PTRACE, 0x420e, uintptr(tid), unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0); errno != 0 {
		return errno
	}
	switch {
	case info.op == 1:
		call, ok := fileCalls[info.number]
		if !ok || call.path < 0 && !t.open[info.args[0]] || call.path >= 0 && !strings.HasPrefix(t.text(tid, info.args[call.path]), t.dir) {
			return nil
		}
		t.calls = append(t.calls, call.name)
		t.inside[tid] = true
		if n := len(t.calls); t.plan.fail != 0 && (n == t.plan.fail || n > t.plan.fail && t.plan.onward) {
			t.failing[tid] = true
			if err := t.change(tid, func(r *syscall.PtraceRegs) { r.Orig_rax = ^uint64(0) }); err != nil { // the kernel then does nothing
				return err
			}
		} else if call.name == "close" {
			delete(t.open, info.args[0])
		}
	case t.inside[tid]:
		result := int64(info.number)
		if t.failing[tid] {
			result = -int64(t.plan.errno)
			if err := t.change(tid, func(r *syscall.PtraceRegs) { r.Rax = uint64(result) }); err != nil {
				return err
			}
		}
		delete(t.inside, tid)
		delete(t.failing, tid)
		if name := t.calls[len(t.calls)-1]; result >= 0 {
			if strings.HasPrefix(name, "open") {
				t.open[uint64(result)] = true
			}
			t.renamed = t.renamed || strings.HasPrefix(name, "rename")
		}
	default:
		return nil
	}
	if t.stops++; t.stops == t.plan.kill {
		return syscall.Kill(t.pid, syscall.SIGKILL)
	}
	return nil
}

func (t *tracer) change(tid int, f func(*syscall.PtraceRegs)) error {
	var registers syscall.PtraceRegs
	if err := syscall.PtraceGetRegs(tid, &registers); err != nil {
		return err
	}
	f(&registers)
	return syscall.PtraceSetRegs(tid, &registers)
}

// text returns the string at an address of the program.
func (t *tracer) text(tid int, address uint64) string {
	var text []byte
	for len(text) < 4096 {
		var word [8]byte
		if n, err := syscall.PtracePeekData(tid, uintptr(address)+uintptr(len(text)), word[:]); err != nil || n == 0 {
			break
		}
		for _, c := range word {
			if c == 0 {
				return string(text)
			}
			text = append(text, c)
		}
	}
	return string(text)
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

// traceSave makes the scene, runs login --no-verify in it after a plan, and checks what may never be wrong.
func traceSave(t *testing.T, dir string, scene saveScene, p plan) tracedRun {
	t.Helper()
	home, err := os.MkdirTemp(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(home)
	s := shellIn(t, home)
	if scene.old != "" {
		s.save(scene.old)
	}
	if scene.leftover {
		path := filepath.Join(filepath.Dir(s.credentials()), temporary+"leftover")
		if err := os.WriteFile(path, []byte(otherKey), 0o600); err != nil {
			t.Fatal(err)
		}
		old := time.Now().Add(-time.Hour)
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
	}
	keyFile := filepath.Join(home, "key")
	if err := os.WriteFile(keyFile, []byte(testKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run, err := trace(home, keyFile, p, builtBinary(t), "login", "--no-verify")
	if err != nil {
		if p == (plan{}) {
			t.Skipf("the program cannot be traced here: %v", err)
		}
		t.Fatal(err)
	}
	where := fmt.Sprintf("%s, %+v", scene.name, p)
	if left, _ := filepath.Glob(filepath.Join(home, ".microtica", temporary+"*")); !run.killed && !p.onward { // one call cannot fail and its remedy too
		for _, path := range left {
			if filepath.Base(path) != temporary+"leftover" || run.stderr == "" {
				t.Errorf("%s: %s is left", where, path)
			}
		}
	}
	stored := checkStore(t, where, home, scene.old, testKey+"\n")
	if run.renamed != (stored == testKey+"\n") {
		t.Errorf("%s: the rename has succeeded: %t, but %q is stored", where, run.renamed, stored)
	}
	if run.killed {
		if p.kill == 0 {
			t.Errorf("%s: it died", where)
		}
		return run
	}
	saved := "Saved API key mic_d60bea1d to " + s.credentials() + "\n"
	switch {
	case run.code == 0 && run.stdout == saved && stored == testKey+"\n" && (run.stderr == "" || strings.HasPrefix(run.stderr, "warning: ")):
	case run.code == 1 && run.stdout == "" && stored == scene.old && (p.fail > 0 && strings.Contains(run.stderr, p.errno.Error()) || p.onward) &&
		(strings.HasPrefix(run.stderr, "error: cannot save the API key in ") || strings.HasPrefix(run.stderr, "error: will not replace or remove ") ||
			strings.HasPrefix(run.stderr, "warning: cannot remove what an interrupted login left in ")):
	default:
		t.Errorf("%s: %q is stored, and login says %s", where, stored, run.result)
	}
	return run
}

// TestTortureKilledAtEveryCall kills login before and after each file call of a save.
func TestTortureKilledAtEveryCall(t *testing.T) {
	dir := t.TempDir()
	kills, calls := 0, 0
	for _, scene := range saveScenes[:times(1, 3)] {
		whole := traceSave(t, dir, scene, plan{})
		calls += len(whole.calls)
		joined := strings.Join(whole.calls, " ")
		if before, after, renamed := strings.Cut(joined, " renameat"); !renamed || !strings.Contains(before, " write close ") && !strings.Contains(before, " write fsync ") ||
			!strings.Contains(before[strings.LastIndex(before, " write "):], " fsync ") || !strings.Contains(after, " fsync ") {
			t.Fatalf("%s: nothing that a power failure cannot undo: %s", scene.name, joined)
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
	dir := t.TempDir()
	errnos := []syscall.Errno{syscall.ENOSPC, syscall.EIO, syscall.EACCES, syscall.EROFS, syscall.EDQUOT}
	faults, refused := 0, 0
	for _, scene := range saveScenes[:times(1, 3)] {
		whole := traceSave(t, dir, scene, plan{})
		for call := 1; call <= len(whole.calls); call++ {
			for i := range times(1, len(errnos)) {
				for _, onward := range []bool{false, true} {
					p := plan{fail: call, onward: onward, errno: errnos[(call+i)%len(errnos)]}
					run := traceSave(t, dir, scene, p)
					faults++
					if run.code != 0 {
						refused++
					}
					name, rename := whole.calls[call-1], position(whole.calls, "renameat")
					if run.code == 0 && call <= rename && (name == "write" || name == "fsync" || name == "renameat") {
						t.Errorf("%s, %+v: %s failed, and login says %s", scene.name, p, name, run.result)
					}
					// After the rename only a warning can tell.
					if run.code == 0 && call > rename && name == "fsync" &&
						!strings.Contains(run.stderr, "warning: the key is saved, but a power failure may undo it") {
						t.Errorf("%s, %+v: %s failed, and login says %s", scene.name, p, name, run.result)
					}
				}
			}
		}
	}
	counted(t, "%d faults in file calls, %d logins failed by them, 0 keys lost", faults, refused)
}

// position returns where name stands in names, counted from 1.
func position(names []string, name string) int {
	for i := range names {
		if names[i] == name {
			return i + 1
		}
	}
	return 0
}
