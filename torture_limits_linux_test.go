package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What any run may hold and take, whatever the answer and the query.
const (
	mostMemory = 560 << 20
	mostTime   = 65 * time.Second
)

// hungryRun is an answer and a query that would take gigabytes. The body is what stands before and
// after an element, and the element count times.
type hungryRun struct {
	name, query            string
	before, element, after string
	count                  int
	status                 string // "" for 200 OK
	limited                bool   // nothing but the limit can end it
	fits                   bool   // it stays below the limit if garbage is collected before that
}

func (h hungryRun) body() string {
	return h.before + strings.Repeat(h.element, h.count) + h.after
}

// doubled returns a query of a list with 2^times elements, each of them the whole answer.
func doubled(times int) string { return "[@]" + strings.Repeat(" | [@,@][]", times) }

// someNumbers are an answer with 16 million numbers.
func someNumbers(name, query string) hungryRun {
	return hungryRun{name: name, query: query,
		before: `[{"a":[`, element: "0,", count: 16<<20 - 100, after: "0]}]"}
}

// text is an answer with one long text, made of element.
func text(name, element string, count int, query string) hungryRun {
	return hungryRun{name: name, query: query,
		before: `[{"a":"`, element: element, count: count, after: `"}]`}
}

// message is a refusal with one long message, made of element.
func message(name, status, element string, count int) hungryRun {
	return hungryRun{name: name, status: status,
		before: `{"message":"`, element: element, count: count, after: `"}`}
}

// copies is what the test of the message runs too: the copies cannot share the answer's bytes.
var copies = hungryRun{name: "copies of a text", query: doubled(12) + " | [][].a", limited: true,
	before: `[{"a":"`, element: "x", count: 1 << 20, after: `\u0041"}]`}

var hungryRuns = []hungryRun{
	copies,
	{name: "copies that fit", query: doubled(8) + " | [][].a | length(@)", fits: true,
		before: `[{"a":"`, element: "x", count: 5 << 18, after: `\u0041"}]`},
	text("copies of a short text", `x\u0041`, 2000, doubled(20)+" | [][].a"),
	text("60 texts reversed", "x", 10<<20, "[0].["+strings.Repeat("reverse(a),", 59)+"reverse(a)]"),
	text("a text reversed and doubled", "x", 30<<20,
		"[0].a"+strings.Repeat(" | join('', [reverse(@),@])", 10)),
	text("a text doubled 30 times", "x", 10000, "[0].a"+strings.Repeat(" | join('', [@,@])", 30)),
	text("numbers of copies", "x", 1, doubled(20)+" | map(&to_number(@),@)"),
	text("texts of copies", "x", 50000, doubled(20)+" | map(&to_string(@),@)"),
	text("30 doublings", "x", 1, doubled(30)),
	text("30 doublings, nested", "x", 1, "@"+strings.Repeat(" | [@,@]", 30)),
	text("30 doublings, searched", "x", 1, doubled(30)+" | contains(@, `1`)"),
	someNumbers("16 million numbers, sorted", "sort([0].a)"),
	someNumbers("16 million numbers, filtered", "[0].a[?@==`0`]"),
	someNumbers("16 million numbers in arrays", "[0].a[].[@,@]"),
	{name: "ten million objects", query: "[].{a:a,b:b}",
		before: "[", element: "{},", count: 10 << 20, after: "{}]"},
	{name: "a dense list", before: "[", element: "{},", count: 10 << 20, after: "{}]"},
	{name: "many members", query: "[].values(@)[]",
		before: "[{", element: `"":0,`, count: 6 << 20, after: `"":0}]`},
	{name: "deep arrays", query: "[].to_string(@)", before: "[", count: 1700, after: "{}]",
		element: `{"a":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + "},"},
	{name: "long names", before: `[{"id":"`, element: `\u0001`, count: 5 << 20, after: `"}]`},
	{name: "long names of invalid bytes",
		before: `[{"id":"`, element: "\xff", count: 30 << 20, after: `"}]`},
	message("a long message of invalid bytes", "403 No", "\xff", 30<<20),
	message("a long message of escapes", "401 No", `\u0001`, 5<<20),
}

// TestTortureMemory runs what would take gigabytes: each run ends with a result or an error, and
// holds its limits.
func TestTortureMemory(t *testing.T) {
	t.Parallel()
	var runs, limited int
	var peak int64
	var longest time.Duration
	for _, test := range hungryRuns {
		status := test.status
		if status == "" {
			status = "200 OK"
		}
		var variables []string
		if test.fits {
			variables = []string{"GOGC", "off"}
		}
		m := measureAgainst(t, rawAnswer(status, test.body()), test.query, variables...)
		t.Logf("%s: exit %d, %d MiB, %.1f s", test.name, m.code, m.peak>>20, m.took.Seconds())
		runs++
		peak, longest = max(peak, m.peak), max(longest, m.took)
		if m.peak > mostMemory || m.took > mostTime {
			t.Errorf("%s: took %d MiB and %v", test.name, m.peak>>20, m.took)
		}
		ended := m.code == 1
		if ended {
			limited++
		}
		told := strings.Contains(m.stderr, "512 MiB")
		if ended != told || ended && m.stdout != "" || test.limited && !ended || m.code > 6 ||
			test.fits && m.code != 0 {
			t.Errorf("%s: exit %d, stderr %.300q", test.name, m.code, m.stderr)
		}
	}
	counted(t, "%d answers and queries that would take gigabytes, %d ended by the limit: "+
		"at most %d MiB and %.1f s", runs, limited, peak>>20, longest.Seconds())
}

// measureAgainst lists projects at a server that sends the answer, with a query unless it is empty.
func measureAgainst(t *testing.T, answer, query string, variables ...string) measured {
	t.Helper()
	server := newRecorder(t, "127.0.0.1:0", afterRequest(func(conn net.Conn, _, _ string) {
		io.WriteString(conn, answer)
	}))
	s := newShell(t, nil).with(variables...).with("MICROTICA_TOKEN", testKey)
	s.with("MICROTICA_API_URL", "http://"+server.address())
	args := []string{"project", "list"}
	if query != "" {
		args = append(args, "--query", query)
	}
	return measure(t, s.environ(), "", args...)
}

// TestMemoryLimitIsAnErrorLikeAnyOther holds what the user sees, and that a pipe that nobody reads
// does not hold up the end.
func TestMemoryLimitIsAnErrorLikeAnyOther(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t)
	api.answer("/projects", reply(200, copies.body()))
	s := newShell(t, api).with("MICROTICA_TOKEN", testKey)
	r := s.prepare(t, "project", "list", "--query", copies.query, "--json")
	r.start().cmd.Wait()
	stderr := r.stderr.String()
	if r.cmd.ProcessState.ExitCode() != 1 || r.stdout.Len() > 0 ||
		!strings.HasPrefix(stderr, `{"error":{"code":"limit.memory","message":"the API's `) ||
		!strings.HasSuffix(stderr, `"retryable":false,"exitCode":1}}`+"\n") {
		t.Errorf("%v: %q", r.cmd.ProcessState, stderr)
	}

	blocked := newDeafPipe(t).fill()
	r = s.prepare(t, "project", "list", "--query", copies.query)
	r.cmd.Stderr = blocked.writer
	r.start()
	done := make(chan struct{})
	peak := make(chan int64, 1)
	go func() { peak <- watchPeak(r.cmd.Process.Pid, done) }()
	r.cmd.Wait()
	close(done)
	if m := <-peak; r.cmd.ProcessState.ExitCode() != 1 || m > mostMemory {
		t.Errorf("with a blocked stderr: %v, %d MiB", r.cmd.ProcessState, m>>20)
	}
}

// watchPeak returns the most memory that a process has held until done is closed.
func watchPeak(pid int, done <-chan struct{}) (peak int64) {
	for {
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if found := highWater.FindSubmatch(status); found != nil {
			kilobytes, _ := strconv.ParseInt(string(found[1]), 10, 64)
			peak = max(peak, kilobytes<<10)
		}
		select {
		case <-done:
			return peak
		case <-time.After(time.Millisecond):
		}
	}
}
