package main

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// wrong is an error as a test expects it. What follows from its code is written down here a second time.
type wrong struct {
	code, message, hint string
	status              int // 0 for null
}

// fails returns all that a command leaves which fails with w and prints nothing else.
func (w wrong) fails(stdout string, asJSON bool) result {
	exit := map[string]int{
		"file.read": 1, "file.write": 1, "output.write": 1, "limit.memory": 1,
		"usage": 2, "usage.url": 2, "usage.project": 2, "usage.proxy": 2, "query.type": 2,
		"auth.missing": 3, "auth.malformed": 3, "auth.rejected": 3,
		"api.forbidden": 4, "api.not_found": 4, "api.refused": 4,
		"network.dns": 5, "network.connect": 5, "network.tls": 5, "network.proxy": 5, "network.timeout": 5,
		"api.rate_limited": 6, "api.server": 6, "api.redirect": 6, "api.bad_response": 6,
	}[w.code]
	if !asJSON {
		text := "error: " + w.message + "\n"
		if w.hint != "" {
			text += "hint: " + w.hint + "\n"
		}
		return result{stdout, text, exit}
	}
	status := "null"
	if w.status != 0 {
		status = fmt.Sprint(w.status)
	}
	retryable := slices.Contains(strings.Fields("network.dns network.connect network.timeout network.proxy api.rate_limited api.server"), w.code)
	return result{stdout, fmt.Sprintf(`{"error":{"code":%s,"message":%s,"hint":%s,"httpStatus":%s,"retryAfter":null,"retryable":%v,"exitCode":%d}}`+"\n",
		quoted(w.code), quoted(w.message), quoted(w.hint), status, retryable, exit), exit}
}

// quoted returns text as a JSON string, by the standard library's encoder.
func quoted(text string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.Encode(text)
	return strings.TrimSpace(b.String())
}

// from returns w with source in the place of SOURCE.
func (w wrong) from(source string) wrong {
	w.message, w.hint = strings.ReplaceAll(w.message, "SOURCE", source), strings.ReplaceAll(w.hint, "SOURCE", source)
	return w
}

// wantError runs a command line as it is and with --json: it must fail with w, in both forms, and print nothing to stdout.
func (s *shell) wantError(w wrong, args ...string) {
	s.t.Helper()
	s.want(w.fails("", false), args...)
	s.want(w.fails("", true), append(args, "--json")...)
}

// badAnswer is the error for an answer that is not the API's.
func badAnswer(host, why string, status int) wrong {
	return wrong{"api.bad_response", "the answer from " + host + " is not the API's: " + why, "set MICROTICA_API_URL to the API's base URL", status}
}

const (
	cut      = "it is cut short or malformed, or its header is too long"
	notJSON  = "it is not JSON"
	readHint = "give the key read access in Microtica's console"
)

// host is where the fake listens, as messages name it.
func (f *fakeAPI) host() string { return f.Listener.Addr().String() }

// rawServer serves each connection on loopback with serve, which must not outlast silence, and then closes it.
type rawServer struct {
	host        string // with the port
	connections atomic.Int32
}

func newRawServer(t testing.TB, serve func(net.Conn)) *rawServer {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s := &rawServer{host: l.Addr().String()}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.connections.Add(1)
			go func() {
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(10 * time.Second))
				serve(conn)
			}()
		}
	}()
	return s
}

// readHead reads a request up to the empty line, and returns it.
func readHead(conn net.Conn) string {
	var head strings.Builder
	for r := bufio.NewReader(conn); ; {
		line, err := r.ReadString('\n')
		head.WriteString(line)
		if err != nil || line == "\r\n" {
			return head.String()
		}
	}
}

// answering returns what reads a request and sends text, and no more.
func answering(text string) func(net.Conn) {
	return func(conn net.Conn) {
		readHead(conn)
		io.WriteString(conn, text)
	}
}

// newRawShell returns a shell with a key, and with the server as its API.
func newRawShell(t testing.TB, server *rawServer) *shell {
	return newShell(t, nil).with("MICROTICA_TOKEN", testKey, "MICROTICA_API_URL", "http://"+server.host)
}

// hangUp ends the connection without an answer.
func hangUp(w http.ResponseWriter, _ *http.Request) {
	if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
		conn.Close()
	}
}

// silence does not answer while the client waits.
func silence(_ http.ResponseWriter, r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-time.After(20 * time.Second):
	}
}

// inTurn answers with each handler once, then with the last.
func inTurn(handlers ...http.HandlerFunc) http.HandlerFunc {
	var n atomic.Int32
	return func(w http.ResponseWriter, r *http.Request) {
		handlers[min(int(n.Add(1)), len(handlers))-1](w, r)
	}
}

// The machine's own proxy is none of the tests' business. (net/http reads these variables once.)
func init() {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"} {
		os.Unsetenv(name)
	}
}

// authority is a certificate authority of one test.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string // its certificate, for SSL_CERT_FILE
}

func newAuthority(t testing.TB) *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{t: t, key: key, file: filepath.Join(t.TempDir(), "ca.pem")}
	a.cert = &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test CA"}, NotBefore: time.Now().Add(-48 * time.Hour),
		NotAfter: time.Now().Add(48 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, key.Public(), key)
	if err == nil {
		err = os.WriteFile(a.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// issue returns a certificate for names and loopback, valid for an hour from the given time on.
func (a *authority) issue(from time.Time, ips []net.IP, names ...string) tls.Certificate {
	cert := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "API"}, DNSNames: names, IPAddresses: ips,
		NotBefore: from, NotAfter: from.Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, cert, a.cert, a.key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.key}
}

var loopback = []net.IP{net.IPv4(127, 0, 0, 1)}

// good returns a certificate that holds now, for loopback and names.
func (a *authority) good(names ...string) tls.Certificate {
	return a.issue(time.Now().Add(-time.Minute), loopback, names...)
}

// newSecureAPI starts a fake that speaks TLS.
func newSecureAPI(t testing.TB, config *tls.Config) *fakeAPI {
	return startSecure(t, unstartedFakeAPI(), config)
}

func startSecure(t testing.TB, f *fakeAPI, config *tls.Config) *fakeAPI {
	config.NextProtos = []string{"http/1.1"}
	f.TLS, f.Config.ErrorLog = config, log.New(io.Discard, "", 0)
	f.StartTLS()
	t.Cleanup(f.Close)
	return f
}

// needCertFile skips a test where Go leaves verification to the system, which has a store and an order of its own.
func needCertFile(t testing.TB) {
	if runtime.GOOS == "darwin" || runtime.GOOS == "windows" || runtime.GOOS == "ios" {
		t.Skip("SSL_CERT_FILE is not read on ", runtime.GOOS)
	}
}

const (
	tlsHint     = "check MICROTICA_API_URL and what stands between here and there"
	connectHint = "check the network, or set MICROTICA_API_URL"
)

func insecure(host, why, hint string) wrong {
	return wrong{"network.tls", "no secure connection to " + host + ": " + why, hint, 0}
}
