package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"runtime/metrics"
	"syscall"
	"time"
)

// This file ends a run from outside: on a signal, or at a limit on memory or time.

// endingSignals are the signals that end the program. Windows delivers only the first two.
var endingSignals = []syscall.Signal{
	syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT,
}

// grace is how long a command may take to end by itself after a signal, for example to finish
// saving a key or to restore the terminal. Even with the wait in lastWords, the program ends within
// a second.
const grace = 800 * time.Millisecond

// withSignals returns a context that the first signal cancels, with the failure to report as its
// cause. A command that does not check the context (it is decoding, evaluating, or blocked in a
// write) is aborted after grace. Further signals change nothing: they often come in pairs, and the
// second must not end the program before the terminal is restored.
func withSignals(abort func(*failure)) context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	for _, s := range endingSignals {
		if !ignoredAtStart(s) {
			signal.Notify(signals, s)
		}
	}
	go func() {
		f := interrupted(int((<-signals).(syscall.Signal)))
		cancel(f)
		time.Sleep(grace)
		abort(f)
	}()
	return ctx
}

// ignoredAtStart reports whether the program was started with the signal ignored, and keeps it
// ignored. nohup does that with HUP, a script with INT and QUIT for its background jobs. Go does
// not report an ignored QUIT, so it counts as ignored if INT is.
func ignoredAtStart(s os.Signal) bool {
	if s == syscall.SIGQUIT && signal.Ignored(syscall.SIGINT) {
		signal.Ignore(s)
	}
	return signal.Ignored(s)
}

// The limits on what one run may use, whatever the answer or the query. The garbage collector works
// harder from softMemoryLimit on; above hardMemoryLimit the run is aborted. The message states a
// higher limit, with room for allocations between two checks and for memory outside the heap.
const (
	softMemoryLimit   = 352 << 20
	hardMemoryLimit   = 400 << 20
	statedMemoryLimit = 512             // MiB
	evaluationLimit   = 4 * time.Second // on top of the limit on all requests
)

// watchLimits aborts the program when its heap, or the time until there is a result, exceeds the
// limit. It never returns.
func (a *app) watchLimits(abort func(*failure)) {
	debug.SetMemoryLimit(min(softMemoryLimit, debug.SetMemoryLimit(-1)))
	heap := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
	}
	exceeded := func(format string, args ...any) {
		f := fail(codeLimitMemory, "the API's answer, or the result of --query, "+format, args...)
		abort(f.withHint("simplify --query, or check MICROTICA_API_URL"))
	}
	for now := range time.Tick(4 * time.Millisecond) {
		metrics.Read(heap)
		if heap[0].Value.Uint64()+heap[1].Value.Uint64() > hardMemoryLimit {
			exceeded("needs more than %d MiB of memory", statedMemoryLimit)
		}
		if end := a.resultDue.Load(); end != nil && now.After(*end) {
			exceeded("takes too long")
		}
	}
}

// lastWords prints f, unless another error is already being printed, and exits with the status of
// f. It does not wait long for a stderr that blocks. It first restores the terminal, if a prompt
// has not yet done so, as on a busy machine.
func (a *app) lastWords(stderr io.Writer, asJSON bool, f *failure, exit func(int)) {
	if t := a.prompting.Load(); t != nil {
		t.restore()
	}
	time.AfterFunc(50*time.Millisecond, func() { exit(f.exitStatus()) })
	if a.ended.CompareAndSwap(false, true) {
		printError(stderr, asJSON, f)
	}
	exit(f.exitStatus())
}

// finish prints the error that a command ended with, if any, and returns the exit status. After a
// signal it reports the interruption, whatever the command returned.
func (a *app) finish(ctx context.Context, err error) int {
	var f *failure
	if errors.As(context.Cause(ctx), &f) {
		err = f
	}
	if err == nil {
		return 0
	}
	if !a.ended.CompareAndSwap(false, true) {
		select {} // lastWords is reporting an abort, and exits
	}
	return printError(a.stderr, a.json, err)
}

// untilDone is a Writer that fails once ctx has ended: an interrupted command prints no result.
type untilDone struct {
	ctx context.Context
	w   io.Writer
}

func (u *untilDone) Write(p []byte) (int, error) {
	if u.ctx.Err() != nil {
		return 0, context.Cause(u.ctx)
	}
	return u.w.Write(p)
}
