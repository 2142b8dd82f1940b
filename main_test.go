package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// This file is what the tests share: fakes of the API and of any other server, a certificate
// authority, the shell that runs commands in process, the runner of the real binary, and errors as
// tests state them.

// testKey is the key that the fake API accepts. Its secret part is a canary: the shell fails any
// test in which it is printed.
const (
	testKey    = "mic_d60bea1d_canary0SECRET0value"
	testPrefix = "mic_d60bea1d"
	otherKey   = "mic_0ther_key0of0an0earlier0login"
)

// Answers of the shapes that the API is known to give.
const (
	projectsBody = `{"projects":[` +
		`{"id":"5f1c","name":"shop","description":"The shop","paymentPlan":"pro"},` +
		`{"id":"77aa","name":"blog","description":""}]}`
	stagesBody = `{"id":"5f1c","name":"shop","description":"The shop","entities":{"stages":[` +
		`{"id":"e1","name":"production","description":"","status":"deployed",` +
		`"lastDeployed":1790154420000},` +
		`{"id":"e2","name":"staging","description":"","status":"pending"}],"pipelines":[]}}`
	meBody = `{"via":"apikey","userId":"u1",` +
		`"apiKey":{"id":"k1","prefix":"mic_d60bea1d","name":"ci"}}`
)

// onWindows is true where modes mean nothing, links take a privilege, messages differ, and a file
// that is being replaced cannot be opened.
const onWindows = runtime.GOOS == "windows"

// testDir is a directory that lives as long as the test process.
var testDir string

// TestMain runs the tests. The torture suite, which scales, runs only where it is asked for: by
// MICROTICA_TORTURE=small or large, or by name.
func TestMain(m *testing.M) {
	if file := os.Getenv(peakVariable); file != "" {
		os.Exit(runMeasured(file, os.Args[1:]))
	}
	flag.Parse()
	byName := strings.Contains(flag.Lookup("test.run").Value.String(), "Torture")
	if os.Getenv("MICROTICA_TORTURE") == "" && !byName {
		flag.Set("test.skip", cmp.Or(flag.Lookup("test.skip").Value.String(), "^TestTorture"))
	}
	// The machine's proxy is not the tests' business.
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"} {
		os.Unsetenv(name)
	}
	// Under nohup, or with & in a script, some signals are ignored. The programs that tests start
	// would inherit that, but not that they are caught. INT comes last: it decides for QUIT, too.
	for _, s := range slices.Backward(endingSignals) {
		if ignoredAtStart(s) {
			signal.Notify(make(chan os.Signal, 1), s)
		}
	}
	log.SetOutput(io.Discard) // the fakes' net/http logs what tests make clients do
	var err error
	if testDir, err = os.MkdirTemp("", "microtica-test-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(testDir)
	os.Exit(code)
}

// must ends the test if preparing it failed.
func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// receive returns the next value from ch, or fails the test.
func receive[T any](t testing.TB, ch <-chan T) (value T) {
	t.Helper()
	select {
	case value = <-ch:
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came in 20 seconds")
	}
	return value
}

// fakeAPI is a fake of Microtica's API on loopback, under a path prefix, so that a wrongly joined
// URL fails. It knows one key and answers 401 to any other.
type fakeAPI struct {
	*httptest.Server
	mu       sync.Mutex
	answers  map[string]http.HandlerFunc // by path below the prefix
	requests []string                    // the path of each request, in order
}

const fakePrefix = "/gateway/v1"

// newFakeAPI starts a fake that stops with the test.
func newFakeAPI(t testing.TB) *fakeAPI {
	f := unstartedFakeAPI()
	f.Start()
	t.Cleanup(f.Close)
	return f
}

func unstartedFakeAPI() *fakeAPI {
	f := &fakeAPI{answers: map[string]http.HandlerFunc{
		"/projects":              reply(200, projectsBody),
		"/projects/5f1c/details": reply(200, stagesBody),
		"/me":                    reply(200, meBody),
	}}
	f.Server = httptest.NewUnstartedServer(f)
	return f
}

// newSecureAPI starts a fake that speaks TLS.
func newSecureAPI(t testing.TB, config *tls.Config) *fakeAPI {
	return startSecure(t, unstartedFakeAPI(), config)
}

func startSecure(t testing.TB, f *fakeAPI, config *tls.Config) *fakeAPI {
	config.NextProtos = []string{"http/1.1"}
	f.TLS = config
	f.StartTLS()
	t.Cleanup(f.Close)
	return f
}

// base returns the value of MICROTICA_API_URL for the fake.
func (f *fakeAPI) base() string { return f.URL + fakePrefix }

// host returns where the fake listens, as messages name it.
func (f *fakeAPI) host() string { return f.Listener.Addr().String() }

// answer sets what the fake answers to a path below its prefix.
func (f *fakeAPI) answer(path string, h http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers[path] = h
}

// seen returns the paths asked for since the last call.
func (f *fakeAPI) seen() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := strings.Join(f.requests, " ")
	f.requests = nil
	return all
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, below := strings.CutPrefix(r.URL.EscapedPath(), fakePrefix)
	f.mu.Lock()
	f.requests = append(f.requests, path)
	answer := f.answers[path]
	f.mu.Unlock()
	switch {
	case !below || r.Method != http.MethodGet || answer == nil:
		reply(404, `{"message":"no such path"}`)(w, r)
	case r.Header.Get("X-Microtica-Api-Key") != testKey:
		reply(401, `{"message":"key revoked"}`)(w, r)
	default:
		answer(w, r)
	}
}

// reply returns a handler that answers with a status, a body, and headers given as name and value
// in turn.
func reply(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for pair := range slices.Chunk(headers, 2) {
			w.Header().Set(pair[0], pair[1])
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// hangUp ends the connection without an answer.
func hangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// silence does not answer while the client waits.
func silence(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// inTurn answers with each handler once, then with the last.
func inTurn(handlers ...http.HandlerFunc) http.HandlerFunc {
	var n atomic.Int32
	return func(w http.ResponseWriter, r *http.Request) {
		handlers[min(int(n.Add(1)), len(handlers))-1](w, r)
	}
}

// rawServer is a TCP server on this machine that says what a test wants, and keeps what it hears.
type rawServer struct {
	host        string // with the port
	connections atomic.Int32
	mu          sync.Mutex
	heard       bytes.Buffer
}

// newRawServer starts a server on loopback that passes each connection to serve, then closes it.
func newRawServer(t testing.TB, serve func(net.Conn)) *rawServer {
	t.Helper()
	s := newRawServerAt(t, "127.0.0.1:0", serve)
	if s == nil {
		t.FailNow()
	}
	return s
}

// newRawServerAt does the same at another address. It returns nil if this machine lacks that.
func newRawServerAt(t testing.TB, address string, serve func(net.Conn)) *rawServer {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Logf("no server at %s: %v", address, err)
		return nil
	}
	s := &rawServer{host: l.Addr().String()}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.connections.Add(1)
			go func() {
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(90 * time.Second))
				serve(&heardConn{conn, s})
			}()
		}
	}()
	return s
}

// heardConn keeps what its server hears.
type heardConn struct {
	net.Conn
	server *rawServer
}

func (c *heardConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	if c.server.heard.Len() < 1<<20 {
		c.server.heard.Write(p[:n])
	}
	return n, err
}

// taken returns what the server heard since the last call, and over how many connections.
func (s *rawServer) taken() (string, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := s.heard.String()
	s.heard.Reset()
	return text, int(s.connections.Swap(0))
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

// answering returns a handler that reads a request and sends text.
func answering(text string) func(net.Conn) {
	return func(conn net.Conn) {
		readHead(conn)
		io.WriteString(conn, text)
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
	must(t, err)
	a := &authority{t: t, key: key, file: filepath.Join(t.TempDir(), "ca.pem")}
	a.cert = &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "Test CA"},
		NotBefore:             time.Now().Add(-48 * time.Hour),
		NotAfter:              time.Now().Add(48 * time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	der := a.sign(a.cert).Certificate[0]
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	must(t, os.WriteFile(a.file, data, 0o600))
	return a
}

// sign returns the certificate that cert describes.
func (a *authority) sign(cert *x509.Certificate) tls.Certificate {
	der, err := x509.CreateCertificate(rand.Reader, cert, a.cert, a.key.Public(), a.key)
	must(a.t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.key}
}

// issue returns a certificate for addresses and names, valid for an hour from the given time on.
func (a *authority) issue(from time.Time, ips []net.IP, names ...string) tls.Certificate {
	return a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(2),
		Subject:      pkix.Name{CommonName: "API"},
		DNSNames:     names,
		IPAddresses:  ips,
		NotBefore:    from,
		NotAfter:     from.Add(time.Hour),
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
}

var loopback = []net.IP{net.IPv4(127, 0, 0, 1)}

// good returns a certificate that is valid now, for loopback and names.
func (a *authority) good(names ...string) tls.Certificate {
	return a.issue(time.Now().Add(-time.Minute), loopback, names...)
}

// needCertFile skips a test where Go leaves verification to the system, which has a store of its
// own and judges a certificate's authority before its name.
func needCertFile(t testing.TB) {
	if slices.Contains([]string{"darwin", "ios", "windows"}, runtime.GOOS) {
		t.Skip("SSL_CERT_FILE is not read on ", runtime.GOOS)
	}
}

// shell runs commands in process as a user's shell would: with an environment, a home directory and
// stdin.
type shell struct {
	t           testing.TB
	home        string
	env         map[string]string
	stdin       string
	input       io.Reader       // stdin where a text is not enough
	output      io.Writer       // where stdout goes instead of into the result
	waits       []time.Duration // before retries, which take no time here
	onTerminal  bool            // stderr is a terminal
	apiLimit    time.Duration
	verifyLimit time.Duration
	patience    time.Duration
	now         time.Time
}

// result is all that a command leaves behind, except files.
type result struct {
	stdout, stderr string
	code           int
}

func (r result) String() string {
	return fmt.Sprintf("exit %d\nstdout: %q\nstderr: %q", r.code, r.stdout, r.stderr)
}

// newShell returns a shell with an empty home directory, and with MICROTICA_API_URL naming api
// unless that is nil.
func newShell(t testing.TB, api *fakeAPI) *shell {
	s := shellIn(t, t.TempDir())
	if api != nil {
		s.with("MICROTICA_API_URL", api.base())
	}
	return s
}

// newUser returns a fake API, and a shell that has a key for it.
func newUser(t testing.TB) (*fakeAPI, *shell) {
	api := newFakeAPI(t)
	return api, newShell(t, api).with("MICROTICA_TOKEN", testKey)
}

// shellIn returns a shell with that home directory, which need not exist.
func shellIn(t testing.TB, home string) *shell {
	return &shell{
		t:           t,
		home:        home,
		env:         map[string]string{"HOME": home, "USERPROFILE": home},
		apiLimit:    10 * time.Second,
		verifyLimit: 5 * time.Second,
		patience:    3 * time.Second,
		now:         time.Now(),
	}
}

// newRawShell returns a shell with a key, and with the server as its API.
func newRawShell(t testing.TB, server *rawServer) *shell {
	s := newShell(t, nil)
	return s.with("MICROTICA_TOKEN", testKey, "MICROTICA_API_URL", "http://"+server.host)
}

// with returns s after setting variables, given as name and value in turn.
func (s *shell) with(variables ...string) *shell {
	for pair := range slices.Chunk(variables, 2) {
		s.env[pair[0]] = pair[1]
	}
	return s
}

// environ returns the shell's environment, with more, for a process.
func (s *shell) environ(more ...string) []string {
	var env []string
	for name, value := range s.env {
		env = append(env, name+"="+value)
	}
	return append(env, more...)
}

// app returns what main would make for the shell's commands, without a stdout and a stderr.
func (s *shell) app() *app {
	return &app{
		stdin:  cmp.Or[io.Reader](s.input, strings.NewReader(s.stdin)),
		stdout: s.output,
		stderr: io.Discard,
		lookenv: func(name string) (string, bool) {
			value, set := s.env[name]
			return value, set
		},
		now: func() time.Time { return s.now },
		after: func(d time.Duration) <-chan time.Time {
			s.waits = append(s.waits, d)
			return time.After(0)
		},
		onTerminal:  s.onTerminal,
		apiLimit:    s.apiLimit,
		verifyLimit: s.verifyLimit,
		patience:    s.patience,
	}
}

// run carries out one command line. Whatever it is, it must end and not print the key.
func (s *shell) run(args ...string) result {
	s.t.Helper()
	var stdout, stderr bytes.Buffer
	a := s.app()
	a.stderr = &stderr
	if a.stdout == nil {
		a.stdout = &stdout
	}
	watchdog := time.AfterFunc(time.Minute, func() {
		panic(fmt.Sprintf("microtica %.200q does not end", args))
	})
	defer watchdog.Stop()
	r := result{code: a.run(context.Background(), args)}
	r.stdout, r.stderr = stdout.String(), stderr.String()
	if strings.Contains(r.stdout+r.stderr, strings.TrimPrefix(testKey, testPrefix+"_")) {
		s.t.Errorf("%q printed the key:\n%s", args, r)
	}
	return r
}

// want runs a command line and compares all that it printed, and its exit status.
func (s *shell) want(want result, args ...string) {
	s.t.Helper()
	if got := s.run(args...); got != want {
		s.t.Errorf("microtica %s\n got %s\nwant %s", strings.Join(args, " "), got, want)
	}
}

// wantError runs a command line as it is and with --json: it must fail with w in both forms, and
// print nothing to stdout.
func (s *shell) wantError(w wrong, args ...string) {
	s.t.Helper()
	s.want(w.fails("", false), args...)
	s.want(w.fails("", true), append(slices.Clip(args), "--json")...)
}

// credentials returns the path of the stored key in the shell's home.
func (s *shell) credentials() string { return filepath.Join(s.home, ".microtica", "credentials") }

// save stores a key as an earlier login would have.
func (s *shell) save(text string) *shell {
	s.t.Helper()
	must(s.t, os.MkdirAll(filepath.Dir(s.credentials()), 0o700),
		os.WriteFile(s.credentials(), []byte(text), 0o600))
	return s
}

// wantStored checks the stored key, and that nothing else is beside it; "" for no file at all.
func (s *shell) wantStored(want string) {
	s.t.Helper()
	got, err := os.ReadFile(s.credentials())
	if err != nil && (want != "" || !os.IsNotExist(err)) {
		s.t.Errorf("stored key: %v", err)
	}
	if string(got) != want {
		s.t.Errorf("stored key is %q, want %q", got, want)
	}
	entries, _ := os.ReadDir(filepath.Dir(s.credentials()))
	for _, entry := range entries {
		if entry.Name() != "credentials" {
			s.t.Errorf("%s was left beside the stored key", entry.Name())
		}
	}
}

// wrong is an error as a test expects it. What follows from its code is repeated in exitStatuses
// and retryable, so that a change to the program's table fails a test.
type wrong struct {
	code, message, hint string
	status              int // 0 for null
}

var exitStatuses = map[int]string{
	1: "file.read file.write output.write limit.memory internal",
	2: "usage usage.project usage.url usage.proxy query.syntax query.function query.type",
	3: "auth.missing auth.malformed auth.rejected",
	4: "api.forbidden api.not_found api.refused",
	5: "network.dns network.connect network.tls network.proxy network.timeout",
	6: "api.rate_limited api.server api.redirect api.bad_response",
}

const retryable = "network.dns network.connect network.timeout network.proxy " +
	"api.rate_limited api.server"

// fails returns all that is left by a command that fails with w after it has printed stdout.
func (w wrong) fails(stdout string, asJSON bool) result {
	r := result{stdout: stdout}
	for exit, codes := range exitStatuses {
		if slices.Contains(strings.Fields(codes), w.code) {
			r.code = exit
		}
	}
	if !asJSON {
		r.stderr = "error: " + w.message + "\n"
		if w.hint != "" {
			r.stderr += "hint: " + w.hint + "\n"
		}
		return r
	}
	status := "null"
	if w.status != 0 {
		status = strconv.Itoa(w.status)
	}
	r.stderr = fmt.Sprintf(`{"error":{"code":%s,"message":%s,"hint":%s,"httpStatus":%s,`+
		`"retryAfter":null,"retryable":%t,"exitCode":%d}}`+"\n",
		quoted(w.code), quoted(w.message), quoted(w.hint), status,
		slices.Contains(strings.Fields(retryable), w.code), r.code)
	return r
}

// from returns w with SOURCE replaced by source.
func (w wrong) from(source string) wrong {
	w.message = strings.ReplaceAll(w.message, "SOURCE", source)
	w.hint = strings.ReplaceAll(w.hint, "SOURCE", source)
	return w
}

// badAnswer is the error for an answer that is not the API's.
func badAnswer(host, why string, status int) wrong {
	return wrong{"api.bad_response", "the answer from " + host + " is not the API's: " + why,
		"set MICROTICA_API_URL to the API's base URL", status}
}

// insecure is the error for a TLS handshake that failed.
func insecure(host, why, hint string) wrong {
	return wrong{"network.tls", "no secure connection to " + host + ": " + why, hint, 0}
}

const (
	cut         = "it is cut short or malformed, or its header is too long"
	notJSON     = "it is not JSON"
	tlsHint     = "check MICROTICA_API_URL and what is between here and there"
	connectHint = "check the network, or set MICROTICA_API_URL"
)

// quoted returns text as a JSON string, as the standard library encodes it, except that a line feed
// is spelled as the program spells it.
func quoted(text string) string {
	const end = "\uE000"
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.Encode(strings.ReplaceAll(text, "\n", end))
	return strings.ReplaceAll(strings.TrimSpace(b.String()), end, `\u000a`)
}

// inJSON returns text as it appears within a JSON string.
func inJSON(text string) string {
	text = quoted(text)
	return text[1 : len(text)-1]
}

// builtBinary returns the path of the program, built as make build does, for tests of what only a
// process can show.
func builtBinary(t testing.TB) string {
	t.Helper()
	path, err := buildBinary()
	must(t, err)
	return path
}

var buildBinary = sync.OnceValues(func() (string, error) {
	path := filepath.Join(testDir, "microtica")
	if onWindows {
		path += ".exe"
	}
	build := exec.Command("go", "build", "-ldflags", "-s -w -X main.version=test", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0",
		"GOFLAGS=-trimpath -buildvcs=false -tags=nethttpomithttp2")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%v\n%s", err, out)
	}
	return path, nil
})

// program is the built binary as a test runs it, with nothing but the environment that it names.
type program struct {
	env        []string
	stdin      string
	input      io.Reader // stdin where a text is not enough, such as a terminal
	stdout     io.Writer // where it goes instead of into the result
	stderr     io.Writer
	dir        string               // the working directory
	path       string               // a program other than the binary, such as /bin/sh
	attributes *syscall.SysProcAttr // another user or root directory, a session, a tracer
	limit      time.Duration        // a minute if it is 0
	measured   bool                 // whether its memory is measured
}

// running is a process that has started.
type running struct {
	*exec.Cmd
	t        testing.TB
	out, err bytes.Buffer
	ctx      context.Context
	cancel   func()
	started  time.Time
	took     time.Duration
	peakFile string
	peak     int64 // the most memory that it held, in bytes; 0 if the system does not say
}

// process runs the built binary with exactly the given environment.
func process(t testing.TB, env []string, stdin string, args ...string) result {
	t.Helper()
	return program{env: env, stdin: stdin}.run(t, args...)
}

// run starts the program and waits for its end.
func (p program) run(t testing.TB, args ...string) result {
	t.Helper()
	r, err := p.start(t, args...)
	if err != nil {
		t.Error(err)
		return result{code: -1}
	}
	return r.wait()
}

// start starts the program, which is killed when its time limit is over.
func (p program) start(t testing.TB, args ...string) (*running, error) {
	t.Helper()
	r := &running{t: t, started: time.Now()}
	r.ctx, r.cancel = context.WithTimeout(context.Background(), cmp.Or(p.limit, time.Minute))
	path, env := cmp.Or(p.path, builtBinary(t)), append([]string{}, p.env...)
	if p.measured {
		r.peakFile = filepath.Join(testDir, "peak-"+rand.Text())
		env = append(env, peakVariable+"="+r.peakFile)
		args = append([]string{path}, args...)
		path, _ = os.Executable()
	}
	r.Cmd = exec.CommandContext(r.ctx, path, args...)
	r.Env, r.Dir, r.SysProcAttr, r.WaitDelay = env, p.dir, p.attributes, 5*time.Second
	r.Stdin = cmp.Or[io.Reader](p.input, strings.NewReader(p.stdin))
	r.Stdout = cmp.Or[io.Writer](p.stdout, &r.out)
	r.Stderr = cmp.Or[io.Writer](p.stderr, &r.err)
	return r, r.Start()
}

// wait waits for the end of the program and returns what it left behind.
func (r *running) wait() result {
	r.t.Helper()
	r.Wait()
	if r.ctx.Err() != nil {
		r.t.Errorf("%.300q did not end in time", r.Args)
	}
	r.cancel()
	r.took = time.Since(r.started)
	if r.peakFile != "" {
		data, _ := os.ReadFile(r.peakFile)
		r.peak, _ = strconv.ParseInt(string(data), 10, 64)
	}
	return result{r.out.String(), r.err.String(), r.ProcessState.ExitCode()}
}

const peakVariable = "MICROTICA_TEST_PEAK"

// runMeasured runs a command line, writes the most memory that it held to a file, and returns its
// exit status. It is a process of its own because the system counts from what the parent held, and
// the tests hold much.
func runMeasured(file string, args []string) int {
	os.Unsetenv(peakVariable)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Run()
	peak := reflect.Indirect(reflect.ValueOf(cmd.ProcessState.SysUsage())).FieldByName("Maxrss")
	if peak.IsValid() { // not on Windows
		bytes := peak.Int()
		if runtime.GOOS != "darwin" {
			bytes <<= 10
		}
		os.WriteFile(file, []byte(strconv.FormatInt(bytes, 10)), 0o600)
	}
	return cmd.ProcessState.ExitCode()
}

// reportOf returns whoami's report.
func reportOf(reachable, visible string) string {
	return "via:                apikey\n" +
		"api key prefix:     mic_d60bea1d\n" +
		"api reachable:      " + reachable + "\n" +
		"projects visible:   " + visible + "\n"
}
