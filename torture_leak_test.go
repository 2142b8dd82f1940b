package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// keySources are the ways in which a command gets its key.
var keySources = []string{"stored", "MICROTICA_TOKEN", "MICROTICA_TOKEN_FILE"}

// newKeyShell returns a shell that has a key from one of keySources; login gets it on stdin.
func newKeyShell(t *testing.T, api, k, source string) *shell {
	s := newShell(t, nil).with("MICROTICA_API_URL", api)
	s.stdin = k
	switch source {
	case "stored":
		s.save(k + "\n")
	case "MICROTICA_TOKEN":
		s.with(source, k)
	default:
		path := filepath.Join(s.home, ".microtica", "credentials") // where the search expects a key
		s.save(k+"\n").with(source, path)
	}
	return s
}

// TestTortureRedirects answers every command with every redirect to every place. Each is an error, and no place hears of it.
func TestTortureRedirects(t *testing.T) {
	find := newSearch(t)
	var location, status string
	var mu sync.Mutex
	api := newRecorder(t, "127.0.0.1:0", afterRequest(func(conn net.Conn, _, k string) {
		mu.Lock()
		defer mu.Unlock()
		io.WriteString(conn, rawAnswer(status+" See "+k, `{"message":"see `+inJSON(k)+`"}`, "Location: "+strings.ReplaceAll(location, "KEY", k)))
	}))
	base := "http://" + api.address() + "/gateway/v1"
	otherPort := newRecorder(t, "127.0.0.1:0", nil)
	otherHost := newRecorder(t, "127.0.0.2:0", nil)
	if otherHost == nil {
		t.Log("SKIPPED: another host, for 127.0.0.2 is not this machine's")
		otherHost = otherPort
	}
	targets := []*recorder{otherPort, otherHost}
	here := otherPort.address()
	locations := []struct{ value, says string }{
		{"http://" + otherHost.address() + "/", "to " + otherHost.address()},
		{"http://" + here + "/gateway/v1/projects", "to " + here},
		{"http://localhost:" + otherPort.port() + "/", "to localhost:" + otherPort.port()},
		{"https://" + here + "/", "to " + here},
		{"http://user:password@" + here + "/", "to " + here},
		{"http://KEY@" + here + "/?key=KEY#KEY", ""},
		{"http://KEY/", ""},
		{"//" + here + "/x", "to " + here},
		{"/gateway/v1/elsewhere", "to " + api.address()},
		{"projects/", "to " + api.address()},
		{base + "/projects", "to " + api.address()},
		{"http://[::1", "without saying where"},
		{"http://" + here + "/%zz", "without saying where"},
		{"http://127.0.0.1:999999/", ""},
		{"::", "without saying where"},
		{"", "without saying where"},
		{"javascript:alert(1)", ""},
		{"file:///etc/passwd", ""},
		{"http://" + here + "\x7f/", ""},
	}
	statuses := []string{"300", "301", "302", "303", "304", "305", "306", "307", "308", "310", "399"}
	redirects, foreign := 0, 0
	for i, code := range statuses {
		for j, to := range locations {
			for k, line := range append([]string{"login --token KEY"}, everyCommand...) {
				if !torture && (i+j+k)%6 != 0 {
					continue
				}
				mu.Lock()
				status, location = code, to.value
				mu.Unlock()
				secret := []string{testKey, nastyKey}[(i+j)%2]
				s := newKeyShell(t, base, secret, keySources[(i+j+k)%len(keySources)])
				where := fmt.Sprintf("%s to %s, %s", code, to.value, line)
				args := strings.Fields(line)
				if args[len(args)-1] == "KEY" {
					args[len(args)-1] = secret
				}
				if (i+k)%2 == 0 {
					args = append(args, "--json")
				}
				got := s.run(args...)
				redirects++
				want, stdout := 6, false
				switch args[0] {
				case "login":
					want, stdout = 0, true
				case "whoami":
					stdout = true
				}
				if got.code != want || stdout != (got.stdout != "") || !strings.Contains(got.stderr, "redirects "+to.says) && to.says != "" {
					t.Errorf("%s: %s", where, got)
				}
				log, connections := api.taken()
				if rest, keys := withoutKeyHeader(log, secret); connections != 1 || keys != 1 {
					t.Errorf("%s: %d requests, the key in %d headers", where, connections, keys)
				} else {
					find.text("the API's log", rest)
				}
				find.text(where, got.stdout+got.stderr)
				find.files(s.home)
				for _, target := range targets {
					if log, connections := target.taken(); connections > 0 || log != "" {
						foreign++
						t.Errorf("%s: FOREIGN REQUEST: %q", where, log)
					}
				}
			}
		}
	}
	counted(t, "%d redirects (%d statuses, %d places, %d commands), %d foreign requests, 0 canary hits in %d texts", redirects, len(statuses), len(locations), 1+len(everyCommand), foreign, find.texts)
}

// TestTortureReflectedKey lets the API send the key back in every place of its answer. It is never printed.
func TestTortureReflectedKey(t *testing.T) {
	find := newSearch(t)
	var answer func(k string) string
	var mu sync.Mutex
	api := newRecorder(t, "127.0.0.1:0", afterRequest(func(conn net.Conn, _, k string) {
		mu.Lock()
		defer mu.Unlock()
		io.WriteString(conn, answer(k))
	}))
	elsewhere := newRecorder(t, "127.0.0.1:0", nil)
	escaped := func(k string) string { // as a JSON string may be spelled
		var b strings.Builder
		for _, c := range k {
			fmt.Fprintf(&b, `\u%04X`, c)
		}
		return b.String()
	}
	places := []struct {
		name   string
		answer func(status, k string) string
	}{
		{"message", func(status, k string) string {
			return rawAnswer(status, `{"message":"no key `+inJSON(k)+` and `+inJSON(k)+inJSON(k)+`"}`)
		}},
		{"message, escaped", func(status, k string) string { return rawAnswer(status, `{"message":"`+escaped(k)+`"}`) }},
		{"message, at the cut", func(status, k string) string {
			return rawAnswer(status, `{"message":"`+strings.Repeat("x", maxMessage-10)+inJSON(k)+`"}`)
		}},
		{"values", func(status, k string) string {
			k = inJSON(k)
			return rawAnswer(status, `{"projects":[{"id":"`+k+`","name":"<`+k+`>","`+k+`":1,"deep":{"`+k+`":["`+k+`"]}}],"via":"apikey",`+
				`"entities":{"stages":[{"id":"`+k+`","name":"`+k+`","status":"`+k+`","lastDeployed":"`+k+`","`+k+`":"`+k+`"}]}}`)
		}},
		{"values, escaped", func(status, k string) string {
			k = escaped(k)
			return rawAnswer(status, `{"projects":[{"id":"`+k+`","name":"`+k+`","`+k+`":"`+k+`"}],"via":"`+k+`","entities":{"stages":[{"id":"`+k+`","name":"`+k+`","status":"`+k+`"}]}}`)
		}},
		{"a body that is not JSON", func(status, k string) string { return rawAnswer(status, "<html>"+k) }},
		{"a bare string", func(status, k string) string { return rawAnswer(status, `"`+inJSON(k)+`"`) }},
		{"a header", func(status, k string) string {
			return rawAnswer(status, projectsBody, "X-Echo: "+k, "Set-Cookie: k="+k, "WWW-Authenticate: Bearer "+k)
		}},
		{"a malformed header", func(status, k string) string { return "HTTP/1.1 " + status + "\r\n" + k + " \x1b\r\n\r\n" }},
		{"the name of a header", func(status, k string) string {
			return rawAnswer(status, projectsBody, strings.ReplaceAll(strings.ReplaceAll(k, `"`, ""), `\`, "")+": x")
		}},
		{"reason", func(status, k string) string { return rawAnswer(status+" "+k, projectsBody) }},
		{"status line", func(_, k string) string { return k + " 200 OK\r\n\r\n" }},
		{"status", func(_, k string) string { return "HTTP/1.1 " + k + " OK\r\n\r\n" }},
		{"Location", func(status, k string) string {
			return rawAnswer(status, "{}", "Location: http://"+elsewhere.address()+"/"+k+"?"+k)
		}},
		{"host of Location", func(status, k string) string {
			return rawAnswer(status, "{}", "Location: http://"+strings.ReplaceAll(k, `"`, "")+".example/")
		}},
		{"port of Location", func(status, k string) string { return rawAnswer(status, "{}", "Location: http://a.example:"+k+"/") }},
		{"Retry-After", func(status, k string) string { return rawAnswer(status, `{}`, "Retry-After: "+k) }},
		{"Content-Length", func(status, k string) string { return "HTTP/1.1 " + status + "\r\nContent-Length: " + k + "\r\n\r\n{}" }},
		{"Transfer-Encoding", func(status, k string) string {
			return "HTTP/1.1 " + status + "\r\nTransfer-Encoding: " + k + "\r\n\r\n{}"
		}},
		{"the size of a chunk", func(status, k string) string {
			return "HTTP/1.1 " + status + "\r\nTransfer-Encoding: chunked\r\n\r\n" + k + "\r\n{}\r\n0\r\n\r\n"
		}},
		{"a trailer", func(status, k string) string {
			return "HTTP/1.1 " + status + "\r\nTransfer-Encoding: chunked\r\nTrailer: X-Key\r\n\r\n2;" + "x" + "\r\n{}\r\n0\r\nX-Key: " + k + "\r\n\r\n"
		}},
		{"an interim answer", func(status, k string) string {
			return "HTTP/1.1 103 " + k + "\r\nLink: " + k + "\r\n\r\n" + rawAnswer(status, projectsBody)
		}},
	}
	reflections := 0
	for i, status := range []string{"200", "302", "401", "403", "404", "418", "429", "500", "503", "600"} {
		for j, place := range places {
			for k, line := range everyCommand {
				for l, flags := range [][]string{nil, {"--json"}, {"--query", "@"}, {"--query", "[].[id,name,keys(@)]"}} {
					if !torture && (i+j+k+l)%8 != 0 {
						continue
					}
					mu.Lock()
					answer = func(k string) string { return place.answer(status, k) }
					mu.Unlock()
					secret := []string{nastyKey, testKey}[(i+j+k)%2]
					s := newKeyShell(t, "http://"+api.address(), secret, keySources[(i+j+l)%len(keySources)])
					got := s.run(append(strings.Fields(line), flags...)...)
					reflections++
					find.text(fmt.Sprintf("%s, %s, %s %q", status, place.name, line, flags), got.stdout+got.stderr)
					find.files(s.home)
					log, _ := api.taken()
					rest, _ := withoutKeyHeader(log, secret)
					find.text("the API's log", rest)
					if log, connections := elsewhere.taken(); connections > 0 {
						t.Errorf("FOREIGN REQUEST: %q", log)
					}
				}
			}
		}
	}
	counted(t, "%d answers that hold the key, %d places, 0 canary hits in %d texts", reflections, len(places), find.texts)
}

// newCertificate returns a certificate for a name, and the file that makes it trusted. Options change what is signed.
func newCertificate(t testing.TB, name string, options ...func(*x509.Certificate)) (tls.Certificate, string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	for _, option := range options {
		option(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.CreateTemp(testDir, "ca-*.pem")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := pem.Encode(file, &pem.Block{Type: "CERTIFICATE", Bytes: der}); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}, file.Name()
}

// overTLS returns a handler that speaks TLS and gives what is inside to handle.
func overTLS(certificate tls.Certificate, handle func(net.Conn)) func(net.Conn) {
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"http/1.1"}}
	return func(conn net.Conn) {
		inside := tls.Server(conn, config)
		if inside.Handshake() == nil {
			handle(inside)
			inside.CloseWrite()
		}
	}
}

// leakEnv is the environment of a process whose home and temporary directory are searched afterwards.
func leakEnv(t *testing.T, s *shell, more ...string) []string {
	temp := filepath.Join(s.home, "tmp")
	if err := os.MkdirAll(temp, 0o700); err != nil {
		t.Fatal(err)
	}
	env := []string{"TMPDIR=" + temp, "TMP=" + temp, "TEMP=" + temp}
	if root := os.Getenv("SYSTEMROOT"); root != "" {
		env = append(env, "SYSTEMROOT="+root)
	}
	for name, value := range s.env {
		env = append(env, name+"="+value)
	}
	return append(env, more...)
}

// fullAnswer is one that suits every command.
var fullAnswer = `{"via":"apikey",` + projectsBody[1:len(projectsBody)-1] + `,` + stagesBody[1:]

// TestTortureProxies sends every command through proxies of every kind. What a proxy sees holds no key, whatever it answers.
func TestTortureProxies(t *testing.T) {
	if runtime.GOOS == "darwin" || runtime.GOOS == "windows" {
		t.Skip("SSL_CERT_FILE has no meaning here")
	}
	find := newSearch(t)
	certificate, trusted := newCertificate(t, "api.test.example")
	proxyCertificate, _ := newCertificate(t, "proxy.test.example")
	api := newRecorder(t, "127.0.0.1:0", overTLS(certificate, afterRequest(func(conn net.Conn, _, k string) {
		if k == testKey {
			io.WriteString(conn, rawAnswer("200 OK", fullAnswer))
		}
	})))
	elsewhere := newRecorder(t, "127.0.0.1:0", nil)
	say := func(text string) func(net.Conn) {
		return afterRequest(func(conn net.Conn, _, _ string) { io.WriteString(conn, text) })
	}
	tunnel := afterRequest(func(conn net.Conn, _, _ string) {
		to, err := net.Dial("tcp", api.address())
		if err != nil {
			return
		}
		defer to.Close()
		io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
		go func() {
			io.Copy(to, conn)
			to.(*net.TCPConn).CloseWrite()
		}()
		io.Copy(conn, to)
	})
	runs, passed := 0, 0
	for _, proxy := range []struct {
		name, scheme string
		handle       func(net.Conn)
		code         int
	}{
		{"that works", "http://", tunnel, 0},
		{"that works, with a password", "http://ana:hunter2@", tunnel, 0},
		{"without a scheme", "", tunnel, 0},
		{"that wants a password", "http://", say("HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n"), 5},
		{"that redirects", "http://", say("HTTP/1.1 302 Found\r\nLocation: http://" + elsewhere.address() + "/\r\nContent-Length: 0\r\n\r\n"), 5},
		{"that speaks itself", "http://", say("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{}"), 5},
		{"that refuses with text", "http://", say("HTTP/1.1 502 \x1b[31mBad\r\nContent-Length: 4\r\n\r\nbad\n"), 5},
		{"that hangs up", "http://", func(net.Conn) {}, 5},
		{"with a certificate of its own", "https://", overTLS(proxyCertificate, tunnel), 5},
		{"of the kind SOCKS", "socks5://", func(conn net.Conn) { io.ReadFull(conn, make([]byte, 3)) }, 5},
	} {
		server := newRecorder(t, "127.0.0.1:0", proxy.handle)
		for _, line := range everyCommand {
			s := newKeyShell(t, "https://api.test.example", testKey, "stored")
			variable := []string{"HTTPS_PROXY", "https_proxy"}[runs%2]
			env := leakEnv(t, s, variable+"="+proxy.scheme+server.address(), "SSL_CERT_FILE="+trusted, "HTTP_PROXY=http://"+elsewhere.address(), "ALL_PROXY=http://"+elsewhere.address())
			got := process(t, env, testKey, strings.Fields(line)...)
			runs++
			want := proxy.code
			if line == "login" {
				want = 0
			}
			if got.code != want || strings.Contains(got.stdout+got.stderr, "hunter2") || strings.Contains(got.stderr, "\x1b") {
				t.Errorf("a proxy %s, %s: %s", proxy.name, line, got)
			}
			log, connections := server.taken()
			if connections == 0 || connections > 3 {
				t.Errorf("a proxy %s, %s: %d connections to it", proxy.name, line, connections)
			}
			if strings.HasPrefix(log, "CONNECT api.test.example:443 HTTP/1.1\r\n") {
				passed++
			}
			find.text("the log of a proxy "+proxy.name, log)
			find.text(line, got.stdout+got.stderr)
			find.files(s.home)
			if log, connections := elsewhere.taken(); connections > 0 {
				t.Errorf("a proxy %s, %s: FOREIGN REQUEST: %q", proxy.name, line, log)
			}
			log, _ = api.taken()
			find.text("the API's log under TLS", log)
		}
	}
	// A key over plain http goes to this machine alone, past any proxy.
	plain := newFakeAPI(t)
	for _, line := range everyCommand {
		s := newShell(t, plain).save(testKey)
		env := leakEnv(t, s, "HTTP_PROXY=http://"+elsewhere.address(), "http_proxy=http://"+elsewhere.address(), "ALL_PROXY=http://"+elsewhere.address(), "HTTPS_PROXY=http://"+elsewhere.address())
		got := process(t, env, testKey, strings.Fields(line)...)
		if log, connections := elsewhere.taken(); got.code != 0 || connections > 0 {
			t.Errorf("plain http, %s: %s; FOREIGN REQUEST: %q", line, got, log)
		}
		runs++
	}
	counted(t, "%d commands with proxies, %d CONNECTs without a key, 0 foreign requests, 0 canary hits in %d texts", runs, passed, find.texts)
}

// TestTortureDebugSettings tries the settings with which Go's runtime and library talk about what they do.
func TestTortureDebugSettings(t *testing.T) {
	find := newSearch(t)
	certificate, trusted := newCertificate(t, "localhost")
	answer := afterRequest(func(conn net.Conn, _, _ string) { io.WriteString(conn, rawAnswer("200 OK", fullAnswer)) })
	secure := newRecorder(t, "127.0.0.1:0", overTLS(certificate, answer))
	plain := newRecorder(t, "127.0.0.1:0", answer)
	settings := []string{"GODEBUG=http2debug=2", "GODEBUG=http2debug=1,http2client=1", "GODEBUG=netdns=go+2", "GODEBUG=netdns=cgo+2", "GODEBUG=gctrace=1", "GODEBUG=inittrace=1",
		"GODEBUG=schedtrace=1,scheddetail=1", "GODEBUG=scavtrace=1", "GODEBUG=x509usefallbackroots=1", "GODEBUG=tlsrsakex=1,tls10server=1", "GODEBUG=httplaxcontentlength=1",
		"GODEBUG=http2debug=2,netdns=2,gctrace=1,inittrace=1,tracebackancestors=10", "GOTRACEBACK=system", "SSLKEYLOGFILE=KEYLOG", "DEBUG=*", "MICROTICA_DEBUG=1"}
	runs := 0
	for i, setting := range settings {
		for j, line := range everyCommand {
			base, server := "http://"+plain.address(), plain
			if (i+j)%2 == 0 && runtime.GOOS == "linux" {
				base, server = "https://localhost:"+secure.port(), secure
			}
			s := newKeyShell(t, base, testKey, keySources[(i+j)%len(keySources)])
			env := leakEnv(t, s, strings.Replace(setting, "KEYLOG", filepath.Join(s.home, "keylog"), 1), "SSL_CERT_FILE="+trusted)
			got := process(t, env, testKey, strings.Fields(line)...)
			runs++
			if got.code != 0 {
				t.Errorf("%s, %s: %s", setting, line, got)
			}
			find.text(setting, got.stdout+got.stderr)
			find.files(s.home)
			log, _ := server.taken()
			rest, _ := withoutKeyHeader(log, testKey)
			find.text("the API's log", rest)
		}
	}
	counted(t, "%d commands under %d debug settings, 0 canary hits in %d texts", runs, len(settings), find.texts)
}

// TestTortureStackTraces ends the program where it waits for the API with signals that make Go print all stacks.
func TestTortureStackTraces(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such signals")
	}
	find := newSearch(t)
	asked := make(chan bool, 100)
	api := newRecorder(t, "127.0.0.1:0", afterRequest(func(conn net.Conn, _, _ string) {
		asked <- true
		io.Copy(io.Discard, conn)
	}))
	traces := 0
	for _, signal := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGABRT, syscall.SIGSEGV, syscall.SIGTERM, syscall.SIGINT} {
		for _, line := range everyCommand {
			s := newKeyShell(t, "http://"+api.address(), testKey, "stored")
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			var out bytes.Buffer
			cmd := exec.CommandContext(ctx, builtBinary(t), strings.Fields(line)...)
			cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Dir = leakEnv(t, s, "GOTRACEBACK=system"), strings.NewReader(testKey), &out, &out, s.home
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			select {
			case <-asked:
			case <-ctx.Done():
				t.Errorf("%s asks nothing", line)
			}
			cmd.Process.Signal(signal)
			cmd.Wait()
			cancel()
			if strings.Contains(out.String(), "goroutine ") {
				traces++
			}
			find.text(fmt.Sprintf("%s after %v", line, signal), out.String())
			find.files(s.home)
		}
	}
	if traces == 0 {
		t.Error("no signal made Go print its stacks")
	}
	counted(t, "%d stack traces, 0 canary hits in %d texts", traces, find.texts)
}
