package main

import (
	"strings"
	"testing"
)

// copies returns a query that makes 2^n copies of a text of the answer: the text has an escape, so
// that they cannot share the answer's bytes.
func copies(n int) string { return "[@]" + doublings(n) + "|[][].a" }

// TestMemoryLimitIsAnErrorLikeAnyOther holds what the user sees, and that a pipe that nobody reads
// does not hold up the end.
func TestMemoryLimitIsAnErrorLikeAnyOther(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	api.answer("/projects", reply(200, `[{"a":"`+strings.Repeat("x", 1<<20)+`\u0041"}]`))
	s := newShell(t, api).with("MICROTICA_TOKEN", testKey)
	got := process(t, s.environ(), "", "project", "list", "--query", copies(12), "--json")
	if got.code != 1 || got.stdout != "" ||
		!strings.HasPrefix(got.stderr, `{"error":{"code":"limit.memory","message":"the API's `) ||
		!strings.HasSuffix(got.stderr, `"retryable":false,"exitCode":1}}`+"\n") {
		t.Error(got)
	}

	p := program{env: s.environ(), stderr: fullPipe(t), measured: true}
	measured, err := p.start(t, "project", "list", "--query", copies(12))
	if err != nil {
		t.Fatal(err)
	}
	got = measured.wait()
	if got.code != 1 || measured.peak > 560<<20 {
		t.Errorf("with a blocked stderr: exit %d, %d MiB", got.code, measured.peak>>20)
	}
}

// TestGarbageIsCollectedBeforeTheLimit holds the soft limit: the copies fit, if those that nobody
// needs any more are let go, even where the user has turned the collector off.
func TestGarbageIsCollectedBeforeTheLimit(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	api.answer("/projects", reply(200, `[{"a":"`+strings.Repeat("x", 5<<18)+`\u0041"}]`))
	s := newShell(t, api).with("MICROTICA_TOKEN", testKey, "GOGC", "off")
	query := "[0].[" + strings.Repeat("length(a),", 999) + "length(a)] | [0]"
	got := program{env: s.environ()}.run(t, "project", "list", "--query", query)
	if want := (result{"1310721\n", "", 0}); got != want {
		t.Errorf("got %.300s, want %s", got, want)
	}
}
