package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// measured is what a process did and took.
type measured struct {
	result
	peak int64 // the most memory it held, in bytes; 0 where the system does not tell
	took time.Duration
}

var highWater = regexp.MustCompile(`VmHWM:\s*(\d+) kB`)

// measure runs the program, and looks at its memory every millisecond. (What a parent is told when it ends starts at the
// parent's own peak.)
func measure(t *testing.T, env []string, stdin string, args ...string) measured {
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, builtBinary(t), args...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = env, strings.NewReader(stdin), &stdout, &stderr
	var m measured
	start := time.Now()
	if err := cmd.Start(); err != nil {
		t.Error(err)
		return m
	}
	done := make(chan struct{})
	var watcher sync.WaitGroup
	watcher.Add(1)
	go func() {
		defer watcher.Done()
		for {
			status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
			if found := highWater.FindSubmatch(status); found != nil {
				kilobytes, _ := strconv.ParseInt(string(found[1]), 10, 64)
				m.peak = max(m.peak, kilobytes<<10)
			}
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	cmd.Wait()
	close(done)
	watcher.Wait()
	m.took = time.Since(start)
	m.result = result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
	return m
}

// endless writes text until the other side has had enough.
func endless(conn net.Conn, text string) {
	for data := bytes.Repeat([]byte(text), 1+(64<<10)/len(text)); ; {
		if _, err := conn.Write(data); err != nil {
			return
		}
	}
}

// dripFeed writes text one byte at a time, and never comes to its end within the time that a command has.
func dripFeed(conn net.Conn, text string) {
	for _, c := range []byte(text) {
		if _, err := conn.Write([]byte{c}); err != nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	io.Copy(io.Discard, conn)
}

func reset(conn net.Conn) {
	if logged, ok := conn.(*loggedConn); ok {
		logged.Conn.(*net.TCPConn).SetLinger(0)
	}
}

// bomb is a small answer that becomes 1 GiB where somebody unpacks it.
func bomb() []byte {
	var member bytes.Buffer
	w := gzip.NewWriter(&member)
	w.Write(make([]byte, 16<<20))
	w.Close()
	return bytes.Repeat(member.Bytes(), 64)
}

// TestTortureHostileServers meets what a server can do besides answering.
func TestTortureHostileServers(t *testing.T) {
	const (
		ok      = "HTTP/1.1 200 OK\r\n"
		chunked = ok + "Transfer-Encoding: chunked\r\n\r\n"
	)
	write := func(text string) func(net.Conn) { return func(conn net.Conn) { io.WriteString(conn, text) } }
	after := func(f func(net.Conn)) func(net.Conn) {
		return afterRequest(func(conn net.Conn, _, _ string) { f(conn) })
	}
	answer := func(text string) func(net.Conn) { return after(write(text)) }
	silent := func(conn net.Conn) { io.Copy(io.Discard, conn) }
	packed := bomb()
	tests := []struct {
		name   string
		handle func(net.Conn)
		code   int  // of project list
		slow   bool // it lasts until the deadline
	}{
		{"a gzip bomb", answer(ok + "Content-Encoding: gzip\r\nContent-Length: " + fmt.Sprint(len(packed)) + "\r\n\r\n" + string(packed)), 6, false},
		{"a gzip bomb in chunks", answer(chunked + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(packed), packed)), 6, false},
		{"an endless body", after(func(conn net.Conn) { io.WriteString(conn, ok+"\r\n["); endless(conn, `{"id":"x","name":"y"},`) }), 6, false},
		{"an endless body in chunks", after(func(conn net.Conn) { io.WriteString(conn, chunked); endless(conn, "10\r\n[[[[[[[[[[[[[[[[\r\n") }), 6, false},
		{"an endless body of an error", after(func(conn net.Conn) {
			io.WriteString(conn, "HTTP/1.1 400 No\r\n\r\n")
			endless(conn, "x")
		}), 6, false},
		{"a length beyond all", answer(ok + "Content-Length: 9223372036854775807\r\n\r\n{"), 6, false},
		{"a negative length", answer(ok + "Content-Length: -1\r\n\r\n{}"), 6, false},
		{"two lengths", answer(ok + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x"), 6, false},
		{"endless extensions of chunks", after(func(conn net.Conn) {
			io.WriteString(conn, chunked)
			endless(conn, "1;"+strings.Repeat("x", 2000)+"\r\n \r\n")
		}), 6, false},
		{"a chunk's size without end", after(func(conn net.Conn) { io.WriteString(conn, chunked); endless(conn, "0") }), 6, false},
		{"endless trailers", after(func(conn net.Conn) {
			io.WriteString(conn, chunked+"2\r\n{}\r\n0\r\n")
			endless(conn, "X-Trailer: x\r\n")
		}), 6, false},
		{"an endless header", after(func(conn net.Conn) { io.WriteString(conn, ok); endless(conn, "X-Header: x\r\n") }), 6, false},
		{"an endless line in the header", after(func(conn net.Conn) { io.WriteString(conn, ok+"X: "); endless(conn, "x") }), 6, false},
		{"an endless status line", after(func(conn net.Conn) { io.WriteString(conn, "HTTP/1.1 200 "); endless(conn, "x") }), 6, false},
		{"interim answers without end", after(func(conn net.Conn) { endless(conn, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n") }), 6, false},
		{"5,000 interim answers", answer(strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 5000) + rawAnswer("200 OK", projectsBody)), 6, false},
		{"another protocol", answer("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"), 6, false},
		{"cut in the status line", answer("HTTP/1.1 20"), 6, false},
		{"cut in the header", answer(ok + "Content-Type: appl"), 6, false},
		{"cut in the body", answer(ok + "Content-Length: 1000\r\n\r\n" + projectsBody), 6, false},
		{"cut in a chunk", answer(chunked + "ff\r\n" + projectsBody), 6, false},
		{"cut before the last chunk", answer(chunked + fmt.Sprintf("%x\r\n%s\r\n", len(projectsBody), projectsBody)), 6, false},
		{"JSON that ends early", answer(rawAnswer("200 OK", projectsBody[:len(projectsBody)-1])), 6, false},
		{"two JSON texts", answer(rawAnswer("200 OK", projectsBody+projectsBody)), 6, false},
		{"deep arrays", answer(rawAnswer("200 OK", strings.Repeat("[", maxBodyBytes))), 6, false},
		{"deep objects", answer(rawAnswer("200 OK", strings.Repeat(`{"a":`, maxBodyBytes/5))), 6, false},
		{"deep arrays that close", answer(rawAnswer("200 OK", `[{"a":`+strings.Repeat("[", 20000)+strings.Repeat("]", 20000)+"}]")), 6, false},
		{"arrays as deep as may be", answer(rawAnswer("200 OK", `[{"a":`+strings.Repeat("[", 9990)+strings.Repeat("]", 9990)+"}]")), 0, false},
		{"a million empty objects", answer(rawAnswer("200 OK", "["+strings.Repeat("{},", 1<<20)+"{}]")), 0, false},
		{"eight million numbers", answer(rawAnswer("200 OK", "["+strings.Repeat("0,", 8<<20)+"0]")), 6, false},
		{"a drip", after(func(conn net.Conn) {
			dripFeed(conn, rawAnswer("200 OK", strings.Repeat(" ", 1000)+projectsBody))
		}), 5, true},
		{"a drip of header lines", after(func(conn net.Conn) { dripFeed(conn, ok+strings.Repeat("X: y\r\n", 1000)) }), 5, true},
		{"silence", silent, 5, true},
		{"silence behind the header", after(func(conn net.Conn) { io.WriteString(conn, ok+"Content-Length: 33554432\r\n\r\n["); silent(conn) }), 5, true},
		{"silence behind the body", after(func(conn net.Conn) { io.WriteString(conn, ok+"\r\n"+projectsBody); silent(conn) }), 5, true},
		{"a reset at once", reset, 5, false},
		{"a reset after the request", after(reset), 5, false},
		{"a reset in the header", after(func(conn net.Conn) { io.WriteString(conn, ok); time.Sleep(50 * time.Millisecond); reset(conn) }), 6, false},
		{"a reset in the body", after(func(conn net.Conn) {
			io.WriteString(conn, ok+"Content-Length: 1000\r\n\r\n[")
			time.Sleep(50 * time.Millisecond)
			reset(conn)
		}), 6, false},
		{"the end at once", func(net.Conn) {}, 5, false},
		{"the end after the request", after(func(net.Conn) {}), 5, false},
		{"an SSH banner", write("SSH-2.0-OpenSSH_9.9\r\n"), 6, false},
		{"an SSH banner, and silence", func(conn net.Conn) { io.WriteString(conn, "SSH-2.0-OpenSSH_9.9\r\n"); silent(conn) }, 6, false},
		{"bytes of TLS", write("\x15\x03\x03\x00\x02\x02\x28"), 6, false},
		{"HTTP/2", answer("\x00\x00\x00\x04\x00\x00\x00\x00\x00"), 6, false},
		{"noise", after(func(conn net.Conn) { endless(conn, "\x00\x1b[31m\xff") }), 6, false},
		{"ESC in the reason", answer(rawAnswer("500 \x1b[31mred\x1b]0;title\a", "{}")), 6, false},
		{"ESC in the reason of 401", answer(rawAnswer("401 \x1b[31mred", "{}")), 3, false},
		{"ESC in the reason of 200", answer(rawAnswer("200 \x1b[31mred", projectsBody)), 0, false},
		{"ESC in a header", answer(rawAnswer("200 OK", projectsBody, "X: \x1b[31mred")), 6, false},
		{"ESC in the status", answer("HTTP/1.1 2\x1b0 OK\r\n\r\n{}"), 6, false},
		{"a status of four digits", answer("HTTP/1.1 2000 OK\r\n\r\n{}"), 6, false},
		{"status 600", answer(rawAnswer("600 ?", "{}")), 6, false},
		{"no content", answer("HTTP/1.1 204 No Content\r\n\r\n"), 6, false},
		{"a wait of a year", answer(rawAnswer("429 No", "{}", "Retry-After: 31536000")), 6, false},
		{"a wait beyond all", answer(rawAnswer("503 No", "{}", "Retry-After: 99999999999999999999")), 6, false},
		{"no wait", answer(rawAnswer("503 No", "{}", "Retry-After: 0")), 6, false},
	}
	var (
		all      sync.WaitGroup
		peak     atomic.Int64
		longest  atomic.Int64
		runs     atomic.Int32
		free     = make(chan struct{}, 4)
		slowFree = make(chan struct{}, 64)
	)
	for _, test := range tests {
		lines := map[string]int{"project list": test.code}
		if torture {
			lines["env list --project 5f1c --json"] = test.code
			if strings.Contains(test.name, "200") || test.code == 0 {
				lines["env list --project 5f1c --json"] = 6 // it is an answer for projects
			}
			lines["login"] = 0
			if test.code == 3 {
				lines["login"] = 3
			}
		}
		for line, code := range lines {
			gate := free
			if test.slow {
				gate = slowFree
			}
			all.Add(1)
			go func() {
				defer all.Done()
				gate <- struct{}{}
				defer func() { <-gate }()
				server := newRecorder(t, "127.0.0.1:0", test.handle)
				var m measured
				limit := 62 * time.Second
				if test.slow && !torture {
					s := newShell(t, nil).with("MICROTICA_API_URL", "http://"+server.address()+fakePrefix, "MICROTICA_TOKEN", testKey)
					s.apiLimit, limit = 700*time.Millisecond, 3*time.Second
					start := time.Now()
					m.result = s.run(strings.Fields(line)...)
					m.took = time.Since(start)
				} else {
					home := t.TempDir()
					if line == "login" {
						limit = 7 * time.Second
					}
					m = measure(t, []string{"HOME=" + home, "USERPROFILE=" + home, "MICROTICA_TOKEN=" + testKey, "MICROTICA_API_URL=http://" + server.address() + fakePrefix}, testKey, strings.Fields(line)...)
				}
				runs.Add(1)
				log, connections := server.taken()
				if strings.Contains(log, "Accept-Encoding") {
					t.Errorf("%s, %s: it asks for a packed answer", test.name, line)
				}
				if m.code != code || (m.stdout == "") != (code != 0) || connections < 1 || connections > 3 || strings.ContainsAny(m.stdout+m.stderr, "\x1b\a\x00") {
					t.Errorf("%s, %s: %d connections, %.1000s, want exit %d", test.name, line, connections, m.result, code)
				}
				if m.peak > 160<<20 || m.took > limit {
					t.Errorf("%s, %s: took %v and %d MiB", test.name, line, m.took, m.peak>>20)
				}
				for old := peak.Load(); m.peak > old && !peak.CompareAndSwap(old, m.peak); old = peak.Load() {
				}
				for old := longest.Load(); int64(m.took) > old && !longest.CompareAndSwap(old, int64(m.took)); old = longest.Load() {
				}
			}()
		}
	}
	all.Wait()
	if runtime.GOOS == "linux" && peak.Load() == 0 {
		t.Log("SKIPPED: memory, for this system does not tell")
	}
	counted(t, "%d runs against %d hostile servers, at most %d MiB and %.1f s", runs.Load(), len(tests), peak.Load()>>20, time.Duration(longest.Load()).Seconds())
}

// TestTortureHostileTLS meets servers that fail before anything is asked.
func TestTortureHostileTLS(t *testing.T) {
	for name, handle := range map[string]func(net.Conn){
		"plain http":    afterRequest(func(conn net.Conn, _, _ string) { io.WriteString(conn, rawAnswer("400 No", "{}")) }),
		"an SSH banner": func(conn net.Conn) { io.WriteString(conn, "SSH-2.0-\x1b[31m\r\n") },
		"a reset":       reset,
		"the end":       func(net.Conn) {},
		"silence":       func(conn net.Conn) { io.Copy(io.Discard, conn) },
		"noise":         func(conn net.Conn) { endless(conn, "\x16\x03\x03\xff\xff\x1b") },
		"an alert":      func(conn net.Conn) { io.WriteString(conn, "\x15\x03\x03\x00\x02\x02\x28") },
	} {
		server := newRecorder(t, "127.0.0.1:0", handle)
		s := newShell(t, nil).with("MICROTICA_API_URL", "https://"+server.address(), "MICROTICA_TOKEN", testKey)
		s.apiLimit = 700 * time.Millisecond
		got := s.run("project", "list")
		if log, connections := server.taken(); got.code != 5 || got.stdout != "" || connections < 1 || connections > 3 || strings.Contains(got.stderr, "\x1b") || strings.Contains(log, "mic_") {
			t.Errorf("%s instead of TLS: %d connections, %s", name, connections, got)
		}
	}
}
