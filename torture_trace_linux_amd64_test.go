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

// fileCall is a system call that touches files.
type fileCall struct {
	name string
	path int // the argument that is a path; -1 where the first one is a descriptor
}

var fileCalls = map[uint64]fileCall{
	syscall.SYS_READ: {"read", -1}, syscall.SYS_WRITE: {"write", -1},
	syscall.SYS_PWRITE64: {"pwrite64", -1}, syscall.SYS_CLOSE: {"close", -1},
	syscall.SYS_FSTAT: {"fstat", -1}, syscall.SYS_FCNTL: {"fcntl", -1},
	syscall.SYS_FSYNC: {"fsync", -1}, syscall.SYS_FDATASYNC: {"fdatasync", -1},
	syscall.SYS_FTRUNCATE: {"ftruncate", -1}, syscall.SYS_FCHMOD: {"fchmod", -1},
	syscall.SYS_GETDENTS64: {"getdents64", -1}, syscall.SYS_LSEEK: {"lseek", -1},
	syscall.SYS_OPENAT: {"openat", 1}, syscall.SYS_NEWFSTATAT: {"newfstatat", 1},
	syscall.SYS_MKDIRAT: {"mkdirat", 1}, syscall.SYS_UNLINKAT: {"unlinkat", 1},
	syscall.SYS_RENAMEAT: {"renameat", 1}, 316: {"renameat2", 1},
	syscall.SYS_FCHMODAT: {"fchmodat", 1}, syscall.SYS_LINKAT: {"linkat", 1},
	syscall.SYS_READLINKAT: {"readlinkat", 1}, syscall.SYS_FACCESSAT: {"faccessat", 1},
	syscall.SYS_OPEN: {"open", 0}, syscall.SYS_STAT: {"stat", 0},
	syscall.SYS_LSTAT: {"lstat", 0}, syscall.SYS_MKDIR: {"mkdir", 0},
	syscall.SYS_UNLINK: {"unlink", 0}, syscall.SYS_RENAME: {"rename", 0},
	syscall.SYS_CHMOD: {"chmod", 0}, syscall.SYS_TRUNCATE: {"truncate", 0},
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

// traceLogin runs login --no-verify with a home directory. It returns an error where tracing is not
// permitted.
func traceLogin(t *testing.T, home string, p plan) (tracedRun, error) {
	runtime.LockOSThread() // every request must come from the thread that started the program
	defer runtime.UnlockOSThread()
	defer onOneProcessor()()
	login := program{
		env:        []string{"HOME=" + home, "GOMAXPROCS=2"},
		stdin:      testKey,
		attributes: &syscall.SysProcAttr{Ptrace: true},
	}
	r, err := login.start(t, "login", "--no-verify")
	if err != nil {
		return tracedRun{}, err
	}
	tr := tracer{
		pid:     r.Process.Pid,
		dir:     filepath.Join(home, ".microtica"),
		plan:    p,
		open:    map[uint64]bool{},
		known:   map[int]bool{r.Process.Pid: true},
		inside:  map[int]bool{},
		failing: map[int]bool{},
	}
	status, err := tr.loop()
	if err != nil {
		r.Process.Kill()
		syscall.Wait4(tr.pid, nil, 0, nil)
	}
	run := tracedRun{r.wait(), status.Signaled(), tr.calls, tr.renamed}
	run.code = status.ExitStatus()
	return run, err
}

// onOneProcessor keeps this thread, and what it starts, on one processor until the returned
// function is called: handing over at each stop is ten times as fast there. Where the system
// refuses, the tests are only slower.
func onOneProcessor() func() {
	var before, one [128]byte
	call := func(number uintptr, mask *[128]byte) syscall.Errno {
		_, _, errno := syscall.RawSyscall(number, 0, unsafe.Sizeof(*mask),
			uintptr(unsafe.Pointer(mask)))
		return errno
	}
	if call(syscall.SYS_SCHED_GETAFFINITY, &before) != 0 {
		return func() {}
	}
	if i := slices.IndexFunc(before[:], func(b byte) bool { return b != 0 }); i >= 0 {
		one[i] = before[i] & -before[i] // the lowest of them
	}
	call(syscall.SYS_SCHED_SETAFFINITY, &one)
	return func() { call(syscall.SYS_SCHED_SETAFFINITY, &before) }
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
	monitor int             // Go's first thread, which only sleeps: it need not be stopped
}

const (
	onlyOurThread = 0x20000000 // wait for what this thread started: the rest is somebody else's
	syscallStop   = syscall.SIGTRAP | 0x80
	traceOptions  = 1 | syscall.PTRACE_O_TRACECLONE | 0x100000 // TRACESYSGOOD, EXITKILL
)

// loop lets the program run from one system call to the next, until it ends.
func (t *tracer) loop() (syscall.WaitStatus, error) {
	ready := false
	for {
		var status syscall.WaitStatus
		tid, err := syscall.Wait4(-1, &status, syscall.WALL|onlyOurThread, nil)
		if err == syscall.EINTR {
			continue
		}
		ended := status.Exited() || status.Signaled()
		if err != nil || ended && tid == t.pid {
			return status, err
		}
		if ended {
			continue
		}
		if !ready {
			if err := syscall.PtraceSetOptions(t.pid, traceOptions); err != nil {
				return status, err
			}
		}
		deliver, err := t.signal(tid, status)
		if !ready {
			deliver, ready = 0, true
		}
		resume := syscall.PtraceSyscall
		if tid == t.monitor {
			resume = syscall.PtraceCont
		}
		if err == nil {
			err = resume(tid, deliver)
		}
		if err != nil && err != syscall.ESRCH {
			return status, err
		}
	}
}

// signal deals with what stopped a thread, and returns the signal that the thread gets.
func (t *tracer) signal(tid int, status syscall.WaitStatus) (deliver int, err error) {
	switch signal := status.StopSignal(); {
	case signal == syscallStop:
		return 0, t.stop(tid)
	case signal == syscall.SIGTRAP:
		if status.TrapCause() == syscall.PTRACE_EVENT_CLONE && t.monitor == 0 {
			born, _ := syscall.PtraceGetEventMsg(tid)
			t.monitor = int(born)
		}
		return 0, nil
	case signal == syscall.SIGSTOP && !t.known[tid]:
		t.known[tid] = true
		return 0, nil
	default:
		return int(signal), nil
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
	if _, _, errno := syscall.Syscall6(syscall.SYS_PTRACE, 0x420e, uintptr(tid),
		unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0); errno != 0 {
		return errno
	}
	var err error
	switch {
	case info.op == 1 && t.concerns(tid, info):
		err = t.enter(tid, info)
	case info.op != 1 && t.inside[tid]:
		err = t.leave(tid, int64(info.number))
	default:
		return nil
	}
	if err != nil {
		return err
	}
	if t.stops++; t.stops == t.plan.kill {
		return syscall.Kill(t.pid, syscall.SIGKILL)
	}
	return nil
}

// concerns reports whether a call is about a file in dir.
func (t *tracer) concerns(tid int, info syscallInfo) bool {
	call, ok := fileCalls[info.number]
	if !ok || call.path < 0 {
		return ok && t.open[info.args[0]]
	}
	return strings.HasPrefix(t.text(tid, info.args[call.path]), t.dir)
}

func (t *tracer) enter(tid int, info syscallInfo) error {
	name := fileCalls[info.number].name
	t.calls = append(t.calls, name)
	t.inside[tid] = true
	n := len(t.calls)
	if t.plan.fail != 0 && (n == t.plan.fail || n > t.plan.fail && t.plan.onward) {
		t.failing[tid] = true // the kernel knows no such call, and does nothing
		return t.change(tid, func(r *syscall.PtraceRegs) { r.Orig_rax = ^uint64(0) })
	}
	if name == "close" {
		delete(t.open, info.args[0])
	}
	return nil
}

func (t *tracer) leave(tid int, result int64) error {
	var err error
	if t.failing[tid] {
		result = -int64(t.plan.errno)
		err = t.change(tid, func(r *syscall.PtraceRegs) { r.Rax = uint64(result) })
	}
	delete(t.inside, tid)
	delete(t.failing, tid)
	if name := t.calls[len(t.calls)-1]; result >= 0 {
		if strings.HasPrefix(name, "open") {
			t.open[uint64(result)] = true
		}
		t.renamed = t.renamed || strings.HasPrefix(name, "rename")
	}
	return err
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
		n, err := syscall.PtracePeekData(tid, uintptr(address)+uintptr(len(text)), word[:])
		if err != nil || n == 0 {
			break
		}
		if end := slices.Index(word[:], 0); end >= 0 {
			return string(append(text, word[:end]...))
		}
		text = append(text, word[:]...)
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

// traceSave makes the scene, runs login there after a plan, and checks what may never be wrong.
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
	leftover := filepath.Join(filepath.Dir(s.credentials()), temporary+"leftover")
	if scene.leftover {
		if err := os.WriteFile(leftover, []byte(otherKey), 0o600); err != nil {
			t.Fatal(err)
		}
		old := time.Now().Add(-time.Hour)
		if err := os.Chtimes(leftover, old, old); err != nil {
			t.Fatal(err)
		}
	}
	run, err := traceLogin(t, home, p)
	if err != nil && p == (plan{}) {
		t.Skipf("the program cannot be traced here: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	where := fmt.Sprintf("%s, %+v", scene.name, p)
	left, _ := filepath.Glob(filepath.Join(home, ".microtica", temporary+"*"))
	for _, path := range left { // a call cannot fail and its remedy too
		if !run.killed && !p.onward && (path != leftover || run.stderr == "") {
			t.Errorf("%s: %s is left", where, path)
		}
	}
	stored := checkStore(t, where, home, scene.old, testKey+"\n")
	if run.renamed != (stored == testKey+"\n") {
		t.Errorf("%s: renamed: %t, but %q is stored", where, run.renamed, stored)
	}
	if run.killed && p.kill == 0 {
		t.Errorf("%s: it died", where)
	}
	if !run.killed && !saidWhatItDid(run, p, stored, s.credentials()) {
		t.Errorf("%s: %q is stored, and login says %s", where, stored, run.result)
	}
	return run
}

// saidWhatItDid reports whether a login that was not killed told the truth: that it saved the key,
// perhaps with a warning, or why it did not.
func saidWhatItDid(run tracedRun, p plan, stored, path string) bool {
	said := func(beginnings ...string) bool {
		return slices.ContainsFunc(beginnings, func(text string) bool {
			return strings.HasPrefix(run.stderr, text)
		})
	}
	if run.code == 0 {
		return run.stdout == "Saved API key mic_d60bea1d to "+path+"\n" &&
			stored == testKey+"\n" && (run.stderr == "" || said("warning: "))
	}
	why := p.onward || p.fail > 0 && strings.Contains(run.stderr, p.errno.Error())
	return run.code == 1 && run.stdout == "" && stored != testKey+"\n" && why &&
		said("error: cannot save the API key in ", "error: will not replace or remove ",
			"warning: cannot remove what an interrupted login left in ")
}

// TestTortureKilledAtEveryCall kills login before and after each file call of a save.
func TestTortureKilledAtEveryCall(t *testing.T) {
	dir := t.TempDir()
	kills, calls := 0, 0
	for _, scene := range saveScenes[:times(1, 3)] {
		whole := traceSave(t, dir, scene, plan{})
		calls += len(whole.calls)
		// What a power failure cannot undo is synced, the file before the rename and the directory
		// after it.
		before, after, renamed := strings.Cut(strings.Join(whole.calls, " "), " renameat")
		_, written, _ := cutLast(before, " write ")
		if !renamed || !strings.Contains(written+" ", "fsync ") ||
			!strings.Contains(after, " fsync") {
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

// cutLast cuts text around the last separator.
func cutLast(text, separator string) (before, after string, found bool) {
	i := strings.LastIndex(text, separator)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(separator):], true
}

// TestTortureEveryCallFails makes each file call of a save fail, alone and with all that follow it.
func TestTortureEveryCallFails(t *testing.T) {
	dir := t.TempDir()
	errnos := []syscall.Errno{syscall.ENOSPC, syscall.EIO, syscall.EACCES, syscall.EROFS,
		syscall.EDQUOT}
	faults, refused := 0, 0
	for _, scene := range saveScenes[:times(1, 3)] {
		calls := traceSave(t, dir, scene, plan{}).calls
		rename := 1 + slices.Index(calls, "renameat")
		for i := range 2 * len(calls) * times(1, len(errnos)) {
			p := plan{fail: 1 + i/2%len(calls), onward: i%2 == 1, errno: errnos[i/2%len(errnos)]}
			run := traceSave(t, dir, scene, p)
			faults++
			if run.code != 0 {
				refused++
				continue
			}
			name := calls[p.fail-1]
			if p.fail <= rename && slices.Contains([]string{"write", "fsync", "renameat"}, name) {
				t.Errorf("%s, %+v: %s failed, login says %s", scene.name, p, name, run.result)
			}
			// After the rename only a warning can tell.
			const warning = "warning: the key is saved, but a power failure may undo it"
			if p.fail > rename && name == "fsync" && !strings.Contains(run.stderr, warning) {
				t.Errorf("%s, %+v: the directory is not synced: %s", scene.name, p, run.result)
			}
		}
	}
	counted(t, "%d faults in file calls, %d logins failed by them, 0 keys lost", faults, refused)
}
