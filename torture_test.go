package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The tests whose names begin with TestTorture prove the program's promises by numbers: the key is never lost and goes nowhere
// else, and no server hurts the terminal. They run with small numbers each time, and with the large ones that README quotes
// where MICROTICA_TORTURE is set. This file is what they share.

var torture = os.Getenv("MICROTICA_TORTURE") != ""

// times returns how often to do something.
func times(short, long int) int {
	if torture {
		return long
	}
	return short
}

// counted prints what a test did, for whoever runs it and for README.
func counted(t *testing.T, format string, args ...any) {
	t.Helper()
	t.Logf("counted: "+format, args...)
}

// shellIn returns a shell with a home directory that is there already.
func shellIn(t testing.TB, home string) *shell {
	return &shell{t: t, home: home, env: map[string]string{"HOME": home, "USERPROFILE": home}, apiLimit: 10 * time.Second, verifyLimit: 5 * time.Second, now: time.Now()}
}

// nastyKey is a key whose secret part means something in JSON, in URLs and in base64. No fake API is needed that knows it.
const nastyKey = testPrefix + `_q"u\o<t>e&s%41+/=canary7NASTY`

// spellings are the ways in which a key's secret part is searched for: as it is, escaped, and encoded.
func spellings(k string) []string {
	secret := strings.TrimPrefix(k, testPrefix+"_")
	all := []string{secret}
	for _, part := range []string{secret, secret[strings.Index(secret, "canary"):]} {
		var percent, unicode, octets strings.Builder
		for _, c := range []byte(part) {
			fmt.Fprintf(&percent, "%%%02x", c)
			fmt.Fprintf(&unicode, `\u%04x`, c)
			fmt.Fprintf(&octets, `\x%02x`, c)
		}
		all = append(all, part, inJSON(part), hex.EncodeToString([]byte(part)), strings.ToUpper(hex.EncodeToString([]byte(part))),
			url.QueryEscape(part), url.PathEscape(part), percent.String(), strings.ToUpper(percent.String()), unicode.String(), octets.String())
		for offset := range 3 { // what stands before shifts the whole encoding
			padded := append(make([]byte, offset), part...)
			for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
				text := encoding.EncodeToString(padded)
				all = append(all, text[[]int{0, 2, 3}[offset]:len(text)-1]) // the last letter may hold bits of what follows
			}
		}
	}
	return all
}

// search looks for the secret parts of the test keys, and counts the texts that it looked through.
type search struct {
	t        *testing.T
	needles  []string
	texts    int
	foundAny bool
}

func newSearch(t *testing.T) *search {
	return &search{t: t, needles: append(spellings(testKey), spellings(nastyKey)...)}
}

// text fails the test if text holds a key; where says what it is.
func (s *search) text(where, text string) {
	s.t.Helper()
	s.texts++
	for _, needle := range s.needles {
		if strings.Contains(text, needle) {
			s.foundAny = true
			s.t.Errorf("%s holds the key as %q:\n%.600q", where, needle, text)
			return
		}
	}
}

// files looks through the files below dir and their names, but for the stored key.
func (s *search) files(dir string) {
	s.t.Helper()
	filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		s.text("the name of a file", path)
		if entry.Type().IsRegular() && !strings.HasSuffix(path, filepath.Join(".microtica", "credentials")) {
			data, err := os.ReadFile(path)
			if err != nil {
				s.t.Error(err)
			}
			s.text(path, string(data))
		}
		return nil
	})
}

// recorder listens on loopback, and keeps every byte that comes.
type recorder struct {
	listener    net.Listener
	connections atomic.Int32
	mu          sync.Mutex
	log         bytes.Buffer
	open        []net.Conn
	handlers    sync.WaitGroup
}

// newRecorder starts a server on address, such as 127.0.0.1:0, that gives each connection to handle and then closes it. It stops
// with the test. Where address cannot be had on this machine, it returns nil.
func newRecorder(t testing.TB, address string, handle func(net.Conn)) *recorder {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Logf("no server on %s: %v", address, err)
		return nil
	}
	s := &recorder{listener: listener}
	s.handlers.Add(1)
	go func() {
		defer s.handlers.Done()
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.connections.Add(1)
			s.handlers.Add(1)
			s.mu.Lock()
			s.open = append(s.open, conn)
			s.mu.Unlock()
			go func() {
				defer s.handlers.Done()
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(90 * time.Second))
				if handle != nil {
					handle(&loggedConn{conn, s})
				}
			}()
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		s.mu.Lock()
		for _, conn := range s.open { // a command that has ended may have left one open, which a process would not
			conn.Close()
		}
		s.mu.Unlock()
		s.handlers.Wait()
	})
	return s
}

func (s *recorder) address() string { return s.listener.Addr().String() }

func (s *recorder) port() string { return fmt.Sprint(s.listener.Addr().(*net.TCPAddr).Port) }

// taken returns what came since the last call, and over how many connections.
func (s *recorder) taken() (string, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := s.log.String()
	s.log.Reset()
	return text, int(s.connections.Swap(0))
}

// loggedConn writes what comes into its server's log.
type loggedConn struct {
	net.Conn
	server *recorder
}

func (c *loggedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	if c.server.log.Len() < 1<<20 {
		c.server.log.Write(p[:n])
	}
	return n, err
}

// afterRequest returns a handler that reads a request and lets answer write what it will; key is what the request holds.
func afterRequest(answer func(conn net.Conn, path, key string)) func(net.Conn) {
	return func(conn net.Conn) {
		r, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		answer(conn, r.URL.Path, r.Header.Get("X-Microtica-Api-Key"))
	}
}

// rawAnswer returns an answer as it goes over the wire; headers are whole lines.
func rawAnswer(status, body string, headers ...string) string {
	answer := "HTTP/1.1 " + status + "\r\nContent-Type: application/json\r\nConnection: close\r\n"
	for _, header := range headers {
		answer += header + "\r\n"
	}
	return answer + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
}

// withoutKeyHeader removes the one header line that holds the key from the raw log of the API itself, and counts how many
// there were.
func withoutKeyHeader(log, k string) (string, int) {
	line := "X-Microtica-Api-Key: " + k + "\r\n"
	return strings.ReplaceAll(log, line, ""), strings.Count(log, line)
}

// everyCommand are the command lines that speak to the API.
var everyCommand = []string{"login", "whoami", "project list", "env list --project 5f1c"}
