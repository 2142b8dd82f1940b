package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	okLine      = "HTTP/1.1 200 OK\r\n"
	chunkedHead = okLine + "Transfer-Encoding: chunked\r\n\r\n"

	// The most memory of a run: what is ordinary, and what the limit on memory lets pass.
	ordinaryPeak = 160 << 20
	worstPeak    = 560 << 20
)

// hostileServer is a server that does what costs the program much. Those that cost it nothing are
// failingServers in http_test.go.
type hostileServer struct {
	name  string
	serve func(net.Conn)
	code  int    // what the command exits with
	line  string // the command; "" for project list
}

// endlessServers send more than anybody wants.
var endlessServers = []hostileServer{
	{"a gzip bomb", func(conn net.Conn) {
		answering(okLine + "Content-Encoding: gzip\r\n\r\n" + bomb())(conn)
	}, 6, ""},
	{"a body", beginning(okLine+"\r\n[", endless(`{"id":"x","name":"y"},`)), 6, ""},
	{"chunks", beginning(chunkedHead, endless("10\r\n[[[[[[[[[[[[[[[[\r\n")), 6, ""},
	{"the body of an error", beginning("HTTP/1.1 400 No\r\n\r\n", endless("x")), 6, ""},
	{"extensions of chunks",
		beginning(chunkedHead, endless("1;"+strings.Repeat("x", 2000)+"\r\n \r\n")), 6, ""},
	{"the size of a chunk", beginning(chunkedHead, endless("0")), 6, ""},
	{"trailers", beginning(chunkedHead+"2\r\n{}\r\n0\r\n", endless("X-Trailer: x\r\n")), 6, ""},
	{"a header", beginning(okLine, endless("X-Header: x\r\n")), 6, ""},
	{"a line of a header", beginning(okLine+"X: ", endless("x")), 6, ""},
	{"a status line", beginning("HTTP/1.1 200 ", endless("x")), 6, ""},
	{"interim answers",
		beginning("", endless("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")), 6, ""},
	{"noise", beginning("", endless("\x00\x1b[31m\xff")), 6, ""},
}

// largeAnswers are JSON of 32 MiB, as costly as that can be.
var largeAnswers = []hostileServer{
	{"deep arrays", filling("200 OK", "", "[", ""), 6, ""},
	{"numbers where objects should be", filling("200 OK", "[0", ",0", "]"), 6, ""},
	{"empty objects", filling("200 OK", "[{}", ",{}", "]"), 0, ""},
	{"empty objects as JSON", filling("200 OK", "[{}", ",{}", "]"), 0, "project list --json"},
	{"a long name", filling("200 OK", `[{"id":"a","name":"`, "x", `"}]`), 0, ""},
	{"a long name that is not UTF-8", filling("200 OK", `[{"name":"`, "\xff", `"}]`), 0, ""},
	{"a long name of control characters", filling("200 OK", `[{"name":"`, `\u001b`, `"}]`), 0, ""},
	{"a long name as JSON", filling("200 OK", `[{"name":"`, "\xff", `"}]`), 0,
		"project list --json"},
	{"a name that repeats the key", filling("200 OK", `[{"name":"`, testKey, `"}]`), 0, ""},
	{"a long id among many", func(conn net.Conn) {
		long := `[{"id":"` + strings.Repeat("x", 8<<20) + `"}`
		filling("200 OK", long, `,{"id":"y","name":"z"}`, "]")(conn)
	}, 0, ""},
	{"a message that is not UTF-8", filling("400 No", `{"message":"`, "\xff", `"}`), 4, ""},
	{"a message of control characters", filling("500 No", `{"message":"`, `\u202e`, `"}`), 6, ""},
	{"a message that repeats the key", filling("400 No", `{"message":"`, testKey, `"}`), 4, ""},
	{"a message to login", filling("401 No", `{"message":"`, "\xff", `"}`), 3, "login"},
	{"a message to whoami", filling("401 No", `{"message":"`, "\xff", `"}`), 3, "whoami"},
}

// Answers for heavyQueries.
var (
	manyNumbers = filling("200 OK", `[{"n":[0`, ",0", "]}]")
	manyObjects = filling("200 OK", "[{}", ",{}", "]")
	manyMembers = filling("200 OK", `[{"":0`, `,"":0`, "}]")
	longText    = filling("200 OK", `[{"a":"`, "x", `"}]`)
	escapedText = answering(rawAnswer("200 OK", `[{"a":"`+strings.Repeat("x", 1<<20)+`\u0041"}]`))
	smallList   = answering(rawAnswer("200 OK", "["+strings.Repeat(
		`{"id":"1","name":"`+strings.Repeat("x", 80)+`"},`, 100)+"{}]"))
	deepList = filling("200 OK", "[{}",
		`,{"a":`+strings.Repeat("[", 9000)+strings.Repeat("]", 9000)+"}", "]")
)

// heavyQueries multiply an answer. Each prints its result, or ends with limit.memory or query.type;
// where the code is 1, only the limit can end it. A run with small numbers takes only those before
// the blank line.
var heavyQueries = []hostileServer{
	{"16 million numbers, flattened", manyNumbers, 0, listQuery("[].n[]")},
	{"16 million numbers, sorted", manyNumbers, 0, listQuery("sort([0].n)[0]")},
	{"16 million numbers as text", manyNumbers, 0, listQuery("length(map(&to_string(@),[0].n))")},
	{"179 bytes", smallList, 0, listQuery("[].name" + doublings(20) + "|join('-',@)")},
	{"20 doublings, as numbers", smallList, 0,
		listQuery("[].id" + doublings(20) + "|map(&to_number(@),@)")},
	{"a text doubled", smallList, 0,
		listQuery("[0].name" + strings.Repeat("|join('',[@,@])", 30) + "|length(@)")},
	{"copies of a text", escapedText, 1, listQuery(manyCopies)},

	{"16 million numbers, filtered", manyNumbers, 0, listQuery("[0].n[?@==`0`]")},
	{"16 million numbers in arrays", manyNumbers, 0, listQuery("[0].n[].[@,@]")},
	{"60 texts reversed", longText, 0,
		listQuery("[0].[" + strings.Repeat("reverse(a),", 59) + "reverse(a)]")},
	{"a text reversed and doubled", longText, 0,
		listQuery("[0].a" + strings.Repeat("|join('',[reverse(@),@])", 10))},
	{"30 doublings, nested", smallList, 0, listQuery("@" + strings.Repeat("|[@,@]", 30))},
	{"30 doublings, searched", smallList, 0, listQuery("@" + doublings(30) + "|contains(@,`1`)")},
	{"20 doublings, as text", smallList, 0,
		listQuery("@" + doublings(20) + "|map(&to_string(@),@)")},
	{"ten million objects", manyObjects, 0, listQuery("[].{a:a,b:b}")},
	{"many members", manyMembers, 0, listQuery("[].values(@)[]")},
	{"deep arrays", deepList, 0, listQuery("[].to_string(@)")},
}

// manyCopies is a query that copies a text 4096 times, if that has an escape: otherwise the copies
// share the answer's bytes.
var manyCopies = "[@]" + doublings(12) + "|[][].a"

func listQuery(expression string) string { return "project list --query " + expression }

// doublings returns the end of a query that doubles a list n times.
func doublings(n int) string { return strings.Repeat("|[@,@][]", n) }

// beginning returns a handler that reads a request, sends text, and goes on with then.
func beginning(text string, then func(net.Conn)) func(net.Conn) {
	return afterRequest(func(conn net.Conn, _ string) {
		io.WriteString(conn, text)
		then(conn)
	})
}

// endless returns a handler that writes text until the other side has had enough.
func endless(text string) func(net.Conn) {
	return func(conn net.Conn) {
		for data := strings.Repeat(text, 1+(64<<10)/len(text)); ; {
			if _, err := io.WriteString(conn, data); err != nil {
				return
			}
		}
	}
}

// filling returns a handler that answers with a body of 32 MiB: before, as many pieces as fit,
// after.
func filling(status, before, piece, after string) func(net.Conn) {
	n := (maxBodyBytes - len(before) - len(after)) / len(piece)
	return afterRequest(func(conn net.Conn, _ string) {
		fmt.Fprintf(conn, "HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s",
			status, len(before)+n*len(piece)+len(after), before)
		inBlock := 1 + (64<<10)/len(piece)
		block := strings.Repeat(piece, inBlock)
		for range n / inBlock {
			io.WriteString(conn, block)
		}
		io.WriteString(conn, strings.Repeat(piece, n%inBlock)+after)
	})
}

func silent(conn net.Conn) { io.Copy(io.Discard, conn) }

// bomb returns a small body that becomes 1 GiB when it is unpacked.
func bomb() string {
	var member bytes.Buffer
	w := gzip.NewWriter(&member)
	w.Write(make([]byte, 16<<20))
	w.Close()
	return strings.Repeat(member.String(), 64)
}

// cost is what a run took.
type cost struct {
	name string
	peak int64
	time time.Duration
}

// meet runs a command against a hostile server, as a process, and checks what holds for all: how it
// ends, how often it asks, what it costs, and that it prints nothing that acts on a terminal.
func meet(t *testing.T, server hostileServer, most int64) cost {
	raw := newRawServer(t, server.serve)
	s := newRawShell(t, raw)
	p := program{env: s.environ(), stdin: testKey, limit: 90 * time.Second, measured: true}
	r, err := p.start(t, strings.Fields(cmp.Or(server.line, "project list"))...)
	if err != nil {
		t.Error(err)
		return cost{}
	}
	got := r.wait()
	heavy := most == worstPeak && server.code == 0 &&
		(got.code == 1 && strings.Contains(got.stderr, "the result of --query") || got.code == 2)
	prints := got.code == 0 || server.line == "whoami"
	_, connections := raw.taken()
	if r.peak > most || r.took > 65*time.Second || got.code != server.code && !heavy ||
		connections < 1 || connections > 3 || prints == (got.stdout == "") ||
		strings.ContainsAny(got.stdout+got.stderr, "\x1b\a\x00") || len(got.stderr) > 4000 {
		t.Errorf("%s: took %.1f s, %d MiB, %d connections\n%.1000s\nwant exit %d",
			server.name, r.took.Seconds(), r.peak>>20, connections, got, server.code)
	}
	return cost{server.name, r.peak, r.took}
}

// meetAll meets servers, atATime at once, and prints the highest costs.
func meetAll(t *testing.T, what string, servers []hostileServer, atATime int, most int64) {
	costs := make([]cost, len(servers))
	free := make(chan struct{}, atATime)
	var all sync.WaitGroup
	for i, server := range servers {
		all.Add(1)
		free <- struct{}{}
		go func() {
			defer all.Done()
			defer func() { <-free }()
			costs[i] = meet(t, server, most)
		}()
	}
	all.Wait()
	largest := slices.MaxFunc(costs, func(a, b cost) int { return cmp.Compare(a.peak, b.peak) })
	longest := slices.MaxFunc(costs, func(a, b cost) int { return cmp.Compare(a.time, b.time) })
	if largest.peak == 0 && !onWindows {
		t.Error("no memory was measured")
	}
	counted(t, "%d %s, at most %d MiB (%s) and %.1f s (%s)", len(servers), what,
		largest.peak>>20, largest.name, longest.time.Seconds(), longest.name)
}

// TestTortureHostileServers meets servers that send too much of anything.
func TestTortureHostileServers(t *testing.T) {
	t.Parallel()
	servers := slices.Concat(endlessServers, largeAnswers)
	meetAll(t, "hostile servers", servers, 2, ordinaryPeak)
}

// TestTortureHeavyQueries runs queries that multiply.
func TestTortureHeavyQueries(t *testing.T) {
	t.Parallel()
	queries := heavyQueries[:times(7, len(heavyQueries))]
	meetAll(t, "heavy queries", queries, 1, worstPeak)
}

// TestTortureSlowServers waits until the program's own limit. (TestAServerThatFailsIsAskedOnce has
// a short one.)
func TestTortureSlowServers(t *testing.T) {
	t.Parallel()
	if !large {
		t.Skip("the limit is a minute; run make torture")
	}
	var slow []hostileServer
	plain, _ := failingServers()
	for _, server := range plain {
		if server.want.code == "network.timeout" {
			slow = append(slow, hostileServer{server.name, server.serve, 5, ""})
		}
	}
	meetAll(t, "slow servers", slow, len(slow), ordinaryPeak)
}
