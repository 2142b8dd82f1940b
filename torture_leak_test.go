package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// TestTortureRedirects answers every command with every redirect to each of redirectPlaces. Each is
// an error, and no place hears of it: login saves the key unchecked, whoami reports, the others
// print nothing.
func TestTortureRedirects(t *testing.T) {
	t.Parallel()
	find, api := newSearch(t), newScripted(t)
	near := newRawServer(t, func(net.Conn) {})
	far := newRawServerAt(t, "127.0.0.2:0", func(net.Conn) {})
	if far == nil {
		t.Log("SKIPPED: redirects to another host, for 127.0.0.2 is not this machine's")
		far = near
	}
	statuses := strings.Fields("300 301 302 303 304 305 306 307 308 310 399")
	commands := append([]string{"login --token KEY"}, everyCommand...)
	redirects := 0
	for i, status := range statuses {
		for j, place := range redirectPlaces {
			for k, line := range commands {
				if !large && (i+j+k)%6 != 0 {
					continue
				}
				redirects++
				key := []string{testKey, nastyKey}[(i+j)%2]
				location := strings.NewReplacer("NEAR", near.host, "FAR", far.host,
					"API", api.host, "KEY", key).Replace(place.location)
				api.set(func(key string) string {
					message := `{"message":"see ` + inJSON(key) + `"}`
					return rawAnswer(status+" See "+key, message, "Location: "+location)
				})
				s := newKeyShell(t, "http://"+api.host+fakePrefix, key, keySources[(i+j+k)%3])
				words := strings.Fields(strings.Replace(line, "KEY", key, 1))
				args := inForm((i+k)%2 == 0, words...)
				code, prints := 6, args[0] == "whoami"
				if args[0] == "login" {
					code, prints = 0, true
				}
				where := fmt.Sprintf("%s to %q, %s", status, location, line)
				got := s.run(args...)
				n := find.heard(api.rawServer, key)
				if n != 1 || got.code != code || prints != (got.stdout != "") ||
					!strings.Contains(got.stderr, "redirects ") {
					t.Errorf("%s: %d requests, %s", where, n, got)
				}
				find.text(where, got.stdout+got.stderr)
				find.files(s.home)
				wantNoRequest(t, where, near, far)
			}
		}
	}
	counted(t, "%d redirects (%d statuses, %d places, %d commands), 0 foreign requests, "+
		"0 canary hits in %d texts",
		redirects, len(statuses), len(redirectPlaces), len(commands), find.texts)
}

// reflections are bodies, header lines and whole answers that hold the key: KEY is the key as it
// is, in bodies each of spelledInJSON.
var reflections = struct{ bodies, headers, wire []string }{
	bodies: []string{
		`{"message":"no key KEY and KEYKEY"}`,
		`{"message":"` + strings.Repeat("x", 290) + `KEY"}`,
		`{"projects":[{"id":"KEY","name":"<KEY>","KEY":1,"deep":{"KEY":["KEY"]}}],"via":"KEY",` +
			`"entities":{"stages":[{"id":"KEY","name":"KEY","status":"KEY","KEY":"KEY"}]}}`,
		`<html>KEY`,
	},
	headers: []string{
		"X-Echo: KEY\r\nSet-Cookie: k=KEY\r\nWWW-Authenticate: Bearer KEY",
		"Location: http://ELSEWHERE/KEY?KEY",
		"Location: http://KEY.example/",
		"Location: http://SECRET.example/",
		"Location: http://a.example:KEY/",
		"Retry-After: KEY",
	},
	wire: []string{
		"KEY 200 OK\r\n\r\n",
		"HTTP/1.1 KEY OK\r\n\r\n",
		"HTTP/1.1 STATUS KEY\r\n\r\n" + projectsBody,
		"HTTP/1.1 STATUS\r\nKEY \x1b\r\n\r\n",
		"HTTP/1.1 STATUS\r\nContent-Length: KEY\r\n\r\n{}",
		"HTTP/1.1 STATUS\r\nTransfer-Encoding: chunked\r\n\r\nKEY\r\n{}\r\n0\r\n\r\n",
		"HTTP/1.1 STATUS\r\nTransfer-Encoding: chunked\r\nTrailer: X-Key\r\n\r\n" +
			"2;x\r\n{}\r\n0\r\nX-Key: KEY\r\n\r\n",
		"HTTP/1.1 103 KEY\r\nLink: KEY\r\n\r\nHTTP/1.1 STATUS\r\n\r\n" + projectsBody,
	},
}

// spelledInJSON returns the ways in which a JSON string may spell a key: whole, its secret part
// alone, escaped, in other letters.
func spelledInJSON(key string) []string {
	secret, escaped := secretOf(key), ""
	for _, c := range key {
		escaped += fmt.Sprintf(`\u%04X`, c)
	}
	return []string{inJSON(key), escaped, inJSON(secret), inJSON(strings.ToUpper(secret)),
		inJSON(strings.ToLower(secret))}
}

// reflecting returns answers of a status that hold the key.
func reflecting(status, key, elsewhere string) []string {
	fill := strings.NewReplacer("STATUS", status, "ELSEWHERE", elsewhere, "KEY", key,
		"SECRET", secretOf(key)).Replace
	var answers []string
	for _, body := range reflections.bodies {
		for _, spelling := range spelledInJSON(key) {
			answers = append(answers, rawAnswer(status, strings.ReplaceAll(body, "KEY", spelling)))
		}
	}
	for _, header := range reflections.headers {
		answers = append(answers, rawAnswer(status, projectsBody, fill(header)))
	}
	for _, wire := range reflections.wire {
		answers = append(answers, fill(wire))
	}
	return answers
}

// TestTortureReflectedKey lets the API send the key back in every place of its answer. It is never
// printed.
func TestTortureReflectedKey(t *testing.T) {
	t.Parallel()
	find, api := newSearch(t), newScripted(t)
	elsewhere := newRawServer(t, func(net.Conn) {})
	flags := [][]string{nil, {"--json"}, {"--query", "@"}, {"--query", "[].[id,name,keys(@)]"}}
	runs, places := 0, 0
	for i, status := range strings.Fields("200 302 401 403 404 418 429 500 503 600") {
		for j, key := range []string{nastyKey, testKey} {
			answers := reflecting(status, key, elsewhere.host)
			places = len(answers)
			for k, answer := range answers {
				api.set(func(string) string { return answer })
				for l, line := range everyCommand {
					if !large && (i+j+k+l)%12 != 0 {
						continue
					}
					s := newKeyShell(t, "http://"+api.host, key, keySources[(i+k+l)%3])
					for _, flags := range flags {
						got := s.run(append(strings.Fields(line), flags...)...)
						runs++
						where := fmt.Sprintf("%s %q, %.200q", line, flags, answer)
						find.text(where, got.stdout+got.stderr)
						wantNoRequest(t, where, elsewhere)
					}
					find.files(s.home)
					find.heard(api.rawServer, key)
				}
			}
		}
	}
	counted(t, "%d answers that hold the key, %d places, 0 canary hits in %d texts",
		runs, places, find.texts)
}

// overTLS returns a handler that speaks TLS and gives what is inside to handle.
func overTLS(certificate tls.Certificate, handle func(net.Conn)) func(net.Conn) {
	config := &tls.Config{
		Certificates: []tls.Certificate{certificate},
		NextProtos:   []string{"http/1.1"},
	}
	return func(conn net.Conn) {
		inside := tls.Server(conn, config)
		if inside.Handshake() == nil {
			handle(inside)
			inside.CloseWrite()
		}
	}
}

// process runs the binary with more variables, and looks through what it prints and what it leaves
// in its home and temporary directory.
func (s *search) process(user *shell, line string, variables ...string) result {
	s.t.Helper()
	home := user.home
	env := user.environ(append(variables, "TMPDIR="+home, "TMP="+home, "TEMP="+home)...)
	got := process(s.t, env, testKey, strings.Fields(line)...)
	s.text(fmt.Sprint(line, variables), got.stdout+got.stderr)
	s.files(home)
	return got
}

// tunnelTo returns a proxy that takes any name for one server's.
func tunnelTo(host string) func(net.Conn) {
	return beginning(okLine+"\r\n", func(conn net.Conn) {
		to, err := net.Dial("tcp", host)
		if err != nil {
			return
		}
		defer to.Close()
		go func() {
			io.Copy(to, conn)
			to.(*net.TCPConn).CloseWrite()
		}()
		io.Copy(conn, to)
	})
}

// TestTortureProxies sends every command through proxies that work and through failingProxies. What
// a proxy sees holds no key, and what it says is never quoted.
func TestTortureProxies(t *testing.T) {
	t.Parallel()
	needCertFile(t)
	find, ca := newSearch(t), newAuthority(t)
	answer := afterRequest(func(conn net.Conn, key string) {
		if key == testKey {
			io.WriteString(conn, rawAnswer("200 OK", fullAnswer))
		}
	})
	api := newRawServer(t, overTLS(ca.good(proxiedAPI), answer))
	elsewhere := newRawServer(t, func(net.Conn) {})
	proxies := append(failingProxies(newAuthority(t).good()),
		failingProxy{"works", "http", tunnelTo(api.host), wrong{}})
	runs, passed := 0, 0
	for _, proxy := range proxies {
		server := newRawServer(t, proxy.serve)
		url := proxy.scheme + "://ana:hunter2@" + server.host
		for _, line := range everyCommand {
			s := newKeyShell(t, "https://"+proxiedAPI, testKey, "stored")
			where, other := "a proxy that "+proxy.name+", "+line, "=http://"+elsewhere.host
			variable := []string{"HTTPS_PROXY=", "https_proxy="}[runs%2]
			got := find.process(s, line, "SSL_CERT_FILE="+ca.file, variable+url,
				"HTTP_PROXY"+other, "ALL_PROXY"+other)
			runs++
			log, connections := server.taken()
			fails := proxy.want.code != "" && line != "login"
			if (got.code == 5) != fails || (got.code == 0) == fails ||
				connections == 0 || connections > 3 ||
				strings.ContainsAny(got.stdout+got.stderr, "\x1b") ||
				strings.Contains(got.stderr, "hunter2") || strings.Contains(got.stderr, "YW5hOmh") {
				t.Errorf("%s, %d connections: %s", where, connections, got)
			}
			if strings.HasPrefix(log, "CONNECT "+proxiedAPI+":443 HTTP/1.1\r\n") {
				passed++
			}
			find.text(where, log)
			find.heard(api, testKey) // TLS hides even the header
			wantNoRequest(t, where, elsewhere)
		}
	}
	counted(t, "%d commands through proxies, %d CONNECTs without a key, 0 foreign requests, "+
		"0 canary hits in %d texts", runs, passed, find.texts)
}

// debugSettings make Go's runtime and library talk about what they do. KEYLOG is a file.
var debugSettings = []string{
	"GODEBUG=http2debug=2",
	"GODEBUG=netdns=cgo+2",
	"GODEBUG=gctrace=1",
	"GODEBUG=inittrace=1",
	"GODEBUG=schedtrace=1,scheddetail=1",
	"GODEBUG=scavtrace=1",
	"GODEBUG=http2debug=2,netdns=2,gctrace=1,inittrace=1,tracebackancestors=10",
	"GOTRACEBACK=system",
	"SSLKEYLOGFILE=KEYLOG",
	"DEBUG=*",
	"MICROTICA_DEBUG=1",
}

// TestTortureDebugSettings tries each with every command.
func TestTortureDebugSettings(t *testing.T) {
	t.Parallel()
	find, ca := newSearch(t), newAuthority(t)
	answer := answering(rawAnswer("200 OK", fullAnswer))
	secure := newRawServer(t, overTLS(ca.good("localhost"), answer))
	plain := newRawServer(t, answer)
	_, port, _ := net.SplitHostPort(secure.host)
	runs := 0
	for i, setting := range debugSettings {
		for j, line := range everyCommand {
			base, server := "http://"+plain.host, plain
			if (i+j)%2 == 0 && runtime.GOOS == "linux" {
				base, server = "https://localhost:"+port, secure
			}
			s := newKeyShell(t, base, testKey, keySources[(i+j)%3])
			keylog := filepath.Join(s.home, "keylog")
			got := find.process(s, line, strings.Replace(setting, "KEYLOG", keylog, 1),
				"SSL_CERT_FILE="+ca.file)
			runs++
			// A setting that a newer Go has dropped may end the program before it begins.
			dropped := strings.Contains(got.stderr, "GODEBUG") && got.stdout == ""
			if got.code != 0 && !dropped {
				t.Errorf("%s, %s: %s", setting, line, got)
			}
			find.heard(server, testKey)
		}
	}
	counted(t, "%d commands under %d debug settings, 0 canary hits in %d texts",
		runs, len(debugSettings), find.texts)
}

// TestTortureStackTraces ends the program where it waits for the API, by signals that make Go print
// all stacks among others.
func TestTortureStackTraces(t *testing.T) {
	t.Parallel()
	if onWindows {
		t.Skip("Windows has no such signals")
	}
	find := newSearch(t)
	asked := make(chan bool, 100)
	api := newRawServer(t, beginning("", func(conn net.Conn) {
		asked <- true
		silent(conn)
	}))
	traces := 0
	for _, signal := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGABRT, syscall.SIGSEGV} {
		for _, line := range everyCommand {
			s := newKeyShell(t, "http://"+api.host, testKey, "stored")
			p := program{env: s.environ("GOTRACEBACK=system"), stdin: testKey, dir: s.home}
			r, err := p.start(t, strings.Fields(line)...)
			must(t, err)
			<-asked
			r.Process.Signal(signal)
			got := r.wait()
			traces += strings.Count(got.stderr, "goroutine 1 ")
			find.text(fmt.Sprintf("%s after %v", line, signal), got.stdout+got.stderr)
			find.files(s.home)
		}
	}
	if traces == 0 {
		t.Error("no signal made Go print its stacks")
	}
	counted(t, "%d stack traces, 0 canary hits in %d texts", traces, find.texts)
}
