package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	okLine      = "HTTP/1.1 200 OK\r\n"
	chunkedHead = okLine + "Transfer-Encoding: chunked\r\n\r\n"
	bodyLimit   = 32 << 20 // of an answer that is read

	// The most memory of a run: what is ordinary, and what the limit on memory lets pass.
	ordinaryPeak = 160 << 20
	worstPeak    = 560 << 20
)

// hostileServer is what a server does besides answering. Malformed answers that cost nothing are
// brokenAnswers in http_test.go.
type hostileServer struct {
	name  string
	serve func(net.Conn)
	code  int    // what the command exits with
	line  string // the command; "" for project list and, with large numbers, others
}

// brokenServers send what is not an answer, or more of it than anybody wants.
var brokenServers = []hostileServer{
	{"a gzip bomb", func(conn net.Conn) {
		head := fmt.Sprintf("Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n", len(bomb()))
		answering(okLine + head + bomb())(conn)
	}, 6, ""},
	{"a gzip bomb in chunks", func(conn net.Conn) {
		answering(chunkedHead + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(bomb()), bomb()))(conn)
	}, 6, ""},
	{"an endless body", beginning(okLine+"\r\n[", endless(`{"id":"x","name":"y"},`)), 6, ""},
	{"an endless body in chunks",
		beginning(chunkedHead, endless("10\r\n[[[[[[[[[[[[[[[[\r\n")), 6, ""},
	{"an endless body of an error", beginning("HTTP/1.1 400 No\r\n\r\n", endless("x")), 6, ""},
	{"endless extensions of chunks",
		beginning(chunkedHead, endless("1;"+strings.Repeat("x", 2000)+"\r\n \r\n")), 6, ""},
	{"an endless size of a chunk", beginning(chunkedHead, endless("0")), 6, ""},
	{"endless trailers",
		beginning(chunkedHead+"2\r\n{}\r\n0\r\n", endless("X-Trailer: x\r\n")), 6, ""},
	{"an endless header", beginning(okLine, endless("X-Header: x\r\n")), 6, ""},
	{"an endless line of a header", beginning(okLine+"X: ", endless("x")), 6, ""},
	{"an endless status line", beginning("HTTP/1.1 200 ", endless("x")), 6, ""},
	{"endless interim answers",
		beginning("", endless("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")), 6, ""},
	{"5,000 interim answers", answering(strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 5000) +
		rawAnswer("200 OK", projectsBody)), 6, ""},
	{"noise", beginning("", endless("\x00\x1b[31m\xff")), 6, ""},
	{"an SSH banner, and silence", func(conn net.Conn) {
		io.WriteString(conn, "SSH-2.0-OpenSSH_9.9\r\n")
		silent(conn)
	}, 6, ""},
	{"HTTP/2", answering("\x00\x00\x00\x04\x00\x00\x00\x00\x00"), 6, ""},
	{"the end at once", func(net.Conn) {}, 5, ""},
	{"the end after the request", answering(""), 5, ""},
	{"a reset at once", reset, 5, ""},
	{"a reset after the request", beginning("", reset), 5, ""},
	{"a reset in the header", beginning(okLine, reset), 6, ""},
	{"a reset in the body", beginning(okLine+"Content-Length: 1000\r\n\r\n[", reset), 6, ""},
	{"ESC in the reason of 500",
		answering(rawAnswer("500 \x1b[31mred\x1b]0;title\a", "{}")), 6, ""},
	{"ESC in the reason of 401", answering(rawAnswer("401 \x1b[31mred", "{}")), 3, ""},
	{"ESC in the reason of 200", answering(rawAnswer("200 \x1b[31mred", projectsBody)), 0, ""},
}

// slowServers keep the program waiting until its time is over.
var slowServers = []hostileServer{
	{"a drip",
		beginning("", dripping(rawAnswer("200 OK", strings.Repeat(" ", 1000)+"[]"))), 5, ""},
	{"a drip of header lines",
		beginning("", dripping(okLine+strings.Repeat("X: y\r\n", 1000))), 5, ""},
	{"silence", silent, 5, ""},
	{"silence after the header",
		beginning(okLine+"Content-Length: 33554432\r\n\r\n[", silent), 5, ""},
	{"silence after the body", beginning(okLine+"\r\n"+projectsBody, silent), 5, ""},
}

// largeAnswers are JSON of 32 MiB, as costly as that can be.
var largeAnswers = []hostileServer{
	{"deep arrays", filling("200 OK", "", "[", ""), 6, ""},
	{"deep objects", filling("200 OK", "", `{"a":`, ""), 6, ""},
	{"arrays as deep as may be", answering(rawAnswer("200 OK",
		`[{"a":`+strings.Repeat("[", 9990)+strings.Repeat("]", 9990)+"}]")), 0, ""},
	{"numbers where objects should be", filling("200 OK", "[0", ",0", "]"), 6, ""},
	{"empty objects", filling("200 OK", "[{}", ",{}", "]"), 0, ""},
	{"empty objects as JSON", filling("200 OK", "[{}", ",{}", "]"), 0, "project list --json"},
	{"empty environments", filling("200 OK", `{"entities":{"stages":[{}`, ",{}", "]}}"), 0,
		"env list --project 5f1c"},
	{"empty objects of api", filling("200 OK", "[{}", ",{}", "]"), 0, "api any/path"},
	{"a long name", filling("200 OK", `[{"id":"a","name":"`, "x", `"}]`), 0, ""},
	{"a long name that is not UTF-8", filling("200 OK", `[{"name":"`, "\xff", `"}]`), 0, ""},
	{"a long name of controls", filling("200 OK", `[{"name":"`, `\u001b`, `"}]`), 0, ""},
	{"a long name as JSON", filling("200 OK", `[{"name":"`, "\xff", `"}]`), 0,
		"project list --json"},
	{"a long name of keys", filling("200 OK", `[{"name":"`, testKey, `"}]`), 0, ""},
	{"a long id among many", func(conn net.Conn) {
		long := `[{"id":"` + strings.Repeat("x", 8<<20) + `"}`
		filling("200 OK", long, `,{"id":"y","name":"z"}`, "]")(conn)
	}, 0, ""},
	{"an environment with a long name", answering(rawAnswer("200 OK",
		`{"entities":{"stages":[{"name":"`+strings.Repeat("x", 1<<20)+`"}`+
			strings.Repeat(`,{"id":"e","name":"n"}`, 1000)+`]}}`)), 0, "env list --project 5f1c"},
	{"a message that is not UTF-8", filling("400 No", `{"message":"`, "\xff", `"}`), 4, ""},
	{"a message of controls", filling("500 No", `{"message":"`, `\u202e`, `"}`), 6, ""},
	{"a message of keys", filling("400 No", `{"message":"`, testKey, `"}`), 4, ""},
	{"a message to whoami", filling("401 No", `{"message":"`, "\xff", `"}`), 3, "whoami"},
	{"a message to login", filling("401 No", `{"message":"`, "\xff", `"}`), 3, "login"},
}

// Answers that heavyQueries are made of.
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

// heavyQueries make more of an answer than it is. Each prints its result, or ends with
// limit.memory or query.type; where the code is 1 nothing but the limit can end it. Small numbers
// leave the second half out.
var heavyQueries = []hostileServer{
	{"16 million numbers, flattened", manyNumbers, 0, listQuery("[].n[]")},
	{"16 million numbers, sorted", manyNumbers, 0, listQuery("sort([0].n)[0]")},
	{"16 million numbers as text", manyNumbers, 0, listQuery("length(map(&to_string(@),[0].n))")},
	{"179 bytes", smallList, 0, listQuery("[].name" + doublings(20) + "|join('-',@)")},
	{"20 doublings, as numbers", smallList, 0,
		listQuery("[].id" + doublings(20) + "|map(&to_number(@),@)")},
	{"a text doubled", smallList, 0,
		listQuery("[0].name" + strings.Repeat("|join('',[@,@])", 30) + "|length(@)")},
	{"copies of a text", escapedText, 1, listQuery("[@]" + doublings(12) + "|[][].a")},

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

func listQuery(expression string) string { return "project list --query " + expression }

// doublings returns the end of a query that doubles a list so often.
func doublings(n int) string { return strings.Repeat("|[@,@][]", n) }

// beginning returns what reads a request, sends text, and goes on with then.
func beginning(text string, then func(net.Conn)) func(net.Conn) {
	return afterRequest(func(conn net.Conn, _ string) {
		io.WriteString(conn, text)
		then(conn)
	})
}

// endless returns what writes text until the other side has had enough.
func endless(text string) func(net.Conn) {
	return func(conn net.Conn) {
		for data := strings.Repeat(text, 1+(64<<10)/len(text)); ; {
			if _, err := io.WriteString(conn, data); err != nil {
				return
			}
		}
	}
}

// filling returns what answers with a body of 32 MiB: before, as many pieces as fit, after.
func filling(status, before, piece, after string) func(net.Conn) {
	n := (bodyLimit - len(before) - len(after)) / len(piece)
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

// dripping returns what writes text one byte at a time, longer than a command waits.
func dripping(text string) func(net.Conn) {
	return func(conn net.Conn) {
		for _, c := range []byte(text) {
			if _, err := conn.Write([]byte{c}); err != nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
		silent(conn)
	}
}

func silent(conn net.Conn) { io.Copy(io.Discard, conn) }

// reset ends a connection the hard way, when what was sent before has come.
func reset(conn net.Conn) {
	time.Sleep(50 * time.Millisecond)
	if heard, ok := conn.(*heardConn); ok {
		heard.Conn.(*net.TCPConn).SetLinger(0)
	}
}

// bomb returns a small body that becomes 1 GiB where somebody unpacks it.
var bomb = sync.OnceValue(func() string {
	var member bytes.Buffer
	w := gzip.NewWriter(&member)
	w.Write(make([]byte, 16<<20))
	w.Close()
	return strings.Repeat(member.String(), 64)
})

// record keeps the most of what was measured, and where that was.
type record struct {
	mu               sync.Mutex
	runs             int
	peak             int64
	took             time.Duration
	largest, longest string
}

func (r *record) add(where string, peak int64, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.runs++
	if peak > r.peak {
		r.peak, r.largest = peak, where
	}
	if took > r.took {
		r.took, r.longest = took, where
	}
}

// print prints the record as make torture shows it.
func (r *record) print(t *testing.T, what string, servers int) {
	if r.peak == 0 && runtime.GOOS != "windows" {
		t.Error("no memory was measured")
	}
	counted(t, "%d runs against %d %s, at most %d MiB (%s) and %.1f s (%s)",
		r.runs, servers, what, r.peak>>20, r.largest, r.took.Seconds(), r.longest)
}

// hostileLines are the commands that meet a server, and what they exit with: all of them where the
// numbers are large.
func hostileLines(server hostileServer) map[string]int {
	if server.line != "" {
		return map[string]int{server.line: server.code}
	}
	lines := map[string]int{"project list": server.code}
	if !large {
		return lines
	}
	lines["login"] = 0
	if server.code == 3 {
		lines["login"] = 3
	}
	lines["env list --project 5f1c --json"] = server.code
	if server.code == 0 {
		lines["env list --project 5f1c --json"] = 6 // it is an answer for projects
	}
	return lines
}

// meet runs a command against a hostile server, as a process, and checks what holds for all: how it
// ends, how often it asks, and what it costs.
func (r *record) meet(t *testing.T, server hostileServer, line string, code int, most int64) {
	raw := newRawServer(t, server.serve)
	s := newRawShell(t, raw).with("MICROTICA_API_URL", "http://"+raw.host+fakePrefix)
	p := program{env: s.environ(), stdin: testKey, limit: 90 * time.Second, measured: true}
	running, err := p.start(t, strings.Fields(line)...)
	if err != nil {
		t.Error(err)
		return
	}
	got := running.wait()
	r.add(server.name, running.peak, running.took)
	where := server.name + ", " + line
	limit := 65 * time.Second
	if line == "login" {
		limit = 10 * time.Second
	}
	if running.peak > most || running.took > limit {
		t.Errorf("%s: took %.1f s and %d MiB", where, running.took.Seconds(), running.peak>>20)
	}
	heavy := most == worstPeak && code == 0 &&
		(got.code == 1 && strings.Contains(got.stderr, "the result of --query") ||
			got.code == 2)
	if got.code != code && !heavy {
		t.Errorf("%s: %.1000s, want exit %d", where, got, code)
	}
	wantHarmless(t, where, raw, got)
}

// wantHarmless checks what no server may bring about.
func wantHarmless(t *testing.T, where string, server *rawServer, got result) {
	t.Helper()
	log, connections := server.taken()
	if connections < 1 || connections > 3 || strings.Contains(log, "Accept-Encoding") {
		t.Errorf("%s: %d connections, %.1000q", where, connections, log)
	}
	prints := got.code == 0 || strings.HasPrefix(got.stdout, "via: ")
	if prints == (got.stdout == "") ||
		strings.ContainsAny(got.stdout+got.stderr, "\x1b\a\x00") || len(got.stderr) > 4000 {
		t.Errorf("%s: %d bytes on stdout, %.1000s", where, len(got.stdout), got)
	}
}

// TestTortureHostileServers meets servers that send too much of anything.
func TestTortureHostileServers(t *testing.T) {
	t.Parallel()
	var r record
	servers := append(brokenServers[:len(brokenServers):len(brokenServers)], largeAnswers...)
	everyServer(servers, 2, func(server hostileServer) {
		for line, code := range hostileLines(server) {
			r.meet(t, server, line, code, ordinaryPeak)
		}
	})
	r.print(t, "hostile servers", len(servers))
}

// TestTortureHeavyQueries runs queries that multiply.
func TestTortureHeavyQueries(t *testing.T) {
	t.Parallel()
	var r record
	queries := heavyQueries[:times(7, len(heavyQueries))]
	everyServer(queries, 1, func(server hostileServer) {
		r.meet(t, server, server.line, server.code, worstPeak)
	})
	r.print(t, "heavy queries", len(queries))
}

// everyServer calls meet with each server, some at a time.
func everyServer(servers []hostileServer, atATime int, meet func(hostileServer)) {
	free := make(chan struct{}, atATime)
	var all sync.WaitGroup
	for _, server := range servers {
		all.Add(1)
		free <- struct{}{}
		go func() {
			defer all.Done()
			defer func() { <-free }()
			meet(server)
		}()
	}
	all.Wait()
}

// TestTortureSlowServers waits until the limit: a short one in process or, with large numbers, the
// program's own.
func TestTortureSlowServers(t *testing.T) {
	t.Parallel()
	var r record
	everyServer(slowServers, 64, func(server hostileServer) {
		for line, code := range hostileLines(server) {
			if large {
				r.meet(t, server, line, code, ordinaryPeak)
				continue
			}
			raw := newRawServer(t, server.serve)
			s := newRawShell(t, raw)
			s.apiLimit = 700 * time.Millisecond
			start := time.Now()
			got := s.run(strings.Fields(line)...)
			if took := time.Since(start); got.code != code || took > 10*time.Second {
				t.Errorf("%s, %s: %s after %v", server.name, line, got, took)
			}
			wantHarmless(t, server.name, raw, got)
		}
	})
	if large {
		r.print(t, "slow servers", len(slowServers))
	}
}

// TestTortureHostileTLS meets servers that fail before anything is asked.
func TestTortureHostileTLS(t *testing.T) {
	t.Parallel()
	for name, serve := range map[string]func(net.Conn){
		"a reset": reset,
		"silence": silent,
		"noise":   endless("\x16\x03\x03\xff\xff\x1b"),
	} {
		raw := newRawServer(t, serve)
		s := newRawShell(t, raw).with("MICROTICA_API_URL", "https://"+raw.host)
		s.apiLimit = 700 * time.Millisecond
		got := s.run("project", "list")
		log, _ := raw.taken()
		if got.code != 5 || strings.Contains(log, "mic_") {
			t.Errorf("%s instead of TLS: %s", name, got)
		}
		if strings.Contains(got.stdout+got.stderr, "\x1b") {
			t.Errorf("%s reaches the terminal: %s", name, got)
		}
	}
}
