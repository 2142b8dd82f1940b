package main

import (
	"strings"
	"testing"
)

// TestMemoryLimitIsAnErrorLikeAnyOther checks what the user sees, and that a pipe that nobody reads
// does not hold up the end.
func TestMemoryLimitIsAnErrorLikeAnyOther(t *testing.T) {
	t.Parallel()
	api, s := newUser(t)
	api.answer("/projects", reply(200, `[{"a":"`+strings.Repeat("x", 1<<20)+`\u0041"}]`))
	line := []string{"project", "list", "--json", "--query", manyCopies}
	want := wrong{"limit.memory", "the API's answer, or the result of --query, " +
		"needs more than 512 MiB of memory", "simplify --query, or check MICROTICA_API_URL", 0}
	if got := process(t, s.environ(), "", line...); got != want.fails("", true) {
		t.Errorf("%.1000s", got)
	}
	blocked := program{env: s.environ(), stderr: fullPipe(t), measured: true}
	r, err := blocked.start(t, line...)
	must(t, err)
	if got := r.wait(); got.code != 1 || r.peak > worstPeak {
		t.Errorf("with a blocked stderr: exit %d, %d MiB", got.code, r.peak>>20)
	}
}

// TestGarbageIsCollectedBeforeTheLimit tests the soft limit: the copies fit if those no longer
// needed are freed, even if the user has turned the collector off.
func TestGarbageIsCollectedBeforeTheLimit(t *testing.T) {
	t.Parallel()
	api, s := newUser(t)
	api.answer("/projects", reply(200, `[{"a":"`+strings.Repeat("x", 5<<18)+`\u0041"}]`))
	query := "[0].[" + strings.Repeat("length(a),", 999) + "length(a)] | [0]"
	got := process(t, s.environ("GOGC=off"), "", "project", "list", "--query", query)
	if want := (result{"1310721\n", "", 0}); got != want {
		t.Errorf("got %.300s, want %s", got, want)
	}
}
