package check

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"microtica/internal/fakeapi"
)

// readers are the commands that read an answer, in each form of their output.
var readers = []string{
	"login", "login --json", "whoami", "whoami --json", "project list", "project list --json",
	"env list --project p", "env list --project p --json", "api x",
	"project list --query [].id", "env list --project p --query [?id=='x']",
	"api x --query [].id", "api x --query [?id=='x']", "api x --query length(@)",
}

// hostile is a server that does what costs the program much.
type hostile struct {
	name  string
	serve func(net.Conn)
	exit  int    // how a command ends
	says  string // what its error says
	line  string // the command of a run with small numbers
}

const (
	okLine      = "HTTP/1.1 200 OK\r\n"
	chunkedHead = okLine + "Transfer-Encoding: chunked\r\n\r\n"
	tooLarge    = "it is larger than 16 MiB"
	tooMany     = "it has more than 2000000 values"
	notJSON     = "it is not JSON"
	malformed   = "it is cut short or malformed"
)

// servers are all of them but the slow ones.
var servers = []hostile{
	// Some have no end.
	{"a body", repeating(okLine+"\r\n[", `{"id":"x","name":"y"},`), 6, tooLarge, "login"},
	{"the body of an error", repeating("HTTP/1.1 400 No\r\n\r\n", "x"), 6, tooLarge, "whoami"},
	{"chunks", repeating(chunkedHead, "10\r\n[[[[[[[[[[[[[[[[\r\n"), 6, tooLarge, "api x"},
	{"extensions of chunks", repeating(chunkedHead, "1;"+strings.Repeat("x", 2000)+"\r\n \r\n"),
		6, malformed, "login --json"},
	{"trailers", repeating(chunkedHead+"2\r\n{}\r\n0\r\n", "X: x\r\n"), 6, malformed, "api x"},
	{"a header", repeating(okLine, "X: x\r\n"), 6, malformed, "env list --project p"},
	{"interim answers", repeating("", "HTTP/1.1 103 Early\r\nX: x\r\n\r\n"), 6, malformed, "login"},
	{"noise", repeating("", "\x00\x1b[31m\xff"), 6, malformed, "whoami"},
	{"another protocol", fakeapi.Beginning("HTTP/1.1 101 Switching Protocols\r\n"+
		"Connection: upgrade\r\nUpgrade: x\r\n\r\n", fakeapi.JustListen), 6,
		"its status is unexpected (HTTP 101)", "whoami --json"},
	{"gzip", fakeapi.Beginning(okLine+"Content-Encoding: gzip\r\n\r\n", bomb), 6, notJSON, "api x"},

	// Some answer with a list of 16 MiB, of which some are just within the limit on values.
	{"line breaks", list(`{"`+strings.Repeat("x", 1<<20)+`":0,"id":"`, `\n`, `"}`), 0, "",
		"whoami"},
	{"keys", list(`{"id":"`, hostKey, `"}`), 0, "", "project list --json"},
	{"secret parts", list(`{"id":"`, hostSecret, `"}`), 0, "", ""},
	{"0xFF", list(`{"id":"`, "\xff", `"}`), 0, "", "project list"},
	{"0xFF between letters", list(`{"id":"`, "a\xff", `"}`), 6, tooLarge, "login --json"},
	{"dense numbers", list("0", ",0", ""), 6, tooMany, "api x --query length(@)"},
	{"objects", list("{}", `,{"id":"abcdefg"}`, ""), 0, "", "api x --query [].id"},
	{"objects with line breaks", list("{}", `,{"id":"ab\ncde"}`, ""), 0, "", ""},
	{"deep arrays", list("", "[", ""), 6, notJSON, "api x --query [?id=='x']"},
	{"dense objects", list("{}", ",{}", ""), 6, tooMany, ""},
	{"dense arrays", list("[]", ",[]", ""), 6, tooMany, ""},
	{"dense strings", list(`""`, `,""`, ""), 6, tooMany, ""},
	{"dense line breaks", list(`"\n"`, `,"\n"`, ""), 6, tooMany, ""},
	{"times", list("{}", `,{"lastDeployed":1}`, ""), 0, "", ""},
	{"numbers", list(`{"a":[0`, ",12345678", "]}"), 0, "", ""},
	{"strings", list(`{"a":[""`, `,"abcd\n"`, "]}"), 0, "", ""},
	{"members", list(`{"a":0`, `,"\n":123`, "}"), 0, "", ""},
	{"deep objects", list("{}", `,{"a":`+strings.Repeat(`{"abcd":`, 9000)+"0"+
		strings.Repeat("}", 9001), ""), 0, "", ""},
	{"a long name of escapes", list(`{"`, `\u001b`, `":0}`), 0, "", ""},
	{"raw controls", list(`{"id":"`, "\x7f", `"}`), 0, "", ""},
	{"tags as escapes", list(`{"id":"`, `\udb40\udc01`, `"}`), 0, "", ""},

	// Some have an error with a message of 16 MiB.
	{"0xFF", message("400 No", "\xff"), 4, "(HTTP 400)", "project list --json"},
	{"escapes", message("500 No", `\u202e`), 6, "(HTTP 500)", "project list"},
	{"line breaks", message("401 No", `\n`), 3, "(HTTP 401)", ""},
	{"keys", message("400 No", hostKey), 4, "(HTTP 400)", ""},
}

// hostSecret is so short that a text of nothing else is twice as long when it is masked.
const (
	hostSecret = "canary88"
	hostKey    = fakeapi.Prefix + "_" + hostSecret
)

// repeating returns what makes a server read a request, send text, and then more for as long as the
// client takes it.
func repeating(text, more string) func(net.Conn) {
	return fakeapi.Beginning(text, func(conn net.Conn) { send(conn, more, 1<<40) })
}

// send sends a text as many times as fit into a size, or until the client has had enough.
func send(w io.Writer, text string, size int) {
	n := size / len(text)
	inBlock := min(n, 1+(64<<10)/len(text))
	block := strings.Repeat(text, inBlock)
	for ; n > 0; n -= inBlock {
		if _, err := io.WriteString(w, block[:min(n, inBlock)*len(text)]); err != nil {
			return
		}
	}
}

// list returns what makes a server answer with such a list where the command expects it: a
// beginning, as many pieces as fit, an end.
func list(before, piece, after string) func(net.Conn) {
	return func(conn net.Conn) {
		path, opening, closing := fakeapi.ReadHead(conn), "[", "]"
		switch {
		case strings.HasPrefix(path, "GET /projects "):
			opening, closing = `{"projects":[`, "]}"
		case strings.HasPrefix(path, "GET /projects/"):
			opening, closing = `{"entities":{"stages":[`, "]}}"
		}
		fill(conn, "200 OK", opening+before, piece, after+closing)
	}
}

func message(status, piece string) func(net.Conn) {
	return fakeapi.Beginning("", func(conn net.Conn) {
		fill(conn, status, `{"message":"`, piece, `"}`)
	})
}

// fill sends an answer of 16 MiB.
func fill(conn net.Conn, status, before, piece, after string) {
	size := 16<<20 - len(before) - len(after)
	size -= size % len(piece)
	fmt.Fprintf(conn, "HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s",
		status, len(before)+size+len(after), before)
	send(conn, piece, size)
	io.WriteString(conn, after)
}

// bomb sends 64 MiB in few bytes.
func bomb(conn net.Conn) {
	w := gzip.NewWriter(conn)
	defer w.Close()
	send(w, " ", 17<<20) // more than the program takes, if it unpacked it
}

// dripping returns what makes a server read a request, send text, and then more, bit by bit.
func dripping(text, more string) func(net.Conn) {
	return fakeapi.Beginning(text, func(conn net.Conn) {
		for err := error(nil); err == nil; time.Sleep(300 * time.Millisecond) {
			_, err = io.WriteString(conn, more)
		}
	})
}

// screen takes what a program prints, without keeping it.
type screen struct {
	bytes int
	bad   bool // something acts on a terminal, or is secret
}

func (s *screen) Write(p []byte) (int, error) {
	s.bytes += len(p)
	s.bad = s.bad || bytes.ContainsAny(p, "\x1b\a\x00\x7f") || bytes.Contains(p, []byte(hostSecret))
	return len(p), nil
}

// meet runs a command against a hostile server, and checks how it ends, what it says, how often it
// asks, and what it costs.
func meet(t *testing.T, h hostile, line string) {
	server := fakeapi.NewRaw(t, h.serve)
	out, u := &screen{}, newUser(t, server.Base())
	u.stdin, u.stdout, u.limit = hostKey, out, 2*time.Minute
	if !strings.HasPrefix(line, "login") {
		u = u.with("MICROTICA_TOKEN=" + hostKey)
	}
	got, took := u.measure(binary, strings.Fields(line)...)
	t.Logf("%3d MiB, %.1f s: %s, %s", took.peak>>20, took.cpu.Seconds(), h.name, line)
	most := int64(256 << 20)
	if strings.Contains(line, "--query") {
		most = 512 << 20
	}
	errors := &screen{}
	io.WriteString(errors, got.stderr)
	_, connections := server.Taken()
	prints := got.exit == 0 || strings.HasPrefix(line, "whoami")
	if got.exit != h.exit || !strings.Contains(got.stderr, h.says) || out.bad || errors.bad ||
		errors.bytes > 4000 || (errors.bytes > 0) != (h.exit > 0) || (out.bytes > 0) != prints ||
		connections != 1 || took.peak > most {
		t.Errorf("%s, %s: %d MiB, %d connections, %d bytes on stdout, %.1000v\nwant exit %d, %q",
			h.name, line, took.peak>>20, connections, out.bytes, got, h.exit, h.says)
	}
}

// meetAll runs command lines against servers, some at a time: each against each, or with small
// numbers the one that a server names, against every third.
func meetAll(t *testing.T, servers []hostile, lines []string, atATime int) {
	t.Parallel()
	var all sync.WaitGroup
	defer all.Wait()
	free := make(chan struct{}, atATime)
	for i, h := range servers {
		for _, line := range lines {
			if !large() && (line != h.line || i%3 > 0) {
				continue
			}
			all.Add(1)
			free <- struct{}{}
			go func() {
				defer all.Done()
				meet(t, h, line)
				<-free
			}()
		}
	}
}

func TestTortureHostileServers(t *testing.T) { meetAll(t, servers, readers, 2) }

// TestTortureSlowServers takes the minute that is the limit, so make test leaves it out.
func TestTortureSlowServers(t *testing.T) {
	const late = "after 60 s"
	meetAll(t, []hostile{
		{"silence", fakeapi.JustListen, 5, late, ""},
		{"silence after []", fakeapi.Beginning(okLine+"\r\n[]", fakeapi.JustListen), 5, late, ""},
		{"a header that drips", dripping(okLine+"X: ", "x"), 5, late, ""},
		{"a body that drips", dripping(okLine+"\r\n[", " "), 5, late, ""},
		{"hints that drip", dripping("", "HTTP/1.1 102 Processing\r\n\r\n"), 5, late, ""},
	}, []string{"whoami", "project list", "api x --query @"}, 15)
}

// TestAFullDiskIsAnError writes to a device that takes nothing.
func TestAFullDiskIsAnError(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	const message = "cannot write to stdout: no space left on device"
	u := newUser(t, fakeapi.New(t).Base())
	u.stdin, u.stdout = fakeapi.Key, full
	for _, line := range []string{"login", "version", "help", "api -h", "completion bash",
		"whoami", "project list", "env list --project 5f1c", "api me", "whoami --query @"} {
		words := strings.Fields(line)
		u.want(result{"", "error: " + message + "\n", 1}, words...)
		u.want(result{"", `{"error":{"code":"output.write","message":"` + message + `","hint":"",` +
			`"httpStatus":null,"retryAfter":null,"retryable":false,"exitCode":1}}` + "\n", 1},
			append(words, "--json")...)
	}
}
