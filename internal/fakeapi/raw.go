package fakeapi

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Raw is a TCP server that sends what a test wants, and keeps what it hears.
type Raw struct {
	Host        string // with the port
	mu          sync.Mutex
	heard       bytes.Buffer
	connections atomic.Int32
}

// NewRaw starts a server on 127.0.0.1 that passes each connection to serve, then closes it.
func NewRaw(t testing.TB, serve func(net.Conn)) *Raw {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s := &Raw{Host: l.Addr().String()}
	go func() {
		for conn, err := l.Accept(); err == nil; conn, err = l.Accept() {
			s.connections.Add(1)
			conn.SetDeadline(time.Now().Add(90 * time.Second))
			go func() {
				defer conn.Close()
				serve(heardConn{conn, s})
			}()
		}
	}()
	return s
}

// Base returns the base URL of the server.
func (s *Raw) Base() string { return "http://" + s.Host }

// Taken returns what the server heard since the last call, the first megabyte of it, and over how
// many connections.
func (s *Raw) Taken() (heard string, connections int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.heard.Reset()
	return s.heard.String(), int(s.connections.Swap(0))
}

// heardConn keeps what its server hears.
type heardConn struct {
	net.Conn
	server *Raw
}

func (c heardConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	if c.server.heard.Len() < 1<<20 {
		c.server.heard.Write(p[:n])
	}
	return n, err
}

// ReadHead reads a request up to the empty line, and returns it; "" if nothing comes.
func ReadHead(conn net.Conn) string {
	var head strings.Builder
	for r := bufio.NewReader(conn); ; {
		line, err := r.ReadString('\n')
		head.WriteString(line)
		if err != nil || line == "\r\n" {
			return head.String()
		}
	}
}

// Answering returns what makes a server read a request and send text.
func Answering(text string) func(net.Conn) { return Beginning(text, func(net.Conn) {}) }

// Beginning returns what makes a server read a request, send text, and go on with then.
func Beginning(text string, then func(net.Conn)) func(net.Conn) {
	return func(conn net.Conn) {
		if ReadHead(conn) != "" {
			io.WriteString(conn, text)
			then(conn)
		}
	}
}

// JustListen hears what the client sends, and answers nothing, until the client has had enough.
func JustListen(conn net.Conn) { io.Copy(io.Discard, conn) }
