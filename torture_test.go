package main

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// The torture suite, whose tests begin with TestTorture, proves the program's promises by numbers:
// the key is never lost, goes nowhere else and is never printed, and no server hurts the machine or
// the terminal. MICROTICA_TORTURE says whether the numbers are small, as in make ci, or large, as
// in make torture, whose counts the documents quote. This file is what the suite shares.

// large reports whether the large numbers are asked for.
var large = os.Getenv("MICROTICA_TORTURE") != "" && os.Getenv("MICROTICA_TORTURE") != "small"

// times returns how often to do something.
func times(few, many int) int {
	if large {
		return many
	}
	return few
}

// counted prints what a test did.
func counted(t *testing.T, format string, args ...any) {
	t.Helper()
	t.Logf("counted: "+format, args...)
}

// nastyKey is a key whose secret part means something in JSON, in URLs and in base64.
const nastyKey = testPrefix + `_q"u\o<t>e&s%41+/=canary7NASTY`

// secretOf returns the part of a test's key that must never be seen.
func secretOf(key string) string { return strings.TrimPrefix(key, testPrefix+"_") }

// spellings returns the ways in which a key's secret part is searched for, in lower case: as it is,
// escaped and encoded.
func spellings(key string) []string {
	secret := secretOf(key)
	var all []string
	for _, part := range []string{secret, secret[strings.Index(secret, "canary"):]} {
		var percent, unicode, octets strings.Builder
		for _, c := range []byte(part) {
			fmt.Fprintf(&percent, "%%%02x", c)
			fmt.Fprintf(&unicode, `\u%04x`, c)
			fmt.Fprintf(&octets, `\x%02x`, c)
		}
		all = append(all, part, inJSON(part), hex.EncodeToString([]byte(part)),
			url.QueryEscape(part), url.PathEscape(part),
			percent.String(), unicode.String(), octets.String())
		for offset := range 3 { // what comes before shifts the whole encoding
			padded := append(make([]byte, offset), part...)
			for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
				text := e.EncodeToString(padded)
				first := []int{0, 2, 3}[offset]
				all = append(all, text[first:len(text)-1]) // the last one holds more
			}
		}
	}
	for i := range all {
		all[i] = strings.ToLower(all[i])
	}
	return all
}

// search looks for the secret parts of the test keys, and counts the texts that it looked through.
type search struct {
	t       *testing.T
	needles []string
	texts   int
}

func newSearch(t *testing.T) *search {
	return &search{t: t, needles: append(spellings(testKey), spellings(nastyKey)...)}
}

// text fails the test if text holds a key; where says what it is.
func (s *search) text(where, text string) {
	s.t.Helper()
	s.texts++
	lower := strings.ToLower(text)
	for _, needle := range s.needles {
		if strings.Contains(lower, needle) {
			s.t.Errorf("%s holds the key as %q:\n%.600q", where, needle, text)
			return
		}
	}
}

// files looks through the files below dir, except the stored key, and through their names.
func (s *search) files(dir string) {
	s.t.Helper()
	filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		s.text("the name of a file", path)
		stored := strings.HasSuffix(path, filepath.Join(".microtica", "credentials"))
		if entry.Type().IsRegular() && !stored {
			data, err := os.ReadFile(path)
			if err != nil {
				s.t.Error(err)
			}
			s.text(path, string(data))
		}
		return nil
	})
}

// heard looks through what the API heard, where each request holds key in one header line and
// nowhere else, and returns how many requests there were.
func (s *search) heard(api *rawServer, key string) int {
	s.t.Helper()
	log, requests := api.taken()
	line := "X-Microtica-Api-Key: " + key + "\r\n"
	if n := strings.Count(log, line); n > requests {
		s.t.Errorf("the key is in %d headers of %d requests", n, requests)
	}
	s.text("the API's log", strings.ReplaceAll(log, line, ""))
	return requests
}

// wantNoRequest fails the test if anything has connected to a server.
func wantNoRequest(t *testing.T, where string, servers ...*rawServer) {
	t.Helper()
	for _, server := range servers {
		if log, connections := server.taken(); connections > 0 {
			t.Errorf("%s: FOREIGN REQUEST to %s: %q", where, server.host, log)
		}
	}
}

// scripted is an API whose answer, bytes as they go over the wire, the test changes as it goes.
type scripted struct {
	*rawServer
	mu     sync.Mutex
	answer func(key string) string
}

// newScripted starts one. The answer is made of the key that the request holds.
func newScripted(t *testing.T) *scripted {
	s := &scripted{}
	s.rawServer = newRawServer(t, afterRequest(func(conn net.Conn, key string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		io.WriteString(conn, s.answer(key))
	}))
	return s
}

func (s *scripted) set(answer func(key string) string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// afterRequest returns a handler that reads a request, and then calls answer with the key that the
// request holds.
func afterRequest(answer func(conn net.Conn, key string)) func(net.Conn) {
	return func(conn net.Conn) {
		head := readHead(conn)
		_, rest, _ := strings.Cut(head, "X-Microtica-Api-Key: ")
		key, _, _ := strings.Cut(rest, "\r\n")
		if head != "" {
			answer(conn, key)
		}
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

// fullAnswer is an answer that suits every command.
var fullAnswer = `{"via":"apikey",` + projectsBody[1:len(projectsBody)-1] + `,` + stagesBody[1:]

// everyCommand are the command lines that speak to the API.
var everyCommand = []string{
	"login", "whoami", "project list", "env list --project 5f1c", "api projects",
}

// keySources are the ways in which a command gets its key.
var keySources = []string{"stored", "MICROTICA_TOKEN", "MICROTICA_TOKEN_FILE"}

// newKeyShell returns a shell that has a key from one of keySources; login gets it on stdin.
func newKeyShell(t *testing.T, api, key, source string) *shell {
	s := newShell(t, nil).with("MICROTICA_API_URL", api)
	s.stdin = key
	switch source {
	case "stored":
		s.save(key + "\n")
	case "MICROTICA_TOKEN":
		s.with(source, key)
	default:
		s.save(key+"\n").with(source, s.credentials()) // where the search expects a key
	}
	return s
}
